/* host.c: a host with Lua states of its own: several of them in threads, with allocators that fail, and
 * in forked processes. Prints the promises that are broken and returns how many they are. */
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lualib.h>

#include "cresset.h"

static int broken;

static void check(int kept, const char *promise, const char *detail) {
  if (kept) return;
  broken++;
  printf("broken: %s (%s)\n", promise, detail ? detail : "");
}

static int64_t live(void) {
  cr_memory m;
  return cr_memory_stats(CR_CPU, &m) ? -1 : m.objects;
}

/* ---- Lua's own allocations failing ---- */

typedef struct budget { /* the left-th allocation fails, and all after it */
  long left;
  long failed;
} budget;

static void *failing_alloc(void *user, void *p, size_t old, size_t size) {
  budget *b = user;
  if (size == 0) {
    free(p);
    return NULL;
  }
  if (b->left > 0 && (!p || size > old) && --b->left == 0) b->left = -1;
  if (b->left < 0 && (!p || size > old)) {
    b->failed++;
    return NULL;
  }
  return realloc(p, size);
}

static const char script[] =
    "local cr = require 'cresset.core'\n"
    "local x = cr.tensor({ { 1.5, 2, 3 }, { 4, 5, 6 } }, { dtype = 'float64', requires_grad = true "
    "})\n"
    "local F = cr.Function { name = 'F',\n"
    "  forward = function(ctx, t) ctx:save_for_backward(t) ctx.note = {} return t * t end,\n"
    "  backward = function(ctx, g) return ctx:saved_tensors() * 2 * g end }\n"
    "x:register_hook(function(g) return g * 1 end)\n"
    "local y = F(x) + x[{ {}, { 1, 2 } }]:sum() + cr.cat({ x, x }):max(1)\n"
    "local parts = table.pack(y:unbind())\n"
    "local z = y * 1\n"
    "z[{ 1, cr.tensor { 1, 3 } }] = 7\n"
    "cr.no_grad(function() return x:totable(), tostring(x) end);\n"
    "(z:sum() + parts[1]:sum()):backward()\n"
    "pcall(function() return x + cr.zeros(7) end)\n"
    "return x.grad:sum():item()\n";

static int open_core(lua_State *L) {
  luaL_openlibs(L);
  luaL_requiref(L, "cresset.core", luaopen_cresset_core, 0);
  return 0;
}

static int run_script(lua_State *L) {
  if (luaL_loadstring(L, script)) return lua_error(L);
  lua_call(L, 0, 1);
  return 1;
}

/* Opens a state in which the n-th allocation of one step fails: of opening the module, or of the script.
 * Returns how many allocations failed; a state that could not be made counts as one. */
static long fail_one(long n, int while_opening) {
  budget b = {while_opening ? n : 0, 0};
  lua_State *L = lua_newstate(failing_alloc, &b);
  if (!L) return 1;
  lua_pushcfunction(L, open_core);
  int status = lua_pcall(L, 0, 0, 0);
  if (status == LUA_OK && !while_opening) {
    b.left = n;
    lua_pushcfunction(L, run_script);
    status = lua_pcall(L, 0, 1, 0);
  }
  long failed = b.failed;
  b.left = 0;
  check(status == LUA_OK || failed, "the script has no mistake", lua_tostring(L, -1));
  lua_close(L);
  return failed;
}

/* Fails Lua's allocation 1, 2, 3 ... until none fails; while opening, a sample of them. */
static void lua_out_of_memory(int while_opening) {
  int64_t before = live();
  for (long n = 1; fail_one(n, while_opening) && !broken; n += while_opening ? 41 : 1) {
    char detail[64];
    snprintf(detail, sizeof detail, "allocation %ld, %lld objects", n,
             (long long)(live() - before));
    check(live() == before, "a Lua allocation that fails leaves nothing of the engine behind",
          detail);
  }
}

/* ---- Several states ---- */

static cr_tensor *shared;

static void *state_in_thread(void *user) {
  static const char code[] = "local cr = require 'cresset.core'\n"
                             "local sum = 0\n"
                             "for i = 1, 200 do\n"
                             "  local x = shared:clone():requires_grad_();\n"
                             "  (x * shared):sum():backward()\n"
                             "  sum = sum + x.grad[1]:item()\n"
                             "end\n"
                             "return sum\n";
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  luaL_requiref(L, "cresset.core", luaopen_cresset_core, 0);
  cr_lua_push(L, shared);
  lua_setglobal(L, "shared");
  *(double *)user = luaL_dostring(L, code) ? -1 : lua_tonumber(L, -1);
  if (*(double *)user < 0) printf("%s\n", lua_tostring(L, -1));
  lua_close(L);
  return NULL;
}

static void states_in_threads(void) {
  double values[3] = {2, 3, 4}, results[4] = {0};
  int64_t shape[1] = {3};
  pthread_t threads[4];
  shared = cr_from(values, CR_FLOAT64, 1, shape);
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, state_in_thread, &results[i]);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < 4; i++) check(results[i] == 400, "states in threads share a tensor", NULL);
  cr_release(shared);
}

/* A state may be moved: made on this thread, used and closed on another. */
static void *use_and_close(void *L) {
  check(!luaL_dostring(L, "x = x * 2 return x:sum():item()") && lua_tonumber(L, -1) == 12,
        "a state works on another thread", lua_tostring(L, -1));
  lua_close(L);
  return NULL;
}

static void moved_state(void) {
  int64_t before = live();
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  luaL_requiref(L, "cresset.core", luaopen_cresset_core, 1);
  lua_setglobal(L, "cr");
  check(!luaL_dostring(L, "x = cr.tensor { 1, 2, 3 }"), "a state opens", lua_tostring(L, -1));
  pthread_t thread;
  pthread_create(&thread, NULL, use_and_close, L);
  pthread_join(thread, NULL);
  check(live() == before, "its tensors are released where it is closed", NULL);
}

/* ---- Fork ---- */

/* Kernels that use threads of their own, told as one number. */
static const char large[] =
    "local cr = require 'cresset.core'\n"
    "cr.manual_seed(3)\n"
    "local x = cr.randn(600, 600)\n"
    "local y = (x + 1):matmul(x):softmax(2):cumsum(1) + x:t():exp()\n"
    "local z = cr.conv2d(cr.randn(4, 16, 40, 40), cr.randn(32, 16, 3, 3))\n"
    "return (y:sum(1) * x:var(2) + y:amax(2)):sum():item() + z:abs():sum():item()\n";

static double work(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  luaL_requiref(L, "cresset.core", luaopen_cresset_core, 0);
  double result = luaL_dostring(L, large) ? NAN : lua_tonumber(L, -1);
  if (isnan(result)) printf("%s\n", lua_tostring(L, -1));
  lua_close(L);
  return result;
}

static void *work_in_thread(void *result) {
  for (int i = 0; i < 3; i++) *(double *)result = work();
  return NULL;
}

/* As many states as threads, each with work for all cores; and a fork in the middle of it. */
static void large_work(bool forks) {
  double alone = work(), results[3] = {0};
  pthread_t threads[3];
  check(!isnan(alone), "work is done", NULL);
  fflush(stdout);
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, work_in_thread, &results[i]);
  int status = 0;
  if (forks) {
    pid_t child = fork();
    if (child == 0) {
      alarm(60); /* a lost thread pool would wait for ever */
      _exit(work() == alone ? 0 : 1);
    }
    waitpid(child, &status, 0);
  }
  check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child forked meanwhile does the same",
        NULL);
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < 3; i++)
    check(results[i] == alone, "states that work at once get the same as one alone", NULL);
}

static void fork_after_work(void) {
  double alone = work();
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    alarm(30); /* a lost thread pool would wait for ever */
    _exit(work() == alone ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "work goes on in a child", NULL);
}

int main(int argc, char **argv) {
  work(); /* tables that live as long as the process are made */
  moved_state();
  lua_out_of_memory(1);
  lua_out_of_memory(0);
  states_in_threads();
  bool forks = argc < 2 || strcmp(argv[1], "nofork") != 0;
#ifdef __SANITIZE_ADDRESS__ /* whose allocator another thread may hold locked at a fork */
  large_work(false);
#else
  large_work(forks);
#endif
  if (forks) fork_after_work();
  return broken;
}
