/* pooling_mean.c: the mean of each window, and what is made of means.
 *
 * Holds true: a sum over windows is a sum along each dim in turn, and what it is divided by is a product of a number
 * for each dim; so a mean and its transpose are maps of lines (resample.h). */
#include <math.h>

#include "resample.h"

/* What the sum of the o-th window along a dim is divided by. */
static double share_of(const cr__windows *w, cr__windows_kind kind, int64_t o, bool include) {
  if (kind == CR__WINDOWS_ADAPTIVE) return (double)cr__window_adaptive(w, o).count;
  if (!include) return (double)cr__window_even(w, o).count;
  int64_t start = cr__window_start(w, o), end = start + w->kernel;
  return (double)((end < w->size + w->padding ? end : w->size + w->padding) - start);
}

/* The numbers for all dims, one after the other; a divisor other than 0 takes their place. */
static cr_tensor *shares_of(const char *op, const cr__window_set *w, cr__windows_kind kind,
                            bool include, int64_t divisor) {
  int64_t n = w->result[0] + w->result[1] + w->result[2], at = 0;
  cr_tensor *t = cr__new(op, CR_FLOAT64, CR_CPU, 1, &n);
  double *share = t ? (double *)(void *)cr__data(t) : NULL;
  for (int d = 0; d < CR__WINDOW_DIMS && t; d++) {
    cr__windows along = cr__windows_along(w, d);
    for (int64_t o = 0; o < w->result[d]; o++)
      share[at++] = divisor ? d == 0 ? (double)divisor : 1 : share_of(&along, kind, o, include);
  }
  return t;
}

static cr_tensor *mean_over(const cr_op *op, cr_tensor *self, const cr__window_set *w,
                            cr__windows_kind kind, bool include, int64_t divisor, bool transposed) {
  cr__line_map m[CR__WINDOW_DIMS] = {{0}};
  cr_tensor *shares = shares_of(op->lua, w, kind, include, divisor), *r = NULL;
  int code = shares ? 0 : (int)cr_error_code();
  for (int d = 0; d < CR__WINDOW_DIMS && !code; d++) {
    cr__windows along = cr__windows_along(w, d);
    code = cr__map_windows(op->lua, &along, kind, &m[d]);
    if (!code && transposed) code = cr__map_transpose(op->lua, &m[d]);
  }
  if (!code) r = cr__resample(op, self, w->n, m, shares, transposed);
  cr__map_end(m);
  cr_release(shares);
  return r;
}

static cr__window_set set_of(int ndim, const int64_t *shape, cr__ints result, cr__ints window,
                             cr__ints stride, cr__ints padding) {
  cr__window_set w = cr__windows_over(ndim, shape, window.n);
  cr__put_sizes(w.result, result, 1);
  cr__put_sizes(w.window, window, 1);
  cr__put_sizes(w.stride, stride, 1);
  cr__put_sizes(w.padding, padding, 0);
  return w;
}

cr_tensor *cr__run_pool_mean(const cr_op *op, cr_tensor *self, cr__ints result, cr__ints window,
                             cr__ints stride, cr__ints padding, int64_t kind, bool include,
                             int64_t divisor) {
  cr__window_set w = set_of(self->ndim, cr__sizes(self), result, window, stride, padding);
  return mean_over(op, self, &w, (cr__windows_kind)kind, include, divisor, false);
}

cr_tensor *cr__run_pool_mean_backward(const cr_op *op, cr_tensor *self, cr__ints shape,
                                      cr__ints result, cr__ints window, cr__ints stride,
                                      cr__ints padding, int64_t kind, bool include,
                                      int64_t divisor) {
  cr__window_set w = set_of(shape.n, shape.at, result, window, stride, padding);
  return mean_over(op, self, &w, (cr__windows_kind)kind, include, divisor, true);
}

/* The mean that records itself. */
static cr_tensor *mean_of(cr_tensor *self, const cr__window_set *w, cr__windows_kind kind,
                          bool include, int64_t divisor) {
  return cr__call_pool_mean(self, CR__LAST(w, result), CR__LAST(w, window), CR__LAST(w, stride),
                            CR__LAST(w, padding), kind, include, divisor);
}

static const cr__ints absent = {NULL, -1};

cr_tensor *cr__run_avg_pool(const cr_op *op, cr_tensor *input, cr__ints kernel_size,
                            cr__ints stride, cr__ints padding, bool ceil_mode,
                            bool count_include_pad, const int64_t *divisor_override) {
  cr__window_set w;
  if (cr__check_windowed(op, input, cr__window_dims(op), CR__WINDOWS_OF_NUMBERS) ||
      cr__even_windows(op, input,
                       (cr__window_lists){kernel_size, stride, padding, absent, ceil_mode}, &w))
    return NULL;
  if (divisor_override && *divisor_override == 0)
    return cr__no_tensor(cr__fail(CR_E_ARGUMENT, "%s: divisor_override must not be 0", op->lua));
  return mean_of(input, &w, CR__WINDOWS_EVEN, count_include_pad,
                 divisor_override ? *divisor_override : 0);
}

cr_tensor *cr__run_adaptive_avg_pool(const cr_op *op, cr_tensor *input, cr__ints output_size) {
  cr__window_set w;
  cr__windows_kind kind;
  if (cr__check_windowed(op, input, cr__window_dims(op), CR__WINDOWS_OF_FLOATS) ||
      cr__adaptive_windows(op, input, output_size, &w, &kind))
    return NULL;
  bool whole = w.result[0] * w.result[1] * w.result[2] == 1;
  if (!whole) return mean_of(input, &w, kind, true, 0);
  int64_t dims[] = {-3, -2, -1};
  return cr__call_mean(input, dims + CR__WINDOW_DIMS - w.n, w.n, true, CR_DTYPE_NONE);
}

/* The largest (or smallest) absolute value of each window. */
static cr_tensor *extreme_of(cr_tensor *input, const cr__window_set *w, bool smallest) {
  cr_tensor *x = cr__call_abs(input), *both[2] = {NULL, NULL};
  if (smallest) {
    cr_tensor *turned = cr__call_neg(x);
    cr_release(x);
    x = turned;
  }
  if (x &&
      cr__call_pool_max(x, CR__LAST(w, result), CR__LAST(w, window), CR__LAST(w, stride),
                        CR__LAST(w, padding), CR__LAST(w, dilation), CR__WINDOWS_EVEN, NULL, both))
    both[0] = NULL;
  cr_tensor *r = smallest && both[0] ? cr__call_neg(both[0]) : cr_retain(both[0]);
  cr_release(x), cr_release(both[0]), cr_release(both[1]);
  return r;
}

cr_tensor *cr__run_lp_pool(const cr_op *op, cr_tensor *input, double norm_type,
                           cr__ints kernel_size, cr__ints stride, bool ceil_mode) {
  cr__window_set w;
  if (cr__check_windowed(op, input, cr__window_dims(op), CR__WINDOWS_OF_FLOATS) ||
      cr__even_windows(op, input,
                       (cr__window_lists){kernel_size, stride, absent, absent, ceil_mode}, &w))
    return NULL;
  if (norm_type == 0 || norm_type != norm_type)
    return cr__no_tensor(cr__fail(CR_E_ARGUMENT,
                                  "%s: norm_type must be a number other than 0, got %g", op->lua,
                                  norm_type));
  if (isinf(norm_type)) return extreme_of(input, &w, norm_type < 0);
  double count = (double)(w.window[0] * w.window[1] * w.window[2]);
  cr_tensor *powers = cr__call_pow_scalar(input, cr_float(norm_type));
  cr_tensor *mean = powers ? mean_of(powers, &w, CR__WINDOWS_EVEN, true, 0) : NULL;
  cr_tensor *sum = cr__call_mul_scalar(mean, cr_float(count));
  cr_tensor *r = cr__call_pow_scalar(sum, cr_float(1 / norm_type));
  cr_release(powers), cr_release(mean), cr_release(sum);
  return r;
}
