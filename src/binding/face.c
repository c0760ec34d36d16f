/* face.c: the userdata that stand for tensors and nodes, and the values that these keep.
 *
 * Holds true: what the core hands out again comes as the userdata that stands for it, as long as that
 * lives. What a userdata keeps lies in its bag, in a table with weak keys: Lua's collector sees that it
 * goes with the userdata, even where it refers to that itself. */
#include "owner.h"

/* Registry: a bag of holders by userdata, with weak keys; userdata by the address of their object, weak. */
static const char bags_key, faces_key;

owner cr__lua_last_owner;

/* ---- Userdata by object: one for each tensor that the core hands out again ------------------------ */

void cr__lua_push_face(lua_State *L, const void *object) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &faces_key);
  lua_rawgetp(L, -1, object);
  lua_remove(L, -2);
}

/* Makes the value on top, popped, stand for the object. */
static void set_face(lua_State *L, const void *object) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &faces_key);
  lua_insert(L, -2);
  lua_rawsetp(L, -2, object);
  lua_pop(L, 1);
}

bool cr__lua_push_known(lua_State *L, const cr_tensor *t) {
  cr__lua_push_face(L, t);
  const cr__lua_tensor *u = cr__lua_test(L, -1);
  if (u && u->t == t) return true; /* else none, or one that was closed */
  lua_pop(L, 1);
  return false;
}

void cr__lua_know(lua_State *L, int index) {
  cr__lua_tensor *u = lua_touserdata(L, index);
  if (u->owners || !u->t) return;
  u->owners = &cr__lua_last_owner;
  if (cr__lua_push_known(L, u->t)) { /* another userdata, which keeps its place */
    lua_pop(L, 1);
    return;
  }
  lua_pushvalue(L, index);
  set_face(L, u->t);
}

void cr__lua_push_tensor(lua_State *L, cr_tensor *t) {
  if (cr__lua_push_known(L, t)) return;
  cr__lua_tensor *u = cr__lua_new(L);
  u->t = cr_retain(t);
  cr__lua_know(L, lua_gettop(L));
}

/* A node's userdata is on top: another that stands for the node takes its place. */
void cr__lua_know_node(lua_State *L) {
  cr__lua_node *u = lua_touserdata(L, -1);
  cr__lua_push_face(L, u->n);
  const cr__lua_node *old = lua_touserdata(L, -1);
  if (old && old->n == u->n) {
    CR__LUA_DO(L, cr_node_release(u->n));
    u->n = NULL;
    lua_remove(L, -2);
    return;
  }
  lua_pop(L, 1);
  lua_pushvalue(L, -1);
  set_face(L, u->n);
  cr__lua_own_again(L, lua_gettop(L));
}

void cr__lua_push_grad_fn(lua_State *L, int index) {
  const cr__lua_tensor *from = lua_touserdata(L, index);
  cr__lua_know(L, index);
  cr__lua_node *u = cr__lua_new_node(L);
  cr_error_clear();
  CR__LUA_DO(L, u->n = cr_grad_fn(from->t));
  if (!u->n && cr_error_code()) cr__lua_raise(L, NULL);
  if (!u->n) {
    lua_pop(L, 1);
    lua_pushnil(L);
    return;
  }
  u->from = from->t;
  cr__lua_know_node(L);
}

/* ---- Bags ----------------------------------------------------------------------------------------- */

/* Pushes the bag of the userdata at index, or another value. */
static bool push_bag(lua_State *L, int index) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &bags_key);
  lua_pushvalue(L, index < 0 ? index - 1 : index);
  bool found = lua_rawget(L, -2) == LUA_TTABLE;
  lua_remove(L, -2);
  return found;
}

void cr__lua_bag_put(lua_State *L, int index, int slot) {
  if (!push_bag(L, index)) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &bags_key);
    lua_pushvalue(L, index);
    lua_pushvalue(L, -3);
    lua_rawset(L, -3);
    lua_pop(L, 1);
  }
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, slot);
  lua_pop(L, 1);
}

bool cr__lua_bag_get(lua_State *L, int index, int slot) {
  if (!push_bag(L, index)) return false;
  return lua_rawgeti(L, -1, slot) == LUA_TTABLE;
}

void cr__lua_bag_take(lua_State *L, int slot) {
  if (push_bag(L, -1)) {
    lua_pushnil(L);
    lua_rawseti(L, -2, slot);
  }
  lua_pop(L, 2);
}

/* ---- The tables ----------------------------------------------------------------------------------- */

void cr__lua_make_registry(lua_State *L, const void *key, const char *mode) {
  lua_newtable(L);
  if (mode) {
    lua_createtable(L, 0, 1);
    lua_pushstring(L, mode);
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
  }
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void cr__lua_open_faces(lua_State *L) {
  cr__lua_make_registry(L, &bags_key, "k");
  cr__lua_make_registry(L, &faces_key, "v");
}
