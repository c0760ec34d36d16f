/* noise.c: layers that draw random numbers, besides dropout.
 *
 * Holds true: arguments are checked before anything is drawn; what is drawn has a shape, not a gradient. */
#include <math.h>

#include "random.h"

/* Something of self's dtype and device with its first `kept` sizes, and 1 in the place of the others. */
static cr_tensor *outline(cr_tensor *self, int kept) {
  int64_t shape[CR_MAX_DIMS], steps[CR_MAX_DIMS] = {0};
  for (int d = 0; d < self->ndim; d++) shape[d] = d < kept ? cr__sizes(self)[d] : 1;
  return cr__alias(self, self->ndim, shape, steps, self->offset);
}

/* Whether there is nothing to do; code: what the checks of all dropouts have found. */
static bool idle(const cr_op *op, const cr_tensor *self, double p, bool training, int *code) {
  *code = cr__check_probability(op, p);
  bool none = !training || p == 0 || self->numel == 0;
  if (!*code && !none) *code = cr__check_floating(op, (cr_dtype)self->dtype);
  return !*code && none;
}

cr_tensor *cr__run_dropout_channels(const cr_op *op, cr_tensor *self, double p, bool training) {
  int dims = op->id == CR__OP_dropout1d ? 1 : op->id == CR__OP_dropout2d ? 2 : 3, code;
  int batched = self->ndim == dims + 2 || dims == 2;
  cr__text text;
  if (self->ndim != dims + 1 && self->ndim != dims + 2)
    return cr__no_tensor(
        cr__fail(CR_E_SHAPE, "%s: expected %d or %d dims, got a tensor of shape %s", op->lua,
                 dims + 1, dims + 2, cr__shape_text(self->ndim, cr__sizes(self), &text)));
  if (idle(op, self, p, training, &code)) return cr_retain(self);
  cr_tensor *channels = code ? NULL : outline(self, batched ? 2 : 1);
  cr_tensor *mask = channels ? cr__call_dropout_mask(channels, p) : NULL,
            *t = mask ? cr__call_mul(self, mask) : NULL;
  cr_release(channels), cr_release(mask);
  return t;
}

/* self * kept * a + (kept - 1) alpha a + alpha a p, where kept is 1 or 0. */
static cr_tensor *mixed(cr_tensor *self, cr_tensor *kept, double p) {
  double alpha = 1.7580993408473766, a = 1 / sqrt((alpha * alpha * p + 1) * (1 - p));
  cr_tensor *scale = cr__call_mul_scalar(kept, cr_float(a)),
            *less = cr__call_sub_scalar(kept, cr_int(1));
  cr_tensor *low = cr__call_mul_scalar(less, cr_float(alpha * a)),
            *shift = cr__call_add_scalar(low, cr_float(alpha * a * p));
  cr_tensor *product = scale && shift ? cr__call_mul(self, scale) : NULL,
            *t = product ? cr__call_add(product, shift) : NULL;
  cr_release(scale), cr_release(less), cr_release(low), cr_release(shift), cr_release(product);
  return t;
}

cr_tensor *cr__run_alpha_dropout(const cr_op *op, cr_tensor *self, double p, bool training) {
  int code;
  bool channels = op->id == CR__OP_feature_alpha_dropout;
  cr__text text;
  if (channels && self->ndim < 2)
    return cr__no_tensor(cr__fail(CR_E_SHAPE,
                                  "%s: expected at least 2 dims, got a tensor of shape %s", op->lua,
                                  cr__shape_text(self->ndim, cr__sizes(self), &text)));
  if (idle(op, self, p, training, &code)) return cr_retain(self);
  if (code) return NULL;
  if (p == 1) return cr__call_mul_scalar(self, cr_int(0));
  cr_tensor *shape = outline(self, channels ? 2 : self->ndim),
            *kept = shape ? cr__call_bernoulli_p(shape, 1 - p) : NULL;
  cr_tensor *t = kept ? mixed(self, kept, p) : NULL;
  cr_release(shape), cr_release(kept);
  return t;
}

cr_tensor *cr__run_rrelu(const cr_op *op, cr_tensor *self, double lower, double upper,
                         bool training) {
  int code = cr__check_floating(op, (cr_dtype)self->dtype);
  if (!code && (!isfinite(lower) || !isfinite(upper) || lower > upper))
    code = cr__fail(CR_E_ARGUMENT, "%s: needs finite bounds with lower <= upper, got %g and %g",
                    op->lua, lower, upper);
  if (code) return cr__no_tensor(code);
  if (!training) return cr__call_leaky_relu(self, (lower + upper) / 2);
  cr_tensor *slopes = cr__call_uniform_like(self, lower, upper),
            *t = slopes ? cr__call_sloped(self, slopes) : NULL;
  cr_release(slopes);
  return t;
}
