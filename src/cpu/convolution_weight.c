/* convolution_weight.c: the gradient of a convolution by its weight, as a product of gathered lines with the result's.
 *
 * Holds true: lines of the input, one for each channel and tap, are gathered some places at a time, and multiplied by
 * those places of the result's channels. Images are cut into slices, at borders that depend on sizes alone; the sums
 * of the slices are added up in their order, so that no bit depends on the threads. */
#include <string.h>

#include "convert.h"
#include "convolution.h"
#include "gemm.h"

enum { LINES = 392, TASKS = 16, MOST_BYTES = 1 << 26 };

typedef struct job {
  const cr__conv *c;
  const cr__gemm_loops *l;
  cr__conv_axis axes[CR__CONV_DIMS];
  int64_t size, taps, lines; /* taps of a channel; channels x taps of a group */
  int64_t places, chunk;     /* of a channel of the result; how many at a time */
  int64_t height, parts;     /* lines that one task takes, and how many such parts */
  int64_t slices;            /* of the images */
  bool in_place;             /* lines are the channels of the input, and are read where they lie */
  char *sums;                /* slices x groups x lines x cy */
} job;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t pieces(int64_t n, int64_t of) { return (n + of - 1) / of; }
static int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

/* The result's channels of an image's group, at some places, in panels for the tiles. */
static void pack(const job *j, const char *y, int64_t n, char *to) {
  int64_t width = j->l->cols;
  for (int64_t at = 0; at < j->c->cy; at += width)
    j->l->pack(&(cr__gemm_pack){.dtype = j->c->dtype,
                                .from = y + at * j->places * j->size,
                                .count = least(width, j->c->cy - at),
                                .line = j->places,
                                .k = n,
                                .step = 1,
                                .width = width},
               to + at * n * j->size);
}

/* What a task works on. */
typedef struct part {
  const job *j;
  int64_t line, lines, n; /* lines of the input, at n places */
  int64_t pitch;          /* elements from line to line */
  const char *gathered, *packed;
  char *sums;
} part;

static void multiply(const part *t, bool first) {
  const job *j = t->j;
  int64_t panels = pieces(t->lines, j->l->rows), width = j->l->cols, cy = j->c->cy;
  for (int64_t i = 0; i < panels && !cr__cpu_stopped(); i++) {
    int64_t row = i * t->lines / panels, end = (i + 1) * t->lines / panels;
    cr__gemm_tile g = {.rows = end - row, .k = t->n, .ar = t->pitch * j->size, .ak = j->size};
    g.a = t->gathered + row * g.ar;
    g.bk = width * j->size;
    g.cr = g.dr = cy * j->size;
    for (int64_t at = 0; at < cy; at += width) {
      g.cols = least(width, cy - at);
      g.b = t->packed + at * t->n * j->size;
      g.c = t->sums + row * g.cr + at * j->size;
      g.d = first ? NULL : g.c;
      j->l->tile(&g);
    }
  }
}

static void run_part(const void *job_, int64_t index, char *room) {
  const job *j = job_;
  const cr__conv *c = j->c;
  int64_t slice = index / j->parts / c->groups, group = index / j->parts % c->groups;
  part t = {.j = j, .line = index % j->parts * j->height};
  t.lines = least(j->height, j->lines - t.line);
  t.sums = j->sums + ((slice * c->groups + group) * j->lines + t.line) * c->cy * j->size;
  char *packed = room + aligned(j->height * j->chunk * j->size);
  t.gathered = room, t.packed = packed;
  t.pitch = j->in_place ? j->places : j->chunk;
  bool first = true;
  for (int64_t i = slice * c->n / j->slices; i < (slice + 1) * c->n / j->slices; i++) {
    int64_t at = i * c->groups + group;
    const char *x = c->x_data + at * c->cx * cr__conv_places(c->x) * j->size;
    const char *y = c->y_data + at * c->cy * j->places * j->size;
    for (int64_t p = 0; p < j->places && !cr__cpu_stopped(); p += j->chunk, first = false) {
      t.n = least(j->chunk, j->places - p);
      cr__conv_lines lines = {j->axes, x, t.line, t.lines, p, t.n, j->chunk};
      if (j->in_place) t.gathered = x + (t.line * j->places + p) * j->size;
      else cr__conv_gather(j->size, &lines, room);
      pack(j, y + p * j->size, t.n, packed);
      multiply(&t, first);
    }
  }
}

/* ---- The slices' sums --------------------------------------------------------------------------- */

#define ADD(NAME, T)                                              \
  static void add_##NAME(int64_t n, void *sum_, const void *x_) { \
    T *sum = sum_;                                                \
    const T *x = x_;                                              \
    for (int64_t i = 0; i < n; i++) sum[i] += x[i];               \
  }
ADD(f64, double)
ADD(f32, float)
ADD(i64, uint64_t)
ADD(i32, uint32_t)

/* Adds up the slices of some lines, in the first one, and brings these to the weight: a line is of one channel and
 * tap, and has the channels of the result side by side. */
static void join_lines(void *job_, int64_t begin, int64_t end) {
  const job *j = job_;
  const cr__conv *c = j->c;
  void (*add)(int64_t, void *, const void *) = c->dtype == CR_FLOAT64   ? add_f64
                                               : c->dtype == CR_FLOAT32 ? add_f32
                                               : c->dtype == CR_INT64   ? add_i64
                                                                        : add_i32;
  for (int64_t i = begin; i < end && !cr__cpu_stopped(); i++) {
    int64_t group = i / j->lines, line = i % j->lines,
            each = c->groups * j->lines * c->cy * j->size;
    char *sum = j->sums + i * c->cy * j->size;
    for (int64_t s = 1; s < j->slices; s++) add(c->cy, sum, sum + s * each);
    cr__write_run(c->out + (group * c->cy * j->lines + line) * j->size, c->dtype, j->lines, sum,
                  c->dtype, c->cy);
  }
}

static void plan(job *j) {
  const cr__conv *c = j->c;
  int64_t each = c->groups * j->lines * c->cy * j->size; /* bytes of a slice's sums */
  j->chunk = least(j->places, CR__CONV_WIDTH);
  j->parts = pieces(j->lines, LINES);
  j->height = pieces(j->lines, j->parts);
  j->slices = least(pieces(TASKS, j->parts * c->groups), c->n);
  if (j->slices > 1) j->slices = least(j->slices, MOST_BYTES / each);
  if (j->slices < 1) j->slices = 1;
}

int cr__conv_weight(const cr__conv *c) {
  job j = {.c = c,
           .l = cr__gemm_loops_for(c->dtype),
           .size = (int64_t)cr__size_of((cr_dtype)c->dtype)};
  for (int d = 0; d < CR__CONV_DIMS; d++) j.axes[d] = cr__conv_forward_axis(cr__conv_dim_of(c, d));
  j.taps = cr__conv_places(c->w), j.places = cr__conv_places(c->y);
  j.lines = c->cx * j.taps;
  j.in_place = cr__conv_is_plain(c);
  if (j.lines == 0 || c->cy == 0) return 0;
  plan(&j);
  size_t bytes = (size_t)(j.slices * c->groups * j.lines * c->cy * j.size) + 64;
  size_t room = (size_t)(aligned(j.height * j.chunk * j.size) +
                         pieces(c->cy, j.l->cols) * j.l->cols * j.chunk * j.size);
  j.sums = cr__host_alloc_for(c->op, bytes);
  if (!j.sums) return (int)cr_error_code();
  int64_t tasks = j.slices * c->groups * j.parts, work;
  int64_t terms = pieces(c->n, j.slices) * j.places, one = j.height * (c->cy / 16 + 1) + c->cy;
  if (__builtin_mul_overflow(terms, one, &work) || __builtin_mul_overflow(work, tasks, &work))
    work = INT64_MAX;
  int code = cr__cpu_lines(c->op, tasks, work, room + 64, run_part, &j);
  if (!code)
    code = cr__cpu_share(c->groups * j.lines, c->groups * j.lines * c->cy * (j.slices + 2),
                         join_lines, &j);
  cr__host_free(j.sums, bytes);
  return code;
}
