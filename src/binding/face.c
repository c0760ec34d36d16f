/* face.c: the userdata that stand for tensors and nodes, and the values that these keep.
 *
 * Holds true: what the core hands out again comes as the userdata that stands for it, as long as that
 * lives. What a userdata keeps lies in its bag, in a table with weak keys: Lua's collector sees that it
 * goes with the userdata, even where it refers to that itself. */
#include "owner.h"
#include "state.h"

static const char bags_key; /* registry: a bag of holders by userdata, with weak keys */

owner cr__lua_last_owner;

/* ---- Userdata by object: one for each tensor that the core hands out again ------------------------ */

/* Pushes the table of userdata by the address of their object, which does not keep them; by number, which
 * is the fastest way to what the registry has. */
static void push_faces(lua_State *L) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, cr__lua_home_of(L)->rest->faces);
}

/* Pushes the userdata of the table on top that stands for the tensor, or another value. */
static bool push_tensor_face(lua_State *L, const cr_tensor *t) {
  lua_rawgetp(L, -1, t);
  const cr__lua_tensor *u = cr__lua_test(L, -1);
  return u && u->t == t; /* else none, or one that was closed */
}

void cr__lua_push_face(lua_State *L, const void *object) {
  push_faces(L);
  lua_rawgetp(L, -1, object);
  lua_remove(L, -2);
}

bool cr__lua_push_known(lua_State *L, const cr_tensor *t) {
  push_faces(L);
  bool known = push_tensor_face(L, t);
  if (known) lua_remove(L, -2);
  else lua_pop(L, 2);
  return known;
}

void cr__lua_know(lua_State *L, int index) {
  cr__lua_tensor *u = lua_touserdata(L, index);
  if (u->owners || !u->t) return;
  u->owners = &cr__lua_last_owner;
  push_faces(L);
  if (!push_tensor_face(L, u->t)) { /* else another userdata keeps its place */
    lua_pushvalue(L, index);
    lua_rawsetp(L, -3, u->t);
  }
  lua_pop(L, 2);
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
  push_faces(L);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, u->n);
  lua_pop(L, 1);
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

static void push_new_table(lua_State *L, const char *mode) {
  lua_newtable(L);
  if (!mode) return;
  lua_createtable(L, 0, 1);
  lua_pushstring(L, mode);
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
}

void cr__lua_make_registry(lua_State *L, const void *key, const char *mode) {
  push_new_table(L, mode);
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void cr__lua_open_faces(lua_State *L) {
  cr__lua_make_registry(L, &bags_key, "k");
  push_new_table(L, "v");
  cr__lua_home_of(L)->rest->faces = luaL_ref(L, LUA_REGISTRYINDEX);
}
