/* backend.h: layer 2: what a device must offer. Plain structs, no engine types.
 *
 * Holds true: a backend sees strided views of memory and numbers, never a tensor, a graph or Lua.
 * The catalogue generates the list of kernels (cr__kernel_id) and of pointwise expressions
 * (cr__pointwise_id); the table of every backend is indexed by them. A NULL entry means that the
 * device lacks the kernel, which the engine reports; nothing is ever copied to the host instead. */
#ifndef CR__BACKEND_H
#define CR__BACKEND_H

#include "base.h"
#include "kernels.h" /* generated: cr__kernel_id, cr__pointwise_id */

#define CR__BACKEND_ABI 1
#define CR__MAX_VIEWS 8
#define CR__MAX_INTS (2 * CR_MAX_DIMS + 8)

typedef struct cr__view {
  char *data; /* the first element */
  int32_t dtype, ndim;
  int64_t shape[CR_MAX_DIMS];
  int64_t stride[CR_MAX_DIMS]; /* in elements */
} cr__view;

/* One call of a kernel. Outputs come first. What `i` and `f` mean, and what the engine has checked
 * before, stands above each kernel in src/cpu. */
typedef struct cr__launch {
  const char *op; /* for messages */
  cr_device device;
  int32_t nview, nout;
  int64_t i[CR__MAX_INTS];
  double f[8];
  cr__view v[CR__MAX_VIEWS];
} cr__launch;
typedef int (*cr__kernel)(cr__launch *k); /* 0, or a cr_error with the error set */

/* One elementwise call: out = f(inputs; numbers). All operands have been broadcast to one shape
 * (stride 0 where they repeat); dtypes may differ from `compute`, the one that f is evaluated in:
 * loops convert on the way in and out. A number operand has data NULL and its value in `number`. */
#define CR__MAX_OPERANDS 4
typedef struct cr__operand {
  char *data;
  int32_t dtype;
  const int64_t *stride; /* in elements, ndim of them */
  cr_value number;
} cr__operand;
typedef struct cr__elementwise {
  const char *op;
  cr_device device;
  int32_t pointwise; /* a cr__pointwise_id */
  int32_t compute;   /* a cr_dtype that f has a loop for */
  int32_t ndim, nin, nk;
  const int64_t *shape;
  cr__operand out;
  cr__operand in[CR__MAX_OPERANDS];
  cr_value k[4]; /* the number parameters of f */
} cr__elementwise;

typedef struct cr__backend {
  uint32_t abi; /* CR__BACKEND_ABI */
  const char *name;
  void *(*alloc)(int ordinal, size_t nbytes); /* NULL with the error set */
  void (*free)(int ordinal, void *p, size_t nbytes);
  int (*copy_to_host)(int ordinal, void *host, const void *device, size_t nbytes);
  int (*copy_from_host)(int ordinal, void *device, const void *host, size_t nbytes);
  int (*elementwise)(const cr__elementwise *e);
  bool (*has_loop)(int pointwise, int dtype);
  const cr__kernel *kernels; /* indexed by cr__kernel_id */
} cr__backend;

/* ---- device.c ---- */
const cr__backend *cr__backend_of(cr_device device); /* NULL with the error set */

extern const cr__backend cr__cpu_backend; /* cpu/cpu.c */

#endif
