/* list.c: lists of tensors owned by a userdata.
 *
 * Holds true: a reference in a list is released when the list is collected, unless it was moved to
 * a tensor's userdata before; so Lua may longjmp at any time without losing it. */
#include <string.h>

#include "binding.h"

static const char list_key; /* registry: the metatable of lists; its address is their tag, too */
/* Registry: an empty list that waits for the next call, or false. A finalizer costs more than a call. */
static const char spare_key;
enum { SPARE = 8 /* its room */ };

static int list_gc(lua_State *L) {
  cr__lua_list *list = lua_touserdata(L, 1);
  if (!list || lua_rawlen(L, 1) < sizeof *list || list->tag != &list_key)
    return luaL_error(L, "a list of tensors expected");
  for (int i = 0; i < list->n; i++) cr_release(list->t[i]);
  list->n = 0;
  return 0;
}

static cr__lua_list *take_spare(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &spare_key) != LUA_TUSERDATA) {
    lua_pop(L, 1);
    return NULL;
  }
  lua_pushboolean(L, false);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &spare_key);
  return lua_touserdata(L, -1);
}

static void set_metatable(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &list_key) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, list_gc);
    lua_setfield(L, -2, "__gc");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &list_key);
  }
  lua_setmetatable(L, -2);
}

cr__lua_list *cr__lua_new_list(lua_State *L, int room) {
  luaL_checkstack(L, 4, "no stack for a list");
  cr__lua_list *list = room <= SPARE ? take_spare(L) : NULL;
  bool fresh = !list;
  if (room < SPARE) room = SPARE;
  if (fresh) list = lua_newuserdatauv(L, sizeof *list + (size_t)room * sizeof(cr_tensor *), 0);
  list->tag = &list_key;
  list->n = 0;
  list->room = room;
  memset(list->t, 0, (size_t)room * sizeof(cr_tensor *));
  if (fresh) set_metatable(L);
  return list;
}

void cr__lua_done_list(lua_State *L, int index) {
  cr__lua_list *list = lua_touserdata(L, index);
  while (list->n > 0) cr_release(list->t[--list->n]);
  if (list->room != SPARE) return;
  lua_pushvalue(L, index);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &spare_key);
}

/* Appends the tensor on top of the stack, which stays there; false if it is none. */
static inline bool append(lua_State *L, cr__lua_list *list, bool holes) {
  cr__lua_tensor *u = cr__lua_test(L, -1);
  if (__builtin_expect(u && u->t, 1)) {
    list->t[list->n++] = cr_retain(u->t);
    return true;
  }
  bool hole = holes && lua_isboolean(L, -1) && !lua_toboolean(L, -1);
  if (hole) list->t[list->n++] = NULL;
  return hole;
}

/* Appends the n entries of the table at index; false, with the one that will not do on top. A call of Lua
 * takes off several of them at once. */
static bool append_all(lua_State *L, int index, lua_Integer n, cr__lua_list *list, bool holes) {
  enum { AT_ONCE = 16 };
  int top = lua_gettop(L);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, index, i);
    if (!append(L, list, holes)) return false;
    if (i % AT_ONCE == 0) lua_settop(L, top);
  }
  lua_settop(L, top);
  return true;
}

cr__lua_list *cr__lua_make_list(lua_State *L, int index, const char *param, bool holes) {
  index = lua_absindex(L, index);
  luaL_checkstack(L, 24, "no stack for a list");
  if (lua_type(L, index) != LUA_TTABLE) {
    if (!cr__lua_test(L, index)) {
      lua_pushfstring(L, "%s must be a table of tensors, got %s", param,
                      cr__lua_describe(L, index));
      lua_remove(L, -2);
      return NULL;
    }
    cr__lua_list *list = cr__lua_new_list(L, 1);
    lua_pushvalue(L, index);
    bool fits = append(L, list, false);
    lua_pop(L, 1);
    if (fits) return list;
    lua_pushfstring(L, "%s: this tensor was closed", param);
    return NULL;
  }
  lua_Unsigned n = lua_rawlen(L, index);
  if (n > INT32_MAX / 16) {
    lua_pushfstring(L, "%s has too many entries", param);
    return NULL;
  }
  if (cr__lua_other_key(L, index, (lua_Integer)n)) {
    lua_pushfstring(L, "%s has %s beside its list", param, lua_tostring(L, -1));
    return NULL;
  }
  cr__lua_list *list = cr__lua_new_list(L, (int)n);
  if (append_all(L, index, (lua_Integer)n, list, holes)) return list;
  lua_pushfstring(L, "%s[%d] must be a tensor, got %s", param, list->n + 1,
                  cr__lua_describe(L, -1));
  return NULL;
}

cr__lua_list *cr__lua_check_list(lua_State *L, int index, const char *op, const char *param,
                                 bool holes) {
  cr__lua_list *list = cr__lua_make_list(L, index, param, holes);
  if (!list) cr__lua_error(L, "%s: %s", op, lua_tostring(L, -1));
  return list;
}

void cr__lua_push_list(lua_State *L, cr__lua_list *list) {
  luaL_checkstack(L, list->n + 4, "too many results");
  for (int i = 0; i < list->n; i++) {
    if (!list->t[i]) {
      lua_pushnil(L);
      continue;
    }
    if (cr_tensor_refs(list->t[i]) > 1 && cr__lua_push_known(L, list->t[i])) {
      cr_release(list->t[i]);
      list->t[i] = NULL;
      continue;
    }
    cr__lua_tensor *u = cr__lua_new(L);
    u->t = list->t[i];
    list->t[i] = NULL;
  }
}
