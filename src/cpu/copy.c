/* copy.c: copying between any two views of one shape, and filling.
 *
 * Holds true: source and target do not overlap (the engine has seen to it). */
#include <string.h>

#include "convert.h"
#include "cpu.h"
#include "iter.h"
#include "cpu/loops/loops.h"
#include "transpose.h"

enum {
  PIECE = 16384,
  LEAST = 8, /* sides of a transpose that tiles pay for */
  SHORT = 8, /* rows up to this long are copied by columns, so many at a time: */
  SHORT_ROWS = 512,
  BUFFER = 256
};

typedef struct copy {
  const cr__view *to, *from;
  char *out;      /* where the iteration begins in the target, ... */
  const char *in; /* ... and in the source */
  int64_t to_size, from_size;
  bool past;   /* written past the caches */
  int across;  /* the dim along which a source to be transposed is contiguous */
  cr__iter it; /* operand 0: the target, 1: the source */
} copy;

static bool is_aligned(const void *p) { return (uintptr_t)p % CR__LINE == 0; }

/* A row in which neither side is contiguous. */
static void copy_through_buffer(const copy *c, char *out, int64_t to_step, const char *in,
                                int64_t from_step, int64_t n) {
  _Alignas(64) char buffer[BUFFER * CR__MAX_ELEMENT];
  for (int64_t i = 0; i < n; i += BUFFER) {
    int64_t m = n - i < BUFFER ? n - i : BUFFER;
    cr__read_run(buffer, c->to->dtype, in + i * from_step * c->from_size, c->from->dtype, from_step,
                 m);
    cr__write_run(out + i * to_step * c->to_size, c->to->dtype, to_step, buffer, c->to->dtype, m);
  }
}

/* A row that is contiguous in the target only: past the caches by way of a buffer. */
static void read_past(const copy *c, char *out, const char *in, int64_t from_step, int64_t n) {
  enum { MOST = 1024 }; /* bytes */
  _Alignas(64) char buffer[MOST];
  int64_t piece = MOST / c->to_size;
  for (int64_t i = 0; i < n; i += piece) {
    int64_t m = n - i < piece ? n - i : piece;
    cr__read_run(buffer, c->to->dtype, in + i * from_step * c->from_size, c->from->dtype, from_step,
                 m);
    cr__convert_past(out + i * c->to_size, c->to->dtype, buffer, c->to->dtype, m, true);
  }
}

/* Whole rows that are contiguous on both sides, of one dtype, of the next n elements; returns how many these are. */
static int64_t copy_rows(const copy *c, cr__walk *to, cr__walk *from, int64_t n) {
  const cr__iter *it = &c->it;
  int64_t rows = it->shape[1] - to->at[1], bytes = it->shape[0] * c->to_size;
  if (rows > n / it->shape[0]) rows = n / it->shape[0];
  char *out = c->out + to->offset * c->to_size;
  const char *in = c->in + from->offset * c->to_size;
  int64_t to_step = to->stride[1] * c->to_size, from_step = from->stride[1] * c->to_size;
  for (int64_t r = 0; r < rows; r++) memcpy(out + r * to_step, in + r * from_step, (size_t)bytes);
  cr__walk *walks[] = {to, from};
  for (int i = 0; i < 2; i++) {
    walks[i]->at[1] += rows - 1;
    walks[i]->offset += (rows - 1) * walks[i]->stride[1];
    cr__walk_advance(walks[i], it->shape[0]);
  }
  return rows * it->shape[0];
}

static bool has_long_rows(const copy *c) {
  const cr__iter *it = &c->it;
  return c->to->dtype == c->from->dtype && it->ndim > 1 && it->stride[0][0] == 1 &&
         it->stride[1][0] == 1 && !c->past;
}

/* Elements [begin, end) in the order of the iteration, a row at a time. */
static void copy_range(const copy *c, int64_t begin, int64_t end) {
  cr__walk to, from;
  cr__walk_seek(&to, &c->it, 0, begin);
  cr__walk_seek(&from, &c->it, 1, begin);
  bool rows = has_long_rows(c);
  while (begin < end) {
    if (rows && to.at[0] == 0 && end - begin >= c->it.shape[0]) {
      begin += copy_rows(c, &to, &from, end - begin);
      continue;
    }
    int64_t left = cr__walk_left(&to), run = left < end - begin ? left : end - begin;
    char *out = c->out + to.offset * c->to_size;
    const char *in = c->in + from.offset * c->from_size;
    if (to.stride[0] == 1 && from.stride[0] == 1)
      cr__convert_past(out, c->to->dtype, in, c->from->dtype, run, c->past && is_aligned(out));
    else if (to.stride[0] == 1 && c->past && is_aligned(out))
      read_past(c, out, in, from.stride[0], run);
    else if (to.stride[0] == 1)
      cr__read_run(out, c->to->dtype, in, c->from->dtype, from.stride[0], run);
    else if (from.stride[0] == 1)
      cr__write_run(out, c->to->dtype, to.stride[0], in, c->from->dtype, run);
    else copy_through_buffer(c, out, to.stride[0], in, from.stride[0], run);
    cr__walk_advance(&to, run);
    cr__walk_advance(&from, run);
    begin += run;
  }
  if (c->past) cr__stream_end();
}

/* Whole pieces, so that ranges of an aligned target are aligned. */
static void copy_pieces(void *job, int64_t begin, int64_t end) {
  const copy *c = job;
  copy_range(c, begin * PIECE, end * PIECE < c->it.numel ? end * PIECE : c->it.numel);
}

/* Dims along which the source runs backwards element by element are walked from their other end, but for the
 * innermost. */
static void turn_around(copy *c) {
  cr__iter *it = &c->it;
  for (int d = 1; d < it->ndim; d++) {
    if (it->stride[1][d] != -1) continue;
    c->out += (it->shape[d] - 1) * it->stride[0][d] * c->to_size;
    c->in -= (it->shape[d] - 1) * c->from_size;
    it->stride[0][d] = -it->stride[0][d];
    it->stride[1][d] = 1;
  }
}

/* ---- Transposes: the target's inner dim is not the source's ---- */

/* The dim along which the source is contiguous, if a transpose by tiles is worth it; else 0. A source that stands still
 * along the target's rows fills them. */
static int transposed_dim(const copy *c) {
  const cr__iter *it = &c->it;
  if (it->stride[0][0] != 1 || it->stride[1][0] == 1 || it->stride[1][0] == 0) return 0;
  for (int d = 1; d < it->ndim; d++)
    if (it->stride[1][d] == 1 && it->shape[d] >= LEAST && it->shape[0] >= LEAST) return d;
  return 0;
}

/* One band of rows (along dim `across`) of one plane, from the band's first element on. */
static void transpose_band(const copy *c, int across, char *to, const char *from, int64_t rows) {
  _Alignas(64) char tile[CR__TILE_BYTES];
  int64_t columns = c->it.shape[0], size = c->from_size;
  int64_t to_step = c->it.stride[0][across], from_step = c->it.stride[1][0];
  for (int64_t k = 0; k < columns && !cr__cpu_stopped(); k += CR__TILE_COLUMNS) {
    int64_t m = columns - k < CR__TILE_COLUMNS ? columns - k : CR__TILE_COLUMNS;
    cr__transpose(tile, CR__TILE_COLUMNS, from + k * from_step * size, from_step, (size_t)size,
                  rows, m);
    for (int64_t r = 0; r < rows; r++) {
      char *out = to + (r * to_step + k) * c->to_size;
      cr__convert_past(out, c->to->dtype, tile + r * CR__TILE_COLUMNS * size, c->from->dtype, m,
                       c->past && is_aligned(out));
    }
  }
}

/* The i-th of the bands of all planes. */
static void transpose_nth_band(const copy *c, int64_t i) {
  const cr__iter *it = &c->it;
  int across = c->across;
  int64_t height = CR__TILE_LINE / c->from_size, bands = (it->shape[across] + height - 1) / height;
  int64_t band = i % bands, plane = i / bands, to = 0, from = 0;
  for (int d = 1; d < it->ndim; d++) {
    if (d == across) continue;
    to += plane % it->shape[d] * it->stride[0][d];
    from += plane % it->shape[d] * it->stride[1][d];
    plane /= it->shape[d];
  }
  int64_t row = band * height, left = it->shape[across] - row;
  to += row * it->stride[0][across];
  from += row;
  transpose_band(c, across, c->out + to * c->to_size, c->in + from * c->from_size,
                 left < height ? left : height);
}

static void transpose_bands(void *job, int64_t begin, int64_t end) {
  const copy *c = job;
  for (int64_t i = begin; i < end; i++) transpose_nth_band(c, i);
  if (c->past) cr__stream_end();
}

static int transpose_by_tiles(copy *c) {
  const cr__iter *it = &c->it;
  int64_t height = CR__TILE_LINE / c->from_size;
  int64_t bands = (it->shape[c->across] + height - 1) / height;
  return cr__cpu_share(bands * (it->numel / (it->shape[0] * it->shape[c->across])), 2 * it->numel,
                       transpose_bands, c);
}

/* ---- Short rows: a column of them at a time ---- */

#define MOVE_COLUMN(TYPE)                                                 \
  do {                                                                    \
    TYPE *t = (TYPE *)to;                                                 \
    const TYPE *s = (const TYPE *)from;                                   \
    for (int64_t i = 0; i < rows; i++) t[i * to_step] = s[i * from_step]; \
  } while (0)

static void move_column(char *to, const char *from, size_t size, int64_t rows, int64_t to_step,
                        int64_t from_step) {
  switch (size) {
  case 1: MOVE_COLUMN(uint8_t); break;
  case 2: MOVE_COLUMN(uint16_t); break;
  case 4: MOVE_COLUMN(uint32_t); break;
  case 8: MOVE_COLUMN(uint64_t); break;
  default: MOVE_COLUMN(cr__bytes16); break;
  }
}

static bool has_short_rows(const copy *c) {
  const cr__iter *it = &c->it;
  return c->to->dtype == c->from->dtype && it->ndim > 1 && it->shape[0] <= SHORT &&
         it->shape[1] >= 2 * SHORT;
}

/* Rows [row, row + n) of a plane. Dense ones that go past the caches are put together first. */
static void copy_short_block(const copy *c, int64_t plane, int64_t row, int64_t n) {
  _Alignas(64) char buffer[SHORT_ROWS * SHORT * CR__MAX_ELEMENT];
  const cr__iter *it = &c->it;
  int64_t to = row * it->stride[0][1], from = row * it->stride[1][1], size = c->to_size;
  for (int d = 2; d < it->ndim; d++) {
    to += plane % it->shape[d] * it->stride[0][d];
    from += plane % it->shape[d] * it->stride[1][d];
    plane /= it->shape[d];
  }
  char *out = c->out + to * size;
  bool past = c->past && cr__iter_dense(it, 0) && is_aligned(out);
  for (int64_t j = 0; j < it->shape[0]; j++)
    move_column((past ? buffer : out) + j * it->stride[0][0] * size,
                c->in + (from + j * it->stride[1][0]) * size, (size_t)size, n, it->stride[0][1],
                it->stride[1][1]);
  if (past) cr__convert_past(out, c->to->dtype, buffer, c->to->dtype, n * it->shape[0], true);
}

static void copy_short_blocks(void *job, int64_t begin, int64_t end) {
  const copy *c = job;
  int64_t rows = c->it.shape[1], blocks = (rows + SHORT_ROWS - 1) / SHORT_ROWS;
  for (int64_t i = begin; i < end; i++) {
    int64_t row = i % blocks * SHORT_ROWS;
    copy_short_block(c, i / blocks, row, rows - row < SHORT_ROWS ? rows - row : SHORT_ROWS);
  }
  if (c->past) cr__stream_end();
}

static int copy_short_rows(copy *c) {
  const cr__iter *it = &c->it;
  int64_t rows = it->shape[1], blocks = (rows + SHORT_ROWS - 1) / SHORT_ROWS;
  return cr__cpu_share(it->numel / (it->shape[0] * rows) * blocks, it->numel, copy_short_blocks, c);
}

/* Copies `from`, converted, to `to`. Shapes are equal. */
int cr__cpu_copy(cr__launch *k) {
  copy c = {.to = &k->copy.to, .from = &k->copy.from};
  c.out = c.to->data, c.in = c.from->data;
  const int64_t *const strides[] = {c.to->stride, c.from->stride};
  c.to_size = (int64_t)cr__size_of((cr_dtype)c.to->dtype);
  c.from_size = (int64_t)cr__size_of((cr_dtype)c.from->dtype);
  cr__iter_begin(&c.it, c.to->ndim, c.to->shape, 2, strides);
  int64_t n = c.it.numel;
  if (n == 0) return 0;
  turn_around(&c);
  c.past = n * c.to_size >= CR__STREAM_FROM;
  c.across = transposed_dim(&c);
  if (c.across) return transpose_by_tiles(&c);
  if (has_short_rows(&c)) return copy_short_rows(&c);
  return cr__cpu_share((n + PIECE - 1) / PIECE, n / 2, copy_pieces, &c);
}

/* ---- Filling ---- */

typedef struct fill {
  const cr__view *to;
  char element[CR__MAX_ELEMENT];
  cr__iter it;
} fill;

/* Whole pieces of the iteration, as in a copy. */
static void fill_pieces(void *job, int64_t first, int64_t last) {
  const fill *f = job;
  const cr__view *to = f->to;
  int64_t size = (int64_t)cr__size_of((cr_dtype)to->dtype), begin = first * PIECE;
  int64_t end = last * PIECE < f->it.numel ? last * PIECE : f->it.numel;
  /* A loop that only writes has the bandwidth to itself: the caches pay for longer. */
  bool past = f->it.numel * size >= 4 * CR__STREAM_FROM;
  cr__walk w;
  cr__walk_seek(&w, &f->it, 0, begin);
  while (begin < end) {
    int64_t left = cr__walk_left(&w), run = left < end - begin ? left : end - begin;
    char *out = to->data + w.offset * size;
    if (w.stride[0] == 1 && past && is_aligned(out))
      cr__splat_past(out, f->element, (size_t)size, run);
    else if (w.stride[0] == 1) cr__splat(out, f->element, (size_t)size, run);
    else
      for (int64_t j = 0; j < run; j++)
        memcpy(out + j * w.stride[0] * size, f->element, (size_t)size);
    cr__walk_advance(&w, run);
    begin += run;
  }
  if (past) cr__stream_end();
}

/* Every element of `to` becomes the number, which its dtype holds. */
int cr__cpu_fill(cr__launch *k) {
  fill f = {.to = &k->fill.to};
  cr__store_scalar(f.element, (cr_dtype)f.to->dtype, &k->fill.number);
  const int64_t *const strides[] = {f.to->stride};
  cr__iter_begin(&f.it, f.to->ndim, f.to->shape, 1, strides);
  int64_t n = f.it.numel;
  if (n == 0) return 0;
  if (n > PIECE || !cr__iter_linear(&f.it, 0))
    return cr__cpu_share((n + PIECE - 1) / PIECE, n / 4, fill_pieces, &f);
  cr__splat(f.to->data, f.element, cr__size_of((cr_dtype)f.to->dtype), n); /* as most small ones */
  return 0;
}
