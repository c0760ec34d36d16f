/* cuda/runtime/stream.cu: streams and events, and copies between devices.
 *
 * Holds true: each device has a current stream, at first its default one, which the present scopes choose
 * (cr__host) or, outside of scopes, the thread. A stream lives as long as a reference to it; a choice is
 * one. CUDA's own stream outlives it:
 * there may be work left on it, and the allocator's cache holds memory in its order, so it waits for
 * the next who asks for a stream and is never destroyed. */
#include "runtime.h"

#include <stdlib.h>

#include <mutex>

struct cr_event {
  cudaEvent_t handle;
  int ordinal;
  bool timing, recorded;
};

/* What a thread has chosen outside of scopes; it gives its streams up when it ends. */
static thread_local struct own_choices : cr__choices {
  ~own_choices() { drop(); }
} own;

const cr__choices *cr__chosen(void) {
  static const cr__choices first = {};
  void *note = NULL;
  if (!cr__engine->streams(&note)) return &own;
  return note ? (const cr__choices *)note : &first;
}

/* Returns a copy of the present choices. */
static cr__choices *note_choices(void) {
  cr__choices *c = (cr__choices *)calloc(1, sizeof *c);
  if (!c) {
    cr__fail(CR_E_MEMORY, "out of memory: a choice of streams needs %zu bytes", sizeof *c);
    return NULL;
  }
  *c = *cr__chosen();
  for (cr_stream *s : c->of)
    if (s) cr__stream_retain(s);
  return c;
}

cr__choices *cr__choose(void) {
  void *note = NULL;
  if (!cr__engine->streams_set_here(&note)) return &own;
  if (note) return (cr__choices *)note;
  cr__choices *c = note_choices();
  if (c) cr__engine->set_streams(c);
  return c;
}

static void replace(cr__choices *c, cr_stream *s) {
  cr_stream *old = c->of[s->ordinal];
  c->of[s->ordinal] = cr__stream_retain(s);
  cr__stream_release(old);
  c->selected = s->ordinal;
}

static void *streams_with(cr_stream *s) {
  cr__choices *c = note_choices();
  if (c) replace(c, s);
  return c;
}

static void streams_free(void *note) {
  cr__choices *c = (cr__choices *)note;
  c->drop();
  free(c);
}

void cr__choices::drop(void) {
  for (cr_stream *&s : of) {
    cr__stream_release(s);
    s = NULL;
  }
}

/* ---- Streams ---- */

cudaStream_t cr__stream_of(int ordinal) {
  const cr__choices *c = cr__chosen();
  return c->of[ordinal] ? c->of[ordinal]->handle : NULL;
}

cudaStream_t cr__stream(void) { return cr__stream_of(cr__active); }

static std::mutex idle_lock;
static cr_stream *idle[CR__MAX_DEVICES][2]; /* by priority */

static cr_stream *take_idle(int ordinal, bool high_priority) {
  std::lock_guard<std::mutex> hold(idle_lock);
  cr_stream **first = &idle[ordinal][high_priority], *s = *first;
  if (s) *first = s->next;
  return s;
}

static cr_stream *wrap(int ordinal) {
  cr_stream *s = (cr_stream *)calloc(1, sizeof *s);
  if (!s) {
    cr__fail(CR_E_MEMORY, "out of memory: a stream needs %zu bytes", sizeof *s);
    return NULL;
  }
  s->refs = 1;
  s->ordinal = ordinal;
  return s;
}

cr_stream *cr__stream_new(int ordinal, bool high_priority) {
  int least = 0, greatest = 0;
  if (cr__activate(ordinal)) return NULL;
  cr_stream *s = take_idle(ordinal, high_priority);
  if (s) {
    s->refs = 1;
    return s;
  }
  s = wrap(ordinal);
  if (!s) return NULL;
  s->high_priority = high_priority;
  cudaError_t code = cudaDeviceGetStreamPriorityRange(&least, &greatest);
  if (code == cudaSuccess)
    code = cudaStreamCreateWithPriority(&s->handle, cudaStreamNonBlocking,
                                        high_priority ? greatest : least);
  if (!cr__cuda_check("stream", code)) return s;
  free(s);
  return NULL;
}

cr_stream *cr__stream_current(int ordinal) {
  if (cr__activate(ordinal)) return NULL;
  cr_stream *s = cr__chosen()->of[ordinal];
  return s ? cr__stream_retain(s) : wrap(ordinal); /* the default one */
}

int cr__stream_select(cr_stream *s) {
  if (cr__activate(s->ordinal)) return CR_E_DEVICE;
  cr__choices *c = cr__choose();
  if (!c) return CR_E_MEMORY;
  replace(c, s);
  return 0;
}

cr_stream *cr__stream_retain(cr_stream *s) {
  __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
  return s;
}

void cr__stream_release(cr_stream *s) {
  if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
  if (!s->handle) {
    free(s);
    return;
  }
  std::lock_guard<std::mutex> hold(idle_lock);
  s->next = idle[s->ordinal][s->high_priority];
  idle[s->ordinal][s->high_priority] = s;
}

static int stream_ordinal(const cr_stream *s) { return s->ordinal; }

static uint64_t stream_id(const cr_stream *s) {
  return s->handle ? (uint64_t)(uintptr_t)s->handle : (uint64_t)s->ordinal;
}

int cr__stream_synchronize(cr_stream *s) {
  if (cr__begin_wait("synchronize", s->ordinal)) return CR_E_DEVICE;
  int code = cr__cuda_check("synchronize", cudaStreamSynchronize(s->handle));
  return code ? code : cr__raise_fault(s->ordinal);
}

/* "Not yet" is an answer, not an error. */
static int answer(const char *op, cudaError_t code, bool *done) {
  *done = code == cudaSuccess;
  if (code != cudaErrorNotReady) return cr__cuda_check(op, code);
  (void)cudaGetLastError();
  return 0;
}

static int stream_query(cr_stream *s, bool *done) {
  *done = false;
  if (cr__begin_wait("query", s->ordinal)) return CR_E_DEVICE;
  return answer("query", cudaStreamQuery(s->handle), done);
}

static int stream_wait(cr_stream *s, cr_event *e) {
  if (!e->recorded) return 0;
  if (cr__activate(s->ordinal)) return CR_E_DEVICE;
  return cr__cuda_check("wait", cudaStreamWaitEvent(s->handle, e->handle, 0));
}

static int stream_record(cr_stream *s, int ordinal, void *p) {
  return cr__memory_record(ordinal, p, s);
}

/* ---- Events: of the device of the stream that first records them ---- */

static cr_event *event_new(bool timing) {
  cr_event *e = (cr_event *)calloc(1, sizeof *e);
  if (!e) {
    cr__fail(CR_E_MEMORY, "out of memory: an event needs %zu bytes", sizeof *e);
    return NULL;
  }
  e->timing = timing;
  return e;
}

static void event_free(cr_event *e) {
  if (e->handle) (void)cudaEventDestroy(e->handle);
  free(e);
}

static int event_record(cr_event *e, cr_stream *s) {
  int ordinal = s ? s->ordinal : cr__selected();
  if (cr__activate(ordinal)) return CR_E_DEVICE;
  if (e->handle && e->ordinal != ordinal)
    return cr__fail(CR_E_DEVICE, "record: the event belongs to cuda:%d, the stream to cuda:%d",
                    e->ordinal, ordinal);
  if (!e->handle) {
    unsigned flags = e->timing ? cudaEventDefault : cudaEventDisableTiming;
    int code = cr__cuda_check("record", cudaEventCreateWithFlags(&e->handle, flags));
    if (code) return code;
    e->ordinal = ordinal;
  }
  cudaStream_t on = s ? s->handle : cr__stream();
  int code = cr__cuda_check("record", cudaEventRecord(e->handle, on));
  if (!code) e->recorded = true;
  return code;
}

static int event_query(cr_event *e, bool *done) {
  *done = true;
  return e->recorded ? answer("query", cudaEventQuery(e->handle), done) : 0;
}

static int event_synchronize(cr_event *e) {
  if (!e->recorded) return 0;
  if (cr__refuse_capture("synchronize")) return CR_E_DEVICE;
  int code = cr__cuda_check("synchronize", cudaEventSynchronize(e->handle));
  return code ? code : cr__raise_fault(e->ordinal);
}

static int event_elapsed(cr_event *from, cr_event *to, double *milliseconds) {
  float ms = 0;
  if (!from->timing || !to->timing)
    return cr__fail(CR_E_ARGUMENT, "elapsed: both events must have been made with timing");
  if (!from->recorded || !to->recorded)
    return cr__fail(CR_E_ARGUMENT, "elapsed: both events must have been recorded");
  int code = event_synchronize(to);
  if (!code) code = cr__cuda_check("elapsed",
                                   cudaEventElapsedTime(&ms, from->handle, to->handle));
  *milliseconds = ms;
  return code;
}

/* ---- Copies between devices ---- */

/* Bytes go from one device to the other directly where these can; else CUDA takes them through memory
 * of the host. Asked for once for each pair, by the target, which is the active device. */
static void allow_peer(int to, int from) {
  static std::mutex lock;
  static bool asked[CR__MAX_DEVICES][CR__MAX_DEVICES];
  std::lock_guard<std::mutex> hold(lock);
  if (asked[to][from]) return;
  asked[to][from] = true;
  int can = 0;
  if (cudaDeviceCanAccessPeer(&can, to, from) == cudaSuccess && can)
    (void)cudaDeviceEnablePeerAccess(from, 0);
  (void)cudaGetLastError(); /* the host may have allowed it already */
}

/* Queued on the source's stream between two waits, so that it comes after what either device has to
 * do on this memory, and before what follows on both. */
static int copy_peer(int to_ordinal, void *to, int from_ordinal, const void *from, size_t nbytes) {
  cudaEvent_t before = NULL, after = NULL;
  cudaStream_t target = cr__stream_of(to_ordinal), source = cr__stream_of(from_ordinal);
  if (cr__begin_wait("copy between devices", to_ordinal)) return CR_E_DEVICE;
  allow_peer(to_ordinal, from_ordinal);
  cudaError_t code = cudaEventCreateWithFlags(&before, cudaEventDisableTiming);
  if (code == cudaSuccess) code = cudaEventRecord(before, target);
  if (cr__activate(from_ordinal)) code = cudaErrorInvalidDevice;
  if (code == cudaSuccess) code = cudaStreamWaitEvent(source, before, 0);
  if (code == cudaSuccess)
    code = cudaMemcpyPeerAsync(to, to_ordinal, from, from_ordinal, nbytes, source);
  if (code == cudaSuccess) code = cudaEventCreateWithFlags(&after, cudaEventDisableTiming);
  if (code == cudaSuccess) code = cudaEventRecord(after, source);
  if (cr__activate(to_ordinal)) code = cudaErrorInvalidDevice;
  if (code == cudaSuccess) code = cudaStreamWaitEvent(target, after, 0);
  if (before) (void)cudaEventDestroy(before);
  if (after) (void)cudaEventDestroy(after);
  return cr__cuda_check("copy between devices", code);
}

void cr__stream_ops(cr__device_ops *o) {
  o->copy_peer = copy_peer;
  o->stream_new = cr__stream_new;
  o->stream_current = cr__stream_current;
  o->stream_select = cr__stream_select;
  o->streams_with = streams_with;
  o->streams_free = streams_free;
  o->stream_ordinal = stream_ordinal;
  o->stream_id = stream_id;
  o->stream_retain = cr__stream_retain;
  o->stream_release = cr__stream_release;
  o->stream_synchronize = cr__stream_synchronize;
  o->stream_query = stream_query;
  o->stream_wait = stream_wait;
  o->stream_record = stream_record;
  o->event_new = event_new;
  o->event_free = event_free;
  o->event_record = event_record;
  o->event_query = event_query;
  o->event_synchronize = event_synchronize;
  o->event_elapsed = event_elapsed;
}
