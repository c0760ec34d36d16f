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
INLINE double NAME(line_sum)(const T *x, int64_t from, int64_t end, int64_t rest,
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
  return total(&sum);
}

static void NAME(sum)(double *sums, const void *from, int64_t lines, int64_t n) {
  int64_t rest = n % NAME(WIDTH);
  INTS mask;
  NAME(find_mask)(&mask, rest);
  for (int64_t l = 0; l < lines; l++) sums[l] = NAME(line_sum)(from, l * n, l * n + n, rest, &mask);
}

#define ADD_DISTANCE(k, v)  \
  do {                      \
    plain[k] += (v);        \
    square[k] += (v) * (v); \
  } while (0)

static void NAME(spread)(double *sums, const void *from, int64_t lines, int64_t n,
                         const double *middles) {
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
    sums[2 * l] = total(&sum), sums[2 * l + 1] = total(&squares);
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

/* A vector of `count` lines at once, of u the gradients and v the elements that are there. */
#define DOTS_OF(l)                \
  do {                            \
    if (gathers) {                \
      for_w += u * v, for_b += u; \
    }                             \
    if (weighs) u *= w;           \
    plain[l] += u;                \
    times[l] += u * v;            \
  } while (0)

/* `count` lines, which each have a weight for each element: of that many, gradients are gathered at once. */
INLINE void NAME(dots_each)(double *sums, const T *g, const T *x, int64_t n, const cr__terms *t,
                            const T *weights, T *for_weight, T *for_bias, int count, bool weighs,
                            bool gathers) {
  T high[4], low[4], inverse[4];
  wide sum[4] = {{0}}, sum_times[4] = {{0}};
  for (int l = 0; l < count; l++) {
    high[l] = (T)t[l].mean, low[l] = (T)(t[l].mean - (double)high[l]);
    inverse[l] = (T)t[l].inverse;
  }
  for (int64_t at = 0; at < n; at += CR__LANES_BLOCK / 2) {
    int64_t stop = n - at < CR__LANES_BLOCK / 2 ? n : at + CR__LANES_BLOCK / 2, i = at;
    FULL plain[4] = {{0}}, times[4] = {{0}}, u, v, w = {0}, for_w = {0}, for_b = {0};
    for (; i + NAME(WIDTH) <= stop; i += NAME(WIDTH)) {
      if (weighs) TAKE(w, weights + i);
      if (gathers) {
        TAKE(for_w, for_weight + i);
        TAKE(for_b, for_bias + i);
      }
#pragma GCC unroll 4
      for (int l = 0; l < count; l++) {
        TAKE(u, g + l * n + i);
        TAKE(v, x + l * n + i);
        v = ((v - high[l]) - low[l]) * inverse[l];
        DOTS_OF(l);
      }
      if (gathers) {
        PUT(for_weight + i, for_w);
        PUT(for_bias + i, for_b);
      }
    }
    if (i < stop && n >= NAME(WIDTH)) {
      INTS mask;
      NAME(find_mask)(&mask, stop - i);
      i = stop - NAME(WIDTH);
      if (weighs) TAKE(w, weights + i);
      if (gathers) {
        TAKE(for_w, for_weight + i);
        TAKE(for_b, for_bias + i);
      }
#pragma GCC unroll 4
      for (int l = 0; l < count; l++) {
        TAKE(u, g + l * n + i);
        TAKE(v, x + l * n + i);
        u = (FULL)((INTS)u & mask);
        v = ((v - high[l]) - low[l]) * inverse[l];
        v = (FULL)((INTS)v & mask);
        DOTS_OF(l);
      }
      if (gathers) {
        PUT(for_weight + i, for_w);
        PUT(for_bias + i, for_b);
      }
      i = stop;
    }
#pragma GCC unroll 4
    for (int l = 0; l < count; l++) {
      WIDEN(sum[l], plain[l]);
      WIDEN(sum_times[l], times[l]);
      for (int64_t k = i; k < stop; k++) {
        T h = ((x[l * n + k] - high[l]) - low[l]) * inverse[l], each = g[l * n + k];
        if (gathers) for_weight[k] += each * h, for_bias[k] += each;
        if (weighs) each *= weights[k];
        sum[l][0] += (double)each, sum_times[l][0] += (double)(each * h);
      }
    }
  }
  for (int l = 0; l < count; l++)
    sums[2 * l] = total(&sum[l]), sums[2 * l + 1] = total(&sum_times[l]);
}

#define EACH_LINES(weighs, gathers)                                                          \
  do {                                                                                       \
    for (; l + 4 <= lines; l += 4) NAME(dots_each)                                           \
    (sums + 2 * l, g + l * n, x + l * n, n, t + l, weights, for_weight, for_bias, 4, weighs, \
     gathers);                                                                               \
    for (; l < lines; l++) NAME(dots_each)                                                   \
    (sums + 2 * l, g + l * n, x + l * n, n, t + l, weights, for_weight, for_bias, 1, weighs, \
     gathers);                                                                               \
  } while (0)

#define ADD_PRODUCT(k, u, v) \
  do {                       \
    plain[k] += (u);         \
    times[k] += (u) * (v);   \
  } while (0)

/* A line without weights, from x[from] to x[end - 1]. */
INLINE void NAME(line_dots)(double *sums, const T *g, const T *x, int64_t from, int64_t end,
                            const cr__terms *t, int64_t rest, const INTS *mask) {
  PARTS_OF(t);
  wide sum = {0}, sum_times = {0};
  for (int64_t at = from; at < end; at += CR__LANES_BLOCK) {
    int64_t stop = end - at < CR__LANES_BLOCK ? end : at + CR__LANES_BLOCK, i = at;
    FULL plain[2] = {{0}}, times[2] = {{0}}, u, v;
    for (; i + 2 * NAME(WIDTH) <= stop; i += 2 * NAME(WIDTH))
      for (int k = 0; k < 2; k++) {
        TAKE(u, g + i + k * NAME(WIDTH));
        TAKE(v, x + i + k * NAME(WIDTH));
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
  sums[0] = total(&sum), sums[1] = total(&sum_times);
}
#undef ADD_PRODUCT

static void NAME(dots)(double *sums, const void *grads, const void *from, int64_t lines, int64_t n,
                       const cr__terms *t, const void *weights, void *for_weight, void *for_bias) {
  const T *g = grads, *x = from;
  int64_t l = 0, rest = n % NAME(WIDTH);
  if (weights && for_weight) EACH_LINES(true, true);
  else if (weights) EACH_LINES(true, false);
  else if (for_weight) EACH_LINES(false, true);
  if (l == lines) return;
  INTS mask;
  NAME(find_mask)(&mask, rest);
  for (; l < lines; l++) NAME(line_dots)(sums + 2 * l, g, x, l * n, l * n + n, t + l, rest, &mask);
}
#undef DOTS_OF
#undef EACH_LINES

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

/* ---- Elements far from 1, in float64 ---- */

#define FAR_PARTS_OF(t) \
  const double scale = (t)->scale, middle = (t)->mean * scale, inverse = (t)->inverse / scale
#define FAR_STANDARD(x) (((double)(x)*scale - middle) * inverse)

static void NAME(far_apply)(void *out, const void *from, int64_t lines, int64_t n,
                            const cr__terms *t, const void *by, const void *offsets) {
  T *to = out;
  const T *x = from, *weights = by, *biases = offsets;
  for (; lines > 0; lines--, to += n, x += n, t++) {
    FAR_PARTS_OF(t);
    for (int64_t i = 0; i < n; i++) {
      double h = FAR_STANDARD(x[i]) * (weights ? (double)weights[i] : t->weight);
      to[i] = (T)(h + (biases ? (double)biases[i] : t->bias));
    }
  }
}

static void NAME(far_dots)(double *sums, const void *grads, const void *from, int64_t lines,
                           int64_t n, const cr__terms *t, const void *by, void *to_weight,
                           void *to_bias) {
  const T *g = grads, *x = from, *weights = by;
  T *for_weight = to_weight, *for_bias = to_bias;
  for (; lines > 0; lines--, g += n, x += n, t++, sums += 2) {
    FAR_PARTS_OF(t);
    sums[0] = sums[1] = 0;
    for (int64_t i = 0; i < n; i++) {
      double h = FAR_STANDARD(x[i]), each = (double)g[i] * (weights ? (double)weights[i] : 1);
      sums[0] += each, sums[1] += each * h;
      if (for_weight) for_weight[i] = (T)(for_weight[i] + (double)g[i] * h), for_bias[i] += g[i];
    }
  }
}

static void NAME(far_project)(void *out, const void *grads, const void *from, int64_t lines,
                              int64_t n, const cr__terms *t, const void *by) {
  T *to = out;
  const T *g = grads, *x = from, *weights = by;
  for (; lines > 0; lines--, to += n, g += n, x += n, t++) {
    FAR_PARTS_OF(t);
    for (int64_t i = 0; i < n; i++) {
      double each = (double)g[i] * (weights ? (double)weights[i] : t->weight);
      to[i] = (T)((each - t->a - FAR_STANDARD(x[i]) * t->b) * t->inverse);
    }
  }
}

#undef STANDARD
#undef PARTS_OF
#undef FAR_PARTS_OF
#undef FAR_STANDARD
