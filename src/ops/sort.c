/* sort.c: elements in order along a dim, with the positions that they came from.
 *
 * Holds true: positions are 1-based; a 0-dim tensor is one of one element along dim 1. */
#include "reduce.h"

void cr__as_one_dim(cr__launch *k) {
  for (int i = 0; i < k->nview; i++) {
    if (!cr__has_view(k, &k->v[i])) continue;
    k->v[i].ndim = 1;
    k->v[i].shape[0] = k->v[i].stride[0] = 1;
  }
}

/* Sorts along dim d and keeps the first `kept` of each line. `values` may be NULL. */
static int launch(const char *op, cr_tensor *self, int d, bool descending, const cr_tensor *values,
                  const cr_tensor *indices) {
  cr__launch k;
  cr__launch_begin(&k, op, cr_device_of(self));
  if (values) cr__launch_view(&k, &k.sort.values, values);
  cr__launch_view(&k, &k.sort.indices, indices);
  cr__launch_view(&k, &k.sort.from, self);
  if (self->ndim == 0) cr__as_one_dim(&k);
  k.sort.dim = d, k.sort.descending = descending;
  return cr__launch_run(&k, CR__K_sort);
}

/* Makes the op's results, positions being the last one, of the first `kept` of each line. */
static int sort(const cr_op *op, cr_tensor *self, int d, int64_t kept, bool descending,
                cr_tensor **out) {
  int64_t shape[CR_MAX_DIMS];
  int n = op->nout, code = 0;
  for (int i = 0; i < self->ndim; i++) shape[i] = i == d ? kept : cr__sizes(self)[i];
  if (n == 2)
    out[0] = cr__new(op->lua, (cr_dtype)self->dtype, cr_device_of(self), self->ndim, shape);
  if (n == 1 || out[0])
    out[n - 1] = cr__new(op->lua, CR_INT64, cr_device_of(self), self->ndim, shape);
  if (!out[n - 1]) return cr__undo(out, n);
  if (out[n - 1]->numel)
    code = launch(op->lua, self, d, descending, n == 2 ? out[0] : NULL, out[n - 1]);
  return code ? cr__undo(out, n) : 0;
}

/* sort(self, dim, descending, stable) and argsort: every sort is stable. */
int cr__run_sort(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *self = args[0].u.t;
  int d;
  int code = cr__wrap_dim(op->lua, "dim", args[1].u.i, self->ndim, &d);
  if (code) return code;
  return sort(op, self, d, self->ndim ? cr__sizes(self)[d] : 1, args[2].u.i, out);
}

/* How many a line has, of which k are wanted. */
static int check_count(const cr_op *op, const cr_tensor *self, const char *name, int64_t k,
                       int64_t least, const cr_value *dim, int *d) {
  int code = cr__wrap_dim(op->lua, "dim", dim->u.i, self->ndim, d);
  if (code) return code;
  int64_t size = self->ndim ? cr__sizes(self)[*d] : 1;
  if (k >= least && k <= size) return 0;
  return cr__fail(CR_E_ARGUMENT, "%s: %s must be from %lld to %lld, the size of dim %d, got %lld",
                  op->lua, name, (long long)least, (long long)size, *d + 1, (long long)k);
}

/* topk(self, k, dim, largest, sorted): what it gives is always in order. */
int cr__run_topk(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  int d, code = check_count(op, args[0].u.t, "k", args[1].u.i, 0, &args[2], &d);
  return code ? code : sort(op, args[0].u.t, d, args[1].u.i, args[3].u.i, out);
}

/* kthvalue(self, k, dim, keepdim): the last of the k smallest. */
int cr__run_kthvalue(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *few[2] = {NULL, NULL}, *self = args[0].u.t;
  int d, code = check_count(op, self, "k", args[1].u.i, 1, &args[2], &d);
  if (code) return code;
  cr_value topk[] = {args[0], args[1], args[2], cr_bool(false), cr_bool(true)};
  code = cr_call(&cr__ops[CR__OP_topk], topk, few, NULL);
  for (int i = 0; i < 2 && !code; i++) {
    cr_value last = args[1];
    out[i] = self->ndim == 0 ? cr_retain(few[i])
             : args[3].u.i   ? CR__CALL(narrow, cr_of(few[i]), args[2], last, cr_int(1))
                             : CR__CALL(select, cr_of(few[i]), args[2], last);
    if (!out[i]) code = cr__undo(out, i);
  }
  cr_release(few[0]), cr_release(few[1]);
  return code;
}

/* msort(self): the values along the first dim. */
int cr__run_msort(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)op, (void)nout;
  cr_tensor *both[2] = {NULL, NULL};
  int code = cr_call(&cr__ops[CR__OP_sort],
                     (cr_value[]){args[0], cr_int(1), cr_bool(false), cr_bool(true)}, both, NULL);
  out[0] = both[0];
  cr_release(both[1]);
  return code;
}
