/* cuda/runtime/pending.cu: blocks of device memory that other streams than their own use.
 *
 * Holds true: a block that is given back marks, by an event, where each of those streams is; it
 * serves again once all of them have passed their mark. Nobody waits for that unless memory is short. */
#include "allocator.h"

namespace cr__memory {

static void drop_uses(block *b) {
  for (int i = 0; i < b->nuse; i++) {
    if (b->uses[i].event) (void)cudaEventDestroy(b->uses[i].event);
    cr__stream_release(b->uses[i].stream);
  }
  free(b->uses);
  b->uses = NULL;
  b->nuse = b->room = 0;
}

static int add_use(block *b, cr_stream *s) {
  if (b->nuse == b->room) {
    int room = b->room ? 2 * b->room : 2;
    use *wider = (use *)realloc(b->uses, (size_t)room * sizeof *wider);
    if (!wider)
      return cr__fail(CR_E_MEMORY, "out of memory: the streams of a tensor need %zu bytes",
                      (size_t)room * sizeof *wider);
    b->uses = wider;
    b->room = room;
  }
  b->uses[b->nuse++] = {cr__stream_retain(s), NULL};
  return 0;
}

/* True if the other streams have passed what they had to do when the block was freed. An event that
 * was recorded for a graph is passed: without the block, that graph refuses to run. */
static bool passed(const block *b, bool wait) {
  bool all = true;
  for (int i = 0; i < b->nuse && all; i++) {
    cudaEvent_t e = b->uses[i].event;
    if (!e) continue;
    all = (wait ? cudaEventSynchronize(e) : cudaEventQuery(e)) != cudaErrorNotReady;
    (void)cudaGetLastError();
  }
  return all;
}

static void mark_uses(block *b) {
  visit here;
  for (int i = 0; i < b->nuse; i++) {
    use *u = &b->uses[i];
    cr__activate(u->stream->ordinal);
    bool marked = cudaEventCreateWithFlags(&u->event, cudaEventDisableTiming) == cudaSuccess &&
                  cudaEventRecord(u->event, u->stream->handle) == cudaSuccess;
    if (marked) continue;
    (void)cudaStreamSynchronize(u->stream->handle);
    (void)cudaGetLastError();
  }
}

void wait_for_uses(device *d, block *b) {
  mark_uses(b);
  b->hash_next = d->pending;
  d->pending = b;
}

void settle_pending(device *d, bool wait) {
  block *list = d->pending;
  d->pending = NULL;
  while (list) {
    block *b = list;
    list = b->hash_next;
    if (passed(b, wait)) {
      drop_uses(b);
      settle(d, b);
    } else {
      b->hash_next = d->pending;
      d->pending = b;
    }
  }
}

} // namespace cr__memory

using namespace cr__memory;

int cr__memory_record(int ordinal, void *p, cr_stream *s) {
  device *d = &devices[ordinal];
  std::lock_guard<std::mutex> hold(d->lock);
  block *b = used_find(d, p);
  if (!b || (s->ordinal == ordinal && b->in->home->stream == s->handle)) return 0;
  for (int i = 0; i < b->nuse; i++) {
    const cr_stream *other = b->uses[i].stream;
    if (other->handle == s->handle && other->ordinal == s->ordinal) return 0;
  }
  return add_use(b, s);
}
