/* cat.c: tensors joined along a dim that is not the first: pieces of each in turn.
 *
 * Holds true: threads take ranges of the result, which they write from front to back. Large results are
 * put together in a buffer that stays in the nearest cache, and go past the caches from there. */
#include "convert.h"
#include "cpu.h"
#include "cpu/loops/loops.h"

#include <string.h>

enum {
  PIECE = 1024,
  BLOCK = 2048,
  SHORT = 256
}; /* bytes: of a long row, of short rows, of such a row */

typedef struct cat {
  const cr__launch *k;
  int64_t size, width; /* bytes: of an element, of a row of the result */
  int64_t height;      /* short rows of a block */
  int64_t nbytes;
  cr__stream stream; /* NULL: write as usual */
} cat;

/* ---- Long rows ---- */

typedef struct cursor { /* where the next byte comes from */
  int64_t row;
  int part;
  int64_t at; /* in the part's piece of the row */
} cursor;

static cursor seek(const cat *j, int64_t place) {
  cursor c = {place / j->width, 0, place % j->width};
  while (c.part < j->k->nrow && c.at >= j->k->rows[c.part].n * j->size)
    c.at -= j->k->rows[c.part++].n * j->size;
  return c;
}

static void lay(const cat *j, cursor *c, char *to, int64_t n) {
  while (n > 0) {
    const cr__row *part = &j->k->rows[c->part];
    int64_t left = part->n * j->size - c->at, m = left < n ? left : n;
    memcpy(to, part->data[0] + c->row * part->step * j->size + c->at, (size_t)m);
    to += m;
    n -= m;
    c->at += m;
    if (m < left) return;
    c->at = 0;
    if (++c->part < j->k->nrow) continue;
    c->part = 0;
    c->row++;
  }
}

static void lay_pieces(void *job, int64_t begin, int64_t end) {
  _Alignas(64) char buffer[PIECE];
  const cat *j = job;
  int64_t at = begin * PIECE, stop = end * PIECE < j->nbytes ? end * PIECE : j->nbytes;
  cursor c = seek(j, at);
  for (; j->stream && at + PIECE <= stop; at += PIECE) {
    lay(j, &c, buffer, PIECE);
    j->stream(j->k->cat.whole.data + at, buffer, PIECE);
  }
  lay(j, &c, j->k->cat.whole.data + at, stop - at);
  if (j->stream) cr__stream_end();
}

/* ---- Short rows: a column of pieces at a time ---- */

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
  case 16: PLACE(cr__bytes16);
  default:
    for (int64_t r = 0; r < rows; r++, to += to_step, from += from_step)
      memcpy(to, from, (size_t)n);
  }
}

/* A loop over both parts of a pair turns into vector code. */
#define PAIR(TYPE)                                              \
  for (int64_t r = 0; r < rows; r++) {                          \
    TYPE x, y;                                                  \
    memcpy(&x, a + r * (int64_t)sizeof x, sizeof x);            \
    memcpy(&y, b + r * (int64_t)sizeof y, sizeof y);            \
    memcpy(to + r * 2 * (int64_t)sizeof x, &x, sizeof x);       \
    memcpy(to + (r * 2 + 1) * (int64_t)sizeof x, &y, sizeof y); \
  }                                                             \
  return true

/* Rows of one piece of n bytes each of two parts that lie in a line; false if there is no loop for n. */
static bool place_pairs(char *restrict to, const char *restrict a, const char *restrict b,
                        int64_t n, int64_t rows) {
  switch (n) {
  case 1: PAIR(uint8_t);
  case 2: PAIR(uint16_t);
  case 4: PAIR(uint32_t);
  case 8: PAIR(uint64_t);
  case 16: PAIR(cr__bytes16);
  default: return false;
  }
}

/* Rows [top, top + rows) of the result, laid out from `to` on. */
static void place_block(const cat *j, char *to, int64_t top, int64_t rows) {
  const cr__row *part = j->k->rows;
  bool pair = j->k->nrow == 2 && part[0].n == part[1].n && part[0].step == part[0].n &&
              part[1].step == part[1].n;
  int64_t at = top * part[0].n * j->size;
  if (pair &&
      place_pairs(to, part[0].data[0] + at, part[1].data[0] + at, part[0].n * j->size, rows))
    return;
  for (int i = 0; i < j->k->nrow; i++, part++) {
    int64_t step = part->step * j->size, n = part->n * j->size;
    place_pieces(to, j->width, part->data[0] + top * step, step, n, rows);
    to += n;
  }
}

static void place_blocks(void *job, int64_t begin, int64_t end) {
  _Alignas(64) char buffer[BLOCK];
  const cat *j = job;
  int64_t outer = j->k->cat.outer;
  for (int64_t b = begin; b < end; b++) {
    int64_t top = b * j->height, rows = outer - top < j->height ? outer - top : j->height;
    char *to = j->k->cat.whole.data + top * j->width;
    bool whole = j->stream && rows == j->height;
    place_block(j, whole ? buffer : to, top, rows);
    if (whole) j->stream(to, buffer, (size_t)(rows * j->width));
  }
  if (j->stream) cr__stream_end();
}

/* Rows of a block: as many as make up whole lines of the cache; 0 if rows are too long for that. */
static int64_t height_of(int64_t width) {
  if (width > SHORT) return 0;
  int64_t even = width & -width, rows = even < CR__LINE ? CR__LINE / even : 1;
  return BLOCK / width / rows * rows;
}

/* `whole` is contiguous, of `outer` rows; the launch's rows are the parts, n elements (`step` apart in memory) of each for
 * a row, all of one dtype; their n, none of which is 0, add up to a row. */
int cr__cpu_cat(cr__launch *k) {
  cat j = {.k = k, .size = (int64_t)cr__size_of((cr_dtype)k->cat.whole.dtype)};
  for (int i = 0; i < k->nrow; i++) j.width += k->rows[i].n * j.size;
  j.nbytes = k->cat.outer * j.width;
  j.height = height_of(j.width);
  j.stream = cr__stream_for(k->cat.whole.data, j.nbytes, CR__LINE);
  if (j.height)
    return cr__cpu_share((k->cat.outer + j.height - 1) / j.height, j.nbytes / j.size, place_blocks,
                         &j);
  return cr__cpu_share((j.nbytes + PIECE - 1) / PIECE, j.nbytes / j.size, lay_pieces, &j);
}
