/* grid_taps.h: what a coordinate of a grid sees of a line of elements, for the CPU and for CUDA.
 *
 * Holds true: a coordinate sees at most four elements, by weights that are functions of it, or derivatives of those.
 * Objects that include this file are built without contraction, so that every device gives the same bits. */
#ifndef CR__GRID_TAPS_H
#define CR__GRID_TAPS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __CUDACC__
#define CR__GRID_FN static __host__ __device__ __forceinline__
#else
#define CR__GRID_FN static inline __attribute__((always_inline, unused))
#endif

typedef enum cr__grid_mode { CR__GRID_LINEAR, CR__GRID_NEAREST, CR__GRID_CUBIC } cr__grid_mode;
typedef enum cr__grid_padding {
  CR__GRID_ZEROS,
  CR__GRID_BORDER,
  CR__GRID_REFLECTION
} cr__grid_padding;

enum { CR__GRID_TAPS = 4 };

/* How a coordinate is read. */
typedef struct cr__grid_way {
  int64_t size; /* of the line */
  cr__grid_mode mode;
  cr__grid_padding padding;
  bool align_corners;
  int64_t order; /* how often the weights are derived by the coordinate */
} cr__grid_way;

/* T: the type, S: its suffix, F: what its functions of <math.h> end with. */
#define CR__GRID(T, S, F)                                                                          \
  /* The elements that are seen: n of them, by their places in the line. */                        \
  typedef struct cr__grid_taps_##S {                                                               \
    int n;                                                                                         \
    int64_t place[CR__GRID_TAPS];                                                                  \
    T weight[CR__GRID_TAPS];                                                                       \
  } cr__grid_taps_##S;                                                                             \
  CR__GRID_FN void cr__grid_add_##S(cr__grid_taps_##S *t, const cr__grid_way *w, T place,          \
                                    T weight) {                                                    \
    if (!(place >= 0 && place <= (T)(w->size - 1))) return;                                        \
    t->place[t->n] = (int64_t)place;                                                               \
    t->weight[t->n++] = weight;                                                                    \
  }                                                                                                \
  /* x brought into the line, as the padding says; *slope: its derivative. */                      \
  CR__GRID_FN T cr__grid_inside_##S(const cr__grid_way *w, T x, T *slope) {                        \
    T last = (T)(w->size - 1);                                                                     \
    if (w->padding == CR__GRID_ZEROS) return x;                                                    \
    if (w->padding == CR__GRID_REFLECTION) {                                                       \
      T low = w->align_corners ? (T)0 : (T)-0.5, span = w->align_corners ? last : last + 1;        \
      if (span == 0) {                                                                             \
        *slope = 0;                                                                                \
        return 0;                                                                                  \
      }                                                                                            \
      if (x < low) *slope = -*slope;                                                               \
      T away = fabs##F(x - low), rest = fmod##F(away, span), turns = floor##F(away / span);        \
      bool back = fmod##F(turns, (T)2) != 0;                                                       \
      x = back ? span - rest + low : rest + low;                                                   \
      if (back) *slope = -*slope;                                                                  \
    }                                                                                              \
    if (!(x > 0) || x >= last) *slope = 0;                                                         \
    return !(x > 0) ? 0 : x < last ? x : last;                                                     \
  }                                                                                                \
  /* Keys' cubic kernel, derived some times, at distances from 0 to 1, and from 1 to 2. */         \
  CR__GRID_FN T cr__grid_near_##S(T x, int64_t order) {                                            \
    const T a = (T)-0.75;                                                                          \
    if (order == 0) return ((a + 2) * x - (a + 3)) * x * x + 1;                                    \
    if (order == 1) return (3 * (a + 2) * x - 2 * (a + 3)) * x;                                    \
    if (order == 2) return 6 * (a + 2) * x - 2 * (a + 3);                                          \
    return order == 3 ? 6 * (a + 2) : 0;                                                           \
  }                                                                                                \
  CR__GRID_FN T cr__grid_far_##S(T x, int64_t order) {                                             \
    const T a = (T)-0.75;                                                                          \
    if (order == 0) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;                              \
    if (order == 1) return (3 * a * x - 10 * a) * x + 8 * a;                                       \
    if (order == 2) return 6 * a * x - 10 * a;                                                     \
    return order == 3 ? 6 * a : 0;                                                                 \
  }                                                                                                \
  CR__GRID_FN void cr__grid_cubic_##S(cr__grid_taps_##S *t, const cr__grid_way *w, T x, T slope) { \
    T at = floor##F(x), part = x - at, by = 1, turned = w->order % 2 ? (T)-1 : (T)1, none = 0;     \
    for (int64_t i = 0; i < w->order; i++) by *= slope;                                            \
    for (int i = 0; i < 4; i++) {                                                                  \
      T weight = i == 0   ? cr__grid_far_##S(part + 1, w->order)                                   \
                 : i == 1 ? cr__grid_near_##S(part, w->order)                                      \
                 : i == 2 ? turned * cr__grid_near_##S(1 - part, w->order)                         \
                          : turned * cr__grid_far_##S(2 - part, w->order);                         \
      if (w->order > 3) continue;                                                                  \
      cr__grid_add_##S(t, w, cr__grid_inside_##S(w, at + (T)(i - 1), &none), weight *by);          \
    }                                                                                              \
  }                                                                                                \
  /* What the coordinate c, from -1 to 1, sees. */                                                 \
  CR__GRID_FN cr__grid_taps_##S cr__grid_look_##S(const cr__grid_way *w, T c) {                    \
    cr__grid_taps_##S t = {0, {0}, {0}};                                                           \
    T size = (T)w->size, slope = w->align_corners ? (size - 1) / 2 : size / 2;                     \
    T x = w->align_corners ? (c + 1) / 2 * (size - 1) : ((c + 1) * size - 1) / 2;                  \
    if (w->mode == CR__GRID_CUBIC) {                                                               \
      cr__grid_cubic_##S(&t, w, x, slope);                                                         \
      return t;                                                                                    \
    }                                                                                              \
    x = cr__grid_inside_##S(w, x, &slope);                                                         \
    if (w->mode == CR__GRID_NEAREST) {                                                             \
      if (w->order == 0) cr__grid_add_##S(&t, w, nearbyint##F(x), 1);                              \
      return t;                                                                                    \
    }                                                                                              \
    T at = floor##F(x);                                                                            \
    if (w->order > 1) return t;                                                                    \
    cr__grid_add_##S(&t, w, at, w->order ? -slope : at + 1 - x);                                   \
    cr__grid_add_##S(&t, w, at + 1, w->order ? slope : x - at);                                    \
    return t;                                                                                      \
  }
CR__GRID(float, f32, f)
CR__GRID(double, f64, )
#undef CR__GRID

#endif
