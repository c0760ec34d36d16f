/* cuda/kernels/update.cu: kernels over lists of tensors: the steps of optimizers.
 *
 * Holds true: an element is the CPU's to the bit (the text of step_rules.h, compiled without contraction).
 * As many rows as fit the arguments of a kernel go into one launch; each row has blocks of its own. */
#include "convert.cuh"
#include "grid.h"
#include "scalar/step.h"

enum { ROWS = 24, EACH = 4, LISTS = CR__UPDATE_LISTS }; /* rows of a launch; elements of a thread */

typedef struct part { /* a row, with its numbers */
  char *data[LISTS];
  int64_t n;
  const double *table; /* or NULL: the numbers are in f */
  uint32_t switches;
  double f[CR__RULE_NUMBERS];
} part;

typedef struct batch {
  int n, rule, count; /* count: of the rule's numbers */
  unsigned first[ROWS + 1]; /* block of each row */
  part rows[ROWS];
} batch;

/* The elements of row r that begin at data, one of each list. */
template <int D> struct element {
  typename cr__element<D>::value x[LISTS];
  __device__ element(const part &r, int64_t i) {
#pragma unroll
    for (int j = 0; j < LISTS; j++) x[j] = r.data[j] ? cr__get<D>(r.data[j], i) : 0;
  }
  __device__ void store(const part &r, int64_t i) const {
#pragma unroll
    for (int j = 0; j < LISTS; j++)
      if (j != CR__UPDATE_GRAD && r.data[j]) cr__put<D>(r.data[j], i, x[j]);
  }
};

#define STEP(T, S)                                                                        \
  static __device__ __forceinline__ void step(int rule, int count, const part &r, T(&x)[LISTS]) { \
    T f[CR__RULE_NUMBERS];                                                                \
    const double *given = r.table ? r.table : r.f;                                        \
    bool decays = given[0] != 0;                                                          \
    _Pragma("unroll") for (int i = 0; i < CR__RULE_NUMBERS; i++)                          \
      f[i] = i < count ? (T)given[i] : 0;                                                 \
    switch (rule) { CR__RULES(CASE_##S) }                                                 \
  }
#define CASE(name, S) \
  case CR__RULE_##name: cr__##name##_step_##S(f, decays, r.switches, &x[0], x[1], &x[2], &x[3], &x[4]); break;
#define CASE_f64(name, numbers, lists) CASE(name, f64)
#define CASE_f32(name, numbers, lists) CASE(name, f32)
STEP(double, f64)
STEP(float, f32)

template <int D> static __global__ void update(batch b) {
  int r = 0;
  while (r + 1 < b.n && blockIdx.x >= b.first[r + 1]) r++;
  const part &row = b.rows[r];
  int64_t blocks = b.first[r + 1] - b.first[r];
  int64_t i = (int64_t)(blockIdx.x - b.first[r]) * blockDim.x + threadIdx.x;
  for (; i < row.n; i += blocks * blockDim.x) {
    element<D> e(row, i);
    step(b.rule, b.count, row, e.x);
    e.store(row, i);
  }
}

static int launch(const char *op, int dtype, const batch &b) {
  dim3 blocks(b.first[b.n]);
  auto f64 = update<CR_FLOAT64>, f32 = update<CR_FLOAT32>;
  auto half = update<CR_FLOAT16>, bfloat = update<CR_BFLOAT16>;
  auto kernel = dtype == CR_FLOAT64   ? f64
                : dtype == CR_FLOAT32 ? f32
                : dtype == CR_FLOAT16 ? half
                                      : bfloat;
  return CR__LAUNCH(op, kernel, blocks, CR__THREADS, 0, b);
}

static void add(batch *b, const cr__row *row) {
  part *p = &b->rows[b->n];
  memset(p, 0, sizeof *p);
  memcpy(p->data, row->data, sizeof p->data);
  if (row->switches & CR__UPDATE_TABLE) p->table = row->f;
  else memcpy(p->f, row->f, (size_t)b->count * sizeof *p->f);
  p->n = row->n;
  p->switches = row->switches & ~(uint32_t)CR__UPDATE_TABLE;
  b->first[b->n + 1] = b->first[b->n] + cr__blocks_for((row->n + EACH - 1) / EACH).x;
  b->n++;
}

/* The rows of one dtype, in batches. */
static int run_dtype(const cr__launch *k, int dtype) {
  batch b;
  b.rule = (int)k->update.rule;
  b.count = cr__rule_numbers(b.rule);
  b.n = 0;
  b.first[0] = 0;
  int code = 0;
  for (int r = 0; r < k->nrow && !code; r++) {
    if (k->rows[r].dtype != dtype) continue;
    add(&b, &k->rows[r]);
    if (b.n < ROWS) continue;
    code = launch(k->op, dtype, b);
    b.n = 0;
  }
  return code || b.n == 0 ? code : launch(k->op, dtype, b);
}

/* As cr__cpu_update. */
extern "C" int cr__cuda_update(cr__launch *k) {
  static const int dtypes[] = {CR_FLOAT64, CR_FLOAT32, CR_FLOAT16, CR_BFLOAT16};
  int code = 0;
  for (int d = 0; d < 4 && !code; d++) code = run_dtype(k, dtypes[d]);
  return code;
}
