/* cuda/kernels/reduce.cu: folds dims of a tensor: sums, products, extremes, norms, moments.
 *
 * Holds true: float sums, products and moments are gathered in double, integers wrap in int64. Once
 * an extreme is NaN it stays NaN. */
#include "reduce_again.cuh"

/* The type that elements N are gathered in. */
template <class N> struct wide { typedef double type; };
template <> struct wide<int64_t> { typedef int64_t type; };

/* Out of line, as all kernels share it. */
template <class N> static __attribute__((noinline)) __device__ N power_of(N x, N p) {
  if constexpr (sizeof(N) == 4) return f32_pow(fabsf(x), p);
  else return f64_pow(fabs(x), p);
}

template <class N> static __attribute__((noinline)) __device__ N power_of_e(N x) {
  if constexpr (sizeof(N) == 4) return f32_exp(x);
  else return f64_exp(x);
}

/* What becomes of n elements before they are folded. */
template <int U, class N> static __device__ __forceinline__ void map(const cr__fold_call &c, N *x) {
  if (c.map == CR__MAP_NONZERO) {
#pragma unroll
    for (int i = 0; i < U; i++) x[i] = x[i] != 0 ? 1 : 0;
  }
  if constexpr (std::is_floating_point<N>::value) {
    switch (c.map) {
    case CR__MAP_ABS:
#pragma unroll
      for (int i = 0; i < U; i++) x[i] = fabs(x[i]);
      break;
    case CR__MAP_SQUARE:
#pragma unroll
      for (int i = 0; i < U; i++) x[i] = x[i] * x[i];
      break;
    case CR__MAP_POWER:
#pragma unroll
      for (int i = 0; i < U; i++) x[i] = power_of(x[i], (N)c.power);
      break;
    case CR__MAP_NAN_TO_ZERO:
#pragma unroll
      for (int i = 0; i < U; i++) x[i] = x[i] != x[i] ? 0 : x[i];
      break;
    default: break;
    }
  }
}

/* Out of line, too. */
static __attribute__((noinline)) __device__ void finish_float(char *out, int dtype, int64_t at,
                                                              int ending, double number, double x) {
  switch (ending) {
  case CR__FINISH_DIVIDE: x /= number; break;
  case CR__FINISH_DIVIDE_ROOT: x = sqrt(x / number); break;
  case CR__FINISH_POWER: x = f64_root(x, number); break;
  default: break;
  }
  cr__store_from<CR_FLOAT64>(out, dtype, at, x);
}
template <class S>
static __device__ __forceinline__ void finish_number(const cr__fold_call &c, S x, int64_t at) {
  if constexpr (std::is_same<S, int64_t>::value)
    cr__store_from<CR_INT64>(c.out, c.out_dtype, at, x);
  else {
    double number = c.ending == CR__FINISH_POWER ? c.power : c.number;
    finish_float(c.out, c.out_dtype, at, c.ending, number, (double)x);
  }
}

/* Joins U states, a power of two, into the first, as a tree. */
template <class F, int U> static __device__ __forceinline__ void join_all(typename F::state *s) {
  if constexpr (U > 1) {
#pragma unroll
    for (int i = 0; i < U / 2; i++) F::join(s[i], s[i + U / 2]);
    join_all<F, U / 2>(s);
  }
}

/* Sums and products. */
template <class N, bool PRODUCT> struct total {
  typedef N number;
  typedef typename wide<N>::type state;
  static __device__ __forceinline__ state start(const cr__fold_call &) { return PRODUCT; }
  static __device__ __forceinline__ void join(state &s, state other) {
    if constexpr (!std::is_same<state, int64_t>::value) s = PRODUCT ? s * other : s + other;
    else { /* without a sign, so that it wraps */ uint64_t a = (uint64_t)s, b = (uint64_t)other;
      s = (int64_t)(PRODUCT ? a * b : a + b);
    }
  }
  template <int U>
  static __device__ __forceinline__ void take(const cr__fold_call &c, state &s, N *x, unsigned mask,
                                              const int64_t *) {
    state y[U];
    if (c.map) map<U>(c, x);
#pragma unroll
    for (int i = 0; i < U; i++) y[i] = mask >> i & 1 ? (state)x[i] : (state)PRODUCT;
    join_all<total, U>(y);
    join(s, y[0]);
  }
  static __device__ __forceinline__ void finish(const cr__fold_call &c, state s, int64_t at) {
    finish_number(c, s, at);
  }
};

/* The largest or the smallest element. Of truths, the largest of none is false and the smallest
 * true. */
template <class N, bool SMALLEST> struct extreme {
  typedef N number;
  typedef N state;
  static __device__ __forceinline__ N start(const cr__fold_call &c) {
    if (c.map == CR__MAP_NONZERO) return SMALLEST;
    if constexpr (std::is_same<N, int64_t>::value) return SMALLEST ? INT64_MAX : INT64_MIN;
    else return SMALLEST ? (N)INFINITY : -(N)INFINITY;
  }
  static __device__ __forceinline__ void join(N &s, N other) {
    bool better = SMALLEST ? other < s : other > s;
    s = better || other != other ? other : s;
  }
  template <int U>
  static __device__ __forceinline__ void take(const cr__fold_call &c, N &s, N *x, unsigned mask,
                                              const int64_t *) {
    N none = start(c);
    if (c.map) map<U>(c, x);
#pragma unroll
    for (int i = 0; i < U; i++) x[i] = mask >> i & 1 ? x[i] : none;
    join_all<extreme, U>(x);
    join(s, x[0]);
  }
  static __device__ __forceinline__ void finish(const cr__fold_call &c, N s, int64_t at) {
    finish_number(c, s, at);
  }
};

/* The sum of the squared distances from the mean. */
struct moments_state {
  double count, mean, squares;
};
template <class N> struct moments {
  typedef N number;
  typedef moments_state state;
  static __device__ __forceinline__ state start(const cr__fold_call &) { return {0, 0, 0}; }
  /* Chan, Golub and LeVeque's way to join the moments of two sets. */
  static __device__ __forceinline__ void join(state &s, const state &other) {
    if (other.count == 0) return;
    if (s.count == 0) {
      s = other;
      return;
    }
    double all = s.count + other.count, delta = other.mean - s.mean, share = other.count / all;
    s.squares += other.squares + delta * delta * share * s.count;
    s.mean += delta * share;
    s.count = all;
  }
  template <int U>
  static __device__ __forceinline__ void take(const cr__fold_call &, state &s, N *x, unsigned mask,
                                              const int64_t *) {
    state few = {(double)__popc(mask), 0, 0};
    double rest = 0;
#pragma unroll
    for (int i = 0; i < U; i++) few.mean += mask >> i & 1 ? (double)x[i] : 0;
    if (few.count > 0) few.mean /= few.count;
#pragma unroll
    for (int i = 0; i < U; i++) {
      double d = mask >> i & 1 ? (double)x[i] - few.mean : 0;
      rest += d;
      few.squares += d * d;
    }
    if (few.count > 0) few.squares -= rest * rest / few.count;
    join(s, few);
  }
  static __device__ __forceinline__ void finish(const cr__fold_call &c, const state &s,
                                                int64_t at) {
    finish_number(c, s.squares, at);
  }
};

/* The logarithm of a sum of exponentials, which are measured from the largest element: that one stands
 * for 1, and the rest is added up by itself, lest the 1 rounds it away. */
struct logs_state {
  double top, rest;
};
template <class N> struct logs {
  typedef N number;
  typedef logs_state state;
  static __device__ __forceinline__ state start(const cr__fold_call &) { return {-INFINITY, 0}; }
  /* An infinite top, or a NaN, decides the result by itself. */
  static __device__ __forceinline__ void join(state &s, const state &other) {
    bool higher = other.top > s.top || other.top != other.top;
    double top = higher ? other.top : s.top, low = higher ? s.top : other.top;
    double rest = higher ? other.rest : s.rest, add = higher ? s.rest : other.rest;
    s.rest = isfinite(top) ? rest + (1 + add) * f64_exp(low - top) : 0;
    s.top = top;
  }
  template <int U>
  static __device__ __forceinline__ void take(const cr__fold_call &, state &s, N *x, unsigned mask,
                                              const int64_t *) {
    state few = {-INFINITY, 0};
#pragma unroll
    for (int i = 0; i < U; i++) {
      bool larger = (double)x[i] > few.top || x[i] != x[i];
      if ((mask >> i & 1) && larger) few.top = (double)x[i];
    }
    bool found = !isfinite(few.top);
#pragma unroll
    for (int i = 0; i < U; i++) {
      bool is_top = !found && (mask >> i & 1) && (double)x[i] == few.top;
      if (isfinite(few.top) && (mask >> i & 1) && !is_top)
        few.rest += (double)power_of_e(x[i] - (N)few.top);
      found = found || is_top;
    }
    join(s, few);
  }
  static __device__ __forceinline__ void finish(const cr__fold_call &c, const state &s,
                                                int64_t at) {
    finish_number(c, isfinite(s.top) ? s.top + f64_log1p(s.rest) : s.top, at);
  }
};

/* ---- Choosing the loop ---- */

template <class L> static int run_fold(const cr__launch *k, cr__fold_call *c) {
  typedef typename L::number N;
  switch (k->reduce.fold) {
  case CR__FOLD_SUM: return cr__fold_run<L, total<N, false>>(k, c);
  case CR__FOLD_PROD: return cr__fold_run<L, total<N, true>>(k, c);
  case CR__FOLD_MAX: return cr__fold_run<L, extreme<N, false>>(k, c);
  case CR__FOLD_MIN: return cr__fold_run<L, extreme<N, true>>(k, c);
  default: break;
  }
  if constexpr (std::is_floating_point<N>::value) {
    if (k->reduce.fold == CR__FOLD_LOGSUMEXP) return cr__fold_run<L, logs<N>>(k, c);
    return cr__fold_run<L, moments<N>>(k, c);
  }
  return 0; /* integers have neither moments nor logarithms */
}

static int run_float(const cr__launch *k, cr__fold_call *c) {
  switch (c->in_dtype) {
  case CR_FLOAT32: return run_fold<cr__known<CR_FLOAT32, CR_FLOAT32>>(k, c);
  case CR_FLOAT16: return run_fold<cr__known<CR_FLOAT16, CR_FLOAT32>>(k, c);
  case CR_BFLOAT16: return run_fold<cr__known<CR_BFLOAT16, CR_FLOAT32>>(k, c);
  default: return run_fold<cr__any<CR_FLOAT32>>(k, c);
  }
}

static int run_any(const cr__launch *k, cr__fold_call *c) {
  int compute = (int)k->reduce.compute;
  if (cr__category((cr_dtype)compute) != CR_FLOATING) {
    if (c->in_dtype == CR_INT64) return run_fold<cr__known<CR_INT64, CR_INT64>>(k, c);
    if (c->in_dtype == CR_UINT8 || c->in_dtype == CR_BOOL) {
      return run_fold<cr__known<CR_UINT8, CR_INT64>>(k, c);
    }
    return run_fold<cr__any<CR_INT64>>(k, c);
  }
  if (compute != CR_FLOAT64) return run_float(k, c);
  if (c->in_dtype == CR_FLOAT64) return run_fold<cr__known<CR_FLOAT64, CR_FLOAT64>>(k, c);
  if (c->in_dtype == CR_FLOAT32) return run_fold<cr__known<CR_FLOAT32, CR_FLOAT64>>(k, c);
  return run_fold<cr__any<CR_FLOAT64>>(k, c);
}

/* As cr__cpu_reduce. */
extern "C" int cr__cuda_reduce(cr__launch *k) {
  cr__fold_call c = {};
  cr__fold_plan(&c, &k->reduce.out, &k->reduce.from, (uint32_t)k->reduce.mask);
  if (c.kept.count == 0) return 0;
  c.out = k->reduce.out.data;
  c.out_dtype = k->reduce.out.dtype;
  c.map = (int)k->reduce.map;
  c.ending = (int)k->reduce.finish;
  c.power = k->reduce.power;
  c.number = k->reduce.number;
  c.fold = (int)k->reduce.fold;
  int code = run_any(k, &c);
  return code ? code : cr__fold_again(k, &c);
}
