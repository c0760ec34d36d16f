/* inplace.c: what an in-place write does to the graph, and when it is refused.
 *
 * Holds true: a write to a view is a write to its base. The base's new node (CopySlices) routes the
 * gradient of the written region through the write's own node and lets the rest pass; every view of
 * that base, the written one included, gets a new node from it when next asked (cr__current_fn). */
#include "graph.h"

#include <string.h>

/* ---- Rules -------------------------------------------------------------------------------------- */

static int refuse_view(const char *op, const char *suffix, const cr_tensor *t) {
  switch (t->view_kind) {
  case CR__VIEW_MULTI:
    return cr__fail(CR_E_AUTOGRAD,
                    "%s%s: self is one of several views that one operation returned (unbind, "
                    "split), "
                    "which cannot be written in place with gradients recorded; clone it first",
                    op, suffix);
  case CR__VIEW_NO_GRAD:
    return cr__fail(CR_E_AUTOGRAD,
                    "%s%s: self is a view made under no_grad and cannot be written in place with "
                    "gradients recorded; make the view outside, or write under no_grad too",
                    op, suffix);
  default:
    return cr__fail(CR_E_AUTOGRAD,
                    "%s%s: self is a view made inside a custom Function and cannot be written in "
                    "place "
                    "with gradients recorded; clone it first",
                    op, suffix);
  }
}

/* True if some element of t appears more than once (an expanded dim). */
static bool overlaps_itself(const cr_tensor *t) {
  for (int d = 0; d < t->ndim; d++)
    if (cr__sizes(t)[d] > 1 && cr__steps(t)[d] == 0) return t->numel > 0;
  return !(t->flags & CR__CONTIGUOUS) && t->numel > 1 &&
         !cr__strides_disjoint(t->ndim, cr__sizes(t), cr__steps(t));
}

/* Whether t's place in the graph allows it to be changed in place. */
static int check_place(const char *op, const char *suffix, const cr_tensor *t, bool records) {
  if ((t->flags & CR__INFERENCE) && !cr__modes.inference)
    return cr__fail(CR_E_AUTOGRAD,
                    "%s%s: a tensor made in inference mode cannot be written in place "
                    "outside it; clone it first",
                    op, suffix);
  /* Such a view does not require grad itself, but its base does. */
  if (t->base && t->view_kind == CR__VIEW_NO_GRAD && cr__recording() && cr__requires(t->base))
    return refuse_view(op, suffix, t);
  if (!records) return 0;
  if (t->base && t->view_kind != CR__VIEW_PLAIN) return refuse_view(op, suffix, t);
  if (cr_is_leaf(t) && (t->flags & CR__REQUIRES_GRAD))
    return cr__fail(CR_E_AUTOGRAD,
                    "%s%s: self is a leaf that requires grad and cannot be written in "
                    "place with gradients recorded; use no_grad, or write out of place",
                    op, suffix);
  /* The leaf is the base, or a view of it that requires grad itself and that t was made from. */
  if (t->base && cr_is_leaf(t->base) && cr__requires(t))
    return cr__fail(CR_E_AUTOGRAD,
                    "%s%s: self is a view of a leaf that requires grad and cannot be "
                    "written in place with gradients recorded",
                    op, suffix);
  return 0;
}

int cr__inplace_check(const char *op, const char *suffix, cr_tensor *t, bool records) {
  if (CR__UNLIKELY(!(t->flags & CR__CONTIGUOUS)) && overlaps_itself(t))
    return cr__fail(CR_E_ARGUMENT,
                    "%s%s: several elements of self share one memory location (an expanded "
                    "tensor?); "
                    "clone it before writing",
                    op, suffix);
  return check_place(op, suffix, t, records);
}

/* ---- CopySlices ------------------------------------------------------------------------------------ */

typedef struct slices { /* what a CopySlices node knows besides its edges */
  cr_node *inner;       /* the node of the write, whose self-gradient is that of the region */
  int self_edge;        /* -1: the write does not pass self's gradient on */
  uint32_t slot;        /* the output of inner that was written */
  int ndim, base_ndim;
  int64_t offset, base_offset; /* in elements */
  int64_t dims[];              /* sizes and strides of the region, then of the base */
} slices;

static size_t slices_size(int ndim, int base_ndim) {
  return sizeof(slices) + (size_t)(2 * ndim + 2 * base_ndim) * sizeof(int64_t);
}

static cr_value region_ints(const slices *s, int which) {
  const int64_t *p = s->dims;
  if (which == 0) return cr_ints(p, s->ndim);
  if (which == 1) return cr_ints(p + s->ndim, s->ndim);
  p += 2 * s->ndim;
  return which == 2 ? cr_ints(p, s->base_ndim) : cr_ints(p + s->base_ndim, s->base_ndim);
}

/* The region of a base-shaped g, and its adjoint: zeros with the region set. */
static cr_value read_region(const slices *s, cr_value g) {
  return cr__do(CR__OP_restride,
                (cr_value[]){g, region_ints(s, 2), region_ints(s, 3), cr_int(s->base_offset),
                             region_ints(s, 0), region_ints(s, 1), cr_int(s->offset), cr_int(0)});
}
static cr_value spread_region(const slices *s, cr_value region) {
  return cr__do(CR__OP_restride,
                (cr_value[]){region, region_ints(s, 0), region_ints(s, 1), cr_int(s->offset),
                             region_ints(s, 2), region_ints(s, 3), cr_int(s->base_offset),
                             cr_int(1)});
}

/* g with the region replaced by `region` (zeros if CR_NONE); differentiable. */
static cr_tensor *replace_region(const slices *s, cr_value g, cr_value region, cr_value like) {
  cr_value ones = cr__do(CR__OP_ones_like, (cr_value[]){like, cr_none(), cr_none()});
  cr_value mask = spread_region(s, ones);
  cr_value zero = cr_int(0);
  cr_value outside = cr__do(CR__OP_eq, (cr_value[]){mask, zero});
  cr_value spread = region.kind == CR_NONE ? cr_int(0) : spread_region(s, region);
  cr_value result = region.kind != CR_NONE && spread.kind == CR_NONE
                        ? cr_none()
                        : cr__do(CR__OP_where, (cr_value[]){outside, g, spread});
  cr__drop(ones), cr__drop(mask), cr__drop(outside), cr__drop(spread);
  return result.kind == CR_TENSOR ? result.u.t : NULL;
}

static int slices_backward(cr_node *n, cr_tensor **g, cr_tensor **gi) {
  const slices *s = n->user;
  cr_node *inner = s->inner;
  if (!g[0]) return 0;
  cr_value region = read_region(s, cr_of(g[0]));
  if (region.kind != CR_TENSOR) return (int)cr_error_code();
  cr_tensor *given[CR_MAX_RESULTS] = {NULL}; /* an operation in place has one, a Function these */
  cr_tensor **inner_gi = cr__alloc((size_t)(inner->nedge + 1) * sizeof *inner_gi);
  int code = inner_gi ? 0 : CR_E_MEMORY;
  given[s->slot] = cr_retain(region.u.t);
  if (!code) {
    memset(inner_gi, 0, (size_t)(inner->nedge + 1) * sizeof *inner_gi);
    code = inner->type->backward(inner, given, inner_gi);
  }
  cr_tensor *self = NULL;
  if (inner_gi) {
    int at = 1;
    for (int i = 0; i < inner->nedge; i++) {
      if (i == s->self_edge) self = inner_gi[i];
      else gi[at++] = inner_gi[i];
    }
    cr__free(inner_gi, (size_t)(inner->nedge + 1) * sizeof *inner_gi);
  }
  if (!code && cr__needs(n, 0)) {
    gi[0] = replace_region(s, cr_of(g[0]), cr_of(self), region);
    if (!gi[0]) code = (int)cr_error_code();
  }
  cr_release(self);
  cr_release(given[s->slot]);
  cr__drop(region);
  return code;
}

static void slices_free_saved(cr_node *n) {
  cr_node *inner = ((slices *)n->user)->inner;
  if (inner->type->free_saved) inner->type->free_saved(inner);
  inner->freed = true;
}

static void slices_destroy(cr_node *n) {
  slices *s = n->user;
  cr_node_release(s->inner);
  cr__free(s, slices_size(s->ndim, s->base_ndim));
}

static const cr__node_type slices_type = {"CopySlices", slices_backward, slices_free_saved,
                                          slices_destroy};

static int count_direct(const cr_node *n, const cr_node *to) {
  int count = 0;
  for (int i = 0; i < n->nedge; i++) count += n->edges[i].fn == to;
  for (int i = 0; i < n->nsaved; i++) count += n->saved[i].fn == to;
  return count;
}

/* The write's own node is known to the CopySlices alone, and so is what only that leads to: the nodes
 * of the view, up to some depth. */
int cr_node_holds(const cr_node *n, const cr_node *to) {
  enum { DEPTH = 16 };
  int count = count_direct(n, to);
  if (n->type != &slices_type) return count;
  const slices *s = n->user;
  const cr_node *at = s->inner;
  count += count_direct(at, to);
  if (s->self_edge < 0) return count;
  at = at->edges[s->self_edge].fn;
  for (int i = 0; i < DEPTH && at && at != to && at->nedge && atomic_load(&at->refs) == 1; i++) {
    count += count_direct(at, to);
    at = at->edges[0].fn;
  }
  return count;
}

static slices *describe_region(cr_tensor *t, cr_node *inner, int self_edge, uint32_t slot) {
  const cr_tensor *base = t->base;
  slices *s = cr__alloc(slices_size(t->ndim, base->ndim));
  if (!s) return NULL;
  s->inner = cr_node_retain(inner);
  s->self_edge = self_edge;
  s->slot = slot;
  s->ndim = t->ndim;
  s->base_ndim = base->ndim;
  s->offset = t->offset;
  s->base_offset = base->offset;
  memcpy(s->dims, t->dims, 2 * t->ndim * sizeof(int64_t));
  memcpy(s->dims + 2 * t->ndim, base->dims, 2 * base->ndim * sizeof(int64_t));
  return s;
}

/* Makes the CopySlices node of a write to the view t, before the write; nothing if t is no view. */
int cr__inplace_prepare(cr_tensor *t, cr_node *inner, int self_edge, uint32_t slot,
                        cr_node **made) {
  if (!t->base) return 0;
  slices *s = describe_region(t, inner, self_edge, slot);
  if (!s) return CR_E_MEMORY;
  int others = inner->nedge - (self_edge >= 0);
  cr_node *n = cr__node_new(&slices_type, 1 + others, 1, 0, t->base->ndim);
  if (!n) {
    cr_node_release(s->inner);
    cr__free(s, slices_size(s->ndim, s->base_ndim));
    return CR_E_MEMORY;
  }
  n->user = s;
  cr__node_set_out(n, 0, t->base);
  int at = 1, code = cr__requires(t->base) ? cr__connect(n, 0, t->base) : 0;
  for (int i = 0; i < inner->nedge; i++) {
    if (i == self_edge) continue;
    n->edges[at].fn = cr_node_retain(inner->edges[i].fn);
    n->edges[at++].slot = inner->edges[i].slot;
  }
  if (code) cr_node_release(n);
  else *made = n;
  return code;
}

/* Cannot fail: the storage's version has been counted before, so t and its sisters are stale, and get
 * their new node from the base when next asked for it. */
void cr__inplace_commit(cr_tensor *t, cr_node *n, uint32_t slot, cr_node *made) {
  if (!t->base) {
    cr__set_history(t, n, slot);
    return;
  }
  cr__set_history(t->base, made, 0);
  t->view_kind = CR__VIEW_PLAIN;
  t->view_version = cr__version(t) - 1;
}

int cr__inplace_record(cr_tensor *t, cr_node *n, int self_edge, uint32_t slot) {
  cr_node *made = NULL;
  int code = cr__inplace_prepare(t, n, self_edge, slot, &made);
  if (!code) cr__inplace_commit(t, n, slot, made);
  cr_node_release(made);
  return code;
}

/* ---- Headers ---------------------------------------------------------------------------------------------- */

/* What has saved self has saved its header, so this counts as a write. A tensor with a history gets the
 * view's node under no_grad too: its own would receive gradients of another shape. */
int cr__inplace_header(const cr_op *op, const cr_value *args) {
  cr_tensor *self = args[0].u.t;
  bool stale = cr__is_stale(self), records = !cr_is_leaf(self);
  int code = check_place(op->lua, "_", self, cr__recording() && cr__requires(self));
  if (code) return code;
  cr_scope scope;
  const cr_mode mode = cr__grad_mode(records);
  cr__scope_begin(&scope, &mode, NULL);
  cr_tensor *view = cr__op1(op->id, args);
  cr__scope_end(&scope);
  code = view ? cr__set_geometry(self, view->ndim, cr__sizes(view), cr__steps(view), view->offset)
              : (int)cr_error_code();
  if (!code) {
    if (records) cr__set_history(self, view->grad_fn, view->slot);
    self->storage->writer = op->lua;
    cr__bump(self);
    if (records || !stale) self->view_version = cr__version(self);
  }
  cr_release(view);
  return code;
}

/* ---- Data ------------------------------------------------------------------------------------------------ */

/* Whether a leaf may become one of another dtype: a layer that is cast keeps its parameters. */
static bool may_become(const cr_tensor *t, const cr_tensor *source) {
  return cr__is_float((cr_dtype)t->dtype) && cr__is_float((cr_dtype)source->dtype) &&
         cr_is_leaf(t) && (!t->grad || t->grad->dtype == source->dtype);
}

/* t keeps its own count of writes, so that what it had saved is still compared with it; in another dtype,
 * what has saved it cannot use it any more. */
int cr_set_data(cr_tensor *t, cr_tensor *source) {
  if (!t || !source) return cr__fail_absent("data", t ? "source" : "self");
  bool cast = t->dtype != source->dtype;
  if (cast && !may_become(t, source))
    return cr__fail(CR_E_DTYPE, "data: a %s tensor%s cannot take over the data of a %s tensor",
                    cr_dtype_name((cr_dtype)t->dtype), t->grad ? " with a gradient" : "",
                    cr_dtype_name((cr_dtype)source->dtype));
  if (t->base)
    return cr__fail(CR_E_AUTOGRAD, "data: a view cannot take over another tensor's data");
  if (!cast && t->storage == source->storage && t->offset == source->offset) return 0;
  uint32_t kept = cr__version(t) + cast, theirs = cr__version(source);
  cr__storage *s = source->storage;
  int code =
      cr__set_geometry(t, source->ndim, cr__sizes(source), cr__steps(source), source->offset);
  if (code) return code;
  t->dtype = source->dtype;
  if (kept > theirs) atomic_store(&s->version, kept);
  cr__set_storage(t, cr__storage_retain(s));
  return 0;
}
