/* cpu/update.c: kernels over lists of tensors: the steps of optimizers.
 *
 * Holds true: the elements of all rows are shared out among the threads as if they were one line; half
 * types are computed in float, in pieces that fit the cache. */
#include <string.h>

#include "cpu/convert.h"
#include "cpu/update.h"
#include "step.h"

#ifdef __x86_64__
extern const cr__update_loops cr__update_loops_v2, cr__update_loops_v3, cr__update_loops_v4;
static const cr__update_loops *loops_here(void) {
  static const cr__update_loops *const by_level[] = {&cr__update_loops_v2, &cr__update_loops_v3,
                                                     &cr__update_loops_v4};
  return by_level[cr__cpu_level()];
}
#else
extern const cr__update_loops cr__update_loops_base;
static const cr__update_loops *loops_here(void) { return &cr__update_loops_base; }
#endif

enum { PIECE = 512 };

/* A row of float16 or bfloat16: every list but that of the gradients is written back. */
static void run_halves(const cr__launch *k, const cr__row *row, cr__update_loop loop,
                       char *const *data, int64_t n) {
  _Alignas(64) float room[CR__MAX_LISTS][PIECE];
  for (int64_t done = 0; done < n; done += PIECE) {
    int64_t m = n - done < PIECE ? n - done : PIECE;
    char *wide[CR__MAX_LISTS];
    for (int j = 0; j < CR__MAX_LISTS; j++) {
      wide[j] = data[j] ? (char *)room[j] : NULL;
      if (data[j]) cr__convert(room[j], CR_FLOAT32, data[j] + 2 * done, row->dtype, m);
    }
    loop(k, row->f, wide, m);
    for (int j = 0; j < CR__MAX_LISTS; j++)
      if (data[j] && j != CR__ADAM_GRAD)
        cr__convert(data[j] + 2 * done, row->dtype, room[j], CR_FLOAT32, m);
  }
}

/* Elements [begin, end) of a row. */
static void run_part(const cr__launch *k, const cr__row *row, cr__update_loop f32,
                     cr__update_loop f64, int64_t begin, int64_t end) {
  int64_t size = (int64_t)cr__size_of((cr_dtype)row->dtype);
  char *data[CR__MAX_LISTS];
  for (int j = 0; j < CR__MAX_LISTS; j++)
    data[j] = row->data[j] ? row->data[j] + begin * size : NULL;
  if (size == 2) run_halves(k, row, f32, data, end - begin);
  else (row->dtype == CR_FLOAT64 ? f64 : f32)(k, row->f, data, end - begin);
}

static int run_rows(const cr__launch *k, cr__update_loop f32, cr__update_loop f64) {
  int64_t total = 0;
  for (int r = 0; r < k->nrow; r++) total += k->rows[r].n;
  int threads = cr__cpu_threads(4 * total);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int t = 0; t < threads; t++) {
    int64_t from = total / threads * t, to = t + 1 == threads ? total : total / threads * (t + 1);
    int64_t at = 0; /* of the row's first element among all */
    for (int r = 0; r < k->nrow && at < to; at += k->rows[r++].n) {
      int64_t n = k->rows[r].n, begin = from > at ? from - at : 0, end = to - at < n ? to - at : n;
      if (begin < end) run_part(k, &k->rows[r], f32, f64, begin, end);
    }
  }
  return 0;
}

/* rows: lists, i and f as step.h numbers them; of floating dtypes; no two share memory. */
int cr__cpu_sgd(cr__launch *k) { return run_rows(k, loops_here()->sgd_f32, loops_here()->sgd_f64); }
int cr__cpu_adam(cr__launch *k) {
  return run_rows(k, loops_here()->adam_f32, loops_here()->adam_f64);
}
