/* sort.c: elements in order along a dim, with the positions that they came from.
 *
 * Holds true: positions are 1-based; a 0-dim tensor is one of one element along dim 1. */
#include "geometry.h"

/* Sorts along dim d and keeps the first `kept` of each line. `values` may be NULL. */
static int launch(const char *op, cr_tensor *self, int d, bool descending, const cr_tensor *values,
                  const cr_tensor *indices) {
  cr__launch k;
  cr__launch_begin(&k, op, cr_device_of(self));
  cr__launch_view(&k, &k.sort.values, values);
  cr__launch_view(&k, &k.sort.indices, indices);
  cr__launch_view(&k, &k.sort.in, self);
  if (self->ndim == 0) cr__launch_as_one_dim(&k);
  k.sort.dim = d, k.sort.descending = descending;
  return cr__launch_run(&k, CR__K_sort);
}

/* Makes the positions of the first `kept` of each line, and the values too where they are asked for. */
static int sort(const cr_op *op, cr_tensor *self, int d, int64_t kept, bool descending,
                cr_tensor **values, cr_tensor **indices) {
  int64_t shape[CR_MAX_DIMS];
  cr_device device = cr_device_of(self);
  for (int i = 0; i < self->ndim; i++) shape[i] = i == d ? kept : cr__sizes(self)[i];
  if (values) *values = cr__new(op->lua, (cr_dtype)self->dtype, device, self->ndim, shape);
  if (!values || *values) *indices = cr__new(op->lua, CR_INT64, device, self->ndim, shape);
  int code = *indices ? 0 : (int)cr_error_code();
  if (!code && (*indices)->numel)
    code = launch(op->lua, self, d, descending, values ? *values : NULL, *indices);
  if (!code) return 0;
  if (values) cr__undo(values, 1);
  return cr__undo(indices, 1);
}

/* sort(self, dim, descending, stable): every sort is stable. */
int cr__run_sort(const cr_op *op, cr_tensor *self, int64_t dim, bool descending, bool stable,
                 cr_tensor **out) {
  (void)stable;
  int d, code = cr__wrap_dim(op->lua, "dim", dim, self->ndim, &d);
  return code ? code : sort(op, self, d, cr__size_along(self, d), descending, &out[0], &out[1]);
}

cr_tensor *cr__run_argsort(const cr_op *op, cr_tensor *self, int64_t dim, bool descending,
                           bool stable) {
  (void)stable;
  cr_tensor *indices = NULL;
  int d, code = cr__wrap_dim(op->lua, "dim", dim, self->ndim, &d);
  if (!code) code = sort(op, self, d, cr__size_along(self, d), descending, NULL, &indices);
  return indices;
}

/* Which dim is meant, and that k of a line of it, from `least` on, may be wanted. */
static int check_count(const cr_op *op, const cr_tensor *self, int64_t k, int64_t least,
                       int64_t dim, int *d) {
  int code = cr__wrap_dim(op->lua, "dim", dim, self->ndim, d);
  if (code) return code;
  int64_t size = cr__size_along(self, *d);
  if (k >= least && k <= size) return 0;
  return cr__fail(CR_E_ARGUMENT, "%s: k must be from %lld to %lld, the size of dim %d, got %lld",
                  op->lua, (long long)least, (long long)size, *d + 1, (long long)k);
}

/* topk(self, k, dim, largest, sorted): what it gives is always in order. */
int cr__run_topk(const cr_op *op, cr_tensor *self, int64_t k, int64_t dim, bool largest,
                 bool sorted, cr_tensor **out) {
  (void)sorted;
  int d, code = check_count(op, self, k, 0, dim, &d);
  return code ? code : sort(op, self, d, k, largest, &out[0], &out[1]);
}

/* kthvalue(self, k, dim, keepdim): the last of the k smallest. */
int cr__run_kthvalue(const cr_op *op, cr_tensor *self, int64_t k, int64_t dim, bool keepdim,
                     cr_tensor **out) {
  cr_tensor *few[2] = {NULL, NULL};
  int d, code = check_count(op, self, k, 1, dim, &d);
  if (!code) code = cr__call_topk(self, k, dim, false, true, few);
  if (code) return code;
  for (int i = 0; i < 2 && !code; i++) {
    out[i] = self->ndim == 0 ? cr_retain(few[i])
             : keepdim       ? cr__call_narrow(few[i], dim, k, 1)
                             : cr__call_select(few[i], dim, k);
    if (!out[i]) code = cr__undo(out, i);
  }
  cr_release(few[0]), cr_release(few[1]);
  return code;
}

/* msort(self): the values along the first dim. */
cr_tensor *cr__run_msort(const cr_op *op, cr_tensor *self) {
  (void)op;
  cr_tensor *both[2] = {NULL, NULL};
  cr__call_sort(self, 1, false, true, both);
  cr_release(both[1]);
  return both[0];
}
