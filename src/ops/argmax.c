/* argmax.c: the largest or smallest element along a dim and its position.
 *
 * Holds true: positions are 1-based; along a dim of size 0 there is nothing to choose, an error. */
#include "argmax.h"

static int need_size(const char *op, const cr_tensor *self, int64_t size, int dim) {
  if (size > 0) return 0;
  cr__text text;
  cr__shape_text(self->ndim, cr__sizes(self), &text);
  if (dim < 0) {
    return cr__fail(CR_E_SHAPE, "%s: there is no element to choose in a tensor of shape %s", op,
                    text.s);
  }
  return cr__fail(CR_E_SHAPE, "%s: there is no element to choose along dim %d of shape %s", op,
                  dim + 1, text.s);
}

int cr__choose(const char *op, cr__kernel_id kernel, cr_tensor *self, int d, bool smallest,
               const cr_tensor *values, const cr_tensor *indices) {
  cr__launch k;
  uint32_t mask = (uint32_t)1 << d;
  cr__launch_begin(&k, op, cr_device_of(self));
  bool median = kernel == CR__K_median;
  if (values) cr__view_folded(&k, median ? &k.median.values : &k.argmax.values, values, self, mask);
  cr__view_folded(&k, median ? &k.median.indices : &k.argmax.indices, indices, self, mask);
  cr__launch_view(&k, median ? &k.median.from : &k.argmax.from, self);
  if (self->ndim == 0) cr__launch_as_one_dim(&k);
  if (median) k.median.dim = d, k.median.skip = smallest;
  else k.argmax.dim = d, k.argmax.smallest = smallest;
  return cr__launch_run(&k, kernel);
}

int cr__choose_along(const cr_op *op, cr_tensor *self, int64_t dim, bool keepdim,
                     cr__kernel_id kernel, bool smallest, cr_tensor **out) {
  int d, n = op->nout;
  int code = cr__wrap_dim(op->lua, "dim", dim, self->ndim, &d);
  if (!code && self->ndim) code = need_size(op->lua, self, cr__sizes(self)[d], d);
  if (code) return code;
  uint32_t mask = self->ndim ? (uint32_t)1 << d : 0;
  out[n - 1] = cr__new_folded(op->lua, self, mask, keepdim, CR_INT64);
  if (n == 2) out[0] = cr__new_folded(op->lua, self, mask, keepdim, (cr_dtype)self->dtype);
  if (!out[0] || !out[n - 1]) code = cr_error_code();
  else code = cr__choose(op->lua, kernel, self, d, smallest, n == 2 ? out[0] : NULL, out[n - 1]);
  for (int i = 0; i < n && code; i++) {
    cr_release(out[i]);
    out[i] = NULL;
  }
  return code;
}

cr_tensor *cr__flat(const char *op, cr_tensor *self) {
  if (need_size(op, self, self->numel, -1)) return NULL;
  int64_t n = -1;
  return cr__call_reshape(self, &n, 1);
}

/* The position in the whole tensor. */
static int choose_of_all(const cr_op *op, cr_tensor *self, bool keepdim, bool smallest,
                         cr_tensor **out) {
  cr_tensor *line = cr__flat(op->lua, self);
  if (!line) return cr_error_code();
  uint32_t all = ((uint32_t)1 << self->ndim) - 1;
  cr_tensor *t = cr__new_folded(op->lua, self, all, keepdim, CR_INT64);
  int code =
      t ? cr__choose(op->lua, CR__K_argmax, line, 0, smallest, NULL, t) : (int)cr_error_code();
  cr_release(line);
  out[0] = cr__filled(code, t);
  return code;
}

int cr__run_argmax(const cr_op *op, cr_tensor *self, const int64_t *dim, bool keepdim,
                   cr_tensor **out) {
  bool smallest = op->id == CR__OP_argmin || op->id == CR__OP_min_dim;
  if (!dim) return choose_of_all(op, self, keepdim, smallest, out);
  return cr__choose_along(op, self, *dim, keepdim, CR__K_argmax, smallest, out);
}

/* Where the dim is gone it is put back first, and self, the gradient, is scattered; gather's derivative is that, and has gather for its own. */
cr_tensor *cr__run_put_reduced(const cr_op *op, cr_tensor *self, cr_tensor *indices, cr__ints shape,
                               int64_t dim, bool keepdim) {
  int d;
  int code = cr__wrap_dim(op->lua, "dim", dim, shape.n, &d);
  if (code) return cr__no_tensor(code);
  if (shape.n == 0) return cr__call_mul_scalar(self, cr_int(1));
  if (keepdim) return cr__call_gather_backward(self, shape.at, shape.n, d + 1, indices);
  cr_tensor *g = cr__call_unsqueeze(self, d + 1), *at = cr__call_unsqueeze(indices, d + 1);
  cr_tensor *result = cr__call_gather_backward(g, shape.at, shape.n, d + 1, at);
  cr_release(g), cr_release(at);
  return result;
}
