/* strided.c: triangles of matrices.
 *
 * Holds true: rows are independent; each is part copy, part zeros. */
#include <string.h>

#include "convert.h"
#include "cpu.h"

typedef struct triangle {
  const cr__view *out, *in;
  int64_t rows, columns, diagonal, size;
  bool upper;
} triangle;

static void keep_row(const triangle *t, char *out, const char *in, int64_t row) {
  int64_t edge = row + t->diagonal + (t->upper ? 0 : 1); /* between what is kept and what is not */
  edge = edge < 0 ? 0 : edge < t->columns ? edge : t->columns;
  int64_t from = t->upper ? edge : 0, to = t->upper ? t->columns : edge, size = t->size;
  int64_t step = t->in->stride[t->in->ndim - 1];
  memset(out, 0, (size_t)(from * size));
  cr__read_run(out + from * size, t->out->dtype, in + from * step * size, t->in->dtype, step,
               to - from);
  memset(out + to * size, 0, (size_t)((t->columns - to) * size));
}

/* The offset of a row, which is counted over all dims but the last. */
static int64_t row_offset(const cr__view *v, int64_t row) {
  int64_t offset = 0;
  for (int d = v->ndim - 2; d >= 0; d--) {
    offset += row % v->shape[d] * v->stride[d];
    row /= v->shape[d];
  }
  return offset;
}

static void keep_rows(void *job, int64_t begin, int64_t end) {
  const triangle *t = job;
  for (int64_t r = begin; r < end; r++)
    keep_row(t, t->out->data + row_offset(t->out, r) * t->size,
             t->in->data + row_offset(t->in, r) * t->size, r % t->rows);
}

/* The part of matrices on one side of a diagonal, which is kept.
 * `out`, which is contiguous, and `from` have one shape of at least 2 dims and one dtype. diagonal: positive above the main one;
 * upper: whether the part above is kept, not the one below. */
int cr__cpu_triangle(cr__launch *k) {
  const cr__view *v = &k->triangle.out;
  triangle t = {v,
                &k->triangle.from,
                v->shape[v->ndim - 2],
                v->shape[v->ndim - 1],
                k->triangle.diagonal,
                (int64_t)cr__size_of((cr_dtype)v->dtype),
                k->triangle.upper};
  int64_t n = 1;
  for (int d = 0; d < v->ndim - 1; d++) n *= v->shape[d];
  if (t.diagonal > t.columns) t.diagonal = t.columns; /* as far away as matters */
  if (t.diagonal < -t.rows) t.diagonal = -t.rows;
  return cr__cpu_share(n, n * t.columns, keep_rows, &t);
}
