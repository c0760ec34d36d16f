/* cuda/normal.cuh: the distribution function of the normal distribution in float32, for gelu.
 *
 * Holds true: within 5 units in the last place of any result, however small; of -infinity it is 0,
 * of infinity 1. By erfcf it would take half as many instructions again, enough for them to outlast
 * the transfer of gelu's elements, and lose five bits in the tail, where x / sqrt(2) is rounded. */
#ifndef CR__CUDA_NORMAL_CUH
#define CR__CUDA_NORMAL_CUH

#include "cuda.h"

/* exp(-z z / 2) r(t), where z = |x| and t = 1 / (1 + 0.4 z). r is a polynomial: the best of its degree
 * for exp(z z / 2) cdf(-z) on z <= 15, by relative error (1.2e-8). */
static __device__ __forceinline__ float cr__normal_cdf(float x) {
  constexpr float STEP = 0.4f;
  constexpr float r[] = {0.0295741167f, -0.162013069f,   0.346160322f, -0.323549539f,
                         0.074986808f,  -0.00106417143f, 0.0814378858f, 0.135617763f,
                         0.159241527f,  0.159609586f,    -1.24973405e-06f};
  float z = fminf(fabsf(x), 15); /* beyond it, the result is 0 */
  /* The quotient is approximate at first; one step of Newton's knows what the sum has lost, too. */
  float t = __fdividef(1, fmaf(STEP, z, 1));
  t = fmaf(t, fmaf(-STEP * t, z, 1 - t), t);
  float sum = r[0];
#pragma unroll
  for (int i = 1; i < (int)(sizeof r / sizeof *r); i++) sum = fmaf(sum, t, r[i]);
  float square = z * z, lost = fmaf(z, z, -square);
  float density = expf(-0.5f * square);
  float tail = sum * fmaf(density, -0.5f * lost, density);
  return x < 0 ? tail : 1 - tail;
}

#endif
