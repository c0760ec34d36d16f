/* cpu/cpu.c: the CPU as a backend: its table, its memory, its threads.
 *
 * Holds true: no thread is started before work pays for it, and a process that forks may go on
 * computing in the child: the pool is given up before the fork and started anew on both sides. */
#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "cpu.h"

#include "cpu_table.inc"

/* ---- Threads ---- */

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void before_fork(void) {
  if (!omp_in_parallel()) omp_pause_resource_all(omp_pause_soft);
}

static void watch_forks(void) { pthread_atfork(before_fork, NULL, NULL); }

int cr__cpu_threads_offered(void) { return omp_get_max_threads(); }

int cr__cpu_threads(int64_t work) {
  /* Waking a thread costs some microseconds. */
  enum { STEPS_PER_THREAD = 65536 };
  if (CR__LIKELY(work < 2 * STEPS_PER_THREAD)) return 1;
  if (omp_in_parallel()) return 1;
  int most = cr_num_threads();
  if (most == 1) return 1;
  pthread_once(&fork_once, watch_forks);
  int64_t wanted = work / STEPS_PER_THREAD;
  return wanted < most ? (int)wanted : most;
}

void cr__cpu_share(int64_t n, int64_t work, void (*task)(void *job, int64_t begin, int64_t end),
                   void *job) {
  int threads = cr__cpu_threads(work);
  if (threads > n) threads = (int)n;
  if (threads <= 1) {
    task(job, 0, n);
    return;
  }
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int t = 0; t < threads; t++) task(job, n * t / threads, n * (t + 1) / threads);
}

typedef struct lines {
  void (*line)(const void *job, int64_t i, char *room);
  const void *job;
  size_t nbytes;
  atomic_bool failed;
} lines;

static void some_lines(void *lines_, int64_t begin, int64_t end) {
  lines *l = lines_;
  char *room = cr__host_alloc(l->nbytes);
  if (!room) {
    atomic_store_explicit(&l->failed, true, memory_order_relaxed);
    return;
  }
  for (int64_t i = begin; i < end; i++) l->line(l->job, i, room);
  cr__host_free(room, l->nbytes);
}

/* An error is set for the thread that meets it, so it has to be said again for the caller. */
int cr__cpu_lines(const char *op, int64_t n, int64_t work, size_t nbytes,
                  void (*line)(const void *job, int64_t i, char *room), const void *job) {
  lines l = {.line = line, .job = job, .nbytes = nbytes};
  cr__cpu_share(n, work, some_lines, &l);
  return l.failed ? cr__fail_memory(op, nbytes) : 0;
}

/* ---- The table ---- */

static void *cpu_alloc(int ordinal, size_t nbytes) {
  (void)ordinal;
  return cr__host_alloc(nbytes);
}

static void cpu_free(int ordinal, void *p, size_t nbytes) {
  (void)ordinal;
  cr__host_free(p, nbytes);
}

static int cpu_copy(int ordinal, void *to, const void *from, size_t nbytes) {
  (void)ordinal;
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
    .has_loop = cr__cpu_has_loop,
    .kernels = cpu_kernels,
};
