/* limit.c: the limits that a host sets for a Lua state, and the debug hook that makes plain Lua keep the
 * one on time.
 *
 * Holds true: a coroutine has one of two hooks of ours while time is limited: `alone`, or `chained`, which
 * calls the host's own as it asked. New coroutines inherit either, as they inherit any hook. */
#include "state.h"

enum { EVERY = 1000 }; /* instructions between two looks at the clock */

static void alone(lua_State *L, lua_Debug *at);
static void chained(lua_State *L, lua_Debug *at);

static bool is_ours(lua_Hook hook) { return hook == alone || hook == chained; }

/* The host's count decides, if it has one: between two events of its own at most a few of ours fit. */
static int steps(const struct cr__lua_rest *r, lua_Hook hook) {
  if (hook == alone || !(r->host.mask & LUA_MASKCOUNT) || r->host.count < 1) return EVERY;
  int parts = (r->host.count + EVERY - 1) / EVERY;
  return (r->host.count + parts - 1) / parts;
}

/* count: 0 for the usual one. */
static void set(lua_State *L, const struct cr__lua_rest *r, lua_Hook hook, int count) {
  int mask = LUA_MASKCOUNT | (hook == chained ? r->host.mask : 0);
  lua_sethook(L, hook, mask, count ? count : steps(r, hook));
}

static void install(lua_State *L, struct cr__lua_rest *r) {
  lua_Hook present = lua_gethook(L);
  if (!is_ours(present)) {
    if (present) {
      r->host.hook = present;
      r->host.mask = lua_gethookmask(L);
      r->host.count = lua_gethookcount(L);
      r->host.passed = 0;
    }
    present = present ? chained : alone;
  }
  set(L, r, present, 0);
}

static void remove_hook(lua_State *L, const struct cr__lua_rest *r) {
  lua_Hook present = lua_gethook(L);
  if (present == chained) lua_sethook(L, r->host.hook, r->host.mask, r->host.count);
  else if (present == alone) lua_sethook(L, NULL, 0, 0);
}

void cr__lua_keep_watch(cr__lua_home *h, lua_State *L) {
  if (!is_ours(lua_gethook(L))) install(L, h->rest);
}

static int raise_here(lua_State *L, lua_Debug *at) {
  const char *text = lua_pushstring(L, cr_error_message());
  cr_error_clear();
  if (lua_getinfo(L, "Sl", at) && at->currentline > 0)
    return luaL_error(L, "%s:%d: %s", at->short_src, at->currentline, text);
  return luaL_error(L, "%s", text);
}

/* Once time is over, each instruction fails: whoever catches the error does not get far. */
static void look(lua_State *L, lua_Debug *at, cr__lua_home *h, lua_Hook hook) {
  struct cr__lua_rest *r = h->rest;
  if (!r->watched) {
    remove_hook(L, r);
    return;
  }
  bool hurries = lua_gethookcount(L) == 1;
  if (cr_state_stopped(h->place.state)) {
    if (!hurries) set(L, r, hook, 1);
    raise_here(L, at);
  } else if (hurries && steps(r, hook) != 1) {
    set(L, r, hook, 0);
  }
}

static void alone(lua_State *L, lua_Debug *at) {
  cr__lua_home *h = cr__lua_home_of(L);
  if (h->rest) look(L, at, h, alone);
}

static void chained(lua_State *L, lua_Debug *at) {
  cr__lua_home *h = cr__lua_home_of(L);
  struct cr__lua_rest *r = h->rest;
  if (!r) return;
  bool counts = at->event == LUA_HOOKCOUNT, due = !counts;
  if (counts && (r->host.mask & LUA_MASKCOUNT)) {
    r->host.passed += lua_gethookcount(L);
    due = r->host.passed >= r->host.count;
    if (due) r->host.passed -= r->host.count;
  }
  if (due) r->host.hook(L, at);
  if (counts && lua_gethook(L) == chained) look(L, at, h, chained);
}

int cr_lua_limit(lua_State *L, const cr_limits *limits) {
  cr__lua_home *h = cr__lua_home_of(L);
  if (!h->place.state)
    return cr_error_set(CR_E_ARGUMENT, "limit: the module is not open in this Lua state");
  int code = cr_state_limit(h->place.state, limits);
  if (code) return code;
  struct cr__lua_rest *r = h->rest;
  bool watch = limits->seconds > 0;
  h->attention += watch - r->watched;
  r->watched = watch;
  lua_State *const both[] = {r->main.L, L};
  for (int i = 0; i < 2; i++) {
    if (watch) install(both[i], r);
    else remove_hook(both[i], r);
  }
  return CR_E_OK;
}
