/* loops_gemm.c: the inner loops of matrix multiplication; compiled once per instruction set.
 *
 * Holds true: a product and its sum are one rounding (FMA) where the instruction set has that, and two
 * where it has not. */
#include <string.h>

#include "cpu/gemm.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#define BYTES 64
#define ROWS 12
#define FMA_F32(a, b, c) ((f32s)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define FMA_F64(a, b, c) ((f64s)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#elif defined(__FMA__)
#include <immintrin.h>
#define BYTES 32
#define ROWS 6
#define FMA_F32(a, b, c) ((f32s)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define FMA_F64(a, b, c) ((f64s)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#else
#define BYTES 16
#define ROWS 6
#define FMA_F32(a, b, c) ((a) * (b) + (c))
#define FMA_F64(a, b, c) ((a) * (b) + (c))
#endif

typedef float f32s __attribute__((vector_size(BYTES)));
typedef double f64s __attribute__((vector_size(BYTES)));

#define T float
#define V f32s
#define LANES (BYTES / 4)
#define FMA FMA_F32
#define NAME(x) f32_##x
#include "cpu/gemm_loops.h"

#define T double
#define V f64s
#define LANES (BYTES / 8)
#define FMA FMA_F64
#define NAME(x) f64_##x
#include "cpu/gemm_loops.h"

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
extern const cr__gemm_isa JOIN(cr__gemm, CR__ISA);
const cr__gemm_isa JOIN(cr__gemm, CR__ISA) = {
    .f32 = {ROWS, f32_COLS, f32_tile, f32_pack, f32_dot, f32_columns},
    .f64 = {ROWS, f64_COLS, f64_tile, f64_pack, f64_dot, f64_columns},
};
