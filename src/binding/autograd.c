/* autograd.c: backward and grad, and the methods of tensors that concern their place in a graph.
 *
 * Holds true: roots, gradients and inputs are owned by lists on the Lua stack while the pass runs (one
 * root by the call itself), whatever the hooks and Functions in it do to their userdata. */
#include <stdio.h>

#include <string.h>

#include "callback.h"

/* The pass that runs now, the innermost one of this thread, does not accumulate into all leaves. */
static CR__LUA_TLS bool partial;

/* ---- Options ---- */

static bool flag(lua_State *L, int index, const char *op, const char *name, bool otherwise) {
  return lua_isnil(L, index) ? otherwise : cr__lua_bool_arg(L, index, op, name);
}

/* Fills in what backward and grad share, from values that lie at the indices: 0 for no value. */
static void read_flags(lua_State *L, const char *op, int retain, int create,
                       cr_backward_options *o) {
  o->create_graph = create && flag(L, create, op, "create_graph", false);
  o->retain_graph = retain ? flag(L, retain, op, "retain_graph", o->create_graph) : o->create_graph;
}

static void set_gradients(const cr__lua_list *gradients, cr_backward_options *o) {
  o->gradients = gradients->t;
  o->ngradients = gradients->n;
}

/* Pushes the list of inputs, if the value at index is not nil. */
static void read_inputs(lua_State *L, const char *op, int index, cr_backward_options *o) {
  o->ninputs = -1;
  if (!index || lua_isnil(L, index)) return;
  const cr__lua_list *list = cr__lua_check_list(L, index, op, "inputs", false);
  if (list->n == 0) cr__lua_error(L, "%s: the table of inputs is empty", op);
  o->inputs = list->t;
  o->ninputs = list->n;
}

/* ---- Backward ---- */

/* roots: NULL for the tensor at 1. */
static void run_backward(lua_State *L, const cr__lua_list *roots, const cr_backward_options *o) {
  cr__lua_sweep(L);
  cr_tensor *self = roots ? NULL : cr_retain(cr__lua_tensor_arg(L, 1, "backward", "self"));
  bool before = partial;
  partial = o->ninputs >= 0;
  cr__lua_entry outer = cr__lua_enter(L);
  int code = cr_backward(roots ? roots->t : &self, roots ? roots->n : 1, o);
  cr__lua_leave(outer);
  cr_release(self);
  partial = before;
  cr__lua_deliver(L);
  cr__lua_sweep(L);
  if (code) cr__lua_raise(L, NULL);
  cr__lua_after(L);
}

/* x:backward(), x:backward(gradient), x:backward(gradient, options), x:backward(options). */
static int tensor_backward(lua_State *L) {
  static const char *const names[] = {"gradient", "retain_graph", "create_graph", "inputs", NULL};
  cr_backward_options o = {0};
  lua_settop(L, 3);
  cr__lua_tensor_arg(L, 1, "backward", "self");
  int options = lua_istable(L, 2) ? 2 : lua_isnil(L, 3) ? 0 : 3;
  int first = options ? cr__lua_options(L, options, "backward", names) : 0;
  int gradient = options == 2 ? first : 2;
  if (options == 2 && !lua_isnil(L, 3))
    return cr__lua_error(L, "backward: nothing may follow the table of options");
  if (options == 3 && !lua_isnil(L, first)) {
    if (!lua_isnil(L, 2))
      return cr__lua_error(L, "backward: gradient is given twice, by position and by name");
    gradient = first;
  }
  read_flags(L, "backward", first ? first + 1 : 0, first ? first + 2 : 0, &o);
  read_inputs(L, "backward", first ? first + 3 : 0, &o);
  if (!lua_isnil(L, gradient)) {
    cr__lua_tensor_arg(L, gradient, "backward", "gradient");
    set_gradients(cr__lua_check_list(L, gradient, "backward", "gradient", false), &o);
  }
  run_backward(L, NULL, &o);
  return 0;
}

/* cr.backward(tensors, { grad_tensors =, retain_graph =, create_graph =, inputs = }) */
static int module_backward(lua_State *L) {
  static const char *const names[] = {"grad_tensors", "retain_graph", "create_graph", "inputs",
                                      NULL};
  cr_backward_options o = {0};
  lua_settop(L, 2);
  const cr__lua_list *roots = cr__lua_check_list(L, 1, "backward", "tensors", false);
  int first = lua_isnil(L, 2) ? 0 : cr__lua_options(L, 2, "backward", names);
  read_flags(L, "backward", first ? first + 1 : 0, first ? first + 2 : 0, &o);
  read_inputs(L, "backward", first ? first + 3 : 0, &o);
  if (first && !lua_isnil(L, first))
    set_gradients(cr__lua_check_list(L, first, "backward", "grad_tensors", true), &o);
  run_backward(L, roots, &o);
  return 0;
}

/* ---- Grad ---- */

/* Fills `out`, a list with room for the inputs. */
static void run_grad(lua_State *L, const cr__lua_list *roots, const cr_backward_options *o,
                     cr__lua_list *out) {
  cr__lua_sweep(L);
  bool before = partial;
  partial = true;
  cr__lua_entry outer = cr__lua_enter(L);
  int code = cr_grad(roots->t, roots->n, o, out->t);
  cr__lua_leave(outer);
  partial = before;
  if (!code) out->n = o->ninputs;
  cr__lua_deliver(L);
  cr__lua_sweep(L);
  if (code) cr__lua_raise(L, NULL);
}

static int64_t batch_size(lua_State *L, const cr_backward_options *o) {
  int64_t n = -1;
  for (int i = 0; i < o->ngradients; i++) {
    const cr_tensor *g = o->gradients[i];
    if (!g) continue;
    if (cr_ndim(g) == 0)
      cr__lua_error(L,
                    "grad: is_grads_batched needs gradients with a leading dim, gradient %d is "
                    "0-dim",
                    i + 1);
    if (n >= 0 && cr_shape(g)[0] != n)
      cr__lua_error(L, "grad: is_grads_batched needs one size of batch, got %lld and %lld",
                    (long long)n, (long long)cr_shape(g)[0]);
    n = cr_shape(g)[0];
  }
  if (n < 0) cr__lua_error(L, "grad: is_grads_batched needs grad_outputs");
  if (n == 0 || n > INT32_MAX / 16 / o->ninputs)
    cr__lua_error(L, "grad: is_grads_batched cannot take a batch of %lld gradients", (long long)n);
  return n;
}

/* One pass per entry of the leading dim of all gradients; the results are stacked. */
static void run_batched(lua_State *L, const cr__lua_list *roots, const cr_backward_options *o,
                        cr__lua_list *out) {
  int64_t n = batch_size(L, o);
  int top = lua_gettop(L);
  cr__lua_list *rows = cr__lua_new_list(L, (int)n * o->ninputs);
  cr__lua_list *one = cr__lua_new_list(L, o->ngradients), *got = cr__lua_new_list(L, o->ninputs);
  rows->n = rows->room;
  one->n = one->room;
  for (int64_t k = 0; k < n; k++) {
    for (int i = 0; i < o->ngradients; i++) {
      cr_release(one->t[i]);
      one->t[i] = NULL;
      if (!o->gradients[i]) continue;
      CR__LUA_DO(L, one->t[i] = cr_select(o->gradients[i], 1, k + 1));
      if (!one->t[i]) cr__lua_raise(L, NULL);
    }
    cr_backward_options each = *o;
    each.gradients = one->t;
    each.retain_graph = o->retain_graph || k + 1 < n;
    run_grad(L, roots, &each, got);
    for (int i = 0; i < o->ninputs; i++) rows->t[i * n + k] = got->t[i];
    got->n = 0;
  }
  out->n = o->ninputs;
  for (int i = 0; i < o->ninputs; i++) {
    if (!rows->t[i * n]) continue; /* unused, in every pass */
    CR__LUA_DO(L, out->t[i] = cr_stack(rows->t + i * n, (int)n, 1));
    if (!out->t[i]) cr__lua_raise(L, NULL);
  }
  lua_settop(L, top);
}

/* cr.grad(outputs, inputs, options): as many values as inputs. */
static int module_grad(lua_State *L) {
  static const char *const names[] = {"grad_outputs",
                                      "retain_graph",
                                      "create_graph",
                                      "allow_unused",
                                      "materialize_grads",
                                      "is_grads_batched",
                                      NULL};
  cr_backward_options o = {0};
  lua_settop(L, 3);
  const cr__lua_list *roots = cr__lua_check_list(L, 1, "grad", "outputs", false);
  if (lua_isnil(L, 2))
    return cr__lua_error(L, "grad: inputs is missing, a tensor or a table of them");
  read_inputs(L, "grad", 2, &o);
  bool batched = false;
  int first = lua_isnil(L, 3) ? 0 : cr__lua_options(L, 3, "grad", names);
  read_flags(L, "grad", first ? first + 1 : 0, first ? first + 2 : 0, &o);
  if (first) {
    o.materialize = flag(L, first + 4, "grad", "materialize_grads", false);
    o.allow_unused = flag(L, first + 3, "grad", "allow_unused", o.materialize);
    batched = flag(L, first + 5, "grad", "is_grads_batched", false);
    if (o.materialize && !o.allow_unused)
      return cr__lua_error(L,
                           "grad: materialize_grads gives zeros for unused inputs, so allow_unused "
                           "cannot be false");
    if (!lua_isnil(L, first))
      set_gradients(cr__lua_check_list(L, first, "grad", "grad_outputs", true), &o);
  }
  cr__lua_list *out = cr__lua_new_list(L, o.ninputs);
  if (batched) run_batched(L, roots, &o, out);
  else run_grad(L, roots, &o, out);
  int n = out->n;
  cr__lua_push_list(L, out);
  cr__lua_after(L);
  return n;
}

/* is_checkpoint_valid(): does the running pass accumulate into all leaves, or is there none? */
static int is_checkpoint_valid(lua_State *L) {
  lua_pushboolean(L, !partial);
  return 1;
}

/* ---- Methods ---- */

int cr__lua_require_grad(lua_State *L, cr_tensor *t, bool on) {
  int code;
  char text[256];
  CR__LUA_DO(L, code = cr_set_requires_grad(t, on));
  if (code != CR_E_DTYPE) return code;
  snprintf(text, sizeof text, "%s", cr_error_message());
  cr_error_clear();
  return cr_error_set(CR_E_DTYPE,
                      "%s; write its numbers with a point (1.0), or give "
                      "{ dtype = \"float32\" }",
                      text);
}

static int requires_grad_(lua_State *L) {
  bool on = lua_isnoneornil(L, 2) || cr__lua_bool_arg(L, 2, "requires_grad_", "on");
  cr_tensor *t = cr__lua_tensor_arg(L, 1, "requires_grad_", "self");
  if (cr__lua_require_grad(L, t, on)) return cr__lua_raise(L, NULL);
  if (on) cr__lua_know(L, 1);
  lua_settop(L, 1);
  return 1;
}

static int retain_grad(lua_State *L) {
  cr_tensor *t = cr__lua_tensor_arg(L, 1, "retain_grad", "self");
  cr__lua_entry outer = cr__lua_enter(L);
  int code = cr_retain_grad(t);
  cr__lua_leave(outer);
  return code ? cr__lua_raise(L, NULL) : 0;
}

static int detach_(lua_State *L) {
  cr_tensor *t = cr__lua_tensor_arg(L, 1, "detach_", "self");
  int code;
  CR__LUA_DO(L, code = cr_detach_inplace(t));
  if (code) return cr__lua_raise(L, NULL);
  cr__lua_sweep(L);
  lua_settop(L, 1);
  return 1;
}

void cr__lua_open_autograd(lua_State *L) {
  static const luaL_Reg functions[] = {{"backward", module_backward},
                                       {"grad", module_grad},
                                       {"is_checkpoint_valid", is_checkpoint_valid},
                                       {NULL, NULL}};
  static const luaL_Reg methods[] = {{"backward", tensor_backward},
                                     {"requires_grad_", requires_grad_},
                                     {"retain_grad", retain_grad},
                                     {"detach_", detach_},
                                     {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
  cr__lua_add_methods(L, methods);
}
