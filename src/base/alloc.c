/* alloc.c: small blocks (tensor headers, nodes, small data) from lists that belong to the thread.
 *
 * Holds true: taking and giving back a small block that is cached touches no shared memory. Blocks
 * have no header: who frees one knows its size. Lists are bounded, the rest goes back to the system,
 * and so does all of it when the thread ends. */
#include "alloc.h"

#include <pthread.h>
#include <stdlib.h>

#define CACHED_BYTES (64 << 20) /* that a thread keeps: what a collector frees in one go */

CR__TLS cr__cache *cr__my_cache;
_Atomic int64_t cr__small_held;

/* The caches of all threads, and the counts of threads that have ended. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static cr__cache *caches;
static int64_t ended_objects, ended_allocations;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool have_key;

static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }

static void thread_ends(void *cache) {
  cr__cache *c = cache;
  cr__small_flush(c);
  cr__data_flush(c);
  pthread_mutex_lock(&lock);
  ended_objects += c->taken - c->given;
  ended_allocations += c->taken + c->data_taken;
  if (c->next) c->next->previous = c->previous;
  if (c->previous) c->previous->next = c->next;
  else caches = c->next;
  pthread_mutex_unlock(&lock);
  cr__my_cache = NULL;
  free(c);
}

static void make_key(void) {
  have_key = pthread_key_create(&key, thread_ends) == 0;
  pthread_atfork(before_fork, after_fork, after_fork);
}

cr__cache *cr__cache_make(void) {
  if (cr__my_cache) return cr__my_cache;
  cr__cache *c = calloc(1, sizeof *c);
  if (!c) {
    cr__fail_memory("the thread's cache", sizeof *c);
    return NULL;
  }
  c->due = c->room = CR__PRESSURE_LEAST;
  c->most = CR__PRESSURE_MOST;
  c->near = CR__PRESSURE_LEAST;
  c->large_weight = 1;
  c->device_weight = (double)CR__PRESSURE_LEAST / CR__PRESSURE_MOST;
  pthread_once(&once, make_key);
  if (have_key) pthread_setspecific(key, c);
  pthread_mutex_lock(&lock);
  c->next = caches;
  if (caches) caches->previous = c;
  caches = c;
  pthread_mutex_unlock(&lock);
  return cr__my_cache = c;
}

void cr__cache_totals(int64_t *objects, int64_t *allocations) {
  pthread_mutex_lock(&lock);
  int64_t o = ended_objects, a = ended_allocations;
  for (cr__cache *c = caches; c; c = c->next) {
    int64_t taken = atomic_load_explicit(&c->taken, memory_order_relaxed);
    o += taken - atomic_load_explicit(&c->given, memory_order_relaxed);
    a += taken + atomic_load_explicit(&c->data_taken, memory_order_relaxed);
  }
  pthread_mutex_unlock(&lock);
  *objects = o;
  *allocations = a;
}

static size_t list_of(size_t n) { return (n + CR__GRAIN - 1) / CR__GRAIN + (n == 0); }

static void *take_from_system(size_t n, size_t size) {
  if (cr__over_limit("a small block", n)) return NULL;
  void *p = malloc(size);
  if (!p) {
    cr__host_empty_cache();
    p = malloc(size);
  }
  if (!p) cr__fail_memory("a small block", n);
  else atomic_fetch_add_explicit(&cr__small_held, (int64_t)size, memory_order_relaxed);
  return p;
}

static void give_to_system(void *p, size_t size) {
  free(p);
  atomic_fetch_sub_explicit(&cr__small_held, (int64_t)size, memory_order_relaxed);
}

/* What a list does not have, or is to fail, or is not small. */
static __attribute__((noinline)) void *take(size_t n) {
  cr__cache *c = cr__cache_get();
  if (CR__UNLIKELY(!c)) return NULL;
  if (CR__UNLIKELY(cr__injected(c))) {
    cr__fail_memory("a small block", n);
    return NULL;
  }
  size_t list = list_of(n);
  if (list < CR__SMALL_LISTS && c->small[list]) return cr__take_listed(c, list, n);
  void *p = take_from_system(n, CR__UNCACHED || list >= CR__SMALL_LISTS ? n : list * CR__GRAIN);
  if (p) cr__count_taken(c, n);
  return p;
}

void *cr__alloc(size_t n) {
  cr__cache *c = cr__my_cache;
  size_t list = list_of(n);
  if (CR__UNLIKELY(!c || c->fail_in != 0 || list >= CR__SMALL_LISTS || !c->small[list]))
    return take(n);
  return cr__take_listed(c, list, n);
}

/* What no list keeps, or nobody can count. */
static __attribute__((noinline)) void give(void *p, size_t n) {
  size_t list = list_of(n);
  if (!cr__my_cache) { /* a thread that has made nothing frees: it must be able to count */
    cr_error code = cr_error_code();
    if (!cr__cache_make() && code == CR_E_OK) cr_error_clear();
  }
  if (cr__my_cache) {
    cr__count_own(&cr__my_cache->given, 1);
    cr__my_cache->since -= (int64_t)n;
  }
  give_to_system(p, CR__UNCACHED || list >= CR__SMALL_LISTS ? n : list * CR__GRAIN);
}

void cr__free(void *p, size_t n) {
  if (!p) return;
  cr__cache *c = cr__my_cache;
  size_t list = list_of(n);
  if (CR__UNLIKELY(CR__UNCACHED || !c || list >= CR__SMALL_LISTS ||
                   c->small_bytes >= CACHED_BYTES)) {
    give(p, n);
    return;
  }
  cr__count_own(&c->given, 1);
  c->since -= (int64_t)n;
  cr__block *b = p;
  b->next = c->small[list];
  c->small[list] = b;
  c->small_bytes += list * CR__GRAIN;
}

void cr__small_flush(cr__cache *c) {
  for (size_t list = 0; list < CR__SMALL_LISTS; list++) {
    while (c->small[list]) {
      cr__block *b = c->small[list];
      c->small[list] = b->next;
      give_to_system(b, list * CR__GRAIN);
    }
  }
  c->small_bytes = 0;
}

/* ---- Failure injection ---- */

bool cr__inject(cr__cache *c) {
  if (c->fail_in > 0 && --c->fail_in > 0) return false;
  if (c->fail_on) c->fail_in = -1;
  return true;
}

void cr_memory_fail(int64_t n) {
  cr__cache *c = cr__cache_get();
  if (!c) return;
  c->fail_on = n < 0;
  c->fail_in = n < 0 ? -n : n;
}

int64_t cr_memory_fail_left(void) { return cr__my_cache ? cr__my_cache->fail_in : 0; }
