/* cpu/index.c: reading by positions: pick, offset, nonzero.
 *
 * Holds true: an index may repeat along a dim (stride 0), which is how a row of positions moves whole
 * rows of elements: such rows are copied in one piece. Threads share positions out; the one that an
 * error names is the first of the index, whoever found it. */
#include "index.h"

#include <string.h>

#include "loops.h"

#ifdef __x86_64__
extern const cr__index_loops cr__index_loops_v2, cr__index_loops_v3, cr__index_loops_v4;
const cr__index_loops *cr__index_loops_here(void) {
  static const cr__index_loops *const by_level[] = {&cr__index_loops_v2, &cr__index_loops_v3,
                                                    &cr__index_loops_v4};
  return by_level[cr__cpu_level()];
}
#else
extern const cr__index_loops cr__index_loops_base;
const cr__index_loops *cr__index_loops_here(void) { return &cr__index_loops_base; }
#endif

/* ---- Checking ------------------------------------------------------------------------------- */

enum { PIECE = 32768 };

static bool is_outside(int64_t p, int64_t size) { return p == 0 || p > size || p < -size; }

/* Names the first position of n, from data on, that is out of range. */
static int refuse(const char *op, const cr__view *v, const char *data, int64_t step, int64_t n,
                  int64_t size, int64_t dim) {
  int64_t j = 0;
  while (j < n - 1 && !is_outside(cr__cpu_position(data, v->dtype, j * step), size)) j++;
  return cr__fail(CR_E_INDEX,
                  "%s: position %lld is out of range for dim %lld of size %lld (positions count "
                  "from "
                  "1; negative ones from the end)",
                  op, (long long)cr__cpu_position(data, v->dtype, j * step), (long long)dim,
                  (long long)size);
}

/* The first of positions [begin, end) that stands in a row with one out of range; `end` if none does. */
static int64_t first_bad_row(const cr__view *v, const cr__iter *it, int64_t size, int64_t begin,
                             int64_t end) {
  const cr__index_loops *loops = cr__index_loops_here();
  int64_t width = (int64_t)cr__size_of((cr_dtype)v->dtype);
  cr__walk w;
  cr__walk_seek(&w, it, 0, begin);
  while (begin < end) {
    int64_t left = cr__walk_left(&w), n = left < end - begin ? left : end - begin;
    if (loops->outside[cr__index_kind(v->dtype)](v->data + w.offset * width, w.stride[0], size, n))
      return begin;
    cr__walk_advance(&w, n);
    begin += n;
  }
  return end;
}

int cr__cpu_check_positions(const char *op, const cr__view *v, int64_t size, int64_t dim) {
  int64_t shape[CR_MAX_DIMS], bad = INT64_MAX;
  const int64_t *strides[] = {v->stride};
  for (int d = 0; d < v->ndim; d++)
    shape[d] = v->stride[d] == 0 && v->shape[d] > 0 ? 1 : v->shape[d];
  cr__iter it;
  cr__iter_begin(&it, v->ndim, shape, 1, strides);
  int64_t n = it.numel, pieces = (n + PIECE - 1) / PIECE;
#pragma omp parallel for num_threads(cr__cpu_threads(n / 2)) schedule(static) reduction(min : bad)
  for (int64_t i = 0; i < pieces; i++) {
    int64_t end = (i + 1) * PIECE < n ? (i + 1) * PIECE : n;
    int64_t found = first_bad_row(v, &it, size, i * PIECE, end);
    if (found < end && found < bad) bad = found;
  }
  if (bad == INT64_MAX) return 0;
  cr__walk w;
  cr__walk_seek(&w, &it, 0, bad);
  return refuse(op, v, v->data + w.offset * (int64_t)cr__size_of((cr_dtype)v->dtype), w.stride[0],
                cr__walk_left(&w), size, dim);
}

/* ---- pick ------------------------------------------------------------------------------------ */

enum { OUT, FROM, INDEX, BLOCK = 2048, PANEL = 128, AHEAD = 8 };

/* The innermost dim counts columns, the next one rows; what is further out counts slabs. */
typedef struct pick {
  const cr__view *out, *from, *index;
  int64_t size, stride; /* of the indexed dim */
  int64_t element;      /* bytes */
  int64_t rows, columns;
  cr__stream stream; /* NULL: write as usual */
  cr__iter it;       /* operands: out, from, index */
} pick;

typedef struct slab { /* where the elements of a block begin, and the steps from row to row */
  char *out;
  const char *from, *index;
  int64_t rows, out_step, from_step, index_step;
} slab;

static int64_t row_step(const pick *p, int operand) {
  return p->it.ndim > 1 ? p->it.stride[operand][1] : 0;
}

/* Rows [top, ...) of slab number `outer`, from a column on. */
static slab slab_at(const pick *p, int64_t outer, int64_t top, int64_t rows, int64_t column) {
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

/* A position for each of n columns; true if one is out of range. */
static bool pick_columns(const pick *p, slab s, int64_t n) {
  const cr__index_loops *loops = cr__index_loops_here();
  _Alignas(64) char line[BLOCK * 8];
  int64_t offset[BLOCK], so = p->it.stride[OUT][0], sf = p->it.stride[FROM][0];
  int kind = cr__index_kind(p->index->dtype), size = cr__size_kind(p->element);
  int64_t ahead = p->stride == 1 && p->columns <= BLOCK ? p->size * p->element : 0;
  if (ahead > 32768) ahead = 0;
  for (int64_t r = 0; r < s.rows; r++) {
    for (int64_t b = 0; b < ahead && r + 1 < s.rows; b += 64)
      __builtin_prefetch(s.from + s.from_step + b); /* where positions lead to in the next row */
    if ((r == 0 || s.index_step != 0) &&
        loops->locate[kind](offset, s.index, p->it.stride[INDEX][0], p->size, p->stride, n))
      return true;
    if (p->stream) {
      loops->take[size](line, 1, s.from, sf, offset, n);
      p->stream(s.out, line, (size_t)(n * p->element));
    } else {
      loops->take[size](s.out, so, s.from, sf, offset, n);
    }
    s.out += s.out_step;
    s.from += s.from_step;
    s.index += s.index_step;
  }
  return false;
}

/* A position for each row of n columns, which are moved in one piece. */
static bool pick_rows(const pick *p, slab s, int64_t n) {
  const cr__index_loops *loops = cr__index_loops_here();
  int64_t offset[BLOCK], width = (int64_t)cr__size_of((cr_dtype)p->index->dtype);
  int kind = cr__index_kind(p->index->dtype);
  for (int64_t r = 0; r < s.rows; r += BLOCK) {
    int64_t m = s.rows - r < BLOCK ? s.rows - r : BLOCK;
    if (loops->locate[kind](offset, s.index, s.index_step / width, p->size, p->stride * p->element,
                            m))
      return true;
    for (int64_t i = 0; i < m && s.from_step; i++) offset[i] += i * s.from_step;
    if (!p->stream) loops->take_rows(s.out, s.out_step, s.from, offset, n * p->element, m);
    for (int64_t i = 0; p->stream && i < m; i++) {
      if (i + AHEAD < m) __builtin_prefetch(s.from + offset[i + AHEAD]);
      p->stream(s.out + i * s.out_step, s.from + offset[i], (size_t)(n * p->element));
    }
    s.out += m * s.out_step;
    s.from += m * s.from_step;
    s.index += m * s.index_step;
  }
  return false;
}

/* How the work is cut: blocks of columns, and of rows in them. Where positions lead from row to row
 * of `from`, a narrow panel of its columns stays in the cache while all rows pass through it. */
static void cut(const pick *p, bool whole_rows, int64_t *columns, int64_t *rows) {
  enum { TASK = 16384 };
  bool down = p->it.stride[FROM][0] != 0 && row_step(p, FROM) == 0 && !whole_rows;
  bool panels = down && p->rows > 1 && p->size * p->stride * p->element > 1 << 20;
  *columns = panels ? PANEL : whole_rows ? TASK : BLOCK;
  if (*columns > p->columns) *columns = p->columns;
  *rows = panels ? p->rows : TASK / *columns + 1;
}

/* Writing past the caches needs rows of whole cache lines. */
static cr__stream choose_stream(const pick *p, int64_t width) {
  int64_t step = row_step(p, OUT) * p->element, row = p->columns % width * p->element;
  bool lines = p->it.stride[OUT][0] == 1 && step % CR__LINE == 0 && row % CR__LINE == 0;
  if (!lines || !cr__iter_dense(&p->it, OUT)) return NULL;
  return cr__stream_for(p->out->data, p->it.numel * p->element, width * p->element);
}

static bool run_pick(pick *p) {
  const cr__iter *it = &p->it;
  bool whole_rows =
      it->stride[INDEX][0] == 0 && it->stride[OUT][0] == 1 && it->stride[FROM][0] == 1;
  int64_t width, height;
  cut(p, whole_rows, &width, &height);
  p->stream = choose_stream(p, width);
  int64_t across = (p->columns + width - 1) / width, down = (p->rows + height - 1) / height;
  int64_t tasks = it->numel / (p->rows * p->columns) * across * down;
  bool bad = false;
#pragma omp parallel for num_threads(cr__cpu_threads(it->numel)) schedule(static) reduction(|| \
                                                                                            : bad)
  for (int64_t t = 0; t < tasks; t++) {
    int64_t row = t % down * height, column = t / down % across * width;
    int64_t rows = p->rows - row < height ? p->rows - row : height;
    int64_t n = p->columns - column < width ? p->columns - column : width;
    slab s = slab_at(p, t / down / across, row, rows, column);
    bad = (whole_rows ? pick_rows(p, s, n) : pick_columns(p, s, n)) || bad;
    if (p->stream) p->stream(NULL, NULL, 0);
  }
  return bad;
}

/* out[...] = from[... + the offset of index[...]].
 * v[0] out, v[1] from, v[2] index (int64 or int32), all of one shape: `from` has stride 0 along what
 * the positions run through, index along the rest. i[0] size and i[1] stride (of `from`, in
 * elements) of the indexed dim, i[2] its number from 1; i[0] = -1: positions are offsets plus 1.
 * Equal dtypes of v[0] and v[1] have been checked, ranges have not; after an error v[0] is to be given
 * up. */
int cr__cpu_pick(cr__launch *k) {
  pick p = {&k->v[0], &k->v[1], &k->v[2], k->i[0], k->i[1], 0, 0, 0, NULL, {0}};
  const int64_t *strides[] = {p.out->stride, p.from->stride, p.index->stride};
  p.element = (int64_t)cr__size_of((cr_dtype)p.out->dtype);
  cr__iter_begin(&p.it, p.out->ndim, p.out->shape, 3, strides);
  if (p.it.numel == 0)
    return p.size >= 0 ? cr__cpu_check_positions(k->op, p.index, p.size, k->i[2]) : 0;
  p.columns = p.it.shape[0];
  p.rows = p.it.ndim > 1 ? p.it.shape[1] : 1;
  if (!run_pick(&p)) return 0;
  return cr__cpu_check_positions(k->op, p.index, p.size, k->i[2]);
}

/* ---- offset ------------------------------------------------------------------------------------ */

/* n positions of a row become offsets, or are added to those that are there. */
static void offset_run(const cr__launch *k, int64_t *out, int64_t so, const char *in, int64_t si,
                       int64_t n) {
  const cr__index_loops *loops = cr__index_loops_here();
  int64_t offset[BLOCK], width = (int64_t)cr__size_of((cr_dtype)k->v[1].dtype);
  for (int64_t begin = 0; begin < n; begin += BLOCK) {
    int64_t m = n - begin < BLOCK ? n - begin : BLOCK, *to = out + begin * so;
    loops->locate[cr__index_kind(k->v[1].dtype)](offset, in + begin * si * width, si, k->i[0],
                                                 k->i[1], m);
    if (k->i[3])
      for (int64_t j = 0; j < m; j++) to[j * so] = offset[j] + 1;
    else
      for (int64_t j = 0; j < m; j++) to[j * so] += offset[j];
  }
}

/* Turns positions along one dim into offsets, and adds those of several dims up.
 * v[0] out: int64, contiguous; v[1] positions, int64 or int32, of the same shape. i[0] size, i[1]
 * stride of the indexed dim, i[2] its number from 1, i[3] 1 for the first dim (out = offset + 1) and
 * 0 for the others (out += offset); i[0] = -1: positions are offsets plus 1. Nothing has been
 * checked. */
int cr__cpu_offset(cr__launch *k) {
  const cr__view *v = &k->v[1];
  const int64_t *strides[] = {k->v[0].stride, v->stride};
  if (k->i[0] >= 0 && cr__cpu_check_positions(k->op, v, k->i[0], k->i[2]))
    return (int)cr_error_code();
  cr__iter it;
  cr__iter_begin(&it, v->ndim, v->shape, 2, strides);
  int64_t width = (int64_t)cr__size_of((cr_dtype)v->dtype);
  int64_t pieces = (it.numel + PIECE - 1) / PIECE;
#pragma omp parallel for num_threads(cr__cpu_threads(it.numel)) schedule(static)
  for (int64_t i = 0; i < pieces; i++) {
    cr__walk to, from;
    int64_t at = i * PIECE, end = at + PIECE < it.numel ? at + PIECE : it.numel;
    cr__walk_seek(&to, &it, 0, at);
    cr__walk_seek(&from, &it, 1, at);
    while (at < end) {
      int64_t left = cr__walk_left(&to), n = left < end - at ? left : end - at;
      offset_run(k, (int64_t *)(void *)k->v[0].data + to.offset, to.stride[0],
                 v->data + from.offset * width, from.stride[0], n);
      cr__walk_advance(&to, n);
      cr__walk_advance(&from, n);
      at += n;
    }
  }
  return 0;
}

/* ---- nonzero ------------------------------------------------------------------------------------- */

enum { ROW = 512 };

#define TRUTH(TYPE, IS)                                           \
  do {                                                            \
    const TYPE *x = (const TYPE *)data;                           \
    for (int64_t j = 0; j < n; j++) truth[j] = IS(x[j * stride]); \
  } while (0)
#define NOT_ZERO(x) ((x) != 0)
#define NOT_ZERO_HALF(x) (((x)&0x7fff) != 0)

/* truth[j] = 1 where the j-th of n elements is not zero, else 0. */
static void find_truth(uint8_t *truth, const char *data, int dtype, int64_t stride, int64_t n) {
  switch (dtype) {
  case CR_FLOAT64: TRUTH(double, NOT_ZERO); break;
  case CR_FLOAT32: TRUTH(float, NOT_ZERO); break;
  case CR_FLOAT16:
  case CR_BFLOAT16: TRUTH(uint16_t, NOT_ZERO_HALF); break;
  case CR_INT64: TRUTH(int64_t, NOT_ZERO); break;
  case CR_INT32: TRUTH(int32_t, NOT_ZERO); break;
  case CR_INT16: TRUTH(int16_t, NOT_ZERO); break;
  default: TRUTH(uint8_t, NOT_ZERO); break;
  }
}

/* Counts the nonzero elements of v[0] into i[0] of the launch itself. */
int cr__cpu_count_true(cr__launch *k) {
  const cr__view *v = &k->v[0];
  const int64_t *strides[] = {v->stride};
  int64_t width = (int64_t)cr__size_of((cr_dtype)v->dtype), count = 0;
  uint8_t truth[ROW];
  cr__iter it;
  cr__iter_begin(&it, v->ndim, v->shape, 1, strides);
  cr__walk w;
  cr__walk_seek(&w, &it, 0, 0);
  for (int64_t done = 0; done < it.numel;) {
    int64_t left = cr__walk_left(&w), n = left < ROW ? left : ROW;
    int32_t found = 0;
    find_truth(truth, v->data + w.offset * width, v->dtype, w.stride[0], n);
    for (int64_t j = 0; j < n; j++) found += truth[j];
    count += found;
    cr__walk_advance(&w, n);
    done += n;
  }
  k->i[0] = count;
  return 0;
}

typedef struct listing {
  int64_t *out;
  const int64_t *step; /* NULL: a row of positions per element; else its offset plus 1 */
  int ndim;
  int64_t at[CR_MAX_DIMS]; /* of the current row, along all dims but the last */
} listing;

/* Lists what is true among n elements of a row, from position `begin` (from 0) on. */
static void list_row(listing *l, const uint8_t *truth, int64_t begin, int64_t n) {
  int64_t found[ROW], count = 0, base = 1;
  int last = l->ndim - 1;
  for (int64_t j = 0; j < n; j++) { /* without a branch, which would often be foreseen wrongly */
    found[count] = begin + j;
    count += truth[j];
  }
  for (int d = 0; l->step && d < last; d++) base += l->at[d] * l->step[d];
  for (int64_t j = 0; j < count; j++) {
    if (l->step) {
      *l->out++ = base + found[j] * l->step[last];
      continue;
    }
    for (int d = 0; d < last; d++) *l->out++ = l->at[d] + 1;
    *l->out++ = found[j] + 1;
  }
}

/* Lists the nonzero elements in row-major order.
 * v[0] out: int64, contiguous, as many rows as count_true found; v[1] the elements, in at least one
 * dim. i[0] 0: a column per dim, with the positions from 1. i[0] 1: no columns, but the offset plus 1
 * of each in a tensor whose strides are i[1 ...]. */
int cr__cpu_nonzero(cr__launch *k) {
  const cr__view *v = &k->v[1];
  int64_t width = (int64_t)cr__size_of((cr_dtype)v->dtype);
  int last = v->ndim - 1;
  listing l = {(int64_t *)k->v[0].data, k->i[0] ? &k->i[1] : NULL, v->ndim, {0}};
  int64_t *end = l.out + k->v[0].shape[0] * (k->i[0] ? 1 : v->ndim);
  const char *row = v->data;
  uint8_t truth[ROW];
  while (l.out < end) { /* a row of the last dim each time; the count says when to stop */
    for (int64_t j = 0; j < v->shape[last]; j += ROW) {
      int64_t n = v->shape[last] - j < ROW ? v->shape[last] - j : ROW;
      find_truth(truth, row + j * v->stride[last] * width, v->dtype, v->stride[last], n);
      list_row(&l, truth, j, n);
    }
    for (int d = last - 1; d >= 0; d--) {
      row += v->stride[d] * width;
      if (++l.at[d] < v->shape[d]) break;
      row -= l.at[d] * v->stride[d] * width;
      l.at[d] = 0;
    }
  }
  return 0;
}
