/* gemm.h: the parts of matrix multiplication: the tiles (loops_gemm.c, built per instruction set),
 * the blocking around them (gemm.c), few rows (gemm_few.c), vectors (gemv.c), oneDNN (dnnl.c), and the kernel that chooses
 * (matmul.c); and a right factor that is kept for many products (gemm_kept.c).
 *
 * Holds true: c = a b (+ d), where strides count elements and may be anything, 0 included, except
 * that c's elements are distinct. Each element of c is summed in an order that depends on sizes,
 * strides and the instruction set only, never on threads. */
#ifndef CR__CPU_GEMM_H
#define CR__CPU_GEMM_H

#include "cpu.h"

typedef struct cr__gemm {
  int dtype; /* of all four */
  int64_t m, n, k;
  char *c;
  const char *a, *b, *d; /* d NULL: nothing is added; it may be c */
  int64_t cm, cn, am, ak, bk, bn, dm, dn;
} cr__gemm;

/* One tile: rows x cols of c = d + a b, over k. All strides here count bytes, and neighbours in a row
 * of b, c and d lie side by side. */
typedef struct cr__gemm_tile {
  int64_t rows, cols, k;
  const char *a, *b, *d; /* d NULL: nothing is added */
  char *c;
  int64_t ar, ak, bk, cr, dr;
} cr__gemm_tile;

/* rows x cols of c = d + a b, over k, where lines of a and of b lie along k; strides count bytes. */
typedef struct cr__gemm_few {
  int64_t rows, cols, k;
  const char *a, *b, *d; /* d NULL: nothing is added */
  char *c;
  int64_t ar, bn, cr, dr; /* from line to line; neighbours in a row of c and d lie side by side */
} cr__gemm_few;
#define CR__GEMM_FEW_ROWS 6

/* A matrix to be packed: `count` lines of k elements, as panel[i * width + line]. */
typedef struct cr__gemm_pack {
  int dtype;
  const char *from;
  int64_t count, line, k, step; /* elements from line to line, and along a line */
  int64_t width;                /* >= count; what is in excess is zero */
} cr__gemm_pack;

/* One type's tiles. */
typedef struct cr__gemm_loops {
  int dtype;      /* that sums are made in: float64, float32, int64 or int32 */
  int rows, cols; /* of the largest tile */
  int depth;      /* how much of K one tile runs over at most */
  bool masked;    /* tiles take b as it lies in memory where its last columns fill no vector, too */
  int most_rows;  /* that `few` takes; CR__GEMM_FEW_ROWS at most */
  void (*tile)(const cr__gemm_tile *t);
  void (*few)(const cr__gemm_few *t);
  void (*pack)(const cr__gemm_pack *p, void *panel);
} cr__gemm_loops;

/* A long sum: of floats in float64, of integers, which wrap, in 64 bits. */
typedef union cr__gemv_total {
  double f;
  uint64_t i;
} cr__gemv_total;

/* For matrices times vectors, in a dtype that sums are made in. */
typedef struct cr__gemv_loops {
  int dtype;
  /* Adds the products of n elements to the total. */
  void (*dot)(int64_t n, const void *x, int64_t xs, const void *y, int64_t ys,
              cr__gemv_total *total);
  /* y[0..n) += x a for a matrix with unit column step, its rows `step` apart; n <= CR__GEMV_WIDTH. */
  void (*rows)(int64_t k, int64_t n, const void *a, int64_t step, const void *x, int64_t xs,
               void *y);
} cr__gemv_loops;
#define CR__GEMV_WIDTH 1024

typedef struct cr__gemm_isa {
  cr__gemm_loops f32, f64, i32, i64;
  cr__gemv_loops vf32, vf64, vi32, vi64;
} cr__gemm_isa;

const cr__gemm_isa *cr__gemm_isa_here(void);
/* The best for products of this dtype. */
const cr__gemm_loops *cr__gemm_loops_for(int dtype);

/* The same product with rows and columns exchanged. */
void cr__gemm_exchange(cr__gemm *g);

/* The kernel itself (matmul.c), for others that come to products of matrices. */
int cr__cpu_matmul(cr__launch *k);

/* n products by oneDNN, as below; work: multiplications in one. 0, a cr_error with the error set, or
 * that it does not take them, and the tiles are to. */
enum { CR__GEMM_NOT_TAKEN = -1 };
int cr__gemm_by_library(const cr__gemm *g, int64_t n, const int64_t step[4], int64_t work);

/* n products by tiles; step: bytes from one to the next of c, a, b, d; m, n and k are > 0. The
 * workspace has the bytes that cr__gemm_workspace says, perhaps 0; work: steps in all. */
int cr__gemm_blocked(const cr__gemm *g, int64_t n, const int64_t step[4], int threads, int64_t work,
                     void *workspace);
size_t cr__gemm_workspace(const cr__gemm *g, int64_t n, int threads);
/* The same for few rows or columns, if they are, and the lines of the others lie along k: copies of the others
 * would cost more than they bring. */
bool cr__gemm_is_few(const cr__gemm *g);
int cr__gemm_few_rows(const cr__gemm *g, int64_t n, const int64_t step[4]);
/* The same for one row or column. */
int cr__gemm_vector(const cr__gemm *g);

/* A right factor b, of float32 or float64, k x n, for products one after the other with a few rows each. It is
 * copied in panels of neighbouring columns; for very few rows as lines along k, if it does not lie so. */
typedef struct cr__gemm_kept {
  const cr__gemm_loops *l;
  int64_t k, n, size;
  bool few;
  int64_t width, panels; /* columns of a panel, and how many there are */
  const char *b;
  int64_t line;  /* bytes from column to column of lines along k */
  char *room;    /* the copy, or NULL */
  size_t nbytes; /* of it */
} cr__gemm_kept;

/* rows of c = d + a b: neighbours in a row of a, c and d lie side by side; strides count bytes. */
typedef struct cr__gemm_rows {
  int64_t rows;
  const char *a, *d; /* d NULL: nothing is added; it may be c */
  char *c;
  int64_t ar, cr, dr;
} cr__gemm_rows;

/* bk and bn count elements; most_rows: of a product, which decides how it is summed. 0, or an error in the name of op. */
int cr__gemm_keep(cr__gemm_kept *f, const char *op, int dtype, const void *b, int64_t k, int64_t n,
                  int64_t bk, int64_t bn, int64_t most_rows);
void cr__gemm_drop(cr__gemm_kept *f);
/* The columns of some panels. */
void cr__gemm_times(const cr__gemm_kept *f, const cr__gemm_rows *r, int64_t first, int64_t end);

#endif
