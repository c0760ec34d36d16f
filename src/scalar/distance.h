/* distance.h: the distance of two vectors, for the CPU and for CUDA.
 *
 * Holds true: differences are gathered in eight sums, which are joined in one order, so that the result does not
 * depend on the instruction set. A NaN makes the distance NaN. */
#ifndef CR__DISTANCE_H
#define CR__DISTANCE_H

#include <math.h>
#include <stdint.h>

#ifdef __CUDACC__
#define CR__DISTANCE_FN static __host__ __device__ __forceinline__
#else
#define CR__DISTANCE_FN static inline __attribute__((always_inline))
#endif

/* What becomes of the size of a difference before it is gathered. */
typedef enum cr__distance_kind {
  CR__DISTANCE_COUNT, /* p = 0: how many are not 0 */
  CR__DISTANCE_SUM,
  CR__DISTANCE_SQUARES,
  CR__DISTANCE_POWERS,
  CR__DISTANCE_MOST /* p = inf */
} cr__distance_kind;

CR__DISTANCE_FN cr__distance_kind cr__distance_kind_of(double p) {
  return p == 0          ? CR__DISTANCE_COUNT
         : p == 1        ? CR__DISTANCE_SUM
         : p == 2        ? CR__DISTANCE_SQUARES
         : p == INFINITY ? CR__DISTANCE_MOST
                         : CR__DISTANCE_POWERS;
}

#define CR__DISTANCE(t, T, M)                                                                   \
  CR__DISTANCE_FN T cr__distance_step_##t(cr__distance_kind kind, T sum, T x, T y, T p) {       \
    T d = M(fabs)(x - y);                                                                       \
    switch (kind) {                                                                             \
    case CR__DISTANCE_COUNT: return sum + (T)(d != 0);                                          \
    case CR__DISTANCE_SUM: return sum + d;                                                      \
    case CR__DISTANCE_SQUARES: return sum + d * d;                                              \
    case CR__DISTANCE_POWERS: return sum + M(pow)(d, p);                                        \
    default: return ((d > sum) | (d != d)) ? d : sum;                                           \
    }                                                                                           \
  }                                                                                             \
  /* The distance of n elements; kind is a constant where this is called. */                    \
  CR__DISTANCE_FN T cr__distance_##t(cr__distance_kind kind, const T *x, const T *y, int64_t n, \
                                     T p) {                                                     \
    enum { LANES = 8 };                                                                         \
    T sum[LANES] = {0};                                                                         \
    int64_t whole = n - n % LANES;                                                              \
    for (int64_t i = 0; i < whole; i += LANES)                                                  \
      for (int k = 0; k < LANES; k++)                                                           \
        sum[k] = cr__distance_step_##t(kind, sum[k], x[i + k], y[i + k], p);                    \
    for (int64_t i = whole; i < n; i++)                                                         \
      sum[i - whole] = cr__distance_step_##t(kind, sum[i - whole], x[i], y[i], p);              \
    for (int half = LANES / 2; half > 0; half /= 2)                                             \
      for (int k = 0; k < half; k++) {                                                          \
        T other = sum[k + half];                                                                \
        if (kind == CR__DISTANCE_MOST)                                                          \
          sum[k] = ((other > sum[k]) | (other != other)) ? other : sum[k];                      \
        else sum[k] += other;                                                                   \
      }                                                                                         \
    return kind == CR__DISTANCE_SQUARES  ? M(sqrt)(sum[0])                                      \
           : kind == CR__DISTANCE_POWERS ? M(pow)(sum[0], 1 / p)                                \
                                         : sum[0];                                              \
  }

#define CR__DOUBLE(name) name
#define CR__SINGLE(name) name##f
CR__DISTANCE(f64, double, CR__DOUBLE)
CR__DISTANCE(f32, float, CR__SINGLE)
#undef CR__DISTANCE
#undef CR__DOUBLE
#undef CR__SINGLE

#endif
