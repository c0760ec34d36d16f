/* parse.c: reads the arguments of a call by the operation's descriptor.
 *
 * Holds true: positional arguments come first, in the order of the signature; a last table with
 * names for keys holds the others. Nothing is guessed: a name that is no parameter, an argument too
 * many, a number in a string and a fraction for an integer are all refused. */
#include "parse.h"

#include <string.h>

/* ---- Positional arguments ---- */

static inline bool spells_ints(const cr_param *p) { return p->variadic && p->type != CR_P_TENSORS; }

/* Integers spelled out: f(2, 3). The first is a number. */
static inline bool take_rest(lua_State *L, cr__lua_parse *p, int i, int first, int last,
                             int *next) {
  int n = 1, exact;
  while (first + n <= last && lua_type(L, first + n) == LUA_TNUMBER) n++;
  int64_t *list = cr__lua_room_for(L, p, (lua_Unsigned)n);
  for (int k = 0; k < n; k++) {
    list[k] = lua_tointegerx(L, first + k, &exact);
    if (!exact)
      return cr__lua_unfit(L, p, p->op->params[i].name, "integers or a table of integers",
                           first + k);
  }
  p->args[i] = cr_ints(list, n);
  *next = first + n;
  return true;
}

/* Tensors spelled out: f(x, y). */
static bool take_rest_tensors(lua_State *L, cr__lua_parse *p, int i, int first, int last) {
  cr__lua_list *list = cr__lua_new_list(L, last - first + 1);
  p->list = lua_gettop(L);
  for (int index = first; index <= last; index++) {
    const cr__lua_tensor *u = cr__lua_test(L, index);
    if (!u)
      return cr__lua_unfit(L, p, p->op->params[i].name, "tensors or a table of tensors", index);
    if (!u->t) return cr__lua_problem(p, "operand %d was closed", index - first + 1);
    list->t[list->n++] = cr_retain(u->t);
  }
  p->args[i] = cr_list(list->t, list->n);
  return true;
}

/* What most arguments are: an open tensor where one may be. */
static inline bool take_open_tensor(lua_State *L, cr__lua_parse *p, int i, int index) {
  uint8_t type = p->op->params[i].type;
  if (type != CR_P_TENSOR && type != CR_P_OPERAND) return false;
  const cr__lua_tensor *u = cr__lua_test(L, index);
  if (!u || !u->t) return false;
  p->args[i] = cr__lua_of(u, index);
  return true;
}

static int option(lua_State *L, int table, const char *name);

/* The option that is called after a parameter, by its name or the second one; 0 if there is none. */
static int option_of(lua_State *L, int table, const cr_param *param) {
  int index = option(L, table, param->name);
  return index || !param->also ? index : option(L, table, param->also);
}

static bool names(const cr_param *param, const char *key) {
  return strcmp(key, param->name) == 0 || (param->also && strcmp(key, param->also) == 0);
}

/* Who explains a call reads on behind the argument that did not fit, to count all that do: from the
 * parameter i and the place a on, then the options at `table` (0: none). Only the first problem is told. */
static bool __attribute__((noinline, cold))
read_on(lua_State *L, cr__lua_parse *p, int i, int a, int last, int table) {
  int n = p->op->nparam;
  if (!p->explains) return false;
  p->explains = false;
  luaL_checkstack(L, 8 * n + 24, "no stack for arguments");
  for (; i < n; i++) {
    p->args[i] = cr_none();
    if (a > last) continue;
    if (lua_type(L, a) == LUA_TNUMBER && spells_ints(&p->op->params[i]))
      take_rest(L, p, i, a, last, &a);
    else cr__lua_take(L, p, i, a++);
  }
  for (i = 0; table && i < n; i++) {
    int index = p->args[i].kind == CR_NONE ? option_of(L, table, &p->op->params[i]) : 0;
    if (index) cr__lua_take(L, p, i, index);
  }
  p->explains = true;
  return false;
}

/* How many arguments from the first on are what most are: open tensors where one may be. */
static inline int take_open_tensors(lua_State *L, cr__lua_parse *p, int top) {
  int n = 0, most = top < p->op->nparam ? top : p->op->nparam;
  while (n < most && take_open_tensor(L, p, n, n + 1)) n++;
  return n;
}

/* The others, up to `last`. */
static bool take_positions(lua_State *L, cr__lua_parse *p, int taken, int last, int table) {
  int a = taken + 1;
  for (int i = taken; i < p->op->nparam; i++) {
    const cr_param *param = &p->op->params[i];
    p->args[i] = cr_none();
    p->progress = i;
    if (a > last) continue;
    if (take_open_tensor(L, p, i, a)) {
      a++;
      continue;
    }
    int type = lua_type(L, a);
    if (type == LUA_TNIL && param->optional) {
      a++;
    } else if (type == LUA_TNUMBER && spells_ints(param)) {
      if (!take_rest(L, p, i, a, last, &a)) return read_on(L, p, i + 1, last + 1, last, table);
    } else if (type == LUA_TUSERDATA && param->variadic) { /* the last parameter */
      if (!take_rest_tensors(L, p, i, a, last)) return read_on(L, p, i + 1, last + 1, last, table);
      a = last + 1;
    } else if (!cr__lua_take(L, p, i, a++)) {
      return read_on(L, p, i + 1, a, last, table);
    }
  }
  p->progress = p->op->nparam;
  if (a <= last)
    return cr__lua_problem(p, "too many arguments: got %d where %d will do", last, p->op->nparam);
  return true;
}

/* ---- Named arguments ---- */

bool cr__lua_is_options(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TTABLE || lua_rawlen(L, index) > 0) return false;
  lua_pushnil(L);
  if (!lua_next(L, index)) return false;
  bool named = lua_type(L, -2) == LUA_TSTRING;
  lua_pop(L, 2);
  return named;
}

/* Whether the table at the end is empty: no options, unless what may be in its place is a table, too. */
static bool holds_no_options(lua_State *L, const cr__lua_parse *p, int top) {
  if (lua_rawlen(L, top) > 0) return false;
  lua_pushnil(L);
  if (lua_next(L, top)) {
    lua_pop(L, 2);
    return false;
  }
  if (top > p->op->nparam) return true;
  const cr_param *param = &p->op->params[top - 1];
  switch (param->type) {
  case CR_P_TENSORS:
  case CR_P_DIMS:
  case CR_P_SHAPE:
  case CR_P_INTS:
  case CR_P_FLOATS: return false;
  case CR_P_TENSOR:
  case CR_P_OPERAND: return param->optional && !p->each;
  default: return !p->each;
  }
}

/* Pushes table[name] and returns its index; 0 if it is nil. */
static int option(lua_State *L, int table, const char *name) {
  lua_pushstring(L, name);
  if (lua_rawget(L, table) != LUA_TNIL) return lua_gettop(L);
  lua_pop(L, 1);
  return 0;
}

static bool has_requires_grad(const cr_op *op) {
  if (op->flags & CR_OP_CREATES) return true;
  if ((op->flags & CR_OP_DIFFERENTIABLE) || op->nout != 1) return false;
  for (int i = 0; i < op->nparam; i++)
    if (op->params[i].type == CR_P_DTYPE) return true;
  return false;
}

bool cr__lua_has_option(const cr_op *op, bool inplace, const char *name) {
  if (strcmp(name, "out") == 0) return !inplace && op->nout == 1;
  if (strcmp(name, "requires_grad") == 0 && has_requires_grad(op)) return true;
  for (int i = 0; i < op->nparam; i++)
    if (names(&op->params[i], name)) return true;
  return false;
}

/* Finds what is wrong with the options; `placed` has a bit per parameter that was given by place. A name
 * that is unknown here belongs to another operation of the same name in Lua (overload.c). */
static bool wrong_option(lua_State *L, cr__lua_parse *p, bool inplace, int table, uint32_t placed) {
  if (!p->explains) return false;
  lua_pushnil(L);
  while (lua_next(L, table)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING)
      return cr__lua_problem(p, "the options have %s as a key", cr__lua_describe(L, -1));
    const char *key = lua_tostring(L, -1);
    if (!cr__lua_has_option(p->op, inplace, key))
      return cr__lua_problem(p, "the option %s does not go with the other arguments",
                             cr__lua_quote(L, -1, '\''));
    for (int i = 0; i < p->op->nparam; i++)
      if (placed >> i & 1 && names(&p->op->params[i], key))
        return cr__lua_problem(p, "%s is given twice, by place and by name", key);
  }
  return cr__lua_problem(p, "the options are wrong");
}

static bool take_extra_options(lua_State *L, cr__lua_parse *p, bool inplace, int table, int *used) {
  int index;
  if (has_requires_grad(p->op) && (index = option(L, table, "requires_grad"))) {
    if (!lua_isboolean(L, index))
      return cr__lua_unfit(L, p, "requires_grad", "true or false", index);
    p->requires_grad = lua_toboolean(L, index);
    ++*used;
  }
  if (!inplace && p->op->nout == 1 && (index = option(L, table, "out"))) {
    if (!cr__lua_test(L, index)) return cr__lua_unfit(L, p, "out", "a tensor", index);
    p->out = index;
    ++*used;
  }
  return true;
}

static bool take_options(lua_State *L, cr__lua_parse *p, bool inplace, int table) {
  int used = 0, total = 0, index;
  uint32_t placed = 0;
  for (int i = 0; i < p->op->nparam; i++) {
    if (p->args[i].kind != CR_NONE) {
      placed |= UINT32_C(1) << i;
      continue;
    }
    if (!(index = option_of(L, table, &p->op->params[i]))) continue;
    if (!cr__lua_take(L, p, i, index)) return read_on(L, p, p->op->nparam, 1, 0, table);
    used++;
  }
  if (!take_extra_options(L, p, inplace, table, &used)) return false;
  lua_pushnil(L);
  while (lua_next(L, table)) {
    lua_pop(L, 1);
    total++;
  }
  return used == total || wrong_option(L, p, inplace, table, placed);
}

static inline bool fill_default(cr__lua_parse *p, int i) {
  const cr_param *param = &p->op->params[i];
  if (!param->optional) return cr__lua_problem(p, "the argument '%s' is missing", param->name);
  p->args[i] = param->otherwise;
  return true;
}

static bool fill_defaults(cr__lua_parse *p) {
  for (int i = 0; i < p->op->nparam; i++)
    if (p->args[i].kind == CR_NONE && !fill_default(p, i)) return false;
  return true;
}

/* The same where only the first arguments were given. */
static bool fill_rest(cr__lua_parse *p, int given) {
  p->progress = p->op->nparam;
  if (p->explains) p->fits = given;
  for (int i = given, n = p->op->nparam; i < n; i++)
    if (!fill_default(p, i)) return false;
  return true;
}

static int count_fits(const cr__lua_parse *p) {
  int n = 0;
  for (int i = 0; i < p->op->nparam; i++) n += p->args[i].kind != CR_NONE;
  return n;
}

bool cr__lua_parse_call(lua_State *L, const cr_op *op, bool inplace, int top, cr__lua_parse *p) {
  p->op = op;
  p->out = p->list = p->nints = p->progress = 0;
  p->requires_grad = false;
  int taken = take_open_tensors(L, p, top);
  if (taken == top) return fill_rest(p, taken);
  bool named =
      lua_type(L, top) == LUA_TTABLE && (cr__lua_is_options(L, top) || holds_no_options(L, p, top));
  /* Places push little: what every C function has room for. */
  if (named || op->nparam > 6) luaL_checkstack(L, 2 * op->nparam + 12, "no stack for arguments");
  bool fits = take_positions(L, p, taken, named ? top - 1 : top, named ? top : 0) &&
              (!named || take_options(L, p, inplace, top));
  if (p->explains) p->fits = count_fits(p);
  return fits && fill_defaults(p);
}
