/* arith.c: quotients that are rounded in a way that the call names, and the conjugate.
 *
 * Holds true: the choice is made once; what is chosen records itself. */
#include "create.h"

/* div(self, other, rounding_mode) */
cr_tensor *cr__run_div_mode(const cr_op *op, cr_value self, cr_value other, int rounding_mode) {
  (void)op;
  bool down = rounding_mode == CR__div_mode_rounding_mode_floor;
  return cr__op1(down ? CR__OP_floor_divide : CR__OP_div_trunc, (cr_value[]){self, other});
}

/* Every dtype is real, so an element is its own conjugate: nothing is done, and nothing recorded. */
cr_tensor *cr__run_conj(const cr_op *op, cr_tensor *self) {
  (void)op;
  return cr_retain(self);
}
