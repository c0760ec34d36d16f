/* search.c: places in lines that are in order.
 *
 * Holds true: NaN stands behind all numbers, as sort.c puts it. */
#include "cpu.h"

enum { LANES = 8 };

/* How many of n elements in order stand before each of `lanes` values: the smaller ones, and the equal ones as well if
 * it is to stand to their right. No branch depends on elements, and the values' steps wait for memory side by side. */
#define SEARCH(t, T)                                                                           \
  static inline                                                                                \
      __attribute__((always_inline)) void steps_##t(const T *line, int64_t n, const T *values, \
                                                    bool right, int lanes, int64_t *to) {      \
    int64_t at[LANES] = {0}, left[LANES];                                                      \
    for (int j = 0; j < lanes; j++) left[j] = n;                                               \
    for (int64_t most = n; most > 0; most /= 2)                                                \
      for (int j = 0; j < lanes; j++) {                                                        \
        int64_t half = left[j] / 2, place = at[j] + half;                                      \
        T x = values[j], middle = line[place - (place == n)];                                  \
        bool stops = (left[j] == 0) | (middle > x) | (!right & (middle == x));                 \
        int64_t behind = (int64_t)stops - 1;                                                   \
        at[j] += behind & (half + 1);                                                          \
        left[j] = (half & ~behind) | ((left[j] - half - 1) & behind);                          \
      }                                                                                        \
    for (int j = 0; j < lanes; j++) to[j] = 1 + at[j];                                         \
  }                                                                                            \
  static void search_##t(const void *line, int64_t n, const void *values, bool right,          \
                         int64_t count, int64_t *to) {                                         \
    const T *x = values;                                                                       \
    int64_t i = 0;                                                                             \
    for (; i + LANES <= count; i += LANES) steps_##t(line, n, x + i, right, LANES, to + i);    \
    for (; i < count; i++) steps_##t(line, n, x + i, right, 1, to + i);                        \
  }
SEARCH(f32, float)
SEARCH(f64, double)
SEARCH(i64, int64_t)

static void search_some(void *launch, int64_t begin, int64_t end) {
  const cr__launch *k = launch;
  int64_t *to = (int64_t *)(void *)k->search.out.data, n = k->search.length, each = k->search.each;
  const char *lines = k->search.lines.data, *values = k->search.values.data;
  int dtype = k->search.lines.dtype;
  int64_t size = (int64_t)cr__size_of((cr_dtype)dtype);
  for (int64_t i = begin, m; i < end; i += m) {
    m = each - i % each < end - i ? each - i % each : end - i; /* of one line */
    const char *line = lines + i / each * n * size, *some = values + i * size;
    if (dtype == CR_FLOAT32) search_f32(line, n, some, k->search.right, m, to + i);
    else if (dtype == CR_FLOAT64) search_f64(line, n, some, k->search.right, m, to + i);
    else search_i64(line, n, some, k->search.right, m, to + i);
  }
}

/* out: int64 positions of count values; lines in order, each of `length` elements, serve `each` values. All are
 * contiguous, lines and values both float32, float64 or int64. right: of equal elements. */
int cr__cpu_search(cr__launch *k) {
  return cr__cpu_share(k->search.count, k->search.count * 16, search_some, k);
}
