/* cpu/median.c: the median along a dim, with its position.
 *
 * Holds true: NaN decides, the first of several; else the lower middle element is found by its digits
 * from the highest down, in linear time whatever the order. Each row is worked on by one thread. */
#include <stdatomic.h>
#include <string.h>

#include "cpu/convert.h"
#include "cpu/keys.h"
#include "cpu/reduce.h"

enum { UNIT_ELEMENTS = 16384 };

#define MEDIAN(t, T, K)                                                            \
  CR__SELECT(t, K)                                                                 \
  /* The position of the median of n elements; `room` has space for their keys. */ \
  static int64_t median_##t(const void *from, void *room, int64_t n) {             \
    const T *x = from;                                                             \
    K *key = room, differ = 0, first = cr__key_##t(x[0]);                          \
    int64_t nan = 0, at = 0;                                                       \
    for (int64_t i = 0; i < n; i++) {                                              \
      key[i] = cr__key_##t(x[i]);                                                  \
      differ |= key[i] ^ first;                                                    \
      nan += x[i] != x[i];                                                         \
    }                                                                              \
    if (nan) {                                                                     \
      while (x[at] == x[at]) at++;                                                 \
      return at;                                                                   \
    }                                                                              \
    K middle = cr__select_##t(key, n, (n - 1) / 2, differ);                        \
    while (cr__key_##t(x[at]) != middle) at++;                                     \
    return at;                                                                     \
  }

MEDIAN(f32, float, uint32_t)
MEDIAN(f64, double, uint64_t)
MEDIAN(i64, int64_t, uint64_t)

typedef struct job {
  const cr__launch *k;
  cr__plan plan;
  int compute;
  int64_t n, rows; /* elements of a row, rows of a unit */
} job;

static void run_row(const job *j, int64_t row, char *room) {
  const cr__plan *p = &j->plan;
  const cr__view *in = &j->k->v[2];
  int64_t size = (int64_t)cr__size_of((cr_dtype)in->dtype);
  const char *from = in->data + cr__offset_at(p->nkept, p->kept, p->kept_in, row) * size;
  int64_t to = cr__offset_at(p->nkept, p->kept, p->kept_out, row), step = p->reduced_in[0];
  const void *x = from;
  if (in->dtype != cr__compute_dtype(j->compute) || step != 1) {
    char *copy = room + (size_t)j->n * cr__compute_size(j->compute);
    cr__read_run(copy, cr__compute_dtype(j->compute), from, in->dtype, step, j->n);
    x = copy;
  }
  int64_t at = j->compute == CR__COMPUTE_F32   ? median_f32(x, room, j->n)
               : j->compute == CR__COMPUTE_F64 ? median_f64(x, room, j->n)
                                               : median_i64(x, room, j->n);
  memcpy(j->k->v[0].data + to * size, from + at * step * size, (size_t)size);
  ((int64_t *)j->k->v[1].data)[to] = at + 1;
}

static int run_unit(const job *j, int64_t unit) {
  size_t nbytes = (size_t)j->n * 2 * cr__compute_size(j->compute);
  char *room = cr__host_alloc(nbytes);
  if (!room) return CR_E_MEMORY;
  int64_t end = (unit + 1) * j->rows;
  if (end > j->plan.kept_count) end = j->plan.kept_count;
  for (int64_t row = unit * j->rows; row < end; row++) run_row(j, row, room);
  cr__host_free(room, nbytes);
  return 0;
}

/* v[0] = values, v[1] = int64 positions, v[2] = the input. i[0]: the 0-based dim, of size 1 in the
 * results and not of size 0 in the input. The results are contiguous. */
int cr__cpu_median(cr__launch *k) {
  job j = {.k = k, .compute = cr__compute_of(k->v[2].dtype)};
  cr__plan_reduction(&j.plan, &k->v[1], &k->v[2], (uint32_t)1 << k->i[0]);
  j.n = j.plan.reduced[0];
  j.rows = j.n < UNIT_ELEMENTS ? UNIT_ELEMENTS / j.n : 1;
  int64_t units = (j.plan.kept_count + j.rows - 1) / j.rows;
  int threads = cr__cpu_threads(j.plan.kept_count * j.n * 4);
  if (threads == 1) {
    int code = 0;
    for (int64_t u = 0; u < units && !code; u++) code = run_unit(&j, u);
    return code;
  }
  /* An error is set for the thread that meets it, so it has to be said again for the caller. */
  atomic_int failed = 0;
#pragma omp parallel for num_threads(threads)
  for (int64_t u = 0; u < units; u++) {
    if (!atomic_load_explicit(&failed, memory_order_relaxed) && run_unit(&j, u)) failed = 1;
  }
  return failed ? cr__fail_memory(k->op, (size_t)j.n * 2 * sizeof(double)) : 0;
}
