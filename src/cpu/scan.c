/* scan.c: running sums, products and extremes along a dim.
 *
 * Holds true: floats are accumulated in float64, integers in int64. The views are contiguous, seen
 * as outer x n x inner; a line is the n elements that share an outer and an inner position. Few long
 * lines are cut into chunks of fixed length, so that no result depends on the number of threads. */
#include "scan.h"

#include <math.h>

#include "convert.h"
#include "reduce_short.h"

/* ROWS of a tile are scanned between two looks at the clock. */
enum { LINE_BLOCK = 1024, LINE_CHUNK = 1 << 16, FEW_LINES = 8, ROWS = 1 << 12 };

#ifdef __x86_64__
extern const cr__scan_loops cr__scan_loops_v2, cr__scan_loops_v3, cr__scan_loops_v4;
static const cr__scan_loops *loops_here(void) {
  static const cr__scan_loops *const by_level[] = {&cr__scan_loops_v2, &cr__scan_loops_v3,
                                                   &cr__scan_loops_v4};
  return by_level[cr__cpu_level()];
}
#else
extern const cr__scan_loops cr__scan_loops_base;
static const cr__scan_loops *loops_here(void) { return &cr__scan_loops_base; }
#endif

typedef struct job {
  const cr__launch *k;
  const cr__scan_loops *loops;
  int64_t outer, n, inner;
  int kind, compute;
  bool reverse;
  bool from_memory,
      to_memory;        /* elements of the computation type, in order: no copies are needed */
  int64_t width, tiles; /* lines that are worked on side by side, and how many such groups */
} job;

/* What has been accumulated along a line. */
typedef union carry {
  double f;
  int64_t i;
} carry;

static job job_of(const cr__launch *k, cr__line_sizes s, int kind, int compute) {
  job j = {.k = k, .outer = s.outer, .n = s.n, .inner = s.inner, .kind = kind};
  j.loops = loops_here();
  j.compute = compute;
  j.width = j.inner < CR__TILE ? j.inner : CR__TILE;
  j.tiles = j.width ? (j.inner + j.width - 1) / j.width : 0;
  return j;
}

/* Sums and products have loops for every type; the others go through float64. */
static bool is_simple(int kind) { return kind == CR__SCAN_SUM || kind == CR__SCAN_PROD; }

/* Before the first element, for kinds other than the recurrence. */
static carry start(const job *j) {
  carry none = {.i = j->kind == CR__SCAN_PROD};
  if (j->compute == CR__COMPUTE_I64) return none;
  none.f = j->kind == CR__SCAN_PROD ? 1 : j->kind == CR__SCAN_LOGSUMEXP ? -INFINITY : 0;
  return none;
}

/* ---- Lines side by side ---- */

/* Logarithms of sums, and recurrences. */
static void scan_tile_wide(const job *j, int64_t base, int64_t w) {
  double x[CR__TILE], acc[CR__TILE], factor[CR__TILE] = {0};
  for (int64_t s = 0; s < j->n && !cr__cpu_stopped(); s++) {
    int64_t r = j->reverse ? j->n - 1 - s : s, at = base + r * j->inner;
    cr__convert(s ? x : acc, CR_FLOAT64, cr__element(&j->k->scan.from, at), j->k->scan.from.dtype,
                w);
    if (s && j->kind == CR__SCAN_RECURRENCE) {
      int64_t from = j->reverse ? at + j->inner : at;
      cr__convert(factor, CR_FLOAT64, cr__element(&j->k->scan.factor, from),
                  j->k->scan.factor.dtype, w);
    }
    if (s && j->kind == CR__SCAN_LOGSUMEXP) j->loops->logs_row(acc, x, w);
    for (int64_t c = 0; c < w && s && j->kind == CR__SCAN_RECURRENCE; c++)
      acc[c] = x[c] + factor[c] * acc[c];
    cr__convert(cr__element(&j->k->scan.out, at), j->k->scan.out.dtype, acc, CR_FLOAT64, w);
  }
}

static void scan_tile(const job *j, int64_t unit) {
  _Alignas(64) char x[CR__TILE * 8];
  carry acc[CR__TILE];
  int64_t first = unit % j->tiles * j->width, base = unit / j->tiles * j->n * j->inner + first;
  int64_t w = j->inner - first < j->width ? j->inner - first : j->width;
  if (!is_simple(j->kind)) {
    scan_tile_wide(j, base, w);
    return;
  }
  int64_t last = base + (j->reverse ? (j->n - 1) * j->inner : 0);
  int64_t go = j->reverse ? -j->inner : j->inner;
  int type = cr__compute_dtype(j->compute);
  for (int64_t c = 0; c < w; c++) acc[c] = start(j);
  if (j->k->scan.out.dtype == type && j->k->scan.from.dtype == type) {
    for (int64_t s = 0; s < j->n && !cr__cpu_stopped(); s += ROWS)
      j->loops->rows[j->compute][j->kind](cr__element(&j->k->scan.out, last + s * go),
                                          cr__element(&j->k->scan.from, last + s * go),
                                          j->n - s < ROWS ? j->n - s : ROWS, go, w, acc);
    return;
  }
  for (int64_t s = 0; s < j->n && !cr__cpu_stopped(); s++) {
    int64_t at = last + s * go;
    cr__convert(x, type, cr__element(&j->k->scan.from, at), j->k->scan.from.dtype, w);
    j->loops->rows[j->compute][j->kind](x, x, 1, 0, w, acc);
    cr__convert(cr__element(&j->k->scan.out, at), j->k->scan.out.dtype, x, type, w);
  }
}

/* ---- A line that lies together in memory ---- */

/* m elements x in place, the first of which is number s of the line and stands at `at`. */
static void recur(const job *j, double *x, int64_t s, int64_t at, int64_t m, double *acc) {
  double factor[LINE_BLOCK], y = *acc;
  /* The first element has no predecessor: its factor, perhaps outside the line, is not read. */
  int64_t skip = s == 0, from = j->reverse ? at + 1 : at, go = j->reverse ? -1 : 1;
  factor[0] = 0;
  cr__read_run(factor + skip, CR_FLOAT64, cr__element(&j->k->scan.factor, from + skip * go),
               j->k->scan.factor.dtype, go, m - skip);
  for (int64_t i = 0; i < m; i++) x[i] = y = x[i] + factor[i] * y;
  *acc = y;
}

/* Elements begin .. end of a line, in the order of the scan: blocks of them, turned round where the
 * scan is reversed. */
static void scan_line(const job *j, int64_t line, int64_t begin, int64_t end, carry *acc) {
  _Alignas(64) char x[LINE_BLOCK * 8];
  int type = cr__compute_dtype(j->compute);
  int64_t base = line * j->n, go = j->reverse ? -1 : 1;
  for (int64_t s = begin, m; s < end && !cr__cpu_stopped(); s += m) {
    m = end - s < LINE_BLOCK ? end - s : LINE_BLOCK;
    int64_t at = base + (j->reverse ? j->n - 1 - s : s);
    const void *from = cr__element(&j->k->scan.from, at);
    void *to = j->to_memory ? (void *)cr__element(&j->k->scan.out, at) : x;
    if (!j->from_memory) {
      cr__read_run(x, type, from, j->k->scan.from.dtype, go, m);
      from = x;
    }
    if (is_simple(j->kind)) j->loops->line[j->compute][j->kind](to, from, m, acc);
    else if (j->kind == CR__SCAN_RECURRENCE) recur(j, (double *)x, s, at, m, &acc->f);
    else acc->f = j->loops->logs((double *)x, m, acc->f);
    if (to == x)
      cr__write_run(cr__element(&j->k->scan.out, at), j->k->scan.out.dtype, go, x, type, m);
  }
}

/* The sum of a chunk of a line, as the scan meets it. */
static carry sum_chunk(const job *j, int64_t line, int64_t begin, int64_t end) {
  _Alignas(64) char buffer[LINE_BLOCK * 8];
  const cr__folder *fold = &cr__reduce_loops_here()->fold[j->compute][CR__FOLD_SUM];
  int type = cr__compute_dtype(j->compute);
  carry sum = start(j);
  for (int64_t s = begin, m; s < end; s += m) {
    m = end - s < LINE_BLOCK ? end - s : LINE_BLOCK;
    const void *x = cr__element(&j->k->scan.from, line * j->n + (j->reverse ? j->n - s - m : s));
    if (j->k->scan.from.dtype != type) {
      cr__convert(buffer, type, x, j->k->scan.from.dtype, m);
      x = buffer;
    }
    fold->row(&sum, x, m, 0);
  }
  return sum;
}

/* Long lines in chunks, counted over all lines. */
typedef struct chunked {
  const job *j;
  int64_t chunks; /* of a line */
  carry *acc;     /* the sum of each chunk, and then of what stands before it */
} chunked;

static void sum_chunks(void *job, int64_t first, int64_t last) {
  const chunked *w = job;
  for (int64_t c = first; c < last; c++) {
    int64_t begin = c % w->chunks * LINE_CHUNK, end = begin + LINE_CHUNK;
    w->acc[c] = sum_chunk(w->j, c / w->chunks, begin, end < w->j->n ? end : w->j->n);
  }
}

static void scan_some(void *job, int64_t first, int64_t last) {
  const chunked *w = job;
  for (int64_t c = first; c < last; c++) {
    int64_t begin = c % w->chunks * LINE_CHUNK, end = begin + LINE_CHUNK;
    scan_line(w->j, c / w->chunks, begin, end < w->j->n ? end : w->j->n, &w->acc[c]);
  }
}

/* Sums along few long lines: first those of the chunks, then the scans of all chunks at once. */
static int scan_chunks(const job *j) {
  int64_t chunks = (j->n + LINE_CHUNK - 1) / LINE_CHUNK, all = j->outer * chunks;
  size_t nbytes = (size_t)all * sizeof(carry);
  carry *acc = cr__host_alloc(nbytes);
  if (!acc) return CR_E_MEMORY;
  chunked w = {j, chunks, acc};
  int code = cr__cpu_share(all, j->outer * j->n, sum_chunks, &w);
  for (int64_t line = 0; line < j->outer && !code; line++) {
    carry before = start(j);
    for (int64_t c = line * chunks; c < (line + 1) * chunks; c++) {
      carry part = acc[c];
      acc[c] = before;
      if (j->compute == CR__COMPUTE_I64) before.i += part.i;
      else before.f += part.f;
    }
  }
  if (!code) code = cr__cpu_share(all, j->outer * j->n, scan_some, &w);
  cr__host_free(acc, nbytes);
  return code;
}

static int compute_of(const cr__launch *k) {
  if (!cr__is_float((cr_dtype)k->scan.out.dtype)) return CR__COMPUTE_I64;
  bool wide = k->scan.out.dtype == CR_FLOAT64 || k->scan.from.dtype == CR_FLOAT64;
  return wide || !is_simple((int)k->scan.kind) ? CR__COMPUTE_F64 : CR__COMPUTE_F32;
}

/* CR__LINES of them, of products that nothing is converted for. */
static void multiply_lines(const job *j, int64_t line) {
  double acc[CR__LINES] = {1, 1, 1, 1};
  for (int64_t s = 0; s < j->n && !cr__cpu_stopped(); s += CR__STRETCH) {
    int64_t at = line * j->n + s, m = j->n - s < CR__STRETCH ? j->n - s : CR__STRETCH;
    j->loops->prod_f64_lines((double *)(void *)cr__element(&j->k->scan.out, at),
                             (const double *)(const void *)cr__element(&j->k->scan.from, at), m,
                             j->n, acc);
  }
}

static void scan_units(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  bool products = j->inner == 1 && j->compute == CR__COMPUTE_F64 && j->kind == CR__SCAN_PROD &&
                  j->from_memory && j->to_memory;
  int64_t u = begin;
  for (; products && u + CR__LINES <= end; u += CR__LINES) multiply_lines(j, u);
  for (; u < end; u++) {
    carry acc = start(j);
    if (j->inner == 1) scan_line(j, u, 0, j->n, &acc);
    else scan_tile(j, u);
  }
}

/* Lines of few elements, in units of `width`. */
static int share_short(job *j, void (*task)(void *, int64_t, int64_t), int64_t work) {
  j->width = cr__short_width(j->n, cr__compute_size(j->compute));
  j->tiles = (j->outer + j->width - 1) / j->width;
  return cr__cpu_share(j->tiles, work, task, j);
}

/* The lines of unit u. */
static int64_t unit_lines(const job *j, int64_t u) {
  return j->outer - u * j->width < j->width ? j->outer - u * j->width : j->width;
}

static void scan_short_units(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  cr__scan_short s = {.loops = j->loops,
                      .from = &j->k->scan.from,
                      .out = &j->k->scan.out,
                      .n = j->n,
                      .kind = j->kind,
                      .compute = j->compute,
                      .reverse = j->reverse};
  for (int64_t u = begin; u < end; u++) cr__scan_lines(&s, u * j->width, unit_lines(j, u));
}

/* `out` = the scan of `from`; `factor`, for CR__SCAN_RECURRENCE only, has the same shape. kind: a cr__scan;
 * reverse: from the last to the first. All views are contiguous; a float result takes any kind, another one
 * SUM and PROD. */
int cr__cpu_scan(cr__launch *k) {
  job j = job_of(k, k->scan.lines, (int)k->scan.kind, compute_of(k));
  if (j.n == 0) return 0;
  int type = cr__compute_dtype(j.compute);
  j.reverse = k->scan.reverse;
  j.from_memory = is_simple(j.kind) && !j.reverse && k->scan.from.dtype == type;
  j.to_memory = is_simple(j.kind) && !j.reverse && k->scan.out.dtype == type;
  if (j.inner == 1 && j.outer < FEW_LINES && j.n > 2 * LINE_CHUNK && j.kind == CR__SCAN_SUM)
    return scan_chunks(&j);
  if (j.inner == 1 && j.kind != CR__SCAN_RECURRENCE &&
      cr__scans_short(j.outer, j.n, j.compute, j.kind))
    return share_short(&j, scan_short_units, j.outer * j.n);
  return cr__cpu_share(j.outer * j.tiles, j.outer * j.n * j.inner, scan_units, &j);
}

/* ---- Extremes ---- */

/* A line, or a tile of them, with a copy of the elements where they are of another type. The best
 * element so far begins as the first one, which ties with itself. */
static void extreme_unit(const job *j, int64_t unit) {
  _Alignas(64) char x[LINE_BLOCK * 8], best[CR__TILE * 8];
  int64_t place[CR__TILE] = {0};
  int dtype = j->k->cumulative.from.dtype, type = cr__compute_dtype(j->compute);
  bool line = j->inner == 1, direct = dtype == type, smallest = j->kind;
  int64_t first = unit % j->tiles * j->width, base = unit / j->tiles * j->n * j->inner + first;
  int64_t w = j->inner - first < j->width ? j->inner - first : j->width;
  cr__convert(best, type, cr__element(&j->k->cumulative.from, base), dtype, w);
  for (int64_t s = 0, m; s < j->n && !cr__cpu_stopped(); s += m) {
    m = !line ? 1 : j->n - s < LINE_BLOCK ? j->n - s : LINE_BLOCK;
    int64_t at = base + s * j->inner, run = line ? m : w;
    int64_t *places = (int64_t *)cr__element(&j->k->cumulative.indices, at);
    const void *from = cr__element(&j->k->cumulative.from, at);
    void *to = direct ? (void *)cr__element(&j->k->cumulative.values, at) : x;
    if (!direct) {
      cr__convert(x, type, from, dtype, run);
      from = x;
    }
    (line ? j->loops->best_line : j->loops->best_row)[j->compute][smallest](to, places, from, run,
                                                                            s + 1, best, place);
    if (!direct) cr__convert(cr__element(&j->k->cumulative.values, at), dtype, x, type, run);
  }
}

static void extreme_short_units(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  cr__scan_short s = {.loops = j->loops,
                      .from = &j->k->cumulative.from,
                      .out = &j->k->cumulative.values,
                      .places = &j->k->cumulative.indices,
                      .n = j->n,
                      .kind = j->kind,
                      .compute = j->compute};
  for (int64_t u = begin; u < end; u++) cr__cumulate_lines(&s, u * j->width, unit_lines(j, u));
}

static void extreme_units(void *context, int64_t begin, int64_t end) {
  for (int64_t u = begin; u < end; u++) extreme_unit(context, u);
}

/* `values` = the extreme of `from` up to each element, `indices` its int64 position. All views are
 * contiguous. */
int cr__cpu_cumulative(cr__launch *k) {
  job j = job_of(k, k->cumulative.lines, k->cumulative.smallest,
                 cr__compute_of(k->cumulative.from.dtype));
  if (j.n == 0) return 0;
  if (j.inner == 1 && cr__cumulates_short(j.outer, j.n, k->cumulative.from.dtype))
    return share_short(&j, extreme_short_units, j.outer * j.n * 4);
  return cr__cpu_share(j.outer * j.tiles, j.outer * j.inner * j.n * 4, extreme_units, &j);
}
