/* dnnl.c: oneDNN, opened when the first large float32 product asks for it.
 *
 * Holds true: libcresset_dnnl.so lies beside the library (or program) that this code is part of, or
 * where the loader looks. Without it the tiles of gemm.c serve, with the same results up to rounding;
 * cr_gemm_name() says which it is. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "cpu/gemm.h"

#define SHIM "libcresset_dnnl.so"

typedef int (*sgemm_function)(char ta, char tb, int64_t m, int64_t n, int64_t k, const float *a,
                              int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                              int64_t ldc, int threads);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static sgemm_function sgemm; /* NULL: not there */
static char name[32] = "built in";

static void *open_beside(void) {
  Dl_info info;
  char path[4096];
  if (!dladdr((void *)&name, &info) || !info.dli_fname) return NULL;
  const char *slash = strrchr(info.dli_fname, '/');
  int folder = slash ? (int)(slash - info.dli_fname) + 1 : 0;
  int length = snprintf(path, sizeof path, "%.*s%s", folder, info.dli_fname, SHIM);
  return folder && length < (int)sizeof path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
}

static void open_shim(void) {
  void *library = open_beside();
  if (!library) library = dlopen(SHIM, RTLD_NOW | RTLD_LOCAL);
  if (!library) return;
  void (*version)(int[3]);
  int v[3];
  *(void **)&sgemm = dlsym(library, "cr__dnnl_sgemm");
  *(void **)&version = dlsym(library, "cr__dnnl_version");
  if (!sgemm || !version) {
    sgemm = NULL;
    dlclose(library);
    return;
  }
  version(v);
  snprintf(name, sizeof name, "oneDNN %d.%d.%d", v[0], v[1], v[2]);
}

const char *cr_gemm_name(void) {
  pthread_once(&once, open_shim);
  return name;
}

/* The leading dimension of a rows x cols operand, and whether it lies there transposed; false if its
 * elements lie in neither way. */
static bool leading(int64_t rows, int64_t cols, int64_t row, int64_t col, char *transposed,
                    int64_t *ld) {
  if ((col == 1 || cols == 1) && (row >= cols || rows == 1)) {
    *transposed = 'N';
    *ld = rows == 1 && row < cols ? cols : row;
    return true;
  }
  if ((row == 1 || rows == 1) && (col >= rows || cols == 1)) {
    *transposed = 'T';
    *ld = cols == 1 && col < rows ? rows : col;
    return true;
  }
  return false;
}

/* Equal blocks of K: from 384 on (seen with oneDNN 2.6 on 1 to 64 threads), oneDNN may sum in an order
 * that depends on the number of threads. */
static int64_t block_of(int64_t k) {
  enum { MOST = 376 };
  int64_t n = (k + MOST - 1) / MOST;
  return (k + n - 1) / n;
}

int cr__dnnl_gemm(const cr__gemm *g) {
  char ta, tb, tc;
  int64_t lda, ldb, ldc;
  if (!leading(g->m, g->k, g->am, g->ak, &ta, &lda) ||
      !leading(g->k, g->n, g->bk, g->bn, &tb, &ldb) ||
      !leading(g->m, g->n, g->cm, g->cn, &tc, &ldc) || tc != 'N')
    return -1;
  pthread_once(&once, open_shim);
  if (!sgemm) return -1;
  int64_t work, block = block_of(g->k);
  if (__builtin_mul_overflow(g->m * g->n / 16, g->k, &work)) work = INT64_MAX;
  const float *a = (const float *)(const void *)g->a, *b = (const float *)(const void *)g->b;
  int threads = cr__cpu_threads(work);
  for (int64_t p = 0; p < g->k; p += block) {
    int64_t k = g->k - p < block ? g->k - p : block;
    int status = sgemm(ta, tb, g->m, g->n, k, a + p * g->ak, lda, b + p * g->bk, ldb,
                       g->add || p ? 1 : 0, (float *)(void *)g->c, ldc, threads);
    if (status && p == 0) return -1;
    if (status)
      return cr__fail(CR_E_MEMORY, "out of memory: oneDNN stopped in a product (status %d)",
                      status);
  }
  return 0;
}
