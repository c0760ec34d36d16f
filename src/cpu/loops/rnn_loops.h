/* rnn_loops.h: the loops of rnn.h for one type. loops_rnn.c includes it for float and for double.
 *
 * Given: T, F, the name of a function of T, M, that of libm's, and NAME(x). */

static void NAME(tanh)(const cr__cell *c) {
  const T *restrict x = c->gates;
  T *restrict out = c->out;
#pragma omp simd
  for (int64_t i = 0; i < c->n; i++) out[i] = F(tanh)(x[i]);
}

static void NAME(relu)(const cr__cell *c) {
  const T *restrict x = c->gates;
  T *restrict out = c->out;
#pragma omp simd
  for (int64_t i = 0; i < c->n; i++) out[i] = F(rnn_relu)(x[i]);
}

static void NAME(lstm)(const cr__cell *c) {
  const int64_t n = c->n;
  const T *restrict x = c->gates;
  T *restrict cell = c->cell, *restrict out = c->out;
  if (c->kept) memcpy(c->kept, cell, (size_t)n * sizeof(T));
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    cell[i] = F(lstm_cell)(x[i], x[n + i], x[2 * n + i], cell[i]);
    out[i] = F(lstm_out)(x[3 * n + i], cell[i]);
  }
}

static void NAME(gru)(const cr__cell *c) {
  const int64_t n = c->n;
  T *restrict x = c->gates, *restrict out = c->out;
  const T *restrict h = c->products, *restrict before = c->state;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    x[i] += h[i];
    x[n + i] += h[n + i];
    x[2 * n + i] += F(sigmoid)(x[i]) * h[2 * n + i];
    out[i] = F(gru_out)(x[n + i], x[2 * n + i], before[i]);
  }
  if (c->kept) memcpy(c->kept, h + 2 * n, (size_t)n * sizeof(T));
}

static void NAME(tanh_back)(const cr__cell_back *c) {
  const T *restrict x = c->gates, *restrict g = c->grad;
  T *restrict to = c->by_gates;
#pragma omp simd
  for (int64_t i = 0; i < c->n; i++) to[i] = F(tanh_d)(g[i], x[i]);
}

static void NAME(relu_back)(const cr__cell_back *c) {
  const T *restrict x = c->gates, *restrict g = c->grad;
  T *restrict to = c->by_gates;
#pragma omp simd
  for (int64_t i = 0; i < c->n; i++) to[i] = F(rnn_relu_d)(g[i], x[i]);
}

static void NAME(lstm_back)(const cr__cell_back *c) {
  const int64_t n = c->n;
  const T *restrict x = c->gates, *restrict before = c->kept, *restrict g = c->grad;
  T *restrict carry = c->carry, *restrict to = c->by_gates;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    F(lstm_slopes)
    d = F(lstm_back)(x[i], x[n + i], x[2 * n + i], x[3 * n + i], before[i], g[i], carry[i]);
    to[i] = d.in, to[n + i] = d.forget, to[2 * n + i] = d.fresh, to[3 * n + i] = d.shown;
    carry[i] = d.carry;
  }
}

static void NAME(gru_back)(const cr__cell_back *c) {
  const int64_t n = c->n;
  const T *restrict x = c->gates, *restrict kept = c->kept, *restrict before = c->state,
                    *restrict g = c->grad;
  T *restrict carry = c->carry, *restrict to = c->by_gates, *restrict too = c->by_products;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    F(gru_slopes)
    d = F(gru_back)(x[i], x[n + i], x[2 * n + i], kept[i], before[i], g[i] + carry[i]);
    to[i] = d.reset, to[n + i] = d.update, to[2 * n + i] = d.fresh;
    too[i] = d.reset, too[n + i] = d.update, too[2 * n + i] = d.product;
    carry[i] = d.carry;
  }
}

#undef T
#undef F
#undef M
#undef NAME
