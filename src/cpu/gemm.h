/* gemm.h: the parts of matrix multiplication: the tiles (loops_gemm.c, built per instruction set),
 * the blocking around them (gemm.c), and the kernel that chooses (matmul.c).
 *
 * Holds true: c = a b (+ c), where strides count elements and may be anything, 0 included, except
 * that c's elements are distinct. Each element of c is summed in an order that depends on k and on
 * the instruction set only, never on threads. */
#ifndef CR__CPU_GEMM_H
#define CR__CPU_GEMM_H

#include "cpu/cpu.h"

typedef struct cr__gemm {
  int dtype; /* of all three */
  bool add;  /* to what c holds */
  int64_t m, n, k;
  char *c;
  const char *a, *b;
  int64_t cm, cn, am, ak, bk, bn;
} cr__gemm;

#define CR__GEMM_MAX_TILE (14 * 32)

/* One type's loops. A tile is `rows` x `cols`; panels hold it k by k, padded with zeros. */
typedef struct cr__gemm_loops {
  int rows, cols;
  /* c (row-major, `step` apart) = or += a panel times b panel. */
  void (*tile)(int64_t k, const void *a, const void *b, void *c, int64_t step, bool add);
  /* Packs `count` rows (<= width) of k elements, of this type or of a 16-bit float. */
  void (*pack)(int dtype, const char *from, int64_t count, int64_t row, int64_t k, int64_t step,
               int width, void *panel);
  double (*dot)(int64_t n, const void *x, int64_t xs, const void *y, int64_t ys);
  /* y[0..m) = a x for a matrix with unit row step: its columns are `step` apart. */
  void (*columns)(int64_t m, int64_t k, const void *a, int64_t step, const void *x, int64_t xs,
                  void *y);
} cr__gemm_loops;

typedef struct cr__gemm_isa {
  cr__gemm_loops f32, f64;
} cr__gemm_isa;

const cr__gemm_loops *cr__gemm_loops_for(int dtype); /* float32's for the 16-bit floats */
/* Blocked multiplication of floating matrices; m, n, k > 0. */
void cr__gemm_blocked(const cr__gemm *g, int threads, void *workspace);
size_t cr__gemm_workspace(const cr__gemm *g); /* bytes that a call needs */
/* The same for one row or column, float32 and float64. */
void cr__gemm_vector(const cr__gemm *g);

/* oneDNN's sgemm: 0, an error, or -1 if the library is not there or cannot take these strides. */
int cr__dnnl_gemm(const cr__gemm *g);

#endif
