/* scalar_erf.h: the error function of one floating type; scalar_math.h includes this once per type.
 *
 * Holds true: what scalar_exp.h says. With a = |x|, erfc(a) is exp(-a^2) R(a), where R falls slowly from 1,
 * like 1 / a in the end. (a + C) R is close to a polynomial in a / (a + C). Where erfc is to be
 * subtracted from 1, the exponent of a power of 2 that comes close enough is a polynomial by itself. */

#define TAIL_C ((T)PICK(3, 3.75))

/* erfc(a) for a >= 0 */
CR__SCALAR T F(erfc_tail)(T size) {
  const T most = PICK(10.1f, 27.3); /* from there on, it rounds to 0 */
  T a = most < size ? most : size, sum = a + TAIL_C, share = 1 / sum, part = sum - a;
  T lost = (a - (sum - part)) + (TAIL_C - part);
  T rest = (FMA(-sum, share, 1) - lost * share) * share; /* what the quotient lacks */
  T p = F(tail_rest)(FMA(a, share, (T)-0.625) + a * rest);
  T ratio = FMA(p, share, p * rest), square = a * a;
  I whole = F(exp_sum)(-square);
  T r = F(exp_reduce)(-square, F(exp_whole)(whole)) - FMA(a, a, -square);
  T e = FMA(F(exp_rest)(r), r, 1);
  return F(exp_scale)(FMA(e * r, ratio, ratio), whole);
}

CR__SCALAR T F(erf)(T x) {
  const T most = PICK(4, 6), shift = SHIFT + BIAS;
  T a = M(fabs)(x), near = a < 1 ? a : 1, far = most < a ? most : a; /* NaN goes into far */
  T inside = FMA(near, F(erf_rest)(near * near), near);
  /* So that no product is too small for an fma of products and sums. */
  if (MANTISSA == 52) inside = a < PICK(0, 0x1p-500) ? a * (T)1.12837916709551257390 : inside;
  T power = F(erf_log2)(far - 1), sum = power + shift, r = power - (sum - shift);
  T tail = FMA(F(exp2_rest)(r), r, 1) * OF_BITS(BITS(sum) << MANTISSA);
  return M(copysign)(a < 1 ? inside : 1 - tail, x);
}

CR__SCALAR T F(erfc)(T x) {
  const T part = (T)0.75;
  T a = M(fabs)(x), near = part < a ? part : a, bend = near * F(erf_rest)(near * near);
  T tail = F(erfc_tail)(a);
  T inside = (1 - M(copysign)(near, x)) - M(copysign)(bend, bend < 0 ? -x : x);
  return a < part ? inside : x < 0 ? 2 - tail : tail;
}
