/* args.c: single arguments of Lua calls, and values on their way back to Lua.
 *
 * Holds true: numbers are Lua numbers, never strings that look like them; an integer is exact or it
 * is an error; a message names the operation, the argument, and what came instead. */
#include <string.h>

#include "binding.h"

const char *cr__lua_push_colon(lua_State *L, int index, const char *name, bool function) {
  if (lua_type(L, index) == LUA_TUSERDATA) return lua_pushliteral(L, "");
  if (function)
    return lua_pushfstring(L, "; call it with a colon: x:%s(...), or as cr.%s(x, ...)", name, name);
  return lua_pushfstring(L, "; call it with a colon: x:%s(...)", name);
}

static int refuse(lua_State *L, int index, const char *op, const char *param, const char *wanted) {
  const char *got = cr__lua_describe(L, index);
  bool method = index == 1 && strcmp(param, "self") == 0;
  const char *hint = method ? cr__lua_push_colon(L, 1, op, false) : "";
  return cr__lua_error(L, "%s: %s must be %s, got %s%s", op, param, wanted, got, hint);
}

bool cr__lua_to_number(lua_State *L, int index, cr_value *out) {
  switch (lua_type(L, index)) {
  case LUA_TNUMBER:
    *out = lua_isinteger(L, index) ? cr_int(lua_tointeger(L, index))
                                   : cr_float(lua_tonumber(L, index));
    return true;
  case LUA_TBOOLEAN: *out = cr_bool(lua_toboolean(L, index)); return true;
  default: return false;
  }
}

const char *cr__lua_to_word(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TSTRING) return NULL;
  const char *s = lua_tostring(L, index);
  return strlen(s) == lua_rawlen(L, index) ? s : NULL;
}

bool cr__lua_to_device(lua_State *L, int index, cr_device *out) {
  const char *name = cr__lua_to_word(L, index);
  if (!name) return false;
  if (CR__LUA_GET(L, cr_device_parse(name, out)) == 0) return true;
  cr_error_clear();
  return false;
}

cr_dtype cr__lua_to_dtype(lua_State *L, int index) {
  return cr_dtype_parse(cr__lua_to_word(L, index));
}

cr_tensor *cr__lua_tensor_arg(lua_State *L, int index, const char *op, const char *param) {
  cr__lua_tensor *u = cr__lua_test(L, index);
  if (!u) refuse(L, index, op, param, "a tensor");
  if (!u->t) cr__lua_error(L, "%s: %s: this tensor was closed", op, param);
  return u->t;
}

int64_t cr__lua_int_arg(lua_State *L, int index, const char *op, const char *param) {
  int64_t i = 0;
  if (!cr__lua_to_int(L, index, &i)) refuse(L, index, op, param, "an integer");
  return i;
}

double cr__lua_float_arg(lua_State *L, int index, const char *op, const char *param) {
  if (lua_type(L, index) != LUA_TNUMBER) refuse(L, index, op, param, "a number");
  return lua_tonumber(L, index);
}

bool cr__lua_bool_arg(lua_State *L, int index, const char *op, const char *param) {
  if (lua_type(L, index) != LUA_TBOOLEAN) refuse(L, index, op, param, "true or false");
  return lua_toboolean(L, index);
}

const char *cr__lua_string_arg(lua_State *L, int index, const char *op, const char *param) {
  if (lua_type(L, index) != LUA_TSTRING) refuse(L, index, op, param, "a string");
  return lua_tostring(L, index);
}

cr_dtype cr__lua_dtype_arg(lua_State *L, int index, const char *op, const char *param) {
  cr_dtype dtype = cr__lua_to_dtype(L, index);
  if (dtype == CR_DTYPE_NONE)
    cr__lua_error(L, "%s: %s must be " CR__LUA_A_DTYPE ", got %s%s", op, param,
                  cr__lua_describe(L, index), cr__lua_advice(L, "dtype", index));
  return dtype;
}

cr_device cr__lua_device_arg(lua_State *L, int index, const char *op, const char *param) {
  cr_device device = CR_CPU;
  if (!cr__lua_to_device(L, index, &device)) refuse(L, index, op, param, cr__lua_a_device(L));
  return device;
}

/* After the last entry of its list, next() comes to any other key of a table at once, since Lua
 * walks the list first. Where the list lies among the other keys, an integer that comes is part of
 * it. */
bool cr__lua_other_key(lua_State *L, int index, lua_Integer n) {
  if (index < 0) index = lua_absindex(L, index);
  if (n > 0) lua_pushinteger(L, n);
  else lua_pushnil(L);
  if (!lua_next(L, index)) return false;
  lua_pop(L, 1);
  if (lua_isinteger(L, -1) && lua_tointeger(L, -1) >= 1 && lua_tointeger(L, -1) <= n) {
    lua_pop(L, 1);
    return false;
  }
  if (lua_type(L, -1) == LUA_TSTRING) lua_pushfstring(L, "the key %s", cr__lua_quote(L, -1, '"'));
  else lua_pushfstring(L, "%s as a key", cr__lua_describe(L, -1));
  return true;
}

int cr__lua_ints_arg(lua_State *L, int index, const char *op, const char *param, bool single,
                     int64_t *out, int max) {
  if (single && cr__lua_to_int(L, index, out)) return 1;
  if (lua_type(L, index) != LUA_TTABLE) refuse(L, index, op, param, "a table of integers");
  lua_Unsigned n = lua_rawlen(L, index);
  if (n > (lua_Unsigned)max)
    cr__lua_error(L, "%s: %s may have %d entries at most, got %lld", op, param, max, (long long)n);
  if (cr__lua_other_key(L, index, (lua_Integer)n))
    cr__lua_error(L, "%s: %s has %s beside its list", op, param, lua_tostring(L, -1));
  for (int i = 0; i < (int)n; i++) {
    lua_rawgeti(L, index, i + 1);
    if (!cr__lua_to_int(L, -1, &out[i]))
      cr__lua_error(L, "%s: %s[%d] must be an integer, got %s", op, param, i + 1,
                    cr__lua_describe(L, -1));
    lua_pop(L, 1);
  }
  return (int)n;
}

/* ---- Options tables ---- */

static int unknown_option(lua_State *L, const char *op, const char *const *names) {
  const char *got =
      lua_type(L, -1) == LUA_TSTRING ? cr__lua_quote(L, -1, '\'') : cr__lua_describe(L, -1);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (int i = 0; names[i]; i++) {
    if (i) luaL_addstring(&b, ", ");
    luaL_addstring(&b, names[i]);
  }
  luaL_pushresult(&b);
  return cr__lua_error(L, "%s: there is no option %s; there are: %s", op, got, lua_tostring(L, -1));
}

static bool one_of(const char *name, const char *const *names) {
  for (int i = 0; names[i]; i++)
    if (strcmp(name, names[i]) == 0) return true;
  return false;
}

int cr__lua_options(lua_State *L, int index, const char *op, const char *const *names) {
  bool given = !lua_isnoneornil(L, index);
  if (given && lua_type(L, index) != LUA_TTABLE) refuse(L, index, op, "options", "a table");
  index = lua_absindex(L, index);
  luaL_checkstack(L, 40, "no stack for options");
  if (given) {
    lua_pushnil(L);
    while (lua_next(L, index)) {
      lua_pop(L, 1);
      if (lua_type(L, -1) != LUA_TSTRING || !one_of(lua_tostring(L, -1), names))
        unknown_option(L, op, names);
    }
  }
  int first = lua_gettop(L) + 1;
  for (int i = 0; names[i]; i++) {
    if (given) {
      lua_pushstring(L, names[i]);
      lua_rawget(L, index);
    } else {
      lua_pushnil(L);
    }
  }
  return first;
}

/* ---- Values back to Lua ---- */

static const char sizes_key; /* registry: the metatable of shapes and strides */

void cr__lua_push_sizes(lua_State *L, int n, const int64_t *sizes) {
  int64_t copy[CR_MAX_DIMS]; /* a finalizer may change the tensor that they belong to */
  for (int d = 0; d < n; d++) copy[d] = sizes[d];
  lua_createtable(L, n, 0);
  for (int d = 0; d < n; d++) {
    lua_pushinteger(L, copy[d]);
    lua_rawseti(L, -2, d + 1);
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &sizes_key);
  lua_setmetatable(L, -2);
}

void cr__lua_push_shape(lua_State *L, const cr_tensor *t) {
  cr__lua_push_sizes(L, cr_ndim(t), cr_shape(t));
}

/* Equal lists, of which one may be a plain table. */
static int sizes_eq(lua_State *L) {
  bool equal = lua_istable(L, 1) && lua_istable(L, 2);
  lua_Unsigned n = equal ? lua_rawlen(L, 1) : 0;
  equal = equal && n == lua_rawlen(L, 2);
  for (lua_Unsigned i = 1; equal && i <= n; i++) {
    lua_rawgeti(L, 1, (lua_Integer)i);
    lua_rawgeti(L, 2, (lua_Integer)i);
    equal = lua_rawequal(L, -1, -2);
    lua_settop(L, 2);
  }
  lua_pushboolean(L, equal);
  return 1;
}

/* "2x3", "0 x 3", and "0-dim" of no sizes, as messages have it. */
static int sizes_tostring(lua_State *L) {
  luaL_Buffer b;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
  bool spaced = false; /* "0x3" reads as a hexadecimal number */
  for (lua_Integer i = 1; i < n; i++) {
    lua_rawgeti(L, 1, i);
    spaced = spaced || (lua_isinteger(L, -1) && lua_tointeger(L, -1) == 0);
    lua_pop(L, 1);
  }
  luaL_buffinit(L, &b);
  for (lua_Integer i = 1; i <= n; i++) {
    if (i > 1) luaL_addstring(&b, spaced ? " x " : "x");
    lua_rawgeti(L, 1, i);
    luaL_tolstring(L, -1, NULL);
    lua_remove(L, -2);
    luaL_addvalue(&b);
  }
  if (n == 0) luaL_addstring(&b, "0-dim");
  luaL_pushresult(&b);
  return 1;
}

void cr__lua_open_args(lua_State *L) {
  static const luaL_Reg meta[] = {{"__eq", sizes_eq},
                                  {"__tostring", sizes_tostring},
                                  {"__concat", cr__lua_concat},
                                  {NULL, NULL}};
  lua_createtable(L, 0, 4);
  luaL_setfuncs(L, meta, 0);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &sizes_key);
}

void cr__lua_push_value(lua_State *L, const cr_value *v) {
  char name[16];
  luaL_checkstack(L, 4, "no stack for a value");
  switch (v->kind) {
  case CR_TENSOR: cr_lua_push(L, v->u.t); break;
  case CR_TENSORS:
    lua_createtable(L, v->n, 0);
    for (int i = 0; i < v->n; i++) {
      if (v->u.ts[i]) cr_lua_push(L, v->u.ts[i]);
      else lua_pushboolean(L, false);
      lua_rawseti(L, -2, i + 1);
    }
    break;
  case CR_INT: lua_pushinteger(L, v->u.i); break;
  case CR_FLOAT: lua_pushnumber(L, v->u.f); break;
  case CR_BOOLEAN_VALUE: lua_pushboolean(L, v->u.i != 0); break;
  case CR_INTS:
    lua_createtable(L, v->n, 0);
    for (int i = 0; i < v->n; i++) {
      lua_pushinteger(L, v->u.is[i]);
      lua_rawseti(L, -2, i + 1);
    }
    break;
  case CR_FLOATS:
    lua_createtable(L, v->n, 0);
    for (int i = 0; i < v->n; i++) {
      lua_pushnumber(L, v->u.fs[i]);
      lua_rawseti(L, -2, i + 1);
    }
    break;
  case CR_STRING: lua_pushstring(L, v->u.s); break;
  case CR_DTYPE_VALUE: lua_pushstring(L, cr_dtype_name((cr_dtype)v->u.i)); break;
  case CR_DEVICE_VALUE: lua_pushstring(L, cr_device_name((cr_device)v->u.i, name)); break;
  default: lua_pushnil(L);
  }
}

/* ---- Devices ---- */

const char *cr__lua_a_device(lua_State *L) {
  char names[160];
  return lua_pushfstring(L, "a device (%s)", cr_device_list(names, sizeof names));
}

int cr__lua_ordinal_arg(lua_State *L, int index, const char *op) {
  cr_device device;
  int64_t ordinal;
  if (lua_isnoneornil(L, index)) return -1;
  if (lua_type(L, index) == LUA_TNUMBER && cr__lua_to_int(L, index, &ordinal) && ordinal >= 0 &&
      ordinal < 256)
    return (int)ordinal;
  if (lua_type(L, index) == LUA_TSTRING && cr__lua_to_device(L, index, &device) &&
      device >= CR_CUDA)
    return device - CR_CUDA;
  cr__lua_error(L, "%s: device must be \"cuda\", \"cuda:1\" or a number from 0, got %s", op,
                cr__lua_describe(L, index));
  return -1;
}

void cr__lua_push_device(lua_State *L, cr_device device) {
  char name[16];
  lua_pushstring(L, cr_device_name(device, name));
}
