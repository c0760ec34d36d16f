/* cuda/kernels/pointwise_i32.cu: the pointwise kernels that compute in int32. */
#define CR__COMPUTE CR_INT32
#define CR__SUFFIX i32
#define CR__LOOP_i32(...) CR__EACH_TEXT(__VA_ARGS__)
#include "pointwise.cuh"
