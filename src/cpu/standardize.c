/* standardize.c: rows less their mean, over their spread, and the derivative of that.
 *
 * Holds true: all views are contiguous. A row is a unit of work, whatever the threads; what rows add to the gradients
 * of weight and bias is gathered in float64 by a fixed number of parts, and these are added in order. Rows of other
 * dtypes than float32 and float64, and those whose elements lie far apart, are copied to a line first. */
#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "convert.h"
#include "cpu.h"
#include "cpu/loops/loops.h"
#include "standardize.h"

enum {
  UNIT = 4096,   /* elements that rows of fewer are put together to */
  SCATTERED = 16 /* elements of a row that lie side by side: fewer are copied to a line first */
};

#ifdef __x86_64__
extern const cr__spread_loops cr__spread_loops_v2[2], cr__spread_loops_v3[2],
    cr__spread_loops_v4[2];
const cr__spread_loops *cr__spread_loops_here(bool wide) {
  static const cr__spread_loops *const by_level[] = {cr__spread_loops_v2, cr__spread_loops_v3,
                                                     cr__spread_loops_v4};
  return &by_level[cr__cpu_level()][wide];
}
#else
extern const cr__spread_loops cr__spread_loops_base[2];
const cr__spread_loops *cr__spread_loops_here(bool wide) { return &cr__spread_loops_base[wide]; }
#endif

typedef struct job {
  const cr__spread_loops *loops;
  int dtype, type; /* of the elements; that they are computed with */
  int64_t outer, batch, groups, channels, inner;
  int64_t run, n; /* elements of a row side by side, and all of them */
  bool in_place;  /* a row is worked on where it lies */
  bool each;      /* each element of a run has a weight and a bias of its own */
  double eps;
  bool centred;
  const char *weight, *bias; /* of `type` */
  char *out;
  const char *from, *grad;
  double *mean, *inverse;
  double *for_weight,
      *for_bias; /* of each part, `part_step` apart: 0 where rows share no channel */
  int64_t part_step;
  int64_t rows_each; /* of a part; else of a unit */
  atomic_bool failed;
} job;

/* A row at hand: its segments lie `step` bytes apart. */
typedef struct row {
  const char *x, *g;
  char *out;
  int64_t segments, step, run;
  int64_t first; /* channel, among all */
} row;

static int64_t size_of(int dtype) { return (int64_t)cr__size_of((cr_dtype)dtype); }

/* ---- Rows where they lie, and in a line ---- */

static int64_t place_of(const job *j, int64_t r, int64_t segment) {
  return ((r / j->groups * j->batch + segment) * j->groups + r % j->groups) * j->run;
}

static void gather_row(const job *j, int64_t r, const char *from, char *to) {
  int64_t size = size_of(j->dtype), width = size_of(j->type);
  if (j->run == 1) {
    cr__read_looking(to, j->type, from + place_of(j, r, 0) * size, j->dtype, j->groups, j->batch);
    return;
  }
  for (int64_t b = 0; b < j->batch; b++)
    cr__read_looking(to + b * j->run * width, j->type, from + place_of(j, r, b) * size, j->dtype, 1,
                     j->run);
}

static void scatter_row(const job *j, int64_t r, const char *from) {
  int64_t size = size_of(j->dtype), width = size_of(j->type);
  if (j->run == 1) {
    cr__write_run(j->out + place_of(j, r, 0) * size, j->dtype, j->groups, from, j->type, j->batch);
    return;
  }
  for (int64_t b = 0; b < j->batch; b++)
    cr__write_run(j->out + place_of(j, r, b) * size, j->dtype, 1, from + b * j->run * width,
                  j->type, j->run);
}

/* `room` holds a row's elements, gradients and results where they are copied. */
static row take_row(const job *j, int64_t r, char *room) {
  int64_t size = size_of(j->dtype), first = r % j->groups * j->channels,
          line = j->n * size_of(j->type);
  if (j->in_place) {
    int64_t at = place_of(j, r, 0) * size;
    return (row){j->from + at, j->grad ? j->grad + at : NULL, j->out + at,
                 j->batch,     j->groups * j->run * size,     j->run,
                 first};
  }
  gather_row(j, r, j->from, room);
  if (j->grad) gather_row(j, r, j->grad, room + line);
  row w =
      {room,   room + line, room + (j->grad ? 2 : 1) * line, j->batch, j->run * size_of(j->type),
       j->run, first};
  if (j->channels == 1) w.segments = 1, w.run = j->n;
  return w;
}

/* ---- Standards ---- */

/* The power of two that brings the largest of float64 elements near 1. */
static double scale_of(const row *w) {
  double most = 0;
  int exponent;
  for (int64_t b = 0; b < w->segments; b++) {
    const double *x = (const double *)(const void *)(w->x + b * w->step);
    for (int64_t i = 0; i < w->run; i++) most = fabs(x[i]) > most ? fabs(x[i]) : most;
  }
  if (!isfinite(most) || most == 0) return 1;
  frexp(most, &exponent);
  return ldexp(1, exponent < -1000 ? 1000 : -exponent);
}

/* Where the squares of elements have left the range of float64. */
static __attribute__((noinline)) cr__standard scaled_standard(const job *j, const row *w) {
  double n = (double)j->n, scale = scale_of(w), middle = 0, square = 0;
  for (int64_t b = 0; b < w->segments && j->centred; b++)
    middle += j->loops->scaled_sum(w->x + b * w->step, w->run, scale);
  middle /= n;
  for (int64_t b = 0; b < w->segments; b++)
    square += j->loops->scaled_squares(w->x + b * w->step, w->run, middle, scale);
  double spread = sqrt(square / n) / scale;
  return (cr__standard){middle / scale, 1 / hypot(spread, sqrt(j->eps)), 1};
}

static cr__standard standard_of(const job *j, const row *w) {
  double n = (double)j->n, mean = 0, square = 0;
  for (int64_t b = 0; b < w->segments && j->centred; b++)
    mean += j->loops->sum(w->x + b * w->step, w->run);
  mean /= n;
  for (int64_t b = 0; b < w->segments; b++)
    square += j->loops->squares(w->x + b * w->step, w->run, mean);
  square /= n;
  bool lost = !(square <= DBL_MAX) || (square < 0x1p-900 && square + j->eps < 0x1p-900);
  if (j->type == CR_FLOAT64 && lost) return scaled_standard(j, w);
  return (cr__standard){mean, 1 / sqrt(square + j->eps), 1};
}

/* The loops for elements of such a standard. Where their differences may leave their type's range, *s scales them. */
static const cr__standardize_loops *loops_for(const job *j, cr__standard *s) {
  double most = j->type == CR_FLOAT64 ? 0x1p1000 : 0x1p100;
  bool near = s->inverse <= most && s->inverse >= 1 / most && fabs(s->mean) <= most;
  if (near || isnan(s->inverse)) return &j->loops->usual;
  if (j->type == CR_FLOAT64) s->scale = 0x1p-4;
  return &j->loops->far;
}

/* ---- Elements ---- */

/* The scales of a channel, or, where each element has its own, from that channel on. */
static cr__scales scales_at(const job *j, const row *w, int64_t channel) {
  int64_t at = w->first + channel, offset = at * size_of(j->type);
  cr__scales by = {NULL, NULL, 1, 0};
  if (j->each) {
    by.weights = j->weight ? j->weight + offset : NULL;
    by.biases = j->bias ? j->bias + offset : NULL;
  } else if (j->type == CR_FLOAT64) {
    if (j->weight) by.weight = ((const double *)(const void *)j->weight)[at];
    if (j->bias) by.bias = ((const double *)(const void *)j->bias)[at];
  } else {
    if (j->weight) by.weight = ((const float *)(const void *)j->weight)[at];
    if (j->bias) by.bias = ((const float *)(const void *)j->bias)[at];
  }
  return by;
}

/* How many parts of a segment have scales of their own, and the elements of one. */
static int64_t parts_of(const job *j, const row *w, bool apart, int64_t *length) {
  bool whole = j->each || !apart || j->channels == 1;
  *length = whole ? w->run : j->inner;
  return whole ? 1 : j->channels;
}

static void standardize_row(const job *j, int64_t r, char *room) {
  row w = take_row(j, r, room);
  cr__standard s = standard_of(j, &w);
  int64_t length, parts = parts_of(j, &w, j->weight || j->bias, &length);
  j->mean[r] = s.mean, j->inverse[r] = s.inverse;
  const cr__standardize_loops *loops = loops_for(j, &s);
  for (int64_t b = 0; b < w.segments; b++)
    for (int64_t c = 0; c < parts; c++) {
      int64_t at = b * w.step + c * length * size_of(j->type);
      cr__scales by = scales_at(j, &w, c);
      loops->apply(w.out + at, w.x + at, length, &s, &by);
    }
  if (!j->in_place) scatter_row(j, r, w.out);
}

/* What rows add to the gradients of weight and bias: of each channel in float64, and, where each element has its own,
 * of a few rows in the elements' type before that. NULL: nothing is asked for. */
typedef struct gathering {
  double *for_weight, *for_bias;
  char *few_weights, *few_biases;
} gathering;

static void add_channel(const gathering *to, int64_t channel, const double *sums) {
  if (!to->for_weight) return;
  to->for_bias[channel] += sums[0];
  to->for_weight[channel] += sums[1];
}

static void backward_row(const job *j, int64_t r, char *room, const gathering *to) {
  row w = take_row(j, r, room);
  cr__standard s = {j->mean[r], j->inverse[r], 1};
  const cr__standardize_loops *loops = loops_for(j, &s);
  int64_t length, parts = parts_of(j, &w, j->weight || to->for_weight, &length),
                  width = size_of(j->type);
  cr__gathered few = {NULL, NULL};
  if (j->each && to->for_weight) few = (cr__gathered){to->few_weights, to->few_biases};
  double a = 0, b = 0;
  for (int64_t at = 0; at < w.segments * parts; at++) {
    int64_t c = at % parts, place = at / parts * w.step + c * length * width;
    cr__scales by = scales_at(j, &w, c), plain = {NULL, NULL, 1, 0};
    double sums[2], weight = j->each ? 1 : by.weight;
    loops->dots(sums, w.g + place, w.x + place, length, &s, j->each ? &by : &plain, &few);
    if (!j->each) add_channel(to, w.first + c, sums);
    a += sums[0] * weight, b += sums[1] * weight;
  }
  a = j->centred ? a / (double)j->n : 0, b /= (double)j->n;
  for (int64_t at = 0; at < w.segments * parts; at++) {
    int64_t c = at % parts, place = at / parts * w.step + c * length * width;
    cr__scales by = scales_at(j, &w, c);
    loops->project(w.out + place, w.g + place, w.x + place, length, &s, &by, a, b);
  }
  if (!j->in_place) scatter_row(j, r, w.out);
}

/* ---- Units ---- */

enum {
  FEW_ROWS = 16
}; /* whose gradients of weight and bias are added up before float64 takes over */

static void add_few(const job *j, const gathering *to) {
  int64_t n = j->groups * j->channels;
  double *sums[] = {to->for_weight, to->for_bias};
  char *few[] = {to->few_weights, to->few_biases};
  for (int k = 0; k < 2; k++) {
    for (int64_t i = 0; i < n && j->type == CR_FLOAT64; i++)
      sums[k][i] += ((double *)(void *)few[k])[i];
    for (int64_t i = 0; i < n && j->type == CR_FLOAT32; i++)
      sums[k][i] += ((float *)(void *)few[k])[i];
    memset(few[k], 0, (size_t)(n * size_of(j->type)));
  }
}

static void run_backward(const job *j, int64_t first, int64_t last, char *room, gathering *to) {
  bool few = j->each && to->for_weight;
  if (few) memset(to->few_weights, 0, (size_t)(2 * j->groups * j->channels * size_of(j->type)));
  for (int64_t r = first; r < last && !cr__cpu_stopped(); r++) {
    backward_row(j, r, room, to);
    if (few && (r + 1 == last || (r + 1 - first) % FEW_ROWS == 0)) add_few(j, to);
  }
}

/* Bytes that a unit works in: a row's copies, and what a few rows add up to. */
static size_t room_of(const job *j) {
  int64_t width = size_of(j->type), copies = j->in_place ? 0 : j->grad ? 3 : 2;
  int64_t few = j->each && j->for_weight ? 2 * j->groups * j->channels : 0;
  return (size_t)((copies * j->n + few) * width);
}

static void run_unit(job *j, int64_t unit) {
  int64_t rows = j->outer * j->groups, first = unit * j->rows_each;
  int64_t last = first + j->rows_each < rows ? first + j->rows_each : rows;
  size_t nbytes = room_of(j), width = (size_t)size_of(j->type);
  char *room = nbytes ? cr__host_alloc(nbytes) : NULL;
  if (nbytes && !room) {
    atomic_store(&j->failed, true);
    return;
  }
  for (int64_t r = first; r < last && !j->grad && !cr__cpu_stopped(); r++)
    standardize_row(j, r, room);
  if (j->grad) {
    gathering to = {NULL, NULL, room + (j->in_place ? 0 : 3 * (size_t)j->n * width), NULL};
    to.few_biases = to.few_weights + (size_t)(j->groups * j->channels) * width;
    if (j->for_weight) to.for_weight = j->for_weight + unit * j->part_step;
    if (j->for_bias) to.for_bias = j->for_bias + unit * j->part_step;
    run_backward(j, first, last, room, &to);
  }
  cr__host_free(room, nbytes);
}

static void run_units(void *p, int64_t begin, int64_t end) {
  for (int64_t unit = begin; unit < end; unit++) run_unit(p, unit);
}

static int run_all(job *j) {
  int64_t rows = j->outer * j->groups;
  if (rows == 0) return 0;
  int code =
      cr__cpu_share((rows + j->rows_each - 1) / j->rows_each, rows * (j->n / 2 + 8), run_units, j);
  if (code || !atomic_load(&j->failed)) return code;
  return cr__fail(CR_E_MEMORY, "out of memory: no room for a row");
}

static void begin(job *j, const cr__view *from) {
  j->dtype = from->dtype;
  j->type = from->dtype == CR_FLOAT64 ? CR_FLOAT64 : CR_FLOAT32;
  j->loops = cr__spread_loops_here(j->type == CR_FLOAT64);
  j->from = from->data;
  j->run = j->channels * j->inner, j->n = j->batch * j->run;
  j->each = j->inner == 1 && j->channels > 1;
  j->in_place = j->dtype == j->type && (j->batch == 1 || j->run >= SCATTERED);
  j->rows_each = j->n >= UNIT ? 1 : UNIT / (j->n > 0 ? j->n : 1);
  atomic_init(&j->failed, false);
}

/* A weight's or bias's elements in the type that is computed with; NULL if it is absent. *own has to be freed. */
static int in_type(const job *j, const cr__view *v, const char **to, char **own) {
  int64_t n = j->groups * j->channels;
  *to = v->data;
  *own = NULL;
  if (!v->data || v->dtype == j->type) return 0;
  *own = cr__host_alloc((size_t)(n * size_of(j->type)));
  if (!*own) return (int)cr_error_code();
  cr__convert(*own, j->type, v->data, v->dtype, n);
  *to = *own;
  return 0;
}

static void free_own(const job *j, char *own) {
  cr__host_free(own, (size_t)(j->groups * j->channels * size_of(j->type)));
}

/* `from` and `out` are rows as above the kernels' declaration in the catalogue, of one floating dtype; mean and inverse
 * are float64, one of each for a row; weight and bias have an element for each channel, of any floating dtype. */
int cr__cpu_standardize(cr__launch *k) {
  const cr__standardize_slots *s = &k->standardize;
  job j = {.outer = s->outer,
           .batch = s->batch,
           .groups = s->groups,
           .channels = s->channels,
           .inner = s->inner,
           .eps = s->eps,
           .centred = s->centred,
           .out = s->out.data};
  char *weight = NULL, *bias = NULL;
  begin(&j, &s->from);
  j.mean = (double *)(void *)s->mean.data, j.inverse = (double *)(void *)s->inverse.data;
  int code = in_type(&j, &s->weight, &j.weight, &weight);
  if (!code) code = in_type(&j, &s->bias, &j.bias, &bias);
  if (!code) code = run_all(&j);
  free_own(&j, weight), free_own(&j, bias);
  return code;
}

/* ---- Gradients of weight and bias ---- */

enum { PARTS = 16 }; /* at most */

/* How many parts gather what rows add: of whole rounds of groups, and so few that their sums take no more room than the
 * tensor itself. */
static int64_t count_parts(const job *j) {
  int64_t most = j->outer < PARTS ? j->outer : PARTS, each = j->groups * j->channels * 2;
  int64_t fit = j->outer * j->groups * j->n / (each > 0 ? each : 1);
  if (most > fit) most = fit;
  return most > 1 ? most : 1;
}

/* Adds up the parts, in order. */
static int join_parts(const job *j, int64_t parts, const double *from, const cr__view *to) {
  int64_t n = j->groups * j->channels, size = size_of(to->dtype);
  for (int64_t i = 0; i < n; i++) {
    double sum = 0;
    for (int64_t p = 0; p < parts; p++) sum += from[p * n + i];
    cr__convert(to->data + i * size, to->dtype, &sum, CR_FLOAT64, 1);
    int code = cr__cpu_look(i);
    if (code) return code;
  }
  return 0;
}

/* Runs all rows with room for what they add to the gradients of weight and bias, and adds that up. */
static int run_gathering(job *j, const cr__view *for_weight, const cr__view *for_bias) {
  int64_t each = j->groups * j->channels, parts = count_parts(j);
  size_t nbytes = (size_t)(parts * each) * sizeof(double);
  double *sums = cr__host_alloc(2 * nbytes);
  if (!sums) return (int)cr_error_code();
  memset(sums, 0, 2 * nbytes);
  j->for_weight = sums;
  j->for_bias = sums + parts * each;
  if (j->outer > 1) {
    int64_t rounds = (j->outer + parts - 1) / parts;
    j->rows_each = rounds * j->groups;
    j->part_step = each;
  }
  int code = run_all(j);
  if (!code && for_weight->data) code = join_parts(j, parts, j->for_weight, for_weight);
  if (!code && for_bias->data) code = join_parts(j, parts, j->for_bias, for_bias);
  cr__host_free(sums, 2 * nbytes);
  return code;
}

/* The views are as above; `out` is the gradient for `from`, of `grad`, the one by the result. */
int cr__cpu_standardize_backward(cr__launch *k) {
  const cr__standardize_backward_slots *s = &k->standardize_backward;
  job j = {.outer = s->outer,
           .batch = s->batch,
           .groups = s->groups,
           .channels = s->channels,
           .inner = s->inner,
           .centred = s->centred,
           .out = s->out.data,
           .grad = s->grad.data};
  char *weight = NULL;
  begin(&j, &s->from);
  j.mean = (double *)(void *)s->mean.data, j.inverse = (double *)(void *)s->inverse.data;
  int code = in_type(&j, &s->weight, &j.weight, &weight);
  bool gathers = s->for_weight.data || s->for_bias.data;
  if (!code) code = gathers ? run_gathering(&j, &s->for_weight, &s->for_bias) : run_all(&j);
  free_own(&j, weight);
  return code;
}
