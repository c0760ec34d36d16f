/* loops_halves.c: arithmetic of float16 or bfloat16 tensors in one pass, for one instruction set (CR__ISA).
 *
 * Holds true: an element is computed in float32 and rounded once more, as through the buffers of elementwise.c, NaN as
 * that stores it. What some processors compute in float16 itself would be the same, but takes as long (sums) or longer
 * (quotients). Signs and extremes need no more than the bits. */
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include <math.h>

#include "halves.h"
#include "loops.h"

#define EACH(X) X(add, +) X(sub, -) X(mul, *) X(div, /)
/* Name, of a float, of a vector of them. */
#define EACH_FLOAT(X)                \
  X(floor, floorf(x), rounded(x, 1)) \
  X(ceil, ceilf(x), rounded(x, 2))   \
  X(trunc, truncf(x), rounded(x, 3)) \
  X(round, rintf(x), rounded(x, 0))  \
  X(sqrt, sqrtf(x), root(x))         \
  X(reciprocal, 1 / x, all(1) / x)   \
  X(square, x *x, x *x)
/* Name, the result's bits of those of x, and of x and y, whose values compare as p and q do. */
#define EACH_BITS(X) \
  X(neg, x ^ 0x8000) \
  X(abs, x & 0x7fff) \
  X(relu, p <= 0 && !NAN_OF(x) ? 0 : x)
#define EACH_PAIR(X)                                     \
  X(maximum, NAN_OF(x) || (p > q && !NAN_OF(y)) ? x : y) \
  X(minimum, NAN_OF(x) || (p < q && !NAN_OF(y)) ? x : y) \
  X(fmax, NAN_OF(y) || (p > q && !NAN_OF(x)) ? x : y)    \
  X(fmin, NAN_OF(y) || (p < q && !NAN_OF(x)) ? x : y)

#ifdef __AVX2__

/* The value as an integer in the same order; both zeros are 0. */
INLINE int16_t in_order(uint16_t x) {
  int16_t sign = (int16_t)((int16_t)x >> 15);
  return (int16_t)(((x & 0x7fff) ^ sign) - sign);
}
INLINE bool is_nan_f16(uint16_t x) { return (x & 0x7fff) > 0x7c00; }
INLINE bool is_nan_bf16(uint16_t x) { return (x & 0x7fff) > 0x7f80; }
INLINE uint16_t quiet_f16(uint16_t x) { return is_nan_f16(x) ? (x & 0x8000) | 0x7e00 : x; }
INLINE uint16_t quiet_bf16(uint16_t x) { return is_nan_bf16(x) ? 0x7fc0 : x; }

#define BITS_LOOP(kind, op, inputs, expression)                                         \
  static void op##_##kind(int64_t n, void *out, const void *const *in, const void *k) { \
    const uint16_t *X = in[0], *Y = in[inputs - 1];                                     \
    uint16_t *to = out;                                                                 \
    (void)k;                                                                            \
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++) {                               \
      uint16_t x = X[i], y = Y[i];                                                      \
      int16_t p = in_order(x), q = in_order(y);                                         \
      (void)p, (void)q;                                                                 \
      to[i] = quiet_##kind((uint16_t)(expression));                                     \
    }                                                                                   \
  }
#define NAN_OF is_nan_f16
#define BITS_F16(op, expression) BITS_LOOP(f16, op, 1, expression)
#define PAIR_F16(op, expression) BITS_LOOP(f16, op, 2, expression)
EACH_BITS(BITS_F16)
EACH_PAIR(PAIR_F16)
#undef NAN_OF
#define NAN_OF is_nan_bf16
#define BITS_BF16(op, expression) BITS_LOOP(bf16, op, 1, expression)
#define PAIR_BF16(op, expression) BITS_LOOP(bf16, op, 2, expression)
EACH_BITS(BITS_BF16)
EACH_PAIR(PAIR_BF16)

#define BFLOAT_LOOP(op, sign)                                                         \
  static void op##_bf16(int64_t n, void *out, const void *const *in, const void *k) { \
    const uint16_t *x = in[0], *y = in[1];                                            \
    uint16_t *to = out;                                                               \
    (void)k;                                                                          \
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++) to[i] =                       \
        store_bf16(load_bf16(x[i]) sign load_bf16(y[i]));                             \
  }
EACH(BFLOAT_LOOP)

#define BFLOAT_LOOP_OF_ONE(op, expression, of_vector)                                 \
  static void op##_bf16(int64_t n, void *out, const void *const *in, const void *k) { \
    const uint16_t *X = in[0];                                                        \
    uint16_t *to = out;                                                               \
    (void)k;                                                                          \
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++) {                             \
      float x = load_bf16(X[i]);                                                      \
      to[i] = store_bf16(expression);                                                 \
    }                                                                                 \
  }
EACH_FLOAT(BFLOAT_LOOP_OF_ONE)

/* n is a multiple of CR__BLOCK. */
#ifdef __AVX512F__
enum { AT_ONCE = 16 };
typedef __m512 floats;
INLINE floats load(const uint16_t *x) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)x));
}
INLINE void store(uint16_t *to, floats x) {
  _mm256_storeu_si256((__m256i *)to, _mm512_cvtps_ph(x, 0));
}
/* how: 0 to nearest, 1 down, 2 up, 3 towards 0 */
#define rounded(x, how) _mm512_roundscale_ps(x, (how) | _MM_FROUND_NO_EXC)
#define root _mm512_sqrt_ps
#define all _mm512_set1_ps
#else
enum { AT_ONCE = 8 };
typedef __m256 floats;
INLINE floats load(const uint16_t *x) {
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)x));
}
INLINE void store(uint16_t *to, floats x) {
  _mm_storeu_si128((__m128i *)to, _mm256_cvtps_ph(x, 0));
}
#define rounded(x, how) _mm256_round_ps(x, (how) | _MM_FROUND_NO_EXC)
#define root _mm256_sqrt_ps
#define all _mm256_set1_ps
#endif

#define HALF_LOOP(op, sign)                                                               \
  static void op##_f16(int64_t n, void *out, const void *const *in, const void *k) {      \
    const uint16_t *x = in[0], *y = in[1];                                                \
    uint16_t *to = out;                                                                   \
    (void)k;                                                                              \
    for (int64_t i = 0; i < n; i += AT_ONCE) store(to + i, load(x + i) sign load(y + i)); \
  }
EACH(HALF_LOOP)

#define HALF_LOOP_OF_ONE(op, of_float, expression)                                   \
  static void op##_f16(int64_t n, void *out, const void *const *in, const void *k) { \
    const uint16_t *X = in[0];                                                       \
    uint16_t *to = out;                                                              \
    (void)k;                                                                         \
    for (int64_t i = 0; i < n; i += AT_ONCE) {                                       \
      floats x = load(X + i);                                                        \
      store(to + i, expression);                                                     \
    }                                                                                \
  }
EACH_FLOAT(HALF_LOOP_OF_ONE)

#define CHOOSE(op, ...) \
  case CR__PW_##op: return bfloat ? op##_bf16 : op##_f16;

cr__loop CR__PASTE(cr__half_loop_, CR__ISA)(int pointwise, bool bfloat) {
  switch (pointwise) {
    EACH(CHOOSE)
    EACH_FLOAT(CHOOSE)
    EACH_BITS(CHOOSE)
    EACH_PAIR(CHOOSE)
  default: return NULL;
  }
}

#else

cr__loop CR__PASTE(cr__half_loop_, CR__ISA)(int pointwise, bool bfloat) {
  return (void)pointwise, (void)bfloat, NULL;
}

#endif
