/* take.c: one argument of a call as its parameter's type has it.
 *
 * Holds true: a value that does not fit is told of only where the call is explained, and is never made to fit. What is
 * made on the way stays on Lua's stack until the call is over. */
#include "parse.h"

#include <stdarg.h>
#include <stdio.h>

bool cr__lua_problem(cr__lua_parse *p, const char *format, ...) {
  if (!p->explains) return false;
  va_list args;
  va_start(args, format);
  vsnprintf(p->problem, sizeof p->problem, format, args);
  va_end(args);
  return false;
}

bool cr__lua_unfit(lua_State *L, cr__lua_parse *p, const char *param, const char *wanted,
                   int index) {
  if (!p->explains) return false;
  return cr__lua_problem(p, "%s must be %s, got %s", param, wanted, cr__lua_describe(L, index));
}

/* ---- One argument ---- */

int64_t *cr__lua_room_for(lua_State *L, cr__lua_parse *p, lua_Unsigned n) {
  if (n <= sizeof p->ints / sizeof *p->ints - (lua_Unsigned)p->nints) {
    int64_t *room = p->ints + p->nints;
    p->nints += (int)n;
    return room;
  }
  return lua_newuserdatauv(L, n * sizeof(int64_t), 0);
}

/* A table of integers, or one integer. */
static bool take_ints(lua_State *L, cr__lua_parse *p, int i, int index) {
  const char *name = p->op->params[i].name;
  int64_t one;
  if (cr__lua_to_int(L, index, &one)) {
    int64_t *room = cr__lua_room_for(L, p, 1);
    *room = one;
    p->args[i] = cr_ints(room, 1);
    return true;
  }
  if (lua_type(L, index) != LUA_TTABLE)
    return cr__lua_unfit(L, p, name,
                         p->op->params[i].choices
                             ? "an integer, a table of integers or one of its words"
                             : "an integer or a table of integers",
                         index);
  lua_Unsigned n = lua_rawlen(L, index);
  if (n > 1 << 24) return cr__lua_problem(p, "%s has too many entries", name);
  if (cr__lua_other_key(L, index, (lua_Integer)n))
    return cr__lua_problem(p, "%s has %s beside its list", name, lua_tostring(L, -1));
  int64_t *list = cr__lua_room_for(L, p, n);
  for (lua_Integer k = 0; k < (lua_Integer)n; k++) {
    lua_rawgeti(L, index, k + 1);
    if (!cr__lua_to_int(L, -1, &list[k]))
      return cr__lua_problem(p, "%s[%d] must be an integer, got %s", name, (int)k + 1,
                             cr__lua_describe(L, -1));
    lua_pop(L, 1);
  }
  p->args[i] = cr_ints(list, (int)n);
  return true;
}

/* A table of numbers, or one number. */
static bool take_floats(lua_State *L, cr__lua_parse *p, int i, int index) {
  const char *name = p->op->params[i].name;
  bool one = lua_type(L, index) == LUA_TNUMBER;
  if (!one && lua_type(L, index) != LUA_TTABLE)
    return cr__lua_unfit(L, p, name, "a number or a table of numbers", index);
  lua_Unsigned n = one ? 1 : lua_rawlen(L, index);
  if (n > 1 << 24) return cr__lua_problem(p, "%s has too many entries", name);
  if (!one && cr__lua_other_key(L, index, (lua_Integer)n))
    return cr__lua_problem(p, "%s has %s beside its list", name, lua_tostring(L, -1));
  double *list = lua_newuserdatauv(L, (n ? n : 1) * sizeof(double), 0);
  for (lua_Integer k = 0; k < (lua_Integer)n; k++) {
    if (one) lua_pushvalue(L, index);
    else lua_rawgeti(L, index, k + 1);
    if (lua_type(L, -1) != LUA_TNUMBER)
      return cr__lua_problem(p, "%s[%d] must be a number, got %s", name, (int)k + 1,
                             cr__lua_describe(L, -1));
    list[k] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  p->args[i] = cr_floats(list, (int)n);
  return true;
}

static bool one_per_call(uint8_t type) {
  return type == CR_P_TENSOR || type == CR_P_OPERAND || type == CR_P_SCALAR || type == CR_P_FLOAT;
}

/* One tensor or number (or false, for none) for each call. */
static bool take_each(lua_State *L, cr__lua_parse *p, int i, int index) {
  const char *name = p->op->params[i].name;
  uint8_t type = p->op->params[i].type;
  lua_Unsigned n = lua_rawlen(L, index);
  if (n > INT32_MAX / 16) return cr__lua_problem(p, "%s has too many entries", name);
  if (cr__lua_other_key(L, index, (lua_Integer)n))
    return cr__lua_problem(p,
                           "%s has %s beside its list; false stands for a tensor that is not there",
                           name, lua_tostring(L, -1));
  cr__lua_list *list = cr__lua_new_list(L, (int)n); /* keeps the tensors */
  cr_value *values = lua_newuserdatauv(L, (size_t)n * sizeof *values, 0);
  for (lua_Integer k = 0; k < (lua_Integer)n; k++) {
    lua_rawgeti(L, index, k + 1);
    cr__lua_tensor *u = type == CR_P_TENSOR || type == CR_P_OPERAND ? cr__lua_test(L, -1) : NULL;
    bool none = lua_isboolean(L, -1) && !lua_toboolean(L, -1);
    bool number = type != CR_P_TENSOR && (type != CR_P_FLOAT || lua_type(L, -1) == LUA_TNUMBER);
    values[k] = cr_none();
    if (u && u->t) values[k] = cr_of(list->t[list->n++] = cr_retain(u->t));
    else if (!none && !(number && cr__lua_to_number(L, -1, &values[k])))
      return cr__lua_problem(p, "%s[%d] must be %s, got %s", name, (int)k + 1,
                             type == CR_P_TENSOR    ? "a tensor or false"
                             : type == CR_P_OPERAND ? "a tensor, a number or false"
                                                    : "a number or false",
                             cr__lua_describe(L, -1));
    if (type == CR_P_FLOAT && values[k].kind != CR_NONE) values[k] = cr_float(lua_tonumber(L, -1));
    lua_pop(L, 1);
  }
  p->args[i] = (cr_value){CR_TENSORS, (int32_t)n, {.s = (const char *)values}};
  return true;
}

/* copy_ takes a table as an assignment to x[{}] does. */
static void take_table(lua_State *L, cr__lua_parse *p, int i, int index) {
  const cr__lua_tensor *self = p->args[0].kind == CR_TENSOR ? cr__lua_test(L, p->args[0].n) : NULL;
  cr_dtype dtype = self && self->t ? cr_dtype_of(self->t) : CR_DTYPE_NONE;
  cr__lua_tensor_from(L, index, p->op->lua, dtype);
  p->args[i] = cr__lua_at(lua_gettop(L));
}

static bool take_tensor(lua_State *L, cr__lua_parse *p, int i, int index) {
  bool operand = p->op->params[i].type == CR_P_OPERAND;
  cr__lua_tensor *u = cr__lua_test(L, index);
  if (u) {
    if (!u->t) return cr__lua_problem(p, "%s: this tensor was closed", p->op->params[i].name);
    p->args[i] = cr__lua_of(u, index);
    return true;
  }
  if (operand && cr__lua_to_number(L, index, &p->args[i])) return true;
  if (p->op == cr__lua_op(CR__LUA_copy_) && i == 1 &&
      (lua_type(L, index) == LUA_TTABLE || cr__lua_is_strange(L, index))) {
    take_table(L, p, i, index);
    return true;
  }
  const char *wanted = operand ? "a tensor or a number" : "a tensor";
  if (lua_type(L, index) == LUA_TTABLE)
    wanted = operand ? "a tensor or a number (cr.tensor makes one of a table)"
                     : "a tensor (cr.tensor makes one of a table)";
  return cr__lua_unfit(L, p, p->op->params[i].name, wanted, index);
}

static bool take_tensors(lua_State *L, cr__lua_parse *p, int i, int index) {
  cr__lua_list *list = cr__lua_make_list(L, index, p->op->params[i].name, true);
  if (!list) return cr__lua_problem(p, "%s", lua_tostring(L, -1));
  p->args[i] = cr_list(list->t, list->n);
  p->list = lua_gettop(L);
  return true;
}

bool cr__lua_take(lua_State *L, cr__lua_parse *p, int i, int index) {
  const cr_param *param = &p->op->params[i];
  cr_value *out = &p->args[i];
  int64_t whole = 0;
  if (p->each && lua_type(L, index) == LUA_TTABLE && one_per_call(param->type))
    return take_each(L, p, i, index);
  switch (param->type) {
  case CR_P_TENSOR:
  case CR_P_OPERAND: return take_tensor(L, p, i, index);
  case CR_P_TENSORS: return take_tensors(L, p, i, index);
  case CR_P_SCALAR:
    if (!cr__lua_to_number(L, index, out))
      return cr__lua_unfit(L, p, param->name, "a number", index);
    return true;
  case CR_P_INT:
  case CR_P_DIM:
    if (!cr__lua_to_int(L, index, &whole))
      return cr__lua_unfit(L, p, param->name, "an integer", index);
    *out = cr_int(whole);
    return true;
  case CR_P_FLOAT:
    if (lua_type(L, index) != LUA_TNUMBER)
      return cr__lua_unfit(L, p, param->name, "a number", index);
    *out = cr_float(lua_tonumber(L, index));
    return true;
  case CR_P_BOOL:
    if (!lua_isboolean(L, index)) return cr__lua_unfit(L, p, param->name, "true or false", index);
    *out = cr_bool(lua_toboolean(L, index));
    return true;
  case CR_P_DIMS:
  case CR_P_SHAPE: return take_ints(L, p, i, index);
  case CR_P_INTS:
    if (!param->choices || !cr__lua_to_word(L, index)) return take_ints(L, p, i, index);
    *out = cr_string(lua_tostring(L, index));
    return true;
  case CR_P_FLOATS: return take_floats(L, p, i, index);
  case CR_P_STRING:
    if (!cr__lua_to_word(L, index)) return cr__lua_unfit(L, p, param->name, "a string", index);
    *out = cr_string(lua_tostring(L, index));
    return true;
  case CR_P_DTYPE:
    *out = cr_dtype_value(cr__lua_to_dtype(L, index));
    if (out->kind != CR_NONE) return true;
    if (!p->explains) return false;
    return cr__lua_problem(p, "%s must be " CR__LUA_A_DTYPE ", got %s%s", param->name,
                           cr__lua_describe(L, index), cr__lua_advice(L, "dtype", index));
  default: {
    cr_device device = CR_CPU;
    if (!cr__lua_to_device(L, index, &device))
      return p->explains && cr__lua_unfit(L, p, param->name, cr__lua_a_device(L), index);
    *out = cr_device_value(device);
    return true;
  }
  }
}
