/* matmul.c: the kernel `matmul`: batches of matrix products of every dtype but bool.
 *
 * Holds true: which of the ways below multiplies depends on sizes, strides and dtypes, never on
 * threads. float16 and bfloat16 are summed in float32, integers wrap. */
#include <stdatomic.h>
#include <string.h>

#include "gemm.h"

/* ---- Plain loops: whatever is too small for tiles -------------------------------------------- */

#define PLAIN(NAME, T, SUM, READ, WRITE)                                                    \
  static void plain_##NAME(const cr__gemm *g) {                                             \
    const T *a = (const T *)(const void *)g->a, *b = (const T *)(const void *)g->b;         \
    const T *d = (const T *)(const void *)g->d;                                             \
    for (int64_t i = 0; i < g->m; i++) {                                                    \
      for (int64_t j = 0; j < g->n; j++) {                                                  \
        T *c = (T *)(void *)g->c + i * g->cm + j * g->cn;                                   \
        SUM sum = 0;                                                                        \
        for (int64_t p = 0; p < g->k; p++) {                                                \
          sum += (SUM)READ(a[i * g->am + p * g->ak]) * (SUM)READ(b[p * g->bk + j * g->bn]); \
        }                                                                                   \
        if (d) sum += (SUM)READ(d[i * g->dm + j * g->dn]);                                  \
        *c = (T)WRITE(sum);                                                                 \
      }                                                                                     \
    }                                                                                       \
  }

PLAIN(f64, double, double, , )
PLAIN(f32, float, float, , )
PLAIN(f16, uint16_t, float, cr__half_to_float, cr__float_to_half)
PLAIN(bf16, uint16_t, float, cr__bfloat_to_float, cr__float_to_bfloat)

PLAIN(i64, int64_t, uint64_t, , )
PLAIN(i32, int32_t, uint32_t, , )
PLAIN(i16, int16_t, uint32_t, , )
PLAIN(i8, int8_t, uint32_t, , )
PLAIN(u8, uint8_t, uint32_t, , )

static void plain(const cr__gemm *g) {
  switch (g->dtype) {
  case CR_FLOAT64: plain_f64(g); break;
  case CR_FLOAT32: plain_f32(g); break;
  case CR_FLOAT16: plain_f16(g); break;
  case CR_BFLOAT16: plain_bf16(g); break;
  case CR_INT64: plain_i64(g); break;
  case CR_INT32: plain_i32(g); break;
  case CR_INT16: plain_i16(g); break;
  case CR_INT8: plain_i8(g); break;
  default: plain_u8(g); break;
  }
}

/* ---- One product ---------------------------------------------------------------------------- */

typedef enum way { WAY_PLAIN, WAY_VECTOR, WAY_TILES } way;

static int64_t volume(const cr__gemm *g) {
  int64_t v;
  if (__builtin_mul_overflow(g->m, g->n, &v) || __builtin_mul_overflow(v, g->k, &v))
    return INT64_MAX;
  return v;
}

static way choose(const cr__gemm *g) {
  enum { SMALL = 64 };
  int64_t work = volume(g);
  if (work <= SMALL) return WAY_PLAIN;
  return (g->m == 1 || g->n == 1) && !cr__gemm_is_few(g) ? WAY_VECTOR : WAY_TILES;
}

/* ---- Batches -------------------------------------------------------------------------------- */

typedef struct batch {
  cr__gemm g;
  int64_t n, cs, as, bs, ds; /* how many, and the steps between them in bytes */
  atomic_bool failed;
} batch;

static cr__gemm item(const batch *b, int64_t i) {
  cr__gemm g = b->g;
  g.a += i * b->as;
  g.b += i * b->bs;
  g.c += i * b->cs;
  if (g.d) g.d += i * b->ds;
  return g;
}

static int run_tiles(const batch *b) {
  int64_t each = volume(&b->g) / 16 + 8, all;
  if (__builtin_mul_overflow(each, b->n, &all)) all = INT64_MAX;
  const int64_t step[4] = {b->cs, b->as, b->bs, b->ds};
  int code = cr__gemm_by_library(&b->g, b->n, step, volume(&b->g));
  if (code != CR__GEMM_NOT_TAKEN) return code;
  if (cr__gemm_is_few(&b->g)) return cr__gemm_few_rows(&b->g, b->n, step);
  int threads = cr__cpu_threads(all);
  size_t nbytes = cr__gemm_workspace(&b->g, b->n, threads);
  char *workspace = nbytes ? cr__host_alloc(nbytes) : NULL;
  if (nbytes && !workspace) return (int)cr_error_code();
  code = cr__gemm_blocked(&b->g, b->n, step, threads, all, workspace);
  if (nbytes) cr__host_free(workspace, nbytes);
  return code;
}

static void some_plain(void *batch_, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i++) {
    cr__gemm g = item(batch_, i);
    plain(&g);
  }
}

static int run_plain(batch *b) {
  if (b->n > 1) return cr__cpu_share(b->n, (volume(&b->g) + 16) * b->n, some_plain, b);
  plain(&b->g);
  return 0;
}

static void some_vectors(void *batch_, int64_t begin, int64_t end) {
  batch *b = batch_;
  for (int64_t i = begin; i < end; i++) {
    cr__gemm g = item(b, i);
    if (cr__gemm_vector(&g)) atomic_store_explicit(&b->failed, true, memory_order_relaxed);
  }
}

static int run_vectors(batch *b) {
  int64_t each = volume(&b->g) / 8, all;
  if (__builtin_mul_overflow(each, b->n, &all)) all = INT64_MAX;
  int threads = cr__cpu_threads(each) == 1 ? cr__cpu_threads(all) : 1, code = 0;
  if (threads == 1) {
    for (int64_t i = 0; i < b->n && !code; i++) {
      cr__gemm g = item(b, i);
      code = cr__gemm_vector(&g);
      if (!code && i % 1024 == 1023) code = cr__interrupted();
    }
    return code;
  }
  code = cr__cpu_share_among(threads, b->n, all, some_vectors, b);
  if (code || !b->failed) return code;
  return cr__fail(CR_E_MEMORY, "out of memory: a product of a batch needs more");
}

/* out = a b, + `added` if there: b x m x n, b x m x k, b x k x n, b x m x n, all of one dtype,
 * which is not bool. Strides may be 0 except in `out`. */
int cr__cpu_matmul(cr__launch *k) {
  const cr__view *c = &k->matmul.out, *a = &k->matmul.a, *b = &k->matmul.b;
  const cr__view *d = k->matmul.added.data ? &k->matmul.added : NULL;
  int64_t size = (int64_t)cr__size_of((cr_dtype)c->dtype);
  if (c->shape[0] == 0 || c->shape[1] == 0 || c->shape[2] == 0) return 0;
  batch w = {
      .g = {.dtype = c->dtype,
            .m = c->shape[1],
            .n = c->shape[2],
            .k = a->shape[2],
            .c = c->data,
            .a = a->data,
            .b = b->data,
            .d = d ? d->data : NULL,
            .cm = c->stride[1],
            .cn = c->stride[2],
            .am = a->stride[1],
            .ak = a->stride[2],
            .bk = b->stride[1],
            .bn = b->stride[2],
            .dm = d ? d->stride[1] : 0,
            .dn = d ? d->stride[2] : 0},
      .n = c->shape[0],
      .cs = c->stride[0] * size,
      .as = a->stride[0] * size,
      .bs = b->stride[0] * size,
      .ds = d ? d->stride[0] * size : 0,
  };
  switch (choose(&w.g)) {
  case WAY_PLAIN: return run_plain(&w);
  case WAY_VECTOR: return run_vectors(&w);
  default: return run_tiles(&w);
  }
}
