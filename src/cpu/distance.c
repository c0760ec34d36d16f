/* distance.c: the distances of every vector of one list from every vector of another, or of all pairs of one list, and
 * what their gradients make for the vectors.
 *
 * Holds true: a distance, and a vector's gradient, are computed by one thread, in one order (scalar/distance.h). */
#include "distance.h"

#include <string.h>

#include "cpu.h"
#include "scalar/distance.h"

#ifdef __x86_64__
extern const cr__distance_loops cr__distance_loops_v2[2], cr__distance_loops_v3[2],
    cr__distance_loops_v4[2];
const cr__distance_loops *cr__distance_loops_here(bool wide) {
  static const cr__distance_loops *const by_level[] = {cr__distance_loops_v2, cr__distance_loops_v3,
                                                       cr__distance_loops_v4};
  return &by_level[cr__cpu_level()][wide];
}
#else
extern const cr__distance_loops cr__distance_loops_base[2];
const cr__distance_loops *cr__distance_loops_here(bool wide) {
  return &cr__distance_loops_base[wide];
}
#endif

enum { STRETCH = 256 }; /* distances between looks whether the host has stopped the call */

typedef struct job {
  const cr__distance_loops *loops;
  int64_t size, rows, columns,
      n; /* bytes of an element; vectors of either list; elements of each */
  double p;
  bool pairs;
  const char *x1, *x2, *grads, *distances;
  char *out;
} job;

static job job_of(const cr__view *x1, const cr__view *x2, double p, bool pairs) {
  bool wide = x1->dtype == CR_FLOAT64;
  return (job){.loops = cr__distance_loops_here(wide),
               .size = wide ? 8 : 4,
               .rows = x1->shape[1],
               .columns = x2->shape[1],
               .n = x1->shape[2],
               .p = p,
               .pairs = pairs,
               .x1 = x1->data,
               .x2 = x2->data};
}

/* The list that row `row` of all is compared with. */
static const char *list_of(const job *j, int64_t row) {
  return j->x2 + row / j->rows * j->columns * j->n * j->size;
}

static void some(void *job_, int64_t begin, int64_t end) {
  const job *j = job_;
  for (int64_t row = begin; row < end; row++) {
    int64_t first = j->pairs ? row + 1 : 0;
    const char *list = list_of(j, row);
    char *to = j->out + (j->pairs ? cr__pair_at(row, first, j->rows) : row * j->columns) * j->size;
    for (int64_t c = first; c < j->columns && !cr__cpu_stopped(); c += STRETCH) {
      int64_t count = j->columns - c < STRETCH ? j->columns - c : STRETCH;
      j->loops->find(to + (c - first) * j->size, j->x1 + row * j->n * j->size,
                     list + c * j->n * j->size, count, j->n, j->p);
    }
  }
}

/* out[b, i, j] is the p-norm of x1[b, i] - x2[b, j]. All are contiguous, of 3 dims, and of one dtype, float32 or
 * float64. Of pairs x1 and x2 are one list, and out has the distances of i < j alone. */
int cr__cpu_cdist(cr__launch *k) {
  const cr__cdist_slots *s = &k->cdist;
  job j = job_of(&s->x1, &s->x2, s->p, s->pairs);
  j.out = s->out.data;
  int64_t lines = s->x1.shape[0] * j.rows, work = lines * j.columns * (j.n / 8 + 2);
  return cr__cpu_share(lines, cr__distance_kind_of(j.p) == CR__DISTANCE_POWERS ? work * 32 : work,
                       some, &j);
}

/* ---- Gradients ---- */

/* Copies what a few columns from c on have for a row; a vector and itself have nothing. */
static void take(const job *j, const char *data, int64_t row, int64_t c, int64_t count, char *to) {
  if (!j->pairs) {
    memcpy(to, data + (row * j->columns + c) * j->size, (size_t)(count * j->size));
    return;
  }
  for (int64_t i = 0; i < count; i++) {
    int64_t column = c + i, at = column < row ? cr__pair_at(column, row, j->rows)
                                              : cr__pair_at(row, column, j->rows);
    if (column == row) memset(to + i * j->size, 0, (size_t)j->size);
    else memcpy(to + i * j->size, data + at * j->size, (size_t)j->size);
  }
}

static void slopes_of(const void *job_, int64_t row, char *room) {
  const job *j = job_;
  _Alignas(8) char grads[CR__DISTANCE_FEW * 8], lengths[CR__DISTANCE_FEW * 8];
  double *sums = (double *)(void *)room;
  char *to = j->out + row * j->n * j->size;
  const char *list = list_of(j, row);
  memset(sums, 0, (size_t)j->n * sizeof *sums);
  for (int64_t c = 0; c < j->columns && !cr__cpu_stopped(); c += CR__DISTANCE_FEW) {
    int64_t count = j->columns - c < CR__DISTANCE_FEW ? j->columns - c : CR__DISTANCE_FEW;
    take(j, j->grads, row, c, count, grads);
    take(j, j->distances, row, c, count, lengths);
    j->loops->slopes(sums, j->x1 + row * j->n * j->size, list + c * j->n * j->size, count, j->n,
                     grads, lengths, j->p);
  }
  for (int64_t i = 0; i < j->n && j->size == 8; i++) ((double *)(void *)to)[i] = sums[i];
  for (int64_t i = 0; i < j->n && j->size == 4; i++) ((float *)(void *)to)[i] = (float)sums[i];
}

/* What gradients of distances make for x1; of pairs, for both vectors of each. Views are as above, out is as x1, grad as
 * distances. */
int cr__cpu_cdist_backward(cr__launch *k) {
  const cr__cdist_backward_slots *s = &k->cdist_backward;
  job j = job_of(&s->x1, &s->x2, s->p, s->pairs);
  j.out = s->out.data, j.grads = s->grad.data, j.distances = s->distances.data;
  int64_t lines = s->x1.shape[0] * j.rows, work = lines * j.columns * (j.n / 4 + 4);
  return cr__cpu_lines(k->op, lines, work, (size_t)j.n * sizeof(double), slopes_of, &j);
}
