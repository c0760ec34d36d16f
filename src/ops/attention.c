/* attention.c: attention in tiles, which never stores a score for longer than a tile of them is needed.
 *
 * Holds true: the kernels see four dims, batch x heads x rows x width, through strides; what broadcasts does so by steps
 * of 0. Random numbers are taken when nothing can fail any more. */
#include "attention.h"

#include <math.h>

#include "matmul.h"
#include "random.h"
#include "reduce.h"
#include "work.h"

/* ---- The kernel ---- */

cr_dtype cr__attention_dtype(const cr_tensor *t) {
  return cr__size_of((cr_dtype)t->dtype) < 4 ? CR_FLOAT32 : (cr_dtype)t->dtype;
}

int cr__run_attention(const cr_op *op, cr_tensor *query, cr_tensor *key, cr_tensor *value,
                      cr_tensor *attn_mask, double scale, bool is_causal, double dropout_p,
                      int64_t seed, int64_t offset, cr_tensor **out) {
  const int64_t *q = cr__sizes(query);
  int64_t shape[] = {q[0], q[1], q[2], cr__sizes(value)[3]}, lines[] = {q[0], q[1], 2, q[2]};
  cr_device device = cr_device_of(query);
  cr_dtype dtype = (cr_dtype)query->dtype;
  out[0] = shape[3] == q[3] ? cr__new_strided_like(op->lua, query, dtype)
                            : cr__new(op->lua, dtype, device, 4, shape);
  out[1] = out[0] ? cr__new(op->lua, cr__attention_dtype(query), device, 4, lines) : NULL;
  if (!out[1]) return cr__undo(out, 2);
  cr__launch k;
  cr__launch_begin(&k, op->lua, device);
  cr__launch_view(&k, &k.attention.out, out[0]);
  cr__launch_view(&k, &k.attention.lines, out[1]);
  cr__launch_view(&k, &k.attention.query, query);
  cr__launch_view(&k, &k.attention.key, key);
  cr__launch_view(&k, &k.attention.value, value);
  cr__launch_view(&k, &k.attention.mask, attn_mask);
  k.attention.rng = (cr__rng_place){(uint64_t)seed, (uint64_t)offset};
  k.attention.scale = scale, k.attention.dropout = dropout_p, k.attention.causal = is_causal;
  int code = cr__launch_run(&k, CR__K_attention);
  return code ? (cr__undo(out, 2), code) : 0;
}

/* ---- What is asked for ---- */

enum { QUERY, KEY, VALUE };

/* A call's tensors as batch x heads x rows x width. */
typedef struct shapes {
  cr_tensor *const *given;    /* query, key, value */
  int64_t outer[CR_MAX_DIMS]; /* what is before the heads; all broadcast to it */
  int nouter;
  int64_t heads;    /* of query, and of the result */
  int64_t kv_heads; /* of key and value, a divisor of it */
  int64_t batch, rows, keys;
  int nresult; /* dims of the result */
} shapes;

static int64_t size_at(const cr_tensor *t, int from_end) {
  return from_end > t->ndim ? 1 : cr__sizes(t)[t->ndim - from_end];
}

static int check_sizes(const cr_op *op, cr_tensor *const *given) {
  cr__text a, b;
  for (int i = 0; i < 3; i++)
    if (given[i]->ndim < 2)
      return cr__fail(CR_E_SHAPE, "%s: %s needs at least 2 dims, got a tensor of shape %s", op->lua,
                      op->params[i].name, cr__shape_text(given[i]->ndim, cr__sizes(given[i]), &a));
  const cr_tensor *q = given[QUERY], *k = given[KEY], *v = given[VALUE];
  if (size_at(q, 1) != size_at(k, 1))
    return cr__fail(CR_E_SHAPE,
                    "%s: key must have the last size of query, %lld, got query %s and key %s",
                    op->lua, (long long)size_at(q, 1), cr__shape_text(q->ndim, cr__sizes(q), &a),
                    cr__shape_text(k->ndim, cr__sizes(k), &b));
  if (size_at(k, 2) != size_at(v, 2))
    return cr__fail(CR_E_SHAPE,
                    "%s: value must have a row for each of key, got key %s and value %s", op->lua,
                    cr__shape_text(k->ndim, cr__sizes(k), &a),
                    cr__shape_text(v->ndim, cr__sizes(v), &b));
  return 0;
}

static int check(const cr_op *op, cr_tensor *const *given, const cr_tensor *mask, bool causal,
                 double dropout) {
  cr_dtype dtype = (cr_dtype)given[QUERY]->dtype;
  int code = cr__need_float(op->lua, dtype, "convert it with :to(dtype)");
  for (int i = 1; i < 3 && !code; i++)
    if (given[i]->dtype != dtype)
      code =
          cr__fail(CR_E_DTYPE, "%s: %s must be %s like query, got %s; convert it with :to(dtype)",
                   op->lua, op->params[i].name, cr_dtype_name(dtype),
                   cr_dtype_name((cr_dtype)given[i]->dtype));
  if (!code) code = check_sizes(op, given);
  if (!code && mask && causal)
    code = cr__fail(CR_E_ARGUMENT, "%s: give attn_mask or is_causal, not both", op->lua);
  if (!code && mask && mask->dtype != CR_BOOL && mask->dtype != CR_FLOAT32 && mask->dtype != dtype)
    code = cr__fail(CR_E_DTYPE, "%s: attn_mask must be bool, float32 or %s like query, got %s",
                    op->lua, cr_dtype_name(dtype), cr_dtype_name((cr_dtype)mask->dtype));
  if (!code && !(dropout >= 0 && dropout <= 1))
    code = cr__fail(CR_E_ARGUMENT, "%s: dropout_p is a probability, from 0 to 1; got %g", op->lua,
                    dropout);
  return code;
}

static int fail_batches(const cr_op *op, cr_tensor *const *given) {
  cr__text a, b, c;
  return cr__fail(CR_E_SHAPE,
                  "%s: the dims before the last two do not broadcast: query %s, key %s, value %s",
                  op->lua, cr__shape_text(given[0]->ndim, cr__sizes(given[0]), &a),
                  cr__shape_text(given[1]->ndim, cr__sizes(given[1]), &b),
                  cr__shape_text(given[2]->ndim, cr__sizes(given[2]), &c));
}

/* The size that the dims `from_end` of all three broadcast to; -1: they do not. */
static int64_t common(cr_tensor *const *given, int from_end) {
  int64_t size = 1;
  for (int i = 0; i < 3; i++) {
    int64_t own = size_at(given[i], from_end);
    if (own != 1 && size != 1 && own != size) return -1;
    if (own != 1) size = own;
  }
  return size;
}

static int find_heads(const cr_op *op, shapes *s, bool grouped) {
  int64_t q = size_at(s->given[QUERY], 3), k = size_at(s->given[KEY], 3),
          v = size_at(s->given[VALUE], 3);
  if (!grouped) {
    s->heads = common(s->given, 3);
    s->kv_heads = k == 1 && v == 1 ? 1 : s->heads;
    return s->heads < 0 ? fail_batches(op, s->given) : 0;
  }
  for (int i = 0; i < 3; i++)
    if (s->given[i]->ndim < 3)
      return cr__fail(CR_E_SHAPE, "%s: with enable_gqa %s needs at least 3 dims, got %d", op->lua,
                      op->params[i].name, s->given[i]->ndim);
  s->heads = q;
  s->kv_heads = k == v ? k : q;
  if (k > 0 && v > 0 && q % k == 0 && q % v == 0) return 0;
  if (q == 0 && k == 0 && v == 0) return 0;
  return cr__fail(CR_E_SHAPE,
                  "%s: with enable_gqa the heads (dim -3) of query are a multiple of those of key "
                  "and value, got %lld, %lld and %lld",
                  op->lua, (long long)q, (long long)k, (long long)v);
}

static int find_shapes(const cr_op *op, shapes *s, bool grouped) {
  int most = 2;
  for (int i = 0; i < 3; i++)
    if (s->given[i]->ndim > most) most = s->given[i]->ndim;
  s->nresult = most, s->nouter = most > 3 ? most - 3 : 0, s->batch = 1;
  int code = find_heads(op, s, grouped);
  for (int i = 0; i < s->nouter && !code; i++) {
    s->outer[i] = common(s->given, most - i);
    s->batch *= s->outer[i];
    if (s->outer[i] < 0) code = fail_batches(op, s->given);
  }
  s->rows = size_at(s->given[QUERY], 2), s->keys = size_at(s->given[KEY], 2);
  return code;
}

/* ---- Four dims ---- */

static bool has_shape(const cr_tensor *t, int n, const int64_t *shape) {
  bool same = t && t->ndim == n;
  for (int i = 0; same && i < n; i++) same = cr__sizes(t)[i] == shape[i];
  return same;
}

/* t, which broadcasts to outer x heads x rows x width, as batch x heads x rows x width. */
static cr_tensor *four_dims(cr__work *w, const shapes *s, cr_tensor *t, int64_t heads, int64_t rows,
                            int64_t width) {
  int64_t full[CR_MAX_DIMS + 3], four[] = {s->batch, heads, rows, width};
  int n = s->nouter;
  if (n <= 1) return has_shape(t, 4, four) ? t : cr__keep(w, cr__call_expand(t, four, 4));
  for (int i = 0; i < n; i++) full[i] = s->outer[i];
  full[n++] = heads, full[n++] = rows, full[n++] = width;
  if (!has_shape(t, n, full)) t = cr__keep(w, cr__call_expand(t, full, n));
  return cr__keep(w, cr__call_reshape(t, four, 4));
}

cr_tensor *cr__attention_heads(cr__work *w, cr_tensor *t, int64_t heads) {
  if (!t || cr__sizes(t)[1] == heads) return t;
  const int64_t *n = cr__sizes(t);
  int64_t apart[] = {n[0], n[1], 1, n[2], n[3]}, wide[] = {n[0], n[1], heads / n[1], n[2], n[3]},
          four[] = {n[0], heads, n[2], n[3]};
  cr_tensor *five = cr__keep(w, cr__call_reshape(t, apart, 5));
  return cr__keep(w, cr__call_reshape(cr__keep(w, cr__call_expand(five, wide, 5)), four, 4));
}

/* An error unless attn_mask broadcasts to outer x heads x rows x keys. */
static int check_mask(const cr_op *op, const shapes *s, const cr_tensor *mask) {
  int64_t full[CR_MAX_DIMS + 3];
  int n = s->nouter;
  for (int i = 0; i < n; i++) full[i] = s->outer[i];
  full[n++] = s->heads, full[n++] = s->rows, full[n++] = s->keys;
  const int64_t *shape = full + (s->nresult == 2);
  n -= s->nresult == 2;
  bool fits = mask->ndim <= n;
  for (int d = 1; fits && d <= mask->ndim; d++)
    fits = size_at(mask, d) == 1 || size_at(mask, d) == shape[n - d];
  cr__text a, b;
  if (fits) return 0;
  return cr__fail(CR_E_SHAPE, "%s: attn_mask of shape %s does not broadcast to the scores' %s",
                  op->lua, cr__shape_text(mask->ndim, cr__sizes(mask), &a),
                  cr__shape_text(n, shape, &b));
}

/* ---- The call ---- */

typedef struct asked {
  cr_tensor *mask; /* NULL: none */
  double dropout, scale;
  bool causal;
} asked;

/* The result, in four dims. */
static cr_tensor *attend(cr__work *w, const asked *a, cr_tensor *const *four) {
  uint64_t seed = 0, offset = 0;
  cr_tensor *out[2];
  if (a->dropout > 0) cr__rng_take(0, &seed, &offset);
  if (cr__call_attention(four[QUERY], four[KEY], four[VALUE], a->mask, a->scale, a->causal,
                         a->dropout, (int64_t)seed, (int64_t)offset, out))
    return NULL;
  cr_release(out[1]);
  return cr__keep(w, out[0]);
}

/* How many shares there are; -1: more than can be counted. */
static int64_t count_shares(const shapes *s) {
  int64_t n;
  if (__builtin_mul_overflow(s->batch, s->heads, &n) || __builtin_mul_overflow(n, s->rows, &n) ||
      __builtin_mul_overflow(n, s->keys, &n))
    return -1;
  return n;
}

static cr_tensor *in_result_shape(const shapes *s, cr_tensor *t) {
  int64_t shape[CR_MAX_DIMS + 3];
  int n = s->nouter;
  if (!t || s->nresult == 4) return cr_retain(t);
  for (int i = 0; i < n; i++) shape[i] = s->outer[i];
  for (int d = 1; d < 4; d++) shape[n++] = cr__sizes(t)[d];
  bool flat = s->nresult == 2;
  return cr__call_reshape(t, shape + flat, n - flat);
}

cr_tensor *cr__run_scaled_dot_product_attention(const cr_op *op, cr_tensor *query, cr_tensor *key,
                                                cr_tensor *value, cr_tensor *attn_mask,
                                                double dropout_p, bool is_causal,
                                                const double *scale, bool enable_gqa) {
  cr_tensor *const given[] = {query, key, value};
  shapes s = {.given = given};
  cr__work w = {.n = 0};
  if (check(op, given, attn_mask, is_causal, dropout_p) || find_shapes(op, &s, enable_gqa) ||
      (attn_mask && check_mask(op, &s, attn_mask)))
    return NULL;
  double width = (double)size_at(query, 1);
  asked a = {NULL, dropout_p, scale ? *scale : width > 0 ? 1 / sqrt(width) : 1, is_causal};
  int64_t shares = count_shares(&s);
  if (shares < 0)
    return cr__no_tensor(cr__fail(CR_E_SHAPE, "%s: there are more scores than 2^63", op->lua));
  bool alike = s.kv_heads == s.heads && enable_gqa; /* each has perhaps its own number of heads */
  cr_tensor *four[3], *result = NULL;
  for (int i = 0; i < 3; i++) {
    int64_t heads = i == QUERY ? s.heads : alike ? size_at(given[i], 3) : s.kv_heads;
    four[i] = four_dims(&w, &s, given[i], heads, size_at(given[i], 2), size_at(given[i], 1));
    if (alike) four[i] = cr__attention_heads(&w, four[i], s.heads);
  }
  bool ready = four[QUERY] && four[KEY] && four[VALUE];
  if (ready && attn_mask)
    ready = (a.mask = four_dims(&w, &s, attn_mask, s.heads, s.rows, s.keys)) != NULL;
  if (ready) result = in_result_shape(&s, attend(&w, &a, four));
  cr__drop_work(&w);
  if (result && dropout_p > 0) (void)cr__take_draws(cr__draw_blocks(shares, false));
  return result;
}
