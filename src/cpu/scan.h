/* scan.h: what the loops of scans (loops_scan.c, built per instruction set) and the kernels that
 * drive them share.
 *
 * Holds true: a loop goes forward along a line, or along w <= CR__TILE lines side by side whose rows
 * lie `step` elements apart, all elements of one computation type (cr__compute). What has been
 * accumulated is a double for floats and an int64_t for int64; it is read, and left, for the next
 * block of the same line. */
#ifndef CR__CPU_SCAN_H
#define CR__CPU_SCAN_H

#include "reduce.h"

enum { CR__LINES = 4 };
typedef struct cr__scan_loops {
  /* Sums and products, by computation type; out may be x. */
  void (*line[3][2])(void *out, const void *x, int64_t n, void *acc);
  /* The same for CR__LINES lines `step` apart, of products of float64, which go one by one. */
  void (*prod_f64_lines)(double *out, const double *x, int64_t n, int64_t step, double *acc);
  void (*rows[3][2])(void *out, const void *x, int64_t rows, int64_t step, int64_t w, void *acc);
  /* The running logarithm of a sum of exponentials, in place; returns the last. */
  double (*logs)(double *x, int64_t n, double acc);
  void (*logs_row)(double *acc, const double *x, int64_t w); /* one more row */
  /* The largest or smallest element so far and its position, `at` being that of the first one. The
   * later of equal elements wins, and a NaN over all but a later NaN. */
  void (*best_line[3][2])(void *out, int64_t *places, const void *x, int64_t n, int64_t at,
                          void *best, int64_t *place);
  void (*best_row[3][2])(void *out, int64_t *places, const void *x, int64_t w, int64_t at,
                         void *best, int64_t *place);
  /* The same for n rows of w <= CR__TILE elements without gaps, in place; positions, from 1, are integers of
   * the elements' size. By computation type; the last is int32. */
  void (*best_short[4][2])(void *x, void *places, int64_t n, int64_t w);
} cr__scan_loops;

/* ---- scan_short.c: lines of few elements, one after another. ---- */

typedef struct cr__scan_short {
  const cr__scan_loops *loops;
  const cr__view *from, *out, *places; /* contiguous; places: of extremes only */
  int64_t n;
  int kind, compute; /* a cr__scan without factors; of extremes 1 for the smallest */
  bool reverse;
} cr__scan_short;

/* Whether lines are worked on like that: scans without factors, and extremes. */
bool cr__scans_short(int64_t outer, int64_t n, int compute, int kind);
bool cr__cumulates_short(int64_t outer, int64_t n, int dtype);
/* w <= cr__short_width lines from number `line` on. */
void cr__scan_lines(const cr__scan_short *s, int64_t line, int64_t w);
void cr__cumulate_lines(const cr__scan_short *s, int64_t line, int64_t w);

#endif
