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

/* Writes src, of exactly index's shape or of 0 dims, or a number. */
static int write_each(const cr_op *op, cr_tensor *self, int64_t dim, cr_tensor *index, cr_value src,
                      cr__scatter_mode how) {
  cr__index_plan p;
  int code = cr__plan_each(op->name, self, dim, index, &p);
  if (code) return code;
  code = cr__scatter_value(op->name, self, &p, &src, "src", how);
  cr_release(p.index);
  return code;
}

/* The same of the part of src that index has places for. */
static int write_corner(const cr_op *op, cr_tensor *self, int64_t dim, cr_tensor *index,
                        cr_tensor *src, cr__scatter_mode how) {
  if (check_src(op->name, index, src)) return (int)cr_error_code();
  cr_tensor *corner = cr__alias(src, index->ndim, cr__sizes(index), cr__steps(src), src->offset);
  int code = corner ? write_each(op, self, dim, index, cr_of(corner), how) : (int)cr_error_code();
  cr_release(corner);
  return code;
}

int cr__run_scatter(const cr_op *op, cr_tensor *self, int64_t dim, cr_tensor *index, cr_value src) {
  cr_device device;
  if (cr__same_device(op->name, (cr_value[]){cr_of(self), cr_of(index), src}, 3, &device))
    return (int)cr_error_code();
  if (src.kind == CR_TENSOR && src.u.t->ndim > 0)
    return write_corner(op, self, dim, index, src.u.t, CR__SCATTER_SET);
  return write_each(op, self, dim, index, src, CR__SCATTER_SET);
}

int cr__run_scatter_joined(const cr_op *op, cr_tensor *self, int64_t dim, cr_tensor *index,
                           cr_tensor *src) {
  cr_device device;
  bool add = op->id == CR__OP_scatter_add;
  if (cr__same_device(op->name, (cr_value[]){cr_of(self), cr_of(index), cr_of(src)}, 3, &device))
    return (int)cr_error_code();
  return write_corner(op, self, dim, index, src, add ? CR__SCATTER_ADD : CR__SCATTER_MULTIPLY);
}

int cr__run_scatter_extreme(const cr_op *op, cr_tensor *self, int64_t dim, cr_tensor *index,
                            cr_tensor *src, bool largest) {
  cr_device device;
  if (cr__same_device(op->name, (cr_value[]){cr_of(self), cr_of(index), cr_of(src)}, 3, &device))
    return (int)cr_error_code();
  return write_corner(op, self, dim, index, src,
                      largest ? CR__SCATTER_LARGEST : CR__SCATTER_SMALLEST);
}

/* The part of src that index has places for; a number, or a 0-dim tensor, fills that part. */
static cr_tensor *fitted(const cr_op *op, const cr_tensor *self, cr_tensor *index, cr_value src) {
  cr_tensor *s = src.u.t;
  if (src.kind != CR_TENSOR)
    return cr__call_full_like(index, src, (cr_dtype)self->dtype, cr_none());
  if (s->ndim == 0) return cr__call_expand(s, cr__sizes(index), index->ndim);
  if (check_src(op->lua, index, s)) return NULL;
  cr_tensor *part = cr__call_alias(s);
  for (int d = 0; d < s->ndim; d++) {
    if (cr__sizes(index)[d] == cr__sizes(s)[d]) continue;
    cr_tensor *less = cr__call_narrow(part, d + 1, 1, cr__sizes(index)[d]);
    cr_release(part);
    part = less;
  }
  return part;
}

cr_tensor *cr__run_scatter_reduced(const cr_op *op, cr_tensor *self, int64_t dim, cr_tensor *index,
                                   cr_value src, int reduce) {
  cr_tensor *part = fitted(op, self, index, src);
  cr_tensor *r = reduce == CR__scatter_reduced_reduce_add
                     ? cr__call_scatter_add(self, dim, index, part)
                     : cr__call_scatter_multiply(self, dim, index, part);
  cr_release(part);
  return r;
}

/* Writes source, of exactly the shape of the parts that index lists. */
static int write_parts(const cr_op *op, cr_tensor *t, int64_t dim, cr_tensor *index,
                       cr_tensor *source, cr__scatter_mode how) {
  cr_device device;
  cr__index_plan p;
  cr__text a, b;
  if (cr__same_device(op->name, (cr_value[]){cr_of(t), cr_of(index), cr_of(source)}, 3, &device) ||
      cr__plan_list(op->name, t, dim, index, &p))
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

int cr__run_index_copy(const cr_op *op, cr_tensor *self, int64_t dim, cr_tensor *index,
                       cr_tensor *source) {
  return write_parts(op, self, dim, index, source, CR__SCATTER_SET);
}

int cr__run_index_add(const cr_op *op, cr_tensor *self, int64_t dim, cr_tensor *index,
                      cr_tensor *source, cr_value alpha) {
  if (alpha.kind == CR_INT && alpha.u.i == 1)
    return write_parts(op, self, dim, index, source, CR__SCATTER_ADD);
  cr_tensor *scaled = cr__call_mul_scalar(source, alpha);
  if (!scaled) return (int)cr_error_code();
  int code = scaled->dtype == source->dtype
                 ? write_parts(op, self, dim, index, scaled, CR__SCATTER_ADD)
                 : cr__fail(CR_E_DTYPE, "%s: alpha is not a whole number, but source is %s",
                            op->name, cr_dtype_name((cr_dtype)source->dtype));
  cr_release(scaled);
  return code;
}

int cr__run_index_fill(const cr_op *op, cr_tensor *self, int64_t dim, cr_tensor *index,
                       cr_value value) {
  cr__index_plan p;
  cr__text text;
  const cr_tensor *t = value.kind == CR_TENSOR ? value.u.t : NULL;
  if (t && t->ndim > 0)
    return cr__fail(CR_E_SHAPE,
                    "%s: value is a number or a 0-dim tensor, got shape %s; use index_copy",
                    op->name, cr__shape_text(t->ndim, cr__sizes(t), &text));
  if (cr__plan_list(op->name, self, dim, index, &p)) return (int)cr_error_code();
  int code = cr__scatter_value(op->name, self, &p, &value, "value", CR__SCATTER_SET);
  cr_release(p.index);
  return code;
}

/* Zeros with the listed parts of self copied over. */
cr_tensor *cr__run_index_keep(const cr_op *op, cr_tensor *self, int64_t dim, cr_tensor *index) {
  cr__index_plan from, to;
  if (cr__plan_list(op->name, self, dim, index, &from)) return NULL;
  cr_tensor *parts = cr__gather(op->name, self, &from, from.ndim, from.shape);
  cr_tensor *zeros = parts ? cr__zeros_for(op->name, self, self->ndim, cr__sizes(self)) : NULL;
  int code = zeros ? cr__plan_list(op->name, zeros, dim, index, &to) : (int)cr_error_code();
  if (!code) {
    code = cr__scatter(op->name, zeros, &to, parts, CR__SCATTER_SET);
    cr_release(to.index);
  }
  cr_release(from.index);
  cr_release(parts);
  return cr__filled(code, zeros);
}
