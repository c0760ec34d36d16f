/* scalar_gamma.h: the logarithm of the gamma function, for scalar_math.h.
 *
 * Holds true: the formulas are from M. Abramowitz, I. Stegun, Handbook of Mathematical Functions (1964): the
 * recurrence 6.1.15, Stirling's series 6.1.41, the reflection 6.1.17. The sign of gamma is lost. */

/* Stirling's series times 1 / y, for y >= 8 */
CR__SCALAR double f64_stirling(double r) {
  double z = r * r, p = f64_fma(z, -3617. / 122400, 1. / 156);
  p = f64_fma(z, -p, 691. / 360360);
  p = f64_fma(z, -p, 1. / 1188);
  p = f64_fma(z, -p, 1. / 1680);
  p = f64_fma(z, -p, 1. / 1260);
  p = f64_fma(z, -p, 1. / 360);
  return r * f64_fma(z, -p, 1. / 12);
}

/* The product of y, y + 1, ... below 8, and lgamma of the first number from 8 on: lgamma(y) plus the product's log. */
typedef struct f64_risen {
  double value, product;
} f64_risen;
CR__SCALAR f64_risen f64_lgamma_risen(double y) {
  double product = 1;
  for (int i = 0; i < 8; i++) {
    product *= y < 8 ? y : 1;
    y += y < 8 ? 1 : 0;
  }
  f64_risen risen = {(y - 0.5) * f64_log_near(y) - y + 0.91893853320467274178 + f64_stirling(1 / y),
                     product};
  return risen;
}

/* Without branches. Computed in double, so that what cancels near the zeros (at 1, 2 and between negative
 * integers) leaves enough digits: at most 4 units in the last place off. */
CR__SCALAR float f32_lgamma(float of) {
  double x = (double)of, off = x - rint(x); /* how far from an integer */
  f64_risen risen = f64_lgamma_risen(x < 0 ? 1 - x : x);
  double sine = fabs(f64_sin_pi(off)), part = x < 0 ? sine / risen.product : risen.product;
  double value = x < 0 ? 1.14472988584940017414 - risen.value : risen.value;
  double result = value - f64_log_near(part);
  result = ((of == 1) | (of == 2)) ? 0 : result; /* which the sum need not be */
  return fabs(x) == (double)INFINITY || (x <= 0 && off == 0) ? INFINITY : (float)result;
}

/* The same for 0 < x < infinity, else unknown. */
CR__SCALAR float f32_lgamma_right(float of) {
  f64_risen risen = f64_lgamma_risen((double)of);
  double result = risen.value - f64_log_near(risen.product);
  result = ((of == 1) | (of == 2)) ? 0 : result;
  return f32_unless((float)result, !(of > 0) | !(of < INFINITY));
}

/* For x > 0: near its zeros 1 and 2 by polynomials, up to 12 by the recurrence from there. */
CR__SCALAR double f64_lgamma_positive(double x) {
  int low = x < 0.75, high = x >= 12;
  double y = low ? x + 1 : x, product = 1;
  y = high ? 2 : y;
  for (int i = 0; i < 5; i++) { /* two steps each: so few turns the compiler unrolls */
    product *= y >= 2.5 ? y - 1 : 1;
    y -= y >= 2.5 ? 1 : 0;
    product *= y >= 2.5 ? y - 1 : 1;
    y -= y >= 2.5 ? 1 : 0;
  }
  double log = f64_log((low | high) ? x : product);
  double body = f64_fma(x - 0.5, log - 1, 0.41893853320467274178 + f64_stirling(1 / x));
  body = x < 0x1p120 ? body : x * (log - 1);
  double one = low ? x : y - 1, two = low ? x - 1 : y - 2;
  double near_one = one * f64_gamma_one(one), near_two = two * f64_gamma_two(two);
  double value = one <= 0.25 ? near_one : near_two;
  double risen = x >= 2.5 ? log : 0.0; /* no -0 */
  return high ? body : value + (low ? -log : risen);
}

/* For x between -2.8 and -2.4, where the terms of the reflection cancel; its two zeros, with what their
 * doubles lack. */
CR__SCALAR double f64_lgamma_dip(double x) {
  double u = (x + 0x1.3a7fc9600f86cp+1) + 0x1.55f64f98af8d0p-55;
  double v = (x + 0x1.5fb410a1bd901p+1) - 0x1.a19a96d2e6f85p-54;
  return u * v * f64_gamma_dip(x + 2.6);
}

CR__SCALAR double f64_lgamma(double x) {
  double a = fabs(x), off = x - rint(x), right = f64_lgamma_positive(a);
  double left = (1.14472988584940017414 - f64_log(fabs(f64_sin_pi(off)) * a)) - right;
  double dip = f64_lgamma_dip(x);
  left = ((x > -2.8) & (x < -2.4)) ? dip : left;
  left = off == 0 ? (double)INFINITY : left;
  double value = ((x > 0) | (a < 0x1p-60)) ? right : left;
  return a < (double)INFINITY ? value : a;
}

/* The same for 0 < x < infinity, else unknown. */
CR__SCALAR double f64_lgamma_right(double x) {
  return f64_unless(f64_lgamma_positive(x), !(x > 0) | !(x < (double)INFINITY));
}
