/* cuda.c: the module's table cuda: devices, streams, events, graphs; and pinned memory.
 *
 * Holds true: nothing here looks for a device before a script asks for one. A device is a name
 * ("cuda:1") or its number as CUDA counts, from 0: a number is no position. A stream, an event or a
 * graph lives as long as its userdata. */
#include "callback.h"

#define STREAM "cresset.Stream"
#define EVENT "cresset.Event"
#define GRAPH "cresset.Graph"
#define GUARD "cresset.StreamGuard"

/* ---- Devices ---- */

/* The number of the device at index; -1, the calling thread's, where nothing stands there. */
static int ordinal_at(lua_State *L, int index, const char *op) {
  cr_device device;
  int64_t ordinal;
  if (lua_isnoneornil(L, index)) return -1;
  if (lua_type(L, index) == LUA_TNUMBER && cr__lua_to_int(L, index, &ordinal) && ordinal >= 0 &&
      ordinal < 256)
    return (int)ordinal;
  if (lua_type(L, index) == LUA_TSTRING && cr__lua_to_device(L, index, &device) &&
      device >= CR_CUDA)
    return device - CR_CUDA;
  cr__lua_error(L, "%s: device must be \"cuda\", \"cuda:1\" or a number from 0, got %s", op,
                cr__lua_describe(L, index));
  return -1;
}

static void push_device(lua_State *L, cr_device device) {
  char name[16];
  lua_pushstring(L, cr_device_name(device, name));
}

static int is_available(lua_State *L) {
  lua_pushboolean(L, cr_cuda_available());
  return 1;
}

/* device_count(): how many there are; where that is 0, also a sentence that says why. */
static int device_count(lua_State *L) {
  int count;
  int code = cr_cuda_count(&count);
  lua_pushinteger(L, code ? 0 : count);
  if (!code) return 1;
  lua_pushstring(L, cr_error_message());
  cr_error_clear();
  return 2;
}

static int set_device(lua_State *L) {
  if (lua_isnoneornil(L, 1))
    return cr__lua_error(L, "cuda.set_device: device is missing: \"cuda:1\" or a number from 0");
  return cr_cuda_select(ordinal_at(L, 1, "cuda.set_device")) ? cr__lua_raise(L, NULL) : 0;
}

static int current_device(lua_State *L) {
  int ordinal = cr_cuda_current();
  if (ordinal < 0) return cr__lua_raise(L, NULL);
  push_device(L, CR_CUDA + ordinal);
  return 1;
}

static int get_device_name(lua_State *L) {
  cr_cuda_properties p;
  if (cr_cuda_properties_of(ordinal_at(L, 1, "cuda.get_device_name"), &p))
    return cr__lua_raise(L, NULL);
  lua_pushstring(L, p.name);
  return 1;
}

static int get_device_properties(lua_State *L) {
  cr_cuda_properties p;
  if (cr_cuda_properties_of(ordinal_at(L, 1, "cuda.get_device_properties"), &p))
    return cr__lua_raise(L, NULL);
  const struct {
    const char *name;
    int64_t value;
  } fields[] = {{"major", p.major},
                {"minor", p.minor},
                {"multiprocessors", p.multiprocessors},
                {"driver", p.driver},
                {"runtime", p.runtime},
                {"total_memory", p.total_memory},
                {"free_memory", p.free_memory}};
  lua_createtable(L, 0, 8);
  lua_pushstring(L, p.name);
  lua_setfield(L, -2, "name");
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    lua_pushinteger(L, fields[i].value);
    lua_setfield(L, -2, fields[i].name);
  }
  return 1;
}

static int synchronize(lua_State *L) {
  return cr_cuda_synchronize(ordinal_at(L, 1, "cuda.synchronize")) ? cr__lua_raise(L, NULL) : 0;
}

/* set_tf32(on): whether float32 products may trade precision for speed. */
static int set_tf32(lua_State *L) {
  return cr_cuda_set_tf32(cr__lua_bool_arg(L, 1, "cuda.set_tf32", "on")) ? cr__lua_raise(L, NULL)
                                                                         : 0;
}

static int get_tf32(lua_State *L) {
  bool on;
  if (cr_cuda_tf32(&on)) return cr__lua_raise(L, NULL);
  lua_pushboolean(L, on);
  return 1;
}

static int gemm_name(lua_State *L) {
  const char *name = cr_cuda_gemm_name();
  if (!name) return cr__lua_raise(L, NULL);
  lua_pushstring(L, name);
  return 1;
}

/* ---- Memory; limits are set by memory.limit(bytes, device) ---- */

static cr_device device_at(lua_State *L, int index, const char *op) {
  int ordinal = ordinal_at(L, index, op);
  if (ordinal < 0 && (ordinal = cr_cuda_current()) < 0) cr__lua_raise(L, NULL);
  return CR_CUDA + ordinal;
}

static int memory_stats(lua_State *L) {
  return cr__lua_push_stats(L, device_at(L, 1, "cuda.memory_stats"));
}

static int empty_cache(lua_State *L) {
  cr_memory_empty_cache(device_at(L, 1, "cuda.empty_cache"));
  return 0;
}

static int reset_peak(lua_State *L) {
  cr_memory_reset_peak(device_at(L, 1, "cuda.reset_peak"));
  return 0;
}

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

static cr_stream *stream_arg(lua_State *L, int index, const char *op) {
  return object_arg(L, index, op, STREAM, "a stream of cr.cuda.Stream()");
}
/* A stream, or NULL for the current one where nothing stands there. */
static cr_stream *stream_or_current(lua_State *L, int index, const char *op) {
  return lua_isnoneornil(L, index) ? NULL : stream_arg(L, index, op);
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
  int ordinal = ordinal_at(L, first, "cuda.Stream");
  bool high =
      !lua_isnil(L, first + 1) && cr__lua_bool_arg(L, first + 1, "cuda.Stream", "high_priority");
  void **u = new_object(L, STREAM, 0);
  return (*u = cr_stream_new(ordinal, high)) ? 1 : cr__lua_raise(L, NULL);
}

static int current_stream(lua_State *L) {
  int ordinal = ordinal_at(L, 1, "cuda.current_stream");
  void **u = new_object(L, STREAM, 0);
  return (*u = cr_stream_current(ordinal)) ? 1 : cr__lua_raise(L, NULL);
}

static int stream_gc(lua_State *L) {
  void **u = luaL_checkudata(L, 1, STREAM);
  cr_stream_release(*u);
  *u = NULL;
  return 0;
}

static int stream_synchronize(lua_State *L) {
  return cr_stream_synchronize(stream_arg(L, 1, "synchronize")) ? cr__lua_raise(L, NULL) : 0;
}

static int stream_query(lua_State *L) {
  bool done;
  if (cr_stream_query(stream_arg(L, 1, "query"), &done)) return cr__lua_raise(L, NULL);
  lua_pushboolean(L, done);
  return 1;
}

static int stream_device(lua_State *L) {
  push_device(L, cr_stream_device(stream_arg(L, 1, "device")));
  return 1;
}

static int stream_equal(lua_State *L) {
  void **a = luaL_testudata(L, 1, STREAM), **b = luaL_testudata(L, 2, STREAM);
  lua_pushboolean(L, a && b && cr_stream_id(*a) == cr_stream_id(*b));
  return 1;
}

static int stream_tostring(lua_State *L) {
  cr_stream *s = stream_arg(L, 1, "tostring");
  push_device(L, cr_stream_device(s));
  lua_pushfstring(L, "stream %I of %s", (lua_Integer)cr_stream_id(s), lua_tostring(L, -1));
  return 1;
}

/* What cr.cuda.stream puts back: the stream that the other device had, then the thread's own. */
typedef struct guard {
  cr_stream *there, *here;
} guard;

static int guard_close(lua_State *L) {
  guard *g = luaL_checkudata(L, 1, GUARD);
  cr_stream *there = g->there, *here = g->here;
  *g = (guard){NULL, NULL};
  int code = there ? cr_stream_select(there) : CR_E_OK;
  if (!code && here) code = cr_stream_select(here);
  cr_stream_release(there);
  cr_stream_release(here);
  return code ? cr__lua_raise(L, NULL) : 0;
}

static int guard_gc(lua_State *L) {
  guard *g = luaL_checkudata(L, 1, GUARD);
  cr_stream_release(g->there);
  cr_stream_release(g->here);
  *g = (guard){NULL, NULL};
  return 0;
}

static void enter_stream(void *s) { (void)s; }

/* stream(s, f, ...) calls f with its work on s; stream(s) is a value for `local _ <close> =`. */
static int stream_scope(lua_State *L) {
  cr_stream *s = stream_arg(L, 1, "cuda.stream");
  bool calls = lua_gettop(L) > 1;
  if (calls && !cr__lua_callable(L, 2))
    return cr__lua_error(L,
                         "cuda.stream: expected a function to call, or nothing for `local _ "
                         "<close> = cr.cuda.stream(s)`, got %s",
                         cr__lua_describe(L, 2));
  guard *g = lua_newuserdatauv(L, sizeof *g, 0);
  *g = (guard){NULL, NULL};
  luaL_setmetatable(L, GUARD);
  g->there = cr_stream_current(cr_stream_device(s) - CR_CUDA);
  if (g->there) g->here = cr_stream_current(-1);
  if (!g->here || cr_stream_select(s)) return cr__lua_raise(L, NULL);
  return calls ? cr__lua_call_under(L, 2, enter_stream, NULL) : 1;
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
  return cr_event_record(e, stream_or_current(L, 2, "record")) ? cr__lua_raise(L, NULL) : 0;
}

/* e:wait(s): what is queued on s from now on comes after e; the host does not wait. */
static int event_wait(lua_State *L) {
  cr_event *e = event_arg(L, 1, "wait");
  cr_stream *s = stream_or_current(L, 2, "wait");
  cr_stream *own = s ? cr_stream_retain(s) : cr_stream_current(-1);
  int code = own ? cr_stream_wait(own, e) : (int)cr_error_code();
  cr_stream_release(own);
  return code ? cr__lua_raise(L, NULL) : 0;
}

static int event_synchronize(lua_State *L) {
  return cr_event_synchronize(event_arg(L, 1, "synchronize")) ? cr__lua_raise(L, NULL) : 0;
}

static int event_query(lua_State *L) {
  bool done;
  if (cr_event_query(event_arg(L, 1, "query"), &done)) return cr__lua_raise(L, NULL);
  lua_pushboolean(L, done);
  return 1;
}

/* e:elapsed(later): milliseconds. */
static int event_elapsed(lua_State *L) {
  double milliseconds;
  cr_event *from = event_arg(L, 1, "elapsed"), *to = event_arg(L, 2, "elapsed");
  if (cr_event_elapsed(from, to, &milliseconds)) return cr__lua_raise(L, NULL);
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
  if (cr_graph_begin()) return cr__lua_raise(L, NULL);
  lua_pushvalue(L, 1);
  int status = lua_pcall(L, 0, LUA_MULTRET, 0);
  if (status != LUA_OK) {
    cr_graph_abandon();
    return lua_error(L);
  }
  if (!(*u = cr_graph_end())) return cr__lua_raise(L, NULL);
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
  if (cr_graph_launch(g)) return cr__lua_raise(L, NULL);
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

/* ---- Tensors ---- */

static int tensor_pin(lua_State *L) {
  cr__lua_tensor_arg(L, 1, "pin_memory", "self");
  cr__lua_tensor *made = cr__lua_new(L);
  made->t = cr_pin(cr__lua_tensor_arg(L, 1, "pin_memory", "self"));
  if (!made->t) return cr__lua_raise(L, NULL);
  cr__lua_after(L);
  return 1;
}

static int tensor_is_pinned(lua_State *L) {
  lua_pushboolean(L, cr_is_pinned(cr__lua_tensor_arg(L, 1, "is_pinned", "self")));
  return 1;
}

/* x:copy_queued_(src): the host goes on while the bytes travel; one of the two is pinned. */
static int tensor_copy_queued(lua_State *L) {
  cr_tensor *self = cr__lua_tensor_arg(L, 1, "copy_queued_", "self");
  cr_tensor *src = cr__lua_tensor_arg(L, 2, "copy_queued_", "src");
  if (cr_copy_queued(self, src)) return cr__lua_raise(L, NULL);
  lua_settop(L, 1);
  return 1;
}

/* x:record_stream(s): s works with x's memory too, so it is given to nobody else before s is done. */
static int tensor_record_stream(lua_State *L) {
  cr_tensor *t = cr__lua_tensor_arg(L, 1, "record_stream", "self");
  cr_stream *s = stream_arg(L, 2, "record_stream");
  return cr_stream_record(s, t) ? cr__lua_raise(L, NULL) : 0;
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
  static const luaL_Reg guard_meta[] = {{"__gc", guard_gc}, {"__close", guard_close}, {NULL, NULL}};
  new_type(L, STREAM, stream_meta, stream_methods);
  new_type(L, EVENT, event_meta, event_methods);
  new_type(L, GRAPH, graph_meta, NULL);
  new_type(L, GUARD, guard_meta, NULL);
}

void cr__lua_open_cuda(lua_State *L) {
  static const luaL_Reg functions[] = {{"is_available", is_available},
                                       {"device_count", device_count},
                                       {"set_device", set_device},
                                       {"current_device", current_device},
                                       {"get_device_name", get_device_name},
                                       {"get_device_properties", get_device_properties},
                                       {"synchronize", synchronize},
                                       {"set_tf32", set_tf32},
                                       {"get_tf32", get_tf32},
                                       {"gemm_name", gemm_name},
                                       {"memory_stats", memory_stats},
                                       {"empty_cache", empty_cache},
                                       {"reset_peak", reset_peak},
                                       {"Stream", new_stream},
                                       {"current_stream", current_stream},
                                       {"stream", stream_scope},
                                       {"Event", new_event},
                                       {"graph", new_graph},
                                       {NULL, NULL}};
  static const luaL_Reg methods[] = {{"pin_memory", tensor_pin},
                                     {"is_pinned", tensor_is_pinned},
                                     {"copy_queued_", tensor_copy_queued},
                                     {"record_stream", tensor_record_stream},
                                     {NULL, NULL}};
  open_types(L);
  luaL_newlib(L, functions);
  lua_setfield(L, -2, "cuda");
  cr__lua_methods(L);
  luaL_setfuncs(L, methods, 0);
  lua_pop(L, 1);
}
