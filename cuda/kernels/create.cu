/* cuda/kernels/create.cu: kernels that write ranges.
 *
 * Holds true: element i is computed from i alone, by the same rounded steps as on the CPU (compiled
 * without contraction). */
#include "convert.cuh"
#include "scalar/spacing.h"
#include "grid.h"
#include "scalar.cuh"

static __global__ void count_ints(void *to, int dtype, int64_t step, int64_t n, uint64_t start,
                                  uint64_t by) {
  CR__EACH(i, n)
  cr__store_from<CR_INT64>(to, dtype, i * step, (int64_t)(start + (uint64_t)i * by));
}

static __global__ void count_floats(void *to, int dtype, int64_t step, int64_t n, double start,
                                    double by) {
  CR__EACH(i, n) cr__store_from<CR_FLOAT64>(to, dtype, i * step, start + by * (double)i);
}

/* As cr__cpu_arange. */
extern "C" int cr__cuda_arange(cr__launch *k) {
  const cr__view *v = &k->arange.out;
  int64_t n = v->shape[0], step = v->stride[0];
  if (n == 0) return 0;
  if (k->arange.integers)
    return CR__LAUNCH(k->op, count_ints, cr__blocks_for(n), CR__THREADS, 0, (void *)v->data,
                      v->dtype, step, n, (uint64_t)k->arange.start, (uint64_t)k->arange.step);
  return CR__LAUNCH(k->op, count_floats, cr__blocks_for(n), CR__THREADS, 0, (void *)v->data,
                    v->dtype, step, n, k->arange.first, k->arange.by);
}

typedef struct spacing {
  double first, last, step, base;
  bool exponents;
} spacing;

static __global__ void space(void *to, int dtype, int64_t step, int64_t n, spacing s) {
  CR__EACH(i, n) {
    double x =
        i < (n + 1) / 2 ? s.first + s.step * (double)i : s.last - s.step * (double)(n - 1 - i);
    cr__store_from<CR_FLOAT64>(to, dtype, i * step, s.exponents ? f64_pow(s.base, x) : x);
  }
}

static __global__ void space_ints(void *to, int dtype, int64_t step, int64_t n, int64_t first,
                                  int64_t last) {
  CR__EACH(i, n) cr__store_from<CR_INT64>(to, dtype, i * step, cr__space_int(first, last, n, i));
}

/* As cr__cpu_linspace. */
extern "C" int cr__cuda_linspace(cr__launch *k) {
  const cr__view *v = &k->linspace.out;
  int64_t n = v->shape[0];
  if (n == 0) return 0;
  if (k->linspace.integers)
    return CR__LAUNCH(k->op, space_ints, cr__blocks_for(n), CR__THREADS, 0, (void *)v->data,
                      v->dtype, v->stride[0], n, k->linspace.first, k->linspace.last);
  double from = k->linspace.from, to = k->linspace.to;
  spacing s = {from, to, cr__space_step(from, to, n), k->linspace.base, k->linspace.powers};
  return CR__LAUNCH(k->op, space, cr__blocks_for(n), CR__THREADS, 0, (void *)v->data, v->dtype,
                    v->stride[0], n, s);
}
