/* float16.h: what a 16-bit float is to the emulation: storage, converted to and from float. */
#ifndef CR__EMULATE_FLOAT16_H
#define CR__EMULATE_FLOAT16_H

#include "cuda_runtime.h"

/* Defines TYPE, the pair TYPE2, and CUDA's functions that carry `name` in theirs; widen and narrow
 * convert the bits. */
#define CR__EMULATE_FLOAT16(TYPE, TYPE2, name, widen, narrow)                  \
  struct TYPE {                                                                \
    unsigned short bits;                                                       \
    TYPE() = default;                                                          \
    explicit TYPE(float x) : bits(narrow(x)) {}                                \
    explicit operator float() const { return widen(bits); }                    \
  };                                                                           \
  struct __attribute__((aligned(4))) TYPE2 {                                   \
    TYPE x, y;                                                                 \
  };                                                                           \
  static inline float __##name##2float(TYPE h) { return (float)h; }            \
  static inline TYPE __float2##name##_rn(float x) { return TYPE(x); }          \
  static inline TYPE __float2##name(float x) { return TYPE(x); }               \
  static inline unsigned short __##name##_as_ushort(TYPE h) { return h.bits; } \
  static inline TYPE __ushort_as_##name(unsigned short u) {                    \
    TYPE h;                                                                    \
    h.bits = u;                                                                \
    return h;                                                                  \
  }

#endif
