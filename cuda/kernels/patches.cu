/* cuda/kernels/patches.cu: the patches of images as columns, and back.
 *
 * Holds true: an element of the result has a thread, which gathers its sum in the order of a patch's elements. */
#include "convert.cuh"
#include "grid.h"
extern "C" {
#include "scalar/windows.h"
}

typedef struct patches {
  cr__windows y, x;
  int64_t n; /* threads */
  char *out;
  const char *from;
  int dtype;
} patches;

template <class T> static __global__ void unfold(patches p) {
  CR__EACH(i, p.n) {
    int64_t rest = i, at[4];
    const int64_t size[] = {p.x.result, p.y.result, p.x.kernel, p.y.kernel};
    for (int d = 0; d < 4; d++) at[d] = rest % size[d], rest /= size[d];
    int64_t x = at[0] * p.x.stride + at[2] * p.x.dilation - p.x.padding;
    int64_t y = at[1] * p.y.stride + at[3] * p.y.dilation - p.y.padding;
    bool inside = x >= 0 && x < p.x.size && y >= 0 && y < p.y.size;
    ((T *)(void *)p.out)[i] =
        inside ? ((const T *)(const void *)p.from)[(rest * p.y.size + y) * p.x.size + x] : T();
  }
}

/* As cr__cpu_unfold. */
extern "C" int cr__cuda_unfold(cr__launch *k) {
  patches p = {};
  p.y = {k->unfold.size[1],   k->unfold.result[1],  k->unfold.window[1],
         k->unfold.stride[1], k->unfold.padding[1], k->unfold.dilation[1]};
  p.x = {k->unfold.size[2],   k->unfold.result[2],  k->unfold.window[2],
         k->unfold.stride[2], k->unfold.padding[2], k->unfold.dilation[2]};
  p.n = k->unfold.planes * p.y.kernel * p.x.kernel * p.y.result * p.x.result;
  p.out = k->unfold.out.data, p.from = k->unfold.from.data;
  if (p.n == 0) return 0;
  size_t size = cr__size_of((cr_dtype)k->unfold.out.dtype);
  auto kernel = size == 1   ? unfold<uint8_t>
                : size == 2 ? unfold<uint16_t>
                : size == 4 ? unfold<uint32_t>
                            : unfold<uint64_t>;
  return CR__LAUNCH(k->op, kernel, cr__blocks_for(p.n), CR__THREADS, 0, p);
}

/* The patch along a dim that has position `row` as its i-th element; -1: none has. */
static __device__ __forceinline__ int64_t patch_at(const cr__windows &w, int64_t row, int64_t i) {
  int64_t o = row + w.padding - i * w.dilation;
  if (o < 0 || o % w.stride != 0) return -1;
  o /= w.stride;
  return o < w.result ? o : -1;
}

template <int D> static __global__ void fold(patches p) {
  typedef typename cr__element<D>::value N;
  CR__EACH(n, p.n) {
    int64_t x = n % p.x.size, y = n / p.x.size % p.y.size, plane = n / p.x.size / p.y.size;
    N sum = 0;
    for (int64_t i = 0; i < p.y.kernel; i++) {
      int64_t a = patch_at(p.y, y, i);
      for (int64_t j = 0; j < p.x.kernel && a >= 0; j++) {
        int64_t b = patch_at(p.x, x, j), column = (plane * p.y.kernel + i) * p.x.kernel + j;
        if (b >= 0)
          sum += cr__load_as<D>(p.from, p.dtype, (column * p.y.result + a) * p.x.result + b);
      }
    }
    cr__store_from<D>(p.out, p.dtype, n, sum);
  }
}

/* As cr__cpu_fold. */
extern "C" int cr__cuda_fold(cr__launch *k) {
  patches p = {};
  p.y = {k->fold.size[1],   k->fold.result[1],  k->fold.window[1],
         k->fold.stride[1], k->fold.padding[1], k->fold.dilation[1]};
  p.x = {k->fold.size[2],   k->fold.result[2],  k->fold.window[2],
         k->fold.stride[2], k->fold.padding[2], k->fold.dilation[2]};
  p.n = k->fold.planes * p.y.size * p.x.size;
  p.out = k->fold.out.data, p.from = k->fold.from.data, p.dtype = k->fold.out.dtype;
  if (p.n == 0) return 0;
  bool floating = cr__category((cr_dtype)p.dtype) == CR_FLOATING;
  auto kernel = p.dtype == CR_FLOAT64 ? fold<CR_FLOAT64>
                : floating            ? fold<CR_FLOAT32>
                                      : fold<CR_INT64>;
  return CR__LAUNCH(k->op, kernel, cr__blocks_for(p.n), CR__THREADS, 0, p);
}
