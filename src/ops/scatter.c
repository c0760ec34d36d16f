/* scatter.c: writing by positions along one dim.
 *
 * Holds true: a 0-dim tensor counts as one of a single element along dim 1. What is written is a copy
 * if it shares memory with self; positions are checked by the kernel before it writes anything. */
#include "positions.h"

#include <string.h>

/* ---- The kernel ------------------------------------------------------------------------- */

/* late: t is given up after an error. */
static int place(const char *op, cr_tensor *t, const cr__index_plan *p, cr_tensor *values,
                 cr__scatter_mode how, bool late) {
  cr_tensor *apart = cr__apart(op, values, t);
  cr_tensor *wide = cr__broadcast_view(op, apart, "what is written", p->ndim, p->shape);
  int code = wide ? 0 : (int)cr_error_code();
  if (!code) {
    cr__launch k;
    cr__launch_begin(&k, op, t->storage->device);
    cr__see_plan(cr__launch_view(&k, &k.scatter.to, t), p, p->stride);
    cr__see_plan(cr__launch_view(&k, &k.scatter.index, p->index), p, p->index_stride);
    cr__launch_view(&k, &k.scatter.from, wide);
    k.scatter.size = p->size, k.scatter.step = p->step, k.scatter.dim = p->dim;
    k.scatter.how = how, k.scatter.late = late;
    code = cr__launch_run(&k, CR__K_scatter);
  }
  cr_release(apart);
  cr_release(wide);
  return code;
}

int cr__scatter(const char *op, cr_tensor *t, const cr__index_plan *p, cr_tensor *values,
                cr__scatter_mode how) {
  return place(op, t, p, values, how, false);
}

int cr__add_to_new(const char *op, cr_tensor *t, const cr__index_plan *p, cr_tensor *values) {
  return place(op, t, p, values, CR__SCATTER_ADD, true);
}

int cr__scatter_value(const char *op, cr_tensor *t, const cr__index_plan *p, const cr_value *value,
                      const char *name, cr__scatter_mode how) {
  cr_tensor *v = value->kind == CR_TENSOR ? value->u.t : NULL;
  if (v && v->dtype == t->dtype) return cr__scatter(op, t, p, v, how);
  if (v && v->ndim > 0)
    return cr__fail(CR_E_DTYPE, "%s: %s is %s and self is %s; convert one of them", op, name,
                    cr_dtype_name((cr_dtype)v->dtype), cr_dtype_name((cr_dtype)t->dtype));
  if (v && cr__check_element(op, (cr_dtype)t->dtype, v)) return (int)cr_error_code();
  cr_tensor *one = cr__new(op, (cr_dtype)t->dtype, t->storage->device, 0, NULL);
  int code = one ? 0 : (int)cr_error_code();
  if (!code) code = v ? cr__copy(op, one, v) : cr__fill(op, one, *value);
  if (!code) code = cr__scatter(op, t, p, one, how);
  cr_release(one);
  return code;
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
  cr__scatter_mode how = op->id == CR__OP_scatter_add        ? CR__SCATTER_ADD
                         : op->id == CR__OP_scatter_multiply ? CR__SCATTER_MULTIPLY
                                                             : CR__SCATTER_SET;
  if (value.kind == CR_TENSOR && (value.u.t->ndim > 0 || how != CR__SCATTER_SET)) {
    cr_tensor *src = value.u.t;
    if (check_src(op->name, index, src)) return (int)cr_error_code();
    corner = cr__alias(src, index->ndim, cr__sizes(index), cr__steps(src), src->offset);
    if (!corner) return (int)cr_error_code();
    value = cr_of(corner);
  }
  cr__index_plan p;
  int code = cr__plan_each(op->name, t, args[1].u.i, index, &p);
  if (!code) {
    code = cr__scatter_value(op->name, t, &p, &value, "src", how);
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
static int write_parts(const cr_op *op, const cr_value *args, cr_tensor *source,
                       cr__scatter_mode how) {
  cr_tensor *t = args[0].u.t;
  cr_device device;
  cr__index_plan p;
  cr__text a, b;
  if (cr__same_device(op->name, args, 4, &device) ||
      cr__plan_list(op->name, t, args[1].u.i, args[2].u.t, &p))
    return (int)cr_error_code();
  bool fits = source->ndim == t->ndim || (t->ndim == 0 && source->numel == 1);
  for (int d = 0; fits && d < t->ndim; d++) fits = cr__sizes(source)[d] == p.shape[d];
  cr_value value = cr_of(source);
  int code = fits ? cr__scatter_value(op->name, t, &p, &value, "source", how)
                  : cr__fail(CR_E_SHAPE, "%s: source must have shape %s here, got %s", op->name,
                             cr__shape_text(t->ndim, p.shape, &a),
                             cr__shape_text(source->ndim, cr__sizes(source), &b));
  cr_release(p.index);
  return code;
}

int cr__run_index_copy(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)out, (void)nout;
  return write_parts(op, args, args[3].u.t, CR__SCATTER_SET);
}

int cr__run_index_add(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)out, (void)nout;
  cr_tensor *source = args[3].u.t;
  const cr_value *alpha = &args[4];
  if (alpha->kind == CR_INT && alpha->u.i == 1)
    return write_parts(op, args, source, CR__SCATTER_ADD);
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
  if (cr__plan_list(op->name, args[0].u.t, args[1].u.i, args[2].u.t, &p))
    return (int)cr_error_code();
  int code = cr__scatter_value(op->name, args[0].u.t, &p, &args[3], "value", CR__SCATTER_SET);
  cr_release(p.index);
  return code;
}

/* Zeros with the listed parts of self copied over. */
int cr__run_index_keep(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *t = args[0].u.t;
  cr__index_plan from, to;
  if (cr__plan_list(op->name, t, args[1].u.i, args[2].u.t, &from)) return (int)cr_error_code();
  cr_tensor *parts = cr__gather(op->name, t, &from, from.ndim, from.shape);
  cr_tensor *zeros = parts ? cr__zeros_for(op->name, t, t->ndim, cr__sizes(t)) : NULL;
  int code =
      zeros ? cr__plan_list(op->name, zeros, args[1].u.i, args[2].u.t, &to) : (int)cr_error_code();
  if (!code) {
    code = cr__scatter(op->name, zeros, &to, parts, CR__SCATTER_SET);
    cr_release(to.index);
  }
  cr_release(from.index);
  cr_release(parts);
  return cr__give_if(code, zeros, out);
}
