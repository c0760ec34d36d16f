/* quantized.c: blocks of quantized numbers, as GGUF files have them, to float32.
 *
 * Holds true: a block is a few small integers with one or two scales in float16, packed without padding and little
 * endian; the numbers come out as llama.cpp's description of its formats defines them (ggml-common.h). */
#include "io.h"

enum { SUPER = 256 }; /* numbers of a block with scales of its parts */

static float half_at(const uint8_t *p) { return cr__half_to_float((uint16_t)(p[0] | p[1] << 8)); }

/* A scale and 32 signed bytes. */
static void q8_0(float *out, const uint8_t *in) {
  float d = half_at(in);
  for (int i = 0; i < 32; i++) out[i] = d * (float)(int8_t)in[2 + i];
}

/* A scale and 32 numbers of 4 bits, those of the second half in the high bits; 8 is 0. */
static void q4_0(float *out, const uint8_t *in) {
  float d = half_at(in);
  for (int i = 0; i < 16; i++) {
    out[i] = d * (float)((in[2 + i] & 15) - 8);
    out[i + 16] = d * (float)((in[2 + i] >> 4) - 8);
  }
}

/* The same with a least value in the place of the 8. */
static void q4_1(float *out, const uint8_t *in) {
  float d = half_at(in), m = half_at(in + 2);
  for (int i = 0; i < 16; i++) {
    out[i] = d * (float)(in[4 + i] & 15) + m;
    out[i + 16] = d * (float)(in[4 + i] >> 4) + m;
  }
}

/* Scale and least value number j of eight, six bits each, in 12 bytes. */
static void part_of(const uint8_t *q, int j, int *scale, int *least) {
  if (j < 4) {
    *scale = q[j] & 63;
    *least = q[j + 4] & 63;
  } else {
    *scale = (q[j + 4] & 15) | (q[j - 4] >> 6) << 4;
    *least = q[j + 4] >> 4 | (q[j] >> 6) << 4;
  }
}

/* Two scales, those of eight parts, and 256 numbers of 4 bits: 32 in the low bits, the next 32 in the high ones. */
static void q4_k(float *out, const uint8_t *in) {
  float d = half_at(in), m = half_at(in + 2);
  const uint8_t *q = in + 16;
  for (int part = 0; part < 8; part++) {
    int scale, least, shift = part % 2 * 4;
    part_of(in + 4, part, &scale, &least);
    for (int i = 0; i < 32; i++)
      out[part * 32 + i] =
          d * (float)scale * (float)(q[part / 2 * 32 + i] >> shift & 15) - m * (float)least;
  }
}

/* 256 numbers of 6 bits, 4 low ones and 2 high ones apart, with signed scales of 16 parts; 32 is 0. */
static void q6_k(float *out, const uint8_t *in) {
  const int8_t *scales = (const int8_t *)in + 192;
  float d = half_at(in + 208);
  for (int i = 0; i < SUPER; i++) {
    int half = i / 128, k = i % 128, row = k / 32, l = k % 32;
    int low = in[half * 64 + (row % 2) * 32 + l] >> row / 2 * 4 & 15;
    int high = in[128 + half * 32 + l] >> row * 2 & 3;
    out[i] = d * (float)scales[half * 8 + row * 2 + l / 16] * (float)((low | high << 4) - 32);
  }
}

static const struct kind {
  const char *name;
  int count; /* numbers of a block */
  size_t size;
  void (*read)(float *out, const uint8_t *in);
} kinds[] = {{"q8_0", 32, 34, q8_0},
             {"q4_0", 32, 18, q4_0},
             {"q4_1", 32, 20, q4_1},
             {"q4_K", SUPER, 144, q4_k},
             {"q6_K", SUPER, 210, q6_k}};

static const struct kind *find(const char *name) {
  cr_quoted quoted;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strcmp(kinds[i].name, name) == 0) return &kinds[i];
  cr__fail(CR_E_ARGUMENT, "dequantize: there is no kind %s; there are q8_0, q4_0, q4_1, q4_K, q6_K",
           cr__quote(name, &quoted));
  return NULL;
}

cr_tensor *cr_dequantize(const char *name, const void *data, size_t nbytes, int ndim,
                         const int64_t *shape) {
  const struct kind *k = find(name);
  int64_t numel;
  if (!k || cr__count("dequantize", ndim, shape, &numel)) return NULL;
  if (numel % k->count != 0 || (size_t)(numel / k->count) > nbytes / k->size) {
    cr__fail(CR_E_SHAPE, "dequantize: %lld numbers of %s are no whole blocks in %zu bytes",
             (long long)numel, name, nbytes);
    return NULL;
  }
  cr_tensor *t = cr_new(CR_FLOAT32, CR_CPU, ndim, shape);
  if (!t) return NULL;
  float *out = cr_data(t);
  const uint8_t *in = data;
  for (int64_t i = 0; i < numel; i += k->count, in += k->size) k->read(out + i, in);
  return t;
}
