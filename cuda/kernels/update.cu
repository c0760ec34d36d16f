/* cuda/kernels/update.cu: kernels over lists of tensors: the steps of optimizers.
 *
 * Holds true: an element is the CPU's to the bit (the text of step.h, compiled without contraction).
 * As many rows as fit the arguments of a kernel go into one launch; each row has blocks of its own. */
#include "convert.cuh"
#include "grid.h"
#include "scalar/step.h"

enum { ROWS = 40, EACH = 4 }; /* rows of a launch; elements of a thread */

typedef struct batch {
  int n;
  unsigned first[ROWS + 1]; /* block of each row */
  cr__row rows[ROWS];
} batch;

/* The elements of row r that begin at data, one of each list. */
template <int D, int N> struct element {
  typename cr__element<D>::value x[N];
  __device__ element(const cr__row &r, int64_t i) {
#pragma unroll
    for (int j = 0; j < N; j++) x[j] = r.data[j] ? cr__get<D>(r.data[j], i) : 0;
  }
  __device__ void store(const cr__row &r, int64_t i) const {
#pragma unroll
    for (int j = 0; j < N; j++)
      if (j != CR__ADAM_GRAD && r.data[j]) cr__put<D>(r.data[j], i, x[j]);
  }
};

#define STEPS(T, S)                                                                               \
  static __device__ __forceinline__ void step(const cr__sgd_slots &k, const double *, T(&x)[3]) {       \
    cr__sgd_##S c = {(T)k.rate, (T)k.kept, (T)k.added,           \
                     (T)k.decay, (T)k.sign};                                \
    cr__sgd_step_##S(&c, k.decay != 0, k.momentum, k.nesterov, \
                     k.first, &x[0], x[1], &x[2]);                                    \
  }                                                                                               \
  static __device__ __forceinline__ void step(const cr__adam_slots &k, const double *f, T(&x)[5]) {      \
    cr__adam_##S c = {(T)k.decay,   (T)k.sign, (T)k.shrink,   \
                      (T)k.towards, (T)k.kept, (T)k.added,    \
                      (T)k.eps,     (T)f[CR__ADAM_RATE],   (T)f[CR__ADAM_ROOT]};      \
    cr__adam_step_##S(&c, k.decay != 0, k.amsgrad, &x[0], x[1], &x[2],   \
                      &x[3], &x[4]);                                                              \
  }
STEPS(double, f64)
STEPS(float, f32)

/* N: how many lists; K: the numbers that all elements have in common. */
template <int D, int N, class K> static __global__ void update(batch b, K k) {
  int r = 0;
  while (r + 1 < b.n && blockIdx.x >= b.first[r + 1]) r++;
  const cr__row &row = b.rows[r];
  int64_t blocks = b.first[r + 1] - b.first[r];
  int64_t i = (int64_t)(blockIdx.x - b.first[r]) * blockDim.x + threadIdx.x;
  for (; i < row.n; i += blocks * blockDim.x) {
    element<D, N> e(row, i);
    step(k, row.f, e.x);
    e.store(row, i);
  }
}

template <int N, class K>
static int launch(const char *op, int dtype, const batch &b, const K &k) {
  dim3 blocks(b.first[b.n]);
  auto f64 = update<CR_FLOAT64, N, K>, f32 = update<CR_FLOAT32, N, K>;
  auto half = update<CR_FLOAT16, N, K>, bfloat = update<CR_BFLOAT16, N, K>;
  auto kernel = dtype == CR_FLOAT64   ? f64
                : dtype == CR_FLOAT32 ? f32
                : dtype == CR_FLOAT16 ? half
                                      : bfloat;
  return CR__LAUNCH(op, kernel, blocks, CR__THREADS, 0, b, k);
}

/* The rows of one dtype, in batches. */
template <int N, class K> static int run_dtype(const cr__launch *k, int dtype, const K &c) {
  batch b;
  b.n = 0;
  b.first[0] = 0;
  int code = 0;
  for (int r = 0; r < k->nrow && !code; r++) {
    if (k->rows[r].dtype != dtype) continue;
    b.rows[b.n] = k->rows[r];
    b.first[b.n + 1] = b.first[b.n] + cr__blocks_for((k->rows[r].n + EACH - 1) / EACH).x;
    if (++b.n < ROWS) continue;
    code = launch<N>(k->op, dtype, b, c);
    b.n = 0;
  }
  return code || b.n == 0 ? code : launch<N>(k->op, dtype, b, c);
}

template <int N, class K> static int run(const cr__launch *k, const K &c) {
  static const int dtypes[] = {CR_FLOAT64, CR_FLOAT32, CR_FLOAT16, CR_BFLOAT16};
  int code = 0;
  for (int d = 0; d < 4 && !code; d++) code = run_dtype<N>(k, dtypes[d], c);
  return code;
}

/* As cr__cpu_sgd and cr__cpu_adam. */
extern "C" int cr__cuda_sgd(cr__launch *k) { return run<CR__SGD_LISTS>(k, k->sgd); }
extern "C" int cr__cuda_adam(cr__launch *k) { return run<CR__ADAM_LISTS>(k, k->adam); }
