/* apply.c: the dispatcher, where every operation passes, from C or from a binding.
 *
 * Holds true: arguments are checked for presence and kind before anything happens; an operation
 * either gives all its results or an error and none; what a run function calls is recorded by
 * nobody (cr__below), what a composite calls records itself. */
#include "autograd/graph.h"

#include <stdio.h>
#include <string.h>

CR__TLS int cr__below;
CR__TLS const cr__speaker *cr__outer;

#define MAX_PARAMS 16

/* ---- Arguments ---------------------------------------------------------------------------- */

#define KIND(k) (1u << (k))
static const uint16_t accepted_kinds[] = {
    [CR_P_TENSOR] = KIND(CR_TENSOR),
    [CR_P_OPERAND] = KIND(CR_TENSOR) | KIND(CR_INT) | KIND(CR_FLOAT) | KIND(CR_BOOLEAN_VALUE),
    [CR_P_TENSORS] = KIND(CR_TENSORS),
    [CR_P_SCALAR] = KIND(CR_INT) | KIND(CR_FLOAT) | KIND(CR_BOOLEAN_VALUE),
    [CR_P_INT] = KIND(CR_INT),
    [CR_P_FLOAT] = KIND(CR_FLOAT),
    [CR_P_BOOL] = KIND(CR_BOOLEAN_VALUE),
    [CR_P_DIM] = KIND(CR_INT),
    [CR_P_DIMS] = KIND(CR_INTS),
    [CR_P_SHAPE] = KIND(CR_INTS),
    [CR_P_INTS] = KIND(CR_INTS),
    [CR_P_STRING] = 0, /* takes_name looks closer */
    [CR_P_DTYPE] = 0,
    [CR_P_DEVICE] = 0,
};

/* True for a string of any text, for a dtype that there is, and for a device that there may be. */
static bool takes_name(const cr_param *p, const cr_value *v) {
  uint8_t type = p->type;
  if (type == CR_P_STRING) return v->kind == CR_STRING && !p->choices;
  if (type == CR_P_DTYPE)
    return v->kind == CR_DTYPE_VALUE && v->u.i >= 0 && v->u.i < CR_DTYPE_COUNT;
  if (type != CR_P_DEVICE || v->kind != CR_DEVICE_VALUE) return false;
  return v->u.i == CR_CPU || (v->u.i & ~(int64_t)255) == CR_CUDA;
}

typedef struct fixed_args {
  cr_value args[MAX_PARAMS];
  int64_t room[MAX_PARAMS]; /* of lists of one */
} fixed_args;

/* Converts what is harmless: an int for a float, one int for a list; 0 if v does not fit. */
static bool convert_kind(cr_value *v, uint8_t type, int64_t *room) {
  if (type == CR_P_FLOAT && v->kind == CR_INT) {
    *v = cr_float((double)v->u.i);
    return true;
  }
  bool list = type == CR_P_DIMS || type == CR_P_SHAPE || type == CR_P_INTS;
  if (list && v->kind == CR_INT) {
    *room = v->u.i;
    *v = cr_ints(room, 1);
    return true;
  }
  return false;
}

/* Numbers a string by the choices of its parameter. */
static int choose(const cr_op *op, const cr_param *p, cr_value *v) {
  cr__text all = {""}, got;
  size_t n = 0;
  for (int i = 0; p->choices[i]; i++) {
    v->n = i;
    if (strcmp(v->u.s, p->choices[i]) == 0) return 0;
    const char *joint = i == 0 ? "" : p->choices[i + 1] ? ", " : " or ";
    n += (size_t)snprintf(all.s + n, sizeof all.s - n, "%s\"%s\"", joint, p->choices[i]);
    if (n >= sizeof all.s) n = sizeof all.s - 1;
  }
  return cr__fail(CR_E_ARGUMENT, "%s: %s must be %s, got %s", op->lua, p->name, all.s,
                  cr__quote(v->u.s, &got));
}

/* Copies the arguments with defaults filled in and kinds as the descriptor promises them. */
static __attribute__((noinline)) int fix_args(const cr_op *op, const cr_value *args,
                                              fixed_args *fixed) {
  for (int i = 0; i < op->nparam; i++) {
    const cr_param *p = &op->params[i];
    cr_value v = args[i];
    if (v.kind == CR_NONE) {
      if (!p->optional) return cr__fail_absent(op->name, p->name);
      fixed->args[i] = p->otherwise;
      if (p->otherwise.kind == CR_NONE) continue;
      v = p->otherwise;
    }
    if (p->choices && v.kind == CR_STRING) {
      int code = choose(op, p, &v);
      if (code) return code;
    } else if (!(accepted_kinds[p->type] & KIND(v.kind)) && !takes_name(p, &v) &&
               !convert_kind(&v, p->type, &fixed->room[i]))
      return cr__fail(CR_E_ARGUMENT, "%s: argument '%s' has the wrong kind of value", op->name,
                      p->name);
    fixed->args[i] = v;
  }
  return 0;
}

/* Makes *args what the descriptor promises: as they are if nothing is to be done, else a copy. */
static inline int check_args(const cr_op *op, const cr_value **args, fixed_args *fixed) {
  if (CR__UNLIKELY(atomic_load_explicit(&cr__interrupt_flags, memory_order_relaxed))) {
    int code = cr__interrupted();
    if (code) return code;
  }
  for (int i = 0; i < op->nparam; i++) {
    const cr_param *p = &op->params[i];
    int kind = (*args)[i].kind;
    if (CR__LIKELY(accepted_kinds[p->type] & KIND(kind))) continue;
    if (kind == CR_NONE && p->optional && p->otherwise.kind == CR_NONE) continue;
    if (takes_name(p, &(*args)[i])) continue;
    int code = fix_args(op, *args, fixed);
    *args = fixed->args;
    return code;
  }
  return 0;
}

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

static inline bool wants_node(const cr_op *op, const cr_value *args) {
  const cr__impl *impl = &cr__impls[op->id];
  if (!impl->backward || !cr__recording()) return false;
  for (int i = 0; i < impl->ndiff; i++) {
    const cr_value *v = &args[impl->diff[i]];
    if (v->kind == CR_TENSOR && cr__requires(v->u.t)) return true;
    if (v->kind == CR_TENSORS) {
      for (int j = 0; j < v->n; j++)
        if (v->u.ts[j] && cr__requires(v->u.ts[j])) return true;
    }
  }
  return false;
}

/* A rewriting operation's pure form: the same on a copy of its first argument. */
static int run_on_copy(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  cr_value mine[MAX_PARAMS];
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

static int run_below(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  const cr__impl *impl = &cr__impls[op->id];
  int code;
  cr__below++;
  if (!impl->run) {
    code = impl->check ? impl->check(op, args, NULL, NULL) : 0;
    if (!code) code = cr__run_pointwise(op, args, out, nout);
  } else if (impl->rewrites) {
    code = run_on_copy(op, args, out, nout);
  } else {
    code = impl->run(op, args, out, nout);
  }
  cr__below--;
  return code;
}

static int record_results(const cr_op *op, const cr_value *args, cr_tensor **out, int nout) {
  cr_node *n = cr__record(op, args, out, nout, false);
  if (!n) return cr__undo(out, nout);
  for (int i = 0; i < nout; i++)
    if (cr__category((cr_dtype)out[i]->dtype) >= CR_FLOATING)
      cr__set_history(out[i], n, (uint32_t)i);
  int code = cr__record_outputs(n, out);
  cr_node_release(n);
  return code ? cr__undo(out, nout) : 0;
}

static void mark_views(const cr_op *op, cr_tensor *self, cr_tensor **out, int nout) {
  if (cr__below || cr__modes.inference || !(op->flags & CR_OP_DIFFERENTIABLE)) return;
  cr__view_kind kind = cr__modes.no_grad              ? CR__VIEW_NO_GRAD
                       : cr__impls[op->id].multi_view ? CR__VIEW_MULTI
                                                      : CR__VIEW_PLAIN;
  for (int i = 0; i < nout; i++) cr__mark_view(out[i], self, kind);
}

static __attribute__((noinline)) int run_composite(const cr_op *op, const cr_value *args,
                                                   cr_tensor **out, int *nout) {
  const cr__speaker *outer = cr__outer, mine = {op, args, false};
  if (!outer) cr__outer = &mine;
  int code = cr__impls[op->id].run(op, args, out, nout);
  cr__outer = outer;
  return code;
}

static int apply(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  fixed_args fixed;
  *nout = op->nout;
  int code = check_args(op, &args, &fixed);
  if (CR__UNLIKELY(code)) return code;
  if (op->flags & CR_OP_INPLACE_ONLY)
    return cr__fail(CR_E_ARGUMENT, "%s: exists only in place", op->name);
  const cr__impl *impl = &cr__impls[op->id];
  if (impl->composite) return run_composite(op, args, out, nout);
  bool node = wants_node(op, args);
  code = run_below(op, args, out, nout);
  if (CR__UNLIKELY(code)) return code;
  if (*nout && op->nparam && args[0].kind == CR_TENSOR && out[0] == args[0].u.t)
    return 0; /* nothing was to be done: the argument itself */
  if (op->flags & CR_OP_VIEW) mark_views(op, args[0].u.t, out, *nout);
  return node ? record_results(op, args, out, *nout) : 0;
}

static inline int call(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  int n;
  out[0] = NULL; /* by itself: the compiler makes a slow block fill of the loop */
  if (op->nout != 1)
    for (int i = 0; i < (op->nout ? op->nout : CR_MAX_OUTPUTS); i++) out[i] = NULL;
  struct cr__rng *generator = &cr__my_state()->rng;
  uint64_t drawn = generator->offset;
  int code = apply(op, args, out, &n);
  if (CR__UNLIKELY(code)) {
    generator->offset = drawn; /* a call that failed has drawn nothing */
    cr__speak(op, args, false);
  }
  if (nout) *nout = code ? 0 : n;
  return code;
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
  int n;
  struct cr__rng *generator = &cr__my_state()->rng;
  uint64_t drawn = generator->offset;
  out[0] = NULL;
  if (CR__LIKELY(!apply(&cr__ops[id], args, out, &n))) return out[0];
  generator->offset = drawn;
  cr__speak(&cr__ops[id], args, false);
  return NULL;
}

/* ---- In place ---------------------------------------------------------------------------------- */

/* What must hold of self before the operation writes to it; *records: whether it leaves a node. */
static int check_self(const cr_op *op, const cr_value *args, bool *records) {
  if (args[0].kind != CR_TENSOR)
    return cr__fail(CR_E_ARGUMENT, "%s_: only a tensor can be written in place", op->name);
  /* An operation without derivative still cuts self's history. */
  *records = cr__recording() && (wants_node(op, args) || cr__requires(args[0].u.t));
  return cr__inplace_check(op->lua, op->flags & CR_OP_INPLACE_ONLY ? "" : "_", args[0].u.t,
                           *records);
}

/* Whether the twin's result may be written over self. */
static int check_fit(const cr_op *op, const cr_tensor *result, const cr_tensor *self) {
  cr__text a, b;
  if (result->ndim != self->ndim ||
      memcmp(cr__sizes(result), cr__sizes(self), self->ndim * sizeof(int64_t)) != 0)
    return cr__fail(CR_E_SHAPE, "%s_: the result has shape %s, which does not fit self of shape %s",
                    op->lua, cr__shape_text(result->ndim, cr__sizes(result), &a),
                    cr__shape_text(self->ndim, cr__sizes(self), &b));
  if (cr__can_cast((cr_dtype)result->dtype, (cr_dtype)self->dtype)) return 0;
  return cr__fail(CR_E_DTYPE, "%s_: the result is %s, which self of dtype %s cannot hold", op->lua,
                  cr_dtype_name((cr_dtype)result->dtype), cr_dtype_name((cr_dtype)self->dtype));
}

/* What a write that is stopped half way leaves is neither the old nor the new value: a derivative that has
 * saved self must not take it for either. */
static int count_stopped(int code, cr_tensor *self) {
  if (code == CR_E_INTERRUPT) cr__bump(self);
  return code;
}

/* Computes out of place, then writes the result over self. */
static int run_and_copy(const cr_op *op, const cr_value *args, cr_tensor *self) {
  cr_tensor *out[CR_MAX_OUTPUTS];
  int nout = op->nout;
  out[0] = NULL;
  int code = cr__impls[op->id].run(op, args, out, &nout);
  if (code) return code;
  code = check_fit(op, out[0], self);
  if (!code) code = cr__copy(op->name, self, out[0]);
  for (int i = 0; i < nout; i++) cr_release(out[i]);
  return code;
}

static int write_self(const cr_op *op, const cr_value *args, cr_tensor *self) {
  const cr__impl *impl = &cr__impls[op->id];
  int nout = 0, code;
  cr__below++;
  if (!impl->run) {
    code = impl->check ? impl->check(op, args, NULL, NULL) : 0;
    if (!code) code = count_stopped(cr__pointwise_into(op, args, self), self);
  } else if (impl->rewrites) {
    code = count_stopped(impl->run(op, args, NULL, &nout), self);
  } else {
    code = run_and_copy(op, args, self);
  }
  cr__below--;
  return code;
}

/* The twin of a composite: the composite on a copy, whose result is written back. */
static int composite_inplace(const cr_op *op, const cr_value *given) {
  cr_value args[MAX_PARAMS];
  cr_tensor *self = given[0].u.t;
  memcpy(args, given, op->nparam * sizeof *args);
  int refused = cr__inplace_check(op->lua, "_", self, cr__recording() && cr__requires(self));
  if (refused) return refused;
  const cr__speaker *outer = cr__outer, mine = {op, given, true};
  if (!outer) cr__outer = &mine;
  cr_tensor *copy = cr__op1(CR__OP_clone, &args[0]);
  args[0] = cr_of(copy);
  cr_tensor *result = cr__op1(op->id, args);
  int code = result ? check_fit(op, result, self) : (int)cr_error_code();
  if (!code)
    code = cr_call_inplace(&cr__ops[CR__OP_copy_], (cr_value[]){cr_of(self), cr_of(result)});
  cr__outer = outer;
  cr_release(copy);
  cr_release(result);
  return code;
}

int cr__check_inplace_call(const cr_op *op, const cr_value *args) {
  fixed_args fixed;
  bool records;
  const cr__impl *impl = &cr__impls[op->id];
  int code = check_args(op, &args, &fixed);
  if (!code) code = check_self(op, args, &records);
  if (!code && impl->check) code = impl->check(op, args, NULL, NULL);
  if (!code && !impl->run) code = cr__pointwise_check_into(op, args, args[0].u.t);
  return code;
}

/* Saved-tensor hooks want the written data, and may fail after the write: then *backup undoes it. */
static int prepare_write(cr_tensor *self, cr_node *n, int self_edge, cr_node **slices,
                         cr_tensor **backup) {
  int code = 0;
  if (!cr__saves_through_hooks()) code = cr__record_outputs(n, &self);
  else if (!(*backup = cr__snapshot(n->op->lua, self))) code = (int)cr_error_code();
  return code ? code : cr__inplace_prepare(self, n, self_edge, 0, slices);
}

/* Writes self with its node n: all that may fail for memory is made before the write. */
static int write_recorded(const cr_op *op, const cr_value *args, cr_tensor *self, cr_node *n) {
  const cr__impl *impl = &cr__impls[op->id];
  cr_node *slices = NULL;
  cr_tensor *backup = NULL;
  int self_edge = impl->ndiff && impl->diff[0] == 0 ? 0 : -1;
  int code = prepare_write(self, n, self_edge, &slices, &backup);
  if (!code) code = write_self(op, args, self);
  if (!code) {
    cr__bump(self);
    if (!backup) cr__settle_outputs(n, self);
    else if ((code = cr__record_outputs(n, &self))) {
      cr__copy(op->lua, self, backup); /* of one dtype and shape: takes no memory */
      cr__unbump(self);
    }
  }
  if (!code) {
    self->storage->writer = op->lua;
    cr__inplace_commit(self, n, 0, slices);
  }
  cr_node_release(slices);
  cr_release(backup);
  return code;
}

static int call_inplace(const cr_op *op, const cr_value *args) {
  fixed_args fixed;
  bool records;
  int code = check_args(op, &args, &fixed);
  if (CR__UNLIKELY(code)) return code;
  if (!(op->flags & (CR_OP_INPLACE | CR_OP_INPLACE_ONLY)))
    return cr__fail(CR_E_ARGUMENT, "%s: has no in-place form", op->name);
  if (args[0].kind == CR_TENSORS) return cr__impls[op->id].run(op, args, NULL, NULL);
  if (cr__impls[op->id].header) return cr__inplace_header(op, args);
  if (cr__impls[op->id].composite && args[0].kind == CR_TENSOR) return composite_inplace(op, args);
  code = check_self(op, args, &records);
  if (CR__UNLIKELY(code)) return code;
  cr_tensor *self = args[0].u.t;
  if (records) {
    cr_node *n = cr__record(op, args, &self, 1, true);
    if (!n) return (int)cr_error_code();
    code = write_recorded(op, args, self, n);
    cr_node_release(n);
    return code;
  }
  code = write_self(op, args, self);
  if (code) return code;
  self->storage->writer = op->lua;
  cr__bump(self);
  return 0;
}

int cr_call_inplace(const cr_op *op, const cr_value *args) {
  struct cr__rng *generator = &cr__my_state()->rng;
  uint64_t drawn = generator->offset;
  int code = call_inplace(op, args);
  if (CR__UNLIKELY(code)) {
    generator->offset = drawn;
    cr__speak(op, args, true);
  }
  return code;
}

int cr_call_inplace_in(cr_place place, const cr_op *op, const cr_value *args) {
  cr_place outer = cr__enter(place);
  int code = cr_call_inplace(op, args);
  cr__enter(outer);
  return code;
}

/* Makes room for *result in the empty `out`, last of all that may fail: it has come to out's device before. */
static int resize_for(const cr_op *op, cr_tensor *out, cr_tensor **result) {
  cr_tensor *r = *result;
  cr_device device = out->storage->device;
  if (r->storage->device != device) {
    r = cr__new(op->name, (cr_dtype)r->dtype, device, r->ndim, cr__sizes(r));
    if (!r || cr__copy(op->name, r, *result)) {
      cr_release(r);
      return (int)cr_error_code();
    }
    cr_release(*result);
    *result = r;
  }
  return cr_resize(out, r->ndim, cr__sizes(r));
}

static int call_out(const cr_op *op, const cr_value *args, cr_tensor *out) {
  fixed_args fixed;
  int code = check_args(op, &args, &fixed);
  if (code) return code;
  if (!out) return cr__fail_absent(op->name, "out");
  if (op->nout != 1 || (op->flags & (CR_OP_VIEW | CR_OP_INPLACE_ONLY)))
    return cr__fail(CR_E_ARGUMENT, "%s: has no form that writes to out", op->name);
  if (cr__recording() && (wants_node(op, args) || cr__requires(out)))
    return cr__fail(CR_E_AUTOGRAD,
                    "%s: writing to out is not differentiable, but an argument requires grad; "
                    "leave "
                    "out away, or call it under no_grad",
                    op->name);
  code = cr__inplace_check(op->lua, "", out, false);
  if (code) return code;
  if (!cr__impls[op->id].run && cr__pointwise_fits(op, args, out)) {
    code = write_self(op, args, out);
    if (!code) cr__bump(out);
    return code;
  }
  cr_tensor *result = cr__op1(op->id, args);
  if (!result) return (int)cr_error_code();
  if (!cr__can_cast((cr_dtype)result->dtype, (cr_dtype)out->dtype))
    code = cr__fail(CR_E_DTYPE, "%s: the result is %s, which out of dtype %s cannot hold", op->name,
                    cr_dtype_name((cr_dtype)result->dtype), cr_dtype_name((cr_dtype)out->dtype));
  if (!code && out->numel == 0) code = resize_for(op, out, &result);
  cr__text a, b;
  if (!code && (out->ndim != result->ndim ||
                memcmp(cr__sizes(out), cr__sizes(result), out->ndim * sizeof(int64_t)) != 0))
    code = cr__fail(CR_E_SHAPE, "%s: out has shape %s, the result %s", op->name,
                    cr__shape_text(out->ndim, cr__sizes(out), &a),
                    cr__shape_text(result->ndim, cr__sizes(result), &b));
  if (!code) code = count_stopped(cr__copy(op->name, out, result), out);
  if (!code) cr__bump(out);
  cr_release(result);
  return code;
}

int cr_call_out(const cr_op *op, const cr_value *args, cr_tensor *out) {
  struct cr__rng *generator = &cr__my_state()->rng;
  uint64_t drawn = generator->offset;
  int code = call_out(op, args, out);
  if (CR__UNLIKELY(code)) {
    generator->offset = drawn;
    cr__speak(op, args, false);
  }
  return code;
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
