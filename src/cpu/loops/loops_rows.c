/* loops_rows.c: rows of few elements folded side by side; compiled once per instruction set.
 *
 * Holds true: a row is read in parts of 16 bytes. Its elements go into as many lanes as a part has, four
 * parts at a time as a tree, a last part that is not whole after them; then the lanes, in the wider type, as
 * a tree. A vector holds the same part of several rows, which never meet: so no instruction set changes a
 * bit, and nothing is folded within a vector. */
#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "loops.h"
#include "cpu/reduce_short.h"

#define INLINE static inline __attribute__((always_inline))
#define MULTIPLY(a, b) ((a) * (b))

#include "parts.h"

/* Vectors of T, of which a part has P, and their masks. */
/* clang-format off */
#define VECTORS(t, T, WORD, bytes, P)                                                              \
  PART_VECTORS(t, T, bytes, P)                                                                     \
  typedef WORD mask_##t __attribute__((vector_size(16 * PARTS)));                                  \
  /* The lanes of the last part of a row of n that no part before it has had. */                   \
  INLINE mask_##t fresh_##t(int64_t n) {                                                           \
    mask_##t m;                                                                                    \
    for (int j = 0; j < ROWS_##t; j++) m[j] = j % P >= P - n % P ? -1 : 0;                         \
    return m;                                                                                      \
  }
/* clang-format on */
VECTORS(f32, float, int32_t, 4, 4)
VECTORS(f64, double, int64_t, 8, 2)
VECTORS(i64, int64_t, int64_t, 8, 2)
VECTORS(i32, int32_t, int32_t, 4, 4)

/* ---- The larger of two, the first of equals, where neither is NaN; lanes that hold NaN ---- */

#ifdef __AVX2__
#define LARGER_f32(a, b) (vector_f32) _mm256_max_ps((__m256)(b), (__m256)(a))
#define SMALLER_f32(a, b) (vector_f32) _mm256_min_ps((__m256)(b), (__m256)(a))
#define LARGER_f64(a, b) (vector_f64) _mm256_max_pd((__m256d)(b), (__m256d)(a))
#define SMALLER_f64(a, b) (vector_f64) _mm256_min_pd((__m256d)(b), (__m256d)(a))
#define NANS_f32(a, b) (mask_f32) _mm256_cmp_ps((__m256)(a), (__m256)(b), _CMP_UNORD_Q)
#define NANS_f64(a, b) (mask_f64) _mm256_cmp_pd((__m256d)(a), (__m256d)(b), _CMP_UNORD_Q)
#elif defined __SSE2__
#define LARGER_f32(a, b) (vector_f32) _mm_max_ps((__m128)(b), (__m128)(a))
#define SMALLER_f32(a, b) (vector_f32) _mm_min_ps((__m128)(b), (__m128)(a))
#define LARGER_f64(a, b) (vector_f64) _mm_max_pd((__m128d)(b), (__m128d)(a))
#define SMALLER_f64(a, b) (vector_f64) _mm_min_pd((__m128d)(b), (__m128d)(a))
#define NANS_f32(a, b) (mask_f32) _mm_cmpunord_ps((__m128)(a), (__m128)(b))
#define NANS_f64(a, b) (mask_f64) _mm_cmpunord_pd((__m128d)(a), (__m128d)(b))
#else
#define PICK(t, m, a, b) (vector_##t)(((m) & (mask_##t)(a)) | (~(m) & (mask_##t)(b)))
#define LARGER_f32(a, b) PICK(f32, (b) > (a), b, a)
#define SMALLER_f32(a, b) PICK(f32, (b) < (a), b, a)
#define LARGER_f64(a, b) PICK(f64, (b) > (a), b, a)
#define SMALLER_f64(a, b) PICK(f64, (b) < (a), b, a)
#define NANS_f32(a, b) (((a) != (a)) | ((b) != (b)))
#define NANS_f64(a, b) (((a) != (a)) | ((b) != (b)))
#endif
#define LARGER_INT(a, b) ((((b) > (a)) & (b)) | (~((b) > (a)) & (a)))
#define SMALLER_INT(a, b) ((((b) < (a)) & (b)) | (~((b) < (a)) & (a)))
#define NO_NANS(a, b) (((a) ^ (a)) & (b))

#define LARGER_i64 LARGER_INT
#define SMALLER_i64 SMALLER_INT
#define NANS_i64 NO_NANS
#define LARGER_i32 LARGER_INT
#define SMALLER_i32 SMALLER_INT
#define NANS_i32 NO_NANS

/* ---- Rows ---- */

/* name_block leaves the lanes of ROWS_t rows, turned; name_join gives them to the states of w rows. The last
 * rows, where they are fewer, come from a copy. */
#define ROWS(name, t, T, S)                                                                    \
  static void name##_rows(void *state, const void *from, int64_t n, int64_t step, int64_t w) { \
    S *s = state;                                                                              \
    const T *x = from;                                                                         \
    T copy[ROWS_##t * CR__SHORT];                                                              \
    const mask_##t fresh = fresh_##t(n);                                                       \
    vector_##t v[P_##t];                                                                       \
    int64_t c = 0;                                                                             \
    for (; c + ROWS_##t <= w; c += ROWS_##t) {                                                 \
      name##_block(v, x + c * step, n, step, fresh);                                           \
      name##_join(s + c, v, ROWS_##t);                                                         \
    }                                                                                          \
    if (c == w) return;                                                                        \
    memset(copy, 0, sizeof copy);                                                              \
    for (int64_t r = c; r < w; r++)                                                            \
      memcpy(copy + (r - c) * n, x + r * step, (size_t)n * sizeof(T));                         \
    name##_block(v, copy, n, n, fresh);                                                        \
    name##_join(s + c, v, w - c);                                                              \
  }

/* Sums and products: MAP(v) is what is folded, REST(v, m) that of the lanes m, and nothing in the others. */
/* clang-format off */
#define SUMS(name, t, T, S, STEP, MAP, REST)                                                       \
  INLINE void name##_block(vector_##t *acc, const T *x, int64_t n, int64_t step, mask_##t fresh) { \
    enum { P = P_##t };                                                                            \
    int64_t i = P;                                                                                 \
    _Pragma("GCC unroll 4") for (int q = 0; q < P; q++) acc[q] = MAP(load_##t(x + q * step, step));\
    for (; i + 4 * P <= n; i += 4 * P)                                                             \
      _Pragma("GCC unroll 4") for (int q = 0; q < P; q++) {                                        \
        const T *at = x + q * step + i;                                                            \
        vector_##t a = load_##t(at, step), b = load_##t(at + P, step);                             \
        vector_##t c = load_##t(at + 2 * P, step), d = load_##t(at + 3 * P, step);                 \
        a = STEP(MAP(a), MAP(b)), c = STEP(MAP(c), MAP(d));                                        \
        acc[q] = STEP(acc[q], STEP(a, c));                                                         \
      }                                                                                            \
    for (; i + P <= n; i += P)                                                                     \
      _Pragma("GCC unroll 4") for (int q = 0; q < P; q++) {                                        \
        vector_##t a = load_##t(x + q * step + i, step);                                           \
        acc[q] = STEP(acc[q], MAP(a));                                                             \
      }                                                                                            \
    if (i == n) return;                                                                            \
    _Pragma("GCC unroll 4") for (int q = 0; q < P; q++) {                                          \
      vector_##t a = load_##t(x + q * step + n - P, step);                                         \
      acc[q] = STEP(acc[q], REST(t, MAP(a), fresh));                                               \
    }                                                                                              \
  }                                                                                                \
  INLINE void name##_join(S *s, vector_##t *v, int64_t w) {                                        \
    T lane[P_##t][ROWS_##t];                                                                       \
    S all[ROWS_##t];                                                                               \
    turn_##t(v);                                                                                   \
    memcpy(lane, v, sizeof lane);                                                                  \
    for (int j = 0; j < ROWS_##t; j++) {                                                           \
      const S even = P_##t == 2 ? (S)lane[0][j] : STEP((S)lane[0][j], (S)lane[P_##t - 2][j]);      \
      const S odd = P_##t == 2 ? (S)lane[1][j] : STEP((S)lane[1][j], (S)lane[P_##t - 1][j]);       \
      all[j] = STEP(s[w > j ? j : 0], STEP(even, odd));                                            \
    }                                                                                              \
    memcpy(s, all, (size_t)w * sizeof(S));                                                         \
  }                                                                                                \
  ROWS(name, t, T, S)

#define EXTREMES(name, t, T, S, V_STEP)                                                      \
  INLINE void name##_block(vector_##t *acc, const T *x, int64_t n, int64_t step, mask_##t fresh) { \
    enum { P = P_##t };                                                                            \
    mask_##t nan[P];                                                                               \
    (void)fresh;                                                                                   \
    _Pragma("GCC unroll 4") for (int q = 0; q < P; q++) {                                          \
      acc[q] = load_##t(x + q * step, step);                                                       \
      vector_##t b = load_##t(x + q * step + n - P, step);                                         \
      nan[q] = NANS_##t(acc[q], b);                                                                \
    }                                                                                              \
    int64_t i = P;                                                                                 \
    for (; i + 2 * P <= n; i += 2 * P)                                                             \
      _Pragma("GCC unroll 4") for (int q = 0; q < P; q++) {                                        \
        vector_##t a = load_##t(x + q * step + i, step), b = load_##t(x + q * step + i + P, step); \
        nan[q] |= NANS_##t(a, b);                                                                  \
        acc[q] = V_STEP(acc[q], a);                                                                \
        acc[q] = V_STEP(acc[q], b);                                                                \
      }                                                                                            \
    for (; i < n; i += P)                                                                          \
      _Pragma("GCC unroll 4") for (int q = 0; q < P; q++) {                                        \
        vector_##t a = load_##t(x + q * step + (i + P <= n ? i : n - P), step);                    \
        nan[q] |= NANS_##t(a, a);                                                                  \
        acc[q] = V_STEP(acc[q], a);                                                                \
      }                                                                                            \
    _Pragma("GCC unroll 4") for (int q = 0; q < P; q++)                                            \
      acc[q] = (vector_##t)((mask_##t)acc[q] | nan[q]);                                            \
  }                                                                                                \
  INLINE void name##_join(S *s, vector_##t *v, int64_t w) {                                        \
    enum { P = P_##t };                                                                            \
    T lane[ROWS_##t];                                                                              \
    S all[ROWS_##t];                                                                               \
    turn_##t(v);                                                                                   \
    mask_##t nan = NANS_##t(v[0], v[1]) | NANS_##t(v[P - 2], v[P - 1]);                            \
    if (P == 4) v[0] = V_STEP(v[0], v[P - 2]), v[1] = V_STEP(v[1], v[P - 1]);                      \
    v[0] = V_STEP(v[0], v[1]);                                                                     \
    v[0] = (vector_##t)((mask_##t)v[0] | nan);                                                     \
    memcpy(lane, v, sizeof lane);                                                                  \
    for (int j = 0; j < ROWS_##t; j++) all[j] = (S)lane[j];                                        \
    memcpy(s, all, (size_t)w * sizeof(S));                                                         \
  }                                                                                                \
  ROWS(name, t, T, S)
/* clang-format on */

#define ITSELF(v) (v)
#define SQUARE(v) ((v) * (v))
#define OR_ZERO(t, v, m) ((vector_##t)((mask_##t)(v) & (m)))
#define OR_ONE(t, v, m)                 \
  ((vector_##t)(((mask_##t)(v) & (m)) | \
                ((mask_##t)((vector_##t){0} + (__typeof__((v)[0]))1) & ~(m))))

#define ALL(t, T, S)                                \
  SUMS(sum_##t, t, T, S, CR__ADD, ITSELF, OR_ZERO)  \
  SUMS(prod_##t, t, T, S, MULTIPLY, ITSELF, OR_ONE) \
  EXTREMES(max_##t, t, T, S, LARGER_##t)            \
  EXTREMES(min_##t, t, T, S, SMALLER_##t)

ALL(f32, float, double)
ALL(f64, double, double)
ALL(i64, int64_t, int64_t)
EXTREMES(max_i32, i32, int32_t, int64_t, LARGER_i32)
EXTREMES(min_i32, i32, int32_t, int64_t, SMALLER_i32)

SUMS(squares_f64, f64, double, double, CR__ADD, SQUARE, OR_ZERO)
SUMS(lanes, f32, float, double, CR__ADD, SQUARE, OR_ZERO)

/* Squares of float32 may leave its range: such rows are gathered again in float64. */
static void squares_rows(void *state, const void *from, int64_t n, int64_t step, int64_t w) {
  double *s = state;
  const float *x = from;
  bool fits = true;
  lanes_rows(s, x, n, step, w);
  for (int64_t c = 0; c < w; c++) fits &= CR__SQUARES_FIT(s[c]);
  for (int64_t c = 0; c < w && !fits; c++) {
    if (CR__SQUARES_FIT(s[c])) continue;
    s[c] = 0;
    for (int64_t i = 0; i < n; i++) s[c] += (double)x[c * step + i] * x[c * step + i];
  }
}

#define ENTRIES(t) \
  { sum_##t##_rows, prod_##t##_rows, max_##t##_rows, min_##t##_rows }

extern const cr__rows_loops CR__PASTE(cr__rows_loops_, CR__ISA);
const cr__rows_loops CR__PASTE(cr__rows_loops_, CR__ISA) = {
    .fold = {ENTRIES(f32), ENTRIES(f64), ENTRIES(i64)},
    .narrow = {[CR__FOLD_MAX] = max_i32_rows, [CR__FOLD_MIN] = min_i32_rows},
    .squares = {squares_rows, squares_f64_rows},
};
