/* cuda/kernels/index.cu: positions turned into offsets, before anything moves by them.
 *
 * Holds true: a launch means what it means in cpu/index.c. Positions are checked where they are read. */
#include "index.h"

/* Operands: out, positions. */
static __global__ void ravel_each(cr__places<2> w, int64_t n, int64_t *out, cr__positions p,
                                  bool first) {
  CR__EACH(i, n) {
    int64_t at[2];
    cr__locate(w, i, at);
    int64_t place = cr__place_of(p, at[1]), *to = out + at[0];
    if (place < 0) *to = CR__NOWHERE;
    else if (first) *to = place * p.stride + 1;
    else if (*to != CR__NOWHERE) *to += place * p.stride;
  }
}

extern "C" int cr__cuda_ravel_index(cr__launch *k) {
  const cr__view *out = &k->ravel_index.out, *index = &k->ravel_index.index;
  const int64_t *strides[] = {out->stride, index->stride};
  cr__iter it;
  cr__positions p;
  cr__iter_begin(&it, index->ndim, index->shape, 2, strides);
  if (it.numel == 0) return 0;
  if (cr__positions_of(k, index, k->ravel_index.size, k->ravel_index.step, k->ravel_index.dim, &p)) return CR_E_DEVICE;
  return CR__LAUNCH(k->op, ravel_each, cr__blocks_for(it.numel), CR__THREADS, 0,
                    cr__places_of<2>(&it), it.numel, (int64_t *)out->data, p, k->ravel_index.first);
}
