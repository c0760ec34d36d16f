/* create.c: kernels that write ranges.
 *
 * Holds true: element i is computed from i alone, never from its neighbour. */

#include "cpu/cpu.h"
#include "cpu/loops.h"

static int64_t truncated(double x) { return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN; }

static void store_double(char *to, int dtype, double x) {
  cr_value number =
      cr__category((cr_dtype)dtype) == CR_FLOATING ? cr_float(x) : cr_int(truncated(x));
  cr__store_scalar(to, (cr_dtype)dtype, &number);
}

#define EACH(T, value)                                                           \
  for (int64_t i = 0; i < n; i++) ((T *)(void *)v->data)[i * step] = (T)(value); \
  break

/* Counts in integers, which wrap. */
static void count_ints(const cr__view *v, uint64_t start, uint64_t by) {
  int64_t n = v->shape[0], step = v->stride[0];
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

/* v[0] one dim, not bool. i: whether to count in integers, then start and step in integers. f: start
 * and step as floats, for which v[0] is floating. */
int cr__cpu_arange(cr__launch *k) {
  const cr__view *v = &k->v[0];
  double start = k->f[0], by = k->f[1];
  int64_t n = v->shape[0], step = v->stride[0];
  if (k->i[0]) {
    count_ints(v, (uint64_t)k->i[1], (uint64_t)k->i[2]);
    return 0;
  }
  switch (v->dtype) {
  case CR_FLOAT64: EACH(double, start + by * (double)i);
  case CR_FLOAT32: EACH(float, start + by * (double)i);
  case CR_FLOAT16: EACH(uint16_t, cr__float_to_half((float)(start + by * (double)i)));
  default: EACH(uint16_t, cr__float_to_bfloat((float)(start + by * (double)i)));
  }
  return 0;
}

/* v[0] one dim, not bool. i: whether the numbers are exponents. f: first, last, base. Counts from the
 * nearer end, so that both ends are exact. */
int cr__cpu_linspace(cr__launch *k) {
  const cr__view *v = &k->v[0];
  int64_t n = v->shape[0], size = (int64_t)cr__size_of((cr_dtype)v->dtype) * v->stride[0];
  double first = k->f[0], last = k->f[1], step = n > 1 ? (last - first) / (double)(n - 1) : 0;
  for (int64_t at = 0; at < n; at += CR__BLOCK) {
    double x[CR__BLOCK];
    int64_t m = n - at < CR__BLOCK ? n - at : CR__BLOCK;
    for (int64_t j = 0; j < m; j++) {
      int64_t i = at + j;
      x[j] = i < (n + 1) / 2 ? first + step * (double)i : last - step * (double)(n - 1 - i);
    }
    if (k->i[0]) cr__powers_f64(x, NULL, x, k->f[2], m);
    for (int64_t j = 0; j < m; j++) store_double(v->data + (at + j) * size, v->dtype, x[j]);
  }
  return 0;
}
