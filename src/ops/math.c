/* math.c: functions of elements that choose among others by the dtype or by what the call leaves out.
 *
 * Holds true: what is chosen records itself. */
#include "create.h"

/* Both in float64, even where one of 0 dims would follow the other. */
cr_tensor *cr__run_float_power(const cr_op *op, cr_tensor *self, cr_value exponent) {
  (void)op;
  cr_tensor *base = cr__call_to_double(self);
  cr_tensor *power = exponent.kind == CR_TENSOR ? cr__call_to_double(exponent.u.t) : NULL;
  cr_tensor *result = exponent.kind == CR_TENSOR
                          ? cr__call_pow(base, power)
                          : cr__op1(CR__OP_pow, (cr_value[]){cr_of(base), exponent});
  cr_release(base), cr_release(power);
  return result;
}

cr_tensor *cr__run_nan_to_num(const cr_op *op, cr_tensor *self, double nan, const double *posinf,
                              const double *neginf) {
  (void)op;
  cr_dtype dtype = (cr_dtype)self->dtype;
  if (!cr__is_inexact(dtype)) return cr__call_positive(self); /* integers need no replacement */
  double most = cr__largest(dtype);
  return cr__call_replace_nonfinite(self, nan, posinf ? *posinf : most, neginf ? *neginf : -most);
}
