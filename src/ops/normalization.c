/* normalization.c: layers that subtract a mean and divide by a spread.
 *
 * Holds true: all are standardize of rows (standardize.c). Running statistics are written last, when all that may fail
 * has been done. */
#include <float.h>
#include <math.h>

#include "reduce.h"
#include "standardize.h"
#include "work.h"

/* The first result of standardize; the others too where `statistics` is there. */
static cr_tensor *standardized(cr_tensor *self, cr_tensor *weight, cr_tensor *bias, cr__rows r,
                               double eps, bool centred, cr_tensor **statistics) {
  cr_tensor *all[3];
  int64_t layout[] = {r.outer, r.batch, r.groups, r.channels, r.inner};
  if (cr__call_standardize(self, weight, bias, layout, 5, eps, centred, all)) return NULL;
  for (int i = 1; i < 3; i++) {
    if (statistics) statistics[i - 1] = all[i];
    else cr_release(all[i]);
  }
  return all[0];
}

static int need_float(const cr_op *op, const cr_tensor *self) {
  return cr__need_float(op->lua, (cr_dtype)self->dtype, "convert it with :to(dtype)");
}

/* That t has the sizes that are given, and self's dtype, or float32 beside a narrower one. */
static int check_scale(const cr_op *op, const char *name, const cr_tensor *self, const cr_tensor *t,
                       int n, const int64_t *sizes) {
  cr__text a, b;
  if (!t) return 0;
  bool fits = t->ndim == n;
  for (int d = 0; fits && d < n; d++) fits = cr__sizes(t)[d] == sizes[d];
  bool narrow = cr__size_of((cr_dtype)self->dtype) < 4 && t->dtype == CR_FLOAT32;
  if (t->dtype != self->dtype && !narrow)
    return cr__fail(CR_E_DTYPE, "%s: %s must be %s like self, got %s; convert it with :to(dtype)",
                    op->lua, name, cr_dtype_name((cr_dtype)self->dtype),
                    cr_dtype_name((cr_dtype)t->dtype));
  if (fits) return 0;
  return cr__fail(CR_E_SHAPE, "%s: %s must have shape %s, got %s", op->lua, name,
                  cr__shape_text(n, sizes, &a), cr__shape_text(t->ndim, cr__sizes(t), &b));
}

/* That self ends in the sizes that are given; *r becomes its rows of so many. */
static int last_dims(const cr_op *op, const cr_tensor *self, cr__ints sizes, cr__rows *r) {
  cr__text a, b;
  int code = need_float(op, self);
  if (code) return code;
  bool fits = sizes.n > 0 && sizes.n <= self->ndim;
  *r = (cr__rows){1, 1, 1, 1, 1};
  for (int i = 0; fits && i < sizes.n; i++) {
    fits = sizes.at[i] == cr__sizes(self)[self->ndim - sizes.n + i];
    r->channels *= sizes.at[i];
  }
  for (int d = 0; fits && d < self->ndim - sizes.n; d++) r->outer *= cr__sizes(self)[d];
  if (fits) return 0;
  return cr__fail(CR_E_SHAPE, "%s: a tensor of shape %s does not end in the sizes %s", op->lua,
                  cr__shape_text(self->ndim, cr__sizes(self), &a),
                  cr__shape_text(sizes.n, sizes.at, &b));
}

/* A weight or bias of layer_norm, in one dim. */
static cr_tensor *in_line(cr_tensor *t) { return t ? cr__call_reshape(t, &t->numel, 1) : NULL; }

/* Over the last dims: weight and bias have their sizes. */
static cr_tensor *over_last(cr_tensor *self, cr_tensor *weight, cr_tensor *bias, cr__rows r,
                            double eps, bool centred) {
  cr_tensor *by = in_line(weight), *offset = in_line(bias), *t = NULL;
  if ((by || !weight) && (offset || !bias))
    t = standardized(self, by, offset, r, eps, centred, NULL);
  cr_release(by), cr_release(offset);
  return t;
}

cr_tensor *cr__run_layer_norm(const cr_op *op, cr_tensor *self, cr__ints normalized_shape,
                              cr_tensor *weight, cr_tensor *bias, double eps) {
  cr__ints sizes = normalized_shape;
  cr__rows r;
  if (last_dims(op, self, sizes, &r) ||
      check_scale(op, "weight", self, weight, sizes.n, sizes.at) ||
      check_scale(op, "bias", self, bias, sizes.n, sizes.at))
    return NULL;
  return over_last(self, weight, bias, r, eps, true);
}

cr_tensor *cr__run_rms_norm(const cr_op *op, cr_tensor *self, cr__ints normalized_shape,
                            cr_tensor *weight, const double *eps) {
  cr__ints sizes = normalized_shape;
  cr__rows r;
  if (last_dims(op, self, sizes, &r) || check_scale(op, "weight", self, weight, sizes.n, sizes.at))
    return NULL;
  double least = eps ? *eps : self->dtype == CR_FLOAT64 ? DBL_EPSILON : FLT_EPSILON;
  return over_last(self, weight, NULL, r, least, false);
}

/* N, C and the product of the other sizes of self, of `least` dims or more; the scales' sizes are checked too. */
static int planes_of(const cr_op *op, const cr_tensor *self, int least, cr_tensor *weight,
                     cr_tensor *bias, int64_t n[3]) {
  cr__text text;
  int code = need_float(op, self);
  if (code) return code;
  if (self->ndim < least)
    return cr__fail(CR_E_SHAPE, "%s: needs at least %d dims, N x C%s, got a tensor of shape %s",
                    op->lua, least, least > 2 ? " x ..." : "",
                    cr__shape_text(self->ndim, cr__sizes(self), &text));
  n[0] = cr__sizes(self)[0], n[1] = cr__sizes(self)[1], n[2] = 1;
  for (int d = 2; d < self->ndim; d++) n[2] *= cr__sizes(self)[d];
  code = check_scale(op, "weight", self, weight, 1, &n[1]);
  return code ? code : check_scale(op, "bias", self, bias, 1, &n[1]);
}

cr_tensor *cr__run_group_norm(const cr_op *op, cr_tensor *self, int64_t num_groups,
                              cr_tensor *weight, cr_tensor *bias, double eps) {
  int64_t n[3] = {0, 0, 0}, groups = num_groups;
  int code = planes_of(op, self, 2, weight, bias, n);
  if (!code && (groups < 1 || n[1] < 1 || n[1] % groups))
    code = cr__fail(CR_E_SHAPE, "%s: %lld channels (dim 2) do not make %lld equal groups", op->lua,
                    (long long)n[1], (long long)groups);
  if (code) return NULL;
  return standardized(self, weight, bias, (cr__rows){n[0], 1, groups, n[1] / groups, n[2]}, eps,
                      true, NULL);
}

/* ---- Running statistics ---- */

typedef struct running {
  cr_tensor *mean, *var; /* both, or neither */
  double momentum;
} running;

static int check_running(const cr_op *op, const running *s, const cr_tensor *self,
                         const int64_t *channels) {
  const char *const names[] = {"running_mean", "running_var"};
  cr_tensor *const both[] = {s->mean, s->var};
  if (!s->mean != !s->var)
    return cr__fail(CR_E_ARGUMENT, "%s: running_mean and running_var come together, or not at all",
                    op->lua);
  for (int i = 0; i < 2 && both[i]; i++) {
    int code = check_scale(op, names[i], self, both[i], 1, channels);
    if (code) return code;
  }
  return 0;
}

/* What a running statistic becomes, of its own dtype: (1 - momentum) * old + momentum * fresh. */
static cr_tensor *moved(cr__work *w, cr_tensor *old, cr_tensor *fresh, double momentum) {
  cr_tensor *wide = cr__keep(w, cr__call_to(old, CR_FLOAT64, cr_none(), false));
  cr_tensor *next = cr__keep(w, cr__call_lerp_scalar(wide, fresh, cr_float(momentum)));
  cr_tensor *narrow = cr__keep(w, cr__call_to(next, (cr_dtype)old->dtype, cr_none(), false));
  return cr__keep(w, cr__call_contiguous(narrow));
}

/* Moves both by the statistics of N x C rows, or C, of n elements each. All that may fail for memory is made before
 * the first is written. */
static int move(const cr_op *op, const running *s, cr_tensor *mean, cr_tensor *inverse,
                int64_t outer, double n, double eps) {
  cr__work w = {.n = 0};
  int64_t channels = cr__sizes(s->mean)[0], shape[] = {outer, channels}, first = 1;
  cr__below++;
  cr_tensor *wide = cr__keep(&w, cr__call_pow_scalar(inverse, cr_int(-2)));
  cr_tensor *var = cr__keep(&w, cr__call_sub_scalar(wide, cr_float(eps)));
  var = cr__keep(&w, cr__call_clamp(var, cr_int(0), cr_none()));
  var = cr__keep(&w, cr__call_mul_scalar(var, cr_float(n / (n - 1))));
  cr_tensor *fresh[] = {mean, var}, *old[] = {s->mean, s->var}, *next[2];
  for (int i = 0; i < 2; i++) {
    cr_tensor *each = cr__keep(&w, cr__call_reshape(fresh[i], shape, 2));
    next[i] = moved(&w, old[i], cr__keep(&w, cr__call_mean(each, &first, 1, false, CR_DTYPE_NONE)),
                    s->momentum);
  }
  cr__below--;
  int code = next[0] && next[1] ? 0 : (int)cr_error_code();
  for (int i = 0; i < 2 && !code; i++) {
    code = cr__copy(op->lua, old[i], next[i]);
    if (!code) cr__bump(old[i]);
  }
  cr__drop_work(&w);
  return code;
}

static int may_be_written(const cr_op *op, const char *name, const cr_tensor *t) {
  if (!cr_requires_grad((cr_tensor *)t)) return 0;
  return cr__fail(CR_E_AUTOGRAD, "%s: %s is written in place and must not require grad", op->lua,
                  name);
}

/* By statistics of the call's own, which move the running ones if they are there; rows of n elements. */
static cr_tensor *by_own(const cr_op *op, cr_tensor *self, cr_tensor *weight, cr_tensor *bias,
                         cr__rows r, int64_t n, const running *s, double eps) {
  cr__text text;
  cr_tensor *own[2] = {NULL, NULL};
  int code = 0;
  if (n == 1)
    code =
        cr__fail(CR_E_SHAPE, "%s: needs more than one value for a mean, got a tensor of shape %s",
                 op->lua, cr__shape_text(self->ndim, cr__sizes(self), &text));
  if (!code && s->mean) code = may_be_written(op, "running_mean", s->mean);
  if (!code && s->var) code = may_be_written(op, "running_var", s->var);
  if (code) return NULL;
  cr_tensor *t = standardized(self, weight, bias, r, eps, true, own);
  if (t && s->mean && self->numel > 0) code = move(op, s, own[0], own[1], r.outer, (double)n, eps);
  cr_release(own[0]), cr_release(own[1]);
  return cr__filled(code, t);
}

/* By the running statistics: self * scale + shift, with one of each for a channel. */
static cr_tensor *by_running(cr_tensor *self, cr_tensor *weight, cr_tensor *bias, const running *s,
                             double eps) {
  cr__work w = {.n = 0};
  int64_t shape[CR_MAX_DIMS];
  for (int d = 0; d < self->ndim; d++) shape[d] = d == 1 ? cr__sizes(self)[1] : 1;
  cr_dtype dtype = cr__size_of((cr_dtype)self->dtype) < 4 ? CR_FLOAT32 : (cr_dtype)self->dtype;
  cr_tensor *var = cr__keep(&w, cr__call_to(s->var, dtype, cr_none(), false));
  cr_tensor *mean = cr__keep(&w, cr__call_to(s->mean, dtype, cr_none(), false));
  cr_tensor *scale =
      cr__keep(&w, cr__call_rsqrt(cr__keep(&w, cr__call_add_scalar(var, cr_float(eps)))));
  if (weight)
    scale = cr__times(&w, scale, cr__keep(&w, cr__call_to(weight, dtype, cr_none(), false)));
  cr_tensor *shift = cr__keep(&w, cr__call_neg(cr__times(&w, mean, scale)));
  if (bias) shift = cr__plus(&w, shift, cr__keep(&w, cr__call_to(bias, dtype, cr_none(), false)));
  cr_tensor *x = cr__keep(&w, cr__call_to(self, dtype, cr_none(), false));
  cr_tensor *y =
      cr__keep(&w,
               cr__call_addcmul(cr__keep(&w, cr__call_view(shift, shape, self->ndim)), x,
                                cr__keep(&w, cr__call_view(scale, shape, self->ndim)), cr_int(1)));
  cr_tensor *result = cr__call_to(y, (cr_dtype)self->dtype, cr_none(), false);
  cr__drop_work(&w);
  return result;
}

static int need_running(const cr_op *op, const running *s, const char *option) {
  if (s->mean) return 0;
  return cr__fail(CR_E_ARGUMENT, "%s: needs running_mean and running_var, or %s = true", op->lua,
                  option);
}

cr_tensor *cr__run_batch_norm(const cr_op *op, cr_tensor *self, cr_tensor *running_mean,
                              cr_tensor *running_var, cr_tensor *weight, cr_tensor *bias,
                              bool training, double momentum, double eps) {
  running s = {running_mean, running_var, momentum};
  int64_t n[3];
  int code = planes_of(op, self, 2, weight, bias, n);
  if (!code) code = check_running(op, &s, self, &n[1]);
  if (!code && !training) code = need_running(op, &s, "training");
  if (code) return NULL;
  if (!training) return by_running(self, weight, bias, &s, eps);
  return by_own(op, self, weight, bias, (cr__rows){1, n[0], n[1], 1, n[2]}, n[0] * n[2], &s, eps);
}

cr_tensor *cr__run_instance_norm(const cr_op *op, cr_tensor *self, cr_tensor *running_mean,
                                 cr_tensor *running_var, cr_tensor *weight, cr_tensor *bias,
                                 bool use_input_stats, double momentum, double eps) {
  running s = {running_mean, running_var, momentum};
  int64_t n[3];
  int code = planes_of(op, self, 3, weight, bias, n);
  if (!code) code = check_running(op, &s, self, &n[1]);
  if (!code && !use_input_stats) code = need_running(op, &s, "use_input_stats");
  if (code) return NULL;
  if (!use_input_stats) return by_running(self, weight, bias, &s, eps);
  return by_own(op, self, weight, bias, (cr__rows){n[0], 1, n[1], 1, n[2]}, n[2], &s, eps);
}

/* ---- Responses of neighbours ---- */

cr_tensor *cr__run_local_response_norm(const cr_op *op, cr_tensor *self, int64_t size, double alpha,
                                       double beta, double k) {
  int64_t n[3];
  int code = planes_of(op, self, 3, NULL, NULL, n);
  if (!code && size < 1)
    code = cr__fail(CR_E_ARGUMENT, "%s: size must be 1 or more channels, got %lld", op->lua,
                    (long long)size);
  if (code) return NULL;
  if (self->numel == 0) return cr__call_alias(self);
  int64_t around[2 * CR_MAX_DIMS] = {0};
  int last = 2 * (self->ndim - 2);
  around[last] = size / 2, around[last + 1] = (size - 1) / 2;
  cr_tensor *square = cr__call_square(self);
  cr_tensor *padded = cr__call_pad(square, around, last + 2, "constant", cr_int(0)), *sum = NULL;
  for (int64_t i = 0; i < size && padded; i++) {
    cr_tensor *part = cr__call_narrow(padded, 2, i + 1, n[1]);
    cr_tensor *next = sum ? cr__call_add(sum, part) : cr_retain(part);
    cr_release(sum), cr_release(part);
    sum = next;
    if (!sum) break;
  }
  cr_tensor *share = cr__call_mul_scalar(sum, cr_float(alpha / (double)size));
  cr_tensor *base = cr__call_add_scalar(share, cr_float(k));
  cr_tensor *by = cr__call_pow_scalar(base, cr_float(beta)), *result = cr__call_div(self, by);
  cr_release(square), cr_release(padded), cr_release(sum), cr_release(share), cr_release(base),
      cr_release(by);
  return result;
}
