/* sample.c: positions in random order, and drawn by weights.
 *
 * Holds true: a call that fails has drawn nothing. */
#include "random.h"

cr_tensor *cr__run_randperm(const cr_op *op, int64_t n, cr_dtype dtype, cr_device device) {
  dtype = cr__given_dtype_or(dtype, CR_INT64);
  if (n < 0)
    return cr__no_tensor(
        cr__fail(CR_E_ARGUMENT, "randperm: n must not be negative, got %lld", (long long)n));
  if (n > cr__exact_up_to(dtype)) {
    return cr__no_tensor(cr__fail(CR_E_ARGUMENT,
                                  "randperm: %s does not hold all integers up to %lld",
                                  cr_dtype_name(dtype), (long long)n));
  }
  cr_tensor *t = cr__new(op->name, dtype, cr__given_device_or(device, CR_CPU), 1, &n);
  if (!t) return NULL;
  cr__launch k;
  cr__begin_draws(&k, op, &k.randperm.out, t, &k.randperm.rng, cr__draw_blocks(n, true));
  return cr__filled(cr__launch_run(&k, CR__K_randperm), t);
}

cr_tensor *cr__run_multinomial(const cr_op *op, cr_tensor *self, int64_t num_samples,
                               bool replacement) {
  int code = cr__check_floating(op, (cr_dtype)self->dtype);
  if (code) return cr__no_tensor(code);
  if (self->ndim != 1 && self->ndim != 2) {
    return cr__no_tensor(
        cr__fail(CR_E_SHAPE, "multinomial: takes weights of 1 or 2 dims, got %d dims", self->ndim));
  }
  int64_t rows = self->ndim == 2 ? cr__sizes(self)[0] : 1, m = cr__sizes(self)[self->ndim - 1];
  if (num_samples < 1 || (!replacement && num_samples > m)) {
    return cr__no_tensor(
        cr__fail(CR_E_ARGUMENT, "multinomial: cannot draw %lld of %lld positions %s replacement",
                 (long long)num_samples, (long long)m, replacement ? "with" : "without"));
  }
  int64_t shape[2] = {rows, num_samples};
  cr_tensor *t =
      cr__new(op->name, CR_INT64, cr_device_of(self), self->ndim, shape + 2 - self->ndim);
  if (!t) return NULL;
  cr__launch k;
  cr__begin_draws(&k, op, &k.multinomial.out, t, &k.multinomial.rng,
                  cr__draw_blocks(rows * (replacement ? num_samples : m), true));
  cr__launch_view(&k, &k.multinomial.weights, self);
  k.multinomial.replacement = replacement;
  return cr__filled(cr__launch_run(&k, CR__K_multinomial), t);
}
