/* layer.c: attention.
 *
 * Holds true: composites of operations that record themselves; a failed step gives NULL, which the next
 * ones pass on. */
#include <math.h>

#include "matmul.h"
#include "reduce.h"

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
