/* resample.c: maps of lines along the dims of planes.
 *
 * Holds true: planes are contiguous. A piece of work is a few rows of the result, or parts of them. Each is a sum of
 * rows of the input that have been brought to its width, and those are kept while the next rows need them too. */
#include "resample.h"

#include <math.h>
#include <string.h>

#include "convert.h"
#include "reduce.h"

enum { BAND = 16, STRETCH = 1024, MOST_KEPT = 64 };

/* ---- Loops for this processor ------------------------------------------------------------------ */

#ifdef __x86_64__
extern const cr__resample_loops cr__resample_loops_v2[], cr__resample_loops_v3[],
    cr__resample_loops_v4[];
const cr__resample_loops *cr__resample_loops_here(int compute) {
  static const cr__resample_loops *const by_level[] = {cr__resample_loops_v2, cr__resample_loops_v3,
                                                       cr__resample_loops_v4};
  return &by_level[cr__cpu_level()][compute];
}
#else
extern const cr__resample_loops cr__resample_loops_base[];
const cr__resample_loops *cr__resample_loops_here(int compute) {
  return &cr__resample_loops_base[compute];
}
#endif

/* ---- Maps -------------------------------------------------------------------------------------- */

/* The map of one dim: element o is a sum of places first[o] .. first[o + 1]. */
typedef struct map {
  int64_t size, result;
  const int64_t *first, *place;
  const char *weight, *share; /* NULL where there are none */
  int64_t reach; /* the most neighbours that an element spans, from its first place to its last */
} map;

typedef struct resampling {
  const cr__launch *k;
  const cr__resample_loops *loops;
  map dim[3];
  int compute, type;
  int64_t width;     /* bytes of an element that is computed with */
  int64_t size;      /* of one of the input */
  int64_t each;      /* places of every element of the last dim; 0: they differ */
  int64_t from, to;  /* elements of the last dim whose places follow one rule: */
  int64_t step, gap; /* places of neighbours, and those of one of them, are that far apart */
  int64_t bands, stretches, kept; /* kept: rows of the input that are */
  bool copies;                    /* rows are converted, or divided, before they are used */
} resampling;

static map map_of(const cr__launch *k, int d, int64_t width) {
  const int64_t *places = (const int64_t *)(const void *)k->resample.places.data;
  map m = {.size = k->resample.size[d], .result = k->resample.result[d]};
  m.first = places + k->resample.place[d];
  m.place = m.first + m.result + 1;
  if (k->resample.weights.data) m.weight = k->resample.weights.data + k->resample.weight[d] * width;
  if (k->resample.shares.data) {
    m.share = k->resample.shares.data;
    for (int e = 0; e < d; e++)
      m.share += (k->resample.before ? k->resample.size[e] : k->resample.result[e]) * width;
  }
  m.reach = 1;
  for (int64_t o = 0; o < m.result; o++) {
    int64_t low = INT64_MAX, high = -1;
    for (int64_t i = m.first[o]; i < m.first[o + 1]; i++) {
      low = m.place[i] < low ? m.place[i] : low;
      high = m.place[i] > high ? m.place[i] : high;
    }
    if (high - low + 1 > m.reach && high >= 0) m.reach = high - low + 1;
  }
  return m;
}

/* Whether element o has `each` places, `gap` apart; and whether they lie `step` behind those of the one before it. */
static bool has_places(const map *m, int64_t o, int64_t each, int64_t gap) {
  const int64_t *p = m->place + m->first[o];
  if (m->first[o + 1] - m->first[o] != each) return false;
  for (int64_t i = 1; i < each; i++)
    if (p[i] - p[i - 1] != gap) return false;
  return true;
}
static bool follows(const map *m, int64_t o, int64_t each, int64_t step, int64_t gap) {
  return has_places(m, o, each, gap) && m->place[m->first[o]] - m->place[m->first[o - 1]] == step;
}

/* Finds what the elements of the last dim have in common: a number of places; where there are no weights, the places
 * of those in the middle. */
static void find_rule(resampling *r) {
  const map *m = &r->dim[2];
  int64_t n = m->result;
  r->each = n ? m->first[1] - m->first[0] : 0;
  for (int64_t o = 1; o < n && r->each; o++)
    if (m->first[o + 1] - m->first[o] != r->each) r->each = 0;
  r->from = r->to = 0;
  if (m->weight || n < 8) return;
  int64_t o = n / 2, each = m->first[o + 1] - m->first[o];
  const int64_t *p = m->place + m->first[o];
  if (each < 1 || m->first[o] == m->first[o - 1]) return;
  r->step = p[0] - m->place[m->first[o - 1]], r->gap = each > 1 ? p[1] - p[0] : 1;
  if (!follows(m, o, each, r->step, r->gap)) return;
  for (r->to = o + 1; r->to < n && follows(m, r->to, each, r->step, r->gap);) r->to++;
  for (r->from = o; r->from > 0 && follows(m, r->from, each, r->step, r->gap);) r->from--;
  if (!has_places(m, r->from, each, r->gap)) r->from++;
}

/* ---- Rows -------------------------------------------------------------------------------------- */

/* The room of a piece, and what it holds. */
typedef struct piece {
  int64_t plane, at;              /* at: which element of the first dim */
  int64_t begin, n;               /* of the last dim, from which element on, and how many */
  char *rows;                     /* rows of the input, n wide */
  int64_t *tags;                  /* which they are, 0: none */
  char *part, *sum, *copy, *wide; /* room for rows; the last two have the input's width */
  int64_t low, high;              /* of what is copied: which elements of a row, from and before */
} piece;

typedef union number {
  float f32;
  double f64;
  int64_t i64;
} number;

static number product(const resampling *r, const char *a_, const char *b_) {
  number a, b;
  memcpy(&a, a_, (size_t)r->width), memcpy(&b, b_, (size_t)r->width);
  if (r->compute == CR__COMPUTE_F32) return (number){.f32 = a.f32 * b.f32};
  if (r->compute == CR__COMPUTE_F64) return (number){.f64 = a.f64 * b.f64};
  return (number){.i64 = a.i64 * b.i64};
}

/* The elements of row y of slice z of the input, as they are computed with. */
static const char *source(const resampling *r, const piece *p, int64_t z, int64_t y) {
  const map *m = r->dim;
  int64_t row = (p->plane * m[0].size + z) * m[1].size + y, n = m[2].size;
  const char *x = r->k->resample.from.data + row * n * r->size;
  if (!r->copies || p->low >= p->high) return x;
  char *to = p->copy + p->low * r->width;
  x += p->low * r->size, n = p->high - p->low;
  if (r->k->resample.from.dtype != r->type) {
    cr__convert(to, r->type, x, r->k->resample.from.dtype, n);
    x = to;
  }
  if (r->k->resample.before && m[2].share) {
    number by = product(r, m[0].share + z * r->width, m[1].share + y * r->width);
    r->loops->divide(to, x, &by, m[2].share + p->low * r->width, n);
  }
  return p->copy;
}

/* The piece's part of a row of the result's width, from a row of the input's. */
static void narrow(const resampling *r, const piece *p, char *to, const char *x) {
  const map *m = &r->dim[2];
  int64_t end = p->begin + p->n, o = p->begin;
  int64_t from = r->from > o ? r->from : o, last = r->to < end ? r->to : end;
  if (from < last) {
    r->loops->along(to, x, m->first + o, m->place, m->weight, from - o, r->each);
    r->loops->even(to + (from - o) * r->width, x + m->place[m->first[from]] * r->width, last - from,
                   m->first[from + 1] - m->first[from], r->step, r->gap);
    to += (last - o) * r->width, o = last;
  }
  r->loops->along(to, x, m->first + o, m->place, m->weight, end - o, r->each);
}

/* The part of a row of the input that the piece needs, brought to the width of the result. */
static const char *across(const resampling *r, const piece *p, int64_t z, int64_t y) {
  int64_t slot = r->kept == 1 ? 0 : z % r->dim[0].reach * r->dim[1].reach + y % r->dim[1].reach;
  int64_t tag = z * r->dim[1].size + y + 1;
  char *to = p->rows + slot * p->n * r->width;
  if (p->tags[slot] == tag) return to;
  p->tags[slot] = tag;
  narrow(r, p, to, source(r, p, z, y));
  return to;
}

/* to[j] (+)= x[j] * weight, by the i-th weight of a map, or 1. */
static void take(const resampling *r, const map *m, int64_t i, bool adds, char *to, const char *x,
                 int64_t n) {
  const char *w = m->weight ? m->weight + i * r->width : NULL;
  if (adds && w) r->loops->add(to, x, w, n);
  else if (adds) r->loops->plus(to, x, n);
  else if (w) r->loops->scale(to, x, w, n);
  else memcpy(to, x, (size_t)(n * r->width));
}

/* The same where rows are added up as they are, and their sum is brought to the result's width. */
static void down_first(const resampling *r, const piece *p, int64_t z, int64_t y, char *to) {
  const map *m = &r->dim[1];
  char *sum = p->wide + p->low * r->width;
  int64_t first = m->first[y], n = p->high - p->low;
  for (int64_t i = first; i < m->first[y + 1]; i++)
    take(r, m, i, i > first, sum, source(r, p, z, m->place[i]) + p->low * r->width, n);
  if (first == m->first[y + 1]) memset(sum, 0, (size_t)(n * r->width));
  narrow(r, p, to, p->wide);
}

/* The sum over rows of slice z for row y of the result. */
static void down(const resampling *r, const piece *p, int64_t z, int64_t y, char *to) {
  const map *m = &r->dim[1];
  int64_t first = m->first[y], last = m->first[y + 1];
  if (r->k->resample.rows_first) {
    down_first(r, p, z, y, to);
    return;
  }
  if (last - first == 2 && m->weight && r->kept > 1) {
    const char *a = across(r, p, z, m->place[first]), *b = across(r, p, z, m->place[first + 1]);
    r->loops->pair(to, a, b, m->weight + first * r->width, p->n);
    return;
  }
  for (int64_t i = first; i < last; i++)
    take(r, m, i, i > first, to, across(r, p, z, m->place[i]), p->n);
  if (first == last) memset(to, 0, (size_t)(p->n * r->width));
}

/* Rounds to the nearest uint8, up in the middle. */
static void round_bytes(uint8_t *to, const float *x, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    float v = floorf(x[i] + 0.5f);
    to[i] = (uint8_t)(v > 0 ? v < 255 ? v : 255 : 0);
  }
}

/* Row y of the result, in the slice and the part of the piece. */
static void run_row(const resampling *r, const piece *p, int64_t y) {
  const map *m = r->dim;
  const cr__view *out = &r->k->resample.out;
  int64_t at = ((p->plane * m[0].result + p->at) * m[1].result + y) * m[2].result + p->begin;
  char *to = out->data + at * (int64_t)cr__size_of((cr_dtype)out->dtype);
  char *sum = out->dtype == r->type ? to : p->sum;
  int64_t first = m[0].first[p->at], last = m[0].first[p->at + 1];
  bool alone = last - first == 1 && m[0].size == 1 && m[0].result == 1;
  if (alone) {
    down(r, p, 0, y, sum);
  } else {
    for (int64_t i = first; i < last; i++) {
      down(r, p, m[0].place[i], y, p->part);
      take(r, &m[0], i, i > first, sum, p->part, p->n);
    }
    if (first == last) memset(sum, 0, (size_t)(p->n * r->width));
  }
  if (m[2].share && !r->k->resample.before) {
    number by = product(r, m[0].share + p->at * r->width, m[1].share + y * r->width);
    r->loops->divide(sum, sum, &by, m[2].share + p->begin * r->width, p->n);
  }
  if (sum == to) return;
  if (out->dtype == CR_UINT8 && r->type == CR_FLOAT32)
    round_bytes((uint8_t *)to, (const float *)(const void *)sum, p->n);
  else cr__convert(to, out->dtype, sum, r->type, p->n);
}

/* The elements of a row of the input that the piece needs. */
static void find_needed(const map *m, piece *p) {
  p->low = m->size, p->high = 0;
  for (int64_t i = m->first[p->begin]; i < m->first[p->begin + p->n]; i++) {
    p->low = m->place[i] < p->low ? m->place[i] : p->low;
    p->high = m->place[i] >= p->high ? m->place[i] + 1 : p->high;
  }
}

static void run_piece(const void *job, int64_t number, char *room) {
  const resampling *r = job;
  const map *m = r->dim;
  piece p = {.begin = number % r->stretches * STRETCH};
  number /= r->stretches;
  int64_t y = number % r->bands * BAND, end = y + BAND < m[1].result ? y + BAND : m[1].result;
  number /= r->bands;
  p.at = number % m[0].result, p.plane = number / m[0].result;
  p.n = m[2].result - p.begin < STRETCH ? m[2].result - p.begin : STRETCH;
  p.tags = (int64_t *)(void *)room;
  p.rows = room + r->kept * (int64_t)sizeof *p.tags;
  p.part = p.rows + r->kept * STRETCH * r->width;
  p.sum = p.part + STRETCH * r->width, p.wide = p.sum + STRETCH * r->width;
  p.copy = p.wide + (r->k->resample.rows_first ? m[2].size * r->width : 0);
  memset(p.tags, 0, (size_t)r->kept * sizeof *p.tags);
  if (r->copies || r->k->resample.rows_first) find_needed(&m[2], &p);
  for (; y < end && !cr__cpu_stopped(); y++) run_row(r, &p, y);
}

/* `from`: planes of size[0] x size[1] x size[2], `out`, of the same dtype: as many of result[0] x ...; all is
 * contiguous. `places` (int64) has a map for each dim, from place[d] on: result[d] + 1 numbers, of which neighbours are
 * the first place of an element and the one behind its last, and then these places, from 0 on in a line. `weights` has
 * those of places from weight[d] on, in the dtype that is computed in: float64 for float64, float32 for others; without
 * weights, as those of all 1, integers are computed in int64. The products of `shares`, in the same dtype, one for each
 * element along each dim, divide the results, or what the sums are made of where `before` is set. rows_first: sums are
 * taken along the second dim before they are along the last. */
int cr__cpu_resample(cr__launch *k) {
  resampling r = {.k = k};
  int dtype = k->resample.from.dtype;
  r.compute = cr__compute_of(dtype);
  if (r.compute == CR__COMPUTE_I64 && (k->resample.weights.data || !k->resample.shares.data))
    r.compute = CR__COMPUTE_F32;
  r.type = cr__compute_dtype(r.compute);
  r.width = (int64_t)cr__compute_size(r.compute), r.size = (int64_t)cr__size_of((cr_dtype)dtype);
  r.loops = cr__resample_loops_here(r.compute);
  for (int d = 0; d < 3; d++) r.dim[d] = map_of(k, d, r.width);
  const map *m = r.dim;
  find_rule(&r);
  r.copies = dtype != r.type || (k->resample.before && m[2].share);
  r.kept = m[0].reach <= MOST_KEPT && m[1].reach <= MOST_KEPT ? m[0].reach * m[1].reach : 1;
  if (r.kept > MOST_KEPT) r.kept = 1;
  r.bands = (m[1].result + BAND - 1) / BAND, r.stretches = (m[2].result + STRETCH - 1) / STRETCH;
  int64_t rows = k->resample.planes * m[0].result * m[1].result;
  int64_t taps = m[1].result ? m[1].first[m[1].result] / m[1].result + 1 : 1;
  size_t room = (size_t)((r.kept + 2) * STRETCH * r.width + r.kept * (int64_t)sizeof(int64_t) +
                         (r.copies + k->resample.rows_first) * m[2].size * r.width);
  return cr__cpu_lines(k->op, k->resample.planes * m[0].result * r.bands * r.stretches,
                       rows * m[2].result * (taps + 2) / 4, room, run_piece, &r);
}
