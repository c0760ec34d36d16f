/* api.cpp: CUDA's runtime on the heap: devices, memory, streams, events, graphs.
 *
 * Holds true: work is done when it is queued, which is one of the orders that a stream allows. What a
 * device would refuse is refused: pointers of the wrong side, waiting inside a capture, too much
 * memory. The environment sets the machine:
 *   CRESSET_EMULATE_DEVICES  how many devices there are (2)
 *   CRESSET_EMULATE_MEMORY   bytes on each (4 GiB)
 *   CRESSET_EMULATE_DRIVER   the driver's version (13000)
 *   CRESSET_EMULATE_STRICT   1: device memory faults when the host touches it */
#include "emulate.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include <map>
#include <vector>

typedef std::lock_guard<std::recursive_mutex> guard;

static long long setting(const char *name, long long otherwise) {
  const char *text = getenv(name);
  return text && *text ? atoll(text) : otherwise;
}

/* ---- Errors ---- */

static thread_local cudaError_t last_error;

void cr__emulate_error(cudaError_t code) {
  if (last_error == cudaSuccess) last_error = code;
}
static cudaError_t failing(cudaError_t code) {
  if (code != cudaSuccess) last_error = code;
  return code;
}
cudaError_t cudaGetLastError() {
  cudaError_t code = last_error;
  last_error = cudaSuccess;
  return code;
}
cudaError_t cudaPeekAtLastError() { return last_error; }

static const struct {
  cudaError_t code;
  const char *name, *text;
} errors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration",
     "invalid configuration argument"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
};
const char *cudaGetErrorString(cudaError_t code) {
  for (auto &e : errors)
    if (e.code == code) return e.text;
  return "unrecognized error code";
}
const char *cudaGetErrorName(cudaError_t code) {
  for (auto &e : errors)
    if (e.code == code) return e.name;
  return "cudaErrorUnknown";
}

/* ---- Devices ---- */

static thread_local int current_device;
static int device_count() { return (int)setting("CRESSET_EMULATE_DEVICES", 2); }
static int driver() { return (int)setting("CRESSET_EMULATE_DRIVER", CUDART_VERSION); }
static bool is_device(int ordinal) { return ordinal >= 0 && ordinal < device_count(); }

cudaError_t cudaDriverGetVersion(int *version) {
  *version = driver();
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int *count) {
  *count = 0;
  if (driver() < CUDART_VERSION) return failing(cudaErrorInsufficientDriver);
  *count = device_count();
  return *count > 0 ? cudaSuccess : failing(cudaErrorNoDevice);
}
cudaError_t cudaGetDevice(int *ordinal) {
  *ordinal = current_device;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int ordinal) {
  if (!is_device(ordinal)) return failing(cudaErrorInvalidDevice);
  current_device = ordinal;
  return cudaSuccess;
}
static size_t memory_size() {
  return (size_t)setting("CRESSET_EMULATE_MEMORY", (long long)4 << 30);
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *prop, int ordinal) {
  if (!is_device(ordinal)) return failing(cudaErrorInvalidDevice);
  *prop = cudaDeviceProp();
  snprintf(prop->name, sizeof prop->name, "emulated device %d", ordinal);
  prop->totalGlobalMem = memory_size();
  prop->sharedMemPerBlock = 48 << 10;
  prop->sharedMemPerBlockOptin = 227 << 10;
  prop->major = 9;
  prop->multiProcessorCount = 4;
  prop->warpSize = 32;
  prop->maxThreadsPerBlock = 1024;
  prop->l2CacheSize = 4 << 20;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attr, int ordinal) {
  cudaDeviceProp p;
  cudaError_t code = cudaGetDeviceProperties(&p, ordinal);
  if (code != cudaSuccess) return code;
  switch (attr) {
  case cudaDevAttrMaxThreadsPerBlock: *value = p.maxThreadsPerBlock; break;
  case cudaDevAttrMaxSharedMemoryPerBlock: *value = (int)p.sharedMemPerBlock; break;
  case cudaDevAttrWarpSize: *value = p.warpSize; break;
  case cudaDevAttrMultiProcessorCount: *value = p.multiProcessorCount; break;
  case cudaDevAttrComputeCapabilityMajor: *value = p.major; break;
  case cudaDevAttrComputeCapabilityMinor: *value = p.minor; break;
  case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = (int)p.sharedMemPerBlockOptin; break;
  }
  return cudaSuccess;
}
cudaError_t cudaDeviceCanAccessPeer(int *can, int ordinal, int peer) {
  *can = is_device(ordinal) && is_device(peer) && ordinal != peer;
  return cudaSuccess;
}
cudaError_t cudaDeviceEnablePeerAccess(int, unsigned) { return cudaSuccess; }

/* ---- Memory ---- */

struct block {
  size_t nbytes;
  int device;
};
static std::map<const char *, block> &blocks() {
  static auto *all = new std::map<const char *, block>;
  return *all;
}
static size_t used[256];
static int inside; /* > 0: kernels or copies run */

static bool strict() {
  static bool on = setting("CRESSET_EMULATE_STRICT", 0) != 0;
  return on;
}
static size_t pages(size_t n) { return (n + 4095) & ~(size_t)4095; }
static void walls(bool up) {
  if (!strict()) return;
  for (auto &b : blocks())
    mprotect((void *)b.first, pages(b.second.nbytes), up ? PROT_NONE : PROT_READ | PROT_WRITE);
}
void cr__emulate_enter() {
  if (inside++ == 0) walls(false);
}
void cr__emulate_leave() {
  if (--inside == 0) walls(true);
}

static char *take(size_t nbytes) {
  if (!strict()) return (char *)aligned_alloc(512, (nbytes + 511) & ~(size_t)511);
  void *p = mmap(NULL, pages(nbytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return p == MAP_FAILED ? NULL : (char *)p;
}

cudaError_t cudaMalloc(void **p, size_t nbytes) {
  guard hold(cr__emulate_lock);
  *p = NULL;
  if (!is_device(current_device)) return failing(cudaErrorNoDevice);
  if (nbytes == 0) return cudaSuccess;
  if (nbytes > memory_size() || used[current_device] > memory_size() - nbytes)
    return failing(cudaErrorMemoryAllocation);
  char *fresh = take(nbytes);
  if (!fresh) return failing(cudaErrorMemoryAllocation);
  memset(fresh, 0xff, nbytes < 1 << 20 ? nbytes : 1 << 20); /* nobody may count on zeros */
  used[current_device] += nbytes;
  blocks()[fresh] = {nbytes, current_device};
  if (!inside && strict()) mprotect(fresh, pages(nbytes), PROT_NONE);
  *p = fresh;
  return cudaSuccess;
}

cudaError_t cudaFree(void *p) {
  guard hold(cr__emulate_lock);
  if (!p) return cudaSuccess;
  auto b = blocks().find((char *)p);
  if (b == blocks().end()) return failing(cudaErrorInvalidValue);
  used[b->second.device] -= b->second.nbytes;
  if (strict()) munmap(p, pages(b->second.nbytes));
  else free(p);
  blocks().erase(b);
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void **p, size_t nbytes) {
  *p = aligned_alloc(64, (nbytes + 64) & ~(size_t)63);
  return *p ? cudaSuccess : failing(cudaErrorMemoryAllocation);
}
cudaError_t cudaFreeHost(void *p) {
  free(p);
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total) {
  guard hold(cr__emulate_lock);
  *total = memory_size();
  *free_bytes = *total - used[current_device];
  return cudaSuccess;
}

/* 1: all of it is device memory, 0: none of it, -1: it crosses the end of a block. */
static int side(const void *p, size_t nbytes) {
  auto b = blocks().upper_bound((const char *)p);
  if (b == blocks().begin()) return 0;
  --b;
  size_t at = (size_t)((const char *)p - b->first);
  if (at >= b->second.nbytes) return 0;
  return at + nbytes <= b->second.nbytes ? 1 : -1;
}

static cudaError_t move(void *to, const void *from, size_t nbytes, cudaMemcpyKind kind) {
  guard hold(cr__emulate_lock);
  if (nbytes == 0) return cudaSuccess;
  int to_side = side(to, nbytes), from_side = side(from, nbytes);
  bool fits = to_side >= 0 && from_side >= 0;
  if (kind == cudaMemcpyHostToDevice) fits = to_side == 1 && from_side == 0;
  if (kind == cudaMemcpyDeviceToHost) fits = to_side == 0 && from_side == 1;
  if (kind == cudaMemcpyDeviceToDevice) fits = to_side == 1 && from_side == 1;
  if (!fits) return failing(cudaErrorInvalidValue);
  cr__emulate_enter();
  memmove(to, from, nbytes);
  cr__emulate_leave();
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t nbytes, cudaMemcpyKind kind) {
  return move(to, from, nbytes, kind);
}
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t nbytes, cudaMemcpyKind kind,
                            cudaStream_t s) {
  if (cr__emulate_captured(s, [=]() { cr__emulate_error(move(to, from, nbytes, kind)); }))
    return last_error;
  return move(to, from, nbytes, kind);
}
cudaError_t cudaMemcpyPeerAsync(void *to, int, const void *from, int, size_t nbytes,
                                cudaStream_t s) {
  return cudaMemcpyAsync(to, from, nbytes, cudaMemcpyDeviceToDevice, s);
}

static cudaError_t set_bytes(void *p, int byte, size_t nbytes) {
  guard hold(cr__emulate_lock);
  if (nbytes == 0) return cudaSuccess;
  if (side(p, nbytes) != 1) return failing(cudaErrorInvalidValue);
  cr__emulate_enter();
  memset(p, byte, nbytes);
  cr__emulate_leave();
  return cudaSuccess;
}
cudaError_t cudaMemset(void *p, int byte, size_t nbytes) { return set_bytes(p, byte, nbytes); }
cudaError_t cudaMemsetAsync(void *p, int byte, size_t nbytes, cudaStream_t s) {
  if (cr__emulate_captured(s, [=]() { cr__emulate_error(set_bytes(p, byte, nbytes)); }))
    return last_error;
  return set_bytes(p, byte, nbytes);
}

/* ---- Streams, events, graphs ---- */

struct CUgraph_st {
  std::vector<std::function<void()>> work;
};
struct CUgraphExec_st {
  std::vector<std::function<void()>> work;
};
struct CUstream_st {
  int device;
  CUgraph_st *capture;
  bool spoilt; /* something happened that a graph cannot hold */
};
struct CUevent_st {
  double at; /* seconds; 0: never recorded */
};

static double seconds() {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool cr__emulate_captured(cudaStream_t s, const std::function<void()> &work) {
  if (!s || !s->capture) return false;
  if (work) s->capture->work.push_back(work);
  return true;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned) {
  *s = new CUstream_st{current_device, NULL, false};
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
  if (!s) return failing(cudaErrorInvalidResourceHandle);
  delete s->capture;
  delete s;
  return cudaSuccess;
}
static cudaError_t waiting(cudaStream_t s) {
  if (!s || !s->capture) return cudaSuccess;
  s->spoilt = true;
  return failing(cudaErrorStreamCaptureUnsupported);
}
cudaError_t cudaStreamSynchronize(cudaStream_t s) { return waiting(s); }
cudaError_t cudaStreamQuery(cudaStream_t s) { return waiting(s); }
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }
cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned) {
  *e = new CUevent_st{0};
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t e) {
  delete e;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
  if (!cr__emulate_captured(s, [e]() { e->at = seconds(); })) e->at = seconds();
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to) {
  if (from->at == 0 || to->at == 0) return failing(cudaErrorInvalidResourceHandle);
  *ms = (float)((to->at - from->at) * 1e3);
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode) {
  if (!s || s->capture) return failing(cudaErrorStreamCaptureUnsupported);
  s->capture = new CUgraph_st;
  s->spoilt = false;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph) {
  *graph = NULL;
  if (!s || !s->capture) return failing(cudaErrorInvalidValue);
  CUgraph_st *g = s->capture;
  s->capture = NULL;
  if (s->spoilt) {
    delete g;
    return failing(cudaErrorStreamCaptureInvalidated);
  }
  *graph = g;
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t s, cudaStreamCaptureStatus *status) {
  *status = !s || !s->capture ? cudaStreamCaptureStatusNone
            : s->spoilt       ? cudaStreamCaptureStatusInvalidated
                              : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long) {
  *exec = new CUgraphExec_st{graph->work};
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s) {
  if (s && s->capture) return failing(cudaErrorNotSupported);
  for (auto &work : exec->work) work();
  return cudaPeekAtLastError();
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete exec;
  return cudaSuccess;
}
