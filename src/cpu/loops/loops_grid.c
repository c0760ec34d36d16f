/* loops_grid.c: the inner loops of grid_sample; compiled once per instruction set.
 *
 * Holds true: see grid_sample.h. Where a place sees fewer elements than others, what stands at the first one counts nothing. */
#include "cpu/grid_sample.h"

#include <string.h>

/* Tuned for machines of every kind, gcc reads one element after the other; instructions that gather take less than
 * half of the time. */
#if defined(__AVX512F__) && !defined(__clang__)
#pragma GCC target("tune=icelake-server")
#endif

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)

/* clang-format off */
#define SEE(t, T)                                                                              \
  static void see_##t(void *to_, const void *x_, const int64_t *element, const void *weight,   \
                      const void *count_, int64_t each) {                                      \
    T *to = to_, sum[CR__GRID_STRETCH];                                                        \
    const T *x = x_, *w = weight, *count = count_;                                             \
    for (int i = 0; i < CR__GRID_STRETCH; i++) sum[i] = 0;                                     \
    for (int64_t k = 0; k < each; k++, element += CR__GRID_STRETCH, w += CR__GRID_STRETCH) {   \
      for (int i = 0; i < CR__GRID_STRETCH; i++) {                                             \
        T v = x[element[i]] * w[i];                                                            \
        sum[i] += (T)k < count[i] ? v : 0;                                                     \
      }                                                                                        \
    }                                                                                          \
    for (int i = 0; i < CR__GRID_STRETCH; i++) to[i] = sum[i];                                 \
  }
/* clang-format on */
SEE(f32, float)
SEE(f64, double)

/* clang-format off */
#define LOOK(T, S)                                                                                \
  static int64_t look_##S(const cr__grid_ways *l, int64_t *element, void *weight_, void *count_,  \
                          const void *grid_, int64_t n) {                                         \
    enum { STRETCH = CR__GRID_STRETCH };                                                          \
    T *weight = weight_, *count = count_;                                                         \
    const T *grid = grid_;                                                                        \
    int64_t each = 0;                                                                             \
    memset(element, 0, (size_t)(l->most * STRETCH) * sizeof *element);                            \
    memset(weight, 0, (size_t)(l->most * STRETCH) * sizeof *weight);                              \
    memset(count, 0, STRETCH * sizeof *count);                                                    \
    for (int64_t i = 0; i < n; i++, grid += l->dims) {                                            \
      cr__grid_taps_##S t[3] = {{0}, {0}, {1, {0}, {1}}};                                         \
      int64_t k = 0;                                                                              \
      for (int d = 0; d < l->dims; d++) t[d] = cr__grid_look_##S(&l->way[d], grid[d]);            \
      for (int a = 0; a < t[2].n; a++) {                                                          \
        for (int b = 0; b < t[1].n; b++) {                                                        \
          int64_t row = (t[2].place[a] * l->size[1] + t[1].place[b]) * l->size[2];                \
          T by = t[2].weight[a] * t[1].weight[b];                                                 \
          for (int c = 0; c < t[0].n; c++, k++) {                                                 \
            element[k * STRETCH + i] = row + t[0].place[c];                                       \
            weight[k * STRETCH + i] = by * t[0].weight[c];                                        \
          }                                                                                       \
        }                                                                                         \
      }                                                                                           \
      count[i] = (T)k;                                                                            \
      if (k > each) each = k;                                                                     \
    }                                                                                             \
    return each;                                                                                  \
  }
/* clang-format on */
LOOK(float, f32)
LOOK(double, f64)

extern const cr__grid_loops JOIN(cr__grid_loops, CR__ISA)[2];
const cr__grid_loops JOIN(cr__grid_loops, CR__ISA)[2] = {{see_f32, look_f32}, {see_f64, look_f64}};
