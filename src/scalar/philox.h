/* philox.h: random numbers as pure functions of a seed and a counter, for the CPU and for CUDA.
 *
 * Holds true: the same arguments give the same bits on every machine, instruction set and device. So
 * there is no libm in here, only the operations that IEEE 754 rounds correctly (+ - * / sqrt), and
 * objects that include this file are built without contraction of a * b + c (-ffp-contract=off,
 * nvcc -fmad=false). Philox 4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3" (2011). The polynomials for log, sin and cos are those of Cephes (float) and fdlibm
 * (double), good to 2 ulp on the small ranges that they are used on. */
#ifndef CR__PHILOX_H
#define CR__PHILOX_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#define CR__RNG_FN static __host__ __device__ __forceinline__
#else
#define CR__RNG_FN static inline __attribute__((always_inline))
#endif

/* The four words of one counter value. The upper half of the 128-bit counter is zero. */
CR__RNG_FN void cr__philox(uint64_t seed, uint64_t block, uint32_t w[4]) {
  uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32), c2 = 0, c3 = 0;
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
#ifdef __CUDACC__
#pragma unroll
#else
#pragma GCC unroll 10
#endif
  for (int round = 0; round < 10; round++) {
    uint64_t p = (uint64_t)0xD2511F53u * c0, q = (uint64_t)0xCD9E8D57u * c2;
    c0 = (uint32_t)(q >> 32) ^ c1 ^ k0;
    c2 = (uint32_t)(p >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)q;
    c3 = (uint32_t)p;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  w[0] = c0, w[1] = c1, w[2] = c2, w[3] = c3;
}

CR__RNG_FN uint64_t cr__rng_pair(uint32_t hi, uint32_t lo) { return (uint64_t)hi << 32 | lo; }

/* [0, 1) with as many bits as the dtype's significand holds, so that rounding never gives 1. */
CR__RNG_FN float cr__rng_unit_f32(uint32_t w, int bits) {
  uint32_t scale = (uint32_t)(127 - bits) << 23; /* 2^-bits */
  float f;
  memcpy(&f, &scale, sizeof f);
  return (float)(int32_t)(w >> (32 - bits)) * f;
}
CR__RNG_FN double cr__rng_unit_f64(uint64_t w) { return (double)(int64_t)(w >> 11) * 0x1p-53; }

/* (0, 1), both ends excluded: for logarithms that must be finite and not zero. */
CR__RNG_FN float cr__rng_open_f32(uint32_t w) {
  return (float)(int32_t)(w >> 9 << 1 | 1) * 0x1p-24f;
}
CR__RNG_FN double cr__rng_open_f64(uint64_t w) {
  return (double)(int64_t)(w >> 12 << 1 | 1) * 0x1p-53;
}

/* [0, range) for range > 0; off uniform by at most range / 2^64. */
CR__RNG_FN uint64_t cr__rng_below(uint64_t w, uint64_t range) {
#ifdef __CUDA_ARCH__
  return __umul64hi(w, range);
#else
  return (uint64_t)((unsigned __int128)w * range >> 64);
#endif
}

/* log(x) for normal x > 0. */
CR__RNG_FN float cr__rng_log_f32(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits += 0x3f800000u - 0x3f3504f3u; /* so that the significand splits at sqrt(1/2) */
  float e = (float)((int32_t)(bits >> 23) - 127);
  bits = (bits & 0x007fffffu) + 0x3f3504f3u;
  memcpy(&x, &bits, sizeof x);
  x = x - 1.0f;
  float z = x * x;
  float y = 7.0376836292e-2f;
  y = y * x - 1.1514610310e-1f;
  y = y * x + 1.1676998740e-1f;
  y = y * x - 1.2420140846e-1f;
  y = y * x + 1.4249322787e-1f;
  y = y * x - 1.6668057665e-1f;
  y = y * x + 2.0000714765e-1f;
  y = y * x - 2.4999993993e-1f;
  y = y * x + 3.3333331174e-1f;
  y = y * x * z;
  y = y - 2.12194440e-4f * e;
  y = y - 0.5f * z;
  return x + y + 0.693359375f * e;
}

CR__RNG_FN double cr__rng_log_f64(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits += 0x3ff0000000000000u - 0x3fe6a09e667f3bcdu;
  double e = (double)((int32_t)(bits >> 52) - 1023);
  bits = (bits & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu;
  memcpy(&x, &bits, sizeof x);
  double f = x - 1.0, s = f / (2.0 + f), z = s * s, w = z * z;
  double even = w * (3.999999999940941908e-01 +
                     w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
  double odd = z * (6.666666666666735130e-01 +
                    w * (2.857142874366239149e-01 +
                         w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
  double half = 0.5 * f * f;
  return e * 6.93147180369123816490e-01 -
         ((half - (s * (half + (even + odd)) + e * 1.90821492927058770002e-10)) - f);
}

/* exp(x), infinite or 0 where the type holds no such number. */
CR__RNG_FN float cr__rng_exp_f32(float x) {
  float limited = x > 90.0f ? 90.0f : x < -105.0f ? -105.0f : x;
  int32_t n = (int32_t)(limited * 1.44269504088896341f + (limited < 0 ? -0.5f : 0.5f)),
          half = n / 2;
  float r = limited - (float)n * 0.693359375f + (float)n * 2.12194440e-4f;
  float y = 1.9875691500e-4f;
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * r * r + r + 1.0f;
  uint32_t first = (uint32_t)(half + 127) << 23, second = (uint32_t)(n - half + 127) << 23;
  float a, b;
  memcpy(&a, &first, sizeof a);
  memcpy(&b, &second, sizeof b);
  return y * a * b;
}

CR__RNG_FN double cr__rng_exp_f64(double x) {
  double limited = x > 720.0 ? 720.0 : x < -760.0 ? -760.0 : x;
  int32_t n = (int32_t)(limited * 1.4426950408889634073599 + (limited < 0 ? -0.5 : 0.5)),
          half = n / 2;
  double r = limited - (double)n * 6.93145751953125e-1 - (double)n * 1.42860682030941723212e-6,
         z = r * r;
  double p = ((1.26177193074810590878e-4 * z + 3.02994407707441961300e-2) * z +
              9.99999999999999999910e-1) *
             r;
  double q = ((3.00198505138664455042e-6 * z + 2.52448340349684104192e-3) * z +
              2.27265548208155028766e-1) *
                 z +
             2.00000000000000000009;
  double y = 1.0 + 2.0 * (p / (q - p));
  uint64_t first = (uint64_t)(half + 1023) << 52, second = (uint64_t)(n - half + 1023) << 52;
  double a, b;
  memcpy(&a, &first, sizeof a);
  memcpy(&b, &second, sizeof b);
  return y * a * b;
}

/* Cosine and sine of the angle 2 pi w / 2^32; the reduction to an eighth of the circle is exact. */
CR__RNG_FN void cr__rng_circle_f32(uint32_t w, float *cosine, float *sine) {
  uint32_t turned = w + 0x20000000u, quarter = turned >> 30;
  int32_t rest = (int32_t)(turned & 0x3fffffffu) - 0x20000000;
  float x = (float)rest * 0x1p-30f * 1.57079632679489661923f, z = x * x;
  float s = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * x + x;
  float c =
      ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z -
      0.5f * z + 1.0f;
  float a = quarter & 1 ? s : c, b = quarter & 1 ? c : s;
  *cosine = (quarter + 1) & 2 ? -a : a;
  *sine = quarter & 2 ? -b : b;
}

CR__RNG_FN void cr__rng_circle_f64(uint64_t w, double *cosine, double *sine) {
  uint64_t turned = w + (1ull << 61), quarter = turned >> 62;
  int64_t rest = (int64_t)(turned & ((1ull << 62) - 1)) - (1ll << 61);
  double x = (double)rest * 0x1p-62 * 1.57079632679489661923, z = x * x;
  double s = 1.58969099521155010221e-10;
  s = s * z - 2.50507602534068634195e-08;
  s = s * z + 2.75573137070700676789e-06;
  s = s * z - 1.98412698298579493134e-04;
  s = s * z + 8.33333333332248946124e-03;
  s = s * z - 1.66666666666666324348e-01;
  s = s * z * x + x;
  double c = -1.13596475577881948265e-11;
  c = c * z + 2.08757232129817482790e-09;
  c = c * z - 2.75573143513906633035e-07;
  c = c * z + 2.48015872894767294178e-05;
  c = c * z - 1.38888888888741095749e-03;
  c = c * z + 4.16666666666666019037e-02;
  c = c * z * z - 0.5 * z + 1.0;
  double a = quarter & 1 ? s : c, b = quarter & 1 ? c : s;
  *cosine = (quarter + 1) & 2 ? -a : a;
  *sine = quarter & 2 ? -b : b;
}

/* The tangent of an angle drawn uniformly from a half circle, whose ends, where it is infinite, are excluded. */
CR__RNG_FN float cr__rng_tangent_f32(uint32_t w) {
  float c, s;
  cr__rng_circle_f32((w >> 1 | 1) - 0x40000000u, &c, &s);
  return s / c;
}
CR__RNG_FN double cr__rng_tangent_f64(uint64_t w) {
  double c, s;
  cr__rng_circle_f64((w >> 1 | 1) - (1ull << 62), &c, &s);
  return s / c;
}

/* Two independent standard normal numbers from two words (Box and Muller). */
CR__RNG_FN void cr__rng_normal_f32(uint32_t w0, uint32_t w1, float *a, float *b) {
  float u = ((float)(int32_t)(w0 >> 16) * 65536.0f + (float)(int32_t)(w0 & 0xffffu)) * 0x1p-32f +
            0x1p-33f;
  float radius = sqrtf(-2.0f * cr__rng_log_f32(u)), c, s;
  cr__rng_circle_f32(w1, &c, &s);
  *a = radius * c;
  *b = radius * s;
}
CR__RNG_FN void cr__rng_normal_f64(uint64_t w0, uint64_t w1, double *a, double *b) {
  double u = (double)(int64_t)((w0 >> 11) + 1) * 0x1p-53;
  double radius = sqrt(-2.0 * cr__rng_log_f64(u)), c, s;
  cr__rng_circle_f64(w1, &c, &s);
  *a = radius * c;
  *b = radius * s;
}

#endif
