/* dlpack.c: tensors to and from other libraries that have a binding to Lua, as capsules.
 *
 * Holds true: a capsule owns a structure of DLPack until somebody takes it; one that is collected untaken has the
 * structure's deleter called. Only the pointer crosses: the structures are opaque here. */
#include "binding.h"

#define CAPSULE "cresset.DLPack"

typedef struct capsule {
  void *managed; /* NULL: taken */
  bool versioned;
} capsule;

static capsule *capsule_at(lua_State *L, int index) { return luaL_testudata(L, index, CAPSULE); }

/* to_dlpack(x, { versioned = true }) */
static int to_dlpack(lua_State *L) {
  static const char *const names[] = {"versioned", NULL};
  cr_tensor *t = cr__lua_tensor_arg(L, 1, "to_dlpack", "self");
  lua_settop(L, 2);
  int first = cr__lua_options(L, 2, "to_dlpack", names);
  bool versioned = lua_isnil(L, first) || cr__lua_bool_arg(L, first, "to_dlpack", "versioned");
  capsule *c = lua_newuserdatauv(L, sizeof *c, 0);
  *c = (capsule){NULL, versioned};
  luaL_setmetatable(L, CAPSULE);
  t = cr__lua_tensor_arg(L, 1, "to_dlpack", "self");
  CR__LUA_DO(L,
             c->managed = versioned ? (void *)cr_to_dlpack_versioned(t) : (void *)cr_to_dlpack(t));
  return c->managed ? 1 : cr__lua_raise(L, NULL);
}

/* from_dlpack(capsule), or from_dlpack(light userdata, { versioned = false }) */
static int from_dlpack(lua_State *L) {
  static const char *const names[] = {"versioned", NULL};
  lua_settop(L, 2);
  capsule *c = capsule_at(L, 1);
  if (!c && !lua_islightuserdata(L, 1))
    return cr__lua_error(L,
                         "from_dlpack: needs a capsule of to_dlpack, or a light userdata that "
                         "points "
                         "to a structure of DLPack, got %s",
                         cr__lua_describe(L, 1));
  int first = cr__lua_options(L, 2, "from_dlpack", names);
  bool versioned = c                     ? c->versioned
                   : lua_isnil(L, first) ? false
                                         : cr__lua_bool_arg(L, first, "from_dlpack", "versioned");
  cr__lua_tensor *u = cr__lua_new(L);
  void *managed = c ? c->managed : lua_touserdata(L, 1);
  if (!managed)
    return cr__lua_error(L, "from_dlpack: the capsule is empty: somebody has taken its tensor");
  CR__LUA_DO(L, u->t = versioned ? cr_from_dlpack_versioned(managed) : cr_from_dlpack(managed));
  if (!u->t) return cr__lua_raise(L, NULL);
  if (c) c->managed = NULL;
  cr__lua_after(L);
  return 1;
}

/* capsule:release(): the pointer as a light userdata, and whether it is versioned. Who gets it calls the deleter. */
static int release(lua_State *L) {
  capsule *c = luaL_checkudata(L, 1, CAPSULE);
  if (!c->managed)
    return cr__lua_error(L, "release: the capsule is empty: somebody has taken its tensor");
  lua_pushlightuserdata(L, c->managed);
  lua_pushboolean(L, c->versioned);
  c->managed = NULL;
  return 2;
}

/* What nobody has taken is taken here, and let go. */
static int capsule_gc(lua_State *L) {
  capsule *c = luaL_checkudata(L, 1, CAPSULE);
  void *managed = c->managed;
  c->managed = NULL;
  if (managed)
    CR__LUA_DO(L, cr_release(c->versioned ? cr_from_dlpack_versioned(managed)
                                          : cr_from_dlpack(managed)));
  return 0;
}

void cr__lua_open_dlpack(lua_State *L) {
  static const luaL_Reg functions[] = {{"to_dlpack", to_dlpack},
                                       {"from_dlpack", from_dlpack},
                                       {NULL, NULL}};
  static const luaL_Reg methods[] = {{"release", release}, {NULL, NULL}};
  luaL_newmetatable(L, CAPSULE);
  lua_pushcfunction(L, capsule_gc);
  lua_setfield(L, -2, "__gc");
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
}
