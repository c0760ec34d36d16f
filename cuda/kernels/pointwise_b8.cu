/* cuda/kernels/pointwise_b8.cu: the pointwise kernels that compute in bool. */
#define CR__COMPUTE CR_BOOL
#define CR__SUFFIX b8
#define CR__LOOP_b8(...) CR__EACH_TEXT(__VA_ARGS__)
#include "pointwise.cuh"
