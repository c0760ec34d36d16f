/* scalar_angle.h: large angles, reduced by many digits of 2 / pi, for scalar_trig.h.
 *
 * Holds true: exact integers, the same on every machine. M. Payne, R. Hanek, Radian reduction for trigonometric
 * functions, SIGNUM Newsletter 18 (1983). */
#ifndef CR__SCALAR_ANGLE_H
#define CR__SCALAR_ANGLE_H

#include "scalar_bits.h"

/* Of a vector loop each lane would have a table of its own, were it not static. */
#ifdef __CUDACC__
#define CR__TABLE const
#else
#define CR__TABLE static const
#endif

/* An angle as quarter pi / 2 + r + low, |r| <= pi / 4; of quarter, the lowest two bits count. */
typedef struct f64_far_angle {
  double r, low;
  uint32_t quarter;
} f64_far_angle;

/* The upper word of a product. */
CR__SCALAR uint64_t f64_high_word(uint64_t x, uint64_t y) {
  uint64_t a = x >> 32, b = x & 0xffffffff, c = y >> 32, d = y & 0xffffffff;
  uint64_t cross = a * d + (b * d >> 32), more = b * c + (cross & 0xffffffff);
  return a * c + (cross >> 32) + (more >> 32);
}

/* 64 binary digits of 2 / pi from the one with the weight 2^-place on. */
CR__SCALAR uint64_t f64_inverse_digits(int64_t place) {
  CR__TABLE uint64_t digits[] = {0,
                                 0xa2f9836e4e441529,
                                 0xfc2757d1f534ddc0,
                                 0xdb6295993c439041,
                                 0xfe5163abdebbc561,
                                 0xb7246e3a424dd2e0,
                                 0x06492eea09d1921c,
                                 0xfe1deb1cb129a73e,
                                 0xe88235f52ebb4484,
                                 0xe99c7026b45f7e41,
                                 0x3991d639835339f4,
                                 0x9c845f8bbdf9283b,
                                 0x1ff897ffde05980f,
                                 0xef2f118b5a0a6d1f,
                                 0x6d367ecf27cb09b7,
                                 0x4f463f669e5fea2d,
                                 0x7527bac7ebe5f17b,
                                 0x3d0739f78a5292ea,
                                 0x6bfb5fb11f8d5d08,
                                 0x56033046fc7b6bab,
                                 0xf0cfbc209af4361d};
  int64_t at = place + 63, word = at >> 6,
          bit = at & 63; /* the first word is in front of the point */
  return digits[word] << bit | digits[word + 1] >> 1 >> (63 - bit);
}

/* A whole number below 2^52. */
CR__SCALAR double f64_of_digits(uint64_t n) { return f64_of_bits(n | 0x4330000000000000) - 0x1p52; }

/* Of a finite x >= 1, without branches. The digits from the weight on that makes 2 in the product are enough: those before
 * give multiples of 4. */
CR__SCALAR f64_far_angle f64_angle_far(double x) {
  uint64_t u = f64_bits(x), m = (u & 0xfffffffffffff) | 0x10000000000000;
  int64_t e = (int64_t)(u >> 52 & 0x7ff) - 1075, place = e - 1; /* x = m 2^e */
  uint64_t a = f64_inverse_digits(place), b = f64_inverse_digits(place + 64);
  uint64_t c = f64_inverse_digits(place + 128);
  /* The product's words, from 2 and 1 (the upper two bits of w0) down. */
  uint64_t w2 = m * c, up = f64_high_word(m, c), w1 = m * b + up;
  uint64_t w0 = m * a + f64_high_word(m, b) + (w1 < up);
  uint32_t quarter = (uint32_t)(w0 >> 62);
  w0 = w0 << 2 | w1 >> 62, w1 = w1 << 2 | w2 >> 62, w2 <<= 2;
  uint64_t above = 0 - (w0 >> 63); /* more than a half: count from the next quarter back */
  quarter += (uint32_t)(above & 1), w0 ^= above, w1 ^= above, w2 ^= above;
  double p = f64_of_digits(w0 >> 11) * 0x1p-53;
  double q = f64_of_digits((w0 & 0x7ff) << 41 | w1 >> 23) * 0x1p-105;
  double s = f64_of_digits((w1 & 0x7fffff) << 29 | w2 >> 35) * 0x1p-157;
  double t = p + (q + s), rest = (p - t) + q + s;
  double r = t * 0x1.921fb54442d18p+0;
  double low = f64_fma(t, 0x1.921fb54442d18p+0, -r);
  low += t * 0x1.1a62633145c07p-54 + rest * 0x1.921fb54442d18p+0;
  uint64_t sign = above & (uint64_t)1 << 63;
  f64_far_angle far = {f64_of_bits(f64_bits(r) ^ sign), f64_of_bits(f64_bits(low) ^ sign), quarter};
  return far;
}

/* The same of a float from 1 to the largest, which is at least 0, without branches. The product of its 24 digits and as
 * many of 2 / pi is exact in double; those of digits that give multiples of 4 are left out. */
CR__SCALAR f64_far_angle f32_angle_far(float x) {
  CR__TABLE double digits[] = {0,        0xa2f983, 0x6e4e44, 0x1529fc, 0x2757d1,
                               0xf534dd, 0xc0db62, 0x95993c, 0x439041, 0xfe5163};
  int32_t e = (int32_t)(f32_bits(x) >> 23) - 150; /* x = m 2^e */
  int64_t first = (e + 22) * 43691 >> 20;         /* (e + 22) / 24 */
  double a = (double)x * f64_of_bits((uint64_t)(1023 - 24 * first) << 52);
  double p = a * digits[first], q = a * digits[first + 1] * 0x1p-24;
  double s = a * digits[first + 2] * 0x1p-48, t = a * digits[first + 3] * 0x1p-72;
  double rest = t + a * digits[first + 4] * 0x1p-96;
  double turns = (p - 4 * rint(p * 0.25)) +
                 (q - 4 * rint(q * 0.25)); /* exact; s below too, with what is lost */
  double sum = turns + s, part = sum - turns, lost = (turns - (sum - part)) + (s - part);
  double quarter = rint(sum);
  f64_far_angle far = {((sum - quarter) + (lost + rest)) * 0x1.921fb54442d18p+0, 0,
                       (uint32_t)(int32_t)quarter};
  return far;
}

#endif
