/* resample.h: what the loops of resampling (loops_resample.c, built per instruction set) and their driver share.
 *
 * Holds true: loops go along a row; sums are taken in the order of their places. */
#ifndef CR__CPU_RESAMPLE_H
#define CR__CPU_RESAMPLE_H

#include "cpu.h"

typedef struct cr__resample_loops {
  /* out[o] = the sum of weight[i] * x[place[i]] for i from first[o] on, before first[o + 1], for n elements; without
   * weights they are 1. `each`: of places that every element has, if all have as many, else 0. */
  void (*along)(void *out, const void *x, const int64_t *first, const int64_t *place,
                const void *weight, int64_t n, int64_t each);
  /* The same for elements that have `each` places, `gap` apart, those of the next one `step` further on: the first
   * one's begin at x. */
  void (*even)(void *out, const void *x, int64_t n, int64_t each, int64_t step, int64_t gap);
  /* out[i] = x[i] * weight, or what was there is added to it. */
  void (*scale)(void *out, const void *x, const void *weight, int64_t n);
  void (*add)(void *out, const void *x, const void *weight, int64_t n);
  /* out[i] = x[i] * w[0] + y[i] * w[1]. */
  void (*pair)(void *out, const void *x, const void *y, const void *weight, int64_t n);
  void (*plus)(void *out, const void *x, int64_t n); /* the same as add, with a weight of 1 */
  /* out[i] = x[i] / (by * share[i]). */
  void (*divide)(void *out, const void *x, const void *by, const void *share, int64_t n);
} cr__resample_loops;

/* By computation type (float32, float64, int64); the best for this machine. */
const cr__resample_loops *cr__resample_loops_here(int compute);

#endif
