/* cuda/kernels/walk.cuh: from the position of an element to its offsets in several strided views.
 *
 * Holds true: positions and offsets are computed in 32 bits, with a multiplication in place of each
 * division, where all of them fit in 31 bits; otherwise in 64. A walk goes to a kernel by value. */
#ifndef CR__CUDA_WALK_CUH
#define CR__CUDA_WALK_CUH

#include "runtime/cuda.h"
extern "C" {
#include "cpu/iter.h"
}

template <int N> struct cr__places {
  int32_t ndim; /* dims from the innermost on */
  bool narrow;
  uint8_t shift[CR_MAX_DIMS];
  uint32_t magic[CR_MAX_DIMS]; /* x / shape = (high half of x * magic + x) >> shift */
  int64_t shape[CR_MAX_DIMS];
  int64_t stride[N][CR_MAX_DIMS]; /* in elements */
};

/* Of the first `used` operands of an iteration; the others stand still. */
template <int N> static cr__places<N> cr__places_of(const cr__iter *it, int used = N) {
  cr__places<N> w;
  w.ndim = it->ndim;
  w.narrow = it->numel <= INT32_MAX;
  for (int k = 0; k < N; k++) {
    int64_t reach = 0;
    for (int d = 0; d < it->ndim; d++) {
      int64_t step = k < used ? it->stride[k][d] : 0;
      w.stride[k][d] = step;
      reach += (step < 0 ? -step : step) * (it->shape[d] - 1);
    }
    w.narrow = w.narrow && reach <= INT32_MAX;
  }
  for (int d = 0; d < it->ndim; d++) {
    uint64_t size = (uint64_t)it->shape[d];
    w.shape[d] = it->shape[d];
    w.shift[d] = 0;
    w.magic[d] = 0;
    if (!w.narrow || !size) continue;
    while (((uint64_t)1 << w.shift[d]) < size) w.shift[d]++;
    uint64_t over = ((uint64_t)1 << w.shift[d]) - size;
    w.magic[d] = (uint32_t)((over << 32) / size + 1);
  }
  return w;
}

/* Offsets of element `position` in the first M of the N views. */
template <int M, int N>
__device__ __forceinline__ void cr__locate(const cr__places<N> &w, int64_t position,
                                           int64_t (&at)[M]) {
  const int last = w.ndim - 1;
  if (w.narrow) {
    uint32_t rest = (uint32_t)position;
    int32_t offset[M] = {};
#pragma unroll 1
    for (int d = 0; d < last; d++) {
      uint32_t next = (__umulhi(rest, w.magic[d]) + rest) >> w.shift[d];
      int32_t x = (int32_t)(rest - next * (uint32_t)w.shape[d]);
#pragma unroll
      for (int k = 0; k < M; k++) offset[k] += x * (int32_t)w.stride[k][d];
      rest = next;
    }
#pragma unroll
    for (int k = 0; k < M; k++) at[k] = offset[k] + (int32_t)rest * (int32_t)w.stride[k][last];
  } else {
#pragma unroll
    for (int k = 0; k < M; k++) at[k] = 0;
#pragma unroll 1
    for (int d = 0; d < last; d++) {
      int64_t next = position / w.shape[d], x = position - next * w.shape[d];
#pragma unroll
      for (int k = 0; k < M; k++) at[k] += x * w.stride[k][d];
      position = next;
    }
#pragma unroll
    for (int k = 0; k < M; k++) at[k] += position * w.stride[k][last];
  }
}

#endif
