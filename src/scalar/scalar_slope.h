/* scalar_slope.h: activations and slopes of one floating type, exact in their tails; scalar.h includes this once per
 * type.
 *
 * Holds true: a slope is computed from the argument of its function, never from the rounded result, by a formula in
 * which nothing cancels: e^-|x|, which does not overflow, and its square root where the result may be less than the
 * least normal number and is multiplied once more. Infinite arguments give limits. */

/* |x| <= 1e4: beyond it, what falls like e^-|x| is 0 in every type, and what it is multiplied with finite. */
CR__SCALAR T F(near)(T x) { return F(clamp)(x, (T)-1e4, (T)1e4); }
CR__SCALAR T F(at_least)(T x) { return x < (T)-1e4 ? (T)-1e4 : x; }

/* g e / (1 + e)^2 with e = h^2 */
CR__SCALAR T F(bell)(T g, T h) {
  T q = 1 / (1 + h * h);
  return (g * h * q) * (h * q);
}

/* g s(x) s(-x), where s is the logistic function */
CR__SCALAR T F(sigmoid_d)(T g, T x) { return F(bell)(g, F(exp_falling)(M(fabs)(x) * (T)-0.5)); }

/* g / cosh(x)^2 */
CR__SCALAR T F(tanh_d)(T g, T x) { return F(bell)(4 * g, F(exp_falling)(-M(fabs)(x))); }

/* 1 / (1 + 2^-x), and g times its derivative over log(2) */
CR__SCALAR T F(sigmoid2)(T x) {
  T e = F(exp2)(-M(fabs)(x));
  return (x < 0 ? e : 1) / (1 + e);
}
CR__SCALAR T F(sigmoid2_d)(T g, T x) { return F(bell)(g, F(exp2)(M(fabs)(x) * (T)-0.5)); }

/* x s(x), and g times its derivative */
CR__SCALAR T F(silu)(T of) {
  T x = F(at_least)(of), h = F(exp_below)(M(fabs)(x) * (T)-0.5);
  return (x < 0 ? x * h * h : x) / (1 + h * h);
}
CR__SCALAR T F(silu_d)(T g, T of) {
  T x = F(near)(of), h = F(exp_falling)(M(fabs)(x) * (T)-0.5), e = h * h, q = 1 / (1 + e);
  T below = (g * h * q) * (1 + e + x) * (h * q), above = g * (q * q) * (1 + e * (1 + x));
  return x < 0 ? below : above;
}

/* x tanh(log(1 + e^x)) as a quotient of polynomials in e^-|x|, and g times its derivative */
CR__SCALAR T F(mish)(T of) {
  T x = F(at_least)(of), h = F(exp_below)(M(fabs)(x) * (T)-0.5), e = h * h;
  T above = x * (1 + 2 * e) / (1 + 2 * e * (1 + e));
  T below = x * h * h * (e + 2) / (e * (e + 2) + 2);
  return x < 0 ? below : above;
}
CR__SCALAR T F(mish_d)(T g, T of) {
  T x = F(near)(of), h = F(exp_falling)(M(fabs)(x) * (T)-0.5), e = h * h;
  T u = e * (e + 2), q = 1 / (u + 2), p = 1 / (1 + 2 * e * (1 + e));
  T below = (g * h * q) * ((e + 2) * (u + 2) + 4 * x * (e + 1)) * (h * q);
  T above = g * ((1 + 2 * e) * p + 4 * x * (e * p) * (e * p) * (1 + e));
  return x < 0 ? below : above;
}

CR__SCALAR T F(mish_dd)(T g, T of) {
  T x = F(near)(of), h = F(exp_falling)(M(fabs)(x) * (T)-0.5), e = h * h;
  T q = 1 / (e * (e + 2) + 2), p = 1 / (1 + 2 * e * (1 + e)), to = e * p;
  T low = 2 * (1 + e) / q + x * (2 + e * (2 - e * (3 + 2 * e)));
  T high = 2 * (1 + e) / p - x * (2 + e * (3 - 2 * e * (1 + e)));
  T below = (g * 4 * h * q) * (low * q) * (h * q), above = (g * 4 * to) * (high * p) * to;
  return x < 0 ? below : above;
}

CR__SCALAR T F(log_sigmoid)(T x) {
  return F(minimum)(x, 0) - F(log1p_short)(F(exp_falling)(-M(fabs)(x)));
}

/* Whether softplus is a line at y = beta x: no threshold from 20 on is needed. */
CR__SCALAR T F(is_line)(T y, T threshold) { return (threshold < 20) & (y > threshold); }
CR__SCALAR T F(softplus)(T x, T beta, T threshold) {
  T y = x * beta, soft = (F(maximum)(y, 0) + F(log1p_short)(F(exp_falling)(-M(fabs)(y)))) / beta;
  return ((F(is_line)(y, threshold) != 0) | (y == (T)INFINITY)) ? x : soft;
}

CR__SCALAR T F(softsign)(T x) {
  T size = M(fabs)(x), ratio = x / (1 + size);
  return size == (T)INFINITY ? M(copysign)((T)1, x) : ratio;
}
CR__SCALAR T F(softsign_d)(T g, T x) {
  T r = 1 / (1 + M(fabs)(x));
  return g * r * r;
}

/* x - tanh(x): up to 1.5 by tanh's continued fraction, x / (1 + x^2 / (3 + x^2 / (5 + ...))). With r for what is
 * added to 1, the difference is x r / (1 + r): the tenth convergent as one quotient. */
CR__SCALAR T F(tanhshrink)(T x) {
  T z = x * x, p = (T)4.72750976461232493e-9, q = (T)4.80024068406789916e-9;
  p = p * z + (T)3.12015644464413446e-6;
  p = p * z + (T)5.01253132832080201e-4;
  p = p * z + (T)2.53968253968253968e-2;
  p = p * z + (T)3.33333333333333333e-1;
  q = q * z + (T)3.27616426687634118e-6;
  q = q * z + (T)5.50395596835225318e-4;
  q = q * z + (T)3.0075187969924812e-2;
  q = q * z + (T)4.7619047619047619e-1;
  q = q * z + 1;
  T near_zero = x * (z * (p / q)), far = x - F(tanh)(x);
  return M(fabs)(x) < (T)1.5 ? near_zero : far;
}

/* x for x > 0, else coefficient (exp(x / width) - 1) */
CR__SCALAR T F(elu)(T x, T coefficient, T width) {
  T soft = F(expm1)(x / width) * coefficient;
  return x <= 0 ? soft : x;
}

/* ---- gelu ---- */

/* The distribution function and the density of the normal distribution. */
CR__SCALAR T F(normal_cdf)(T x) { return (T)0.5 * F(erfc)(x * -(T)0.70710678118654752440); }
CR__SCALAR T F(normal_pdf)(T x) {
  return F(exp_falling)((T)-0.5 * x * x) * (T)0.39894228040143267794;
}
#ifdef CR__GELU /* float has its own (scalar_normal.h) */
/* Of -infinity, as of -100, these are 0. */
CR__SCALAR T F(gelu)(T x) { return F(normal_cdf)(x) * F(maximum)(x, -100); }
CR__SCALAR T F(gelu_d)(T x) { return F(normal_cdf)(x) + F(normal_pdf)(x) * F(clamp)(x, -100, 100); }
#endif

/* Twice the argument of tanh in gelu's approximation, and its derivative: (1 + tanh(u)) / 2 = s(2 u). */
CR__SCALAR T F(gelu_inner)(T x) {
  return (T)1.59576912160573071176 * (x + (T)0.044715 * x * x * x);
}
CR__SCALAR T F(gelu_inner_d)(T x) { return (T)1.59576912160573071176 * (1 + (T)0.134145 * x * x); }
CR__SCALAR T F(gelu_tanh)(T of) {
  T x = F(at_least)(of);
  return x * F(sigmoid)(F(gelu_inner)(x));
}
CR__SCALAR T F(gelu_tanh_d)(T of) {
  T x = F(near)(of), u = F(gelu_inner)(x);
  return F(sigmoid)(u) + F(sigmoid_d)(x * F(gelu_inner_d)(x), u);
}

/* ---- Slopes of elementary functions ---- */

/* g / (1 + x^2) */
CR__SCALAR T F(atan_d)(T g, T x) {
  T size = M(fabs)(x), t = size > 1 ? 1 / size : size, q = g / (1 + t * t);
  return size > 1 ? q * t * t : q;
}

/* x / (x^2 + y^2), and 0 at the origin. A factor on x keeps its quotient by the larger of both a normal number. */
CR__SCALAR T F(over_square)(T x, T y) {
  const T lift = sizeof(T) == 8 ? (T)0x1p60 : (T)0x1p30,
          low = sizeof(T) == 8 ? (T)0x1p-500 : (T)0x1p-60;
  T p = M(fabs)(x), q = M(fabs)(y), large = p > q ? p : q, small = p > q ? q : p;
  T ratio = small / large, raised = ((large > low) & (large < 1)) ? lift : 1;
  T result = x * raised / large / (1 + ratio * ratio) / large / raised;
  int endless = (p == (T)INFINITY) | (q == (T)INFINITY), nan = (x != x) | (y != y);
  result = endless ? 0 : ((x == 0) & (y == 0)) ? 0 : result;
  return nan ? x + y : result;
}

/* g x / sqrt(x^2 + y^2), where subnormal numbers lose no digits */
CR__SCALAR T F(hypot_d)(T g, T x, T y) {
  T n = F(hypot)(x, y), raised = n < (T)1e-30 ? (T)0x1p64 : 1;
  T ratio = x * raised / F(hypot)(x * raised, y * raised);
  int endless = (M(fabs)(x) == (T)INFINITY) & (M(fabs)(y) < (T)INFINITY);
  return g * (endless ? M(copysign)((T)1, x) : ratio);
}

/* c 2^x, whose square root stays finite where the power does not. */
CR__SCALAR T F(exp2_d)(T x, T c) {
  T power = F(exp2)(x > 1 ? x - 1 : x);
  return power * (x > 1 ? c + c : c);
}

/* Whether x^p, for positive x, is out of the range of normal numbers: as the square of x^(p / 2) it can be multiplied
 * with one of them on either side, and the product need not be out of range. */
CR__SCALAR int F(is_extreme)(T x, T power) {
  const T least = sizeof(T) == 8 ? (T)0x1p-1022 : (T)0x1p-126;
  return (x > 0) & (x < (T)INFINITY) & ((power < least) | (power == (T)INFINITY));
}

/* x^p log(x): 0 where x is 0 and p is not negative, and where x is infinite and p negative. */
CR__SCALAR T F(pow_log)(T x, T p) {
  T power = F(pow)(x, p), log_x = F(log)(x);
  if (((x == 0) & (p >= 0)) | ((x == (T)INFINITY) & (p < 0))) return 0;
  if (!F(is_extreme)(x, power)) return power * log_x;
  T root = F(pow)(x, p * (T)0.5);
  return root * log_x * root;
}

/* The n-th derivative by x of the m-th by p of x^p: the sum over j of C(m, j) times the j-th
 * derivative of p (p - 1) .. (p - n + 1), times x^(p - n) log(x)^(m - j). A term without a factor is
 * 0 even where the rest is infinite; so is 0^q log(0) for q >= 0, as derivatives of pow define it. */
CR__SCALAR T F(pow_part)(T x, T p, T orders_x, T orders_p) {
  enum { MOST = 8 };
  int n = (int)orders_x, m = orders_p < MOST ? (int)orders_p : MOST - 1;
  T factor[MOST] = {1};
  for (int i = 0; i < n; i++)
    for (int j = m; j >= 0; j--)
      factor[j] = factor[j] * (p - (T)i) + (j > 0 ? (T)j * factor[j - 1] : 0);
  T power = F(pow)(x, p - (T)n), sum = 0, choose = 1, log_x = F(log)(x), logs = 1, root = 1;
  if (F(is_extreme)(x, power)) power = root = F(pow)(x, (p - (T)n) * (T)0.5);
  for (int j = m; j >= 0; j--) {
    int zero =
        factor[j] == 0 || (x == 0 && j < m && p - (T)n >= 0) || (x == (T)INFINITY && power == 0);
    if (!zero) sum += choose * factor[j] * power * logs * root;
    choose = choose * (T)j / (T)(m - j + 1);
    logs *= log_x;
  }
  return sum;
}

/* y == z, also where both are infinite, gives 0 */
CR__SCALAR T F(gap)(T x, T y) {
  T difference = x - y;
  return x == y ? 0 : difference;
}
