/* search.c: places in lines that are in order.
 *
 * Holds true: NaN stands behind all numbers, as sort.c puts it. */
#include "cpu.h"

/* How many of n elements in order stand before x: the smaller ones, and the equal ones as well if it is
 * to stand to their right. NaN stands behind all. */
#define SEARCH(t, T)                                                                    \
  static int64_t search_##t(const void *line, int64_t n, const void *values, int64_t i, \
                            bool right) {                                               \
    const T *first = line, x = ((const T *)values)[i];                                  \
    while (n > 0) { /* without branches that depend on elements */                      \
      int64_t half = n / 2;                                                             \
      T middle = first[half];                                                           \
      int64_t behind = -(int64_t) !((middle > x) | (!right & (middle == x)));           \
      first += behind & (half + 1);                                                     \
      n = (half & ~behind) | ((n - half - 1) & behind);                                 \
    }                                                                                   \
    return first - (const T *)line;                                                     \
  }
SEARCH(f32, float)
SEARCH(f64, double)
SEARCH(i64, int64_t)

static void search_some(void *launch, int64_t begin, int64_t end) {
  const cr__launch *k = launch;
  int64_t *to = (int64_t *)(void *)k->search.out.data, n = k->search.length, each = k->search.each;
  const char *lines = k->search.lines.data, *values = k->search.values.data;
  int dtype = k->search.lines.dtype;
  bool right = k->search.right;
  int64_t size = (int64_t)cr__size_of((cr_dtype)dtype);
  for (int64_t i = begin; i < end; i++) {
    const char *line = lines + i / each * n * size;
    to[i] = 1 + (dtype == CR_FLOAT32   ? search_f32(line, n, values, i, right)
                 : dtype == CR_FLOAT64 ? search_f64(line, n, values, i, right)
                                       : search_i64(line, n, values, i, right));
  }
}

/* out: int64 positions of count values; lines in order, each of `length` elements, serve `each` values. All are
 * contiguous, lines and values both float32, float64 or int64. right: of equal elements. */
int cr__cpu_search(cr__launch *k) {
  return cr__cpu_share(k->search.count, k->search.count * 16, search_some, k);
}
