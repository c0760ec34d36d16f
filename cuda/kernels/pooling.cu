/* cuda/kernels/pooling.cu: the largest element of each window, and what is added back to where it was.
 *
 * Holds true: a window has a thread, and so has an element that is added to: it gathers, in the order of the windows,
 * from those that may name it. There are no atomics. */
#include "convert.cuh"
#include "grid.h"
extern "C" {
#include "scalar/windows.h"
}

typedef struct pooling {
  cr__windows dim[3];
  cr__windows_kind kind;
  int64_t n; /* threads */
  char *out;
  int64_t *indices;
  const char *from, *samples;
  int dtype, numbers; /* numbers: of a plane, among samples */
} pooling;

template <class T> static __device__ T least() { return (T)-INFINITY; }
template <> __device__ int64_t least<int64_t>() { return INT64_MIN; }

template <int D>
static __device__ cr__window window_of(const pooling &p, int64_t plane, int d, int64_t o) {
  const cr__windows *w = &p.dim[d];
  if (p.kind == CR__WINDOWS_EVEN) return cr__window_even(w, o);
  if (p.kind == CR__WINDOWS_ADAPTIVE) return cr__window_adaptive(w, o);
  cr__window all = {0, 1, 1};
  if (w->size == 1 && w->result == 1) return all;
  int64_t i = plane * p.numbers + (p.numbers == 2 ? 2 - d : d);
  if (D == CR_FLOAT64) return cr__window_drawn_f64(w, o, cr__load_as<CR_FLOAT64>(p.samples, p.dtype, i));
  return cr__window_drawn_f32(w, o, cr__load_as<CR_FLOAT32>(p.samples, p.dtype, i));
}

template <int D> static __global__ void find_largest(pooling p) {
  typedef typename cr__element<D>::value N;
  CR__EACH(i, p.n) {
    int64_t rest = i, at[3];
    for (int d = 2; d >= 0; d--) at[d] = rest % p.dim[d].result, rest /= p.dim[d].result;
    cr__window w[3];
    for (int d = 0; d < 3; d++) w[d] = window_of<D>(p, rest, d, at[d]);
    int64_t height = p.dim[1].size, width = p.dim[2].size, plane = rest * p.dim[0].size * height * width;
    int64_t place = (w[0].first * height + w[1].first) * width + w[2].first;
    N best = least<N>();
    for (int64_t a = 0; a < w[0].count; a++) {
      for (int64_t b = 0; b < w[1].count; b++) {
        int64_t row = (w[0].first + a * w[0].step) * height + w[1].first + b * w[1].step;
        for (int64_t c = 0; c < w[2].count; c++) {
          int64_t here = row * width + w[2].first + c * w[2].step;
          N x = cr__load_as<D>(p.from, p.dtype, plane + here);
          if (x > best || x != x) best = x, place = here;
        }
      }
    }
    cr__store_from<D>(p.out, p.dtype, i, best);
    if (p.indices) p.indices[i] = place + 1;
  }
}

/* As cr__cpu_pool_max. */
extern "C" int cr__cuda_pool_max(cr__launch *k) {
  const cr__view *samples = &k->pool_max.samples;
  pooling p = {};
  p.kind = (cr__windows_kind)k->pool_max.kind, p.dtype = k->pool_max.from.dtype;
  p.n = k->pool_max.planes;
  for (int d = 0; d < 3; d++) {
    p.dim[d] = {k->pool_max.size[d],   k->pool_max.result[d],  k->pool_max.window[d],
                k->pool_max.stride[d], k->pool_max.padding[d], k->pool_max.dilation[d]};
    p.n *= p.dim[d].result;
  }
  p.out = k->pool_max.out.data, p.indices = (int64_t *)(void *)k->pool_max.indices.data;
  p.from = k->pool_max.from.data, p.samples = samples->data;
  if (samples->data) p.numbers = (int)samples->shape[samples->ndim - 1];
  if (p.n == 0) return 0;
  bool floating = cr__category((cr_dtype)p.dtype) == CR_FLOATING;
  auto kernel = p.dtype == CR_FLOAT64 ? find_largest<CR_FLOAT64>
                : floating            ? find_largest<CR_FLOAT32>
                                      : find_largest<CR_INT64>;
  return CR__LAUNCH(k->op, kernel, cr__blocks_for(p.n), CR__THREADS, 0, p);
}

template <int D> static __global__ void put_back(pooling p) {
  typedef typename cr__element<D>::value N;
  CR__EACH(i, p.n) {
    int64_t rest = i, first[3], last[3];
    for (int d = 2; d >= 0; d--) {
      cr__windows_around(&p.dim[d], p.kind, rest % p.dim[d].size, &first[d], &last[d]);
      rest /= p.dim[d].size;
    }
    int64_t height = p.dim[1].result, width = p.dim[2].result;
    int64_t place = i - rest * p.dim[0].size * p.dim[1].size * p.dim[2].size + 1;
    N sum = 0;
    for (int64_t a = first[0]; a < last[0]; a++) {
      for (int64_t b = first[1]; b < last[1]; b++) {
        int64_t row = ((rest * p.dim[0].result + a) * height + b) * width;
        for (int64_t c = first[2]; c < last[2]; c++)
          if (p.indices[row + c] == place) sum += cr__load_as<D>(p.from, p.dtype, row + c);
      }
    }
    cr__store_from<D>(p.out, p.dtype, i, sum);
  }
}

/* As cr__cpu_pool_put, but that a place outside of its plane, or of the windows around it, counts nothing. */
extern "C" int cr__cuda_pool_put(cr__launch *k) {
  pooling p = {};
  p.kind = (cr__windows_kind)k->pool_put.kind, p.dtype = k->pool_put.out.dtype;
  p.n = k->pool_put.planes;
  for (int d = 0; d < 3; d++) {
    p.dim[d] = {k->pool_put.size[d],   k->pool_put.result[d],  k->pool_put.window[d],
                k->pool_put.stride[d], k->pool_put.padding[d], k->pool_put.dilation[d]};
    p.n *= p.dim[d].size;
  }
  p.out = k->pool_put.out.data, p.indices = (int64_t *)(void *)k->pool_put.indices.data;
  p.from = k->pool_put.from.data;
  if (p.n == 0) return 0;
  auto kernel = p.dtype == CR_FLOAT64 ? put_back<CR_FLOAT64> : put_back<CR_FLOAT32>;
  return CR__LAUNCH(k->op, kernel, cr__blocks_for(p.n), CR__THREADS, 0, p);
}
