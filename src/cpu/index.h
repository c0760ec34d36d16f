/* index.h: what reading (gather.c) and writing (scatter.c) by positions share.
 *
 * Holds true: a position p counts from 1, or from -1 at the end; it stands for the offset
 * (p - 1) * stride, or (p + size) * stride, into the other operand. With size -1 positions are
 * offsets plus 1, which cr__cpu_ravel_index has made and checked. All positions are checked before the
 * first element of what was there before is written. */
#ifndef CR__CPU_INDEX_H
#define CR__CPU_INDEX_H

#include "cpu.h"
#include "iter.h"

/* Checks every position in v, int64 or int32; dim (from 1) is for the message. */
int cr__cpu_check_positions(const char *op, const cr__view *v, int64_t size, int64_t dim);

/* Loops that are compiled once per instruction set (loops_index.c). */
enum { CR__SIZES = 5 };
typedef struct cr__index_loops {
  /* Offsets of n positions that lie `step` apart; true if one of them is out of range. By dtype: int64,
   * int32. */
  bool (*locate[2])(int64_t *offset, const void *index, int64_t step, int64_t size, int64_t stride,
                    int64_t n);
  /* Whether one is. */
  bool (*outside[2])(const void *index, int64_t step, int64_t size, int64_t n);
  /* out[i * so] = from[i * sf + offset[i]], by size: 1, 2, 4, 8, 16 bytes. */
  void (*take[CR__SIZES])(void *out, int64_t so, const void *from, int64_t sf,
                          const int64_t *offset, int64_t n);
  /* to[i * st + offset[i]] = from[i * sf]: the last one stands. far: they reach beyond the cache. */
  void (*put[CR__SIZES])(void *to, int64_t st, const int64_t *offset, const void *from, int64_t sf,
                         int64_t n, bool far);
  /* One row of nbytes to each of n places in a line, from rows that begin at offset[i] (in bytes).
   * past: past the caches, where rows are whole lines of the cache. */
  void (*take_rows)(char *out, int64_t step, const char *from, const int64_t *offset,
                    int64_t nbytes, int64_t n, bool past);
  /* out[i] = from[i * step], by size. */
  void (*step[CR__SIZES])(void *out, const void *from, int64_t step, int64_t n);
} cr__index_loops;
const cr__index_loops *cr__index_loops_here(void);

/* Joins from[i * sf] with to[i * st + offset[i]], by sum or product, in turn; offset NULL: none. (loops_join.c) */
typedef void (*cr__join)(void *to, int64_t st, const int64_t *offset, const void *from, int64_t sf,
                         int64_t n);
typedef struct cr__join_loops {
  cr__join add[CR_DTYPE_COUNT], multiply[CR_DTYPE_COUNT];
  cr__join largest[CR_DTYPE_COUNT], smallest[CR_DTYPE_COUNT]; /* NaN wins */
} cr__join_loops;
const cr__join_loops *cr__join_loops_here(void);

/* Where dtypes and element sizes stand in those tables. */
static inline int cr__index_kind(int dtype) { return dtype == CR_INT64 ? 0 : 1; }
static inline int cr__size_kind(int64_t size) {
  return size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : size == 8 ? 3 : 4;
}

static inline int64_t cr__cpu_offset_of(int64_t p, int64_t size, int64_t stride) {
  return (p - 1 + (p < 0 ? size + 1 : 0)) * stride;
}
static inline int64_t cr__cpu_position(const char *data, int dtype, int64_t at) {
  return dtype == CR_INT64 ? ((const int64_t *)data)[at] : ((const int32_t *)data)[at];
}

#endif
