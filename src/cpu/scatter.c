/* cpu/scatter.c: writing and adding by positions, and adding to overlapping views.
 *
 * Holds true: elements are written in the row-major order of the index, whatever its layout, so that
 * sums have one value and the last write stands; threads never write to one element. */
#include "index.h"

#include <string.h>

/* ---- Rows ------------------------------------------------------------------------------------- */

/* to[i * st + offset[i]] += from[i * sf]; offset NULL: none. */
typedef void (*add_run)(void *to, int64_t st, const int64_t *offset, const void *from, int64_t sf,
                        int64_t n);

#define ADD_RUN(name, TYPE, SUM)                                                        \
  static void add_##name(void *to, int64_t st, const int64_t *offset, const void *from, \
                         int64_t sf, int64_t n) {                                       \
    TYPE *restrict a = to;                                                              \
    const TYPE *restrict b = from;                                                      \
    if (offset) {                                                                       \
      for (int64_t j = 0; j < n; j++) {                                                 \
        TYPE *x = a + j * st + offset[j];                                               \
        *x = SUM(*x, b[j * sf]);                                                        \
      }                                                                                 \
    } else if (st == 1 && sf == 1) {                                                    \
      _Pragma("omp simd") for (int64_t j = 0; j < n; j++) a[j] = SUM(a[j], b[j]);       \
    } else {                                                                            \
      for (int64_t j = 0; j < n; j++) a[j * st] = SUM(a[j * st], b[j * sf]);            \
    }                                                                                   \
  }
#define PLUS8(x, y) ((uint8_t)((x) + (y)))
#define PLUS16(x, y) ((uint16_t)((x) + (y)))
#define PLUS(x, y) ((x) + (y))
#define PLUS_HALF(x, y) cr__float_to_half(cr__half_to_float(x) + cr__half_to_float(y))
#define PLUS_BFLOAT(x, y) cr__float_to_bfloat(cr__bfloat_to_float(x) + cr__bfloat_to_float(y))
#define OR(x, y) ((x) | (y))
/* Integers wrap, so signed ones are added as unsigned. */
ADD_RUN(f64, double, PLUS)
ADD_RUN(f32, float, PLUS)
ADD_RUN(f16, uint16_t, PLUS_HALF)
ADD_RUN(bf16, uint16_t, PLUS_BFLOAT)
ADD_RUN(i64, uint64_t, PLUS)
ADD_RUN(i32, uint32_t, PLUS)
ADD_RUN(i16, uint16_t, PLUS16)
ADD_RUN(i8, uint8_t, PLUS8)
ADD_RUN(b8, uint8_t, OR)

static const add_run adders[CR_DTYPE_COUNT] = {
    [CR_FLOAT64] = add_f64,   [CR_FLOAT32] = add_f32, [CR_FLOAT16] = add_f16,
    [CR_BFLOAT16] = add_bf16, [CR_INT64] = add_i64,   [CR_INT32] = add_i32,
    [CR_INT16] = add_i16,     [CR_INT8] = add_i8,     [CR_UINT8] = add_i8,
    [CR_BOOL] = add_b8,
};

/* The same without the sum. */
#define SET_RUN(TYPE)                                                                 \
  do {                                                                                \
    TYPE *a = to;                                                                     \
    const TYPE *b = from;                                                             \
    for (int64_t j = 0; j < n; j++) a[j * st + (offset ? offset[j] : 0)] = b[j * sf]; \
  } while (0)

static void set_run(void *to, int64_t st, const int64_t *offset, const void *from, int64_t sf,
                    int64_t n, int64_t size) {
  if (!offset && st == 1 && sf == 1) {
    memcpy(to, from, (size_t)(n * size));
    return;
  }
  switch (size) {
  case 1: SET_RUN(uint8_t); break;
  case 2: SET_RUN(uint16_t); break;
  case 4: SET_RUN(uint32_t); break;
  default: SET_RUN(uint64_t); break;
  }
}

/* ---- place -------------------------------------------------------------------------------------- */

enum { BLOCK = 256, LINE = 16 };

typedef struct place {
  const cr__view *to, *index, *from;
  int64_t size, stride; /* of the indexed dim */
  int64_t element;      /* bytes */
  add_run add;          /* NULL: elements are overwritten */
  cr__iter it;          /* operands: row-major order itself, to, index, from */
} place;

static void place_run(const place *p, char *to, const int64_t *offset, const char *from,
                      int64_t n) {
  int64_t st = p->it.stride[1][0], sf = p->it.stride[3][0];
  if (p->add) p->add(to, st, offset, from, sf, n);
  else set_run(to, st, offset, from, sf, n, p->element);
}

/* n elements of a row that each have a position. */
static void place_each(const place *p, char *to, const char *index, const char *from, int64_t n) {
  int64_t offset[BLOCK], si = p->it.stride[2][0];
  int dtype = p->index->dtype;
  for (int64_t begin = 0; begin < n; begin += BLOCK) {
    int64_t run = n - begin < BLOCK ? n - begin : BLOCK;
    for (int64_t j = 0; j < run; j++)
      offset[j] =
          cr__cpu_offset_of(cr__cpu_position(index, dtype, (begin + j) * si), p->size, p->stride);
    place_run(p, to + begin * p->it.stride[1][0] * p->element, offset,
              from + begin * p->it.stride[3][0] * p->element, run);
  }
}

/* Does columns [left, right) (of the innermost dim) of rows [top, bottom). */
static void place_part(const place *p, int64_t top, int64_t bottom, int64_t left, int64_t right) {
  cr__walk to, index, from;
  int64_t width = (int64_t)cr__size_of((cr_dtype)p->index->dtype), n = p->it.shape[0];
  int64_t si = p->it.stride[2][0], size = p->element;
  cr__walk_seek(&to, &p->it, 1, top * n);
  cr__walk_seek(&index, &p->it, 2, top * n);
  cr__walk_seek(&from, &p->it, 3, top * n);
  for (int64_t row = top; row < bottom; row++) {
    const char *in = p->index->data + (index.offset + left * si) * width;
    char *t = p->to->data + (to.offset + left * to.stride[0]) * size;
    const char *f = p->from->data + (from.offset + left * from.stride[0]) * size;
    if (si != 0) {
      place_each(p, t, in, f, right - left);
    } else {
      int64_t at = cr__cpu_position(in, p->index->dtype, 0);
      place_run(p, t + cr__cpu_offset_of(at, p->size, p->stride) * size, NULL, f, right - left);
    }
    cr__walk_advance(&to, n);
    cr__walk_advance(&index, n);
    cr__walk_advance(&from, n);
  }
}

/* Cuts the work where no two parts can write to one element: along a dim that no position moves
 * through. Positions that are offsets may lead anywhere, so there only a row of one position is cut. */
static void place_all(const place *p) {
  const cr__iter *it = &p->it;
  int last = it->ndim - 1;
  int64_t columns = it->shape[0], rows = it->numel / columns, outer = it->shape[last];
  bool single = p->size >= 0;
  bool by_column = it->stride[2][0] == 0 || (single && it->stride[1][0] != 0);
  bool by_row = !by_column && single && last > 0 && it->stride[1][last] != 0;
  int64_t parts = by_column ? (columns + LINE - 1) / LINE : by_row ? outer : 1;
  int threads = cr__cpu_threads(parts > 1 ? it->numel : 1);
  if (threads > parts) threads = (int)parts;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int t = 0; t < threads; t++) {
    int64_t begin = parts * t / threads, end = parts * (t + 1) / threads;
    if (by_column)
      place_part(p, 0, rows, begin * LINE, end * LINE < columns ? end * LINE : columns);
    else if (by_row) place_part(p, rows / outer * begin, rows / outer * end, 0, columns);
    else place_part(p, 0, rows, 0, columns);
  }
}

/* to[... + the offset of index[...]] = or += from[...].
 * v[0] to, v[1] index (int64 or int32), v[2] from, all of one shape: `to` has stride 0 along what the
 * positions run through. i[0] size and i[1] stride (of `to`, in elements) of the indexed dim, i[2]
 * its number from 1, i[3] 1 to add; i[0] = -1: positions are offsets plus 1. Equal dtypes of v[0] and
 * v[2], and that no two of the three share memory, have been checked; ranges have not. */
int cr__cpu_place(cr__launch *k) {
  place p = {&k->v[0], &k->v[1], &k->v[2], k->i[0], k->i[1], 0, NULL, {0}};
  int64_t order[CR_MAX_DIMS];
  const int64_t *strides[] = {order, p.to->stride, p.index->stride, p.from->stride};
  if (p.size >= 0 && cr__cpu_check_positions(k->op, p.index, p.size, k->i[2]))
    return (int)cr_error_code();
  p.element = (int64_t)cr__size_of((cr_dtype)p.to->dtype);
  if (k->i[3]) p.add = adders[p.to->dtype];
  cr__fill_strides(p.to->ndim, p.to->shape, order);
  cr__iter_begin(&p.it, p.to->ndim, p.to->shape, 4, strides);
  if (p.it.numel > 0) place_all(&p);
  return 0;
}

/* ---- add_strided ----------------------------------------------------------------------------------- */

/* to[...] += from[...], one element after the other in row-major order.
 * v[0] to, whose elements may share memory with one another; v[1] from, of the same shape and dtype
 * and elsewhere in memory. */
int cr__cpu_add_strided(cr__launch *k) {
  const cr__view *to = &k->v[0], *from = &k->v[1];
  int64_t order[CR_MAX_DIMS], size = (int64_t)cr__size_of((cr_dtype)to->dtype);
  const int64_t *strides[] = {order, to->stride, from->stride};
  cr__fill_strides(to->ndim, to->shape, order);
  cr__iter it;
  cr__iter_begin(&it, to->ndim, to->shape, 3, strides);
  cr__walk a, b;
  cr__walk_seek(&a, &it, 1, 0);
  cr__walk_seek(&b, &it, 2, 0);
  for (int64_t done = 0; done < it.numel;) {
    int64_t n = cr__walk_left(&a);
    adders[to->dtype](to->data + a.offset * size, a.stride[0], NULL, from->data + b.offset * size,
                      b.stride[0], n);
    cr__walk_advance(&a, n);
    cr__walk_advance(&b, n);
    done += n;
  }
  return 0;
}
