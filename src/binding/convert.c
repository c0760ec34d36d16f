/* convert.c: the forms of x:to, and its relatives.
 *
 * Holds true: whatever the form, one catalogue operation `to` does the work, so gradients flow. */
#include <string.h>

#include "binding.h"
#include "parse.h"

typedef struct target {
  cr_value dtype, device, copy;
} target;

static int convert(lua_State *L, const target *to) {
  cr_value args[CR__LUA_MAX_PARAMS] = {cr__lua_at(1), to->dtype, to->device, to->copy};
  return cr__lua_call(L, cr__lua_op(CR__LUA_to), args);
}

static void read_options(lua_State *L, int index, target *to) {
  static const char *const names[] = {"dtype", "device", "copy", NULL};
  int first = cr__lua_options(L, index, "to", names);
  if (!lua_isnil(L, first)) to->dtype = cr_dtype_value(cr__lua_dtype_arg(L, first, "to", "dtype"));
  if (!lua_isnil(L, first + 1))
    to->device = cr_device_value(cr__lua_device_arg(L, first + 1, "to", "device"));
  if (!lua_isnil(L, first + 2)) to->copy = cr_bool(cr__lua_bool_arg(L, first + 2, "to", "copy"));
}

static void read_form(lua_State *L, int index, target *to) {
  cr_device device;
  cr_dtype dtype = cr__lua_to_dtype(L, index);
  if (lua_isnil(L, index)) return;
  if (dtype != CR_DTYPE_NONE) {
    to->dtype = cr_dtype_value(dtype);
  } else if (cr__lua_to_device(L, index, &device)) {
    to->device = cr_device_value(device);
  } else if (lua_isboolean(L, index)) {
    to->copy = cr_bool(lua_toboolean(L, index));
  } else if (cr__lua_test(L, index)) {
    cr_tensor *other = cr__lua_tensor_arg(L, index, "to", "other");
    to->dtype = cr_dtype_value(cr_dtype_of(other));
    to->device = cr_device_value(cr_device_of(other));
  } else if (lua_type(L, index) == LUA_TTABLE) {
    read_options(L, index, to);
  } else {
    cr__lua_error(L,
                  "to: argument %d must be " CR__LUA_A_DTYPE
                  ", %s, a tensor to be like, or {dtype =, device =, copy =}, got %s%s",
                  index - 1, cr__lua_a_device(L), cr__lua_describe(L, index),
                  cr__lua_advice(L, "dtype", index));
  }
}

/* x:to("float64"), x:to("cuda:0"), x:to("cuda", "float16"), x:to(other), x:to { dtype = ... } */
static int tensor_to(lua_State *L) {
  target to = {cr_none(), cr_none(), cr_bool(false)};
  int top = lua_gettop(L);
  cr__lua_tensor_arg(L, 1, "to", "self");
  if (top > 4) return cr__lua_error(L, "to: too many arguments: got %d where 3 will do", top - 1);
  for (int i = 2; i <= top; i++) read_form(L, i, &to);
  return convert(L, &to);
}

/* x:type() names the dtype; x:type("float64") converts. */
static int tensor_type(lua_State *L) {
  cr_tensor *t = cr__lua_tensor_arg(L, 1, "type", "self");
  if (!lua_isnoneornil(L, 2)) {
    target to = {cr_dtype_value(cr__lua_dtype_arg(L, 2, "type", "dtype")), cr_none(),
                 cr_bool(false)};
    return convert(L, &to);
  }
  lua_pushstring(L, cr_dtype_name(cr_dtype_of(t)));
  return 1;
}

static int tensor_type_as(lua_State *L) {
  cr__lua_tensor_arg(L, 1, "type_as", "self");
  cr_tensor *other = cr__lua_tensor_arg(L, 2, "type_as", "other");
  target to = {cr_dtype_value(cr_dtype_of(other)), cr_device_value(cr_device_of(other)),
               cr_bool(false)};
  return convert(L, &to);
}

/* x:cpu(), x:cuda(): a method for each kind of device, whose name is the upvalue. */
static int tensor_to_kind(lua_State *L) {
  const char *kind = lua_tostring(L, lua_upvalueindex(1));
  cr_device device;
  if (CR__LUA_GET(L, cr_device_parse(kind, &device))) return cr__lua_raise(L, NULL);
  target to = {cr_none(), cr_device_value(device), cr_bool(false)};
  cr__lua_tensor_arg(L, 1, kind, "self");
  return convert(L, &to);
}

void cr__lua_open_convert(lua_State *L) {
  static const luaL_Reg methods[] = {{"to", tensor_to},
                                     {"type", tensor_type},
                                     {"type_as", tensor_type_as},
                                     {NULL, NULL}};
#define X(NAME, name, number) #name,
  static const char *const kinds[] = {CR_DEVICES(X)};
#undef X
  cr__lua_add_methods(L, methods);
  cr__lua_methods(L);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    lua_pushstring(L, kinds[i]);
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, tensor_to_kind, 1);
    lua_rawset(L, -3);
  }
  lua_pop(L, 1);
}
