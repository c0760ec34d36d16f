/* einsum.h: an equation of einsum as steps: what einsum_plan.c makes of it, and einsum.c runs.
 *
 * Holds true: a plan depends on the equation and the shapes of the tensors alone. */
#ifndef CR__RUN_EINSUM_H
#define CR__RUN_EINSUM_H

#include "create.h"

/* What a step does to one of two tensors at hand, or to both: then the left one becomes the result. Its
 * numbers, which count dims from 1, are in brackets. */
typedef enum cr__einsum_step {
  CR__EINSUM_TAKE,     /* [which of the operands, from 0] */
  CR__EINSUM_DIAGONAL, /* [two dims] */
  CR__EINSUM_SUM,      /* [dims] */
  CR__EINSUM_PERMUTE,  /* [dims] */
  CR__EINSUM_EXPAND,   /* [a shape] */
  CR__EINSUM_RESHAPE,  /* [a shape] */
  CR__EINSUM_MUL,      /* of both */
  CR__EINSUM_MM,
  CR__EINSUM_BMM
} cr__einsum_step;

/* A step is its kind, the tensor (0 left, 1 right), how many numbers follow, and these. */
typedef struct cr__einsum_plan {
  int64_t *words; /* owned: of cr__alloc */
  int n, room;
  bool failed; /* a word found no room */
} cr__einsum_plan;

/* Fails where the equation does not fit the tensors; a plan that failed is empty. */
int cr__einsum_read(const char *equation, int n, cr_tensor *const *operands, cr__einsum_plan *plan);
void cr__einsum_put(cr__einsum_plan *plan, int64_t word);
void cr__einsum_free(cr__einsum_plan *plan);

#endif
