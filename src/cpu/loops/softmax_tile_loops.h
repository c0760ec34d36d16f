/* softmax_tile_loops.h: the loops of softmax.h over lines side by side for one type, and over lines of few
 * elements.
 *
 * Given: what softmax_loops.h is given, and that file before this one. */

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
  T e[STRIP];
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

/* Logarithms of 1 + rest for those of w columns whose sum's logarithm is below a bound. */
static __attribute__((noinline)) void NAME(small_logs)(T *last, const T *rest, const T bound,
                                                       int64_t w) {
  T log[CR__TILE];
  for (int64_t j = 0; j < w; j++) log[j] = (T)f64_log1p(rest[j]);
  for (int64_t j = 0; j < w; j++) last[j] = last[j] < bound ? log[j] : last[j];
}

static void NAME(tile_low)(const cr__lines *l) {
  const T *x = l->a;
  T *out = l->out, top[CR__TILE], part[CR__TILE], e[CR__TILE];
  double total[CR__TILE] = {0};
  const int64_t most = rows_at_once(l->n);
  NAME(tops)(top, x, l->n, l->step, l->w);
  for (int64_t r = 0; r < l->n; r += most) {
    int64_t rows = l->n - r < most ? l->n - r : most;
    const T *from = x + r * l->step;
    if (l->log) NAME(sums)(part, NULL, from, top, rows, l->step, l->w);
    else NAME(sums)(part, out + r * l->step, from, top, rows, l->step, l->w);
    for (int64_t j = 0; j < l->w; j++) total[j] += part[j];
  }
  if (l->log) {
    for (int64_t j = 0; j < l->w; j++) part[j] = (T)f64_log(total[j]);
  } else {
    for (int64_t j = 0; j < l->w; j++) part[j] = (T)(1 / total[j]);
  }
  const T bound = (T)(most == 1 ? EXACT_ONE_TOP : LOG_ONE_TOP);
  if (l->log && NAME(any_below)(part, bound, l->w)) {
    NAME(others_tile)(e, x, top, l->n, l->step, l->w);
    NAME(small_logs)(part, e, bound, l->w);
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

/* The last step for `rows` rows. */
INLINE void NAME(finish_rows)(const cr__lines *l, T *out, const T *x, const T *top, const T *part,
                              int64_t rows, int64_t step, int64_t w) {
  _Alignas(64) T e[CR__TILE];
  for (int64_t r = 0; r < rows && (r % TALL_ROWS || !cr__cpu_stopped()); r++) {
    const T *from = x + r * step;
    T *row = out + r * step, *to = l->stream ? e : row;
    if (l->log) {
      for (int64_t j = 0; j < w; j++) to[j] = from[j] - top[j] - part[j];
    } else {
      NAME(row)(e, from, top, w);
      for (int64_t j = 0; j < w; j++) to[j] = e[j] * part[j];
    }
    if (l->stream) CR__PASTE(cr__stream_, CR__ISA)(row, e, (size_t)w * sizeof(T));
  }
}

/* The state of the columns of a tile: rows without gaps, `side` at a time, are one row of wide columns. */
static void NAME(measure_tile)(const cr__lines *l, double *state, int64_t side) {
  const T *x = l->a;
  double wide[2 * CR__TILE], part[2 * CR__TILE];
  int64_t w = l->w, all = w * side, step = l->step * side, rows = l->n / side, rest = l->n % side;
  for (int64_t j = 0; j < 2 * all; j++) wide[j] = j < all ? -INFINITY : 0;
  for (int64_t j = 0; j < 2 * w; j++) state[j] = j < w ? -INFINITY : 0;
  for (int64_t r = 0, m; r < rows && !cr__cpu_stopped(); r += m) {
    m = rows - r < TALL_ROWS ? rows - r : TALL_ROWS;
    NAME(logs_columns)(wide, x + r * step, m, step, all, 0);
  }
  for (int64_t i = 0; i < side; i++) {
    memcpy(part, wide + i * w, (size_t)w * sizeof *part);
    memcpy(part + w, wide + all + i * w, (size_t)w * sizeof *part);
    merge_logs(state, part, w, 0, 0);
  }
  if (rest) NAME(logs_columns)(state, x + rows * step, rest, l->step, w, 0);
}

/* A tile too large to stay in a cache is read twice, and exponentials are computed once more. */
static void NAME(tile)(const cr__lines *l) {
  const T *x = l->a;
  T *out = l->out, top[CR__TILE], part[CR__TILE];
  double state[2 * CR__TILE];
  if (l->n <= LOW_ROWS) {
    NAME(tile_low)(l);
    return;
  }
  int64_t side = l->step == l->w && l->w < STRIP ? CR__TILE / l->w : 1, rows = l->n / side;
  if (rows == 0) side = 1, rows = l->n;
  NAME(measure_tile)(l, state, side);
  for (int64_t j = 0; j < l->w; j++) {
    double rest = isfinite(state[j]) ? state[l->w + j] : NAN;
    top[j] = (T)state[j], part[j] = (T)(l->log ? log_of_one_and(rest) : 1 / (1 + rest));
  }
  for (int64_t j = l->w; j < l->w * side; j++) top[j] = top[j - l->w], part[j] = part[j - l->w];
  int64_t step = l->step * side, done = rows * step;
  NAME(finish_rows)(l, out, x, top, part, rows, step, l->w * side);
  NAME(finish_rows)(l, out + done, x + done, top, part, l->n % side, l->step, l->w);
}

/* ---- Derivatives ---- */

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
  for (int64_t j = 0; j < l->w; j++) value[j] = (T)great_log(from[j], chance[j], sum[j]);
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
  const int64_t most = rows_at_once(l->n);
  for (int64_t r0 = 0; r0 < l->n && !cr__cpu_stopped(); r0 += most) {
    int64_t end = r0 + most < l->n ? r0 + most : l->n;
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
#undef EXACT_ONE_TOP
#undef ROWS_SUM
#undef WORD
#undef EXP
#undef NAME
