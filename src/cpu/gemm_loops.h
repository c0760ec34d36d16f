/* gemm_loops.h: the loops of gemm.h for one type. loops_gemm.c includes it for float and for double.
 *
 * Given: T, its vector type V and LANES, ROWS, FMA(a, b, c) = a * b + c on vectors, NAME(x). A tile is
 * ROWS x 2 vectors, so that its accumulators, a pair of b and one of a fill the registers. */

enum { NAME(COLS) = 2 * LANES };

static void NAME(tile)(int64_t k, const void *a_, const void *b_, void *c_, int64_t step,
                       bool add) {
  const T *a = a_, *b = b_;
  T *c = c_;
  V sum[ROWS][2];
#pragma GCC unroll 16
  for (int r = 0; r < ROWS; r++) sum[r][0] = sum[r][1] = (V){0};
  for (int64_t i = 0; i < k; i++) {
    V b0, b1;
    memcpy(&b0, b, sizeof b0);
    memcpy(&b1, b + LANES, sizeof b1);
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) {
      V x = a[r] - (V){0}; /* the same element in every lane */
      sum[r][0] = FMA(x, b0, sum[r][0]);
      sum[r][1] = FMA(x, b1, sum[r][1]);
    }
    a += ROWS;
    b += NAME(COLS);
  }
#pragma GCC unroll 16
  for (int r = 0; r < ROWS; r++) {
    V old[2] = {{0}, {0}};
    if (add) memcpy(old, c + r * step, sizeof old);
    old[0] += sum[r][0];
    old[1] += sum[r][1];
    memcpy(c + r * step, old, sizeof old);
  }
}

/* Rows of a 16-bit float. */
static void NAME(pack_narrow)(int dtype, const uint16_t *from, int64_t count, int64_t row,
                              int64_t k, int64_t step, int width, T *to) {
  for (int64_t i = 0; i < k; i++, to += width) {
    for (int64_t r = 0; r < count; r++) {
      uint16_t x = from[i * step + r * row];
      to[r] = dtype == CR_FLOAT16 ? cr__half_to_float(x) : cr__bfloat_to_float(x);
    }
    for (int64_t r = count; r < width; r++) to[r] = 0;
  }
}

static void NAME(pack)(int dtype, const char *from_, int64_t count, int64_t row, int64_t k,
                       int64_t step, int width, void *panel) {
  const T *from = (const T *)(const void *)from_;
  T *to = panel;
  if (dtype == CR_FLOAT16 || dtype == CR_BFLOAT16) {
    NAME(pack_narrow)(dtype, (const uint16_t *)(const void *)from_, count, row, k, step, width, to);
    return;
  }
  if (row == 1 && count == NAME(COLS) && width == NAME(COLS)) {
    for (int64_t i = 0; i < k; i++)
      memcpy(to + i * NAME(COLS), from + i * step, NAME(COLS) * sizeof(T));
    return;
  }
  if (count < width) memset(to, 0, (size_t)(k * width) * sizeof(T));
  if (step == 1) { /* rows lie along k: read them so, in pieces that stay in the cache */
    for (int64_t i0 = 0; i0 < k; i0 += 16) {
      int64_t i1 = i0 + 16 < k ? i0 + 16 : k;
      for (int64_t r = 0; r < count; r++) {
        for (int64_t i = i0; i < i1; i++) to[i * width + r] = from[r * row + i];
      }
    }
    return;
  }
  for (int64_t i = 0; i < k; i++) {
    for (int64_t r = 0; r < count; r++) to[i * width + r] = from[i * step + r * row];
  }
}

/* Sums blocks of 512 in vectors, and the blocks in double. */
static double NAME(dot)(int64_t n, const void *x_, int64_t xs, const void *y_, int64_t ys) {
  enum { BLOCK = 512, UNROLL = 4 };
  const T *x = x_, *y = y_;
  double total = 0;
  for (int64_t at = 0; at < n; at += BLOCK) {
    int64_t count = n - at < BLOCK ? n - at : BLOCK, i = 0;
    V sum[UNROLL] = {{0}};
    if (xs == 1 && ys == 1) {
      for (; i + UNROLL * LANES <= count; i += UNROLL * LANES) {
#pragma GCC unroll 4
        for (int u = 0; u < UNROLL; u++) {
          V p, q;
          memcpy(&p, x + at + i + u * LANES, sizeof p);
          memcpy(&q, y + at + i + u * LANES, sizeof q);
          sum[u] = FMA(p, q, sum[u]);
        }
      }
    }
    V all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    T rest = 0;
    for (; i < count; i++) rest += x[(at + i) * xs] * y[(at + i) * ys];
    for (int l = 0; l < LANES; l++) rest += all[l];
    total += (double)rest;
  }
  return total;
}

static void NAME(columns)(int64_t m, int64_t k, const void *a_, int64_t step, const void *x_,
                          int64_t xs, void *y_) {
  enum { BLOCK = 512, WIDE = 4 };
  const T *a = a_, *x = x_;
  T *y = y_;
  int64_t r = 0;
  for (; r + WIDE * LANES <= m; r += WIDE * LANES) {
    V total[WIDE] = {{0}};
    for (int64_t at = 0; at < k; at += BLOCK) {
      int64_t end = k - at < BLOCK ? k : at + BLOCK;
      V sum[WIDE] = {{0}};
      for (int64_t i = at; i < end; i++) {
        V v = x[i * xs] - (V){0};
#pragma GCC unroll 4
        for (int u = 0; u < WIDE; u++) {
          V p;
          memcpy(&p, a + i * step + r + u * LANES, sizeof p);
          sum[u] = FMA(p, v, sum[u]);
        }
      }
      for (int u = 0; u < WIDE; u++) total[u] += sum[u];
    }
    memcpy(y + r, total, sizeof total);
  }
  for (; r < m; r++) {
    double total = 0;
    for (int64_t at = 0; at < k; at += BLOCK) {
      int64_t end = k - at < BLOCK ? k : at + BLOCK;
      T sum = 0;
      for (int64_t i = at; i < end; i++) sum += a[i * step + r] * x[i * xs];
      total += (double)sum;
    }
    y[r] = (T)total;
  }
}

#undef T
#undef V
#undef LANES
#undef FMA
#undef NAME
