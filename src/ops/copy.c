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

int cr__run_clone(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *t = args[0].u.t;
  cr_tensor *copy = cr__new_strided_like(op->name, t, (cr_dtype)t->dtype);
  return cr__give_if(copy ? cr__copy(op->name, copy, t) : (int)cr_error_code(), copy, out);
}

int cr__run_contiguous(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *t = args[0].u.t;
  if (t->flags & CR__CONTIGUOUS) return cr__give(cr_retain(t), out);
  return cr__give(cr__copy_of(op->name, t, (cr_dtype)t->dtype), out);
}

int cr__run_reshape_copy(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *t = args[0].u.t;
  cr_tensor *copy =
      cr__new(op->name, (cr_dtype)t->dtype, t->storage->device, args[1].n, args[1].u.is);
  if (!copy) return (int)cr_error_code();
  int64_t stride[CR_MAX_DIMS]; /* the copy is filled through t's own shape */
  cr__fill_strides(t->ndim, cr__sizes(t), stride);
  cr_tensor *same = cr__alias(copy, t->ndim, cr__sizes(t), stride, copy->offset);
  int code = same ? cr__copy(op->name, same, t) : (int)cr_error_code();
  cr_release(same);
  return cr__give_if(code, copy, out);
}

int cr__run_to(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *t = args[0].u.t;
  cr_dtype dtype = cr__dtype_or(args[1], (cr_dtype)t->dtype);
  cr_device device = cr__device_or(args[2], t->storage->device);
  bool stays = device == t->storage->device;
  if (stays && dtype == (cr_dtype)t->dtype && !args[3].u.i) return cr__give(cr_retain(t), out);
  cr_tensor *copy = stays ? cr__new_strided_like(op->name, t, dtype)
                          : cr__new(op->name, dtype, device, t->ndim, cr__sizes(t));
  return cr__give_if(copy ? cr__copy(op->name, copy, t) : (int)cr_error_code(), copy, out);
}

/* ---- Writes -------------------------------------------------------------------------------------- */

int cr__run_copy_(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)out, (void)nout;
  cr_tensor *self = args[0].u.t, *given = args[1].u.t;
  if (given->storage != self->storage && given->ndim == self->ndim &&
      memcmp(cr__sizes(given), cr__sizes(self), self->ndim * sizeof(int64_t)) == 0)
    return cr__copy(op->name, self, given); /* takes no memory on one device */
  cr_tensor *src = cr__apart(op->name, given, self);
  cr_tensor *wide = cr__broadcast_view(op->name, src, "src", self->ndim, cr__sizes(self));
  int code = wide ? cr__copy(op->name, self, wide) : (int)cr_error_code();
  cr_release(src);
  cr_release(wide);
  return code;
}

int cr__run_fill_(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)out, (void)nout;
  cr_value number = args[1];
  cr__text text;
  if (args[1].kind == CR_TENSOR) {
    cr_tensor *v = args[1].u.t;
    if (v->ndim != 0)
      return cr__fail(CR_E_SHAPE,
                      "%s: value is a number or a 0-dim tensor, got shape %s; use copy_", op->name,
                      cr__shape_text(v->ndim, cr__sizes(v), &text));
    if (cr_item(v, &number)) return (int)cr_error_code();
  }
  return cr__fill(op->name, args[0].u.t, number);
}

int cr__run_zero_(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)out, (void)nout;
  return cr__fill(op->name, args[0].u.t, cr_int(0));
}

int cr__run_corner(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *t = args[0].u.t;
  int n = args[1].n;
  if (n == 0) return cr__give(cr_retain(t), out); /* the engine sums to 0-dim tensors itself */
  if (n != t->ndim)
    return cr__fail(CR_E_SHAPE, "%s: shape has %d dims, self has %d", op->name, n, t->ndim);
  cr_tensor *zeros = cr__zeros_for(op->name, t, n, args[1].u.is);
  if (!zeros) return (int)cr_error_code();
  int64_t shape[CR_MAX_DIMS];
  for (int d = 0; d < n; d++)
    shape[d] = cr__sizes(t)[d] < cr__sizes(zeros)[d] ? cr__sizes(t)[d] : cr__sizes(zeros)[d];
  cr_tensor *to = cr__alias(zeros, n, shape, cr__steps(zeros), zeros->offset);
  cr_tensor *from = cr__alias(t, n, shape, cr__steps(t), t->offset);
  int code = to && from ? cr__copy(op->name, to, from) : (int)cr_error_code();
  cr_release(to);
  cr_release(from);
  return cr__give_if(code, zeros, out);
}
