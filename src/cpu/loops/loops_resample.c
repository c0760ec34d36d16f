/* loops_resample.c: the inner loops of resampling; compiled once per instruction set.
 *
 * Holds true: see resample.h. What all elements share (how many places they have, how far apart these lie) is a
 * constant in the loops that matter. */
#include "cpu/resample.h"

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define INLINE static inline __attribute__((always_inline))

#define RATIO(a, b) ((a) / (b))
#define RATIO_WHOLE(a, b) \
  ((b) == -1 ? 0 - (a) : (a) / (b)) /* the quotient of the least integer wraps */

#define RESAMPLE(t, T, RATIO)                                                                   \
  /* Elements of `each` places. */                                                              \
  INLINE void weighed_##t(T *restrict out, const T *restrict x, const int64_t *restrict place,  \
                          const T *restrict w, int64_t n, int64_t each) {                       \
    for (int64_t o = 0; o < n; o++) {                                                           \
      T sum = w[o * each] * x[place[o * each]];                                                 \
      for (int64_t i = 1; i < each; i++) sum += w[o * each + i] * x[place[o * each + i]];       \
      out[o] = sum;                                                                             \
    }                                                                                           \
  }                                                                                             \
  static void along_##t(void *out_, const void *x_, const int64_t *first, const int64_t *place, \
                        const void *weight, int64_t n, int64_t each) {                          \
    T *restrict out = out_;                                                                     \
    const T *restrict x = x_;                                                                   \
    const T *w = weight;                                                                        \
    if (each == 1 && !w) {                                                                      \
      const int64_t *p = place + first[0];                                                      \
      for (int64_t o = 0; o < n; o++) out[o] = x[p[o]];                                         \
    } else if (w && each == 2) {                                                                \
      weighed_##t(out, x, place + first[0], w + first[0], n, 2);                                \
    } else if (w && each == 4) {                                                                \
      weighed_##t(out, x, place + first[0], w + first[0], n, 4);                                \
    } else {                                                                                    \
      for (int64_t o = 0; o < n; o++) {                                                         \
        T sum = 0;                                                                              \
        for (int64_t i = first[o]; i < first[o + 1]; i++) {                                     \
          T v = w ? w[i] * x[place[i]] : x[place[i]];                                           \
          sum = i == first[o] ? v : sum + v;                                                    \
        }                                                                                       \
        out[o] = sum;                                                                           \
      }                                                                                         \
    }                                                                                           \
  }                                                                                             \
  INLINE void even_step_##t(T *restrict out, const T *restrict x, int64_t n, int64_t each,      \
                            int64_t step, int64_t gap) {                                        \
    for (int64_t o = 0; o < n; o++) {                                                           \
      T sum = x[o * step];                                                                      \
      for (int64_t i = 1; i < each; i++) sum += x[o * step + i * gap];                          \
      out[o] = sum;                                                                             \
    }                                                                                           \
  }                                                                                             \
  static void even_##t(void *out, const void *x, int64_t n, int64_t each, int64_t step,         \
                       int64_t gap) {                                                           \
    if (each == 2 && step == 2 && gap == 1) even_step_##t(out, x, n, 2, 2, 1);                  \
    else if (each == 3 && step == 2 && gap == 1) even_step_##t(out, x, n, 3, 2, 1);             \
    else if (each == 3 && step == 1 && gap == 1) even_step_##t(out, x, n, 3, 1, 1);             \
    else if (each == 2 && step == 1 && gap == 1) even_step_##t(out, x, n, 2, 1, 1);             \
    else if (step == 1) even_step_##t(out, x, n, each, 1, gap);                                 \
    else even_step_##t(out, x, n, each, step, gap);                                             \
  }                                                                                             \
  static void scale_##t(void *out_, const void *x_, const void *weight, int64_t n) {            \
    T *restrict out = out_;                                                                     \
    const T *restrict x = x_;                                                                   \
    T w = *(const T *)weight;                                                                   \
    for (int64_t i = 0; i < n; i++) out[i] = x[i] * w;                                          \
  }                                                                                             \
  static void add_##t(void *out_, const void *x_, const void *weight, int64_t n) {              \
    T *restrict out = out_;                                                                     \
    const T *restrict x = x_;                                                                   \
    T w = *(const T *)weight;                                                                   \
    for (int64_t i = 0; i < n; i++) out[i] += x[i] * w;                                         \
  }                                                                                             \
  static void pair_##t(void *out_, const void *x_, const void *y_, const void *weight,          \
                       int64_t n) {                                                             \
    T *restrict out = out_;                                                                     \
    const T *x = x_, *y = y_, *w = weight;                                                      \
    T a = w[0], b = w[1];                                                                       \
    for (int64_t i = 0; i < n; i++) out[i] = x[i] * a + y[i] * b;                               \
  }                                                                                             \
  static void plus_##t(void *out_, const void *x_, int64_t n) {                                 \
    T *restrict out = out_;                                                                     \
    const T *restrict x = x_;                                                                   \
    for (int64_t i = 0; i < n; i++) out[i] += x[i];                                             \
  }                                                                                             \
  static void divide_##t(void *out_, const void *x_, const void *by_, const void *share_,       \
                         int64_t n) {                                                           \
    T *out = out_;                                                                              \
    const T *x = x_, *share = share_;                                                           \
    T by = *(const T *)by_;                                                                     \
    for (int64_t i = 0; i < n; i++) out[i] = RATIO(x[i], by * share[i]);                        \
  }

RESAMPLE(f32, float, RATIO)
RESAMPLE(f64, double, RATIO)
RESAMPLE(i64, int64_t, RATIO_WHOLE)

#define LOOPS(t) \
  { along_##t, even_##t, scale_##t, add_##t, pair_##t, plus_##t, divide_##t }
extern const cr__resample_loops JOIN(cr__resample_loops, CR__ISA)[3];
const cr__resample_loops JOIN(cr__resample_loops, CR__ISA)[3] = {LOOPS(f32), LOOPS(f64),
                                                                 LOOPS(i64)};
