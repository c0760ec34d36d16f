/* scalar_special.h: special functions of one floating type; scalar.h includes this once per type.
 *
 * Holds true: what scalar_float.h says, except in polygamma, which is slow and has branches. Where the
 * formulas are from:
 *   lgamma     M. Abramowitz, I. Stegun, Handbook of Mathematical Functions (1964): scalar_gamma.h
 *   erfinv     M. J. Wichura, Algorithm AS 241, Applied Statistics 37 (1988): PPND16, which gives
 *              the quantile of the normal distribution at (1 + x) / 2: sqrt(2) times erf's inverse
 *   digamma    M. Abramowitz, I. Stegun, Handbook of Mathematical Functions (1964): the recurrence
 *              6.3.5 up to 10, from there the asymptotic series 6.3.18, the reflection 6.3.7
 *   polygamma  6.4.10 there: n! times the zeta function of Hurwitz, which the Euler-Maclaurin formula
 *              sums: 23.2.3 there, from n + 11 on instead of 1 */

CR__SCALAR T F(sinc)(T x) {
  T angle = (T)3.14159265358979323846 * x, value = F(sin_pi)(x) / angle;
  return x == 0 ? 1 : value;
}

/* The quotient of two polynomials of degree 7, constants first. */
CR__SCALAR T F(ratio)(T x, const T *above, const T *below) {
  T p = above[7], q = below[7];
  for (int i = 6; i >= 0; i--) {
    p = p * x + above[i];
    q = q * x + below[i];
  }
  return p / q;
}

CR__SCALAR T F(erfinv)(T x) {
  const T middle[] = {(T)3.3871328727963666080e0, (T)1.3314166789178437745e2,
                      (T)1.9715909503065514427e3, (T)1.3731693765509461125e4,
                      (T)4.5921953931549871457e4, (T)6.7265770927008700853e4,
                      (T)3.3430575583588128105e4, (T)2.5090809287301226727e3};
  const T below_middle[] = {1,
                            (T)4.2313330701600911252e1,
                            (T)6.8718700749205790830e2,
                            (T)5.3941960214247511077e3,
                            (T)2.1213794301586595867e4,
                            (T)3.9307895800092710610e4,
                            (T)2.8729085735721942674e4,
                            (T)5.2264952788528545610e3};
  const T tail[] = {(T)1.42343711074968357734e0,  (T)4.63033784615654529590e0,
                    (T)5.76949722146069140550e0,  (T)3.64784832476320460504e0,
                    (T)1.27045825245236838258e0,  (T)2.41780725177450611770e-1,
                    (T)2.27238449892691845833e-2, (T)7.74545014278341407640e-4};
  const T below_tail[] = {1,
                          (T)2.05319162663775882187e0,
                          (T)1.67638483018380384940e0,
                          (T)6.89767334985100004550e-1,
                          (T)1.48103976427480074590e-1,
                          (T)1.51986665636164571966e-2,
                          (T)5.47593808499534494600e-4,
                          (T)1.05075007164441684324e-9};
  const T far[] = {(T)6.65790464350110377720e0,  (T)5.46378491116411436990e0,
                   (T)1.78482653991729133580e0,  (T)2.96560571828504891230e-1,
                   (T)2.65321895265761230930e-2, (T)1.24266094738807843860e-3,
                   (T)2.71155556874348757815e-5, (T)2.01033439929228813265e-7};
  const T below_far[] = {1,
                         (T)5.99832206555887937690e-1,
                         (T)1.36929880922735805310e-1,
                         (T)1.48753612908506148525e-2,
                         (T)7.86869131145613259100e-4,
                         (T)1.84631831751005468180e-5,
                         (T)1.42151175831644588870e-7,
                         (T)2.04426310338993978564e-15};
  T size = M(fabs)(x), half = (T)0.5 * x;
  T near_zero = half * F(ratio)((T)0.180625 - half * half, middle, below_middle);
  T r = M(sqrt)(-F(log)((T)0.5 - (T)0.5 * size)); /* exact: 1 - |x| is, from 1/2 on */
  T outside = r <= 5 ? F(ratio)(r - (T)1.6, tail, below_tail) : F(ratio)(r - 5, far, below_far);
  T y = (size <= (T)0.85 ? near_zero : M(copysign)(outside, x)) * (T)0.70710678118654752440;
  return size == 1 ? x * (T)INFINITY : y;
}

CR__SCALAR T F(digamma)(T x) {
  T y = x < 0 ? 1 - x : x, sum = 0;
  for (int i = 0; i < 10; i++) {
    T less = y < 10 ? 1 / y : 0;
    sum -= less;
    y += (T)(y < 10);
  }
  T z = 1 / (y * y);
  T series =
      z * ((T)(1. / 12) -
           z * ((T)(1. / 120) -
                z * ((T)(1. / 252) -
                     z * ((T)(1. / 240) -
                          z * ((T)(1. / 132) - z * ((T)(691. / 32760) - z * (T)(1. / 12)))))));
  T right = sum + F(log)(y) - (T)0.5 / y - series;
  T off = x - M(rint)(x), pi = (T)3.14159265358979323846;
  T left = off == 0 ? (T)NAN : right - pi / F(tan_near)(pi * off);
  return x == 0 ? M(copysign)((T)INFINITY, -x) : x < 0 ? left : right;
}

/* The sum of (x + k)^-s over k = 0, 1, ... for x > 0, s >= 2. */
CR__SCALAR T F(zeta)(T s, T x) {
  /* B(2 j) / (2 j)!, where B are the numbers of Bernoulli */
  const T bernoulli[] = {(T)8.3333333333333333e-2,  (T)-1.3888888888888889e-3,
                         (T)3.3068783068783069e-5,  (T)-8.2671957671957672e-7,
                         (T)2.0876756987868099e-8,  (T)-5.2841901386874932e-10,
                         (T)1.3382536530684679e-11, (T)-3.3896802963225829e-13,
                         (T)8.5860620562778446e-15, (T)-2.1748686985580619e-16};
  T least = s < 100 ? s + 10 : 110, sum = 0;
  for (; x < least; x++) sum += F(pow)(x, -s);
  T power = F(pow)(x, -s);
  sum += power * x / (s - 1) + (T)0.5 * power;
  T rising = s * power / x;
  for (int j = 0; j < 10; j++) {
    sum += bernoulli[j] * rising;
    rising *= (s + (T)(2 * j + 1)) * (s + (T)(2 * j + 2)) / (x * x);
  }
  return sum;
}

/* The n-th derivative of digamma. */
CR__SCALAR T F(polygamma)(T x, T n) {
  if (n == 0) return F(digamma)(x);
  T s = n + 1, sum, odd = M(fmod)(n, (T)2), factorial = 1;
  for (T i = 2; i <= n && factorial < (T)INFINITY; i++) factorial *= i;
  if (x > 0 || x != x) {
    sum = x == (T)INFINITY || x != x ? 1 / x : F(zeta)(s, x);
  } else { /* the sum over all integers k, where x stands for its distance from one, less the rest */
    T off = x - M(rint)(x), sign = odd != 0 ? 1 : -1;
    sum = F(pow)(off, -s) + F(zeta)(s, 1 + off) + sign * (F(zeta)(s, 1 - off) - F(zeta)(s, 1 - x));
  }
  return (odd != 0 ? factorial : -factorial) * sum;
}
