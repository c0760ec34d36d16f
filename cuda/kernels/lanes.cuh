/* cuda/kernels/lanes.cuh: how reductions, scans and softmax read elements, and values between lanes.
 *
 * Holds true: D is the dtype that is computed in: float32, float64 or int64. A source knows its
 * dtype when it is compiled, or reads elements of any dtype. */
#ifndef CR__CUDA_LANES_CUH
#define CR__CUDA_LANES_CUH

#include "convert.cuh"

/* Elements of dtype From, of which `run` lie in 16 bytes. */
template <int From, int D> struct cr__known {
  typedef typename cr__element<D>::value number;
  typedef typename cr__element<From>::memory memory;
  enum { dtype = From, run = 16 / (int)sizeof(memory), size = (int)sizeof(memory) };
  static __device__ __forceinline__ number load(const char *p, int, int64_t at) {
    return cr__value_as<D>(cr__get<From>(p, at));
  }
  /* Elements at .. at + run - 1, which begin at a multiple of 16 bytes. */
  static __device__ __forceinline__ void load_run(number *x, const char *p, int64_t at) {
    memory m[run];
    cr__load_packet<16>(m, (const memory *)p + at);
#pragma unroll
    for (int i = 0; i < run; i++) x[i] = cr__value_as<D>(cr__element<From>::unpack(m[i]));
  }
  static __device__ __forceinline__ void store(char *p, int, int64_t at, number x) {
    cr__put<From>(p, at, cr__value_as<From>(x));
  }
  static __device__ __forceinline__ void store_run(char *p, int64_t at, const number *x) {
    memory m[run];
#pragma unroll
    for (int i = 0; i < run; i++) m[i] = cr__element<From>::pack(cr__value_as<From>(x[i]));
    cr__store_packet<16>((memory *)(void *)p + at, m);
  }
};

/* Elements of a dtype that the launch tells. */
template <int D> struct cr__any {
  typedef typename cr__element<D>::value number;
  enum { dtype = CR_DTYPE_NONE, run = 1, size = 1 };
  static __device__ __forceinline__ number load(const char *p, int dtype, int64_t at) {
    return cr__load_as<D>(p, dtype, at);
  }
  static __device__ __forceinline__ void load_run(number *x, const char *p, int64_t at) {
    x[0] = cr__get<D>(p, at);
  }
  static __device__ __forceinline__ void store(char *p, int dtype, int64_t at, number x) {
    cr__store_from<D>(p, dtype, at, x);
  }
  static __device__ __forceinline__ void store_run(char *p, int64_t at, const number *x) {
    cr__put<D>(p, at, x[0]);
  }
};

/* ---- Between the lanes of a warp, for values of any size; all lanes take part ---- */

/* What lane + by of a segment of `width` lanes has; beyond the segment the own value. */
template <class S> static __device__ __forceinline__ S cr__lane_after(S x, int by, int width) {
  static_assert(sizeof(S) % 4 == 0, "whole words");
  unsigned words[sizeof(S) / 4];
  memcpy(words, &x, sizeof x);
#pragma unroll
  for (int i = 0; i < (int)(sizeof(S) / 4); i++) {
    words[i] = __shfl_down_sync(0xffffffffu, words[i], (unsigned)by, width);
  }
  memcpy(&x, words, sizeof x);
  return x;
}

/* What lane - by of the warp has; before the first the own value. */
template <class S> static __device__ __forceinline__ S cr__lane_before(S x, int by) {
  static_assert(sizeof(S) % 4 == 0, "whole words");
  unsigned words[sizeof(S) / 4];
  memcpy(words, &x, sizeof x);
#pragma unroll
  for (int i = 0; i < (int)(sizeof(S) / 4); i++) {
    words[i] = __shfl_up_sync(0xffffffffu, words[i], (unsigned)by);
  }
  memcpy(&x, words, sizeof x);
  return x;
}

/* Joins the states of `group` neighbouring threads, a power of two, by F::join, always in the same
 * order; the group's first thread gets the result. `room` holds a state for each warp of the block;
 * the whole block calls it, with groups of up to a warp or of the whole block. */
template <class F>
static __device__ __forceinline__ typename F::state cr__join_group(typename F::state s, int group,
                                                                   typename F::state *room) {
  int width = group < 32 ? group : 32;
  for (int by = width / 2; by > 0; by /= 2) F::join(s, cr__lane_after(s, by, width));
  if (group <= 32) return s;
  if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = s;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int w = 1; w < group / 32; w++) F::join(s, room[w]);
  }
  __syncthreads();
  return s;
}

#endif
