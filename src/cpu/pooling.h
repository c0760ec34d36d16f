/* pooling.h: what the loops of pooling (loops_pooling.c, built per instruction set) and their driver share.
 *
 * Holds true: the best of windows side by side is found one place of all of them after the other, in row-major
 * order: a later element takes the place of an earlier one if it is larger, or NaN. */
#ifndef CR__CPU_POOLING_H
#define CR__CPU_POOLING_H

#include "cpu.h"

typedef struct cr__pooling_loops {
  /* best[i] against x[i * step], for n windows. */
  void (*best)(void *best, const void *x, int64_t n, int64_t step);
  /* The same with where it is, first + i * step: an int32_t beside float32, else an int64_t. */
  void (*place)(void *best, void *at, const void *x, int64_t n, int64_t step, int64_t first);
  /* Windows of any step: the best of x[0 .. count), and where it is. */
  void (*line)(void *best, void *at, const void *x, int64_t count, int64_t first);
} cr__pooling_loops;

/* By computation type (float32, float64, int64); the best for this machine. */
const cr__pooling_loops *cr__pooling_loops_here(int compute);

#endif
