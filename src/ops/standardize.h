/* standardize.h: a tensor as rows, as the normalizations and standardize.c see it.
 *
 * Holds true: the elements are those of the tensor in order. */
#ifndef CR__OPS_STANDARDIZE_H
#define CR__OPS_STANDARDIZE_H

#include <stdint.h>

/* outer x batch x groups x channels x inner elements, of which a row has batch x channels x inner; weight and bias have
 * groups x channels. */
typedef struct cr__rows {
  int64_t outer, batch, groups, channels, inner;
} cr__rows;

#endif
