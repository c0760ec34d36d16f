/* standardize_loops.h: the loops of standardize.h over lines, for one type. loops_standardize.c includes it for float and
 * for double.
 *
 * Given: T, NAME(x), FULL, a vector of 64 bytes, INTS, one of integers as wide, and WIDEN(sum, v), which adds the
 * elements of v to 8 of float64. Holds true: what is no whole vector at the end of a block stands in the last lanes of
 * one. */

enum { NAME(WIDTH) = 64 / sizeof(T) };

/* Ones in the last `rest` lanes. */
INLINE void NAME(find_mask)(INTS *mask, int64_t rest) {
  for (int i = 0; i < NAME(WIDTH); i++) (*mask)[i] = i < NAME(WIDTH) - rest ? 0 : -1;
}

/* The `rest` elements before x + end in the last lanes, 0 in the others; x[0] and what follows may be read. */
INLINE void NAME(take_rest)(FULL *v, const T *x, int64_t end, int64_t rest, const INTS *mask) {
  T last[NAME(WIDTH)];
  if (CR__LIKELY(end >= NAME(WIDTH))) {
    memcpy(v, x + end - NAME(WIDTH), sizeof(FULL));
    *v = (FULL)((INTS)*v & *mask);
    return;
  }
  for (int i = 0; i < NAME(WIDTH); i++)
    last[i] = i < NAME(WIDTH) - rest ? 0 : x[end - NAME(WIDTH) + i];
  memcpy(v, last, sizeof(FULL));
}

/* ---- Sums ---- */

/* Of the elements x[from] to x[end - 1]. */
INLINE void NAME(line_sum)(double *to, const T *x, int64_t from, int64_t end, int64_t rest,
                           const INTS *mask) {
  wide sum = {0};
  for (int64_t at = from; at < end; at += CR__LANES_BLOCK) {
    int64_t stop = end - at < CR__LANES_BLOCK ? end : at + CR__LANES_BLOCK, i = at;
    FULL lanes[4] = {{0}}, v;
    for (; i + 4 * NAME(WIDTH) <= stop; i += 4 * NAME(WIDTH))
      for (int k = 0; k < 4; k++) {
        TAKE(v, x + i + k * NAME(WIDTH));
        lanes[k] += v;
      }
    for (; i + NAME(WIDTH) <= stop; i += NAME(WIDTH)) {
      TAKE(v, x + i);
      lanes[0] += v;
    }
    if (i < stop) {
      NAME(take_rest)(&v, x, stop, rest, mask);
      lanes[1] += v;
    }
    lanes[0] = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
    WIDEN(sum, lanes[0]);
  }
  add_lanes(to, &sum);
}

static void NAME(sum)(double *sums, const void *from, int64_t lines, int64_t step, int64_t n) {
  int64_t rest = n % NAME(WIDTH);
  INTS mask;
  NAME(find_mask)(&mask, rest);
  for (int64_t l = 0; l < lines; l++)
    NAME(line_sum)(sums + CR__SUM_LANES * l, from, l * step, l * step + n, rest, &mask);
}

#define ADD_DISTANCE(k, v)  \
  do {                      \
    plain[k] += (v);        \
    square[k] += (v) * (v); \
  } while (0)

static void NAME(spread)(double *sums, const void *from, int64_t lines, int64_t n,
                         const double *middles, int64_t ahead) {
  const T *x = from;
  int64_t rest = n % NAME(WIDTH);
  INTS mask;
  NAME(find_mask)(&mask, rest);
  for (int64_t l = 0; l < lines; l++) {
    const T middle = (T)middles[l];
    wide sum = {0}, squares = {0};
    int64_t end = l * n + n;
    for (int64_t at = l * n; at < end; at += CR__LANES_BLOCK) {
      int64_t stop = end - at < CR__LANES_BLOCK ? end : at + CR__LANES_BLOCK, i = at;
      FULL plain[2] = {{0}}, square[2] = {{0}}, v;
      for (; i + 2 * NAME(WIDTH) <= stop; i += 2 * NAME(WIDTH))
        for (int k = 0; k < 2; k++) {
          TAKE(v, x + i + k * NAME(WIDTH));
          __builtin_prefetch(x + i + k * NAME(WIDTH) + ahead);
          v -= middle;
          ADD_DISTANCE(k, v);
        }
      if (i + NAME(WIDTH) <= stop) {
        TAKE(v, x + i);
        v -= middle;
        ADD_DISTANCE(0, v);
        i += NAME(WIDTH);
      }
      if (i < stop) {
        NAME(take_rest)(&v, x, stop, rest, &mask);
        v -= middle;
        v = (FULL)((INTS)v & mask);
        ADD_DISTANCE(1, v);
      }
      plain[0] += plain[1], square[0] += square[1];
      WIDEN(sum, plain[0]);
      WIDEN(squares, square[0]);
    }
    add_lanes(sums + 2 * CR__SUM_LANES * l, &sum);
    add_lanes(sums + 2 * CR__SUM_LANES * l + CR__SUM_LANES, &squares);
  }
}
#undef ADD_DISTANCE

static double NAME(scaled_sum)(const void *from, int64_t n, double scale) {
  const T *x = from;
  double lanes[8] = {0};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; k++) lanes[k] += (double)x[i + k] * scale;
  for (; i < n; i++) lanes[0] += (double)x[i] * scale;
  wide all;
  memcpy(&all, lanes, sizeof all);
  return total(&all);
}

static double NAME(scaled_squares)(const void *from, int64_t n, double middle, double scale) {
  const T *x = from;
  double lanes[8] = {0};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; k++) {
      double v = (double)x[i + k] * scale - middle;
      lanes[k] += v * v;
    }
  for (; i < n; i++) {
    double v = (double)x[i] * scale - middle;
    lanes[0] += v * v;
  }
  wide all;
  memcpy(&all, lanes, sizeof all);
  return total(&all);
}

/* ---- Elements, in their own type ---- */

/* (x - mean) * inverse */
#define STANDARD(x) (((x)-high) - low) * inverse
#define PARTS_OF(t) \
  const T high = (T)(t)->mean, low = (T)((t)->mean - (double)high), inverse = (T)(t)->inverse

/* One vector of a line, from element i on. `weighs`, `shifts`: whether weights and biases are there; known where it is
 * inlined. */
#define APPLY_AT(i)           \
  do {                        \
    TAKE(v, x + (i));         \
    v = STANDARD(v);          \
    if (weighs) {             \
      TAKE(w, weights + (i)); \
      v *= w;                 \
    } else {                  \
      v *= weight;            \
    }                         \
    if (shifts) {             \
      TAKE(w, biases + (i));  \
      v += w;                 \
    } else {                  \
      v += bias;              \
    }                         \
    PUT(to + (i), v);         \
  } while (0)

INLINE void NAME(apply_with)(T *to, const T *x, int64_t lines, int64_t n, const cr__terms *t,
                             const T *weights, const T *biases, bool weighs, bool shifts) {
  for (; lines > 0; lines--, to += n, x += n, t++) {
    PARTS_OF(t);
    const T weight = (T)t->weight, bias = (T)t->bias;
    FULL v, w;
    int64_t i = 0;
    for (; i + NAME(WIDTH) <= n; i += NAME(WIDTH)) APPLY_AT(i);
    if (i == n) continue;
    if (n >= NAME(WIDTH)) APPLY_AT(n - NAME(WIDTH));
    else
      for (; i < n; i++)
        to[i] = STANDARD(x[i]) * (weighs ? weights[i] : weight) + (shifts ? biases[i] : bias);
  }
}
#undef APPLY_AT

static void NAME(apply)(void *to, const void *x, int64_t lines, int64_t n, const cr__terms *t,
                        const void *weights, const void *biases) {
  if (weights && biases) NAME(apply_with)(to, x, lines, n, t, weights, biases, true, true);
  else if (weights) NAME(apply_with)(to, x, lines, n, t, weights, biases, true, false);
  else if (biases) NAME(apply_with)(to, x, lines, n, t, weights, biases, false, true);
  else NAME(apply_with)(to, x, lines, n, t, weights, biases, false, false);
}

/* Four lines at most, which each have a weight for each element: gradients are gathered of all of them at once. */
typedef struct NAME(few) {
  T high[4], low[4], inverse[4];
  FULL plain[4], times[4]; /* of the block at hand */
} NAME(few);

/* Element i and what follows of `count` lines; `mask`: of which lanes, NULL for all. */
INLINE void NAME(dots_at)(NAME(few) * s, const T *g, const T *x, int64_t n, int64_t i,
                          const T *weights, T *for_weight, T *for_bias, int64_t ahead, int count,
                          bool weighs, bool gathers, const INTS *mask) {
  FULL u, v, w = {0}, for_w = {0}, for_b = {0};
  if (weighs) TAKE(w, weights + i);
  if (gathers) TAKE(for_w, for_weight + i);
  if (gathers) TAKE(for_b, for_bias + i);
#pragma GCC unroll 4
  for (int l = 0; l < count; l++) {
    TAKE(u, g + l * n + i);
    TAKE(v, x + l * n + i);
    __builtin_prefetch(g + l * n + i + ahead);
    __builtin_prefetch(x + l * n + i + ahead);
    v = ((v - s->high[l]) - s->low[l]) * s->inverse[l];
    if (mask) u = (FULL)((INTS)u & *mask), v = (FULL)((INTS)v & *mask);
    if (gathers) for_w += u * v, for_b += u;
    if (weighs) u *= w;
    s->plain[l] += u;
    s->times[l] += u * v;
  }
  if (gathers) PUT(for_weight + i, for_w);
  if (gathers) PUT(for_bias + i, for_b);
}

INLINE void NAME(dots_each)(double *sums, const T *g, const T *x, int64_t n, const cr__terms *t,
                            const T *weights, T *for_weight, T *for_bias, int64_t ahead, int count,
                            bool weighs, bool gathers) {
  NAME(few) s;
  INTS mask;
  for (int l = 0; l < count; l++) {
    s.high[l] = (T)t[l].mean, s.low[l] = (T)(t[l].mean - (double)s.high[l]);
    s.inverse[l] = (T)t[l].inverse;
  }
  for (int64_t at = 0; at < n; at += CR__LANES_BLOCK / 2) {
    int64_t stop = n - at < CR__LANES_BLOCK / 2 ? n : at + CR__LANES_BLOCK / 2, i = at;
    for (int l = 0; l < count; l++) s.plain[l] = s.times[l] = (FULL){0};
    for (; i + NAME(WIDTH) <= stop; i += NAME(WIDTH)) {
      NAME(dots_at)
      (&s, g, x, n, i, weights, for_weight, for_bias, ahead, count, weighs, gathers, NULL);
    }
    if (i < stop && n >= NAME(WIDTH)) {
      NAME(find_mask)(&mask, stop - i);
      i = stop;
      NAME(dots_at)
      (&s, g, x, n, i - NAME(WIDTH), weights, for_weight, for_bias, ahead, count, weighs, gathers,
       &mask);
    }
#pragma GCC unroll 4
    for (int l = 0; l < count; l++) {
      wide sum = {0}, times = {0};
      WIDEN(sum, s.plain[l]);
      WIDEN(times, s.times[l]);
      for (int64_t k = i; k < stop; k++) {
        T h = ((x[l * n + k] - s.high[l]) - s.low[l]) * s.inverse[l], each = g[l * n + k];
        if (gathers) for_weight[k] += each * h, for_bias[k] += each;
        if (weighs) each *= weights[k];
        sum[0] += (double)each, times[0] += (double)(each * h);
      }
      add_lanes(sums + 2 * CR__SUM_LANES * l, &sum);
      add_lanes(sums + 2 * CR__SUM_LANES * l + CR__SUM_LANES, &times);
    }
  }
}

/* All lines, four at once while there are as many. */
INLINE void NAME(all_dots)(double *sums, const T *g, const T *x, int64_t lines, int64_t n,
                           const cr__terms *t, const T *weights, T *for_weight, T *for_bias,
                           int64_t ahead, bool weighs, bool gathers) {
  for (; lines > 0;) {
    int64_t count = lines >= 4 ? 4 : 1;
    if (count == 4)
      NAME(dots_each)(sums, g, x, n, t, weights, for_weight, for_bias, ahead, 4, weighs, gathers);
    else
      NAME(dots_each)(sums, g, x, n, t, weights, for_weight, for_bias, ahead, 1, weighs, gathers);
    lines -= count, sums += 2 * CR__SUM_LANES * count, g += n * count, x += n * count, t += count;
  }
}

#define ADD_PRODUCT(k, u, v) \
  do {                       \
    plain[k] += (u);         \
    times[k] += (u) * (v);   \
  } while (0)

/* A line without weights, from x[from] to x[end - 1]. */
INLINE void NAME(line_dots)(double *sums, const T *g, const T *x, int64_t from, int64_t end,
                            const cr__terms *t, int64_t rest, const INTS *mask, int64_t ahead) {
  PARTS_OF(t);
  wide sum = {0}, sum_times = {0};
  for (int64_t at = from; at < end; at += CR__LANES_BLOCK) {
    int64_t stop = end - at < CR__LANES_BLOCK ? end : at + CR__LANES_BLOCK, i = at;
    FULL plain[2] = {{0}}, times[2] = {{0}}, u, v;
    for (; i + 2 * NAME(WIDTH) <= stop; i += 2 * NAME(WIDTH))
      for (int k = 0; k < 2; k++) {
        TAKE(u, g + i + k * NAME(WIDTH));
        TAKE(v, x + i + k * NAME(WIDTH));
        __builtin_prefetch(g + i + k * NAME(WIDTH) + ahead);
        __builtin_prefetch(x + i + k * NAME(WIDTH) + ahead);
        v = STANDARD(v);
        ADD_PRODUCT(k, u, v);
      }
    if (i + NAME(WIDTH) <= stop) {
      TAKE(u, g + i);
      TAKE(v, x + i);
      v = STANDARD(v);
      ADD_PRODUCT(0, u, v);
      i += NAME(WIDTH);
    }
    if (i < stop) {
      NAME(take_rest)(&u, g, stop, rest, mask);
      NAME(take_rest)(&v, x, stop, rest, mask);
      v = STANDARD(v);
      v = (FULL)((INTS)v & *mask);
      ADD_PRODUCT(1, u, v);
    }
    plain[0] += plain[1], times[0] += times[1];
    WIDEN(sum, plain[0]);
    WIDEN(sum_times, times[0]);
  }
  add_lanes(sums, &sum);
  add_lanes(sums + CR__SUM_LANES, &sum_times);
}
#undef ADD_PRODUCT

static void NAME(dots)(double *sums, const void *g, const void *x, int64_t lines, int64_t n,
                       const cr__terms *t, const void *w, void *for_weight, void *for_bias,
                       int64_t ahead) {
  INTS mask;
  NAME(find_mask)(&mask, n % NAME(WIDTH));
  if (w && for_weight)
    NAME(all_dots)(sums, g, x, lines, n, t, w, for_weight, for_bias, ahead, true, true);
  else if (w) NAME(all_dots)(sums, g, x, lines, n, t, w, NULL, NULL, ahead, true, false);
  else if (for_weight)
    NAME(all_dots)(sums, g, x, lines, n, t, NULL, for_weight, for_bias, ahead, false, true);
  else
    for (int64_t l = 0; l < lines; l++) {
      NAME(line_dots)
      (sums + 2 * CR__SUM_LANES * l, g, x, l * n, l * n + n, t + l, n % NAME(WIDTH), &mask, ahead);
    }
}

#define PROJECT_AT(i)                        \
  do {                                       \
    TAKE(u, g + (i));                        \
    TAKE(v, x + (i));                        \
    if (weighs) {                            \
      TAKE(w, weights + (i));                \
      u *= w;                                \
    } else {                                 \
      u *= weight;                           \
    }                                        \
    v = (u - a - STANDARD(v) * b) * inverse; \
    PUT(to + (i), v);                        \
  } while (0)

INLINE void NAME(project_with)(T *to, const T *g, const T *x, int64_t lines, int64_t n,
                               const cr__terms *t, const T *weights, bool weighs) {
  for (; lines > 0; lines--, to += n, g += n, x += n, t++) {
    PARTS_OF(t);
    const T weight = (T)t->weight, a = (T)t->a, b = (T)t->b;
    FULL u, v, w;
    int64_t i = 0;
    for (; i + NAME(WIDTH) <= n; i += NAME(WIDTH)) PROJECT_AT(i);
    if (i == n) continue;
    if (n >= NAME(WIDTH)) PROJECT_AT(n - NAME(WIDTH));
    else
      for (; i < n; i++)
        to[i] = (g[i] * (weighs ? weights[i] : weight) - a - STANDARD(x[i]) * b) * inverse;
  }
}
#undef PROJECT_AT

static void NAME(project)(void *to, const void *g, const void *x, int64_t lines, int64_t n,
                          const cr__terms *t, const void *weights) {
  if (weights) NAME(project_with)(to, g, x, lines, n, t, weights, true);
  else NAME(project_with)(to, g, x, lines, n, t, weights, false);
}

#undef STANDARD
#undef PARTS_OF
