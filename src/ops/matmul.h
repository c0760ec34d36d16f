/* matmul.h: the checks that all products share.
 *
 * Holds true: a message starts with the name of the operation that was called. */
#ifndef CR__RUN_MATMUL_H
#define CR__RUN_MATMUL_H

#include "create.h"

int cr__check_rank(const cr_op *op, const char *param, const cr_tensor *t, int ndim);
int cr__check_dtypes(const char *op, const cr_tensor *a,
                     const cr_tensor *b); /* one, and not bool */
/* All that two factors must fulfil once their ranks are right: dtypes, inner sizes, devices. */
int cr__check_pair(const cr_op *op, const cr_tensor *a, const cr_tensor *b);
int64_t cr__product_of(int n, const int64_t *shape);
/* Returns t in another shape. */
cr_tensor *cr__reshaped(cr_tensor *t, int ndim, const int64_t *shape);
/* The same of t that is stolen. */
cr_tensor *cr__reshaped_away(cr_tensor *t, int ndim, const int64_t *shape);

#endif
