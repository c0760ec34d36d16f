/* grid_sample.h: what the loops of grid_sample (loops_grid.c, built per instruction set) and their driver share.
 *
 * Holds true: a stretch has CR__GRID_STRETCH places. What they see is told element by element: the first of each
 * place, then the second of each. */
#ifndef CR__CPU_GRID_SAMPLE_H
#define CR__CPU_GRID_SAMPLE_H

#include "cpu.h"
#include "scalar/grid_taps.h"

enum { CR__GRID_STRETCH = 64 };

/* How places are looked at. */
typedef struct cr__grid_ways {
  cr__grid_way way[3]; /* of each coordinate, the last dim's first */
  int64_t size[3], dims;
  int64_t most; /* elements that a place sees at most */
} cr__grid_ways;

/* Elements, weights and counts are as above; weights and counts have the type of the grid. */
typedef struct cr__grid_loops {
  /* to[i] = the sum of x[element[k * CR__GRID_STRETCH + i]] times the weight beside it, for the first count[i] of `each`
   * k; the other elements are 0. */
  void (*see)(void *to, const void *x, const int64_t *element, const void *weight,
              const void *count, int64_t each);
  /* What n places of the grid see; gives `each`, the most that one of them does. */
  int64_t (*look)(const cr__grid_ways *ways, int64_t *element, void *weight, void *count,
                  const void *grid, int64_t n);
} cr__grid_loops;

/* Of float64, or float32; the best for this machine. */
const cr__grid_loops *cr__grid_loops_here(bool wide);

#endif
