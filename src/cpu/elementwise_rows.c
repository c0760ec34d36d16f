/* elementwise_rows.c: pointwise calls whose operands lie, or stand still, along the rows of the innermost dim:
 * what broadcasts a column, a row or both, and views whose rows lie apart.
 *
 * Holds true: a row is read and written where it lies; what stands still along it is laid out in a buffer
 * once a row. Only what is left of a row behind its last whole block passes through buffers. */
#include <string.h>

#include "cpu.h"
#include "elementwise.h"

enum {
  LONG = 16,       /* rows that pay */
  LONG_STILL = 32, /* where something stands still along them */
  PIECE = 1 << 13  /* elements of a row that threads share out together, at most; whole blocks */
};

typedef struct buffers {
  _Alignas(64) char still[CR__MAX_OPERANDS][CR__CHUNK * 8];
  _Alignas(64) char rest[CR__MAX_OPERANDS][CR__BLOCK * 8];
  _Alignas(64) char out[CR__CHUNK * 8];
} buffers;

static bool is_number(const cr__elementwise_plan *p, int i) {
  return !p->e->in[i].data || cr__iter_fixed(&p->it, i + 1);
}

bool cr__goes_by_rows(const cr__elementwise_plan *p) {
  const cr__iter *it = &p->it;
  bool gathers = p->out_way == GATHERED, still = false;
  if (it->ndim < 2 || it->shape[0] < LONG || it->stride[0][0] != 1) return false;
  if (p->e->out.dtype != p->native) return false;
  for (int i = 0; i < p->e->nin; i++) {
    if (is_number(p, i)) continue;
    int64_t step = it->stride[i + 1][0];
    if ((step != 0 && step != 1) || p->e->in[i].dtype != p->compute) return false;
    gathers = gathers || p->in_way[i] == GATHERED;
    still = still || step == 0;
  }
  return gathers && (!still || it->shape[0] >= LONG_STILL);
}

/* Where operand k has the first element of a row, in elements. */
static int64_t row_offset(const cr__iter *it, int k, int64_t row) {
  int64_t at = 0;
  for (int d = 1; d < it->ndim - 1; d++) {
    at += row % it->shape[d] * it->stride[k][d];
    row /= it->shape[d];
  }
  return at + row * it->stride[k][it->ndim - 1];
}

/* Nothing that is read is overwritten: elements may be computed twice. */
static bool is_apart(const cr__elementwise *e) {
  for (int i = 0; i < e->nin; i++)
    if (e->in[i].data == e->out.data) return false;
  return true;
}

/* Fewer elements than a block: nothing is read or written behind them. */
static void run_rest(const cr__elementwise_plan *p, const void *const *from, const int64_t *advance,
                     char *out, int64_t n, buffers *b) {
  const void *in[CR__MAX_OPERANDS];
  for (int i = 0; i < p->e->nin; i++) {
    in[i] = from[i];
    if (!advance[i]) continue;
    memcpy(b->rest[i], from[i], (size_t)n * p->size);
    cr__pad(b->rest[i], p->size, n);
    in[i] = b->rest[i];
  }
  p->loop(CR__BLOCK, b->out, in, p->numbers);
  memcpy(out, b->out, (size_t)n * p->out_size);
}

/* Whole blocks, n of them at most in a step. The pointers are handed on where they were stored: a copy of them, by
 * a wider load, would wait until all stores of the row before are done. */
static void run_step(const cr__elementwise_plan *p, const void *const *from, char *out, int64_t n,
                     buffers *b) {
  size_t bytes = (size_t)n * p->out_size;
  bool past = p->stream && (uintptr_t)out % CR__LINE == 0 && bytes % CR__LINE == 0;
  p->loop(n, past ? b->out : out, from, p->numbers);
  if (past) p->stream(out, b->out, bytes);
}

/* Elements [begin, begin + n) of a row. */
static void run_part(const cr__elementwise_plan *p, int64_t row, int64_t begin, int64_t n,
                     buffers *b) {
  const void *from[CR__MAX_OPERANDS];
  int64_t advance[CR__MAX_OPERANDS], size = (int64_t)p->size, step = p->stream ? p->chunk : n;
  char *out = p->e->out.data + (row_offset(&p->it, 0, row) + begin) * (int64_t)p->out_size;
  for (int i = 0; i < p->e->nin; i++) {
    advance[i] = 0;
    from[i] = p->repeated[i];
    bool number = is_number(p, i), still = number || p->it.stride[i + 1][0] == 0;
    if (still && step > p->chunk) step = p->chunk;
    if (number) continue;
    const char *first = p->e->in[i].data + row_offset(&p->it, i + 1, row) * size;
    from[i] = still ? (const void *)b->still[i] : first + begin * size;
    advance[i] = still ? 0 : size;
    if (still) cr__splat(b->still[i], first, p->size, cr__round_up(n < p->chunk ? n : p->chunk));
  }
  for (int64_t left = n; left > 0;) {
    int64_t some = (left < step ? left : step) / CR__BLOCK * CR__BLOCK;
    if (!some && n >= CR__BLOCK && is_apart(p->e)) { /* the last block, which ends here */
      int64_t back = left - CR__BLOCK;
      for (int i = 0; i < p->e->nin; i++) from[i] = (const char *)from[i] + back * advance[i];
      out += back * (int64_t)p->out_size;
      left = some = CR__BLOCK;
    }
    if (some) run_step(p, from, out, some, b);
    else run_rest(p, from, advance, out, some = left, b);
    for (int i = 0; i < p->e->nin; i++) from[i] = (const char *)from[i] + some * advance[i];
    out += some * (int64_t)p->out_size;
    left -= some;
  }
}

static int64_t parts_of(const cr__elementwise_plan *p) {
  return (p->it.shape[0] + PIECE - 1) / PIECE;
}

static void run_parts(void *plan, int64_t begin, int64_t end) {
  const cr__elementwise_plan *p = plan;
  int64_t parts = parts_of(p), all = p->it.shape[0];
  buffers b;
  for (int64_t at = begin; at < end && !cr__cpu_stopped(); at++) {
    int64_t first = at % parts * PIECE;
    run_part(p, at / parts, first, all - first < PIECE ? all - first : PIECE, &b);
  }
  if (p->stream) cr__stream_end();
}

int cr__run_rows(cr__elementwise_plan *p) {
  int64_t n = p->it.numel;
  return cr__cpu_share(n / p->it.shape[0] * parts_of(p), n * (p->e->nin + 1), run_parts, p);
}
