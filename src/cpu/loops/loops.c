/* loops.c: the pointwise loops of the catalogue, for one instruction set (CR__ISA).
 *
 * Holds true: see loops.h. Each line of pointwise.inc becomes one function, then one entry of the
 * table. A line of quick.inc becomes a function that takes the first one's place: it tries the quick
 * form on a part, and where that is unknown leaves blocks, or the whole part and those after it, to the
 * other. Loops of integers of 8 and 16 bits stop at v3. */
#include <string.h>

#include "loops.h"

#include "scalar/scalar.h"

/* Texts compare unsigned types with 0 as well. */
#pragma GCC diagnostic ignored "-Wtype-limits"

#define CR__UNUSED __attribute__((unused))

/* Reading of 1 to 4 inputs called x y z w, and of 0 to 4 numbers called a b c d. */
#define CR__BEGIN_1 const T *X CR__UNUSED = in[0];
#define CR__BEGIN_2 CR__BEGIN_1 const T *Y CR__UNUSED = in[1];
#define CR__BEGIN_3 CR__BEGIN_2 const T *Z CR__UNUSED = in[2];
#define CR__BEGIN_4 CR__BEGIN_3 const T *W CR__UNUSED = in[3];
#define CR__LOAD_1 T x CR__UNUSED = X[i];
#define CR__LOAD_2 CR__LOAD_1 T y CR__UNUSED = Y[i];
#define CR__LOAD_3 CR__LOAD_2 T z CR__UNUSED = Z[i];
#define CR__LOAD_4 CR__LOAD_3 T w CR__UNUSED = W[i];
#define CR__NUMBERS_0
#define CR__NUMBERS_1 T a CR__UNUSED = ((const T *)k)[0];
#define CR__NUMBERS_2 CR__NUMBERS_1 T b CR__UNUSED = ((const T *)k)[1];
#define CR__NUMBERS_3 CR__NUMBERS_2 T c CR__UNUSED = ((const T *)k)[2];
#define CR__NUMBERS_4 CR__NUMBERS_3 T d CR__UNUSED = ((const T *)k)[3];

#define CR__RESULT_same T
#define CR__RESULT_bool uint8_t

/* TO: the result's type; `store` brings the expression to it. */
/* clang-format off */
#define CR__BODY(TYPE, name, nin, nk, TO, store)                                                   \
  static void name(int64_t n, void *out, const void *const *in, const void *k CR__UNUSED) {        \
    typedef TYPE T;                                                                                \
    TO *to = out;                                                                                  \
    CR__BEGIN_##nin CR__NUMBERS_##nk                                                               \
    n &= ~(int64_t)(CR__BLOCK - 1);                                                                \
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++) {                                          \
      CR__LOAD_##nin to[i] = (TO)(store);                                                          \
    }                                                                                              \
  }
/* clang-format on */
#define CR__DEFINE(TYPE, op, suffix, nin, nk, result, expression) \
  CR__BODY(TYPE, op##_##suffix, nin, nk, result, expression)
/* Bytes suffice: of 0 and 1 no text makes a multiple of 256. */
#define CR__DEFINE_BOOL(op, nin, nk, result, expression) \
  CR__BODY(uint8_t, op##_b8, nin, nk, uint8_t, (uint8_t)(expression) != 0)

/* Wider vectors gain little for narrow integers, and products of bytes lose. */
#ifdef __AVX512F__
#define CR__NARROW(...)
#else
#define CR__NARROW(...) __VA_ARGS__
#endif

#define CR__LOOP(op, suffix, nin, nk, result, expression) \
  CR__LOOP_##suffix(op, nin, nk, CR__RESULT_##result, expression)

#define CR__LOOP_f64(op, ...) CR__DEFINE(double, op, f64, __VA_ARGS__)
#define CR__LOOP_f32(op, ...) CR__DEFINE(float, op, f32, __VA_ARGS__)
#define CR__LOOP_i64(op, ...) CR__DEFINE(int64_t, op, i64, __VA_ARGS__)
#define CR__LOOP_i32(op, ...) CR__DEFINE(int32_t, op, i32, __VA_ARGS__)
#define CR__LOOP_i16(op, ...) CR__NARROW(CR__DEFINE(int16_t, op, i16, __VA_ARGS__))
#define CR__LOOP_i8(op, ...) CR__NARROW(CR__DEFINE(int8_t, op, i8, __VA_ARGS__))
#define CR__LOOP_u8(op, ...) CR__NARROW(CR__DEFINE(uint8_t, op, u8, __VA_ARGS__))
#define CR__LOOP_b8(op, ...) CR__NARROW(CR__DEFINE_BOOL(op, __VA_ARGS__))

#include "pointwise.inc"

/* How many elements the quick forms take between two looks for what is unknown (fewer at first: a call may have no more
 * than a chunk of elements), and how many parts go without one after a part that was mostly unknown. */
enum { AT_ONCE = 256, AT_FIRST = 64, UNTRIED = 15 };

static bool is_apart(const void *out, const void *const *in, int nin) {
  for (int o = 0; o < nin; o++)
    if (in[o] == out) return false;
  return true;
}

/* What a quick form does not know has all bits set. An operand that is such a NaN is only computed twice. */
CR__SCALAR bool is_unknown_int64_t(double x) { return f64_bits(x) == UINT64_MAX; }
CR__SCALAR bool is_unknown_int32_t(float x) { return f32_bits(x) == UINT32_MAX; }

/* WORD: the integer of T's size. Where the inputs would be lost, results wait in `room` until the blocks
 * with such elements have been done again; if these are most, all are, in one call. */
#define CR__QUICK_BODY(TYPE, WORD, op, name, nin, nk, expression)                               \
  static void name##_again(int64_t n, TYPE *to, const void *const *in, const void *k,           \
                           int64_t at) {                                                        \
    const void *from[nin];                                                                      \
    for (int o = 0; o < nin; o++) from[o] = (const TYPE *)in[o] + at;                           \
    name(n, to, from, k);                                                                       \
  }                                                                                             \
  /* Returns whether most were unknown. */                                                      \
  static __attribute__((noinline)) bool name##_mend(int64_t n, TYPE *to, const void *const *in, \
                                                    const void *k, int64_t at) {                \
    bool unknown[AT_ONCE / CR__BLOCK] = {0};                                                    \
    int64_t count = 0;                                                                          \
    for (int64_t b = 0; b < n; b += CR__BLOCK) {                                                \
      int some = 0;                                                                             \
      for (int64_t j = b; j < b + CR__BLOCK; j++) some |= is_unknown_##WORD(to[j]);             \
      count += unknown[b / CR__BLOCK] = some != 0;                                              \
    }                                                                                           \
    bool most = 2 * CR__BLOCK * count > n;                                                      \
    if (most) name##_again(n, to, in, k, at);                                                   \
    for (int64_t b = 0; b < n && !most; b += CR__BLOCK)                                         \
      if (unknown[b / CR__BLOCK]) name##_again(CR__BLOCK, to + b, in, k, at + b);               \
    return most;                                                                                \
  }                                                                                             \
  static void name##_quick(int64_t n, void *out, const void *const *in, const void *k) {        \
    typedef TYPE T;                                                                             \
    _Alignas(64) T room[AT_ONCE];                                                               \
    bool apart = is_apart(out, in, nin);                                                        \
    int untried = 0;                                                                            \
    CR__BEGIN_##nin CR__NUMBERS_##nk for (int64_t at = 0, m; at < n; at += m) {                 \
      const int64_t most = at == 0 ? AT_FIRST : AT_ONCE;                                        \
      m = (n - at < most ? n - at : most) & ~(int64_t)(CR__BLOCK - 1);                          \
      if (untried > 0) {                                                                        \
        untried--;                                                                              \
        name##_again(m, (T *)out + at, in, k, at);                                              \
        continue;                                                                               \
      }                                                                                         \
      T *to = apart ? (T *)out + at : room;                                                     \
      WORD unknown = 0;                                                                         \
      _Pragma("omp simd reduction(| : unknown)") for (int64_t j = 0; j < m; j++) {              \
        int64_t i = at + j;                                                                     \
        CR__LOAD_##nin T one = expression;                                                      \
        to[j] = one;                                                                            \
        unknown |= is_unknown_##WORD(one) ? (WORD)-1 : 0;                                       \
      }                                                                                         \
      if (unknown && name##_mend(m, to, in, k, at)) untried = UNTRIED;                          \
      if (!apart) memcpy((T *)out + at, room, (size_t)m * sizeof(T));                           \
    }                                                                                           \
  }
#define CR__QUICK_f64(op, ...) CR__QUICK_BODY(double, int64_t, op, op##_f64, __VA_ARGS__)
#define CR__QUICK_f32(op, ...) CR__QUICK_BODY(float, int32_t, op, op##_f32, __VA_ARGS__)
#define CR__QUICK(op, suffix, ...) CR__QUICK_##suffix(op, __VA_ARGS__)
#include "quick.inc"
#undef CR__QUICK
#undef CR__QUICK_f64
#undef CR__QUICK_f32

#undef CR__LOOP
#undef CR__LOOP_f64
#undef CR__LOOP_f32
#undef CR__LOOP_i64
#undef CR__LOOP_i32
#undef CR__LOOP_i16
#undef CR__LOOP_i8
#undef CR__LOOP_u8
#undef CR__LOOP_b8

#define CR__LOOP(op, suffix, nin, nk, result, expression) CR__LOOP_##suffix(op)
#define CR__LOOP_f64(op) [CR__PW_##op][CR_FLOAT64] = op##_f64,
#define CR__LOOP_f32(op) [CR__PW_##op][CR_FLOAT32] = op##_f32,
#define CR__LOOP_i64(op) [CR__PW_##op][CR_INT64] = op##_i64,
#define CR__LOOP_i32(op) [CR__PW_##op][CR_INT32] = op##_i32,
#define CR__LOOP_i16(op) CR__NARROW([CR__PW_##op][CR_INT16] = op##_i16, )
#define CR__LOOP_i8(op) CR__NARROW([CR__PW_##op][CR_INT8] = op##_i8, )
#define CR__LOOP_u8(op) CR__NARROW([CR__PW_##op][CR_UINT8] = op##_u8, )
#define CR__LOOP_b8(op) CR__NARROW([CR__PW_##op][CR_BOOL] = op##_b8, )

#define CR__QUICK(op, suffix, ...) CR__QUICK_##suffix(op)
#define CR__QUICK_f64(op) [CR__PW_##op][CR_FLOAT64] = op##_f64_quick,
#define CR__QUICK_f32(op) [CR__PW_##op][CR_FLOAT32] = op##_f32_quick,

#pragma GCC diagnostic ignored "-Woverride-init"

const cr__loop_table CR__PASTE(cr__loops_, CR__ISA) = {
#include "pointwise.inc"
#include "quick.inc"
};
