/* paths.c: where the modules are, seen from the program's own place.
 *
 * Holds true: nothing is compiled in and no environment variable is needed. An installed runner is
 * PREFIX/bin/cresset with PREFIX/share/lua/5.4 and PREFIX/lib/lua/5.4; one in a checkout is
 * build/bin/cresset (or build/VARIANT/bin/cresset) with lib beside bin and lua/ in the checkout. */
#include "runner.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Adds the templates before those that Lua has, so that the runner never loads another version. */
static void prepend(lua_State *L, const char *field, const char *templates) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, field);
  const char *old = lua_tostring(L, -1);
  lua_pushfstring(L, "%s;%s", templates, old ? old : "");
  lua_setfield(L, -3, field);
  lua_pop(L, 2);
}

static bool has_module(lua_State *L, const char *root, const char *folder) {
  const char *file = lua_pushfstring(L, "%s/%s/cresset/init.lua", root, folder);
  bool found = access(file, R_OK) == 0;
  lua_pop(L, 1);
  return found;
}

static void add(lua_State *L, const char *root, const char *folder, const char *lib) {
  const char *lua = lua_pushfstring(L, "%s/%s/?.lua;%s/%s/?/init.lua", root, folder, root, folder);
  prepend(L, "path", lua);
  prepend(L, "cpath", lua_pushfstring(L, "%s/?.so", lib));
  lua_pop(L, 2);
}

void runner_set_paths(lua_State *L) {
  char root[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", root, sizeof root - 1);
  if (n < 0) return;
  root[n] = 0;
  /* Up from the program: first PREFIX or build, then the folders that may be the checkout. */
  char *slash = strrchr(root, '/');
  for (int up = 0; slash && up < 2; up++) {
    *slash = 0;
    slash = strrchr(root, '/');
  }
  if (has_module(L, root, "share/lua/5.4")) {
    add(L, root, "share/lua/5.4", lua_pushfstring(L, "%s/lib/lua/5.4", root));
    lua_pop(L, 1);
    return;
  }
  const char *lib = lua_pushfstring(L, "%s/lib", root);
  for (int up = 0; slash && up < 2; up++) {
    *slash = 0;
    slash = strrchr(root, '/');
    if (has_module(L, root, "lua")) {
      add(L, root, "lua", lib);
      break;
    }
  }
  lua_pop(L, 1);
}
