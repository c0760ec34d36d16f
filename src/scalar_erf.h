/* scalar_erf.h: the error function of one floating type; scalar_math.h includes this once per type.
 *
 * Holds true: what scalar_exp.h says. With a = |x|, erfc(a) is exp(-a^2) R(a), where R falls slowly from 1,
 * like 1 / a in the end. (a + C) R is close to a polynomial in a / (a + C). Where erfc is to be
 * subtracted from 1, the exponent of a power of 2 that comes close enough is a polynomial by itself. */

#define TAIL_C ((T)PICK(3, 3.75))

/* erfc(a) for a >= 0 */
CR__SCALAR T F(erfc_tail)(T size) {
  const T most = PICK(10.1f, 27.3); /* from there on, it rounds to 0 */
  T a = size > most ? most : size, sum = a + TAIL_C, share = 1 / sum;
  T lost = sum > 2 * TAIL_C ? (a - sum) + TAIL_C : (TAIL_C - sum) + a;
  T rest = (FMA(-sum, share, 1) - lost * share) * share; /* what the quotient lacks */
  T p = F(tail_rest)(FMA(a, share, (T)-0.625) + a * rest);
  T ratio = FMA(p, share, p * rest), square = a * a;
  I whole = F(exp_sum)(-square);
  T r = F(exp_reduce)(-square, F(exp_whole)(whole)) - FMA(a, a, -square);
  T e = FMA(F(exp_rest)(r), r, 1);
  return F(exp_scale)(FMA(e * r, ratio, ratio), whole);
}

CR__SCALAR T F(erf)(T x) {
  const T most = PICK(4, 6), tiny = PICK(0x1p-60f, 0x1p-500);
  T a = M(fabs)(x), near = a < 1 ? a : 1, far = a > most ? most : a;
  /* The factor is applied where the result is a normal number. */
  T inside = FMA(near, F(erf_rest)(near * near), near);
  inside = a < tiny ? a * (T)1.12837916709551257390 : inside;
  T power = F(erf_log2)(far - (T)PICK(2.5, 3.5)), sum = power + (SHIFT + BIAS), r = power - (sum - (SHIFT + BIAS));
  T tail = FMA(F(exp2_rest)(r), r, 1) * OF_BITS(BITS(sum) << MANTISSA);
  T y = a < 1 ? inside : a < most ? 1 - tail : 1;
  return x != x ? x : M(copysign)(y, x);
}

CR__SCALAR T F(erfc)(T x) {
  const T part = (T)0.46875;
  T a = M(fabs)(x), inside = a < part ? x : part, near = inside * F(erf_rest)(inside * inside);
  T tail = F(erfc_tail)(a), y = x < 0 ? 2 - tail : tail;
  y = a < part ? 1 - (inside + near) : y;
  return x != x ? x : y;
}
