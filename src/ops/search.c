/* search.c: places in sequences that are in order.
 *
 * Holds true: elements are compared in one dtype; a number that it cannot hold is compared by value. */
#include <math.h>
#include <string.h>

#include "reduce.h"

/* A contiguous copy, or t itself, of the type that searches compare in. */
static cr_tensor *comparable(cr_tensor *t, cr_dtype dtype) {
  cr_tensor *cast = cr__call_to(t, dtype, cr_none(), false), *r = cr__call_contiguous(cast);
  cr_release(cast);
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

static int launch(const cr_op *op, const cr_tensor *line, const cr_tensor *values, bool right,
                  const cr_tensor *to) {
  cr__launch k;
  cr__launch_begin(&k, op->lua, cr_device_of(to));
  cr__launch_view(&k, &k.search.out, to);
  cr__launch_view(&k, &k.search.lines, line);
  cr__launch_view(&k, &k.search.values, values);
  k.search.count = values->numel;
  k.search.length = cr__sizes(line)[line->ndim - 1];
  k.search.each = line->ndim == 1 ? values->numel : cr__sizes(values)[values->ndim - 1];
  k.search.right = right;
  return cr__launch_run(&k, CR__K_search);
}

static cr_tensor *search(const cr_op *op, cr_tensor *line, cr_tensor *t, bool right) {
  if (check_search(op, line, t)) return NULL;
  bool single = cr__is_float((cr_dtype)line->dtype) && line->dtype != CR_FLOAT64;
  cr_dtype dtype = line->dtype == CR_FLOAT64 ? CR_FLOAT64 : single ? CR_FLOAT32 : CR_INT64;
  cr_tensor *in = comparable(line, dtype), *values = comparable(t, dtype);
  cr_tensor *r = cr__new(op->lua, CR_INT64, cr_device_of(t), t->ndim, cr__sizes(t));
  int code = r && in && values ? 0 : (int)cr_error_code();
  if (!code && t->numel) code = launch(op, in, values, right, r);
  cr_release(in), cr_release(values);
  return cr__filled(code, r);
}

/* "right" and "left" say what `right` says; -1: neither is given. */
static int read_side(const cr_op *op, int side, bool *right) {
  if (side < 0) return 0;
  bool is_right = side == CR__searchsorted_side_right;
  if (*right && !is_right)
    return cr__fail(CR_E_ARGUMENT, "%s: side is \"left\", but right is true", op->lua);
  *right = is_right;
  return 0;
}

/* The sequence in the order that the sorter tells of each line. */
static cr_tensor *in_order(const cr_op *op, cr_tensor *line, cr_tensor *sorter) {
  cr__text a, b;
  bool fits = line->ndim == sorter->ndim;
  for (int d = 0; fits && d < line->ndim; d++) fits = cr__sizes(line)[d] == cr__sizes(sorter)[d];
  if (fits) return cr__call_gather(line, -1, sorter);
  return cr__no_tensor(cr__fail(CR_E_SHAPE,
                                "%s: sorter must have the shape %s of the sequence, got %s",
                                op->lua, cr__shape_text(line->ndim, cr__sizes(line), &a),
                                cr__shape_text(sorter->ndim, cr__sizes(sorter), &b)));
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

static cr_tensor *search_number(const cr_op *op, cr_tensor *line, cr_value v, bool right) {
  cr_dtype dtype = cr__is_float((cr_dtype)line->dtype) ? (cr_dtype)line->dtype : CR_INT64;
  v = stand_in(dtype, v, &right);
  cr_tensor *number = cr__call_scalar_tensor(v, dtype, cr_device_value(cr_device_of(line)));
  cr_tensor *r = number ? search(op, line, number, right) : NULL;
  cr_release(number);
  return r;
}

/* Searches in the line, in order now, for a tensor or a number; the places are int32 if they are to be
 * narrow. */
static cr_tensor *search_any(const cr_op *op, cr_tensor *line, cr_value values, bool right,
                             bool narrow) {
  const cr_tensor *t = cr__given_tensor(&values);
  if (t && t->dtype != line->dtype)
    return cr__no_tensor(
        cr__fail(CR_E_DTYPE,
                 "%s: the sequence is %s but the values are %s; convert one with :to(dtype)",
                 op->lua, cr_dtype_name((cr_dtype)line->dtype), cr_dtype_name((cr_dtype)t->dtype)));
  cr_tensor *wide =
      t ? search(op, line, values.u.t, right) : search_number(op, line, values, right);
  if (!narrow || !wide) return wide;
  cr_tensor *r = cr__call_to(wide, CR_INT32, cr_none(), false);
  cr_release(wide);
  return r;
}

cr_tensor *cr__run_searchsorted(const cr_op *op, cr_tensor *sorted_sequence, cr_value values,
                                bool right, int side, cr_tensor *sorter, bool out_int32) {
  if (read_side(op, side, &right)) return NULL;
  if (!sorter) return search_any(op, sorted_sequence, values, right, out_int32);
  cr_tensor *line = in_order(op, sorted_sequence, sorter);
  cr_tensor *r = line ? search_any(op, line, values, right, out_int32) : NULL;
  cr_release(line);
  return r;
}

cr_tensor *cr__run_bucketize(const cr_op *op, cr_value self, cr_tensor *boundaries, bool right,
                             bool out_int32) {
  if (boundaries->ndim == 1) return search_any(op, boundaries, self, right, out_int32);
  return cr__no_tensor(
      cr__fail(CR_E_SHAPE, "%s: boundaries must have one dim, got %d", op->lua, boundaries->ndim));
}
