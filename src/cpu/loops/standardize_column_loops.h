/* standardize_column_loops.h: the loops of standardize.h over columns, for one type.
 *
 * Given: what standardize_loops.h is given. Holds true: a column's sums do not depend on which columns stand beside it. */

/* Adds up two vectors of columns from x on, in T, and these to float64. */
INLINE void NAME(spread_columns)(double *sums, double *squares, const T *x, int64_t rows,
                                 int64_t step, const T *middles, int count) {
  FULL plain[2] = {{0}}, square[2] = {{0}}, middle[2], v;
  memcpy(middle, middles, (size_t)count * sizeof(FULL));
  for (int64_t r = 0; r < rows; r++)
#pragma GCC unroll 2
    for (int k = 0; k < count; k++) {
      TAKE(v, x + r * step + k * NAME(WIDTH));
      v -= middle[k];
      plain[k] += v;
      square[k] += v * v;
    }
#pragma GCC unroll 2
  for (int k = 0; k < count; k++) {
    for (int i = 0; i < NAME(WIDTH); i++) sums[k * NAME(WIDTH) + i] += (double)plain[k][i];
    for (int i = 0; i < NAME(WIDTH); i++) squares[k * NAME(WIDTH) + i] += (double)square[k][i];
  }
}

static void NAME(columns_spread)(double *sums, double *squares, const void *from, int64_t rows,
                                 int64_t step, int64_t n, const void *by) {
  const T *x = from, *middles = by;
  int64_t i = 0;
  for (; i + 2 * NAME(WIDTH) <= n; i += 2 * NAME(WIDTH))
    NAME(spread_columns)(sums + i, squares + i, x + i, rows, step, middles + i, 2);
  for (; i + NAME(WIDTH) <= n; i += NAME(WIDTH))
    NAME(spread_columns)(sums + i, squares + i, x + i, rows, step, middles + i, 1);
  for (; i < n; i++) {
    T plain = 0, square = 0;
    for (int64_t r = 0; r < rows; r++) {
      T v = x[r * step + i] - middles[i];
      plain += v;
      square += v * v;
    }
    sums[i] += (double)plain, squares[i] += (double)square;
  }
}

#define STANDARD(x, i) ((((x)-high[i]) - low[i]) * inverse[i])
#define ARRAYS(t) const T *high = (t)->high, *low = (t)->low, *inverse = (t)->inverse

/* A vector of columns. */
INLINE void NAME(dots_columns)(double *sums, double *times, const T *g, const T *x, int64_t rows,
                               int64_t step, const T *high, const T *low, const T *inverse) {
  FULL plain = {0}, product = {0}, h, l, by, u, v;
  TAKE(h, high);
  TAKE(l, low);
  TAKE(by, inverse);
  for (int64_t r = 0; r < rows; r++) {
    TAKE(u, g + r * step);
    TAKE(v, x + r * step);
    plain += u;
    product += u * (((v - h) - l) * by);
  }
  for (int i = 0; i < NAME(WIDTH); i++) sums[i] += (double)plain[i];
  for (int i = 0; i < NAME(WIDTH); i++) times[i] += (double)product[i];
}

static void NAME(columns_dots)(double *sums, double *times, const void *grads, const void *from,
                               int64_t rows, int64_t step, int64_t n, const cr__column_terms *t) {
  const T *g = grads, *x = from;
  ARRAYS(t);
  int64_t i = 0;
  for (; i + NAME(WIDTH) <= n; i += NAME(WIDTH)) NAME(dots_columns)
  (sums + i, times + i, g + i, x + i, rows, step, high + i, low + i, inverse + i);
  for (; i < n; i++) {
    T plain = 0, product = 0;
    for (int64_t r = 0; r < rows; r++) {
      plain += g[r * step + i];
      product += g[r * step + i] * STANDARD(x[r * step + i], i);
    }
    sums[i] += (double)plain, times[i] += (double)product;
  }
}

static void NAME(columns_apply)(void *out, const void *from, int64_t rows, int64_t step, int64_t n,
                                const cr__column_terms *t) {
  T *restrict to = out;
  const T *x = from, *weight = t->weight, *bias = t->bias;
  ARRAYS(t);
  for (int64_t r = 0; r < rows; r++)
    for (int64_t i = 0; i < n; i++)
      to[r * step + i] = STANDARD(x[r * step + i], i) * weight[i] + bias[i];
}

static void NAME(columns_project)(void *out, const void *grads, const void *from, int64_t rows,
                                  int64_t step, int64_t n, const cr__column_terms *t) {
  T *restrict to = out;
  const T *g = grads, *x = from, *weight = t->weight, *a = t->a, *b = t->b;
  ARRAYS(t);
  for (int64_t r = 0; r < rows; r++)
    for (int64_t i = 0; i < n; i++) {
      int64_t at = r * step + i;
      to[at] = (g[at] * weight[i] - a[i] - STANDARD(x[at], i) * b[i]) * inverse[i];
    }
}

#undef STANDARD
#undef ARRAYS
