/* limits.c: limits that a host sets for a Lua state hold: a script cannot lift them, and plain Lua is stopped.
 * Prints the promises that are broken and returns how many they are. */
#include "lua_host.h"

/* Runs code, which must fail with a message that has the part in it. */
static void fails(lua_State *L, const char *code, const char *part) {
  int top = lua_gettop(L);
  int status = luaL_dostring(L, code);
  const char *message = status ? lua_tostring(L, -1) : "it did not fail";
  check(status != LUA_OK && message && strstr(message, part), code, message);
  lua_settop(L, top);
}

static void limit(lua_State *L, int64_t memory, double seconds, int threads) {
  const cr_limits l = {memory, seconds, threads};
  check(cr_lua_limit(L, &l) == 0, "limits are taken", cr_error_message());
}

/* ---- Memory ---- */

static const char hog[] = "local all = {} for i = 1, 1000 do all[i] = cr.zeros(1 << 18) end";

static void memory(void) {
  lua_State *L = open_state(), *other = open_state();
  limit(L, 16 << 20, 0, 0);
  fails(L, hog, "limit of 16777216");
  holds(L,
        "cr.memory.limit(0) cr.memory.limit(1 << 40) return cr.memory.stats().limit == 16 << 20");
  fails(L, hog, "limit of 16777216");
  holds(L, "cr.memory.limit(4 << 20) return cr.memory.stats().limit == 4 << 20");
  fails(L, hog, "limit of 4194304");
  holds(L, "cr.memory.limit(0) return cr.memory.stats().limit == 16 << 20");
  holds(other, "kept = cr.zeros(8 << 20) return cr.memory.stats().limit == 0"); /* 32 MiB */
  holds(L, "collectgarbage() return cr.zeros(3 << 20):numel() == 3 << 20");
  fails(L, "return cr.zeros(1 << 30)", "needs 4294967296 bytes");
  fails(L, "return cr.zeros(1 << 30)", "more than the whole limit of 16777216");
  lua_close(other);
  limit(L, 0, 0, 0);
  holds(L, "return cr.zeros(8 << 20):numel() == 8 << 20 and cr.memory.stats().limit == 0");
  lua_close(L);
}

/* Small things add up: tensors of one element, nodes of a long graph, and what other states free. */
static void small_things(void) {
  lua_State *L = open_state();
  limit(L, 4 << 20, 0, 0);
  fails(L, "local all = {} for i = 1, 1000000 do all[i] = cr.zeros(1) end", "limit of 4194304");
  holds(L, "collectgarbage() collectgarbage() return true");
  fails(L,
        "local x = cr.zeros({ 1 }, { requires_grad = true }) local y = x\n"
        "for i = 1, 1000000 do y = y * 1.5 end",
        "limit of 4194304");
  holds(L, "collectgarbage() collectgarbage() return cr.zeros(3 << 18):numel() > 0");
  lua_close(L);
}

static void passed_on(void) {
  lua_State *from = open_state(), *to = open_state();
  limit(from, 16 << 20, 0, 0);
  holds(from, "x = cr.zeros(3 << 20) return true");
  lua_getglobal(from, "x");
  cr_lua_push(to, cr_lua_check(from, -1));
  lua_setglobal(to, "x");
  lua_pop(from, 1);
  holds(from, "x = nil collectgarbage() return true");
  fails(from, "return cr.zeros(3 << 20)", "limit");
  holds(to, "local sum = x:sum():item() x = nil collectgarbage() return sum == 0");
  holds(from, "y = cr.zeros(3 << 20) return true");
  lua_getglobal(from, "y");
  cr_lua_push(to, cr_lua_check(from, -1));
  lua_setglobal(to, "y");
  lua_close(from); /* what it has made is still there */
  holds(to, "return y:sum():item() == 0");
  lua_close(to);
}

/* ---- Time ---- */

static void time_limit(void) {
  lua_State *L = open_state(), *other = open_state();
  static const char *const endless[] = {
      "while true do end",
      "local i = 0 repeat i = i + 1 until i < 0",
      "while true do pcall(function() while true do end end) end",
      "while true do pcall(error) end",
      "local function f() pcall(f) while true do pcall(f) end end f()",
      "while true do local co = coroutine.wrap(function() while true do end end) pcall(co) end",
      "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
      "coroutine.wrap(function() while true do pcall(function() while true do end end) end end)()",
      "while true do xpcall(function() while true do end end, debug.traceback) end",
      "cr.set_deadline(0) while true do end",
      "cr.set_deadline(1e9) local x = cr.ones(10) while true do x = x + 1 end",
      "while true do pcall(cr.ones, 10) end",
      "cr.no_grad(function() while true do pcall(cr.no_grad, function() while true do end end) end "
      "end)",
      "debug.sethook() local x = cr.ones(10) while true do pcall(function() x = x + 1 end) end",
      "for _ in string.gmatch(('x'):rep(1e6), 'x') do for i = 1, 1e9 do end end",
  };
  for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
    limit(L, 0, 0.02, 0);
    fails(L, endless[i], "deadline");
    fails(L, "return cr.ones(1)", "deadline"); /* and again */
    holds(other, "local n = 0 for i = 1, 100000 do n = n + i end return cr.ones(1):item() == 1");
  }
  limit(L, 0, 1000, 0);
  holds(L, "local n = 0 for i = 1, 100000 do n = n + i end return cr.ones(1):item() == 1");
  fails(L, "cr.set_deadline(1e-9) return cr.ones(1)", "deadline"); /* a narrower one of its own */
  holds(L, "cr.set_deadline(0) return cr.ones(1):item() == 1");
  limit(L, 0, 0, 0);
  check(lua_gethook(L) == NULL, "without a limit there is no hook", NULL);
  holds(L, "local n = 0 for i = 1, 100000 do n = n + i end return cr.ones(1):item() == 1");
  lua_close(L);
  lua_close(other);
}

/* A coroutine from before the limit has the hook once it has called an operation. */
static void older_coroutine(void) {
  lua_State *L = open_state();
  holds(L, "co = coroutine.create(function() coroutine.yield() cr.ones(1) while true do end end)\n"
           "return coroutine.resume(co)");
  limit(L, 0, 0.02, 0);
  fails(L, "return error(select(2, coroutine.resume(co)))", "deadline");
  lua_close(L);
}

/* ---- The host's own hook ---- */

static long counted, lines, calls;

static void own_hook(lua_State *L, lua_Debug *at) {
  (void)L;
  if (at->event == LUA_HOOKCOUNT) counted++;
  if (at->event == LUA_HOOKLINE) lines++;
  if (at->event == LUA_HOOKCALL) calls++;
}

static const char work[] = "local function f() return 1 end\n"
                           "local n = 0\n"
                           "for i = 1, 20000 do\n"
                           "  n = n + f()\n"
                           "end\n"
                           "return true";

/* What the host's hook sees of the same work with time limited and without. */
static void own_hook_at(int mask, int count, const char *code) {
  long seen[2][3];
  for (int limited = 0; limited < 2; limited++) {
    lua_State *L = open_state();
    lua_sethook(L, own_hook, mask, count);
    if (limited) limit(L, 0, 1000, 0);
    counted = lines = calls = 0;
    holds(L, code);
    seen[limited][0] = counted, seen[limited][1] = lines, seen[limited][2] = calls;
    if (limited) {
      limit(L, 0, 0, 0);
      check(lua_gethook(L) == own_hook && lua_gethookmask(L) == mask &&
                lua_gethookcount(L) == count,
            "the host has its hook back", NULL);
    }
    lua_sethook(L, NULL, 0, 0);
    lua_close(L);
  }
  char detail[200];
  snprintf(detail, sizeof detail, "count %d: %ld, %ld, %ld; limited %ld, %ld, %ld", count,
           seen[0][0], seen[0][1], seen[0][2], seen[1][0], seen[1][1], seen[1][2]);
  long off = seen[0][0] - seen[1][0];
  check(off <= 2 && off >= -2 && seen[0][1] == seen[1][1] && seen[0][2] == seen[1][2],
        "the host's hook is called as it asked", detail);
}

static void own_hooks(void) {
  static const char inside[] = "return coroutine.wrap(function()\n"
                               "local n = 0\n"
                               "for i = 1, 20000 do\n"
                               "  n = n + i\n"
                               "end\n"
                               "return true end)()";
  static const int counts[] = {1, 7, 100, 999, 1000, 1001, 2500, 30000};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    own_hook_at(LUA_MASKCOUNT, counts[i], work);
    own_hook_at(LUA_MASKCOUNT | LUA_MASKLINE, counts[i], inside);
  }
  own_hook_at(LUA_MASKLINE | LUA_MASKCALL, 0, work);
  own_hook_at(LUA_MASKCALL, 0, inside);
  lua_State *L = open_state();
  lua_sethook(L, own_hook, LUA_MASKLINE, 0);
  limit(L, 0, 0.02, 0);
  lines = 0;
  fails(L, "while true do\n local x = 1\n end", "deadline");
  check(lines > 10, "a host's hook runs until the end", NULL);
  limit(L, 0, 0.02, 0); /* one that the host sets later */
  lua_sethook(L, own_hook, LUA_MASKCALL, 0);
  fails(L, "cr.ones(1) while true do end", "deadline");
  lua_close(L);
}

/* ---- A deadline of the script's own ---- */

static void own_deadline(void) {
  lua_State *L = open_state(), *other = open_state();
  lua_sethook(L, own_hook, LUA_MASKCOUNT, 100);
  fails(L, "cr.set_deadline(0.02) while true do pcall(function() while true do end end) end",
        "deadline");
  holds(other, "local n = 0 for i = 1, 100000 do n = n + i end return cr.ones(1):item() == 1");
  holds(L, "cr.set_deadline(0) return cr.ones(1):item() == 1");
  check(lua_gethook(L) == own_hook && lua_gethookcount(L) == 100,
        "the host has its hook back once a script's deadline is lifted", NULL);
  lua_sethook(L, NULL, 0, 0);
  limit(L, 0, 1000, 0);
  fails(L, "cr.set_deadline(0.02) while true do end", "deadline");
  holds(L, "cr.set_deadline(0) local n = 0 for i = 1, 100000 do n = n + i end return n > 0");
  check(lua_gethook(L) != NULL, "what lifts a script's deadline leaves the host's hook", NULL);
  limit(L, 0, 0.02, 0);
  fails(L, "cr.set_deadline(1000) while true do pcall(function() while true do end end) end",
        "deadline");
  fails(L, "cr.set_deadline(0)", "deadline"); /* which the host's limit stops, too */
  lua_close(L);
  lua_close(other);
}

/* ---- Threads, and what is wrong ---- */

static void threads(void) {
  lua_State *L = open_state(), *other = open_state();
  holds(other, "cr.set_num_threads(8) return cr.get_num_threads() == 8");
  limit(L, 0, 0, 2);
  holds(L, "cr.set_num_threads(8) return cr.get_num_threads() == 2");
  holds(L, "cr.set_num_threads(1) return cr.get_num_threads() == 1");
  holds(other, "return cr.get_num_threads() == 8");
  lua_close(L);
  lua_close(other);
}

static void refused(void) {
  lua_State *L = open_state(), *bare = luaL_newstate();
  const cr_limits wrong[] = {{-1, 0, 0}, {0, -1, 0}, {0, 0, -1}};
  limit(L, 16 << 20, 0, 3);
  for (int i = 0; i < 3; i++)
    check(cr_lua_limit(L, &wrong[i]) == CR_E_ARGUMENT, "a negative limit is refused", NULL);
  holds(L, "return cr.memory.stats().limit == 16 << 20");
  check(cr_lua_limit(bare, &(cr_limits){1, 1, 1}) == CR_E_ARGUMENT,
        "a state without the module is refused", NULL);
  cr_error_clear();
  lua_close(L);
  lua_close(bare);
}

/* A limited state that hops between threads. */
static void *endless_there(void *L) {
  fails(L, "while true do pcall(function() while true do end end) end", "deadline");
  return NULL;
}

static void elsewhere(void) {
  lua_State *L = open_state();
  pthread_t thread;
  limit(L, 0, 0.02, 0);
  pthread_create(&thread, NULL, endless_there, L);
  pthread_join(thread, NULL);
  endless_there(L);
  lua_close(L);
}

int main(void) {
  memory();
  small_things();
  passed_on();
  time_limit();
  older_coroutine();
  own_hooks();
  own_deadline();
  threads();
  refused();
  elsewhere();
  return broken;
}
