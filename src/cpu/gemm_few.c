/* gemm_few.c: few rows times many lines that lie along k: a layer of a network at work, of which the weights
 * are read once and nothing is copied.
 *
 * Holds true: each element of c is one sum over blocks of K, which depend on its length alone, whoever
 * computes it with whatever neighbours. 16-bit floats are summed in float32, some lines at a time. */
#include <stdatomic.h>
#include <string.h>

#include "convert.h"
#include "gemm.h"

/* ROWS: above, copying pays. LONG: from here on, vectors are summed in float64 (gemv.c). */
enum { ROWS = 16, LONG = 1024, BLOCK_BYTES = 4096, NEAR_BYTES = 16384, LINES = 64 };

typedef struct job {
  cr__gemm g;
  const cr__gemm_loops *l;
  int64_t size, sum_size, kb;
  int64_t lines;    /* of b that stay in the first cache while the rows of a pass by */
  int64_t units;    /* of so many lines that there are in one product */
  int64_t steps[4]; /* from a product to the next */
  int64_t a_step;   /* bytes from row to row of a, as it is read */
  int64_t a_each;   /* bytes from one product's rows to the next's */
  bool copied, staged;
  char *rows; /* copies of a; or NULL */
} job;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Whether b, the lines of which are many, is read as it lies: their step along k is `step`, from line to line
 * `line`. Sums along k pay where they are long for what it takes to end one, and the rows, with the step
 * `row_step`, are little to copy. */
static bool fits(int64_t few, int64_t many, int64_t k, int64_t step, int64_t line,
                 int64_t row_step) {
  enum { LEAST = 4, PAIR = 2, WORTH = 8 };
  if (few > ROWS || many < few || many < LEAST || step != 1 || line == 1) return false;
  if (few == 1) return k <= LONG;
  return (few <= PAIR || k >= WORTH * few) && (row_step == 1 || many >= WORTH * few);
}

static bool has_few_rows(const cr__gemm *g) { return fits(g->m, g->n, g->k, g->bk, g->bn, g->ak); }

bool cr__gemm_is_few(const cr__gemm *g) {
  return has_few_rows(g) || fits(g->n, g->m, g->k, g->ak, g->am, g->bk);
}

static void plan(job *j, const cr__gemm *g, const int64_t step[4]) {
  bool exchanged = !has_few_rows(g);
  *j = (job){.g = *g, .l = cr__gemm_loops_for(g->dtype)};
  if (exchanged) cr__gemm_exchange(&j->g);
  g = &j->g;
  j->size = (int64_t)cr__size_of((cr_dtype)g->dtype);
  j->sum_size = (int64_t)cr__size_of((cr_dtype)j->l->dtype);
  int64_t most = BLOCK_BYTES / j->sum_size, blocks = (g->k + most - 1) / most;
  j->kb = ((g->k + blocks - 1) / blocks + 15) / 16 * 16; /* whole vectors */
  j->lines = NEAR_BYTES / (j->kb * j->sum_size) / 8 * 8;
  if (j->lines < 8) j->lines = g->m > 2 ? 4 : 8;
  j->lines = least(j->lines, LINES);
  j->units = (g->n + j->lines - 1) / j->lines;
  for (int i = 0; i < 4; i++) j->steps[i] = step[i];
  if (exchanged) j->steps[1] = step[2], j->steps[2] = step[1];
  bool converts = g->dtype != j->l->dtype;
  j->copied = converts || (g->ak != 1 && g->k > 1);
  j->a_step = j->copied ? g->k * j->sum_size : g->am * j->size;
  j->a_each = j->copied ? g->m * j->a_step : j->steps[1];
  j->staged = converts || g->cn != 1 || (g->d && g->dn != 1);
}

/* One unit: the sums of all rows with some lines of b. */
typedef struct unit {
  const job *j;
  int64_t i, column, cols; /* the product, and the place in it */
  const char *a;
  char *c;
  const char *d;
} unit;

static void sum_block(const unit *u, int64_t p0, int64_t k, cr__gemm_few *t) {
  const job *j = u->j;
  const cr__gemm *g = &j->g;
  _Alignas(64) char wide[2 * NEAR_BYTES];
  t->k = k;
  t->b = g->b + u->i * j->steps[2] + (u->column * g->bn + p0) * j->size;
  t->bn = g->bn * j->size;
  if (g->dtype != j->l->dtype) {
    for (int64_t line = 0; line < u->cols; line++)
      cr__convert(wide + line * j->kb * j->sum_size, j->l->dtype, t->b + line * t->bn, g->dtype, k);
    t->b = wide, t->bn = j->kb * j->sum_size;
  }
  int64_t groups = (g->m + j->l->most_rows - 1) / j->l->most_rows;
  char *c = t->c;
  const char *d = t->d;
  for (int64_t i = 0; i < groups; i++) {
    int64_t row = i * g->m / groups;
    t->rows = (i + 1) * g->m / groups - row;
    t->a = u->a + row * j->a_step + p0 * j->sum_size;
    t->c = c + row * t->cr;
    t->d = d ? d + row * t->dr : NULL;
    j->l->few(t);
  }
  t->c = c, t->d = d;
}

/* Brings sums that were made apart to c. */
static void unstage(const unit *u, char *sums, int64_t row_bytes) {
  const job *j = u->j;
  const cr__gemm *g = &j->g;
  for (int64_t r = 0; r < g->m; r++)
    cr__write_run(u->c + r * g->cm * j->size, g->dtype, g->cn, sums + r * row_bytes, j->l->dtype,
                  u->cols);
}

static void read_added(const unit *u, char *sums, int64_t row_bytes) {
  const job *j = u->j;
  const cr__gemm *g = &j->g;
  for (int64_t r = 0; r < g->m; r++)
    cr__read_run(sums + r * row_bytes, j->l->dtype, u->d + r * g->dm * j->size, g->dtype, g->dn,
                 u->cols);
}

static void run_unit(const unit *u) {
  const job *j = u->j;
  const cr__gemm *g = &j->g;
  _Alignas(64) char sums[ROWS * LINES * 8];
  int64_t row_bytes = LINES * j->sum_size;
  cr__gemm_few t = {.cols = u->cols, .ar = j->a_step};
  t.c = j->staged ? sums : u->c, t.cr = j->staged ? row_bytes : g->cm * j->size;
  t.d = u->d, t.dr = g->dm * j->size;
  if (j->staged && u->d) {
    read_added(u, sums, row_bytes);
    t.d = sums, t.dr = row_bytes;
  }
  for (int64_t p0 = 0; p0 < g->k; p0 += j->kb) {
    sum_block(u, p0, least(j->kb, g->k - p0), &t);
    t.d = t.c, t.dr = t.cr;
  }
  if (j->staged) unstage(u, sums, row_bytes);
}

static void run_units(void *job_, int64_t begin, int64_t end) {
  const job *j = job_;
  const cr__gemm *g = &j->g;
  for (int64_t at = begin; at < end && !cr__cpu_stopped(); at++) {
    unit u = {.j = j, .i = at / j->units, .column = at % j->units * j->lines};
    u.cols = least(j->lines, g->n - u.column);
    u.a = (j->copied ? j->rows : g->a) + u.i * j->a_each;
    u.c = g->c + u.i * j->steps[0] + u.column * g->cn * j->size;
    if (g->d) u.d = g->d + u.i * j->steps[3] + u.column * g->dn * j->size;
    run_unit(&u);
  }
}

/* Copies the rows of each product, without gaps and in the dtype of the sums. */
static void copy_rows(void *job_, int64_t begin, int64_t end) {
  const job *j = job_;
  const cr__gemm *g = &j->g;
  for (int64_t i = begin; i < end; i++) {
    for (int64_t r = 0; r < g->m && !cr__cpu_stopped(); r++)
      cr__read_run(j->rows + i * j->a_each + r * j->a_step, j->l->dtype,
                   g->a + i * j->steps[1] + r * g->am * j->size, g->dtype, g->ak, g->k);
  }
}

int cr__gemm_few_rows(const cr__gemm *g, int64_t n, const int64_t step[4]) {
  job j;
  plan(&j, g, step);
  size_t bytes = j.copied ? (size_t)(n * j.a_each) : 0;
  int64_t each = g->m * g->n * g->k / 16 + 8, all, copies;
  if (__builtin_mul_overflow(each, n, &all)) all = INT64_MAX;
  if (__builtin_mul_overflow(j.g.m * j.g.k / 2, n, &copies)) copies = INT64_MAX;
  if (bytes && !(j.rows = cr__host_alloc(bytes))) return (int)cr_error_code();
  int code = bytes ? cr__cpu_share(n, copies, copy_rows, &j) : 0;
  if (!code) code = cr__cpu_share(n * j.units, all, run_units, &j);
  if (bytes) cr__host_free(j.rows, bytes);
  return code;
}
