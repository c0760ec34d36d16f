/* rnn.h: what the loops of recurrent cells (loops_rnn.c, built per instruction set) and the kernels that
 * drive them share.
 *
 * Holds true: a loop works on the cell of one sequence at one step, n hidden units, all float32 or all float64. A gate is
 * what it was summed up to, so that its slope can be computed from that; gates of one cell follow one another, n
 * elements each. */
#ifndef CR__CPU_RNN_H
#define CR__CPU_RNN_H

#include "device/backend.h"
#include "scalar/rnn.h"

typedef struct cr__cell {
  int64_t n;
  void *gates;          /* GRU: the input's part, which becomes the whole */
  const void *state;    /* GRU: the state before */
  const void *products; /* GRU: the state's part of the gates */
  void *cell;           /* LSTM: before, which becomes the one after */
  void *kept;           /* LSTM: the cell before; GRU: the state's part of the new gate; or NULL */
  void *out;
} cr__cell;

typedef struct cr__cell_back {
  int64_t n;
  const void *gates, *kept, *state; /* as above */
  const void *grad;                 /* of out */
  void *carry;    /* LSTM: the gradient of the cell; GRU: what reaches the state beside the gates */
  void *by_gates; /* the gradient of the input's part of the gates */
  void *by_products; /* GRU: that of the state's part */
} cr__cell_back;

typedef struct cr__rnn_loops { /* by cr__rnn_mode */
  void (*forward[CR__RNN_MODES])(const cr__cell *c);
  void (*backward[CR__RNN_MODES])(const cr__cell_back *c);
} cr__rnn_loops;

/* The best for this machine, of float32 or float64. */
const cr__rnn_loops *cr__rnn_loops_here(bool wide);

#endif
