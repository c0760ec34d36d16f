/* loops_softmax.c: softmax, log_softmax, their derivatives and logarithms of sums; compiled once
 * per instruction set.
 *
 * Holds true: the exponential of an element does not depend on its place in the line, though vector
 * and scalar forms may differ: the tail goes through the vector form, too. */
#include <string.h>

#include "loops.h"
#include "cpu/reduce_short.h"
#include "cpu/softmax.h"
#include "scalar/scalar_math.h"

enum {
  LANES = 64,
  PADDED = 16,
  STRIP =
      32, /* columns whose sums stay in registers; shorter loops would be unrolled, not vectorized */
  FEW_ROWS = 16,  /* that are added up before float64 takes over */
  FEWEST = 8,     /* that float64 adds from the first, for a 1 among them rounds little away */
  LOW_ROWS = 128, /* of a tile whose exponentials are kept */
  TALL_ROWS = 32  /* that stay in the first-level cache between two passes */
};

#define INLINE static inline __attribute__((always_inline))

/* Asks for n elements that will be needed soon. */
#define FETCH(x, n) \
  for (int64_t at = 0; at < (n); at += 64 / (int64_t)sizeof *(x)) __builtin_prefetch((x) + at)

/* Each column j of w, and of the padding behind them. */
#define EACH(w)                                \
  for (int64_t j0 = 0; j0 < (w); j0 += PADDED) \
    for (int64_t j = j0; j < j0 + PADDED; j++)

/* A sum of exponentials measured from the largest element holds 1 for that. Below this bound there is
 * one such element, and the others together are so little that adding the 1 loses their digits. */
#define ONE_TOP 1.25
#define LOG_ONE_TOP 0.22314355131420975577

/* From here on a probability leaves the others so little that 1 less it has lost digits. */
#define GREAT 0.75
#define LOG_GREAT -0.28768207245178092744

/* log(1 + x) */
static __attribute__((noinline)) double log_of_one_and(double x) { return f64_log1p(x); }

/* The gradient, by the element of a line whose probability is great: from its own gradient, the
 * logarithm of its probability and the sum of the other gradients. */
INLINE double great_log(double g, double y, double others) {
  double less = f64_expm1(y); /* the probability, less 1 */
  return -g * less - (1 + less) * others;
}

/* What exponentials are measured from: an infinite element decides the result by itself. */
INLINE double base_of(double top) { return isfinite(top) ? top : 0; }

/* Joins (top, rest), which stands for top + log(1 + rest), with another one. */
INLINE void join_logs(double *top, double *rest, double other_top, double other_rest) {
  double most = CR__LARGER(*top, other_top);
  if (*top == -INFINITY && isfinite(most)) *rest = other_rest; /* there was no element before */
  else if (!isfinite(most)) *rest = 0;
  else if (*top == most) *rest += (1 + other_rest) * f64_exp(other_top - most);
  else *rest = other_rest + (1 + *rest) * f64_exp(*top - most);
  *top = most;
}

static void finish_logs(double *state, int64_t w) {
  for (int64_t j = 0; j < w; j++) {
    double sum = state[j] + f64_log1p(state[w + j]);
    state[j] = isfinite(state[j]) ? sum : state[j];
  }
}

static void merge_logs(void *state, const void *other, int64_t w, int64_t seen, int64_t more) {
  double *s = state;
  const double *o = other;
  (void)seen, (void)more;
  for (int64_t j = 0; j < w; j++) join_logs(&s[j], &s[w + j], o[j], o[w + j]);
}

/* The strip after the one at j, of w >= STRIP columns. The last one may overlap it: nothing is added up
 * twice, for each strip begins anew. */
INLINE int64_t next_strip(int64_t j, int64_t w) {
  return j + STRIP < w && j + 2 * STRIP > w ? w - STRIP : j + STRIP;
}

/* How many of n rows are added up before float64 takes over. */
INLINE int64_t rows_at_once(int64_t n) { return n <= FEWEST ? 1 : FEW_ROWS; }

extern const cr__rows_loops CR__PASTE(cr__rows_loops_, CR__ISA);

#define T float
#define WORD int32_t
#define EXP f32_exp_below
#define EXACT_ONE_TOP 0x1p-16 /* of a float64 sum: below, float32 would show what the 1 costs */
#define ROWS_SUM CR__PASTE(cr__rows_loops_, CR__ISA).fold[CR__COMPUTE_F32][CR__FOLD_SUM]
#define NAME(x) x##_f32
#include "softmax_loops.h"
#include "softmax_tile_loops.h"

#define T double
#define WORD int64_t
#define EXP f64_exp
#define EXACT_ONE_TOP LOG_ONE_TOP
#define ROWS_SUM CR__PASTE(cr__rows_loops_, CR__ISA).fold[CR__COMPUTE_F64][CR__FOLD_SUM]
#define NAME(x) x##_f64
#include "softmax_loops.h"
#include "softmax_tile_loops.h"

extern const cr__softmax_loops CR__PASTE(cr__softmax_loops_, CR__ISA);
const cr__softmax_loops CR__PASTE(cr__softmax_loops_, CR__ISA) = {
    .line = {{line_f32, line_f64}, {line_back_f32, line_back_f64}},
    .tile = {{tile_f32, tile_f64}, {tile_back_f32, tile_back_f64}},
    .short_back = {short_back_f32, short_back_f64},
    .piece = {piece_f32, piece_f64},
    .logs = {{logs_row_f32, logs_columns_f32, merge_logs},
             {logs_row_f64, logs_columns_f64, merge_logs}},
    .finish_logs = finish_logs,
};
