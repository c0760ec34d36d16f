/* scope.h: scopes of modes as Lua has them. */
#ifndef CR__LUA_SCOPE_H
#define CR__LUA_SCOPE_H

#include "state.h"

/* Pushes the guard of a scope of L's, which the caller then makes (g->scope, from cr_scope_new). op names
 * the function that is asked for it. */
cr__lua_guard *cr__lua_new_scope(lua_State *L, const char *op);
/* Returns the guard on top to Lua: it begins where a variable with <close> has it. */
int cr__lua_give_scope(lua_State *L);
/* Calls the function at index, behind which are its arguments, in the scope whose guard is on top; gives
 * the number of results on top. The function may yield. To be returned from a C function. */
int cr__lua_call_in_scope(lua_State *L, int index);
/* Sets modes of L for good, and pushes a guard that puts them back if a variable with <close> has it. */
int cr__lua_set_mode(lua_State *L, const char *op, const cr_mode *mode);

void cr__lua_open_scope(lua_State *L); /* the metatable of guards */

#endif
