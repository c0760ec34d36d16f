/* scalar_math.h: the elementary functions of float and double, in place of libm's, for the CPU and for CUDA.
 *
 * Holds true: of libm, only what IEEE 754 rounds correctly is called (sqrt, rint, fma and the like), and objects
 * that include this file are built without contraction of a * b + c (-ffp-contract=off, nvcc
 * -fmad=false): the same arguments give the same bits at every level of the instruction set and on every device.
 *
 * T: the type; U, I: integers of its size; EPSILON: of its MANTISSA, in bits; BIAS: of its exponent; F: the
 * name of its function; M: the name of libm's; PICK: the first for float, the second for double. */
#ifndef CR__SCALAR_MATH_H
#define CR__SCALAR_MATH_H

#ifndef CR__SCALAR
#define CR__SCALAR static inline __attribute__((always_inline, unused))
#endif

#include "scalar_angle.h"
#include "scalar_bits.h"
#include "scalar_polynomials.h"

#define FMA F(fma)
#define BITS F(bits)
#define OF_BITS F(of_bits)

#define T double
#define U uint64_t
#define I int64_t
#define MANTISSA 52
#define BIAS 1023
#define EPSILON 0x1p-52
#define F(name) f64_##name
#define M(name) name
#define PICK(single, twice) twice
#include "scalar_exp.h"
#include "scalar_log.h"
#include "scalar_trig.h"
#include "scalar_erf.h"
#undef T
#undef U
#undef I
#undef MANTISSA
#undef BIAS
#undef EPSILON
#undef F
#undef M
#undef PICK

#define T float
#define U uint32_t
#define I int32_t
#define MANTISSA 23
#define BIAS 127
#define EPSILON 0x1p-23f
#define F(name) f32_##name
#define M(name) name##f
#define PICK(single, twice) single
#include "scalar_exp.h"
#include "scalar_log.h"
#include "scalar_trig.h"
#include "scalar_erf.h"
#undef T
#undef U
#undef I
#undef MANTISSA
#undef BIAS
#undef EPSILON
#undef F
#undef M
#undef PICK

#include "scalar_gamma.h"
#include "scalar_normal.h"
#include "scalar_pow.h"

#endif
