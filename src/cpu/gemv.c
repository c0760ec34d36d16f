/* gemv.c: a matrix times a vector, in every dtype but bool.
 *
 * Holds true: work is cut at borders that depend on sizes only; each element of the result is the
 * work of one thread, or is added up from parts in their order. Nothing is copied but 16-bit floats,
 * which become float32 on the way, and narrow integers, which become int32. */
#include <string.h>

#include "convert.h"
#include "gemm.h"

/* c[i] = d[i] + the sum over k of a[i, k] x[k]. Strides in elements. */
typedef struct job {
  const cr__gemv_loops *l;
  int dtype, sum; /* of the elements, and that sums are made in */
  int x_dtype;    /* one of the two */
  int64_t size, sum_size, m, k;
  const char *a, *x, *d;
  char *c;
  int64_t row, step, xs, cs, ds;
  int64_t width; /* columns that are added up together */
} job;

typedef union number {
  double f64;
  float f32;
  uint64_t i64;
  uint32_t i32;
} number;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static void add(int dtype, number *sum, const number *x) {
  switch (dtype) {
  case CR_FLOAT64: sum->f64 += x->f64; break;
  case CR_FLOAT32: sum->f32 += x->f32; break;
  case CR_INT64: sum->i64 += x->i64; break;
  default: sum->i32 += x->i32; break;
  }
}

/* Copies one number between dtypes; most often they are one. */
static void copy(void *to, int to_dtype, const void *from, int from_dtype) {
  if (to_dtype != from_dtype) cr__convert(to, to_dtype, from, from_dtype, 1);
  else if (to_dtype == CR_FLOAT32 || to_dtype == CR_INT32) memcpy(to, from, 4);
  else memcpy(to, from, 8); /* sums are made in no others */
}

/* Brings a sum to c. */
static inline void put(const job *j, int64_t i, number sum) {
  if (j->d) {
    number added;
    copy(&added, j->sum, j->d + i * j->ds * j->size, j->dtype);
    add(j->sum, &sum, &added);
  }
  copy(j->c + i * j->cs * j->size, j->dtype, &sum, j->sum);
}

static inline void put_total(const job *j, int64_t i, cr__gemv_total total) {
  number sum;
  switch (j->sum) {
  case CR_FLOAT64: sum.f64 = total.f; break;
  case CR_FLOAT32: sum.f32 = (float)total.f; break;
  case CR_INT64: sum.i64 = total.i; break;
  default: sum.i32 = (uint32_t)total.i; break;
  }
  put(j, i, sum);
}

/* ---- Rows that lie along k ------------------------------------------------------------------ */

/* Adds a piece of row i times the same piece of x to the total. */
static void dot(const job *j, int64_t i, int64_t from, int64_t n, cr__gemv_total *total) {
  enum { CHUNK = 2048 };
  const char *a = j->a + (i * j->row + from * j->step) * j->size;
  int64_t x_size = (int64_t)cr__size_of((cr_dtype)j->x_dtype);
  const char *x = j->x + from * j->xs * x_size;
  if (j->dtype == j->sum) {
    j->l->dot(n, a, j->step, x, j->xs, total);
    return;
  }
  _Alignas(64) char wide[CHUNK * 4], wide_x[CHUNK * 4];
  for (int64_t at = 0; at < n; at += CHUNK) {
    int64_t count = least(CHUNK, n - at);
    const char *part = x + at * j->xs * x_size;
    cr__read_run(wide, j->sum, a + at * j->step * j->size, j->dtype, j->step, count);
    if (j->x_dtype != j->sum) cr__read_run(wide_x, j->sum, part, j->x_dtype, j->xs, count);
    if (j->x_dtype != j->sum) j->l->dot(count, wide, 1, wide_x, 1, total);
    else j->l->dot(count, wide, 1, part, j->xs, total);
  }
}

/* What is added up between two looks at the clock: whole blocks of the loops. */
enum { STRETCH = 1 << 20 };

static inline void whole_row(const job *j, int64_t i) {
  cr__gemv_total total = {0};
  dot(j, i, 0, least(STRETCH, j->k), &total);
  for (int64_t at = STRETCH; at < j->k && !cr__cpu_stopped(); at += STRETCH)
    dot(j, i, at, least(STRETCH, j->k - at), &total);
  put_total(j, i, total);
}

/* A row in pieces. */
typedef struct long_row {
  const job *j;
  int64_t i, piece;
  cr__gemv_total *sums; /* of the pieces */
} long_row;

static void dot_pieces(void *row, int64_t begin, int64_t end) {
  const long_row *r = row;
  for (int64_t p = begin; p < end; p++)
    dot(r->j, r->i, p * r->piece, least(r->piece, r->j->k - p * r->piece), &r->sums[p]);
}

/* Few long rows: threads share each. */
static int long_rows(const job *j) {
  enum { MOST = 1024, LEAST = 16384 };
  bool floats = cr__is_float((cr_dtype)j->sum);
  int64_t piece = (j->k + MOST - 1) / MOST;
  if (piece < LEAST) piece = LEAST;
  int64_t pieces = (j->k + piece - 1) / piece;
  for (int64_t i = 0; i < j->m; i++) {
    cr__gemv_total sums[MOST] = {0}, total = {0};
    int code = cr__cpu_share(pieces, j->k / 8, dot_pieces, &(long_row){j, i, piece, sums});
    if (code) return code;
    for (int64_t p = 0; p < pieces && floats; p++) total.f += sums[p].f;
    for (int64_t p = 0; p < pieces && !floats; p++) total.i += sums[p].i;
    put_total(j, i, total);
  }
  return 0;
}

static void whole_rows(void *job_, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i++) whole_row(job_, i);
}

static int by_rows(job *j) {
  enum { FEW = 8, LONG = 65536 };
  if (j->m < FEW && j->k >= LONG) return long_rows(j);
  return cr__cpu_share(j->m, j->m * j->k / 8, whole_rows, j);
}

/* ---- Rows side by side: whole columns are read and added up ------------------------------------ */

/* Adds to n sums that are 0. */
static void few_columns(const job *j, int64_t first, int64_t n, void *sums) {
  enum { AT_ONCE = 8, ROWS = 1 << 12 };
  const char *a = j->a + first * j->size;
  if (j->dtype == j->sum) {
    for (int64_t at = 0; at < j->k && !cr__cpu_stopped(); at += ROWS)
      j->l->rows(least(ROWS, j->k - at), n, a + at * j->step * j->size, j->step,
                 j->x + at * j->xs * j->size, j->xs, sums);
    return;
  }
  _Alignas(64) char wide[AT_ONCE * CR__GEMV_WIDTH * 4];
  for (int64_t at = 0; at < j->k && !cr__cpu_stopped(); at += AT_ONCE) {
    int64_t count = least(AT_ONCE, j->k - at);
    for (int64_t i = 0; i < count; i++)
      cr__convert(wide + i * n * 4, j->sum, a + (at + i) * j->step * j->size, j->dtype, n);
    j->l->rows(count, n, wide, n, j->x + at * j->xs * j->sum_size, j->xs, sums);
  }
}

static void put_columns(const job *j, int64_t first, int64_t n) {
  _Alignas(64) char sums[CR__GEMV_WIDTH * CR__MAX_ELEMENT];
  memset(sums, 0, (size_t)(n * j->sum_size));
  few_columns(j, first, n, sums);
  for (int64_t i = 0; i < n; i++) {
    number sum;
    copy(&sum, j->sum, sums + i * j->sum_size, j->sum);
    put(j, first + i, sum);
  }
}

static void put_panels(void *job_, int64_t begin, int64_t end) {
  const job *j = job_;
  for (int64_t p = begin; p < end; p++)
    put_columns(j, p * j->width, least(j->width, j->m - p * j->width));
}

static int by_columns(job *j) {
  j->width = least(CR__GEMV_WIDTH, (j->m / 2 + 63) / 64 * 64 + 64);
  return cr__cpu_share((j->m + j->width - 1) / j->width, j->m * j->k / 8, put_panels, j);
}

static const cr__gemv_loops *loops_for(int dtype) {
  const cr__gemm_isa *isa = cr__gemm_isa_here();
  if (dtype == CR_FLOAT64) return &isa->vf64;
  if (dtype == CR_INT64) return &isa->vi64;
  return cr__is_float((cr_dtype)dtype) ? &isa->vf32 : &isa->vi32;
}

int cr__gemm_vector(const cr__gemm *g) {
  bool column = g->n == 1;
  job j = {.dtype = g->dtype, .k = g->k, .c = g->c, .d = g->d};
  j.l = loops_for(j.dtype);
  j.sum = j.l->dtype;
  j.size = (int64_t)cr__size_of((cr_dtype)j.dtype);
  j.sum_size = (int64_t)cr__size_of((cr_dtype)j.sum);
  if (column) {
    j.m = g->m, j.a = g->a, j.row = g->am, j.step = g->ak, j.x = g->b, j.xs = g->bk;
    j.cs = g->cm, j.ds = g->dm;
  } else {
    j.m = g->n, j.a = g->b, j.row = g->bn, j.step = g->bk, j.x = g->a, j.xs = g->ak;
    j.cs = g->cn, j.ds = g->dn;
  }
  /* What is read for many rows is read in the dtype of the sums and without gaps. */
  char *x = NULL;
  size_t nbytes = (size_t)(j.k * j.sum_size);
  j.x_dtype = j.dtype;
  if (j.m > 1 && (j.dtype != j.sum || j.xs != 1)) {
    x = cr__host_alloc(nbytes);
    if (!x) return (int)cr_error_code();
    cr__read_run(x, j.sum, j.x, j.dtype, j.xs, j.k);
    j.x = x, j.xs = 1, j.x_dtype = j.sum;
  }
  int code = j.row == 1 && j.step != 1 && j.m > 1 ? by_columns(&j) : by_rows(&j);
  if (x) cr__host_free(x, nbytes);
  return code;
}
