/* rng.c: the random generator's cr__rng.
 *
 * Holds true: the state is a seed and an offset, per thread. The offset counts blocks of four 32-bit
 * words that have been handed out; what a block holds is a pure function of both (philox.h). A thread
 * that was never seeded draws its seed from the system at first use. */
#include <sys/random.h>
#include <time.h>

#include "core.h"

CR__TLS struct cr__rng cr__rng;

/* Where the system gives no entropy, the clock and the address of the thread's state must do. */
static uint64_t entropy(void) {
  uint64_t seed;
  if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) == (ssize_t)sizeof seed) return seed;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  seed = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
  return seed ^ (uint64_t)(uintptr_t)&cr__rng * 0x9E3779B97F4A7C15u;
}

static void ensure_seeded(void) {
  if (!cr__rng.seeded) cr_manual_seed(entropy());
}

void cr_manual_seed(uint64_t seed) { cr_rng_set(seed, 0); }

void cr_rng_get(uint64_t *seed, uint64_t *offset) {
  ensure_seeded();
  *seed = cr__rng.seed;
  *offset = cr__rng.offset;
}

void cr_rng_set(uint64_t seed, uint64_t offset) {
  cr__rng.seed = seed;
  cr__rng.offset = offset;
  cr__rng.seeded = true;
}

void cr__rng_take(uint64_t blocks, uint64_t *seed, uint64_t *offset) {
  cr_rng_get(seed, offset);
  cr__rng.offset += blocks;
}
