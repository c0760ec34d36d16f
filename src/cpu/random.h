/* random.h: what the loops that draw (loops_random.c, built per instruction set) and the kernels that
 * store their numbers (random.c) share.
 *
 * Holds true: a loop fills a buffer with the numbers of consecutive elements; every instruction set
 * gives the same bits. */
#ifndef CR__CPU_RANDOM_H
#define CR__CPU_RANDOM_H

#include "cpu.h"

/* Elements per call of a loop: a multiple of four, so that no block of the generator is shared. */
#define CR__DRAW_CHUNK 256

typedef struct cr__draw {
  uint64_t seed, offset; /* offset: of element 0 */
  double a, b, top; /* uniform: from, to, largest value; normal: mean, std; exponential: rate */
  int bits;         /* uniform: of the dtype's significand */
  int64_t low;      /* integers: from low on, `range` of them (0: all of 2^64) */
  uint64_t range;   /* of a toss: a word below it stands for a one */
} cr__draw;

/* Fills buffer with elements first .. first + CR__DRAW_CHUNK - 1; first is a multiple of the chunk. */
typedef void (*cr__draw_loop)(const cr__draw *d, int64_t first, void *buffer);
typedef struct cr__draw_loops {
  cr__draw_loop words_32; /* uint32_t */
  cr__draw_loop words_64; /* uint64_t */
  cr__draw_loop uniform_f32, normal_f32, exponential_f32;
  cr__draw_loop uniform_f64, normal_f64, exponential_f64;
  cr__draw_loop cauchy_f32, geometric_f32, log_normal_f32;
  cr__draw_loop cauchy_f64, geometric_f64, log_normal_f64;
  cr__draw_loop integers;           /* int64_t */
  cr__draw_loop toss_f32, toss_f64; /* a, or 0 */
} cr__draw_loops;

/* Shared by random.c and sample.c: the loops for this processor; i[0] and i[1] of a launch; and the
 * numbers of elements first .. first + n - 1 written to a view of any dtype. */
const cr__draw_loops *cr__draw_loops_here(void);
cr__draw cr__draw_of(cr__rng_place rng);
void cr__store_integers(const cr__view *v, int64_t first, int64_t n, const int64_t *x);

#endif
