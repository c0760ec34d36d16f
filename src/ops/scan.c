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
static int scan(const cr_op *op, cr_tensor *self, cr_tensor *factor, int64_t dim, cr_dtype dtype,
                cr_tensor **out) {
  int d;
  int code = cr__wrap_dim(op->name, "dim", dim, self->ndim, &d);
  if (code) return code;
  cr_tensor *a = CR__CALL(contiguous, cr_of(self));
  cr_tensor *b = a && factor ? CR__CALL(contiguous, cr_of(factor)) : NULL;
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
  return cr__give_if(code, t, out);
}

int cr__run_scan(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *self = args[0].u.t;
  cr_dtype dtype = cr__sum_dtype(op->nparam > 2 ? args[2] : cr_none(), (cr_dtype)self->dtype);
  if (op->id == CR__OP_logcumsumexp &&
      cr__need_float(op->name, (cr_dtype)self->dtype, "convert it first")) {
    return cr_error_code();
  }
  if (cr__is_float((cr_dtype)self->dtype) == cr__is_float(dtype)) {
    return scan(op, self, NULL, args[1].u.i, dtype, out);
  }
  /* The elements are converted before they are summed. */
  cr_tensor *converted = cr__copy_of(op->name, self, dtype);
  if (!converted) return cr_error_code();
  int code = scan(op, converted, NULL, args[1].u.i, dtype, out);
  cr_release(converted);
  return code;
}

int cr__run_recurrence(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *self = args[0].u.t;
  return scan(op, self, args[1].u.t, args[2].u.i, (cr_dtype)self->dtype, out);
}

/* args: self, dim, by, fill. */
int cr__run_shift(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *self = args[0].u.t;
  int64_t by = args[2].u.i, n = 1;
  int d;
  int code = cr__wrap_dim(op->name, "dim", args[1].u.i, self->ndim, &d);
  if (code) return code;
  if (self->ndim) n = cr__sizes(self)[d];
  cr_tensor *t = cr__new_like(op->name, self, (cr_dtype)self->dtype);
  if (!t) return cr_error_code();
  code = cr__fill(op->name, t, args[3]);
  int64_t left = n - (by < 0 ? -by : by);
  if (!code && left > 0 && by != 0 && self->ndim) {
    cr_tensor *from = cr__range_view(self, d, by < 0 ? -by : 0, left, 1);
    cr_tensor *to = cr__range_view(t, d, by > 0 ? by : 0, left, 1);
    code = from && to ? cr__copy(op->name, to, from) : (int)cr_error_code();
    cr_release(from), cr_release(to);
  }
  return cr__give_if(code, t, out);
}

/* args: self, dim. */
int cr__run_cumulative(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *self = args[0].u.t;
  int d;
  int code = cr__wrap_dim(op->name, "dim", args[1].u.i, self->ndim, &d);
  if (code) return code;
  cr_tensor *a = CR__CALL(contiguous, args[0]);
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

static cr_value difference(cr_value self, cr_value dim, int64_t size) {
  int64_t n = size > 0 ? size - 1 : 0;
  cr_value first = cr__do(CR__OP_narrow, (cr_value[]){self, dim, cr_int(1), cr_int(n)});
  cr_value second = cr__do(CR__OP_narrow, (cr_value[]){self, dim, cr_int(n ? 2 : 1), cr_int(n)});
  bool truth = self.kind == CR_TENSOR && self.u.t->dtype == CR_BOOL;
  cr_value r = cr__do(truth ? CR__OP_logical_xor : CR__OP_sub, (cr_value[]){second, first});
  cr__drop(first), cr__drop(second);
  return r;
}

/* self between what is prepended and appended along dim d, each of which may be absent. */
static cr_value extended(const cr_op *op, const cr_value *args, int d) {
  static const int places[] = {3, 0, 4}; /* prepend, self, append */
  const cr_tensor *self = args[0].u.t;
  cr_tensor *parts[3];
  int n = 0;
  for (int i = 0; i < 3; i++) {
    const cr_value *v = &args[places[i]];
    if (v->kind != CR_TENSOR) continue;
    cr__text a, b;
    bool fits = v->u.t->ndim == self->ndim;
    for (int k = 0; fits && k < self->ndim; k++)
      fits = k == d || cr__sizes(v->u.t)[k] == cr__sizes(self)[k];
    if (!fits) {
      cr__fail(CR_E_SHAPE,
               "%s: %s of shape %s does not fit self of shape %s in the dims other than %d",
               op->lua, op->params[places[i]].name,
               cr__shape_text(v->u.t->ndim, cr__sizes(v->u.t), &a),
               cr__shape_text(self->ndim, cr__sizes(self), &b), d + 1);
      return cr_none();
    }
    parts[n++] = v->u.t;
  }
  if (n == 1) return cr__do(CR__OP_alias, args);
  return cr__do(CR__OP_cat, (cr_value[]){cr_list(parts, n), cr_int(d + 1)});
}

int cr__run_diff(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *self = args[0].u.t;
  int64_t n = args[1].u.i;
  int d;
  if (self->ndim == 0) return cr__fail(CR_E_SHAPE, "%s: a 0-dim tensor has no neighbours", op->lua);
  int code = cr__wrap_dim(op->lua, "dim", args[2].u.i, self->ndim, &d);
  if (code) return code;
  if (n < 0)
    return cr__fail(CR_E_ARGUMENT, "%s: n must not be negative, got %lld", op->lua, (long long)n);
  cr_value now = n ? extended(op, args, d) : cr__do(CR__OP_alias, args);
  int64_t size = now.kind == CR_TENSOR ? cr__sizes(now.u.t)[d] : 0;
  for (int64_t i = 0; i < n && (size || i == 0) && now.kind == CR_TENSOR; i++) {
    cr_value next = difference(now, cr_int(d + 1), size);
    cr__drop(now);
    now = next;
    size -= size > 0;
  }
  return cr__give(now.kind == CR_TENSOR ? now.u.t : NULL, out);
}
