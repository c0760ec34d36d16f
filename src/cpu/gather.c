/* gather.c: reading by positions.
 *
 * Holds true: a row of one position (its index has stride 0 along the row) is copied in one piece. */
#include <stdatomic.h>

#include "convert.h"
#include "index.h"
#include "cpu/loops/loops.h"

enum { OUT, FROM, INDEX, BLOCK = 2048, SHORT = 64, PANEL = 128 };

/* The innermost dim counts columns, the next one rows; what is further out counts slabs. */
typedef struct gather {
  const cr__view *out, *from, *index;
  int64_t size, stride; /* of the indexed dim */
  int64_t element;      /* bytes */
  int64_t rows, columns;
  int64_t height, width; /* of a block */
  bool whole_rows;       /* a position for each row, which is moved in one piece */
  cr__stream stream;     /* NULL: write as usual */
  atomic_bool bad;       /* a position is out of range */
  cr__iter it;           /* operands: out, from, index */
} gather;

typedef struct slab { /* where the elements of a block begin, and the steps from row to row */
  char *out;
  const char *from, *index;
  int64_t rows, out_step, from_step, index_step;
} slab;

static int64_t row_step(const gather *p, int operand) {
  return p->it.ndim > 1 ? p->it.stride[operand][1] : 0;
}

/* Rows [top, ...) of slab number `outer`, from a column on. */
static slab slab_at(const gather *p, int64_t outer, int64_t top, int64_t rows, int64_t column) {
  int64_t at[3], width = (int64_t)cr__size_of((cr_dtype)p->index->dtype);
  for (int k = 0; k < 3; k++) at[k] = column * p->it.stride[k][0] + top * row_step(p, k);
  for (int d = 2; d < p->it.ndim; d++) {
    for (int k = 0; k < 3; k++) at[k] += outer % p->it.shape[d] * p->it.stride[k][d];
    outer /= p->it.shape[d];
  }
  return (slab){p->out->data + at[OUT] * p->element, p->from->data + at[FROM] * p->element,
                p->index->data + at[INDEX] * width,  rows,
                row_step(p, OUT) * p->element,       row_step(p, FROM) * p->element,
                row_step(p, INDEX) * width};
}

/* Bytes of the row that positions lead to, if it is short enough to be fetched while the one before it
 * is at work; else 0. */
static int64_t row_ahead(const gather *p) {
  int64_t bytes = p->size * p->element;
  return p->stride == 1 && p->columns <= BLOCK && bytes <= 32768 ? bytes : 0;
}

/* A position for each of n columns; true if one is out of range. A piece at a time, so that reading
 * positions, finding elements and writing results overlap: the shorter, the better, but where each
 * column leads to another row, for then they wait for one another. */
static bool gather_columns(const gather *p, slab s, int64_t n) {
  const cr__index_loops *loops = cr__index_loops_here();
  _Alignas(64) char line[PANEL * CR__MAX_ELEMENT];
  int64_t offset[BLOCK], so = p->it.stride[OUT][0], sf = p->it.stride[FROM][0];
  int64_t si = p->it.stride[INDEX][0], width = (int64_t)cr__size_of((cr_dtype)p->index->dtype);
  int64_t short_of = sf == 0 ? SHORT : PANEL, ahead = row_ahead(p);
  int64_t share = (ahead * short_of / n + CR__LINE - 1) / CR__LINE * CR__LINE;
  int kind = cr__index_kind(p->index->dtype), size = cr__size_kind(p->element);
  for (int64_t r = 0; r < s.rows && !cr__cpu_stopped(); r++) {
    const char *next = s.from + s.from_step, *end = r + 1 < s.rows ? next + ahead : next;
    for (int64_t c = 0; c < n; c += short_of) {
      int64_t m = n - c < short_of ? n - c : short_of;
      char *out = s.out + c * so * p->element;
      const char *from = s.from + c * sf * p->element;
      for (const char *stop = next + share; next < stop && next < end; next += CR__LINE)
        __builtin_prefetch(next);
      if ((r == 0 || s.index_step != 0) &&
          loops->locate[kind](offset + c, s.index + c * si * width, si, p->size, p->stride, m))
        return true;
      loops->take[size](p->stream ? line : out, p->stream ? 1 : so, from, sf, offset + c, m);
      if (p->stream) p->stream(out, line, (size_t)(m * p->element));
    }
    s.out += s.out_step;
    s.from += s.from_step;
    s.index += s.index_step;
  }
  return false;
}

/* Rows of n columns, from row to row of `out`, which begin at offset[i] (in bytes). */
static void take_rows(const gather *p, slab s, const int64_t *offset, int64_t n, int64_t rows) {
  const cr__index_loops *loops = cr__index_loops_here();
  int64_t step = p->it.stride[FROM][0];
  if (step == 1) {
    loops->take_rows(s.out, s.out_step, s.from, offset, n * p->element, rows, p->stream != NULL);
    return;
  }
  int size = cr__size_kind(p->element);
  for (int64_t i = 0; i < rows; i++)
    loops->step[size](s.out + i * s.out_step, s.from + offset[i], step, n);
}

/* A position for each row of n columns, which are moved in one piece. */
static bool gather_rows(const gather *p, slab s, int64_t n) {
  const cr__index_loops *loops = cr__index_loops_here();
  int64_t offset[BLOCK], width = (int64_t)cr__size_of((cr_dtype)p->index->dtype);
  int kind = cr__index_kind(p->index->dtype);
  for (int64_t r = 0; r < s.rows && !cr__cpu_stopped(); r += BLOCK) {
    int64_t m = s.rows - r < BLOCK ? s.rows - r : BLOCK;
    if (loops->locate[kind](offset, s.index, s.index_step / width, p->size, p->stride * p->element,
                            m))
      return true;
    for (int64_t i = 0; i < m && s.from_step; i++) offset[i] += i * s.from_step;
    take_rows(p, s, offset, n, m);
    s.out += m * s.out_step;
    s.from += m * s.from_step;
    s.index += m * s.index_step;
  }
  return false;
}

/* How the work is cut: blocks of columns, and of rows in them. Where positions lead from row to row
 * of `from`, a narrow panel of its columns stays in the cache while all rows pass through it. */
static void cut(gather *p) {
  enum { TASK = 16384 };
  bool down = p->it.stride[FROM][0] != 0 && row_step(p, FROM) == 0 && !p->whole_rows;
  bool panels = down && p->rows > 1 && p->size * p->stride * p->element > 1 << 20;
  p->width = panels ? PANEL : p->whole_rows ? TASK : BLOCK;
  if (p->width > p->columns) p->width = p->columns;
  p->height = panels ? p->rows : TASK / p->width + 1;
}

/* Writing past the caches needs rows of whole cache lines. */
static cr__stream choose_stream(const gather *p) {
  int64_t step = row_step(p, OUT) * p->element, row = p->columns % p->width * p->element;
  bool lines = p->it.stride[OUT][0] == 1 && step % CR__LINE == 0 && row % CR__LINE == 0;
  if (!lines || !cr__iter_dense(&p->it, OUT)) return NULL;
  return cr__stream_for(p->out->data, p->it.numel * p->element, p->width * p->element);
}

/* Blocks [begin, end): rows first, then columns, then slabs. */
static void gather_blocks(void *job, int64_t begin, int64_t end) {
  gather *p = job;
  int64_t across = (p->columns + p->width - 1) / p->width;
  int64_t down = (p->rows + p->height - 1) / p->height;
  bool bad = false;
  for (int64_t t = begin; t < end && !bad; t++) {
    int64_t row = t % down * p->height, column = t / down % across * p->width;
    int64_t rows = p->rows - row < p->height ? p->rows - row : p->height;
    int64_t n = p->columns - column < p->width ? p->columns - column : p->width;
    slab s = slab_at(p, t / down / across, row, rows, column);
    bad = p->whole_rows ? gather_rows(p, s, n) : gather_columns(p, s, n);
  }
  if (bad) atomic_store_explicit(&p->bad, true, memory_order_relaxed);
  if (p->stream) cr__stream_end();
}

static int run_gather(gather *p) {
  const cr__iter *it = &p->it;
  int64_t step = it->stride[FROM][0];
  bool near = step >= 0 && step * p->element < CR__LINE; /* a line has several elements of a row */
  p->whole_rows = it->stride[INDEX][0] == 0 && it->stride[OUT][0] == 1 && near;
  cut(p);
  if (!p->whole_rows || step == 1) p->stream = choose_stream(p);
  int64_t across = (p->columns + p->width - 1) / p->width;
  int64_t down = (p->rows + p->height - 1) / p->height;
  return cr__cpu_share(it->numel / (p->rows * p->columns) * across * down, it->numel, gather_blocks,
                       p);
}

/* out[...] = from[... + the offset of index[...]].
 * `out`, `from` and `index` (int64 or int32) have one shape: `from` has stride 0 along what the positions
 * run through, index along the rest. `size` and `step` (of `from`, in elements) are the indexed dim's, `dim`
 * its number from 1; size -1: positions are offsets plus 1. Equal dtypes of `out` and `from` have been checked,
 * ranges have not; after an error `out` is to be given up. */
int cr__cpu_gather(cr__launch *k) {
  gather p = {.out = &k->gather.out,
              .from = &k->gather.from,
              .index = &k->gather.index,
              .size = k->gather.size,
              .stride = k->gather.step};
  const int64_t *strides[] = {p.out->stride, p.from->stride, p.index->stride};
  p.element = (int64_t)cr__size_of((cr_dtype)p.out->dtype);
  cr__iter_begin(&p.it, p.out->ndim, p.out->shape, 3, strides);
  if (p.it.numel == 0)
    return p.size >= 0 ? cr__cpu_check_positions(k->op, p.index, p.size, k->gather.dim) : 0;
  p.columns = p.it.shape[0];
  p.rows = p.it.ndim > 1 ? p.it.shape[1] : 1;
  int code = run_gather(&p);
  if (code || !p.bad) return code;
  return cr__cpu_check_positions(k->op, p.index, p.size, k->gather.dim);
}
