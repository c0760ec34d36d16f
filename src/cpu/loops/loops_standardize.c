/* loops_standardize.c: sums, spreads and gradients of rows that are standardized; compiled once per instruction set.
 *
 * Holds true: which lane an element is added to depends on its place and the length of its line alone, and lanes are
 * joined in one order: so a sum has the same digits at every level. */
#include "cpu/standardize.h"
#include "loops.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

typedef double wide __attribute__((vector_size(64)));
typedef int64_t wide_ints __attribute__((vector_size(64)));
typedef float eight_floats __attribute__((vector_size(32)));
typedef float floats __attribute__((vector_size(64)));
typedef int32_t ints __attribute__((vector_size(64)));

INLINE double total_of(const double *lane) {
  return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}
/* Vectors are handed over by their addresses: as values they would need the registers of the highest level. */
INLINE double total(const wide *sum) {
  wide lane = *sum;
  return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

/* The vector at x. */
#define TAKE(v, x) memcpy(&(v), x, sizeof(v))
#define PUT(to, v) memcpy(to, &(v), sizeof(v))

/* Adds the elements of v to eight sums. */
INLINE void widen(wide *sum, const floats *v) {
  eight_floats half[2];
  memcpy(half, v, 64);
  *sum += __builtin_convertvector(half[0], wide) + __builtin_convertvector(half[1], wide);
}

#define T float
#define FULL floats
#define INTS ints
#define WIDEN(sum, v) widen(&(sum), &(v))
#define NAME(x) x##_f32
#include "standardize_loops.h"
#include "standardize_column_loops.h"
#undef T
#undef FULL
#undef INTS
#undef WIDEN
#undef NAME

#define T double
#define FULL wide
#define INTS wide_ints
#define WIDEN(sum, v) (sum) += (v)
#define NAME(x) x##_f64
#include "standardize_loops.h"
#include "standardize_column_loops.h"

/* clang-format off */
#define LOOPS(type)                                                                         \
  {                                                                                         \
    sum_##type, spread_##type, scaled_sum_##type, scaled_squares_##type,                    \
    {apply_##type, dots_##type, project_##type},                                            \
    {far_apply_##type, far_dots_##type, far_project_##type},                                \
    {columns_spread_##type, columns_apply_##type, columns_dots_##type, columns_project_##type} \
  }
/* clang-format on */

extern const cr__spread_loops CR__PASTE(cr__spread_loops_, CR__ISA)[2];
const cr__spread_loops CR__PASTE(cr__spread_loops_, CR__ISA)[2] = {LOOPS(f32), LOOPS(f64)};
