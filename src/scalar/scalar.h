/* scalar.h: the functions that the pointwise texts of the catalogue call, once per compute type.
 *
 * Holds true: a function is pure, takes and gives one type, and never traps: integers wrap, division
 * of an integer by zero gives 0 (the engine has refused it before). The same text serves every
 * backend, which may set CR__SCALAR. Texts say `tanh(x)`; the generator writes `f32_tanh(x)`. */
#ifndef CR__SCALAR_H
#define CR__SCALAR_H

#include <math.h>
#include <stdint.h>

#ifndef CR__SCALAR
#define CR__SCALAR static inline __attribute__((always_inline, unused))
#endif

#include "scalar_math.h"

/* T: the type; EPSILON: of its mantissa; F: the name of its function; M: the name of libm's. */
#define T double
#define EPSILON 0x1p-52
#define F(name) f64_##name
#define M(name) name
#define CR__GELU
#include "scalar_float.h"
#include "scalar_slope.h"
#include "scalar_special.h"
#undef CR__GELU
#undef T
#undef EPSILON
#undef F
#undef M

#define T float
#define EPSILON 0x1p-23f
#define F(name) f32_##name
#define M(name) name##f
#include "scalar_float.h"
#include "scalar_slope.h"
#include "scalar_special.h"
#undef T
#undef EPSILON
#undef F
#undef M

#include "scalar_polygamma.h"
#include "scalar_parts.h"

/* T: the type; U: the unsigned type in which it wraps; S: whether it has a sign. */
#define T int64_t
#define U uint64_t
#define S 1
#define F(name) i64_##name
#include "scalar_int.h"
#undef T
#undef U
#undef S
#undef F

#define T int32_t
#define U uint32_t
#define S 1
#define F(name) i32_##name
#include "scalar_int.h"
#undef T
#undef U
#undef S
#undef F

#define T int16_t
#define U uint32_t
#define S 1
#define F(name) i16_##name
#include "scalar_int.h"
#undef T
#undef U
#undef S
#undef F

#define T int8_t
#define U uint32_t
#define S 1
#define F(name) i8_##name
#include "scalar_int.h"
#undef T
#undef U
#undef S
#undef F

#define T uint8_t
#define U uint32_t
#define S 0
#define F(name) u8_##name
#include "scalar_int.h"
#undef T
#undef U
#undef S
#undef F

/* bool: 0 or 1; a loop brings what these give back to 0 or 1. */
CR__SCALAR uint8_t b8_sign(uint8_t x) { return x; }
CR__SCALAR uint8_t b8_bit_not(uint8_t x) { return !x; }
CR__SCALAR uint8_t b8_maximum(uint8_t x, uint8_t y) { return x | y; }
CR__SCALAR uint8_t b8_minimum(uint8_t x, uint8_t y) { return x & y; }
CR__SCALAR uint8_t b8_fmax(uint8_t x, uint8_t y) { return x | y; }
CR__SCALAR uint8_t b8_fmin(uint8_t x, uint8_t y) { return x & y; }
CR__SCALAR uint8_t b8_isnan(uint8_t x) { return (void)x, 0; }
CR__SCALAR uint8_t b8_isinf(uint8_t x) { return (void)x, 0; }
CR__SCALAR uint8_t b8_isfinite(uint8_t x) { return (void)x, 1; }
CR__SCALAR uint8_t b8_isposinf(uint8_t x) { return (void)x, 0; }
CR__SCALAR uint8_t b8_isneginf(uint8_t x) { return (void)x, 0; }
CR__SCALAR uint8_t b8_signbit(uint8_t x) { return (void)x, 0; }

#endif
