/* standardize.c: rows less their mean, over their spread, and the derivative of that.
 *
 * Holds true: all views are contiguous. A unit of work is a few rows, whatever the threads; what rows add to the
 * gradients of weight and bias is gathered in float64 by a fixed number of parts, and these are added in order. */
#include <stdatomic.h>
#include <string.h>

#include "convert.h"
#include "cpu.h"
#include "standardize.h"

enum {
  UNIT = 4096,   /* elements that rows of fewer are put together to */
  FEW_ROWS = 16, /* whose gradients of weight and bias are added up before float64 takes over */
  PAST = 4 << 20 /* bytes of results that go past the caches */
};

typedef cr__rows_job job;
typedef cr__gathering gathering;

static int64_t size_of(int dtype) { return (int64_t)cr__size_of((cr_dtype)dtype); }

/* ---- Units ---- */

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

static void run_backward(const job *j, int64_t first, int64_t last, const gathering *to) {
  bool few = j->each && to->for_weight;
  if (few) memset(to->few_weights, 0, (size_t)(2 * j->groups * j->channels * size_of(j->type)));
  for (int64_t r = first, rows; r < last && !cr__cpu_stopped(); r += rows) {
    int64_t end = first + ((r - first) / FEW_ROWS + 1) * FEW_ROWS;
    rows = cr__rows_together(j, r, few && end < last ? end : last);
    cr__standardize_rows_backward(j, r, rows, to);
    if (few && (r + rows == last || r + rows == end)) add_few(j, to);
  }
}

static void run_unit(job *j, int64_t unit) {
  int64_t all = j->outer * j->groups, first = unit * j->rows_each;
  int64_t last = first + j->rows_each < all ? first + j->rows_each : all;
  for (int64_t r = first, rows; r < last && !j->grad && !cr__cpu_stopped(); r += rows) {
    rows = cr__rows_together(j, r, last);
    cr__standardize_rows(j, r, rows);
  }
  if (!j->grad) return;
  size_t width = (size_t)(j->groups * j->channels * size_of(j->type));
  size_t nbytes = j->each && j->for_weight ? 2 * width : 0;
  char *room = nbytes ? cr__host_alloc(nbytes) : NULL;
  if (nbytes && !room) {
    atomic_store(&j->failed, true);
    return;
  }
  gathering to = {NULL, NULL, room, room ? room + width : NULL};
  if (j->for_weight) to.for_weight = j->for_weight + unit * j->part_step;
  if (j->for_bias) to.for_bias = j->for_bias + unit * j->part_step;
  run_backward(j, first, last, &to);
  cr__host_free(room, nbytes);
}

static void run_units(void *p, int64_t begin, int64_t end) {
  for (int64_t unit = begin; unit < end; unit++) run_unit(p, unit);
}

static int run_all(job *j) {
  int64_t rows = j->outer * j->groups;
  bool done = false;
  if (rows == 0) return 0;
  if (cr__goes_by_columns(j)) {
    int code = j->grad ? cr__standardize_columns_backward(j, j->for_weight, j->for_bias, &done)
                       : cr__standardize_columns(j, &done);
    if (code || done) return code;
  }
  int code =
      cr__cpu_share((rows + j->rows_each - 1) / j->rows_each, rows * (j->n / 4 + 8), run_units, j);
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
  j->past = j->dtype == j->type && j->outer * j->groups * j->n * size_of(j->dtype) >= PAST;
  j->rows_each = j->n >= UNIT ? 1 : UNIT / (j->n > 0 ? j->n : 1);
  /* Rows that do not lie in one place go with their neighbours. */
  int64_t together = j->batch > 1 ? cr__rows_together(j, 0, j->groups) : 1;
  if (j->rows_each < together) j->rows_each = together;
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
