/* queue.cpp: what streams hold: work, events and graphs, and the order in which work runs.
 *
 * Holds true: queued work runs when somebody waits for it, and not before. Which stream goes on then
 * is as unkind as CUDA allows: a stream keeps its own order, waits for the events that it was told
 * to wait for, and, unless made non-blocking, for the default stream; nothing else is in order. A wait
 * that a program lacks shows as wrong numbers, the same ones every time. CRESSET_EMULATE_ORDER says
 * which order it is:
 *   0  work runs as it is queued
 *   1  only what is waited for runs: all other streams lag (the default)
 *   2  what is not waited for runs first, as far as it can, newest streams first
 *   3, 4, ...  seeds: any stream that can go on may be next */
#include "emulate.h"

#include <stdio.h>
#include <time.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <vector>

enum { MOST_PENDING = 4096 }; /* then a stream has to go on before more is queued, as on a device */

/* ---- Lanes: the queue of a stream, which outlives a stream that is destroyed ---- */

struct lane;
struct mark { /* one recording of an event */
  std::shared_ptr<lane> on;
  CUgraph_st *captured; /* recorded for this graph, which nobody outside of it can wait for */
  bool done;
  double at; /* seconds */
};
struct item {
  cr__emulate_work work;
  std::shared_ptr<mark> record, wait;
};
struct lane {
  int device;
  bool blocking, legacy;
  std::deque<item> items;
};
struct CUgraph_st {
  std::vector<cr__emulate_work> work;
  cudaError_t spoilt; /* something happened that a graph cannot hold */
};
struct CUgraphExec_st {
  std::vector<cr__emulate_work> work;
  std::shared_ptr<mark> last; /* the end of its last launch, after which the next one comes */
};
struct CUstream_st {
  std::shared_ptr<lane> on;
  CUgraph_st *capture;
};
struct CUevent_st {
  int device;
  bool timing;
  std::shared_ptr<mark> last; /* none: never recorded */
};

typedef std::vector<std::shared_ptr<lane>> lane_list;
static lane_list &lanes() { /* oldest first; of a destroyed stream until it is empty */
  static auto *all = new lane_list;
  return *all;
}
static std::vector<CUgraph_st *> &captures() {
  static auto *all = new std::vector<CUgraph_st *>;
  return *all;
}
static size_t npending;
static bool broken; /* work went wrong; as on a device, that does not heal */

static const std::shared_ptr<lane> &default_lane(int device) {
  static auto *all = new lane_list;
  while ((int)all->size() <= device) {
    all->push_back(std::make_shared<lane>(lane{(int)all->size(), false, true, {}}));
    lanes().push_back(all->back());
  }
  return (*all)[(size_t)device];
}
static const std::shared_ptr<lane> &lane_of(cudaStream_t s) {
  return s ? s->on : default_lane(cr__emulate_device());
}
int cr__emulate_device_of(cudaStream_t s) { return lane_of(s)->device; }
bool cr__emulate_capturing(cudaStream_t s) { return s && s->capture; }

static double seconds() {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- Running ---- */

static long long order() {
  static const long long value = cr__emulate_setting("CRESSET_EMULATE_ORDER", 1);
  return value;
}

static bool can_go_on(const lane &l) {
  return !l.items.empty() && (!l.items.front().wait || l.items.front().wait->done);
}

static void step(lane *l) {
  item first = std::move(l->items.front());
  l->items.pop_front();
  npending--;
  if (first.record) {
    first.record->at = seconds();
    first.record->done = true;
  }
  if (!first.work) return;
  cr__emulate_enter();
  if (!first.work()) broken = true;
  cr__emulate_leave();
}

/* The lane that has to go on for `l` to do so. */
static lane *needed_by(lane *l) {
  while (!can_go_on(*l)) l = l->items.front().wait->on.get();
  return l;
}

/* Whom the order favours; `target` holds work that somebody waits for. */
static lane *choose(lane *target) {
  lane *needed = needed_by(target);
  if (order() <= 1) return needed;
  std::vector<lane *> others;
  for (auto &l : lanes())
    if (can_go_on(*l)) others.push_back(l.get());
  if (order() > 2) {
    static uint64_t state = (uint64_t)order();
    state = state * 6364136223846793005u + 1442695040888963407u;
    return others[(state >> 33) % others.size()];
  }
  auto other = std::find_if(others.rbegin(), others.rend(), [=](lane *l) { return l != needed; });
  return other == others.rend() ? needed : *other;
}

static cudaError_t outcome() {
  return broken ? cr__emulate_failing(cudaErrorLaunchFailure) : cudaSuccess;
}

static void forget_lanes() {
  auto gone = [](const std::shared_ptr<lane> &l) {
    return l->items.empty() && !l->legacy && l.use_count() == 1;
  };
  lanes().erase(std::remove_if(lanes().begin(), lanes().end(), gone), lanes().end());
}

static cudaError_t run_lane(const std::shared_ptr<lane> &l) {
  while (!l->items.empty()) step(choose(l.get()));
  forget_lanes();
  return outcome();
}

cudaError_t cr__emulate_finish(cudaStream_t s) {
  cr__emulate_guard hold(cr__emulate_lock);
  return run_lane(lane_of(s));
}

cudaError_t cr__emulate_drain(int device) {
  cr__emulate_guard hold(cr__emulate_lock);
  lane_list all = lanes();
  for (auto &l : all)
    if (l->device == device) (void)run_lane(l);
  return outcome();
}

/* ---- Queueing ---- */

static void push(const std::shared_ptr<lane> &l, const item &what) {
  l->items.push_back(what);
  npending++;
}

/* What `later` gets from now on comes after what `earlier` holds. */
static void fence(const std::shared_ptr<lane> &earlier, const std::shared_ptr<lane> &later) {
  if (earlier->items.empty()) return;
  auto m = std::make_shared<mark>(mark{earlier, NULL, false, 0});
  push(earlier, {nullptr, m, nullptr});
  push(later, {nullptr, nullptr, m});
}

static void add(const std::shared_ptr<lane> &l, const item &what) {
  for (auto &other : lanes())
    if (other->device == l->device && ((l->legacy && other->blocking) ||
                                       (l->blocking && other->legacy)))
      fence(other, l);
  push(l, what);
  if (order() == 0) (void)run_lane(l);
  for (size_t i = 0; npending > MOST_PENDING; i = (i + 1) % lanes().size())
    if (!lanes()[i]->items.empty()) step(choose(lanes()[i].get()));
}

cudaError_t cr__emulate_queue(cudaStream_t s, const cr__emulate_work &work) {
  cr__emulate_guard hold(cr__emulate_lock);
  if (s && s->capture) s->capture->work.push_back(work);
  else add(lane_of(s), {work, nullptr, nullptr});
  return cudaSuccess;
}

/* ---- Streams ---- */

static cudaError_t spoil(CUgraph_st *g) {
  g->spoilt = cudaErrorStreamCaptureInvalidated;
  return cr__emulate_failing(cudaErrorStreamCaptureUnsupported);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned flags) {
  cr__emulate_guard hold(cr__emulate_lock);
  bool blocking = !(flags & cudaStreamNonBlocking);
  (void)default_lane(cr__emulate_device());
  auto l = std::make_shared<lane>(lane{cr__emulate_device(), blocking, false, {}});
  lanes().push_back(l);
  *s = new CUstream_st{l, NULL};
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *s, unsigned flags, int) {
  return cudaStreamCreateWithFlags(s, flags);
}
cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t s) {
  cr__emulate_guard hold(cr__emulate_lock);
  if (!s) return cr__emulate_failing(cudaErrorInvalidResourceHandle);
  if (s->capture) s->capture->spoilt = cudaErrorStreamCaptureInvalidated;
  delete s;
  forget_lanes();
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t s) {
  cr__emulate_guard hold(cr__emulate_lock);
  return s && s->capture ? spoil(s->capture) : run_lane(lane_of(s));
}
cudaError_t cudaDeviceSynchronize() {
  cr__emulate_guard hold(cr__emulate_lock);
  if (captures().empty()) return cr__emulate_drain(cr__emulate_device());
  for (CUgraph_st *g : captures()) (void)spoil(g);
  return cr__emulate_failing(cudaErrorStreamCaptureUnsupported);
}
/* Asking lets work go on by a step, so who keeps asking comes to an end. */
cudaError_t cudaStreamQuery(cudaStream_t s) {
  cr__emulate_guard hold(cr__emulate_lock);
  if (s && s->capture) return spoil(s->capture);
  const std::shared_ptr<lane> &l = lane_of(s);
  if (l->items.empty()) return outcome();
  step(choose(l.get()));
  return cr__emulate_failing(cudaErrorNotReady);
}

/* ---- Events ---- */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned flags) {
  *e = new CUevent_st{cr__emulate_device(), !(flags & cudaEventDisableTiming), nullptr};
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t e) {
  cr__emulate_guard hold(cr__emulate_lock);
  delete e;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
  cr__emulate_guard hold(cr__emulate_lock);
  const std::shared_ptr<lane> &l = lane_of(s);
  if (e->device != l->device) return cr__emulate_failing(cudaErrorInvalidResourceHandle);
  e->last = std::make_shared<mark>(mark{l, s ? s->capture : NULL, false, 0});
  if (!e->last->captured) add(l, {nullptr, e->last, nullptr});
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned) {
  cr__emulate_guard hold(cr__emulate_lock);
  CUgraph_st *g = s ? s->capture : NULL;
  if (!e->last || (g && e->last->captured == g)) return cudaSuccess;
  if (g) { /* on something outside of the graph */
    g->spoilt = cudaErrorStreamCaptureInvalidated;
    return cr__emulate_failing(cudaErrorStreamCaptureIsolation);
  }
  if (!e->last->captured) {
    add(lane_of(s), {nullptr, nullptr, e->last});
    return cudaSuccess;
  }
  /* The stream would join the capture; nothing here can part them again. */
  auto &all = captures();
  if (std::find(all.begin(), all.end(), e->last->captured) == all.end())
    return cr__emulate_failing(cudaErrorCapturedEvent);
  e->last->captured->spoilt = cudaErrorStreamCaptureUnjoined;
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t e) {
  cr__emulate_guard hold(cr__emulate_lock);
  if (!e->last) return cudaSuccess;
  if (e->last->captured) return cr__emulate_failing(cudaErrorCapturedEvent);
  if (e->last->done) return outcome();
  step(choose(e->last->on.get()));
  return cr__emulate_failing(cudaErrorNotReady);
}
cudaError_t cudaEventSynchronize(cudaEvent_t e) {
  cr__emulate_guard hold(cr__emulate_lock);
  std::shared_ptr<mark> m = e->last;
  if (m && m->captured) return cr__emulate_failing(cudaErrorCapturedEvent);
  while (m && !m->done) step(choose(m->on.get()));
  return outcome();
}
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to) {
  cr__emulate_guard hold(cr__emulate_lock);
  if (!from->last || !to->last || !from->timing || !to->timing)
    return cr__emulate_failing(cudaErrorInvalidResourceHandle);
  if (!from->last->done || !to->last->done) return cr__emulate_failing(cudaErrorNotReady);
  *ms = (float)((to->last->at - from->last->at) * 1e3);
  return cudaSuccess;
}

/* ---- Graphs: the captured work in its order ---- */

cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode) {
  cr__emulate_guard hold(cr__emulate_lock);
  if (!s || s->capture) return cr__emulate_failing(cudaErrorStreamCaptureUnsupported);
  s->capture = new CUgraph_st{{}, cudaSuccess};
  captures().push_back(s->capture);
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph) {
  cr__emulate_guard hold(cr__emulate_lock);
  *graph = NULL;
  if (!s || !s->capture) return cr__emulate_failing(cudaErrorInvalidValue);
  CUgraph_st *g = s->capture;
  cudaError_t code = g->spoilt;
  s->capture = NULL;
  captures().erase(std::find(captures().begin(), captures().end(), g));
  if (code == cudaSuccess) *graph = g;
  else delete g;
  return code == cudaSuccess ? code : cr__emulate_failing(code);
}
cudaError_t cudaStreamIsCapturing(cudaStream_t s, cudaStreamCaptureStatus *status) {
  cr__emulate_guard hold(cr__emulate_lock);
  *status = !s || !s->capture     ? cudaStreamCaptureStatusNone
            : s->capture->spoilt ? cudaStreamCaptureStatusInvalidated
                                  : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long) {
  *exec = new CUgraphExec_st{graph->work, nullptr};
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s) {
  cr__emulate_guard hold(cr__emulate_lock);
  if (s && s->capture) return cr__emulate_failing(cudaErrorNotSupported);
  const std::shared_ptr<lane> &l = lane_of(s);
  if (exec->last) add(l, {nullptr, nullptr, exec->last});
  for (auto &work : exec->work) add(l, {work, nullptr, nullptr});
  exec->last = std::make_shared<mark>(mark{l, NULL, false, 0});
  add(l, {nullptr, exec->last, nullptr});
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete exec;
  return cudaSuccess;
}
