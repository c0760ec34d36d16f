/* loops_grid.c: the inner loops of grid_sample; compiled once per instruction set.
 *
 * Holds true: see grid_sample.h. Where a place sees fewer elements than others, what stands at the first one counts nothing. */
#include "cpu/grid_sample.h"

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

extern const cr__grid_loop JOIN(cr__grid_loops, CR__ISA)[2];
const cr__grid_loop JOIN(cr__grid_loops, CR__ISA)[2] = {see_f32, see_f64};
