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

/* What all elements have in common. */
typedef struct numbers {
  double f[8];
  bool on[CR__MAX_LISTS];
} numbers;

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
  static __device__ __forceinline__ void step(const numbers &k, const double *, T(&x)[3]) {       \
    cr__sgd_##S c = {(T)k.f[CR__SGD_RATE], (T)k.f[CR__SGD_KEPT], (T)k.f[CR__SGD_ADDED],           \
                     (T)k.f[CR__SGD_DECAY], (T)k.f[CR__SGD_SIGN]};                                \
    cr__sgd_step_##S(&c, k.f[CR__SGD_DECAY] != 0, k.on[CR__SGD_MOMENTUM], k.on[CR__SGD_NESTEROV], \
                     k.on[CR__SGD_FIRST], &x[0], x[1], &x[2]);                                    \
  }                                                                                               \
  static __device__ __forceinline__ void step(const numbers &k, const double *f, T(&x)[5]) {      \
    cr__adam_##S c = {(T)k.f[CR__ADAM_DECAY],   (T)k.f[CR__ADAM_SIGN], (T)k.f[CR__ADAM_SHRINK],   \
                      (T)k.f[CR__ADAM_TOWARDS], (T)k.f[CR__ADAM_KEPT], (T)k.f[CR__ADAM_ADDED],    \
                      (T)k.f[CR__ADAM_EPS],     (T)f[CR__ADAM_RATE],   (T)f[CR__ADAM_ROOT]};      \
    cr__adam_step_##S(&c, k.f[CR__ADAM_DECAY] != 0, k.on[CR__ADAM_AMSGRAD], &x[0], x[1], &x[2],   \
                      &x[3], &x[4]);                                                              \
  }
STEPS(double, f64)
STEPS(float, f32)

/* N: how many lists, which tells the updates apart. */
template <int D, int N> static __global__ void update(batch b, numbers k) {
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

template <int N> static int launch(const char *op, int dtype, const batch &b, const numbers &k) {
  dim3 blocks(b.first[b.n]);
  auto f64 = update<CR_FLOAT64, N>, f32 = update<CR_FLOAT32, N>;
  auto half = update<CR_FLOAT16, N>, bfloat = update<CR_BFLOAT16, N>;
  auto kernel = dtype == CR_FLOAT64   ? f64
                : dtype == CR_FLOAT32 ? f32
                : dtype == CR_FLOAT16 ? half
                                      : bfloat;
  return CR__LAUNCH(op, kernel, blocks, CR__THREADS, 0, b, k);
}

/* The rows of one dtype, in batches. */
template <int N> static int run_dtype(const cr__launch *k, int dtype, const numbers &c) {
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

template <int N> static int run(const cr__launch *k, int nswitch) {
  static const int dtypes[] = {CR_FLOAT64, CR_FLOAT32, CR_FLOAT16, CR_BFLOAT16};
  numbers c;
  for (int i = 0; i < 8; i++) c.f[i] = k->f[i];
  for (int i = 0; i < nswitch; i++) c.on[i] = k->i[i] != 0;
  int code = 0;
  for (int d = 0; d < 4 && !code; d++) code = run_dtype<N>(k, dtypes[d], c);
  return code;
}

/* rows, i and f as for cr__cpu_sgd and cr__cpu_adam. */
extern "C" int cr__cuda_sgd(cr__launch *k) { return run<CR__SGD_LISTS>(k, CR__SGD_FIRST + 1); }
extern "C" int cr__cuda_adam(cr__launch *k) { return run<CR__ADAM_LISTS>(k, CR__ADAM_AMSGRAD + 1); }
