/* reduce.h: what the run functions of reductions, scans and softmax share.
 *
 * Holds true: a result's view has the dims of the input, with size 1 where they are folded, whether
 * or not the result itself keeps them. */
#ifndef CR__RUN_REDUCE_H
#define CR__RUN_REDUCE_H

#include "scalar/reduction.h"
#include "geometry.h"

/* Dims as a mask; none and an empty list mean all. */
static inline int cr__fold_mask(const char *op, cr__ints dims, int ndim, uint32_t *mask) {
  *mask = (UINT32_C(1) << ndim) - 1;
  if (dims.n <= 0) return 0;
  cr_value named = cr_ints(dims.at, dims.n);
  return cr__dim_mask(op, &named, ndim, mask);
}

/* Number of elements behind one result. */
static inline int64_t cr__fold_count(const cr_tensor *self, uint32_t mask) {
  int64_t n = 1;
  for (int d = 0; d < self->ndim; d++)
    if (mask >> d & 1) n *= cr__sizes(self)[d];
  return n;
}

/* The dtype that the call names, or what sums of dtype are of. */
static inline cr_dtype cr__sum_dtype(cr_dtype asked, cr_dtype dtype) {
  if (asked != CR_DTYPE_NONE) return asked;
  return cr__is_float(dtype) ? dtype : CR_INT64;
}

/* reduce.c: returns a new tensor for a reduction of self. */
cr_tensor *cr__new_folded(const char *op, cr_tensor *self, uint32_t mask, bool keepdim,
                          cr_dtype dtype);
/* reduce.c: makes a slot of the launch the view of such a tensor. */
void cr__view_folded(cr__launch *k, cr__view *slot, const cr_tensor *out, const cr_tensor *self,
                     uint32_t mask);
/* reduce.c: an error unless dtype is floating; says how to get there. */
int cr__need_float(const char *op, cr_dtype dtype, const char *advice);
/* scan.c: self as lines along dim d. */
cr__line_sizes cr__lines_of(const cr_tensor *self, int d);

#endif
