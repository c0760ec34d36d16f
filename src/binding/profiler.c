/* profiler.c: what the profiler of lua/cresset/profiler.lua has in C, in the table `_profiler` of the module: it keeps
 * when each call of an operation began and ended, how deep it lies in others, the bytes that it left in use, and the
 * shapes of its tensors.
 *
 * Holds true: one recording is on in a thread at a time, and belongs to a userdata, whose end ends it. Nothing of Lua is
 * called while an operation runs. Where memory is out, events are counted as lost and nothing fails. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "binding.h"

#define RECORDING "cresset.Recording"
enum { DEEPEST = 64, SHAPES_MOST = 240 };

typedef struct event {
  const char *name;    /* of an operation; NULL for a range, whose name is its text */
  int64_t begin, end;  /* nanoseconds; end is 0 while it runs */
  int64_t bytes;       /* in use at its end less those at its beginning */
  uint32_t text, size; /* its shapes */
  int16_t depth;
  bool failed;
} event;

typedef struct recording {
  bool on, shapes;
  event *events;
  size_t n, room;
  char *texts;
  size_t used, text_room;
  int64_t lost;
  int depth;
  size_t open[DEEPEST]; /* the events that run, each one's place + 1; 0: lost */
} recording;

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t bytes_in_use(void) {
  cr_memory m;
  return cr_memory_stats(CR_CPU, &m) ? 0 : m.allocated;
}

/* Room for one more item; false where memory is out. */
static bool grow(void **items, size_t *room, size_t needed, size_t size) {
  if (needed <= *room) return true;
  size_t more = *room ? *room * 2 : 1024;
  while (more < needed) more *= 2;
  void *grown = realloc(*items, more * size);
  if (!grown) return false;
  *items = grown;
  *room = more;
  return true;
}

/* ---- Shapes ---------------------------------------------------------------------------------------------- */

static size_t put_shape(char *to, size_t room, const cr_tensor *t) {
  size_t n = 0;
  for (int d = 0; d < cr_ndim(t) && n < room; d++)
    n += (size_t)snprintf(to + n, room - n, "%s%lld", d ? "x" : "", (long long)cr_shape(t)[d]);
  if (cr_ndim(t) == 0) n = (size_t)snprintf(to, room, "()");
  return n < room ? n : room;
}

static size_t put_value(char *to, size_t room, const cr_value *v) {
  if (v->kind == CR_TENSOR) return put_shape(to, room, v->u.t);
  if (v->kind == CR_TENSORS) return (size_t)snprintf(to, room, "%d tensors", v->n);
  return 0;
}

/* "64x784, 10x784" into buffer; how long that is. */
static size_t shapes_of(const cr_op *op, const cr_value *args, char *buffer) {
  size_t n = 0;
  for (int i = 0; i < op->nparam && n + 40 < SHAPES_MOST; i++) {
    char one[SHAPES_MOST];
    size_t length = put_value(one, sizeof one, &args[i]);
    if (length == 0 || n + length + 2 > SHAPES_MOST) continue;
    if (n) n += (size_t)snprintf(buffer + n, 3, ", ");
    memcpy(buffer + n, one, length);
    n += length;
  }
  return n;
}

/* ---- Recording --------------------------------------------------------------------------------------------- */

static void open_event(recording *r, const char *name, const char *text, size_t size) {
  size_t place = 0;
  if (r->depth < DEEPEST && grow((void **)&r->events, &r->room, r->n + 1, sizeof *r->events) &&
      grow((void **)&r->texts, &r->text_room, r->used + size, 1)) {
    event *e = &r->events[r->n];
    *e = (event){.name = name,
                 .depth = (int16_t)r->depth,
                 .text = (uint32_t)r->used,
                 .size = (uint32_t)size};
    if (size) memcpy(r->texts + r->used, text, size);
    r->used += size;
    e->bytes = bytes_in_use();
    place = ++r->n;
    e->begin = now_ns();
  } else {
    r->lost++;
  }
  if (r->depth < DEEPEST) r->open[r->depth] = place;
  r->depth++;
}

static void close_event(recording *r, bool failed) {
  int64_t end = now_ns();
  if (r->depth == 0) return; /* begun before the recording */
  r->depth--;
  if (r->depth >= DEEPEST || r->open[r->depth] == 0) return;
  event *e = &r->events[r->open[r->depth] - 1];
  e->end = end;
  e->bytes = bytes_in_use() - e->bytes;
  e->failed = failed;
}

static void begin(void *user, const cr_op *op, const cr_value *args) {
  recording *r = user;
  char text[SHAPES_MOST];
  open_event(r, op->lua, text, r->shapes ? shapes_of(op, args, text) : 0);
}

static void end(void *user, int code) { close_event(user, code != 0); }

static recording *recording_arg(lua_State *L) {
  recording *r = luaL_checkudata(L, 1, RECORDING);
  return r;
}

static CR__LUA_TLS recording *running;

static void stop(recording *r) {
  if (!r->on) return;
  if (running == r) {
    cr_set_profiler(NULL);
    running = NULL;
  }
  r->on = false;
}

static int recording_gc(lua_State *L) {
  recording *r = recording_arg(L);
  stop(r);
  free(r->events);
  free(r->texts);
  r->events = NULL;
  r->texts = NULL;
  r->n = r->room = r->used = r->text_room = 0;
  return 0;
}

/* start(shapes): a recording of what the calling thread does. */
static int start(lua_State *L) {
  bool shapes = lua_toboolean(L, 1);
  if (running) return cr__lua_error(L, "profiler: another recording is on");
  recording *r = lua_newuserdatauv(L, sizeof *r, 0);
  memset(r, 0, sizeof *r);
  r->shapes = shapes;
  luaL_setmetatable(L, RECORDING);
  const cr_profiler p = {begin, end, r};
  if (cr_set_profiler(&p)) return cr__lua_raise(L, NULL);
  r->on = true;
  running = r;
  return 1;
}

static int recording_stop(lua_State *L) {
  recording *r = recording_arg(L);
  stop(r);
  while (r->depth > 0) close_event(r, false);
  return 0;
}

/* open(name), close(): a range of the program's own. */
static int recording_open(lua_State *L) {
  recording *r = recording_arg(L);
  size_t size;
  const char *name = luaL_checklstring(L, 2, &size);
  if (r->on) open_event(r, NULL, name, size < SHAPES_MOST ? size : SHAPES_MOST);
  return 0;
}
static int recording_close(lua_State *L) {
  recording *r = recording_arg(L);
  if (r->on) close_event(r, false);
  return 0;
}

/* events(): a list of { name, begin, duration, depth, bytes, shapes, range, failed }, times in seconds from the first;
 * and how many were lost. */
static int recording_events(lua_State *L) {
  recording *r = recording_arg(L);
  lua_createtable(L, (int)r->n, 0);
  for (size_t i = 0; i < r->n; i++) {
    const event *e = &r->events[i];
    int64_t last = e->end ? e->end : now_ns();
    lua_createtable(L, 8, 0);
    if (e->name) lua_pushstring(L, e->name);
    else lua_pushlstring(L, r->texts + e->text, e->size);
    lua_rawseti(L, -2, 1);
    lua_pushnumber(L, 1e-9 * (double)(e->begin - r->events[0].begin));
    lua_rawseti(L, -2, 2);
    lua_pushnumber(L, 1e-9 * (double)(last - e->begin));
    lua_rawseti(L, -2, 3);
    lua_pushinteger(L, e->depth);
    lua_rawseti(L, -2, 4);
    lua_pushinteger(L, e->end ? e->bytes : 0);
    lua_rawseti(L, -2, 5);
    lua_pushlstring(L, e->name && r->texts ? r->texts + e->text : "", e->name ? e->size : 0);
    lua_rawseti(L, -2, 6);
    lua_pushboolean(L, e->name == NULL);
    lua_rawseti(L, -2, 7);
    lua_pushboolean(L, e->failed);
    lua_rawseti(L, -2, 8);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_pushinteger(L, r->lost);
  return 2;
}

void cr__lua_open_profiler(lua_State *L) {
  static const luaL_Reg methods[] = {{"stop", recording_stop},   {"open", recording_open},
                                     {"close", recording_close}, {"events", recording_events},
                                     {"__gc", recording_gc},     {NULL, NULL}};
  static const luaL_Reg functions[] = {{"start", start}, {NULL, NULL}};
  luaL_newmetatable(L, RECORDING);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  lua_setfield(L, -2, "_profiler");
}
