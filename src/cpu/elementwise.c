/* cpu/elementwise.c: the driver of pointwise loops: strides, broadcasting, conversion, threads.
 *
 * Holds true: a loop sees contiguous memory of its compute type in multiples of CR__BLOCK elements.
 * Operands that lie so already are read where they are; all others pass through a buffer that stays
 * in the first-level cache, where they are gathered, converted or repeated. The last elements are
 * padded with copies of the last one, so no function is ever evaluated at a point nobody asked for. */
#include <stdlib.h>
#include <string.h>

#include "convert.h"
#include "cpu.h"
#include "iter.h"
#include "loops.h"

enum { CHUNK = 512, GRAIN = 16 * CHUNK };

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
#define CR__LOOP(op, suffix, nin, nk, result, expression)                                          \
  [CR__PW_##op][CR__D_##suffix] = CR__IS_##result,
#include "pointwise.inc"
};

bool cr__cpu_has_loop(int pointwise, int dtype) { return cr__loop_for(pointwise, dtype) != NULL; }

typedef enum way { DIRECT, DENSE, GATHERED, REPEATED } way;

typedef struct plan {
  const cr__elementwise *e;
  cr__loop loop;
  int compute, native; /* dtypes that the loop reads and writes */
  size_t size, native_size, out_size;
  way in_way[CR__MAX_OPERANDS], out_way;
  char *const *repeated; /* buffers filled once, per operand */
  cr__iter it;           /* operand 0 is the output */
  _Alignas(16) char numbers[4 * 8];
} plan;

typedef struct scratch {
  _Alignas(64) char in[CR__MAX_OPERANDS][CHUNK * 8];
  _Alignas(64) char out[CHUNK * 8];
} scratch;

static void store_numbers(plan *p) {
  for (int j = 0; j < p->e->nk; j++)
    cr__store_scalar(p->numbers + (size_t)j * p->size, (cr_dtype)p->compute, &p->e->k[j]);
}

static int64_t round_up(int64_t n) { return (n + CR__BLOCK - 1) & ~(int64_t)(CR__BLOCK - 1); }

/* Fills buffer[n ..) up to a whole block with copies of the last element. */
static void pad(char *buffer, size_t size, int64_t n) {
  int64_t missing = round_up(n) - n;
  if (missing) cr__splat(buffer + n * (int64_t)size, buffer + (n - 1) * (int64_t)size, size, missing);
}

/* ---- Small calls: up to one block, every operand contiguous or one number ---- */

static void read_small(const plan *p, const cr__operand *in, int64_t n, char *buffer) {
  if (!in->data) {
    char number[8];
    cr__store_scalar(number, (cr_dtype)p->compute, &in->number);
    cr__splat(buffer, number, p->size, CR__BLOCK);
    return;
  }
  if (p->e->ndim && in->stride[0] == 0) n = 1;
  if (in->dtype == p->compute) {
    cr__splat(buffer, in->data + (n - 1) * (int64_t)p->size, p->size, CR__BLOCK);
    memcpy(buffer, in->data, (size_t)n * p->size);
  } else {
    cr__convert(buffer, p->compute, in->data, in->dtype, n);
    pad(buffer, p->size, n);
  }
}

static void run_small(const plan *p, int64_t n) {
  _Alignas(64) char in[CR__MAX_OPERANDS][CR__BLOCK * 8];
  _Alignas(64) char out[CR__BLOCK * 8];
  const void *from[CR__MAX_OPERANDS];
  const cr__elementwise *e = p->e;
  for (int i = 0; i < e->nin; i++) {
    read_small(p, &e->in[i], n, in[i]);
    from[i] = in[i];
  }
  p->loop(CR__BLOCK, out, from, p->numbers);
  cr__convert(e->out.data, e->out.dtype, out, p->native, n);
}

static bool is_small(const cr__elementwise *e, int64_t n) {
  if (n > CR__BLOCK || e->ndim > 1) return false;
  if (n == 1) return true;
  if (e->out.stride[0] != 1) return false;
  for (int i = 0; i < e->nin; i++)
    if (e->in[i].data && e->in[i].stride[0] != 1 && e->in[i].stride[0] != 0) return false;
  return true;
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
static const void *fetch(const plan *p, int i, cursors *c, scratch *s, int64_t position, int64_t n) {
  const cr__operand *o = &p->e->in[i];
  char *buffer = s->in[i];
  switch (p->in_way[i]) {
  case REPEATED: return p->repeated[i];
  case DIRECT:
    if (n % CR__BLOCK == 0) return o->data + position * (int64_t)p->size;
    memcpy(buffer, o->data + position * (int64_t)p->size, (size_t)n * p->size);
    break;
  case DENSE:
    cr__convert(buffer, p->compute,
                o->data + position * (int64_t)cr__size_of((cr_dtype)o->dtype), o->dtype, n);
    break;
  default: gather(p, o, &c->in[i], buffer, n);
  }
  pad(buffer, p->size, n);
  return buffer;
}

/* Elements [position, position + n), n <= CHUNK unless every operand is DIRECT. */
static void run_chunk(const plan *p, cursors *c, scratch *s, int64_t position, int64_t n) {
  const void *from[CR__MAX_OPERANDS];
  for (int i = 0; i < p->e->nin; i++) from[i] = fetch(p, i, c, s, position, n);
  char *out = p->e->out.data + position * (int64_t)p->out_size;
  bool in_place = p->out_way == DIRECT && n % CR__BLOCK == 0;
  p->loop(round_up(n), in_place ? out : s->out, from, p->numbers);
  if (in_place) return;
  if (p->out_way == GATHERED)
    scatter(p, &c->out, s->out, n);
  else
    cr__convert(out, p->e->out.dtype, s->out, p->native, n);
}

static bool all_direct(const plan *p) {
  bool direct = p->out_way == DIRECT;
  for (int i = 0; i < p->e->nin; i++) direct = direct && p->in_way[i] == DIRECT;
  return direct;
}

static void run_range(const plan *p, int64_t begin, int64_t end) {
  scratch s;
  cursors c;
  seek(p, &c, begin);
  if (all_direct(p)) {
    int64_t whole = (end - begin) / CR__BLOCK * CR__BLOCK;
    if (whole) run_chunk(p, &c, &s, begin, whole);
    begin += whole;
  }
  for (; begin < end; begin += CHUNK)
    run_chunk(p, &c, &s, begin, end - begin < CHUNK ? end - begin : CHUNK);
}

static void run_threads(const plan *p) {
  int64_t n = p->it.numel, pieces = (n + GRAIN - 1) / GRAIN;
  int threads = cr__cpu_threads(n * (p->e->nin + 1) / 2);
  if (threads == 1) {
    run_range(p, 0, n);
    return;
  }
#pragma omp parallel num_threads(threads)
  {
#pragma omp for schedule(static)
    for (int64_t i = 0; i < pieces; i++)
      run_range(p, i * GRAIN, (i + 1) * GRAIN < n ? (i + 1) * GRAIN : n);
  }
}

static way way_of(const plan *p, int k, bool same_dtype) {
  if (!cr__iter_dense(&p->it, k)) return GATHERED;
  return same_dtype ? DIRECT : DENSE;
}

static void plan_operands(plan *p, char (*repeated)[CHUNK * 8]) {
  const cr__elementwise *e = p->e;
  static const int64_t still[CR_MAX_DIMS] = {0};
  const int64_t *strides[CR__ITER_OPERANDS] = {e->out.stride};
  for (int i = 0; i < e->nin; i++) strides[i + 1] = e->in[i].data ? e->in[i].stride : still;
  cr__iter_begin(&p->it, e->ndim, e->shape, e->nin + 1, strides);
  int64_t most = round_up(p->it.numel < CHUNK ? p->it.numel : CHUNK);
  p->out_way = way_of(p, 0, e->out.dtype == p->native);
  for (int i = 0; i < e->nin; i++) {
    const cr__operand *o = &e->in[i];
    p->in_way[i] = way_of(p, i + 1, o->dtype == p->compute);
    if (o->data && !cr__iter_fixed(&p->it, i + 1)) continue;
    char element[8];
    if (o->data)
      cr__convert(element, p->compute, o->data, o->dtype, 1);
    else
      cr__store_scalar(element, (cr_dtype)p->compute, &o->number);
    cr__splat(repeated[i], element, p->size, most);
    p->in_way[i] = REPEATED;
  }
}

static __attribute__((noinline)) void run_general(plan *p) {
  _Alignas(64) char repeated[CR__MAX_OPERANDS][CHUNK * 8];
  char *buffers[CR__MAX_OPERANDS] = {repeated[0], repeated[1], repeated[2], repeated[3]};
  p->repeated = buffers;
  plan_operands(p, repeated);
  run_threads(p);
}

/* e: see cr__elementwise. Checked before: shapes, that the loop exists, that inputs do not overlap
 * the output other than exactly. */
int cr__cpu_elementwise(const cr__elementwise *e) {
  int64_t n = 1;
  for (int d = 0; d < e->ndim; d++) n *= e->shape[d];
  if (n == 0) return 0;
  plan p;
  p.e = e;
  p.loop = cr__loop_for(e->pointwise, e->compute);
  if (!p.loop)
    return cr__fail(CR_E_INTERNAL, "%s: the cpu has no loop for %s", e->op,
                    cr_dtype_name((cr_dtype)e->compute));
  p.compute = e->compute;
  p.native = gives_bool[e->pointwise][e->compute] ? CR_BOOL : e->compute;
  p.size = cr__size_of((cr_dtype)p.compute);
  p.native_size = cr__size_of((cr_dtype)p.native);
  p.out_size = cr__size_of((cr_dtype)e->out.dtype);
  store_numbers(&p);
  if (is_small(e, n))
    run_small(&p, n);
  else
    run_general(&p);
  return 0;
}
