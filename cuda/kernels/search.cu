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
  return CR__LAUNCH(k->op, find_places<T>, cr__blocks_for(k->i[0]), CR__THREADS, 0,
                    (int64_t *)(void *)k->v[0].data, (const T *)(const void *)k->v[1].data,
                    (const T *)(const void *)k->v[2].data, k->i[0], k->i[1], (bool)k->i[2],
                    k->i[3]);
}

/* v and i as for cr__cpu_search. */
extern "C" int cr__cuda_search(cr__launch *k) {
  return k->v[1].dtype == CR_FLOAT32   ? run_search<float>(k)
         : k->v[1].dtype == CR_FLOAT64 ? run_search<double>(k)
                                       : run_search<int64_t>(k);
}
