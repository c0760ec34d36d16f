/* layer.c: normalization over dims, attention.
 *
 * Holds true: composites of operations that record themselves; a failed step gives NULL, which the next
 * ones pass on. */
#include <float.h>
#include <math.h>

#include "matmul.h"
#include "reduce.h"

/* ---- Normalization ---- */

/* Replaces *now by op(*now, other). */
static void then(cr_value *now, int op, cr_value other) {
  cr_value next = cr__do(op, (cr_value[]){*now, other});
  cr__drop(*now);
  *now = next;
}

static void then_to(cr_value *now, cr_dtype dtype) {
  cr_value next =
      cr__do(CR__OP_to, (cr_value[]){*now, cr_dtype_value(dtype), cr_none(), cr_bool(false)});
  cr__drop(*now);
  *now = next;
}

cr_tensor *cr__run_inverse_spread(const cr_op *op, cr_tensor *self, cr__ints dim, double eps,
                                  bool centred) {
  uint32_t mask;
  if (cr__fold_mask(op->name, dim, self->ndim, &mask)) return NULL;
  cr_tensor *size;
  if (centred) {
    size = cr__call_std(self, dim.at, dim.n, cr_int(0), true);
  } else {
    double n = (double)cr__fold_count(self, mask);
    cr_tensor *norm = cr__call_norm(self, cr_int(2), dim.at, dim.n, true, CR_DTYPE_NONE);
    size = cr__call_mul_scalar(norm, cr_float(1 / sqrt(n)));
    cr_release(norm);
  }
  cr_tensor *inverse = cr__call_inverse_hypot(size, sqrt(eps));
  cr_release(size);
  return inverse;
}

/* -self / n * (input - mean) * result^3, for the gradient self, in an order in which nothing leaves the range:
 * the result is about the inverse of the distances' size, or less. */
cr_tensor *cr__run_inverse_spread_backward(const cr_op *op, cr_tensor *self, cr_tensor *input,
                                           cr_tensor *result, cr__ints dim, bool centred) {
  uint32_t mask;
  if (cr__fold_mask(op->name, dim, input->ndim, &mask)) return NULL;
  cr_tensor *away = centred ? NULL : cr_retain(input);
  if (centred) {
    cr_tensor *mean = cr__call_mean(input, dim.at, dim.n, true, CR_DTYPE_NONE);
    away = cr__call_sub(input, mean);
    cr_release(mean);
  }
  cr_tensor *part = cr__call_mul(self, result);
  cr_tensor *each = cr__call_mul_scalar(part, cr_float(-1 / (double)cr__fold_count(input, mask)));
  cr_tensor *slope =
      cr__call_expand_reduced(each, cr__sizes(input), input->ndim, dim.at, dim.n, true);
  cr_tensor *near = cr__call_mul(away, result), *scaled = cr__call_mul(near, result);
  cr_tensor *gradient = cr__call_mul(scaled, slope);
  cr_release(away), cr_release(part), cr_release(each), cr_release(slope), cr_release(near),
      cr_release(scaled);
  return gradient;
}

/* self, less its mean where `centred`, over its root mean square, over dims; in at least float32. */
static cr_value normalized(cr_tensor *self, cr__ints dims, double eps, bool centred) {
  cr_value x = cr_of(cr__call_alias(self));
  if (cr__size_of((cr_dtype)self->dtype) < 4) then_to(&x, CR_FLOAT32);
  cr_tensor *inverse = cr__call_inverse_spread(x.u.t, dims.at, dims.n, eps, centred);
  if (centred) {
    cr_tensor *mean = cr__call_mean(x.u.t, dims.at, dims.n, true, CR_DTYPE_NONE);
    then(&x, CR__OP_sub, cr_of(mean));
    cr_release(mean);
  }
  then(&x, CR__OP_mul, cr_of(inverse));
  cr_release(inverse);
  return x;
}

/* Multiplies by weight and adds bias, where they are there, and casts to self's dtype. */
static cr_tensor *finish(cr_value x, cr_tensor *weight, cr_tensor *bias, const cr_tensor *self) {
  if (weight) then(&x, CR__OP_mul, cr_of(weight));
  if (bias) then(&x, CR__OP_add, cr_of(bias));
  if (cr__size_of((cr_dtype)self->dtype) < 4) then_to(&x, (cr_dtype)self->dtype);
  return x.kind == CR_TENSOR ? x.u.t : NULL;
}

/* That self is floating and ends in the sizes that are given; writes the dims that these are, from 1. */
static int last_dims(const cr_op *op, const cr_tensor *self, cr__ints sizes, int64_t *dims) {
  cr__text a, b;
  int code = cr__need_float(op->lua, (cr_dtype)self->dtype, "convert it with :to(dtype)");
  if (code) return code;
  bool fits = sizes.n > 0 && sizes.n <= self->ndim;
  for (int i = 0; fits && i < sizes.n; i++) {
    dims[i] = self->ndim - sizes.n + i + 1;
    fits = sizes.at[i] == cr__sizes(self)[dims[i] - 1];
  }
  if (fits) return 0;
  return cr__fail(CR_E_SHAPE, "%s: a tensor of shape %s does not end in the sizes %s", op->lua,
                  cr__shape_text(self->ndim, cr__sizes(self), &a),
                  cr__shape_text(sizes.n, sizes.at, &b));
}

static int check_scale(const cr_op *op, const char *name, const cr_tensor *t, int n,
                       const int64_t *sizes) {
  cr__text a, b;
  if (!t) return 0;
  bool fits = t->ndim == n;
  for (int d = 0; fits && d < n; d++) fits = cr__sizes(t)[d] == sizes[d];
  if (fits) return 0;
  return cr__fail(CR_E_SHAPE, "%s: %s must have shape %s, got %s", op->lua, name,
                  cr__shape_text(n, sizes, &a), cr__shape_text(t->ndim, cr__sizes(t), &b));
}

cr_tensor *cr__run_layer_norm(const cr_op *op, cr_tensor *self, cr__ints normalized_shape,
                              cr_tensor *weight, cr_tensor *bias, double eps) {
  cr__ints sizes = normalized_shape;
  int64_t dims[CR_MAX_DIMS];
  if (last_dims(op, self, sizes, dims) || check_scale(op, "weight", weight, sizes.n, sizes.at) ||
      check_scale(op, "bias", bias, sizes.n, sizes.at))
    return NULL;
  return finish(normalized(self, (cr__ints){dims, sizes.n}, eps, true), weight, bias, self);
}

cr_tensor *cr__run_rms_norm(const cr_op *op, cr_tensor *self, cr__ints normalized_shape,
                            cr_tensor *weight, const double *eps) {
  cr__ints sizes = normalized_shape;
  int64_t dims[CR_MAX_DIMS];
  if (last_dims(op, self, sizes, dims) || check_scale(op, "weight", weight, sizes.n, sizes.at))
    return NULL;
  double least = eps ? *eps : self->dtype == CR_FLOAT64 ? DBL_EPSILON : FLT_EPSILON;
  return finish(normalized(self, (cr__ints){dims, sizes.n}, least, false), weight, NULL, self);
}

cr_tensor *cr__run_group_norm(const cr_op *op, cr_tensor *self, int64_t num_groups,
                              cr_tensor *weight, cr_tensor *bias, double eps) {
  int64_t groups = num_groups, channels = self->ndim > 1 ? cr__sizes(self)[1] : 0;
  int64_t last = 3, per_channel[CR_MAX_DIMS];
  int code = cr__need_float(op->lua, (cr_dtype)self->dtype, "convert it with :to(dtype)");
  if (!code && (groups < 1 || channels < 1 || channels % groups))
    code = cr__fail(CR_E_SHAPE, "%s: %lld channels (dim 2) do not make %lld equal groups", op->lua,
                    (long long)channels, (long long)groups);
  if (!code) code = check_scale(op, "weight", weight, 1, &channels);
  if (!code) code = check_scale(op, "bias", bias, 1, &channels);
  if (code) return NULL;
  int64_t n = cr__sizes(self)[0], grouped[] = {n, groups, n ? self->numel / (n * groups) : 1};
  for (int d = 0; d < self->ndim; d++) per_channel[d] = d == 1 ? channels : 1;
  cr_tensor *x = cr__call_reshape(self, grouped, 3), *result = NULL;
  cr_tensor *by = x && weight ? cr__call_view(weight, per_channel, self->ndim) : NULL;
  cr_tensor *plus = x && bias ? cr__call_view(bias, per_channel, self->ndim) : NULL;
  if (x && (by || !weight) &&
      (plus || !bias)) { /* an absent scale and one that failed look the same */
    cr_value y = normalized(x, (cr__ints){&last, 1}, eps, true);
    then(&y, CR__OP_reshape, cr_ints(cr__sizes(self), self->ndim));
    result = finish(y, by, plus, self);
  }
  cr_release(x), cr_release(by), cr_release(plus);
  return result;
}

/* ---- Attention ---- */

/* What a mask hides: the rows that may see nothing apart, for a softmax of nothing is no number. */
typedef struct view_of_keys {
  cr_value
      mask; /* a bool one of what is hidden, or what is added to the scores; none: all is seen */
  cr_value blind; /* a bool for each row */
  bool truth;
} view_of_keys;

static view_of_keys see(cr_value mask) {
  bool truth = mask.u.t->dtype == CR_BOOL;
  int64_t last = -1;
  cr_value keys = cr_ints(&last, 1), keep = cr_bool(true), seen, blind, open;
  if (truth) {
    seen = cr__do(CR__OP_any, (cr_value[]){mask, keys, keep});
    blind = cr__do(CR__OP_logical_not, (cr_value[]){seen});
    open = cr__do(CR__OP_logical_or, (cr_value[]){mask, blind});
    then(&open, CR__OP_logical_not, cr_none());
  } else {
    seen = cr__do(CR__OP_amax, (cr_value[]){mask, keys, keep});
    blind = cr__do(CR__OP_eq, (cr_value[]){seen, cr_float(-INFINITY)});
    open = cr__do(CR__OP_masked_fill, (cr_value[]){mask, blind, cr_int(0)});
  }
  cr__drop(seen);
  return (view_of_keys){open, blind, truth};
}

/* The order of time: row i sees the first i columns. */
static view_of_keys see_past(cr_tensor *scores) {
  cr_tensor *ones = cr__call_ones_like(scores, CR_BOOL, cr_none()), *past = cr__call_tril(ones, 0);
  cr_tensor *hidden = cr__call_logical_not(past);
  cr_release(ones), cr_release(past);
  return (view_of_keys){cr_of(hidden), cr_none(), true};
}

/* Replaces *now by a copy that holds number where mask is true. */
static void then_fill(cr_value *now, cr_value mask, double number) {
  cr_tensor *next = cr__call_masked_fill_scalar(now->u.t, mask.u.t, cr_float(number));
  cr__drop(*now);
  *now = cr_of(next);
}

/* The shares of the keys in each row, from scores, which are given up. */
static cr_tensor *shares(cr_value scores, const view_of_keys *view, bool masked, double dropout) {
  if (masked && view->truth) then_fill(&scores, view->mask, -INFINITY);
  else if (masked) then(&scores, CR__OP_add, view->mask);
  cr_tensor *share = cr__call_softmax(scores.u.t, -1, CR_DTYPE_NONE);
  cr__drop(scores);
  if (dropout > 0) {
    cr_tensor *kept = cr__call_dropout(share, dropout, true);
    cr_release(share);
    share = kept;
  }
  return share;
}

/* What a call of attention asks for beside its three tensors. */
typedef struct asked {
  cr_tensor *mask; /* NULL: none */
  double dropout, scale;
  bool causal;
} asked;

/* softmax(scale query key^T) value, all three of at least float32. */
static cr_value attend(const cr_value *qkv, const asked *a) {
  view_of_keys view = {cr_none(), cr_none(), false};
  cr_tensor *keys = cr__call_mT(qkv[1].u.t);
  cr_value scores = cr_of(cr__call_mul_scalar(qkv[0].u.t, cr_float(a->scale)));
  then(&scores, CR__OP_matmul, cr_of(keys));
  cr_release(keys);
  if (a->mask) view = see(cr_of(a->mask));
  else if (a->causal && scores.kind == CR_TENSOR) view = see_past(scores.u.t);
  cr_tensor *share = shares(scores, &view, a->mask || a->causal, a->dropout);
  cr_value result = cr_of(cr__call_matmul(share, qkv[2].u.t));
  if (a->mask) then_fill(&result, view.blind, 0);
  cr_release(share), cr__drop(view.mask), cr__drop(view.blind);
  return result;
}

cr_tensor *cr__run_attention(const cr_op *op, cr_tensor *query, cr_tensor *key, cr_tensor *value,
                             cr_tensor *attn_mask, double dropout_p, bool is_causal,
                             const double *scale) {
  cr_dtype dtype = (cr_dtype)query->dtype;
  bool narrow = cr__size_of(dtype) < 4;
  cr_tensor *const given[] = {query, key, value};
  for (int i = 0; i < 3; i++)
    if (given[i]->ndim < 2)
      return cr__no_tensor(cr__fail(CR_E_SHAPE, "%s: %s needs at least 2 dims, got %d", op->lua,
                                    op->params[i].name, given[i]->ndim));
  int code = cr__need_float(op->lua, dtype, "convert it with :to(dtype)");
  if (!code && attn_mask && is_causal)
    code = cr__fail(CR_E_ARGUMENT, "%s: give attn_mask or is_causal, not both", op->lua);
  if (!code) code = cr__check_dtypes(op->lua, query, key);
  if (!code) code = cr__check_dtypes(op->lua, query, value);
  if (code) return NULL;
  double by = scale ? *scale : 1 / sqrt((double)cr__sizes(query)[query->ndim - 1]);
  cr_value qkv[3];
  for (int i = 0; i < 3; i++) {
    qkv[i] = cr_of(cr__call_alias(given[i]));
    if (narrow) then_to(&qkv[i], CR_FLOAT32);
  }
  cr_value result = attend(qkv, &(asked){attn_mask, dropout_p, by, is_causal});
  if (narrow) then_to(&result, dtype);
  for (int i = 0; i < 3; i++) cr__drop(qkv[i]);
  return result.kind == CR_TENSOR ? result.u.t : NULL;
}
