/* error.c: the calling thread's error, warnings, and the host's wish to stop.
 *
 * Holds true: setting an error cannot fail. The sentence lies in a heap buffer that the thread keeps;
 * when even that cannot be had, the code's own meaning stands in for it. */
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "state.h"

static const char *const meanings[] = {
#define X(NAME, text) text,
    CR_ERRORS(X)
#undef X
};

static CR__TLS cr_error code;
static CR__TLS char *text; /* NULL: the meaning of the code */
static CR__TLS size_t room;
static CR__TLS bool in_text; /* text holds the sentence of the present error */

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool have_key;

static void thread_ends(void *buffer) {
  free(buffer);
  text = NULL;
  room = 0;
  in_text = false;
}
static void make_key(void) { have_key = pthread_key_create(&key, thread_ends) == 0; }

/* Keeps the sentence; the old buffer may be among the arguments that made it, so copy last. */
static void keep(const char *sentence, size_t length) {
  in_text = false;
  if (length >= room) {
    size_t want = length + 1 < 256 ? 256 : length + 1;
    char *p = realloc(text, want);
    if (!p) return;
    text = p;
    room = want;
    pthread_once(&once, make_key);
    if (have_key) pthread_setspecific(key, text);
  }
  memcpy(text, sentence, length + 1);
  in_text = true;
}

static void fail_v(cr_error c, const char *format, va_list args) {
  char local[1024], *long_one = NULL;
  va_list again;
  va_copy(again, args);
  int n = vsnprintf(local, sizeof local, format, args);
  if (n >= (int)sizeof local && (long_one = malloc((size_t)n + 1)) != NULL)
    vsnprintf(long_one, (size_t)n + 1, format, again);
  va_end(again);
  if (n < 0) local[n = 0] = 0;
  code = c;
  if (long_one) keep(long_one, (size_t)n);
  else keep(local, strlen(local));
  free(long_one);
}

int cr__fail(cr_error c, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fail_v(c, format, args);
  va_end(args);
  return c;
}

int cr_error_set(cr_error c, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fail_v(c, format, args);
  va_end(args);
  return c;
}

int cr__fail_memory(const char *what, size_t nbytes) {
  return cr__fail(CR_E_MEMORY, "out of memory: %s needs %zu bytes", what, nbytes);
}

int cr__fail_absent(const char *op, const char *param) {
  if (code != CR_E_OK) return code;
  return cr__fail(CR_E_ARGUMENT, "%s: argument '%s' is missing", op, param);
}

const char *cr_quote(const char *text, size_t n, char mark, cr_quoted *buffer) {
  enum { MOST = 80 };
  bool cut = n > MOST;
  if (cut)
    for (n = MOST; n > MOST - 4 && ((unsigned char)text[n] & 0xC0) == 0x80;) n--;
  char *to = buffer->s;
  *to++ = mark;
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)text[i];
    *to++ = c < ' ' || c == 127 ? '?' : text[i];
  }
  for (int i = 0; i < 3 && cut; i++) *to++ = '.';
  *to++ = mark;
  *to = 0;
  return buffer->s;
}

cr_error cr_error_code(void) { return code; }

const char *cr_error_message(void) {
  if (code == CR_E_OK) return "";
  if (in_text) return text;
  return (size_t)code < sizeof meanings / sizeof *meanings ? meanings[code] : "unknown error";
}

void cr_error_clear(void) { code = CR_E_OK; }

/* ---- Warnings ---- */

cr_warning_handler cr_get_warning_handler(void **user) {
  *user = cr__my_state()->handler_user;
  return cr__my_state()->handler;
}

void cr_set_warning_handler(cr_warning_handler f, void *user) {
  cr__my_state()->handler = f;
  cr__my_state()->handler_user = user;
}

void cr__warn(const char *format, ...) {
  const cr_state *s = cr__my_state();
  if (!s->handler) return;
  char sentence[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(sentence, sizeof sentence, format, args);
  va_end(args);
  s->handler(s->handler_user, sentence);
}

/* ---- Interrupt and deadline ---- */

/* Bit 0: cr_interrupt(true). The rest counts, in steps of two, the states with a deadline and the threads with a
 * profiler. */
_Atomic int cr__interrupt_flags;

void cr__attend(bool on) { atomic_fetch_add(&cr__interrupt_flags, on ? 2 : -2); }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void cr_interrupt(bool on) {
  if (on) atomic_fetch_or(&cr__interrupt_flags, 1);
  else atomic_fetch_and(&cr__interrupt_flags, ~1);
}

void cr__deadline_set(cr_state *s, double *deadline, double seconds_from_now) {
  bool before = s->deadline != 0 || s->host.deadline != 0;
  *deadline = seconds_from_now == 0 ? 0 : now() + seconds_from_now;
  bool after = s->deadline != 0 || s->host.deadline != 0;
  if (before != after) cr__attend(after);
}

void cr_set_deadline(double seconds_from_now) {
  cr_state *s = cr__my_state();
  cr__deadline_set(s, &s->deadline, seconds_from_now);
}

double cr__deadline(void) {
  const cr_state *s = cr__my_state();
  bool host = s->deadline == 0 || (s->host.deadline != 0 && s->host.deadline < s->deadline);
  return host ? s->host.deadline : s->deadline;
}

int cr_state_stopped(const cr_state *s) {
  int why = cr__due(s->host.deadline);
  return why ? cr__fail_stopped(why) : CR_E_OK;
}

enum { BY_HOST = 1, TOO_LATE };

int cr__why_stop(double at) {
  int flags = atomic_load_explicit(&cr__interrupt_flags, memory_order_relaxed);
  if (flags & 1) return BY_HOST;
  return flags && at != 0 && now() >= at ? TOO_LATE : 0;
}

int cr__fail_stopped(int why) {
  if (why == BY_HOST) return cr__fail(CR_E_INTERRUPT, "interrupted by the host");
  return cr__fail(CR_E_INTERRUPT, "interrupted: the deadline has passed");
}

int cr_interrupted(void) { return cr__interrupted(); }

int cr__interrupted(void) {
  int why = cr__due(cr__deadline());
  return CR__LIKELY(!why) ? CR_E_OK : cr__fail_stopped(why);
}
