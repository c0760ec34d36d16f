/* scalar.h: the functions that the pointwise texts of the catalogue call, once per compute type.
 *
 * Holds true: a function is pure, takes and gives one type, and never traps: integers wrap, division
 * of an integer by zero gives 0 (the engine has refused it before). The same text serves every
 * backend, which may set CR__SCALAR, and CR__EXP_F32 and the like if it has a better one of these. Texts
 * say `tanh(x)`; the generator writes `f32_tanh(x)`. */
#ifndef CR__SCALAR_H
#define CR__SCALAR_H

#include <math.h>
#include <stdint.h>

#ifndef CR__SCALAR
#define CR__SCALAR static inline __attribute__((always_inline, unused))
#endif

#define EXP(x) M(exp)(x)
#define SIGMOID(x) F(logistic)(x)
#define TANH(x) M(tanh)(x)
/* lgamma itself would write to a global variable. */
#ifndef CR__LGAMMA_F64
#define CR__LGAMMA_F64(x) lgamma_r(x, &(int){0})
#endif
#ifndef CR__LGAMMA_F32
#define CR__LGAMMA_F32(x) lgammaf_r(x, &(int){0})
#endif
#define NORMAL_CDF(x) ((T)0.5 * M(erfc)((x) * -(T)0.70710678118654752440))
/* Of -infinity, as of -100, these are 0. */
#define GELU(x) (F(normal_cdf)(x) * F(maximum)(x, -100))
#define GELU_D(x) (F(normal_cdf)(x) + F(normal_pdf)(x) * F(clamp)(x, -100, 100))

/* T: the type; EPSILON: of its mantissa; F: the name of its function; M: the name of libm's. */
#define T double
#define EPSILON 0x1p-52
#define F(name) f64_##name
#define M(name) name
#define LGAMMA CR__LGAMMA_F64
#include "scalar_float.h"
#include "scalar_slope.h"
#include "scalar_special.h"
#undef T
#undef EPSILON
#undef F
#undef M

#ifdef CR__EXP_F32
#undef EXP
#define EXP CR__EXP_F32
#endif
#ifdef CR__TANH_F32
#undef TANH
#define TANH CR__TANH_F32
#endif
#ifdef CR__SIGMOID_F32
#undef SIGMOID
#define SIGMOID CR__SIGMOID_F32
#endif
#ifdef CR__NORMAL_CDF_F32
#undef NORMAL_CDF
#define NORMAL_CDF CR__NORMAL_CDF_F32
#endif
#ifdef CR__GELU_F32
#undef GELU
#define GELU CR__GELU_F32
#endif
#ifdef CR__GELU_D_F32
#undef GELU_D
#define GELU_D CR__GELU_D_F32
#endif
#define T float
#define EPSILON 0x1p-23f
#define F(name) f32_##name
#define M(name) name##f
#undef LGAMMA
#define LGAMMA CR__LGAMMA_F32
#include "scalar_float.h"
#include "scalar_slope.h"
#include "scalar_special.h"
#undef T
#undef EPSILON
#undef F
#undef M

#include "scalar_polygamma.h"

#undef EXP
#undef SIGMOID
#undef TANH
#undef NORMAL_CDF
#undef GELU
#undef GELU_D
#undef LGAMMA

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
