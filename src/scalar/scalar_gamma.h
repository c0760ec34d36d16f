/* scalar_gamma.h: the logarithm of the gamma function, for scalar_math.h.
 *
 * Holds true: the formulas are from M. Abramowitz, I. Stegun, Handbook of Mathematical Functions (1964): the
 * recurrence 6.1.15, Stirling's series 6.1.41, the reflection 6.1.17. The sign of gamma is lost. */

/* Stirling's series times 1 / y, for y >= 8 */
CR__SCALAR double f64_stirling(double r) {
  double z = r * r;
  return r * (1. / 12 -
              z * (1. / 360 -
                   z * (1. / 1260 -
                        z * (1. / 1680 -
                             z * (1. / 1188 -
                                  z * (691. / 360360 - z * (1. / 156 - z * (3617. / 122400))))))));
}

/* Without branches. Computed in double, so that what cancels near the zeros (at 1, 2 and between negative
 * integers) leaves enough digits: at most 4 units in the last place off. */
CR__SCALAR float f32_lgamma(float of) {
  double x = (double)of, y = x < 0 ? 1 - x : x, product = 1;
  for (int i = 0; i < 8; i++) {
    product *= y < 8 ? y : 1;
    y += y < 8 ? 1 : 0;
  }
  double right =
      (y - 0.5) * f64_log(y) - y + 0.91893853320467274178 + f64_stirling(1 / y) - f64_log(product);
  double off = x - rint(x); /* how far from an integer */
  double left = 1.14472988584940017414 - f64_log(fabs(f64_sin_pi(off))) - right;
  double result = x < 0 ? left : right;
  result = ((of == 1) | (of == 2)) ? 0 : result; /* which the sum need not be */
  return fabs(x) == (double)INFINITY || (x <= 0 && off == 0) ? INFINITY : (float)result;
}

/* For x > 0: near its zeros 1 and 2 by polynomials, up to 12 by the recurrence from there. */
CR__SCALAR double f64_lgamma_right(double x) {
  if (x >= 12) {
    double body = f64_fma(x - 0.5, f64_log(x) - 1, 0.41893853320467274178 + f64_stirling(1 / x));
    return x < 0x1p120 ? body : x * (f64_log(x) - 1);
  }
  double y = x < 0.75 ? x + 1 : x, product = 1;
  while (y >= 2.5) {
    y -= 1;
    product *= y;
  }
  double one = x < 0.75 ? x : y - 1, two = x < 0.75 ? x - 1 : y - 2;
  double value = one <= 0.25 ? one * f64_gamma_one(one) : two * f64_gamma_two(two);
  return x < 0.75   ? value - f64_log(x)
         : x >= 2.5 ? value + f64_log(product)
                    : value + 0.0; /* no -0 */
}

/* For x between -2.8 and -2.4, where the terms of the reflection cancel; its two zeros, with what their
 * doubles lack. */
CR__SCALAR double f64_lgamma_dip(double x) {
  double u = (x + 0x1.3a7fc9600f86cp+1) + 0x1.55f64f98af8d0p-55;
  double v = (x + 0x1.5fb410a1bd901p+1) - 0x1.a19a96d2e6f85p-54;
  return u * v * f64_gamma_dip(x + 2.6);
}

CR__SCALAR double f64_lgamma(double x) {
  double a = fabs(x);
  if (!(a < (double)INFINITY)) return a;
  if (a < 0x1p-60) return -f64_log(a);
  if (x > 0) return f64_lgamma_right(x);
  double off = x - rint(x);
  if (off == 0) return (double)INFINITY;
  if (x > -2.8 && x < -2.4) return f64_lgamma_dip(x);
  return (1.14472988584940017414 - f64_log(fabs(f64_sin_pi(off)) * a)) - f64_lgamma_right(a);
}
