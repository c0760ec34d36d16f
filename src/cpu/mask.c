/* mask.c: the elements of a tensor that are true: how many, and where.
 *
 * Holds true: elements are listed in row-major order, whatever the layout. */
#include "cpu.h"
#include "iter.h"

enum { ROW = 512 };

#define TRUTH(TYPE, IS)                                           \
  do {                                                            \
    const TYPE *x = (const TYPE *)data;                           \
    for (int64_t j = 0; j < n; j++) truth[j] = IS(x[j * stride]); \
  } while (0)
#define NOT_ZERO(x) ((x) != 0)
#define NOT_ZERO_HALF(x) (((x)&0x7fff) != 0)

/* truth[j] = 1 where the j-th of n elements is not zero, else 0. */
static void find_truth(uint8_t *truth, const char *data, int dtype, int64_t stride, int64_t n) {
  switch (dtype) {
  case CR_FLOAT64: TRUTH(double, NOT_ZERO); break;
  case CR_FLOAT32: TRUTH(float, NOT_ZERO); break;
  case CR_FLOAT16:
  case CR_BFLOAT16: TRUTH(uint16_t, NOT_ZERO_HALF); break;
  case CR_INT64: TRUTH(int64_t, NOT_ZERO); break;
  case CR_INT32: TRUTH(int32_t, NOT_ZERO); break;
  case CR_INT16: TRUTH(int16_t, NOT_ZERO); break;
  default: TRUTH(uint8_t, NOT_ZERO); break;
  }
}

/* Counts the nonzero elements of `from` into `count` of the launch itself. */
int cr__cpu_count_true(cr__launch *k) {
  const cr__view *v = &k->count_true.from;
  const int64_t *strides[] = {v->stride};
  int64_t width = (int64_t)cr__size_of((cr_dtype)v->dtype), count = 0;
  uint8_t truth[ROW];
  cr__iter it;
  cr__iter_begin(&it, v->ndim, v->shape, 1, strides);
  cr__walk w;
  cr__walk_seek(&w, &it, 0, 0);
  for (int64_t done = 0, step = 0; done < it.numel; step++) {
    int64_t left = cr__walk_left(&w), n = left < ROW ? left : ROW;
    int32_t found = 0;
    int code = cr__cpu_look(step << 8);
    if (code) return code;
    find_truth(truth, v->data + w.offset * width, v->dtype, w.stride[0], n);
    for (int64_t j = 0; j < n; j++) found += truth[j];
    count += found;
    cr__walk_advance(&w, n);
    done += n;
  }
  k->count_true.count = count;
  return 0;
}

typedef struct listing {
  int64_t *out;
  const int64_t *step; /* NULL: a row of positions per element; else its offset plus 1 */
  int ndim;
  int64_t at[CR_MAX_DIMS]; /* of the current row, along all dims but the last */
} listing;

/* Lists what is true among n elements of a row, from position `begin` (from 0) on. */
static void list_row(listing *l, const uint8_t *truth, int64_t begin, int64_t n) {
  int64_t found[ROW], count = 0, base = 1;
  int last = l->ndim - 1;
  for (int64_t j = 0; j < n; j++) { /* without a branch, which would often be foreseen wrongly */
    found[count] = begin + j;
    count += truth[j];
  }
  for (int d = 0; l->step && d < last; d++) base += l->at[d] * l->step[d];
  for (int64_t j = 0; j < count; j++) {
    if (l->step) {
      *l->out++ = base + found[j] * l->step[last];
      continue;
    }
    for (int d = 0; d < last; d++) *l->out++ = l->at[d] + 1;
    *l->out++ = found[j] + 1;
  }
}

/* Lists the nonzero elements in row-major order.
 * `out` is int64 and contiguous, of as many rows as count_true found; `from` has at least one dim. A row has
 * a column per dim, with the positions from 1, or (as_offsets) no columns, but the offset plus 1 in a tensor
 * whose strides are `step`. */
int cr__cpu_nonzero(cr__launch *k) {
  const cr__view *v = &k->nonzero.from;
  int64_t width = (int64_t)cr__size_of((cr_dtype)v->dtype);
  int last = v->ndim - 1;
  bool offsets = k->nonzero.as_offsets;
  listing l = {(int64_t *)k->nonzero.out.data, offsets ? k->nonzero.step : NULL, v->ndim, {0}};
  int64_t *end = l.out + k->nonzero.out.shape[0] * (offsets ? 1 : v->ndim);
  const char *row = v->data;
  uint8_t truth[ROW];
  int64_t step = 0;
  while (l.out < end) { /* a row of the last dim each time; the count says when to stop */
    for (int64_t j = 0; j < v->shape[last]; j += ROW, step++) {
      int code = cr__cpu_look(step << 8);
      if (code) return code;
      int64_t n = v->shape[last] - j < ROW ? v->shape[last] - j : ROW;
      find_truth(truth, row + j * v->stride[last] * width, v->dtype, v->stride[last], n);
      list_row(&l, truth, j, n);
    }
    for (int d = last - 1; d >= 0; d--) {
      row += v->stride[d] * width;
      if (++l.at[d] < v->shape[d]) break;
      row -= l.at[d] * v->stride[d] * width;
      l.at[d] = 0;
    }
  }
  return 0;
}
