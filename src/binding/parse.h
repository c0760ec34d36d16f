/* parse.h: the arguments of one call, read by an operation's descriptor. */
#ifndef CR__PARSE_H
#define CR__PARSE_H

#include "binding.h"

#define CR__LUA_MAX_PARAMS 24 /* no operation has more parameters; checked when the module opens */

typedef struct cr__lua_parse {
  const cr_op *op;
  cr_value args[CR__LUA_MAX_PARAMS]; /* tensors by stack index, see cr__lua_at */
  int out;                           /* stack index of out = t; 0 */
  bool requires_grad;
  int progress;  /* how many arguments fitted, when it failed */
  bool explains; /* given by the caller: to say in `problem` why it failed */
  int nints;
  int64_t ints[64];  /* of short lists; longer ones lie on the stack */
  char problem[400]; /* what did not fit */
} cr__lua_parse;

/* Reads the arguments 1 .. top. On success the stack may hold more values, which the arguments
 * need; on failure p->progress and, if p->explains, p->problem say what was wrong. Raises only when
 * Lua's memory is out. */
bool cr__lua_parse_call(lua_State *L, const cr_op *op, bool inplace, int top, cr__lua_parse *p);

#endif
