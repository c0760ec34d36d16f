/* call.h: what the pure form of a call (apply.c) and those that write (write.c) share.
 *
 * Holds true: arguments are checked before anything happens, and a call that failed has drawn no random
 * numbers. */
#ifndef CR__CALL_H
#define CR__CALL_H

#include "autograd/graph.h"

#define CR__MAX_PARAMS 16

/* ---- Arguments (arguments.c) ---- */

typedef union cr__one {
  int64_t i;
  double f;
} cr__one;
typedef struct cr__fixed_args {
  cr_value args[CR__MAX_PARAMS];
  cr__one room[CR__MAX_PARAMS]; /* of lists of one */
} cr__fixed_args;

/* For what the kinds alone do not settle. */
int cr__settle_args(const cr_op *op, const cr_value **args, cr__fixed_args *fixed);

/* Whether the host has something that a call must look at before it begins. */
static inline bool cr__interrupt_pending(void) {
  return atomic_load_explicit(&cr__interrupt_flags, memory_order_relaxed) != 0;
}

/* What cr_set_profiler has set for this thread; looked at only where cr__interrupt_pending(). */
extern CR__TLS cr_profiler cr__my_profiler;

/* Makes *args what the descriptor promises: as they are if nothing is to be done, else a copy. */
static inline int cr__check_args(const cr_op *op, const cr_value **args, cr__fixed_args *fixed) {
  if (CR__UNLIKELY(cr__interrupt_pending())) {
    int code = cr__interrupted();
    if (code) return code;
  }
  const uint16_t *kinds = cr__impls[op->id].kinds;
  for (int i = 0, n = op->nparam; i < n; i++)
    if (CR__UNLIKELY(!(kinds[i] >> (*args)[i].kind & 1))) return cr__settle_args(op, args, fixed);
  return 0;
}

/* Whether the call leaves a node: it is recorded, and an argument with a derivative asks for it. */
bool cr__list_requires(const cr_value *list);
static inline bool cr__wants_node(const cr_op *op, const cr_value *args) {
  const cr__impl *impl = &cr__impls[op->id];
  if (!impl->backward || !cr__recording()) return false;
  for (int i = 0, n = impl->ndiff; i < n; i++) {
    const cr_value *v = &args[impl->diff[i]];
    if (v->kind == CR_TENSOR ? cr__requires(v->u.t) : v->kind == CR_TENSORS && cr__list_requires(v))
      return true;
  }
  return false;
}

/* Makes the results those of a node; undoes them if it cannot. */
int cr__record_results(const cr_op *op, const cr_value *args, cr_tensor **out, int nout);

/* ---- The short way (few.c) ---- */

/* The whole of a pure call of few elements, whose arguments nobody has looked at; CR__NOT_FEW, with nothing done,
 * if it is none for this way. For operations whose impl->few is not 0: these draw no random numbers. */
enum { CR__NOT_FEW = -1 };
int cr__call_few(const cr_op *op, const cr__impl *impl, const cr_value *args, cr_tensor **out);

/* ---- Autocast (autocast.c) ---- */

/* A call of an operation that has policies, in a scope of autocast. */
int cr__call_cast(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout)
    __attribute__((cold));
/* A call whose arguments stay as they are. */
int cr__call_plain(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout);
/* Gives back the casts that modes keep. */
void cr__casts_clear(cr_modes *m);

/* ---- Failures ---- */

/* The generator that the call draws from, and where it stood. */
typedef struct cr__draws {
  struct cr__rng *generator;
  uint64_t offset;
} cr__draws;
static inline cr__draws cr__draws_now(void) {
  struct cr__rng *generator = &cr__my_state()->rng;
  return (cr__draws){generator, generator->offset};
}
static inline void cr__give_draws_back(cr__draws before) {
  before.generator->offset = before.offset;
}
/* Gives the draws back, and makes the error speak of what was called. */
static inline void cr__call_failed(cr__draws before, const cr_op *op, const cr_value *args,
                                   bool inplace) {
  cr__give_draws_back(before);
  cr__speak(op, args, inplace);
}

#endif
