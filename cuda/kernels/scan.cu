/* cuda/kernels/scan.cu: running sums, products and extremes along a dim.
 *
 * Holds true: floats are accumulated in double, integers in int64. The views are contiguous, seen
 * as outer x n x inner; a line is the n elements that share an outer and an inner position. Many
 * lines are a thread's work each. Of few, each is a block's: tile by tile, or, where there are fewer
 * still, cut into parts for several blocks, which begin with what the parts before them come to. The
 * order depends on the sizes alone. */
#include "lanes.cuh"
#include "scalar.cuh"

extern "C" {
#include "scalar/reduction.h"
}

enum { THREADS = 256, EACH = 4, TILE = THREADS * EACH, ENOUGH_LINES = 4096, FEW_LINES = 64 };

typedef struct scan {
  char *out, *indices;
  const char *in, *factors;
  char *parts; /* states: at first what each part comes to, then what lies before it */
  int out_dtype, in_dtype, factor_dtype;
  int64_t lines, n, inner;
  int64_t splits, part; /* parts of a line and their length, a multiple of TILE */
  bool reverse, smallest;
} scan;

/* The offset of a line's first element, and that of its element r in the order of the scan. */
static __device__ __forceinline__ int64_t line_base(const scan &c, int64_t line) {
  return line / c.inner * c.n * c.inner + line % c.inner;
}
static __device__ __forceinline__ int64_t place(const scan &c, int64_t base, int64_t r) {
  return base + (c.reverse ? c.n - 1 - r : r) * c.inner;
}

/* ---- What is scanned: join(s, later) has s come before `later` ---- */

template <int D, class L> struct numbers {
  typedef typename cr__element<D>::value state;
  static __device__ __forceinline__ state load(const scan &c, int64_t at, int64_t) {
    return L::load(c.in, c.in_dtype, at);
  }
  static __device__ __forceinline__ void store(const scan &c, int64_t at, state s) {
    if constexpr ((int)L::dtype != CR_DTYPE_NONE) {
      if (c.out_dtype == L::dtype) return L::store(c.out, c.out_dtype, at, s);
    }
    cr__store_from<D>(c.out, c.out_dtype, at, s);
  }
};

template <int D, class L> struct sums : numbers<D, L> {
  typedef typename cr__element<D>::value state;
  static __device__ __forceinline__ state none() { return 0; }
  static __device__ __forceinline__ void join(state &s, state later) {
    if constexpr (D == CR_INT64) s = (state)((uint64_t)s + (uint64_t)later);
    else s += later;
  }
};

template <int D, class L> struct products : numbers<D, L> {
  typedef typename cr__element<D>::value state;
  static __device__ __forceinline__ state none() { return 1; }
  static __device__ __forceinline__ void join(state &s, state later) {
    if constexpr (D == CR_INT64) s = (state)((uint64_t)s * (uint64_t)later);
    else s *= later;
  }
};

/* log(exp(a) + exp(b)). */
template <int D, class L> struct log_sums : numbers<D, L> {
  typedef double state;
  static __device__ __forceinline__ state none() { return -INFINITY; }
  static __device__ __forceinline__ void join(state &s, state later) {
    double high = s > later ? s : later, low = s > later ? later : s;
    if (s != s || later != later) s += later;
    else if (isinf(high)) s = high;
    else s = high + f64_log1p(f64_exp(low - high));
  }
};

template <class N> struct best_state {
  N value;
  int64_t position; /* from 1; 0: there is none yet */
};

/* A later element wins unless it is worse; a NaN wins over all but a later NaN. */
template <int D, class L> struct extremes {
  typedef typename cr__element<D>::value number;
  typedef best_state<number> state;
  static __device__ __forceinline__ state none() { return {0, 0}; }
  static __device__ __forceinline__ number turned(const scan &c, number x) {
    if constexpr (D == CR_INT64) return c.smallest ? ~x : x;
    else return c.smallest ? -x : x;
  }
  static __device__ __forceinline__ void join(state &s, const state &later) {
    if (later.position == 0) return;
    bool better = later.value != later.value || later.value >= s.value;
    if (s.position == 0 || better) s = later;
  }
  static __device__ __forceinline__ state load(const scan &c, int64_t at, int64_t r) {
    return {turned(c, L::load(c.in, c.in_dtype, at)), r + 1};
  }
  static __device__ __forceinline__ void store(const scan &c, int64_t at, const state &s) {
    cr__store_from<D>(c.out, c.out_dtype, at, turned(c, s.value));
    ((int64_t *)(void *)c.indices)[at] = s.position;
  }
};

/* ---- A thread to a line ---- */

template <class F> static __global__ void __launch_bounds__(THREADS) scan_lines(scan c) {
  enum { U = 8 };
  int64_t line = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (line >= c.lines) return;
  int64_t base = line_base(c, line);
  typename F::state s = F::none();
  for (int64_t r = 0; r < c.n; r += U) {
    typename F::state x[U];
#pragma unroll
    for (int i = 0; i < U; i++) {
      x[i] = r + i < c.n ? F::load(c, place(c, base, r + i), r + i) : F::none();
    }
#pragma unroll
    for (int i = 0; i < U; i++) {
      if (r + i >= c.n) break;
      F::join(s, x[i]);
      F::store(c, place(c, base, r + i), s);
    }
  }
}

/* ---- A block to a line, or to a part of it ---- */

/* Scans the block's states: each thread gets the join of those before it, and all of them that of
 * the whole block in *all. */
template <class F>
static __device__ typename F::state scan_block(typename F::state s, typename F::state *room,
                                               typename F::state *all) {
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  for (int by = 1; by < 32; by *= 2) {
    typename F::state before = cr__lane_before(s, by);
    if (lane < by) continue;
    F::join(before, s);
    s = before;
  }
  if (lane == 31) room[warp] = s;
  typename F::state before = cr__lane_before(s, 1), outside = F::none();
  __syncthreads();
  *all = F::none();
  for (int w = 0; w < THREADS / 32; w++) {
    if (w == warp) outside = *all;
    F::join(*all, room[w]);
  }
  __syncthreads();
  if (lane > 0) F::join(outside, before);
  return outside;
}

/* A tile of a part: EACH elements that lie together are a thread's. They come in through shared
 * memory so that neighbours read neighbours. */
template <class F>
static __device__ __forceinline__ void load_tile(const scan &c, int64_t base, int64_t at,
                                                 int64_t end, typename F::state *tile) {
#pragma unroll
  for (int i = 0; i < EACH; i++) {
    int64_t r = at + i * THREADS + threadIdx.x;
    tile[i * THREADS + threadIdx.x] = r < end ? F::load(c, place(c, base, r), r) : F::none();
  }
  __syncthreads();
}

/* What each part of each line comes to. */
template <class F> static __global__ void __launch_bounds__(THREADS) sum_parts(scan c) {
  __shared__ typename F::state room[THREADS / 32], tile[TILE];
  int64_t part = blockIdx.x % c.splits, line = blockIdx.x / c.splits, base = line_base(c, line);
  int64_t end = (part + 1) * c.part < c.n ? (part + 1) * c.part : c.n;
  typename F::state carry = F::none(), all;
  for (int64_t at = part * c.part; at < end; at += TILE) {
    load_tile<F>(c, base, at, end, tile);
    typename F::state s = tile[threadIdx.x * EACH];
    for (int i = 1; i < EACH; i++) F::join(s, tile[threadIdx.x * EACH + i]);
    scan_block<F>(s, room, &all);
    F::join(carry, all);
  }
  if (threadIdx.x == 0) ((typename F::state *)(void *)c.parts)[blockIdx.x] = carry;
}

/* From what each part comes to, to what lies before it. There are not many parts. */
template <class F> static __global__ void __launch_bounds__(32) join_parts(scan c) {
  if (threadIdx.x != 0) return;
  typename F::state *parts = (typename F::state *)(void *)c.parts + blockIdx.x * c.splits;
  typename F::state s = F::none();
  for (int64_t i = 0; i < c.splits; i++) {
    typename F::state part = parts[i];
    parts[i] = s;
    F::join(s, part);
  }
}

template <class F> static __global__ void __launch_bounds__(THREADS) scan_parts(scan c) {
  __shared__ typename F::state room[THREADS / 32], tile[TILE];
  int64_t part = blockIdx.x % c.splits, line = blockIdx.x / c.splits, base = line_base(c, line);
  int64_t end = (part + 1) * c.part < c.n ? (part + 1) * c.part : c.n;
  typename F::state carry = F::none(), all;
  if (c.parts) carry = ((const typename F::state *)(const void *)c.parts)[blockIdx.x];
  for (int64_t at = part * c.part; at < end; at += TILE) {
    load_tile<F>(c, base, at, end, tile);
    typename F::state *own = tile + threadIdx.x * EACH, s = own[0], before = carry;
    for (int i = 1; i < EACH; i++) F::join(s, own[i]);
    F::join(before, scan_block<F>(s, room, &all));
    for (int i = 0; i < EACH; i++) {
      F::join(before, own[i]);
      own[i] = before;
    }
    __syncthreads();
    F::join(carry, all);
#pragma unroll
    for (int i = 0; i < EACH; i++) {
      int64_t r = at + i * THREADS + threadIdx.x;
      if (r < end) F::store(c, place(c, base, r), tile[i * THREADS + threadIdx.x]);
    }
    __syncthreads();
  }
}

template <class F> static int run_lines(const cr__launch *k, const scan *c) {
  auto kernel = scan_lines<F>;
  unsigned grid = (unsigned)((c->lines + THREADS - 1) / THREADS);
  return CR__LAUNCH(k->op, kernel, grid, THREADS, 0, *c);
}

template <class F> static int run(const cr__launch *k, scan *c) {
  if (c->n <= 64 || c->lines >= ENOUGH_LINES) return run_lines<F>(k, c);
  int64_t tiles = (c->n + TILE - 1) / TILE, most = 1024 / c->lines;
  c->splits = 1, c->part = tiles * TILE;
  auto kernel = scan_parts<F>;
  if (c->lines > FEW_LINES || tiles < 8) {
    return CR__LAUNCH(k->op, kernel, (unsigned)c->lines, THREADS, 0, *c);
  }
  int64_t each = (tiles + most - 1) / most;
  if (each < 4) each = 4;
  c->part = each * TILE;
  c->splits = (tiles + each - 1) / each;
  int ordinal = cr__ordinal_of(k->device);
  unsigned blocks = (unsigned)(c->lines * c->splits);
  size_t nbytes = blocks * sizeof(typename F::state);
  c->parts = (char *)cr__cuda_alloc(ordinal, nbytes);
  if (!c->parts) return CR_E_MEMORY;
  auto sum = sum_parts<F>;
  auto join = join_parts<F>;
  int code = CR__LAUNCH(k->op, sum, blocks, THREADS, 0, *c);
  if (!code) code = CR__LAUNCH(k->op, join, (unsigned)c->lines, 32, 0, *c);
  if (!code) code = CR__LAUNCH(k->op, kernel, blocks, THREADS, 0, *c);
  cr__cuda_free(ordinal, c->parts, nbytes);
  return code;
}

/* ---- Recurrences: each element needs the one before it, in this order, so that no product of
 * factors overflows that the line itself does not have ---- */

static __device__ __forceinline__ double factor_at(const scan &c, int64_t base, int64_t r) {
  if (r == 0) return 0; /* the first element has no predecessor: its factor is not read */
  int64_t at = place(c, base, r);
  return cr__load_as<CR_FLOAT64>(c.factors, c.factor_dtype, c.reverse ? at + c.inner : at);
}

static __global__ void __launch_bounds__(THREADS) recur_lines(scan c) {
  int64_t line = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (line >= c.lines) return;
  int64_t base = line_base(c, line);
  double y = 0;
#pragma unroll 4
  for (int64_t r = 0; r < c.n; r++) {
    int64_t at = place(c, base, r);
    double x = cr__load_as<CR_FLOAT64>(c.in, c.in_dtype, at);
    y = r == 0 ? x : x + factor_at(c, base, r) * y;
    cr__store_from<CR_FLOAT64>(c.out, c.out_dtype, at, y);
  }
}

/* A block brings tiles of its line in and out of shared memory, where one thread goes along. */
static __global__ void __launch_bounds__(THREADS) recur_line(scan c) {
  __shared__ double x[TILE], factor[TILE];
  int64_t base = line_base(c, blockIdx.x);
  double y = 0;
  for (int64_t start = 0; start < c.n; start += TILE) {
    int64_t m = c.n - start < TILE ? c.n - start : (int64_t)TILE;
    for (int64_t i = threadIdx.x; i < m; i += THREADS) {
      x[i] = cr__load_as<CR_FLOAT64>(c.in, c.in_dtype, place(c, base, start + i));
      factor[i] = factor_at(c, base, start + i);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      for (int64_t i = 0; i < m; i++) x[i] = y = start + i == 0 ? x[i] : x[i] + factor[i] * y;
    }
    __syncthreads();
    for (int64_t i = threadIdx.x; i < m; i += THREADS) {
      cr__store_from<CR_FLOAT64>(c.out, c.out_dtype, place(c, base, start + i), x[i]);
    }
    __syncthreads();
  }
}

static int run_recurrence(const cr__launch *k, const scan *c) {
  if (c->n <= 64 || c->lines >= ENOUGH_LINES) {
    unsigned grid = (unsigned)((c->lines + THREADS - 1) / THREADS);
    return CR__LAUNCH(k->op, recur_lines, grid, THREADS, 0, *c);
  }
  return CR__LAUNCH(k->op, recur_line, (unsigned)c->lines, THREADS, 0, *c);
}

/* ---- The kernels of the catalogue ---- */

static scan scan_of(const cr__view *out, const cr__view *from, cr__line_sizes l) {
  scan c = {};
  c.out = out->data, c.out_dtype = out->dtype;
  c.in = from->data, c.in_dtype = from->dtype;
  c.lines = l.outer * l.inner, c.n = l.n, c.inner = l.inner;
  return c;
}

template <class L> static int run_float(const cr__launch *k, scan *c) {
  switch (k->scan.kind) {
  case CR__SCAN_SUM: return run<sums<CR_FLOAT64, L>>(k, c);
  case CR__SCAN_PROD: return run<products<CR_FLOAT64, L>>(k, c);
  default: return run<log_sums<CR_FLOAT64, L>>(k, c);
  }
}

template <class L> static int run_whole(const cr__launch *k, scan *c) {
  return k->scan.kind == CR__SCAN_SUM ? run<sums<CR_INT64, L>>(k, c) : run<products<CR_INT64, L>>(k, c);
}

/* As cr__cpu_scan. */
extern "C" int cr__cuda_scan(cr__launch *k) {
  scan c = scan_of(&k->scan.out, &k->scan.from, k->scan.lines);
  c.reverse = k->scan.reverse;
  if (c.lines == 0 || c.n == 0) return 0;
  if (cr__category((cr_dtype)c.out_dtype) != CR_FLOATING) {
    if (c.in_dtype == CR_INT32) return run_whole<cr__known<CR_INT32, CR_INT64>>(k, &c);
    if (c.in_dtype == CR_BOOL || c.in_dtype == CR_UINT8)
      return run_whole<cr__known<CR_UINT8, CR_INT64>>(k, &c);
    return run_whole<cr__any<CR_INT64>>(k, &c);
  }
  if (k->scan.kind == CR__SCAN_RECURRENCE) {
    c.factors = k->scan.factor.data, c.factor_dtype = k->scan.factor.dtype;
    return run_recurrence(k, &c);
  }
  switch (c.in_dtype) {
  case CR_FLOAT32: return run_float<cr__known<CR_FLOAT32, CR_FLOAT64>>(k, &c);
  case CR_FLOAT16: return run_float<cr__known<CR_FLOAT16, CR_FLOAT64>>(k, &c);
  case CR_BFLOAT16: return run_float<cr__known<CR_BFLOAT16, CR_FLOAT64>>(k, &c);
  default: break;
  }
  return run_float<cr__any<CR_FLOAT64>>(k, &c);
}

/* As cr__cpu_cumulative. */
extern "C" int cr__cuda_cumulative(cr__launch *k) {
  scan c = scan_of(&k->cumulative.values, &k->cumulative.from, k->cumulative.lines);
  c.indices = k->cumulative.indices.data;
  c.smallest = k->cumulative.smallest;
  if (c.lines == 0 || c.n == 0) return 0;
  if (cr__category((cr_dtype)c.in_dtype) == CR_FLOATING) {
    return run<extremes<CR_FLOAT64, cr__any<CR_FLOAT64>>>(k, &c);
  }
  return run<extremes<CR_INT64, cr__any<CR_INT64>>>(k, &c);
}
