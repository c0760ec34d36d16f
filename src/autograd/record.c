/* record.c: what a call leaves behind for its derivative.
 *
 * Holds true: a node is whole before its call's results can be seen, or there is none; what it saves
 * is what the derivatives of the arguments that require grad read, and nothing else. */
#include "graph.h"

#include <string.h>

/* ---- Recording a call ---------------------------------------------------------------------------------------- */

/* Missing gradients of a node with several results are zeros. */
static int op_backward(cr_node *n, cr_tensor **g, cr_tensor **gi) {
  const cr__impl *impl = &cr__impls[n->op->id];
  cr_value given[CR_MAX_OUTPUTS];
  cr_tensor *zeros[CR_MAX_OUTPUTS];
  int code = 0;
  if (!impl->backward) return 0; /* written in place by an operation without derivative */
  for (int i = 0; i < n->nout; i++) {
    zeros[i] = g[i] || code ? NULL : cr__zeros_of(n, i);
    if (!g[i] && !zeros[i]) code = CR_E_MEMORY;
    given[i] = cr_of(g[i] ? g[i] : zeros[i]);
  }
  bool outer = cr__unpack_failed;     /* of a pass inside of which this one runs */
  uint8_t casts = cr__modes.autocast; /* a formula computes in the dtypes that it is given */
  cr__unpack_failed = false;
  cr__modes.autocast = 0;
  if (!code && (impl->backward(n, given, gi) || cr__unpack_failed))
    code = cr_error_code() ? (int)cr_error_code() : CR_E_INTERNAL;
  cr__unpack_failed = outer;
  cr__modes.autocast = casts;
  for (int i = 0; i < n->nout; i++) cr_release(zeros[i]);
  return code;
}

static void op_free_saved(cr_node *n) {
  for (int i = 0; i < n->nsaved; i++) cr__saved_clear(&n->saved[i]);
}

const cr__node_type cr__op_type = {NULL, op_backward, op_free_saved, NULL};

static int count_edges(const cr__impl *impl, const cr_value *args) {
  int n = impl->ndiff;
  for (int i = 0; i < impl->ndiff; i++) {
    const cr_value *v = &args[impl->diff[i]];
    if (CR__UNLIKELY(v->kind == CR_TENSORS)) n += v->n - 1;
  }
  return n;
}

/* Room for the shapes of outputs and for the lists among the saved values. */
static int count_ints(const cr__impl *impl, const cr_value *args, cr_tensor *const *outs,
                      int nout) {
  int n = 0;
  for (int i = 0; i < nout; i++) n += outs[i]->ndim;
  for (int i = 0; i < impl->nsave; i++) {
    const cr__save *s = &impl->saves[i];
    if (s->kind == CR__SAVE_OUTPUT || s->kind == CR__SAVE_INPUT) continue;
    cr_value v = s->kind == CR__SAVE_PARAM          ? args[s->index]
                 : s->kind == CR__SAVE_OUTPUT_SHAPE ? cr_ints(NULL, outs[s->index]->ndim)
                                                    : cr__property(s->kind, args[s->index]);
    if (v.kind == CR_INTS || v.kind == CR_FLOATS) n += v.n;
    if (v.kind == CR_STRING) n += (int)(strlen(v.u.s) / sizeof(int64_t)) + 1;
  }
  return n;
}

/* Sets the edges of one argument, from number `at` on; returns how many, or -1. *live: whether any leads on. */
static inline int set_edges(cr_node *n, int at, const cr_value *v, bool *live) {
  cr_tensor *const *ts = v->kind == CR_TENSORS ? v->u.ts : &v->u.t;
  int count = v->kind == CR_TENSORS ? v->n : 1;
  if (v->kind != CR_TENSOR && v->kind != CR_TENSORS) return 1;
  for (int j = 0; j < count; j++) {
    if (!ts[j] || !cr__requires(ts[j])) continue;
    if (cr__connect(n, at + j, ts[j])) return -1;
    *live = *live || n->edges[at + j].fn;
  }
  return count;
}

/* Copies a list or a string into the node's own ints. */
static cr_value keep_value(cr_node *n, cr_value v) {
  int64_t *room = n->ints + n->nints;
  if (v.kind == CR_INTS) {
    if (v.n) memcpy(room, v.u.is, (size_t)v.n * sizeof(int64_t)); /* else it may be NULL */
    v.u.is = room;
    n->nints = (uint16_t)(n->nints + v.n);
  } else if (v.kind == CR_FLOATS) {
    if (v.n) memcpy(room, v.u.fs, (size_t)v.n * sizeof(double)); /* of the size of an int64_t */
    v.u.fs = (const double *)(const void *)room;
    n->nints = (uint16_t)(n->nints + v.n);
  } else if (v.kind == CR_STRING) {
    size_t size = strlen(v.u.s) + 1;
    memcpy(room, v.u.s, size);
    v.u.s = (const char *)room;
    n->nints = (uint16_t)(n->nints + (int)((size - 1) / sizeof(int64_t)) + 1);
  }
  return v;
}

static int save_list(cr_node *n, cr__saved *s, cr_value v) {
  cr__saved *items = cr__alloc((size_t)v.n * sizeof *items);
  if (!items) return CR_E_MEMORY;
  memset(items, 0, (size_t)v.n * sizeof *items);
  s->handle = items;
  s->flags = CR__SAVED_LIST;
  s->v = cr_list(NULL, v.n);
  for (int i = 0; i < v.n; i++) {
    int code = v.u.ts[i] ? cr__save_tensor(n, &items[i], v.u.ts[i], false, 0) : 0;
    if (code) return code;
  }
  return 0;
}

/* `written` is the tensor that the call is about to overwrite, if any: its old value is copied. */
static int save_input(cr_node *n, cr__saved *s, cr_value v, const cr_tensor *written) {
  if (v.kind == CR_TENSORS) return save_list(n, s, v);
  if (v.kind != CR_TENSOR) {
    s->v = v;
    return 0;
  }
  if (v.u.t != written) return cr__save_tensor(n, s, v.u.t, false, 0);
  cr__below++;
  cr_tensor *copy = cr__op1(CR__OP_clone, &v);
  cr__below--;
  if (!copy) return (int)cr_error_code();
  cr_node *fn;
  int code = cr__current_fn(v.u.t, &fn);
  if (!code && fn) cr__set_history(copy, fn, v.u.t->slot);
  if (!code) code = cr__save_tensor(n, s, copy, false, 0);
  cr_release(copy);
  return code;
}

static int save_arguments(cr_node *n, const cr__impl *impl, const cr_value *args,
                          cr_tensor *const *outs, uint32_t users, const cr_tensor *written) {
  for (int k = 0; k < impl->nsave; k++) {
    const cr__save *s = &impl->saves[k];
    int code = 0;
    if (!(s->users & users)) continue;
    switch (s->kind) {
    case CR__SAVE_INPUT: code = save_input(n, &n->saved[k], args[s->index], written); break;
    case CR__SAVE_OUTPUT: /* once it is there: by cr__record_outputs */
      n->saved[k].flags = CR__SAVED_OUTPUT;
      break;
    case CR__SAVE_PARAM: n->saved[k].v = keep_value(n, args[s->index]); break;
    case CR__SAVE_OUTPUT_SHAPE:
      n->saved[k].v = keep_value(n, cr_ints(cr__sizes(outs[s->index]), outs[s->index]->ndim));
      break;
    default: n->saved[k].v = keep_value(n, cr__property(s->kind, args[s->index]));
    }
    if (code) return code;
  }
  return 0;
}

cr_node *cr__record(const cr_op *op, const cr_value *args, cr_tensor *const *outs, int nout,
                    bool inplace) {
  const cr__impl *impl = &cr__impls[op->id];
  cr_node *n = cr__node_new(&cr__op_type, count_edges(impl, args), nout, impl->nsave,
                            count_ints(impl, args, outs, nout));
  if (!n) return NULL;
  n->op = op;
  uint32_t users = 0;
  int at = 0, code = 0;
  for (int i = 0; i < impl->ndiff && !code; i++) {
    bool live = false;
    int count = set_edges(n, at, &args[impl->diff[i]], &live);
    if (CR__UNLIKELY(count < 0)) code = (int)cr_error_code();
    users |= (uint32_t)live << impl->diff[i];
    at += count;
  }
  for (int i = 0; i < nout; i++) cr__node_set_out(n, i, outs[i]);
  if (!code) code = save_arguments(n, impl, args, outs, users, inplace ? args[0].u.t : NULL);
  if (!code) return n;
  cr_node_release(n);
  return NULL;
}

int cr__record_outputs(cr_node *n, cr_tensor *const *outs) {
  const cr__impl *impl = &cr__impls[n->op->id];
  for (int k = 0; k < impl->nsave; k++) {
    if (!(n->saved[k].flags & CR__SAVED_OUTPUT)) continue;
    int i = impl->saves[k].index;
    int code = cr__save_tensor(n, &n->saved[k], outs[i], true, (uint32_t)i);
    if (code) return code;
  }
  return 0;
}

/* What cr__record_outputs saved of self before the write is current after it. */
void cr__settle_outputs(cr_node *n, const cr_tensor *self) {
  for (int k = 0; k < n->nsaved; k++) {
    cr__saved *s = &n->saved[k];
    if (!(s->flags & CR__SAVED_OUTPUT) || s->v.kind != CR_TENSOR) continue;
    s->version = cr__version(self);
    s->v.u.t->own_version = self->own_version;
  }
}
