/* cuda/runtime/memory.cu: what is asked of the allocator: statistics, limits, and the memory of graphs.
 *
 * Holds true: a graph's memory (an arena) outlives it for the tensors that still hold blocks there. */
#include "allocator.h"

using namespace cr__memory;

/* ---- Statistics and limits ---- */

int cr__memory_stats(int ordinal, cr_memory *out) {
  if (cr__activate(ordinal)) return CR_E_DEVICE;
  std::lock_guard<std::mutex> hold(devices[ordinal].lock);
  *out = devices[ordinal].stats;
  return 0;
}

void cr__memory_reset_peak(int ordinal) {
  if (ordinal >= CR__MAX_DEVICES) return;
  std::lock_guard<std::mutex> hold(devices[ordinal].lock);
  devices[ordinal].stats.peak = devices[ordinal].stats.allocated;
}

int cr__memory_limit(int ordinal, int64_t bytes) {
  if (cr__activate(ordinal)) return CR_E_DEVICE;
  std::lock_guard<std::mutex> hold(devices[ordinal].lock);
  devices[ordinal].stats.limit = bytes;
  return 0;
}

void cr__memory_empty_cache(int ordinal) {
  if (ordinal >= cr__device_count() || cr__capturing() || cr__activate(ordinal)) return;
  device *d = &devices[ordinal];
  std::lock_guard<std::mutex> hold(d->lock);
  empty_cache(d);
}

int64_t cr__memory_in_use(void) {
  int64_t sum = 0;
  for (int i = 0; i < cr__device_count(); i++) {
    std::lock_guard<std::mutex> hold(devices[i].lock);
    sum += devices[i].stats.allocated;
  }
  return sum;
}

/* ---- The memory of graphs ---- */

cr__arena *cr__arena_new(int ordinal) {
  cr__arena *a = (cr__arena *)calloc(1, sizeof *a);
  if (a) a->ordinal = ordinal;
  else cr__fail(CR_E_MEMORY, "out of memory: a graph needs %zu bytes", sizeof *a);
  return a;
}

/* The pools stay, with the arena, for the blocks that tensors still hold: a few hundred bytes. */
void cr__arena_free(cr__arena *a) {
  device *d = &devices[a->ordinal];
  std::lock_guard<std::mutex> hold(d->lock);
  a->dead = true;
  bool held = false;
  for (segment *s = d->segments, *next; s; s = next) {
    next = s->next;
    if (s->home->arena != a) continue;
    if (is_free(s)) segment_give(d, s);
    else held = true;
  }
  if (held) return;
  for (pool **link = &d->pools; *link;) {
    pool *p = *link;
    if (p->arena == a) {
      *link = p->next;
      free(p);
    } else {
      link = &p->next;
    }
  }
  free(a);
}

/* The block around p, with the lock held; NULL if no segment holds it. */
static block *block_around(device *d, const char *at) {
  for (segment *s = d->segments; s; s = s->next) {
    if (at < s->p || at >= s->p + s->size) continue;
    block *b = s->first;
    while (b->after && at >= b->after->p) b = b->after;
    return b;
  }
  return NULL;
}

uint64_t cr__block_serial(int ordinal, const void *p) {
  std::lock_guard<std::mutex> hold(devices[ordinal].lock);
  block *b = block_around(&devices[ordinal], (const char *)p);
  return b ? b->serial : 0;
}

cr__arena *cr__block_arena(int ordinal, const void *p) {
  std::lock_guard<std::mutex> hold(devices[ordinal].lock);
  block *b = block_around(&devices[ordinal], (const char *)p);
  return b ? b->in->home->arena : NULL;
}
