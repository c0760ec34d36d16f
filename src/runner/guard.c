/* guard.c: calls that Ctrl-C can stop.
 *
 * Holds true: the signal handler only sets flags and a debug hook, both allowed at any moment. The
 * hook stops Lua code, cr_interrupt() stops operations of the engine, and both are lifted again
 * before runner_call returns. A third Ctrl-C without an answer ends the process, as it would have
 * without a handler. */
#include "runner.h"

#include <signal.h>

#include "cresset.h"

static lua_State *running;
static volatile sig_atomic_t unanswered;

static void stop(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "interrupted");
}

static void on_interrupt(int sig) {
  if (++unanswered == 3) signal(sig, SIG_DFL);
  cr_interrupt(true);
  lua_sethook(running, stop, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

/* Turns any error value into a string: its text, then the traceback from the next line on. */
static int explain(lua_State *L) {
  const char *message = lua_tostring(L, 1);
  if (!message && luaL_callmeta(L, 1, "__tostring")) message = lua_tostring(L, -1);
  if (!message) message = lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
  luaL_traceback(L, L, message, 1);
  return 1;
}

int runner_call(lua_State *L, int nargs, int nresults) {
  int base = lua_gettop(L) - nargs;
  lua_pushcfunction(L, explain);
  lua_insert(L, base);

  struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART}, before;
  lua_State *outer = running;
  running = L;
  unanswered = 0;
  sigaction(SIGINT, &action, &before);
  int status = lua_pcall(L, nargs, nresults, base);
  sigaction(SIGINT, &before, NULL);
  running = outer;
  if (unanswered) {
    lua_sethook(L, NULL, 0, 0);
    cr_interrupt(false);
  }
  lua_remove(L, base);
  return status;
}
