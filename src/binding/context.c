/* context.c: what the halves of a Function see as ctx: saved tensors, marks, and free fields.
 *
 * Holds true: a context whose graph is gone refuses everything but its free fields. A free field that
 * holds a result keeps its memory only, as a saved result does: the graph keeps the context, so that a
 * field that kept the graph would close a circle that Lua's collector cannot see. */
#include <string.h>

#include "function.h"

static const char *name_of(lua_State *L) { /* of the context at 1 */
  lua_getiuservalue(L, 1, CONTEXT_FUNCTION);
  const cr__lua_function *f = lua_touserdata(L, -1);
  lua_pop(L, 1); /* the context keeps it */
  return f->name;
}

static cr__lua_context *check_context(lua_State *L, const char *method) {
  cr__lua_context *x = luaL_testudata(L, 1, CR__LUA_CONTEXT);
  if (!x)
    cr__lua_error(L, "%s: self must be a Function's context, got %s; call it with a colon", method,
                  cr__lua_describe(L, 1));
  if (!x->c)
    cr__lua_error(L, "%s: %s: the graph that this context belongs to has been released", name_of(L),
                  method);
  return x;
}

/* Pushes a list of the arguments 2 .. top: tensors, or nil where `holes`. */
static cr__lua_list *list_of_arguments(lua_State *L, const char *method, bool holes) {
  int n = lua_gettop(L) - 1;
  cr__lua_list *list = cr__lua_new_list(L, n);
  for (int i = 0; i < n; i++) {
    cr__lua_tensor *u = cr__lua_test(L, i + 2);
    if (!(u && u->t) && !(holes && lua_isnil(L, i + 2)))
      cr__lua_error(L, "%s: %s takes tensors%s only, argument %d is %s", name_of(L), method,
                    holes ? " and nil" : "", i + 1, cr__lua_describe(L, i + 2));
    list->t[list->n++] = u ? cr_retain(u->t) : NULL;
  }
  return list;
}

static int context_save(lua_State *L) {
  cr__lua_context *x = check_context(L, "save_for_backward");
  cr__lua_list *list = list_of_arguments(L, "save_for_backward", true);
  return CR__LUA_GET(L, cr_context_save(x->c, list->t, list->n)) ? cr__lua_raise(L, NULL) : 0;
}

static int context_saved(lua_State *L) {
  cr__lua_context *x = check_context(L, "saved_tensors");
  int n = 0;
  cr_context_saved(x->c, NULL, &n);
  cr__lua_list *list = cr__lua_new_list(L, n);
  cr__lua_entry outer = cr__lua_enter(L);
  int code = cr_context_saved(x->c, list->t, &n);
  cr__lua_leave(outer);
  if (code) return cr__lua_raise(L, NULL);
  list->n = n;
  cr__lua_push_list(L, list);
  return n;
}

/* The core compares marked tensors with results by address, so they live until the call is over. */
static int mark(lua_State *L, const char *method, int slot,
                int (*f)(cr_context *, cr_tensor *const *, int)) {
  cr__lua_context *x = check_context(L, method);
  cr__lua_list *list = list_of_arguments(L, method, false);
  lua_setiuservalue(L, 1, slot);
  return CR__LUA_GET(L, f(x->c, list->t, list->n)) ? cr__lua_raise(L, NULL) : 0;
}

static int context_mark_dirty(lua_State *L) {
  return mark(L, "mark_dirty", CONTEXT_DIRTY, cr_context_mark_dirty);
}

static int context_mark_non_differentiable(lua_State *L) {
  return mark(L, "mark_non_differentiable", CONTEXT_FIXED, cr_context_mark_non_differentiable);
}

static int context_set_materialize_grads(lua_State *L) {
  cr__lua_context *x = check_context(L, "set_materialize_grads");
  cr_context_materialize_grads(x->c, cr__lua_bool_arg(L, 2, "set_materialize_grads", "on"));
  return 0;
}

/* Pushes the table of booleans, made at the first request. */
static int needs_input_grad(lua_State *L, const cr__lua_context *x) {
  if (lua_getiuservalue(L, 1, CONTEXT_NEEDS) == LUA_TTABLE) return 1;
  check_context(L, "needs_input_grad");
  lua_createtable(L, x->nargs, 0);
  for (int i = 0; i < x->nargs; i++) {
    lua_pushboolean(L, cr_context_needs_grad(x->c, i));
    lua_rawseti(L, -2, i + 1);
  }
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, CONTEXT_NEEDS);
  return 1;
}

/* ---- Free fields ---- */

/* Which result t is, or -1; *related: whether it is one, or a view of one, and so keeps the graph. */
static int find_result(cr_tensor *t, cr_tensor *const *results, int n, bool *related) {
  for (int i = 0; i < n; i++) {
    *related = cr_requires_grad(results[i]) && (t == results[i] || cr_base(t) == results[i]);
    if (*related) return t == results[i] ? i : -1;
  }
  return -1;
}

void cr__lua_context_unlink(lua_State *L, int index, cr_tensor *const *results, int n) {
  const cr__lua_context *x = lua_touserdata(L, index);
  if (!x->c) return; /* no graph keeps it */
  if (lua_getiuservalue(L, index, CONTEXT_FIELDS) != LUA_TTABLE) {
    lua_pop(L, 1);
    return;
  }
  int fields = lua_gettop(L);
  lua_newtable(L); /* for CONTEXT_RESULTS */
  bool any = false;
  for (lua_pushnil(L); lua_next(L, fields); lua_settop(L, fields + 2)) {
    const cr__lua_tensor *u = cr__lua_test(L, -1);
    bool related = false;
    int result = u && u->t ? find_result(u->t, results, n, &related) : -1;
    if (!related) continue;
    cr_value args[] = {cr__lua_at(fields + 3)};
    lua_pushvalue(L, -2);
    cr__lua_call(L, cr__lua_op(CR__LUA_detach), args);
    lua_rawset(L, fields); /* the key is there, so the table may be walked on */
    if (result < 0) continue;
    lua_pushvalue(L, fields + 2);
    lua_pushinteger(L, result);
    lua_rawset(L, fields + 1);
    any = true;
  }
  if (any) lua_setiuservalue(L, index, CONTEXT_RESULTS);
  lua_settop(L, fields - 1);
}

/* The free field that is on top, whose key is at 2: a result gets its place in the graph back. */
static int place_field(lua_State *L, const cr__lua_context *x) {
  int field = lua_gettop(L);
  const cr__lua_tensor *u = cr__lua_test(L, field);
  if (!u || !u->t || !x->c) return 1;
  if (lua_getiuservalue(L, 1, CONTEXT_RESULTS) == LUA_TTABLE) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) != LUA_TNIL) {
      cr__lua_tensor *placed = cr__lua_new(L);
      int result = (int)lua_tointeger(L, -2);
      CR__LUA_DO(L, placed->t = cr_context_result(x->c, u->t, result));
      return placed->t ? 1 : cr__lua_raise(L, NULL);
    }
  }
  lua_settop(L, field);
  return 1;
}

/* A value that is assigned later is no result as forward left it. */
static void forget_result(lua_State *L) {
  if (lua_getiuservalue(L, 1, CONTEXT_RESULTS) == LUA_TTABLE) {
    lua_pushvalue(L, 2);
    lua_pushnil(L);
    lua_rawset(L, -3);
  }
  lua_pop(L, 1);
}

/* Upvalue 1: the methods. All other names are free fields. */
static int context_index(lua_State *L) {
  const cr__lua_context *x = luaL_checkudata(L, 1, CR__LUA_CONTEXT);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
  if (lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "needs_input_grad") == 0)
    return needs_input_grad(L, x);
  if (lua_getiuservalue(L, 1, CONTEXT_FIELDS) != LUA_TTABLE) return 0;
  lua_pushvalue(L, 2);
  lua_rawget(L, -2);
  return place_field(L, x);
}

static int context_newindex(lua_State *L) {
  luaL_checkudata(L, 1, CR__LUA_CONTEXT);
  lua_pushvalue(L, 2);
  bool taken = lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL;
  if (taken || (lua_type(L, 2) == LUA_TSTRING && !strcmp(lua_tostring(L, 2), "needs_input_grad")))
    return cr__lua_error(L, "%s: the context's own '%s' cannot be assigned; choose another name",
                         name_of(L), lua_tostring(L, 2));
  lua_pop(L, 1);
  forget_result(L);
  if (lua_getiuservalue(L, 1, CONTEXT_FIELDS) != LUA_TTABLE) {
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, CONTEXT_FIELDS);
    lua_replace(L, -2);
  }
  lua_insert(L, 2);
  lua_settable(L, 2); /* not raw: it raises for nil and NaN as any table does */
  return 0;
}

void cr__lua_open_context(lua_State *L) {
  static const luaL_Reg methods[] = {{"save_for_backward", context_save},
                                     {"saved_tensors", context_saved},
                                     {"mark_dirty", context_mark_dirty},
                                     {"mark_non_differentiable", context_mark_non_differentiable},
                                     {"set_materialize_grads", context_set_materialize_grads},
                                     {NULL, NULL}};
  static const luaL_Reg context_meta[] = {{"__index", context_index},
                                          {"__newindex", context_newindex},
                                          {NULL, NULL}};
  luaL_newmetatable(L, CR__LUA_CONTEXT);
  luaL_newlib(L, methods);
  luaL_setfuncs(L, context_meta, 1);
  lua_pop(L, 1);
}
