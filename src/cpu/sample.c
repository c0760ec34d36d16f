/* sample.c: kernels that choose positions: permutations and weighted draws.
 *
 * Holds true: they come from the same counter as all other draws (random.c); positions count from 1. */
#include <math.h>
#include <stdlib.h>

#include "cpu/convert.h"
#include "cpu/random.h"
#include "philox.h"

/* ---- Permutations -------------------------------------------------------------------------- */

typedef struct keyed {
  uint64_t key;
  int64_t position;
} keyed;

static bool comes_before(keyed a, keyed b) {
  return a.key < b.key || (a.key == b.key && a.position < b.position);
}

/* Sorts by uniform 64-bit keys: into buckets by their upper bits, then within each by insertion. */
static void sort_keys(const cr__draw *d, int64_t n, int shift, int64_t nbucket, int64_t *start,
                      keyed *sorted) {
  uint64_t keys[CR__DRAW_CHUNK];
  for (int64_t b = 0; b <= nbucket; b++) start[b] = 0;
  for (int64_t i = 0; i < n; i++) {
    if (i % CR__DRAW_CHUNK == 0) cr__draw_loops_here()->words_64(d, i, keys);
    start[(keys[i % CR__DRAW_CHUNK] >> shift) + 1]++;
  }
  for (int64_t b = 0; b < nbucket; b++) start[b + 1] += start[b];
  for (int64_t i = 0; i < n; i++) {
    if (i % CR__DRAW_CHUNK == 0) cr__draw_loops_here()->words_64(d, i, keys);
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
  cr__draw d = cr__draw_of(k);
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
    cr__store_integers(v, first, left, order);
  }
  cr__host_free(start, nstart + nsorted);
  return 0;
}

/* ---- Multinomial --------------------------------------------------------------------------- */

/* Reads a row of m weights; its sum, or -1 if a weight is negative or not finite. */
static double read_weights(const cr__view *v, int64_t row, int64_t m, double *w,
                           int64_t *positive) {
  const char *from = v->data;
  if (v->ndim == 2) from += row * v->stride[0] * (int64_t)cr__size_of((cr_dtype)v->dtype);
  cr__read_run(w, CR_FLOAT64, from, v->dtype, v->stride[v->ndim - 1], m);
  double sum = 0;
  *positive = 0;
  for (int64_t i = 0; i < m; i++) {
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
static void draw_with(const cr__draw *d, int64_t first, int64_t n, int64_t m, double *w,
                      int64_t *to, int64_t step) {
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

typedef struct arrival {
  double time;
  int64_t position;
} arrival;

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
  cr__draw d = cr__draw_of(k);
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
      code = cr__fail(CR_E_ARGUMENT, "%s: weights must be finite and not negative (row %lld)",
                      k->op, (long long)row + 1);
    } else if (positive < (repeat ? 1 : n)) {
      code = cr__fail(CR_E_ARGUMENT,
                      "%s: row %lld has %lld positive weights, too few for %lld draws %s", k->op,
                      (long long)row + 1, (long long)positive, (long long)n,
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
