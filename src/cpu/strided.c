/* strided.c: triangles of matrices.
 *
 * Holds true: rows are independent; each is part copy, part zeros. */
#include "cpu.h"

#include <string.h>

typedef struct triangle {
  const cr__view *out, *in;
  int64_t rows, columns, diagonal, size;
  bool upper;
} triangle;

#define KEEP(TYPE)                                                                               \
  do {                                                                                           \
    TYPE *o = (TYPE *)out;                                                                       \
    const TYPE *x = (const TYPE *)in, zero = {0};                                                \
    for (int64_t j = 0; j < t->columns; j++) o[j * so] = j >= from && j < to ? x[j * si] : zero; \
  } while (0)

static void keep_row(const triangle *t, char *out, const char *in, int64_t row) {
  int64_t edge = row + t->diagonal; /* the column of the diagonal */
  int64_t from = t->upper ? edge : 0, to = t->upper ? t->columns : edge + 1;
  int64_t so = t->out->stride[t->out->ndim - 1], si = t->in->stride[t->in->ndim - 1];
  switch (t->size) {
  case 1: KEEP(uint8_t); break;
  case 2: KEEP(uint16_t); break;
  case 4: KEEP(uint32_t); break;
  case 8: KEEP(uint64_t); break;
  default: KEEP(cr__bytes16); break;
  }
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
 * `out` and `from` have one shape of at least 2 dims and one dtype. diagonal: positive above the main one;
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
