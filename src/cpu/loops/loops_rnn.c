/* loops_rnn.c: the cells of recurrent layers, and their derivatives; compiled once per instruction set.
 *
 * Holds true: scalar and vector forms give the same bits, so that a unit's place in a layer does not matter. */
#include <string.h>

#include "cpu/rnn.h"
#include "loops.h"
#include "scalar/scalar.h"

#define T float
#define F(name) f32_##name
#define M(name) name##f
#include "scalar/rnn_cells.h"
#define NAME(x) x##_f32
#include "rnn_loops.h"

#define T double
#define F(name) f64_##name
#define M(name) name
#include "scalar/rnn_cells.h"
#define NAME(x) x##_f64
#include "rnn_loops.h"

#define LOOPS(t)                                                             \
  {                                                                          \
    .forward = {tanh_##t, relu_##t, lstm_##t, gru_##t},                      \
    .backward = {tanh_back_##t, relu_back_##t, lstm_back_##t, gru_back_##t}, \
  }
extern const cr__rnn_loops CR__PASTE(cr__rnn_loops_, CR__ISA)[2];
const cr__rnn_loops CR__PASTE(cr__rnn_loops_, CR__ISA)[2] = {LOOPS(f32), LOOPS(f64)};
