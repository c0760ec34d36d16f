/* cpu/softmax.c: softmax and log_softmax along a dim, and their derivatives.
 *
 * Holds true: the views are contiguous, seen as outer x n x inner. Lines of other dtypes than the
 * computation's go through a converted copy. Each line is worked on by one thread. */
#include <stdatomic.h>

#include "cpu/convert.h"
#include "cpu/softmax.h"

#ifdef __x86_64__
extern const cr__softmax_loops cr__softmax_loops_v2, cr__softmax_loops_v3, cr__softmax_loops_v4;
static const cr__softmax_loops *loops_here(void) {
  static const cr__softmax_loops *const by_level[] = {&cr__softmax_loops_v2, &cr__softmax_loops_v3,
                                                      &cr__softmax_loops_v4};
  return by_level[cr__cpu_level()];
}
#else
extern const cr__softmax_loops cr__softmax_loops_base;
static const cr__softmax_loops *loops_here(void) { return &cr__softmax_loops_base; }
#endif

typedef struct job {
  const cr__launch *k;
  void (*loop)(const cr__lines *l);
  int64_t n, inner, width, tiles;
  int compute;
  bool log;
} job;

static char *element(const job *j, int view, int64_t index) {
  const cr__view *v = &j->k->v[view];
  return v->data + index * (int64_t)cr__size_of((cr_dtype)v->dtype);
}

/* Moves the rows of a unit between a view and packed memory of the computation type. */
static void unpack(const job *j, char *packed, int view, int64_t base, int64_t w) {
  int type = cr__compute_dtype(j->compute);
  int64_t size = (int64_t)cr__size_of((cr_dtype)type);
  for (int64_t r = 0; r < j->n; r += j->inner == 1 ? j->n : 1) {
    int64_t run = j->inner == 1 ? j->n : w;
    cr__convert(packed + r * w * size, type, element(j, view, base + r * j->inner),
                j->k->v[view].dtype, run);
  }
}

static void pack(const job *j, const char *packed, int64_t base, int64_t w) {
  int type = cr__compute_dtype(j->compute);
  int64_t size = (int64_t)cr__size_of((cr_dtype)type);
  for (int64_t r = 0; r < j->n; r += j->inner == 1 ? j->n : 1) {
    int64_t run = j->inner == 1 ? j->n : w;
    cr__convert(element(j, 0, base + r * j->inner), j->k->v[0].dtype, packed + r * w * size, type,
                run);
  }
}

static int run_converted(const job *j, int64_t base, int64_t w) {
  size_t each = (size_t)(j->n * w) * cr__compute_size(j->compute);
  size_t nbytes = each * (size_t)j->k->nview;
  char *room = cr__host_alloc(nbytes);
  if (!room) return CR_E_MEMORY;
  for (int v = 1; v < j->k->nview; v++) unpack(j, room + (size_t)v * each, v, base, w);
  j->loop(&(cr__lines){room, room + each, room + 2 * each, j->n, w, w, j->log});
  pack(j, room, base, w);
  cr__host_free(room, nbytes);
  return 0;
}

static int run_unit(const job *j, int64_t unit) {
  int64_t first = unit % j->tiles * j->width, base = unit / j->tiles * j->n * j->inner + first;
  int64_t w = j->inner - first < j->width ? j->inner - first : j->width;
  for (int v = 0; v < j->k->nview; v++) {
    if (j->k->v[v].dtype != cr__compute_dtype(j->compute)) return run_converted(j, base, w);
  }
  const char *b = j->k->nview > 2 ? element(j, 2, base) : NULL;
  j->loop(&(cr__lines){element(j, 0, base), element(j, 1, base), b, j->n, w, j->inner, j->log});
  return 0;
}

static int run(const cr__launch *k, bool derivative) {
  job j = {.k = k, .n = k->i[1], .inner = k->i[2], .log = k->i[3]};
  if (k->i[0] == 0 || j.n == 0 || j.inner == 0) return 0;
  j.compute = k->v[0].dtype == CR_FLOAT64 ? CR__COMPUTE_F64 : CR__COMPUTE_F32;
  j.width = j.inner < CR__TILE ? j.inner : CR__TILE;
  j.tiles = (j.inner + j.width - 1) / j.width;
  const cr__softmax_loops *loops = loops_here();
  j.loop = (j.inner == 1 ? loops->line : loops->tile)[derivative][j.compute];
  int64_t units = k->i[0] * j.tiles;
  int threads = cr__cpu_threads(k->i[0] * j.n * j.inner * 4);
  if (threads == 1) {
    int code = 0;
    for (int64_t u = 0; u < units && !code; u++) code = run_unit(&j, u);
    return code;
  }
  /* An error is set for the thread that meets it, so it has to be said again for the caller. */
  atomic_int failed = 0;
#pragma omp parallel for num_threads(threads)
  for (int64_t u = 0; u < units; u++) {
    if (!atomic_load_explicit(&failed, memory_order_relaxed) && run_unit(&j, u)) failed = 1;
  }
  return failed ? cr__fail_memory(k->op, (size_t)(j.n * j.width) * 12) : 0;
}

/* v[0] = softmax of v[1] along the middle dim; i[0], i[1], i[2]: sizes outer, n, inner; i[3]: 1 for
 * its logarithm. The views are contiguous; v[0] is floating, v[1] of any dtype. */
int cr__cpu_softmax(cr__launch *k) { return run(k, false); }

/* v[0] = the gradient by the input, v[1] = the one by the result, v[2] = the result; i as above. */
int cr__cpu_softmax_backward(cr__launch *k) { return run(k, true); }
