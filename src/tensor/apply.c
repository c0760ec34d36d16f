/* apply.c: the dispatcher. Every operation, from C or from a binding, passes here or through write.c.
 *
 * Holds true: an operation either gives all its results or an error and none; what a run function calls is
 * recorded by nobody (cr__below), what a composite calls records itself. */
#include <string.h>

#include "call.h"

CR__TLS int cr__below;
CR__TLS const cr__speaker *cr__outer;

int cr__undo(cr_tensor **out, int n) {
  for (int i = 0; i < n; i++) {
    cr_release(out[i]);
    out[i] = NULL;
  }
  return cr_error_code() ? (int)cr_error_code() : CR_E_INTERNAL;
}

void cr__drop_list(cr_value v) {
  for (int i = 0; i < v.n; i++) cr_release(v.u.ts[i]);
  cr__free((void *)v.u.ts, (size_t)v.n * sizeof(cr_tensor *));
}

/* ---- The pure form --------------------------------------------------------------------------- */

/* A rewriting operation's pure form: the same on a copy of its first argument. */
static int run_on_copy(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  cr_value mine[CR__MAX_PARAMS];
  memcpy(mine, args, op->nparam * sizeof *mine);
  cr_tensor *copy = cr__new_strided_like(op->name, args[0].u.t, (cr_dtype)args[0].u.t->dtype);
  mine[0] = cr_of(copy);
  int code = copy ? cr__copy(op->name, copy, args[0].u.t) : (int)cr_error_code();
  if (!code) code = cr__impls[op->id].run(op, mine, out, nout);
  if (code) {
    cr_release(copy);
    return code;
  }
  out[0] = copy;
  *nout = 1;
  return 0;
}

/* What has no run function of its own, or one that would write. */
static __attribute__((noinline)) int run_otherwise(const cr_op *op, const cr_value *args,
                                                   cr_tensor **out, int *nout) {
  const cr__impl *impl = &cr__impls[op->id];
  if (impl->run) return run_on_copy(op, args, out, nout);
  int code = impl->check ? impl->check(op, args, NULL, NULL) : 0;
  return code ? code : cr__run_pointwise(op, args, out, nout);
}

static inline int run_below(const cr_op *op, const cr__impl *impl, const cr_value *args,
                            cr_tensor **out, int *nout) {
  cr__below++;
  int code = CR__LIKELY(impl->run && !impl->rewrites) ? impl->run(op, args, out, nout)
                                                      : run_otherwise(op, args, out, nout);
  cr__below--;
  return code;
}

int cr__record_results(const cr_op *op, const cr_value *args, cr_tensor **out, int nout) {
  cr_node *n = cr__record(op, args, out, nout, false);
  if (!n) return cr__undo(out, nout);
  for (int i = 0; i < nout; i++)
    if (cr__is_inexact((cr_dtype)out[i]->dtype)) cr__set_history(out[i], n, (uint32_t)i);
  int code = cr__record_outputs(n, out);
  cr_node_release(n);
  return code ? cr__undo(out, nout) : 0;
}

static inline void mark_views(const cr_op *op, const cr__impl *impl, cr_tensor *self,
                              cr_tensor **out, int nout) {
  if (cr__below || cr__modes.inference || !(op->flags & CR_OP_DIFFERENTIABLE)) return;
  cr__view_kind kind = cr__modes.no_grad  ? CR__VIEW_NO_GRAD
                       : impl->multi_view ? CR__VIEW_MULTI
                                          : CR__VIEW_PLAIN;
  cr__mark_view(out[0], self, kind);
  for (int i = 1; i < nout; i++) cr__mark_view(out[i], self, kind);
}

static __attribute__((noinline)) int run_composite(const cr_op *op, const cr_value *args,
                                                   cr_tensor **out, int *nout) {
  const cr__speaker *outer = cr__outer, mine = {op, args, false};
  if (!outer) cr__outer = &mine;
  int code = cr__impls[op->id].run(op, args, out, nout);
  cr__outer = outer;
  return code;
}

static inline __attribute__((always_inline)) int
apply(const cr_op *op, const cr__impl *impl, const cr_value *args, cr_tensor **out, int *nout) {
  cr__fixed_args fixed;
  int code = cr__check_args(op, &args, &fixed);
  if (CR__UNLIKELY(code)) return code;
  if (CR__UNLIKELY(op->flags & CR_OP_INPLACE_ONLY))
    return cr__fail(CR_E_ARGUMENT, "%s: exists only in place", op->name);
  if (impl->composite) return run_composite(op, args, out, nout);
  bool node = cr__wants_node(op, args);
  code = run_below(op, impl, args, out, nout);
  if (CR__UNLIKELY(code)) return code;
  if (op->nparam && out[0] == args[0].u.t && args[0].kind == CR_TENSOR && *nout)
    return 0; /* nothing was to be done: the argument itself */
  if (op->flags & CR_OP_VIEW && *nout) mark_views(op, impl, args[0].u.t, out, *nout);
  return node ? cr__record_results(op, args, out, *nout) : 0;
}

static __attribute__((noinline)) int call_any(const cr_op *op, const cr__impl *impl,
                                              const cr_value *args, cr_tensor **out, int *nout) {
  int n = op->nout;
  out[0] = NULL; /* by itself: the compiler makes a slow block fill of the loop */
  if (n != 1)
    for (int i = 0; i < (n ? n : CR_MAX_OUTPUTS); i++) out[i] = NULL;
  cr__draws before = cr__draws_now();
  int code = apply(op, impl, args, out, &n);
  if (CR__UNLIKELY(code)) cr__call_failed(before, op, args, false);
  if (nout) *nout = code ? 0 : n;
  return code;
}

/* ---- A profiler ---- */

CR__TLS cr_profiler cr__my_profiler;

int cr_set_profiler(const cr_profiler *p) {
  if (p && (!p->begin || !p->end))
    return cr__fail(CR_E_ARGUMENT, "set_profiler: begin and end must both be there");
  bool before = cr__my_profiler.begin != NULL, after = p != NULL;
  cr__my_profiler = p ? *p : (cr_profiler){0};
  if (before != after) cr__attend(after);
  return CR_E_OK;
}

static __attribute__((noinline)) int call_attended(const cr_op *op, const cr__impl *impl,
                                                   const cr_value *args, cr_tensor **out,
                                                   int *nout) {
  cr_profiler p = cr__my_profiler;
  int n = 0;
  if (!p.begin) return call_any(op, impl, args, out, nout);
  p.begin(p.user, op, args);
  int code = call_any(op, impl, args, out, &n);
  p.end(p.user, code);
  if (nout) *nout = n;
  return code;
}

static inline int call_plain(const cr_op *op, const cr__impl *impl, const cr_value *args,
                             cr_tensor **out, int *nout) {
  if (impl->few && CR__LIKELY(!cr__interrupt_pending())) {
    int code = cr__call_few(op, impl, args, out);
    if (CR__LIKELY(!code)) {
      if (nout) *nout = 1;
      return 0;
    }
    if (code != CR__NOT_FEW) {
      out[0] = NULL;
      if (nout) *nout = 0;
      cr__speak(op, args, false);
      return code;
    }
  }
  if (CR__UNLIKELY(cr__interrupt_pending())) return call_attended(op, impl, args, out, nout);
  return call_any(op, impl, args, out, nout);
}

int cr__call_plain(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  return call_plain(op, &cr__impls[op->id], args, out, nout);
}

static inline int call(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  const cr__impl *impl = &cr__impls[op->id];
  if (CR__UNLIKELY(cr__modes.autocast) && impl->casts) return cr__call_cast(op, args, out, nout);
  return call_plain(op, impl, args, out, nout);
}

int cr_call(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  return call(op, args, out, nout);
}

int cr_call_in(cr_place place, const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  cr_place outer = cr__enter(place);
  int code = call(op, args, out, nout);
  cr__enter(outer);
  return code;
}

cr_tensor *cr__op1(int id, const cr_value *args) {
  cr_tensor *out[CR_MAX_OUTPUTS];
  return CR__LIKELY(!call(&cr__ops[id], args, out, NULL)) ? out[0] : NULL;
}

/* ---- The table ---------------------------------------------------------------------------------- */

int cr_op_count(void) { return cr__npublic; }
const cr_op *cr_op_at(int i) { return i >= 0 && i < cr__npublic ? &cr__ops[i] : NULL; }
const cr_op *cr_op_find(const char *name) {
  for (int i = 0; i < cr__npublic; i++)
    if (strcmp(cr__ops[i].name, name) == 0) return &cr__ops[i];
  for (int i = 0; i < cr__npublic; i++)
    for (const char *const *alias = cr__ops[i].aliases; alias && *alias; alias++)
      if (strcmp(*alias, name) == 0) return &cr__ops[i];
  return NULL;
}

cr_value cr__property(int save_kind, cr_value v) {
  static const int64_t none[1];
  const cr_tensor *t = v.kind == CR_TENSOR ? v.u.t : NULL;
  switch (save_kind) {
  case CR__SAVE_SHAPE: return cr_ints(t ? cr__sizes(t) : none, t ? t->ndim : 0);
  case CR__SAVE_STRIDE: return cr_ints(t ? cr__steps(t) : none, t ? t->ndim : 0);
  case CR__SAVE_DTYPE: return t ? cr_dtype_value((cr_dtype)t->dtype) : cr_none();
  case CR__SAVE_DEVICE: return t ? cr_device_value(t->storage->device) : cr_none();
  case CR__SAVE_NDIM: return cr_int(t ? t->ndim : 0);
  case CR__SAVE_NUMEL: return cr_int(t ? t->numel : 1);
  case CR__SAVE_OFFSET: return cr_int(t ? t->offset : 0);
  default: return cr_none();
  }
}
