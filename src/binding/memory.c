/* memory.c: what is done when memory has run out, and the module's memory and debug tables.
 *
 * Holds true: a failed allocation is retried once after a full collection. */
#include "binding.h"

static const char no_retry_key; /* registry: set while cr.debug.fail_alloc() is in force */

bool cr__lua_retry(lua_State *L) {
  if (cr_error_code() != CR_E_MEMORY) return false;
  bool forbidden = lua_rawgetp(L, LUA_REGISTRYINDEX, &no_retry_key) == LUA_TBOOLEAN;
  lua_pop(L, 1);
  if (forbidden) return false;
  cr_error_clear();
  cr__lua_collect_all(L);
  cr_memory_empty_cache(CR_CPU);
  return true;
}

static cr_device device_at(lua_State *L, int index, const char *op) {
  return lua_isnoneornil(L, index) ? CR_CPU : cr__lua_device_arg(L, index, op, "device");
}

int cr__lua_push_stats(lua_State *L, cr_device device) {
  cr_memory m;
  if (CR__LUA_GET(L, cr_memory_stats(device, &m))) return cr__lua_raise(L, NULL);
  const struct {
    const char *name;
    int64_t value;
  } fields[] = {{"allocated", m.allocated},     {"peak", m.peak},
                {"reserved", m.reserved},       {"limit", m.limit},
                {"allocations", m.allocations}, {"objects", m.objects}};
  lua_createtable(L, 0, 6);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    lua_pushinteger(L, fields[i].value);
    lua_setfield(L, -2, fields[i].name);
  }
  return 1;
}

static int stats(lua_State *L) { return cr__lua_push_stats(L, device_at(L, 1, "memory.stats")); }

static int limit(lua_State *L) {
  int64_t bytes = cr__lua_int_arg(L, 1, "memory.limit", "bytes");
  cr_device device = device_at(L, 2, "memory.limit");
  return CR__LUA_GET(L, cr_memory_limit(device, bytes)) ? cr__lua_raise(L, NULL) : 0;
}

static int empty_cache(lua_State *L) {
  cr_memory_empty_cache(device_at(L, 1, "memory.empty_cache"));
  return 0;
}

static int reset_peak(lua_State *L) {
  cr_memory_reset_peak(device_at(L, 1, "memory.reset_peak"));
  return 0;
}

/* debug.fail_alloc(n, {retry = false, lasting = false}): the n-th allocation of the engine from now on
 * fails, and failures are not retried, so that a spec sees each of them; 0 ends it. With retry = true the
 * call is repeated after a collection, as it is when memory really lacks; with lasting = true all later
 * allocations fail as well. */
static int fail_alloc(lua_State *L) {
  int64_t n = cr__lua_int_arg(L, 1, "debug.fail_alloc", "n");
  if (n < 0)
    return cr__lua_error(L, "debug.fail_alloc: n must be 0 or more, got %lld", (long long)n);
  bool retry = false, lasting = false;
  if (!lua_isnoneornil(L, 2)) {
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_getfield(L, 2, "retry");
    lua_getfield(L, 2, "lasting");
    retry = lua_toboolean(L, -2);
    lasting = lua_toboolean(L, -1);
    lua_pop(L, 2);
  }
  if (n > 0 && !retry) lua_pushboolean(L, true);
  else lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &no_retry_key);
  cr_memory_fail(lasting ? -n : n);
  return 0;
}

/* debug.fail_left(): 0 or less once the failure has happened. */
static int fail_left(lua_State *L) {
  lua_pushinteger(L, cr_memory_fail_left());
  return 1;
}

void cr__lua_open_memory(lua_State *L) {
  static const luaL_Reg memory[] = {{"stats", stats},
                                    {"limit", limit},
                                    {"empty_cache", empty_cache},
                                    {"reset_peak", reset_peak},
                                    {NULL, NULL}};
  static const luaL_Reg debug[] = {{"fail_alloc", fail_alloc},
                                   {"fail_left", fail_left},
                                   {NULL, NULL}};
  luaL_newlib(L, memory);
  cr__lua_open_pace(L);
  lua_setfield(L, -2, "memory");
  luaL_newlib(L, debug);
  lua_setfield(L, -2, "debug");
}
