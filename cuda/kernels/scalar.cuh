/* cuda/kernels/scalar.cuh: the elementary functions that CPU and CUDA share.
 *
 * Holds true: files that include this one are compiled without contraction (CUDA_EXACT in the Makefile), so
 * results equal the CPU's to the bit. */
#ifndef CR__CUDA_SCALAR_CUH
#define CR__CUDA_SCALAR_CUH

#include "runtime/cuda.h"

#define CR__SCALAR static __device__ __forceinline__
#include "scalar/scalar_math.h"

#endif
