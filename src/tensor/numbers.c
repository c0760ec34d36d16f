/* numbers.c: numbers beside the tensors of an elementwise operation, where the dtype of the computation
 * cannot hold them.
 *
 * Holds true: no number is wrapped into a dtype. What may become of one is its role in the catalogue:
 * it counts by its value, in a wider dtype if need be (results of integers wrap, as ever); or it bounds,
 * and the nearest number that fits does the same; or it is stored, and is refused. Comparisons of
 * integers with a float are exact. */
#include <math.h>
#include <string.h>

#include "dispatch.h"

static bool is_number(const cr_value *v) {
  return v->kind == CR_INT || v->kind == CR_FLOAT || v->kind == CR_BOOLEAN_VALUE;
}

/* ---- Integers beside a float ---------------------------------------------------------------------- */

/* The number that compares with integers as f does: the integer on that side of f where no answer
 * changes; of what lies beyond every integer, or equals none, an infinity or NaN. `left`: f is the first
 * operand. */
static cr_value beside_integers(int pointwise, double f, bool left, bool bits) {
  double whole;
  if (bits) { /* beside uint64, of which only equality is asked */
    bool one = f == floor(f) && f >= 0 && f < 0x1p64;
    return one ? cr_int((int64_t)(uint64_t)f) : cr_float((double)NAN);
  }
  switch (pointwise) {
  case CR__PW_lt:
  case CR__PW_ge: whole = left ? floor(f) : ceil(f); break;
  case CR__PW_gt:
  case CR__PW_le: whole = left ? ceil(f) : floor(f); break;
  default: whole = f == floor(f) ? f : (double)NAN;
  }
  if (whole >= -0x1p63 && whole < 0x1p63) return cr_int((int64_t)whole);
  return cr_float(whole > 0 ? (double)INFINITY : whole < 0 ? -(double)INFINITY : (double)NAN);
}

bool cr__compare_exactly(const cr__impl *impl, const cr_value *args, cr_value *own) {
  int at = -1;
  switch (impl->pointwise) {
  case CR__PW_eq:
  case CR__PW_ne:
  case CR__PW_lt:
  case CR__PW_le:
  case CR__PW_gt:
  case CR__PW_ge: break;
  default: return false;
  }
  for (int i = 0; i < 2; i++) {
    if (args[i].kind == CR_FLOAT) at = i;
    else if (args[i].kind == CR_TENSOR && cr__is_inexact((cr_dtype)args[i].u.t->dtype))
      return false;
  }
  if (at < 0) return false;
  bool bits = args[!at].kind == CR_TENSOR && args[!at].u.t->dtype == CR_UINT64;
  own[at] = beside_integers(impl->pointwise, args[at].u.f, at == 0, bits);
  own[!at] = args[!at];
  return true;
}

/* ---- Roles ------------------------------------------------------------------------------------------ */

/* A float where integers are computed: what is not above it is not above its floor. */
static int make_integer(const char *op, cr_value *v) {
  if (v->kind != CR_FLOAT) return 0;
  int code = cr__check_store(op, CR_INT64, v);
  if (!code) *v = cr_int((int64_t)floor(v->u.f));
  return code;
}

/* A bound becomes the nearest number that fits; NaN is near none. */
static int saturate(const char *op, cr_dtype dtype, cr_value *v) {
  if (v->kind == CR_FLOAT && isnan(v->u.f)) return cr__check_store(op, dtype, v);
  *v = cr__saturated(dtype, v);
  return 0;
}

static int role_of(const cr__impl *impl, int i) { return impl->roles >> 4 * i & 15; }

static bool above(const cr_value *v) { return v->kind == CR_FLOAT ? v->u.f > 0 : v->u.i > 0; }

bool cr__is_wide_number(const cr_value *v, cr_dtype dtype) {
  if (v->kind != CR_TENSOR || v->u.t->ndim > 0) return false;
  cr_dtype d = (cr_dtype)v->u.t->dtype;
  return cr__category(d) == CR_INTEGRAL && cr__promote_types(dtype, d) != dtype;
}

/* 0-dim tensors do not promote, but among integers they are numbers all the same. To read one may mean to
 * wait for a device: where its value counts, room for its whole dtype will do. */
static int fit_elements(const cr_op *op, cr_value *args, cr_dtype *compute) {
  const cr__impl *impl = &cr__impls[op->id];
  cr_dtype wide = *compute;
  for (int i = 0; i < impl->noperand; i++) {
    if ((impl->mask >> i & 1) || !cr__is_wide_number(&args[i], *compute)) continue;
    cr_tensor *t = args[i].u.t;
    if (role_of(impl, i) == CR__BY_VALUE) wide = cr__promote_types(wide, (cr_dtype)t->dtype);
    else if (cr_item(t, &args[i])) return (int)cr_error_code();
  }
  *compute = wide;
  return 0;
}

int cr__fit_numbers(const cr_op *op, cr_value *args, cr_dtype *compute, cr_dtype result) {
  const cr__impl *impl = &cr__impls[op->id];
  bool ints = cr__category(*compute) == CR_INTEGRAL, wide = false;
  int code = ints ? fit_elements(op, args, compute) : 0;
  for (int i = 0; i < op->nparam && !code; i++) {
    cr_value *v = &args[i];
    if (!is_number(v) || (impl->mask >> i & 1)) continue;
    int role = role_of(impl, i);
    if (role == CR__BY_VALUE) {
      if (ints) code = make_integer(op->lua, v);
      wide = wide || !cr__fits(*compute, v);
    } else if (!cr__fits(result, v)) {
      bool bounds = role == CR__BOUND || (role == CR__LARGEST && !above(v)) ||
                    (role == CR__SMALLEST && above(v));
      code = bounds ? saturate(op->lua, result, v) : cr__check_store(op->lua, result, v);
    }
  }
  if (wide && ints) *compute = CR_INT64;
  if (wide && impl->rule == CR__PROMOTE_BOOL && !ints) *compute = CR_FLOAT64;
  return code;
}
