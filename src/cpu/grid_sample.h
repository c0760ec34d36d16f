/* grid_sample.h: what the loops of grid_sample (loops_grid.c, built per instruction set) and their driver share.
 *
 * Holds true: a stretch has CR__GRID_STRETCH places. What they see is told element by element: the first of each
 * place, then the second of each. */
#ifndef CR__CPU_GRID_SAMPLE_H
#define CR__CPU_GRID_SAMPLE_H

#include "cpu.h"

enum { CR__GRID_STRETCH = 64 };

/* to[i] = the sum of x[element[k * CR__GRID_STRETCH + i]] times the weight beside it, for the first count[i] of `each` k;
 * the other elements are 0. Weights and counts have x's type. */
typedef void (*cr__grid_loop)(void *to, const void *x, const int64_t *element, const void *weight,
                              const void *count, int64_t each);

cr__grid_loop cr__grid_loop_here(bool wide); /* of float64, or float32; the best for this machine */

#endif
