/* scalar_pow.h: powers of both floating types, for scalar_math.h.
 *
 * Holds true: what scalar_exp.h says. Both types compute in float64: float32 with 11 digits or more, float64
 * with the logarithm in two parts, whose second begins where the first ends. Powers that are numbers of the
 * type come out exactly. */

/* y log2(a) */
CR__SCALAR double f32_pow_logs(double a, double y) {
  f64_parts p = f64_log_parts(a);
  double f = p.m - 1, s = f / (2 + f), logs = f64_fma(s, f64_pow_log2(s * s), p.k);
  logs = a == 0 ? -(double)INFINITY : logs;
  return y * (a < (double)INFINITY ? logs : a);
}
/* 2^v for v from -200 to 200 */
CR__SCALAR double f32_pow_power(double v) {
  double sum = v + 0x1.8p52, r = v - (sum - 0x1.8p52);
  return f64_pow_exp2(r) * f64_of_bits((f64_bits(sum) + 1023) << 52);
}
CR__SCALAR float f32_pow(float x, float y) {
  double v = f32_pow_logs((double)fabsf(x), (double)y);
  v = v > 200 ? 200 : v < -200 ? -200 : v;
  return f32_pow_limits((float)f32_pow_power(v), x, y);
}

/* A number as the sum of two. */
typedef struct f64_sum {
  double high, low;
} f64_sum;

/* log2(m) + k */
CR__SCALAR f64_sum f64_pow_logs(double m, double k) {
  const double third = 0x1.5555555555555p-1, third_low = 0x1.5555555555555p-55; /* 2/3 */
  const double unit = 0x1.71547652b82fep+0, unit_low = 0x1.777d0ffda0d24p-56;   /* 1 / log(2) */
  /* s + s_low = f / (1 + m), z + z_low its square */
  double f = m - 1, d = m + 1, d_low = m - (d - 1), inverse = 1 / d, s = f * inverse;
  double s_low = (f64_fma(-s, d, f) - s * d_low) * inverse;
  double z = s * s, z_low = f64_fma(s, s, -z) + 2 * s * s_low;
  /* log m = s (2 + z (2/3 + rest)) */
  double rest = z * f64_pow_rest(z), w = third + rest, w_low = (third - w) + rest + third_low;
  double zw = z * w, zw_low = f64_fma(z, w, -zw) + (z * w_low + z_low * w);
  double g = 2 + zw, g_low = (2 - g) + zw + zw_low;
  double l = s * g, l_low = f64_fma(s, g, -l) + (s * g_low + s_low * g);
  double q = l * unit, q_low = f64_fma(l, unit, -q) + (l * unit_low + l_low * unit);
  double logs = k + q;
  f64_sum sum = {logs, (k - logs) + q + q_low};
  return sum;
}
/* 2^(v + v_low) for v from -1080 to 1025 */
CR__SCALAR double f64_pow_power(double v, double v_low) {
  const double shift = 0x1.8p52 + 2046;
  double sum = v + shift, r = (v - (sum - shift)) + v_low;
  return f64_exp_scale(f64_fma(f64_exp2_rest(r), r, 1), (int64_t)f64_bits(sum));
}

CR__SCALAR double f64_pow(double x, double y) {
  double a = fabs(x);
  f64_parts p = f64_log_parts_of(a);
  f64_sum logs = f64_pow_logs(p.m, p.k);
  double most = a == 0 ? -(double)INFINITY : a < (double)INFINITY ? logs.high : a;
  double v = y * most, v_low = f64_fma(y, most, -v) + y * logs.low;
  int far = (v > 1025) | (v < -1080);
  v = v > 1025 ? 1025 : v < -1080 ? -1080 : v;
  return f64_pow_limits(f64_pow_power(v, far ? 0 : v_low), x, y);
}

/* x^(1/p), for what rounding 1/p has cost made good: it counts as often as x has digits. */
CR__SCALAR double f64_root(double x, double p) {
  double q = 1 / p, y = f64_pow(x, q), lost = f64_fma(-q, p, 1.0) / p;
  return x > 0 && y > 0 && isfinite(x) && isfinite(y) ? y + y * (lost * f64_log(x)) : y;
}
