/* copy.c: copies, conversions, and writes of whole tensors.
 *
 * Holds true: a source that shares memory with what is written is copied first, so that a write never
 * reads its own results; nothing is converted or moved between devices but by `to` and `copy_`. */
#include "geometry.h"

#include <string.h>

cr_tensor *cr__copy_of(const char *op, cr_tensor *t, cr_dtype dtype) {
  cr_tensor *copy = cr__new_like(op, t, dtype);
  if (!copy || cr__copy(op, copy, t) == 0) return copy;
  cr_release(copy);
  return NULL;
}

cr_tensor *cr__apart(const char *op, cr_tensor *t, const cr_tensor *written) {
  if (!t || t->storage != written->storage) return t ? cr_retain(t) : NULL;
  return cr__copy_of(op, t, (cr_dtype)t->dtype);
}

cr_tensor *cr__run_clone(const cr_op *op, cr_tensor *self) {
  cr_tensor *t = self;
  cr_tensor *copy = cr__new_strided_like(op->name, t, (cr_dtype)t->dtype);
  return cr__filled(copy ? cr__copy(op->name, copy, t) : (int)cr_error_code(), copy);
}

cr_tensor *cr__run_contiguous(const cr_op *op, cr_tensor *self) {
  cr_tensor *t = self;
  if (t->flags & CR__CONTIGUOUS) return cr_retain(t);
  return cr__copy_of(op->name, t, (cr_dtype)t->dtype);
}

cr_tensor *cr__run_reshape_copy(const cr_op *op, cr_tensor *self, cr__ints shape) {
  cr_tensor *t = self;
  cr_tensor *copy = cr__new(op->name, (cr_dtype)t->dtype, t->storage->device, shape.n, shape.at);
  if (!copy) return NULL;
  int64_t stride[CR_MAX_DIMS]; /* the copy is filled through t's own shape */
  cr__fill_strides(t->ndim, cr__sizes(t), stride);
  cr_tensor *same = cr__alias(copy, t->ndim, cr__sizes(t), stride, copy->offset);
  int code = same ? cr__copy(op->name, same, t) : (int)cr_error_code();
  cr_release(same);
  return cr__filled(code, copy);
}

cr_tensor *cr__run_to(const cr_op *op, cr_tensor *self, cr_dtype dtype, cr_device device,
                      bool copy) {
  cr_tensor *t = self;
  dtype = cr__given_dtype_or(dtype, (cr_dtype)t->dtype);
  device = cr__given_device_or(device, t->storage->device);
  bool stays = device == t->storage->device;
  if (stays && dtype == (cr_dtype)t->dtype && !copy) return cr_retain(t);
  cr_tensor *made = stays ? cr__new_strided_like(op->name, t, dtype)
                          : cr__new(op->name, dtype, device, t->ndim, cr__sizes(t));
  return cr__filled(made ? cr__copy(op->name, made, t) : (int)cr_error_code(), made);
}

/* ---- Writes -------------------------------------------------------------------------------------- */

int cr__run_copy_(const cr_op *op, cr_tensor *self, cr_tensor *src) {
  if (src->storage != self->storage && src->ndim == self->ndim &&
      memcmp(cr__sizes(src), cr__sizes(self), self->ndim * sizeof(int64_t)) == 0)
    return cr__copy(op->name, self, src); /* takes no memory on one device */
  cr_tensor *apart = cr__apart(op->name, src, self);
  cr_tensor *wide = cr__broadcast_view(op->name, apart, "src", self->ndim, cr__sizes(self));
  int code = wide ? cr__copy(op->name, self, wide) : (int)cr_error_code();
  cr_release(apart);
  cr_release(wide);
  return code;
}

int cr__run_fill_(const cr_op *op, cr_tensor *self, cr_value value) {
  cr_value number = value;
  cr__text text;
  if (value.kind == CR_TENSOR) {
    cr_tensor *v = value.u.t;
    if (v->ndim != 0)
      return cr__fail(CR_E_SHAPE,
                      "%s: value is a number or a 0-dim tensor, got shape %s; use copy_", op->name,
                      cr__shape_text(v->ndim, cr__sizes(v), &text));
    if (cr_item(v, &number)) return (int)cr_error_code();
    if (self->dtype != CR_UINT64) number = cr__by_value((cr_dtype)v->dtype, number);
  }
  return cr__fill(op->name, self, number);
}

int cr__run_zero_(const cr_op *op, cr_tensor *self) { return cr__fill(op->name, self, cr_int(0)); }

cr_tensor *cr__run_corner(const cr_op *op, cr_tensor *self, cr__ints shape) {
  cr_tensor *t = self;
  int n = shape.n;
  if (n == 0) return cr_retain(t); /* the engine sums to 0-dim tensors itself */
  if (n != t->ndim)
    return cr__no_tensor(
        cr__fail(CR_E_SHAPE, "%s: shape has %d dims, self has %d", op->name, n, t->ndim));
  cr_tensor *zeros = cr__zeros_for(op->name, t, n, shape.at);
  if (!zeros) return NULL;
  int64_t sizes[CR_MAX_DIMS];
  for (int d = 0; d < n; d++)
    sizes[d] = cr__sizes(t)[d] < cr__sizes(zeros)[d] ? cr__sizes(t)[d] : cr__sizes(zeros)[d];
  cr_tensor *to = cr__alias(zeros, n, sizes, cr__steps(zeros), zeros->offset);
  cr_tensor *from = cr__alias(t, n, sizes, cr__steps(t), t->offset);
  int code = to && from ? cr__copy(op->name, to, from) : (int)cr_error_code();
  cr_release(to);
  cr_release(from);
  return cr__filled(code, zeros);
}
