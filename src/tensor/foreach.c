/* foreach.c: one operation on each tensor of a list.
 *
 * Holds true: a row of arguments is a call like any other, with its node in the graph; rows are done in
 * their order, and all of them or none: before a row is written of which a later one may still fail, what
 * it changes is kept. A message says which row it is about. */
#include <stdio.h>
#include <string.h>

#include "call.h"

/* Puts "foreach.add_: tensor 3: " before the pending message, in the place of the operation's name. */
static int name_row(const cr_op *op, const char *suffix, int row) {
  char text[512];
  int code = (int)cr_error_code();
  const char *message = cr_error_message(), *rest = strstr(message, ": ");
  size_t n = strlen(op->lua);
  if (code == CR_E_MEMORY || code == CR_E_INTERRUPT) return code;
  bool named = rest && strncmp(message, op->lua, n) == 0 && rest - message <= (ptrdiff_t)n + 1;
  snprintf(text, sizeof text, "%s", named ? rest + 2 : message);
  return cr__fail((cr_error)code, "foreach.%s%s: tensor %d: %s", op->lua, suffix, row + 1, text);
}

int cr_foreach(const cr_op *op, int n, const cr_value *rows, cr_tensor **out) {
  if (op->nout != 1 || (op->flags & CR_OP_INPLACE_ONLY) || op->nparam == 0)
    return cr__fail(CR_E_ARGUMENT, "foreach.%s: is not one result for each tensor", op->lua);
  cr__draws before = cr__draws_now();
  for (int i = 0; i < n; i++) {
    const cr_value *row = rows + (ptrdiff_t)i * op->nparam;
    out[i] = row->kind == CR_NONE ? NULL : cr__op1(op->id, row);
    if (out[i] || row->kind == CR_NONE) continue;
    for (int j = 0; j < i; j++) cr_release(out[j]);
    cr__give_draws_back(before);
    return name_row(op, "", i);
  }
  return 0;
}

/* ---- In place --------------------------------------------------------------------------------- */

typedef struct place { /* a tensor's in the graph */
  cr_tensor *t;        /* borrowed; NULL: none */
  cr_node *fn;         /* owned */
  uint32_t slot, view_version;
  uint8_t view_kind, requires;
} place;

typedef struct undo { /* what a row has written over */
  cr_tensor *old;     /* the data, or of an operation on headers the header; NULL: not kept */
  cr_tensor *where;   /* the data goes back there: a hook may have changed self's header */
  const char *writer;
} undo;

typedef struct rows {
  const cr_op *op;
  const cr_value *args;
  int n, nplace;
  int kept; /* the first `kept` rows are kept, since a row after each of them may fail */
  bool header;
  undo *undos;   /* n; NULL where nothing is kept */
  place *places; /* nplace: of all arguments and their bases, where the graph may change; or NULL */
} rows;

static const cr_value *row_at(const rows *r, int i) {
  return r->args + (ptrdiff_t)i * r->op->nparam;
}

/* Whether a row that was checked has nothing left that takes memory, or that may refuse it. */
static bool is_sure(const cr_op *op, const cr_value *args) {
  const cr__impl *impl = &cr__impls[op->id];
  const cr_tensor *self = args->u.t;
  const cr_tensor *src = op->nparam > 1 && args[1].kind == CR_TENSOR ? args[1].u.t : NULL;
  if (op->id == CR__OP_zero_) return true;
  if (op->id == CR__OP_copy_)
    return src && src->storage != self->storage && src->storage->device == self->storage->device &&
           src->ndim == self->ndim &&
           memcmp(cr__sizes(src), cr__sizes(self), self->ndim * sizeof(int64_t)) == 0;
  if (impl->run || impl->composite || impl->header) return false;
  for (int i = 0; i < impl->noperand; i++)
    if (args[i].kind == CR_TENSOR && cr__collides(args[i].u.t, self)) return false;
  return true;
}

static bool any_requires(const rows *r) {
  for (int i = 0; i < r->n * r->op->nparam; i++)
    if (r->args[i].kind == CR_TENSOR && cr__requires(r->args[i].u.t)) return true;
  return false;
}

static void keep_place(place *p, cr_tensor *t) {
  *p = (place){.t = t,
               .fn = cr_node_retain(t->grad_fn),
               .slot = t->slot,
               .view_version = t->view_version,
               .view_kind = t->view_kind,
               .requires = t->flags & CR__REQUIRES_GRAD};
}

/* Puts t back: cannot fail. */
static void restore_place(const place *p) {
  cr_tensor *t = p->t;
  cr_node *now = t->grad_fn;
  if (p->fn && now != p->fn) {
    cr__set_history(t, p->fn, p->slot);
  } else if (!p->fn) {
    t->grad_fn = NULL;
    cr_node_release(now);
  }
  t->slot = p->slot;
  t->view_version = p->view_version;
  t->view_kind = p->view_kind;
  t->flags = (uint8_t)((t->flags & ~CR__REQUIRES_GRAD) | p->requires);
}

static int keep_places(rows *r) {
  int most = 2 * r->n * r->op->nparam;
  r->places = cr__alloc((size_t)most * sizeof *r->places);
  if (!r->places) return (int)cr_error_code();
  for (int i = 0; i < r->n * r->op->nparam; i++) {
    cr_tensor *t = r->args[i].kind == CR_TENSOR ? r->args[i].u.t : NULL;
    if (t) keep_place(&r->places[r->nplace++], t);
    if (t && t->base) keep_place(&r->places[r->nplace++], t->base);
  }
  return 0;
}

/* Makes ready to undo; 0 with r->kept == 0 where no row can fail after another one has written. */
static int prepare(rows *r) {
  /* An operation on headers changes the graph also where nothing is recorded. */
  bool records = r->header || (cr__recording() && any_requires(r));
  for (int i = 0; i < r->n; i++) {
    const cr_value *row = row_at(r, i);
    if (row->kind != CR_NONE && (records || !is_sure(r->op, row))) r->kept = i;
  }
  if (r->kept == 0) return 0;
  r->undos = cr__alloc((size_t)r->n * sizeof *r->undos);
  if (!r->undos) return (int)cr_error_code();
  memset(r->undos, 0, (size_t)r->n * sizeof *r->undos);
  return records ? keep_places(r) : 0;
}

static int keep_row(const rows *r, int i) {
  cr_tensor *self = row_at(r, i)->u.t;
  undo *u = &r->undos[i];
  u->writer = self->storage->writer;
  u->old = r->header ? cr__alias_same(self) : cr__snapshot(r->op->lua, self);
  u->where = u->old && !r->header ? cr__alias_same(self) : NULL;
  return u->old && (r->header || u->where) ? 0 : (int)cr_error_code();
}

/* Takes the first n rows back, the last one first: takes no memory. */
static void undo_rows(const rows *r, int n) {
  for (int i = n; i-- > 0;) {
    const cr_tensor *old = r->undos[i].old;
    cr_tensor *self = row_at(r, i)->u.t;
    if (!old) continue;
    if (r->header) cr__set_geometry(self, old->ndim, cr__sizes(old), cr__steps(old), old->offset);
    else cr__copy(r->op->lua, r->undos[i].where, r->undos[i].old);
    self->storage->writer = r->undos[i].writer;
    cr__unbump(self);
  }
  for (int i = 0; i < r->nplace; i++) restore_place(&r->places[i]);
}

static void finish(const rows *r) {
  for (int i = 0; r->undos && i < r->n; i++) {
    cr_release(r->undos[i].old);
    cr_release(r->undos[i].where);
  }
  for (int i = 0; i < r->nplace; i++) cr_node_release(r->places[i].fn);
  cr__free(r->undos, (size_t)r->n * sizeof *r->undos);
  cr__free(r->places, 2 * (size_t)(r->n * r->op->nparam) * sizeof *r->places);
}

/* Writes the rows; *at: how many are done. */
static int write_rows(const rows *r, int *at) {
  for (; *at < r->n; ++*at) {
    const cr_value *row = row_at(r, *at);
    if (row->kind == CR_NONE) continue;
    int code = *at < r->kept ? keep_row(r, *at) : 0;
    if (!code) code = cr_call_inplace(r->op, row);
    if (code) return code;
  }
  return 0;
}

int cr_foreach_inplace(const cr_op *op, int n, const cr_value *args) {
  const char *suffix = op->flags & CR_OP_INPLACE_ONLY ? "" : "_";
  if (!(op->flags & (CR_OP_INPLACE | CR_OP_INPLACE_ONLY)))
    return cr__fail(CR_E_ARGUMENT, "foreach.%s: has no in-place form", op->lua);
  rows r = {.op = op, .args = args, .n = n, .header = cr__impls[op->id].header};
  for (int i = 0; i < n; i++)
    if (row_at(&r, i)->kind != CR_NONE && cr__check_inplace_call(op, row_at(&r, i)))
      return name_row(op, suffix, i);
  cr__draws before = cr__draws_now();
  int at = 0, code = prepare(&r);
  if (!code) code = write_rows(&r, &at);
  if (code && code != CR_E_INTERRUPT) { /* what time is up for is not undone either */
    cr__give_draws_back(before);
    if (r.undos) undo_rows(&r, at);
    code = name_row(op, suffix, at);
  }
  finish(&r);
  return code;
}
