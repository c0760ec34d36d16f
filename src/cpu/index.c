/* index.c: positions checked, and turned into offsets, before anything moves by them.
 *
 * Holds true: an index may repeat along a dim (stride 0), which is read once. Threads share positions
 * out; the one that an error names is the first of the index, whoever found it. */
#include <stdatomic.h>

#include "index.h"

#ifdef __x86_64__
extern const cr__index_loops cr__index_loops_v2, cr__index_loops_v3, cr__index_loops_v4;
const cr__index_loops *cr__index_loops_here(void) {
  static const cr__index_loops *const by_level[] = {&cr__index_loops_v2, &cr__index_loops_v3,
                                                    &cr__index_loops_v4};
  return by_level[cr__cpu_level()];
}
extern const cr__join_loops cr__join_loops_v2, cr__join_loops_v3, cr__join_loops_v4;
const cr__join_loops *cr__join_loops_here(void) {
  static const cr__join_loops *const by_level[] = {&cr__join_loops_v2, &cr__join_loops_v3,
                                                   &cr__join_loops_v4};
  return by_level[cr__cpu_level()];
}
#else
extern const cr__index_loops cr__index_loops_base;
const cr__index_loops *cr__index_loops_here(void) { return &cr__index_loops_base; }
extern const cr__join_loops cr__join_loops_base;
const cr__join_loops *cr__join_loops_here(void) { return &cr__join_loops_base; }
#endif

enum { PIECE = 32768, BLOCK = 2048 };

/* ---- Checking ------------------------------------------------------------------------------- */

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

typedef struct check {
  const cr__view *index;
  int64_t size;        /* of the indexed dim */
  _Atomic int64_t bad; /* the first place in the iteration whose row has one out of range */
  cr__iter it;
} check;

static void note_bad(check *c, int64_t place) {
  int64_t found = atomic_load(&c->bad);
  while (place < found && !atomic_compare_exchange_weak(&c->bad, &found, place)) continue;
}

/* Looks at pieces [begin, end) of the positions, up to the first row with one that is out of range. */
static void check_pieces(void *job, int64_t begin, int64_t end) {
  check *c = job;
  const cr__index_loops *loops = cr__index_loops_here();
  int kind = cr__index_kind(c->index->dtype);
  int64_t width = (int64_t)cr__size_of((cr_dtype)c->index->dtype);
  int64_t at = begin * PIECE, stop = end * PIECE < c->it.numel ? end * PIECE : c->it.numel;
  cr__walk w;
  cr__walk_seek(&w, &c->it, 0, at);
  while (at < stop) {
    int64_t left = cr__walk_left(&w), n = left < stop - at ? left : stop - at;
    if (n > PIECE) n = PIECE;
    if (loops->outside[kind](c->index->data + w.offset * width, w.stride[0], c->size, n)) {
      note_bad(c, at);
      return;
    }
    cr__walk_advance(&w, n);
    at += n;
  }
}

int cr__cpu_check_positions(const char *op, const cr__view *v, int64_t size, int64_t dim) {
  int64_t shape[CR_MAX_DIMS];
  const int64_t *strides[] = {v->stride};
  check c = {.index = v, .size = size, .bad = INT64_MAX};
  for (int d = 0; d < v->ndim; d++)
    shape[d] = v->stride[d] == 0 && v->shape[d] > 0 ? 1 : v->shape[d];
  cr__iter_begin(&c.it, v->ndim, shape, 1, strides);
  int code = cr__cpu_share((c.it.numel + PIECE - 1) / PIECE, c.it.numel / 2, check_pieces, &c);
  if (code) return code;
  if (c.bad == INT64_MAX) return 0;
  cr__walk w;
  cr__walk_seek(&w, &c.it, 0, c.bad);
  return refuse(op, v, v->data + w.offset * (int64_t)cr__size_of((cr_dtype)v->dtype), w.stride[0],
                cr__walk_left(&w), size, dim);
}

/* ---- ravel_index ------------------------------------------------------------------------------------ */

typedef struct offsets {
  const cr__launch *k;
  cr__iter it; /* operands: the offsets, the positions */
} offsets;

/* n positions of a row become offsets, or are added to those that are there. */
static void ravel_run(const cr__launch *k, int64_t *out, int64_t so, const char *in, int64_t si,
                      int64_t n) {
  const cr__index_loops *loops = cr__index_loops_here();
  int64_t offset[BLOCK], width = (int64_t)cr__size_of((cr_dtype)k->ravel_index.index.dtype);
  for (int64_t begin = 0; begin < n; begin += BLOCK) {
    int64_t m = n - begin < BLOCK ? n - begin : BLOCK, *to = out + begin * so;
    loops->locate[cr__index_kind(k->ravel_index.index.dtype)](offset, in + begin * si * width, si,
                                                              k->ravel_index.size,
                                                              k->ravel_index.step, m);
    if (k->ravel_index.first)
      for (int64_t j = 0; j < m; j++) to[j * so] = offset[j] + 1;
    else
      for (int64_t j = 0; j < m; j++) to[j * so] += offset[j];
  }
}

static void ravel_pieces(void *job, int64_t begin, int64_t end) {
  const offsets *o = job;
  const cr__view *out = &o->k->ravel_index.out, *index = &o->k->ravel_index.index;
  int64_t width = (int64_t)cr__size_of((cr_dtype)index->dtype);
  int64_t at = begin * PIECE, stop = end * PIECE < o->it.numel ? end * PIECE : o->it.numel;
  cr__walk to, from;
  cr__walk_seek(&to, &o->it, 0, at);
  cr__walk_seek(&from, &o->it, 1, at);
  while (at < stop) {
    int64_t left = cr__walk_left(&to), n = left < stop - at ? left : stop - at;
    ravel_run(o->k, (int64_t *)(void *)out->data + to.offset, to.stride[0],
              index->data + from.offset * width, from.stride[0], n);
    cr__walk_advance(&to, n);
    cr__walk_advance(&from, n);
    at += n;
  }
}

/* Turns positions along one dim into offsets, and adds those of several dims up.
 * `out` is int64 and contiguous, `index` int64 or int32, of the same shape. `size` and `step` are the indexed
 * dim's, `dim` its number from 1; `first` is true of the first dim (out = offset + 1), false of the others
 * (out += offset); size -1: positions are offsets plus 1. Nothing has been checked. */
int cr__cpu_ravel_index(cr__launch *k) {
  const cr__view *v = &k->ravel_index.index;
  const int64_t *strides[] = {k->ravel_index.out.stride, v->stride};
  offsets o = {.k = k};
  if (k->ravel_index.size >= 0 &&
      cr__cpu_check_positions(k->op, v, k->ravel_index.size, k->ravel_index.dim))
    return (int)cr_error_code();
  cr__iter_begin(&o.it, v->ndim, v->shape, 2, strides);
  return cr__cpu_share((o.it.numel + PIECE - 1) / PIECE, o.it.numel, ravel_pieces, &o);
}
