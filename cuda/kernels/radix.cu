/* cuda/kernels/radix.cu: a radix sort, eight bits a pass, from the lowest digit up.
 *
 * Holds true: a pass keeps the order of equal digits: tiles, the warps of a tile and the rounds of a
 * warp take their places one after the other, and the lanes of a round by rank among their equals. */
#include "grid.h"
#include "radix.h"

enum {
  DIGITS = 256,
  WARPS = CR__THREADS / 32,
  ROUNDS = 16,
  CHUNK = 32 * ROUNDS, /* what a warp takes in a row */
  TILE = WARPS * CHUNK
};
static_assert((int)DIGITS == (int)CR__THREADS, "a thread of a block stands for a digit");

/* counts[digit][tile]: how many keys of the tile have the digit. Of a single tile they are the totals. */
static __global__ void count_digits(const uint64_t *key, int64_t n, int shift, uint32_t *counts) {
  __shared__ uint32_t found[DIGITS];
  found[threadIdx.x] = 0;
  __syncthreads();
  int64_t begin = (int64_t)blockIdx.x * TILE, end = begin + TILE < n ? begin + TILE : n;
  for (int64_t at = begin + threadIdx.x; at < end; at += CR__THREADS)
    atomicAdd(&found[key[at] >> shift & (DIGITS - 1)], 1u);
  __syncthreads();
  counts[(int64_t)threadIdx.x * gridDim.x + blockIdx.x] = found[threadIdx.x];
}

/* A block per digit: counts become the sums over the tiles before; totals[digit] that over all. */
static __global__ void sum_digits(uint32_t *counts, int64_t tiles, uint32_t *totals) {
  uint32_t *row = counts + (int64_t)blockIdx.x * tiles, sum = 0, total;
  for (int64_t begin = 0; begin < tiles; begin += CR__THREADS) {
    int64_t at = begin + threadIdx.x;
    uint32_t count = at < tiles ? row[at] : 0;
    uint32_t before = cr__block_scan(count, &total);
    if (at < tiles) row[at] = sum + before;
    sum += total;
  }
  if (threadIdx.x == 0) totals[blockIdx.x] = sum;
}

/* The lanes of the warp that have the same digit (active ones only: digit < 0 is none). */
static __device__ unsigned equals_of(int digit) {
  unsigned equal = __ballot_sync(0xffffffffu, digit >= 0);
  for (int bit = 0; bit < 8; bit++) {
    unsigned set = __ballot_sync(0xffffffffu, digit >> bit & 1);
    equal &= digit >> bit & 1 ? set : ~set;
  }
  return equal;
}

/* No counts: there is a single tile, before which nothing is. */
static __global__ void move_keys(const uint64_t *key, const uint32_t *number, int64_t n, int shift,
                                 const uint32_t *counts, const uint32_t *totals, uint64_t *to_key,
                                 uint32_t *to_number) {
  __shared__ uint32_t next[WARPS][DIGITS]; /* where the warp's next key of the digit goes */
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  int64_t begin = (int64_t)blockIdx.x * TILE + warp * CHUNK;
  for (int w = 0; w < WARPS; w++) next[w][threadIdx.x] = 0;
  __syncthreads();
  for (int r = 0; r < ROUNDS && begin + r * 32 < n; r++) {
    int64_t at = begin + r * 32 + lane;
    if (at < n) atomicAdd(&next[warp][key[at] >> shift & (DIGITS - 1)], 1u);
  }
  uint32_t all, place = cr__block_scan(totals[threadIdx.x], &all);
  if (counts) place += counts[(int64_t)threadIdx.x * gridDim.x + blockIdx.x];
  __syncthreads();
  for (int w = 0; w < WARPS; w++) {
    uint32_t count = next[w][threadIdx.x];
    next[w][threadIdx.x] = place;
    place += count;
  }
  __syncthreads();
  for (int r = 0; r < ROUNDS && begin + r * 32 < n; r++) { /* the same rounds for all of a warp */
    int64_t at = begin + r * 32 + lane;
    int digit = at < n ? (int)(key[at] >> shift & (DIGITS - 1)) : -1;
    unsigned equal = equals_of(digit);
    int rank = __popc(equal & ((1u << lane) - 1));
    uint32_t to = digit >= 0 ? next[warp][digit] + rank : 0;
    __syncwarp();
    if (digit >= 0) {
      to_key[to] = key[at];
      to_number[to] = number[at];
      if (rank == 0) next[warp][digit] += __popc(equal);
    }
    __syncwarp();
  }
}

/* ---- The sort -------------------------------------------------------------------------------- */

/* In the memory: keys, keys, numbers, numbers, counts, totals. */
static int64_t tiles_of(int64_t n) { return (n + TILE - 1) / TILE; }

int cr__radix_begin(cr__radix *s, cr_device device, int64_t n) {
  size_t each = 2 * (sizeof(uint64_t) + sizeof(uint32_t));
  s->ordinal = cr__ordinal_of(device);
  s->n = n;
  s->nbytes = (size_t)n * each + (size_t)(tiles_of(n) + 1) * DIGITS * sizeof(uint32_t);
  s->memory = cr__cuda_alloc(s->ordinal, s->nbytes);
  if (!s->memory) return CR_E_MEMORY;
  s->key = (uint64_t *)s->memory;
  s->number = (uint32_t *)(s->key + 2 * n);
  return 0;
}

int cr__radix_run(cr__radix *s, const char *op, int bits) {
  int64_t n = s->n, tiles = tiles_of(n);
  uint64_t *keys = (uint64_t *)s->memory;
  uint32_t *numbers = (uint32_t *)(keys + 2 * n), *counts = numbers + 2 * n;
  uint32_t *totals = counts + tiles * DIGITS;
  bool single = tiles == 1;
  int code = 0;
  for (int shift = 0; shift < bits && !code; shift += 8) {
    uint64_t *to_key = s->key == keys ? keys + n : keys;
    uint32_t *to_number = s->number == numbers ? numbers + n : numbers;
    dim3 blocks((unsigned)tiles);
    code = CR__LAUNCH(op, count_digits, blocks, CR__THREADS, 0, s->key, n, shift,
                      single ? totals : counts);
    if (!code && !single)
      code = CR__LAUNCH(op, sum_digits, DIGITS, CR__THREADS, 0, counts, tiles, totals);
    if (!code)
      code = CR__LAUNCH(op, move_keys, blocks, CR__THREADS, 0, s->key, s->number, n, shift,
                        single ? NULL : counts, totals, to_key, to_number);
    s->key = to_key;
    s->number = to_number;
  }
  return code;
}

void cr__radix_end(cr__radix *s) { cr__cuda_free(s->ordinal, s->memory, s->nbytes); }
