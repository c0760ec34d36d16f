/* scalar_trig.h: trigonometric functions and their inverses of one floating type; scalar.h includes this once
 * per type.
 *
 * Holds true: what scalar_exp.h says, but for angles so large that they are reduced by many digits of 2 / pi
 * (scalar_angle.h): that has branches, and is left to the functions whose names do not end in _near. Those
 * with _near give NaN there, and the same digits as the others elsewhere. */

#define HALF_PI PICK(0x1.921fb6p+0f, 0x1.921fb54442d18p+0)
#define HALF_PI_LOW PICK(-0x1.777a5cp-25f, 0x1.1a62633145c07p-54)
#define HALF_PI_REST PICK(-0x1.ee59dap-50f, -0x1.f1976b7ed8fbcp-110)
#define NEAR PICK(0x1p17f, 0x1p30)

/* x = n pi / 2 + r + low; quarter has n in its lowest two bits. */
typedef struct F(angle) {
  T r, low;
  U quarter;
} F(angle);

CR__SCALAR F(angle) F(angle_near)(T x) {
  T sum = FMA(x, (T)0.63661977236758134308, SHIFT), k = sum - SHIFT;
  T first = FMA(k, -HALF_PI, x), second = k * HALF_PI_LOW, r = first - second; /* the first is exact */
  T lost = ((first - r) - second) - FMA(k, HALF_PI_LOW, -second), low = FMA(k, -HALF_PI_REST, lost);
  F(angle) a = {M(fabs)(x) <= NEAR ? r : (T)NAN, low, BITS(sum)};
  return a;
}

CR__SCALAR F(angle) F(angle_of)(T x) {
  F(angle) near = F(angle_near)(x);
  if (!(M(fabs)(x) > NEAR) || !(M(fabs)(x) < (T)INFINITY)) return near;
  f64_far_angle far = f64_angle_far((double)x);
  T r = (T)far.r;
  F(angle) a = {r, (T)(far.r - (double)r + far.low), far.quarter};
  return a;
}

CR__SCALAR T F(sin_part)(T r, T low, T z) { return FMA(r * z, F(sin_short)(z), low) + r; }
CR__SCALAR T F(cos_part)(T r, T low, T z) {
  return FMA(z, FMA(z, F(cos_short)(z), (T)-0.5), -r * low) + 1;
}

/* The sine of an angle plus `more` quarters. */
CR__SCALAR T F(sin_angle)(F(angle) a, U more) {
  T z = a.r * a.r, s = F(sin_part)(a.r, a.low, z), c = F(cos_part)(a.r, a.low, z);
  U quarter = a.quarter + more;
  T value = quarter & 1 ? c : s;
  return OF_BITS(BITS(value) ^ (quarter & 2) << (8 * sizeof(T) - 2));
}
CR__SCALAR T F(tan_angle)(F(angle) a) {
  T z = a.r * a.r, s = F(sin_part)(a.r, a.low, z), c = F(cos_part)(a.r, a.low, z);
  int odd = a.quarter & 1;
  return (odd ? -c : s) / (odd ? s : c);
}

CR__SCALAR T F(sin_near)(T x) {
  T y = F(sin_angle)(F(angle_near)(x), 0);
  return x == 0 ? x : y;
}
CR__SCALAR T F(cos_near)(T x) { return F(sin_angle)(F(angle_near)(x), 1); }
CR__SCALAR T F(tan_near)(T x) {
  T y = F(tan_angle)(F(angle_near)(x));
  return x == 0 ? x : y;
}
CR__SCALAR T F(sin)(T x) {
  T y = F(sin_angle)(F(angle_of)(x), 0);
  return x == 0 ? x : y;
}
CR__SCALAR T F(cos)(T x) { return F(sin_angle)(F(angle_of)(x), 1); }
CR__SCALAR T F(tan)(T x) {
  T y = F(tan_angle)(F(angle_of)(x));
  return x == 0 ? x : y;
}

/* sin(pi x), with the reduction exact. */
CR__SCALAR T F(sin_pi)(T x) {
  T a = M(fabs)(x), off = a - 2 * M(rint)((T)0.5 * a); /* from -1 to 1; what is farther is even */
  T size = M(fabs)(off), fold = size > (T)0.5 ? 1 - size : size; /* from 0 to 1/2, exact */
  int steep = fold > (T)0.25;
  T t = steep ? (T)0.5 - fold : fold, r = 2 * t * HALF_PI;
  T low = FMA(2 * t, HALF_PI, -r) + 2 * t * HALF_PI_LOW, z = r * r;
  T s = F(sin_part)(r, low, z), c = F(cos_part)(r, low, z);
  T value = steep ? c : a < PICK(0x1p-60f, 0x1p-500) ? a * (T)3.14159265358979323846 : s;
  return M(copysign)(value, off < 0 ? -x : x) + (x - x);
}

/* asin s - s for |s| <= 1/2 */
CR__SCALAR T F(asin_bend)(T s, T z) { return s * z * F(asin_rest)(z); }

/* Beyond 1/2 by the half angle: acos a = 2 asin sqrt((1 - a) / 2). */
CR__SCALAR T F(asin)(T x) {
  T a = M(fabs)(x);
  int far = a > (T)0.5;
  T z = far ? FMA((T)-0.5, a, (T)0.5) : a * a, s = far ? M(sqrt)(z) : a;
  T bend = F(asin_bend)(s, z);
  T near = s + bend, rest = HALF_PI - (2 * s + (2 * bend - HALF_PI_LOW));
  return M(copysign)(far ? rest : near, x);
}
CR__SCALAR T F(acos)(T x) {
  T a = M(fabs)(x);
  int far = a > (T)0.5;
  T z = far ? FMA((T)-0.5, a, (T)0.5) : a * a, s = far ? M(sqrt)(z) : a;
  T bend = F(asin_bend)(s, z), signed_bend = M(copysign)(bend, x);
  T near = HALF_PI - (x + (signed_bend - HALF_PI_LOW));
  T right = 2 * (s + bend), left = 2 * (HALF_PI - (s + (bend - HALF_PI_LOW)));
  T far_value = x < 0 ? left : right;
  return far ? far_value : near;
}

/* The angle of the point (x, y), folded to an eighth of the circle. There it is atan of the quotient q, or, above
 * q = tan(pi / 8), pi / 4 less that of (1 - q) / (1 + q): n pi / 4 + or - atan t, |t| < tan(pi / 8). */
CR__SCALAR T F(atan2)(T y, T x) {
  T ax = M(fabs)(x), ay = M(fabs)(y);
  int steep = ay > ax, equal = (ax == ay) & (ax > 0), left = M(copysign)((T)1, x) < 0;
  T high = steep ? ay : ax, low = steep ? ax : ay;
  T scale = high > PICK(0x1p120f, 0x1p1000) ? (T)0.0625 : 1;
  high = high * scale, low = low * scale;
  int middle = (low > high * (T)0.41421356237309504880) | equal;
  T above = middle ? low - high : low, below = middle ? low + high : high;
  T t = equal ? 0 : above / (below == 0 ? 1 : below), z = t * t;
  T q = FMA(t * z, F(atan_rest)(z), t), n = middle ? 1 : 0;
  n = steep ? 2 - n : n, q = steep ? -q : q;
  n = left ? 4 - n : n, q = left ? -q : q;
  T angle = FMA(n, (T)0.5 * HALF_PI, FMA(n, (T)0.5 * HALF_PI_LOW, q));
  return ((x != x) | (y != y)) ? x + y : M(copysign)(angle, y);
}
CR__SCALAR T F(atan)(T x) { return F(atan2)(x, 1); }
