/* home.h: the block of a new tensor ("home"): its storage, its header, and its data if they are small.
 *
 * Holds true: what is made here is whole but for what the caller has yet to set: data and geometry after
 * cr__home_new, nothing after cr__new_small. */
#ifndef CR__HOME_H
#define CR__HOME_H

#include "base/alloc.h"
#include "tensor.h"

#define CR__SMALL_DATA 256 /* bytes that may lie in the home block */
#define CR__ALIGN(n) (((n) + 15) & ~(size_t)15)

static inline size_t cr__header_size(uint32_t room) {
  return sizeof(cr_tensor) + 2 * room * sizeof(int64_t);
}
static inline cr__storage *cr__home_of(cr_tensor *t) { return (cr__storage *)t - 1; }

/* Everything but geometry and storage. */
static inline void cr__header_init(cr_tensor *t, cr_dtype dtype, int ndim, int flags) {
  atomic_init(&t->refs, 1);
  t->dtype = (uint8_t)dtype;
  t->ndim = (uint8_t)ndim;
  t->view_kind = CR__VIEW_PLAIN;
  t->flags = (uint8_t)flags;
  t->own_version = t->view_version = t->slot = 0;
  t->room = (uint32_t)ndim;
  t->offset = 0;
  t->base = t->grad = NULL;
  t->grad_fn = t->accumulator = NULL;
  t->hooks = NULL;
  t->dims = t->inner;
}

static inline size_t cr__home_head(int ndim) {
  return CR__ALIGN(sizeof(cr__storage) + cr__header_size((uint32_t)ndim));
}

/* Returns a header behind a new storage in one block, with `extra` bytes after cr__home_head(ndim). */
static inline __attribute__((always_inline)) cr_tensor *
cr__home_new(cr_dtype dtype, cr_device device, int ndim, int flags, size_t extra) {
  size_t block = cr__home_head(ndim) + extra;
  cr__storage *s = cr__alloc_quickly(block);
  if (CR__UNLIKELY(!s)) return NULL;
  cr_tensor *t = (cr_tensor *)(s + 1);
  atomic_init(&s->refs, 1);
  atomic_init(&s->version, 0);
  s->account = NULL;
  s->device = device;
  s->block = (uint32_t)block;
  s->writer = NULL;
  s->deleter = NULL;
  s->user = NULL;
  if (CR__UNLIKELY(cr__modes.inference)) flags |= CR__INFERENCE;
  cr__header_init(t, dtype, ndim, flags | CR__EMBEDDED);
  t->storage = s;
  return t;
}

static inline void cr__set_contiguous(cr_tensor *t, const int64_t *shape, int64_t numel) {
  int ndim = t->ndim;
  int64_t step = 1;
  t->numel = numel;
  for (int d = ndim; d-- > 0;) {
    t->inner[d] = shape[d];
    t->inner[ndim + d] = step;
    step *= shape[d] > 0 ? shape[d] : 1;
  }
}

/* cr__new on the CPU, of numel elements, the product of the sizes, in CR__SMALL_DATA bytes at most. */
static inline cr_tensor *cr__new_small(cr_dtype dtype, int ndim, const int64_t *shape,
                                       int64_t numel) {
  size_t nbytes = (size_t)numel * cr__size_of(dtype);
  cr_tensor *t = cr__home_new(dtype, CR_CPU, ndim, CR__CONTIGUOUS, nbytes + !nbytes);
  if (CR__UNLIKELY(!t)) return NULL;
  cr__storage *s = t->storage;
  s->data = (char *)s + cr__home_head(ndim);
  s->nbytes = nbytes;
  s->charged = (int64_t)s->block;
  if (CR__UNLIKELY(cr__charge_small(&s->account, s->charged))) {
    cr__free(s, s->block);
    return NULL;
  }
  cr__set_contiguous(t, shape, numel);
  return t;
}

#endif
