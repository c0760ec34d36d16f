/* broadcast.c: lists of tensors, seen in one common shape.
 *
 * Holds true: every result is a view of its tensor, by operations that record themselves. */
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
