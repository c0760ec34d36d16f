/* strided.c: views of any geometry, their derivative, and matrices cut along a diagonal.
 *
 * Holds true: a geometry is accepted only if all its elements lie in the storage; where elements of
 * one overlap, gradients add up (view) or are shared (base), so that the map and its derivative are
 * adjoint to each other. */
#include "geometry.h"

#include <string.h>

typedef struct geometry {
  int ndim;
  const int64_t *shape, *stride;
  int64_t offset;
  int64_t low, high; /* offsets of the first and last element in memory; high < low if empty */
} geometry;

/* Reads sizes and strides, finds where the elements lie; fails on sizes that are none. */
static int read_geometry(const char *op, cr__ints size, cr__ints stride, int64_t offset,
                         geometry *g) {
  int64_t numel;
  cr__text text;
  if (size.n != stride.n)
    return cr__fail(CR_E_ARGUMENT, "%s: got %d sizes, but %d strides", op, size.n, stride.n);
  if (cr__count(op, size.n, size.at, &numel)) return (int)cr_error_code();
  *g = (geometry){size.n, size.at, stride.at, offset, offset, offset};
  bool overflow = false;
  for (int d = 0; d < g->ndim && numel > 0; d++) {
    int64_t reach;
    overflow |= __builtin_mul_overflow(g->shape[d] - 1, g->stride[d], &reach);
    int64_t *end = reach < 0 ? &g->low : &g->high;
    overflow |= __builtin_add_overflow(*end, reach, end);
  }
  if (overflow || (numel > 0 && g->low < 0))
    return cr__fail(CR_E_INDEX,
                    "%s: shape %s with these strides and offset %lld reaches outside all "
                    "memory",
                    op, cr__shape_text(g->ndim, g->shape, &text), (long long)offset);
  if (numel == 0) g->high = g->low - 1;
  return 0;
}

cr_tensor *cr__run_as_strided(const cr_op *op, cr_tensor *self, cr__ints size, cr__ints stride,
                              const int64_t *storage_offset) {
  geometry g;
  int64_t start = storage_offset ? *storage_offset : self->offset;
  int64_t room = (int64_t)(self->storage->nbytes / cr__size_of((cr_dtype)self->dtype));
  if (read_geometry(op->name, size, stride, start, &g)) return NULL;
  cr__text text;
  if (g.high >= room || start < 0 || start > room)
    return cr__no_tensor(cr__fail(CR_E_INDEX,
                                  "%s: shape %s with these strides needs elements up to "
                                  "offset %lld (from 0), "
                                  "but "
                                  "the memory has %lld",
                                  op->name, cr__shape_text(g.ndim, g.shape, &text),
                                  (long long)g.high, (long long)room));
  return cr__alias(self, g.ndim, g.shape, g.stride, start);
}

/* ---- The derivative ---------------------------------------------------------------------------- */

static cr_tensor *seen_by(cr_tensor *memory, const geometry *g, int64_t low) {
  int64_t offset = g->high < g->low ? 0 : g->offset - low;
  return cr__alias(memory, g->ndim, g->shape, g->stride, offset);
}

static int add_into(const char *op, cr_tensor *memory, const geometry *g, int64_t low,
                    cr_tensor *values) {
  cr_tensor *to = seen_by(memory, g, low);
  if (!to) return (int)cr_error_code();
  cr__launch k;
  cr__launch_begin(&k, op, memory->storage->device);
  cr__launch_view(&k, &k.scatter_strided.to, to);
  cr__launch_view(&k, &k.scatter_strided.from, values);
  int code = cr__launch_run(&k, CR__K_scatter_strided);
  cr_release(to);
  return code;
}

/* Divides memory by the number of the base's elements that lie there. */
static int share(const char *op, cr_tensor **memory, const geometry *base, int64_t low) {
  static const int64_t zeros[CR_MAX_DIMS];
  cr_tensor *count = cr__zeros_for(op, *memory, 1, cr__sizes(*memory));
  cr_tensor *one = cr__new(op, (cr_dtype)(*memory)->dtype, (*memory)->storage->device, 0, NULL);
  cr_tensor *ones = NULL, *least = NULL, *shared = NULL;
  int code = count && one ? cr__fill(op, one, cr_int(1)) : (int)cr_error_code();
  if (!code) {
    ones = cr__alias(one, base->ndim, base->shape, zeros, 0);
    code = ones ? add_into(op, count, base, low, ones) : (int)cr_error_code();
  }
  if (!code) { /* where no element lies there is nothing to share */
    least = cr__call_maximum(count, one);
    shared = cr__call_div(*memory, least);
    code = shared ? 0 : (int)cr_error_code();
  }
  cr_release(count);
  cr_release(one);
  cr_release(ones);
  cr_release(least);
  if (code) return code;
  cr_release(*memory);
  *memory = shared;
  return 0;
}

/* Adds self to zeroed memory by the first geometry, reads it by the second. */
cr_tensor *cr__run_restride(const cr_op *op, cr_tensor *self, cr__ints from_size,
                            cr__ints from_stride, const int64_t *from_offset, cr__ints size,
                            cr__ints stride, const int64_t *offset, int64_t base) {
  int64_t a = from_offset ? *from_offset : offset ? *offset : 0, b = offset ? *offset : a;
  geometry from, to;
  if (read_geometry(op->name, from_size, from_stride, a, &from) ||
      read_geometry(op->name, size, stride, b, &to))
    return NULL;
  bool none = from.high < from.low;
  int64_t low = none || to.low < from.low ? to.low : from.low;
  int64_t high = none || to.high > from.high ? to.high : from.high;
  int64_t room = high < low ? 0 : high - low + 1;
  const geometry *shared = base ? &to : &from;
  cr_tensor *memory = cr__zeros_for(op->name, self, 1, &room), *values = NULL, *seen = NULL,
            *result = NULL;
  if (memory) values = cr__broadcast_view(op->name, self, "self", from.ndim, from.shape);
  int code = values ? add_into(op->name, memory, &from, low, values) : (int)cr_error_code();
  cr_release(values);
  if (!code && !cr__strides_disjoint(shared->ndim, shared->shape, shared->stride))
    code = share(op->name, &memory, shared, low);
  if (!code) {
    seen = seen_by(memory, &to, low);
    result = cr__copy_of(op->name, seen, (cr_dtype)self->dtype);
    code = result ? 0 : (int)cr_error_code();
  }
  cr_release(seen);
  cr_release(memory);
  return result;
}

/* ---- Ranges ------------------------------------------------------------------------------------------ */

/* The view of all ranges along dim; a 0-dim tensor counts as one of a single element. */
static cr_tensor *ranges(const char *op, cr_tensor *t, int64_t dim, int64_t size, int64_t step) {
  int d, n = t->ndim ? t->ndim : 1;
  int64_t shape[CR_MAX_DIMS + 1], stride[CR_MAX_DIMS + 1];
  if (cr__wrap_dim(op, "dim", dim, t->ndim, &d)) return NULL;
  shape[0] = stride[0] = 1;
  if (t->ndim) memcpy(shape, cr__sizes(t), t->ndim * sizeof *shape);
  if (t->ndim) memcpy(stride, cr__steps(t), t->ndim * sizeof *stride);
  if (size < 0 || size > shape[d])
    return cr__no_tensor(cr__fail(CR_E_ARGUMENT,
                                  "%s: dim %d of size %lld has no ranges of %lld positions", op,
                                  d + 1, (long long)shape[d], (long long)size));
  if (step < 1)
    return cr__no_tensor(
        cr__fail(CR_E_ARGUMENT, "%s: step must be at least 1, got %lld", op, (long long)step));
  if (n == CR_MAX_DIMS && t->ndim)
    return cr__no_tensor(cr__fail(CR_E_SHAPE, "%s: a tensor has at most %d dims", op, CR_MAX_DIMS));
  int last = t->ndim;
  shape[last] = size, stride[last] = t->ndim ? stride[d] : 1;
  if (t->ndim == 0) return cr__alias(t, 1, shape, stride, t->offset);
  int64_t count = (shape[d] - size) / step + 1;
  shape[d] = count;
  stride[d] = count > 1 ? stride[d] * step : stride[d]; /* no wider than the tensor: no overflow */
  return cr__alias(t, n + 1, shape, stride, t->offset);
}

cr_tensor *cr__run_unfold(const cr_op *op, cr_tensor *self, int64_t dim, int64_t size,
                          int64_t step) {
  return ranges(op->name, self, dim, size, step);
}

cr_tensor *cr__run_unfold_backward(const cr_op *op, cr_tensor *self, cr__ints shape, int64_t dim,
                                   int64_t size, int64_t step) {
  cr_tensor *zeros = cr__zeros_for(op->name, self, shape.n, shape.at);
  cr_tensor *to = zeros ? ranges(op->name, zeros, dim, size, step) : NULL;
  if (!to) return cr__filled((int)cr_error_code(), zeros);
  if (cr__strides_disjoint(to->ndim, cr__sizes(to), cr__steps(to)))
    return cr__fill_part(op->name, zeros, to, self);
  cr__launch k;
  cr__launch_begin(&k, op->name, cr_device_of(self));
  cr__launch_view(&k, &k.scatter_strided.to, to);
  cr__launch_view(&k, &k.scatter_strided.from, self);
  int code = cr__launch_run(&k, CR__K_scatter_strided);
  cr_release(to);
  return cr__filled(code, zeros);
}

/* ---- Triangles --------------------------------------------------------------------------------------- */

cr_tensor *cr__run_triangle(const cr_op *op, cr_tensor *self, int64_t diagonal) {
  cr__text text;
  if (self->ndim < 2)
    return cr__no_tensor(cr__fail(CR_E_SHAPE, "%s: needs at least 2 dims, got a tensor of shape %s",
                                  op->name, cr__shape_text(self->ndim, cr__sizes(self), &text)));
  cr_tensor *r = cr__new_like(op->name, self, (cr_dtype)self->dtype);
  if (!r) return NULL;
  cr__launch k;
  cr__launch_begin(&k, op->name, self->storage->device);
  cr__launch_view(&k, &k.triangle.out, r);
  cr__launch_view(&k, &k.triangle.from, self);
  k.triangle.diagonal = diagonal;
  k.triangle.upper = op->id == CR__OP_triu;
  return cr__filled(cr__launch_run(&k, CR__K_triangle), r);
}
