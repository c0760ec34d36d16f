/* rearrange.c: tensors repeated, reversed, moved around.
 *
 * Holds true: what is rearranged is copied once, from a view that repeats or runs backwards where that is
 * possible; the rest are composites. */
#include <string.h>

#include "reduce.h"

/* t, whose elements are outer blocks of inner ones, with each block repeated, in a shape. */
static cr_tensor *repeat_blocks(cr_tensor *t, int64_t outer, int64_t times, int64_t inner, int n,
                                const int64_t *shape) {
  int64_t from[] = {outer, 1, inner}, to[] = {outer, times, inner};
  cr_tensor *a = cr__call_reshape(t, from, 3);
  cr_tensor *b = cr__call_expand(a, to, 3);
  cr_tensor *c = cr__call_reshape_copy(b, shape, n);
  cr_release(a);
  cr_release(b);
  return c;
}

static int64_t product(const int64_t *sizes, int n) {
  int64_t p = 1;
  for (int d = 0; d < n; d++) p *= sizes[d];
  return p;
}

/* Makes size the size after repetition; shape, of which it is part, must stay one. */
static int multiply(const char *op, int64_t *size, int64_t times, int n, const int64_t *shape) {
  int64_t numel;
  if (times < 0)
    return cr__fail(CR_E_ARGUMENT, "%s: %lld repeats are impossible", op, (long long)times);
  if (__builtin_mul_overflow(*size, times, size)) *size = INT64_MAX;
  return cr__count(op, n, shape, &numel);
}

/* t, seen as `shape`, repeated to the sizes of `whole`. Each dim that repeats is seen as two, so that
 * one copy does it all; where those would be too many dims, the last ones go first. */
static cr_tensor *tile_dims(cr_tensor *t, int n, int64_t *shape, const int64_t *whole) {
  cr_tensor *r = n > 0 ? cr__call_reshape(t, shape, n) : cr__call_reshape_copy(t, shape, n);
  for (int last = n - 1; last >= 0 && r;) {
    int64_t from[CR_MAX_DIMS], to[CR_MAX_DIMS];
    int first = last + 1, used = 2, k = 1;
    while (first > 0 && used + 2 <= CR_MAX_DIMS) first--, used += 2;
    from[0] = to[0] = product(shape, first);
    for (int d = first; d <= last; d++, k += 2) {
      from[k] = 1;
      from[k + 1] = to[k + 1] = shape[d];
      to[k] = shape[d] ? whole[d] / shape[d] : 0;
    }
    from[k] = to[k] = product(shape + last + 1, n - last - 1);
    for (int d = first; d <= last; d++) shape[d] = whole[d];
    last = first - 1;
    cr_tensor *a = cr__call_reshape(r, from, k + 1);
    cr_tensor *b = cr__call_expand(a, to, k + 1);
    cr_tensor *next = cr__call_reshape_copy(b, shape, n);
    cr_release(a);
    cr_release(b);
    cr_release(r);
    r = next;
  }
  return r;
}

cr_tensor *cr__run_tile(const cr_op *op, cr_tensor *self, cr__ints repeats) {
  int count = repeats.n, n = count > self->ndim ? count : self->ndim;
  int64_t shape[CR_MAX_DIMS], whole[CR_MAX_DIMS];
  if (n > CR_MAX_DIMS)
    return cr__no_tensor(
        cr__fail(CR_E_SHAPE, "%s: a tensor has at most %d dims, got %d", op->name, CR_MAX_DIMS, n));
  for (int d = 0; d < n; d++)
    shape[d] = d < n - self->ndim ? 1 : cr__sizes(self)[d - (n - self->ndim)];
  memcpy(whole, shape, (size_t)n * sizeof *whole);
  for (int i = 0; i < count; i++) /* nothing is begun that cannot be finished */
    if (multiply(op->name, &whole[n - count + i], repeats.at[i], n, whole)) return NULL;
  return tile_dims(self, n, shape, whole);
}

cr_tensor *cr__run_repeat_interleave(const cr_op *op, cr_tensor *self, int64_t repeats,
                                     const int64_t *dim) {
  bool flat = !dim || self->ndim == 0;
  int d = 0, n = flat ? 1 : self->ndim;
  int64_t shape[CR_MAX_DIMS];
  if (dim && cr__wrap_dim(op->name, "dim", *dim, self->ndim, &d)) return NULL;
  if (flat) shape[0] = self->numel;
  else memcpy(shape, cr__sizes(self), self->ndim * sizeof *shape);
  int64_t outer = product(shape, d + 1), inner = product(shape + d + 1, n - d - 1);
  if (multiply(op->name, &shape[d], repeats, n, shape)) return NULL;
  return repeat_blocks(self, outer, repeats, inner, n, shape);
}

/* The repeats as one number for each of n positions, int64. */
static cr_tensor *counts_for(const cr_op *op, cr_tensor *repeats, int64_t n) {
  cr__text text;
  int64_t one = 1;
  if (repeats->dtype != CR_INT64 && repeats->dtype != CR_INT32)
    return cr__no_tensor(cr__fail(CR_E_DTYPE, "%s: repeats must be int64 or int32, got %s", op->lua,
                                  cr_dtype_name((cr_dtype)repeats->dtype)));
  if (repeats->ndim > 1 || (repeats->numel != 1 && repeats->numel != n))
    return cr__no_tensor(
        cr__fail(CR_E_SHAPE,
                 "%s: repeats must have one number, or the %lld of the positions, got shape %s",
                 op->lua, (long long)n, cr__shape_text(repeats->ndim, cr__sizes(repeats), &text)));
  cr_tensor *wide = cr__call_to(repeats, CR_INT64, cr_none(), false);
  if (repeats->numel == n && repeats->ndim == 1) return wide;
  cr_tensor *line = cr__call_reshape(wide, &one, 1), *r = cr__call_expand(line, &n, 1);
  cr_release(wide), cr_release(line);
  return r;
}

/* How many positions there will be, checked; -1 after an error. */
static int64_t total_of(const cr_op *op, cr_tensor *counts, cr_tensor *ends, const int64_t *told) {
  cr_value total = cr_int(0), low = cr_int(0);
  if (!counts || !ends) return -1;
  if (ends->numel > 0) {
    cr_tensor *least = cr__call_min(counts), *last = cr__call_select(ends, 1, -1);
    bool read = least && last && !cr_item(least, &low) && !cr_item(last, &total);
    cr_release(least), cr_release(last);
    if (!read) return -1;
  }
  if (low.u.i < 0) {
    cr__fail(CR_E_ARGUMENT, "%s: repeats must not be negative, got %lld", op->lua,
             (long long)low.u.i);
    return -1;
  }
  if (!told || *told == total.u.i) return total.u.i;
  cr__fail(CR_E_ARGUMENT, "%s: output_size is %lld, but repeats add up to %lld", op->lua,
           (long long)*told, (long long)total.u.i);
  return -1;
}

/* Result position j comes from the first position whose repeats, summed up to it, reach j. */
cr_tensor *cr__run_repeat_interleave_each(const cr_op *op, cr_tensor *self, cr_tensor *repeats,
                                          const int64_t *dim, const int64_t *output_size) {
  int64_t all = -1;
  int d = 0;
  cr_tensor *r = NULL;
  cr_device device;
  bool flat = !dim || self->ndim == 0;
  int code = cr__same_device(op->lua, (cr_value[]){cr_of(self), cr_of(repeats)}, 2, &device);
  if (!code && dim) code = cr__wrap_dim(op->lua, "dim", *dim, self->ndim, &d);
  if (code) return NULL;
  if (self->numel == 0 && flat) all = 0;
  int64_t n = flat ? self->numel : cr__sizes(self)[d];
  cr_tensor *counts = counts_for(op, repeats, n);
  cr_tensor *ends = cr__call_cumsum(counts, 1, CR_DTYPE_NONE);
  int64_t total = total_of(op, counts, ends, output_size);
  if (total >= 0) {
    cr_tensor *place = cr__call_arange(cr_int(1), cr_int(total + 1), cr_int(1), CR_DTYPE_NONE,
                                       cr_device_value(device));
    cr_tensor *at = cr__call_searchsorted(ends, place, false, NULL, NULL, false);
    cr_tensor *line = flat ? cr__call_reshape(self, &all, 1) : cr__call_alias(self);
    r = cr__call_index_select(line, d + 1, at);
    cr_release(place), cr_release(at), cr_release(line);
  }
  cr_release(counts), cr_release(ends);
  return r;
}

cr_tensor *cr__run_flip(const cr_op *op, cr_tensor *self, cr__ints dims) {
  int64_t stride[CR_MAX_DIMS], offset = self->offset;
  uint32_t mask = 0;
  if (dims.n > 0 &&
      cr__dim_mask(op->name, (cr_value[]){cr_ints(dims.at, dims.n)}, self->ndim, &mask))
    return NULL;
  for (int d = 0; d < self->ndim; d++) {
    bool turned = mask >> d & 1;
    stride[d] = turned ? -cr__steps(self)[d] : cr__steps(self)[d];
    if (turned && self->numel > 0) offset += (cr__sizes(self)[d] - 1) * cr__steps(self)[d];
  }
  cr_tensor *backwards = cr__alias(self, self->ndim, cr__sizes(self), stride, offset);
  cr_tensor *r = backwards ? cr__new_strided_like(op->name, self, (cr_dtype)self->dtype) : NULL;
  int code = r ? cr__copy(op->name, r, backwards) : (int)cr_error_code();
  cr_release(backwards);
  return cr__filled(code, r);
}

/* t with what lies before `at` (from 1) along d moved to the end. */
static cr_tensor *turn(cr_tensor *t, int d, int64_t at) {
  int64_t size = cr__sizes(t)[d];
  cr_tensor *parts[] = {cr__call_slice(t, d + 1, cr_int(at), cr_int(size), 1),
                        cr__call_slice(t, d + 1, cr_int(1), cr_int(at - 1), 1)};
  cr_tensor *r = NULL;
  if (parts[0] && parts[1]) r = cr__call_cat(parts, 2, d + 1);
  cr_release(parts[0]);
  cr_release(parts[1]);
  return r;
}

cr_tensor *cr__run_roll(const cr_op *op, cr_tensor *self, cr__ints shifts, cr__ints dims) {
  cr_tensor *t = self, *r;
  bool flat = dims.n < 0 || t->ndim == 0;
  int ndims = dims.n >= 0 ? dims.n : 1;
  if (shifts.n != ndims)
    return cr__no_tensor(
        cr__fail(CR_E_ARGUMENT, "%s: got %d shifts for %d dims", op->name, shifts.n, ndims));
  int64_t all = -1;
  r = flat ? cr__call_reshape(t, &all, 1) : cr_retain(t);
  for (int i = 0; i < ndims && r; i++) {
    int d = 0;
    bool lost = dims.n >= 0 && cr__wrap_dim(op->name, "dims", dims.at[i], t->ndim, &d) != 0;
    int64_t size = lost ? 0 : cr__sizes(r)[d], shift = size ? shifts.at[i] % size : 0;
    if (!lost && shift == 0) continue;
    cr_tensor *next = lost ? NULL : turn(r, d, (shift < 0 ? -shift : size - shift) + 1);
    cr_release(r);
    r = next;
  }
  if (!r) return NULL;
  if (!flat && r != t) return r;
  cr_tensor *shaped = cr__call_reshape_copy(r, cr__sizes(t), t->ndim);
  cr_release(r);
  return shaped;
}

cr_tensor *cr__run_flip_side(const cr_op *op, cr_tensor *self) {
  int64_t dim = op->id == CR__OP_fliplr ? 2 : 1;
  cr__text text;
  if (self->ndim < dim)
    return cr__no_tensor(cr__fail(CR_E_SHAPE, "%s: needs at least %lld dim%s, got shape %s",
                                  op->name, (long long)dim, dim > 1 ? "s" : "",
                                  cr__shape_text(self->ndim, cr__sizes(self), &text)));
  return cr__call_flip(self, &dim, 1);
}

cr_tensor *cr__run_rot90(const cr_op *op, cr_tensor *self, int64_t k, cr__ints dims) {
  static const int64_t first_two[] = {1, 2};
  int a, b, quarters = (int)((k % 4 + 4) % 4);
  cr__text text;
  if (dims.n < 0) dims = (cr__ints){first_two, 2};
  if (dims.n != 2)
    return cr__no_tensor(
        cr__fail(CR_E_ARGUMENT, "%s: a plane has 2 dims, got %d", op->name, dims.n));
  if (self->ndim < 2)
    return cr__no_tensor(cr__fail(CR_E_SHAPE, "%s: needs at least 2 dims, got shape %s", op->name,
                                  cr__shape_text(self->ndim, cr__sizes(self), &text)));
  if (cr__wrap_dim(op->name, "dims", dims.at[0], self->ndim, &a) ||
      cr__wrap_dim(op->name, "dims", dims.at[1], self->ndim, &b))
    return NULL;
  if (a == b)
    return cr__no_tensor(cr__fail(CR_E_ARGUMENT, "%s: dim %d is named twice", op->name, a + 1));
  if (quarters == 0) return cr__call_clone(self);
  if (quarters == 2) return cr__call_flip(self, dims.at, 2);
  cr_tensor *turned = cr__call_flip(self, &dims.at[quarters == 1], 1);
  cr_tensor *r = cr__call_transpose(turned, a + 1, b + 1);
  cr_release(turned);
  return r;
}
