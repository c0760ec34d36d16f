/* search.c: places in sequences that are in order.
 *
 * Holds true: elements are compared in one dtype; a number that it cannot hold is compared by value. */
#include <math.h>
#include <string.h>

#include "reduce.h"

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
    cr__launch_begin(&k, op->lua, cr_device_of(t));
    cr__launch_view(&k, &k.search.out, r);
    cr__launch_view(&k, &k.search.lines, in.u.t);
    cr__launch_view(&k, &k.search.values, values.u.t);
    k.search.count = t->numel, k.search.n = n, k.search.right = right;
    k.search.each = line->ndim == 1 ? t->numel : cr__sizes(t)[t->ndim - 1];
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
