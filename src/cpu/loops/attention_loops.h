/* attention_loops.h: the loops of attention.h for one type. loops_attention.c includes it for float and for double.
 *
 * Given: T, EXP(x) for x <= 0, COLS (the lanes of a panel) and NAME(x). */

enum { NAME(GROUP) = CR__ATTENTION_GROUP };

/* Hidden scores become -infinity, before what they are is looked at. */
static void NAME(veil)(const cr__attention_panel *p) {
  T *s = p->shares;
  const T *m = p->mask;
  for (int64_t i = 0; m && i < p->keys; i++) {
    T *row = s + i * NAME(GROUP);
    const T *mask = m + i * COLS;
    if (p->truth)
      for (int j = 0; j < COLS; j++) row[j] = mask[j] != 0 ? row[j] : (T)-INFINITY;
    else
      for (int j = 0; j < COLS; j++) row[j] += mask[j];
  }
  int64_t from = p->behind < 0 ? 1 - p->behind : 0;
  for (int64_t i = from; p->causal && i < p->keys; i++) {
    T *row = s + i * NAME(GROUP);
    int64_t hidden = i + p->behind < COLS ? i + p->behind : COLS;
    for (int64_t j = 0; j < hidden; j++) row[j] = -INFINITY;
  }
}

/* Measures exponentials from the largest score so far. NaN is no largest score, but its exponential is NaN. */
static void NAME(forward)(const cr__attention_panel *p) {
  T top[COLS], base[COLS], sum[COLS] = {0}, *tops = p->top, *sums = p->sum, *factor = p->factor;
  NAME(veil)(p);
  for (int j = 0; j < COLS; j++) top[j] = tops[j];
  for (int64_t i = 0; i < p->keys; i++) {
    const T *row = (const T *)p->shares + i * NAME(GROUP);
    for (int j = 0; j < COLS; j++) top[j] = row[j] > top[j] ? row[j] : top[j];
  }
  for (int j = 0; j < COLS; j++) {
    base[j] = top[j] == (T)-INFINITY ? 0 : top[j];
    factor[j] = EXP(tops[j] - base[j]);
    tops[j] = top[j];
  }
  for (int64_t i = 0; i < p->keys; i++) {
    T *row = (T *)p->shares + i * NAME(GROUP);
    for (int j = 0; j < COLS; j++) {
      T e = EXP(row[j] - base[j]);
      row[j] = e;
      sum[j] += e;
    }
  }
  for (int j = 0; j < COLS; j++) sums[j] = sums[j] * factor[j] + sum[j];
  for (int64_t i = 0; p->kept && i < p->keys; i++) {
    T *row = (T *)p->shares + i * NAME(GROUP);
    const T *kept = (const T *)p->kept + i * COLS;
    for (int j = 0; j < COLS; j++) row[j] *= kept[j];
  }
}

/* A share of more than 3/4 leaves so little to the others that share times (gradient - delta) would have lost its digits:
 * as the gradients of a query's scores add up to 0, it gets what the others leave. */
static void NAME(backward)(const cr__attention_panel *p) {
  const T *top = p->top, *inverse = p->sum, *delta = p->delta;
  T rest[COLS], *rests = p->rest;
  NAME(veil)(p);
  for (int64_t i = 0; p->kept && i < p->keys; i++) {
    T *g = (T *)p->grad + i * NAME(GROUP);
    const T *kept = (const T *)p->kept + i * COLS;
    for (int j = 0; j < COLS; j++) g[j] *= kept[j];
  }
  for (int j = 0; j < COLS; j++) rest[j] = rests[j];
  for (int64_t i = 0; i < p->keys; i++) {
    T *s = (T *)p->shares + i * NAME(GROUP), *g = (T *)p->grad + i * NAME(GROUP);
    WORD above = 0;
    for (int j = 0; j < COLS; j++) {
      T share = EXP(s[j] - top[j]) * inverse[j], d = share * (g[j] - delta[j]);
      d = share > (T)0.75 ? 0 : d;
      above |= share > (T)0.75 ? 1 : 0;
      s[j] = share;
      g[j] = d;
      rest[j] += d;
    }
    for (int j = 0; above && j < COLS; j++)
      if (s[j] > (T)0.75) p->great[j] = p->first + i;
  }
  for (int j = 0; j < COLS; j++) rests[j] = rest[j];
  for (int64_t i = 0; p->kept && i < p->keys; i++) {
    T *s = (T *)p->shares + i * NAME(GROUP);
    const T *kept = (const T *)p->kept + i * COLS;
    for (int j = 0; j < COLS; j++) s[j] *= kept[j];
  }
}

static void NAME(scale)(int64_t n, void *x, double by) {
  T *to = x, factor = (T)by;
  for (int64_t i = 0; i < n; i++) to[i] *= factor;
}

static double NAME(dot)(int64_t n, const void *x, const void *y) {
  const T *a = x, *b = y;
  double lane[8] = {0}, sum = 0;
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int j = 0; j < 8; j++) lane[j] += (double)a[i + j] * (double)b[i + j];
  for (; i < n; i++) sum += (double)a[i] * (double)b[i];
  for (int j = 0; j < 8; j++) sum += lane[j];
  return sum;
}

#undef T
#undef WORD
#undef EXP
#undef COLS
#undef NAME
