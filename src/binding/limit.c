/* limit.c: the limits that a host sets for a Lua state, the deadline that a script sets itself, and the
 * debug hook that makes plain Lua keep both.
 *
 * Holds true: a coroutine has one of two hooks of ours while time is limited: `alone`, or `chained`, which
 * calls the host's own as it asked. New coroutines inherit either, as they inherit any hook. Time of the
 * host's that is over fails each instruction from then on. A deadline of the script's own fails once, and
 * the script may run for GRACE instructions more, in which it can lift the deadline; then each fails. Once
 * this has led back to the function that has set the deadline, that one may run for as many, and so may each
 * of its callers, once; and so may what the host calls after that. */
#include "state.h"

enum {
  /* Instructions between two looks at the clock. A prime: else a loop could call a hook of the script's own,
   * in which no hook runs, whenever they are over. */
  EVERY = 997,
  GRACE = 20000
};

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

static bool is_watched(const struct cr__lua_rest *r) { return r->watched || r->watched_own; }

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
  if (is_watched(h->rest) && !is_ours(lua_gethook(L))) install(L, h->rest);
}

const char *cr__lua_deadline_advice(const cr__lua_home *h) {
  if (!h->rest || !h->rest->watched_own) return "";
  bool hosts = cr_state_stopped(h->place.state) != 0;
  cr_error_clear();
  return hosts ? "" : "; cr.set_deadline(0) lifts it";
}

/* The position is that of the function that the hook has stopped: luaL_error would add its caller's. */
static int raise_here(lua_State *L, lua_Debug *at, const cr__lua_home *h) {
  const char *text = lua_pushstring(L, cr_error_message());
  cr_error_clear();
  const char *advice = cr__lua_deadline_advice(h);
  if (lua_getinfo(L, "Sl", at) && at->currentline > 0)
    lua_pushfstring(L, "%s:%d: %s%s", at->short_src, at->currentline, text, advice);
  else lua_pushfstring(L, "%s%s", text, advice);
  return lua_error(L);
}

/* Whether the deadline that the script has set (or an interrupt) is due, with the error set. */
static bool own_is_due(const cr__lua_home *h) {
  cr_place outer = cr_enter((cr_place){h->place.state, NULL});
  bool due = cr_interrupted() != 0;
  cr_enter(outer);
  return due;
}

void cr__lua_deadline_told(cr__lua_home *h) {
  struct cr__lua_rest *r = h->rest;
  if (!r || !r->watched_own || r->told) return;
  r->told = true;
  r->grace = GRACE;
}

/* How many calls are running. */
static int depth_of(lua_State *L) {
  lua_Debug at;
  int least = 0, most = 1;
  while (lua_getstack(L, most, &at)) {
    least = most;
    most *= 2;
  }
  while (most - least > 1) {
    int middle = least + (most - least) / 2;
    if (lua_getstack(L, middle, &at)) least = middle;
    else most = middle;
  }
  return least + 1;
}

/* registry: keeps the setter's coroutine, so that its address is not another's */
static const char setter_key;

static const void *function_of(lua_State *L, lua_Debug *at) {
  lua_getinfo(L, "f", at);
  const void *f = lua_topointer(L, -1);
  lua_pop(L, 1);
  return f;
}

static void set_setter(lua_State *L, struct cr__lua_rest *r, int depth, const void *function) {
  r->setter.L = L;
  r->setter.depth = depth;
  r->setter.function = function;
}

/* Whether L has calls that run, be it that it has resumed another coroutine. */
static bool is_active(lua_State *L) {
  lua_Debug at;
  return lua_status(L) == LUA_OK && lua_getstack(L, 0, &at);
}

/* Whether the calls that it was granted to are left: then it is granted to this one. What closes a variable
 * of such a call runs in its place. */
static bool is_granted(lua_State *L, struct cr__lua_rest *r) {
  lua_Debug at, deeper;
  if (!lua_getstack(L, 0, &at)) return false;
  const void *f = function_of(L, &at);
  if (L != r->setter.L) {
    if (is_active(r->setter.L)) return false;
    lua_pushthread(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &setter_key);
  } else if (lua_getstack(L, r->setter.depth, &deeper)) {
    if (lua_getstack(L, r->setter.depth + 1, &deeper) || f == r->setter.function) return false;
  }
  set_setter(L, r, depth_of(L) - 1, f);
  r->grace = GRACE;
  return true;
}

/* Whether an error of L's running function leaves Lua: only C functions have led to it. */
static bool is_outermost(lua_State *L, const struct cr__lua_rest *r) {
  lua_Debug at;
  if (L != r->main.L) return false;
  for (int level = 1; lua_getstack(L, level, &at); level++)
    if (!lua_getinfo(L, "S", &at) || *at.what != 'C') return false;
  return true;
}

/* Where every instruction fails, whoever catches the error does not get far. */
static void look(lua_State *L, lua_Debug *at, cr__lua_home *h, lua_Hook hook) {
  struct cr__lua_rest *r = h->rest;
  if (!is_watched(r)) {
    remove_hook(L, r);
    return;
  }
  int passed = lua_gethookcount(L);
  bool hard = r->watched && cr_state_stopped(h->place.state);
  bool due = hard || (r->watched_own && own_is_due(h));
  bool waits = due && !hard && r->told && (r->grace > 0 || is_granted(L, r));
  if (waits) r->grace -= passed;
  bool hurries = hard || (due && r->told && !waits);
  bool ends = hurries && !hard && is_outermost(L, r);
  if (ends) hurries = false;
  if (hurries != (passed == 1)) set(L, r, hook, hurries ? 1 : 0);
  if (!due || ends) r->told = false;
  if (waits) cr_error_clear();
  if (!due || waits) return;
  if (!ends) cr__lua_deadline_told(h);
  raise_here(L, at, h);
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

/* Who limits time, from now on: the count of instructions begins anew. */
static void watch(lua_State *L, cr__lua_home *h, bool host, bool own) {
  struct cr__lua_rest *r = h->rest;
  bool before = is_watched(r);
  r->watched = host;
  r->watched_own = own;
  r->told = false;
  h->attention += is_watched(r) - before;
  lua_State *const both[] = {r->main.L, L};
  for (int i = 0; i < 2; i++) {
    if (host || own) install(both[i], r);
    else if (before) remove_hook(both[i], r);
  }
}

int cr_lua_limit(lua_State *L, const cr_limits *limits) {
  cr__lua_home *h = cr__lua_home_of(L);
  if (!h->place.state)
    return cr_error_set(CR_E_ARGUMENT, "limit: the module is not open in this Lua state");
  int code = cr_state_limit(h->place.state, limits);
  if (!code) watch(L, h, limits->seconds > 0, h->rest->watched_own);
  return code;
}

/* set_deadline(seconds): every call, and plain Lua, fails from then on; 0 lifts it. */
static int set_deadline(lua_State *L) {
  double seconds = cr__lua_float_arg(L, 1, "set_deadline", "seconds");
  if (seconds != seconds) return cr__lua_error(L, "set_deadline: seconds must not be NaN");
  cr__lua_home *h = cr__lua_home_of(L);
  CR__LUA_DO(L, cr_set_deadline(seconds));
  if (!h->place.state) return 0;
  set_setter(L, h->rest, depth_of(L) - 1, NULL); /* without this C function */
  lua_pushthread(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &setter_key);
  watch(L, h, h->rest->watched, seconds != 0);
  return 0;
}

void cr__lua_open_limit(lua_State *L) {
  static const luaL_Reg functions[] = {{"set_deadline", set_deadline}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
