/* gemv.c: a matrix times a vector, in every floating dtype.
 *
 * Holds true: work is cut at borders that depend on sizes only; each element of the result is the
 * work of one thread, or is added up from parts in their order. Nothing is copied but 16-bit floats,
 * which become float32 on the way. */
#include <string.h>

#include "cpu/convert.h"
#include "cpu/gemm.h"

/* c[i] = d[i] + the sum over k of a[i, k] x[k]. Strides in elements. */
typedef struct job {
  const cr__gemv_loops *l;
  int dtype, sum; /* of the elements, and that sums are made in */
  int64_t size, sum_size, m, k;
  const char *a, *x, *d;
  char *c;
  int64_t row, step, xs, cs, ds;
} job;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static void put(const job *j, int64_t i, double x) {
  char *c = j->c + i * j->cs * j->size;
  if (j->sum == CR_FLOAT64) {
    *(double *)(void *)c = j->d ? ((const double *)(const void *)j->d)[i * j->ds] + x : x;
    return;
  }
  float sum = (float)x, added;
  if (j->d) {
    cr__convert(&added, CR_FLOAT32, j->d + i * j->ds * j->size, j->dtype, 1);
    sum += added;
  }
  cr__convert(c, j->dtype, &sum, CR_FLOAT32, 1);
}

/* ---- Rows that lie along k ------------------------------------------------------------------ */

/* A piece of row i times the same piece of x. */
static double dot(const job *j, int64_t i, int64_t from, int64_t n) {
  enum { CHUNK = 2048 };
  const char *a = j->a + (i * j->row + from * j->step) * j->size;
  const char *x = j->x + from * j->xs * j->sum_size;
  if (j->dtype == j->sum) return j->l->dot(n, a, j->step, x, j->xs);
  float wide[CHUNK];
  double total = 0;
  for (int64_t at = 0; at < n; at += CHUNK) {
    int64_t count = least(CHUNK, n - at);
    cr__read_run(wide, CR_FLOAT32, a + at * j->step * j->size, j->dtype, j->step, count);
    total += j->l->dot(count, wide, 1, x + at * j->xs * j->sum_size, j->xs);
  }
  return total;
}

/* Few long rows: threads share each. */
static void long_rows(const job *j) {
  enum { MOST = 1024, LEAST = 16384 };
  double sums[MOST];
  int64_t piece = (j->k + MOST - 1) / MOST;
  if (piece < LEAST) piece = LEAST;
  int64_t pieces = (j->k + piece - 1) / piece;
  for (int64_t i = 0; i < j->m; i++) {
#pragma omp parallel for num_threads(cr__cpu_threads(j->k / 8))
    for (int64_t p = 0; p < pieces; p++)
      sums[p] = dot(j, i, p * piece, least(piece, j->k - p * piece));
    double total = 0;
    for (int64_t p = 0; p < pieces; p++) total += sums[p];
    put(j, i, total);
  }
}

static void by_rows(const job *j) {
  enum { FEW = 8, LONG = 65536 };
  if (j->m < FEW && j->k >= LONG) {
    long_rows(j);
    return;
  }
  int threads = cr__cpu_threads(j->m * j->k / 8);
  if (threads == 1) {
    for (int64_t i = 0; i < j->m; i++) put(j, i, dot(j, i, 0, j->k));
    return;
  }
#pragma omp parallel for num_threads(threads)
  for (int64_t i = 0; i < j->m; i++) put(j, i, dot(j, i, 0, j->k));
}

/* ---- Rows side by side: whole columns are read and added up ------------------------------------ */

static void few_columns(const job *j, int64_t first, int64_t n, void *sums) {
  enum { AT_ONCE = 8 };
  const char *a = j->a + first * j->size;
  if (j->dtype == j->sum) {
    j->l->rows(j->k, n, a, j->step, j->x, j->xs, sums);
    return;
  }
  float wide[AT_ONCE * CR__GEMV_WIDTH], part[CR__GEMV_WIDTH], *total = sums;
  for (int64_t i = 0; i < n; i++) total[i] = 0;
  for (int64_t at = 0; at < j->k; at += AT_ONCE) {
    int64_t count = least(AT_ONCE, j->k - at);
    for (int64_t i = 0; i < count; i++)
      cr__convert(wide + i * n, CR_FLOAT32, a + (at + i) * j->step * j->size, j->dtype, n);
    j->l->rows(count, n, wide, n, j->x + at * j->xs * j->sum_size, j->xs, part);
    for (int64_t i = 0; i < n; i++) total[i] += part[i];
  }
}

static void by_columns(const job *j) {
  int64_t width = least(CR__GEMV_WIDTH, (j->m / 8 + 63) / 64 * 64 + 64);
  int64_t count = (j->m + width - 1) / width;
#pragma omp parallel for num_threads(cr__cpu_threads(j->m * j->k / 8))
  for (int64_t p = 0; p < count; p++) {
    double sums[CR__GEMV_WIDTH];
    int64_t first = p * width, n = least(width, j->m - first);
    few_columns(j, first, n, sums);
    for (int64_t i = 0; i < n; i++)
      put(j, first + i,
          j->sum == CR_FLOAT64 ? sums[i] : (double)((const float *)(const void *)sums)[i]);
  }
}

int cr__gemm_vector(const cr__gemm *g) {
  bool column = g->n == 1;
  job j = {.dtype = g->dtype, .k = g->k, .c = g->c, .d = g->d};
  j.sum = g->dtype == CR_FLOAT64 ? CR_FLOAT64 : CR_FLOAT32;
  j.l = j.sum == CR_FLOAT64 ? &cr__gemm_isa_here()->v64 : &cr__gemm_isa_here()->v32;
  j.size = (int64_t)cr__size_of((cr_dtype)j.dtype);
  j.sum_size = (int64_t)cr__size_of((cr_dtype)j.sum);
  if (column) {
    j.m = g->m, j.a = g->a, j.row = g->am, j.step = g->ak, j.x = g->b, j.xs = g->bk;
    j.cs = g->cm, j.ds = g->dm;
  } else {
    j.m = g->n, j.a = g->b, j.row = g->bn, j.step = g->bk, j.x = g->a, j.xs = g->ak;
    j.cs = g->cn, j.ds = g->dn;
  }
  /* x is read for every row: as float32 and without gaps. */
  char *x = NULL;
  size_t nbytes = (size_t)(j.k * j.sum_size);
  if (j.dtype != j.sum || j.xs != 1) {
    x = cr__host_alloc(nbytes);
    if (!x) return (int)cr_error_code();
    cr__read_run(x, j.sum, j.x, j.dtype, j.xs, j.k);
    j.x = x, j.xs = 1;
  }
  if (j.row == 1 && j.step != 1 && j.m > 1) by_columns(&j);
  else by_rows(&j);
  if (x) cr__host_free(x, nbytes);
  return 0;
}
