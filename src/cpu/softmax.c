/* softmax.c: softmax and log_softmax along a dim, and their derivatives.
 *
 * Holds true: the views are contiguous, seen as outer x n x inner. A unit of work is a few lines, or a
 * tile of lines that lie side by side; which depends on the sizes alone, never on the threads. Lines of
 * other dtypes than the computation's go through a converted copy. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "convert.h"
#include "cpu/loops/loops.h"
#include "reduce_short.h"
#include "softmax.h"
#include "transpose.h"

enum {
  STREAM_BYTES = 16 << 20,
  ROOM = 16384,         /* bytes of a packed operand that need no allocation */
  LOOSE = 16,           /* elements of a line, of which one is seldom nearly all of the sum */
  UNIT_ELEMENTS = 4096, /* longer ones are put together until a unit has so many */
  FEW_TILES = 4,        /* tiles are narrower where there would be fewer, ... */
  NARROWEST = 64,       /* ... down to this width */
  LONG = 1 << 18,       /* a longer line is cut in pieces ... */
  PIECE = 1 << 16       /* ... of this length */
};

#ifdef __x86_64__
extern const cr__softmax_loops cr__softmax_loops_v2, cr__softmax_loops_v3, cr__softmax_loops_v4;
const cr__softmax_loops *cr__softmax_loops_here(void) {
  static const cr__softmax_loops *const by_level[] = {&cr__softmax_loops_v2, &cr__softmax_loops_v3,
                                                      &cr__softmax_loops_v4};
  return by_level[cr__cpu_level()];
}
#else
extern const cr__softmax_loops cr__softmax_loops_base;
const cr__softmax_loops *cr__softmax_loops_here(void) { return &cr__softmax_loops_base; }
#endif

typedef struct job {
  const cr__launch *k;
  const cr__softmax_loops *loops;
  int64_t outer, n, inner;
  int64_t width, tiles; /* lines of a unit, and units along the outer dim or the inner one */
  int compute;
  bool derivative, log, native; /* native: nothing is converted */
  bool turned, is_short;        /* lines of few elements: as columns, or by loops of their own */
  bool stream;
  atomic_bool failed; /* there was no room for some unit */
} job;

static char *element(const job *j, int view, int64_t index) {
  const cr__view *v = &j->k->v[view];
  return v->data + index * (int64_t)cr__size_of((cr_dtype)v->dtype);
}

/* Turns w lines of n elements into n rows of w, or back. */
static void turn(const job *j, void *to, const void *from, int64_t w, bool back) {
  size_t size = cr__compute_size(j->compute);
  if (back) cr__transpose(to, j->n, from, w, size, w, j->n);
  else cr__transpose(to, w, from, j->n, size, j->n, w);
}

/* cr__convert of runs that may be long, in stretches. */
static void convert(char *to, int to_dtype, const char *from, int from_dtype, int64_t n) {
  int64_t to_size = (int64_t)cr__size_of((cr_dtype)to_dtype);
  int64_t from_size = (int64_t)cr__size_of((cr_dtype)from_dtype);
  if (n <= CR__STRETCH) {
    cr__convert(to, to_dtype, from, from_dtype, n);
    return;
  }
  CR__STRETCHES(b, n)
  cr__convert(to + b * to_size, to_dtype, from + b * from_size, from_dtype,
              n - b < CR__STRETCH ? n - b : CR__STRETCH);
}

/* Between so many rows there is a look at the deadline. */
enum { LOOK_ROWS = 1024 };
static bool goes_on(int64_t row) { return row % LOOK_ROWS != 0 || !cr__cpu_stopped(); }

/* Moves the w lines of a unit between a view and packed memory of the computation type, where they
 * lie as in the view: one after another, or a row of all of them after another. */
static void unpack(const job *j, char *packed, int view, int64_t base, int64_t w) {
  int type = cr__compute_dtype(j->compute), dtype = j->k->v[view].dtype;
  int64_t rows = j->inner == 1 ? 1 : j->n, run = j->inner == 1 ? j->n * w : w;
  int64_t nbytes = run * (int64_t)cr__size_of((cr_dtype)type);
  for (int64_t r = 0; r < rows && goes_on(r); r++)
    convert(packed + r * nbytes, type, element(j, view, base + r * j->inner), dtype, run);
}

static void pack(const job *j, const char *packed, int64_t base, int64_t w) {
  int type = cr__compute_dtype(j->compute), dtype = j->k->v[0].dtype;
  int64_t rows = j->inner == 1 ? 1 : j->n, run = j->inner == 1 ? j->n * w : w;
  int64_t nbytes = run * (int64_t)cr__size_of((cr_dtype)type);
  for (int64_t r = 0; r < rows && goes_on(r); r++)
    convert(element(j, 0, base + r * j->inner), dtype, packed + r * nbytes, type, run);
}

/* Lines of few elements: side by side, so that vectors are full. */
static void run_turned(const job *j, int64_t base, int64_t w) {
  _Alignas(64) char line[CR__SHORT_UNIT * 8], rows[3][CR__SHORT_UNIT * 8];
  for (int v = 1; v < j->k->nview; v++) {
    const void *from = element(j, v, base);
    if (j->k->v[v].dtype != cr__compute_dtype(j->compute)) {
      unpack(j, line, v, base, w);
      from = line;
    }
    turn(j, rows[v], from, w, false);
  }
  j->loops->tile[j->derivative][j->compute](
      &(cr__lines){rows[0], rows[1], rows[2], j->n, w, w, j->log, false});
  bool direct = j->k->v[0].dtype == cr__compute_dtype(j->compute);
  turn(j, direct ? (void *)element(j, 0, base) : line, rows[0], w, true);
  if (!direct) pack(j, line, base, w);
}

/* w lines, or a tile of w, at `out`, `a` and `b`. */
static void run_lines(const job *j, char *out, const char *a, const char *b, int64_t w,
                      int64_t step) {
  int64_t size = (int64_t)cr__compute_size(j->compute), line = j->n * size;
  if (j->inner > 1) {
    j->loops->tile[j->derivative][j->compute](
        &(cr__lines){out, a, b, j->n, w, step, j->log, j->stream});
    return;
  }
  if (j->is_short) {
    j->loops->short_back[j->compute](&(cr__lines){out, a, b, j->n, w, 1, j->log, false});
    return;
  }
  for (int64_t i = 0; i < w; i++) {
    const void *y = b ? b + i * line : NULL;
    j->loops->line[j->derivative][j->compute](
        &(cr__lines){out + i * line, a + i * line, y, j->n, 1, 1, j->log, j->stream});
  }
}

static int run_converted(const job *j, int64_t base, int64_t w) {
  _Alignas(64) char here[3][ROOM];
  size_t each = (size_t)(j->n * w) * cr__compute_size(j->compute);
  size_t nbytes = each * (size_t)j->k->nview;
  char *room = each <= ROOM ? here[0] : cr__host_alloc(nbytes);
  if (!room) return CR_E_MEMORY;
  for (int v = 1; v < j->k->nview; v++) unpack(j, room + (size_t)v * each, v, base, w);
  if (!cr__cpu_stopped())
    run_lines(j, room, room + each, j->derivative ? room + 2 * each : NULL, w, w);
  pack(j, room, base, w);
  if (room != here[0]) cr__host_free(room, nbytes);
  return 0;
}

static int run_unit(const job *j, int64_t unit) {
  int64_t lines = j->inner == 1 ? j->outer : j->inner, first = unit % j->tiles * j->width;
  int64_t w = lines - first < j->width ? lines - first : j->width;
  int64_t base = j->inner == 1 ? first * j->n : unit / j->tiles * j->n * j->inner + first;
  if (j->turned) {
    run_turned(j, base, w);
    return 0;
  }
  if (!j->native) return run_converted(j, base, w);
  const char *b = j->derivative ? element(j, 2, base) : NULL;
  run_lines(j, element(j, 0, base), element(j, 1, base), b, w, j->inner);
  return 0;
}

/* ---- A line that is too long for a cache ---- */

typedef struct long_line {
  const job *j;
  const char *x;
  char *out;
  double *parts;    /* the top and the rest of each piece */
  double top, last; /* of all: the top, and what finishes a number */
} long_line;

static void measure_pieces(void *line, int64_t begin, int64_t end) {
  const long_line *l = line;
  const job *j = l->j;
  int64_t size = (int64_t)cr__compute_size(j->compute);
  const cr__folder *logs = &j->loops->logs[j->compute];
  for (int64_t p = begin; p < end; p++) {
    int64_t stop = (p + 1) * PIECE < j->n ? (p + 1) * PIECE : j->n;
    l->parts[2 * p] = -INFINITY, l->parts[2 * p + 1] = 0;
    for (int64_t i = p * PIECE, m; i < stop; i += m) {
      m = stop - i < CR__FOLD_BLOCK ? stop - i : CR__FOLD_BLOCK;
      logs->row(l->parts + 2 * p, l->x + i * size, m, 0);
    }
  }
}

/* The top and the rest of a line of n elements, gathered from its pieces in order. */
static int measure(long_line *l, double *state) {
  const job *j = l->j;
  int64_t pieces = (j->n + PIECE - 1) / PIECE;
  size_t nbytes = (size_t)pieces * 2 * sizeof(double);
  l->parts = cr__host_alloc(nbytes);
  if (!l->parts) return CR_E_MEMORY;
  int code = cr__cpu_share(pieces, j->n, measure_pieces, l);
  state[0] = -INFINITY, state[1] = 0;
  for (int64_t p = 0; p < pieces && !code; p++)
    j->loops->logs[j->compute].merge(state, l->parts + 2 * p, 1, 0, 0);
  cr__host_free(l->parts, nbytes);
  return code;
}

static void write_pieces(void *line, int64_t begin, int64_t end) {
  const long_line *w = line;
  const job *j = w->j;
  int64_t size = (int64_t)cr__compute_size(j->compute);
  for (int64_t p = begin; p < end; p++) {
    int64_t from = p * PIECE, n = j->n - from < PIECE ? j->n - from : PIECE;
    cr__lines l = {w->out + from * size, w->x + from * size, NULL, n, 1, 1, j->log, j->stream};
    j->loops->piece[j->compute](&l, w->top, w->last);
  }
  if (j->stream) cr__stream_end();
}

/* Reads the line twice and writes it once; exponentials are cheaper than memory. */
static int run_long(const job *j, int64_t line) {
  long_line l = {.j = j, .x = element(j, 1, line * j->n), .out = element(j, 0, line * j->n)};
  double state[2];
  int code = measure(&l, state);
  if (code) return code;
  /* Of infinities PyTorch's way makes NaN: inf - inf. */
  double rest = isfinite(state[0]) ? state[1] : NAN;
  l.top = state[0], l.last = 1 / (1 + rest);
  if (j->log) {
    cr__apply_f64(CR__PW_log1p, &rest, 1);
    l.last = rest;
  }
  return cr__cpu_share((j->n + PIECE - 1) / PIECE, j->n, write_pieces, &l);
}

/* ---- The plan ---- */

static void plan_units(job *j) {
  int64_t lines = j->inner == 1 ? j->outer : j->inner;
  bool few = j->inner == 1 && j->n <= CR__SHORT && j->outer >= CR__SHORT_ROWS;
  j->is_short = few && j->derivative && j->n >= LOOSE;
  /* Lines of whole blocks are as quick one by one as when they are turned. */
  j->turned = few && !j->is_short && j->n < CR__SHORT;
  if (j->turned || j->is_short) {
    j->width = cr__short_width(j->n, cr__compute_size(j->compute));
  } else if (j->inner == 1) {
    j->width = j->n < UNIT_ELEMENTS ? UNIT_ELEMENTS / j->n : 1;
  } else {
    j->width = CR__TILE;
    while (j->width > NARROWEST && j->outer * lines < FEW_TILES * j->width) j->width /= 2;
  }
  j->tiles = (lines + j->width - 1) / j->width;
}

static void some_units(void *job_, int64_t begin, int64_t end) {
  job *j = job_;
  for (int64_t u = begin; u < end; u++)
    if (!atomic_load_explicit(&j->failed, memory_order_relaxed) && run_unit(j, u)) j->failed = true;
  if (j->stream) cr__stream_end();
}

/* An error is set for the thread that meets it, so it has to be said again for the caller. */
static int run_units(job *j) {
  int64_t units = j->inner == 1 ? j->tiles : j->outer * j->tiles;
  int code = cr__cpu_share(units, j->outer * j->n * j->inner * 2, some_units, j);
  if (code || !j->failed) return code;
  return cr__fail_memory(j->k->op, (size_t)(j->n * j->width) * 12);
}

/* Large results are written past the caches, if their lines allow it. */
static bool streams(const job *j) {
  int64_t size = (int64_t)cr__compute_size(j->compute), line = j->n * size * j->inner;
  int64_t step = j->inner == 1 ? line : j->inner * size;
  return j->native && step % 64 == 0 && (uintptr_t)j->k->v[0].data % 64 == 0 &&
         j->outer * line >= STREAM_BYTES;
}

/* The views of either kernel are the result, then what it is made of. */
static int run(const cr__launch *k, cr__line_sizes s, bool log, bool derivative) {
  job j = {.k = k, .outer = s.outer, .n = s.n, .inner = s.inner, .log = log};
  if (j.outer == 0 || j.n == 0 || j.inner == 0) return 0;
  j.compute = k->v[0].dtype == CR_FLOAT64 ? CR__COMPUTE_F64 : CR__COMPUTE_F32;
  j.loops = cr__softmax_loops_here();
  j.derivative = derivative;
  j.native = true;
  for (int v = 0; v < k->nview; v++)
    if (k->v[v].dtype != cr__compute_dtype(j.compute)) j.native = false;
  j.stream = streams(&j);
  if (j.native && !derivative && j.inner == 1 && j.n > LONG) {
    int code = 0;
    for (int64_t i = 0; i < j.outer && !code; i++) code = run_long(&j, i);
    return code;
  }
  plan_units(&j);
  return run_units(&j);
}

/* `out` = softmax of `from`, or its logarithm. The views are contiguous; `out` is floating, `from` of any
 * dtype. */
int cr__cpu_softmax(cr__launch *k) { return run(k, k->softmax.lines, k->softmax.log, false); }

/* `out` = the gradient by the input, `grad` the one by the result. */
int cr__cpu_softmax_backward(cr__launch *k) {
  return run(k, k->softmax_backward.lines, k->softmax_backward.log, true);
}
