/* streams.c: threads with streams of their own on one CUDA device. Each check is one promise of
 * cresset.h; the program prints the promises that are broken, and nothing where there is no device. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "cresset.h"

enum { THREADS = 4, ROUNDS = 30, N = 3000 };

static int broken;

static void check(int kept, const char *promise) {
  if (kept) return;
  broken++;
  printf("broken: %s (%s)\n", promise, cr_error_message());
}

static cr_tensor *full(double value) {
  int64_t shape[1] = {N};
  cr_tensor *t = cr_full(shape, 1, cr_float(value), CR_FLOAT64, cr_device_value(CR_CUDA));
  check(t != NULL, "tensors are made on a device");
  if (!t) exit(broken); /* the other thread would wait for it */
  return t;
}

/* The sum of the elements, which waits for the stream. */
static double total(cr_tensor *t) {
  double value = -1;
  cr_tensor *sum = cr_sum(t, NULL, -1, false, CR_DTYPE_NONE);
  if (!sum || cr_read(sum, &value, sizeof value)) value = -1;
  cr_release(sum);
  return value;
}

/* ---- Each on its own ---- */

static void *compute(void *user) {
  double *result = user;
  cr_stream *s = cr_stream_new(0, false);
  if (!s || cr_stream_select(s)) return NULL;
  for (int i = 1; i <= ROUNDS; i++) {
    cr_tensor *x = full(i), *square = cr_mul(x, x), *twice = cr_add(square, square);
    *result += total(twice) / N;
    cr_release(x);
    cr_release(square);
    cr_release(twice);
  }
  cr_stream_release(s);
  return NULL;
}

static void streams_of_threads(void) {
  pthread_t t[THREADS];
  double results[THREADS] = {0}, want = 0;
  for (int i = 1; i <= ROUNDS; i++) want += 2.0 * i * i;
  for (int i = 0; i < THREADS; i++) pthread_create(&t[i], NULL, compute, &results[i]);
  for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
  for (int i = 0; i < THREADS; i++)
    check(results[i] == want, "threads compute on streams of their own");
}

/* ---- From hand to hand: one fills, another reads and gives back ---- */

static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  cr_tensor *tensor; /* NULL: none is on offer */
  cr_event *made;
} hand = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, NULL};

static void *produce(void *user) {
  (void)user;
  cr_stream *s = cr_stream_new(0, false);
  if (!s || cr_stream_select(s)) return NULL;
  for (int i = 1; i <= ROUNDS; i++) {
    cr_tensor *half = full(i), *t = cr_add(half, half);
    cr_release(half);
    pthread_mutex_lock(&hand.lock);
    while (hand.tensor) pthread_cond_wait(&hand.changed, &hand.lock);
    check(cr_event_record(hand.made, NULL) == 0, "an event is recorded on the thread's stream");
    hand.tensor = t;
    pthread_cond_broadcast(&hand.changed);
    pthread_mutex_unlock(&hand.lock);
  }
  cr_stream_release(s);
  return NULL;
}

static void from_thread_to_thread(void) {
  pthread_t maker;
  cr_stream *s = cr_stream_new(0, false);
  double sum = 0;
  hand.made = cr_event_new(false);
  check(s && hand.made && cr_stream_select(s) == 0, "a thread chooses a stream");
  pthread_create(&maker, NULL, produce, NULL);
  for (int i = 1; i <= ROUNDS; i++) {
    pthread_mutex_lock(&hand.lock);
    while (!hand.tensor) pthread_cond_wait(&hand.changed, &hand.lock);
    cr_tensor *t = hand.tensor;
    check(cr_stream_wait(s, hand.made) == 0, "a stream waits for another thread's event");
    hand.tensor = NULL;
    pthread_cond_broadcast(&hand.changed);
    pthread_mutex_unlock(&hand.lock);
    check(cr_stream_record(s, t) == 0, "a tensor of another stream is recorded");
    sum += total(t) / N;
    cr_release(t);
  }
  pthread_join(maker, NULL);
  check(sum == ROUNDS * (ROUNDS + 1), "tensors go from a thread's stream to another's");
  cr_event_free(hand.made);
  cr_stream_release(s);
}

int main(void) {
  if (!cr_cuda_available()) return 0;
  streams_of_threads();
  from_thread_to_thread();
  return broken;
}
