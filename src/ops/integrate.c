/* integrate.c: integrals by the rule of trapezoids, and slopes by differences.
 *
 * Holds true: composites of views and arithmetic, which record themselves; a failed step gives NULL, which the
 * next ones pass on. */
#include "geometry.h"

static void become(cr_tensor **t, cr_tensor *next) {
  cr_release(*t);
  *t = next;
}

/* n positions from `start` (from 1) along dim d (from 0); a 0-dim tensor is one of a single element. */
static cr_tensor *part(cr_tensor *t, int d, int64_t start, int64_t n) {
  return cr__call_narrow(t, d + 1, start, n);
}

static int refuse_bool(const cr_op *op, const char *name, const cr_tensor *t) {
  if (!t || t->dtype != CR_BOOL) return 0;
  return cr__fail(CR_E_DTYPE, "%s: %s must be numbers, got bool", op->lua, name);
}

/* ---- Integrals -------------------------------------------------------------------------------- */

static int check_points(const cr_op *op, const cr_tensor *y, const cr_tensor *x, int d) {
  cr__text a, b;
  cr_device device;
  int code = refuse_bool(op, "y", y);
  if (!code) code = refuse_bool(op, "x", x);
  if (code || !x) return code;
  if (cr__same_device(op->lua, (cr_value[]){cr_of((cr_tensor *)y), cr_of((cr_tensor *)x)}, 2,
                      &device))
    return (int)cr_error_code();
  int at = d - (y->ndim - x->ndim);
  bool fits = x->ndim == 1 ? x->numel == cr__size_along(y, d)
                           : x->ndim > 0 && x->ndim <= y->ndim && at >= 0 &&
                                 cr__sizes(x)[at] == cr__size_along(y, d);
  if (fits) return 0;
  return cr__fail(CR_E_SHAPE,
                  "%s: x of shape %s does not have a point for each value along dim %d of y, of "
                  "shape %s",
                  op->lua, cr__shape_text(x->ndim, cr__sizes(x), &a), d + 1,
                  cr__shape_text(y->ndim, cr__sizes(y), &b));
}

/* The distances of n points, which broadcast to the n - 1 pairs of neighbours along dim d of y. */
static cr_tensor *distances(const cr_tensor *y, cr_tensor *x, int d, int64_t n) {
  int64_t shape[CR_MAX_DIMS];
  int at = x->ndim == 1 ? 0 : d - (y->ndim - x->ndim);
  cr_tensor *far = part(x, at, 2, n - 1), *near = part(x, at, 1, n - 1);
  cr_tensor *r = cr__call_sub(far, near);
  cr_release(far), cr_release(near);
  if (x->ndim > 1) return r;
  for (int k = 0; k < y->ndim; k++) shape[k] = k == d ? n - 1 : 1;
  become(&r, cr__call_reshape(r, shape, y->ndim));
  return r;
}

/* The integral of n > 1 floats at equal distances: their sum, in which those at both ends count half. */
static cr_tensor *even_integral(cr_tensor *line, cr_value dx, int d, int64_t n) {
  int64_t folded = d + 1;
  cr_tensor *first = cr__call_select(line, d + 1, 1), *last = cr__call_select(line, d + 1, n);
  cr_tensor *inner = part(line, d, 2, n - 2), *ends = cr__call_add(first, last);
  cr_tensor *sum = cr__call_sum(inner, &folded, 1, false, CR_DTYPE_NONE);
  cr_tensor *half = cr__call_div_scalar(ends, cr_int(2)), *whole = cr__call_add(sum, half);
  cr_tensor *r = cr__call_mul_scalar(whole, dx);
  cr_release(first), cr_release(last), cr_release(inner), cr_release(ends), cr_release(sum);
  cr_release(half), cr_release(whole);
  return r;
}

cr_tensor *cr__run_trapezoid(const cr_op *op, cr_tensor *y, cr_tensor *x, cr_value dx,
                             int64_t dim) {
  int d;
  if (cr__wrap_dim(op->lua, "dim", dim, y->ndim, &d) || check_points(op, y, x, d)) return NULL;
  int64_t n = cr__size_along(y, d), one = 1, folded = d + 1;
  cr_tensor *line = y->ndim ? cr_retain(y) : cr__call_reshape(y, &one, 1);
  int64_t pairs = n > 1 ? n - 1 : 0;
  bool whole = op->id == CR__OP_trapezoid;
  if (whole && !x && n > 1 && line && (line->dtype == CR_FLOAT32 || line->dtype == CR_FLOAT64)) {
    become(&line, even_integral(line, dx, d, n));
    return line;
  }
  cr_tensor *near = part(line, d, 1, pairs), *far = part(line, d, n > 1 ? 2 : 1, pairs);
  cr_tensor *sum = cr__call_add(near, far), *width = NULL;
  if (x && pairs) width = distances(line, x, d, n);
  if (x && pairs) become(&sum, cr__call_mul(sum, width));
  else if (!x) become(&sum, cr__call_mul_scalar(sum, dx));
  become(&sum, whole ? cr__call_sum(sum, &folded, 1, false, CR_DTYPE_NONE)
                     : cr__call_cumsum(sum, d + 1, CR_DTYPE_NONE));
  cr_tensor *r = cr__call_div_scalar(sum, cr_int(2));
  cr_release(line), cr_release(near), cr_release(far), cr_release(sum), cr_release(width);
  return r;
}

/* ---- Slopes ----------------------------------------------------------------------------------- */

/* The points along a dim: `step` apart, a number or a 0-dim tensor, or where a vector says. */
typedef struct points {
  int d;
  int64_t n;
  cr_value step;
  cr_tensor *places; /* NULL: none */
} points;

static cr_tensor *over_step(const points *p, cr_tensor *t, double times) {
  cr_tensor *step = p->step.u.t, *r;
  if (p->step.kind != CR_TENSOR)
    return cr__call_div_scalar(t, cr_float(cr__number(p->step) * times));
  cr_tensor *wide = cr__call_mul_scalar(step, cr_float(times));
  r = cr__call_div(t, wide);
  cr_release(wide);
  return r;
}

/* a x + b y + c z for factors that are numbers. */
static cr_tensor *weighed(cr_tensor *x, double a, cr_tensor *y, double b, cr_tensor *z, double c) {
  cr_tensor *p = cr__call_mul_scalar(x, cr_float(a)), *q = cr__call_mul_scalar(y, cr_float(b));
  cr_tensor *r = cr__call_mul_scalar(z, cr_float(c)), *s = cr__call_add(p, q),
            *t = cr__call_add(s, r);
  cr_release(p), cr_release(q), cr_release(r), cr_release(s);
  return t;
}

/* The slopes inside, and those at both edges, of points at equal distances. */
static void even_slopes(cr_tensor *t, const points *p, bool second, cr_tensor *out[3]) {
  int64_t n = p->n;
  cr_tensor *far = part(t, p->d, n > 2 ? 3 : 1, n - 2), *near = part(t, p->d, 1, n - 2);
  cr_tensor *wide = cr__call_sub(far, near);
  out[1] = over_step(p, wide, 2);
  cr_release(far), cr_release(near), cr_release(wide);
  for (int end = 0; end < 2; end++) {
    int64_t first = end ? n : 1, in = end ? -1 : 1;
    double sign = end ? 1 : -1;
    cr_tensor *a = part(t, p->d, first, 1), *b = part(t, p->d, first + in, 1), *rise;
    if (second) {
      cr_tensor *c = part(t, p->d, first + 2 * in, 1);
      rise = weighed(a, 3 * sign, b, -4 * sign, c, sign);
      cr_release(c);
    } else {
      rise = end ? cr__call_sub(a, b) : cr__call_sub(b, a);
    }
    out[2 * end] = over_step(p, rise, second ? 2 : 1);
    cr_release(a), cr_release(b), cr_release(rise);
  }
}

/* The slope, at the place of one of three values in a row, of the parabola through them: the distances between
 * them are `left` and `right`, which broadcast; where: -1 the first one, 0 the middle one, 1 the last. */
static cr_tensor *parabola(cr_tensor *v[3], cr_tensor *left, cr_tensor *right, int where) {
  cr_tensor *rise = cr__call_sub(v[1], v[0]), *fall = cr__call_sub(v[2], v[1]);
  cr_tensor *a = cr__call_div(rise, left), *b = cr__call_div(fall, right);
  cr_tensor *span = cr__call_add(left, right), *bend = cr__call_sub(b, a);
  cr_tensor *curve = cr__call_div(bend, span); /* half the second derivative */
  cr_tensor *away = cr__call_mul(curve, where > 0 ? right : left);
  cr_tensor *r = where < 0   ? cr__call_sub(a, away)
                 : where > 0 ? cr__call_add(b, away)
                             : cr__call_add(a, away);
  cr_release(rise), cr_release(fall), cr_release(a), cr_release(b), cr_release(span);
  cr_release(bend), cr_release(curve), cr_release(away);
  return r;
}

static cr_tensor *three_points(cr_tensor *t, const points *p, cr_tensor *width, int64_t first,
                               int64_t n, int where) {
  cr_tensor *v[3];
  for (int i = 0; i < 3; i++) v[i] = part(t, p->d, n ? first + i : 1, n);
  cr_tensor *left = part(width, p->d, n ? first : 1, n);
  cr_tensor *right = part(width, p->d, n ? first + 1 : 1, n);
  cr_tensor *r = parabola(v, left, right, where);
  for (int i = 0; i < 3; i++) cr_release(v[i]);
  cr_release(left), cr_release(right);
  return r;
}

/* The same of points at places. */
static void uneven_slopes(cr_tensor *t, const points *p, bool second, cr_tensor *out[3]) {
  int64_t n = p->n;
  cr_tensor *width = distances(t, p->places, p->d, n);
  out[1] = three_points(t, p, width, 1, n - 2, 0);
  for (int end = 0; end < 2; end++) {
    if (second) {
      out[2 * end] = three_points(t, p, width, end ? n - 2 : 1, 1, end ? 1 : -1);
      continue;
    }
    int64_t first = end ? n - 1 : 1;
    cr_tensor *a = part(t, p->d, first, 1), *b = part(t, p->d, first + 1, 1);
    cr_tensor *rise = cr__call_sub(b, a), *run = part(width, p->d, first, 1);
    out[2 * end] = cr__call_div(rise, run);
    cr_release(a), cr_release(b), cr_release(rise), cr_release(run);
  }
  cr_release(width);
}

static cr_tensor *slopes(const cr_op *op, cr_tensor *self, const points *p, int64_t edge_order) {
  cr__text a, b;
  if (p->n <= edge_order)
    return cr__no_tensor(cr__fail(CR_E_SHAPE,
                                  "%s: needs at least %lld points along dim %d, got shape %s",
                                  op->lua, (long long)edge_order + 1, p->d + 1,
                                  cr__shape_text(self->ndim, cr__sizes(self), &a)));
  if (p->places && (p->places->ndim != 1 || p->places->numel != p->n))
    return cr__no_tensor(cr__fail(CR_E_SHAPE,
                                  "%s: spacing must have a place for each of %lld points, or one "
                                  "distance, got shape %s",
                                  op->lua, (long long)p->n,
                                  cr__shape_text(p->places->ndim, cr__sizes(p->places), &b)));
  cr_tensor *out[3] = {NULL, NULL, NULL}, *r = NULL;
  if (p->places) uneven_slopes(self, p, edge_order == 2, out);
  else even_slopes(self, p, edge_order == 2, out);
  if (out[0] && out[1] && out[2]) r = cr__call_cat(out, 3, p->d + 1);
  for (int i = 0; i < 3; i++) cr_release(out[i]);
  return r;
}

/* The distances between points are numbers (at most one of the two lists is there), or told by tensors. */
static int give_slopes(const cr_op *op, cr_tensor *self, cr__floats steps, cr__tensors list,
                       cr__ints dim, int64_t edge_order, cr_tensor **out, int *nout) {
  uint32_t mask = 0;
  int n = dim.n < 0 ? self->ndim : dim.n;
  int code = 0;
  if (self->dtype == CR_BOOL || self->dtype == CR_UINT8)
    code = cr__fail(CR_E_DTYPE, "%s: needs numbers that may be negative, got %s", op->lua,
                    cr_dtype_name((cr_dtype)self->dtype));
  if (!code && edge_order != 1 && edge_order != 2)
    code = cr__fail(CR_E_ARGUMENT, "%s: edge_order is 1 or 2, got %lld", op->lua,
                    (long long)edge_order);
  if (!code && dim.n >= 0)
    code = cr__dim_mask(op->lua, (cr_value[]){cr_ints(dim.at, dim.n)}, self->ndim, &mask);
  if (!code && list.n >= 0 && list.n != n)
    code = cr__fail(CR_E_ARGUMENT, "%s: got %d tensors of spacing for %d dims", op->lua, list.n, n);
  if (!code && steps.n >= 0 && steps.n != 1 && steps.n != n)
    code =
        cr__fail(CR_E_ARGUMENT, "%s: got %d numbers of spacing for %d dims", op->lua, steps.n, n);
  for (int i = 0; !code && i < list.n; i++)
    if (!list.at[i]) code = cr__fail_absent(op->lua, "spacing");
  for (int i = 0; i < n && !code; i++) {
    points p = {.d = i, .step = cr_float(1)};
    if (list.n >= 0) p.step = cr_of(list.at[i]);
    if (steps.n >= 0) p.step = cr_float(steps.at[steps.n > 1 ? i : 0]);
    if (dim.n >= 0) code = cr__wrap_dim(op->lua, "dim", dim.at[i], self->ndim, &p.d);
    if (code) return cr__undo(out, i);
    if (list.n >= 0 && p.step.u.t->ndim > 0) p.places = p.step.u.t;
    p.n = cr__size_along(self, p.d);
    out[i] = slopes(op, self, &p, edge_order);
    if (!out[i]) return cr__undo(out, i);
  }
  *nout = n;
  return code;
}

int cr__run_gradient(const cr_op *op, cr_tensor *self, cr__floats spacing, cr__ints dim,
                     int64_t edge_order, cr_tensor **out, int *nout) {
  return give_slopes(op, self, spacing, (cr__tensors){NULL, -1}, dim, edge_order, out, nout);
}

int cr__run_gradient_at(const cr_op *op, cr_tensor *self, cr__tensors spacing, cr__ints dim,
                        int64_t edge_order, cr_tensor **out, int *nout) {
  return give_slopes(op, self, (cr__floats){NULL, -1}, spacing, dim, edge_order, out, nout);
}
