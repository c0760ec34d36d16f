/* autocast.c: what a scope of autocast does to a call: it casts the arguments of operations that are listed.
 *
 * Holds true: casts are recorded like any other call, so that gradients have the dtype of what was cast. An
 * operation whose arguments were looked at runs with autocast off, with all that it calls. Weights are cast once
 * in a scope: modes keep the casts of leaves until the outermost scope of autocast in them ends. */
#include <string.h>

#include "call.h"

/* ---- Casts that are kept --------------------------------------------------------------------- */

typedef struct kept {
  cr_tensor *of, *cast; /* owned; NULL: a free place */
  uint32_t version;     /* of what was cast, when it was */
} kept;

struct cr__casts {
  size_t n, places; /* a power of two, at least twice n */
  kept *at;
};

void cr__casts_clear(cr_modes *m) {
  struct cr__casts *c = m->casts;
  if (!c) return;
  m->casts = NULL;
  for (size_t i = 0; i < c->places; i++) {
    cr_release(c->at[i].cast);
    cr_release(c->at[i].of);
  }
  cr__free(c->at, c->places * sizeof *c->at);
  cr__free(c, sizeof *c);
}

static kept *place_of(const struct cr__casts *c, const cr_tensor *t) {
  size_t i = ((uint64_t)(uintptr_t)t * 0x9e3779b97f4a7c15) >> 32 & (c->places - 1);
  while (c->at[i].of && c->at[i].of != t) i = (i + 1) & (c->places - 1);
  return &c->at[i];
}

/* Room for one more; false without memory, which is no error: the cast is then not kept. */
static bool make_room(struct cr__casts *c) {
  if (2 * (c->n + 1) <= c->places) return true;
  struct cr__casts wider = {c->n, c->places ? 2 * c->places : 64, NULL};
  wider.at = cr__alloc(wider.places * sizeof *wider.at);
  if (!wider.at) return false;
  memset(wider.at, 0, wider.places * sizeof *wider.at);
  for (size_t i = 0; i < c->places; i++)
    if (c->at[i].of) *place_of(&wider, c->at[i].of) = c->at[i];
  cr__free(c->at, c->places * sizeof *c->at);
  *c = wider;
  return true;
}

static void keep(cr_modes *m, cr_tensor *t, cr_tensor *cast) {
  if (!m->casts && (m->casts = cr__alloc(sizeof *m->casts))) *m->casts = (struct cr__casts){0};
  if (!m->casts || !make_room(m->casts)) {
    cr_error_clear();
    return;
  }
  kept *k = place_of(m->casts, t), before = *k;
  if (!before.of) m->casts->n++;
  *k = (kept){cr_retain(t), cr_retain(cast), cr__version(t)};
  cr_release(before.cast); /* of another dtype, or from before t was written */
  cr_release(before.of);
}

static cr_tensor *find(const cr_modes *m, const cr_tensor *t, cr_dtype dtype) {
  if (!m->casts || !m->casts->places) return NULL;
  const kept *k = place_of(m->casts, t);
  bool fits = k->of && k->cast->dtype == dtype && k->version == cr__version(t);
  return fits ? k->cast : NULL;
}

/* Whether it is a weight: a leaf of its own that asks for gradients. */
static bool is_weight(const cr_tensor *t) {
  return t->dtype == CR_FLOAT32 && t->flags & CR__REQUIRES_GRAD && !t->grad_fn && !t->base;
}

/* Returns t in that dtype: a new reference, or NULL with the error set. */
static cr_tensor *cast_to(cr_tensor *t, cr_dtype dtype) {
  bool keeps = cr__modes.autocast & CR__AUTOCAST_KEEPS && dtype != CR_FLOAT32 && cr__recording() &&
               is_weight(t);
  cr_modes *m = cr__present_modes();
  cr_tensor *known = keeps ? find(m, t, dtype) : NULL;
  if (known) return cr_retain(known);
  cr_tensor *cast =
      cr__op1(CR__OP_to, (cr_value[]){cr_of(t), cr_dtype_value(dtype), cr_none(), cr_bool(false)});
  if (cast && keeps) keep(m, t, cast);
  return cast;
}

/* ---- Policies ------------------------------------------------------------------------------------ */

static bool is_cast(const cr_tensor *t, bool cuda) {
  return t && cr__is_float((cr_dtype)t->dtype) && t->dtype != CR_FLOAT64 &&
         (t->storage->device != CR_CPU) == cuda;
}

static const cr_tensor *first_tensor(const cr_op *op, const cr_value *args) {
  for (int i = 0; i < op->nparam; i++) {
    if (args[i].kind == CR_TENSOR) return args[i].u.t;
    for (int k = 0; args[i].kind == CR_TENSORS && k < args[i].n; k++)
      if (args[i].u.ts[k]) return args[i].u.ts[k];
  }
  return NULL;
}

static bool any_other(const cr_tensor *t, bool cuda, cr_dtype lower) {
  return is_cast(t, cuda) && t->dtype != lower;
}

/* Whether any argument is wider than the scope's dtype, or a half of another kind. */
static bool has_other(const cr_op *op, const cr_value *args, bool cuda, cr_dtype lower) {
  for (int i = 0; i < op->nparam; i++) {
    if (args[i].kind == CR_TENSOR && any_other(args[i].u.t, cuda, lower)) return true;
    for (int k = 0; args[i].kind == CR_TENSORS && k < args[i].n; k++)
      if (any_other(args[i].u.ts[k], cuda, lower)) return true;
  }
  return false;
}

/* A dtype that the caller has named is what the result gets. */
static bool names_dtype(const cr_op *op, const cr_value *args) {
  for (int i = 0; i < op->nparam; i++)
    if (op->params[i].type == CR_P_DTYPE && args[i].kind != CR_NONE) return true;
  return false;
}

/* What the arguments are cast to; CR_DTYPE_NONE: they are not. */
static cr_dtype goal_of(const cr_op *op, const cr__impl *impl, const cr_value *args, bool cuda) {
  cr_dtype lower = (cr_dtype)(cuda ? cr__modes.cast_cuda : cr__modes.cast_cpu);
  switch (impl->casts >> (cuda ? 4 : 0) & 15) {
  case CR__CAST_LOWER: return lower;
  case CR__CAST_FLOAT32: return names_dtype(op, args) ? CR_DTYPE_NONE : CR_FLOAT32;
  case CR__CAST_WIDEST: return has_other(op, args, cuda, lower) ? CR_FLOAT32 : lower;
  default: return CR_DTYPE_NONE;
  }
}

/* ---- The call ---------------------------------------------------------------------------------- */

/* Replaces the list by one whose members are owned, cast where they should be. */
static int cast_list(cr_value *v, bool cuda, cr_dtype goal) {
  cr_tensor **list = cr__alloc((size_t)(v->n ? v->n : 1) * sizeof(cr_tensor *));
  if (!list) return (int)cr_error_code();
  for (int k = 0; k < v->n; k++) {
    cr_tensor *t = v->u.ts[k];
    list[k] = is_cast(t, cuda) ? cast_to(t, goal) : cr_retain(t);
    if (t && !list[k]) {
      while (k-- > 0) cr_release(list[k]);
      cr__free(list, (size_t)(v->n ? v->n : 1) * sizeof(cr_tensor *));
      return (int)cr_error_code();
    }
  }
  *v = cr_list(list, v->n);
  return 0;
}

/* Casts into mine; the first *done of them are owned, also after a failure. */
static int cast_all(const cr_op *op, const cr_value *args, cr_value *mine, bool cuda, cr_dtype goal,
                    int *done) {
  int code = 0;
  for (*done = 0; *done < op->nparam && !code; ++*done) {
    cr_value *v = &mine[*done];
    *v = args[*done];
    if (v->kind == CR_TENSORS) code = cast_list(v, cuda, goal);
    if (v->kind != CR_TENSOR) {
      if (code) break;
      continue;
    }
    v->u.t = is_cast(v->u.t, cuda) ? cast_to(v->u.t, goal) : cr_retain(v->u.t);
    if (!v->u.t) return (int)cr_error_code();
  }
  return code;
}

static void drop_all(cr_value *mine, int n) {
  for (int i = 0; i < n; i++) {
    if (mine[i].kind == CR_TENSOR) cr_release(mine[i].u.t);
    if (mine[i].kind != CR_TENSORS) continue;
    for (int k = 0; k < mine[i].n; k++) cr_release(mine[i].u.ts[k]);
    cr__free((void *)mine[i].u.ts, (size_t)(mine[i].n ? mine[i].n : 1) * sizeof(cr_tensor *));
  }
}

static int fail_call(const cr_op *op, cr_tensor **out, int *nout, int code) {
  for (int i = 0; i < (op->nout ? op->nout : CR_MAX_OUTPUTS); i++) out[i] = NULL;
  if (nout) *nout = 0;
  return code;
}

int cr__call_cast(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  const cr__impl *impl = &cr__impls[op->id];
  const cr_tensor *first = cr__below ? NULL : first_tensor(op, args);
  bool cuda = first && first->storage->device != CR_CPU;
  bool on = first && cr__modes.autocast & (cuda ? CR__AUTOCAST_CUDA : CR__AUTOCAST_CPU);
  int policy = on ? impl->casts >> (cuda ? 4 : 0) & 15 : CR__CAST_NONE, code, done = 0;
  uint8_t outer = cr__modes.autocast;
  if (policy == CR__CAST_REFUSED)
    return fail_call(op, out, nout,
                     cr__fail(CR_E_AUTOGRAD,
                              "%s: is unsafe under autocast; use binary_cross_entropy_with_logits, "
                              "or "
                              "turn autocast off around it and give it float32",
                              op->lua));
  cr_dtype goal = policy ? goal_of(op, impl, args, cuda) : CR_DTYPE_NONE;
  cr_value mine[CR__MAX_PARAMS];
  if (goal != CR_DTYPE_NONE) {
    code = cast_all(op, args, mine, cuda, goal, &done);
    if (code) {
      drop_all(mine, done);
      return fail_call(op, out, nout, code);
    }
    args = mine;
  }
  if (policy) cr__modes.autocast = 0; /* what is not listed leaves it on for its parts */
  code = cr__call_plain(op, args, out, nout);
  cr__modes.autocast = outer;
  drop_all(mine, done);
  return code;
}
