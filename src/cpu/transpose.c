/* transpose.c: turning rows into columns, a tile at a time; elements of 4 and 8 bytes by the loops of
 * loops_transpose.c.
 *
 * Holds true: whole squares of 16 bytes a side go through vector registers, the rest one by one. A
 * square of n x n elements is transposed by interleaving the lower with the upper half of its vectors,
 * log2(n) times. */
#include "transpose.h"

#include <string.h>

#include "cpu.h"

#define LOW_1 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH_1 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define LOW_2 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH_2 4, 12, 5, 13, 6, 14, 7, 15

/* A square of n x n elements of `bytes` bytes, and a tile made of squares. */
/* clang-format off */
#define TRANSPOSE(TYPE, bytes, n)                                                                  \
  static inline void square_##bytes(TYPE *to, int64_t to_step, const TYPE *from,                   \
                                    int64_t from_step) {                                           \
    typedef TYPE vector __attribute__((vector_size(16)));                                          \
    vector v[n], w[n];                                                                             \
    _Pragma("GCC unroll 16") for (int k = 0; k < n; k++) memcpy(&v[k], from + k * from_step, 16);  \
    _Pragma("GCC unroll 4") for (int done = 1; done < n; done *= 2) {                              \
      _Pragma("GCC unroll 8") for (int i = 0; i < n / 2; i++) {                                    \
        w[2 * i] = __builtin_shufflevector(v[i], v[i + n / 2], LOW_##bytes);                       \
        w[2 * i + 1] = __builtin_shufflevector(v[i], v[i + n / 2], HIGH_##bytes);                  \
      }                                                                                            \
      _Pragma("GCC unroll 16") for (int i = 0; i < n; i++) v[i] = w[i];                            \
    }                                                                                              \
    _Pragma("GCC unroll 16") for (int r = 0; r < n; r++) memcpy(to + r * to_step, &v[r], 16);      \
  }                                                                                                \
  static void transpose_##bytes(TYPE *to, int64_t to_step, const TYPE *from, int64_t from_step,    \
                                int64_t rows, int64_t columns) {                                   \
    int64_t whole_rows = rows / n * n, whole_columns = columns / n * n;                            \
    for (int64_t k = 0; k < whole_columns; k += n)                                                 \
      for (int64_t r = 0; r < whole_rows; r += n)                                                  \
        square_##bytes(to + r * to_step + k, to_step, from + k * from_step + r, from_step);        \
    for (int64_t k = 0; k < columns; k++)                                                          \
      for (int64_t r = k < whole_columns ? whole_rows : 0; r < rows; r++)                          \
        to[r * to_step + k] = from[k * from_step + r];                                             \
  }
/* clang-format on */
TRANSPOSE(uint8_t, 1, 16)
TRANSPOSE(uint16_t, 2, 8)

#ifdef __x86_64__
extern const cr__transpose_loops cr__transpose_loops_v2, cr__transpose_loops_v3,
    cr__transpose_loops_v4;
static const cr__transpose_loops *loops_here(void) {
  static const cr__transpose_loops *const by_level[] = {&cr__transpose_loops_v2,
                                                        &cr__transpose_loops_v3,
                                                        &cr__transpose_loops_v4};
  return by_level[cr__cpu_level()];
}
#else
extern const cr__transpose_loops cr__transpose_loops_base;
static const cr__transpose_loops *loops_here(void) { return &cr__transpose_loops_base; }
#endif

/* An element is a vector by itself. */
static void transpose_16(char *to, int64_t to_step, const char *from, int64_t from_step,
                         int64_t rows, int64_t columns) {
  for (int64_t k = 0; k < columns; k++)
    for (int64_t r = 0; r < rows; r++)
      memcpy(to + (r * to_step + k) * 16, from + (k * from_step + r) * 16, 16);
}

void cr__transpose(char *to, int64_t to_step, const char *from, int64_t from_step, size_t size,
                   int64_t rows, int64_t columns) {
  void *t = to;
  const void *f = from;
  switch (size) {
  case 1: transpose_1(t, to_step, f, from_step, rows, columns); break;
  case 2: transpose_2(t, to_step, f, from_step, rows, columns); break;
  case 4: loops_here()->of_4(t, to_step, f, from_step, rows, columns); break;
  case 8: loops_here()->of_8(t, to_step, f, from_step, rows, columns); break;
  default: transpose_16(to, to_step, from, from_step, rows, columns); break;
  }
}
