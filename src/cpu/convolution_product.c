/* convolution_product.c: convolutions and their transposes as products of matrices, of which one is gathered.
 *
 * Holds true: a result is weight times lines of the source that are gathered a tile at a time, in the form in which
 * the tiles of gemm.h take them, so that memory for them is bounded. Of a transpose, the results whose places leave
 * one rest by the stride take the same taps: each such class is a product of its own, and nothing is added up in
 * place. An element's terms are summed in blocks whose sizes depend on how many there are. */
#include <string.h>

#include "convert.h"
#include "convolution.h"
#include "gemm.h"

/* TILE_BYTES: what is gathered at a time stays in the second cache. */
enum { TILE_BYTES = 1 << 19, ROWS = 1024, TASKS = 16 };

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t pieces(int64_t n, int64_t of) { return (n + of - 1) / of; }
static int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

/* The places of a result that take the same taps, in all images and groups. */
typedef struct product {
  const cr__conv *c;
  const cr__gemm_loops *l;
  cr__conv_axis axes[CR__CONV_DIMS];
  const char *weight, *source; /* weight: rows x k for each group */
  int64_t size;                /* bytes of an element */
  int64_t rows, k, places;     /* of a group's product */
  int64_t channel, result;     /* places in a channel of the source, and of the whole result */
  int64_t channels;            /* of the source, in a group */
  bool dense;                  /* the places are all of the result */
  int64_t kb, width, blocks;   /* terms and places gathered at a time; how many such stretches */
  int64_t height, parts;       /* rows that one task computes, and how many such parts */
} product;

/* ---- One stretch of places --------------------------------------------------------------------- */

/* Where a task computes: rows [row, row + rows) of places [place, place + n) of a group's result. */
typedef struct part {
  const product *p;
  const char *source, *weight, *bias;
  int64_t row, rows, place, n;
  char *tiles, *to; /* to: the first of these rows and places */
  int64_t to_row;   /* bytes from row to row */
} part;

static void put_bias(const part *t) {
  for (int64_t i = 0; i < t->rows; i++) {
    static const char zero[CR__MAX_ELEMENT];
    const char *b = t->bias ? t->bias + (t->row + i) * t->p->size : zero;
    cr__splat(t->to + i * t->to_row, b, (size_t)t->p->size, t->n);
  }
}

static void gather(const part *t, int64_t k0, int64_t k) {
  const product *p = t->p;
  int64_t columns = p->l->cols;
  for (int64_t at = 0; at < t->n; at += columns) {
    cr__conv_lines lines = {.axes = p->axes,
                            .from = t->source,
                            .line = k0,
                            .lines = k,
                            .first = t->place + at,
                            .n = least(columns, t->n - at),
                            .pitch = columns};
    cr__conv_gather(p->size, &lines, t->tiles + at * k * p->size);
  }
}

/* Adds the terms from k0 on; as the first ones, where nothing is there yet. */
static void multiply(const part *t, int64_t k0, int64_t k, bool first) {
  const product *p = t->p;
  int64_t panels = pieces(t->rows, p->l->rows), columns = p->l->cols;
  for (int64_t i = 0; i < panels && !cr__cpu_stopped(); i++) {
    int64_t row = i * t->rows / panels, end = (i + 1) * t->rows / panels;
    cr__gemm_tile g = {.rows = end - row, .k = k, .ar = p->k * p->size, .ak = p->size};
    g.a = t->weight + ((t->row + row) * p->k + k0) * p->size;
    g.bk = columns * p->size;
    g.cr = g.dr = t->to_row;
    for (int64_t at = 0; at < t->n; at += columns) {
      g.cols = least(columns, t->n - at);
      g.b = t->tiles + at * k * p->size;
      g.c = t->to + row * t->to_row + at * p->size;
      g.d = first ? NULL : g.c;
      p->l->tile(&g);
    }
  }
}

/* The places of a class, which were computed side by side, go where they belong. */
static void spread(const part *t, char *result) {
  const product *p = t->p;
  const cr__conv_axis *a = p->axes;
  const int64_t *whole = p->c->x;
  for (int64_t done = 0; done < t->n;) {
    int64_t at = t->place + done, q2 = at % a[2].count, q1 = at / a[2].count % a[1].count;
    int64_t q0 = at / a[2].count / a[1].count, n = least(a[2].count - q2, t->n - done);
    int64_t to =
        ((a[0].to + q0 * a[0].to_step) * whole[1] + a[1].to + q1 * a[1].to_step) * whole[2] +
        a[2].to + q2 * a[2].to_step;
    for (int64_t i = 0; i < t->rows; i++)
      cr__write_run(result + ((t->row + i) * p->result + to) * p->size, p->c->dtype, a[2].to_step,
                    t->to + i * t->to_row + done * p->size, p->c->dtype, n);
    done += n;
  }
}

/* A task: some rows of one stretch, of one group of an image. */
static void run_part(const void *product_, int64_t index, char *room) {
  const product *p = product_;
  int64_t at = index / p->parts, block = at % p->blocks, group = at / p->blocks;
  part t = {.p = p, .row = index % p->parts * p->height, .place = block * p->width};
  t.rows = least(p->height, p->rows - t.row);
  t.n = least(p->width, p->places - t.place);
  t.source = p->source + group * p->channels * p->channel * p->size;
  char *result = p->c->out + group * p->rows * p->result * p->size;
  int64_t of_groups = group % p->c->groups;
  t.weight = p->weight + of_groups * p->rows * p->k * p->size;
  t.bias = p->c->bias ? p->c->bias + of_groups * p->rows * p->size : NULL;
  t.tiles = room;
  t.to = p->dense ? result + (t.row * p->result + t.place) * p->size
                  : room + aligned(p->kb * p->width * p->size);
  t.to_row = (p->dense ? p->result : p->width) * p->size;
  if (t.bias || p->k == 0) put_bias(&t);
  for (int64_t k0 = 0; k0 < p->k && !cr__cpu_stopped(); k0 += p->kb) {
    int64_t k = least(p->kb, p->k - k0);
    gather(&t, k0, k);
    multiply(&t, k0, k, k0 == 0 && !t.bias);
  }
  if (!p->dense) spread(&t, result);
}

/* ---- Products ---------------------------------------------------------------------------------- */

static void plan(product *p) {
  int64_t columns = p->l->cols, most = p->l->depth;
  p->kb = p->k ? pieces(p->k, pieces(p->k, most)) : 0;
  int64_t panels = TILE_BYTES / (columns * p->size * (p->kb ? p->kb : 1));
  panels = least(panels < 1 ? 1 : panels, pieces(p->places, columns));
  panels = least(panels, p->l->depth / columns); /* what is put aside stays small, too */
  p->blocks = pieces(pieces(p->places, columns), panels);
  p->width = pieces(pieces(p->places, columns), p->blocks) * columns;
  p->blocks = pieces(p->places, p->width);
  int64_t tasks = p->c->n * p->c->groups * p->blocks, wanted = pieces(TASKS, tasks);
  int64_t parts = pieces(p->rows, ROWS);
  if (parts < wanted) parts = wanted;
  parts = least(parts, pieces(p->rows, 4 * p->l->rows)); /* so that gathering pays */
  p->height = pieces(p->rows, parts);
  p->parts = pieces(p->rows, p->height);
}

static int run(product *p) {
  const cr__conv *c = p->c;
  int64_t bytes, work;
  if (p->places == 0 || p->rows == 0 || c->n == 0) return 0;
  p->l = cr__gemm_loops_for(c->dtype);
  p->size = (int64_t)cr__size_of((cr_dtype)c->dtype);
  plan(p);
  bytes = aligned(p->kb * p->width * p->size) + (p->dense ? 0 : p->height * p->width * p->size);
  int64_t tasks = c->n * c->groups * p->blocks * p->parts;
  int64_t each = p->height * p->width * (p->k / 16 + 1) + p->k * p->width / 4;
  if (__builtin_mul_overflow(tasks, each, &work)) work = INT64_MAX;
  return cr__cpu_lines(c->op, tasks, work, (size_t)bytes + 64, run_part, p);
}

int cr__conv_forward(const cr__conv *c) {
  product p = {.c = c, .weight = c->w_data, .source = c->x_data, .rows = c->cy, .dense = true};
  for (int d = 0; d < CR__CONV_DIMS; d++) p.axes[d] = cr__conv_forward_axis(cr__conv_dim_of(c, d));
  p.channels = c->cx;
  p.k = c->cx * cr__conv_places(c->w);
  p.channel = cr__conv_places(c->x);
  p.places = p.result = cr__conv_places(c->y);
  return run(&p);
}

/* ---- The input of a result --------------------------------------------------------------------- */

typedef struct turned {
  const product *p;
  char *to;
} turned;

/* The weights of one channel of the input, for the taps of a class: their places are cy x taps. */
static void turn_row(void *turned_, int64_t begin, int64_t end) {
  const turned *t = turned_;
  const product *p = t->p;
  const cr__conv *c = p->c;
  const cr__conv_axis *a = p->axes;
  int64_t taps = cr__conv_places(c->w), size = p->size;
  for (int64_t row = begin; row < end; row++) {
    int64_t group = row / c->cx, channel = row % c->cx;
    char *to = t->to + row * p->k * size;
    for (int64_t y = 0; y < c->cy && !cr__cpu_stopped(); y++) {
      const char *from = c->w_data + ((group * c->cy + y) * c->cx + channel) * taps * size;
      for (int64_t t0 = 0; t0 < a[0].taps; t0++)
        for (int64_t t1 = 0; t1 < a[1].taps; t1++) {
          int64_t line = (a[0].tap + t0 * a[0].tap_step) * c->w[1] + a[1].tap + t1 * a[1].tap_step;
          cr__read_run(to, c->dtype, from + (line * c->w[2] + a[2].tap) * size, c->dtype,
                       a[2].tap_step, a[2].taps);
          to += a[2].taps * size;
        }
    }
  }
}

static int run_class(product *p) {
  const cr__conv *c = p->c;
  const cr__conv_axis *a = p->axes;
  p->k = c->cy * a[0].taps * a[1].taps * a[2].taps;
  p->places = a[0].count * a[1].count * a[2].count;
  p->dense = p->places == p->result;
  p->size = (int64_t)cr__size_of((cr_dtype)c->dtype);
  int64_t rows = c->groups * c->cx, elements = rows * p->k;
  size_t bytes = (size_t)(elements * p->size) + 64;
  char *weight = cr__host_alloc_for(c->op, bytes);
  if (!weight) return (int)cr_error_code();
  int code = cr__cpu_share(rows, elements * 2, turn_row, &(turned){p, weight});
  p->weight = weight;
  if (!code) code = run(p);
  cr__host_free(weight, bytes);
  return code;
}

int cr__conv_input(const cr__conv *c) {
  product p = {.c = c, .source = c->y_data, .rows = c->cx, .channels = c->cy};
  p.channel = cr__conv_places(c->y);
  p.result = cr__conv_places(c->x);
  cr__conv_dim dims[CR__CONV_DIMS];
  int64_t rests[CR__CONV_DIMS];
  for (int d = 0; d < CR__CONV_DIMS; d++) {
    dims[d] = cr__conv_dim_of(c, d);
    rests[d] = cr__conv_rests(dims[d]);
  }
  int64_t classes = cr__conv_places(rests);
  int code = 0;
  for (int64_t i = 0; i < classes && !code; i++) {
    p.axes[0] = cr__conv_input_axis(dims[0], i / rests[2] / rests[1]);
    p.axes[1] = cr__conv_input_axis(dims[1], i / rests[2] % rests[1]);
    p.axes[2] = cr__conv_input_axis(dims[2], i % rests[2]);
    code = run_class(&p);
    if (!code) code = cr__interrupted();
  }
  return code;
}
