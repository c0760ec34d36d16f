/* median.c: the element in the middle, of all or along a dim.
 *
 * Holds true: of two in the middle it is the lower one; the first NaN is chosen before all numbers, or
 * is left out. */
#include "argmax.h"

int cr__run_median(const cr_op *op, cr_tensor *self, const int64_t *dim, bool keepdim,
                   cr_tensor **out) {
  bool skip = op->id == CR__OP_nanmedian || op->id == CR__OP_nanmedian_dim;
  if (dim) return cr__choose_along(op, self, *dim, keepdim, CR__K_median, skip, out);
  cr_tensor *line = cr__flat(op->lua, self);
  if (!line) return cr_error_code();
  cr_tensor *t = cr__new(op->lua, (cr_dtype)self->dtype, cr_device_of(self), 0, NULL);
  cr_tensor *at = cr__new(op->lua, CR_INT64, cr_device_of(self), 0, NULL);
  int code =
      t && at ? cr__choose(op->lua, CR__K_median, line, 0, skip, t, at) : (int)cr_error_code();
  cr_release(line), cr_release(at);
  out[0] = cr__filled(code, t);
  return code;
}
