/* gradient.c: what happens to a gradient on its way: added to others, stored in a leaf, made to fit.
 *
 * Holds true: a gradient is written in place only where nobody else can see its elements, and while
 * nothing is recorded; a leaf's first gradient never shares memory with what the caller gave. */
#include "engine.h"

#include <string.h>

/* ---- Adding ----------------------------------------------------------------------------------- */

bool cr__unshared(const cr_tensor *t) {
  return atomic_load(&t->refs) == 1 && atomic_load(&t->storage->refs) == 1 && !t->base;
}

/* Nobody else can see t's elements, so it may be added to in place. */
static bool exclusive(const cr_tensor *t) { return cr__unshared(t) && (t->flags & CR__CONTIGUOUS); }

static cr_tensor *add(cr_tensor *a, cr_tensor *b) {
  return cr__op1(CR__OP_add, (cr_value[]){cr_of(a), cr_of(b), cr_none()});
}

int cr__add_grad(cr_tensor **slot, cr_tensor *g) {
  if (!*slot) {
    *slot = g;
    return 0;
  }
  int code = 0;
  if (!cr__recording() && exclusive(*slot)) {
    code = cr_call_inplace(&cr__ops[CR__OP_add], (cr_value[]){cr_of(*slot), cr_of(g), cr_none()});
  } else {
    cr_tensor *sum = add(*slot, g);
    if (!sum) code = (int)cr_error_code();
    if (sum) {
      cr_release(*slot);
      *slot = sum;
    }
  }
  cr_release(g);
  return code;
}

static bool same_layout(const cr_tensor *a, const cr_tensor *b) {
  if ((a->flags & CR__CONTIGUOUS) && (b->flags & CR__CONTIGUOUS)) return true;
  return memcmp(cr__steps(a), cr__steps(b), a->ndim * sizeof(int64_t)) == 0;
}

/* The first gradient of a leaf: g itself if nobody else has it, else a copy laid out as the leaf. */
static int first_grad(cr_tensor *t, cr_tensor *g) {
  if (exclusive(g) && (same_layout(t, g) || cr__recording())) {
    t->grad = g;
    return 0;
  }
  cr_tensor *copy;
  if (cr__recording()) {
    copy = cr__op1(CR__OP_clone, (cr_value[]){cr_of(g)});
  } else {
    copy = cr__new_strided_like("backward", t, (cr_dtype)t->dtype);
    if (copy && cr__copy("backward", copy, g)) {
      cr_release(copy);
      copy = NULL;
    }
  }
  cr_release(g);
  t->grad = copy;
  return copy ? 0 : (int)cr_error_code();
}

int cr__accumulate(cr_tensor *t, cr_tensor *g) {
  if (!t->grad) return first_grad(t, g);
  int code = 0;
  bool writable = cr__strides_disjoint(t->grad->ndim, cr__sizes(t->grad), cr__steps(t->grad));
  if (!cr__recording() && writable) {
    code = cr_call_inplace(&cr__ops[CR__OP_add], (cr_value[]){cr_of(t->grad), cr_of(g), cr_none()});
  } else {
    cr_tensor *sum = add(t->grad, g);
    if (sum) {
      cr_release(t->grad);
      t->grad = sum;
    } else {
      code = (int)cr_error_code();
    }
  }
  cr_release(g);
  return code;
}

cr_tensor *cr__sum_to(cr_tensor *g, int ndim, const int64_t *shape) {
  return cr__op1(CR__OP_sum_to, (cr_value[]){cr_of(g), cr_ints(shape, ndim)});
}

/* ---- Fitting ---------------------------------------------------------------------------------- */

static bool sums_to(const cr_tensor *g, int ndim, const int64_t *shape) {
  if (g->ndim < ndim) return false;
  for (int d = 0; d < ndim; d++) {
    int64_t have = cr__sizes(g)[g->ndim - ndim + d];
    if (shape[d] != have && shape[d] != 1) return false;
  }
  return true;
}

int cr__fit_grad(const cr_node *from, int index, const cr__edge *e, cr_tensor **g) {
  const cr__outmeta *m = &e->fn->outs[e->slot];
  const int64_t *shape = e->fn->ints + m->dims;
  cr_tensor *fitted = NULL;
  cr__text a, b;
  if (!cr__has_shape(*g, m->ndim, shape)) {
    if (!sums_to(*g, m->ndim, shape))
      return cr__fail(CR_E_AUTOGRAD,
                      "%s returned an invalid gradient at position %d: it has shape %s, but the "
                      "input "
                      "has shape %s",
                      cr_node_name(from), index + 1, cr__shape_text((*g)->ndim, cr__sizes(*g), &a),
                      cr__shape_text(m->ndim, shape, &b));
    fitted = cr__sum_to(*g, m->ndim, shape);
    if (!fitted) return (int)cr_error_code();
    cr_release(*g);
    *g = fitted;
  }
  if ((*g)->dtype != m->dtype || (*g)->storage->device != m->device) {
    if (!cr__is_inexact((cr_dtype)(*g)->dtype))
      return cr__fail(CR_E_DTYPE,
                      "%s returned a gradient of dtype %s at position %d; it must be a "
                      "floating point tensor",
                      cr_node_name(from), cr_dtype_name((cr_dtype)(*g)->dtype), index + 1);
    fitted = cr__op1(CR__OP_to, (cr_value[]){cr_of(*g), cr_dtype_value((cr_dtype)m->dtype),
                                             cr_device_value(m->device), cr_bool(false)});
    if (!fitted) return (int)cr_error_code();
    cr_release(*g);
    *g = fitted;
  }
  return 0;
}

/* ---- The gradient that a pass starts with ------------------------------------------------------- */

int cr__root_gradient(cr_tensor *root, int i, const cr_backward_options *o, cr_tensor **g) {
  cr_tensor *given = o->gradients ? o->gradients[i] : NULL;
  cr__text a, b;
  *g = NULL;
  if (!given) {
    if (root->numel != 1)
      return cr__fail(CR_E_AUTOGRAD,
                      "backward: a gradient can be created implicitly only for a tensor of one "
                      "element; "
                      "output %d has shape %s: give its gradient, or reduce it with sum() or "
                      "mean()",
                      i + 1, cr__shape_text(root->ndim, cr__sizes(root), &a));
    cr__below++;
    *g = cr__op1(CR__OP_ones_like, (cr_value[]){cr_of(root), cr_none(), cr_none()});
    cr__below--;
  } else {
    if (given->ndim != root->ndim ||
        memcmp(cr__sizes(given), cr__sizes(root), root->ndim * sizeof(int64_t)) != 0)
      return cr__fail(CR_E_SHAPE, "backward: gradient %d has shape %s, but its output has shape %s",
                      i + 1, cr__shape_text(given->ndim, cr__sizes(given), &a),
                      cr__shape_text(root->ndim, cr__sizes(root), &b));
    if (given->storage->device != root->storage->device)
      return cr__fail(CR_E_DEVICE, "backward: gradient %d is on %s, but its output is on %s", i + 1,
                      cr_device_name(given->storage->device, a.s),
                      cr_device_name(root->storage->device, b.s));
    *g = given->dtype == root->dtype
             ? cr_retain(given)
             : cr__op1(CR__OP_to, (cr_value[]){cr_of(given), cr_dtype_value((cr_dtype)root->dtype),
                                               cr_none(), cr_bool(false)});
  }
  return *g ? 0 : (int)cr_error_code();
}

/* ---- Anomalies ---- */

int cr__check_nan(const cr_node *n, cr_tensor *const *gi) {
  for (int i = 0; i < n->nedge; i++) {
    if (!gi[i] || !cr__is_inexact((cr_dtype)gi[i]->dtype)) continue;
    cr__below++;
    cr_value nan = cr__do(CR__OP_isnan, (cr_value[]){cr_of(gi[i])});
    cr_value any = cr__do(CR__OP_any, (cr_value[]){nan, cr_none(), cr_bool(false)});
    cr_value found = cr_none();
    int code = any.kind == CR_TENSOR ? cr_item(any.u.t, &found) : (int)cr_error_code();
    cr__drop(nan), cr__drop(any);
    cr__below--;
    if (code) return code;
    if (found.u.i)
      return cr__fail(CR_E_AUTOGRAD, "%s returned nan in its gradient at position %d",
                      cr_node_name(n), i + 1);
  }
  return 0;
}
