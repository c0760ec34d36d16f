/* threads.c: a host watches the threads of the library: when they start, what they block, that their
 * number changes no result, and that work goes on where they cannot be had. Prints the promises that are
 * broken and returns how many they are. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cresset.h"

static int broken;

static void check(int kept, const char *promise) {
  if (kept) return;
  broken++;
  printf("broken: %s (%s)\n", promise, cr_error_message());
}

/* ---- The system's side ---- */

static int (*make_thread)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
static atomic_int allowed = 1000; /* how many threads may still be made */
static atomic_int attempts;

/* Takes the place of the system's own, for the library as well. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*f)(void *), void *user) {
  atomic_fetch_add(&attempts, 1);
  if (atomic_fetch_sub(&allowed, 1) <= 0) return EAGAIN;
  return make_thread(thread, attr, f, user);
}

/* Calls f for each thread of the process but the calling one; returns how many they are. */
static int each_thread(void (*f)(const char *task)) {
  int n = 0;
  DIR *d = opendir("/proc/self/task");
  for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
    if (e->d_name[0] == '.' || atoi(e->d_name) == gettid()) continue;
    n++;
    if (f) f(e->d_name);
  }
  if (d) closedir(d);
  return n;
}

static bool is_ours(const char *task) {
  char path[64], line[64] = "";
  snprintf(path, sizeof path, "/proc/self/task/%s/comm", task);
  FILE *f = fopen(path, "r");
  bool ours = f && fgets(line, sizeof line, f) && strcmp(line, "cresset\n") == 0;
  if (f) fclose(f);
  return ours;
}

static int counted;
static void count(const char *task) { counted += is_ours(task); }

/* How many threads there are besides the calling one. */
static int others(void) {
#ifdef __SANITIZE_THREAD__ /* which has a thread of its own */
  counted = 0;
  each_thread(count);
  return counted;
#else
  (void)count;
  return each_thread(NULL);
#endif
}

static void check_mask(const char *task) {
  char path[64], line[256] = "";
  unsigned long long blocked = 0;
  if (!is_ours(task)) return;
  snprintf(path, sizeof path, "/proc/self/task/%s/status", task);
  FILE *f = fopen(path, "r");
  while (f && fgets(line, sizeof line, f)) sscanf(line, "SigBlk: %llx", &blocked);
  if (f) fclose(f);
  static const int signals[] = {SIGINT, SIGTERM, SIGALRM, SIGCHLD, SIGUSR1, SIGUSR2, SIGHUP};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
    check(blocked >> (signals[i] - 1) & 1, "workers take no signal of the host's");
}

/* ---- Work that is large enough for threads ---- */

enum { N = 700 };
static double expected;

static double total_of(cr_tensor *t) { /* steals t */
  double x = NAN;
  cr_tensor *sum = cr_sum(t, NULL, -1, false, CR_FLOAT64);
  if (!sum || cr_read(sum, &x, sizeof x)) x = NAN;
  cr_release(sum);
  cr_release(t);
  return x;
}

/* Kernels of all kinds, told as one number. */
static double work(void) {
  int64_t shape[2] = {N, N}, dims[1] = {1};
  cr_manual_seed(5);
  cr_tensor *x = cr_randn(shape, 2, CR_FLOAT32, cr_none());
  cr_tensor *e = cr_exp(x), *p = cr_matmul(x, e), *s = cr_softmax(x, 2, CR_DTYPE_NONE);
  cr_tensor *c = cr_cumsum(p, 1, CR_DTYPE_NONE), *m = cr_sum(e, dims, 1, false, CR_DTYPE_NONE);
  cr_tensor *t = cr_t(x), *both = cr_mul(t, s);
  cr_tensor *order = cr_randperm(N * N, CR_INT64, cr_none());
  double sum = total_of(both) + total_of(c) + total_of(m);
  double place = 0;
  cr_tensor *at = cr_select(order, 1, N);
  cr_value v;
  if (!at || cr_item(at, &v)) sum = NAN;
  else place = (double)v.u.i;
  cr_tensor *all[] = {x, e, p, s, t, order, at};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) cr_release(all[i]);
  return sum + place;
}

static void *work_in_thread(void *result) {
  for (int i = 0; i < 5; i++) *(double *)result = work();
  return NULL;
}

/* ---- Promises ---- */

static void start_late(void) {
  int64_t shape[1] = {10};
  cr_set_num_threads(4);
  check(others() == 0, "loading starts no thread");
  cr_release(cr_ones(shape, 1, CR_FLOAT32, cr_none()));
  check(others() == 0, "small work starts no thread");
  cr_set_num_threads(1);
  expected = work();
  check(!isnan(expected), "work is done");
  check(others() == 0, "one thread is the caller's own");
}

static void any_number(void) {
  static const int numbers[] = {2, 3, 7, 4};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    cr_set_num_threads(numbers[i]);
    check(work() == expected, "results do not depend on the number of threads");
  }
  check(others() == 6, "as many threads are there as were asked for");
  each_thread(check_mask);
}

/* Hosts run operations on threads with stacks as small as this, several at a time. */
static void small_stacks(void) {
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
  enum { STACK = 96 << 10, HOSTS = 4 };
#else
  enum { STACK = 4 << 20, HOSTS = 4 };
#endif
  pthread_t threads[HOSTS];
  double results[HOSTS] = {0};
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, STACK);
  for (int i = 0; i < HOSTS; i++) pthread_create(&threads[i], &attr, work_in_thread, &results[i]);
  for (int i = 0; i < HOSTS; i++) pthread_join(threads[i], NULL);
  pthread_attr_destroy(&attr);
  for (int i = 0; i < HOSTS; i++)
    check(results[i] == expected, "threads with small stacks compute the same, at once");
}

/* Runs f in a child; true if it returns true. */
static bool in_child(bool (*f)(void)) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    alarm(60); /* a lost thread would be waited for for ever */
    broken = 0;
    bool good = f();
    fflush(stdout);
    _exit(good && !broken ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool child_works(void) {
  if (others() != 0) return false;
  return work() == expected && others() == 3 && work() == expected;
}

static bool child_forks(void) {
  return work() == expected && in_child(child_works) && work() == expected;
}

static void forks(void) {
  pthread_t busy;
  double result = 0;
  cr_set_num_threads(4);
  check(in_child(child_works), "a child starts threads of its own");
  check(in_child(child_forks), "and so does its child");
  pthread_create(&busy, NULL, work_in_thread, &result);
  for (int i = 0; i < 5; i++)
    check(in_child(child_works), "a child that is forked inside of work has none of it");
  pthread_join(busy, NULL);
  check(result == expected, "work goes on through forks");
}

/* Some threads can be had, or none. Each in a child, which begins without any. */
static bool without_threads(void) {
  atomic_store(&allowed, 0);
  bool same = work() == expected && others() == 0;
  struct timespec begin, end;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  atomic_store(&attempts, 0);
  same = same && work() == expected;
  clock_gettime(CLOCK_MONOTONIC, &end);
  return same &&
         atomic_load(&attempts) <= 1 + 3 * (end.tv_sec - begin.tv_sec + 1); /* not each time */
}
static bool with_two(void) {
  atomic_store(&allowed, 2);
  return work() == expected && others() == 2 && work() == expected;
}
static bool later(void) {
  atomic_store(&allowed, 0);
  bool same = work() == expected;
  atomic_store(&allowed, 1000);
  usleep(600000);
  return same && work() == expected && others() == 3;
}

static void refusals(void) {
  check(in_child(without_threads), "work is done where no thread can be made");
  check(in_child(with_two), "and with those that can");
  check(in_child(later), "which are asked for again later");
}

/* ---- Stopping ---- */

static void *interrupt_soon(void *unused) {
  usleep(20000);
  cr_interrupt(true);
  return unused;
}

/* A sum without end is stopped on all threads, the host's own pool too. */
static void stops(void) {
  int64_t one[2] = {1, 1}, wide[2] = {1000000, 1000000};
  cr_tensor *x = cr_ones(one, 2, CR_FLOAT32, cr_none()), *y = cr_expand(x, wide, 2);
  pthread_t other;
  cr_set_deadline(0.02);
  check(!cr_sum(y, NULL, -1, false, CR_DTYPE_NONE) && cr_error_code() == CR_E_INTERRUPT,
        "a deadline stops work in the middle");
  cr_set_deadline(0);
  cr_error_clear();
  pthread_create(&other, NULL, interrupt_soon, NULL);
  check(!cr_sum(y, NULL, -1, false, CR_DTYPE_NONE) && cr_error_code() == CR_E_INTERRUPT,
        "another thread stops work in the middle");
  pthread_join(other, NULL);
  cr_interrupt(false);
  cr_error_clear();
  cr_release(x);
  cr_release(y);
}

/* ---- A pool of the host's ---- */

typedef struct seat {
  void (*member)(void *job, int i);
  void *job;
  int i;
} seat;

static atomic_int runs, members, inside;

static void *sit(void *seat_) {
  seat *s = seat_;
  atomic_fetch_add(&members, 1);
  s->member(s->job, s->i);
  return NULL;
}

/* A thread for each. */
static void run_in_threads(void *user, int n, void (*member)(void *, int), void *job) {
  pthread_t threads[8];
  seat seats[8];
  (void)user;
  atomic_fetch_add(&inside, 1);
  atomic_fetch_add(&runs, 1);
  check(n >= 1 && n <= 3, "no more members are asked for than were lent");
  for (int i = 0; i < n; i++) {
    seats[i] = (seat){member, job, i};
    pthread_create(&threads[i], NULL, sit, &seats[i]);
  }
  for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
  atomic_fetch_sub(&inside, 1);
}

/* All on the calling thread, in the wrong order. */
static void run_in_turn(void *user, int n, void (*member)(void *, int), void *job) {
  atomic_fetch_add((atomic_int *)user, 1);
  for (int i = n - 1; i >= 0; i--) member(job, i);
}

/* None at all. */
static void run_nothing(void *user, int n, void (*member)(void *, int), void *job) {
  (void)n, (void)member, (void)job;
  atomic_fetch_add((atomic_int *)user, 1);
}

static atomic_int refused;
static void lend_again(void *user, int n, void (*member)(void *, int), void *job) {
  if (cr_set_parallel(NULL) == CR_E_ARGUMENT) atomic_fetch_add(&refused, 1);
  run_in_turn(user, n, member, job);
}

static bool lent_pool(void) {
  atomic_int calls = 0;
  bool good = true;
  cr_parallel pool = {run_in_threads, 3, NULL};
  good &= cr_set_parallel(&pool) == 0 && work() == expected;
  stops();
  good &= atomic_load(&runs) > 0 && atomic_load(&members) > atomic_load(&runs) && others() == 0;
  pool = (cr_parallel){run_in_turn, 2, &calls};
  good &= cr_set_parallel(&pool) == 0 && work() == expected && calls > 0;
  calls = 0;
  pool = (cr_parallel){run_nothing, 2, &calls};
  good &= cr_set_parallel(&pool) == 0 && work() == expected && calls > 0;
  pool = (cr_parallel){lend_again, 2, &calls};
  good &= cr_set_parallel(&pool) == 0 && work() == expected && atomic_load(&refused) > 0;
  good &= others() == 0;
  good &= cr_set_parallel(NULL) == 0 && work() == expected && others() == 3;
  pool = (cr_parallel){NULL, 2, NULL};
  good &= cr_set_parallel(&pool) == CR_E_ARGUMENT;
  pool = (cr_parallel){run_in_turn, 0, &calls};
  good &= cr_set_parallel(&pool) == CR_E_ARGUMENT && work() == expected;
  cr_error_clear();
  return good;
}

/* Lent and taken back while others compute: afterwards nobody is in it. */
static bool taken_back(void) {
  pthread_t busy[2];
  double results[2] = {0};
  bool alone = true;
  cr_parallel pool = {run_in_threads, 3, NULL};
  for (int i = 0; i < 2; i++) pthread_create(&busy[i], NULL, work_in_thread, &results[i]);
  for (int i = 0; i < 50; i++) {
    cr_set_parallel(&pool);
    usleep(500);
    cr_set_parallel(NULL);
    alone &= atomic_load(&inside) == 0;
  }
  for (int i = 0; i < 2; i++) pthread_join(busy[i], NULL);
  return alone && results[0] == expected && results[1] == expected;
}

static bool child_of_lender(void) {
  cr_parallel pool = {run_in_threads, 3, NULL};
  cr_set_parallel(&pool);
  return work() == expected && in_child(child_works);
}

int main(int argc, char **argv) {
  *(void **)&make_thread = dlsym(RTLD_NEXT, "pthread_create");
  bool may_fork = argc < 2 || strcmp(argv[1], "nofork") != 0;
  start_late();
  if (cr_num_threads() == 1 && cr_set_num_threads(2) == 0 && work() == expected && others() == 0)
    return broken; /* a build without threads */
  any_number();
  small_stacks();
  cr_set_num_threads(4);
  stops();
  if (may_fork) {
    forks();
    refusals();
    check(in_child(lent_pool), "a host's pool takes the place of the library's threads");
    check(in_child(taken_back), "a pool that was taken back is no longer used");
    check(in_child(child_of_lender), "a child does not use its parent's pool");
  } else {
    check(taken_back(), "a pool that was taken back is no longer used");
  }
  return broken;
}
