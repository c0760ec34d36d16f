/* scatter_reduce.c: what comes to one place by a tensor of positions, folded into one element.
 *
 * Holds true: composites of the operations of scatter.c, which record themselves; a failed step gives NULL, which
 * the next ones pass on. */
#include <math.h>

#include "positions.h"

static void become(cr_tensor **t, cr_tensor *next) {
  cr_release(*t);
  *t = next;
}

typedef enum folding { SUM, PRODUCT, MEAN, LARGEST, SMALLEST } folding;

/* What leaves every element of the dtype as it is. */
static cr_value neutral(folding how, cr_dtype dtype) {
  bool wide = cr__is_float(dtype), large = how == SMALLEST;
  if (how == SUM || how == MEAN) return cr_int(0);
  if (how == PRODUCT) return cr_int(1);
  if (wide) return cr_float(large ? (double)INFINITY : -(double)INFINITY);
  switch (dtype) {
  case CR_INT64: return cr_int(large ? INT64_MAX : INT64_MIN);
  case CR_INT32: return cr_int(large ? INT32_MAX : INT32_MIN);
  case CR_INT16: return cr_int(large ? INT16_MAX : INT16_MIN);
  case CR_INT8: return cr_int(large ? INT8_MAX : INT8_MIN);
  case CR_UINT8: return cr_int(large ? UINT8_MAX : 0);
  default: return cr_bool(large);
  }
}

/* The sums in t divided by how many elements went into each. */
static cr_tensor *divided(cr_tensor *t, int64_t dim, cr_tensor *index, bool include_self) {
  cr_tensor *none = cr__call_full_like(t, cr_int(include_self), CR_DTYPE_NONE, cr_none());
  cr_tensor *each = cr__call_full_like(index, cr_int(1), (cr_dtype)t->dtype, cr_none());
  cr_tensor *count = cr__call_scatter_add(none, dim, index, each);
  cr_tensor *most = cr__call_clamp_min_scalar(count, cr_int(1));
  bool wide = cr__is_float((cr_dtype)t->dtype);
  cr_tensor *r = wide ? cr__call_div(t, most) : cr__call_floor_divide(t, most);
  cr_release(none), cr_release(each), cr_release(count), cr_release(most);
  return r;
}

/* Folds src, of index's shape, into self. */
static cr_tensor *fold(cr_tensor *self, int64_t dim, cr_tensor *index, cr_tensor *src, folding how,
                       bool include_self) {
  cr_value begin = neutral(how, (cr_dtype)self->dtype);
  cr_tensor *to = include_self ? cr_retain(self) : cr__call_scatter_scalar(self, dim, index, begin);
  cr_tensor *r = NULL;
  if (to && how == PRODUCT) r = cr__call_scatter_multiply(to, dim, index, src);
  else if (to && (how == SUM || how == MEAN)) r = cr__call_scatter_add(to, dim, index, src);
  else if (to) r = cr__call_scatter_extreme(to, dim, index, src, how == LARGEST);
  if (r && how == MEAN) become(&r, divided(r, dim, index, include_self));
  cr_release(to);
  return r;
}

static int refuse_dtype(const cr_op *op, const char *name, const cr_tensor *self,
                        const cr_tensor *t) {
  if (self->dtype == t->dtype) return 0;
  return cr__fail(CR_E_DTYPE, "%s: %s is %s and self is %s; convert one of them", op->name, name,
                  cr_dtype_name((cr_dtype)t->dtype), cr_dtype_name((cr_dtype)self->dtype));
}

/* The part of src that index has places for. */
static cr_tensor *corner(const cr_op *op, cr_tensor *index, cr_tensor *src) {
  cr__text a, b;
  bool fits = src->ndim == index->ndim;
  for (int d = 0; fits && d < src->ndim; d++) fits = cr__sizes(index)[d] <= cr__sizes(src)[d];
  if (!fits)
    return cr__no_tensor(
        cr__fail(CR_E_SHAPE,
                 "%s: src (shape %s) must have the dims of index (shape %s) and be "
                 "no smaller",
                 op->name, cr__shape_text(src->ndim, cr__sizes(src), &a),
                 cr__shape_text(index->ndim, cr__sizes(index), &b)));
  cr_tensor *part = cr_retain(src);
  for (int d = 0; d < src->ndim; d++)
    if (cr__sizes(index)[d] < cr__sizes(src)[d])
      become(&part, cr__call_narrow(part, d + 1, 1, cr__sizes(index)[d]));
  return part;
}

cr_tensor *cr__run_scatter_reduce(const cr_op *op, cr_tensor *self, int64_t dim, cr_tensor *index,
                                  cr_tensor *src, int reduce, bool include_self) {
  static const folding folds[] = {[CR__scatter_reduce_reduce_sum] = SUM,
                                  [CR__scatter_reduce_reduce_prod] = PRODUCT,
                                  [CR__scatter_reduce_reduce_mean] = MEAN,
                                  [CR__scatter_reduce_reduce_amax] = LARGEST,
                                  [CR__scatter_reduce_reduce_amin] = SMALLEST};
  if (refuse_dtype(op, "src", self, src)) return NULL;
  cr_tensor *part = corner(op, index, src);
  cr_tensor *r = part ? fold(self, dim, index, part, folds[reduce], include_self) : NULL;
  cr_release(part);
  return r;
}

/* The positions that a vector (or a 0-dim tensor) lists along dim d, for each element of source. */
static cr_tensor *for_each(cr_tensor *index, int d, cr_tensor *source) {
  int64_t shape[CR_MAX_DIMS];
  for (int k = 0; k < source->ndim; k++) shape[k] = k == d ? index->numel : 1;
  cr_tensor *line = cr__call_reshape(index, shape, source->ndim);
  cr_tensor *r = cr__call_expand(line, cr__sizes(source), source->ndim);
  cr_release(line);
  return r;
}

cr_tensor *cr__run_index_reduce(const cr_op *op, cr_tensor *self, int64_t dim, cr_tensor *index,
                                cr_tensor *source, int reduce, bool include_self) {
  static const folding folds[] = {[CR__index_reduce_reduce_prod] = PRODUCT,
                                  [CR__index_reduce_reduce_mean] = MEAN,
                                  [CR__index_reduce_reduce_amax] = LARGEST,
                                  [CR__index_reduce_reduce_amin] = SMALLEST};
  int d;
  cr__text a, b;
  if (cr__wrap_dim(op->name, "dim", dim, self->ndim, &d) ||
      refuse_dtype(op, "source", self, source))
    return NULL;
  if (index->ndim > 1)
    return cr__no_tensor(cr__fail(CR_E_SHAPE, "%s: index must have 0 dims or 1, got shape %s",
                                  op->name, cr__shape_text(index->ndim, cr__sizes(index), &a)));
  bool fits = source->ndim == self->ndim && cr__size_along(source, d) == index->numel;
  for (int k = 0; fits && k < self->ndim; k++)
    fits = k == d || cr__sizes(source)[k] == cr__sizes(self)[k];
  if (!fits)
    return cr__no_tensor(cr__fail(CR_E_SHAPE,
                                  "%s: source (shape %s) must have the shape %s of self, but for "
                                  "%lld positions along dim %d",
                                  op->name, cr__shape_text(source->ndim, cr__sizes(source), &a),
                                  cr__shape_text(self->ndim, cr__sizes(self), &b),
                                  (long long)index->numel, d + 1));
  cr_tensor *wide = for_each(index, d, source);
  cr_tensor *r = wide ? fold(self, d + 1, wide, source, folds[reduce], include_self) : NULL;
  cr_release(wide);
  return r;
}

cr_tensor *cr__run_put(const cr_op *op, cr_tensor *self, cr_tensor *index, cr_tensor *source,
                       bool accumulate) {
  cr__text a, b;
  if (refuse_dtype(op, "source", self, source)) return NULL;
  if (source->numel != index->numel)
    return cr__no_tensor(
        cr__fail(CR_E_SHAPE, "%s: source (shape %s) must have as many elements as index (shape %s)",
                 op->name, cr__shape_text(source->ndim, cr__sizes(source), &a),
                 cr__shape_text(index->ndim, cr__sizes(index), &b)));
  cr_tensor *line = cr__call_reshape(self, &self->numel, 1);
  cr_tensor *at = cr__call_reshape(index, &index->numel, 1), *list[] = {at};
  cr_tensor *values = cr__call_reshape(source, &index->numel, 1), *r = NULL;
  if (line && at && values) r = cr__call_index_put(line, list, 1, values, accumulate);
  become(&r, cr__call_reshape(r, cr__sizes(self), self->ndim));
  cr_release(line), cr_release(at), cr_release(values);
  return r;
}
