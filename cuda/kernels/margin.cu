/* cuda/kernels/margin.cu: losses over the classes that a row of targets lists, and the others.
 *
 * Holds true: a block works on a row; how often the row's list names each class is noted first. A row's sum is
 * gathered in double, in an order that depends on the sizes alone. All views are contiguous. A target that is no
 * class is reported and ends its list. */
#include "fold.cuh"
#include "sums.cuh"

enum { THREADS = 128 };

typedef struct margin_rows {
  char *data; /* NULL: left out */
  int dtype;
} margin_rows;

typedef struct margin_job {
  margin_rows out, input, direction, grad;
  const int64_t *targets;
  int64_t classes;
  int *named; /* how often a row's list names a class */
  cr__fault *fault;
  const char *op;
} margin_job;

static __device__ __forceinline__ double load(const margin_rows &v, int64_t at) {
  return cr__load_as<CR_FLOAT64>(v.data, v.dtype, at);
}
static __device__ __forceinline__ void store(const margin_rows &v, int64_t at, double x) {
  cr__store_from<CR_FLOAT64>(v.data, v.dtype, at, x);
}

/* Class number k of a row's list, from 0; -1 where the list has ended. */
static __device__ __forceinline__ int64_t listed(const margin_job &j, const int64_t *list, int64_t k) {
  if (k >= j.classes || list[k] < 1 || list[k] > j.classes) return -1;
  return list[k] - 1;
}

/* Notes how often the list of this block's row names each class. */
static __device__ void note_names(const margin_job &j, const int64_t *list, int *named) {
  for (int64_t c = threadIdx.x; c < j.classes; c += THREADS) named[c] = 0;
  __syncthreads();
  if (threadIdx.x == 0) {
    int64_t k = 0;
    for (int64_t c; (c = listed(j, list, k)) >= 0; k++) named[c]++;
    if (k < j.classes && list[k] != 0 && list[k] != -1)
      cr__report_target(j.fault, j.op, list[k], j.classes);
  }
  __syncthreads();
}

static __device__ __forceinline__ bool violates(const margin_job &j, int64_t base, int64_t right,
                                                int64_t wrong) {
  return !(1 - load(j.input, base + right) + load(j.input, base + wrong) <= 0);
}

static __global__ void __launch_bounds__(THREADS) sum_rows(margin_job j) {
  __shared__ double room[THREADS / 32];
  int64_t base = (int64_t)blockIdx.x * j.classes;
  const int64_t *list = j.targets + base;
  int *named = j.named + base;
  note_names(j, list, named);
  const margin_rows d = j.direction.data ? j.direction : j.input;
  double sum = 0, from = j.direction.data ? 0 : 1;
  for (int64_t i = threadIdx.x; i < j.classes; i += THREADS) {
    if (named[i]) continue;
    int64_t r;
    for (int64_t k = 0; (r = listed(j, list, k)) >= 0; k++)
      if (violates(j, base, r, i)) sum += from - load(d, base + r) + load(d, base + i);
  }
  sum = cr__join_group<cr__one_sum>(sum, THREADS, room);
  if (threadIdx.x == 0) store(j.out, blockIdx.x, sum / (double)j.classes);
}

static __global__ void __launch_bounds__(THREADS) spread_rows(margin_job j) {
  int64_t base = (int64_t)blockIdx.x * j.classes;
  const int64_t *list = j.targets + base;
  int *named = j.named + base;
  note_names(j, list, named);
  double g = load(j.grad, blockIdx.x) / (double)j.classes;
  for (int64_t c = threadIdx.x; c < j.classes; c += THREADS) {
    int64_t count = 0, r;
    if (named[c]) {
      for (int64_t i = 0; i < j.classes; i++) count -= !named[i] && violates(j, base, c, i);
      count *= named[c];
    } else {
      for (int64_t k = 0; (r = listed(j, list, k)) >= 0; k++) count += violates(j, base, r, c);
    }
    store(j.out, base + c, count == 0 ? 0 : (double)count * g);
  }
}

static margin_rows vector_of(const cr__view *v) {
  margin_rows x = {v->data, v->dtype};
  return x;
}

/* Runs `kernel` with a block for each row. */
static int each_row(const cr__launch *k, margin_job *j, int64_t rows, void (*kernel)(margin_job)) {
  if (rows == 0) return 0;
  j->op = k->op;
  j->fault = cr__fault_slot();
  if (!j->fault) return CR_E_DEVICE;
  int ordinal = cr__ordinal_of(k->device);
  size_t nbytes = (size_t)(rows * (j->classes > 0 ? j->classes : 1)) * sizeof(int);
  j->named = (int *)cr__cuda_alloc(ordinal, nbytes);
  if (!j->named) return CR_E_MEMORY;
  int code = CR__LAUNCH(k->op, kernel, (unsigned)rows, THREADS, 0, *j);
  cr__cuda_free(ordinal, j->named, nbytes);
  return code;
}

/* As cr__cpu_multilabel_margin. */
extern "C" int cr__cuda_multilabel_margin(cr__launch *k) {
  const cr__multilabel_margin_slots *s = &k->multilabel_margin;
  margin_job j = {};
  j.out = vector_of(&s->out), j.input = vector_of(&s->input);
  if (s->direction.data) j.direction = vector_of(&s->direction);
  j.targets = (const int64_t *)(const void *)s->target.data;
  j.classes = s->classes;
  return each_row(k, &j, s->count, sum_rows);
}

/* As cr__cpu_multilabel_margin_backward. */
extern "C" int cr__cuda_multilabel_margin_backward(cr__launch *k) {
  const cr__multilabel_margin_backward_slots *s = &k->multilabel_margin_backward;
  margin_job j = {};
  j.out = vector_of(&s->out), j.input = vector_of(&s->input), j.grad = vector_of(&s->grad);
  j.targets = (const int64_t *)(const void *)s->target.data;
  j.classes = s->classes;
  return each_row(k, &j, s->count, spread_rows);
}
