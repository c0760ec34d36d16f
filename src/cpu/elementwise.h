/* elementwise.h: the plan of a pointwise call, and the ways to carry out a large one.
 *
 * Holds true: see elementwise.c. Operand 0 of the iteration is the output. */
#ifndef CR__ELEMENTWISE_H
#define CR__ELEMENTWISE_H

#include "convert.h"
#include "iter.h"
#include "cpu/loops/loops.h"

enum {
  CR__CHUNK_BYTES = 4096, /* of a buffer */
  CR__CHUNK = 512         /* elements that pass through buffers together, at most */
};

/* How the loop gets at an operand: in place; converted; through a walk; from a buffer filled once. */
typedef enum cr__way { DIRECT, DENSE, GATHERED, REPEATED } cr__way;

typedef struct cr__elementwise_plan {
  const cr__elementwise *e;
  cr__loop loop;
  cr__stream stream; /* NULL: write as usual */
  int64_t most;      /* elements of every dtype of the call that a buffer holds, up to CR__CHUNK */
  int64_t chunk;     /* multiple of CR__BLOCK and of the period of every repeated operand */
  int compute, native; /* dtypes that the loop reads and writes */
  size_t size, native_size, out_size;
  cr__way in_way[CR__MAX_OPERANDS], out_way;
  char (*repeated)[CR__CHUNK_BYTES]; /* buffers filled once, per operand */
  cr__iter it;
  _Alignas(16) char numbers[4 * CR__MAX_ELEMENT];
} cr__elementwise_plan;

static inline int64_t cr__round_up(int64_t n) {
  return (n + CR__BLOCK - 1) & ~(int64_t)(CR__BLOCK - 1);
}

/* Fills buffer[n ..) up to a whole block with copies of the last element. */
static inline void cr__pad(char *buffer, size_t size, int64_t n) {
  int64_t missing = cr__round_up(n) - n;
  if (missing)
    cr__splat(buffer + n * (int64_t)size, buffer + (n - 1) * (int64_t)size, size, missing);
}

/* The dim along which an input lies that walks across its memory in the innermost dim, if going by
 * tiles pays; else 0. Then cr__run_tiles(p, dim, &code) carries the call out (elementwise_tiles.c), or is
 * false where there is no room for tiles: the other loops need none. */
int cr__tiled_dim(const cr__elementwise_plan *p);
bool cr__run_tiles(const cr__elementwise_plan *p, int across, int *code);

/* Whether rows are long, and operands walk or stand still along them: then cr__run_rows carries the call
 * out (elementwise_rows.c). */
bool cr__goes_by_rows(const cr__elementwise_plan *p);
int cr__run_rows(cr__elementwise_plan *p);

#endif
