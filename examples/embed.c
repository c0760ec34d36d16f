/* embed.c: a host program that hands its own memory to a script and survives the script's mistakes.
 *
 *   cc embed.c -o embed $(pkg-config --cflags --libs cresset-lua lua5.4)
 */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>

#include <cresset.h>

/* What the host measures: y is about 2x + 1. The script sees these arrays, not copies of them. */
static float xs[8] = {0, 1, 2, 3, 4, 5, 6, 7};
static float ys[8] = {1.1f, 2.9f, 5.2f, 6.9f, 9.1f, 10.8f, 13.1f, 15.0f};
static float weights[2]; /* slope and intercept, trained in place */

static const char script[] = "local cr = require 'cresset.core'\n"
                             "weights:requires_grad_()\n"
                             "function train_step()\n"
                             "  local loss = ((xs * weights[1] + weights[2] - ys) ^ 2):mean()\n"
                             "  loss:backward()\n"
                             "  cr.no_grad(function() weights:sub_(weights.grad * 0.03) end)\n"
                             "  weights.grad = nil\n"
                             "  return loss:detach()\n"
                             "end\n"
                             "function mistake() return xs + cr.zeros(3) end\n";

static void released(void *user) { printf("%s is the host's alone again\n", (const char *)user); }

/* Shares n floats with the script under a global name. */
static int share(lua_State *L, const char *name, float *data, int64_t n) {
  cr_tensor *t = cr_wrap(data, CR_FLOAT32, 1, &n, NULL, released, (void *)name);
  if (!t) {
    fprintf(stderr, "%s\n", cr_error_message());
    return -1;
  }
  cr_lua_push(L, t);
  cr_release(t); /* the script's reference is enough */
  lua_setglobal(L, name);
  return 0;
}

/* Calls a global function without arguments for nresults; prints the error if there is one. */
static int call(lua_State *L, const char *name, int nresults) {
  lua_getglobal(L, name);
  if (lua_pcall(L, 0, nresults, 0) == LUA_OK) return 0;
  printf("%s: %s\n", name, lua_tostring(L, -1));
  lua_pop(L, 1);
  return -1;
}

int main(void) {
  lua_State *L = luaL_newstate();
  if (!L) return 1;
  luaL_openlibs(L);
  luaL_requiref(L, "cresset.core", luaopen_cresset_core, 0);
  lua_pop(L, 1);
  if (share(L, "xs", xs, 8) || share(L, "ys", ys, 8) || share(L, "weights", weights, 2)) return 1;
  if (luaL_dostring(L, script)) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    return 1;
  }
  for (int step = 1; step <= 500; step++) {
    if (call(L, "train_step", 1)) return 1;
    cr_value loss;
    if (cr_item(cr_lua_check(L, -1), &loss)) return 1;
    if (step == 1 || step % 100 == 0) printf("step %3d: loss %.4f\n", step, loss.u.f);
    lua_pop(L, 1);
  }
  printf("y = %.2f x + %.2f\n", weights[0], weights[1]);
  if (call(L, "mistake", 1) == 0) return 1; /* the shapes do not fit, and the host goes on */
  call(L, "train_step", 0);
  lua_close(L);
  return 0;
}
