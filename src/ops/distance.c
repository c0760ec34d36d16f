/* distance.c: distances and angles between vectors.
 *
 * Holds true: every step is an operation that records itself; a failed step gives NULL, which the next
 * ones pass on. */
#include <math.h>

#include "reduce.h"

/* x divided by its norm, 0 where that is 0. */
static cr_tensor *direction(cr_tensor *x, cr_tensor *norm) {
  cr_tensor *flat = cr__call_eq_scalar(norm, cr_int(0));
  cr_tensor *safe = cr__call_masked_fill_scalar(norm, flat, cr_float(INFINITY));
  cr_tensor *result = cr__call_div(x, safe);
  cr_release(flat), cr_release(safe);
  return result;
}

/* cosine times the product of the norms over eps, where that is less than 1. */
static cr_tensor *damped(cr_tensor *cosine, cr_tensor *const norm[2], double eps, cr_dtype dtype) {
  cr_tensor *ratio = cr__call_div_scalar(norm[0], cr_float(eps));
  cr_tensor *over = cr__call_clamp_max_scalar(ratio, cr_float(dtype == CR_FLOAT64 ? 1e308 : 1e38));
  cr_tensor *product = cr__call_mul(over, norm[1]);
  cr_tensor *most = cr__call_clamp_max_scalar(product, cr_int(1)),
            *less = cr__call_mul(cosine, most);
  cr_release(ratio), cr_release(over), cr_release(product), cr_release(most);
  return less;
}

cr_tensor *cr__run_cosine_similarity(const cr_op *op, cr_tensor *x1, cr_tensor *x2, int64_t dim,
                                     double eps) {
  cr_tensor *list[] = {x1, x2}, *seen[CR_MAX_OUTPUTS], *norm[2], *unit[2];
  int n = 2, d;
  if (cr__call_broadcast_tensors(list, 2, seen, &n)) return NULL;
  int code = cr__wrap_dim(op->lua, "dim", dim, seen[0]->ndim, &d);
  int64_t along = d + 1;
  for (int i = 0; i < 2; i++) {
    norm[i] = code ? NULL : cr__call_norm(seen[i], cr_int(2), &along, 1, true, CR_DTYPE_NONE);
    unit[i] = norm[i] ? direction(seen[i], norm[i]) : NULL;
  }
  cr_tensor *parts = cr__call_mul(unit[0], unit[1]);
  cr_tensor *sum = cr__call_sum(parts, &along, 1, true, CR_DTYPE_NONE);
  cr_tensor *cosine = cr__call_bound_cosine(sum);
  if (eps > 0 && cosine) {
    cr_tensor *less = damped(cosine, norm, eps, (cr_dtype)seen[0]->dtype);
    cr_release(cosine);
    cosine = less;
  }
  cr_tensor *r = cr__call_squeeze(cosine, &along, 1);
  for (int i = 0; i < 2; i++) cr_release(seen[i]), cr_release(norm[i]), cr_release(unit[i]);
  cr_release(parts), cr_release(sum), cr_release(cosine);
  return r;
}
