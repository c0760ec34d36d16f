/* alloc.h: what alloc.c (small blocks) and memory.c (tensor data on the host) share.
 *
 * Holds true: a cache belongs to one thread, which alone changes it; other threads only read its
 * counters. Blocks may be freed by another thread than the one that took them, so counters of one
 * thread may be negative and only sums over all threads mean something. */
#ifndef CR__ALLOC_H
#define CR__ALLOC_H

#include <stdatomic.h>

#include "base.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CR__UNCACHED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define CR__UNCACHED 1
#endif
#ifndef CR__UNCACHED
#define CR__UNCACHED 0 /* 1: every block comes from the system, so that misuse shows */
#endif

#define CR__GRAIN 16        /* small blocks: a list per multiple of it */
#define CR__SMALL_LISTS 129 /* up to 2048 bytes */
#define CR__DATA_LISTS 72   /* data of up to 32 KiB is cached per thread */

/* Bytes of new tensors that are never worth a collection, and that always are (or what was live). */
#define CR__PRESSURE_LEAST (4 << 20)
#define CR__PRESSURE_MOST (64 << 20)

typedef struct cr__block {
  struct cr__block *next;
} cr__block;

typedef struct cr__cache {
  cr__block *small[CR__SMALL_LISTS];
  cr__block *data[CR__DATA_LISTS];
  size_t small_bytes; /* in all lists of `small` */
  size_t data_bytes;  /* and of `data` */
  uint32_t ndata[CR__DATA_LISTS];
  _Atomic int64_t taken;      /* small blocks handed out, */
  _Atomic int64_t given;      /* and given back; */
  _Atomic int64_t data_taken; /* blocks of data handed out */
  int64_t fail_in;            /* > 0: that many allocations from now, one fails; < 0: each does */
  bool fail_on;               /* once one has failed, each does */
  int64_t since;              /* bytes handed out less those given back since the last collection */
  int64_t due;                /* how many make the next one worth its time */
  int64_t most, near;         /* bounds of due, see cr__host_collected() */
  int64_t room;         /* bytes that may be handed out before a collector is asked for a step */
  double large_weight;  /* what a byte of a large block adds to `since` */
  double device_weight; /* and one of another device */
  struct cr__cache *next, *previous;
} cr__cache;

extern CR__TLS cr__cache *cr__my_cache;
cr__cache *cr__cache_make(void); /* the calling thread's; NULL with the error set */
static inline cr__cache *cr__cache_get(void) {
  return CR__LIKELY(cr__my_cache != NULL) ? cr__my_cache : cr__cache_make();
}
/* Counts by the owner alone, so no locked instruction is needed. */
static inline void cr__count_own(_Atomic int64_t *counter, int64_t by) {
  atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                        memory_order_relaxed);
}
bool cr__inject(cr__cache *c); /* for cr__injected: whether this allocation is to fail */
static inline bool cr__injected(cr__cache *c) {
  return CR__UNLIKELY(c->fail_in != 0) && cr__inject(c);
}
#define CR__ROOM_EACH 160 /* what freeing a small block takes, in the time that bytes take */
/* A small block of n bytes has been taken. */
static inline void cr__count_taken(cr__cache *c, size_t n) {
  cr__count_own(&c->taken, 1);
  c->since += (int64_t)n;
  c->room -= (int64_t)n + CR__ROOM_EACH;
}
/* Takes a block of n bytes from the list of its size, which has one. */
static inline void *cr__take_listed(cr__cache *c, size_t list, size_t n) {
  cr__block *b = c->small[list];
  c->small[list] = b->next;
  c->small_bytes -= list * CR__GRAIN;
  cr__count_taken(c, n);
  return b;
}
/* cr__alloc in the caller's own code. n is not 0. */
static inline void *cr__alloc_quickly(size_t n) {
  cr__cache *c = cr__my_cache;
  size_t list = (n + CR__GRAIN - 1) / CR__GRAIN;
  if (CR__UNLIKELY(!c || c->fail_in != 0 || list >= CR__SMALL_LISTS || !c->small[list]))
    return cr__alloc(n);
  return cr__take_listed(c, list, n);
}
void cr__cache_totals(int64_t *objects, int64_t *allocations); /* over all threads */
extern _Atomic int64_t cr__small_held; /* bytes of small blocks, cached ones included */
void cr__small_flush(cr__cache *c);    /* gives cached small blocks back to the system */

/* memory.c */
int cr__over_limit(const char *what, size_t nbytes); /* nonzero with the error set */
void cr__data_flush(cr__cache *c);
void cr__host_stats(cr_memory *out);
void cr__host_reset_peak(void);
void cr__host_limit(int64_t bytes);
void cr__host_empty_cache(void);
/* The collector has walked `heap` bytes; `elsewhere`: the bytes that tensors use on devices. */
void cr__host_collected(int64_t heap, int64_t elsewhere);

#endif
