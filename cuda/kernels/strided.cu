/* cuda/kernels/strided.cu: triangles of matrices.
 *
 * Holds true: an element is kept or zero by its row and its column alone. */
#include "grid.h"

typedef struct triangle {
  int64_t rows, columns, diagonal;
  bool upper;
} triangle;

/* Operands: out, in. */
template <typename T>
static __global__ void keep_triangle(cr__places<2> w, int64_t n, triangle t, T *out, const T *in) {
  CR__EACH(i, n) {
    int64_t at[2], row = i / t.columns, column = i - row * t.columns;
    int64_t beyond = column - row % t.rows - t.diagonal; /* to the right of the diagonal */
    cr__locate(w, i, at);
    out[at[0]] = (t.upper ? beyond >= 0 : beyond <= 0) ? in[at[1]] : T();
  }
}

template <typename T> static int run(const cr__launch *k, const cr__iter *it, const triangle &t) {
  return CR__LAUNCH(k->op, keep_triangle<T>, cr__blocks_for(it->numel), CR__THREADS, 0,
                    cr__places_of<2>(it), it->numel, t, (T *)k->triangle.out.data, (const T *)k->triangle.from.data);
}

extern "C" int cr__cuda_triangle(cr__launch *k) {
  const cr__view *v = &k->triangle.out;
  const int64_t *strides[] = {v->stride, k->triangle.from.stride};
  triangle t = {v->shape[v->ndim - 2], v->shape[v->ndim - 1], k->triangle.diagonal, k->triangle.upper};
  cr__iter it = cr__row_major(v->ndim, v->shape, 2, strides, ~0u);
  if (it.numel == 0) return 0;
  if (t.diagonal > t.columns) t.diagonal = t.columns; /* as far away as matters */
  if (t.diagonal < -t.rows) t.diagonal = -t.rows;
  switch (cr__size_of((cr_dtype)v->dtype)) {
  case 1: return run<uint8_t>(k, &it, t);
  case 2: return run<uint16_t>(k, &it, t);
  case 4: return run<uint32_t>(k, &it, t);
  case 8: return run<uint64_t>(k, &it, t);
  default: return run<uint4>(k, &it, t);
  }
}
