/* call.c: one C function behind every operation of the catalogue, as method and as function.
 *
 * Holds true: arguments are checked by the descriptor before anything is made; then the results'
 * userdata are made, empty; only then are the arguments' pointers read and the core called. Between
 * the core's success and the results' places nothing can longjmp. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "owner.h"
#include "parse.h"

/* ---- The core call ---- */

static __attribute__((noinline, cold)) void refuse_closed(lua_State *L, const cr_op *op, int i) {
  cr__lua_error(L, "%s: %s: this tensor was closed", op->lua, op->params[i].name);
}

/* Reads the pointers of tensor arguments from their userdata. */
static inline void fetch(lua_State *L, const cr_op *op, const cr_value *args, cr_value *out) {
  for (const cr_value *v = args, *end = v + op->nparam; v != end; v++, out++) {
    *out = *v;
    if (v->kind != CR_TENSOR) continue;
    const cr__lua_tensor *u = (const cr__lua_tensor *)v->u.s;
    if (!u) u = lua_touserdata(L, v->n);
    if (!u->t) refuse_closed(L, op, (int)(v - args));
    out->u.t = u->t;
  }
}

static int call_list(lua_State *L, const cr_op *op, const char *as, const cr_value *args) {
  cr_value v[CR__LUA_MAX_PARAMS];
  cr__lua_list *list = cr__lua_new_list(L, CR_MAX_OUTPUTS);
  for (bool retried = false;; retried = true) {
    fetch(L, op, args, v);
    cr__lua_entry outer = cr__lua_enter(L);
    int code = cr_call(op, v, list->t, &list->n);
    cr__lua_leave(outer);
    if (!code) break;
    list->n = 0;
    if (retried || !cr__lua_retry(L)) cr__lua_raise_as(L, op, as);
  }
  int n = list->n;
  cr__lua_push_list(L, list);
  return n;
}

/* What most calls are: one result, no warnings. */
static inline bool gives_one(const cr_op *op) {
  return op->nout == 1 && !(op->flags & CR_OP_WARNS);
}

static inline const cr__lua_tensor *userdata_of(lua_State *L, const cr_value *v) {
  return v->u.s ? (const cr__lua_tensor *)v->u.s : lua_touserdata(L, v->n);
}

static inline __attribute__((always_inline)) int call_one(lua_State *L, cr__lua_home *home,
                                                          const cr_op *op, const char *as,
                                                          int metatable, cr_value *args) {
  cr_tensor *out;
  cr__lua_tensor *result = cr__lua_new_by(L, metatable);
  const cr__lua_tensor *base = op->flags & CR_OP_VIEW ? userdata_of(L, &args[0]) : NULL;
  for (bool retried = false;; retried = true) {
    for (cr_value *v = args, *end = v + op->nparam; v != end; v++) {
      if (v->kind != CR_TENSOR) continue;
      const cr__lua_tensor *u = retried ? lua_touserdata(L, v->n) : userdata_of(L, v);
      if (!u->t) refuse_closed(L, op, (int)(v - args));
      v->u.t = u->t;
    }
    if (!cr__lua_run(L, home, op, args, &out)) break;
    if (retried || !cr__lua_retry(L)) cr__lua_raise_as(L, op, as);
  }
  result->t = out;
  /* What has become the base of a view can be asked for from there. */
  if (base && !base->owners && cr_base(out) == base->t) cr__lua_know(L, args[0].n);
  cr__lua_after(L);
  return 1;
}

/* Any other number of results, or warnings. */
static __attribute__((noinline)) int call_several(lua_State *L, const cr_op *op, const char *as,
                                                  int metatable, const cr_value *args) {
  cr_value v[CR__LUA_MAX_PARAMS];
  cr_tensor *out[CR_MAX_OUTPUTS];
  cr__lua_tensor *results[8];
  if (op->nout == 0 || op->nout > 8) {
    int n = call_list(L, op, as, args);
    cr__lua_after(L);
    return n;
  }
  if (op->nout > 1) luaL_checkstack(L, op->nout + 4, "no stack for results");
  for (int i = 0; i < op->nout; i++) results[i] = cr__lua_new_by(L, metatable);
  for (bool retried = false;; retried = true) {
    fetch(L, op, args, v);
    bool warns = op->flags & CR_OP_WARNS;
    cr__lua_entry outer = cr__lua_enter(L);
    int code = cr_call(op, v, out, NULL);
    cr__lua_leave(outer);
    for (int i = 0; i < op->nout && !code; i++) results[i]->t = out[i];
    if (warns) cr__lua_deliver(L);
    if (!code) break;
    if (retried || !cr__lua_retry(L)) cr__lua_raise_as(L, op, as);
  }
  cr__lua_after(L);
  return op->nout;
}

__attribute__((noinline)) int cr__lua_call_as(lua_State *L, cr__lua_home *home, const cr_op *op,
                                              const char *as, int metatable, cr_value *args) {
  if (gives_one(op)) return call_one(L, home, op, as, metatable, args);
  return call_several(L, op, as, metatable, args);
}

int cr__lua_call(lua_State *L, const cr_op *op, const cr_value *args) {
  cr_value own[CR__LUA_MAX_PARAMS];
  memcpy(own, args, op->nparam * sizeof *own);
  return cr__lua_call_as(L, cr__lua_home_of(L), op, op->lua, 0, own);
}

/* Whether the tensor that was written, or its base, may have had Lua values by its node. */
static inline bool may_follow(lua_State *L, const cr_value *self, cr_tensor *t) {
  const cr__lua_tensor *u = (const cr__lua_tensor *)self->u.s;
  if (!u) u = lua_touserdata(L, self->n);
  return (u->owners && u->owners != &cr__lua_last_owner) || (cr_base(t) && cr_requires_grad(t));
}

void cr__lua_call_inplace(lua_State *L, cr__lua_home *home, const cr_op *op, const char *as,
                          const cr_value *args) {
  cr_value v[CR__LUA_MAX_PARAMS];
  for (bool retried = false;; retried = true) {
    fetch(L, op, args, v);
    lua_State *outer = cr__lua_current;
    cr_place place = cr__lua_place(home, L);
    cr__lua_current = L;
    int code = cr_call_inplace_in(place, op, v);
    cr__lua_current = outer;
    if (!code) break;
    if (retried || !cr__lua_retry(L)) cr__lua_raise_as(L, op, as);
  }
  if (v[0].kind == CR_TENSOR && may_follow(L, args, v[0].u.t)) cr__lua_written(L, v[0].u.t);
  cr__lua_after(L);
}

static void call_out(lua_State *L, const cr_op *op, const char *as, const cr_value *args,
                     int index) {
  cr_value v[CR__LUA_MAX_PARAMS];
  for (bool retried = false;; retried = true) {
    fetch(L, op, args, v);
    cr_tensor *out = cr__lua_tensor_arg(L, index, as, "out");
    cr__lua_entry outer = cr__lua_enter(L);
    int code = cr_call_out(op, v, out);
    cr__lua_leave(outer);
    if (!code) break;
    if (retried || !cr__lua_retry(L)) cr__lua_raise_as(L, op, as);
  }
  cr__lua_after(L);
}

/* The same values whichever state writes them. */
static _Atomic(const cr_op *) known[CR__LUA_KNOWN_COUNT];

const cr_op *cr__lua_op(cr__lua_known which) {
  return atomic_load_explicit(&known[which], memory_order_relaxed);
}

const cr_op *cr__lua_find_op(lua_State *L, const char *name) {
  const cr_op *op = cr_op_find(name);
  if (!op) luaL_error(L, "the engine lacks the operation '%s' that its binding needs", name);
  return op;
}

static void find_known(lua_State *L) {
#define X(name) #name,
  static const char *const names[] = {CR__LUA_KNOWN(X)};
#undef X
  for (int i = 0; i < CR__LUA_KNOWN_COUNT; i++) known[i] = cr__lua_find_op(L, names[i]);
}

/* ---- The closure ---- */

/* Replaces the answer on top, a tensor of one element, by a Lua boolean. */
static int push_truth(lua_State *L) {
  cr_value v;
  cr__lua_tensor *u = lua_touserdata(L, -1);
  if (!u->t) return cr__lua_error(L, "this tensor was closed");
  if (cr__lua_item(L, u->t, &v)) return cr__lua_raise(L, NULL);
  cr_release(u->t);
  u->t = NULL;
  lua_pushboolean(L, v.u.i != 0);
  return 1;
}

static int finish(lua_State *L, const cr__lua_overloads *o, cr__lua_parse *p) {
  if (o->inplace) {
    if (p->args[0].kind != CR_TENSOR)
      return cr__lua_error(L, "%s: %s must be a tensor, got a number", o->name,
                           p->op->params[0].name);
    cr__lua_call_inplace(L, o->home, p->op, o->name, p->args);
    lua_pushvalue(L, p->args[0].n);
    return 1;
  }
  if (p->out) {
    call_out(L, p->op, o->name, p->args, p->out);
    lua_pushvalue(L, p->out);
    return 1;
  }
  int n = cr__lua_call_as(L, o->home, p->op, o->name, lua_upvalueindex(2), p->args);
  if (p->op->flags & CR_OP_TRUTH) return push_truth(L);
  if (p->requires_grad) {
    cr__lua_tensor *u = lua_touserdata(L, -1);
    if (cr__lua_require_grad(L, u->t, true)) return cr__lua_raise_as(L, p->op, o->name);
    cr__lua_know(L, lua_gettop(L));
  }
  return n;
}

static int call_op(lua_State *L) {
  const cr__lua_overloads *o = lua_touserdata(L, lua_upvalueindex(1));
  cr__lua_parse p;
  int top = lua_gettop(L);
  p.each = p.explains = false;
  if (!cr__lua_parse_call(L, o->ops[0], o->inplace, top, &p)) {
    lua_settop(L, top);
    cr__lua_choose(L, o, 1, top, &p);
  }
  int n = finish(L, o, &p);
  if (p.list) cr__lua_done_list(L, p.list);
  return n;
}

/* ---- Registration ---- */

/* Fills the block at `to`, which has the room, and returns it. */
static cr__lua_overloads *fill(void *to, cr__lua_home *home, const char *name, bool inplace, int n,
                               const cr_op *const *ops) {
  cr__lua_overloads *o = to;
  o->home = home;
  o->inplace = inplace;
  o->n = n;
  memcpy(o->ops, ops, (size_t)n * sizeof *ops);
  o->name = strcpy((char *)(o->ops + n), name);
  return o;
}

static size_t size_of(const char *name, int n) {
  size_t size = sizeof(cr__lua_overloads) + (size_t)n * sizeof(cr_op *) + strlen(name) + 1;
  return (size + sizeof(cr_op *) - 1) / sizeof(cr_op *) * sizeof(cr_op *);
}

void cr__lua_add_overload(lua_State *L, int made, const cr_op *op, const char *name, bool inplace) {
  lua_pushstring(L, name);
  lua_rawget(L, made);
  const cr__lua_overloads *old = lua_touserdata(L, -1);
  int n = old ? old->n : 0;
  const cr_op *ops[16];
  if (n == sizeof ops / sizeof *ops) luaL_error(L, "too many operations are called '%s'", name);
  if (old) memcpy(ops, old->ops, (size_t)n * sizeof *ops);
  ops[n++] = op;
  fill(lua_newuserdatauv(L, size_of(name, n), 0), cr__lua_home_of(L), name, inplace, n, ops);
  lua_setfield(L, made, name);
  lua_pop(L, 1);
}

static bool same(const cr__lua_overloads *a, const cr__lua_overloads *b) {
  return a && b && a->inplace == b->inplace && a->n == b->n &&
         memcmp(a->ops, b->ops, (size_t)a->n * sizeof *a->ops) == 0;
}

/* True if the name at `key`, whose overloads are at key + 1, has the same ones in the table at twins. */
static bool has_twin(lua_State *L, int key, int twins) {
  if (!twins) return false;
  lua_pushvalue(L, key);
  lua_rawget(L, twins);
  bool found = same(lua_touserdata(L, key + 1), lua_touserdata(L, -1));
  lua_pop(L, 1);
  return found;
}

/* Returns a block for what `made` has and twins lacks, which the registry keeps. */
static char *keep_block(lua_State *L, int made, int twins) {
  size_t room = 0;
  lua_pushnil(L);
  while (lua_next(L, made)) {
    const cr__lua_overloads *o = lua_touserdata(L, -1);
    if (!has_twin(L, lua_gettop(L) - 1, twins)) room += size_of(o->name, o->n);
    lua_pop(L, 1);
  }
  char *block = lua_newuserdatauv(L, room, 0);
  luaL_ref(L, LUA_REGISTRYINDEX);
  return block;
}

/* Turns the overloads gathered in the table at `made` into closures in the table at target. What the
 * table at twins has as well (0: none) is the closure that the one at `there` has. The collector passes
 * over all that lives, so there is little of it: what closures read lies in one block. */
static void make_closures(lua_State *L, int made, int target, int twins, int there) {
  char *block = keep_block(L, made, twins);
  lua_pushnil(L);
  while (lua_next(L, made)) {
    int key = lua_gettop(L) - 1;
    const cr__lua_overloads *o = lua_touserdata(L, -1);
    lua_pushvalue(L, key);
    if (has_twin(L, key, twins)) {
      lua_pushvalue(L, key);
      lua_rawget(L, there);
    } else {
      lua_pushlightuserdata(L, fill(block, o->home, o->name, o->inplace, o->n, o->ops));
      block += size_of(o->name, o->n);
      cr__lua_metatable(L);
      lua_pushcclosure(L, call_op, 2);
    }
    lua_rawset(L, target);
    lua_settop(L, key);
  }
}

static void gather(lua_State *L, int flag) {
  lua_newtable(L);
  int made = lua_gettop(L);
  for (int i = 0; i < cr_op_count(); i++) {
    const cr_op *op = cr_op_at(i);
    if (!(op->flags & flag)) continue;
    if (!(op->flags & CR_OP_INPLACE_ONLY)) cr__lua_add_overload(L, made, op, op->lua, false);
    if (!(op->flags & (CR_OP_INPLACE | CR_OP_INPLACE_ONLY))) continue;
    char twin[64];
    size_t n = strlen(op->lua);
    bool ends = n && op->lua[n - 1] == '_';
    snprintf(twin, sizeof twin, ends ? "%s" : "%s_", op->lua);
    cr__lua_add_overload(L, made, op, twin, true);
  }
}

/* Whether name is one of op's aliases, or with *twin that of one's twin. */
static bool is_alias(const cr_op *op, const char *name, bool *twin) {
  for (const char *const *alias = op->aliases; alias && *alias; alias++) {
    size_t n = strlen(*alias);
    if (strncmp(name, *alias, n) != 0) continue;
    *twin = strcmp(name + n, "_") == 0;
    if (name[n] == '\0' || (*twin && op->flags & CR_OP_INPLACE)) return true;
  }
  return false;
}

bool cr__lua_find_alias(lua_State *L, int index, bool method) {
  const char *name = lua_tostring(L, index);
  bool twin;
  int top = lua_gettop(L);
  luaL_checkstack(L, 8, "no stack for a function");
  lua_newtable(L);
  for (int i = 0; i < cr_op_count(); i++) {
    const cr_op *op = cr_op_at(i);
    if (op->flags & (method ? CR_OP_METHOD : CR_OP_FUNCTION) && is_alias(op, name, &twin))
      cr__lua_add_overload(L, top + 1, op, name, twin);
  }
  if (lua_getfield(L, top + 1, name) == LUA_TNIL) {
    lua_settop(L, top);
    return false;
  }
  cr__lua_metatable(L);
  lua_pushcclosure(L, call_op, 2);
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
  return true;
}

void cr__lua_open_ops(lua_State *L) {
  int module = lua_gettop(L), functions = module + 1, methods = module + 2;
  find_known(L);
  gather(L, CR_OP_FUNCTION);
  make_closures(L, functions, module, 0, 0);
  gather(L, CR_OP_METHOD);
  cr__lua_methods(L);
  make_closures(L, methods, methods + 1, functions, module);
  lua_settop(L, module);
}
