/* core.h: layer 3: storages, tensors, the dispatcher and the graph.
 *
 * Holds true: a tensor is a header (shape, strides, place in the graph) over a reference-counted
 * storage; the version counter is the storage's. A node owns what it saved; a tensor owns its node;
 * so nothing below owns anything above, and no cycle arises without create_graph. */
#ifndef CR__CORE_H
#define CR__CORE_H

#include <stdatomic.h>

#include "backend.h"
#include "op_ids.h" /* generated: cr__op_id */
#include "state.h"

/* ---- Storage and tensor (storage.c, tensor.c) ---- */

typedef struct cr__storage {
  atomic_int refs;
  atomic_uint version; /* count of in-place writes */
  cr_device device;
  uint32_t block; /* size of the block that holds it, the first header and small data */
  char *data;
  size_t nbytes;
  cr__account *account; /* whom to settle `charged` with; or NULL */
  int64_t charged;
  const char *writer;          /* the operation that last wrote in place, for messages; or NULL */
  void (*deleter)(void *user); /* foreign memory */
  void *user;
} cr__storage;

enum {
  CR__REQUIRES_GRAD = 1,
  CR__RETAIN_GRAD = 2,
  CR__INFERENCE = 4,  /* made in inference mode: no version, never saved */
  CR__NO_VERSION = 8, /* made by cr_get_data: writes are not counted */
  CR__CONTIGUOUS = 16,
  CR__EMBEDDED = 32, /* this header lies in its first storage's block */
  CR__WATCHED = 64   /* its hooks begin with watches */
};

/* How a differentiable view came to be, which decides whether in-place writes may pass it. */
typedef enum cr__view_kind {
  CR__VIEW_PLAIN,
  CR__VIEW_MULTI,   /* one of several outputs (unbind, split) */
  CR__VIEW_NO_GRAD, /* made with the gradient mode off */
  CR__VIEW_FUNCTION /* returned by a custom Function */
} cr__view_kind;

typedef struct cr__hook {
  struct cr__hook *next, *previous; /* in its tensor's or node's list, oldest first */
  struct cr__hook *next_alive;      /* in the table that finds a hook by its id */
  struct cr__hook **list;           /* NULL once out of it */
  uint64_t id;
  int kind, slot; /* slot: output number for tensor hooks of a node */
  bool removed;
  cr_hook f;
  cr_watch watch; /* of a watch, which stands before all others; f is NULL */
  void *user;
  void (*free_user)(void *);
  cr_tensor *retain; /* weak: a retain_grad entry instead of a function */
} cr__hook;

struct cr_tensor {
  atomic_int refs;
  uint8_t dtype, ndim, view_kind, flags;
  uint32_t own_version;  /* for CR__NO_VERSION */
  uint32_t view_version; /* of the storage when a view's grad_fn was last made */
  uint32_t slot;         /* output number of grad_fn */
  uint32_t room;         /* dims that fit behind the header; more lie in a block of their own */
  cr__storage *storage;
  int64_t offset, numel;
  cr_tensor *base;      /* owned; itself never a view */
  cr_node *grad_fn;     /* owned */
  cr_tensor *grad;      /* owned */
  cr_node *accumulator; /* weak: the leaf's AccumulateGrad node while a graph holds it */
  cr__hook *hooks;      /* of a leaf */
  int64_t *dims;        /* ndim sizes, then ndim strides in elements; usually `inner` */
  int64_t inner[];
};

static inline int64_t *cr__sizes(const cr_tensor *t) { return t->dims; }
static inline int64_t *cr__steps(const cr_tensor *t) { return t->dims + t->ndim; }
static inline char *cr__data(const cr_tensor *t) {
  return t->storage->data + t->offset * (int64_t)cr__size_of((cr_dtype)t->dtype);
}

/* Returns an uninitialized contiguous tensor; op names the caller in messages. */
cr_tensor *cr__new(const char *op, cr_dtype dtype, cr_device device, int ndim,
                   const int64_t *shape);
/* Returns a tensor over foreign memory; the geometry is sound and lies within nbytes. */
cr_tensor *cr__wrap(void *data, size_t nbytes, cr_dtype dtype, int ndim, const int64_t *shape,
                    const int64_t *stride, void (*deleter)(void *user), void *user);
cr_tensor *cr__new_like(const char *op, cr_tensor *t, cr_dtype dtype); /* same shape, contiguous */
/* Same shape, and t's order of dims in memory where t is dense; else contiguous. */
cr_tensor *cr__new_strided_like(const char *op, cr_tensor *t, cr_dtype dtype);
/* Returns another header over t's storage, outside every graph; offset counts elements of it. */
cr_tensor *cr__alias(cr_tensor *t, int ndim, const int64_t *shape, const int64_t *stride,
                     int64_t offset);
cr_tensor *cr__alias_same(cr_tensor *t); /* the same geometry */
void cr__bump(cr_tensor *t);             /* counts an in-place write */
void cr__unbump(cr_tensor *t);           /* of a write that was undone */
/* Gives an existing header another geometry, or another storage (steals s); for resizing and
 * cr_set_data. The first may fail (more dims than the header has room for), changing nothing. */
int cr__set_geometry(cr_tensor *t, int ndim, const int64_t *shape, const int64_t *stride,
                     int64_t offset);
void cr__set_storage(cr_tensor *t, cr__storage *s);
static inline uint32_t cr__version(const cr_tensor *t) {
  return t->flags & CR__NO_VERSION
             ? t->own_version
             : atomic_load_explicit(&t->storage->version, memory_order_relaxed);
}
/* Returns a storage whose data is a block of its own. */
cr__storage *cr__storage_new(cr_device device, size_t nbytes);
static inline cr__storage *cr__storage_retain(cr__storage *s) {
  atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
  return s;
}
void cr__storage_release(cr__storage *s);
static inline bool cr__data_inside(const cr__storage *s) { /* its own block */
  return (uintptr_t)s->data - (uintptr_t)s < s->block;
}

/* ---- Calls into a backend (apply.c) ---- */

void cr__view_of(const cr_tensor *t, cr__view *v);
/* k starts as {0}-free memory: cr__launch_begin sets what matters, views are appended in order. */
void cr__launch_begin(cr__launch *k, const char *op, cr_device device, int nout);
cr__view *cr__launch_add(cr__launch *k, const cr_tensor *t);
int cr__launch_run(cr__launch *k, cr__kernel_id id);
/* The device of all tensors (NULLs skipped) or an error that names two that differ. CPU 0-dim
 * tensors may join others only as operands of elementwise operations. */
int cr__same_device(const char *op, const cr_value *args, int n, cr_device *device);
/* dst = src with conversion; shapes must be equal (src may be a broadcast view). */
int cr__copy(const char *op, cr_tensor *dst, cr_tensor *src);
int cr__fill(const char *op, cr_tensor *dst, cr_value number); /* one that fits dst's dtype */
/* cr__check_store of the only element of t. */
int cr__check_element(const char *op, cr_dtype dtype, cr_tensor *t);
/* Returns a contiguous copy outside every graph. */
cr_tensor *cr__snapshot(const char *op, cr_tensor *t);
/* True if writing `out` element by element could change elements of t that are read later. */
bool cr__collides(const cr_tensor *t, const cr_tensor *out);

/* ---- Operations (generated table; apply.c) ---- */

typedef enum cr__promote_rule {
  CR__PROMOTE,       /* result and computation in the promoted dtype */
  CR__PROMOTE_FLOAT, /* the same, integers and bool become the default float dtype */
  CR__PROMOTE_BOOL,  /* compute in the promoted dtype, give bool */
  CR__PROMOTE_SELF   /* result and computation in the dtype of the first unmasked operand */
} cr__promote_rule;

enum { CR__INTS_OK = 2, CR__BOOL_OK = 4, CR__FLOAT_OK = 8 }; /* dtypes an op takes */

/* What becomes of a number that the dtype of an elementwise computation cannot hold. */
typedef enum cr__role {
  CR__BY_VALUE, /* the computation is done in a wider dtype */
  CR__BOUND,    /* the nearest number that fits takes its place */
  CR__STORED,   /* the call is refused */
  CR__LARGEST,  /* it is one side of a maximum: refused if it would win, else as CR__BOUND */
  CR__SMALLEST  /* of a minimum */
} cr__role;

/* What a node keeps for its formula. */
typedef enum cr__save_kind {
  CR__SAVE_INPUT,  /* argument i, a tensor, an operand or a list */
  CR__SAVE_OUTPUT, /* result i */
  CR__SAVE_PARAM,  /* argument i, not a tensor */
  CR__SAVE_SHAPE,  /* the shape of argument i */
  CR__SAVE_OUTPUT_SHAPE,
  CR__SAVE_DTYPE,
  CR__SAVE_DEVICE,
  CR__SAVE_NDIM,
  CR__SAVE_NUMEL, /* of argument i */
  CR__SAVE_STRIDE,
  CR__SAVE_OFFSET
} cr__save_kind;
typedef struct cr__save {
  uint8_t kind, index;
  uint32_t users; /* bit per parameter whose derivative reads it */
  const char *name;
} cr__save;

/* args have been checked for presence and kind; out has room for CR_MAX_OUTPUTS. A run function may
 * return an argument itself (retained): the call then changed nothing and is not recorded. */
typedef int (*cr__run)(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout);
/* Fills gi (one per edge, NULL at first) from g (one per output; kind CR_NONE where undefined only if
 * all are). Released by the caller on failure. */
typedef int (*cr__formula)(cr_node *n, const cr_value *g, cr_tensor **gi);

typedef struct cr__impl {
  cr__run run;   /* NULL: pointwise */
  cr__run check; /* pointwise: called before, may be NULL; out is NULL */
  cr__formula backward;
  const char *node_name;
  const cr__save *saves;
  int16_t pointwise;
  uint8_t nsave;
  uint8_t rule;     /* cr__promote_rule */
  uint8_t dtypes;   /* CR__*_OK */
  uint8_t noperand; /* pointwise: how many operands; the other parameters are its numbers */
  uint8_t mask;     /* pointwise: bit per operand that takes no part in promotion */
  uint8_t ndiff;
  uint32_t roles;      /* pointwise: a cr__role in four bits per parameter */
  const uint8_t *diff; /* the parameters that have a derivative; a node's edges follow this order */
  bool multi_view;     /* a view with several results */
  bool composite;      /* run calls operations, which record themselves */
  bool rewrites;       /* in place: the run function itself writes to args[0] (copy_, fill_) */
  bool header; /* in place: args[0] becomes the view that the pure form returns (squeeze_) */
} cr__impl;

extern const cr_op cr__ops[];
extern const cr__impl cr__impls[];
extern const int cr__npublic; /* the others, which trust their arguments, come behind these */

/* The one-result form that generated code and run functions use: returns the result or NULL. */
cr_tensor *cr__op1(int id, const cr_value *args);
void cr__drop_list(cr_value v);
/* The same as a value, for formulas: CR_NONE after a failure. */
static inline cr_value cr__do(int id, const cr_value *args) { return cr_of(cr__op1(id, args)); }
/* Releases what cr__do and cr__unpack gave: a tensor, or a list with its array. */
static inline void cr__drop(cr_value v) {
  if (v.kind == CR_TENSOR) cr_release(v.u.t);
  if (v.kind == CR_TENSORS) cr__drop_list(v);
}
static inline cr_tensor *cr__take(cr_value v) { /* returns a reference of its own */
  return v.kind == CR_TENSOR ? cr_retain(v.u.t) : NULL;
}
static inline double cr__number(cr_value v) { return v.kind == CR_FLOAT ? v.u.f : (double)v.u.i; }
/* A property of an argument (CR__SAVE_SHAPE ...), as composites read it. */
cr_value cr__property(int save_kind, cr_value v);
int cr__undo(cr_tensor **out, int n); /* releases results after a failure; returns the code */
/* Elementwise into out, which the caller may write: the in-place and the out= form. */
int cr__pointwise_into(const cr_op *op, const cr_value *args, cr_tensor *out);
/* Fails where that would, but for memory, and writes nothing. */
int cr__pointwise_check_into(const cr_op *op, const cr_value *args, const cr_tensor *out);
/* The same of a call of the in-place twin; of others than pointwise operations it sees only whether
 * self may be written. */
int cr__check_inplace_call(const cr_op *op, const cr_value *args);
/* True if it would not fail. Leaves no error. */
bool cr__pointwise_fits(const cr_op *op, const cr_value *args, const cr_tensor *out);
int cr__run_pointwise(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout);
/* The dtype that a pointwise operation's operands promote to, before its own rule. */
cr_dtype cr__pointwise_dtype(const cr_op *op, const cr_value *args);
/* Makes the numbers among args fit, each by its role: changes args and *compute, or fails. `result` is
 * the dtype of what is stored. numbers.c. */
int cr__fit_numbers(const cr_op *op, cr_value *args, cr_dtype *compute, cr_dtype result);
/* True for a 0-dim tensor of an integer dtype whose element the integer dtype may not hold. */
bool cr__is_wide_number(const cr_value *v, cr_dtype dtype);
/* If op compares integers with a float: fills own with operands that give the exact answers. */
bool cr__compare_exactly(const cr__impl *impl, const cr_value *args, cr_value *own);
/* Runs `run` below autograd: what it calls records nothing. */
extern CR__TLS int cr__below; /* > 0: inside a run function */
/* The composite whose parts run on this thread, the outermost one; NULL: none. */
typedef struct cr__speaker {
  const cr_op *op;
  const cr_value *args;
  bool inplace; /* it is called as its twin */
} cr__speaker;
extern CR__TLS const cr__speaker *cr__outer;
/* speak.c: after a failure, makes the thread's error speak of what the caller has called: of the outermost
 * composite and its parameters where op, on args, is a part of one; else of op (or its twin) itself. */
void cr__speak(const cr_op *op, const cr_value *args, bool inplace) __attribute__((cold));
/* What the caller can do about a dtype: to name another one only where what was called lets it. */
const char *cr__dtype_advice(const cr_op *op) __attribute__((cold));

/* ---- Random numbers (rng.c) ---- */

/* Hands out the next blocks of four words of the present generator and moves its offset on, which the
 * dispatcher puts back when a call fails. */
void cr__rng_take(uint64_t blocks, uint64_t *seed, uint64_t *offset);

/* ---- Graph (graph.c, record.c, engine.c, function.c, inplace.c) ---- */

typedef struct cr__edge {
  cr_node *fn; /* owned; NULL: no gradient wanted */
  uint32_t slot;
} cr__edge;

typedef struct cr__outmeta { /* of an output of a node, which its gradient must match */
  uint8_t dtype, ndim;
  cr_device device;
  uint32_t dims; /* index into the node's ints */
} cr__outmeta;

enum { CR__SAVED_OUTPUT = 1, CR__SAVED_LIST = 2, CR__SAVED_PACKED = 4, CR__SAVED_LEAF = 8 };
typedef struct cr__saved {
  cr_value v;       /* owned tensor, or a value; ints lie in the node's block */
  uint32_t version; /* of the tensor when it was saved */
  uint16_t flags;
  uint16_t slot;               /* output number: of this node, or of fn */
  cr_node *fn;                 /* owned: history of a saved non-leaf input */
  void *handle;                /* a pack hook's; or the elements of a list */
  struct cr__hooks_ref *hooks; /* owned: the pair that made the handle */
} cr__saved;

struct pass;     /* a running backward pass, ... */
struct cr__task; /* ... and a node's part in it (engine.c) */

typedef struct cr__node_type {
  const char *name; /* "Accumulate", "Function", ... or NULL: the op's node_name */
  /* Elements of g may be NULL; it may take one over by putting NULL in its place. */
  int (*backward)(cr_node *n, cr_tensor **g, cr_tensor **gi);
  void (*free_saved)(cr_node *n); /* after use without retain_graph */
  void (*destroy)(cr_node *n);    /* when the last reference is gone; free_saved has run */
} cr__node_type;

#define CR__SEQ_LEAF UINT64_MAX /* of accumulators */

struct cr_node {
  atomic_int refs;
  uint32_t size;        /* of the block, for cr__free */
  cr__account *account; /* whom to settle it with; or NULL */
  uint64_t seq;         /* an edge leads to a smaller one, or to CR__SEQ_LEAF */
  const cr__node_type *type;
  const cr_op *op; /* NULL: not an operation's node */
  uint16_t nedge, nout, nsaved, nints;
  bool freed;                /* saved values are gone */
  bool watched;              /* its hooks begin with watches */
  atomic_flag lock;          /* of `others` */
  struct pass *_Atomic pass; /* the backward pass that it belongs to, of those under way; or NULL */
  struct cr__task *task;     /* its task there */
  struct cr__task *_Atomic others; /* those in other passes */
  cr__edge *edges;                 /* all four arrays lie in this block */
  cr__outmeta *outs;
  cr__saved *saved;
  int64_t *ints;
  cr__hook *hooks;
  char *trace;        /* anomaly mode */
  cr_stream *stream;  /* that the forward call ran on; NULL on the CPU */
  void *user;         /* the type's own: Accumulate: the leaf; Function: its context */
  cr_node *next_dead; /* worklist of cr__node_release */
};

/* Returns a node with room; edges and saved cleared, seq drawn. */
cr_node *cr__node_new(const cr__node_type *type, int nedge, int nout, int nsaved, int nints);
void cr__node_set_out(cr_node *n, int i, const cr_tensor *t); /* fills outs[i]; ints reserved */
/* The edge that t's gradient takes: its (current) grad_fn, or the leaf's accumulator; 0 if none. */
int cr__edge_of(cr_tensor *t, cr__edge *edge);
/* Makes it the i-th edge of n, a node that is still being made. */
int cr__connect(cr_node *n, int i, cr_tensor *t);
/* Makes t the slot-th output of n (borrows n). */
void cr__set_history(cr_tensor *t, cr_node *n, uint32_t slot);
/* t's grad_fn, remade if t is a view whose base was written to since. Borrowed. */
int cr__current_fn(cr_tensor *t, cr_node **fn);
/* Saves t in s for node n; is_output says that it is n's result number slot. */
bool cr__saves_through_hooks(void);
int cr__save_tensor(cr_node *n, cr__saved *s, cr_tensor *t, bool is_output, uint32_t slot);
/* Returns the tensor, checked for in-place writes; `history` asks for its place in the graph. */
cr_tensor *cr__load_tensor(cr_node *n, const cr__saved *s, bool history);
/* Returns the k-th saved value; tensors are the caller's. CR_NONE with the error set on failure. */
cr_value cr__unpack(cr_node *n, int k);
void *cr__saved_handle(const cr__saved *s, const void *free_handle); /* as cr_node_packed has it */
void cr__saved_clear(cr__saved *s);
/* The node of a call: edges and saved arguments; outs give its outputs' shapes. `inplace`: the call
 * is about to write to args[0], whose old value is cloned if a derivative reads it. */
cr_node *cr__record(const cr_op *op, const cr_value *args, cr_tensor *const *outs, int nout,
                    bool inplace);
int cr__record_outputs(cr_node *n, cr_tensor *const *outs); /* saves results, once they are there */
void cr__settle_outputs(cr_node *n,
                        const cr_tensor *self); /* or before, and this after the write */
/* True for a view whose base was written to through another tensor since the view's node was made. */
bool cr__is_stale(const cr_tensor *t);
/* True if t takes part in a graph: a leaf that requires grad, a result, or a view of one. */
static inline bool cr__requires(const cr_tensor *t) {
  if ((t->flags & CR__REQUIRES_GRAD) || t->grad_fn) return true;
  return t->base && cr__is_stale(t);
}
cr_tensor *cr__zeros_of(const cr_node *n, int output); /* returns zeros of an output's shape */
static inline bool cr__needs(const cr_node *n, int edge) { return n->edges[edge].fn != NULL; }

/* In-place rules (inplace.c): before the write, and after it with the node that made it. */
/* The operation is called op with suffix ("_" for a twin) in messages. */
int cr__inplace_check(const char *op, const char *suffix, cr_tensor *t, bool records);
int cr__inplace_record(cr_tensor *t, cr_node *n, int self_edge, uint32_t slot);
/* Its halves, before the write and after it: the second cannot fail. *made: the base's node, or NULL. */
int cr__inplace_prepare(cr_tensor *t, cr_node *n, int self_edge, uint32_t slot, cr_node **made);
void cr__inplace_commit(cr_tensor *t, cr_node *n, uint32_t slot, cr_node *made);
/* The whole of a call in place that changes args[0]'s header and none of its elements. */
int cr__inplace_header(const cr_op *op, const cr_value *args);
/* Makes `view` a differentiable view of `of` (or of its base). */
void cr__mark_view(cr_tensor *view, cr_tensor *of, cr__view_kind kind);

/* Called once for a dying tensor with CR__RETAIN_GRAD, hooks or an accumulator: removes the weak
 * pointers that the graph has to it, and its hooks. */
void cr__tensor_forget(cr_tensor *t);

/* Hooks (hooks.c). A list belongs to a leaf or a node; run calls the live ones of a kind (and slot,
 * if it is not -1), each of which may replace gradients. */
uint64_t cr__hook_add(cr__hook **list, cr_hook_kind kind, int slot, cr_hook f, void *user,
                      void (*free_user)(void *));
int cr__hooks_run(cr__hook **list, cr_hook_kind kind, int slot, cr_tensor **grads, int n,
                  cr_tensor *const *outs, int nouts);
void cr__hooks_free(cr__hook **list);
void cr__tell_watches(const cr__hook *list, int refs);
int cr__hooks_store(cr_node *n, cr_tensor *const *grads); /* in the tensors that retain theirs */
int cr__hook_retain(cr_node *n, cr_tensor *t); /* n's gradient number t->slot goes to t->grad too */
void cr__hook_unretain(cr_node *n, const cr_tensor *t);
void cr__hook_move_retain(cr_node *from, cr_node *to, const cr_tensor *t); /* to t->slot there */
bool cr__unshared(const cr_tensor *t); /* who asks has the only reference to t and to its memory */
int cr__add_grad(cr_tensor **slot, cr_tensor *g); /* *slot += g; steals g */
/* Makes *g, which node `from` gave at position `index`, fit the output that e leads to: summed to its
 * shape, cast to its dtype. */
int cr__fit_grad(const cr_node *from, int index, const cr__edge *e, cr_tensor **g);
/* Adds g to t's grad as backward does: in place, or a new tensor while recording. Steals g. */
int cr__accumulate(cr_tensor *t, cr_tensor *g);
const char *cr__function_name(const cr_node *n); /* of a node that is no operation's */
cr_tensor *cr__sum_to(cr_tensor *g, int ndim, const int64_t *shape); /* returns; unbroadcast */
extern const cr__node_type cr__accumulate_type, cr__op_type;
/* Gradient mode on, and not below a run function. */
static inline bool cr__recording(void) { return !cr__modes.no_grad && !cr__below; }

/* ---- Streams in a backward pass (streams.c) ---- */
typedef struct cr__ambient cr__ambient; /* the streams that a pass has left; NULL at first */
void cr__node_note_stream(cr_node *n, cr_device device); /* the current one, where none is noted */
void cr__node_drop_stream(cr_node *n);
/* Before n's backward: makes its stream the current one. */
int cr__streams_follow(cr__ambient **list, const cr_node *n, cr_tensor *const *grads);
int cr__streams_keep(const cr_node *n,
                     const cr_tensor *g);             /* n's stream works with g's memory too */
int cr__streams_return(cr__ambient **list, int code); /* at the end; gives code or an error */

#endif
