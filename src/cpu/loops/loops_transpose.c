/* loops_transpose.c: turning rows into columns, for elements of 4 and 8 bytes; compiled once per
 * instruction set.
 *
 * Holds true: a square of 16 bytes a side is turned in vector registers by interleaving the lower with
 * the upper half of its vectors; wider vectors turn several squares at once. A side that is no multiple of
 * a square's ends with one that overlaps the last: its elements are written twice. */
#include <string.h>

#include "loops.h"
#include "cpu/transpose.h"

#define INLINE static inline __attribute__((always_inline))

#include "parts.h"

/* clang-format off */
#define TRANSPOSE(T, bytes, P)                                                                     \
  PART_VECTORS(bytes, T, bytes, P)                                                                 \
  /* P elements of each of ROWS lines become P lines of ROWS, of which `rows` are stored. */       \
  INLINE void down_##bytes(T *to, int64_t to_step, const T *from, int64_t from_step, int rows) {   \
    vector_##bytes v[P];                                                                           \
    _Pragma("GCC unroll 4") for (int q = 0; q < P; q++)                                            \
      v[q] = load_##bytes(from + q * from_step, from_step);                                        \
    turn_##bytes(v);                                                                               \
    _Pragma("GCC unroll 4") for (int i = 0; i < P; i++)                                            \
      if (i < rows) memcpy(to + i * to_step, &v[i], sizeof v[i]);                                  \
  }                                                                                                \
  /* ROWS elements of each of `columns` <= P lines become P elements of each of ROWS lines. */     \
  INLINE void up_##bytes(T *to, int64_t to_step, const T *from, int64_t from_step, int columns) {  \
    vector_##bytes v[P];                                                                           \
    _Pragma("GCC unroll 4") for (int i = 0; i < P; i++)                                            \
      memcpy(&v[i], from + (i < columns ? i : 0) * from_step, sizeof v[i]);                        \
    turn_##bytes(v);                                                                               \
    _Pragma("GCC unroll 4") for (int b = 0; b < PARTS; b++)                                        \
      _Pragma("GCC unroll 4") for (int q = 0; q < P; q++)                                          \
        memcpy(to + (q + P * b) * to_step, (const char *)&v[q] + 16 * b, 16);                      \
  }                                                                                                \
  INLINE int64_t next_##bytes(int64_t at, int64_t step, int64_t end) {                             \
    return at + 2 * step > end && at + step < end ? end - step : at + step;                        \
  }                                                                                                \
  /* Lines of fewer elements than a part, one after another: what is read behind a line belongs to \
   * the next ones. Returns how many lines that did. */                                            \
  INLINE int64_t few_down_##bytes(T *to, int64_t to_step, const T *from, int rows, int64_t n) {    \
    int64_t k = 0;                                                                                 \
    for (; (k + ROWS_##bytes - 1) * rows + P <= n * rows; k += ROWS_##bytes)                       \
      down_##bytes(to + k, to_step, from + k * rows, rows, rows);                                  \
    return k;                                                                                      \
  }                                                                                                \
  /* The same in the other direction: what is written behind a line is written again. */           \
  INLINE int64_t few_up_##bytes(T *to, const T *from, int64_t from_step, int columns, int64_t n) { \
    int64_t r = 0;                                                                                 \
    for (; (r + ROWS_##bytes - 1) * columns + P <= n * columns; r += ROWS_##bytes)                 \
      up_##bytes(to + r * columns, columns, from + r, from_step, columns);                         \
    return r;                                                                                      \
  }                                                                                                \
  static void transpose_##bytes(T *restrict to, int64_t to_step, const T *restrict from,           \
                                int64_t from_step, int64_t rows, int64_t columns) {                \
    enum { W = ROWS_##bytes };                                                                     \
    int64_t row = 0, column = 0;                                                                   \
    if (rows >= P && columns >= W) {                                                               \
      for (int64_t k = 0; k < columns; k = next_##bytes(k, W, columns))                            \
        for (int64_t r = 0; r < rows; r = next_##bytes(r, P, rows))                                \
          down_##bytes(to + r * to_step + k, to_step, from + k * from_step + r, from_step, P);     \
      return;                                                                                      \
    }                                                                                              \
    if (rows >= W && columns >= P) {                                                               \
      for (int64_t r = 0; r < rows; r = next_##bytes(r, W, rows))                                  \
        for (int64_t k = 0; k < columns; k = next_##bytes(k, P, columns))                          \
          up_##bytes(to + r * to_step + k, to_step, from + k * from_step + r, from_step, P);       \
      return;                                                                                      \
    }                                                                                              \
    if (rows == 2 && from_step == 2) column = few_down_##bytes(to, to_step, from, 2, columns);     \
    if (rows == 3 && from_step == 3) column = few_down_##bytes(to, to_step, from, 3, columns);     \
    if (columns == 2 && to_step == 2) row = few_up_##bytes(to, from, from_step, 2, rows);          \
    if (columns == 3 && to_step == 3) row = few_up_##bytes(to, from, from_step, 3, rows);          \
    for (int64_t r = row; r < rows; r++)                                                           \
      for (int64_t k = column; k < columns; k++) to[r * to_step + k] = from[k * from_step + r];    \
  }
/* clang-format on */
TRANSPOSE(uint32_t, 4, 4)
TRANSPOSE(uint64_t, 8, 2)

extern const cr__transpose_loops CR__PASTE(cr__transpose_loops_, CR__ISA);
const cr__transpose_loops CR__PASTE(cr__transpose_loops_, CR__ISA) = {transpose_4, transpose_8};
