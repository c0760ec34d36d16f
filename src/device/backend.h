/* backend.h: layer 2: what a device must offer. Plain structs, no engine types.
 *
 * Holds true: a backend sees strided views of memory and numbers, never a tensor, a graph or Lua.
 * The catalogue generates the list of kernels (cr__kernel_id) and of pointwise expressions
 * (cr__pointwise_id); the table of every backend is indexed by them. A NULL entry means that the
 * device lacks the kernel, which the engine reports; nothing is ever copied to the host instead. */
#ifndef CR__BACKEND_H
#define CR__BACKEND_H

#include <stdarg.h>

#include "base/base.h"
#include "kernels.h" /* generated: cr__kernel_id, cr__pointwise_id */

/* What a plug-in is checked against, with the catalogue: a number to raise when a meaning changes,
 * and the sizes of what both sides share. */
#define CR__BACKEND_ABI                                                      \
  ((uint32_t)(6 + 31 * sizeof(cr__launch) + 1009 * sizeof(cr__elementwise) + \
              10007 * sizeof(cr__backend) + 100003 * sizeof(cr__device_ops) + sizeof(cr__host)))
#define CR__MAX_VIEWS 11

typedef struct cr__view {
  char *data; /* the first element */
  int32_t dtype, ndim;
  int64_t shape[CR_MAX_DIMS];
  int64_t stride[CR_MAX_DIMS]; /* in elements */
} cr__view;

/* A row of a call over lists of tensors: one tensor of each list, all of one dtype and laid out alike
 * without gaps, so that they count as n elements in a line. */
#define CR__MAX_LISTS 5
typedef struct cr__row {
  char *data[CR__MAX_LISTS]; /* NULL: the call goes without that list */
  int32_t dtype;
  uint32_t switches; /* of an update: see scalar/step.h */
  int64_t n, step;   /* step: of a kernel that takes n elements at a time, to the next n */
  const double *f;   /* of an update: its numbers */
} cr__row;

/* Where the random numbers of a call begin. */
typedef struct cr__rng_place {
  uint64_t seed, offset;
} cr__rng_place;

/* A tensor as lines along one of its dims: the sizes of the dims before it, of itself, of those after it. */
typedef struct cr__line_sizes {
  int64_t outer, n, inner;
} cr__line_sizes;

#include "slots.h" /* generated: what a launch hands each kernel, by name */

/* One call of a kernel. Its views and numbers have the names of its declaration in the catalogue: those of
 * the kernel `sort` are k->sort.in, k->sort.dim. What they mean, and what the engine has checked before, stands
 * above each kernel in src/cpu. */
typedef struct cr__launch {
  const char *op; /* for messages */
  cr_device device;
  cr_device elsewhere; /* of a tensor that lies on another device; `device` if none does */
  int32_t nview, nrow;
  const cr__row *rows; /* nrow of them, for kernels over lists of tensors */
  union {
    cr__view v[CR__MAX_VIEWS]; /* nview of them; data is NULL where one is absent */
    CR__SLOTS
  };
} cr__launch;
/* What becomes of the elements that a kernel for positions finds in place. */
typedef enum cr__scatter_mode {
  CR__SCATTER_SET,
  CR__SCATTER_ADD,
  CR__SCATTER_MULTIPLY,
  CR__SCATTER_LARGEST, /* NaN wins */
  CR__SCATTER_SMALLEST
} cr__scatter_mode;
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

/* A small elementwise call as most are: n contiguous elements (1 to CR__FEW), the output and all
 * operands in the dtype that f computes in and gives. */
#define CR__FEW 256
typedef struct cr__few {
  int32_t pointwise, dtype, n, nin;
  uint32_t single; /* a bit per operand that is one element, which repeats */
  char *out;
  const char *in[CR__MAX_OPERANDS];
  const void *k; /* the number parameters of f, one after the other in dtype */
} cr__few;

/* A small reduction as most are: n elements (1 to CR__FEW_FOLDED) that follow one another, of float32, float64 or
 * int64, folded to one of the same dtype. fold: SUM, PROD, MAX or MIN; finish: NONE or DIVIDE. */
#define CR__FEW_FOLDED 2048
typedef struct cr__fold_few {
  int32_t fold, finish, dtype, n;
  double number; /* that of the finish */
  const char *in;
  char *out;
} cr__fold_few;

/* What a device with streams offers on top; the CPU has none of it. Streams, events and graphs are
 * the backend's own structs. Functions give 0 or a cr_error with the error set, unless said
 * otherwise. Waiting ones raise what a kernel has found wrong since the last wait. */
typedef struct cr__device_ops {
  int (*count)(int *count);
  int (*selected)(void); /* the current device, 0 at first */
  int (*select)(int ordinal);
  /* Before a kernel on these views: makes the device the active one; a capture notes the memory. */
  int (*enter)(int ordinal, const cr__view *views, int n);
  int (*synchronize)(int ordinal);
  int (*properties)(int ordinal, cr_cuda_properties *out);
  int (*memory_stats)(int ordinal, cr_memory *out);
  void (*memory_reset_peak)(int ordinal);
  int (*memory_limit)(int ordinal, int64_t bytes);
  void (*memory_empty_cache)(int ordinal);
  int64_t (*memory_in_use)(void); /* by tensors, on all devices */
  void *(*pinned_alloc)(size_t nbytes);
  void (*pinned_free)(void *p);
  bool (*is_pinned)(const void *p);
  /* Queued, where the host's memory is pinned: it must stay until the stream has passed. */
  int (*copy_from_pinned)(int ordinal, void *device, const void *host, size_t nbytes);
  int (*copy_to_pinned)(int ordinal, void *host, const void *device, size_t nbytes);
  int (*copy_peer)(int to_ordinal, void *to, int from_ordinal, const void *from, size_t nbytes);
  cr_stream *(*stream_new)(int ordinal, bool high_priority);
  cr_stream *(*stream_current)(int ordinal); /* returns a reference */
  int (*stream_select)(cr_stream *s);        /* with its device */
  /* For scopes: a note as the present choices are, with this stream; the end of a note. */
  void *(*streams_with)(cr_stream *s);
  void (*streams_free)(void *note);
  int (*stream_ordinal)(const cr_stream *s);
  uint64_t (*stream_id)(const cr_stream *s);
  cr_stream *(*stream_retain)(cr_stream *s);
  void (*stream_release)(cr_stream *s);
  int (*stream_synchronize)(cr_stream *s);
  int (*stream_query)(cr_stream *s, bool *done);
  int (*stream_wait)(cr_stream *s, cr_event *e);
  int (*stream_record)(cr_stream *s, int ordinal, void *p); /* p is in use there as well */
  cr_event *(*event_new)(bool timing);
  void (*event_free)(cr_event *e);
  int (*event_record)(cr_event *e, cr_stream *s);
  int (*event_query)(cr_event *e, bool *done);
  int (*event_synchronize)(cr_event *e);
  int (*event_elapsed)(cr_event *from, cr_event *to, double *milliseconds);
  int (*graph_begin)(void);
  cr_graph *(*graph_end)(bool keep); /* without keep: gives the capture up and returns NULL */
  bool (*graph_capturing)(void);
  int (*graph_launch)(cr_graph *g);
  void (*graph_free)(cr_graph *g);
  /* Whether float32 products may round their factors to TF32: faster, with 10 bits of precision. */
  void (*set_tf32)(bool on);
  bool (*tf32)(void);
  const char *(*gemm_name)(void); /* what multiplies matrices: "cuBLASLt 13.0.0", or "built in" */
} cr__device_ops;

typedef struct cr__backend {
  uint32_t abi; /* CR__BACKEND_ABI */
  const char *name;
  void *(*alloc)(int ordinal, size_t nbytes); /* NULL with the error set */
  void (*free)(int ordinal, void *p, size_t nbytes);
  int (*copy_to_host)(int ordinal, void *host, const void *device, size_t nbytes);
  int (*copy_from_host)(int ordinal, void *device, const void *host, size_t nbytes);
  int (*elementwise)(const cr__elementwise *e);
  void (*few)(const cr__few *f);           /* the CPU's alone */
  bool (*fold_few)(const cr__fold_few *f); /* as well; false: the kernel `reduce` must do it */
  bool (*has_loop)(int pointwise, int dtype);
  const cr__kernel *kernels;    /* indexed by cr__kernel_id */
  const cr__device_ops *device; /* NULL: work is done when a call returns */
} cr__backend;

/* What the engine gives a plug-in, which shares no symbol with it. `build` names the catalogue that
 * both were made from: ids mean the same only if it is equal. */
typedef struct cr__host {
  uint32_t abi;
  const char *build;
  int (*fail)(cr_error code, const char *format, va_list args);
  cr_error (*error_code)(void);
  bool (*injected)(void);           /* true: this allocation is to fail */
  void (*allocated)(int64_t bytes); /* counts towards the next garbage collection */
  /* Which device and streams are current is noted by the backend, in notes that scopes keep for it.
   * The present one; NULL: all is as at first. False: the thread's own, which the backend keeps. */
  bool (*streams)(void **note);
  /* The note of the innermost scope, NULL if it has none, which set_streams gives it (steals). False: the
   * thread's own is to be changed. */
  bool (*streams_set_here)(void **note);
  void (*set_streams)(void *note);
} cr__host;
/* The type of cr__backend_open, the one symbol of a plug-in: gives the backend; NULL with the error set, or, if the plug-in was
 * made for another engine, without. */
typedef const cr__backend *(*cr__backend_opener)(const cr__host *host);

/* ---- device.c ---- */

/* The parts of a cr_device. */
enum { CR__ORDINALS = 256 };
static inline int cr__kind_of(cr_device device) { return device / CR__ORDINALS; }
static inline int cr__ordinal_of(cr_device device) { return device & (CR__ORDINALS - 1); }
bool cr__is_device(int64_t device); /* whether it is of a kind that there is */
/* What the device offers beyond the CPU, which opens its plug-in; NULL with the error set. */
const cr__device_ops *cr__device_ops_of(cr_device device);
/* NULL without an error for the CPU and for a kind that nobody has used yet. */
const cr__device_ops *cr__loaded_ops(cr_device device);
int64_t cr__devices_in_use(void); /* bytes of tensors, on all devices but the CPU */

extern const cr__backend cr__cpu_backend;               /* cpu/cpu.c */
const cr__backend *cr__other_backend(cr_device device); /* for devices that are not the CPU */
/* NULL with the error set. */
static inline const cr__backend *cr__backend_of(cr_device device) {
  return CR__LIKELY(device == CR_CPU) ? &cr__cpu_backend : cr__other_backend(device);
}

/* ---- plugin.c ---- */

/* A kind of device that a plug-in has. */
typedef struct cr__plugin {
  const char *name;        /* of the kind, and in the plug-in's file */
  const char *environment; /* the variable that names another file */
} cr__plugin;
/* Opens a plug-in, which stays; NULL with the error set. */
const cr__backend *cr__plugin_open(const cr__plugin *plugin);

/* ---- launch.c ---- */

/* k starts as {0}-free memory: cr__launch_begin sets what matters. Views that nobody has set are absent. */
void cr__launch_begin(cr__launch *k, const char *op, cr_device device);
int cr__launch_run(cr__launch *k, cr__kernel_id id);
int cr__elementwise_run(const cr__elementwise *e);
int cr__fail_devices(const char *op, cr_device one, cr_device other);

#endif
