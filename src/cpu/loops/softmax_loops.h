/* softmax_loops.h: the loops of softmax.h for one type. loops_softmax.c includes it for float and
 * for double.
 *
 * Given: T, its integer twin WORD, EXP(x), LOG(x), LOG1P(x), NAME(x), and ROWS_SUM, which adds up rows. Elements are added up in lanes, a block of
 * CR__FOLD_BLOCK at most, then in float64. */

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

/* A row of exponentials of x - top, or of x if top is NULL, w of them; what is behind them in e changes,
 * too. */
INLINE void NAME(row)(T *e, const T *x, const T *top, int64_t w) {
  for (int64_t j = 0; j < w; j++) e[j] = top ? x[j] - top[j] : x[j];
  for (int64_t j = w; j % PADDED; j++) e[j] = 0;
  EACH(w) e[j] = EXP(e[j]);
}

/* The sums of exp(x - top) of w columns over those elements that are not the top. */
static __attribute__((noinline)) void NAME(others_tile)(T *rest, const T *x, const T *top,
                                                        int64_t rows, int64_t step, int64_t w) {
  T e[CR__TILE];
  memset(rest, 0, (size_t)w * sizeof(T));
  for (int64_t r = 0; r < rows; r++) {
    const T *row = x + r * step;
    NAME(row)(e, row, top, w);
    for (int64_t j = 0; j < w; j++) rest[j] += row[j] == top[j] ? 0 : e[j];
  }
}

INLINE bool NAME(any_below)(const T *x, const T bound, int64_t w) {
  WORD below = 0;
  for (int64_t j = 0; j < w; j++) below |= x[j] < bound;
  return below;
}

/* STRIP columns: their largest elements. */
INLINE void NAME(strip_tops)(T *top, const T *x, int64_t rows, int64_t step) {
  T t[STRIP];
  memcpy(t, x, sizeof t);
  for (int64_t r = 1; r < rows; r++)
    for (int j = 0; j < STRIP; j++) t[j] = CR__LARGER(t[j], x[r * step + j]);
  memcpy(top, t, sizeof t);
}

/* STRIP columns: the sums of exp(x - top), and the terms where they are kept. */
INLINE void NAME(strip_sums)(T *sum, T *out, const T *x, const T *top, int64_t rows, int64_t step) {
  T t[STRIP], s[STRIP] = {0};
  memcpy(t, top, sizeof t);
  for (int64_t r = 0; r < rows; r++) {
    T e[STRIP];
    for (int j = 0; j < STRIP; j++) e[j] = EXP(x[r * step + j] - t[j]);
    for (int j = 0; j < STRIP; j++) s[j] += e[j];
    if (out) memcpy(out + r * step, e, sizeof e);
  }
  memcpy(sum, s, sizeof s);
}

static void NAME(tops)(T *top, const T *x, int64_t rows, int64_t step, int64_t w) {
  if (w >= STRIP) {
    for (int64_t j = 0; j < w; j = next_strip(j, w)) NAME(strip_tops)(top + j, x + j, rows, step);
    return;
  }
  memcpy(top, x, (size_t)w * sizeof(T));
  for (int64_t r = 1; r < rows; r++)
    for (int64_t j = 0; j < w; j++) top[j] = CR__LARGER(top[j], x[r * step + j]);
}

INLINE void NAME(sums)(T *sum, T *out, const T *x, const T *top, int64_t rows, int64_t step,
                       int64_t w) {
  T e[PADDED];
  if (w >= STRIP) {
    for (int64_t j = 0; j < w; j = next_strip(j, w))
      NAME(strip_sums)(sum + j, out ? out + j : NULL, x + j, top + j, rows, step);
    return;
  }
  memset(sum, 0, (size_t)w * sizeof(T));
  for (int64_t r = 0; r < rows; r++) {
    NAME(row)(e, x + r * step, top, w);
    for (int64_t j = 0; j < w; j++) sum[j] += e[j];
    if (out) memcpy(out + r * step, e, (size_t)w * sizeof(T));
  }
}

/* Logarithms of 1 + rest for those of w columns whose sum, or its logarithm, is below a bound. */
static __attribute__((noinline)) void NAME(small_logs)(T *last, const T *rest, const T bound,
                                                       int64_t w) {
  T log[CR__TILE];
  for (int64_t j = 0; j < w; j++) log[j] = LOG1P(rest[j]);
  for (int64_t j = 0; j < w; j++) last[j] = last[j] < bound ? log[j] : last[j];
}

static void NAME(tile_low)(const cr__lines *l) {
  const T *x = l->a;
  T *out = l->out, top[CR__TILE], part[CR__TILE], e[CR__TILE];
  double total[CR__TILE] = {0};
  NAME(tops)(top, x, l->n, l->step, l->w);
  for (int64_t r = 0; r < l->n; r += FEW_ROWS) {
    int64_t rows = l->n - r < FEW_ROWS ? l->n - r : FEW_ROWS;
    const T *from = x + r * l->step;
    if (l->log) NAME(sums)(part, NULL, from, top, rows, l->step, l->w);
    else NAME(sums)(part, out + r * l->step, from, top, rows, l->step, l->w);
    for (int64_t j = 0; j < l->w; j++) total[j] += part[j];
  }
  if (l->log) {
    for (int64_t j = 0; j < l->w; j++) part[j] = LOG((T)total[j]);
  } else {
    for (int64_t j = 0; j < l->w; j++) part[j] = (T)(1 / total[j]);
  }
  if (l->log && NAME(any_below)(part, (T)LOG_ONE_TOP, l->w)) {
    NAME(others_tile)(e, x, top, l->n, l->step, l->w);
    NAME(small_logs)(part, e, (T)LOG_ONE_TOP, l->w);
  }
  for (int64_t r = 0; r < l->n; r++) {
    const T *from = x + r * l->step;
    T *to = out + r * l->step;
    if (l->log) {
      for (int64_t j = 0; j < l->w; j++) to[j] = from[j] - top[j] - part[j];
    } else {
      for (int64_t j = 0; j < l->w; j++) to[j] *= part[j];
    }
  }
}

/* ---- Logarithms of sums ---- */

static void NAME(logs_row)(void *state, const void *x, int64_t n, int64_t seen) {
  double *s = state, top = NAME(most)(x, n), rest = 0;
  (void)seen;
  if (isfinite(top)) rest = NAME(block)(NULL, x, (T)top, n, false) - 1;
  if (rest < ONE_TOP - 1) rest = NAME(others)(x, (T)top, n);
  join_logs(&s[0], &s[1], top, rest);
}

static void NAME(logs_columns)(void *state, const void *from, int64_t rows, int64_t step, int64_t w,
                               int64_t seen) {
  double *s = state;
  const T *x = from;
  T top[CR__TILE], base[CR__TILE], part[CR__TILE], e[CR__TILE];
  double sum[CR__TILE] = {0}, rest[CR__TILE];
  WORD few = 0, met = 0;
  (void)seen;
  NAME(tops)(top, x, rows, step, w);
  for (int64_t j = 0; j < w; j++) base[j] = (T)base_of(top[j]);
  for (int64_t r = 0; r < rows; r += FEW_ROWS) {
    NAME(sums)(part, NULL, x + r * step, base, rows - r < FEW_ROWS ? rows - r : FEW_ROWS, step, w);
    for (int64_t j = 0; j < w; j++) sum[j] += part[j];
  }
  for (int64_t j = 0; j < w; j++) few |= sum[j] < ONE_TOP, met |= s[j] != -INFINITY;
  if (few) NAME(others_tile)(e, x, base, rows, step, w);
  for (int64_t j = 0; j < w; j++) rest[j] = few && sum[j] < ONE_TOP ? e[j] : sum[j] - 1;
  if (met) {
    for (int64_t j = 0; j < w; j++) join_logs(&s[j], &s[w + j], top[j], rest[j]);
    return;
  }
  for (int64_t j = 0; j < w; j++)
    s[j] = top[j], s[w + j] = top[j] - top[j] == 0 ? rest[j] : 0; /* infinite: as in join_logs */
}

/* A tile too large to stay in a cache is read twice, and exponentials are computed once more. */
static void NAME(tile)(const cr__lines *l) {
  const T *x = l->a;
  _Alignas(64) T e[CR__TILE];
  T *out = l->out, top[CR__TILE], part[CR__TILE];
  double state[2 * CR__TILE];
  if (l->n <= LOW_ROWS) {
    NAME(tile_low)(l);
    return;
  }
  for (int64_t j = 0; j < 2 * l->w; j++) state[j] = j < l->w ? -INFINITY : 0;
  for (int64_t r = 0; r < l->n && !cr__cpu_stopped(); r += TALL_ROWS) {
    int64_t rows = l->n - r < TALL_ROWS ? l->n - r : TALL_ROWS;
    NAME(logs_columns)(state, x + r * l->step, rows, l->step, l->w, 0);
  }
  for (int64_t j = 0; j < l->w; j++) {
    double rest = isfinite(state[j]) ? state[l->w + j] : NAN;
    top[j] = (T)state[j], part[j] = (T)(l->log ? log_of_one_and(rest) : 1 / (1 + rest));
  }
  for (int64_t r = 0; r < l->n && (r % TALL_ROWS || !cr__cpu_stopped()); r++) {
    const T *from = x + r * l->step;
    T *row = out + r * l->step, *to = l->stream ? e : row;
    if (l->log) {
      for (int64_t j = 0; j < l->w; j++) to[j] = from[j] - top[j] - part[j];
    } else {
      NAME(row)(e, from, top, l->w);
      for (int64_t j = 0; j < l->w; j++) to[j] = e[j] * part[j];
    }
    if (l->stream) CR__PASTE(cr__stream_, CR__ISA)(row, e, (size_t)l->w * sizeof(T));
  }
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
  if (l->log) sum = -g[r] * f64_expm1(chance) - f64_exp(chance) * sum;
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

/* The same as mend for the columns of a tile, of which none has two such elements. */
static __attribute__((noinline)) void NAME(mend_tile)(const cr__lines *l) {
  const T *g = l->a, *y = l->b;
  T from[CR__TILE] = {0}, value[CR__TILE], *out = l->out;
  double sum[CR__TILE] = {0};
  for (int64_t r = 0; r < l->n; r++) {
    const T *gr = g + r * l->step, *yr = y + r * l->step;
    for (int64_t j = 0; j < l->w; j++) from[j] = yr[j] > (T)GREAT ? gr[j] : from[j];
  }
  for (int64_t r = 0; r < l->n; r++) {
    const T *gr = g + r * l->step, *yr = y + r * l->step;
    for (int64_t j = 0; j < l->w; j++) sum[j] += yr[j] * (from[j] - gr[j]);
  }
  for (int64_t j = 0; j < l->w; j++) value[j] = (T)sum[j];
  for (int64_t r = 0; r < l->n; r++) {
    const T *yr = y + r * l->step;
    T *to = out + r * l->step;
    for (int64_t j = 0; j < l->w; j++) to[j] = yr[j] > (T)GREAT ? yr[j] * value[j] : to[j];
  }
}

static __attribute__((noinline)) void NAME(mend_tile_log)(const cr__lines *l) {
  const T *g = l->a, *y = l->b, bound = (T)LOG_GREAT;
  T from[CR__TILE] = {0}, chance[CR__TILE] = {0}, value[CR__TILE], *out = l->out;
  double sum[CR__TILE] = {0};
  for (int64_t r = 0; r < l->n; r++) {
    const T *gr = g + r * l->step, *yr = y + r * l->step;
    for (int64_t j = 0; j < l->w; j++) {
      from[j] = yr[j] > bound ? gr[j] : from[j], chance[j] = yr[j] > bound ? yr[j] : chance[j];
      sum[j] += yr[j] > bound ? 0 : gr[j];
    }
  }
  for (int64_t j = 0; j < l->w; j++)
    value[j] = -from[j] * EXPM1(chance[j]) - EXP(chance[j]) * (T)sum[j];
  for (int64_t r = 0; r < l->n; r++) {
    const T *yr = y + r * l->step;
    T *to = out + r * l->step;
    for (int64_t j = 0; j < l->w; j++) to[j] = yr[j] > bound ? value[j] : to[j];
  }
}

static void NAME(tile_back)(const cr__lines *l) {
  const T *g = l->a, *y = l->b;
  T *out = l->out, sum[CR__TILE], e[CR__TILE];
  double total[CR__TILE] = {0};
  for (int64_t r0 = 0; r0 < l->n && !cr__cpu_stopped(); r0 += FEW_ROWS) {
    int64_t end = r0 + FEW_ROWS < l->n ? r0 + FEW_ROWS : l->n;
    memset(sum, 0, sizeof sum);
    for (int64_t r = r0; r < end; r++) {
      const T *gr = g + r * l->step, *yr = y + r * l->step;
      for (int64_t j = 0; j < l->w; j++) sum[j] += l->log ? gr[j] : gr[j] * yr[j];
    }
    for (int64_t j = 0; j < l->w; j++) total[j] += sum[j];
  }
  for (int64_t j = 0; j < l->w; j++) sum[j] = (T)total[j];
  WORD above = 0;
  for (int64_t r = 0; r < l->n && (r % TALL_ROWS || !cr__cpu_stopped()); r++) {
    const T *gr = g + r * l->step, *yr = y + r * l->step;
    T *to = out + r * l->step;
    if (l->log) NAME(row)(e, yr, NULL, l->w);
    for (int64_t j = 0; j < l->w; j++) {
      above |= (l->log ? e[j] : yr[j]) > (T)GREAT;
      to[j] = l->log ? gr[j] - e[j] * sum[j] : yr[j] * (gr[j] - sum[j]);
    }
  }
  if (above && l->log) NAME(mend_tile_log)(l);
  else if (above) NAME(mend_tile)(l);
}

/* Lines of few elements, one after another: what belongs to a line is repeated for each of its elements,
 * so that all go through one loop. */
static void NAME(short_back)(const cr__lines *l) {
  const T *g = l->a, *y = l->b;
  const int64_t n = l->n, all = n * l->w;
  T *out = l->out, e[CR__SHORT_UNIT], sum[CR__SHORT_UNIT + CR__SHORT];
  double total[CR__TILE] = {0};
  WORD above = 0;
  if (l->log) {
    ROWS_SUM(total, g, n, n, l->w);
  } else {
    for (int64_t i = 0; i < all; i++) e[i] = g[i] * y[i], above |= y[i] > (T)GREAT;
    ROWS_SUM(total, e, n, n, l->w);
  }
  for (int64_t c = 0; c < l->w; c++) {
    const T one = (T)total[c];
    for (int64_t i = 0; i < n; i += PADDED) /* the next line writes again what is too much */
      for (int j = 0; j < PADDED; j++) sum[c * n + i + j] = one;
  }
  if (l->log) {
    NAME(row)(e, y, NULL, all);
    for (int64_t i = 0; i < all; i++) {
      out[i] = g[i] - e[i] * sum[i];
      above |= e[i] > (T)GREAT;
    }
  } else {
    for (int64_t i = 0; i < all; i++) out[i] = y[i] * (g[i] - sum[i]);
  }
  const T bound = (T)(l->log ? LOG_GREAT : GREAT);
  for (int64_t c = 0; c < l->w && above; c++) {
    const cr__lines one = {out + c * n, g + c * n, y + c * n, n, 1, 1, l->log, false};
    for (int64_t r = 0; r < n; r++)
      if (y[c * n + r] > bound) NAME(mend)(&one, r);
  }
}

#undef T
#undef LOG
#undef LOG1P
#undef EXPM1
#undef ROWS_SUM
#undef WORD
#undef EXP
#undef NAME
