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
static const char home_key; /* registry: where the module's own Lua files lie, "@/.../cresset/" */
static const char adviser_key; /* registry: advise(kind, name), see cr__lua_advice */
static const char place_key;   /* registry: what set_place was given, the second in call_key */
static const char call_key;

/* The name of a tensor's dtype with its shape, "2x3 float32". */
static void push_brief(lua_State *L, const cr_tensor *t) {
  cr__lua_push_shape(L, t);
  luaL_tolstring(L, -1, NULL);
  lua_pushfstring(L, "%s %s", lua_tostring(L, -1), cr_dtype_name(cr_dtype_of(t)));
  lua_replace(L, -3);
  lua_pop(L, 1);
}

/* At most 80 bytes, not ending inside a character of UTF-8. */
const char *cr__lua_quote(lua_State *L, int index, char mark) {
  size_t n;
  const char *s = lua_tolstring(L, index, &n);
  cr_quoted text;
  return lua_pushstring(L, cr_quote(s, n, mark, &text));
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
  case LUA_TSTRING:
    lua_pushfstring(L, "the string %s", cr__lua_quote(L, index, '"'));
    lua_remove(L, -2);
    return lua_tostring(L, -1);
  case LUA_TUSERDATA: return describe_userdata(L, index);
  default: return lua_pushfstring(L, "a %s", luaL_typename(L, index));
  }
}

/* Whether the function at that level is one of the module's own Lua files. */
static bool is_own(lua_State *L, const lua_Debug *ar) {
  size_t n;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &home_key) != LUA_TSTRING) {
    lua_pop(L, 1);
    return false;
  }
  const char *home = lua_tolstring(L, -1, &n);
  bool own = strncmp(ar->source, home, n) == 0; /* the registry keeps the string */
  lua_pop(L, 1);
  return own;
}

/* Pushes what the module's Lua half says of the objects whose calls are running, from within outwards:
 * "in net.2 (Linear): "; "" if none is. They are the first arguments of frames of the function at call_key,
 * so a call that does not fail pays nothing for it. */
static void push_place(lua_State *L) {
  lua_Debug ar;
  int n = 0;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &place_key) != LUA_TFUNCTION) {
    lua_pop(L, 1);
    lua_pushliteral(L, "");
    return;
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &call_key);
  lua_newtable(L);
  for (int level = 1; lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "f", &ar);
    bool found = lua_rawequal(L, -1, -3);
    lua_pop(L, 1);
    if (found && lua_getlocal(L, &ar, 1)) lua_rawseti(L, -2, ++n);
  }
  lua_remove(L, -2);
  if (n && lua_pcall(L, 1, 1, 0) == LUA_OK && lua_type(L, -1) == LUA_TSTRING) return;
  lua_pop(L, n ? 1 : 2);
  lua_pushliteral(L, "");
}

void cr__lua_where(lua_State *L) {
  lua_Debug ar;
  luaL_checkstack(L, 8, "no stack for an error");
  for (int level = 1; lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "Sl", &ar);
    if (ar.currentline <= 0 || is_own(L, &ar)) continue;
    lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
    push_place(L);
    lua_concat(L, 2);
    return;
  }
  push_place(L);
}

const char *cr__lua_advice(lua_State *L, const char *kind, int index) {
  index = lua_absindex(L, index);
  luaL_checkstack(L, 6, "no stack for advice");
  if (lua_type(L, index) != LUA_TSTRING) return lua_pushliteral(L, "");
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &adviser_key) != LUA_TFUNCTION) {
    lua_pop(L, 1);
    return lua_pushliteral(L, "");
  }
  lua_pushstring(L, kind);
  lua_pushvalue(L, index);
  if (lua_pcall(L, 2, 1, 0) == LUA_OK && lua_type(L, -1) == LUA_TSTRING) return lua_tostring(L, -1);
  lua_pop(L, 1);
  return lua_pushliteral(L, "");
}

int cr__lua_error(lua_State *L, const char *format, ...) {
  char text[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  cr__lua_where(L);
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

/* Writes the core's sentence with `as` in the place of op's name, or of its twin's, before the colon. */
static void write_as(char *text, size_t size, const char *sentence, const cr_op *op,
                     const char *as) {
  if (op && !as && op->flags & CR_OP_VIEW) as = "index"; /* x[k] */
  size_t n = op && as ? strlen(op->lua) : 0;
  if (!n || strncmp(sentence, op->lua, n) != 0) n = 0;
  else if (sentence[n] == '_') n++;
  if (sentence[n] != ':') n = 0;
  snprintf(text, size, "%s%s", n ? as : "", sentence + n);
}

int cr__lua_raise_as(lua_State *L, const cr_op *op, const char *as) {
  char text[1024];
  cr_error code = cr_error_code();
  write_as(text, sizeof text, cr_error_message(), op, as);
  cr_error_clear();
  if (code == CR_E_INTERRUPT) {
    cr__lua_deadline_told(cr__lua_home_of(L));
    return cr__lua_error(L, "%s%s", text, cr__lua_deadline_advice(cr__lua_home_of(L)));
  }
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

void cr__lua_warn(lua_State *L, const char *sentence) {
  luaL_checkstack(L, 6, "no stack for a warning");
  lua_pushfstring(L, "cresset: %s", sentence);
  warn_script(L);
}

/* cr.warn(sentence): the Lua half of the module warns the same way. */
static int warn_from_lua(lua_State *L) {
  cr__lua_warn(L, cr__lua_string_arg(L, 1, "warn", "sentence"));
  return 0;
}

/* cr.raise(message): error(message) at the line of the first caller outside the module's own files. */
static int raise_message(lua_State *L) {
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  if (lua_type(L, 1) != LUA_TSTRING) return lua_error(L);
  cr__lua_where(L);
  lua_insert(L, 1);
  lua_concat(L, 2);
  return lua_error(L);
}

/* find_alias(name): the function that name is an alias of, or nil. */
static int find_alias(lua_State *L) { return cr__lua_find_alias(L, 1, false) ? 1 : 0; }

/* quote(text, mark): a string of the caller's as messages have it, between marks, or quotes. */
static int quote(lua_State *L) {
  const char *mark = luaL_optstring(L, 2, "'");
  luaL_checkstring(L, 1);
  cr__lua_quote(L, 1, *mark);
  return 1;
}

/* set_place(f, tell): from now on errors name where they happened by what tell gives of the list of the first
 * arguments of f in its calls that are running. */
static int set_place(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &place_key);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &call_key);
  return 0;
}

/* lua_half(advise), called once by init.lua: where its file lies are the module's own files. Gives
 * find_alias, quote and set_place. */
static int lua_half(lua_State *L) {
  lua_Debug ar;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &adviser_key);
  if (lua_getstack(L, 1, &ar) && lua_getinfo(L, "S", &ar)) {
    const char *end = strrchr(ar.source, '/');
    if (ar.source[0] == '@' && end) {
      lua_pushlstring(L, ar.source, (size_t)(end - ar.source) + 1);
      lua_rawsetp(L, LUA_REGISTRYINDEX, &home_key);
    }
  }
  lua_pushcfunction(L, find_alias);
  lua_pushcfunction(L, quote);
  lua_pushcfunction(L, set_place);
  return 3;
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
                                       {"raise", raise_message},
                                       {"lua_half", lua_half},
                                       {"set_warning_handler", set_warning_handler},
                                       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
  clear_kept(L);
}
