/* random.h: what the run functions that draw random numbers share.
 *
 * Holds true: the generator is asked only after the arguments were checked and the result has its
 * memory, so that a refused call moves nothing on. */
#ifndef CR__RUN_RANDOM_H
#define CR__RUN_RANDOM_H

#include "create.h"

/* Takes `blocks` of the generator for a launch. */
cr__rng_place cr__take_draws(int64_t blocks);
/* Begins a launch that writes t through `out` and draws `blocks` of the generator, from *rng on. */
void cr__begin_draws(cr__launch *k, const cr_op *op, cr__view *out, cr_tensor *t,
                     cr__rng_place *rng, int64_t blocks);
/* Blocks for n draws of 32 bits, or (wide) of 64. */
int64_t cr__draw_blocks(int64_t n, bool wide);
/* Fails unless dtype is floating. */
int cr__check_floating(const cr_op *op, cr_dtype dtype);
/* Fails unless p lies between 0 and 1. */
int cr__check_probability(const cr_op *op, double p);
/* The integer up to which dtype holds all of them. */
int64_t cr__exact_up_to(cr_dtype dtype);

#endif
