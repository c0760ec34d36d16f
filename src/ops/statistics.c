/* statistics.c: quantiles, the most frequent element, covariance and correlation.
 *
 * Holds true: steps are operations, so they run on any device and, in composites, record themselves; a failed
 * one gives NULL, which the next ones pass on. */
#include "reduce.h"

/* Puts `next` where t was, which is released. */
static void become(cr_tensor **t, cr_tensor *next) {
  cr_release(*t);
  *t = next;
}

/* ---- Quantiles -------------------------------------------------------------------------------- */

/* Fails unless all of q, a number or a tensor, lies from 0 to 1. */
static int check_shares(const cr_op *op, cr_value q) {
  double low = 0, high = 0;
  if (q.kind != CR_TENSOR) {
    low = high = cr__number(q);
  } else if (q.u.t->numel > 0) {
    cr_value a = cr_float(0), b = cr_float(0);
    cr_tensor *least = cr__call_min(q.u.t), *most = cr__call_max(q.u.t);
    bool read = least && most && !cr_item(least, &a) && !cr_item(most, &b);
    cr_release(least), cr_release(most);
    if (!read) return (int)cr_error_code();
    low = a.u.f, high = b.u.f;
  }
  if (low >= 0 && high <= 1) return 0;
  return cr__fail(CR_E_ARGUMENT, "%s: q must lie from 0 to 1, got %g", op->name,
                  low >= 0 ? high : low);
}

static int check_quantile(const cr_op *op, const cr_tensor *self, cr_value q) {
  cr__text text;
  const cr_tensor *t = cr__given_tensor(&q);
  if (!cr__is_float((cr_dtype)self->dtype))
    return cr__fail(CR_E_DTYPE, "%s: takes floats, got %s", op->name,
                    cr_dtype_name((cr_dtype)self->dtype));
  if (t && t->dtype != self->dtype)
    return cr__fail(CR_E_DTYPE, "%s: q must have the dtype %s of self, got %s", op->name,
                    cr_dtype_name((cr_dtype)self->dtype), cr_dtype_name((cr_dtype)t->dtype));
  if (t && t->ndim > 1)
    return cr__fail(CR_E_SHAPE, "%s: q must be a number or a vector, got shape %s", op->name,
                    cr__shape_text(t->ndim, cr__sizes(t), &text));
  cr_device device;
  int code = cr__same_device(op->name, (cr_value[]){cr_of((cr_tensor *)self), q}, 2, &device);
  if (code) return code;
  if (self->numel == 0)
    return cr__fail(CR_E_SHAPE, "%s: a tensor of shape %s has no quantiles", op->name,
                    cr__shape_text(self->ndim, cr__sizes(self), &text));
  return check_shares(op, q);
}

/* The elements along dim d (-1: all of them) in order along the last dim. */
static cr_tensor *in_order(cr_tensor *self, int d) {
  int64_t all = -1, from = d + 1, last = -1;
  cr_tensor *line = d < 0 || self->ndim == 0 ? cr__call_reshape(self, &all, 1)
                                             : cr__call_movedim(self, &from, 1, &last, 1);
  cr_tensor *sorted[2] = {NULL, NULL};
  if (line && cr__call_sort(line, -1, false, true, sorted)) sorted[0] = sorted[1] = NULL;
  cr_release(line), cr_release(sorted[1]);
  return sorted[0];
}

/* The shares as places from 0 among the elements in order, in float64: q (n - 1), where n counts all of a
 * line or, one line each, those that are no NaN. */
static cr_tensor *places_of(cr_tensor *sorted, cr_value q, bool skip) {
  int64_t all = -1, last = -1, n = cr__sizes(sorted)[sorted->ndim - 1];
  cr_device device = cr_device_of(sorted);
  cr_tensor *number = q.kind == CR_TENSOR
                          ? cr__call_to(q.u.t, CR_FLOAT64, cr_none(), false)
                          : cr__call_scalar_tensor(q, CR_FLOAT64, cr_device_value(device));
  if (number && number->numel == 0) all = 0;
  cr_tensor *share = cr__call_reshape(number, &all, 1), *places = NULL;
  cr_release(number);
  if (!skip) {
    places = cr__call_mul_scalar(share, cr_float((double)(n - 1)));
  } else {
    cr_tensor *holes = cr__call_isnan(sorted),
              *lost = cr__call_sum(holes, &last, 1, true, CR_INT64);
    cr_tensor *ends = cr__call_rsub_scalar(lost, cr_int(n - 1)),
              *top = cr__call_clamp_min_scalar(ends, cr_int(0));
    places = cr__call_mul(share, top);
    cr_release(holes), cr_release(lost), cr_release(ends), cr_release(top);
  }
  cr_release(share);
  return places;
}

/* The elements at whole places. */
static cr_tensor *elements_at(cr_tensor *sorted, cr_tensor *places) {
  cr_tensor *whole = cr__call_to(places, CR_INT64, cr_none(), false);
  cr_tensor *at = cr__call_add_scalar(whole, cr_int(1));
  cr_tensor *r = at && at->ndim == 1 && sorted ? cr__call_index_select(sorted, -1, at)
                                               : cr__call_gather(sorted, -1, at);
  cr_release(whole), cr_release(at);
  return r;
}

static cr_tensor *between(cr_tensor *sorted, cr_tensor *places, int how) {
  if (how == CR__quantile_interpolation_nearest) {
    cr_tensor *near = cr__call_round(places), *r = elements_at(sorted, near);
    cr_release(near);
    return r;
  }
  bool low = how != CR__quantile_interpolation_higher,
       high = how != CR__quantile_interpolation_lower;
  cr_tensor *down = low ? cr__call_floor(places) : NULL, *up = high ? cr__call_ceil(places) : NULL;
  cr_tensor *a = low ? elements_at(sorted, down) : NULL, *r = NULL;
  cr_tensor *b = high ? elements_at(sorted, up) : NULL;
  if (!low || !high) {
    r = cr_retain(low ? a : b);
  } else if (how == CR__quantile_interpolation_midpoint) {
    r = cr__call_lerp_scalar(a, b, cr_float(0.5));
  } else {
    cr_tensor *rest = cr__call_sub(places, down);
    cr_tensor *weight = cr__call_to(rest, (cr_dtype)sorted->dtype, cr_none(), false);
    r = cr__call_lerp(a, b, weight);
    cr_release(rest), cr_release(weight);
  }
  cr_release(down), cr_release(up), cr_release(a), cr_release(b);
  return r;
}

/* NaN, the last in order, takes the place of what its line has. */
static cr_tensor *with_nan(cr_tensor *sorted, cr_tensor *r) {
  cr_tensor *last = cr__call_narrow(sorted, -1, -1, 1), *holes = cr__call_isnan(last);
  cr_tensor *decided = cr__call_where(holes, last, r);
  cr_release(last), cr_release(holes), cr_release(r);
  return decided;
}

/* r, whose last dim counts the shares, in the shape that is asked for; d is -1 without dim. */
static cr_tensor *shaped(cr_tensor *r, const cr_tensor *self, cr_value q, int d, bool keepdim) {
  int64_t last = -1, first = 1, shape[CR_MAX_DIMS + 1], n = 0;
  bool several = q.kind == CR_TENSOR && q.u.t->ndim == 1;
  if (!several) become(&r, cr__call_select(r, -1, 1));
  else become(&r, cr__call_movedim(r, &last, 1, &first, 1));
  if (!keepdim || self->ndim == 0) return r;
  if (several) shape[n++] = q.u.t->numel;
  for (int k = 0; k < self->ndim; k++) shape[n++] = d < 0 || k == d ? 1 : cr__sizes(self)[k];
  become(&r, cr__call_reshape(r, shape, (int)n));
  return r;
}

cr_tensor *cr__run_quantile(const cr_op *op, cr_tensor *self, cr_value q, const int64_t *dim,
                            bool keepdim, int interpolation) {
  int d = -1;
  bool skip = op->id == CR__OP_nanquantile;
  if (check_quantile(op, self, q)) return NULL;
  if (dim && cr__wrap_dim(op->name, "dim", *dim, self->ndim, &d)) return NULL;
  cr_tensor *sorted = in_order(self, d);
  cr_tensor *places = sorted ? places_of(sorted, q, skip) : NULL;
  cr_tensor *r = places ? between(sorted, places, interpolation) : NULL;
  if (r && !skip) r = with_nan(sorted, r);
  cr_release(sorted), cr_release(places);
  return r ? shaped(r, self, q, d, keepdim) : NULL;
}

/* ---- mode ------------------------------------------------------------------------------------- */

/* Where, along dim d of lines in order, the first one of the longest runs of equal elements ends. */
static cr_tensor *longest_run(cr_tensor *sorted, int d) {
  int64_t n = cr__sizes(sorted)[d], shape[CR_MAX_DIMS];
  for (int k = 0; k < sorted->ndim; k++) shape[k] = k == d ? n - 1 : 1;
  cr_tensor *before = cr__call_narrow(sorted, d + 1, 1, n - 1);
  cr_tensor *behind = cr__call_narrow(sorted, d + 1, 2, n - 1);
  cr_tensor *differ = cr__call_ne(behind, before);
  cr_tensor *line = cr__call_arange(cr_int(2), cr_int(n + 1), cr_int(1), CR_INT64,
                                    cr_device_value(cr_device_of(sorted)));
  cr_tensor *places = cr__call_reshape(line, shape, sorted->ndim);
  cr_tensor *begins = cr__call_where_scalar(differ, places, cr_int(1)), *run[2] = {NULL, NULL};
  if (begins && cr__call_cummax(begins, d + 1, run)) run[0] = run[1] = NULL;
  cr_tensor *length = cr__call_sub(places, run[0]); /* less one */
  cr_tensor *at = cr__call_argmax(length, cr_int(d + 1), true),
            *most = cr__call_gather(length, d + 1, at);
  cr_tensor *longer = cr__call_gt_scalar(most, cr_int(0)), *r = cr__call_add(at, longer);
  cr_release(before), cr_release(behind), cr_release(differ), cr_release(line), cr_release(places);
  cr_release(begins), cr_release(run[0]), cr_release(run[1]), cr_release(length), cr_release(at);
  cr_release(most), cr_release(longer);
  return r;
}

/* The ends of runs in a shape with size 1 along dim d; a single element is a run of its own. */
static cr_tensor *ends_of(cr_tensor *sorted, int d) {
  int64_t shape[CR_MAX_DIMS];
  if (cr__size_along(sorted, d) > 1 && sorted->numel > 0) return longest_run(sorted, d);
  for (int k = 0; k < sorted->ndim; k++) shape[k] = k == d ? 1 : cr__sizes(sorted)[k];
  return cr__call_new_full(sorted, shape, sorted->ndim, cr_int(1), CR_INT64, cr_none());
}

int cr__run_mode(const cr_op *op, cr_tensor *self, int64_t dim, bool keepdim, cr_tensor **out) {
  int d;
  cr__text text;
  cr_tensor *sorted[2] = {NULL, NULL};
  int code = cr__wrap_dim(op->name, "dim", dim, self->ndim, &d);
  if (!code && cr__size_along(self, d) == 0)
    code = cr__fail(CR_E_SHAPE, "%s: there is no element to choose along dim %d of shape %s",
                    op->name, d + 1, cr__shape_text(self->ndim, cr__sizes(self), &text));
  if (!code) code = cr__call_sort(self, d + 1, false, true, sorted);
  if (code) return code;
  int64_t folded = d + 1;
  cr_tensor *at = ends_of(sorted[0], d);
  for (int i = 0; i < 2; i++) {
    cr_tensor *r = cr__call_gather(sorted[i], d + 1, at);
    out[i] = keepdim || self->ndim == 0 ? cr_retain(r) : cr__call_squeeze(r, &folded, 1);
    cr_release(r);
  }
  cr_release(at), cr_release(sorted[0]), cr_release(sorted[1]);
  return out[0] && out[1] ? 0 : cr__undo(out, 2);
}

/* ---- Covariance ------------------------------------------------------------------------------- */

/* Weights of n observations must be a vector of them, none below 0; the caller has looked at the dtype. */
static int check_weights(const cr_op *op, const char *name, cr_tensor *w, int64_t n) {
  cr__text text;
  cr_value least = cr_int(0);
  if (w->ndim > 1 || w->numel != n)
    return cr__fail(CR_E_SHAPE,
                    "%s: %s must have one number for each of %lld observations, got shape %s",
                    op->name, name, (long long)n, cr__shape_text(w->ndim, cr__sizes(w), &text));
  if (n == 0) return 0;
  cr_tensor *low = cr__call_min(w);
  int code = low ? cr_item(low, &least) : (int)cr_error_code();
  cr_release(low);
  if (!code && cr__number(least) < 0)
    code = cr__fail(CR_E_ARGUMENT, "%s: %s must not be negative, got %g", op->name, name,
                    cr__number(least));
  return code;
}

static int check_cov(const cr_op *op, cr_tensor *self, cr_tensor *f, cr_tensor *a) {
  cr__text text;
  cr_device device;
  if (self->ndim > 2)
    return cr__fail(CR_E_SHAPE, "%s: takes a vector or a matrix, got shape %s", op->name,
                    cr__shape_text(self->ndim, cr__sizes(self), &text));
  if (self->dtype == CR_BOOL) return cr__fail(CR_E_DTYPE, "%s: takes numbers, got bool", op->name);
  if (f && cr__category((cr_dtype)f->dtype) != CR_INTEGRAL)
    return cr__fail(CR_E_DTYPE, "%s: fweights must be integers, got %s", op->name,
                    cr_dtype_name((cr_dtype)f->dtype));
  if (a && !cr__is_float((cr_dtype)a->dtype))
    return cr__fail(CR_E_DTYPE, "%s: aweights must be floats, got %s", op->name,
                    cr_dtype_name((cr_dtype)a->dtype));
  cr_value all[] = {cr_of(self), f ? cr_of(f) : cr_none(), a ? cr_of(a) : cr_none()};
  int code = cr__same_device(op->name, all, 3, &device);
  int64_t n = self->ndim ? cr__sizes(self)[self->ndim - 1] : 1;
  if (!code && f) code = check_weights(op, "fweights", f, n);
  if (!code && a) code = check_weights(op, "aweights", a, n);
  return code;
}

/* How often, or how much, each observation counts; NULL if all do so once, or after an error. */
static cr_tensor *joint_weights(cr_tensor *f, cr_tensor *a) {
  int64_t all = -1;
  cr_tensor *both = f && a ? cr__call_mul(f, a) : cr_retain(f ? f : a);
  cr_tensor *line = both && both->numel ? cr__call_reshape(both, &all, 1) : cr_retain(both);
  cr_release(both);
  return line;
}

/* What sums of products are divided by: the sum of all weights less the degrees of freedom, but no less
 * than 0. */
static cr_tensor *freedom(const cr_op *op, cr_tensor *w, cr_tensor *a, cr_tensor *total,
                          int64_t correction) {
  cr_tensor *lost = NULL, *left;
  cr_value value = cr_float(0);
  if (a && correction != 0) {
    int64_t n = w ? w->numel : 0;
    cr_tensor *line = cr__call_reshape(a, &n, 1), *squares = cr__call_mul(w, line);
    cr_tensor *sum = cr__call_sum(squares, NULL, 0, false, CR_DTYPE_NONE);
    cr_tensor *share = cr__call_div(sum, total);
    lost = cr__call_mul_scalar(share, cr_int(correction));
    cr_release(line), cr_release(squares), cr_release(sum), cr_release(share);
    left = cr__call_sub(total, lost);
  } else {
    left = cr__call_sub_scalar(total, cr_int(correction));
  }
  cr_release(lost);
  if (!left || cr_item(left, &value)) return cr__filled((int)cr_error_code(), left);
  if (cr__number(value) > 0) return left;
  cr__warn("%s: there are no degrees of freedom: %g are left", op->name, cr__number(value));
  become(&left, cr__call_zeros_like(left, CR_DTYPE_NONE, cr_none()));
  return left;
}

/* Products of the rows of `rows` (less their means) with one another, divided. */
static cr_tensor *products(cr_tensor *rows, cr_tensor *w, cr_tensor *total, cr_tensor *divisor) {
  int64_t columns = 2;
  cr_tensor *scaled = w ? cr__call_mul(rows, w) : cr_retain(rows);
  cr_tensor *sum = cr__call_sum(scaled, &columns, 1, true, CR_DTYPE_NONE);
  cr_tensor *mean = cr__call_div(sum, total), *apart = cr__call_sub(rows, mean);
  cr_tensor *other = w ? cr__call_mul(apart, w) : cr_retain(apart), *turned = cr__call_t(other);
  cr_tensor *c = cr__call_matmul(apart, turned), *quotient = cr__call_div(c, divisor);
  cr_tensor *r = cr__call_squeeze(quotient, NULL, -1);
  cr_release(scaled), cr_release(sum), cr_release(mean), cr_release(apart), cr_release(other);
  cr_release(turned), cr_release(c), cr_release(quotient);
  return r;
}

cr_tensor *cr__run_cov(const cr_op *op, cr_tensor *self, int64_t correction, cr_tensor *fweights,
                       cr_tensor *aweights) {
  int64_t n = self->ndim ? cr__sizes(self)[self->ndim - 1] : 1, row[] = {1, n};
  if (check_cov(op, self, fweights, aweights)) return NULL;
  cr_device device = cr_device_of(self);
  bool weighted = fweights || aweights;
  cr_tensor *w = weighted ? joint_weights(fweights, aweights) : NULL;
  cr_tensor *rows = self->ndim < 2 ? cr__call_reshape(self, row, 2) : cr_retain(self), *r = NULL;
  cr_tensor *total = weighted
                         ? cr__call_sum(w, NULL, 0, false, CR_DTYPE_NONE)
                         : cr__call_scalar_tensor(cr_int(n), CR_INT64, cr_device_value(device));
  cr_value sum = cr_int(0);
  int code = total ? cr_item(total, &sum) : (int)cr_error_code();
  if (!code && weighted && cr__number(sum) == 0)
    code = cr__fail(CR_E_ARGUMENT, "%s: the weights add up to 0", op->name);
  cr_tensor *divisor = code ? NULL : freedom(op, w, aweights, total, correction);
  if (divisor) r = products(rows, w, total, divisor);
  cr_release(w), cr_release(rows), cr_release(total), cr_release(divisor);
  return r;
}

cr_tensor *cr__run_corrcoef(const cr_op *op, cr_tensor *self) {
  if (check_cov(op, self, NULL, NULL)) return NULL;
  cr_tensor *c = cr__call_cov(self, 1, NULL, NULL);
  if (!c || c->ndim == 0) {
    cr_tensor *one = cr__call_div(c, c);
    cr_release(c);
    return one;
  }
  int64_t column[] = {-1, 1};
  cr_tensor *variance = cr__call_diagonal(c, 0, 1, 2), *deviation = cr__call_sqrt(variance);
  cr_tensor *upright = cr__call_reshape(deviation, column, 2), *half = cr__call_div(c, upright);
  cr_tensor *whole = cr__call_div(half, deviation), *r = cr__call_bound_cosine(whole);
  cr_release(c), cr_release(variance), cr_release(deviation), cr_release(upright);
  cr_release(half), cr_release(whole);
  return r;
}
