/* step.h: the rules of optimizers: their lists, numbers and switches, for the engine, the CPU and CUDA.
 *
 * Holds true: what is the same for all elements of a row has been computed in double, and is a number of the
 * row; the formulas for an element are in step_rules.h. */
#ifndef CR__STEP_H
#define CR__STEP_H

#include <math.h>
#include <stdbool.h>

/* The lists of an update: what is stepped, its gradients, and up to three of the rule's own. */
enum { CR__UPDATE_PARAM, CR__UPDATE_GRAD, CR__UPDATE_OWN, CR__UPDATE_LISTS = 5 };

/* The rules, in the order of the words of foreach_step_, each with
 * - how many numbers it has. The first two are those of all: the decay, in units of the parameter, which is added
 *   to the gradient once that is multiplied with the second, the sign (-1 to climb);
 * - which lists of its own it always has, as bits. Switches may ask for more. */
#define CR__RULES(X)                                                                               \
  X(sgd, 5, 0)     /* rate, kept and added: the shares of buffer and gradient in the new buffer */ \
  X(adam, 9, 3)    /* shrink, towards, kept, added, eps, rate, root */                             \
  X(rmsprop, 7, 1) /* kept, added, eps, rate, momentum */                                          \
  X(adagrad, 4, 1) /* eps, rate */                                                                 \
  X(adadelta, 6, 3) /* kept, added, eps, rate */                                                   \
  X(adamax, 6, 3)   /* towards, kept, eps, rate */                                                 \
  X(nadam, 10, 3)   /* shrink, towards, kept, added, eps, bias, the rates of gradient and mean */  \
  X(radam, 11, 3)   /* shrink, towards, kept, added, eps, bias, rate, root, rectifier (0: none) */ \
  X(rprop, 6, 3)    /* the factors that shorten and lengthen, the least and the largest length */  \
  X(asgd, 5, 1)     /* shrink, rate, share */
#define CR__RULE_NUMBERS 11 /* the most that a rule has */

enum {
#define X(name, numbers, lists) CR__RULE_##name,
  CR__RULES(X)
#undef X
      CR__RULE_COUNT
};

/* Switches of a row. */
enum {
  CR__SGD_MOMENTUM = 1, /* the first list: the buffer */
  CR__SGD_NESTEROV = 2,
  CR__SGD_FIRST = 4,         /* the buffer holds nothing yet */
  CR__ADAM_AMSGRAD = 1,      /* the third list: the largest mean of squares */
  CR__RMSPROP_CENTERED = 1,  /* the second list: the mean */
  CR__RMSPROP_MOMENTUM = 2,  /* the third list: the buffer */
  CR__UPDATE_TABLE = 1 << 30 /* of any rule: the numbers lie on the device */
};

/* The lists of its own, as bits, that a rule works with. */
static inline unsigned cr__rule_lists(int rule, unsigned on) {
  static const unsigned always[] = {
#define X(name, numbers, lists) lists,
      CR__RULES(X)
#undef X
  };
  unsigned lists = always[rule];
  if (rule == CR__RULE_sgd && on & CR__SGD_MOMENTUM) lists |= 1;
  if (rule == CR__RULE_adam && on & CR__ADAM_AMSGRAD) lists |= 4;
  if (rule == CR__RULE_rmsprop && on & CR__RMSPROP_CENTERED) lists |= 2;
  if (rule == CR__RULE_rmsprop && on & CR__RMSPROP_MOMENTUM) lists |= 4;
  return lists;
}

static inline int cr__rule_numbers(int rule) {
  static const int count[] = {
#define X(name, numbers, lists) numbers,
      CR__RULES(X)
#undef X
  };
  return count[rule];
}

#define CR__STEP_NAME_(rule, s) cr__##rule##_step_##s
#define CR__STEP_NAME(rule, s) CR__STEP_NAME_(rule, s)

#define T double
#define S f64
#define SQRT sqrt
#include "step_rules.h"
#undef T
#undef S
#undef SQRT
#define T float
#define S f32
#define SQRT sqrtf
#include "step_rules.h"
#undef T
#undef S
#undef SQRT

#endif
