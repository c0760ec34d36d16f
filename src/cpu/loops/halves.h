/* halves.h: float16 and bfloat16 as float32, and back, rounded to nearest, ties to even.
 *
 * Holds true: no branch is taken, so that loops turn into vector code. NaN stays NaN. */
#ifndef CR__HALVES_H
#define CR__HALVES_H

#include "scalar/scalar_bits.h"

#define INLINE static inline __attribute__((always_inline, unused))

/* The exponent is moved into place by a multiplication; subnormals by a subtraction. */
INLINE float load_f16(uint16_t h) {
  uint32_t w = (uint32_t)h << 16, twice = w + w;
  float normal = f32_of_bits((twice >> 4) + 0x70000000u) * 0x1p-112f;
  float subnormal = f32_of_bits((twice >> 17) | 0x3f000000u) - 0.5f;
  return f32_of_bits((w & 0x80000000u) |
                     (twice < 0x08000000u ? f32_bits(subnormal) : f32_bits(normal)));
}

/* The addition of a power of two, chosen by the exponent, makes the adder round at the right bit. */
INLINE uint16_t store_f16(float x) {
  uint32_t w = f32_bits(x), twice = w + w;
  float magnitude = f32_of_bits(w & 0x7fffffffu) * 0x1p+112f * 0x1p-110f;
  uint32_t bias = twice & 0xff000000u;
  bias = bias < 0x71000000u ? 0x71000000u : bias;
  uint32_t rounded = f32_bits(f32_of_bits((bias >> 1) + 0x07800000u) + magnitude);
  uint32_t finite = ((rounded >> 13) & 0x7c00u) + (rounded & 0x0fffu);
  return (uint16_t)((w >> 16 & 0x8000u) | (twice > 0xff000000u ? 0x7e00u : finite));
}

INLINE float load_bf16(uint16_t h) { return f32_of_bits((uint32_t)h << 16); }
INLINE uint16_t store_bf16(float x) {
  uint32_t w = f32_bits(x), rounded = (w + 0x7fffu + (w >> 16 & 1)) >> 16;
  return (uint16_t)((w & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded);
}

#endif
