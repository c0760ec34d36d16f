/* convert.c: moving runs of elements; the loops over dtypes themselves are in loops_convert.c. */
#include "convert.h"

#include <string.h>

#include "index.h"
#include "cpu/loops/loops.h"

enum { CHUNK = 512 };

void cr__convert(void *out, int to, const void *in, int from, int64_t n) {
  if (to == from) {
    memcpy(out, in, (size_t)n * cr__size_of((cr_dtype)to));
    return;
  }
  cr__converter_for(from, to)(n, out, in);
}

void cr__convert_past(void *out, int to, const void *in, int from, int64_t n, bool past) {
  int64_t lines = past ? n / CR__LINE * CR__LINE : 0;
  size_t size = cr__size_of((cr_dtype)from), to_size = cr__size_of((cr_dtype)to);
  char *o = out;
  const char *s = in;
  if (to == from) {
    if (lines) cr__best_stream()(o, s, (size_t)lines * size);
  } else {
    _Alignas(64) char run[CHUNK * CR__MAX_ELEMENT];
    for (int64_t i = 0; i < lines; i += CHUNK) {
      int64_t m = lines - i < CHUNK ? lines - i : CHUNK;
      cr__convert(run, to, s + i * (int64_t)size, from, m);
      cr__best_stream()(o + i * (int64_t)to_size, run, (size_t)m * to_size);
    }
  }
  cr__convert(o + lines * (int64_t)to_size, to, s + lines * (int64_t)size, from, n - lines);
}

void cr__stream_end(void) {
  if (!cr__cpu_shares()) cr__best_stream()(NULL, NULL, 0);
}

#define SCATTER(TYPE)                                         \
  do {                                                        \
    TYPE *to = out;                                           \
    const TYPE *from = in;                                    \
    for (int64_t i = 0; i < n; i++) to[i * stride] = from[i]; \
  } while (0)
/* Elements are moved as integers of their size. */
#define BY_SIZE(size, MOVE)      \
  switch (size) {                \
  case 1: MOVE(uint8_t); break;  \
  case 2: MOVE(uint16_t); break; \
  case 4: MOVE(uint32_t); break; \
  case 8: MOVE(uint64_t); break; \
  default: MOVE(cr__bytes16);    \
  }

static void gather(void *out, const void *in, size_t size, int64_t stride, int64_t n) {
  if (stride == 0) {
    cr__splat(out, in, size, n);
    return;
  }
  cr__index_loops_here()->step[cr__size_kind((int64_t)size)](out, in, stride, n);
}

static void scatter(void *out, const void *in, size_t size, int64_t stride, int64_t n) {
  BY_SIZE(size, SCATTER)
}

void cr__splat(void *out, const void *element, size_t size, int64_t n) {
  cr__best_splat()(out, element, size, n);
}

void cr__splat_past(void *out, const void *element, size_t size, int64_t n) {
  _Alignas(64) char run[CHUNK * CR__MAX_ELEMENT];
  int64_t lines = n / CR__LINE * CR__LINE;
  cr__splat(run, element, size, lines < CHUNK ? lines : CHUNK);
  for (int64_t i = 0; i < lines; i += CHUNK) {
    int64_t m = lines - i < CHUNK ? lines - i : CHUNK;
    cr__best_stream()((char *)out + i * (int64_t)size, run, (size_t)m * size);
  }
  cr__splat((char *)out + lines * (int64_t)size, element, size, n - lines);
}

void cr__read_run(void *out, int to, const void *in, int from, int64_t stride, int64_t n) {
  size_t size = cr__size_of((cr_dtype)from), to_size = cr__size_of((cr_dtype)to);
  if (stride == 1) {
    cr__convert(out, to, in, from, n);
  } else if (to == from) {
    gather(out, in, size, stride, n);
  } else {
    _Alignas(64) char run[CHUNK * CR__MAX_ELEMENT];
    for (int64_t i = 0; i < n; i += CHUNK) {
      int64_t m = n - i < CHUNK ? n - i : CHUNK;
      gather(run, (const char *)in + i * stride * (int64_t)size, size, stride, m);
      cr__convert((char *)out + i * (int64_t)to_size, to, run, from, m);
    }
  }
}

void cr__read_looking(void *out, int to, const void *in, int from, int64_t stride, int64_t n) {
  int64_t size = (int64_t)cr__size_of((cr_dtype)from), to_size = (int64_t)cr__size_of((cr_dtype)to);
  CR__STRETCHES(b, n)
  cr__read_run((char *)out + b * to_size, to, (const char *)in + b * stride * size, from, stride,
               n - b < CR__STRETCH ? n - b : CR__STRETCH);
}

void cr__write_run(void *out, int to, int64_t stride, const void *in, int from, int64_t n) {
  size_t size = cr__size_of((cr_dtype)from), to_size = cr__size_of((cr_dtype)to);
  if (stride == 1) {
    cr__convert(out, to, in, from, n);
  } else if (to == from) {
    scatter(out, in, size, stride, n);
  } else {
    _Alignas(64) char run[CHUNK * CR__MAX_ELEMENT];
    for (int64_t i = 0; i < n; i += CHUNK) {
      int64_t m = n - i < CHUNK ? n - i : CHUNK;
      cr__convert(run, to, (const char *)in + i * (int64_t)size, from, m);
      scatter((char *)out + i * stride * (int64_t)to_size, run, to_size, stride, m);
    }
  }
}
