/* sort_short.h: lines of few elements, which are put in order side by side: the loops (loops_sort.c, built per
 * instruction set) and what drives them (sort_short.c).
 *
 * Holds true: the exchanges that are made depend on the number of a line's elements and of those that are kept
 * alone. Lines are padded to a multiple of CR__SIDE. */
#ifndef CR__CPU_SORT_SHORT_H
#define CR__CPU_SORT_SHORT_H

#include "sort.h"

enum {
  CR__LEADERS = 16,
  CR__SIDE = 16,
  CR__PLACE_BITS = 8 /* of a position, from 0, in a line of at most 256 */
};

/* The lines' elements a and b, a before b, of which the smaller one comes to stand at a. */
typedef struct cr__exchange {
  uint8_t a, b;
} cr__exchange;

typedef struct cr__sort_loops {
  /* The keys of n rows of w elements without gaps (element r of w lines side by side): n rows of `side` keys,
   * with the positions r below them (true), or without, as these do not fit (false: `places` has them). By a
   * cr__sort_type. */
  bool (*pack[CR__SORT_TYPES])(uint64_t *key, uint64_t *places, const void *x, int64_t n, int64_t w,
                               int64_t side, bool descending);
  void (*exchange)(uint64_t *key, const cr__exchange *e, int64_t count, int64_t side);
  void (*exchange_places)(uint64_t *key, uint64_t *places, const cr__exchange *e, int64_t count,
                          int64_t side);
  /* The positions, from 0, of the first `kept` <= CR__LEADERS of a line's n elements in their order. */
  void (*lead[CR__SORT_TYPES])(uint32_t *at, const void *x, int64_t n, int64_t kept,
                               bool descending);
} cr__sort_loops;

const cr__sort_loops *cr__sort_loops_here(void); /* the best for this machine */

#endif
