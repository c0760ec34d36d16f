/* loops_halves.c: arithmetic of two float16 or two bfloat16 tensors in one pass, for one instruction set (CR__ISA).
 *
 * Holds true: an element is computed in float32 and rounded once more, as through the buffers of elementwise.c. What
 * some processors compute in float16 itself would be the same, but takes as long (sums) or longer (quotients). */
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "halves.h"
#include "loops.h"

#define EACH(X) X(add, +) X(sub, -) X(mul, *) X(div, /)

#ifdef __AVX2__

#define BFLOAT_LOOP(op, sign)                                                         \
  static void op##_bf16(int64_t n, void *out, const void *const *in, const void *k) { \
    const uint16_t *x = in[0], *y = in[1];                                            \
    uint16_t *to = out;                                                               \
    (void)k;                                                                          \
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++) to[i] =                       \
        store_bf16(load_bf16(x[i]) sign load_bf16(y[i]));                             \
  }
EACH(BFLOAT_LOOP)

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
#else
enum { AT_ONCE = 8 };
typedef __m256 floats;
INLINE floats load(const uint16_t *x) {
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)x));
}
INLINE void store(uint16_t *to, floats x) {
  _mm_storeu_si128((__m128i *)to, _mm256_cvtps_ph(x, 0));
}
#endif

#define HALF_LOOP(op, sign)                                                               \
  static void op##_f16(int64_t n, void *out, const void *const *in, const void *k) {      \
    const uint16_t *x = in[0], *y = in[1];                                                \
    uint16_t *to = out;                                                                   \
    (void)k;                                                                              \
    for (int64_t i = 0; i < n; i += AT_ONCE) store(to + i, load(x + i) sign load(y + i)); \
  }
EACH(HALF_LOOP)

#define CHOOSE(op, sign) \
  case CR__PW_##op: return bfloat ? op##_bf16 : op##_f16;

cr__loop CR__PASTE(cr__half_loop_, CR__ISA)(int pointwise, bool bfloat) {
  switch (pointwise) {
    EACH(CHOOSE)
  default: return NULL;
  }
}

#else

cr__loop CR__PASTE(cr__half_loop_, CR__ISA)(int pointwise, bool bfloat) {
  return (void)pointwise, (void)bfloat, NULL;
}

#endif
