/* class_loss.h: what losses over classes (nll.c, cross_entropy.c, linear_cross_entropy.c, margin.c) share.
 *
 * Holds true: classes lie along dim 2 of the input (dim 1 if it has one dim); class targets count from 1. */
#ifndef CR__RUN_CLASS_LOSS_H
#define CR__RUN_CLASS_LOSS_H

#include "loss.h"
#include "work.h"

static inline int cr__class_dim(const cr_tensor *input) { return input->ndim > 1 ? 1 : 0; }

/* Classes as targets, and what weighs them. */
typedef struct cr__choice {
  cr_tensor *target, *weight; /* weight: NULL if all weigh 1 */
  int64_t ignored;            /* the target that counts nothing */
} cr__choice;

/* ---- nll.c ---- */

/* Errors unless input has classes and a float dtype; target has input's shape without them, and is int64; w (or NULL)
 * has an element of input's dtype for each class. */
int cr__need_classes(const char *op, const cr_tensor *input);
int cr__need_targets(const char *op, const cr_tensor *input, const cr_tensor *target);
int cr__need_class_weight(const char *op, const cr_tensor *input, const cr_tensor *w);
/* Returns weight with its elements along the class dim, to be broadcast to input. */
cr_tensor *cr__along_classes(cr_tensor *weight, const cr_tensor *input);
/* Returns the loss of input, perhaps NULL, and in *total the sum of the weights of all targets. */
cr_tensor *cr__nll_of(const char *name, cr_tensor *input, const cr__choice *c, int64_t reduction,
                      cr_tensor **total);

/* ---- cross_entropy.c ---- */

/* An error unless target holds classes of input, or (in *probabilities) the probability of each, and the rest fits. */
int cr__check_cross_entropy(const char *op, const cr_tensor *input, const cr_tensor *target,
                            const cr_tensor *weight, int64_t ignore_index, double smoothing,
                            bool *probabilities);

#endif
