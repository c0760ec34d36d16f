/* loops_truth.c: the inner loops of `any` and `all`; compiled once per instruction set.
 *
 * Holds true: see truth.h. A row is looked at in parts, and left at the first that decides. */
#include <string.h>

#include "cpu/truth.h"

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)

enum { PART_BYTES = 4096, ROWS = 4 };

/* What of a row's columns decides is gathered for ROWS rows at a time: the columns' words stay in memory. */
#define TRUTH(T)                                                                                  \
  static bool row_##T(const void *from, int64_t n, uint64_t mask, bool zero) {                    \
    const T *x = from, bits = (T)mask;                                                            \
    const int64_t part = PART_BYTES / (int64_t)sizeof(T);                                         \
    for (int64_t at = 0, m; at < n; at += m) {                                                    \
      T found = 0;                                                                                \
      m = n - at < part ? n - at : part;                                                          \
      if (zero) {                                                                                 \
        for (int64_t i = at; i < at + m; i++) found |= (T)((x[i] & bits) == 0);                   \
      } else {                                                                                    \
        for (int64_t i = at; i < at + m; i++) found |= x[i];                                      \
        found &= bits;                                                                            \
      }                                                                                           \
      if (found) return true;                                                                     \
    }                                                                                             \
    return false;                                                                                 \
  }                                                                                               \
  static void columns_##T(uint8_t *seen, const void *from, int64_t rows, int64_t step, int64_t w, \
                          uint64_t mask, bool zero) {                                             \
    const T *x = from, bits = (T)mask;                                                            \
    T found[CR__TRUTH_COLUMNS];                                                                   \
    memset(found, 0, (size_t)w * sizeof(T));                                                      \
    int64_t r = 0;                                                                                \
    for (; r + ROWS <= rows; r += ROWS) {                                                         \
      const T *a = x + r * step, *b = a + step, *c = b + step, *d = c + step;                     \
      if (zero) {                                                                                 \
        for (int64_t j = 0; j < w; j++)                                                           \
          found[j] |= (T)(((a[j] & bits) == 0) | ((b[j] & bits) == 0) | ((c[j] & bits) == 0) |    \
                          ((d[j] & bits) == 0));                                                  \
      } else {                                                                                    \
        for (int64_t j = 0; j < w; j++) found[j] |= a[j] | b[j] | c[j] | d[j];                    \
      }                                                                                           \
    }                                                                                             \
    for (; r < rows; r++) {                                                                       \
      const T *a = x + r * step;                                                                  \
      if (zero) {                                                                                 \
        for (int64_t j = 0; j < w; j++) found[j] |= (T)((a[j] & bits) == 0);                      \
      } else {                                                                                    \
        for (int64_t j = 0; j < w; j++) found[j] |= a[j];                                         \
      }                                                                                           \
    }                                                                                             \
    const T counts = zero ? 1 : bits;                                                             \
    for (int64_t j = 0; j < w; j++) seen[j] |= (found[j] & counts) != 0;                          \
  }

TRUTH(uint8_t)
TRUTH(uint16_t)
TRUTH(uint32_t)
TRUTH(uint64_t)

extern const cr__truth_loops JOIN(cr__truth_loops, CR__ISA)[4];
const cr__truth_loops JOIN(cr__truth_loops, CR__ISA)[4] = {{row_uint8_t, columns_uint8_t},
                                                           {row_uint16_t, columns_uint16_t},
                                                           {row_uint32_t, columns_uint32_t},
                                                           {row_uint64_t, columns_uint64_t}};
