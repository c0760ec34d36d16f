/* loops_random.c: buffers full of random numbers; compiled once per instruction set.
 *
 * Holds true: element i takes word i % 4 of block i / 4 (32-bit draws), or half i % 2 of block i / 2
 * (64-bit draws); normal numbers come in pairs from the two words of elements 2j and 2j + 1. */
#include "cpu/random.h"
#include "scalar/philox.h"

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define N CR__DRAW_CHUNK

/* The generator's blocks from `block` on: their words in order. Lanes first, so that it vectorizes. */
static void fill_blocks(uint64_t seed, uint64_t block, int nblock, uint32_t *words) {
  enum { LANES = 16 };
  for (int at = 0; at < nblock; at += LANES) {
    uint32_t lane[4][LANES];
    for (int i = 0; i < LANES; i++) {
      uint32_t w[4];
      cr__philox(seed, block + (uint64_t)(at + i), w);
      lane[0][i] = w[0], lane[1][i] = w[1], lane[2][i] = w[2], lane[3][i] = w[3];
    }
    for (int i = 0; i < LANES; i++) {
      for (int j = 0; j < 4; j++) words[4 * (at + i) + j] = lane[j][i];
    }
  }
}

static void words_32(const cr__draw *d, int64_t first, void *buffer) {
  fill_blocks(d->seed, d->offset + (uint64_t)first / 4, N / 4, buffer);
}

static void words_64(const cr__draw *d, int64_t first, void *buffer) {
  uint32_t words[2 * N];
  uint64_t *out = buffer;
  fill_blocks(d->seed, d->offset + (uint64_t)first / 2, N / 2, words);
  for (int i = 0; i < N; i++) out[i] = cr__rng_pair(words[2 * i], words[2 * i + 1]);
}

static void uniform_f32(const cr__draw *d, int64_t first, void *buffer) {
  uint32_t words[N];
  float *out = buffer, from = (float)d->a, span = (float)(d->b - d->a), top = (float)d->top;
  int bits = d->bits;
  words_32(d, first, words);
  for (int i = 0; i < N; i++) {
    float x = cr__rng_unit_f32(words[i], bits) * span + from;
    out[i] = x > top ? top : x;
  }
}

static void uniform_f64(const cr__draw *d, int64_t first, void *buffer) {
  uint64_t words[N];
  double *out = buffer, from = d->a, span = d->b - d->a, top = d->top;
  words_64(d, first, words);
  for (int i = 0; i < N; i++) {
    double x = cr__rng_unit_f64(words[i]) * span + from;
    out[i] = x > top ? top : x;
  }
}

static void normal_f32(const cr__draw *d, int64_t first, void *buffer) {
  uint32_t words[N];
  float *out = buffer, mean = (float)d->a, std = (float)d->b;
  words_32(d, first, words);
  for (int i = 0; i < N / 2; i++) {
    float a, b;
    cr__rng_normal_f32(words[2 * i], words[2 * i + 1], &a, &b);
    out[2 * i] = a * std + mean;
    out[2 * i + 1] = b * std + mean;
  }
}

static void normal_f64(const cr__draw *d, int64_t first, void *buffer) {
  uint64_t words[N];
  double *out = buffer, mean = d->a, std = d->b;
  words_64(d, first, words);
  for (int i = 0; i < N / 2; i++) {
    double a, b;
    cr__rng_normal_f64(words[2 * i], words[2 * i + 1], &a, &b);
    out[2 * i] = a * std + mean;
    out[2 * i + 1] = b * std + mean;
  }
}

static void exponential_f32(const cr__draw *d, int64_t first, void *buffer) {
  uint32_t words[N];
  float *out = buffer, rate = (float)d->a;
  words_32(d, first, words);
  for (int i = 0; i < N; i++) out[i] = -cr__rng_log_f32(cr__rng_open_f32(words[i])) / rate;
}

static void exponential_f64(const cr__draw *d, int64_t first, void *buffer) {
  uint64_t words[N];
  double *out = buffer, rate = d->a;
  words_64(d, first, words);
  for (int i = 0; i < N; i++) out[i] = -cr__rng_log_f64(cr__rng_open_f64(words[i])) / rate;
}

static void cauchy_f32(const cr__draw *d, int64_t first, void *buffer) {
  uint32_t words[N];
  float *out = buffer, median = (float)d->a, sigma = (float)d->b;
  words_32(d, first, words);
  for (int i = 0; i < N; i++) out[i] = cr__rng_tangent_f32(words[i]) * sigma + median;
}

static void cauchy_f64(const cr__draw *d, int64_t first, void *buffer) {
  uint64_t words[N];
  double *out = buffer, median = d->a, sigma = d->b;
  words_64(d, first, words);
  for (int i = 0; i < N; i++) out[i] = cr__rng_tangent_f64(words[i]) * sigma + median;
}

/* a: log(1 - p), below 0. */
static void geometric_f32(const cr__draw *d, int64_t first, void *buffer) {
  uint32_t words[N];
  float *out = buffer, scale = (float)d->a;
  words_32(d, first, words);
  for (int i = 0; i < N; i++) out[i] = ceilf(cr__rng_log_f32(cr__rng_open_f32(words[i])) / scale);
}

static void geometric_f64(const cr__draw *d, int64_t first, void *buffer) {
  uint64_t words[N];
  double *out = buffer, scale = d->a, top = d->top;
  words_64(d, first, words);
  for (int i = 0; i < N; i++) {
    double x = ceil(cr__rng_log_f64(cr__rng_open_f64(words[i])) / scale);
    out[i] = x > top ? top : x;
  }
}

static void log_normal_f32(const cr__draw *d, int64_t first, void *buffer) {
  float *out = buffer;
  normal_f32(d, first, buffer);
  for (int i = 0; i < N; i++) out[i] = cr__rng_exp_f32(out[i]);
}

static void log_normal_f64(const cr__draw *d, int64_t first, void *buffer) {
  double *out = buffer;
  normal_f64(d, first, buffer);
  for (int i = 0; i < N; i++) out[i] = cr__rng_exp_f64(out[i]);
}

static void integers(const cr__draw *d, int64_t first, void *buffer) {
  uint64_t *out = buffer, range = d->range, low = (uint64_t)d->low;
  words_64(d, first, buffer);
  if (!range) return;
  for (int i = 0; i < N; i++) out[i] = low + cr__rng_below(out[i], range);
}

static void toss_f32(const cr__draw *d, int64_t first, void *buffer) {
  uint32_t words[N], most = (uint32_t)(d->range - 1);
  float *out = buffer, one = d->range ? (float)d->a : 0;
  words_32(d, first, words);
  for (int i = 0; i < N; i++) out[i] = words[i] <= most ? one : 0;
}

static void toss_f64(const cr__draw *d, int64_t first, void *buffer) {
  uint32_t words[N], most = (uint32_t)(d->range - 1);
  double *out = buffer, one = d->range ? d->a : 0;
  words_32(d, first, words);
  for (int i = 0; i < N; i++) out[i] = words[i] <= most ? one : 0;
}

extern const cr__draw_loops JOIN(cr__draw_loops, CR__ISA);
const cr__draw_loops JOIN(cr__draw_loops, CR__ISA) = {
    words_32,      words_64,        uniform_f32, normal_f32,    exponential_f32, uniform_f64,
    normal_f64,    exponential_f64, cauchy_f32,  geometric_f32, log_normal_f32,  cauchy_f64,
    geometric_f64, log_normal_f64,  integers,    toss_f32,      toss_f64,
};
