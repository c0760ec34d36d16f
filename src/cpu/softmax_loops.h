/* cpu/softmax_loops.h: the loops of softmax.h for one type. loops_softmax.c includes it for float and
 * for double.
 *
 * Given: T, EXP(x), NAME(x). Elements are added up in lanes, a block of CR__FOLD_BLOCK at
 * most, then in float64. */

INLINE double NAME(total)(T *lane) {
  double wide[PADDED];
  CR__HALVE(lane, 32, CR__ADD)
  CR__HALVE(lane, 16, CR__ADD)
  for (int j = 0; j < PADDED; j++) wide[j] = lane[j];
  CR__HALVE(wide, 8, CR__ADD)
  CR__HALVE(wide, 4, CR__ADD)
  return (wide[0] + wide[2]) + (wide[1] + wide[3]);
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

/* The last step for n elements x: results from their exponentials e (to be changed) and their sum, or
 * logarithms. */
INLINE void NAME(finish)(const cr__lines *l, T *out, const T *x, T *e, const T top, double sum,
                         int64_t n) {
  T *to = l->stream ? e : out;
  if (l->log) {
    const T rest = (T)f64_log(sum);
    for (int64_t i = 0; i < n; i++) to[i] = x[i] - top - rest;
  } else {
    const T share = (T)(1 / sum);
    for (int64_t i = 0; i < n; i++) to[i] = e[i] * share;
  }
  if (l->stream) CR__PASTE(cr__stream_, CR__ISA)(out, e, (size_t)n * sizeof(T));
}

/* Exponentials are computed once more: that costs less than to keep them. */
static void NAME(piece)(const cr__lines *l, double top, double sum) {
  const T *x = l->a;
  _Alignas(64) T e[CR__FOLD_BLOCK];
  for (int64_t i = 0, m; i < l->n; i += m) {
    m = l->n - i < CR__FOLD_BLOCK ? l->n - i : CR__FOLD_BLOCK;
    if (!l->log) NAME(block)(e, x + i, (T)top, m, true);
    NAME(finish)(l, (T *)l->out + i, x + i, e, (T)top, sum, m);
  }
}

static void NAME(line)(const cr__lines *l) {
  const T *x = l->a, top = NAME(most)(x, l->n);
  T *out = l->out;
  double sum = 0;
  _Alignas(64) T e[CR__FOLD_BLOCK];
  if (l->n <= CR__FOLD_BLOCK) {
    sum = l->log ? NAME(block)(NULL, x, top, l->n, false) : NAME(block)(e, x, top, l->n, true);
    NAME(finish)(l, out, x, e, top, sum, l->n);
    return;
  }
  bool keep = !l->log && !l->stream;
  for (int64_t i = 0, m; i < l->n; i += m) {
    m = l->n - i < CR__FOLD_BLOCK ? l->n - i : CR__FOLD_BLOCK;
    if (keep) sum += NAME(block)(out + i, x + i, top, m, true);
    else sum += NAME(block)(NULL, x + i, top, m, false);
  }
  if (keep) NAME(finish)(l, out, x, out, top, sum, l->n);
  else NAME(piece)(l, top, sum);
}

/* A row of exponentials of x - top, or of x if top is NULL, w of them; what is behind them in e changes,
 * too. */
INLINE void NAME(row)(T *e, const T *x, const T *top, int64_t w) {
  for (int64_t j = 0; j < w; j++) e[j] = top ? x[j] - top[j] : x[j];
  for (int64_t j = w; j % PADDED; j++) e[j] = 0;
  EACH(w) e[j] = EXP(e[j]);
}

static void NAME(tile_low)(const cr__lines *l) {
  const T *x = l->a;
  T *out = l->out, top[CR__TILE], part[CR__TILE], e[CR__TILE];
  double total[CR__TILE] = {0};
  memcpy(top, x, (size_t)l->w * sizeof(T));
  for (int64_t r = 1; r < l->n; r++)
    for (int64_t j = 0; j < l->w; j++) top[j] = CR__LARGER(top[j], x[r * l->step + j]);
  for (int64_t r0 = 0; r0 < l->n; r0 += FEW_ROWS) {
    int64_t end = r0 + FEW_ROWS < l->n ? r0 + FEW_ROWS : l->n;
    memset(part, 0, sizeof part);
    for (int64_t r = r0; r < end; r++) {
      NAME(row)(e, x + r * l->step, top, l->w);
      for (int64_t j = 0; j < l->w; j++) part[j] += e[j];
      if (!l->log) memcpy(out + r * l->step, e, (size_t)l->w * sizeof(T));
    }
    for (int64_t j = 0; j < l->w; j++) total[j] += part[j];
  }
  for (int64_t j = 0; j < l->w; j++) part[j] = (T)(l->log ? f64_log(total[j]) : 1 / total[j]);
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
  double *s = state, top = NAME(most)(x, n);
  (void)seen;
  join_logs(&s[0], &s[1], top, NAME(block)(NULL, x, (T)base_of(top), n, false));
}

static void NAME(logs_columns)(void *state, const void *from, int64_t rows, int64_t step, int64_t w,
                               int64_t seen) {
  double *s = state;
  const T *x = from;
  T top[CR__TILE], base[CR__TILE], part[CR__TILE] = {0}, e[CR__TILE];
  (void)seen;
  memcpy(top, x, (size_t)w * sizeof(T));
  for (int64_t r = 1; r < rows; r++)
    for (int64_t j = 0; j < w; j++) top[j] = CR__LARGER(top[j], x[r * step + j]);
  for (int64_t j = 0; j < w; j++) base[j] = (T)base_of(top[j]);
  for (int64_t r = 0; r < rows; r++) {
    NAME(row)(e, x + r * step, base, w);
    for (int64_t j = 0; j < w; j++) part[j] += e[j];
  }
  for (int64_t j = 0; j < w; j++) join_logs(&s[j], &s[w + j], top[j], part[j]);
}

/* A tile too large to stay in a cache is read twice, and exponentials are computed once more. */
static void NAME(tile)(const cr__lines *l) {
  const T *x = l->a;
  _Alignas(64) T e[CR__TILE];
  T *out = l->out, top[CR__TILE], part[CR__TILE];
  double state[2 * CR__TILE];
  if (l->n <= 2 * TALL_ROWS) {
    NAME(tile_low)(l);
    return;
  }
  for (int64_t j = 0; j < 2 * l->w; j++) state[j] = j < l->w ? -INFINITY : 0;
  for (int64_t r = 0; r < l->n; r += TALL_ROWS) {
    int64_t rows = l->n - r < TALL_ROWS ? l->n - r : TALL_ROWS;
    NAME(logs_columns)(state, x + r * l->step, rows, l->step, l->w, 0);
  }
  for (int64_t j = 0; j < l->w; j++) {
    double sum = isfinite(state[j]) ? state[l->w + j] : NAN;
    top[j] = (T)state[j], part[j] = (T)(l->log ? f64_log(sum) : 1 / sum);
  }
  for (int64_t r = 0; r < l->n; r++) {
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

/* The sum over a block of g * y, or of g if y is NULL. */
INLINE double NAME(dot)(const T *g, const T *y, int64_t n) {
  T lane[LANES] = {0};
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int j = 0; j < LANES; j++) lane[j] += y ? g[i + j] * y[i + j] : g[i + j];
  for (int64_t j = 0; j < n - i; j++) lane[j] += y ? g[i + j] * y[i + j] : g[i + j];
  return NAME(total)(lane);
}

static void NAME(line_back)(const cr__lines *l) {
  const T *g = l->a, *y = l->b;
  _Alignas(64) T e[CR__TILE];
  double total = 0;
  for (int64_t i = 0, m; i < l->n; i += m) {
    m = l->n - i < CR__FOLD_BLOCK ? l->n - i : CR__FOLD_BLOCK;
    total += l->log ? NAME(dot)(g + i, NULL, m) : NAME(dot)(g + i, y + i, m);
  }
  const T sum = (T)total;
  for (int64_t i = 0, m; i < l->n; i += m) {
    T *out = (T *)l->out + i, *to = l->stream ? e : out;
    m = l->n - i < CR__TILE ? l->n - i : CR__TILE;
    if (l->n <= CR__FOLD_BLOCK) { /* the next line comes soon */
      FETCH(g + l->n + i, m);
      FETCH(y + l->n + i, m);
    }
    if (l->log) {
      NAME(row)(e, y + i, NULL, m);
      for (int64_t j = 0; j < m; j++) to[j] = g[i + j] - e[j] * sum;
    } else {
      for (int64_t j = 0; j < m; j++) to[j] = y[i + j] * (g[i + j] - sum);
    }
    if (l->stream) CR__PASTE(cr__stream_, CR__ISA)(out, e, (size_t)m * sizeof(T));
  }
}

static void NAME(tile_back)(const cr__lines *l) {
  const T *g = l->a, *y = l->b;
  T *out = l->out, sum[CR__TILE], e[CR__TILE];
  double total[CR__TILE] = {0};
  for (int64_t r0 = 0; r0 < l->n; r0 += FEW_ROWS) {
    int64_t end = r0 + FEW_ROWS < l->n ? r0 + FEW_ROWS : l->n;
    memset(sum, 0, sizeof sum);
    for (int64_t r = r0; r < end; r++) {
      const T *gr = g + r * l->step, *yr = y + r * l->step;
      for (int64_t j = 0; j < l->w; j++) sum[j] += l->log ? gr[j] : gr[j] * yr[j];
    }
    for (int64_t j = 0; j < l->w; j++) total[j] += sum[j];
  }
  for (int64_t j = 0; j < l->w; j++) sum[j] = (T)total[j];
  for (int64_t r = 0; r < l->n; r++) {
    const T *gr = g + r * l->step, *yr = y + r * l->step;
    T *to = out + r * l->step;
    if (l->log) {
      NAME(row)(e, yr, NULL, l->w);
      for (int64_t j = 0; j < l->w; j++) to[j] = gr[j] - e[j] * sum[j];
    } else {
      for (int64_t j = 0; j < l->w; j++) to[j] = yr[j] * (gr[j] - sum[j]);
    }
  }
}

#undef T
#undef EXP
#undef NAME
