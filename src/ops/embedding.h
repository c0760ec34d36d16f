/* embedding.h: what reading rows of a table one by one (embedding.c) and in bags (embedding_bag.c) share. */
#ifndef CR__RUN_EMBEDDING_H
#define CR__RUN_EMBEDDING_H

#include "positions.h"

/* In *row the number of a row from 1; 0 if padding_idx is not given. */
int cr__padding_row(const cr_op *op, const cr_tensor *weight, const int64_t *padding_idx,
                    int64_t *row);
/* Shortens the rows of weight that index names to a p-norm of `most`; no derivative knows of it. */
int cr__shorten_rows(const cr_op *op, cr_tensor *weight, cr_tensor *index, double most, double p);
/* Returns where index names a row (from 1, of `rows`). */
cr_tensor *cr__named_row(cr_tensor *index, int64_t row, int64_t rows);

#endif
