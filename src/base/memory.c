/* memory.c: the data of tensors on the host: size classes, caches of freed blocks, accounting.
 *
 * Holds true: a block's class follows from the size asked for, so freeing needs no search. What the
 * process holds (`reserved`) exceeds the most that tensors ever used at once by a sixteenth and a
 * constant at most: before more is taken from the system, cached blocks go back. */
#include "alloc.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "state.h"

#define MIN_EXPONENT 6 /* the smallest class holds more than 2^6 bytes */
#define MAX_EXPONENT 46
#define NCLASS ((MAX_EXPONENT - MIN_EXPONENT + 1) * 8)
#define MAP_FROM ((size_t)1 << 20)  /* blocks from here on are mapped on their own */
#define HUGE_PAGE ((size_t)2 << 20) /* and from here on lie on huge pages */
#define LOCAL_BYTES \
  (512 << 10)                 /* that a thread keeps of one class: what a collector frees at once */
#define LOCAL_TOTAL (2 << 20) /* and of all that it keeps by itself */
#define SLACK (48 << 20)
#define SMALL_FREE (16 << 20)
#define CACHED_MAX (256 << 20) /* kept beyond what is in use */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static cr__block *cached[NCLASS];
static _Atomic int64_t cached_bytes, allocated, peak, reserved, limit;

static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }
static void prepare(void) { pthread_atfork(before_fork, after_fork, after_fork); }

/* Eight classes per power of two. Rounds *n up to the size of its class. */
static unsigned class_of(size_t *n) {
  size_t last = (*n > ((size_t)1 << MIN_EXPONENT) ? *n : ((size_t)1 << MIN_EXPONENT) + 1) - 1;
  unsigned exponent = 63u - (unsigned)__builtin_clzll(last), shift = exponent - 3;
  *n = ((last >> shift) + 1) << shift;
  return (exponent - MIN_EXPONENT) * 8 + (unsigned)(last >> shift) - 8;
}

static size_t size_of_class(unsigned k) {
  return (size_t)(k % 8 + 9) << (k / 8 + MIN_EXPONENT - 3);
}

/* ---- The system ---- */

static void *map(size_t size) {
  size_t extra = size >= HUGE_PAGE ? HUGE_PAGE : 0;
  char *p = mmap(NULL, size + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return NULL;
  if (!extra) return p;
  size_t before = -(uintptr_t)p & (HUGE_PAGE - 1);
  if (before) munmap(p, before);
  if (extra - before) munmap(p + before + size, extra - before);
#ifdef MADV_HUGEPAGE
  madvise(p + before, size, MADV_HUGEPAGE);
#endif
  return p + before;
}

static void *system_take(size_t size) {
  void *p = NULL;
  if (size >= MAP_FROM && !CR__UNCACHED) p = map(size);
  else if (posix_memalign(&p, 64, size)) p = NULL;
  if (p) atomic_fetch_add_explicit(&reserved, (int64_t)size, memory_order_relaxed);
  return p;
}

static void system_give(void *p, size_t size) {
  if (size >= MAP_FROM && !CR__UNCACHED) munmap(p, size);
  else free(p);
  atomic_fetch_sub_explicit(&reserved, (int64_t)size, memory_order_relaxed);
}

/* Gives cached blocks back, the largest first and none of class `but`, until `*count` is at most
 * `target`. The lock is held. */
static void evict(const _Atomic int64_t *count, int64_t target, unsigned but) {
  for (unsigned k = NCLASS; k-- > 0 && cached_bytes > 0;) {
    while (k != but && cached[k] && *count > target) {
      cr__block *b = cached[k];
      cached[k] = b->next;
      cached_bytes -= (int64_t)size_of_class(k);
      system_give(b, size_of_class(k));
    }
  }
}

static void trim(int64_t target) {
  pthread_mutex_lock(&lock);
  evict(&reserved, target, NCLASS);
  pthread_mutex_unlock(&lock);
}

void cr__data_flush(cr__cache *c) {
  for (unsigned k = 0; k < CR__DATA_LISTS; k++) {
    while (c->data[k]) {
      cr__block *b = c->data[k];
      c->data[k] = b->next;
      system_give(b, size_of_class(k));
    }
    c->ndata[k] = 0;
  }
  c->data_bytes = 0;
}

/* ---- Accounting ---- */

/* What the limit counts: data, and small blocks beyond what any process needs. */
static int64_t budgeted(void) {
  int64_t small = atomic_load_explicit(&cr__small_held, memory_order_relaxed) - SMALL_FREE;
  return allocated + (small > 0 ? small : 0);
}

int cr__over_limit(const char *what, size_t nbytes) {
  int64_t most = atomic_load_explicit(&limit, memory_order_relaxed);
  if (CR__LIKELY(most == 0)) return CR_E_OK;
  int64_t used = budgeted();
  if (nbytes <= (size_t)most && used <= most - (int64_t)nbytes) return CR_E_OK;
  if (nbytes > (size_t)most)
    return cr__fail(CR_E_MEMORY,
                    "out of memory: %s needs %zu bytes, more than the whole limit of %lld (%lld "
                    "are "
                    "in use)",
                    what, nbytes, (long long)most, (long long)used);
  return cr__fail(CR_E_MEMORY,
                  "out of memory: %s needs %zu bytes, but %lld of the limit of %lld are in use",
                  what, nbytes, (long long)used, (long long)most);
}

static void account(int64_t by) {
  int64_t used = atomic_fetch_add_explicit(&allocated, by, memory_order_relaxed) + by;
  int64_t most = atomic_load_explicit(&peak, memory_order_relaxed);
  while (used > most && !atomic_compare_exchange_weak(&peak, &most, used)) {
  }
}

/* ---- The pressure on a collector ---- */

/* The sooner garbage is found, the hotter are the caches that its blocks come from. A collection
 * takes about a tenth of a nanosecond for each byte that it walks, and so do the loops for each byte
 * of a result: HIDING bytes of results for a walked one hide it. Blocks too large for the caches of a
 * core are never hot: of them NEAR_BYTES, which the last cache keeps, may wait. Devices are too fast
 * to hide anything, and have no caches to keep hot: what lies there waits until `most` is reached. */
enum { HIDING = 16, HIDING_LARGE = 128, NEAR_BYTES = 12 << 20, LARGE_FROM = 1 << 20 };
/* Where steps are far apart, what lives counts, too: of large blocks as much as of some steps may wait. */
enum { NEAR_STEPS = 12, NEAR_MOST = 32 << 20 };
enum { STEP_LEAST = 64 << 10 }; /* bytes between two steps, however near a collection is */
enum { STEPS_LEAST = 8 }; /* steps that a collection is away, at least, if they are young ones */
enum { ROOM_MOST = 250 * 1000 }; /* that one block counts between steps */

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most_of(int64_t a, int64_t b) { return a > b ? a : b; }

static int64_t weighed(const cr__cache *c, size_t nbytes) {
  return nbytes < LARGE_FROM ? (int64_t)nbytes : (int64_t)((double)nbytes * c->large_weight);
}

/* A young collection after each single result would make it old before it is dropped: of the largest
 * ones two come before the next step. */
static void count(cr__cache *c, size_t nbytes) {
  c->since += weighed(c, nbytes);
  c->room -= least((int64_t)nbytes, ROOM_MOST);
  if (c->since >= c->due) c->room = 0;
}

bool cr_memory_pressure(void) {
  const cr__cache *c = cr__my_cache;
  return c && c->room <= 0;
}

int64_t cr_memory_growth(int64_t *due) {
  const cr__cache *c = cr__my_cache;
  if (due) *due = c ? c->due : CR__PRESSURE_LEAST;
  return c ? c->since : 0;
}

/* `due`, and what blocks count that need not be hot. */
static void set_due(cr__cache *c, int64_t due) {
  c->due = due;
  c->large_weight = (double)due / (double)c->near;
  c->device_weight = (double)due / (double)c->most;
}

/* A collection comes no later than it is due, but only after some steps: where these are far apart, what is
 * garbage waits for them. What was given back of older blocks makes room for as much. */
void cr_memory_stepped(int64_t bytes) {
  cr__cache *c = cr__cache_get();
  if (!c) return;
  int64_t due = most_of(c->due, least(bytes, c->most / STEPS_LEAST) * STEPS_LEAST);
  int64_t near = most_of(c->near, least(least(bytes, NEAR_MOST) * NEAR_STEPS, NEAR_MOST));
  if (due > c->due || near > c->near) {
    c->near = near;
    set_due(c, due);
  }
  c->since = most_of(c->since, -c->due);
  c->room = most_of(least(bytes, c->due - c->since), least(bytes, STEP_LEAST));
}

void cr__host_collected(int64_t heap, int64_t elsewhere) {
  cr__cache *c = cr__cache_get();
  if (!c) return;
  int64_t live = atomic_load_explicit(&allocated, memory_order_relaxed) + elsewhere;
  int64_t most = live > CR__PRESSURE_MOST ? live : CR__PRESSURE_MOST;
  c->since = 0;
  c->most = most;
  int64_t due = most_of(least(heap * HIDING, most), CR__PRESSURE_LEAST);
  c->near = most_of(least(heap * HIDING_LARGE, NEAR_BYTES), due);
  set_due(c, due);
  c->room = c->due;
}

/* ---- Blocks ---- */

static void *take_cached(cr__cache *c, unsigned k) {
  cr__block *b;
  if (k < CR__DATA_LISTS) {
    if ((b = c->data[k]) == NULL) return NULL;
    c->data[k] = b->next;
    c->ndata[k]--;
    c->data_bytes -= size_of_class(k);
    return b;
  }
  pthread_mutex_lock(&lock);
  if ((b = cached[k]) != NULL) {
    cached[k] = b->next;
    cached_bytes -= (int64_t)size_of_class(k);
  }
  pthread_mutex_unlock(&lock);
  return b;
}

/* True if the block has found a place in a cache. */
static bool keep_cached(void *p, unsigned k, size_t size) {
  cr__block *b = p;
  cr__cache *c = cr__my_cache;
  if (k < CR__DATA_LISTS) {
    if (!c || c->ndata[k] * size >= LOCAL_BYTES || c->data_bytes >= LOCAL_TOTAL) return false;
    b->next = c->data[k];
    c->data[k] = b;
    c->ndata[k]++;
    c->data_bytes += size;
    return true;
  }
  pthread_mutex_lock(&lock);
  int64_t room = CACHED_MAX + allocated - (int64_t)size;
  /* What was in use last comes first: else blocks of sizes that nobody asks for any more would fill
   * the cache for good. */
  if (cached_bytes > room) evict(&cached_bytes, room, k);
  bool fits = cached_bytes <= room;
  if (fits) {
    b->next = cached[k];
    cached[k] = b;
    cached_bytes += (int64_t)size;
  }
  pthread_mutex_unlock(&lock);
  return fits;
}

static void *take_new(size_t size) {
  pthread_once(&once, prepare);
  int64_t most = peak > allocated + (int64_t)size ? peak : allocated + (int64_t)size;
  int64_t target = most + most / 16 + SLACK - (int64_t)size;
  if (reserved > target) trim(target);
  void *p = system_take(size);
  if (!p) {
    cr__host_empty_cache();
    p = system_take(size);
  }
  return p;
}

void *cr__host_alloc(size_t nbytes) { return cr__host_alloc_for("the data of a tensor", nbytes); }

void *cr__host_alloc_for(const char *what, size_t nbytes) {
  cr__cache *c = cr__cache_get();
  if (!c) return NULL;
  if (CR__UNLIKELY(cr__injected(c)) || nbytes > (size_t)1 << MAX_EXPONENT) {
    cr__fail_memory(what, nbytes);
    return NULL;
  }
  if (cr__over_limit(what, nbytes) || cr__over_state_limit(what, nbytes)) return NULL;
  size_t size = nbytes;
  unsigned k = class_of(&size);
  if (CR__UNCACHED) size = nbytes ? nbytes : 1;
  void *p = take_cached(c, k);
  if (!p) p = take_new(size);
  if (!p) {
    cr__fail_memory(what, nbytes);
    return NULL;
  }
  cr__count_own(&c->data_taken, 1);
  count(c, nbytes);
  account((int64_t)nbytes);
  return p;
}

void cr__host_free(void *p, size_t nbytes) {
  if (!p) return;
  size_t size = nbytes;
  unsigned k = class_of(&size);
  account(-(int64_t)nbytes);
  if (cr__my_cache) cr__my_cache->since -= weighed(cr__my_cache, nbytes);
  if (CR__UNCACHED) system_give(p, nbytes ? nbytes : 1);
  else if (!keep_cached(p, k, size)) system_give(p, size);
}

/* ---- What memory.c of the devices asks for ---- */

void cr__host_stats(cr_memory *out) {
  out->allocated = allocated;
  out->peak = peak;
  out->reserved = reserved + cr__small_held;
  int64_t own = cr__state_memory_limit();
  out->limit = own && (!limit || own < limit) ? own : limit;
  cr__cache_totals(&out->objects, &out->allocations);
}

void cr__host_reset_peak(void) { peak = allocated; }
void cr__host_limit(int64_t bytes) { limit = bytes; }

void cr__host_empty_cache(void) {
  if (cr__my_cache) {
    cr__small_flush(cr__my_cache);
    cr__data_flush(cr__my_cache);
  }
  trim(0);
}
