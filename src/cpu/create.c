/* create.c: kernels that write ranges.
 *
 * Holds true: element i is computed from i alone, never from its neighbour. */

#include "cpu.h"
#include "cpu/loops/loops.h"
#include "scalar/spacing.h"

static int64_t truncated(double x) { return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN; }

static void store_double(char *to, int dtype, double x) {
  cr_value number =
      cr__category((cr_dtype)dtype) == CR_FLOATING ? cr_float(x) : cr_int(truncated(x));
  cr__store_scalar(to, (cr_dtype)dtype, &number);
}

#define EACH(T, value)                                                                 \
  for (int64_t i = begin; i < end; i++) ((T *)(void *)v->data)[i * step] = (T)(value); \
  break

/* Counts in integers, which wrap. */
static void count_ints(void *launch, int64_t begin, int64_t end) {
  const cr__launch *k = launch;
  const cr__view *v = &k->v[0];
  uint64_t start = (uint64_t)k->i[1], by = (uint64_t)k->i[2];
  int64_t step = v->stride[0];
  switch (v->dtype) {
  case CR_FLOAT64: EACH(double, (int64_t)(start + (uint64_t)i * by));
  case CR_FLOAT32: EACH(float, (int64_t)(start + (uint64_t)i * by));
  case CR_FLOAT16: EACH(uint16_t, cr__float_to_half((float)(int64_t)(start + (uint64_t)i * by)));
  case CR_BFLOAT16: EACH(uint16_t, cr__float_to_bfloat((float)(int64_t)(start + (uint64_t)i * by)));
  case CR_INT64: EACH(int64_t, start + (uint64_t)i * by);
  case CR_INT32: EACH(int32_t, start + (uint64_t)i * by);
  case CR_INT16: EACH(int16_t, start + (uint64_t)i * by);
  case CR_INT8: EACH(int8_t, start + (uint64_t)i * by);
  default: EACH(uint8_t, start + (uint64_t)i * by);
  }
}

static void count_floats(void *launch, int64_t begin, int64_t end) {
  const cr__launch *k = launch;
  const cr__view *v = &k->v[0];
  double start = k->f[0], by = k->f[1];
  int64_t step = v->stride[0];
  switch (v->dtype) {
  case CR_FLOAT64: EACH(double, start + by * (double)i);
  case CR_FLOAT32: EACH(float, start + by * (double)i);
  case CR_FLOAT16: EACH(uint16_t, cr__float_to_half((float)(start + by * (double)i)));
  default: EACH(uint16_t, cr__float_to_bfloat((float)(start + by * (double)i)));
  }
}

/* v[0] one dim, not bool. i: whether to count in integers, then start and step in integers. f: start
 * and step as floats, for which v[0] is floating. */
int cr__cpu_arange(cr__launch *k) {
  int64_t n = k->v[0].shape[0];
  return cr__cpu_share(n, n, k->i[0] ? count_ints : count_floats, k);
}

/* Exact, for which v[0] has integers. */
static void space_ints(void *launch, int64_t begin, int64_t end) {
  const cr__launch *k = launch;
  const cr__view *v = &k->v[0];
  int64_t n = v->shape[0], size = (int64_t)cr__size_of((cr_dtype)v->dtype) * v->stride[0];
  for (int64_t i = begin; i < end; i++) {
    cr_value number = cr_int(cr__space_int(k->i[2], k->i[3], n, i));
    cr__store_scalar(v->data + i * size, (cr_dtype)v->dtype, &number);
  }
}

static void space_floats(void *launch, int64_t begin, int64_t end) {
  const cr__launch *k = launch;
  const cr__view *v = &k->v[0];
  int64_t n = v->shape[0], size = (int64_t)cr__size_of((cr_dtype)v->dtype) * v->stride[0];
  double first = k->f[0], last = k->f[1], step = cr__space_step(first, last, n);
  for (int64_t at = begin; at < end; at += CR__BLOCK) {
    double x[CR__BLOCK];
    int64_t m = end - at < CR__BLOCK ? end - at : CR__BLOCK;
    for (int64_t j = 0; j < m; j++) {
      int64_t i = at + j;
      x[j] = i < (n + 1) / 2 ? first + step * (double)i : last - step * (double)(n - 1 - i);
    }
    if (k->i[0]) cr__powers_f64(x, NULL, x, k->f[2], m);
    for (int64_t j = 0; j < m; j++) store_double(v->data + (at + j) * size, v->dtype, x[j]);
  }
}

/* v[0] one dim, not bool. i: whether the numbers are exponents; whether they are integers, then first
 * and last as such. f: first, last, base. Counts from the nearer end, so that both ends are exact. */
int cr__cpu_linspace(cr__launch *k) {
  int64_t n = k->v[0].shape[0];
  return cr__cpu_share(n, n * 16, k->i[1] ? space_ints : space_floats, k);
}
