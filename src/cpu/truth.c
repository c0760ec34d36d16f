/* truth.c: whether any or all elements over dims are other than zero: what reduce.c leaves to it.
 *
 * Holds true: an answer does not depend on the order in which elements are looked at, so a look ends where it is known:
 * a row at the first element that decides, columns side by side when each has one. NaN is not zero, -0 is. */
#include <stdatomic.h>
#include <string.h>

#include "convert.h"
#include "reduce.h"
#include "truth.h"

enum {
  FEW_UNITS = 8,       /* whose parts are shared out, if they are long, */
  PARTS = 32,          /* in no more than so many */
  LEAST_PART = 1 << 16 /* of no fewer elements */
};

typedef struct job {
  const cr__view *in;
  char *out;
  cr__fold_plan plan;
  const cr__truth_loops *loops;
  uint64_t mask;
  int64_t size, tiles; /* tiles of columns along the innermost kept dim */
  bool all;
} job;

bool cr__truth_known(int dtype) {
  int category = cr__category((cr_dtype)dtype);
  return category == CR_FLOATING || category == CR_INTEGRAL || category == CR_BOOLEAN;
}

static uint64_t mask_of(int dtype) {
  size_t bits = 8 * cr__size_of((cr_dtype)dtype);
  uint64_t ones = UINT64_MAX >> (64 - bits);
  return cr__category((cr_dtype)dtype) == CR_FLOATING ? ones >> 1 : ones;
}

/* Where the r-th element of those that are folded lies, and how many of `most` from there on lie in one run. */
static int64_t offset_of(const cr__fold_plan *p, int64_t r, int64_t *most) {
  int last = p->nreduced - 1;
  int64_t inner = p->reduced[last], at = r % inner;
  if (*most > inner - at) *most = inner - at;
  return cr__offset_at(last, p->reduced, p->reduced_in, r / inner) + at * p->reduced_in[last];
}

/* ---- Rows ---- */

/* Whether one of the elements begin .. end of the row at `from` decides. */
static bool search_row(const job *j, const char *from, int64_t begin, int64_t end) {
  const cr__fold_plan *p = &j->plan;
  _Alignas(64) char buffer[CR__FOLD_BLOCK * 8];
  int64_t step = p->reduced_in[p->nreduced - 1];
  int64_t most = step == 1 ? CR__STRETCH : CR__FOLD_BLOCK;
  for (int64_t r = begin, n; r < end && !cr__cpu_stopped(); r += n) {
    n = end - r < most ? end - r : most;
    const char *x = from + offset_of(p, r, &n) * j->size;
    if (step != 1) {
      cr__read_run(buffer, j->in->dtype, x, j->in->dtype, step, n);
      x = buffer;
    }
    if (j->loops->row(x, n, j->mask, j->all)) return true;
  }
  return false;
}

static const char *row_begin(const job *j, int64_t row) {
  const cr__fold_plan *p = &j->plan;
  return j->in->data + cr__offset_at(p->nkept, p->kept, p->kept_in, row) * j->size;
}

static void answer_row(const job *j, int64_t row, bool found) {
  const cr__fold_plan *p = &j->plan;
  j->out[cr__offset_at(p->nkept, p->kept, p->kept_out, row)] = (char)(found != j->all);
}

static void run_rows(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  for (int64_t row = begin; row < end; row++)
    answer_row(j, row, search_row(j, row_begin(j, row), 0, j->plan.reduced_count));
}

typedef struct row_parts {
  const job *j;
  const char *from;
  atomic_bool found;
} row_parts;

static void search_parts(void *context, int64_t begin, int64_t end) {
  row_parts *p = context;
  int64_t n = p->j->plan.reduced_count;
  for (int64_t i = begin; i < end; i++) {
    int64_t first = i * LEAST_PART, left = n - first;
    if (atomic_load_explicit(&p->found, memory_order_relaxed)) return;
    if (search_row(p->j, p->from, first, left < LEAST_PART ? n : first + LEAST_PART))
      atomic_store_explicit(&p->found, true, memory_order_relaxed);
  }
}

static int run_long_row(const job *j, int64_t row) {
  int64_t n = j->plan.reduced_count, count = (n + LEAST_PART - 1) / LEAST_PART;
  row_parts p = {.j = j, .from = row_begin(j, row)};
  atomic_init(&p.found, false);
  int code = cr__cpu_share(count, n * j->size / 16, search_parts, &p);
  if (!code) answer_row(j, row, atomic_load(&p.found));
  return code;
}

/* ---- Columns side by side ---- */

typedef struct tile {
  const char *in;
  char *out;
  int64_t w, step; /* columns, and theirs in the results */
} tile;

static tile find_tile(const job *j, int64_t index) {
  const cr__fold_plan *p = &j->plan;
  int last = p->nkept - 1;
  int64_t first = index % j->tiles * CR__TRUTH_COLUMNS, outer = index / j->tiles;
  int64_t left = p->kept[last] - first;
  int64_t from = first * p->kept_in[last] + cr__offset_at(last, p->kept, p->kept_in, outer);
  int64_t to = first * p->kept_out[last] + cr__offset_at(last, p->kept, p->kept_out, outer);
  tile t = {j->in->data + from * j->size, j->out + to,
            left < CR__TRUTH_COLUMNS ? left : CR__TRUTH_COLUMNS, p->kept_out[last]};
  return t;
}

/* Rows of a tile from x on, into `seen`. */
static void look_at_rows(const job *j, const tile *t, const char *x, int64_t rows, uint8_t *seen) {
  const cr__fold_plan *p = &j->plan;
  _Alignas(64) char buffer[CR__TRUTH_COLUMNS * 8];
  int64_t across = p->kept_in[p->nkept - 1], step = p->reduced_in[p->nreduced - 1];
  if (across == 1) {
    j->loops->columns(seen, x, rows, step, t->w, j->mask, j->all);
    return;
  }
  for (int64_t r = 0; r < rows; r++) {
    cr__read_run(buffer, j->in->dtype, x + r * step * j->size, j->in->dtype, across, t->w);
    j->loops->columns(seen, buffer, 1, 0, t->w, j->mask, j->all);
  }
}

/* The rows begin .. end of a tile, or as many as it takes for each column to be decided. */
static void search_tile(const job *j, const tile *t, int64_t begin, int64_t end, uint8_t *seen) {
  enum { AT_ONCE = 64 };
  bool open = true;
  for (int64_t r = begin, n; r < end && open && !cr__cpu_stopped(); r += n) {
    n = end - r < AT_ONCE ? end - r : AT_ONCE;
    int64_t offset = offset_of(&j->plan, r, &n);
    look_at_rows(j, t, t->in + offset * j->size, n, seen);
    open = memchr(seen, 0, (size_t)t->w) != NULL;
  }
}

static void answer_tile(const job *j, const tile *t, const uint8_t *seen) {
  for (int64_t c = 0; c < t->w; c++) t->out[c * t->step] = (char)(seen[c] != j->all);
}

static void run_tiles(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  for (int64_t u = begin; u < end; u++) {
    uint8_t seen[CR__TRUTH_COLUMNS] = {0};
    tile t = find_tile(j, u);
    search_tile(j, &t, 0, j->plan.reduced_count, seen);
    answer_tile(j, &t, seen);
  }
}

typedef struct tile_parts {
  const job *j;
  tile t;
  int64_t each; /* rows */
  uint8_t seen[PARTS][CR__TRUTH_COLUMNS];
} tile_parts;

static void search_tile_parts(void *context, int64_t begin, int64_t end) {
  tile_parts *p = context;
  int64_t n = p->j->plan.reduced_count;
  for (int64_t i = begin; i < end; i++) {
    int64_t first = i * p->each, left = n - first;
    search_tile(p->j, &p->t, first, left < p->each ? n : first + p->each, p->seen[i]);
  }
}

static int run_long_tile(const job *j, int64_t index) {
  int64_t n = j->plan.reduced_count;
  tile_parts p = {.j = j, .t = find_tile(j, index), .each = (n + PARTS - 1) / PARTS};
  int64_t count = (n + p.each - 1) / p.each;
  int code = cr__cpu_share(count, n * p.t.w * j->size / 16, search_tile_parts, &p);
  if (code) return code;
  for (int64_t i = 1; i < count; i++)
    for (int64_t c = 0; c < p.t.w; c++) p.seen[0][c] |= p.seen[i][c];
  answer_tile(j, &p.t, p.seen[0]);
  return 0;
}

/* ---- ---- */

int cr__cpu_truth(const cr__view *out, const cr__view *in, uint32_t mask, bool all) {
  job j = {.in = in, .out = out->data, .mask = mask_of(in->dtype), .all = all};
  j.size = (int64_t)cr__size_of((cr_dtype)in->dtype);
  int kind = j.size == 1 ? 0 : j.size == 2 ? 1 : j.size == 4 ? 2 : 3;
  j.loops = &cr__truth_loops_here()[kind];
  cr__plan_reduction(&j.plan, out, in, mask);
  const cr__fold_plan *p = &j.plan;
  if (p->kept_count == 0) return 0;
  int64_t inner = p->kept[p->nkept - 1], work = p->kept_count * p->reduced_count * j.size / 16;
  j.tiles = (inner + CR__TRUTH_COLUMNS - 1) / CR__TRUTH_COLUMNS;
  int64_t units = p->columns ? p->kept_count / inner * j.tiles : p->kept_count;
  int64_t width = p->columns && inner > CR__TRUTH_COLUMNS ? CR__TRUTH_COLUMNS
                  : p->columns                            ? inner
                                                          : 1;
  if (units >= FEW_UNITS || p->reduced_count * width < 2 * LEAST_PART)
    return cr__cpu_share(units, work, p->columns ? run_tiles : run_rows, &j);
  int code = 0;
  for (int64_t u = 0; u < units && !code; u++)
    code = p->columns ? run_long_tile(&j, u) : run_long_row(&j, u);
  return code;
}

#ifdef __x86_64__
extern const cr__truth_loops cr__truth_loops_v2[], cr__truth_loops_v3[], cr__truth_loops_v4[];
const cr__truth_loops *cr__truth_loops_here(void) {
  static const cr__truth_loops *const by_level[] = {cr__truth_loops_v2, cr__truth_loops_v3,
                                                    cr__truth_loops_v4};
  return by_level[cr__cpu_level()];
}
#else
extern const cr__truth_loops cr__truth_loops_base[];
const cr__truth_loops *cr__truth_loops_here(void) { return cr__truth_loops_base; }
#endif
