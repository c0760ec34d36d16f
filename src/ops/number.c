/* number.c: the number that follows another one.
 *
 * Holds true: 16-bit floats are computed as float32, so the step that leads to the next one is told by a kind. */
#include "create.h"

cr_tensor *cr__run_nextafter(const cr_op *op, cr_tensor *self, cr_tensor *other) {
  (void)op;
  cr__promotion p = CR__PROMOTION_INIT;
  cr__promote_add(&p, self->ndim == 0, (cr_dtype)self->dtype);
  cr__promote_add(&p, other->ndim == 0, (cr_dtype)other->dtype);
  cr_dtype dtype = cr__promote_result(&p);
  return cr__call_next_number(self, other, dtype == CR_FLOAT16 ? 1 : dtype == CR_BFLOAT16 ? 2 : 0);
}
