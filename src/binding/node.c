/* node.c: nodes of the graph as userdata, to be looked at and hooked.
 *
 * Holds true: a node userdata owns a reference; two of them are equal if they stand for one node. */
#include <string.h>

#include "callback.h"

#define NODE "cresset.Node"
#define SAVED "cresset.Saved"

cr__lua_node *cr__lua_new_node(lua_State *L) {
  cr__lua_node *u = lua_newuserdatauv(L, sizeof *u, 0);
  *u = (cr__lua_node){NULL, NULL, NULL};
  luaL_setmetatable(L, NODE);
  return u;
}

static cr_node *check_node(lua_State *L) {
  cr__lua_node *u = luaL_checkudata(L, 1, NODE);
  if (!u->n) cr__lua_error(L, "this node was released");
  return u->n;
}

static int node_gc(lua_State *L) {
  cr__lua_node *u = luaL_checkudata(L, 1, NODE);
  cr_node *n = u->n;
  if (u->owner) cr__lua_node_face_ends(L, u, 1);
  u->n = NULL;
  cr_node_release(n);
  cr__lua_sweep(L);
  return 0;
}

static int node_eq(lua_State *L) {
  cr__lua_node *a = luaL_testudata(L, 1, NODE), *b = luaL_testudata(L, 2, NODE);
  lua_pushboolean(L, a && b && a->n == b->n);
  return 1;
}

static int node_tostring(lua_State *L) {
  lua_pushfstring(L, "<%s>", cr_node_name(check_node(L)));
  return 1;
}

static int node_name(lua_State *L) {
  lua_pushstring(L, cr_node_name(check_node(L)));
  return 1;
}

/* ---- Fields ---- */

/* { { node or false, output }, ... }: where the gradients of the node's inputs go. */
static int get_next_functions(lua_State *L, cr_node *n) {
  int count = cr_node_next_count(n);
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    int output = 0;
    lua_createtable(L, 2, 0);
    cr__lua_node *u = cr__lua_new_node(L);
    u->n = cr_node_next(n, i, &output);
    if (!u->n) lua_pushboolean(L, false);
    if (!u->n) lua_replace(L, -2);
    else cr__lua_know_node(L);
    lua_rawseti(L, -2, 1);
    lua_pushinteger(L, output + 1);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int get_variable(lua_State *L, cr_node *n) {
  cr_tensor *t = cr_node_variable(n);
  if (t) cr__lua_push_tensor(L, t);
  else lua_pushnil(L);
  return 1;
}

/* Where anomaly mode has seen the forward call. */
static int get_trace(lua_State *L, cr_node *n) {
  lua_pushstring(L, cr_node_trace(n)); /* nil for NULL */
  return 1;
}

static int saved_gc(lua_State *L) {
  cr_value_release(luaL_checkudata(L, 1, SAVED));
  return 0;
}

static int push_saved(lua_State *L, cr_node *n, int i) {
  cr_value *v = lua_newuserdatauv(L, sizeof *v, 0); /* owns what the core returns */
  *v = cr_none();
  luaL_setmetatable(L, SAVED);
  cr__lua_entry outer = cr__lua_enter(L);
  int code = cr_node_saved(n, i, NULL, v);
  cr__lua_leave(outer);
  if (code) return cr__lua_raise(L, NULL);
  cr__lua_push_value(L, v);
  cr_value_release(v);
  return 1;
}

static int get_saved(lua_State *L, cr_node *n, const char *field) {
  for (int i = 0; i < cr_node_saved_count(n); i++) {
    const char *name = NULL;
    if (!cr_node_saved(n, i, &name, NULL) && name && strcmp(name, field + strlen("saved_")) == 0)
      return push_saved(L, n, i);
  }
  lua_pushstring(L, field);
  return cr__lua_error(L, "%s has no field %s", cr_node_name(n), cr__lua_quote(L, -1, '\''));
}

/* Upvalue 1: the methods. */
static int node_index(lua_State *L) {
  cr_node *n = check_node(L);
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
  if (strcmp(key, "next_functions") == 0) return get_next_functions(L, n);
  if (strcmp(key, "variable") == 0) return get_variable(L, n);
  if (strcmp(key, "trace") == 0) return get_trace(L, n);
  if (strncmp(key, "saved_", 6) == 0) return get_saved(L, n, key);
  const char *name = *key ? cr__lua_quote(L, 2, '\'') : cr__lua_describe(L, 2);
  return cr__lua_error(L, "a node has no field or method %s", name);
}

/* node:saved_names(): of what the node has saved, each a field saved_<name>. */
static int node_saved_names(lua_State *L) {
  cr_node *n = check_node(L);
  lua_newtable(L);
  for (int i = 0; i < cr_node_saved_count(n); i++) {
    const char *name = NULL;
    if (cr_node_saved(n, i, &name, NULL)) return cr__lua_raise(L, NULL);
    lua_pushstring(L, name);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int register_hook(lua_State *L) {
  check_node(L);
  return cr__lua_add_hook(L, "register_hook", CR_HOOK_POST);
}

static int register_prehook(lua_State *L) {
  check_node(L);
  return cr__lua_add_hook(L, "register_prehook", CR_HOOK_PRE);
}

void cr__lua_open_node(lua_State *L) {
  static const luaL_Reg methods[] = {{"name", node_name},
                                     {"saved_names", node_saved_names},
                                     {"register_hook", register_hook},
                                     {"register_prehook", register_prehook},
                                     {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", node_gc},
                                  {"__eq", node_eq},
                                  {"__tostring", node_tostring},
                                  {NULL, NULL}};
  luaL_newmetatable(L, SAVED);
  lua_pushcfunction(L, saved_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  luaL_newmetatable(L, NODE);
  luaL_setfuncs(L, meta, 0);
  luaL_newlib(L, methods);
  lua_pushcclosure(L, node_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
