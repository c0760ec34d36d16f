/* rearrange.c: tensors repeated, reversed, moved around.
 *
 * Holds true: what is rearranged is copied once, from a view that repeats or runs backwards where that is
 * possible; the rest are composites. */
#include <string.h>

#include "reduce.h"

/* t, whose elements are outer blocks of inner ones, with each block repeated, in a shape. */
static cr_tensor *repeat_blocks(cr_tensor *t, int64_t outer, int64_t times, int64_t inner, int n,
                                const int64_t *shape) {
  int64_t from[] = {outer, 1, inner}, to[] = {outer, times, inner};
  cr_tensor *a = cr__op1(CR__OP_reshape, (cr_value[]){cr_of(t), cr_ints(from, 3)});
  cr_tensor *b = cr__op1(CR__OP_expand, (cr_value[]){cr_of(a), cr_ints(to, 3)});
  cr_tensor *c = cr__op1(CR__OP_reshape_copy, (cr_value[]){cr_of(b), cr_ints(shape, n)});
  cr_release(a);
  cr_release(b);
  return c;
}

static int64_t product(const int64_t *sizes, int n) {
  int64_t p = 1;
  for (int d = 0; d < n; d++) p *= sizes[d];
  return p;
}

/* Makes size the size after repetition; shape, of which it is part, must stay one. */
static int multiply(const char *op, int64_t *size, int64_t times, int n, const int64_t *shape) {
  int64_t numel;
  if (times < 0)
    return cr__fail(CR_E_ARGUMENT, "%s: %lld repeats are impossible", op, (long long)times);
  if (__builtin_mul_overflow(*size, times, size)) *size = INT64_MAX;
  return cr__count(op, n, shape, &numel);
}

/* t, seen as `shape`, repeated to the sizes of `whole`. Each dim that repeats is seen as two, so that
 * one copy does it all; where those would be too many dims, the last ones go first. */
static cr_tensor *tile_dims(cr_tensor *t, int n, int64_t *shape, const int64_t *whole) {
  int id = n > 0 ? CR__OP_reshape : CR__OP_reshape_copy;
  cr_tensor *r = cr__op1(id, (cr_value[]){cr_of(t), cr_ints(shape, n)});
  for (int last = n - 1; last >= 0 && r;) {
    int64_t from[CR_MAX_DIMS], to[CR_MAX_DIMS];
    int first = last + 1, used = 2, k = 1;
    while (first > 0 && used + 2 <= CR_MAX_DIMS) first--, used += 2;
    from[0] = to[0] = product(shape, first);
    for (int d = first; d <= last; d++, k += 2) {
      from[k] = 1;
      from[k + 1] = to[k + 1] = shape[d];
      to[k] = shape[d] ? whole[d] / shape[d] : 0;
    }
    from[k] = to[k] = product(shape + last + 1, n - last - 1);
    for (int d = first; d <= last; d++) shape[d] = whole[d];
    last = first - 1;
    cr_tensor *a = cr__op1(CR__OP_reshape, (cr_value[]){cr_of(r), cr_ints(from, k + 1)});
    cr_tensor *b = cr__op1(CR__OP_expand, (cr_value[]){cr_of(a), cr_ints(to, k + 1)});
    cr_tensor *next = cr__op1(CR__OP_reshape_copy, (cr_value[]){cr_of(b), cr_ints(shape, n)});
    cr_release(a);
    cr_release(b);
    cr_release(r);
    r = next;
  }
  return r;
}

int cr__run_tile(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *t = args[0].u.t;
  int count = args[1].n, n = count > t->ndim ? count : t->ndim;
  int64_t shape[CR_MAX_DIMS], whole[CR_MAX_DIMS];
  if (n > CR_MAX_DIMS)
    return cr__fail(CR_E_SHAPE, "%s: a tensor has at most %d dims, got %d", op->name, CR_MAX_DIMS,
                    n);
  for (int d = 0; d < n; d++) shape[d] = d < n - t->ndim ? 1 : cr__sizes(t)[d - (n - t->ndim)];
  memcpy(whole, shape, (size_t)n * sizeof *whole);
  for (int i = 0; i < count; i++) /* nothing is begun that cannot be finished */
    if (multiply(op->name, &whole[n - count + i], args[1].u.is[i], n, whole))
      return (int)cr_error_code();
  return cr__give(tile_dims(t, n, shape, whole), out);
}

int cr__run_repeat_interleave(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *t = args[0].u.t;
  bool flat = args[2].kind == CR_NONE || t->ndim == 0;
  int d = 0, n = flat ? 1 : t->ndim;
  int64_t shape[CR_MAX_DIMS];
  if (args[2].kind == CR_INT && cr__wrap_dim(op->name, "dim", args[2].u.i, t->ndim, &d))
    return (int)cr_error_code();
  if (flat) shape[0] = t->numel;
  else memcpy(shape, cr__sizes(t), t->ndim * sizeof *shape);
  int64_t outer = product(shape, d + 1), inner = product(shape + d + 1, n - d - 1);
  if (multiply(op->name, &shape[d], args[1].u.i, n, shape)) return (int)cr_error_code();
  return cr__give(repeat_blocks(t, outer, args[1].u.i, inner, n, shape), out);
}

/* The repeats as one number for each of n positions, int64. */
static cr_value counts_for(const cr_op *op, cr_value repeats, int64_t n) {
  const cr_tensor *t = repeats.u.t;
  cr__text text;
  int64_t one = 1;
  if (t->dtype != CR_INT64 && t->dtype != CR_INT32) {
    cr__fail(CR_E_DTYPE, "%s: repeats must be int64 or int32, got %s", op->lua,
             cr_dtype_name((cr_dtype)t->dtype));
    return cr_none();
  }
  if (t->ndim > 1 || (t->numel != 1 && t->numel != n)) {
    cr__fail(CR_E_SHAPE,
             "%s: repeats must have one number, or the %lld of the positions, got shape %s",
             op->lua, (long long)n, cr__shape_text(t->ndim, cr__sizes(t), &text));
    return cr_none();
  }
  cr_value wide =
      cr__do(CR__OP_to, (cr_value[]){repeats, cr_dtype_value(CR_INT64), cr_none(), cr_bool(false)});
  if (t->numel == n && t->ndim == 1) return wide;
  cr_value line = cr__do(CR__OP_reshape, (cr_value[]){wide, cr_ints(&one, 1)});
  cr_value r = cr__do(CR__OP_expand, (cr_value[]){line, cr_ints(&n, 1)});
  cr__drop(wide), cr__drop(line);
  return r;
}

/* How many positions there will be, checked; -1 after an error. */
static int64_t total_of(const cr_op *op, cr_value counts, cr_value ends, const cr_value *told) {
  cr_value least = cr_none(), total = cr_int(0), last = cr_none(), low = cr_int(0);
  if (counts.kind != CR_TENSOR || ends.kind != CR_TENSOR) return -1;
  if (ends.u.t->numel > 0) {
    least = cr__do(CR__OP_min, (cr_value[]){counts});
    last = cr__do(CR__OP_select, (cr_value[]){ends, cr_int(1), cr_int(-1)});
    bool read = least.kind == CR_TENSOR && last.kind == CR_TENSOR && !cr_item(least.u.t, &low) &&
                !cr_item(last.u.t, &total);
    cr__drop(least), cr__drop(last);
    if (!read) return -1;
  }
  if (low.u.i < 0) {
    cr__fail(CR_E_ARGUMENT, "%s: repeats must not be negative, got %lld", op->lua,
             (long long)low.u.i);
    return -1;
  }
  if (told->kind == CR_NONE || told->u.i == total.u.i) return total.u.i;
  cr__fail(CR_E_ARGUMENT, "%s: output_size is %lld, but repeats add up to %lld", op->lua,
           (long long)told->u.i, (long long)total.u.i);
  return -1;
}

/* repeat_interleave(self, repeats, dim, output_size): result position j comes from the first position
 * whose repeats, summed up to it, reach j. */
int cr__run_repeat_interleave_each(const cr_op *op, const cr_value *args, cr_tensor **out,
                                   int *nout) {
  (void)nout;
  int64_t all = -1;
  int d = 0;
  cr_tensor *self = args[0].u.t, *r = NULL;
  cr_device device;
  bool flat = args[2].kind == CR_NONE || self->ndim == 0;
  int code = cr__same_device(op->lua, args, 2, &device);
  if (!code && args[2].kind != CR_NONE)
    code = cr__wrap_dim(op->lua, "dim", args[2].u.i, self->ndim, &d);
  if (code) return code;
  if (self->numel == 0 && flat) all = 0;
  int64_t n = flat ? self->numel : cr__sizes(self)[d];
  cr_value one = cr_int(1), counts = counts_for(op, args[1], n);
  cr_value ends = cr__do(CR__OP_cumsum, (cr_value[]){counts, one, cr_none()});
  int64_t total = total_of(op, counts, ends, &args[3]);
  if (total >= 0) {
    cr_value place = cr__do(CR__OP_arange, (cr_value[]){one, cr_int(total + 1), one, cr_none(),
                                                        cr_device_value(device)});
    cr_value at = cr__do(CR__OP_searchsorted, (cr_value[]){ends, place, cr_bool(false), cr_none(),
                                                           cr_none(), cr_bool(false)});
    cr_value line = flat ? cr__do(CR__OP_reshape, (cr_value[]){args[0], cr_ints(&all, 1)})
                         : cr__do(CR__OP_alias, args);
    r = CR__CALL(index_select, line, cr_int(d + 1), at);
    cr__drop(place), cr__drop(at), cr__drop(line);
  }
  cr__drop(counts), cr__drop(ends);
  return cr__give(r, out);
}

int cr__run_flip(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *t = args[0].u.t;
  int64_t stride[CR_MAX_DIMS], offset = t->offset;
  uint32_t mask = 0;
  if (args[1].n > 0 && cr__dim_mask(op->name, &args[1], t->ndim, &mask))
    return (int)cr_error_code();
  for (int d = 0; d < t->ndim; d++) {
    bool turned = mask >> d & 1;
    stride[d] = turned ? -cr__steps(t)[d] : cr__steps(t)[d];
    if (turned && t->numel > 0) offset += (cr__sizes(t)[d] - 1) * cr__steps(t)[d];
  }
  cr_tensor *backwards = cr__alias(t, t->ndim, cr__sizes(t), stride, offset);
  cr_tensor *r = backwards ? cr__copy_of(op->name, backwards, (cr_dtype)t->dtype) : NULL;
  cr_release(backwards);
  return cr__give(r, out);
}

/* t with what lies before `at` (from 1) along d moved to the end. */
static cr_tensor *turn(cr_tensor *t, int d, int64_t at) {
  int64_t size = cr__sizes(t)[d];
  cr_value tail[] = {cr_of(t), cr_int(d + 1), cr_int(at), cr_int(size), cr_int(1)};
  cr_value head[] = {cr_of(t), cr_int(d + 1), cr_int(1), cr_int(at - 1), cr_int(1)};
  cr_tensor *parts[] = {cr__op1(CR__OP_slice, tail), cr__op1(CR__OP_slice, head)};
  cr_tensor *r = NULL;
  if (parts[0] && parts[1]) r = cr__op1(CR__OP_cat, (cr_value[]){cr_list(parts, 2), cr_int(d + 1)});
  cr_release(parts[0]);
  cr_release(parts[1]);
  return r;
}

int cr__run_roll(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *t = args[0].u.t, *r;
  bool flat = args[2].kind != CR_INTS || t->ndim == 0;
  int ndims = args[2].kind == CR_INTS ? args[2].n : 1;
  if (args[1].n != ndims)
    return cr__fail(CR_E_ARGUMENT, "%s: got %d shifts for %d dims", op->name, args[1].n, ndims);
  int64_t all = -1;
  r = flat ? cr__op1(CR__OP_reshape, (cr_value[]){args[0], cr_ints(&all, 1)}) : cr_retain(t);
  for (int i = 0; i < ndims && r; i++) {
    int d = 0;
    bool lost = args[2].kind == CR_INTS &&
                cr__wrap_dim(op->name, "dims", args[2].u.is[i], t->ndim, &d) != 0;
    int64_t size = lost ? 0 : cr__sizes(r)[d], shift = size ? args[1].u.is[i] % size : 0;
    if (!lost && shift == 0) continue;
    cr_tensor *next = lost ? NULL : turn(r, d, (shift < 0 ? -shift : size - shift) + 1);
    cr_release(r);
    r = next;
  }
  if (!r) return (int)cr_error_code();
  if (!flat && r != t) return cr__give(r, out);
  cr_value shape = cr_ints(cr__sizes(t), t->ndim);
  out[0] = cr__op1(CR__OP_reshape_copy, (cr_value[]){cr_of(r), shape});
  cr_release(r);
  return cr__give(out[0], out);
}
