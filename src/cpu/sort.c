/* sort.c: lines along a dim in order, with the positions that their elements came from.
 *
 * Holds true: the order is stable in both directions, NaN is larger than any number, and -0 is equal to
 * 0. What is sorted are keys, unsigned numbers in the order of the elements (for a descending order
 * their complements), by their digits from the lowest up: in linear time whatever the order. Each line
 * is worked on by one thread; long ones by all (sort_long.c). */
#include <string.h>

#include "convert.h"
#include "keys.h"
#include "reduce.h"
#include "sort.h"

enum { FEW = 48, DIGITS = 256 };

/* sort_: sorts n keys with their positions, which are left in one of two places: returns which.
 * `differ` has the bits in which any two keys differ; digits without any are passed over. */
#define SORT(t, T, K)                                                                             \
  CR__SELECT(t, K)                                                                                \
  static void insert_##t(K *key, uint32_t *at, int64_t n) {                                       \
    for (int64_t i = 1; i < n; i++) {                                                             \
      K one = key[i];                                                                             \
      uint32_t from = at[i];                                                                      \
      int64_t j = i;                                                                              \
      for (; j > 0 && key[j - 1] > one; j--) key[j] = key[j - 1], at[j] = at[j - 1];              \
      key[j] = one, at[j] = from;                                                                 \
    }                                                                                             \
  }                                                                                               \
  static void count_##t(const K *key, int64_t n, int shift, uint32_t *next) {                     \
    uint32_t odd[DIGITS] = {0}, sum = 0;                                                          \
    CR__STRETCHES(b, n) {                                                                         \
      int64_t end = n - b < CR__STRETCH ? n : b + CR__STRETCH, i = b;                             \
      for (; i + 1 < end; i += 2)                                                                 \
        next[key[i] >> shift & (DIGITS - 1)]++, odd[key[i + 1] >> shift & (DIGITS - 1)]++;        \
      if (i < end) next[key[i] >> shift & (DIGITS - 1)]++;                                        \
    }                                                                                             \
    for (int i = 0; i < DIGITS; i++) {                                                            \
      uint32_t count = next[i] + odd[i];                                                          \
      next[i] = sum;                                                                              \
      sum += count;                                                                               \
    }                                                                                             \
  }                                                                                               \
  static const uint32_t *sort_##t(K *key, K *to, uint32_t *at, uint32_t *to_at, int64_t n,        \
                                  K differ) {                                                     \
    if (n <= FEW) differ = 0, insert_##t(key, at, n);                                             \
    for (int shift = 0; shift < 8 * (int)sizeof(K); shift += 8) {                                 \
      if ((differ >> shift & (DIGITS - 1)) == 0) continue;                                        \
      uint32_t next[DIGITS] = {0};                                                                \
      count_##t(key, n, shift, next);                                                             \
      CR__STRETCHES(b, n) {                                                                       \
        CR__EACH_OF(i, b, n) {                                                                    \
          uint32_t place = next[key[i] >> shift & (DIGITS - 1)]++;                                \
          to[place] = key[i];                                                                     \
          to_at[place] = at[i];                                                                   \
        }                                                                                         \
      }                                                                                           \
      if (cr__cpu_stopped()) break;                                                               \
      K *key_there = to;                                                                          \
      uint32_t *there = to_at;                                                                    \
      to = key, key = key_there;                                                                  \
      to_at = at, at = there;                                                                     \
    }                                                                                             \
    return at;                                                                                    \
  }                                                                                               \
  /* Keeps the `kept` smallest of n keys, of equal ones the first, in the order they stand in. */ \
  static void choose_##t(K *key, K *room, uint32_t *at, int64_t n, int64_t kept, K differ) {      \
    CR__STRETCHES(b, n) { CR__EACH_OF(i, b, n) room[i] = key[i]; }                                \
    if (cr__cpu_stopped()) return;                                                                \
    K last = cr__select_##t(room, n, kept - 1, differ);                                           \
    int64_t m = 0, equal = kept;                                                                  \
    if (cr__cpu_stopped()) return;                                                                \
    CR__STRETCHES(b, n) { CR__EACH_OF(i, b, n) equal -= key[i] < last; }                          \
    CR__STRETCHES(b, n) {                                                                         \
      CR__EACH_OF(i, b, n) {                                                                      \
        if (m == kept || key[i] > last || (key[i] == last && equal-- <= 0)) continue;             \
        at[m] = (uint32_t)i;                                                                      \
        key[m++] = key[i];                                                                        \
      }                                                                                           \
    }                                                                                             \
  }                                                                                               \
  const uint32_t *cr__order_##t(const void *from, void *room, int64_t n, int64_t kept,            \
                                bool descending) {                                                \
    const T *x = from;                                                                            \
    K *key = room, flip = descending ? (K) ~(K)0 : 0, differ = 0, first = cr__key_##t(x[0]);      \
    uint32_t *at = (uint32_t *)(void *)(key + 2 * n);                                             \
    CR__STRETCHES(b, n) {                                                                         \
      CR__EACH_OF(i, b, n) {                                                                      \
        K one = cr__key_##t(x[i]);                                                                \
        differ |= one ^ first;                                                                    \
        key[i] = one ^ flip;                                                                      \
      }                                                                                           \
    }                                                                                             \
    if (cr__cpu_stopped()) return at;                                                             \
    if (kept < n / 2) choose_##t(key, key + n, at, n, kept, differ);                              \
    else {                                                                                        \
      CR__STRETCHES(b, n) { CR__EACH_OF(i, b, n) at[i] = (uint32_t)i; }                           \
    }                                                                                             \
    if (cr__cpu_stopped()) return at;                                                             \
    return sort_##t(key, key + n, at, at + n, kept < n / 2 ? kept : n, differ);                   \
  }

SORT(f32, float, uint32_t)
SORT(f64, double, uint64_t)
SORT(i64, int64_t, uint64_t)

typedef struct job {
  const cr__view *values, *indices, *in; /* values: NULL where only positions are asked for */
  cr__fold_plan plan;
  int compute;
  bool descending;
  int64_t n, kept, step; /* elements of a line, in and out; their step there */
} job;

static size_t room_of(const job *j) {
  size_t each = cr__compute_size(j->compute);
  return (size_t)j->n * (3 * each + 2 * sizeof(uint32_t));
}

/* Puts n elements of `size` bytes in order: to[i * step] = from[at[i] * from_step]. */
static void gather(char *to, int64_t step, const char *from, int64_t from_step, const uint32_t *at,
                   int64_t n, size_t size) {
#define GATHER(U)      \
  CR__STRETCHES(b, n)  \
  CR__EACH_OF(i, b, n) \
  ((U *)(void *)to)[i * step] = ((const U *)(const void *)from)[at[i] * from_step]
  switch (size) {
  case 1: GATHER(uint8_t); break;
  case 2: GATHER(uint16_t); break;
  case 4: GATHER(uint32_t); break;
  default: GATHER(uint64_t); break;
  }
#undef GATHER
}

static void run_row(const void *job_, int64_t row, char *room) {
  const job *j = job_;
  const cr__fold_plan *p = &j->plan;
  size_t size = cr__size_of((cr_dtype)j->in->dtype);
  int64_t step = p->reduced_in[0];
  const char *from =
      j->in->data + cr__offset_at(p->nkept, p->kept, p->kept_in, row) * (int64_t)size;
  int64_t to = cr__offset_at(p->nkept, p->kept, p->kept_out, row);
  const void *x = from;
  if (j->in->dtype != cr__compute_dtype(j->compute) || step != 1) {
    char *copy = room + room_of(j) - (size_t)j->n * cr__compute_size(j->compute);
    cr__read_looking(copy, cr__compute_dtype(j->compute), from, j->in->dtype, step, j->n);
    x = copy;
  }
  const uint32_t *at =
      j->compute == CR__COMPUTE_F32   ? cr__order_f32(x, room, j->n, j->kept, j->descending)
      : j->compute == CR__COMPUTE_F64 ? cr__order_f64(x, room, j->n, j->kept, j->descending)
                                      : cr__order_i64(x, room, j->n, j->kept, j->descending);
  if (cr__cpu_stopped()) return;
  int64_t *indices = (int64_t *)(void *)j->indices->data + to;
  CR__STRETCHES(b, j->kept)
  CR__EACH_OF(i, b, j->kept) indices[i * j->step] = (int64_t)at[i] + 1;
  if (j->values)
    gather(j->values->data + to * (int64_t)size, j->step, from, step, at, j->kept, size);
}

/* Whether lines are long, whole, and lie as sort_long.c needs them. */
static bool is_long(const job *j) {
  const cr__fold_plan *p = &j->plan;
  return j->n >= CR__LONG_LINE && j->kept == j->n && p->reduced_in[0] == 1 && j->step == 1 &&
         j->in->dtype == cr__compute_dtype(j->compute);
}

static int run_long(const job *j, const char *op) {
  const cr__fold_plan *p = &j->plan;
  int64_t size = (int64_t)cr__size_of((cr_dtype)j->in->dtype);
  int code = 0;
  for (int64_t row = 0; row < p->kept_count && !code; row++) {
    int64_t from = cr__offset_at(p->nkept, p->kept, p->kept_in, row);
    int64_t to = cr__offset_at(p->nkept, p->kept, p->kept_out, row);
    cr__long_line line = {.op = op,
                          .x = j->in->data + from * size,
                          .values = j->values ? j->values->data + to * size : NULL,
                          .indices = (int64_t *)(void *)j->indices->data + to,
                          .n = j->n,
                          .compute = j->compute,
                          .descending = j->descending};
    code = cr__sort_long(&line);
  }
  return code;
}

/* values (absent where only positions are asked for) and the int64 positions `indices` have one geometry. dim,
 * from 0, in which the results may have fewer elements than the input, the first ones; descending: the
 * largest come first. */
int cr__cpu_sort(cr__launch *k) {
  const cr__view *in = &k->sort.in, *indices = &k->sort.indices;
  int d = (int)k->sort.dim;
  job j = {.values = k->sort.values.data ? &k->sort.values : NULL,
           .indices = indices,
           .in = in,
           .compute = cr__compute_of(in->dtype),
           .descending = k->sort.descending,
           .n = in->shape[d],
           .kept = indices->shape[d],
           .step = indices->stride[d]};
  cr__plan_reduction(&j.plan, indices, in, (uint32_t)1 << d);
  if (j.kept == 0 || j.plan.kept_count == 0) return 0;
  if (j.n > UINT32_MAX)
    return cr__fail(CR_E_ARGUMENT, "%s: sorts up to %lld elements, not %lld", k->op,
                    (long long)UINT32_MAX, (long long)j.n);
  if (is_long(&j)) return run_long(&j, k->op);
  return cr__cpu_lines(k->op, j.plan.kept_count, j.plan.kept_count * j.n * 8, room_of(&j), run_row,
                       &j);
}
