/* cuda/kernels/distance.cu: the distances of every vector of one list from every vector of another.
 *
 * Holds true: a thread computes a distance, in the order of scalar/distance.h. */
#include "grid.h"
#include "scalar/distance.h"

typedef struct lists {
  int64_t count, rows, columns, n; /* distances; vectors of either list; elements of a vector */
} lists;

static __device__ __forceinline__ double distance(cr__distance_kind kind, const double *x, const double *y, int64_t n,
                                                  double p) {
  return cr__distance_f64(kind, x, y, n, p);
}
static __device__ __forceinline__ float distance(cr__distance_kind kind, const float *x, const float *y, int64_t n,
                                                 float p) {
  return cr__distance_f32(kind, x, y, n, p);
}

template <typename T, cr__distance_kind KIND>
static __global__ void find_distances(lists l, T *out, const T *x1, const T *x2, T p) {
  CR__EACH(i, l.count) {
    int64_t row = i / l.columns, column = i - row * l.columns;
    out[i] = distance(KIND, x1 + row * l.n, x2 + (row / l.rows * l.columns + column) * l.n, l.n, p);
  }
}

template <typename T, cr__distance_kind KIND> static int launch(const cr__launch *k, const lists &l) {
  auto kernel = find_distances<T, KIND>;
  return CR__LAUNCH(k->op, kernel, cr__blocks_for(l.count), CR__THREADS, 0, l, (T *)(void *)k->cdist.out.data,
                    (const T *)(const void *)k->cdist.x1.data, (const T *)(const void *)k->cdist.x2.data, (T)k->cdist.p);
}

template <typename T> static int run(const cr__launch *k, const lists &l) {
  switch (cr__distance_kind_of(k->cdist.p)) {
  case CR__DISTANCE_COUNT: return launch<T, CR__DISTANCE_COUNT>(k, l);
  case CR__DISTANCE_SUM: return launch<T, CR__DISTANCE_SUM>(k, l);
  case CR__DISTANCE_SQUARES: return launch<T, CR__DISTANCE_SQUARES>(k, l);
  case CR__DISTANCE_MOST: return launch<T, CR__DISTANCE_MOST>(k, l);
  default: return launch<T, CR__DISTANCE_POWERS>(k, l);
  }
}

/* As cr__cpu_cdist. */
extern "C" int cr__cuda_cdist(cr__launch *k) {
  const int64_t *shape = k->cdist.out.shape;
  lists l = {shape[0] * shape[1] * shape[2], shape[1], shape[2], k->cdist.x1.shape[2]};
  if (l.count == 0) return 0;
  return k->cdist.out.dtype == CR_FLOAT64 ? run<double>(k, l) : run<float>(k, l);
}
