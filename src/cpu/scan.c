/* cpu/scan.c: running sums, products and extremes along a dim.
 *
 * Holds true: floats are accumulated in float64, integers in int64. The views are contiguous, seen
 * as outer x n x inner; a line is the n elements that share an outer and an inner position. */
#include <math.h>

#include "cpu/convert.h"
#include "cpu/reduce.h"

enum { LINE_BLOCK = 1024 };

typedef struct job {
  const cr__launch *k;
  int64_t outer, n, inner;
  int kind;
  bool reverse, whole;  /* whole: int64 instead of float64 */
  int64_t width, tiles; /* lines that are worked on side by side, and how many such groups */
} job;

static job job_of(const cr__launch *k) {
  job j = {.k = k, .outer = k->i[0], .n = k->i[1], .inner = k->i[2], .kind = (int)k->i[3]};
  j.reverse = k->i[4];
  j.width = j.inner < CR__TILE ? j.inner : CR__TILE;
  j.tiles = j.width ? (j.inner + j.width - 1) / j.width : 0;
  j.whole = cr__category((cr_dtype)k->v[0].dtype) != CR_FLOATING;
  return j;
}

static char *element(const job *j, int view, int64_t index) {
  const cr__view *v = &j->k->v[view];
  return v->data + index * (int64_t)cr__size_of((cr_dtype)v->dtype);
}

/* log(exp(a) + exp(b)). */
static double log_add(double a, double b) {
  double high = a > b ? a : b, low = a > b ? b : a;
  if (a != a || b != b) return a + b;
  if (isinf(high)) return high;
  return high + log1p(exp(low - high));
}

/* acc becomes the result after w more elements x, one to each line. */
static void step_f64(int kind, double *acc, const double *x, const double *factor, int64_t w) {
  switch (kind) {
  case CR__SCAN_SUM:
    for (int64_t c = 0; c < w; c++) acc[c] += x[c];
    break;
  case CR__SCAN_PROD:
    for (int64_t c = 0; c < w; c++) acc[c] *= x[c];
    break;
  case CR__SCAN_LOGSUMEXP:
    for (int64_t c = 0; c < w; c++) acc[c] = log_add(acc[c], x[c]);
    break;
  default:
    for (int64_t c = 0; c < w; c++) acc[c] = x[c] + factor[c] * acc[c];
    break;
  }
}

static void step_i64(int kind, int64_t *acc, const int64_t *x, int64_t w) {
  if (kind == CR__SCAN_SUM) {
    for (int64_t c = 0; c < w; c++) acc[c] += x[c];
  } else {
    for (int64_t c = 0; c < w; c++) acc[c] *= x[c];
  }
}

/* Lines side by side: a row of w elements at a time. */
static void scan_tile(const job *j, int64_t unit) {
  _Alignas(64) char x[CR__TILE * 8], acc[CR__TILE * 8];
  double factor[CR__TILE] = {0};
  int type = j->whole ? CR_INT64 : CR_FLOAT64;
  int64_t first = unit % j->tiles * j->width, base = unit / j->tiles * j->n * j->inner + first;
  int64_t w = j->inner - first < j->width ? j->inner - first : j->width;
  for (int64_t s = 0; s < j->n; s++) {
    int64_t r = j->reverse ? j->n - 1 - s : s, at = base + r * j->inner;
    cr__convert(s ? x : acc, type, element(j, 1, at), j->k->v[1].dtype, w);
    if (s && j->kind == CR__SCAN_RECURRENCE) {
      int64_t from = j->reverse ? at + j->inner : at;
      cr__convert(factor, CR_FLOAT64, element(j, 2, from), j->k->v[2].dtype, w);
    }
    if (s && j->whole) step_i64(j->kind, (int64_t *)acc, (int64_t *)x, w);
    else if (s) step_f64(j->kind, (double *)acc, (double *)x, factor, w);
    cr__convert(element(j, 0, at), j->k->v[0].dtype, acc, type, w);
  }
}

/* Running results of m elements in their own place; `acc` goes from block to block. */
static void run_f64(int kind, double *x, const double *factor, int64_t m, double acc) {
  switch (kind) {
  case CR__SCAN_SUM:
    for (int64_t i = 0; i < m; i++) x[i] = acc += x[i];
    break;
  case CR__SCAN_PROD:
    for (int64_t i = 0; i < m; i++) x[i] = acc *= x[i];
    break;
  case CR__SCAN_LOGSUMEXP:
    for (int64_t i = 0; i < m; i++) x[i] = acc = log_add(acc, x[i]);
    break;
  default:
    for (int64_t i = 0; i < m; i++) x[i] = acc = x[i] + factor[i] * acc;
    break;
  }
}

static void run_i64(int kind, int64_t *x, int64_t m, int64_t acc) {
  if (kind == CR__SCAN_SUM) {
    for (int64_t i = 0; i < m; i++) x[i] = acc += x[i];
  } else {
    for (int64_t i = 0; i < m; i++) x[i] = acc *= x[i];
  }
}

/* One line that lies together in memory: blocks of it, turned round where the scan is reversed. */
static void scan_line(const job *j, int64_t line) {
  _Alignas(64) char x[LINE_BLOCK * 8];
  double factor[LINE_BLOCK];
  int type = j->whole ? CR_INT64 : CR_FLOAT64;
  int64_t *whole = (int64_t *)x, base = line * j->n, go = j->reverse ? -1 : 1;
  double acc = j->kind == CR__SCAN_PROD ? 1 : j->kind == CR__SCAN_LOGSUMEXP ? -INFINITY : 0;
  int64_t whole_acc = j->kind == CR__SCAN_PROD;
  for (int64_t s = 0, m; s < j->n; s += m) {
    m = j->n - s < LINE_BLOCK ? j->n - s : LINE_BLOCK;
    int64_t at = base + (j->reverse ? j->n - 1 - s : s);
    cr__read_run(x, type, element(j, 1, at), j->k->v[1].dtype, go, m);
    if (j->kind == CR__SCAN_RECURRENCE) {
      /* The first element has no predecessor: its factor, perhaps outside the line, is not read. */
      int64_t skip = s == 0, from = j->reverse ? at + 1 : at;
      factor[0] = 0;
      cr__read_run(factor + skip, CR_FLOAT64, element(j, 2, from + skip * go), j->k->v[2].dtype, go,
                   m - skip);
    }
    if (j->whole) run_i64(j->kind, whole, m, whole_acc), whole_acc = whole[m - 1];
    else run_f64(j->kind, (double *)x, factor, m, acc), acc = ((double *)x)[m - 1];
    cr__write_run(element(j, 0, at), j->k->v[0].dtype, go, x, type, m);
  }
}

/* v[0] = the scan of v[1]; v[2], for CR__SCAN_RECURRENCE only: the factors, of the same shape.
 * i[0], i[1], i[2]: sizes outer, n, inner; i[3]: a cr__scan; i[4]: 1 to go from the last to the first.
 * All views are contiguous; a float result takes any kind, another one SUM and PROD. */
int cr__cpu_scan(cr__launch *k) {
  job j = job_of(k);
  if (j.n == 0) return 0;
  int64_t units = j.outer * j.tiles;
#pragma omp parallel for num_threads(cr__cpu_threads(j.outer *j.n *j.inner))
  for (int64_t u = 0; u < units; u++) {
    if (j.inner == 1) scan_line(&j, u);
    else scan_tile(&j, u);
  }
  return 0;
}

/* A later element wins unless it is worse; a NaN wins over all but a later NaN. */
static bool beats_f64(bool smallest, double x, double best) {
  if (x != x) return true;
  return smallest ? x <= best : x >= best;
}

static void extreme_line(const job *j, int64_t line) {
  int64_t base = line / j->inner * j->n * j->inner + line % j->inner, position = 0;
  int dtype = j->k->v[2].dtype, type = j->whole ? CR_INT64 : CR_FLOAT64;
  union {
    double f;
    int64_t i;
  } best, x;
  for (int64_t r = 0; r < j->n; r++) {
    int64_t at = base + r * j->inner;
    cr__convert(&x, type, element(j, 2, at), dtype, 1);
    bool better = r == 0;
    if (!better && j->whole) better = j->k->i[3] ? x.i <= best.i : x.i >= best.i;
    else if (!better) better = beats_f64(j->k->i[3], x.f, best.f);
    if (better) best = x, position = r + 1;
    cr__convert(element(j, 0, at), dtype, &best, type, 1);
    *(int64_t *)element(j, 1, at) = position;
  }
}

/* v[0] = the extreme of v[2] up to each element, v[1] = its int64 position. i[0], i[1], i[2]: sizes
 * outer, n, inner; i[3]: 1 for the smallest. All views are contiguous. */
int cr__cpu_cumulative(cr__launch *k) {
  job j = job_of(k);
  int64_t lines = j.outer * j.inner;
#pragma omp parallel for num_threads(cr__cpu_threads(lines *j.n * 4))
  for (int64_t line = 0; line < lines; line++) extreme_line(&j, line);
  return 0;
}
