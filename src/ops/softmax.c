/* softmax.c: softmax and its logarithm.
 *
 * Holds true: the largest element is subtracted before exp, so that nothing overflows; results are
 * floating. */
#include "reduce.h"

cr_tensor *cr__run_softmax(const cr_op *op, cr_tensor *self, int64_t dim, cr_dtype dtype) {
  dtype = cr__given_dtype_or(dtype, (cr_dtype)self->dtype);
  int d;
  int code = cr__wrap_dim(op->name, "dim", dim, self->ndim, &d);
  if (!code) code = cr__is_float(dtype) ? 0 : cr__need_float(op->name, dtype, cr__dtype_advice(op));
  if (code) return cr__no_tensor(code);
  cr_tensor *a = cr__call_contiguous(self);
  cr_tensor *t = a ? cr__new_like(op->name, a, dtype) : NULL;
  if (!t) code = (int)cr_error_code();
  if (!code) {
    cr__launch k;
    cr__launch_begin(&k, op->name, cr_device_of(t));
    cr__launch_view(&k, &k.softmax.out, t);
    cr__launch_view(&k, &k.softmax.from, a);
    k.softmax.lines = cr__lines_of(t, d);
    k.softmax.log = op->id == CR__OP_log_softmax;
    code = cr__launch_run(&k, CR__K_softmax);
  }
  cr_release(a);
  return cr__filled(code, t);
}

/* self is the gradient. */
cr_tensor *cr__run_softmax_backward(const cr_op *op, cr_tensor *self, cr_tensor *result,
                                    int64_t dim) {
  cr_tensor *in[2] = {NULL, NULL}, *t = NULL;
  int d;
  int code = cr__wrap_dim(op->name, "dim", dim, result->ndim, &d);
  if (code) return cr__no_tensor(code);
  in[0] = cr__call_contiguous(self);
  in[1] = in[0] ? cr__call_contiguous(result) : NULL;
  if (in[1]) t = cr__new_like(op->name, result, (cr_dtype)result->dtype);
  if (!t) code = (int)cr_error_code();
  if (!code) {
    cr__launch k;
    cr__launch_begin(&k, op->name, cr_device_of(t));
    cr__launch_view(&k, &k.softmax_backward.out, t);
    cr__launch_view(&k, &k.softmax_backward.grad, in[0]);
    cr__launch_view(&k, &k.softmax_backward.result, in[1]);
    k.softmax_backward.lines = cr__lines_of(t, d);
    k.softmax_backward.log = op->id == CR__OP_log_softmax_backward;
    code = cr__launch_run(&k, CR__K_softmax_backward);
  }
  cr_release(in[0]), cr_release(in[1]);
  return cr__filled(code, t);
}
