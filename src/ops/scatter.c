/* scatter.c: reading and writing by positions along one dim.
 *
 * Holds true: a 0-dim tensor counts as one of a single element along dim 1. What is written is a copy
 * if it shares memory with self; positions are checked by the kernel before it writes anything. */
#include "positions.h"

#include <string.h>

int cr__check_index_dtype(const char *op, const cr_tensor *t) {
  if (t->dtype == CR_INT64 || t->dtype == CR_INT32) return 0;
  return cr__fail(CR_E_DTYPE, "%s: positions must be int64 or int32, got a %s tensor", op,
                  cr_dtype_name((cr_dtype)t->dtype));
}

/* ---- The two kernels ------------------------------------------------------------------------- */

static void see(cr__view *v, const cr__index_plan *p, const int64_t *stride) {
  v->ndim = p->ndim;
  memcpy(v->shape, p->shape, (size_t)p->ndim * sizeof(int64_t));
  memcpy(v->stride, stride, (size_t)p->ndim * sizeof(int64_t));
}

static void set_numbers(cr__launch *k, const cr__index_plan *p, cr__placing how, bool late) {
  k->i[0] = p->size;
  k->i[1] = p->step;
  k->i[2] = p->dim;
  k->i[3] = how;
  k->i[4] = late;
}

cr_tensor *cr__pick(const char *op, cr_tensor *t, const cr__index_plan *p, int ndim,
                    const int64_t *shape) {
  int64_t stride[CR_MAX_DIMS];
  cr_tensor *r = cr__new(op, (cr_dtype)t->dtype, t->storage->device, ndim, shape);
  if (!r) return NULL;
  cr__launch k;
  cr__launch_begin(&k, op, t->storage->device, 1);
  cr__fill_strides(p->ndim, p->shape, stride);
  see(cr__launch_add(&k, r), p, stride);
  see(cr__launch_add(&k, t), p, p->stride);
  see(cr__launch_add(&k, p->index), p, p->index_stride);
  set_numbers(&k, p, CR__PLACE_SET, true);
  if (cr__launch_run(&k, CR__K_pick) == 0) return r;
  cr_release(r);
  return NULL;
}

/* late: t is given up after an error. */
static int place(const char *op, cr_tensor *t, const cr__index_plan *p, cr_tensor *values,
                 cr__placing how, bool late) {
  cr_tensor *apart = cr__apart(op, values, t);
  cr_tensor *wide = cr__broadcast_view(op, apart, "what is written", p->ndim, p->shape);
  int code = wide ? 0 : (int)cr_error_code();
  if (!code) {
    cr__launch k;
    cr__launch_begin(&k, op, t->storage->device, 1);
    see(cr__launch_add(&k, t), p, p->stride);
    see(cr__launch_add(&k, p->index), p, p->index_stride);
    cr__launch_add(&k, wide);
    set_numbers(&k, p, how, late);
    code = cr__launch_run(&k, CR__K_place);
  }
  cr_release(apart);
  cr_release(wide);
  return code;
}

int cr__place(const char *op, cr_tensor *t, const cr__index_plan *p, cr_tensor *values,
              cr__placing how) {
  return place(op, t, p, values, how, false);
}

int cr__add_to_new(const char *op, cr_tensor *t, const cr__index_plan *p, cr_tensor *values) {
  return place(op, t, p, values, CR__PLACE_ADD, true);
}

int cr__place_value(const char *op, cr_tensor *t, const cr__index_plan *p, const cr_value *value,
                    const char *name, cr__placing how) {
  cr_tensor *v = value->kind == CR_TENSOR ? value->u.t : NULL;
  if (v && v->dtype == t->dtype) return cr__place(op, t, p, v, how);
  if (v && v->ndim > 0)
    return cr__fail(CR_E_DTYPE, "%s: %s is %s and self is %s; convert one of them", op, name,
                    cr_dtype_name((cr_dtype)v->dtype), cr_dtype_name((cr_dtype)t->dtype));
  if (v && cr__check_element(op, (cr_dtype)t->dtype, v)) return (int)cr_error_code();
  cr_tensor *one = cr__new(op, (cr_dtype)t->dtype, t->storage->device, 0, NULL);
  int code = one ? 0 : (int)cr_error_code();
  if (!code) code = v ? cr__copy(op, one, v) : cr__fill(op, one, *value);
  if (!code) code = cr__place(op, t, p, one, how);
  cr_release(one);
  return code;
}

/* ---- Plans along one dim --------------------------------------------------------------------------- */

static int begin_plan(const char *op, cr_tensor *t, int64_t dim, cr_tensor *index,
                      cr__index_plan *p, int *d) {
  cr_device device;
  p->index = NULL;
  if (cr__same_device(op, (cr_value[]){cr_of(t), cr_of(index)}, 2, &device) ||
      cr__check_index_dtype(op, index) || cr__wrap_dim(op, "dim", dim, t->ndim, d))
    return (int)cr_error_code();
  p->size = t->ndim ? cr__sizes(t)[*d] : 1;
  p->step = t->ndim ? cr__steps(t)[*d] : 1;
  p->dim = *d + 1;
  p->index = cr__apart(op, index, t);
  return p->index ? 0 : (int)cr_error_code();
}

/* A list of positions: whole parts of t along dim. */
static int plan_list(const char *op, cr_tensor *t, int64_t dim, cr_tensor *index,
                     cr__index_plan *p) {
  int d;
  cr__text text;
  if (index->ndim > 1)
    return cr__fail(CR_E_SHAPE, "%s: index must have 0 dims or 1, got shape %s", op,
                    cr__shape_text(index->ndim, cr__sizes(index), &text));
  if (t->ndim == 0 && index->numel != 1)
    return cr__fail(CR_E_SHAPE, "%s: a 0-dim tensor takes one position, got %lld", op,
                    (long long)index->numel);
  if (begin_plan(op, t, dim, index, p, &d)) return (int)cr_error_code();
  p->ndim = t->ndim ? t->ndim : 1;
  for (int k = 0; k < t->ndim; k++) {
    p->shape[k] = cr__sizes(t)[k];
    p->stride[k] = cr__steps(t)[k];
    p->index_stride[k] = 0;
  }
  p->shape[d] = index->numel;
  p->stride[d] = 0;
  p->index_stride[d] = p->index->ndim ? cr__steps(p->index)[0] : 1;
  return 0;
}

/* A position for each element, in the shape of index. */
static int plan_each(const char *op, cr_tensor *t, int64_t dim, cr_tensor *index,
                     cr__index_plan *p) {
  int d, n = t->ndim ? t->ndim : 1;
  cr__text a, b;
  if ((index->ndim ? index->ndim : 1) != n)
    return cr__fail(CR_E_SHAPE, "%s: index (shape %s) must have as many dims as self (shape %s)",
                    op, cr__shape_text(index->ndim, cr__sizes(index), &a),
                    cr__shape_text(t->ndim, cr__sizes(t), &b));
  if (begin_plan(op, t, dim, index, p, &d)) return (int)cr_error_code();
  p->ndim = n;
  bool fits = true;
  for (int k = 0; k < n; k++) {
    p->shape[k] = index->ndim ? cr__sizes(index)[k] : 1;
    p->index_stride[k] = index->ndim ? cr__steps(p->index)[k] : 1;
    p->stride[k] = k == d || t->ndim == 0 ? 0 : cr__steps(t)[k];
    fits = fits && (k == d || t->ndim == 0 || p->shape[k] <= cr__sizes(t)[k]);
  }
  if (fits) return 0;
  cr_release(p->index);
  p->index = NULL;
  return cr__fail(CR_E_SHAPE,
                  "%s: index (shape %s) is larger than self (shape %s) in a dim other than %d", op,
                  cr__shape_text(index->ndim, cr__sizes(index), &a),
                  cr__shape_text(t->ndim, cr__sizes(t), &b), d + 1);
}

/* ---- Reading ------------------------------------------------------------------------------------------ */

int cr__run_index_select(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *t = args[0].u.t;
  cr__index_plan p;
  if (plan_list(op->name, t, args[1].u.i, args[2].u.t, &p)) return (int)cr_error_code();
  cr_tensor *r = cr__pick(op->name, t, &p, t->ndim, p.shape);
  cr_release(p.index);
  return cr__give(r, out);
}

int cr__run_gather(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *t = args[0].u.t, *index = args[2].u.t;
  cr__index_plan p;
  if (plan_each(op->name, t, args[1].u.i, index, &p)) return (int)cr_error_code();
  cr_tensor *r = cr__pick(op->name, t, &p, index->ndim, cr__sizes(index));
  cr_release(p.index);
  return cr__give(r, out);
}

/* ---- Adding into zeros: the derivatives of reading ------------------------------------------------------- */

typedef int (*make_plan)(const char *, cr_tensor *, int64_t, cr_tensor *, cr__index_plan *);

/* args: self, shape, dim, index. */
static int add_to_zeros(const cr_op *op, const cr_value *args, make_plan plan, cr_tensor **out) {
  cr_tensor *zeros = cr__zeros_for(op->name, args[0].u.t, args[1].n, args[1].u.is);
  if (!zeros) return (int)cr_error_code();
  cr__index_plan p;
  int code = plan(op->name, zeros, args[2].u.i, args[3].u.t, &p);
  if (!code) {
    code = cr__add_to_new(op->name, zeros, &p, args[0].u.t);
    cr_release(p.index);
  }
  return cr__give_if(code, zeros, out);
}

int cr__run_index_select_backward(const cr_op *op, const cr_value *args, cr_tensor **out,
                                  int *nout) {
  (void)nout;
  return add_to_zeros(op, args, plan_list, out);
}

int cr__run_gather_backward(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  return add_to_zeros(op, args, plan_each, out);
}

/* ---- Writing --------------------------------------------------------------------------------------------------- */

static int check_src(const char *op, const cr_tensor *index, const cr_tensor *src) {
  cr__text a, b;
  bool fits = src->ndim == index->ndim;
  for (int d = 0; fits && d < src->ndim; d++) fits = cr__sizes(index)[d] <= cr__sizes(src)[d];
  if (fits) return 0;
  return cr__fail(CR_E_SHAPE,
                  "%s: src (shape %s) must have the dims of index (shape %s) and be no smaller", op,
                  cr__shape_text(src->ndim, cr__sizes(src), &a),
                  cr__shape_text(index->ndim, cr__sizes(index), &b));
}

/* scatter, scatter_add and scatter_multiply. args: self, dim, index, src. */
int cr__run_scatter(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)out, (void)nout;
  cr_tensor *t = args[0].u.t, *index = args[2].u.t, *corner = NULL;
  cr_value value = args[3];
  cr_device device;
  if (cr__same_device(op->name, args, 4, &device)) return (int)cr_error_code();
  cr__placing how = op->id == CR__OP_scatter_add        ? CR__PLACE_ADD
                    : op->id == CR__OP_scatter_multiply ? CR__PLACE_MULTIPLY
                                                        : CR__PLACE_SET;
  if (value.kind == CR_TENSOR && (value.u.t->ndim > 0 || how != CR__PLACE_SET)) {
    cr_tensor *src = value.u.t;
    if (check_src(op->name, index, src)) return (int)cr_error_code();
    corner = cr__alias(src, index->ndim, cr__sizes(index), cr__steps(src), src->offset);
    if (!corner) return (int)cr_error_code();
    value = cr_of(corner);
  }
  cr__index_plan p;
  int code = plan_each(op->name, t, args[1].u.i, index, &p);
  if (!code) {
    code = cr__place_value(op->name, t, &p, &value, "src", how);
    cr_release(p.index);
  }
  cr_release(corner);
  return code;
}

/* The part of src that index has places for; a number, or a 0-dim tensor, fills that part. */
static cr_value fitted(const cr_op *op, const cr_value *self, const cr_value *index,
                       const cr_value *src) {
  const cr_tensor *i = index->u.t, *s = src->u.t;
  cr_value shape = cr_ints(cr__sizes(i), i->ndim);
  if (src->kind != CR_TENSOR)
    return cr__do(CR__OP_full_like,
                  (cr_value[]){*index, *src, cr_dtype_value((cr_dtype)self->u.t->dtype),
                               cr_none()});
  if (s->ndim == 0) return cr__do(CR__OP_expand, (cr_value[]){*src, shape});
  if (check_src(op->lua, i, s)) return cr_none();
  cr_value part = cr__do(CR__OP_alias, src);
  for (int d = 0; d < s->ndim; d++) {
    if (cr__sizes(i)[d] == cr__sizes(s)[d]) continue;
    cr_value less = cr__do(CR__OP_narrow,
                           (cr_value[]){part, cr_int(d + 1), cr_int(1), cr_int(cr__sizes(i)[d])});
    cr__drop(part);
    part = less;
  }
  return part;
}

/* scatter(self, dim, index, src, reduce) */
int cr__run_scatter_reduced(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  bool add = args[4].n == CR__scatter_reduced_reduce_add;
  cr_value src = fitted(op, &args[0], &args[2], &args[3]);
  cr_value part[] = {args[0], args[1], args[2], src};
  cr_tensor *r = cr__op1(add ? CR__OP_scatter_add : CR__OP_scatter_multiply, part);
  cr__drop(src);
  return cr__give(r, out);
}

/* Writes source, of exactly the shape of the parts that index lists. */
static int write_parts(const cr_op *op, const cr_value *args, cr_tensor *source, cr__placing how) {
  cr_tensor *t = args[0].u.t;
  cr_device device;
  cr__index_plan p;
  cr__text a, b;
  if (cr__same_device(op->name, args, 4, &device) ||
      plan_list(op->name, t, args[1].u.i, args[2].u.t, &p))
    return (int)cr_error_code();
  bool fits = source->ndim == t->ndim || (t->ndim == 0 && source->numel == 1);
  for (int d = 0; fits && d < t->ndim; d++) fits = cr__sizes(source)[d] == p.shape[d];
  cr_value value = cr_of(source);
  int code = fits ? cr__place_value(op->name, t, &p, &value, "source", how)
                  : cr__fail(CR_E_SHAPE, "%s: source must have shape %s here, got %s", op->name,
                             cr__shape_text(t->ndim, p.shape, &a),
                             cr__shape_text(source->ndim, cr__sizes(source), &b));
  cr_release(p.index);
  return code;
}

int cr__run_index_copy(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)out, (void)nout;
  return write_parts(op, args, args[3].u.t, CR__PLACE_SET);
}

int cr__run_index_add(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)out, (void)nout;
  cr_tensor *source = args[3].u.t;
  const cr_value *alpha = &args[4];
  if (alpha->kind == CR_INT && alpha->u.i == 1) return write_parts(op, args, source, CR__PLACE_ADD);
  cr_tensor *scaled = cr__op1(CR__OP_mul, (cr_value[]){args[3], *alpha});
  if (!scaled) return (int)cr_error_code();
  int code = scaled->dtype == source->dtype
                 ? write_parts(op, args, scaled, true)
                 : cr__fail(CR_E_DTYPE, "%s: alpha is not a whole number, but source is %s",
                            op->name, cr_dtype_name((cr_dtype)source->dtype));
  cr_release(scaled);
  return code;
}

int cr__run_index_fill(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)out, (void)nout;
  cr__index_plan p;
  cr__text text;
  const cr_tensor *value = args[3].kind == CR_TENSOR ? args[3].u.t : NULL;
  if (value && value->ndim > 0)
    return cr__fail(CR_E_SHAPE,
                    "%s: value is a number or a 0-dim tensor, got shape %s; use index_copy",
                    op->name, cr__shape_text(value->ndim, cr__sizes(value), &text));
  if (plan_list(op->name, args[0].u.t, args[1].u.i, args[2].u.t, &p)) return (int)cr_error_code();
  int code = cr__place_value(op->name, args[0].u.t, &p, &args[3], "value", CR__PLACE_SET);
  cr_release(p.index);
  return code;
}

/* Zeros with the listed parts of self copied over. */
int cr__run_index_keep(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *t = args[0].u.t;
  cr__index_plan from, to;
  if (plan_list(op->name, t, args[1].u.i, args[2].u.t, &from)) return (int)cr_error_code();
  cr_tensor *parts = cr__pick(op->name, t, &from, from.ndim, from.shape);
  cr_tensor *zeros = parts ? cr__zeros_for(op->name, t, t->ndim, cr__sizes(t)) : NULL;
  int code =
      zeros ? plan_list(op->name, zeros, args[1].u.i, args[2].u.t, &to) : (int)cr_error_code();
  if (!code) {
    code = cr__place(op->name, zeros, &to, parts, CR__PLACE_SET);
    cr_release(to.index);
  }
  cr_release(from.index);
  cr_release(parts);
  return cr__give_if(code, zeros, out);
}

/* Broadcasts two tensors of n dims in all of them but d. */
static int broadcast_but(const char *op, cr_tensor **a, cr_tensor **b, int d) {
  int n = 0;
  int64_t shape[CR_MAX_DIMS], wide[CR_MAX_DIMS];
  cr_tensor **sides[] = {a, b}, *old[] = {*a, *b};
  for (int i = 0; i < 2; i++) {
    memcpy(wide, cr__sizes(old[i]), old[i]->ndim * sizeof *wide);
    wide[d] = 1;
    if (cr__broadcast_into(op, &n, shape, old[i]->ndim, wide)) return (int)cr_error_code();
  }
  for (int i = 0; i < 2; i++) {
    shape[d] = cr__sizes(old[i])[d];
    *sides[i] = cr__op1(CR__OP_expand, (cr_value[]){cr_of(old[i]), cr_ints(shape, n)});
    cr_release(old[i]);
  }
  return *a && *b ? 0 : (int)cr_error_code();
}

int cr__run_take_along_dim(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *t = args[0].u.t, *index = args[1].u.t;
  bool flat = args[2].kind == CR_NONE || t->ndim == 0;
  int64_t all = -1;
  int d = 0;
  cr__text x, y;
  if (args[2].kind != CR_NONE) {
    if (cr__wrap_dim(op->name, "dim", args[2].u.i, t->ndim, &d)) return (int)cr_error_code();
    if (index->ndim != t->ndim)
      return cr__fail(CR_E_SHAPE, "%s: index (shape %s) must have as many dims as self (shape %s)",
                      op->name, cr__shape_text(index->ndim, cr__sizes(index), &x),
                      cr__shape_text(t->ndim, cr__sizes(t), &y));
  }
  cr_value shape = cr_ints(&all, 1);
  cr_tensor *a = flat ? cr__op1(CR__OP_reshape, (cr_value[]){args[0], shape}) : cr_retain(t);
  cr_tensor *b = flat ? cr__op1(CR__OP_reshape, (cr_value[]){args[1], shape}) : cr_retain(index);
  int code = a && b ? 0 : (int)cr_error_code();
  if (!code && !flat) code = broadcast_but(op->name, &a, &b, d);
  if (!code)
    code = cr__give(cr__op1(CR__OP_gather, (cr_value[]){cr_of(a), cr_int(d + 1), cr_of(b)}), out);
  cr_release(a);
  cr_release(b);
  return code;
}
