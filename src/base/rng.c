/* rng.c: the random generator.
 *
 * Holds true: it is a seed and an offset, which belong to the present state. The offset counts blocks of four 32-bit
 * words that have been handed out; what a block holds is a pure function of both (philox.h). One
 * that was never seeded draws its seed from the system at first use. */
#include <sys/random.h>
#include <time.h>

#include "state.h"

/* Where the system gives no entropy, the clock and the address of the generator must do. */
static uint64_t entropy(const struct cr__rng *g) {
  uint64_t seed;
  if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) == (ssize_t)sizeof seed) return seed;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  seed = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
  return seed ^ (uint64_t)(uintptr_t)g * 0x9E3779B97F4A7C15u;
}

static struct cr__rng *generator(void) {
  struct cr__rng *g = &cr__my_state()->rng;
  if (!g->seeded) cr_manual_seed(entropy(g));
  return g;
}

void cr_manual_seed(uint64_t seed) { cr_rng_set(seed, 0); }

void cr_rng_get(uint64_t *seed, uint64_t *offset) {
  const struct cr__rng *g = generator();
  *seed = g->seed;
  *offset = g->offset;
}

void cr_rng_set(uint64_t seed, uint64_t offset) {
  cr__my_state()->rng = (struct cr__rng){seed, offset, true};
}

void cr__rng_take(uint64_t blocks, uint64_t *seed, uint64_t *offset) {
  struct cr__rng *g = generator();
  *seed = g->seed;
  *offset = g->offset;
  g->offset += blocks;
}
