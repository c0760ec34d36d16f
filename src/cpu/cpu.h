/* cpu.h: what the files of the CPU backend share.
 *
 * Holds true: results never depend on the number of threads: work is cut at fixed borders. */
#ifndef CR__CPU_H
#define CR__CPU_H

#include "device/backend.h"

/* An element of 16 bytes, where its value does not matter. */
typedef struct cr__bytes16 {
  uint64_t half[2];
} cr__bytes16;

/* How many threads pay for `work` elementary steps (about a nanosecond each): 1 for small work and
 * inside of other shared work. */
int cr__cpu_threads(int64_t work);
/* Calls task(job, begin, end) so that every one of n pieces is done once, by as many threads as pay for
 * `work` steps. A call takes a fraction of a millisecond if the pieces are small enough for that, and
 * between calls the host may stop the work. 0, or the error is set: it did, and some pieces are not done. */
int cr__cpu_share(int64_t n, int64_t work, void (*task)(void *job, int64_t begin, int64_t end),
                  void *job);
/* The same with a number of threads that cr__cpu_threads gave, for callers that have room for each. */
int cr__cpu_share_among(int threads, int64_t n, int64_t work,
                        void (*task)(void *job, int64_t begin, int64_t end), void *job);
/* Inside of a task: which of the threads this is, from 0. */
int cr__cpu_member(void);
/* Whether this is inside of a task that is shared out. */
bool cr__cpu_shares(void);
/* Inside of a task: whether the host has stopped the work. For pieces that may take longer than some
 * milliseconds, which then return at once; cr__cpu_share sets the error. */
bool cr__cpu_stopped(void);
/* Loops over many elements go in stretches, with such a look before each: for (begin of each) for (i in
 * it). After them, whoever uses what they leave must ask once more. */
enum { CR__STRETCH = 1 << 16 };
#define CR__STRETCHES(begin, n) \
  for (int64_t begin = 0; begin < (n) && !cr__cpu_stopped(); begin += CR__STRETCH)
#define CR__EACH_OF(i, begin, n) \
  for (int64_t i = begin, end_ = (n)-begin < CR__STRETCH ? (n) : begin + CR__STRETCH; i < end_; i++)
/* The same for loops outside of a task: whether to look at step i is due, and the host has stopped the
 * call, with the error set. */
static inline int cr__cpu_look(int64_t i) { return CR__LIKELY(i & 65535) ? 0 : cr__interrupted(); }

/* Calls line(job, i, room) for each of n lines, with room of nbytes that is the thread's alone. 0, or the
 * error is set: in the name of op if there was no room. */
int cr__cpu_lines(const char *op, int64_t n, int64_t work, size_t nbytes,
                  void (*line)(const void *job, int64_t i, char *room), const void *job);

/* Which of the loops that were built for several instruction sets run here: 0, 1, 2 for v2, v3, v4
 * of x86-64; 0 elsewhere (levels.c). */
int cr__cpu_level(void);

int cr__cpu_elementwise(const cr__elementwise *e);
void cr__cpu_few(const cr__few *f);
bool cr__cpu_fold_few(const cr__fold_few *f);
bool cr__cpu_has_loop(int pointwise, int dtype);

#endif
