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

int64_t cr__rows_together(const job *j, int64_t r, int64_t last) {
  int64_t fit = CR__PIECE_BYTES / size_of(j->type) / (j->run > 0 ? j->run : 1);
  if (fit > CR__PIECE_LINES) fit = CR__PIECE_LINES;
  if (fit < 1) fit = 1;
  int64_t end = j->batch == 1 ? last : (r / j->groups + 1) * j->groups;
  if (end > last) end = last;
  return end - r < fit ? end - r : fit;
}

/* ---- Standards ---- */

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

/* Finds the standards of some rows. */
static void find_standards(const job *j, int64_t first, int64_t rows) {
  _Alignas(64) char room[CR__PIECE_BYTES];
  double middles[CR__PIECE_LINES] = {0}, all[2 * CR__PIECE_LINES] = {0}, sums[2 * CR__PIECE_LINES];
  if (j->centred) {
    walk w = walk_rows(j, first, rows, 1);
    for (piece p; next_piece(&w, &p);) {
      j->loops->sum(sums, take(j, j->from, &p, room), p.lines, p.n);
      for (int64_t l = 0; l < p.lines; l++) middles[p.row + l] += sums[l];
    }
    for (int64_t r = 0; r < rows; r++) middles[r] /= (double)j->n;
    for (int64_t r = 0; r < rows && j->type == CR_FLOAT32; r++) middles[r] = (float)middles[r];
  }
  walk w = walk_rows(j, first, rows, 1);
  for (piece p; next_piece(&w, &p);) {
    j->loops->spread(sums, take(j, j->from, &p, room), p.lines, p.n, middles + p.row);
    for (int64_t l = 0; l < 2 * p.lines; l++) all[2 * p.row + l] += sums[l];
  }
  for (int64_t r = 0; r < rows; r++) {
    double *mean = &j->mean[first + r], *inverse = &j->inverse[first + r];
    if (!cr__standard_by(j, middles[r], all + 2 * r, mean, inverse))
      cr__careful_standard(j, first + r, mean, inverse);
  }
}

/* ---- Elements ---- */

static double element(const job *j, const char *data, int64_t i) {
  return j->type == CR_FLOAT64 ? ((const double *)(const void *)data)[i]
                               : (double)((const float *)(const void *)data)[i];
}

/* Where channels of a row differ, and are not its elements, each is a line of its own. */
static int64_t parts_of(const job *j, bool apart) { return j->each || !apart ? 1 : j->channels; }

static int64_t channel_of(const job *j, int64_t row, int64_t line) {
  return row % j->groups * j->channels + line;
}

static cr__terms terms_of(const job *j, int64_t row, int64_t line) {
  cr__terms t = {j->mean[row], j->inverse[row], 1, 1, 0, 0, 0, false};
  t.far = cr__is_far(j, t.mean, t.inverse);
  if (t.far && j->type == CR_FLOAT64) t.scale = 0x1p-4;
  else if (t.far) t.mean = (float)t.mean; /* what is the mean, as its dtype has it, gives 0 */
  if (j->weight && !j->each) t.weight = element(j, j->weight, channel_of(j, row, line));
  if (j->bias && !j->each) t.bias = element(j, j->bias, channel_of(j, row, line));
  return t;
}

/* The lines of a piece, with their terms, as loops take them: all at once, or some after the others. */
typedef struct lines {
  const walk *w;
  const piece *p;
  cr__terms terms[CR__PIECE_LINES];
  int64_t at, n; /* which are next, and how many */
  const cr__standardize_loops *loops;
  int64_t offset; /* of the first of them, in bytes, in the piece */
} lines;

static int64_t line_number(const lines *s, int64_t l) { return s->p->line + l; }
static int64_t row_of(const lines *s, int64_t l) {
  return s->w->first + s->p->row + line_number(s, l) / s->w->parts;
}

static void begin_lines(lines *s, const walk *w, const piece *p) {
  s->w = w, s->p = p, s->at = s->n = 0;
  for (int64_t l = 0; l < p->lines; l++)
    s->terms[l] = terms_of(w->j, row_of(s, l), line_number(s, l) % w->parts);
}

/* The next lines that are all near or all far, and share weights where elements have their own. */
static bool next_lines(lines *s) {
  const job *j = s->w->j;
  s->at += s->n, s->n = 0;
  if (s->at == s->p->lines) return false;
  bool far = s->terms[s->at].far, one = j->each && j->groups > 1;
  do s->n++;
  while (!one && s->at + s->n < s->p->lines && s->terms[s->at + s->n].far == far);
  s->loops = far ? &j->loops->far : &j->loops->usual;
  s->offset = s->at * s->p->n * size_of(j->type);
  return true;
}

/* What `data` has for the elements of these lines, where each has its own; else NULL. */
static char *each_at(const lines *s, const char *data) {
  const job *j = s->w->j;
  if (!j->each || !data) return NULL;
  int64_t first = row_of(s, s->at) % j->groups * j->channels + s->p->from;
  return (char *)(uintptr_t)data + first * size_of(j->type);
}

void cr__standardize_rows(const job *j, int64_t first, int64_t rows) {
  _Alignas(64) char room[CR__PIECE_BYTES], results[CR__PIECE_BYTES];
  find_standards(j, first, rows);
  walk w = walk_rows(j, first, rows, parts_of(j, j->weight || j->bias));
  lines s;
  for (piece p; next_piece(&w, &p);) {
    const char *x = take(j, j->from, &p, room);
    char *to = put_at(j, &p, results);
    begin_lines(&s, &w, &p);
    while (next_lines(&s))
      s.loops->apply(to + s.offset, x + s.offset, s.n, p.n, s.terms + s.at, each_at(&s, j->weight),
                     each_at(&s, j->bias));
    put(j, &p, results);
  }
}

/* Adds up what the lines of a piece have, for their rows, and for their channels where these are asked for. */
static void add_dots(const lines *s, const double *sums, double *all, const gathering *to) {
  const job *j = s->w->j;
  for (int64_t l = 0; l < s->p->lines; l++) {
    const double weight = s->terms[l].weight, *own = sums + 2 * l;
    int64_t row = row_of(s, l), channel = channel_of(j, row, line_number(s, l) % s->w->parts);
    all[2 * (row - s->w->first)] += own[0] * weight;
    all[2 * (row - s->w->first) + 1] += own[1] * weight;
    if (!j->each && to->for_weight)
      to->for_bias[channel] += own[0], to->for_weight[channel] += own[1];
  }
}

void cr__standardize_rows_backward(const job *j, int64_t first, int64_t rows, const gathering *to) {
  _Alignas(64) char room[CR__PIECE_BYTES], grads[CR__PIECE_BYTES], results[CR__PIECE_BYTES];
  double all[2 * CR__PIECE_LINES] = {0}, sums[2 * CR__PIECE_LINES], n = (double)j->n;
  int64_t parts = parts_of(j, j->weight || to->for_weight);
  walk w = walk_rows(j, first, rows, parts);
  lines s;
  for (piece p; next_piece(&w, &p);) {
    const char *x = take(j, j->from, &p, room), *g = take(j, j->grad, &p, grads);
    begin_lines(&s, &w, &p);
    while (next_lines(&s))
      s.loops->dots(sums + 2 * s.at, g + s.offset, x + s.offset, s.n, p.n, s.terms + s.at,
                    each_at(&s, j->weight), each_at(&s, to->few_weights),
                    each_at(&s, to->few_biases));
    add_dots(&s, sums, all, to);
  }
  w = walk_rows(j, first, rows, parts);
  for (piece p; next_piece(&w, &p);) {
    const char *x = take(j, j->from, &p, room), *g = take(j, j->grad, &p, grads);
    char *out = put_at(j, &p, results);
    begin_lines(&s, &w, &p);
    for (int64_t l = 0; l < p.lines; l++) {
      const double *row = all + 2 * (row_of(&s, l) - first);
      s.terms[l].a = j->centred ? row[0] / n : 0, s.terms[l].b = row[1] / n;
    }
    while (next_lines(&s))
      s.loops->project(out + s.offset, g + s.offset, x + s.offset, s.n, p.n, s.terms + s.at,
                       each_at(&s, j->weight));
    put(j, &p, results);
  }
}
