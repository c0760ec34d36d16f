/* loops_small.c: pointwise calls of few elements, without the plan that elementwise.c makes for
 * more; for one instruction set (CR__ISA).
 *
 * Holds true: a loop gets whole blocks here as there, so an element's result is the same. What fills
 * a block and has the loop's dtype is used where it lies; all else passes through a block on the stack,
 * whose last elements are copies of the last one that is wanted. That block is written as the loop
 * reads it, by whole vectors under a mask: narrower writes would have to drain before it could. */
#include <string.h>

#include "cpu/convert.h"
#include "cpu/cpu.h"
#include "loops.h"

typedef struct block {
  _Alignas(64) char bytes[CR__BLOCK * CR__MAX_ELEMENT];
} block;

#define INLINE static inline __attribute__((always_inline))

/* fill: n elements and copies of the last one, a block of them. keep: the first n of a block.
 * repeat: a block of one element. */
#define MOVES(T, size)                                                                     \
  typedef T __attribute__((may_alias, aligned(1))) T##_;                                   \
  INLINE void fill##size(void *to, const void *from, int n) {                              \
    const T##_ *in = from;                                                                 \
    T last = in[n - 1], *out = to;                                                         \
    _Pragma("omp simd") for (int i = 0; i < CR__BLOCK; i++) out[i] = i < n ? in[i] : last; \
  }                                                                                        \
  INLINE void keep##size(void *to, const void *from, int n) {                              \
    const T *in = from;                                                                    \
    T##_ *out = to;                                                                        \
    _Pragma("omp simd") for (int i = 0; i < CR__BLOCK; i++) if (i < n) out[i] = in[i];     \
  }                                                                                        \
  INLINE void repeat##size(void *to, const void *element) {                                \
    T one, *out = to;                                                                      \
    memcpy(&one, element, sizeof one);                                                     \
    _Pragma("omp simd") for (int i = 0; i < CR__BLOCK; i++) out[i] = one;                  \
  }
MOVES(uint8_t, 1)
MOVES(uint16_t, 2)
MOVES(uint32_t, 4)
MOVES(uint64_t, 8)

INLINE void fill16(void *to, const void *from, int n) {
  for (int i = 0; i < CR__BLOCK; i++) {
    cr__bytes16 one;
    memcpy(&one, (const char *)from + (i < n ? i : n - 1) * 16, 16);
    memcpy((char *)to + i * 16, &one, 16);
  }
}
INLINE void keep16(void *to, const void *from, int n) { memcpy(to, from, (size_t)n * 16); }
INLINE void repeat16(void *to, const void *element) {
  for (int i = 0; i < CR__BLOCK; i++) memcpy((char *)to + i * 16, element, 16);
}

/* Whether a block from p on would reach into the next page. What a mask leaves out is not touched, but
 * if that page is not there, finding so takes the processor longer than the whole call. */
INLINE bool leaves_page(const void *p, size_t size) {
  enum { PAGE = 4096 /* or a multiple */ };
  return CR__UNLIKELY(((uintptr_t)p & (PAGE - 1)) > PAGE - CR__BLOCK * size);
}

INLINE void fill(void *to, const void *from, int n, size_t size) {
  if (leaves_page(from, size)) from = memcpy(to, from, (size_t)n * size);
  switch (size) {
  case 1: fill1(to, from, n); break;
  case 2: fill2(to, from, n); break;
  case 4: fill4(to, from, n); break;
  case 8: fill8(to, from, n); break;
  default: fill16(to, from, n);
  }
}

INLINE void keep(void *to, const void *from, int n, size_t size) {
  if (leaves_page(to, size)) {
    memcpy(to, from, (size_t)n * size);
    return;
  }
  switch (size) {
  case 1: keep1(to, from, n); break;
  case 2: keep2(to, from, n); break;
  case 4: keep4(to, from, n); break;
  case 8: keep8(to, from, n); break;
  default: keep16(to, from, n);
  }
}

INLINE void repeat(void *to, const void *element, size_t size) {
  switch (size) {
  case 1: repeat1(to, element); break;
  case 2: repeat2(to, element); break;
  case 4: repeat4(to, element); break;
  case 8: repeat8(to, element); break;
  default: repeat16(to, element);
  }
}

/* Where the loop finds n elements of an operand that lie from `from` on. */
INLINE const void *fetch(const cr__operand *in, int compute, size_t size, const char *from, int n,
                         block *b) {
  if (CR__UNLIKELY(in->dtype != compute)) {
    block wanted;
    cr__convert(wanted.bytes, compute, from, in->dtype, n);
    fill(b->bytes, wanted.bytes, n, size);
    return b->bytes;
  }
  if (n == CR__BLOCK) return from;
  fill(b->bytes, from, n, size);
  return b->bytes;
}

/* One element in all places: an operand's only one, or a number. */
INLINE const void *fetch_one(const cr__operand *in, int compute, size_t size, block *b) {
  char number[CR__MAX_ELEMENT];
  if (!in->data) cr__store_scalar(number, (cr_dtype)compute, &in->number);
  else if (CR__UNLIKELY(in->dtype != compute)) cr__convert(number, compute, in->data, in->dtype, 1);
  else memcpy(number, in->data, size);
  repeat(b->bytes, number, size);
  return b->bytes;
}

INLINE void put(const cr__operand *o, char *to, const block *out, int native, int n) {
  if (CR__UNLIKELY(o->dtype != native)) cr__convert(to, o->dtype, out->bytes, native, n);
  else keep(to, out->bytes, n, cr__size_of((cr_dtype)native));
}

/* Fetches what the block from `at` on needs; false if an operand lies in another way. */
INLINE bool fetch_all(const cr__elementwise *e, size_t size, int64_t at, int count, bool many,
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

static bool run(const cr__elementwise *e, int64_t n, cr__loop loop, int native, size_t size) {
  block in[CR__MAX_OPERANDS], out;
  const void *from[CR__MAX_OPERANDS];
  _Alignas(16) char numbers[4 * CR__MAX_ELEMENT];
  for (int j = 0; j < e->nk; j++)
    cr__store_scalar(numbers + (size_t)j * size, (cr_dtype)e->compute, &e->k[j]);
  for (int64_t at = 0; at < n; at += CR__BLOCK) {
    int count = n - at < CR__BLOCK ? (int)(n - at) : CR__BLOCK;
    if (!fetch_all(e, size, at, count, n > 1, in, from)) return false;
    char *to = e->out.data + at * (int64_t)cr__size_of((cr_dtype)e->out.dtype);
    bool here = count == CR__BLOCK && e->out.dtype == native;
    loop(CR__BLOCK, here ? to : out.bytes, from, numbers);
    if (!here) put(&e->out, to, &out, native, count);
  }
  return true;
}

bool CR__PASTE(cr__small_, CR__ISA)(const cr__elementwise *e, int64_t n, cr__loop loop,
                                    int native) {
  if (n > CR__FEW || e->ndim > 1 || (n > 1 && e->out.stride[0] != 1)) return false;
  return run(e, n, loop, native, cr__size_of((cr_dtype)e->compute));
}

/* ---- Calls where nothing is to be converted ---- */

/* n elements, less than a block, from byte `at` on. */
INLINE void run_part(const cr__few *f, cr__loop loop, size_t size, int at, int n) {
  block in[CR__MAX_OPERANDS], out;
  const void *from[CR__MAX_OPERANDS];
  for (int i = 0; i < f->nin; i++) {
    from[i] = in[i].bytes;
    if (CR__UNLIKELY(f->single >> i & 1)) repeat(in[i].bytes, f->in[i], size);
    else fill(in[i].bytes, f->in[i] + at, n, size);
  }
  loop(CR__BLOCK, out.bytes, from, f->k);
  keep(f->out + at, out.bytes, n, size);
}

/* The whole blocks; returns where they end. */
static __attribute__((noinline)) int run_blocks(const cr__few *f, cr__loop loop, size_t size) {
  block in[CR__MAX_OPERANDS];
  const void *from[CR__MAX_OPERANDS];
  int end = f->n / CR__BLOCK * CR__BLOCK * (int)size;
  for (int i = 0; i < f->nin; i++)
    if (f->single >> i & 1) repeat(in[i].bytes, f->in[i], size);
  for (int at = 0; at < end; at += (int)(CR__BLOCK * size)) {
    for (int i = 0; i < f->nin; i++) from[i] = f->single >> i & 1 ? in[i].bytes : f->in[i] + at;
    loop(CR__BLOCK, f->out + at, from, f->k);
  }
  return end;
}

INLINE void run_few(const cr__few *f, cr__loop loop, size_t size) {
  int at = f->n < CR__BLOCK ? 0 : run_blocks(f, loop, size), rest = f->n % CR__BLOCK;
  if (rest) run_part(f, loop, size, at, rest);
}

void CR__PASTE(cr__few_, CR__ISA)(const cr__few *f) {
  cr__loop loop = CR__PASTE(cr__loops_, CR__ISA)[f->pointwise][f->dtype];
  if (CR__UNLIKELY(!loop)) loop = cr__loop_for(f->pointwise, f->dtype);
  size_t size = cr__size_of((cr_dtype)f->dtype);
  if (size == 4) run_few(f, loop, 4);
  else run_few(f, loop, size);
}
