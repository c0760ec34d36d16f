/* cpu/float_math.h: elementary functions of float32 as plain expressions, in place of libm's.
 *
 * Holds true: no calls and no branches, so that a loop over them becomes vector code under any
 * compiler; at most 4 units in the last place off, subnormal results included; infinities and NaN
 * give what libm gives. The time does not depend on the argument, unlike that of vector forms which
 * leave large arguments to scalar code. Every level of the instruction set gives the same digits. */
#ifndef CR__FLOAT_MATH_H
#define CR__FLOAT_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define CR__MATH static inline __attribute__((always_inline, unused))

CR__MATH uint32_t cr__f32_bits(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}
CR__MATH float cr__f32_of_bits(uint32_t u) {
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}

/* x y + z, rounded once. Where the machine cannot do that, by doubles: the product is exact, and the
 * sum is rounded to odd (cut off, with the last bit set, unless it is exact), so that rounding it
 * again gives what rounding once would. */
#if defined __FMA__ || defined __FP_FAST_FMAF
CR__MATH float cr__f32_fma(float x, float y, float z) { return __builtin_fmaf(x, y, z); }
#else
CR__MATH float cr__f32_fma(float x, float y, float z) {
  double product = (double)x * (double)y, term = (double)z, sum = product + term;
  double part = sum - product, lost = (product - (sum - part)) + (term - part), odd;
  uint64_t u, v;
  memcpy(&u, &sum, sizeof u);
  memcpy(&v, &lost, sizeof v);
  u = (u - ((u ^ v) >> 63)) | 1;
  memcpy(&odd, &u, sizeof odd);
  return (float)(fabs(lost) > 0 ? odd : sum);
}
#endif

/* (e^r - 1 - r) / r^2 for |r| <= 0.36 */
CR__MATH float cr__f32_exp_rest(float r) {
  float p = 1.381453999e-3f;
  p = cr__f32_fma(p, r, 8.368745246e-3f);
  p = cr__f32_fma(p, r, 4.166839080e-2f);
  p = cr__f32_fma(p, r, 1.666652040e-1f);
  return cr__f32_fma(p, r, 4.999999343e-1f);
}

/* x - k log(2). Log(2) is subtracted in two parts, the first of which has few enough digits for the
 * product with k to be exact. */
CR__MATH float cr__f32_exp_reduce(float x, float k) {
  return cr__f32_fma(k, 2.12194440e-4f, cr__f32_fma(k, -0.693359375f, x));
}

/* x / log(2) + this has the nearest integer k as k + 254 in its low bits. */
#define CR__EXP_SHIFT (0x1.8p23f + 254)

/* e^x for x >= -104, given the sum's bits with k: e^r times 2^k, as two factors with about half of the
 * exponent each, for 2^k may not be a normal number where the result is one, or rounds to a subnormal
 * one. */
CR__MATH float cr__f32_exp_scaled(float x, int32_t sum) {
  float k = cr__f32_of_bits((uint32_t)sum) - CR__EXP_SHIFT;
  float r = cr__f32_exp_reduce(x, k);
  float p = cr__f32_fma(cr__f32_exp_rest(r), r, 1);
  p = cr__f32_fma(p, r, 1);
  uint32_t u = (uint32_t)sum, half = (u << 22) & 0x7f800000;
  return p * cr__f32_of_bits(half) * cr__f32_of_bits((u << 23) - half);
}

CR__MATH int32_t cr__f32_exp_sum(float x) {
  return (int32_t)cr__f32_bits(cr__f32_fma(x, 1.44269504f, CR__EXP_SHIFT));
}

/* The result is 0 from -104 on. Above 89, k stays and the polynomial grows, to overflow; that bound is
 * one of integers, for compilers make a choice among four cases of two on floating numbers. */
#define CR__EXP_F32 cr__f32_exp
CR__MATH float cr__f32_exp(float x) {
  const int32_t most = 0x4b400000 + 254 + 129; /* CR__EXP_SHIFT + 129 */
  x = x < -104 ? -104 : x;
  int32_t sum = cr__f32_exp_sum(x);
  return cr__f32_exp_scaled(x, sum < most ? sum : most);
}

/* e^x for x <= 0, as softmax and logsumexp need it: a third fewer instructions. It is 0 where it would
 * not be a normal number. */
CR__MATH float cr__f32_exp_below(float x) {
  const float shift = 0x1.8p23f + 127, smallest = -87.3365402f;
  float sum = cr__f32_fma(x, 1.44269504f, shift), r = cr__f32_exp_reduce(x, sum - shift);
  float p = cr__f32_fma(cr__f32_exp_rest(r), r, 1);
  p = cr__f32_fma(p, r, 1);
  return x < smallest ? 0 : p * cr__f32_of_bits(cr__f32_bits(sum) << 23);
}

/* By e^-|x|, which does not overflow. */
#define CR__SIGMOID_F32 cr__f32_sigmoid
CR__MATH float cr__f32_sigmoid(float x) {
  float z = -fabsf(x);
  z = z < -104 ? -104 : z;
  float power = cr__f32_exp_scaled(z, cr__f32_exp_sum(z));
  return (x < 0 ? power : 1) / (1 + power);
}

/* m / (m + 2) with m = e^(2 |x|) - 1 = 2^k (e^r - 1) + (2^k - 1), 1 from |x| = 10 on. */
#define CR__TANH_F32 cr__f32_tanh
CR__MATH float cr__f32_tanh(float x) {
  float z = 2 * fabsf(x);
  z = z > 20 ? 20 : z;
  uint32_t sum = (uint32_t)cr__f32_exp_sum(z);
  float r = cr__f32_exp_reduce(z, cr__f32_of_bits(sum) - CR__EXP_SHIFT);
  float less = cr__f32_fma(cr__f32_exp_rest(r) * r, r, r);
  float power = cr__f32_of_bits((sum - 127) << 23);
  float m = cr__f32_fma(less, power, power - 1);
  return copysignf(m / (m + 2), x);
}

#endif
