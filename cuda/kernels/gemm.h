/* cuda/kernels/gemm.h: what the kernels of matrix products (matmul.cu) and cuBLASLt (cublas.cu) share. */
#ifndef CR__CUDA_GEMM_H
#define CR__CUDA_GEMM_H

#include "runtime/cuda.h"

/* `count` products c = a b (+ added), all of one dtype. Strides count elements, and may be anything, except
 * that c's elements are distinct. */
typedef struct cr__product {
  const char *op;
  int ordinal, dtype;
  int64_t count, m, n, k;
  char *c;
  const char *a, *b, *added; /* added: or NULL */
  int64_t cs, cm, cn;        /* the steps between products, rows, columns */
  int64_t as, am, ak;
  int64_t bs, bk, bn;
  int64_t ds, dm, dn; /* of added */
} cr__product;

/* ---- cublas.cu ---- */

/* Multiplies matrices (m and n above 1) by cuBLASLt: 0 when queued, a code with the error set, or -1:
 * it is missing or cannot. */
int cr__cublas_gemm(const cr__product *p);

#endif
