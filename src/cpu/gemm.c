/* gemm.c: cache blocking and threads around the tiles of loops_gemm.c.
 *
 * Holds true: a block of K is the same length wherever it is used, blocks are added up in order, and
 * a tile is the work of one thread; so no sum depends on how many threads there are. Where packing
 * would cost more than it brings, tiles read a and b where they lie. The workspace comes from the
 * caller, so nothing here can fail half way. */
#include <omp.h>
#include <stdatomic.h>
#include <string.h>

#include "cpu/convert.h"
#include "cpu/gemm.h"

/* GROUP_B packed panels of b stay in the second cache while GROUP_A of a, each of which stays in the
 * first, pass by; packed parts of at most PART x PART. */
enum { GROUP_A = 16, GROUP_B = 16, PART = 3072 };

#ifdef __x86_64__
extern const cr__gemm_isa cr__gemm_v2, cr__gemm_v3, cr__gemm_v4;
const cr__gemm_isa *cr__gemm_isa_here(void) {
  static const cr__gemm_isa *const by_level[] = {&cr__gemm_v2, &cr__gemm_v3, &cr__gemm_v4};
  return by_level[cr__cpu_level()];
}
#else
extern const cr__gemm_isa cr__gemm_base;
const cr__gemm_isa *cr__gemm_isa_here(void) { return &cr__gemm_base; }
#endif

const cr__gemm_loops *cr__gemm_loops_for(int dtype) {
  const cr__gemm_isa *isa = cr__gemm_isa_here();
  switch (dtype) {
  case CR_FLOAT64: return &isa->f64;
  case CR_FLOAT32:
  case CR_FLOAT16:
  case CR_BFLOAT16: return &isa->f32;
  case CR_INT64: return &isa->i64;
  default: return &isa->i32;
  }
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t panels(int64_t n, int64_t width) { return (n + width - 1) / width; }
static int64_t padded(int64_t n, int64_t width) { return panels(n, width) * width; }

/* Equal blocks of at most `most`. */
static int64_t block_of(int64_t n, int64_t most) { return panels(n, panels(n, most)); }

/* ---- The plan of a product ------------------------------------------------------------------ */

typedef struct job {
  cr__gemm g;
  const cr__gemm_loops *l;
  int64_t size; /* bytes of an element of g, and of a sum */
  int64_t sum_size;
  int64_t mb, nb, kb;  /* parts: mb x kb of a, kb x nb of b; and of a sum's terms */
  bool exchanged;      /* rows and columns, so that rows of c lie side by side */
  bool pack_a, pack_b; /* whether they are copied */
  bool staged;         /* sums are made apart from c: it has another dtype or no plain rows */
  char *a, *b, *sums;  /* where copies and sums lie */
  atomic_llong next;   /* the first group of tiles that no thread has taken */
} job;

void cr__gemm_exchange(cr__gemm *g) {
  const cr__gemm t = *g;
  g->m = t.n, g->n = t.m;
  g->a = t.b, g->am = t.bn, g->ak = t.bk;
  g->b = t.a, g->bk = t.ak, g->bn = t.am;
  g->cm = t.cn, g->cn = t.cm;
  g->dm = t.dn, g->dn = t.dm;
}

/* Packing pays where a panel is used again and again, and for strides that make lines of the cache
 * collide. `again`: how often; `bytes`: of the whole matrix. */
static bool worth_packing(int64_t again, int64_t bytes, int64_t stride) {
  enum { NEAR = 300000 };
  if (bytes <= NEAR) return false;
  return again >= (stride % 1024 == 0 ? 3 : 4);
}

static void plan(job *j, const cr__gemm *g) {
  memset(j, 0, sizeof *j);
  j->g = *g;
  j->exchanged = g->cn != 1 && g->cm == 1;
  if (j->exchanged) cr__gemm_exchange(&j->g);
  g = &j->g;
  const cr__gemm_loops *l = j->l = cr__gemm_loops_for(g->dtype);
  j->size = (int64_t)cr__size_of((cr_dtype)g->dtype);
  j->sum_size = (int64_t)cr__size_of((cr_dtype)l->dtype);
  j->kb = block_of(g->k, l->depth);
  bool as_is = g->dtype == l->dtype;
  int64_t na = panels(g->m, l->rows), nb = panels(g->n, l->cols);
  j->pack_a =
      !as_is || worth_packing(nb, g->m * g->k * j->size, (g->ak == 1 ? g->am : g->ak) * j->size);
  j->pack_b = !as_is || g->bn != 1 || (!l->masked && g->n % (l->cols / 2) != 0) ||
              worth_packing(na, g->n * g->k * j->size, g->bk * j->size);
  j->staged = g->dtype != l->dtype || g->cn != 1 || (g->d && g->dn != 1);
  bool parts = j->pack_a || j->pack_b || j->staged;
  j->mb = parts ? padded(block_of(g->m, PART), l->rows) : g->m;
  j->nb = parts ? padded(block_of(g->n, PART), l->cols) : g->n;
}

static int64_t a_bytes(const job *j) { return j->pack_a ? j->mb * j->kb * j->sum_size : 0; }
static int64_t b_bytes(const job *j) { return j->pack_b ? j->nb * j->kb * j->sum_size : 0; }

size_t cr__gemm_workspace(const cr__gemm *g) {
  job j;
  plan(&j, g);
  int64_t bytes =
      padded(a_bytes(&j), 64) + padded(b_bytes(&j), 64) + (j.staged ? j.mb * j.nb * j.sum_size : 0);
  return bytes ? (size_t)bytes + 64 : 0;
}

/* ---- One part of it ------------------------------------------------------------------------- */

typedef struct part {
  job *j;
  int64_t i0, j0, p0;    /* its first row, column, and place in K */
  int64_t rows, cols, k; /* its sizes */
  int64_t na, nb;        /* its panels; those of a are of nearly equal size */
} part;

static int64_t first_row(const part *w, int64_t panel) { return panel * w->rows / w->na; }

static char *packed_a(const part *w, int64_t panel) {
  const cr__gemm_loops *l = w->j->l;
  return w->j->a + panel * l->rows * w->k * w->j->sum_size;
}
static char *packed_b(const part *w, int64_t panel) {
  const cr__gemm_loops *l = w->j->l;
  return w->j->b + panel * l->cols * w->k * w->j->sum_size;
}

static void pack_a(const part *w, int64_t panel) {
  const job *j = w->j;
  const cr__gemm *g = &j->g;
  int64_t r = first_row(w, panel), rows = first_row(w, panel + 1) - r;
  j->l->pack(&(cr__gemm_pack){.dtype = g->dtype,
                              .from = g->a + ((w->i0 + r) * g->am + w->p0 * g->ak) * j->size,
                              .count = rows,
                              .line = g->am,
                              .k = w->k,
                              .step = g->ak,
                              .width = rows},
             packed_a(w, panel));
}

static void pack_b(const part *w, int64_t panel) {
  const job *j = w->j;
  const cr__gemm *g = &j->g;
  int64_t c = panel * j->l->cols;
  j->l->pack(&(cr__gemm_pack){.dtype = g->dtype,
                              .from = g->b + ((w->j0 + c) * g->bn + w->p0 * g->bk) * j->size,
                              .count = least(j->l->cols, w->cols - c),
                              .line = g->bn,
                              .k = w->k,
                              .step = g->bk,
                              .width = j->l->cols},
             packed_b(w, panel));
}

static void run_tile(const part *w, int64_t pa, int64_t pb) {
  const job *j = w->j;
  const cr__gemm *g = &j->g;
  int64_t r = first_row(w, pa), c = pb * j->l->cols, size = j->size, sum = j->sum_size;
  cr__gemm_tile t = {.rows = first_row(w, pa + 1) - r,
                     .cols = least(j->l->cols, w->cols - c),
                     .k = w->k};
  t.a = g->a + ((w->i0 + r) * g->am + w->p0 * g->ak) * size;
  t.ar = g->am * size, t.ak = g->ak * size;
  if (j->pack_a) t.a = packed_a(w, pa), t.ar = sum, t.ak = t.rows * sum;
  t.b = g->b + ((w->j0 + c) + w->p0 * g->bk) * size;
  t.bk = g->bk * size;
  if (j->pack_b) t.b = packed_b(w, pb), t.bk = j->l->cols * sum;
  if (j->staged) {
    t.c = j->sums + (r * j->nb + c) * sum;
    t.cr = j->nb * sum;
  } else {
    t.c = g->c + ((w->i0 + r) * g->cm + w->j0 + c) * size;
    t.cr = g->cm * size;
    t.d = g->d ? g->d + ((w->i0 + r) * g->dm + w->j0 + c) * size : NULL;
    t.dr = g->dm * size;
  }
  if (w->p0 > 0) t.d = t.c, t.dr = t.cr;
  j->l->tile(&t);
}

static void add_run(int dtype, int64_t n, char *sum, const char *x) {
#define ADD(T) \
  for (int64_t i = 0; i < n; i++) ((T *)(void *)sum)[i] += ((const T *)(const void *)x)[i]
  switch (dtype) {
  case CR_FLOAT64: ADD(double); break;
  case CR_FLOAT32: ADD(float); break;
  case CR_INT64: ADD(uint64_t); break;
  default: ADD(uint32_t); break;
  }
}

/* Brings a row of finished sums to c. */
static void unstage(const part *w, int64_t row) {
  enum { CHUNK = 256 };
  const job *j = w->j;
  const cr__gemm *g = &j->g;
  int64_t i = w->i0 + row;
  char *sums = j->sums + row * j->nb * j->sum_size;
  _Alignas(64) char x[CHUNK * 8];
  for (int64_t at = 0; g->d && at < w->cols; at += CHUNK) {
    int64_t n = least(CHUNK, w->cols - at);
    cr__read_run(x, j->l->dtype, g->d + (i * g->dm + (w->j0 + at) * g->dn) * j->size, g->dtype,
                 g->dn, n);
    add_run(j->l->dtype, n, sums + at * j->sum_size, x);
  }
  cr__write_run(g->c + (i * g->cm + w->j0 * g->cn) * j->size, g->dtype, g->cn, sums, j->l->dtype,
                w->cols);
}

/* ---- Threads -------------------------------------------------------------------------------- */

/* What the threads of one product go through together. */
typedef struct crew {
  job *j;
  int me, count;
  int64_t mine, seen; /* the group taken and not yet run; the groups of the parts before this one */
} crew;

static void meet(const crew *t) {
  if (t->count > 1) {
#pragma omp barrier
  }
}

static int64_t take(job *j) { return atomic_fetch_add_explicit(&j->next, 1, memory_order_relaxed); }

/* Groups are given out to whoever is free: several to each thread, where there are tiles enough. A
 * thread may hold one of the next part already. */
static void run_groups(crew *t, const part *w) {
  int64_t in_a = block_of(w->na, GROUP_A), in_b = block_of(w->nb, GROUP_B);
  while (t->count > 1 && in_a * in_b > 1 &&
         panels(w->na, in_a) * panels(w->nb, in_b) < 6 * t->count) {
    if (in_a >= in_b) in_a = (in_a + 1) / 2;
    else in_b = (in_b + 1) / 2;
  }
  int64_t groups_a = panels(w->na, in_a), groups_b = panels(w->nb, in_b);
  for (; t->mine < t->seen + groups_a * groups_b; t->mine = take(t->j)) {
    int64_t group = t->mine - t->seen, a0 = group / groups_b * in_a, b0 = group % groups_b * in_b;
    int64_t a1 = least(w->na, a0 + in_a), b1 = least(w->nb, b0 + in_b);
    for (int64_t pa = a0; pa < a1; pa++) {
      for (int64_t pb = b0; pb < b1; pb++) run_tile(w, pa, pb);
    }
  }
  t->seen += groups_a * groups_b;
}

static void run_part(crew *t, const part *w) {
  const job *j = t->j;
  for (int64_t p = t->me; j->pack_b && p < w->nb; p += t->count) pack_b(w, p);
  for (int64_t p = t->me; j->pack_a && p < w->na; p += t->count) pack_a(w, p);
  if (j->pack_a || j->pack_b) meet(t);
  run_groups(t, w);
  bool summed = w->p0 + w->k == j->g.k;
  bool last = summed && w->i0 + w->rows == j->g.m && w->j0 + w->cols == j->g.n;
  if (j->staged || !last) meet(t);
  if (!j->staged || !summed) return;
  for (int64_t i = t->me; i < w->rows; i += t->count) unstage(w, i);
  if (!last) meet(t);
}

static void run_parts(job *j, int me, int count) {
  const cr__gemm *g = &j->g;
  crew t = {.j = j, .me = me, .count = count, .mine = take(j)};
  part w = {.j = j};
  for (w.j0 = 0; w.j0 < g->n; w.j0 += j->nb) {
    w.cols = least(j->nb, g->n - w.j0);
    w.nb = panels(w.cols, j->l->cols);
    for (w.i0 = 0; w.i0 < g->m; w.i0 += j->mb) {
      w.rows = least(j->mb, g->m - w.i0);
      w.na = panels(w.rows, j->l->rows);
      for (w.p0 = 0; w.p0 < g->k; w.p0 += j->kb) {
        w.k = least(j->kb, g->k - w.p0);
        run_part(&t, &w);
      }
    }
  }
}

void cr__gemm_blocked(const cr__gemm *g, int64_t n, const int64_t step[4], int threads,
                      void *workspace) {
  job j;
  plan(&j, g);
  int64_t step_a = step[j.exchanged ? 2 : 1], step_b = step[j.exchanged ? 1 : 2];
  j.a = (char *)(((uintptr_t)workspace + 63) / 64 * 64);
  j.b = j.a + padded(a_bytes(&j), 64);
  j.sums = j.b + padded(b_bytes(&j), 64);
  for (int64_t i = 0; i < n; i++) {
    atomic_store_explicit(&j.next, 0, memory_order_relaxed);
    if (threads == 1) {
      run_parts(&j, 0, 1);
    } else {
#pragma omp parallel num_threads(threads)
      run_parts(&j, omp_get_thread_num(), omp_get_num_threads());
    }
    j.g.c += step[0], j.g.a += step_a, j.g.b += step_b;
    if (j.g.d) j.g.d += step[3];
  }
}
