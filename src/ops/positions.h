/* positions.h: what reading and writing by tensors of positions share (gather.c, scatter.c,
 * index.c, mask.c).
 *
 * Holds true: a plan describes elements of a tensor by a view and a tensor of positions of one shape;
 * the same plan serves to read them (gather) and to write them (scatter). */
#ifndef CR__RUN_POSITIONS_H
#define CR__RUN_POSITIONS_H

#include "geometry.h"

typedef struct cr__index_plan {
  cr_tensor *index; /* owned: positions, or offsets plus 1 */
  int64_t size;     /* of the indexed dim; -1: index holds offsets plus 1 */
  int64_t step;     /* the tensor's stride along it */
  int dim;          /* its number, from 1 */
  int ndim;         /* the common shape, and how the two are seen through it */
  int64_t shape[CR_MAX_DIMS], stride[CR_MAX_DIMS], index_stride[CR_MAX_DIMS];
} cr__index_plan;

/* Fails unless t holds int64 or int32. */
int cr__check_index_dtype(const char *op, const cr_tensor *t);
/* Plan along dim `dim` of t: positions that an index of at most one dim lists, or one for each element of
 * an index of as many dims as t. Release p->index. */
int cr__plan_list(const char *op, cr_tensor *t, int64_t dim, cr_tensor *index, cr__index_plan *p);
int cr__plan_each(const char *op, cr_tensor *t, int64_t dim, cr_tensor *index, cr__index_plan *p);
/* Makes v, of an operand of a plan, one of the plan's shape. */
void cr__see_plan(cr__view *v, const cr__index_plan *p, const int64_t *stride);
/* Reads a plan's elements of t into a new tensor of the shape (ndim, shape), or of the plan's. */
cr_tensor *cr__gather(const char *op, cr_tensor *t, const cr__index_plan *p, int ndim,
                      const int64_t *shape);
/* Writes (or adds, or multiplies by: `how`) values, which broadcast to the plan's shape, to its elements
 * of t. */
int cr__scatter(const char *op, cr_tensor *t, const cr__index_plan *p, cr_tensor *values,
                cr__scatter_mode how);
/* Adds values to a tensor that nobody has seen yet, which is to be given up after an error. */
int cr__add_to_new(const char *op, cr_tensor *t, const cr__index_plan *p, cr_tensor *values);
/* Writes args' value, a number or a tensor (of t's dtype unless 0-dim), in the same way. */
int cr__scatter_value(const char *op, cr_tensor *t, const cr__index_plan *p, const cr_value *value,
                      const char *name, cr__scatter_mode how);
/* A plan for indices (elements may be NULL) by the rules of NumPy. Release p->index. */
int cr__plan_indices(const char *op, cr_tensor *t, const cr_value *indices, cr__index_plan *p);
/* Returns what a tensor of positions reads along the first dim (index.c). */
cr_tensor *cr__read_first_dim(const cr_op *op, cr_tensor *t, cr_tensor *index);
/* The true elements of a mask, as offsets plus 1 in a tensor with the strides `steps` along the
 * mask's dims; a 0-dim mask gives one offset or none. */
cr_tensor *cr__true_offsets(const char *op, cr_tensor *mask, const int64_t *steps);

#endif
