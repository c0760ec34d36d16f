/* cuda/kernels/resample.cu: maps of lines along the dims of planes.
 *
 * Holds true: an element of the result has a thread, which sums along one dim after the other in the order of places,
 * as the CPU does. */
#include "convert.cuh"
#include "grid.h"

typedef struct map {
  int64_t size, result;
  const int64_t *first, *place;
  const void *weight, *share; /* NULL where there are none */
} map;

typedef struct resampling {
  map dim[3];
  int64_t n; /* threads */
  char *out;
  const char *from;
  int dtype;
  bool before, rows_first;
} resampling;

template <class N> static __device__ __forceinline__ N quotient(N a, N b) { return a / b; }
template <> __device__ __forceinline__ int64_t quotient(int64_t a, int64_t b) {
  return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

template <class N> static __device__ __forceinline__ N share(const map &m, int64_t i) {
  return ((const N *)m.share)[i];
}

/* sum + weight * x for the i-th place of a map, of which `starts` tells the first one of a sum. */
template <class N>
static __device__ __forceinline__ N take(const map &m, int64_t i, bool starts, N sum, N x) {
  if (m.weight) x = ((const N *)m.weight)[i] * x;
  return starts ? x : sum + x;
}

/* The element at a place of the input. */
template <int D>
static __device__ __forceinline__ typename cr__element<D>::value
source(const resampling &r, int64_t plane, int64_t z, int64_t y, int64_t x) {
  typedef typename cr__element<D>::value N;
  const map *m = r.dim;
  N v = cr__load_as<D>(r.from, r.dtype, ((plane * m[0].size + z) * m[1].size + y) * m[2].size + x);
  if (!r.before || !m[0].share) return v;
  return quotient(v, share<N>(m[0], z) * share<N>(m[1], y) * share<N>(m[2], x));
}

/* The sum over slice z for element (y, x) of the result: along the last dim first, or last. */
template <int D>
static __device__ __forceinline__ typename cr__element<D>::value
slice_sum(const resampling &r, int64_t plane, int64_t z, int64_t y, int64_t x) {
  typedef typename cr__element<D>::value N;
  const map &outer = r.dim[r.rows_first ? 2 : 1], &inner = r.dim[r.rows_first ? 1 : 2];
  int64_t o = r.rows_first ? x : y, i = r.rows_first ? y : x;
  N all = 0;
  for (int64_t b = outer.first[o]; b < outer.first[o + 1]; b++) {
    N line = 0;
    for (int64_t c = inner.first[i]; c < inner.first[i + 1]; c++) {
      int64_t at = outer.place[b], other = inner.place[c];
      N v = r.rows_first ? source<D>(r, plane, z, other, at) : source<D>(r, plane, z, at, other);
      line = take(inner, c, c == inner.first[i], line, v);
    }
    all = take(outer, b, b == outer.first[o], all, line);
  }
  return all;
}

template <int D> static __global__ void resample(resampling r) {
  typedef typename cr__element<D>::value N;
  CR__EACH(n, r.n) {
    const map *m = r.dim;
    int64_t rest = n, at[3];
    for (int d = 2; d >= 0; d--) at[d] = rest % m[d].result, rest /= m[d].result;
    N sum = 0;
    for (int64_t a = m[0].first[at[0]]; a < m[0].first[at[0] + 1]; a++) {
      N slice = slice_sum<D>(r, rest, m[0].place[a], at[1], at[2]);
      sum = take(m[0], a, a == m[0].first[at[0]], sum, slice);
    }
    if (m[0].share && !r.before)
      sum = quotient(sum, share<N>(m[0], at[0]) * share<N>(m[1], at[1]) * share<N>(m[2], at[2]));
    if (D == CR_FLOAT32 && r.dtype == CR_UINT8) {
      float v = floorf((float)sum + 0.5f);
      sum = (N)(v > 0 ? v < 255 ? v : 255 : 0);
    }
    cr__store_from<D>(r.out, r.dtype, n, sum);
  }
}

/* As cr__cpu_resample. */
extern "C" int cr__cuda_resample(cr__launch *k) {
  resampling r = {};
  r.dtype = k->resample.from.dtype, r.before = k->resample.before;
  r.rows_first = k->resample.rows_first;
  bool floating = cr__category((cr_dtype)r.dtype) == CR_FLOATING;
  bool whole = !floating && !k->resample.weights.data && k->resample.shares.data;
  int64_t width = whole || r.dtype == CR_FLOAT64 ? 8 : 4, shares = 0;
  r.n = k->resample.planes;
  for (int d = 0; d < 3; d++) {
    map *m = &r.dim[d];
    m->size = k->resample.size[d], m->result = k->resample.result[d];
    m->first = (const int64_t *)(const void *)k->resample.places.data + k->resample.place[d];
    m->place = m->first + m->result + 1;
    if (k->resample.weights.data) m->weight = k->resample.weights.data + k->resample.weight[d] * width;
    if (k->resample.shares.data) m->share = k->resample.shares.data + shares * width;
    shares += r.before ? m->size : m->result;
    r.n *= m->result;
  }
  r.out = k->resample.out.data, r.from = k->resample.from.data;
  if (r.n == 0) return 0;
  auto kernel = whole                   ? resample<CR_INT64>
                : r.dtype == CR_FLOAT64 ? resample<CR_FLOAT64>
                                        : resample<CR_FLOAT32>;
  return CR__LAUNCH(k->op, kernel, cr__blocks_for(r.n), CR__THREADS, 0, r);
}
