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

#endif
