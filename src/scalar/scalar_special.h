/* scalar_special.h: special functions of one floating type; scalar.h includes this once per type.
 *
 * Holds true: what scalar_float.h says, except in sinc_part, which is slow and has branches. Where the
 * formulas are from:
 *   lgamma     scalar_gamma.h
 *   erfinv     M. Giles, Approximating the erfinv function (2010), with polynomials of our own (scalar_polynomials.h)
 *   digamma    M. Abramowitz, I. Stegun, Handbook of Mathematical Functions (1964): the recurrence
 *              6.3.5 up to 10, from there the asymptotic series 6.3.18, the reflection 6.3.7; between 1 and 2, where
 *              its root is, the root's distance times a polynomial
 *   sinc       its derivatives up to |pi x| = 1 + n by the power series, beyond by n f(n - 1) + z f(n)
 *              being the n-th derivative of the sine */

/* cos(pi x): 0 exactly where it is */
CR__SCALAR T F(cos_pi)(T x) { /* a quarter is exact, and the sine is best near 0 */
  T size = M(fabs)(x - 2 * M(rint)(x * (T)0.5));
  return F(sin_pi)((T)0.5 - size);
}

CR__SCALAR T F(sinc)(T x) {
  T value = F(sin_pi)(x) / ((T)3.14159265358979323846 * x);
  value = M(fabs)(x) == (T)INFINITY ? 0 : value;
  return x == 0 ? 1 : value;
}

/* The n-th derivative of sin(z) / z, n >= 0, for z = pi x, by the power series: the sum over k of
 * (-1)^k z^(2k - n) / ((2k - n)! (2k + 1)). */
CR__SCALAR T F(sinc_series)(T z, int n) {
  int k = (n + 1) / 2;
  T term = (k & 1 ? -1 : 1) * (2 * k > n ? z : 1), sum = 0;
  for (; k < n + 24; k++) {
    sum += term / (T)(2 * k + 1);
    term *= -z * z / ((T)(2 * k - n + 1) * (T)(2 * k - n + 2));
  }
  return sum;
}

/* The n-th derivative of sinc. */
CR__SCALAR T F(sinc_part)(T x, T order) {
  int n = (int)order;
  T pi = (T)3.14159265358979323846, z = pi * x, f;
  if (M(fabs)(x) == (T)INFINITY) return 0;
  if (M(fabs)(z) < (T)(1 + n)) {
    f = F(sinc_series)(z, n);
  } else {
    T s = F(sin_pi)(x), c = F(cos_pi)(x);
    f = s / pi / x; /* z itself may overflow */
    for (int j = 1; j <= n; j++) {
      T turned = j % 2 ? c : s; /* the j-th derivative of the sine, but for its sign */
      f = ((j & 2 ? -turned : turned) - (T)j * f) / pi / x;
    }
  }
  for (int j = 0; j < n; j++) f *= pi;
  return f;
}

/* erfinv(x) / x as a function of w = -log(1 - x^2): a polynomial in w, or beyond, for large |x|, in sqrt(w). */
#define ERFINV_NEAR 6
CR__SCALAR T F(erfinv_measure)(T x) { return F(fma)(-x, x, 1); } /* rounded once */

CR__SCALAR T F(erfinv)(T x) {
  T w = -F(log)(F(erfinv_measure)(x)), r = M(sqrt)(w);
  T near = F(erfinv_near)(w - 3), far = F(erfinv_far)(r - 3);
#ifdef CR__GELU /* float has no number from there on */
  far = r < 4 ? far : f64_erfinv_farthest(r - 5);
#endif
  T y = x * (w < ERFINV_NEAR ? near : far);
  return M(fabs)(x) == 1 ? x * (T)INFINITY : y;
}

/* The same where w is small, else unknown. */
CR__SCALAR T F(erfinv_quick)(T x) {
  T w = -F(log_near)(F(erfinv_measure)(x));
  return F(unless)(x * F(erfinv_near)(w - 3), !(w < ERFINV_NEAR) & (M(fabs)(x) <= 1));
}
#undef ERFINV_NEAR

CR__SCALAR T F(digamma)(T x) {
  T y = x < 0 ? 1 - x : x, sum = 0;
  for (int i = 0; i < 5; i++) { /* two steps of the recurrence by one quotient */
    T less = (2 * y + 1) / (y * (y + 1));
    sum -= y < 10 ? less : 0;
    y += (T)(y < 10 ? 2 : 0);
  }
  T r = 1 / y, z = r * r;
  T series =
      z * ((T)(1. / 12) -
           z * ((T)(1. / 120) -
                z * ((T)(1. / 252) -
                     z * ((T)(1. / 240) -
                          z * ((T)(1. / 132) - z * ((T)(691. / 32760) - z * (T)(1. / 12)))))));
  T right = sum + F(log)(y) - (T)0.5 * r - series;
  /* The root in two parts: its nearest number, and what that lacks. */
  T root = (T)1.4616321449683623;
  T lacks = (T)((1.4616321449683623 - (double)root) + 9.5499954299656977e-17);
  T near_root = ((x - root) - lacks) * F(digamma_root)(x - (T)1.5);
  right = ((x >= 1) & (x <= 2)) ? near_root : right;
  T off = x - M(rint)(x), pi = (T)3.14159265358979323846;
  T left = right - pi / F(tan_near)(pi * off);
  left = off == 0 ? (T)NAN : left;
  return x == 0 ? M(copysign)((T)INFINITY, -x) : x < 0 ? left : right;
}
