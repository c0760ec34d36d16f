/* field.c: what a name after the dot means: a method, or one of the fields below.
 *
 * Holds true: a misspelt field is an error, never nil. A userdata exists before the reference that
 * it takes, and what is borrowed from the core is retained before Lua can run anything. */
#include <string.h>

#include "binding.h"

static cr_tensor *tensor_at_1(lua_State *L) {
  cr__lua_tensor *u = cr__lua_test(L, 1);
  if (!u) cr__lua_error(L, "expected a tensor, got %s", cr__lua_describe(L, 1));
  if (!u->t) cr__lua_error(L, "this tensor was closed");
  return u->t;
}

/* ---- Reading ---- */

static int get_dtype(lua_State *L, cr_tensor *t) {
  lua_pushstring(L, cr_dtype_name(cr_dtype_of(t)));
  return 1;
}

static int get_device(lua_State *L, cr_tensor *t) {
  char name[16];
  lua_pushstring(L, cr_device_name(cr_device_of(t), name));
  return 1;
}

static int get_shape(lua_State *L, cr_tensor *t) {
  cr__lua_push_shape(L, t);
  return 1;
}

static int get_ndim(lua_State *L, cr_tensor *t) {
  lua_pushinteger(L, cr_ndim(t));
  return 1;
}

static int get_requires_grad(lua_State *L, cr_tensor *t) {
  lua_pushboolean(L, cr_requires_grad(t));
  return 1;
}

static int get_is_leaf(lua_State *L, cr_tensor *t) {
  lua_pushboolean(L, cr_is_leaf(t));
  return 1;
}

static int get_retains_grad(lua_State *L, cr_tensor *t) {
  lua_pushboolean(L, cr_retains_grad(t));
  return 1;
}

static int get_is_inference(lua_State *L, cr_tensor *t) {
  lua_pushboolean(L, cr_is_inference(t));
  return 1;
}

static int get_version(lua_State *L, cr_tensor *t) {
  uint32_t version;
  if (cr_version(t, &version)) return cr__lua_raise(L, NULL);
  lua_pushinteger(L, version);
  return 1;
}

/* The metatable of tensors, an upvalue of tensor_index. */
#define METATABLE lua_upvalueindex(3)

/* Pushes what `get` lends of the tensor at 1; making a userdata may run finalizers, so it asks again. */
static int push_borrowed(lua_State *L, cr_tensor *(*get)(cr_tensor *)) {
  cr_tensor *t = get(tensor_at_1(L));
  if (t && cr__lua_push_known(L, t)) return 1;
  cr__lua_tensor *u = t ? cr__lua_new_by(L, METATABLE) : NULL;
  if (u) u->t = cr_retain(get(tensor_at_1(L)));
  if (u && u->t) cr__lua_know(L, lua_gettop(L));
  else lua_pushnil(L);
  return 1;
}

static int get_grad(lua_State *L, cr_tensor *t) {
  cr_tensor *grad;
  if (cr_is_leaf(t)) {
    grad = cr_grad_of(t);
  } else { /* may warn */
    CR__LUA_DO(L, grad = cr_grad_of(t));
    cr__lua_deliver(L);
  }
  if (!grad) lua_pushnil(L);
  return grad ? push_borrowed(L, cr_grad_of) : 1;
}

static int get_base(lua_State *L, cr_tensor *t) {
  (void)t;
  return push_borrowed(L, cr_base);
}

static int get_grad_fn(lua_State *L, cr_tensor *t) {
  (void)t;
  cr__lua_push_grad_fn(L, 1);
  return 1;
}

static int get_data(lua_State *L, cr_tensor *t) {
  (void)t;
  cr__lua_tensor *u = cr__lua_new_by(L, METATABLE);
  t = tensor_at_1(L);
  CR__LUA_DO(L, u->t = cr_get_data(t));
  return u->t ? 1 : cr__lua_raise(L, NULL);
}

static const struct field {
  const char *name;
  int (*get)(lua_State *L, cr_tensor *t);
} fields[] = {
    {"dtype", get_dtype},
    {"device", get_device},
    {"shape", get_shape},
    {"ndim", get_ndim},
    {"grad", get_grad},
    {"requires_grad", get_requires_grad},
    {"is_leaf", get_is_leaf},
    {"grad_fn", get_grad_fn},
    {"data", get_data},
    {"base", get_base},
    {"_version", get_version},
    {"is_inference", get_is_inference},
    {"retains_grad", get_retains_grad},
};
enum { NFIELDS = sizeof fields / sizeof *fields };

static int no_field(lua_State *L) {
  const char *advice = cr__lua_advice(L, "field", 2);
  return cr__lua_error(L, "a tensor has no field or method %s%s", cr__lua_quote(L, 2, '\''),
                       advice);
}

/* __index; upvalues: the methods, the numbers of the fields by name, the metatable. */
static int tensor_index(lua_State *L) {
  if (lua_type(L, 2) != LUA_TSTRING) return cr__lua_index_read(L, METATABLE);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(2)) == LUA_TNUMBER) {
    const struct field *f = &fields[lua_tointeger(L, -1)];
    lua_pop(L, 1);
    return f->get(L, tensor_at_1(L));
  }
  lua_settop(L, 2);
  if (strcmp(lua_tostring(L, 2), "...") == 0) return cr__lua_index_read(L, METATABLE);
  if (!cr__lua_find_alias(L, 2, true)) return no_field(L);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, -2);
  lua_rawset(L, lua_upvalueindex(1)); /* found at once from now on */
  return 1;
}

/* ---- Writing ---- */

static int set_grad(lua_State *L) {
  cr_tensor *grad = lua_isnil(L, 3) ? NULL : cr__lua_tensor_arg(L, 3, "grad", "the assigned value");
  if (grad) cr__lua_know(L, 3);
  cr_tensor *self = tensor_at_1(L);
  int code;
  CR__LUA_DO(L, code = cr_set_grad(self, grad));
  return code ? cr__lua_raise(L, NULL) : 0;
}

static int set_requires_grad(lua_State *L) {
  bool on = cr__lua_bool_arg(L, 3, "requires_grad", "the assigned value");
  if (cr__lua_require_grad(L, tensor_at_1(L), on)) return cr__lua_raise(L, NULL);
  if (on) cr__lua_know(L, 1);
  return 0;
}

static int set_data(lua_State *L) {
  cr_tensor *source = cr__lua_tensor_arg(L, 3, "data", "the assigned value");
  cr_tensor *self = tensor_at_1(L);
  int code;
  CR__LUA_DO(L, code = cr_set_data(self, source));
  return code ? cr__lua_raise(L, NULL) : 0;
}

static int tensor_newindex(lua_State *L) {
  tensor_at_1(L);
  if (lua_type(L, 2) != LUA_TSTRING) return cr__lua_index_write(L);
  const char *name = lua_tostring(L, 2);
  if (strcmp(name, "grad") == 0) return set_grad(L);
  if (strcmp(name, "requires_grad") == 0) return set_requires_grad(L);
  if (strcmp(name, "data") == 0) return set_data(L);
  if (strcmp(name, "...") == 0) return cr__lua_index_write(L);
  for (int i = 0; i < NFIELDS; i++)
    if (strcmp(name, fields[i].name) == 0)
      return cr__lua_error(L, "the field '%s' of a tensor cannot be assigned", name);
  return no_field(L);
}

void cr__lua_open_field(lua_State *L) {
  cr__lua_metatable(L);
  cr__lua_methods(L);
  lua_createtable(L, 0, NFIELDS);
  for (int i = 0; i < NFIELDS; i++) {
    lua_pushinteger(L, i);
    lua_setfield(L, -2, fields[i].name);
  }
  cr__lua_metatable(L);
  lua_pushcclosure(L, tensor_index, 3);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, tensor_newindex);
  lua_setfield(L, -2, "__newindex");
  lua_pop(L, 1);
}
