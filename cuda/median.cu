/* cuda/median.cu: the median along a dim, with its position.
 *
 * Holds true: of an even number of elements the lower middle one is taken; the position is that of
 * the first element equal to it; a NaN makes the median NaN, at the first NaN's position. A block
 * finds the median's key, an unsigned number of the same order, eight bits at a time. */
#include "fold.cuh"

enum { KEYS = 256, FEW = 32, MANY = 256 };

typedef unsigned long long count; /* what atomicAdd takes */

/* Keys have the order of their numbers; equal numbers have one key, 0 and -0 as well. */
static __device__ __forceinline__ uint64_t key_of(int64_t x) {
  return (uint64_t)x ^ 0x8000000000000000u;
}
static __device__ __forceinline__ uint64_t key_of(double x) {
  uint64_t u = (uint64_t)__double_as_longlong(x + 0.0);
  return u >> 63 ? ~u : u | 0x8000000000000000u;
}

/* The least of what the threads of a block have; all of them get it. */
static __device__ int64_t least_of_block(int64_t x, int64_t *room) {
  room[threadIdx.x] = x;
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half && room[threadIdx.x + half] < room[threadIdx.x]) {
      room[threadIdx.x] = room[threadIdx.x + half];
    }
    __syncthreads();
  }
  x = room[0];
  __syncthreads();
  return x;
}

template <int D>
static __global__ void __launch_bounds__(MANY) median_of_line(cr__fold_call c) {
  typedef typename cr__element<D>::value N;
  __shared__ int64_t room[MANY];
  __shared__ count seen[KEYS];
  __shared__ uint64_t chosen;
  __shared__ count left;
  int64_t n = c.reduced.count, step = c.reduced.in[0], out, first = n;
  int64_t from = cr__fold_offset(c.kept, blockIdx.x, c.narrow, &out);
  for (int64_t r = threadIdx.x; r < n && first == n; r += blockDim.x) {
    N x = cr__load_as<D>(c.in, c.in_dtype, from + r * step);
    if (x != x) first = r;
  }
  first = least_of_block(first, room);
  bool has_nan = first < n;
  uint64_t prefix = 0;
  if (threadIdx.x == 0) chosen = 0, left = (count)(n - 1) / 2;
  for (int shift = 56; shift >= 0 && !has_nan; shift -= 8) {
    for (int i = (int)threadIdx.x; i < KEYS; i += (int)blockDim.x) seen[i] = 0;
    __syncthreads();
    uint64_t above = shift == 56 ? 0 : ~(uint64_t)0 << (shift + 8);
    for (int64_t r = threadIdx.x; r < n; r += blockDim.x) {
      uint64_t key = key_of(cr__load_as<D>(c.in, c.in_dtype, from + r * step));
      if ((key & above) == prefix) atomicAdd(&seen[key >> shift & 255], (count)1);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      int digit = 0;
      count rest = left;
      for (; digit < KEYS - 1 && rest >= seen[digit]; digit++) rest -= seen[digit];
      left = rest;
      chosen |= (uint64_t)digit << shift;
    }
    __syncthreads();
    prefix = chosen;
  }
  for (int64_t r = threadIdx.x; r < n && first == n; r += blockDim.x) {
    N x = cr__load_as<D>(c.in, c.in_dtype, from + r * step);
    if (key_of(x) == prefix) first = r;
  }
  first = least_of_block(first, room);
  if (threadIdx.x != 0) return;
  N median = cr__load_as<D>(c.in, c.in_dtype, from + first * step);
  cr__store_from<D>(c.out, c.out_dtype, out, median);
  ((int64_t *)(void *)c.indices)[out] = first + 1;
}

/* v[0] = values, v[1] = int64 positions, v[2] = the input. i[0]: the 0-based dim, of size 1 in the
 * results and not of size 0 in the input. The results are contiguous. */
extern "C" int cr__cuda_median(cr__launch *k) {
  cr__fold_call c = {};
  const cr__view *in = &k->v[2];
  cr__fold_plan(&c, &k->v[1], in, (uint32_t)1 << k->i[0]);
  if (c.kept.count == 0) return 0;
  c.out = k->v[0].data, c.out_dtype = k->v[0].dtype;
  c.indices = k->v[1].data;
  bool whole = cr__category((cr_dtype)in->dtype) != CR_FLOATING;
  auto kernel = whole ? median_of_line<CR_INT64> : median_of_line<CR_FLOAT64>;
  unsigned block = c.reduced.count <= 4 * FEW ? FEW : MANY;
  return CR__LAUNCH(k->op, kernel, (unsigned)c.kept.count, block, 0, c);
}
