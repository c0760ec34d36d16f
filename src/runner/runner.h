/* runner.h: the parts of the `cresset` program.
 *
 * Holds true: the runner is an ordinary host. It uses Lua, libedit and cresset.h, and whatever the
 * prompt does beyond reading a line and guarding a call is written in lua/cresset/repl.lua. */
#ifndef CR__RUNNER_H
#define CR__RUNNER_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

/* Lets require find the modules that belong to this program: those of the checkout that it was
 * built in, or those of the prefix that it was installed to (paths.c). */
void runner_set_paths(lua_State *L);

/* Calls the function below its nargs arguments, which both are popped: on success pushes all results
 * and returns LUA_OK, else pushes the message with its traceback behind the first line. Ctrl-C stops
 * what runs, Lua code as well as tensor operations (guard.c). */
int runner_call(lua_State *L, int nargs, int nresults);

/* Pushes the table of what repl.lua needs from the terminal (terminal.c). */
void runner_push_terminal(lua_State *L);

#endif
