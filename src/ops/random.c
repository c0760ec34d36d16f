/* random.c: random tensors, random fills, dropout.
 *
 * Holds true: the generator is asked only after the arguments were checked and the result has its
 * memory, so that a refused call moves nothing on. How far a call moves the offset stands in
 * ops/random.lua. */
#include <math.h>

#include "random.h"

/* ---- Launches ----------------------------------------------------------------------------- */

cr__rng_place cr__take_draws(int64_t blocks) {
  cr__rng_place at;
  cr__rng_take((uint64_t)blocks, &at.seed, &at.offset);
  return at;
}

void cr__begin_draws(cr__launch *k, const cr_op *op, cr__view *out, cr_tensor *t,
                     cr__rng_place *rng, int64_t blocks) {
  cr__launch_begin(k, op->lua, cr_device_of(t));
  cr__launch_view(k, out, t);
  *rng = cr__take_draws(blocks);
}

/* Blocks for one draw per element of t: of 32 bits, or of 64. */
int64_t cr__draw_blocks(int64_t n, bool wide) {
  return wide ? n / 2 + n % 2 : n / 4 + (n % 4 != 0);
}

int cr__check_floating(const cr_op *op, cr_dtype dtype) {
  if (cr__is_float(dtype)) return 0;
  return cr__fail(CR_E_DTYPE, "%s: %s cannot hold its fractions; use a floating dtype", op->lua,
                  cr_dtype_name(dtype));
}

int cr__check_probability(const cr_op *op, double p) {
  if (p >= 0 && p <= 1) return 0;
  return cr__fail(CR_E_ARGUMENT, "%s: p is a probability, from 0 to 1; got %g", op->lua, p);
}

/* The largest number of the dtype below x: what a draw from [.., x) is cut to after rounding. */
static double below(double x, cr_dtype dtype) {
  if (dtype == CR_FLOAT64) return nextafter(x, -INFINITY);
  if (dtype == CR_FLOAT32)
    return (double)x <= (double)(float)x ? nextafterf((float)x, -INFINITY) : (float)x;
  bool half = dtype == CR_FLOAT16;
  float y = (float)x;
  uint16_t h = half ? cr__float_to_half(y) : cr__float_to_bfloat(y);
  float back = half ? cr__half_to_float(h) : cr__bfloat_to_float(h);
  if (back < x) return back;
  if ((h & 0x7fff) == 0) h = 0x8001; /* below zero lies the smallest negative number */
  else h = (uint16_t)(h & 0x8000 ? h + 1 : h - 1);
  return half ? cr__half_to_float(h) : cr__bfloat_to_float(h);
}

static int fill_uniform(const cr_op *op, cr_tensor *t, double from, double to) {
  if (!isfinite(from) || !isfinite(to) || from > to) {
    return cr__fail(CR_E_ARGUMENT, "%s: needs finite bounds with from <= to, got %g and %g",
                    op->lua, from, to);
  }
  cr_value bounds[] = {cr_float(from), cr_float(to)};
  for (int i = 0; i < 2; i++)
    if (cr__check_store(op->lua, (cr_dtype)t->dtype, &bounds[i])) return (int)cr_error_code();
  cr__launch k;
  cr__begin_draws(&k, op, &k.uniform.out, t, &k.uniform.rng,
                  cr__draw_blocks(t->numel, t->dtype == CR_FLOAT64));
  double top = below(to, (cr_dtype)t->dtype);
  k.uniform.from = from, k.uniform.to = to, k.uniform.top = top < from ? from : top;
  return cr__launch_run(&k, CR__K_uniform);
}

static int fill_normal(const cr_op *op, cr_tensor *t, double mean, double std) {
  if (!(std >= 0)) {
    return cr__fail(CR_E_ARGUMENT, "%s: std must not be negative, got %g", op->lua, std);
  }
  cr__launch k;
  cr__begin_draws(&k, op, &k.normal.out, t, &k.normal.rng,
                  cr__draw_blocks(t->numel, t->dtype == CR_FLOAT64));
  k.normal.mean = mean, k.normal.std = std;
  return cr__launch_run(&k, CR__K_normal);
}

static int check_deviations(const cr_op *op, cr_value std) {
  cr_value least = std;
  int code = 0;
  if (std.kind == CR_TENSOR) {
    if (std.u.t->numel == 0) return 0;
    cr_tensor *lowest = cr__call_amin(std.u.t, NULL, -1, false);
    code = lowest ? cr_item(lowest, &least) : (int)cr_error_code();
    cr_release(lowest);
  }
  if (code || cr__number(least) >= 0) return code;
  return cr__fail(CR_E_ARGUMENT, "%s: std must not be negative, got %g", op->lua,
                  cr__number(least));
}

/* Standard normal draws, stretched and moved. */
cr_tensor *cr__run_normal_at(const cr_op *op, cr_value mean, cr_value std) {
  cr_tensor *both[2], *wide[CR_MAX_OUTPUTS] = {NULL};
  int n = 0;
  if (mean.kind == CR_TENSOR) both[n++] = mean.u.t;
  if (std.kind == CR_TENSOR) both[n++] = std.u.t;
  if (n == 0)
    return cr__no_tensor(cr__fail(CR_E_ARGUMENT, "%s: the argument 'size' is missing", op->lua));
  for (int i = 0; i < n; i++)
    if (cr__check_floating(op, (cr_dtype)both[i]->dtype)) return NULL;
  if (check_deviations(op, std) || cr__call_broadcast_tensors(both, n, wide, &n)) return NULL;
  cr_tensor *draws = cr__call_randn_like(wide[0], CR_DTYPE_NONE, cr_none());
  cr_tensor *scaled =
      std.kind == CR_TENSOR ? cr__call_mul(draws, std.u.t) : cr__call_mul_scalar(draws, std);
  cr_tensor *r =
      mean.kind == CR_TENSOR ? cr__call_add(scaled, mean.u.t) : cr__call_add_scalar(scaled, mean);
  cr_release(wide[0]), cr_release(wide[1]), cr_release(draws), cr_release(scaled);
  return r;
}

/* The largest integer up to which the dtype holds every one. */
int64_t cr__exact_up_to(cr_dtype dtype) {
  switch (dtype) {
  case CR_FLOAT64: return 1ll << 53;
  case CR_FLOAT32: return 1ll << 24;
  case CR_FLOAT16: return 1ll << 11;
  case CR_BFLOAT16: return 1ll << 8;
  case CR_INT64: return INT64_MAX;
  case CR_INT32: return INT32_MAX;
  case CR_INT16: return INT16_MAX;
  case CR_INT8: return INT8_MAX;
  case CR_UINT8: return UINT8_MAX;
  default: return 1;
  }
}

static int check_range(const cr_op *op, cr_dtype dtype, int64_t low, int64_t high) {
  if (low >= high) {
    return cr__fail(CR_E_ARGUMENT, "%s: needs low < high, got %lld and %lld", op->lua,
                    (long long)low, (long long)high);
  }
  int64_t most = cr__exact_up_to(dtype), least = dtype == CR_UINT8 || dtype == CR_BOOL ? 0 : -most;
  if (cr__category(dtype) == CR_INTEGRAL && least) least--;
  if (low >= least && high - 1 <= most) return 0;
  return cr__fail(CR_E_ARGUMENT,
                  "%s: %s holds the integers from %lld to %lld, not all from %lld to %lld", op->lua,
                  cr_dtype_name(dtype), (long long)least, (long long)most, (long long)low,
                  (long long)(high - 1));
}

/* range is high - low, or 0 for all of 2^63 from 0 on. */
static int fill_integers(const cr_op *op, cr_tensor *t, int64_t low, uint64_t range) {
  cr__launch k;
  cr__begin_draws(&k, op, &k.randint.out, t, &k.randint.rng, cr__draw_blocks(t->numel, true));
  k.randint.low = low;
  k.randint.range = (int64_t)range;
  return cr__launch_run(&k, CR__K_randint);
}

/* ---- New tensors -------------------------------------------------------------------------- */

cr_tensor *cr__run_rand(const cr_op *op, cr__ints size, cr_dtype dtype, cr_device device,
                        const double *mean, const double *std) {
  dtype = cr__given_dtype_or(dtype, cr_default_dtype());
  if (cr__check_floating(op, dtype)) return NULL;
  cr_tensor *t = cr__new(op->lua, dtype, cr__given_device_or(device, CR_CPU), size.n, size.at);
  if (!t) return NULL;
  int code = op->id == CR__OP_rand ? fill_uniform(op, t, 0, 1)
                                   : fill_normal(op, t, mean ? *mean : 0, std ? *std : 1);
  return cr__filled(code, t);
}

/* A tensor in the likeness of self, contiguous whatever self's strides are, so that the numbers depend on
 * the shape alone. */
static cr_tensor *alike(const cr_op *op, cr_tensor *self, cr_dtype dtype, cr_device device) {
  return cr__new(op->lua, cr__given_dtype_or(dtype, (cr_dtype)self->dtype),
                 cr__given_device_or(device, cr_device_of(self)), self->ndim, cr__sizes(self));
}

cr_tensor *cr__run_rand_like(const cr_op *op, cr_tensor *self, cr_dtype dtype, cr_device device) {
  if (cr__check_floating(op, cr__given_dtype_or(dtype, (cr_dtype)self->dtype))) return NULL;
  cr_tensor *t = alike(op, self, dtype, device);
  if (!t) return NULL;
  return cr__filled(op->id == CR__OP_rand_like ? fill_uniform(op, t, 0, 1)
                                               : fill_normal(op, t, 0, 1),
                    t);
}

/* Fills t, stolen, with integers from low up to high, and returns it. */
static cr_tensor *with_integers(const cr_op *op, cr_tensor *t, int64_t low, int64_t high) {
  if (!t) return NULL;
  return cr__filled(fill_integers(op, t, low, (uint64_t)high - (uint64_t)low), t);
}

cr_tensor *cr__run_uniform_like(const cr_op *op, cr_tensor *self, double from, double to) {
  cr_tensor *t = alike(op, self, CR_DTYPE_NONE, -1);
  return t ? cr__filled(fill_uniform(op, t, from, to), t) : NULL;
}

cr_tensor *cr__run_randint_like(const cr_op *op, cr_tensor *self, const int64_t *low, int64_t high,
                                cr_dtype dtype, cr_device device) {
  int64_t from = low ? *low : 0;
  if (check_range(op, cr__given_dtype_or(dtype, (cr_dtype)self->dtype), from, high)) return NULL;
  return with_integers(op, alike(op, self, dtype, device), from, high);
}

cr_tensor *cr__run_randint(const cr_op *op, int64_t high, cr__ints size, cr_dtype dtype,
                           cr_device device, const int64_t *low) {
  int64_t from = low ? *low : 0;
  dtype = cr__given_dtype_or(dtype, CR_INT64);
  if (check_range(op, dtype, from, high)) return NULL;
  return with_integers(op,
                       cr__new(op->lua, dtype, cr__given_device_or(device, CR_CPU), size.n,
                               size.at),
                       from, high);
}

/* ---- Fills -------------------------------------------------------------------------------- */

int cr__run_uniform(const cr_op *op, cr_tensor *self, double from, double to) {
  int code = cr__check_floating(op, (cr_dtype)self->dtype);
  return code ? code : fill_uniform(op, self, from, to);
}

int cr__run_normal(const cr_op *op, cr_tensor *self, double mean, double std) {
  int code = cr__check_floating(op, (cr_dtype)self->dtype);
  return code ? code : fill_normal(op, self, mean, std);
}

int cr__run_exponential(const cr_op *op, cr_tensor *self, double lambd) {
  int code = cr__check_floating(op, (cr_dtype)self->dtype);
  if (code) return code;
  if (!(lambd > 0))
    return cr__fail(CR_E_ARGUMENT, "%s: lambd must be positive, got %g", op->lua, lambd);
  cr__launch k;
  cr__begin_draws(&k, op, &k.exponential.out, self, &k.exponential.rng,
                  cr__draw_blocks(self->numel, self->dtype == CR_FLOAT64));
  k.exponential.rate = lambd;
  return cr__launch_run(&k, CR__K_exponential);
}

int cr__run_cauchy(const cr_op *op, cr_tensor *self, double median, double sigma) {
  int code = cr__check_floating(op, (cr_dtype)self->dtype);
  if (code) return code;
  if (!(sigma > 0))
    return cr__fail(CR_E_ARGUMENT, "%s: sigma must be positive, got %g", op->lua, sigma);
  cr__launch k;
  cr__begin_draws(&k, op, &k.cauchy.out, self, &k.cauchy.rng,
                  cr__draw_blocks(self->numel, self->dtype == CR_FLOAT64));
  k.cauchy.median = median, k.cauchy.sigma = sigma;
  return cr__launch_run(&k, CR__K_cauchy);
}

int cr__run_geometric(const cr_op *op, cr_tensor *self, double p) {
  cr_dtype dtype = (cr_dtype)self->dtype;
  if (dtype == CR_BOOL) return cr__fail(CR_E_DTYPE, "%s: bool cannot hold its numbers", op->lua);
  if (!(p > 0 && p < 1))
    return cr__fail(CR_E_ARGUMENT, "%s: p must lie between 0 and 1, got %g", op->lua, p);
  cr__launch k;
  bool whole = cr__category(dtype) == CR_INTEGRAL;
  cr__begin_draws(&k, op, &k.geometric.out, self, &k.geometric.rng,
                  cr__draw_blocks(self->numel, whole || dtype == CR_FLOAT64));
  k.geometric.scale = log1p(-p);
  k.geometric.top = !whole              ? (double)INFINITY
                    : dtype == CR_INT64 ? 0x1p62
                                        : (double)cr__exact_up_to(dtype);
  return cr__launch_run(&k, CR__K_geometric);
}

int cr__run_log_normal(const cr_op *op, cr_tensor *self, double mean, double std) {
  int code = cr__check_floating(op, (cr_dtype)self->dtype);
  if (code) return code;
  if (!(std > 0)) return cr__fail(CR_E_ARGUMENT, "%s: std must be positive, got %g", op->lua, std);
  cr__launch k;
  cr__begin_draws(&k, op, &k.log_normal.out, self, &k.log_normal.rng,
                  cr__draw_blocks(self->numel, self->dtype == CR_FLOAT64));
  k.log_normal.mean = mean, k.log_normal.std = std;
  return cr__launch_run(&k, CR__K_log_normal);
}

int cr__run_random(const cr_op *op, cr_tensor *self, const int64_t *low, const int64_t *high) {
  if (!low && !high)
    return fill_integers(op, self, 0, (uint64_t)cr__exact_up_to((cr_dtype)self->dtype) + 1);
  int64_t from = low && high ? *low : 0,
          to = high ? *high : *low; /* a single number is the high one */
  int code = check_range(op, (cr_dtype)self->dtype, from, to);
  return code ? code : fill_integers(op, self, from, (uint64_t)to - (uint64_t)from);
}

/* ---- Bernoulli ---------------------------------------------------------------------------- */

/* Adds to k, as its view of probabilities, p broadcast to the shape of t. */
static int add_probabilities(const cr_op *op, cr__launch *k, cr_tensor *t, cr_tensor *p) {
  int64_t shape[CR_MAX_DIMS], stride[CR_MAX_DIMS];
  int ndim = t->ndim;
  for (int i = 0; i < ndim; i++) shape[i] = cr__sizes(t)[i];
  int code = cr__broadcast_into(op->lua, &ndim, shape, p->ndim, cr__sizes(p));
  if (code) return code;
  bool same = ndim == t->ndim;
  for (int i = 0; same && i < ndim; i++) same = shape[i] == cr__sizes(t)[i];
  if (!same) {
    cr__text a, b;
    return cr__fail(CR_E_SHAPE, "%s: p of shape %s does not broadcast to %s", op->lua,
                    cr__shape_text(p->ndim, cr__sizes(p), &a),
                    cr__shape_text(t->ndim, cr__sizes(t), &b));
  }
  cr__broadcast_strides(p->ndim, cr__sizes(p), cr__steps(p), ndim, shape, stride);
  cr__view *v = cr__launch_view(k, &k->bernoulli.p, p);
  v->ndim = ndim;
  for (int i = 0; i < ndim; i++) v->shape[i] = shape[i], v->stride[i] = stride[i];
  return 0;
}

/* Ones become `value`. p: a number, or a tensor of probabilities that broadcasts to t. */
static int fill_bernoulli(const cr_op *op, cr_tensor *t, cr_value p, double value) {
  int code = p.kind == CR_TENSOR ? cr__check_floating(op, (cr_dtype)p.u.t->dtype)
                                 : cr__check_probability(op, p.u.f);
  cr_device device;
  if (!code && p.kind == CR_TENSOR)
    code = cr__same_device(op->lua, (cr_value[]){cr_of(t), p}, 2, &device);
  if (code) return code;
  cr__launch k;
  cr__launch_begin(&k, op->lua, cr_device_of(t));
  cr__launch_view(&k, &k.bernoulli.out, t);
  if (p.kind == CR_TENSOR && (code = add_probabilities(op, &k, t, p.u.t))) return code;
  k.bernoulli.rng = cr__take_draws(cr__draw_blocks(t->numel, false));
  k.bernoulli.probability = p.kind == CR_TENSOR ? 0 : p.u.f;
  k.bernoulli.one = value;
  return cr__launch_run(&k, CR__K_bernoulli);
}

int cr__run_bernoulli_fill(const cr_op *op, cr_tensor *self, double p) {
  return fill_bernoulli(op, self, cr_float(p), 1);
}

int cr__run_bernoulli_of(const cr_op *op, cr_tensor *self, cr_tensor *p) {
  cr_tensor *apart =
      cr_same_storage(self, p) ? cr__new_like(op->name, p, (cr_dtype)p->dtype) : cr_retain(p);
  if (!apart) return (int)cr_error_code();
  int code = apart == p ? 0 : cr__copy(op->name, apart, p); /* p is written to */
  if (!code) code = fill_bernoulli(op, self, cr_of(apart), 1);
  cr_release(apart);
  return code;
}

/* In the likeness of self, `value` with probability p, else zero. */
static cr_tensor *toss(const cr_op *op, cr_tensor *self, cr_value p, double value) {
  cr_tensor *t = alike(op, self, CR_DTYPE_NONE, -1);
  return t ? cr__filled(fill_bernoulli(op, t, p, value), t) : NULL;
}

cr_tensor *cr__run_bernoulli(const cr_op *op, cr_tensor *self, const double *p) {
  return toss(op, self, p ? cr_float(*p) : cr_of(self), 1);
}

cr_tensor *cr__run_dropout_mask(const cr_op *op, cr_tensor *self, double p) {
  return toss(op, self, cr_float(1 - p), p < 1 ? 1 / (1 - p) : 0);
}

cr_tensor *cr__run_dropout(const cr_op *op, cr_tensor *self, double p, bool training) {
  int code = cr__check_probability(op, p);
  if (code) return cr__no_tensor(code);
  if (!training || p == 0) return cr_retain(self);
  code = cr__check_floating(op, (cr_dtype)self->dtype);
  if (code) return cr__no_tensor(code);
  cr_tensor *mask = cr__call_dropout_mask(self, p), *t = cr__call_mul(self, mask);
  cr_release(mask);
  return t;
}
