/* depthwise_loops.h: a channel's sums of products for one type. loops_convolution.c includes it for each.
 *
 * Given: T, its vector type V, FMA(a, b, c) = a * b + c on vectors, LOAD(p, n) and STORE(p, v, n) for the first n lanes,
 * which are not all, NAME(x). Nothing is read or written but what belongs to a row: a product of zero and of what lies
 * behind one need not be zero. */

enum { NAME(LANES) = sizeof(V) / sizeof(T), NAME(ROWS) = 4, NAME(TAPS) = 8 };

INLINE V NAME(read)(const T *p, int64_t n) {
  V v;
  if (n < NAME(LANES)) return LOAD(p, n);
  memcpy(&v, p, sizeof v);
  return v;
}

INLINE void NAME(write)(T *p, V v, int64_t n) {
  if (n < NAME(LANES)) STORE(p, v, n);
  else memcpy(p, &v, sizeof v);
}

/* n columns of some rows. */
INLINE void NAME(block)(const cr__conv_rows *r, const T *from, const T *weight, T start, T *out,
                        int64_t n, const int rows) {
  V sum[NAME(ROWS)];
#pragma GCC unroll 4
  for (int i = 0; i < rows; i++) sum[i] = start - (V){0};
  for (int64_t t = 0; t < r->taps; t++) {
    const T *p = from + r->at[t];
    V w = weight[t] - (V){0}; /* the same element in every lane */
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++) sum[i] = FMA(w, NAME(read)(p + i * r->step, n), sum[i]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < rows; i++) NAME(write)(out + i * r->pitch, sum[i], n);
}

INLINE void NAME(columns)(const cr__conv_rows *r, const T *weight, T start, T *out, int64_t column,
                          int64_t n) {
  const T *from = (const T *)r->from + column;
  int64_t row = 0;
  out += column;
  for (; row + NAME(ROWS) <= r->rows; row += NAME(ROWS))
    NAME(block)(r, from + row * r->step, weight, start, out + row * r->pitch, n, NAME(ROWS));
  for (; row < r->rows; row++)
    NAME(block)(r, from + row * r->step, weight, start, out + row * r->pitch, n, 1);
}

static void NAME(taps)(const cr__conv_rows *r, const void *weight, double start, void *out) {
  int64_t column = 0;
  for (; column + NAME(LANES) <= r->columns; column += NAME(LANES))
    NAME(columns)(r, weight, (T)start, out, column, NAME(LANES));
  if (column < r->columns) NAME(columns)(r, weight, (T)start, out, column, r->columns - column);
}

/* The sums of some taps. */
INLINE void NAME(dots_of)(const cr__conv_rows *r, const T *grad, int64_t first, double *sums,
                          const int taps) {
  V sum[NAME(TAPS)];
#pragma GCC unroll 8
  for (int t = 0; t < taps; t++) sum[t] = (V){0};
  for (int64_t row = 0; row < r->rows; row++) {
    const T *from = (const T *)r->from + row * r->step, *g = grad + row * r->pitch;
    int64_t column = 0;
    for (; column + NAME(LANES) <= r->columns; column += NAME(LANES)) {
      V x = NAME(read)(g + column, NAME(LANES));
#pragma GCC unroll 8
      for (int t = 0; t < taps; t++)
        sum[t] = FMA(x, NAME(read)(from + column + r->at[first + t], NAME(LANES)), sum[t]);
    }
    int64_t rest = r->columns - column;
    if (rest == 0) continue;
    V x = LOAD(g + column, rest);
#pragma GCC unroll 8
    for (int t = 0; t < taps; t++)
      sum[t] = FMA(x, LOAD(from + column + r->at[first + t], rest), sum[t]);
  }
#pragma GCC unroll 8
  for (int t = 0; t < taps; t++)
    for (int l = 0; l < NAME(LANES); l++) sums[first + t] += (double)sum[t][l];
}

static void NAME(dots)(const cr__conv_rows *r, const void *grad, double *sums) {
  int64_t t = 0;
  for (; t + NAME(TAPS) <= r->taps; t += NAME(TAPS)) NAME(dots_of)(r, grad, t, sums, NAME(TAPS));
  for (; t + 3 <= r->taps; t += 3) NAME(dots_of)(r, grad, t, sums, 3);
  for (; t < r->taps; t++) NAME(dots_of)(r, grad, t, sums, 1);
}

#undef T
#undef V
#undef FMA
#undef LOAD
#undef STORE
#undef NAME
