/* autocast.c: cr.autocast: operations that compute in 16-bit floats, as a scope.
 *
 * Holds true: as other modes, it is entered in one of two forms: cr.autocast(device, options) is a value for
 * `local _ <close> =`, cr.autocast(device, options, f, ...) calls f in it. */
#include <string.h>

#include "callback.h"
#include "scope.h"

static const char *const known[] = {"dtype", "enabled", "cache_enabled", NULL};

/* Whether the name at index is that of CUDA and not of the CPU; a number after it, as in "cuda:0", is
 * the same kind. */
static bool is_cuda(lua_State *L, int index, const char *op) {
  cr_device device;
  if (lua_type(L, index) == LUA_TSTRING && cr__lua_to_device(L, index, &device))
    return device != CR_CPU;
  return cr__lua_error(L, "%s: the first argument must be %s, got %s", op, cr__lua_a_device(L),
                       cr__lua_describe(L, index));
}

static cr_dtype dtype_option(lua_State *L, int index, bool cuda) {
  if (lua_isnil(L, index)) return cuda ? CR_FLOAT16 : CR_BFLOAT16;
  const char *name = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : "";
  if (strcmp(name, "bfloat16") == 0) return CR_BFLOAT16;
  if (strcmp(name, "float16") == 0) return CR_FLOAT16;
  cr__lua_error(L, "autocast: dtype must be \"bfloat16\" or \"float16\", got %s",
                cr__lua_describe(L, index));
  return CR_DTYPE_NONE;
}

/* The mode that a table of options at index, or nil, asks for. */
static cr_mode read_mode(lua_State *L, int index, bool cuda) {
  int first = cr__lua_options(L, index, "autocast", known);
  cr_autocast cast = {true, dtype_option(L, first, cuda)};
  if (!lua_isnil(L, first + 1)) cast.on = cr__lua_bool_arg(L, first + 1, "autocast", "enabled");
  bool keeps =
      lua_isnil(L, first + 2) || cr__lua_bool_arg(L, first + 2, "autocast", "cache_enabled");
  cr_mode mode = {.sets = cuda ? CR_SETS_AUTOCAST_CUDA : CR_SETS_AUTOCAST_CPU,
                  .autocast_forgets = !keeps};
  *(cuda ? &mode.autocast_cuda : &mode.autocast_cpu) = cast;
  return mode;
}

/* autocast(device), autocast(device, options), either with a function and its arguments behind. */
static int autocast(lua_State *L) {
  bool cuda = is_cuda(L, 1, "autocast");
  bool options =
      lua_gettop(L) > 1 && (lua_istable(L, 2) || lua_isnil(L, 2)) && !cr__lua_callable(L, 2);
  int f = options ? 3 : 2, top = lua_gettop(L);
  bool calls = top >= f;
  if (calls && !cr__lua_callable(L, f))
    return cr__lua_error(L, "autocast: expected %s, got %s",
                         options ? "a function to call" : "options or a function to call",
                         cr__lua_describe(L, f));
  if (!options) {
    lua_pushnil(L);
    lua_insert(L, 2);
    f++, top++;
  }
  const cr_mode mode = read_mode(L, 2, cuda);
  lua_settop(L, top > f - 1 ? top : f - 1);
  cr__lua_guard *g = cr__lua_new_scope(L, "autocast");
  if (!(g->scope = cr_scope_new(&mode, NULL))) return cr__lua_raise(L, NULL);
  return calls ? cr__lua_call_in_scope(L, f) : cr__lua_give_scope(L);
}

static cr_device device_of(lua_State *L, const char *op) {
  return is_cuda(L, 1, op) ? CR_CUDA : CR_CPU;
}

static int is_autocast_enabled(lua_State *L) {
  cr_device device = device_of(L, "is_autocast_enabled");
  bool on;
  CR__LUA_DO(L, on = cr_autocast_enabled(device, NULL));
  lua_pushboolean(L, on);
  return 1;
}

/* The dtype of the scope, or what it would be. */
static int get_autocast_dtype(lua_State *L) {
  cr_device device = device_of(L, "get_autocast_dtype");
  cr_dtype dtype = device == CR_CPU ? CR_BFLOAT16 : CR_FLOAT16;
  CR__LUA_DO(L, (void)cr_autocast_enabled(device, &dtype));
  lua_pushstring(L, cr_dtype_name(dtype));
  return 1;
}

static int is_autocast_cache_enabled(lua_State *L) {
  bool keeps;
  CR__LUA_DO(L, keeps = cr_autocast_keeps());
  lua_pushboolean(L, keeps);
  return 1;
}

static int clear_autocast_cache(lua_State *L) {
  CR__LUA_DO(L, cr_autocast_clear());
  return 0;
}

void cr__lua_open_autocast(lua_State *L) {
  static const luaL_Reg functions[] = {{"autocast", autocast},
                                       {"is_autocast_enabled", is_autocast_enabled},
                                       {"get_autocast_dtype", get_autocast_dtype},
                                       {"is_autocast_cache_enabled", is_autocast_cache_enabled},
                                       {"clear_autocast_cache", clear_autocast_cache},
                                       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
