/* scope.c: modes, and the scopes that set them.
 *
 * Holds true: the modes that a thread has entered are those its flags (cr__modes) tell of, also after a
 * scope was opened, closed or written to. A mode is that of the innermost scope that sets it; where no
 * scope does, it is what the modes below say, and in the end what it is at first. */
#include "graph.h"

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
