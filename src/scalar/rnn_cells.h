/* rnn_cells.h: the functions of rnn.h for one floating type; included once per type, behind scalar.h.
 *
 * Given: T, the type, F, the name of its function, and M, that of libm's. */

/* max(x, 0) and its slope times g: NaN stays NaN. */
CR__SCALAR T F(rnn_relu)(T x) { return x < 0 ? 0 : x; }
CR__SCALAR T F(rnn_relu_d)(T g, T x) { return x <= 0 ? 0 : g; }

/* An LSTM's unit: its gates and its cell before; gives the cell, and what the output gate shows of it. */
CR__SCALAR T F(lstm_cell)(T in, T forget, T fresh, T cell) {
  return F(sigmoid)(forget) * cell + F(sigmoid)(in) * F(tanh)(fresh);
}
CR__SCALAR T F(lstm_out)(T shown, T cell) { return F(sigmoid)(shown) * F(tanh)(cell); }

/* The logistic function with what its slope is made of: h = e^(-|x| / 2) and q = 1 / (1 + h^2). */
typedef struct F(opening) {
  T value, h, q;
} F(opening);

CR__SCALAR F(opening) F(opening_of)(T x) {
  T h = F(exp_falling)(M(fabs)(x) * (T)-0.5), e = h * h, q = 1 / (1 + e);
  F(opening) o = {(x < 0 ? e : 1) * q, h, q};
  return o;
}
/* g times the slope */
CR__SCALAR T F(opening_d)(T g, F(opening) o) { return (g * o.h * o.q) * (o.h * o.q); }

/* The gradients by the gates and by the cell before, from those of the result (g) and of the cell (carry). */
typedef struct F(lstm_slopes) {
  T in, forget, fresh, shown, carry;
} F(lstm_slopes);

CR__SCALAR F(lstm_slopes) F(lstm_back)(T in, T forget, T fresh, T shown, T before, T g, T carry) {
  F(opening) i = F(opening_of)(in), f = F(opening_of)(forget), o = F(opening_of)(shown);
  T n = F(tanh)(fresh), cell = f.value * before + i.value * n;
  T by_cell = carry + F(tanh_d)(g * o.value, cell);
  F(lstm_slopes)
  s = {F(opening_d)(by_cell * n, i), F(opening_d)(by_cell * before, f),
       F(tanh_d)(by_cell * i.value, fresh), F(opening_d)(g * F(tanh)(cell), o), by_cell * f.value};
  return s;
}

/* A GRU's unit: its gates, and its state before. */
CR__SCALAR T F(gru_out)(T update, T fresh, T state) {
  T n = F(tanh)(fresh);
  return n + F(sigmoid)(update) * (state - n);
}

/* The gradients by the gates, by the state's part of the new gate (product), and by the state beside the gates. */
typedef struct F(gru_slopes) {
  T reset, update, fresh, product, carry;
} F(gru_slopes);

CR__SCALAR F(gru_slopes) F(gru_back)(T reset, T update, T fresh, T product, T state, T g) {
  F(opening) r = F(opening_of)(reset), z = F(opening_of)(update), shut = F(opening_of)(-update);
  T by_fresh = F(tanh_d)(g * shut.value, fresh);
  F(gru_slopes)
  s = {F(opening_d)(by_fresh * product, r), F(opening_d)(g * (state - F(tanh)(fresh)), z), by_fresh,
       by_fresh * r.value, g * z.value};
  return s;
}
