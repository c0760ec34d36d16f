/* attention_backward.c: the gradients of attention, in tiles that are computed again.
 *
 * Holds true: a task is a head of key and value, and a part of the groups of queries that look at it, which go through
 * the keys block by block. It adds up the gradients of key and value in the order of the queries; where a head is cut
 * into parts, each has sums of its own, and these are added in order. How many parts there are depends on sizes alone. */
#include <math.h>
#include <string.h>

#include "attention.h"
#include "convert.h"

/* PARTS_BYTES: what the sums of all parts may take. */
enum { GROUP = CR__ATTENTION_GROUP, TASKS = 16, PARTS_BYTES = 8 << 20 };

typedef struct job {
  cr__attention a;
  const cr__view *for_query, *for_key, *for_value, *for_mask; /* NULL: not asked for */
  const cr__view *grad, *out, *lines;
  int64_t batch, units, parts; /* units: groups of queries that look at a head of key */
  bool key_in_place, value_in_place;
  int64_t sums_size; /* elements of what a part adds up apart */
  char *sums;        /* of all parts, if there are several */
} job;

/* What a task works in. */
typedef struct space {
  char *query, *grad;           /* as panels, the first times the scale */
  char *query_rows, *grad_rows; /* the same in rows */
  char *tile, *slopes;          /* shares, and their gradients */
  char *key, *value, *sums, *row, *turned;
  char *top, *inverse, *delta, *rest;
  cr__attention_veil veil;
  char *apart; /* gradients of key and value, if a part adds them up apart */
  int64_t great[GROUP];
} space;

/* Where gradients of key and value are added up: from row to row `step` bytes. */
typedef struct gathering {
  char *key, *value; /* NULL: not asked for */
  int64_t key_step, value_step;
} gathering;

static size_t aligned(int64_t bytes) { return (size_t)(bytes + 63) / 64 * 64; }

static size_t lay_out(const job *j, char *room, space *s) {
  const cr__attention *a = &j->a;
  int64_t size = a->size, beyond = a->g->cols * size;
  char *at = room;
  bool widened = a->dtype != a->type;
  s->query = at, at += aligned(a->width * GROUP * size);
  s->grad = at, at += aligned(a->value_width * GROUP * size);
  s->query_rows = at, at += aligned(a->pitch * GROUP * size + beyond);
  s->grad_rows = at, at += aligned(a->value_pitch * GROUP * size + beyond);
  s->tile = at, at += aligned(a->block * GROUP * size);
  s->slopes = at, at += aligned(a->block * GROUP * size);
  s->key = at,
  at += widened || !a->key_as_it_lies ? aligned(a->block * a->pitch * size + beyond) : 0;
  s->value = at, at += widened ? aligned(a->block * a->value_pitch * size) : 0;
  s->sums = at, at += aligned(GROUP * a->pitch * size);
  s->row = at, at += aligned((a->pitch + a->value_pitch) * size);
  s->turned = at, at += j->for_mask ? aligned(a->block * GROUP * size) : 0;
  s->top = at, s->inverse = at + GROUP * size, s->delta = at + 2 * GROUP * size;
  s->rest = at + 3 * GROUP * size, at += aligned(4 * GROUP * size);
  s->veil = cr__attention_veil_in(a, at), at += cr__attention_veil_bytes(a);
  s->apart = at, at += j->parts > 1 ? 0 : aligned(j->sums_size * size);
  return (size_t)(at - room);
}

/* x[0..n) += by * y. */
static void add_times(const cr__attention *a, int64_t n, char *x, double by, const char *y) {
  if (a->type == CR_FLOAT64)
    for (int64_t i = 0; i < n; i++)
      ((double *)(void *)x)[i] += by * ((const double *)(const void *)y)[i];
  else
    for (int64_t i = 0; i < n; i++)
      ((float *)(void *)x)[i] += (float)by * ((const float *)(const void *)y)[i];
}

/* ---- What is known of a group ---- */

static void read_rows(const cr__attention *a, const cr__attention_group *g, const cr__view *v,
                      int64_t k, int64_t pitch, char *to) {
  for (int64_t i = 0; i < g->w; i++)
    cr__read_run(to + i * pitch * a->size, a->type,
                 cr__attention_row(v, g->batch, g->head, g->first + i), v->dtype, v->stride[3], k);
}

static void prepare(const job *j, const cr__attention_group *g, space *s) {
  const cr__attention *a = &j->a;
  const char *top = cr__attention_row(j->lines, g->batch, g->head, 0) + g->first * a->size;
  size_t bytes = (size_t)(g->w * a->size);
  cr__attention_pack(a, g, a->query, a->width, a->scale, s->query);
  cr__attention_pack(a, g, j->grad, a->value_width, 1, s->grad);
  read_rows(a, g, a->query, a->width, a->pitch, s->query_rows);
  a->l->scale(g->w * a->pitch, s->query_rows, a->scale);
  read_rows(a, g, j->grad, a->value_width, a->value_pitch, s->grad_rows);
  memset(s->top, 0, (size_t)(4 * GROUP * a->size));
  memcpy(s->top, top, bytes);
  memcpy(s->inverse, top + a->rows * a->size, bytes);
  for (int64_t i = 0; i < g->w; i++) {
    cr__read_run(s->row, a->type, cr__attention_row(j->out, g->batch, g->head, g->first + i),
                 a->dtype, j->out->stride[3], a->value_width);
    cr__attention_put(a, s->delta, i,
                      a->l->dot(a->value_width, s->grad_rows + i * a->value_pitch * a->size,
                                s->row));
  }
  for (int i = 0; i < GROUP; i++) s->great[i] = -1;
  if (g->lanes == GROUP) return;
  memset(s->tile, 0, (size_t)(a->block * GROUP * a->size));
  memset(s->slopes, 0, (size_t)(a->block * GROUP * a->size));
}

/* ---- A block of keys ---- */

/* The block's keys or values, turned against the panels of a group. */
static void turn(const cr__attention *a, const cr__attention_group *g, const char *rows,
                 int64_t step, int64_t along, int64_t n, int64_t k, const char *panels, char *to) {
  cr__gemm_tile t = {.k = k, .a = rows, .ar = step, .ak = along, .b = panels, .c = to};
  t.bk = a->g->cols * a->size, t.cr = GROUP * a->size;
  cr__attention_product(a, n, g->lanes, t, k * a->g->cols * a->size, false);
}

/* Adds to the gradients of the block's keys or values what the group's rows, of `width`, give. */
static void gather(const cr__attention *a, const cr__attention_group *g, const char *tile,
                   int64_t n, const char *rows, int64_t width, int64_t pitch, char *to,
                   int64_t step) {
  cr__gemm_tile t = {.k = g->w, .a = tile, .ar = GROUP * a->size, .ak = a->size, .b = rows};
  t.bk = pitch * a->size, t.c = to, t.cr = step;
  cr__attention_product(a, n, width, t, a->g->cols * a->size, true);
}

static void write_slopes(const job *j, const cr__attention_group *g, const space *s, int64_t first,
                         int64_t n) {
  const cr__attention *a = &j->a;
  int64_t size = (int64_t)cr__size_of((cr_dtype)j->for_mask->dtype);
  a->g->pack(&(cr__gemm_pack){.dtype = a->type,
                              .from = s->slopes,
                              .count = n,
                              .line = GROUP,
                              .k = g->w,
                              .step = 1,
                              .width = n},
             s->turned);
  for (int64_t i = 0; i < g->w; i++)
    cr__write_run(cr__attention_row(j->for_mask, g->batch, g->head, g->first + i) +
                      first * j->for_mask->stride[3] * size,
                  j->for_mask->dtype, j->for_mask->stride[3], s->turned + i * n * a->size, a->type,
                  n);
}

static void run_panels(const cr__attention *a, const cr__attention_group *g, space *s,
                       int64_t first, int64_t n) {
  int64_t cols = a->g->cols;
  for (int64_t i = 0; i * cols < g->w; i++) {
    cr__attention_panel p = cr__attention_panel_of(a, g, &s->veil, i, first, n, s->tile);
    int64_t at = i * cols * a->size;
    p.grad = s->slopes + at, p.top = s->top + at, p.sum = s->inverse + at;
    p.delta = s->delta + at, p.rest = s->rest + at, p.great = s->great + i * cols;
    a->l->backward(&p);
  }
}

static void run_block(const job *j, const cr__attention_group *g, space *s, const gathering *to,
                      int64_t first, int64_t n) {
  const cr__attention *a = &j->a;
  int64_t head = cr__attention_kv_head(a, g->head), step, along;
  const char *value =
      cr__attention_lines(a, a->value, g->batch, head, first, n, a->value_width,
                          a->dtype == a->type, a->value_pitch, s->value, &step, &along);
  turn(a, g, value, step, along, n, a->value_width, s->grad, s->slopes);
  const char *key = cr__attention_lines(a, a->key, g->batch, head, first, n, a->width,
                                        a->key_as_it_lies, a->pitch, s->key, &step, &along);
  turn(a, g, key, step, along, n, a->width, s->query, s->tile);
  cr__attention_draw_veil(a, g, &s->veil, first, n);
  run_panels(a, g, s, first, n);
  if (to->value)
    gather(a, g, s->tile, n, s->grad_rows, a->value_width, a->value_pitch,
           to->value + first * to->value_step, to->value_step);
  if (to->key)
    gather(a, g, s->slopes, n, s->query_rows, a->width, a->pitch, to->key + first * to->key_step,
           to->key_step);
  if (j->for_query) {
    cr__gemm_tile t = {.k = n, .a = s->slopes, .ar = a->size, .ak = GROUP * a->size};
    t.b = key, t.bk = step, t.c = s->sums, t.cr = a->pitch * a->size;
    cr__attention_product(a, g->w, a->width, t, a->g->cols * a->size, first > 0);
  }
  if (j->for_mask) write_slopes(j, g, s, first, n);
}

/* ---- A group of queries ---- */

/* The gradient of a query's great score is what the others leave. */
static void add_great(const job *j, const cr__attention_group *g, space *s, const gathering *to,
                      int64_t i) {
  const cr__attention *a = &j->a;
  int64_t key = s->great[i];
  double slope = -cr__attention_number(a, s->rest, i);
  cr__read_run(s->row, a->type,
               cr__attention_row(a->key, g->batch, cr__attention_kv_head(a, g->head), key),
               a->dtype, a->key->stride[3], a->width);
  if (j->for_query) add_times(a, a->width, s->sums + i * a->pitch * a->size, slope, s->row);
  if (to->key)
    add_times(a, a->width, to->key + key * to->key_step, slope,
              s->query_rows + i * a->pitch * a->size);
  if (!j->for_mask) return;
  char *at = cr__attention_row(j->for_mask, g->batch, g->head, g->first + i);
  at += key * j->for_mask->stride[3] * (int64_t)cr__size_of((cr_dtype)j->for_mask->dtype);
  cr__convert(at, j->for_mask->dtype, &slope, CR_FLOAT64, 1);
}

static void run_group(const job *j, const cr__attention_group *g, space *s, const gathering *to) {
  const cr__attention *a = &j->a;
  prepare(j, g, s);
  if (g->end == 0) memset(s->sums, 0, (size_t)(GROUP * a->pitch * a->size));
  for (int64_t first = 0; first < g->end && !cr__cpu_stopped(); first += a->block)
    run_block(j, g, s, to, first, g->end - first < a->block ? g->end - first : a->block);
  for (int64_t i = 0; i < g->w; i++)
    if (s->great[i] >= 0) add_great(j, g, s, to, i);
  for (int64_t i = 0; i < g->w && j->for_query; i++) {
    char *row = s->sums + i * a->pitch * a->size;
    a->l->scale(a->width, row, a->scale);
    cr__write_run(cr__attention_row(j->for_query, g->batch, g->head, g->first + i), a->dtype,
                  j->for_query->stride[3], row, a->type, a->width);
  }
}

/* ---- A head of key and value ---- */

static void clear(char *rows, int64_t n, int64_t step, int64_t bytes) {
  for (int64_t i = 0; rows && i < n; i++) memset(rows + i * step, 0, (size_t)bytes);
}

/* Where the part of a head adds up: in the results, or from `apart` on. */
static gathering begin(const job *j, int64_t batch, int64_t head, char *apart) {
  const cr__attention *a = &j->a;
  gathering to = {NULL, NULL, a->pitch * a->size, a->value_pitch * a->size};
  if (j->for_key && j->key_in_place) {
    to.key = cr__attention_row(j->for_key, batch, head, 0);
    to.key_step = j->for_key->stride[2] * a->size;
  } else if (j->for_key) {
    to.key = apart, apart += a->keys * to.key_step;
  }
  if (j->for_value && j->value_in_place) {
    to.value = cr__attention_row(j->for_value, batch, head, 0);
    to.value_step = j->for_value->stride[2] * a->size;
  } else if (j->for_value) {
    to.value = apart;
  }
  clear(to.key, a->keys, to.key_step, a->width * a->size);
  clear(to.value, a->keys, to.value_step, a->value_width * a->size);
  return to;
}

static void write(const cr__attention *a, const cr__view *v, int64_t batch, int64_t head,
                  int64_t row, int64_t width, const char *from) {
  cr__write_run(cr__attention_row(v, batch, head, row), a->dtype, v->stride[3], from, a->type,
                width);
}

static void run_part(const void *job_, int64_t index, char *room) {
  const job *j = job_;
  const cr__attention *a = &j->a;
  space s;
  int64_t part = index % j->parts, each = index / j->parts, batch = each / a->kv_heads,
          head = each % a->kv_heads, group = a->heads / a->kv_heads;
  lay_out(j, room, &s);
  gathering to =
      begin(j, batch, head, j->parts > 1 ? j->sums + index * j->sums_size * a->size : s.apart);
  int64_t end = (part + 1) * j->units / j->parts;
  for (int64_t u = part * j->units / j->parts; u < end && !cr__cpu_stopped(); u++) {
    cr__attention_group g =
        cr__attention_group_of(a, batch, head * group + u / a->tasks_rows, u % a->tasks_rows);
    run_group(j, &g, &s, &to);
  }
  if (j->parts > 1) return;
  for (int64_t i = 0; i < a->keys && to.key && !j->key_in_place; i++)
    write(a, j->for_key, batch, head, i, a->width, to.key + i * to.key_step);
  for (int64_t i = 0; i < a->keys && to.value && !j->value_in_place; i++)
    write(a, j->for_value, batch, head, i, a->value_width, to.value + i * to.value_step);
}

/* Adds what all parts have for a row of a head. */
static void join_row(const void *job_, int64_t index, char *room) {
  const job *j = job_;
  const cr__attention *a = &j->a;
  int64_t row = index % a->keys, each = index / a->keys, batch = each / a->kv_heads,
          head = each % a->kv_heads;
  char *first = j->sums + each * j->parts * j->sums_size * a->size;
  int64_t at = row * a->pitch, offset = j->for_key ? a->keys * a->pitch : 0;
  (void)room;
  for (int64_t p = 1; p < j->parts; p++) {
    char *other = first + p * j->sums_size * a->size;
    if (j->for_key) add_times(a, a->width, first + at * a->size, 1, other + at * a->size);
    if (!j->for_value) continue;
    int64_t there = (offset + row * a->value_pitch) * a->size;
    add_times(a, a->value_width, first + there, 1, other + there);
  }
  if (j->for_key) write(a, j->for_key, batch, head, row, a->width, first + at * a->size);
  if (j->for_value)
    write(a, j->for_value, batch, head, row, a->value_width,
          first + (offset + row * a->value_pitch) * a->size);
}

/* ---- The kernel ---- */

static const cr__view *asked(const cr__view *v) { return v->data ? v : NULL; }

/* Heads that are few are cut into parts, if the sums of all are little. */
static void plan(job *j) {
  const cr__attention *a = &j->a;
  int64_t heads = j->batch * a->kv_heads, row = 0, bytes;
  j->units = a->heads / a->kv_heads * a->tasks_rows;
  row = (j->for_key ? a->pitch : 0) + (j->for_value ? a->value_pitch : 0);
  j->parts = (TASKS + heads - 1) / heads;
  if (j->parts > j->units) j->parts = j->units ? j->units : 1;
  if (__builtin_mul_overflow(heads * a->size, a->keys, &bytes) ||
      __builtin_mul_overflow(bytes, row, &bytes) || bytes > PARTS_BYTES)
    j->parts = 1;
  while (j->parts > 1 && bytes * j->parts > PARTS_BYTES) j->parts--;
  bool alone = j->parts == 1 && a->dtype == a->type;
  j->key_in_place = j->for_key && alone && j->for_key->stride[3] == 1;
  j->value_in_place = j->for_value && alone && j->for_value->stride[3] == 1;
  j->sums_size = a->keys * ((j->for_key && !j->key_in_place ? a->pitch : 0) +
                            (j->for_value && !j->value_in_place ? a->value_pitch : 0));
}

int cr__attention_gradients(cr__launch *k) {
  const cr__attention_backward_slots *s = &k->attention_backward;
  job j = {.a = {.op = k->op, .scale = s->scale, .causal = s->causal, .dropout = s->dropout},
           .for_query = asked(&s->for_query),
           .for_key = asked(&s->for_key),
           .for_value = asked(&s->for_value),
           .for_mask = asked(&s->for_mask),
           .grad = &s->grad,
           .out = &s->out,
           .lines = &s->lines,
           .batch = s->query.shape[0]};
  if (j.batch == 0 || s->query.shape[1] == 0) return 0;
  cr__attention_begin(&j.a, &s->query, &s->key, &s->value, &s->mask, s->rng);
  plan(&j);
  space space;
  static char nowhere[1];
  int64_t heads = j.batch * j.a.kv_heads, tasks = heads * j.parts;
  int64_t work = cr__attention_work(&j.a, heads * j.units, GROUP, 3);
  size_t bytes = j.parts > 1 ? (size_t)(tasks * j.sums_size * j.a.size) : 0;
  if (bytes && !(j.sums = cr__host_alloc_for(k->op, bytes))) return (int)cr_error_code();
  int code = cr__cpu_lines(k->op, tasks, work, lay_out(&j, nowhere, &space), run_part, &j);
  if (!code && j.parts > 1)
    code = cr__cpu_lines(k->op, heads * j.a.keys, heads * j.sums_size * j.parts, 64, join_row, &j);
  if (j.sums) cr__host_free(j.sums, bytes);
  return code;
}
