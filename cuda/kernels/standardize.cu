/* cuda/kernels/standardize.cu: rows less their mean, over their spread, and the derivative of that.
 *
 * Holds true: as on the CPU, with sums in double: a block has a row, or a channel for what all rows add to the gradients
 * of weight and bias; which thread adds what, and in what order, depends on the sizes alone. */
#include "fold.cuh"
#include "scalar.cuh"

enum { THREADS = 256 };

typedef struct rows {
  int dtype, weight_dtype, bias_dtype;
  int64_t outer, batch, groups, channels, inner, run, n;
  double eps;
  bool centred;
  const char *from, *grad, *weight, *bias;
  char *out;
  double *mean, *inverse;
} rows;

static __device__ __forceinline__ double load(const char *data, int dtype, int64_t at) {
  if (dtype == CR_FLOAT32) return ((const float *)(const void *)data)[at];
  return cr__load_as<CR_FLOAT64>(data, dtype, at);
}
static __device__ __forceinline__ void store(char *data, int dtype, int64_t at, double x) {
  if (dtype == CR_FLOAT32) ((float *)(void *)data)[at] = (float)x;
  else cr__store_from<CR_FLOAT64>(data, dtype, at, x);
}

/* Where element i of row r lies, and its channel among all. */
static __device__ __forceinline__ int64_t place_of(const rows &c, int64_t r, int64_t i) {
  return ((r / c.groups * c.batch + i / c.run) * c.groups + r % c.groups) * c.run + i % c.run;
}
static __device__ __forceinline__ int64_t channel_of(const rows &c, int64_t r, int64_t i) {
  return r % c.groups * c.channels + i % c.run / c.inner;
}

struct pair {
  double x, y;
};
struct row_sums {
  typedef pair state;
  static __device__ __forceinline__ void join(pair &s, const pair &other) { s.x += other.x, s.y += other.y; }
};
struct largest {
  typedef pair state;
  static __device__ __forceinline__ void join(pair &s, const pair &other) {
    if (other.x > s.x) s.x = other.x;
  }
};

/* Joins what all threads of the block have, and gives it to all of them. */
template <class F> static __device__ pair joined(pair s, pair *room, pair *all) {
  __syncthreads();
  s = cr__join_group<F>(s, THREADS, room);
  if (threadIdx.x == 0) *all = s;
  __syncthreads();
  return *all;
}

/* What is computed of an element x is (x * scale - mean * scale) * (inverse / scale). */
typedef struct standard {
  double mean, inverse, scale;
} standard;

static __device__ double sum_of(const rows &c, int64_t r, double scale, pair *room, pair *all) {
  pair s = {0, 0};
  for (int64_t i = threadIdx.x; i < c.n; i += THREADS) s.x += load(c.from, c.dtype, place_of(c, r, i)) * scale;
  return joined<row_sums>(s, room, all).x;
}
static __device__ double squares_of(const rows &c, int64_t r, double middle, double scale, pair *room, pair *all) {
  pair s = {0, 0};
  for (int64_t i = threadIdx.x; i < c.n; i += THREADS) {
    double away = load(c.from, c.dtype, place_of(c, r, i)) * scale - middle;
    s.x += away * away;
  }
  return joined<row_sums>(s, room, all).x;
}

static __device__ double scale_of(const rows &c, int64_t r, pair *room, pair *all) {
  pair s = {0, 0};
  int exponent;
  for (int64_t i = threadIdx.x; i < c.n; i += THREADS) {
    double size = fabs(load(c.from, c.dtype, place_of(c, r, i)));
    if (size > s.x) s.x = size;
  }
  double most = joined<largest>(s, room, all).x;
  if (!isfinite(most) || most == 0) return 1;
  frexp(most, &exponent);
  return ldexp(1.0, exponent < -1000 ? 1000 : -exponent);
}

static __device__ standard standard_of(const rows &c, int64_t r, pair *room, pair *all) {
  double n = (double)c.n;
  standard s = {0, 0, 1};
  if (c.centred) s.mean = sum_of(c, r, 1, room, all) / n;
  double square = squares_of(c, r, s.mean, 1, room, all) / n;
  bool lost = !(square <= 1.7976931348623157e308) || (square < 0x1p-900 && square + c.eps < 0x1p-900);
  if (c.dtype == CR_FLOAT64 && lost) {
    double scale = scale_of(c, r, room, all);
    double middle = c.centred ? sum_of(c, r, scale, room, all) / n : 0;
    double spread = sqrt(squares_of(c, r, middle, scale, room, all) / n) / scale;
    s.mean = middle / scale;
    s.inverse = 1 / hypot(spread, sqrt(c.eps));
  } else {
    s.inverse = 1 / sqrt(square + c.eps);
  }
  return s;
}

/* Where differences may leave the range of float64, elements are scaled; where they leave that of float32, what is the
 * mean, as that dtype has it, gives 0. */
static __device__ __forceinline__ standard safe(const rows &c, standard s) {
  double most = c.dtype == CR_FLOAT64 ? 0x1p1000 : 0x1p100;
  bool near = s.inverse <= most && s.inverse >= 1 / most && fabs(s.mean) <= most;
  bool far = !near && !isnan(s.inverse);
  s.scale = far && c.dtype == CR_FLOAT64 ? 0x1p-4 : 1;
  if (far && c.dtype != CR_FLOAT64) s.mean = (double)(float)s.mean;
  return s;
}

static __device__ __forceinline__ double standardized(const standard &s, double x) {
  return (x * s.scale - s.mean * s.scale) * (s.inverse / s.scale);
}

static __global__ void __launch_bounds__(THREADS) standardize(rows c) {
  __shared__ pair room[THREADS / 32], all;
  int64_t r = blockIdx.x;
  standard s = standard_of(c, r, room, &all);
  if (threadIdx.x == 0) c.mean[r] = s.mean, c.inverse[r] = s.inverse;
  s = safe(c, s);
  for (int64_t i = threadIdx.x; i < c.n; i += THREADS) {
    int64_t at = place_of(c, r, i), channel = channel_of(c, r, i);
    double w = c.weight ? load(c.weight, c.weight_dtype, channel) : 1;
    double b = c.bias ? load(c.bias, c.bias_dtype, channel) : 0;
    store(c.out, c.dtype, at, standardized(s, load(c.from, c.dtype, at)) * w + b);
  }
}

static __global__ void __launch_bounds__(THREADS) backward(rows c) {
  __shared__ pair room[THREADS / 32], all;
  int64_t r = blockIdx.x;
  standard s = safe(c, {c.mean[r], c.inverse[r], 1});
  pair sum = {0, 0};
  for (int64_t i = threadIdx.x; i < c.n; i += THREADS) {
    int64_t at = place_of(c, r, i);
    double u = load(c.grad, c.dtype, at);
    if (c.weight) u *= load(c.weight, c.weight_dtype, channel_of(c, r, i));
    sum.x += u, sum.y += u * standardized(s, load(c.from, c.dtype, at));
  }
  sum = joined<row_sums>(sum, room, &all);
  double a = c.centred ? sum.x / (double)c.n : 0, b = sum.y / (double)c.n;
  for (int64_t i = threadIdx.x; i < c.n; i += THREADS) {
    int64_t at = place_of(c, r, i);
    double u = load(c.grad, c.dtype, at), h = standardized(s, load(c.from, c.dtype, at));
    if (c.weight) u *= load(c.weight, c.weight_dtype, channel_of(c, r, i));
    store(c.out, c.dtype, at, (u - a - h * b) * s.inverse);
  }
}

typedef struct gathering {
  char *for_weight, *for_bias;
  int weight_dtype, bias_dtype;
} gathering;

/* A block for each channel: what every row adds to its gradients. */
static __global__ void __launch_bounds__(THREADS) gather(rows c, gathering to) {
  __shared__ pair room[THREADS / 32], all;
  int64_t channel = blockIdx.x, group = channel / c.channels, count = c.outer * c.batch * c.inner;
  pair sum = {0, 0};
  for (int64_t i = threadIdx.x; i < count; i += THREADS) {
    int64_t outer = i / (c.batch * c.inner), rest = i % (c.batch * c.inner), r = outer * c.groups + group;
    int64_t at = place_of(c, r, rest / c.inner * c.run + channel % c.channels * c.inner + rest % c.inner);
    standard s = safe(c, {c.mean[r], c.inverse[r], 1});
    double g = load(c.grad, c.dtype, at);
    sum.x += g, sum.y += g * standardized(s, load(c.from, c.dtype, at));
  }
  sum = joined<row_sums>(sum, room, &all);
  if (threadIdx.x != 0) return;
  if (to.for_weight) store(to.for_weight, to.weight_dtype, channel, sum.y);
  if (to.for_bias) store(to.for_bias, to.bias_dtype, channel, sum.x);
}

/* ---- The kernels of the catalogue ---- */

/* As cr__cpu_standardize and cr__cpu_standardize_backward. */
extern "C" int cr__cuda_standardize(cr__launch *k) {
  const cr__standardize_slots *s = &k->standardize;
  rows c = {};
  c.dtype = s->from.dtype, c.weight_dtype = s->weight.dtype, c.bias_dtype = s->bias.dtype;
  c.outer = s->outer, c.batch = s->batch, c.groups = s->groups, c.channels = s->channels, c.inner = s->inner;
  c.run = c.channels * c.inner, c.n = c.batch * c.run, c.eps = s->eps, c.centred = s->centred;
  c.from = s->from.data, c.weight = s->weight.data, c.bias = s->bias.data, c.out = s->out.data;
  c.mean = (double *)(void *)s->mean.data, c.inverse = (double *)(void *)s->inverse.data;
  if (c.outer * c.groups == 0) return 0;
  return CR__LAUNCH(k->op, standardize, (unsigned)(c.outer * c.groups), THREADS, 0, c);
}

extern "C" int cr__cuda_standardize_backward(cr__launch *k) {
  const cr__standardize_backward_slots *s = &k->standardize_backward;
  rows c = {};
  c.dtype = s->from.dtype, c.weight_dtype = s->weight.dtype;
  c.outer = s->outer, c.batch = s->batch, c.groups = s->groups, c.channels = s->channels, c.inner = s->inner;
  c.run = c.channels * c.inner, c.n = c.batch * c.run, c.centred = s->centred;
  c.from = s->from.data, c.grad = s->grad.data, c.weight = s->weight.data, c.out = s->out.data;
  c.mean = (double *)(void *)s->mean.data, c.inverse = (double *)(void *)s->inverse.data;
  int code = 0;
  if (c.outer * c.groups > 0) code = CR__LAUNCH(k->op, backward, (unsigned)(c.outer * c.groups), THREADS, 0, c);
  gathering to = {s->for_weight.data, s->for_bias.data, s->for_weight.dtype, s->for_bias.dtype};
  if (code || (!to.for_weight && !to.for_bias) || c.groups * c.channels == 0) return code;
  return CR__LAUNCH(k->op, gather, (unsigned)(c.groups * c.channels), THREADS, 0, c, to);
}
