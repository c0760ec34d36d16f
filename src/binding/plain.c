/* plain.c: tables made plain before a tensor is made of them.
 *
 * Holds true: all Lua code that an element may run (__len, __index, and what they call) runs here, before
 * any memory of the tensor exists; its errors reach the caller as they are. Every value is read once. */
#include "binding.h"

typedef struct copier {
  lua_State *L;
  const char *op;
  cr_dtype dtype; /* what the elements so far ask for */
  bool warned;
  int64_t path[CR_MAX_DIMS + 1];
} copier;

static bool has(lua_State *L, int index, const char *event) {
  if (luaL_getmetafield(L, index, event) == LUA_TNIL) return false;
  lua_pop(L, 1);
  return true;
}

bool cr__lua_is_strange(lua_State *L, int index) {
  switch (lua_type(L, index)) {
  case LUA_TTABLE:
    if (!lua_getmetatable(L, index)) return false;
    lua_pop(L, 1);
    return has(L, index, "__len") || has(L, index, "__index");
  case LUA_TUSERDATA:
    return cr__lua_test(L, index) || (has(L, index, "__len") && has(L, index, "__index"));
  default: return false;
  }
}

/* Pushes where the copy stands, "[2][1]". */
static const char *place(copier *c, int depth) {
  lua_pushliteral(c->L, "");
  for (int i = 0; i < depth; i++) {
    lua_pushfstring(c->L, "[%I]", (lua_Integer)c->path[i]);
    lua_concat(c->L, 2);
  }
  return lua_tostring(c->L, -1);
}

static void add_dtype(copier *c, cr_dtype dtype) {
  c->dtype = c->dtype == CR_DTYPE_NONE ? dtype : cr_promote_types(c->dtype, dtype);
  if (c->dtype == CR_DTYPE_NONE) cr__lua_raise(c->L, NULL);
}

/* Replaces the tensor on top by its number. */
static void copy_tensor(copier *c, int depth) {
  lua_State *L = c->L;
  const cr__lua_tensor *u = cr__lua_test(L, -1);
  cr_value v;
  if (!u->t) cr__lua_error(L, "%s: element %s is a tensor that was closed", c->op, place(c, depth));
  if (cr_ndim(u->t) > 0) {
    const char *got = cr__lua_describe(L, -1);
    cr__lua_error(L,
                  "%s: element %s is %s, where a 0-dim one would be a number; cr.stack joins "
                  "tensors",
                  c->op, place(c, depth), got);
  }
  if (cr_requires_grad(u->t) && !c->warned) {
    c->warned = true;
    lua_pushfstring(L,
                    "%s: an element requires grad, but only its number is taken; cr.stack keeps "
                    "the graph",
                    c->op);
    cr__lua_warn(L, lua_tostring(L, -1));
    lua_pop(L, 1);
    if (!u->t)
      cr__lua_error(L, "%s: element %s is a tensor that was closed", c->op, place(c, depth));
  }
  add_dtype(c, cr_dtype_of(u->t));
  if (cr__lua_item(L, u->t, &v)) cr__lua_raise(L, NULL);
  cr__lua_push_value(L, &v);
  lua_remove(L, -2);
}

/* The length of the list on top, which may say it itself. */
static lua_Integer length(copier *c, int depth) {
  lua_State *L = c->L;
  int exact;
  lua_len(L, -1);
  lua_Integer n = lua_tointegerx(L, -1, &exact);
  if (!exact || n < 0) {
    const char *got = cr__lua_describe(L, -1);
    cr__lua_error(L, "%s: the length of the table%s must be an integer from 0, got %s", c->op,
                  place(c, depth), got);
  }
  lua_pop(L, 1);
  return n;
}

static void copy(copier *c, int depth);

/* Replaces the list on top by a plain table. */
static void copy_list(copier *c, int depth) {
  lua_State *L = c->L;
  if (depth == CR_MAX_DIMS)
    cr__lua_error(L, "%s: the table is nested deeper than %d levels (does it contain itself?)",
                  c->op, CR_MAX_DIMS);
  luaL_checkstack(L, 8, "no stack for a table");
  bool plain = !cr__lua_is_strange(L, -1);
  lua_Integer n = length(c, depth);
  if (plain && cr__lua_other_key(L, -1, n)) {
    const char *key = lua_tostring(L, -1);
    cr__lua_error(L, "%s: the table%s has %s beside its list", c->op, place(c, depth), key);
  }
  lua_createtable(L, n < 1024 ? (int)n : 1024, 0);
  for (lua_Integer i = 1; i <= n; i++) {
    c->path[depth] = i;
    if (lua_geti(L, -2, i) == LUA_TNIL)
      cr__lua_error(L, "%s: element %s must be a number or a boolean, got nil", c->op,
                    place(c, depth + 1));
    copy(c, depth + 1);
    lua_rawseti(L, -2, i);
  }
  lua_remove(L, -2);
}

static void copy(copier *c, int depth) {
  lua_State *L = c->L;
  if (cr__lua_test(L, -1)) copy_tensor(c, depth);
  else if (lua_type(L, -1) == LUA_TTABLE || cr__lua_is_strange(L, -1)) copy_list(c, depth);
  else if (lua_type(L, -1) == LUA_TBOOLEAN) add_dtype(c, CR_BOOL);
  else if (lua_type(L, -1) == LUA_TNUMBER)
    add_dtype(c, lua_isinteger(L, -1) ? CR_INT64 : CR__LUA_GET(L, cr_default_dtype()));
}

cr_dtype cr__lua_make_plain(lua_State *L, const char *op) {
  copier c = {.L = L, .op = op, .dtype = CR_DTYPE_NONE};
  copy(&c, 0);
  return c.dtype;
}
