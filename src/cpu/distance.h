/* distance.h: what the loops of distances (loops_distance.c, built per instruction set) and the kernels that drive them
 * share. */
#ifndef CR__CPU_DISTANCE_H
#define CR__CPU_DISTANCE_H

#include "device/backend.h"

typedef struct cr__distance_loops {
  /* The distances of the vector x of n elements from those of a list. */
  void (*find)(void *to, const void *x, const void *list, int64_t count, int64_t n, double p);
  /* Adds to sums what the gradients of such distances, CR__DISTANCE_FEW at most, make for x. */
  void (*slopes)(double *sums, const void *x, const void *list, int64_t count, int64_t n,
                 const void *grads, const void *distances, double p);
} cr__distance_loops;

/* The best for this machine, of float32 or float64. */
const cr__distance_loops *cr__distance_loops_here(bool wide);

#endif
