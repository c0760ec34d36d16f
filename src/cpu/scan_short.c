/* scan_short.c: scans along lines of few elements, which are turned so that they lie side by side.
 *
 * Holds true: a line's elements are taken in the order of the scan, so the results are those of lines side
 * by side. What is turned stays in the first-level cache. */
#include <math.h>
#include <string.h>

#include "convert.h"
#include "reduce_short.h"
#include "scan.h"
#include "transpose.h"

/* Longer lines are as quick one by one: to turn them costs more than to add or to multiply, and elements of
 * 8 bytes cost twice as much. */
enum { SIMPLE = 32, SIMPLE_WIDE = 11, BEST_WIDE = 64 };

bool cr__scans_short(int64_t outer, int64_t n, int compute, int kind) {
  int64_t most = compute == CR__COMPUTE_F32 ? SIMPLE : SIMPLE_WIDE;
  if (kind == CR__SCAN_LOGSUMEXP) most = CR__SHORT;
  return outer >= CR__SHORT_ROWS && n >= 2 && n <= most;
}

bool cr__cumulates_short(int64_t outer, int64_t n, int dtype) {
  int64_t most = cr__size_of((cr_dtype)dtype) == 8 ? BEST_WIDE : CR__SHORT;
  return outer >= CR__SHORT_ROWS && n >= 2 && n <= most;
}

/* The logarithms of sums of w columns in x, whose rows are `go` apart from the first one on. */
static void scan_logs(const cr__scan_short *s, double *x, int64_t go, int64_t w) {
  double acc[CR__TILE];
  memcpy(acc, x, (size_t)w * sizeof *x);
  for (int64_t r = 1; r < s->n; r++) {
    s->loops->logs_row(acc, x + r * go, w);
    memcpy(x + r * go, acc, (size_t)w * sizeof *x);
  }
}

/* Turns n rows of w elements back into the lines from number `line` on of a view. */
static void put(const cr__view *v, int64_t line, const char *x, int type, int64_t n, int64_t w) {
  _Alignas(64) char copy[CR__SHORT_UNIT * 8];
  char *out = cr__element(v, line * n);
  bool direct = v->dtype == type;
  cr__transpose(direct ? out : copy, n, x, w, cr__size_of((cr_dtype)type), w, n);
  if (!direct) cr__convert(out, v->dtype, copy, type, n * w);
}

void cr__scan_lines(const cr__scan_short *s, int64_t line, int64_t w) {
  _Alignas(64) char x[CR__SHORT_UNIT * 8];
  union {
    double f[CR__TILE];
    int64_t i[CR__TILE];
  } acc;
  int64_t n = s->n, size = (int64_t)cr__compute_size(s->compute), first = s->reverse ? n - 1 : 0;
  int type = cr__compute_dtype(s->compute), from = s->from->dtype;
  bool whole = s->compute == CR__COMPUTE_I64, product = s->kind == CR__SCAN_PROD;
  cr__short_columns(x, type, cr__element(s->from, line * n), from, n, n, w);
  for (int64_t c = 0; c < w; c++) {
    if (whole) acc.i[c] = product;
    else acc.f[c] = product;
  }
  char *start = x + first * w * size;
  int64_t go = s->reverse ? -w : w;
  if (s->kind == CR__SCAN_LOGSUMEXP) scan_logs(s, (double *)(void *)start, go, w);
  else s->loops->rows[s->compute][s->kind](start, start, n, go, w, &acc);
  put(s->out, line, x, type, n, w);
}

void cr__cumulate_lines(const cr__scan_short *s, int64_t line, int64_t w) {
  _Alignas(64) char x[CR__SHORT_UNIT * 8], places[CR__SHORT_UNIT * 8];
  bool narrow = s->compute == CR__COMPUTE_I64 && s->from->dtype != CR_INT64;
  int type = narrow ? CR_INT32 : cr__compute_dtype(s->compute);
  cr__short_columns(x, type, cr__element(s->from, line * s->n), s->from->dtype, s->n, s->n, w);
  s->loops->best_short[narrow ? 3 : s->compute][s->kind](x, places, s->n, w);
  put(s->out, line, x, type, s->n, w);
  put(s->places, line, places, cr__size_of((cr_dtype)type) == 4 ? CR_INT32 : CR_INT64, s->n, w);
}
