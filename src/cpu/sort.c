/* sort.c: lines along a dim in order, with the positions that their elements came from.
 *
 * Holds true: the order is stable in both directions, NaN is larger than any number, and -0 is equal to
 * 0. Each line is worked on by one thread (sort_line.c); long ones by all (sort_long.c), short ones many at a time
 * (sort_short.c). Lines whose neighbours lie closer than their elements go in groups, so that what memory
 * brings of one is what the next ones need. */
#include "sort.h"

#include <string.h>

#include "convert.h"
#include "reduce_short.h"
#include "transpose.h"

enum { GROUP = 16, GROUP_ELEMENTS = 1 << 18, ROWS = 64 };

typedef struct job {
  const cr__sort_lines *lines;
  int64_t group, tiles; /* lines of a group; groups along the innermost kept dim */
} job;

/* A thread's room: what a line's order needs, and of each line of a group its elements and positions. */
static size_t order_room(const cr__sort_lines *l) {
  return (size_t)l->n * 2 * (cr__sort_size(l->type) + sizeof(uint32_t));
}
static size_t elements_room(const job *j) {
  return (size_t)(j->group * j->lines->n) * cr__sort_size(j->lines->type);
}
static size_t room_of(const job *j) {
  size_t positions = j->group > 1 ? (size_t)(j->group * j->lines->kept) * sizeof(uint32_t) : 0;
  return order_room(j->lines) + elements_room(j) + positions;
}

static const uint32_t *order(const cr__sort_lines *l, const void *x, void *room) {
  switch (l->type) {
  case CR__COMPUTE_F32: return cr__order_f32(x, room, l->n, l->kept, l->descending);
  case CR__COMPUTE_F64: return cr__order_f64(x, room, l->n, l->kept, l->descending);
  case CR__COMPUTE_I64: return cr__order_i64(x, room, l->n, l->kept, l->descending);
  default: return cr__order_i32(x, room, l->n, l->kept, l->descending);
  }
}

/* Puts n elements of `size` bytes in order: to[i * step] = from[at[i] * from_step]. */
static void gather(char *to, int64_t step, const char *from, int64_t from_step, const uint32_t *at,
                   int64_t n, size_t size) {
#define GATHER(U)      \
  CR__STRETCHES(b, n)  \
  CR__EACH_OF(i, b, n) \
  ((U *)(void *)to)[i * step] = ((const U *)(const void *)from)[at[i] * from_step]
  switch (size) {
  case 1: GATHER(uint8_t); break;
  case 2: GATHER(uint16_t); break;
  case 4: GATHER(uint32_t); break;
  default: GATHER(uint64_t); break;
  }
#undef GATHER
}

/* A line and where its results go. */
static void run_line(const cr__sort_lines *l, const char *from, int64_t to, char *room) {
  int64_t size = (int64_t)cr__size_of((cr_dtype)l->in->dtype), step = l->plan.reduced_in[0];
  const void *x = from;
  if (l->in->dtype != cr__sort_dtype(l->type) || step != 1) {
    char *copy = room + order_room(l);
    cr__read_looking(copy, cr__sort_dtype(l->type), from, l->in->dtype, step, l->n);
    x = copy;
  }
  const uint32_t *at = order(l, x, room);
  if (cr__cpu_stopped()) return;
  int64_t *indices = (int64_t *)(void *)l->indices->data + to;
  CR__STRETCHES(b, l->kept)
  CR__EACH_OF(i, b, l->kept) indices[i * l->step] = (int64_t)at[i] + 1;
  if (l->values)
    gather(l->values->data + to * size, l->step, from, step, at, l->kept, (size_t)size);
}

/* The elements of w lines, one line after the other. */
static void read_group(const cr__sort_lines *l, char *to, const char *from, int64_t w) {
  _Alignas(64) char rows[ROWS * GROUP * 8];
  int64_t step = l->plan.reduced_in[0], across = l->plan.kept_in[l->plan.nkept - 1];
  int64_t size = (int64_t)cr__size_of((cr_dtype)l->in->dtype);
  int64_t each = (int64_t)cr__sort_size(l->type);
  for (int64_t b = 0, m; b < l->n && !cr__cpu_stopped(); b += m) {
    m = l->n - b < ROWS ? l->n - b : ROWS;
    for (int64_t r = 0; r < m; r++)
      cr__read_run(rows + r * w * each, cr__sort_dtype(l->type), from + (b + r) * step * size,
                   l->in->dtype, across, w);
    cr__transpose(to + b * each, l->n, rows, w, (size_t)each, w, m);
  }
}

/* The results of w lines, the first ones of all before the second ones. */
static void write_group(const cr__sort_lines *l, int64_t to, const char *from, const uint32_t *at,
                        int64_t w) {
  int64_t last = l->plan.nkept - 1, across = l->plan.kept_out[last];
  int64_t from_across = l->plan.kept_in[last], step = l->plan.reduced_in[0];
  int64_t *indices = (int64_t *)(void *)l->indices->data + to;
  CR__STRETCHES(b, l->kept)
  CR__EACH_OF(r, b, l->kept)
  for (int64_t c = 0; c < w; c++)
    indices[r * l->step + c * across] = (int64_t)at[c * l->kept + r] + 1;
  if (!l->values) return;
#define WRITE(U)                                                        \
  CR__STRETCHES(b, l->kept)                                             \
  CR__EACH_OF(r, b, l->kept)                                            \
  for (int64_t c = 0; c < w; c++)                                       \
  ((U *)(void *)cr__element(l->values, to))[r * l->step + c * across] = \
      ((const U *)(const void *)from)[c * from_across + at[c * l->kept + r] * step]
  switch (cr__size_of((cr_dtype)l->in->dtype)) {
  case 1: WRITE(uint8_t); break;
  case 2: WRITE(uint16_t); break;
  case 4: WRITE(uint32_t); break;
  default: WRITE(uint64_t); break;
  }
#undef WRITE
}

/* Lines of one element each, which memory has once, stay as they are. */
static void keep_group(const cr__sort_lines *l, const char *from, int64_t to, int64_t w) {
  _Alignas(64) char x[CR__TILE * 8];
  int dtype = l->in->dtype, last = l->plan.nkept - 1;
  int64_t in_across = l->plan.kept_in[last], across = l->plan.kept_out[last], step = l->step;
  int64_t size = (int64_t)cr__size_of((cr_dtype)dtype), kept = l->kept;
  int64_t *indices = (int64_t *)(void *)l->indices->data + to;
  char *values = l->values ? cr__element(l->values, to) : NULL;
  for (int64_t c = 0; c < w && step == 1 && !cr__cpu_stopped(); c++) {
    int64_t *at = indices + c * across;
    for (int64_t i = 0; i < kept && c == 0; i++) at[i] = i + 1;
    if (c > 0) memcpy(at, indices, (size_t)kept * sizeof *at);
    if (values)
      cr__splat(values + c * across * size, from + c * in_across * size, (size_t)size, kept);
  }
  if (step == 1) return;
  cr__read_run(x, dtype, from, dtype, in_across, w);
  for (int64_t r = 0; r < kept && (r % CR__STRETCH || !cr__cpu_stopped()); r++) {
    const int64_t at = r + 1;
    if (across == 1) cr__splat(indices + r * step, &at, sizeof at, w);
    for (int64_t c = 0; c < w && across != 1; c++) indices[r * step + c * across] = at;
    if (values) cr__write_run(values + r * step * size, dtype, across, x, dtype, w);
  }
}

static void run_group(const void *job_, int64_t index, char *room) {
  const job *j = job_;
  const cr__sort_lines *l = j->lines;
  const cr__fold_plan *p = &l->plan;
  int last = p->nkept - 1;
  int64_t first = index % j->tiles * j->group, outer = index / j->tiles;
  int64_t w = p->kept[last] - first < j->group ? p->kept[last] - first : j->group;
  int64_t from = first * p->kept_in[last] + cr__offset_at(last, p->kept, p->kept_in, outer);
  int64_t to = first * p->kept_out[last] + cr__offset_at(last, p->kept, p->kept_out, outer);
  if (l->plan.reduced_in[0] == 0) {
    keep_group(l, cr__element(l->in, from), to, w);
    return;
  }
  if (j->group == 1) {
    run_line(l, cr__element(l->in, from), to, room);
    return;
  }
  char *x = room + order_room(l);
  uint32_t *at = (uint32_t *)(void *)(x + elements_room(j));
  read_group(l, x, cr__element(l->in, from), w);
  for (int64_t c = 0; c < w && !cr__cpu_stopped(); c++) {
    const uint32_t *there = order(l, x + (size_t)(c * l->n) * cr__sort_size(l->type), room);
    memcpy(at + c * l->kept, there, (size_t)l->kept * sizeof *at);
  }
  if (!cr__cpu_stopped()) write_group(l, to, cr__element(l->in, from), at, w);
}

/* How many lines make a group. */
static int64_t group_of(const cr__sort_lines *l) {
  const cr__fold_plan *p = &l->plan;
  bool apart = p->reduced_in[0] != 1 || l->step != 1;
  int64_t most = GROUP_ELEMENTS / l->n, inner = p->kept[p->nkept - 1];
  if (most > GROUP) most = GROUP;
  if (most > inner) most = inner;
  return apart && most > 1 ? most : 1;
}

/* Whether lines are long, whole, and lie as sort_long.c needs them. */
static bool is_long(const cr__sort_lines *l) {
  return l->n >= CR__LONG_LINE && l->kept == l->n && l->plan.reduced_in[0] == 1 && l->step == 1 &&
         l->in->dtype == cr__sort_dtype(l->type);
}

static int run_long(const cr__sort_lines *l, const char *op) {
  const cr__fold_plan *p = &l->plan;
  int code = 0;
  for (int64_t row = 0; row < p->kept_count && !code; row++) {
    int64_t from = cr__offset_at(p->nkept, p->kept, p->kept_in, row);
    int64_t to = cr__offset_at(p->nkept, p->kept, p->kept_out, row);
    cr__long_line line = {.op = op,
                          .x = cr__element(l->in, from),
                          .values = l->values ? cr__element(l->values, to) : NULL,
                          .indices = (int64_t *)(void *)l->indices->data + to,
                          .n = l->n,
                          .type = l->type,
                          .descending = l->descending};
    code = cr__sort_long(&line);
  }
  return code;
}

/* values (absent where only positions are asked for) and the int64 positions `indices` have one geometry. dim,
 * from 0, in which the results may have fewer elements than the input, the first ones; descending: the
 * largest come first. */
int cr__cpu_sort(cr__launch *k) {
  const cr__view *in = &k->sort.in, *indices = &k->sort.indices;
  int d = (int)k->sort.dim;
  cr__sort_lines l = {.values = k->sort.values.data ? &k->sort.values : NULL,
                      .indices = indices,
                      .in = in,
                      .type = cr__sort_type(in->dtype),
                      .descending = k->sort.descending,
                      .n = in->shape[d],
                      .kept = indices->shape[d],
                      .step = indices->stride[d]};
  cr__plan_reduction(&l.plan, indices, in, (uint32_t)1 << d);
  int64_t count = l.plan.kept_count, inner = l.plan.kept[l.plan.nkept - 1];
  if (l.kept == 0 || count == 0) return 0;
  if (l.n > UINT32_MAX)
    return cr__fail(CR_E_ARGUMENT, "%s: sorts up to %lld elements, not %lld", k->op,
                    (long long)UINT32_MAX, (long long)l.n);
  bool repeated = l.plan.reduced_in[0] == 0;
  if (!repeated && cr__sorts_short(&l)) return cr__sort_short(&l);
  if (is_long(&l)) return run_long(&l, k->op);
  job j = {.lines = &l, .group = repeated ? CR__TILE : group_of(&l)};
  j.tiles = (inner + j.group - 1) / j.group;
  return cr__cpu_lines(k->op, count / inner * j.tiles, count * l.n * (repeated ? 1 : 8),
                       repeated ? 64 : room_of(&j), run_group, &j);
}
