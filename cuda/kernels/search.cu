/* cuda/kernels/search.cu: places in lines that are in order.
 *
 * Holds true: as in cpu/search.c. */
#include "grid.h"

template <class T>
static __global__ void find_places(int64_t *to, const T *lines, const T *values, int64_t count,
                                   int64_t n, bool right, int64_t each) {
  CR__EACH(i, count) {
    const T *line = lines + i / each * n, x = values[i];
    int64_t first = 0, last = n;
    while (first < last) {
      int64_t middle = first + (last - first) / 2;
      if (right ? !(line[middle] > x) : !(line[middle] >= x)) first = middle + 1;
      else last = middle;
    }
    to[i] = first + 1;
  }
}

template <class T> static int run_search(const cr__launch *k) {
  return CR__LAUNCH(k->op, find_places<T>, cr__blocks_for(k->search.count), CR__THREADS, 0,
                    (int64_t *)(void *)k->search.out.data,
                    (const T *)(const void *)k->search.lines.data,
                    (const T *)(const void *)k->search.values.data, k->search.count,
                    k->search.length, k->search.right, k->search.each);
}

/* The slots as for cr__cpu_search. */
extern "C" int cr__cuda_search(cr__launch *k) {
  int dtype = k->search.lines.dtype;
  return dtype == CR_FLOAT32   ? run_search<float>(k)
         : dtype == CR_FLOAT64 ? run_search<double>(k)
                               : run_search<int64_t>(k);
}
