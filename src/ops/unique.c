/* unique.c: what stands in an order: different elements, and places for others.
 *
 * Holds true: positions are 1-based. Steps are operations, so they run on any device; a failed one gives
 * NULL, which the next ones pass on. */
#include <math.h>
#include <string.h>

#include "reduce.h"

/* ---- Different elements ---- */

/* Where a line of n elements, or of n rows, differs from what stands before it; the first one does. */
static cr_value first_ones(cr_value line, int64_t n) {
  int64_t count = n > 0, columns = 2;
  cr_value one = cr_int(1), rest = cr_int(n > 0 ? n - 1 : 0);
  cr_value before = cr__do(CR__OP_narrow, (cr_value[]){line, one, one, rest});
  cr_value behind = cr__do(CR__OP_narrow, (cr_value[]){line, one, cr_int(n > 1 ? 2 : 1), rest});
  cr_value differ = cr__do(CR__OP_ne, (cr_value[]){behind, before});
  if (line.kind == CR_TENSOR && line.u.t->ndim == 2) {
    cr_value any = cr__do(CR__OP_any, (cr_value[]){differ, cr_ints(&columns, 1), cr_bool(false)});
    cr__drop(differ);
    differ = any;
  }
  cr_value first = cr__do(CR__OP_new_full, (cr_value[]){differ, cr_ints(&count, 1), cr_bool(true),
                                                        cr_none(), cr_none()});
  cr_value r = cr_none();
  if (first.kind == CR_TENSOR && differ.kind == CR_TENSOR)
    r = cr__do(CR__OP_cat, (cr_value[]){cr_list((cr_tensor *[]){first.u.t, differ.u.t}, 2), one});
  cr__drop(before), cr__drop(behind), cr__drop(differ), cr__drop(first);
  return r;
}

/* For each element the number of its first one, in a shape; put back where `order` says, if it is there. */
static cr_tensor *inverse_of(cr_value first, const cr_tensor *order, cr_value shape) {
  cr_value number = cr__do(CR__OP_cumsum, (cr_value[]){first, cr_int(1), cr_none()}),
           placed = number;
  if (order) {
    cr_value at = {.kind = CR_TENSOR, .u.t = (cr_tensor *)order};
    cr_value room = cr__do(CR__OP_zeros_like, (cr_value[]){number, cr_none(), cr_none()});
    placed = cr__do(CR__OP_scatter, (cr_value[]){room, cr_int(1), at, number});
    cr__drop(room), cr__drop(number);
  }
  cr_tensor *r = CR__CALL(reshape, placed, shape);
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

/* self as n rows of what it has at each position along dim d. */
static cr_value rows_of(cr_value self, int d) {
  int64_t from = d + 1, front = 1, shape[2] = {cr__sizes(self.u.t)[d], 1};
  for (int k = 0; k < self.u.t->ndim; k++)
    if (k != d) shape[1] *= cr__sizes(self.u.t)[k];
  cr_value moved =
      cr__do(CR__OP_movedim, (cr_value[]){self, cr_ints(&from, 1), cr_ints(&front, 1)});
  cr_value rows = cr__do(CR__OP_reshape, (cr_value[]){moved, cr_ints(shape, 2)});
  cr__drop(moved);
  return rows;
}

/* The positions that put rows in the order of their first elements, then of their second ones, and so on:
 * stable sorts by each column, the last one first. */
static cr_value order_of(cr_value rows) {
  if (rows.kind != CR_TENSOR) return cr_none();
  int64_t n = cr__sizes(rows.u.t)[0], m = cr__sizes(rows.u.t)[1];
  cr_value one = cr_int(1);
  cr_value order = cr__do(CR__OP_arange, (cr_value[]){one, cr_int(n + 1), one, cr_none(),
                                                      cr_device_value(cr_device_of(rows.u.t))});
  for (int64_t c = m; c >= 1 && order.kind == CR_TENSOR; c--) {
    cr_value column = cr__do(CR__OP_select, (cr_value[]){rows, cr_int(2), cr_int(c)});
    cr_value key = cr__do(CR__OP_index_select, (cr_value[]){column, one, order});
    cr_value by = cr__do(CR__OP_argsort, (cr_value[]){key, one, cr_bool(false), cr_bool(true)});
    cr_value next = cr__do(CR__OP_index_select, (cr_value[]){order, one, by});
    cr__drop(column), cr__drop(key), cr__drop(by), cr__drop(order);
    order = next;
  }
  return order;
}

/* The rows at the first ones, as parts of self along dim d. */
static cr_tensor *parts_of(cr_value rows, cr_value first, const cr_tensor *self, int d) {
  int64_t all = -1, shape[CR_MAX_DIMS], front = 1, back = d + 1;
  cr_value where = cr__do(CR__OP_nonzero, (cr_value[]){first});
  cr_value at = cr__do(CR__OP_reshape, (cr_value[]){where, cr_ints(&all, 1)});
  cr_value kept = cr__do(CR__OP_index_select, (cr_value[]){rows, cr_int(1), at});
  shape[0] = at.kind == CR_TENSOR ? at.u.t->numel : 0;
  for (int k = 0, to = 1; k < self->ndim; k++)
    if (k != d) shape[to++] = cr__sizes(self)[k];
  cr_value parts = cr__do(CR__OP_reshape, (cr_value[]){kept, cr_ints(shape, self->ndim)});
  cr_value moved =
      cr__do(CR__OP_movedim, (cr_value[]){parts, cr_ints(&front, 1), cr_ints(&back, 1)});
  cr_tensor *r = CR__CALL(contiguous, moved);
  cr__drop(where), cr__drop(at), cr__drop(kept), cr__drop(parts), cr__drop(moved);
  return r;
}

/* What both forms give once they have the line (or rows) in order and the order itself, which is none
 * where nothing was moved; d is -1 without dim. */
static int give_unique(const cr_value *flags, cr_value line, const cr_tensor *order,
                       const cr_tensor *self, int d, cr_tensor **out, int *nout) {
  int count = 0;
  int64_t n = d < 0 ? self->numel : cr__sizes(self)[d];
  cr_value shape = d < 0 ? cr_ints(cr__sizes(self), self->ndim) : cr_ints(&n, 1);
  cr_value first = first_ones(line, n);
  if (first.kind == CR_TENSOR) {
    out[count++] = d < 0 ? CR__CALL(masked_select, line, first) : parts_of(line, first, self, d);
    if (flags[0].u.i) out[count++] = inverse_of(first, order, shape);
    if (flags[1].u.i) out[count++] = counts_of(first, n);
  }
  cr__drop(first);
  *nout = count;
  for (int i = 0; i < count; i++)
    if (!out[i]) return cr__undo(out, count);
  return count ? 0 : (int)cr_error_code();
}

static int unique_parts(const cr_op *op, const cr_value *args, bool sorts, cr_tensor **out,
                        int *nout) {
  const cr_value *flags = args + (sorts ? 2 : 1);
  cr_tensor *self = args[0].u.t;
  int d;
  if (self->ndim == 0)
    return cr__fail(CR_E_SHAPE, "%s: a 0-dim tensor has no dim; leave dim out", op->lua);
  int code = cr__wrap_dim(op->lua, "dim", flags[2].u.i, self->ndim, &d);
  if (code) return code;
  cr_value rows = rows_of(args[0], d), order = cr_none();
  if (sorts) {
    order = order_of(rows);
    cr_value sorted = cr__do(CR__OP_index_select, (cr_value[]){rows, cr_int(1), order});
    cr__drop(rows);
    rows = sorted;
  }
  code = rows.kind == CR_TENSOR
             ? give_unique(flags, rows, sorts ? order.u.t : NULL, self, d, out, nout)
             : (int)cr_error_code();
  cr__drop(rows), cr__drop(order);
  return code;
}

/* unique(self, sorted, return_inverse, return_counts, dim), and unique_consecutive, which has no `sorted`:
 * what unique gives is always in order. */
int cr__run_unique(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  bool sorts = op->id == CR__OP_unique;
  const cr_value *flags = args + (sorts ? 2 : 1);
  cr_tensor *sorted[2] = {NULL, NULL}, *self = args[0].u.t;
  if (flags[2].kind != CR_NONE) return unique_parts(op, args, sorts, out, nout);
  int64_t all = self->numel ? -1 : 0;
  cr_value line = cr__do(CR__OP_reshape, (cr_value[]){args[0], cr_ints(&all, 1)});
  if (line.kind != CR_TENSOR) return (int)cr_error_code();
  int code = 0;
  if (sorts)
    code = cr_call(&cr__ops[CR__OP_sort],
                   (cr_value[]){line, cr_int(1), cr_bool(false), cr_bool(true)}, sorted, NULL);
  if (!code)
    code = give_unique(flags, sorts ? cr_of(sorted[0]) : line, sorted[1], self, -1, out, nout);
  cr__drop(line);
  cr_release(sorted[0]), cr_release(sorted[1]);
  return code;
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

/* "right" and "left" say what `right` says. */
static int read_side(const cr_op *op, const cr_value *side, bool *right) {
  if (side->kind == CR_NONE) return 0;
  bool is_right = side->n == CR__searchsorted_side_right;
  if (*right && !is_right)
    return cr__fail(CR_E_ARGUMENT, "%s: side is \"left\", but right is true", op->lua);
  *right = is_right;
  return 0;
}

/* The sequence in the order that the sorter tells of each line. */
static cr_value in_order(const cr_op *op, cr_value line, cr_value sorter) {
  cr__text a, b;
  const cr_tensor *t = line.u.t, *s = sorter.u.t;
  bool fits = t->ndim == s->ndim;
  for (int d = 0; fits && d < t->ndim; d++) fits = cr__sizes(t)[d] == cr__sizes(s)[d];
  if (fits) return cr__do(CR__OP_gather, (cr_value[]){line, cr_int(-1), sorter});
  cr__fail(CR_E_SHAPE, "%s: sorter must have the shape %s of the sequence, got %s", op->lua,
           cr__shape_text(t->ndim, cr__sizes(t), &a), cr__shape_text(s->ndim, cr__sizes(s), &b));
  return cr_none();
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

/* Searches in the line, in order now, for a tensor or a number. */
static int search_any(const cr_op *op, cr_value line, const cr_value *values, bool right,
                      cr_tensor **out) {
  if (values->kind != CR_TENSOR) return search_number(op, line.u.t, *values, right, out);
  cr_dtype a = (cr_dtype)line.u.t->dtype, b = (cr_dtype)values->u.t->dtype;
  if (a != b)
    return cr__fail(CR_E_DTYPE,
                    "%s: the sequence is %s but the values are %s; convert one with :to(dtype)",
                    op->lua, cr_dtype_name(a), cr_dtype_name(b));
  return search(op, line.u.t, values->u.t, right, out);
}

/* searchsorted(sorted_sequence, values, right, side, sorter, out_int32), and bucketize(values,
 * boundaries, right, out_int32) */
int cr__run_searchsorted(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  bool buckets = op->id == CR__OP_bucketize, right = args[2].u.i;
  cr_value line = args[buckets], sorted = cr_none();
  bool narrow = args[buckets ? 3 : 5].u.i;
  if (buckets && line.u.t->ndim != 1)
    return cr__fail(CR_E_SHAPE, "%s: boundaries must have one dim, got %d", op->lua,
                    line.u.t->ndim);
  int code = buckets ? 0 : read_side(op, &args[3], &right);
  if (code) return code;
  if (!buckets && args[4].kind == CR_TENSOR) {
    line = sorted = in_order(op, line, args[4]);
    if (line.kind != CR_TENSOR) return (int)cr_error_code();
  }
  code = search_any(op, line, &args[!buckets], right, out);
  cr__drop(sorted);
  if (code || !narrow) return code;
  cr_tensor *wide = out[0];
  out[0] = CR__CALL(to, cr_of(wide), cr_dtype_value(CR_INT32), cr_none(), cr_bool(false));
  cr_release(wide);
  return out[0] ? 0 : (int)cr_error_code();
}
