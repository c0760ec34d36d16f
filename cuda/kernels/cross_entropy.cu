/* cuda/kernels/cross_entropy.cu: cross entropy of rows of scores, and its gradient.
 *
 * Holds true: rows are measured by a warp or a block each; sums are gathered in double, in an order that depends on the
 * sizes alone. What is computed is said in src/cpu/cross_entropy.c. All views are contiguous. A target that is no class
 * is reported and counts as one to ignore. */
#include "fold.cuh"
#include "sums.cuh"

extern "C" {
#include "scalar/reduction.h"
}

enum { THREADS = 256, TOP = 0, REST, LOSS, MASS, LINE };
#define FEW 0.33333333333333331 /* exp of the others, where one class has 3/4 */

typedef struct vector {
  char *data; /* NULL: left out */
  int dtype;
} vector;

typedef struct job {
  vector out, input, target, weight; /* out: the loss, or backward the gradient by the input */
  vector grad;
  double *lines, *total;
  int64_t count, classes, ignored;
  int reduction, group;
  double smoothing, even;
  bool probabilities;
  cr__fault *fault;
  const char *op;
} job;

static __device__ __forceinline__ double load(const vector &v, int64_t at) {
  if (v.dtype == CR_FLOAT32) return ((const float *)(const void *)v.data)[at];
  return cr__load_as<CR_FLOAT64>(v.data, v.dtype, at);
}
static __device__ __forceinline__ void store(const vector &v, int64_t at, double x) {
  if (v.dtype == CR_FLOAT32) ((float *)(void *)v.data)[at] = (float)x;
  else cr__store_from<CR_FLOAT64>(v.data, v.dtype, at, x);
}

static __device__ __forceinline__ double power(const job &j, double x) {
  return j.input.dtype == CR_FLOAT64 ? f64_exp(x) : (double)f32_exp_below((float)x);
}

/* The row that this thread's group works on, and its place in the group. */
static __device__ __forceinline__ int64_t row_of(const job &j, int *lane) {
  *lane = (int)threadIdx.x % j.group;
  return (int64_t)blockIdx.x * (THREADS / j.group) + (int)threadIdx.x / j.group;
}

/* The class that a row's target names, from 0; -1 if it counts nothing. */
static __device__ __forceinline__ int64_t class_of(const job &j, int64_t row) {
  if (j.probabilities) return 0;
  int64_t target = ((const int64_t *)(const void *)j.target.data)[row];
  return target == j.ignored || target < 1 || target > j.classes ? -1 : target - 1;
}

static __device__ __forceinline__ double weight_of(const job &j, int64_t c) {
  return j.weight.data ? load(j.weight, c) : 1;
}

static __device__ __forceinline__ double share_of(const job &j, int64_t row, int64_t own,
                                                  int64_t c) {
  double q = j.even;
  if (j.probabilities) q += load(j.target, row * j.classes + c) * (1 - j.smoothing);
  else if (c == own) q += 1 - j.smoothing;
  return q * weight_of(j, c);
}

/* What the first thread of a group has, for all of them. */
template <class S> static __device__ __forceinline__ S from_first(S s, int group, S *room) {
  if (group <= 32) {
    S r;
    double *to = (double *)(void *)&r;
    const double *from = (const double *)(const void *)&s;
    for (unsigned i = 0; i < sizeof(S) / sizeof(double); i++)
      to[i] = __shfl_sync(0xffffffffu, from[i], 0, group);
    return r;
  }
  __syncthreads();
  if (threadIdx.x == 0) room[0] = s;
  __syncthreads();
  return room[0];
}

static __global__ void __launch_bounds__(THREADS) measure(job j) {
  __shared__ cr__log_sum::state room[THREADS / 32];
  __shared__ cr__two_sums::state sums[THREADS / 32];
  int lane;
  int64_t row = row_of(j, &lane), own = row < j.count ? class_of(j, row) : -1;
  int64_t n = own < 0 ? 0 : j.classes, base = row * j.classes;
  cr__log_sum::state s = {-INFINITY, 0};
  for (int64_t i = lane; i < n; i += j.group) {
    double x = load(j.input, base + i);
    if (x > s.top) {
      s.rest = s.top == -INFINITY ? s.rest : (1 + s.rest) * power(j, s.top - x);
      s.top = x;
    } else if (x != -INFINITY) s.rest += power(j, x - s.top);
  }
  s = from_first(cr__join_group<cr__log_sum>(s, j.group, room), j.group, room);
  if (!isfinite(s.top)) s.rest = NAN;
  double log = f64_log1p(s.rest);
  cr__two_sums::state sum = {0, 0};
  if (j.probabilities || j.smoothing != 0) {
    for (int64_t i = lane; i < n; i += j.group) {
      double q = share_of(j, row, own, i), far = s.top - load(j.input, base + i) + log;
      sum.a += q == 0 && isinf(far) ? 0 : q * far;
      sum.b += q;
    }
    sum = cr__join_group<cr__two_sums>(sum, j.group, sums);
  } else if (n > 0) {
    sum.b = weight_of(j, own);
    sum.a = sum.b * (s.top - load(j.input, base + own) + log);
  }
  if (lane != 0 || row >= j.count) return;
  if (!j.probabilities && own < 0) {
    int64_t target = ((const int64_t *)(const void *)j.target.data)[row];
    if (target != j.ignored) cr__report_target(j.fault, j.op, target, j.classes);
    s.top = s.rest = 0;
  }
  double *line = j.lines + LINE * row;
  line[TOP] = s.top, line[REST] = s.rest, line[LOSS] = sum.a, line[MASS] = sum.b;
  if (j.reduction == CR__LOSS_NONE) store(j.out, row, sum.a);
}

static __global__ void __launch_bounds__(THREADS) add_up(job j) {
  __shared__ cr__two_sums::state room[THREADS / 32];
  cr__two_sums::state s = {0, 0};
  for (int64_t i = threadIdx.x; i < j.count; i += THREADS) {
    int64_t own = class_of(j, i);
    s.a += j.lines[LINE * i + LOSS];
    s.b += own < 0 ? 0 : j.probabilities ? 1 : weight_of(j, own);
  }
  s = cr__join_group<cr__two_sums>(s, THREADS, room);
  if (threadIdx.x != 0) return;
  *j.total = s.b;
  if (j.reduction != CR__LOSS_NONE) store(j.out, 0, j.reduction == CR__LOSS_MEAN ? s.a / s.b : s.a);
}

static __global__ void __launch_bounds__(THREADS) spread(job j) {
  __shared__ cr__two_sums::state room[THREADS / 32];
  int lane;
  int64_t row = row_of(j, &lane), own = row < j.count ? class_of(j, row) : -1,
          base = row * j.classes;
  bool there = row < j.count, shared_out = j.probabilities || j.smoothing != 0;
  const double *line = j.lines + LINE * (there ? row : 0);
  double top = line[TOP], rest = line[REST];
  double c = own < 0 ? 0 : load(j.grad, j.reduction == CR__LOSS_NONE ? row : 0);
  if (j.reduction == CR__LOSS_MEAN && own >= 0) c /= *j.total;
  double mass = c * line[MASS], scale = mass / (1 + rest);
  /* The share of all that are not the largest, where that has more than 3/4. */
  cr__two_sums::state others = {0, 0};
  if (shared_out && own >= 0 && rest < FEW)
    for (int64_t i = lane; i < j.classes; i += j.group)
      if (load(j.input, base + i) != top) others.a += share_of(j, row, own, i);
  if (shared_out) others = from_first(cr__join_group<cr__two_sums>(others, j.group, room), j.group, room);
  for (int64_t i = lane; i < (there ? j.classes : 0); i += j.group) {
    double x = own < 0 ? 0 : load(j.input, base + i), q = own < 0      ? 0
                                                          : shared_out ? share_of(j, row, own, i)
                                                                       : 0;
    double g = own < 0 ? 0 : power(j, x - top) * scale;
    bool great = own >= 0 && rest < FEW && x == top;
    if (own >= 0 && great && shared_out) g = c * others.a - mass * rest / (1 + rest);
    else if (own >= 0 && shared_out) g -= c * q;
    else if (great && i == own) g = -mass * rest / (1 + rest);
    else if (i == own) g -= mass;
    store(j.out, base + i, g);
  }
}

/* ---- The kernels of the catalogue ---- */

static vector vector_of(const cr__view *v) {
  vector x = {v->data, v->dtype};
  return x;
}

/* Fills in what both kernels are told; `s` are the slots of either. */
template <class S> static int begin(job *j, const cr__launch *k, const S *s, const cr__view *out) {
  *j = {};
  j->out = vector_of(out), j->input = vector_of(&s->input), j->target = vector_of(&s->target);
  if (s->weight.data) j->weight = vector_of(&s->weight);
  j->lines = (double *)(void *)s->lines.data, j->total = (double *)(void *)s->total.data;
  j->count = s->count, j->classes = s->classes, j->ignored = s->ignored;
  j->reduction = (int)s->reduction, j->smoothing = s->smoothing;
  j->even = s->smoothing / (double)s->classes;
  j->probabilities = s->probabilities;
  j->group = s->classes > 1024 ? THREADS : 32;
  j->op = k->op;
  j->fault = cr__fault_slot();
  return j->fault ? 0 : CR_E_DEVICE;
}

static unsigned blocks_of(const job *j) {
  int64_t rows = THREADS / j->group;
  return (unsigned)((j->count + rows - 1) / rows);
}

/* As cr__cpu_cross_entropy. */
extern "C" int cr__cuda_cross_entropy(cr__launch *k) {
  job j;
  int code = begin(&j, k, &k->cross_entropy, &k->cross_entropy.loss);
  if (!code && j.count > 0) code = CR__LAUNCH(k->op, measure, blocks_of(&j), THREADS, 0, j);
  if (!code) code = CR__LAUNCH(k->op, add_up, 1, THREADS, 0, j);
  return code;
}

/* As cr__cpu_cross_entropy_backward. */
extern "C" int cr__cuda_cross_entropy_backward(cr__launch *k) {
  job j;
  int code = begin(&j, k, &k->cross_entropy_backward, &k->cross_entropy_backward.out);
  j.grad = vector_of(&k->cross_entropy_backward.grad);
  if (code || j.count == 0) return code;
  return CR__LAUNCH(k->op, spread, blocks_of(&j), THREADS, 0, j);
}
