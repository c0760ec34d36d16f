/* elementwise.c: the driver of pointwise loops: strides, broadcasting, conversion, threads.
 *
 * Holds true: a loop sees contiguous memory of its compute type in multiples of CR__BLOCK elements.
 * Operands that lie so already are read where they are; all others pass through a buffer that stays
 * in the first-level cache, where they are gathered, converted or repeated. The last elements are
 * padded with copies of the last one, so no function is ever evaluated at a point nobody asked for. */
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "elementwise.h"

enum { CHUNKS_PER_PIECE = 16 /* threads share out pieces of so many */ };

typedef cr__elementwise_plan plan;
typedef cr__way way;

/* Which loops give bool, whatever they compute in. */
static const bool gives_bool[CR__PW_COUNT + 1][CR_DTYPE_COUNT] = {
#define CR__D_f64 CR_FLOAT64
#define CR__D_f32 CR_FLOAT32
#define CR__D_i64 CR_INT64
#define CR__D_i32 CR_INT32
#define CR__D_i16 CR_INT16
#define CR__D_i8 CR_INT8
#define CR__D_u8 CR_UINT8
#define CR__D_b8 CR_BOOL
#define CR__IS_same false
#define CR__IS_bool true
#define CR__LOOP(op, suffix, nin, nk, result, expression) \
  [CR__PW_##op][CR__D_##suffix] = CR__IS_##result,
#include "pointwise.inc"
};

bool cr__cpu_has_loop(int pointwise, int dtype) { return cr__loop_for(pointwise, dtype) != NULL; }

/* Buffers at distances of pages would share the sets of the first cache. */
enum { APART = 192 };
typedef struct scratch {
  _Alignas(64) char in[CR__MAX_OPERANDS][CR__CHUNK_BYTES + APART];
  _Alignas(64) char out[CR__CHUNK_BYTES];
  _Alignas(64) char converted[CR__CHUNK_BYTES]; /* results, before they are streamed */
} scratch;

static void store_numbers(plan *p) {
  for (int j = 0; j < p->e->nk; j++)
    cr__store_scalar(p->numbers + (size_t)j * p->size, (cr_dtype)p->compute, &p->e->k[j]);
}

/* ---- The general case ---- */

/* One thread's position in the operands that are gathered, and in the output if it is scattered. */
typedef struct cursors {
  cr__walk in[CR__MAX_OPERANDS], out;
} cursors;

static void seek(const plan *p, cursors *c, int64_t position) {
  for (int i = 0; i < p->e->nin; i++)
    if (p->in_way[i] == GATHERED) cr__walk_seek(&c->in[i], &p->it, i + 1, position);
  if (p->out_way == GATHERED) cr__walk_seek(&c->out, &p->it, 0, position);
}

static void gather(const plan *p, const cr__operand *o, cr__walk *w, char *to, int64_t n) {
  int64_t size = (int64_t)cr__size_of((cr_dtype)o->dtype);
  while (n > 0) {
    int64_t run = cr__walk_left(w) < n ? cr__walk_left(w) : n;
    cr__read_run(to, p->compute, o->data + w->offset * size, o->dtype, w->stride[0], run);
    cr__walk_advance(w, run);
    to += run * (int64_t)p->size;
    n -= run;
  }
}

static void scatter(const plan *p, cr__walk *w, const char *from, int64_t n) {
  const cr__operand *o = &p->e->out;
  while (n > 0) {
    int64_t run = cr__walk_left(w) < n ? cr__walk_left(w) : n;
    cr__write_run(o->data + w->offset * (int64_t)p->out_size, o->dtype, w->stride[0], from,
                  p->native, run);
    cr__walk_advance(w, run);
    from += run * (int64_t)p->native_size;
    n -= run;
  }
}

/* Where the loop finds n elements of operand i from `position` on. */
static const void *fetch(const plan *p, int i, cursors *c, scratch *s, int64_t position,
                         int64_t n) {
  const cr__operand *o = &p->e->in[i];
  char *buffer = s->in[i];
  switch (p->in_way[i]) {
  case REPEATED: return p->repeated[i] + position % p->chunk * (int64_t)p->size;
  case DIRECT:
    if (n % CR__BLOCK == 0) return o->data + position * (int64_t)p->size;
    memcpy(buffer, o->data + position * (int64_t)p->size, (size_t)n * p->size);
    break;
  case DENSE:
    cr__convert(buffer, p->compute, o->data + position * (int64_t)cr__size_of((cr_dtype)o->dtype),
                o->dtype, n);
    break;
  default: gather(p, o, &c->in[i], buffer, n);
  }
  cr__pad(buffer, p->size, n);
  return buffer;
}

/* Writes n contiguous results: whole lines past the caches if the plan says so. */
static void put(const plan *p, char *out, scratch *s, int64_t n) {
  size_t bytes = (size_t)n * p->out_size;
  const char *from = s->out;
  if (!p->stream || bytes % CR__LINE) {
    cr__convert(out, p->e->out.dtype, from, p->native, n);
    return;
  }
  if (p->out_way == DENSE) {
    cr__convert(s->converted, p->e->out.dtype, from, p->native, n);
    from = s->converted;
  }
  p->stream(out, from, bytes);
}

/* Elements [position, position + n), n <= chunk. */
static void run_chunk(const plan *p, cursors *c, scratch *s, int64_t position, int64_t n) {
  const void *from[CR__MAX_OPERANDS];
  for (int i = 0; i < p->e->nin; i++) from[i] = fetch(p, i, c, s, position, n);
  char *out = p->e->out.data + position * (int64_t)p->out_size;
  bool here = p->out_way == DIRECT && n % CR__BLOCK == 0 && !p->stream;
  p->loop(cr__round_up(n), here ? out : s->out, from, p->numbers);
  if (here) return;
  if (p->out_way == GATHERED) scatter(p, &c->out, s->out, n);
  else put(p, out, s, n);
}

/* The elements that the loop takes at a time of n, if it reads and writes in place; else 0. */
static int64_t step_in_place(const plan *p, int64_t n) {
  bool repeats = false;
  for (int i = 0; i < p->e->nin; i++) {
    if (p->in_way[i] != DIRECT && p->in_way[i] != REPEATED) return 0;
    repeats = repeats || p->in_way[i] == REPEATED;
  }
  if (p->out_way != DIRECT) return 0;
  return p->stream || repeats ? p->chunk : n / CR__BLOCK * CR__BLOCK;
}

/* Goes from `begin` on as far as whole steps lead, without a look at any operand in between; returns
 * where it stopped. Nothing that is stored in one turn is read in the next: between the two stand the
 * streaming stores, and a read that cannot be forwarded from a pending store waits for all of them. */
static int64_t run_in_place(const plan *p, int64_t begin, int64_t end, char *buffer) {
  int64_t step = step_in_place(p, end - begin), size = (int64_t)p->size;
  if (step == 0) return begin;
  const char *first[CR__MAX_OPERANDS];
  int64_t advance[CR__MAX_OPERANDS];
  for (int i = 0; i < p->e->nin; i++) {
    bool repeated = p->in_way[i] == REPEATED;
    first[i] = repeated ? p->repeated[i] : p->e->in[i].data + begin * size;
    advance[i] = repeated ? 0 : size;
  }
  char *out = p->e->out.data + begin * (int64_t)p->out_size;
  int64_t n = (end - begin) / step * step;
  for (int64_t at = 0; at < n; at += step) {
    const void *from[CR__MAX_OPERANDS];
    for (int i = 0; i < p->e->nin; i++) from[i] = first[i] + at * advance[i];
    p->loop(step, p->stream ? buffer : out, from, p->numbers);
    if (p->stream) p->stream(out, buffer, (size_t)step * p->out_size);
    out += step * (int64_t)p->out_size;
  }
  begin += n;
  return begin;
}

static void run_range(const plan *p, int64_t begin, int64_t end) {
  scratch s;
  cursors c;
  seek(p, &c, begin);
  begin = run_in_place(p, begin, end, s.out);
  for (; begin < end; begin += p->chunk)
    run_chunk(p, &c, &s, begin, end - begin < p->chunk ? end - begin : p->chunk);
  if (p->stream) cr__stream_end();
}

/* Some functions take 300 ns for an element, so there is a look at the deadline every second piece. */
static void run_pieces(void *plan_, int64_t first, int64_t last) {
  const plan *p = plan_;
  int64_t piece = CHUNKS_PER_PIECE * p->chunk, end = last * piece;
  if (end > p->it.numel) end = p->it.numel;
  for (int64_t at = first * piece; at < end && !cr__cpu_stopped(); at += 2 * piece)
    run_range(p, at, end - at < 2 * piece ? end : at + 2 * piece);
}

static int run_threads(plan *p) {
  int64_t n = p->it.numel, piece = CHUNKS_PER_PIECE * p->chunk;
  return cr__cpu_share((n + piece - 1) / piece, n * (p->e->nin + 1), run_pieces, p);
}

static way way_of(const plan *p, int k, bool same_dtype) {
  if (!cr__iter_dense(&p->it, k)) return GATHERED;
  return same_dtype ? DIRECT : DENSE;
}

static void choose_ways(plan *p) {
  const cr__elementwise *e = p->e;
  p->out_way = way_of(p, 0, e->out.dtype == p->native);
  for (int i = 0; i < e->nin; i++)
    if (p->in_way[i] != REPEATED) p->in_way[i] = way_of(p, i + 1, e->in[i].dtype == p->compute);
}

/* ---- Operands that repeat ---- */

static int64_t common_multiple(int64_t a, int64_t b) {
  int64_t x = a, y = b;
  while (y) {
    int64_t rest = x % y;
    x = y;
    y = rest;
  }
  return a / x * b;
}

/* After how many elements operand k starts over; numel if it never does. */
static int64_t period_of(const cr__iter *it, int k) {
  int inner = it->ndim;
  while (inner > 0 && it->stride[k][inner - 1] == 0) inner--;
  int64_t period = 1;
  for (int d = 0; d < inner; d++) period *= it->shape[d];
  return period;
}

/* Numbers and short periods are laid out in a buffer once, as many times as fit into a chunk. */
static void lay_out_repeated(plan *p) {
  const cr__elementwise *e = p->e;
  int64_t step = CR__BLOCK;
  for (int i = 0; i < e->nin; i++) {
    int64_t period = period_of(&p->it, i + 1), both = common_multiple(step, period);
    bool pays = period == 1 || (both <= p->most && period < p->it.numel);
    p->in_way[i] = pays ? REPEATED : DIRECT;
    if (pays) step = both;
  }
  p->chunk = p->most / step * step;
  int64_t most = p->it.numel < p->chunk ? p->it.numel : p->chunk;
  for (int i = 0; i < e->nin; i++) {
    if (p->in_way[i] != REPEATED) continue;
    const cr__operand *o = &e->in[i];
    if (o->data) {
      cr__walk w;
      cr__walk_seek(&w, &p->it, i + 1, 0);
      gather(p, o, &w, p->repeated[i], most);
      cr__pad(p->repeated[i], p->size, most);
    } else {
      char number[CR__MAX_ELEMENT];
      cr__store_scalar(number, (cr_dtype)p->compute, &o->number);
      cr__splat(p->repeated[i], number, p->size, cr__round_up(most));
    }
  }
}

/* Streaming pays for large results that do not overwrite what was just read, and that
 * the last caches would not keep: smaller ones measure slower with it. */
enum { STREAM_FROM = 32 << 20 };
static cr__stream choose_stream(const plan *p) {
  const cr__elementwise *e = p->e;
  if (p->out_way == GATHERED || (uintptr_t)e->out.data % CR__LINE != 0) return NULL;
  if (p->chunk * (int64_t)p->out_size % CR__LINE != 0) return NULL;
  if (p->it.numel * (int64_t)p->out_size < STREAM_FROM) return NULL;
  for (int i = 0; i < e->nin; i++)
    if (e->in[i].data == e->out.data) return NULL;
  return cr__best_stream();
}

/* As many elements as fit a buffer in the largest of the call's dtypes. */
static int64_t most_in_buffer(const plan *p) {
  size_t size = p->size > p->native_size ? p->size : p->native_size;
  if (p->out_size > size) size = p->out_size;
  int64_t most = CR__CHUNK_BYTES / (int64_t)size;
  return most < CR__CHUNK ? most : CR__CHUNK;
}

static __attribute__((noinline)) int run_general(const cr__elementwise *e, cr__loop loop,
                                                 int native) {
  _Alignas(64) char repeated[CR__MAX_OPERANDS][CR__CHUNK_BYTES];
  static const int64_t still[CR_MAX_DIMS] = {0};
  plan whole, *p = &whole;
  p->e = e;
  p->loop = loop;
  p->compute = e->compute;
  p->native = native;
  p->size = cr__size_of((cr_dtype)p->compute);
  p->native_size = cr__size_of((cr_dtype)p->native);
  p->out_size = cr__size_of((cr_dtype)e->out.dtype);
  p->most = most_in_buffer(p);
  store_numbers(p);
  const int64_t *strides[CR__ITER_OPERANDS] = {e->out.stride};
  for (int i = 0; i < e->nin; i++) strides[i + 1] = e->in[i].data ? e->in[i].stride : still;
  cr__iter_begin(&p->it, e->ndim, e->shape, e->nin + 1, strides);
  p->repeated = repeated;
  lay_out_repeated(p);
  choose_ways(p);
  p->stream = choose_stream(p);
  int across = cr__tiled_dim(p), code;
  if (across && cr__run_tiles(p, across, &code)) return code;
  return cr__goes_by_rows(p) ? cr__run_rows(p) : run_threads(p);
}

/* Whether a number is one of a half dtype too, so that it may be stored as such. */
static bool is_half(int dtype, const cr_value *number) {
  char stored[2];
  float wanted, got;
  cr__store_scalar((char *)&wanted, CR_FLOAT32, number);
  cr__store_scalar(stored, (cr_dtype)dtype, number);
  cr__convert(&got, CR_FLOAT32, stored, dtype, 1);
  return wanted == got;
}

/* The loop for a call on halves alone, which then need not be converted on their way; or NULL. */
static cr__loop loop_of_halves(const cr__elementwise *e) {
  int dtype = e->out.dtype;
  if (dtype != CR_FLOAT16 && dtype != CR_BFLOAT16) return NULL;
  cr__loop loop = cr__half_loop_for(e->pointwise, dtype == CR_BFLOAT16);
  for (int i = 0; i < e->nin && loop; i++) {
    const cr__operand *o = &e->in[i];
    if (o->data ? o->dtype != dtype : !is_half(dtype, &o->number)) return NULL;
  }
  return loop;
}

static int run_many(const cr__elementwise *e, cr__loop loop, int native) {
  cr__loop halves = e->compute == CR_FLOAT32 ? loop_of_halves(e) : NULL;
  if (!halves) return run_general(e, loop, native);
  cr__elementwise direct = *e;
  direct.compute = e->out.dtype;
  return run_general(&direct, halves, direct.compute);
}

/* e: see cr__elementwise. Checked before: shapes, that the loop exists, that inputs do not overlap
 * the output other than exactly. */
int cr__cpu_elementwise(const cr__elementwise *e) {
  int64_t n = 1;
  for (int d = 0; d < e->ndim; d++) n *= e->shape[d];
  if (n == 0) return 0;
  cr__loop loop = cr__loop_for(e->pointwise, e->compute);
  if (!loop)
    return cr__fail(CR_E_INTERNAL, "%s: the cpu has no loop for %s", e->op,
                    cr_dtype_name((cr_dtype)e->compute));
  int native = gives_bool[e->pointwise][e->compute] ? CR_BOOL : e->compute;
  return cr__best_small()(e, n, loop, native) ? 0 : run_many(e, loop, native);
}
