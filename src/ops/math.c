/* math.c: functions of elements that choose among others by the dtype or by what the call leaves out.
 *
 * Holds true: what is chosen records itself. */
#include "create.h"

/* float_power(self, exponent): both in float64, even where one of 0 dims would follow the other */
int cr__run_float_power(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)op, (void)nout;
  cr_value base = cr__do(CR__OP_to_double, args), exponent = args[1];
  if (exponent.kind == CR_TENSOR) exponent = cr__do(CR__OP_to_double, &args[1]);
  int code = cr__give(cr__op1(CR__OP_pow, (cr_value[]){base, exponent}), out);
  cr__drop(base);
  if (args[1].kind == CR_TENSOR) cr__drop(exponent);
  return code;
}

/* nan_to_num(self, nan, posinf, neginf) */
int cr__run_nan_to_num(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)op, (void)nout;
  cr_dtype dtype = (cr_dtype)args[0].u.t->dtype;
  if (!cr__is_inexact(dtype)) /* integers need no replacement */
    return cr__give(cr__op1(CR__OP_positive, args), out);
  double most = cr__largest(dtype);
  cr_value with[] = {args[0], args[1], args[2].kind == CR_NONE ? cr_float(most) : args[2],
                     args[3].kind == CR_NONE ? cr_float(-most) : args[3]};
  return cr__give(cr__op1(CR__OP_replace_nonfinite, with), out);
}
