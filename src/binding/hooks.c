/* hooks.c: Lua functions that run while gradients pass.
 *
 * Holds true: what a hook returns is checked before anything is replaced. An error in a hook passes
 * out of backward as it is. */
#include <string.h>

#include "callback.h"

#define HANDLE "cresset.HookHandle"

typedef struct handle {
  uint64_t id; /* 0 once removed */
  bool of_node;
} handle;

typedef struct frame {
  const cr__lua_ref *ref;
  cr_tensor **grads;
  int n;
  cr_tensor *const *outs;
  int nouts;
} frame;

/* A table with a tensor, or false, for each gradient. */
static void push_gradients(lua_State *L, cr_tensor *const *grads, int n) {
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    if (grads[i]) cr__lua_push_tensor(L, grads[i]);
    else lua_pushboolean(L, false);
    lua_rawseti(L, -2, i + 1);
  }
}

static void replace(cr_tensor **slot, cr_tensor *t) {
  cr_tensor *old = *slot;
  *slot = cr_retain(t);
  cr_release(old);
}

/* ---- One body per kind of hook ---- */

static int run_tensor_hook(lua_State *L) {
  frame *fr = lua_touserdata(L, 1);
  cr__lua_ref_push(L, fr->ref);
  cr__lua_push_tensor(L, fr->grads[0]);
  lua_call(L, 1, 1);
  if (lua_isnil(L, -1)) return 0;
  cr__lua_tensor *u = cr__lua_test(L, -1);
  if (!u || !u->t)
    return cr__lua_error(L, "register_hook: a hook must return a tensor or nil, it returned %s",
                         cr__lua_describe(L, -1));
  replace(&fr->grads[0], u->t);
  return 0;
}

static int run_post_grad_hook(lua_State *L) {
  frame *fr = lua_touserdata(L, 1);
  cr__lua_ref_push(L, fr->ref);
  cr__lua_push_tensor(L, fr->grads[0]);
  lua_call(L, 1, 1);
  if (lua_isnil(L, -1)) return 0;
  return cr__lua_error(L,
                       "register_post_accumulate_grad_hook: the hook must return nil, it returned "
                       "%s",
                       cr__lua_describe(L, -1));
}

/* nil keeps all gradients; else a table with a tensor, or false for none, for each. */
static int take_gradients(lua_State *L, const frame *fr, const char *op) {
  if (lua_isnil(L, -1)) return 0;
  if (lua_type(L, -1) != LUA_TTABLE)
    return cr__lua_error(L, "%s: a hook must return a table of gradients or nil, it returned %s",
                         op, cr__lua_describe(L, -1));
  int table = lua_gettop(L);
  cr__lua_list *list = cr__lua_new_list(L, fr->n);
  for (int i = 0; i < fr->n; i++) {
    lua_rawgeti(L, table, i + 1);
    cr__lua_tensor *u = cr__lua_test(L, -1);
    if (lua_toboolean(L, -1) && !(u && u->t))
      return cr__lua_error(L,
                           "%s: gradient %d that a hook returned must be a tensor or false, got %s",
                           op, i + 1, cr__lua_describe(L, -1));
    list->t[list->n++] = u ? cr_retain(u->t) : NULL;
    lua_pop(L, 1);
  }
  if ((int)lua_rawlen(L, table) > fr->n)
    return cr__lua_error(L, "%s: a hook must return %d gradients, it returned %d", op, fr->n,
                         (int)lua_rawlen(L, table));
  for (int i = 0; i < fr->n; i++) replace(&fr->grads[i], list->t[i]);
  return 0;
}

static int run_pre_hook(lua_State *L) {
  frame *fr = lua_touserdata(L, 1);
  cr__lua_ref_push(L, fr->ref);
  push_gradients(L, fr->grads, fr->n);
  lua_call(L, 1, 1);
  return take_gradients(L, fr, "register_prehook");
}

static int run_post_hook(lua_State *L) {
  frame *fr = lua_touserdata(L, 1);
  cr__lua_ref_push(L, fr->ref);
  push_gradients(L, fr->grads, fr->n);
  push_gradients(L, fr->outs, fr->nouts);
  lua_call(L, 2, 1);
  return take_gradients(L, fr, "register_hook");
}

static int run(lua_CFunction body, frame *fr) {
  lua_State *L = cr__lua_state_of(fr->ref);
  return L ? cr__lua_protect(L, "hook", NULL, body, fr, 0, 0) : (int)cr_error_code();
}

#define CALLBACK(name, body)                                                                 \
  static int name(void *user, cr_tensor **grads, int n, cr_tensor *const *outs, int nouts) { \
    frame fr = {user, grads, n, outs, nouts};                                                \
    return run(body, &fr);                                                                   \
  }
CALLBACK(call_tensor_hook, run_tensor_hook)
CALLBACK(call_post_grad_hook, run_post_grad_hook)
CALLBACK(call_pre_hook, run_pre_hook)
CALLBACK(call_post_hook, run_post_hook)

static const cr_hook callbacks[] = {[CR_HOOK_TENSOR] = call_tensor_hook,
                                    [CR_HOOK_PRE] = call_pre_hook,
                                    [CR_HOOK_POST_GRAD] = call_post_grad_hook,
                                    [CR_HOOK_POST] = call_post_hook};

/* ---- Registration ---- */

/* handle:remove(); also closes a `local h <close>`. */
static int handle_remove(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, HANDLE);
  uint64_t id = h->id;
  h->id = 0;
  if (id && h->of_node) cr_node_hook_remove(NULL, id);
  else if (id) cr_tensor_hook_remove(NULL, id);
  cr__lua_sweep(L);
  return 0;
}

int cr__lua_add_hook(lua_State *L, const char *op, cr_hook_kind kind) {
  if (!cr__lua_callable(L, 2))
    return cr__lua_error(L, "%s: the hook must be a function, got %s", op, cr__lua_describe(L, 2));
  cr__lua_sweep(L);
  handle *h = lua_newuserdatauv(L, sizeof *h, 0);
  *h = (handle){0, kind == CR_HOOK_PRE || kind == CR_HOOK_POST};
  luaL_setmetatable(L, HANDLE);
  const cr__lua_tensor *t = h->of_node ? NULL : lua_touserdata(L, 1);
  /* What does not require grad takes no hooks: the core says so. */
  owner *home = h->of_node || cr_requires_grad(t->t) ? cr__lua_own(L, 1) : NULL;
  lua_pushvalue(L, 2);
  cr__lua_ref *ref = cr__lua_ref_new(L, home, NULL);
  if (h->of_node) {
    cr__lua_node *u = lua_touserdata(L, 1);
    CR__LUA_DO(L, h->id = cr_node_hook(u->n, kind, callbacks[kind], ref, cr__lua_ref_free));
  } else {
    cr__lua_tensor *u = lua_touserdata(L, 1);
    CR__LUA_DO(L, h->id = cr_tensor_hook(u->t, kind, callbacks[kind], ref, cr__lua_ref_free));
  }
  if (h->id) return 1;
  cr__lua_ref_free(ref);
  return cr__lua_raise(L, NULL);
}

static int register_hook(lua_State *L) {
  cr__lua_tensor_arg(L, 1, "register_hook", "self");
  return cr__lua_add_hook(L, "register_hook", CR_HOOK_TENSOR);
}

static int register_post_accumulate_grad_hook(lua_State *L) {
  cr__lua_tensor_arg(L, 1, "register_post_accumulate_grad_hook", "self");
  return cr__lua_add_hook(L, "register_post_accumulate_grad_hook", CR_HOOK_POST_GRAD);
}

/* ---- Callbacks at the end of a backward pass ---- */

static int run_queued(lua_State *L) {
  frame *fr = lua_touserdata(L, 1);
  cr__lua_ref_push(L, fr->ref);
  lua_call(L, 0, 0);
  return 0;
}

static int call_queued(void *user) {
  frame fr = {.ref = user};
  return run(run_queued, &fr);
}

static int queue_callback(lua_State *L) {
  if (!cr__lua_callable(L, 1))
    return cr__lua_error(L, "queue_callback: expected a function, got %s", cr__lua_describe(L, 1));
  lua_pushvalue(L, 1);
  cr__lua_ref *ref = cr__lua_ref_new(L, NULL, NULL);
  int code = CR__LUA_GET(L, cr_queue_callback(call_queued, ref, cr__lua_ref_free));
  return code ? cr__lua_raise(L, NULL) : 0;
}

void cr__lua_open_hooks(lua_State *L) {
  static const luaL_Reg methods[] = {{"register_hook", register_hook},
                                     {"register_post_accumulate_grad_hook",
                                      register_post_accumulate_grad_hook},
                                     {NULL, NULL}};
  static const luaL_Reg handle_methods[] = {{"remove", handle_remove}, {NULL, NULL}};
  luaL_newmetatable(L, HANDLE);
  luaL_newlib(L, handle_methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, handle_remove);
  lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
  cr__lua_add_methods(L, methods);
  lua_pushcfunction(L, queue_callback);
  lua_setfield(L, -2, "queue_callback");
}
