/* loops_standardize.c: sums, spreads and gradients of rows that are standardized; compiled once per instruction set.
 *
 * Holds true: which lane an element is added to depends on its place and the length of its line alone, and lanes are
 * joined in one order: so a sum has the same digits at every level. */
#include "cpu/standardize.h"
#include "loops.h"

#include <string.h>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

typedef double wide __attribute__((vector_size(64)));
typedef double four_doubles __attribute__((vector_size(32)));
typedef int64_t wide_ints __attribute__((vector_size(64)));
typedef float eight_floats __attribute__((vector_size(32)));
typedef float floats __attribute__((vector_size(64)));
typedef int32_t ints __attribute__((vector_size(64)));

/* Vectors are handed over by their addresses: as values they would need the registers of the highest level. */
INLINE double total(const wide *lanes) {
  four_doubles half = __builtin_shufflevector(*lanes, *lanes, 0, 1, 2, 3) +
                      __builtin_shufflevector(*lanes, *lanes, 4, 5, 6, 7);
  return (half[0] + half[2]) + (half[1] + half[3]);
}

/* The vector at x. */
#define TAKE(v, x) memcpy(&(v), x, sizeof(v))
#define PUT(to, v) memcpy(to, &(v), sizeof(v))

/* Adds the elements of v to eight sums. */
INLINE void widen(wide *sum, const floats *v) {
#ifdef __AVX512F__
  __m512 all = (__m512)*v;
  *sum += (wide)_mm512_cvtps_pd(_mm512_castps512_ps256(all)) +
          (wide)_mm512_cvtps_pd(_mm512_extractf32x8_ps(all, 1));
#else
  eight_floats half[2];
  memcpy(half, v, 64);
  *sum += __builtin_convertvector(half[0], wide) + __builtin_convertvector(half[1], wide);
#endif
}
/* Adds v to the lanes of float64 at `to`. */
INLINE void add_lanes(double *to, const wide *v) {
  wide sum;
  TAKE(sum, to);
  sum += *v;
  PUT(to, sum);
}

static void fold(double *sums, const double *lanes, int64_t n) {
  wide v;
  for (int64_t i = 0; i < n; i++) {
    TAKE(v, lanes + CR__SUM_LANES * i);
    sums[i] = total(&v);
  }
}

#define T float
#define FULL floats
#define INTS ints
#define WIDEN(sum, v) widen(&(sum), &(v))
#define NAME(x) x##_f32
#include "standardize_loops.h"
#include "standardize_far_loops.h"
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
#include "standardize_far_loops.h"
#include "standardize_column_loops.h"

/* clang-format off */
#define LOOPS(type)                                                                         \
  {                                                                                         \
    fold, sum_##type, spread_##type, scaled_sum_##type, scaled_squares_##type,                    \
    {apply_##type, dots_##type, project_##type},                                            \
    {far_apply_##type, far_dots_##type, far_project_##type},                                \
    {columns_spread_##type, columns_apply_##type, columns_dots_##type, columns_project_##type} \
  }
/* clang-format on */

extern const cr__spread_loops CR__PASTE(cr__spread_loops_, CR__ISA)[2];
const cr__spread_loops CR__PASTE(cr__spread_loops_, CR__ISA)[2] = {LOOPS(f32), LOOPS(f64)};
