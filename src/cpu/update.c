/* update.c: kernels over lists of tensors: the steps of optimizers.
 *
 * Holds true: the elements of all rows are shared out among the threads as if they were one line; half
 * types are computed in float, in pieces that fit the cache. */
#include <string.h>

#include "convert.h"
#include "update.h"

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
static void run_halves(const cr__row *row, cr__update_loop loop, char *const *data, int64_t n) {
  _Alignas(64) float room[CR__MAX_LISTS][PIECE];
  for (int64_t done = 0; done < n; done += PIECE) {
    int64_t m = n - done < PIECE ? n - done : PIECE;
    char *wide[CR__MAX_LISTS];
    for (int j = 0; j < CR__MAX_LISTS; j++) {
      wide[j] = data[j] ? (char *)room[j] : NULL;
      if (data[j]) cr__convert(room[j], CR_FLOAT32, data[j] + 2 * done, row->dtype, m);
    }
    loop(row->f, row->switches, wide, m);
    for (int j = 0; j < CR__MAX_LISTS; j++)
      if (data[j] && j != CR__UPDATE_GRAD)
        cr__convert(data[j] + 2 * done, row->dtype, room[j], CR_FLOAT32, m);
  }
}

/* Elements [begin, end) of a row. */
static void run_part(const cr__launch *k, const cr__row *row, int64_t begin, int64_t end) {
  const cr__update_loops *loops = loops_here();
  int64_t size = (int64_t)cr__size_of((cr_dtype)row->dtype), rule = k->update.rule;
  char *data[CR__MAX_LISTS];
  for (int j = 0; j < CR__MAX_LISTS; j++)
    data[j] = row->data[j] ? row->data[j] + begin * size : NULL;
  if (size == 2) run_halves(row, loops->f32[rule], data, end - begin);
  else if (size == 4) loops->f32[rule](row->f, row->switches, data, end - begin);
  else loops->f64[rule](row->f, row->switches, data, end - begin);
}

typedef struct job {
  const cr__launch *k;
  int64_t total;
} job;

static void run_pieces(void *job_, int64_t first, int64_t last) {
  const job *j = job_;
  const cr__launch *k = j->k;
  int64_t from = first * PIECE, to = last * PIECE < j->total ? last * PIECE : j->total;
  int64_t at = 0; /* of the row's first element among all */
  for (int r = 0; r < k->nrow && at < to; at += k->rows[r++].n) {
    int64_t n = k->rows[r].n, begin = from > at ? from - at : 0, end = to - at < n ? to - at : n;
    if (begin < end) run_part(k, &k->rows[r], begin, end);
  }
}

/* rows: lists, numbers and switches as step.h has them; of floating dtypes; no two share memory. */
int cr__cpu_update(cr__launch *k) {
  job j = {.k = k};
  for (int r = 0; r < k->nrow; r++) j.total += k->rows[r].n;
  return cr__cpu_share((j.total + PIECE - 1) / PIECE, 4 * j.total, run_pieces, &j);
}
