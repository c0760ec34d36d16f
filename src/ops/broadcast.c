/* broadcast.c: tensors seen in larger shapes, one at a time or several in a common one, and summed back.
 *
 * Holds true: every result but a sum is a view of its tensor. */
#include <string.h>

#include "geometry.h"

int cr__run_broadcast_tensors(const cr_op *op, cr__tensors tensors, cr_tensor **out, int *nout) {
  int64_t shape[CR_MAX_DIMS];
  int ndim = 0;
  if (tensors.n > CR_MAX_OUTPUTS)
    return cr__fail(CR_E_ARGUMENT, "%s: takes at most %d tensors, got %d", op->name, CR_MAX_OUTPUTS,
                    tensors.n);
  for (int i = 0; i < tensors.n; i++) {
    const cr_tensor *t = tensors.at[i];
    if (!t) return cr__fail_absent(op->name, "tensors");
    int code = cr__broadcast_into(op->name, &ndim, shape, t->ndim, cr__sizes(t));
    if (code) return code;
  }
  for (int i = 0; i < tensors.n; i++) {
    out[i] = cr__call_expand(tensors.at[i], shape, ndim);
    if (!out[i]) return cr__undo(out, i);
  }
  *nout = tensors.n;
  return 0;
}

/* The sizes of the grid, one for each tensor; dims 0 and 1 are swapped for "xy". */
static int grid_sizes(const cr_op *op, cr__tensors tensors, bool swap, int64_t *sizes) {
  if (tensors.n == 0) return cr__fail(CR_E_ARGUMENT, "%s: the list of tensors is empty", op->name);
  if (tensors.n > CR_MAX_DIMS)
    return cr__fail(CR_E_SHAPE,
                    "%s: a tensor has at most %d dims, so a grid is of at most as many "
                    "tensors; got %d",
                    op->name, CR_MAX_DIMS, tensors.n);
  for (int i = 0; i < tensors.n; i++) {
    const cr_tensor *t = tensors.at[i];
    if (!t) return cr__fail_absent(op->name, "tensors");
    if (t->ndim > 1)
      return cr__fail(CR_E_SHAPE, "%s: tensor %d has %d dims; each may have one, or none", op->name,
                      i + 1, t->ndim);
    if (t->dtype != tensors.at[0]->dtype)
      return cr__fail(CR_E_DTYPE,
                      "%s: tensor %d is %s but tensor 1 is %s; convert one with "
                      ":to(dtype)",
                      op->name, i + 1, cr_dtype_name((cr_dtype)t->dtype),
                      cr_dtype_name((cr_dtype)tensors.at[0]->dtype));
    sizes[swap && i < 2 ? 1 - i : i] = t->numel;
  }
  cr_device device;
  return cr__same_device(op->name, (cr_value[]){cr_list(tensors.at, tensors.n)}, 1, &device);
}

int cr__run_meshgrid(const cr_op *op, cr__tensors tensors, int indexing, cr_tensor **out,
                     int *nout) {
  bool swap = indexing == CR__meshgrid_indexing_xy;
  int n = tensors.n;
  int64_t sizes[CR_MAX_DIMS], line[CR_MAX_DIMS];
  int code = grid_sizes(op, tensors, swap && n > 1, sizes);
  if (code) return code;
  for (int i = 0; i < n; i++) {
    int d = swap && n > 1 && i < 2 ? 1 - i : i;
    for (int j = 0; j < n; j++) line[j] = 1;
    line[d] = sizes[d];
    cr_tensor *seen = cr__call_view(tensors.at[i], line, n);
    out[i] = cr__call_expand(seen, sizes, n);
    cr_release(seen);
    if (!out[i]) return cr__undo(out, i);
  }
  *nout = n;
  return 0;
}

cr_tensor *cr__run_expand(const cr_op *op, cr_tensor *self, cr__ints shape) {
  int64_t sizes[CR_MAX_DIMS], numel;
  int n = shape.n, ahead = n - self->ndim;
  if (n > CR_MAX_DIMS)
    return cr__no_tensor(
        cr__fail(CR_E_SHAPE, "%s: a tensor has at most %d dims, got %d", op->name, CR_MAX_DIMS, n));
  for (int d = 0; d < n; d++) {
    sizes[d] = shape.at[d];
    if (sizes[d] == -1 && d >= ahead && ahead >= 0) sizes[d] = cr__sizes(self)[d - ahead];
  }
  if (cr__count(op->name, n, sizes, &numel)) return NULL;
  return cr__broadcast_view(op->name, self, "self", n, sizes);
}

/* sum_to of a shape that broadcasts to self's, which is checked here. */
cr_tensor *cr__run_sum_to_size(const cr_op *op, cr_tensor *self, cr__ints size) {
  cr__text a, b;
  int ahead = self->ndim - size.n;
  bool fits = ahead >= 0;
  for (int d = 0; fits && d < size.n; d++)
    fits = size.at[d] == 1 || size.at[d] == cr__sizes(self)[ahead + d];
  if (fits) return cr__call_sum_to(self, size.at, size.n);
  return cr__no_tensor(cr__fail(CR_E_SHAPE, "%s: shape %s does not broadcast to shape %s of self",
                                op->lua, cr__shape_text(size.n, size.at, &a),
                                cr__shape_text(self->ndim, cr__sizes(self), &b)));
}

cr_tensor *cr__run_sum_to(const cr_op *op, cr_tensor *self, cr__ints shape) {
  (void)op;
  int64_t dims[CR_MAX_DIMS];
  int n = 0, ahead = self->ndim - shape.n;
  for (int d = 0; d < self->ndim; d++)
    if (cr__sizes(self)[d] != 1 && (d < ahead || shape.at[d - ahead] == 1)) dims[n++] = d + 1;
  cr_tensor *sum = n == 0 ? cr_retain(self) : cr__call_sum(self, dims, n, true, CR_DTYPE_NONE);
  if (!sum || ahead == 0) return sum;
  cr_tensor *r = cr__call_reshape(sum, shape.at, shape.n);
  cr_release(sum);
  return r;
}
