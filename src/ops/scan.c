/* scan.c: running sums, products and extremes along a dim, and the recurrences behind their
 * derivatives.
 *
 * Holds true: the kernels see contiguous tensors as outer x n x inner. A 0-dim tensor counts as one
 * element along one dim. */
#include "reduce.h"

cr__line_sizes cr__lines_of(const cr_tensor *self, int d) {
  cr__line_sizes l = {1, 1, 1};
  for (int i = 0; i < self->ndim; i++)
    *(i < d ? &l.outer : i == d ? &l.n : &l.inner) *= cr__sizes(self)[i];
  return l;
}

static cr__scan kind_of(const cr_op *op) {
  switch (op->id) {
  case CR__OP_cumsum:
  case CR__OP_cumsum_reverse: return CR__SCAN_SUM;
  case CR__OP_cumprod:
  case CR__OP_cumprod_reverse: return CR__SCAN_PROD;
  case CR__OP_logcumsumexp: return CR__SCAN_LOGSUMEXP;
  default: return CR__SCAN_RECURRENCE;
  }
}

/* Scans self (and factor, if it is not NULL) along a dim. */
static cr_tensor *scan(const cr_op *op, cr_tensor *self, cr_tensor *factor, int64_t dim,
                       cr_dtype dtype) {
  int d;
  int code = cr__wrap_dim(op->name, "dim", dim, self->ndim, &d);
  if (code) return cr__no_tensor(code);
  cr_tensor *a = cr__call_contiguous(self);
  cr_tensor *b = a && factor ? cr__call_contiguous(factor) : NULL;
  cr_tensor *t = a && (b || !factor) ? cr__new_like(op->name, a, dtype) : NULL;
  if (!t) code = cr_error_code();
  if (!code) {
    cr__launch k;
    cr__launch_begin(&k, op->name, cr_device_of(self));
    cr__launch_view(&k, &k.scan.out, t);
    cr__launch_view(&k, &k.scan.from, a);
    if (b) cr__launch_view(&k, &k.scan.factor, b);
    k.scan.lines = cr__lines_of(self, d);
    k.scan.kind = kind_of(op);
    k.scan.reverse = op->id == CR__OP_cumsum_reverse || op->id == CR__OP_cumprod_reverse ||
                     op->id == CR__OP_recurrence_reverse;
    code = cr__launch_run(&k, CR__K_scan);
  }
  cr_release(a), cr_release(b);
  return cr__filled(code, t);
}

cr_tensor *cr__run_scan(const cr_op *op, cr_tensor *self, int64_t dim, cr_dtype dtype) {
  dtype = cr__sum_dtype(dtype, (cr_dtype)self->dtype);
  if (op->id == CR__OP_logcumsumexp &&
      cr__need_float(op->name, (cr_dtype)self->dtype, "convert it first")) {
    return NULL;
  }
  if (cr__is_float((cr_dtype)self->dtype) == cr__is_float(dtype)) {
    return scan(op, self, NULL, dim, dtype);
  }
  /* The elements are converted before they are summed. */
  cr_tensor *converted = cr__copy_of(op->name, self, dtype);
  if (!converted) return NULL;
  cr_tensor *t = scan(op, converted, NULL, dim, dtype);
  cr_release(converted);
  return t;
}

cr_tensor *cr__run_recurrence(const cr_op *op, cr_tensor *self, cr_tensor *factor, int64_t dim) {
  return scan(op, self, factor, dim, (cr_dtype)self->dtype);
}

cr_tensor *cr__run_shift(const cr_op *op, cr_tensor *self, int64_t dim, int64_t by, cr_value fill) {
  int64_t n = 1;
  int d;
  int code = cr__wrap_dim(op->name, "dim", dim, self->ndim, &d);
  if (code) return cr__no_tensor(code);
  if (self->ndim) n = cr__sizes(self)[d];
  cr_tensor *t = cr__new_like(op->name, self, (cr_dtype)self->dtype);
  if (!t) return NULL;
  code = cr__fill(op->name, t, fill);
  int64_t left = n - (by < 0 ? -by : by);
  if (!code && left > 0 && by != 0 && self->ndim) {
    cr_tensor *from = cr__range_view(self, d, by < 0 ? -by : 0, left, 1);
    cr_tensor *to = cr__range_view(t, d, by > 0 ? by : 0, left, 1);
    code = from && to ? cr__copy(op->name, to, from) : (int)cr_error_code();
    cr_release(from), cr_release(to);
  }
  return cr__filled(code, t);
}

int cr__run_cumulative(const cr_op *op, cr_tensor *self, int64_t dim, cr_tensor **out) {
  int d;
  int code = cr__wrap_dim(op->name, "dim", dim, self->ndim, &d);
  if (code) return code;
  cr_tensor *a = cr__call_contiguous(self);
  out[0] = a ? cr__new_like(op->name, a, (cr_dtype)self->dtype) : NULL;
  out[1] = out[0] ? cr__new_like(op->name, a, CR_INT64) : NULL;
  if (!out[1]) code = cr_error_code();
  if (!code) {
    cr__launch k;
    cr__launch_begin(&k, op->name, cr_device_of(self));
    cr__launch_view(&k, &k.cumulative.values, out[0]);
    cr__launch_view(&k, &k.cumulative.indices, out[1]);
    cr__launch_view(&k, &k.cumulative.from, a);
    k.cumulative.lines = cr__lines_of(self, d);
    k.cumulative.smallest = op->id == CR__OP_cummin;
    code = cr__launch_run(&k, CR__K_cumulative);
  }
  cr_release(a);
  for (int i = 0; i < 2 && code; i++) {
    cr_release(out[i]);
    out[i] = NULL;
  }
  return code;
}

/* ---- Differences of neighbours ---- */

static cr_tensor *difference(cr_tensor *self, int64_t dim, int64_t size) {
  int64_t n = size > 0 ? size - 1 : 0;
  cr_tensor *first = cr__call_narrow(self, dim, 1, n),
            *second = cr__call_narrow(self, dim, n ? 2 : 1, n);
  cr_tensor *r =
      self->dtype == CR_BOOL ? cr__call_logical_xor(second, first) : cr__call_sub(second, first);
  cr_release(first), cr_release(second);
  return r;
}

/* Whether a part that is joined to self along dim d has its other sizes. */
static int check_joined(const cr_op *op, const char *name, const cr_tensor *t,
                        const cr_tensor *self, int d) {
  cr__text a, b;
  bool fits = t->ndim == self->ndim;
  for (int k = 0; fits && k < self->ndim; k++)
    fits = k == d || cr__sizes(t)[k] == cr__sizes(self)[k];
  if (fits) return 0;
  return cr__fail(CR_E_SHAPE,
                  "%s: %s of shape %s does not fit self of shape %s in the dims other than %d",
                  op->lua, name, cr__shape_text(t->ndim, cr__sizes(t), &a),
                  cr__shape_text(self->ndim, cr__sizes(self), &b), d + 1);
}

/* self between what is prepended and appended along dim d, each of which may be absent. */
static cr_tensor *extended(const cr_op *op, cr_tensor *prepend, cr_tensor *self, cr_tensor *append,
                           int d) {
  cr_tensor *parts[3];
  int n = 0;
  if (prepend && check_joined(op, "prepend", prepend, self, d)) return NULL;
  if (append && check_joined(op, "append", append, self, d)) return NULL;
  if (prepend) parts[n++] = prepend;
  parts[n++] = self;
  if (append) parts[n++] = append;
  return n == 1 ? cr__call_alias(self) : cr__call_cat(parts, n, d + 1);
}

cr_tensor *cr__run_diff(const cr_op *op, cr_tensor *self, int64_t n, int64_t dim,
                        cr_tensor *prepend, cr_tensor *append) {
  int d;
  if (self->ndim == 0)
    return cr__no_tensor(cr__fail(CR_E_SHAPE, "%s: a 0-dim tensor has no neighbours", op->lua));
  if (cr__wrap_dim(op->lua, "dim", dim, self->ndim, &d)) return NULL;
  if (n < 0)
    return cr__no_tensor(
        cr__fail(CR_E_ARGUMENT, "%s: n must not be negative, got %lld", op->lua, (long long)n));
  cr_tensor *now = n ? extended(op, prepend, self, append, d) : cr__call_alias(self);
  int64_t size = now ? cr__sizes(now)[d] : 0;
  for (int64_t i = 0; i < n && (size || i == 0) && now; i++) {
    cr_tensor *next = difference(now, d + 1, size);
    cr_release(now);
    now = next;
    size -= size > 0;
  }
  return now;
}
