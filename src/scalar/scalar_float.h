/* scalar_float.h: scalar functions of one floating type; scalar.h includes this once per type.
 *
 * Holds true: functions with a choice in them compute both sides, so that loops over them turn into
 * vector code: a call in a branch would not. */

#define PASS1(name) \
  CR__SCALAR T F(name)(T x) { return M(name)(x); }
#define PASS2(name) \
  CR__SCALAR T F(name)(T x, T y) { return M(name)(x, y); }
PASS1(sqrt)
PASS1(floor)
PASS1(ceil)
PASS1(trunc)
PASS2(fmod)
PASS2(copysign)
#undef PASS1
#undef PASS2

CR__SCALAR T F(abs)(T x) { return M(fabs)(x); }
CR__SCALAR T F(sign)(T x) { return (T)(x > 0) - (T)(x < 0); }
CR__SCALAR T F(round)(T x) { return M(rint)(x); } /* half to even */
CR__SCALAR T F(isnan)(T x) { return x != x; }
CR__SCALAR T F(nan)(T x) { return x * (T)NAN; }
CR__SCALAR T F(isinf)(T x) { return M(fabs)(x) == (T)INFINITY; }
CR__SCALAR T F(isposinf)(T x) { return x == (T)INFINITY; }
CR__SCALAR T F(isneginf)(T x) { return x == -(T)INFINITY; }
CR__SCALAR T F(isfinite)(T x) { return M(fabs)(x) < (T)INFINITY; }
CR__SCALAR T F(signbit)(T x) { return M(copysign)((T)1, x) < 0; }

/* NaN wins in maximum and minimum, and loses in fmax and fmin. */
CR__SCALAR T F(maximum)(T x, T y) { return ((x != x) | (x > y)) ? x : y; }
CR__SCALAR T F(minimum)(T x, T y) { return ((x != x) | (x < y)) ? x : y; }
CR__SCALAR T F(fmax)(T x, T y) { return ((y != y) | (x > y)) ? x : y; }
CR__SCALAR T F(fmin)(T x, T y) { return ((y != y) | (x < y)) ? x : y; }
/* minimum(maximum(x, low), high), put so that the compiler does not split it into branches. */
CR__SCALAR T F(clamp)(T x, T low, T high) {
  T least = F(maximum)(x, low);
  return ((high != high) | (least >= high)) ? high : least;
}

CR__SCALAR T F(div_trunc)(T x, T y) { return M(trunc)(x / y); }

/* fmod where the quotient's whole part fits a mantissa: x - trunc(x / y) y is then a number of the type, so
 * rounding it once keeps it. The rounded quotient may reach the next whole number. */
CR__SCALAR T F(fmod_near)(T x, T y) {
  T r = F(fma)(-M(trunc)(x / y), y, x), same = M(copysign)(r, x);
  T rest = same == r ? same : r + M(copysign)(y, x);
  return M(fabs)(x) < M(fabs)(y) ? x : rest;
}
/* Whether it does not, of numbers whose remainder is one. An emulated fma would be too slow, and is not exact for
 * subnormal numbers: then nothing is known. */
CR__SCALAR int F(quotient_far)(T x, T y) {
#ifdef CR__EMULATED_FMA
  return (void)x, (void)y, 1;
#else
  return (M(fabs)(x) < (T)INFINITY) & (y != 0) & (M(fabs)(x / y) >= 1 / EPSILON);
#endif
}

/* The remainder with the sign of y, given that with the sign of the dividend. */
CR__SCALAR T F(remainder_of)(T r, T y) { return ((r != 0) & ((r < 0) != (y < 0))) ? r + y : r; }
CR__SCALAR T F(remainder)(T x, T y) { return F(remainder_of)(M(fmod)(x, y), y); }

/* The floor of the true quotient, not of the rounded one; consistent with remainder. r = fmod(x, y) */
CR__SCALAR T F(floor_div_of)(T x, T y, T r) {
  T q = (x - r) / y;
  q = ((r != 0) & ((r < 0) != (y < 0))) ? q - 1 : q;
  T whole = M(floor)(q);
  whole = q - whole > (T)0.5 ? whole + 1 : whole;
  return y == 0 ? x / y : q != 0 ? whole : M(copysign)((T)0, x / y);
}
CR__SCALAR T F(floor_div)(T x, T y) { return F(floor_div_of)(x, y, M(fmod)(x, y)); }

/* Rounds to a number of decimals. */
CR__SCALAR T F(round_to)(T x, T decimals) {
  T scale = F(pow)((T)10, M(fabs)(decimals));
  return decimals < 0 ? M(rint)(x / scale) * scale : M(rint)(x * scale) / scale;
}

CR__SCALAR T F(lerp)(T x, T y, T weight) {
  return M(fabs)(weight) < (T)0.5 ? x + weight * (y - x) : y - (y - x) * (1 - weight);
}

CR__SCALAR T F(is_close)(T x, T y, T relative, T absolute, T equal_nan) {
  T distance = M(fabs)(x - y);
  return (x == y) | ((equal_nan != 0) & (x != x) & (y != y)) |
         ((distance < (T)INFINITY) & (distance <= absolute + M(fabs)(relative * y)));
}

/* ---- Exponentials ---- */

/* log(exp(x) + exp(y)) */
CR__SCALAR T F(logaddexp)(T x, T y) {
  T sum = F(maximum)(x, y) + F(log1p_short)(F(exp_falling)(-M(fabs)(x - y)));
  return ((x == y) & (M(fabs)(x) == (T)INFINITY)) ? x : sum;
}

/* log2(2^x + 2^y) */
CR__SCALAR T F(logaddexp2)(T x, T y) {
  T sum = F(maximum)(x, y) +
          F(log1p)(F(exp2)(-M(fabs)(x - y))) * (T)1.44269504088896340736; /* 1 / log(2) */
  return ((x == y) & (M(fabs)(x) == (T)INFINITY)) ? x : sum;
}

/* x log(y), 0 where x is 0 unless y is NaN */
CR__SCALAR T F(xlogy)(T x, T y) {
  T product = x * F(log)(y);
  return ((x == 0) & (y == y)) ? 0 : product;
}

/* eps < 0: no clamping of x to [eps, 1 - eps] */
CR__SCALAR T F(logit)(T x, T eps) {
  T inside = F(clamp)(x, eps, 1 - eps);
  T p = eps < 0 ? x : inside;
  return F(log)(p / (1 - p));
}
