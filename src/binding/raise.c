/* raise.c: how the core's errors and warnings become Lua's.
 *
 * Holds true: an error is one line, carries the position of the Lua code that called, and is raised
 * on the calling state. The core's pending error is cleared before anything here may longjmp. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "state.h"

static const char kept_key; /* registry: the error object of a callback; its own address if none */
static const char handler_key; /* registry: the function of cr.set_warning_handler */

/* The name of a tensor's dtype with its shape, "2x3 float32". */
static void push_brief(lua_State *L, const cr_tensor *t) {
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (int d = 0; d < cr_ndim(t); d++) {
    char size[24];
    int n = snprintf(size, sizeof size, d ? "x%lld" : "%lld", (long long)cr_shape(t)[d]);
    luaL_addlstring(&b, size, (size_t)n);
  }
  if (cr_ndim(t) == 0) luaL_addstring(&b, "0-dim");
  luaL_addchar(&b, ' ');
  luaL_addstring(&b, cr_dtype_name(cr_dtype_of(t)));
  luaL_pushresult(&b);
}

static const char *describe_userdata(lua_State *L, int index) {
  cr__lua_tensor *u = cr__lua_test(L, index);
  if (u && !u->t) return lua_pushliteral(L, "a tensor that was closed");
  if (u) {
    push_brief(L, u->t);
    lua_pushfstring(L, "a tensor (%s)", lua_tostring(L, -1));
    lua_remove(L, -2);
    return lua_tostring(L, -1);
  }
  if (luaL_getmetafield(L, index, "__name") == LUA_TSTRING) {
    lua_pushfstring(L, "a userdata (%s)", lua_tostring(L, -1));
    lua_remove(L, -2);
    return lua_tostring(L, -1);
  }
  return lua_pushliteral(L, "a foreign userdata");
}

const char *cr__lua_describe(lua_State *L, int index) {
  index = lua_absindex(L, index);
  switch (lua_type(L, index)) {
  case LUA_TNONE: return lua_pushliteral(L, "nothing");
  case LUA_TNIL: return lua_pushliteral(L, "nil");
  case LUA_TBOOLEAN: return lua_pushstring(L, lua_toboolean(L, index) ? "true" : "false");
  case LUA_TNUMBER:
    if (lua_isinteger(L, index))
      return lua_pushfstring(L, "the number %I", lua_tointeger(L, index));
    if (lua_tonumber(L, index) != lua_tonumber(L, index))
      return lua_pushliteral(L, "the number nan");
    return lua_pushfstring(L, "the number %f", lua_tonumber(L, index));
  case LUA_TSTRING: {
    const char *s = lua_tostring(L, index);
    if (strlen(s) > 40) return lua_pushliteral(L, "a long string");
    return lua_pushfstring(L, "the string \"%s\"", s);
  }
  case LUA_TUSERDATA: return describe_userdata(L, index);
  default: return lua_pushfstring(L, "a %s", luaL_typename(L, index));
  }
}

int cr__lua_error(lua_State *L, const char *format, ...) {
  char text[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  luaL_where(L, 1);
  lua_pushstring(L, text);
  lua_concat(L, 2);
  return lua_error(L);
}

/* Those that a look at the signature may help. */
static bool about_arguments(cr_error code) {
  return code == CR_E_ARGUMENT || code == CR_E_SHAPE || code == CR_E_DTYPE || code == CR_E_INDEX;
}

/* The key stays in use, so that keeping an error allocates nothing: that could raise in the
 * core. */
static void clear_kept(lua_State *L) {
  lua_pushlightuserdata(L, (void *)&kept_key);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kept_key);
}

int cr__lua_raise_as(lua_State *L, const cr_op *op, const char *as) {
  char text[1024];
  cr_error code = cr_error_code();
  snprintf(text, sizeof text, "%s", cr_error_message());
  cr_error_clear();
  if (code == CR_E_CALLBACK) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &kept_key);
    bool kept = lua_touserdata(L, -1) != (const void *)&kept_key;
    clear_kept(L);
    if (kept) return lua_error(L);
    lua_pop(L, 1);
  }
  if (op && as && about_arguments(code))
    return cr__lua_error(L, "%s; usage: %s%s", text, as, strchr(op->signature, '('));
  return cr__lua_error(L, "%s", text);
}

int cr__lua_raise(lua_State *L, const cr_op *op) {
  return cr__lua_raise_as(L, op, op ? op->lua : NULL);
}

/* The text is made without running Lua code: a __tostring could fail once more. */
int cr__lua_keep_error(lua_State *L) {
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  if (text) cr_error_set(CR_E_CALLBACK, "%s", text);
  else cr_error_set(CR_E_CALLBACK, "error object is a %s value", luaL_typename(L, -1));
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kept_key);
  return CR_E_CALLBACK;
}

/* ---- Warnings ---- */

/* The core may not call Lua while it works. */
void cr__lua_keep_warning(void *home, const char *sentence) {
  cr__lua_home *h = home;
  size_t n = strlen(h->rest->warnings);
  h->rest->warned = true;
  snprintf(h->rest->warnings + n, sizeof h->rest->warnings - n, n ? "\n%s" : "%s", sentence);
}

/* Gives one warning, the string on top, to the script. A handler that fails becomes a warning. */
static void warn_script(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &handler_key) == LUA_TFUNCTION) {
    lua_pushvalue(L, -2);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK) {
      lua_pop(L, 1);
      return;
    }
    lua_remove(L, -2);
  } else {
    lua_pop(L, 1);
  }
  lua_warning(L, luaL_tolstring(L, -1, NULL), 0);
  lua_pop(L, 2);
}

void cr__lua_deliver(lua_State *L) {
  cr__lua_home *h = cr__lua_home_of(L);
  if (!h->rest || !h->rest->warned) return;
  char text[sizeof h->rest->warnings];
  memcpy(text, h->rest->warnings, sizeof text);
  h->rest->warnings[0] = '\0';
  h->rest->warned = false;
  luaL_checkstack(L, 6, "no stack for a warning");
  for (char *at = text; at;) {
    char *end = strchr(at, '\n');
    if (end) *end++ = '\0';
    lua_pushfstring(L, "cresset: %s", at);
    warn_script(L);
    at = end;
  }
}

/* cr.warn(sentence): the Lua half of the module warns the same way. */
static int warn_from_lua(lua_State *L) {
  lua_pushfstring(L, "cresset: %s", cr__lua_string_arg(L, 1, "warn", "sentence"));
  warn_script(L);
  return 0;
}

/* cr.set_warning_handler(f): f(sentence) instead of Lua's warn; nil takes it back. */
static int set_warning_handler(lua_State *L) {
  if (!lua_isnoneornil(L, 1) && !lua_isfunction(L, 1))
    return cr__lua_error(L, "set_warning_handler: f must be a function or nil, got %s",
                         cr__lua_describe(L, 1));
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &handler_key);
  return 0;
}

void cr__lua_open_raise(lua_State *L) {
  static const luaL_Reg functions[] = {{"warn", warn_from_lua},
                                       {"set_warning_handler", set_warning_handler},
                                       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
  clear_kept(L);
}
