/* elementwise_tiles.c: pointwise calls whose operands disagree about the inner dim.
 *
 * Holds true: the call goes through tiles of some rows (of the dim `across`) and columns (of the
 * innermost dim). What an input has of a tile is transposed into a buffer that stays in the first-level
 * cache, or read row by row; the loop then gets a row at a time, padded to whole blocks. */
#include "cpu.h"
#include "elementwise.h"
#include "transpose.h"

enum {
  TILES_FROM = 1 << 12, /* elements that tiles pay for */
  COLUMNS = CR__TILE_COLUMNS
};

typedef struct tile {
  int64_t rows, columns;
  const char *in[CR__MAX_OPERANDS]; /* the operands' first elements */
  char *out;
} tile;

typedef struct buffers {
  _Alignas(64) char tile[CR__MAX_OPERANDS][CR__TILE_BYTES];
  _Alignas(64) char row[CR__MAX_OPERANDS][COLUMNS * CR__MAX_ELEMENT];
  _Alignas(64) char out[COLUMNS * CR__MAX_ELEMENT];
} buffers;

static int64_t size_of(const cr__operand *o) { return (int64_t)cr__size_of((cr_dtype)o->dtype); }

static int64_t magnitude(int64_t x) { return x < 0 ? -x : x; }

/* The dim along which operand k steps within a line, while it leaves the line along the innermost. */
static int dim_across(const cr__iter *it, int k, int64_t size) {
  if (magnitude(it->stride[k][0]) * size < CR__LINE) return 0;
  for (int d = 1; d < it->ndim; d++)
    if (it->stride[k][d] != 0 && magnitude(it->stride[k][d]) * size < CR__LINE) return d;
  return 0;
}

int cr__tiled_dim(const cr__elementwise_plan *p) {
  if (p->it.numel < TILES_FROM || p->it.shape[0] < CR__BLOCK) return 0;
  for (int i = 0; i < p->e->nin; i++) {
    int across = p->in_way[i] == GATHERED ? dim_across(&p->it, i + 1, size_of(&p->e->in[i])) : 0;
    if (across) return across;
  }
  return 0;
}

/* True if operand i is contiguous along `across`, so that its part of a tile is to be turned. */
static bool is_turned(const cr__elementwise_plan *p, int i, int across) {
  return p->e->in[i].data && p->it.stride[i + 1][across] == 1 && p->it.stride[i + 1][0] != 1;
}

static void turn(const cr__elementwise_plan *p, int across, const tile *t, buffers *b) {
  for (int i = 0; i < p->e->nin; i++)
    if (is_turned(p, i, across))
      cr__transpose(b->tile[i], COLUMNS, t->in[i], p->it.stride[i + 1][0],
                    (size_t)size_of(&p->e->in[i]), t->rows, t->columns);
}

/* Where the loop finds row r of operand i. */
static const void *row_of(const cr__elementwise_plan *p, int i, int across, const tile *t,
                          int64_t r, buffers *b) {
  const cr__operand *o = &p->e->in[i];
  if (cr__iter_fixed(&p->it, i + 1)) return p->repeated[i];
  int64_t step = p->it.stride[i + 1][0], n = t->columns;
  const char *from = t->in[i] + r * p->it.stride[i + 1][across] * size_of(o);
  if (is_turned(p, i, across)) {
    char *turned = b->tile[i] + r * COLUMNS * size_of(o);
    if (o->dtype == p->compute) {
      cr__pad(turned, p->size, n);
      return turned;
    }
    from = turned;
    step = 1;
  }
  if (step == 1 && o->dtype == p->compute && n % CR__BLOCK == 0) return from;
  cr__read_run(b->row[i], p->compute, from, o->dtype, step, n);
  cr__pad(b->row[i], p->size, n);
  return b->row[i];
}

static void run_row(const cr__elementwise_plan *p, const void *const *in, char *out, int64_t n,
                    buffers *b) {
  const cr__operand *o = &p->e->out;
  int64_t step = p->it.stride[0][0];
  bool past = p->stream && (uintptr_t)out % CR__LINE == 0;
  if (step == 1 && o->dtype == p->native && n % CR__BLOCK == 0 && !past) {
    p->loop(n, out, in, p->numbers);
    return;
  }
  p->loop(cr__round_up(n), b->out, in, p->numbers);
  if (step == 1) cr__convert_past(out, o->dtype, b->out, p->native, n, past);
  else cr__write_run(out, o->dtype, step, b->out, p->native, n);
}

static void run_tile(const cr__elementwise_plan *p, int across, const tile *t, buffers *b) {
  const void *in[CR__MAX_OPERANDS];
  turn(p, across, t, b);
  for (int64_t r = 0; r < t->rows; r++) {
    for (int i = 0; i < p->e->nin; i++) in[i] = row_of(p, i, across, t, r, b);
    run_row(p, in, t->out + r * p->it.stride[0][across] * (int64_t)p->out_size, t->columns, b);
  }
}

/* The first element of operand k in column `column` of row `row` of a plane. */
static char *position(const cr__iter *it, int k, char *data, int64_t size, int64_t plane,
                      int across, int64_t row, int64_t column) {
  int64_t at = row * it->stride[k][across] + column * it->stride[k][0];
  for (int d = 1; d < it->ndim; d++) {
    if (d == across) continue;
    at += plane % it->shape[d] * it->stride[k][d];
    plane /= it->shape[d];
  }
  return data + at * size;
}

static void run_band(const cr__elementwise_plan *p, int across, int64_t plane, int64_t row,
                     int64_t rows, buffers *b) {
  const cr__elementwise *e = p->e;
  tile t = {.rows = rows};
  for (int64_t c = 0; c < p->it.shape[0] && !cr__cpu_stopped(); c += COLUMNS) {
    t.columns = p->it.shape[0] - c < COLUMNS ? p->it.shape[0] - c : COLUMNS;
    t.out = position(&p->it, 0, e->out.data, (int64_t)p->out_size, plane, across, row, c);
    for (int i = 0; i < e->nin; i++)
      if (e->in[i].data)
        t.in[i] = position(&p->it, i + 1, e->in[i].data, size_of(&e->in[i]), plane, across, row, c);
    run_tile(p, across, &t, b);
  }
}

typedef struct bands {
  const cr__elementwise_plan *p;
  int across;
  int64_t height, of_plane; /* rows of a band, bands of a plane */
  buffers *room;            /* of each thread: too large for the stacks of some hosts */
} bands;

static void run_bands(void *job, int64_t begin, int64_t end) {
  const bands *t = job;
  int64_t all = t->p->it.shape[t->across];
  buffers *b = &t->room[cr__cpu_member()];
  for (int64_t i = begin; i < end; i++) {
    int64_t row = i % t->of_plane * t->height;
    run_band(t->p, t->across, i / t->of_plane, row, all - row < t->height ? all - row : t->height,
             b);
  }
  if (t->p->stream) cr__stream_end();
}

bool cr__run_tiles(const cr__elementwise_plan *p, int across, int *code) {
  int64_t widest = 1;
  for (int i = 0; i < p->e->nin; i++)
    if (is_turned(p, i, across) && size_of(&p->e->in[i]) > widest) widest = size_of(&p->e->in[i]);
  int64_t height = CR__TILE_LINE / widest, all = p->it.shape[across];
  bands t = {p, across, height, (all + height - 1) / height, NULL};
  int64_t work = p->it.numel * (p->e->nin + 1);
  int64_t count = p->it.numel / (p->it.shape[0] * all) * t.of_plane;
  int threads = cr__cpu_threads(work);
  size_t nbytes = (size_t)threads * sizeof(buffers);
  bool failed = cr_error_code() != CR_E_OK;
  t.room = cr__host_alloc(nbytes);
  if (!t.room) {
    if (!failed) cr_error_clear();
    return false;
  }
  *code = cr__cpu_share_among(threads, count, work, run_bands, &t);
  cr__host_free(t.room, nbytes);
  return true;
}
