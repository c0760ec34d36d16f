/* softmax.h: what the loops of softmax (loops_softmax.c, built per instruction set) and the
 * kernels that drive them share.
 *
 * Holds true: a loop works on one line of n elements, or on a tile of w <= CR__TILE lines side by side
 * whose rows lie `step` elements apart, all in float32 or all in float64. */
#ifndef CR__CPU_SOFTMAX_H
#define CR__CPU_SOFTMAX_H

#include "reduce.h"

typedef struct cr__lines {
  void *out;
  const void *a; /* the input; for a derivative the gradient */
  const void *b; /* for a derivative the result of the forward call */
  int64_t n, w, step;
  bool log;
  bool stream; /* write lines past the caches: out and their size are multiples of 64 bytes */
} cr__lines;

typedef struct cr__softmax_loops {
  void (*line[2][2])(const cr__lines *l); /* by derivative, computation type */
  void (*tile[2][2])(const cr__lines *l);
  /* Derivatives of w lines of n elements, one after another, from 4 to CR__SHORT; at
   * most CR__SHORT_UNIT elements in all. */
  void (*short_back[2])(const cr__lines *l);
  /* A piece of a long line, whose largest element is known, and the inverse of the sum of the
   * exponentials measured from it, or the logarithm of the sum (by computation type). */
  void (*piece[2])(const cr__lines *l, double top, double last);
  cr__folder
      logs[2]; /* CR__FOLD_LOGSUMEXP: tops in the first w numbers of the state, then rests, ... */
  void (*finish_logs)(double *state, int64_t w); /* ... which makes the tops the results */
} cr__softmax_loops;

const cr__softmax_loops *cr__softmax_loops_here(void); /* the best for this machine */

#endif
