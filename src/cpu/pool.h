/* pool.h: a job that several threads work on (share.c), and the threads (pool.c).
 *
 * Holds true: a job lies on its caller's stack. Its items are cut into chunks, and those into ranges;
 * whoever works on it takes the chunks of one range and then what is left of the others, so that a
 * thread that the system holds up keeps nobody waiting but for the chunk that it has begun. */
#ifndef CR__CPU_POOL_H
#define CR__CPU_POOL_H

#include <stdatomic.h>

#include "cpu.h"

enum { CR__MOST_THREADS = 256, CR__RANGES = 32 };

/* Chunks [next, end) are still to be taken. */
typedef struct cr__range {
  _Alignas(64) _Atomic int64_t next;
  int64_t end;
} cr__range;

typedef struct cr__job {
  void (*task)(void *data, int64_t begin, int64_t end);
  void *data;
  int64_t n, chunk, chunks; /* items; of a chunk; chunks in all */
  int nrange;
  bool whole;      /* it is short enough not to be stopped half way */
  double deadline; /* the caller's, for cr__due */
  atomic_int stop; /* why no more chunks are taken; 0: they are */
  /* The pool's: */
  struct cr__job *next;
  int places, joined; /* how many workers may help, and have begun to; under the lock */
  atomic_int active;  /* those that work on it now */
  cr__range ranges[CR__RANGES];
} cr__job;

/* Takes chunks until there are none; place: the caller's number among those that do so, from 0. Returns
 * how many it took. */
int64_t cr__job_work(cr__job *j, int place);

/* Carries j out on the calling thread, whose place is 0, and up to threads - 1 others. Cannot fail: the
 * calling thread takes what nobody else does. */
void cr__pool_run(cr__job *j, int threads);

#endif
