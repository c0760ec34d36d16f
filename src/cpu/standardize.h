/* standardize.h: what the loops of standardizing (loops_standardize.c, built per instruction set) and the kernels
 * that drive them share.
 *
 * Holds true: a loop works on elements that are all float32 or all float64, T. Sums are gathered in T in many lanes over
 * CR__LANES_BLOCK elements at most, then in float64, in the same order at every level. */
#ifndef CR__CPU_STANDARDIZE_H
#define CR__CPU_STANDARDIZE_H

#include <stdatomic.h>

#include "device/backend.h"

enum {
  CR__SUM_LANES = 8,          /* of float64, which a sum has until it is folded */
  CR__LANES_BLOCK = 1024,     /* elements that lanes add up before float64 takes over */
  CR__PIECE_BYTES = 16 << 10, /* of the elements that a loop gets at most */
  CR__PIECE_LINES = 32,       /* lines that it gets at most */
  CR__COLUMN_ROWS = 32        /* rows that a loop over columns gets at most */
};

/* What a line's elements x become: h = (x - mean) * inverse; h * weight + bias; and of gradients g inverse * (g * weight -
 * a - h * b). Of float32 the mean is two numbers, so that nothing is lost where it is much larger than the differences.
 * Where these may leave the range, elements are computed in float64, and h is (x * scale - mean * scale) * (inverse /
 * scale). */
typedef struct cr__terms {
  double mean, inverse, scale, weight, bias, a, b;
  bool far;
} cr__terms;

/* Loops over `lines` lines of n elements each, one after the other in x, g and out; weights and biases have one for each
 * element of a line, of T, or are NULL: then the terms have them.
 * What lies `ahead` elements on will be read next. */
typedef struct cr__standardize_loops {
  void (*apply)(void *out, const void *x, int64_t lines, int64_t n, const cr__terms *terms,
                const void *weights, const void *biases);
  /* Sums 2 * i and 2 * i + 1: of line i's weighted gradients, and of these times h; where only `weights` weigh. What
   * elements add to the gradients of weights and biases goes to for_weight and for_bias, of T, unless they are NULL. */
  void (*dots)(double *lanes, const void *g, const void *x, int64_t lines, int64_t n,
               const cr__terms *terms, const void *weights, void *for_weight, void *for_bias,
               int64_t ahead);
  void (*project)(void *out, const void *g, const void *x, int64_t lines, int64_t n,
                  const cr__terms *terms, const void *weights);
} cr__standardize_loops;

/* The terms of columns, an array of T for each; what is not used is NULL. */
typedef struct cr__column_terms {
  const void *high, *low; /* of the mean */
  const void *inverse, *weight, *bias, *a, *b;
} cr__column_terms;

/* Loops over n columns of `rows` rows, which lie `step` elements apart. Sums are added to; see above. */
typedef struct cr__column_loops {
  void (*spread)(double *sums, double *squares, const void *x, int64_t rows, int64_t step,
                 int64_t n, const void *middles);
  void (*apply)(void *out, const void *x, int64_t rows, int64_t step, int64_t n,
                const cr__column_terms *t);
  void (*dots)(double *sums, double *times, const void *g, const void *x, int64_t rows,
               int64_t step, int64_t n, const cr__column_terms *t);
  void (*project)(void *out, const void *g, const void *x, int64_t rows, int64_t step, int64_t n,
                  const cr__column_terms *t);
} cr__column_loops;

typedef struct cr__spread_loops {
  void (*fold)(double *sums, const double *lanes, int64_t n); /* n sums */
  /* Of n elements of lines `step` apart. */
  void (*sum)(double *lanes, const void *x, int64_t lines, int64_t step, int64_t n);
  /* Sums 2 * i and 2 * i + 1: of the distances of line i's elements from middles[i], which T has, and of their squares. */
  void (*spread)(double *lanes, const void *x, int64_t lines, int64_t n, const double *middles,
                 int64_t ahead);
  double (*scaled_sum)(const void *x, int64_t n, double scale); /* in float64 */
  double (*scaled_squares)(const void *x, int64_t n, double middle,
                           double scale); /* x * scale - middle */
  cr__standardize_loops usual, far;       /* far: where differences may leave the range */
  cr__column_loops columns;
} cr__spread_loops;

/* The best for this machine, of float32 or float64. */
const cr__spread_loops *cr__spread_loops_here(bool wide);

/* ---- standardize_rows.c: some rows ---- */

/* A call of one of the kernels. */
typedef struct cr__rows_job {
  const cr__spread_loops *loops;
  int dtype, type; /* of the elements; that they are computed with */
  int64_t outer, batch, groups, channels, inner;
  int64_t run, n; /* elements of a row side by side, and all of them */
  bool each;      /* each element of a run has a weight and a bias of its own */
  double eps;
  bool centred, past;        /* past: results go past the caches */
  const char *weight, *bias; /* of `type` */
  char *out;
  const char *from, *grad;
  double *mean, *inverse;
  /* Of each part, `part_step` apart: 0 where rows share no channel. */
  double *for_weight, *for_bias;
  int64_t part_step;
  int64_t rows_each;  /* of a unit */
  atomic_bool failed; /* there was no room for some unit */
} cr__rows_job;

/* What rows add to the gradients of weight and bias: of each channel in float64, and, where each element has its own,
 * of a few rows in the elements' type before that. NULL: nothing is asked for. */
typedef struct cr__gathering {
  double *for_weight, *for_bias;
  char *few_weights, *few_biases;
} cr__gathering;

/* How many rows from r on, before `last`, go together; at least 1. */
int64_t cr__rows_together(const cr__rows_job *j, int64_t r, int64_t last);
/* Standardizes that many rows. */
void cr__standardize_rows(const cr__rows_job *j, int64_t r, int64_t rows);
/* The gradients for them; adds to `to`. */
void cr__standardize_rows_backward(const cr__rows_job *j, int64_t r, int64_t rows,
                                   const cr__gathering *to);
/* A row's standard by sums in float64, for those that have another by no sums of their type. */
void cr__careful_standard(const cr__rows_job *j, int64_t r, double *mean, double *inverse);
/* Whether a row's elements are far: leave the range of their type on the way. */
bool cr__is_far(const cr__rows_job *j, double mean, double inverse);
/* The standard of a row of n elements from sums of distances from `middle` and of their squares; false: these do not tell. */
bool cr__standard_by(const cr__rows_job *j, double middle, const double sums[2], double *mean,
                     double *inverse);

/* ---- standardize_columns.c: rows whose elements are scattered, as columns ---- */

/* Whether a call is better done by columns; these do so. *done: whether they could. */
bool cr__goes_by_columns(const cr__rows_job *j);
int cr__standardize_columns(cr__rows_job *j, bool *done);
int cr__standardize_columns_backward(cr__rows_job *j, double *for_weight, double *for_bias,
                                     bool *done);

#endif
