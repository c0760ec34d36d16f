/* cpu/convert.c: moving runs of elements; the loops over dtypes themselves are in loops_convert.c. */
#include "convert.h"

#include <string.h>

#include "loops.h"

enum { CHUNK = 512 };

void cr__convert(void *out, int to, const void *in, int from, int64_t n) {
  if (to == from) {
    memcpy(out, in, (size_t)n * cr__size_of((cr_dtype)to));
    return;
  }
  cr__converter_for(from, to)(n, out, in);
}

#define GATHER(TYPE)                                          \
  do {                                                        \
    TYPE *to = out;                                           \
    const TYPE *from = in;                                    \
    for (int64_t i = 0; i < n; i++) to[i] = from[i * stride]; \
  } while (0)
#define SCATTER(TYPE)                                         \
  do {                                                        \
    TYPE *to = out;                                           \
    const TYPE *from = in;                                    \
    for (int64_t i = 0; i < n; i++) to[i * stride] = from[i]; \
  } while (0)
#define SPLAT(TYPE)                                \
  do {                                             \
    TYPE *to = out, value;                         \
    memcpy(&value, element, sizeof value);         \
    for (int64_t i = 0; i < n; i++) to[i] = value; \
  } while (0)
/* Elements are moved as integers of their size. */
#define BY_SIZE(size, MOVE)       \
  switch (size) {                 \
  case 1: MOVE(uint8_t); break;   \
  case 2: MOVE(uint16_t); break;  \
  case 4: MOVE(uint32_t); break;  \
  default: MOVE(uint64_t); break; \
  }

static void gather(void *out, const void *in, size_t size, int64_t stride, int64_t n) {
  BY_SIZE(size, GATHER)
}

static void scatter(void *out, const void *in, size_t size, int64_t stride, int64_t n) {
  BY_SIZE(size, SCATTER)
}

void cr__splat(void *out, const void *element, size_t size, int64_t n) { BY_SIZE(size, SPLAT) }

void cr__read_run(void *out, int to, const void *in, int from, int64_t stride, int64_t n) {
  size_t size = cr__size_of((cr_dtype)from), to_size = cr__size_of((cr_dtype)to);
  if (stride == 1) {
    cr__convert(out, to, in, from, n);
  } else if (to == from) {
    gather(out, in, size, stride, n);
  } else {
    _Alignas(64) char run[CHUNK * 8];
    for (int64_t i = 0; i < n; i += CHUNK) {
      int64_t m = n - i < CHUNK ? n - i : CHUNK;
      gather(run, (const char *)in + i * stride * (int64_t)size, size, stride, m);
      cr__convert((char *)out + i * (int64_t)to_size, to, run, from, m);
    }
  }
}

void cr__write_run(void *out, int to, int64_t stride, const void *in, int from, int64_t n) {
  size_t size = cr__size_of((cr_dtype)from), to_size = cr__size_of((cr_dtype)to);
  if (stride == 1) {
    cr__convert(out, to, in, from, n);
  } else if (to == from) {
    scatter(out, in, size, stride, n);
  } else {
    _Alignas(64) char run[CHUNK * 8];
    for (int64_t i = 0; i < n; i += CHUNK) {
      int64_t m = n - i < CHUNK ? n - i : CHUNK;
      cr__convert(run, to, (const char *)in + i * (int64_t)size, from, m);
      scatter((char *)out + i * stride * (int64_t)to_size, run, to_size, stride, m);
    }
  }
}
