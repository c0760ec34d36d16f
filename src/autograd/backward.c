/* backward.c: what a backward pass is asked for: roots and their gradients, inputs, callbacks.
 *
 * Holds true: the pass itself (engine.c) starts with its options checked and its modes set, and both
 * are as before when it has ended, however it ends. Passes of one thread nest. */
#include "engine.h"

#include <string.h>

static CR__TLS pass *running;

/* ---- A pass ------------------------------------------------------------------------------------- */

static int start(cr_tensor *const *roots, int nroots, const cr_backward_options *o,
                 cr_tensor **results) {
  if (o->gradients && o->ngradients != nroots)
    return cr__fail(CR_E_ARGUMENT, "backward: got %d outputs and %d gradients", nroots,
                    o->ngradients);
  bool inputs = o->ninputs >= 0 && (o->inputs || results);
  size_t n = inputs ? (size_t)o->ninputs : 0;
  pass p = {.keep = o->retain_graph,
            .only_inputs = inputs,
            .options = o,
            .accumulates = !results,
            .results = results,
            .outer = running};
  if (n) {
    p.capture = cr__alloc(n * sizeof *p.capture);
    p.capture_slot = p.capture ? cr__alloc(n * sizeof *p.capture_slot) : NULL;
    if (!p.capture_slot) {
      cr__free(p.capture, n * sizeof *p.capture);
      return CR_E_MEMORY;
    }
    memset(p.capture, 0, n * sizeof *p.capture);
  }
  running = &p;
  cr_scope scope;
  const cr_mode mode = cr__grad_mode(o->create_graph);
  cr__scope_begin(&scope, &mode, NULL);
  int code = cr__pass_run(&p, roots, nroots);
  cr__scope_end(&scope);
  running = p.outer;
  cr__free(p.capture, n * sizeof *p.capture);
  cr__free(p.capture_slot, n * sizeof *p.capture_slot);
  return code;
}

/* ---- Public ---------------------------------------------------------------------------------------------------------- */

int cr_backward(cr_tensor *const *roots, int nroots, const cr_backward_options *options) {
  static const cr_backward_options plain = {.ninputs = -1};
  const cr_backward_options *o = options ? options : &plain;
  if (nroots == 0) return cr__fail(CR_E_ARGUMENT, "backward: needs at least one output");
  if (o->inputs && o->ninputs == 0)
    return cr__fail(CR_E_ARGUMENT, "backward: the list of inputs is empty");
  bool *warned = &cr__my_state()->warned;
  if (o->create_graph && !*warned) {
    *warned = true;
    cr__warn(
        "backward with create_graph makes each leaf and its grad own each other; use cr.grad, or "
        "set grad to nil afterwards, or the memory is never freed");
  }
  return start(roots, nroots, o, NULL);
}

int cr_grad(cr_tensor *const *roots, int nroots, const cr_backward_options *options,
            cr_tensor **out) {
  if (!options || options->ninputs <= 0)
    return cr__fail(CR_E_ARGUMENT, "grad: needs at least one input");
  if (nroots == 0) return cr__fail(CR_E_ARGUMENT, "grad: needs at least one output");
  int n = options->ninputs;
  for (int i = 0; i < n; i++) out[i] = NULL;
  int code = start(roots, nroots, options, out);
  for (int i = 0; i < n && !code; i++) {
    if (out[i]) continue;
    if (options->materialize) {
      out[i] =
          cr__op1(CR__OP_zeros_like, (cr_value[]){cr_of(options->inputs[i]), cr_none(), cr_none()});
      code = out[i] ? cr_set_requires_grad(out[i], true) : (int)cr_error_code();
    } else if (!options->allow_unused) {
      code =
          cr__fail(CR_E_AUTOGRAD,
                   "grad: input %d was not used to compute the outputs; give allow_unused = true "
                   "to get nil for it",
                   i + 1);
    }
  }
  return code ? cr__undo(out, n) : 0;
}

int cr_queue_callback(int (*f)(void *user), void *user, void (*free_user)(void *)) {
  if (!running) {
    if (free_user) free_user(user);
    return cr__fail(CR_E_AUTOGRAD, "queue_callback: no backward pass is running");
  }
  callback *c = cr__alloc(sizeof *c);
  if (!c) {
    if (free_user) free_user(user);
    return CR_E_MEMORY;
  }
  *c = (callback){NULL, f, user, free_user};
  callback **at = &running->callbacks;
  while (*at) at = &(*at)->next;
  *at = c;
  return 0;
}
