/* pointwise.h: what both ways of an elementwise call, the general one (pointwise.c) and the short one (few.c),
 * ask of its numbers.
 *
 * Holds true: a number that joins a dtype leaves it as it is. */
#ifndef CR__POINTWISE_H
#define CR__POINTWISE_H

#include "dispatch.h"

/* True if a floating dtype takes numbers as they are: where they neither bound nor are stored or
 * compared. */
static inline bool cr__takes_any(const cr__impl *impl) {
  return impl->roles == 0 && impl->rule != CR__PROMOTE_BOOL;
}

/* True if the number neither changes dtype d by joining it nor is one that d cannot hold. */
static inline bool cr__joins(const cr__impl *impl, cr_dtype d, const cr_value *number) {
  cr_category category = cr__category(d);
  if (category == CR_FLOATING || category == CR_COMPLEX)
    return cr__takes_any(impl) || cr__fits(d, number);
  if (number->kind == CR_BOOLEAN_VALUE) return true;
  return category == CR_INTEGRAL && number->kind == CR_INT && cr__fits(d, number);
}

/* The same of the numbers that are no operands. */
static inline bool cr__all_join(const cr_op *op, const cr__impl *impl, cr_dtype d,
                                const cr_value *args) {
  if (cr__is_inexact(d) && cr__takes_any(impl)) return true;
  for (int i = impl->noperand; i < op->nparam; i++)
    if (!cr__joins(impl, d, &args[i])) return false;
  return true;
}

static inline bool cr__is_power(const cr__impl *impl) {
  return impl->pointwise == CR__PW_pow || impl->pointwise == CR__PW_pow_d;
}

/* What serves for a power by this number: which expression, of how many operands. */
void cr__shorten_power(cr_dtype compute, const cr_value *v, int32_t *pointwise, int32_t *nin);

#endif
