/* grid_sample.c: images and volumes seen at the places of a grid, and what is added where it was seen.
 *
 * Holds true: what a stretch of places sees is found once for some channels. A place's sum is taken in the order of
 * its elements; what is added to one element comes in the order of the places, by one thread. */
#include "grid_sample.h"

#include <string.h>

/* places; elements that one sees, at most; channels, at least */
enum { STRETCH = CR__GRID_STRETCH, MOST = 16, TOGETHER = 4 };

#ifdef __x86_64__
extern const cr__grid_loops cr__grid_loops_v2[], cr__grid_loops_v3[], cr__grid_loops_v4[];
const cr__grid_loops *cr__grid_loops_here(bool wide) {
  static const cr__grid_loops *const by_level[] = {cr__grid_loops_v2, cr__grid_loops_v3,
                                                   cr__grid_loops_v4};
  return &by_level[cr__cpu_level()][wide];
}
#else
extern const cr__grid_loops cr__grid_loops_base[];
const cr__grid_loops *cr__grid_loops_here(bool wide) { return &cr__grid_loops_base[wide]; }
#endif

/* The slots of both kernels are alike. */
_Static_assert(sizeof(cr__grid_see_slots) == sizeof(cr__grid_put_slots), "the slots differ");
typedef struct looking {
  const cr__launch *k;
  const cr__grid_see_slots *s;
  const cr__grid_loops *loops;
  cr__grid_ways ways;
  int64_t plane, blocks; /* blocks: stretches of places, or groups of channels */
  int64_t together;      /* channels of a group */
} looking;

/* clang-format off */
#define SEEN(T, S)                                                                                  \
  /* What a stretch of places sees: the first `count` of `each` elements. */                        \
  typedef struct seen_##S {                                                                         \
    int64_t each, element[MOST][STRETCH];                                                           \
    T weight[MOST][STRETCH], count[STRETCH], sum[STRETCH];                                          \
  } seen_##S;                                                                                       \
  static void look_##S(const looking *l, seen_##S *to, const T *grid, int64_t n) {                  \
    to->each = l->loops->look(&l->ways, to->element[0], to->weight[0], to->count, grid, n);         \
  }                                                                                                 \
  /* A stretch of places, of all channels. */                                                       \
  static void see_##S(const void *job, int64_t piece, char *room) {                                 \
    const looking *l = job;                                                                         \
    seen_##S *seen = (seen_##S *)(void *)room;                                                      \
    int64_t batch = piece / l->blocks, first = piece % l->blocks * STRETCH;                         \
    int64_t points = l->s->points, n = points - first < STRETCH ? points - first : STRETCH;         \
    const T *grid = (const T *)(const void *)l->s->grid.data;                                       \
    look_##S(l, seen, grid + (batch * points + first) * l->s->dims, n);                             \
    for (int64_t c = 0; c < l->s->channels; c++) {                                                  \
      int64_t plane = batch * l->s->channels + c;                                                   \
      const T *x = (const T *)(const void *)l->s->from.data + plane * l->plane;                     \
      T *to = (T *)(void *)l->s->out.data + plane * points + first;                                 \
      l->loops->see(n == STRETCH ? to : seen->sum, x, seen->element[0], seen->weight[0], seen->count,     \
              seen->each);                                                                          \
      if (n < STRETCH) memcpy(to, seen->sum, (size_t)n * sizeof(T));                                \
    }                                                                                               \
  }                                                                                                 \
  /* All places, of some channels. */                                                               \
  static void put_##S(const void *job, int64_t piece, char *room) {                                 \
    const looking *l = job;                                                                         \
    seen_##S *seen = (seen_##S *)(void *)room;                                                      \
    int64_t batch = piece / l->blocks, begin = piece % l->blocks * l->together;                        \
    int64_t last = begin + l->together, end = last < l->s->channels ? last : l->s->channels;            \
    int64_t points = l->s->points, plane = batch * l->s->channels;                                  \
    const T *grid = (const T *)(const void *)l->s->grid.data + batch * points * l->s->dims;         \
    T *out = (T *)(void *)l->s->out.data + plane * l->plane;                                        \
    const T *from = (const T *)(const void *)l->s->from.data + plane * points;                      \
    memset(out + begin * l->plane, 0, (size_t)((end - begin) * l->plane) * sizeof(T));              \
    for (int64_t first = 0; first < points && !cr__cpu_stopped(); first += STRETCH) {               \
      int64_t n = points - first < STRETCH ? points - first : STRETCH;                              \
      look_##S(l, seen, grid + first * l->s->dims, n);                                              \
      for (int64_t c = begin; c < end; c++) {                                                       \
        const T *x = from + c * points + first;                                                     \
        T *to = out + c * l->plane;                                                                 \
        for (int64_t i = 0; i < n; i++)                                                             \
          for (int64_t k = 0; k < (int64_t)seen->count[i]; k++)                                     \
            to[seen->element[k][i]] += x[i] * seen->weight[k][i];                                   \
      }                                                                                             \
    }                                                                                               \
  }
/* clang-format on */
SEEN(float, f32)
SEEN(double, f64)

static looking looking_of(const cr__launch *k) {
  looking l = {.k = k, .s = &k->grid_see};
  int64_t along = l.s->mode == CR__GRID_NEAREST ? 1 : l.s->mode == CR__GRID_LINEAR ? 2 : 4;
  int64_t most = along * along * (l.s->dims == 3 ? along : 1);
  for (int d = 0; d < 3; d++) {
    l.ways.size[d] = l.s->size[d];
    l.ways.way[d] =
        (cr__grid_way){l.s->size[2 - d], (cr__grid_mode)l.s->mode, (cr__grid_padding)l.s->padding,
                       l.s->align_corners, l.s->order[d]};
  }
  l.ways.dims = l.s->dims, l.ways.most = most < MOST ? most : MOST;
  l.plane = l.s->size[0] * l.s->size[1] * l.s->size[2];
  l.loops = cr__grid_loops_here(l.s->out.dtype == CR_FLOAT64);
  return l;
}

/* `from`: batch x channels planes of size[0] x size[1] x size[2]; `grid`: batch x points x dims coordinates, that of
 * the last dim first; `out`: batch x channels x points elements. All are contiguous, of one dtype, float32 or float64.
 * mode, padding, order: as in scalar/grid_taps.h, order by coordinate. */
int cr__cpu_grid_see(cr__launch *k) {
  looking l = looking_of(k);
  l.blocks = (l.s->points + STRETCH - 1) / STRETCH;
  bool wide = l.s->out.dtype == CR_FLOAT64;
  return cr__cpu_lines(k->op, l.s->batch * l.blocks,
                       l.s->batch * l.s->points * (l.s->channels + 8) * 4,
                       wide ? sizeof(seen_f64) : sizeof(seen_f32), wide ? see_f64 : see_f32, &l);
}

/* The slots as for grid_see, with `out` and `from` in each other's place. */
int cr__cpu_grid_put(cr__launch *k) {
  looking l = looking_of(k);
  /* A group looks at all places: as many groups as give each thread some. */
  int64_t work = l.s->batch * l.s->points * (l.s->channels + 8) * 4;
  int64_t planes = l.s->batch * l.s->channels, groups = 4 * (int64_t)cr__cpu_threads(work);
  l.together = planes / groups > TOGETHER ? planes / groups : TOGETHER;
  l.blocks = (l.s->channels + l.together - 1) / l.together;
  bool wide = l.s->out.dtype == CR_FLOAT64;
  return cr__cpu_lines(k->op, l.s->batch * l.blocks,
                       l.s->batch * l.s->points * (l.s->channels + 8) * 4,
                       wide ? sizeof(seen_f64) : sizeof(seen_f32), wide ? put_f64 : put_f32, &l);
}
