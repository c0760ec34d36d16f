/* cresset.h: the public C API of Cresset, and its manual.
 *
 * CONVENTIONS
 *
 * Ownership is one of three words. A function that "returns" a tensor gives the caller a reference,
 * to be given up with cr_release(). One that "borrows" leaves the caller's references alone: every
 * argument is borrowed unless its comment says "steals", which means that the callee gives the
 * caller's reference up, also when it fails.
 *
 * Errors travel on one path. A function that fails returns NULL (or a nonzero cr_error) and leaves a
 * code and a sentence for the calling thread: cr_error_code(), cr_error_message(). Given NULL for a
 * tensor, a function returns NULL and keeps the first error; cr_release(NULL) does nothing. Composed
 * calls therefore need a single check, at the end.
 *
 * Dimensions and positions count from 1, as in Lua, in this API as well as inside index tensors:
 * dimension 1 is the outermost, -1 the last one, 0 is an error. Ranges include both their ends.
 *
 * Threads: reference counts are atomic. A tensor may be read by any number of threads at once;
 * whoever writes must see to it that nobody else reads. The error belongs to the calling thread. All else
 * that calls depend on (modes, the random generator, the default dtype, ...) belongs to the place in which
 * the thread computes: its own, or one that it has entered, as the binding does for each Lua state.
 */
#ifndef CRESSET_H
#define CRESSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CR_VERSION "0.1.0"
#define CR_MAX_DIMS 16      /* the most dimensions a tensor may have */
#define CR_MAX_OUTPUTS 1024 /* the most tensors one operation may return (split, unbind) */
#define CR_MAX_RESULTS 64   /* the most tensors one custom Function may return */

#if defined(CR_BUILD)
#define CR_API __attribute__((visibility("default")))
#else
#define CR_API
#endif

/* ---- Types ------------------------------------------------------------------------------- */

typedef struct cr_tensor cr_tensor; /* a strided view of a storage, with its place in a graph */
typedef struct cr_node cr_node;     /* a node of the autograd graph */
typedef struct cr_op cr_op;         /* the descriptor of an operation, see below */

/* Dtypes: X(NAME, name, bytes per element, category). The categories are ordered for promotion. The last three
 * are for storage: they are made, moved, converted, compared and printed, but nothing computes in them. An int64_t
 * that stands for an element of a uint64 tensor, here and in Lua, has its 64 bits: 2^63 and more are negative. */
#define CR_DTYPES(X)                    \
  X(FLOAT64, float64, 8, CR_FLOATING)   \
  X(FLOAT32, float32, 4, CR_FLOATING)   \
  X(FLOAT16, float16, 2, CR_FLOATING)   \
  X(BFLOAT16, bfloat16, 2, CR_FLOATING) \
  X(INT64, int64, 8, CR_INTEGRAL)       \
  X(INT32, int32, 4, CR_INTEGRAL)       \
  X(INT16, int16, 2, CR_INTEGRAL)       \
  X(INT8, int8, 1, CR_INTEGRAL)         \
  X(UINT8, uint8, 1, CR_INTEGRAL)       \
  X(BOOL, bool, 1, CR_BOOLEAN)          \
  X(UINT16, uint16, 2, CR_INTEGRAL)     \
  X(UINT32, uint32, 4, CR_INTEGRAL)     \
  X(UINT64, uint64, 8, CR_INTEGRAL)

typedef enum cr_dtype {
  CR_DTYPE_NONE = -1,
#define X(NAME, name, size, category) CR_##NAME,
  CR_DTYPES(X)
#undef X
      CR_DTYPE_COUNT /* complex64 and complex128 will come after these */
} cr_dtype;

typedef enum cr_category { CR_BOOLEAN, CR_INTEGRAL, CR_FLOATING, CR_COMPLEX } cr_category;

/* "float32"; "none" for what is no dtype. */
CR_API const char *cr_dtype_name(cr_dtype dtype);
CR_API cr_dtype cr_dtype_parse(const char *name); /* CR_DTYPE_NONE if there is no such dtype */
CR_API size_t cr_dtype_size(cr_dtype dtype);      /* bytes per element */
/* Truth, integers or floats: what promotion goes by. */
CR_API cr_category cr_dtype_category(cr_dtype dtype);
/* The smallest one that holds both; CR_DTYPE_NONE with the error set for a dtype that is for storage and another
 * one that is not floating. */
CR_API cr_dtype cr_promote_types(cr_dtype a, cr_dtype b);
CR_API cr_dtype cr_default_dtype(void); /* of float numbers and of creation; at first float32 */
CR_API int cr_set_default_dtype(cr_dtype dtype); /* floating dtypes only */

/* Kinds of devices: X(NAME, name, number), from 0. The first is the host's processor and has no ordinals; each
 * other is a plug-in, libcresset_<name>.so beside this library, or what the environment variable
 * CRESSET_<NAME> names: a path, or "emulate" for libcresset_<name>_emulated.so. */
#define CR_DEVICES(X) \
  X(CPU, cpu, 0)      \
  X(CUDA, cuda, 1)

/* A device: its kind in the high bits, its ordinal in the low eight. */
typedef int32_t cr_device;
enum { /* CR_CPU, CR_CUDA, ...: the first device of each kind */
#define X(NAME, name, number) CR_##NAME = (number) << 8,
       CR_DEVICES(X)
#undef X
};
/* "cpu", "cuda" (the current one, see CUDA below), "cuda:1". */
CR_API int cr_device_parse(const char *name, cr_device *device);
CR_API const char *cr_device_name(cr_device device, char buffer[16]); /* returns buffer */
/* Writes what a device may be called, "\"cpu\", \"cuda\" or \"cuda:1\"", for messages; returns buffer. */
CR_API const char *cr_device_list(char *buffer, size_t size);

/* ---- Errors ------------------------------------------------------------------------------ */

/* X(NAME, what it means). */
#define CR_ERRORS(X)                                      \
  X(OK, "no error")                                       \
  X(ARGUMENT, "an argument is wrong")                     \
  X(SHAPE, "shapes do not fit")                           \
  X(DTYPE, "dtypes do not fit")                           \
  X(DEVICE, "devices do not fit, or a device is missing") \
  X(INDEX, "an index is out of range")                    \
  X(MEMORY, "out of memory")                              \
  X(AUTOGRAD, "a rule of differentiation is broken")      \
  X(CALLBACK, "a callback failed")                        \
  X(INTERRUPT, "the host interrupted the call")           \
  X(FILE, "a file cannot be read or written")             \
  X(INTERNAL, "the engine broke one of its own promises")

typedef enum cr_error {
#define X(NAME, text) CR_E_##NAME,
  CR_ERRORS(X)
#undef X
} cr_error;

/* The calling thread's error, which stays until cr_error_clear or the next one; CR_E_OK: none. */
CR_API cr_error cr_error_code(void);
CR_API const char *cr_error_message(void); /* valid until the thread's next error */
/* Forgets the calling thread's error. */
CR_API void cr_error_clear(void);
/* Sets the calling thread's error, from inside a callback; returns code. */
CR_API int cr_error_set(cr_error code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A caller's text as messages have it, in a buffer that is returned: between two `mark`s, on one line, at most 80
 * of its n bytes and then "...", never cut inside a character of UTF-8. */
typedef struct cr_quoted {
  char s[96];
} cr_quoted;
CR_API const char *cr_quote(const char *text, size_t n, char mark, cr_quoted *buffer);

/* A handler is told of warnings (a sentence, borrowed); without one they go nowhere. */
typedef void (*cr_warning_handler)(void *user, const char *sentence);
CR_API void cr_set_warning_handler(cr_warning_handler handler,
                                   void *user);                /* of the present state */
CR_API cr_warning_handler cr_get_warning_handler(void **user); /* to put it back later */

/* ---- Values ------------------------------------------------------------------------------ */

typedef enum cr_kind {
  CR_NONE, /* absent: nil, or the failed call that made a tensor NULL */
  CR_TENSOR,
  CR_TENSORS, /* a list; its elements may be NULL where an operation says so */
  CR_INT,
  CR_FLOAT,
  CR_BOOLEAN_VALUE,
  CR_INTS, /* shape, dims, ranges */
  CR_STRING,
  CR_DTYPE_VALUE,
  CR_DEVICE_VALUE,
  CR_COMPLEX_VALUE,
  CR_FLOATS /* factors, ratios */
} cr_kind;

/* An argument of an operation. Pointers are borrowed for the call. */
typedef struct cr_value {
  int32_t kind; /* a cr_kind */
  int32_t n;    /* length of a list; which of its choices a string is, for who carries a call out */
  union {
    cr_tensor *t;
    cr_tensor *const *ts;
    int64_t i; /* also booleans, dtypes, devices */
    double f;
    const int64_t *is;
    const char *s;
    const double *c; /* the real and the imaginary part */
    const double *fs;
  } u;
} cr_value;

static inline cr_value cr__value(cr_kind kind, int n) { /* valid in C++ too */
  cr_value v = {(int32_t)kind, n, {NULL}};
  return v;
}
static inline cr_value cr__whole(cr_kind kind, int64_t i) {
  cr_value v = cr__value(kind, 0);
  v.u.i = i;
  return v;
}

/* The absent argument. */
static inline cr_value cr_none(void) { return cr__value(CR_NONE, 0); }
/* Numbers: an integer, a float, a truth. */
static inline cr_value cr_int(int64_t i) { return cr__whole(CR_INT, i); }
static inline cr_value cr_float(double f) {
  cr_value v = cr__value(CR_FLOAT, 0);
  v.u.f = f;
  return v;
}
static inline cr_value cr_bool(bool b) { return cr__whole(CR_BOOLEAN_VALUE, b); }
/* A complex number: its real and its imaginary part, borrowed as lists are. NULL is the absent argument. Operations
 * refuse it, as there is no complex dtype. */
static inline cr_value cr_complex_value(const double *parts) {
  cr_value v = cr__value(parts ? CR_COMPLEX_VALUE : CR_NONE, 0);
  v.u.c = parts;
  return v;
}
/* Names. NULL and CR_DTYPE_NONE are the absent argument. */
static inline cr_value cr_string(const char *s) {
  cr_value v = cr__value(s ? CR_STRING : CR_NONE, 0);
  v.u.s = s;
  return v;
}
static inline cr_value cr_dtype_value(cr_dtype d) {
  return d == CR_DTYPE_NONE ? cr_none() : cr__whole(CR_DTYPE_VALUE, d);
}
static inline cr_value cr_device_value(cr_device d) { return cr__whole(CR_DEVICE_VALUE, d); }
/* A list of n integers: a shape, dims. n < 0 is the absent argument. */
static inline cr_value cr_ints(const int64_t *is, int n) {
  cr_value v = cr__value(n < 0 ? CR_NONE : CR_INTS, n < 0 ? 0 : n);
  v.u.is = n < 0 ? NULL : is;
  return v;
}
/* The same of n numbers with a fraction. */
static inline cr_value cr_floats(const double *fs, int n) {
  cr_value v = cr__value(n < 0 ? CR_NONE : CR_FLOATS, n < 0 ? 0 : n);
  v.u.fs = n < 0 ? NULL : fs;
  return v;
}
/* A tensor; NULL is the absent argument. */
static inline cr_value cr_of(cr_tensor *t) {
  cr_value v = cr__value(t ? CR_TENSOR : CR_NONE, 0);
  v.u.t = t;
  return v;
}
/* A list of n tensors. */
static inline cr_value cr_list(cr_tensor *const *ts, int n) {
  cr_value v = cr__value(CR_TENSORS, n);
  v.u.ts = ts;
  return v;
}

/* ---- Tensors ----------------------------------------------------------------------------- */

/* Returns an uninitialized contiguous tensor. */
CR_API cr_tensor *cr_new(cr_dtype dtype, cr_device device, int ndim, const int64_t *shape);
/* Returns a tensor over the host's own memory, without copying. `stride` counts elements and may be
 * NULL for contiguous. The memory must be aligned to the element size and stay valid until `deleter`
 * is called, once, when the last tensor that shares it is gone (on whichever thread that happens).
 * On failure the deleter is not called. */
CR_API cr_tensor *cr_wrap(void *data, cr_dtype dtype, int ndim, const int64_t *shape,
                          const int64_t *stride, void (*deleter)(void *user), void *user);
/* Returns a contiguous tensor with a copy of n elements of `dtype` from `data`, in CPU memory. */
CR_API cr_tensor *cr_from(const void *data, cr_dtype dtype, int ndim, const int64_t *shape);
CR_API cr_tensor *cr_retain(cr_tensor *t); /* returns t */
CR_API void cr_release(cr_tensor *t);      /* steals t */

/* The number of dims; 0 for a single number. */
CR_API int cr_ndim(const cr_tensor *t);
CR_API const int64_t *cr_shape(const cr_tensor *t);  /* borrowed, ndim sizes */
CR_API const int64_t *cr_stride(const cr_tensor *t); /* borrowed, ndim steps in elements */
/* The number of elements: the product of the sizes, 1 for a 0-dim tensor. */
CR_API int64_t cr_numel(const cr_tensor *t);
/* The dtype of its elements, and the device that has their memory. */
CR_API cr_dtype cr_dtype_of(const cr_tensor *t);
CR_API cr_device cr_device_of(const cr_tensor *t);
/* True if the elements lie in row-major order without gaps. */
CR_API bool cr_is_contiguous(const cr_tensor *t);
/* The first element, in the memory of the device, which is not always the host's. */
CR_API void *cr_data(const cr_tensor *t);
CR_API int64_t cr_offset(const cr_tensor *t);      /* of the first element, in elements */
CR_API uint64_t cr_storage_id(const cr_tensor *t); /* equal for tensors that share memory */
/* True if both are views of one block of memory; false if either is NULL. */
CR_API bool cr_same_storage(const cr_tensor *a, const cr_tensor *b);
/* The count of in-place writes to the memory; an error for inference tensors. */
CR_API int cr_version(const cr_tensor *t, uint32_t *version);
/* Reads the only element of t as a number (CR_FLOAT, CR_INT or CR_BOOLEAN_VALUE). */
CR_API int cr_item(cr_tensor *t, cr_value *out);
/* Copies all elements, in row-major order, into CPU memory of cr_numel(t) elements of t's dtype. */
CR_API int cr_read(cr_tensor *t, void *data, size_t nbytes);
/* Makes t a contiguous tensor of another shape, in place; new elements are undefined. */
CR_API int cr_resize(cr_tensor *t, int ndim, const int64_t *shape);

/* ---- Operations -------------------------------------------------------------------------- */

typedef enum cr_param_type {
  CR_P_TENSOR,
  CR_P_OPERAND, /* a tensor or a number */
  CR_P_TENSORS,
  CR_P_SCALAR, /* an int, a float or a bool */
  CR_P_INT,
  CR_P_FLOAT,
  CR_P_BOOL,
  CR_P_DIM,   /* 1-based, negatives from the end */
  CR_P_DIMS,  /* one or several of them */
  CR_P_SHAPE, /* sizes; in Lua the last parameter of this type may be spelled out: f(2, 3) */
  CR_P_INTS,
  CR_P_STRING,
  CR_P_DTYPE,
  CR_P_DEVICE,
  CR_P_FLOATS /* one or several numbers */
} cr_param_type;

typedef struct cr_param {
  const char *name;
  uint8_t type;       /* a cr_param_type */
  bool optional;      /* nil is allowed, or there is a default */
  bool variadic;      /* in Lua the rest of the arguments may be spelled out */
  cr_value otherwise; /* the default, CR_NONE if there is none */
  const char *const *
      choices; /* what a string may be, up to a NULL; beside CR_P_INTS, in its place; NULL: no string, or any */
  const char *also; /* a second name of it in Lua's options, or NULL */
} cr_param;

enum {
  CR_OP_INPLACE = 1,  /* has a twin that writes to its first argument */
  CR_OP_METHOD = 2,   /* is a method of tensors in Lua */
  CR_OP_FUNCTION = 4, /* is a function of the module in Lua */
  CR_OP_VIEW = 8,     /* its results share the memory of its first argument */
  CR_OP_DIFFERENTIABLE = 32,
  CR_OP_CREATES = 64,       /* takes no tensor; Lua adds dtype, device, requires_grad */
  CR_OP_INPLACE_ONLY = 128, /* exists only as the twin (fill_, copy_) */
  CR_OP_WARNS = 256,        /* may warn: a binding that listens does so around it */
  CR_OP_TRUTH = 512         /* its 0-dim bool answers a question: a boolean in Lua */
};

struct cr_op {
  const char *name; /* unique; the C function is cr_<name> */
  const char *lua;  /* the name in Lua; several operations may share it (max, max along a dim) */
  const char *signature; /* "sum(self: tensor, dim: dims?, keepdim: bool = false)" */
  const char *doc;
  const cr_param *params;
  uint16_t id;
  uint16_t flags;
  uint8_t nparam;
  uint8_t nout;               /* 0: as many as the call makes (split, unbind) */
  const char *const *outputs; /* the names of the results where nout > 1 */
  const char *const *aliases; /* other names in Lua, up to a NULL; NULL if there are none */
};

/* How many operations there are that cr_op_at gives. */
CR_API int cr_op_count(void);
CR_API const cr_op *cr_op_at(int i);              /* 0 <= i < cr_op_count() */
CR_API const cr_op *cr_op_find(const char *name); /* also by an alias; NULL if there is none */
/* Calls op with op->nparam arguments. Returns the results in out[0 .. *nout), which has room for
 * CR_MAX_OUTPUTS; nout may be NULL where op->nout is not 0. */
CR_API int cr_call(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout);
/* The in-place twin: writes the result to the tensor args[0], which stays the caller's. */
CR_API int cr_call_inplace(const cr_op *op, const cr_value *args);
/* One call of op for each of n rows of op->nparam arguments; a row that begins with cr_none() is
 * skipped. op gives one result: out[i] for row i (NULL where it was skipped). All are done, or none. */
CR_API int cr_foreach(const cr_op *op, int n, const cr_value *rows, cr_tensor **out);
/* The same in place. Rows that were done stay so only where an interrupt or a deadline stops the call. Where
 * a row may fail after another one was written, copies of what is written are kept meanwhile: not for
 * elementwise operations, copy_ and zero_ that nothing records. */
CR_API int cr_foreach_inplace(const cr_op *op, int n, const cr_value *rows);
/* Writes the result to the caller's `out` instead (resized if it is empty). Not differentiable. */
CR_API int cr_call_out(const cr_op *op, const cr_value *args, cr_tensor *out);

/* A profiler is told of each call of an operation on its thread, and of those that this makes in turn, between its
 * begin and its end: `args` as they were given, `code` as cr_call gives it. What backward calls counts, too. Its
 * functions must not call operations. Without one a call costs what it did before. */
typedef struct cr_profiler {
  void (*begin)(void *user, const cr_op *op, const cr_value *args);
  void (*end)(void *user, int code);
  void *user; /* borrowed until the profiler is taken back */
} cr_profiler;
/* Sets it (copied) for the calling thread; NULL takes it back. */
CR_API int cr_set_profiler(const cr_profiler *p);

/* ---- Autograd ---------------------------------------------------------------------------- */

/* True for a leaf that asks for a gradient, and for a result that depends on one. */
CR_API bool cr_requires_grad(const cr_tensor *t);
/* On: of floating tensors only. Off: of leaves only. */
CR_API int cr_set_requires_grad(cr_tensor *t, bool on);
/* True if no recorded operation has made it. */
CR_API bool cr_is_leaf(const cr_tensor *t);
CR_API cr_tensor *cr_grad_of(cr_tensor *t); /* borrowed; NULL without error if there is none */
CR_API int cr_set_grad(cr_tensor *t, cr_tensor *grad); /* borrows grad; NULL clears */
/* Makes backward keep the gradient of a result, as it does that of a leaf. */
CR_API int cr_retain_grad(cr_tensor *t);
CR_API bool cr_retains_grad(const cr_tensor *t);
CR_API cr_tensor *cr_base(cr_tensor *t); /* borrowed: the tensor that t is a view of, or NULL */
/* Takes t out of its graph: it becomes a leaf without gradient. An error for views. */
CR_API int cr_detach_inplace(cr_tensor *t);
/* Returns an alias of the same memory outside every graph, whose writes no version counts. */
CR_API cr_tensor *cr_get_data(cr_tensor *t);
/* t takes over source's memory and shape. */
CR_API int cr_set_data(cr_tensor *t, cr_tensor *source);

/* The gradients of roots by every leaf they depend on are added to the leaves' grad. */
typedef struct cr_backward_options {
  cr_tensor *const *gradients; /* one per root (NULL element: 1 for a one-element root), or NULL */
  int ngradients;              /* 0 with gradients == NULL, else must equal nroots */
  bool retain_graph;           /* keep what nodes have saved, for another pass */
  bool create_graph;           /* make the gradients differentiable; mostly wants retain_graph */
  cr_tensor *const *inputs;    /* accumulate into these only; NULL: into all leaves */
  int ninputs;                 /* -1: no inputs given */
  bool allow_unused;           /* cr_grad: an unused input gives NULL instead of an error */
  bool materialize;            /* cr_grad: an unused input gives zeros */
} cr_backward_options;

/* Fails with roots that are in no graph, and where a rule of differentiation is broken. */
CR_API int cr_backward(cr_tensor *const *roots, int nroots, const cr_backward_options *options);
/* Returns the gradients by options->inputs in out[0 .. ninputs) and touches no grad. */
CR_API int cr_grad(cr_tensor *const *roots, int nroots, const cr_backward_options *options,
                   cr_tensor **out);

/* The present modes. What a setter sets ends with the innermost scope that is open (below); it returns the
 * value before. */
CR_API bool cr_grad_enabled(void);
CR_API bool cr_set_grad_enabled(bool on);
CR_API bool cr_inference_enabled(void);
CR_API bool cr_set_inference(bool on); /* on also turns the gradient mode off */
/* True for a tensor that was made in inference mode, which no graph can save. */
CR_API bool cr_is_inference(const cr_tensor *t);

/* Anomaly mode: each node keeps what `trace` (may be NULL) says of the place of its forward call (a
 * string from malloc, stolen), and backward fails at the first node that gives NaN if check_nan. */
typedef char *(*cr_trace)(void *user);
CR_API bool cr_set_anomaly(bool on, bool check_nan, cr_trace trace, void *user);
/* *check_nan (may be NULL): whether NaN is looked for. */
CR_API bool cr_anomaly_enabled(bool *check_nan);

/* ---- Nodes ------------------------------------------------------------------------------- */

CR_API cr_node *cr_grad_fn(cr_tensor *t); /* returns a reference, NULL without error for leaves */
/* Returns n, with one more reference. */
CR_API cr_node *cr_node_retain(cr_node *n);
/* Steals n. The graph behind it goes with its last reference. */
CR_API void cr_node_release(cr_node *n);
/* "MulBackward", "AccumulateGrad", or the name of a custom Function. Borrowed. */
CR_API const char *cr_node_name(const cr_node *n);
/* How many edges lead from n: one for each input that has a derivative. */
CR_API int cr_node_next_count(const cr_node *n);
/* Returns the node that gets the i-th (from 0) gradient, or NULL; *output is its slot there. */
CR_API cr_node *cr_node_next(const cr_node *n, int i, int *output);
CR_API cr_tensor *cr_node_variable(const cr_node *n); /* borrowed: AccumulateGrad's leaf, or NULL */
/* How many values n keeps for its derivative. */
CR_API int cr_node_saved_count(const cr_node *n);
/* Returns the i-th saved value under *name, to be given up with cr_value_release; an error after
 * backward has freed it. With out NULL only the name. */
CR_API int cr_node_saved(cr_node *n, int i, const char **name, cr_value *out);
CR_API void cr_value_release(cr_value *v); /* releases the tensors in it and makes it CR_NONE */
CR_API const char *cr_node_trace(const cr_node *n); /* borrowed: anomaly mode's text, or NULL */
CR_API void *cr_node_user(const cr_node *n, const void *free_user); /* a Function's user, if its */

/* ---- Hooks ------------------------------------------------------------------------------- */

/* Kinds of hook, in the order in which backward runs them at a node. A hook gets borrowed gradients
 * (elements may be NULL). It changes one by releasing it and storing another reference. Returning
 * nonzero stops the backward pass with the thread's error. */
typedef enum cr_hook_kind {
  CR_HOOK_TENSOR,    /* of a tensor: `grads` is its one gradient */
  CR_HOOK_PRE,       /* of a node: `grads` are those of its outputs */
  CR_HOOK_POST_GRAD, /* of a leaf, after its grad was accumulated: `grads` is the leaf itself */
  CR_HOOK_POST       /* of a node: `grads` are those of its inputs, `outs` those of its outputs */
} cr_hook_kind;
typedef int (*cr_hook)(void *user, cr_tensor **grads, int n, cr_tensor *const *outs, int nouts);
/* Return an id for cr_hook_remove (0: failed). `free_user` runs once, when the hook goes. */
CR_API uint64_t cr_tensor_hook(cr_tensor *t, cr_hook_kind kind, cr_hook f, void *user,
                               void (*free_user)(void *));
CR_API uint64_t cr_node_hook(cr_node *n, cr_hook_kind kind, cr_hook f, void *user,
                             void (*free_user)(void *));
/* Removes the hook; an id of a hook that is gone does nothing. */
CR_API void cr_tensor_hook_remove(cr_tensor *t, uint64_t id);
CR_API void cr_node_hook_remove(cr_node *n, uint64_t id);
/* A watch is told whenever a reference to its object is taken, or about to be given up, of how many
 * there then are, on the thread that does so. It must call nothing that takes or gives up a reference.
 * It stays until the object dies, which frees the user; a node that begins to die, with its edges still
 * there, tells of 0. For a binding whose collector has to know whether its own references are the only ones. */
typedef void (*cr_watch)(void *user, int refs);
CR_API int cr_tensor_watch(cr_tensor *t, cr_watch f, void *user, void (*free_user)(void *));
CR_API int cr_node_watch(cr_node *n, cr_watch f, void *user, void (*free_user)(void *));
CR_API int cr_tensor_refs(const cr_tensor *t); /* how many there are now */
CR_API int cr_node_refs(const cr_node *n);
/* How many references to `to` n has, by its edges and by what it has saved, or what only n knows of has.
 * Nobody else can come by one of these without one to n or to `to`. */
CR_API int cr_node_holds(const cr_node *n, const cr_node *to);
CR_API bool cr_is_result_of(const cr_tensor *t,
                            const cr_node *n); /* n is t's grad_fn, as it stands */
/* Runs f once at the end of the backward pass that is running on this thread. */
CR_API int cr_queue_callback(int (*f)(void *user), void *user, void (*free_user)(void *));
/* Hooks on what nodes save, innermost pair only, of the present modes: pack turns a tensor (borrowed) into
 * a handle, unpack returns a tensor for it. Both NULL: saving is forbidden, with `why` as the error. */
typedef struct cr_saved_hooks {
  void *(*pack)(void *user, cr_tensor *t);
  cr_tensor *(*unpack)(void *user, void *handle);
  void (*free_handle)(void *user, void *handle);
  void (*retain_user)(void *user, int by); /* a node keeps the pair alive: +1, and -1 at its end */
  void *user;
  const char *why;
} cr_saved_hooks;
/* False beyond what n has saved; else *handle is that of the i-th value, if hooks with this free_handle made
 * one, or NULL. */
CR_API bool cr_node_packed(const cr_node *n, int i, const void *free_handle, void **handle);
CR_API int cr_saved_hooks_push(const cr_saved_hooks *hooks); /* copied */
/* Ends what the last cr_saved_hooks_push has begun. */
CR_API void cr_saved_hooks_pop(void);

/* ---- Places ------------------------------------------------------------------------------ */

/* What calls depend on beside their arguments has two parts. A state is the default dtype, the number of
 * threads, the random generator, the warning handler, the deadline and limits. Modes are the gradient, inference
 * and anomaly modes, hooks on saved tensors, and the current CUDA device and streams. A thread has both of
 * its own, which nobody else sees. It may enter others instead: one thread at a time, whichever it is. */
typedef struct cr_state cr_state;
typedef struct cr_modes cr_modes;
typedef struct cr_place {
  cr_state *state; /* NULL: the thread's own */
  cr_modes *modes; /* NULL: the thread's own */
} cr_place;
CR_API cr_state *cr_state_new(void); /* returns one in which all is as at first */
/* Steals s. Tensors that were made in it live on. */
CR_API void cr_state_free(cr_state *s);
/* Limits that a host sets from outside, which nothing that is done in the state can lift or widen: with
 * cr_set_deadline, cr_memory_limit and cr_set_num_threads it may set narrower ones, and what lifts these
 * leaves the host's. Nonzero with the error set for negative ones. */
typedef struct cr_limits {
  int64_t memory; /* bytes that were made in the state and are still there; 0: no limit */
  double seconds; /* from now on; 0: no limit */
  int threads;    /* 0: no limit */
} cr_limits;
/* Replaces the limits of s; seconds count from now. */
CR_API int cr_state_limit(cr_state *s, const cr_limits *limits);
/* Nonzero, with the error set, if the host has interrupted or the time of its limits is over. */
CR_API int cr_state_stopped(const cr_state *s);
/* Returns modes in which nothing is set; NULL with the error set. */
CR_API cr_modes *cr_modes_new(void);
CR_API void cr_modes_free(cr_modes *m);         /* closes the scopes in it */
CR_API cr_place cr_enter(cr_place p);           /* returns the place before, to be entered again */
CR_API bool cr_modes_in_use(const cr_modes *m); /* a scope is open in them, or they set something */
/* cr_call and cr_call_inplace between entering p and the place before: for bindings, in one step. */
CR_API int cr_call_in(cr_place p, const cr_op *op, const cr_value *args, cr_tensor **out,
                      int *nout);
CR_API int cr_call_inplace_in(cr_place p, const cr_op *op, const cr_value *args);
/* What m does not set is from now on as `under` (borrowed, NULL: as at first) has it at this moment. */
CR_API void cr_modes_over(cr_modes *m, cr_modes *under);

/* A scope sets some modes until it ends. Scopes of the same modes may end in any order: a mode is what the
 * innermost one says that sets it. */
enum {
  CR_SETS_GRAD = 1,
  CR_SETS_INFERENCE = 2,
  CR_SETS_ANOMALY = 4,
  CR_SETS_AUTOCAST_CPU = 32, /* of tensors on the CPU, or on CUDA devices */
  CR_SETS_AUTOCAST_CUDA = 64
};
/* Autocast on one kind of device: matrix products and their like compute in that dtype (float16 or bfloat16),
 * what is sensitive in float32. Arguments are cast, tensors themselves stay as they are. */
typedef struct cr_autocast {
  bool on;
  cr_dtype dtype;
} cr_autocast;
typedef struct cr_mode {
  unsigned sets; /* which of these count */
  bool grad, inference, anomaly, check_nan;
  cr_trace trace; /* of the anomaly mode */
  void *trace_user;
  cr_autocast autocast_cpu, autocast_cuda;
  /* Casts of leaves that require grad are otherwise kept, and used again, until the outermost scope of autocast
   * in these modes ends: the modes own them, and hold a reference of each such leaf. */
  bool autocast_forgets;
} cr_mode;
/* Whether autocast is on at present for that kind of device; *dtype (may be NULL) is then its dtype. */
CR_API bool cr_autocast_enabled(cr_device device, cr_dtype *dtype);
CR_API bool cr_autocast_keeps(void); /* casts of weights, see autocast_forgets */
/* Gives back the casts that the present modes keep. */
CR_API void cr_autocast_clear(void);
typedef struct cr_scope cr_scope;
/* Returns a scope that sets the mode and, unless NULL, hooks on saved tensors (copied); not open yet. */
CR_API cr_scope *cr_scope_new(const cr_mode *mode, const cr_saved_hooks *hooks);
CR_API void cr_scope_open(cr_scope *s, cr_modes *m); /* in m, NULL: in the present modes */
CR_API void cr_scope_free(cr_scope *s);              /* which also ends it; steals s */
/* What the innermost open scope of m sets or, where none is open, m itself (NULL: the present modes). */
CR_API cr_mode cr_mode_get(const cr_modes *m);
/* Sets it there, all that mode->sets names. */
CR_API void cr_mode_set(cr_modes *m, const cr_mode *mode);

/* ---- Custom Functions -------------------------------------------------------------------- */

typedef struct cr_context cr_context; /* one call of a Function, alive as long as its node */

typedef struct cr_function {
  const char *name;
  /* Runs without recording. Hands its results over with cr_context_return(). */
  int (*forward)(cr_context *ctx, void *user, cr_tensor *const *inputs, int n);
  /* Returns a gradient (or NULL) per input in grad_inputs. NULL here: an error at backward. */
  int (*backward)(cr_context *ctx, void *user, cr_tensor *const *grad_outputs, int nout,
                  cr_tensor **grad_inputs, int nin);
  void (*free_user)(void *user); /* runs once, when the call's node is gone; may be NULL */
  bool once_differentiable;
} cr_function;

/* Runs f on the inputs and returns its results in out (room for CR_MAX_RESULTS). Steals user. */
CR_API int cr_function_apply(const cr_function *f, void *user, cr_tensor *const *inputs, int n,
                             cr_tensor **out, int *nout);
CR_API int cr_context_return(cr_context *ctx, cr_tensor *t); /* borrows t: the next result */
CR_API int cr_context_save(cr_context *ctx, cr_tensor *const *ts, int n); /* elements may be NULL */
/* Returns the saved tensors (elements may be NULL) in out; with out NULL only counts. */
CR_API int cr_context_saved(cr_context *ctx, cr_tensor **out, int *n);
/* Returns another header over t's memory, in the place of the call's result number `result` (from 0) in
 * the graph: for a caller that keeps results with the context, which must not keep their history. */
CR_API cr_tensor *cr_context_result(cr_context *ctx, cr_tensor *t, int result);
/* Whether the gradient by input number `input` (from 0) is asked for. */
CR_API bool cr_context_needs_grad(const cr_context *ctx, int input);
/* Says that forward has written these inputs, which must be among its results. */
CR_API int cr_context_mark_dirty(cr_context *ctx, cr_tensor *const *ts, int n);
/* Says that these results have no gradient. */
CR_API int cr_context_mark_non_differentiable(cr_context *ctx, cr_tensor *const *ts, int n);
/* On (as at first): backward gets zeros for results that no gradient has reached; off: NULL. */
CR_API void cr_context_materialize_grads(cr_context *ctx, bool on);
/* The user that cr_function_apply was given. Borrowed. */
CR_API void *cr_context_user(const cr_context *ctx);

/* ---- Random numbers ---------------------------------------------------------------------- */

/* Draws are counter-based (Philox 4x32-10): a seed and an offset, which belong to the present state. */
CR_API void cr_manual_seed(uint64_t seed);
/* The generator as it stands, and to put it back; a generator that has no seed draws one. */
CR_API void cr_rng_get(uint64_t *seed, uint64_t *offset);
CR_API void cr_rng_set(uint64_t seed, uint64_t offset);

/* ---- Memory and the host ----------------------------------------------------------------- */

typedef struct cr_memory {
  int64_t allocated;   /* bytes in use by tensors of the device */
  int64_t peak;        /* the most that ever was */
  int64_t reserved;    /* bytes taken from the system, cached ones included */
  int64_t limit;       /* 0: none */
  int64_t allocations; /* blocks handed out since the start */
  int64_t objects;     /* CPU only: live small blocks (tensors, nodes), for leak checks */
} cr_memory;
/* Fails for a device that is not there. */
CR_API int cr_memory_stats(cr_device device, cr_memory *out);
/* Lets the peak begin again from what is in use now. */
CR_API void cr_memory_reset_peak(cr_device device);
/* Of a device for all who use it; of the CPU in a state that was entered: of what that has made. 0 lifts it. */
CR_API int cr_memory_limit(cr_device device, int64_t bytes);
/* Gives cached blocks back to the system, or to the driver of the device. */
CR_API void cr_memory_empty_cache(cr_device device);
/* For a binding with a collector: it runs it when cr_memory_pressure() says so, and tells with
 * cr_memory_collected() how many bytes of its own heap the collector walks. The more these are, the
 * more bytes of tensors may pile up before the next one: 4 MiB at least, at most 64 MiB or what was
 * live after the last. A collector that can do a part of its work asks for smaller pieces: with cr_memory_stepped()
 * it is called again after so many bytes (no whole collection is due before 8 such pieces), and cr_memory_growth()
 * tells how many were made and not given back since the last collection, and how many make one due. All of that is
 * the calling thread's. */
CR_API bool cr_memory_pressure(void);
CR_API void cr_memory_collected(int64_t heap);
CR_API void cr_memory_stepped(int64_t bytes);
CR_API int64_t cr_memory_growth(int64_t *due); /* due: may be NULL */
/* The n-th allocation from now on this thread (from 1) fails; with -n, each later one too; 0 turns it off. */
CR_API void cr_memory_fail(int64_t n);
/* <= 0: the failure has happened, or none was asked for. */
CR_API int64_t cr_memory_fail_left(void);

/* Operations on the CPU look at both when they begin and then every few milliseconds, backward at each node
 * too. What they do not interrupt is the system's, giving a page of memory or taking back gigabytes, and the
 * first product by oneDNN, which is loaded and makes its code then. A call that is stopped has no result and
 * has drawn no random numbers; but one in place (or with out) of more than some milliseconds has written some
 * elements and not others, which counts as a write. A backward pass that is stopped has added to the
 * gradients of the leaves that it has reached. */
CR_API void cr_interrupt(bool on); /* from any thread: every call fails until it is turned off */
/* Of the present state; 0 lifts it. In Lua, cr.set_deadline() also sees to it that plain Lua is stopped, by
 * the hook of cr_lua_limit(). */
CR_API void cr_set_deadline(double seconds_from_now);
/* For long loops of the host's own: 0, or one of the two is due, with the error set. */
CR_API int cr_interrupted(void);
/* How many threads an operation on the CPU uses at most, the calling one among them. At first as many as
 * the environment variable CRESSET_NUM_THREADS (or OMP_NUM_THREADS) says, else as the process may use
 * processors. Belongs to the present state. Results do not depend on it. Threads are started when large
 * work comes up, and where the system refuses some the others do it all. */
CR_API int cr_set_num_threads(int n);
/* How many that is now, the limits of the host included. */
CR_API int cr_num_threads(void);
/* A host that has threads of its own may lend them; then the library starts none. `run` shall call
 * member(job, i) once for each i from 0 to n - 1, on any threads (the calling one may be among them) and
 * several at a time, and return when all of these have returned; n is at most `threads`. It borrows job
 * for that time, must not fail, may be entered by several threads at once, and must not call operations
 * itself. What it leaves undone the calling thread does after it. */
typedef struct cr_parallel {
  void (*run)(void *user, int n, void (*member)(void *job, int i), void *job);
  int threads; /* that run can put to work at a time, the calling one among them */
  void *user;  /* borrowed until another pool is set */
} cr_parallel;
/* Lends a pool (copied) for the whole process, instead of the one before; NULL takes it back. Returns
 * when no operation uses the one before any more, so that its threads may then be ended. A child of
 * fork begins without a lent pool. */
CR_API int cr_set_parallel(const cr_parallel *pool);
/* What multiplies large bfloat16 matrices on the CPU: "oneDNN 2.6.3", or "built in" where the library
 * libcresset_dnnl.so is missing or the environment has CRESSET_GEMM=builtin; behind that, with a ";", why a library
 * that is there does not serve. With CRESSET_GEMM=onednn it is given float32 as well. Looks for it if nothing has
 * yet. */
CR_API const char *cr_gemm_name(void);
/* The level of x86-64 whose vector loops run here: "v2", "v3" or "v4"; "base" on other machines. The
 * best that the machine has, or the one that the environment variable CRESSET_ISA names when the process
 * first computes. */
CR_API const char *cr_isa_name(void);

/* ---- Files -------------------------------------------------------------------------------- */

/* Bytes that tensors can lie in; they go with the last reference, of which each such tensor has one. */
typedef struct cr_buffer cr_buffer;
/* Returns the bytes of a file, which are read as they are used. What is written to them stays in memory. A file that
 * another program cuts short meanwhile ends the process at the next look (SIGBUS), as with any mapped file. */
CR_API cr_buffer *cr_buffer_map(const char *path);
/* The same of an open file, which may be closed then; `name` is for messages. */
CR_API cr_buffer *cr_buffer_map_fd(int fd, const char *name);
CR_API cr_buffer *cr_buffer_new(size_t size);     /* returns bytes of its own, all 0 */
CR_API cr_buffer *cr_buffer_retain(cr_buffer *b); /* returns b */
CR_API void cr_buffer_release(cr_buffer *b);      /* steals b */
CR_API void *cr_buffer_data(const cr_buffer *b);  /* borrowed */
CR_API size_t cr_buffer_size(const cr_buffer *b);
/* Returns the elements at a byte offset as a tensor over the buffer's own bytes, or over a copy where these are not
 * aligned (or are no truths, for bool). All must lie in the buffer. `stride` counts elements, NULL: contiguous. */
CR_API cr_tensor *cr_buffer_tensor(cr_buffer *b, size_t offset, cr_dtype dtype, int ndim,
                                   const int64_t *shape, const int64_t *stride);
/* Turns the bytes of each element of a contiguous tensor around: numbers of big-endian machines. */
CR_API int cr_swap_bytes(cr_tensor *t);

/* A file in the making. Until cr_writer_commit() has it whole on the disk, the file of this name is as it was,
 * whatever happens; what is given up leaves nothing behind. Errors give the path and the system's reason. */
typedef struct cr_writer cr_writer;
CR_API cr_writer *cr_writer_open(const char *path);
CR_API int cr_writer_put(cr_writer *w, const void *data, size_t n);
CR_API int cr_writer_commit(cr_writer *w);   /* steals w, also when it fails */
CR_API void cr_writer_abandon(cr_writer *w); /* steals w */

/* Compressed bytes by the system's zlib, which is opened then: raw (as zip files have them), else with the head of zlib
 * or gzip. *made bytes are written; more than `room` are an error. */
CR_API int cr_inflate(const void *from, size_t n, bool raw, void *to, size_t room, size_t *made);
/* Raw; n + n / 1000 + 64 bytes are always enough. */
CR_API int cr_deflate(const void *from, size_t n, void *to, size_t room, size_t *made);
/* The check sum of zip files, of what had the sum `before` (at first 0) and n more bytes. */
CR_API uint32_t cr_crc32(uint32_t before, const void *data, size_t n);
/* Returns as float32 the numbers of a shape from blocks of a kind of GGUF: q8_0, q4_0, q4_1, q4_K, q6_K. */
CR_API cr_tensor *cr_dequantize(const char *kind, const void *data, size_t nbytes, int ndim,
                                const int64_t *shape);

/* Tensors of other libraries (DLPack, whose header declares these). Handed out: returns a structure that keeps t
 * until its deleter is called; t must not require grad. Work of a CUDA device has been waited for. */
struct DLManagedTensor;
struct DLManagedTensorVersioned;
CR_API struct DLManagedTensor *cr_to_dlpack(cr_tensor *t);
CR_API struct DLManagedTensorVersioned *cr_to_dlpack_versioned(cr_tensor *t);
/* Taken in: returns a tensor over the memory, whose deleter is called when the last such tensor is gone; a copy, with
 * the deleter called at once, where the memory is read-only, not aligned, or has negative strides. Steals m, which
 * stays the caller's on failure. Only memory of the CPU. */
CR_API cr_tensor *cr_from_dlpack(struct DLManagedTensor *m);
CR_API cr_tensor *cr_from_dlpack_versioned(struct DLManagedTensorVersioned *m);

/* ---- CUDA -------------------------------------------------------------------------------- */

/* The first use of "cuda" loads the plug-in libcresset_cuda.so from beside this library (or what the
 * environment variable CRESSET_CUDA names: a path, or "emulate" for the emulated device). Devices
 * have ordinals from 0; -1 means the current one. Work is queued on the current stream of its device; what
 * gives elements or numbers to the host waits for it, and raises what kernels
 * have found wrong (an index out of range) since the last wait. */
CR_API bool cr_cuda_available(void);    /* never an error */
CR_API int cr_cuda_count(int *count);   /* 0 with an error that says why there is none */
CR_API int cr_cuda_current(void);       /* the current device; -1 with the error set */
CR_API int cr_cuda_select(int ordinal); /* in the present modes: what "cuda" means */
/* Waits for all work of the device, and raises what its kernels have found wrong. */
CR_API int cr_cuda_synchronize(int ordinal);

typedef struct cr_cuda_properties {
  char name[128];
  int major, minor; /* compute capability */
  int multiprocessors;
  int driver, runtime; /* versions, as 13000 for 13.0 */
  int64_t total_memory, free_memory;
} cr_cuda_properties;
/* Fails for a device that is not there. */
CR_API int cr_cuda_properties_of(int ordinal, cr_cuda_properties *out);
/* Whether float32 products may round their factors to TF32: faster, with 10 bits of precision. For
 * the whole process; at first they may not. */
CR_API int cr_cuda_set_tf32(bool on);
/* Whether they may now. */
CR_API int cr_cuda_tf32(bool *on);
/* What multiplies matrices there: "cuBLASLt 13.0.0", or "built in". NULL with the error set. */
CR_API const char *cr_cuda_gemm_name(void);

/* Work on one stream is done in its order; between streams events make the order. Memory that a
 * tensor leaves may be used again by the stream that it was made on: where another stream works with
 * it, say so with cr_stream_record. Backward runs on the streams that forward ran on, which first
 * wait for the current one, as that waits for them in the end. */
typedef struct cr_stream cr_stream;
typedef struct cr_event cr_event;
typedef struct cr_graph cr_graph;
CR_API cr_stream *cr_stream_new(int ordinal, bool high_priority); /* returns a reference */
CR_API cr_stream *cr_stream_current(int ordinal);                 /* returns a reference */
CR_API int cr_stream_select(cr_stream *s); /* in the present modes, and its device with it */
/* Makes the scope set the current stream of the stream's device, and that device to be the current one; else
 * all stays as it is at present. */
CR_API int cr_scope_stream(cr_scope *s, cr_stream *stream);
/* The device that the stream belongs to. */
CR_API cr_device cr_stream_device(const cr_stream *s);
CR_API uint64_t cr_stream_id(const cr_stream *s); /* equal for references to one stream */
/* Returns s, with one more reference. */
CR_API cr_stream *cr_stream_retain(cr_stream *s);
/* Steals s. Work that is queued on it is still done. */
CR_API void cr_stream_release(cr_stream *s);
/* Waits for the work that is queued on s, and raises what kernels have found wrong. */
CR_API int cr_stream_synchronize(cr_stream *s);
/* *done: nothing is left to do on s. Does not wait. */
CR_API int cr_stream_query(cr_stream *s, bool *done);
CR_API int cr_stream_wait(cr_stream *s, cr_event *e); /* later work on s waits for e */
/* Work on s uses the memory of t, which nobody else gets before that is done. */
CR_API int cr_stream_record(cr_stream *s, cr_tensor *t);
/* Returns an event that has not been recorded; `timing`: it can be given to cr_event_elapsed. */
CR_API cr_event *cr_event_new(bool timing);
/* Steals e. */
CR_API void cr_event_free(cr_event *e);
CR_API int cr_event_record(cr_event *e, cr_stream *s); /* NULL: the current one */
/* *done: what stood before e on its stream is done. Does not wait. */
CR_API int cr_event_query(cr_event *e, bool *done);
/* Waits for what stood before e on its stream. */
CR_API int cr_event_synchronize(cr_event *e);
/* The time between two events that were recorded with `timing` and are done. */
CR_API int cr_event_elapsed(cr_event *from, cr_event *to, double *milliseconds);

/* Between the two the calling thread's work is kept instead of done; cr_graph_launch does all of it
 * with one call, on the memory of the tensors that took part. cr_graph_end returns NULL with the
 * error set if something cannot be captured. */
CR_API int cr_graph_begin(void);
CR_API cr_graph *cr_graph_end(void);
CR_API void cr_graph_abandon(void); /* ends a capture that failed */
/* Queues the work of g on the current stream. */
CR_API int cr_graph_launch(cr_graph *g);
/* Steals g, and gives back the memory that only it has. */
CR_API void cr_graph_free(cr_graph *g);

/* Returns a copy of t in page-locked CPU memory, from and to which devices copy on their own. */
CR_API cr_tensor *cr_pin(cr_tensor *t);
/* True for memory of cr_pin. */
CR_API bool cr_is_pinned(const cr_tensor *t);
/* Queues the copy of src to dst, one of them pinned, the other on a device; both contiguous, of one
 * shape and dtype, and outside every graph. Elements that arrive on the host are there after a
 * synchronization; until then neither may be written to. */
CR_API int cr_copy_queued(cr_tensor *dst, cr_tensor *src);

/* ---- Lua (in the binding, cresset/core.so; these need Lua 5.4) ------------------------------ */

/* Functions and hooks written in Lua run on the lua_State whose code called backward. Where the host
 * itself calls cr_backward(), they run on the main thread of the state that made them, so no other
 * thread may be using that state. A graph that outlives the state fails there with an error. */

struct lua_State;
/* What require "cresset.core" calls: pushes the module. Raises if L is of another Lua. */
CR_API int luaopen_cresset_core(struct lua_State *L);
/* Pushes t as a userdata (borrows it: the userdata takes a reference of its own); nil for NULL. */
CR_API void cr_lua_push(struct lua_State *L, cr_tensor *t);
/* Returns the tensor at the index, borrowed from its userdata; raises a Lua error for all else. */
CR_API cr_tensor *cr_lua_check(struct lua_State *L, int index);
/* Modes, settings and the random generator of a script are its Lua state's, and the coroutine's. A C
 * function that the script calls computes in the thread's own place, but between these two in that of L.
 * Nothing may raise or yield in between. */
typedef struct cr_lua_visit { /* what was before */
  struct lua_State *L;
  cr_place place;
} cr_lua_visit;
CR_API cr_lua_visit cr_lua_enter(struct lua_State *L);
CR_API void cr_lua_leave(cr_lua_visit before);
/* Sets the limits of L's whole state, instead of those before, as cr_state_limit does (and fails). The time
 * stops Lua code that calls nothing, too: a debug hook looks at the clock. A hook that L has is called as it
 * asked, from that one; one that the host sets later is taken in when the script next calls an operation.
 * New coroutines have the hook; older ones have it from their next operation on. The error can be caught,
 * but comes again with the next instruction, so that a loop around pcall ends, too. What takes long inside
 * one call of Lua's own library (string.rep, table.concat, a pattern) is not stopped, nor the handler of an
 * xpcall, which Lua runs without hooks, and memory of Lua's own is not counted: give lua_newstate an
 * allocator that does. A script that may call debug.sethook can remove the hook until its next operation;
 * one that may load C code can do anything. */
CR_API int cr_lua_limit(struct lua_State *L, const cr_limits *limits);

#include "cresset_ops.h" /* generated: one prototype per operation of the catalogue */

#ifdef __cplusplus
}
#endif
#endif
