/* cuda/kernels/sums.cuh: what threads add up, as states that cr__join_group joins.
 *
 * Holds true: all of them are double; the order in which states meet is the caller's. */
#ifndef CR__CUDA_SUMS_CUH
#define CR__CUDA_SUMS_CUH

#include "scalar.cuh"

struct cr__one_sum {
  typedef double state;
  static __device__ __forceinline__ void join(double &s, double other) { s += other; }
};

struct cr__two_sums {
  struct state {
    double a, b;
  };
  static __device__ __forceinline__ void join(state &s, const state &other) {
    s.a += other.a, s.b += other.b;
  }
};

/* The largest of some numbers, and the sum of the exponentials of the others measured from it. */
struct cr__log_sum {
  struct state {
    double top, rest;
  };
  static __device__ __forceinline__ void join(state &s, const state &other) {
    bool nothing = other.top == -INFINITY || s.top == -INFINITY;
    double high = other.top > s.top ? other.top : s.top,
           low = other.top > s.top ? s.top : other.top;
    double rest = other.top > s.top ? other.rest : s.rest,
           add = other.top > s.top ? s.rest : other.rest;
    s.rest = rest + (nothing ? add : (1 + add) * f64_exp(low - high));
    s.top = high;
  }
};

#endif
