/* scalar_bits.h: floating numbers as bits, and x y + z rounded once, for scalar_math.h.
 *
 * Holds true: no calls and no branches, so loops over these become vector code; every level of the
 * instruction set and every device gives the same digits. */
#ifndef CR__SCALAR_BITS_H
#define CR__SCALAR_BITS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifndef CR__SCALAR
#define CR__SCALAR static inline __attribute__((always_inline, unused))
#endif

CR__SCALAR uint32_t f32_bits(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}
CR__SCALAR float f32_of_bits(uint32_t u) {
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}
CR__SCALAR uint64_t f64_bits(double x) {
  uint64_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}
CR__SCALAR double f64_of_bits(uint64_t u) {
  double x;
  memcpy(&x, &u, sizeof x);
  return x;
}

/* Of a choice between values that take long the compiler would make a branch, and no vector code: so the bits of one
 * are taken, of x where all bits of `first` are set. */
CR__SCALAR float f32_either(float x, float y, uint32_t first) {
  return f32_of_bits((f32_bits(x) & first) | (f32_bits(y) & ~first));
}
CR__SCALAR double f64_either(double x, double y, uint64_t first) {
  return f64_of_bits((f64_bits(x) & first) | (f64_bits(y) & ~first));
}

#if defined __CUDA_ARCH__
CR__SCALAR float f32_fma(float x, float y, float z) { return fmaf(x, y, z); }
CR__SCALAR double f64_fma(double x, double y, double z) { return fma(x, y, z); }
#elif defined __FMA__ || (defined __FP_FAST_FMAF && defined __FP_FAST_FMA)
CR__SCALAR float f32_fma(float x, float y, float z) { return __builtin_fmaf(x, y, z); }
CR__SCALAR double f64_fma(double x, double y, double z) { return __builtin_fma(x, y, z); }
#else
#define CR__EMULATED_FMA

/* Where the machine cannot do that: a sum whose error is known is rounded to odd (cut off, with the last
 * bit set, unless it is exact), so that rounding it again gives what rounding once would. S. Boldo, G.
 * Melquiond, Emulation of a FMA and correctly rounded sums: proved algorithms using rounding to odd
 * (2008). */
CR__SCALAR double f64_to_odd(double sum, double lost) {
  uint64_t u = f64_bits(sum), v = f64_bits(lost);
  return fabs(lost) > 0 ? f64_of_bits((u - ((u ^ v) >> 63)) | 1) : sum;
}

/* In doubles the product is exact. */
CR__SCALAR float f32_fma(float x, float y, float z) {
  double product = (double)x * (double)y, term = (double)z, sum = product + term;
  double part = sum - product, lost = (product - (sum - part)) + (term - part);
  return (float)f64_to_odd(sum, lost);
}

/* What x + y loses when it is rounded to sum. */
CR__SCALAR double f64_lost(double x, double y, double sum) {
  double part = sum - x;
  return (x - (sum - part)) + (y - part);
}

/* The product's error by Dekker's halves, which are cut at the 27th bit; as long as it is a normal number, or
 * the sum one that it does not reach. */
CR__SCALAR double f64_fma(double x, double y, double z) {
  const uint64_t mask = ~(uint64_t)0x7ffffff;
  double a = f64_of_bits((f64_bits(x) + 0x4000000) & mask), b = x - a;
  double c = f64_of_bits((f64_bits(y) + 0x4000000) & mask), d = y - c;
  double product = x * y, error = ((a * c - product) + a * d + b * c) + b * d;
  double low = z + error, low_lost = f64_lost(z, error, low);
  double sum = product + low, lost = f64_lost(product, low, sum);
  double rest = low_lost + lost;
  rest = f64_to_odd(rest, f64_lost(low_lost, lost, rest));
  double plain = product + z;
  return fabs(plain) < (double)INFINITY ? sum + rest : plain;
}
#endif

#endif
