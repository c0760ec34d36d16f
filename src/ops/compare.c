/* compare.c: comparisons within a tolerance, and of whole tensors.
 *
 * Holds true: integers are compared as integers, exactly: neither they nor their difference passes through
 * a float. A difference of integers has 64 bits and no sign, and so has what it is held against. */
#include <math.h>

#include "reduce.h"

static int check_tolerance(const cr_op *op, const char *name, double x) {
  if (!(x < 0)) return 0;
  return cr__fail(CR_E_ARGUMENT, "%s: %s must not be negative, got %g", op->lua, name, x);
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

static cr_tensor *near_integers(cr_tensor *self, cr_tensor *other, double rtol, double atol) {
  cr_value allowed;
  if (rtol != 0) allowed = allowed_by(cr_of(other), rtol, atol);
  else if (atol >= 0x1p64) allowed = cr_int(-1);
  else allowed = cr_int((int64_t)(uint64_t)atol);
  cr_tensor *near = cr__op1(CR__OP_is_near, (cr_value[]){cr_of(self), cr_of(other), allowed});
  cr__drop(allowed);
  return near;
}

/* isclose(self, other, rtol, atol, equal_nan) */
cr_tensor *cr__run_isclose(const cr_op *op, cr_tensor *self, cr_tensor *other, double rtol,
                           double atol, bool equal_nan) {
  int code = check_tolerance(op, "rtol", rtol);
  if (!code) code = check_tolerance(op, "atol", atol);
  if (code) return cr__no_tensor(code);
  bool floats = cr__is_float((cr_dtype)self->dtype) || cr__is_float((cr_dtype)other->dtype);
  if (!floats) return near_integers(self, other, rtol, atol);
  cr_tensor *near = cr__call_is_close(self, other, rtol, atol, equal_nan),
            *same = cr__call_eq(self, other);
  cr_tensor *t = cr__call_logical_or(near, same);
  cr_release(near), cr_release(same);
  return t;
}

/* ---- Whole tensors ---- */

static cr_tensor *truth(const char *op, cr_tensor *like, bool value) {
  cr_tensor *t = cr__new(op, CR_BOOL, cr_device_of(like), 0, NULL);
  return cr__filled(t ? cr__fill(op, t, cr_bool(value)) : (int)cr_error_code(), t);
}

/* Returns whether all elements of t, which it gives up, are true. */
static cr_tensor *all_of(cr_tensor *t) {
  cr_tensor *all = cr__call_all(t, NULL, -1, false);
  cr_release(t);
  return all;
}

cr_tensor *cr__run_equal(const cr_op *op, cr_tensor *self, cr_tensor *other) {
  cr_tensor *a = self, *b = other;
  bool fits = a->ndim == b->ndim;
  for (int d = 0; d < a->ndim && fits; d++) fits = cr__sizes(a)[d] == cr__sizes(b)[d];
  if (!fits) return truth(op->lua, a, false);
  return all_of(cr__call_eq(self, other));
}

cr_tensor *cr__run_allclose(const cr_op *op, cr_tensor *self, cr_tensor *other, double rtol,
                            double atol, bool equal_nan) {
  (void)op;
  return all_of(cr__call_isclose(self, other, rtol, atol, equal_nan));
}
