/* cuda/kernels/index.h: what reading (gather.cu) and writing (scatter.cu) by positions share.
 *
 * Holds true: a position p counts from 1, or from -1 at the end; it stands for the offset
 * (p - 1) * stride, or (p + size) * stride. With size -1 positions are offsets plus 1. A position
 * that is out of range is reported where it is read, and its element left out: no address is made of
 * it. Offsets made of one are CR__NOWHERE. */
#ifndef CR__CUDA_INDEX_H
#define CR__CUDA_INDEX_H

#include "grid.h"

#define CR__NOWHERE INT64_MIN

typedef struct cr__positions {
  const char *data;
  bool wide; /* int64, else int32 */
  int32_t dim;
  int64_t size, stride; /* of the indexed dim */
  cr__fault *fault;
  const char *op;
} cr__positions;

static inline int cr__positions_of(const cr__launch *k, const cr__view *index, int64_t size,
                                   int64_t step, int64_t dim, cr__positions *p) {
  *p = {index->data, index->dtype == CR_INT64, (int32_t)dim, size, step, cr__fault_slot(),
        k->op};
  return p->fault ? 0 : CR_E_DEVICE;
}

/* The place (from 0) that the position at `at` stands for, or -1: then there is none. */
static __device__ __forceinline__ int64_t cr__place_of(const cr__positions &p, int64_t at) {
  int64_t x = p.wide ? ((const int64_t *)p.data)[at] : ((const int32_t *)p.data)[at];
  if (p.size < 0) return x == CR__NOWHERE ? -1 : x - 1;
  if (x == 0 || x > p.size || x < -p.size) {
    cr__report_index(p.fault, p.op, p.dim, x, p.size);
    return -1;
  }
  return x < 0 ? x + p.size : x - 1;
}

static inline bool cr__divides(int64_t n, int64_t by) { return n % by == 0; }

/* True if operands 0 and 1 step by multiples of f along the dims of `it` from `first` on. */
static inline bool cr__steps_divide(const cr__iter *it, int first, int64_t f) {
  for (int d = first; d < it->ndim; d++)
    if (!cr__divides(it->stride[0][d], f) || !cr__divides(it->stride[1][d], f)) return false;
  return true;
}
static inline void cr__divide_steps(cr__iter *it, int first, int64_t f) {
  for (int d = first; d < it->ndim; d++) {
    it->stride[0][d] /= f;
    it->stride[1][d] /= f;
  }
}

/* The bytes (up to 16) of what can be moved as one element instead of `size`, if whole innermost rows
 * of `it` are moved: operands 0 (out) and 1 (from) are contiguous along them, the positions (2)
 * repeat. Then the iteration, `others` (NULL: none) and *stride, of the indexed dim, count those
 * larger elements. */
static inline int64_t cr__widen(cr__iter *it, cr__iter *others, int64_t size, const char *out,
                                const char *from, int64_t *stride) {
  int64_t f = 16 / size;
  if (it->stride[0][0] != 1 || it->stride[1][0] != 1 || it->stride[2][0] != 0) return size;
  for (; f > 1; f /= 2) {
    bool fits = cr__divides(it->shape[0], f) && cr__divides(*stride, f) &&
                cr__divides((int64_t)((uintptr_t)out | (uintptr_t)from), f * size);
    if (fits && cr__steps_divide(it, 1, f) && (!others || cr__steps_divide(others, 0, f))) break;
  }
  it->shape[0] /= f;
  it->numel /= f;
  *stride /= f;
  cr__divide_steps(it, 1, f);
  if (others) cr__divide_steps(others, 0, f);
  return f * size;
}

#endif
