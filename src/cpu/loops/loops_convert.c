/* loops_convert.c: conversions between all dtypes, for one instruction set (CR__ISA).
 *
 * Holds true: floats become integers by truncation and wrap into narrower ones; what int64 cannot
 * hold (NaN too) becomes its smallest value first. Anything but zero becomes true. float16 and
 * bfloat16 are rounded to nearest, ties to even, by way of float32. No branch is taken, so that the
 * loops turn into vector code. */
#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "halves.h"
#include "loops.h"
#include "cpu/cpu.h"
#include "cpu/stream.h"

INLINE int64_t whole_f64(double x) { return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN; }
INLINE int64_t whole_f32(float x) { return x >= -0x1p63f && x < 0x1p63f ? (int64_t)x : INT64_MIN; }

/* To uint64, which holds more. */
INLINE uint64_t bits_whole_f64(double x) {
  return x >= 0x1p63 && x < 0x1p64 ? (uint64_t)x : (uint64_t)whole_f64(x);
}
INLINE uint64_t bits_whole_f32(float x) {
  return x >= 0x1p63f && x < 0x1p64f ? (uint64_t)x : (uint64_t)whole_f32(x);
}
#define bits_(x) (uint64_t)(x)

/* X(suffix, dtype, type in memory, type of the value, load, value as an integer) */
#define SOURCES(X, to)                                         \
  X(f64, FLOAT64, double, double, , whole_f64, to)             \
  X(f32, FLOAT32, float, float, , whole_f32, to)               \
  X(f16, FLOAT16, uint16_t, float, load_f16, whole_f32, to)    \
  X(bf16, BFLOAT16, uint16_t, float, load_bf16, whole_f32, to) \
  X(i64, INT64, int64_t, int64_t, , , to)                      \
  X(i32, INT32, int32_t, int32_t, , , to)                      \
  X(i16, INT16, int16_t, int16_t, , , to)                      \
  X(i8, INT8, int8_t, int8_t, , , to)                          \
  X(u8, UINT8, uint8_t, uint8_t, , , to)                       \
  X(b8, BOOL, uint8_t, uint8_t, , , to)
/* What is for storage need not be fast: the lowest level has it for all. */
#define STORED(X, to)                        \
  X(u16, UINT16, uint16_t, uint16_t, , , to) \
  X(u32, UINT32, uint32_t, uint32_t, , , to) \
  X(u64, UINT64, uint64_t, uint64_t, , , to)
#if defined(__x86_64__) && defined(__AVX2__)
#define HAS_STORED 0
#else
#define HAS_STORED 1
#endif

#define TO_f64(v, whole) (double)(v)
#define TO_f32(v, whole) (float)(v)
#define TO_f16(v, whole) store_f16((float)(v))
#define TO_bf16(v, whole) store_bf16((float)(v))
#define TO_i64(v, whole) (int64_t) whole(v)
#define TO_i32(v, whole) (int32_t) whole(v)
#define TO_i16(v, whole) (int16_t) whole(v)
#define TO_i8(v, whole) (int8_t) whole(v)
#define TO_u8(v, whole) (uint8_t) whole(v)
#define TO_b8(v, whole) (v) != 0
#define TO_u16(v, whole) (uint16_t) whole(v)
#define TO_u32(v, whole) (uint32_t) whole(v)
#define TO_u64(v, whole) bits_##whole(v)

typedef double memory_f64;
typedef float memory_f32;
typedef uint16_t memory_f16, memory_bf16;
typedef int64_t memory_i64;
typedef int32_t memory_i32;
typedef int16_t memory_i16;
typedef int8_t memory_i8;
typedef uint8_t memory_u8, memory_b8;
typedef uint16_t memory_u16;
typedef uint32_t memory_u32;
typedef uint64_t memory_u64;

#define CONVERTER(from, DTYPE, MEMORY, VALUE, load, whole, to)                   \
  static __attribute__((unused)) void from##_##to(int64_t n, void *restrict out, \
                                                  const void *restrict in) {     \
    memory_##to *restrict t = out;                                               \
    const MEMORY *restrict s = in;                                               \
    for (int64_t i = 0; i < n; i++) {                                            \
      VALUE v = load(s[i]);                                                      \
      t[i] = TO_##to(v, whole);                                                  \
    }                                                                            \
  }

#ifdef __F16C__
/* The machine converts between float16 and float32 itself, many at a time. */
static void half_to_float(int64_t n, void *restrict out, const void *restrict in) {
  const uint16_t *from = in;
  float *to = out;
  int64_t i = 0;
#ifdef __AVX512F__
  for (; i + 16 <= n; i += 16)
    _mm512_storeu_ps(to + i, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(from + i))));
#endif
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(from + i))));
  for (; i < n; i++) to[i] = _cvtsh_ss(from[i]);
}

static void float_to_half(int64_t n, void *restrict out, const void *restrict in) {
  const float *from = in;
  uint16_t *to = out;
  int64_t i = 0;
#ifdef __AVX512F__
  for (; i + 16 <= n; i += 16)
    _mm256_storeu_si256((__m256i *)(to + i), _mm512_cvtps_ph(_mm512_loadu_ps(from + i), 0));
#endif
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128((__m128i *)(to + i), _mm256_cvtps_ph(_mm256_loadu_ps(from + i), 0));
  for (; i < n; i++) to[i] = _cvtss_sh(from[i], 0);
}
#endif

SOURCES(CONVERTER, f64)
SOURCES(CONVERTER, f32)
SOURCES(CONVERTER, f16)
SOURCES(CONVERTER, bf16)
SOURCES(CONVERTER, i64)
SOURCES(CONVERTER, i32)
SOURCES(CONVERTER, i16)
SOURCES(CONVERTER, i8)
SOURCES(CONVERTER, u8)
SOURCES(CONVERTER, b8)
#if HAS_STORED
#define TO_STORED(X) SOURCES(X, u16) SOURCES(X, u32) SOURCES(X, u64)
#define FLOATS_STORED(X) STORED(X, f64) STORED(X, f32) STORED(X, f16) STORED(X, bf16)
#define SIGNED_STORED(X) STORED(X, i64) STORED(X, i32) STORED(X, i16) STORED(X, i8)
#define UNSIGNED_STORED(X) STORED(X, u8) STORED(X, b8) STORED(X, u16) STORED(X, u32) STORED(X, u64)
#define OF_STORED(X) FLOATS_STORED(X) SIGNED_STORED(X) UNSIGNED_STORED(X)
TO_STORED(CONVERTER)
OF_STORED(CONVERTER)
#else
#define TO_STORED(X)
#define OF_STORED(X)
#endif

#define CR__D_f64 CR_FLOAT64
#define CR__D_f32 CR_FLOAT32
#define CR__D_f16 CR_FLOAT16
#define CR__D_bf16 CR_BFLOAT16
#define CR__D_i64 CR_INT64
#define CR__D_i32 CR_INT32
#define CR__D_i16 CR_INT16
#define CR__D_i8 CR_INT8
#define CR__D_u8 CR_UINT8
#define CR__D_b8 CR_BOOL
#define CR__D_u16 CR_UINT16
#define CR__D_u32 CR_UINT32
#define CR__D_u64 CR_UINT64
#ifdef __F16C__
#define f16_f32 half_to_float
#define f32_f16 float_to_half
#endif
#define ENTRY(from, DTYPE, MEMORY, VALUE, load, whole, to) [CR_##DTYPE][CR__D_##to] = from##_##to,

const cr__convert_table CR__PASTE(cr__converters_, CR__ISA) = {
    SOURCES(ENTRY, f64) SOURCES(ENTRY, f32) SOURCES(ENTRY, f16) SOURCES(ENTRY, bf16)
        SOURCES(ENTRY, i64) SOURCES(ENTRY, i32) SOURCES(ENTRY, i16) SOURCES(ENTRY, i8)
            SOURCES(ENTRY, u8) SOURCES(ENTRY, b8) TO_STORED(ENTRY) OF_STORED(ENTRY)};

void CR__PASTE(cr__stream_, CR__ISA)(void *out, const void *in, size_t n) {
  cr__stream_lines(out, in, n);
#ifdef __x86_64__
  if (n == 0) _mm_sfence();
#endif
}

#define SPLAT(TYPE)                                \
  do {                                             \
    TYPE *to = out, value;                         \
    memcpy(&value, element, sizeof value);         \
    for (int64_t i = 0; i < n; i++) to[i] = value; \
  } while (0)

void CR__PASTE(cr__splat_, CR__ISA)(void *out, const void *element, size_t size, int64_t n) {
  switch (size) {
  case 1: SPLAT(uint8_t); break;
  case 2: SPLAT(uint16_t); break;
  case 4: SPLAT(uint32_t); break;
  case 8: SPLAT(uint64_t); break;
  default: SPLAT(cr__bytes16); break;
  }
}
