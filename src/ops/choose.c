/* choose.c: operations whose string or absent arguments choose among pointwise ones.
 *
 * Holds true: nothing is computed here; the operation that is chosen records itself. */
#include <string.h>

#include "tensor/dispatch.h"

static int give(cr_tensor *t, cr_tensor **out) {
  out[0] = t;
  return t ? 0 : (int)cr_error_code();
}

/* div(self, other, rounding_mode) */
int cr__run_div_mode(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)op, (void)nout;
  bool down = args[2].n == CR__div_mode_rounding_mode_floor;
  return give(cr__op1(down ? CR__OP_floor_divide : CR__OP_div_trunc, args), out);
}

/* float_power(self, exponent): both in float64, even where one of 0 dims would follow the other */
int cr__run_float_power(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)op, (void)nout;
  cr_value base = cr__do(CR__OP_to_double, args), exponent = args[1];
  if (exponent.kind == CR_TENSOR) exponent = cr__do(CR__OP_to_double, &args[1]);
  int code = give(cr__op1(CR__OP_pow, (cr_value[]){base, exponent}), out);
  cr__drop(base);
  if (args[1].kind == CR_TENSOR) cr__drop(exponent);
  return code;
}

/* clamp(self, min, max): numbers or tensors, either of which may be absent */
int cr__run_clamp(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  bool low = args[1].kind != CR_NONE, high = args[2].kind != CR_NONE;
  if (!low && !high) return cr__fail(CR_E_ARGUMENT, "%s: needs min, max or both", op->lua);
  if (low && high) return give(cr__op1(CR__OP_clamp_both, args), out);
  cr_value pair[] = {args[0], low ? args[1] : args[2]};
  return give(cr__op1(low ? CR__OP_clamp_min : CR__OP_clamp_max, pair), out);
}

/* gelu(self, approximate) */
int cr__run_gelu(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)op, (void)nout;
  bool none = args[1].n == CR__gelu_approximate_none;
  return give(cr__op1(none ? CR__OP_gelu_erf : CR__OP_gelu_tanh, args), out);
}

/* nan_to_num(self, nan, posinf, neginf) */
int cr__run_nan_to_num(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)op, (void)nout;
  cr_dtype dtype = (cr_dtype)args[0].u.t->dtype;
  if (cr__category(dtype) != CR_FLOATING) /* integers need no replacement */
    return give(cr__op1(CR__OP_positive, args), out);
  double most = cr__largest(dtype);
  cr_value with[] = {args[0], args[1], args[2].kind == CR_NONE ? cr_float(most) : args[2],
                     args[3].kind == CR_NONE ? cr_float(-most) : args[3]};
  return give(cr__op1(CR__OP_replace_nonfinite, with), out);
}
