/* pad.c: tensors with more elements around them.
 *
 * Holds true: dims are padded one after the other, by joins and by reading at positions, which record
 * themselves. */
#include "create.h"

/* x without what negative numbers take away around dim d; x is given up, and they become 0. */
static cr_tensor *cropped(cr_tensor *x, int d, int64_t *before, int64_t *after) {
  int64_t first = *before < 0 ? -*before : 0, last = *after < 0 ? -*after : 0;
  if (!first && !last) return x;
  cr_tensor *r = cr__call_narrow(x, d + 1, first + 1, cr__sizes(x)[d] - first - last);
  cr_release(x);
  *before += first, *after += last;
  return r;
}

/* `length` elements of a constant, to stand beside t in dim d. */
static cr_tensor *constant_beside(cr_tensor *t, int d, int64_t length, cr_value value) {
  int64_t shape[CR_MAX_DIMS];
  for (int i = 0; i < t->ndim; i++) shape[i] = i == d ? length : cr__sizes(t)[i];
  return cr__call_new_full(t, shape, t->ndim, value, CR_DTYPE_NONE, cr_none());
}

/* A constant around dim d of x, which is given up; negative numbers take elements away. */
static cr_tensor *with_constant(cr_tensor *x, int d, int64_t before, int64_t after,
                                cr_value value) {
  cr_tensor *parts[3] = {NULL, cropped(x, d, &before, &after), NULL};
  if (parts[1]) parts[0] = constant_beside(parts[1], d, before, value);
  if (parts[0]) parts[2] = constant_beside(parts[1], d, after, value);
  cr_tensor *r = parts[2] ? cr__call_cat(parts, 3, d + 1) : NULL;
  for (int i = 0; i < 3; i++) cr_release(parts[i]);
  return r;
}

typedef enum way { REPLICATE, REFLECT, CIRCULAR, CONSTANT } way;

/* Which of `size` elements (from 0) stands at `at`, which may lie outside. */
static int64_t source_of(way how, int64_t at, int64_t size) {
  if (how == CIRCULAR) return at < 0 ? at + size : at % size;
  if (how == REPLICATE) return at < 0 ? 0 : at < size ? at : size - 1;
  return at < 0 ? -at : at < size ? at : 2 * (size - 1) - at;
}

/* Copies of elements around dim d of x, which is given up. */
static cr_tensor *with_copies(const cr_op *op, cr_tensor *x, way how, int d, int64_t before,
                              int64_t after) {
  int64_t size = cr__sizes(x)[d], n = before + size + after;
  cr_tensor *at = cr__new(op->lua, CR_INT64, CR_CPU, 1, &n);
  for (int64_t i = 0; at && i < n; i++) {
    ((int64_t *)(void *)cr__data(at))[i] = source_of(how, i - before, size) + 1;
    if ((i & 65535) || !cr__interrupted()) continue;
    cr_release(at);
    at = NULL;
  }
  cr_tensor *there = cr__call_to(at, CR_DTYPE_NONE, cr_device_value(cr_device_of(x)), false);
  cr_tensor *r = cr__call_index_select(x, d + 1, there);
  cr_release(at), cr_release(there), cr_release(x);
  return r;
}

/* How far a dim of `size` may be padded on one side, or that it cannot be made so small. */
static int check_pad(const cr_op *op, way how, int d, int64_t size, int64_t before, int64_t after) {
  int64_t less = (before < 0 ? -before : 0) + (after < 0 ? -after : 0);
  int64_t most = how == REFLECT ? size - 1 : how == CIRCULAR ? size - less : INT64_MAX;
  if (size + before + after < 0 || -before > size || -after > size)
    return cr__fail(CR_E_SHAPE, "%s: dim %d of size %lld cannot lose %lld and %lld elements",
                    op->lua, d + 1, (long long)size, (long long)(before < 0 ? -before : 0),
                    (long long)(after < 0 ? -after : 0));
  if (how == CONSTANT || (before <= most && after <= most && size > 0)) return 0;
  return cr__fail(CR_E_SHAPE,
                  "%s: dim %d of size %lld has too few elements for %lld and %lld copies", op->lua,
                  d + 1, (long long)size, (long long)before, (long long)after);
}

cr_tensor *cr__run_pad(const cr_op *op, cr_tensor *self, cr__ints pad, int mode, cr_value value) {
  static const way ways[] = {[CR__pad_mode_constant] = CONSTANT,
                             [CR__pad_mode_reflect] = REFLECT,
                             [CR__pad_mode_replicate] = REPLICATE,
                             [CR__pad_mode_circular] = CIRCULAR};
  way how = ways[mode];
  if (how == CONSTANT && cr__check_store(op->lua, (cr_dtype)self->dtype, &value)) return NULL;
  if (pad.n % 2 || pad.n / 2 > self->ndim)
    return cr__no_tensor(cr__fail(CR_E_ARGUMENT,
                                  "%s: pad must list two numbers for each of at most %d dims, got "
                                  "%d numbers",
                                  op->lua, self->ndim, pad.n));
  for (int i = 0; i < pad.n / 2; i++) {
    int d = self->ndim - 1 - i;
    if (check_pad(op, how, d, cr__sizes(self)[d], pad.at[2 * i], pad.at[2 * i + 1])) return NULL;
  }
  cr_tensor *now = cr__call_alias(self);
  for (int i = 0; i < pad.n / 2 && now; i++) {
    int d = self->ndim - 1 - i;
    int64_t before = pad.at[2 * i], after = pad.at[2 * i + 1];
    if (before == 0 && after == 0) continue;
    if (how == CIRCULAR) now = cropped(now, d, &before, &after);
    if (now)
      now = how == CONSTANT ? with_constant(now, d, before, after, value)
                            : with_copies(op, now, how, d, before, after);
  }
  return now;
}
