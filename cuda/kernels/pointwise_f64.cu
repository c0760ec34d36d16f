/* cuda/kernels/pointwise_f64.cu: the pointwise kernels that compute in float64. */
#define CR__COMPUTE CR_FLOAT64
#define CR__SUFFIX f64
#define CR__LOOP_f64(...) CR__EACH_TEXT(__VA_ARGS__)
#include "pointwise.cuh"
