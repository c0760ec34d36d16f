/* cuda/kernels/softmax.cu: softmax and log_softmax along a dim, and their derivatives.
 *
 * Holds true: the views are contiguous, seen as outer x n x inner. Lines along memory stay in the
 * registers of up to a warp or in the shared memory of a block where they fit, and are read twice
 * where not; lines side by side are read twice, a thread or several to each. Sums are gathered in
 * double, in an order that depends on the sizes alone; all else is computed as on the CPU. */
#include "lanes.cuh"
#include "sums.cuh"

/* Blocks of short lines are smaller, as their threads need many registers. */
enum { THREADS = 256, SHORT_THREADS = 128, LONG_EACH = 8, CACHE_BYTES = 40960 };

typedef struct lines {
  char *out;
  const char *a, *b; /* b: of derivatives */
  int out_dtype, a_dtype, b_dtype;
  int64_t count, n, inner; /* count: of lines */
  int group;
  bool log, cached, wide; /* wide: all lines begin and end at multiples of 16 bytes */
} lines;

static __device__ __forceinline__ float power(float x) { return f32_exp_below(x); }
static __device__ __forceinline__ double power(double x) { return f64_exp(x); }

static __device__ __forceinline__ float larger(float x, float y) { return fmaxf(x, y); }
static __device__ __forceinline__ double larger(double x, double y) { return fmax(x, y); }
/* What a line's elements need to know of all of it. */
template <class N> struct summary { N x, y, z; };

/* The logarithm of 1 + rest, by the way that the CPU takes as well. */
static __device__ double log_of_sum(double rest) {
  return rest >= 0.25 ? f64_log(1 + rest) : f64_log1p(rest);
}

/* From here on a probability leaves the others so little that 1 less it has lost digits. */
#define GREAT 0.75
#define LOG_GREAT -0.28768207245178092744

/* The largest element and the sum of exp(a - largest) of all but one of that size, which stands for the
 * 1 that would round away what is small. What is not there counts as -infinity. A NaN is no largest
 * element, but makes the rest NaN; a line of -infinity alone has the rest 0, and its results are NaN
 * from the subtraction. */
template <class N> struct forward {
  enum { inputs = 1 };
  typedef N number;
  typedef cr__log_sum::state state;
  static __device__ __forceinline__ N absent() { return -(N)INFINITY; }
  static __device__ __forceinline__ state start() { return {-INFINITY, 0}; }
  static __device__ __forceinline__ void join(state &s, const state &other) { cr__log_sum::join(s, other); }
  template <int U>
  static __device__ __forceinline__ void take(state &s, const N *a, const N *, bool) {
    N before = (N)s.top, top = before;
#pragma unroll
    for (int i = 0; i < U; i++) top = larger(top, a[i]);
    N from = top == -(N)INFINITY ? 0 : top;
    bool found = before == top;
    double rest = found || before == -(N)INFINITY ? s.rest : (1 + s.rest) * power(before - from);
#pragma unroll
    for (int i = 0; i < U; i++) {
      bool is_top = !found && a[i] == top;
      N e = power(a[i] - from);
      found = found || is_top;
      rest += is_top ? 0 : (double)e;
    }
    s.top = top;
    s.rest = top == (N)INFINITY ? (double)NAN : rest;
  }
  static __device__ __forceinline__ summary<N> sum_up(const state &s, bool log_) {
    return {(N)s.top, log_ ? (N)log_of_sum(s.rest) : 0, (N)(1 / (1 + s.rest))};
  }
  static __device__ __forceinline__ N value(const summary<N> &s, N a, N, bool log_) {
    if (log_) return a - s.x - s.y;
    return power(a - s.x) * s.z;
  }
  /* The logarithm of the sum of exp(a - top). Of an infinite top PyTorch's way makes NaN: inf - inf. */
  template <int U> static __device__ __forceinline__ N rest_of(const N *a, N top, int group) {
    double others = 0;
    int tops = 0;
#pragma unroll
    for (int i = 0; i < U; i++) {
      bool is_top = a[i] == top && isfinite(top);
      N e = power(a[i] - top);
      tops += is_top;
      others += is_top ? 0 : (double)e;
    }
    for (int by = group / 2; by > 0; by /= 2) {
      others += __shfl_xor_sync(0xffffffffu, others, by, group);
      tops += __shfl_xor_sync(0xffffffffu, tops, by, group);
    }
    return (N)log_of_sum(others + (tops - 1));
  }
  /* A line that `group` lanes hold, U elements each: as its largest element is known before any sum
   * begins, each exponential is computed once, and takes its element's place. */
  template <int U>
  static __device__ __forceinline__ void finish(N *a, const N *, int group, bool log_) {
    N top = a[0];
#pragma unroll
    for (int i = 1; i < U; i++) top = larger(top, a[i]);
    for (int by = group / 2; by > 0; by /= 2)
      top = larger(top, __shfl_xor_sync(0xffffffffu, top, by, group));
    if (log_) {
      N rest = rest_of<U>(a, top, group);
#pragma unroll
      for (int i = 0; i < U; i++) a[i] = a[i] - top - rest;
      return;
    }
    double total = 0;
    N power_of[U];
#pragma unroll
    for (int i = 0; i < U; i++) {
      power_of[i] = power(a[i] - top);
      total += power_of[i];
    }
    for (int by = group / 2; by > 0; by /= 2)
      total += __shfl_xor_sync(0xffffffffu, total, by, group);
    N share = (N)(1 / total);
#pragma unroll
    for (int i = 0; i < U; i++) a[i] = power_of[i] * share;
  }
};

/* a: the gradient by the result, b: the result. The gradient of an element whose probability is great
 * is the difference of two numbers that are nearly equal: it is computed from what the others are. */
template <class N> struct backward {
  enum { inputs = 2 };
  typedef N number;
  /* Sums of gradients, times probabilities where those are no logarithms; `others` and `chance`, the
   * sum of the probabilities, without what is great. */
  struct state {
    double total, others, chance;
  };
  static __device__ __forceinline__ N absent() { return 0; }
  static __device__ __forceinline__ state start() { return {0, 0, 0}; }
  static __device__ __forceinline__ void join(state &s, const state &other) {
    s.total += other.total, s.others += other.others, s.chance += other.chance;
  }
  static __device__ __attribute__((noinline)) N great_log(double a, double b, double others) {
    double less = f64_expm1(b); /* the probability, less 1 */
    return (N)(-a * less - (1 + less) * others);
  }
  static __device__ __forceinline__ bool great(N b, bool log_) {
    return b > (N)(log_ ? LOG_GREAT : GREAT);
  }
  template <int U>
  static __device__ __forceinline__ void take(state &s, const N *a, const N *b, bool log_) {
    double sum = 0, others = 0, chance = 0;
#pragma unroll
    for (int i = 0; i < U; i++) {
      N part = log_ ? a[i] : a[i] * b[i];
      sum += part;
      others += great(b[i], log_) ? 0 : part;
      chance += great(b[i], log_) ? 0 : b[i];
    }
    s.total += sum, s.others += others, s.chance += chance;
  }
  static __device__ __forceinline__ summary<N> sum_up(const state &s, bool) {
    return {(N)s.total, (N)s.others, (N)s.chance};
  }
  static __device__ __forceinline__ N value(const summary<N> &s, N a, N b, bool log_) {
    if (log_) {
      if (great(b, log_)) return great_log(a, b, s.y);
      return a - power(b) * s.x;
    }
    return great(b, log_) ? b * (a * s.z - s.y) : b * (a - s.x);
  }
  template <int U>
  static __device__ __forceinline__ void finish(N *a, const N *b, int group, bool log_) {
    state s = start();
    take<U>(s, a, b, log_);
    int any = 0; /* in the whole warp, which so stays together */
#pragma unroll
    for (int i = 0; i < U; i++) any |= great(b[i], log_);
    for (int by = 16; by > 0; by /= 2) any |= __shfl_xor_sync(0xffffffffu, any, by);
    for (int by = group / 2; by > 0; by /= 2) {
      s.total += __shfl_xor_sync(0xffffffffu, s.total, by, group);
      if (!any) continue;
      s.others += __shfl_xor_sync(0xffffffffu, s.others, by, group);
      s.chance += __shfl_xor_sync(0xffffffffu, s.chance, by, group);
    }
    summary<N> all = sum_up(s, log_);
#pragma unroll
    for (int i = 0; i < U; i++) a[i] = value(all, a[i], b[i], log_);
  }
};

/* ---- Lines along memory ---- */

/* Which elements of a line a thread has: U of them in turns of all threads, single ones or, where
 * wide, the L::run of 16 bytes. */
typedef struct share {
  int64_t base, first, n; /* of the line; its element that the turns begin with; its length */
  int thread, threads, dtype;
  bool wide;
} share;

/* Fills x; beyond the line's end with `absent`. */
template <class L, int U>
static __device__ __forceinline__ void
load_share(const share &s, const char *from, typename L::number *x, typename L::number absent) {
  if (L::run > 1 && s.wide) {
#pragma unroll
    for (int i = 0; i < U; i += L::run) {
      int64_t r = s.first + (i * s.threads + s.thread * L::run);
#pragma unroll
      for (int j = 0; j < L::run; j++) x[i + j] = absent;
      if (r < s.n) L::load_run(x + i, from, s.base + r);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < U; i++) {
    int64_t r = s.first + (i * s.threads + s.thread);
    x[i] = r < s.n ? L::load(from, s.dtype, s.base + r) : absent;
  }
}

template <class L, int U>
static __device__ __forceinline__ void store_share(const share &s, char *to,
                                                   const typename L::number *x) {
  if (L::run > 1 && s.wide) {
#pragma unroll
    for (int i = 0; i < U; i += L::run) {
      int64_t r = s.first + (i * s.threads + s.thread * L::run);
      if (r < s.n) L::store_run(to, s.base + r, x + i);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < U; i++) {
    int64_t r = s.first + (i * s.threads + s.thread);
    if (r < s.n) L::store(to, s.dtype, s.base + r, x[i]);
  }
}

/* The same for the views of a call. */
template <class L, class F, int U>
static __device__ __forceinline__ void load_both(const lines &c, share &s, typename L::number *a,
                                                 typename L::number *b) {
  s.dtype = c.a_dtype;
  load_share<L, U>(s, c.a, a, F::absent());
  s.dtype = c.b_dtype;
  if (F::inputs == 2) load_share<L, U>(s, c.b, b, F::absent());
}
template <class L, class F, int U>
static __device__ __forceinline__ void
store_values(const lines &c, share &s, const summary<typename L::number> &all,
             typename L::number *a, const typename L::number *b) {
#pragma unroll
  for (int i = 0; i < U; i++) a[i] = F::value(all, a[i], F::inputs == 2 ? b[i] : 0, c.log);
  s.dtype = c.out_dtype;
  store_share<L, U>(s, c.out, a);
}

/* c.group lanes have a line of up to c.group * E elements in their registers. */
template <class L, class F, int E>
static __global__ void __launch_bounds__(SHORT_THREADS) short_lines(lines c) {
  typedef typename L::number N;
  int64_t line = (int64_t)blockIdx.x * (SHORT_THREADS / c.group) + threadIdx.x / (unsigned)c.group;
  share own = {line * c.n, 0,     line < c.count ? c.n : 0, (int)threadIdx.x % c.group, c.group,
               0,          c.wide};
  N a[E], b[E];
  load_both<L, F, E>(c, own, a, b);
  F::template finish<E>(a, b, c.group, c.log);
  own.dtype = c.out_dtype;
  store_share<L, E>(own, c.out, a);
}

/* A block to a line. If c.cached, what a thread has read waits in shared memory, in an order of its
 * own: each thread comes back for what it has put there. */
template <class L, class F> static __global__ void __launch_bounds__(THREADS) long_lines(lines c) {
  enum { U = LONG_EACH };
  typedef typename L::number N;
  CR__SHARED(N, cache);
  __shared__ typename F::state room[THREADS / 32];
  __shared__ summary<N> shared_all;
  share own = {(int64_t)blockIdx.x * c.n, 0, c.n, (int)threadIdx.x, THREADS, 0, c.wide};
  N *second = cache + (c.n + U * THREADS - 1) / (U * THREADS) * (U * THREADS);
  typename F::state s = F::start();
  N a[U], b[U];
  for (; own.first < c.n; own.first += U * THREADS) {
    load_both<L, F, U>(c, own, a, b);
#pragma unroll
    for (int i = 0; c.cached && i < U; i++) {
      cache[own.first + i * THREADS + threadIdx.x] = a[i];
      if (F::inputs == 2) second[own.first + i * THREADS + threadIdx.x] = b[i];
    }
    F::template take<U>(s, a, b, c.log);
  }
  s = cr__join_group<F>(s, THREADS, room);
  if (threadIdx.x == 0) shared_all = F::sum_up(s, c.log);
  __syncthreads();
  summary<N> all = shared_all;
  for (own.first = 0; own.first < c.n; own.first += U * THREADS) {
    if (!c.cached) load_both<L, F, U>(c, own, a, b);
#pragma unroll
    for (int i = 0; c.cached && i < U; i++) {
      a[i] = cache[own.first + i * THREADS + threadIdx.x];
      if (F::inputs == 2) b[i] = second[own.first + i * THREADS + threadIdx.x];
    }
    store_values<L, F, U>(c, own, all, a, b);
  }
}

/* ---- Lines side by side ---- */

/* c.group lines to a block, and a layer of threads to every so-manieth element of them. */
template <class L, class F> static __global__ void __launch_bounds__(THREADS) side_lines(lines c) {
  enum { U = 8 };
  typedef typename L::number N;
  __shared__ typename F::state room[THREADS];
  int layers = THREADS / c.group, layer = (int)threadIdx.x / c.group;
  int across = (int)threadIdx.x % c.group;
  int64_t line = (int64_t)blockIdx.x * c.group + across;
  int64_t n = line < c.count ? c.n : 0;
  int64_t base = line / c.inner * c.n * c.inner + line % c.inner;
  typename F::state s = F::start();
  for (int64_t at = layer; at < n; at += (int64_t)U * layers) {
    N a[U], b[U];
#pragma unroll
    for (int i = 0; i < U; i++) {
      int64_t r = at + (int64_t)i * layers;
      a[i] = b[i] = F::absent();
      if (r >= n) continue;
      a[i] = L::load(c.a, c.a_dtype, base + r * c.inner);
      if (F::inputs == 2) b[i] = L::load(c.b, c.b_dtype, base + r * c.inner);
    }
    F::template take<U>(s, a, b, c.log);
  }
  room[threadIdx.x] = s;
  __syncthreads();
  for (int half = layers / 2; half > 0; half /= 2) {
    if (layer < half) F::join(room[threadIdx.x], room[threadIdx.x + half * c.group]);
    __syncthreads();
  }
  summary<N> all = F::sum_up(room[across], c.log);
#pragma unroll 4
  for (int64_t r = layer; r < n; r += layers) {
    int64_t at = base + r * c.inner;
    N a = L::load(c.a, c.a_dtype, at), b = F::inputs == 2 ? L::load(c.b, c.b_dtype, at) : 0;
    L::store(c.out, c.out_dtype, at, F::value(all, a, b, c.log));
  }
}

/* ---- Choosing the kernel ---- */

static int power_of_two(int64_t n, int most) {
  int p = 1;
  while (p < n && p < most) p *= 2;
  return p;
}

template <class L, class F> static int run_side(const cr__launch *k, lines *c) {
  c->group = power_of_two(c->count, c->n < 16 ? THREADS : 32);
  unsigned grid = (unsigned)((c->count + c->group - 1) / c->group);
  auto kernel = side_lines<L, F>;
  return CR__LAUNCH(k->op, kernel, grid, THREADS, 0, *c);
}

template <class L, class F> static int run_long(const cr__launch *k, lines *c) {
  int64_t turn = LONG_EACH * THREADS, slots = (c->n + turn - 1) / turn * turn;
  size_t nbytes = (size_t)slots * sizeof(typename L::number) * (size_t)F::inputs;
  c->cached = nbytes <= CACHE_BYTES;
  auto kernel = long_lines<L, F>;
  return CR__LAUNCH(k->op, kernel, (unsigned)c->count, THREADS, c->cached ? nbytes : 0, *c);
}

template <class L, class F, int E> static int run_short(const cr__launch *k, lines *c) {
  c->group = power_of_two((c->n + E - 1) / E, 32);
  int64_t rows = SHORT_THREADS / c->group;
  unsigned grid = (unsigned)((c->count + rows - 1) / rows);
  auto kernel = short_lines<L, F, E>;
  return CR__LAUNCH(k->op, kernel, grid, SHORT_THREADS, 0, *c);
}

/* All views have one dtype, From. */
template <int From, int D, template <class> class F>
static int run_known(const cr__launch *k, lines *c) {
  typedef cr__known<From, D> L;
  typedef F<typename L::number> G;
  if (c->inner > 1) return run_side<L, G>(k, c);
  uintptr_t places = (uintptr_t)c->out | (uintptr_t)c->a | (uintptr_t)c->b;
  c->wide = c->n % L::run == 0 && places % 16 == 0;
  if (c->n <= 8 * 32) return run_short<L, G, 8>(k, c);
  if (c->n <= 16 * 32) return run_short<L, G, 16>(k, c);
  if (c->n <= 32 * 32) return run_short<L, G, 32>(k, c);
  return run_long<L, G>(k, c);
}

template <int D, template <class> class F> static int run_mixed(const cr__launch *k, lines *c) {
  typedef cr__any<D> L;
  typedef F<typename L::number> G;
  return c->inner > 1 || c->n <= 32 ? run_side<L, G>(k, c) : run_long<L, G>(k, c);
}

/* b: NULL where there is one input. */
template <template <class> class F>
static int run(const cr__launch *k, const cr__view *out, const cr__view *a, const cr__view *b, cr__line_sizes l,
               bool log) {
  lines c = {};
  c.out = out->data, c.out_dtype = out->dtype;
  c.a = a->data, c.a_dtype = a->dtype;
  if (b) c.b = b->data, c.b_dtype = b->dtype;
  c.count = l.outer * l.inner, c.n = l.n, c.inner = l.inner, c.log = log;
  if (c.count == 0 || c.n == 0) return 0;
  bool same = c.a_dtype == c.out_dtype && (!b || c.b_dtype == c.out_dtype);
  if (!same && c.out_dtype == CR_FLOAT64) return run_mixed<CR_FLOAT64, F>(k, &c);
  if (!same) return run_mixed<CR_FLOAT32, F>(k, &c);
  switch (c.out_dtype) {
  case CR_FLOAT64: return run_known<CR_FLOAT64, CR_FLOAT64, F>(k, &c);
  case CR_FLOAT32: return run_known<CR_FLOAT32, CR_FLOAT32, F>(k, &c);
  case CR_FLOAT16: return run_known<CR_FLOAT16, CR_FLOAT32, F>(k, &c);
  default: return run_known<CR_BFLOAT16, CR_FLOAT32, F>(k, &c);
  }
}

/* As cr__cpu_softmax and cr__cpu_softmax_backward. */
extern "C" int cr__cuda_softmax(cr__launch *k) {
  return run<forward>(k, &k->softmax.out, &k->softmax.from, NULL, k->softmax.lines, k->softmax.log);
}

extern "C" int cr__cuda_softmax_backward(cr__launch *k) {
  const cr__softmax_backward_slots *s = &k->softmax_backward;
  return run<backward>(k, &s->out, &s->grad, &s->result, s->lines, s->log);
}
