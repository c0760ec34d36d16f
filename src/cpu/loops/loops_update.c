/* loops_update.c: the steps of optimizers over contiguous elements; compiled once per instruction set.
 *
 * Holds true: every element is computed from its own memory alone, by the text of step_rules.h, so that
 * results do not depend on where a list is cut into pieces. */
#include "cpu/update.h"

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define LOOP static inline __attribute__((always_inline)) void

/* A rule with certain switches. Different lists share no memory, which the engine has seen to; one that is not
 * there is not looked at. */
#define LOOP_OF(rule, T, S)                                                                \
  LOOP rule##_with_##S(const double *numbers, unsigned on, char *const *data, int64_t n) { \
    T f[CR__RULE_NUMBERS];                                                                 \
    for (int i = 0; i < cr__rule_numbers(CR__RULE_##rule); i++) f[i] = (T)numbers[i];      \
    bool decays = numbers[0] != 0;                                                         \
    T *restrict p = (T *)data[CR__UPDATE_PARAM];                                           \
    const T *restrict g = (const T *)data[CR__UPDATE_GRAD];                                \
    T *restrict a = (T *)(data[CR__UPDATE_OWN] ? data[CR__UPDATE_OWN] : data[0]);          \
    T *restrict b = (T *)(data[CR__UPDATE_OWN + 1] ? data[CR__UPDATE_OWN + 1] : data[0]);  \
    T *restrict c = (T *)(data[CR__UPDATE_OWN + 2] ? data[CR__UPDATE_OWN + 2] : data[0]);  \
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                    \
        cr__##rule##_step_##S(f, decays, on, p + i, g[i], a + i, b + i, c + i);            \
  }

#define HEAD(rule, S) \
  static void rule##_##S(const double *f, unsigned on, char *const *data, int64_t n)
#define CASE(rule, S, switches) \
  case switches: rule##_with_##S(f, switches, data, n); break

/* A rule without switches. */
#define PLAIN(rule, T, S) \
  LOOP_OF(rule, T, S)     \
  HEAD(rule, S) { (void)on, rule##_with_##S(f, 0, data, n); }

#define SWITCHED(T, S)                                                      \
  LOOP_OF(sgd, T, S)                                                        \
  HEAD(sgd, S) {                                                            \
    switch (on) {                                                           \
      CASE(sgd, S, CR__SGD_MOMENTUM);                                       \
      CASE(sgd, S, CR__SGD_MOMENTUM | CR__SGD_NESTEROV);                    \
      CASE(sgd, S, CR__SGD_MOMENTUM | CR__SGD_FIRST);                       \
      CASE(sgd, S, CR__SGD_MOMENTUM | CR__SGD_FIRST | CR__SGD_NESTEROV);    \
    default: sgd_with_##S(f, 0, data, n);                                   \
    }                                                                       \
  }                                                                         \
  LOOP_OF(adam, T, S)                                                       \
  HEAD(adam, S) {                                                           \
    if (on & CR__ADAM_AMSGRAD) adam_with_##S(f, CR__ADAM_AMSGRAD, data, n); \
    else adam_with_##S(f, 0, data, n);                                      \
  }                                                                         \
  LOOP_OF(rmsprop, T, S)                                                    \
  HEAD(rmsprop, S) {                                                        \
    switch (on) {                                                           \
      CASE(rmsprop, S, CR__RMSPROP_CENTERED);                               \
      CASE(rmsprop, S, CR__RMSPROP_MOMENTUM);                               \
      CASE(rmsprop, S, CR__RMSPROP_CENTERED | CR__RMSPROP_MOMENTUM);        \
    default: rmsprop_with_##S(f, 0, data, n);                               \
    }                                                                       \
  }

#define PLAINS(T, S)    \
  PLAIN(adagrad, T, S)  \
  PLAIN(adadelta, T, S) \
  PLAIN(adamax, T, S)   \
  PLAIN(nadam, T, S)    \
  PLAIN(radam, T, S)    \
  PLAIN(rprop, T, S)    \
  PLAIN(asgd, T, S)

SWITCHED(double, f64)
PLAINS(double, f64)
SWITCHED(float, f32)
PLAINS(float, f32)

extern const cr__update_loops JOIN(cr__update_loops, CR__ISA);
const cr__update_loops JOIN(cr__update_loops, CR__ISA) = {
#define X(name, numbers, lists) name##_f32,
    .f32 = {CR__RULES(X)},
#undef X
#define X(name, numbers, lists) name##_f64,
    .f64 = {CR__RULES(X)},
#undef X
};
