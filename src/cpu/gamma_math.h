/* cpu/gamma_math.h: lgamma of float32 as a plain expression over vector forms of log and sin, in place of
 * libm's, which is a call for each element.
 *
 * Holds true: computed in double, so that what cancels near the zeros (at 1, 2 and between negative
 * integers) leaves enough digits: at most 4 units in the last place off. The formulas are from M.
 * Abramowitz, I. Stegun, Handbook of Mathematical Functions (1964): the recurrence 6.1.15 up to 8, from
 * there Stirling's series 6.1.41, the reflection 6.1.17. */
#ifndef CR__GAMMA_MATH_H
#define CR__GAMMA_MATH_H

#include <math.h>

#define CR__LGAMMA_F32 cr__f32_lgamma
static inline __attribute__((always_inline, unused)) float cr__f32_lgamma(float of) {
  double x = (double)of, y = x < 0 ? 1 - x : x, product = 1;
  for (int i = 0; i < 8; i++) {
    product *= y < 8 ? y : 1;
    y += y < 8 ? 1 : 0;
  }
  double r = 1 / y, z = r * r;
  double series =
      r * (1. / 12 -
           z * (1. / 360 -
                z * (1. / 1260 -
                     z * (1. / 1680 - z * (1. / 1188 - z * (691. / 360360 - z * (1. / 156)))))));
  double right = (y - 0.5) * log(y) - y + 0.91893853320467274178 + series - log(product);
  double off = x - rint(x); /* how far from an integer: sin is exact there */
  double left = 1.14472988584940017414 - log(fabs(sin(3.14159265358979323846 * off))) - right;
  double result = x < 0 ? left : right;
  result = (of == 1) | (of == 2) ? 0 : result; /* which the sum need not be */
  return fabs(x) == (double)INFINITY || (x <= 0 && off == 0) ? INFINITY : (float)result;
}

#endif
