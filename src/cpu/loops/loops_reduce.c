/* loops_reduce.c: the inner loops of reductions; compiled once per instruction set.
 *
 * Holds true: elements go into a fixed number of lanes, the lanes into the wider state, always in the
 * same order, so that no instruction set and no thread count changes a bit; columns take four rows at a
 * time, one after the other. float32 lanes hold at
 * most CR__FOLD_BLOCK elements before they go into float64. */
#include <math.h>
#include <string.h>

#include "cpu/reduce.h"
#include "scalar/scalar_math.h"

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)

enum { LANES = 64, FEW_LANES = 8, MOMENT_LANES = 32, NARROW_LANES = 64 };

#define MULTIPLY(a, b) ((a) * (b))

/* A folder of elements T into the state S by STEP. */
#define FOLDER(name, T, S, STEP)                                                                   \
  static inline __attribute__((always_inline))                                                     \
  int64_t name##_lanes(S *s, const T *x, int64_t n, int lanes) {                                   \
    if (n < lanes) return 0;                                                                       \
    T lane[LANES];                                                                                 \
    S wide[LANES];                                                                                 \
    for (int j = 0; j < lanes; j++) lane[j] = x[j];                                                \
    int64_t i = lanes;                                                                             \
    for (; i + lanes <= n; i += lanes)                                                             \
      for (int j = 0; j < lanes; j++) lane[j] = STEP(lane[j], x[i + j]);                           \
    for (int j = 0; j < lanes; j++) wide[j] = (S)lane[j];                                          \
    if (lanes == 64) {                                                                             \
      CR__HALVE(wide, 32, STEP)                                                                    \
      CR__HALVE(wide, 16, STEP)                                                                    \
      CR__HALVE(wide, 8, STEP)                                                                     \
    }                                                                                              \
    CR__HALVE(wide, 4, STEP)                                                                       \
    CR__HALVE(wide, 2, STEP)                                                                       \
    CR__HALVE(wide, 1, STEP)                                                                       \
    *s = STEP(*s, wide[0]);                                                                        \
    return i;                                                                                      \
  }                                                                                                \
  static void name##_row(void *state, const void *from, int64_t n, int64_t seen) {                 \
    S *s = state;                                                                                  \
    const T *x = from;                                                                             \
    (void)seen;                                                                                    \
    int64_t i = name##_lanes(s, x, n, LANES);                                                      \
    i += name##_lanes(s, x + i, n - i, FEW_LANES);                                                 \
    for (; i < n; i++) *s = STEP(*s, (S)x[i]);                                                     \
  }                                                                                                \
  static void name##_columns(void *state, const void *from, int64_t rows, int64_t step, int64_t w, \
                             int64_t seen) {                                                       \
    S *restrict s = state;                                                                         \
    const T *x = from;                                                                             \
    T lane[CR__TILE];                                                                              \
    (void)seen;                                                                                    \
    memcpy(lane, x, (size_t)w * sizeof(T));                                                        \
    int64_t r = 1;                                                                                 \
    for (; r + 4 <= rows; r += 4) {                                                                \
      const T *a = x + r * step, *b = a + step, *c = b + step, *d = c + step;                      \
      for (int64_t j = 0; j < w; j++) {                                                            \
        T one = STEP(lane[j], a[j]);                                                               \
        one = STEP(one, b[j]);                                                                     \
        one = STEP(one, c[j]);                                                                     \
        lane[j] = STEP(one, d[j]);                                                                 \
      }                                                                                            \
    }                                                                                              \
    for (; r < rows; r++)                                                                          \
      for (int64_t j = 0; j < w; j++) lane[j] = STEP(lane[j], x[r * step + j]);                    \
    for (int64_t j = 0; j < w; j++) s[j] = STEP(s[j], (S)lane[j]);                                 \
  }                                                                                                \
  static void name##_merge(void *state, const void *other, int64_t w, int64_t seen,                \
                           int64_t more) {                                                         \
    S *restrict s = state;                                                                         \
    const S *o = other;                                                                            \
    (void)seen, (void)more;                                                                        \
    for (int64_t j = 0; j < w; j++) s[j] = STEP(s[j], o[j]);                                       \
  }

#define FOLDERS(t, T, S)            \
  FOLDER(sum_##t, T, S, CR__ADD)    \
  FOLDER(prod_##t, T, S, MULTIPLY)  \
  FOLDER(max_##t, T, S, CR__LARGER) \
  FOLDER(min_##t, T, S, CR__SMALLER)

/* Columns of few rows: what their lanes come to. */
#define FEW(name, T, STEP)                                                                     \
  static void name##_few(void *out, const void *from, int64_t rows, int64_t step, int64_t w) { \
    T *restrict to = out;                                                                      \
    const T *x = from;                                                                         \
    if (rows == 1) memcpy(to, x, (size_t)w * sizeof(T));                                       \
    if (rows > 1)                                                                              \
      for (int64_t j = 0; j < w; j++) to[j] = STEP(x[j], x[step + j]);                         \
    for (int64_t r = 2; r < rows; r++)                                                         \
      for (int64_t j = 0; j < w; j++) to[j] = STEP(to[j], x[r * step + j]);                    \
  }
#define FEWS(t, T) \
  FEW(prod_##t, T, MULTIPLY) FEW(max_##t, T, CR__LARGER) FEW(min_##t, T, CR__SMALLER)
#define FEW_ENTRIES(t)                                                \
  {                                                                   \
    [CR__FOLD_PROD] = prod_##t##_few, [CR__FOLD_MAX] = max_##t##_few, \
    [CR__FOLD_MIN] = min_##t##_few,                                   \
  }
FEWS(f32, float)
FEWS(f64, double)
FEWS(i64, int64_t)
FEW(max_i32, int32_t, CR__LARGER)
FEW(min_i32, int32_t, CR__SMALLER)

FOLDERS(f32, float, double)
FOLDERS(f64, double, double)
FOLDERS(i64, int64_t, int64_t)

/* ---- Narrow integers, as they are ---- */

/* Integers add up to the same in any order, so the compiler may choose it. W holds the sum of a block. */
#define NARROW(t, T, W)                                                                    \
  static void sum_##t##_row(void *state, const void *from, int64_t n, int64_t seen) {      \
    const T *x = from;                                                                     \
    W sum = 0;                                                                             \
    (void)seen;                                                                            \
    for (int64_t i = 0; i < n; i++) sum += x[i];                                           \
    *(int64_t *)state += sum;                                                              \
  }                                                                                        \
  static void sum_##t##_columns(void *state, const void *from, int64_t rows, int64_t step, \
                                int64_t w, int64_t seen) {                                 \
    int64_t *restrict s = state;                                                           \
    const T *x = from;                                                                     \
    W lane[CR__TILE] = {0};                                                                \
    (void)seen;                                                                            \
    for (int64_t r = 0; r < rows; r++)                                                     \
      for (int64_t j = 0; j < w; j++) lane[j] += x[r * step + j];                          \
    for (int64_t j = 0; j < w; j++) s[j] += lane[j];                                       \
  }                                                                                        \
  NARROW_EXTREME(max_##t, T, >)                                                            \
  NARROW_EXTREME(min_##t, T, <)

#define NARROW_EXTREME(name, T, BEATS)                                                             \
  static void name##_row(void *state, const void *from, int64_t n, int64_t seen) {                 \
    int64_t *s = state;                                                                            \
    const T *x = from;                                                                             \
    T best = x[0];                                                                                 \
    int64_t i = 0;                                                                                 \
    (void)seen;                                                                                    \
    if (n >= NARROW_LANES) {                                                                       \
      T lane[NARROW_LANES];                                                                        \
      memcpy(lane, x, sizeof lane);                                                                \
      for (i = NARROW_LANES; i + NARROW_LANES <= n; i += NARROW_LANES)                             \
        for (int j = 0; j < NARROW_LANES; j++)                                                     \
          lane[j] = x[i + j] BEATS lane[j] ? x[i + j] : lane[j];                                   \
      for (int j = 0; j < NARROW_LANES; j++) best = lane[j] BEATS best ? lane[j] : best;           \
    }                                                                                              \
    for (; i < n; i++) best = x[i] BEATS best ? x[i] : best;                                       \
    *s = best BEATS * s ? best : *s;                                                               \
  }                                                                                                \
  static void name##_columns(void *state, const void *from, int64_t rows, int64_t step, int64_t w, \
                             int64_t seen) {                                                       \
    int64_t *restrict s = state;                                                                   \
    const T *x = from;                                                                             \
    T best[CR__TILE];                                                                              \
    (void)seen;                                                                                    \
    memcpy(best, x, (size_t)w * sizeof(T));                                                        \
    for (int64_t r = 1; r < rows; r++)                                                             \
      for (int64_t j = 0; j < w; j++)                                                              \
        best[j] = x[r * step + j] BEATS best[j] ? x[r * step + j] : best[j];                       \
    for (int64_t j = 0; j < w; j++) s[j] = best[j] BEATS s[j] ? best[j] : s[j];                    \
  }

NARROW(i32, int32_t, int64_t)
NARROW(i16, int16_t, int32_t)
NARROW(i8, int8_t, int32_t)
NARROW(u8, uint8_t, int32_t)

/* Joins the moments (mean, squares) of `more` elements to those of `seen` (Chan et al.). */
static inline void join_moments(double *mean, double *squares, int64_t seen, double other_mean,
                                double other_squares, int64_t more) {
  double delta = other_mean - *mean, share = (double)more / (double)(seen + more);
  *mean = seen ? *mean + delta * share : other_mean;
  *squares += other_squares + (seen ? delta * delta * share * (double)seen : 0);
}

static void merge_moments(void *state, const void *other, int64_t w, int64_t seen, int64_t more) {
  double *s = state;
  const double *o = other;
  for (int64_t j = 0; j < w; j++) join_moments(&s[j], &s[w + j], seen, o[j], o[w + j], more);
}

/* A block's elements are measured from the block's mean, rounded to T; what that rounding leaves is
 * made good by the sum of the distances. During the second pass memory brings the next block. */
#define MOMENTS(t, T)                                                                          \
  static void moments_##t##_row(void *state, const void *from, int64_t n, int64_t seen) {      \
    double *s = state, total = 0, sum = 0, squares = 0;                                        \
    const T *x = from;                                                                         \
    T near[MOMENT_LANES] = {0}, far[MOMENT_LANES] = {0};                                       \
    sum_##t##_row(&total, x, n, 0);                                                            \
    const T middle = (T)(total / (double)n);                                                   \
    int64_t i = 0;                                                                             \
    for (; i + MOMENT_LANES <= n; i += MOMENT_LANES) {                                         \
      for (int j = 0; j < MOMENT_LANES; j += 64 / (int)sizeof(T))                              \
        __builtin_prefetch(x + n + i + j);                                                     \
      for (int j = 0; j < MOMENT_LANES; j++) {                                                 \
        T d = x[i + j] - middle;                                                               \
        near[j] += d, far[j] += d * d;                                                         \
      }                                                                                        \
    }                                                                                          \
    for (; i < n; i++) {                                                                       \
      T d = x[i] - middle;                                                                     \
      sum += d, squares += d * d;                                                              \
    }                                                                                          \
    for (int j = 0; j < MOMENT_LANES; j++) sum += near[j], squares += far[j];                  \
    double rest = sum / (double)n;                                                             \
    join_moments(&s[0], &s[1], seen, middle + rest, squares - sum * rest, n);                  \
  }                                                                                            \
  static void moments_##t##_columns(void *state, const void *from, int64_t rows, int64_t step, \
                                    int64_t w, int64_t seen) {                                 \
    double *s = state, total[2 * CR__TILE] = {0};                                              \
    const T *x = from;                                                                         \
    T middle[CR__TILE], sum[CR__TILE] = {0}, squares[CR__TILE] = {0};                          \
    sum_##t##_columns(total, x, rows, step, w, 0);                                             \
    for (int64_t j = 0; j < w; j++) middle[j] = (T)(total[j] / (double)rows);                  \
    for (int64_t r = 0; r < rows; r++)                                                         \
      for (int64_t j = 0; j < w; j++) {                                                        \
        T d = x[r * step + j] - middle[j];                                                     \
        sum[j] += d, squares[j] += d * d;                                                      \
      }                                                                                        \
    for (int64_t j = 0; j < w; j++) {                                                          \
      double rest = sum[j] / (double)rows;                                                     \
      double all = squares[j] - sum[j] * rest;                                                 \
      join_moments(&s[j], &s[w + j], seen, middle[j] + rest, all, rows);                       \
    }                                                                                          \
  }

MOMENTS(f32, float)
MOMENTS(f64, double)

/* ---- Sums of squares ---- */

/* Squares of float32 may leave its range: sums that have come near its ends, 0 among them, are
 * gathered again in float64. Within these bounds what underflow has lost is less than rounding. A sum that
 * is NaN has one among its elements, and stays. */
static inline bool in_range(float sum) { return CR__SQUARES_FIT(sum) || sum != sum; }

static bool any_infinite(const float *x, int64_t n) {
  int any = 0;
  for (int64_t i = 0; i < n; i++) any |= x[i] == INFINITY || x[i] == -INFINITY;
  return any;
}

static void squares_row(void *state, const void *from, int64_t n, int64_t seen) {
  double *s = state, wide[LANES] = {0}, total = 0;
  const float *x = from;
  float lane[LANES] = {0};
  int64_t i = 0;
  (void)seen;
  for (; i + LANES <= n; i += LANES)
    for (int j = 0; j < LANES; j++) lane[j] += x[i + j] * x[i + j];
  for (int j = 0; i < n; i++, j++) lane[j] += x[i] * x[i];
  for (int j = 0; j < LANES; j++) wide[j] = lane[j];
  CR__HALVE(wide, 32, CR__ADD)
  CR__HALVE(wide, 16, CR__ADD)
  CR__HALVE(wide, 8, CR__ADD)
  CR__HALVE(wide, 4, CR__ADD)
  CR__HALVE(wide, 2, CR__ADD)
  CR__HALVE(wide, 1, CR__ADD)
  if (in_range((float)wide[0]) || (isinf(wide[0]) && any_infinite(x, n))) {
    *s += wide[0];
    return;
  }
  for (i = 0; i < n; i++) total += (double)x[i] * x[i];
  *s += total;
}

static void squares_columns(void *state, const void *from, int64_t rows, int64_t step, int64_t w,
                            int64_t seen) {
  double *restrict s = state;
  const float *x = from;
  float lane[CR__TILE] = {0}, most[CR__TILE] = {0};
  int fits = 1, apart[CR__TILE];
  (void)seen;
  for (int64_t r = 0; r < rows; r++)
    for (int64_t j = 0; j < w; j++) lane[j] += x[r * step + j] * x[r * step + j];
  for (int64_t j = 0; j < w; j++) fits &= in_range(lane[j]);
  for (int64_t r = 0; r < rows && !fits; r++)
    for (int64_t j = 0; j < w; j++) most[j] = CR__LARGER(most[j], fabsf(x[r * step + j]));
  for (int64_t j = 0; j < w; j++) apart[j] = !in_range(lane[j]) && most[j] != INFINITY;
  for (int64_t j = 0; j < w; j++) s[j] += apart[j] ? 0 : lane[j];
  if (fits) return;
  for (int64_t r = 0; r < rows; r++)
    for (int64_t j = 0; j < w; j++)
      s[j] += apart[j] ? (double)x[r * step + j] * x[r * step + j] : 0;
}

/* ---- Maps ---- */

#define EACH(expression)                                \
  for (int64_t i = 0; i < n; i++) to[i] = (expression); \
  break

#define MAP(t, T, FABS, POW)                                                           \
  static void map_##t(void *out, const void *from, int64_t n, int map, double power) { \
    T *to = out;                                                                       \
    const T *x = from;                                                                 \
    const T p = (T)power;                                                              \
    switch (map) {                                                                     \
    case CR__MAP_NONZERO: EACH(x[i] != 0 ? 1 : 0);                                     \
    case CR__MAP_ABS: EACH(FABS(x[i]));                                                \
    case CR__MAP_SQUARE: EACH(x[i] * x[i]);                                            \
    case CR__MAP_POWER: EACH(POW(FABS(x[i]), p));                                      \
    case CR__MAP_NAN_TO_ZERO: EACH(x[i] != x[i] ? 0 : x[i]);                           \
    default: EACH(x[i]);                                                               \
    }                                                                                  \
  }

MAP(f32, float, fabsf, f32_pow)
MAP(f64, double, fabs, f64_pow)

/* Integers are only ever compared with zero. */
static void map_i64(void *out, const void *from, int64_t n, int map, double power) {
  int64_t *to = out;
  const int64_t *x = from;
  (void)power;
  for (int64_t i = 0; i < n; i++) to[i] = map == CR__MAP_NONZERO ? x[i] != 0 : x[i];
}

/* ---- Extremes with positions, side by side ---- */

/* The first of equal elements wins; the first NaN wins over all. */
#define EXTREME(name, T, BEATS)                                                              \
  static void name(void *best_of, int64_t *restrict indices, const void *from, int64_t rows, \
                   int64_t step, int64_t w, int64_t position) {                              \
    T *restrict best = best_of;                                                              \
    const T *x = from;                                                                       \
    for (int64_t r = 0; r < rows; r++, position++)                                           \
      for (int64_t j = 0; j < w; j++) {                                                      \
        T value = x[r * step + j];                                                           \
        bool better = value BEATS best[j] || (value != value && best[j] == best[j]);         \
        best[j] = better ? value : best[j];                                                  \
        indices[j] = better ? position : indices[j];                                         \
      }                                                                                      \
  }

EXTREME(largest_f32, float, >)
EXTREME(largest_f64, double, >)
EXTREME(largest_i64, int64_t, >)
EXTREME(smallest_f32, float, <)
EXTREME(smallest_f64, double, <)
EXTREME(smallest_i64, int64_t, <)

#define ENTRY(name) \
  { name##_row, name##_columns, name##_merge }
#define ENTRIES(t) ENTRY(sum_##t), ENTRY(prod_##t), ENTRY(max_##t), ENTRY(min_##t)

#define NARROW_ENTRIES(t)                                               \
  {                                                                     \
    [CR__FOLD_SUM] = {sum_##t##_row, sum_##t##_columns, sum_i64_merge}, \
    [CR__FOLD_MAX] = {max_##t##_row, max_##t##_columns, max_i64_merge}, \
    [CR__FOLD_MIN] = {min_##t##_row, min_##t##_columns, min_i64_merge}, \
  }

extern const cr__reduce_loops JOIN(cr__reduce_loops, CR__ISA);
const cr__reduce_loops JOIN(cr__reduce_loops, CR__ISA) = {
    .fold = {{ENTRIES(f32), {moments_f32_row, moments_f32_columns, merge_moments}},
             {ENTRIES(f64), {moments_f64_row, moments_f64_columns, merge_moments}},
             {ENTRIES(i64)}},
    .narrow = {[CR_INT32] = NARROW_ENTRIES(i32),
               [CR_INT16] = NARROW_ENTRIES(i16),
               [CR_INT8] = NARROW_ENTRIES(i8),
               [CR_UINT8] = NARROW_ENTRIES(u8),
               [CR_BOOL] = NARROW_ENTRIES(u8)},
    .few = {FEW_ENTRIES(f32),
            FEW_ENTRIES(f64),
            FEW_ENTRIES(i64),
            {[CR__FOLD_MAX] = max_i32_few, [CR__FOLD_MIN] = min_i32_few}},
    .squares = {squares_row, squares_columns, sum_f64_merge},
    .map = {map_f32, map_f64, map_i64},
    .extreme = {{largest_f32, smallest_f32},
                {largest_f64, smallest_f64},
                {largest_i64, smallest_i64}},
};
