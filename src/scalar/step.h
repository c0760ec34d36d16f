/* step.h: one step of an optimizer on one element, for the CPU and for CUDA.
 *
 * Holds true: the formulas are PyTorch's, in their order of operations, made of + - * / and sqrt alone,
 * so that every instruction set and device gives the same bits (objects that include this file are
 * built without contraction). What is the same for all elements has been computed in double. */
#ifndef CR__STEP_H
#define CR__STEP_H

#include <math.h>
#include <stdbool.h>

#ifdef __CUDACC__
#define CR__STEP_FN static __host__ __device__ __forceinline__
#else
#define CR__STEP_FN static inline __attribute__((always_inline, unused))
#endif

/* The lists of either update; the last of each may be missing. */
enum { CR__SGD_PARAM, CR__SGD_GRAD, CR__SGD_BUFFER, CR__SGD_LISTS };
enum {
  CR__ADAM_PARAM,
  CR__ADAM_GRAD,
  CR__ADAM_MEAN,
  CR__ADAM_SQUARE,
  CR__ADAM_MOST,
  CR__ADAM_LISTS
};

/* The numbers of each row of a launch of Adam. */
enum { CR__ADAM_RATE, CR__ADAM_ROOT }; /* of a row: with the bias of its step corrected */

/* T: the type, S: its suffix. Which switches are on is known when this is compiled, so that a loop has
 * no branches in it. */
#define CR__STEPS(T, S, SQRT)                                                                     \
  typedef struct cr__sgd_##S {                                                                    \
    T rate, kept, added, decay, sign;                                                             \
  } cr__sgd_##S;                                                                                  \
  CR__STEP_FN void cr__sgd_step_##S(const cr__sgd_##S *k, bool decays, bool momentum,             \
                                    bool nesterov, bool first, T *p, T g, T *buffer) {            \
    g = g * k->sign;                                                                              \
    if (decays) g = g + *p * k->decay;                                                            \
    if (momentum) {                                                                               \
      T b = first ? g : *buffer * k->kept + g * k->added;                                         \
      *buffer = b;                                                                                \
      g = nesterov ? g + b * k->kept : b;                                                         \
    }                                                                                             \
    *p = *p - g * k->rate;                                                                        \
  }                                                                                               \
  typedef struct cr__adam_##S {                                                                   \
    T decay, sign, shrink, towards, kept, added, eps, rate, root;                                 \
  } cr__adam_##S;                                                                                 \
  CR__STEP_FN void cr__adam_step_##S(const cr__adam_##S *k, bool decays, bool amsgrad, T *p, T g, \
                                     T *mean, T *square, T *most) {                               \
    T x = *p * k->shrink;                                                                         \
    g = g * k->sign;                                                                              \
    if (decays) g = g + *p * k->decay;                                                            \
    T m = *mean + (g - *mean) * k->towards, v = *square * k->kept + g * g * k->added;             \
    T s = v;                                                                                      \
    if (amsgrad) {                                                                                \
      s = *most > v || *most != *most ? *most : v;                                                \
      *most = s;                                                                                  \
    }                                                                                             \
    *mean = m;                                                                                    \
    *square = v;                                                                                  \
    *p = x - m / (SQRT(s) / k->root + k->eps) * k->rate;                                          \
  }
CR__STEPS(double, f64, sqrt)
CR__STEPS(float, f32, sqrtf)

#endif
