/* convolution_depthwise.c: convolutions of each channel with a kernel of its own.
 *
 * Holds true: what the results of a channel take is put together first, some rows at a time, with zeros where the source
 * has no place, so that every tap takes neighbours for neighbours. Sums over images are made channel by channel, in
 * slices whose borders depend on sizes alone, in double. */
#include <string.h>

#include "convert.h"
#include "convolution.h"

/* WHOLE: places of a channel that is computed at once; between bands the host may stop the call. */
enum { MOST_TAPS = 256, NEAR_BYTES = 1 << 18, TASKS = 16, WHOLE = 1 << 22 };

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* A band of results, what they take, and where in it that lies for each tap. */
typedef struct band {
  cr__conv_plane plane;
  int64_t first[CR__CONV_DIMS]; /* the results that it begins with */
  int64_t at[MOST_TAPS], weight[MOST_TAPS];
  int64_t taps;
} band;

/* In dim d: how far from the place that is taken first tap t begins. */
static int64_t beyond(const cr__conv_axis *a, int64_t t) {
  return a->tap_offset >= 0 ? t * a->tap_offset : (t - (a->taps - 1)) * a->tap_offset;
}

static int64_t farthest(const cr__conv_axis *a) {
  if (a->taps == 0) return 0;
  return beyond(a, a->tap_offset >= 0 ? a->taps - 1 : 0);
}

/* How many places a plane of so many results has in dim d, of all rests. */
static int64_t extent(const cr__conv_axis *a, int64_t count) {
  return least(a->step, farthest(a) + 1) * (count + farthest(a) / a->step);
}

/* How many results of dims 0 and 1 a band may have. */
static void limit(const cr__conv_axis *a, int64_t size, int64_t most[2]) {
  int64_t line = extent(&a[2], a[2].count) * size, sheet = line * extent(&a[1], a[1].count);
  most[0] = a[0].count, most[1] = a[1].count;
  while (most[0] > 1 && sheet * extent(&a[0], most[0]) > NEAR_BYTES) most[0] = (most[0] + 1) / 2;
  line *= extent(&a[0], most[0]);
  while (most[1] > 8 && line * extent(&a[1], most[1]) > NEAR_BYTES) most[1] = (most[1] + 1) / 2;
}

/* Elements that the largest band takes. */
static int64_t room_for(const cr__conv_axis *a, const int64_t most[2]) {
  return extent(&a[0], most[0]) * extent(&a[1], most[1]) * extent(&a[2], a[2].count);
}

static void set_plane(band *b, const cr__conv_axis *axes, const int64_t most[2]) {
  cr__conv_plane *p = &b->plane;
  for (int d = 0; d < CR__CONV_DIMS; d++) {
    cr__conv_axis *a = &p->axes[d];
    *a = axes[d];
    if (d < 2) a->count = least(most[d], a->count - b->first[d]);
    p->low[d] =
        a->offset + b->first[d] * a->step + (a->tap_offset < 0 ? (a->taps - 1) * a->tap_offset : 0);
    p->rests[d] = least(a->step, farthest(a) + 1);
    p->size[d] = a->count + farthest(a) / a->step;
  }
}

/* Where the taps begin, from the first place on, and which of the kernel's they are. */
static void set_taps(band *b, const int64_t w[CR__CONV_DIMS]) {
  const cr__conv_plane *p = &b->plane;
  const cr__conv_axis *a = p->axes;
  int64_t n = 0, t[CR__CONV_DIMS];
  for (t[0] = 0; t[0] < a[0].taps; t[0]++)
    for (t[1] = 0; t[1] < a[1].taps; t[1]++)
      for (t[2] = 0; t[2] < a[2].taps; t[2]++, n++) {
        int64_t rest = 0, place = 0, tap = 0;
        for (int d = 0; d < CR__CONV_DIMS; d++) {
          int64_t now = a[d].tap_offset < 0 ? a[d].taps - 1 - t[d] : t[d];
          int64_t far = beyond(&a[d], now);
          rest = rest * p->rests[d] + far % a[d].step;
          place = place * p->size[d] + far / a[d].step;
          tap = tap * w[d] + a[d].tap + now * a[d].tap_step;
        }
        b->at[n] = rest * cr__conv_places(p->size) + place;
        b->weight[n] = tap;
      }
  b->taps = n;
}

/* The band of these results; `only` if that is all, and it is there already. */
static const band *band_of(band *b, const band *only, const cr__conv_axis *axes,
                           const int64_t most[2], const int64_t w[CR__CONV_DIMS]) {
  if (only) return only;
  set_plane(b, axes, most);
  set_taps(b, w);
  return b;
}

static void arrange(const cr__conv_plane *p, int64_t size, const char *from, char *to) {
  const cr__conv_loops *l = cr__conv_loops_here();
  if (size == 4) l->arrange4(p, from, to);
  else l->arrange8(p, from, to);
}

/* ---- Small kernels that move by one place --------------------------------------------------------- */

/* Whether results take what the loops read in place: images, a kernel of 3 or 5 rows close together, a step of 1. */
static bool is_near(const cr__conv_axis *a) {
  bool flat = a[0].count == 1 && a[0].size == 1 && a[0].taps == 1 && a[0].offset == 0;
  bool close = a[1].tap_offset == 1 || a[1].tap_offset == -1;
  if (a[1].count > WHOLE / a[2].count) return false;
  return flat && close && a[1].step == 1 && a[2].step == 1 && (a[1].taps == 3 || a[1].taps == 5) &&
         a[2].taps > 0;
}

/* The loops go through taps from the place that is taken first on; so do weights, which may be turned for that. */
static cr__conv_near near_of(const cr__conv_axis *a, const char *from) {
  cr__conv_near n = {.from = from, .rows = a[1].count, .columns = a[2].count};
  n.height = a[1].size, n.width = a[2].size;
  n.tall = a[1].taps, n.wide = a[2].taps;
  n.apart = a[2].tap_offset < 0 ? -a[2].tap_offset : a[2].tap_offset;
  n.row = a[1].offset + (a[1].tap_offset < 0 ? (a[1].taps - 1) * a[1].tap_offset : 0);
  n.column = a[2].offset + (a[2].tap_offset < 0 ? (a[2].taps - 1) * a[2].tap_offset : 0);
  return n;
}

/* ---- Results, and inputs of results ------------------------------------------------------------- */

typedef struct job {
  const cr__conv *c;
  cr__conv_axis axes[CR__CONV_DIMS];
  int64_t size, most[2], room; /* room: elements of a band */
  const band *only;            /* the band of all results; NULL: there are more */
  bool near;                   /* what is taken is read in place; then `only` is there */
  const char *source, *weight;
  int64_t whole[CR__CONV_DIMS]; /* of the result's sizes */
  bool side_by_side;            /* results of a row */
} job;

/* Brings a row of results, of a class, to their places. */
static void put_row(const job *j, const band *b, char *to, int64_t q0, int64_t q1,
                    const char *row) {
  const cr__conv_axis *a = b->plane.axes;
  int64_t line = (a[0].to + (b->first[0] + q0) * a[0].to_step) * j->whole[1] + a[1].to +
                 (b->first[1] + q1) * a[1].to_step;
  cr__write_run(to + (line * j->whole[2] + a[2].to) * j->size, j->c->dtype, a[2].to_step, row,
                j->c->dtype, a[2].count);
}

/* The results of a sheet of a band; `aside`: a sheet of memory, where rows are not to be left side by side. */
static void run_sheet(const job *j, const band *b, int64_t q0, const char *taken,
                      const char *weight, double start, char *to, char *aside) {
  const cr__conv_plane *p = &b->plane;
  const cr__conv_axis *a = p->axes;
  cr__conv_rows r = {.from = taken + q0 * p->size[1] * p->size[2] * j->size,
                     .rows = a[1].count,
                     .columns = a[2].count,
                     .pitch = a[2].count,
                     .step = p->size[2],
                     .taps = b->taps,
                     .at = b->at};
  int64_t line = (b->first[0] + q0) * j->whole[1] + b->first[1];
  char *out = j->side_by_side ? to + line * j->whole[2] * j->size : aside;
  const cr__conv_loops *l = cr__conv_loops_here();
  if (j->size == 4) l->taps_f32(&r, weight, start, out);
  else l->taps_f64(&r, weight, start, out);
  for (int64_t q1 = 0; !j->side_by_side && q1 < a[1].count; q1++)
    put_row(j, b, to, q0, q1, aside + q1 * a[2].count * j->size);
}

static double bias_of(const cr__conv *c, int64_t channel) {
  if (!c->bias) return 0;
  return c->dtype == CR_FLOAT32 ? (double)((const float *)(const void *)c->bias)[channel]
                                : ((const double *)(const void *)c->bias)[channel];
}

static void run_near(const job *j, const char *from, const char *weight, double start, char *to,
                     char *aside) {
  const cr__conv_loops *l = cr__conv_loops_here();
  cr__conv_near near = near_of(j->axes, from);
  char *out = j->side_by_side ? to : aside;
  if (j->size == 4) l->near_taps_f32(&near, weight, start, out);
  else l->near_taps_f64(&near, weight, start, out);
  for (int64_t q1 = 0; !j->side_by_side && q1 < near.rows; q1++)
    put_row(j, j->only, to, 0, q1, aside + q1 * near.columns * j->size);
}

/* A channel of an image. */
static void run_channel(const void *job_, int64_t index, char *room) {
  const job *j = job_;
  const cr__conv *c = j->c;
  int64_t channel = index % c->groups, taps = cr__conv_places(c->w);
  int64_t bytes = j->axes[0].size * j->axes[1].size * j->axes[2].size * j->size;
  const char *from = j->source + index * bytes;
  const char *kernel = j->weight + channel * taps * j->size;
  char *to = c->out + index * cr__conv_places(j->whole) * j->size;
  char *aside = room + j->room * j->size;
  _Alignas(64) char weight[MOST_TAPS * sizeof(double)];
  band b;
  b.first[2] = 0;
  if (j->near) {
    for (int64_t t = 0; t < j->only->taps; t++)
      memcpy(weight + t * j->size, kernel + j->only->weight[t] * j->size, (size_t)j->size);
    run_near(j, from, weight, bias_of(c, channel), to, aside);
    return;
  }
  for (b.first[0] = 0; b.first[0] < j->axes[0].count; b.first[0] += j->most[0])
    for (b.first[1] = 0; b.first[1] < j->axes[1].count; b.first[1] += j->most[1]) {
      if (cr__cpu_stopped()) return;
      const band *here = band_of(&b, j->only, j->axes, j->most, c->w);
      for (int64_t t = 0; t < here->taps; t++)
        memcpy(weight + t * j->size, kernel + here->weight[t] * j->size, (size_t)j->size);
      if (here->taps) arrange(&here->plane, j->size, from, room);
      for (int64_t q0 = 0; q0 < here->plane.axes[0].count; q0++)
        run_sheet(j, here, q0, room, weight, bias_of(c, channel), to, aside);
    }
}

/* Cuts results into bands; `whole` is there for as long as j, to hold the only one. */
static void plan(job *j, band *whole, bool may_be_near) {
  const cr__conv_axis *a = j->axes;
  j->size = (int64_t)cr__size_of((cr_dtype)j->c->dtype);
  limit(a, j->size, j->most);
  j->room = room_for(a, j->most);
  memset(whole->first, 0, sizeof whole->first);
  j->near = may_be_near && is_near(a);
  if (j->near) j->most[0] = a[0].count, j->most[1] = a[1].count;
  bool one = j->most[0] == a[0].count && j->most[1] == a[1].count;
  if (j->near) j->room = 0;
  j->only = one ? band_of(whole, NULL, a, j->most, j->c->w) : NULL;
}

static int run(job *j) {
  const cr__conv *c = j->c;
  const cr__conv_axis *a = j->axes;
  band whole;
  plan(j, &whole, true);
  j->side_by_side = a[0].to_step == 1 && a[1].to_step == 1 && a[2].to_step == 1;
  int64_t places = a[0].count * a[1].count * a[2].count, channels = c->n * c->groups, work;
  int64_t each = places * (a[0].taps * a[1].taps * a[2].taps + 8) / 8 + 200;
  if (places == 0 || channels == 0) return 0;
  if (__builtin_mul_overflow(each, channels, &work)) work = INT64_MAX;
  size_t bytes = (size_t)((j->room + j->most[1] * a[2].count) * j->size);
  return cr__cpu_lines(c->op, channels, work, bytes, run_channel, j);
}

/* Kernels that reach beyond the image would be put together of zeros for the most part. */
bool cr__conv_is_depthwise(const cr__conv *c) {
  for (int d = 0; d < CR__CONV_DIMS; d++)
    if ((c->w[d] - 1) * c->dilation[d] > c->x[d]) return false;
  return c->cx == 1 && c->cy == 1 && cr__is_float((cr_dtype)c->dtype) &&
         cr__conv_places(c->w) <= MOST_TAPS;
}

int cr__conv_depthwise_forward(const cr__conv *c) {
  job j = {.c = c, .source = c->x_data, .weight = c->w_data};
  for (int d = 0; d < CR__CONV_DIMS; d++) {
    j.axes[d] = cr__conv_forward_axis(cr__conv_dim_of(c, d));
    j.whole[d] = c->y[d];
  }
  return run(&j);
}

int cr__conv_depthwise_input(const cr__conv *c) {
  job j = {.c = c, .source = c->y_data, .weight = c->w_data};
  cr__conv_dim dims[CR__CONV_DIMS];
  int64_t rests[CR__CONV_DIMS];
  for (int d = 0; d < CR__CONV_DIMS; d++) {
    dims[d] = cr__conv_dim_of(c, d);
    rests[d] = cr__conv_rests(dims[d]);
    j.whole[d] = c->x[d];
  }
  int64_t classes = cr__conv_places(rests);
  int code = 0;
  for (int64_t i = 0; i < classes && !code; i++) {
    j.axes[0] = cr__conv_input_axis(dims[0], i / rests[2] / rests[1]);
    j.axes[1] = cr__conv_input_axis(dims[1], i / rests[2] % rests[1]);
    j.axes[2] = cr__conv_input_axis(dims[2], i % rests[2]);
    code = run(&j);
    if (!code) code = cr__interrupted();
  }
  return code;
}

/* ---- The gradient by the weight ----------------------------------------------------------------- */

typedef struct gradient {
  job j;
  int64_t slices, taps;
  double *sums; /* slices x channels x taps */
} gradient;

/* Adds what a channel of an image gives. */
static void add_image(const gradient *g, const char *x, const char *y, double *sums, char *room) {
  const job *j = &g->j;
  const cr__conv *c = j->c;
  const cr__conv_loops *l = cr__conv_loops_here();
  band b;
  b.first[2] = 0;
  if (j->near) {
    cr__conv_near near = near_of(j->axes, x);
    if (j->size == 4) l->near_dots_f32(&near, y, sums);
    else l->near_dots_f64(&near, y, sums);
    return;
  }
  for (b.first[0] = 0; b.first[0] < j->axes[0].count; b.first[0] += j->most[0])
    for (b.first[1] = 0; b.first[1] < j->axes[1].count; b.first[1] += j->most[1]) {
      if (cr__cpu_stopped()) return;
      const band *here = band_of(&b, j->only, j->axes, j->most, c->w);
      const cr__conv_plane *p = &here->plane;
      arrange(p, j->size, x, room);
      for (int64_t q0 = 0; q0 < p->axes[0].count; q0++) {
        cr__conv_rows r = {.from = room + q0 * p->size[1] * p->size[2] * j->size,
                           .rows = p->axes[1].count,
                           .columns = p->axes[2].count,
                           .pitch = c->y[2],
                           .step = p->size[2],
                           .taps = here->taps,
                           .at = here->at};
        const char *grad = y + ((b.first[0] + q0) * c->y[1] + b.first[1]) * c->y[2] * j->size;
        if (j->size == 4) l->dots_f32(&r, grad, sums);
        else l->dots_f64(&r, grad, sums);
      }
    }
}

/* A channel, over a slice of the images. */
static void run_gradient(const void *gradient_, int64_t index, char *room) {
  const gradient *g = gradient_;
  const cr__conv *c = g->j.c;
  int64_t slice = index / c->groups, channel = index % c->groups;
  double *sums = g->sums + index * g->taps;
  memset(sums, 0, (size_t)g->taps * sizeof *sums);
  for (int64_t i = slice * c->n / g->slices; i < (slice + 1) * c->n / g->slices; i++) {
    int64_t at = i * c->groups + channel;
    if (cr__cpu_stopped()) return;
    add_image(g, c->x_data + at * cr__conv_places(c->x) * g->j.size,
              c->y_data + at * cr__conv_places(c->y) * g->j.size, sums, room);
  }
}

static void join(const gradient *g) {
  const cr__conv *c = g->j.c;
  int64_t all = c->groups * g->taps;
  for (int64_t s = 1; s < g->slices; s++)
    for (int64_t i = 0; i < all; i++) g->sums[i] += g->sums[s * all + i];
  cr__convert(c->out, c->dtype, g->sums, CR_FLOAT64, all);
}

int cr__conv_depthwise_weight(const cr__conv *c) {
  gradient g = {.j = {.c = c}, .taps = cr__conv_places(c->w)};
  for (int d = 0; d < CR__CONV_DIMS; d++)
    g.j.axes[d] = cr__conv_forward_axis(cr__conv_dim_of(c, d));
  band whole;
  plan(&g.j, &whole, c->w[1] == 3 && c->w[2] == 3);
  g.slices = least((TASKS + c->groups - 1) / c->groups, c->n);
  size_t bytes = (size_t)(g.slices * c->groups * g.taps) * sizeof(double);
  g.sums = cr__host_alloc_for(c->op, bytes);
  if (!g.sums) return (int)cr_error_code();
  int64_t each = cr__conv_places(c->y) * (g.taps + 8) / 8 + 200, work;
  if (__builtin_mul_overflow(each, c->n * c->groups, &work)) work = INT64_MAX;
  int code = cr__cpu_lines(c->op, g.slices * c->groups, work, (size_t)(g.j.room * g.j.size),
                           run_gradient, &g);
  if (!code) join(&g);
  cr__host_free(g.sums, bytes);
  return code;
}
