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
typedef float narrow __attribute__((vector_size(32)));

INLINE double total(const wide *sum) {
  wide all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  return ((all[0] + all[4]) + (all[2] + all[6])) + ((all[1] + all[5]) + (all[3] + all[7]));
}

static const wide wide0;

#define T float
#define PART narrow
#define NAME(x) x##_f32
#include "standardize_loops.h"
#undef T
#undef PART
#undef NAME

#define T double
#define PART wide
#define NAME(x) x##_f64
#include "standardize_loops.h"

extern const cr__standardize_loops CR__PASTE(cr__standardize_loops_, CR__ISA)[2];
const cr__standardize_loops CR__PASTE(cr__standardize_loops_, CR__ISA)[2] = {
    {sum_f32, squares_f32, apply_f32, dots_f32, project_f32, gather_f32},
    {sum_f64, squares_f64, apply_f64, dots_f64, project_f64, gather_f64},
};
