/* unique.c: the different elements of a tensor, or its different parts along a dim.
 *
 * Holds true: positions are 1-based. Steps are operations, so they run on any device; a failed one gives
 * NULL, which the next ones pass on. */
#include <math.h>
#include <string.h>

#include "reduce.h"

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

/* What is asked for beside the different elements. */
typedef struct wanted {
  bool inverse, counts;
} wanted;

/* What both forms give once they have the line (or rows) in order and the order itself, which is none
 * where nothing was moved; d is -1 without dim. */
static int give_unique(wanted also, cr_value line, const cr_tensor *order, const cr_tensor *self,
                       int d, cr_tensor **out, int *nout) {
  int count = 0;
  int64_t n = d < 0 ? self->numel : cr__sizes(self)[d];
  cr_value shape = d < 0 ? cr_ints(cr__sizes(self), self->ndim) : cr_ints(&n, 1);
  cr_value first = first_ones(line, n);
  if (first.kind == CR_TENSOR) {
    out[count++] = d < 0 ? CR__CALL(masked_select, line, first) : parts_of(line, first, self, d);
    if (also.inverse) out[count++] = inverse_of(first, order, shape);
    if (also.counts) out[count++] = counts_of(first, n);
  }
  cr__drop(first);
  *nout = count;
  for (int i = 0; i < count; i++)
    if (!out[i]) return cr__undo(out, count);
  return count ? 0 : (int)cr_error_code();
}

static int unique_parts(const cr_op *op, cr_tensor *self, int64_t dim, bool sorts, wanted also,
                        cr_tensor **out, int *nout) {
  int d;
  if (self->ndim == 0)
    return cr__fail(CR_E_SHAPE, "%s: a 0-dim tensor has no dim; leave dim out", op->lua);
  int code = cr__wrap_dim(op->lua, "dim", dim, self->ndim, &d);
  if (code) return code;
  cr_value rows = rows_of(cr_of(self), d), order = cr_none();
  if (sorts) {
    order = order_of(rows);
    cr_value sorted = cr__do(CR__OP_index_select, (cr_value[]){rows, cr_int(1), order});
    cr__drop(rows);
    rows = sorted;
  }
  code = rows.kind == CR_TENSOR
             ? give_unique(also, rows, sorts ? order.u.t : NULL, self, d, out, nout)
             : (int)cr_error_code();
  cr__drop(rows), cr__drop(order);
  return code;
}

/* What unique gives is always in order, `sorted` or not. */
int cr__run_unique(const cr_op *op, cr_tensor *self, bool sorted, bool return_inverse,
                   bool return_counts, const int64_t *dim, cr_tensor **out, int *nout) {
  (void)sorted;
  bool sorts = op->id == CR__OP_unique;
  wanted also = {return_inverse, return_counts};
  cr_tensor *ordered[2] = {NULL, NULL};
  if (dim) return unique_parts(op, self, *dim, sorts, also, out, nout);
  int64_t all = self->numel ? -1 : 0;
  cr_value line = cr__do(CR__OP_reshape, (cr_value[]){cr_of(self), cr_ints(&all, 1)});
  if (line.kind != CR_TENSOR) return (int)cr_error_code();
  int code = 0;
  if (sorts) code = cr__call_sort(line.u.t, 1, false, true, ordered);
  if (!code)
    code = give_unique(also, sorts ? cr_of(ordered[0]) : line, ordered[1], self, -1, out, nout);
  cr__drop(line);
  cr_release(ordered[0]), cr_release(ordered[1]);
  return code;
}
