/* deflate.c: compressed bytes, by the system's zlib, and the check sum of zip files.
 *
 * Holds true: zlib is opened at the first use of compressed bytes and never linked: who loads no such file does not
 * pay for it, and a machine without it (Debian: zlib1g) gets a sentence. Its stream is declared here as its
 * binary interface has been since version 1.0. Nothing is written beyond the room that the caller gives. */
#include "io.h"

#include <dlfcn.h>
#include <pthread.h>

typedef struct stream {
  const uint8_t *next_in;
  unsigned avail_in;
  unsigned long total_in;
  uint8_t *next_out;
  unsigned avail_out;
  unsigned long total_out;
  const char *message;
  void *state, *alloc, *free, *opaque;
  int data_type;
  unsigned long adler, reserved;
} stream;

enum {
  FINISH = 4,
  DONE = 1,
  BUFFER = -5,
  RAW = -15,
  ANY = 15 + 32,
  DEFLATED = 8,
  MEMORY_LEVEL = 8
};

typedef struct library {
  int (*inflate_init)(stream *, int bits, const char *version, int size);
  int (*inflate)(stream *, int flush);
  int (*inflate_end)(stream *);
  int (*deflate_init)(stream *, int level, int method, int bits, int memory, int strategy,
                      const char *version, int size);
  int (*deflate)(stream *, int flush);
  int (*deflate_end)(stream *);
  bool there;
} library;

static library zlib;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_library(void) {
  void *handle = dlopen("libz.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!handle) return;
  *(void **)&zlib.inflate_init = dlsym(handle, "inflateInit2_");
  *(void **)&zlib.inflate = dlsym(handle, "inflate");
  *(void **)&zlib.inflate_end = dlsym(handle, "inflateEnd");
  *(void **)&zlib.deflate_init = dlsym(handle, "deflateInit2_");
  *(void **)&zlib.deflate = dlsym(handle, "deflate");
  *(void **)&zlib.deflate_end = dlsym(handle, "deflateEnd");
  zlib.there = zlib.inflate_init && zlib.inflate && zlib.inflate_end && zlib.deflate_init &&
               zlib.deflate && zlib.deflate_end;
}

static int need_library(void) {
  pthread_once(&once, open_library);
  if (zlib.there) return 0;
  return cr__fail(CR_E_FILE, "compressed bytes need the library libz.so.1, which is not there "
                             "(Debian: zlib1g)");
}

/* Hands the stream as much of both sides as its counters hold. */
static void feed(stream *z, size_t *in, size_t *out) {
  const size_t most = 1u << 30;
  unsigned more = (unsigned)(*in < most ? *in : most);
  if (z->avail_in == 0) z->avail_in = more, *in -= more;
  more = (unsigned)(*out < most ? *out : most);
  if (z->avail_out == 0) z->avail_out = more, *out -= more;
}

int cr_inflate(const void *from, size_t n, bool raw, void *to, size_t room, size_t *made) {
  stream z = {.next_in = from, .next_out = to};
  if (need_library()) return (int)cr_error_code();
  if (zlib.inflate_init(&z, raw ? RAW : ANY, "1.2.0", (int)sizeof z))
    return cr__fail_memory("inflating bytes", 1 << 16);
  size_t in = n, out = room;
  int state = 0;
  while (state == 0) {
    feed(&z, &in, &out);
    state = zlib.inflate(&z, 0);
  }
  *made = z.total_out;
  zlib.inflate_end(&z);
  if (state == DONE) return 0;
  if (state == BUFFER && z.avail_out == 0)
    return cr__fail(CR_E_FILE, "the compressed bytes are more than the %zu announced", room);
  return cr__fail(CR_E_FILE, "the compressed bytes are damaged%s",
                  state == BUFFER ? ": they end too early" : "");
}

int cr_deflate(const void *from, size_t n, void *to, size_t room, size_t *made) {
  stream z = {.next_in = from, .next_out = to};
  if (need_library()) return (int)cr_error_code();
  if (zlib.deflate_init(&z, 6, DEFLATED, RAW, MEMORY_LEVEL, 0, "1.2.0", (int)sizeof z))
    return cr__fail_memory("deflating bytes", 1 << 18);
  size_t in = n, out = room;
  int state = 0;
  while (state == 0) {
    feed(&z, &in, &out);
    state = zlib.deflate(&z, in == 0 ? FINISH : 0);
  }
  *made = z.total_out;
  zlib.deflate_end(&z);
  return state == DONE ? 0 : cr__fail(CR_E_ARGUMENT, "deflate: %zu bytes are too few", room);
}

/* ---- CRC-32 ------------------------------------------------------------------------------------------- */

static uint32_t table[8][256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

/* table[k][b]: what byte b leaves behind, k bytes later. */
static void make_table(void) {
  for (uint32_t b = 0; b < 256; b++) {
    uint32_t c = b;
    for (int bit = 0; bit < 8; bit++) c = c >> 1 ^ (c & 1 ? 0xEDB88320u : 0);
    table[0][b] = c;
  }
  for (int k = 1; k < 8; k++)
    for (int b = 0; b < 256; b++)
      table[k][b] = table[k - 1][b] >> 8 ^ table[0][table[k - 1][b] & 255];
}

uint32_t cr_crc32(uint32_t before, const void *data, size_t n) {
  const uint8_t *p = data;
  uint32_t c = ~before;
  pthread_once(&table_once, make_table);
  for (; n >= 8; n -= 8, p += 8) {
    uint32_t low =
        c ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
    c = table[7][low & 255] ^ table[6][low >> 8 & 255] ^ table[5][low >> 16 & 255] ^
        table[4][low >> 24] ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
  }
  for (; n > 0; n--, p++) c = c >> 8 ^ table[0][(c ^ *p) & 255];
  return ~c;
}
