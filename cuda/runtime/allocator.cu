/* cuda/runtime/allocator.cu: device memory: cached blocks, by device and stream, taken and given back.
 *
 * Holds true: sizes are multiples of 512 bytes. Up to 1 MiB come from segments of 2 MiB, less than 10
 * MiB from segments of 20 MiB, more lie in one of their own. A freed block joins its free neighbours
 * and serves its own stream again at once, as a stream keeps its order; a block that another stream
 * was told to use waits for that stream. The memory of a graph (an arena) serves only that graph.
 * CRESSET_CUDA_CACHE=0 turns the cache off, so that memcheck sees every access beyond a tensor. With
 * CRESSET_CUDA_CACHE=scrub what is given back is overwritten with NaN and -1, in the order of the
 * stream that it goes back to: who works with it later, or elsewhere without a wait, sees that. */
#include "allocator.h"

#include <string.h>

namespace cr__memory {

enum { GRAIN = 512, LOOKS = 8 };
static const size_t SMALL = (size_t)1 << 20, SMALL_SEGMENT = (size_t)2 << 20;
static const size_t LARGE = (size_t)10 << 20, LARGE_SEGMENT = (size_t)20 << 20;

device devices[CR__MAX_DEVICES];
static thread_local cr__arena *my_arena;

enum cache_mode { CACHE_OFF, CACHE_ON, CACHE_SCRUBS };
static cache_mode cache() {
  static const cache_mode mode = [] {
    const char *text = getenv("CRESSET_CUDA_CACHE");
    if (text && strcmp(text, "scrub") == 0) return CACHE_SCRUBS;
    return text && strcmp(text, "0") == 0 ? CACHE_OFF : CACHE_ON;
  }();
  return mode;
}
static bool caching() { return cache() != CACHE_OFF; }

/* ---- Bins: eight per power of two ---- */

static int bin_of(size_t size) {
  uint64_t units = size / GRAIN;
  if (units < 16) return (int)units;
  int top = 63 - __builtin_clzll(units);
  int bin = (top - 4) * 8 + 16 + (int)(units >> (top - 3) & 7);
  return bin < NBIN ? bin : NBIN - 1;
}

static void bin_add(block *b) {
  pool *home = b->in->home;
  int k = bin_of(b->size);
  b->free_before = NULL;
  b->free_after = home->bins[k];
  if (b->free_after) b->free_after->free_before = b;
  home->bins[k] = b;
  home->filled[k / 64] |= (uint64_t)1 << k % 64;
}

static void bin_remove(block *b) {
  pool *home = b->in->home;
  int k = bin_of(b->size);
  if (b->free_before) b->free_before->free_after = b->free_after;
  else home->bins[k] = b->free_after;
  if (b->free_after) b->free_after->free_before = b->free_before;
  if (!home->bins[k]) home->filled[k / 64] &= ~((uint64_t)1 << k % 64);
}

/* A free block of at least `size`: of its own bin one of the first few, else the next bin's first. */
static block *bin_find(pool *home, size_t size) {
  int k = bin_of(size), looks = k == NBIN - 1 ? 1 << 30 : LOOKS;
  for (block *b = home->bins[k]; b && looks-- > 0; b = b->free_after)
    if (b->size >= size) return b;
  for (int word = (k + 1) / 64; word < NBIN / 64; word++) {
    uint64_t bits = home->filled[word];
    if (word == (k + 1) / 64) bits &= ~(uint64_t)0 << (k + 1) % 64;
    if (bits) return home->bins[word * 64 + __builtin_ctzll(bits)];
  }
  return NULL;
}

/* ---- Blocks in use, by address ---- */

static block **bucket(device *d, const void *p) {
  uint64_t h = (uint64_t)(uintptr_t)p / GRAIN * 0x9e3779b97f4a7c15u;
  return &d->buckets[h >> 50];
}

block *used_find(device *d, const void *p) {
  block *b = *bucket(d, p);
  while (b && b->p != p) b = b->hash_next;
  return b;
}

static block *used_take(device *d, const void *p) {
  for (block **link = bucket(d, p); *link; link = &(*link)->hash_next) {
    block *b = *link;
    if (b->p != p) continue;
    *link = b->hash_next;
    return b;
  }
  return NULL;
}

static void used_add(device *d, block *b) {
  block **first = bucket(d, b->p);
  b->serial = ++d->serial;
  b->hash_next = *first;
  *first = b;
}

/* ---- Segments ---- */

static pool *pool_of(device *d, cudaStream_t stream, cr__arena *arena, bool small) {
  for (pool *p = d->pools; p; p = p->next)
    if (p->stream == stream && p->arena == arena && p->small == small) return p;
  pool *p = (pool *)calloc(1, sizeof *p);
  if (!p) return NULL;
  p->stream = stream;
  p->arena = arena;
  p->small = small;
  p->next = d->pools;
  return d->pools = p;
}

/* Blocks are cut and joined at almost every call: their descriptions go round. */
static block *describe(device *d) {
  block *b = d->spare;
  if (!b) return (block *)calloc(1, sizeof *b);
  d->spare = b->hash_next;
  *b = block();
  return b;
}
static void forget(device *d, block *b) {
  b->hash_next = d->spare;
  d->spare = b;
}

/* Takes a segment from the device, as one free block. */
static segment *segment_new(device *d, pool *home, size_t size) {
  segment *s = (segment *)calloc(1, sizeof *s);
  block *b = (block *)calloc(1, sizeof *b);
  void *p = NULL;
  if (!s || !b || cudaMalloc(&p, size) != cudaSuccess) {
    (void)cudaGetLastError();
    free(s);
    free(b);
    return NULL;
  }
  s->home = home;
  s->p = b->p = (char *)p;
  s->size = b->size = size;
  s->first = b;
  b->in = s;
  s->next = d->segments;
  d->segments = s;
  d->stats.reserved += (int64_t)size;
  bin_add(b);
  return s;
}

void segment_give(device *d, segment *s) {
  segment **link = &d->segments;
  while (*link != s) link = &(*link)->next;
  *link = s->next;
  bin_remove(s->first);
  (void)cudaFree(s->p);
  (void)cudaGetLastError(); /* it may tell of earlier work, or that the process ends */
  d->stats.reserved -= (int64_t)s->size;
  free(s->first);
  free(s);
}

static void scrub(device *d, block *b) {
  pool *home = b->in->home;
  cudaStreamCaptureStatus captured = cudaStreamCaptureStatusNone;
  if (home->arena && home->arena != my_arena) return; /* a graph may fill it again at any time */
  visit here;
  if (cr__activate((int)(d - devices))) return;
  /* The stream may serve a capture now, which has nothing to do with the block. */
  (void)cudaStreamIsCapturing(home->stream, &captured);
  if (!home->arena && captured != cudaStreamCaptureStatusNone) return;
  (void)cudaMemsetAsync(b->p, 0xff, b->size, home->stream);
  (void)cudaGetLastError();
}

/* Joins a free block with what is free beside it, and gives it to its bin. */
void settle(device *d, block *b) {
  if (cache() == CACHE_SCRUBS) scrub(d, b);
  b->serial = 0;
  block *after = b->after, *before = b->before;
  if (after && after->serial == 0) {
    bin_remove(after);
    b->size += after->size;
    b->after = after->after;
    if (b->after) b->after->before = b;
    forget(d, after);
  }
  if (before && before->serial == 0) {
    bin_remove(before);
    before->size += b->size;
    before->after = b->after;
    if (b->after) b->after->before = before;
    forget(d, b);
    b = before;
  }
  bin_add(b);
  bool leaves = !caching() || (b->in->home->arena && b->in->home->arena->dead);
  if (leaves && is_free(b->in)) segment_give(d, b->in);
}

/* Cuts what exceeds `size` off a block that has left its bin; without memory for that it stays. */
static void cut(device *d, block *b, size_t size) {
  size_t rest = b->size - size;
  if (rest < (b->in->home->small ? (size_t)GRAIN : SMALL + 1)) return;
  block *tail = describe(d);
  if (!tail) return;
  tail->p = b->p + size;
  tail->size = rest;
  tail->in = b->in;
  tail->before = b;
  tail->after = b->after;
  if (tail->after) tail->after->before = tail;
  b->after = tail;
  b->size = size;
  bin_add(tail);
}

/* The device is not waited for, as another thread may be capturing there; cudaFree does what is
 * needed. */
void empty_cache(device *d) {
  settle_pending(d, true);
  for (segment *s = d->segments, *next; s; s = next) {
    next = s->next;
    if (is_free(s) && !s->home->arena) segment_give(d, s);
  }
}

/* ---- Taking ---- */

static size_t segment_size(size_t size) {
  if (size <= SMALL) return SMALL_SEGMENT;
  if (size < LARGE) return LARGE_SEGMENT;
  return (size + SMALL_SEGMENT - 1) / SMALL_SEGMENT * SMALL_SEGMENT;
}

static block *take(device *d, int ordinal, size_t nbytes) {
  size_t size = (nbytes + !nbytes + GRAIN - 1) / GRAIN * GRAIN;
  bool direct = !caching() && !my_arena;
  if (d->pending) settle_pending(d, false);
  pool *home = pool_of(d, cr__stream_of(ordinal), my_arena, size <= SMALL);
  if (!home) return NULL;
  block *b = direct ? NULL : bin_find(home, size);
  if (!b) {
    if (cr__activate(ordinal)) return NULL;
    size_t whole = direct ? nbytes + !nbytes : segment_size(size);
    segment *s = segment_new(d, home, whole);
    if (!s && !cr__capturing()) {
      empty_cache(d);
      s = segment_new(d, home, whole);
    }
    if (!s) return NULL;
    b = s->first;
  }
  bin_remove(b);
  if (!direct) cut(d, b, size);
  used_add(d, b);
  return b;
}

static int too_much(int ordinal, const device *d, size_t nbytes) {
  size_t free_bytes = 0, total = 0;
  (void)cr__activate(ordinal);
  cudaMemGetInfo(&free_bytes, &total);
  return cr__fail(CR_E_MEMORY,
                  "out of memory: the data of a tensor needs %zu bytes on cuda:%d, where tensors "
                  "use %lld, the cache holds %lld and %zu of %zu are free",
                  nbytes, ordinal, (long long)d->stats.allocated,
                  (long long)(d->stats.reserved - d->stats.allocated), free_bytes, total);
}

} // namespace cr__memory

using namespace cr__memory;

/* Makes the device active only where it has to be asked for memory. */
void *cr__cuda_alloc(int ordinal, size_t nbytes) {
  if (ordinal >= cr__device_count() && cr__activate(ordinal)) return NULL;
  if (cr__engine->injected()) {
    cr__fail(CR_E_MEMORY, "out of memory: the data of a tensor needs %zu bytes", nbytes);
    return NULL;
  }
  device *d = &devices[ordinal];
  std::lock_guard<std::mutex> hold(d->lock);
  if (d->stats.limit && d->stats.allocated + (int64_t)nbytes > d->stats.limit) {
    cr__fail(CR_E_MEMORY,
             "out of memory: the data of a tensor needs %zu bytes on cuda:%d, but %lld of the limit "
             "of %lld are in use",
             nbytes, ordinal, (long long)d->stats.allocated, (long long)d->stats.limit);
    return NULL;
  }
  block *b = nbytes < (size_t)1 << 46 ? take(d, ordinal, nbytes) : NULL;
  if (!b) {
    too_much(ordinal, d, nbytes);
    return NULL;
  }
  d->stats.allocated += (int64_t)nbytes;
  d->stats.allocations++;
  if (d->stats.allocated > d->stats.peak) d->stats.peak = d->stats.allocated;
  cr__engine->allocated((int64_t)nbytes);
  return b->p;
}

void cr__cuda_free(int ordinal, void *p, size_t nbytes) {
  if (!p) return;
  device *d = &devices[ordinal];
  std::lock_guard<std::mutex> hold(d->lock);
  block *b = used_take(d, p);
  if (!b) return;
  d->stats.allocated -= (int64_t)nbytes;
  if (b->nuse > 0) wait_for_uses(d, b);
  else settle(d, b);
}

void cr__arena_use(cr__arena *a) { my_arena = a; }
