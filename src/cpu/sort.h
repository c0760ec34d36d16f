/* sort.h: the order of a line's elements.
 *
 * Holds true: see sort.c. Inside of a task that is stopped half way the positions mean nothing. */
#ifndef CR__CPU_SORT_H
#define CR__CPU_SORT_H

#include "cpu.h"

/* The positions, from 0, of the first `kept` of n elements in their order; `room` has space for two keys,
 * of the elements' size, and two positions of each. It lies there, as long as that. */
const uint32_t *cr__order_f32(const void *x, void *room, int64_t n, int64_t kept, bool descending);
const uint32_t *cr__order_f64(const void *x, void *room, int64_t n, int64_t kept, bool descending);
const uint32_t *cr__order_i64(const void *x, void *room, int64_t n, int64_t kept, bool descending);

/* ---- sort_long.c ---- */

/* A line of n elements of a cr__compute type to be put in order; all lie side by side. */
enum { CR__LONG_LINE = 1 << 18 /* elements from which on this is worth it */ };
typedef struct cr__long_line {
  const char *op;
  const void *x;
  void *values; /* NULL where only positions are asked for */
  int64_t *indices;
  int64_t n;
  int compute;
  bool descending;
} cr__long_line;
int cr__sort_long(const cr__long_line *line);

#endif
