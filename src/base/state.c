/* state.c: states and modes: making them, entering them, and the scopes that set modes.
 *
 * Holds true: the modes that a thread has entered are those its flags (cr__modes) tell of, also after a
 * scope was opened, closed or written to. A mode is that of the innermost scope that sets it; where no
 * scope does, it is what the modes below say, and in the end what it is at first. */
#include <stdlib.h>
#include <string.h>

#include "tensor/core.h"

CR__TLS cr_state *cr__state;
CR__TLS cr_state cr__own_state = {.default_dtype = CR_FLOAT32};
CR__TLS struct cr__modes cr__modes;

CR__TLS cr_modes cr__own_modes;
CR__TLS cr_modes *cr__entered;

static cr_modes *present(void) { return cr__entered ? cr__entered : &cr__own_modes; }
static cr_scope *top(cr_modes *m) { return m->innermost ? m->innermost : &m->base; }

/* ---- Looking modes up ---- */

static const cr_scope *outside(const cr_modes *m, const cr_scope *s) {
  if (s == &m->base) return NULL;
  return s->outer ? s->outer : &m->base;
}

/* From s of m on outwards. */
static const cr_scope *find(const cr_modes *m, const cr_scope *s, unsigned sets) {
  for (;;) {
    for (; s; s = outside(m, s))
      if (s->mode.sets & sets) return s;
    m = m->under;
    if (!m) return NULL;
    s = m->innermost ? m->innermost : &m->base;
  }
}

static const cr_scope *find_in(cr_modes *m, unsigned sets) { return find(m, top(m), sets); }

const cr_scope *cr__scope_find(unsigned sets) { return find_in(present(), sets); }

const cr_scope *cr__scope_find_outside(const cr_scope *s, unsigned sets) {
  return find(s->modes, outside(s->modes, s), sets);
}

static void refresh(cr_modes *m) {
  m->change++;
  const cr_scope *grad = find_in(m, CR_SETS_GRAD), *inference = find_in(m, CR_SETS_INFERENCE);
  const cr_scope *anomaly = find_in(m, CR_SETS_ANOMALY), *hooks = find_in(m, CR__SETS_HOOKS);
  m->flags.no_grad = grad && !grad->mode.grad;
  m->flags.inference = inference && inference->mode.inference;
  m->flags.anomaly = anomaly && anomaly->mode.anomaly;
  m->flags.check_nan = m->flags.anomaly && anomaly->mode.check_nan;
  m->flags.hooks = hooks && hooks->hooks;
  if (m == present()) cr__modes = m->flags;
}

/* ---- Life ---- */

cr_state *cr_state_new(void) {
  cr_state *s = cr__alloc(sizeof *s);
  cr__account *a = s ? malloc(sizeof *a) : NULL;
  if (!a) {
    if (s) cr__fail_memory("a state", sizeof *a);
    cr__free(s, sizeof *s);
    return NULL;
  }
  *a = (cr__account){.used = 1};
  *s = (cr_state){.default_dtype = CR_FLOAT32, .account = a};
  return s;
}

void cr_state_free(cr_state *s) {
  if (!s) return;
  if (cr__state == s) cr__state = NULL;
  cr__deadline_set(s, &s->deadline, 0);
  cr__deadline_set(s, &s->host.deadline, 0);
  cr__account_settle(s->account, 1);
  cr__free(s, sizeof *s);
}

/* ---- Limits ---- */

static int64_t lower(int64_t a, int64_t b) { return a == 0 || (b != 0 && b < a) ? b : a; }

void cr__account_settle(cr__account *a, int64_t bytes) {
  if (atomic_fetch_sub_explicit(&a->used, bytes, memory_order_acq_rel) == bytes) free(a);
}

int cr__over_state_limit(const char *what, size_t nbytes) {
  const cr__account *a = cr__state ? cr__state->account : NULL;
  if (CR__LIKELY(!a || a->limit == 0)) return CR_E_OK;
  int64_t used = atomic_load_explicit(&a->used, memory_order_relaxed) - 1;
  if (nbytes <= (size_t)a->limit && used <= a->limit - (int64_t)nbytes) return CR_E_OK;
  if (nbytes > (size_t)a->limit)
    return cr__fail(CR_E_MEMORY,
                    "out of memory: %s needs %zu bytes, more than the whole limit of %lld (%lld "
                    "are in use)",
                    what, nbytes, (long long)a->limit, (long long)used);
  return cr__fail(CR_E_MEMORY,
                  "out of memory: %s needs %zu bytes, but %lld of the limit of %lld are in use",
                  what, nbytes, (long long)used, (long long)a->limit);
}

int cr__charge_small_limited(cr__account **a, int64_t bytes) {
  if (cr__over_state_limit("a small block", (size_t)bytes)) return CR_E_MEMORY;
  cr__charge(a, bytes);
  return CR_E_OK;
}

int64_t cr__state_memory_limit(void) { return cr__state ? cr__state->account->limit : 0; }

void cr__state_set_memory_limit(int64_t bytes) {
  cr__state->memory = bytes;
  cr__state->account->limit = lower(bytes, cr__state->host.memory);
}

int cr_state_limit(cr_state *s, const cr_limits *l) {
  if (l->memory < 0 || !(l->seconds >= 0) || l->threads < 0)
    return cr__fail(CR_E_ARGUMENT, "limit: memory, seconds and threads must be 0 (none) or more");
  s->host.memory = l->memory;
  s->account->limit = lower(s->memory, l->memory);
  s->host.threads = l->threads;
  cr__deadline_set(s, &s->host.deadline, l->seconds);
  return CR_E_OK;
}

int cr_set_num_threads(int n) {
  if (n < 1) return cr__fail(CR_E_ARGUMENT, "set_num_threads: got %d; at least 1 is needed", n);
  cr__my_state()->threads = n;
  return 0;
}

int cr_num_threads(void) {
  const cr_state *s = cr__my_state();
  int n = s->threads > 0 ? s->threads : cr__cpu_threads_offered();
  return s->host.threads > 0 && s->host.threads < n ? s->host.threads : n;
}

cr_modes *cr_modes_new(void) {
  cr_modes *m = cr__alloc(sizeof *m);
  if (!m) return NULL;
  *m = (cr_modes){.base.modes = m};
  return m;
}

static void drop(cr_scope *s) {
  cr__hooks_release(s->hooks);
  cr__streams_free(s->streams);
  s->hooks = NULL;
  s->streams = NULL;
}

/* Its scopes go with it, though their memory stays those's who made them. */
void cr_modes_free(cr_modes *m) {
  if (!m) return;
  while (m->innermost) {
    cr_scope *s = m->innermost;
    m->innermost = s->outer;
    s->modes = NULL;
  }
  drop(&m->base);
  if (cr__entered == m) {
    cr__entered = NULL;
    cr__modes = cr__own_modes.flags;
  }
  cr__free(m, sizeof *m);
}

bool cr_modes_in_use(const cr_modes *m) { return m->innermost || m->base.mode.sets; }

cr_place cr_enter(cr_place p) { return cr__enter(p); }

void cr_modes_over(cr_modes *m, cr_modes *under) {
  m->under = under;
  refresh(m);
}

/* ---- Scopes ---- */

static void open_in(cr_scope *s, cr_modes *m) {
  m->base.modes = m; /* a thread's own ones are not made by anybody */
  s->outer = m->innermost;
  s->modes = m;
  m->innermost = s;
  refresh(m);
}

static void close_scope(cr_scope *s) {
  cr_modes *m = s->modes;
  if (!m) return;
  cr_scope **at = &m->innermost;
  while (*at && *at != s) at = &(*at)->outer;
  if (*at) *at = s->outer;
  s->modes = NULL;
  refresh(m);
}

cr_scope *cr_scope_new(const cr_mode *mode, const cr_saved_hooks *hooks) {
  cr_scope *s = cr__alloc(sizeof *s);
  if (!s) return NULL;
  *s = (cr_scope){.mode = *mode};
  s->mode.sets &= CR_SETS_GRAD | CR_SETS_INFERENCE | CR_SETS_ANOMALY;
  if (!hooks) return s;
  s->mode.sets |= CR__SETS_HOOKS;
  if ((s->hooks = cr__hooks_new(hooks))) return s;
  cr__free(s, sizeof *s);
  return NULL;
}

void cr_scope_open(cr_scope *s, cr_modes *m) {
  if (s && !s->modes) open_in(s, m ? m : present());
}

void cr_scope_free(cr_scope *s) {
  if (!s) return;
  close_scope(s);
  drop(s);
  cr__free(s, sizeof *s);
}

void cr__scope_begin(cr_scope *s, const cr_mode *mode, struct cr__hooks_ref *hooks) {
  cr_modes *m = present();
  *s = (cr_scope){.mode = *mode, .hooks = hooks, .before = m->flags};
  if (mode->sets != CR_SETS_GRAD) {
    open_in(s, m);
  } else { /* the same in a few steps */
    s->outer = m->innermost;
    s->modes = m;
    m->innermost = s;
    m->base.modes = m;
    m->flags.no_grad = !mode->grad;
    cr__modes = m->flags;
  }
  s->change = m->change;
}

void cr__scope_end(cr_scope *s) {
  cr_modes *m = s->modes;
  if (m && m->innermost == s && m->change == s->change && m == present()) {
    m->innermost = s->outer;
    m->flags = cr__modes = s->before;
    s->modes = NULL;
    return;
  }
  close_scope(s);
  cr__streams_free(s->streams);
}

int cr__scope_push_hooks(struct cr__hooks_ref *hooks) {
  cr_scope *s = cr__alloc(sizeof *s);
  if (!s) {
    cr__hooks_release(hooks);
    return CR_E_MEMORY;
  }
  *s = (cr_scope){.mode.sets = CR__SETS_HOOKS, .pushed = true, .hooks = hooks};
  open_in(s, present());
  return 0;
}

void cr__scope_pop_hooks(void) {
  cr_scope *s = present()->innermost;
  while (s && !s->pushed) s = s->outer;
  if (s) cr_scope_free(s);
}

/* ---- What is set ---- */

cr_mode cr_mode_get(const cr_modes *m) {
  cr_modes *of = m ? (cr_modes *)m : present();
  return top(of)->mode;
}

void cr_mode_set(cr_modes *m, const cr_mode *mode) {
  enum { ALL = CR_SETS_GRAD | CR_SETS_INFERENCE | CR_SETS_ANOMALY };
  cr_modes *of = m ? m : present();
  cr_scope *s = top(of);
  unsigned kept = s->mode.sets & ~(unsigned)ALL;
  s->mode = *mode;
  s->mode.sets = kept | (mode->sets & ALL);
  refresh(of);
}

bool cr_grad_enabled(void) { return !cr__modes.no_grad; }
bool cr_set_grad_enabled(bool on) {
  bool before = !cr__modes.no_grad;
  cr_scope *s = top(present());
  s->mode.sets |= CR_SETS_GRAD;
  s->mode.grad = on;
  refresh(present());
  return before;
}

bool cr_inference_enabled(void) { return cr__modes.inference; }
bool cr_set_inference(bool on) {
  bool before = cr__modes.inference;
  cr_scope *s = top(present());
  s->mode.sets |= CR_SETS_INFERENCE;
  s->mode.inference = on;
  refresh(present());
  if (on) cr_set_grad_enabled(false);
  return before;
}

bool cr_set_anomaly(bool on, bool check_nan, cr_trace trace, void *user) {
  bool before = cr__modes.anomaly;
  cr_scope *s = top(present());
  s->mode.sets |= CR_SETS_ANOMALY;
  s->mode.anomaly = on;
  s->mode.check_nan = check_nan;
  s->mode.trace = trace;
  s->mode.trace_user = user;
  refresh(present());
  return before;
}

bool cr_anomaly_enabled(bool *check_nan) {
  if (check_nan) *check_nan = cr__modes.check_nan;
  return cr__modes.anomaly;
}

char *cr__anomaly_trace(void) {
  const cr_scope *s = cr__scope_find(CR_SETS_ANOMALY);
  return s && s->mode.anomaly && s->mode.trace ? s->mode.trace(s->mode.trace_user) : NULL;
}

/* ---- Streams ---- */

bool cr__streams_present(void **note) {
  const cr_scope *s = cr__scope_find(CR__SETS_STREAMS);
  *note = s ? s->streams : NULL;
  return s || cr__entered;
}

bool cr__streams_set_here(void **note) {
  const cr_scope *s = top(present());
  *note = s->streams;
  return cr__entered || s != &cr__own_modes.base;
}

void cr__streams_set(void *note) {
  cr_scope *s = top(present());
  s->streams = note;
  s->mode.sets |= CR__SETS_STREAMS;
  present()->change++;
}

int cr_scope_stream(cr_scope *s, cr_stream *stream) {
  if (!stream) return cr__fail_absent("cuda.stream", "stream");
  void *note = cr__cuda_loaded()->device->streams_with(stream);
  if (!note) return (int)cr_error_code();
  cr__streams_free(s->streams);
  s->streams = note;
  s->mode.sets |= CR__SETS_STREAMS;
  return 0;
}

/* ---- The default dtype ---- */

cr_dtype cr_default_dtype(void) { return (cr_dtype)cr__my_state()->default_dtype; }

int cr_set_default_dtype(cr_dtype d) {
  if (d < 0 || d >= CR_DTYPE_COUNT || cr__category(d) != CR_FLOATING)
    return cr__fail(CR_E_DTYPE,
                    "set_default_dtype: %s is not a floating dtype (float64, float32, "
                    "float16 or bfloat16)",
                    cr_dtype_name(d));
  cr__my_state()->default_dtype = (int32_t)d;
  return CR_E_OK;
}

cr_dtype cr__scalar_dtype(const cr_value *number) {
  if (number->kind == CR_FLOAT) return cr_default_dtype();
  return number->kind == CR_BOOLEAN_VALUE ? CR_BOOL : CR_INT64;
}
