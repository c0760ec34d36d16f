/* cuda/kernels/gather.cu: reading by positions.
 *
 * Holds true: a launch means what it means in cpu/gather.c. Positions are checked where they are read. */
#include "index.h"

/* Operands: out, from, index. */
template <typename T>
static __global__ void gather_each(cr__places<3> w, int64_t n, T *out, const T *from,
                                   cr__positions p) {
  CR__EACH(i, n) {
    int64_t at[3];
    cr__locate(w, i, at);
    int64_t place = cr__place_of(p, at[2]);
    if (place >= 0) out[at[0]] = from[at[1] + place * p.stride];
  }
}

template <typename T>
static int gather(const cr__launch *k, const cr__iter *it, const cr__positions &p) {
  return CR__LAUNCH(k->op, gather_each<T>, cr__blocks_for(it->numel), CR__THREADS, 0,
                    cr__places_of<3>(it), it->numel, (T *)k->gather.out.data, (const T *)k->gather.from.data, p);
}

extern "C" int cr__cuda_gather(cr__launch *k) {
  const cr__view *out = &k->gather.out, *from = &k->gather.from, *index = &k->gather.index;
  const int64_t *strides[] = {out->stride, from->stride, index->stride};
  cr__iter it;
  cr__positions p;
  cr__iter_begin(&it, out->ndim, out->shape, 3, strides);
  if (it.numel == 0) return 0;
  if (cr__positions_of(k, index, k->gather.size, k->gather.step, k->gather.dim, &p)) return CR_E_DEVICE;
  int64_t size = (int64_t)cr__size_of((cr_dtype)out->dtype);
  switch (cr__widen(&it, NULL, size, out->data, from->data, &p.stride)) {
  case 1: return gather<uint8_t>(k, &it, p);
  case 2: return gather<uint16_t>(k, &it, p);
  case 4: return gather<uint32_t>(k, &it, p);
  case 8: return gather<uint64_t>(k, &it, p);
  default: return gather<uint4>(k, &it, p);
  }
}
