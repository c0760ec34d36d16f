/* cpu/vector_math.h: tells the compiler which functions of libm have vector forms.
 *
 * Holds true: the forms are those of glibc's libmvec (at most 4 ulp), reached through the vector ABI
 * that GCC speaks; other compilers and libraries call the scalar functions, one element at a time. */
#ifndef CR__VECTOR_MATH_H
#define CR__VECTOR_MATH_H

#include <math.h>

#if defined __x86_64__ && defined __GNUC__ && !defined __clang__ && defined __OPTIMIZE__ && \
    defined __GLIBC__
#if __GLIBC_PREREQ(2, 35)

#define CR__VECTOR1(name)                                          \
  extern double name(double) __attribute__((simd("notinbranch"))); \
  extern float name##f(float) __attribute__((simd("notinbranch")));
#define CR__VECTOR2(name)                                                  \
  extern double name(double, double) __attribute__((simd("notinbranch"))); \
  extern float name##f(float, float) __attribute__((simd("notinbranch")));

CR__VECTOR1(exp)
CR__VECTOR1(exp2)
CR__VECTOR1(expm1)
CR__VECTOR1(log)
CR__VECTOR1(log2)
CR__VECTOR1(log10)
CR__VECTOR1(log1p)
CR__VECTOR1(sin)
CR__VECTOR1(cos)
CR__VECTOR1(tan)
CR__VECTOR1(asin)
CR__VECTOR1(acos)
CR__VECTOR1(atan)
CR__VECTOR1(sinh)
CR__VECTOR1(cosh)
CR__VECTOR1(tanh)
CR__VECTOR1(asinh)
CR__VECTOR1(acosh)
CR__VECTOR1(atanh)
CR__VECTOR1(erf)
CR__VECTOR1(erfc)
CR__VECTOR2(atan2)
CR__VECTOR2(hypot)
CR__VECTOR2(pow)

#endif
#endif
#endif
