/* cpu/index.h: what reading (index.c) and writing (scatter.c) by positions share.
 *
 * Holds true: a position p counts from 1, or from -1 at the end; it stands for the offset
 * (p - 1) * stride, or (p + size) * stride, into the other operand. With size -1 positions are
 * offsets plus 1, which cr__cpu_offset has made and checked. All positions are checked before the
 * first element is moved, so that an error leaves nothing half-written. */
#ifndef CR__CPU_INDEX_H
#define CR__CPU_INDEX_H

#include "cpu.h"
#include "iter.h"

/* Checks every position in v, int64 or int32; dim (from 1) is for the message. */
int cr__cpu_check_positions(const char *op, const cr__view *v, int64_t size, int64_t dim);

static inline int64_t cr__cpu_offset_of(int64_t p, int64_t size, int64_t stride) {
  return (p - 1 + (p < 0 ? size + 1 : 0)) * stride;
}
static inline int64_t cr__cpu_position(const char *data, int dtype, int64_t at) {
  return dtype == CR_INT64 ? ((const int64_t *)data)[at] : ((const int32_t *)data)[at];
}

#endif
