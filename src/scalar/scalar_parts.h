/* scalar_parts.h: what floating numbers are made of, and which number comes next.
 *
 * Holds true: a number is (m, e) with x = m 2^e and 1/2 <= |m| < 1; of 0, infinity and NaN it is (x, 0). Nothing
 * branches, so that loops turn into vector code. */

#define CR__PARTS(P, T, U, I, MANTISSA, BIAS, UP)                                                  \
  /* x, or x times 2^UP where it is no normal number. */                                           \
  CR__SCALAR T P##_lifted(T x, int low) { return low ? x * (T)((U)1 << UP) : x; }                  \
  CR__SCALAR int P##_is_subnormal(T x) { return (P##_bits(x) >> MANTISSA & (2 * BIAS + 1)) == 0; } \
  CR__SCALAR int P##_has_parts(T x) { return (x != 0) & (x - x == 0); }                            \
  CR__SCALAR T P##_frexp_mantissa(T x) {                                                           \
    U u = P##_bits(P##_lifted(x, P##_is_subnormal(x))), exponent = (U)(2 * BIAS + 1) << MANTISSA;  \
    T m = P##_of_bits((u & ~exponent) | (U)(BIAS - 1) << MANTISSA);                                \
    return P##_has_parts(x) ? m : x;                                                               \
  }                                                                                                \
  CR__SCALAR T P##_frexp_exponent(T x) {                                                           \
    int low = P##_is_subnormal(x);                                                                 \
    I e = (I)(P##_bits(P##_lifted(x, low)) >> MANTISSA & (2 * BIAS + 1)) - (BIAS - 1) -            \
          (low ? UP : 0);                                                                          \
    return P##_has_parts(x) ? (T)e : 0;                                                            \
  }                                                                                                \
  /* The number after x on the way to y, of those whose bits end in zeros below `unit`. */         \
  CR__SCALAR T P##_step(T x, T y, U unit) {                                                        \
    U u = P##_bits(x);                                                                             \
    T r = P##_of_bits((y > x) == (x > 0) ? u + unit : u - unit);                                   \
    r = x == 0 ? P##_of_bits(unit | (P##_bits(y) & (U)1 << (8 * sizeof(T) - 1))) : r;              \
    return x == y ? y : x != x ? x : y != y ? y : r;                                               \
  }

CR__PARTS(f64, double, uint64_t, int64_t, 52, 1023, 54)
CR__PARTS(f32, float, uint32_t, int32_t, 23, 127, 25)
#undef CR__PARTS

/* The number after x on the way to y; kind: 1 of float16, 2 of bfloat16, else of the type itself. */
CR__SCALAR double f64_next(double x, double y, double kind) {
  (void)kind;
  return f64_step(x, y, 1);
}
/* Normal float16 end 13 bits earlier than floats, the others lie 2^-24 apart. */
CR__SCALAR float f32_next(float x, float y, float kind) {
  uint32_t half = 0 - (uint32_t)(kind == 1), unit = 1 + (half & 0x1fff) + (kind == 2) * 0xffffu;
  int grows = (y > x) == (x > 0);
  float size = fabsf(x), least = copysignf(0x1p-24f, x), near = grows ? x + least : x - least;
  uint32_t fine = 0 - (uint32_t)((size < 0x1p-14f) | (!grows & (size == 0x1p-14f)));
  float r = f32_either(near, f32_step(x, y, unit), fine & half);
  r = f32_either(copysignf(65504, x), r, half & (0 - (uint32_t)(size == INFINITY)));
  r = f32_either(copysignf(0x1p-24f, y), r, half & (0 - (uint32_t)(x == 0)));
  return x == y ? y : x != x ? x : y != y ? y : r;
}
