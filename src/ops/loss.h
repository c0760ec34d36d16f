/* run/loss.h: what the run functions of losses share. */
#ifndef CR__RUN_LOSS_H
#define CR__RUN_LOSS_H

#include "reduce.h"

/* loss.c: the reduction of that name. */
int cr__loss_reduction_of(const char *op, cr_value name, cr__loss_reduction *reduction);
/* loss.c: returns the elements (stolen, perhaps CR_NONE) reduced. */
cr_tensor *cr__loss_reduce(cr_value elements, cr__loss_reduction reduction);

#endif
