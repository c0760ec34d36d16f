/* cuda_bf16.h: stands in for CUDA's header: bfloat16 as storage, converted to and from float.
 *
 * Holds true: conversions round to nearest, ties to even, as the device does. */
#ifndef CR__EMULATE_CUDA_BF16_H
#define CR__EMULATE_CUDA_BF16_H

#include "float16.h"

static inline unsigned short cr__emulate_to_bfloat(float x) {
  unsigned u = __float_as_uint(x);
  if ((u & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
  return (unsigned short)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
}

static inline float cr__emulate_from_bfloat(unsigned short h) {
  return __uint_as_float((unsigned)h << 16);
}

CR__EMULATE_FLOAT16(__nv_bfloat16, __nv_bfloat162, bfloat16, cr__emulate_from_bfloat,
                    cr__emulate_to_bfloat)

#endif
