/* random.h: what the run functions that draw random numbers share.
 *
 * Holds true: the generator is asked only after the arguments were checked and the result has its
 * memory, so that a refused call moves nothing on. */
#ifndef CR__RUN_RANDOM_H
#define CR__RUN_RANDOM_H

#include "create.h"

/* Begins a launch that writes t and draws `blocks` of the generator. */
void cr__begin_draws(cr__launch *k, const cr_op *op, cr_tensor *t, int64_t blocks);
/* Blocks for n draws of 32 bits, or (wide) of 64. */
int64_t cr__draw_blocks(int64_t n, bool wide);
/* Fails unless dtype is floating. */
int cr__check_floating(const cr_op *op, cr_dtype dtype);
/* The integer up to which dtype holds all of them. */
int64_t cr__exact_up_to(cr_dtype dtype);

#endif
