/* tensor.c: tensor headers: making, aliasing, resizing and releasing them.
 *
 * Holds true: a new tensor, its storage and its data if small are one block ("home"). The header of
 * such a tensor always keeps one reference to its home, which outlives it. Releasing never recurses:
 * what hangs on a dying tensor is put on a list of the thread. */
#include "autograd/graph.h"
#include "home.h"

#include <string.h>

/* True, with their product, for few sizes that are small enough for none to overflow. */
static inline bool count_small(int ndim, const int64_t *shape, int64_t *numel) {
  enum { FEW = 4, BITS = 14 };
  int64_t n = 1;
  uint64_t all = 0;
  if (ndim < 0 || ndim > FEW) return false;
  for (int d = 0; d < ndim; d++) {
    all |= (uint64_t)shape[d];
    n *= shape[d];
  }
  *numel = n;
  return all >> BITS == 0;
}

/* A tensor whose data are a block of their own. */
static __attribute__((noinline)) cr_tensor *new_apart(cr_dtype dtype, cr_device device, int ndim,
                                                      const int64_t *shape, int64_t numel) {
  const cr__backend *b = cr__backend_of(device);
  size_t nbytes = (size_t)numel * cr__size_of(dtype);
  cr_tensor *t = b ? cr__home_new(dtype, device, ndim, CR__CONTIGUOUS, 0) : NULL;
  if (!t) return NULL;
  cr__storage *s = t->storage;
  s->nbytes = nbytes;
  s->charged = (int64_t)(s->block + nbytes);
  s->data = cr__over_state_limit("the data of a tensor", nbytes)
                ? NULL
                : b->alloc(cr__ordinal_of(device), nbytes);
  if (!s->data) {
    cr__free(s, s->block);
    return NULL;
  }
  cr__charge(&s->account, s->charged);
  cr__set_contiguous(t, shape, numel);
  return t;
}

cr_tensor *cr__new(const char *op, cr_dtype dtype, cr_device device, int ndim,
                   const int64_t *shape) {
  int64_t numel;
  if (!count_small(ndim, shape, &numel) && cr__count(op, ndim, shape, &numel)) return NULL;
  if (device != CR_CPU || (size_t)numel * cr__size_of(dtype) > CR__SMALL_DATA)
    return new_apart(dtype, device, ndim, shape, numel);
  return cr__new_small(dtype, ndim, shape, numel);
}

cr_tensor *cr__wrap(void *data, size_t nbytes, cr_dtype dtype, int ndim, const int64_t *shape,
                    const int64_t *stride, void (*deleter)(void *user), void *user) {
  cr_tensor *t = cr__home_new(dtype, CR_CPU, ndim, 0, 0);
  if (!t) return NULL;
  t->storage->data = data;
  t->storage->nbytes = nbytes;
  t->storage->deleter = deleter;
  t->storage->user = user;
  t->numel = 1;
  for (int d = 0; d < ndim; d++) {
    t->dims[d] = shape[d];
    t->dims[ndim + d] = stride[d];
    t->numel *= shape[d];
  }
  if (cr__strides_contiguous(ndim, shape, stride)) t->flags |= CR__CONTIGUOUS;
  return t;
}

cr_tensor *cr__new_like(const char *op, cr_tensor *t, cr_dtype dtype) {
  return t ? cr__new(op, dtype, t->storage->device, t->ndim, cr__sizes(t)) : NULL;
}

/* The strides of a dense tensor whose dims lie in memory in the order of t's; false if t is not. */
static bool dense_strides(const cr_tensor *t, int64_t *stride) {
  const int64_t *shape = cr__sizes(t), *old = cr__steps(t);
  int order[CR_MAX_DIMS], n = 0; /* dims from the innermost; where size is 1, any stride will do */
  for (int d = t->ndim; d-- > 0;) {
    stride[d] = 1;
    if (shape[d] == 1) continue;
    int at = n++;
    while (at > 0 && old[order[at - 1]] > old[d]) {
      order[at] = order[at - 1];
      at--;
    }
    order[at] = d;
  }
  int64_t step = 1;
  for (int k = 0; k < n; k++) {
    int d = order[k];
    if (old[d] != step) return false;
    stride[d] = step;
    step *= shape[d];
  }
  return true;
}

cr_tensor *cr__new_strided_like(const char *op, cr_tensor *t, cr_dtype dtype) {
  cr_tensor *r = cr__new_like(op, t, dtype);
  int64_t stride[CR_MAX_DIMS];
  if (!r || t->flags & CR__CONTIGUOUS || !dense_strides(t, stride)) return r;
  memcpy(cr__steps(r), stride, t->ndim * sizeof *stride);
  r->flags &= (uint8_t)~CR__CONTIGUOUS;
  if (cr__strides_contiguous(r->ndim, cr__sizes(r), stride)) r->flags |= CR__CONTIGUOUS;
  return r;
}

cr_tensor *cr__alias(cr_tensor *t, int ndim, const int64_t *shape, const int64_t *stride,
                     int64_t offset) {
  if (!t) return NULL;
  if (ndim > CR_MAX_DIMS) {
    cr__fail(CR_E_SHAPE, "view: a tensor has at most %d dims, got %d", CR_MAX_DIMS, ndim);
    return NULL;
  }
  cr_tensor *a = cr__alloc_quickly(cr__header_size((uint32_t)ndim));
  if (CR__UNLIKELY(!a)) return NULL;
  cr__header_init(a, (cr_dtype)t->dtype, ndim, t->flags & (CR__INFERENCE | CR__NO_VERSION));
  a->own_version = t->own_version;
  a->storage = cr__storage_retain(t->storage);
  a->offset = offset;
  int64_t numel = 1;
  bool contiguous = true; /* as cr__strides_contiguous has it */
  for (int d = ndim; d-- > 0;) {
    a->inner[d] = shape[d];
    a->inner[ndim + d] = stride[d];
    contiguous &= shape[d] == 1 || stride[d] == numel;
    numel *= shape[d];
  }
  a->numel = numel;
  if (contiguous || numel == 0) a->flags |= CR__CONTIGUOUS;
  return a;
}

cr_tensor *cr__alias_same(cr_tensor *t) {
  return t ? cr__alias(t, t->ndim, cr__sizes(t), cr__steps(t), t->offset) : NULL;
}

void cr__bump(cr_tensor *t) {
  if (t->flags & CR__NO_VERSION) t->own_version++;
  else if (!(t->flags & CR__INFERENCE))
    atomic_fetch_add_explicit(&t->storage->version, 1, memory_order_relaxed);
}

void cr__unbump(cr_tensor *t) {
  if (t->flags & CR__NO_VERSION) t->own_version--;
  else if (!(t->flags & CR__INFERENCE))
    atomic_fetch_sub_explicit(&t->storage->version, 1, memory_order_relaxed);
}

/* ---- Changing a header in place ---- */

#define OUTER_BYTES (2 * CR_MAX_DIMS * sizeof(int64_t))

int cr__set_geometry(cr_tensor *t, int ndim, const int64_t *shape, const int64_t *stride,
                     int64_t offset) {
  int64_t dims[2 * CR_MAX_DIMS], numel = 1; /* shape and stride may be t's own */
  for (int d = 0; d < ndim; d++) {
    dims[d] = shape[d];
    dims[ndim + d] = stride[d];
    numel *= shape[d];
  }
  if ((uint32_t)ndim > t->room && t->dims == t->inner) {
    int64_t *outer = cr__alloc(OUTER_BYTES);
    if (!outer) return cr_error_code();
    t->dims = outer;
  }
  memcpy(t->dims, dims, 2 * (size_t)ndim * sizeof *dims);
  t->ndim = (uint8_t)ndim;
  t->numel = numel;
  t->offset = offset;
  t->flags &= (uint8_t)~CR__CONTIGUOUS;
  if (cr__strides_contiguous(ndim, dims, dims + ndim)) t->flags |= CR__CONTIGUOUS;
  return CR_E_OK;
}

void cr__set_storage(cr_tensor *t, cr__storage *s) {
  cr__storage *old = t->storage;
  bool embedded = t->flags & CR__EMBEDDED;
  t->storage = s;
  if (embedded && s == cr__home_of(t)) /* the header's own reference to its home serves for it */
    cr__storage_release(s);
  if (!embedded || old != cr__home_of(t)) cr__storage_release(old);
}

/* Moves the data of t's storage to a larger block, for all tensors that share it. */
static int grow(cr_tensor *t, size_t nbytes) {
  cr__storage *s = t->storage;
  if (s->deleter)
    return cr__fail(CR_E_ARGUMENT, "resize: memory that the host owns cannot grow to %zu bytes",
                    nbytes);
  cr__storage *fresh = cr__storage_new(s->device, nbytes);
  if (!fresh) return cr_error_code();
  int64_t kept = (int64_t)(s->nbytes / cr__size_of((cr_dtype)t->dtype)), one = 1;
  cr_tensor *from = cr__alias(t, 1, &kept, &one, 0), *to = cr__alias_same(from);
  int error = to ? CR_E_OK : cr_error_code();
  if (!error) {
    cr__set_storage(to, cr__storage_retain(fresh));
    if (kept > 0) error = cr__copy("resize", to, from);
  }
  cr_release(from);
  cr_release(to);
  if (!error) { /* swap, so that what frees `fresh` frees the old data; inside data stays unused */
    char *old = s->data;
    size_t old_bytes = s->nbytes;
    bool inside = cr__data_inside(s);
    s->data = fresh->data;
    s->nbytes = nbytes;
    fresh->data = inside ? NULL : old;
    fresh->nbytes = inside ? 0 : old_bytes;
    cr__account *account = s->account;
    int64_t charged = s->charged;
    s->account = fresh->account, s->charged = fresh->charged;
    fresh->account = account, fresh->charged = charged;
  }
  cr__storage_release(fresh);
  return error;
}

int cr_resize(cr_tensor *t, int ndim, const int64_t *shape) {
  int64_t numel, stride[CR_MAX_DIMS];
  if (!t) return cr__fail_absent("resize", "self");
  if (cr__count("resize", ndim, shape, &numel)) return cr_error_code();
  if (cr_requires_grad(t))
    return cr__fail(CR_E_AUTOGRAD, "resize: a tensor that requires grad cannot change its size");
  size_t need = (size_t)(t->offset + numel) * cr__size_of((cr_dtype)t->dtype);
  if (numel > 0 && need > t->storage->nbytes && grow(t, need)) return cr_error_code();
  cr__fill_strides(ndim, shape, stride);
  if (cr__set_geometry(t, ndim, shape, stride, t->offset)) return cr_error_code();
  cr__bump(t);
  return CR_E_OK;
}

/* ---- References ---- */

cr_tensor *cr_retain(cr_tensor *t) {
  if (!t) return NULL;
  int refs = atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
  if (CR__UNLIKELY(t->flags & CR__WATCHED)) cr__tell_watches(t->hooks, refs + 1);
  return t;
}

static inline void free_header(cr_tensor *t) {
  cr__storage *s = t->storage;
  /* The common case by itself: all is one block, and nobody else has a part in it. */
  if (CR__LIKELY((t->flags & CR__EMBEDDED) && s == cr__home_of(t) && t->dims == t->inner &&
                 cr__data_inside(s) && !s->deleter &&
                 atomic_load_explicit(&s->refs, memory_order_acquire) == 1)) {
    if (CR__UNLIKELY(s->account != NULL)) cr__account_settle(s->account, s->charged);
    cr__free(s, s->block);
    return;
  }
  if (CR__UNLIKELY(t->dims != t->inner)) cr__free(t->dims, OUTER_BYTES);
  if (!(t->flags & CR__EMBEDDED)) {
    cr__free(t, cr__header_size(t->room));
  } else if (s != cr__home_of(t)) {
    cr__storage_release(cr__home_of(t));
  }
  cr__storage_release(s);
}

/* Dying tensors, linked through `accumulator`, which is of no more use to them. */
static CR__TLS cr_tensor *dying;
static CR__TLS bool burying;

/* What dies of what hangs on t joins the list, or that of cr_node_release: one level, not a chain. */
static __attribute__((noinline)) void destroy(cr_tensor *t) {
  bool known = t->hooks || t->accumulator || t->flags & CR__RETAIN_GRAD;
  if (CR__LIKELY(!known && !t->base && !t->grad && !t->grad_fn)) {
    free_header(t);
    return;
  }
  if (known) cr__tensor_forget(t);
  t->accumulator = (cr_node *)(void *)dying;
  dying = t;
  if (burying) return;
  burying = true;
  while ((t = dying) != NULL) {
    dying = (cr_tensor *)(void *)t->accumulator;
    cr_release(t->base);
    cr_release(t->grad);
    cr_node_release(t->grad_fn);
    free_header(t);
  }
  burying = false;
}

void cr_release(cr_tensor *t) {
  if (!t) return;
  int refs = atomic_load_explicit(&t->refs, memory_order_acquire);
  if (refs > 1) {
    if (CR__UNLIKELY(t->flags & CR__WATCHED)) cr__tell_watches(t->hooks, refs - 1);
    if (atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) > 1) return;
  }
  destroy(t);
}
