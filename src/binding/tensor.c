/* tensor.c: the tensor as a Lua userdata: its life, its metatable, and the methods that tell of it.
 *
 * Holds true: a userdata owns one reference to a tensor, or none once it was closed. What the core hands
 * out again (x.grad, a view's base, a parameter) comes as the same userdata, as long as that lives; two may
 * still stand for one tensor where an operation has returned its argument; `==` compares the tensors. */
#include "owner.h"

const char cr__lua_tensor_tag = 0; /* its address also is the metatable's key in the registry */
static const char methods_key;     /* registry: the table of methods */

/* ---- Life ---- */

void cr_lua_push(lua_State *L, cr_tensor *t) {
  luaL_checkstack(L, 3, "no stack for a tensor");
  if (!t) {
    lua_pushnil(L);
    return;
  }
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &cr__lua_tensor_tag) != LUA_TTABLE)
    luaL_error(L, "cr_lua_push: call luaopen_cresset_core in this state first");
  lua_pop(L, 1);
  cr__lua_push_tensor(L, t);
}

cr_tensor *cr_lua_check(lua_State *L, int index) {
  cr__lua_tensor *u = cr__lua_test(L, index);
  if (!u) cr__lua_error(L, "expected a tensor, got %s", cr__lua_describe(L, index));
  if (!u->t) cr__lua_error(L, "this tensor was closed");
  if (u->owners) cr__lua_face_leaves(L, u);
  return u->t;
}

/* A dead userdata loses its tag, so that memory which is used again never looks like a tensor. */
static int tensor_gc(lua_State *L) {
  cr__lua_tensor *u = cr__lua_test(L, 1);
  if (!u) return 0;
  if (u->owners) cr__lua_face_ends(L, u, 1);
  cr_release(u->t);
  u->t = NULL;
  u->tag = NULL;
  cr__lua_finalized++;
  cr__lua_sweep(L); /* Lua values that the graph held become garbage with it */
  return 0;
}

/* x:close(), and the end of `local x <close>`: the memory goes at once. */
static int tensor_close(lua_State *L) {
  cr__lua_tensor *u = cr__lua_test(L, 1);
  if (!u) return cr__lua_error(L, "close: self must be a tensor, got %s", cr__lua_describe(L, 1));
  if (u->owners) cr__lua_face_ends(L, u, 1);
  cr_tensor *t = u->t;
  u->t = NULL;
  cr_release(t);
  cr__lua_sweep(L);
  return 0;
}

void cr__lua_metatable(lua_State *L) { lua_rawgetp(L, LUA_REGISTRYINDEX, &cr__lua_tensor_tag); }

void cr__lua_methods(lua_State *L) { lua_rawgetp(L, LUA_REGISTRYINDEX, &methods_key); }

void cr__lua_add_methods(lua_State *L, const luaL_Reg *methods) {
  cr__lua_methods(L);
  luaL_setfuncs(L, methods, 0);
  lua_pop(L, 1);
}

/* ---- What a tensor tells of itself ---- */

static cr_tensor *self(lua_State *L, const char *name) {
  return cr__lua_tensor_arg(L, 1, name, "self");
}

/* The 0-based dim that argument 2 names, or -1 if it is absent. */
static int dim_arg(lua_State *L, const char *name, const cr_tensor *t) {
  if (lua_isnoneornil(L, 2)) return -1;
  int64_t dim = cr__lua_int_arg(L, 2, name, "dim");
  int n = cr_ndim(t);
  int64_t from_zero = dim > 0 ? dim - 1 : dim + n;
  if (dim == 0)
    cr__lua_error(L, "%s: dim is 0, but dims count from 1 (or from -1, the last one)", name);
  if (from_zero < 0 || from_zero >= n)
    cr__lua_error(L, "%s: dim %lld is out of range for a tensor of %d dims", name, (long long)dim,
                  n);
  return (int)from_zero;
}

static int tensor_size(lua_State *L) {
  cr_tensor *t = self(L, "size");
  int d = dim_arg(L, "size", t);
  if (d >= 0) lua_pushinteger(L, cr_shape(t)[d]);
  else cr__lua_push_shape(L, t);
  return 1;
}

static int tensor_stride(lua_State *L) {
  cr_tensor *t = self(L, "stride");
  int d = dim_arg(L, "stride", t);
  if (d >= 0) {
    lua_pushinteger(L, cr_stride(t)[d]);
    return 1;
  }
  cr__lua_push_sizes(L, cr_ndim(t), cr_stride(t));
  return 1;
}

static int tensor_dim(lua_State *L) {
  lua_pushinteger(L, cr_ndim(self(L, "dim")));
  return 1;
}

static int tensor_numel(lua_State *L) {
  lua_pushinteger(L, cr_numel(self(L, "numel")));
  return 1;
}

static int tensor_element_size(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)cr_dtype_size(cr_dtype_of(self(L, "element_size"))));
  return 1;
}

static int tensor_is_contiguous(lua_State *L) {
  lua_pushboolean(L, cr_is_contiguous(self(L, "is_contiguous")));
  return 1;
}

static int tensor_is_floating_point(lua_State *L) {
  cr_dtype dtype = cr_dtype_of(self(L, "is_floating_point"));
  lua_pushboolean(L, cr_dtype_category(dtype) == CR_FLOATING);
  return 1;
}

static int tensor_is_same_size(lua_State *L) {
  cr_tensor *a = self(L, "is_same_size"), *b = cr__lua_tensor_arg(L, 2, "is_same_size", "other");
  bool same = cr_ndim(a) == cr_ndim(b);
  for (int d = 0; same && d < cr_ndim(a); d++) same = cr_shape(a)[d] == cr_shape(b)[d];
  lua_pushboolean(L, same);
  return 1;
}

static int tensor_is_nonzero(lua_State *L) {
  cr_value v;
  cr_tensor *t = self(L, "is_nonzero");
  if (cr_numel(t) != 1)
    return cr__lua_error(L, "is_nonzero: self must have one element, got %s; x:any() asks of many",
                         cr__lua_describe(L, 1));
  if (cr__lua_item(L, t, &v)) return cr__lua_raise(L, NULL);
  lua_pushboolean(L, v.kind == CR_FLOAT ? v.u.f != 0 : v.u.i != 0);
  return 1;
}

static int tensor_storage_id(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)cr_storage_id(self(L, "storage_id")));
  return 1;
}

/* Elements of the storage before the tensor's first one. */
static int tensor_storage_offset(lua_State *L) {
  lua_pushinteger(L, cr_offset(self(L, "storage_offset")));
  return 1;
}

static int tensor_pointer(lua_State *L) {
  cr_tensor *t = self(L, "pointer");
  if (cr_requires_grad(t))
    return cr__lua_error(L,
                         "pointer: this tensor requires grad, and writes through a pointer escape "
                         "the graph; use x:detach():pointer()");
  lua_pushlightuserdata(L, cr_data(t));
  return 1;
}

static int tensor_set_data(lua_State *L) {
  cr_tensor *t = self(L, "set_data");
  cr_tensor *source = cr__lua_tensor_arg(L, 2, "set_data", "source");
  if (CR__LUA_GET(L, cr_set_data(t, source))) return cr__lua_raise(L, NULL);
  lua_settop(L, 1);
  return 1;
}

static int tensor_resize(lua_State *L) {
  int64_t shape[CR_MAX_DIMS];
  int n = 0;
  if (lua_type(L, 2) == LUA_TTABLE) {
    n = cr__lua_ints_arg(L, 2, "resize_", "shape", false, shape, CR_MAX_DIMS);
  } else {
    int sizes = lua_gettop(L) - 1;
    if (sizes > CR_MAX_DIMS)
      return cr__lua_error(L, "resize_: a tensor has at most %d dims, got %d", CR_MAX_DIMS, sizes);
    for (; n < sizes; n++) shape[n] = cr__lua_int_arg(L, n + 2, "resize_", "shape");
  }
  cr_tensor *t = self(L, "resize_");
  if (CR__LUA_GET(L, cr_resize(t, n, shape))) return cr__lua_raise(L, NULL);
  lua_settop(L, 1);
  return 1;
}

static int tensor_resize_as(lua_State *L) {
  cr_tensor *t = self(L, "resize_as_"), *other = cr__lua_tensor_arg(L, 2, "resize_as_", "other");
  if (CR__LUA_GET(L, cr_resize(t, cr_ndim(other), cr_shape(other)))) return cr__lua_raise(L, NULL);
  lua_settop(L, 1);
  return 1;
}

static int tensor_shares_storage(lua_State *L) {
  cr_tensor *a = self(L, "shares_storage"),
            *b = cr__lua_tensor_arg(L, 2, "shares_storage", "other");
  lua_pushboolean(L, cr_same_storage(a, b));
  return 1;
}

/* ---- Metamethods ---- */

static int tensor_len(lua_State *L) {
  cr_tensor *t = self(L, "#");
  if (cr_ndim(t) == 0)
    return cr__lua_error(L, "#: a 0-dim tensor has no length; x:item() gives its value");
  lua_pushinteger(L, cr_shape(t)[0]);
  return 1;
}

/* x(i, j) is x[{i, j}]. A loop `for v in x` calls with two nils. */
static int tensor_call(lua_State *L) {
  int n = lua_gettop(L) - 1;
  self(L, "index");
  if (n == 2 && lua_isnil(L, 2) && lua_isnil(L, 3))
    return cr__lua_error(L, "index: got nil and nil; a loop over a tensor is written "
                            "`for i, row in ipairs(x) do`");
  lua_createtable(L, n, 0);
  lua_insert(L, 2);
  for (int i = n; i >= 1; i--) lua_rawseti(L, 2, i);
  return cr__lua_index_read(L, 0);
}

static int next_row(lua_State *L) {
  cr_tensor *t = self(L, "pairs");
  lua_Integer i = lua_tointeger(L, 2) + 1;
  if (cr_ndim(t) == 0 || i > cr_shape(t)[0]) return 0;
  lua_settop(L, 1);
  lua_pushinteger(L, i);
  cr__lua_index_read(L, 0);
  lua_pushinteger(L, i);
  lua_insert(L, -2);
  return 2;
}

static int tensor_pairs(lua_State *L) {
  if (cr_ndim(self(L, "pairs")) == 0)
    return cr__lua_error(L, "pairs: a 0-dim tensor has nothing to walk; x:item() gives its value");
  lua_pushcfunction(L, next_row);
  lua_pushvalue(L, 1);
  lua_pushinteger(L, 0);
  return 3;
}

static int tensor_eq(lua_State *L) {
  cr__lua_tensor *a = cr__lua_test(L, 1), *b = cr__lua_test(L, 2);
  lua_pushboolean(L, a && b && a->t && a->t == b->t);
  return 1;
}

int cr__lua_concat(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  luaL_tolstring(L, 2, NULL);
  lua_concat(L, 2);
  return 1;
}

static int is_tensor(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, cr__lua_test(L, 1) != NULL);
  return 1;
}

void cr__lua_open_tensor(lua_State *L) {
  static const luaL_Reg meta[] = {{"__gc", tensor_gc},          {"__close", tensor_close},
                                  {"__len", tensor_len},        {"__call", tensor_call},
                                  {"__pairs", tensor_pairs},    {"__eq", tensor_eq},
                                  {"__concat", cr__lua_concat}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"close", tensor_close},
                                     {"size", tensor_size},
                                     {"stride", tensor_stride},
                                     {"dim", tensor_dim},
                                     {"numel", tensor_numel},
                                     {"nelement", tensor_numel},
                                     {"element_size", tensor_element_size},
                                     {"is_contiguous", tensor_is_contiguous},
                                     {"is_floating_point", tensor_is_floating_point},
                                     {"is_same_size", tensor_is_same_size},
                                     {"is_nonzero", tensor_is_nonzero},
                                     {"storage_id", tensor_storage_id},
                                     {"storage_offset", tensor_storage_offset},
                                     {"shares_storage", tensor_shares_storage},
                                     {"pointer", tensor_pointer},
                                     {"set_data", tensor_set_data},
                                     {"resize_", tensor_resize},
                                     {"resize_as_", tensor_resize_as},
                                     {NULL, NULL}};
  static const luaL_Reg functions[] = {{"is_tensor", is_tensor},
                                       {"is_floating_point", tensor_is_floating_point},
                                       {"is_same_size", tensor_is_same_size},
                                       {"is_nonzero", tensor_is_nonzero},
                                       {"numel", tensor_numel},
                                       {NULL, NULL}};
  /* Most operations look into these two, so they have room to spare: few names share a place. */
  lua_createtable(L, 0, 128);
  luaL_setfuncs(L, meta, 0);
  lua_pushliteral(L, "cresset.Tensor");
  lua_setfield(L, -2, "__name");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &cr__lua_tensor_tag);
  lua_createtable(L, 0, 1024);
  luaL_setfuncs(L, methods, 0);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &methods_key);
  luaL_setfuncs(L, functions, 0);
}
