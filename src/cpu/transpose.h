/* transpose.h: turning rows into columns, a tile at a time.
 *
 * Holds true: a tile fills half of a first-level cache. It takes two whole lines of the source where
 * that is contiguous, so that each line is read once, however far apart the lines lie. */
#ifndef CR__TRANSPOSE_H
#define CR__TRANSPOSE_H

#include <stddef.h>
#include <stdint.h>

enum {
  CR__TILE_COLUMNS = 128,
  CR__TILE_LINE = 128, /* bytes that a tile takes of the source in one piece */
  CR__TILE_BYTES = CR__TILE_COLUMNS * CR__TILE_LINE
};

/* to[r * to_step + k] = from[k * from_step + r] for all rows r and columns k; steps count elements. */
void cr__transpose(char *to, int64_t to_step, const char *from, int64_t from_step, size_t size,
                   int64_t rows, int64_t columns);

/* loops_transpose.c: the same for elements of 4 and of 8 bytes. */
typedef struct cr__transpose_loops {
  void (*of_4)(uint32_t *to, int64_t to_step, const uint32_t *from, int64_t from_step, int64_t rows,
               int64_t columns);
  void (*of_8)(uint64_t *to, int64_t to_step, const uint64_t *from, int64_t from_step, int64_t rows,
               int64_t columns);
} cr__transpose_loops;

#endif
