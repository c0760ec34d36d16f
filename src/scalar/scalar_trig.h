/* scalar_trig.h: trigonometric functions and their inverses of one floating type; scalar_math.h includes this
 * once per type.
 *
 * Holds true: what scalar_exp.h says, but for angles so large that they are reduced by many digits of 2 / pi
 * (scalar_angle.h): that takes longer, and is left to the functions whose names do not end
 * in _near. Those with _near are unknown there, and give the same digits as the others elsewhere. */

#define HALF_PI PICK(0x1.921fb6p+0f, 0x1.921fb54442d18p+0)
#define HALF_PI_LOW PICK(-0x1.777a5cp-25f, 0x1.1a62633145c07p-54)
#define HALF_PI_REST PICK(-0x1.ee59dap-50f, -0x1.f1976b7ed8fbcp-110)
#define NEAR PICK(0x1p17f, 0x1p30)

/* |x| = n pi / 2 + r + low; quarter has n in its lowest two bits. */
typedef struct F(angle) {
  T r, low;
  U quarter;
} F(angle);

CR__SCALAR F(angle) F(angle_near)(T a) {
  T sum = FMA(a, (T)0.63661977236758134308, SHIFT), k = sum - SHIFT;
  T first = FMA(k, -HALF_PI, a), second = k * HALF_PI_LOW,
    r = first - second; /* the first is exact */
  T lost = ((first - r) - second) - FMA(k, HALF_PI_LOW, -second), low = FMA(k, -HALF_PI_REST, lost);
  F(angle) angle = {r, low, BITS(sum)};
  return angle;
}

/* Both ways are gone, and the bits of one taken. On a device a branch is better. */
CR__SCALAR F(angle) F(angle_of)(T a) {
  const U least = BITS(NEAR), most = BITS((T)INFINITY) - 1;
  U u = BITS(a), is_far = ((u > least) & (u <= most)) ? ~(U)0 : 0;
  F(angle) near = F(angle_near)(a);
#ifdef __CUDA_ARCH__
  if (!is_far) return near;
#endif
  u = u > least ? u : least;
  f64_far_angle far = F(angle_far)(OF_BITS(u < most ? u : most));
  T r = (T)far.r, low = (T)(far.r - (double)r + far.low);
  F(angle)
  angle = {F(either)(r, near.r, is_far), F(either)(low, near.low, is_far),
           (far.quarter & is_far) | (near.quarter & ~is_far)};
  return angle;
}

CR__SCALAR T F(sin_part)(T r, T low, T z) { return FMA(r * z, F(sin_short)(z), low) + r; }
CR__SCALAR T F(cos_part)(T r, T low, T z) {
  return FMA(z, FMA(z, F(cos_short)(z), (T)-0.5), -r * low) + 1;
}

/* The sine of an angle plus `more` quarters; of the sign's bit, given as well, the opposite if it is set. */
CR__SCALAR T F(sin_angle)(F(angle) a, U more, U sign) {
  T z = a.r * a.r, s = F(sin_part)(a.r, a.low, z), c = F(cos_part)(a.r, a.low, z);
  U quarter = a.quarter + more;
  T value = quarter & 1 ? c : s;
  return OF_BITS(BITS(value) ^ (quarter & 2) << (8 * sizeof(T) - 2) ^ sign);
}
CR__SCALAR T F(tan_angle)(F(angle) a, U sign) {
  T z = a.r * a.r, s = F(sin_part)(a.r, a.low, z), c = F(cos_part)(a.r, a.low, z);
  int odd = a.quarter & 1;
  T above = odd ? c : s, below = odd ? s : c;
  return OF_BITS(BITS(above / below) ^ (a.quarter & 1) << (8 * sizeof(T) - 1) ^ sign);
}
CR__SCALAR U F(sign_of)(T x) { return BITS(x) & BITS((T)-0.0); }

/* Infinite angles are NaN, or unknown in the first three. */
CR__SCALAR T F(sin_near)(T x) {
  T a = M(fabs)(x);
  return F(unless)(F(sin_angle)(F(angle_near)(a), 0, F(sign_of)(x)), !(a <= NEAR));
}
CR__SCALAR T F(cos_near)(T x) {
  T a = M(fabs)(x);
  return F(unless)(F(sin_angle)(F(angle_near)(a), 1, 0), !(a <= NEAR));
}
CR__SCALAR T F(tan_near)(T x) {
  T a = M(fabs)(x);
  return F(unless)(F(tan_angle)(F(angle_near)(a), F(sign_of)(x)), !(a <= NEAR));
}
CR__SCALAR T F(sin)(T x) { return F(sin_angle)(F(angle_of)(M(fabs)(x)), 0, F(sign_of)(x)); }
CR__SCALAR T F(cos)(T x) { return F(sin_angle)(F(angle_of)(M(fabs)(x)), 1, 0); }
CR__SCALAR T F(tan)(T x) { return F(tan_angle)(F(angle_of)(M(fabs)(x)), F(sign_of)(x)); }

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

/* The angle of the point (x, y): atan of the smaller coordinate's quotient by the larger one, t <= 1, added to or
 * subtracted from a multiple n of pi / 2. */
CR__SCALAR T F(atan2)(T y, T x) {
  const U sign = BITS((T)-0.0);
  T ax = M(fabs)(x), ay = M(fabs)(y), high = ax > ay ? ax : ay, low = ax < ay ? ax : ay;
  T t = low / high, z;
  t = low == high ? (high > 0 ? 1 : 0) : t;
  z = t * t;
  T q = FMA(t * z, F(atan_rest)(z), t);
  U steep = ay > ax ? sign : 0, left = BITS(x) & sign;
  T n = ay > ax ? 1 : 0, m = OF_BITS(BITS(n) ^ left); /* n or -n */
  m = m + OF_BITS(BITS((T)2) & (left ? ~(U)0 : 0));
  q = OF_BITS(BITS(q) ^ steep ^ left);
  T angle = FMA(m, HALF_PI, FMA(m, HALF_PI_LOW, q));
  return ((x != x) | (y != y)) ? (T)NAN : M(copysign)(angle, y);
}
CR__SCALAR T F(atan)(T x) {
  const U sign = BITS((T)-0.0);
  T a = M(fabs)(x), high = a > 1 ? a : 1, low = a < 1 ? a : 1, t = low / high, z = t * t;
  T q = FMA(t * z, F(atan_rest)(z), t), n = a > 1 ? 1 : 0;
  q = OF_BITS(BITS(q) ^ (a > 1 ? sign : 0));
  T angle = FMA(n, HALF_PI, FMA(n, HALF_PI_LOW, q));
  return M(copysign)(x != x ? x : angle, x);
}
