/* reduce_short.c: folds rows of few elements side by side.
 *
 * Holds true: elements that are converted or mapped first, and rows for which there is no loop, go through
 * copies that stay in the first-level cache. */
#include "reduce_short.h"

#include <string.h>

#include "convert.h"
#include "transpose.h"

#ifdef __x86_64__
extern const cr__rows_loops cr__rows_loops_v2, cr__rows_loops_v3, cr__rows_loops_v4;
const cr__rows_loops *cr__rows_loops_here(void) {
  static const cr__rows_loops *const by_level[] = {&cr__rows_loops_v2, &cr__rows_loops_v3,
                                                   &cr__rows_loops_v4};
  return by_level[cr__cpu_level()];
}
#else
extern const cr__rows_loops cr__rows_loops_base;
const cr__rows_loops *cr__rows_loops_here(void) { return &cr__rows_loops_base; }
#endif

bool cr__short_rows(cr__fold_plan *p) {
  if (p->nreduced != 1 || p->reduced_in[0] != 1 || p->reduced[0] < 2 || p->reduced[0] > CR__SHORT)
    return false;
  if (p->kept[p->nkept - 1] < CR__SHORT_ROWS) return false;
  p->columns = false;
  return true;
}

void cr__short_loop(cr__short *s, int fold) {
  const cr__rows_loops *rows = cr__rows_loops_here();
  bool square = fold == CR__FOLD_SUM && s->compute == CR__COMPUTE_F64 && s->map == CR__MAP_SQUARE;
  if (s->n * (int64_t)cr__size_of((cr_dtype)s->takes) < 16) return;
  if (square) s->map = CR__MAP_NONE, s->rows = rows->squares[CR__COMPUTE_F64];
  else if (s->fold == &s->loops->squares) s->rows = rows->squares[CR__COMPUTE_F32];
  else if (fold <= CR__FOLD_MIN && s->fold == &s->loops->narrow[CR_INT32][fold])
    s->rows = rows->narrow[fold];
  else if (fold <= CR__FOLD_MIN && s->fold == &s->loops->fold[s->compute][fold])
    s->rows = rows->fold[s->compute][fold];
}

/* Rows as elements of dtype `takes`: those in memory if they are, else a copy without gaps. */
static const char *fetch(char *copy, int takes, const char *x, int dtype, int64_t n, int64_t *step,
                         int64_t w) {
  int64_t size = (int64_t)cr__size_of((cr_dtype)dtype), to = (int64_t)cr__size_of((cr_dtype)takes);
  if (dtype == takes) return x;
  if (*step == n) cr__convert(copy, takes, x, dtype, n * w);
  for (int64_t r = 0; r < w && *step != n; r++)
    cr__convert(copy + r * n * to, takes, x + r * *step * size, dtype, n);
  *step = n;
  return copy;
}

void cr__short_columns(void *to, int takes, const char *x, int dtype, int64_t n, int64_t step,
                       int64_t w) {
  _Alignas(64) char copy[CR__SHORT_UNIT * 8];
  const char *rows = fetch(copy, takes, x, dtype, n, &step, w);
  cr__transpose(to, w, rows, step, cr__size_of((cr_dtype)takes), n, w);
}

/* Turned into columns: n rows of w elements. Elements are mapped there, where they lie without gaps. */
static void fold_columns(const cr__short *s, const char *x, int64_t w, void *state) {
  _Alignas(64) char turned[CR__SHORT_UNIT * 8];
  int64_t size = (int64_t)cr__size_of((cr_dtype)s->takes);
  cr__short_columns(turned, s->takes, x, s->dtype, s->n, s->step, w);
  if (s->map) s->loops->map[s->compute](turned, turned, s->n * w, s->map, s->power);
  for (int64_t r = 0, m; r < s->n; r += m) {
    m = s->n - r < s->most ? s->n - r : s->most;
    s->fold->columns(state, turned + r * w * size, m, w, w, r);
  }
}

void cr__fold_short(const cr__short *s, const char *x, int64_t w, void *state) {
  _Alignas(64) char copy[CR__SHORT_UNIT * 8];
  int64_t step = s->step;
  if (!s->rows || (s->map && step != s->n)) {
    fold_columns(s, x, w, state);
    return;
  }
  const char *rows = fetch(copy, s->takes, x, s->dtype, s->n, &step, w);
  if (s->map) {
    s->loops->map[s->compute](copy, rows, s->n * w, s->map, s->power);
    rows = copy;
  }
  s->rows(state, rows, s->n, step, w);
}
