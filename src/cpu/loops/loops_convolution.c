/* loops_convolution.c: the innermost loops of convolutions; compiled once per instruction set.
 *
 * Holds true: a place outside of the source counts as zero, and is not read. */
#include <string.h>

#include "cpu/convolution.h"
#include "fma.h"
#include "loops.h"

#define INLINE static inline __attribute__((always_inline))

/* Neighbours among the results, from the place `to` of a line on: their first place in the source, without taps. */
typedef struct run {
  int64_t to, n, at[CR__CONV_DIMS];
} run;

/* Cuts results into runs along the last dim. */
static int runs_of(const cr__conv_lines *l, run *runs) {
  const cr__conv_axis *a = l->axes;
  int64_t q[CR__CONV_DIMS], at = l->first;
  int count = 0;
  q[2] = at % a[2].count, at /= a[2].count;
  q[1] = at % a[1].count, q[0] = at / a[1].count;
  for (int64_t done = 0; done < l->n;) {
    int64_t n = a[2].count - q[2];
    if (n > l->n - done) n = l->n - done;
    run *r = &runs[count++];
    r->to = done, r->n = n;
    for (int d = 0; d < CR__CONV_DIMS; d++) r->at[d] = q[d] * a[d].step + a[d].offset;
    done += n;
    q[2] = 0;
    if (++q[1] == a[1].count) q[1] = 0, q[0]++;
  }
  return count;
}

/* Those i of n that lie in a source of `size`: at + i * step. */
INLINE void inside(int64_t at, int64_t step, int64_t size, int64_t n, int64_t *low, int64_t *high) {
  int64_t first = at < 0 ? step == 1 ? -at : (-at + step - 1) / step : 0;
  int64_t end = at >= size ? 0 : step == 1 ? size - at : (size - at + step - 1) / step;
  *low = first < n ? first : n;
  *high = end < *low ? *low : end < n ? end : n;
}

#define COPY(T)                                                                                   \
  INLINE void copy_##T(T *to, const T *from, int64_t at, int64_t step, int64_t size, int64_t n) { \
    int64_t low, high;                                                                            \
    inside(at, step, size, n, &low, &high);                                                       \
    for (int64_t i = 0; i < low; i++) to[i] = 0;                                                  \
    if (step == 1)                                                                                \
      for (int64_t i = low; i < high; i++) to[i] = from[at + i];                                  \
    else                                                                                          \
      for (int64_t i = low; i < high; i++) to[i] = from[at + i * step];                           \
    for (int64_t i = high; i < n; i++) to[i] = 0;                                                 \
  }

COPY(uint64_t)
#ifdef __AVX512F__
INLINE void put_zeros(uint32_t *to, int64_t n) {
  for (int64_t i = 0; i < n; i += 16)
    _mm512_mask_storeu_epi32(to + i, (__mmask16)(n - i < 16 ? (1u << (n - i)) - 1 : 0xffff),
                             _mm512_setzero_si512());
}

/* A vector at a time: places outside are masked. */
INLINE void copy_uint32_t(uint32_t *to, const uint32_t *from, int64_t at, int64_t step,
                          int64_t size, int64_t n) {
  enum { LANES = 16, NEAR = 1 << 26 };
  int64_t low, high;
  inside(at, step, size, n, &low, &high);
  if (step == 1 && high - low >= LANES) { /* whole vectors, of which the last one may overlap */
    put_zeros(to, low);
    for (int64_t i = low; i < high; i += LANES) {
      int64_t k = i < high - LANES ? i : high - LANES;
      _mm512_storeu_si512(to + k, _mm512_loadu_si512(from + at + k));
    }
    put_zeros(to + high, n - high);
    return;
  }
  __m512i index = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  if (step != 1 && step < NEAR) index = _mm512_mullo_epi32(index, _mm512_set1_epi32((int)step));
  for (int64_t i = 0; i < n; i += LANES) {
    uint32_t all = n - i < LANES ? (1u << (n - i)) - 1 : 0xffff;
    int64_t l = low - i, h = high - i;
    uint32_t until = h <= 0 ? 0 : h < LANES ? (1u << h) - 1 : 0xffff;
    uint32_t before = l <= 0 ? 0 : l < LANES ? (1u << l) - 1 : 0xffff;
    __mmask16 there = (__mmask16)(until & ~before & all);
    const uint32_t *p = from + at + i * step;
    __m512i v;
    if (step == 1) {
      v = _mm512_maskz_loadu_epi32(there, p);
    } else if (step < NEAR) {
      v = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), there, index, p, 4);
    } else {
      uint32_t x[LANES] = {0};
      for (int k = 0; k < LANES; k++)
        if (there >> k & 1) x[k] = p[k * step];
      memcpy(&v, x, sizeof v);
    }
    _mm512_mask_storeu_epi32(to + i, (__mmask16)all, v);
  }
}
#else
COPY(uint32_t)
#endif

/* The taps of a line, and the next one's. */
typedef struct place {
  int64_t channel, t[CR__CONV_DIMS];
} place;

static place place_of(const cr__conv_axis *a, int64_t line) {
  place p;
  p.t[2] = line % a[2].taps, line /= a[2].taps;
  p.t[1] = line % a[1].taps, line /= a[1].taps;
  p.t[0] = line % a[0].taps, p.channel = line / a[0].taps;
  return p;
}

INLINE void go_on(const cr__conv_axis *a, place *p) {
  if (++p->t[2] < a[2].taps) return;
  p->t[2] = 0;
  if (++p->t[1] < a[1].taps) return;
  p->t[1] = 0;
  if (++p->t[0] < a[0].taps) return;
  p->t[0] = 0, p->channel++;
}

#define GATHER(T, bytes)                                                               \
  static void gather##bytes(const cr__conv_lines *l, void *to_) {                      \
    const cr__conv_axis *a = l->axes;                                                  \
    run runs[CR__CONV_WIDTH];                                                          \
    int count = runs_of(l, runs);                                                      \
    place p = place_of(a, l->line);                                                    \
    const T *from = (const T *)(const void *)l->from;                                  \
    int64_t rows = a[1].size, columns = a[2].size, step = a[2].step;                   \
    for (int64_t i = 0; i < l->lines; i++, go_on(a, &p)) {                             \
      T *to = (T *)to_ + i * l->pitch;                                                 \
      int64_t by[CR__CONV_DIMS];                                                       \
      for (int d = 0; d < CR__CONV_DIMS; d++) by[d] = p.t[d] * a[d].tap_offset;        \
      const T *channel = from + p.channel * a[0].size * rows * columns;                \
      for (int k = 0; k < count; k++) {                                                \
        const run *r = &runs[k];                                                       \
        int64_t depth = r->at[0] + by[0], row = r->at[1] + by[1];                      \
        bool there = depth >= 0 && depth < a[0].size && row >= 0 && row < rows;        \
        const T *line = there ? channel + (depth * rows + row) * columns : channel;    \
        copy_##T(to + r->to, line, r->at[2] + by[2], step, there ? columns : 0, r->n); \
      }                                                                                \
    }                                                                                  \
  }
GATHER(uint32_t, 4)
GATHER(uint64_t, 8)

/* ---- Channel by channel ------------------------------------------------------------------------ */

/* The places of one rest, which begin at `low`; returns where the next ones are to lie. */
#define ARRANGE(T, bytes)                                                                         \
  INLINE T *places_##bytes(const cr__conv_plane *p, const int64_t low[3], const T *from, T *to) { \
    const cr__conv_axis *a = p->axes;                                                             \
    for (int64_t j0 = 0, depth = low[0]; j0 < p->size[0]; j0++, depth += a[0].step) {             \
      bool inside0 = depth >= 0 && depth < a[0].size;                                             \
      for (int64_t j1 = 0, row = low[1]; j1 < p->size[1]; j1++, row += a[1].step) {               \
        bool there = inside0 && row >= 0 && row < a[1].size;                                      \
        const T *line = there ? from + (depth * a[1].size + row) * a[2].size : from;              \
        copy_##T(to, line, low[2], a[2].step, there ? a[2].size : 0, p->size[2]);                 \
        to += p->size[2];                                                                         \
      }                                                                                           \
    }                                                                                             \
    return to;                                                                                    \
  }                                                                                               \
  static void arrange##bytes(const cr__conv_plane *p, const void *from, void *to) {               \
    const int64_t *n = p->rests, *low = p->low;                                                   \
    for (int64_t r0 = 0; r0 < n[0]; r0++)                                                         \
      for (int64_t r1 = 0; r1 < n[1]; r1++)                                                       \
        for (int64_t r2 = 0; r2 < n[2]; r2++)                                                     \
          to = places_##bytes(p, (int64_t[]){low[0] + r0, low[1] + r1, low[2] + r2},              \
                              (const T *)from, (T *)to);                                          \
  }
ARRANGE(uint32_t, 4)
ARRANGE(uint64_t, 8)

#if BYTES == 64
#define SOME(n) ((1u << (n)) - 1)
#define LOAD_F32(p, from, to) ((f32s)_mm512_maskz_loadu_ps((__mmask16)(SOME(to) & ~SOME(from)), p))
#define LOAD_F64(p, from, to) ((f64s)_mm512_maskz_loadu_pd((__mmask8)(SOME(to) & ~SOME(from)), p))
#define STORE_F32(p, v, n) _mm512_mask_storeu_ps(p, (__mmask16)SOME(n), (__m512)(v))
#define STORE_F64(p, v, n) _mm512_mask_storeu_pd(p, (__mmask8)SOME(n), (__m512d)(v))
#else
#define LOAD_F32(p, from, to) load_f32(p, from, to)
#define LOAD_F64(p, from, to) load_f64(p, from, to)
#define STORE_F32(p, v, n) memcpy(p, &(v), (size_t)(n) * sizeof(float))
#define STORE_F64(p, v, n) memcpy(p, &(v), (size_t)(n) * sizeof(double))
#endif

#if BYTES != 64
INLINE f32s load_f32(const float *p, int64_t from, int64_t to) {
  f32s v = {0};
  if (to > from) memcpy((float *)&v + from, p + from, (size_t)(to - from) * sizeof *p);
  return v;
}
INLINE f64s load_f64(const double *p, int64_t from, int64_t to) {
  f64s v = {0};
  if (to > from) memcpy((double *)&v + from, p + from, (size_t)(to - from) * sizeof *p);
  return v;
}
#endif

#define T float
#define V f32s
#define FMA FMA_F32
#define LOAD LOAD_F32
#define STORE STORE_F32
#define NAME(x) x##_f32
#include "depthwise_loops.h"

#define T double
#define V f64s
#define FMA FMA_F64
#define LOAD LOAD_F64
#define STORE STORE_F64
#define NAME(x) x##_f64
#include "depthwise_loops.h"

extern const cr__conv_loops CR__PASTE(cr__conv_loops_, CR__ISA);
const cr__conv_loops CR__PASTE(cr__conv_loops_,
                               CR__ISA) = {gather4,       gather8,       arrange4,
                                           arrange8,      taps_f32,      taps_f64,
                                           dots_f32,      dots_f64,      near_taps_f32,
                                           near_taps_f64, near_dots_f32, near_dots_f64};
