/* standardize_loops.h: the loops of standardize.h for one type. loops_standardize.c includes it for float and for
 * double.
 *
 * Given: T, NAME(x), and PART, a vector of WIDTH elements. */

/* The vector of float64 at x. */
#define TAKE(v, x)                             \
  do {                                         \
    PART part;                                 \
    memcpy(&part, x, sizeof part);             \
    (v) = __builtin_convertvector(part, wide); \
  } while (0)

#define PUT(to, v)                                \
  do {                                            \
    PART part = __builtin_convertvector(v, PART); \
    memcpy(to, &part, sizeof part);               \
  } while (0)

static double NAME(sum)(const void *from, int64_t n, double scale) {
  const T *x = from;
  wide sum[SUMS] = {{0}}, v;
  int64_t i = 0;
  for (; i + SUMS * WIDTH <= n; i += SUMS * WIDTH)
    for (int j = 0; j < SUMS; j++) {
      TAKE(v, x + i + j * WIDTH);
      sum[j] += v * scale;
    }
  for (; i + WIDTH <= n; i += WIDTH) {
    TAKE(v, x + i);
    sum[0] += v * scale;
  }
  double all = total(sum);
  for (; i < n; i++) all += (double)x[i] * scale;
  return all;
}

static double NAME(squares)(const void *from, int64_t n, double middle, double scale) {
  const T *x = from;
  wide sum[SUMS] = {{0}}, v;
  int64_t i = 0;
  for (; i + SUMS * WIDTH <= n; i += SUMS * WIDTH)
    for (int j = 0; j < SUMS; j++) {
      TAKE(v, x + i + j * WIDTH);
      v = v * scale - middle;
      sum[j] += v * v;
    }
  for (; i + WIDTH <= n; i += WIDTH) {
    TAKE(v, x + i);
    v = v * scale - middle;
    sum[0] += v * v;
  }
  double all = total(sum);
  for (; i < n; i++) {
    double away = (double)x[i] * scale - middle;
    all += away * away;
  }
  return all;
}

static void NAME(apply)(void *out, const void *from, int64_t n, const cr__standard *s,
                        const cr__scales *by) {
  T *to = out;
  const T *x = from, *weights = by->weights, *biases = by->biases;
  const double scale = s->scale, middle = s->mean * scale, inverse = s->inverse / scale;
  const double weight = by->weight, bias = by->bias;
  wide v, w = wide0 + weight, b = wide0 + bias;
  int64_t i = 0;
  for (; i + WIDTH <= n; i += WIDTH) {
    TAKE(v, x + i);
    if (weights) TAKE(w, weights + i);
    if (biases) TAKE(b, biases + i);
    PUT(to + i, (v * scale - middle) * inverse * w + b);
  }
  for (; i < n; i++) {
    double h = ((double)x[i] * scale - middle) * inverse * (weights ? (double)weights[i] : weight);
    to[i] = (T)(h + (biases ? (double)biases[i] : bias));
  }
}

static void NAME(dots)(double *sums, const void *grad, const void *from, int64_t n,
                       const cr__standard *s, const cr__scales *by) {
  const T *g = grad, *x = from, *weights = by->weights;
  const double scale = s->scale, middle = s->mean * scale, inverse = s->inverse / scale;
  wide plain[SUMS] = {{0}}, times[SUMS] = {{0}}, u, v, w = wide0 + by->weight;
  int64_t i = 0;
  for (; i + 2 * WIDTH <= n; i += 2 * WIDTH)
    for (int j = 0; j < 2; j++) {
      TAKE(u, g + i + j * WIDTH);
      TAKE(v, x + i + j * WIDTH);
      if (weights) TAKE(w, weights + i + j * WIDTH);
      u *= w;
      plain[j] += u, times[j] += u * ((v * scale - middle) * inverse);
    }
  double a = total(plain), b = total(times);
  for (; i < n; i++) {
    double each = (double)g[i] * (weights ? (double)weights[i] : by->weight);
    a += each, b += each * (((double)x[i] * scale - middle) * inverse);
  }
  sums[0] = a, sums[1] = b;
}

static void NAME(project)(void *out, const void *grad, const void *from, int64_t n,
                          const cr__standard *s, const cr__scales *by, double a, double b) {
  T *to = out;
  const T *g = grad, *x = from, *weights = by->weights;
  const double scale = s->scale, middle = s->mean * scale, inverse = s->inverse / scale;
  const double weight = by->weight, by_all = s->inverse;
  wide u, v, w = wide0 + weight;
  int64_t i = 0;
  for (; i + WIDTH <= n; i += WIDTH) {
    TAKE(u, g + i);
    TAKE(v, x + i);
    if (weights) TAKE(w, weights + i);
    PUT(to + i, (u * w - a - (v * scale - middle) * inverse * b) * by_all);
  }
  for (; i < n; i++) {
    double h = ((double)x[i] * scale - middle) * inverse;
    to[i] = (T)(((double)g[i] * (weights ? (double)weights[i] : weight) - a - h * b) * by_all);
  }
}

static void NAME(gather)(double *for_weight, double *for_bias, const void *grad, const void *from,
                         int64_t n, const cr__standard *s) {
  const T *g = grad, *x = from;
  const double scale = s->scale, middle = s->mean * scale, inverse = s->inverse / scale;
  for (int64_t i = 0; for_weight && i < n; i++)
    for_weight[i] += (double)g[i] * (((double)x[i] * scale - middle) * inverse);
  for (int64_t i = 0; for_bias && i < n; i++) for_bias[i] += (double)g[i];
}

#undef TAKE
#undef PUT
