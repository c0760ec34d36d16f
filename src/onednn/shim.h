/* shim.h: what the engine (dnnl.c) and libcresset_dnnl.so (shim.c) share.
 *
 * Holds true: plain C without a type of oneDNN's, so only shim.c is compiled against its header. */
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

/* What both sides must agree on: a number to raise when a meaning changes, and the size of what they share. */
#define CR__DNNL_ABI ((int)(100 + sizeof(cr__dnnl_product)))
typedef int (*cr__dnnl_abi_function)(void);
/* The bytes of scratch memory that the product needs, or -1: oneDNN has no fast way here. */
typedef int64_t (*cr__dnnl_prepare_function)(const cr__dnnl_product *p);
/* On the calling thread alone. Nonzero: out of memory, c is undefined. */
typedef int (*cr__dnnl_run_function)(const cr__dnnl_product *p, const void *a, const void *b,
                                     const void *row, void *c, void *scratch);
typedef void (*cr__dnnl_version_function)(int version[3]);

#endif
