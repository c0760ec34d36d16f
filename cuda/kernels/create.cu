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

/* The slots as for cr__cpu_arange. */
extern "C" int cr__cuda_arange(cr__launch *k) {
  const cr__arange_slots *a = &k->arange;
  const cr__view *v = &a->out;
  int64_t n = v->shape[0], step = v->stride[0];
  if (n == 0) return 0;
  if (a->ints)
    return CR__LAUNCH(k->op, count_ints, cr__blocks_for(n), CR__THREADS, 0, (void *)v->data,
                      v->dtype, step, n, (uint64_t)a->first_int, (uint64_t)a->step_int);
  return CR__LAUNCH(k->op, count_floats, cr__blocks_for(n), CR__THREADS, 0, (void *)v->data,
                    v->dtype, step, n, a->first, a->step);
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

/* The slots as for cr__cpu_linspace. */
extern "C" int cr__cuda_linspace(cr__launch *k) {
  const cr__linspace_slots *a = &k->linspace;
  const cr__view *v = &a->out;
  int64_t n = v->shape[0];
  if (n == 0) return 0;
  if (a->ints)
    return CR__LAUNCH(k->op, space_ints, cr__blocks_for(n), CR__THREADS, 0, (void *)v->data,
                      v->dtype, v->stride[0], n, a->first_int, a->last_int);
  spacing s = {a->first, a->last, cr__space_step(a->first, a->last, n), a->base, a->powers};
  return CR__LAUNCH(k->op, space, cr__blocks_for(n), CR__THREADS, 0, (void *)v->data, v->dtype,
                    v->stride[0], n, s);
}
