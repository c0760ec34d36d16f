/* api.cpp: CUDA's runtime on the heap: errors, devices, memory and copies.
 *
 * Holds true: what a device would refuse is refused: pointers of the wrong side, too much memory.
 * Copies are queued like kernels, except that memory which is not pinned is read before a call
 * returns, and has been written when it does. The environment sets the machine:
 *   CRESSET_EMULATE_DEVICES  how many devices there are (2)
 *   CRESSET_EMULATE_PEERS    0: no device reads another one's memory (1)
 *   CRESSET_EMULATE_MEMORY   bytes on each (4 GiB)
 *   CRESSET_EMULATE_DRIVER   the driver's version (13000)
 *   CRESSET_EMULATE_STRICT   1: device memory faults when the host touches it */
#include "emulate.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <map>
#include <memory>

typedef cr__emulate_guard guard;

long long cr__emulate_setting(const char *name, long long otherwise) {
  const char *text = getenv(name);
  return text && *text ? atoll(text) : otherwise;
}

/* ---- Errors ---- */

static thread_local cudaError_t last_error;

cudaError_t cr__emulate_failing(cudaError_t code) {
  if (code != cudaSuccess) last_error = code;
  return code;
}
static cudaError_t failing(cudaError_t code) { return cr__emulate_failing(code); }
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
    {cudaErrorStreamCaptureUnjoined, "cudaErrorStreamCaptureUnjoined",
     "capturing stream has unjoined work"},
    {cudaErrorStreamCaptureIsolation, "cudaErrorStreamCaptureIsolation",
     "dependency created on uncaptured work in another stream"},
    {cudaErrorCapturedEvent, "cudaErrorCapturedEvent",
     "operation not permitted on an event last recorded in a capturing stream"},
    {cudaErrorPeerAccessAlreadyEnabled, "cudaErrorPeerAccessAlreadyEnabled",
     "peer access is already enabled"},
    {cudaErrorPeerAccessUnsupported, "cudaErrorPeerAccessUnsupported",
     "peer access is not supported between these two devices"},
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
static int device_count() { return (int)cr__emulate_setting("CRESSET_EMULATE_DEVICES", 2); }
static int driver() { return (int)cr__emulate_setting("CRESSET_EMULATE_DRIVER", CUDART_VERSION); }
int cr__emulate_device() { return current_device; }
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
  return (size_t)cr__emulate_setting("CRESSET_EMULATE_MEMORY", (long long)4 << 30);
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
  if (!is_device(ordinal) || !is_device(peer)) return failing(cudaErrorInvalidDevice);
  *can = ordinal != peer && cr__emulate_setting("CRESSET_EMULATE_PEERS", 1) != 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned) {
  static std::map<std::pair<int, int>, bool> enabled;
  guard hold(cr__emulate_lock);
  int can = 0;
  cudaError_t code = cudaDeviceCanAccessPeer(&can, current_device, peer);
  if (code != cudaSuccess) return code;
  if (!can) return failing(cudaErrorPeerAccessUnsupported);
  bool &there = enabled[{current_device, peer}];
  if (there) return failing(cudaErrorPeerAccessAlreadyEnabled);
  there = true;
  return cudaSuccess;
}

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
  static bool on = cr__emulate_setting("CRESSET_EMULATE_STRICT", 0) != 0;
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

/* Waits for the device, as CUDA's does. */
cudaError_t cudaFree(void *p) {
  guard hold(cr__emulate_lock);
  if (!p) return cudaSuccess;
  auto b = blocks().find((char *)p);
  if (b == blocks().end()) return failing(cudaErrorInvalidValue);
  (void)cr__emulate_drain(b->second.device);
  used[b->second.device] -= b->second.nbytes;
  if (strict()) munmap(p, pages(b->second.nbytes));
  else free(p);
  blocks().erase(b);
  return cudaSuccess;
}

static std::map<const char *, size_t> &pinned() {
  static auto *all = new std::map<const char *, size_t>;
  return *all;
}
cudaError_t cudaMallocHost(void **p, size_t nbytes) {
  guard hold(cr__emulate_lock);
  *p = aligned_alloc(64, (nbytes + 64) & ~(size_t)63);
  if (!*p) return failing(cudaErrorMemoryAllocation);
  pinned()[(char *)*p] = nbytes;
  return cudaSuccess;
}
/* Waits for nothing: CUDA's may, but nobody says so. */
cudaError_t cudaFreeHost(void *p) {
  guard hold(cr__emulate_lock);
  if (p && !pinned().erase((char *)p)) return failing(cudaErrorInvalidValue);
  free(p);
  return cudaSuccess;
}
static bool is_pinned(const void *p) {
  auto b = pinned().upper_bound((const char *)p);
  return b != pinned().begin() && (const char *)p < (--b)->first + b->second;
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

bool cr__emulate_holds(const void *p, size_t nbytes) { return side(p, nbytes) == 1; }

static bool fits(const void *to, const void *from, size_t nbytes, cudaMemcpyKind kind) {
  int to_side = side(to, nbytes), from_side = side(from, nbytes);
  switch (kind) {
  case cudaMemcpyHostToDevice: return to_side == 1 && from_side == 0;
  case cudaMemcpyDeviceToHost: return to_side == 0 && from_side == 1;
  case cudaMemcpyDeviceToDevice: return to_side == 1 && from_side == 1;
  case cudaMemcpyHostToHost: return to_side == 0 && from_side == 0;
  default: return to_side >= 0 && from_side >= 0;
  }
}

/* Memory may have gone since the copy was queued. */
static bool move(void *to, const void *from, size_t nbytes, cudaMemcpyKind kind) {
  bool sound = fits(to, from, nbytes, kind);
  if (sound) memmove(to, from, nbytes);
  else fputs("cuda emulation: a copy reads or writes device memory that has been freed\n", stderr);
  return sound;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t nbytes, cudaMemcpyKind kind,
                            cudaStream_t s) {
  guard hold(cr__emulate_lock);
  if (nbytes == 0) return cudaSuccess;
  if (!fits(to, from, nbytes, kind)) return failing(cudaErrorInvalidValue);
  if (kind == cudaMemcpyHostToDevice && !is_pinned(from) && !cr__emulate_capturing(s)) {
    std::shared_ptr<char> staged((char *)malloc(nbytes), free);
    if (!staged) return failing(cudaErrorMemoryAllocation);
    memcpy(staged.get(), from, nbytes);
    return cr__emulate_queue(s, [=]() { return move(to, staged.get(), nbytes, kind); });
  }
  cudaError_t code = cr__emulate_queue(s, [=]() { return move(to, from, nbytes, kind); });
  bool waits = kind == cudaMemcpyDeviceToHost && !is_pinned(to) && !cr__emulate_capturing(s);
  return code == cudaSuccess && waits ? cr__emulate_finish(s) : code;
}
cudaError_t cudaMemcpy(void *to, const void *from, size_t nbytes, cudaMemcpyKind kind) {
  cudaError_t code = cudaMemcpyAsync(to, from, nbytes, kind, NULL);
  return code == cudaSuccess ? cr__emulate_finish(NULL) : code;
}
cudaError_t cudaMemcpyPeerAsync(void *to, int, const void *from, int, size_t nbytes,
                                cudaStream_t s) {
  return cudaMemcpyAsync(to, from, nbytes, cudaMemcpyDeviceToDevice, s);
}

cudaError_t cudaMemsetAsync(void *p, int byte, size_t nbytes, cudaStream_t s) {
  guard hold(cr__emulate_lock);
  if (nbytes == 0) return cudaSuccess;
  if (side(p, nbytes) != 1) return failing(cudaErrorInvalidValue);
  return cr__emulate_queue(s, [=]() {
    bool sound = side(p, nbytes) == 1;
    if (sound) memset(p, byte, nbytes);
    return sound;
  });
}
cudaError_t cudaMemset(void *p, int byte, size_t nbytes) {
  return cudaMemsetAsync(p, byte, nbytes, NULL);
}
