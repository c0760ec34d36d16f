/* distance.h: the distance of two vectors and its slopes, for the CPU and for CUDA.
 *
 * Holds true: differences are gathered in eight sums, which are joined in one
 * order, so that the result does not depend on the instruction set. A NaN makes the distance NaN. */
#ifndef CR__DISTANCE_H
#define CR__DISTANCE_H

#include <math.h>
#include <stdint.h>

#ifndef CR__SCALAR
#define CR__SCALAR static inline __attribute__((always_inline, unused))
#endif
#include "scalar_math.h"

#ifdef __CUDACC__
#define CR__DISTANCE_FN static __host__ __device__ __forceinline__
#else
#define CR__DISTANCE_FN static inline __attribute__((always_inline, unused))
#endif

/* What becomes of the size of a difference before it is gathered. */
typedef enum cr__distance_kind {
  CR__DISTANCE_COUNT, /* p = 0: how many are not 0 */
  CR__DISTANCE_SUM,
  CR__DISTANCE_SQUARES,
  CR__DISTANCE_CUBES,
  CR__DISTANCE_POWERS,
  CR__DISTANCE_MOST /* p = inf */
} cr__distance_kind;

enum {
  CR__DISTANCE_LANES =
      8, /* element i is added to sum i % 8 while 8 are left; of r others the last to the last sum */
  CR__DISTANCE_FEW = 32 /* slopes that are added up before float64 takes over */
};

CR__DISTANCE_FN cr__distance_kind cr__distance_kind_of(double p) {
  return p == 0          ? CR__DISTANCE_COUNT
         : p == 1        ? CR__DISTANCE_SUM
         : p == 2        ? CR__DISTANCE_SQUARES
         : p == 3        ? CR__DISTANCE_CUBES
         : p == INFINITY ? CR__DISTANCE_MOST
                         : CR__DISTANCE_POWERS;
}

/* Where the distance of rows i and j > i of n stands among those of all pairs. */
CR__DISTANCE_FN int64_t cr__pair_at(int64_t i, int64_t j, int64_t n) {
  return i * (2 * n - i - 1) / 2 + j - i - 1;
}

#define CR__DISTANCE(t, T, M, LEAST)                                                                      \
  CR__SCALAR T cr__distance_step_##t(cr__distance_kind kind, T sum, T x, T y, T p) {                      \
    T d = M(fabs)(x - y);                                                                                 \
    switch (kind) {                                                                                       \
    case CR__DISTANCE_COUNT: return sum + (T)(d != 0);                                                    \
    case CR__DISTANCE_SUM: return sum + d;                                                                \
    case CR__DISTANCE_SQUARES: return sum + d * d;                                                        \
    case CR__DISTANCE_CUBES: return sum + d * d * d;                                                      \
    case CR__DISTANCE_POWERS: return sum + t##_pow(d, p);                                                 \
    default: return ((d > sum) | (d != d)) ? d : sum;                                                     \
    }                                                                                                     \
  }                                                                                                       \
  /* What all sums make. */                                                                               \
  CR__SCALAR T cr__distance_end_##t(cr__distance_kind kind, T sum, T p) {                                 \
    return kind == CR__DISTANCE_SQUARES                                ? M(sqrt)(sum)                     \
           : kind == CR__DISTANCE_POWERS || kind == CR__DISTANCE_CUBES ? t##_pow(sum, 1 / p)              \
                                                                       : sum;                             \
  }                                                                                                       \
  /* The distance of n elements; kind is a constant where this is called. */                              \
  CR__SCALAR T cr__distance_##t(cr__distance_kind kind, const T *x, const T *y, int64_t n, T p) {         \
    T sum[CR__DISTANCE_LANES] = {0};                                                                      \
    int64_t rest = n % CR__DISTANCE_LANES, whole = n - rest;                                              \
    for (int64_t i = 0; i < whole; i += CR__DISTANCE_LANES)                                               \
      for (int k = 0; k < CR__DISTANCE_LANES; k++)                                                        \
        sum[k] = cr__distance_step_##t(kind, sum[k], x[i + k], y[i + k], p);                              \
    for (int64_t i = whole, k = CR__DISTANCE_LANES - rest; i < n; i++, k++)                               \
      sum[k] = cr__distance_step_##t(kind, sum[k], x[i], y[i], p);                                        \
    for (int half = CR__DISTANCE_LANES / 2; half > 0; half /= 2)                                          \
      for (int k = 0; k < half; k++) {                                                                    \
        T other = sum[k + half];                                                                          \
        if (kind == CR__DISTANCE_MOST)                                                                    \
          sum[k] = ((other > sum[k]) | (other != other)) ? other : sum[k];                                \
        else sum[k] += other;                                                                             \
      }                                                                                                   \
    return cr__distance_end_##t(kind, sum[0], p);                                                         \
  }                                                                                                       \
  /* The inverse of a distance, 0 where a quotient is better. */                                          \
  CR__SCALAR T cr__distance_inverse_##t(T length) { return length >= (T)LEAST ? 1 / length : 0; }         \
  /* The slope of a distance by x, from d = x - y; `share` is one of those that are as far, q is p - 1. \
   * An element that does not differ has none. */ \
  CR__SCALAR T cr__distance_slope_##t(cr__distance_kind kind, T d, T length, T inverse, T share,          \
                                      T q) {                                                              \
    T size = M(fabs)(d), sign = d > 0 ? (T)1 : d < 0 ? (T)-1 : d;                                         \
    T ratio = inverse != 0 ? size * inverse : size / length, power;                                       \
    switch (kind) {                                                                                       \
    case CR__DISTANCE_COUNT: return 0;                                                                    \
    case CR__DISTANCE_SUM: return sign;                                                                   \
    case CR__DISTANCE_SQUARES: return inverse != 0 ? d * inverse : d == 0 ? 0 : d / length;               \
    case CR__DISTANCE_CUBES: return d == 0 ? 0 : sign * (ratio * ratio);                                  \
    case CR__DISTANCE_POWERS:                                                                             \
      power = M(fabs)(q) >= 1 || ratio > (T)1e-30 ? t##_pow(ratio, q)                                     \
                                                  : t##_pow(size, q) / t##_pow(length, q);                \
      return d == 0 ? 0 : sign * power;                                                                   \
    default: return size == length ? sign * share : d != d ? d : 0;                                       \
    }                                                                                                     \
  }                                                                                                       \
  CR__SCALAR T cr__distance_share_##t(const T *x, const T *y, int64_t n, T length) {                      \
    int64_t ties = 0;                                                                                     \
    for (int64_t i = 0; i < n; i++) ties += M(fabs)(x[i] - y[i]) == length;                               \
    return 1 / (T)ties;                                                                                   \
  }

#define CR__DOUBLE(name) name
#define CR__SINGLE(name) name##f
CR__DISTANCE(f64, double, CR__DOUBLE, 0x1p-1000)
CR__DISTANCE(f32, float, CR__SINGLE, 0x1p-120f)
#undef CR__DISTANCE
#undef CR__DOUBLE
#undef CR__SINGLE

#endif
