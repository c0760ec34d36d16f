/* unique.c: the different elements of a tensor, or its different parts along a dim; elements among others.
 *
 * Holds true: positions are 1-based. Steps are operations, so they run on any device; a failed one gives
 * NULL, which the next ones pass on. */
#include <math.h>
#include <string.h>

#include "reduce.h"

/* Where a line of n elements, or of n rows, differs from what stands before it; the first one does. */
static cr_tensor *first_ones(cr_tensor *line, int64_t n) {
  int64_t count = n > 0, columns = 2, rest = n > 0 ? n - 1 : 0;
  cr_tensor *before = cr__call_narrow(line, 1, 1, rest);
  cr_tensor *behind = cr__call_narrow(line, 1, n > 1 ? 2 : 1, rest);
  cr_tensor *differ = cr__call_ne(behind, before);
  if (line && line->ndim == 2) {
    cr_tensor *any = cr__call_any(differ, &columns, 1, false);
    cr_release(differ);
    differ = any;
  }
  cr_tensor *parts[] = {cr__call_new_full(differ, &count, 1, cr_bool(true), CR_DTYPE_NONE,
                                          cr_none()),
                        differ};
  cr_tensor *r = parts[0] && differ ? cr__call_cat(parts, 2, 1) : NULL;
  cr_release(before), cr_release(behind), cr_release(differ), cr_release(parts[0]);
  return r;
}

/* For each element the number of its first one, in a shape; put back where `order` says, if it is there. */
static cr_tensor *inverse_of(cr_tensor *first, cr_tensor *order, cr__ints shape) {
  cr_tensor *placed = cr__call_cumsum(first, 1, CR_DTYPE_NONE);
  if (order) {
    cr_tensor *number = placed, *room = cr__call_zeros_like(number, CR_DTYPE_NONE, cr_none());
    placed = cr__call_scatter(room, 1, order, number);
    cr_release(room), cr_release(number);
  }
  cr_tensor *r = cr__call_reshape(placed, shape.at, shape.n);
  cr_release(placed);
  return r;
}

/* How far each first one of n elements stands from the next. */
static cr_tensor *counts_of(cr_tensor *first, int64_t n) {
  int64_t all = -1, one = 1;
  cr_tensor *rows = cr__call_nonzero(first);
  cr_tensor *at = cr__call_reshape(rows, &all, 1);
  cr_tensor *end =
      at ? cr__call_new_full(at, &one, 1, cr_int(n + 1), CR_DTYPE_NONE, cr_none()) : NULL;
  cr_tensor *parts[] = {at, end}, *ends = end ? cr__call_cat(parts, 2, 1) : NULL;
  int64_t m = at ? at->numel : 0;
  cr_tensor *next = cr__call_narrow(ends, 1, m ? 2 : 1, m), *r = cr__call_sub(next, at);
  cr_release(rows), cr_release(at), cr_release(end), cr_release(ends), cr_release(next);
  return r;
}

/* self as n rows of what it has at each position along dim d. */
static cr_tensor *rows_of(cr_tensor *self, int d) {
  int64_t from = d + 1, front = 1, shape[2] = {cr__sizes(self)[d], 1};
  for (int k = 0; k < self->ndim; k++)
    if (k != d) shape[1] *= cr__sizes(self)[k];
  cr_tensor *moved = cr__call_movedim(self, &from, 1, &front, 1);
  cr_tensor *rows = cr__call_reshape(moved, shape, 2);
  cr_release(moved);
  return rows;
}

/* The positions that put rows in the order of their first elements, then of their second ones, and so on:
 * stable sorts by each column, the last one first. */
static cr_tensor *order_of(cr_tensor *rows) {
  if (!rows) return NULL;
  int64_t n = cr__sizes(rows)[0], m = cr__sizes(rows)[1];
  cr_tensor *order = cr__call_arange(cr_int(1), cr_int(n + 1), cr_int(1), CR_DTYPE_NONE,
                                     cr_device_value(cr_device_of(rows)));
  for (int64_t c = m; c >= 1 && order; c--) {
    cr_tensor *column = cr__call_select(rows, 2, c);
    cr_tensor *key = cr__call_index_select(column, 1, order);
    cr_tensor *by = cr__call_argsort(key, 1, false, true);
    cr_tensor *next = cr__call_index_select(order, 1, by);
    cr_release(column), cr_release(key), cr_release(by), cr_release(order);
    order = next;
  }
  return order;
}

/* The rows at the first ones, as parts of self along dim d. */
static cr_tensor *parts_of(cr_tensor *rows, cr_tensor *first, const cr_tensor *self, int d) {
  int64_t all = -1, shape[CR_MAX_DIMS], front = 1, back = d + 1;
  cr_tensor *where = cr__call_nonzero(first);
  cr_tensor *at = cr__call_reshape(where, &all, 1);
  cr_tensor *kept = cr__call_index_select(rows, 1, at);
  shape[0] = at ? at->numel : 0;
  for (int k = 0, to = 1; k < self->ndim; k++)
    if (k != d) shape[to++] = cr__sizes(self)[k];
  cr_tensor *parts = cr__call_reshape(kept, shape, self->ndim);
  cr_tensor *moved = cr__call_movedim(parts, &front, 1, &back, 1);
  cr_tensor *r = cr__call_contiguous(moved);
  cr_release(where), cr_release(at), cr_release(kept), cr_release(parts), cr_release(moved);
  return r;
}

/* What is asked for beside the different elements. */
typedef struct wanted {
  bool inverse, counts;
} wanted;

/* What both forms give once they have the line (or rows) in order and the order itself, which is none
 * where nothing was moved; d is -1 without dim. */
static int give_unique(wanted also, cr_tensor *line, cr_tensor *order, const cr_tensor *self, int d,
                       cr_tensor **out, int *nout) {
  int count = 0;
  int64_t n = d < 0 ? self->numel : cr__sizes(self)[d];
  cr__ints shape = d < 0 ? (cr__ints){cr__sizes(self), self->ndim} : (cr__ints){&n, 1};
  cr_tensor *first = first_ones(line, n);
  if (first) {
    out[count++] = d < 0 ? cr__call_masked_select(line, first) : parts_of(line, first, self, d);
    if (also.inverse) out[count++] = inverse_of(first, order, shape);
    if (also.counts) out[count++] = counts_of(first, n);
  }
  cr_release(first);
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
  cr_tensor *rows = rows_of(self, d), *order = NULL;
  if (sorts) {
    order = order_of(rows);
    cr_tensor *sorted = cr__call_index_select(rows, 1, order);
    cr_release(rows);
    rows = sorted;
  }
  code = rows ? give_unique(also, rows, order, self, d, out, nout) : (int)cr_error_code();
  cr_release(rows), cr_release(order);
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
  cr_tensor *line = cr__call_reshape(self, &all, 1);
  if (!line) return (int)cr_error_code();
  int code = 0;
  if (sorts) code = cr__call_sort(line, 1, false, true, ordered);
  if (!code) code = give_unique(also, sorts ? ordered[0] : line, ordered[1], self, -1, out, nout);
  cr_release(line);
  cr_release(ordered[0]), cr_release(ordered[1]);
  return code;
}

/* Where each different element first is, given which one each element is and how often it occurs: a stable sort
 * brings equal ones together in their order. */
static cr_tensor *first_places(cr_tensor *inverse, cr_tensor *counts) {
  int64_t all = inverse->numel ? -1 : 0;
  cr_tensor *line = cr__call_reshape(inverse, &all, 1),
            *order = cr__call_argsort(line, 1, false, true);
  cr_tensor *ends = cr__call_cumsum(counts, 1, CR_DTYPE_NONE), *before = cr__call_sub(ends, counts);
  cr_tensor *begin = cr__call_add_scalar(before, cr_int(1)),
            *r = cr__call_index_select(order, 1, begin);
  cr_release(line), cr_release(order), cr_release(ends), cr_release(before), cr_release(begin);
  return r;
}

/* values, inverse, counts of self. */
static int three_of(cr_tensor *self, cr_tensor *found[3]) {
  cr_tensor *out[CR_MAX_OUTPUTS];
  int n = 0, code = cr__call_unique(self, true, true, true, cr_none(), out, &n);
  for (int i = 0; i < 3; i++) found[i] = code ? NULL : out[i];
  return code;
}

int cr__run_unique_all(const cr_op *op, cr_tensor *self, cr_tensor **out) {
  (void)op;
  cr_tensor *found[3];
  int code = three_of(self, found);
  if (code) return code;
  out[0] = found[0], out[2] = found[1], out[3] = found[2];
  out[1] = first_places(found[1], found[2]);
  return out[1] ? 0 : cr__undo(out, 4);
}

int cr__run_unique_some(const cr_op *op, cr_tensor *self, cr_tensor **out) {
  bool counts = op->id == CR__OP_unique_counts;
  cr_tensor *found[3];
  int code = three_of(self, found);
  if (code) return code;
  out[0] = found[0], out[1] = found[counts ? 2 : 1];
  cr_release(found[counts ? 1 : 2]);
  return 0;
}

/* ---- isin ------------------------------------------------------------------------------------- */

/* A tensor, or a number as one. */
static cr_tensor *as_tensor(cr_value v, cr_device device) {
  if (v.kind == CR_TENSOR) return cr_retain(v.u.t);
  return cr__call_scalar_tensor(v, cr__scalar_dtype(&v), cr_device_value(device));
}

/* The dtype that both are compared in. */
static cr_dtype common_dtype(cr_value a, cr_value b) {
  cr__promotion p = CR__PROMOTION_INIT;
  cr_value both[] = {a, b};
  for (int i = 0; i < 2; i++) {
    if (both[i].kind == CR_TENSOR)
      cr__promote_add(&p, both[i].u.t->ndim == 0, (cr_dtype)both[i].u.t->dtype);
    else cr__promote_add(&p, 2, cr__scalar_dtype(&both[i]));
  }
  return cr__promote_result(&p);
}

/* Which elements, a tensor, equal the one of a line in order that stands where they would be put in. */
static cr_tensor *found_in(cr_tensor *elements, cr_tensor *line) {
  int64_t all = elements->numel ? -1 : 0;
  cr_tensor *at = cr__call_searchsorted(line, elements, false, NULL, NULL, false);
  cr_tensor *near = cr__call_clamp_max_scalar(at, cr_int(line->numel));
  cr_tensor *flat = cr__call_reshape(near, &all, 1), *there = cr__call_index_select(line, 1, flat);
  cr_tensor *seen = cr__call_reshape(there, cr__sizes(elements), elements->ndim);
  cr_tensor *r = cr__call_eq(elements, seen);
  cr_release(at), cr_release(near), cr_release(flat), cr_release(there), cr_release(seen);
  return r;
}

cr_tensor *cr__run_isin(const cr_op *op, cr_value elements, cr_value test_elements,
                        bool assume_unique, bool invert) {
  (void)assume_unique;
  cr_device device;
  cr_tensor *sorted[2] = {NULL, NULL}, *r = NULL;
  if (cr__same_device(op->lua, (cr_value[]){elements, test_elements}, 2, &device)) return NULL;
  cr_dtype dtype = common_dtype(elements, test_elements);
  cr_tensor *e = as_tensor(elements, device), *t = as_tensor(test_elements, device);
  cr_tensor *a = cr__call_to(e, dtype, cr_none(), false),
            *b = cr__call_to(t, dtype, cr_none(), false);
  int64_t all = b && b->numel ? -1 : 0;
  cr_tensor *line = cr__call_reshape(b, &all, 1);
  if (a && line && line->numel == 0) r = cr__call_full_like(a, cr_bool(false), CR_BOOL, cr_none());
  else if (a && line && !cr__call_sort(line, 1, false, true, sorted)) r = found_in(a, sorted[0]);
  if (invert && r) {
    cr_tensor *others = cr__call_logical_not(r);
    cr_release(r);
    r = others;
  }
  cr_release(e), cr_release(t), cr_release(a), cr_release(b), cr_release(line);
  cr_release(sorted[0]), cr_release(sorted[1]);
  return r;
}
