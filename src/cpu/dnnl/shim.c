/* shim.c: libcresset_dnnl.so: the one function that the engine needs of oneDNN.
 *
 * Holds true: nothing else links to oneDNN, so a process pays its 39 MB only when a product is large
 * enough to be worth them (cpu/dnnl.c opens this library then). */
#include <dnnl.h>
#include <omp.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

/* c = a b (+ c), row-major with leading dimensions; ta, tb: 'T' for a transposed operand. Nonzero: it
 * was not computed. oneDNN takes its number of threads from OpenMP's setting for this thread. */
EXPORT int cr__dnnl_sgemm(char ta, char tb, int64_t m, int64_t n, int64_t k, const float *a,
                          int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                          int64_t ldc, int threads);
EXPORT int cr__dnnl_sgemm(char ta, char tb, int64_t m, int64_t n, int64_t k, const float *a,
                          int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                          int64_t ldc, int threads) {
  int before = omp_get_max_threads();
  if (threads != before) omp_set_num_threads(threads);
  dnnl_status_t status = dnnl_sgemm(ta, tb, m, n, k, 1.0f, a, lda, b, ldb, beta, c, ldc);
  if (threads != before) omp_set_num_threads(before);
  return (int)status;
}

EXPORT void cr__dnnl_version(int version[3]);
EXPORT void cr__dnnl_version(int version[3]) {
  const dnnl_version_t *v = dnnl_version();
  version[0] = v->major, version[1] = v->minor, version[2] = v->patch;
}
