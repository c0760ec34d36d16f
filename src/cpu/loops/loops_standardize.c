/* loops_standardize.c: sums, spreads and gradients of rows that are standardized; compiled once per instruction set.
 *
 * Holds true: element i is added to lane i % 8 of sum i / 8 % SUMS, while whole vectors of 8 are left, the others one by
 * one at the end: so a sum has the same digits at every level. */
#include "cpu/standardize.h"
#include "loops.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { WIDTH = 8, SUMS = 4 };

typedef double wide __attribute__((vector_size(64)));
typedef float eight_floats __attribute__((vector_size(32)));
typedef float floats __attribute__((vector_size(64)));

INLINE double total(const wide *sum) {
  wide all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  return ((all[0] + all[4]) + (all[2] + all[6])) + ((all[1] + all[5]) + (all[3] + all[7]));
}

#define T float
#define HALF eight_floats
#define FULL floats
#define NAME(x) x##_f32
#include "standardize_loops.h"
#undef T
#undef HALF
#undef FULL
#undef NAME

#define T double
#define HALF wide
#define FULL wide
#define NAME(x) x##_f64
#include "standardize_loops.h"

#define LOOPS(type)                                                       \
  {                                                                       \
    sum_##type, squares_##type, scaled_sum_##type, scaled_squares_##type, \
        {apply_##type, dots_##type, project_##type}, {                    \
      far_apply_##type, far_dots_##type, far_project_##type               \
    }                                                                     \
  }

extern const cr__spread_loops CR__PASTE(cr__spread_loops_, CR__ISA)[2];
const cr__spread_loops CR__PASTE(cr__spread_loops_, CR__ISA)[2] = {LOOPS(f32), LOOPS(f64)};
