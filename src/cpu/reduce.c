/* reduce.c: folds dims of a tensor: sums, products, extremes, norms, moments.
 *
 * Holds true: the elements behind one result are cut into chunks of fixed length, each chunk is
 * folded by itself and the chunks are joined in order; so the result does not depend on how many
 * threads took part. The results are worked on in units: a few rows, or a tile of columns that lie
 * side by side in memory. */
#include <math.h>
#include <string.h>

#include "convert.h"
#include "cpu/loops/loops.h"
#include "reduce_job.h"
#include "softmax.h"
#include "truth.h"

enum {
  ROW_CHUNK = 65536,
  COLUMN_CHUNK = 2048,
  FEW_UNITS = 16,
  LEAST_ROWS = 16,      /* of a wide tile, for which it pays to join its parts */
  MOST_ROWS = 64,       /* of a tile that are folded at a time */
  BYTES_PER_STEP = 5,   /* of those that cr__cpu_threads counts */
  UNIT_ELEMENTS = 16384 /* rows are put together until a unit has so many */
};

typedef cr__reduce_job job;
typedef cr__reduce_unit unit;
typedef cr__reduce_state state;

static unit find_unit(const job *j, int64_t index) {
  const cr__fold_plan *p = &j->plan;
  const cr__view *out = &j->k->reduce.out, *in = &j->k->reduce.from;
  int last = p->nkept - 1;
  int64_t first = index % j->tiles * j->width, outer = index / j->tiles;
  unit u = {.w = p->kept[last] - first < j->width ? p->kept[last] - first : j->width};
  int64_t from = first * p->kept_in[last] + cr__offset_at(last, p->kept, p->kept_in, outer);
  int64_t to = first * p->kept_out[last] + cr__offset_at(last, p->kept, p->kept_out, outer);
  u.in = in->data + from * (int64_t)cr__size_of((cr_dtype)in->dtype);
  u.out = out->data + to * (int64_t)cr__size_of((cr_dtype)out->dtype);
  return u;
}

static void clear(const job *j, void *s, int64_t w) {
  int fold = j->kind;
  /* Of truths, the smallest of none is true and the largest false. */
  if (j->k->reduce.map == CR__MAP_NONZERO && fold == CR__FOLD_MIN) fold = CR__FOLD_PROD;
  if (j->k->reduce.map == CR__MAP_NONZERO && fold == CR__FOLD_MAX) fold = CR__FOLD_SUM;
  bool whole = j->compute == CR__COMPUTE_I64;
  for (int64_t c = 0; c < w; c++) {
    if (whole) ((int64_t *)s)[c] = cr__empty_int_fold(fold);
    else ((double *)s)[c] = cr__empty_fold(fold);
  }
  memset((double *)s + w, 0, (size_t)w * sizeof(double));
}

/* Elements ready to be folded: those in memory if they are, else a converted, mapped copy. */
static const void *fetch_row(const job *j, void *buffer, const char *from, int64_t step,
                             int64_t n) {
  int dtype = j->k->reduce.from.dtype, wanted = j->takes;
  const void *x = from;
  if (dtype != wanted || step != 1) {
    cr__read_run(buffer, wanted, from, dtype, step, n);
    x = buffer;
  }
  if (j->map) j->loops->map[j->compute](buffer, x, n, j->map, j->k->reduce.power);
  return j->map ? buffer : x;
}

/* Rows of many short runs: the runs, which lie side by side, are folded as columns, and then the
 * columns' states. begin and end are borders of runs. */
static void fold_runs(const job *j, const char *x, int64_t begin, int64_t end, void *s) {
  const cr__fold_plan *p = &j->plan;
  int64_t run = p->reduced[1], step = p->reduced_in[0], w;
  int64_t size = (int64_t)cr__size_of((cr_dtype)j->k->reduce.from.dtype);
  for (int64_t first = 0; first < run; first += w) {
    state part;
    w = run - first < CR__TILE ? run - first : CR__TILE;
    clear(j, &part, w);
    for (int64_t r = begin / run, n; r < end / run; r += n) {
      n = end / run - r < MOST_ROWS ? end / run - r : MOST_ROWS;
      j->fold->columns(&part, x + (r * step + first) * size, n, step, w, 0);
    }
    j->across->row(s, &part, w, 0);
  }
}

/* Folds the elements begin .. end of the row that begins at x into its state. */
static void fold_row(const job *j, const char *from, int64_t begin, int64_t end, void *s) {
  const cr__fold_plan *p = &j->plan;
  _Alignas(64) char buffer[CR__FOLD_BLOCK * CR__MAX_ELEMENT];
  int last = p->nreduced - 1;
  int64_t inner = p->reduced[last], step = p->reduced_in[last];
  int64_t size = (int64_t)cr__size_of((cr_dtype)j->k->reduce.from.dtype);
  if (j->across) {
    fold_runs(j, from, begin, end, s);
    return;
  }
  for (int64_t r = begin, n; r < end; r += n) {
    int64_t at = last ? r % inner : r, offset = at * step;
    if (last) offset += cr__offset_at(last, p->reduced, p->reduced_in, r / inner);
    n = inner - at < end - r ? inner - at : end - r;
    if (n > CR__FOLD_BLOCK) n = CR__FOLD_BLOCK;
    const void *x = fetch_row(j, buffer, from + offset * size, step, n);
    j->fold->row(s, x, n, r - begin);
  }
}

/* Whether a row's n elements are folded as they lie, at once, into a state of one number. */
static bool folds_in_place(const job *j, int64_t n) {
  const cr__fold_plan *p = &j->plan;
  return n <= CR__FOLD_BLOCK && p->nreduced == 1 && p->reduced_in[0] == 1 && !j->map &&
         j->k->reduce.from.dtype == j->takes && j->kind < CR__FOLD_MOMENTS;
}

/* Folds the elements begin .. end of each row of a unit into their states. */
static void fold_rows(const job *j, const unit *u, int64_t begin, int64_t end, char *s) {
  const cr__fold_plan *p = &j->plan;
  int64_t size = (int64_t)cr__size_of((cr_dtype)j->k->reduce.from.dtype);
  int64_t across = p->kept_in[p->nkept - 1] * size;
  if (j->is_short) {
    cr__fold_short(&j->few, u->in, u->w, s);
    return;
  }
  if (u->w == 1) {
    fold_row(j, u->in, begin, end, s);
    return;
  }
  if (folds_in_place(j, end - begin)) {
    for (int64_t c = 0; c < u->w; c++) j->fold->row(s + c * 8, u->in + c * across, end - begin, 0);
    return;
  }
  for (int64_t c = 0; c < u->w; c++) {
    union {
      double f[2];
      int64_t i[2];
    } one;
    memcpy(&one.f[0], s + c * 8, 8);
    memcpy(&one.f[1], s + (u->w + c) * 8, 8);
    fold_row(j, u->in + c * across, begin, end, &one);
    memcpy(s + c * 8, &one.f[0], 8);
    memcpy(s + (u->w + c) * 8, &one.f[1], 8);
  }
}

/* Rows that are folded at a time: of moments those that stay in the first-level cache for the second pass;
 * of logarithms more, for to join them costs more exponentials. */
static int64_t rows_at_once(const job *j) {
  int fold = (int)j->k->reduce.fold;
  return fold == CR__FOLD_LOGSUMEXP ? CR__SHORT : fold == CR__FOLD_MOMENTS ? 32 : MOST_ROWS;
}

/* A few columns whose rows lie without gaps: as many rows as fit are folded side by side, as if they
 * were one, and then joined. Returns how many rows that took care of. */
static int64_t fold_wide(const job *j, const unit *u, int64_t begin, int64_t end, void *s) {
  int64_t w = u->w, side = CR__TILE / w, rows = (end - begin) / side, most = rows_at_once(j);
  int64_t size = (int64_t)cr__size_of((cr_dtype)j->k->reduce.from.dtype);
  if (side < 2 || rows < LEAST_ROWS) return 0;
  state wide, part;
  clear(j, &wide, side * w);
  for (int64_t r = 0, n; r < rows; r += n) {
    n = rows - r < most ? rows - r : most;
    const char *x = u->in + (begin + r * side) * w * size;
    j->fold->columns(&wide, x, n, side * w, side * w, r);
  }
  for (int64_t i = 0; i < side; i++) {
    memcpy(part.f, wide.f + i * w, (size_t)w * 8);
    memcpy(part.f + w, wide.f + (side + i) * w, (size_t)w * 8);
    j->fold->merge(s, &part, w, i * rows, rows);
  }
  return rows * side;
}

/* Folds the rows begin .. end of a tile into the states of its columns. */
static void fold_tile(const job *j, const unit *u, int64_t begin, int64_t end, void *s) {
  const cr__fold_plan *p = &j->plan;
  _Alignas(64) char buffer[CR__FOLD_BLOCK * CR__MAX_ELEMENT];
  int last = p->nreduced - 1, dtype = j->k->reduce.from.dtype, wanted = j->takes;
  int64_t inner = p->reduced[last], step = p->reduced_in[last], across = p->kept_in[p->nkept - 1];
  int64_t size = (int64_t)cr__size_of((cr_dtype)dtype);
  int64_t each = (int64_t)cr__size_of((cr_dtype)wanted);
  bool direct = dtype == wanted && across == 1;
  int64_t most = !direct || j->map ? CR__ROWS : rows_at_once(j);
  int64_t first = begin;
  if (direct && !j->map && last == 0 && step == u->w) first += fold_wide(j, u, begin, end, s);
  for (int64_t r = first, n; r < end; r += n) {
    int64_t at = r % inner;
    int64_t offset = cr__offset_at(last, p->reduced, p->reduced_in, r / inner) + at * step;
    const char *from = u->in + offset * size;
    n = inner - at < end - r ? inner - at : end - r;
    if (n > most) n = most;
    if (direct && !j->map) {
      j->fold->columns(s, from, n, step, u->w, r - begin);
      continue;
    }
    for (int64_t row = 0; row < n; row++) {
      void *to = buffer + row * u->w * each;
      const char *x = from + row * step * size;
      if (!direct) cr__read_run(to, wanted, x, dtype, across, u->w);
      if (j->map) j->loops->map[j->compute](to, direct ? x : to, u->w, j->map, j->k->reduce.power);
    }
    j->fold->columns(s, buffer, n, u->w, u->w, r - begin);
  }
}

void cr__fold_chunk(const job *j, const unit *u, int64_t chunk, void *s) {
  int64_t begin = chunk * j->chunk, end = begin + j->chunk;
  if (end > j->plan.reduced_count) end = j->plan.reduced_count;
  clear(j, s, u->w);
  if (j->plan.columns) fold_tile(j, u, begin, end, s);
  else fold_rows(j, u, begin, end, s);
}

void cr__join_chunk(const job *j, const unit *u, int64_t chunk, void *s, const void *part) {
  int64_t seen = chunk * j->chunk, left = j->plan.reduced_count - seen;
  j->fold->merge(s, part, u->w, seen, left < j->chunk ? left : j->chunk);
}

static void run_unit(const job *j, int64_t index) {
  unit u = find_unit(j, index);
  state total, part;
  int64_t step = j->plan.reduced_in[0];
  if (j->few_columns && step != u.w) {
    j->few_columns(u.out, u.in, j->plan.reduced_count, step, u.w);
    return;
  }
  if (j->chunks == 0) clear(j, &total, u.w);
  else cr__fold_chunk(j, &u, 0, &total);
  for (int64_t c = 1; c < j->chunks && !cr__cpu_stopped(); c++) {
    cr__fold_chunk(j, &u, c, &part);
    cr__join_chunk(j, &u, c, &total, &part);
  }
  cr__finish_unit(j, &u, &total);
}

static void run_units(void *context, int64_t begin, int64_t end) {
  for (int64_t u = begin; u < end; u++) run_unit(context, u);
}

typedef struct chunk_job {
  const job *j;
  unit u;
  char *parts; /* a state of `each` bytes for each chunk */
  size_t each;
} chunk_job;

static void fold_chunks(void *context, int64_t begin, int64_t end) {
  const chunk_job *c = context;
  for (int64_t i = begin; i < end; i++)
    cr__fold_chunk(c->j, &c->u, i, c->parts + (size_t)i * c->each);
}

static void join_chunks(void *context, int64_t begin, int64_t end) {
  const chunk_job *c = context;
  (void)begin, (void)end;
  for (int64_t i = 1; i < c->j->chunks && (i % CR__STRETCH || !cr__cpu_stopped()); i++)
    cr__join_chunk(c->j, &c->u, i, c->parts, c->parts + (size_t)i * c->each);
  cr__finish_unit(c->j, &c->u, c->parts);
}

/* Few results of many elements each: the chunks are shared out instead of the units. */
static int run_chunks(const job *j, int64_t index) {
  chunk_job c = {.j = j, .u = find_unit(j, index)};
  c.each = (size_t)c.u.w * 2 * sizeof(double);
  size_t nbytes = c.each * (size_t)j->chunks;
  int64_t work = j->plan.reduced_count * c.u.w / 4;
  c.parts = cr__host_alloc(nbytes);
  if (!c.parts) return CR_E_MEMORY;
  int code = cr__cpu_share(j->chunks, work, fold_chunks, &c);
  if (!code) code = cr__cpu_share_among(1, 1, work, join_chunks, &c);
  cr__host_free(c.parts, nbytes);
  return code;
}

static void choose_fold(job *j) {
  int fold = (int)j->k->reduce.fold, dtype = j->k->reduce.from.dtype;
  j->kind = fold;
  j->map = (int)j->k->reduce.map;
  j->compute = cr__compute_of((int)j->k->reduce.compute);
  j->fold = &j->loops->fold[j->compute][fold];
  j->takes = cr__compute_dtype(j->compute);
  if (fold == CR__FOLD_LOGSUMEXP) j->fold = &cr__softmax_loops_here()->logs[j->compute];
  if (j->map == CR__MAP_SQUARE && j->k->reduce.out.dtype != CR_FLOAT64 &&
      cr__compute_of(dtype) == CR__COMPUTE_F32) {
    j->compute = CR__COMPUTE_F32, j->map = CR__MAP_NONE;
    j->takes = CR_FLOAT32;
    j->fold = &j->loops->squares;
  }
  const cr__folder *narrow = &j->loops->narrow[dtype][fold];
  bool as_it_is = j->map == CR__MAP_NONE || (j->map == CR__MAP_NONZERO && dtype == CR_BOOL);
  if (j->compute == CR__COMPUTE_I64 && narrow->row && as_it_is) {
    j->fold = narrow;
    j->takes = dtype, j->map = CR__MAP_NONE;
  }
}

/* Runs of the innermost folded dim that are too short to be folded one by one. */
static void choose_across(job *j) {
  const cr__fold_plan *p = &j->plan;
  int fold = (int)j->k->reduce.fold, state = cr__compute_of(cr__state_dtype(j->compute));
  if (p->columns || p->reduced_count == 0 || p->nreduced != 2 || p->reduced_in[1] != 1 || j->map)
    return;
  if (p->reduced[1] > CR__FOLD_BLOCK / 2 || fold >= CR__FOLD_MOMENTS || fold == CR__FOLD_PROD)
    return;
  if (j->k->reduce.from.dtype != j->takes) return;
  j->across = &j->loops->fold[state][fold];
  j->chunk = ROW_CHUNK / p->reduced[1] * p->reduced[1];
}

/* Rows of few elements, which are folded side by side. */
static void choose_short(job *j) {
  const cr__fold_plan *p = &j->plan;
  cr__short s = {.loops = j->loops, .fold = j->fold, .dtype = j->k->reduce.from.dtype};
  s.takes = j->takes, s.compute = j->compute, s.map = j->map, s.power = j->k->reduce.power;
  s.n = p->reduced[0], s.step = p->kept_in[p->nkept - 1], s.most = rows_at_once(j);
  j->few = s;
  cr__short_loop(&j->few, (int)j->k->reduce.fold);
}

/* Columns of so few rows that they are folded at once, the result being what their lanes come to. */
static void choose_few(job *j) {
  const cr__fold_plan *p = &j->plan;
  int last = p->nkept - 1, out = j->k->reduce.out.dtype;
  bool one_walk = p->columns && p->nreduced == 1 && p->kept_in[last] == 1 && p->kept_out[last] == 1;
  bool exact = j->kind == CR__FOLD_PROD || j->kind == CR__FOLD_MAX || j->kind == CR__FOLD_MIN;
  bool as_it_is = j->k->reduce.from.dtype == j->takes && out == j->takes && !j->map;
  if (!one_walk || !exact || !as_it_is || j->k->reduce.finish || p->reduced_count < 1 ||
      p->reduced_count > MOST_ROWS)
    return;
  if (j->takes == cr__compute_dtype(j->compute))
    j->few_columns = j->loops->few[j->compute][j->kind];
  else if (j->takes == CR_INT32) j->few_columns = j->loops->few[CR__COMPUTE_I64 + 1][j->kind];
}

/* Extremes of elements that memory has once are those of one. */
static void fold_once(cr__view *from, uint32_t mask) {
  for (int d = 0; d < from->ndim; d++)
    if (mask >> d & 1 && from->stride[d] == 0 && from->shape[d] > 1) from->shape[d] = 1;
}

/* `out` = the fold of `from`, which has the same dims; `out` has size 1 where the fold goes. mask: a bit for each
 * 0-based dim to fold; fold, map, finish: a cr__fold, cr__map, cr__finish; compute: the dtype to compute in,
 * float32, float64 or int64 (which knows only the maps NONE and NONZERO, and no finish); power: the exponent
 * of CR__MAP_POWER; number: that of the finish. */
int cr__cpu_reduce(cr__launch *k) {
  int64_t fold = k->reduce.fold;
  bool asks = k->reduce.map == CR__MAP_NONZERO && (fold == CR__FOLD_MIN || fold == CR__FOLD_MAX);
  if (asks && cr__truth_known(k->reduce.from.dtype))
    return cr__cpu_truth(&k->reduce.out, &k->reduce.from, (uint32_t)k->reduce.mask,
                         fold == CR__FOLD_MIN);
  job j;
  cr__fold_plan *p = &j.plan;
  j.k = k, j.loops = cr__reduce_loops_here(), j.across = NULL, j.few_columns = NULL;
  if (fold == CR__FOLD_MAX || fold == CR__FOLD_MIN)
    fold_once(&k->reduce.from, (uint32_t)k->reduce.mask);
  cr__plan_reduction(p, &k->reduce.out, &k->reduce.from, (uint32_t)k->reduce.mask);
  if (p->kept_count == 0) return 0;
  j.is_short = cr__short_rows(p);
  choose_fold(&j);
  if (j.is_short) choose_short(&j);
  choose_few(&j);
  j.again = cr__again_of(k, j.compute);
  j.chunk = p->columns ? COLUMN_CHUNK : ROW_CHUNK;
  choose_across(&j);
  j.chunks = (p->reduced_count + j.chunk - 1) / j.chunk;
  j.width = CR__TILE;
  if (j.is_short) {
    j.width = cr__short_width(p->reduced_count, cr__size_of((cr_dtype)j.takes));
  } else if (!p->columns && p->reduced_count > 0) {
    int64_t rows = UNIT_ELEMENTS / p->reduced_count;
    j.width = rows < 1 ? 1 : rows < CR__TILE ? rows : CR__TILE;
  }
  j.tiles = (p->kept[p->nkept - 1] + j.width - 1) / j.width;
  j.units = p->kept_count / p->kept[p->nkept - 1] * j.tiles;
  if (j.units == 1 && j.chunks <= 1) {
    run_unit(&j, 0);
    return 0;
  }
  if (j.units < FEW_UNITS && j.chunks > 1) {
    int code = 0;
    for (int64_t u = 0; u < j.units && !code; u++) code = run_chunks(&j, u);
    return code;
  }
  int64_t nbytes = p->kept_count * p->reduced_count * (int64_t)cr__size_of((cr_dtype)j.takes);
  return cr__cpu_share(j.units, nbytes / BYTES_PER_STEP, run_units, &j);
}
