/* rings.c: a host's thread gives up references to what Lua has hooks on, late or last. Prints the promises that
 * are broken and returns how many they are.
 *
 * Holds true: each script makes `kept`, a tensor with a hook that uses that tensor, and counts in `calls` how
 * often the hook was called. The thread knows nothing of Lua. */
#include "lua_host.h"

static const char leaf[] =
    "local w = cr.ones({2}, {requires_grad = true})\n"
    "local f = cr.ones({2})\n"
    "w:register_hook(function(g) calls = calls + 1 return g * f + w:detach() * 0 end)\n"
    "calls, kept = 0, w return true";
static const char result[] =
    "local x = cr.ones({2}, {requires_grad = true})\n"
    "local y, f = x * 2, cr.ones({2})\n"
    "y:register_hook(function(g) calls = calls + 1 return g * f + y:detach() * 0 end)\n"
    "calls, kept = 0, y return true";
static const char written[] =
    "local x = cr.ones({2}, {requires_grad = true})\n"
    "local y, f = x * 2, cr.ones({2})\n"
    "y:register_hook(function(g) calls = calls + 1 return g * f + y:detach() * 0 end)\n"
    "y:mul_(3)\n"
    "calls, kept = 0, y return true";
static const char drop[] = "kept = nil for _ = 1, 4 do collectgarbage() end return true";
static const char collect[] = "for _ = 1, 4 do collectgarbage() end return true";

static int64_t objects(void) {
  cr_memory m;
  cr_memory_stats(CR_CPU, &m);
  return m.objects;
}

/* ---- What the thread does ---- */

static void *release(void *t) {
  cr_release(t);
  return NULL;
}

/* Takes and gives up references while Lua's thread waits. */
static void *handle(void *t) {
  for (int i = 0; i < 100; i++) {
    cr_tensor *mine = cr_retain(t), *same = cr_detach(mine);
    cr_release(same);
    cr_release(mine);
  }
  return NULL;
}

static void on_thread(void *(*f)(void *), cr_tensor *t) {
  pthread_t thread;
  pthread_create(&thread, NULL, f, t);
  pthread_join(thread, NULL);
}

/* ---- What the host does ---- */

/* A reference to the script's tensor. */
static cr_tensor *take(lua_State *L, const char *make) {
  holds(L, make);
  lua_getglobal(L, "kept");
  cr_tensor *t = cr_retain(cr_lua_check(L, -1));
  lua_settop(L, 0);
  return t;
}

static void calls_hook(cr_tensor *t, lua_State *L) {
  cr_tensor *sum = cr_sum(t, NULL, 0, false, CR_DTYPE_NONE);
  cr_backward_options o = {.ninputs = -1};
  check(!cr_backward(&sum, 1, &o), "backward of what only the host holds", cr_error_message());
  cr_release(sum);
  holds(L, "return calls == 1");
}

/* The host's reference keeps the hook; once the thread has given it up, the script's own keep it. */
static void given_up_before_lua(const char *make) {
  lua_State *L = open_state();
  int64_t before = 0;
  for (int i = 0; i < 4; i++) {
    cr_tensor *t = take(L, make);
    on_thread(handle, t);
    holds(L, collect);
    on_thread(release, t);
    holds(L, collect);
    holds(L, "kept:sum():backward() return calls == 1");
    holds(L, drop);
    if (i == 1) before = objects();
  }
  check(objects() == before, "a ring is collected after a thread held a part of it", make);
  lua_close(L);
}

/* The userdata are gone when the thread gives the last reference up. */
static void given_up_last(const char *make) {
  lua_State *L = open_state();
  int64_t before = 0;
  for (int i = 0; i < 4; i++) {
    cr_tensor *t = take(L, make);
    holds(L, drop);
    on_thread(handle, t);
    holds(L, collect);
    calls_hook(t, L);
    on_thread(release, t);
    holds(L, collect);
    if (i == 1) before = objects();
  }
  check(objects() == before, "a ring that a thread let go last is collected", make);
  lua_close(L);
}

static void given_up_after_the_state(const char *make) {
  int64_t before = objects();
  lua_State *L = open_state();
  cr_tensor *t = take(L, make);
  holds(L, drop);
  lua_close(L);
  on_thread(handle, t);
  on_thread(release, t);
  check(objects() == before, "nothing is left of a ring that a thread held longer than its state",
        make);
}

int main(void) {
  const char *const scripts[] = {leaf, result, written};
  for (int i = 0; i < 3; i++) {
    given_up_before_lua(scripts[i]);
    given_up_last(scripts[i]);
    given_up_after_the_state(scripts[i]);
  }
  return broken;
}
