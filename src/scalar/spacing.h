/* spacing.h: numbers at equal distances, for the CPU and for CUDA.
 *
 * Holds true: nothing overflows, whatever the ends are. Integers are exact: no step is rounded. */
#ifndef CR__SPACING_H
#define CR__SPACING_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __CUDACC__
#define CR__SPACING_FN static __host__ __device__ __forceinline__
#else
#define CR__SPACING_FN static inline
#endif

/* The step of n floats from first to last, whose difference may be more than the largest number. */
CR__SPACING_FN double cr__space_step(double first, double last, int64_t n) {
  if (n < 2) return 0;
  double parts = (double)(n - 1), way = last - first;
  return way - way == 0 ? way / parts : last / parts - first / parts;
}

/* first + i (last - first) / (n - 1), rounded towards zero; 0 <= i < n. */
CR__SPACING_FN int64_t cr__space_int(int64_t first, int64_t last, int64_t n, int64_t i) {
  if (n == 1) return first;
  bool up = last >= first;
  uint64_t span = up ? (uint64_t)last - (uint64_t)first : (uint64_t)first - (uint64_t)last;
  unsigned __int128 way = (unsigned __int128)span * (uint64_t)i, parts = (uint64_t)n - 1;
  uint64_t whole = (uint64_t)(way / parts);
  bool rest = whole * parts != way;
  int64_t x = (int64_t)(up ? (uint64_t)first + whole : (uint64_t)first - whole);
  if (rest && up && x < 0) return x + 1;
  return rest && !up && x > 0 ? x - 1 : x;
}

#endif
