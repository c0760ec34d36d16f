/* overload.c: which of the operations that share a name takes a call's arguments, and what is said where
 * none does.
 *
 * Holds true: the first operation that takes all arguments is called, in the catalogue's order. An error
 * tells of the operation that takes most of them; first of an option that none of them has. */
#include <stdio.h>
#include <string.h>

#include "parse.h"

/* ---- Options that none of the operations has ---- */

static bool is_option(const cr__lua_overloads *o, const char *name) {
  for (int i = 0; i < o->n; i++)
    if (cr__lua_has_option(o->ops[i], o->inplace, name)) return true;
  return false;
}

/* Adds the name to the string on top, unless a parameter of an operation before the i-th has it. */
static void add_name(lua_State *L, const cr__lua_overloads *o, int i, const char *name) {
  for (int k = 0; k < i; k++)
    if (cr__lua_has_option(o->ops[k], o->inplace, name)) return;
  lua_pushfstring(L, "%s%s%s", lua_tostring(L, -1), *lua_tostring(L, -1) ? ", " : "", name);
  lua_remove(L, -2);
}

/* Pushes "self, dim, out": what the operations have between them. */
static const char *push_names(lua_State *L, const cr__lua_overloads *o) {
  static const char *const extra[] = {"requires_grad", "out"};
  lua_pushliteral(L, "");
  for (int i = 0; i < o->n; i++)
    for (int k = 0; k < o->ops[i]->nparam; k++) add_name(L, o, i, o->ops[i]->params[k].name);
  for (int e = 0; e < 2; e++)
    for (int i = 0; i < o->n; i++)
      if (cr__lua_has_option(o->ops[i], o->inplace, extra[e])) add_name(L, o, i, extra[e]);
  return lua_tostring(L, -1);
}

/* Whether the options at `table` have a name that is unknown to all: the problem, then. */
static bool find_odd_option(lua_State *L, const cr__lua_overloads *o, int table, char *problem,
                            size_t size) {
  luaL_checkstack(L, 12, "no stack for options");
  lua_pushnil(L);
  while (lua_next(L, table)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING || is_option(o, lua_tostring(L, -1))) continue;
    const char *name = cr__lua_quote(L, -1, '\'');
    snprintf(problem, size, "there is no option %s; there are: %s", name, push_names(L, o));
    return true;
  }
  return false;
}

/* ---- What is said ---- */

/* The problem of the operation that the arguments fit best; the last of them if several do. */
static void find_problem(lua_State *L, const cr__lua_overloads *o, int top, bool each, char *best,
                         size_t size) {
  cr__lua_parse p = {.explains = true, .each = each};
  int most = -1, progress = -1;
  bool odd = top > 0 && cr__lua_is_options(L, top) && find_odd_option(L, o, top, best, size);
  lua_settop(L, top);
  for (int i = 0; i < o->n && !odd; i++) {
    cr__lua_parse_call(L, o->ops[i], o->inplace, top, &p);
    if (p.fits > most || (p.fits == most && p.progress >= progress)) {
      memcpy(best, p.problem, size);
      most = p.fits;
      progress = p.progress;
    }
    lua_settop(L, top);
  }
}

/* Whether what came first looks like an argument behind the tensor. A nil or a list was meant as the tensor. */
static bool lacks_self(lua_State *L, uint8_t type, int top) {
  if (top == 0) return true;
  if (type == CR_P_OPERAND && lua_type(L, 1) == LUA_TNUMBER) return top == 1;
  if (lua_type(L, 1) == LUA_TTABLE) return cr__lua_is_options(L, 1);
  return lua_type(L, 1) != LUA_TNIL;
}

/* Pushes what helps who has given tensors one by one that belong in one table, or has called a method
 * without its tensor; "" for others. */
static const char *push_hint(lua_State *L, const cr__lua_overloads *o, int top) {
  const cr_op *op = o->ops[0];
  uint8_t first = op->nparam ? op->params[0].type : CR_P_INT;
  bool method = (first == CR_P_TENSOR || first == CR_P_OPERAND) && op->flags & CR_OP_METHOD &&
                !strchr(o->name, '.'); /* foreach.NAME takes a list */
  if (first == CR_P_TENSORS && top >= 2 && cr__lua_test(L, 1) && cr__lua_test(L, 2))
    return lua_pushfstring(L, "; tensors go into one table: cr.%s({ a, b })", o->name);
  if (method && lacks_self(L, first, top))
    return cr__lua_push_colon(L, 1, o->name, op->flags & CR_OP_FUNCTION);
  return lua_pushliteral(L, "");
}

/* "sum: dim must be ...; usage: sum(...)", with all signatures where there are several. */
static int refuse(lua_State *L, const cr__lua_overloads *o, int top, bool each) {
  char problem[sizeof((cr__lua_parse *)0)->problem];
  find_problem(L, o, top, each, problem, sizeof problem);
  const char *hint = push_hint(L, o, top);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (int i = 0; i < o->n; i++) {
    const char *parameters = strchr(o->ops[i]->signature, '(');
    if (i) luaL_addstring(&b, " or ");
    luaL_addstring(&b, o->name);
    luaL_addstring(&b, parameters);
  }
  luaL_pushresult(&b);
  return cr__lua_error(L, "%s: %s%s; usage: %s", o->name, problem, hint, lua_tostring(L, -1));
}

void cr__lua_choose(lua_State *L, const cr__lua_overloads *o, int first, int top,
                    cr__lua_parse *p) {
  p->explains = false; /* what fits no operation is read once more, to be explained */
  for (int i = first; i < o->n; i++) {
    if (cr__lua_parse_call(L, o->ops[i], o->inplace, top, p)) return;
    lua_settop(L, top);
  }
  refuse(L, o, top, p->each);
}
