/* cuda/kernels/nll.cu: the losses of targets that are classes.
 *
 * Holds true: sums are gathered in double, in an order that depends on the number of targets alone.
 * All views are contiguous. A target that is no class is reported and counts as one to ignore. */
#include "fold.cuh"

extern "C" {
#include "scalar/reduction.h"
}

enum { THREADS = 256, MOST_BLOCKS = 256 };

typedef struct nll_vector {
  char *data; /* NULL: left out */
  int dtype;
} nll_vector;

typedef struct nll_job {
  nll_vector out, weight_sum, in, weight; /* backward: `in` is the gradient by the loss */
  const int64_t *targets;
  int64_t count, classes, inner, ignored; /* count: of targets */
  int reduction;
  char *parts;
  cr__fault *fault;
  const char *op;
} nll_job;

struct partial {
  double loss, weight;
};

/* Both are sums. */
struct nll_sums {
  typedef partial state;
  static __device__ __forceinline__ void join(partial &s, const partial &other) {
    s.loss += other.loss;
    s.weight += other.weight;
  }
};

static __device__ __forceinline__ double load(const nll_vector &v, int64_t at) {
  if (v.dtype == CR_FLOAT32) return ((const float *)(const void *)v.data)[at];
  return cr__load_as<CR_FLOAT64>(v.data, v.dtype, at);
}
static __device__ __forceinline__ void store(const nll_vector &v, int64_t at, double x) {
  if (v.dtype == CR_FLOAT32) ((float *)(void *)v.data)[at] = (float)x;
  else cr__store_from<CR_FLOAT64>(v.data, v.dtype, at, x);
}

/* The position in an N x C x D tensor that target number `at` (of N x D) chooses, or -1. */
static __device__ __forceinline__ int64_t chosen(const nll_job &j, int64_t at, int64_t target) {
  if (target == j.ignored) return -1;
  if (target < 1 || target > j.classes) {
    cr__report_target(j.fault, j.op, target, j.classes);
    return -1;
  }
  return (at / j.inner * j.classes + target - 1) * j.inner + at % j.inner;
}

static __device__ void finish(const nll_job &j, const partial &s) {
  if (j.reduction != CR__LOSS_NONE) {
    store(j.out, 0, j.reduction == CR__LOSS_MEAN ? s.loss / s.weight : s.loss);
  }
  store(j.weight_sum, 0, s.weight);
}

static __global__ void __launch_bounds__(THREADS) gather_losses(nll_job j) {
  __shared__ partial room[THREADS / 32];
  partial s = {0, 0};
  int64_t step = (int64_t)gridDim.x * THREADS;
  for (int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x; at < j.count; at += step) {
    int64_t target = j.targets[at], from = chosen(j, at, target);
    double weight = from < 0 ? 0 : j.weight.data ? load(j.weight, target - 1) : 1;
    double loss = from < 0 ? 0 : -weight * load(j.in, from);
    if (j.reduction == CR__LOSS_NONE) store(j.out, at, loss);
    s.loss += loss;
    s.weight += weight;
  }
  s = cr__join_group<nll_sums>(s, THREADS, room);
  if (threadIdx.x != 0) return;
  if (gridDim.x == 1) finish(j, s);
  else ((partial *)(void *)j.parts)[blockIdx.x] = s;
}

static __global__ void __launch_bounds__(THREADS) join_losses(nll_job j, int parts) {
  __shared__ partial room[THREADS / 32];
  partial s = {0, 0};
  for (int i = (int)threadIdx.x; i < parts; i += THREADS) {
    nll_sums::join(s, ((const partial *)(const void *)j.parts)[i]);
  }
  s = cr__join_group<nll_sums>(s, THREADS, room);
  if (threadIdx.x == 0) finish(j, s);
}

/* Everywhere else the gradient is zero already. */
static __global__ void __launch_bounds__(THREADS) spread_gradient(nll_job j) {
  int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (at >= j.count) return;
  int64_t target = j.targets[at], to = chosen(j, at, target);
  if (to < 0) return;
  double share = j.reduction == CR__LOSS_MEAN ? load(j.weight_sum, 0) : 1;
  double weight = j.weight.data ? load(j.weight, target - 1) : 1;
  double g = load(j.in, j.reduction == CR__LOSS_NONE ? at : 0);
  store(j.out, to, -weight * g / share);
}

/* ---- The kernels of the catalogue ---- */

static nll_vector vector_of(const cr__view *v) { return {v->data, v->dtype}; }

static int begin(nll_job *j, const cr__launch *k, const cr__view *out, const cr__view *target,
                 const cr__view *weight, cr__line_sizes l) {
  *j = {};
  j->out = vector_of(out);
  if (weight->data) j->weight = vector_of(weight);
  j->targets = (const int64_t *)(const void *)target->data;
  j->count = l.outer * l.inner, j->classes = l.n, j->inner = l.inner;
  j->op = k->op;
  j->fault = cr__fault_slot();
  return j->fault ? 0 : CR_E_DEVICE;
}

/* As cr__cpu_nll. */
extern "C" int cr__cuda_nll(cr__launch *k) {
  const cr__nll_slots *s = &k->nll;
  nll_job j;
  int code = begin(&j, k, &s->loss, &s->target, &s->weight, s->lines);
  if (code) return code;
  j.ignored = s->ignored, j.reduction = (int)s->reduction;
  j.weight_sum = vector_of(&s->total);
  j.in = vector_of(&s->input);
  int64_t blocks = (j.count + 4 * THREADS - 1) / (4 * THREADS);
  int parts = blocks < 1 ? 1 : blocks < MOST_BLOCKS ? (int)blocks : MOST_BLOCKS;
  if (parts == 1) return CR__LAUNCH(k->op, gather_losses, 1, THREADS, 0, j);
  int ordinal = cr__ordinal_of(k->device);
  size_t nbytes = (size_t)parts * sizeof(partial);
  j.parts = (char *)cr__cuda_alloc(ordinal, nbytes);
  if (!j.parts) return CR_E_MEMORY;
  code = CR__LAUNCH(k->op, gather_losses, (unsigned)parts, THREADS, 0, j);
  if (!code) code = CR__LAUNCH(k->op, join_losses, 1, THREADS, 0, j, parts);
  cr__cuda_free(ordinal, j.parts, nbytes);
  return code;
}

/* As cr__cpu_nll_backward. */
extern "C" int cr__cuda_nll_backward(cr__launch *k) {
  const cr__nll_backward_slots *s = &k->nll_backward;
  nll_job j;
  int code = begin(&j, k, &s->out, &s->target, &s->weight, s->lines);
  if (code) return code;
  j.ignored = s->ignored, j.reduction = (int)s->reduction;
  j.in = vector_of(&s->grad);
  j.weight_sum = vector_of(&s->total);
  size_t nbytes = (size_t)(j.count * j.classes) * cr__size_of((cr_dtype)j.out.dtype);
  if (nbytes == 0) return 0;
  code = cr__cuda_check(k->op, cudaMemsetAsync(j.out.data, 0, nbytes, cr__stream()));
  if (code) return code;
  unsigned grid = (unsigned)((j.count + THREADS - 1) / THREADS);
  return CR__LAUNCH(k->op, spread_gradient, grid, THREADS, 0, j);
}
