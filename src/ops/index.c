/* index.c: reading and writing by tensors of positions and masks, a tensor per dim.
 *
 * Holds true: NumPy's rules: a mask stands for the positions where it is true; all tensors of positions
 * broadcast together; their common dims come where the indexed dims were, or in front if a whole dim
 * lies between those. Several tensors are first added up to one of offsets, so that reading and
 * writing always follow a single one. */
#include "positions.h"

#include <string.h>

typedef struct axis { /* a dim of the tensor, or the dims that a mask stands for */
  int64_t size, step; /* size -1: index holds offsets plus 1 */
  int dim;            /* its number, from 1 */
  cr_tensor *index;   /* owned; NULL: the whole dim */
} axis;

typedef struct axes {
  int n;
  axis at[CR_MAX_DIMS];
} axes;

static void release_axes(axes *a) {
  for (int i = 0; i < a->n; i++) cr_release(a->at[i].index);
}

/* ---- From the arguments to axes ---------------------------------------------------------------- */

static int add_axis(const char *op, axes *a, int64_t size, int64_t step, int dim,
                    cr_tensor *index) {
  if (a->n == CR_MAX_DIMS) {
    cr_release(index);
    return cr__fail(CR_E_SHAPE, "%s: the result would have more than %d dims", op, CR_MAX_DIMS);
  }
  a->at[a->n++] = (axis){size, step, dim, index};
  return 0;
}

/* A mask takes as many dims as it has, and gives one axis of offsets. */
static int add_mask(const char *op, axes *a, cr_tensor *t, int d, cr_tensor *mask) {
  cr__text x, y;
  for (int k = 0; k < mask->ndim; k++)
    if (cr__sizes(mask)[k] != cr__sizes(t)[d + k])
      return cr__fail(CR_E_SHAPE, "%s: a mask of shape %s does not fit dims %d to %d of shape %s",
                      op, cr__shape_text(mask->ndim, cr__sizes(mask), &x), d + 1, d + mask->ndim,
                      cr__shape_text(t->ndim, cr__sizes(t), &y));
  cr_tensor *offsets = cr__true_offsets(op, mask, cr__steps(t) + d);
  return offsets ? add_axis(op, a, -1, 1, d + 1, offsets) : (int)cr_error_code();
}

static int refuse_dtype(const char *op, const cr_tensor *index) {
  return cr__fail(CR_E_DTYPE,
                  "%s: positions must be int64 or int32, and masks bool, got a %s tensor%s", op,
                  cr_dtype_name((cr_dtype)index->dtype),
                  index->dtype == CR_UINT8 ? "; x:bool() makes it a mask, x:long() positions" : "");
}

static int read_axes(const char *op, cr_tensor *t, const cr_value *indices, axes *a) {
  int d = 0, code = 0;
  a->n = 0;
  for (int i = 0; i < indices->n && !code; i++) {
    cr_tensor *x = indices->u.ts[i];
    bool mask = x && x->dtype == CR_BOOL;
    int taken = mask ? x->ndim : 1;
    if (d + taken > t->ndim)
      code = cr__fail(CR_E_INDEX, "%s: the indices are for at least %d dims, but self has %d", op,
                      d + taken, t->ndim);
    else if (mask) code = add_mask(op, a, t, d, x);
    else if (x && x->dtype != CR_INT64 && x->dtype != CR_INT32) code = refuse_dtype(op, x);
    else {
      cr_tensor *index = cr__apart(op, x, t);
      code = x && !index ? (int)cr_error_code()
                         : add_axis(op, a, cr__sizes(t)[d], cr__steps(t)[d], d + 1, index);
    }
    d += taken;
  }
  for (; d < t->ndim && !code; d++)
    code = add_axis(op, a, cr__sizes(t)[d], cr__steps(t)[d], d + 1, NULL);
  return code;
}

/* ---- From axes to a plan -------------------------------------------------------------------------- */

/* Positions along several dims as one tensor of offsets plus 1. */
static cr_tensor *sum_offsets(const char *op, const axes *a, cr_device device, int ndim,
                              const int64_t *shape) {
  cr_tensor *sum = cr__new(op, CR_INT64, device, ndim, shape);
  int code = sum ? 0 : (int)cr_error_code();
  bool first = true;
  for (int i = 0; i < a->n && !code; i++) {
    const axis *x = &a->at[i];
    if (!x->index) continue;
    cr_tensor *wide = cr__broadcast_view(op, x->index, "an index", ndim, shape);
    if (!wide) {
      code = (int)cr_error_code();
      break;
    }
    cr__launch k;
    cr__launch_begin(&k, op, device);
    cr__launch_view(&k, &k.ravel_index.out, sum);
    cr__launch_view(&k, &k.ravel_index.index, wide);
    k.ravel_index.size = x->size;
    k.ravel_index.step = x->step;
    k.ravel_index.dim = x->dim;
    k.ravel_index.first = first;
    code = cr__launch_run(&k, CR__K_ravel_index);
    first = false;
    cr_release(wide);
  }
  if (!code && first) code = cr__fill(op, sum, cr_int(1)); /* nothing is indexed: offset 0 */
  if (!code) return sum;
  cr_release(sum);
  return NULL;
}

/* Chooses the tensor that the plan follows, and what it counts. */
static int set_index(const char *op, const axes *a, cr_device device, int ndim,
                     const int64_t *shape, cr__index_plan *p) {
  const axis *only = NULL;
  int used = 0;
  for (int i = 0; i < a->n; i++)
    if (a->at[i].index) {
      only = &a->at[i];
      used++;
    }
  if (used == 1) {
    p->index = cr_retain(only->index);
    p->size = only->size;
    p->step = only->step;
    p->dim = only->dim;
    return 0;
  }
  p->index = sum_offsets(op, a, device, ndim, shape);
  p->size = -1;
  p->step = p->dim = 1;
  return p->index ? 0 : (int)cr_error_code();
}

/* Lays the common dims of the indices among the whole dims. */
static int lay_out(const char *op, const axes *a, int ndim, const int64_t *shape,
                   cr__index_plan *p) {
  int first = -1, last = -1, whole = 0, ahead = 0;
  for (int i = 0; i < a->n; i++) {
    if (a->at[i].index) {
      if (first < 0) first = i;
      last = i;
    } else {
      whole++;
    }
  }
  bool apart = false;
  for (int i = first; first >= 0 && i <= last; i++) apart = apart || !a->at[i].index;
  if (!apart && first > 0) ahead = first; /* as many whole dims come before */
  if (whole + ndim > CR_MAX_DIMS)
    return cr__fail(CR_E_SHAPE, "%s: the result would have %d dims; %d at most", op, whole + ndim,
                    CR_MAX_DIMS);
  p->ndim = whole + ndim;
  for (int k = 0; k < ndim; k++) {
    p->shape[ahead + k] = shape[k];
    p->stride[ahead + k] = 0;
  }
  for (int i = 0, k = 0; i < a->n; i++) {
    if (a->at[i].index) continue;
    int to = k < ahead ? k : k + ndim;
    p->shape[to] = a->at[i].size;
    p->stride[to] = a->at[i].step;
    p->index_stride[to] = 0;
    k++;
  }
  cr__broadcast_strides(p->index->ndim, cr__sizes(p->index), cr__steps(p->index), ndim, shape,
                        p->index_stride + ahead);
  return 0;
}

int cr__plan_indices(const char *op, cr_tensor *t, const cr_value *indices, cr__index_plan *p) {
  axes a;
  int ndim = 0;
  int64_t shape[CR_MAX_DIMS];
  cr_device device;
  p->index = NULL;
  if (cr__same_device(op, (cr_value[]){cr_of(t), *indices}, 2, &device))
    return (int)cr_error_code();
  int code = read_axes(op, t, indices, &a);
  for (int i = 0; i < a.n && !code; i++) {
    const cr_tensor *x = a.at[i].index;
    if (x) code = cr__broadcast_into(op, &ndim, shape, x->ndim, cr__sizes(x));
  }
  if (!code) code = set_index(op, &a, device, ndim, shape, p);
  if (!code) code = lay_out(op, &a, ndim, shape, p);
  release_axes(&a);
  if (code) {
    cr_release(p->index);
    p->index = NULL;
  }
  return code;
}

/* ---- The operations ----------------------------------------------------------------------------------- */

cr_tensor *cr__run_index(const cr_op *op, cr_tensor *self, cr__tensors indices) {
  cr__index_plan p;
  if (cr__plan_indices(op->name, self, (cr_value[]){cr_list(indices.at, indices.n)}, &p))
    return NULL;
  cr_tensor *r = cr__gather(op->name, self, &p, p.ndim, p.shape);
  cr_release(p.index);
  return r;
}

cr_tensor *cr__read_first_dim(const cr_op *op, cr_tensor *t, cr_tensor *index) {
  cr_value list = cr_list(&index, 1);
  cr__index_plan p;
  if (cr__check_index_dtype(op->name, index) || cr__plan_indices(op->name, t, &list, &p))
    return NULL;
  cr_tensor *r = cr__gather(op->name, t, &p, p.ndim, p.shape);
  cr_release(p.index);
  return r;
}

cr_tensor *cr__run_take(const cr_op *op, cr_tensor *self, cr_tensor *index) {
  int64_t step = 1;
  bool ready = (self->flags & CR__CONTIGUOUS) != 0;
  cr_tensor *whole = ready ? cr_retain(self) : cr__copy_of(op->name, self, (cr_dtype)self->dtype);
  cr_tensor *row = whole ? cr__alias(whole, 1, &self->numel, &step, whole->offset) : NULL;
  cr_tensor *r = row ? cr__read_first_dim(op, row, index) : NULL;
  cr_release(whole);
  cr_release(row);
  return r;
}

cr_tensor *cr__run_index_backward(const cr_op *op, cr_tensor *self, cr__ints shape,
                                  cr__tensors indices) {
  cr_tensor *zeros = cr__zeros_for(op->name, self, shape.n, shape.at);
  if (!zeros) return NULL;
  cr__index_plan p;
  int code = cr__plan_indices(op->name, zeros, (cr_value[]){cr_list(indices.at, indices.n)}, &p);
  if (!code) code = cr__add_to_new(op->name, zeros, &p, self);
  cr_release(p.index);
  return cr__filled(code, zeros);
}

int cr__run_index_put(const cr_op *op, cr_tensor *self, cr__tensors indices, cr_value values,
                      bool accumulate) {
  if (accumulate && cr__is_stored(self->dtype)) return cr__fail_stored(op, (cr_dtype)self->dtype);
  cr__scatter_mode how = accumulate ? CR__SCATTER_ADD : CR__SCATTER_SET;
  cr__index_plan p;
  int code = cr__plan_indices(op->name, self, (cr_value[]){cr_list(indices.at, indices.n)}, &p);
  if (!code) code = cr__scatter_value(op->name, self, &p, &values, "values", how);
  cr_release(p.index);
  return code;
}

cr_tensor *cr__run_index_clear(const cr_op *op, cr_tensor *self, cr__tensors indices, bool keep) {
  if (keep) return cr_retain(self);
  cr_tensor *copy = cr__copy_of(op->name, self, (cr_dtype)self->dtype);
  cr_value zero = cr_int(0);
  cr__index_plan p = {0};
  int code =
      copy ? cr__plan_indices(op->name, copy, (cr_value[]){cr_list(indices.at, indices.n)}, &p)
           : (int)cr_error_code();
  if (!code) code = cr__scatter_value(op->name, copy, &p, &zero, "values", CR__SCATTER_SET);
  cr_release(p.index);
  return cr__filled(code, copy);
}

/* ---- unravel_index ------------------------------------------------------------------------------------- */

static int check_raveled(const cr_op *op, cr_tensor *indices, cr__ints shape) {
  int64_t numel;
  cr__text text;
  cr_value low = cr_int(1), high = cr_int(0);
  if (cr__category((cr_dtype)indices->dtype) != CR_INTEGRAL)
    return cr__fail(CR_E_DTYPE, "%s: indices must be integers, got %s", op->name,
                    cr_dtype_name((cr_dtype)indices->dtype));
  int code = cr__count(op->name, shape.n, shape.at, &numel);
  if (code || indices->numel == 0) return code;
  cr_tensor *least = cr__call_min(indices), *most = cr__call_max(indices);
  code = least && most ? cr_item(least, &low) : (int)cr_error_code();
  if (!code) code = cr_item(most, &high);
  cr_release(least), cr_release(most);
  if (code || (low.u.i >= 1 && high.u.i <= numel)) return code;
  return cr__fail(CR_E_INDEX,
                  "%s: position %lld is none of the %lld in shape %s (they count from 1)", op->name,
                  (long long)(low.u.i < 1 ? low.u.i : high.u.i), (long long)numel,
                  cr__shape_text(shape.n, shape.at, &text));
}

int cr__run_unravel_index(const cr_op *op, cr_tensor *indices, cr__ints shape, cr_tensor **out,
                          int *nout) {
  int code = check_raveled(op, indices, shape);
  if (code) return code;
  cr_tensor *wide = cr__call_to(indices, CR_INT64, cr_none(), false);
  cr_tensor *rest = cr__call_sub_scalar(wide, cr_int(1));
  bool good = rest != NULL;
  for (int d = shape.n - 1; d >= 0; d--) {
    cr_value size = cr_int(shape.at[d] ? shape.at[d] : 1);
    cr_tensor *at = cr__call_remainder_scalar(rest, size);
    cr_tensor *before = d > 0 ? cr__call_floor_divide_scalar(rest, size) : NULL;
    out[d] = cr__call_add_scalar(at, cr_int(1));
    good = good && out[d];
    cr_release(at), cr_release(rest);
    rest = before;
  }
  cr_release(wide), cr_release(rest);
  *nout = shape.n;
  return good ? 0 : cr__undo(out, shape.n);
}
