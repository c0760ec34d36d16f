/* activation.c: the nonlinearities that are more than one elementwise call.
 *
 * Holds true: every step is an operation that records itself; a failed step gives NULL, which the next
 * ones pass on. */
#include "reduce.h"

cr_tensor *cr__run_glu(const cr_op *op, cr_tensor *self, int64_t dim) {
  int d;
  int code = cr__wrap_dim(op->lua, "dim", dim, self->ndim, &d);
  if (code) return cr__no_tensor(code);
  int64_t size = cr__size_along(self, d);
  if (size % 2 || !self->ndim)
    return cr__no_tensor(cr__fail(CR_E_SHAPE, "%s: dim %d has size %lld, which has no halves",
                                  op->lua, d + 1, (long long)size));
  int64_t half = size / 2;
  cr_tensor *first = cr__call_narrow(self, d + 1, 1, half);
  cr_tensor *second = cr__call_narrow(self, d + 1, half + 1, half);
  cr_tensor *gate = cr__call_sigmoid(second), *r = cr__call_mul(first, gate);
  cr_release(first), cr_release(second), cr_release(gate);
  return r;
}

cr_tensor *cr__run_prelu(const cr_op *op, cr_tensor *self, cr_tensor *weight) {
  int64_t shape[CR_MAX_DIMS], channels = self->ndim > 1 ? cr__sizes(self)[1] : 1;
  if (weight->numel != 1 && weight->numel != channels)
    return cr__no_tensor(
        cr__fail(CR_E_SHAPE,
                 "%s: weight has %lld elements; it may have 1 or %lld, as self has "
                 "channels (dim 2)",
                 op->lua, (long long)weight->numel, (long long)channels));
  int ndim = weight->numel == 1 ? 0 : self->ndim;
  for (int d = 0; d < ndim; d++) shape[d] = d == 1 ? channels : 1;
  cr_tensor *slope = cr__call_reshape(weight, shape, ndim);
  cr_tensor *r = cr__call_prelu_by(self, slope);
  cr_release(slope);
  return r;
}

/* gelu(self, approximate) */
cr_tensor *cr__run_gelu(const cr_op *op, cr_tensor *self, int approximate) {
  (void)op;
  bool none = approximate == CR__gelu_approximate_none;
  return none ? cr__call_gelu_erf(self) : cr__call_gelu_tanh(self);
}
