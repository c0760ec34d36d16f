/* lua_host.h: a host whose promises are checked from C and from Lua.
 *
 * Holds true: check and holds print each promise that is broken; `broken` counts them. */
#ifndef CR__SPEC_LUA_HOST_H
#define CR__SPEC_LUA_HOST_H

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "cresset.h"

static int broken;

static void check(int kept, const char *promise, const char *detail) {
  if (kept) return;
  broken++;
  printf("broken: %s (%s)\n", promise, detail ? detail : "");
}

static lua_State *open_state(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  luaL_requiref(L, "cresset.core", luaopen_cresset_core, 0);
  lua_setglobal(L, "cr");
  return L;
}

/* Runs code, which must give true. */
static void holds(lua_State *L, const char *code) {
  int top = lua_gettop(L);
  int status = luaL_dostring(L, code);
  check(status == LUA_OK && lua_toboolean(L, -1), code, status ? lua_tostring(L, -1) : "false");
  lua_settop(L, top);
}

#endif
