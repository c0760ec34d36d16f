/* update.c: the steps of optimizers over lists of tensors.
 *
 * Holds true: everything is checked, and every copy made, before the first tensor is written. The
 * tensors of a row (one of each list) have one shape and dtype; a row without gradient is left alone. A
 * row whose tensors are not laid out alike without gaps is computed on copies. */
#include "update.h"
#include "autograd/graph.h"
#include "geometry.h"

#include <stdlib.h>
#include <string.h>

enum { GRADS = CR__UPDATE_GRAD, LISTS = CR__UPDATE_LISTS };
typedef cr__update update;

static uint32_t switches_of(const update *u, int row) {
  return (uint32_t)u->switches[u->nswitch == 1 ? 0 : row];
}

/* The tensor that the rule works with, if any. */
static cr_tensor *at(const update *u, int list, int row) {
  if (u->lists[list].kind != CR_TENSORS) return NULL;
  if (list >= CR__UPDATE_OWN &&
      !(cr__rule_lists(u->rule, switches_of(u, row)) >> (list - CR__UPDATE_OWN) & 1))
    return NULL;
  return u->lists[list].u.ts[row];
}

static const char *name_of(const update *u, int list) { return u->op->params[list].name; }

/* ---- Checks ------------------------------------------------------------------------------------ */

int cr__update_check(update *u) {
  for (int j = 0; j < LISTS; j++)
    if (u->lists[j].kind == CR_TENSORS && u->lists[j].n != u->n)
      return cr__fail(CR_E_ARGUMENT, "%s: params has %d tensors and %s %d", u->op->lua, u->n,
                      name_of(u, j), u->lists[j].n);
  return cr__same_device(u->op->lua, u->lists, LISTS, &u->device);
}

static int check_like_param(const update *u, int list, int row) {
  const cr_tensor *p = at(u, 0, row), *t = at(u, list, row);
  const char *op = u->op->lua, *name = name_of(u, list);
  cr__text a, b;
  if (!t)
    return cr__fail(CR_E_ARGUMENT, "%s: %s[%d] is missing; only grads may hold false", op, name,
                    row + 1);
  if (!cr__is_float((cr_dtype)t->dtype))
    return cr__fail(CR_E_DTYPE, "%s: %s[%d] is %s; updates are of floating tensors", op, name,
                    row + 1, cr_dtype_name((cr_dtype)t->dtype));
  if (t->dtype != p->dtype)
    return cr__fail(CR_E_DTYPE, "%s: %s[%d] is %s and params[%d] %s; convert one of them", op, name,
                    row + 1, cr_dtype_name((cr_dtype)t->dtype), row + 1,
                    cr_dtype_name((cr_dtype)p->dtype));
  if (t->ndim != p->ndim || memcmp(cr__sizes(t), cr__sizes(p), p->ndim * sizeof(int64_t)) != 0)
    return cr__fail(CR_E_SHAPE, "%s: %s[%d] has shape %s and params[%d] %s", op, name, row + 1,
                    cr__shape_text(t->ndim, cr__sizes(t), &a), row + 1,
                    cr__shape_text(p->ndim, cr__sizes(p), &b));
  return 0;
}

static int check_written(const update *u, int list, int row) {
  cr_tensor *t = at(u, list, row);
  if (cr__recording() && cr__requires(t))
    return cr__fail(CR_E_AUTOGRAD,
                    "%s: %s[%d] requires grad, and an update has no derivative; call it under "
                    "no_grad",
                    u->op->lua, name_of(u, list), row + 1);
  return cr__inplace_check(u->op->lua, "", t, false);
}

static int check_rows(const update *u) {
  int code = 0;
  for (int i = 0; i < u->n && !code; i++) {
    code = check_like_param(u, 0, i);
    if (code || !at(u, GRADS, i)) continue;
    unsigned own = cr__rule_lists(u->rule, switches_of(u, i)) << CR__UPDATE_OWN;
    code = check_written(u, 0, i);
    for (int j = GRADS; j < LISTS && !code; j++) {
      if (j != GRADS && !(own >> j & 1)) continue;
      code = check_like_param(u, j, i);
      if (!code && j != GRADS) code = check_written(u, j, i);
    }
  }
  return code;
}

/* ---- Shared memory ------------------------------------------------------------------------------- */

typedef struct span { /* the memory from a tensor's first element to its last */
  const char *from, *to;
  int list, row;
} span;

static span span_of(const update *u, int list, int row) {
  const cr_tensor *t = at(u, list, row);
  int64_t size = (int64_t)cr__size_of((cr_dtype)t->dtype), low = 0, high = 1;
  for (int d = 0; d < t->ndim; d++) {
    int64_t reach = (cr__sizes(t)[d] - 1) * cr__steps(t)[d];
    if (reach < 0) low += reach;
    else high += reach;
  }
  return (span){cr__data(t) + low * size, cr__data(t) + high * size, list, row};
}

static int compare_spans(const void *a, const void *b) {
  const span *x = a, *y = b;
  return x->from < y->from ? -1 : x->from > y->from;
}

static int refuse_shared(const update *u, const span *a, const span *b) {
  return cr__fail(CR_E_ARGUMENT, "%s: %s[%d] and %s[%d] share memory; clone one of them",
                  u->op->lua, name_of(u, a->list), a->row + 1, name_of(u, b->list), b->row + 1);
}

/* In the order of memory, nothing that is written may begin before all else has ended, and nothing
 * before what is written has. */
static int sweep(const update *u, const span *spans, int n) {
  const span *far = NULL, *far_written = NULL;
  for (const span *s = spans; s < spans + n; s++) {
    bool written = s->list != GRADS;
    const span *in_the_way = written ? far : far_written;
    if (in_the_way && s->from < in_the_way->to) return refuse_shared(u, in_the_way, s);
    if (!far || s->to > far->to) far = s;
    if (written && (!far_written || s->to > far_written->to)) far_written = s;
  }
  return 0;
}

/* Whether each tensor lies in memory of the engine's own that none of the others has a part in: as most do,
 * and then nothing has to be sorted. False where it is not known. `seen`: so many places, a power of two. */
static bool own_storages(const update *u, const cr__storage **seen, size_t places) {
  memset(seen, 0, places * sizeof *seen);
  for (int j = 0; j < LISTS; j++) {
    for (int i = 0; i < u->n; i++) {
      const cr_tensor *t = at(u, j, i);
      if (!t) continue;
      size_t place = ((uint64_t)(uintptr_t)t->storage * 0x9e3779b97f4a7c15) >> 32 & (places - 1);
      while (seen[place] && seen[place] != t->storage) place = (place + 1) & (places - 1);
      if (seen[place] || t->storage->deleter) return false;
      seen[place] = t->storage;
    }
  }
  return true;
}

static int check_spans(const update *u) {
  size_t room = (size_t)u->n * (size_t)LISTS * sizeof(span);
  span *spans = cr__alloc(room);
  if (!spans) return (int)cr_error_code();
  int n = 0;
  for (int i = 0; i < u->n; i++) {
    if (!at(u, GRADS, i) || at(u, 0, i)->numel == 0) continue;
    for (int j = 0; j < LISTS; j++)
      if (at(u, j, i)) spans[n++] = span_of(u, j, i);
  }
  qsort(spans, (size_t)n, sizeof *spans, compare_spans);
  int code = sweep(u, spans, n);
  cr__free(spans, room);
  return code;
}

static int check_apart(const update *u) {
  size_t places = 16;
  while (places < 2 * (size_t)u->n * (size_t)LISTS) places *= 2;
  const cr__storage **seen = cr__alloc(places * sizeof *seen);
  if (!seen) return (int)cr_error_code();
  bool apart = own_storages(u, seen, places);
  cr__free((void *)seen, places * sizeof *seen);
  return apart ? 0 : check_spans(u);
}

/* ---- The update ---------------------------------------------------------------------------------- */

/* Whether the tensors of a row count as a line of elements in one order. */
static bool is_flat(const update *u, int row) {
  const cr_tensor *p = at(u, 0, row);
  bool contiguous = true, alike = true;
  for (int j = 0; j < LISTS && contiguous; j++)
    contiguous = !at(u, j, row) || at(u, j, row)->flags & CR__CONTIGUOUS;
  if (contiguous) return true;
  for (int j = 0; j < LISTS && alike; j++) {
    const cr_tensor *t = at(u, j, row);
    alike = !t || memcmp(cr__steps(t), cr__steps(p), p->ndim * sizeof(int64_t)) == 0;
  }
  if (!alike) return false;
  span s = span_of(u, 0, row);
  return s.to - s.from == p->numel * (int64_t)cr__size_of((cr_dtype)p->dtype) &&
         cr__data(p) == s.from;
}

/* Fills the rows that have something to do; returns how many, or -1. */
static int lay_out(update *u) {
  int n = 0, count = cr__rule_numbers(u->rule);
  for (int i = 0; i < u->n; i++) {
    const cr_tensor *p = at(u, 0, i);
    if (!at(u, GRADS, i) || p->numel == 0) continue;
    bool flat = is_flat(u, i);
    cr__row *row = &u->rows[n++];
    memset(row, 0, sizeof *row);
    row->dtype = p->dtype;
    row->n = p->numel;
    row->f = u->numbers + (u->nnumber == 1 ? 0 : (ptrdiff_t)i * count);
    row->switches = switches_of(u, i) | (u->table && u->device != CR_CPU ? CR__UPDATE_TABLE : 0);
    for (int j = 0; j < LISTS; j++) {
      cr_tensor *t = at(u, j, i), **copy = &u->copies[i * LISTS + j];
      if (t && !flat && !(*copy = t = cr__copy_of(u->op->lua, t, (cr_dtype)t->dtype))) return -1;
      if (t) row->data[j] = cr__data(t);
    }
  }
  return n;
}

/* After the kernel: copies go back, and the writes are counted. */
static int finish(const update *u) {
  int code = 0;
  for (int i = 0; i < u->n && !code; i++) {
    if (!at(u, GRADS, i)) continue;
    for (int j = 0; j < LISTS && !code; j++) {
      cr_tensor *t = at(u, j, i), *copy = u->copies[i * LISTS + j];
      if (!t || j == GRADS) continue;
      if (copy) code = cr__copy(u->op->lua, t, copy);
      t->storage->writer = u->op->lua;
      cr__bump(t);
    }
  }
  return code;
}

/* After a kernel that was stopped half way: it may have written to all that is not a copy. */
static void count_stopped(const update *u) {
  for (int i = 0; i < u->n; i++)
    for (int j = 0; j < LISTS && at(u, GRADS, i); j++)
      if (at(u, j, i) && j != GRADS && !u->copies[i * LISTS + j]) cr__bump(at(u, j, i));
}

/* A row of no elements, which tells the device of the table's memory. */
static cr__row table_row(const update *u, const cr__row *like) {
  cr__row row = {.dtype = like->dtype, .switches = like->switches, .f = like->f};
  row.data[0] = (char *)u->numbers;
  return row;
}

int cr__update_run(update *u) {
  size_t nrows = (size_t)(u->n + 1) * sizeof *u->rows;
  size_t ncopies = (size_t)u->n * LISTS * sizeof *u->copies;
  if (u->n == 0) return 0;
  int code = check_rows(u);
  if (!code) code = check_apart(u);
  if (code) return code;
  u->rows = cr__alloc(nrows);
  u->copies = cr__alloc(ncopies);
  if (u->copies) memset(u->copies, 0, ncopies);
  if (!u->rows || !u->copies) code = (int)cr_error_code();
  int n = code ? -1 : lay_out(u);
  if (n < 0) code = (int)cr_error_code();
  if (n > 0 && u->table) {
    u->rows[n] = table_row(u, &u->rows[n - 1]);
    n++;
  }
  if (n > 0) {
    cr__launch k;
    cr__launch_begin(&k, u->op->lua, u->device);
    k.update.rule = u->rule;
    k.rows = u->rows;
    k.nrow = n;
    code = cr__launch_run(&k, CR__K_update);
    if (code == CR_E_INTERRUPT) count_stopped(u);
  }
  if (!code) code = finish(u);
  for (int i = 0; u->copies && i < u->n * LISTS; i++) cr_release(u->copies[i]);
  cr__free(u->rows, nrows);
  cr__free(u->copies, ncopies);
  return code;
}
