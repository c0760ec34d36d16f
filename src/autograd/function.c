/* function.c: custom Functions: nodes whose two halves are the caller's.
 *
 * Holds true: forward runs unrecorded; what it returns is placed in the graph afterwards, as the
 * outputs of one node. The context lives exactly as long as that node, or, when no gradient is
 * wanted, as the call. It refers to the node weakly, the node owns it. */
#include "graph.h"

#include <stdio.h>
#include <string.h>

struct cr_context {
  cr_function f;
  void *user;
  char name[64];
  cr_node *node;            /* weak; NULL during forward and where no gradient is wanted */
  cr_tensor *const *inputs; /* borrowed, during forward only */
  int nin, nresults, nsaved, ndirty, nfixed;
  bool materialize;
  bool *needs;                        /* per input */
  cr_tensor *results[CR_MAX_RESULTS]; /* owned during forward */
  cr_tensor **to_save;                /* owned during forward; elements may be NULL */
  cr_tensor *dirty[CR_MAX_RESULTS], *fixed[CR_MAX_RESULTS]; /* borrowed during forward */
  cr__saved *saved; /* nsaved of them, once there is a node */
};

/* ---- Life ------------------------------------------------------------------------------------------ */

static void drop_list(cr_tensor ***ts, int n) {
  if (*ts)
    for (int i = 0; i < n; i++) cr_release((*ts)[i]);
  cr__free(*ts, (size_t)n * sizeof **ts);
  *ts = NULL;
}

static void free_saved(cr_context *c) {
  if (!c->saved) return;
  for (int i = 0; i < c->nsaved; i++) cr__saved_clear(&c->saved[i]);
  cr__free(c->saved, (size_t)c->nsaved * sizeof *c->saved);
  c->saved = NULL;
}

static void context_free(cr_context *c) {
  free_saved(c);
  drop_list(&c->to_save, c->nsaved);
  for (int i = 0; i < c->nresults; i++) cr_release(c->results[i]);
  if (c->f.free_user) c->f.free_user(c->user);
  cr__free(c->needs, (size_t)c->nin * sizeof *c->needs + 1);
  cr__free(c, sizeof *c);
}

static cr_context *context_new(const cr_function *f, void *user, cr_tensor *const *inputs, int n) {
  cr_context *c = cr__alloc(sizeof *c);
  if (!c) return NULL;
  memset(c, 0, sizeof *c);
  c->f = *f;
  c->f.free_user = NULL; /* until the context is whole, the caller frees user */
  c->user = user;
  c->inputs = inputs;
  c->nin = n;
  c->materialize = true;
  snprintf(c->name, sizeof c->name, "%s", f->name ? f->name : "Function");
  c->needs = cr__alloc((size_t)n * sizeof *c->needs + 1);
  if (!c->needs) {
    cr__free(c, sizeof *c);
    return NULL;
  }
  for (int i = 0; i < n; i++) c->needs[i] = cr__recording() && inputs[i] && cr__requires(inputs[i]);
  c->f.free_user = f->free_user;
  return c;
}

/* ---- The node ------------------------------------------------------------------------------------------ */

/* A gradient for a caller that may write to it: g itself, or a copy if others read g. */
static cr_tensor *writable(cr_tensor *g) {
  return cr__unshared(g) ? cr_retain(g) : cr__op1(CR__OP_clone, (cr_value[]){cr_of(g)});
}

static int give_gradients(const cr_context *c, cr_node *n, cr_tensor *const *g, cr_tensor **given) {
  for (int i = 0; i < n->nout; i++) {
    if (g[i]) given[i] = writable(g[i]);
    else if (c->materialize) given[i] = cr__zeros_of(n, i);
    else continue;
    if (!given[i]) return (int)cr_error_code();
  }
  return 0;
}

static int refuse_twice(cr_node *n, cr_tensor **g, cr_tensor **gi) {
  (void)g, (void)gi;
  return cr__fail(CR_E_AUTOGRAD,
                  "%s: its backward is declared once_differentiable and cannot be "
                  "differentiated again",
                  (const char *)n->user);
}
static void free_name(cr_node *n) { cr__free(n->user, 64); }
static const cr__node_type refusing_type = {"OnceDifferentiable", refuse_twice, NULL, free_name};

/* Puts a node that refuses behind gradients that could be differentiated but must not. */
static int forbid_second(const cr_context *c, cr_tensor **gi) {
  for (int i = 0; i < c->nin; i++) {
    if (!gi[i]) continue;
    cr_tensor *alias = cr__alias_same(gi[i]);
    cr_node *n = alias ? cr__node_new(&refusing_type, 0, 1, 0, alias->ndim) : NULL;
    char *name = n ? cr__alloc(64) : NULL;
    if (!name) {
      if (n) n->type = &cr__op_type, cr_node_release(n);
      cr_release(alias);
      return CR_E_MEMORY;
    }
    memcpy(name, c->name, 64);
    n->user = name;
    cr__node_set_out(n, 0, alias);
    cr__set_history(alias, n, 0);
    cr_node_release(n);
    cr_release(gi[i]);
    gi[i] = alias;
  }
  return 0;
}

static int function_backward(cr_node *n, cr_tensor **g, cr_tensor **gi) {
  cr_context *c = n->user;
  if (!c->f.backward)
    return cr__fail(CR_E_AUTOGRAD, "%s: has no backward, but a gradient reached it", c->name);
  cr_tensor *given[CR_MAX_RESULTS] = {NULL};
  bool second = false;
  int code = give_gradients(c, n, g, given);
  if (c->f.once_differentiable && cr_grad_enabled())
    for (int i = 0; i < n->nout; i++) second = second || (g[i] && cr__requires(g[i]));
  cr_scope scope;
  const cr_mode mode = cr__grad_mode(cr_grad_enabled() && !c->f.once_differentiable);
  cr__scope_begin(&scope, &mode, NULL);
  if (!code) code = c->f.backward(c, c->user, given, n->nout, gi, c->nin);
  cr__scope_end(&scope);
  if (!code && second) code = forbid_second(c, gi);
  for (int i = 0; i < n->nout; i++) cr_release(given[i]);
  if (code && !cr_error_code()) cr__fail(CR_E_CALLBACK, "%s: backward failed", c->name);
  return code;
}

static void function_free_saved(cr_node *n) { free_saved(n->user); }
static void function_destroy(cr_node *n) { context_free(n->user); }
static const cr__node_type function_type = {"Function", function_backward, function_free_saved,
                                            function_destroy};

const char *cr__function_name(const cr_node *n) {
  return n->type == &function_type ? ((const cr_context *)n->user)->name : n->type->name;
}

/* ---- Placing the results ------------------------------------------------------------------------------------ */

static int index_of(cr_tensor *const *ts, int n, const cr_tensor *t) {
  for (int i = 0; i < n; i++)
    if (ts[i] == t) return i;
  return -1;
}

static int check_dirty(const cr_context *c, bool records) {
  for (int i = 0; i < c->ndirty; i++) {
    cr_tensor *t = c->dirty[i];
    if (index_of(c->inputs, c->nin, t) < 0)
      return cr__fail(CR_E_AUTOGRAD, "%s: a tensor marked as dirty is not one of the inputs",
                      c->name);
    if (index_of(c->results, c->nresults, t) < 0)
      return cr__fail(CR_E_AUTOGRAD,
                      "%s: a tensor marked as dirty was not returned from forward; "
                      "every dirty input must be",
                      c->name);
    if (records && t->base && c->nresults > 1)
      return cr__fail(CR_E_AUTOGRAD,
                      "%s: an input that is a view was modified in place, and forward "
                      "returned several results; return only the view, or clone it",
                      c->name);
    int code = cr__inplace_check(c->name, "", t, records);
    if (code) return code;
  }
  return 0;
}

/* Makes results[i] the i-th output of n, or a plain tensor. */
static int place(cr_context *c, cr_node *n, int i) {
  cr_tensor *t = c->results[i], *alias;
  bool fixed = index_of(c->fixed, c->nfixed, t) >= 0 || !cr__is_inexact((cr_dtype)t->dtype);
  int input = index_of(c->inputs, c->nin, t);
  bool dirty = index_of(c->dirty, c->ndirty, t) >= 0;
  if (dirty && !fixed) {
    return cr__inplace_record(t, n, input, (uint32_t)i);
  }
  bool again = index_of(c->results, i, t) >= 0;
  if (input < 0 && !again && !t->grad_fn && !(t->flags & CR__REQUIRES_GRAD)) {
    if (t->base) t->view_kind = CR__VIEW_FUNCTION;
    if (!fixed) cr__set_history(t, n, (uint32_t)i);
    return 0;
  }
  alias = cr__alias_same(t); /* an input as it is, or a tensor with a history of its own */
  if (!alias) return CR_E_MEMORY;
  if (!fixed) {
    if (input >= 0) cr__mark_view(alias, t, CR__VIEW_FUNCTION);
    cr__set_history(alias, n, (uint32_t)i);
  }
  c->results[i] = alias;
  cr_release(t);
  return 0;
}

static int save_all(cr_context *c, cr_node *n, cr_tensor *const *originals) {
  if (!c->nsaved) return 0;
  c->saved = cr__alloc((size_t)c->nsaved * sizeof *c->saved);
  if (!c->saved) return CR_E_MEMORY;
  memset(c->saved, 0, (size_t)c->nsaved * sizeof *c->saved);
  for (int i = 0; i < c->nsaved; i++) {
    cr_tensor *t = c->to_save[i];
    if (!t) continue;
    int slot = index_of(c->results, c->nresults, t);
    if (slot < 0) slot = index_of(originals, c->nresults, t);
    bool output = slot >= 0 && index_of(c->inputs, c->nin, t) < 0;
    output = output || (slot >= 0 && index_of(c->dirty, c->ndirty, t) >= 0);
    bool graph = output && index_of(c->fixed, c->nfixed, t) < 0;
    int code = cr__save_tensor(n, &c->saved[i], t, graph, (uint32_t)(slot < 0 ? 0 : slot));
    if (code) return code;
  }
  return 0;
}

/* Steals c, also when it fails. */
static cr_node *make_node(cr_context *c) {
  int nints = 0;
  for (int i = 0; i < c->nresults; i++) nints += c->results[i]->ndim;
  cr_node *n = cr__node_new(&function_type, c->nin, c->nresults, 0, nints);
  if (!n) {
    context_free(c);
    return NULL;
  }
  for (int i = 0; i < c->nresults; i++) cr__node_set_out(n, i, c->results[i]);
  n->user = c;
  c->node = n;
  for (int i = 0; i < c->nin; i++) {
    if (!c->needs[i] || !cr__connect(n, i, c->inputs[i])) continue;
    cr_node_release(n); /* takes the context with it */
    return NULL;
  }
  return n;
}

/* Steals c. Puts the results where they belong and gives them to the caller. */
static int finish(cr_context *c, cr_tensor **out, int *nout) {
  bool records = false;
  for (int i = 0; i < c->nin; i++) records = records || c->needs[i];
  int code = check_dirty(c, records);
  if (code) return context_free(c), code;
  for (int i = 0; i < c->ndirty; i++) {
    cr__bump(c->dirty[i]);
    c->dirty[i]->storage->writer = "a Function";
  }
  cr_node *n = records ? make_node(c) : NULL;
  if (records && !n) return (int)cr_error_code();
  cr_tensor *originals[CR_MAX_RESULTS];
  memcpy(originals, c->results, sizeof originals);
  for (int i = 0; n && i < c->nresults && !code; i++) code = place(c, n, i);
  if (n && !code) code = save_all(c, n, originals);
  drop_list(&c->to_save, c->nsaved);
  *nout = c->nresults;
  memcpy(out, c->results, (size_t)c->nresults * sizeof *out);
  c->nresults = 0;
  c->inputs = NULL;
  if (n) cr_node_release(n); /* now the results' own */
  else context_free(c);
  return code ? cr__undo(out, *nout) : 0;
}

int cr_function_apply(const cr_function *f, void *user, cr_tensor *const *inputs, int n,
                      cr_tensor **out, int *nout) {
  *nout = 0;
  cr_context *c = context_new(f, user, inputs, n);
  if (!c) {
    if (f->free_user) f->free_user(user);
    return CR_E_MEMORY;
  }
  cr_scope scope;
  const cr_mode mode = cr__grad_mode(false);
  cr__scope_begin(&scope, &mode, NULL);
  int code = f->forward(c, user, inputs, n);
  cr__scope_end(&scope);
  if (code) {
    if (!cr_error_code()) cr__fail(CR_E_CALLBACK, "%s: forward failed", c->name);
    context_free(c);
    return code;
  }
  return finish(c, out, nout);
}

/* ---- The context, as the two halves see it --------------------------------------------------------------------- */

int cr_context_return(cr_context *c, cr_tensor *t) {
  if (!t) return cr__fail_absent(c->name, "result");
  if (c->nresults == CR_MAX_RESULTS)
    return cr__fail(CR_E_ARGUMENT, "%s: forward returned more than %d tensors", c->name,
                    CR_MAX_RESULTS);
  c->results[c->nresults++] = cr_retain(t);
  return 0;
}

int cr_context_save(cr_context *c, cr_tensor *const *ts, int n) {
  if (c->node) return cr__fail(CR_E_AUTOGRAD, "%s: save_for_backward belongs in forward", c->name);
  cr_tensor **copy = cr__alloc((size_t)n * sizeof *copy);
  if (!copy) return CR_E_MEMORY;
  for (int i = 0; i < n; i++) copy[i] = cr_retain(ts[i]);
  drop_list(&c->to_save, c->nsaved);
  c->to_save = copy;
  c->nsaved = n;
  return 0;
}

int cr_context_saved(cr_context *c, cr_tensor **out, int *n) {
  *n = c->nsaved;
  if (!out) return 0;
  for (int i = 0; i < c->nsaved; i++) out[i] = NULL;
  if (c->to_save) {
    for (int i = 0; i < c->nsaved; i++) out[i] = cr_retain(c->to_save[i]);
    return 0;
  }
  if (!c->saved && c->nsaved)
    return cr__fail(CR_E_AUTOGRAD,
                    "%s: backward came here a second time, but its saved tensors have been freed; "
                    "give "
                    "retain_graph = true to the first backward",
                    c->name);
  for (int i = 0; i < c->nsaved; i++) {
    if (c->saved[i].v.kind == CR_NONE) continue;
    out[i] = cr__load_tensor(c->node, &c->saved[i], true);
    if (!out[i]) return cr__undo(out, i);
  }
  return 0;
}

cr_tensor *cr_context_result(cr_context *c, cr_tensor *t, int result) {
  cr_tensor *r = cr__alias_same(t);
  if (r && c->node && result >= 0 && result < c->node->nout)
    cr__set_history(r, c->node, (uint32_t)result);
  return r;
}

bool cr_context_needs_grad(const cr_context *c, int input) {
  return input >= 0 && input < c->nin && c->needs[input];
}

static int mark(const cr_context *c, const char *what, cr_tensor **list, int *count,
                cr_tensor *const *ts, int n) {
  if (c->node) return cr__fail(CR_E_AUTOGRAD, "%s: %s belongs in forward", c->name, what);
  if (n > CR_MAX_RESULTS)
    return cr__fail(CR_E_ARGUMENT, "%s: %s takes at most %d tensors", c->name, what,
                    CR_MAX_RESULTS);
  for (int i = 0; i < n; i++)
    if (!ts[i]) return cr__fail_absent(c->name, what);
  memcpy(list, ts, (size_t)n * sizeof *ts);
  *count = n;
  return 0;
}

int cr_context_mark_dirty(cr_context *c, cr_tensor *const *ts, int n) {
  return mark(c, "mark_dirty", c->dirty, &c->ndirty, ts, n);
}
int cr_context_mark_non_differentiable(cr_context *c, cr_tensor *const *ts, int n) {
  return mark(c, "mark_non_differentiable", c->fixed, &c->nfixed, ts, n);
}
void cr_context_materialize_grads(cr_context *c, bool on) { c->materialize = on; }
void *cr_context_user(const cr_context *c) { return c->user; }

bool cr_node_packed(const cr_node *n, int i, const void *free_handle, void **handle) {
  const cr_context *c = n->type == &function_type ? n->user : NULL;
  const cr__saved *saved = c ? c->saved : n->saved;
  *handle = NULL;
  if (!saved || i < 0 || i >= (c ? c->nsaved : n->nsaved)) return false;
  *handle = cr__saved_handle(&saved[i], free_handle);
  return true;
}

void *cr_node_user(const cr_node *n, const void *free_user) {
  if (n->type != &function_type) return NULL;
  const cr_context *c = n->user;
  return (const void *)c->f.free_user == free_user ? c->user : NULL;
}
