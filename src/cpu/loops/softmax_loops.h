/* softmax_loops.h: the loops of softmax.h for one type. loops_softmax.c includes it for float and
 * for double.
 *
 * Given: T, its integer twin WORD, EXP(x), EXACT_ONE_TOP (LOG_ONE_TOP of sums in float64), NAME(x), and
 * ROWS_SUM, which adds up rows. Elements are added up in lanes, a block of CR__FOLD_BLOCK at most, then in
 * float64. */

INLINE double NAME(total)(T *lane) {
  double wide[PADDED];
  CR__HALVE(lane, 32, CR__ADD)
  CR__HALVE(lane, 16, CR__ADD)
  for (int j = 0; j < PADDED; j++) wide[j] = lane[j];
  CR__HALVE(wide, 8, CR__ADD)
  CR__HALVE(wide, 4, CR__ADD)
  return (wide[0] + wide[2]) + (wide[1] + wide[3]);
}

/* The largest of the lanes. */
INLINE T NAME(highest)(T *lane) {
  CR__HALVE(lane, 32, CR__LARGER)
  CR__HALVE(lane, 16, CR__LARGER)
  CR__HALVE(lane, 8, CR__LARGER)
  CR__HALVE(lane, 4, CR__LARGER)
  CR__HALVE(lane, 2, CR__LARGER)
  return CR__LARGER(lane[0], lane[1]);
}

/* The largest element; NaN if there is one. */
INLINE T NAME(most)(const T *x, int64_t n) {
  T lane[LANES];
  int64_t i = 0;
  for (int j = 0; j < LANES; j++) lane[j] = -INFINITY;
  for (; i + LANES <= n; i += LANES)
    for (int j = 0; j < LANES; j++) lane[j] = CR__LARGER(lane[j], x[i + j]);
  for (int64_t j = 0; j < n - i; j++) lane[j] = CR__LARGER(lane[j], x[i + j]);
  CR__HALVE(lane, 32, CR__LARGER)
  CR__HALVE(lane, 16, CR__LARGER)
  CR__HALVE(lane, 8, CR__LARGER)
  CR__HALVE(lane, 4, CR__LARGER)
  CR__HALVE(lane, 2, CR__LARGER)
  return CR__LARGER(lane[0], lane[1]);
}

/* The sum of exp(x - top) over a block; the terms themselves too if `keep`. Meanwhile memory has time to
 * bring what lies behind the block, which comes next. */
INLINE double NAME(block)(T *to, const T *x, const T top, int64_t n, bool keep) {
  T lane[LANES] = {0}, rest[LANES];
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    FETCH(x + i + n, LANES);
    for (int j = 0; j < LANES; j++) {
      T e = EXP(x[i + j] - top);
      if (keep) to[i + j] = e;
      lane[j] += e;
    }
  }
  int64_t left = n - i, padded = (left + PADDED - 1) / PADDED * PADDED;
  for (int64_t j = 0; j < padded; j++) rest[j] = -INFINITY;
  for (int64_t j = 0; j < left; j++) rest[j] = x[i + j] - top;
  EACH(padded) {
    rest[j] = EXP(rest[j]);
    lane[j] += rest[j];
  }
  if (keep) memcpy(to + i, rest, (size_t)left * sizeof(T));
  return NAME(total)(lane);
}

/* The sum of exp(x - top) over those elements of a block that are not the top: what a sum that holds
 * exp(0) has rounded away if it is small. */
static __attribute__((noinline)) double NAME(others)(const T *x, const T top, int64_t n) {
  T lane[LANES] = {0}, rest[LANES];
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int j = 0; j < LANES; j++) {
      T e = EXP(x[i + j] - top);
      lane[j] += x[i + j] == top ? 0 : e;
    }
  for (int j = 0; j < LANES; j++)
    rest[j] = j < n - i && x[i + j] != top ? x[i + j] - top : -INFINITY;
  EACH(LANES) lane[j] += EXP(rest[j]);
  return NAME(total)(lane);
}

/* What the last step divides by, as its inverse, or subtracts: from the sum of all exponentials. */
INLINE T NAME(last)(const cr__lines *l, const T top, double sum) {
  const T *x = l->a;
  double rest = 0;
  if (!l->log) return (T)(1 / sum);
  if (!(sum < ONE_TOP)) return (T)f64_log(sum);
  for (int64_t i = 0, m; i < l->n; i += m) {
    m = l->n - i < CR__FOLD_BLOCK ? l->n - i : CR__FOLD_BLOCK;
    rest += NAME(others)(x + i, top, m);
  }
  return (T)log_of_one_and(rest);
}

/* The last step for n elements x: results from their exponentials e (to be changed), or logarithms. */
INLINE void NAME(finish)(const cr__lines *l, T *out, const T *x, T *e, const T top, const T last,
                         int64_t n) {
  T *to = l->stream ? e : out;
  if (l->log) {
    for (int64_t i = 0; i < n; i++) to[i] = x[i] - top - last;
  } else {
    for (int64_t i = 0; i < n; i++) to[i] = e[i] * last;
  }
  if (l->stream) CR__PASTE(cr__stream_, CR__ISA)(out, e, (size_t)n * sizeof(T));
}

/* Exponentials are computed once more: that costs less than to keep them. */
static void NAME(piece)(const cr__lines *l, double top, double last) {
  const T *x = l->a;
  _Alignas(64) T e[CR__FOLD_BLOCK];
  for (int64_t i = 0, m; i < l->n; i += m) {
    m = l->n - i < CR__FOLD_BLOCK ? l->n - i : CR__FOLD_BLOCK;
    if (!l->log) NAME(block)(e, x + i, (T)top, m, true);
    NAME(finish)(l, (T *)l->out + i, x + i, e, (T)top, (T)last, m);
  }
}

static void NAME(line)(const cr__lines *l) {
  const T *x = l->a, top = NAME(most)(x, l->n);
  T *out = l->out;
  double sum = 0;
  _Alignas(64) T e[CR__FOLD_BLOCK];
  if (l->n <= CR__FOLD_BLOCK) {
    sum = l->log ? NAME(block)(NULL, x, top, l->n, false) : NAME(block)(e, x, top, l->n, true);
    NAME(finish)(l, out, x, e, top, NAME(last)(l, top, sum), l->n);
    return;
  }
  bool keep = !l->log && !l->stream;
  for (int64_t i = 0, m; i < l->n; i += m) {
    m = l->n - i < CR__FOLD_BLOCK ? l->n - i : CR__FOLD_BLOCK;
    if (keep) sum += NAME(block)(out + i, x + i, top, m, true);
    else sum += NAME(block)(NULL, x + i, top, m, false);
  }
  const T last = NAME(last)(l, top, sum);
  if (keep) NAME(finish)(l, out, x, out, top, last, l->n);
  else NAME(piece)(l, top, last);
}

/* ---- Logarithms of sums ---- */

static void NAME(logs_row)(void *state, const void *x, int64_t n, int64_t seen) {
  double *s = state, top = NAME(most)(x, n), rest = 0;
  (void)seen;
  if (isfinite(top)) rest = NAME(block)(NULL, x, (T)top, n, false) - 1;
  if (rest < ONE_TOP - 1) rest = NAME(others)(x, (T)top, n);
  join_logs(&s[0], &s[1], top, rest);
}

/* ---- Derivatives ---- */

/* The sum over a block. */
INLINE double NAME(sum)(const T *g, int64_t n) {
  T lane[LANES] = {0};
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int j = 0; j < LANES; j++) lane[j] += g[i + j];
  for (int64_t j = 0; j < n - i; j++) lane[j] += g[i + j];
  return NAME(total)(lane);
}

/* The sum over a block of g * y, and the largest y, if it is positive. */
INLINE double NAME(dot_peak)(const T *g, const T *y, int64_t n, T *most) {
  T lane[LANES] = {0}, peak[LANES] = {0};
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int j = 0; j < LANES; j++) {
      lane[j] += g[i + j] * y[i + j];
      peak[j] = y[i + j] > peak[j] ? y[i + j] : peak[j];
    }
  for (int64_t j = 0; j < n - i; j++) {
    lane[j] += g[i + j] * y[i + j];
    peak[j] = y[i + j] > peak[j] ? y[i + j] : peak[j];
  }
  *most = NAME(highest)(peak);
  return NAME(total)(lane);
}

/* The sum over a block of y * (from - g). */
INLINE double NAME(dot_from)(const T from, const T *g, const T *y, int64_t n) {
  T lane[LANES] = {0};
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int j = 0; j < LANES; j++) lane[j] += y[i + j] * (from - g[i + j]);
  for (int64_t j = 0; j < n - i; j++) lane[j] += y[i + j] * (from - g[i + j]);
  return NAME(total)(lane);
}

/* The gradient of a line's element r whose probability is great. It is the difference of two
 * numbers that are nearly equal, and so is computed from what the others are. */
static __attribute__((noinline)) void NAME(mend)(const cr__lines *l, int64_t r) {
  const T *g = l->a, *y = l->b;
  double sum = 0, chance = y[r];
  for (int64_t i = 0, m; i < l->n; i += m) {
    m = l->n - i < CR__FOLD_BLOCK ? l->n - i : CR__FOLD_BLOCK;
    if (!l->log) sum += NAME(dot_from)(g[r], g + i, y + i, m);
    else if (r < i || r >= i + m) sum += NAME(sum)(g + i, m);
    else sum += NAME(sum)(g + i, r - i) + NAME(sum)(g + r + 1, i + m - r - 1);
  }
  if (l->log) sum = great_log(g[r], chance, sum);
  else sum *= chance;
  if (l->stream)
    CR__PASTE(cr__stream_, CR__ISA)(NULL, NULL, 0); /* what it has written comes first */
  ((T *)l->out)[r] = (T)sum;
}

/* A block's gradients from those of the logarithms y; returns the largest probability. */
INLINE T NAME(back_log)(T *to, const T *g, const T *y, const T sum, int64_t n) {
  T peak[LANES] = {0}, rest[LANES];
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int j = 0; j < LANES; j++) {
      T e = EXP(y[i + j]);
      to[i + j] = g[i + j] - e * sum;
      peak[j] = e > peak[j] ? e : peak[j];
    }
  int64_t left = n - i, padded = (left + PADDED - 1) / PADDED * PADDED;
  for (int64_t j = 0; j < padded; j++) rest[j] = j < left ? y[i + j] : -INFINITY;
  EACH(padded) {
    rest[j] = EXP(rest[j]);
    peak[j] = rest[j] > peak[j] ? rest[j] : peak[j];
  }
  for (int64_t j = 0; j < left; j++) to[i + j] = g[i + j] - rest[j] * sum;
  return NAME(highest)(peak);
}

static void NAME(line_back)(const cr__lines *l) {
  const T *g = l->a, *y = l->b;
  _Alignas(64) T e[CR__TILE];
  double total = 0;
  int64_t great = -1; /* where the block with such an element begins */
  for (int64_t i = 0, m; i < l->n && !cr__cpu_stopped(); i += m) {
    T peak = 0;
    m = l->n - i < CR__FOLD_BLOCK ? l->n - i : CR__FOLD_BLOCK;
    if (l->log) total += NAME(sum)(g + i, m);
    else total += NAME(dot_peak)(g + i, y + i, m, &peak);
    if (peak > (T)GREAT) great = i;
  }
  const T sum = (T)total;
  for (int64_t i = 0, m; i < l->n && (i % CR__FOLD_BLOCK || !cr__cpu_stopped()); i += m) {
    T *out = (T *)l->out + i, *to = l->stream ? e : out;
    m = l->n - i < CR__TILE ? l->n - i : CR__TILE;
    if (l->n <= CR__FOLD_BLOCK) { /* the next line comes soon */
      FETCH(g + l->n + i, m);
      FETCH(y + l->n + i, m);
    }
    if (l->log) {
      if (NAME(back_log)(to, g + i, y + i, sum, m) > (T)GREAT) great = i;
    } else {
      for (int64_t j = 0; j < m; j++) to[j] = y[i + j] * (g[i + j] - sum);
    }
    if (l->stream) CR__PASTE(cr__stream_, CR__ISA)(out, e, (size_t)m * sizeof(T));
  }
  const T bound = (T)(l->log ? LOG_GREAT : GREAT);
  for (int64_t r = great; great >= 0 && r < l->n && r < great + CR__FOLD_BLOCK; r++)
    if (y[r] > bound) NAME(mend)(l, r);
}
