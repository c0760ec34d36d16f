/* cuda/runtime/pinned.cu: memory of the host that a device copies from and to by itself.
 *
 * Holds true: a queued copy works on a block until its stream has passed it, so a block remembers an
 * event for each stream that copies with it, and is given back after these. A graph that copies with
 * a block notes its serial number, and refuses to run once it is gone. */
#include "runtime.h"

#include <map>
#include <mutex>
#include <vector>

struct stream_use {
  cudaStream_t stream;
  int ordinal;
  cudaEvent_t event; /* after its last copy; NULL: that could not be made */
};
struct pinned_block {
  size_t nbytes;
  uint64_t serial;
  std::vector<stream_use> uses;
};

/* Blocks by their first byte. Allocation for the map may throw, which stays in here. */
static std::mutex lock;
static std::map<const char *, pinned_block> *blocks;
static uint64_t last_serial;

static void *pinned_alloc(size_t nbytes) {
  void *p = NULL;
  if (cr__activate(cr__selected())) return NULL;
  if (!cr__engine->injected() && cudaMallocHost(&p, nbytes + !nbytes) != cudaSuccess)
    (void)cudaGetLastError();
  if (p) {
    std::lock_guard<std::mutex> hold(lock);
    try {
      if (!blocks) blocks = new std::map<const char *, pinned_block>;
      (*blocks)[(const char *)p] = {nbytes + !nbytes, ++last_serial, {}};
      return p;
    } catch (...) {
      (void)cudaFreeHost(p);
    }
  }
  cr__fail(CR_E_MEMORY, "out of memory: pinned memory of %zu bytes is not to be had", nbytes);
  return NULL;
}

/* Waits for the copies of a block that is to go. */
static void finish(const std::vector<stream_use> &uses) {
  for (const stream_use &u : uses) {
    if (!u.event) continue;
    (void)cudaEventSynchronize(u.event);
    (void)cudaEventDestroy(u.event);
  }
  (void)cudaGetLastError();
}

static void pinned_free(void *p) {
  std::vector<stream_use> uses;
  {
    std::lock_guard<std::mutex> hold(lock);
    auto b = blocks->find((const char *)p);
    uses.swap(b->second.uses);
    blocks->erase(b);
  }
  finish(uses);
  (void)cudaFreeHost(p);
}

/* With the lock held; NULL: p lies in no block. */
static pinned_block *block_of(const void *p) {
  if (!blocks || blocks->empty()) return NULL;
  auto next = blocks->upper_bound((const char *)p);
  if (next == blocks->begin()) return NULL;
  --next;
  return (const char *)p < next->first + next->second.nbytes ? &next->second : NULL;
}

static bool is_pinned(const void *p) {
  std::lock_guard<std::mutex> hold(lock);
  return block_of(p) != NULL;
}

uint64_t cr__pinned_serial(const void *p) {
  std::lock_guard<std::mutex> hold(lock);
  pinned_block *b = block_of(p);
  return b ? b->serial : 0;
}

/* Remembers what the stream has been given up to now; false if there is no memory for that. */
static bool remember(pinned_block *b, int ordinal, cudaStream_t s) {
  stream_use *mine = NULL;
  for (stream_use &u : b->uses)
    if (u.stream == s && u.ordinal == ordinal) mine = &u;
  if (!mine) {
    cudaEvent_t event = NULL;
    if (cudaEventCreateWithFlags(&event, cudaEventDisableTiming) != cudaSuccess) return false;
    try {
      b->uses.push_back({s, ordinal, event});
    } catch (...) {
      (void)cudaEventDestroy(event);
      return false;
    }
    mine = &b->uses.back();
  }
  return cudaEventRecord(mine->event, s) == cudaSuccess;
}

static int copy_queued(const char *what, int ordinal, void *to, const void *from, const void *host,
                       const void *device, size_t nbytes, cudaMemcpyKind kind) {
  if (cr__activate(ordinal)) return CR_E_DEVICE;
  cudaStream_t s = cr__stream();
  cr__capture_note(ordinal, device);
  cr__capture_note_pinned(host);
  int code = cr__cuda_check(what, cudaMemcpyAsync(to, from, nbytes, kind, s));
  if (code || cr__capturing()) return code;
  std::lock_guard<std::mutex> hold(lock);
  pinned_block *b = block_of(host);
  if (!b || remember(b, ordinal, s)) return 0;
  (void)cudaGetLastError();
  return cr__cuda_check(what, cudaStreamSynchronize(s));
}

static int copy_from_pinned(int ordinal, void *device, const void *host, size_t nbytes) {
  return copy_queued("copy from the host", ordinal, device, host, host, device, nbytes,
                     cudaMemcpyHostToDevice);
}

static int copy_to_pinned(int ordinal, void *host, const void *device, size_t nbytes) {
  return copy_queued("copy to the host", ordinal, host, device, host, device, nbytes,
                     cudaMemcpyDeviceToHost);
}

void cr__pinned_ops(cr__device_ops *o) {
  o->pinned_alloc = pinned_alloc;
  o->pinned_free = pinned_free;
  o->is_pinned = is_pinned;
  o->copy_from_pinned = copy_from_pinned;
  o->copy_to_pinned = copy_to_pinned;
}
