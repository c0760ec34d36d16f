/* pool.c: the threads that help with large work.
 *
 * Holds true:
 * - None is started before the first large job; those that cannot be started are done without, and are
 *   asked for again only after a while. They have small stacks, block all signals and end with the library.
 * - A worker without a job spins for a bounded time, which shrinks where it is in vain, and then sleeps.
 * - Workers hold the lock for some instructions only and never while they compute, so that a process may
 *   fork at any time: the child begins without workers and without jobs.
 * - What helping gains is measured. Where the machine is so busy that callers wait for held up workers
 *   longer than these save them, jobs are done by their callers alone for a while. */
#include "pool.h"

#ifndef CR__NO_THREADS

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Nanoseconds. */
enum {
  SPIN_MOST = 200000, /* a worker's, where jobs follow each other so fast; */
  SPIN_LEAST = 5000,  /* where they do not */
  SPIN_CALLER = 50000,
  RETRY = 500000000, /* before asking again for threads that were refused */
  CREDIT_MOST = 10000000,
  CREDIT_LEAST = -2000000, /* losses that are put up with, on top of earlier gains */
  ALONE_LEAST = 20000000,  /* how long jobs are done alone after that, ... */
  ALONE_MOST = 320000000   /* ... if it happens again and again */
};
enum { STACK = 512 << 10 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

/* Under the lock: */
static cr__job *jobs; /* that have places left, perhaps; the oldest first */
static pthread_t workers[CR__MOST_THREADS];
static int nworker;
static int64_t refused; /* when a thread could not be started */

static _Atomic uint32_t posted;   /* counts jobs; idle workers wait for it to change */
static _Atomic uint32_t finished; /* changes when a job that somebody sleeps for may be done */
static atomic_int asleep, spinning, busy; /* workers */
static atomic_int waiting;                /* callers that sleep */
static atomic_bool quit;

/* The books on helping. */
static _Atomic int64_t credit, alone_until, alone_for = ALONE_LEAST;

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void pause_shortly(void) {
#if defined __x86_64__ || defined __i386__
  __builtin_ia32_pause();
#elif defined __aarch64__
  __asm__ volatile("yield");
#endif
}

static void sleep_while(_Atomic uint32_t *word, uint32_t value) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}
static void wake(_Atomic uint32_t *word, int most) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, most, NULL, NULL, 0);
}

/* ---- Workers --------------------------------------------------------------------------------- */

/* A job with a place left, and the place; NULL if there is none. */
static cr__job *join(int *place) {
  pthread_mutex_lock(&lock);
  cr__job *j = atomic_load(&quit) ? NULL : jobs;
  while (j && j->joined == j->places) j = j->next;
  if (j) {
    *place = ++j->joined;
    atomic_fetch_add(&busy, 1);
    atomic_fetch_add(&j->active, 1);
  }
  pthread_mutex_unlock(&lock);
  return j;
}

/* The job may be gone as soon as it is no longer active. */
static void leave(cr__job *j) {
  atomic_fetch_sub(&busy, 1);
  atomic_fetch_sub(&j->active, 1);
  if (atomic_load(&waiting) == 0) return;
  atomic_fetch_add(&finished, 1);
  wake(&finished, INT_MAX);
}

static bool spin_while(_Atomic uint32_t *word, uint32_t value, int64_t patience) {
  int64_t end = now() + patience;
  do {
    for (int i = 0; i < 32; i++) {
      if (atomic_load_explicit(word, memory_order_relaxed) != value) return true;
      pause_shortly();
    }
  } while (now() < end);
  return false;
}

static void wait_for_jobs(uint32_t seen, int64_t patience) {
  atomic_fetch_add(&spinning, 1);
  bool changed = spin_while(&posted, seen, patience);
  atomic_fetch_sub(&spinning, 1);
  if (changed) return;
  atomic_fetch_add(&asleep, 1);
  if (atomic_load(&posted) == seen) sleep_while(&posted, seen);
  atomic_fetch_sub(&asleep, 1);
}

static void *work(void *unused) {
  int64_t idle_since = 0, patience = SPIN_MOST;
  int place;
  while (!atomic_load(&quit)) {
    uint32_t seen = atomic_load(&posted);
    cr__job *j = join(&place);
    if (!j) {
      if (!idle_since) idle_since = now();
      wait_for_jobs(seen, patience);
      continue;
    }
    if (idle_since) { /* spinning pays if it would have lasted until now */
      bool soon = now() - idle_since <= SPIN_MOST;
      patience = soon ? SPIN_MOST : patience / 2 > SPIN_LEAST ? patience / 2 : SPIN_LEAST;
      idle_since = 0;
    }
    cr__job_work(j, place);
    leave(j);
  }
  return unused;
}

/* ---- Starting them --------------------------------------------------------------------------- */

static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }
static void in_child(void) {
  pthread_mutex_init(&lock, NULL);
  jobs = NULL, nworker = 0, refused = 0;
  atomic_store(&asleep, 0);
  atomic_store(&spinning, 0);
  atomic_store(&waiting, 0);
  atomic_store(&busy, 0);
  atomic_store(&credit, 0); /* what helping gained the parent tells nothing of the child */
  atomic_store(&alone_until, 0);
  atomic_store(&alone_for, ALONE_LEAST);
}
static void watch_forks(void) { pthread_atfork(before_fork, after_fork, in_child); }

static bool start_worker(void) {
  pthread_attr_t attr;
  sigset_t all, before;
  long least = sysconf(_SC_THREAD_STACK_MIN); /* with what other libraries keep for each thread */
  if (least < PTHREAD_STACK_MIN) least = PTHREAD_STACK_MIN;
  if (pthread_attr_init(&attr)) return false;
  pthread_attr_setstacksize(&attr, (size_t)least + STACK);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int code = pthread_create(&workers[nworker], &attr, work, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attr);
  if (code) return false;
  pthread_setname_np(workers[nworker++], "cresset");
  return true;
}

/* Under the lock: sees to it that there are `wanted` workers, or as many as can be had. */
static void start_workers(int wanted, int64_t time) {
  if (nworker >= wanted || atomic_load(&quit)) return;
  if (refused && time - refused < RETRY) return;
  refused = 0;
  while (nworker < wanted && start_worker()) continue;
  if (nworker < wanted) refused = time;
}

/* Where the library is part of what is unloaded, or the process ends: nobody runs its code any more. If
 * somebody does, it is the process that ends, and nothing is waited for. */
static __attribute__((destructor)) void end_workers(void) {
  if (pthread_mutex_trylock(&lock)) return;
  bool idle = atomic_load(&busy) == 0;
  int n = idle ? nworker : 0;
  atomic_store(&quit, true);
  nworker = 0;
  pthread_mutex_unlock(&lock);
  atomic_fetch_add(&posted, 1);
  wake(&posted, INT_MAX);
  for (int i = 0; i < n; i++) pthread_join(workers[i], NULL);
}

/* ---- A caller -------------------------------------------------------------------------------- */

/* False: there is nobody to help. */
static bool post(cr__job *j, int helpers, int64_t time) {
  pthread_once(&fork_once, watch_forks);
  pthread_mutex_lock(&lock);
  start_workers(helpers, time);
  j->places = helpers < nworker ? helpers : nworker;
  if (j->places > 0) {
    cr__job **at = &jobs;
    while (*at) at = &(*at)->next;
    j->next = NULL;
    *at = j;
  }
  pthread_mutex_unlock(&lock);
  if (j->places == 0) return false;
  atomic_fetch_add(&posted, 1);
  int missing = j->places - atomic_load(&spinning);
  if (missing > 0 && atomic_load(&asleep) > 0) wake(&posted, missing);
  return true;
}

/* Nobody joins any more, and those who have are waited for. */
static void finish(cr__job *j) {
  pthread_mutex_lock(&lock);
  cr__job **at = &jobs;
  while (*at != j) at = &(*at)->next;
  *at = j->next;
  pthread_mutex_unlock(&lock);
  if (atomic_load(&j->active) == 0) return;
  for (int64_t end = now() + SPIN_CALLER; now() < end;)
    for (int i = 0; i < 32; i++) {
      if (atomic_load(&j->active) == 0) return;
      pause_shortly();
    }
  atomic_fetch_add(&waiting, 1);
  for (;;) {
    uint32_t seen = atomic_load(&finished);
    if (atomic_load(&j->active) == 0) break;
    sleep_while(&finished, seen);
  }
  atomic_fetch_sub(&waiting, 1);
}

/* Books a job of which the caller did `own` chunks in `busy` nanoseconds, to wait for others then. */
static void judge(const cr__job *j, int64_t own, int64_t busy, int64_t waited, int64_t time) {
  if (own == 0 || atomic_load_explicit(&j->stop, memory_order_relaxed)) return;
  double saved = (double)busy / (double)own * (double)(j->chunks - own);
  int64_t sum = atomic_load(&credit) + (int64_t)saved - waited;
  if (sum >= CREDIT_MOST) {
    sum = CREDIT_MOST;
    atomic_store(&alone_for, ALONE_LEAST);
  } else if (sum < CREDIT_LEAST) {
    int64_t pause = atomic_load(&alone_for);
    sum = 0;
    atomic_store(&alone_until, time + pause);
    atomic_store(&alone_for, 2 * pause < ALONE_MOST ? 2 * pause : ALONE_MOST);
  }
  atomic_store(&credit, sum);
}

void cr__pool_run(cr__job *j, int threads) {
  int64_t begun = now();
  if (begun < atomic_load_explicit(&alone_until, memory_order_relaxed) ||
      !post(j, threads - 1, begun)) {
    cr__job_work(j, 0);
    return;
  }
  int64_t own = cr__job_work(j, 0), done = now();
  finish(j);
  int64_t end = now();
  judge(j, own, done - begun, end - done, end);
}

#else

void cr__pool_run(cr__job *j, int threads) {
  (void)threads;
  cr__job_work(j, 0);
}

#endif
