/* median.c: the median along a dim, with its position.
 *
 * Holds true: NaN decides, the first of several, or is left out; the lower middle element is found by its key's
 * digits (measured from the smallest one) from the highest down, in linear time whatever the order. Each row is worked
 * on by one thread. */
#include <string.h>

#include "convert.h"
#include "keys.h"
#include "sort.h"

static inline bool go_on(int64_t at) { return at % CR__STRETCH != 0 || !cr__cpu_stopped(); }

#define MEDIAN(t, T, K)                                                             \
  CR__SELECT(t, K)                                                                  \
  /* The position of the median of n elements; `room` has space for their keys. */  \
  static int64_t median_##t(const void *from, void *room, int64_t n, bool skip) {   \
    const T *x = from;                                                              \
    K *key = room, differ = 0, least = (K) ~(K)0;                                   \
    int64_t nan = 0, at = 0;                                                        \
    CR__STRETCHES(b, n) {                                                           \
      CR__EACH_OF(i, b, n) {                                                        \
        key[i] = cr__key_##t(x[i]);                                                 \
        least = key[i] < least ? key[i] : least;                                    \
        nan += x[i] != x[i];                                                        \
      }                                                                             \
    }                                                                               \
    if (cr__cpu_stopped()) return 0;                                                \
    if (nan && (!skip || nan == n)) {                                               \
      while (x[at] == x[at] && go_on(at)) at++;                                     \
      return at;                                                                    \
    }                                                                               \
    CR__STRETCHES(b, n) {                                                           \
      CR__EACH_OF(i, b, n) {                                                        \
        key[i] -= least;                                                            \
        differ |= key[i];                                                           \
      }                                                                             \
    }                                                                               \
    if (cr__cpu_stopped() || differ == 0) return 0;                                 \
    K middle = cr__select_##t(key, n, (n - nan - 1) / 2, differ); /* NaN is last */ \
    if (cr__cpu_stopped()) return 0;                                                \
    while (cr__key_##t(x[at]) - least != middle && go_on(at)) at++;                 \
    return at;                                                                      \
  }

MEDIAN(f32, float, uint32_t)
MEDIAN(f64, double, uint64_t)
MEDIAN(i64, int64_t, uint64_t)
MEDIAN(i32, int32_t, uint32_t)

typedef struct job {
  const cr__launch *k;
  cr__fold_plan plan;
  int type;  /* a cr__sort_type */
  int64_t n; /* elements of a row */
} job;

static void run_row(const void *job_, int64_t row, char *room) {
  const job *j = job_;
  const cr__fold_plan *p = &j->plan;
  const cr__view *in = &j->k->median.from;
  int64_t size = (int64_t)cr__size_of((cr_dtype)in->dtype);
  const char *from = in->data + cr__offset_at(p->nkept, p->kept, p->kept_in, row) * size;
  int64_t to = cr__offset_at(p->nkept, p->kept, p->kept_out, row), step = p->reduced_in[0];
  const void *x = from;
  if (in->dtype != cr__sort_dtype(j->type) || step != 1) {
    char *copy = room + (size_t)j->n * cr__sort_size(j->type);
    cr__read_looking(copy, cr__sort_dtype(j->type), from, in->dtype, step, j->n);
    x = copy;
  }
  bool skip = j->k->median.skip;
  int64_t at = j->type == CR__COMPUTE_F32   ? median_f32(x, room, j->n, skip)
               : j->type == CR__COMPUTE_F64 ? median_f64(x, room, j->n, skip)
               : j->type == CR__COMPUTE_I64 ? median_i64(x, room, j->n, skip)
                                            : median_i32(x, room, j->n, skip);
  memcpy(j->k->median.values.data + to * size, from + at * step * size, (size_t)size);
  ((int64_t *)j->k->median.indices.data)[to] = at + 1;
}

/* `indices` are int64 positions of `values`. dim: 0-based, of size 1 in the
 * results and not of size 0 in the input. skip: NaN is left out, unless there is nothing else. The results are
 * contiguous. */
int cr__cpu_median(cr__launch *k) {
  job j = {.k = k, .type = cr__sort_type(k->median.from.dtype)};
  cr__plan_reduction(&j.plan, &k->median.indices, &k->median.from, (uint32_t)1 << k->median.dim);
  j.n = j.plan.reduced[0];
  return cr__cpu_lines(k->op, j.plan.kept_count, j.plan.kept_count * j.n * 4,
                       (size_t)j.n * 2 * cr__sort_size(j.type), run_row, &j);
}
