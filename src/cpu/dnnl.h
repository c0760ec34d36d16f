/* dnnl.h: what libcresset_dnnl.so offers: oneDNN, opened when the first call that is large enough asks for it (dnnl.c).
 *
 * Holds true: the table is whole, or there is none. */
#ifndef CR__CPU_DNNL_H
#define CR__CPU_DNNL_H

#include "onednn/shim.h"

typedef struct cr__dnnl {
  cr__dnnl_prepare_function prepare;
  cr__dnnl_run_function run;
  cr__dnnl_convolution_prepare_function convolution_prepare;
  cr__dnnl_convolution_order_function convolution_order;
  cr__dnnl_convolution_run_function convolution_run;
} cr__dnnl;

/* NULL: it is not there, or CRESSET_DNNL=none in the environment leaves it out. */
const cr__dnnl *cr__dnnl_here(void);

#endif
