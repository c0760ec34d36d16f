/* scalar_exp.h: exponentials and hyperbolic functions of one floating type; scalar_math.h includes this
 * once per type.
 *
 * Holds true: plain expressions without branches and without calls but of the polynomials, so that a loop
 * over them becomes vector code under any compiler; every level of the instruction set and every device
 * gives the same digits. The time does not depend on the argument. Infinities, NaN and zeros of either sign
 * give what the C standard's annex F says. Largest errors, in units in the last place (float, double):
 * see spec/scalar_math_spec.lua. */

#define SHIFT PICK(0x1.8p23f, 0x1.8p52)
#define LOG2_HIGH PICK(0x1.62e4p-1f, 0x1.62e42fefa4p-1)
#define LOG2_LOW PICK(0x1.7f7d1cp-20f, -0x1.8432a1b0e2634p-43)
#define LOG2_INVERSE PICK(0x1.715476p+0f, 0x1.71547652b82fep+0)
#define EXP_LEAST ((T)PICK(-104, -746)) /* from here down, e^x rounds to 0 */

/* x - k log(2). Log(2) is subtracted in two parts, the first of which has few enough digits for the
 * product with k to be exact. */
CR__SCALAR T F(exp_reduce)(T x, T k) { return FMA(k, -LOG2_LOW, FMA(k, -LOG2_HIGH, x)); }

/* x / log(2) + this has the nearest integer k as k + 2 BIAS in its low bits. */
#define EXP_SHIFT (SHIFT + 2 * BIAS)
CR__SCALAR I F(exp_sum)(T x) { return (I)BITS(FMA(x, LOG2_INVERSE, EXP_SHIFT)); }
CR__SCALAR T F(exp_whole)(I sum) { return OF_BITS((U)sum) - EXP_SHIFT; }
/* The sum for no more than k = most. That bound is one of integers, for compilers make a choice among four
 * cases of two on floating numbers. */
CR__SCALAR I F(exp_at_most)(I sum, int most) {
  const I bound = (I)BITS(EXP_SHIFT) + most;
  return sum < bound ? sum : bound;
}

/* p 2^k, given the sum's bits with k: as two factors with about half of the exponent each, for 2^k may not be a
 * normal number where the result is one, or rounds to a subnormal one. */
CR__SCALAR T F(exp_scale)(T p, I sum) {
  U u = (U)sum, half = (u << (MANTISSA - 1)) & BITS((T)INFINITY);
  return p * OF_BITS(half) * OF_BITS((u << MANTISSA) - half);
}

/* 2^k for a k that makes it a normal number. */
CR__SCALAR T F(exp_power)(I sum, int more) { return OF_BITS((U)(sum - BIAS + more) << MANTISSA); }

/* e^(x - less) for x >= EXP_LEAST and a small `less`. Above the largest k, that stays and the polynomial
 * grows, to overflow. */
CR__SCALAR T F(exp_less)(T x, T less) {
  I sum = F(exp_at_most)(F(exp_sum)(x), BIAS + 2);
  T r = F(exp_reduce)(x, F(exp_whole)(sum)) - less;
  T p = FMA(F(exp_rest)(r), r, 1);
  return F(exp_scale)(FMA(p, r, 1), sum);
}
/* Where the result is 0, another one is computed: one that underflows takes the processor 100 cycles and more. */
CR__SCALAR T F(exp)(T x) {
  T power = F(exp_less)(x < EXP_LEAST ? 0 : x, 0);
  return x < EXP_LEAST ? 0 : power;
}

/* The same for no x > 0, where k needs no bound. */
CR__SCALAR T F(exp_falling)(T x) {
  T from = x < EXP_LEAST ? 0 : x;
  I sum = F(exp_sum)(from);
  T r = F(exp_reduce)(from, F(exp_whole)(sum)), p = FMA(F(exp_rest)(r), r, 1);
  T power = F(exp_scale)(FMA(p, r, 1), sum);
  return x < EXP_LEAST ? 0 : power;
}

/* e^x for x <= 0, as softmax and logsumexp need it: a third fewer instructions. It is 0 where it would not be
 * a normal number. */
CR__SCALAR T F(exp_below)(T x) {
  const T shift = SHIFT + BIAS, smallest = PICK(-87.3365402f, -708.39641853226408);
  T sum = FMA(x, LOG2_INVERSE, shift), r = F(exp_reduce)(x, sum - shift);
  T p = FMA(F(exp_rest)(r), r, 1);
  p = FMA(p, r, 1);
  return x < smallest ? 0 : p * OF_BITS(BITS(sum) << MANTISSA);
}

/* By e^-|x|, which does not overflow. */
CR__SCALAR T F(sigmoid)(T x) {
  T power = F(exp_falling)(-M(fabs)(x));
  return (x < 0 ? power : 1) / (1 + power);
}

CR__SCALAR T F(exp2)(T x) {
  const T least = PICK(-151, -1076);
  T from = x < least ? 0 : x;
  I sum = F(exp_at_most)((I)BITS(from + EXP_SHIFT), BIAS + 2);
  T r = from - F(exp_whole)(sum);
  T power = F(exp_scale)(FMA(F(exp2_rest)(r), r, 1), sum);
  return x < least ? 0 : power;
}

/* Half of 2^k (e^r - 1) + (2^k - 1). Where x^2 is lost beside x, the result is x. */
CR__SCALAR T F(expm1)(T x) {
  const T least = PICK(-18, -38), tiny = EPSILON / 4;
  T from = x < least ? least : x;
  I sum = F(exp_at_most)(F(exp_sum)(from), BIAS + 1);
  T r = F(exp_reduce)(from, F(exp_whole)(sum)), power = F(exp_power)(sum, -1);
  T less = FMA(F(exp_rest)(r) * r, r, r), half = FMA(less, power, power - (T)0.5);
  return M(fabs)(x) < tiny ? x : half + half;
}

/* m / (m + 2) with m = e^(2 |x|) - 1 = 2^k (e^r - 1) + (2^k - 1), 1 from |x| = 10 or 20 on. */
CR__SCALAR T F(tanh)(T x) {
  const T most = PICK(20, 40);
  T z = 2 * M(fabs)(x);
  z = z > most ? most : z;
  I sum = F(exp_sum)(z);
  T r = F(exp_reduce)(z, F(exp_whole)(sum)), power = F(exp_power)(sum, 0);
  T less = FMA(F(exp_rest)(r) * r, r, r), m = FMA(less, power, power - 1);
  return M(copysign)(m / (m + 2), x);
}

/* What sinh and cosh share: with |x| = k log(2) + r, cosh r - 1, sinh r, and a quarter of 2^k and of
 * 2^-k, added up and subtracted. */
typedef struct F(hyperbolic) {
  T less, sine, sum, difference;
} F(hyperbolic);

CR__SCALAR F(hyperbolic) F(hyperbolic_parts)(T x) {
  T a = M(fabs)(x);
  I sum = F(exp_at_most)(F(exp_sum)(a), BIAS + 2);
  T r = F(exp_reduce)(a, F(exp_whole)(sum)), z = r * r, up = F(exp_power)(sum, -2);
  /* 2^-4 over that, where it counts. */
  T down = up < PICK(0x1p60f, 0x1p120) ? OF_BITS(BITS((T)0x1p-4) - BITS(up) + BITS((T)1)) : 0;
  F(hyperbolic) h = {z * F(cosh_rest)(z), FMA(r * z, F(sinh_rest)(z), r), up + down, up - down};
  return h;
}

CR__SCALAR T F(sinh)(T x) {
  F(hyperbolic) h = F(hyperbolic_parts)(x);
  T half = FMA(h.sum, h.sine, h.difference * h.less) + h.difference;
  return M(fabs)(x) < EPSILON ? x : M(copysign)(half + half, x);
}

CR__SCALAR T F(cosh)(T x) {
  F(hyperbolic) h = F(hyperbolic_parts)(x);
  T half = FMA(h.difference, h.sine, h.sum * h.less) + h.sum;
  return half + half;
}
