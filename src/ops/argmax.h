/* argmax.h: what choices of one element along a dim share (argmax.c, median.c).
 *
 * Holds true: positions are 1-based; along a dim of size 0 there is nothing to choose, an error. */
#ifndef CR__RUN_ARGMAX_H
#define CR__RUN_ARGMAX_H

#include "reduce.h"

/* Runs a kernel of values and positions along dim d of self. `values` may be NULL. A 0-dim tensor
 * counts as one of one dim. smallest: not the largest; of a median, whether NaN is left out. */
int cr__choose(const char *op, cr__kernel_id kernel, cr_tensor *self, int d, bool smallest,
               const cr_tensor *values, const cr_tensor *indices);
/* Makes values and positions along dim, of which the first is left out where op has one result. */
int cr__choose_along(const cr_op *op, cr_tensor *self, int64_t dim, bool keepdim,
                     cr__kernel_id kernel, bool smallest, cr_tensor **out);
/* Returns self as a line of all its elements in row-major order. */
cr_tensor *cr__flat(const char *op, cr_tensor *self);

#endif
