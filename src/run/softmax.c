/* run/softmax.c: softmax, log_softmax, logsumexp.
 *
 * Holds true: the largest element is subtracted before exp, so that nothing overflows; results are
 * floating. */
#include "run/reduce.h"

/* Runs a softmax kernel on n contiguous inputs along dim d. */
static int launch(const char *op, cr__kernel_id kernel, cr_tensor *out, cr_tensor *const *in, int n,
                  int d, bool log) {
  cr__launch k;
  cr__launch_begin(&k, op, cr_device_of(out), 1);
  cr__launch_add(&k, out);
  for (int i = 0; i < n; i++) cr__launch_add(&k, in[i]);
  cr__lines_of(out, d, k.i);
  k.i[3] = log;
  return cr__launch_run(&k, kernel);
}

/* args: self, dim, dtype. */
int cr__run_softmax(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *self = args[0].u.t;
  cr_dtype dtype = cr__dtype_or(args[2], (cr_dtype)self->dtype);
  int d;
  int code = cr__wrap_dim(op->name, "dim", args[1].u.i, self->ndim, &d);
  if (!code) code = cr__need_float(op->name, dtype, "convert it, or name a float dtype");
  if (code) return code;
  cr_tensor *a = CR__CALL(contiguous, args[0]);
  cr_tensor *t = a ? cr__new_like(op->name, a, dtype) : NULL;
  code = t ? launch(op->name, CR__K_softmax, t, &a, 1, d, op->id == CR__OP_log_softmax)
           : (int)cr_error_code();
  cr_release(a);
  return cr__give_if(code, t, out);
}

/* args: gradient, result, dim. */
int cr__run_softmax_backward(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *result = args[1].u.t, *in[2] = {NULL, NULL}, *t = NULL;
  int d;
  int code = cr__wrap_dim(op->name, "dim", args[2].u.i, result->ndim, &d);
  if (code) return code;
  in[0] = CR__CALL(contiguous, args[0]);
  in[1] = in[0] ? CR__CALL(contiguous, args[1]) : NULL;
  if (in[1]) t = cr__new_like(op->name, result, (cr_dtype)result->dtype);
  bool log = op->id == CR__OP_log_softmax_backward;
  code = t ? launch(op->name, CR__K_softmax_backward, t, in, 2, d, log) : (int)cr_error_code();
  cr_release(in[0]), cr_release(in[1]);
  return cr__give_if(code, t, out);
}

/* Returns the largest elements, with 0 for infinite ones: they would cancel into NaN. */
static cr_value offsets(cr_value self, cr_value dims) {
  cr_value largest = cr__do(CR__OP_amax, (cr_value[]){self, dims, cr_bool(true)});
  cr_value infinite = cr__do(CR__OP_isinf, (cr_value[]){largest});
  cr_value result = cr__do(CR__OP_masked_fill, (cr_value[]){largest, infinite, cr_int(0)});
  cr__drop(largest), cr__drop(infinite);
  return result;
}

/* log(sum(exp(self - top))) + top; top keeps the folded dims. */
static cr_tensor *log_sum(cr_value self, cr_value top, cr_value dims, cr_value keepdim) {
  cr_value away = cr__do(CR__OP_sub, (cr_value[]){self, top});
  cr_value power = cr__do(CR__OP_exp, (cr_value[]){away});
  cr_value sum = cr__do(CR__OP_sum, (cr_value[]){power, dims, keepdim, cr_none()});
  cr_value rest = cr__do(CR__OP_log, (cr_value[]){sum});
  cr_tensor *t = sum.u.t;
  cr_value shape = t ? cr_ints(cr__sizes(t), t->ndim) : cr_none();
  cr_value shaped = cr__do(CR__OP_reshape, (cr_value[]){top, shape});
  cr_tensor *result = CR__CALL(add, rest, shaped);
  cr__drop(away), cr__drop(power), cr__drop(sum), cr__drop(rest), cr__drop(shaped);
  return result;
}

/* args: self, dim, keepdim. */
int cr__run_logsumexp(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *self = args[0].u.t, *result;
  uint32_t mask;
  if (cr__fold_mask(op->name, args[1], self->ndim, &mask)) return cr_error_code();
  bool is_float = cr__is_float((cr_dtype)self->dtype);
  cr_tensor *x = is_float ? cr_retain(self) : cr__copy_of(op->name, self, cr_default_dtype());
  if (cr__fold_count(self, mask) == 0) { /* the logarithm of an empty sum */
    cr_value sum = cr__do(CR__OP_sum, (cr_value[]){cr_of(x), args[1], args[2], cr_none()});
    result = CR__CALL(log, sum);
    cr__drop(sum);
  } else {
    cr_value top = offsets(cr_of(x), args[1]);
    result = log_sum(cr_of(x), top, args[1], args[2]);
    cr__drop(top);
  }
  cr_release(x);
  return cr__give(result, out);
}
