/* choose.c: bounds that may be numbers or tensors, or be left out.
 *
 * Holds true: nothing is computed here; the operation that is chosen records itself. */
#include "create.h"

/* Either bound may be absent. */
static cr_tensor *clamp(const cr_op *op, cr_tensor *self, cr_value min, cr_value max) {
  bool low = min.kind != CR_NONE, high = max.kind != CR_NONE;
  if (!low && !high)
    return cr__no_tensor(cr__fail(CR_E_ARGUMENT, "%s: needs min, max or both", op->lua));
  if (low && high) return cr__op1(CR__OP_clamp_both, (cr_value[]){cr_of(self), min, max});
  return cr__op1(low ? CR__OP_clamp_min : CR__OP_clamp_max,
                 (cr_value[]){cr_of(self), low ? min : max});
}

cr_tensor *cr__run_clamp(const cr_op *op, cr_tensor *self, cr_value min, cr_value max) {
  return clamp(op, self, min, max);
}

cr_tensor *cr__run_clamp_tensor(const cr_op *op, cr_tensor *self, cr_tensor *min, cr_tensor *max) {
  return clamp(op, self, cr_of(min), cr_of(max));
}
