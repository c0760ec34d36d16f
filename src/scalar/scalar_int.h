/* scalar_int.h: scalar functions of one integer type; scalar.h includes this once per type.
 *
 * Holds true: all arithmetic wraps, also in the smallest value over -1. */

/* uint8 has no negatives, which makes some comparisons here constant. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtype-limits"

CR__SCALAR T F(abs)(T x) { return (T)(x < 0 ? (U)0 - (U)x : (U)x); }
CR__SCALAR T F(sign)(T x) { return (T)((x > 0) - (x < 0)); }
CR__SCALAR T F(floor)(T x) { return x; }
CR__SCALAR T F(ceil)(T x) { return x; }
CR__SCALAR T F(round)(T x) { return x; }
CR__SCALAR T F(trunc)(T x) { return x; }
CR__SCALAR T F(isnan)(T x) { return (void)x, 0; }
CR__SCALAR T F(isinf)(T x) { return (void)x, 0; }
CR__SCALAR T F(isposinf)(T x) { return (void)x, 0; }
CR__SCALAR T F(isneginf)(T x) { return (void)x, 0; }
CR__SCALAR T F(isfinite)(T x) { return (void)x, 1; }
CR__SCALAR T F(signbit)(T x) { return x < 0; }
CR__SCALAR T F(bit_not)(T x) { return (T)~x; }

CR__SCALAR T F(maximum)(T x, T y) { return x > y ? x : y; }
CR__SCALAR T F(minimum)(T x, T y) { return x < y ? x : y; }
CR__SCALAR T F(fmax)(T x, T y) { return x > y ? x : y; }
CR__SCALAR T F(fmin)(T x, T y) { return x < y ? x : y; }
CR__SCALAR T F(clamp)(T x, T low, T high) { return F(minimum)(F(maximum)(x, low), high); }

/* |x - y| <= z, where z has no sign. */
CR__SCALAR T F(is_near)(T x, T y, T z) { return (U)(x > y ? (U)x - (U)y : (U)y - (U)x) <= (U)z; }

/* Rounds towards zero. */
CR__SCALAR T F(div_trunc)(T x, T y) {
  if (y == 0) return 0;
  if (S && y == (T)-1) return (T)((U)0 - (U)x);
  return (T)(x / y);
}

CR__SCALAR T F(fmod)(T x, T y) {
  if (y == 0 || (S && y == (T)-1)) return 0;
  return (T)(x % y);
}

CR__SCALAR T F(floor_div)(T x, T y) {
  T q = F(div_trunc)(x, y), r = F(fmod)(x, y);
  return (T)(q - (r != 0 && (r < 0) != (y < 0)));
}

/* Has the sign of y. */
CR__SCALAR T F(remainder)(T x, T y) {
  T r = F(fmod)(x, y);
  return (T)(r != 0 && (r < 0) != (y < 0) ? r + y : r);
}

CR__SCALAR T F(pow)(T x, T y) {
  if (y < 0) return x == 1 ? 1 : S && x == (T)-1 ? (y & 1 ? (T)-1 : 1) : 0;
  U base = (U)x, result = 1;
  for (; y; y = (T)(y >> 1)) {
    if (y & 1) result *= base;
    base *= base;
  }
  return (T)result;
}

/* The greatest common divisor, and the least common multiple, of what x and y are without signs; 0 if none. */
CR__SCALAR T F(gcd)(T x, T y) {
  U a = x < 0 ? (U)0 - (U)x : (U)x, b = y < 0 ? (U)0 - (U)y : (U)y;
  while (b) {
    U rest = a % b;
    a = b;
    b = rest;
  }
  return (T)a;
}
CR__SCALAR T F(lcm)(T x, T y) {
  U a = x < 0 ? (U)0 - (U)x : (U)x, b = y < 0 ? (U)0 - (U)y : (U)y, divisor = (U)F(gcd)(x, y);
  return divisor ? (T)(a / divisor * b) : 0;
}

/* A shift by as many bits as there are, or by a negative count, moves every bit out. */
CR__SCALAR T F(shl)(T x, T y) { return y < 0 || y >= (T)(8 * sizeof(T)) ? 0 : (T)((U)x << y); }
CR__SCALAR T F(shr)(T x, T y) {
  if (y < 0 || y >= (T)(8 * sizeof(T))) return S && x < 0 ? (T)-1 : 0;
  return (T)(x >> y);
}

#pragma GCC diagnostic pop
