/* run/check.c: what some pointwise operations ask of their arguments beyond shape and dtype.
 *
 * Holds true: a check reads, and changes nothing; it runs before anything is allocated or written. */
#include "../core.h"

static cr_category category_of(const cr_op *op, const cr_value *args) {
  return cr__category(cr__pointwise_dtype(op, args));
}

/* alpha, value: a float cannot scale integers. */
int cr__check_scale(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)out, (void)nout;
  int last = op->nparam - 1;
  if (args[last].kind == CR_FLOAT && category_of(op, args) < CR_FLOATING)
    return cr__fail(CR_E_DTYPE, "%s: %s must be an integer for integer tensors, got %g", op->lua,
                    op->params[last].name, args[last].u.f);
  return 0;
}

static int refuse_bools(const cr_op *op, const cr_value *args) {
  if (category_of(op, args) != CR_BOOLEAN) return 0;
  return cr__fail(CR_E_DTYPE,
                  "%s: bool tensors cannot be subtracted; use x:logical_xor(y) or x ~ y", op->lua);
}

int cr__check_sub(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)out, (void)nout;
  if (args[0].kind != CR_TENSOR || args[0].u.t->dtype != CR_BOOL) return 0;
  return refuse_bools(op, args);
}

int cr__check_sub_scaled(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  int code = refuse_bools(op, args);
  return code ? code : cr__check_scale(op, args, out, nout);
}

int cr__check_neg(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)out, (void)nout;
  if (args[0].kind != CR_TENSOR || args[0].u.t->dtype != CR_BOOL) return 0;
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

/* Floats divide by zero as IEEE has it; integers cannot. */
int cr__check_divisor(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)out, (void)nout;
  bool zero = false;
  int code = 0;
  if (category_of(op, args) == CR_FLOATING) return 0;
  if (args[0].kind == CR_TENSOR && args[0].u.t->numel == 0) return 0; /* nothing is divided */
  if (args[1].kind == CR_TENSOR) code = any_element(CR__OP_eq, args[1], cr_int(0), &zero);
  else zero = args[1].u.i == 0;
  if (code || !zero) return code;
  return cr__fail(CR_E_ARGUMENT, "%s: integer division by zero", op->lua);
}

int cr__check_pow(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)out, (void)nout;
  bool negative = false;
  int code = 0;
  if (args[1].kind == CR_FLOAT || category_of(op, args) == CR_FLOATING) return 0;
  if (args[1].kind == CR_TENSOR) code = any_element(CR__OP_lt, args[1], cr_int(0), &negative);
  else negative = args[1].kind == CR_INT && args[1].u.i < 0;
  if (code || !negative) return code;
  return cr__fail(CR_E_ARGUMENT,
                  "%s: integers have no negative integer powers; make the base or the exponent "
                  "float",
                  op->lua);
}

int cr__check_polygamma(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)out, (void)nout;
  if (args[1].u.i >= 0) return 0;
  return cr__fail(CR_E_ARGUMENT, "%s: n must not be negative, got %lld", op->lua,
                  (long long)args[1].u.i);
}

/* No promotion here: tensors must have one dtype. */
int cr__check_same_dtype(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)out, (void)nout;
  for (int i = 1; i < op->nparam; i++) {
    if (args[i].kind != CR_TENSOR || args[0].kind != CR_TENSOR) continue;
    if (args[i].u.t->dtype == args[0].u.t->dtype) continue;
    return cr__fail(CR_E_DTYPE, "%s: %s is %s but %s is %s; convert one with :to(dtype)", op->lua,
                    op->params[i].name, cr_dtype_name((cr_dtype)args[i].u.t->dtype),
                    op->params[0].name, cr_dtype_name((cr_dtype)args[0].u.t->dtype));
  }
  return 0;
}
