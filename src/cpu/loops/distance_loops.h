/* distance_loops.h: the loops of distance.h for one type. loops_distance.c includes it for float and for double.
 *
 * Given: T, TYPE, its name, NAME(x), V, a vector of 8 elements, INTS, one of integers as wide, and
 * LIBM(name). Holds true: sums are those of scalar/distance.h. */

/* One step of eight sums; kind is a constant where it is inlined. */
INLINE void NAME(step)(cr__distance_kind kind, V *sum, const V *x, const V *y, const INTS *mask) {
  const INTS size = (INTS){0} + NAME(SIZE);
  V d = *x - *y, ones = (V){0} + 1;
  d = (V)((INTS)d & size & *mask);
  if (kind == CR__DISTANCE_SUM) *sum += d;
  else if (kind == CR__DISTANCE_SQUARES) *sum += d * d;
  else if (kind == CR__DISTANCE_CUBES) *sum += d * d * d;
  else if (kind == CR__DISTANCE_COUNT) *sum += (V)((INTS)ones & (INTS)(d != 0));
  else {
    INTS more = (INTS)(d > *sum) | (INTS)(d != d);
    *sum = (V)(((INTS)d & more) | ((INTS)*sum & ~more));
  }
}

INLINE void NAME(joined)(cr__distance_kind kind, V *a, const V *b) {
  if (kind != CR__DISTANCE_MOST) *a += *b;
  else {
    INTS more = (INTS)(*b > *a) | (INTS)(*b != *b);
    *a = (V)(((INTS)*b & more) | ((INTS)*a & ~more));
  }
}

#define MIXED(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
/* Joins the sums of each of eight vectors: those of vector i become element i of the first. */
INLINE void NAME(join)(cr__distance_kind kind, V *v) {
  V low, high;
  for (int i = 0; i < 4; i++) {
    low = MIXED(v[2 * i], v[2 * i + 1], 0, 1, 2, 3, 8, 9, 10, 11);
    high = MIXED(v[2 * i], v[2 * i + 1], 4, 5, 6, 7, 12, 13, 14, 15);
    NAME(joined)(kind, &low, &high);
    v[i] = low;
  }
  for (int i = 0; i < 2; i++) {
    low = MIXED(v[2 * i], v[2 * i + 1], 0, 1, 4, 5, 8, 9, 12, 13);
    high = MIXED(v[2 * i], v[2 * i + 1], 2, 3, 6, 7, 10, 11, 14, 15);
    NAME(joined)(kind, &low, &high);
    v[i] = low;
  }
  low = MIXED(v[0], v[1], 0, 2, 4, 6, 8, 10, 12, 14);
  high = MIXED(v[0], v[1], 1, 3, 5, 7, 9, 11, 13, 15);
  NAME(joined)(kind, &low, &high);
  v[0] = low;
}
#undef MIXED

/* The rest of n elements of x, in the last lanes. */
INLINE void NAME(rest)(V *v, const T *x, int64_t n, int64_t rest) {
  T last[8];
  if (n >= 8) {
    memcpy(v, x + n - 8, sizeof *v);
    return;
  }
  for (int i = 0; i < 8; i++) last[i] = i < 8 - rest ? 0 : x[n - 8 + i];
  memcpy(v, last, sizeof *v);
}

INLINE void NAME(find_some)(cr__distance_kind kind, T *to, const T *x, const T *list, int64_t count,
                            int64_t n) {
  const INTS all = (INTS){0} - 1;
  INTS some;
  int64_t rest = n % 8, whole = n - rest;
  for (int i = 0; i < 8; i++) some[i] = i < 8 - rest ? 0 : -1;
  for (int64_t j = 0; j < count; j += 8) {
    int64_t left = count - j < 8 ? count - j : 8;
    const T *y[8];
    V sum[8] = {{0}}, u, v;
    for (int c = 0; c < 8; c++) y[c] = list + (c < left ? j + c : j) * n;
    for (int64_t i = 0; i < whole; i += 8) {
      memcpy(&u, x + i, sizeof u);
#pragma GCC unroll 8
      for (int c = 0; c < 8; c++) {
        memcpy(&v, y[c] + i, sizeof v);
        NAME(step)(kind, &sum[c], &u, &v, &all);
      }
    }
    if (rest) {
      NAME(rest)(&u, x, n, rest);
#pragma GCC unroll 8
      for (int c = 0; c < 8; c++) {
        NAME(rest)(&v, y[c], n, rest);
        NAME(step)(kind, &sum[c], &u, &v, &some);
      }
    }
    NAME(join)(kind, sum);
    for (int c = 0; c < 8 && kind == CR__DISTANCE_SQUARES; c++) sum[0][c] = LIBM(sqrt)(sum[0][c]);
    for (int c = 0; c < 8 && kind == CR__DISTANCE_CUBES; c++)
      sum[0][c] = NAME(cr__distance_end)(kind, sum[0][c], 3);
    memcpy(to + j, sum, (size_t)left * sizeof(T));
  }
}

static void NAME(find)(void *out, const void *from, const void *others, int64_t count, int64_t n,
                       double power) {
  const T p = (T)power, *x = from, *list = others;
  T *to = out;
  switch (cr__distance_kind_of(power)) {
  case CR__DISTANCE_SUM: NAME(find_some)(CR__DISTANCE_SUM, to, x, list, count, n); break;
  case CR__DISTANCE_SQUARES: NAME(find_some)(CR__DISTANCE_SQUARES, to, x, list, count, n); break;
  case CR__DISTANCE_CUBES: NAME(find_some)(CR__DISTANCE_CUBES, to, x, list, count, n); break;
  case CR__DISTANCE_MOST: NAME(find_some)(CR__DISTANCE_MOST, to, x, list, count, n); break;
  case CR__DISTANCE_COUNT: NAME(find_some)(CR__DISTANCE_COUNT, to, x, list, count, n); break;
  default:
    for (int64_t j = 0; j < count; j++)
      to[j] = NAME(cr__distance)(CR__DISTANCE_POWERS, x, list + j * n, n, p);
  }
}

/* ---- Slopes ---- */

enum { NAME(PART) = 256 }; /* elements that are gone through at once */

/* What each distance has for all elements. */
typedef struct NAME(far) {
  T by, length, inverse, share;
} NAME(far);

#define SLOPE(j) \
  (f[j].by *     \
   NAME(cr__distance_slope)(kind, a[i] - b[(j)*n + i], f[j].length, f[j].inverse, f[j].share, q))
/* Adds to m elements of part from `at` on those of the distances from one, or from four, on. */
INLINE void NAME(add_slopes)(cr__distance_kind kind, T *part, const T *a, const T *b, int64_t m,
                             int64_t n, const NAME(far) * f, T q, bool four) {
  for (int64_t i = 0; i < m; i++) {
    T sum = part[i] + SLOPE(0);
    if (four) {
      sum += SLOPE(1);
      sum += SLOPE(2);
      sum += SLOPE(3);
    }
    part[i] = sum;
  }
}
#undef SLOPE

INLINE void NAME(some_slopes)(cr__distance_kind kind, double *sums, const T *x, const T *list,
                              int64_t count, int64_t n, const T *g, const T *length, T q) {
  NAME(far) f[CR__DISTANCE_FEW];
  T part[NAME(PART)];
  for (int64_t j = 0; j < count; j++) {
    bool most = kind == CR__DISTANCE_MOST;
    f[j] = (NAME(far)){g[j], length[j], NAME(cr__distance_inverse)(length[j]),
                       most ? NAME(cr__distance_share)(x, list + j * n, n, length[j]) : 1};
  }
  for (int64_t at = 0; at < n; at += NAME(PART)) {
    int64_t m = n - at < NAME(PART) ? n - at : NAME(PART), j = 0;
    for (int64_t i = 0; i < m; i++) part[i] = 0;
    for (; j + 4 <= count && kind != CR__DISTANCE_POWERS; j += 4)
      NAME(add_slopes)(kind, part, x + at, list + j * n + at, m, n, f + j, q, true);
    for (; j < count; j++)
      NAME(add_slopes)(kind, part, x + at, list + j * n + at, m, n, f + j, q, false);
    for (int64_t i = 0; i < m; i++) sums[at + i] += (double)part[i];
  }
}

static void NAME(slopes)(double *sums, const void *from, const void *others, int64_t count,
                         int64_t n, const void *grads, const void *distances, double power) {
  const T *x = from, *list = others, *g = grads, *length = distances, q = (T)(power - 1);
  switch (cr__distance_kind_of(power)) {
  case CR__DISTANCE_COUNT: break;
  case CR__DISTANCE_SUM:
    NAME(some_slopes)(CR__DISTANCE_SUM, sums, x, list, count, n, g, length, q);
    break;
  case CR__DISTANCE_SQUARES:
    NAME(some_slopes)(CR__DISTANCE_SQUARES, sums, x, list, count, n, g, length, q);
    break;
  case CR__DISTANCE_CUBES:
    NAME(some_slopes)(CR__DISTANCE_CUBES, sums, x, list, count, n, g, length, q);
    break;
  case CR__DISTANCE_MOST:
    NAME(some_slopes)(CR__DISTANCE_MOST, sums, x, list, count, n, g, length, q);
    break;
  default: NAME(some_slopes)(CR__DISTANCE_POWERS, sums, x, list, count, n, g, length, q);
  }
}
