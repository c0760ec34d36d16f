/* cpu/join.c: tensors joined along a dim that is not the first: pieces of each in turn.
 *
 * Holds true: threads take blocks of whole rows of the result; in a block one part after the other is
 * laid out, so that the result's cache lines are written while they are at hand. */
#include "cpu.h"
#include "loops.h"

#include <string.h>

enum { BLOCK = 32768 }; /* bytes */

/* Elements that fit a register are stored one by one: a call would cost more than they do. */
#define PLACE(TYPE)                                                      \
  for (int64_t r = 0; r < rows; r++, to += to_step, from += from_step) { \
    TYPE x;                                                              \
    memcpy(&x, from, sizeof x);                                          \
    memcpy(to, &x, sizeof x);                                            \
  }                                                                      \
  break

/* One piece of n bytes for each row; steps in bytes. */
static void place_pieces(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t n,
                         int64_t rows) {
  switch (n) {
  case 1: PLACE(uint8_t);
  case 2: PLACE(uint16_t);
  case 4: PLACE(uint32_t);
  case 8: PLACE(uint64_t);
  default:
    for (int64_t r = 0; r < rows; r++, to += to_step, from += from_step)
      memcpy(to, from, (size_t)n);
  }
}

/* Rows [top, top + rows) of the result, laid out from `to` on. */
static void place_block(const cr__launch *k, char *to, int64_t top, int64_t rows, int64_t width) {
  int64_t size = (int64_t)cr__size_of((cr_dtype)k->v[0].dtype);
  for (int i = 0; i < k->nrow; i++) {
    const cr__row *part = &k->rows[i];
    int64_t step = part->step * size;
    place_pieces(to, width, part->data[0] + top * step, step, part->n * size, rows);
    to += part->n * size;
  }
}

/* v[0] out, contiguous, of i[0] rows; rows: the parts, n elements (`step` apart in memory) of each for
 * a row, all of v[0]'s dtype; their n add up to a row. Large results are put together in a buffer that
 * stays in the cache, and go past the caches from there. */
int cr__cpu_join(cr__launch *k) {
  int64_t size = (int64_t)cr__size_of((cr_dtype)k->v[0].dtype), outer = k->i[0], width = 0;
  for (int i = 0; i < k->nrow; i++) width += k->rows[i].n * size;
  int64_t height = width < BLOCK ? BLOCK / width : 1, blocks = (outer + height - 1) / height;
  bool fits = height * width <= BLOCK;
  cr__stream stream = fits ? cr__stream_for(k->v[0].data, outer * width, height * width) : NULL;
#pragma omp parallel for num_threads(cr__cpu_threads(outer *width / size)) schedule(static)
  for (int64_t b = 0; b < blocks; b++) {
    _Alignas(64) char buffer[BLOCK];
    int64_t top = b * height, rows = outer - top < height ? outer - top : height;
    char *to = k->v[0].data + top * width;
    bool whole = stream && rows == height;
    place_block(k, whole ? buffer : to, top, rows, width);
    if (!whole) continue;
    stream(to, buffer, (size_t)(rows * width));
    stream(NULL, NULL, 0);
  }
  return 0;
}
