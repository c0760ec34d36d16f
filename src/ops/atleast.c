/* atleast.c: tensors with as many dims as are needed at least.
 *
 * Holds true: nothing is copied. */
#include "geometry.h"

cr_tensor *cr__at_least(cr_tensor *t, int n) {
  if (t->ndim >= n) return cr_retain(t);
  int64_t one = 1, rows = t->ndim > 1 ? cr__sizes(t)[0] : 1;
  int64_t columns = t->ndim > 0 ? cr__sizes(t)[t->ndim - 1] : 1;
  int64_t shape[] = {rows, columns, one};
  return n == 1 ? cr__call_reshape(t, &one, 1) : cr__call_reshape(t, shape, n);
}

/* The dims that op's name asks for. */
static int wanted(const cr_op *op) {
  switch (op->id) {
  case CR__OP_atleast_1d:
  case CR__OP_atleast_1d_list: return 1;
  case CR__OP_atleast_2d:
  case CR__OP_atleast_2d_list: return 2;
  default: return 3;
  }
}

cr_tensor *cr__run_atleast(const cr_op *op, cr_tensor *self) {
  return cr__at_least(self, wanted(op));
}

int cr__run_atleast_list(const cr_op *op, cr__tensors tensors, cr_tensor **out, int *nout) {
  if (tensors.n > CR_MAX_OUTPUTS)
    return cr__fail(CR_E_ARGUMENT, "%s: got %d tensors; a call returns at most %d", op->lua,
                    tensors.n, CR_MAX_OUTPUTS);
  for (int i = 0; i < tensors.n; i++) {
    out[i] = tensors.at[i] ? cr__at_least(tensors.at[i], wanted(op)) : NULL;
    if (!tensors.at[i]) cr__fail_absent(op->lua, "tensors");
    if (!out[i]) return cr__undo(out, i);
  }
  *nout = tensors.n;
  return 0;
}
