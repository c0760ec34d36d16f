/* broadcast.c: tensors seen in larger shapes, one at a time or several in a common one, and summed back.
 *
 * Holds true: every result but a sum is a view of its tensor. */
#include <string.h>

#include "geometry.h"

int cr__run_broadcast_tensors(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  const cr_value *list = &args[0];
  int64_t shape[CR_MAX_DIMS];
  int ndim = 0;
  if (list->n > CR_MAX_OUTPUTS)
    return cr__fail(CR_E_ARGUMENT, "%s: takes at most %d tensors, got %d", op->name, CR_MAX_OUTPUTS,
                    list->n);
  for (int i = 0; i < list->n; i++) {
    const cr_tensor *t = list->u.ts[i];
    if (!t) return cr__fail_absent(op->name, "tensors");
    int code = cr__broadcast_into(op->name, &ndim, shape, t->ndim, cr__sizes(t));
    if (code) return code;
  }
  for (int i = 0; i < list->n; i++) {
    out[i] = cr__op1(CR__OP_expand, (cr_value[]){cr_of(list->u.ts[i]), cr_ints(shape, ndim)});
    if (!out[i]) return cr__undo(out, i);
  }
  *nout = list->n;
  return 0;
}

/* The sizes of the grid, one for each tensor; dims 0 and 1 are swapped for "xy". */
static int grid_sizes(const cr_op *op, const cr_value *list, bool swap, int64_t *sizes) {
  if (list->n == 0) return cr__fail(CR_E_ARGUMENT, "%s: the list of tensors is empty", op->name);
  if (list->n > CR_MAX_DIMS)
    return cr__fail(CR_E_SHAPE,
                    "%s: a tensor has at most %d dims, so a grid is of at most as many "
                    "tensors; got %d",
                    op->name, CR_MAX_DIMS, list->n);
  for (int i = 0; i < list->n; i++) {
    const cr_tensor *t = list->u.ts[i];
    if (!t) return cr__fail_absent(op->name, "tensors");
    if (t->ndim > 1)
      return cr__fail(CR_E_SHAPE, "%s: tensor %d has %d dims; each may have one, or none", op->name,
                      i + 1, t->ndim);
    if (t->dtype != list->u.ts[0]->dtype)
      return cr__fail(CR_E_DTYPE,
                      "%s: tensor %d is %s but tensor 1 is %s; convert one with "
                      ":to(dtype)",
                      op->name, i + 1, cr_dtype_name((cr_dtype)t->dtype),
                      cr_dtype_name((cr_dtype)list->u.ts[0]->dtype));
    sizes[swap && i < 2 ? 1 - i : i] = t->numel;
  }
  cr_device device;
  return cr__same_device(op->name, list, 1, &device);
}

int cr__run_meshgrid(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  bool swap = args[1].n == CR__meshgrid_indexing_xy;
  int n = args[0].n;
  int64_t sizes[CR_MAX_DIMS], line[CR_MAX_DIMS];
  int code = grid_sizes(op, &args[0], swap && n > 1, sizes);
  if (code) return code;
  for (int i = 0; i < n; i++) {
    int d = swap && n > 1 && i < 2 ? 1 - i : i;
    for (int j = 0; j < n; j++) line[j] = 1;
    line[d] = sizes[d];
    cr_value seen = cr__do(CR__OP_view, (cr_value[]){cr_of(args[0].u.ts[i]), cr_ints(line, n)});
    out[i] = cr__op1(CR__OP_expand, (cr_value[]){seen, cr_ints(sizes, n)});
    cr__drop(seen);
    if (!out[i]) return cr__undo(out, i);
  }
  *nout = n;
  return 0;
}

int cr__run_expand(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *t = args[0].u.t;
  int64_t shape[CR_MAX_DIMS], numel;
  int n = args[1].n, ahead = n - t->ndim;
  if (n > CR_MAX_DIMS)
    return cr__fail(CR_E_SHAPE, "%s: a tensor has at most %d dims, got %d", op->name, CR_MAX_DIMS,
                    n);
  for (int d = 0; d < n; d++) {
    shape[d] = args[1].u.is[d];
    if (shape[d] == -1 && d >= ahead && ahead >= 0) shape[d] = cr__sizes(t)[d - ahead];
  }
  if (cr__count(op->name, n, shape, &numel)) return (int)cr_error_code();
  return cr__give(cr__broadcast_view(op->name, t, "self", n, shape), out);
}

int cr__run_sum_to(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)op, (void)nout;
  cr_tensor *t = args[0].u.t;
  const int64_t *shape = args[1].u.is;
  int64_t dims[CR_MAX_DIMS];
  int n = 0, ahead = t->ndim - args[1].n;
  for (int d = 0; d < t->ndim; d++)
    if (cr__sizes(t)[d] != 1 && (d < ahead || shape[d - ahead] == 1)) dims[n++] = d + 1;
  cr_tensor *sum = n == 0 ? cr_retain(t)
                          : cr__op1(CR__OP_sum, (cr_value[]){args[0], cr_ints(dims, n),
                                                             cr_bool(true), cr_none(), cr_none()});
  if (!sum || ahead == 0) return cr__give(sum, out);
  cr_tensor *r = cr__op1(CR__OP_reshape, (cr_value[]){cr_of(sum), args[1]});
  cr_release(sum);
  return cr__give(r, out);
}
