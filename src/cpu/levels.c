/* levels.c: chooses among the loops that were compiled for several instruction sets.
 *
 * Holds true: the choice is made once per process and never changes. It is the best level that the
 * machine has, or the one that CRESSET_ISA names; a name that this machine cannot honour is told of as
 * a warning and changes nothing. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "cpu/loops/loops.h"

#ifdef __x86_64__

static const cr__loop_table *const loop_tables[] = {&cr__loops_v2, &cr__loops_v3, &cr__loops_v4};
static const cr__convert_table *const convert_tables[] = {&cr__converters_v2, &cr__converters_v3,
                                                          &cr__converters_v4};
static const cr__small smalls[] = {cr__small_v2, cr__small_v3, cr__small_v4};
static const cr__run_few fews[] = {cr__few_v2, cr__few_v3, cr__few_v4};
static cr__loop (*const half_loops[])(int, bool) = {cr__half_loop_v2, cr__half_loop_v3,
                                                    cr__half_loop_v4};
static const cr__stream streams[] = {cr__stream_v2, cr__stream_v3, cr__stream_v4};
static const cr__splatter splats[] = {cr__splat_v2, cr__splat_v3, cr__splat_v4};
static const char *const names[] = {"v2", "v3", "v4"};

static int detect(void) {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
      !__builtin_cpu_supports("bmi2"))
    return 0;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512cd") || !__builtin_cpu_supports("avx512dq") ||
      !__builtin_cpu_supports("avx512vl"))
    return 1;
  return 2;
}

#else

static const cr__loop_table *const loop_tables[] = {&cr__loops_base};
static const cr__convert_table *const convert_tables[] = {&cr__converters_base};
static const cr__small smalls[] = {cr__small_base};
static const cr__run_few fews[] = {cr__few_base};
static cr__loop (*const half_loops[])(int, bool) = {cr__half_loop_base};
static const cr__stream streams[] = {cr__stream_base};
static const cr__splatter splats[] = {cr__splat_base};
static const char *const names[] = {"base"};

static int detect(void) { return 0; }

#endif

/* The level that the environment asks for, if it is `best` or one below. */
static int wished(int best) {
  const char *wish = getenv("CRESSET_ISA");
  if (!wish || !*wish) return best;
  for (int i = 0; i <= best; i++)
    if (strcmp(wish, names[i]) == 0) return i;
  cr__warn("CRESSET_ISA is '%s', but this machine has the levels %s to %s; %s is used", wish,
           names[0], names[best], names[best]);
  return best;
}

int cr__cpu_level(void) {
  static atomic_int known = -1;
  int found = atomic_load_explicit(&known, memory_order_relaxed);
  if (CR__LIKELY(found >= 0)) return found;
  found = wished(detect());
  atomic_store_explicit(&known, found, memory_order_relaxed);
  return found;
}

const char *cr_isa_name(void) { return names[cr__cpu_level()]; }

cr__loop cr__loop_for(int pointwise, int dtype) {
  for (int i = cr__cpu_level(); i >= 0; i--) {
    cr__loop loop = (*loop_tables[i])[pointwise][dtype];
    if (loop) return loop;
  }
  return NULL;
}

cr__loop cr__half_loop_for(int pointwise, bool bfloat) {
  return half_loops[cr__cpu_level()](pointwise, bfloat);
}

cr__converter cr__converter_for(int from, int to) {
  for (int i = cr__cpu_level(); i > 0; i--) {
    cr__converter converter = (*convert_tables[i])[from][to];
    if (converter) return converter;
  }
  return (*convert_tables[0])[from][to];
}

cr__small cr__best_small(void) { return smalls[cr__cpu_level()]; }

void cr__cpu_few(const cr__few *f) { fews[cr__cpu_level()](f); }

cr__stream cr__best_stream(void) { return streams[cr__cpu_level()]; }
cr__splatter cr__best_splat(void) { return splats[cr__cpu_level()]; }

cr__stream cr__stream_for(const void *out, int64_t n, int64_t piece) {
  if (n < CR__STREAM_FROM || (uintptr_t)out % CR__LINE != 0 || piece % CR__LINE != 0) return NULL;
  return cr__best_stream();
}

/* A block of x from `at` on, filled up with ones; or a block of the number. */
static void take(double block[CR__BLOCK], const double *x, double number, int64_t at, int64_t n) {
  for (int64_t j = 0; j < CR__BLOCK; j++) block[j] = !x ? number : at + j < n ? x[at + j] : 1;
}

void cr__apply_f64(int pointwise, double *x, int64_t n) {
  cr__loop loop = cr__loop_for(pointwise, CR_FLOAT64);
  for (int64_t at = 0; at < n; at += CR__BLOCK) {
    double block[CR__BLOCK];
    take(block, x, 0, at, n);
    loop(CR__BLOCK, block, (const void *[]){block}, NULL);
    for (int64_t j = 0; j < CR__BLOCK && at + j < n; j++) x[at + j] = block[j];
  }
}

void cr__powers_f64(double *out, const double *x, const double *y, double number, int64_t n) {
  cr__loop loop = cr__loop_for(CR__PW_pow, CR_FLOAT64);
  for (int64_t at = 0; at < n; at += CR__BLOCK) {
    double base[CR__BLOCK], exponent[CR__BLOCK];
    take(base, x, number, at, n);
    take(exponent, y, number, at, n);
    loop(CR__BLOCK, base, (const void *[]){base, exponent}, NULL);
    for (int64_t j = 0; j < CR__BLOCK && at + j < n; j++) out[at + j] = base[j];
  }
}
