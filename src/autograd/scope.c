/* scope.c: the scopes that set modes: made, opened, closed.
 *
 * Holds true: a scope owns the hooks and the note of streams that it sets, and gives them back when it is
 * freed, or when the modes that it is open in are. */
#include "graph.h"
#include "tensor/call.h"

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
  cr__casts_clear(m);
  if (cr__entered == m) {
    cr__entered = NULL;
    cr__modes = cr__own_modes.flags;
  }
  cr__free(m, sizeof *m);
}

/* ---- Scopes ---- */

static void open_in(cr_scope *s, cr_modes *m) {
  m->base.modes = m; /* a thread's own ones are not made by anybody */
  s->outer = m->innermost;
  s->modes = m;
  m->innermost = s;
  cr__modes_refresh(m);
}

/* Whether a scope of these modes themselves has to do with autocast. */
static bool has_autocast(const cr_modes *m) {
  unsigned sets = m->base.mode.sets;
  for (const cr_scope *s = m->innermost; s; s = s->outer) sets |= s->mode.sets;
  return sets & CR__SETS_AUTOCAST;
}

static void close_scope(cr_scope *s) {
  cr_modes *m = s->modes;
  if (!m) return;
  cr_scope **at = &m->innermost;
  while (*at && *at != s) at = &(*at)->outer;
  if (*at) *at = s->outer;
  s->modes = NULL;
  cr__modes_refresh(m);
  if (m->casts && !has_autocast(m)) cr__casts_clear(m);
}

void cr_autocast_clear(void) { cr__casts_clear(cr__present_modes()); }

cr_scope *cr_scope_new(const cr_mode *mode, const cr_saved_hooks *hooks) {
  cr_scope *s = cr__alloc(sizeof *s);
  if (!s) return NULL;
  *s = (cr_scope){.mode = *mode};
  s->mode.sets &= CR_SETS_GRAD | CR_SETS_INFERENCE | CR_SETS_ANOMALY | CR__SETS_AUTOCAST;
  if (!hooks) return s;
  s->mode.sets |= CR__SETS_HOOKS;
  if ((s->hooks = cr__hooks_new(hooks))) return s;
  cr__free(s, sizeof *s);
  return NULL;
}

void cr_scope_open(cr_scope *s, cr_modes *m) {
  if (s && !s->modes) open_in(s, m ? m : cr__present_modes());
}

void cr_scope_free(cr_scope *s) {
  if (!s) return;
  close_scope(s);
  drop(s);
  cr__free(s, sizeof *s);
}

void cr__scope_begin(cr_scope *s, const cr_mode *mode, struct cr__hooks_ref *hooks) {
  cr_modes *m = cr__present_modes();
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
  if (m && m->innermost == s && m->change == s->change && m == cr__present_modes()) {
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
  open_in(s, cr__present_modes());
  return 0;
}

void cr__scope_pop_hooks(void) {
  cr_scope *s = cr__present_modes()->innermost;
  while (s && !s->pushed) s = s->outer;
  if (s) cr_scope_free(s);
}

/* ---- Streams ---- */

int cr_scope_stream(cr_scope *s, cr_stream *stream) {
  if (!stream) return cr__fail_absent("cuda.stream", "stream");
  void *note = cr__loaded_ops(CR_CUDA)->streams_with(stream);
  if (!note) return (int)cr_error_code();
  cr__streams_free(s->streams);
  s->streams = note;
  s->mode.sets |= CR__SETS_STREAMS;
  return 0;
}
