/* file.c: what the Lua files under cresset/io build on: buffers, writers, bytes in and out of tensors, DLPack.
 *
 * Holds true: offsets count bytes from 0, as the descriptions of file formats do. Nothing outside a buffer is read,
 * whatever the numbers. A writer that is collected before it has committed leaves no file behind. */
#include <stdio.h>
#include <string.h>

#include "binding.h"

#define BUFFER "cresset.Buffer"
#define WRITER "cresset.Writer"

static void **new_object(lua_State *L, const char *type) {
  void **u = lua_newuserdatauv(L, sizeof *u, 0);
  *u = NULL;
  luaL_setmetatable(L, type);
  return u;
}

static cr_buffer *buffer_arg(lua_State *L, int index) {
  void **u = luaL_checkudata(L, index, BUFFER);
  return *u;
}

static size_t size_arg(lua_State *L, int index, const char *what) {
  int64_t n = cr__lua_int_arg(L, index, "buffer", what);
  if (n < 0) cr__lua_error(L, "buffer: %s must not be negative, got %lld", what, (long long)n);
  return (size_t)n;
}

/* The bytes [offset, offset + n) that the arguments at index name; raises beyond the buffer. */
static const char *range_arg(lua_State *L, const cr_buffer *b, int index, size_t *n) {
  size_t offset = size_arg(L, index, "offset"), size = cr_buffer_size(b);
  *n = size_arg(L, index + 1, "the number of bytes");
  if (offset > size || *n > size - offset)
    cr__lua_error(L, "buffer: the %zu bytes from %zu on are not among its %zu", *n, offset, size);
  return (const char *)cr_buffer_data(b) + offset;
}

/* ---- Buffers ------------------------------------------------------------------------------------------------ */

/* map(path) */
static int map(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  void **u = new_object(L, BUFFER);
  return (*u = CR__LUA_GET(L, cr_buffer_map(path))) ? 1 : cr__lua_raise(L, NULL);
}

/* map_file(file of io.open, name for messages) */
static int map_file(lua_State *L) {
  luaL_Stream *s = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  const char *name = luaL_checkstring(L, 2);
  if (!s->closef) return cr__lua_error(L, "%s: the file is closed", name);
  void **u = new_object(L, BUFFER);
  return (*u = CR__LUA_GET(L, cr_buffer_map_fd(fileno(s->f), name))) ? 1 : cr__lua_raise(L, NULL);
}

static int buffer_gc(lua_State *L) {
  void **u = luaL_checkudata(L, 1, BUFFER);
  cr_buffer_release(*u);
  *u = NULL;
  return 0;
}

static int buffer_len(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)cr_buffer_size(buffer_arg(L, 1)));
  return 1;
}

/* buffer:bytes(offset, n): a string. */
static int buffer_bytes(lua_State *L) {
  size_t n;
  const char *data = range_arg(L, buffer_arg(L, 1), 2, &n);
  lua_pushlstring(L, data, n);
  return 1;
}

/* buffer:crc(offset, n) */
static int buffer_crc(lua_State *L) {
  size_t n;
  const char *data = range_arg(L, buffer_arg(L, 1), 2, &n);
  lua_pushinteger(L, cr_crc32(0, data, n));
  return 1;
}

/* buffer:find(byte, from): the offset of the first such byte from there on, or nil. */
static int buffer_find(lua_State *L) {
  cr_buffer *b = buffer_arg(L, 1);
  int byte = (int)(size_arg(L, 2, "byte") & 255);
  size_t from = size_arg(L, 3, "from"), size = cr_buffer_size(b);
  const char *data = cr_buffer_data(b), *at = NULL;
  if (from < size) at = memchr(data + from, byte, size - from);
  if (!at) return 0;
  lua_pushinteger(L, at - data);
  return 1;
}

/* buffer:inflate(offset, n, room, raw): another buffer; without `raw` the bytes have the head of zlib or gzip. Room is
 * the most that may come out; the second result is how much did. */
static int buffer_inflate(lua_State *L) {
  size_t n, made = 0, room = size_arg(L, 4, "room");
  cr_buffer *b = buffer_arg(L, 1);
  const char *data = range_arg(L, b, 2, &n);
  bool raw = lua_toboolean(L, 5);
  void **u = new_object(L, BUFFER);
  for (bool retried = false;; retried = true) {
    CR__LUA_DO(L, *u = cr_buffer_new(room));
    if (*u) break;
    if (retried || !cr__lua_retry(L)) return cr__lua_raise(L, NULL);
  }
  int code;
  CR__LUA_DO(L, code = cr_inflate(data, n, raw, cr_buffer_data(*u), room, &made));
  if (code) return cr__lua_raise(L, NULL);
  lua_pushinteger(L, (lua_Integer)made);
  return 2;
}

static int push_made(lua_State *L) {
  cr__lua_after(L);
  return 1;
}

/* buffer:tensor(offset, dtype, shape, stride) */
static int buffer_tensor(lua_State *L) {
  int64_t shape[CR_MAX_DIMS], stride[CR_MAX_DIMS];
  cr_buffer *b = buffer_arg(L, 1);
  size_t offset = size_arg(L, 2, "offset");
  cr_dtype dtype = cr__lua_dtype_arg(L, 3, "buffer", "dtype");
  int n = cr__lua_ints_arg(L, 4, "buffer", "shape", false, shape, CR_MAX_DIMS);
  bool strided = !lua_isnoneornil(L, 5);
  if (strided && cr__lua_ints_arg(L, 5, "buffer", "stride", false, stride, CR_MAX_DIMS) != n)
    return cr__lua_error(L, "buffer: shape and stride differ in length");
  cr__lua_tensor *u = cr__lua_new(L);
  for (bool retried = false; !u->t; retried = true) {
    CR__LUA_DO(L, u->t = cr_buffer_tensor(b, offset, dtype, n, shape, strided ? stride : NULL));
    if (!u->t && (retried || !cr__lua_retry(L))) return cr__lua_raise(L, NULL);
  }
  return push_made(L);
}

/* buffer:dequantize(kind, offset, n, shape) */
static int buffer_dequantize(lua_State *L) {
  int64_t shape[CR_MAX_DIMS];
  size_t nbytes;
  const char *kind = luaL_checkstring(L, 2);
  const char *data = range_arg(L, buffer_arg(L, 1), 3, &nbytes);
  int n = cr__lua_ints_arg(L, 5, "buffer", "shape", false, shape, CR_MAX_DIMS);
  cr__lua_tensor *u = cr__lua_new(L);
  for (bool retried = false; !u->t; retried = true) {
    CR__LUA_DO(L, u->t = cr_dequantize(kind, data, nbytes, n, shape));
    if (!u->t && (retried || !cr__lua_retry(L))) return cr__lua_raise(L, NULL);
  }
  return push_made(L);
}

/* ---- Bytes of strings and tensors ----------------------------------------------------------------------------- */

/* string_tensor(string, offset, dtype, shape): a tensor with a copy of the string's bytes, which no write may reach. */
static int string_tensor(lua_State *L) {
  int64_t shape[CR_MAX_DIMS];
  size_t size, offset = size_arg(L, 2, "offset");
  const char *s = luaL_checklstring(L, 1, &size);
  cr_dtype dtype = cr__lua_dtype_arg(L, 3, "frombuffer", "dtype");
  int n = cr__lua_ints_arg(L, 4, "frombuffer", "shape", false, shape, CR_MAX_DIMS);
  cr__lua_tensor *u = cr__lua_new(L);
  for (bool retried = false;; retried = true) {
    CR__LUA_DO(L, u->t = cr_new(dtype, CR_CPU, n, shape));
    if (u->t) break;
    if (retried || !cr__lua_retry(L)) return cr__lua_raise(L, NULL);
  }
  size_t need = (size_t)cr_numel(u->t) * cr_dtype_size(dtype);
  if (offset > size || need > size - offset)
    return cr__lua_error(L,
                         "frombuffer: %zu bytes are needed from offset %zu on, and there are %zu",
                         need, offset, offset > size ? 0 : size - offset);
  char *to = cr_data(u->t);
  if (need) memcpy(to, s + offset, need);
  for (size_t i = 0; dtype == CR_BOOL && i < need; i++) to[i] = to[i] != 0;
  return push_made(L);
}

/* x:tobytes(): the elements in row-major order, as a string. */
static int tobytes(lua_State *L) {
  cr_tensor *t = cr__lua_tensor_arg(L, 1, "tobytes", "self");
  size_t n = (size_t)cr_numel(t) * cr_dtype_size(cr_dtype_of(t));
  if (n == 0) {
    lua_pushliteral(L, "");
  } else if (cr_is_contiguous(t) && cr_device_of(t) == CR_CPU) {
    lua_pushlstring(L, cr_data(t), n);
  } else {
    luaL_Buffer b;
    char *room = luaL_buffinitsize(L, &b, n);
    t = cr__lua_tensor_arg(L, 1, "tobytes", "self"); /* a finalizer may have closed it meanwhile */
    if (CR__LUA_GET(L, cr_read(t, room, n))) return cr__lua_raise(L, NULL);
    luaL_pushresultsize(&b, n);
  }
  return 1;
}

/* swap_bytes(x), in place */
static int swap_bytes(lua_State *L) {
  cr_tensor *t = cr__lua_tensor_arg(L, 1, "swap_bytes", "self");
  if (cr_swap_bytes(t)) return cr__lua_raise(L, NULL);
  lua_settop(L, 1);
  return 1;
}

static const char *bytes_of(lua_State *L, int index, size_t *n) {
  if (lua_type(L, index) == LUA_TSTRING) return lua_tolstring(L, index, n);
  cr_tensor *t = cr__lua_tensor_arg(L, index, "write", "data");
  if (!cr_is_contiguous(t) || cr_device_of(t) != CR_CPU)
    cr__lua_error(L, "write: data must be contiguous and on the CPU");
  *n = (size_t)cr_numel(t) * cr_dtype_size(cr_dtype_of(t));
  return cr_data(t);
}

/* crc32(string or contiguous tensor, sum before) */
static int crc32(lua_State *L) {
  size_t n;
  uint32_t before = (uint32_t)luaL_optinteger(L, 2, 0);
  const char *data = bytes_of(L, 1, &n);
  lua_pushinteger(L, cr_crc32(before, data, n));
  return 1;
}

/* deflate(string or contiguous tensor): the compressed bytes as a string. */
static int deflate(lua_State *L) {
  size_t n, made = 0;
  bytes_of(L, 1, &n);
  size_t room = n + n / 1000 + 64;
  luaL_Buffer b;
  char *to = luaL_buffinitsize(L, &b, room);
  const char *data = bytes_of(L, 1, &n);
  int code;
  CR__LUA_DO(L, code = cr_deflate(data, n, to, room, &made));
  if (code) return cr__lua_raise(L, NULL);
  luaL_pushresultsize(&b, made);
  return 1;
}

/* ---- Writers ------------------------------------------------------------------------------------------------- */

static cr_writer *writer_arg(lua_State *L) {
  void **u = luaL_checkudata(L, 1, WRITER);
  if (!*u) cr__lua_error(L, "write: the file is finished");
  return *u;
}

static int new_writer(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  void **u = new_object(L, WRITER);
  return (*u = CR__LUA_GET(L, cr_writer_open(path))) ? 1 : cr__lua_raise(L, NULL);
}

/* writer:put(string or contiguous tensor) */
static int writer_put(lua_State *L) {
  size_t n;
  cr_writer *w = writer_arg(L);
  const char *data = bytes_of(L, 2, &n);
  if (cr_writer_put(w, data, n)) return cr__lua_raise(L, NULL);
  return 0;
}

static int writer_commit(lua_State *L) {
  cr_writer *w = writer_arg(L);
  *(void **)lua_touserdata(L, 1) = NULL;
  return cr_writer_commit(w) ? cr__lua_raise(L, NULL) : 0;
}

static int writer_abandon(lua_State *L) {
  void **u = luaL_checkudata(L, 1, WRITER);
  cr_writer_abandon(*u);
  *u = NULL;
  return 0;
}

/* ---- The table -------------------------------------------------------------------------------------------------- */

static void make_type(lua_State *L, const char *type, const luaL_Reg *meta,
                      const luaL_Reg *methods) {
  luaL_newmetatable(L, type);
  luaL_setfuncs(L, meta, 0);
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

void cr__lua_open_file(lua_State *L) {
  static const luaL_Reg functions[] = {{"map", map},
                                       {"map_file", map_file},
                                       {"string_tensor", string_tensor},
                                       {"swap_bytes", swap_bytes},
                                       {"crc32", crc32},
                                       {"deflate", deflate},
                                       {"writer", new_writer},
                                       {NULL, NULL}};
  static const luaL_Reg buffer_meta[] = {{"__gc", buffer_gc},
                                         {"__close", buffer_gc},
                                         {"__len", buffer_len},
                                         {NULL, NULL}};
  static const luaL_Reg buffer_methods[] = {{"bytes", buffer_bytes},
                                            {"crc", buffer_crc},
                                            {"find", buffer_find},
                                            {"inflate", buffer_inflate},
                                            {"tensor", buffer_tensor},
                                            {"dequantize", buffer_dequantize},
                                            {NULL, NULL}};
  static const luaL_Reg writer_meta[] = {{"__gc", writer_abandon},
                                         {"__close", writer_abandon},
                                         {NULL, NULL}};
  static const luaL_Reg writer_methods[] = {{"put", writer_put},
                                            {"commit", writer_commit},
                                            {"abandon", writer_abandon},
                                            {NULL, NULL}};
  static const luaL_Reg tensor_methods[] = {{"tobytes", tobytes}, {NULL, NULL}};
  make_type(L, BUFFER, buffer_meta, buffer_methods);
  make_type(L, WRITER, writer_meta, writer_methods);
  cr__lua_add_methods(L, tensor_methods);
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  lua_setfield(L, -2, "io_half"); /* init.lua takes it away again */
}
