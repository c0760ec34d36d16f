/* loops_gemm.c: the inner loops of matrix multiplication; compiled once per instruction set.
 *
 * Holds true: a product and its sum are one rounding (FMA) where the instruction set has that, and two
 * where it has not. Integers wrap. */
#include <string.h>

#include "cpu/convert.h"
#include "cpu/gemm.h"
#include "fma.h"

#define INLINE static inline __attribute__((always_inline))

/* Registers for 14 x 2 vectors where there are 32 of them, for 6 x 2 where there are 16. */
#if BYTES == 64
#define ROWS 14
#define FOR_ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#else
#define ROWS 6
#define FOR_ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6)
#endif

#define LOW_2 0, 2
#define HIGH_2 1, 3
#define LOW_4 0, 4, 1, 5
#define HIGH_4 2, 6, 3, 7
#define LOW_8 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH_8 4, 12, 5, 13, 6, 14, 7, 15
#define LOW_16 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH_16 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31

/* Lanes of 4 and of 8 bytes. */
#if BYTES == 64
#define MASKED 1
#define LOW4 LOW_16
#define HIGH4 HIGH_16
#define LOW8 LOW_8
#define HIGH8 HIGH_8
#define SOME(n) ((1u << (n)) - 1)
#define LOAD4(p, n) _mm512_maskz_loadu_epi32((__mmask16)SOME(n), p)
#define LOAD8(p, n) _mm512_maskz_loadu_epi64((__mmask8)SOME(n), p)
#define STORE4(p, v, n) _mm512_mask_storeu_epi32(p, (__mmask16)SOME(n), (__m512i)(v))
#define STORE8(p, v, n) _mm512_mask_storeu_epi64(p, (__mmask8)SOME(n), (__m512i)(v))
#else
#define MASKED 0
#if BYTES == 32
#define LOW4 LOW_8
#define HIGH4 HIGH_8
#define LOW8 LOW_4
#define HIGH8 HIGH_4
#else
#define LOW4 LOW_4
#define HIGH4 HIGH_4
#define LOW8 LOW_2
#define HIGH8 HIGH_2
#endif
#endif

typedef uint32_t i32s __attribute__((vector_size(BYTES)));
typedef uint64_t i64s __attribute__((vector_size(BYTES)));

#define T float
#define DTYPE CR_FLOAT32
#define V f32s
#define LANES (BYTES / 4)
#define LOW LOW4
#define HIGH HIGH4
#define LOAD_SOME LOAD4
#define STORE_SOME STORE4
#define FMA FMA_F32
#define NAME(x) f32_##x
#include "gemm_loops.h"

#define T double
#define DTYPE CR_FLOAT64
#define V f64s
#define LANES (BYTES / 8)
#define LOW LOW8
#define HIGH HIGH8
#define LOAD_SOME LOAD8
#define STORE_SOME STORE8
#define FMA FMA_F64
#define NAME(x) f64_##x
#include "gemm_loops.h"

#define WRAPPING(a, b, c) ((a) * (b) + (c))
#define T uint32_t
#define DTYPE CR_INT32
#define V i32s
#define LANES (BYTES / 4)
#define LOW LOW4
#define HIGH HIGH4
#define LOAD_SOME LOAD4
#define STORE_SOME STORE4
#define FMA WRAPPING
#define NAME(x) i32_##x
#include "gemm_loops.h"

#define T uint64_t
#define DTYPE CR_INT64
#define V i64s
#define LANES (BYTES / 8)
#define LOW LOW8
#define HIGH HIGH8
#define LOAD_SOME LOAD8
#define STORE_SOME STORE8
#define FMA WRAPPING
#define NAME(x) i64_##x
#include "gemm_loops.h"

#define T float
#define V f32s
#define LANES (BYTES / 4)
#define FMA FMA_F32
#define TOTAL f
#define NAME(x) vf32_##x
#include "gemv_loops.h"

#define T double
#define V f64s
#define LANES (BYTES / 8)
#define FMA FMA_F64
#define TOTAL f
#define NAME(x) vf64_##x
#include "gemv_loops.h"

#define T uint32_t
#define V i32s
#define LANES (BYTES / 4)
#define FMA WRAPPING
#define TOTAL i
#define NAME(x) vi32_##x
#include "gemv_loops.h"

#define T uint64_t
#define V i64s
#define LANES (BYTES / 8)
#define FMA WRAPPING
#define TOTAL i
#define NAME(x) vi64_##x
#include "gemv_loops.h"

/* So deep that reading and writing c hides behind a tile; a panel of a passes through the first cache. */
#define LOOPS(t, type)                                                               \
  {                                                                                  \
    .dtype = type, .rows = ROWS, .cols = t##_COLS, .depth = 2048 * t##_COLS / BYTES, \
    .masked = MASKED,                                                                \
    .most_rows = BYTES == 64   ? 6                                                   \
                 : BYTES == 32 ? 3                                                   \
                               : 2,                                                  \
    .tile = t##_tile, .pack = t##_pack, .few = t##_few,                              \
  }
#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
extern const cr__gemm_isa JOIN(cr__gemm, CR__ISA);
const cr__gemm_isa JOIN(cr__gemm, CR__ISA) = {
    .f32 = LOOPS(f32, CR_FLOAT32),
    .f64 = LOOPS(f64, CR_FLOAT64),
    .i32 = LOOPS(i32, CR_INT32),
    .i64 = LOOPS(i64, CR_INT64),
    .vf32 = {CR_FLOAT32, vf32_dot, vf32_rows},
    .vf64 = {CR_FLOAT64, vf64_dot, vf64_rows},
    .vi32 = {CR_INT32, vi32_dot, vi32_rows},
    .vi64 = {CR_INT64, vi64_dot, vi64_rows},
};
