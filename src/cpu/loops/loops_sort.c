/* loops_sort.c: short lines put in order side by side; compiled once per instruction set.
 *
 * Holds true: what is exchanged are unsigned keys with the positions of their elements below them, so that no two of
 * a line are equal and the order is stable. Keys whose range leaves no room for positions have them in an array
 * of their own, and are compared with them. */
#include "cpu/keys.h"
#include "cpu/sort_short.h"
#include "loops.h"

/* ---- Keys ---- */

/* Of 4 bytes: the position has the lower half of a word. */
#define PACK_NARROW(t, T)                                                                       \
  static bool pack_##t(uint64_t *key, uint64_t *places, const void *from, int64_t n, int64_t w, \
                       int64_t side, bool descending) {                                         \
    const T *x = from;                                                                          \
    const uint32_t flip = descending ? UINT32_MAX : 0;                                          \
    (void)places;                                                                               \
    for (int64_t r = 0; r < n; r++) {                                                           \
      uint64_t *to = key + r * side;                                                            \
      for (int64_t c = 0; c < w; c++)                                                           \
        to[c] = (uint64_t)(cr__key_##t(x[r * w + c]) ^ flip) << 32 | (uint64_t)r;               \
      for (int64_t c = w; c < side; c++) to[c] = (uint64_t)r;                                   \
    }                                                                                           \
    return true;                                                                                \
  }

/* Of 8 bytes: measured from the smallest one, so that most leave room. */
#define PACK_WIDE(t, T)                                                                         \
  static bool pack_##t(uint64_t *key, uint64_t *places, const void *from, int64_t n, int64_t w, \
                       int64_t side, bool descending) {                                         \
    const T *x = from;                                                                          \
    const uint64_t flip = descending ? UINT64_MAX : 0;                                          \
    uint64_t least = UINT64_MAX, most = 0;                                                      \
    for (int64_t i = 0; i < n * w; i++) {                                                       \
      uint64_t one = cr__key_##t(x[i]) ^ flip;                                                  \
      least = one < least ? one : least;                                                        \
      most = one > most ? one : most;                                                           \
    }                                                                                           \
    bool fits = (most - least) >> (64 - CR__PLACE_BITS) == 0;                                   \
    const int shift = fits ? CR__PLACE_BITS : 0;                                                \
    for (int64_t r = 0; r < n; r++) {                                                           \
      uint64_t *to = key + r * side, low = fits ? (uint64_t)r : 0;                              \
      for (int64_t c = 0; c < w; c++)                                                           \
        to[c] = ((cr__key_##t(x[r * w + c]) ^ flip) - least) << shift | low;                    \
      for (int64_t c = w; c < side; c++) to[c] = low;                                           \
      for (int64_t c = 0; c < side && !fits; c++) places[r * side + c] = (uint64_t)r;           \
    }                                                                                           \
    return fits;                                                                                \
  }

PACK_NARROW(f32, float)
PACK_NARROW(i32, int32_t)
PACK_WIDE(f64, double)
PACK_WIDE(i64, int64_t)

/* ---- Exchanges ---- */

static void exchange(uint64_t *restrict key, const cr__exchange *e, int64_t count, int64_t side) {
  for (int64_t i = 0; i < count; i++)
    for (int64_t c = 0; c < side; c += CR__SIDE) {
      uint64_t *a = key + e[i].a * side + c, *b = key + e[i].b * side + c;
#pragma omp simd
      for (int j = 0; j < CR__SIDE; j++) {
        uint64_t x = a[j], y = b[j];
        a[j] = x < y ? x : y;
        b[j] = x < y ? y : x;
      }
    }
}

static void exchange_places(uint64_t *key, uint64_t *places, const cr__exchange *e, int64_t count,
                            int64_t side) {
  for (int64_t i = 0; i < count; i++)
    for (int64_t c = 0; c < side; c += CR__SIDE) {
      uint64_t *a = key + e[i].a * side + c, *b = key + e[i].b * side + c;
      uint64_t *place_a = places + e[i].a * side + c, *place_b = places + e[i].b * side + c;
#pragma omp simd
      for (int j = 0; j < CR__SIDE; j++) {
        uint64_t x = a[j], y = b[j], u = place_a[j], v = place_b[j];
        bool stay = (x < y) | ((x == y) & (u < v));
        a[j] = stay ? x : y, b[j] = stay ? y : x;
        place_a[j] = stay ? u : v, place_b[j] = stay ? v : u;
      }
    }
}

/* ---- The first few ---- */

/* They are kept in order while the line is looked through, GROUP elements at a time, of which mostly none comes
 * before the last of them. */
enum { GROUP = 32 };
#define LEAD(t, T, K)                                                                              \
  static void lead_##t(uint32_t *at, const void *from, int64_t n, int64_t kept, bool descending) { \
    const T *x = from;                                                                             \
    const K flip = descending ? (K) ~(K)0 : 0;                                                     \
    K best[CR__LEADERS], key[GROUP], last = 0;                                                     \
    int64_t m = 0;                                                                                 \
    for (int64_t b = 0, w; b < n; b += w) {                                                        \
      int any = m < kept;                                                                          \
      w = n - b < GROUP ? n - b : GROUP;                                                           \
      if (w == GROUP) {                                                                            \
        for (int j = 0; j < GROUP; j++) key[j] = cr__key_##t(x[b + j]) ^ flip;                     \
        for (int j = 0; j < GROUP; j++) any |= key[j] < last;                                      \
      } else {                                                                                     \
        for (int64_t j = 0; j < w; j++) key[j] = cr__key_##t(x[b + j]) ^ flip;                     \
        any = 1;                                                                                   \
      }                                                                                            \
      for (int64_t i = 0; i < w && any; i++) {                                                     \
        K one = key[i];                                                                            \
        if (m == kept && one >= last) continue;                                                    \
        int64_t j = m < kept ? m++ : kept - 1;                                                     \
        for (; j > 0 && best[j - 1] > one; j--) best[j] = best[j - 1], at[j] = at[j - 1];          \
        best[j] = one, at[j] = (uint32_t)(b + i);                                                  \
        last = best[m - 1];                                                                        \
      }                                                                                            \
      if (b % CR__STRETCH == 0 && cr__cpu_stopped()) return;                                       \
    }                                                                                              \
  }

LEAD(f32, float, uint32_t)
LEAD(f64, double, uint64_t)
LEAD(i64, int64_t, uint64_t)
LEAD(i32, int32_t, uint32_t)

extern const cr__sort_loops CR__PASTE(cr__sort_loops_, CR__ISA);
const cr__sort_loops CR__PASTE(cr__sort_loops_, CR__ISA) = {
    .pack = {pack_f32, pack_f64, pack_i64, pack_i32},
    .exchange = exchange,
    .exchange_places = exchange_places,
    .lead = {lead_f32, lead_f64, lead_i64, lead_i32},
};
