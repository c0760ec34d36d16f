/* pad.c: tensors with more elements around them.
 *
 * Holds true: dims are padded one after the other, by joins and by reading at positions, which record
 * themselves. */
#include <string.h>

#include "reduce.h"

/* x without what negative numbers take away around dim d; x is given up, and they become 0. */
static cr_value cropped(cr_value x, int d, int64_t *before, int64_t *after) {
  int64_t first = *before < 0 ? -*before : 0, last = *after < 0 ? -*after : 0;
  if (!first && !last) return x;
  cr_value left = cr_int(cr__sizes(x.u.t)[d] - first - last);
  cr_value r = cr__do(CR__OP_narrow, (cr_value[]){x, cr_int(d + 1), cr_int(first + 1), left});
  cr__drop(x);
  *before += first, *after += last;
  return r;
}

/* A constant around dim d of x, which is given up; negative numbers take elements away. */
static cr_value with_constant(cr_value x, int d, int64_t before, int64_t after, cr_value value) {
  int64_t shape[CR_MAX_DIMS];
  cr_value dim = cr_int(d + 1), parts[3] = {cr_none(), cropped(x, d, &before, &after), cr_none()};
  for (int i = 0; i < 3 && parts[1].kind == CR_TENSOR; i += 2) {
    const cr_tensor *t = parts[1].u.t;
    for (int k = 0; k < t->ndim; k++) shape[k] = cr__sizes(t)[k];
    shape[d] = i == 0 ? before : after;
    parts[i] = cr__do(CR__OP_new_full,
                      (cr_value[]){parts[1], cr_ints(shape, t->ndim), value, cr_none(), cr_none()});
  }
  cr_tensor *list[3];
  bool whole = true;
  for (int i = 0; i < 3; i++) {
    whole = whole && parts[i].kind == CR_TENSOR;
    list[i] = whole ? parts[i].u.t : NULL;
  }
  cr_value r = whole ? cr__do(CR__OP_cat, (cr_value[]){cr_list(list, 3), dim}) : cr_none();
  for (int i = 0; i < 3; i++) cr__drop(parts[i]);
  return r;
}

typedef enum mode { REPLICATE, REFLECT, CIRCULAR, CONSTANT } mode;

/* Which of `size` elements (from 0) stands at `at`, which may lie outside. */
static int64_t source_of(mode how, int64_t at, int64_t size) {
  if (how == CIRCULAR) return at < 0 ? at + size : at % size;
  if (how == REPLICATE) return at < 0 ? 0 : at < size ? at : size - 1;
  return at < 0 ? -at : at < size ? at : 2 * (size - 1) - at;
}

/* Copies of elements around dim d of x, which is given up. */
static cr_value with_copies(const cr_op *op, cr_value x, mode how, int d, int64_t before,
                            int64_t after) {
  cr_tensor *t = x.u.t;
  int64_t size = cr__sizes(t)[d], n = before + size + after;
  cr_tensor *at = cr__new(op->lua, CR_INT64, CR_CPU, 1, &n);
  for (int64_t i = 0; at && i < n; i++) {
    ((int64_t *)(void *)cr__data(at))[i] = source_of(how, i - before, size) + 1;
    if ((i & 65535) || !cr__interrupted()) continue;
    cr_release(at);
    at = NULL;
  }
  cr_value there =
      cr__do(CR__OP_to,
             (cr_value[]){cr_of(at), cr_none(), cr_device_value(cr_device_of(t)), cr_bool(false)});
  cr_value r = cr__do(CR__OP_index_select, (cr_value[]){x, cr_int(d + 1), there});
  cr_release(at);
  cr__drop(there), cr__drop(x);
  return r;
}

/* How far a dim of `size` may be padded on one side, or that it cannot be made so small. */
static int check_pad(const cr_op *op, mode how, int d, int64_t size, int64_t before,
                     int64_t after) {
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

/* pad(self, pad, mode, value) */
int cr__run_pad(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  static const mode modes[] = {[CR__pad_mode_constant] = CONSTANT,
                               [CR__pad_mode_reflect] = REFLECT,
                               [CR__pad_mode_replicate] = REPLICATE,
                               [CR__pad_mode_circular] = CIRCULAR};
  const cr_tensor *self = args[0].u.t;
  const cr_value *pad = &args[1];
  mode how = modes[args[2].n];
  if (how == CONSTANT && cr__check_store(op->lua, (cr_dtype)self->dtype, &args[3]))
    return (int)cr_error_code();
  if (pad->n % 2 || pad->n / 2 > self->ndim)
    return cr__fail(CR_E_ARGUMENT,
                    "%s: pad must list two numbers for each of at most %d dims, got %d "
                    "numbers",
                    op->lua, self->ndim, pad->n);
  for (int i = 0; i < pad->n / 2; i++) {
    int d = self->ndim - 1 - i;
    int code = check_pad(op, how, d, cr__sizes(self)[d], pad->u.is[2 * i], pad->u.is[2 * i + 1]);
    if (code) return code;
  }
  cr_value now = cr__do(CR__OP_alias, args);
  for (int i = 0; i < pad->n / 2 && now.kind == CR_TENSOR; i++) {
    int d = self->ndim - 1 - i;
    int64_t before = pad->u.is[2 * i], after = pad->u.is[2 * i + 1];
    if (before == 0 && after == 0) continue;
    if (how == CIRCULAR) now = cropped(now, d, &before, &after);
    if (now.kind != CR_TENSOR) break;
    now = how == CONSTANT ? with_constant(now, d, before, after, args[3])
                          : with_copies(op, now, how, d, before, after);
  }
  return cr__give(now.kind == CR_TENSOR ? now.u.t : NULL, out);
}
