/* parse.h: the arguments of one call, read by an operation's descriptor. */
#ifndef CR__PARSE_H
#define CR__PARSE_H

#include "binding.h"

#define CR__LUA_MAX_PARAMS 24 /* no operation has more parameters; checked when the module opens */

typedef struct cr__lua_parse {
  const cr_op *op;
  cr_value args[CR__LUA_MAX_PARAMS]; /* tensors by stack index, see cr__lua_at */
  int out;                           /* stack index of out = t; 0 */
  int list;                          /* stack index of the one list of tensors that was made; 0 */
  bool requires_grad;
  int progress;  /* how many arguments fitted before the first that did not */
  int fits;      /* if `explains`: how many fitted at all */
  bool explains; /* given by the caller: to say in `problem` why it failed */
  /* Given by the caller: a table for a tensor or a number is a list of them, one per call, and becomes
   * an argument of kind CR_TENSORS whose .u.s is an array of n cr_values. */
  bool each;
  int nints;
  int64_t ints[64];  /* of short lists; longer ones lie on the stack */
  char problem[400]; /* what did not fit */
} cr__lua_parse;

/* Reads the arguments 1 .. top. On success the stack may hold more values, which the arguments
 * need; on failure p->progress and, if p->explains, p->problem say what was wrong. Raises only when
 * Lua's memory is out. */
bool cr__lua_parse_call(lua_State *L, const cr_op *op, bool inplace, int top, cr__lua_parse *p);

/* Whether the value is a table with a name among its keys and no list. */
bool cr__lua_is_options(lua_State *L, int index);
/* Whether the operation, in place or not, knows an option of that name. */
bool cr__lua_has_option(const cr_op *op, bool inplace, const char *name);

/* The operations that share a name in Lua, in the catalogue's order: a block that ends with the name's
 * text. Upvalue 1 of the closure is its address; the other upvalue of a plain one is the metatable of
 * tensors. */
typedef struct cr__lua_overloads {
  cr__lua_home *home; /* of the closure's Lua state */
  bool inplace;
  int n;
  const char *name;
  const cr_op *ops[];
} cr__lua_overloads;
/* Appends op to what the table at index `made` has under name, or makes it (call.c). */
void cr__lua_add_overload(lua_State *L, int made, const cr_op *op, const char *name, bool inplace);
/* Reads the arguments 1 .. top for the first operation, from number `first` on, that takes them, p->each being
 * given; raises if none does (overload.c). */
void cr__lua_choose(lua_State *L, const cr__lua_overloads *o, int first, int top, cr__lua_parse *p);

/* take.c. These return false where something is wrong, and say what only if the call is explained. */
bool cr__lua_problem(cr__lua_parse *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "PARAM must be WANTED, got ...": of the value at index. */
bool cr__lua_unfit(lua_State *L, cr__lua_parse *p, const char *param, const char *wanted,
                   int index);
/* Room for n integers that lives as long as the call. */
int64_t *cr__lua_room_for(lua_State *L, cr__lua_parse *p, lua_Unsigned n);
/* Reads the value at index as parameter i. */
bool cr__lua_take(lua_State *L, cr__lua_parse *p, int i, int index);

#endif
