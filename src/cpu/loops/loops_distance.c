/* loops_distance.c: distances of a vector from the vectors of a list, and their slopes; compiled once per instruction set.
 *
 * Holds true: eight vectors of the list are gone through at once, each with the sums of scalar/distance.h. */
#include "cpu/distance.h"

#include <string.h>

#include "loops.h"
#include "scalar/distance.h"

#define INLINE static inline __attribute__((always_inline))

typedef float eight_floats __attribute__((vector_size(32)));
typedef int32_t eight_ints __attribute__((vector_size(32)));
typedef double eight_doubles __attribute__((vector_size(64)));
typedef int64_t eight_longs __attribute__((vector_size(64)));

static const int32_t SIZE_f32 = INT32_MAX; /* all bits but the sign */
static const int64_t SIZE_f64 = INT64_MAX;

#define T float
#define V eight_floats
#define INTS eight_ints
#define LIBM(name) name##f
#define NAME(x) x##_f32
#include "distance_loops.h"
#undef T
#undef V
#undef INTS
#undef LIBM
#undef NAME

#define T double
#define V eight_doubles
#define INTS eight_longs
#define LIBM(name) name
#define NAME(x) x##_f64
#include "distance_loops.h"

extern const cr__distance_loops CR__PASTE(cr__distance_loops_, CR__ISA)[2];
const cr__distance_loops CR__PASTE(cr__distance_loops_, CR__ISA)[2] = {{find_f32, slopes_f32},
                                                                       {find_f64, slopes_f64}};
