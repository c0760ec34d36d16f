/* cpu/loops_softmax.c: softmax, log_softmax and their derivatives along lines; compiled once per
 * instruction set.
 *
 * Holds true: sums are gathered in float64. The exponential of an element does not depend on its
 * place in the line, though vector and scalar forms may differ: the tail goes through the vector
 * form, too. */
#include <string.h>

#include "cpu/softmax.h"
#include "cpu/vector_math.h"

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)

extern const cr__reduce_loops JOIN(cr__reduce_loops, CR__ISA);

enum { PADDED = 16 };

#define LOOPS(t, T, EXP, COMPUTE)                                                           \
  static void exp_##t(T *x, int64_t n) {                                                    \
    int64_t most = n / PADDED * PADDED;                                                     \
    for (int64_t i = 0; i < most; i++) x[i] = EXP(x[i]);                                    \
    if (most == n) return;                                                                  \
    T tail[PADDED] = {0};                                                                   \
    memcpy(tail, x + most, (size_t)(n - most) * sizeof(T));                                 \
    for (int i = 0; i < PADDED; i++) tail[i] = EXP(tail[i]);                                \
    memcpy(x + most, tail, (size_t)(n - most) * sizeof(T));                                 \
  }                                                                                         \
                                                                                            \
  static void sum_##t(double *s, const T *x, int64_t n) {                                   \
    JOIN(cr__reduce_loops, CR__ISA).fold[COMPUTE][CR__FOLD_SUM].row(s, x, n, 0);            \
  }                                                                                         \
                                                                                            \
  static void line_##t(const cr__lines *l) {                                                \
    const T *x = l->a;                                                                      \
    T *out = l->out, scratch[CR__FOLD_BLOCK];                                               \
    double largest = -INFINITY, total = 0;                                                  \
    JOIN(cr__reduce_loops, CR__ISA).fold[COMPUTE][CR__FOLD_MAX].row(&largest, x, l->n, 0);  \
    const T top = (T)largest;                                                               \
    for (int64_t i = 0, m; i < l->n; i += m) {                                              \
      m = l->n - i < CR__FOLD_BLOCK ? l->n - i : CR__FOLD_BLOCK;                            \
      T *to = l->log ? scratch : out + i;                                                   \
      for (int64_t j = 0; j < m; j++) to[j] = x[i + j] - top;                               \
      exp_##t(to, m);                                                                       \
      sum_##t(&total, to, m);                                                               \
    }                                                                                       \
    const T sum = (T)total, rest = (T)log(total);                                           \
    if (l->log) {                                                                           \
      for (int64_t i = 0; i < l->n; i++) out[i] = x[i] - top - rest;                        \
    } else {                                                                                \
      for (int64_t i = 0; i < l->n; i++) out[i] /= sum;                                     \
    }                                                                                       \
  }                                                                                         \
                                                                                            \
  static void tile_##t(const cr__lines *l) {                                                \
    const T *x = l->a;                                                                      \
    T *out = l->out, top[CR__TILE], rest[CR__TILE], scratch[CR__TILE];                      \
    double total[CR__TILE] = {0};                                                           \
    memcpy(top, x, (size_t)l->w * sizeof(T));                                               \
    for (int64_t r = 1; r < l->n; r++)                                                      \
      for (int64_t j = 0; j < l->w; j++) {                                                  \
        T v = x[r * l->step + j];                                                           \
        top[j] = v > top[j] || v != v ? v : top[j];                                         \
      }                                                                                     \
    for (int64_t r = 0; r < l->n; r++) {                                                    \
      T *to = l->log ? scratch : out + r * l->step;                                         \
      for (int64_t j = 0; j < l->w; j++) to[j] = x[r * l->step + j] - top[j];               \
      exp_##t(to, l->w);                                                                    \
      for (int64_t j = 0; j < l->w; j++) total[j] += to[j];                                 \
    }                                                                                       \
    for (int64_t j = 0; j < l->w; j++) rest[j] = (T)(l->log ? log(total[j]) : total[j]);    \
    for (int64_t r = 0; r < l->n; r++) {                                                    \
      T *to = out + r * l->step;                                                            \
      const T *from = x + r * l->step;                                                      \
      if (l->log) {                                                                         \
        for (int64_t j = 0; j < l->w; j++) to[j] = from[j] - top[j] - rest[j];              \
      } else {                                                                              \
        for (int64_t j = 0; j < l->w; j++) to[j] /= rest[j];                                \
      }                                                                                     \
    }                                                                                       \
  }                                                                                         \
                                                                                            \
  static void line_back_##t(const cr__lines *l) {                                           \
    const T *g = l->a, *y = l->b;                                                           \
    T *out = l->out, scratch[CR__FOLD_BLOCK];                                               \
    double total = 0;                                                                       \
    for (int64_t i = 0, m; i < l->n; i += m) {                                              \
      m = l->n - i < CR__FOLD_BLOCK ? l->n - i : CR__FOLD_BLOCK;                            \
      for (int64_t j = 0; j < m; j++) scratch[j] = l->log ? g[i + j] : g[i + j] * y[i + j]; \
      sum_##t(&total, scratch, m);                                                          \
    }                                                                                       \
    const T sum = (T)total;                                                                 \
    if (l->log) {                                                                           \
      memcpy(out, y, (size_t)l->n * sizeof(T));                                             \
      exp_##t(out, l->n);                                                                   \
      for (int64_t i = 0; i < l->n; i++) out[i] = g[i] - out[i] * sum;                      \
    } else {                                                                                \
      for (int64_t i = 0; i < l->n; i++) out[i] = y[i] * (g[i] - sum);                      \
    }                                                                                       \
  }                                                                                         \
                                                                                            \
  static void tile_back_##t(const cr__lines *l) {                                           \
    const T *g = l->a, *y = l->b;                                                           \
    T *out = l->out, sum[CR__TILE];                                                         \
    double total[CR__TILE] = {0};                                                           \
    for (int64_t r = 0; r < l->n; r++)                                                      \
      for (int64_t j = 0; j < l->w; j++) {                                                  \
        T v = g[r * l->step + j];                                                           \
        total[j] += l->log ? v : v * y[r * l->step + j];                                    \
      }                                                                                     \
    for (int64_t j = 0; j < l->w; j++) sum[j] = (T)total[j];                                \
    for (int64_t r = 0; r < l->n; r++) {                                                    \
      const T *gr = g + r * l->step, *yr = y + r * l->step;                                 \
      T *to = out + r * l->step;                                                            \
      if (l->log) {                                                                         \
        memcpy(to, yr, (size_t)l->w * sizeof(T));                                           \
        exp_##t(to, l->w);                                                                  \
        for (int64_t j = 0; j < l->w; j++) to[j] = gr[j] - to[j] * sum[j];                  \
      } else {                                                                              \
        for (int64_t j = 0; j < l->w; j++) to[j] = yr[j] * (gr[j] - sum[j]);                \
      }                                                                                     \
    }                                                                                       \
  }

LOOPS(f32, float, expf, CR__COMPUTE_F32)
LOOPS(f64, double, exp, CR__COMPUTE_F64)

extern const cr__softmax_loops JOIN(cr__softmax_loops, CR__ISA);
const cr__softmax_loops JOIN(cr__softmax_loops, CR__ISA) = {
    .line = {{line_f32, line_f64}, {line_back_f32, line_back_f64}},
    .tile = {{tile_f32, tile_f64}, {tile_back_f32, tile_back_f64}},
};
