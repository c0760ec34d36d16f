/* parts.h: vectors of 16-byte parts from several rows, and how their lanes become rows.
 *
 * Given: INLINE. Holds true: the parts of a vector, P elements each, come from rows P apart. More parts than
 * two cost more to put together than they save. */
#ifndef CR__LOOPS_PARTS_H
#define CR__LOOPS_PARTS_H

#include <string.h>

#ifdef __AVX2__
enum { PARTS = 2 };
#define LOW_4 0, 8, 1, 9, 4, 12, 5, 13
#define HIGH_4 2, 10, 3, 11, 6, 14, 7, 15
#define LOW_8 0, 4, 2, 6
#define HIGH_8 1, 5, 3, 7
#define ALL_4 0, 1, 2, 3, 4, 5, 6, 7
#define ALL_8 0, 1, 2, 3
#define JOIN_PARTS(p, bytes) __builtin_shufflevector((p)[0], (p)[1], ALL_##bytes)
#else
enum { PARTS = 1 };
#define LOW_4 0, 4, 1, 5
#define HIGH_4 2, 6, 3, 7
#define LOW_8 0, 2
#define HIGH_8 1, 3
#define JOIN_PARTS(p, bytes) (p)[0]
#endif

/* Vectors of T, of which a part has P; `name` is what their types and functions end with. */
/* clang-format off */
#define PART_VECTORS(name, T, bytes, P)                                                            \
  typedef T part_##name __attribute__((vector_size(16)));                                          \
  typedef T vector_##name __attribute__((vector_size(16 * PARTS)));                                \
  enum { P_##name = P, ROWS_##name = P * PARTS };                                                  \
  /* The elements at x of rows `step` apart: a part of every P-th. */                              \
  INLINE vector_##name load_##name(const T *x, int64_t step) {                                     \
    part_##name part[PARTS];                                                                       \
    _Pragma("GCC unroll 2") for (int b = 0; b < PARTS; b++)                                        \
      memcpy(&part[b], x + P * b * step, 16);                                                      \
    return JOIN_PARTS(part, bytes);                                                                \
  }                                                                                                \
  /* The lanes of the rows become rows of the lanes. */                                            \
  INLINE void turn_##name(vector_##name *v) {                                                      \
    vector_##name w[P];                                                                            \
    _Pragma("GCC unroll 2") for (int done = 1; done < P; done *= 2) {                              \
      _Pragma("GCC unroll 2") for (int i = 0; i < P / 2; i++) {                                    \
        w[2 * i] = __builtin_shufflevector(v[i], v[i + P / 2], LOW_##bytes);                       \
        w[2 * i + 1] = __builtin_shufflevector(v[i], v[i + P / 2], HIGH_##bytes);                  \
      }                                                                                            \
      _Pragma("GCC unroll 4") for (int i = 0; i < P; i++) v[i] = w[i];                             \
    }                                                                                              \
  }
/* clang-format on */

#endif
