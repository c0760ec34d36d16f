/* loops_update.c: the steps of optimizers over contiguous elements; compiled once per instruction set.
 *
 * Holds true: every element is computed from its own memory alone, by the text of step.h, so that
 * results do not depend on where a list is cut into pieces. */
#include "cpu/update.h"
#include "scalar/step.h"

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define LOOP static inline __attribute__((always_inline)) void

/* Different lists share no memory, which the engine has seen to. */
#define SGD(T, S)                                                                                \
  LOOP sgd_with_##S(const cr__sgd_##S *c, bool decays, bool momentum, bool nesterov, bool first, \
                    char *const *data, int64_t n) {                                              \
    T *restrict p = (T *)data[CR__SGD_PARAM], *restrict b = (T *)data[CR__SGD_BUFFER];           \
    const T *restrict g = (const T *)data[CR__SGD_GRAD];                                         \
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                          \
        cr__sgd_step_##S(c, decays, momentum, nesterov, first, p + i, g[i], b + i);              \
  }                                                                                              \
  static void sgd_##S(const cr__launch *k, const double *f, char *const *data, int64_t n) {      \
    (void)f;                                                                                     \
    cr__sgd_##S c = {(T)k->sgd.rate, (T)k->sgd.kept, (T)k->sgd.added, (T)k->sgd.decay,           \
                     (T)k->sgd.sign};                                                            \
    bool decays = k->sgd.decay != 0, nesterov = k->sgd.nesterov;                                 \
    if (!k->sgd.momentum) sgd_with_##S(&c, decays, false, false, false, data, n);                \
    else if (k->sgd.first) sgd_with_##S(&c, decays, true, nesterov, true, data, n);              \
    else if (nesterov) sgd_with_##S(&c, decays, true, true, false, data, n);                     \
    else if (decays) sgd_with_##S(&c, true, true, false, false, data, n);                        \
    else sgd_with_##S(&c, false, true, false, false, data, n);                                   \
  }
SGD(double, f64)
SGD(float, f32)

#define ADAM(T, S)                                                                           \
  LOOP adam_with_##S(const cr__adam_##S *c, bool decays, bool amsgrad, char *const *data,    \
                     int64_t n) {                                                            \
    T *restrict p = (T *)data[CR__ADAM_PARAM], *restrict m = (T *)data[CR__ADAM_MEAN];       \
    T *restrict v = (T *)data[CR__ADAM_SQUARE], *restrict s = (T *)data[CR__ADAM_MOST];      \
    const T *restrict g = (const T *)data[CR__ADAM_GRAD];                                    \
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                      \
        cr__adam_step_##S(c, decays, amsgrad, p + i, g[i], m + i, v + i, s + i);             \
  }                                                                                          \
  static void adam_##S(const cr__launch *k, const double *f, char *const *data, int64_t n) { \
    cr__adam_##S c = {(T)k->adam.decay,   (T)k->adam.sign,     (T)k->adam.shrink,            \
                      (T)k->adam.towards, (T)k->adam.kept,     (T)k->adam.added,             \
                      (T)k->adam.eps,     (T)f[CR__ADAM_RATE], (T)f[CR__ADAM_ROOT]};         \
    bool decays = k->adam.decay != 0;                                                        \
    if (k->adam.amsgrad) adam_with_##S(&c, decays, true, data, n);                           \
    else if (decays) adam_with_##S(&c, true, false, data, n);                                \
    else adam_with_##S(&c, false, false, data, n);                                           \
  }
ADAM(double, f64)
ADAM(float, f32)

extern const cr__update_loops JOIN(cr__update_loops, CR__ISA);
const cr__update_loops JOIN(cr__update_loops, CR__ISA) = {sgd_f32, sgd_f64, adam_f32, adam_f64};
