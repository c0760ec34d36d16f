/* cuda/kernels/pointwise_i16.cu: the pointwise kernels that compute in int16. */
#define CR__COMPUTE CR_INT16
#define CR__SUFFIX i16
#define CR__LOOP_i16(...) CR__EACH_TEXT(__VA_ARGS__)
#include "pointwise.cuh"
