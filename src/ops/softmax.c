/* softmax.c: softmax, log_softmax, logsumexp.
 *
 * Holds true: the largest element is subtracted before exp, so that nothing overflows; results are
 * floating. The logarithm of a sum is a reduction. */
#include "reduce.h"

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
  if (!code) code = cr__is_float(dtype) ? 0 : cr__need_float(op->name, dtype, cr__dtype_advice(op));
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
