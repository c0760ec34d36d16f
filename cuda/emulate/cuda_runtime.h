/* cuda_runtime.h: stands in for CUDA's header where there is no GPU: the .cu files become C++.
 *
 * Holds true: a kernel sees here what it would see on a device, with the device's limits (threads of
 * a block, shared memory, grid): what this header accepts, nvcc must accept as well. Names are CUDA's
 * own; what they do lies in launch.cpp (threads of a block), queue.cpp (streams, events, graphs) and
 * api.cpp (all the rest). */
#ifndef CR__EMULATE_CUDA_RUNTIME_H
#define CR__EMULATE_CUDA_RUNTIME_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <tuple>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __constant__
#define __shared__ static
/* No always_inline: thousands of kernels share what they call, which compiles several times as fast. */
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define CUDART_VERSION 13000

/* ---- Vectors ---- */

#define CR__VECTOR(T, name, two, three, four)                                                      \
  struct __attribute__((aligned(two))) name##2 { T x, y; };                                        \
  struct name##3 { T x, y, z; };                                                                   \
  struct __attribute__((aligned(four))) name##4 { T x, y, z, w; };                                 \
  static inline name##2 make_##name##2(T x, T y) { return {x, y}; }                                \
  static inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }                        \
  static inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
CR__VECTOR(signed char, char, 2, 1, 4)
CR__VECTOR(unsigned char, uchar, 2, 1, 4)
CR__VECTOR(short, short, 4, 2, 8)
CR__VECTOR(unsigned short, ushort, 4, 2, 8)
CR__VECTOR(int, int, 8, 4, 16)
CR__VECTOR(unsigned, uint, 8, 4, 16)
CR__VECTOR(long long, longlong, 16, 8, 16)
CR__VECTOR(unsigned long long, ulonglong, 16, 8, 16)
CR__VECTOR(float, float, 8, 4, 16)
CR__VECTOR(double, double, 16, 8, 16)
#undef CR__VECTOR

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

/* ---- Errors ---- */

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInitializationError = 3,
  cudaErrorCudartUnloading = 4,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorPeerAccessUnsupported = 217,
  cudaErrorPeerAccessAlreadyEnabled = 704,
  cudaErrorInvalidResourceHandle = 400,
  cudaErrorNotReady = 600,
  cudaErrorIllegalAddress = 700,
  cudaErrorLaunchFailure = 719,
  cudaErrorNotSupported = 801,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901,
  cudaErrorStreamCaptureUnjoined = 904,
  cudaErrorStreamCaptureIsolation = 905,
  cudaErrorCapturedEvent = 907
};
const char *cudaGetErrorString(cudaError_t code);
const char *cudaGetErrorName(cudaError_t code);
cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();

/* ---- Devices ---- */

struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem, sharedMemPerBlock, sharedMemPerBlockOptin;
  int major, minor, multiProcessorCount, warpSize, maxThreadsPerBlock, l2CacheSize;
};
enum cudaDeviceAttr {
  cudaDevAttrMaxThreadsPerBlock = 1,
  cudaDevAttrMaxSharedMemoryPerBlock = 8,
  cudaDevAttrWarpSize = 10,
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97
};
cudaError_t cudaGetDeviceCount(int *count);
cudaError_t cudaGetDevice(int *ordinal);
cudaError_t cudaSetDevice(int ordinal);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *prop, int ordinal);
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attr, int ordinal);
cudaError_t cudaDeviceSynchronize();
cudaError_t cudaDeviceCanAccessPeer(int *can, int ordinal, int peer);
cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned flags);
cudaError_t cudaDriverGetVersion(int *version);
cudaError_t cudaRuntimeGetVersion(int *version);

/* ---- Streams, events, graphs ---- */

typedef struct CUstream_st *cudaStream_t;
typedef struct CUevent_st *cudaEvent_t;
typedef struct CUgraph_st *cudaGraph_t;
typedef struct CUgraphExec_st *cudaGraphExec_t;
enum { cudaStreamDefault = 0, cudaStreamNonBlocking = 1 };
enum { cudaEventDefault = 0, cudaEventBlockingSync = 1, cudaEventDisableTiming = 2 };
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned flags);
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *s, unsigned flags, int priority);
cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest);
cudaError_t cudaStreamDestroy(cudaStream_t s);
cudaError_t cudaStreamSynchronize(cudaStream_t s);
cudaError_t cudaStreamQuery(cudaStream_t s);
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned flags = 0);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t e);
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s = 0);
cudaError_t cudaEventQuery(cudaEvent_t e);
cudaError_t cudaEventSynchronize(cudaEvent_t e);
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to);
enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal,
  cudaStreamCaptureModeThreadLocal,
  cudaStreamCaptureModeRelaxed
};
enum cudaStreamCaptureStatus {
  cudaStreamCaptureStatusNone,
  cudaStreamCaptureStatusActive,
  cudaStreamCaptureStatusInvalidated
};
cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph);
cudaError_t cudaStreamIsCapturing(cudaStream_t s, cudaStreamCaptureStatus *status);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph,
                                 unsigned long long flags = 0);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);

/* ---- Memory ---- */

enum cudaMemcpyKind {
  cudaMemcpyHostToHost,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault
};
cudaError_t cudaMalloc(void **p, size_t nbytes);
cudaError_t cudaFree(void *p);
cudaError_t cudaMallocHost(void **p, size_t nbytes);
cudaError_t cudaFreeHost(void *p);
cudaError_t cudaMemcpy(void *to, const void *from, size_t nbytes, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t nbytes, cudaMemcpyKind kind,
                            cudaStream_t s = 0);
cudaError_t cudaMemcpyPeerAsync(void *to, int to_ordinal, const void *from, int from_ordinal,
                                size_t nbytes, cudaStream_t s = 0);
cudaError_t cudaMemset(void *p, int byte, size_t nbytes);
cudaError_t cudaMemsetAsync(void *p, int byte, size_t nbytes, cudaStream_t s = 0);
cudaError_t cudaMemGetInfo(size_t *free, size_t *total);
template <class T> static inline cudaError_t cudaMalloc(T **p, size_t nbytes) {
  return cudaMalloc((void **)(void *)p, nbytes);
}

/* ---- Kernels ---- */

enum cudaFuncAttribute {
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
  cudaFuncAttributePreferredSharedMemoryCarveout = 9
};
cudaError_t cr__emulate_set_shared(const void *kernel, int nbytes);
template <class F>
static inline cudaError_t cudaFuncSetAttribute(F *kernel, cudaFuncAttribute attribute, int value) {
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  return cr__emulate_set_shared((const void *)kernel, value);
}

/* A launch: `invoke` runs one thread with the arguments at `call`, which the queue copies. */
struct cr__emulate_launch {
  const void *kernel;
  dim3 grid, block;
  size_t shared;
  void (*invoke)(void *call);
  void *(*copy)(const void *call);
  void (*drop)(void *call);
  void *call;
};
void cr__emulate_run(const cr__emulate_launch *launch, cudaStream_t s);

template <class... P> struct cr__emulate_call {
  void (*kernel)(P...);
  std::tuple<P...> args;
  static void invoke(void *self) {
    cr__emulate_call *c = (cr__emulate_call *)self;
    std::apply(c->kernel, c->args);
  }
  static void *copy(const void *self) {
    return new cr__emulate_call(*(const cr__emulate_call *)self);
  }
  static void drop(void *self) { delete (cr__emulate_call *)self; }
};
template <class... P, class... A>
static inline void cr__emulate(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared,
                               cudaStream_t s, A &&...args) {
  typedef cr__emulate_call<P...> call;
  static_assert((sizeof(P) + ... + 0) <= 4096, "a kernel takes up to 4 KiB of parameters");
  call c = {kernel, std::tuple<P...>(std::forward<A>(args)...)};
  cr__emulate_launch l = {(const void *)kernel, grid, block, shared, call::invoke, call::copy,
                          call::drop, &c};
  cr__emulate_run(&l, s);
}
#define CR__LAUNCH(op, kernel, grid, block, shared, ...)                                           \
  (cr__emulate(kernel, (grid), (block), (shared), cr__stream(), __VA_ARGS__),                      \
   cr__cuda_check((op), cudaGetLastError()))
#define CR__SHARED(T, name) T *name = reinterpret_cast<T *>(cr__emulate_shared)

#include "device.h"

#endif
