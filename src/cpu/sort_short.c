/* sort_short.c: lines of few elements in order, many side by side.
 *
 * Holds true: what sort.c says. The exchanges are those of Batcher's merge exchange, which sorts whatever the
 * elements are; where only the first few of the order are kept, those that these do not depend on are left out.
 * What is exchanged stays in the first-level cache. */
#include "sort_short.h"

#include <string.h>

#include "convert.h"
#include "reduce_short.h"
#include "transpose.h"

/* Of 8 bytes longer lines are quicker by digits. */
enum {
  MOST = 256,
  MOST_WIDE = 128,
  FEWEST = CR__SIDE / 2,
  UNIT = MOST * CR__SIDE,
  EXCHANGES = 3840
};

#ifdef __x86_64__
extern const cr__sort_loops cr__sort_loops_v2, cr__sort_loops_v3, cr__sort_loops_v4;
const cr__sort_loops *cr__sort_loops_here(void) {
  static const cr__sort_loops *const by_level[] = {&cr__sort_loops_v2, &cr__sort_loops_v3,
                                                   &cr__sort_loops_v4};
  return by_level[cr__cpu_level()];
}
#else
extern const cr__sort_loops cr__sort_loops_base;
const cr__sort_loops *cr__sort_loops_here(void) { return &cr__sort_loops_base; }
#endif

typedef struct job {
  const cr__sort_lines *lines;
  const cr__sort_loops *loops;
  int64_t width, tiles; /* lines of a unit; units along the innermost kept dim */
  int64_t count;
  cr__exchange exchanges[EXCHANGES];
} job;

/* Of n elements (Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M). */
static int64_t merge_exchange(cr__exchange *e, int64_t n) {
  int64_t top = 1, count = 0;
  while (2 * top < n) top *= 2;
  for (int64_t p = top; p > 0 && n > 1; p /= 2)
    for (int64_t q = top, r = 0, d = p;; d = q - p, q /= 2, r = p) {
      for (int64_t i = 0; i + d < n; i++)
        if ((i & p) == r) e[count++] = (cr__exchange){(uint8_t)i, (uint8_t)(i + d)};
      if (q == p) break;
    }
  return count;
}

/* Leaves out, from the last one back, those that the first `kept` elements do not depend on. */
static int64_t leave_out(cr__exchange *e, int64_t count, int64_t kept) {
  bool wanted[MOST] = {false};
  int64_t left = count;
  for (int64_t i = 0; i < kept; i++) wanted[i] = true;
  for (int64_t i = count; i-- > 0;) {
    if (!wanted[e[i].a] && !wanted[e[i].b]) continue;
    wanted[e[i].a] = wanted[e[i].b] = true;
    e[--left] = e[i];
  }
  memmove(e, e + left, (size_t)(count - left) * sizeof *e);
  return count - left;
}

/* The elements of w lines as n rows of w. */
static void load(const cr__sort_lines *l, void *to, const char *from, int64_t w) {
  const cr__fold_plan *p = &l->plan;
  int type = cr__sort_dtype(l->type), dtype = l->in->dtype;
  int64_t step = p->reduced_in[0], across = p->kept_in[p->nkept - 1];
  int64_t size = (int64_t)cr__size_of((cr_dtype)dtype), row = w * (int64_t)cr__sort_size(l->type);
  if (step == 1 && l->n > 1 && across != 1) {
    cr__short_columns(to, type, from, dtype, l->n, across, w);
    return;
  }
  for (int64_t r = 0; r < l->n; r++)
    cr__read_run((char *)to + r * row, type, from + r * step * size, dtype, across, w);
}

/* The positions, from 1, of w lines: `kept` rows, of `side` each. */
static void put_indices(const cr__sort_lines *l, int64_t *to, int64_t across, const int64_t *at,
                        int64_t side, int64_t w) {
  if (l->step == 1) {
    cr__transpose((char *)to, across, (const char *)at, side, sizeof *at, w, l->kept);
    return;
  }
  for (int64_t r = 0; r < l->kept; r++)
    cr__write_run(to + r * l->step, CR_INT64, across, at + r * side, CR_INT64, w);
}

/* The elements that stand there. */
static void put_values(const cr__sort_lines *l, char *to, int64_t across, const char *from,
                       const int64_t *at, int64_t side, int64_t w) {
  int64_t from_step = l->plan.reduced_in[0], from_across = l->plan.kept_in[l->plan.nkept - 1];
  bool lines = l->step == 1;
  int64_t outer = lines ? w : l->kept, inner = lines ? l->kept : w;
#define PUT(U)                                                                                   \
  for (int64_t o = 0; o < outer; o++)                                                            \
    for (int64_t i = 0; i < inner; i++) {                                                        \
      int64_t c = lines ? o : i, r = lines ? i : o;                                              \
      ((U *)(void *)to)[c * across + r * l->step] =                                              \
          ((const U *)(const void *)from)[c * from_across + (at[r * side + c] - 1) * from_step]; \
    }                                                                                            \
  break
  switch (cr__size_of((cr_dtype)l->in->dtype)) {
  case 1: PUT(uint8_t);
  case 2: PUT(uint16_t);
  case 4: PUT(uint32_t);
  default: PUT(uint64_t);
  }
#undef PUT
}

/* Whether all lines are in order already: mostly the first rows tell that they are not. */
static bool in_order(const uint64_t *key, int64_t n, int64_t side) {
  for (int64_t r = 1; r < n; r++) {
    int falls = 0;
    for (int64_t i = r * side; i < (r + 1) * side; i++) falls |= key[i - side] > key[i];
    if (falls) return false;
  }
  return true;
}

static void sort_unit(const job *j, int64_t index) {
  _Alignas(64) char x[UNIT * 8];
  _Alignas(64) uint64_t key[UNIT], places[UNIT];
  const cr__sort_lines *l = j->lines;
  const cr__fold_plan *p = &l->plan;
  int last = p->nkept - 1;
  int64_t first = index % j->tiles * j->width, outer = index / j->tiles;
  int64_t w = p->kept[last] - first < j->width ? p->kept[last] - first : j->width;
  int64_t side = (w + CR__SIDE - 1) / CR__SIDE * CR__SIDE, across = p->kept_out[last];
  int64_t from = first * p->kept_in[last] + cr__offset_at(last, p->kept, p->kept_in, outer);
  int64_t to = first * across + cr__offset_at(last, p->kept, p->kept_out, outer);
  const char *elements = cr__element(l->in, from);
  load(l, x, elements, w);
  bool packed = j->loops->pack[l->type](key, places, x, l->n, w, side, l->descending);
  if (packed && in_order(key, l->n, side)) {
    /* nothing to exchange */
  } else if (packed) j->loops->exchange(key, j->exchanges, j->count, side);
  else j->loops->exchange_places(key, places, j->exchanges, j->count, side);
  int64_t *at = (int64_t *)places;
  for (int64_t i = 0; i < l->kept * side; i++)
    at[i] = (int64_t)(packed ? key[i] & ((1 << CR__PLACE_BITS) - 1) : places[i]) + 1;
  put_indices(l, (int64_t *)(void *)l->indices->data + to, across, at, side, w);
  if (l->values) put_values(l, cr__element(l->values, to), across, elements, at, side, w);
}

static void sort_units(void *context, int64_t begin, int64_t end) {
  for (int64_t u = begin; u < end && !cr__cpu_stopped(); u++) sort_unit(context, u);
}

bool cr__sorts_short(const cr__sort_lines *l) {
  int64_t most = cr__sort_size(l->type) == 8 ? MOST_WIDE : MOST;
  return l->n <= most && l->plan.kept[l->plan.nkept - 1] >= FEWEST;
}

int cr__sort_short(const cr__sort_lines *l) {
  const cr__fold_plan *p = &l->plan;
  int64_t inner = p->kept[p->nkept - 1];
  job j = {.lines = l, .loops = cr__sort_loops_here(), .width = cr__short_width(l->n, 8)};
  j.count = leave_out(j.exchanges, merge_exchange(j.exchanges, l->n), l->kept);
  j.tiles = (inner + j.width - 1) / j.width;
  return cr__cpu_share(p->kept_count / inner * j.tiles, p->kept_count * l->n * 4, sort_units, &j);
}
