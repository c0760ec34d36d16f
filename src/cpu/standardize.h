/* standardize.h: what the loops of standardizing (loops_standardize.c, built per instruction set) and the kernels
 * that drive them share.
 *
 * Holds true: a loop works on n elements in a line, all float32 or all float64, and computes in float64. Sums are
 * gathered in the same order at every level. */
#ifndef CR__CPU_STANDARDIZE_H
#define CR__CPU_STANDARDIZE_H

#include "device/backend.h"

/* A row's standard: an element's is (x * scale - mean * scale) * (inverse / scale), where a scale other than 1 keeps
 * float64 in its range. */
typedef struct cr__standard {
  double mean, inverse, scale;
} cr__standard;

/* Each element's weight and bias, of the elements' dtype, or, where these are NULL, one of each for all. */
typedef struct cr__scales {
  const void *weights, *biases;
  double weight, bias;
} cr__scales;

typedef struct cr__standardize_loops {
  double (*sum)(const void *x, int64_t n, double scale);
  double (*squares)(const void *x, int64_t n, double middle,
                    double scale); /* of x * scale - middle */
  void (*apply)(void *out, const void *x, int64_t n, const cr__standard *s, const cr__scales *by);
  /* sums[0], [1]: of the weighted gradients, and of these times the standardized elements. */
  void (*dots)(double *sums, const void *g, const void *x, int64_t n, const cr__standard *s,
               const cr__scales *by);
  /* inverse * (g * weight - a - h * b), h being the standardized elements. */
  void (*project)(void *out, const void *g, const void *x, int64_t n, const cr__standard *s,
                  const cr__scales *by, double a, double b);
  /* Adds each gradient times its standardized element to for_weight, and itself to for_bias; NULL: to none. */
  void (*gather)(double *for_weight, double *for_bias, const void *g, const void *x, int64_t n,
                 const cr__standard *s);
} cr__standardize_loops;

/* The best for this machine, of float32 or float64. */
const cr__standardize_loops *cr__standardize_loops_here(bool wide);

#endif
