/* engine.c: the backward pass: runs the nodes of a graph, each when all its gradients have come.
 *
 * Holds true: a pass gives every node it can reach a task, counts how many gradients each is to
 * get, and runs a node when all have come, youngest first. A node may take part in several passes
 * at once (a Function's backward may call backward, other threads may share the graph): it belongs to
 * the first of them; the tasks of the others form a list. Whatever fails, all tasks are taken off their
 * nodes and the graph can be used on. */
#include "engine.h"

#include <string.h>

/* ---- Tasks --------------------------------------------------------------------------------------- */

static void lock(cr_node *n) {
  while (atomic_flag_test_and_set_explicit(&n->lock, memory_order_acquire)) {
  }
}
static void unlock(cr_node *n) { atomic_flag_clear_explicit(&n->lock, memory_order_release); }

static size_t task_size(const cr_node *n) { return sizeof(task) + n->nout * sizeof(cr_tensor *); }

/* Only the pass that a node belongs to writes its own address there, so it may look without the lock. */
static task *find_task(const pass *p, cr_node *n) {
  if (CR__LIKELY(atomic_load_explicit(&n->pass, memory_order_relaxed) == p)) return n->task;
  if (CR__LIKELY(!atomic_load_explicit(&n->others, memory_order_relaxed))) return NULL;
  lock(n);
  task *t = atomic_load_explicit(&n->others, memory_order_relaxed);
  while (t && t->pass != p) t = t->other;
  unlock(n);
  return t;
}

static void add_task(pass *p, cr_node *n, task *t) {
  struct pass *nobody = NULL;
  if (CR__LIKELY(atomic_compare_exchange_strong_explicit(&n->pass, &nobody, p, memory_order_acquire,
                                                         memory_order_relaxed))) {
    n->task = t;
    return;
  }
  lock(n);
  t->other = atomic_load_explicit(&n->others, memory_order_relaxed);
  atomic_store_explicit(&n->others, t, memory_order_relaxed);
  unlock(n);
}

static void remove_task(const pass *p, cr_node *n, const task *t) {
  if (CR__LIKELY(atomic_load_explicit(&n->pass, memory_order_relaxed) == p)) {
    n->task = NULL;
    atomic_store_explicit(&n->pass, NULL, memory_order_release);
    return;
  }
  lock(n);
  task *at = atomic_load_explicit(&n->others, memory_order_relaxed);
  if (at == t) {
    atomic_store_explicit(&n->others, t->other, memory_order_relaxed);
  } else {
    while (at->other != t) at = at->other;
    at->other = t->other;
  }
  unlock(n);
}

static task *get_task(pass *p, cr_node *n) {
  task *t = find_task(p, n);
  if (t) return t;
  t = cr__alloc(task_size(n));
  if (!t) return NULL;
  t->node = cr_node_retain(n); /* field by field: the compiler clears a whole struct by a call */
  t->pass = p;
  t->other = t->next = NULL;
  t->waiting = 0;
  t->needed = t->runs = t->captured = false;
  t->first = NULL;
  t->version = 0;
  for (int i = 0; i < n->nout; i++) t->grads[i] = NULL;
  add_task(p, n, t);
  if (p->last) p->last->next = t;
  else p->first = t;
  p->last = t;
  return t;
}

static void drop_grads(task *t) {
  for (int i = 0; i < t->node->nout; i++) {
    cr_release(t->grads[i]);
    t->grads[i] = NULL;
  }
}

static void drop_task(task *t) {
  cr_node *n = t->node;
  drop_grads(t);
  remove_task(t->pass, n, t);
  cr__free(t, task_size(n));
  cr_node_release(n);
}

/* ---- The heap of ready tasks ------------------------------------------------------------------------ */

static int push_ready(pass *p, task *t) {
  if (p->nready == p->room) {
    int room = p->room ? 2 * p->room : 16;
    task **wider = cr__alloc((size_t)room * sizeof *wider);
    if (!wider) return CR_E_MEMORY;
    if (p->nready) memcpy(wider, p->ready, (size_t)p->nready * sizeof *wider);
    cr__free(p->ready, (size_t)p->room * sizeof *wider);
    p->ready = wider;
    p->room = room;
  }
  int i = p->nready++;
  while (i > 0 && p->ready[(i - 1) / 2]->node->seq < t->node->seq) {
    p->ready[i] = p->ready[(i - 1) / 2];
    i = (i - 1) / 2;
  }
  p->ready[i] = t;
  return 0;
}

static task *pop_ready(pass *p) {
  task *top = p->ready[0], *last = p->ready[--p->nready];
  int i = 0;
  for (;;) {
    int child = 2 * i + 1;
    if (child >= p->nready) break;
    if (child + 1 < p->nready && p->ready[child + 1]->node->seq > p->ready[child]->node->seq)
      child++;
    if (p->ready[child]->node->seq <= last->node->seq) break;
    p->ready[i] = p->ready[child];
    i = child;
  }
  p->ready[i] = last;
  return top;
}

/* ---- What a node hands on -------------------------------------------------------------------------------- */

/* Under anomaly mode an error says where the forward call was. */
static int explain(const cr_node *n, int code) {
  if (!cr__modes.anomaly || !n->trace || code == CR_E_CALLBACK) return code;
  char text[1024];
  strncpy(text, cr_error_message(), sizeof text - 1);
  text[sizeof text - 1] = 0;
  return cr__fail((cr_error)code, "%s; the forward call was at %s", text, n->trace);
}

/* Passes gi on to the next nodes' tasks; steals its elements. */
static int hand_on(pass *p, const cr_node *n, cr_tensor **gi) {
  int code = 0;
  for (int i = 0; i < n->nedge; i++) {
    const cr__edge *e = &n->edges[i];
    task *t = e->fn ? find_task(p, e->fn) : NULL;
    if (t && gi[i] && !code && (!p->only_inputs || t->needed)) {
      code = cr__fit_grad(n, i, e, &gi[i]);
      if (!code && p->ambient && t->grads[e->slot]) code = cr__streams_keep(n, t->grads[e->slot]);
      if (!code) {
        code = cr__add_grad(&t->grads[e->slot], gi[i]);
        gi[i] = NULL;
      }
    }
    cr_release(gi[i]);
    gi[i] = NULL;
    if (t && --t->waiting == 0 && !code) code = push_ready(p, t);
  }
  return code;
}

/* ---- Running a task --------------------------------------------------------------------------------------------- */

/* Tensor hooks, node pre-hooks, retain_grad: in this order, before the node itself. */
static int run_hooks_before(task *t) {
  cr_node *n = t->node;
  cr_tensor *leaf = cr_node_variable(n);
  int code = 0;
  if (leaf && leaf->hooks && t->grads[0])
    code = cr__hooks_run(&leaf->hooks, CR_HOOK_TENSOR, 0, &t->grads[0], 1, NULL, 0);
  if (!n->hooks || code) return code;
  for (int i = 0; i < n->nout && !code; i++)
    if (t->grads[i]) code = cr__hooks_run(&n->hooks, CR_HOOK_TENSOR, i, &t->grads[i], 1, NULL, 0);
  if (!code) code = cr__hooks_run(&n->hooks, CR_HOOK_PRE, -1, t->grads, n->nout, NULL, 0);
  return code ? code : cr__hooks_store(n, t->grads);
}

static int take_captures(pass *p, task *t) {
  const cr_backward_options *o = p->options;
  for (int i = 0; i < o->ninputs; i++) {
    if (p->capture[i] != t) continue;
    cr_tensor *g = t->grads[p->capture_slot[i]];
    if (!g) continue;
    if (p->results) {
      p->results[i] = cr_retain(g);
    } else if (!cr_node_variable(t->node)) {
      int code = cr__accumulate(o->inputs[i], cr_retain(g));
      if (code) return code;
    }
  }
  return 0;
}

static bool all_null(cr_tensor *const *ts, int n) {
  for (int i = 0; i < n; i++)
    if (ts[i]) return false;
  return true;
}

CR__TLS uint64_t cr__edges_wanted = UINT64_MAX;

/* What lies behind the inputs that gradients are asked for is not computed. Hooks of the node see all of it. */
static uint64_t wanted_edges(const pass *p, const cr_node *n) {
  uint64_t wanted = UINT64_MAX;
  if (!p->only_inputs || n->type != &cr__op_type || n->hooks) return wanted;
  for (int i = 0; i < n->nedge && i < 64; i++) {
    const task *t = n->edges[i].fn ? find_task(p, n->edges[i].fn) : NULL;
    if (!t || !t->needed) wanted &= ~((uint64_t)1 << i);
  }
  return wanted;
}

static int run_node(pass *p, task *t, cr_tensor **gi) {
  cr_node *n = t->node;
  cr_tensor *leaf = cr_node_variable(n);
  if (leaf && !p->accumulates) return 0;
  /* An operation passes nothing on if nothing came; a Function may want to know. */
  if (n->op && all_null(t->grads, n->nout)) return 0;
  bool had_none = leaf && !leaf->grad;
  uint64_t outer = cr__edges_wanted; /* of a pass inside of which this one runs */
  cr__edges_wanted = wanted_edges(p, n);
  int code = n->type->backward(n, t->grads, gi);
  cr__edges_wanted = outer;
  t->first = had_none && !code ? leaf->grad : NULL;
  if (t->first) {
    t->first->flags |= CR__FIRST;
    t->version = cr__version(t->first);
  }
  if (!code && cr__modes.check_nan) code = cr__check_nan(n, gi);
  if (!code && leaf && leaf->hooks && leaf->grad)
    code = cr__hooks_run(&leaf->hooks, CR_HOOK_POST_GRAD, -1, &leaf, 1, NULL, 0);
  if (!code && n->hooks)
    code = cr__hooks_run(&n->hooks, CR_HOOK_POST, -1, gi, n->nedge, t->grads, n->nout);
  return code ? explain(n, code) : 0;
}

static int run_task(pass *p, task *t) {
  cr_node *n = t->node;
  cr_tensor *few[8] = {NULL}, **gi = few;
  if (CR__UNLIKELY(atomic_load_explicit(&cr__interrupt_flags, memory_order_relaxed))) {
    int code = cr__interrupted();
    if (code) return code;
  }
  size_t size = (size_t)n->nedge * sizeof *gi;
  if (n->nedge > 8) {
    gi = cr__alloc(size);
    if (!gi) return CR_E_MEMORY;
    memset(gi, 0, size);
  }
  int code = CR__UNLIKELY(n->stream != NULL) ? cr__streams_follow(&p->ambient, n, t->grads) : 0;
  if (!code) code = run_hooks_before(t);
  if (!code && t->captured) code = take_captures(p, t);
  bool runs = !p->only_inputs || t->runs || (cr_node_variable(n) && t->captured);
  if (!code && runs) {
    code = run_node(p, t, gi);
    if (!p->keep && n->type->free_saved) {
      n->type->free_saved(n);
      n->freed = true;
    }
  }
  drop_grads(t);
  if (code) cr__undo(gi, n->nedge);
  else code = hand_on(p, n, gi);
  if (gi != few) cr__free(gi, size);
  return code;
}

/* ---- Preparing a pass ------------------------------------------------------------------------------------------------ */

static int add_root(pass *p, cr_tensor *root, int i) {
  if (!root) return cr__fail_absent("backward", "root");
  if (!cr__requires(root))
    return cr__fail(CR_E_AUTOGRAD,
                    "backward: output %d does not require grad and has no grad_fn; nothing it was "
                    "made of requires grad, or it was made without recording (no_grad)",
                    i + 1);
  cr__edge e;
  int code = cr__edge_of(root, &e);
  if (code) return code;
  task *t = get_task(p, e.fn);
  cr_tensor *g = NULL;
  code = t ? cr__root_gradient(root, i, p->options, &g) : CR_E_MEMORY;
  if (!code) code = cr__add_grad(&t->grads[e.slot], g);
  cr_node_release(e.fn);
  return code;
}

/* Walks over long graphs look at the deadline every so many nodes. */
static int look(int64_t node) { return node & 1023 ? 0 : cr__interrupted(); }

static int discover(pass *p) {
  int64_t n = 0;
  for (task *t = p->first; t; t = t->next) {
    int code = look(++n);
    if (code) return code;
    for (int i = 0; i < t->node->nedge; i++) {
      if (!t->node->edges[i].fn) continue;
      task *to = get_task(p, t->node->edges[i].fn);
      if (!to) return CR_E_MEMORY;
      to->waiting++;
    }
  }
  return 0;
}

static int mark_inputs(pass *p) {
  const cr_backward_options *o = p->options;
  for (int i = 0; i < o->ninputs; i++) {
    cr_tensor *t = o->inputs[i];
    if (!t) return cr__fail_absent("grad", "inputs");
    if (!cr__requires(t))
      return cr__fail(CR_E_AUTOGRAD, "grad: input %d does not require grad", i + 1);
    cr__edge e;
    int code = cr__edge_of(t, &e);
    if (code) return code;
    p->capture[i] = find_task(p, e.fn);
    p->capture_slot[i] = e.slot;
    if (p->capture[i]) p->capture[i]->captured = p->capture[i]->needed = true;
    cr_node_release(e.fn);
  }
  return 0;
}

/* Marks what leads to an input. Tasks are visited leaves first: seq + 1 makes accumulators least. */
static int mark_needed(pass *p) {
  int n = 0, code = 0;
  for (task *t = p->first; t && !code; t = t->next)
    if (!(code = push_ready(p, t))) code = look(++n);
  if (code) return code;
  task **order = cr__alloc((size_t)n * sizeof *order);
  if (!order) return CR_E_MEMORY;
  for (int i = 0; i < n && !code; i++) {
    order[i] = pop_ready(p); /* accumulators, then youngest to oldest */
    code = look(i + 1);
  }
  for (int i = n; i-- > 0 && !code;) {
    cr_node *node = order[i]->node;
    for (int j = 0; j < node->nedge; j++) {
      task *to = node->edges[j].fn ? find_task(p, node->edges[j].fn) : NULL;
      if (to && to->needed) order[i]->runs = order[i]->needed = true;
    }
  }
  cr__free(order, (size_t)n * sizeof *order);
  return code;
}

/* What a pass that failed has brought to leaves without a gradient would count twice when it is made again.
 * Nothing is taken out of those that had one, or whose gradient a callback has set or written since. */
static void take_back(const pass *p) {
  for (task *t = p->first; t; t = t->next) {
    cr_tensor *leaf = t->first ? cr_node_variable(t->node) : NULL;
    /* The address alone may belong to another tensor by now. */
    if (!leaf || leaf->grad != t->first || !(leaf->grad->flags & CR__FIRST)) continue;
    if (cr__version(leaf->grad) != t->version) continue;
    cr_release(leaf->grad);
    leaf->grad = NULL;
  }
}

/* Runs the callbacks that were queued, or drops them if code is an error; gives the first error. */
static int run_callbacks(pass *p, int code) {
  while (p->callbacks) {
    callback *c = p->callbacks;
    p->callbacks = c->next;
    if (!code) code = c->f(c->user);
    if (c->free_user) c->free_user(c->user);
    cr__free(c, sizeof *c);
  }
  return code;
}

int cr__pass_run(pass *p, cr_tensor *const *roots, int nroots) {
  int code = 0;
  for (int i = 0; i < nroots && !code; i++) code = add_root(p, roots[i], i);
  if (!code) code = discover(p);
  if (!code && p->only_inputs) code = mark_inputs(p);
  if (!code && p->only_inputs) code = mark_needed(p);
  for (task *t = p->first; t && !code; t = t->next)
    if (t->waiting == 0) code = push_ready(p, t);
  while (p->nready && !code) code = run_task(p, pop_ready(p));
  code = cr__streams_return(&p->ambient, code);
  code = run_callbacks(p, code);
  if (CR__UNLIKELY(code)) take_back(p);
  while (p->first) {
    task *t = p->first;
    p->first = t->next;
    drop_task(t);
  }
  cr__free(p->ready, (size_t)p->room * sizeof *p->ready);
  return code;
}
