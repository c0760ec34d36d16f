/* state.c: states: what a thread has entered, the settings, and the limits of a state.
 *
 * Holds true: a thread that has entered nothing computes in a state and in modes of its own. The bytes that
 * were made in a state are counted there for as long as they live, also after the state is gone. */
#include "state.h"

#include <stdatomic.h>
#include <stdlib.h>

CR__TLS cr_state *cr__state;
CR__TLS cr_state cr__own_state = {.default_dtype = CR_FLOAT32};
CR__TLS struct cr__modes cr__modes;

CR__TLS cr_modes cr__own_modes;
CR__TLS cr_modes *cr__entered;

/* ---- Life ---- */

cr_place cr_enter(cr_place p) { return cr__enter(p); }

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

/* ---- The default dtype ---- */

cr_dtype cr_default_dtype(void) { return (cr_dtype)cr__my_state()->default_dtype; }

int cr_set_default_dtype(cr_dtype d) {
  if (d < 0 || d >= CR_DTYPE_COUNT || !cr__is_float(d))
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
