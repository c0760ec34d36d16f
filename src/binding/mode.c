/* mode.c: modes: gradients on or off, inference, anomaly, and hooks on saved tensors.
 *
 * Holds true: a mode is entered in one of two forms. cr.no_grad(f, ...) calls f in it; cr.no_grad() is
 * a value for `local _ <close> =`. Both are scopes (scope.c), which end also with an error; that passes
 * untouched. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callback.h"
#include "scope.h"

static int make_scope(lua_State *L, cr__lua_guard *g, const cr_mode *mode) {
  return (g->scope = cr_scope_new(mode, NULL)) ? 0 : cr__lua_raise(L, NULL);
}

/* The two forms of a mode without arguments of its own. A nil is a function that the caller lacks. */
static int enter_mode(lua_State *L, const char *op, const cr_mode *mode) {
  bool calls = lua_gettop(L) > 0;
  if (calls && !cr__lua_callable(L, 1))
    return cr__lua_error(L,
                         "%s: expected a function to call, or nothing for "
                         "`local _ <close> = cr.%s()`, got %s",
                         op, op, cr__lua_describe(L, 1));
  make_scope(L, cr__lua_new_scope(L, op), mode);
  return calls ? cr__lua_call_in_scope(L, 1) : cr__lua_give_scope(L);
}

/* ---- Gradients and inference ---- */

static int no_grad(lua_State *L) {
  return enter_mode(L, "no_grad", &(cr_mode){.sets = CR_SETS_GRAD, .grad = false});
}

static int enable_grad(lua_State *L) {
  return enter_mode(L, "enable_grad", &(cr_mode){.sets = CR_SETS_GRAD, .grad = true});
}

/* inference_mode(f, ...), inference_mode(), or inference_mode(on) as a guard. */
static int inference_mode(lua_State *L) {
  bool on = true;
  if (lua_isboolean(L, 1)) {
    on = lua_toboolean(L, 1);
    lua_settop(L, 0);
  }
  return enter_mode(L, "inference_mode",
                    &(cr_mode){.sets = CR_SETS_GRAD | CR_SETS_INFERENCE,
                               .grad = !on,
                               .inference = on});
}

/* set_grad_enabled(on): until it is set again, or as a guard. */
static int set_grad_enabled(lua_State *L) {
  bool on = cr__lua_bool_arg(L, 1, "set_grad_enabled", "on");
  return cr__lua_set_mode(L, "set_grad_enabled", &(cr_mode){.sets = CR_SETS_GRAD, .grad = on});
}

static int is_grad_enabled(lua_State *L) {
  bool on;
  CR__LUA_DO(L, on = cr_grad_enabled());
  lua_pushboolean(L, on);
  return 1;
}

static int is_inference_mode_enabled(lua_State *L) {
  bool on;
  CR__LUA_DO(L, on = cr_inference_enabled());
  lua_pushboolean(L, on);
  return 1;
}

/* ---- Anomaly mode ---- */

/* "a.lua:3, called from b.lua:10": the places in Lua that the present call comes from. May not raise:
 * lua_getinfo with these letters allocates nothing. */
static char *trace(void *user) {
  (void)user;
  lua_State *L = cr__lua_current;
  char text[512];
  size_t n = 0;
  lua_Debug at;
  int places = 0;
  for (int level = 0; L && places < 4 && lua_getstack(L, level, &at); level++) {
    if (!lua_getinfo(L, "Sl", &at) || at.currentline < 0 || n >= sizeof text) continue;
    int more = snprintf(text + n, sizeof text - n, "%s%s:%d", places ? ", called from " : "",
                        at.short_src, at.currentline);
    n += more > 0 ? (size_t)more : 0;
    places++;
  }
  return places ? strdup(text) : NULL;
}

static cr_mode anomaly_mode(bool on, bool check_nan) {
  return (cr_mode){.sets = CR_SETS_ANOMALY, .anomaly = on, .check_nan = check_nan, .trace = trace};
}

static bool check_nan_option(lua_State *L, int index) {
  static const char *const names[] = {"check_nan", NULL};
  int first = cr__lua_options(L, index, "detect_anomaly", names);
  bool check = lua_isnil(L, first) || cr__lua_bool_arg(L, first, "detect_anomaly", "check_nan");
  lua_settop(L, index - 1);
  return check;
}

/* detect_anomaly(), detect_anomaly { check_nan = }, detect_anomaly(f, { check_nan = }). */
static int detect_anomaly(lua_State *L) {
  bool check_nan = true;
  lua_settop(L, 2);
  if (!lua_isnil(L, 2)) check_nan = check_nan_option(L, 2);
  else if (lua_istable(L, 1) && !cr__lua_callable(L, 1)) check_nan = check_nan_option(L, 1);
  lua_settop(L, lua_gettop(L) > 0 && !lua_isnil(L, 1) ? 1 : 0);
  const cr_mode mode = anomaly_mode(true, check_nan);
  return enter_mode(L, "detect_anomaly", &mode);
}

/* set_detect_anomaly(on, check_nan = true), until it is set again. */
static int set_detect_anomaly(lua_State *L) {
  bool on = cr__lua_bool_arg(L, 1, "set_detect_anomaly", "on");
  bool check = lua_isnoneornil(L, 2) || cr__lua_bool_arg(L, 2, "set_detect_anomaly", "check_nan");
  const cr_mode mode = anomaly_mode(on, check);
  return cr__lua_set_mode(L, "set_detect_anomaly", &mode);
}

static int is_anomaly_enabled(lua_State *L) {
  bool on;
  CR__LUA_DO(L, on = cr_anomaly_enabled(NULL));
  lua_pushboolean(L, on);
  return 1;
}

/* ---- Hooks on saved tensors ---- */

/* What a handle refers to is { value, { pack, unpack } }: the functions go with the handles once the scope
 * has ended, so that rings through either are seen where the node that has saved them is owned. */
typedef struct pair { /* shared by the guard's scope and by what was packed in it */
  atomic_int refs;
  cr__lua_ref *functions; /* { pack, unpack }; NULL once the scope has ended */
} pair;

static void retain_pair(void *user, int by) {
  pair *p = user;
  if (atomic_fetch_add(&p->refs, by) + by > 0) return;
  cr__lua_ref_free(p->functions);
  free(p);
}

static void scope_ended(void *user) {
  pair *p = user;
  cr__lua_ref_free(p->functions);
  p->functions = NULL;
  retain_pair(p, -1);
}

typedef struct hook_frame {
  const cr__lua_ref *functions;
  cr_tensor *t;
  cr__lua_ref *handle;
} hook_frame;

static int run_pack(lua_State *L) {
  hook_frame *fr = lua_touserdata(L, 1);
  lua_createtable(L, 2, 0);
  cr__lua_ref_push(L, fr->functions);
  lua_pushvalue(L, -1);
  lua_rawseti(L, -3, 2);
  lua_rawgeti(L, -1, 1);
  cr__lua_tensor *u = cr__lua_new(L);
  u->t = cr_retain(fr->t);
  lua_call(L, 1, 1);
  lua_rawseti(L, -3, 1);
  lua_pop(L, 1);
  fr->handle = cr__lua_ref_new(L, NULL, NULL);
  return 0;
}

static void *pack(void *user, cr_tensor *t) {
  hook_frame fr = {((pair *)user)->functions, t, NULL};
  if (!fr.functions) {
    cr_error_set(CR_E_CALLBACK, "saved_tensors_hooks: the scope of these hooks has ended");
    return NULL;
  }
  lua_State *L = cr__lua_state_of(fr.functions);
  if (!L || cr__lua_protect(L, "pack", "saved_tensors_hooks", run_pack, &fr, 0, 0)) return NULL;
  return fr.handle;
}

static int run_unpack(lua_State *L) {
  hook_frame *fr = lua_touserdata(L, 1);
  cr__lua_ref_push(L, fr->handle);
  lua_rawgeti(L, -1, 2);
  lua_rawgeti(L, -1, 2);
  lua_rawgeti(L, -3, 1);
  lua_call(L, 1, 1);
  cr__lua_tensor *u = cr__lua_test(L, -1);
  if (!u || !u->t)
    return cr__lua_error(L, "saved_tensors_hooks: unpack must return a tensor, it returned %s",
                         cr__lua_describe(L, -1));
  fr->t = cr_retain(u->t);
  return 0;
}

static cr_tensor *unpack(void *user, void *handle) {
  (void)user;
  hook_frame fr = {NULL, NULL, handle};
  lua_State *L = cr__lua_state_of(fr.handle);
  if (!L || cr__lua_protect(L, "unpack", "saved_tensors_hooks", run_unpack, &fr, 0, 0)) return NULL;
  return fr.t;
}

/* A handle freed while a call runs out of memory was packed for nothing: the call may be repeated. One
 * whose metatable has true at 1 is told so: its own [1] becomes false. Nothing here can raise. */
static void void_handle(const cr__lua_ref *handle) {
  lua_State *L = cr__lua_state_of(handle);
  if (!L || !lua_checkstack(L, 6)) return;
  int top = lua_gettop(L);
  cr__lua_ref_push(L, handle);
  if (lua_istable(L, -1) && lua_rawgeti(L, -1, 1) == LUA_TTABLE && lua_getmetatable(L, -1)) {
    if (lua_rawgeti(L, -1, 1) == LUA_TBOOLEAN) {
      lua_pushboolean(L, false);
      lua_rawseti(L, top + 2, 1); /* there already, so this takes no memory */
    }
  }
  lua_settop(L, top);
}

static void free_handle(void *user, void *handle) {
  (void)user;
  if (cr_error_code() == CR_E_MEMORY) void_handle(handle);
  cr__lua_ref_free(handle);
}

void cr__lua_own_handles(lua_State *L, cr_node *n, owner *home) {
  void *handle;
  for (int i = 0; cr_node_packed(n, i, (const void *)free_handle, &handle); i++) {
    cr__lua_ref *r = handle;
    if (r && !r->home) cr__lua_ref_move(L, r, home);
  }
}

/* Pops the table { pack, unpack } and makes it the pair of the guard's scope. */
static void make_hooks(lua_State *L, cr__lua_guard *g) {
  cr__lua_ref *functions = cr__lua_ref_new(L, NULL, NULL);
  pair *p = malloc(sizeof *p);
  if (!p) {
    cr__lua_ref_free(functions);
    luaL_error(L, "not enough memory");
  }
  atomic_init(&p->refs, 1);
  p->functions = functions;
  const cr_saved_hooks hooks = {pack, unpack, free_handle, retain_pair, p, NULL};
  g->scope = cr_scope_new(&(cr_mode){0}, &hooks);
  if (!g->scope) {
    retain_pair(p, -1);
    cr__lua_raise(L, NULL);
  }
  g->ended = scope_ended;
  g->user = p;
}

/* saved_tensors_hooks(pack, unpack), or with a function and its arguments behind them. */
static int saved_tensors_hooks(lua_State *L) {
  static const char *const names[] = {"pack", "unpack", "the third argument"};
  bool calls = lua_gettop(L) > 2;
  for (int i = 1; i <= (calls ? 3 : 2); i++)
    if (!cr__lua_callable(L, i))
      return cr__lua_error(L, "saved_tensors_hooks: %s must be a function, got %s", names[i - 1],
                           cr__lua_describe(L, i));
  cr__lua_sweep(L);
  cr__lua_guard *g = cr__lua_new_scope(L, "saved_tensors_hooks");
  lua_createtable(L, 2, 0);
  for (int i = 1; i <= 2; i++) {
    lua_pushvalue(L, i);
    lua_rawseti(L, -2, i);
  }
  make_hooks(L, g);
  return calls ? cr__lua_call_in_scope(L, 3) : cr__lua_give_scope(L);
}

/* ---- The module's part ---- */

void cr__lua_open_mode(lua_State *L) {
  static const luaL_Reg functions[] = {{"no_grad", no_grad},
                                       {"enable_grad", enable_grad},
                                       {"inference_mode", inference_mode},
                                       {"set_grad_enabled", set_grad_enabled},
                                       {"is_grad_enabled", is_grad_enabled},
                                       {"is_inference_mode_enabled", is_inference_mode_enabled},
                                       {"detect_anomaly", detect_anomaly},
                                       {"set_detect_anomaly", set_detect_anomaly},
                                       {"is_anomaly_enabled", is_anomaly_enabled},
                                       {"saved_tensors_hooks", saved_tensors_hooks},
                                       {NULL, NULL}};
  cr__lua_open_scope(L);
  luaL_setfuncs(L, functions, 0);
}
