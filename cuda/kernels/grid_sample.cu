/* cuda/kernels/grid_sample.cu: images and volumes seen at the places of a grid, and what is added where it was seen.
 *
 * Holds true: what is seen has a thread for each of its elements. What is added is sorted by the element that it goes
 * to, stably, so that each of those has a thread, which adds it up in the order of the places: as the CPU does. */
#include "grid.h"
#include "radix.h"
extern "C" {
#include "scalar/grid_taps.h"
}

static_assert(sizeof(cr__grid_see_slots) == sizeof(cr__grid_put_slots), "the slots differ");

typedef struct looking {
  cr__grid_way way[3]; /* of each coordinate, the last dim's first */
  int64_t batch, channels, points, plane, height, width;
  int dims;
  char *out;
  const char *from, *grid;
} looking;

template <class T> struct taps;
template <> struct taps<float> {
  typedef cr__grid_taps_f32 type;
  static __device__ __forceinline__ type look(const cr__grid_way *w, float c) {
    return cr__grid_look_f32(w, c);
  }
};
template <> struct taps<double> {
  typedef cr__grid_taps_f64 type;
  static __device__ __forceinline__ type look(const cr__grid_way *w, double c) {
    return cr__grid_look_f64(w, c);
  }
};

/* Calls f(element, weight) for each element that place number `at` of all batches sees. */
template <class T, class F>
static __device__ __forceinline__ void each_seen(const looking &l, int64_t at, F f) {
  typename taps<T>::type t[3] = {};
  t[2].n = 1, t[2].weight[0] = 1;
  const T *grid = (const T *)(const void *)l.grid + at * l.dims;
  for (int d = 0; d < l.dims; d++) t[d] = taps<T>::look(&l.way[d], grid[d]);
  for (int a = 0; a < t[2].n; a++) {
    for (int b = 0; b < t[1].n; b++) {
      int64_t row = (t[2].place[a] * l.height + t[1].place[b]) * l.width;
      T weight = t[2].weight[a] * t[1].weight[b];
      for (int c = 0; c < t[0].n; c++) f(row + t[0].place[c], weight * t[0].weight[c]);
    }
  }
}

template <class T> static __global__ void see(looking l) {
  CR__EACH(i, l.batch * l.channels * l.points) {
    int64_t point = i % l.points, plane = i / l.points, batch = plane / l.channels;
    const T *x = (const T *)(const void *)l.from + plane * l.plane;
    T sum = 0;
    each_seen<T>(l, batch * l.points + point,
                 [&](int64_t element, T weight) { sum += x[element] * weight; });
    ((T *)(void *)l.out)[i] = sum;
  }
}

static looking looking_of(const cr__launch *k) {
  const cr__grid_see_slots *s = &k->grid_see;
  looking l = {};
  for (int d = 0; d < 3; d++)
    l.way[d] = {s->size[2 - d], (cr__grid_mode)s->mode, (cr__grid_padding)s->padding,
                s->align_corners, s->order[d]};
  l.batch = s->batch, l.channels = s->channels, l.points = s->points, l.dims = (int)s->dims;
  l.plane = s->size[0] * s->size[1] * s->size[2], l.height = s->size[1], l.width = s->size[2];
  l.out = s->out.data, l.from = s->from.data, l.grid = s->grid.data;
  return l;
}

/* As cr__cpu_grid_see. */
extern "C" int cr__cuda_grid_see(cr__launch *k) {
  looking l = looking_of(k);
  int64_t n = l.batch * l.channels * l.points;
  if (n == 0) return 0;
  auto kernel = k->grid_see.out.dtype == CR_FLOAT64 ? see<double> : see<float>;
  return CR__LAUNCH(k->op, kernel, cr__blocks_for(n), CR__THREADS, 0, l);
}

/* ---- Back to where it was seen ----------------------------------------------------------------- */

enum { MOST = 16 };                     /* elements that a place sees */
static const int64_t ROUND = 1 << 24; /* places of a round */

template <class T> static __global__ void clear(T *out, int64_t n) {
  CR__EACH(i, n) out[i] = 0;
}

/* Of places first .. first + n of all batches: which elements they see, `nowhere` for none, and by which weights. */
template <class T>
static __global__ void find_seen(looking l, int64_t first, int64_t n, uint64_t *key,
                                 uint32_t *number, T *weights, uint64_t nowhere) {
  CR__EACH(i, n) {
    int64_t at = first + i, to = i * MOST, end = to + MOST, batch = at / l.points;
    each_seen<T>(l, at, [&](int64_t element, T weight) {
      weights[to] = weight;
      number[to] = (uint32_t)to;
      key[to++] = (uint64_t)(batch * l.plane + element);
    });
    for (; to < end; to++) number[to] = (uint32_t)to, key[to] = nowhere;
  }
}

/* A thread per sorted sight and channel: the first one of an element adds all of them up. */
template <class T>
static __global__ void add_seen(looking l, int64_t first, int64_t n, const uint64_t *key,
                                const uint32_t *number, const T *weights, uint64_t nowhere) {
  CR__EACH(i, n * MOST * l.channels) {
    int64_t r = i / l.channels, channel = i % l.channels;
    uint64_t k = key[r];
    if (k == nowhere || (r > 0 && key[r - 1] == k)) continue;
    int64_t batch = (int64_t)k / l.plane, plane = batch * l.channels + channel;
    T *to = (T *)(void *)l.out + plane * l.plane + (int64_t)k % l.plane, sum = *to;
    const T *x = (const T *)(const void *)l.from + plane * l.points - batch * l.points;
    for (; r < n * MOST && key[r] == k; r++)
      sum += x[first + number[r] / MOST] * weights[number[r]];
    *to = sum;
  }
}

/* Adds what places first .. first + n see. */
template <class T>
static int put_round(const cr__launch *k, const looking &l, int64_t first, int64_t n) {
  int ordinal = cr__ordinal_of(k->device), bits = 0;
  uint64_t nowhere = (uint64_t)(l.batch * l.plane);
  for (uint64_t x = nowhere; x; x >>= 1) bits++;
  size_t nbytes = (size_t)(n * MOST) * sizeof(T);
  T *weights = (T *)cr__cuda_alloc(ordinal, nbytes);
  if (!weights) return CR_E_MEMORY;
  cr__radix s;
  int code = cr__radix_begin(&s, k->device, n * MOST);
  if (!code) {
    auto find = find_seen<T>;
    auto add = add_seen<T>;
    code = CR__LAUNCH(k->op, find, cr__blocks_for(n), CR__THREADS, 0, l, first, n, s.key, s.number,
                      weights, nowhere);
    if (!code) code = cr__radix_run(&s, k->op, bits);
    if (!code)
      code = CR__LAUNCH(k->op, add, cr__blocks_for(n * MOST * l.channels), CR__THREADS, 0, l, first,
                        n, s.key, s.number, weights, nowhere);
    cr__radix_end(&s);
  }
  cr__cuda_free(ordinal, weights, nbytes);
  return code;
}

template <class T> static int put(const cr__launch *k, const looking &l) {
  int64_t all = l.batch * l.channels * l.plane, places = l.batch * l.points;
  if (all == 0) return 0;
  auto kernel = clear<T>;
  int code = CR__LAUNCH(k->op, kernel, cr__blocks_for(all), CR__THREADS, 0, (T *)(void *)l.out, all);
  for (int64_t first = 0; first < places && !code; first += ROUND)
    code = put_round<T>(k, l, first, places - first < ROUND ? places - first : ROUND);
  return code;
}

/* As cr__cpu_grid_put. */
extern "C" int cr__cuda_grid_put(cr__launch *k) {
  looking l = looking_of(k);
  return k->grid_put.out.dtype == CR_FLOAT64 ? put<double>(k, l) : put<float>(k, l);
}
