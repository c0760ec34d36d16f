/* pooling.c: the largest element of each window, and what is added back to where it was.
 *
 * Holds true: planes are contiguous. A piece of work is a stretch of windows side by side, whose best elements stay
 * in the first-level cache; they are found one row of the input after the other. Elements of one plane are added up
 * by one thread, in the order of their windows. */
#include "pooling.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "convert.h"
#include "reduce.h"
#include "scalar/windows.h"

enum { STRETCH = 512 }; /* windows side by side that are looked at together */

/* ---- Loops for this processor ------------------------------------------------------------------ */

#ifdef __x86_64__
extern const cr__pooling_loops cr__pooling_loops_v2[], cr__pooling_loops_v3[],
    cr__pooling_loops_v4[];
const cr__pooling_loops *cr__pooling_loops_here(int compute) {
  static const cr__pooling_loops *const by_level[] = {cr__pooling_loops_v2, cr__pooling_loops_v3,
                                                      cr__pooling_loops_v4};
  return &by_level[cr__cpu_level()][compute];
}
#else
extern const cr__pooling_loops cr__pooling_loops_base[];
const cr__pooling_loops *cr__pooling_loops_here(int compute) {
  return &cr__pooling_loops_base[compute];
}
#endif

/* ---- The largest ------------------------------------------------------------------------------- */

typedef struct pooling {
  const cr__launch *k;
  const cr__pooling_loops *loops;
  cr__windows dim[3];
  cr__windows_kind kind;
  int compute, dtype;
  int64_t size, width; /* bytes of an element of the input, and of one that is computed with */
  int64_t stretches;   /* of the last dim */
  int64_t room;        /* elements of a row that a stretch may see */
} pooling;

/* The windows of one stretch, and what is known of them. */
typedef struct stretch {
  int64_t plane, at[2]; /* which windows along the first two dims */
  int64_t begin, n;     /* along the last dim */
  char *best, *places;  /* places: NULL where nobody asks */
  char *row;            /* room for converted elements */
  int64_t *ranges;      /* of even windows: as find_ranges leaves them */
} stretch;

static double number_of(const pooling *p, int64_t plane, int d) {
  const cr__view *v = &p->k->pool_max.samples;
  int64_t n = v->shape[v->ndim - 1]; /* of a plane; those of an image begin with the last dim's */
  int64_t i = plane * n + (n == 2 ? 2 - d : d);
  double x;
  cr__convert(&x, CR_FLOAT64, v->data + i * (int64_t)cr__size_of((cr_dtype)v->dtype), v->dtype, 1);
  return x;
}

static cr__window window_of(const pooling *p, int64_t plane, int d, int64_t o) {
  const cr__windows *w = &p->dim[d];
  if (p->kind == CR__WINDOWS_EVEN) return cr__window_even(w, o);
  if (p->kind == CR__WINDOWS_ADAPTIVE) return cr__window_adaptive(w, o);
  if (w->size == 1 && w->result == 1) return (cr__window){0, 1, 1};
  double number = number_of(p, plane, d);
  return p->dtype == CR_FLOAT64 ? cr__window_drawn_f64(w, o, number)
                                : cr__window_drawn_f32(w, o, (float)number);
}

/* Elements first .. first + n of the input, in the type that is computed with. */
static const char *elements(const pooling *p, const stretch *s, int64_t first, int64_t n) {
  const char *x = p->k->pool_max.from.data + first * p->size;
  int type = cr__compute_dtype(p->compute);
  if (p->dtype == type) return x;
  cr__convert(s->row, type, x, p->dtype, n);
  return s->row;
}

/* A row whose first element has the number `line` in its plane and `from` in the input, against even windows. */
static void even_row(const pooling *p, const stretch *s, int64_t from, int64_t line) {
  const cr__windows *w = &p->dim[2];
  int64_t last = s->begin + s->n - 1, reach = (w->kernel - 1) * w->dilation;
  int64_t low = cr__window_start(w, s->begin), high = cr__window_start(w, last) + reach + 1;
  low = low < 0 ? 0 : low;
  high = high > w->size ? w->size : high;
  const char *x = elements(p, s, from + low, high - low);
  for (int64_t t = 0; t < w->kernel; t++) {
    int64_t o = s->ranges[2 * t], n = s->ranges[2 * t + 1] - o, i = o - s->begin;
    if (n <= 0) continue;
    int64_t place = o * w->stride + t * w->dilation - w->padding;
    char *best = s->best + i * p->width;
    const char *y = x + (place - low) * p->width;
    if (!s->places) p->loops->best(best, y, n, w->stride);
    else p->loops->place(best, s->places + i * p->width, y, n, w->stride, line + place);
  }
}

/* For each element of a window, the windows of a stretch that have it in the input: from, and before. */
static void find_ranges(const pooling *p, const stretch *s) {
  const cr__windows *w = &p->dim[2];
  int64_t last = s->begin + s->n;
  for (int64_t t = 0; t < w->kernel; t++) {
    int64_t shift = t * w->dilation - w->padding; /* window o has it at o * stride + shift */
    int64_t o = shift < 0 ? (-shift - 1) / w->stride + 1 : 0;
    int64_t end = shift < w->size ? (w->size - 1 - shift) / w->stride + 1 : 0;
    s->ranges[2 * t] = o < s->begin ? s->begin : o;
    s->ranges[2 * t + 1] = end > last ? last : end;
  }
}

/* The same against windows of any size. */
static void uneven_row(const pooling *p, const stretch *s, int64_t from, int64_t line) {
  const char *x = elements(p, s, from, p->dim[2].size);
  for (int64_t i = 0; i < s->n; i++) {
    cr__window w = window_of(p, s->plane, 2, s->begin + i);
    p->loops->line(s->best + i * p->width, s->places ? s->places + i * p->width : NULL,
                   x + w.first * p->width, w.count, line + w.first);
  }
}

#define BEGIN(T, I, LEAST)                                               \
  do {                                                                   \
    T *best = (T *)(void *)s->best;                                      \
    I *at = (I *)(void *)s->places;                                      \
    for (int64_t i = 0; i < s->n; i++) best[i] = (LEAST);                \
    int64_t i = 0, n = at ? s->n : 0;                                    \
    for (; i < n && (!even || s->begin + i < inner); i++)                \
      at[i] = (I)(line + window_of(p, s->plane, 2, s->begin + i).first); \
    line += s->begin * w->stride - w->padding;                           \
    for (; i < n; i++) at[i] = (I)(line + i * w->stride);                \
  } while (0)

/* Nothing is known of the windows but their first elements, of which the row begins at `line`. */
static void begin(const pooling *p, const stretch *s, int64_t line) {
  const cr__windows *w = &p->dim[2];
  bool even = p->kind == CR__WINDOWS_EVEN;
  int64_t inner = even ? (w->padding + w->stride - 1) / w->stride : 0; /* begins in the input */
  if (p->compute == CR__COMPUTE_F32) BEGIN(float, int32_t, -INFINITY);
  else if (p->compute == CR__COMPUTE_F64) BEGIN(double, int64_t, -INFINITY);
  else BEGIN(int64_t, int64_t, INT64_MIN);
}

/* Writes what was found as the windows from number `at` on. */
static void finish(const pooling *p, const stretch *s, int64_t at) {
  const cr__view *out = &p->k->pool_max.out;
  char *to = out->data + at * (int64_t)cr__size_of((cr_dtype)out->dtype);
  if (s->best != to) cr__convert(to, out->dtype, s->best, cr__compute_dtype(p->compute), s->n);
  if (!s->places) return;
  int64_t *places = (int64_t *)(void *)p->k->pool_max.indices.data + at;
  if (p->compute == CR__COMPUTE_F32) {
    const int32_t *found = (const int32_t *)(const void *)s->places;
    for (int64_t i = 0; i < s->n; i++) places[i] = (int64_t)found[i] + 1;
  } else {
    for (int64_t i = 0; i < s->n; i++) places[i]++; /* they were found where they stay */
  }
}

static void run_stretch(const void *job, int64_t piece, char *room) {
  const pooling *p = job;
  const cr__windows *d = p->dim;
  stretch s = {.begin = piece % p->stretches * STRETCH};
  int64_t row = piece / p->stretches, at;
  s.n = d[2].result - s.begin < STRETCH ? d[2].result - s.begin : STRETCH;
  s.at[1] = row % d[1].result, s.at[0] = row / d[1].result % d[0].result;
  s.plane = row / d[1].result / d[0].result;
  at = row * d[2].result + s.begin;
  bool plain = p->k->pool_max.out.dtype == cr__compute_dtype(p->compute);
  s.best = plain ? p->k->pool_max.out.data + at * p->width : room;
  if (p->k->pool_max.indices.data)
    s.places = p->compute == CR__COMPUTE_F32
                   ? room + STRETCH * p->width
                   : p->k->pool_max.indices.data + at * (int64_t)sizeof(int64_t);
  s.ranges = (int64_t *)(void *)(room + 2 * STRETCH * p->width);
  s.row = room + 2 * STRETCH * p->width + (p->kind == CR__WINDOWS_EVEN ? 16 * d[2].kernel : 0);
  if (p->kind == CR__WINDOWS_EVEN) find_ranges(p, &s);
  cr__window w0 = window_of(p, s.plane, 0, s.at[0]), w1 = window_of(p, s.plane, 1, s.at[1]);
  begin(p, &s, (w0.first * d[1].size + w1.first) * d[2].size);
  for (int64_t i = 0; i < w0.count; i++) {
    for (int64_t j = 0; j < w1.count; j++) {
      int64_t y = (w0.first + i * w0.step) * d[1].size + w1.first + j * w1.step;
      int64_t line = y * d[2].size, from = s.plane * d[0].size * d[1].size * d[2].size + line;
      if (p->kind == CR__WINDOWS_EVEN) even_row(p, &s, from, line);
      else uneven_row(p, &s, from, line);
    }
  }
  finish(p, &s, at);
}

/* `out` and `indices` (int64, if it is there) have `planes` times result[0] x result[1] x result[2] elements, `from` as
 * many times size[0] x ...; all are contiguous. kind: a cr__windows_kind. No window is empty. `samples`, of drawn
 * windows, has the dtype of `from` and two numbers a plane (for the last dim, then the one before it) or three (for the
 * first dim, then those after it), in [0, 1). */
int cr__cpu_pool_max(cr__launch *k) {
  pooling p = {.k = k, .kind = (cr__windows_kind)k->pool_max.kind, .dtype = k->pool_max.from.dtype};
  int64_t plane = 1, windows = 1, area = 1;
  for (int d = 0; d < 3; d++) {
    p.dim[d] =
        (cr__windows){k->pool_max.size[d],   k->pool_max.result[d],  k->pool_max.window[d],
                      k->pool_max.stride[d], k->pool_max.padding[d], k->pool_max.dilation[d]};
    plane *= p.dim[d].size, windows *= p.dim[d].result, area *= p.dim[d].kernel;
  }
  if (p.kind == CR__WINDOWS_ADAPTIVE && windows) area = plane / windows + 1;
  p.compute = cr__compute_of(p.dtype);
  if (p.compute == CR__COMPUTE_F32 && plane > INT32_MAX) p.compute = CR__COMPUTE_F64;
  p.loops = cr__pooling_loops_here(p.compute);
  p.size = (int64_t)cr__size_of((cr_dtype)p.dtype), p.width = (int64_t)cr__compute_size(p.compute);
  p.stretches = (p.dim[2].result + STRETCH - 1) / STRETCH;
  p.room = p.dim[2].size;
  if (p.kind == CR__WINDOWS_EVEN) {
    int64_t most = (STRETCH - 1) * p.dim[2].stride + (p.dim[2].kernel - 1) * p.dim[2].dilation + 1;
    p.room = most < p.room ? most : p.room;
  }
  if (p.dtype == cr__compute_dtype(p.compute)) p.room = 0;
  int64_t ranges = p.kind == CR__WINDOWS_EVEN ? 16 * p.dim[2].kernel : 0;
  int64_t n = k->pool_max.planes * p.dim[0].result * p.dim[1].result * p.stretches;
  return cr__cpu_lines(k->op, n, k->pool_max.planes * windows * area / 8,
                       (size_t)((2 * STRETCH + p.room) * p.width + ranges), run_stretch, &p);
}

/* ---- Back to where they were ------------------------------------------------------------------- */

typedef struct putting {
  const cr__launch *k;
  int64_t plane, windows;
  int compute;
  atomic_bool outside;
} putting;

#define PUT(T)                                                       \
  do {                                                               \
    T *to = (T *)(void *)sums;                                       \
    const T *x = (const T *)(const void *)values;                    \
    for (int64_t i = 0; i < n; i++) {                                \
      uint64_t place = (uint64_t)at[i] - 1;                          \
      if (CR__LIKELY(place < (uint64_t)p->plane)) to[place] += x[i]; \
      else good = false;                                             \
    }                                                                \
  } while (0)

/* Adds n values to the sums of a plane; false if a place lies outside of it. */
static bool put(const putting *p, char *sums, const char *values, const int64_t *at, int64_t n) {
  bool good = true;
  if (p->compute == CR__COMPUTE_F32) PUT(float);
  else PUT(double);
  return good;
}

static void put_plane(const void *job, int64_t plane, char *room) {
  putting *p = (putting *)(uintptr_t)job;
  const cr__view *out = &p->k->pool_put.out, *from = &p->k->pool_put.from;
  int type = cr__compute_dtype(p->compute);
  int64_t width = (int64_t)cr__compute_size(p->compute);
  int64_t size = (int64_t)cr__size_of((cr_dtype)out->dtype);
  const int64_t *at = (const int64_t *)(const void *)p->k->pool_put.indices.data;
  char *to = out->data + plane * p->plane * size, *sums = out->dtype == type ? to : room;
  char *copy = room + (out->dtype == type ? 0 : p->plane * width);
  memset(sums, 0, (size_t)(p->plane * width));
  for (int64_t i = 0; i < p->windows && !cr__cpu_stopped(); i += STRETCH) {
    int64_t first = plane * p->windows + i, n = p->windows - i < STRETCH ? p->windows - i : STRETCH;
    const char *x = from->data + first * size;
    if (from->dtype != type) {
      cr__convert(copy, type, x, from->dtype, n);
      x = copy;
    }
    if (!put(p, sums, x, at + first, n))
      atomic_store_explicit(&p->outside, true, memory_order_relaxed);
  }
  if (sums != to) cr__convert(to, out->dtype, sums, type, p->plane);
}

/* `out`: planes of size[0] x size[1] x size[2], each the sum of the elements of `from`, in planes of result[0] x ...,
 * at the places that `indices` (int64, from 1) names. `out` and `from` have one floating dtype; all are contiguous. The
 * other numbers are as for pool_max, whose places they are: those who gather need them. */
int cr__cpu_pool_put(cr__launch *k) {
  putting p = {.k = k, .plane = 1, .windows = 1, .compute = cr__compute_of(k->pool_put.out.dtype)};
  for (int d = 0; d < 3; d++) p.plane *= k->pool_put.size[d], p.windows *= k->pool_put.result[d];
  size_t width = cr__compute_size(p.compute);
  bool plain = k->pool_put.out.dtype == cr__compute_dtype(p.compute);
  int64_t planes = k->pool_put.planes;
  int code = cr__cpu_lines(k->op, planes, planes * (p.plane / 8 + p.windows),
                           width * (size_t)(STRETCH + (plain ? 0 : p.plane)), put_plane, &p);
  if (code || !p.outside) return code;
  return cr__fail(CR_E_INDEX, "%s: a place lies outside of its plane of %lld elements", k->op,
                  (long long)p.plane);
}
