/* function.h: a Function, and the context of one call of it, as userdata. */
#ifndef CR__FUNCTION_H
#define CR__FUNCTION_H

#include "callback.h"

#define CR__LUA_FUNCTION "cresset.Function"
#define CR__LUA_CONTEXT "cresset.Context"
typedef struct cr__lua_function {
  bool once, has_backward;
  char name[64];
} cr__lua_function;
enum { FUNCTION_FORWARD = 1, FUNCTION_BACKWARD, FUNCTION_APPLY, FUNCTION_VALUES = FUNCTION_APPLY };

struct frame;
typedef struct cr__lua_context {
  void *c;             /* the cr_context; NULL before forward and once the graph has let go */
  struct frame *frame; /* during forward */
  int nargs, nvalues, ntensors;
  uint8_t place[CR_MAX_RESULTS]; /* of each tensor among forward's values, from 0 */
  bool is_tensor[];              /* per argument */
} cr__lua_context;
enum {
  CONTEXT_FUNCTION = 1,
  CONTEXT_FIELDS,
  CONTEXT_NEEDS,
  CONTEXT_DIRTY,
  CONTEXT_FIXED,
  CONTEXT_RESULTS, /* free fields that hold results of the call: their numbers, from 0 */
  CONTEXT_VALUES = CONTEXT_RESULTS
};

void cr__lua_open_context(lua_State *L); /* context.c: the metatable */
/* context.c: after forward: results in the free fields of the context at index lose their history. */
void cr__lua_context_unlink(lua_State *L, int index, cr_tensor *const *results, int n);

#endif
