/* standardize_columns.c: rows whose elements lie far apart, less their mean, over their spread, and their gradients: the
 * channels of a batch of few elements each.
 *
 * Holds true: memory is seen as `batch` lines of as many columns as there are channels times their elements. Lines go in
 * parts that depend on the sizes alone; what parts add up is joined in order. */
#include <math.h>
#include <string.h>

#include "convert.h"
#include "cpu.h"
#include "standardize.h"
#include "cpu/loops/loops.h"

typedef cr__rows_job job;

enum {
  NARROW = 16,  /* elements of a channel side by side, below which columns are better */
  PARTS = 32,   /* at most */
  COLUMNS = 512 /* that a loop gets at most */
};

/* A call: its parts, and arrays for all columns. */
typedef struct work {
  const job *j;
  int64_t columns, parts, lines_each;
  size_t nbytes;
  char *room;
  double *sums[2];       /* of every part, one after the other */
  void *terms[7];        /* arrays of T: high, low, inverse, weight, bias, a, b */
  cr__column_terms view; /* of these */
} work;

enum { HIGH, LOW, INVERSE, WEIGHT, BIAS, A, B };

static int64_t size_of(int dtype) { return (int64_t)cr__size_of((cr_dtype)dtype); }

bool cr__goes_by_columns(const job *j) {
  return j->outer == 1 && j->batch > 1 && j->channels == 1 && j->run < NARROW && j->run > 0 &&
         j->groups > 0;
}

static int begin(work *w, const job *j) {
  w->j = j;
  w->columns = j->groups * j->run;
  w->lines_each = (j->batch + PARTS - 1) / PARTS;
  if (w->lines_each < CR__COLUMN_ROWS) w->lines_each = CR__COLUMN_ROWS;
  w->parts = (j->batch + w->lines_each - 1) / w->lines_each;
  size_t array = (size_t)(w->columns * size_of(j->type)),
         sums = (size_t)(w->parts * w->columns) * sizeof(double);
  w->nbytes = 2 * sums + 7 * array;
  w->room = cr__host_alloc(w->nbytes);
  if (!w->room) return (int)cr_error_code();
  w->sums[0] = (double *)(void *)w->room;
  w->sums[1] = (double *)(void *)(w->room + sums);
  for (int i = 0; i < 7; i++) w->terms[i] = w->room + 2 * sums + (size_t)i * array;
  w->view = (cr__column_terms){w->terms[HIGH], w->terms[LOW], w->terms[INVERSE], w->terms[WEIGHT],
                               w->terms[BIAS], w->terms[A],   w->terms[B]};
  return 0;
}

static void end(work *w) { cr__host_free(w->room, w->nbytes); }

/* Makes x element i of an array of T. */
static void set(const work *w, int array, int64_t i, double x) {
  if (w->j->type == CR_FLOAT64) ((double *)w->terms[array])[i] = x;
  else ((float *)w->terms[array])[i] = (float)x;
}
static double element(const job *j, const char *data, int64_t i, double absent) {
  if (!data) return absent;
  return j->type == CR_FLOAT64 ? ((const double *)(const void *)data)[i]
                               : (double)((const float *)(const void *)data)[i];
}
/* The same for all columns of a channel. */
static void set_channel(const work *w, int array, int64_t channel, double x) {
  for (int64_t i = 0; i < w->j->run; i++) set(w, array, channel * w->j->run + i, x);
}

/* ---- Blocks of lines and columns ---- */

typedef struct block {
  int64_t line, lines, column, columns;
} block;

/* Where a block lies, in the type that is computed with: in place, or converted to lines `*step` elements apart. */
static const char *take(const work *w, const char *from, const block *b, char *room,
                        int64_t *step) {
  const job *j = w->j;
  int64_t size = size_of(j->dtype), at = b->line * w->columns + b->column;
  *step = w->columns;
  if (j->dtype == j->type) return from + at * size;
  for (int64_t r = 0; r < b->lines; r++)
    cr__convert(room + r * b->columns * size_of(j->type), j->type,
                from + (at + r * w->columns) * size, j->dtype, b->columns);
  *step = b->columns;
  return room;
}

static void put(const work *w, const block *b, const char *room) {
  const job *j = w->j;
  int64_t size = size_of(j->dtype), at = b->line * w->columns + b->column;
  for (int64_t r = 0; r < b->lines && j->dtype != j->type; r++)
    cr__convert(j->out + (at + r * w->columns) * size, j->dtype,
                room + r * b->columns * size_of(j->type), j->type, b->columns);
}

static char *put_at(const work *w, const block *b, char *room) {
  const job *j = w->j;
  if (j->dtype != j->type) return room;
  return j->out + (b->line * w->columns + b->column) * size_of(j->dtype);
}

/* The terms from a column on. */
static cr__column_terms terms_at(const work *w, int64_t column) {
  const int64_t at = column * size_of(w->j->type);
  char *t[7];
  for (int i = 0; i < 7; i++) t[i] = (char *)w->terms[i] + at;
  return (cr__column_terms){t[HIGH], t[LOW], t[INVERSE], t[WEIGHT], t[BIAS], t[A], t[B]};
}

/* Calls step(w, part, b) for each block of each part. */
static void each_block(work *w, int64_t first, int64_t last,
                       void (*step)(work *w, int64_t part, const block *b)) {
  const int64_t most = CR__PIECE_BYTES / size_of(w->j->type);
  int64_t width = w->columns < COLUMNS ? w->columns : COLUMNS, high = most / width;
  if (high > CR__COLUMN_ROWS || w->j->dtype == w->j->type) high = CR__COLUMN_ROWS;
  for (int64_t part = first; part < last; part++) {
    int64_t from = part * w->lines_each, stop = from + w->lines_each;
    if (stop > w->j->batch) stop = w->j->batch;
    for (int64_t r = from; r < stop && !cr__cpu_stopped(); r += high)
      for (int64_t c = 0; c < w->columns; c += width) {
        block b = {r, stop - r < high ? stop - r : high, c,
                   w->columns - c < width ? w->columns - c : width};
        step(w, part, &b);
      }
  }
}

static int share(work *w, void (*task)(void *w, int64_t first, int64_t last)) {
  return cr__cpu_share(w->parts, w->j->batch * w->columns / 4, task, w);
}

/* ---- Standards ---- */

static void spread_block(work *w, int64_t part, const block *b) {
  _Alignas(64) char room[CR__PIECE_BYTES];
  int64_t step, at = part * w->columns + b->column;
  const char *x = take(w, w->j->from, b, room, &step);
  w->j->loops->columns.spread(w->sums[0] + at, w->sums[1] + at, x, b->lines, step, b->columns,
                              terms_at(w, b->column).high);
}
static void spread_parts(void *w, int64_t first, int64_t last) {
  each_block(w, first, last, spread_block);
}

/* What all parts have for a channel. */
static void join(const work *w, int64_t channel, double sums[2]) {
  const int64_t run = w->j->run;
  for (int k = 0; k < 2; k++) {
    sums[k] = 0;
    for (int64_t p = 0; p < w->parts; p++)
      for (int64_t i = 0; i < run; i++) sums[k] += w->sums[k][p * w->columns + channel * run + i];
  }
}

static void clear(work *w) {
  memset(w->sums[0], 0, 2 * (size_t)(w->parts * w->columns) * sizeof(double));
}

/* First middles: the means of the first lines. */
static void guess_middles(work *w) {
  const job *j = w->j;
  int64_t lines = j->batch < CR__COLUMN_ROWS ? j->batch : CR__COLUMN_ROWS;
  memset(w->terms[HIGH], 0, (size_t)(w->columns * size_of(j->type)));
  clear(w);
  for (int64_t r = 0; r < lines; r++)
    for (int64_t c = 0; c < w->columns; c += COLUMNS) {
      block b = {r, 1, c, w->columns - c < COLUMNS ? w->columns - c : COLUMNS};
      spread_block(w, 0, &b);
    }
  for (int64_t c = 0; c < j->groups; c++) {
    double sum = 0;
    for (int64_t i = 0; i < j->run; i++) sum += w->sums[0][c * j->run + i];
    set_channel(w, HIGH, c, sum / (double)(lines * j->run));
  }
}

/* Finds the means and inverse spreads, once more with better middles where the first do not tell. */
static int find_standards(work *w) {
  const job *j = w->j;
  if (j->centred) guess_middles(w);
  else memset(w->terms[HIGH], 0, (size_t)(w->columns * size_of(j->type)));
  bool told = false;
  for (int round = 0; round < 2 && !told; round++) {
    clear(w);
    int code = share(w, spread_parts);
    if (code) return code;
    told = true;
    for (int64_t c = 0; c < j->groups; c++) {
      double sums[2], middle = element(j, w->terms[HIGH], c * j->run, 0);
      join(w, c, sums);
      bool one = cr__standard_by(j, middle, sums, &j->mean[c], &j->inverse[c]);
      if (!one && round == 0) set_channel(w, HIGH, c, j->mean[c]);
      else if (!one) cr__careful_standard(j, c, &j->mean[c], &j->inverse[c]);
      told = told && one;
      code = cr__cpu_look(c);
      if (code) return code;
    }
  }
  return 0;
}

/* Makes the standards terms; false: some are far. */
static bool set_terms(work *w) {
  const job *j = w->j;
  for (int64_t c = 0; c < j->groups; c++) {
    double mean = j->mean[c], high = j->type == CR_FLOAT64 ? mean : (double)(float)mean;
    if (cr__is_far(j, mean, j->inverse[c])) return false;
    set_channel(w, HIGH, c, high);
    set_channel(w, LOW, c, mean - high);
    set_channel(w, INVERSE, c, j->inverse[c]);
    set_channel(w, WEIGHT, c, element(j, j->weight, c, 1));
    set_channel(w, BIAS, c, element(j, j->bias, c, 0));
  }
  return true;
}

/* ---- Elements ---- */

static void apply_block(work *w, int64_t part, const block *b) {
  _Alignas(64) char room[CR__PIECE_BYTES], results[CR__PIECE_BYTES];
  int64_t step;
  (void)part;
  const char *x = take(w, w->j->from, b, room, &step);
  cr__column_terms t = terms_at(w, b->column);
  w->j->loops->columns.apply(put_at(w, b, results), x, b->lines, step, b->columns, &t);
  put(w, b, results);
}
static void apply_parts(void *w, int64_t first, int64_t last) {
  each_block(w, first, last, apply_block);
}

int cr__standardize_columns(job *j, bool *done) {
  work w;
  int code = begin(&w, j);
  if (code) return code;
  code = find_standards(&w);
  *done = !code && set_terms(&w);
  if (*done) code = share(&w, apply_parts);
  end(&w);
  return code;
}

/* ---- Gradients ---- */

static void dots_block(work *w, int64_t part, const block *b) {
  _Alignas(64) char room[CR__PIECE_BYTES], grads[CR__PIECE_BYTES];
  int64_t step, at = part * w->columns + b->column;
  const char *x = take(w, w->j->from, b, room, &step), *g = take(w, w->j->grad, b, grads, &step);
  cr__column_terms t = terms_at(w, b->column);
  w->j->loops->columns.dots(w->sums[0] + at, w->sums[1] + at, g, x, b->lines, step, b->columns, &t);
}
static void dots_parts(void *w, int64_t first, int64_t last) {
  each_block(w, first, last, dots_block);
}

static void project_block(work *w, int64_t part, const block *b) {
  _Alignas(64) char room[CR__PIECE_BYTES], grads[CR__PIECE_BYTES], results[CR__PIECE_BYTES];
  int64_t step;
  (void)part;
  const char *x = take(w, w->j->from, b, room, &step), *g = take(w, w->j->grad, b, grads, &step);
  cr__column_terms t = terms_at(w, b->column);
  w->j->loops->columns.project(put_at(w, b, results), g, x, b->lines, step, b->columns, &t);
  put(w, b, results);
}
static void project_parts(void *w, int64_t first, int64_t last) {
  each_block(w, first, last, project_block);
}

/* for_weight and for_bias: of each channel; NULL where they are not asked for. */
int cr__standardize_columns_backward(job *j, double *for_weight, double *for_bias, bool *done) {
  work w;
  double n = (double)j->n;
  int code = begin(&w, j);
  if (code) return code;
  *done = set_terms(&w);
  clear(&w);
  if (*done) code = share(&w, dots_parts);
  for (int64_t c = 0; c < j->groups && *done && !code; c++) {
    double sums[2], weight = element(j, j->weight, c, 1);
    join(&w, c, sums);
    if (for_weight) for_weight[c] = sums[1], for_bias[c] = sums[0];
    set_channel(&w, A, c, j->centred ? sums[0] * weight / n : 0);
    set_channel(&w, B, c, sums[1] * weight / n);
    code = cr__cpu_look(c);
  }
  if (*done && !code) code = share(&w, project_parts);
  end(&w);
  return code;
}
