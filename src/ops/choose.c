/* choose.c: bounds that may be numbers or tensors, or be left out.
 *
 * Holds true: nothing is computed here; the operation that is chosen records itself. */
#include "create.h"

/* clamp(self, min, max): numbers or tensors, either of which may be absent */
int cr__run_clamp(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  bool low = args[1].kind != CR_NONE, high = args[2].kind != CR_NONE;
  if (!low && !high) return cr__fail(CR_E_ARGUMENT, "%s: needs min, max or both", op->lua);
  if (low && high) return cr__give(cr__op1(CR__OP_clamp_both, args), out);
  cr_value pair[] = {args[0], low ? args[1] : args[2]};
  return cr__give(cr__op1(low ? CR__OP_clamp_min : CR__OP_clamp_max, pair), out);
}
