/* pace.c: when Lua's collector works for tensors, and how much at a time.
 *
 * Holds true: the collector's mode, its parameters and whether it is stopped are the host's, and stay as
 * they are; while it is stopped only memory that has run out makes it work. Which mode it has can only be
 * seen: a step that finds what has just become garbage was a young collection. These are short however much
 * lives, so they come often, and results lie in blocks that are still in the caches. What they miss grows
 * until a whole collection is due; in incremental mode that is spread over the last part of the growth. */
#include <time.h>

#include "state.h"

enum {
  STEP = 512 << 10,     /* bytes of tensors between two steps: what the second cache holds */
  HELD_MOST = 4 << 20,  /* the same, where results are held for so long that they would grow old */
  STEP_MOST = 64 << 20, /* the same, where steps turn out to be long */
  PATIENCE_LEAST =
      16, /* steps without a whole collection, after which they come closer to each other, at first, */
  PATIENCE_MOST = 2048, /* and where that was wrong again and again */
  SHORT_SHARE =
      4, /* a step is short up to this part of the time between two, long from all of it */
  FINALIZER_NS = 500,    /* of a step, for the finalizer of each tensor: no cost of steps */
  FEW = 4,               /* results of so many, which may grow old */
  SURE = 2,              /* steps in a row that say which mode it is */
  OLD_AGE = 4,           /* young collections that make an object old, and more */
  SPREAD = 8,            /* over this part of the growth a cycle of incremental mode is spread */
  OFTEN = 16,            /* whole collections that come closer than so many steps */
  FREE_DOUBTS = 2,       /* that may be due to the script */
  CALLS_PER_LOOK = 32,   /* in incremental mode, how often that is looked at, ... */
  LOOKS_AT_FIRST = 4,    /* ... but for the first calls */
  UNITS_PER_STEP = 50000 /* of Lua's own measure of work, in a step of its incremental mode */
};

/* In the registry: a weak table, see step(); a userdata that a cycle of incremental mode finalizes last; its
 * metatable. */
static const char fresh_key, last_key, last_meta_key;

CR__LUA_TLS unsigned cr__lua_finalized;

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* what else the machine does is no reason */
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t heap_bytes(lua_State *L) { return (int64_t)lua_gc(L, LUA_GCCOUNT) * 1024; }

/* ---- Garbage that tells when it is found ---------------------------------------------------------- */

static int put_fresh(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &fresh_key);
  lua_newtable(L);
  lua_rawseti(L, -2, 1);
  return 0;
}

static bool fresh_is_gone(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &fresh_key);
  bool gone = lua_rawgeti(L, -1, 1) == LUA_TNIL;
  lua_pop(L, 2);
  return gone;
}

static int last_gc(lua_State *L) {
  struct cr__lua_rest *rest = cr__lua_home_of(L)->rest;
  if (rest) rest->pace.passed = true;
  return 0;
}

static int put_last(lua_State *L) {
  lua_newuserdatauv(L, 0, 0);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &last_meta_key);
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &last_key);
  return 0;
}

static void forget_last(lua_State *L) {
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &last_key);
}

/* False where memory is out. */
static bool put(lua_State *L, lua_CFunction f) {
  lua_pushcfunction(L, f);
  bool done = lua_pcall(L, 0, 0, 0) == LUA_OK;
  if (!done) lua_pop(L, 1);
  return done;
}

/* ---- What is done ------------------------------------------------------------------------------------ */

/* A step. In generational mode it is a young collection, which finds what has been made just before. */
static void step(lua_State *L, struct cr__lua_pace *p) {
  bool fresh = put(L, put_fresh);
  bool ended = lua_gc(L, LUA_GCSTEP, 0) == 1;
  p->steps++;
  if (!fresh) return;
  bool was_sure = p->young == SURE;
  p->young = fresh_is_gone(L) && !ended ? p->young + (p->young < SURE) : 0;
  if (was_sure && !p->young) p->calls = 0; /* it may be so again at once, see is_looked_at() */
}

/* Steps that take long, apart from the garbage that they find, become rarer: where a large table that is
 * being filled has to be walked each time. */
static void adapt(struct cr__lua_pace *p, int64_t start, unsigned found) {
  int64_t end = now_ns();
  int64_t took = end - start - (int64_t)found * FINALIZER_NS, between = start - p->last;
  p->last = end;
  if (took > between && p->now < STEP_MOST) p->now *= 2;
  else if (took * SHORT_SHARE < between) p->now = p->held;
}

/* Results that are held while others are made, as by a model in training, must not grow old meanwhile: where a
 * whole collection has found what young ones have missed, and not only a few, these come half as often. */
static void stretch(struct cr__lua_pace *p, int64_t growth, int64_t left) {
  p->calm = 0;
  if (!p->age && p->held > STEP) p->held /= 2; /* not one came before it */
  if (!p->age || left >= growth / 2 || growth * FEW < p->age * p->held || p->held >= HELD_MOST)
    return;
  p->held *= 2;
  if (p->patience < PATIENCE_MOST) p->patience *= 2;
}
static void relax(struct cr__lua_pace *p) {
  if (++p->calm < p->patience) return;
  p->calm = 0;
  if (p->held > STEP) p->held /= 2;
  else p->patience = PATIENCE_LEAST;
}

/* Garbage that is no longer young is found by whole collections only, ours, Lua's own or the script's. One
 * has passed when the userdata for that is gone. */
static void begin_growth(lua_State *L, struct cr__lua_pace *p) {
  p->passed = false;
  p->age = 0;
  p->now = p->held;
  p->last = now_ns();
  put(L, put_last);
  cr_memory_collected(heap_bytes(L));
}

static void collect(lua_State *L, struct cr__lua_pace *p) {
  int64_t growth = cr_memory_growth(NULL);
  lua_gc(L, LUA_GCCOLLECT);
  stretch(p, growth, cr_memory_growth(NULL));
  p->collections++;
  p->in_cycle = false;
  begin_growth(L, p);
  /* Up to 5.4.4 a whole collection in generational mode forgets to say when the next young one is due. */
  if (p->young == SURE) step(L, p);
}

/* Steps that find what is old as well, again and again, are no young collections: in a small heap those of
 * incremental mode may be a whole cycle. Or the script has collected garbage itself, so it takes some doubts
 * until that is looked at less often. */
static void doubt(struct cr__lua_pace *p) {
  p->young = 0;
  p->calls = p->doubts < FREE_DOUBTS ? 0 : LOOKS_AT_FIRST + 1;
  if (p->doubts < FREE_DOUBTS + 2) p->doubts++;
}

/* Whether this call in incremental mode looks at what that is. Generational mode, too, has whole collections while
 * Lua's heap grows fast, as it does when modules are loaded: the second of them may be the last. */
static bool is_looked_at(struct cr__lua_pace *p) {
  unsigned distance = CALLS_PER_LOOK << (p->doubts > FREE_DOUBTS ? p->doubts - FREE_DOUBTS : 0);
  unsigned n = p->calls++;
  return p->young || n < LOOKS_AT_FIRST || n % distance == 0;
}

static void young_step(lua_State *L, struct cr__lua_pace *p, int64_t growth, int64_t due) {
  if (p->passed) {
    bool soon = p->age < OFTEN;
    begin_growth(L, p);
    if (soon) doubt(p);
    return;
  }
  if (growth >= due) {
    collect(L, p);
    return;
  }
  relax(p);
  unsigned before = cr__lua_finalized;
  int64_t start = now_ns();
  step(L, p);
  adapt(p, start, cr__lua_finalized - before);
  p->age++;
  if (p->age == OLD_AGE) forget_last(L);
  if (p->age == OFTEN) p->doubts = 0;
}

/* How many steps the present cycle takes, all in all: marking and sweeping what lives, and the finalizers
 * of what does not, each of which counts as 50 objects. */
static int64_t steps_of_cycle(lua_State *L, int64_t growth) {
  int64_t units = heap_bytes(L) / 32 + growth / 4;
  return units / UNITS_PER_STEP + 1;
}

/* What is garbage when a cycle begins is given back when a userdata that is older than all of it, and that
 * nothing has held since then, is finalized. Lua's own steps may bring that about as well. */
static void incremental_step(lua_State *L, struct cr__lua_pace *p, int64_t growth, int64_t due) {
  /* Now and then, and where the last step was one, it is seen whether steps are young collections. */
  if (is_looked_at(p)) step(L, p);
  if (p->passed && !p->in_cycle)
    begin_growth(L, p); /* what was begun when steps still were young ones */
  if (p->young || (!p->in_cycle && growth < due - due / SPREAD)) return;
  if (!p->in_cycle) {
    p->in_cycle = true;
    p->passed = false;
    forget_last(L);
  }
  int64_t n = 1 + steps_of_cycle(L, due) * STEP / (due / SPREAD + 1);
  while (n-- > 0 && !p->passed) step(L, p);
  if (!p->passed && growth >= 2 * due) collect(L, p);
  if (!p->passed) return;
  p->in_cycle = false;
  begin_growth(L, p);
}

/* In incremental mode, and while it is stopped, it is looked at as often as ever. */
static int64_t bytes_to_next(const struct cr__lua_pace *p) {
  return p->step ? p->step : p->young == SURE ? p->now : STEP;
}

void cr__lua_pressed(lua_State *L) {
  struct cr__lua_rest *rest = cr__lua_home_of(L)->rest;
  if (!rest) return; /* no place on the stack */
  struct cr__lua_pace *p = &rest->pace;
  int64_t due, growth = cr_memory_growth(&due);
  if (p->growth) due = p->growth;
  /* Stopped, or closing, or in a finalizer: then it is not for us to run it. */
  if (lua_gc(L, LUA_GCISRUNNING) == 1 && lua_checkstack(L, 4)) {
    if (p->young == SURE) young_step(L, p, growth, due);
    else incremental_step(L, p, growth, due);
  }
  cr_memory_stepped(bytes_to_next(p));
}

/* Two collections: the first may only queue finalizers of what the second then frees. */
void cr__lua_collect_all(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT);
  collect(L, &cr__lua_home_of(L)->rest->pace);
}

/* ---- memory.pace -------------------------------------------------------------------------------------- */

static int64_t bytes_option(lua_State *L, int index, const char *name, int64_t before) {
  if (lua_isnil(L, index)) return before;
  int64_t bytes = cr__lua_int_arg(L, index, "memory.pace", name);
  if (bytes < 0)
    cr__lua_error(L, "memory.pace: %s must be 0 or more bytes, got %lld", name, (long long)bytes);
  return bytes;
}

/* memory.pace{step =, growth =}: bytes; returns what holds, and counts, as a table. */
static int pace(lua_State *L) {
  static const char *const names[] = {"step", "growth", NULL};
  struct cr__lua_pace *p = &cr__lua_home_of(L)->rest->pace;
  int at = cr__lua_options(L, 1, "memory.pace", names);
  int64_t step_bytes = bytes_option(L, at, "step", p->step);
  int64_t growth = bytes_option(L, at + 1, "growth", p->growth);
  bool changed = step_bytes != p->step;
  p->step = step_bytes;
  p->growth = growth;
  if (changed) cr_memory_stepped(bytes_to_next(p));
  const struct {
    const char *name;
    int64_t value;
  } fields[] = {{"step", p->step ? p->step : p->now},
                {"growth", p->growth},
                {"steps", p->steps},
                {"collections", p->collections}};
  lua_createtable(L, 0, 5);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    lua_pushinteger(L, fields[i].value);
    lua_setfield(L, -2, fields[i].name);
  }
  lua_pushboolean(L, p->young == SURE);
  lua_setfield(L, -2, "young");
  return 1;
}

static void open_last(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, last_gc);
  lua_setfield(L, -2, "__gc");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &last_meta_key);
  put_last(L);
}

void cr__lua_open_pace(lua_State *L) {
  open_last(L);
  struct cr__lua_pace *p = &cr__lua_home_of(L)->rest->pace;
  p->now = p->held = STEP;
  p->patience = PATIENCE_LEAST;
  cr_memory_stepped(STEP);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &fresh_key);
  lua_pushcfunction(L, pace);
  lua_setfield(L, -2, "pace"); /* of the table memory, on top */
}
