/* arith.c: quotients that are rounded in a way that the call names, and the conjugate.
 *
 * Holds true: the choice is made once; what is chosen records itself. */
#include "create.h"

/* div(self, other, rounding_mode) */
int cr__run_div_mode(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)op, (void)nout;
  bool down = args[2].n == CR__div_mode_rounding_mode_floor;
  return cr__give(cr__op1(down ? CR__OP_floor_divide : CR__OP_div_trunc, args), out);
}

/* Every dtype is real, so an element is its own conjugate: nothing is done, and nothing recorded. */
int cr__run_conj(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)op, (void)nout;
  return cr__give(cr_retain(args[0].u.t), out);
}
