/* mask.c: positions of true elements, and what masks read and write.
 *
 * Holds true: a mask is a bool tensor; elements are taken in row-major order. */
#include "positions.h"

#include <stdio.h>
#include <string.h>

/* ---- nonzero ------------------------------------------------------------------------------------ */

/* Runs the kernel that lists nonzero elements of t: into `columns` columns of positions, or (steps
 * given) into one row of offsets plus 1 by those strides. */
static cr_tensor *list_nonzero(const char *op, cr_tensor *t, int columns, const int64_t *steps) {
  cr__launch k;
  cr__launch_begin(&k, op, t->storage->device);
  cr__launch_view(&k, &k.count_true.from, t);
  if (cr__launch_run(&k, CR__K_count_true)) return NULL;
  int64_t shape[] = {k.count_true.count, columns};
  cr_tensor *list = cr__new(op, CR_INT64, t->storage->device, steps ? 1 : 2, shape);
  if (!list) return NULL;
  cr__launch_begin(&k, op, t->storage->device);
  cr__launch_view(&k, &k.nonzero.out, list);
  cr__launch_view(&k, &k.nonzero.from, t);
  k.nonzero.as_offsets = steps != NULL;
  if (steps) memcpy(k.nonzero.step, steps, t->ndim * sizeof *steps);
  if (cr__launch_run(&k, CR__K_nonzero) == 0) return list;
  cr_release(list);
  return NULL;
}

cr_tensor *cr__true_offsets(const char *op, cr_tensor *mask, const int64_t *steps) {
  int64_t one = 1, none = 0;
  cr_tensor *wide = mask->ndim ? cr_retain(mask) : cr__alias(mask, 1, &one, &one, mask->offset);
  cr_tensor *list = wide ? list_nonzero(op, wide, 1, mask->ndim ? steps : &none) : NULL;
  cr_release(wide);
  return list;
}

cr_tensor *cr__run_nonzero(const cr_op *op, cr_tensor *self) {
  if (self->ndim > 0) return list_nonzero(op->name, self, self->ndim, NULL);
  int64_t one = 1; /* a row of no columns if the only element is not zero */
  cr_tensor *wide = cr__alias(self, 1, &one, &one, self->offset);
  cr_tensor *rows = wide ? list_nonzero(op->name, wide, 1, NULL) : NULL, *none = NULL;
  if (rows) {
    int64_t shape[] = {cr__sizes(rows)[0], 0};
    none = cr__new(op->name, CR_INT64, self->storage->device, 2, shape);
  }
  cr_release(wide);
  cr_release(rows);
  return none;
}

int cr__run_where_positions(const cr_op *op, cr_tensor *condition, cr_tensor **out, int *nout) {
  (void)op;
  int64_t one = 1;
  cr_tensor *t = condition;
  cr_tensor *wide = t->ndim ? cr_retain(t) : cr__call_reshape(condition, &one, 1);
  cr_tensor *rows = cr__call_nonzero(wide);
  int code = cr_call(&cr__ops[CR__OP_unbind], (cr_value[]){cr_of(rows), cr_int(2)}, out, nout);
  cr_release(wide);
  cr_release(rows);
  return code;
}

/* ---- Masks ------------------------------------------------------------------------------------------ */

static int check_mask(const char *op, const cr_tensor *mask) {
  if (mask->dtype == CR_BOOL) return 0;
  return cr__fail(CR_E_DTYPE, "%s: mask must be bool, got a %s tensor; mask:bool() makes one of it",
                  op, cr_dtype_name((cr_dtype)mask->dtype));
}

cr_tensor *cr__run_masked_select(const cr_op *op, cr_tensor *self, cr_tensor *mask) {
  int ndim = 0;
  int64_t shape[CR_MAX_DIMS];
  if (cr__broadcast_into(op->name, &ndim, shape, self->ndim, cr__sizes(self)) ||
      cr__broadcast_into(op->name, &ndim, shape, mask->ndim, cr__sizes(mask)))
    return NULL;
  if (check_mask(op->name, mask)) return NULL;
  cr_tensor *whole = cr__call_expand(self, shape, ndim), *all = cr__call_expand(mask, shape, ndim);
  cr_tensor *r = whole && all ? cr__call_index(whole, &all, 1) : NULL;
  cr_release(whole), cr_release(all);
  return r;
}

/* Writes the first elements of source, as many as the plan asks for. */
static int place_in_order(const char *op, cr_tensor *self, const cr__index_plan *p,
                          cr_tensor *source) {
  int64_t count = p->shape[0], step = 1;
  if (source->dtype != self->dtype)
    return cr__fail(CR_E_DTYPE, "%s: source is %s and self is %s; convert one of them", op,
                    cr_dtype_name((cr_dtype)source->dtype), cr_dtype_name((cr_dtype)self->dtype));
  if (source->numel < count)
    return cr__fail(CR_E_SHAPE, "%s: mask is true %lld times, but source has %lld elements", op,
                    (long long)count, (long long)source->numel);
  cr_tensor *row = cr__copy_of(op, source, (cr_dtype)source->dtype);
  cr_tensor *values = row ? cr__alias(row, 1, &count, &step, row->offset) : NULL;
  int code = values ? cr__scatter(op, self, p, values, CR__SCATTER_SET) : (int)cr_error_code();
  cr_release(row);
  cr_release(values);
  return code;
}

int cr__run_masked_scatter(const cr_op *op, cr_tensor *self, cr_tensor *mask, cr_tensor *source) {
  cr_device device;
  cr__index_plan p = {0};
  if (check_mask(op->name, mask) ||
      cr__same_device(op->name, (cr_value[]){cr_of(self), cr_of(mask), cr_of(source)}, 3, &device))
    return (int)cr_error_code();
  cr_tensor *wide = cr__broadcast_view(op->name, mask, "mask", self->ndim, cr__sizes(self));
  cr_value indices = cr_list(&wide, 1);
  int code = wide ? cr__plan_indices(op->name, self, &indices, &p) : (int)cr_error_code();
  if (!code) code = place_in_order(op->name, self, &p, source);
  cr_release(wide);
  cr_release(p.index);
  return code;
}

cr_tensor *cr__run_masked_source(const cr_op *op, cr_tensor *self, cr_tensor *mask,
                                 cr__ints shape) {
  int64_t numel;
  if (cr__count(op->name, shape.n, shape.at, &numel)) return NULL;
  cr_tensor *taken = cr__call_masked_select(self, mask);
  cr_tensor *filled = cr__call_corner(taken, &numel, 1);
  cr_tensor *r = cr__call_reshape(filled, shape.at, shape.n);
  cr_release(taken);
  cr_release(filled);
  return r;
}

/* ---- one_hot ------------------------------------------------------------------------------------------ */

static int count_classes(const char *op, cr_tensor *t, const int64_t *classes, int64_t *n) {
  cr_value most = cr__int_if(classes);
  if (!classes || *classes == -1) {
    if (t->numel == 0)
      return cr__fail(CR_E_ARGUMENT, "%s: num_classes must be given for an empty tensor", op);
    cr_tensor *max = cr__call_amax(t, NULL, -1, false);
    int code = max ? cr_item(max, &most) : (int)cr_error_code();
    cr_release(max);
    if (code) return code;
  }
  *n = most.u.i;
  if (*n >= 1) return 0;
  return cr__fail(CR_E_ARGUMENT, "%s: %lld classes are impossible; classes count from 1", op,
                  (long long)*n);
}

/* Says of a position that cannot be one what it stands for here. */
static int say_classes(int code) {
  char text[256];
  if (code != CR_E_INDEX) return code;
  snprintf(text, sizeof text, "%s", cr_error_message());
  cr_error_clear();
  return cr__fail(CR_E_INDEX, "%s; the classes count from 1", text);
}

cr_tensor *cr__run_one_hot(const cr_op *op, cr_tensor *self, const int64_t *num_classes) {
  cr__index_plan p = {.step = 1, .dim = self->ndim + 1, .ndim = self->ndim};
  if (cr__check_index_dtype(op->name, self) || count_classes(op->name, self, num_classes, &p.size))
    return NULL;
  if (self->ndim == CR_MAX_DIMS)
    return cr__no_tensor(
        cr__fail(CR_E_SHAPE, "%s: the result would have more than %d dims", op->name, CR_MAX_DIMS));
  int64_t shape[CR_MAX_DIMS];
  memcpy(shape, cr__sizes(self), self->ndim * sizeof *shape);
  shape[self->ndim] = p.size;
  cr_tensor *hot = cr__new(op->name, CR_INT64, self->storage->device, self->ndim + 1, shape);
  if (!hot) return NULL;
  memcpy(p.shape, shape, sizeof p.shape);
  memcpy(p.stride, cr__steps(hot), self->ndim * sizeof *shape);
  memcpy(p.index_stride, cr__steps(self), self->ndim * sizeof *shape);
  p.index = self;
  cr_value one = cr_int(1);
  int code = cr__fill(op->name, hot, cr_int(0));
  if (!code) code = cr__scatter_value(op->name, hot, &p, &one, "1", CR__SCATTER_SET);
  return cr__filled(say_classes(code), hot);
}

/* ---- nonzero_static ----------------------------------------------------------------------------------- */

cr_tensor *cr__run_nonzero_static(const cr_op *op, cr_tensor *self, int64_t size,
                                  int64_t fill_value) {
  if (size < 0)
    return cr__no_tensor(cr__fail(CR_E_ARGUMENT, "%s: size must not be negative, got %lld",
                                  op->name, (long long)size));
  cr_tensor *all = cr__call_nonzero(self);
  if (!all) return NULL;
  int64_t found = cr__sizes(all)[0], kept = found < size ? found : size;
  int64_t shape[] = {size, self->ndim};
  cr_tensor *r = cr__call_new_full(all, shape, 2, cr_int(fill_value), CR_DTYPE_NONE, cr_none());
  cr_tensor *to = r ? cr__range_view(r, 0, 0, kept, 1) : NULL;
  cr_tensor *from = to ? cr__range_view(all, 0, 0, kept, 1) : NULL;
  int code = from ? cr__copy(op->name, to, from) : (int)cr_error_code();
  cr_release(all), cr_release(to), cr_release(from);
  return cr__filled(code, r);
}
