/* cuda_bf16.h: stands in for CUDA's header: bfloat16 as storage, converted to and from float.
 *
 * Holds true: conversions round to nearest, ties to even, as the device does. */
#ifndef CR__EMULATE_CUDA_BF16_H
#define CR__EMULATE_CUDA_BF16_H

#include "cuda_runtime.h"

static inline unsigned short cr__emulate_to_bfloat(float x) {
  unsigned u = __float_as_uint(x);
  if ((u & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
  return (unsigned short)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
}

struct __nv_bfloat16 {
  unsigned short bits;
  __nv_bfloat16() = default;
  explicit __nv_bfloat16(float x) : bits(cr__emulate_to_bfloat(x)) {}
  explicit operator float() const { return __uint_as_float((unsigned)bits << 16); }
};
struct __attribute__((aligned(4))) __nv_bfloat162 {
  __nv_bfloat16 x, y;
};

static inline float __bfloat162float(__nv_bfloat16 h) { return (float)h; }
static inline __nv_bfloat16 __float2bfloat16_rn(float x) { return __nv_bfloat16(x); }
static inline __nv_bfloat16 __float2bfloat16(float x) { return __nv_bfloat16(x); }
static inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short u) {
  __nv_bfloat16 h;
  h.bits = u;
  return h;
}
static inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 h) { return h.bits; }

#endif
