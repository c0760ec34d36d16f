/* windows.h: where the windows of pooling lie along a dim, for the CPU and for CUDA.
 *
 * Holds true: positions count from 0 and lie within the dim, whatever padding there is around it. The windows of a
 * dim begin, and end, in the order of their numbers. */
#ifndef CR__WINDOWS_H
#define CR__WINDOWS_H

#include <stdint.h>

#ifdef __CUDACC__
#define CR__WINDOW_FN static __host__ __device__ __forceinline__
#else
#define CR__WINDOW_FN static inline __attribute__((always_inline, unused))
#endif

typedef enum cr__windows_kind {
  CR__WINDOWS_EVEN,     /* one every `stride` positions */
  CR__WINDOWS_ADAPTIVE, /* as many as asked for, of nearly one size, that cover all */
  CR__WINDOWS_DRAWN     /* as many as asked for, in places that a number in [0, 1) decides */
} cr__windows_kind;

/* Windows along one dim; padding and what follows it is of even ones alone. */
typedef struct cr__windows {
  int64_t size, result; /* of the dim; how many windows there are */
  int64_t kernel, stride, padding, dilation;
} cr__windows;

/* The positions of a window: `count` of them from `first` on, `step` apart. */
typedef struct cr__window {
  int64_t first, count, step;
} cr__window;

/* floor(a * b / c) for 0 <= a, b and 0 < c without the product of all. */
CR__WINDOW_FN int64_t cr__window_share(int64_t a, int64_t b, int64_t c) {
  return a / c * b + a % c * b / c;
}

/* Where the o-th even window would begin, which may lie in the padding. */
CR__WINDOW_FN int64_t cr__window_start(const cr__windows *w, int64_t o) {
  return o * w->stride - w->padding;
}

CR__WINDOW_FN cr__window cr__window_even(const cr__windows *w, int64_t o) {
  int64_t start = cr__window_start(w, o), before = start < 0 ? (-start - 1) / w->dilation + 1 : 0;
  int64_t first = start + before * w->dilation;
  int64_t room = first < w->size ? (w->size - 1 - first) / w->dilation + 1 : 0;
  int64_t count = w->kernel - before;
  count = count < room ? count : room;
  cr__window r = {first, count > 0 ? count : 0, w->dilation};
  return r;
}

CR__WINDOW_FN cr__window cr__window_adaptive(const cr__windows *w, int64_t o) {
  int64_t first = cr__window_share(o, w->size, w->result);
  int64_t last = w->size ? cr__window_share((o + 1), w->size, w->result) : 0;
  bool whole = (o + 1) % w->result * (w->size % w->result) % w->result == 0;
  cr__window r = {first, last + !whole - first, 1};
  return r;
}

/* T: the type that places are computed in, as PyTorch does, S: its suffix. What is no number in [0, 1) counts as the
 * nearest that is, or almost. */
#define CR__WINDOW_DRAWN(T, S)                                                               \
  CR__WINDOW_FN cr__window cr__window_drawn_##S(const cr__windows *w, int64_t o, T number) { \
    int64_t last = w->size - w->kernel;                                                      \
    cr__window r = {last, w->kernel, 1};                                                     \
    if (o == w->result - 1) return r;                                                        \
    T step = (T)last / (T)(w->result - 1), x = !(number > 0) ? 0 : number < 1 ? number : 1;  \
    int64_t first = (int64_t)(((T)o + x) * step) - (int64_t)(x * step);                      \
    r.first = first < last ? first : last;                                                   \
    return r;                                                                                \
  }
CR__WINDOW_DRAWN(float, f32)
CR__WINDOW_DRAWN(double, f64)

/* The windows that may hold position i: from *first on, before *last. */
CR__WINDOW_FN void cr__windows_around(const cr__windows *w, cr__windows_kind kind, int64_t i,
                                      int64_t *first, int64_t *last) {
  *first = 0, *last = w->result;
  if (kind == CR__WINDOWS_EVEN) {
    int64_t reach = (w->kernel - 1) * w->dilation, low = i + w->padding - reach;
    *first = low > 0 ? (low - 1) / w->stride + 1 : 0;
    *last = (i + w->padding) / w->stride + 1;
  } else if (kind == CR__WINDOWS_ADAPTIVE) {
    *first = cr__window_share(i, w->result, w->size);
    *last = cr__window_share(i + 1, w->result, w->size) + 1;
  } else if (w->size > w->kernel && w->result > 1) { /* no further from the even places than 1 */
    double step = (double)(w->size - w->kernel) / (double)(w->result - 1);
    *first = i > w->kernel + 1 ? (int64_t)((double)(i - w->kernel - 1) / step) : 0;
    *last = (int64_t)((double)(i + 2) / step) + 2;
  }
  if (*last > w->result) *last = w->result;
}

#endif
