/* cpu/cpu.h: what the files of the CPU backend share.
 *
 * Holds true: results never depend on the number of threads: work is cut at fixed borders. */
#ifndef CR__CPU_H
#define CR__CPU_H

#include "../backend.h"

/* How many threads pay for `work` elementary steps (about a nanosecond each): 1 for small work and
 * inside a parallel region. Callers say `#pragma omp parallel for num_threads(cr__cpu_threads(n))`. */
int cr__cpu_threads(int64_t work);
/* Calls task(job, begin, end) so that every one of n pieces is done once: a range of them for each
 * thread that pays for `work` steps. Where only one pays, OpenMP, whose entry takes longer than small
 * work, does not hear of it. */
void cr__cpu_share(int64_t n, int64_t work, void (*task)(void *job, int64_t begin, int64_t end),
                   void *job);

/* Calls line(job, i, room) for each of n lines, with room of nbytes that is the thread's alone. 0, or the
 * error is set in the name of op: there was no room. */
int cr__cpu_lines(const char *op, int64_t n, int64_t work, size_t nbytes,
                  void (*line)(const void *job, int64_t i, char *room), const void *job);

/* Which of the loops that were built for several instruction sets run here: 0, 1, 2 for v2, v3, v4
 * of x86-64; 0 elsewhere (levels.c). */
int cr__cpu_level(void);

int cr__cpu_elementwise(const cr__elementwise *e);
bool cr__cpu_few(const cr__few *f);
bool cr__cpu_has_loop(int pointwise, int dtype);

#endif
