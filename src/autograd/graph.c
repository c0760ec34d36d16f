/* graph.c: nodes and edges, and a tensor's place among them.
 *
 * Holds true: a tensor owns the node that made it, a node owns the nodes that its gradients go to,
 * a leaf knows its accumulator only weakly. Nodes die on a worklist, so that a chain of any length
 * needs constant stack. */
#include "graph.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

static atomic_uint_fast64_t next_seq = 1;

static uint64_t draw_seq(void) {
  return atomic_fetch_add_explicit(&next_seq, 1, memory_order_relaxed);
}

/* ---- Life of a node ------------------------------------------------------------------------ */

cr_node *cr__node_new(const cr__node_type *type, int nedge, int nout, int nsaved, int nints) {
  size_t head = (sizeof(cr_node) + 15) & ~(size_t)15;
  size_t size = head + (size_t)nedge * sizeof(cr__edge) + (size_t)nsaved * sizeof(cr__saved) +
                (size_t)nints * sizeof(int64_t) + (size_t)nout * sizeof(cr__outmeta);
  cr_node *n = cr__alloc_quickly(size);
  if (!n) return NULL;
  memset(n, 0, head + (size_t)nedge * sizeof(cr__edge) + (size_t)nsaved * sizeof(cr__saved));
  if (CR__UNLIKELY(cr__charge_small(&n->account, (int64_t)size))) {
    cr__free(n, size);
    return NULL;
  }
  char *p = (char *)n + head;
  n->edges = (cr__edge *)p;
  n->saved = (cr__saved *)(n->edges + nedge);
  n->ints = (int64_t *)(n->saved + nsaved);
  n->outs = (cr__outmeta *)(n->ints + nints);
  atomic_init(&n->refs, 1);
  atomic_flag_clear(&n->lock);
  n->size = (uint32_t)size;
  n->seq = draw_seq();
  n->type = type;
  n->nedge = (uint16_t)nedge;
  n->nout = (uint16_t)nout;
  n->nsaved = (uint16_t)nsaved;
  if (CR__UNLIKELY(cr__modes.anomaly)) n->trace = cr__anomaly_trace();
  return n;
}

cr_tensor *cr__zeros_of(const cr_node *n, int output) {
  const cr__outmeta *m = &n->outs[output];
  cr_tensor *t = cr__new("backward", (cr_dtype)m->dtype, m->device, m->ndim, n->ints + m->dims);
  if (t && cr__fill("backward", t, cr_int(0))) {
    cr_release(t);
    return NULL;
  }
  return t;
}

cr_node *cr_node_retain(cr_node *n) {
  if (!n) return NULL;
  int refs = atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
  if (CR__UNLIKELY(n->watched)) cr__tell_watches(n->hooks, refs + 1);
  return n;
}

static void destroy(cr_node *n) {
  if (CR__UNLIKELY(n->watched)) cr__tell_watches(n->hooks, 0);
  if (n->type->destroy) n->type->destroy(n);
  for (int i = 0; i < n->nsaved; i++) cr__saved_clear(&n->saved[i]);
  for (int i = 0; i < n->nedge; i++) cr_node_release(n->edges[i].fn);
  cr__hooks_free(&n->hooks);
  free(n->trace);
  if (CR__UNLIKELY(n->stream != NULL)) cr__node_drop_stream(n);
  if (CR__UNLIKELY(n->account != NULL)) cr__account_settle(n->account, n->size);
  cr__free(n, n->size);
}

/* Gives a reference back; true if it was the last. Who sees a count of one holds the only reference,
 * and nobody can make another, but of an accumulator, which its leaf may revive. */
static inline bool give_back(cr_node *n) {
  int refs = atomic_load_explicit(&n->refs, memory_order_acquire);
  if (n->type == &cr__op_type && refs == 1) return true;
  if (CR__UNLIKELY(n->watched) && refs > 1) cr__tell_watches(n->hooks, refs - 1);
  return atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) == 1;
}

static __attribute__((noinline)) void bury(cr_node *n) {
  static CR__TLS cr_node *dead;
  static CR__TLS bool burying;
  n->next_dead = dead;
  dead = n;
  if (burying) return;
  burying = true;
  while (dead) {
    cr_node *next = dead;
    dead = next->next_dead;
    destroy(next);
  }
  burying = false;
}

void cr_node_release(cr_node *n) {
  if (n && give_back(n)) bury(n);
}

/* ---- Accumulators of leaves --------------------------------------------------------------------- */

static atomic_flag accumulator_lock = ATOMIC_FLAG_INIT;

static void lock_accumulators(void) {
  while (atomic_flag_test_and_set_explicit(&accumulator_lock, memory_order_acquire)) {
  }
}
static void unlock_accumulators(void) {
  atomic_flag_clear_explicit(&accumulator_lock, memory_order_release);
}

/* Takes the gradient over, so that the leaf may keep it as it is, unless somebody still looks at it. */
static int accumulate_backward(cr_node *n, cr_tensor **g, cr_tensor **gi) {
  (void)gi;
  cr_tensor *leaf = n->user, *mine = g[0];
  if (!mine) return 0;
  if (n->hooks || cr__recording()) cr_retain(mine);
  else g[0] = NULL;
  return cr__accumulate(leaf, mine);
}

static void accumulate_destroy(cr_node *n) {
  cr_tensor *leaf = n->user;
  lock_accumulators();
  if (leaf->accumulator == n) leaf->accumulator = NULL;
  unlock_accumulators();
  cr_release(leaf);
}

const cr__node_type cr__accumulate_type = {"AccumulateGrad", accumulate_backward, NULL,
                                           accumulate_destroy};

/* Takes a reference unless the node is already on its way out. */
static bool retain_alive(cr_node *n) {
  int refs = atomic_load(&n->refs);
  while (refs > 0)
    if (atomic_compare_exchange_weak(&n->refs, &refs, refs + 1)) return true;
  return false;
}

/* Whether gradients for n are like t still: cr_set_data may have changed it. */
static bool is_like(const cr_node *n, const cr_tensor *t) {
  const cr__outmeta *m = &n->outs[0];
  return m->dtype == t->dtype && m->device == cr_device_of(t) &&
         cr__has_shape(t, m->ndim, n->ints + m->dims);
}

static cr_node *accumulator_of(cr_tensor *t) {
  lock_accumulators();
  cr_node *n = t->accumulator;
  if (n && (!is_like(n, t) || !retain_alive(n))) n = NULL;
  unlock_accumulators();
  if (n) return n;
  n = cr__node_new(&cr__accumulate_type, 0, 1, 0, t->ndim);
  if (!n) return NULL;
  n->seq = CR__SEQ_LEAF;
  cr__node_set_out(n, 0, t);
  n->user = cr_retain(t);
  lock_accumulators();
  t->accumulator = n;
  unlock_accumulators();
  return n;
}

/* ---- A tensor's place ---------------------------------------------------------------------------- */

bool cr__is_stale(const cr_tensor *t) {
  return t->base && t->view_version != cr__version(t) && cr__requires(t->base);
}

static int refuse_indirect(const cr_tensor *t) {
  static const char *const why[] = {
      [CR__VIEW_MULTI] = "is one of several views that one operation returned (unbind, split)",
      [CR__VIEW_NO_GRAD] = "was made under no_grad",
      [CR__VIEW_FUNCTION] = "was made inside a custom Function",
  };
  return cr__fail(CR_E_AUTOGRAD,
                  "this view %s, and its base or another view of it has been modified in place "
                  "with gradients recorded; clone the view before the write",
                  why[t->view_kind]);
}

/* As a result it would get no gradient any more. */
static int refuse_leaf(void) {
  return cr__fail(CR_E_AUTOGRAD,
                  "this leaf is a view, and its base or another view of it has been modified in "
                  "place with gradients recorded; write under no_grad, or make the leaf of a "
                  "clone");
}

int cr__current_fn_of_view(cr_tensor *t, cr_node **fn) {
  if (cr__is_stale(t)) {
    if (t->flags & CR__REQUIRES_GRAD) return refuse_leaf();
    if (t->view_kind != CR__VIEW_PLAIN) return refuse_indirect(t);
    cr_value args[] = {cr_of(t->base), cr_ints(cr__sizes(t), t->ndim),
                       cr_ints(cr__steps(t), t->ndim), cr_int(t->offset)};
    cr_node *n = cr__record(&cr__ops[CR__OP_as_strided], args, &t, 1, false);
    if (!n) return (int)cr_error_code();
    cr__set_history(t, n, 0);
    t->view_version = cr__version(t);
    cr_node_release(n);
  }
  *fn = t->grad_fn;
  return 0;
}

static inline int edge_of(cr_tensor *t, cr__edge *edge) {
  cr_node *fn;
  int code = cr__current_fn(t, &fn);
  if (CR__UNLIKELY(code)) return code;
  edge->slot = fn ? t->slot : 0;
  if (fn) {
    edge->fn = cr_node_retain(fn);
  } else {
    edge->fn = t->flags & CR__REQUIRES_GRAD ? accumulator_of(t) : NULL;
    if (CR__UNLIKELY(!edge->fn && (t->flags & CR__REQUIRES_GRAD))) return (int)cr_error_code();
  }
  return 0;
}

int cr__edge_of(cr_tensor *t, cr__edge *edge) { return edge_of(t, edge); }

int cr__connect(cr_node *n, int i, cr_tensor *t) {
  int code = edge_of(t, &n->edges[i]);
  const cr_node *fn = n->edges[i].fn;
  /* A stale view has only now got its node: n, which nothing leads to yet, moves behind it. */
  if (fn && fn->seq > n->seq && fn->seq != CR__SEQ_LEAF) n->seq = draw_seq();
  return code;
}

void cr__set_history(cr_tensor *t, cr_node *n, uint32_t slot) {
  cr_node *old = t->grad_fn;
  bool retains = old && (t->flags & CR__RETAIN_GRAD);
  t->grad_fn = cr_node_retain(n);
  t->slot = slot;
  t->flags &= (uint8_t)~CR__REQUIRES_GRAD;
  if (retains) cr__hook_move_retain(old, n, t);
  cr_node_release(old);
}

void cr__tensor_forget(cr_tensor *t) {
  if ((t->flags & CR__RETAIN_GRAD) && t->grad_fn) cr__hook_unretain(t->grad_fn, t);
  cr__hooks_free(&t->hooks);
}

/* ---- Public: flags and places ----------------------------------------------------------------------- */

bool cr_requires_grad(const cr_tensor *t) { return t && cr__requires(t); }
bool cr_is_leaf(const cr_tensor *t) {
  return t && !t->grad_fn && ((t->flags & CR__REQUIRES_GRAD) || !cr__is_stale(t));
}
cr_tensor *cr_grad_of(cr_tensor *t) {
  if (t && !t->grad && !cr_is_leaf(t) && !cr_retains_grad(t))
    cr__warn(
        "grad: this tensor is not a leaf, so backward leaves no gradient in it; call retain_grad() "
        "on it before backward");
  return t ? t->grad : NULL;
}
cr_tensor *cr_base(cr_tensor *t) { return t ? t->base : NULL; }
bool cr_retains_grad(const cr_tensor *t) { return t && (t->flags & CR__RETAIN_GRAD); }
bool cr_is_inference(const cr_tensor *t) { return t && (t->flags & CR__INFERENCE); }

int cr_set_requires_grad(cr_tensor *t, bool on) {
  if (!t) return cr__fail_absent("requires_grad_", "self");
  if (!on && !cr_is_leaf(t))
    return cr__fail(CR_E_AUTOGRAD,
                    "requires_grad_: only a leaf can stop to require grad; this tensor "
                    "is the result of an operation: use x:detach()");
  if (on && !cr__is_inexact((cr_dtype)t->dtype))
    return cr__fail(CR_E_DTYPE,
                    "requires_grad_: only floating point tensors can require grad, this one is %s",
                    cr_dtype_name((cr_dtype)t->dtype));
  if (on && (t->flags & CR__INFERENCE) && !cr__modes.inference)
    return cr__fail(CR_E_AUTOGRAD, "requires_grad_: a tensor made in inference mode cannot require "
                                   "grad outside it; clone it first");
  if (t->grad_fn) return 0;
  t->flags = (uint8_t)(on ? t->flags | CR__REQUIRES_GRAD : t->flags & ~CR__REQUIRES_GRAD);
  return 0;
}

int cr_set_grad(cr_tensor *t, cr_tensor *g) {
  if (!t) return cr__fail_absent("grad", "self");
  cr__text a, b;
  if (g == t) return cr__fail(CR_E_AUTOGRAD, "grad: a tensor cannot be its own gradient");
  if (g && (g->ndim != t->ndim || memcmp(cr__sizes(g), cr__sizes(t), t->ndim * sizeof(int64_t))))
    return cr__fail(CR_E_SHAPE, "grad: a gradient of shape %s was assigned to a tensor of shape %s",
                    cr__shape_text(g->ndim, cr__sizes(g), &a),
                    cr__shape_text(t->ndim, cr__sizes(t), &b));
  if (g && g->dtype != t->dtype)
    return cr__fail(CR_E_DTYPE, "grad: a gradient of dtype %s was assigned to a tensor of dtype %s",
                    cr_dtype_name((cr_dtype)g->dtype), cr_dtype_name((cr_dtype)t->dtype));
  if (g && g->storage->device != t->storage->device)
    return cr__fail(CR_E_DEVICE, "grad: the gradient and the tensor are on different devices");
  cr_tensor *old = t->grad;
  t->grad = cr_retain(g);
  cr_release(old);
  return 0;
}

int cr_retain_grad(cr_tensor *t) {
  if (!t) return cr__fail_absent("retain_grad", "self");
  if (!cr__requires(t))
    return cr__fail(CR_E_AUTOGRAD, "retain_grad: this tensor does not require grad");
  cr_node *fn;
  int code = cr__current_fn(t, &fn);
  if (code || !fn || (t->flags & CR__RETAIN_GRAD)) return code; /* leaves retain it anyway */
  code = cr__hook_retain(fn, t);
  if (!code) t->flags |= CR__RETAIN_GRAD;
  return code;
}

int cr_detach_inplace(cr_tensor *t) {
  if (!t) return cr__fail_absent("detach_", "self");
  if (t->base)
    return cr__fail(CR_E_AUTOGRAD,
                    "detach_: views cannot be detached in place; use x:detach() instead");
  cr_node *old = t->grad_fn;
  if (old && (t->flags & CR__RETAIN_GRAD)) cr__hook_unretain(old, t);
  t->flags &= (uint8_t) ~(CR__REQUIRES_GRAD | CR__RETAIN_GRAD);
  t->grad_fn = NULL;
  t->slot = 0;
  cr_node_release(old);
  return 0;
}

cr_tensor *cr_get_data(cr_tensor *t) {
  if (!t) return NULL;
  cr_tensor *alias = cr__alias_same(t);
  if (!alias) return NULL;
  alias->flags |= CR__NO_VERSION;
  alias->own_version = 0;
  return alias;
}

/* ---- Public: nodes ------------------------------------------------------------------------------------ */

cr_node *cr_grad_fn(cr_tensor *t) {
  cr_node *fn = NULL;
  if (!t || cr__current_fn(t, &fn)) return NULL;
  return cr_node_retain(fn);
}

const char *cr_node_name(const cr_node *n) {
  return n->op ? cr__impls[n->op->id].node_name : cr__function_name(n);
}
int cr_node_next_count(const cr_node *n) { return n->nedge; }
cr_node *cr_node_next(const cr_node *n, int i, int *output) {
  if (i < 0 || i >= n->nedge) return NULL;
  if (output) *output = (int)n->edges[i].slot;
  return cr_node_retain(n->edges[i].fn);
}
cr_tensor *cr_node_variable(const cr_node *n) {
  return n->type == &cr__accumulate_type ? n->user : NULL;
}
const char *cr_node_trace(const cr_node *n) { return n->trace; }
int cr_node_saved_count(const cr_node *n) { return n->op ? n->nsaved : 0; }
int cr_node_saved(cr_node *n, int i, const char **name, cr_value *out) {
  if (!n->op || i < 0 || i >= n->nsaved)
    return cr__fail(CR_E_INDEX, "%s keeps no saved value %d", cr_node_name(n), i + 1);
  const cr__save *s = &cr__impls[n->op->id].saves[i];
  if (name) *name = s->name;
  if (!out) return 0;
  *out = cr_none();
  if (!n->freed && n->saved[i].v.kind == CR_NONE) return 0;
  *out = cr__unpack(n, i);
  return out->kind == CR_NONE ? (int)cr_error_code() : 0;
}
void cr_value_release(cr_value *v) {
  cr__drop(*v);
  *v = cr_none();
}
