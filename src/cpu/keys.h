/* keys.h: elements as unsigned numbers of the same order.
 *
 * Holds true: equal elements have one key, -0 and 0 as well; NaN has the largest. */
#ifndef CR__KEYS_H
#define CR__KEYS_H

#include <stdint.h>
#include <string.h>

#include "cpu.h"

static inline uint32_t cr__key_f32(float x) {
  uint32_t u;
  x += 0.0f; /* -0 becomes 0 */
  memcpy(&u, &x, sizeof u);
  return x != x ? UINT32_MAX : u ^ ((uint32_t) - (int32_t)(u >> 31) | 0x80000000u);
}
static inline uint64_t cr__key_f64(double x) {
  uint64_t u;
  x += 0.0;
  memcpy(&u, &x, sizeof u);
  return x != x ? UINT64_MAX : u ^ ((uint64_t) - (int64_t)(u >> 63) | (uint64_t)1 << 63);
}
static inline uint32_t cr__key_i32(int32_t x) { return (uint32_t)x ^ (uint32_t)1 << 31; }
static inline uint64_t cr__key_i64(int64_t x) { return (uint64_t)x ^ (uint64_t)1 << 63; }

/* cr__select_<type>: the k-th smallest (from 0) of n keys, which are reordered, by their digits from
 * the highest down. `differ` has the bits in which any two keys differ. */
enum { CR__FEW_KEYS = 24 };
#define CR__SELECT(t, K)                                                                         \
  static inline K cr__select_##t(K *x, int64_t n, int64_t k, K differ) {                         \
    int shift = 8 * ((int)sizeof(K) - 1);                                                        \
    while (shift > 0 && differ >> shift == 0) shift -= 8;                                        \
    for (; n > CR__FEW_KEYS && shift >= 0; shift -= 8) {                                         \
      int64_t even[256] = {0}, odd[256] = {0}, m = 0;                                            \
      CR__STRETCHES(b, n) {                                                                      \
        int64_t end = n - b < CR__STRETCH ? n : b + CR__STRETCH, i = b;                          \
        for (; i + 1 < end; i += 2) even[x[i] >> shift & 255]++, odd[x[i + 1] >> shift & 255]++; \
        if (i < end) even[x[i] >> shift & 255]++;                                                \
      }                                                                                          \
      if (cr__cpu_stopped()) return x[0];                                                        \
      K digit = 0;                                                                               \
      for (; k >= even[digit] + odd[digit]; digit++) k -= even[digit] + odd[digit];              \
      CR__STRETCHES(b, n) {                                                                      \
        CR__EACH_OF(i, b, n) {                                                                   \
          K one = x[i];                                                                          \
          x[m] = one;                                                                            \
          m += (one >> shift & 255) == digit;                                                    \
        }                                                                                        \
      }                                                                                          \
      if (cr__cpu_stopped()) return x[0];                                                        \
      n = m;                                                                                     \
    }                                                                                            \
    if (n > CR__FEW_KEYS) return x[0]; /* no digit is left: all are equal */                     \
    for (int64_t i = 1; i < n; i++) {                                                            \
      K one = x[i];                                                                              \
      int64_t j = i;                                                                             \
      for (; j > 0 && x[j - 1] > one; j--) x[j] = x[j - 1];                                      \
      x[j] = one;                                                                                \
    }                                                                                            \
    return x[k];                                                                                 \
  }

#endif
