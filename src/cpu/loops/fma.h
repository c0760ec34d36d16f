/* fma.h: vectors of the instruction set, and a product and its sum over them.
 *
 * Holds true: that is one rounding where the instruction set has it, and two where it has not. */
#ifndef CR__LOOPS_FMA_H
#define CR__LOOPS_FMA_H

#if defined(__AVX512F__)
#include <immintrin.h>
#define BYTES 64
#define FMA_F32(a, b, c) ((f32s)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define FMA_F64(a, b, c) ((f64s)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#elif defined(__FMA__)
#include <immintrin.h>
#define BYTES 32
#define FMA_F32(a, b, c) ((f32s)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define FMA_F64(a, b, c) ((f64s)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#else
#define BYTES 16
#define FMA_F32(a, b, c) ((a) * (b) + (c))
#define FMA_F64(a, b, c) ((a) * (b) + (c))
#endif

typedef float f32s __attribute__((vector_size(BYTES)));
typedef double f64s __attribute__((vector_size(BYTES)));

#endif
