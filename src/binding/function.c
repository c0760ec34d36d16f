/* function.c: custom Functions whose halves are Lua closures.
 *
 * Holds true: a call of a Function has one context userdata, kept by the graph as long as the call's
 * node lives, and empty afterwards. Arguments and results that are no tensors never reach the core. */
#include <string.h>

#include "function.h"

#define MAX_VALUES 255 /* that forward may return; see cr__lua_context.place */

/* One call of the core, on the C stack: forward uses the upper part, backward the lower one. */
typedef struct frame {
  lua_State *L;
  int context, first; /* stack indices of the context and of the first argument */
  int nvalues;        /* that forward left on the stack */
  const cr__lua_ref *ref;
  const char *name;
  cr_tensor *const *grad_outputs;
  cr_tensor **grad_inputs;
} frame;

static cr__lua_context *context_of(const cr__lua_ref *ref) {
  return (cr__lua_context *)((char *)ref->user - offsetof(cr__lua_context, c));
}

/* ---- Forward ---- */

/* frame, context, arguments: the values of forward, among which the core is told of the tensors. */
static int run_forward(lua_State *L) {
  frame *fr = lua_touserdata(L, 1);
  cr__lua_context *x = lua_touserdata(L, 2);
  lua_remove(L, 1);
  lua_getiuservalue(L, 1, CONTEXT_FUNCTION);
  lua_getiuservalue(L, -1, FUNCTION_FORWARD);
  lua_remove(L, -2);
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  int n = lua_gettop(L);
  if (n > MAX_VALUES)
    return cr__lua_error(L, "%s: forward returned %d values, more than %d", fr->name, n,
                         MAX_VALUES);
  luaL_checkstack(L, 4, "no stack for results");
  for (int i = 0; i < n; i++) {
    cr__lua_tensor *u = cr__lua_test(L, i + 1);
    if (!u) continue;
    if (!u->t)
      return cr__lua_error(L, "%s: result %d of forward is a tensor that was closed", fr->name,
                           i + 1);
    if (cr_context_return(x->c, u->t)) return cr__lua_raise(L, NULL);
    x->place[x->ntensors++] = (uint8_t)i;
  }
  x->nvalues = n;
  return n;
}

/* The arguments lie on the stack of the apply that called the core; the values are left there. */
static int forward(cr_context *c, void *user, cr_tensor *const *inputs, int n) {
  (void)inputs;
  cr__lua_context *x = context_of(user);
  frame *fr = x->frame;
  lua_State *L = fr->L;
  x->c = c;
  if (!lua_checkstack(L, n + LUA_MINSTACK))
    return cr_error_set(CR_E_MEMORY, "out of memory: no Lua stack for the arguments of %s",
                        fr->name);
  lua_pushvalue(L, fr->context);
  for (int i = 0; i < n; i++) lua_pushvalue(L, fr->first + i);
  int code = cr__lua_protect(L, "forward", fr->name, run_forward, fr, n + 1, LUA_MULTRET);
  if (!code) fr->nvalues = x->nvalues;
  return code;
}

/* ---- Backward ---- */

static void push_gradients(lua_State *L, const cr__lua_context *x, const frame *fr) {
  luaL_checkstack(L, x->nvalues + 4, "no stack for gradients");
  int k = 0;
  for (int i = 0; i < x->nvalues; i++) {
    bool tensor = k < x->ntensors && x->place[k] == i;
    cr_tensor *g = tensor ? fr->grad_outputs[k++] : NULL;
    if (!g) {
      lua_pushnil(L);
      continue;
    }
    cr__lua_tensor *u = cr__lua_new(L);
    u->t = cr_retain(g);
  }
}

static int take_gradient(lua_State *L, const cr__lua_context *x, const frame *fr, int i,
                         int index) {
  cr__lua_tensor *u = cr__lua_test(L, index);
  if (lua_isnil(L, index)) return 0;
  if (!x->is_tensor[i])
    return cr__lua_error(L,
                         "%s: gradient %d must be nil, because argument %d is no tensor; backward "
                         "returned %s for it",
                         fr->name, i + 1, i + 1, cr__lua_describe(L, index));
  if (!u || !u->t)
    return cr__lua_error(L, "%s: gradient %d must be a tensor or nil, backward returned %s",
                         fr->name, i + 1, cr__lua_describe(L, index));
  fr->grad_inputs[i] = cr_retain(u->t);
  return 0;
}

static int run_backward(lua_State *L) {
  frame *fr = lua_touserdata(L, 1);
  cr__lua_ref_push(L, fr->ref);
  cr__lua_context *x = lua_touserdata(L, 2);
  lua_getiuservalue(L, 2, CONTEXT_FUNCTION);
  lua_getiuservalue(L, 3, FUNCTION_BACKWARD);
  lua_pushvalue(L, 2);
  push_gradients(L, x, fr);
  lua_call(L, x->nvalues + 1, LUA_MULTRET);
  int n = lua_gettop(L) - 3;
  while (n > x->nargs && lua_isnil(L, n + 3)) n--;
  if (n != x->nargs)
    return cr__lua_error(L,
                         "%s: backward must return one gradient per argument of forward: expected "
                         "%d "
                         "gradients, got %d",
                         fr->name, x->nargs, n);
  luaL_checkstack(L, 4, "no stack for gradients");
  for (int i = 0; i < n; i++) take_gradient(L, x, fr, i, i + 4);
  return 0;
}

static int backward(cr_context *c, void *user, cr_tensor *const *grad_outputs, int nout,
                    cr_tensor **grad_inputs, int nin) {
  (void)c, (void)nout, (void)nin;
  const cr__lua_ref *ref = user;
  lua_State *L = cr__lua_state_of(ref);
  if (!L) return cr_error_code();
  cr__lua_ref_push(L, ref);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return cr_error_set(CR_E_CALLBACK, "Function: its result is being collected");
  }
  lua_getiuservalue(L, -1, CONTEXT_FUNCTION);
  const cr__lua_function *f = lua_touserdata(L, -1);
  lua_pop(L, 2); /* the reference keeps both */
  frame fr = {.ref = ref,
              .name = f->name,
              .grad_outputs = grad_outputs,
              .grad_inputs = grad_inputs};
  return cr__lua_protect(L, "backward", f->name, run_backward, &fr, 0, 0);
}

/* ---- The call ---- */

static cr__lua_context *push_context(lua_State *L, int nargs) {
  cr__lua_context *x =
      lua_newuserdatauv(L, sizeof *x + (size_t)nargs * sizeof(bool), CONTEXT_VALUES);
  memset(x, 0, sizeof *x + (size_t)nargs * sizeof(bool));
  x->nargs = nargs;
  luaL_setmetatable(L, CR__LUA_CONTEXT);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, CONTEXT_FUNCTION);
  return x;
}

static cr__lua_list *push_inputs(lua_State *L, const cr__lua_function *f, cr__lua_context *x) {
  cr__lua_list *list = cr__lua_new_list(L, x->nargs);
  list->n = x->nargs;
  for (int i = 0; i < x->nargs; i++) {
    cr__lua_tensor *u = cr__lua_test(L, i + 2);
    if (!u) continue;
    if (!u->t) cr__lua_error(L, "%s: argument %d is a tensor that was closed", f->name, i + 1);
    list->t[i] = cr_retain(u->t);
    x->is_tensor[i] = true;
  }
  return list;
}

/* Replaces those of forward's values that the core has exchanged; others stay the same userdata. */
static void place_results(lua_State *L, const cr__lua_context *x, cr__lua_list *out, int first) {
  for (int k = 0; k < out->n; k++) {
    int index = first + x->place[k];
    cr__lua_tensor *u = cr__lua_test(L, index);
    if (u && u->t == out->t[k]) { /* the list releases its own reference */
      cr__lua_written(L, u->t);
      continue;
    }
    u = cr__lua_new(L);
    u->t = out->t[k];
    out->t[k] = NULL;
    lua_replace(L, index);
  }
}

/* The graph may keep the context, so it must not keep tensors that it does not need. */
static void forget_marked(lua_State *L, int context) {
  for (int slot = CONTEXT_DIRTY; slot <= CONTEXT_FIXED; slot++) {
    lua_pushnil(L);
    lua_setiuservalue(L, context, slot);
  }
}

/* The graph keeps the context by the node of the results, whose userdata are to keep it in Lua: what its
 * fields and the Function's halves refer to may well be a result. */
static void own_context(lua_State *L, const cr__lua_context *x, int first, cr__lua_ref *ref) {
  for (int k = 0; k < x->ntensors && x->c; k++) {
    int index = first + x->place[k];
    const cr__lua_tensor *u = cr__lua_test(L, index);
    if (!u || !u->t || !cr_requires_grad(u->t)) continue;
    cr_node *n = cr_grad_fn(u->t);
    bool mine = n && cr_node_user(n, (const void *)cr__lua_ref_free) == ref;
    cr_node_release(n); /* the tensor keeps it */
    if (!mine) continue;
    owner *home = cr__lua_own(L, index);
    cr__lua_ref_move(L, ref, home);
    cr__lua_own_handles(L, n, home);
    return;
  }
}

/* The Function at 1, the arguments behind it. */
static int apply(lua_State *L) {
  const cr__lua_function *f = luaL_checkudata(L, 1, CR__LUA_FUNCTION);
  int nargs = lua_gettop(L) - 1;
  cr__lua_sweep(L);
  luaL_checkstack(L, LUA_MINSTACK, "no stack for a call");
  cr__lua_context *x = push_context(L, nargs);
  cr__lua_list *inputs = push_inputs(L, f, x), *out = cr__lua_new_list(L, CR_MAX_RESULTS);
  frame fr = {.L = L, .context = nargs + 2, .first = 2, .name = f->name};
  const cr_function how = {f->name, forward, f->has_backward ? backward : NULL, cr__lua_ref_free,
                           f->once};
  x->frame = &fr;
  lua_pushvalue(L, fr.context);
  cr__lua_ref *ref = cr__lua_ref_new(L, NULL, &x->c);
  fr.ref = ref;
  int nout = 0;
  cr__lua_entry outer = cr__lua_enter(L);
  int code = cr_function_apply(&how, ref, inputs->t, nargs, out->t, &nout);
  cr__lua_leave(outer);
  x->frame = NULL;
  forget_marked(L, fr.context);
  if (code) {
    cr__lua_sweep(L);
    return cr__lua_raise(L, NULL);
  }
  out->n = nout;
  luaL_checkstack(L, 4, "no stack for results");
  cr__lua_context_unlink(L, fr.context, out->t, nout);
  int first = lua_gettop(L) - fr.nvalues + 1;
  place_results(L, x, out, first);
  own_context(L, x, first, ref);
  cr__lua_sweep(L);
  cr__lua_after(L);
  return fr.nvalues;
}

/* F.apply(x), upvalue 1 being F. */
static int apply_field(lua_State *L) {
  if (lua_rawequal(L, 1, lua_upvalueindex(1))) {
    const cr__lua_function *f = lua_touserdata(L, 1);
    return cr__lua_error(L, "%s: call it with a dot: %s.apply(...)", f->name, f->name);
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  return apply(L);
}

/* ---- The Function itself ---- */

static int function_index(lua_State *L) {
  const cr__lua_function *f = luaL_checkudata(L, 1, CR__LUA_FUNCTION);
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (strcmp(key, "apply") == 0) {
    if (lua_getiuservalue(L, 1, FUNCTION_APPLY) == LUA_TFUNCTION) return 1;
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, apply_field, 1);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, FUNCTION_APPLY);
    return 1;
  }
  if (strcmp(key, "name") == 0) {
    lua_pushstring(L, f->name);
    return 1;
  }
  const char *name = *key ? cr__lua_quote(L, 2, '\'') : cr__lua_describe(L, 2);
  return cr__lua_error(L, "%s: a Function has no field %s; call it, or its 'apply'", f->name, name);
}

static int function_tostring(lua_State *L) {
  const cr__lua_function *f = luaL_checkudata(L, 1, CR__LUA_FUNCTION);
  lua_pushfstring(L, "[Function %s]", f->name);
  return 1;
}

static void set_half(lua_State *L, const cr__lua_function *f, int index, const char *half,
                     int slot) {
  if (!lua_isnil(L, index) && !cr__lua_callable(L, index))
    cr__lua_error(L, "Function: %s of %s must be a function, got %s", half, f->name,
                  cr__lua_describe(L, index));
  lua_pushvalue(L, index);
  lua_setiuservalue(L, -2, slot);
}

/* cr.Function { name =, forward =, backward =, once_differentiable = } */
static int function_new(lua_State *L) {
  static const char *const fields[] = {"name", "forward", "backward", "once_differentiable", NULL};
  if (lua_type(L, 1) != LUA_TTABLE)
    return cr__lua_error(L,
                         "Function: the description must be a table with a forward and a backward, "
                         "got %s",
                         cr__lua_describe(L, 1));
  int first = cr__lua_options(L, 1, "Function", fields);
  const char *name =
      lua_isnil(L, first) ? "Function" : cr__lua_string_arg(L, first, "Function", "name");
  cr__lua_function *f = lua_newuserdatauv(L, sizeof *f, FUNCTION_VALUES);
  if (strlen(name) >= sizeof f->name || !*name)
    return cr__lua_error(L, "Function: the name must have 1 to %d characters",
                         (int)sizeof f->name - 1);
  memset(f, 0, sizeof *f);
  strcpy(f->name, name);
  if (lua_isnil(L, first + 1))
    return cr__lua_error(L, "Function: %s needs a forward, a function of ctx and the arguments",
                         name);
  set_half(L, f, first + 1, "forward", FUNCTION_FORWARD);
  set_half(L, f, first + 2, "backward", FUNCTION_BACKWARD);
  f->has_backward = !lua_isnil(L, first + 2);
  if (!lua_isnil(L, first + 3))
    f->once = cr__lua_bool_arg(L, first + 3, "Function", "once_differentiable");
  luaL_setmetatable(L, CR__LUA_FUNCTION);
  return 1;
}

void cr__lua_open_function(lua_State *L) {
  static const luaL_Reg function_meta[] = {{"__call", apply},
                                           {"__index", function_index},
                                           {"__tostring", function_tostring},
                                           {NULL, NULL}};
  luaL_newmetatable(L, CR__LUA_FUNCTION);
  luaL_setfuncs(L, function_meta, 0);
  lua_pop(L, 1);
  cr__lua_open_context(L);
  lua_pushcfunction(L, function_new);
  lua_setfield(L, -2, "Function");
}
