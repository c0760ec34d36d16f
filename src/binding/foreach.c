/* foreach.c: the module's table foreach: operations on each tensor of a list, and updates of lists.
 *
 * Holds true: a name is looked up in the catalogue when it is first used. foreach.add_(list, ...) is
 * x:add_(...) for each x in list; an argument that may be a tensor or a number may be a table with one
 * for each. Where any such table holds false, nothing is done. */
#include <stdio.h>
#include <string.h>

#include "owner.h"
#include "parse.h"

/* ---- Operations on each tensor ------------------------------------------------------------------- */

/* All lists are as long as the first argument, which is one; returns that length. */
static int count_rows(lua_State *L, const cr__lua_overloads *o, const cr__lua_parse *p) {
  const cr_op *op = p->op;
  if (p->args[0].kind != CR_TENSORS)
    return cr__lua_error(L, "%s: %s must be a table of tensors; x:%s(...) is for a single one",
                         o->name, op->params[0].name, o->name + strlen("foreach."));
  for (int i = 1; i < op->nparam; i++)
    if (p->args[i].kind == CR_TENSORS && p->args[i].n != p->args[0].n)
      return cr__lua_error(L, "%s: %s has %d tensors and %s %d entries", o->name,
                           op->params[0].name, p->args[0].n, op->params[i].name, p->args[i].n);
  return p->args[0].n;
}

/* Keeps single tensors alive while the lists are read, and puts their pointers in the arguments. */
static void hold(lua_State *L, const cr__lua_overloads *o, cr__lua_parse *p) {
  for (int i = 0; i < p->op->nparam; i++) {
    if (p->args[i].kind != CR_TENSOR) continue;
    cr__lua_list *list = cr__lua_new_list(L, 1);
    cr__lua_tensor *u = lua_touserdata(L, p->args[i].n);
    if (!u->t) cr__lua_error(L, "%s: %s: this tensor was closed", o->name, p->op->params[i].name);
    list->t[list->n++] = cr_retain(u->t);
    p->args[i] = cr_of(u->t);
  }
}

/* The k-th call's arguments; a row without one of its tensors begins with none, and is skipped. */
static void fill_row(const cr__lua_parse *p, int k, cr_value *row) {
  bool whole = true;
  for (int i = 0; i < p->op->nparam; i++) {
    cr_value v = p->args[i];
    bool listed = v.kind == CR_TENSORS;
    row[i] = listed ? ((const cr_value *)(const void *)v.u.s)[k] : v;
    whole = whole && !(listed && row[i].kind == CR_NONE);
  }
  if (!whole) row[0] = cr_none();
}

static void write_each(lua_State *L, const cr_op *op, const char *as, int n, const cr_value *rows) {
  for (bool retried = false;; retried = true) {
    cr__lua_entry outer = cr__lua_enter(L);
    int code = cr_foreach_inplace(op, n, rows);
    cr__lua_leave(outer);
    if (!code) break;
    if (retried || !cr__lua_retry(L)) cr__lua_raise_as(L, op, as);
  }
  for (int k = 0; k < n; k++) {
    const cr_value *self = rows + (ptrdiff_t)k * op->nparam;
    if (self->kind == CR_TENSOR && cr_requires_grad(self->u.t)) cr__lua_written(L, self->u.t);
  }
}

static cr__lua_list *make_each(lua_State *L, const cr_op *op, const char *as, int n,
                               const cr_value *rows) {
  cr__lua_list *list = cr__lua_new_list(L, n);
  for (bool retried = false;; retried = true) {
    cr__lua_entry outer = cr__lua_enter(L);
    int code = cr_foreach(op, n, rows, list->t);
    cr__lua_leave(outer);
    if (!code) break;
    memset(list->t, 0, (size_t)n * sizeof *list->t);
    if (retried || !cr__lua_retry(L)) cr__lua_raise_as(L, op, as);
  }
  list->n = n;
  return list;
}

/* Pushes a table of the list's tensors, false where there is none. */
static void push_table(lua_State *L, cr__lua_list *list) {
  lua_createtable(L, list->n, 0);
  for (int i = 0; i < list->n; i++) {
    if (list->t[i]) {
      cr__lua_tensor *u = cr__lua_new(L);
      u->t = list->t[i];
      list->t[i] = NULL;
    } else {
      lua_pushboolean(L, false);
    }
    lua_rawseti(L, -2, i + 1);
  }
}

static int call_each(lua_State *L) {
  const cr__lua_overloads *o = lua_touserdata(L, lua_upvalueindex(1));
  cr__lua_parse p;
  int top = lua_gettop(L);
  p.each = true;
  cr__lua_choose(L, o, 0, top, &p);
  if (p.out) return cr__lua_error(L, "%s: has no out", o->name);
  int n = count_rows(L, o, &p);
  luaL_checkstack(L, p.op->nparam + 8, "no stack for a list");
  cr_value *rows = lua_newuserdatauv(L, (size_t)n * p.op->nparam * sizeof *rows, 0);
  hold(L, o, &p);
  for (int k = 0; k < n; k++) fill_row(&p, k, rows + (ptrdiff_t)k * p.op->nparam);
  if (o->inplace) {
    write_each(L, p.op, o->name, n, rows);
    lua_pushvalue(L, 1);
  } else {
    push_table(L, make_each(L, p.op, o->name, n, rows));
  }
  cr__lua_after(L);
  return 1;
}

/* ---- Updates of whole lists ------------------------------------------------------------------------- */

static int call_lists(lua_State *L) {
  const cr__lua_overloads *o = lua_touserdata(L, lua_upvalueindex(1));
  cr__lua_parse p;
  p.each = false;
  cr__lua_choose(L, o, 0, lua_gettop(L), &p);
  cr__lua_call_inplace(L, o->home, p.op, o->name, p.args);
  return 0;
}

/* ---- Names -------------------------------------------------------------------------------------------- */

static bool is_mapped(const cr_op *op) { /* the first argument is one tensor, and no other a list */
  if (!(op->flags & (CR_OP_METHOD | CR_OP_FUNCTION)) || (op->flags & CR_OP_TRUTH)) return false;
  if (op->nparam == 0) return false;
  if (op->params[0].type != CR_P_TENSOR && op->params[0].type != CR_P_OPERAND) return false;
  for (int i = 1; i < op->nparam; i++)
    if (op->params[i].type == CR_P_TENSORS) return false;
  return op->nout == 1;
}

/* Adds op to the table at `made` if it fits the name, as `called`, in one of its forms; full: "foreach."
 * before the name. */
static void match(lua_State *L, int made, const cr_op *op, const char *called, const char *name,
                  const char *full) {
  size_t n = strlen(called);
  bool ends = n && called[n - 1] == '_', only = op->flags & CR_OP_INPLACE_ONLY;
  if (!is_mapped(op) || strncmp(name, called, n) != 0) return;
  if (name[n] == '\0' && !only) cr__lua_add_overload(L, made, op, full, false);
  bool twin = strcmp(name + n, ends ? "" : "_") == 0;
  if (twin && (only || op->flags & CR_OP_INPLACE)) cr__lua_add_overload(L, made, op, full, true);
}

/* foreach[name] where there is none: an error, but for who looks for a _NAME. */
static int no_operation(lua_State *L, const char *name) {
  if (*name == '_') return 0;
  return cr__lua_error(L, "cresset.foreach has no operation %s%s", cr__lua_quote(L, 2, '\''),
                       cr__lua_advice(L, "foreach", 2));
}

/* foreach[name]: a closure, which the table keeps. */
static int find(lua_State *L) {
  char full[64];
  lua_settop(L, 2);
  if (lua_type(L, 2) != LUA_TSTRING) return 0;
  const char *name = lua_tostring(L, 2);
  if (lua_rawlen(L, 2) > 48) return no_operation(L, name);
  snprintf(full, sizeof full, "foreach.%s", name);
  lua_newtable(L);
  lua_CFunction call = call_each;
  for (int i = 0; i < cr_op_count(); i++) {
    const cr_op *op = cr_op_at(i);
    match(L, 3, op, op->lua, name, full);
    for (const char *const *alias = op->aliases; alias && *alias; alias++)
      match(L, 3, op, *alias, name, full);
    if (strcmp(op->lua, full) != 0) continue;
    cr__lua_add_overload(L, 3, op, full, true);
    call = call_lists;
  }
  if (lua_getfield(L, 3, full) == LUA_TNIL) return no_operation(L, name);
  lua_pushcclosure(L, call, 1);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, -2);
  lua_rawset(L, 1);
  return 1;
}

static void add_name(lua_State *L, const char *name, const char *ending) {
  lua_pushfstring(L, "%s%s", name, ending);
  lua_pushboolean(L, true);
  lua_rawset(L, -3);
}

/* Adds to the set on top the forms of op, as `called`, that match() finds. */
static void add_forms(lua_State *L, const cr_op *op, const char *called) {
  size_t n = strlen(called);
  bool ends = n && called[n - 1] == '_', only = op->flags & CR_OP_INPLACE_ONLY;
  if (!only || ends) add_name(L, called, "");
  if (!ends && (only || op->flags & CR_OP_INPLACE)) add_name(L, called, "_");
}

/* names(): the set of names that foreach has, for completion and for advice. */
static int names(lua_State *L) {
  static const char prefix[] = "foreach.";
  lua_newtable(L);
  for (int i = 0; i < cr_op_count(); i++) {
    const cr_op *op = cr_op_at(i);
    if (strncmp(op->lua, prefix, sizeof prefix - 1) == 0)
      add_name(L, op->lua + sizeof prefix - 1, "");
    if (!is_mapped(op)) continue;
    add_forms(L, op, op->lua);
    for (const char *const *alias = op->aliases; alias && *alias; alias++) add_forms(L, op, *alias);
  }
  return 1;
}

static int foreach_tostring(lua_State *L) {
  lua_pushliteral(L, "cresset.foreach: cr.foreach.NAME(list, ...) is the operation NAME on each "
                     "tensor of a "
                     "list; cr.help \"foreach\" tells more");
  return 1;
}

void cr__lua_open_foreach(lua_State *L) {
  static const luaL_Reg meta[] = {{"__index", find},
                                  {"__tostring", foreach_tostring},
                                  {"names", names},
                                  {NULL, NULL}};
  lua_newtable(L);
  luaL_newlib(L, meta);
  lua_setmetatable(L, -2);
  lua_setfield(L, -2, "foreach");
}
