/* update.h: an update of lists of tensors: what the rules of optimizers (update_rules.c) hand to what checks the
 * lists and does it (update.c).
 *
 * Holds true: the rule, its numbers and switches are in the terms of scalar/step.h. */
#ifndef CR__OPS_UPDATE_H
#define CR__OPS_UPDATE_H

#include "create.h"
#include "scalar/step.h"

typedef struct cr__update {
  const cr_op *op;
  cr_value lists[CR__UPDATE_LISTS]; /* of kind CR_NONE where the call goes without */
  int n;                            /* tensors in each list */
  int rule;
  int nnumber, nswitch;  /* one set for all rows, or one for each */
  const double *numbers; /* sets of those of the rule */
  const int64_t *switches;
  bool table; /* the numbers lie on the device */
  cr_device device;
  cr__row *rows;      /* n */
  cr_tensor **copies; /* CR__UPDATE_LISTS for each of n; NULL where the tensor itself will do */
} cr__update;

/* Checks that the lists are of one length and on one device, which comes into u. */
int cr__update_check(cr__update *u);

/* Checks the tensors and does the update: all rows, or none. */
int cr__update_run(cr__update *u);

#endif
