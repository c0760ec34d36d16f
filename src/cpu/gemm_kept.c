/* gemm_kept.c: a right factor that is kept for many products of a few rows: the weights of a recurrent layer, which every
 * step multiplies with.
 *
 * Holds true: each element of a product is one sum over blocks of K, in an order that depends on the factor's sizes
 * and the most rows of a product alone, never on its neighbours or on threads. */
#include "gemm.h"

/* PANEL_LINES: lines along k that count as a panel. */
enum { PANEL_LINES = 32 };

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Lines of `count` neighbours, k of them, become k x width, or, with the roles exchanged, lines along k. */
static void pack(const cr__gemm_kept *f, const char *from, int64_t count, int64_t line, int64_t k,
                 int64_t step, int64_t width, char *to) {
  f->l->pack(&(cr__gemm_pack){.dtype = f->l->dtype,
                              .from = from,
                              .count = count,
                              .line = line,
                              .k = k,
                              .step = step,
                              .width = width},
             to);
}

static void pack_panels(cr__gemm_kept *f, const char *b, int64_t bk, int64_t bn) {
  for (int64_t p = 0; p < f->panels; p++) {
    int64_t column = p * f->width;
    pack(f, b + column * bn * f->size, least(f->width, f->n - column), bn, f->k, bk, f->width,
         f->room + column * f->k * f->size);
  }
}

int cr__gemm_keep(cr__gemm_kept *f, const char *op, int dtype, const void *b, int64_t k, int64_t n,
                  int64_t bk, int64_t bn, int64_t most_rows) {
  const cr__gemm_loops *l = cr__gemm_loops_for(dtype);
  *f = (cr__gemm_kept){.l = l, .k = k, .n = n, .size = (int64_t)cr__size_of((cr_dtype)dtype)};
  f->few = most_rows <= (l->most_rows + 1) / 2;
  f->width = f->few ? PANEL_LINES : l->cols;
  f->panels = (n + f->width - 1) / f->width;
  f->b = b, f->line = bn * f->size;
  if (f->few && (bk == 1 || k == 1)) return 0;
  f->nbytes = (size_t)(k * (f->few ? n : f->panels * f->width) * f->size);
  f->room = cr__host_alloc_for(op, f->nbytes);
  if (!f->room) return (int)cr_error_code();
  if (f->few) pack(f, b, k, bk, n, bn, k, f->room);
  else pack_panels(f, b, bk, bn);
  f->b = f->room, f->line = k * f->size;
  return 0;
}

void cr__gemm_drop(cr__gemm_kept *f) {
  if (f->room) cr__host_free(f->room, f->nbytes);
  f->room = NULL;
}

static void times_lines(const cr__gemm_kept *f, const cr__gemm_rows *r, int64_t column,
                        int64_t columns) {
  int64_t at = column * f->size;
  for (int64_t i = 0; i < r->rows; i += f->l->most_rows) {
    f->l->few(&(cr__gemm_few){.rows = least(f->l->most_rows, r->rows - i),
                              .cols = columns,
                              .k = f->k,
                              .a = r->a + i * r->ar,
                              .b = f->b + column * f->line,
                              .c = r->c + i * r->cr + at,
                              .d = r->d ? r->d + i * r->dr + at : NULL,
                              .ar = r->ar,
                              .bn = f->line,
                              .cr = r->cr,
                              .dr = r->dr});
  }
}

/* Rows in nearly equal groups, so that no tile is low where others are high. */
static void times_panel(const cr__gemm_kept *f, const cr__gemm_rows *r, int64_t column,
                        int64_t columns) {
  int64_t groups = (r->rows + f->l->rows - 1) / f->l->rows, at = column * f->size;
  for (int64_t k0 = 0; k0 < f->k || k0 == 0; k0 += f->l->depth) {
    cr__gemm_tile t = {.cols = columns, .k = least(f->l->depth, f->k - k0)};
    t.b = f->b + (column * f->k + k0 * f->width) * f->size;
    t.bk = f->width * f->size;
    t.ar = r->ar, t.ak = f->size, t.cr = r->cr;
    for (int64_t i = 0; i < groups; i++) {
      int64_t row = i * r->rows / groups;
      t.rows = (i + 1) * r->rows / groups - row;
      t.a = r->a + row * r->ar + k0 * f->size;
      t.c = r->c + row * r->cr + at;
      t.d = k0 > 0 ? t.c : r->d ? r->d + row * r->dr + at : NULL;
      t.dr = k0 > 0 ? r->cr : r->dr;
      f->l->tile(&t);
    }
  }
}

void cr__gemm_times(const cr__gemm_kept *f, const cr__gemm_rows *r, int64_t first, int64_t end) {
  if (r->rows <= 0) return;
  for (int64_t p = first; p < end; p++) {
    int64_t column = p * f->width, columns = least(f->width, f->n - column);
    if (f->few) times_lines(f, r, column, columns);
    else times_panel(f, r, column, columns);
  }
}
