/* cuda.c: the module's table cuda but for its objects (stream.c): devices, memory; and pinned tensors.
 *
 * Holds true: nothing here looks for a device before a script asks for one. A device is a name
 * ("cuda:1") or its number as CUDA counts, from 0: a number is no position. */
#include "cuda.h"
#include "state.h"

/* ---- Devices ---- */

static int is_available(lua_State *L) {
  lua_pushboolean(L, CR__LUA_GET(L, cr_cuda_available()));
  return 1;
}

/* device_count(): how many there are; where that is 0, also a sentence that says why. */
static int device_count(lua_State *L) {
  int count;
  int code = CR__LUA_GET(L, cr_cuda_count(&count));
  lua_pushinteger(L, code ? 0 : count);
  if (!code) return 1;
  lua_pushstring(L, cr_error_message());
  cr_error_clear();
  return 2;
}

static int set_device(lua_State *L) {
  if (lua_isnoneornil(L, 1))
    return cr__lua_error(L, "cuda.set_device: device is missing: \"cuda:1\" or a number from 0");
  int ordinal = cr__lua_ordinal_arg(L, 1, "cuda.set_device");
  cr__lua_modes *own = cr__lua_own_modes(L);
  cr__lua_entry outer = cr__lua_enter_own(own);
  int code = cr_cuda_select(ordinal);
  cr__lua_leave(outer);
  cr__lua_list_modes(own);
  return code ? cr__lua_raise(L, NULL) : 0;
}

static int current_device(lua_State *L) {
  int ordinal = CR__LUA_GET(L, cr_cuda_current());
  if (ordinal < 0) return cr__lua_raise(L, NULL);
  cr__lua_push_device(L, CR_CUDA + ordinal);
  return 1;
}

static int get_device_name(lua_State *L) {
  cr_cuda_properties p;
  int ordinal = cr__lua_ordinal_arg(L, 1, "cuda.get_device_name");
  if (CR__LUA_GET(L, cr_cuda_properties_of(ordinal, &p))) return cr__lua_raise(L, NULL);
  lua_pushstring(L, p.name);
  return 1;
}

static int get_device_properties(lua_State *L) {
  cr_cuda_properties p;
  int ordinal = cr__lua_ordinal_arg(L, 1, "cuda.get_device_properties");
  if (CR__LUA_GET(L, cr_cuda_properties_of(ordinal, &p))) return cr__lua_raise(L, NULL);
  const struct {
    const char *name;
    int64_t value;
  } fields[] = {{"major", p.major},
                {"minor", p.minor},
                {"multiprocessors", p.multiprocessors},
                {"driver", p.driver},
                {"runtime", p.runtime},
                {"total_memory", p.total_memory},
                {"free_memory", p.free_memory}};
  lua_createtable(L, 0, 8);
  lua_pushstring(L, p.name);
  lua_setfield(L, -2, "name");
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    lua_pushinteger(L, fields[i].value);
    lua_setfield(L, -2, fields[i].name);
  }
  return 1;
}

static int synchronize(lua_State *L) {
  int ordinal = cr__lua_ordinal_arg(L, 1, "cuda.synchronize");
  return CR__LUA_GET(L, cr_cuda_synchronize(ordinal)) ? cr__lua_raise(L, NULL) : 0;
}

/* set_tf32(on): whether float32 products may trade precision for speed. */
static int set_tf32(lua_State *L) {
  return cr_cuda_set_tf32(cr__lua_bool_arg(L, 1, "cuda.set_tf32", "on")) ? cr__lua_raise(L, NULL)
                                                                         : 0;
}

static int get_tf32(lua_State *L) {
  bool on;
  if (cr_cuda_tf32(&on)) return cr__lua_raise(L, NULL);
  lua_pushboolean(L, on);
  return 1;
}

static int gemm_name(lua_State *L) {
  const char *name = cr_cuda_gemm_name();
  if (!name) return cr__lua_raise(L, NULL);
  lua_pushstring(L, name);
  return 1;
}

/* ---- Memory; limits are set by memory.limit(bytes, device) ---- */

static cr_device device_at(lua_State *L, int index, const char *op) {
  int ordinal = cr__lua_ordinal_arg(L, index, op);
  if (ordinal < 0 && (ordinal = CR__LUA_GET(L, cr_cuda_current())) < 0) cr__lua_raise(L, NULL);
  return CR_CUDA + ordinal;
}

static int memory_stats(lua_State *L) {
  return cr__lua_push_stats(L, device_at(L, 1, "cuda.memory_stats"));
}

static int empty_cache(lua_State *L) {
  cr_memory_empty_cache(device_at(L, 1, "cuda.empty_cache"));
  return 0;
}

static int reset_peak(lua_State *L) {
  cr_memory_reset_peak(device_at(L, 1, "cuda.reset_peak"));
  return 0;
}

/* ---- Tensors ---- */

static int tensor_pin(lua_State *L) {
  cr__lua_tensor_arg(L, 1, "pin_memory", "self");
  cr__lua_tensor *made = cr__lua_new(L);
  cr_tensor *t = cr__lua_tensor_arg(L, 1, "pin_memory", "self");
  CR__LUA_DO(L, made->t = cr_pin(t));
  if (!made->t) return cr__lua_raise(L, NULL);
  cr__lua_after(L);
  return 1;
}

static int tensor_is_pinned(lua_State *L) {
  lua_pushboolean(L, cr_is_pinned(cr__lua_tensor_arg(L, 1, "is_pinned", "self")));
  return 1;
}

/* x:copy_queued_(src): the host goes on while the bytes travel; one of the two is pinned. */
static int tensor_copy_queued(lua_State *L) {
  cr_tensor *self = cr__lua_tensor_arg(L, 1, "copy_queued_", "self");
  cr_tensor *src = cr__lua_tensor_arg(L, 2, "copy_queued_", "src");
  if (CR__LUA_GET(L, cr_copy_queued(self, src))) return cr__lua_raise(L, NULL);
  lua_settop(L, 1);
  return 1;
}

/* x:record_stream(s): s works with x's memory too, so it is given to nobody else before s is done. */
static int tensor_record_stream(lua_State *L) {
  cr_tensor *t = cr__lua_tensor_arg(L, 1, "record_stream", "self");
  cr_stream *s = cr__lua_stream_arg(L, 2, "record_stream");
  return cr_stream_record(s, t) ? cr__lua_raise(L, NULL) : 0;
}

/* ---- The module's part ---- */

void cr__lua_open_cuda(lua_State *L) {
  static const luaL_Reg functions[] = {{"is_available", is_available},
                                       {"device_count", device_count},
                                       {"set_device", set_device},
                                       {"current_device", current_device},
                                       {"get_device_name", get_device_name},
                                       {"get_device_properties", get_device_properties},
                                       {"synchronize", synchronize},
                                       {"set_tf32", set_tf32},
                                       {"get_tf32", get_tf32},
                                       {"gemm_name", gemm_name},
                                       {"memory_stats", memory_stats},
                                       {"empty_cache", empty_cache},
                                       {"reset_peak", reset_peak},
                                       {NULL, NULL}};
  static const luaL_Reg methods[] = {{"pin_memory", tensor_pin},
                                     {"is_pinned", tensor_is_pinned},
                                     {"copy_queued_", tensor_copy_queued},
                                     {"record_stream", tensor_record_stream},
                                     {NULL, NULL}};
  luaL_newlib(L, functions);
  cr__lua_open_streams(L);
  lua_setfield(L, -2, "cuda");
  cr__lua_add_methods(L, methods);
}
