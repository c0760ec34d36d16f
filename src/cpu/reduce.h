/* reduce.h: what the loops of reductions (loops_reduce.c, built per instruction set) and the
 * kernels that drive them share.
 *
 * Holds true: elements of any dtype are loaded as one of three computation types: float32, float64
 * or int64. Every instruction set gives the same bits: the number of lanes is fixed here. */
#ifndef CR__CPU_REDUCE_H
#define CR__CPU_REDUCE_H

#include <float.h>
#include <math.h>

#include "cpu.h"
#include "scalar/reduction.h"

#define CR__FOLD_BLOCK 2048                  /* elements loaded and folded at a time */
#define CR__TILE 256                         /* columns folded side by side */
#define CR__ROWS (CR__FOLD_BLOCK / CR__TILE) /* of a tile that are loaded at a time */

#define CR__ADD(a, b) ((a) + (b))
/* Once a is NaN it stays; b replaces it if it is NaN. */
#define CR__LARGER(a, b) ((b) > (a) || (b) != (b) ? (b) : (a))
#define CR__SMALLER(a, b) ((b) < (a) || (b) != (b) ? (b) : (a))
/* Whether a sum of squares of float32 has kept away from the ends of its range. */
#define CR__SQUARES_FIT(sum) ((sum) >= 0x1p-90f && (sum) <= 0x1p126f)
/* Folds the upper half of 2 * half lanes into the lower one. One step of a tree, as a loop of known
 * length: a loop over the steps would keep the lanes in memory. */
#define CR__HALVE(lane, half, STEP) \
  for (int j = 0; j < (half); j++) (lane)[j] = STEP((lane)[j], (lane)[j + (half)]);

typedef enum cr__compute { CR__COMPUTE_F32, CR__COMPUTE_F64, CR__COMPUTE_I64 } cr__compute;

static inline size_t cr__compute_size(int compute) { return compute == CR__COMPUTE_F32 ? 4 : 8; }
static inline int cr__compute_dtype(int compute) {
  static const int8_t dtype[] = {CR_FLOAT32, CR_FLOAT64, CR_INT64};
  return dtype[compute];
}
/* The dtype of the state below, which holds every element of the computation type exactly. */
static inline int cr__state_dtype(int compute) {
  return compute == CR__COMPUTE_I64 ? CR_INT64 : CR_FLOAT64;
}
/* What a dtype is computed in where nothing says otherwise. */
static inline int cr__compute_of(int dtype) {
  if (dtype == CR_FLOAT64) return CR__COMPUTE_F64;
  return cr__is_float((cr_dtype)dtype) ? CR__COMPUTE_F32 : CR__COMPUTE_I64;
}

/* The state of w columns is 2 * w numbers of 8 bytes: float64 for the float types, int64 for int64.
 * Moments keep the means in the first w and the sums of squared distances in the rest, logarithms of
 * sums the largest elements and the sums of the exponentials of the others measured from them; all
 * others use the first w. `seen` counts the elements of each column that the state holds already. */
typedef struct cr__folder {
  void (*row)(void *state, const void *x, int64_t n, int64_t seen); /* one column, n elements */
  /* w <= CR__TILE columns side by side, rows lying `step` elements apart */
  void (*columns)(void *state, const void *x, int64_t rows, int64_t step, int64_t w, int64_t seen);
  void (*merge)(void *state, const void *other, int64_t w, int64_t seen, int64_t more);
} cr__folder;

/* Best elements so far of w columns and their positions; `position` is that of the first row. */
typedef void (*cr__extreme_columns)(void *best, int64_t *indices, const void *x, int64_t rows,
                                    int64_t step, int64_t w, int64_t position);

/* w columns of `rows` elements, folded into elements of their own type. */
typedef void (*cr__few_columns)(void *out, const void *x, int64_t rows, int64_t step, int64_t w);

typedef struct cr__reduce_loops {
  cr__folder fold[3][CR__FOLD_COUNT]; /* by computation type; LOGSUMEXP is in softmax.h */
  /* The same for int64 of elements of a narrower dtype; empty where there is none. */
  cr__folder narrow[CR_DTYPE_COUNT][CR__FOLD_COUNT];
  cr__few_columns few[4][CR__FOLD_COUNT]; /* products, extremes; the last is of int32 */
  cr__folder squares;                     /* sums of squares of float32 */
  void (*map[3])(void *to, const void *from, int64_t n, int map, double p);
  cr__extreme_columns extreme[3][2]; /* largest, smallest */
} cr__reduce_loops;

const cr__reduce_loops *cr__reduce_loops_here(void); /* the best for this machine */

/* What a fold of nothing gives; of moments and logarithms the first number of the state. */
static inline double cr__empty_fold(int fold) {
  static const double empty[] = {0, 1, -INFINITY, INFINITY, 0, -INFINITY};
  return empty[fold];
}
static inline int64_t cr__empty_int_fold(int fold) {
  static const int64_t empty[] = {0, 1, INT64_MIN, INT64_MAX, 0, 0};
  return empty[fold];
}

/* ---- reduce_plan.c: the order in which a reduction walks its input. ---- */

/* Dims with their steps in elements, outermost first, merged where memory allows; always at least
 * one of each kind. */
typedef struct cr__fold_plan {
  int nkept, nreduced;
  int64_t kept[CR_MAX_DIMS], kept_in[CR_MAX_DIMS], kept_out[CR_MAX_DIMS];
  int64_t reduced[CR_MAX_DIMS], reduced_in[CR_MAX_DIMS];
  int64_t kept_count, reduced_count;
  bool columns; /* the innermost step in memory is along a kept dim */
} cr__fold_plan;

/* `mask` has a bit for each (0-based) dim of `in` that is folded; `out` has size 1 there. */
void cr__plan_reduction(cr__fold_plan *p, const cr__view *out, const cr__view *in, uint32_t mask);

/* Offset in elements of the index-th position of n dims. */
static inline int64_t cr__offset_at(int n, const int64_t *shape, const int64_t *step,
                                    int64_t index) {
  int64_t offset = 0;
  for (int d = n - 1; d >= 0 && index; d--) {
    offset += index % shape[d] * step[d];
    index /= shape[d];
  }
  return offset;
}

/* ---- reduce_again.c: results that the plain way brings out of range on its way. ---- */

/* What a launch computes a second time, if it may need this. */
cr__again cr__again_of(const cr__launch *k, int compute);
/* States of n elements from here to the largest number tell that it does not. */
static inline double cr__again_least(cr__again what, int compute, int64_t n) {
  if (what == CR__AGAIN_MEAN) return -DBL_MAX;
  if (what == CR__AGAIN_NORM || compute != CR__COMPUTE_F32) return 0x1p-900;
  return 0x1p-120 * (double)n;
}

/* The finished result of the elements that begin at `in`, whose state is known. */
double cr__again_fold(cr__again what, const cr__launch *k, const cr__fold_plan *plan,
                      const char *in, double state);

#endif
