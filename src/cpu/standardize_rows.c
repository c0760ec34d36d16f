/* standardize_rows.c: some rows less their mean, over their spread, and their gradients.
 *
 * Holds true: rows go in pieces, of which a loop has lines of equal length side by side: a line is a row's part that lies
 * in one place, or of it a channel's part, where channels of a row differ. What is not of the type that is computed with
 * is converted piece by piece. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "convert.h"
#include "cpu.h"
#include "standardize.h"
#include "cpu/loops/loops.h"

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

static int64_t size_of(int dtype) { return (int64_t)cr__size_of((cr_dtype)dtype); }

/* ---- Pieces ---- */

/* Lines of n elements, side by side from element `place` of the tensor on. */
typedef struct piece {
  int64_t place, lines, n;
  int64_t row,
      line; /* the first line's row, from the first of those at hand, and its number in that row */
  int64_t from; /* where in its line a part of one line begins */
} piece;

/* A walk over the pieces of `rows` rows from `first` on, each of `parts` lines in each of its segments. */
typedef struct walk {
  const job *j;
  int64_t first, rows, parts, length, most;
  int64_t segment, line, from; /* of what comes next: lines count over all rows */
} walk;

static walk walk_rows(const job *j, int64_t first, int64_t rows, int64_t parts) {
  int64_t length = j->run / parts, most = CR__PIECE_BYTES / size_of(j->type);
  most = length > 0 && most / length > 1 ? most / length : 1;
  return (walk){j, first, rows, parts, length, most < CR__PIECE_LINES ? most : CR__PIECE_LINES,
                0, 0,     0};
}

static bool next_piece(walk *w, piece *p) {
  const job *j = w->j;
  int64_t most = CR__PIECE_BYTES / size_of(j->type), all = w->rows * w->parts;
  if (w->segment == j->batch || w->length == 0 || cr__cpu_stopped()) return false;
  int64_t r = w->first;
  p->place = ((r / j->groups * j->batch + w->segment) * j->groups + r % j->groups) * j->run +
             w->line * w->length + w->from;
  p->row = w->line / w->parts, p->line = w->line % w->parts, p->from = w->from;
  if (w->length > most) {
    int64_t left = w->length - w->from;
    p->lines = 1, p->n = left < most ? left : most;
    w->from += p->n;
    if (w->from == w->length) w->from = 0, w->line++;
  } else {
    p->lines = all - w->line < w->most ? all - w->line : w->most, p->n = w->length;
    w->line += p->lines;
  }
  if (w->line == all) w->line = 0, w->segment++;
  return true;
}

/* The elements of a piece, in the type that is computed with: where they lie, or in `room`. */
static const char *take(const job *j, const char *from, const piece *p, char *room) {
  const char *x = from + p->place * size_of(j->dtype);
  if (j->dtype == j->type) return x;
  cr__convert(room, j->type, x, j->dtype, p->lines * p->n);
  return room;
}

/* Where results of a piece are put, and how they come to where they belong. */
static char *put_at(const job *j, const piece *p, char *room) {
  return j->dtype != j->type || j->past ? room : j->out + p->place * size_of(j->dtype);
}

static void put(const job *j, const piece *p, const char *room) {
  int64_t n = p->lines * p->n;
  char *to = j->out + p->place * size_of(j->dtype);
  if (j->dtype != j->type) {
    cr__convert(to, j->dtype, room, j->type, n);
  } else if (j->past) {
    size_t nbytes = (size_t)(n * size_of(j->type));
    size_t head = -(uintptr_t)to % CR__LINE;
    if (head > nbytes) head = nbytes;
    size_t lines = (nbytes - head) / CR__LINE * CR__LINE;
    memcpy(to, room, head);
    if (lines) cr__best_stream()(to + head, room + head, lines);
    memcpy(to + head + lines, room + head + lines, nbytes - head - lines);
  }
}

/* How many elements on from a piece the next rows begin, where these lie side by side and are read in place. */
static int64_t ahead(const job *j, const piece *p) {
  return j->batch == 1 && j->dtype == j->type ? p->lines * p->n : 0;
}

int64_t cr__rows_together(const job *j, int64_t r, int64_t last) {
  int64_t fit = CR__PIECE_BYTES / size_of(j->type) / (j->run > 0 ? j->run : 1);
  if (fit > CR__PIECE_LINES) fit = CR__PIECE_LINES;
  if (fit < 1) fit = 1;
  int64_t end = j->batch == 1 ? last : (r / j->groups + 1) * j->groups;
  if (end > last) end = last;
  return end - r < fit ? end - r : fit;
}

/* ---- Standards ---- */

enum { SAMPLE = 64, SAMPLE_OF_MANY = 512, MANY = 4096 };

/* x, as the type that is computed with has it. */
static double in_type(const job *j, double x) {
  return j->type == CR_FLOAT64 ? x : (double)(float)x;
}

/* The power of two that brings the largest of float64 elements near 1. */
static double scale_of(const job *j, int64_t r) {
  double most = 0;
  int exponent;
  walk w = walk_rows(j, r, 1, 1);
  for (piece p; next_piece(&w, &p);) {
    const double *x = (const double *)(const void *)j->from + p.place;
    for (int64_t i = 0; i < p.n; i++) most = fabs(x[i]) > most ? fabs(x[i]) : most;
  }
  if (!isfinite(most) || most == 0) return 1;
  frexp(most, &exponent);
  return ldexp(1, exponent < -1000 ? 1000 : -exponent);
}

/* The sum, or with `middle` the squares of the differences from it, of elements times scale. */
static double careful_sum(const job *j, int64_t r, const double *middle, double scale) {
  _Alignas(64) char room[CR__PIECE_BYTES];
  double sum = 0;
  walk w = walk_rows(j, r, 1, 1);
  for (piece p; next_piece(&w, &p);) {
    const char *x = take(j, j->from, &p, room);
    sum += middle ? j->loops->scaled_squares(x, p.n, *middle, scale)
                  : j->loops->scaled_sum(x, p.n, scale);
  }
  return sum;
}

void cr__careful_standard(const job *j, int64_t r, double *mean, double *inverse) {
  double n = (double)j->n;
  *mean = j->centred ? careful_sum(j, r, NULL, 1) / n : 0;
  double square = careful_sum(j, r, mean, 1) / n;
  bool lost = !(square <= DBL_MAX) || (square < 0x1p-900 && square + j->eps < 0x1p-900);
  *inverse = 1 / sqrt(square + j->eps);
  if (j->type != CR_FLOAT64 || !lost) return;
  double scale = scale_of(j, r), middle = j->centred ? careful_sum(j, r, NULL, scale) / n : 0;
  double spread = sqrt(careful_sum(j, r, &middle, scale) / n) / scale;
  *mean = middle / scale, *inverse = 1 / hypot(spread, sqrt(j->eps));
}

bool cr__standard_by(const job *j, double middle, const double sums[2], double *mean,
                     double *inverse) {
  double n = (double)j->n, away = j->centred ? sums[0] / n : 0, square = sums[1] / n;
  double least = j->type == CR_FLOAT64 ? 0x1p-900 : 0x1p-90, variance = square - away * away;
  *mean = middle + away, *inverse = 1 / sqrt(variance + j->eps);
  return square <= DBL_MAX && away * away <= variance && variance + j->eps >= least;
}

bool cr__is_far(const job *j, double mean, double inverse) {
  double most = j->type == CR_FLOAT64 ? 0x1p1000 : 0x1p100;
  bool near = inverse <= most && inverse >= 1 / most && fabs(mean) <= most;
  return !near && !isnan(inverse);
}

/* First middles: the means of as many elements as tell where a row lies. */
static void guess_middles(const job *j, int64_t first, int64_t rows, double *middles) {
  _Alignas(64) char room[CR__PIECE_BYTES];
  _Alignas(64) double lanes[CR__PIECE_LINES * CR__SUM_LANES] = {0};
  int64_t n = j->n > MANY ? SAMPLE_OF_MANY : SAMPLE;
  walk w = walk_rows(j, first, rows, 1);
  piece p;
  if (!next_piece(&w, &p)) return;
  if (n > p.n) n = p.n;
  j->loops->sum(lanes, take(j, j->from, &p, room), p.lines, p.n, n);
  j->loops->fold(middles, lanes, p.lines);
  for (int64_t r = 0; r < rows; r++) middles[r] = in_type(j, middles[r] / (double)n);
}

/* Finds the standards of some rows, once more with better middles where the first do not tell. */
static void find_standards(const job *j, int64_t first, int64_t rows) {
  _Alignas(64) char room[CR__PIECE_BYTES];
  _Alignas(64) double lanes[2 * CR__PIECE_LINES * CR__SUM_LANES];
  double middles[CR__PIECE_LINES] = {0}, sums[2 * CR__PIECE_LINES];
  bool told = false;
  if (j->centred) guess_middles(j, first, rows, middles);
  for (int round = 0; round < 2 && !told; round++) {
    memset(lanes, 0, (size_t)(2 * rows * CR__SUM_LANES) * sizeof(double));
    walk w = walk_rows(j, first, rows, 1);
    for (piece p; next_piece(&w, &p);)
      j->loops->spread(lanes + 2 * p.row * CR__SUM_LANES, take(j, j->from, &p, room), p.lines, p.n,
                       middles + p.row, round == 0 ? ahead(j, &p) : 0);
    j->loops->fold(sums, lanes, 2 * rows);
    told = true;
    for (int64_t r = 0; r < rows; r++) {
      double *mean = &j->mean[first + r], *inverse = &j->inverse[first + r];
      bool one = cr__standard_by(j, middles[r], sums + 2 * r, mean, inverse);
      if (!one && round == 0 && isfinite(*mean)) middles[r] = in_type(j, *mean);
      else if (!one) cr__careful_standard(j, first + r, mean, inverse);
      told = told && one;
    }
  }
}

/* ---- Elements ---- */

static double element(const job *j, const char *data, int64_t i) {
  return j->type == CR_FLOAT64 ? ((const double *)(const void *)data)[i]
                               : (double)((const float *)(const void *)data)[i];
}

/* The rows at hand: their terms, and where channels of a row differ, and are not its elements, the lines that a row has,
 * one for each channel. */
typedef struct rows {
  const job *j;
  int64_t first, n, parts;
  cr__terms terms[CR__PIECE_LINES];
} rows;

static void begin_rows(rows *s, const job *j, int64_t first, int64_t n, bool apart) {
  int64_t group = first % j->groups;
  s->j = j, s->first = first, s->n = n;
  s->parts = j->each || !apart ? 1 : j->channels;
  for (int64_t r = 0; r < n; r++) {
    cr__terms *t = &s->terms[r];
    *t = (cr__terms){j->mean[first + r], j->inverse[first + r], 1, 1, 0, 0, 0, false};
    t->far = cr__is_far(j, t->mean, t->inverse);
    if (t->far && j->type == CR_FLOAT64) t->scale = 0x1p-4;
    else if (t->far) t->mean = (float)t->mean; /* what is the mean, as its dtype has it, gives 0 */
    if (j->channels == 1 && j->weight) t->weight = element(j, j->weight, group);
    if (j->channels == 1 && j->bias) t->bias = element(j, j->bias, group);
    if (++group == j->groups) group = 0;
  }
}

/* The lines of a piece as loops take them: all at once, or some after the others. */
typedef struct lines {
  const rows *rows;
  const piece *p;
  const cr__terms *terms;
  cr__terms own[CR__PIECE_LINES]; /* where rows have several lines */
  int64_t at, n;                  /* which are next, and how many */
  const cr__standardize_loops *loops;
  int64_t offset; /* of the first of them, in bytes, in the piece */
} lines;

/* The row, among those at hand, and the channel among all of a line that follows another. */
typedef struct place {
  int64_t row, line, channel;
} place;
static place place_of(const rows *s, const piece *p) {
  return (place){p->row, p->line, (s->first + p->row) % s->j->groups * s->j->channels + p->line};
}
static void go_on(const rows *s, place *at) {
  if (++at->channel == s->j->groups * s->j->channels) at->channel = 0;
  if (++at->line == s->parts) at->line = 0, at->row++;
}

static void begin_lines(lines *l, const rows *s, const piece *p) {
  const job *j = s->j;
  l->rows = s, l->p = p, l->at = l->n = 0, l->terms = s->terms + p->row;
  if (s->parts == 1) return;
  l->terms = l->own;
  place at = place_of(s, p);
  for (int64_t i = 0; i < p->lines; i++, go_on(s, &at)) {
    l->own[i] = s->terms[at.row];
    if (j->weight) l->own[i].weight = element(j, j->weight, at.channel);
    if (j->bias) l->own[i].bias = element(j, j->bias, at.channel);
  }
}

/* The next lines that are all near or all far, and share weights where elements have their own. */
static bool next_lines(lines *l) {
  const job *j = l->rows->j;
  l->at += l->n, l->n = 0;
  if (l->at == l->p->lines) return false;
  bool far = l->terms[l->at].far, one = j->each && j->groups > 1;
  do l->n++;
  while (!one && l->at + l->n < l->p->lines && l->terms[l->at + l->n].far == far);
  l->loops = far ? &j->loops->far : &j->loops->usual;
  l->offset = l->at * l->p->n * size_of(j->type);
  return true;
}

/* What `data` has for the elements of these lines, where each has its own; else NULL. */
static char *each_at(const lines *l, const char *data) {
  const job *j = l->rows->j;
  if (!j->each || !data) return NULL;
  int64_t group = j->groups == 1 ? 0 : (l->rows->first + l->p->row + l->at) % j->groups;
  return (char *)(uintptr_t)data + (group * j->channels + l->p->from) * size_of(j->type);
}

void cr__standardize_rows(const job *j, int64_t first, int64_t n) {
  _Alignas(64) char room[CR__PIECE_BYTES], results[CR__PIECE_BYTES];
  rows s;
  lines l;
  find_standards(j, first, n);
  begin_rows(&s, j, first, n, j->weight || j->bias);
  walk w = walk_rows(j, first, n, s.parts);
  for (piece p; next_piece(&w, &p);) {
    const char *x = take(j, j->from, &p, room);
    char *to = put_at(j, &p, results);
    begin_lines(&l, &s, &p);
    while (next_lines(&l))
      l.loops->apply(to + l.offset, x + l.offset, l.n, p.n, l.terms + l.at, each_at(&l, j->weight),
                     each_at(&l, j->bias));
    put(j, &p, results);
  }
}

/* ---- Gradients ---- */

/* Adds up what the lines of a piece have, for their rows and channels: `lanes` are those of the piece. */
static void add_channels(const rows *s, const piece *p, const lines *l, const double *lanes,
                         double *all, const gathering *to) {
  double sums[2 * CR__PIECE_LINES];
  s->j->loops->fold(sums, lanes, 2 * p->lines);
  place at = place_of(s, p);
  for (int64_t i = 0; i < p->lines; i++, go_on(s, &at)) {
    const double *own = sums + 2 * i, weight = l->terms[i].weight;
    all[2 * at.row] += own[0] * weight, all[2 * at.row + 1] += own[1] * weight;
    if (!to->for_weight) continue;
    to->for_bias[at.channel] += own[0], to->for_weight[at.channel] += own[1];
  }
}

/* all[2 * r], [2 * r + 1]: what row r's gradients add up to. */
static void find_dots(const rows *s, double *all, const gathering *to) {
  _Alignas(64) char room[CR__PIECE_BYTES], grads[CR__PIECE_BYTES];
  _Alignas(64) double lanes[2 * CR__PIECE_LINES * CR__SUM_LANES];
  const job *j = s->j;
  lines l;
  bool whole = s->parts == 1; /* rows are lines, and lanes are those of the rows at hand */
  memset(lanes, 0, (size_t)(2 * s->n * CR__SUM_LANES) * sizeof(double));
  memset(all, 0, (size_t)(2 * s->n) * sizeof(double));
  walk w = walk_rows(j, s->first, s->n, s->parts);
  for (piece p; next_piece(&w, &p);) {
    const char *x = take(j, j->from, &p, room), *g = take(j, j->grad, &p, grads);
    double *sums = lanes + (whole ? 2 * p.row * CR__SUM_LANES : 0);
    if (!whole) memset(sums, 0, (size_t)(2 * p.lines * CR__SUM_LANES) * sizeof(double));
    begin_lines(&l, s, &p);
    while (next_lines(&l))
      l.loops->dots(sums + 2 * l.at * CR__SUM_LANES, g + l.offset, x + l.offset, l.n, p.n,
                    l.terms + l.at, each_at(&l, j->weight), each_at(&l, to->few_weights),
                    each_at(&l, to->few_biases), ahead(j, &p));
    if (!whole) add_channels(s, &p, &l, lanes, all, to);
  }
  if (!whole) return;
  if (j->each) {
    j->loops->fold(all, lanes, 2 * s->n);
    return;
  }
  const piece every = {.lines = s->n};
  begin_lines(&l, s, &every);
  add_channels(s, &every, &l, lanes, all, to);
}

void cr__standardize_rows_backward(const job *j, int64_t first, int64_t n, const gathering *to) {
  _Alignas(64) char room[CR__PIECE_BYTES], grads[CR__PIECE_BYTES], results[CR__PIECE_BYTES];
  double all[2 * CR__PIECE_LINES];
  rows s;
  lines l;
  begin_rows(&s, j, first, n, j->weight || to->for_weight);
  find_dots(&s, all, to);
  for (int64_t r = 0; r < n; r++) {
    s.terms[r].a = j->centred ? all[2 * r] / (double)j->n : 0;
    s.terms[r].b = all[2 * r + 1] / (double)j->n;
  }
  walk w = walk_rows(j, first, n, s.parts);
  for (piece p; next_piece(&w, &p);) {
    const char *x = take(j, j->from, &p, room), *g = take(j, j->grad, &p, grads);
    char *out = put_at(j, &p, results);
    begin_lines(&l, &s, &p);
    while (next_lines(&l))
      l.loops->project(out + l.offset, g + l.offset, x + l.offset, l.n, p.n, l.terms + l.at,
                       each_at(&l, j->weight));
    put(j, &p, results);
  }
}
