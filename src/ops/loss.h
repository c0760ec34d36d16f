/* loss.h: what the run functions of losses share. */
#ifndef CR__RUN_LOSS_H
#define CR__RUN_LOSS_H

#include "reduce.h"

/* A choice of reduction is a cr__loss_reduction: every loss lists its choices in the order of the type. */
_Static_assert((int)CR__mse_loss_reduction_none == (int)CR__LOSS_NONE &&
                   (int)CR__mse_loss_reduction_mean == (int)CR__LOSS_MEAN &&
                   (int)CR__mse_loss_reduction_sum == (int)CR__LOSS_SUM,
               "the choices of a loss have the order of its type");
/* loss.c. Errors unless both have one shape, one of them holds floats (the other one is converted), w (NULL: all is
 * well) broadcasts to input without making it more. */
int cr__need_same_shape(const char *op, const cr_tensor *input, const cr_tensor *target);
int cr__need_some_float(const char *op, const cr_tensor *input, const cr_tensor *target);
int cr__need_fit(const char *op, const char *what, const cr_tensor *w, const cr_tensor *input);
/* loss.c: returns the elements (stolen, perhaps NULL) reduced. */
cr_tensor *cr__loss_reduce(cr_tensor *elements, cr__loss_reduction reduction);

#endif
