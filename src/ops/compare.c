/* compare.c: comparisons within a tolerance, and of whole tensors.
 *
 * Holds true: integers are compared as integers, exactly: neither they nor their difference passes through
 * a float. A difference of integers has 64 bits and no sign, and so has what it is held against. */
#include <math.h>

#include "reduce.h"

static int check_tolerance(const cr_op *op, const cr_value *args, int i) {
  if (!(args[i].u.f < 0)) return 0;
  return cr__fail(CR_E_ARGUMENT, "%s: %s must not be negative, got %g", op->lua, op->params[i].name,
                  args[i].u.f);
}

/* floor(atol + rtol |other|) as 64 bits without a sign, in an int64 tensor. */
static cr_value allowed_by(cr_value other, double rtol, double atol) {
  static const double half = 0x1p63;
  cr_value none = cr_none();
  cr_value wide =
      cr__do(CR__OP_to, (cr_value[]){other, cr_dtype_value(CR_FLOAT64), none, cr_bool(false)});
  cr_value size = cr__do(CR__OP_abs, (cr_value[]){wide});
  cr_value part = cr__do(CR__OP_mul, (cr_value[]){size, cr_float(rtol)});
  cr_value sum = cr__do(CR__OP_add, (cr_value[]){part, cr_float(atol)});
  cr_value number = cr__do(CR__OP_nan_to_num, (cr_value[]){sum, cr_float(0), none, none});
  cr_value whole = cr__do(CR__OP_floor, (cr_value[]){number});
  cr_value large = cr__do(CR__OP_ge, (cr_value[]){whole, cr_float(half)});
  cr_value shifted = cr__do(CR__OP_add, (cr_value[]){whole, cr_float(-2 * half)});
  cr_value upper = cr__do(CR__OP_clamp_max, (cr_value[]){shifted, cr_float(-1)});
  cr_value both = cr__do(CR__OP_where, (cr_value[]){large, upper, whole});
  cr_value r =
      cr__do(CR__OP_to, (cr_value[]){both, cr_dtype_value(CR_INT64), none, cr_bool(false)});
  cr__drop(wide), cr__drop(size), cr__drop(part), cr__drop(sum), cr__drop(number), cr__drop(whole);
  cr__drop(large), cr__drop(shifted), cr__drop(upper), cr__drop(both);
  return r;
}

static cr_value near_integers(const cr_value *args) {
  double rtol = args[2].u.f, atol = args[3].u.f;
  cr_value allowed;
  if (rtol != 0) allowed = allowed_by(args[1], rtol, atol);
  else if (atol >= 0x1p64) allowed = cr_int(-1);
  else allowed = cr_int((int64_t)(uint64_t)atol);
  cr_value near = cr__do(CR__OP_is_near, (cr_value[]){args[0], args[1], allowed});
  cr__drop(allowed);
  return near;
}

/* isclose(self, other, rtol, atol, equal_nan) */
int cr__run_isclose(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  int code = check_tolerance(op, args, 2);
  if (!code) code = check_tolerance(op, args, 3);
  if (code) return code;
  bool floats =
      cr__is_float((cr_dtype)args[0].u.t->dtype) || cr__is_float((cr_dtype)args[1].u.t->dtype);
  if (!floats) {
    cr_value near = near_integers(args);
    return cr__give(near.kind == CR_TENSOR ? near.u.t : NULL, out);
  }
  cr_value near = cr__do(CR__OP_is_close, args), same = cr__do(CR__OP_eq, args);
  cr_tensor *t = cr__op1(CR__OP_logical_or, (cr_value[]){near, same});
  cr__drop(near), cr__drop(same);
  return cr__give(t, out);
}

/* ---- Whole tensors ---- */

static int truth(const char *op, cr_tensor *like, bool value, cr_tensor **out) {
  cr_tensor *t = cr__new(op, CR_BOOL, cr_device_of(like), 0, NULL);
  return cr__give_if(t ? cr__fill(op, t, cr_bool(value)) : (int)cr_error_code(), t, out);
}

/* Hands over whether all elements of t, which it gives up, are true. */
static int give_all(cr_value t, cr_tensor **out) {
  cr_tensor *all = CR__CALL(all, t, cr_none(), cr_bool(false));
  cr__drop(t);
  return cr__give(all, out);
}

int cr__run_equal(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *a = args[0].u.t, *b = args[1].u.t;
  bool fits = a->ndim == b->ndim;
  for (int d = 0; d < a->ndim && fits; d++) fits = cr__sizes(a)[d] == cr__sizes(b)[d];
  if (!fits) return truth(op->lua, a, false, out);
  return give_all(cr__do(CR__OP_eq, (cr_value[]){args[0], args[1]}), out);
}

int cr__run_allclose(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)op, (void)nout;
  return give_all(cr__do(CR__OP_isclose, args), out);
}
