/* standardize.h: what the loops of standardizing (loops_standardize.c, built per instruction set) and the kernels
 * that drive them share.
 *
 * Holds true: a loop works on n elements in a line, all float32 or all float64. Sums are gathered in float64, in the
 * same order at every level. */
#ifndef CR__CPU_STANDARDIZE_H
#define CR__CPU_STANDARDIZE_H

#include <stdatomic.h>

#include "device/backend.h"

/* A row's standard: an element's is (x - mean) * inverse. Of float32 the mean is two numbers, so that nothing is lost
 * where it is much larger than the differences. Where these may leave the range, elements are computed in float64, and
 * are (x * scale - mean * scale) * (inverse / scale). */
typedef struct cr__standard {
  double mean, inverse, scale;
} cr__standard;

/* Each element's weight and bias, of the elements' dtype, or, where these are NULL, one of each for all. */
typedef struct cr__scales {
  const void *weights, *biases;
  double weight, bias;
} cr__scales;

/* What each element adds to the gradients of its weight and bias, of the elements' dtype; NULL: not asked for. */
typedef struct cr__gathered {
  void *for_weight, *for_bias;
} cr__gathered;

typedef struct cr__standardize_loops {
  void (*apply)(void *out, const void *x, int64_t n, const cr__standard *s, const cr__scales *by);
  /* sums[0], [1]: of the weighted gradients, and of these times the standardized elements. Adds to `to`. */
  void (*dots)(double *sums, const void *g, const void *x, int64_t n, const cr__standard *s,
               const cr__scales *by, const cr__gathered *to);
  /* inverse * (g * weight - a - h * b), h being the standardized elements. */
  void (*project)(void *out, const void *g, const void *x, int64_t n, const cr__standard *s,
                  const cr__scales *by, double a, double b);
} cr__standardize_loops;

typedef struct cr__spread_loops {
  double (*sum)(const void *x, int64_t n);
  double (*squares)(const void *x, int64_t n, double middle); /* of x - middle */
  double (*scaled_sum)(const void *x, int64_t n, double scale);
  double (*scaled_squares)(const void *x, int64_t n, double middle,
                           double scale); /* x * scale - middle */
  cr__standardize_loops usual, far;       /* far: where differences may leave the range */
} cr__spread_loops;

/* The best for this machine, of float32 or float64. */
const cr__spread_loops *cr__spread_loops_here(bool wide);

/* ---- standardize_rows.c: one row ---- */

/* A call of one of the kernels. */
typedef struct cr__rows_job {
  const cr__spread_loops *loops;
  int dtype, type; /* of the elements; that they are computed with */
  int64_t outer, batch, groups, channels, inner;
  int64_t run, n; /* elements of a row side by side, and all of them */
  bool in_place;  /* a row is worked on where it lies */
  bool each;      /* each element of a run has a weight and a bias of its own */
  double eps;
  bool centred;
  const char *weight, *bias; /* of `type` */
  char *out;
  const char *from, *grad;
  double *mean, *inverse;
  double *for_weight,
      *for_bias; /* of each part, `part_step` apart: 0 where rows share no channel */
  int64_t part_step;
  int64_t rows_each;  /* of a part; else of a unit */
  atomic_bool failed; /* there was no room for some unit */
} cr__rows_job;

/* What rows add to the gradients of weight and bias: of each channel in float64, and, where each element has its own,
 * of a few rows in the elements' type before that. NULL: nothing is asked for. */
typedef struct cr__gathering {
  double *for_weight, *for_bias;
  char *few_weights, *few_biases;
} cr__gathering;

/* Standardizes row r; `room` is for its copies, if it is not worked on in place. */
void cr__standardize_row(const cr__rows_job *j, int64_t r, char *room);
/* The gradient for row r; adds to `to`. */
void cr__standardize_row_backward(const cr__rows_job *j, int64_t r, char *room,
                                  const cr__gathering *to);

#endif
