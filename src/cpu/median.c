/* cpu/median.c: the median along a dim, with its position.
 *
 * Holds true: of an even number of elements the lower middle one is taken; the position is that of
 * the first element equal to it; a NaN makes the median NaN, at the first NaN's position. */
#include "cpu/convert.h"
#include "cpu/reduce.h"

/* Puts the k-th smallest of n elements at x[k]: quickselect around the middle of three. */
#define SELECT(name, T)                                                                      \
  static void name(T *x, int64_t n, int64_t k) {                                             \
    int64_t low = 0, high = n - 1;                                                           \
    while (low < high) {                                                                     \
      T a = x[low], b = x[low + (high - low) / 2], c = x[high];                              \
      T pivot = a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);           \
      int64_t i = low, j = high;                                                             \
      while (i <= j) {                                                                       \
        while (x[i] < pivot) i++;                                                            \
        while (x[j] > pivot) j--;                                                            \
        if (i > j) break;                                                                    \
        T held = x[i];                                                                       \
        x[i++] = x[j];                                                                       \
        x[j--] = held;                                                                       \
      }                                                                                      \
      if (k <= j) high = j;                                                                  \
      else if (k >= i) low = i;                                                              \
      else return;                                                                           \
    }                                                                                        \
  }                                                                                          \
  /* The median of x, of which `scratch` is a copy to be reordered; returns its position. */ \
  static int64_t name##_position(const T *x, T *scratch, int64_t n) {                        \
    int64_t k = (n - 1) / 2, at = 0;                                                         \
    for (int64_t i = 0; i < n; i++)                                                          \
      if (x[i] != x[i]) return i;                                                            \
    name(scratch, n, k);                                                                     \
    while (x[at] != scratch[k]) at++;                                                        \
    return at;                                                                               \
  }

SELECT(select_f64, double)
SELECT(select_i64, int64_t)

/* v[0] = values, v[1] = int64 positions, v[2] = the input. i[0]: the 0-based dim, of size 1 in the
 * results and not of size 0 in the input. The results are contiguous. */
int cr__cpu_median(cr__launch *k) {
  const cr__view *in = &k->v[2];
  cr__plan p;
  cr__plan_reduction(&p, &k->v[1], in, (uint32_t)1 << k->i[0]);
  bool whole = cr__category((cr_dtype)in->dtype) != CR_FLOATING;
  int type = whole ? CR_INT64 : CR_FLOAT64;
  int64_t n = p.reduced[0], size = (int64_t)cr__size_of((cr_dtype)in->dtype);
  size_t nbytes = (size_t)n * 2 * sizeof(double);
  double *x = cr__host_alloc(nbytes);
  if (!x) return CR_E_MEMORY;
  double *scratch = x + n;
  for (int64_t row = 0; row < p.kept_count; row++) {
    const char *from = in->data + cr__offset_at(p.nkept, p.kept, p.kept_in, row) * size;
    int64_t to = cr__offset_at(p.nkept, p.kept, p.kept_out, row);
    cr__read_run(x, type, from, in->dtype, p.reduced_in[0], n);
    cr__convert(scratch, type, x, type, n);
    int64_t at = whole ? select_i64_position((int64_t *)x, (int64_t *)scratch, n)
                       : select_f64_position(x, scratch, n);
    cr__convert(k->v[0].data + to * size, in->dtype, x + at, type, 1);
    ((int64_t *)k->v[1].data)[to] = at + 1;
  }
  cr__host_free(x, nbytes);
  return 0;
}
