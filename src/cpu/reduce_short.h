/* reduce_short.h: rows of few elements, which are folded side by side: the loops (loops_rows.c, built per
 * instruction set) and what drives them (reduce_short.c).
 *
 * Holds true: whether rows are short depends on shapes and strides alone, and each row's elements are
 * folded in an order that depends on their number alone. */
#ifndef CR__CPU_REDUCE_SHORT_H
#define CR__CPU_REDUCE_SHORT_H

#include "reduce.h"

enum {
  CR__SHORT = 128,       /* elements of a row, at most */
  CR__SHORT_ROWS = 16,   /* rows side by side, at least: fewer are folded one by one */
  CR__SHORT_UNIT = 4096, /* elements of a unit of work, at most */
};

/* Folds w rows of n elements, whose first ones lie `step` apart, into states that hold no element yet. A row
 * has at least 16 bytes and at most CR__SHORT elements. */
typedef void (*cr__fold_rows)(void *state, const void *x, int64_t n, int64_t step, int64_t w);

typedef struct cr__rows_loops {
  cr__fold_rows fold[3][CR__FOLD_MIN + 1]; /* by computation type: sums, products, extremes */
  cr__fold_rows narrow[CR__FOLD_MIN + 1];  /* of int32: the extremes */
  cr__fold_rows squares[2];                /* sums of squares of float32, float64 */
} cr__rows_loops;

const cr__rows_loops *cr__rows_loops_here(void); /* the best for this machine */

/* How many rows of n elements of `size` bytes, as they are computed, make a unit of work. */
static inline int64_t cr__short_width(int64_t n, size_t size) {
  int64_t w = CR__SHORT_UNIT * 4 / (int64_t)size / n / CR__SHORT_ROWS * CR__SHORT_ROWS;
  return w < CR__SHORT_ROWS ? CR__SHORT_ROWS : w < CR__TILE ? w : CR__TILE;
}

/* Whether a plan has such rows; then they are rows of it. */
bool cr__short_rows(cr__fold_plan *p);

typedef struct cr__short {
  const cr__reduce_loops *loops;
  const cr__folder *fold;
  cr__fold_rows rows; /* NULL: the rows are turned into columns for `fold` */
  int dtype, takes,
      compute;     /* the input's dtype, that of the elements that are folded, their state */
  int map;         /* a cr__map, and ... */
  double power;    /* ... its exponent */
  int64_t n, step; /* elements of a row; from one row to the next */
  int64_t most;    /* of a row that are folded at a time by `fold` */
} cr__short;

/* Chooses `rows`, for a cr__fold. */
void cr__short_loop(cr__short *s, int fold);
/* Folds the w rows that begin at x into their states, of 2 * w numbers. */
void cr__fold_short(const cr__short *s, const char *x, int64_t w, void *state);

/* The w rows of n elements that begin at x, the first ones `step` apart, as n rows of w elements of dtype
 * `takes`; at most CR__SHORT_UNIT elements. */
void cr__short_columns(void *to, int takes, const char *x, int dtype, int64_t n, int64_t step,
                       int64_t w);

static inline char *cr__element(const cr__view *v, int64_t index) {
  return v->data + index * (int64_t)cr__size_of((cr_dtype)v->dtype);
}

#endif
