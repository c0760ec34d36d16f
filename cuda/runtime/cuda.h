/* cuda/runtime/cuda.h: what the files of the CUDA backend share.
 *
 * Holds true: a file of this backend sees the runtime API, backend.h and its neighbours; never Lua,
 * never the engine's tensors. The same text is compiled by nvcc for a GPU and by a C++ compiler for
 * the emulation, whose headers in cuda/emulate stand in for CUDA's; no kernel knows which it is.
 *
 * Kernels run on the calling thread's current stream. Nothing here waits for the device, except
 * where a result is needed on the host. */
#ifndef CR__CUDA_H
#define CR__CUDA_H

#include <cuda_runtime.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

extern "C" {
#include "device/backend.h"
}

/* ---- runtime.cu ---- */

/* The device that this thread last made active: what a call of the backend works on. Asking CUDA again
 * for each kernel, stream and size would cost more than some of the kernels. */
extern __thread int cr__active;
cudaStream_t cr__stream(void);                         /* of this thread, on the active device */
int cr__cuda_failed(const char *op, cudaError_t code); /* a code, with the error set */
static inline int cr__cuda_check(const char *op, cudaError_t code) {
  return code == cudaSuccess ? 0 : cr__cuda_failed(op, code);
}
void *cr__cuda_alloc(int ordinal, size_t nbytes); /* cached; NULL with the error set */
void cr__cuda_free(int ordinal, void *p, size_t nbytes);
/* Memory for the length of a kernel call; safe to free at once, as streams run in order. */
int cr__cuda_multiprocessors(void); /* of the active device */

/* ---- elementwise.cu ---- */

int cr__cuda_elementwise(const cr__elementwise *e);
bool cr__cuda_has_loop(int pointwise, int dtype);

/* ---- Reports of a device ---- */

/* What a kernel found wrong: the first report wins and is raised at the next point that waits for
 * the device (item, totable, synchronize), with the op's name and the 1-based position. */
typedef enum cr__fault_kind {
  CR__FAULT_INDEX = 1,
  CR__FAULT_TARGET,      /* index is no class among `size` of them */
  CR__FAULT_PROBABILITY, /* value does not lie between 0 and 1 */
  CR__FAULT_VARIANCE     /* value is negative */
} cr__fault_kind;
typedef struct cr__fault {
  int taken; /* 1 once a thread of a kernel has won the right to fill the rest */
  int set;   /* 0, or a cr__fault_kind once the rest has been written */
  int dim;   /* 1-based; 0: not told */
  int64_t index, size;
  double value;   /* of an element, for CR__FAULT_PROBABILITY and CR__FAULT_VARIANCE */
  const char *op; /* a string of the host, never read on the device */
} cr__fault;
cr__fault *cr__fault_slot(void); /* of the active device; NULL with the error set */

/* The host looks whenever any stream is waited for, so what it sees must be whole. */
__device__ static inline bool cr__fault_take(cr__fault *f) {
  return *(volatile int *)&f->taken == 0 && atomicCAS(&f->taken, 0, 1) == 0;
}
__device__ static inline void cr__fault_tell(cr__fault *f, cr__fault_kind kind) {
  __threadfence_system();
  *(volatile int *)&f->set = (int)kind;
}

__device__ static inline void cr__report_index(cr__fault *f, const char *op, int dim, int64_t index,
                                               int64_t size) {
  if (cr__fault_take(f)) {
    f->dim = dim;
    f->index = index;
    f->size = size;
    f->op = op;
    cr__fault_tell(f, CR__FAULT_INDEX);
  }
}
__device__ static inline void cr__report_target(cr__fault *f, const char *op, int64_t target,
                                                int64_t classes) {
  if (cr__fault_take(f)) {
    f->index = target;
    f->size = classes;
    f->op = op;
    cr__fault_tell(f, CR__FAULT_TARGET);
  }
}
__device__ static inline void cr__report_value(cr__fault *f, cr__fault_kind kind, const char *op,
                                               double value) {
  if (cr__fault_take(f)) {
    f->value = value;
    f->op = op;
    cr__fault_tell(f, kind);
  }
}
__device__ static inline void cr__report_probability(cr__fault *f, const char *op, double value) {
  cr__report_value(f, CR__FAULT_PROBABILITY, op, value);
}
__device__ static inline void cr__report_variance(cr__fault *f, const char *op, double value) {
  cr__report_value(f, CR__FAULT_VARIANCE, op, value);
}

/* Launches `kernel` (a name or a function pointer without commas in it) on the current stream and
 * gives 0 or the error. `shared` counts bytes; a kernel reaches them by CR__SHARED(type, name). */
void cr__gemm_ops(cr__device_ops *o); /* kernels/cublas.cu: fills in what belongs to products */

#ifndef CR__LAUNCH /* the emulation's cuda_runtime.h defines both */
template <class T> struct cr__as {
  typedef T type; /* what a kernel takes, not what it is given, decides its parameters' types */
};
/* One call of CUDA, which gives the error; <<<>>> makes three, and cudaGetLastError is a fourth. */
template <class... P>
static inline int cr__queue(const char *op, void (*kernel)(P...), dim3 grid, dim3 block,
                            size_t shared, typename cr__as<P>::type... given) {
  void *all[] = {(void *)&given...};
  return cr__cuda_check(op, cudaLaunchKernel((const void *)kernel, grid, block, all, shared,
                                             cr__stream()));
}
#define CR__LAUNCH(op, kernel, grid, block, shared, ...) \
  cr__queue((op), kernel, (grid), (block), (shared), __VA_ARGS__)
#define CR__SHARED(T, name)                                         \
  extern __shared__ __align__(16) unsigned char cr__shared_bytes[]; \
  T *name = reinterpret_cast<T *>(cr__shared_bytes)
#endif

#endif
