/* attention.c: softmax(scale query key^T) value, in tiles.
 *
 * Holds true: a task is a group of queries of one head. It goes through the keys block by block, keeps the largest score
 * and the sum of exponentials so far, and brings what it has summed of the values to a new largest score; so memory does
 * not grow with the keys. Blocks that no query of the group sees are left out. */
#include <math.h>
#include <string.h>

#include "attention.h"
#include "convert.h"

enum { GROUP = CR__ATTENTION_GROUP };

typedef struct job {
  cr__attention a;
  const cr__view *out, *lines;
} job;

/* What a task works in. */
typedef struct space {
  char *query, *tile, *key, *value, *sums, *top, *sum, *factor; /* sums: of values */
  cr__attention_veil veil;
} space;

static size_t aligned(int64_t bytes) { return (size_t)(bytes + 63) / 64 * 64; }

/* Lays it out from room on; returns how many bytes it has. */
static size_t lay_out(const cr__attention *a, char *room, space *s) {
  char *at = room;
  int64_t size = a->size, beyond = a->g->cols * size; /* what a whole vector reads */
  s->query = at, at += aligned(a->width * GROUP * size);
  s->tile = at, at += aligned(a->block * GROUP * size);
  s->key = at, at += a->dtype == a->type ? 0 : aligned(a->block * a->pitch * size);
  s->value = at, at += a->value_as_it_lies ? 0 : aligned(a->block * a->value_pitch * size + beyond);
  s->sums = at, at += aligned(GROUP * a->value_pitch * size);
  s->top = at, s->sum = at + GROUP * size, s->factor = at + 2 * GROUP * size;
  at += aligned(3 * GROUP * size);
  s->veil = cr__attention_veil_in(a, at);
  return (size_t)(at - room) + cr__attention_veil_bytes(a);
}

/* ---- A block of keys ---- */

/* Turned scores of keys first .. first + n - 1. */
static void score(const cr__attention *a, const cr__attention_group *g, const space *s,
                  int64_t first, int64_t n) {
  cr__gemm_tile t = {.k = a->width, .b = s->query, .bk = a->g->cols * a->size, .c = s->tile};
  t.cr = GROUP * a->size;
  t.a = cr__attention_lines(a, a->key, g->batch, cr__attention_kv_head(a, g->head), first, n,
                            a->width, a->dtype == a->type, a->pitch, s->key, &t.ar, &t.ak);
  cr__attention_product(a, n, g->lanes, t, a->width * a->g->cols * a->size, false);
}

/* Adds the values of these keys, by their shares. */
static void add_values(const cr__attention *a, const cr__attention_group *g, const space *s,
                       int64_t first, int64_t n) {
  int64_t along;
  cr__gemm_tile t = {.k = n, .a = s->tile, .ar = a->size, .ak = GROUP * a->size, .c = s->sums};
  t.cr = a->value_pitch * a->size;
  t.b = cr__attention_lines(a, a->value, g->batch, cr__attention_kv_head(a, g->head), first, n,
                            a->value_width, a->value_as_it_lies, a->value_pitch, s->value, &t.bk,
                            &along);
  for (int64_t i = 0; i < g->w && first > 0; i++) {
    double factor = cr__attention_number(a, s->factor, i);
    if (factor != 1) a->l->scale(a->value_width, s->sums + i * t.cr, factor);
  }
  cr__attention_product(a, g->w, a->value_width, t, a->g->cols * a->size, first > 0);
}

static void run_block(const cr__attention *a, const cr__attention_group *g, const space *s,
                      int64_t first, int64_t n) {
  int64_t cols = a->g->cols;
  score(a, g, s, first, n);
  cr__attention_draw_veil(a, g, &s->veil, first, n);
  for (int64_t i = 0; i * cols < g->w; i++) {
    cr__attention_panel p = cr__attention_panel_of(a, g, &s->veil, i, first, n, s->tile);
    p.top = s->top + i * cols * a->size, p.sum = s->sum + i * cols * a->size;
    p.factor = s->factor + i * cols * a->size;
    a->l->forward(&p);
  }
  add_values(a, g, s, first, n);
}

/* ---- A group of queries ---- */

static void finish(const job *j, const cr__attention_group *g, const space *s) {
  const cr__attention *a = &j->a;
  char *top = cr__attention_row(j->lines, g->batch, g->head, 0) + g->first * a->size,
       *inverse = top + a->rows * a->size;
  for (int64_t i = 0; i < g->w; i++) {
    double sum = cr__attention_number(a, s->sum, i), by = sum == 0 ? 0 : 1 / sum,
           most = cr__attention_number(a, s->top, i);
    char *row = s->sums + i * a->value_pitch * a->size;
    cr__attention_put(a, top, i, most == -INFINITY ? 0 : most),
        cr__attention_put(a, inverse, i, by);
    if (sum == 0) memset(row, 0, (size_t)(a->value_width * a->size));
    else a->l->scale(a->value_width, row, by);
    cr__write_run(cr__attention_row(j->out, g->batch, g->head, g->first + i), a->dtype,
                  j->out->stride[3], row, a->type, a->value_width);
  }
}

static void run_group(const void *job_, int64_t index, char *room) {
  const job *j = job_;
  const cr__attention *a = &j->a;
  space s;
  int64_t head = index / a->tasks_rows;
  cr__attention_group g =
      cr__attention_group_of(a, head / a->heads, head % a->heads, index % a->tasks_rows);
  lay_out(a, room, &s);
  cr__attention_pack(a, &g, a->query, a->width, a->scale, s.query);
  if (g.lanes < GROUP) memset(s.tile, 0, (size_t)(a->block * GROUP * a->size));
  for (int64_t i = 0; i < GROUP; i++)
    cr__attention_put(a, s.top, i, -INFINITY), cr__attention_put(a, s.sum, i, 0);
  for (int64_t first = 0; first < g.end && !cr__cpu_stopped(); first += a->block)
    run_block(a, &g, &s, first, g.end - first < a->block ? g.end - first : a->block);
  finish(j, &g, &s);
}

/* `out` is batch x heads x rows x value width, `lines` contiguous and of the type that is computed in; the heads of key
 * and value are as many, and divide those of query. `mask` is bool or floating; beside it causal is not set. */
int cr__cpu_attention(cr__launch *k) {
  const cr__attention_slots *s = &k->attention;
  job j = {.a = {.op = k->op, .scale = s->scale, .causal = s->causal, .dropout = s->dropout},
           .out = &s->out,
           .lines = &s->lines};
  if (s->query.shape[0] == 0 || s->query.shape[1] == 0 || s->query.shape[2] == 0) return 0;
  cr__attention_begin(&j.a, &s->query, &s->key, &s->value, &s->mask, s->rng);
  space space;
  static char nowhere[1];
  int64_t tasks = s->query.shape[0] * j.a.heads * j.a.tasks_rows;
  return cr__cpu_lines(k->op, tasks, cr__attention_work(&j.a, tasks, GROUP, 1),
                       lay_out(&j.a, nowhere, &space), run_group, &j);
}

/* Gradients of the tensors of cr__cpu_attention, as far as they are asked for, for `grad`, the one of its result; `out`
 * and `lines` as it gave them. for_mask has the scores' shape. */
int cr__cpu_attention_backward(cr__launch *k) { return cr__attention_gradients(k); }
