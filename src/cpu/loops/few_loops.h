/* few_loops.h: a few rows times many, all of which lie along k, for one type. loops_gemm.c includes it for
 * each.
 *
 * Given: T, its vector type V and LANES, FMA(a, b, c) = a * b + c on vectors, LOW and HIGH (the lanes of two
 * vectors' interleaved halves), NAME(x), NAME(load_some). A sum is made in 64 bytes of lanes along k, be
 * they one vector or several, and these are added up in halves: so its digits are the same in all
 * instruction sets that have FMA. */

enum { NAME(PARTS) = 64 / BYTES };

/* Halves of both added up, in turn. */
INLINE V NAME(pair)(V a, V b) {
  return (V)__builtin_shufflevector(a, b, LOW) + (V)__builtin_shufflevector(a, b, HIGH);
}

#if LANES > 2
typedef T NAME(quad) __attribute__((vector_size(4 * sizeof(T))));
#endif

/* The sums of four vectors' lanes. */
INLINE void NAME(totals)(const V *s, T out[4]) {
#if LANES == 2
  V low = NAME(pair)(s[0], s[1]), high = NAME(pair)(s[2], s[3]);
  memcpy(out, &low, sizeof low);
  memcpy(out + 2, &high, sizeof high);
#else
  V all = NAME(pair)(NAME(pair)(s[0], s[2]), NAME(pair)(s[1], s[3])); /* 0 1 2 3 0 1 2 3 ... */
#if LANES == 4
  NAME(quad) sum = all;
#elif LANES == 8
  NAME(quad)
  sum =
      __builtin_shufflevector(all, all, 0, 1, 2, 3) + __builtin_shufflevector(all, all, 4, 5, 6, 7);
#else
  NAME(quad)
  sum = (__builtin_shufflevector(all, all, 0, 1, 2, 3) +
         __builtin_shufflevector(all, all, 8, 9, 10, 11)) +
        (__builtin_shufflevector(all, all, 4, 5, 6, 7) +
         __builtin_shufflevector(all, all, 12, 13, 14, 15));
#endif
  memcpy(out, &sum, sizeof sum);
#endif
}

/* n elements, LANES or fewer; the rest is 0. */
INLINE V NAME(some_of)(const char *p, int64_t n, bool whole) {
  V v;
  if (whole) memcpy(&v, p, sizeof v);
  else v = NAME(load_some)(p, n);
  return v;
}

/* Adds the products of a vector's elements of a and b to the sums' part. */
INLINE void NAME(few_step)(const char *const a[2], int64_t ar, const char *const b[2], int64_t bn,
                           int64_t n, bool whole, const int rows, const int cols, const int part,
                           V (*sum)[8][NAME(PARTS)]) {
  V x[CR__GEMM_FEW_ROWS];
  const int at = part * (int)sizeof(V);
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++)
    x[i] = NAME(some_of)(a[i / 4] + (i % 4 == 3 ? 3 * ar : i % 4 * ar) + at, n, whole);
#pragma GCC unroll 8
  for (int j = 0; j < cols; j++) {
    V y = NAME(some_of)(b[j / 4] + (j % 4 == 3 ? 3 * bn : j % 4 * bn) + at, n, whole);
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) sum[i][j][part] = FMA(x[i], y, sum[i][j][part]);
  }
}

/* rows x cols sums in vectors, whose parts are added up. */
INLINE void NAME(few_sums)(const cr__gemm_few *t, const char *from, const int rows, const int cols,
                           V (*out)[8]) {
  V sum[CR__GEMM_FEW_ROWS][8][NAME(PARTS)];
  const char *a[2] = {t->a, t->a + 4 * t->ar}, *b[2] = {from, from + 4 * t->bn};
  int64_t k = t->k;
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++) {
#pragma GCC unroll 8
    for (int j = 0; j < cols; j++) {
#pragma GCC unroll 4
      for (int p = 0; p < NAME(PARTS); p++) sum[i][j][p] = (V){0};
    }
  }
  for (; k >= NAME(PARTS) * LANES; k -= NAME(PARTS) * LANES) {
#pragma GCC unroll 4
    for (int p = 0; p < NAME(PARTS); p++)
      NAME(few_step)(a, t->ar, b, t->bn, LANES, true, rows, cols, p, sum);
    a[0] += 64, a[1] += 64, b[0] += 64, b[1] += 64;
  }
#pragma GCC unroll 4
  for (int p = 0; p < NAME(PARTS); p++) {
    int64_t n = k - p * LANES;
    if (n > 0) NAME(few_step)(a, t->ar, b, t->bn, n < LANES ? n : LANES, false, rows, cols, p, sum);
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++) {
#pragma GCC unroll 8
    for (int j = 0; j < cols; j++) {
#pragma GCC unroll 2
      for (int half = NAME(PARTS) / 2; half > 0; half /= 2) {
#pragma GCC unroll 2
        for (int p = 0; p < half; p++) sum[i][j][p] += sum[i][j][p + half];
      }
      out[i][j] = sum[i][j][0];
    }
  }
}

/* c = d + sums, n of them, 4 at most. */
INLINE void NAME(put_sums)(char *c, const char *d, int64_t n, const T sums[4]) {
  T old[4] = {0};
  if (n == 4) {
    if (d) memcpy(old, d, sizeof old);
    for (int l = 0; l < 4; l++) old[l] = d ? old[l] + sums[l] : sums[l];
    memcpy(c, old, sizeof old);
    return;
  }
  if (d) memcpy(old, d, (size_t)n * sizeof(T));
  for (int l = 0; l < 4; l++) old[l] = d ? old[l] + sums[l] : sums[l];
  memcpy(c, old, (size_t)n * sizeof(T));
}

/* rows x cols sums, of which `left` columns are wanted: cols is 4 or 8, of which registers hold `width`. */
INLINE void NAME(few_of)(const cr__gemm_few *t, const char *from, char *c, const char *d,
                         int64_t left, const int rows, const int cols, const int width) {
  V sum[CR__GEMM_FEW_ROWS][8];
#pragma GCC unroll 4
  for (int j = 0; j < cols; j += width) {
    V some[CR__GEMM_FEW_ROWS][8];
    NAME(few_sums)(t, from + j * t->bn, rows, width, some);
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
#pragma GCC unroll 8
      for (int l = 0; l < width; l++) sum[i][j + l] = some[i][l];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++) {
#pragma GCC unroll 2
    for (int j = 0; j < cols; j += 4) {
      T all[4];
      NAME(totals)(&sum[i][j], all);
      int64_t n = left - j < 4 ? left - j : 4, at = j * (int64_t)sizeof(T);
      if (n > 0) NAME(put_sums)(c + i * t->cr + at, d ? d + i * t->dr + at : NULL, n, all);
    }
  }
}

/* A column that is left is four times the same: nothing is read beyond b. */
INLINE void NAME(few_rows)(const cr__gemm_few *t, const int rows, const int cols, const int width) {
  const char *b = t->b, *d = t->d;
  char *c = t->c;
  int64_t left = t->cols;
  for (; left >= cols; left -= cols) {
    NAME(few_of)(t, b, c, d, cols, rows, cols, width);
    b += cols * t->bn, c += cols * (int)sizeof(T);
    if (d) d += cols * (int)sizeof(T);
  }
  for (; left > 0; left--) {
    cr__gemm_few one = *t;
    one.bn = 0;
    NAME(few_of)(&one, b, c, d, 1, rows, 4, width < 4 ? width : 4);
    b += t->bn, c += sizeof(T);
    if (d) d += sizeof(T);
  }
}

static void NAME(few)(const cr__gemm_few *t) {
  switch (t->rows) {
#if BYTES == 64
  case 1: NAME(few_rows)(t, 1, 8, 8); break;
  case 2: NAME(few_rows)(t, 2, 8, 8); break;
  case 3: NAME(few_rows)(t, 3, 4, 4); break;
  case 4: NAME(few_rows)(t, 4, 4, 4); break;
  case 5: NAME(few_rows)(t, 5, 4, 4); break;
  default: NAME(few_rows)(t, 6, 4, 4); break;
#else
  case 1: NAME(few_rows)(t, 1, 4, BYTES / 8); break;
  case 2: NAME(few_rows)(t, 2, 4, BYTES / 16); break;
  default: NAME(few_rows)(t, 3, 4, BYTES / 16); break;
#endif
  }
}
