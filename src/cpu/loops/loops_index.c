/* loops_index.c: positions and the elements that they lead to; compiled once per instruction set.
 *
 * Holds true: nothing here depends on the values of elements, which are moved as integers of their
 * size. */
#include "cpu/index.h"
#include "cpu/stream.h"

#include <string.h>

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)

/* ---- Positions --------------------------------------------------------------------------------- */

/* A position out of range, 0 included, gives one outside [0, size) here: one comparison finds all. */
#define PLACE(p, size) ((p)-1 + ((p) < 0 ? (size) + 1 : 0))

#define LOCATE(position, value)                  \
  do {                                           \
    for (int64_t j = 0; j < n; j++) {            \
      int64_t x = position, at = PLACE(x, size); \
      bad |= (uint64_t)at >= limit;              \
      offset[j] = value;                         \
    }                                            \
  } while (0)

/* A multiplication of 64-bit integers takes longer than the rest together. */
#define POSITIONS(T, name)                                                               \
  static bool locate_##name(int64_t *restrict offset, const void *index, int64_t step,   \
                            int64_t size, int64_t stride, int64_t n) {                   \
    const T *restrict p = index;                                                         \
    uint64_t limit = size < 0 ? UINT64_MAX : (uint64_t)size;                             \
    int64_t bad = 0;                                                                     \
    if (step == 1 && stride == 1) LOCATE(p[j], at);                                      \
    else if (step == 1) LOCATE(p[j], at *stride);                                        \
    else LOCATE(p[j * step], at *stride);                                                \
    return bad && size >= 0;                                                             \
  }                                                                                      \
  static bool outside_##name(const void *index, int64_t step, int64_t size, int64_t n) { \
    const T *p = index;                                                                  \
    int64_t bad = 0;                                                                     \
    if (step == 1)                                                                       \
      for (int64_t j = 0; j < n; j++)                                                    \
        bad |= (uint64_t)PLACE((int64_t)p[j], size) >= (uint64_t)size;                   \
    else                                                                                 \
      for (int64_t j = 0; j < n; j++)                                                    \
        bad |= (uint64_t)PLACE((int64_t)p[j * step], size) >= (uint64_t)size;            \
    return bad;                                                                          \
  }
POSITIONS(int64_t, i64)
POSITIONS(int32_t, i32)

/* ---- Elements ---------------------------------------------------------------------------------- */

enum { AHEAD = 16, LINE = 64 };

/* Rows of the source are contiguous or single elements in what is common. */
#define ELEMENTS(T)                                                                                \
  static void take_##T(void *out, int64_t so, const void *from, int64_t sf, const int64_t *offset, \
                       int64_t n) {                                                                \
    T *restrict o = out;                                                                           \
    const T *restrict f = from;                                                                    \
    if (so == 1 && sf == 0)                                                                        \
      _Pragma("GCC unroll 8") for (int64_t j = 0; j < n; j++) o[j] = f[offset[j]];                 \
    else if (so == 1 && sf == 1)                                                                   \
      _Pragma("GCC unroll 8") for (int64_t j = 0; j < n; j++) o[j] = f[j + offset[j]];             \
    else                                                                                           \
      for (int64_t j = 0; j < n; j++) o[j * so] = f[j * sf + offset[j]];                           \
  }                                                                                                \
  /* Stores wait for their cache lines one after the other, so far ones are asked for ahead. */    \
  static void put_##T(void *to, int64_t st, const int64_t *offset, const void *from, int64_t sf,   \
                      int64_t n, bool far) {                                                       \
    T *t = to;                                                                                     \
    const T *f = from;                                                                             \
    if (!far && st == 0 && sf == 1) {                                                              \
      for (int64_t j = 0; j < n; j++) t[offset[j]] = f[j];                                         \
      return;                                                                                      \
    }                                                                                              \
    for (int64_t j = 0; j < n; j++) {                                                              \
      if (far && j + AHEAD < n) __builtin_prefetch(t + (j + AHEAD) * st + offset[j + AHEAD], 1);   \
      t[j * st + offset[j]] = f[j * sf];                                                           \
    }                                                                                              \
  }
/* A known distance turns into vector code. */
#define SPREAD(T)                                                                       \
  static void step_##T(void *restrict out, const void *from, int64_t step, int64_t n) { \
    T *restrict o = out;                                                                \
    const T *restrict f = from;                                                         \
    if (step == 2)                                                                      \
      for (int64_t i = 0; i < n; i++) o[i] = f[i * 2];                                  \
    else if (step == -1)                                                                \
      for (int64_t i = 0; i < n; i++) o[i] = f[-i];                                     \
    else                                                                                \
      for (int64_t i = 0; i < n; i++) o[i] = f[i * step];                               \
  }
ELEMENTS(uint8_t)
ELEMENTS(uint16_t)
ELEMENTS(uint32_t)
ELEMENTS(uint64_t)
ELEMENTS(cr__bytes16)
SPREAD(uint8_t)
SPREAD(uint16_t)
SPREAD(uint32_t)
SPREAD(uint64_t)
SPREAD(cr__bytes16)

/* ---- Rows -------------------------------------------------------------------------------------- */

/* A call of memcpy costs as much as a short row. */
static inline void copy_row(char *restrict out, const char *restrict from, int64_t nbytes) {
  if (nbytes < 16 || nbytes > 256) {
    memcpy(out, from, (size_t)nbytes);
    return;
  }
  for (int64_t b = 0; b + 16 <= nbytes; b += 16) memcpy(out + b, from + b, 16);
  memcpy(out + nbytes - 16, from + nbytes - 16, 16);
}

/* What is asked for ahead of its use: as much as the machine has under way at a time. Longer rows it
 * fetches ahead itself, once it has seen them begin. */
enum { UNDER_WAY = 1024 };

static void take_rows(char *out, int64_t step, const char *from, const int64_t *offset,
                      int64_t nbytes, int64_t n, bool past) {
  int64_t ahead = nbytes * AHEAD > UNDER_WAY ? UNDER_WAY / nbytes : AHEAD;
  for (int64_t i = 0; i < n; i++) {
    if (ahead && i + ahead < n)
      for (int64_t b = 0; b < nbytes; b += LINE) __builtin_prefetch(from + offset[i + ahead] + b);
    if (past) cr__stream_lines(out + i * step, from + offset[i], (size_t)nbytes);
    else copy_row(out + i * step, from + offset[i], nbytes);
  }
}

extern const cr__index_loops JOIN(cr__index_loops, CR__ISA);
const cr__index_loops JOIN(cr__index_loops, CR__ISA) = {
    {locate_i64, locate_i32},
    {outside_i64, outside_i32},
    {take_uint8_t, take_uint16_t, take_uint32_t, take_uint64_t, take_cr__bytes16},
    {put_uint8_t, put_uint16_t, put_uint32_t, put_uint64_t, put_cr__bytes16},
    take_rows,
    {step_uint8_t, step_uint16_t, step_uint32_t, step_uint64_t, step_cr__bytes16},
};
