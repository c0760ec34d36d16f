/* cuda_fp16.h: stands in for CUDA's header: float16 as storage, converted to and from float.
 *
 * Holds true: conversions round to nearest, ties to even, as the device does. */
#ifndef CR__EMULATE_CUDA_FP16_H
#define CR__EMULATE_CUDA_FP16_H

#include "float16.h"

struct __half_raw {
  unsigned short x;
};
static inline float cr__emulate_from_half(unsigned short h) {
  unsigned sign = (unsigned)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
  if (exponent == 31) return __uint_as_float(sign | 0x7f800000u | fraction << 13);
  if (exponent == 0) {
    float magnitude = (float)fraction * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  return __uint_as_float(sign | (exponent + 112) << 23 | fraction << 13);
}
static inline unsigned short cr__emulate_to_half(float x) {
  unsigned u = __float_as_uint(x), sign = u >> 16 & 0x8000, m = u & 0x7fffffffu;
  if (m > 0x7f800000u) return 0x7fff; /* NaN, as the device writes it */
  if (m >= 0x477ff000u) return (unsigned short)(sign | 0x7c00);
  if (m < 0x38800000u) { /* below the normal numbers: the sum rounds at the right place */
    float shifted = __uint_as_float(m) + 0.5f;
    return (unsigned short)(sign | (__float_as_uint(shifted) - 0x3f000000u));
  }
  m += 0xfffu + (m >> 13 & 1);
  return (unsigned short)(sign | (m - 0x38000000u) >> 13);
}

CR__EMULATE_FLOAT16(__half, __half2, half, cr__emulate_from_half, cr__emulate_to_half)
typedef __half half;
typedef __half2 half2;

static inline __half2 __floats2half2_rn(float x, float y) { return {__half(x), __half(y)}; }
static inline float2 __half22float2(__half2 h) { return {__half2float(h.x), __half2float(h.y)}; }

#endif
