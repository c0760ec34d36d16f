/* cuda/kernels/grid.h: kernels of a thread per element, in row-major order where that matters.
 *
 * Holds true: a launch of blocks_for(n) blocks of CR__THREADS covers any n, as each thread takes
 * several elements where they outnumber the threads. */
#ifndef CR__CUDA_GRID_H
#define CR__CUDA_GRID_H

#include "walk.cuh"

/* An iteration over n operands in row-major order, over the dims in `mask` (bits of 0-based dims). */
static inline cr__iter cr__row_major(int ndim, const int64_t *shape, int n,
                                     const int64_t *const *strides, uint32_t mask) {
  int64_t size[CR_MAX_DIMS], order[CR_MAX_DIMS], step = 1;
  const int64_t *all[CR__ITER_OPERANDS] = {order};
  for (int d = ndim - 1; d >= 0; d--) {
    size[d] = mask >> d & 1 ? shape[d] : 1;
    order[d] = step;
    step *= size[d];
  }
  for (int k = 0; k < n; k++) all[k + 1] = strides[k];
  cr__iter it;
  cr__iter_begin(&it, ndim, size, n + 1, all); /* its order is that of operand 0 */
  for (int k = 0; k < n; k++)
    for (int d = 0; d < it.ndim; d++) it.stride[k][d] = it.stride[k + 1][d];
  return it;
}

/* The least and the greatest offset of operand k. */
static inline void cr__span(const cr__iter *it, int k, int64_t *least, int64_t *greatest) {
  *least = *greatest = 0;
  for (int d = 0; d < it->ndim; d++) {
    int64_t far = it->stride[k][d] * (it->shape[d] - 1);
    if (far < 0) *least += far;
    else *greatest += far;
  }
}

enum { CR__THREADS = 256 };

/* As many blocks as n threads need, or as keep the device busy when each takes several. */
static inline dim3 cr__blocks_for(int64_t n) {
  int64_t blocks = (n + CR__THREADS - 1) / CR__THREADS, most = 32LL * cr__cuda_multiprocessors();
  return dim3((unsigned)(blocks < 1 ? 1 : blocks < most ? blocks : most));
}

/* Threads of a block where each takes `each` of n elements, once: small calls go in smaller blocks,
 * so that every multiprocessor has some. */
static inline unsigned cr__threads_for(int64_t n, int64_t each) {
  int64_t busy = 2LL * cr__cuda_multiprocessors();
  unsigned threads = CR__THREADS;
  while (threads > 64 && n / (each * threads) < busy) threads /= 2;
  return threads;
}

/* The header of a loop over this thread's share of n elements. */
#define CR__EACH(i, n)                                                      \
  for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < (n); \
       i += (int64_t)gridDim.x * blockDim.x)

/* ---- Scans ---- */

/* The sum over the threads before this one in a block of CR__THREADS; *total: over all of them.
 * Every thread must call it. */
template <typename T> static __device__ T cr__block_scan(T value, T *total) {
  __shared__ T warps[CR__THREADS / 32];
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  T sum = value;
  for (int by = 1; by < 32; by *= 2) {
    T other = __shfl_up_sync(0xffffffffu, sum, by);
    if (lane >= by) sum += other;
  }
  if (lane == 31) warps[warp] = sum;
  __syncthreads();
  T before = 0, all = 0;
  for (int w = 0; w < CR__THREADS / 32; w++) {
    if (w == warp) before = all;
    all += warps[w];
  }
  __syncthreads();
  *total = all;
  return before + sum - value;
}

#endif
