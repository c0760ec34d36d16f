/* histogram.c: how often numbers occur: whole ones, and those between edges.
 *
 * Holds true: elements are worked on in pieces, so that their places take little memory; counts are gathered as
 * integers, and sums in the dtype of the weights, in the order of the elements. */
#include <math.h>

#include "positions.h"

static void become(cr_tensor **t, cr_tensor *next) {
  cr_release(*t);
  *t = next;
}

/* How many elements are worked on at a time. */
static int64_t piece_of(cr_device device) { return device == CR_CPU ? 1 << 16 : 1 << 26; }

/* Adds weights (NULL: ones) to the bins, a vector that nobody has seen yet, at the places (from 1) in a vector. */
static int add_to_bins(const cr_op *op, cr_tensor *bins, cr_tensor *places, cr_tensor *weights) {
  cr__index_plan p;
  cr_tensor *one = weights ? cr_retain(weights)
                           : cr__call_scalar_tensor(cr_int(1), (cr_dtype)bins->dtype,
                                                    cr_device_value(cr_device_of(bins)));
  int code = places && one ? cr__plan_list(op->lua, bins, 1, places, &p) : (int)cr_error_code();
  if (!code) {
    code = cr__add_to_new(op->lua, bins, &p, one);
    cr_release(p.index);
  }
  cr_release(one);
  return code;
}

/* The smallest and the largest element of t, which has some. */
static int extremes(cr_tensor *t, cr_value *low, cr_value *high) {
  cr_tensor *least = cr__call_min(t), *most = cr__call_max(t);
  int code = least && most ? cr_item(least, low) : (int)cr_error_code();
  if (!code) code = cr_item(most, high);
  cr_release(least), cr_release(most);
  return code;
}

/* ---- Whole numbers ---------------------------------------------------------------------------- */

static int check_bincount(const cr_op *op, cr_tensor *self, cr_tensor *weights, int64_t minlength) {
  cr__text a;
  cr_device device;
  if (self->ndim != 1)
    return cr__fail(CR_E_SHAPE, "%s: takes a vector, got shape %s", op->lua,
                    cr__shape_text(self->ndim, cr__sizes(self), &a));
  if (cr__category((cr_dtype)self->dtype) != CR_INTEGRAL)
    return cr__fail(CR_E_DTYPE, "%s: takes integers, got %s", op->lua,
                    cr_dtype_name((cr_dtype)self->dtype));
  if (minlength < 0)
    return cr__fail(CR_E_ARGUMENT, "%s: minlength must not be negative, got %lld", op->lua,
                    (long long)minlength);
  if (!weights) return 0;
  if (weights->ndim != 1 || weights->numel != self->numel)
    return cr__fail(CR_E_SHAPE,
                    "%s: weights must have a number for each of %lld elements, got shape %s",
                    op->lua, (long long)self->numel,
                    cr__shape_text(weights->ndim, cr__sizes(weights), &a));
  return cr__same_device(op->lua, (cr_value[]){cr_of(self), cr_of(weights)}, 2, &device);
}

cr_tensor *cr__run_bincount(const cr_op *op, cr_tensor *self, cr_tensor *weights,
                            int64_t minlength) {
  if (check_bincount(op, self, weights, minlength)) return NULL;
  cr_value low = cr_int(1), high = cr_int(0);
  if (self->numel > 0 && extremes(self, &low, &high)) return NULL;
  if (low.u.i < 1)
    return cr__no_tensor(cr__fail(CR_E_INDEX,
                                  "%s: the numbers that are counted are at least 1, got %lld",
                                  op->lua, (long long)low.u.i));
  int64_t n = high.u.i > minlength ? high.u.i : minlength;
  cr_dtype dtype = !weights ? CR_INT64 : weights->dtype == CR_FLOAT32 ? CR_FLOAT32 : CR_FLOAT64;
  cr_tensor *bins = cr__call_zeros(&n, 1, dtype, cr_device_value(cr_device_of(self)));
  cr_tensor *wide = NULL, *places = NULL;
  if (weights) wide = cr__call_to(weights, dtype, cr_none(), false);
  if (self->numel > 0 && bins && (wide || !weights)) {
    places = cr__call_to(self, CR_INT64, cr_none(), false);
    int code = add_to_bins(op, bins, places, wide);
    bins = cr__filled(code, bins);
  }
  cr_release(wide), cr_release(places);
  return bins;
}

/* ---- Bins of equal width ---------------------------------------------------------------------- */

static int check_range(const cr_op *op, int64_t bins, double low, double high) {
  if (bins < 1)
    return cr__fail(CR_E_ARGUMENT, "%s: there must be at least 1 bin, got %lld", op->lua,
                    (long long)bins);
  if (bins > (int64_t)1 << 40)
    return cr__fail(CR_E_ARGUMENT, "%s: too many bins: %lld", op->lua, (long long)bins);
  if (isfinite(low) && isfinite(high) && low <= high) return 0;
  return cr__fail(CR_E_ARGUMENT, "%s: needs finite ends with min <= max, got %g and %g", op->lua,
                  low, high);
}

/* The ends of the bins: those in `ends`, or (t is not NULL) the extremes of t; `apart` further if they are equal. */
static int find_range(const cr_op *op, cr_tensor *t, int64_t bins, double apart, double ends[2]) {
  cr_value low = cr_float(ends[0]), high = cr_float(ends[1]);
  int code = 0;
  if (t && t->numel > 0) code = extremes(t, &low, &high);
  ends[0] = cr__number(low), ends[1] = cr__number(high);
  if (!code) code = check_range(op, bins, ends[0], ends[1]);
  if (ends[0] == ends[1]) ends[0] -= apart, ends[1] += apart;
  return code;
}

static int count_evenly(const cr_op *op, cr_tensor *line, const double ends[2], int64_t n,
                        cr_tensor *bins) {
  int64_t piece = piece_of(cr_device_of(line));
  cr_dtype dtype = line->dtype == CR_FLOAT64 || n >= 1 << 23 ? CR_FLOAT64 : CR_FLOAT32;
  int code = 0;
  for (int64_t at = 0; at < line->numel && !code; at += piece) {
    int64_t m = line->numel - at < piece ? line->numel - at : piece;
    cr_tensor *part = cr__call_narrow(line, 1, at + 1, m);
    cr_tensor *wide = cr__call_to(part, dtype, cr_none(), false);
    cr_tensor *which = cr__call_bin_of(wide, ends[0], ends[1], (double)n);
    cr_tensor *places = cr__call_to(which, CR_INT64, cr_none(), false);
    code = add_to_bins(op, bins, places, NULL);
    cr_release(part), cr_release(wide), cr_release(which), cr_release(places);
  }
  return code;
}

cr_tensor *cr__run_histc(const cr_op *op, cr_tensor *self, int64_t bins, cr_value min,
                         cr_value max) {
  int64_t all = self->numel ? -1 : 0;
  double ends[] = {cr__number(min), cr__number(max)};
  if (!cr__is_float((cr_dtype)self->dtype))
    return cr__no_tensor(cr__fail(CR_E_DTYPE, "%s: takes floats, got %s", op->lua,
                                  cr_dtype_name((cr_dtype)self->dtype)));
  if (find_range(op, ends[0] == ends[1] ? self : NULL, bins, 1, ends)) return NULL;
  int64_t room = bins + 1; /* the last place is for what lies in no bin */
  cr_tensor *counts = cr__call_zeros(&room, 1, CR_INT64, cr_device_value(cr_device_of(self)));
  cr_tensor *line = counts ? cr__call_reshape(self, &all, 1) : NULL;
  int code = line ? count_evenly(op, line, ends, bins, counts) : (int)cr_error_code();
  cr_tensor *kept = code ? NULL : cr__call_narrow(counts, 1, 1, bins);
  cr_tensor *r = cr__call_to(kept, (cr_dtype)self->dtype, cr_none(), false);
  cr_release(counts), cr_release(line), cr_release(kept);
  return r;
}

/* ---- Points between edges --------------------------------------------------------------------- */

/* Edges along each dim; room has place for what lies before the first and behind the last one. */
typedef struct grid {
  int n;
  cr_tensor *edges[CR_MAX_DIMS];
  int64_t room[CR_MAX_DIMS];
} grid;

static void release_grid(grid *g) {
  for (int d = 0; d < g->n; d++) cr_release(g->edges[d]);
}

/* The places of points, a row each, in the grid as a vector, from 1. */
static cr_tensor *places_in(const grid *g, cr_tensor *points) {
  cr_tensor *r = NULL;
  for (int d = 0; d < g->n; d++) {
    cr_tensor *column = cr__call_select(points, 2, d + 1);
    cr_tensor *last = cr__call_select(g->edges[d], 1, -1), *is_last = cr__call_eq(column, last);
    cr_tensor *at_end = cr__call_to(is_last, CR_INT64, cr_none(), false);
    cr_tensor *beyond = cr__call_bucketize(column, g->edges[d], true, false);
    cr_tensor *place = cr__call_sub(beyond, at_end); /* the last edge is in the last bin */
    if (d == 0) {
      r = cr_retain(place);
    } else {
      become(&r, cr__call_sub_scalar(r, cr_int(1)));
      become(&r, cr__call_mul_scalar(r, cr_int(g->room[d])));
      become(&r, cr__call_add(r, place));
    }
    cr_release(column), cr_release(last), cr_release(is_last), cr_release(at_end);
    cr_release(beyond), cr_release(place);
  }
  return r;
}

static int count_points(const cr_op *op, const grid *g, cr_tensor *points, cr_tensor *weights,
                        cr_tensor *bins) {
  int64_t n = cr__sizes(points)[0], piece = piece_of(cr_device_of(points));
  int code = 0;
  for (int64_t at = 0; at < n && !code; at += piece) {
    int64_t m = n - at < piece ? n - at : piece;
    cr_tensor *some = cr__call_narrow(points, 1, at + 1, m), *places = places_in(g, some);
    cr_tensor *part = weights ? cr__call_narrow(weights, 1, at + 1, m) : NULL;
    code =
        places && (part || !weights) ? add_to_bins(op, bins, places, part) : (int)cr_error_code();
    cr_release(some), cr_release(places), cr_release(part);
  }
  return code;
}

/* Divides sums by all of them, and by the widths of the bins. */
static cr_tensor *as_density(const grid *g, cr_tensor *hist) {
  cr_tensor *sum = cr__call_sum(hist, NULL, 0, false, CR_DTYPE_NONE), *r = cr__call_div(hist, sum);
  for (int d = 0; d < g->n; d++) {
    int64_t shape[CR_MAX_DIMS];
    for (int k = 0; k < g->n; k++) shape[k] = k == d ? -1 : 1;
    cr_tensor *width = cr__call_diff(g->edges[d], 1, 1, NULL, NULL);
    become(&width, cr__call_reshape(width, shape, g->n));
    become(&r, cr__call_div(r, width));
    cr_release(width);
  }
  cr_release(sum);
  return r;
}

/* The histogram of points in a grid, whose edges follow it in out. */
static int give_histogram(const cr_op *op, const grid *g, cr_tensor *points, cr_tensor *weights,
                          bool density, cr_tensor **out) {
  int64_t room;
  cr_dtype dtype = (cr_dtype)points->dtype;
  int code = cr__count(op->lua, g->n, g->room, &room);
  if (code) return code;
  cr_tensor *bins =
      cr__call_zeros(&room, 1, weights ? dtype : CR_INT64, cr_device_value(cr_device_of(points)));
  code = bins ? count_points(op, g, points, weights, bins) : (int)cr_error_code();
  cr_tensor *r = code ? NULL : cr__call_reshape(bins, g->room, g->n);
  for (int d = 0; d < g->n; d++) become(&r, cr__call_narrow(r, d + 1, 2, g->room[d] - 2));
  become(&r, cr__call_to(r, dtype, cr_none(), false));
  become(&r, cr__call_contiguous(r));
  if (density) become(&r, as_density(g, r));
  cr_release(bins);
  out[0] = r;
  for (int d = 0; d < g->n; d++) out[d + 1] = cr_retain(g->edges[d]);
  return r ? 0 : cr__undo(out, g->n + 1);
}

static int check_points(const cr_op *op, const cr_tensor *self, cr_tensor *weights, int64_t count) {
  cr__text a;
  cr_device device;
  if (!cr__is_float((cr_dtype)self->dtype))
    return cr__fail(CR_E_DTYPE, "%s: takes floats, got %s", op->lua,
                    cr_dtype_name((cr_dtype)self->dtype));
  if (!weights) return 0;
  if (weights->numel != count)
    return cr__fail(CR_E_SHAPE,
                    "%s: weight must have a number for each of %lld elements or points, got shape "
                    "%s",
                    op->lua, (long long)count,
                    cr__shape_text(weights->ndim, cr__sizes(weights), &a));
  if (weights->dtype != self->dtype)
    return cr__fail(CR_E_DTYPE, "%s: weight must have the dtype %s of self, got %s", op->lua,
                    cr_dtype_name((cr_dtype)self->dtype), cr_dtype_name((cr_dtype)weights->dtype));
  return cr__same_device(op->lua, (cr_value[]){cr_of((cr_tensor *)self), cr_of(weights)}, 2,
                         &device);
}

/* Adds a dim with these edges to the grid. */
static int add_edges(const cr_op *op, grid *g, const cr_tensor *self, cr_tensor *edges) {
  cr__text a;
  cr_device device;
  if (!edges) return (int)cr_error_code();
  if (edges->ndim != 1 || edges->numel < 2)
    return cr__fail(CR_E_SHAPE, "%s: edges are vectors of at least 2 numbers, got shape %s",
                    op->lua, cr__shape_text(edges->ndim, cr__sizes(edges), &a));
  if (edges->dtype != self->dtype)
    return cr__fail(CR_E_DTYPE, "%s: the edges must have the dtype %s of self, got %s", op->lua,
                    cr_dtype_name((cr_dtype)self->dtype), cr_dtype_name((cr_dtype)edges->dtype));
  int code =
      cr__same_device(op->lua, (cr_value[]){cr_of((cr_tensor *)self), cr_of(edges)}, 2, &device);
  if (code) return code;
  g->edges[g->n] = cr_retain(edges);
  g->room[g->n++] = edges->numel + 1;
  return 0;
}

/* The same with edges at equal distances between the ends, or, unless they are given, the extremes of t. */
static int add_even_edges(const cr_op *op, grid *g, cr_tensor *t, int64_t bins, double ends[2],
                          bool given) {
  int code = find_range(op, given ? NULL : t, bins, 0.5, ends);
  if (code) return code;
  cr_tensor *edges = cr__call_linspace(cr_float(ends[0]), cr_float(ends[1]), bins + 1,
                                       (cr_dtype)t->dtype, cr_device_value(cr_device_of(t)));
  code = add_edges(op, g, t, edges);
  cr_release(edges);
  return code;
}

/* ---- In one dim ------------------------------------------------------------------------------- */

/* Elements of t as rows of n. */
static cr_tensor *rows_of(cr_tensor *t, int64_t n) {
  int64_t shape[] = {n ? t->numel / n : 0, n};
  return cr__call_reshape(t, shape, 2);
}

/* A vector of all weights; NULL where there are none. */
static cr_tensor *line_of(cr_tensor *weights) {
  int64_t n = weights ? weights->numel : 0;
  return weights ? cr__call_reshape(weights, &n, 1) : NULL;
}

/* Takes the grid over. */
static int give_rows(const cr_op *op, grid *g, cr_tensor *self, cr_tensor *weight, bool density,
                     int code, cr_tensor **out) {
  cr_tensor *points = code ? NULL : rows_of(self, g->n), *line = points ? line_of(weight) : NULL;
  bool ready = points && (line || !weight);
  if (!code)
    code = ready ? give_histogram(op, g, points, line, density, out) : (int)cr_error_code();
  cr_release(points), cr_release(line);
  release_grid(g);
  return code;
}

int cr__run_histogram(const cr_op *op, cr_tensor *self, int64_t bins, const double *min,
                      const double *max, cr_tensor *weight, bool density, cr_tensor **out) {
  grid g = {0};
  double ends[] = {min ? *min : 0, max ? *max : self->numel == 0}; /* none: from 0 to 1 */
  int code = check_points(op, self, weight, self->numel);
  if (!code && !min != !max)
    code = cr__fail(CR_E_ARGUMENT, "%s: min and max are given together, or not at all", op->lua);
  if (!code) code = add_even_edges(op, &g, self, bins, ends, min != NULL);
  return give_rows(op, &g, self, weight, density, code, out);
}

int cr__run_histogram_at(const cr_op *op, cr_tensor *self, cr_tensor *bins, cr_tensor *weight,
                         bool density, cr_tensor **out) {
  grid g = {0};
  int code = check_points(op, self, weight, self->numel);
  if (!code) code = add_edges(op, &g, self, bins);
  return give_rows(op, &g, self, weight, density, code, out);
}

/* ---- In several dims -------------------------------------------------------------------------- */

/* How many numbers a point has; 0 after an error. */
static int width_of(const cr_op *op, const cr_tensor *self, int given) {
  cr__text a;
  int64_t n = self->ndim ? cr__sizes(self)[self->ndim - 1] : 0;
  if (self->ndim >= 2 && n >= 1 && n <= CR_MAX_DIMS && (given == 1 || given == n)) return (int)n;
  if (self->ndim >= 2 && n >= 1 && n <= CR_MAX_DIMS)
    cr__fail(CR_E_ARGUMENT, "%s: got bins for %d dims, but points of %lld numbers", op->lua, given,
             (long long)n);
  else
    cr__fail(CR_E_SHAPE,
             "%s: needs at least 2 dims, the last one with the 1 to %d numbers of a point, got "
             "shape %s",
             op->lua, CR_MAX_DIMS, cr__shape_text(self->ndim, cr__sizes(self), &a));
  return 0;
}

/* Reads both ends of dim d from `range`, if it is given. */
static int read_range(const cr_op *op, cr_tensor *range, int n, int d, double ends[2]) {
  cr__text a;
  ends[0] = ends[1] = 0;
  if (!range) return 0;
  if (range->ndim != 2 || cr__sizes(range)[0] != n || cr__sizes(range)[1] != 2)
    return cr__fail(CR_E_SHAPE,
                    "%s: range must have shape %dx2, two ends for each dim, got shape %s", op->lua,
                    n, cr__shape_text(range->ndim, cr__sizes(range), &a));
  int code = 0;
  for (int i = 0; i < 2 && !code; i++) {
    cr_value v = cr_float(0);
    cr_tensor *row = cr__call_select(range, 1, d + 1), *end = cr__call_select(row, 1, i + 1);
    code = end ? cr_item(end, &v) : (int)cr_error_code();
    ends[i] = cr__number(v);
    cr_release(row), cr_release(end);
  }
  return code;
}

int cr__run_histogramdd(const cr_op *op, cr_tensor *self, cr__ints bins, cr_tensor *range,
                        cr_tensor *weight, bool density, cr_tensor **out, int *nout) {
  grid g = {0};
  int n = width_of(op, self, bins.n);
  int code = n ? check_points(op, self, weight, self->numel / n) : (int)cr_error_code();
  for (int d = 0; d < n && !code; d++) {
    double ends[2];
    int64_t count = bins.at[bins.n == 1 ? 0 : d];
    code = read_range(op, range, n, d, ends);
    if (!range && self->numel == 0) ends[1] = 1;
    cr_tensor *column = code ? NULL : cr__call_select(self, -1, d + 1);
    if (!code)
      code = column ? add_even_edges(op, &g, column, count, ends, range != NULL)
                    : (int)cr_error_code();
    cr_release(column);
  }
  *nout = n + 1;
  return give_rows(op, &g, self, weight, density, code, out);
}

int cr__run_histogramdd_at(const cr_op *op, cr_tensor *self, cr__tensors bins, cr_tensor *weight,
                           bool density, cr_tensor **out, int *nout) {
  grid g = {0};
  int n = width_of(op, self, bins.n);
  int code = n ? check_points(op, self, weight, self->numel / n) : (int)cr_error_code();
  if (!code && bins.n != n)
    code = cr__fail(CR_E_ARGUMENT, "%s: got edges for %d dims, but points of %d numbers", op->lua,
                    bins.n, n);
  for (int d = 0; d < n && !code; d++)
    code = bins.at[d] ? add_edges(op, &g, self, bins.at[d]) : cr__fail_absent(op->lua, "bins");
  *nout = n + 1;
  return give_rows(op, &g, self, weight, density, code, out);
}
