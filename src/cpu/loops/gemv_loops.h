/* gemv_loops.h: the loops of matrices times vectors for one type. loops_gemm.c includes it for float
 * and the rest.
 *
 * Given: T, its vector type V and LANES, FMA(a, b, c) = a * b + c on vectors, NAME(x), TOTAL (the
 * member of cr__gemv_total). Long sums are made of sums over BLOCK elements, which keeps rounding
 * errors small. */

/* Sums blocks in vectors, and the blocks in the total. */
static void NAME(dot)(int64_t n, const void *x_, int64_t xs, const void *y_, int64_t ys,
                      cr__gemv_total *total) {
  enum { BLOCK = 4096, UNROLL = 8 };
  const T *x = x_, *y = y_;
  for (int64_t at = 0; at < n; at += BLOCK) {
    int64_t count = n - at < BLOCK ? n - at : BLOCK, i = 0;
    V sum[UNROLL] = {{0}};
    if (xs == 1 && ys == 1) {
      for (; i + UNROLL * LANES <= count; i += UNROLL * LANES) {
#pragma GCC unroll 8
        for (int u = 0; u < UNROLL; u++) {
          V p, q;
          memcpy(&p, x + at + i + u * LANES, sizeof p);
          memcpy(&q, y + at + i + u * LANES, sizeof q);
          sum[u] = FMA(p, q, sum[u]);
        }
      }
    }
    V all = ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
    for (; i + LANES <= count && xs == 1 && ys == 1; i += LANES) {
      V p, q;
      memcpy(&p, x + at + i, sizeof p);
      memcpy(&q, y + at + i, sizeof q);
      all = FMA(p, q, all);
    }
    T rest = 0, lane[LANES];
    memcpy(lane, &all, sizeof lane);
    for (; i < count; i++) rest += x[(at + i) * xs] * y[(at + i) * ys];
    for (int w = LANES / 2; w > 0; w /= 2) {
      for (int l = 0; l < w; l++) lane[l] += lane[l + w];
    }
    total->TOTAL += (T)(rest + lane[0]);
  }
}

/* y[0..n) += x[0] row 0 + ... + x[7] row 7. */
static void NAME(eight_rows)(int64_t n, const T *a, int64_t step, const T *x, int64_t xs, T *y) {
  int64_t j = 0;
  for (; j + LANES <= n; j += LANES) {
    V sum;
    memcpy(&sum, y + j, sizeof sum);
#pragma GCC unroll 8
    for (int r = 0; r < 8; r++) {
      V p, v = x[r * xs] - (V){0};
      memcpy(&p, a + r * step + j, sizeof p);
      sum = FMA(p, v, sum);
    }
    memcpy(y + j, &sum, sizeof sum);
  }
  for (; j < n; j++) {
    for (int r = 0; r < 8; r++) y[j] += x[r * xs] * a[r * step + j];
  }
}

static void NAME(rows)(int64_t k, int64_t n, const void *a_, int64_t step, const void *x_,
                       int64_t xs, void *y_) {
  enum { BLOCK = 512 };
  const T *a = a_, *x = x_;
  T *y = y_, part[CR__GEMV_WIDTH];
  for (int64_t at = 0; at < k; at += BLOCK) {
    int64_t end = k - at < BLOCK ? k : at + BLOCK, i = at;
    for (int64_t j = 0; j < n; j++) part[j] = 0;
    for (; i + 8 <= end; i += 8) NAME(eight_rows)(n, a + i * step, step, x + i * xs, xs, part);
    for (; i < end; i++) {
      for (int64_t j = 0; j < n; j++) part[j] += x[i * xs] * a[i * step + j];
    }
    for (int64_t j = 0; j < n; j++) y[j] += part[j];
  }
}

#undef T
#undef V
#undef LANES
#undef FMA
#undef TOTAL
#undef NAME
