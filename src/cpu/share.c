/* share.c: how work is shared out among threads, and how it is stopped half way.
 *
 * Holds true: items are done in chunks whose borders nobody's results depend on. Between two chunks every
 * thread looks whether the host has interrupted or the caller's deadline has passed; then no more are
 * begun, and the caller fails. Work inside of shared work is done where it comes up. What a thread has
 * streamed past the caches is visible to all when a job ends. */
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/state.h"
#include "cpu/loops/loops.h"
#include "pool.h"

/* In steps of about a nanosecond each. */
enum {
  STEPS_PER_THREAD = 65536, /* waking a thread costs some microseconds */
  CHUNK_LEAST = 1 << 14,
  CHUNK_MOST = 1 << 17,
  WHOLE = 1 << 19, /* work up to here is not stopped half way */
  CHUNKS_PER_THREAD = 8
};

static CR__TLS cr__job *inside; /* the job that this thread works on now, ... */
static CR__TLS int place_here;  /* ... and its number among those that do */

/* ---- How many threads ------------------------------------------------------------------------- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int offered; /* by the machine or the environment */

#ifndef CR__NO_THREADS
/* Reads up to two numbers; those that are not there stay as they are. */
static void read_numbers(const char *path, long long *a, long long *b) {
  FILE *f = fopen(path, "re");
  if (!f) return;
  if (fscanf(f, "%lld %lld", a, b) < 1) *a = 0;
  fclose(f);
}

/* CPUs that a container may use up at a time, by either version of control groups; INT_MAX if nothing
 * is said. */
static int quota(void) {
  long long time = 0, period = 0, none;
  read_numbers("/sys/fs/cgroup/cpu.max", &time, &period);
  if (time == 0) {
    read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", &time, &none);
    read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_period_us", &period, &none);
  }
  if (time <= 0 || period <= 0) return INT_MAX;
  return (int)((time + period - 1) / period);
}

static void count_cpus(void) {
  const char *wish = getenv("CRESSET_NUM_THREADS");
  if (!wish || atoi(wish) < 1) wish = getenv("OMP_NUM_THREADS");
  offered = wish ? atoi(wish) : 0;
  if (offered > 0) return;
  cpu_set_t set;
  int most = quota();
  offered = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                                                        : (int)sysconf(_SC_NPROCESSORS_ONLN);
  if (offered > most) offered = most;
  if (offered < 1) offered = 1;
}
#else
static void count_cpus(void) { offered = 1; }
#endif

int cr_set_num_threads(int n) {
  if (n < 1) return cr__fail(CR_E_ARGUMENT, "set_num_threads: got %d; at least 1 is needed", n);
  cr__my_state()->threads = n;
  return 0;
}

int cr_num_threads(void) {
  const cr_state *s = cr__my_state();
  int n = s->threads;
  if (n <= 0) {
    pthread_once(&once, count_cpus);
    n = offered;
  }
  return s->host.threads > 0 && s->host.threads < n ? s->host.threads : n;
}

int cr__cpu_threads(int64_t work) {
  if (CR__LIKELY(work < 2 * STEPS_PER_THREAD)) return 1;
  if (inside) return 1;
  int most = cr_num_threads();
  if (most > CR__MOST_THREADS) most = CR__MOST_THREADS;
  int64_t wanted = work / STEPS_PER_THREAD;
  return wanted < most ? (int)wanted : most;
}

int cr__cpu_member(void) { return place_here; }
bool cr__cpu_shares(void) { return inside; }

/* ---- A job ------------------------------------------------------------------------------------ */

static bool is_stopped(cr__job *j) {
  if (atomic_load_explicit(&j->stop, memory_order_relaxed)) return true;
  if (j->whole) return false;
  int why = cr__due(j->deadline);
  if (CR__LIKELY(!why)) return false;
  atomic_store_explicit(&j->stop, why, memory_order_relaxed);
  return true;
}

bool cr__cpu_stopped(void) { return inside && is_stopped(inside); }

/* The next chunk of a range, or -1. */
static int64_t take(cr__range *r) {
  if (atomic_load_explicit(&r->next, memory_order_relaxed) >= r->end) return -1;
  int64_t c = atomic_fetch_add_explicit(&r->next, 1, memory_order_relaxed);
  return c < r->end ? c : -1;
}

int64_t cr__job_work(cr__job *j, int place) {
  cr__job *outer = inside;
  int outer_place = place_here;
  int64_t done = 0;
  inside = j, place_here = place;
  for (int i = 0; i < j->nrange; i++) {
    int64_t c;
    while ((c = take(&j->ranges[(place + i) % j->nrange])) >= 0 && !is_stopped(j)) {
      int64_t begin = c * j->chunk, end = begin + j->chunk;
      j->task(j->data, begin, end < j->n ? end : j->n);
      done++;
    }
  }
  inside = outer, place_here = outer_place;
  /* Others may read now; a job that a thread does alone inside of another ends with that. */
  if (!outer || j->nrange > 1) cr__best_stream()(NULL, NULL, 0);
  return done;
}

/* ---- A pool of the host's ---------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t returned = PTHREAD_COND_INITIALIZER;
static cr_parallel lent;
static int borrowers;       /* calls that use it */
static bool changing;       /* and no others may begin to */
static atomic_bool is_lent; /* lent.run is there */

#ifndef CR__NO_THREADS
static void in_child(void) { /* the host's threads are not here */
  pthread_mutex_init(&lock, NULL);
  pthread_cond_init(&returned, NULL);
  borrowers = 0, changing = false;
  atomic_store(&is_lent, false);
}
static void watch_forks(void) { pthread_atfork(NULL, NULL, in_child); }

int cr_set_parallel(const cr_parallel *pool) {
  static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
  if (inside) return cr__fail(CR_E_ARGUMENT, "set_parallel: called from inside an operation");
  if (pool && (!pool->run || pool->threads < 1))
    return cr__fail(CR_E_ARGUMENT,
                    "set_parallel: a pool needs a run function and at least 1 thread");
  pthread_once(&fork_once, watch_forks);
  pthread_mutex_lock(&lock);
  while (changing) pthread_cond_wait(&returned, &lock);
  changing = true;
  while (borrowers > 0) pthread_cond_wait(&returned, &lock);
  changing = false;
  if (pool) lent = *pool;
  atomic_store(&is_lent, pool != NULL);
  pthread_cond_broadcast(&returned);
  pthread_mutex_unlock(&lock);
  return 0;
}
#else
int cr_set_parallel(const cr_parallel *pool) {
  if (!pool) return 0;
  return cr__fail(CR_E_ARGUMENT, "set_parallel: this library was built without threads");
}
#endif

static bool borrow(cr_parallel *pool) {
  pthread_mutex_lock(&lock);
  bool got = atomic_load(&is_lent) && !changing;
  *pool = lent;
  borrowers += got;
  pthread_mutex_unlock(&lock);
  return got;
}

static void give_back(void) {
  pthread_mutex_lock(&lock);
  if (--borrowers == 0) pthread_cond_broadcast(&returned);
  pthread_mutex_unlock(&lock);
}

static void member(void *job, int i) { cr__job_work(job, i); }

/* What the host's threads leave, if they do, is done here. */
static void run_lent(cr__job *j, int threads) {
  cr_parallel pool;
  if (borrow(&pool)) {
    cr__job *outer = inside;
    inside = j;
    pool.run(pool.user, threads < pool.threads ? threads : pool.threads, member, j);
    inside = outer;
    give_back();
  }
  cr__job_work(j, 0);
}

/* ---- Sharing out ------------------------------------------------------------------------------- */

static void cut(cr__job *j, int threads, int64_t n, int64_t work) {
  int64_t steps = CHUNK_MOST, each = work / n > 0 ? work / n : 1;
  if (threads > 1) steps = work / (CHUNKS_PER_THREAD * threads);
  if (threads > 1 && steps > CHUNK_MOST) steps = CHUNK_MOST;
  if (steps < CHUNK_LEAST) steps = CHUNK_LEAST;
  j->n = n;
  j->chunk = steps / each > 0 ? steps / each : 1;
  if (threads > 1 && j->chunk > n / threads) j->chunk = n / threads;
  j->chunks = (n + j->chunk - 1) / j->chunk;
  j->nrange = threads < CR__RANGES ? threads : CR__RANGES;
  for (int i = 0; i < j->nrange; i++) {
    atomic_init(&j->ranges[i].next, j->chunks * i / j->nrange);
    j->ranges[i].end = j->chunks * (i + 1) / j->nrange;
  }
}

static __attribute__((noinline)) int run_large(int threads, int64_t n, int64_t work,
                                               void (*task)(void *, int64_t, int64_t), void *data) {
  cr__job j;
  if (threads > n) threads = (int)n;
  if (inside) threads = 1;
  cut(&j, threads, n, work);
  j.task = task, j.data = data;
  j.deadline = inside ? inside->deadline : cr__deadline();
  j.whole = inside ? inside->whole : work < WHOLE;
  j.places = j.joined = 0;
  atomic_init(&j.stop, 0);
  atomic_init(&j.active, 0);
  if (threads == 1) cr__job_work(&j, inside ? place_here : 0);
  else if (atomic_load_explicit(&is_lent, memory_order_relaxed)) run_lent(&j, threads);
  else cr__pool_run(&j, threads);
  int why = atomic_load_explicit(&j.stop, memory_order_relaxed);
  return why ? cr__fail_stopped(why) : 0;
}

int cr__cpu_share_among(int threads, int64_t n, int64_t work,
                        void (*task)(void *, int64_t, int64_t), void *data) {
  if (CR__UNLIKELY(n <= 0)) return 0;
  if (CR__UNLIKELY(work >= 2 * STEPS_PER_THREAD)) return run_large(threads, n, work, task, data);
  task(data, 0, n);
  return 0;
}

int cr__cpu_share(int64_t n, int64_t work, void (*task)(void *, int64_t, int64_t), void *data) {
  return cr__cpu_share_among(cr__cpu_threads(work), n, work, task, data);
}

/* ---- Lines that need room ---------------------------------------------------------------------- */

typedef struct lines {
  void (*line)(const void *job, int64_t i, char *room);
  const void *job;
  size_t nbytes;
  char *room; /* of all threads */
} lines;

static void some_lines(void *lines_, int64_t begin, int64_t end) {
  const lines *l = lines_;
  char *room = l->room + (size_t)place_here * l->nbytes;
  for (int64_t i = begin; i < end && !cr__cpu_stopped(); i++) l->line(l->job, i, room);
}

int cr__cpu_lines(const char *op, int64_t n, int64_t work, size_t nbytes,
                  void (*line)(const void *job, int64_t i, char *room), const void *job) {
  int threads = cr__cpu_threads(work);
  if (threads > n) threads = n > 0 ? (int)n : 1;
  lines l = {.line = line, .job = job, .nbytes = (nbytes + 63) / 64 * 64};
  l.room = cr__host_alloc_for(op, l.nbytes * (size_t)threads);
  if (!l.room) return (int)cr_error_code();
  int code = cr__cpu_share_among(threads, n, work, some_lines, &l);
  cr__host_free(l.room, l.nbytes * (size_t)threads);
  return code;
}
