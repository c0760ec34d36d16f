/* random.c: kernels that draw random numbers.
 *
 * Holds true: element i (in row-major order of the output's shape) depends on seed, offset and i
 * alone; chunks of CR__DRAW_CHUNK elements are drawn into a buffer and stored from there, whatever
 * the output's strides, and however many threads there are. */
#include <math.h>
#include <stdatomic.h>

#include "convert.h"
#include "random.h"

/* ---- Loops for this processor --------------------------------------------------------------- */

#ifdef __x86_64__
extern const cr__draw_loops cr__draw_loops_v2, cr__draw_loops_v3, cr__draw_loops_v4;
const cr__draw_loops *cr__draw_loops_here(void) {
  static const cr__draw_loops *const by_level[] = {&cr__draw_loops_v2, &cr__draw_loops_v3,
                                                   &cr__draw_loops_v4};
  return by_level[cr__cpu_level()];
}
#else
extern const cr__draw_loops cr__draw_loops_base;
const cr__draw_loops *cr__draw_loops_here(void) { return &cr__draw_loops_base; }
#endif

cr__draw cr__draw_of(cr__rng_place rng) {
  return (cr__draw){.seed = rng.seed, .offset = rng.offset};
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

/* Writes elements first .. first + n - 1 of v from a buffer of another dtype. */
static void store(const cr__view *v, int64_t first, int64_t n, int dtype, const void *buffer) {
  int64_t size = (int64_t)cr__size_of((cr_dtype)v->dtype), run;
  int64_t width = (int64_t)cr__size_of((cr_dtype)dtype);
  for (int64_t done = 0; done < n; done += run) {
    char *to = v->data + place(v, first + done, &run) * size;
    if (run > n - done) run = n - done;
    cr__write_run(to, v->dtype, v->stride[v->ndim - 1], (const char *)buffer + done * width, dtype,
                  run);
  }
}

void cr__store_integers(const cr__view *v, int64_t first, int64_t n, const int64_t *x) {
  store(v, first, n, CR_INT64, x);
}

typedef struct filling {
  cr__view v;
  const cr__draw *draw;
  cr__draw_loop loop;
  int dtype; /* of what the loop gives */
} filling;

static void fill_chunks(void *job, int64_t begin, int64_t end) {
  const filling *f = job;
  int64_t n = count(&f->v);
  for (int64_t c = begin; c < end; c++) {
    double buffer[CR__DRAW_CHUNK];
    int64_t first = c * CR__DRAW_CHUNK, left = n - first;
    f->loop(f->draw, first, buffer);
    store(&f->v, first, left < CR__DRAW_CHUNK ? left : CR__DRAW_CHUNK, f->dtype, buffer);
  }
}

static int fill(const cr__view *v, const cr__draw *d, cr__draw_loop loop, int dtype) {
  filling f = {*v, d, loop, dtype};
  collapse(&f.v);
  int64_t n = count(&f.v);
  return cr__cpu_share((n + CR__DRAW_CHUNK - 1) / CR__DRAW_CHUNK, n * 4, fill_chunks, &f);
}

/* ---- Kernels ------------------------------------------------------------------------------- */

/* `out` is floating; `top` is the largest value to give. */
int cr__cpu_uniform(cr__launch *k) {
  cr__draw d = cr__draw_of(k->uniform.rng);
  int dtype = k->uniform.out.dtype;
  d.a = k->uniform.from, d.b = k->uniform.to, d.top = k->uniform.top;
  d.bits = dtype == CR_FLOAT16 ? 11 : dtype == CR_BFLOAT16 ? 8 : 24;
  if (dtype == CR_FLOAT64)
    return fill(&k->uniform.out, &d, cr__draw_loops_here()->uniform_f64, CR_FLOAT64);
  return fill(&k->uniform.out, &d, cr__draw_loops_here()->uniform_f32, CR_FLOAT32);
}

/* `out` is floating. */
int cr__cpu_normal(cr__launch *k) {
  cr__draw d = cr__draw_of(k->normal.rng);
  d.a = k->normal.mean, d.b = k->normal.std;
  if (k->normal.out.dtype == CR_FLOAT64)
    return fill(&k->normal.out, &d, cr__draw_loops_here()->normal_f64, CR_FLOAT64);
  return fill(&k->normal.out, &d, cr__draw_loops_here()->normal_f32, CR_FLOAT32);
}

/* `out` is floating, rate > 0. */
int cr__cpu_exponential(cr__launch *k) {
  cr__draw d = cr__draw_of(k->exponential.rng);
  d.a = k->exponential.rate;
  if (k->exponential.out.dtype == CR_FLOAT64)
    return fill(&k->exponential.out, &d, cr__draw_loops_here()->exponential_f64, CR_FLOAT64);
  return fill(&k->exponential.out, &d, cr__draw_loops_here()->exponential_f32, CR_FLOAT32);
}

/* `out` is floating. */
int cr__cpu_cauchy(cr__launch *k) {
  cr__draw d = cr__draw_of(k->cauchy.rng);
  d.a = k->cauchy.median, d.b = k->cauchy.sigma;
  if (k->cauchy.out.dtype == CR_FLOAT64)
    return fill(&k->cauchy.out, &d, cr__draw_loops_here()->cauchy_f64, CR_FLOAT64);
  return fill(&k->cauchy.out, &d, cr__draw_loops_here()->cauchy_f32, CR_FLOAT32);
}

/* `out` has any dtype but bool; scale is log(1 - p), below 0; top is the largest value to give an integer. */
int cr__cpu_geometric(cr__launch *k) {
  cr__draw d = cr__draw_of(k->geometric.rng);
  int dtype = k->geometric.out.dtype;
  d.a = k->geometric.scale, d.top = k->geometric.top;
  if (dtype == CR_FLOAT64 || cr__category((cr_dtype)dtype) == CR_INTEGRAL)
    return fill(&k->geometric.out, &d, cr__draw_loops_here()->geometric_f64, CR_FLOAT64);
  return fill(&k->geometric.out, &d, cr__draw_loops_here()->geometric_f32, CR_FLOAT32);
}

/* `out` is floating. */
int cr__cpu_log_normal(cr__launch *k) {
  cr__draw d = cr__draw_of(k->log_normal.rng);
  d.a = k->log_normal.mean, d.b = k->log_normal.std;
  if (k->log_normal.out.dtype == CR_FLOAT64)
    return fill(&k->log_normal.out, &d, cr__draw_loops_here()->log_normal_f64, CR_FLOAT64);
  return fill(&k->log_normal.out, &d, cr__draw_loops_here()->log_normal_f32, CR_FLOAT32);
}

/* `out` has any dtype that holds the numbers, which are `range` from `low` on. */
int cr__cpu_randint(cr__launch *k) {
  cr__draw d = cr__draw_of(k->randint.rng);
  d.low = k->randint.low, d.range = (uint64_t)k->randint.range;
  return fill(&k->randint.out, &d, cr__draw_loops_here()->integers, CR_INT64);
}

/* Reads n probabilities; false if one of them is none. */
static bool read_probabilities(const cr__view *v, int64_t first, int64_t n, double *p) {
  int64_t size = (int64_t)cr__size_of((cr_dtype)v->dtype), run;
  for (int64_t done = 0; done < n; done += run) {
    const char *from = v->data + place(v, first + done, &run) * size;
    if (run > n - done) run = n - done;
    cr__read_run(p + done, CR_FLOAT64, from, v->dtype, v->stride[v->ndim - 1], run);
  }
  bool good = true;
  for (int64_t i = 0; i < n; i++) good &= p[i] >= 0 && p[i] <= 1;
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
static bool bernoulli_chunk(const cr__draw *d, const cr__view *v, const cr__view *probability,
                            int64_t c, int64_t n, double value) {
  enum { N = CR__DRAW_CHUNK };
  uint32_t words[N];
  double ps[N], x[N];
  int64_t first = c * N, left = n - first < N ? n - first : N;
  cr__draw_loops_here()->words_32(d, first, words);
  if (!read_probabilities(probability, first, left, ps)) return false;
  for (int64_t i = 0; i < left; i++) x[i] = words[i] < threshold(ps[i]) ? value : 0;
  store(v, first, left, CR_FLOAT64, x);
  return true;
}

typedef struct tossing {
  const cr__draw *d;
  const cr__view *v, *p;
  int64_t n;
  double one;
  atomic_bool bad; /* some probability is none */
} tossing;

static void toss_chunks(void *job, int64_t begin, int64_t end) {
  tossing *t = job;
  for (int64_t c = begin; c < end; c++)
    if (!bernoulli_chunk(t->d, t->v, t->p, c, t->n, t->one))
      atomic_store_explicit(&t->bad, true, memory_order_relaxed);
}

/* `out` has any dtype; `p`, if there, floating probabilities in its shape, else `probability` is that of all.
 * `one` stands for a one (1 for other than floats). */
int cr__cpu_bernoulli(cr__launch *k) {
  cr__draw d = cr__draw_of(k->bernoulli.rng);
  cr__view v = k->bernoulli.out, p = k->bernoulli.p;
  bool floating = cr__is_float((cr_dtype)v.dtype);
  double one = floating ? k->bernoulli.one : 1;
  if (!k->bernoulli.p.data) {
    d.a = one;
    d.range = threshold(k->bernoulli.probability);
    if (v.dtype == CR_FLOAT64)
      return fill(&k->bernoulli.out, &d, cr__draw_loops_here()->toss_f64, CR_FLOAT64);
    return fill(&k->bernoulli.out, &d, cr__draw_loops_here()->toss_f32, CR_FLOAT32);
  }
  collapse(&v);
  collapse(&p);
  int64_t n = count(&v);
  tossing t = {.d = &d, .v = &v, .p = &p, .n = n, .one = one};
  int code = cr__cpu_share((n + CR__DRAW_CHUNK - 1) / CR__DRAW_CHUNK, n * 4, toss_chunks, &t);
  if (code || !t.bad) return code;
  return cr__fail(CR_E_ARGUMENT, "%s: probabilities lie from 0 to 1; got %g", k->op,
                  first_bad(&p, n));
}
