/* stream.h: stores that go past the caches, for the files that are compiled once per instruction set.
 *
 * Holds true: as for cr__stream (loops.h), of which these are the inner part. */
#ifndef CR__CPU_STREAM_H
#define CR__CPU_STREAM_H

#ifdef __x86_64__
#include <immintrin.h>
#endif
#include <stddef.h>
#include <string.h>

/* Copies n bytes, a multiple of 64, to a target aligned to 64. */
static inline void cr__stream_lines(void *out, const void *in, size_t n) {
  char *to = out;
  const char *from = in;
#ifdef __AVX512F__
  for (size_t i = 0; i < n; i += 64)
    _mm512_stream_si512((__m512i *)(void *)(to + i), _mm512_loadu_si512(from + i));
#elif defined __AVX__
  for (size_t i = 0; i < n; i += 32)
    _mm256_stream_si256((__m256i *)(void *)(to + i),
                        _mm256_loadu_si256((const __m256i *)(const void *)(from + i)));
#elif defined __x86_64__
  for (size_t i = 0; i < n; i += 16)
    _mm_stream_si128((__m128i *)(void *)(to + i),
                     _mm_loadu_si128((const __m128i *)(const void *)(from + i)));
#else
  memcpy(to, from, n);
#endif
}

#endif
