/* cuda/kernels/pointwise.h: how elementwise.cu hands a call to the file of its compute type.
 *
 * Holds true: each of pointwise_f64.cu ... pointwise_b8.cu defines one launcher and one list. */
#ifndef CR__CUDA_POINTWISE_H
#define CR__CUDA_POINTWISE_H

#include "grid.h"

#define CR__POINTWISE_OPERANDS (1 + CR__MAX_OPERANDS) /* the output is the first */

/* X(suffix, dtype) for every compute type. */
#define CR__COMPUTE_TYPES(X) \
  X(f64, CR_FLOAT64)         \
  X(f32, CR_FLOAT32)         \
  X(i64, CR_INT64)           \
  X(i32, CR_INT32)           \
  X(i16, CR_INT16)           \
  X(i8, CR_INT8)             \
  X(u8, CR_UINT8)            \
  X(b8, CR_BOOL)

typedef struct cr__pointwise_call {
  const cr__elementwise *e;
  cr__iter it;    /* over the output and the inputs */
  bool dense;     /* all operands are contiguous and aligned to 16 bytes, or one element */
  uint32_t fixed; /* bit i: operand i is one element for all */
} cr__pointwise_call;

#define X(suffix, dtype)                                   \
  int cr__pointwise_##suffix(const cr__pointwise_call *c); \
  bool cr__pointwise_has_##suffix(int pointwise);          \
  bool cr__pointwise_gives_bool_##suffix(int pointwise);
CR__COMPUTE_TYPES(X)
#undef X

#endif
