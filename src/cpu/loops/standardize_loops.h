/* standardize_loops.h: the loops of standardize.h for one type. loops_standardize.c includes it for float and for double.
 *
 * Given: T, NAME(x), HALF, a vector of 8 elements, and FULL, one of 64 bytes. */

enum { NAME(FULL_WIDTH) = 64 / sizeof(T) };

/* The vector at x. */
#define TAKE(v, x) memcpy(&(v), x, sizeof(v))
#define PUT(to, v) memcpy(to, &(v), sizeof(v))
/* The sum in float64 of the vector `from`, 8 elements to a part. */
#define ADD(sum, from)                                       \
  do {                                                       \
    HALF half_[64 / sizeof(HALF)];                           \
    memcpy(half_, &(from), 64);                              \
    for (size_t h_ = 0; h_ < 64 / sizeof(HALF); h_++)        \
      (sum)[h_] += __builtin_convertvector(half_[h_], wide); \
  } while (0)

/* `scaled` is known where it is inlined. */
INLINE double NAME(sum_of)(const T *x, int64_t n, double scale, bool scaled) {
  wide sum[SUMS] = {{0}};
  HALF half;
  int64_t i = 0;
  for (; i + SUMS * WIDTH <= n; i += SUMS * WIDTH)
    for (int j = 0; j < SUMS; j++) {
      TAKE(half, x + i + j * WIDTH);
      wide v = __builtin_convertvector(half, wide);
      sum[j] += scaled ? v * scale : v;
    }
  for (; i + WIDTH <= n; i += WIDTH) {
    TAKE(half, x + i);
    wide v = __builtin_convertvector(half, wide);
    sum[0] += scaled ? v * scale : v;
  }
  double all = total(sum);
  for (; i < n; i++) all += scaled ? (double)x[i] * scale : (double)x[i];
  return all;
}

INLINE double NAME(squares_of)(const T *x, int64_t n, double middle, double scale, bool scaled) {
  wide sum[SUMS] = {{0}};
  HALF half;
  int64_t i = 0;
  for (; i + SUMS * WIDTH <= n; i += SUMS * WIDTH)
    for (int j = 0; j < SUMS; j++) {
      TAKE(half, x + i + j * WIDTH);
      wide v = __builtin_convertvector(half, wide);
      v = (scaled ? v * scale : v) - middle;
      sum[j] += v * v;
    }
  for (; i + WIDTH <= n; i += WIDTH) {
    TAKE(half, x + i);
    wide v = __builtin_convertvector(half, wide);
    v = (scaled ? v * scale : v) - middle;
    sum[0] += v * v;
  }
  double all = total(sum);
  for (; i < n; i++) {
    double v = (scaled ? (double)x[i] * scale : (double)x[i]) - middle;
    all += v * v;
  }
  return all;
}

static double NAME(sum)(const void *x, int64_t n) { return NAME(sum_of)(x, n, 1, false); }
static double NAME(squares)(const void *x, int64_t n, double middle) {
  return NAME(squares_of)(x, n, middle, 1, false);
}
static double NAME(scaled_sum)(const void *x, int64_t n, double scale) {
  return NAME(sum_of)(x, n, scale, true);
}
static double NAME(scaled_squares)(const void *x, int64_t n, double middle, double scale) {
  return NAME(squares_of)(x, n, middle, scale, true);
}

/* ---- Elements, in their own type ---- */

/* (x - mean) * inverse */
#define STANDARD(x) (((x)-high) - low) * inverse
#define PARTS_OF(s) \
  const T high = (T)(s)->mean, low = (T)((s)->mean - (double)high), inverse = (T)(s)->inverse

/* `each`: whether weights and biases are there; known where it is inlined. */
INLINE void NAME(apply_with)(T *to, const T *x, int64_t n, const cr__standard *s,
                             const cr__scales *by, bool weighs, bool shifts) {
  const T *weights = by->weights, *biases = by->biases;
  PARTS_OF(s);
  const T weight = (T)by->weight, bias = (T)by->bias;
  FULL v, w, b;
  int64_t i = 0;
  for (; i + NAME(FULL_WIDTH) <= n; i += NAME(FULL_WIDTH)) {
    TAKE(v, x + i);
    v = STANDARD(v);
    if (weighs) {
      TAKE(w, weights + i);
      v *= w;
    } else {
      v *= weight;
    }
    if (shifts) {
      TAKE(b, biases + i);
      v += b;
    } else {
      v += bias;
    }
    PUT(to + i, v);
  }
  for (; i < n; i++)
    to[i] = STANDARD(x[i]) * (weighs ? weights[i] : weight) + (shifts ? biases[i] : bias);
}

static void NAME(apply)(void *to, const void *x, int64_t n, const cr__standard *s,
                        const cr__scales *by) {
  if (by->weights && by->biases) NAME(apply_with)(to, x, n, s, by, true, true);
  else if (by->weights) NAME(apply_with)(to, x, n, s, by, true, false);
  else if (by->biases) NAME(apply_with)(to, x, n, s, by, false, true);
  else NAME(apply_with)(to, x, n, s, by, false, false);
}

INLINE void NAME(dots_with)(double *sums, const T *g, const T *x, int64_t n, const cr__standard *s,
                            const cr__scales *by, const cr__gathered *to, bool weighs,
                            bool gathers) {
  const T *weights = by->weights;
  PARTS_OF(s);
  const T weight = (T)by->weight;
  T *for_weight = to->for_weight, *for_bias = to->for_bias;
  wide plain[SUMS] = {{0}}, times[SUMS] = {{0}};
  FULL u, v, w, sum;
  int64_t i = 0;
  for (; i + NAME(FULL_WIDTH) <= n; i += NAME(FULL_WIDTH)) {
    TAKE(u, g + i);
    TAKE(v, x + i);
    v = STANDARD(v);
    if (gathers) {
      TAKE(sum, for_weight + i);
      sum += u * v;
      PUT(for_weight + i, sum);
      TAKE(sum, for_bias + i);
      sum += u;
      PUT(for_bias + i, sum);
    }
    if (weighs) {
      TAKE(w, weights + i);
      u *= w;
    } else {
      u *= weight;
    }
    v *= u;
    ADD(plain, u);
    ADD(times, v);
  }
  sums[0] = total(plain), sums[1] = total(times);
  for (; i < n; i++) {
    T h = STANDARD(x[i]), each = g[i] * (weighs ? weights[i] : weight);
    if (gathers) for_weight[i] += g[i] * h, for_bias[i] += g[i];
    sums[0] += each, sums[1] += each * h;
  }
}

static void NAME(dots)(double *sums, const void *g, const void *x, int64_t n, const cr__standard *s,
                       const cr__scales *by, const cr__gathered *to) {
  bool gathers = to->for_weight != NULL;
  if (by->weights && gathers) NAME(dots_with)(sums, g, x, n, s, by, to, true, true);
  else if (by->weights) NAME(dots_with)(sums, g, x, n, s, by, to, true, false);
  else if (gathers) NAME(dots_with)(sums, g, x, n, s, by, to, false, true);
  else NAME(dots_with)(sums, g, x, n, s, by, to, false, false);
}

INLINE void NAME(project_with)(T *to, const T *g, const T *x, int64_t n, const cr__standard *s,
                               const cr__scales *by, T a, T b, bool weighs) {
  const T *weights = by->weights;
  PARTS_OF(s);
  const T weight = (T)by->weight;
  FULL u, v, w;
  int64_t i = 0;
  for (; i + NAME(FULL_WIDTH) <= n; i += NAME(FULL_WIDTH)) {
    TAKE(u, g + i);
    TAKE(v, x + i);
    if (weighs) {
      TAKE(w, weights + i);
      u *= w;
    } else {
      u *= weight;
    }
    v = (u - a - STANDARD(v) * b) * inverse;
    PUT(to + i, v);
  }
  for (; i < n; i++)
    to[i] = (g[i] * (weighs ? weights[i] : weight) - a - STANDARD(x[i]) * b) * inverse;
}

static void NAME(project)(void *to, const void *g, const void *x, int64_t n, const cr__standard *s,
                          const cr__scales *by, double a, double b) {
  if (by->weights) NAME(project_with)(to, g, x, n, s, by, (T)a, (T)b, true);
  else NAME(project_with)(to, g, x, n, s, by, (T)a, (T)b, false);
}

/* ---- Elements far from 1, in float64 ---- */

#define FAR_PARTS_OF(s) \
  const double scale = (s)->scale, middle = (s)->mean * scale, inverse = (s)->inverse / scale
#define FAR_STANDARD(x) (((double)(x)*scale - middle) * inverse)

static void NAME(far_apply)(void *out, const void *from, int64_t n, const cr__standard *s,
                            const cr__scales *by) {
  T *to = out;
  const T *x = from, *weights = by->weights, *biases = by->biases;
  FAR_PARTS_OF(s);
  for (int64_t i = 0; i < n; i++) {
    double h = FAR_STANDARD(x[i]) * (weights ? (double)weights[i] : by->weight);
    to[i] = (T)(h + (biases ? (double)biases[i] : by->bias));
  }
}

static void NAME(far_dots)(double *sums, const void *grad, const void *from, int64_t n,
                           const cr__standard *s, const cr__scales *by, const cr__gathered *to) {
  const T *g = grad, *x = from, *weights = by->weights;
  T *for_weight = to->for_weight, *for_bias = to->for_bias;
  FAR_PARTS_OF(s);
  sums[0] = sums[1] = 0;
  for (int64_t i = 0; i < n; i++) {
    double h = FAR_STANDARD(x[i]),
           each = (double)g[i] * (weights ? (double)weights[i] : by->weight);
    sums[0] += each, sums[1] += each * h;
    if (for_weight) for_weight[i] = (T)(for_weight[i] + (double)g[i] * h), for_bias[i] += g[i];
  }
}

static void NAME(far_project)(void *out, const void *grad, const void *from, int64_t n,
                              const cr__standard *s, const cr__scales *by, double a, double b) {
  T *to = out;
  const T *g = grad, *x = from, *weights = by->weights;
  FAR_PARTS_OF(s);
  for (int64_t i = 0; i < n; i++) {
    double each = (double)g[i] * (weights ? (double)weights[i] : by->weight);
    to[i] = (T)((each - a - FAR_STANDARD(x[i]) * b) * s->inverse);
  }
}

#undef TAKE
#undef PUT
#undef ADD
#undef STANDARD
#undef PARTS_OF
#undef FAR_PARTS_OF
#undef FAR_STANDARD
