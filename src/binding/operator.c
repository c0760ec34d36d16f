/* operator.c: Lua's operators on tensors.
 *
 * Holds true: an operator is its catalogue operation with every other argument at its default. `<`
 * and `<=` give a Lua boolean and so take one element only; `==` is identity (tensor.c). */
#include <string.h>

#include "binding.h"
#include "parse.h"

/* A number; all else is refused. What lies on top is the result: nothing was given there. */
static cr_value other_operand(lua_State *L, const cr_op *op, int index) {
  cr_value v;
  if (index == lua_gettop(L)) lua_pop(L, 1);
  cr__lua_tensor *u = cr__lua_test(L, index);
  if (u) cr__lua_error(L, "%s: this tensor was closed", op->lua);
  if (cr__lua_to_number(L, index, &v)) return v;
  cr__lua_error(L, "%s: an operand must be a tensor or a number%s, got %s", op->lua,
                lua_istable(L, index) ? " (cr.tensor makes a tensor of a table)" : "",
                cr__lua_describe(L, index));
  return cr_none();
}

/* An operand as the core wants it: borrowed, until something may run a finalizer. */
static inline cr_value operand(lua_State *L, const cr_op *op, int index) {
  const cr__lua_tensor *u = cr__lua_test(L, index);
  return u && u->t ? cr_of(u->t) : other_operand(L, op, index);
}

typedef struct bound {
  const cr_op *op;
  cr__lua_home *home;
} bound;

/* cr__lua_call_as without its detours: an operator has one result, which is no view and warns of nothing. The
 * operands are read once the result's userdata exists, as fetch (call.c) does.
 * Upvalues: the bound operation, the metatable of tensors. */
static inline __attribute__((always_inline)) int operate(lua_State *L, int noperand) {
  const bound *o = lua_touserdata(L, lua_upvalueindex(1));
  const cr_op *op = o->op;
  cr_value args[CR__LUA_MAX_PARAMS];
  cr_tensor *out;
  for (int i = noperand; i < op->nparam; i++) args[i] = op->params[i].otherwise;
  cr__lua_tensor *result = cr__lua_new_by(L, lua_upvalueindex(2));
  for (bool retried = false;; retried = true) {
    for (int i = 0; i < noperand; i++) args[i] = operand(L, op, i + 1);
    if (!cr__lua_run(L, o->home, op, args, &out)) break;
    if (retried || !cr__lua_retry(L)) cr__lua_raise_as(L, op, op->lua);
  }
  result->t = out;
  cr__lua_after(L);
  return 1;
}

static int binary(lua_State *L) { return operate(L, 2); }
static int unary(lua_State *L) { return operate(L, 1); }

/* Pushes the operand's value as a Lua number, so that Lua itself compares integers with floats. */
static void push_number(lua_State *L, int index, const char *symbol, const char *method) {
  cr_value v;
  cr__lua_tensor *u = cr__lua_test(L, index);
  if (!u && !cr__lua_to_number(L, index, &v))
    cr__lua_error(L, "%s: cannot compare a tensor with %s", symbol, cr__lua_describe(L, index));
  if (u && !u->t) cr__lua_error(L, "%s: this tensor was closed", symbol);
  if (u && cr_numel(u->t) != 1)
    cr__lua_error(L,
                  "%s: gives one Lua boolean, for tensors of one element, got %s; x:%s(y) compares "
                  "element by element",
                  symbol, cr__lua_describe(L, index), method);
  if (u && cr__lua_item(L, u->t, &v)) cr__lua_raise(L, NULL);
  if (v.kind == CR_BOOLEAN_VALUE) v.kind = CR_INT;
  cr__lua_push_value(L, &v);
}

static int compare(lua_State *L, int lua_op, const char *symbol, const char *method) {
  push_number(L, 1, symbol, method);
  push_number(L, 2, symbol, method);
  lua_pushboolean(L, lua_compare(L, -2, -1, lua_op));
  return 1;
}

static int less(lua_State *L) { return compare(L, LUA_OPLT, "<", "lt"); }
static int less_or_equal(lua_State *L) { return compare(L, LUA_OPLE, "<=", "le"); }

void cr__lua_open_operator(lua_State *L) {
  static const struct {
    const char *event, *op;
    lua_CFunction f;
  } operators[] = {{"__add", "add", binary},
                   {"__sub", "sub", binary},
                   {"__mul", "mul", binary},
                   {"__div", "div", binary},
                   {"__idiv", "floor_divide", binary},
                   {"__mod", "remainder", binary},
                   {"__pow", "pow", binary},
                   {"__unm", "neg", unary},
                   {"__band", "bitwise_and", binary},
                   {"__bor", "bitwise_or", binary},
                   {"__bxor", "bitwise_xor", binary},
                   {"__bnot", "bitwise_not", unary},
                   {"__shl", "bitwise_left_shift", binary},
                   {"__shr", "bitwise_right_shift", binary}};
  enum { COUNT = sizeof operators / sizeof *operators };
  bound *list = lua_newuserdatauv(L, COUNT * sizeof *list, 0); /* one block, as in call.c */
  luaL_ref(L, LUA_REGISTRYINDEX);
  cr__lua_metatable(L);
  for (size_t i = 0; i < COUNT; i++) {
    list[i] = (bound){cr__lua_find_op(L, operators[i].op), cr__lua_home_of(L)};
    lua_pushlightuserdata(L, &list[i]);
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, operators[i].f, 2);
    lua_setfield(L, -2, operators[i].event);
  }
  lua_pushcfunction(L, less);
  lua_setfield(L, -2, "__lt");
  lua_pushcfunction(L, less_or_equal);
  lua_setfield(L, -2, "__le");
  lua_pop(L, 1);
}
