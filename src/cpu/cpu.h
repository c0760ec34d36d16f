/* cpu/cpu.h: what the files of the CPU backend share.
 *
 * Holds true: results never depend on the number of threads: work is cut at fixed borders. */
#ifndef CR__CPU_H
#define CR__CPU_H

#include "../backend.h"

/* How many threads pay for `work` elementary steps (about a nanosecond each): 1 for small work and
 * inside a parallel region. Callers say `#pragma omp parallel for num_threads(cr__cpu_threads(n))`. */
int cr__cpu_threads(int64_t work);

/* Which of the loops that were built for several instruction sets run here: 0, 1, 2 for v2, v3, v4
 * of x86-64; 0 elsewhere (levels.c). */
int cr__cpu_level(void);

int cr__cpu_elementwise(const cr__elementwise *e);
bool cr__cpu_few(const cr__few *f);
bool cr__cpu_has_loop(int pointwise, int dtype);

#endif
