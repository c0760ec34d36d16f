/* cpu/exp.h: the exponential of numbers that are at most 0, as softmax and logsumexp need it.
 *
 * Holds true: a plain expression without calls and branches, so loops over it become vector code, and
 * an element's result is the same in the vector part of a loop and in its rest. At most 2 ulp off
 * down to the smallest normal number; 0 below it. NaN stays NaN. */
#ifndef CR__EXP_H
#define CR__EXP_H

#include <stdint.h>
#include <string.h>

#ifdef __FMA__
#define CR__FMA_F32(a, b, c) __builtin_fmaf(a, b, c)
#else
#define CR__FMA_F32(a, b, c) ((a) * (b) + (c))
#endif

/* x = k * log(2) + r; e^r by a polynomial, times 2^k. Log(2) is subtracted in two parts, the first of
 * which has few enough digits for the product with k to be exact. */
static inline float cr__exp_f32(float x) {
  const float shift = 0x1.8p23f + 127, smallest = -87.3365402f;
  float sum = CR__FMA_F32(x, 1.44269504f, shift), k = sum - shift, scale;
  float r = CR__FMA_F32(k, -0.693359375f, x);
  r = CR__FMA_F32(k, 2.12194440e-4f, r);
  float p = 1.381453999e-3f;
  p = CR__FMA_F32(p, r, 8.368745246e-3f);
  p = CR__FMA_F32(p, r, 4.166839080e-2f);
  p = CR__FMA_F32(p, r, 1.666652040e-1f);
  p = CR__FMA_F32(p, r, 4.999999343e-1f);
  p = CR__FMA_F32(p, r, 1);
  p = CR__FMA_F32(p, r, 1);
  uint32_t u; /* the sum's low bits hold k + 127, the exponent of 2^k */
  memcpy(&u, &sum, sizeof u);
  u <<= 23;
  memcpy(&scale, &u, sizeof u);
  return x < smallest ? 0 : p * scale;
}

#endif
