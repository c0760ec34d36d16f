/* cuda/runtime/allocator.h: what the files of the allocator (allocator, pending, memory) share.
 *
 * Holds true: all but my_arena is read and written under the lock of its device. */
#ifndef CR__CUDA_ALLOCATOR_H
#define CR__CUDA_ALLOCATOR_H

#include "runtime.h"

#include <stdlib.h>

#include <mutex>

struct cr__arena {
  int ordinal;
  bool dead; /* its graph is gone: what tensors give back goes back to the device */
};

namespace cr__memory {

enum { NBIN = 256, NBUCKET = 1 << 14 };

struct segment;
struct pool;
struct use { /* by a stream that is not the block's own */
  cr_stream *stream;
  cudaEvent_t event; /* once the block is free: what the stream has to do first; or NULL */
};
struct block {
  char *p;
  size_t size;
  uint64_t serial; /* of this use; 0: free */
  segment *in;
  block *before, *after;       /* neighbours in memory */
  block *free_before, *free_after; /* in the bin */
  block *hash_next;
  use *uses;
  int nuse, room;
};
struct segment {
  segment *next;
  pool *home;
  char *p;
  size_t size;
  block *first;
};
struct pool {
  pool *next;
  cudaStream_t stream;
  cr__arena *arena;
  bool small;
  uint64_t filled[NBIN / 64]; /* a bit per bin that holds something */
  block *bins[NBIN];
};
struct device {
  std::mutex lock;
  pool *pools;
  segment *segments;
  block *buckets[NBUCKET]; /* blocks in use, by address */
  block *pending;          /* freed ones that other streams still work with */
  block *spare;            /* descriptions that describe nothing, by hash_next */
  uint64_t serial;
  cr_memory stats;
};
extern device devices[CR__MAX_DEVICES];

/* Memory is given back in the middle of other work, whose active device must stay. */
struct visit {
  int before = -1;
  visit() { (void)cudaGetDevice(&before); }
  ~visit() {
    if (before >= 0) (void)cr__activate(before);
  }
};

/* ---- allocator.cu ---- */
block *used_find(device *d, const void *p); /* the block in use that starts at p, or NULL */
void settle(device *d, block *b);           /* gives a block back that nobody works with */
void segment_give(device *d, segment *s);   /* to the device; all of it is free */
void empty_cache(device *d);
static inline bool is_free(const segment *s) {
  return s->first->serial == 0 && !s->first->after;
}

/* ---- pending.cu ---- */
void wait_for_uses(device *d, block *b);     /* gives it back once the other streams have passed */
void settle_pending(device *d, bool wait);   /* settles those that other streams have passed */

} // namespace cr__memory

#endif
