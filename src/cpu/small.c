/* cpu/small.c: pointwise calls of few elements, without the plan that elementwise.c makes for more.
 *
 * Holds true: a loop gets whole blocks here as there, so an element's result is the same. What fills
 * a block and has the loop's dtype is used where it lies; all else passes through a block on the stack,
 * whose last elements are copies of the last one that is wanted. */
#include <string.h>

#include "convert.h"
#include "cpu.h"
#include "loops.h"

enum { FEW = 256 };

typedef struct block {
  _Alignas(64) char bytes[CR__BLOCK * 8];
} block;

#define INLINE static inline __attribute__((always_inline))

/* Fills the block with copies of one element; `size` is a constant where this pays. */
INLINE void repeat(block *b, const void *element, size_t size) {
  uint64_t words[2] = {0};
  switch (size) {
  case 1: words[0] = *(const uint8_t *)element * UINT64_C(0x0101010101010101); break;
  case 2: words[0] = *(const uint16_t *)element * UINT64_C(0x0001000100010001); break;
  case 4: words[0] = *(const uint32_t *)element * UINT64_C(0x0000000100000001); break;
  default: memcpy(words, element, sizeof *words);
  }
  words[1] = words[0];
  for (size_t i = 0; i < CR__BLOCK * size; i += sizeof words)
    memcpy(b->bytes + i, words, sizeof words);
}

/* The first and the last k of n bytes; between them they are all if n <= 2 k. */
INLINE void copy_ends(char *to, const char *from, size_t n, size_t k) {
  memcpy(to, from, k);
  memcpy(to + n - k, from + n - k, k);
}

/* memcpy of less than a block, without a call. */
INLINE void copy_few(char *to, const char *from, size_t n) {
  if (n >= 16) {
    for (size_t i = 16; i + 16 < n; i += 16) memcpy(to + i, from + i, 16);
    copy_ends(to, from, n, 16);
  } else if (n >= 8) {
    copy_ends(to, from, n, 8);
  } else if (n >= 4) {
    copy_ends(to, from, n, 4);
  } else {
    for (size_t i = 0; i < n; i++) to[i] = from[i];
  }
}

/* Where the loop finds n elements of an operand that lie from `from` on. */
INLINE const void *fetch(const cr__operand *in, int compute, size_t size, const char *from,
                         int64_t n, block *b) {
  if (CR__UNLIKELY(in->dtype != compute)) {
    block wanted;
    cr__convert(wanted.bytes, compute, from, in->dtype, n);
    repeat(b, wanted.bytes + (n - 1) * (int64_t)size, size);
    memcpy(b->bytes, wanted.bytes, (size_t)n * size);
    return b->bytes;
  }
  if (n == CR__BLOCK) return from;
  repeat(b, from + (n - 1) * (int64_t)size, size);
  if (n > 1) copy_few(b->bytes, from, (size_t)n * size);
  return b->bytes;
}

/* One element in all places: an operand's only one, or a number. */
INLINE const void *fetch_one(const cr__operand *in, int compute, size_t size, block *b) {
  if (in->data) return fetch(in, compute, size, in->data, 1, b);
  char number[8];
  cr__store_scalar(number, (cr_dtype)compute, &in->number);
  repeat(b, number, size);
  return b->bytes;
}

INLINE void put(const cr__operand *o, char *to, const block *out, int native, size_t n) {
  if (CR__UNLIKELY(o->dtype != native)) cr__convert(to, o->dtype, out->bytes, native, (int64_t)n);
  else copy_few(to, out->bytes, n * cr__size_of((cr_dtype)native));
}

/* Fetches what the block from `at` on needs; false if an operand lies in another way. */
INLINE bool fetch_all(const cr__elementwise *e, size_t size, int64_t at, int64_t count, bool many,
                      block *in, const void **from) {
  for (int i = 0; i < e->nin; i++) {
    const cr__operand *o = &e->in[i];
    int64_t stride = o->data && many ? o->stride[0] : 0;
    if (stride == 1) {
      const char *data = o->data + at * (int64_t)cr__size_of((cr_dtype)o->dtype);
      from[i] = fetch(o, e->compute, size, data, count, &in[i]);
    } else if (stride) {
      return false;
    } else if (at == 0) {
      from[i] = fetch_one(o, e->compute, size, &in[i]);
    }
  }
  return true;
}

INLINE bool run(const cr__elementwise *e, int64_t n, cr__loop loop, int native, size_t size) {
  block in[CR__MAX_OPERANDS], out;
  const void *from[CR__MAX_OPERANDS];
  _Alignas(16) char numbers[4 * 8];
  for (int j = 0; j < e->nk; j++)
    cr__store_scalar(numbers + (size_t)j * size, (cr_dtype)e->compute, &e->k[j]);
  for (int64_t at = 0; at < n; at += CR__BLOCK) {
    int64_t count = n - at < CR__BLOCK ? n - at : CR__BLOCK;
    if (!fetch_all(e, size, at, count, n > 1, in, from)) return false;
    char *to = e->out.data + at * (int64_t)cr__size_of((cr_dtype)e->out.dtype);
    bool here = count == CR__BLOCK && e->out.dtype == native;
    loop(CR__BLOCK, here ? to : out.bytes, from, numbers);
    if (!here) put(&e->out, to, &out, native, (size_t)count);
  }
  return true;
}

bool cr__cpu_small(const cr__elementwise *e, int64_t n, cr__loop loop, int native) {
  if (n > FEW || e->ndim > 1 || (n > 1 && e->out.stride[0] != 1)) return false;
  size_t size = cr__size_of((cr_dtype)e->compute);
  return size == 4 ? run(e, n, loop, native, 4) : run(e, n, loop, native, size);
}
