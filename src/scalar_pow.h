/* scalar_pow.h: powers, for scalar.h.
 *
 * Holds true: what scalar_exp.h says. Both types compute in float64: float32 with 11 digits or more, float64
 * with the logarithm in two parts, whose second begins where the first ends. Powers that are numbers of the
 * type come out exactly. */

/* The magnitude |x|^y: 2^(y log2 |x|) */
CR__SCALAR float f32_pow(float of, float to) {
  double x = (double)of, y = (double)to, a = fabs(x);
  f64_parts p = f64_log_parts(a);
  double f = p.m - 1, s = f / (2 + f), logs = f64_fma(s, f64_pow_log2(s * s), p.k);
  logs = a == 0 ? -(double)INFINITY : a < (double)INFINITY ? logs : a;
  double v = y * logs;
  v = v > 200 ? 200 : v < -200 ? -200 : v;
  double sum = v + 0x1.8p52, r = v - (sum - 0x1.8p52);
  double power = f64_pow_exp2(r) * f64_of_bits((f64_bits(sum) + 1023) << 52);
  return f32_pow_limits((float)power, of, to);
}

CR__SCALAR double f64_pow(double x, double y) {
  const double third = 0x1.5555555555555p-1, third_low = 0x1.5555555555555p-55; /* 2/3 */
  const double unit = 0x1.71547652b82fep+0, unit_low = 0x1.777d0ffda0d24p-56;   /* 1 / log(2) */
  double a = fabs(x);
  f64_parts p = f64_log_parts(a < 0x1p-1022 ? a * 0x1p54 : a);
  double k = a < 0x1p-1022 ? p.k - 54 : p.k;
  /* s + s_low = f / (1 + m), z + z_low its square */
  double f = p.m - 1, d = p.m + 1, d_low = p.m - (d - 1), inverse = 1 / d, s = f * inverse;
  double s_low = (f64_fma(-s, d, f) - s * d_low) * inverse;
  double z = s * s, z_low = f64_fma(s, s, -z) + 2 * s * s_low;
  /* log m = s (2 + z (2/3 + rest)) */
  double rest = z * f64_pow_rest(z), w = third + rest, w_low = (third - w) + rest + third_low;
  double zw = z * w, zw_low = f64_fma(z, w, -zw) + (z * w_low + z_low * w);
  double g = 2 + zw, g_low = (2 - g) + zw + zw_low;
  double l = s * g, l_low = f64_fma(s, g, -l) + (s * g_low + s_low * g);
  double q = l * unit, q_low = f64_fma(l, unit, -q) + (l * unit_low + l_low * unit);
  double logs = k + q, logs_low = (k - logs) + q + q_low;
  logs = a == 0 ? -(double)INFINITY : a < (double)INFINITY ? logs : a;
  double v = y * logs, v_low = f64_fma(y, logs, -v) + y * logs_low;
  int far = (v > 1025) | (v < -1080);
  v = v > 1025 ? 1025 : v < -1080 ? -1080 : v;
  const double shift = 0x1.8p52 + 2046;
  double sum = v + shift, r = (v - (sum - shift)) + (far ? 0 : v_low);
  double power = f64_exp_scale(f64_fma(f64_exp2_rest(r), r, 1), (int64_t)f64_bits(sum));
  return f64_pow_limits(power, x, y);
}
