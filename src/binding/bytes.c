/* bytes.c: files as tensors of bytes, unpacked where gzip has packed them, bytes as elements of a dtype, the names in a
 * folder, and whether output is a terminal.
 *
 * Holds true: libdeflate and zlib are opened when the first packed file is read, whichever is there, the faster one
 * first; what they need is declared here, as their binary interfaces have it. No length that a file tells is believed:
 * memory is taken for what unpacks. */
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "binding.h"
#include "data.h"

enum { GZIP_LEAST = 18, CHUNK = 1 << 16, RATIO_MOST = 1032 /* of deflate, by its format */ };

/* ---- Reading --------------------------------------------------------------------------------------------- */

/* Reads up to `length` bytes; fewer where the file ends. -1: errno says why. */
static ssize_t read_all(int fd, unsigned char *to, size_t length) {
  size_t done = 0;
  while (done < length) {
    ssize_t n = read(fd, to + done, length - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) break;
    done += (size_t)n;
  }
  return (ssize_t)done;
}

static cr__lua_tensor *new_bytes(lua_State *L, size_t length) {
  cr__lua_tensor *u = cr__lua_new(L);
  int64_t shape = (int64_t)length;
  u->t = CR__LUA_GET(L, cr_new(CR_UINT8, CR_CPU, 1, &shape));
  if (!u->t && cr__lua_retry(L)) u->t = CR__LUA_GET(L, cr_new(CR_UINT8, CR_CPU, 1, &shape));
  if (!u->t) cr__lua_raise(L, NULL);
  return u;
}

/* What is wrong with a path: nil and a sentence. */
static int no_file(lua_State *L, const char *path, const char *why) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", path, why);
  return 2;
}

/* Pushes a tensor of the file's bytes and gives 1, or nil and a sentence and gives 2. */
static int push_file(lua_State *L, const char *path) {
  struct stat info;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) return no_file(L, path, strerror(errno));
  if (fstat(fd, &info) || !S_ISREG(info.st_mode)) {
    close(fd);
    return no_file(L, path, S_ISDIR(info.st_mode) ? "is a folder" : "is no regular file");
  }
  close(fd); /* Lua may raise where memory is out: no file stays open */
  cr__lua_tensor *u = new_bytes(L, (size_t)info.st_size);
  fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) return no_file(L, path, strerror(errno));
  ssize_t n = read_all(fd, cr_data(u->t), (size_t)info.st_size);
  int code = errno;
  close(fd);
  if (n < 0) return no_file(L, path, strerror(code));
  return n == info.st_size ? 1 : no_file(L, path, "became shorter while it was read");
}

/* ---- gzip -------------------------------------------------------------------------------------------------- */

/* zlib's own, since 1.0. */
typedef struct stream {
  const unsigned char *next_in;
  unsigned avail_in;
  unsigned long total_in;
  unsigned char *next_out;
  unsigned avail_out;
  unsigned long total_out;
  const char *msg;
  void *state, *alloc, *release, *opaque;
  int data_type;
  unsigned long adler, reserved;
} stream;

static struct unpackers {
  void *(*fast_new)(void);
  int (*fast_run)(void *, const void *, size_t, void *, size_t, size_t *, size_t *);
  void (*fast_free)(void *);
  int (*init)(stream *, int bits, const char *version, int size);
  int (*inflate)(stream *, int flush);
  int (*reset)(stream *);
  int (*end)(stream *);
} unpackers;

static void open_unpackers(void) {
  struct unpackers u = {0};
  void *fast = dlopen("libdeflate.so.0", RTLD_NOW | RTLD_LOCAL);
  void *zlib = dlopen("libz.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!cr__lua_find_symbol(fast, "libdeflate_alloc_decompressor", &u.fast_new) ||
      !cr__lua_find_symbol(fast, "libdeflate_gzip_decompress_ex", &u.fast_run) ||
      !cr__lua_find_symbol(fast, "libdeflate_free_decompressor", &u.fast_free))
    u.fast_new = NULL;
  if (!cr__lua_find_symbol(zlib, "inflateInit2_", &u.init) ||
      !cr__lua_find_symbol(zlib, "inflate", &u.inflate) ||
      !cr__lua_find_symbol(zlib, "inflateReset", &u.reset) ||
      !cr__lua_find_symbol(zlib, "inflateEnd", &u.end))
    u.init = NULL;
  unpackers = u;
}

/* The length of what unpacks, as the last four bytes tell it modulo 2^32; right for a file of one part. */
static size_t told_length(const unsigned char *in, size_t n) {
  const unsigned char *p = in + n - 4;
  return (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
}

/* Unpacks at once into exactly `room` bytes; false where that is not all, or no library for it is there. */
static bool unpack_at_once(const unsigned char *in, size_t n, unsigned char *out, size_t room) {
  size_t used = 0, made = 0;
  if (!unpackers.fast_new) return false;
  void *d = unpackers.fast_new();
  if (!d) return false;
  int code = unpackers.fast_run(d, in, n, out, room, &used, &made);
  unpackers.fast_free(d);
  return code == 0 && used == n && made == room;
}

/* Unpacks all parts piece by piece into memory from malloc that grows. Returns what is wrong, or NULL. */
static const char *unpack_parts(const unsigned char *in, size_t n, unsigned char **out,
                                size_t *made) {
  stream s = {0};
  size_t room = 0, left = n;
  const char *wrong = NULL;
  *out = NULL;
  *made = 0;
  if (!unpackers.init) return "needs libdeflate or zlib (Debian: zlib1g) to be unpacked";
  if (unpackers.init(&s, 15 + 16, "1.2.11", (int)sizeof s)) return "zlib cannot begin";
  s.next_in = in;
  while (!wrong) {
    if (room - *made < CHUNK) {
      size_t more = room ? room * 2 : 4 * CHUNK;
      unsigned char *grown = realloc(*out, more);
      if (!grown) {
        wrong = "out of memory";
        break;
      }
      *out = grown;
      room = more;
    }
    s.avail_in = left > INT_MAX ? INT_MAX : (unsigned)left;
    s.next_out = *out + *made;
    s.avail_out = room - *made > INT_MAX ? INT_MAX : (unsigned)(room - *made);
    unsigned had = s.avail_in;
    int code = unpackers.inflate(&s, 0);
    left -= had - s.avail_in;
    *made = (size_t)(s.next_out - *out);
    if (code == 1 && left == 0) break; /* the end */
    if (code == 1) unpackers.reset(&s);
    else if (code == -5 || (code == 0 && left == 0)) wrong = "is cut short";
    else if (code) wrong = "is damaged";
  }
  unpackers.end(&s);
  return wrong;
}

static void free_memory(void *user) { free(user); }

/* The tensor on top is the bytes of a packed file: puts those of the unpacked one in its place; or gives a sentence. */
static const char *unpack(lua_State *L) {
  cr__lua_tensor *packed = lua_touserdata(L, -1);
  const unsigned char *in = cr_data(packed->t);
  size_t n = (size_t)cr_numel(packed->t), length = told_length(in, n), made;
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, open_unpackers);
  if (length / RATIO_MOST <= n) {
    cr__lua_tensor *u = new_bytes(L, length);
    if (unpack_at_once(in, n, cr_data(u->t), length)) {
      lua_remove(L, -2);
      return NULL;
    }
    lua_pop(L, 1);
  }
  cr__lua_tensor *u = cr__lua_new(L);
  unsigned char *out;
  const char *wrong = unpack_parts(in, n, &out, &made);
  int64_t shape = (int64_t)made;
  if (!wrong) u->t = CR__LUA_GET(L, cr_wrap(out, CR_UINT8, 1, &shape, NULL, free_memory, out));
  if (!u->t) free(out);
  if (!wrong && !u->t) cr__lua_raise(L, NULL);
  lua_remove(L, -2);
  return wrong;
}

/* read_bytes(path): a uint8 tensor of what is in the file, unpacked if gzip has packed it; or nil and what is wrong. */
static int read_bytes(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  if (push_file(L, path) == 2) return 2;
  const cr__lua_tensor *u = lua_touserdata(L, -1);
  const unsigned char *p = cr_data(u->t);
  if (cr_numel(u->t) < GZIP_LEAST || p[0] != 0x1f || p[1] != 0x8b) return 1;
  const char *wrong = unpack(L);
  return wrong ? no_file(L, path, wrong) : 1;
}

/* ---- Bytes as elements ------------------------------------------------------------------------------------- */

static void swap(unsigned char *to, const unsigned char *from, int64_t n, size_t size) {
  for (int64_t i = 0; i < n; i++)
    for (size_t b = 0; b < size; b++)
      to[(size_t)i * size + b] = from[(size_t)(i + 1) * size - 1 - b];
}

/* big_endian(bytes, offset, dtype, shape): a copy of the elements that begin `offset` bytes into the tensor of bytes. */
static int big_endian(lua_State *L) {
  cr_tensor *bytes = cr__lua_tensor_arg(L, 1, "big_endian", "bytes");
  int64_t offset = cr__lua_int_arg(L, 2, "big_endian", "offset"), shape[CR_MAX_DIMS], n = 1;
  cr_dtype dtype = cr__lua_dtype_arg(L, 3, "big_endian", "dtype");
  int ndim = cr__lua_ints_arg(L, 4, "big_endian", "shape", true, shape, CR_MAX_DIMS);
  size_t size = cr_dtype_size(dtype);
  int64_t room = (cr_numel(bytes) - offset) / (int64_t)size;
  for (int d = 0; d < ndim; d++)
    if (shape[d] < 0 || __builtin_mul_overflow(n, shape[d], &n)) n = INT64_MAX;
  if (cr_dtype_of(bytes) != CR_UINT8 || !cr_is_contiguous(bytes) || offset < 0 || n > room)
    return cr__lua_error(L, "big_endian: there are not so many bytes");
  cr__lua_tensor *u = cr__lua_new(L);
  u->t = CR__LUA_GET(L, cr_new(dtype, CR_CPU, ndim, shape));
  if (!u->t) return cr__lua_raise(L, NULL);
  swap(cr_data(u->t), (const unsigned char *)cr_data(bytes) + offset, n, size);
  return 1;
}

/* bytes_text(tensor): the bytes of a uint8 tensor as a string. */
static int bytes_text(lua_State *L) {
  cr_tensor *t = cr__lua_tensor_arg(L, 1, "bytes_text", "bytes");
  if (cr_dtype_of(t) != CR_UINT8 || !cr_is_contiguous(t) || cr_device_of(t) != CR_CPU)
    return cr__lua_error(L, "bytes_text: bytes must be contiguous uint8 on the CPU");
  lua_pushlstring(L, cr_data(t), (size_t)cr_numel(t));
  return 1;
}

/* ---- Folders ----------------------------------------------------------------------------------------------- */

static int close_folder(lua_State *L) {
  DIR **d = lua_touserdata(L, 1);
  if (*d) closedir(*d);
  *d = NULL;
  return 0;
}

/* list_folder(path): a table of the names in it but "." and "..", in no order; or nil and what is wrong. */
static int list_folder(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  DIR **d = lua_newuserdatauv(L, sizeof *d, 0);
  *d = NULL;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, close_folder);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_newtable(L);
  if (!(*d = opendir(path))) return no_file(L, path, strerror(errno));
  lua_Integer n = 0;
  for (struct dirent *e; (e = readdir(*d)) != NULL;) {
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    lua_pushstring(L, e->d_name);
    lua_rawseti(L, -2, ++n);
  }
  closedir(*d);
  *d = NULL;
  return 1;
}

/* is_terminal(number of a descriptor) */
static int is_terminal(lua_State *L) {
  lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
  return 1;
}

void cr__lua_open_data(lua_State *L) {
  static const luaL_Reg functions[] =
      {{"read_bytes", read_bytes},         {"big_endian", big_endian},
       {"bytes_text", bytes_text},         {"list_folder", list_folder},
       {"decode_png", cr__lua_decode_png}, {"decode_jpeg", cr__lua_decode_jpeg},
       {"encode_png", cr__lua_encode_png}, {"worker", cr__lua_new_worker},
       {"is_terminal", is_terminal},       {NULL, NULL}};
  cr__lua_open_worker(L);
  luaL_newlib(L, functions);
  lua_setfield(L, -2, "_data");
}
