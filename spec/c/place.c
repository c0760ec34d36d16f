/* place.c: what belongs to a Lua state stays in it: modes, settings and the random generator, with threads
 * that hop between states. Prints the promises that are broken and returns how many they are. */
#include "lua_host.h"

/* ---- One thread, several states, and the host's own C code ---- */

static void is_as_at_first(const char *when) {
  check(cr_grad_enabled() && !cr_inference_enabled() && !cr_anomaly_enabled(NULL),
        "the host's own modes are as they were", when);
  check(cr_default_dtype() == CR_FLOAT32, "the host's own default dtype is as it was", when);
}

static const char change[] =
    "cr.set_grad_enabled(false) cr.set_detect_anomaly(true)\n"
    "cr.set_default_dtype('float64') cr.set_num_threads(3) cr.manual_seed(5)\n"
    "cr.set_deadline(1000) return true";
static const char changed[] =
    "return not cr.is_grad_enabled() and cr.is_anomaly_enabled()\n"
    "and cr.get_default_dtype() == 'float64' and cr.get_num_threads() == 3\n"
    "and cr.get_rng_state().seed == 5 and cr.zeros(1).dtype == 'float64'";
static const char unchanged[] =
    "return cr.is_grad_enabled() and not cr.is_anomaly_enabled()\n"
    "and cr.get_default_dtype() == 'float32'\n"
    "and cr.get_rng_state().seed ~= 5 and cr.zeros(1).dtype == 'float32'";

static void states_of_one_thread(void) {
  lua_State *a = open_state(), *b = open_state();
  cr_manual_seed(77);
  int threads = cr_num_threads();
  holds(a, change);
  holds(a, changed);
  holds(b, unchanged);
  is_as_at_first("while a state has others");
  holds(b, "cr.set_default_dtype 'bfloat16' return cr.get_default_dtype() == 'bfloat16'");
  holds(a, changed);
  lua_close(a);
  is_as_at_first("after the state was closed");
  check(cr_num_threads() == threads, "the number of threads is the state's", NULL);
  uint64_t seed, offset;
  cr_rng_get(&seed, &offset);
  check(seed == 77 && offset == 0, "a state draws nothing from the host's generator", NULL);
  lua_State *c = open_state(); /* at the address of a, maybe */
  holds(c, unchanged);
  lua_close(b);
  lua_close(c);
}

/* The host's own modes do not reach a script, and stay while it runs. */
static void host_modes(void) {
  lua_State *L = open_state();
  cr_set_grad_enabled(false);
  cr_set_default_dtype(CR_FLOAT64);
  holds(L, unchanged);
  check(!cr_grad_enabled() && cr_default_dtype() == CR_FLOAT64, "the host's modes are its own",
        NULL);
  cr_set_grad_enabled(true);
  cr_set_default_dtype(CR_FLOAT32);
  lua_close(L);
}

/* A coroutine that fails in a scope, and one that is left suspended in one, when the state is closed. */
static void left_in_scopes(void) {
  lua_State *L = open_state();
  holds(L, "kept = coroutine.create(function() local _ <close> = cr.no_grad() cr.zeros(1) error "
           "'x' end)\n"
           "coroutine.resume(kept)\n"
           "other = coroutine.create(function() cr.inference_mode(coroutine.yield) end)\n"
           "coroutine.resume(other)\n"
           "guard = cr.no_grad() waiting = cr.detect_anomaly()\n"
           "return true");
  is_as_at_first("while coroutines wait in scopes");
  lua_close(L);
  is_as_at_first("after they were closed with their state");
}

/* A finalizer that computes at the end of the state, when the module's own have run. Lua finalizes nothing
 * that is made by then, so it closes its tensors itself. */
static void late_finalizer(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  holds(L, "early = setmetatable({}, { __gc = function() local x <close> = cr.ones(300)\n"
           "pcall(function() local _ <close> = cr.no_grad() local y <close> = x * 2 end)\n"
           "local sum <close> = x:sum() sum:item() end })\n"
           "return true");
  luaL_requiref(L, "cresset.core", luaopen_cresset_core, 0);
  lua_setglobal(L, "cr");
  lua_close(L);
  is_as_at_first("after a finalizer has computed");
}

/* ---- A host that resumes coroutines itself ---- */

static lua_State *coroutine_of(lua_State *L, const char *body) {
  lua_State *co = lua_newthread(L);
  if (luaL_loadstring(co, body)) check(0, "the body has no mistake", lua_tostring(co, -1));
  return co;
}

static int resume(lua_State *co, lua_State *from) {
  int n;
  int status = lua_resume(co, from, 0, &n);
  check(status <= LUA_YIELD, "the coroutine does not fail",
        status > LUA_YIELD ? lua_tostring(co, -1) : "");
  int on = lua_toboolean(co, -1);
  lua_pop(co, n);
  return on;
}

static void resumed_by_host(void) {
  lua_State *L = open_state();
  lua_State *off = coroutine_of(L, "local _ <close> = cr.no_grad()\n"
                                   "while true do coroutine.yield(cr.is_grad_enabled()) end");
  lua_State *plain = coroutine_of(L, "while true do coroutine.yield(cr.is_grad_enabled()) end");
  for (int i = 0; i < 3; i++) {
    check(!resume(off, NULL), "a coroutine that the host resumes is in its scope", NULL);
    check(resume(plain, NULL), "another one is not", NULL);
    check(resume(plain, L), "nor with the main thread as who resumes it", NULL);
    is_as_at_first("between them");
  }
  lua_resetthread(off);
  holds(L, "return cr.is_grad_enabled()");
  lua_close(L);
}

/* ---- C functions that a script calls ---- */

static int compute(lua_State *L) {
  cr_lua_visit before = cr_lua_enter(L);
  bool on = cr_grad_enabled();
  cr_dtype dtype = cr_default_dtype();
  cr_lua_leave(before);
  lua_pushboolean(L, on);
  lua_pushstring(L, cr_dtype_name(dtype));
  return 2;
}

static void functions_of_host(void) {
  lua_State *L = open_state();
  lua_register(L, "compute", compute);
  holds(L, "cr.set_default_dtype 'float64'\n"
           "local on, dtype = cr.no_grad(compute)\n"
           "return not on and dtype == 'float64' and (compute())");
  is_as_at_first("after a function of the host's has entered");
  lua_close(L);
}

/* A host's C code that keeps a guard in a slot to be closed, with a function around it and without. */
static int with_slot(lua_State *L) {
  lua_getglobal(L, "cr");
  lua_getfield(L, -1, "no_grad");
  lua_call(L, 0, 1);
  lua_toclose(L, -1);
  lua_getfield(L, -2, "is_grad_enabled");
  lua_call(L, 0, 1);
  return 1;
}

static void slots_of_host(void) {
  lua_State *L = open_state();
  lua_register(L, "with_slot", with_slot);
  holds(L, "return with_slot() == false and cr.is_grad_enabled()");
  lua_settop(L, 0);
  with_slot(L);
  check(!lua_toboolean(L, -1), "a guard in a slot of the host's is in force", NULL);
  lua_settop(L, 0);
  holds(L, "return cr.is_grad_enabled()");
  lua_close(L);
}

/* ---- Threads that hop ---- */

typedef struct step {
  lua_State *L, *co;
  int grad;
  double drawn;
} step;

static void *take_step(void *step_) {
  step *s = step_;
  s->grad = s->co ? resume(s->co, s->L) : -1;
  if (luaL_dostring(s->L, "return cr.rand(1):item()")) check(0, "draws", lua_tostring(s->L, -1));
  s->drawn = lua_tonumber(s->L, -1);
  lua_pop(s->L, 1);
  check(cr_grad_enabled(), "the thread's own mode is as it was", NULL);
  return NULL;
}

static void on_new_thread(step *s) {
  pthread_t thread;
  pthread_create(&thread, NULL, take_step, s);
  pthread_join(thread, NULL);
}

/* A state that two threads use in turns draws what one that stays draws, and its coroutines keep their
 * modes. */
static void hopping(void) {
  lua_State *a = open_state(), *b = open_state();
  static const char body[] = "local _ <close> = cr.no_grad()\n"
                             "while true do coroutine.yield(cr.is_grad_enabled()) end";
  holds(a, "cr.manual_seed(9) return true");
  holds(b, "cr.manual_seed(9) return true");
  step hops = {a, coroutine_of(a, body), 0, 0}, stays = {b, coroutine_of(b, body), 0, 0};
  for (int i = 0; i < 8; i++) {
    if (i % 2) on_new_thread(&hops);
    else take_step(&hops);
    take_step(&stays);
    check(hops.drawn == stays.drawn, "a state that hops between threads keeps its generator", NULL);
    check(!hops.grad && !stays.grad, "a coroutine that hops keeps its mode", NULL);
  }
  holds(a, "return cr.is_grad_enabled()");
  pthread_t thread;
  step last = {a, NULL, 0, 0};
  pthread_create(&thread, NULL, take_step, &last);
  pthread_join(thread, NULL);
  lua_close(a);
  lua_close(b);
}

/* Two threads with a state each, at the same time. */
static void *busy(void *seed) {
  lua_State *L = open_state();
  lua_pushinteger(L, *(int *)seed);
  lua_setglobal(L, "seed");
  holds(L, "for i = 1, 300 do\n"
           "  cr.manual_seed(seed) local a = cr.rand(3):totable()\n"
           "  cr.set_grad_enabled(i % 2 == seed % 2)\n"
           "  cr.set_default_dtype(seed % 2 == 0 and 'float64' or 'float32')\n"
           "  cr.manual_seed(seed) local b = cr.rand(3)\n"
           "  for k = 1, 3 do if seed % 2 == 1 and a[k] ~= b[k]:item() then return false end end\n"
           "  if cr.is_grad_enabled() ~= (i % 2 == seed % 2) then return false end\n"
           "  if b.dtype ~= (seed % 2 == 0 and 'float64' or 'float32') then return false end\n"
           "end return true");
  lua_close(L);
  return NULL;
}

static void side_by_side(void) {
  int seeds[4] = {1, 2, 3, 4};
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, busy, &seeds[i]);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
}

/* ---- Without Lua ---- */

static char *nowhere(void *user) {
  (void)user;
  return NULL;
}

static void scopes_in_c(void) {
  cr_state *s = cr_state_new();
  cr_modes *m = cr_modes_new();
  cr_place before = cr_enter((cr_place){s, m});
  const cr_mode off = {.sets = CR_SETS_GRAD, .grad = false};
  const cr_mode anomaly = {.sets = CR_SETS_ANOMALY,
                           .anomaly = true,
                           .check_nan = true,
                           .trace = nowhere};
  cr_scope *outer = cr_scope_new(&off, NULL), *inner = cr_scope_new(&anomaly, NULL);
  cr_scope_open(outer, NULL);
  cr_scope_open(inner, m);
  check(!cr_grad_enabled() && cr_anomaly_enabled(NULL), "scopes add up", NULL);
  cr_set_grad_enabled(true); /* in the inner one */
  check(cr_grad_enabled(), "what is set holds in the innermost scope", NULL);
  cr_scope_free(outer); /* not the innermost one */
  check(cr_grad_enabled() && cr_anomaly_enabled(NULL), "scopes end in any order", NULL);
  cr_scope_free(inner);
  check(cr_grad_enabled() && !cr_anomaly_enabled(NULL), "and leave nothing", NULL);
  cr_set_default_dtype(CR_FLOAT64);
  cr_manual_seed(4);
  cr_enter(before);
  is_as_at_first("outside of a place that was entered");
  cr_enter((cr_place){s, NULL});
  uint64_t seed, offset;
  cr_rng_get(&seed, &offset);
  check(seed == 4 && cr_default_dtype() == CR_FLOAT64, "a state keeps its settings", NULL);
  cr_modes_free(m);
  cr_state_free(s); /* while it is entered */
  is_as_at_first("after the place was freed");
}

int main(void) {
  states_of_one_thread();
  host_modes();
  left_in_scopes();
  late_finalizer();
  resumed_by_host();
  functions_of_host();
  slots_of_host();
  hopping();
  side_by_side();
  scopes_in_c();
  return broken;
}
