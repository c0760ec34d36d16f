/* cuda/kernels/distance.cu: the distances of every vector of one list from every vector of another.
 *
 * Holds true: a thread computes a distance, in the order of scalar/distance.h. */
#include "grid.h"
#include "scalar.cuh"
#include "scalar/distance.h"

typedef struct lists {
  int64_t count, rows, columns,
      n; /* distances or elements; vectors of either list; elements of a vector */
  bool pairs;
} lists;

static __device__ __forceinline__ double distance(cr__distance_kind kind, const double *x,
                                                  const double *y, int64_t n, double p) {
  return cr__distance_f64(kind, x, y, n, p);
}
static __device__ __forceinline__ float distance(cr__distance_kind kind, const float *x,
                                                 const float *y, int64_t n, float p) {
  return cr__distance_f32(kind, x, y, n, p);
}

template <typename T, cr__distance_kind KIND>
static __global__ void find_distances(lists l, T *out, const T *x1, const T *x2, T p) {
  CR__EACH(i, l.count) {
    int64_t row = i / l.columns, column = i - row * l.columns;
    if (l.pairs && column <= row) continue;
    out[l.pairs ? cr__pair_at(row, column, l.rows) : i] =
        distance(KIND, x1 + row * l.n, x2 + (row / l.rows * l.columns + column) * l.n, l.n, p);
  }
}

template <typename T, cr__distance_kind KIND>
static int launch(const cr__launch *k, const lists &l) {
  auto kernel = find_distances<T, KIND>;
  return CR__LAUNCH(k->op, kernel, cr__blocks_for(l.count), CR__THREADS, 0, l,
                    (T *)(void *)k->cdist.out.data, (const T *)(const void *)k->cdist.x1.data,
                    (const T *)(const void *)k->cdist.x2.data, (T)k->cdist.p);
}

template <typename T> static int run(const cr__launch *k, const lists &l) {
  switch (cr__distance_kind_of(k->cdist.p)) {
  case CR__DISTANCE_COUNT: return launch<T, CR__DISTANCE_COUNT>(k, l);
  case CR__DISTANCE_SUM: return launch<T, CR__DISTANCE_SUM>(k, l);
  case CR__DISTANCE_SQUARES: return launch<T, CR__DISTANCE_SQUARES>(k, l);
  case CR__DISTANCE_CUBES: return launch<T, CR__DISTANCE_CUBES>(k, l);
  case CR__DISTANCE_MOST: return launch<T, CR__DISTANCE_MOST>(k, l);
  default: return launch<T, CR__DISTANCE_POWERS>(k, l);
  }
}

/* As cr__cpu_cdist. */
extern "C" int cr__cuda_cdist(cr__launch *k) {
  const int64_t *shape = k->cdist.x1.shape, columns = k->cdist.x2.shape[1];
  lists l = {shape[0] * shape[1] * columns, shape[1], columns, shape[2], k->cdist.pairs};
  if (l.count == 0) return 0;
  return k->cdist.out.dtype == CR_FLOAT64 ? run<double>(k, l) : run<float>(k, l);
}

/* ---- Gradients ---- */

#define SLOPES(t, T)                                                                             \
  static __device__ __forceinline__ T inverse_of(T length) {                                     \
    return cr__distance_inverse_##t(length);                                                     \
  }                                                                                              \
  static __device__ __forceinline__ T share_of(const T *x, const T *y, int64_t n, T length) {    \
    return cr__distance_share_##t(x, y, n, length);                                              \
  }                                                                                              \
  static __device__ __forceinline__ T slope_of(cr__distance_kind kind, T d, T length, T inverse, \
                                               T share, T q) {                                   \
    return cr__distance_slope_##t(kind, d, length, inverse, share, q);                           \
  }
SLOPES(f32, float)
SLOPES(f64, double)
#undef SLOPES

/* A thread has an element of x1. */
template <typename T, cr__distance_kind KIND>
static __global__ void find_slopes(lists l, T *out, const T *grads, const T *x1, const T *x2,
                                   const T *distances, T q) {
  CR__EACH(i, l.count) {
    int64_t row = i / l.n, e = i - row * l.n;
    const T *x = x1 + row * l.n, *list = x2 + row / l.rows * l.columns * l.n;
    double sum = 0;
    for (int64_t c = 0; c < l.columns; c += CR__DISTANCE_FEW) {
      T part = 0;
      for (int64_t j = c; j < l.columns && j < c + CR__DISTANCE_FEW; j++) {
        bool itself = l.pairs && j == row;
        int64_t at = !l.pairs  ? row * l.columns + j
                     : j < row ? cr__pair_at(j, row, l.rows)
                               : cr__pair_at(row, j, l.rows);
        T g = itself ? 0 : grads[at], length = itself ? 0 : distances[at];
        T share = KIND == CR__DISTANCE_MOST ? share_of(x, list + j * l.n, l.n, length) : 1;
        part += g * slope_of(KIND, x[e] - list[j * l.n + e], length, inverse_of(length), share, q);
      }
      sum += (double)part;
    }
    out[i] = (T)sum;
  }
}

template <typename T, cr__distance_kind KIND>
static int launch_slopes(const cr__launch *k, const lists &l) {
  const cr__cdist_backward_slots *s = &k->cdist_backward;
  auto kernel = find_slopes<T, KIND>;
  return CR__LAUNCH(k->op, kernel, cr__blocks_for(l.count), CR__THREADS, 0, l,
                    (T *)(void *)s->out.data, (const T *)(const void *)s->grad.data,
                    (const T *)(const void *)s->x1.data, (const T *)(const void *)s->x2.data,
                    (const T *)(const void *)s->distances.data, (T)(s->p - 1));
}

template <typename T> static int run_slopes(const cr__launch *k, const lists &l) {
  switch (cr__distance_kind_of(k->cdist_backward.p)) {
  case CR__DISTANCE_COUNT: return launch_slopes<T, CR__DISTANCE_COUNT>(k, l);
  case CR__DISTANCE_SUM: return launch_slopes<T, CR__DISTANCE_SUM>(k, l);
  case CR__DISTANCE_SQUARES: return launch_slopes<T, CR__DISTANCE_SQUARES>(k, l);
  case CR__DISTANCE_CUBES: return launch_slopes<T, CR__DISTANCE_CUBES>(k, l);
  case CR__DISTANCE_MOST: return launch_slopes<T, CR__DISTANCE_MOST>(k, l);
  default: return launch_slopes<T, CR__DISTANCE_POWERS>(k, l);
  }
}

/* As cr__cpu_cdist_backward. */
extern "C" int cr__cuda_cdist_backward(cr__launch *k) {
  const cr__cdist_backward_slots *s = &k->cdist_backward;
  const int64_t *shape = s->x1.shape;
  lists l = {shape[0] * shape[1] * shape[2], shape[1], s->x2.shape[1], shape[2], s->pairs};
  if (l.count == 0) return 0;
  return s->out.dtype == CR_FLOAT64 ? run_slopes<double>(k, l) : run_slopes<float>(k, l);
}
