/* loops_join.c: elements added to, multiplied with or compared with those that are there, at positions or along a row;
 * compiled once per instruction set.
 *
 * Holds true: an element is computed in its own type, those of 16 bits in float32, and rounded once. Where there are
 * positions, one comes after the other: two of a run may go to one place. */
#include "cpu/index.h"
#include "halves.h"
#include "loops.h"

#define JOIN_LOOP(name, TYPE, SUM)                                                            \
  static void name(void *to, int64_t st, const int64_t *offset, const void *from, int64_t sf, \
                   int64_t n) {                                                               \
    TYPE *restrict a = to;                                                                    \
    const TYPE *restrict b = from;                                                            \
    if (offset && st == 0 && sf == 1) {                                                       \
      _Pragma("GCC unroll 8") for (int64_t j = 0; j < n; j++) a[offset[j]] =                  \
          SUM(a[offset[j]], b[j]);                                                            \
    } else if (offset) {                                                                      \
      for (int64_t j = 0; j < n; j++) {                                                       \
        TYPE *x = a + j * st + offset[j];                                                     \
        *x = SUM(*x, b[j * sf]);                                                              \
      }                                                                                       \
    } else if (st == 1 && sf == 1) {                                                          \
      _Pragma("omp simd") for (int64_t j = 0; j < n; j++) a[j] = SUM(a[j], b[j]);             \
    } else {                                                                                  \
      for (int64_t j = 0; j < n; j++) a[j * st] = SUM(a[j * st], b[j * sf]);                  \
    }                                                                                         \
  }
#define PLUS8(x, y) ((uint8_t)((x) + (y)))
#define PLUS16(x, y) ((uint16_t)((x) + (y)))
#define PLUS(x, y) ((x) + (y))
#define PLUS_HALF(x, y) store_f16(load_f16(x) + load_f16(y))
#define PLUS_BFLOAT(x, y) store_bf16(load_bf16(x) + load_bf16(y))
#define OR(x, y) ((x) | (y))
#define TIMES8(x, y) ((uint8_t)((x) * (y)))
#define TIMES16(x, y) ((uint16_t)((uint32_t)(x) * (y)))
#define TIMES(x, y) ((x) * (y))
#define TIMES_HALF(x, y) store_f16(load_f16(x) * load_f16(y))
#define TIMES_BFLOAT(x, y) store_bf16(load_bf16(x) * load_bf16(y))
#define AND(x, y) ((x) & (y))
/* Integers wrap, so signed ones are joined as unsigned. */
JOIN_LOOP(add_f64, double, PLUS)
JOIN_LOOP(add_f32, float, PLUS)
JOIN_LOOP(add_f16, uint16_t, PLUS_HALF)
JOIN_LOOP(add_bf16, uint16_t, PLUS_BFLOAT)
JOIN_LOOP(add_i64, uint64_t, PLUS)
JOIN_LOOP(add_i32, uint32_t, PLUS)
JOIN_LOOP(add_i16, uint16_t, PLUS16)
JOIN_LOOP(add_i8, uint8_t, PLUS8)
JOIN_LOOP(add_b8, uint8_t, OR)

JOIN_LOOP(multiply_f64, double, TIMES)
JOIN_LOOP(multiply_f32, float, TIMES)
JOIN_LOOP(multiply_f16, uint16_t, TIMES_HALF)
JOIN_LOOP(multiply_bf16, uint16_t, TIMES_BFLOAT)
JOIN_LOOP(multiply_i64, uint64_t, TIMES)
JOIN_LOOP(multiply_i32, uint32_t, TIMES)
JOIN_LOOP(multiply_i16, uint16_t, TIMES16)
JOIN_LOOP(multiply_i8, uint8_t, TIMES8)
JOIN_LOOP(multiply_b8, uint8_t, AND)

/* The larger, or the smaller one; NaN wins. The integer types have signs here. */
#define BEATS(a, compares, b) ((a) != (a) || (a)compares(b))
#define MORE(x, y) (BEATS(x, >, y) ? (x) : (y))
#define LESS(x, y) (BEATS(x, <, y) ? (x) : (y))
#define MORE_HALF(x, y) (BEATS(load_f16(x), >, load_f16(y)) ? (x) : (y))
#define LESS_HALF(x, y) (BEATS(load_f16(x), <, load_f16(y)) ? (x) : (y))
#define MORE_BFLOAT(x, y) (BEATS(load_bf16(x), >, load_bf16(y)) ? (x) : (y))
#define LESS_BFLOAT(x, y) (BEATS(load_bf16(x), <, load_bf16(y)) ? (x) : (y))
#define EXTREME_LOOPS(name, COMPARE)                 \
  JOIN_LOOP(name##_f64, double, COMPARE)             \
  JOIN_LOOP(name##_f32, float, COMPARE)              \
  JOIN_LOOP(name##_f16, uint16_t, COMPARE##_HALF)    \
  JOIN_LOOP(name##_bf16, uint16_t, COMPARE##_BFLOAT) \
  JOIN_LOOP(name##_i64, int64_t, COMPARE)            \
  JOIN_LOOP(name##_i32, int32_t, COMPARE)            \
  JOIN_LOOP(name##_i16, int16_t, COMPARE)            \
  JOIN_LOOP(name##_i8, int8_t, COMPARE)              \
  JOIN_LOOP(name##_u8, uint8_t, COMPARE)
EXTREME_LOOPS(largest, MORE)
EXTREME_LOOPS(smallest, LESS)
#define EXTREMES(name)                                                                            \
  {                                                                                               \
    [CR_FLOAT64] = name##_f64, [CR_FLOAT32] = name##_f32, [CR_FLOAT16] = name##_f16,              \
    [CR_BFLOAT16] = name##_bf16, [CR_INT64] = name##_i64, [CR_INT32] = name##_i32,                \
    [CR_INT16] = name##_i16, [CR_INT8] = name##_i8, [CR_UINT8] = name##_u8, [CR_BOOL] = name##_u8 \
  }

extern const cr__join_loops CR__PASTE(cr__join_loops_, CR__ISA);
const cr__join_loops CR__PASTE(cr__join_loops_, CR__ISA) = {
    .add = {[CR_FLOAT64] = add_f64,
            [CR_FLOAT32] = add_f32,
            [CR_FLOAT16] = add_f16,
            [CR_BFLOAT16] = add_bf16,
            [CR_INT64] = add_i64,
            [CR_INT32] = add_i32,
            [CR_INT16] = add_i16,
            [CR_INT8] = add_i8,
            [CR_UINT8] = add_i8,
            [CR_BOOL] = add_b8},
    .multiply = {[CR_FLOAT64] = multiply_f64,
                 [CR_FLOAT32] = multiply_f32,
                 [CR_FLOAT16] = multiply_f16,
                 [CR_BFLOAT16] = multiply_bf16,
                 [CR_INT64] = multiply_i64,
                 [CR_INT32] = multiply_i32,
                 [CR_INT16] = multiply_i16,
                 [CR_INT8] = multiply_i8,
                 [CR_UINT8] = multiply_i8,
                 [CR_BOOL] = multiply_b8},
    .largest = EXTREMES(largest),
    .smallest = EXTREMES(smallest),
};
