/* cuda/kernels/pointwise_f32.cu: the pointwise kernels that compute in float32, for halves too. */
#define CR__COMPUTE CR_FLOAT32
#define CR__SUFFIX f32
#define CR__LOOP_f32(...) CR__EACH_TEXT(__VA_ARGS__)
#include "pointwise.cuh"
