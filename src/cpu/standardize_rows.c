/* standardize_rows.c: one row less its mean, over its spread, and its gradient.
 *
 * Holds true: a row goes in pieces that are no longer than a stretch. Those of other dtypes than float32 and float64, and
 * those whose elements lie far apart, are copied to a line first. */
#include <float.h>
#include <math.h>

#include "convert.h"
#include "cpu.h"
#include "standardize.h"

typedef cr__rows_job job;
typedef cr__gathering gathering;

#ifdef __x86_64__
extern const cr__spread_loops cr__spread_loops_v2[2], cr__spread_loops_v3[2],
    cr__spread_loops_v4[2];
const cr__spread_loops *cr__spread_loops_here(bool wide) {
  static const cr__spread_loops *const by_level[] = {cr__spread_loops_v2, cr__spread_loops_v3,
                                                     cr__spread_loops_v4};
  return &by_level[cr__cpu_level()][wide];
}
#else
extern const cr__spread_loops cr__spread_loops_base[2];
const cr__spread_loops *cr__spread_loops_here(bool wide) { return &cr__spread_loops_base[wide]; }
#endif

/* A row at hand: its segments lie `step` bytes apart. */
typedef struct row {
  const char *x, *g;
  char *out;
  int64_t segments, step, run;
  int64_t first; /* channel, among all */
} row;

/* ---- Rows where they lie, and in a line ---- */

static int64_t size_of(int dtype) { return (int64_t)cr__size_of((cr_dtype)dtype); }

static int64_t place_of(const job *j, int64_t r, int64_t segment) {
  return ((r / j->groups * j->batch + segment) * j->groups + r % j->groups) * j->run;
}

static void gather_row(const job *j, int64_t r, const char *from, char *to) {
  int64_t size = size_of(j->dtype), width = size_of(j->type);
  if (j->run == 1) {
    cr__read_looking(to, j->type, from + place_of(j, r, 0) * size, j->dtype, j->groups, j->batch);
    return;
  }
  for (int64_t b = 0; b < j->batch; b++)
    cr__read_looking(to + b * j->run * width, j->type, from + place_of(j, r, b) * size, j->dtype, 1,
                     j->run);
}

static void scatter_row(const job *j, int64_t r, const char *from) {
  int64_t size = size_of(j->dtype), width = size_of(j->type);
  if (j->run == 1) {
    cr__write_run(j->out + place_of(j, r, 0) * size, j->dtype, j->groups, from, j->type, j->batch);
    return;
  }
  for (int64_t b = 0; b < j->batch; b++)
    cr__write_run(j->out + place_of(j, r, b) * size, j->dtype, 1, from + b * j->run * width,
                  j->type, j->run);
}

/* `room` holds a row's elements, gradients and results where they are copied. */
static row take_row(const job *j, int64_t r, char *room) {
  int64_t size = size_of(j->dtype), first = r % j->groups * j->channels,
          line = j->n * size_of(j->type);
  if (j->in_place) {
    int64_t at = place_of(j, r, 0) * size;
    return (row){j->from + at, j->grad ? j->grad + at : NULL, j->out + at,
                 j->batch,     j->groups * j->run * size,     j->run,
                 first};
  }
  gather_row(j, r, j->from, room);
  if (j->grad) gather_row(j, r, j->grad, room + line);
  row w =
      {room,   room + line, room + (j->grad ? 2 : 1) * line, j->batch, j->run * size_of(j->type),
       j->run, first};
  if (j->channels == 1) w.segments = 1, w.run = j->n;
  return w;
}

/* ---- Standards ---- */

/* The power of two that brings the largest of float64 elements near 1. */
static double scale_of(const row *w) {
  double most = 0;
  int exponent;
  for (int64_t b = 0; b < w->segments; b++) {
    const double *x = (const double *)(const void *)(w->x + b * w->step);
    for (int64_t i = 0; i < w->run; i++) most = fabs(x[i]) > most ? fabs(x[i]) : most;
  }
  if (!isfinite(most) || most == 0) return 1;
  frexp(most, &exponent);
  return ldexp(1, exponent < -1000 ? 1000 : -exponent);
}

/* The sum, or with `middle` the squares of the differences from it, in stretches; scaled where the squares of elements
 * have left the range of float64. */
static double gather_sum(const job *j, const row *w, const double *middle, const double *scale) {
  double sum = 0;
  int64_t width = size_of(j->type);
  for (int64_t b = 0; b < w->segments; b++) CR__STRETCHES(i, w->run) {
      const char *x = w->x + b * w->step + i * width;
      int64_t n = w->run - i < CR__STRETCH ? w->run - i : CR__STRETCH;
      if (scale && middle) sum += j->loops->scaled_squares(x, n, *middle, *scale);
      else if (scale) sum += j->loops->scaled_sum(x, n, *scale);
      else if (middle) sum += j->loops->squares(x, n, *middle);
      else sum += j->loops->sum(x, n);
    }
  return sum;
}

static __attribute__((noinline)) cr__standard scaled_standard(const job *j, const row *w) {
  double n = (double)j->n, scale = scale_of(w);
  double middle = j->centred ? gather_sum(j, w, NULL, &scale) / n : 0;
  double spread = sqrt(gather_sum(j, w, &middle, &scale) / n) / scale;
  return (cr__standard){middle / scale, 1 / hypot(spread, sqrt(j->eps)), 1};
}

static cr__standard standard_of(const job *j, const row *w) {
  double n = (double)j->n, mean = j->centred ? gather_sum(j, w, NULL, NULL) / n : 0;
  double square = gather_sum(j, w, &mean, NULL) / n;
  bool lost = !(square <= DBL_MAX) || (square < 0x1p-900 && square + j->eps < 0x1p-900);
  if (j->type == CR_FLOAT64 && lost) return scaled_standard(j, w);
  return (cr__standard){mean, 1 / sqrt(square + j->eps), 1};
}

/* The loops for elements of such a standard. Where their differences may leave their type's range, *s scales them. */
static const cr__standardize_loops *loops_for(const job *j, cr__standard *s) {
  double most = j->type == CR_FLOAT64 ? 0x1p1000 : 0x1p100;
  bool near = s->inverse <= most && s->inverse >= 1 / most && fabs(s->mean) <= most;
  if (near || isnan(s->inverse)) return &j->loops->usual;
  if (j->type == CR_FLOAT64) s->scale = 0x1p-4;
  else s->mean = (float)s->mean; /* what is the mean, as its dtype has it, gives 0 */
  return &j->loops->far;
}

/* ---- Elements ---- */

/* A piece of a row: elements side by side that have one weight and bias, or each its own, and are no more than a stretch. */
typedef struct piece {
  int64_t place, n; /* bytes from the row's beginning; elements */
  int64_t channel;  /* among all; of the first element */
  cr__scales by;
} piece;

static cr__scales scales_at(const job *j, int64_t channel) {
  int64_t offset = channel * size_of(j->type);
  cr__scales by = {NULL, NULL, 1, 0};
  if (j->each) {
    by.weights = j->weight ? j->weight + offset : NULL;
    by.biases = j->bias ? j->bias + offset : NULL;
  } else if (j->type == CR_FLOAT64) {
    if (j->weight) by.weight = ((const double *)(const void *)j->weight)[channel];
    if (j->bias) by.bias = ((const double *)(const void *)j->bias)[channel];
  } else {
    if (j->weight) by.weight = ((const float *)(const void *)j->weight)[channel];
    if (j->bias) by.bias = ((const float *)(const void *)j->bias)[channel];
  }
  return by;
}

/* How the pieces of a row follow each other: of `length` elements, which stretches divide again. */
typedef struct cutting {
  int64_t length, of_part, parts, count;
} cutting;

/* `apart`: whether channels have scales, or gradients of theirs are asked for. */
static cutting cut(const job *j, const row *w, bool apart) {
  bool whole = j->each || !apart || j->channels == 1;
  int64_t length = whole ? w->run : j->inner;
  cutting c = {length, (length + CR__STRETCH - 1) / CR__STRETCH, whole ? 1 : j->channels, 0};
  c.count = w->segments * c.parts * c.of_part;
  return c;
}

static piece piece_at(const job *j, const row *w, const cutting *c, int64_t index) {
  int64_t part = index / c->of_part, from = index % c->of_part * CR__STRETCH,
          channel = part % c->parts;
  int64_t left = c->length - from;
  piece p = {.n = left < CR__STRETCH ? left : CR__STRETCH,
             .channel = w->first + channel + (j->each ? from : 0)};
  p.place = part / c->parts * w->step + (channel * c->length + from) * size_of(j->type);
  p.by = scales_at(j, p.channel);
  return p;
}

void cr__standardize_row(const job *j, int64_t r, char *room) {
  row w = take_row(j, r, room);
  cr__standard s = standard_of(j, &w);
  cutting c = cut(j, &w, j->weight || j->bias);
  j->mean[r] = s.mean, j->inverse[r] = s.inverse;
  const cr__standardize_loops *loops = loops_for(j, &s);
  for (int64_t i = 0; i < c.count && !((i & 15) == 15 && cr__cpu_stopped()); i++) {
    piece p = piece_at(j, &w, &c, i);
    loops->apply(w.out + p.place, w.x + p.place, p.n, &s, &p.by);
  }
  if (!j->in_place) scatter_row(j, r, w.out);
}

static void add_channel(const gathering *to, int64_t channel, const double *sums) {
  if (!to->for_weight) return;
  to->for_bias[channel] += sums[0];
  to->for_weight[channel] += sums[1];
}

void cr__standardize_row_backward(const job *j, int64_t r, char *room, const gathering *to) {
  row w = take_row(j, r, room);
  cr__standard s = {j->mean[r], j->inverse[r], 1};
  const cr__standardize_loops *loops = loops_for(j, &s);
  cutting c = cut(j, &w, j->weight || to->for_weight);
  const cr__scales plain = {NULL, NULL, 1, 0};
  double a = 0, b = 0, n = (double)j->n;
  for (int64_t i = 0; i < c.count && !((i & 15) == 15 && cr__cpu_stopped()); i++) {
    piece p = piece_at(j, &w, &c, i);
    cr__gathered few = {NULL, NULL};
    double sums[2], weight = j->each ? 1 : p.by.weight;
    if (j->each && to->for_weight) {
      int64_t offset = p.channel * size_of(j->type);
      few = (cr__gathered){to->few_weights + offset, to->few_biases + offset};
    }
    loops->dots(sums, w.g + p.place, w.x + p.place, p.n, &s, j->each ? &p.by : &plain, &few);
    if (!j->each) add_channel(to, p.channel, sums);
    a += sums[0] * weight, b += sums[1] * weight;
  }
  for (int64_t i = 0; i < c.count && !((i & 15) == 15 && cr__cpu_stopped()); i++) {
    piece p = piece_at(j, &w, &c, i);
    loops->project(w.out + p.place, w.g + p.place, w.x + p.place, p.n, &s, &p.by,
                   j->centred ? a / n : 0, b / n);
  }
  if (!j->in_place) scatter_row(j, r, w.out);
}
