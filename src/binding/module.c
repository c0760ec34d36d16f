/* module.c: opens the C half of the module, and holds what belongs to no tensor.
 *
 * Holds true: opening checks the Lua version first, starts no thread, makes no global and touches
 * no device; a state that opens it twice gets the same table. */
#include <string.h>
#include <time.h>

#include "binding.h"
#include "parse.h"

static const char module_key; /* registry: the module table */

/* ---- Random numbers ---- */

static int manual_seed(lua_State *L) {
  uint64_t seed = (uint64_t)cr__lua_int_arg(L, 1, "manual_seed", "seed");
  CR__LUA_DO(L, cr_manual_seed(seed));
  return 0;
}

/* get_rng_state(): { seed =, offset = }, which set_rng_state takes back. */
static int get_rng_state(lua_State *L) {
  uint64_t seed, offset;
  CR__LUA_DO(L, cr_rng_get(&seed, &offset));
  lua_createtable(L, 0, 2);
  lua_pushinteger(L, (lua_Integer)seed);
  lua_setfield(L, -2, "seed");
  lua_pushinteger(L, (lua_Integer)offset);
  lua_setfield(L, -2, "offset");
  return 1;
}

static int set_rng_state(lua_State *L) {
  static const char *const names[] = {"seed", "offset", NULL};
  if (!lua_istable(L, 1))
    return cr__lua_error(L, "set_rng_state: state must be a table from get_rng_state, got %s",
                         cr__lua_describe(L, 1));
  int first = cr__lua_options(L, 1, "set_rng_state", names);
  int64_t seed = cr__lua_int_arg(L, first, "set_rng_state", "seed");
  int64_t offset = cr__lua_int_arg(L, first + 1, "set_rng_state", "offset");
  CR__LUA_DO(L, cr_rng_set((uint64_t)seed, (uint64_t)offset));
  return 0;
}

/* ---- Settings ---- */

static int get_default_dtype(lua_State *L) {
  cr_dtype dtype;
  CR__LUA_DO(L, dtype = cr_default_dtype());
  lua_pushstring(L, cr_dtype_name(dtype));
  return 1;
}

static int set_default_dtype(lua_State *L) {
  cr_dtype dtype = cr__lua_dtype_arg(L, 1, "set_default_dtype", "dtype");
  int code;
  CR__LUA_DO(L, code = cr_set_default_dtype(dtype));
  return code ? cr__lua_raise(L, NULL) : 0;
}

static int promote_types(lua_State *L) {
  cr_dtype a = cr__lua_dtype_arg(L, 1, "promote_types", "a");
  cr_dtype b = cr__lua_dtype_arg(L, 2, "promote_types", "b");
  cr_dtype both;
  CR__LUA_DO(L, both = cr_promote_types(a, b));
  if (both == CR_DTYPE_NONE) return cr__lua_raise(L, NULL);
  lua_pushstring(L, cr_dtype_name(both));
  return 1;
}

static int get_num_threads(lua_State *L) {
  int n;
  CR__LUA_DO(L, n = cr_num_threads());
  lua_pushinteger(L, n);
  return 1;
}

static int isa_name(lua_State *L) {
  lua_pushstring(L, cr_isa_name());
  return 1;
}

static int gemm_name(lua_State *L) {
  lua_pushstring(L, cr_gemm_name());
  return 1;
}

static int set_num_threads(lua_State *L) {
  int64_t n = cr__lua_int_arg(L, 1, "set_num_threads", "n");
  if (n < 1 || n > 4096)
    return cr__lua_error(L, "set_num_threads: n must be from 1 to 4096, got %lld", (long long)n);
  int code;
  CR__LUA_DO(L, code = cr_set_num_threads((int)n));
  return code ? cr__lua_raise(L, NULL) : 0;
}

/* clock(): seconds on a clock that only goes forward; differences of it are times. */
static int clock_seconds(lua_State *L) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  lua_pushnumber(L, (lua_Number)now.tv_sec + 1e-9 * (lua_Number)now.tv_nsec);
  return 1;
}

/* ---- What the catalogue says ---- */

static void set_flag(lua_State *L, const cr_op *op, unsigned flag, const char *name) {
  lua_pushboolean(L, (op->flags & flag) != 0);
  lua_setfield(L, -2, name);
}

/* operations(): a list of { name =, lua =, aliases =, signature =, doc =, inplace =, ... }, for help, for
 * specs and for completion. */
static int operations(lua_State *L) {
  lua_createtable(L, cr_op_count(), 0);
  for (int i = 0; i < cr_op_count(); i++) {
    const cr_op *op = cr_op_at(i);
    lua_createtable(L, 0, 14);
    lua_pushstring(L, op->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, op->lua);
    lua_setfield(L, -2, "lua");
    lua_pushstring(L, op->signature);
    lua_setfield(L, -2, "signature");
    lua_pushstring(L, op->doc);
    lua_setfield(L, -2, "doc");
    lua_newtable(L);
    for (int k = 0; op->aliases && op->aliases[k]; k++) {
      lua_pushstring(L, op->aliases[k]);
      lua_rawseti(L, -2, k + 1);
    }
    lua_setfield(L, -2, "aliases");
    set_flag(L, op, CR_OP_TRUTH, "truth");
    set_flag(L, op, CR_OP_INPLACE, "inplace");
    set_flag(L, op, CR_OP_INPLACE_ONLY, "inplace_only");
    set_flag(L, op, CR_OP_METHOD, "method");
    set_flag(L, op, CR_OP_FUNCTION, "func");
    set_flag(L, op, CR_OP_VIEW, "view");
    set_flag(L, op, CR_OP_DIFFERENTIABLE, "differentiable");
    set_flag(L, op, CR_OP_CREATES, "creates");
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* methods(): the table of tensor methods, which the Lua half of the module adds to. */
static int methods(lua_State *L) {
  cr__lua_methods(L);
  return 1;
}

static void check_catalogue(lua_State *L) {
  for (int i = 0; i < cr_op_count(); i++)
    if (cr_op_at(i)->nparam > CR__LUA_MAX_PARAMS)
      luaL_error(L, "cresset: the operation %s has more parameters than the binding can pass",
                 cr_op_at(i)->name);
}

static void add_constants(lua_State *L) {
  lua_pushliteral(L, CR_VERSION);
  lua_setfield(L, -2, "version");
  for (int d = 0; d < CR_DTYPE_COUNT; d++) {
    lua_pushstring(L, cr_dtype_name((cr_dtype)d));
    lua_setfield(L, -2, cr_dtype_name((cr_dtype)d));
  }
}

CR_API int luaopen_cresset_core(lua_State *L) {
  static const luaL_Reg functions[] = {{"manual_seed", manual_seed},
                                       {"get_rng_state", get_rng_state},
                                       {"set_rng_state", set_rng_state},
                                       {"get_default_dtype", get_default_dtype},
                                       {"set_default_dtype", set_default_dtype},
                                       {"promote_types", promote_types},
                                       {"get_num_threads", get_num_threads},
                                       {"set_num_threads", set_num_threads},
                                       {"gemm_name", gemm_name},
                                       {"isa_name", isa_name},
                                       {"clock", clock_seconds},
                                       {"operations", operations},
                                       {"methods", methods},
                                       {NULL, NULL}};
  luaL_checkversion(L);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &module_key) == LUA_TTABLE) return 1;
  check_catalogue(L);
  cr__lua_open_state(L);
  lua_newtable(L);
  cr__lua_open_args(L);
  cr__lua_open_tensor(L);
  cr__lua_open_ops(L); /* first, so that what is written by hand below replaces it */
  luaL_setfuncs(L, functions, 0);
  cr__lua_open_raise(L);
  cr__lua_open_limit(L);
  cr__lua_open_memory(L);
  cr__lua_open_field(L);
  cr__lua_open_operator(L);
  cr__lua_open_index(L);
  cr__lua_open_convert(L);
  cr__lua_open_table(L);
  cr__lua_open_print(L);
  cr__lua_open_callback(L);
  cr__lua_open_autograd(L);
  cr__lua_open_mode(L);
  cr__lua_open_autocast(L);
  cr__lua_open_node(L);
  cr__lua_open_hooks(L);
  cr__lua_open_function(L);
  cr__lua_open_foreach(L);
  cr__lua_open_cuda(L);
  cr__lua_open_data(L);
  cr__lua_open_profiler(L);
  cr__lua_open_file(L);
  cr__lua_open_dlpack(L);
  cr__lua_entry outer =
      cr__lua_enter(L); /* the choice of loops warns of a wish that it cannot honour */
  cr_isa_name();
  cr__lua_leave(outer);
  cr__lua_deliver(L);
  add_constants(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &module_key);
  return 1;
}
