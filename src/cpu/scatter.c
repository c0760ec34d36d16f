/* scatter.c: writing, adding, multiplying and choosing by positions, and adding to overlapping views.
 *
 * Holds true: elements are written in the row-major order of the index, whatever its layout, so that
 * sums have one value and the last write stands; threads never write to one element. */
#include <stdatomic.h>
#include <string.h>

#include "convert.h"
#include "index.h"
#include "cpu/loops/loops.h"

static cr__join join_for(int how, int dtype) {
  const cr__join_loops *loops = cr__join_loops_here();
  switch (how) {
  case CR__SCATTER_ADD: return loops->add[dtype];
  case CR__SCATTER_MULTIPLY: return loops->multiply[dtype];
  case CR__SCATTER_LARGEST: return loops->largest[dtype];
  case CR__SCATTER_SMALLEST: return loops->smallest[dtype];
  default: return NULL;
  }
}

/* ---- scatter -------------------------------------------------------------------------------------- */

enum { BLOCK = 512, SHORT = 64, LINE = 16, PANEL = 128, AHEAD = 8 };
enum { TO = 1, INDEX, FROM }; /* operands; the first is row-major order itself */

typedef struct scatter {
  const cr__view *to, *index, *from;
  int64_t size, stride;  /* of the indexed dim */
  int64_t element;       /* bytes */
  cr__join join;         /* NULL: elements are overwritten */
  bool far;              /* `to` reaches beyond the nearest cache */
  int64_t rows, columns; /* of a slab: the two innermost dims */
  bool by_column;        /* parts are ranges of columns, not of the outermost dim */
  int64_t parts;
  atomic_bool bad; /* a position is out of range */
  cr__iter it;
} scatter;

static int64_t row_step(const scatter *p, int operand) {
  return p->it.ndim > 1 ? p->it.stride[operand][1] : 0;
}

/* A row of one position. */
static void scatter_row(const scatter *p, char *to, const char *from, int64_t n) {
  int64_t st = p->it.stride[TO][0], sf = p->it.stride[FROM][0];
  if (p->join) p->join(to, st, NULL, from, sf, n);
  else if (st == 1 && sf == 1) memcpy(to, from, (size_t)(n * p->element));
  else if (st == 1 && sf == 0) cr__splat(to, from, (size_t)p->element, n);
  else
    for (int64_t j = 0; j < n; j++)
      memcpy(to + j * st * p->element, from + j * sf * p->element, (size_t)p->element);
}

typedef struct slab { /* where the elements of a block begin, and the steps from row to row */
  char *to;
  const char *index, *from;
  int64_t to_step, index_step, from_step;
} slab;

static slab slab_at(const scatter *p, int64_t outer, int64_t top, int64_t left) {
  int64_t at[4], step[4], width = (int64_t)cr__size_of((cr_dtype)p->index->dtype);
  for (int k = TO; k <= FROM; k++) {
    int64_t rest = outer, size = k == INDEX ? width : p->element;
    step[k] = row_step(p, k) * size;
    at[k] = left * p->it.stride[k][0];
    for (int d = 2; d < p->it.ndim; d++) {
      at[k] += rest % p->it.shape[d] * p->it.stride[k][d];
      rest /= p->it.shape[d];
    }
    at[k] = at[k] * size + top * step[k];
  }
  return (slab){p->to->data + at[TO],
                p->index->data + at[INDEX],
                p->from->data + at[FROM],
                step[TO],
                step[INDEX],
                step[FROM]};
}

/* `rows` rows of n columns that have one position each; false if one is out of range. */
static bool scatter_rows(const scatter *p, slab s, int64_t rows, int64_t n) {
  const cr__index_loops *loops = cr__index_loops_here();
  int64_t offset[BLOCK], width = (int64_t)cr__size_of((cr_dtype)p->index->dtype);
  for (int64_t r = 0; r < rows && !cr__cpu_stopped(); r += BLOCK) {
    int64_t m = rows - r < BLOCK ? rows - r : BLOCK;
    if (loops->locate[cr__index_kind(p->index->dtype)](offset, s.index, s.index_step / width,
                                                       p->size, p->stride * p->element, m))
      return false;
    for (int64_t i = 0; i < m; i++, s.to += s.to_step, s.from += s.from_step) {
      if (p->far && i + AHEAD < m)
        __builtin_prefetch(s.to + AHEAD * s.to_step + offset[i + AHEAD], 1);
      scatter_row(p, s.to + offset[i], s.from, n);
    }
    s.index += m * s.index_step;
  }
  return true;
}

/* `rows` rows of n elements that have a position each; false if one is out of range. As in gather
 * (index.c), pieces are short where the memory of a row of positions is near. */
static bool scatter_each(const scatter *p, slab s, int64_t rows, int64_t n) {
  const cr__index_loops *loops = cr__index_loops_here();
  int64_t offset[BLOCK], si = p->it.stride[INDEX][0];
  int64_t st = p->it.stride[TO][0], sf = p->it.stride[FROM][0];
  int64_t width = (int64_t)cr__size_of((cr_dtype)p->index->dtype), piece = p->far ? BLOCK : SHORT;
  int64_t ahead = p->far || p->stride != 1 ? 0 : p->size * p->element;
  int64_t share = (ahead * piece / n + CR__LINE - 1) / CR__LINE * CR__LINE;
  int kind = cr__index_kind(p->index->dtype), size = cr__size_kind(p->element);
  for (int64_t r = 0; r < rows && !cr__cpu_stopped(); r++) {
    const char *next = s.to + s.to_step, *end = r + 1 < rows ? next + ahead : next;
    for (int64_t c = 0; c < n && !cr__cpu_stopped(); c += piece) {
      int64_t m = n - c < piece ? n - c : piece;
      char *to = s.to + c * st * p->element;
      const char *from = s.from + c * sf * p->element;
      for (const char *stop = next + share; next < stop && next < end; next += CR__LINE)
        __builtin_prefetch(next, 1);
      if (loops->locate[kind](offset, s.index + c * si * width, si, p->size, p->stride, m))
        return false;
      if (p->join) p->join(to, st, offset, from, sf, m);
      else loops->put[size](to, st, offset, from, sf, m, p->far);
    }
    s.to += s.to_step;
    s.index += s.index_step;
    s.from += s.from_step;
  }
  return true;
}

/* Columns [left, right) of rows [top, bottom) of slab number `outer`. */
static bool scatter_slab(const scatter *p, int64_t outer, int64_t top, int64_t bottom, int64_t left,
                         int64_t right) {
  slab s = slab_at(p, outer, top, left);
  if (p->it.stride[INDEX][0] == 0) return scatter_rows(p, s, bottom - top, right - left);
  return scatter_each(p, s, bottom - top, right - left);
}

/* Columns [left, right) of rows [top, bottom), which are counted over all dims but the innermost. */
static bool scatter_part(const scatter *p, int64_t top, int64_t bottom, int64_t left,
                         int64_t right) {
  for (int64_t row = top; row < bottom;) {
    int64_t first = row % p->rows, n = p->rows - first;
    if (n > bottom - row) n = bottom - row;
    if (!scatter_slab(p, row / p->rows, first, first + n, left, right)) return false;
    row += n;
  }
  return true;
}

/* Columns [left, right) of all rows. Where positions lead from row to row of `to`, a narrow panel of
 * its columns stays in the cache while all rows pass through it. */
static bool scatter_columns(const scatter *p, int64_t left, int64_t right) {
  int64_t all = p->it.numel / p->columns;
  bool down = p->it.stride[INDEX][0] != 0 && row_step(p, TO) == 0 && p->rows > 1;
  int64_t width = down ? PANEL : right - left;
  for (int64_t at = left; at < right; at += width)
    if (!scatter_part(p, 0, all, at, right - at < width ? right : at + width)) return false;
  return true;
}

/* Parts [begin, end) of the work. */
static void scatter_parts(void *job, int64_t begin, int64_t end) {
  scatter *p = job;
  int64_t rows = p->it.numel / p->columns, of_part = rows / p->parts;
  int64_t lines = (p->columns + LINE - 1) / LINE, right = lines * end / p->parts * LINE;
  bool good = p->by_column ? scatter_columns(p, lines * begin / p->parts * LINE,
                                             right < p->columns ? right : p->columns)
                           : scatter_part(p, of_part * begin, of_part * end, 0, p->columns);
  if (!good) atomic_store_explicit(&p->bad, true, memory_order_relaxed);
}

/* Cuts the work where no two parts can write to one element: along a dim that no position moves
 * through. Positions that are offsets may lead anywhere, so there only a row of one position is cut.
 * Columns are cut into as few parts as there are threads, since each part reads all positions. */
static int scatter_all(scatter *p) {
  const cr__iter *it = &p->it;
  int last = it->ndim - 1;
  bool single = p->size >= 0;
  p->by_column = it->stride[INDEX][0] == 0 || (single && it->stride[TO][0] != 0);
  bool by_row = !p->by_column && single && last > 0 && it->stride[TO][last] != 0;
  int threads = cr__cpu_threads(it->numel);
  int64_t lines = (p->columns + LINE - 1) / LINE;
  p->parts = p->by_column ? (lines < threads ? lines : threads) : by_row ? it->shape[last] : 1;
  return cr__cpu_share_among(threads, p->parts, it->numel, scatter_parts, p);
}

/* to[... + the offset of index[...]] =, += or *= from[...].
 * `to`, `index` (int64 or int32) and `from` have one shape: `to` has stride 0 along what the positions run
 * through. `size` and `step` (of `to`, in elements) are the indexed dim's, `dim` its number from 1; how: a
 * cr__scatter_mode; late: after an error `to` is given up, so that positions need not be checked before; size -1:
 * positions are offsets plus 1. Equal dtypes of `to` and `from`, and that no two of the three share memory, have
 * been checked; ranges have not. */
int cr__cpu_scatter(cr__launch *k) {
  scatter p = {.to = &k->scatter.to,
               .index = &k->scatter.index,
               .from = &k->scatter.from,
               .size = k->scatter.size,
               .stride = k->scatter.step};
  int64_t order[CR_MAX_DIMS];
  const int64_t *strides[] = {order, p.to->stride, p.index->stride, p.from->stride};
  bool checks = p.size >= 0, late = k->scatter.late;
  if (checks && !late && cr__cpu_check_positions(k->op, p.index, p.size, k->scatter.dim))
    return (int)cr_error_code();
  p.element = (int64_t)cr__size_of((cr_dtype)p.to->dtype);
  p.join = join_for((int)k->scatter.how, p.to->dtype);
  cr__fill_strides(p.to->ndim, p.to->shape, order);
  cr__iter_begin(&p.it, p.to->ndim, p.to->shape, 4, strides);
  p.columns = p.it.shape[0];
  p.rows = p.it.ndim > 1 ? p.it.shape[1] : 1;
  p.far = p.size < 0 || p.size * p.stride * p.element > 32768;
  int code = p.it.numel > 0 ? scatter_all(&p) : 0;
  if (code || (p.it.numel > 0 && !p.bad)) return code;
  return checks && late ? cr__cpu_check_positions(k->op, p.index, p.size, k->scatter.dim) : 0;
}

/* ---- scatter_strided ----------------------------------------------------------------------------------- */

/* to[...] += from[...], one element after the other in row-major order.
 * Elements of `to` may share memory with one another; `from` has the same shape and dtype and lies elsewhere
 * in memory. */
int cr__cpu_scatter_strided(cr__launch *k) {
  const cr__view *to = &k->scatter_strided.to, *from = &k->scatter_strided.from;
  int64_t order[CR_MAX_DIMS], size = (int64_t)cr__size_of((cr_dtype)to->dtype);
  const int64_t *strides[] = {order, to->stride, from->stride};
  cr__fill_strides(to->ndim, to->shape, order);
  cr__iter it;
  cr__iter_begin(&it, to->ndim, to->shape, 3, strides);
  cr__walk a, b;
  cr__walk_seek(&a, &it, 1, 0);
  cr__walk_seek(&b, &it, 2, 0);
  cr__join add = join_for(CR__SCATTER_ADD, to->dtype);
  int64_t looked = 0;
  for (int64_t done = 0; done < it.numel;) {
    int64_t n = cr__walk_left(&a);
    if (n > CR__STRETCH) n = CR__STRETCH;
    int code = done - looked >= CR__STRETCH ? cr__interrupted() : 0;
    if (code) return code;
    if (done - looked >= CR__STRETCH) looked = done;
    add(to->data + a.offset * size, a.stride[0], NULL, from->data + b.offset * size, b.stride[0],
        n);
    cr__walk_advance(&a, n);
    cr__walk_advance(&b, n);
    done += n;
  }
  return 0;
}
