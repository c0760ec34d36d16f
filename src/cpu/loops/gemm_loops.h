/* gemm_loops.h: the tiles of gemm.h for one type. loops_gemm.c includes it for each.
 *
 * Given: T, its dtype DTYPE, its vector type V and LANES, ROWS, DEPTH, FMA(a, b, c) = a * b + c on
 * vectors, NAME(x), LOW and HIGH (the lanes of two vectors' interleaved halves), and with MASKED also
 * LOAD_SOME(p, n) and STORE_SOME(p, v, n) for the first n lanes. A tile is ROWS x 2 vectors, so that
 * its accumulators, a pair of b and one of a fill the registers. Tiles of fewer rows or columns have
 * code of their own. */

enum { NAME(COLS) = 2 * LANES, NAME(AHEAD) = 8 }; /* AHEAD: what is asked for before it is read */

#define IS_FULL(w) ((w) == 2) /* kinds of tiles: 2 whole vectors, 1 and a part, a part */
#define VECTORS(w) ((w) ? 2 : 1)

#if MASKED
INLINE V NAME(load_some)(const void *p, int64_t n) { return (V)LOAD_SOME(p, n); }
INLINE void NAME(store_some)(void *p, V v, int64_t n) { STORE_SOME(p, v, n); }
#else
INLINE V NAME(load_some)(const void *p, int64_t n) {
  V v = {0};
  for (int64_t l = 0; l < n; l++) v[l] = ((const T *)p)[l];
  return v;
}
INLINE void NAME(store_some)(void *p, V v, int64_t n) {
  for (int64_t l = 0; l < n; l++) ((T *)p)[l] = v[l];
}
#endif

/* The last vector of a row of b: part of one where that is safe. */
INLINE V NAME(last_of)(const char *p, int kind, int64_t cols) {
  V v;
  if (!MASKED || IS_FULL(kind)) {
    memcpy(&v, p, sizeof v);
    return v;
  }
  return NAME(load_some)(p, cols);
}

INLINE void NAME(tile_of)(const cr__gemm_tile *t, const int rows, const int kind) {
  V sum[ROWS][2];
  const int n = VECTORS(kind);
  const int64_t ar = t->ar, ar3 = 3 * ar, ak = t->ak, bk = t->bk, cr = t->cr, dr = t->dr;
  const int64_t last = t->cols - (n - 1) * LANES;
  /* Four rows to a pointer: the others are reached by addressing modes. */
  const char *a0 = t->a, *a4 = a0 + 4 * ar, *a8 = a4 + 4 * ar, *a12 = a8 + 4 * ar, *b = t->b,
             *d = t->d;
  char *c = t->c;
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = (V){0};
  if (d) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
      __builtin_prefetch(d + r * dr);
      if (n == 2) __builtin_prefetch(d + r * dr + (int)sizeof(V));
    }
  }
  for (int64_t i = t->k; i > 0; i--) {
    __builtin_prefetch(a0 + 2 * NAME(AHEAD) * ak);
    __builtin_prefetch(b + NAME(AHEAD) * bk);
    if (n == 2) __builtin_prefetch(b + NAME(AHEAD) * bk + (int)sizeof(V));
    V b0, b1 = {0};
    if (n == 2) {
      memcpy(&b0, b, sizeof b0);
      b1 = NAME(last_of)(b + sizeof(V), kind, last);
    } else {
      b0 = NAME(last_of)(b, kind, last);
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
      const char *p = r < 4 ? a0 : r < 8 ? a4 : r < 12 ? a8 : a12;
      T one;
      memcpy(&one, p + (r % 4 == 3 ? ar3 : r % 4 * ar), sizeof one);
      V x = one - (V){0}; /* the same element in every lane */
      sum[r][0] = FMA(x, b0, sum[r][0]);
      if (n == 2) sum[r][1] = FMA(x, b1, sum[r][1]);
    }
    a0 += ak, a4 += ak, a8 += ak, a12 += ak;
    b += bk;
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) {
    if (d) {
      V old;
      if (n == 2) {
        memcpy(&old, d, sizeof old);
        sum[r][0] += old;
      }
      if (IS_FULL(kind)) memcpy(&old, d + sizeof(V), sizeof old);
      else old = NAME(load_some)(d + (n - 1) * (int)sizeof(V), last);
      sum[r][n - 1] += old;
      d += dr;
    }
    if (n == 2) memcpy(c, &sum[r][0], sizeof(V));
    if (IS_FULL(kind)) memcpy(c + sizeof(V), &sum[r][1], sizeof(V));
    else NAME(store_some)(c + (n - 1) * (int)sizeof(V), sum[r][n - 1], last);
    c += cr;
  }
}

#define TILE(rows)                                                                         \
  static void NAME(tile_##rows##_0)(const cr__gemm_tile *t) { NAME(tile_of)(t, rows, 0); } \
  static void NAME(tile_##rows##_1)(const cr__gemm_tile *t) { NAME(tile_of)(t, rows, 1); } \
  static void NAME(tile_##rows##_2)(const cr__gemm_tile *t) { NAME(tile_of)(t, rows, 2); }
#define ENTRY(rows) {NAME(tile_##rows##_0), NAME(tile_##rows##_1), NAME(tile_##rows##_2)},
FOR_ROWS(TILE)

static void NAME(tile)(const cr__gemm_tile *t) {
  static void (*const by_size[ROWS][3])(const cr__gemm_tile *) = {FOR_ROWS(ENTRY)};
  by_size[t->rows - 1][t->cols == NAME(COLS) ? 2 : t->cols > LANES](t);
}

/* ---- Packing ---- */

/* Interleaving the halves of a list log2 of its length times turns rows into columns. */
INLINE void NAME(transpose)(V v[LANES]) {
  V w[LANES];
#pragma GCC unroll 4
  for (int step = 1; step < LANES; step *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < LANES / 2; i++) {
      w[2 * i] = __builtin_shufflevector(v[i], v[i + LANES / 2], LOW);
      w[2 * i + 1] = __builtin_shufflevector(v[i], v[i + LANES / 2], HIGH);
    }
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) v[i] = w[i];
  }
}

/* Lines lie along k: squares of them are turned. */
static void NAME(pack_turned)(int64_t count, const T *from, int64_t line, int64_t k, int64_t width,
                              T *to) {
  for (int64_t i0 = 0; i0 < k; i0 += LANES) {
    int64_t n = k - i0 < LANES ? k - i0 : LANES;
    for (int64_t r0 = 0; r0 < count; r0 += LANES) {
      int64_t lines = count - r0 < LANES ? count - r0 : LANES;
      V v[LANES];
      for (int l = 0; l < LANES; l++) {
        const T *p = from + (r0 + l) * line + i0;
        if (l >= lines) v[l] = (V){0};
        else if (n == LANES) memcpy(&v[l], p, sizeof v[l]);
        else v[l] = NAME(load_some)(p, n);
      }
      NAME(transpose)(v);
      for (int64_t l = 0; l < n; l++) NAME(store_some)(to + (i0 + l) * width + r0, v[l], lines);
    }
  }
}

static void NAME(pack_elements)(const cr__gemm_pack *p, const T *from, T *to) {
  if (p->count < p->width) memset(to, 0, (size_t)(p->k * p->width) * sizeof(T));
  if (p->line == 1) {
    for (int64_t i = 0; i < p->k; i++) {
      const T *line = from + i * p->step;
      T *row = to + i * p->width;
      int64_t at = 0, rest;
      for (; (rest = p->count - at) >= LANES; at += LANES) memcpy(row + at, line + at, sizeof(V));
      if (rest > 0) NAME(store_some)(row + at, NAME(load_some)(line + at, rest), rest);
    }
  } else if (p->step == 1) {
    NAME(pack_turned)(p->count, from, p->line, p->k, p->width, to);
  } else {
    for (int64_t i = 0; i < p->k; i++) {
      for (int64_t r = 0; r < p->count; r++) to[i * p->width + r] = from[i * p->step + r * p->line];
    }
  }
}

/* Elements of other dtypes are converted on the way, some of k at a time. */
static void NAME(pack)(const cr__gemm_pack *p, void *panel) {
  enum { PIECE = 64 };
  if (p->dtype == DTYPE) {
    NAME(pack_elements)(p, (const T *)(const void *)p->from, panel);
    return;
  }
  int64_t size = (int64_t)cr__size_of((cr_dtype)p->dtype);
  T piece[PIECE * NAME(COLS)];
  cr__gemm_pack part = *p;
  part.dtype = DTYPE;
  bool along = p->step == 1;
  part.line = along ? PIECE : 1;
  part.step = along ? 1 : p->count;
  for (int64_t at = 0; at < p->k; at += PIECE) {
    part.k = p->k - at < PIECE ? p->k - at : PIECE;
    const char *from = p->from + at * p->step * size;
    for (int64_t r = 0; along && r < p->count; r++)
      cr__convert(piece + r * PIECE, DTYPE, from + r * p->line * size, p->dtype, part.k);
    for (int64_t i = 0; !along && i < part.k; i++)
      cr__read_run(piece + i * p->count, DTYPE, from + i * p->step * size, p->dtype, p->line,
                   p->count);
    NAME(pack_elements)(&part, piece, (T *)panel + at * p->width);
  }
}

#include "few_loops.h"

#undef IS_FULL
#undef VECTORS
#undef TILE
#undef ENTRY
#undef T
#undef DTYPE
#undef V
#undef LANES
#undef LOW
#undef HIGH
#undef FMA
#undef LOAD_SOME
#undef STORE_SOME
#undef NAME
