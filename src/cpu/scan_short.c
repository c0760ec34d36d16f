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

enum {
  MOST = 32
}; /* longer lines are as quick one by one, if all that is to do is to add or multiply */

bool cr__scans_short(int64_t outer, int64_t n, bool simple) {
  return outer >= CR__SHORT_ROWS && n >= 2 && n <= (simple ? MOST : CR__SHORT);
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

void cr__scan_lines(const cr__scan_short *s, int64_t line, int64_t w) {
  _Alignas(64) char x[CR__SHORT_UNIT * 8], copy[CR__SHORT_UNIT * 8];
  union {
    double f[CR__TILE];
    int64_t i[CR__TILE];
  } acc;
  int64_t n = s->n, size = (int64_t)cr__compute_size(s->compute), first = s->reverse ? n - 1 : 0;
  int type = cr__compute_dtype(s->compute), from = s->from->dtype, to = s->out->dtype;
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
  char *out = cr__element(s->out, line * n);
  cr__transpose(to == type ? out : copy, n, x, w, (size_t)size, w, n);
  if (to != type) cr__convert(out, to, copy, type, n * w);
}

void cr__cumulate_lines(const cr__scan_short *s, int64_t line, int64_t w) {
  _Alignas(64) char x[CR__SHORT_UNIT * 8], best[CR__TILE * 8];
  int64_t places[CR__SHORT_UNIT], place[CR__TILE] = {0};
  int64_t n = s->n, size = (int64_t)cr__compute_size(s->compute);
  int type = cr__compute_dtype(s->compute), dtype = s->from->dtype;
  cr__short_columns(x, type, cr__element(s->from, line * n), dtype, n, n, w);
  memcpy(best, x, (size_t)(w * size));
  for (int64_t r = 0; r < n; r++) {
    char *row = x + r * w * size;
    s->loops->best_row[s->compute][s->kind](row, places + r * w, row, w, r + 1, best, place);
  }
  cr__transpose(cr__element(s->places, line * n), n, (const char *)places, w, sizeof *places, w, n);
  char *out = cr__element(s->out, line * n), *copy = (char *)places;
  cr__transpose(dtype == type ? out : copy, n, x, w, (size_t)size, w, n);
  if (dtype != type) cr__convert(out, dtype, copy, type, n * w);
}
