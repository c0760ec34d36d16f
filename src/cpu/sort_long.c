/* sort_long.c: long lines in order, by all threads.
 *
 * Holds true: what sort.c says. A line is cut into parts; of each digit, the parts count theirs, and then each knows
 * where its elements go: behind those of the parts before it. So the order depends neither on the number of threads
 * nor on that of the parts. What is half done lies in the results where it fits, and the last digit is sorted into
 * them. */
#include "keys.h"
#include "sort.h"

enum { DIGITS = 256, PARTS = 16 };

typedef struct job {
  const cr__long_line *line;
  int64_t n, each; /* elements of a line and of a part */
  int shift;
  bool first;
  void *from, *to; /* keys */
  uint32_t *at, *to_at;
  uint64_t differ[PARTS]; /* the bits in which a part's keys differ from the line's first one */
  uint32_t count[PARTS][DIGITS];
} job;

static int64_t end_of(const job *j, int64_t part) {
  int64_t end = (part + 1) * j->each;
  return end < j->n ? end : j->n;
}

static inline bool go_on(int64_t i) { return i % CR__STRETCH != 0 || !cr__cpu_stopped(); }

/* The element of a key; those that share theirs with others (zeros, NaN) are to be read again. */
static inline float value_f32(uint32_t key, const float *x) {
  float value;
  uint32_t u = key >> 31 ? key ^ 0x80000000u : ~key;
  memcpy(&value, &u, sizeof value);
  return key == 0x80000000u || key == UINT32_MAX ? *x : value;
}
static inline double value_f64(uint64_t key, const double *x) {
  double value;
  uint64_t u = key >> 63 ? key ^ (uint64_t)1 << 63 : ~key;
  memcpy(&value, &u, sizeof value);
  return key == (uint64_t)1 << 63 || key == UINT64_MAX ? *x : value;
}
static inline int32_t value_i32(uint32_t key, const int32_t *x) {
  return (void)x, (int32_t)(key ^ (uint32_t)1 << 31);
}
static inline int64_t value_i64(uint64_t key, const int64_t *x) {
  return (void)x, (int64_t)(key ^ (uint64_t)1 << 63);
}

#define LONG(t, T, K)                                                                        \
  static void take_keys_##t(void *job_, int64_t begin, int64_t end) {                        \
    job *j = job_;                                                                           \
    const T *x = j->line->x;                                                                 \
    K *key = j->from, flip = j->line->descending ? (K) ~(K)0 : 0, first = cr__key_##t(x[0]); \
    for (int64_t part = begin; part < end; part++) {                                         \
      K differ = 0;                                                                          \
      for (int64_t i = part * j->each, stop = end_of(j, part); i < stop; i++) {              \
        K one = cr__key_##t(x[i]);                                                           \
        differ |= one ^ first;                                                               \
        key[i] = one ^ flip;                                                                 \
      }                                                                                      \
      j->differ[part] = differ;                                                              \
    }                                                                                        \
  }                                                                                          \
  static void count_##t(void *job_, int64_t begin, int64_t end) {                            \
    job *j = job_;                                                                           \
    const K *key = j->from;                                                                  \
    for (int64_t part = begin; part < end; part++) {                                         \
      uint32_t even[DIGITS] = {0}, odd[DIGITS] = {0};                                        \
      int64_t i = part * j->each, stop = end_of(j, part);                                    \
      for (; i + 1 < stop; i += 2) {                                                         \
        even[key[i] >> j->shift & (DIGITS - 1)]++;                                           \
        odd[key[i + 1] >> j->shift & (DIGITS - 1)]++;                                        \
      }                                                                                      \
      if (i < stop) even[key[i] >> j->shift & (DIGITS - 1)]++;                               \
      for (int d = 0; d < DIGITS; d++) j->count[part][d] = even[d] + odd[d];                 \
    }                                                                                        \
  }                                                                                          \
  static void move_##t(void *job_, int64_t begin, int64_t end) {                             \
    job *j = job_;                                                                           \
    const K *key = j->from;                                                                  \
    const uint32_t *at = j->at;                                                              \
    K *to = j->to;                                                                           \
    for (int64_t part = begin; part < end; part++) {                                         \
      uint32_t *next = j->count[part];                                                       \
      for (int64_t i = part * j->each, stop = end_of(j, part); i < stop && go_on(i); i++) {  \
        uint32_t place = next[key[i] >> j->shift & (DIGITS - 1)]++;                          \
        to[place] = key[i];                                                                  \
        j->to_at[place] = j->first ? (uint32_t)i : at[i];                                    \
      }                                                                                      \
    }                                                                                        \
  }                                                                                          \
  /* Equal elements stay where they are. */                                                  \
  static void keep_##t(void *job_, int64_t begin, int64_t end) {                             \
    job *j = job_;                                                                           \
    const T *x = j->line->x;                                                                 \
    T *values = j->line->values;                                                             \
    for (int64_t part = begin; part < end; part++) {                                         \
      int64_t first = part * j->each, stop = end_of(j, part);                                \
      for (int64_t i = first; i < stop; i++) j->line->indices[i] = i + 1;                    \
      if (values) memcpy(values + first, x + first, (size_t)(stop - first) * sizeof(T));     \
    }                                                                                        \
  }                                                                                          \
  /* The last time: into the results. */                                                     \
  static void place_##t(void *job_, int64_t begin, int64_t end) {                            \
    job *j = job_;                                                                           \
    const K *key = j->from, flip = j->line->descending ? (K) ~(K)0 : 0;                      \
    const T *x = j->line->x;                                                                 \
    T *values = j->line->values;                                                             \
    for (int64_t part = begin; part < end; part++) {                                         \
      uint32_t *next = j->count[part];                                                       \
      for (int64_t i = part * j->each, stop = end_of(j, part); i < stop && go_on(i); i++) {  \
        uint32_t place = next[key[i] >> j->shift & (DIGITS - 1)]++;                          \
        int64_t at = j->first ? i : (int64_t)j->at[i];                                       \
        j->line->indices[place] = at + 1;                                                    \
        if (values) values[place] = value_##t(key[i] ^ flip, x + at);                        \
      }                                                                                      \
    }                                                                                        \
  }

LONG(f32, float, uint32_t)
LONG(f64, double, uint64_t)
LONG(i64, int64_t, uint64_t)
LONG(i32, int32_t, uint32_t)

typedef void (*task)(void *job, int64_t begin, int64_t end);
typedef struct tasks {
  task take_keys, count, move, keep, place;
} tasks;

static const tasks of_types[] = {
    [CR__COMPUTE_F32] = {take_keys_f32, count_f32, move_f32, keep_f32, place_f32},
    [CR__COMPUTE_F64] = {take_keys_f64, count_f64, move_f64, keep_f64, place_f64},
    [CR__COMPUTE_I64] = {take_keys_i64, count_i64, move_i64, keep_i64, place_i64},
    [CR__SORT_I32] = {take_keys_i32, count_i32, move_i32, keep_i32, place_i32},
};

/* From the counts, where each part's elements of each digit begin. */
static void add_up(job *j, int64_t parts) {
  uint32_t sum = 0;
  for (int d = 0; d < DIGITS; d++)
    for (int64_t part = 0; part < parts; part++) {
      uint32_t count = j->count[part][d];
      j->count[part][d] = sum;
      sum += count;
    }
}

/* The digits in which any two keys differ. */
static int shifts_of(const job *j, int64_t parts, size_t key, int *shifts) {
  uint64_t differ = 0;
  int n = 0;
  for (int64_t part = 0; part < parts; part++) differ |= j->differ[part];
  for (int shift = 0; shift < 8 * (int)key; shift += 8)
    if (differ >> shift & (DIGITS - 1)) shifts[n++] = shift;
  return n;
}

/* `far` and `near` have room for the keys, `far_at` and `near_at` for the positions: the last digit is sorted from the
 * far ones. */
static int sort(job *j, void *far, void *near, uint32_t *far_at, uint32_t *near_at) {
  const tasks *run = &of_types[j->line->type];
  int64_t parts = (j->n + j->each - 1) / j->each, work = j->n * 2;
  int shifts[8], code;
  j->from = near;
  if ((code = cr__cpu_share(parts, work, run->take_keys, j))) return code;
  int n = shifts_of(j, parts, cr__sort_size(j->line->type), shifts);
  if (n == 0) return cr__cpu_share(parts, work, run->keep, j);
  /* An odd number of moves ends where it did not begin; mostly all digits are sorted, an even number. */
  if (n % 2 != 0) {
    j->from = far;
    if ((code = cr__cpu_share(parts, work, run->take_keys, j))) return code;
  }
  for (int i = 0; i < n; i++) {
    bool is_far = j->from == far;
    j->shift = shifts[i], j->first = i == 0;
    j->to = is_far ? near : far;
    j->at = is_far ? far_at : near_at, j->to_at = is_far ? near_at : far_at;
    if ((code = cr__cpu_share(parts, work, run->count, j))) return code;
    add_up(j, parts);
    if ((code = cr__cpu_share(parts, work * 2, i + 1 == n ? run->place : run->move, j)))
      return code;
    j->from = j->to;
  }
  return 0;
}

int cr__sort_long(const cr__long_line *line) {
  size_t n = (size_t)line->n, keys = n * cr__sort_size(line->type);
  size_t places = (n * sizeof(uint32_t) + 7) / 8 * 8,
         nbytes = keys + places + (line->values ? 0 : keys);
  char *room = cr__host_alloc_for(line->op, nbytes);
  if (!room) return (int)cr_error_code();
  job *j = cr__host_alloc_for(line->op, sizeof *j);
  int code = (int)cr_error_code();
  if (j) {
    *j = (job){.line = line, .n = line->n, .each = (line->n + PARTS - 1) / PARTS};
    void *near = line->values ? line->values : room + keys + places;
    code =
        sort(j, room, near, (uint32_t *)(void *)(room + keys), (uint32_t *)(void *)line->indices);
    cr__host_free(j, sizeof *j);
  }
  cr__host_free(room, nbytes);
  return code;
}
