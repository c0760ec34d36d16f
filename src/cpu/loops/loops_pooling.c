/* loops_pooling.c: the inner loops of pooling; compiled once per instruction set.
 *
 * Holds true: see pooling.h. Steps of 1 and 2 have loops of their own, which become vector code. */
#include "cpu/pooling.h"

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define INLINE static inline __attribute__((always_inline))

#define POOLING(t, T, I)                                                                       \
  INLINE void best_step_##t(T *restrict best, const T *restrict x, int64_t n, int64_t step) {  \
    for (int64_t i = 0; i < n; i++) {                                                          \
      T v = x[i * step];                                                                       \
      best[i] = ((v > best[i]) | (v != v)) ? v : best[i];                                      \
    }                                                                                          \
  }                                                                                            \
  static void best_##t(void *best, const void *x, int64_t n, int64_t step) {                   \
    if (step == 1) best_step_##t(best, x, n, 1);                                               \
    else if (step == 2) best_step_##t(best, x, n, 2);                                          \
    else best_step_##t(best, x, n, step);                                                      \
  }                                                                                            \
  INLINE void place_step_##t(T *restrict best, I *restrict at, const T *restrict x, int64_t n, \
                             int64_t step, I first) {                                          \
    for (int64_t i = 0; i < n; i++) {                                                          \
      T v = x[i * step];                                                                       \
      bool wins = (v > best[i]) | (v != v);                                                    \
      best[i] = wins ? v : best[i];                                                            \
      at[i] = wins ? (I)(first + (I)i * (I)step) : at[i];                                      \
    }                                                                                          \
  }                                                                                            \
  static void place_##t(void *best, void *at, const void *x, int64_t n, int64_t step,          \
                        int64_t first) {                                                       \
    if (step == 1) place_step_##t(best, at, x, n, 1, (I)first);                                \
    else if (step == 2) place_step_##t(best, at, x, n, 2, (I)first);                           \
    else place_step_##t(best, at, x, n, step, (I)first);                                       \
  }                                                                                            \
  static void line_##t(void *best_, void *at_, const void *x_, int64_t count, int64_t first) { \
    T *best = best_;                                                                           \
    I *at = at_;                                                                               \
    const T *x = x_;                                                                           \
    for (int64_t i = 0; i < count; i++) {                                                      \
      if (!(x[i] > *best) && x[i] == x[i]) continue;                                           \
      *best = x[i];                                                                            \
      if (at) *at = (I)(first + i);                                                            \
    }                                                                                          \
  }

POOLING(f32, float, int32_t)
POOLING(f64, double, int64_t)
POOLING(i64, int64_t, int64_t)

extern const cr__pooling_loops JOIN(cr__pooling_loops, CR__ISA)[3];
const cr__pooling_loops JOIN(cr__pooling_loops, CR__ISA)[3] = {{best_f32, place_f32, line_f32},
                                                               {best_f64, place_f64, line_f64},
                                                               {best_i64, place_i64, line_i64}};
