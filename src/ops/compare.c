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
static cr_tensor *allowed_by(cr_tensor *other, double rtol, double atol) {
  static const double half = 0x1p63;
  cr_value none = cr_none();
  cr_tensor *wide = cr__call_to(other, CR_FLOAT64, none, false);
  cr_tensor *size = cr__call_abs(wide);
  cr_tensor *part = cr__call_mul_scalar(size, cr_float(rtol));
  cr_tensor *sum = cr__call_add_scalar(part, cr_float(atol));
  cr_tensor *number = cr__call_nan_to_num(sum, 0, none, none);
  cr_tensor *whole = cr__call_floor(number);
  cr_tensor *large = cr__call_ge_scalar(whole, cr_float(half));
  cr_tensor *shifted = cr__call_add_scalar(whole, cr_float(-2 * half));
  cr_tensor *upper = cr__call_clamp_max_scalar(shifted, cr_float(-1));
  cr_tensor *both = cr__call_where(large, upper, whole);
  cr_tensor *r = cr__call_to(both, CR_INT64, none, false);
  cr_release(wide), cr_release(size), cr_release(part), cr_release(sum), cr_release(number),
      cr_release(whole);
  cr_release(large), cr_release(shifted), cr_release(upper), cr_release(both);
  return r;
}

static cr_tensor *near_integers(cr_tensor *self, cr_tensor *other, double rtol, double atol) {
  if (rtol == 0) {
    cr_value allowed = cr_int(atol >= 0x1p64 ? -1 : (int64_t)(uint64_t)atol);
    return cr__op1(CR__OP_is_near, (cr_value[]){cr_of(self), cr_of(other), allowed});
  }
  cr_tensor *allowed = allowed_by(other, rtol, atol),
            *near = cr__call_is_near(self, other, allowed);
  cr_release(allowed);
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
