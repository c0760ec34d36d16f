/* view.c: views that keep all elements: other shapes, other orders of dims, broadcasts.
 *
 * Holds true: a view is another header over the same storage; nothing here touches an element,
 * except to fill the zeros that the derivatives of partial views start from. */
#include "geometry.h"

#include <string.h>

cr_tensor *cr__zeros_for(const char *op, const cr_tensor *t, int ndim, const int64_t *shape) {
  cr_tensor *z = cr__new(op, (cr_dtype)t->dtype, t->storage->device, ndim, shape);
  if (!z || cr__fill(op, z, cr_int(0)) == 0) return z;
  cr_release(z);
  return NULL;
}

cr_tensor *cr__broadcast_view(const char *op, cr_tensor *t, const char *what, int ndim,
                              const int64_t *shape) {
  if (!t) return NULL;
  int64_t stride[CR_MAX_DIMS];
  int ahead = ndim - t->ndim;
  bool fits = ahead >= 0;
  for (int d = 0; fits && d < t->ndim; d++)
    fits = cr__sizes(t)[d] == 1 || cr__sizes(t)[d] == shape[ahead + d];
  if (!fits) {
    cr__text a, b;
    cr__fail(CR_E_SHAPE, "%s: %s has shape %s, which does not broadcast to %s", op, what,
             cr__shape_text(t->ndim, cr__sizes(t), &a), cr__shape_text(ndim, shape, &b));
    return NULL;
  }
  cr__broadcast_strides(t->ndim, cr__sizes(t), cr__steps(t), ndim, shape, stride);
  return cr__alias(t, ndim, shape, stride, t->offset);
}

cr_tensor *cr__run_alias(const cr_op *op, cr_tensor *self) {
  (void)op;
  return cr__alias_same(self);
}

/* Copies a shape argument with -1 replaced by what the number of elements asks for. */
static int read_shape(const char *op, const cr_tensor *t, cr__ints v, int64_t *shape) {
  if (v.n > CR_MAX_DIMS)
    return cr__fail(CR_E_SHAPE, "%s: a tensor has at most %d dims, got %d", op, CR_MAX_DIMS, v.n);
  if (v.n) memcpy(shape, v.at, (size_t)v.n * sizeof *shape);
  return cr__infer_size(op, t->numel, v.n, shape);
}

cr_tensor *cr__run_view(const cr_op *op, cr_tensor *self, cr__ints shape) {
  int64_t sizes[CR_MAX_DIMS], stride[CR_MAX_DIMS];
  int n = shape.n;
  if (read_shape(op->name, self, shape, sizes)) return NULL;
  if (!cr__view_strides(self->ndim, cr__sizes(self), cr__steps(self), n, sizes, stride)) {
    cr__text a, b;
    return cr__no_tensor(
        cr__fail(CR_E_SHAPE,
                 "%s: the memory of a tensor of shape %s, which is not contiguous, cannot be "
                 "seen "
                 "as %s without copying; use reshape",
                 op->name, cr__shape_text(self->ndim, cr__sizes(self), &a),
                 cr__shape_text(n, sizes, &b)));
  }
  return cr__alias(self, n, sizes, stride, self->offset);
}

/* ---- Composites over view ---------------------------------------------------------------------- */

static cr_tensor *reshape(cr_tensor *t, int n, const int64_t *shape) {
  int64_t stride[CR_MAX_DIMS];
  bool view = t->flags & CR__CONTIGUOUS ||
              cr__view_strides(t->ndim, cr__sizes(t), cr__steps(t), n, shape, stride);
  return view ? cr__call_view(t, shape, n) : cr__call_reshape_copy(t, shape, n);
}

cr_tensor *cr__run_reshape(const cr_op *op, cr_tensor *self, cr__ints shape) {
  int64_t sizes[CR_MAX_DIMS];
  if (self->flags & CR__CONTIGUOUS) return cr__call_view(self, shape.at, shape.n);
  if (read_shape(op->name, self, shape, sizes)) return NULL;
  return reshape(self, shape.n, sizes);
}

cr_tensor *cr__run_flatten(const cr_op *op, cr_tensor *self, int64_t start_dim, int64_t end_dim) {
  int from, to, n = 0;
  if (cr__wrap_dim(op->name, "start_dim", start_dim, self->ndim, &from) ||
      cr__wrap_dim(op->name, "end_dim", end_dim, self->ndim, &to))
    return NULL;
  if (from > to)
    return cr__no_tensor(cr__fail(CR_E_ARGUMENT,
                                  "%s: start_dim is dim %d, which comes after end_dim, dim %d",
                                  op->name, from + 1, to + 1));
  int64_t shape[CR_MAX_DIMS] = {1};
  for (int d = 0; d < self->ndim; d++) {
    if (d > from && d <= to) shape[n - 1] *= cr__sizes(self)[d];
    else shape[n++] = cr__sizes(self)[d];
  }
  return reshape(self, n ? n : 1, shape);
}

cr_tensor *cr__run_unflatten(const cr_op *op, cr_tensor *self, int64_t dim, cr__ints sizes) {
  int d, more = sizes.n;
  if (cr__wrap_dim(op->name, "dim", dim, self->ndim, &d)) return NULL;
  if (self->ndim == 0)
    return cr__no_tensor(cr__fail(CR_E_SHAPE, "%s: a 0-dim tensor has no dim to split", op->name));
  if (more < 1 || self->ndim - 1 + more > CR_MAX_DIMS)
    return cr__no_tensor(
        cr__fail(CR_E_SHAPE,
                 "%s: a split of dim %d into %d would give %d dims; 1 to %d are possible", op->name,
                 d + 1, more, self->ndim - 1 + more, CR_MAX_DIMS));
  int64_t shape[CR_MAX_DIMS];
  memcpy(shape, cr__sizes(self), (size_t)d * sizeof *shape);
  if (more) memcpy(shape + d, sizes.at, (size_t)more * sizeof *shape);
  memcpy(shape + d + more, cr__sizes(self) + d + 1, (size_t)(self->ndim - d - 1) * sizeof *shape);
  if (cr__infer_size(op->name, cr__sizes(self)[d], more, shape + d)) return NULL;
  return reshape(self, self->ndim - 1 + more, shape);
}

/* ---- Orders of dims -------------------------------------------------------------------------------- */

/* permute, and permute_back, which puts dim i where permute took it from. */
cr_tensor *cr__run_permute(const cr_op *op, cr_tensor *self, cr__ints dims) {
  int64_t shape[CR_MAX_DIMS], stride[CR_MAX_DIMS];
  uint32_t seen = 0;
  if (dims.n != self->ndim)
    return cr__no_tensor(cr__fail(CR_E_ARGUMENT,
                                  "%s: got %d dims for a tensor of %d; each is to be named once",
                                  op->name, dims.n, self->ndim));
  for (int i = 0; i < self->ndim; i++) {
    int d;
    if (cr__wrap_dim(op->name, "dims", dims.at[i], self->ndim, &d)) return NULL;
    if (seen >> d & 1)
      return cr__no_tensor(cr__fail(CR_E_ARGUMENT, "%s: dim %d is named twice", op->name, d + 1));
    seen |= UINT32_C(1) << d;
    int from = op->id == CR__OP_permute ? d : i, to = op->id == CR__OP_permute ? i : d;
    shape[to] = cr__sizes(self)[from];
    stride[to] = cr__steps(self)[from];
  }
  return cr__alias(self, self->ndim, shape, stride, self->offset);
}

cr_tensor *cr__run_transpose(const cr_op *op, cr_tensor *self, int64_t dim0, int64_t dim1) {
  int a, b;
  if (cr__wrap_dim(op->name, "dim0", dim0, self->ndim, &a) ||
      cr__wrap_dim(op->name, "dim1", dim1, self->ndim, &b))
    return NULL;
  int64_t shape[CR_MAX_DIMS], stride[CR_MAX_DIMS];
  for (int d = 0, n = self->ndim; d < n; d++) {
    shape[d] = self->dims[d];
    stride[d] = self->dims[n + d];
  }
  if (self->ndim > 0) {
    shape[a] = cr__sizes(self)[b], shape[b] = cr__sizes(self)[a];
    stride[a] = cr__steps(self)[b], stride[b] = cr__steps(self)[a];
  }
  return cr__alias(self, self->ndim, shape, stride, self->offset);
}

cr_tensor *cr__run_t(const cr_op *op, cr_tensor *self) {
  if (self->ndim > 2)
    return cr__no_tensor(
        cr__fail(CR_E_SHAPE, "%s: is for at most 2 dims, got a tensor of %d; use transpose or mT",
                 op->name, self->ndim));
  if (self->ndim < 2) return cr__call_alias(self);
  return cr__call_transpose(self, 1, 2);
}

cr_tensor *cr__run_mT(const cr_op *op, cr_tensor *self) {
  if (self->ndim < 2)
    return cr__no_tensor(cr__fail(CR_E_SHAPE, "%s: needs at least 2 dims, got a tensor of %d",
                                  op->name, self->ndim));
  return cr__call_transpose(self, -2, -1);
}

cr_tensor *cr__run_movedim(const cr_op *op, cr_tensor *self, cr__ints source,
                           cr__ints destination) {
  cr_tensor *t = self;
  int64_t order[CR_MAX_DIMS] = {0};
  uint32_t taken = 0;
  if (source.n != destination.n)
    return cr__no_tensor(cr__fail(CR_E_ARGUMENT, "%s: got %d source dims, but %d destinations",
                                  op->name, source.n, destination.n));
  for (int i = 0; i < source.n; i++) {
    int from, to;
    if (cr__wrap_dim(op->name, "source", source.at[i], t->ndim, &from) ||
        cr__wrap_dim(op->name, "destination", destination.at[i], t->ndim, &to))
      return NULL;
    if ((taken >> from & 1) || order[to])
      return cr__no_tensor(cr__fail(CR_E_ARGUMENT, "%s: dim %d is named twice", op->name,
                                    (taken >> from & 1 ? from : to) + 1));
    taken |= UINT32_C(1) << from;
    order[to] = from + 1;
  }
  int next = 0;
  for (int d = 0; d < t->ndim; d++) {
    if (order[d]) continue;
    while (taken >> next & 1) next++;
    order[d] = ++next;
  }
  return cr__call_permute(self, order, t->ndim);
}

/* ---- Dims of size 1, broadcasts ------------------------------------------------------------------------ */

cr_tensor *cr__run_squeeze(const cr_op *op, cr_tensor *self, cr__ints dim) {
  int64_t shape[CR_MAX_DIMS], stride[CR_MAX_DIMS];
  uint32_t mask = 0;
  bool none = dim.n >= 0 && dim.n == 0;
  if (!none && cr__dim_mask(op->name, (cr_value[]){cr_ints(dim.at, dim.n)}, self->ndim, &mask))
    return NULL;
  int n = 0;
  for (int d = 0; d < self->ndim; d++) {
    if ((mask >> d & 1) && cr__sizes(self)[d] == 1) continue;
    shape[n] = cr__sizes(self)[d];
    stride[n++] = cr__steps(self)[d];
  }
  return cr__alias(self, n, shape, stride, self->offset);
}

cr_tensor *cr__run_unsqueeze(const cr_op *op, cr_tensor *self, int64_t dim) {
  int64_t shape[CR_MAX_DIMS], stride[CR_MAX_DIMS], at = dim;
  int n = self->ndim + 1;
  if (at == 0 || at > n || at < -n)
    return cr__no_tensor(
        cr__fail(CR_E_INDEX,
                 "%s: dim %lld is no place for a new dim in a tensor of %d dims; 1 to %d and -1 "
                 "to "
                 "-%d are",
                 op->name, (long long)at, self->ndim, n, n));
  if (n > CR_MAX_DIMS)
    return cr__no_tensor(
        cr__fail(CR_E_SHAPE, "%s: a tensor has at most %d dims", op->name, CR_MAX_DIMS));
  int d = (int)(at > 0 ? at - 1 : at + n);
  for (int from = 0, to = 0; to < n; to++) {
    if (to == d) { /* the stride that keeps the tensor contiguous if it is */
      shape[to] = 1;
      stride[to] = d < self->ndim ? cr__sizes(self)[d] * cr__steps(self)[d] : 1;
    } else {
      shape[to] = cr__sizes(self)[from];
      stride[to] = cr__steps(self)[from++];
    }
  }
  return cr__alias(self, n, shape, stride, self->offset);
}
