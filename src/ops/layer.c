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

/* inverse_spread(self, dim, eps, centred) */
int cr__run_inverse_spread(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_value yes = cr_bool(true), size;
  uint32_t mask;
  if (cr__fold_mask(op->name, args[1], args[0].u.t->ndim, &mask)) return cr_error_code();
  if (args[3].u.i) {
    size = cr__do(CR__OP_std, (cr_value[]){args[0], args[1], cr_int(0), yes});
  } else {
    double n = (double)cr__fold_count(args[0].u.t, mask);
    size = cr__do(CR__OP_norm, (cr_value[]){args[0], cr_int(2), args[1], yes, cr_none()});
    then(&size, CR__OP_mul, cr_float(1 / sqrt(n)));
  }
  then(&size, CR__OP_inverse_hypot, cr_float(sqrt(args[2].u.f)));
  return cr__give(size.kind == CR_TENSOR ? size.u.t : NULL, out);
}

/* args: gradient, input, result, dim, centred: -gradient / n * (input - mean) * result^3, in an order in
 * which nothing leaves the range: the result is about the inverse of the distances' size, or less. */
int cr__run_inverse_spread_backward(const cr_op *op, const cr_value *args, cr_tensor **out,
                                    int *nout) {
  (void)nout;
  cr_tensor *input = args[1].u.t;
  uint32_t mask;
  if (cr__fold_mask(op->name, args[3], input->ndim, &mask)) return cr_error_code();
  cr_value shape = cr_ints(cr__sizes(input), input->ndim), yes = cr_bool(true), away = args[1];
  cr_value share = cr_float(-1 / (double)cr__fold_count(input, mask));
  if (args[4].u.i) {
    cr_value mean = cr__do(CR__OP_mean, (cr_value[]){args[1], args[3], yes, cr_none()});
    away = cr__do(CR__OP_sub, (cr_value[]){args[1], mean});
    cr__drop(mean);
  }
  cr_value part = cr__do(CR__OP_mul, (cr_value[]){args[0], args[2]});
  cr_value each = cr__do(CR__OP_mul, (cr_value[]){part, share});
  cr_value slope = cr__do(CR__OP_expand_reduced, (cr_value[]){each, shape, args[3], yes});
  cr_value near = cr__do(CR__OP_mul, (cr_value[]){away, args[2]});
  cr_value scaled = cr__do(CR__OP_mul, (cr_value[]){near, args[2]});
  cr_tensor *result = CR__CALL(mul, scaled, slope);
  if (args[4].u.i) cr__drop(away);
  cr__drop(part), cr__drop(each), cr__drop(slope), cr__drop(near), cr__drop(scaled);
  return cr__give(result, out);
}

/* self, less its mean where `centred`, over its root mean square, over dims; in at least float32. */
static cr_value normalized(cr_value self, cr_value dims, double eps, bool centred) {
  cr_value x = cr__do(CR__OP_alias, (cr_value[]){self});
  if (cr__size_of((cr_dtype)self.u.t->dtype) < 4) then_to(&x, CR_FLOAT32);
  cr_value inverse =
      cr__do(CR__OP_inverse_spread, (cr_value[]){x, dims, cr_float(eps), cr_bool(centred)});
  if (centred) {
    cr_value mean = cr__do(CR__OP_mean, (cr_value[]){x, dims, cr_bool(true), cr_none()});
    then(&x, CR__OP_sub, mean);
    cr__drop(mean);
  }
  then(&x, CR__OP_mul, inverse);
  cr__drop(inverse);
  return x;
}

/* Multiplies by weight and adds bias, where they are there, and casts to self's dtype. */
static int finish(cr_value x, cr_value weight, cr_value bias, const cr_tensor *self,
                  cr_tensor **out) {
  if (weight.kind == CR_TENSOR) then(&x, CR__OP_mul, weight);
  if (bias.kind == CR_TENSOR) then(&x, CR__OP_add, bias);
  if (cr__size_of((cr_dtype)self->dtype) < 4) then_to(&x, (cr_dtype)self->dtype);
  return cr__give(x.kind == CR_TENSOR ? x.u.t : NULL, out);
}

/* That self is floating and ends in the sizes that are given; writes the dims that these are, from 1. */
static int last_dims(const cr_op *op, const cr_tensor *self, const cr_value *sizes, int64_t *dims) {
  cr__text a, b;
  int code = cr__need_float(op->lua, (cr_dtype)self->dtype, "convert it with :to(dtype)");
  if (code) return code;
  bool fits = sizes->n > 0 && sizes->n <= self->ndim;
  for (int i = 0; fits && i < sizes->n; i++) {
    dims[i] = self->ndim - sizes->n + i + 1;
    fits = sizes->u.is[i] == cr__sizes(self)[dims[i] - 1];
  }
  if (fits) return 0;
  return cr__fail(CR_E_SHAPE, "%s: a tensor of shape %s does not end in the sizes %s", op->lua,
                  cr__shape_text(self->ndim, cr__sizes(self), &a),
                  cr__shape_text(sizes->n, sizes->u.is, &b));
}

static int check_scale(const cr_op *op, const char *name, cr_value v, int n, const int64_t *sizes) {
  cr__text a, b;
  if (v.kind != CR_TENSOR) return 0;
  bool fits = v.u.t->ndim == n;
  for (int d = 0; fits && d < n; d++) fits = cr__sizes(v.u.t)[d] == sizes[d];
  if (fits) return 0;
  return cr__fail(CR_E_SHAPE, "%s: %s must have shape %s, got %s", op->lua, name,
                  cr__shape_text(n, sizes, &a), cr__shape_text(v.u.t->ndim, cr__sizes(v.u.t), &b));
}

/* layer_norm(self, normalized_shape, weight, bias, eps) */
int cr__run_layer_norm(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  const cr_value *sizes = &args[1];
  int64_t dims[CR_MAX_DIMS];
  int code = last_dims(op, args[0].u.t, sizes, dims);
  if (!code) code = check_scale(op, "weight", args[2], sizes->n, sizes->u.is);
  if (!code) code = check_scale(op, "bias", args[3], sizes->n, sizes->u.is);
  if (code) return code;
  cr_value x = normalized(args[0], cr_ints(dims, sizes->n), args[4].u.f, true);
  return finish(x, args[2], args[3], args[0].u.t, out);
}

/* rms_norm(self, normalized_shape, weight, eps) */
int cr__run_rms_norm(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  const cr_tensor *self = args[0].u.t;
  const cr_value *sizes = &args[1];
  int64_t dims[CR_MAX_DIMS];
  int code = last_dims(op, self, sizes, dims);
  if (!code) code = check_scale(op, "weight", args[2], sizes->n, sizes->u.is);
  if (code) return code;
  double eps = self->dtype == CR_FLOAT64 ? DBL_EPSILON : FLT_EPSILON;
  if (args[3].kind == CR_FLOAT) eps = args[3].u.f;
  cr_value x = normalized(args[0], cr_ints(dims, sizes->n), eps, false);
  return finish(x, args[2], cr_none(), self, out);
}

/* group_norm(self, num_groups, weight, bias, eps) */
int cr__run_group_norm(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  const cr_tensor *self = args[0].u.t;
  int64_t groups = args[1].u.i, channels = self->ndim > 1 ? cr__sizes(self)[1] : 0;
  int64_t last = 3, per_channel[CR_MAX_DIMS];
  int code = cr__need_float(op->lua, (cr_dtype)self->dtype, "convert it with :to(dtype)");
  if (!code && (groups < 1 || channels < 1 || channels % groups))
    code = cr__fail(CR_E_SHAPE, "%s: %lld channels (dim 2) do not make %lld equal groups", op->lua,
                    (long long)channels, (long long)groups);
  if (!code) code = check_scale(op, "weight", args[2], 1, &channels);
  if (!code) code = check_scale(op, "bias", args[3], 1, &channels);
  if (code) return code;
  int64_t n = cr__sizes(self)[0], grouped[] = {n, groups, n ? self->numel / (n * groups) : 1};
  for (int d = 0; d < self->ndim; d++) per_channel[d] = d == 1 ? channels : 1;
  cr_value shape = cr_ints(per_channel, self->ndim), scale[2] = {cr_none(), cr_none()};
  cr_value x = cr__do(CR__OP_reshape, (cr_value[]){args[0], cr_ints(grouped, 3)}), y = cr_none();
  bool whole = x.kind == CR_TENSOR; /* an absent scale and one that failed look the same */
  for (int i = 0; i < 2 && whole; i++) {
    if (args[2 + i].kind != CR_TENSOR) continue;
    scale[i] = cr__do(CR__OP_view, (cr_value[]){args[2 + i], shape});
    whole = scale[i].kind == CR_TENSOR;
  }
  if (whole) y = normalized(x, cr_ints(&last, 1), args[4].u.f, true);
  then(&y, CR__OP_reshape, cr_ints(cr__sizes(self), self->ndim));
  code = finish(y, scale[0], scale[1], self, out);
  cr__drop(x), cr__drop(scale[0]), cr__drop(scale[1]);
  return code;
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
static view_of_keys see_past(cr_value scores) {
  cr_value ones =
      cr__do(CR__OP_ones_like, (cr_value[]){scores, cr_dtype_value(CR_BOOL), cr_none()});
  cr_value past = cr__do(CR__OP_tril, (cr_value[]){ones, cr_int(0)});
  cr_value hidden = cr__do(CR__OP_logical_not, (cr_value[]){past});
  cr__drop(ones), cr__drop(past);
  return (view_of_keys){hidden, cr_none(), true};
}

/* Replaces *now by a copy that holds number where mask is true. */
static void then_fill(cr_value *now, cr_value mask, double number) {
  cr_value next = cr__do(CR__OP_masked_fill, (cr_value[]){*now, mask, cr_float(number)});
  cr__drop(*now);
  *now = next;
}

/* The shares of the keys in each row, from scores, which are given up. */
static cr_value shares(cr_value scores, const view_of_keys *view, bool masked, cr_value dropout) {
  if (masked && view->truth) then_fill(&scores, view->mask, -INFINITY);
  else if (masked) then(&scores, CR__OP_add, view->mask);
  cr_value share = cr__do(CR__OP_softmax, (cr_value[]){scores, cr_int(-1), cr_none()});
  cr__drop(scores);
  if (dropout.u.f > 0) {
    cr_value kept = cr__do(CR__OP_dropout, (cr_value[]){share, dropout, cr_bool(true)});
    cr__drop(share);
    share = kept;
  }
  return share;
}

/* softmax(scale query key^T) value, all three of at least float32. */
static cr_value attend(const cr_value *qkv, const cr_value *args, double scale) {
  bool given = args[3].kind == CR_TENSOR, causal = args[5].u.i;
  view_of_keys view = {cr_none(), cr_none(), false};
  cr_value scores = cr__do(CR__OP_mul, (cr_value[]){qkv[0], cr_float(scale)});
  cr_value keys = cr__do(CR__OP_mT, (cr_value[]){qkv[1]});
  then(&scores, CR__OP_matmul, keys);
  cr__drop(keys);
  if (given) view = see(args[3]);
  else if (causal && scores.kind == CR_TENSOR) view = see_past(scores);
  cr_value share = shares(scores, &view, given || causal, args[4]);
  cr_value result = cr__do(CR__OP_matmul, (cr_value[]){share, qkv[2]});
  if (given) then_fill(&result, view.blind, 0);
  cr__drop(share), cr__drop(view.mask), cr__drop(view.blind);
  return result;
}

/* scaled_dot_product_attention(query, key, value, attn_mask, dropout_p, is_causal, scale) */
int cr__run_attention(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  const cr_tensor *query = args[0].u.t;
  cr_dtype dtype = (cr_dtype)query->dtype;
  bool narrow = cr__size_of(dtype) < 4;
  for (int i = 0; i < 3; i++)
    if (args[i].u.t->ndim < 2)
      return cr__fail(CR_E_SHAPE, "%s: %s needs at least 2 dims, got %d", op->lua,
                      op->params[i].name, args[i].u.t->ndim);
  int code = cr__need_float(op->lua, dtype, "convert it with :to(dtype)");
  if (!code && args[3].kind == CR_TENSOR && args[5].u.i)
    code = cr__fail(CR_E_ARGUMENT, "%s: give attn_mask or is_causal, not both", op->lua);
  if (!code) code = cr__check_dtypes(op->lua, query, args[1].u.t);
  if (!code) code = cr__check_dtypes(op->lua, query, args[2].u.t);
  if (code) return code;
  double scale =
      args[6].kind == CR_FLOAT ? args[6].u.f : 1 / sqrt((double)cr__sizes(query)[query->ndim - 1]);
  cr_value qkv[3];
  for (int i = 0; i < 3; i++) {
    qkv[i] = cr__do(CR__OP_alias, &args[i]);
    if (narrow) then_to(&qkv[i], CR_FLOAT32);
  }
  cr_value result = attend(qkv, args, scale);
  if (narrow) then_to(&result, dtype);
  for (int i = 0; i < 3; i++) cr__drop(qkv[i]);
  return cr__give(result.kind == CR_TENSOR ? result.u.t : NULL, out);
}
