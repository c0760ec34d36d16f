/* create.c: kernels that write ranges.
 *
 * Holds true: element i is computed from i alone, never from its neighbour. */
#include "convert.h"
#include "cpu.h"
#include "cpu/loops/loops.h"
#include "scalar/spacing.h"

enum { AT_ONCE = 512 /* numbers that are computed in double before they are stored */ };

#define EACH(T, value)                                                                 \
  for (int64_t i = begin; i < end; i++) ((T *)(void *)v->data)[i * step] = (T)(value); \
  break

/* Counts in integers, which wrap. */
static void count_ints(void *launch, int64_t begin, int64_t end) {
  const cr__launch *k = launch;
  const cr__view *v = &k->arange.out;
  uint64_t start = (uint64_t)k->arange.first_int, by = (uint64_t)k->arange.step_int;
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
  const cr__view *v = &k->arange.out;
  double start = k->arange.first, by = k->arange.step;
  int64_t step = v->stride[0];
  switch (v->dtype) {
  case CR_FLOAT64: EACH(double, start + by * (double)i);
  case CR_FLOAT32: EACH(float, start + by * (double)i);
  case CR_FLOAT16: EACH(uint16_t, cr__float_to_half((float)(start + by * (double)i)));
  default: EACH(uint16_t, cr__float_to_bfloat((float)(start + by * (double)i)));
  }
}

/* out: one dim, not bool. ints: counts in integers, from first_int by step_int; else from first by step, for
 * which out is floating. */
int cr__cpu_arange(cr__launch *k) {
  int64_t n = k->arange.out.shape[0];
  return cr__cpu_share(n, n, k->arange.ints ? count_ints : count_floats, k);
}

/* Exact, for which out has integers. */
static void space_ints(void *launch, int64_t begin, int64_t end) {
  const cr__launch *k = launch;
  const cr__view *v = &k->linspace.out;
  int64_t n = v->shape[0], size = (int64_t)cr__size_of((cr_dtype)v->dtype) * v->stride[0];
  for (int64_t i = begin; i < end; i++) {
    cr_value number = cr_int(cr__space_int(k->linspace.first_int, k->linspace.last_int, n, i));
    cr__store_scalar(v->data + i * size, (cr_dtype)v->dtype, &number);
  }
}

/* x[j] = from + step (first + j), whose sum stays exact: an integer of 64 bits has no fast way to a double. */
static void space_run(double *x, int64_t n, double from, double step, double first) {
  for (int j = 0; j < (int)n; j++) x[j] = from + step * (first + (double)j);
}

/* The numbers at + 0 .. m - 1 of n. */
static void space_block(double *x, int64_t at, int64_t m, double first, double last, int64_t n) {
  double step = cr__space_step(first, last, n);
  int64_t rising = (n + 1) / 2 - at;
  rising = rising < 0 ? 0 : rising < m ? rising : m;
  space_run(x, rising, first, step, (double)at);
  space_run(x + rising, m - rising, last, step, (double)(at + rising - (n - 1)));
}

static void space_floats(void *launch, int64_t begin, int64_t end) {
  const cr__launch *k = launch;
  const cr__view *v = &k->linspace.out;
  int64_t n = v->shape[0], size = (int64_t)cr__size_of((cr_dtype)v->dtype) * v->stride[0];
  for (int64_t at = begin; at < end; at += AT_ONCE) {
    double x[AT_ONCE];
    int64_t m = end - at < AT_ONCE ? end - at : AT_ONCE;
    space_block(x, at, m, k->linspace.first, k->linspace.last, n);
    if (k->linspace.powers) cr__powers_f64(x, NULL, x, k->linspace.base, m);
    cr__write_run(v->data + at * size, v->dtype, v->stride[0], x, CR_FLOAT64, m);
  }
}

/* out: one dim, not bool. ints: the numbers are integers, from first_int to last_int; else they lie between first
 * and last. powers: they are exponents of base. Counts from the nearer end, so that both ends are exact. */
int cr__cpu_linspace(cr__launch *k) {
  int64_t n = k->linspace.out.shape[0];
  return cr__cpu_share(n, n * 16, k->linspace.ints ? space_ints : space_floats, k);
}
