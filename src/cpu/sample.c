/* sample.c: kernels that choose positions: permutations and weighted draws.
 *
 * Holds true: they come from the same counter as all other draws (random.c); positions count from 1. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "convert.h"
#include "random.h"
#include "sort.h"
#include "scalar/philox.h"

/* One 64-bit draw, element i of the call. */
static uint64_t word_64(const cr__draw *d, int64_t i) {
  uint32_t w[4];
  cr__philox(d->seed, d->offset + (uint64_t)i / 2, w);
  return i % 2 ? cr__rng_pair(w[2], w[3]) : cr__rng_pair(w[0], w[1]);
}

/* ---- Permutations -------------------------------------------------------------------------- */

/* What is sorted: the upper half of a position's key, and the position. Keys are uniform, so that the
 * first digits tell almost all of them apart; full keys decide the rest. */
typedef uint64_t item;

enum { MOST_DIGITS = 2048, PART = 4096, MOST_PARTS = 256 };
enum { FEW = 512 }; /* of which one digit tells almost all apart */

typedef struct sorting {
  const cr__draw *d;
  int64_t n;
  int bits, passes;   /* of a digit; as many digits */
  int threads, parts; /* each part is a range of the items */
  int64_t work;       /* steps of each pass */
  item *items, *other;
  int64_t (*counts)[MOST_DIGITS]; /* of each part */
  int pass;
  int64_t start[MOST_PARTS + 1]; /* where what is sorted is cut */
} sorting;

static int64_t range_start(const sorting *s, int64_t t) {
  return (s->n / CR__DRAW_CHUNK / s->parts * t) * CR__DRAW_CHUNK;
}
static int64_t range_end(const sorting *s, int64_t t) {
  return t + 1 == s->parts ? s->n : range_start(s, t + 1);
}

/* The lowest bit that digit number `pass` has. */
static int shift_of(const sorting *s, int pass) { return 64 - (s->passes - pass) * s->bits; }

static void count_digits(const sorting *s, int64_t t, int64_t begin, int64_t end, int shift) {
  uint64_t mask = ((uint64_t)1 << s->bits) - 1;
  for (int64_t i = begin; i < end; i++) s->counts[t][s->items[i] >> shift & mask]++;
}

/* Draws the keys, and counts their first digits meanwhile. */
static void draw_items(void *sorting_, int64_t first, int64_t last) {
  const sorting *s = sorting_;
  const cr__draw_loops *loops = cr__draw_loops_here();
  for (int64_t t = first; t < last; t++) {
    int64_t end = range_end(s, t);
    memset(s->counts[t], 0, sizeof **s->counts << s->bits);
    for (int64_t i = range_start(s, t); i < end && !cr__cpu_stopped(); i += CR__DRAW_CHUNK) {
      uint64_t keys[CR__DRAW_CHUNK];
      int64_t left = end - i < CR__DRAW_CHUNK ? end - i : CR__DRAW_CHUNK;
      loops->words_64(s->d, i, keys);
      for (int64_t j = 0; j < left; j++)
        s->items[i + j] = (keys[j] & 0xffffffff00000000u) | (uint64_t)(i + j);
      count_digits(s, t, i, i + left, shift_of(s, 0));
    }
  }
}

/* Turns the parts' counts of digits into the places where each begins to write. */
static void place_digits(const sorting *s) {
  int64_t at = 0;
  for (int digit = 0; digit < 1 << s->bits; digit++) {
    for (int t = 0; t < s->parts; t++) {
      int64_t count = s->counts[t][digit];
      s->counts[t][digit] = at;
      at += count;
    }
  }
}

/* How many items are moved between two looks at the clock. */
enum { STRETCH = 1 << 16 };

static void count_parts(void *sorting_, int64_t first, int64_t last) {
  const sorting *s = sorting_;
  for (int64_t t = first; t < last; t++) {
    int64_t end = range_end(s, t);
    memset(s->counts[t], 0, sizeof **s->counts << s->bits);
    for (int64_t i = range_start(s, t); i < end && !cr__cpu_stopped(); i += STRETCH)
      count_digits(s, t, i, end - i < STRETCH ? end : i + STRETCH, shift_of(s, s->pass));
  }
}

static void move_parts(void *sorting_, int64_t first, int64_t last) {
  const sorting *s = sorting_;
  uint64_t mask = ((uint64_t)1 << s->bits) - 1;
  int shift = shift_of(s, s->pass);
  for (int64_t t = first; t < last; t++) {
    int64_t end = range_end(s, t), *counts = s->counts[t];
    for (int64_t i = range_start(s, t); i < end && !cr__cpu_stopped();) {
      int64_t stop = end - i < STRETCH ? end : i + STRETCH;
      for (; i < stop; i++) s->other[counts[s->items[i] >> shift & mask]++] = s->items[i];
    }
  }
}

static int for_parts(sorting *s, void (*task)(void *, int64_t, int64_t)) {
  return cr__cpu_share_among(s->threads, s->parts, s->work, task, s);
}

/* Sorts by one digit, keeping the order of those where it is equal. */
static int sort_digit(sorting *s, int pass) {
  s->pass = pass;
  int code =
      pass > 0 ? for_parts(s, count_parts) : 0; /* the first was counted when they were drawn */
  if (code) return code;
  place_digits(s);
  code = for_parts(s, move_parts);
  item *sorted = s->other;
  s->other = s->items;
  s->items = sorted;
  return code;
}

static bool comes_before(const sorting *s, item a, item b) {
  if (a >> 32 != b >> 32) return a < b;
  uint64_t x = word_64(s->d, (uint32_t)a), y = word_64(s->d, (uint32_t)b);
  return x < y || (x == y && (uint32_t)a < (uint32_t)b);
}

/* By insertion: what is out of order lies together already. */
static void finish_range(const sorting *s, int64_t begin, int64_t end) {
  item *items = s->items;
  for (int64_t i = begin + 1; i < end; i++) {
    item x = items[i];
    int64_t j = i;
    for (; j > begin && items[j - 1] >> 32 >= x >> 32 && comes_before(s, x, items[j - 1]); j--)
      items[j] = items[j - 1];
    items[j] = x;
  }
}

/* Parts of what is sorted by the bits from `shift` on begin where these change. */
static void find_starts(sorting *s, int shift) {
  for (int t = 0; t <= s->parts; t++) {
    int64_t i = s->n * t / s->parts;
    while (i > 0 && i < s->n && s->items[i] >> shift == s->items[i - 1] >> shift) i++;
    s->start[t] = i;
  }
}

static void finish_parts(void *sorting_, int64_t first, int64_t last) {
  const sorting *s = sorting_;
  for (int64_t t = first; t < last && !cr__cpu_stopped(); t++)
    finish_range(s, s->start[t], s->start[t + 1]);
}

static int sort_items(sorting *s) {
  int code = 0;
  if (s->n <= 64) {
    finish_range(s, 0, s->n);
    return 0;
  }
  for (int pass = 0; pass < s->passes && !code; pass++) code = sort_digit(s, pass);
  if (code) return code;
  find_starts(s, shift_of(s, 0));
  return for_parts(s, finish_parts);
}

typedef struct storing {
  const sorting *s;
  const cr__view *v;
} storing;

static void store_chunks(void *job, int64_t begin, int64_t end) {
  const storing *w = job;
  const sorting *s = w->s;
  for (int64_t first = begin * CR__DRAW_CHUNK; begin < end; begin++, first += CR__DRAW_CHUNK) {
    int64_t order[CR__DRAW_CHUNK];
    int64_t left = s->n - first < CR__DRAW_CHUNK ? s->n - first : CR__DRAW_CHUNK;
    for (int64_t i = 0; i < left; i++) order[i] = (int64_t)(uint32_t)s->items[first + i] + 1;
    cr__store_integers(w->v, first, left, order);
  }
}

static int store_positions(const sorting *s, const cr__view *v) {
  return cr__cpu_share_among(s->threads, (s->n + CR__DRAW_CHUNK - 1) / CR__DRAW_CHUNK, s->work,
                             store_chunks, &(storing){s, v});
}

/* `out` has one dim of less than 2^32, and any dtype that holds 1 to n. The positions in the
 * order of one 64-bit draw each (in their own order if two are equal). */
int cr__cpu_randperm(cr__launch *k) {
  cr__view *v = &k->randperm.out;
  cr__draw d = cr__draw_of(k->randperm.rng);
  int64_t n = v->shape[0];
  sorting s = {.d = &d, .n = n, .bits = n > 1 << 20 ? 10 : n > PART ? 11 : 8};
  s.passes = n > 1 << 20 ? 3 : n > FEW ? 2 : 1;
  s.work = n * 4;
  s.threads = cr__cpu_threads(s.work);
  s.parts = s.threads == 1 ? 1 : s.threads <= MOST_PARTS / 4 ? 4 * s.threads : MOST_PARTS;
  size_t ncounts = (size_t)s.parts * sizeof *s.counts, nitems = (size_t)n * sizeof(item);
  if (n > UINT32_MAX)
    return cr__fail(CR_E_ARGUMENT, "%s: takes n up to %lld, got %lld", k->op, (long long)UINT32_MAX,
                    (long long)n);
  char *room = cr__host_alloc(ncounts + 2 * nitems);
  if (!room) return cr_error_code();
  s.counts = (int64_t(*)[MOST_DIGITS])(void *)room;
  s.items = (item *)(void *)(room + ncounts);
  s.other = s.items + n;
  int code = for_parts(&s, draw_items);
  if (!code) code = sort_items(&s);
  if (!code) code = store_positions(&s, v);
  cr__host_free(room, ncounts + 2 * nitems);
  return code;
}

/* ---- Multinomial --------------------------------------------------------------------------- */

/* Reads a row of m weights; false if a weight is negative or not finite. */
static bool read_weights(const cr__view *v, int64_t row, int64_t m, double *w, int64_t *positive) {
  const char *from = v->data;
  if (v->ndim == 2) from += row * v->stride[0] * (int64_t)cr__size_of((cr_dtype)v->dtype);
  cr__read_looking(w, CR_FLOAT64, from, v->dtype, v->stride[v->ndim - 1], m);
  bool good = true;
  int64_t found = 0;
  double sum = 0;
  CR__STRETCHES(b, m) {
    CR__EACH_OF(i, b, m) {
      good &= w[i] >= 0 && w[i] < INFINITY;
      found += w[i] > 0;
    }
    if (v->dtype != CR_FLOAT64) continue; /* no sum of others is infinite */
    CR__EACH_OF(i, b, m) sum += w[i];
  }
  *positive = found;
  return good && sum < INFINITY;
}

/* Each draw falls somewhere in the sum of weights: by bisection of the running sums, in w. */
static void draw_with(const cr__draw *d, int64_t first, int64_t n, int64_t m, double *w,
                      int64_t *to, int64_t step) {
  int64_t last = m - 1;
  double sum = 0;
  while (last > 0 && !(w[last] > 0)) last--;
  CR__STRETCHES(b, m) { CR__EACH_OF(i, b, m) w[i] = sum += w[i]; }
  for (int64_t j = 0; j < n; j++) {
    if (j % 4096 == 0 && cr__cpu_stopped()) return;
    double target = cr__rng_unit_f64(word_64(d, first + j)) * sum;
    int64_t low = 0, high = last; /* the first position whose running sum passes target */
    while (low < high) {
      int64_t middle = low + (high - low) / 2;
      if (w[middle] > target) high = middle;
      else low = middle + 1;
    }
    to[j * step] = low + 1;
  }
}

/* Position i arrives after an exponential time with rate w[i], which the time takes the place of; never
 * if that is 0. */
static void draw_arrivals(const cr__draw *d, int64_t first, int64_t m, double *w) {
  cr__draw unit = *d;
  double waits[CR__DRAW_CHUNK];
  unit.a = 1;
  for (int64_t i = 0; i < m; i++) {
    int64_t in_chunk = (first + i) % CR__DRAW_CHUNK;
    if (i == 0 || in_chunk == 0) {
      if (cr__cpu_stopped()) return;
      cr__draw_loops_here()->exponential_f64(&unit, first + i - in_chunk, waits);
    }
    w[i] = w[i] > 0 ? waits[in_chunk] / w[i] : INFINITY;
  }
}

/* Whose times are equal arrive in their order. */
static bool arrives_before(const double *time, int64_t a, int64_t b) {
  return time[a] < time[b] || (time[a] == time[b] && a < b);
}

/* The positions of the first n of m arrivals, in their order. A few are kept in order while the others
 * are looked at once. */
enum { FEW_ARRIVALS = 64 };
static void find_few(const double *time, int64_t m, int64_t n, int64_t *to, int64_t step) {
  int64_t first[FEW_ARRIVALS];
  for (int64_t i = 0; i < m; i++) {
    int64_t kept = i < n ? i : n, j = kept;
    if (i % CR__STRETCH == 0 && cr__cpu_stopped()) return;
    if (i >= n && !arrives_before(time, i, first[n - 1])) continue;
    if (i >= n) j = n - 1;
    for (; j > 0 && arrives_before(time, i, first[j - 1]); j--) first[j] = first[j - 1];
    first[j] = i;
  }
  for (int64_t j = 0; j < n; j++) to[j * step] = first[j] + 1;
}

/* The same for any n; room as cr__order_f64 needs it. */
static void find_many(const double *time, int64_t m, int64_t n, void *room, int64_t *to,
                      int64_t step) {
  const uint32_t *at = cr__order_f64(time, room, m, n, false);
  if (cr__cpu_stopped()) return;
  CR__STRETCHES(b, n) { CR__EACH_OF(j, b, n) to[j * step] = (int64_t)at[j] + 1; }
}

typedef struct weighted_draw {
  const cr__launch *k;
  int64_t rows, m, n;
  bool repeat;
  char *room; /* of all threads */
  size_t nbytes;
  _Atomic int64_t bad; /* the first row that is refused; `rows` if none is */
} weighted_draw;

/* One row; 0, or what is wrong with it: -1 weights, else 1 more than how many are positive. */
static int64_t draw_row(const weighted_draw *c, int64_t row, double *w) {
  const cr__view *out = &c->k->multinomial.out, *in = &c->k->multinomial.weights;
  cr__draw d = cr__draw_of(c->k->multinomial.rng);
  int64_t positive, step = out->stride[out->ndim - 1], m = c->m, n = c->n;
  int64_t *to = (int64_t *)(void *)out->data + (out->ndim == 2 ? row * out->stride[0] : 0);
  if (!read_weights(in, row, m, w, &positive)) return -1;
  if (positive < (c->repeat ? 1 : n)) return positive + 1;
  if (c->repeat) {
    draw_with(&d, row * n, n, m, w, to, step);
    return 0;
  }
  draw_arrivals(&d, row * m, m, w);
  if (n <= FEW_ARRIVALS) find_few(w, m, n, to, step);
  else find_many(w, m, n, w + m, to, step);
  return 0;
}

static void draw_rows(void *job, int64_t begin, int64_t end) {
  weighted_draw *c = job;
  double *w = (double *)(void *)(c->room + (size_t)cr__cpu_member() * c->nbytes);
  for (int64_t row = begin; row < end; row++) {
    int64_t bad = atomic_load(&c->bad);
    if (row > bad || !draw_row(c, row, w) || cr__cpu_stopped()) continue;
    while (row < bad && !atomic_compare_exchange_weak(&c->bad, &bad, row)) continue;
  }
}

static int refuse_row(const weighted_draw *c, int64_t row, int64_t problem) {
  if (problem < 0)
    return cr__fail(CR_E_ARGUMENT, "%s: weights must be finite and not negative (row %lld)",
                    c->k->op, (long long)row + 1);
  return cr__fail(CR_E_ARGUMENT,
                  "%s: row %lld has %lld positive weights, too few for %lld draws %s", c->k->op,
                  (long long)row + 1, (long long)problem - 1, (long long)c->n,
                  c->repeat ? "with replacement" : "without replacement");
}

/* `out` is int64, (rows x) n; `weights` floating, (rows x) m. Without replacement n <= m. After an error `out`
 * is to be given up. */
int cr__cpu_multinomial(cr__launch *k) {
  const cr__view *in = &k->multinomial.weights;
  weighted_draw c = {.k = k,
                     .rows = in->ndim == 2 ? in->shape[0] : 1,
                     .m = in->shape[in->ndim - 1],
                     .n = k->multinomial.out.shape[in->ndim - 1],
                     .repeat = k->multinomial.replacement};
  int64_t work = c.rows * (c.m * 2 + c.n * 16);
  int threads = c.rows > 1 ? cr__cpu_threads(work) : 1;
  if (threads > c.rows) threads = (int)c.rows;
  c.nbytes = (size_t)c.m * sizeof(double);
  if (!c.repeat && c.n > FEW_ARRIVALS) {
    c.nbytes += (size_t)c.m * 2 * (sizeof(uint64_t) + sizeof(uint32_t));
    if (c.m > UINT32_MAX)
      return cr__fail(CR_E_ARGUMENT,
                      "%s: draws from up to %lld weights without replacement, not %lld", k->op,
                      (long long)UINT32_MAX, (long long)c.m);
  }
  c.room = cr__host_alloc((size_t)threads * c.nbytes);
  if (!c.room) return cr_error_code();
  c.bad = c.rows;
  int code = cr__cpu_share_among(threads, c.rows, work, draw_rows, &c);
  if (!code && c.bad < c.rows)
    code = refuse_row(&c, c.bad, draw_row(&c, c.bad, (double *)(void *)c.room));
  cr__host_free(c.room, (size_t)threads * c.nbytes);
  return code;
}
