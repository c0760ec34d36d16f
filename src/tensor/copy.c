/* copy.c: moving elements between tensors, within a device and across; filling.
 *
 * Holds true: what is copied onto memory that it shares arrives as it was before the call. None of
 * these is an operation: they record nothing and count no write. */
#include <string.h>

#include "dispatch.h"

/* The bytes of its storage that t may touch: [*low, *high). */
static void extent(const cr_tensor *t, int64_t *low, int64_t *high) {
  int64_t first = t->offset, last = t->offset, size = (int64_t)cr__size_of((cr_dtype)t->dtype);
  for (int d = 0; d < t->ndim; d++) {
    int64_t reach = (cr__sizes(t)[d] - 1) * cr__steps(t)[d];
    if (reach < 0) first += reach;
    else last += reach;
  }
  *low = first * size;
  *high = t->numel ? (last + 1) * size : first * size;
}

bool cr__collides(const cr_tensor *t, const cr_tensor *out) {
  if (t->storage != out->storage || t == out) return false;
  int64_t low, high, out_low, out_high;
  extent(t, &low, &high);
  extent(out, &out_low, &out_high);
  if (high <= out_low || out_high <= low) return false;
  size_t bytes = (size_t)t->ndim * sizeof *t->dims;
  bool same = t->dtype == out->dtype && t->offset == out->offset && t->ndim == out->ndim &&
              memcmp(cr__sizes(t), cr__sizes(out), bytes) == 0 &&
              memcmp(cr__steps(t), cr__steps(out), bytes) == 0;
  return !same;
}

cr_tensor *cr__snapshot(const char *op, cr_tensor *t) {
  cr_tensor *copy = cr__new_like(op, t, (cr_dtype)t->dtype);
  if (copy && cr__copy(op, copy, t)) {
    cr_release(copy);
    return NULL;
  }
  return copy;
}

static int copy_on_device(const char *op, cr_tensor *dst, cr_tensor *src) {
  cr__launch k;
  cr__launch_begin(&k, op, dst->storage->device);
  cr__launch_view(&k, &k.copy.to, dst);
  cr__launch_view(&k, &k.copy.from, src);
  return cr__launch_run(&k, CR__K_copy);
}

/* Moves bytes between devices of different kinds, which know nothing of each other. */
static int transfer_by_host(const char *op, cr_device to, void *target, cr_device from,
                            const void *source, size_t nbytes) {
  void *host = cr__host_alloc_for(op, nbytes);
  if (!host) return (int)cr_error_code();
  int code = cr__backend_of(from)->copy_to_host(cr__ordinal_of(from), host, source, nbytes);
  if (!code) code = cr__backend_of(to)->copy_from_host(cr__ordinal_of(to), target, host, nbytes);
  cr__host_free(host, nbytes);
  return code;
}

/* Moves the bytes of a contiguous tensor to another one of its shape and dtype elsewhere. */
static int transfer(const char *op, cr_tensor *dst, cr_tensor *src) {
  cr_device to = dst->storage->device, from = src->storage->device;
  const cr__backend *backend = cr__backend_of(to != CR_CPU ? to : from);
  if (!backend) return cr_error_code();
  size_t nbytes = (size_t)dst->numel * cr__size_of((cr_dtype)dst->dtype);
  char *target = cr__data(dst), *source = cr__data(src);
  if (from == CR_CPU) return backend->copy_from_host(cr__ordinal_of(to), target, source, nbytes);
  if (to == CR_CPU) return backend->copy_to_host(cr__ordinal_of(from), target, source, nbytes);
  if (cr__kind_of(to) != cr__kind_of(from))
    return transfer_by_host(op, to, target, from, source, nbytes);
  return backend->device->copy_peer(cr__ordinal_of(to), target, cr__ordinal_of(from), source,
                                    nbytes);
}

/* Between devices only contiguous bytes travel: what is not so is brought into order before or
 * after, on the side where it lies. Conversion waits for the target. */
static int copy_across(const char *op, cr_tensor *dst, cr_tensor *src) {
  cr_tensor *from = src->flags & CR__CONTIGUOUS ? cr_retain(src) : cr__snapshot(op, src);
  if (!from) return cr_error_code();
  cr_dtype dtype = (cr_dtype)src->dtype;
  bool direct = dst->flags & CR__CONTIGUOUS && dst->dtype == src->dtype;
  cr_tensor *to =
      direct ? cr_retain(dst) : cr__new(op, dtype, dst->storage->device, src->ndim, cr__sizes(src));
  int code = to ? transfer(op, to, from) : (int)cr_error_code();
  if (!code && !direct) code = cr__copy(op, dst, to);
  cr_release(from);
  cr_release(to);
  return code;
}

int cr__copy(const char *op, cr_tensor *dst, cr_tensor *src) {
  if (dst->numel == 0) return 0;
  if (cr__collides(src, dst)) {
    cr_tensor *copy = cr__snapshot(op, src);
    int code = copy ? copy_on_device(op, dst, copy) : (int)cr_error_code();
    cr_release(copy);
    return code;
  }
  if (cr__data(dst) == cr__data(src) && dst->dtype == src->dtype) return 0;
  if (dst->storage->device != src->storage->device) return copy_across(op, dst, src);
  return copy_on_device(op, dst, src);
}

int cr__fill(const char *op, cr_tensor *dst, cr_value number) {
  cr__launch k;
  int code = cr__check_store(op, (cr_dtype)dst->dtype, &number);
  if (code || dst->numel == 0) return code;
  cr__launch_begin(&k, op, dst->storage->device);
  cr__launch_view(&k, &k.fill.to, dst);
  k.fill.number = number;
  return cr__launch_run(&k, CR__K_fill);
}

int cr__check_element(const char *op, cr_dtype dtype, cr_tensor *t) {
  cr_value number;
  cr_dtype from = (cr_dtype)t->dtype;
  /* What always fits need not be read, which on a device would mean to wait for it. */
  if (dtype == from || dtype == CR_BOOL || dtype == CR_FLOAT64 || from == CR_BOOL) return 0;
  int code = cr_item(t, &number);
  if (code) return code;
  number = cr__by_value(from, number);
  return cr__check_store(op, dtype, &number);
}
