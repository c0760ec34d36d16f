/* check.c: what some pointwise operations ask of their arguments beyond shape and dtype.
 *
 * Holds true: a check reads, and changes nothing; it runs before anything is allocated or written. */
#include "create.h"

static bool is_inexact(const cr_op *op, const cr_value *args) {
  return cr__is_inexact(cr__pointwise_dtype(op, args));
}

/* alpha, value: a float cannot scale integers. */
static int check_scale(const cr_op *op, const cr_value *args) {
  int last = op->nparam - 1;
  if (args[last].kind == CR_FLOAT && !is_inexact(op, args))
    return cr__fail(CR_E_DTYPE, "%s: %s must be an integer for integer tensors, got %g", op->lua,
                    op->params[last].name, args[last].u.f);
  return 0;
}

int cr__check_scale(const cr_op *op, cr_value self, cr_value other, cr_value alpha) {
  return check_scale(op, (cr_value[]){self, other, alpha});
}

int cr__check_scale_product(const cr_op *op, cr_tensor *self, cr_value tensor1, cr_value tensor2,
                            cr_value value) {
  return check_scale(op, (cr_value[]){cr_of(self), tensor1, tensor2, value});
}

/* A bool on either side has no difference. */
static int refuse_bools(const cr_op *op, cr_value self, cr_value other) {
  cr_value args[] = {self, other};
  bool found = false;
  for (int i = 0; i < 2; i++)
    found = found || args[i].kind == CR_BOOLEAN_VALUE ||
            (args[i].kind == CR_TENSOR && args[i].u.t->dtype == CR_BOOL);
  if (!found) return 0;
  return cr__fail(CR_E_DTYPE,
                  "%s: bool tensors cannot be subtracted; use x:logical_xor(y) or x ~ y", op->lua);
}

int cr__check_sub(const cr_op *op, cr_value self, cr_value other) {
  return refuse_bools(op, self, other);
}

int cr__check_sub_scaled(const cr_op *op, cr_value self, cr_value other, cr_value alpha) {
  int code = refuse_bools(op, self, other);
  return code ? code : cr__check_scale(op, self, other, alpha);
}

int cr__check_neg(const cr_op *op, cr_tensor *self) {
  if (!self || self->dtype != CR_BOOL) return 0;
  return cr__fail(CR_E_DTYPE, "%s: bool tensors have no negative; use x:logical_not() or ~x",
                  op->lua);
}

/* Sets *yes if any element of `self op other` is true. */
static int any_element(int compare, cr_value self, cr_value other, bool *yes) {
  cr_value verdict;
  cr__below++;
  cr_value found = cr__do(compare, (cr_value[]){self, other});
  cr_value any = cr__do(CR__OP_any, (cr_value[]){found, cr_none(), cr_bool(false)});
  int code = any.kind == CR_TENSOR ? cr_item(any.u.t, &verdict) : (int)cr_error_code();
  cr__below--;
  cr__drop(found);
  cr__drop(any);
  *yes = !code && verdict.u.i != 0;
  return code;
}

/* Quotients and rests are computed by value. A number beyond the dtype is refused where their dtype may
 * not hold the result either: 300 // x, -5 % 300 in int8, 5 // -300 in uint8. */
static int check_reach(const cr_op *op, const cr_value *args, cr_dtype dtype) {
  bool fmod = op->id == CR__OP_fmod, rest = fmod || op->id == CR__OP_remainder;
  bool low[2] = {false, false}, high[2] = {false, false}, bare = dtype == CR_UINT8;
  cr_value numbers[2];
  for (int i = 0; i < 2; i++) {
    numbers[i] = args[i];
    if (cr__is_wide_number(&args[i], dtype) && cr_item(args[i].u.t, &numbers[i]))
      return (int)cr_error_code();
    if (numbers[i].kind != CR_INT || cr__fits(dtype, &numbers[i])) continue;
    low[i] = numbers[i].u.i < 0;
    high[i] = numbers[i].u.i > 0;
  }
  bool refused;
  if (!rest) refused = low[0] || high[0] || (bare && low[1]);
  else if (fmod) refused = bare && low[0];
  else refused = low[1] || (high[1] && !bare);
  return refused ? cr__check_store(op->lua, dtype, &numbers[low[0] || high[0] ? 0 : 1]) : 0;
}

/* Floats divide by zero as IEEE has it; integers cannot. */
int cr__check_divisor(const cr_op *op, cr_value self, cr_value other) {
  bool zero = false;
  cr_value args[] = {self, other};
  cr_dtype dtype = cr__pointwise_dtype(op, args);
  if (cr__is_inexact(dtype)) return 0;
  int code = check_reach(op, args, dtype);
  if (code) return code;
  if (self.kind == CR_TENSOR && self.u.t->numel == 0) return 0; /* nothing is divided */
  if (other.kind == CR_TENSOR) code = any_element(CR__OP_eq, other, cr_int(0), &zero);
  else zero = other.u.i == 0;
  if (code || !zero) return code;
  return cr__fail(CR_E_ARGUMENT, "%s: integer division by zero", op->lua);
}

int cr__check_pow(const cr_op *op, cr_value self, cr_value exponent) {
  bool negative = false;
  int code = 0;
  if (exponent.kind == CR_FLOAT || is_inexact(op, (cr_value[]){self, exponent})) return 0;
  if (exponent.kind == CR_TENSOR) code = any_element(CR__OP_lt, exponent, cr_int(0), &negative);
  else negative = exponent.kind == CR_INT && exponent.u.i < 0;
  if (code || !negative) return code;
  return cr__fail(CR_E_ARGUMENT,
                  "%s: integers have no negative integer powers; make the base or the exponent "
                  "float",
                  op->lua);
}

int cr__check_polygamma(const cr_op *op, cr_tensor *self, int64_t n) {
  (void)self;
  if (n >= 0) return 0;
  return cr__fail(CR_E_ARGUMENT, "%s: n must not be negative, got %lld", op->lua, (long long)n);
}

int cr__check_hardtanh(const cr_op *op, cr_tensor *self, cr_value min_val, cr_value max_val) {
  (void)self;
  double low = cr__number(min_val), high = cr__number(max_val);
  if (!(low > high)) return 0;
  return cr__fail(CR_E_ARGUMENT, "%s: min_val must not be above max_val, got %g and %g", op->lua,
                  low, high);
}

/* value: a number, or a 0-dim tensor, whose element is refused where the number would be. */
int cr__check_masked_fill(const cr_op *op, cr_tensor *self, cr_tensor *mask, cr_value value) {
  cr__text text;
  (void)mask;
  if (value.kind != CR_TENSOR) return 0;
  cr_tensor *t = value.u.t;
  if (t->ndim > 0)
    return cr__fail(CR_E_SHAPE,
                    "%s: value is a number or a 0-dim tensor, got shape %s; use cr.where(mask, y, "
                    "x)",
                    op->lua, cr__shape_text(t->ndim, cr__sizes(t), &text));
  return cr__check_element(op->lua, (cr_dtype)self->dtype, t);
}

/* No promotion here: tensors must have one dtype. */
int cr__check_same_dtype(const cr_op *op, cr_tensor *self, cr_tensor *end, cr_value weight) {
  cr_value args[] = {cr_of(self), cr_of(end), weight};
  for (int i = 1; i < op->nparam; i++) {
    if (args[i].kind != CR_TENSOR || !self) continue;
    if (args[i].u.t->dtype == self->dtype) continue;
    return cr__fail(CR_E_DTYPE, "%s: %s is %s but %s is %s; convert one with :to(dtype)", op->lua,
                    op->params[i].name, cr_dtype_name((cr_dtype)args[i].u.t->dtype),
                    op->params[0].name, cr_dtype_name((cr_dtype)self->dtype));
  }
  return 0;
}
