/* sort.h: the order of a line's elements.
 *
 * Holds true: see sort.c. Inside of a task that is stopped half way the positions mean nothing. */
#ifndef CR__CPU_SORT_H
#define CR__CPU_SORT_H

#include "reduce.h"

/* What elements are sorted as: computation types, and narrower integers as int32. */
enum { CR__SORT_I32 = CR__COMPUTE_I64 + 1, CR__SORT_TYPES };
static inline int cr__sort_type(int dtype) {
  int compute = cr__compute_of(dtype);
  return compute == CR__COMPUTE_I64 && dtype != CR_INT64 ? CR__SORT_I32 : compute;
}
static inline int cr__sort_dtype(int type) {
  return type == CR__SORT_I32 ? CR_INT32 : cr__compute_dtype(type);
}
static inline size_t cr__sort_size(int type) {
  return type == CR__SORT_I32 ? 4 : cr__compute_size(type);
}

/* The lines of a launch. */
typedef struct cr__sort_lines {
  const cr__view *values, *indices, *in; /* values: NULL where only positions are asked for */
  cr__fold_plan plan;
  int type;
  bool descending;
  int64_t n, kept, step; /* elements of a line, in and out; their step there */
} cr__sort_lines;

/* ---- sort_line.c ---- */

/* The positions, from 0, of the first `kept` of n elements in their order; `room` has space for two keys,
 * of the elements' size, and two positions of each. It lies there, as long as that. */
const uint32_t *cr__order_f32(const void *x, void *room, int64_t n, int64_t kept, bool descending);
const uint32_t *cr__order_f64(const void *x, void *room, int64_t n, int64_t kept, bool descending);
const uint32_t *cr__order_i64(const void *x, void *room, int64_t n, int64_t kept, bool descending);
const uint32_t *cr__order_i32(const void *x, void *room, int64_t n, int64_t kept, bool descending);

/* ---- sort_short.c ---- */

bool cr__sorts_short(const cr__sort_lines *l); /* whether it is for such lines */
int cr__sort_short(const cr__sort_lines *l);

/* ---- sort_long.c ---- */

/* A line of n elements of a type of the above to be put in order; all lie side by side. */
enum { CR__LONG_LINE = 1 << 18 /* elements from which on this is worth it */ };
typedef struct cr__long_line {
  const char *op;
  const void *x;
  void *values; /* NULL where only positions are asked for */
  int64_t *indices;
  int64_t n;
  int type;
  bool descending;
} cr__long_line;
int cr__sort_long(const cr__long_line *line);

#endif
