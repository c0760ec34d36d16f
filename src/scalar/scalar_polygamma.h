/* scalar_polygamma.h: the derivatives of digamma, for both floating types in double; scalar.h includes it once.
 *
 * Holds true: slow, with branches and loops. The formulas are from M. Abramowitz, I. Stegun, Handbook of Mathematical
 * Functions (1964): 6.4.10, by which polygamma is n! times the zeta function of Hurwitz, summed by the Euler-Maclaurin
 * formula (23.2.3, from n + 11 on instead of 1); and the reflection 6.4.7, with the derivatives of the cotangent as
 * sums in which nothing cancels. */
#ifndef CR__SCALAR_POLYGAMMA_H
#define CR__SCALAR_POLYGAMMA_H

#define CR__COT_ORDERS 16

/* The sum of (x + k)^-s over k = 0, 1, ... for x > 0, s >= 2. */
CR__SCALAR double cr__zeta(double s, double x) {
  /* B(2 j) / (2 j)!, where B are the numbers of Bernoulli */
  const double bernoulli[] = {8.3333333333333333e-2,  -1.3888888888888889e-3,
                              3.3068783068783069e-5,  -8.2671957671957672e-7,
                              2.0876756987868099e-8,  -5.2841901386874932e-10,
                              1.3382536530684679e-11, -3.3896802963225829e-13,
                              8.5860620562778446e-15, -2.1748686985580619e-16};
  double least = s < 100 ? s + 10 : 110, sum = 0;
  for (; x < least; x++) sum += f64_pow(x, -s);
  double high = f64_pow(x, 1 - s), power = high / x;
  double rising = s * (power / x), rest = 0.5 * power;
  for (int j = 0; j < 10; j++) {
    rest += bernoulli[j] * rising;
    rising *= (s + (2 * j + 1)) / x * ((s + (2 * j + 2)) / x);
  }
  return high / (s - 1) + rest + sum;
}

/* n! */
CR__SCALAR double cr__factorial(double n) {
  double product = 1;
  for (double i = 2; i <= n && product < (double)INFINITY; i++) product *= i;
  return product;
}

/* cot(pi x) for |x| <= 1/2: 0 exactly at 1/2 */
CR__SCALAR double cr__cot_pi(double x) {
  const double pi = 3.14159265358979323846;
  if (fabs(x) <= 0.25) return 1 / f64_tan_near(pi * x);
  return copysign(f64_tan_near(pi * (0.5 - fabs(x))), x);
}

/* (-1)^n times the n-th derivative of pi cot(pi x), n >= 1, over n!: the sum of (x + k)^-(n + 1) over all integers k, for
 * |x| <= 1/2. Low orders by the polynomial (1 + c^2) q(c) in c = cot(pi x), whose coefficients are positive; high ones
 * by the terms, in pairs around 1/2 that are subtracted exactly. */
CR__SCALAR double cr__cot_slope(double x, int n) {
  const double pi = 3.14159265358979323846;
  if (n < CR__COT_ORDERS) {
    double c = cr__cot_pi(x), q[CR__COT_ORDERS] = {1}, sum = 0, scale = pi;
    for (int i = 1; i < n; i++) { /* q' (1 + c^2) + 2 c q */
      double next[CR__COT_ORDERS] = {0};
      for (int j = 0; j < i; j++) {
        next[j + 1] += (j + 2) * q[j];
        if (j) next[j - 1] += j * q[j];
      }
      for (int j = 0; j <= i; j++) q[j] = next[j] / (i + 1);
    }
    for (int j = n - 1; j >= 0; j--) sum = sum * c + q[j];
    for (int i = 0; i < n; i++) scale *= pi;
    return scale * (1 + c * c) * sum;
  }
  double size = fabs(x), s = n + 1, sum = 0;
  int odd = n % 2;
  for (int k = 20; k >= 0; k--) {
    double near = size + k, far = 1 - size + k;
    double ratio = f64_log1p((2 * size - 1) / far); /* log(near / far) */
    sum += f64_pow(near, -s) * (odd ? 1 + f64_exp(s * ratio) : -f64_expm1(s * ratio));
  }
  return odd ? sum : copysign(sum, x);
}

/* The n-th derivative of digamma, n >= 1. */
CR__SCALAR double cr__polygamma(double x, double n) {
  int odd = fmod(n, 2.0) != 0;
  double s = n + 1, sign = odd ? 1 : -1, sum;
  if (x != x || x == (double)INFINITY) return sign / x;
  if (x > 1e17) { /* the first terms are all; n! may bring back what the power alone would lose */
    double root = f64_pow(x, -0.5 * n);
    return sign * (cr__factorial(n) / n * root * (1 + 0.5 * n / x)) * root;
  }
  if (x > 0) {
    sum = cr__zeta(s, x);
  } else if (x == rint(x)) {
    sum = (double)INFINITY;
  } else {
    double off = x - rint(x), mirrored = cr__zeta(s, 1 - x);
    sum = n < 1000 ? cr__cot_slope(off, (int)n) : f64_pow(off, -s);
    sum = odd ? sum - mirrored : sum + mirrored;
  }
  return sign * cr__factorial(n) * sum;
}

#undef CR__COT_ORDERS

CR__SCALAR double f64_polygamma(double x, double n) {
  return n == 0 ? f64_digamma(x) : cr__polygamma(x, n);
}
CR__SCALAR float f32_polygamma(float x, float n) {
  return n == 0 ? f32_digamma(x) : (float)cr__polygamma((double)x, (double)n);
}

#endif
