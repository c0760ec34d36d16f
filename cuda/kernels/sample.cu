/* cuda/kernels/sample.cu: kernels that choose positions: permutations and weighted draws.
 *
 * Holds true: they come from the same counter as all other draws (random.cu) and are the CPU's to
 * the bit, so running sums of weights are added up in order, by one thread; positions count from
 * 1. */
#include "convert.cuh"
#include "grid.h"
#include "runtime/runtime.h"
#include "radix.h"

#include "scalar/philox.h"

typedef struct source {
  uint64_t seed, offset;
} source;

/* One 64-bit draw, element i of the call. */
static __device__ __forceinline__ uint64_t word_64(source s, int64_t i) {
  uint32_t w[4];
  cr__philox(s.seed, s.offset + (uint64_t)i / 2, w);
  return i % 2 ? cr__rng_pair(w[2], w[3]) : cr__rng_pair(w[0], w[1]);
}

static source source_of(cr__rng_place rng) { return {rng.seed, rng.offset}; }

/* ---- Permutations ---- */

static __global__ void draw_keys(source s, uint64_t *key, uint32_t *number, int64_t n) {
  CR__EACH(i, n) {
    key[i] = word_64(s, i);
    number[i] = (uint32_t)i;
  }
}

static __global__ void store_order(const uint32_t *number, void *to, int dtype, int64_t step,
                                   int64_t n) {
  CR__EACH(i, n) cr__store_from<CR_INT64>(to, dtype, i * step, (int64_t)number[i] + 1);
}

/* As cr__cpu_randperm. */
extern "C" int cr__cuda_randperm(cr__launch *k) {
  const cr__view *v = &k->randperm.out;
  int64_t n = v->shape[0];
  if (n == 0) return 0;
  if (n > UINT32_MAX)
    return cr__fail(CR_E_ARGUMENT, "%s: cuda permutes up to %lld elements, not %lld", k->op,
                    (long long)UINT32_MAX, (long long)n);
  cr__radix s;
  int code = cr__radix_begin(&s, k->device, n);
  if (code) return code;
  code = CR__LAUNCH(k->op, draw_keys, cr__blocks_for(n), CR__THREADS, 0, source_of(k->randperm.rng), s.key,
                    s.number, n);
  if (!code) code = cr__radix_run(&s, k->op, 64);
  if (!code)
    code = CR__LAUNCH(k->op, store_order, cr__blocks_for(n), CR__THREADS, 0, s.number,
                      (void *)v->data, v->dtype, v->stride[0], n);
  cr__radix_end(&s);
  return code;
}

/* ---- Weights ---- */

typedef struct weights {
  const char *data;
  int32_t dtype;
  int64_t rows, m, row_step, step;
} weights;

static __device__ __forceinline__ double weight_at(const weights &w, int64_t row, int64_t i) {
  return cr__load_as<CR_FLOAT64>(w.data, w.dtype, row * w.row_step + i * w.step);
}

/* Of each row: how many weights are positive, or -1 if they are no weights. *bad: the first row
 * that has fewer than `least`. */
static __global__ void survey(weights w, int64_t least, int64_t *positive,
                              unsigned long long *bad) {
  __shared__ double sums[CR__THREADS];
  for (int64_t row = blockIdx.x; row < w.rows; row += gridDim.x) {
    double sum = 0;
    int64_t count = 0, total = 0;
    bool good = true;
    for (int64_t i = threadIdx.x; i < w.m; i += CR__THREADS) {
      double x = weight_at(w, row, i);
      good = good && x >= 0 && !isinf(x);
      count += x > 0;
      sum += x;
    }
    sums[threadIdx.x] = sum;
    good = __syncthreads_and(good);
    cr__block_scan(count, &total);
    if (threadIdx.x == 0) {
      for (int t = 1; t < CR__THREADS; t++) sum += sums[t];
      positive[row] = good && !isinf(sum) ? total : -1;
      if (positive[row] < least) atomicMin(bad, (unsigned long long)row);
    }
    __syncthreads();
  }
}

/* Waits for the survey, and fails if a row cannot be drawn from. */
static int check_rows(const cr__launch *k, const int64_t *positive, const unsigned long long *bad,
                      int64_t n, bool repeat) {
  cudaStream_t s = cr__stream();
  unsigned long long row;
  int64_t found;
  int code =
      cr__cuda_check(k->op, cudaMemcpyAsync(&row, bad, sizeof row, cudaMemcpyDeviceToHost, s));
  if (!code) code = cr__cuda_check(k->op, cudaStreamSynchronize(s));
  if (code || row == UINT64_MAX) return code;
  code = cr__cuda_check(k->op, cudaMemcpyAsync(&found, positive + row, sizeof found,
                                               cudaMemcpyDeviceToHost, s));
  if (!code) code = cr__cuda_check(k->op, cudaStreamSynchronize(s));
  if (code) return code;
  if (found < 0)
    return cr__fail(CR_E_ARGUMENT, "%s: weights must be finite and not negative (row %lld)", k->op,
                    (long long)row + 1);
  return cr__fail(CR_E_ARGUMENT,
                  "%s: row %lld has %lld positive weights, too few for %lld draws %s", k->op,
                  (long long)row + 1, (long long)found, (long long)n,
                  repeat ? "with replacement" : "without replacement");
}

static int check_weights(const cr__launch *k, const weights *w, int64_t n, bool repeat) {
  int ordinal = k->device - CR_CUDA, code = cr__refuse_capture(k->op);
  if (code) return code;
  size_t nbytes = (size_t)(w->rows + 1) * sizeof(int64_t);
  int64_t *positive = (int64_t *)cr__cuda_alloc(ordinal, nbytes);
  if (!positive) return CR_E_MEMORY;
  unsigned long long *bad = (unsigned long long *)(positive + w->rows);
  int64_t most = 32LL * cr__cuda_multiprocessors(), least = repeat ? 1 : n;
  code = cr__cuda_check(k->op, cudaMemsetAsync(bad, 0xff, sizeof *bad, cr__stream()));
  if (!code)
    code = CR__LAUNCH(k->op, survey, (unsigned)(w->rows < most ? w->rows : most), CR__THREADS, 0,
                      *w, least, positive, bad);
  if (!code) code = check_rows(k, positive, bad, n, repeat);
  cr__cuda_free(ordinal, positive, nbytes);
  return code;
}

typedef struct places {
  int64_t *data;
  int64_t n, row_step, step;
} places;

/* ---- With replacement: by bisection of the running sums ---- */

/* Writes the running sums of a row; *last is the last position whose weight is positive. */
static __device__ double add_up(const weights &w, int64_t row, double *sums, int64_t *last) {
  __shared__ double tile[CR__THREADS];
  __shared__ double total;
  __shared__ int64_t end;
  if (threadIdx.x == 0) total = 0, end = 0;
  for (int64_t begin = 0; begin < w.m; begin += CR__THREADS) {
    int64_t i = begin + threadIdx.x;
    if (i < w.m) tile[threadIdx.x] = weight_at(w, row, i);
    __syncthreads();
    if (threadIdx.x == 0) {
      double sum = total;
      for (int j = 0; j < CR__THREADS && begin + j < w.m; j++) {
        if (tile[j] > 0) end = begin + j;
        tile[j] = sum = tile[j] + sum;
      }
      total = sum;
    }
    __syncthreads();
    if (i < w.m) sums[i] = tile[threadIdx.x];
    __syncthreads();
  }
  *last = end;
  double all = total;
  __syncthreads();
  return all;
}

/* A block has room for the sums of one row. */
static __global__ void draw_with(source s, weights w, places to, double *room) {
  double *sums = room + (int64_t)blockIdx.x * w.m;
  for (int64_t row = blockIdx.x; row < w.rows; row += gridDim.x) {
    int64_t last;
    double total = add_up(w, row, sums, &last);
    for (int64_t j = threadIdx.x; j < to.n; j += CR__THREADS) {
      double aim = cr__rng_unit_f64(word_64(s, row * to.n + j)) * total;
      int64_t low = 0, high = last; /* the first position whose running sum passes the aim */
      while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (sums[middle] > aim) high = middle;
        else low = middle + 1;
      }
      to.data[row * to.row_step + j * to.step] = low + 1;
    }
    __syncthreads();
  }
}

static constexpr int64_t MOST_ROOM = 1 << 25; /* sums, unless one row has more */

static int run_with(const cr__launch *k, const weights *w, const places *to) {
  int ordinal = k->device - CR_CUDA;
  int64_t most = 2LL * cr__cuda_multiprocessors(), blocks = w->rows < most ? w->rows : most;
  while (blocks > 1 && blocks * w->m > MOST_ROOM) blocks /= 2;
  size_t nbytes = (size_t)(blocks * w->m) * sizeof(double);
  double *room = (double *)cr__cuda_alloc(ordinal, nbytes);
  if (!room) return CR_E_MEMORY;
  int code =
      CR__LAUNCH(k->op, draw_with, (unsigned)blocks, CR__THREADS, 0, source_of(k->multinomial.rng), *w, *to, room);
  cr__cuda_free(ordinal, room, nbytes);
  return code;
}

/* ---- Without: position i arrives after an exponential time with rate w[i] ---- */

static constexpr int64_t AT_A_TIME =
    1 << 22; /* weights that are sorted together, unless one row has more */

/* The bits of times sort as the times do, as none is negative. */
static __global__ void draw_times(source s, weights w, int64_t row, int64_t n, uint64_t *key,
                                  uint32_t *number) {
  CR__EACH(i, n) {
    double weight = weight_at(w, row + i / w.m, i % w.m);
    double wait = -cr__rng_log_f64(cr__rng_open_f64(word_64(s, row * w.m + i)));
    double time = weight > 0 ? wait / weight : (double)INFINITY;
    key[i] = (uint64_t)__double_as_longlong(time);
    number[i] = (uint32_t)i;
  }
}

static __global__ void key_by_row(int64_t m, int64_t n, uint64_t *key, const uint32_t *number) {
  CR__EACH(i, n) key[i] = number[i] / (uint64_t)m;
}

/* The first of each row's m numbers, which lie in the order of their arrival. */
static __global__ void store_first(places to, int64_t row, int64_t rows, int64_t m,
                                   const uint32_t *number) {
  CR__EACH(i, rows * to.n) {
    int64_t r = i / to.n, j = i % to.n;
    to.data[(row + r) * to.row_step + j * to.step] = (int64_t)number[r * m + j] - r * m + 1;
  }
}

static int draw_rows(const cr__launch *k, const weights *w, const places *to, int64_t row,
                     int64_t rows) {
  int64_t n = rows * w->m;
  cr__radix s;
  int code = cr__radix_begin(&s, k->device, n), bits = 0;
  if (code) return code;
  code = CR__LAUNCH(k->op, draw_times, cr__blocks_for(n), CR__THREADS, 0, source_of(k->multinomial.rng), *w, row, n,
                    s.key, s.number);
  if (!code) code = cr__radix_run(&s, k->op, 64);
  while ((int64_t)1 << bits < rows) bits++;
  if (!code && bits) { /* rows apart; within each the order stays */
    code =
        CR__LAUNCH(k->op, key_by_row, cr__blocks_for(n), CR__THREADS, 0, w->m, n, s.key, s.number);
    if (!code) code = cr__radix_run(&s, k->op, bits);
  }
  if (!code)
    code = CR__LAUNCH(k->op, store_first, cr__blocks_for(rows * to->n), CR__THREADS, 0, *to, row,
                      rows, w->m, s.number);
  cr__radix_end(&s);
  return code;
}

static int run_without(const cr__launch *k, const weights *w, const places *to) {
  if (w->m > UINT32_MAX)
    return cr__fail(CR_E_ARGUMENT, "%s: cuda draws from up to %lld weights, not %lld", k->op,
                    (long long)UINT32_MAX, (long long)w->m);
  int64_t rows = w->m < AT_A_TIME ? AT_A_TIME / w->m : 1;
  for (int64_t row = 0; row < w->rows; row += rows) {
    int code = draw_rows(k, w, to, row, w->rows - row < rows ? w->rows - row : rows);
    if (code) return code;
  }
  return 0;
}

/* As cr__cpu_multinomial. */
extern "C" int cr__cuda_multinomial(cr__launch *k) {
  const cr__view *out = &k->multinomial.out, *in = &k->multinomial.weights;
  bool repeat = k->multinomial.replacement, many = in->ndim == 2;
  int last = in->ndim - 1;
  weights w = {in->data,
               in->dtype,
               many ? in->shape[0] : 1,
               in->shape[last],
               many ? in->stride[0] : 0,
               in->stride[last]};
  places to = {(int64_t *)(void *)out->data, out->shape[last], many ? out->stride[0] : 0,
               out->stride[last]};
  if (w.rows == 0) return 0;
  int code = check_weights(k, &w, to.n, repeat);
  if (code || to.n == 0) return code;
  return repeat ? run_with(k, &w, &to) : run_without(k, &w, &to);
}
