/* geometry.h: what the run functions of views, copies and indexing share.
 *
 * Holds true: these functions return new references outside every graph; given NULL they return NULL
 * and keep the error that is pending. */
#ifndef CR__RUN_GEOMETRY_H
#define CR__RUN_GEOMETRY_H

#include "create.h"

/* The size of dim d (from 0); a 0-dim tensor counts as one of a single element. */
static inline int64_t cr__size_along(const cr_tensor *t, int d) {
  return t->ndim ? cr__sizes(t)[d] : 1;
}
/* view.c: zeros of t's dtype and device. */
cr_tensor *cr__zeros_for(const char *op, const cr_tensor *t, int ndim, const int64_t *shape);
/* view.c: t seen with another shape, to which it broadcasts; the caller names both in messages. */
cr_tensor *cr__broadcast_view(const char *op, cr_tensor *t, const char *what, int ndim,
                              const int64_t *shape);
/* view.c: t seen with dim d (from 0) reduced to `length` positions, `step` apart. */
cr_tensor *cr__range_view(cr_tensor *t, int d, int64_t start, int64_t length, int64_t step);
/* slice.c: where position `index` (from 1, or from the end) of dim d, of `size`, lies, from 0. */
int cr__find_position(const char *op, int64_t index, int d, int64_t size, int64_t *at);
/* slice.c: the same for a range: its start and length. */
typedef struct cr__range {
  const int64_t *first, *last; /* NULL: not given */
  int64_t step;
} cr__range;
int cr__find_range(const char *op, const cr__range *ends, int d, int64_t size, int64_t *start,
                   int64_t *length);
/* slice.c: copies g into the part of zeros that `part` (stolen, a view of them) shows, and returns
 * zeros, stolen. */
cr_tensor *cr__fill_part(const char *op, cr_tensor *zeros, cr_tensor *part, cr_tensor *g);
/* atleast.c: t with n dims at least (1 to 3), retained or as a view. */
cr_tensor *cr__at_least(cr_tensor *t, int n);
/* cat.c: an error unless the list has tensors only, at least one of them, all on one device. */
int cr__check_list(const char *op, cr__tensors list);
/* copy.c: a contiguous copy, of t's dtype or another one. */
cr_tensor *cr__copy_of(const char *op, cr_tensor *t, cr_dtype dtype);
/* copy.c: retains t, or returns a copy of it if it shares memory with what is about to be written. */
cr_tensor *cr__apart(const char *op, cr_tensor *t, const cr_tensor *written);

#endif
