/* random.c: kernels that draw random numbers.
 *
 * Holds true: element i (in row-major order of the output's shape) depends on seed, offset and i
 * alone; chunks of CR__DRAW_CHUNK elements are drawn into a buffer and stored from there, whatever
 * the output's strides, and however many threads there are. */
#include <math.h>
#include <stdlib.h>

#include "cpu/cpu.h"
#include "cpu/random.h"
#include "philox.h"

/* ---- Loops for this processor --------------------------------------------------------------- */

#ifdef __x86_64__
extern const cr__draw_loops cr__draw_loops_v2, cr__draw_loops_v3, cr__draw_loops_v4;
static const cr__draw_loops *loops(void) {
  static const cr__draw_loops *const by_level[] = {&cr__draw_loops_v2, &cr__draw_loops_v3,
                                                   &cr__draw_loops_v4};
  return by_level[cr__cpu_level()];
}
#else
extern const cr__draw_loops cr__draw_loops_base;
static const cr__draw_loops *loops(void) { return &cr__draw_loops_base; }
#endif

static cr__draw draw_of(const cr__launch *k) {
  return (cr__draw){.seed = (uint64_t)k->i[0], .offset = (uint64_t)k->i[1]};
}

/* ---- Storing ------------------------------------------------------------------------------- */

/* Drops dims of size 1 and joins those that lie in memory like one. */
static void collapse(cr__view *v) {
  int n = 0;
  for (int i = 0; i < v->ndim; i++) {
    if (v->shape[i] == 1) continue;
    if (n && v->stride[n - 1] == v->stride[i] * v->shape[i]) {
      v->shape[n - 1] *= v->shape[i];
    } else {
      v->shape[n] = v->shape[i];
      n++;
    }
    v->stride[n - 1] = v->stride[i];
  }
  if (!n) v->shape[0] = 1, v->stride[0] = 1, n = 1;
  v->ndim = n;
}

static int64_t count(const cr__view *v) {
  int64_t n = 1;
  for (int i = 0; i < v->ndim; i++) n *= v->shape[i];
  return n;
}

/* The offset of element `i`, and how many more follow it along the last dim (itself included). */
static int64_t place(const cr__view *v, int64_t i, int64_t *run) {
  int last = v->ndim - 1;
  int64_t at = i % v->shape[last], offset = at * v->stride[last];
  *run = v->shape[last] - at;
  i /= v->shape[last];
  for (int d = last - 1; d >= 0; d--) {
    offset += i % v->shape[d] * v->stride[d];
    i /= v->shape[d];
  }
  return offset;
}

#define STORE(T, value)                                                                            \
  for (int64_t i = 0; i < n; i++) ((T *)to)[i * stride] = (T)(value);                              \
  break

static void store_f32(char *to, int dtype, int64_t stride, const float *x, int64_t n) {
  switch (dtype) {
  case CR_FLOAT32: STORE(float, x[i]);
  case CR_FLOAT16: STORE(uint16_t, cr__float_to_half(x[i]));
  case CR_BFLOAT16: STORE(uint16_t, cr__float_to_bfloat(x[i]));
  default: break;
  }
}

static void store_f64(char *to, int64_t stride, const double *x, int64_t n) {
  for (int64_t i = 0; i < n; i++) ((double *)to)[i * stride] = x[i];
}

static void store_i64(char *to, int dtype, int64_t stride, const int64_t *x, int64_t n) {
  switch (dtype) {
  case CR_FLOAT64: STORE(double, x[i]);
  case CR_FLOAT32: STORE(float, x[i]);
  case CR_FLOAT16: STORE(uint16_t, cr__float_to_half((float)x[i]));
  case CR_BFLOAT16: STORE(uint16_t, cr__float_to_bfloat((float)x[i]));
  case CR_INT64: STORE(int64_t, x[i]);
  case CR_INT32: STORE(int32_t, x[i]);
  case CR_INT16: STORE(int16_t, x[i]);
  case CR_INT8: STORE(int8_t, x[i]);
  case CR_UINT8: STORE(uint8_t, x[i]);
  case CR_BOOL: STORE(uint8_t, x[i] != 0);
  default: break;
  }
}

typedef enum kind { KIND_F32, KIND_F64, KIND_I64 } kind;

static void store(const cr__view *v, int64_t first, int64_t n, kind kind, const void *buffer) {
  int64_t size = (int64_t)cr__size_of((cr_dtype)v->dtype), stride = v->stride[v->ndim - 1], run;
  for (int64_t done = 0; done < n; done += run) {
    char *to = v->data + place(v, first + done, &run) * size;
    if (run > n - done) run = n - done;
    if (kind == KIND_F32) {
      store_f32(to, v->dtype, stride, (const float *)buffer + done, run);
    } else if (kind == KIND_F64) {
      store_f64(to, stride, (const double *)buffer + done, run);
    } else {
      store_i64(to, v->dtype, stride, (const int64_t *)buffer + done, run);
    }
  }
}

static int fill(const cr__launch *k, const cr__draw *d, cr__draw_loop loop, kind kind) {
  cr__view v = k->v[0];
  collapse(&v);
  int64_t n = count(&v), nchunk = (n + CR__DRAW_CHUNK - 1) / CR__DRAW_CHUNK;
#pragma omp parallel for num_threads(cr__cpu_threads(n * 4))
  for (int64_t c = 0; c < nchunk; c++) {
    double buffer[CR__DRAW_CHUNK];
    int64_t first = c * CR__DRAW_CHUNK, left = n - first;
    loop(d, first, buffer);
    store(&v, first, left < CR__DRAW_CHUNK ? left : CR__DRAW_CHUNK, kind, buffer);
  }
  return 0;
}

/* ---- Kernels ------------------------------------------------------------------------------- */

/* v[0] floating. i: seed, offset. f: from, to, the largest value to give. */
int cr__cpu_uniform(cr__launch *k) {
  cr__draw d = draw_of(k);
  int dtype = k->v[0].dtype;
  d.a = k->f[0], d.b = k->f[1], d.top = k->f[2];
  d.bits = dtype == CR_FLOAT16 ? 11 : dtype == CR_BFLOAT16 ? 8 : 24;
  if (dtype == CR_FLOAT64) return fill(k, &d, loops()->uniform_f64, KIND_F64);
  return fill(k, &d, loops()->uniform_f32, KIND_F32);
}

/* v[0] floating. i: seed, offset. f: mean, standard deviation. */
int cr__cpu_normal(cr__launch *k) {
  cr__draw d = draw_of(k);
  d.a = k->f[0], d.b = k->f[1];
  if (k->v[0].dtype == CR_FLOAT64) return fill(k, &d, loops()->normal_f64, KIND_F64);
  return fill(k, &d, loops()->normal_f32, KIND_F32);
}

/* v[0] floating. i: seed, offset. f: rate > 0. */
int cr__cpu_exponential(cr__launch *k) {
  cr__draw d = draw_of(k);
  d.a = k->f[0];
  if (k->v[0].dtype == CR_FLOAT64) return fill(k, &d, loops()->exponential_f64, KIND_F64);
  return fill(k, &d, loops()->exponential_f32, KIND_F32);
}

/* v[0] any dtype that holds the numbers. i: seed, offset, low, how many from low on. */
int cr__cpu_randint(cr__launch *k) {
  cr__draw d = draw_of(k);
  d.low = k->i[2], d.range = (uint64_t)k->i[3];
  return fill(k, &d, loops()->integers, KIND_I64);
}

/* Reads n probabilities; false if one of them is none. */
static bool read_probabilities(const cr__view *v, int64_t first, int64_t n, double *p) {
  int64_t stride = v->stride[v->ndim - 1], run;
  bool good = true;
  for (int64_t done = 0; done < n; done += run) {
    const char *from = v->data + place(v, first + done, &run) * (int64_t)cr__size_of((cr_dtype)v->dtype);
    if (run > n - done) run = n - done;
    for (int64_t i = 0; i < run; i++) {
      double x;
      switch (v->dtype) {
      case CR_FLOAT64: x = ((const double *)from)[i * stride]; break;
      case CR_FLOAT32: x = ((const float *)from)[i * stride]; break;
      case CR_FLOAT16: x = cr__half_to_float(((const uint16_t *)from)[i * stride]); break;
      default: x = cr__bfloat_to_float(((const uint16_t *)from)[i * stride]); break;
      }
      good &= x >= 0 && x <= 1;
      p[done + i] = x;
    }
  }
  return good;
}

/* The first of n elements of v that is no probability; they are looked at again, to name it. */
static double first_bad(const cr__view *v, int64_t n) {
  double p[CR__DRAW_CHUNK];
  for (int64_t first = 0; first < n; first += CR__DRAW_CHUNK) {
    int64_t left = n - first < CR__DRAW_CHUNK ? n - first : CR__DRAW_CHUNK;
    if (read_probabilities(v, first, left, p)) continue;
    for (int64_t i = 0; i < left; i++) {
      if (!(p[i] >= 0 && p[i] <= 1)) return p[i];
    }
  }
  return NAN;
}

/* A word is below this for a one; exact, as words are integers. */
static uint64_t threshold(double p) { return (uint64_t)ceil(p * 0x1p32); }

/* Draws and stores chunk c; false if a probability is none. */
static bool bernoulli_chunk(const cr__draw *d, const cr__view *v, const cr__view *probability, int64_t c,
                            int64_t n, double p, double value) {
  enum { N = CR__DRAW_CHUNK };
  uint32_t words[N];
  uint64_t limit[N];
  double ps[N];
  union { float f32[N]; double f64[N]; int64_t i64[N]; } x;
  int64_t first = c * N, left = n - first < N ? n - first : N;
  loops()->words_32(d, first, words);
  if (probability && !read_probabilities(probability, first, left, ps)) return false;
  uint64_t same = threshold(p);
  for (int i = 0; i < N; i++) limit[i] = probability && i < left ? threshold(ps[i]) : same;
  bool floating = cr__category((cr_dtype)v->dtype) == CR_FLOATING;
  kind kind = v->dtype == CR_FLOAT64 ? KIND_F64 : floating ? KIND_F32 : KIND_I64;
  if (kind == KIND_F64) {
    for (int i = 0; i < N; i++) x.f64[i] = words[i] < limit[i] ? value : 0;
  } else if (kind == KIND_F32) {
    for (int i = 0; i < N; i++) x.f32[i] = words[i] < limit[i] ? (float)value : 0;
  } else {
    for (int i = 0; i < N; i++) x.i64[i] = words[i] < limit[i];
  }
  store(v, first, left, kind, &x);
  return true;
}

/* v[0] any dtype; v[1], if there, floating probabilities in v[0]'s shape. i: seed, offset. f: the
 * probability where there is no v[1], the value that stands for one (1 for other than floats). */
int cr__cpu_bernoulli(cr__launch *k) {
  cr__draw d = draw_of(k);
  cr__view v = k->v[0], p = k->v[k->nview - 1];
  collapse(&v);
  collapse(&p);
  int64_t n = count(&v), nchunk = (n + CR__DRAW_CHUNK - 1) / CR__DRAW_CHUNK;
  bool bad = false;
#pragma omp parallel for num_threads(cr__cpu_threads(n * 4)) reduction(|| : bad)
  for (int64_t c = 0; c < nchunk; c++) {
    bad = !bernoulli_chunk(&d, &v, k->nview > 1 ? &p : NULL, c, n, k->f[0], k->f[1]) || bad;
  }
  if (!bad) return 0;
  return cr__fail(CR_E_ARGUMENT, "%s: probabilities lie from 0 to 1; got %g", k->op, first_bad(&p, n));
}

/* ---- Permutations -------------------------------------------------------------------------- */

typedef struct keyed { uint64_t key; int64_t position; } keyed;

static bool comes_before(keyed a, keyed b) {
  return a.key < b.key || (a.key == b.key && a.position < b.position);
}

/* Sorts by uniform 64-bit keys: into buckets by their upper bits, then within each by insertion. */
static void sort_keys(const cr__draw *d, int64_t n, int shift, int64_t nbucket, int64_t *start,
                      keyed *sorted) {
  uint64_t keys[CR__DRAW_CHUNK];
  for (int64_t b = 0; b <= nbucket; b++) start[b] = 0;
  for (int64_t i = 0; i < n; i++) {
    if (i % CR__DRAW_CHUNK == 0) loops()->words_64(d, i, keys);
    start[(keys[i % CR__DRAW_CHUNK] >> shift) + 1]++;
  }
  for (int64_t b = 0; b < nbucket; b++) start[b + 1] += start[b];
  for (int64_t i = 0; i < n; i++) {
    if (i % CR__DRAW_CHUNK == 0) loops()->words_64(d, i, keys);
    keyed x = {keys[i % CR__DRAW_CHUNK], i};
    sorted[start[x.key >> shift]++] = x;
  }
  for (int64_t i = 1; i < n; i++) { /* each bucket's few elements lie together already */
    keyed x = sorted[i];
    int64_t j = i;
    for (; j > 0 && comes_before(x, sorted[j - 1]); j--) sorted[j] = sorted[j - 1];
    sorted[j] = x;
  }
}

/* v[0] one dim, any dtype that holds 1 to n. i: seed, offset. The positions in the order of one
 * 64-bit draw each (in their own order if two are equal). */
int cr__cpu_randperm(cr__launch *k) {
  cr__view *v = &k->v[0];
  cr__draw d = draw_of(k);
  int64_t n = v->shape[0], order[CR__DRAW_CHUNK];
  int bits = 1;
  while (bits < 48 && (int64_t)4 << bits < n) bits++;
  int64_t nbucket = (int64_t)1 << bits;
  size_t nstart = (size_t)(nbucket + 1) * sizeof(int64_t), nsorted = (size_t)n * sizeof(keyed);
  int64_t *start = cr__host_alloc(nstart + nsorted);
  if (!start) return cr_error_code();
  keyed *sorted = (keyed *)(void *)(start + nbucket + 1);
  sort_keys(&d, n, 64 - bits, nbucket, start, sorted);
  for (int64_t first = 0; first < n; first += CR__DRAW_CHUNK) {
    int64_t left = n - first < CR__DRAW_CHUNK ? n - first : CR__DRAW_CHUNK;
    for (int64_t i = 0; i < left; i++) order[i] = sorted[first + i].position + 1;
    store(v, first, left, KIND_I64, order);
  }
  cr__host_free(start, nstart + nsorted);
  return 0;
}

/* ---- Multinomial --------------------------------------------------------------------------- */

/* Reads a row of m weights; its sum, or -1 if a weight is negative or not finite. */
static double read_weights(const cr__view *v, int64_t row, int64_t m, double *w, int64_t *positive) {
  int64_t size = (int64_t)cr__size_of((cr_dtype)v->dtype), step = v->stride[v->ndim - 1];
  const char *from = v->data + (v->ndim == 2 ? row * v->stride[0] * size : 0);
  double sum = 0;
  *positive = 0;
  for (int64_t i = 0; i < m; i++) {
    const char *at = from + i * step * size;
    switch (v->dtype) {
    case CR_FLOAT64: w[i] = *(const double *)(const void *)at; break;
    case CR_FLOAT32: w[i] = *(const float *)(const void *)at; break;
    case CR_FLOAT16: w[i] = cr__half_to_float(*(const uint16_t *)(const void *)at); break;
    default: w[i] = cr__bfloat_to_float(*(const uint16_t *)(const void *)at); break;
    }
    if (!(w[i] >= 0) || isinf(w[i])) return -1;
    *positive += w[i] > 0;
    sum += w[i];
  }
  return sum;
}

/* One 64-bit draw, element i of the call. */
static uint64_t word_64(const cr__draw *d, int64_t i) {
  uint32_t w[4];
  cr__philox(d->seed, d->offset + (uint64_t)i / 2, w);
  return i % 2 ? cr__rng_pair(w[2], w[3]) : cr__rng_pair(w[0], w[1]);
}

/* Each draw falls somewhere in the sum of weights: by bisection of the running sums, in w. */
static void draw_with(const cr__draw *d, int64_t first, int64_t n, int64_t m, double *w, int64_t *to,
                      int64_t step) {
  int64_t last = 0;
  for (int64_t i = 0; i < m; i++) {
    if (w[i] > 0) last = i;
    if (i) w[i] += w[i - 1];
  }
  for (int64_t j = 0; j < n; j++) {
    double target = cr__rng_unit_f64(word_64(d, first + j)) * w[m - 1];
    int64_t low = 0, high = last; /* the first position whose running sum passes target */
    while (low < high) {
      int64_t middle = low + (high - low) / 2;
      if (w[middle] > target) high = middle;
      else low = middle + 1;
    }
    to[j * step] = low + 1;
  }
}

typedef struct arrival { double time; int64_t position; } arrival;

static int compare_arrivals(const void *a, const void *b) {
  const arrival *x = a, *y = b;
  if (x->time != y->time) return x->time < y->time ? -1 : 1;
  return x->position < y->position ? -1 : 1;
}

/* Position i arrives after an exponential time with rate w[i]; the first n to arrive are drawn. */
static void draw_without(const cr__draw *d, int64_t first, int64_t n, int64_t m, const double *w,
                         arrival *arrivals, int64_t *to, int64_t step) {
  for (int64_t i = 0; i < m; i++) {
    double wait = -cr__rng_log_f64(cr__rng_open_f64(word_64(d, first + i)));
    arrivals[i] = (arrival){w[i] > 0 ? wait / w[i] : INFINITY, i};
  }
  qsort(arrivals, (size_t)m, sizeof *arrivals, compare_arrivals);
  for (int64_t j = 0; j < n; j++) to[j * step] = arrivals[j].position + 1;
}

/* v[0] int64 (rows x) n; v[1] floating weights (rows x) m. i: seed, offset, whether positions may
 * repeat (if not, n <= m). */
int cr__cpu_multinomial(cr__launch *k) {
  cr__view *out = &k->v[0], *in = &k->v[1];
  cr__draw d = draw_of(k);
  bool repeat = k->i[2];
  int last = in->ndim - 1;
  int64_t rows = in->ndim == 2 ? in->shape[0] : 1, m = in->shape[last], n = out->shape[last];
  size_t nbytes = (size_t)m * (sizeof(double) + sizeof(arrival));
  double *w = cr__host_alloc(nbytes);
  if (!w) return cr_error_code();
  int code = 0;
  for (int64_t row = 0; row < rows && !code; row++) {
    int64_t positive, step = out->stride[last];
    int64_t *to = (int64_t *)(void *)out->data + (out->ndim == 2 ? row * out->stride[0] : 0);
    double sum = read_weights(in, row, m, w, &positive);
    if (sum < 0 || isinf(sum)) {
      code = cr__fail(CR_E_ARGUMENT, "%s: weights must be finite and not negative (row %lld)", k->op,
                      (long long)row + 1);
    } else if (positive < (repeat ? 1 : n)) {
      code = cr__fail(CR_E_ARGUMENT, "%s: row %lld has %lld positive weights, too few for %lld draws %s",
                      k->op, (long long)row + 1, (long long)positive, (long long)n,
                      repeat ? "with replacement" : "without replacement");
    } else if (repeat) {
      draw_with(&d, row * n, n, m, w, to, step);
    } else {
      draw_without(&d, row * m, n, m, w, (arrival *)(void *)(w + m), to, step);
    }
  }
  cr__host_free(w, nbytes);
  return code;
}
