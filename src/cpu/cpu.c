/* cpu.c: the CPU as a backend: its table and its memory. */
#include <string.h>

#include "cpu.h"

#include "cpu_table.inc"

static void *cpu_alloc(int ordinal, size_t nbytes) {
  (void)ordinal;
  return cr__host_alloc(nbytes);
}

static void cpu_free(int ordinal, void *p, size_t nbytes) {
  (void)ordinal;
  cr__host_free(p, nbytes);
}

enum { PIECE = 16 << 20 }; /* bytes that are copied between two looks at the clock */

static __attribute__((noinline)) int copy_pieces(char *to, const char *from, size_t nbytes) {
  int code = 0;
  for (size_t at = 0; at < nbytes && !code; at += PIECE) {
    memcpy(to + at, from + at, nbytes - at < PIECE ? nbytes - at : PIECE);
    code = cr__interrupted();
  }
  return code;
}

static int cpu_copy(int ordinal, void *to, const void *from, size_t nbytes) {
  (void)ordinal;
  if (CR__UNLIKELY(nbytes > PIECE)) return copy_pieces(to, from, nbytes);
  memcpy(to, from, nbytes);
  return 0;
}

const cr__backend cr__cpu_backend = {
    .abi = CR__BACKEND_ABI,
    .name = "cpu",
    .alloc = cpu_alloc,
    .free = cpu_free,
    .copy_to_host = cpu_copy,
    .copy_from_host = cpu_copy,
    .elementwise = cr__cpu_elementwise,
    .few = cr__cpu_few,
    .fold_few = cr__cpu_fold_few,
    .has_loop = cr__cpu_has_loop,
    .kernels = cpu_kernels,
};
