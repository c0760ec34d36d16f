/* distance.c: distances and angles between vectors.
 *
 * Holds true: every step is an operation that records itself; a failed step gives NULL, which the next
 * ones pass on. */
#include <math.h>

#include "reduce.h"

/* x divided by its norm, 0 where that is 0. */
static cr_value direction(cr_value x, cr_value norm) {
  cr_value flat = cr__do(CR__OP_eq, (cr_value[]){norm, cr_int(0)});
  cr_value safe = cr__do(CR__OP_masked_fill, (cr_value[]){norm, flat, cr_float(INFINITY)});
  cr_value result = cr__do(CR__OP_div, (cr_value[]){x, safe});
  cr__drop(flat), cr__drop(safe);
  return result;
}

/* cosine_similarity(x1, x2, dim, eps) */
int cr__run_cosine_similarity(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  cr_tensor *list[] = {args[0].u.t, args[1].u.t}, *seen[CR_MAX_OUTPUTS];
  cr_value all = cr_list(list, 2), norm[2], unit[2], yes = cr_bool(true);
  int n = 2, d;
  (void)nout;
  int code = cr_call(&cr__ops[CR__OP_broadcast_tensors], &all, seen, &n);
  if (code) return code;
  code = cr__wrap_dim(op->lua, "dim", args[2].u.i, seen[0]->ndim, &d);
  int64_t dim = d + 1;
  for (int i = 0; i < 2; i++) {
    norm[i] = unit[i] = cr_none();
    if (!code) {
      norm[i] = cr__do(CR__OP_norm,
                       (cr_value[]){cr_of(seen[i]), cr_int(2), cr_ints(&dim, 1), yes, cr_none()});
      unit[i] = direction(cr_of(seen[i]), norm[i]);
    }
  }
  cr_value parts = cr__do(CR__OP_mul, (cr_value[]){unit[0], unit[1]});
  cr_value sum = cr__do(CR__OP_sum, (cr_value[]){parts, cr_ints(&dim, 1), yes, cr_none()});
  cr_value cosine = cr__do(CR__OP_bound_cosine, (cr_value[]){sum});
  if (args[3].u.f > 0) { /* the product of the norms, where it is less than eps, by eps */
    double most_of = seen[0]->dtype == CR_FLOAT64 ? 1e308 : 1e38;
    cr_value ratio = cr__do(CR__OP_div, (cr_value[]){norm[0], args[3]});
    cr_value over = cr__do(CR__OP_clamp_max, (cr_value[]){ratio, cr_float(most_of)});
    cr_value product = cr__do(CR__OP_mul, (cr_value[]){over, norm[1]});
    cr__drop(ratio);
    cr_value most = cr__do(CR__OP_clamp_max, (cr_value[]){product, cr_int(1)});
    cr_value less = cr__do(CR__OP_mul, (cr_value[]){cosine, most});
    cr__drop(over), cr__drop(product), cr__drop(most), cr__drop(cosine);
    cosine = less;
  }
  cr_tensor *r = CR__CALL(squeeze, cosine, cr_ints(&dim, 1));
  for (int i = 0; i < 2; i++) cr_release(seen[i]), cr__drop(norm[i]), cr__drop(unit[i]);
  cr__drop(parts), cr__drop(sum), cr__drop(cosine);
  return code ? code : cr__give(r, out);
}
