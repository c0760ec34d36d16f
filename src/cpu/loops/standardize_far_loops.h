/* standardize_far_loops.h: the loops of standardize.h over lines whose elements may leave the range of their type, in
 * float64, for one type of them.
 *
 * Given: what standardize_loops.h is given. */

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
                           void *to_bias, int64_t ahead) {
  (void)ahead;
  const T *g = grads, *x = from, *weights = by;
  T *for_weight = to_weight, *for_bias = to_bias;
  for (; lines > 0; lines--, g += n, x += n, t++, sums += 2 * CR__SUM_LANES) {
    FAR_PARTS_OF(t);
    for (int64_t i = 0; i < n; i++) {
      double h = FAR_STANDARD(x[i]), each = (double)g[i] * (weights ? (double)weights[i] : 1);
      sums[0] += each, sums[CR__SUM_LANES] += each * h;
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

#undef FAR_PARTS_OF
#undef FAR_STANDARD
