/* cpu/index.c: reading by positions: pick, offset, nonzero.
 *
 * Holds true: an index may repeat along a dim (stride 0), which is how a row of positions moves whole
 * rows of elements: such rows are copied in one piece. */
#include "index.h"

#include <string.h>

/* ---- Checking ------------------------------------------------------------------------------- */

static int refuse(const char *op, int64_t p, int64_t size, int64_t dim) {
  return cr__fail(CR_E_INDEX,
                  "%s: position %lld is out of range for dim %lld of size %lld (positions count "
                  "from "
                  "1; negative ones from the end)",
                  op, (long long)p, (long long)dim, (long long)size);
}

#define CHECK_RUN(TYPE)                                                     \
  do {                                                                      \
    const TYPE *p = (const TYPE *)v->data + w.offset;                       \
    bool bad = false;                                                       \
    for (int64_t j = 0; j < run; j++) {                                     \
      int64_t x = p[j * step];                                              \
      bad |= (x == 0) | (x > size) | (x < -size);                           \
    }                                                                       \
    for (int64_t j = 0; bad && j < run; j++) {                              \
      int64_t x = p[j * step];                                              \
      if (x == 0 || x > size || x < -size) return refuse(op, x, size, dim); \
    }                                                                       \
  } while (0)

int cr__cpu_check_positions(const char *op, const cr__view *v, int64_t size, int64_t dim) {
  int64_t shape[CR_MAX_DIMS];
  const int64_t *strides[] = {v->stride};
  for (int d = 0; d < v->ndim; d++)
    shape[d] = v->stride[d] == 0 && v->shape[d] > 0 ? 1 : v->shape[d];
  cr__iter it;
  cr__iter_begin(&it, v->ndim, shape, 1, strides);
  cr__walk w;
  cr__walk_seek(&w, &it, 0, 0);
  for (int64_t done = 0; done < it.numel;) {
    int64_t run = cr__walk_left(&w), step = w.stride[0];
    if (v->dtype == CR_INT64) CHECK_RUN(int64_t);
    else CHECK_RUN(int32_t);
    cr__walk_advance(&w, run);
    done += run;
  }
  return 0;
}

/* ---- pick ------------------------------------------------------------------------------------ */

typedef struct pick {
  const cr__view *out, *from, *index;
  int64_t size, stride; /* of the indexed dim */
  int64_t element;      /* bytes */
  cr__iter it;          /* operands: out, from, index */
} pick;

#define PICK_RUN(TYPE)                                                            \
  do {                                                                            \
    TYPE *o = (TYPE *)out;                                                        \
    const TYPE *f = (const TYPE *)from;                                           \
    if (p->index->dtype == CR_INT64) {                                            \
      const int64_t *x = (const int64_t *)index;                                  \
      for (int64_t j = 0; j < n; j++)                                             \
        o[j * so] = f[j * sf + cr__cpu_offset_of(x[j * si], p->size, p->stride)]; \
    } else {                                                                      \
      const int32_t *x = (const int32_t *)index;                                  \
      for (int64_t j = 0; j < n; j++)                                             \
        o[j * so] = f[j * sf + cr__cpu_offset_of(x[j * si], p->size, p->stride)]; \
    }                                                                             \
  } while (0)

/* One row of n elements with the strides so, sf, si. */
static void pick_run(const pick *p, char *out, int64_t so, const char *from, int64_t sf,
                     const char *index, int64_t si, int64_t n) {
  if (si == 0 && so == 1 && sf == 1) {
    int64_t at = cr__cpu_position(index, p->index->dtype, 0);
    at = cr__cpu_offset_of(at, p->size, p->stride);
    memcpy(out, from + at * p->element, (size_t)(n * p->element));
    return;
  }
  switch (p->element) {
  case 1: PICK_RUN(uint8_t); break;
  case 2: PICK_RUN(uint16_t); break;
  case 4: PICK_RUN(uint32_t); break;
  default: PICK_RUN(uint64_t); break;
  }
}

static void pick_range(const pick *p, int64_t begin, int64_t end) {
  cr__walk out, from, index;
  int64_t width = (int64_t)cr__size_of((cr_dtype)p->index->dtype);
  cr__walk_seek(&out, &p->it, 0, begin);
  cr__walk_seek(&from, &p->it, 1, begin);
  cr__walk_seek(&index, &p->it, 2, begin);
  while (begin < end) {
    int64_t left = cr__walk_left(&out), n = left < end - begin ? left : end - begin;
    pick_run(p, p->out->data + out.offset * p->element, out.stride[0],
             p->from->data + from.offset * p->element, from.stride[0],
             p->index->data + index.offset * width, index.stride[0], n);
    cr__walk_advance(&out, n);
    cr__walk_advance(&from, n);
    cr__walk_advance(&index, n);
    begin += n;
  }
}

/* out[...] = from[... + the offset of index[...]].
 * v[0] out, v[1] from, v[2] index (int64 or int32), all of one shape: `from` has stride 0 along what
 * the positions run through, index along the rest. i[0] size and i[1] stride (of `from`, in
 * elements) of the indexed dim, i[2] its number from 1; i[0] = -1: positions are offsets plus 1.
 * Equal dtypes of v[0] and v[1] have been checked, ranges have not. */
int cr__cpu_pick(cr__launch *k) {
  pick p = {&k->v[0], &k->v[1], &k->v[2], k->i[0], k->i[1], 0, {0}};
  const int64_t *strides[] = {p.out->stride, p.from->stride, p.index->stride};
  if (p.size >= 0 && cr__cpu_check_positions(k->op, p.index, p.size, k->i[2]))
    return (int)cr_error_code();
  p.element = (int64_t)cr__size_of((cr_dtype)p.out->dtype);
  cr__iter_begin(&p.it, p.out->ndim, p.out->shape, 3, strides);
  int64_t n = p.it.numel, piece = 65536;
#pragma omp parallel for num_threads(cr__cpu_threads(n)) schedule(static)
  for (int64_t begin = 0; begin < n; begin += piece)
    pick_range(&p, begin, begin + piece < n ? begin + piece : n);
  return 0;
}

/* ---- offset ------------------------------------------------------------------------------------ */

/* Turns positions along one dim into offsets, and adds those of several dims up.
 * v[0] out: int64, contiguous; v[1] positions, int64 or int32, of the same shape. i[0] size, i[1]
 * stride of the indexed dim, i[2] its number from 1, i[3] 1 for the first dim (out = offset + 1) and
 * 0 for the others (out += offset); i[0] = -1: positions are offsets plus 1. Nothing has been
 * checked. */
int cr__cpu_offset(cr__launch *k) {
  const cr__view *v = &k->v[1];
  const int64_t *strides[] = {k->v[0].stride, v->stride};
  if (k->i[0] >= 0 && cr__cpu_check_positions(k->op, v, k->i[0], k->i[2]))
    return (int)cr_error_code();
  cr__iter it;
  cr__iter_begin(&it, v->ndim, v->shape, 2, strides);
  cr__walk to, from;
  cr__walk_seek(&to, &it, 0, 0);
  cr__walk_seek(&from, &it, 1, 0);
  int64_t width = (int64_t)cr__size_of((cr_dtype)v->dtype);
  for (int64_t done = 0; done < it.numel;) {
    int64_t n = cr__walk_left(&to);
    int64_t *out = (int64_t *)k->v[0].data + to.offset;
    const char *in = v->data + from.offset * width;
    for (int64_t j = 0; j < n; j++) {
      int64_t p = cr__cpu_position(in, v->dtype, j * from.stride[0]);
      int64_t offset = cr__cpu_offset_of(p, k->i[0], k->i[1]);
      out[j * to.stride[0]] = k->i[3] ? offset + 1 : out[j * to.stride[0]] + offset;
    }
    cr__walk_advance(&to, n);
    cr__walk_advance(&from, n);
    done += n;
  }
  return 0;
}

/* ---- nonzero ------------------------------------------------------------------------------------- */

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

/* Counts the nonzero elements of v[0] into i[0] of the launch itself. */
int cr__cpu_count_true(cr__launch *k) {
  const cr__view *v = &k->v[0];
  const int64_t *strides[] = {v->stride};
  int64_t width = (int64_t)cr__size_of((cr_dtype)v->dtype), count = 0;
  uint8_t truth[ROW];
  cr__iter it;
  cr__iter_begin(&it, v->ndim, v->shape, 1, strides);
  cr__walk w;
  cr__walk_seek(&w, &it, 0, 0);
  for (int64_t done = 0; done < it.numel;) {
    int64_t left = cr__walk_left(&w), n = left < ROW ? left : ROW;
    int32_t found = 0;
    find_truth(truth, v->data + w.offset * width, v->dtype, w.stride[0], n);
    for (int64_t j = 0; j < n; j++) found += truth[j];
    count += found;
    cr__walk_advance(&w, n);
    done += n;
  }
  k->i[0] = count;
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
 * v[0] out: int64, contiguous, as many rows as count_true found; v[1] the elements, in at least one
 * dim. i[0] 0: a column per dim, with the positions from 1. i[0] 1: no columns, but the offset plus 1
 * of each in a tensor whose strides are i[1 ...]. */
int cr__cpu_nonzero(cr__launch *k) {
  const cr__view *v = &k->v[1];
  int64_t width = (int64_t)cr__size_of((cr_dtype)v->dtype);
  int last = v->ndim - 1;
  listing l = {(int64_t *)k->v[0].data, k->i[0] ? &k->i[1] : NULL, v->ndim, {0}};
  int64_t *end = l.out + k->v[0].shape[0] * (k->i[0] ? 1 : v->ndim);
  const char *row = v->data;
  uint8_t truth[ROW];
  while (l.out < end) { /* a row of the last dim each time; the count says when to stop */
    for (int64_t j = 0; j < v->shape[last]; j += ROW) {
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
