/* distance.c: distances and angles between vectors.
 *
 * Holds true: every step is an operation that records itself; a failed step gives NULL, which the next
 * ones pass on. */
#include <math.h>

#include "autograd/graph.h"
#include "reduce.h"

/* x divided by its norm, 0 where that is 0. */
static cr_tensor *direction(cr_tensor *x, cr_tensor *norm) {
  cr_tensor *flat = cr__call_eq_scalar(norm, cr_int(0));
  cr_tensor *safe = cr__call_masked_fill_scalar(norm, flat, cr_float(INFINITY));
  cr_tensor *result = cr__call_div(x, safe);
  cr_release(flat), cr_release(safe);
  return result;
}

/* cosine times the product of the norms over eps, where that is less than 1. */
static cr_tensor *damped(cr_tensor *cosine, cr_tensor *const norm[2], double eps, cr_dtype dtype) {
  cr_tensor *ratio = cr__call_div_scalar(norm[0], cr_float(eps));
  cr_tensor *over = cr__call_clamp_max_scalar(ratio, cr_float(dtype == CR_FLOAT64 ? 1e308 : 1e38));
  cr_tensor *product = cr__call_mul(over, norm[1]);
  cr_tensor *most = cr__call_clamp_max_scalar(product, cr_int(1)),
            *less = cr__call_mul(cosine, most);
  cr_release(ratio), cr_release(over), cr_release(product), cr_release(most);
  return less;
}

cr_tensor *cr__run_cosine_similarity(const cr_op *op, cr_tensor *x1, cr_tensor *x2, int64_t dim,
                                     double eps) {
  cr_tensor *list[] = {x1, x2}, *seen[CR_MAX_OUTPUTS], *norm[2], *unit[2];
  int n = 2, d;
  if (cr__call_broadcast_tensors(list, 2, seen, &n)) return NULL;
  int code = cr__wrap_dim(op->lua, "dim", dim, seen[0]->ndim, &d);
  int64_t along = d + 1;
  for (int i = 0; i < 2; i++) {
    norm[i] = code ? NULL : cr__call_norm(seen[i], cr_int(2), &along, 1, true, CR_DTYPE_NONE);
    unit[i] = norm[i] ? direction(seen[i], norm[i]) : NULL;
  }
  cr_tensor *parts = cr__call_mul(unit[0], unit[1]);
  cr_tensor *sum = cr__call_sum(parts, &along, 1, true, CR_DTYPE_NONE);
  cr_tensor *cosine = cr__call_bound_cosine(sum);
  if (eps > 0 && cosine) {
    cr_tensor *less = damped(cosine, norm, eps, (cr_dtype)seen[0]->dtype);
    cr_release(cosine);
    cosine = less;
  }
  cr_tensor *r = cr__call_squeeze(cosine, &along, 1);
  for (int i = 0; i < 2; i++) cr_release(seen[i]), cr_release(norm[i]), cr_release(unit[i]);
  cr_release(parts), cr_release(sum), cr_release(cosine);
  return r;
}

/* ---- All distances of two lists --------------------------------------------------------------------------- */

static int check_lists(const cr_op *op, cr_tensor *a, cr_tensor *b, double p) {
  cr__text s, t;
  cr_device device;
  if (cr__need_float(op->lua, (cr_dtype)a->dtype, "convert both")) return (int)cr_error_code();
  if (a->dtype != b->dtype)
    return cr__fail(CR_E_DTYPE, "%s: both must have one dtype, got %s and %s", op->lua,
                    cr_dtype_name((cr_dtype)a->dtype), cr_dtype_name((cr_dtype)b->dtype));
  if (!(p >= 0)) return cr__fail(CR_E_ARGUMENT, "%s: p must not be negative, got %g", op->lua, p);
  if (a->ndim < 2 || b->ndim < 2 || cr__sizes(a)[a->ndim - 1] != cr__sizes(b)[b->ndim - 1])
    return cr__fail(CR_E_SHAPE,
                    "%s: takes matrices with as many columns in both, got shapes %s and %s",
                    op->lua, cr__shape_text(a->ndim, cr__sizes(a), &s),
                    cr__shape_text(b->ndim, cr__sizes(b), &t));
  return cr__same_device(op->lua, (cr_value[]){cr_of(a), cr_of(b)}, 2, &device);
}

/* The matrices of t as one contiguous list of `count` of them, broadcast in the n dims before the last two. */
static cr_tensor *as_list(cr_tensor *t, int n, const int64_t *batch, int64_t count) {
  int64_t shape[CR_MAX_DIMS];
  int64_t rows = cr__sizes(t)[t->ndim - 2], columns = cr__sizes(t)[t->ndim - 1];
  for (int d = 0; d < n; d++) shape[d] = batch[d];
  shape[n] = rows, shape[n + 1] = columns;
  int64_t list[] = {count, rows, columns};
  cr_dtype dtype = t->dtype == CR_FLOAT64 ? CR_FLOAT64 : CR_FLOAT32;
  cr_tensor *wide = cr__call_expand(t, shape, n + 2);
  cr_tensor *cast = cr__call_to(wide, dtype, cr_none(), false), *whole = cr__call_contiguous(cast);
  cr_tensor *r = cr__call_reshape(whole, list, 3);
  cr_release(wide), cr_release(cast), cr_release(whole);
  return r;
}

static int measure(const cr_op *op, const cr_tensor *a, const cr_tensor *b, const cr_tensor *to,
                   double p, bool pairs) {
  cr__launch k;
  if (to->numel == 0) return 0;
  cr__launch_begin(&k, op->lua, cr_device_of(to));
  cr__launch_view(&k, &k.cdist.out, to);
  cr__launch_view(&k, &k.cdist.x1, a);
  cr__launch_view(&k, &k.cdist.x2, b);
  k.cdist.p = p, k.cdist.pairs = pairs;
  return cr__launch_run(&k, CR__K_cdist);
}

/* The dims before the last two of both, broadcast: their number and sizes, and how many matrices that are. */
typedef struct batch {
  int n;
  int64_t shape[CR_MAX_DIMS], count;
} batch;

static int batch_of(const cr_op *op, const cr_tensor *x1, const cr_tensor *x2, batch *s) {
  s->n = x1->ndim - 2, s->count = 1;
  for (int d = 0; d < s->n; d++) s->shape[d] = cr__sizes(x1)[d];
  int code = cr__broadcast_into(op->lua, &s->n, s->shape, x2->ndim - 2, cr__sizes(x2));
  for (int d = 0; d < s->n && !code; d++) s->count *= s->shape[d];
  return code;
}

/* A list of matrices, `rows` x `columns` each, as they were. */
static cr_tensor *as_batch(cr_tensor *list, batch s, int64_t rows, int64_t columns,
                           cr_dtype dtype) {
  s.shape[s.n] = rows, s.shape[s.n + 1] = columns;
  cr_tensor *seen = cr__call_reshape(list, s.shape, s.n + 2);
  cr_tensor *r = cr__call_to(seen, dtype, cr_none(), false);
  cr_release(seen);
  return r;
}

cr_tensor *cr__run_cdist(const cr_op *op, cr_tensor *x1, cr_tensor *x2, cr_value p) {
  batch s;
  double power = cr__number(p);
  if (check_lists(op, x1, x2, power) || batch_of(op, x1, x2, &s)) return NULL;
  cr_tensor *a = as_list(x1, s.n, s.shape, s.count), *b = as_list(x2, s.n, s.shape, s.count),
            *r = NULL;
  if (a && b) {
    int64_t each[] = {s.count, cr__sizes(a)[1], cr__sizes(b)[1]};
    cr_tensor *list = cr__new(op->lua, (cr_dtype)a->dtype, cr_device_of(x1), 3, each);
    int code = list ? measure(op, a, b, list, power, false) : (int)cr_error_code();
    r = code ? NULL : as_batch(list, s, each[1], each[2], (cr_dtype)x1->dtype);
    cr_release(list);
  }
  cr_release(a), cr_release(b);
  return r;
}

cr_tensor *cr__run_pdist(const cr_op *op, cr_tensor *self, cr_value p) {
  cr__text text;
  if (self->ndim != 2)
    return cr__no_tensor(cr__fail(CR_E_SHAPE, "%s: takes a matrix, got shape %s", op->lua,
                                  cr__shape_text(self->ndim, cr__sizes(self), &text)));
  if (check_lists(op, self, self, cr__number(p))) return NULL;
  int64_t n = cr__sizes(self)[0], pairs = n * (n - 1) / 2;
  cr_tensor *a = as_list(self, 0, NULL, 1), *r = NULL;
  cr_tensor *list = a ? cr__new(op->lua, (cr_dtype)a->dtype, cr_device_of(self), 1, &pairs) : NULL;
  if (list && !measure(op, a, a, list, cr__number(p), true))
    r = cr__call_to(list, (cr_dtype)self->dtype, cr_none(), false);
  cr_release(a), cr_release(list);
  return r;
}

/* ---- Their gradients ---- */

static bool recorded(const cr_tensor *a, const cr_tensor *b, const cr_tensor *c,
                     const cr_tensor *d) {
  bool any = cr_requires_grad((cr_tensor *)a) || cr_requires_grad((cr_tensor *)b) ||
             cr_requires_grad((cr_tensor *)c) || (d && cr_requires_grad((cr_tensor *)d));
  return any && cr__recording();
}

/* What gradients g of the distances make for x1, lists as kernels take them. */
static cr_tensor *slopes(const cr_op *op, cr_tensor *g, cr_tensor *x1, cr_tensor *x2,
                         cr_tensor *distances, double p, bool pairs) {
  if (!g || !x1 || !x2 || !distances) return NULL;
  cr_tensor *r = cr__new_like(op->lua, x1, (cr_dtype)x1->dtype);
  if (!r || r->numel == 0) return r;
  cr__launch k;
  cr__launch_begin(&k, op->lua, cr_device_of(x1));
  cr__launch_view(&k, &k.cdist_backward.out, r);
  cr__launch_view(&k, &k.cdist_backward.grad, g);
  cr__launch_view(&k, &k.cdist_backward.x1, x1);
  cr__launch_view(&k, &k.cdist_backward.x2, x2);
  cr__launch_view(&k, &k.cdist_backward.distances, distances);
  k.cdist_backward.p = p, k.cdist_backward.pairs = pairs;
  return cr__filled(cr__launch_run(&k, CR__K_cdist_backward), r);
}

/* The same by operations, of all differences. */
static cr_tensor *composed(cr_tensor *g, cr_tensor *x1, cr_tensor *x2, cr_tensor *distances,
                           cr_value p) {
  const int64_t last = -1, columns = -2;
  cr_tensor *from = cr__call_unsqueeze(x1, -2), *to = cr__call_unsqueeze(x2, -3);
  cr_tensor *d = cr__call_sub(from, to);
  cr_tensor *each = cr__call_norm_backward(g, d, distances, p, &last, 1, false);
  cr_tensor *r = cr__call_sum(each, &columns, 1, false, CR_DTYPE_NONE);
  cr_release(from), cr_release(to), cr_release(d), cr_release(each);
  return r;
}

cr_tensor *cr__run_cdist_backward(const cr_op *op, cr_tensor *self, cr_tensor *x1, cr_tensor *x2,
                                  cr_tensor *distances, cr_value p) {
  batch s;
  if (recorded(self, x1, x2, distances)) return composed(self, x1, x2, distances, p);
  if (batch_of(op, x1, x2, &s)) return NULL;
  int64_t rows = cr__sizes(x1)[x1->ndim - 2], n = cr__sizes(x1)[x1->ndim - 1];
  cr_tensor *a = as_list(x1, s.n, s.shape, s.count), *b = as_list(x2, s.n, s.shape, s.count);
  cr_tensor *g = as_list(self, s.n, s.shape, s.count),
            *far = as_list(distances, s.n, s.shape, s.count);
  cr_tensor *list = slopes(op, g, a, b, far, cr__number(p), false);
  cr_tensor *r = list ? as_batch(list, s, rows, n, (cr_dtype)x1->dtype) : NULL;
  cr_release(a), cr_release(b), cr_release(g), cr_release(far), cr_release(list);
  return r;
}

/* The gradients of all pairs by operations: those of their differences, added up for both vectors. */
static cr_tensor *composed_pairs(cr_tensor *g, cr_tensor *x, cr_tensor *distances, cr_value p) {
  const int64_t last = -1, n = cr__sizes(x)[0];
  cr_tensor *pairs = cr__call_triu_indices(n, n, 1, CR_INT64, cr_device_value(cr_device_of(x)));
  cr_tensor *row = cr__call_select(pairs, 1, 1), *column = cr__call_select(pairs, 1, 2);
  cr_tensor *from = cr__call_index_select(x, 1, row), *to = cr__call_index_select(x, 1, column);
  cr_tensor *d = cr__call_sub(from, to);
  cr_tensor *each = cr__call_norm_backward(g, d, distances, p, &last, 1, false);
  cr_tensor *none = cr__zeros_for("pdist", x, 2, cr__sizes(x));
  cr_tensor *half = cr__call_index_add(none, 1, row, each, cr_int(1));
  cr_tensor *r = cr__call_index_add(half, 1, column, each, cr_int(-1));
  cr_release(pairs), cr_release(row), cr_release(column), cr_release(from), cr_release(to);
  cr_release(d), cr_release(each), cr_release(none), cr_release(half);
  return r;
}

cr_tensor *cr__run_pdist_backward(const cr_op *op, cr_tensor *self, cr_tensor *input,
                                  cr_tensor *distances, cr_value p) {
  if (recorded(self, input, distances, NULL)) return composed_pairs(self, input, distances, p);
  const int64_t all = self->numel;
  cr_tensor *a = as_list(input, 0, NULL, 1), *r = NULL;
  cr_dtype dtype = input->dtype == CR_FLOAT64 ? CR_FLOAT64 : CR_FLOAT32;
  cr_tensor *wide = cr__call_to(self, dtype, cr_none(), false),
            *g = cr__call_reshape(wide, &all, 1);
  cr_tensor *lengths = cr__call_to(distances, dtype, cr_none(), false);
  cr_tensor *whole = cr__call_contiguous(g), *far = cr__call_contiguous(lengths);
  cr_tensor *list = slopes(op, whole, a, a, far, cr__number(p), true);
  cr_tensor *seen = list ? cr__call_reshape(list, cr__sizes(input), 2) : NULL;
  r = cr__call_to(seen, (cr_dtype)input->dtype, cr_none(), false);
  cr_release(a), cr_release(wide), cr_release(g), cr_release(lengths), cr_release(whole);
  cr_release(far), cr_release(list), cr_release(seen);
  return r;
}

/* ---- renorm ----------------------------------------------------------------------------------------------- */

cr_tensor *cr__run_renorm(const cr_op *op, cr_tensor *self, cr_value p, int64_t dim,
                          cr_value maxnorm) {
  int d, n = 0;
  int64_t others[CR_MAX_DIMS];
  double power = cr__number(p), most = cr__number(maxnorm);
  if (cr__wrap_dim(op->lua, "dim", dim, self->ndim, &d)) return NULL;
  if (self->ndim < 2)
    return cr__no_tensor(
        cr__fail(CR_E_SHAPE, "%s: needs at least 2 dims, got %d", op->lua, self->ndim));
  if (!(power > 0))
    return cr__no_tensor(cr__fail(CR_E_ARGUMENT, "%s: p must be positive, got %g", op->lua, power));
  if (!(most >= 0))
    return cr__no_tensor(
        cr__fail(CR_E_ARGUMENT, "%s: maxnorm must not be negative, got %g", op->lua, most));
  for (int k = 0; k < self->ndim; k++)
    if (k != d) others[n++] = k + 1;
  cr_tensor *norm = cr__call_norm(self, p, others, n, true, CR_DTYPE_NONE);
  cr_tensor *above = cr__call_gt_scalar(norm, cr_float(most));
  cr_tensor *more = cr__call_add_scalar(norm, cr_float(1e-7)), *inverse = cr__call_reciprocal(more);
  cr_tensor *scale = cr__call_mul_scalar(inverse, cr_float(most));
  cr_tensor *factor = cr__call_where_scalar(above, scale, cr_float(1));
  cr_tensor *r = cr__call_mul(self, factor);
  cr_release(norm), cr_release(above), cr_release(more), cr_release(inverse), cr_release(scale);
  cr_release(factor);
  return r;
}
