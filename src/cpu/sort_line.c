/* sort_line.c: one line in order, by one thread.
 *
 * Holds true: what is sorted are keys, unsigned numbers in the order of the elements (for a descending order
 * their complements), measured from the smallest one, by their digits from the lowest up: in linear time
 * whatever the order. Of long keys the highest digits come first, which mostly tell all apart; what they leave
 * is few moves, or else all digits are sorted after all. A line that is in order, in either direction, is only
 * looked at. */
#include <string.h>

#include "keys.h"
#include "sort_short.h"

/* HIGH digits tell apart what lines of less than HIGH_LINE elements hold */
enum { FEW = 48, DIGITS = 256, HIGH = 3, HIGH_LINE = 1 << 13 };
enum {
  TYPE_f32 = CR__COMPUTE_F32,
  TYPE_f64 = CR__COMPUTE_F64,
  TYPE_i64 = CR__COMPUTE_I64,
  TYPE_i32 = CR__SORT_I32
};

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
  /* The same for keys that are almost in order: whether few moves were enough. */                \
  static bool mend_##t(K *key, uint32_t *at, int64_t n) {                                         \
    int64_t moves = 4 * n;                                                                        \
    for (int64_t i = 1; i < n && moves >= 0; i++) {                                               \
      if (key[i - 1] <= key[i]) continue;                                                         \
      K one = key[i];                                                                             \
      uint32_t from = at[i];                                                                      \
      int64_t j = i;                                                                              \
      for (; j > 0 && key[j - 1] > one; j--) key[j] = key[j - 1], at[j] = at[j - 1];              \
      key[j] = one, at[j] = from;                                                                 \
      moves -= i - j;                                                                             \
    }                                                                                             \
    return moves >= 0;                                                                            \
  }                                                                                               \
  static const uint32_t *digits_##t(K *key, K *to, uint32_t *at, uint32_t *to_at, int64_t n,      \
                                    K differ) {                                                   \
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
  static const uint32_t *sort_##t(K *key, K *to, uint32_t *at, uint32_t *to_at, int64_t n,        \
                                  K differ) {                                                     \
    int top = 8 * (int)sizeof(K);                                                                 \
    if (n <= FEW) {                                                                               \
      insert_##t(key, at, n);                                                                     \
      return at;                                                                                  \
    }                                                                                             \
    while (top > 8 && differ >> (top - 8) == 0) top -= 8;                                         \
    if (top / 8 <= HIGH + 1 || n >= HIGH_LINE) return digits_##t(key, to, at, to_at, n, differ);  \
    const K high = differ >> (top - 8 * HIGH) << (top - 8 * HIGH);                                \
    const uint32_t *by_high = digits_##t(key, to, at, to_at, n, high);                            \
    if (by_high == at) {                                                                          \
      if (mend_##t(key, at, n)) return at;                                                        \
      return digits_##t(key, to, at, to_at, n, differ);                                           \
    }                                                                                             \
    if (mend_##t(to, to_at, n)) return to_at;                                                     \
    return digits_##t(to, key, to_at, at, n, differ);                                             \
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
  /* Whether the keys do not fall, or always do: +1, -1; else 0. */                               \
  static int direction_##t(const K *key, int64_t n) {                                             \
    bool falls = n > 1 && key[0] > key[1];                                                        \
    CR__STRETCHES(b, n) {                                                                         \
      CR__EACH_OF(i, b, n) {                                                                      \
        if (i > 0 && (key[i - 1] > key[i]) != falls) return 0;                                    \
      }                                                                                           \
    }                                                                                             \
    return falls ? -1 : 1;                                                                        \
  }                                                                                               \
  const uint32_t *cr__order_##t(const void *from, void *room, int64_t n, int64_t kept,            \
                                bool descending) {                                                \
    const T *x = from;                                                                            \
    K *key = room, flip = descending ? (K) ~(K)0 : 0, differ = 0, least = (K) ~(K)0;              \
    uint32_t *at = (uint32_t *)(void *)(key + 2 * n);                                             \
    if (kept <= CR__LEADERS && kept <= n / 4) {                                                   \
      cr__sort_loops_here()->lead[TYPE_##t](at, x, n, kept, descending);                          \
      return at;                                                                                  \
    }                                                                                             \
    CR__STRETCHES(b, n) {                                                                         \
      CR__EACH_OF(i, b, n) {                                                                      \
        K one = cr__key_##t(x[i]) ^ flip;                                                         \
        least = one < least ? one : least;                                                        \
        key[i] = one;                                                                             \
      }                                                                                           \
    }                                                                                             \
    if (cr__cpu_stopped()) return at;                                                             \
    int direction = direction_##t(key, n);                                                        \
    if (direction) {                                                                              \
      for (int64_t i = 0; i < kept; i++) at[i] = (uint32_t)(direction > 0 ? i : n - 1 - i);       \
      return at;                                                                                  \
    }                                                                                             \
    CR__STRETCHES(b, n) {                                                                         \
      CR__EACH_OF(i, b, n) {                                                                      \
        key[i] -= least;                                                                          \
        differ |= key[i];                                                                         \
      }                                                                                           \
    }                                                                                             \
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
SORT(i32, int32_t, uint32_t)
