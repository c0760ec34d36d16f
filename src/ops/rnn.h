/* rnn.h: what the parts of recurrent layers share: the sizes of a call, and what each layer keeps for its derivative.
 *
 * Holds true: all layers work on rows: those of the sequences at one step, one step after the other, in the dtype of
 * the computation. A call's tensors are released by who made them, whatever fails. */
#ifndef CR__RUN_RNN_H
#define CR__RUN_RNN_H

#include "autograd/graph.h"
#include "scalar/rnn.h"
#include "random.h"
#include "work.h"

/* How the input lies. The batch may be left out of the first two and the last. */
typedef enum cr__rnn_layout {
  CR__RNN_STEPS,   /* time x batch x features */
  CR__RNN_BATCHES, /* batch x time x features */
  CR__RNN_PACKED,  /* rows */
  CR__RNN_CELL     /* batch x features: one step */
} cr__rnn_layout;

typedef struct cr__rnn {
  const char *op;
  cr__rnn_mode mode;
  cr__rnn_layout layout;
  bool biases, projects, single; /* single: there is no batch */
  int each;                      /* parameters of a direction of a layer */
  int64_t layers, dirs, gates, width, hidden, shown;
  int64_t steps, batch, rows;
  int64_t kept;   /* elements of a row of what the kernel keeps beside the gates */
  double dropout; /* 0: none */
  cr__rng_place draws;
  cr_dtype dtype, compute;
  cr_device device;
  cr__row *sizes; /* of each step: n sequences, from row `step` on */
} cr__rnn;

/* The arguments of rnn_layers. */
typedef struct cr__rnn_args {
  cr_tensor *input, *hx, *cx, *batch_sizes;
  cr__tensors params;
  int64_t mode, layout, layers, seed, offset;
  bool biases, both;
  double dropout;
  const char *op;
} cr__rnn_args;

/* The sizes of a call; released by cr__rnn_drop. */
int cr__rnn_plan(cr__rnn *p, const cr__rnn_args *a);
void cr__rnn_drop(cr__rnn *p);

/* The shape, and the strides over rows of `last` elements, that the input and the output have. Gives the dims. */
int cr__rnn_geometry(const cr__rnn *p, int64_t last, int64_t *shape, int64_t *stride);
/* Returns t, laid out so, as rows of the computation; `fresh`: contiguous, in memory of their own. */
cr_tensor *cr__rnn_rows(const cr__rnn *p, cr_tensor *t, bool fresh);
/* Returns rows as a tensor laid out so; the same memory. */
cr_tensor *cr__rnn_laid_out(const cr__rnn *p, cr_tensor *rows);
/* Returns a contiguous t of the computation's dtype, retained where it is that. */
cr_tensor *cr__rnn_ready(const cr__rnn *p, cr_tensor *t);
/* Returns part of a matrix, as another header. */
cr_tensor *cr__rnn_block(cr_tensor *t, int64_t row, int64_t rows, int64_t column, int64_t columns);
/* Returns matrix number i of a tensor of matrices of the sizes given. */
cr_tensor *cr__rnn_matrix(cr_tensor *t, int64_t i, int64_t rows, int64_t columns);
/* out = a b (+ added: a row, or a matrix, which may be out); turned: b is given transposed. */
int cr__rnn_multiply(const cr__rnn *p, cr_tensor *out, cr_tensor *a, cr_tensor *b, bool turned,
                     cr_tensor *added);
/* Returns what the output of a layer (from 0) is multiplied by before it goes on. */
cr_tensor *cr__rnn_mask(const cr__rnn *p, int64_t layer);

/* A direction's parameters, in the computation's dtype. */
typedef struct cr__rnn_weights {
  cr_tensor *ih, *hh, *b_ih, *b_hh, *hr; /* NULL: there is none */
} cr__rnn_weights;
int cr__rnn_weights_of(const cr__rnn *p, cr__work *w, cr__tensors params, int64_t direction,
                       cr__rnn_weights *out);

/* Where a direction's part of what is kept lies: returns its gates, or (`rest`) what is kept beside them. */
cr_tensor *cr__rnn_kept(const cr__rnn *p, cr_tensor *kept, int64_t direction, bool rest);
/* Returns the rows that go into a layer, from the second on. */
cr_tensor *cr__rnn_between(const cr__rnn *p, cr_tensor *kept, int64_t layer);
int64_t cr__rnn_kept_size(const cr__rnn *p); /* elements; -1: more than there can be */

/* Sequences that begin or end together: from number `first` on, in the rows from `row` on. */
typedef struct cr__rnn_piece {
  int64_t first, n, row;
} cr__rnn_piece;
/* The next of the pieces; *t is -1 at first. spread: those of a packed sequence at its far end, else there is one. */
bool cr__rnn_next(const cr__rnn *p, bool spread, int64_t *t, cr__rnn_piece *piece);

/* rnn_replay.c: the derivative in operations, which record themselves: of the results' gradients g. */
int cr__rnn_replay(cr_node *n, const cr__rnn_args *a, const cr_value *g, cr_tensor **gi);

#endif
