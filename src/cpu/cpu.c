/* cpu/cpu.c: the CPU as a backend: its table and its memory. */
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

static int cpu_copy(int ordinal, void *to, const void *from, size_t nbytes) {
  enum { PIECE = 16 << 20 };
  (void)ordinal;
  for (size_t at = 0; at < nbytes; at += PIECE) {
    int code = at ? cr__interrupted() : 0;
    if (code) return code;
    memcpy((char *)to + at, (const char *)from + at, nbytes - at < PIECE ? nbytes - at : PIECE);
  }
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
    .has_loop = cr__cpu_has_loop,
    .kernels = cpu_kernels,
};
