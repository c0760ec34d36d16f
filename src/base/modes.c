/* modes.c: what is set: looked up, and changed where it stands.
 *
 * Holds true: the modes that a thread has entered are those its flags (cr__modes) tell of, also after a
 * scope was opened, closed or written to. A mode is that of the innermost scope that sets it; where no
 * scope does, it is what the modes below say, and in the end what it is at first. */
#include "state.h"

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

static const cr_scope *find_in(cr_modes *m, unsigned sets) {
  return find(m, cr__innermost(m), sets);
}

const cr_scope *cr__scope_find(unsigned sets) { return find_in(cr__present_modes(), sets); }

const cr_scope *cr__scope_find_outside(const cr_scope *s, unsigned sets) {
  return find(s->modes, outside(s->modes, s), sets);
}

static void refresh_autocast(cr_modes *m) {
  const cr_scope *any = find_in(m, CR__SETS_AUTOCAST);
  m->flags.autocast = m->flags.cast_cpu = m->flags.cast_cuda = 0;
  if (!any) return;
  const cr_scope *cpu = find_in(m, CR_SETS_AUTOCAST_CPU), *cuda = find_in(m, CR_SETS_AUTOCAST_CUDA);
  if (cpu && cpu->mode.autocast_cpu.on) {
    m->flags.autocast |= CR__AUTOCAST_CPU;
    m->flags.cast_cpu = (uint8_t)cpu->mode.autocast_cpu.dtype;
  }
  if (cuda && cuda->mode.autocast_cuda.on) {
    m->flags.autocast |= CR__AUTOCAST_CUDA;
    m->flags.cast_cuda = (uint8_t)cuda->mode.autocast_cuda.dtype;
  }
  /* Only modes whose own scope it is are told of its end. */
  if (m->flags.autocast && any->modes == m && !any->mode.autocast_forgets)
    m->flags.autocast |= CR__AUTOCAST_KEEPS;
}

void cr__modes_refresh(cr_modes *m) {
  m->change++;
  const cr_scope *grad = find_in(m, CR_SETS_GRAD), *inference = find_in(m, CR_SETS_INFERENCE);
  const cr_scope *anomaly = find_in(m, CR_SETS_ANOMALY), *hooks = find_in(m, CR__SETS_HOOKS);
  m->flags.no_grad = grad && !grad->mode.grad;
  m->flags.inference = inference && inference->mode.inference;
  m->flags.anomaly = anomaly && anomaly->mode.anomaly;
  m->flags.check_nan = m->flags.anomaly && anomaly->mode.check_nan;
  m->flags.hooks = hooks && hooks->hooks;
  refresh_autocast(m);
  if (m == cr__present_modes()) cr__modes = m->flags;
}

bool cr_modes_in_use(const cr_modes *m) { return m->innermost || m->base.mode.sets; }

void cr_modes_over(cr_modes *m, cr_modes *under) {
  m->under = under;
  cr__modes_refresh(m);
}

/* ---- What is set ---- */

cr_mode cr_mode_get(const cr_modes *m) {
  cr_modes *of = m ? (cr_modes *)m : cr__present_modes();
  return cr__innermost(of)->mode;
}

void cr_mode_set(cr_modes *m, const cr_mode *mode) {
  enum { ALL = CR_SETS_GRAD | CR_SETS_INFERENCE | CR_SETS_ANOMALY | CR__SETS_AUTOCAST };
  cr_modes *of = m ? m : cr__present_modes();
  cr_scope *s = cr__innermost(of);
  unsigned kept = s->mode.sets & ~(unsigned)ALL;
  s->mode = *mode;
  s->mode.sets = kept | (mode->sets & ALL);
  cr__modes_refresh(of);
}

bool cr_grad_enabled(void) { return !cr__modes.no_grad; }
bool cr_set_grad_enabled(bool on) {
  bool before = !cr__modes.no_grad;
  cr_scope *s = cr__innermost(cr__present_modes());
  s->mode.sets |= CR_SETS_GRAD;
  s->mode.grad = on;
  cr__modes_refresh(cr__present_modes());
  return before;
}

bool cr_inference_enabled(void) { return cr__modes.inference; }
bool cr_set_inference(bool on) {
  bool before = cr__modes.inference;
  cr_scope *s = cr__innermost(cr__present_modes());
  s->mode.sets |= CR_SETS_INFERENCE;
  s->mode.inference = on;
  cr__modes_refresh(cr__present_modes());
  if (on) cr_set_grad_enabled(false);
  return before;
}

bool cr_set_anomaly(bool on, bool check_nan, cr_trace trace, void *user) {
  bool before = cr__modes.anomaly;
  cr_scope *s = cr__innermost(cr__present_modes());
  s->mode.sets |= CR_SETS_ANOMALY;
  s->mode.anomaly = on;
  s->mode.check_nan = check_nan;
  s->mode.trace = trace;
  s->mode.trace_user = user;
  cr__modes_refresh(cr__present_modes());
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

bool cr_autocast_enabled(cr_device device, cr_dtype *dtype) {
  bool cuda = device != CR_CPU;
  bool on = cr__modes.autocast & (cuda ? CR__AUTOCAST_CUDA : CR__AUTOCAST_CPU);
  if (dtype && on) *dtype = (cr_dtype)(cuda ? cr__modes.cast_cuda : cr__modes.cast_cpu);
  return on;
}

bool cr_autocast_keeps(void) { return cr__modes.autocast & CR__AUTOCAST_KEEPS; }

/* ---- Streams: the note of a device about streams that were chosen ---- */

bool cr__streams_present(void **note) {
  const cr_scope *s = cr__scope_find(CR__SETS_STREAMS);
  *note = s ? s->streams : NULL;
  return s || cr__entered;
}

bool cr__streams_set_here(void **note) {
  const cr_scope *s = cr__innermost(cr__present_modes());
  *note = s->streams;
  return cr__entered || s != &cr__own_modes.base;
}

void cr__streams_set(void *note) {
  cr_scope *s = cr__innermost(cr__present_modes());
  s->streams = note;
  s->mode.sets |= CR__SETS_STREAMS;
  cr__present_modes()->change++;
}
