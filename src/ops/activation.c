/* activation.c: the nonlinearities that are more than one elementwise call.
 *
 * Holds true: every step is an operation that records itself; a failed step gives NULL, which the next
 * ones pass on. */
#include "reduce.h"

int cr__run_glu(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *self = args[0].u.t;
  int d;
  int code = cr__wrap_dim(op->lua, "dim", args[1].u.i, self->ndim, &d);
  if (code) return code;
  int64_t size = cr__size_along(self, d);
  if (size % 2 || !self->ndim)
    return cr__fail(CR_E_SHAPE, "%s: dim %d has size %lld, which has no halves", op->lua, d + 1,
                    (long long)size);
  cr_value half = cr_int(size / 2), dim = cr_int(d + 1);
  cr_value first = cr__do(CR__OP_narrow, (cr_value[]){args[0], dim, cr_int(1), half});
  cr_value second = cr__do(CR__OP_narrow, (cr_value[]){args[0], dim, cr_int(size / 2 + 1), half});
  cr_value gate = cr__do(CR__OP_sigmoid, (cr_value[]){second});
  cr_tensor *r = CR__CALL(mul, first, gate);
  cr__drop(first), cr__drop(second), cr__drop(gate);
  return cr__give(r, out);
}

int cr__run_prelu(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  const cr_tensor *self = args[0].u.t, *weight = args[1].u.t;
  int64_t shape[CR_MAX_DIMS], channels = self->ndim > 1 ? cr__sizes(self)[1] : 1;
  if (weight->numel != 1 && weight->numel != channels)
    return cr__fail(CR_E_SHAPE,
                    "%s: weight has %lld elements; it may have 1 or %lld, as self has "
                    "channels (dim 2)",
                    op->lua, (long long)weight->numel, (long long)channels);
  int ndim = weight->numel == 1 ? 0 : self->ndim;
  for (int d = 0; d < ndim; d++) shape[d] = d == 1 ? channels : 1;
  cr_value slope = cr__do(CR__OP_reshape, (cr_value[]){args[1], cr_ints(shape, ndim)});
  cr_value positive = cr__do(CR__OP_gt, (cr_value[]){args[0], cr_int(0)});
  cr_value less = cr__do(CR__OP_mul, (cr_value[]){slope, args[0]});
  cr_tensor *r = CR__CALL(where, positive, args[0], less);
  cr__drop(slope), cr__drop(positive), cr__drop(less);
  return cr__give(r, out);
}

/* gelu(self, approximate) */
int cr__run_gelu(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)op, (void)nout;
  bool none = args[1].n == CR__gelu_approximate_none;
  return cr__give(cr__op1(none ? CR__OP_gelu_erf : CR__OP_gelu_tanh, args), out);
}
