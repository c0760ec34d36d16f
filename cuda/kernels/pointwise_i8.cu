/* cuda/kernels/pointwise_i8.cu: the pointwise kernels that compute in int8. */
#define CR__COMPUTE CR_INT8
#define CR__SUFFIX i8
#define CR__LOOP_i8(...) CR__EACH_TEXT(__VA_ARGS__)
#include "pointwise.cuh"
