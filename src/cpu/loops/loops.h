/* loops.h: the innermost loops, compiled once per level of the instruction set.
 *
 * Holds true: a pointwise loop gets contiguous operands of its compute type and a count that is a
 * multiple of CR__BLOCK (callers pad), so that an element's result never depends on where in a
 * tensor it stands: vector code and scalar code may differ in the last bit. `out` may be the same
 * memory as an input, but not overlap it otherwise. */
#ifndef CR__LOOPS_H
#define CR__LOOPS_H

#include "device/backend.h"

#define CR__BLOCK 16

/* k points to the number parameters, in the compute type. */
typedef void (*cr__loop)(int64_t n, void *out, const void *const *in, const void *k);
/* Converts n contiguous elements, any n. */
typedef void (*cr__converter)(int64_t n, void *out, const void *in);

/* Copies n bytes, a multiple of 64, past the caches to a target aligned to 64. A last call with n = 0
 * makes them visible to other threads. That pays for results of CR__STREAM_FROM bytes and more, which
 * the second-level caches would not keep for the next call: it saves reading the lines first. */
#define CR__LINE 64 /* bytes of a line of the cache */
#define CR__STREAM_FROM (4 << 20)
typedef void (*cr__stream)(void *out, const void *in, size_t n);

/* loops_small.c: a pointwise call of n elements, if they are few and lie one after the other; else
 * false. The loop gives `native`. */
typedef bool (*cr__small)(const cr__elementwise *e, int64_t n, cr__loop loop, int native);
/* And one as cr__few has it; false if there is no loop for it. */
/* out[0..n) = the element; what a vector load may then read at once was stored by vectors as wide. */
typedef void (*cr__splatter)(void *out, const void *element, size_t size, int64_t n);
typedef void (*cr__run_few)(const cr__few *f);

typedef cr__loop cr__loop_table[CR__PW_COUNT + 1][CR_DTYPE_COUNT];
typedef cr__converter cr__convert_table[CR_DTYPE_COUNT][CR_DTYPE_COUNT]; /* [from][to] */

/* Tables of the levels v2, v3, v4 of x86-64, or of `base` elsewhere. Levels leave out what they
 * would not do faster than the one below. */
#define CR__LOOP_TABLES(isa)                                                            \
  extern const cr__loop_table cr__loops_##isa;                                          \
  extern const cr__convert_table cr__converters_##isa;                                  \
  bool cr__small_##isa(const cr__elementwise *e, int64_t n, cr__loop loop, int native); \
  void cr__few_##isa(const cr__few *f);                                                 \
  cr__loop cr__half_loop_##isa(int pointwise, bool bfloat);                             \
  void cr__stream_##isa(void *out, const void *in, size_t n);                           \
  void cr__splat_##isa(void *out, const void *element, size_t size, int64_t n);
#ifdef __x86_64__
CR__LOOP_TABLES(v2)
CR__LOOP_TABLES(v3)
CR__LOOP_TABLES(v4)
#else
CR__LOOP_TABLES(base)
#endif

/* The best loops for this machine; NULL if f has none for the dtype (levels.c). */
cr__loop cr__loop_for(int pointwise, int dtype);
cr__converter cr__converter_for(int from, int to);
/* One whose operands and results are all float16 or all bfloat16; NULL: convert them and take float32's. */
cr__loop cr__half_loop_for(int pointwise, bool bfloat);
cr__small cr__best_small(void);
cr__stream cr__best_stream(void);
cr__splatter cr__best_splat(void);
/* That, if it pays for writing n bytes from `out` on in pieces of `piece` bytes; else NULL. */
cr__stream cr__stream_for(const void *out, int64_t n, int64_t piece);

/* Numbers that are few, by the loops. x[i] = f(x[i]); out[i] = x[i]^y[i], with `number` in the place of x or y
 * where that is NULL. */
void cr__apply_f64(int pointwise, double *x, int64_t n);
void cr__powers_f64(double *out, const double *x, const double *y, double number, int64_t n);

#define CR__PASTE2(a, b) a##b
#define CR__PASTE(a, b) CR__PASTE2(a, b)

#endif
