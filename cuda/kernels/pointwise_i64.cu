/* cuda/kernels/pointwise_i64.cu: the pointwise kernels that compute in int64. */
#define CR__COMPUTE CR_INT64
#define CR__SUFFIX i64
#define CR__LOOP_i64(...) CR__EACH_TEXT(__VA_ARGS__)
#include "pointwise.cuh"
