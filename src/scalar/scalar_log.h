/* scalar_log.h: logarithms, inverse hyperbolic functions and powers of one floating type; scalar_math.h
 * includes this once per type.
 *
 * Holds true: what scalar_exp.h says. A number is 2^k (1 + f) with 1 + f between 2/3 and 4/3 (float), or
 * between sqrt(1/2) and sqrt(2) (double). */

/* rest + factor (log(1 + f) - f), with p = factor f. In double by log(1 + f) = 2 atanh(s) with s = f / (2 + f); in
 * float a quotient would take longer than the terms that it saves. */
#if PICK(1, 0)
CR__SCALAR T F(log_bend)(T f, T factor, T p, T rest) {
  (void)factor;
  return FMA(p, FMA(f * f, F(log_cubic_rest)(f), (T)-0.5 * f), rest);
}
#else
CR__SCALAR T F(log_bend)(T f, T factor, T p, T rest) {
  T s = f / (2 + f), z = s * s, half = (T)0.5 * f * f;
  T bend = FMA(s, FMA(z, F(log_rest)(z), half), -half);
  (void)p;
  return FMA(bend, factor, rest);
}
#endif

#define LEAST PICK(0x1p-126f, 0x1p-1022) /* normal number */

/* k and 1 + f of a normal number x > 0. */
typedef struct F(parts) {
  T k, m;
} F(parts);
CR__SCALAR F(parts) F(log_parts)(T x) {
  const U least = PICK(0x3f2aaaab, 0x3fe6a09e667f3bcd); /* 1 + f */
  const T whole = (T)PICK(0x1p23f, 0x1p52);
  U u = BITS(x) + (BITS((T)1) - least);
  T k = OF_BITS((u >> MANTISSA) | BITS(whole)) - (whole + BIAS);
  F(parts) p = {k, OF_BITS((u & (((U)1 << MANTISSA) - 1)) + least)};
  return p;
}

/* The same of any number that is not negative; of 0 something. The bits of a subnormal number are the lowest of 1 plus
 * 2^(BIAS - 1) times it: to multiply it would take the processor 100 cycles and more. */
CR__SCALAR F(parts) F(log_parts_of)(T x) {
  int low = x < LEAST;
  F(parts) p = F(log_parts)(low ? OF_BITS(BITS(x) | BITS((T)1)) - 1 : x);
  p.k = low ? p.k - (BIAS - 1) : p.k;
  return p;
}

/* (k + log2(1 + f)) times a unit, which is given in two parts, and so is its quotient by log(2). */
CR__SCALAR T F(log_sum)(T k, T f, T unit, T unit_low, T factor, T factor_low) {
  T p = f * factor, whole = k * unit, sum = whole + p, rest = (whole - sum) + p;
  if (factor != 1) rest = rest + FMA(f, factor_low, FMA(f, factor, -p));
  rest = F(log_bend)(f, factor, p, rest);
  return sum + (unit_low == 0 ? rest : FMA(k, unit_low, rest));
}

/* The result y where 0 < x < infinity, else the limit. */
CR__SCALAR T F(log_limits)(T y, T x) {
  T high = x < (T)INFINITY ? y : x, low = x == 0 ? -(T)INFINITY : (T)NAN;
  return x > 0 ? high : low;
}

/* y, or the NaN that has all bits set, by which quick forms say that they do not know. */
CR__SCALAR T F(unless)(T y, int unknown) { return OF_BITS(BITS(y) | (unknown ? ~(U)0 : 0)); }

/* A unit and its quotient by log(2), in two parts each. */
#define OF_LOG LOG2_HIGH, LOG2_LOW, 1, 0
#define OF_LOG2 1, 0, LOG2_INVERSE, PICK(0x1.4ae0cp-26f, 0x1.777d0ffda0d24p-56)
#define OF_LOG10                                                                       \
  PICK(0x1.344p-2f, 0x1.34413509f8p-2), PICK(0x1.3509f8p-18f, -0x1.80433b83b532ap-44), \
      PICK(0x1.bcb7b2p-2f, 0x1.bcb7b1526e50ep-2), PICK(-0x1.5b235ep-27f, 0x1.95355baaafad3p-57)

CR__SCALAR T F(log_of)(T x, T unit, T unit_low, T factor, T factor_low) {
  F(parts) p = F(log_parts_of)(x);
  return F(log_limits)(F(log_sum)(p.k, p.m - 1, unit, unit_low, factor, factor_low), x);
}
CR__SCALAR T F(log)(T x) { return F(log_of)(x, OF_LOG); }
CR__SCALAR T F(log2)(T x) { return F(log_of)(x, OF_LOG2); }
CR__SCALAR T F(log10)(T x) { return F(log_of)(x, OF_LOG10); }

/* The same for normal x > 0, else unknown. */
CR__SCALAR T F(log_near_of)(T x, T unit, T unit_low, T factor, T factor_low) {
  F(parts) p = F(log_parts)(x);
  T y = F(log_sum)(p.k, p.m - 1, unit, unit_low, factor, factor_low);
  return F(unless)(y, !(x >= LEAST) | !(x < (T)INFINITY));
}
CR__SCALAR T F(log_near)(T x) { return F(log_near_of)(x, OF_LOG); }
CR__SCALAR T F(log2_near)(T x) { return F(log_near_of)(x, OF_LOG2); }
CR__SCALAR T F(log10_near)(T x) { return F(log_near_of)(x, OF_LOG10); }

/* log(1 + x + more), for a more that is small beside x, and no x from `most` on if that is not infinite. What
 * 1 + x loses adds itself over 1 + f. */
CR__SCALAR T F(log1p_sum)(T x, T more, T most) {
  const T large = PICK(0x1p60f, 0x1p120);
  T u = 1 + x, part = u - 1, lost = (1 - (u - part)) + (x - part);
  F(parts) p = F(log_parts)(u);
  T scale = OF_BITS(BITS(p.m) - BITS(u) + BITS((T)1)); /* 2^-k */
  T f = p.m - 1, c = (lost + more) * scale;
  c = FMA(-c, f, c);
  c = most <= large || x < large ? c : 0;
  T whole = p.k * LOG2_HIGH, sum = whole + f, rest = ((whole - sum) + f) + c;
  return sum + FMA(p.k, LOG2_LOW, F(log_bend)(f, 1, f, rest));
}

/* For x > -1 that is not large, else unknown. */
CR__SCALAR T F(log1p_near)(T x) {
  const T large = PICK(0x1p60f, 0x1p120);
  T y = F(unless)(F(log1p_sum)(x, 0, large), !(x > -1) | !(x < large));
  return M(fabs)(x) < EPSILON / 4 ? x : y;
}

/* For 0 <= x <= 1. */
CR__SCALAR T F(log1p_short)(T x) { return F(log1p_sum)(x, 0, 2); }

/* Where x^2 is lost beside x, the result is x. */
CR__SCALAR T F(log1p)(T x) {
  T y = F(log_limits)(F(log1p_sum)(x, 0, (T)INFINITY), x + 1);
  return M(fabs)(x) < EPSILON / 4 ? x : y;
}

/* log(1 + w), or log(2 w) where w stands for more than squares can be computed of. */
CR__SCALAR T F(log1p_twice)(T w, int twice) {
  T y = F(log_limits)(F(log1p_sum)(w, 0, (T)INFINITY), w + 1);
  return twice ? y + (T)0.69314718055994530942 : y;
}
#define LARGE PICK(0x1p28f, 0x1p57)

/* log(a + sqrt(a^2 + 1)) of a = |x| */
CR__SCALAR T F(asinh)(T x) {
  T a = M(fabs)(x), square = a * a, w = a + square / (1 + M(sqrt)(1 + square));
  int large = a > LARGE;
  T y = F(log1p_twice)(large ? a : w, large);
  return a < EPSILON ? x : M(copysign)(y, x);
}

/* log(x + sqrt(x^2 - 1)) by t = x - 1 */
CR__SCALAR T F(acosh)(T x) {
  T t = x - 1, w = t + M(sqrt)(FMA(t, t, 2 * t));
  int large = x > LARGE;
  T y = F(log1p_twice)(large ? x : w, large);
  return x < 1 ? (T)NAN : y;
}

/* log(1 + 2 a / (1 - a)) / 2 of a = |x| */
CR__SCALAR T F(atanh)(T x) {
  T a = M(fabs)(x), under = 1 - a, w = 2 * a / under;
  T more = FMA(-w, under, 2 * a) +
           w * ((under - 1) + a); /* what both roundings have lost, times 1 - a */
  T y = (T)0.5 * F(log1p_sum)(w, more / under, (T)INFINITY);
  y = a < 1 ? y : a == 1 ? (T)INFINITY : (T)NAN;
  return a < EPSILON ? x : M(copysign)(y, x);
}

/* Without overflow and without loss to subnormal squares: by the power of 2 that brings the larger one close
 * to 1. */
CR__SCALAR T F(hypot)(T x, T y) {
  const T most = PICK(0x1p125f, 0x1p1021), least = PICK(0x1p-125f, 0x1p-1021);
  T a = M(fabs)(x), b = M(fabs)(y), high = a > b ? a : b, low = a < b ? a : b;
  T size = high < most ? high : most;
  size = size > least ? size : least;
  U power = BITS(size) & BITS((T)INFINITY);
  T back = OF_BITS(power), scale = OF_BITS(((U)(2 * BIAS) << MANTISSA) - power);
  T g = high * scale, h = low * scale, sum = M(sqrt)(FMA(g, g, h * h)) * back;
  sum = sum + (a - a) + (b - b); /* NaN stays */
  return high < (T)INFINITY ? sum : a == (T)INFINITY ? a : b == (T)INFINITY ? b : sum;
}

/* What x^y is, given |x|^y for all that is neither 0 nor infinite. */
CR__SCALAR T F(pow_limits)(T power, T x, T y) {
  T half = (T)0.5 * y, a = M(fabs)(x);
  int whole = M(rint)(y) == y, odd = whole & (M(rint)(half) != half); /* an infinite y is even */
  T signed_power = odd ? M(copysign)(power, x) : power;
  T real = ((x < 0) & (a < (T)INFINITY) & !whole) ? (T)NAN : signed_power;
  real = ((a == 1) & (M(fabs)(y) == (T)INFINITY)) ? 1 : real;
  real = ((x != x) | (y != y)) ? (T)NAN : real;
  return ((y == 0) | (x == 1)) ? 1 : real;
}
