/* gather.c: reading along a dim by tensors of positions, and the derivatives of that.
 *
 * Holds true: a plan for reading serves for writing too. */
#include "positions.h"

#include <string.h>

int cr__check_index_dtype(const char *op, const cr_tensor *t) {
  if (t->dtype == CR_INT64 || t->dtype == CR_INT32) return 0;
  return cr__fail(CR_E_DTYPE, "%s: positions must be int64 or int32, got a %s tensor", op,
                  cr_dtype_name((cr_dtype)t->dtype));
}

void cr__see_plan(cr__view *v, const cr__index_plan *p, const int64_t *stride) {
  v->ndim = p->ndim;
  memcpy(v->shape, p->shape, (size_t)p->ndim * sizeof(int64_t));
  memcpy(v->stride, stride, (size_t)p->ndim * sizeof(int64_t));
}

cr_tensor *cr__gather(const char *op, cr_tensor *t, const cr__index_plan *p, int ndim,
                      const int64_t *shape) {
  int64_t stride[CR_MAX_DIMS];
  cr_tensor *r = cr__new(op, (cr_dtype)t->dtype, t->storage->device, ndim, shape);
  if (!r) return NULL;
  cr__launch k;
  cr__launch_begin(&k, op, t->storage->device);
  cr__fill_strides(p->ndim, p->shape, stride);
  cr__see_plan(cr__launch_view(&k, &k.gather.out, r), p, stride);
  cr__see_plan(cr__launch_view(&k, &k.gather.from, t), p, p->stride);
  cr__see_plan(cr__launch_view(&k, &k.gather.index, p->index), p, p->index_stride);
  k.gather.size = p->size, k.gather.step = p->step, k.gather.dim = p->dim;
  if (cr__launch_run(&k, CR__K_gather) == 0) return r;
  cr_release(r);
  return NULL;
}

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
int cr__plan_list(const char *op, cr_tensor *t, int64_t dim, cr_tensor *index, cr__index_plan *p) {
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
int cr__plan_each(const char *op, cr_tensor *t, int64_t dim, cr_tensor *index, cr__index_plan *p) {
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

cr_tensor *cr__run_index_select(const cr_op *op, cr_tensor *self, int64_t dim, cr_tensor *index) {
  cr__index_plan p;
  if (cr__plan_list(op->name, self, dim, index, &p)) return NULL;
  cr_tensor *r = cr__gather(op->name, self, &p, self->ndim, p.shape);
  cr_release(p.index);
  return r;
}

cr_tensor *cr__run_gather(const cr_op *op, cr_tensor *self, int64_t dim, cr_tensor *index) {
  cr__index_plan p;
  if (cr__plan_each(op->name, self, dim, index, &p)) return NULL;
  cr_tensor *r = cr__gather(op->name, self, &p, index->ndim, cr__sizes(index));
  cr_release(p.index);
  return r;
}

typedef int (*make_plan)(const char *, cr_tensor *, int64_t, cr_tensor *, cr__index_plan *);

static cr_tensor *add_to_zeros(const cr_op *op, cr_tensor *self, cr__ints shape, int64_t dim,
                               cr_tensor *index, make_plan plan) {
  cr_tensor *zeros = cr__zeros_for(op->name, self, shape.n, shape.at);
  if (!zeros) return NULL;
  cr__index_plan p;
  int code = plan(op->name, zeros, dim, index, &p);
  if (!code) {
    code = cr__add_to_new(op->name, zeros, &p, self);
    cr_release(p.index);
  }
  return cr__filled(code, zeros);
}

cr_tensor *cr__run_index_select_backward(const cr_op *op, cr_tensor *self, cr__ints shape,
                                         int64_t dim, cr_tensor *index) {
  return add_to_zeros(op, self, shape, dim, index, cr__plan_list);
}

cr_tensor *cr__run_gather_backward(const cr_op *op, cr_tensor *self, cr__ints shape, int64_t dim,
                                   cr_tensor *index) {
  return add_to_zeros(op, self, shape, dim, index, cr__plan_each);
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
    *sides[i] = cr__call_expand(old[i], shape, n);
    cr_release(old[i]);
  }
  return *a && *b ? 0 : (int)cr_error_code();
}

cr_tensor *cr__run_take_along_dim(const cr_op *op, cr_tensor *self, cr_tensor *indices,
                                  const int64_t *dim) {
  cr_tensor *t = self;
  bool flat = !dim || t->ndim == 0;
  int64_t all = -1;
  int d = 0;
  cr__text x, y;
  if (dim) {
    if (cr__wrap_dim(op->name, "dim", *dim, t->ndim, &d)) return NULL;
    if (indices->ndim != t->ndim)
      return cr__no_tensor(
          cr__fail(CR_E_SHAPE, "%s: indices (shape %s) must have as many dims as self (shape %s)",
                   op->name, cr__shape_text(indices->ndim, cr__sizes(indices), &x),
                   cr__shape_text(t->ndim, cr__sizes(t), &y)));
  }
  cr_tensor *a = flat ? cr__call_reshape(self, &all, 1) : cr_retain(t), *r = NULL;
  cr_tensor *b = flat ? cr__call_reshape(indices, &all, 1) : cr_retain(indices);
  int code = a && b ? 0 : (int)cr_error_code();
  if (!code && !flat) code = broadcast_but(op->name, &a, &b, d);
  if (!code) r = cr__call_gather(a, d + 1, b);
  cr_release(a);
  cr_release(b);
  return r;
}
