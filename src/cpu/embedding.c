/* embedding.c: sums of rows of a table.
 *
 * Holds true: the rows of a bag are added up in the order of its positions, in float32 or, of a float64 table, in
 * float64. All views are contiguous; positions are int64, from 1 or negative ones from the end, and are checked before
 * any row is read. */
#include <string.h>

#include "convert.h"
#include "cpu.h"

enum { BLOCK = 256 }; /* columns whose sums stay in a cache */

typedef struct bags {
  const cr__bag_sums_slots *s;
  const int64_t *index, *starts;
} bags;

/* A row's number from 0; -1 where the position names the padding. */
static int64_t row_of(const bags *b, int64_t position) {
  int64_t row = position < 0 ? position + b->s->entries : position - 1;
  return row == b->s->padding - 1 ? -1 : row;
}

static double factor_of(const bags *b, int64_t at) {
  double x;
  const cr__view *v = &b->s->factors;
  if (!v->data) return 1;
  cr__convert(&x, CR_FLOAT64, v->data + at * (int64_t)cr__size_of((cr_dtype)v->dtype), v->dtype, 1);
  return x;
}

static void add_f32(float *restrict sum, const float *restrict x, float factor, int64_t n) {
  for (int64_t i = 0; i < n; i++) sum[i] += factor * x[i];
}

static void add_f64(double *restrict sum, const double *restrict x, double factor, int64_t n) {
  for (int64_t i = 0; i < n; i++) sum[i] += factor * x[i];
}

/* Adds up n columns from `column` on of the positions [from, to). */
static void add_bag(const bags *b, int64_t from, int64_t to, int64_t column, int64_t n, char *out) {
  const cr__view *w = &b->s->weight;
  double wide[BLOCK];
  float narrow[BLOCK], room[BLOCK];
  int64_t size = (int64_t)cr__size_of((cr_dtype)w->dtype);
  bool is_wide = w->dtype == CR_FLOAT64;
  if (is_wide) memset(wide, 0, (size_t)n * sizeof *wide);
  else memset(narrow, 0, (size_t)n * sizeof *narrow);
  for (int64_t i = from; i < to && ((i - from + 1) % BLOCK || !cr__cpu_stopped()); i++) {
    int64_t row = row_of(b, b->index[i]);
    if (row < 0) continue;
    const void *x = w->data + (row * b->s->columns + column) * size;
    if (is_wide) {
      add_f64(wide, x, factor_of(b, i), n);
    } else if (w->dtype == CR_FLOAT32) {
      add_f32(narrow, x, (float)factor_of(b, i), n);
    } else {
      cr__convert(room, CR_FLOAT32, x, w->dtype, n);
      add_f32(narrow, room, (float)factor_of(b, i), n);
    }
  }
  if (is_wide) memcpy(out, wide, (size_t)n * sizeof *wide);
  else cr__convert(out, w->dtype, narrow, CR_FLOAT32, n);
}

static void some_bags(void *job, int64_t begin, int64_t end) {
  const bags *b = job;
  const cr__bag_sums_slots *s = b->s;
  int64_t size = (int64_t)cr__size_of((cr_dtype)s->out.dtype);
  for (int64_t i = begin; i < end; i++) {
    int64_t from = b->starts ? b->starts[i] - 1 : i * s->length;
    int64_t to = !b->starts         ? from + s->length
                 : i + 1 < s->count ? b->starts[i + 1] - 1
                                    : s->length;
    for (int64_t c = 0; c < s->columns; c += BLOCK) {
      int64_t n = s->columns - c < BLOCK ? s->columns - c : BLOCK;
      add_bag(b, from, to, c, n, s->out.data + (i * s->columns + c) * size);
    }
  }
}

static int check_positions(const cr__launch *k, const bags *b, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    int64_t at = b->index[i], entries = b->s->entries;
    int code = cr__cpu_look(i + 1);
    if (code) return code;
    if (at != 0 && at <= entries && at >= -entries) continue;
    return cr__fail(CR_E_INDEX,
                    "%s: position %lld is out of range for dim 1 of size %lld (positions count "
                    "from 1; negative ones from the end)",
                    k->op, (long long)at, (long long)entries);
  }
  return 0;
}

/* `out` is count x columns, `weight` entries x columns; `index` has the positions of all bags, one after
 * another, `length` for each or, where `starts` tells where each begins (from 1), `length` in all. `factors`,
 * of weight's dtype, multiply the rows at the positions. padding: the number of a row that counts nothing,
 * from 1, or 0. */
int cr__cpu_bag_sums(cr__launch *k) {
  const cr__bag_sums_slots *s = &k->bag_sums;
  bags b = {s, (const int64_t *)(const void *)s->index.data,
            (const int64_t *)(const void *)s->starts.data};
  int64_t positions = b.starts ? s->length : s->count * s->length;
  int code = check_positions(k, &b, positions);
  if (code) return code;
  return cr__cpu_share(s->count, positions * s->columns / 2 + s->count * 16, some_bags, &b);
}
