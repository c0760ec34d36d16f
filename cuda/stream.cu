/* cuda/stream.cu: streams, events, pinned memory, and the copies that need them.
 *
 * Holds true: every thread has a current stream on each device, at first the device's default one. A
 * stream lives as long as a reference to it; a thread's choice is one. */
#include "runtime.h"

#include <stdlib.h>

#include <map>
#include <mutex>

struct cr_event {
  cudaEvent_t handle;
  int ordinal;
  bool timing, recorded;
};

/* The streams that this thread has chosen; it gives them up when it ends. */
static thread_local struct choices {
  cr_stream *of[CR__MAX_DEVICES];
  ~choices() {
    for (cr_stream *&s : of) {
      cr__stream_release(s);
      s = NULL;
    }
  }
} chosen;

/* ---- Streams ---- */

cudaStream_t cr__stream_of(int ordinal) {
  return chosen.of[ordinal] ? chosen.of[ordinal]->handle : NULL;
}

cudaStream_t cr__stream(void) { return cr__stream_of(cr__active); }

static cr_stream *wrap(int ordinal, cudaStream_t handle) {
  cr_stream *s = (cr_stream *)malloc(sizeof *s);
  if (!s) {
    cr__fail(CR_E_MEMORY, "out of memory: a stream needs %zu bytes", sizeof *s);
    return NULL;
  }
  s->refs = 1;
  s->ordinal = ordinal;
  s->handle = handle;
  return s;
}

cr_stream *cr__stream_new(int ordinal, bool high_priority) {
  int least = 0, greatest = 0;
  cudaStream_t handle = NULL;
  if (cr__activate(ordinal)) return NULL;
  cudaError_t code = cudaDeviceGetStreamPriorityRange(&least, &greatest);
  if (code == cudaSuccess)
    code = cudaStreamCreateWithPriority(&handle, cudaStreamNonBlocking,
                                        high_priority ? greatest : least);
  if (cr__cuda_check("stream", code)) return NULL;
  cr_stream *s = wrap(ordinal, handle);
  if (!s) cudaStreamDestroy(handle);
  return s;
}

cr_stream *cr__stream_current(int ordinal) {
  if (cr__activate(ordinal)) return NULL;
  if (!chosen.of[ordinal]) chosen.of[ordinal] = wrap(ordinal, NULL);
  return chosen.of[ordinal] ? cr__stream_retain(chosen.of[ordinal]) : NULL;
}

int cr__stream_select(cr_stream *s) {
  if (cr__cuda_ops.select(s->ordinal)) return CR_E_DEVICE;
  cr_stream *old = chosen.of[s->ordinal];
  chosen.of[s->ordinal] = cr__stream_retain(s);
  cr__stream_release(old);
  return 0;
}

cr_stream *cr__stream_retain(cr_stream *s) {
  __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
  return s;
}

void cr__stream_release(cr_stream *s) {
  if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
  if (s->handle) (void)cudaStreamDestroy(s->handle);
  free(s);
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

/* ---- Pinned memory ---- */

/* Blocks by their first byte. Allocation for the map may throw, which stays in here. */
static std::mutex pinned_lock;
static std::map<const char *, size_t> *pinned;

static void *pinned_alloc(size_t nbytes) {
  void *p = NULL;
  if (cr__activate(cr__selected())) return NULL;
  if (!cr__engine->injected() && cudaMallocHost(&p, nbytes + !nbytes) != cudaSuccess)
    (void)cudaGetLastError();
  if (p) {
    std::lock_guard<std::mutex> hold(pinned_lock);
    try {
      if (!pinned) pinned = new std::map<const char *, size_t>;
      (*pinned)[(const char *)p] = nbytes + !nbytes;
      return p;
    } catch (...) {
      (void)cudaFreeHost(p);
    }
  }
  cr__fail(CR_E_MEMORY, "out of memory: pinned memory of %zu bytes is not to be had", nbytes);
  return NULL;
}

static void pinned_free(void *p) {
  {
    std::lock_guard<std::mutex> hold(pinned_lock);
    if (pinned) pinned->erase((const char *)p);
  }
  (void)cudaFreeHost(p); /* waits for copies that still use it */
}

static bool is_pinned(const void *p) {
  std::lock_guard<std::mutex> hold(pinned_lock);
  if (!pinned || pinned->empty()) return false;
  auto next = pinned->upper_bound((const char *)p);
  if (next == pinned->begin()) return false;
  --next;
  return (const char *)p < next->first + next->second;
}

/* ---- Copies ---- */

static int copy_from_pinned(int ordinal, void *device, const void *host, size_t nbytes) {
  if (cr__activate(ordinal)) return CR_E_DEVICE;
  cr__capture_note(ordinal, device);
  return cr__cuda_check("copy from the host", cudaMemcpyAsync(device, host, nbytes,
                                                              cudaMemcpyHostToDevice, cr__stream()));
}

static int copy_to_pinned(int ordinal, void *host, const void *device, size_t nbytes) {
  if (cr__activate(ordinal)) return CR_E_DEVICE;
  cr__capture_note(ordinal, device);
  return cr__cuda_check("copy to the host", cudaMemcpyAsync(host, device, nbytes,
                                                            cudaMemcpyDeviceToHost, cr__stream()));
}

/* Queued on the source's stream between two waits, so that it comes after what either device has to
 * do on this memory, and before what follows on both. */
static int copy_peer(int to_ordinal, void *to, int from_ordinal, const void *from, size_t nbytes) {
  cudaEvent_t before = NULL, after = NULL;
  cudaStream_t target = cr__stream_of(to_ordinal), source = cr__stream_of(from_ordinal);
  if (cr__begin_wait("copy between devices", to_ordinal)) return CR_E_DEVICE;
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
  o->pinned_alloc = pinned_alloc;
  o->pinned_free = pinned_free;
  o->is_pinned = is_pinned;
  o->copy_from_pinned = copy_from_pinned;
  o->copy_to_pinned = copy_to_pinned;
  o->copy_peer = copy_peer;
  o->stream_new = cr__stream_new;
  o->stream_current = cr__stream_current;
  o->stream_select = cr__stream_select;
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
