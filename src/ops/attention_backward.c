/* attention_backward.c: the gradients of attention: by one kernel, or as operations that have derivatives.
 *
 * Holds true: the operations store all scores; they are taken only where the graph of a gradient is asked for. */
#include "attention.h"

#include <math.h>

#include "autograd/graph.h"
#include "create.h"

/* ---- The kernel ---- */

/* A gradient's tensor, in the order of memory of what it is the gradient of; empty where it is not asked for. */
static cr_tensor *room_for(const cr_op *op, cr_tensor *like, bool wanted) {
  int64_t none = 0;
  return wanted ? cr__new_strided_like(op->lua, like, (cr_dtype)like->dtype)
                : cr__new(op->lua, (cr_dtype)like->dtype, cr_device_of(like), 1, &none);
}

int cr__run_attention_tiles_backward(const cr_op *op, cr_tensor *self, cr_tensor *query,
                                     cr_tensor *key, cr_tensor *value, cr_tensor *attn_mask,
                                     cr_tensor *result, cr_tensor *lines, double scale,
                                     bool is_causal, double dropout_p, int64_t seed, int64_t offset,
                                     bool for_query, bool for_key, bool for_value, bool for_mask,
                                     cr_tensor **out) {
  for_mask &= attn_mask != NULL;
  cr_tensor *like[] = {query, key, value, for_mask ? attn_mask : lines};
  bool wanted[] = {for_query, for_key, for_value, for_mask};
  for (int i = 0; i < 4; i++) out[i] = i && !out[i - 1] ? NULL : room_for(op, like[i], wanted[i]);
  if (!out[3]) return cr__undo(out, 4);
  cr__launch k;
  cr__launch_begin(&k, op->lua, cr_device_of(query));
  cr__launch_view(&k, &k.attention_backward.for_query, for_query ? out[0] : NULL);
  cr__launch_view(&k, &k.attention_backward.for_key, for_key ? out[1] : NULL);
  cr__launch_view(&k, &k.attention_backward.for_value, for_value ? out[2] : NULL);
  cr__launch_view(&k, &k.attention_backward.for_mask, for_mask ? out[3] : NULL);
  cr__launch_view(&k, &k.attention_backward.grad, self);
  cr__launch_view(&k, &k.attention_backward.query, query);
  cr__launch_view(&k, &k.attention_backward.key, key);
  cr__launch_view(&k, &k.attention_backward.value, value);
  cr__launch_view(&k, &k.attention_backward.mask, attn_mask);
  cr__launch_view(&k, &k.attention_backward.out, result);
  cr__launch_view(&k, &k.attention_backward.lines, lines);
  k.attention_backward.rng = (cr__rng_place){(uint64_t)seed, (uint64_t)offset};
  k.attention_backward.scale = scale, k.attention_backward.dropout = dropout_p;
  k.attention_backward.causal = is_causal;
  int code = cr__launch_run(&k, CR__K_attention_backward);
  return code ? (cr__undo(out, 4), code) : 0;
}

/* ---- As operations ---- */

static cr_tensor *wide(cr__work *w, cr_tensor *t, cr_dtype dtype) {
  return cr__keep(w, cr__call_to(t, dtype, cr_none(), false));
}
static cr_tensor *product(cr__work *w, cr_tensor *a, cr_tensor *b) {
  return cr__keep(w, cr__call_matmul(a, b));
}
static cr_tensor *turned(cr__work *w, cr_tensor *t) { return cr__keep(w, cr__call_mT(t)); }
static cr_tensor *scaled(cr__work *w, cr_tensor *t, double by) {
  return cr__keep(w, cr__call_mul_scalar(t, cr_float(by)));
}
static cr_tensor *filled(cr__work *w, cr_tensor *t, cr_tensor *mask, double number) {
  return cr__keep(w, cr__call_masked_fill_scalar(t, mask, cr_float(number)));
}

/* What the gradients are made of. */
typedef struct parts {
  cr_tensor *grad, *query, *key,
      *value;      /* in the dtype that is computed in, all with the heads of query */
  cr_tensor *kept; /* NULL: nothing is dropped */
  cr_tensor *shares, *for_scores; /* before anything is dropped */
} parts;

/* L x S, true where a key comes after the row. */
static cr_tensor *later(cr__work *w, cr_tensor *scores) {
  const int64_t *n = scores ? cr__sizes(scores) : NULL;
  if (!n) return NULL;
  cr_value device = cr_device_value(cr_device_of(scores));
  cr_tensor *ones = cr__keep(w, cr__call_ones(n + 2, 2, CR_BOOL, device));
  return cr__keep(w, cr__call_logical_not(cr__keep(w, cr__call_tril(ones, 0))));
}

/* The shares of keys that rows see; of rows that see nothing they are 0. */
static cr_tensor *shares_of(cr__work *w, const parts *p, cr_tensor *mask, cr_tensor *lines,
                            double scale, bool causal) {
  const int64_t *n = cr__sizes(lines), column[] = {n[0], n[1], n[3], 1};
  cr_tensor *s = product(w, scaled(w, p->query, scale), turned(w, p->key));
  if (mask && mask->dtype == CR_BOOL)
    s = filled(w, s, cr__keep(w, cr__call_logical_not(mask)), -INFINITY);
  else if (mask) s = cr__plus(w, s, wide(w, mask, (cr_dtype)lines->dtype));
  if (causal) s = filled(w, s, later(w, s), -INFINITY);
  cr_tensor *inverse = cr__keep(w, cr__call_narrow(lines, 3, 2, 1));
  cr_tensor *blind = cr__keep(w, cr__call_eq_scalar(inverse, cr_int(0)));
  blind = cr__keep(w, cr__call_reshape(blind, column, 4));
  s = cr__keep(w, cr__call_softmax(filled(w, s, blind, 0), -1, CR_DTYPE_NONE));
  return filled(w, s, blind, 0);
}

/* A gradient of all heads, as that of `like`; steals nothing. */
static cr_tensor *finished(cr__work *w, cr_tensor *t, cr_tensor *like) {
  const int64_t *n = cr__sizes(like);
  int64_t third = 3;
  if (t && n[1] != cr__sizes(t)[1]) {
    int64_t five[] = {n[0], n[1], cr__sizes(t)[1] / n[1], n[2], n[3]};
    t = cr__keep(w, cr__call_reshape(t, five, 5));
    t = cr__keep(w, cr__call_sum(t, &third, 1, false, CR_DTYPE_NONE));
  }
  return cr__call_to(t, (cr_dtype)like->dtype, cr_none(), false);
}

static cr_tensor *empty_like(cr_tensor *t) {
  int64_t none = 0;
  return cr__call_zeros(&none, 1, (cr_dtype)t->dtype, cr_device_value(cr_device_of(t)));
}

/* The gradients of a call with these arguments, a last one for the mask. */
typedef struct call {
  cr_tensor *query, *key, *value, *mask, *lines;
  double scale, dropout;
  bool causal;
  int64_t seed, offset;
  const bool *wanted;
} call;

static void gather(cr__work *w, parts *p, cr_tensor *grad, const call *c) {
  cr_dtype dtype = (cr_dtype)c->lines->dtype;
  int64_t heads = cr__sizes(c->query)[1];
  p->grad = wide(w, grad, dtype), p->query = wide(w, c->query, dtype);
  p->key = cr__attention_heads(w, wide(w, c->key, dtype), heads);
  p->value = cr__attention_heads(w, wide(w, c->value, dtype), heads);
  p->shares = shares_of(w, p, c->mask, c->lines, c->scale, c->causal);
  cr_tensor *of_shares = product(w, p->grad, turned(w, p->value));
  p->kept = NULL;
  if (c->dropout > 0 && p->shares) {
    p->kept = cr__keep(w, cr__call_attention_kept(p->shares, c->dropout, c->seed, c->offset));
    of_shares = cr__times(w, of_shares, p->kept);
  }
  p->for_scores = cr__keep(w, cr__call_softmax_backward(of_shares, p->shares, -1));
}

static int composed(cr_tensor *grad, const call *c, cr_tensor **out) {
  cr__work w = {.n = 0};
  parts p;
  gather(&w, &p, grad, c);
  cr_tensor *used = p.shares;
  if (c->dropout > 0) used = cr__times(&w, used, p.kept);
  cr_tensor *by_key = scaled(&w, product(&w, p.for_scores, p.key), c->scale);
  cr_tensor *by_query = scaled(&w, product(&w, turned(&w, p.for_scores), p.query), c->scale);
  cr_tensor *of_value = product(&w, turned(&w, used), p.grad);
  out[0] = c->wanted[0] ? finished(&w, by_key, c->query) : empty_like(c->query);
  out[1] = c->wanted[1] ? finished(&w, by_query, c->key) : empty_like(c->key);
  out[2] = c->wanted[2] ? finished(&w, of_value, c->value) : empty_like(c->value);
  out[3] = c->wanted[3] ? finished(&w, p.for_scores, c->mask) : empty_like(c->lines);
  cr__drop_work(&w);
  return out[0] && out[1] && out[2] && out[3] ? 0 : cr__undo(out, 4);
}

int cr__run_attention_backward(const cr_op *op, cr_tensor *self, cr_tensor *query, cr_tensor *key,
                               cr_tensor *value, cr_tensor *attn_mask, cr_tensor *result,
                               cr_tensor *lines, double scale, bool is_causal, double dropout_p,
                               int64_t seed, int64_t offset, bool for_query, bool for_key,
                               bool for_value, bool for_mask, cr_tensor **out) {
  (void)op;
  for_mask &= attn_mask != NULL; /* which is absent where it could not be read again, for one */
  cr_tensor *const all[] = {self, query, key, value, attn_mask};
  bool wanted[] = {for_query, for_key, for_value, for_mask}, traced = false;
  for (int i = 0; i < 5; i++) traced |= all[i] && cr_requires_grad(all[i]);
  if (!cr__recording() || !traced)
    return cr__call_attention_tiles_backward(self, query, key, value, attn_mask, result, lines,
                                             scale, is_causal, dropout_p, seed, offset, for_query,
                                             for_key, for_value, for_mask, out);
  call c = {query, key, value, attn_mask, lines, scale, dropout_p, is_causal, seed, offset, wanted};
  return composed(self, &c, out);
}

/* ---- What is dropped ---- */

cr_tensor *cr__run_attention_kept(const cr_op *op, cr_tensor *self, double dropout_p, int64_t seed,
                                  int64_t offset) {
  cr_tensor *t = cr__new_like(op->lua, self, (cr_dtype)self->dtype);
  if (!t) return NULL;
  cr__launch k;
  cr__launch_begin(&k, op->lua, cr_device_of(self));
  cr__launch_view(&k, &k.bernoulli.out, t);
  k.bernoulli.rng = (cr__rng_place){(uint64_t)seed, (uint64_t)offset};
  k.bernoulli.probability = 1 - dropout_p;
  k.bernoulli.one = dropout_p < 1 ? 1 / (1 - dropout_p) : 0;
  return cr__filled(cr__launch_run(&k, CR__K_bernoulli), t);
}
