/* rnn.h: recurrent cells, unit by unit: the arithmetic that CPU and CUDA share.
 *
 * Holds true: a gate is given as what it was summed up to; values and slopes are computed from that, so that nothing
 * cancels where a gate is nearly open or shut. Formulas: Hochreiter and Schmidhuber 1997 with a forget gate; Cho et al.
 * 2014, with the reset gate behind the product, as PyTorch and cuDNN have it. rnn_cells.h has the functions. */
#ifndef CR__SCALAR_RNN_H
#define CR__SCALAR_RNN_H

/* What a layer's cells are. */
typedef enum cr__rnn_mode {
  CR__RNN_TANH,
  CR__RNN_RELU,
  CR__LSTM,
  CR__GRU,
  CR__RNN_MODES
} cr__rnn_mode;

/* How many gates a cell has: LSTM's are input, forget, new and output; GRU's reset, update and new. */
#define CR__RNN_GATES(mode) ((mode) == CR__LSTM ? 4 : (mode) == CR__GRU ? 3 : 1)

#endif
