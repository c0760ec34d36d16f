/* state.h: what calls depend on beside their arguments: settings (cr_state) and modes (cr_modes).
 *
 * Holds true: a thread computes in the place that it has entered, or else in its own. The flags that
 * every call reads are copied into thread-local memory on entering, so that reading one takes an
 * instruction; whoever changes a mode writes both. */
#ifndef CR__STATE_H
#define CR__STATE_H

#include "base.h"

/* ---- Settings ---- */

struct cr__rng { /* see rng.c */
  uint64_t seed, offset;
  bool seeded;
};

/* The bytes that were made in a state and are still there, wherever they are by now. */
typedef struct cr__account {
  _Atomic int64_t
      used;      /* and one more while the state is there; who brings it to 0 frees the account */
  int64_t limit; /* for those who work in the state; 0: none */
} cr__account;
void cr__account_settle(cr__account *a, int64_t bytes); /* gives bytes back */

struct cr_state {
  struct cr__rng rng;
  cr_warning_handler handler;
  void *handler_user;
  double deadline;      /* in seconds of the monotonic clock; 0: none */
  cr__account *account; /* NULL: the thread's own state, which has none */
  int64_t memory;       /* the limit that it has set itself; 0: none */
  struct {
    int64_t memory;
    double deadline;
    int32_t threads;
  } host; /* what cr_state_limit has set; 0: none */
  int32_t default_dtype;
  int32_t threads; /* 0: not asked for */
  bool warned;     /* of what is said once (backward.c) */
};

extern CR__TLS cr_state *cr__state; /* the one that was entered; NULL: the thread's own */
extern CR__TLS cr_state cr__own_state;
static inline cr_state *cr__my_state(void) {
  return CR__LIKELY(cr__state != NULL) ? cr__state : &cr__own_state;
}

/* rng.c: hands out the next blocks of four words of the present generator and moves its offset on, which
 * the dispatcher puts back when a call fails. */
void cr__rng_take(uint64_t blocks, uint64_t *seed, uint64_t *offset);
/* error.c: the deadline of its own, and the host's. */
void cr__deadline_set(cr_state *s, double *deadline, double seconds_from_now);
/* Charges the state that makes something with bytes (> 0): *a is whom to settle with, NULL for nobody. Small
 * things count where there is a limit only, and fail where it is passed. */
static inline void cr__charge(cr__account **a, int64_t bytes) {
  *a = cr__state ? cr__state->account : NULL;
  if (*a) __atomic_fetch_add((int64_t *)&(*a)->used, bytes, __ATOMIC_RELAXED);
}
int cr__charge_small_limited(cr__account **a, int64_t bytes);
static inline int cr__charge_small(cr__account **a, int64_t bytes) {
  *a = NULL;
  if (CR__LIKELY(!cr__state || !cr__state->account->limit)) return CR_E_OK;
  return cr__charge_small_limited(a, bytes);
}
/* What a state has left of its limit does not matter to what others make. Nonzero with the error set. */
int cr__over_state_limit(const char *what, size_t nbytes);
int64_t cr__state_memory_limit(void); /* of the state that was entered */
void cr__state_set_memory_limit(int64_t bytes);

/* ---- Modes ---- */

/* The present ones, as read by every call. */
extern CR__TLS struct cr__modes {
  bool no_grad, inference, anomaly, check_nan;
  bool hooks;                  /* tensors are saved through hooks, or their saving is forbidden */
  uint8_t autocast;            /* CR__AUTOCAST_*; 0: none */
  uint8_t cast_cpu, cast_cuda; /* the dtypes of autocast */
} cr__modes;
enum {
  CR__AUTOCAST_CPU = 1,
  CR__AUTOCAST_CUDA = 2,
  CR__AUTOCAST_KEEPS = 4 /* casts of weights, in the present modes */
};
enum { CR__SETS_AUTOCAST = CR_SETS_AUTOCAST_CPU | CR_SETS_AUTOCAST_CUDA };

/* Two more things that a scope may set, beside those of cr_mode. */
enum { CR__SETS_HOOKS = 8, CR__SETS_STREAMS = 16 };

struct cr_scope {
  struct cr_scope *outer; /* in the same modes */
  cr_modes *modes;        /* NULL: not open */
  cr_mode mode;
  bool pushed;     /* by cr_saved_hooks_push, for its pop */
  unsigned change; /* of cr__scope_begin: the count, and the flags, before */
  struct cr__modes before;
  struct cr__hooks_ref *hooks; /* owned; NULL: none, also where outer scopes have some */
  void *streams;               /* owned: a device's own note of streams that were chosen; or NULL */
};

struct cr_modes {
  cr_scope *innermost; /* NULL: the base */
  cr_scope base;       /* what is set outside every scope */
  cr_modes *under;     /* borrowed; NULL: what modes are at first */
  unsigned change;     /* counts what was opened, closed or set */
  struct cr__modes flags;
  struct cr__casts *casts; /* owned: what autocast keeps (autocast.c); or NULL */
};
extern CR__TLS cr_modes *cr__entered; /* NULL: the thread's own */
extern CR__TLS cr_modes cr__own_modes;
static inline cr_modes *cr__present_modes(void) {
  return cr__entered ? cr__entered : &cr__own_modes;
}
static inline cr_scope *cr__innermost(cr_modes *m) {
  return m->innermost ? m->innermost : &m->base;
}
void cr__modes_refresh(cr_modes *m); /* modes.c: after a change in its scopes */

static inline cr_place cr__enter(cr_place p) {
  cr_place before = {cr__state, cr__entered};
  cr__state = p.state;
  cr__entered = p.modes;
  cr__modes = p.modes ? p.modes->flags : cr__own_modes.flags;
  return before;
}

/* Makes s, in the caller's frame, the innermost scope of the present modes: for as long as the core
 * itself needs a mode. What s holds stays the caller's. */
void cr__scope_begin(cr_scope *s, const cr_mode *mode, struct cr__hooks_ref *hooks);
void cr__scope_end(cr_scope *s);
static inline cr_mode cr__grad_mode(bool on) { return (cr_mode){.sets = CR_SETS_GRAD, .grad = on}; }

/* The innermost scope that sets any of these, or NULL; the next one outside of s, which was found. */
const cr_scope *cr__scope_find(unsigned sets);
const cr_scope *cr__scope_find_outside(const cr_scope *s, unsigned sets);
/* Opens a scope with hooks (stolen; may be NULL) in the present modes; closes the innermost such. */
int cr__scope_push_hooks(struct cr__hooks_ref *hooks);
void cr__scope_pop_hooks(void);

char *cr__anomaly_trace(void); /* what the mode's trace says of the present call; or NULL */

/* What a scope owns belongs to those who know it (saved.c, device.c). */
struct cr__hooks_ref *cr__hooks_new(const cr_saved_hooks *hooks); /* NULL with the error set */
void cr__hooks_release(struct cr__hooks_ref *hooks);
void cr__streams_free(void *streams);
/* The notes of streams, see cr__host (backend.h). */
bool cr__streams_present(void **note);
bool cr__streams_set_here(void **note);
void cr__streams_set(void *note);

#endif
