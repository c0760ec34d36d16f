/* run/layer.c: normalization over dims, attention.
 *
 * Holds true: composites of operations that record themselves; a failed step gives NULL, which the next
 * ones pass on. */
#include <float.h>
#include <math.h>

#include "run/reduce.h"

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

/* Brings the root of `square` plus eps under *x. */
static void over_root(cr_value *x, cr_value square, double eps) {
  cr_value sum = cr__do(CR__OP_add, (cr_value[]){square, cr_float(eps)});
  cr_value root = cr__do(CR__OP_rsqrt, (cr_value[]){sum});
  then(x, CR__OP_mul, root);
  cr__drop(sum), cr__drop(root);
}

/* self, less its mean where `centred`, over its root mean square, over dims; in at least float32. */
static cr_value normalized(cr_value self, cr_value dims, double eps, bool centred) {
  cr_value x = cr__do(CR__OP_alias, (cr_value[]){self}), square = cr_none();
  if (cr__size_of((cr_dtype)self.u.t->dtype) < 4) then_to(&x, CR_FLOAT32);
  if (centred) {
    cr_tensor *both[2] = {NULL, NULL};
    cr_value args[] = {x, dims, cr_int(0), cr_bool(true)};
    if (x.kind == CR_TENSOR && cr_call(&cr__ops[CR__OP_var_mean], args, both, NULL) == 0)
      then(&x, CR__OP_sub, cr_of(both[1]));
    square = cr_of(both[0]);
    cr_release(both[1]);
  } else {
    cr_value squares = cr__do(CR__OP_square, (cr_value[]){x});
    square = cr__do(CR__OP_mean, (cr_value[]){squares, dims, cr_bool(true), cr_none()});
    cr__drop(squares);
  }
  over_root(&x, square, eps);
  cr__drop(square);
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

/* Hides from *scores what the mask, or the order of time, does not let take part. */
static void hide(cr_value *scores, cr_value mask, bool causal) {
  cr_value ones = cr_none(), past = cr_none(), hidden = cr_none();
  bool truth = mask.kind == CR_TENSOR && mask.u.t->dtype == CR_BOOL;
  if (mask.kind == CR_TENSOR && !truth) then(scores, CR__OP_add, mask);
  if (causal) {
    ones = cr__do(CR__OP_ones_like, (cr_value[]){*scores, cr_dtype_value(CR_BOOL), cr_none()});
    past = cr__do(CR__OP_tril, (cr_value[]){ones, cr_int(0)});
  }
  if (truth || causal) {
    hidden = cr__do(CR__OP_logical_not, (cr_value[]){causal ? past : mask});
    cr_value next = cr__do(CR__OP_masked_fill, (cr_value[]){*scores, hidden, cr_float(-INFINITY)});
    cr__drop(*scores);
    *scores = next;
  }
  cr__drop(ones), cr__drop(past), cr__drop(hidden);
}

/* scaled_dot_product_attention(query, key, value, attn_mask, dropout_p, is_causal, scale) */
int cr__run_attention(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  const cr_tensor *query = args[0].u.t;
  for (int i = 0; i < 3; i++)
    if (args[i].u.t->ndim < 2)
      return cr__fail(CR_E_SHAPE, "%s: %s needs at least 2 dims, got %d", op->lua,
                      op->params[i].name, args[i].u.t->ndim);
  int code = cr__need_float(op->lua, (cr_dtype)query->dtype, "convert it with :to(dtype)");
  if (!code && args[3].kind == CR_TENSOR && args[5].u.i)
    code = cr__fail(CR_E_ARGUMENT, "%s: give attn_mask or is_causal, not both", op->lua);
  if (code) return code;
  double scale =
      args[6].kind == CR_FLOAT ? args[6].u.f : 1 / sqrt((double)cr__sizes(query)[query->ndim - 1]);
  cr_value scores = cr__do(CR__OP_mul, (cr_value[]){args[0], cr_float(scale)});
  cr_value keys = cr__do(CR__OP_mT, (cr_value[]){args[1]});
  then(&scores, CR__OP_matmul, keys);
  hide(&scores, args[3], args[5].u.i);
  cr_value share = cr__do(CR__OP_softmax, (cr_value[]){scores, cr_int(-1), cr_none()});
  if (args[4].u.f > 0) {
    cr_value kept = cr__do(CR__OP_dropout, (cr_value[]){share, args[4], cr_bool(true)});
    cr__drop(share);
    share = kept;
  }
  cr_tensor *r = CR__CALL(matmul, share, args[2]);
  cr__drop(scores), cr__drop(keys), cr__drop(share);
  return cr__give(r, out);
}
