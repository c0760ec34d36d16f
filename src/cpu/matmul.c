/* matmul.c: the kernel `gemm`: batches of matrix products of every dtype but bool.
 *
 * Holds true: which of the ways below multiplies depends on sizes, strides and dtypes, never on
 * threads. float16 and bfloat16 are summed in float32, integers wrap. */
#include <omp.h>
#include <string.h>

#include "cpu/gemm.h"

/* ---- Plain loops: integers, and whatever is too small to pack ------------------------------ */

#define PLAIN(NAME, T, SUM, READ, WRITE)                                                    \
  static void plain_##NAME(const cr__gemm *g) {                                             \
    const T *a = (const T *)(const void *)g->a, *b = (const T *)(const void *)g->b;         \
    for (int64_t i = 0; i < g->m; i++) {                                                    \
      for (int64_t j = 0; j < g->n; j++) {                                                  \
        T *c = (T *)(void *)g->c + i * g->cm + j * g->cn;                                   \
        SUM sum = 0;                                                                        \
        for (int64_t p = 0; p < g->k; p++) {                                                \
          sum += (SUM)READ(a[i * g->am + p * g->ak]) * (SUM)READ(b[p * g->bk + j * g->bn]); \
        }                                                                                   \
        if (g->add) sum += (SUM)READ(*c);                                                   \
        *c = (T)WRITE(sum);                                                                 \
      }                                                                                     \
    }                                                                                       \
  }

PLAIN(f64, double, double, , )
PLAIN(f32, float, float, , )
PLAIN(f16, uint16_t, float, cr__half_to_float, cr__float_to_half)
PLAIN(bf16, uint16_t, float, cr__bfloat_to_float, cr__float_to_bfloat)

#if defined(__GNUC__) && \
    !defined(__clang__) /* gcc 12 takes vectors of its own making for uninitialized */
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

/* Integers: unsigned sums wrap; rows of b are read along their length. */
#define WRAPPING(NAME, T, SUM)                                                                  \
  static void add_row_##NAME(SUM *sum, SUM x, const T *row, int64_t step, int64_t n) {          \
    if (step == 1) {                                                                            \
      for (int64_t j = 0; j < n; j++) sum[j] += x * (SUM)row[j];                                \
    } else {                                                                                    \
      for (int64_t j = 0; j < n; j++) sum[j] += x * (SUM)row[j * step];                         \
    }                                                                                           \
  }                                                                                             \
  static void plain_##NAME(const cr__gemm *g) {                                                 \
    enum { BLOCK = 128 };                                                                       \
    const T *a = (const T *)(const void *)g->a, *b = (const T *)(const void *)g->b;             \
    SUM sum[BLOCK];                                                                             \
    for (int64_t i = 0; i < g->m; i++) {                                                        \
      for (int64_t j0 = 0; j0 < g->n; j0 += BLOCK) {                                            \
        T *c = (T *)(void *)g->c + i * g->cm + j0 * g->cn;                                      \
        int64_t cols = g->n - j0 < BLOCK ? g->n - j0 : BLOCK;                                   \
        for (int64_t j = 0; j < cols; j++) sum[j] = g->add ? (SUM)c[j * g->cn] : 0;             \
        for (int64_t p = 0; p < g->k; p++) {                                                    \
          add_row_##NAME(sum, (SUM)a[i * g->am + p * g->ak], b + p * g->bk + j0 * g->bn, g->bn, \
                         cols);                                                                 \
        }                                                                                       \
        for (int64_t j = 0; j < cols; j++) c[j * g->cn] = (T)sum[j];                            \
      }                                                                                         \
    }                                                                                           \
  }

WRAPPING(i64, int64_t, uint64_t)
WRAPPING(i32, int32_t, uint32_t)
WRAPPING(i16, int16_t, uint32_t)
WRAPPING(i8, int8_t, uint32_t)
WRAPPING(u8, uint8_t, uint32_t)

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

/* By m n k: up to SMALL, packing costs more than it brings. For batches of LARGE together, oneDNN's
 * generated code is worth loading: from MEDIUM on it takes a half to nine tenths of the time of the
 * tiles in gemm.c (measured). */
enum { SMALL = 512, MEDIUM = 1 << 12, LARGE = 1 << 18 };

typedef enum way { WAY_PLAIN, WAY_VECTOR, WAY_BLOCKED, WAY_DNNL } way;

static int64_t volume(const cr__gemm *g) {
  int64_t v;
  if (__builtin_mul_overflow(g->m, g->n, &v) || __builtin_mul_overflow(v, g->k, &v))
    return INT64_MAX;
  return v;
}

/* g is one of n products. */
static way choose(const cr__gemm *g, int64_t n) {
  bool wide = g->dtype == CR_FLOAT32 || g->dtype == CR_FLOAT64;
  if (cr__category((cr_dtype)g->dtype) != CR_FLOATING || g->k == 0) return WAY_PLAIN;
  if (wide && (g->m == 1 || g->n == 1)) return WAY_VECTOR;
  int64_t each = volume(g), all;
  if (each <= SMALL) return WAY_PLAIN;
  if (__builtin_mul_overflow(each, n, &all)) all = INT64_MAX;
  return g->dtype == CR_FLOAT32 && each >= MEDIUM && all >= LARGE ? WAY_DNNL : WAY_BLOCKED;
}

/* Rows of plain products are split over threads; nothing there is shared. */
static void plain_rows(const cr__gemm *g) {
  int threads = cr__cpu_threads(volume(g));
  if (threads == 1) {
    plain(g);
    return;
  }
  int64_t size = (int64_t)cr__size_of((cr_dtype)g->dtype);
#pragma omp parallel for num_threads(threads)
  for (int64_t i = 0; i < g->m; i++) {
    cr__gemm row = *g;
    row.m = 1;
    row.a += i * g->am * size;
    row.c += i * g->cm * size;
    plain(&row);
  }
}

/* ---- Batches -------------------------------------------------------------------------------- */

typedef struct batch {
  cr__gemm g;
  int64_t n, cs, as, bs; /* how many, and the steps between them in bytes */
} batch;

static cr__gemm item(const batch *b, int64_t i) {
  cr__gemm g = b->g;
  g.a += i * b->as;
  g.b += i * b->bs;
  g.c += i * b->cs;
  return g;
}

/* Large products: one after the other, each by all threads. Small ones: a thread each. */
static int run_blocked(const batch *b) {
  int64_t each = volume(&b->g) / 16;
  int inner = cr__cpu_threads(each), outer = 1;
  if (inner == 1 && b->n > 1) {
    int64_t all;
    outer = cr__cpu_threads(__builtin_mul_overflow(each, b->n, &all) ? INT64_MAX : all);
  }
  size_t one = (cr__gemm_workspace(&b->g) + 63) / 64 * 64, nbytes = one * (size_t)outer;
  char *workspace = cr__host_alloc(nbytes);
  if (!workspace) return cr_error_code();
#pragma omp parallel for num_threads(outer) if (outer > 1) schedule(static)
  for (int64_t i = 0; i < b->n; i++) {
    cr__gemm g = item(b, i);
    cr__gemm_blocked(&g, inner, workspace + one * (size_t)(outer > 1 ? omp_get_thread_num() : 0));
  }
  cr__host_free(workspace, nbytes);
  return 0;
}

static void run_plain(const batch *b) {
  if (b->n == 1) {
    plain_rows(&b->g);
    return;
  }
  int64_t work = volume(&b->g) + 16;
#pragma omp parallel for num_threads(cr__cpu_threads(work < (1 << 24) ? work * b->n : work))
  for (int64_t i = 0; i < b->n; i++) {
    cr__gemm g = item(b, i);
    plain(&g);
  }
}

/* The first product tells whether oneDNN can; the rest are like it. */
static int run_dnnl(const batch *b) {
  cr__gemm first = item(b, 0);
  int code = cr__dnnl_gemm(&first);
  if (code > 0) return code;
  if (code < 0) return run_blocked(b);
  int64_t all, each = volume(&b->g) / 16;
  if (__builtin_mul_overflow(each, b->n, &all)) all = INT64_MAX;
  int threads = cr__cpu_threads(each) > 1 ? 1 : cr__cpu_threads(all);
  bool failed = false;
#pragma omp parallel for num_threads(threads) if (threads > 1) reduction(|| : failed)
  for (int64_t i = 1; i < b->n; i++) {
    cr__gemm g = item(b, i);
    failed = cr__dnnl_gemm(&g) != 0 || failed;
  }
  return failed ? cr__fail(CR_E_MEMORY, "out of memory: oneDNN stopped in a product") : 0;
}

static int run(const batch *b) {
  switch (choose(&b->g, b->n)) {
  case WAY_PLAIN: run_plain(b); return 0;
  case WAY_VECTOR:
    for (int64_t i = 0; i < b->n; i++) {
      cr__gemm g = item(b, i);
      cr__gemm_vector(&g);
    }
    return 0;
  case WAY_BLOCKED: return run_blocked(b);
  default: return run_dnnl(b);
  }
}

/* Puts v[3] into v[0], which has its dtype. */
static void begin_with(const cr__view *out, const cr__view *added) {
  int64_t size = (int64_t)cr__size_of((cr_dtype)out->dtype);
  for (int64_t b = 0; b < out->shape[0]; b++) {
    for (int64_t i = 0; i < out->shape[1]; i++) {
      char *to = out->data + (b * out->stride[0] + i * out->stride[1]) * size;
      const char *from = added->data + (b * added->stride[0] + i * added->stride[1]) * size;
      if (out->stride[2] == 1 && added->stride[2] == 1) {
        memcpy(to, from, (size_t)(out->shape[2] * size));
        continue;
      }
      for (int64_t j = 0; j < out->shape[2]; j++) {
        memcpy(to + j * out->stride[2] * size, from + j * added->stride[2] * size, (size_t)size);
      }
    }
  }
}

/* v[0] = v[1] v[2], + v[3] if there: b x m x n, b x m x k, b x k x n, b x m x n, all of one dtype,
 * which is not bool. Strides may be 0 except in v[0]. */
int cr__cpu_gemm(cr__launch *k) {
  const cr__view *c = &k->v[0], *a = &k->v[1], *b = &k->v[2];
  int64_t size = (int64_t)cr__size_of((cr_dtype)c->dtype);
  if (c->shape[0] == 0 || c->shape[1] == 0 || c->shape[2] == 0) return 0;
  if (k->nview > 3) begin_with(c, &k->v[3]);
  batch w = {
      .g = {.dtype = c->dtype,
            .add = k->nview > 3,
            .m = c->shape[1],
            .n = c->shape[2],
            .k = a->shape[2],
            .c = c->data,
            .a = a->data,
            .b = b->data,
            .cm = c->stride[1],
            .cn = c->stride[2],
            .am = a->stride[1],
            .ak = a->stride[2],
            .bk = b->stride[1],
            .bn = b->stride[2]},
      .n = c->shape[0],
      .cs = c->stride[0] * size,
      .as = a->stride[0] * size,
      .bs = b->stride[0] * size,
  };
  return run(&w);
}
