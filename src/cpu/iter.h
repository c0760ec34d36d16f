/* iter.h: walking several strided views of one shape together.
 *
 * Holds true: an iteration has dims without size 1, innermost first, merged where every operand
 * allows it; its order follows the memory of operand 0. A walk is a position in one operand. */
#ifndef CR__ITER_H
#define CR__ITER_H

#include "device/backend.h"

#define CR__ITER_OPERANDS 5

typedef struct cr__iter {
  int ndim; /* at least 1; shape[0] may be 0 or 1 then */
  int64_t numel;
  int64_t shape[CR_MAX_DIMS];
  int64_t stride[CR__ITER_OPERANDS][CR_MAX_DIMS]; /* in elements */
} cr__iter;

void cr__iter_begin(cr__iter *it, int ndim, const int64_t *shape, int noperand,
                    const int64_t *const *stride);

/* Operand k steps by one element throughout / does not move at all. */
static inline bool cr__iter_linear(const cr__iter *it, int k) {
  return it->ndim == 1 && (it->stride[k][0] == 1 || it->shape[0] == 1);
}
static inline bool cr__iter_fixed(const cr__iter *it, int k) {
  for (int d = 0; d < it->ndim; d++)
    if (it->stride[k][d] != 0) return false;
  return true;
}
/* True if operand k is contiguous in the order of the iteration, though others are not. */
bool cr__iter_dense(const cr__iter *it, int k);

typedef struct cr__walk {
  const cr__iter *it;
  const int64_t *stride;
  int64_t offset; /* of the current element */
  int64_t at[CR_MAX_DIMS];
} cr__walk;

void cr__walk_seek(cr__walk *w, const cr__iter *it, int operand, int64_t position);
void cr__walk_carry(cr__walk *w);

/* Elements left in the current innermost row. */
static inline int64_t cr__walk_left(const cr__walk *w) { return w->it->shape[0] - w->at[0]; }
/* Goes on by n <= cr__walk_left(). */
static inline void cr__walk_advance(cr__walk *w, int64_t n) {
  w->at[0] += n;
  w->offset += n * w->stride[0];
  if (w->at[0] == w->it->shape[0]) cr__walk_carry(w);
}

#endif
