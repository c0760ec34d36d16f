/* shim.h: what the engine (dnnl.c) and libcresset_dnnl.so (shim.c, convolution.c) share.
 *
 * Holds true: plain C without a type of oneDNN's, so only this folder is compiled against its header. */
#ifndef CR__CPU_DNNL_SHIM_H
#define CR__CPU_DNNL_SHIM_H

#include <stdint.h>

enum { CR__DNNL_NOTHING, CR__DNNL_TO_C, CR__DNNL_ROW }; /* what is added: nothing, c, a row of n */

/* c = a b (+ what is added): m x k, k x n, m x n. Strides count elements; of a's two and of b's two
 * one is 1, and columns of c lie side by side. Padding is zero, so that bytes can be compared. */
typedef struct cr__dnnl_product {
  int32_t dtype, added; /* dtype: CR_FLOAT32 or CR_BFLOAT16 */
  int64_t m, n, k;
  int64_t am, ak, bk, bn, cm;
} cr__dnnl_product;

enum { CR__DNNL_FORWARD, CR__DNNL_INPUT, CR__DNNL_WEIGHT }; /* what a convolution gives */

/* In float32, y at o takes x at o * stride + t * dilation - padding times w at t: x is n x groups x cx x x[3],
 * y n x groups x cy x y[3], w groups x cy x cx x w[3]. Padding of the struct is zero, so that bytes can be compared. */
typedef struct cr__dnnl_convolution {
  int64_t gives, bias; /* bias: whether there is one, in the forward direction */
  int64_t n, groups, cx, cy;
  int64_t x[3], w[3], y[3], stride[3], padding[3], dilation[3];
} cr__dnnl_convolution;

/* What both sides must agree on: a number to raise when a meaning changes, and the size of what they share. */
#define CR__DNNL_ABI ((int)(200 + sizeof(cr__dnnl_product) + 1009 * sizeof(cr__dnnl_convolution)))
typedef int (*cr__dnnl_abi_function)(void);
/* The bytes of scratch memory that the product needs, or -1: oneDNN has no fast way here. */
typedef int64_t (*cr__dnnl_prepare_function)(const cr__dnnl_product *p);
/* On the calling thread alone. Nonzero: out of memory, c is undefined. */
typedef int (*cr__dnnl_run_function)(const cr__dnnl_product *p, const void *a, const void *b,
                                     const void *row, void *c, void *scratch);
typedef void (*cr__dnnl_version_function)(int version[3]);
/* What a convolution needs: bytes of scratch memory, and of a weight in the order that it likes best, which
 * `order` writes once for all slices of a batch; 0: as it lies. Nonzero: oneDNN has no fast way here. */
typedef int (*cr__dnnl_convolution_prepare_function)(const cr__dnnl_convolution *c,
                                                     int64_t *scratch, int64_t *weight);
typedef int (*cr__dnnl_convolution_order_function)(const cr__dnnl_convolution *c, const void *w,
                                                   void *to);
/* On the calling thread alone. Nonzero: out of memory, the result is undefined. */
typedef int (*cr__dnnl_convolution_run_function)(const cr__dnnl_convolution *c, void *x, void *w,
                                                 void *y, const void *bias, void *scratch);

#endif
