/* scalar_normal.h: gelu and its derivative in float32, by the normal distribution's upper tail.
 *
 * Holds true: as scalar_exp.h says, plain expressions with the same digits at every level. gelu is at
 * most 4 units in the last place off, far out on the negative side, too. So is its derivative from -3
 * down; above, where its terms cancel, 4 units of 1/4. Infinities give limits.
 *
 * With a = |x|, the tail is Q(a) = exp(-a^2 / 2) R(a), where R falls slowly from 1/2, like 1 / a in the
 * end. (a + C) R is close to a polynomial in v = a / (a + C); C is chosen for the least error at its
 * degree, 4e-9. So a Q(a) is the power times v times that polynomial: the errors of v in the two
 * factors cancel where a is large and both matter. */
#ifndef CR__SCALAR_NORMAL_H
#define CR__SCALAR_NORMAL_H

/* exp(-a^2 / 2) = 2^k e^(h r), h = 0.50000103. Log(2) stands here with so few digits that its product
 * with k is exact, so r is rounded once, however large a^2 is; what those digits lack, the same
 * share of log(2) everywhere, makes h of 1/2. That leaves exp((h - 1/2) a^2), which R takes in. */
typedef struct f32_power {
  float r;
  uint32_t exponent; /* k, at its place in a number */
} f32_power;

CR__SCALAR f32_power f32_normal_power(float a) {
  const float shift = 0x1.8p23f, two_logs = 0x1.62e4p0f; /* 2 log(2) */
  float sum = f32_fma(a * a, -0.72134752f, shift);       /* k in its low bits */
  float logs = f32_fma(sum, two_logs, -shift * two_logs);
  f32_power power = {f32_fma(-a, a, -logs), f32_bits(sum) << 23};
  return power;
}

/* (e^(h r) - 1) / r */
CR__SCALAR float f32_power_slope(float r) {
  float p = 2.16309036e-05f;
  p = f32_fma(p, r, 0.000261696317f);
  p = f32_fma(p, r, 0.00260427338f);
  p = f32_fma(p, r, 0.0208331719f);
  p = f32_fma(p, r, 0.125000507f);
  return f32_fma(p, r, 0.500001073f);
}

/* x 2^k. Callers have a factor of 2^64 in x, which keeps the result a normal number where the one that it
 * stands for is not: that is rounded when the factor is taken away. */
CR__SCALAR float f32_raised(float x, f32_power power) {
  return f32_of_bits(f32_bits(x) + power.exponent);
}

/* (a + C) R times scale, for v = a / (a + C). */
#define CR__TAIL_C 5.35f
CR__SCALAR float f32_tail_ratio(float v, const float scale) {
  float w = v - 0.25f, p = scale * 0.60733521f;
  p = f32_fma(p, w, scale * -0.927867115f);
  p = f32_fma(p, w, scale * -0.739033639f);
  p = f32_fma(p, w, scale * 4.51079941f);
  p = f32_fma(p, w, scale * -8.38447666f);
  p = f32_fma(p, w, scale * 10.074151f);
  p = f32_fma(p, w, scale * -8.91653728f);
  p = f32_fma(p, w, scale * 6.0732193f);
  p = f32_fma(p, w, scale * -3.21471596f);
  return f32_fma(p, w, scale * 1.30375385f);
}

/* |x|, at most 14.4: from there on a Q(a) rounds to 0. NaN is lost. */
CR__SCALAR float f32_normal_argument(float x) {
  const int32_t most = 0x41666666;
  int32_t bits = (int32_t)(f32_bits(x) & 0x7fffffff);
  return f32_of_bits((uint32_t)(bits < most ? bits : most));
}

/* max(x, 0) - a Q(a) */
CR__SCALAR float f32_gelu(float x) {
  float a = f32_normal_argument(x), v = a / (a + CR__TAIL_C);
  f32_power power = f32_normal_power(a);
  float factor = f32_fma(f32_power_slope(power.r) * power.r, v, v);
  float tail = factor * f32_raised(f32_tail_ratio(v, 0x1p64f), power);
  return f32_fma(tail, -0x1p-64f, x < 0 ? -0.0f : x);
}

/* Its derivative: Q(a) - a q(a) for x < 0, with the density q, and 1 less that for x > 0. */
CR__SCALAR float f32_gelu_d(float x) {
  float a = f32_normal_argument(x), t = 1 / (a + CR__TAIL_C);
  f32_power power = f32_normal_power(a);
  float e = f32_fma(f32_power_slope(power.r) * power.r, 0x1p64f, 0x1p64f);
  float density = f32_fma(a * a, 4.11119639e-7f, 0.398942280f); /* with exp((h - 1/2) a^2) */
  float less = f32_fma(f32_tail_ratio(a * t, 1), t, -a * density);
  float base = x < 0 ? 0 : 1;
  base = x == x ? base : x;
  return f32_fma(less * f32_raised(e, power), x < 0 ? 0x1p-64f : -0x1p-64f, base);
}

#endif
