/* distance.c: the distances of every vector of one list from every vector of another.
 *
 * Holds true: a distance is computed by one thread, in one order (scalar/distance.h). */
#include "cpu.h"
#include "scalar/distance.h"

typedef struct job {
  const cr__launch *k;
  int64_t rows, columns, n; /* vectors of either list, and elements of each */
} job;

/* The distances of one vector x from all of a list, of which the kind is a constant in each loop. */
#define FROM_ONE(t, T)                                                                   \
  static void from_one_##t(T *to, const T *x, const T *list, int64_t columns, int64_t n, \
                           double p) {                                                   \
    cr__distance_kind kind = cr__distance_kind_of(p);                                    \
    switch (kind) {                                                                      \
    case CR__DISTANCE_SUM: EACH(t, CR__DISTANCE_SUM); break;                             \
    case CR__DISTANCE_SQUARES: EACH(t, CR__DISTANCE_SQUARES); break;                     \
    case CR__DISTANCE_MOST: EACH(t, CR__DISTANCE_MOST); break;                           \
    case CR__DISTANCE_COUNT: EACH(t, CR__DISTANCE_COUNT); break;                         \
    default: EACH(t, CR__DISTANCE_POWERS);                                               \
    }                                                                                    \
  }
#define EACH(t, KIND)                                                      \
  for (int64_t j = 0; j < columns && (j % 256 || !cr__cpu_stopped()); j++) \
  to[j] = cr__distance_##t(KIND, x, list + j * n, n, P_##t)
#define P_f32 ((float)p)
#define P_f64 p
FROM_ONE(f32, float)
FROM_ONE(f64, double)

static void some(void *job_, int64_t begin, int64_t end) {
  const job *j = job_;
  const cr__launch *k = j->k;
  for (int64_t row = begin; row < end; row++) {
    int64_t first = row / j->rows * j->columns * j->n;
    char *to = k->cdist.out.data;
    const char *x = k->cdist.x1.data, *list = k->cdist.x2.data;
    if (k->cdist.out.dtype == CR_FLOAT64)
      from_one_f64((double *)(void *)to + row * j->columns,
                   (const double *)(const void *)x + row * j->n,
                   (const double *)(const void *)list + first, j->columns, j->n, k->cdist.p);
    else
      from_one_f32((float *)(void *)to + row * j->columns,
                   (const float *)(const void *)x + row * j->n,
                   (const float *)(const void *)list + first, j->columns, j->n, k->cdist.p);
  }
}

/* out[b, i, j] is the p-norm of x1[b, i] - x2[b, j]. All are contiguous, of 3 dims, and of one dtype, float32 or
 * float64. */
int cr__cpu_cdist(cr__launch *k) {
  const int64_t *shape = k->cdist.out.shape;
  job j = {k, shape[1], shape[2], k->cdist.x1.shape[2]};
  int64_t lines = shape[0] * shape[1];
  return cr__cpu_share(lines, lines * j.columns * (j.n + 4), some, &j);
}
