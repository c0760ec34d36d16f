/* gemm.c: cache blocking and threads around the tiles of loops_gemm.c.
 *
 * Holds true: a block of K is the same length wherever it is used, and blocks are added up in order;
 * so no sum depends on how many threads there are. c is cut into pieces, each the work of one thread,
 * which copies what it needs of a and b to a workspace of its own, in blocks that stay in its caches
 * until they are used up: threads share nothing and wait for nobody. Where copying would cost more
 * than it brings, tiles read a and b where they lie. The workspace comes from the caller, so nothing
 * here can fail half way. */
#include <string.h>

#include "convert.h"
#include "gemm.h"

/* BLOCK_B bytes of b stay in the second cache while panels of a pass by. What is copied of a, and sums
 * that are made apart from c, are of some PART rows at a time. */
enum { BLOCK_B = 1 << 20, PART = 1024 };

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
  int64_t na, nb, kb;  /* panels of a, of nearly equal size, and of b; a block of a sum's terms */
  bool exchanged;      /* rows and columns, so that rows of c lie side by side */
  bool pack_a, pack_b; /* whether they are copied */
  bool staged;         /* sums are made apart from c: it has another dtype or no plain rows */
  int64_t cuts_a, cuts_b;          /* how many pieces c is cut into along rows, and along columns */
  int64_t part_a, part_b, block_b; /* panels in a part of a piece, and in a packed block, at most */
} job;

void cr__gemm_exchange(cr__gemm *g) {
  const cr__gemm t = *g;
  g->m = t.n, g->n = t.m;
  g->a = t.b, g->am = t.bn, g->ak = t.bk;
  g->b = t.a, g->bk = t.ak, g->bn = t.am;
  g->cm = t.cn, g->cn = t.cm;
  g->dm = t.dn, g->dn = t.dm;
}

/* Packing pays where panels are used again and again and do not stay in the second cache anyway;
 * never for rows of a that lie along k: a tile reads each to its end before the next lines.
 * `again`: how often; `bytes`: of the whole matrix. */
static bool worth_packing(int64_t again, int64_t bytes) {
  enum { NEAR = 1 << 20, OFTEN = 8 };
  return bytes > NEAR && again >= OFTEN;
}

/* Cuts c so that the longest piece takes the least time, in tiles: packing a panel of b takes as long
 * as two, one of a as long as one. */
static void cut(job *j, int64_t pieces) {
  int64_t least_time = INT64_MAX;
  for (int64_t rows = 1; rows <= pieces; rows++) {
    int64_t a = panels(j->na, least(rows, j->na)), b = panels(j->nb, least(pieces / rows, j->nb));
    int64_t time = a * b + (j->pack_b ? 2 * b : 0) + (j->pack_a ? a : 0);
    if (time >= least_time) continue;
    least_time = time;
    j->cuts_a = panels(j->na, a), j->cuts_b = panels(j->nb, b);
  }
}

static void plan(job *j, const cr__gemm *g, int64_t pieces) {
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
  j->na = panels(g->m, l->rows), j->nb = panels(g->n, l->cols);
  j->pack_a = !as_is || (g->ak != 1 && worth_packing(j->nb, g->m * g->k * j->size));
  j->pack_b = !as_is || g->bn != 1 || (!l->masked && g->n % (l->cols / 2) != 0) ||
              worth_packing(j->na, g->n * g->k * j->size);
  j->staged = g->dtype != l->dtype || g->cn != 1 || (g->d && g->dn != 1);
  j->block_b = BLOCK_B / (l->cols * j->kb * j->sum_size);
  cut(j, pieces);
  j->part_a = panels(j->na, j->cuts_a), j->part_b = panels(j->nb, j->cuts_b);
  if (j->pack_a || j->staged) j->part_a = least(j->part_a, panels(PART, l->rows));
  if (j->staged) j->part_b = least(j->part_b, panels(PART, l->cols));
  j->block_b = least(j->block_b, j->part_b);
}

/* What one thread needs. */
static int64_t a_bytes(const job *j) {
  return j->pack_a ? j->part_a * j->l->rows * j->kb * j->sum_size : 0;
}
static int64_t b_bytes(const job *j) {
  return j->pack_b ? j->block_b * j->l->cols * j->kb * j->sum_size : 0;
}
static int64_t c_bytes(const job *j) {
  return j->staged ? j->part_a * j->l->rows * j->part_b * j->l->cols * j->sum_size : 0;
}

/* ---- One part of it ------------------------------------------------------------------------- */

/* A range of panels. */
typedef struct range {
  int64_t first, end;
} range;

/* The sums in some rows and columns of c, over a block of K; a block of columns at a time. */
typedef struct part {
  const job *j;
  cr__gemm g;           /* this product of the batch */
  range a, b;           /* the panels that it is made of */
  int64_t p0, k;        /* where in K it begins, and how long it is */
  range block;          /* the panels of b that tiles take next */
  char *pa, *pb, *sums; /* where copies and sums lie */
} part;

static int64_t first_row(const job *j, int64_t panel) { return panel * j->g.m / j->na; }
static int64_t first_column(const job *j, int64_t panel) {
  return least(panel * j->l->cols, j->g.n);
}

static char *packed_a(const part *w, int64_t panel) {
  return w->pa + (panel - w->a.first) * w->j->l->rows * w->k * w->j->sum_size;
}
static char *packed_b(const part *w, int64_t panel) {
  return w->pb + (panel - w->block.first) * w->j->l->cols * w->k * w->j->sum_size;
}

/* Lines that lie along k are packed panel by panel. Where neighbours are of different lines, some of
 * k at a time in all panels, so that memory is read in long runs. */
static int64_t strip_of(const part *w, int64_t step) {
  enum { STRIP = 16 };
  return step == 1 ? w->k : STRIP;
}

static void pack_a(const part *w) {
  const job *j = w->j;
  const cr__gemm *g = &w->g;
  int64_t strip = strip_of(w, g->ak);
  for (int64_t at = 0; at < w->k; at += strip) {
    for (int64_t p = w->a.first; p < w->a.end; p++) {
      int64_t r = first_row(j, p), rows = first_row(j, p + 1) - r;
      j->l->pack(&(cr__gemm_pack){.dtype = g->dtype,
                                  .from = g->a + (r * g->am + (w->p0 + at) * g->ak) * j->size,
                                  .count = rows,
                                  .line = g->am,
                                  .k = least(strip, w->k - at),
                                  .step = g->ak,
                                  .width = rows},
                 packed_a(w, p) + at * rows * j->sum_size);
    }
  }
}

static void pack_b(const part *w) {
  const job *j = w->j;
  const cr__gemm *g = &w->g;
  int64_t strip = strip_of(w, g->bk);
  for (int64_t at = 0; at < w->k; at += strip) {
    for (int64_t p = w->block.first; p < w->block.end; p++) {
      int64_t c = first_column(j, p);
      j->l->pack(&(cr__gemm_pack){.dtype = g->dtype,
                                  .from = g->b + (c * g->bn + (w->p0 + at) * g->bk) * j->size,
                                  .count = first_column(j, p + 1) - c,
                                  .line = g->bn,
                                  .k = least(strip, w->k - at),
                                  .step = g->bk,
                                  .width = j->l->cols},
                 packed_b(w, p) + at * j->l->cols * j->sum_size);
    }
  }
}

static char *sums_of(const part *w, int64_t row, int64_t column) {
  int64_t r = row - first_row(w->j, w->a.first), c = column - first_column(w->j, w->b.first);
  return w->sums + (r * w->j->part_b * w->j->l->cols + c) * w->j->sum_size;
}

/* A panel of a times the block of b. */
static void run_tiles(const part *w, int64_t pa) {
  const job *j = w->j;
  const cr__gemm *g = &w->g;
  int64_t r = first_row(j, pa), rows = first_row(j, pa + 1) - r, size = j->size, sum = j->sum_size;
  int64_t c = first_column(j, w->block.first), width = j->l->cols;
  cr__gemm_tile t = {.rows = rows, .k = w->k};
  t.a = g->a + (r * g->am + w->p0 * g->ak) * size;
  t.ar = g->am * size, t.ak = g->ak * size;
  if (j->pack_a) t.a = packed_a(w, pa), t.ar = sum, t.ak = rows * sum;
  t.b = g->b + (c + w->p0 * g->bk) * size;
  t.bk = g->bk * size;
  if (j->pack_b) t.b = w->pb, t.bk = width * sum;
  if (j->staged) {
    t.c = sums_of(w, r, c);
    t.cr = j->part_b * width * sum;
  } else {
    t.c = g->c + (r * g->cm + c) * size;
    t.cr = g->cm * size;
    t.d = g->d ? g->d + (r * g->dm + c) * size : NULL;
    t.dr = g->dm * size;
  }
  if (w->p0 > 0) t.d = t.c, t.dr = t.cr;
  for (int64_t end = first_column(j, w->block.end); c < end; c += width) {
    t.cols = least(width, end - c);
    j->l->tile(&t);
    t.b += width * (j->pack_b ? w->k * sum : size);
    t.c += width * sum;
    if (t.d) t.d += width * sum;
  }
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
static void unstage(const part *w, int64_t i) {
  enum { CHUNK = 256 };
  const job *j = w->j;
  const cr__gemm *g = &w->g;
  int64_t c = first_column(j, w->b.first), cols = first_column(j, w->b.end) - c;
  char *sums = sums_of(w, i, c);
  _Alignas(64) char x[CHUNK * CR__MAX_ELEMENT];
  for (int64_t at = 0; g->d && at < cols; at += CHUNK) {
    int64_t n = least(CHUNK, cols - at);
    cr__read_run(x, j->l->dtype, g->d + (i * g->dm + (c + at) * g->dn) * j->size, g->dtype, g->dn,
                 n);
    add_run(j->l->dtype, n, sums + at * j->sum_size, x);
  }
  cr__write_run(g->c + (i * g->cm + c * g->cn) * j->size, g->dtype, g->cn, sums, j->l->dtype, cols);
}

static void run_part(part *w) {
  const job *j = w->j;
  int64_t width = block_of(w->b.end - w->b.first, j->block_b);
  for (w->p0 = 0; w->p0 < j->g.k; w->p0 += j->kb) {
    w->k = least(j->kb, j->g.k - w->p0);
    if (cr__cpu_stopped()) return;
    if (j->pack_a) pack_a(w);
    for (int64_t b0 = w->b.first; b0 < w->b.end; b0 = w->block.end) {
      w->block = (range){b0, least(b0 + width, w->b.end)};
      if (cr__cpu_stopped()) return;
      if (j->pack_b) pack_b(w);
      for (int64_t pa = w->a.first; pa < w->a.end && !cr__cpu_stopped(); pa++) run_tiles(w, pa);
    }
  }
  if (!j->staged) return;
  int64_t end = first_row(j, w->a.end);
  for (int64_t i = first_row(j, w->a.first); i < end && !cr__cpu_stopped(); i++) unstage(w, i);
}

/* ---- Pieces, and who computes them ----------------------------------------------------------- */

static range share_of(int64_t n, int64_t index, int64_t count) {
  return (range){index * n / count, (index + 1) * n / count};
}

static void run_piece(const job *j, int64_t index, const int64_t step[4], char *workspace) {
  int64_t i = index / (j->cuts_a * j->cuts_b), place = index % (j->cuts_a * j->cuts_b);
  range a = share_of(j->na, place % j->cuts_a, j->cuts_a);
  range b = share_of(j->nb, place / j->cuts_a, j->cuts_b);
  part w = {.j = j, .g = j->g, .pa = workspace};
  w.g.c += i * step[0], w.g.a += i * step[1], w.g.b += i * step[2];
  if (w.g.d) w.g.d += i * step[3];
  w.pb = w.pa + padded(a_bytes(j), 64);
  w.sums = w.pb + padded(b_bytes(j), 64);
  int64_t width = block_of(b.end - b.first, j->part_b);
  int64_t height = block_of(a.end - a.first, j->part_a);
  for (w.b.first = b.first; w.b.first < b.end; w.b.first = w.b.end) {
    w.b.end = least(w.b.first + width, b.end);
    for (w.a.first = a.first; w.a.first < a.end; w.a.first = w.a.end) {
      w.a.end = least(w.a.first + height, a.end);
      run_part(&w);
    }
  }
}

/* Into how many pieces a product is cut, of n: many products are shared out whole. */
static int64_t pieces_of(int64_t n, int threads) { return n >= 4 * threads ? 1 : threads; }

static size_t bytes_each(const job *j) {
  return (size_t)(padded(a_bytes(j), 64) + padded(b_bytes(j), 64) + padded(c_bytes(j), 64));
}

size_t cr__gemm_workspace(const cr__gemm *g, int64_t n, int threads) {
  job j;
  plan(&j, g, pieces_of(n, threads));
  size_t bytes = bytes_each(&j) * (size_t)threads;
  return bytes ? bytes + 64 : 0;
}

typedef struct pieces {
  job j;
  int64_t steps[4];
  size_t each; /* bytes of a thread's workspace */
  char *space;
} pieces;

static void run_pieces(void *job, int64_t begin, int64_t end) {
  const pieces *p = job;
  for (int64_t i = begin; i < end; i++)
    run_piece(&p->j, i, p->steps, p->space + p->each * (size_t)cr__cpu_member());
}

int cr__gemm_blocked(const cr__gemm *g, int64_t n, const int64_t step[4], int threads, int64_t work,
                     void *workspace) {
  pieces p;
  plan(&p.j, g, pieces_of(n, threads));
  const job *j = &p.j;
  p.steps[0] = step[0], p.steps[3] = step[3];
  p.steps[1] = step[j->exchanged ? 2 : 1], p.steps[2] = step[j->exchanged ? 1 : 2];
  p.each = bytes_each(j);
  p.space = (char *)(((uintptr_t)workspace + 63) / 64 * 64);
  return cr__cpu_share_among(threads, n * j->cuts_a * j->cuts_b, work, run_pieces, &p);
}
