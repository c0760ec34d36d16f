/* gemm.c: cache blocking and threads around the tiles of loops_gemm.c.
 *
 * Holds true: a block of K is the same length wherever it is used, blocks are added up in order, and
 * a tile is the work of one thread; so no sum depends on how many threads there are. The workspace
 * comes from the caller, so nothing here can fail half way. */
#include <string.h>

#include "cpu/gemm.h"

/* A panel of b (K_BYTES x 32 at most) stays in the first cache, PANELS_A of a in the second, and the
 * packed parts of both in the last. */
enum { K_BYTES = 1024, PANELS_A = 16, PANELS_B = 8, PACKED = 3072 };

#ifdef __x86_64__
extern const cr__gemm_isa cr__gemm_v2, cr__gemm_v3, cr__gemm_v4;
static const cr__gemm_isa *isa(void) {
  static const cr__gemm_isa *const by_level[] = {&cr__gemm_v2, &cr__gemm_v3, &cr__gemm_v4};
  return by_level[cr__cpu_level()];
}
#else
extern const cr__gemm_isa cr__gemm_base;
static const cr__gemm_isa *isa(void) { return &cr__gemm_base; }
#endif

const cr__gemm_loops *cr__gemm_loops_for(int dtype) {
  return dtype == CR_FLOAT64 ? &isa()->f64 : &isa()->f32;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t panels(int64_t n, int64_t width) { return (n + width - 1) / width; }

/* Equal blocks of at most `most`. */
static int64_t block_of(int64_t n, int64_t most) { return panels(n, panels(n, most)); }

typedef struct blocking {
  const cr__gemm *g;
  const cr__gemm_loops *loops;
  int64_t size;          /* bytes of an element as it is computed with */
  int64_t mb, nb, kb;    /* packed parts: mb x kb of a, kb x nb of b */
  char *a, *b;           /* where they lie */
  int64_t i0, j0, p0;    /* the part at hand: its first row, column, and place in K */
  int64_t rows, cols, k; /* and its sizes */
} blocking;

static blocking plan(const cr__gemm *g) {
  blocking w = {.g = g, .loops = cr__gemm_loops_for(g->dtype)};
  w.size = g->dtype == CR_FLOAT64 ? 8 : 4;
  w.mb = panels(block_of(g->m, PACKED), w.loops->rows) * w.loops->rows;
  w.nb = panels(block_of(g->n, PACKED), w.loops->cols) * w.loops->cols;
  w.kb = block_of(g->k, K_BYTES / w.size);
  return w;
}

/* 16-bit floats are summed in a float32 matrix first. */
static bool is_narrow(const cr__gemm *g) {
  return g->dtype == CR_FLOAT16 || g->dtype == CR_BFLOAT16;
}

size_t cr__gemm_workspace(const cr__gemm *g) {
  blocking w = plan(g);
  int64_t sums = is_narrow(g) ? g->m * g->n : 0;
  return (size_t)(((w.mb + w.nb) * w.kb + sums) * w.size) + 128;
}

static void pack_a(const blocking *w, int64_t panel) {
  const cr__gemm *g = w->g;
  int64_t r = panel * w->loops->rows, size = (int64_t)cr__size_of((cr_dtype)g->dtype);
  w->loops->pack(g->dtype, g->a + ((w->i0 + r) * g->am + w->p0 * g->ak) * size,
                 least(w->loops->rows, w->rows - r), g->am, w->k, g->ak, w->loops->rows,
                 w->a + r * w->k * w->size);
}

static void pack_b(const blocking *w, int64_t panel) {
  const cr__gemm *g = w->g;
  int64_t c = panel * w->loops->cols, size = (int64_t)cr__size_of((cr_dtype)g->dtype);
  w->loops->pack(g->dtype, g->b + ((w->j0 + c) * g->bn + w->p0 * g->bk) * size,
                 least(w->loops->cols, w->cols - c), g->bn, w->k, g->bk, w->loops->cols,
                 w->b + c * w->k * w->size);
}

/* Writes rows x cols of a full tile to c. */
static void store_edge(const cr__gemm *g, char *c, int64_t rows, int64_t cols, int64_t width,
                       const void *tile, bool add) {
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t j = 0; j < cols; j++) {
      if (g->dtype == CR_FLOAT64) {
        double *to = (double *)(void *)c + r * g->cm + j * g->cn,
               x = ((const double *)tile)[r * width + j];
        *to = add ? *to + x : x;
      } else {
        float *to = (float *)(void *)c + r * g->cm + j * g->cn,
              x = ((const float *)tile)[r * width + j];
        *to = add ? *to + x : x;
      }
    }
  }
}

static void run_tile(const blocking *w, int64_t pa, int64_t pb) {
  const cr__gemm *g = w->g;
  const cr__gemm_loops *l = w->loops;
  int64_t r = pa * l->rows, c = pb * l->cols;
  int64_t rows = least(l->rows, w->rows - r), cols = least(l->cols, w->cols - c);
  const char *a = w->a + r * w->k * w->size, *b = w->b + c * w->k * w->size;
  char *to = g->c + ((w->i0 + r) * g->cm + (w->j0 + c) * g->cn) * w->size;
  bool add = g->add || w->p0 > 0;
  if (rows == l->rows && cols == l->cols && g->cn == 1) {
    l->tile(w->k, a, b, to, g->cm, add);
    return;
  }
  _Alignas(64) double tile[CR__GEMM_MAX_TILE];
  l->tile(w->k, a, b, tile, l->cols, false);
  store_edge(g, to, rows, cols, l->cols, tile, add);
}

static void run_tiles(const blocking *w, int64_t a0, int64_t a1, int64_t b0, int64_t b1) {
  for (int64_t pb = b0; pb < b1; pb++) {
    for (int64_t pa = a0; pa < a1; pa++) run_tile(w, pa, pb);
  }
}

/* One packed part of b against one of a: both packed and multiplied by all threads. */
static void run_part(const blocking *w, int threads, bool fresh_b) {
  int64_t na = panels(w->rows, w->loops->rows), nb = panels(w->cols, w->loops->cols);
  int64_t tasks_a = panels(na, PANELS_A), tasks = tasks_a * panels(nb, PANELS_B);
#pragma omp parallel num_threads(threads)
  {
    if (fresh_b) {
#pragma omp for
      for (int64_t p = 0; p < nb; p++) pack_b(w, p);
    }
#pragma omp for
    for (int64_t p = 0; p < na; p++) pack_a(w, p);
#pragma omp for schedule(dynamic)
    for (int64_t task = 0; task < tasks; task++) {
      int64_t a0 = task % tasks_a * PANELS_A, b0 = task / tasks_a * PANELS_B;
      run_tiles(w, a0, least(na, a0 + PANELS_A), b0, least(nb, b0 + PANELS_B));
    }
  }
}

/* The same by one thread, without the cost of asking OpenMP. */
static void run_part_alone(const blocking *w, bool fresh_b) {
  int64_t na = panels(w->rows, w->loops->rows), nb = panels(w->cols, w->loops->cols);
  for (int64_t p = 0; fresh_b && p < nb; p++) pack_b(w, p);
  for (int64_t p = 0; p < na; p++) pack_a(w, p);
  for (int64_t a0 = 0; a0 < na; a0 += PANELS_A) run_tiles(w, a0, least(na, a0 + PANELS_A), 0, nb);
}

static void run_blocks(const cr__gemm *g, int threads, char *workspace) {
  blocking w = plan(g);
  w.a = workspace;
  w.b = workspace + w.mb * w.kb * w.size;
  for (w.j0 = 0; w.j0 < g->n; w.j0 += w.nb) {
    w.cols = least(w.nb, g->n - w.j0);
    for (w.p0 = 0; w.p0 < g->k; w.p0 += w.kb) {
      w.k = least(w.kb, g->k - w.p0);
      for (w.i0 = 0; w.i0 < g->m; w.i0 += w.mb) {
        w.rows = least(w.mb, g->m - w.i0);
        if (threads > 1) run_part(&w, threads, w.i0 == 0);
        else run_part_alone(&w, w.i0 == 0);
      }
    }
  }
}

static float widen(int dtype, uint16_t x) {
  return dtype == CR_FLOAT16 ? cr__half_to_float(x) : cr__bfloat_to_float(x);
}

static void run_narrow(const cr__gemm *g, int threads, char *workspace, float *sums) {
  cr__gemm wide = *g;
  wide.c = (char *)sums, wide.cm = g->n, wide.cn = 1, wide.add = false;
  run_blocks(&wide, threads, workspace);
#pragma omp parallel for num_threads(threads) if (threads > 1)
  for (int64_t i = 0; i < g->m; i++) {
    for (int64_t j = 0; j < g->n; j++) {
      uint16_t *to = (uint16_t *)(void *)g->c + i * g->cm + j * g->cn;
      float x = sums[i * g->n + j];
      if (g->add) x += widen(g->dtype, *to);
      *to = g->dtype == CR_FLOAT16 ? cr__float_to_half(x) : cr__float_to_bfloat(x);
    }
  }
}

void cr__gemm_blocked(const cr__gemm *g, int threads, void *workspace) {
  char *aligned = (char *)(((uintptr_t)workspace + 63) / 64 * 64);
  if (!is_narrow(g)) {
    run_blocks(g, threads, aligned);
    return;
  }
  blocking w = plan(g);
  run_narrow(g, threads, aligned, (float *)(void *)(aligned + (w.mb + w.nb) * w.kb * w.size));
}

/* ---- Vectors -------------------------------------------------------------------------------- */

static void put(const cr__gemm *g, char *c, double x) {
  if (g->dtype == CR_FLOAT64) {
    *(double *)(void *)c = g->add ? *(double *)(void *)c + x : x;
  } else {
    *(float *)(void *)c = g->add ? (float)(*(float *)(void *)c + x) : (float)x;
  }
}

/* A matrix of m rows (`row` apart, elements `step` apart) times a vector of k. */
static void times_vector(const cr__gemm *g, int64_t m, const char *a, int64_t row, int64_t step,
                         const char *x, int64_t xs, int64_t cs) {
  enum { ROWS = 256 };
  const cr__gemm_loops *l = cr__gemm_loops_for(g->dtype);
  int64_t size = (int64_t)cr__size_of((cr_dtype)g->dtype), k = g->k, nblock = panels(m, ROWS);
  bool by_columns = row == 1 && step != 1;
#pragma omp parallel for num_threads(cr__cpu_threads(m *k / 8))
  for (int64_t block = 0; block < nblock; block++) {
    int64_t first = block * ROWS, rows = least(ROWS, m - first);
    if (by_columns) {
      double sums[ROWS];
      l->columns(rows, k, a + first * size, step, x, xs, sums);
      for (int64_t r = 0; r < rows; r++) {
        double sum = g->dtype == CR_FLOAT64 ? sums[r] : (double)((const float *)sums)[r];
        put(g, g->c + (first + r) * cs * size, sum);
      }
    } else {
      for (int64_t r = first; r < first + rows; r++) {
        put(g, g->c + r * cs * size, l->dot(k, a + r * row * size, step, x, xs));
      }
    }
  }
}

void cr__gemm_vector(const cr__gemm *g) {
  if (g->n == 1) {
    times_vector(g, g->m, g->a, g->am, g->ak, g->b, g->bk, g->cm);
  } else {
    times_vector(g, g->n, g->b, g->bn, g->bk, g->a, g->ak, g->cn);
  }
}
