/* depthwise_loops.h: a channel's sums of products for one type. loops_convolution.c includes it for each.
 *
 * Given: T, its vector type V, FMA(a, b, c) = a * b + c on vectors, LOAD(p, from, to) for some lanes, with
 * zeros in the others, STORE(p, v, n) for the first n lanes, which are not all, NAME(x). Nothing is read or written but
 * what belongs to a row: a product of zero and of what lies behind one need not be zero. */

enum {
  NAME(LANES) = sizeof(V) / sizeof(T),
  NAME(ROWS) = 4,
  NAME(TAPS) = 9,
  NAME(PARTS) =
      64 /
      sizeof(V), /* vectors of a sum over columns: its order is that of 64 bytes at every level */
  NAME(WIDTH) = 64 / sizeof(T)
};

/* How many of n columns belong to a part of such a sum. */
INLINE int64_t NAME(left)(int64_t n, int part) {
  int64_t left = n - part * NAME(LANES);
  return left < 0 ? 0 : left < NAME(LANES) ? left : NAME(LANES);
}

INLINE V NAME(read)(const T *p, int64_t n) {
  V v;
  if (n < NAME(LANES)) return LOAD(p, 0, n);
  memcpy(&v, p, sizeof v);
  return v;
}

INLINE void NAME(write)(T *p, V v, int64_t n) {
  if (n < NAME(LANES)) STORE(p, v, n);
  else memcpy(p, &v, sizeof v);
}

/* ---- Results ---- */

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

/* ---- Gradients of weights ---- */

INLINE double NAME(total)(const V v[NAME(PARTS)]) {
  double sum = 0;
  for (int q = 0; q < NAME(PARTS); q++)
    for (int l = 0; l < NAME(LANES); l++) sum += (double)v[q][l];
  return sum;
}

/* Adds n columns to the sums of some taps. */
INLINE void NAME(dots_block)(const cr__conv_rows *r, const T *grad, int64_t column, int64_t n,
                             const int64_t *at, V sum[][NAME(PARTS)], const int taps) {
  const T *from = (const T *)r->from + column;
  for (int64_t row = 0; row < r->rows; row++, from += r->step) {
#pragma GCC unroll 4
    for (int q = 0; q < NAME(PARTS); q++) {
      int64_t m = NAME(left)(n, q), by = q * NAME(LANES);
      V g = NAME(read)(grad + row * r->pitch + column + by, m);
#pragma GCC unroll 9
      for (int t = 0; t < taps; t++)
        sum[t][q] = FMA(g, NAME(read)(from + at[t] + by, m), sum[t][q]);
    }
  }
}

INLINE void NAME(dots_of)(const cr__conv_rows *r, const T *grad, int64_t first, double *sums,
                          const int taps) {
  V sum[NAME(TAPS)][NAME(PARTS)];
  int64_t column = 0;
  memset(sum, 0, sizeof sum);
  for (; column + NAME(WIDTH) <= r->columns; column += NAME(WIDTH))
    NAME(dots_block)(r, grad, column, NAME(WIDTH), r->at + first, sum, taps);
  if (column < r->columns)
    NAME(dots_block)(r, grad, column, r->columns - column, r->at + first, sum, taps);
  for (int t = 0; t < taps; t++) sums[first + t] += NAME(total)(sum[t]);
}

static void NAME(dots)(const cr__conv_rows *r, const void *grad, double *sums) {
  int64_t t = 0;
  for (; t + NAME(TAPS) <= r->taps; t += NAME(TAPS)) NAME(dots_of)(r, grad, t, sums, NAME(TAPS));
  for (; t + 4 <= r->taps; t += 4) NAME(dots_of)(r, grad, t, sums, 4);
  for (; t < r->taps; t++) NAME(dots_of)(r, grad, t, sums, 1);
}

/* ---- Kernels of a few rows, whose source is read in place ---- */

/* Lanes of n results from `column` on that have a place with a tap, whose first lane reads `at`. */
INLINE void NAME(there)(const cr__conv_near *p, int64_t at, int64_t n, int64_t *from, int64_t *to) {
  *to = p->width - at < n ? p->width - at : n;
  *from = at < 0 ? -at : 0;
  if (*from > n) *from = n;
  if (*to < *from) *to = *from;
}

/* n columns of some rows: a row of the source goes to all results that take it. */
INLINE void NAME(near_block)(const cr__conv_near *p, int64_t row, int64_t column, const T *weight,
                             T start, T *out, int64_t n, const int rows, const int tall) {
  V sum[NAME(ROWS)];
#pragma GCC unroll 4
  for (int i = 0; i < rows; i++) sum[i] = start - (V){0};
  for (int64_t t = 0; t < p->wide; t++) {
    int64_t at = column + p->column + t * p->apart, first = row + p->row, from, to;
    const T *line = (const T *)p->from + first * p->width + at;
    V w[5];
    NAME(there)(p, at, n, &from, &to);
#pragma GCC unroll 5
    for (int k = 0; k < tall; k++) w[k] = weight[k * p->wide + t] - (V){0};
#pragma GCC unroll 8
    for (int i = 0; i < rows + tall - 1; i++, line += p->width) {
      if (first + i < 0 || first + i >= p->height) continue;
      V x = LOAD(line, from, to);
#pragma GCC unroll 5
      for (int k = 0; k < tall; k++)
        if (i - k >= 0 && i - k < rows) sum[i - k] = FMA(w[k], x, sum[i - k]);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < rows; i++) NAME(write)(out + i * p->columns, sum[i], n);
}

INLINE void NAME(near_columns)(const cr__conv_near *p, const T *weight, T start, T *out,
                               int64_t column, int64_t n, const int tall) {
  int64_t row = 0;
  out += column;
  for (; row + NAME(ROWS) <= p->rows; row += NAME(ROWS))
    NAME(near_block)(p, row, column, weight, start, out + row * p->columns, n, NAME(ROWS), tall);
  for (; row < p->rows; row++)
    NAME(near_block)(p, row, column, weight, start, out + row * p->columns, n, 1, tall);
}

static void NAME(near_taps)(const cr__conv_near *p, const void *weight, double start, void *out) {
  for (int64_t column = 0; column < p->columns; column += NAME(LANES)) {
    int64_t n = p->columns - column < NAME(LANES) ? p->columns - column : NAME(LANES);
    if (p->tall == 3) NAME(near_columns)(p, weight, (T)start, out, column, n, 3);
    else NAME(near_columns)(p, weight, (T)start, out, column, n, 5);
  }
}

/* n columns of all rows: three rows of the gradient stay at hand while one of the source goes by. */
INLINE void NAME(near_dots_block)(const cr__conv_near *p, const T *grad, int64_t column, int64_t n,
                                  V sum[9]) {
  V above[3] = {{0},
                {0},
                {0}}; /* of the gradient: this row, the one above it, and the one above that */
  int64_t from[3], to[3];
  const T *line[3];
  for (int t = 0; t < 3; t++) {
    int64_t at = column + p->column + t * p->apart;
    NAME(there)(p, at, n, &from[t], &to[t]);
    line[t] = (const T *)p->from + p->row * p->width + at;
  }
  for (int64_t row = 0; row < p->rows + 2; row++) {
    V x[3];
    above[2] = above[1], above[1] = above[0];
    if (row < p->rows) above[0] = NAME(read)(grad + row * p->columns + column, n);
    if (row + p->row < 0 || row + p->row >= p->height) continue;
#pragma GCC unroll 3
    for (int t = 0; t < 3; t++) x[t] = LOAD(line[t] + row * p->width, from[t], to[t]);
#pragma GCC unroll 3
    for (int k = 0; k < 3; k++) {
      if (row < k || row - k >= p->rows) continue;
#pragma GCC unroll 3
      for (int t = 0; t < 3; t++) sum[3 * k + t] = FMA(above[k], x[t], sum[3 * k + t]);
    }
  }
}

static void NAME(near_dots)(const cr__conv_near *p, const void *grad, double *sums) {
  V sum[NAME(PARTS)][9], of_tap[NAME(PARTS)];
  memset(sum, 0, sizeof sum);
  for (int64_t column = 0; column < p->columns; column += NAME(LANES)) {
    int64_t n = p->columns - column < NAME(LANES) ? p->columns - column : NAME(LANES);
    NAME(near_dots_block)(p, grad, column, n, sum[column / NAME(LANES) % NAME(PARTS)]);
  }
  for (int t = 0; t < 9; t++) {
    for (int q = 0; q < NAME(PARTS); q++) of_tap[q] = sum[q][t];
    sums[t] += NAME(total)(of_tap);
  }
}

#undef T
#undef V
#undef FMA
#undef LOAD
#undef STORE
#undef NAME
