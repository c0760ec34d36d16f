/* stream.c: streams, events and graphs of a device, as userdata.
 *
 * Holds true: each lives as long as its userdata. */
#include "cuda.h"
#include "scope.h"

#define STREAM "cresset.Stream"
#define EVENT "cresset.Event"
#define GRAPH "cresset.Graph"

/* ---- Objects: userdata around one pointer each, NULL until it is there ---- */

static void **new_object(lua_State *L, const char *type, int slots) {
  void **u = lua_newuserdatauv(L, sizeof *u, slots);
  *u = NULL;
  luaL_setmetatable(L, type);
  return u;
}

static void *object_arg(lua_State *L, int index, const char *op, const char *type,
                        const char *what) {
  void **u = luaL_testudata(L, index, type);
  if (!u || !*u) cr__lua_error(L, "%s: expected %s, got %s", op, what, cr__lua_describe(L, index));
  return u ? *u : NULL;
}

cr_stream *cr__lua_stream_arg(lua_State *L, int index, const char *op) {
  return object_arg(L, index, op, STREAM, "a stream of cr.cuda.Stream()");
}
/* A stream, or NULL for the current one where nothing stands there. */
static cr_stream *stream_or_current(lua_State *L, int index, const char *op) {
  return lua_isnoneornil(L, index) ? NULL : cr__lua_stream_arg(L, index, op);
}
static cr_event *event_arg(lua_State *L, int index, const char *op) {
  return object_arg(L, index, op, EVENT, "an event of cr.cuda.Event()");
}

/* ---- Streams ---- */

/* Stream { device =, high_priority = } */
static int new_stream(lua_State *L) {
  static const char *const names[] = {"device", "high_priority", NULL};
  lua_settop(L, 1);
  int first = cr__lua_options(L, 1, "cuda.Stream", names);
  int ordinal = cr__lua_ordinal_arg(L, first, "cuda.Stream");
  bool high =
      !lua_isnil(L, first + 1) && cr__lua_bool_arg(L, first + 1, "cuda.Stream", "high_priority");
  void **u = new_object(L, STREAM, 0);
  return (*u = CR__LUA_GET(L, cr_stream_new(ordinal, high))) ? 1 : cr__lua_raise(L, NULL);
}

static int current_stream(lua_State *L) {
  int ordinal = cr__lua_ordinal_arg(L, 1, "cuda.current_stream");
  void **u = new_object(L, STREAM, 0);
  return (*u = CR__LUA_GET(L, cr_stream_current(ordinal))) ? 1 : cr__lua_raise(L, NULL);
}

static int stream_gc(lua_State *L) {
  void **u = luaL_checkudata(L, 1, STREAM);
  cr_stream_release(*u);
  *u = NULL;
  return 0;
}

static int stream_synchronize(lua_State *L) {
  cr_stream *s = cr__lua_stream_arg(L, 1, "synchronize");
  return CR__LUA_GET(L, cr_stream_synchronize(s)) ? cr__lua_raise(L, NULL) : 0;
}

static int stream_query(lua_State *L) {
  bool done;
  cr_stream *s = cr__lua_stream_arg(L, 1, "query");
  if (CR__LUA_GET(L, cr_stream_query(s, &done))) return cr__lua_raise(L, NULL);
  lua_pushboolean(L, done);
  return 1;
}

static int stream_device(lua_State *L) {
  cr__lua_push_device(L, cr_stream_device(cr__lua_stream_arg(L, 1, "device")));
  return 1;
}

static int stream_equal(lua_State *L) {
  void **a = luaL_testudata(L, 1, STREAM), **b = luaL_testudata(L, 2, STREAM);
  lua_pushboolean(L, a && b && cr_stream_id(*a) == cr_stream_id(*b));
  return 1;
}

static int stream_tostring(lua_State *L) {
  cr_stream *s = cr__lua_stream_arg(L, 1, "tostring");
  cr__lua_push_device(L, cr_stream_device(s));
  lua_pushfstring(L, "stream %I of %s", (lua_Integer)cr_stream_id(s), lua_tostring(L, -1));
  return 1;
}

/* stream(s, f, ...) calls f with its work on s; stream(s) is a value for `local _ <close> =`. */
static int stream_scope(lua_State *L) {
  cr_stream *s = cr__lua_stream_arg(L, 1, "cuda.stream");
  bool calls = lua_gettop(L) > 1;
  if (calls && !cr__lua_callable(L, 2))
    return cr__lua_error(L,
                         "cuda.stream: expected a function to call, or nothing for `local _ "
                         "<close> = cr.cuda.stream(s)`, got %s",
                         cr__lua_describe(L, 2));
  cr__lua_guard *g = cr__lua_new_scope(L, "cuda.stream");
  CR__LUA_DO(L, g->scope = cr_scope_new(&(cr_mode){0}, NULL));
  if (!g->scope || CR__LUA_GET(L, cr_scope_stream(g->scope, s))) return cr__lua_raise(L, NULL);
  return calls ? cr__lua_call_in_scope(L, 2) : cr__lua_give_scope(L);
}

/* ---- Events ---- */

/* Event { timing = } */
static int new_event(lua_State *L) {
  static const char *const names[] = {"timing", NULL};
  lua_settop(L, 1);
  int first = cr__lua_options(L, 1, "cuda.Event", names);
  bool timing = lua_isnil(L, first) || cr__lua_bool_arg(L, first, "cuda.Event", "timing");
  void **u = new_object(L, EVENT, 0);
  return (*u = cr_event_new(timing)) ? 1 : cr__lua_raise(L, NULL);
}

static int event_gc(lua_State *L) {
  void **u = luaL_checkudata(L, 1, EVENT);
  cr_event_free(*u);
  *u = NULL;
  return 0;
}

static int event_record(lua_State *L) {
  cr_event *e = event_arg(L, 1, "record");
  cr_stream *s = stream_or_current(L, 2, "record");
  return CR__LUA_GET(L, cr_event_record(e, s)) ? cr__lua_raise(L, NULL) : 0;
}

/* e:wait(s): what is queued on s from now on comes after e; the host does not wait. */
static int event_wait(lua_State *L) {
  cr_event *e = event_arg(L, 1, "wait");
  cr_stream *s = stream_or_current(L, 2, "wait");
  cr_stream *own = s ? cr_stream_retain(s) : CR__LUA_GET(L, cr_stream_current(-1));
  int code = own ? CR__LUA_GET(L, cr_stream_wait(own, e)) : (int)cr_error_code();
  cr_stream_release(own);
  return code ? cr__lua_raise(L, NULL) : 0;
}

static int event_synchronize(lua_State *L) {
  cr_event *e = event_arg(L, 1, "synchronize");
  return CR__LUA_GET(L, cr_event_synchronize(e)) ? cr__lua_raise(L, NULL) : 0;
}

static int event_query(lua_State *L) {
  bool done;
  cr_event *e = event_arg(L, 1, "query");
  if (CR__LUA_GET(L, cr_event_query(e, &done))) return cr__lua_raise(L, NULL);
  lua_pushboolean(L, done);
  return 1;
}

/* e:elapsed(later): milliseconds. */
static int event_elapsed(lua_State *L) {
  double milliseconds;
  cr_event *from = event_arg(L, 1, "elapsed"), *to = event_arg(L, 2, "elapsed");
  if (CR__LUA_GET(L, cr_event_elapsed(from, to, &milliseconds))) return cr__lua_raise(L, NULL);
  lua_pushnumber(L, milliseconds);
  return 1;
}

/* ---- Graphs: user value 1 holds f, whose tensors the graph works on; 2 holds f's results ---- */

/* graph(f): f's work, kept as a whole. The results of step() are the tensors that f returned, with
 * new contents each time. */
static int new_graph(lua_State *L) {
  if (!cr__lua_callable(L, 1))
    return cr__lua_error(L, "cuda.graph: f must be a function, got %s", cr__lua_describe(L, 1));
  lua_settop(L, 1);
  void **u = new_object(L, GRAPH, 2);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 2, 1);
  luaL_checkstack(L, 2, "no stack for a graph");
  if (CR__LUA_GET(L, cr_graph_begin())) return cr__lua_raise(L, NULL);
  lua_pushvalue(L, 1);
  int status = lua_pcall(L, 0, LUA_MULTRET, 0);
  if (status != LUA_OK) {
    CR__LUA_DO(L, cr_graph_abandon());
    return lua_error(L);
  }
  if (!(*u = CR__LUA_GET(L, cr_graph_end()))) return cr__lua_raise(L, NULL);
  int n = lua_gettop(L) - 2;
  lua_createtable(L, n, 1);
  lua_insert(L, 3);
  for (int i = n; i > 0; i--) lua_rawseti(L, 3, i);
  lua_pushinteger(L, n);
  lua_setfield(L, 3, "n");
  lua_setiuservalue(L, 2, 2);
  return 1;
}

static int graph_call(lua_State *L) {
  cr_graph *g = object_arg(L, 1, "graph", GRAPH, "a step of cr.cuda.graph(f)");
  if (CR__LUA_GET(L, cr_graph_launch(g))) return cr__lua_raise(L, NULL);
  lua_getiuservalue(L, 1, 2);
  lua_getfield(L, -1, "n");
  int n = (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  int results = lua_gettop(L);
  luaL_checkstack(L, n, "too many results");
  for (int i = 1; i <= n; i++) lua_rawgeti(L, results, i);
  return n;
}

static int graph_gc(lua_State *L) {
  void **u = luaL_checkudata(L, 1, GRAPH);
  cr_graph_free(*u);
  *u = NULL;
  return 0;
}

/* ---- The module's part ---- */

/* `methods` become fields of the objects, `meta` of their metatable. */
static void new_type(lua_State *L, const char *name, const luaL_Reg *meta,
                     const luaL_Reg *methods) {
  luaL_newmetatable(L, name);
  luaL_setfuncs(L, meta, 0);
  if (methods) {
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
  }
  lua_pop(L, 1);
}

static void open_types(lua_State *L) {
  static const luaL_Reg stream_meta[] = {{"__gc", stream_gc},
                                         {"__eq", stream_equal},
                                         {"__tostring", stream_tostring},
                                         {NULL, NULL}};
  static const luaL_Reg stream_methods[] = {{"synchronize", stream_synchronize},
                                            {"query", stream_query},
                                            {"device", stream_device},
                                            {NULL, NULL}};
  static const luaL_Reg event_meta[] = {{"__gc", event_gc}, {NULL, NULL}};
  static const luaL_Reg event_methods[] = {{"record", event_record},
                                           {"wait", event_wait},
                                           {"synchronize", event_synchronize},
                                           {"query", event_query},
                                           {"elapsed", event_elapsed},
                                           {NULL, NULL}};
  static const luaL_Reg graph_meta[] = {{"__gc", graph_gc}, {"__call", graph_call}, {NULL, NULL}};
  new_type(L, STREAM, stream_meta, stream_methods);
  new_type(L, EVENT, event_meta, event_methods);
  new_type(L, GRAPH, graph_meta, NULL);
}

void cr__lua_open_streams(lua_State *L) {
  static const luaL_Reg functions[] = {{"Stream", new_stream},   {"current_stream", current_stream},
                                       {"stream", stream_scope}, {"Event", new_event},
                                       {"graph", new_graph},     {NULL, NULL}};
  open_types(L);
  luaL_setfuncs(L, functions, 0);
}
