/* run/unique.c: what stands in an order: different elements, and places for others.
 *
 * Holds true: positions are 1-based. Steps are operations, so they run on any device; a failed one gives
 * NULL, which the next ones pass on. */
#include <math.h>

#include "run/reduce.h"

/* ---- Different elements ---- */

/* Where a line of n elements differs from what stands before it; the first one does. */
static cr_value first_ones(cr_value line, int64_t n) {
  int64_t count = n > 0;
  cr_value one = cr_int(1), rest = cr_int(n > 0 ? n - 1 : 0);
  cr_value before = cr__do(CR__OP_narrow, (cr_value[]){line, one, one, rest});
  cr_value behind = cr__do(CR__OP_narrow, (cr_value[]){line, one, cr_int(n > 1 ? 2 : 1), rest});
  cr_value differ = cr__do(CR__OP_ne, (cr_value[]){behind, before});
  cr_value first = cr__do(CR__OP_new_full, (cr_value[]){differ, cr_ints(&count, 1), cr_bool(true),
                                                        cr_none(), cr_none()});
  cr_value r = cr_none();
  if (first.kind == CR_TENSOR && differ.kind == CR_TENSOR)
    r = cr__do(CR__OP_cat, (cr_value[]){cr_list((cr_tensor *[]){first.u.t, differ.u.t}, 2), one});
  cr__drop(before), cr__drop(behind), cr__drop(differ), cr__drop(first);
  return r;
}

/* For each element the number of its first one; put back where `order` says, if it is there. */
static cr_tensor *inverse_of(cr_value first, const cr_tensor *order, const cr_tensor *self) {
  cr_value number = cr__do(CR__OP_cumsum, (cr_value[]){first, cr_int(1), cr_none()}),
           placed = number;
  if (order) {
    cr_value at = {.kind = CR_TENSOR, .u.t = (cr_tensor *)order};
    cr_value room = cr__do(CR__OP_zeros_like, (cr_value[]){number, cr_none(), cr_none()});
    placed = cr__do(CR__OP_scatter, (cr_value[]){room, cr_int(1), at, number});
    cr__drop(room), cr__drop(number);
  }
  cr_tensor *r = CR__CALL(reshape, placed, cr_ints(cr__sizes(self), self->ndim));
  cr__drop(placed);
  return r;
}

/* How far each first one of n elements stands from the next. */
static cr_tensor *counts_of(cr_value first, int64_t n) {
  int64_t all = -1, one = 1;
  cr_value rows = cr__do(CR__OP_nonzero, (cr_value[]){first});
  cr_value at = cr__do(CR__OP_reshape, (cr_value[]){rows, cr_ints(&all, 1)});
  cr_value end = cr_none(), ends = cr_none();
  if (at.kind == CR_TENSOR)
    end = cr__do(CR__OP_new_full,
                 (cr_value[]){at, cr_ints(&one, 1), cr_int(n + 1), cr_none(), cr_none()});
  if (end.kind == CR_TENSOR)
    ends =
        cr__do(CR__OP_cat, (cr_value[]){cr_list((cr_tensor *[]){at.u.t, end.u.t}, 2), cr_int(1)});
  cr_value m = cr_int(at.kind == CR_TENSOR ? at.u.t->numel : 0);
  cr_value next = cr__do(CR__OP_narrow, (cr_value[]){ends, cr_int(1), cr_int(m.u.i ? 2 : 1), m});
  cr_tensor *r = CR__CALL(sub, next, at);
  cr__drop(rows), cr__drop(at), cr__drop(end), cr__drop(ends), cr__drop(next);
  return r;
}

/* unique(self, sorted, return_inverse, return_counts), and unique_consecutive, which has no `sorted`:
 * what unique gives is always in order. */
int cr__run_unique(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  bool sorts = op->id == CR__OP_unique;
  const cr_value *flags = args + (sorts ? 2 : 1);
  cr_tensor *sorted[2] = {NULL, NULL}, *self = args[0].u.t;
  int64_t all = -1, n = self->numel;
  int count = 0;
  if (n == 0) all = 0;
  cr_value line = cr__do(CR__OP_reshape, (cr_value[]){args[0], cr_ints(&all, 1)});
  if (line.kind != CR_TENSOR) return (int)cr_error_code();
  int code = 0;
  if (sorts)
    code = cr_call(&cr__ops[CR__OP_sort],
                   (cr_value[]){line, cr_int(1), cr_bool(false), cr_bool(true)}, sorted, NULL);
  cr_value order = sorts ? cr_of(sorted[0]) : line;
  cr_value first = code ? cr_none() : first_ones(order, n);
  if (first.kind == CR_TENSOR) {
    out[count++] = CR__CALL(masked_select, order, first);
    if (flags[0].u.i) out[count++] = inverse_of(first, sorted[1], self);
    if (flags[1].u.i) out[count++] = counts_of(first, n);
  }
  cr__drop(line), cr__drop(first);
  cr_release(sorted[0]), cr_release(sorted[1]);
  *nout = count;
  for (int i = 0; i < count; i++)
    if (!out[i]) return cr__undo(out, count);
  return count ? 0 : (int)cr_error_code();
}

/* ---- Places ---- */

/* A contiguous copy, or t itself, of the type that searches compare in. */
static cr_value comparable(cr_value t, cr_dtype dtype) {
  cr_value cast =
      cr__do(CR__OP_to, (cr_value[]){t, cr_dtype_value(dtype), cr_none(), cr_bool(false)});
  cr_value r = cr__do(CR__OP_contiguous, (cr_value[]){cast});
  cr__drop(cast);
  return r;
}

static int check_search(const cr_op *op, const cr_tensor *line, const cr_tensor *t) {
  cr__text a, b;
  bool fits = line->ndim >= 1 && (line->ndim == 1 || line->ndim == t->ndim);
  for (int d = 0; fits && d < line->ndim - 1; d++) fits = cr__sizes(line)[d] == cr__sizes(t)[d];
  if (!fits)
    return cr__fail(CR_E_SHAPE,
                    "%s: a sequence of shape %s does not serve values of shape %s: it must "
                    "have one dim, or the same sizes in all but the last",
                    op->lua, cr__shape_text(line->ndim, cr__sizes(line), &a),
                    cr__shape_text(t->ndim, cr__sizes(t), &b));
  if (line->storage->device == t->storage->device) return 0;
  return cr__fail(CR_E_DEVICE, "%s: the sequence and the values are on different devices", op->lua);
}

static int search(const cr_op *op, cr_tensor *line, cr_tensor *t, bool right, cr_tensor **out) {
  int code = check_search(op, line, t);
  if (code) return code;
  bool single = cr__is_float((cr_dtype)line->dtype) && line->dtype != CR_FLOAT64;
  cr_dtype dtype = line->dtype == CR_FLOAT64 ? CR_FLOAT64 : single ? CR_FLOAT32 : CR_INT64;
  cr_value in = comparable(cr_of(line), dtype), values = comparable(cr_of(t), dtype);
  cr_tensor *r = cr__new(op->lua, CR_INT64, cr_device_of(t), t->ndim, cr__sizes(t));
  code = r && in.kind == CR_TENSOR && values.kind == CR_TENSOR ? 0 : (int)cr_error_code();
  if (!code && t->numel) {
    int64_t n = cr__sizes(line)[line->ndim - 1];
    cr__launch k;
    cr__launch_begin(&k, op->lua, cr_device_of(t), 1);
    cr__launch_add(&k, r);
    cr__launch_add(&k, in.u.t);
    cr__launch_add(&k, values.u.t);
    k.i[0] = t->numel, k.i[1] = n, k.i[2] = right;
    k.i[3] = line->ndim == 1 ? t->numel : cr__sizes(t)[t->ndim - 1];
    code = cr__launch_run(&k, CR__K_search);
  }
  cr__drop(in), cr__drop(values);
  return cr__give_if(code, r, out);
}

/* The number of line's dtype that stands for v in a search: integers are compared with it by value, and
 * what lies beyond the dtype comes behind all its numbers, or before them. */
static cr_value stand_in(cr_dtype dtype, cr_value v, bool *right) {
  bool ints = !cr__is_float(dtype), above = v.kind == CR_FLOAT ? !(v.u.f < 0) : v.u.i > 0;
  if (v.kind == CR_FLOAT && ints) {
    double whole = *right ? floor(v.u.f) : ceil(v.u.f);
    if (whole >= -0x1p63 && whole < 0x1p63) return cr_int((int64_t)whole);
    *right = above; /* NaN is sorted behind the rest */
    return cr_int(above ? INT64_MAX : INT64_MIN);
  }
  if (ints || cr__fits(dtype, &v)) return v;
  *right = !above; /* between the greatest finite number and infinity */
  return cr_float(above ? (double)INFINITY : -(double)INFINITY);
}

static int search_number(const cr_op *op, cr_tensor *line, cr_value v, bool right,
                         cr_tensor **out) {
  cr_dtype dtype = cr__is_float((cr_dtype)line->dtype) ? (cr_dtype)line->dtype : CR_INT64;
  cr_value number =
      cr__do(CR__OP_scalar_tensor, (cr_value[]){stand_in(dtype, v, &right), cr_dtype_value(dtype),
                                                cr_device_value(cr_device_of(line))});
  if (number.kind != CR_TENSOR) return (int)cr_error_code();
  int code = search(op, line, number.u.t, right, out);
  cr__drop(number);
  return code;
}

/* searchsorted(sorted_sequence, values, right), and bucketize(values, boundaries, right) */
int cr__run_searchsorted(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  bool buckets = op->id == CR__OP_bucketize;
  const cr_value *line = &args[buckets], *values = &args[!buckets];
  if (buckets && line->u.t->ndim != 1)
    return cr__fail(CR_E_SHAPE, "%s: boundaries must have one dim, got %d", op->lua,
                    line->u.t->ndim);
  if (values->kind != CR_TENSOR) return search_number(op, line->u.t, *values, args[2].u.i, out);
  cr_dtype a = (cr_dtype)line->u.t->dtype, b = (cr_dtype)values->u.t->dtype;
  if (a != b)
    return cr__fail(CR_E_DTYPE,
                    "%s: the sequence is %s but the values are %s; convert one with :to(dtype)",
                    op->lua, cr_dtype_name(a), cr_dtype_name(b));
  return search(op, line->u.t, values->u.t, args[2].u.i, out);
}
