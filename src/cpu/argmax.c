/* argmax.c: the largest or smallest element along a dim, with its position.
 *
 * Holds true: the first of equal elements is chosen, and the first NaN before all others. */
#include <string.h>

#include "convert.h"
#include "reduce_short.h"

typedef struct job {
  const cr__launch *k;
  const cr__view *in;
  char *values; /* NULL where only positions are wanted */
  int64_t *indices;
  cr__fold_plan plan;
  const cr__reduce_loops *loops;
  int compute;
  bool smallest, is_short; /* rows of few elements, side by side */
  int64_t tiles, width;    /* along the innermost kept dim, and results of each */
} job;

static void begin(job *j, const cr__launch *k) {
  *j = (job){.k = k,
             .in = &k->argmax.from,
             .loops = cr__reduce_loops_here(),
             .smallest = k->argmax.smallest};
  j->values = k->argmax.values.data ? k->argmax.values.data : NULL;
  j->indices = (int64_t *)k->argmax.indices.data;
  j->compute = cr__compute_of(j->in->dtype);
  cr__plan_reduction(&j->plan, &k->argmax.indices, j->in, (uint32_t)1 << k->argmax.dim);
}

/* Stores w results at an offset of `at` elements. */
static void store(const job *j, int64_t at, int64_t step, const void *best, const int64_t *indices,
                  int64_t w) {
  size_t size = cr__size_of((cr_dtype)j->in->dtype);
  if (j->values) {
    cr__write_run(j->values + at * (int64_t)size, j->in->dtype, step, best,
                  cr__compute_dtype(j->compute), w);
  }
  for (int64_t c = 0; c < w; c++) j->indices[at + c * step] = indices[c] + 1;
}

/* The position of the first element in x that is `value` (a NaN for NaN). */
#define FIND(name, T)                        \
  static int64_t name(const T *x, T value) { \
    int64_t i = 0;                           \
    if (value != value) {                    \
      while (x[i] == x[i]) i++;              \
    } else {                                 \
      while (x[i] != value) i++;             \
    }                                        \
    return i;                                \
  }
FIND(find_f32, float)
FIND(find_f64, double)
FIND(find_i64, int64_t)

static int64_t find(int compute, const void *x, const void *state) {
  if (compute == CR__COMPUTE_I64) return find_i64(x, *(const int64_t *)state);
  double value = *(const double *)state;
  return compute == CR__COMPUTE_F32 ? find_f32(x, (float)value) : find_f64(x, value);
}

static void run_row(const job *j, int64_t row) {
  const cr__fold_plan *p = &j->plan;
  _Alignas(64) char buffer[CR__FOLD_BLOCK * 8];
  const cr__folder *fold = &j->loops->fold[j->compute][j->smallest ? CR__FOLD_MIN : CR__FOLD_MAX];
  int wanted = cr__compute_dtype(j->compute), state = cr__state_dtype(j->compute);
  int64_t size = (int64_t)cr__size_of((cr_dtype)j->in->dtype), step = p->reduced_in[0];
  const char *from = j->in->data + cr__offset_at(p->nkept, p->kept, p->kept_in, row) * size;
  union {
    double f;
    int64_t i;
  } best, before;
  int64_t position = 0;
  for (int64_t r = 0, n; r < p->reduced[0] && !cr__cpu_stopped(); r += n) {
    n = p->reduced[0] - r < CR__FOLD_BLOCK ? p->reduced[0] - r : CR__FOLD_BLOCK;
    const void *x = from + r * step * size;
    if (step != 1 || j->in->dtype != wanted) {
      cr__read_run(buffer, wanted, x, j->in->dtype, step, n);
      x = buffer;
    }
    if (r == 0) cr__convert(&best, state, x, wanted, 1);
    if (state == CR_FLOAT64 && best.f != best.f) break;
    before = best;
    fold->row(&best, x, n, 0);
    if (memcmp(&best, &before, sizeof best)) position = r + find(j->compute, x, &best);
  }
  int64_t at = cr__offset_at(p->nkept, p->kept, p->kept_out, row);
  char value[8];
  cr__convert(value, wanted, &best, state, 1);
  store(j, at, 1, value, &position, 1);
}

static void run_tile(const job *j, int64_t index) {
  const cr__fold_plan *p = &j->plan;
  _Alignas(64) char buffer[CR__TILE * 8], best[CR__TILE * 8];
  int64_t indices[CR__TILE] = {0};
  int last = p->nkept - 1, wanted = cr__compute_dtype(j->compute);
  int64_t size = (int64_t)cr__size_of((cr_dtype)j->in->dtype), across = p->kept_in[last];
  int64_t first = index % j->tiles * CR__TILE, outer = index / j->tiles;
  int64_t w = p->kept[last] - first < CR__TILE ? p->kept[last] - first : CR__TILE;
  int64_t offset = first * across + cr__offset_at(last, p->kept, p->kept_in, outer);
  for (int64_t r = 0; r < p->reduced[0] && !cr__cpu_stopped(); r++) {
    const char *from = j->in->data + (offset + r * p->reduced_in[0]) * size;
    cr__read_run(r ? buffer : best, wanted, from, j->in->dtype, across, w);
    if (r) j->loops->extreme[j->compute][j->smallest](best, indices, buffer, 1, w, w, r);
  }
  int64_t step = p->kept_out[last];
  int64_t at = first * step + cr__offset_at(last, p->kept, p->kept_out, outer);
  store(j, at, step, best, indices, w);
}

/* Rows of few elements are turned into columns. */
static void run_short(const job *j, int64_t index) {
  const cr__fold_plan *p = &j->plan;
  _Alignas(64) char x[CR__SHORT_UNIT * 8], best[CR__TILE * 8];
  int64_t indices[CR__TILE] = {0};
  int last = p->nkept - 1;
  int64_t n = p->reduced[0], first = index % j->tiles * j->width, outer = index / j->tiles;
  int64_t w = p->kept[last] - first < j->width ? p->kept[last] - first : j->width;
  int64_t from = first * p->kept_in[last] + cr__offset_at(last, p->kept, p->kept_in, outer);
  int64_t at = first * p->kept_out[last] + cr__offset_at(last, p->kept, p->kept_out, outer);
  int64_t row = w * (int64_t)cr__compute_size(j->compute);
  cr__short_columns(x, cr__compute_dtype(j->compute), cr__element(j->in, from), j->in->dtype, n,
                    p->kept_in[last], w);
  memcpy(best, x, (size_t)row);
  j->loops->extreme[j->compute][j->smallest](best, indices, x + row, n - 1, w, w, 1);
  store(j, at, p->kept_out[last], best, indices, w);
}

static void run_units(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  for (int64_t u = begin; u < end; u++) {
    if (j->is_short) run_short(j, u);
    else if (j->plan.columns) run_tile(j, u);
    else run_row(j, u);
  }
}

/* `indices` are int64 positions of `values`, which may be left out; both are contiguous. dim: 0-based, of size 1
 * in the results and not of size 0 in `from`; smallest: whether the smallest is looked for. */
int cr__cpu_argmax(cr__launch *k) {
  job j;
  begin(&j, k);
  const cr__fold_plan *p = &j.plan;
  if (p->kept_count == 0) return 0;
  int64_t inner = p->kept[p->nkept - 1];
  j.is_short = cr__short_rows(&j.plan);
  j.width = j.is_short ? cr__short_width(p->reduced[0], cr__compute_size(j.compute)) : CR__TILE;
  j.tiles = (inner + j.width - 1) / j.width;
  int64_t units = j.is_short || p->columns ? p->kept_count / inner * j.tiles : p->kept_count;
  return cr__cpu_share(units, p->kept_count * p->reduced_count, run_units, &j);
}
