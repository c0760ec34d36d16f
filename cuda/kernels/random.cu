/* cuda/kernels/random.cu: kernels that draw random numbers.
 *
 * Holds true: element i (in row-major order of the output's shape) is the CPU's to the bit: it
 * takes the same words of the same block of the generator (cpu/loops/loops_random.c), and the same
 * rounded steps (compiled without contraction). A thread draws four elements, so that no block is computed
 * twice. */
#include "convert.cuh"
#include "grid.h"
#include "runtime/runtime.h"

extern "C" {
#include "cpu/random.h"
}
#include "scalar/philox.h"

/* ---- Four elements of each distribution ---- */

static __device__ __forceinline__ void four_words(const cr__draw &d, int64_t quad, uint64_t w[4]) {
#pragma unroll
  for (int b = 0; b < 2; b++) {
    uint32_t words[4];
    cr__philox(d.seed, d.offset + 2 * (uint64_t)quad + (uint64_t)b, words);
    w[2 * b] = cr__rng_pair(words[0], words[1]);
    w[2 * b + 1] = cr__rng_pair(words[2], words[3]);
  }
}

struct uniform_f32 {
  static constexpr int dtype = CR_FLOAT32;
  static __device__ void four(const cr__draw &d, int64_t quad, float x[4]) {
    uint32_t w[4];
    float from = (float)d.a, span = (float)(d.b - d.a), top = (float)d.top;
    cr__philox(d.seed, d.offset + (uint64_t)quad, w);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      float y = cr__rng_unit_f32(w[i], d.bits) * span + from;
      x[i] = y > top ? top : y;
    }
  }
};

struct uniform_f64 {
  static constexpr int dtype = CR_FLOAT64;
  static __device__ void four(const cr__draw &d, int64_t quad, double x[4]) {
    uint64_t w[4];
    double span = d.b - d.a;
    four_words(d, quad, w);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      double y = cr__rng_unit_f64(w[i]) * span + d.a;
      x[i] = y > d.top ? d.top : y;
    }
  }
};

struct normal_f32 {
  static constexpr int dtype = CR_FLOAT32;
  static __device__ void four(const cr__draw &d, int64_t quad, float x[4]) {
    uint32_t w[4];
    float mean = (float)d.a, std = (float)d.b;
    cr__philox(d.seed, d.offset + (uint64_t)quad, w);
#pragma unroll
    for (int i = 0; i < 4; i += 2) {
      float a, b;
      cr__rng_normal_f32(w[i], w[i + 1], &a, &b);
      x[i] = a * std + mean;
      x[i + 1] = b * std + mean;
    }
  }
};

struct normal_f64 {
  static constexpr int dtype = CR_FLOAT64;
  static __device__ void four(const cr__draw &d, int64_t quad, double x[4]) {
    uint64_t w[4];
    four_words(d, quad, w);
#pragma unroll
    for (int i = 0; i < 4; i += 2) {
      double a, b;
      cr__rng_normal_f64(w[i], w[i + 1], &a, &b);
      x[i] = a * d.b + d.a;
      x[i + 1] = b * d.b + d.a;
    }
  }
};

struct exponential_f32 {
  static constexpr int dtype = CR_FLOAT32;
  static __device__ void four(const cr__draw &d, int64_t quad, float x[4]) {
    uint32_t w[4];
    float rate = (float)d.a;
    cr__philox(d.seed, d.offset + (uint64_t)quad, w);
#pragma unroll
    for (int i = 0; i < 4; i++) x[i] = -cr__rng_log_f32(cr__rng_open_f32(w[i])) / rate;
  }
};

struct exponential_f64 {
  static constexpr int dtype = CR_FLOAT64;
  static __device__ void four(const cr__draw &d, int64_t quad, double x[4]) {
    uint64_t w[4];
    four_words(d, quad, w);
#pragma unroll
    for (int i = 0; i < 4; i++) x[i] = -cr__rng_log_f64(cr__rng_open_f64(w[i])) / d.a;
  }
};

struct cauchy_f32 {
  static constexpr int dtype = CR_FLOAT32;
  static __device__ void four(const cr__draw &d, int64_t quad, float x[4]) {
    uint32_t w[4];
    float median = (float)d.a, sigma = (float)d.b;
    cr__philox(d.seed, d.offset + (uint64_t)quad, w);
#pragma unroll
    for (int i = 0; i < 4; i++) x[i] = cr__rng_tangent_f32(w[i]) * sigma + median;
  }
};

struct cauchy_f64 {
  static constexpr int dtype = CR_FLOAT64;
  static __device__ void four(const cr__draw &d, int64_t quad, double x[4]) {
    uint64_t w[4];
    four_words(d, quad, w);
#pragma unroll
    for (int i = 0; i < 4; i++) x[i] = cr__rng_tangent_f64(w[i]) * d.b + d.a;
  }
};
struct geometric_f32 {
  static constexpr int dtype = CR_FLOAT32;
  static __device__ void four(const cr__draw &d, int64_t quad, float x[4]) {
    uint32_t w[4];
    float scale = (float)d.a;
    cr__philox(d.seed, d.offset + (uint64_t)quad, w);
#pragma unroll
    for (int i = 0; i < 4; i++) x[i] = ceilf(cr__rng_log_f32(cr__rng_open_f32(w[i])) / scale);
  }
};
struct geometric_f64 {
  static constexpr int dtype = CR_FLOAT64;
  static __device__ void four(const cr__draw &d, int64_t quad, double x[4]) {
    uint64_t w[4];
    four_words(d, quad, w);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      double y = ceil(cr__rng_log_f64(cr__rng_open_f64(w[i])) / d.a);
      x[i] = y > d.top ? d.top : y;
    }
  }
};

struct log_normal_f32 {
  static constexpr int dtype = CR_FLOAT32;
  static __device__ void four(const cr__draw &d, int64_t quad, float x[4]) {
    normal_f32::four(d, quad, x);
#pragma unroll
    for (int i = 0; i < 4; i++) x[i] = cr__rng_exp_f32(x[i]);
  }
};
struct log_normal_f64 {
  static constexpr int dtype = CR_FLOAT64;
  static __device__ void four(const cr__draw &d, int64_t quad, double x[4]) {
    normal_f64::four(d, quad, x);
#pragma unroll
    for (int i = 0; i < 4; i++) x[i] = cr__rng_exp_f64(x[i]);
  }
};

struct integers {
  static constexpr int dtype = CR_INT64;
  static __device__ void four(const cr__draw &d, int64_t quad, int64_t x[4]) {
    uint64_t w[4];
    four_words(d, quad, w);
#pragma unroll
    for (int i = 0; i < 4; i++)
      x[i] = (int64_t)(d.range ? (uint64_t)d.low + cr__rng_below(w[i], d.range) : w[i]);
  }
};

/* ---- Storing ---- */

typedef struct target {
  cr__places<2> places; /* of the output, and of probabilities */
  void *data;
  int32_t dtype;
  bool dense; /* the output is contiguous and aligned to 16 bytes */
  int64_t n;
} target;

template <int TO, int D>
static __device__ __forceinline__ void store_dense(const target &t, int64_t first,
                                                   const typename cr__element<D>::value x[4]) {
  typedef typename cr__element<TO>::memory memory;
  constexpr int BYTES = 4 * sizeof(memory), PACKET = BYTES < 16 ? BYTES : 16;
  __align__(16) memory y[4];
#pragma unroll
  for (int i = 0; i < 4; i++) y[i] = cr__element<TO>::pack(cr__value_as<TO>(x[i]));
#pragma unroll
  for (int b = 0; b < BYTES; b += PACKET)
    cr__store_packet<PACKET>((char *)t.data + first * sizeof(memory) + b, (const char *)y + b);
}

/* Elements 4 * quad and on, as far as there are some. */
template <int D>
static __device__ __forceinline__ void store_four(const target &t, int64_t quad,
                                                  const typename cr__element<D>::value x[4]) {
  int64_t first = 4 * quad;
  if (t.dense && first + 4 <= t.n) {
    switch (t.dtype) {
#define X(NAME, name, bytes, category) \
  case CR_##NAME: store_dense<CR_##NAME, D>(t, first, x); return;
      CR_DTYPES(X)
#undef X
    }
  }
#pragma unroll
  for (int i = 0; i < 4; i++) {
    int64_t at[1];
    if (first + i >= t.n) break;
    cr__locate(t.places, first + i, at);
    cr__store_from<D>(t.data, t.dtype, at[0], x[i]);
  }
}

/* Operands: out, and another one of its shape, or out again. */
static cr__iter rows_of(const cr__view *out, const cr__view *other) {
  const int64_t *strides[] = {out->stride, other->stride};
  return cr__row_major(out->ndim, out->shape, 2, strides, UINT32_MAX);
}

static target target_of(const cr__view *out, const cr__iter *it) {
  bool dense = cr__iter_dense(it, 0) && (uintptr_t)out->data % 16 == 0;
  return {cr__places_of<2>(it), out->data, out->dtype, dense, it->numel};
}

/* ---- Kernels ---- */

template <class K> static __global__ void fill(cr__draw d, target t) {
  CR__EACH(quad, (t.n + 3) / 4) {
    typename cr__element<K::dtype>::value x[4];
    K::four(d, quad, x);
    store_four<K::dtype>(t, quad, x);
  }
}

template <class K> static int run(const cr__launch *k, const cr__view *out, const cr__draw *d) {
  cr__iter it = rows_of(out, out);
  if (it.numel == 0) return 0;
  target t = target_of(out, &it);
  return CR__LAUNCH(k->op, fill<K>, cr__blocks_for((t.n + 3) / 4), CR__THREADS, 0, *d, t);
}

static cr__draw draw_of(cr__rng_place rng) {
  cr__draw d = {};
  d.seed = rng.seed;
  d.offset = rng.offset;
  return d;
}

/* As cr__cpu_uniform; so below. */
extern "C" int cr__cuda_uniform(cr__launch *k) {
  cr__draw d = draw_of(k->uniform.rng);
  int dtype = k->uniform.out.dtype;
  d.a = k->uniform.from, d.b = k->uniform.to, d.top = k->uniform.top;
  d.bits = dtype == CR_FLOAT16 ? 11 : dtype == CR_BFLOAT16 ? 8 : 24;
  return dtype == CR_FLOAT64 ? run<uniform_f64>(k, &k->uniform.out, &d) : run<uniform_f32>(k, &k->uniform.out, &d);
}

extern "C" int cr__cuda_normal(cr__launch *k) {
  cr__draw d = draw_of(k->normal.rng);
  d.a = k->normal.mean, d.b = k->normal.std;
  return k->normal.out.dtype == CR_FLOAT64 ? run<normal_f64>(k, &k->normal.out, &d) : run<normal_f32>(k, &k->normal.out, &d);
}

extern "C" int cr__cuda_exponential(cr__launch *k) {
  cr__draw d = draw_of(k->exponential.rng);
  d.a = k->exponential.rate;
  return k->exponential.out.dtype == CR_FLOAT64 ? run<exponential_f64>(k, &k->exponential.out, &d) : run<exponential_f32>(k, &k->exponential.out, &d);
}

extern "C" int cr__cuda_cauchy(cr__launch *k) {
  cr__draw d = draw_of(k->cauchy.rng);
  d.a = k->cauchy.median, d.b = k->cauchy.sigma;
  return k->cauchy.out.dtype == CR_FLOAT64 ? run<cauchy_f64>(k, &k->cauchy.out, &d) : run<cauchy_f32>(k, &k->cauchy.out, &d);
}

extern "C" int cr__cuda_geometric(cr__launch *k) {
  cr__draw d = draw_of(k->geometric.rng);
  const cr__view *out = &k->geometric.out;
  bool wide = out->dtype == CR_FLOAT64 || cr__category((cr_dtype)out->dtype) == CR_INTEGRAL;
  d.a = k->geometric.scale, d.top = k->geometric.top;
  return wide ? run<geometric_f64>(k, out, &d) : run<geometric_f32>(k, out, &d);
}

extern "C" int cr__cuda_log_normal(cr__launch *k) {
  cr__draw d = draw_of(k->log_normal.rng);
  d.a = k->log_normal.mean, d.b = k->log_normal.std;
  return k->log_normal.out.dtype == CR_FLOAT64 ? run<log_normal_f64>(k, &k->log_normal.out, &d) : run<log_normal_f32>(k, &k->log_normal.out, &d);
}

extern "C" int cr__cuda_randint(cr__launch *k) {
  cr__draw d = draw_of(k->randint.rng);
  d.low = k->randint.low, d.range = (uint64_t)k->randint.range;
  return run<integers>(k, &k->randint.out, &d);
}

/* ---- Bernoulli ---- */

typedef struct chances {
  const char *data; /* NULL: p for all */
  int32_t dtype;
  double p, one;           /* one: what stands for a success */
  unsigned long long *bad; /* the first position whose probability is none */
} chances;

/* A word is below this for a one; exact, as words are integers. */
static __device__ __forceinline__ uint64_t threshold(double p) {
  return (uint64_t)ceil(p * 0x1p32);
}

static __device__ double chance(const target &t, const chances &c, int64_t i) {
  int64_t at[2];
  cr__locate(t.places, i, at);
  return cr__load_as<CR_FLOAT64>(c.data, c.dtype, at[1]);
}

static __global__ void judge(target t, chances c) {
  CR__EACH(i, t.n) {
    double p = chance(t, c, i);
    if (!(p >= 0 && p <= 1)) atomicMin(c.bad, (unsigned long long)i);
  }
}

static __global__ void toss(cr__draw d, target t, chances c) {
  uint64_t same = threshold(c.p);
  CR__EACH(quad, (t.n + 3) / 4) {
    uint32_t w[4];
    double x[4];
    cr__philox(d.seed, d.offset + (uint64_t)quad, w);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      bool own = c.data && 4 * quad + i < t.n;
      x[i] = w[i] < (own ? threshold(chance(t, c, 4 * quad + i)) : same) ? c.one : 0;
    }
    store_four<CR_FLOAT64>(t, quad, x);
  }
}

/* Fails if a probability is none, and names the first. */
static int check_chances(const cr__launch *k, const cr__iter *it, const unsigned long long *bad) {
  cudaStream_t s = cr__stream();
  unsigned long long first;
  char element[CR__MAX_ELEMENT];
  int code =
      cr__cuda_check(k->op, cudaMemcpyAsync(&first, bad, sizeof first, cudaMemcpyDeviceToHost, s));
  if (!code) code = cr__cuda_check(k->op, cudaStreamSynchronize(s));
  if (code || first == UINT64_MAX) return code;
  int64_t at = 0;
  for (int d = 0; d < it->ndim; d++) {
    at += (int64_t)first % it->shape[d] * it->stride[1][d];
    first = (unsigned long long)((int64_t)first / it->shape[d]);
  }
  size_t size = cr__size_of((cr_dtype)k->bernoulli.p.dtype);
  code = cr__cuda_check(k->op, cudaMemcpyAsync(element, k->bernoulli.p.data + at * (int64_t)size, size,
                                               cudaMemcpyDeviceToHost, s));
  if (!code) code = cr__cuda_check(k->op, cudaStreamSynchronize(s));
  if (code) return code;
  return cr__fail(CR_E_ARGUMENT, "%s: probabilities lie from 0 to 1; got %g", k->op,
                  cr__load_scalar(element, (cr_dtype)k->bernoulli.p.dtype).u.f);
}

/* All probabilities are read before the first element is written: a call that fails has changed nothing. */
static int toss_by_tensor(const cr__launch *k, const cr__iter *it, const cr__draw *d,
                          const target *t, chances c) {
  int ordinal = k->device - CR_CUDA, code = cr__refuse_capture(k->op);
  if (code) return code;
  c.bad = (unsigned long long *)cr__cuda_alloc(ordinal, sizeof *c.bad);
  if (!c.bad) return CR_E_MEMORY;
  c.data = k->bernoulli.p.data;
  c.dtype = k->bernoulli.p.dtype;
  code = cr__cuda_check(k->op, cudaMemsetAsync(c.bad, 0xff, sizeof *c.bad, cr__stream()));
  if (!code) code = CR__LAUNCH(k->op, judge, cr__blocks_for(t->n), CR__THREADS, 0, *t, c);
  if (!code) code = check_chances(k, it, c.bad);
  if (!code)
    code = CR__LAUNCH(k->op, toss, cr__blocks_for((t->n + 3) / 4), CR__THREADS, 0, *d, *t, c);
  cr__cuda_free(ordinal, c.bad, sizeof *c.bad);
  return code;
}

extern "C" int cr__cuda_bernoulli(cr__launch *k) {
  cr__draw d = draw_of(k->bernoulli.rng);
  const cr__view *out = &k->bernoulli.out, *p = &k->bernoulli.p;
  bool by_tensor = p->data;
  cr__iter it = rows_of(out, by_tensor ? p : out);
  if (it.numel == 0) return 0;
  target t = target_of(out, &it);
  bool floating = cr__category((cr_dtype)t.dtype) == CR_FLOATING;
  chances c = {NULL, 0, k->bernoulli.probability, floating ? k->bernoulli.one : 1, NULL};
  if (by_tensor) return toss_by_tensor(k, &it, &d, &t, c);
  return CR__LAUNCH(k->op, toss, cr__blocks_for((t.n + 3) / 4), CR__THREADS, 0, d, t, c);
}
