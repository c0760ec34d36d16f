/* tensor.h: storages and tensors: what they are, how they are made, copied and shown to a backend.
 *
 * Holds true: a tensor is a header (shape, strides, place in the graph) over a reference-counted
 * storage; the version counter is the storage's. A tensor owns its node, and a node what it saved: nothing
 * below owns anything above, and no cycle arises without create_graph. */
#ifndef CR__TENSOR_H
#define CR__TENSOR_H

#include <stdatomic.h>

#include "base/state.h"
#include "device/backend.h"

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
  CR__WATCHED = 64,  /* its hooks begin with watches */
  CR__FIRST = 128    /* a gradient that a backward pass has given to a leaf which had none */
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
static inline bool cr__has_shape(const cr_tensor *t, int ndim, const int64_t *shape) {
  if (t->ndim != ndim) return false;
  for (int d = 0; d < ndim; d++)
    if (t->dims[d] != shape[d]) return false;
  return true;
}
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

/* ---- What a backend is given (operands.c), and copies ---- */

void cr__view_of(const cr_tensor *t, cr__view *v);
/* Makes the views of k, of 0-dim tensors, ones of a single dim. */
void cr__launch_as_one_dim(cr__launch *k);
/* Makes a slot of k, such as &k->sort.in, a view of t and returns it; NULL: it is absent. In any order. */
cr__view *cr__launch_view(cr__launch *k, cr__view *slot, const cr_tensor *t);
/* few.c: out, new and contiguous on self's device, is the fold of all of self, whose fold, finish and number are in
 * f, computed in self's dtype; false, with nothing written, if self is not few elements in a row. */
bool cr__run_fold_few(cr__fold_few *f, const cr_tensor *self, cr_tensor *out);
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

#endif
