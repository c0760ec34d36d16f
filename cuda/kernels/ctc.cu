/* cuda/kernels/ctc.cu: the forward and backward recursions of connectionist temporal classification.
 *
 * Holds true: a block works on a sample, its threads on the states of a step; what a state is, and what is computed, is
 * said in src/cpu/ctc.c. Sums have an order that depends on the sizes alone. A target that is no class is reported and
 * counts as the blank. All views are contiguous. */
#include "fold.cuh"
#include "sums.cuh"

enum { THREADS = 128 };

typedef struct ctc_job {
  char *loss, *out, *grad, *log_probs; /* of dtype, contiguous */
  int dtype;
  double *alpha, *rows; /* rows: three of the width for each sample */
  const int64_t *targets, *input_lengths, *target_lengths;
  int64_t steps, batch, classes, width, blank, row;
  bool zero_infinity;
  cr__fault *fault;
  const char *op;
} ctc_job;

/* The sample of this block. */
typedef struct sample {
  const int64_t *target;
  int64_t n, states, steps;
} sample;

static __device__ sample sample_of(const ctc_job &j) {
  sample s = {j.targets, (int64_t)blockIdx.x, 2 * j.target_lengths[blockIdx.x] + 1,
              j.input_lengths[blockIdx.x]};
  int64_t from = s.n * j.row;
  for (int64_t i = 0; i < s.n && !j.row; i++) from += j.target_lengths[i];
  s.target += from;
  return s;
}

/* The class of a state, from 0. */
static __device__ __forceinline__ int64_t label(const ctc_job &j, const sample &s, int64_t i) {
  int64_t c = i & 1 ? s.target[i / 2] : j.blank;
  return (c < 1 || c > j.classes ? j.blank : c) - 1;
}

static __device__ __forceinline__ double load(const ctc_job &j, const char *from, int64_t at) {
  return cr__load_as<CR_FLOAT64>(from, j.dtype, at);
}
static __device__ __forceinline__ void store(const ctc_job &j, char *to, int64_t at, double x) {
  cr__store_from<CR_FLOAT64>(to, j.dtype, at, x);
}

static __device__ __forceinline__ double log_prob(const ctc_job &j, const sample &s, int64_t t,
                                                  int64_t c) {
  return load(j, j.log_probs, (t * j.batch + s.n) * j.classes + c);
}

/* The logarithm of exp(a) + exp(b) + exp(c), measured from the largest. */
static __device__ double join3(double a, double b, double c) {
  if (isnan(a) || isnan(b) || isnan(c)) return NAN;
  double high = a > b ? a : b, low = a > b ? b : a, top = high > c ? high : c;
  double second = high > c ? (low > c ? low : c) : high, third = low > c ? c : low;
  if (top == -INFINITY) return top;
  return top + f64_log1p(f64_exp(second - top) + f64_exp(third - top));
}

/* What leads to state i from the states of another step; `to`: 1 back from later ones, -1 on from earlier ones. */
static __device__ __forceinline__ double led_by(const ctc_job &j, const sample &s, const double *x,
                                                int64_t i, int to) {
  int64_t one = i + to, two = i + 2 * to;
  bool skips = (i & 1) && two >= 0 && two < s.states && label(j, s, i) != label(j, s, two);
  return join3(x[i], one >= 0 && one < s.states ? x[one] : -INFINITY, skips ? x[two] : -INFINITY);
}

static __device__ double total_of(const double *last, int64_t states) {
  return join3(last[states - 1], states > 1 ? last[states - 2] : -INFINITY, -INFINITY);
}

static __global__ void __launch_bounds__(THREADS) forward(ctc_job j) {
  sample s = sample_of(j);
  double *alpha = j.alpha + s.n * j.steps * j.width;
  for (int64_t i = threadIdx.x; i < s.states / 2; i += THREADS)
    if (s.target[i] < 1 || s.target[i] > j.classes)
      cr__report_target(j.fault, j.op, s.target[i], j.classes);
  for (int64_t t = 0; t < s.steps; t++) {
    double *now = alpha + t * j.width;
    for (int64_t i = threadIdx.x; i < s.states; i += THREADS) {
      double led = t == 0 ? (i < 2 ? 0 : -INFINITY) : led_by(j, s, now - j.width, i, -1);
      now[i] = led + log_prob(j, s, t, label(j, s, i));
    }
    __syncthreads();
  }
  if (threadIdx.x != 0) return;
  double total = s.steps > 0     ? total_of(alpha + (s.steps - 1) * j.width, s.states)
                 : s.states == 1 ? 0
                                 : -INFINITY;
  store(j, j.loss, s.n, total == 0 ? 0 : -total);
}

/* Adds up what belongs to one class, at its first state: for others than the blank by the thread of that state. */
static __device__ void spread_step(const ctc_job &j, const sample &s, int64_t t, const double *share,
                                   double g, double *room) {
  int64_t base = (t * j.batch + s.n) * j.classes, blank = j.blank - 1;
  double sum = 0;
  for (int64_t i = threadIdx.x; i < s.states; i += THREADS)
    if (label(j, s, i) == blank) sum += share[i];
  sum = cr__join_group<cr__one_sum>(sum, THREADS, room);
  if (threadIdx.x == 0) store(j, j.out, base + blank, -g * sum);
  for (int64_t i = 2 * (int64_t)threadIdx.x + 1; i < s.states; i += 2 * THREADS) {
    int64_t c = label(j, s, i);
    bool first = c != blank;
    for (int64_t k = 1; k < i && first; k += 2) first = label(j, s, k) != c;
    if (!first) continue;
    double of_class = 0;
    for (int64_t k = i; k < s.states; k += 2)
      if (label(j, s, k) == c) of_class += share[k];
    store(j, j.out, base + c, -g * of_class);
  }
}

static __global__ void __launch_bounds__(THREADS) backward(ctc_job j) {
  __shared__ double room[THREADS / 32];
  sample s = sample_of(j);
  const double *alpha = j.alpha + s.n * j.steps * j.width;
  double *later = j.rows + 3 * s.n * j.width, *now = later + j.width, *share = now + j.width;
  double g = load(j, j.grad, s.n);
  double total = s.steps > 0 ? total_of(alpha + (s.steps - 1) * j.width, s.states) : -INFINITY;
  bool none = total == -INFINITY;
  double rest = none && !j.zero_infinity ? (double)NAN : 0;
  for (int64_t t = 0; t < j.steps; t++)
    for (int64_t c = threadIdx.x; c < j.classes; c += THREADS)
      store(j, j.out, (t * j.batch + s.n) * j.classes + c, t < s.steps ? rest : 0);
  __syncthreads();
  for (int64_t t = s.steps - 1; t >= 0 && !none; t--) {
    for (int64_t i = threadIdx.x; i < s.states; i += THREADS) {
      double led =
          t == s.steps - 1 ? (i >= s.states - 2 ? 0 : -INFINITY) : led_by(j, s, later, i, 1);
      share[i] = f64_exp(alpha[t * j.width + i] + led - total);
      now[i] = led + log_prob(j, s, t, label(j, s, i));
    }
    __syncthreads();
    spread_step(j, s, t, share, g, room);
    __syncthreads();
    double *swapped = later;
    later = now, now = swapped;
  }
}

/* ---- The kernels of the catalogue ---- */

template <class S> static int begin(ctc_job *j, const cr__launch *k, const S *s) {
  *j = {};
  j->log_probs = s->log_probs.data, j->dtype = s->log_probs.dtype;
  j->alpha = (double *)(void *)s->alpha.data;
  j->targets = (const int64_t *)(const void *)s->targets.data;
  j->input_lengths = (const int64_t *)(const void *)s->input_lengths.data;
  j->target_lengths = (const int64_t *)(const void *)s->target_lengths.data;
  j->steps = s->steps, j->batch = s->batch, j->classes = s->classes;
  j->width = s->width, j->blank = s->blank, j->row = s->row;
  j->op = k->op;
  j->fault = cr__fault_slot();
  return j->fault ? 0 : CR_E_DEVICE;
}

/* As cr__cpu_ctc. */
extern "C" int cr__cuda_ctc(cr__launch *k) {
  ctc_job j;
  int code = begin(&j, k, &k->ctc);
  j.loss = k->ctc.loss.data;
  if (code || j.batch == 0) return code;
  return CR__LAUNCH(k->op, forward, (unsigned)j.batch, THREADS, 0, j);
}

/* As cr__cpu_ctc_backward. */
extern "C" int cr__cuda_ctc_backward(cr__launch *k) {
  ctc_job j;
  int code = begin(&j, k, &k->ctc_backward);
  j.out = k->ctc_backward.out.data, j.grad = k->ctc_backward.grad.data;
  j.zero_infinity = k->ctc_backward.zero_infinity;
  if (code || j.batch == 0) return code;
  int ordinal = cr__ordinal_of(k->device);
  size_t nbytes = (size_t)(3 * j.batch * j.width) * sizeof(double);
  j.rows = (double *)cr__cuda_alloc(ordinal, nbytes);
  if (!j.rows) return CR_E_MEMORY;
  code = CR__LAUNCH(k->op, backward, (unsigned)j.batch, THREADS, 0, j);
  cr__cuda_free(ordinal, j.rows, nbytes);
  return code;
}
