/* argmax.c: the largest or smallest element along a dim, with its position.
 *
 * Holds true: the first of equal elements is chosen, and the first NaN before all others. */
#include <string.h>

#include "convert.h"
#include "reduce_short.h"

typedef struct job {
  const cr__launch *k;
  const cr__view *in;
  char *values; /* NULL where only positions are wanted */
  int64_t *indices;
  cr__fold_plan plan;
  const cr__reduce_loops *loops;
  int compute;
  bool smallest, is_short; /* rows of few elements, side by side */
  int64_t tiles, width;    /* along the innermost kept dim, and results of each */
} job;

static void begin(job *j, const cr__launch *k) {
  *j = (job){.k = k,
             .in = &k->argmax.from,
             .loops = cr__reduce_loops_here(),
             .smallest = k->argmax.smallest};
  j->values = k->argmax.values.data ? k->argmax.values.data : NULL;
  j->indices = (int64_t *)k->argmax.indices.data;
  j->compute = cr__compute_of(j->in->dtype);
  cr__plan_reduction(&j->plan, &k->argmax.indices, j->in, (uint32_t)1 << k->argmax.dim);
}

/* Stores w results at an offset of `at` elements. */
static void store(const job *j, int64_t at, int64_t step, const void *best, const int64_t *indices,
                  int64_t w) {
  size_t size = cr__size_of((cr_dtype)j->in->dtype);
  if (j->values) {
    cr__write_run(j->values + at * (int64_t)size, j->in->dtype, step, best,
                  cr__compute_dtype(j->compute), w);
  }
  for (int64_t c = 0; c < w; c++) j->indices[at + c * step] = indices[c] + 1;
}

/* The position of the first element in x that is `value` (a NaN for NaN). */
#define FIND(name, T)                        \
  static int64_t name(const T *x, T value) { \
    int64_t i = 0;                           \
    if (value != value) {                    \
      while (x[i] == x[i]) i++;              \
    } else {                                 \
      while (x[i] != value) i++;             \
    }                                        \
    return i;                                \
  }
FIND(find_f32, float)
FIND(find_f64, double)
FIND(find_i64, int64_t)

static int64_t find(int compute, const void *x, const void *state) {
  if (compute == CR__COMPUTE_I64) return find_i64(x, *(const int64_t *)state);
  double value = *(const double *)state;
  return compute == CR__COMPUTE_F32 ? find_f32(x, (float)value) : find_f64(x, value);
}

/* The best element of a part of a row, and its position in the row. */
typedef struct best_of {
  union {
    double f;
    int64_t i;
  } state;
  int64_t position;
} best_of;

static const char *row_begin(const job *j, int64_t row) {
  const cr__fold_plan *p = &j->plan;
  int64_t size = (int64_t)cr__size_of((cr_dtype)j->in->dtype);
  return j->in->data + cr__offset_at(p->nkept, p->kept, p->kept_in, row) * size;
}

/* n elements of a row from the r-th on: where they lie, or in the buffer. */
static const void *fetch(const job *j, const char *from, int64_t r, int64_t n, char *buffer) {
  int wanted = cr__compute_dtype(j->compute);
  int64_t size = (int64_t)cr__size_of((cr_dtype)j->in->dtype), step = j->plan.reduced_in[0];
  const void *x = from + r * step * size;
  if (step == 1 && j->in->dtype == wanted) return x;
  cr__read_run(buffer, wanted, x, j->in->dtype, step, n);
  return buffer;
}

/* The elements begin .. end of a row. The block that has the best is looked through once, at the end. */
static void search(const job *j, const char *from, int64_t begin, int64_t end, best_of *b) {
  _Alignas(64) char buffer[CR__FOLD_BLOCK * 8];
  const cr__folder *fold = &j->loops->fold[j->compute][j->smallest ? CR__FOLD_MIN : CR__FOLD_MAX];
  int wanted = cr__compute_dtype(j->compute), state = cr__state_dtype(j->compute);
  int64_t block = begin;
  for (int64_t r = begin, n; r < end && !cr__cpu_stopped(); r += n) {
    n = end - r < CR__FOLD_BLOCK ? end - r : CR__FOLD_BLOCK;
    const void *x = fetch(j, from, r, n, buffer);
    if (r == begin) cr__convert(&b->state, state, x, wanted, 1);
    if (state == CR_FLOAT64 && b->state.f != b->state.f) break;
    best_of before = *b;
    fold->row(&b->state, x, n, 0);
    if (memcmp(&b->state, &before.state, sizeof b->state)) block = r;
  }
  if (cr__cpu_stopped()) return;
  int64_t n = end - block < CR__FOLD_BLOCK ? end - block : CR__FOLD_BLOCK;
  b->position = block + find(j->compute, fetch(j, from, block, n, buffer), &b->state);
}

/* Whether what was found in a later part of a row takes the place of what was found before. */
static bool is_better(const job *j, const best_of *later, const best_of *b) {
  if (j->compute == CR__COMPUTE_I64)
    return j->smallest ? later->state.i < b->state.i : later->state.i > b->state.i;
  double x = later->state.f, y = b->state.f;
  return y == y && (x != x || (j->smallest ? x < y : x > y));
}

static void store_best(const job *j, int64_t row, const best_of *b) {
  const cr__fold_plan *p = &j->plan;
  char value[8];
  cr__convert(value, cr__compute_dtype(j->compute), &b->state, cr__state_dtype(j->compute), 1);
  store(j, cr__offset_at(p->nkept, p->kept, p->kept_out, row), 1, value, &b->position, 1);
}

static void run_row(const job *j, int64_t row) {
  best_of best = {.position = 0};
  search(j, row_begin(j, row), 0, j->plan.reduced[0], &best);
  if (!cr__cpu_stopped()) store_best(j, row, &best);
}

/* ---- Few long rows: their parts are shared out ---- */

enum { FEW_ROWS = 16, PARTS = 64, LEAST_PART = 1 << 16 };

typedef struct row_parts {
  const job *j;
  const char *from;
  int64_t each; /* elements */
  best_of found[PARTS];
} row_parts;

static void search_parts(void *context, int64_t begin, int64_t end) {
  row_parts *p = context;
  int64_t n = p->j->plan.reduced[0];
  for (int64_t i = begin; i < end; i++) {
    int64_t first = i * p->each, left = n - first;
    search(p->j, p->from, first, left < p->each ? n : first + p->each, &p->found[i]);
  }
}

static int run_parts(const job *j, int64_t row) {
  int64_t n = j->plan.reduced[0];
  row_parts p = {.j = j, .from = row_begin(j, row), .each = (n + PARTS - 1) / PARTS};
  if (p.each < LEAST_PART) p.each = LEAST_PART;
  int64_t count = (n + p.each - 1) / p.each;
  int code = cr__cpu_share(count, n, search_parts, &p);
  if (code) return code;
  for (int64_t i = 1; i < count; i++)
    if (is_better(j, &p.found[i], &p.found[0])) p.found[0] = p.found[i];
  store_best(j, row, &p.found[0]);
  return 0;
}

static void run_tile(const job *j, int64_t index) {
  const cr__fold_plan *p = &j->plan;
  _Alignas(64) char buffer[CR__TILE * 8], best[CR__TILE * 8];
  int64_t indices[CR__TILE] = {0};
  int last = p->nkept - 1, wanted = cr__compute_dtype(j->compute);
  int64_t size = (int64_t)cr__size_of((cr_dtype)j->in->dtype), across = p->kept_in[last];
  int64_t first = index % j->tiles * CR__TILE, outer = index / j->tiles;
  int64_t w = p->kept[last] - first < CR__TILE ? p->kept[last] - first : CR__TILE;
  int64_t offset = first * across + cr__offset_at(last, p->kept, p->kept_in, outer);
  for (int64_t r = 0; r < p->reduced[0] && !cr__cpu_stopped(); r++) {
    const char *from = j->in->data + (offset + r * p->reduced_in[0]) * size;
    cr__read_run(r ? buffer : best, wanted, from, j->in->dtype, across, w);
    if (r) j->loops->extreme[j->compute][j->smallest](best, indices, buffer, 1, w, w, r);
  }
  int64_t step = p->kept_out[last];
  int64_t at = first * step + cr__offset_at(last, p->kept, p->kept_out, outer);
  store(j, at, step, best, indices, w);
}

/* Rows of few elements are turned into columns. */
static void run_short(const job *j, int64_t index) {
  const cr__fold_plan *p = &j->plan;
  _Alignas(64) char x[CR__SHORT_UNIT * 8], best[CR__TILE * 8];
  int64_t indices[CR__TILE] = {0};
  int last = p->nkept - 1;
  int64_t n = p->reduced[0], first = index % j->tiles * j->width, outer = index / j->tiles;
  int64_t w = p->kept[last] - first < j->width ? p->kept[last] - first : j->width;
  int64_t from = first * p->kept_in[last] + cr__offset_at(last, p->kept, p->kept_in, outer);
  int64_t at = first * p->kept_out[last] + cr__offset_at(last, p->kept, p->kept_out, outer);
  int64_t row = w * (int64_t)cr__compute_size(j->compute);
  cr__short_columns(x, cr__compute_dtype(j->compute), cr__element(j->in, from), j->in->dtype, n,
                    p->kept_in[last], w);
  memcpy(best, x, (size_t)row);
  j->loops->extreme[j->compute][j->smallest](best, indices, x + row, n - 1, w, w, 1);
  store(j, at, p->kept_out[last], best, indices, w);
}

static void run_units(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  for (int64_t u = begin; u < end; u++) {
    if (j->is_short) run_short(j, u);
    else if (j->plan.columns) run_tile(j, u);
    else run_row(j, u);
  }
}

/* `indices` are int64 positions of `values`, which may be left out; both are contiguous. dim: 0-based, of size 1
 * in the results and not of size 0 in `from`; smallest: whether the smallest is looked for. */
int cr__cpu_argmax(cr__launch *k) {
  job j;
  begin(&j, k);
  const cr__fold_plan *p = &j.plan;
  if (p->kept_count == 0) return 0;
  if (!p->columns && p->kept_count < FEW_ROWS && p->reduced_count >= 2 * LEAST_PART) {
    int code = 0;
    for (int64_t row = 0; row < p->kept_count && !code; row++) code = run_parts(&j, row);
    return code;
  }
  int64_t inner = p->kept[p->nkept - 1];
  j.is_short = cr__short_rows(&j.plan);
  j.width = j.is_short ? cr__short_width(p->reduced[0], cr__compute_size(j.compute)) : CR__TILE;
  j.tiles = (inner + j.width - 1) / j.width;
  int64_t units = j.is_short || p->columns ? p->kept_count / inner * j.tiles : p->kept_count;
  return cr__cpu_share(units, p->kept_count * p->reduced_count, run_units, &j);
}
