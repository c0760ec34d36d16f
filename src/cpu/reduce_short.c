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

void cr__turn_rows(void *to, const void *from, size_t size, int64_t n, int64_t step, int64_t w) {
  cr__transpose(to, w, from, step, size, n, w);
}

/* Turned into columns: n rows of w elements. */
static void fold_columns(const cr__short *s, const char *x, int64_t step, int64_t w, void *state) {
  _Alignas(64) char turned[CR__SHORT_ROOM * 8];
  int64_t size = (int64_t)cr__size_of((cr_dtype)s->takes);
  cr__turn_rows(turned, x, (size_t)size, s->n, step, w);
  for (int64_t r = 0, m; r < s->n; r += m) {
    m = s->n - r < s->most ? s->n - r : s->most;
    s->fold->columns(state, turned + r * w * size, m, w, w, r);
  }
}

/* The rows as they are folded: those in memory if they are, else a copy without gaps. */
static const char *fetch(const cr__short *s, char *copy, const char *x, int64_t w, int64_t *step) {
  int64_t n = s->n, size = (int64_t)cr__size_of((cr_dtype)s->dtype);
  int64_t each = (int64_t)cr__size_of((cr_dtype)s->takes);
  if (s->dtype == s->takes && !s->map) return x;
  if (s->step == n && s->dtype != s->takes) cr__convert(copy, s->takes, x, s->dtype, n * w);
  for (int64_t r = 0; r < w && s->step != n; r++)
    cr__convert(copy + r * n * each, s->takes, x + r * s->step * size, s->dtype, n);
  bool copied = s->step != n || s->dtype != s->takes;
  if (s->map) s->loops->map[s->compute](copy, copied ? copy : x, n * w, s->map, s->power);
  *step = n;
  return copy;
}

void cr__fold_short(const cr__short *s, const char *x, int64_t w, void *state) {
  _Alignas(64) char copy[CR__SHORT_ROOM * 8];
  double part[2 * CR__TILE]; /* a state of fewer columns */
  int64_t size = (int64_t)cr__size_of((cr_dtype)s->dtype);
  int64_t most = CR__SHORT_ROOM / s->n / CR__SHORT_ROWS * CR__SHORT_ROWS;
  char *all = state;
  for (int64_t c = 0, m; c < w; c += m) {
    int64_t step = s->step;
    m = w - c < most ? w - c : most;
    const char *rows = fetch(s, copy, x + c * s->step * size, m, &step);
    if (s->rows) {
      s->rows(all + c * 8, rows, s->n, step, m);
      continue;
    }
    memcpy(part, all + c * 8, (size_t)m * 8);
    memcpy(part + m, all + (w + c) * 8, (size_t)m * 8);
    fold_columns(s, rows, step, m, part);
    memcpy(all + c * 8, part, (size_t)m * 8);
    memcpy(all + (w + c) * 8, part + m, (size_t)m * 8);
  }
}
