/* cuda/kernels/cat.cu: tensors joined along a dim that is not the first: pieces of each in turn.
 *
 * Holds true: a launch for each part; a thread moves one element. */
#include "grid.h"

template <typename T>
static __global__ void place(T *to, int64_t width, const T *from, int64_t step, int64_t n,
                             int64_t count) {
  CR__EACH(i, count) {
    int64_t row = i / n, column = i - row * n;
    to[row * width + column] = from[row * step + column];
  }
}

template <typename T> static int cat(const cr__launch *k) {
  int64_t outer = k->cat.outer, width = 0;
  T *to = (T *)k->cat.whole.data;
  int code = 0;
  for (int i = 0; i < k->nrow; i++) width += k->rows[i].n;
  for (int i = 0; i < k->nrow && !code; i++) {
    const cr__row *part = &k->rows[i];
    int64_t count = outer * part->n;
    code = CR__LAUNCH(k->op, place<T>, cr__blocks_for(count), CR__THREADS, 0, to, width,
                      (const T *)part->data[0], part->step, part->n, count);
    to += part->n;
  }
  return code;
}

/* v, i and rows as for cr__cpu_cat. */
extern "C" int cr__cuda_cat(cr__launch *k) {
  switch (cr__size_of((cr_dtype)k->cat.whole.dtype)) {
  case 1: return cat<uint8_t>(k);
  case 2: return cat<uint16_t>(k);
  case 4: return cat<uint32_t>(k);
  case 8: return cat<uint64_t>(k);
  default: return cat<uint4>(k);
  }
}
