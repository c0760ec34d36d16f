/* loops_scan.c: the inner loops of scans; compiled once per instruction set.
 *
 * Holds true: GROUP elements are scanned as a tree and then meet what came before them, so that no
 * element waits for the one before it; every instruction set adds in the same order. Products of
 * float64 go one by one: those of a tree could overflow where a zero before them keeps all at zero. */
#include <math.h>
#include <string.h>

#include "loops.h"
#include "cpu/scan.h"
#include "scalar/scalar_math.h"

enum { GROUP = 8 };

#define INLINE static inline __attribute__((always_inline))
#define MULTIPLY(a, b) ((a) * (b))

#ifdef __AVX512F__

/* v becomes the scan of itself; `none` stands before the first element. */
#define SCAN_GROUP(V, v, none, STEP)                                       \
  do {                                                                     \
    v = STEP(v, __builtin_shufflevector(v, none, 8, 0, 1, 2, 3, 4, 5, 6)); \
    v = STEP(v, __builtin_shufflevector(v, none, 8, 8, 0, 1, 2, 3, 4, 5)); \
    v = STEP(v, __builtin_shufflevector(v, none, 8, 8, 8, 8, 0, 1, 2, 3)); \
  } while (0)

#define LINE(name, T, S, NONE, STEP)                                      \
  static void name(void *out, const void *from, int64_t n, void *state) { \
    typedef S V __attribute__((vector_size(GROUP * sizeof(S))));          \
    typedef T W __attribute__((vector_size(GROUP * sizeof(T))));          \
    const T *x = from;                                                    \
    T *to = out;                                                          \
    const V none = (S)NONE - (V){0};                                      \
    S acc;                                                                \
    memcpy(&acc, state, sizeof acc);                                      \
    V before = acc - (V){0};                                              \
    int64_t i = 0;                                                        \
    for (; i + GROUP <= n; i += GROUP) {                                  \
      W w;                                                                \
      memcpy(&w, x + i, sizeof w);                                        \
      V v = __builtin_convertvector(w, V);                                \
      SCAN_GROUP(V, v, none, STEP);                                       \
      V last = __builtin_shufflevector(v, v, 7, 7, 7, 7, 7, 7, 7, 7);     \
      w = __builtin_convertvector(STEP(before, v), W);                    \
      memcpy(to + i, &w, sizeof w);                                       \
      before = STEP(before, last);                                        \
    }                                                                     \
    acc = before[0];                                                      \
    for (; i < n; i++) {                                                  \
      acc = STEP(acc, (S)x[i]);                                           \
      to[i] = (T)acc;                                                     \
    }                                                                     \
    memcpy(state, &acc, sizeof acc);                                      \
  }

#else

#define LINE(name, T, S, NONE, STEP)                                      \
  static void name(void *out, const void *from, int64_t n, void *state) { \
    const T *x = from;                                                    \
    T *to = out;                                                          \
    S acc, v[GROUP];                                                      \
    memcpy(&acc, state, sizeof acc);                                      \
    int64_t i = 0;                                                        \
    for (; i + GROUP <= n; i += GROUP) {                                  \
      for (int j = 0; j < GROUP; j++) v[j] = (S)x[i + j];                 \
      for (int j = GROUP - 1; j >= 1; j--) v[j] = STEP(v[j], v[j - 1]);   \
      for (int j = GROUP - 1; j >= 2; j--) v[j] = STEP(v[j], v[j - 2]);   \
      for (int j = GROUP - 1; j >= 4; j--) v[j] = STEP(v[j], v[j - 4]);   \
      for (int j = 0; j < GROUP; j++) to[i + j] = (T)STEP(acc, v[j]);     \
      acc = STEP(acc, v[GROUP - 1]);                                      \
    }                                                                     \
    for (; i < n; i++) {                                                  \
      acc = STEP(acc, (S)x[i]);                                           \
      to[i] = (T)acc;                                                     \
    }                                                                     \
    memcpy(state, &acc, sizeof acc);                                      \
  }

#endif

LINE(sum_f32, float, double, 0, CR__ADD)
LINE(sum_f64, double, double, 0, CR__ADD)
LINE(sum_i64, int64_t, int64_t, 0, CR__ADD)
LINE(prod_f32, float, double, 1, MULTIPLY)
LINE(prod_i64, int64_t, int64_t, 1, MULTIPLY)

static void prod_f64(void *out, const void *from, int64_t n, void *state) {
  const double *x = from;
  double *to = out, acc = *(double *)state;
  for (int64_t i = 0; i < n; i++) to[i] = acc *= x[i];
  *(double *)state = acc;
}

/* Lines of which each waits for itself only. */
static void prod_f64_lines(double *to, const double *x, int64_t n, int64_t step, double *acc) {
  double a = acc[0], b = acc[1], c = acc[2], d = acc[3];
  for (int64_t i = 0; i < n; i++) {
    to[i] = a *= x[i];
    to[i + step] = b *= x[i + step];
    to[i + 2 * step] = c *= x[i + 2 * step];
    to[i + 3 * step] = d *= x[i + 3 * step];
  }
  acc[0] = a, acc[1] = b, acc[2] = c, acc[3] = d;
}

#define ROWS(name, T, S, STEP)                                                                \
  static void name##_rows(void *out, const void *from, int64_t rows, int64_t step, int64_t w, \
                          void *state) {                                                      \
    S *restrict acc = state;                                                                  \
    const T *x = from;                                                                        \
    T *to = out;                                                                              \
    for (int64_t r = 0; r < rows; r++)                                                        \
      for (int64_t c = 0; c < w; c++) {                                                       \
        acc[c] = STEP(acc[c], (S)x[r * step + c]);                                            \
        to[r * step + c] = (T)acc[c];                                                         \
      }                                                                                       \
  }

ROWS(sum_f32, float, double, CR__ADD)
ROWS(sum_f64, double, double, CR__ADD)
ROWS(sum_i64, int64_t, int64_t, CR__ADD)
ROWS(prod_f32, float, double, MULTIPLY)
ROWS(prod_f64, double, double, MULTIPLY)
ROWS(prod_i64, int64_t, int64_t, MULTIPLY)

/* ---- Logarithms of sums ---- */

/* log(exp(a) + exp(b)), without a branch. */
INLINE double log_add(double a, double b) {
  double high = a > b ? a : b, low = a > b ? b : a, sum = high + f64_log1p(f64_exp(low - high));
  sum = isinf(high) ? high : sum;
  return a != a || b != b ? a + b : sum;
}

static void logs_row(double *restrict acc, const double *restrict x, int64_t w) {
#pragma omp simd
  for (int64_t c = 0; c < w; c++) acc[c] = log_add(acc[c], x[c]);
}

/* Where all lie so close together that no exponential leaves the range of normal numbers, or are -infinity, they are
 * measured from the largest one; else it goes one by one, until that is infinite or NaN. */
static double logs_near(double *x, int64_t n, double acc) {
  const double range = 600;
  double most = -INFINITY, least = INFINITY;
  bool below = true;
  for (int64_t i = 0; i < n; i++) {
    below &= x[i] < INFINITY;
    most = x[i] > most ? x[i] : most;
    least = x[i] < least && x[i] > -INFINITY ? x[i] : least;
  }
  bool first = acc == -INFINITY;
  if (!first) most = acc > most ? acc : most, least = acc < least ? acc : least;
  if (!below || !isfinite(most) || !isfinite(least) || acc != acc || most - least > range) {
    int64_t i = 0;
    for (; i < n && acc < INFINITY; i++) x[i] = acc = log_add(acc, x[i]);
    for (; i < n; i++) x[i] = acc = acc + (x[i] != x[i] ? x[i] : 0);
    return acc;
  }
  double sum = first ? 0 : f64_exp(acc - most);
  for (int64_t i = 0; i < n; i++) x[i] = f64_exp(x[i] - most);
  sum_f64(x, x, n, &sum);
  for (int64_t i = 0; i < n; i++) x[i] = most + f64_log(x[i]);
  return x[n - 1];
}

/* Logarithms near 0 are what the largest one has taken from them: those are computed from the ones before
 * them. */
static double logs(double *x, int64_t n, double acc) {
  enum { PART = 256 };
  const double few = 0.25;
  double from[PART];
  for (int64_t i = 0, m; i < n; i += m) {
    m = n - i < PART ? n - i : PART;
    memcpy(from, x + i, (size_t)m * sizeof *x);
    double before = acc;
    logs_near(x + i, m, acc);
    for (int64_t j = 0; j < m; j++) {
      if (fabs(x[i + j]) < few) x[i + j] = log_add(j ? x[i + j - 1] : before, from[j]);
    }
    acc = x[i + m - 1];
  }
  return acc;
}

/* ---- Extremes ---- */

/* Lines go EXTREMES elements at a time: mostly none of them beats the best one so far. `out` may be `from`. */
enum { EXTREMES = 16 };
#define BEST(name, T, BEATS)                                                                    \
  INLINE void name##_few(T *to, int64_t *places, const T *x, int64_t n, int64_t at, T *best_of, \
                         int64_t *place_of) {                                                   \
    T best = *best_of;                                                                          \
    int64_t place = *place_of;                                                                  \
    for (int64_t i = 0; i < n; i++) {                                                           \
      bool better = x[i] BEATS best || x[i] != x[i];                                            \
      best = better ? x[i] : best;                                                              \
      place = better ? at + i : place;                                                          \
      to[i] = best, places[i] = place;                                                          \
    }                                                                                           \
    *best_of = best, *place_of = place;                                                         \
  }                                                                                             \
  static void name##_line(void *out, int64_t *places, const void *from, int64_t n, int64_t at,  \
                          void *best_of, int64_t *place_of) {                                   \
    const T *x = from;                                                                          \
    T *to = out, best = *(T *)best_of;                                                          \
    int64_t place = *place_of, i = 0;                                                           \
    for (; i + EXTREMES <= n; i += EXTREMES) {                                                  \
      const T *part = x + i;                                                                    \
      int nan = best != best, any = 0, beaten = 0;                                              \
      for (int j = 0; j < EXTREMES; j++) any |= part[j] != part[j];                             \
      for (int j = 0; j < EXTREMES; j++) beaten |= part[j] BEATS best;                          \
      if (nan) { /* only another one takes its place */                                         \
        for (int j = 0; j < EXTREMES; j++) {                                                    \
          place = part[j] != part[j] ? at + i + j : place;                                      \
          to[i + j] = best, places[i + j] = place;                                              \
        }                                                                                       \
      } else if (!any && !beaten) {                                                             \
        for (int j = 0; j < EXTREMES; j++) to[i + j] = best, places[i + j] = place;             \
      } else {                                                                                  \
        name##_few(to + i, places + i, part, EXTREMES, at + i, &best, &place);                  \
      }                                                                                         \
    }                                                                                           \
    name##_few(to + i, places + i, x + i, n - i, at + i, &best, &place);                        \
    *(T *)best_of = best, *place_of = place;                                                    \
  }                                                                                             \
  static void name##_row(void *out, int64_t *restrict places, const void *from, int64_t w,      \
                         int64_t at, void *best_of, int64_t *restrict place) {                  \
    const T *x = from;                                                                          \
    T *restrict to = out, *restrict best = best_of;                                             \
    for (int64_t c = 0; c < w; c++) {                                                           \
      bool better = x[c] BEATS best[c] || x[c] != x[c];                                         \
      best[c] = better ? x[c] : best[c];                                                        \
      place[c] = better ? at : place[c];                                                        \
      to[c] = best[c], places[c] = place[c];                                                    \
    }                                                                                           \
  }

BEST(largest_f32, float, >=)
BEST(largest_f64, double, >=)
BEST(largest_i64, int64_t, >=)
BEST(smallest_f32, float, <=)
BEST(smallest_f64, double, <=)
BEST(smallest_i64, int64_t, <=)

/* n rows of w elements in place, each of which takes over the best so far from the row before it; WORD is
 * the integer of T's size. */
#define BEST_SHORT(name, T, WORD, BEATS)                                        \
  static void name##_short(void *of, void *places_of, int64_t n, int64_t w) {   \
    T *x = of;                                                                  \
    WORD *restrict places = places_of;                                          \
    for (int64_t c = 0; c < w; c++) places[c] = 1;                              \
    for (int64_t r = 1; r < n; r++) {                                           \
      const T *before = x + (r - 1) * w;                                        \
      const WORD *there = places + (r - 1) * w;                                 \
      T *to = x + r * w;                                                        \
      WORD *place = places + r * w;                                             \
      _Pragma("omp simd") for (int64_t c = 0; c < w; c++) {                     \
        T one = to[c], best = before[c];                                        \
        WORD better = -(WORD)((one BEATS best) | (one != one)), was = there[c]; \
        place[c] = (better & (WORD)(r + 1)) | (~better & was);                  \
        to[c] = better ? one : best;                                            \
      }                                                                         \
    }                                                                           \
  }

BEST_SHORT(largest_f32, float, int32_t, >=)
BEST_SHORT(largest_f64, double, int64_t, >=)
BEST_SHORT(largest_i64, int64_t, int64_t, >=)
BEST_SHORT(smallest_f32, float, int32_t, <=)
BEST_SHORT(smallest_f64, double, int64_t, <=)
BEST_SHORT(smallest_i64, int64_t, int64_t, <=)
BEST_SHORT(largest_i32, int32_t, int32_t, >=)
BEST_SHORT(smallest_i32, int32_t, int32_t, <=)

extern const cr__scan_loops CR__PASTE(cr__scan_loops_, CR__ISA);
const cr__scan_loops CR__PASTE(cr__scan_loops_, CR__ISA) = {
    .line = {{sum_f32, prod_f32}, {sum_f64, prod_f64}, {sum_i64, prod_i64}},
    .rows = {{sum_f32_rows, prod_f32_rows},
             {sum_f64_rows, prod_f64_rows},
             {sum_i64_rows, prod_i64_rows}},
    .prod_f64_lines = prod_f64_lines,
    .logs = logs,
    .logs_row = logs_row,
    .best_line = {{largest_f32_line, smallest_f32_line},
                  {largest_f64_line, smallest_f64_line},
                  {largest_i64_line, smallest_i64_line}},
    .best_row = {{largest_f32_row, smallest_f32_row},
                 {largest_f64_row, smallest_f64_row},
                 {largest_i64_row, smallest_i64_row}},
    .best_short = {{largest_f32_short, smallest_f32_short},
                   {largest_f64_short, smallest_f64_short},
                   {largest_i64_short, smallest_i64_short},
                   {largest_i32_short, smallest_i32_short}},
};
