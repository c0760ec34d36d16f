/* cuda/kernels/pointwise_u8.cu: the pointwise kernels that compute in uint8. */
#define CR__COMPUTE CR_UINT8
#define CR__SUFFIX u8
#define CR__LOOP_u8(...) CR__EACH_TEXT(__VA_ARGS__)
#include "pointwise.cuh"
