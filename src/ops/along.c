/* along.c: composites of a few operations whose shape has to be looked at first.
 *
 * Holds true: every step is an operation that records itself; a failed step gives NULL, which the next
 * ones pass on. */
#include <math.h>
#include <string.h>

#include "reduce.h"

static int64_t size_of(const cr_tensor *t, int d) { return t->ndim ? cr__sizes(t)[d] : 1; }

/* ---- Halves and neighbours ---- */

int cr__run_glu(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *self = args[0].u.t;
  int d;
  int code = cr__wrap_dim(op->lua, "dim", args[1].u.i, self->ndim, &d);
  if (code) return code;
  int64_t size = size_of(self, d);
  if (size % 2 || !self->ndim)
    return cr__fail(CR_E_SHAPE, "%s: dim %d has size %lld, which has no halves", op->lua, d + 1,
                    (long long)size);
  cr_value half = cr_int(size / 2), dim = cr_int(d + 1);
  cr_value first = cr__do(CR__OP_narrow, (cr_value[]){args[0], dim, cr_int(1), half});
  cr_value second = cr__do(CR__OP_narrow, (cr_value[]){args[0], dim, cr_int(size / 2 + 1), half});
  cr_value gate = cr__do(CR__OP_sigmoid, (cr_value[]){second});
  cr_tensor *r = CR__CALL(mul, first, gate);
  cr__drop(first), cr__drop(second), cr__drop(gate);
  return cr__give(r, out);
}

int cr__run_prelu(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  const cr_tensor *self = args[0].u.t, *weight = args[1].u.t;
  int64_t shape[CR_MAX_DIMS], channels = self->ndim > 1 ? cr__sizes(self)[1] : 1;
  if (weight->numel != 1 && weight->numel != channels)
    return cr__fail(CR_E_SHAPE,
                    "%s: weight has %lld elements; it may have 1 or %lld, as self has "
                    "channels (dim 2)",
                    op->lua, (long long)weight->numel, (long long)channels);
  int ndim = weight->numel == 1 ? 0 : self->ndim;
  for (int d = 0; d < ndim; d++) shape[d] = d == 1 ? channels : 1;
  cr_value slope = cr__do(CR__OP_reshape, (cr_value[]){args[1], cr_ints(shape, ndim)});
  cr_value positive = cr__do(CR__OP_gt, (cr_value[]){args[0], cr_int(0)});
  cr_value less = cr__do(CR__OP_mul, (cr_value[]){slope, args[0]});
  cr_tensor *r = CR__CALL(where, positive, args[0], less);
  cr__drop(slope), cr__drop(positive), cr__drop(less);
  return cr__give(r, out);
}

static cr_value difference(cr_value self, cr_value dim, int64_t size) {
  int64_t n = size > 0 ? size - 1 : 0;
  cr_value first = cr__do(CR__OP_narrow, (cr_value[]){self, dim, cr_int(1), cr_int(n)});
  cr_value second = cr__do(CR__OP_narrow, (cr_value[]){self, dim, cr_int(n ? 2 : 1), cr_int(n)});
  bool truth = self.kind == CR_TENSOR && self.u.t->dtype == CR_BOOL;
  cr_value r = cr__do(truth ? CR__OP_logical_xor : CR__OP_sub, (cr_value[]){second, first});
  cr__drop(first), cr__drop(second);
  return r;
}

/* self between what is prepended and appended along dim d, each of which may be absent. */
static cr_value extended(const cr_op *op, const cr_value *args, int d) {
  static const int places[] = {3, 0, 4}; /* prepend, self, append */
  const cr_tensor *self = args[0].u.t;
  cr_tensor *parts[3];
  int n = 0;
  for (int i = 0; i < 3; i++) {
    const cr_value *v = &args[places[i]];
    if (v->kind != CR_TENSOR) continue;
    cr__text a, b;
    bool fits = v->u.t->ndim == self->ndim;
    for (int k = 0; fits && k < self->ndim; k++)
      fits = k == d || cr__sizes(v->u.t)[k] == cr__sizes(self)[k];
    if (!fits) {
      cr__fail(CR_E_SHAPE,
               "%s: %s of shape %s does not fit self of shape %s in the dims other than %d",
               op->lua, op->params[places[i]].name,
               cr__shape_text(v->u.t->ndim, cr__sizes(v->u.t), &a),
               cr__shape_text(self->ndim, cr__sizes(self), &b), d + 1);
      return cr_none();
    }
    parts[n++] = v->u.t;
  }
  if (n == 1) return cr__do(CR__OP_alias, args);
  return cr__do(CR__OP_cat, (cr_value[]){cr_list(parts, n), cr_int(d + 1)});
}

int cr__run_diff(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *self = args[0].u.t;
  int64_t n = args[1].u.i;
  int d;
  if (self->ndim == 0) return cr__fail(CR_E_SHAPE, "%s: a 0-dim tensor has no neighbours", op->lua);
  int code = cr__wrap_dim(op->lua, "dim", args[2].u.i, self->ndim, &d);
  if (code) return code;
  if (n < 0)
    return cr__fail(CR_E_ARGUMENT, "%s: n must not be negative, got %lld", op->lua, (long long)n);
  cr_value now = n ? extended(op, args, d) : cr__do(CR__OP_alias, args);
  int64_t size = now.kind == CR_TENSOR ? cr__sizes(now.u.t)[d] : 0;
  for (int64_t i = 0; i < n && (size || i == 0) && now.kind == CR_TENSOR; i++) {
    cr_value next = difference(now, cr_int(d + 1), size);
    cr__drop(now);
    now = next;
    size -= size > 0;
  }
  return cr__give(now.kind == CR_TENSOR ? now.u.t : NULL, out);
}

/* ---- Directions ---- */

/* x divided by its norm, 0 where that is 0. */
static cr_value direction(cr_value x, cr_value norm) {
  cr_value flat = cr__do(CR__OP_eq, (cr_value[]){norm, cr_int(0)});
  cr_value safe = cr__do(CR__OP_masked_fill, (cr_value[]){norm, flat, cr_float(INFINITY)});
  cr_value result = cr__do(CR__OP_div, (cr_value[]){x, safe});
  cr__drop(flat), cr__drop(safe);
  return result;
}

/* cosine_similarity(x1, x2, dim, eps) */
int cr__run_cosine_similarity(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  cr_tensor *list[] = {args[0].u.t, args[1].u.t}, *seen[CR_MAX_OUTPUTS];
  cr_value all = cr_list(list, 2), norm[2], unit[2], yes = cr_bool(true);
  int n = 2, d;
  (void)nout;
  int code = cr_call(&cr__ops[CR__OP_broadcast_tensors], &all, seen, &n);
  if (code) return code;
  code = cr__wrap_dim(op->lua, "dim", args[2].u.i, seen[0]->ndim, &d);
  int64_t dim = d + 1;
  for (int i = 0; i < 2; i++) {
    norm[i] = unit[i] = cr_none();
    if (!code) {
      norm[i] = cr__do(CR__OP_norm,
                       (cr_value[]){cr_of(seen[i]), cr_int(2), cr_ints(&dim, 1), yes, cr_none()});
      unit[i] = direction(cr_of(seen[i]), norm[i]);
    }
  }
  cr_value parts = cr__do(CR__OP_mul, (cr_value[]){unit[0], unit[1]});
  cr_value sum = cr__do(CR__OP_sum, (cr_value[]){parts, cr_ints(&dim, 1), yes, cr_none()});
  cr_value cosine = cr__do(CR__OP_bound_cosine, (cr_value[]){sum});
  if (args[3].u.f > 0) { /* the product of the norms, where it is less than eps, by eps */
    double most_of = seen[0]->dtype == CR_FLOAT64 ? 1e308 : 1e38;
    cr_value ratio = cr__do(CR__OP_div, (cr_value[]){norm[0], args[3]});
    cr_value over = cr__do(CR__OP_clamp_max, (cr_value[]){ratio, cr_float(most_of)});
    cr_value product = cr__do(CR__OP_mul, (cr_value[]){over, norm[1]});
    cr__drop(ratio);
    cr_value most = cr__do(CR__OP_clamp_max, (cr_value[]){product, cr_int(1)});
    cr_value less = cr__do(CR__OP_mul, (cr_value[]){cosine, most});
    cr__drop(over), cr__drop(product), cr__drop(most), cr__drop(cosine);
    cosine = less;
  }
  cr_tensor *r = CR__CALL(squeeze, cosine, cr_ints(&dim, 1));
  for (int i = 0; i < 2; i++) cr_release(seen[i]), cr__drop(norm[i]), cr__drop(unit[i]);
  cr__drop(parts), cr__drop(sum), cr__drop(cosine);
  return code ? code : cr__give(r, out);
}

/* ---- Products ---- */

int cr__run_trace(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  if (args[0].u.t->ndim != 2)
    return cr__fail(CR_E_SHAPE, "%s: is for matrices, got a tensor of %d dims", op->lua,
                    args[0].u.t->ndim);
  cr_value diagonal =
      cr__do(CR__OP_diagonal, (cr_value[]){args[0], cr_int(0), cr_int(1), cr_int(2)});
  cr_tensor *r = CR__CALL(sum, diagonal, cr_none(), cr_bool(false), cr_none());
  cr__drop(diagonal);
  return cr__give(r, out);
}

/* The elements i + 1 of a times i + 2 of b, counted round dim. */
static cr_value turned(cr_value a, cr_value b, cr_value dim, int by_a, int by_b) {
  int64_t left = -by_a, right = -by_b;
  cr_value dims = cr_ints(&dim.u.i, 1);
  cr_value x = cr__do(CR__OP_roll, (cr_value[]){a, cr_ints(&left, 1), dims});
  cr_value y = cr__do(CR__OP_roll, (cr_value[]){b, cr_ints(&right, 1), dims});
  cr_value r = cr__do(CR__OP_mul, (cr_value[]){x, y});
  cr__drop(x), cr__drop(y);
  return r;
}

int cr__run_cross(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  int ndim = args[0].u.t->ndim > args[1].u.t->ndim ? args[0].u.t->ndim : args[1].u.t->ndim, d;
  int code = cr__wrap_dim(op->lua, "dim", args[2].u.i, ndim, &d);
  if (code) return code;
  for (int i = 0; i < 2; i++) {
    const cr_tensor *t = args[i].u.t;
    int own = d - ndim + t->ndim;
    if (own < 0 || size_of(t, own) != 3)
      return cr__fail(CR_E_SHAPE, "%s: %s must have size 3 in dim %d", op->lua, op->params[i].name,
                      d + 1);
  }
  cr_value dim = cr_int(d - ndim); /* from the end, where the two agree */
  cr_value plus = turned(args[0], args[1], dim, 1, 2), minus = turned(args[0], args[1], dim, 2, 1);
  cr_tensor *r = CR__CALL(sub, plus, minus);
  cr__drop(plus), cr__drop(minus);
  return cr__give(r, out);
}

/* Dims to sum over, from 0, of one side; a bit for each in *mask. */
static int summed_dims(const cr_op *op, const char *name, const cr_value *v, const cr_tensor *t,
                       int n, bool last, int64_t *dims, uint32_t *mask) {
  *mask = 0;
  for (int i = 0; i < n; i++) {
    int d = last ? t->ndim - n + i : i;
    if (v->kind == CR_INTS) {
      int code = cr__wrap_dim(op->lua, name, v->u.is[i], t->ndim, &d);
      if (code) return code;
    }
    if (*mask >> d & 1)
      return cr__fail(CR_E_ARGUMENT, "%s: %s names dim %d twice", op->lua, name, d + 1);
    *mask |= UINT32_C(1) << d;
    dims[i] = d;
  }
  return 0;
}

/* t as a matrix: the free dims, in their order, by the summed ones, or with `summed_first` the other way
 * round. The free sizes go to shape[*ndim ...]. */
static cr_value as_matrix(cr_tensor *t, const int64_t *dims, int n, uint32_t mask,
                          bool summed_first, int64_t *shape, int *ndim) {
  int64_t order[CR_MAX_DIMS], sizes[2] = {1, 1};
  int at = summed_first ? n : 0;
  for (int i = 0; i < n; i++) {
    order[(summed_first ? 0 : t->ndim - n) + i] = dims[i] + 1;
    sizes[!summed_first] *= cr__sizes(t)[dims[i]];
  }
  for (int d = 0; d < t->ndim; d++) {
    if (mask >> d & 1) continue;
    order[at++] = d + 1;
    sizes[summed_first] *= cr__sizes(t)[d];
    shape[(*ndim)++] = cr__sizes(t)[d];
  }
  cr_value moved = cr__do(CR__OP_permute, (cr_value[]){cr_of(t), cr_ints(order, t->ndim)});
  cr_value matrix = cr__do(CR__OP_reshape, (cr_value[]){moved, cr_ints(sizes, 2)});
  cr__drop(moved);
  return matrix;
}

/* tensordot(self, other, dims) and tensordot_dims(self, other, dims_self, dims_other) */
int cr__run_tensordot(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *a = args[0].u.t, *b = args[1].u.t;
  const cr_value *of_a = &args[2], *of_b = of_a->kind == CR_INTS ? &args[3] : of_a;
  int64_t n = of_a->kind == CR_INTS ? of_a->n : of_a->u.i, shape[2 * CR_MAX_DIMS];
  int64_t dims_a[CR_MAX_DIMS], dims_b[CR_MAX_DIMS];
  uint32_t mask_a, mask_b;
  int ndim = 0;
  if (n < 0 || n > a->ndim || n > b->ndim || (of_a->kind == CR_INTS && of_b->n != n))
    return cr__fail(CR_E_ARGUMENT,
                    "%s: cannot sum over %lld dims of tensors of %d and %d dims, or "
                    "over lists of dims that differ in length",
                    op->lua, (long long)n, a->ndim, b->ndim);
  int code = summed_dims(op, "dims_self", of_a, a, (int)n, true, dims_a, &mask_a);
  if (!code) code = summed_dims(op, "dims_other", of_b, b, (int)n, false, dims_b, &mask_b);
  for (int i = 0; i < n && !code; i++)
    if (cr__sizes(a)[dims_a[i]] != cr__sizes(b)[dims_b[i]])
      code = cr__fail(CR_E_SHAPE, "%s: dim %d of self has size %lld, but dim %d of other %lld",
                      op->lua, (int)dims_a[i] + 1, (long long)cr__sizes(a)[dims_a[i]],
                      (int)dims_b[i] + 1, (long long)cr__sizes(b)[dims_b[i]]);
  if (!code && a->ndim + b->ndim - 2 * n > CR_MAX_DIMS)
    code = cr__fail(CR_E_SHAPE, "%s: a tensor has at most %d dims", op->lua, CR_MAX_DIMS);
  if (code) return code;
  cr_value x = as_matrix(a, dims_a, (int)n, mask_a, false, shape, &ndim);
  cr_value y = as_matrix(b, dims_b, (int)n, mask_b, true, shape, &ndim);
  cr_value product = cr__do(CR__OP_mm, (cr_value[]){x, y});
  cr_tensor *r = CR__CALL(reshape, product, cr_ints(shape, ndim));
  cr__drop(x), cr__drop(y), cr__drop(product);
  return cr__give(r, out);
}

/* ---- Repeats ---- */

/* The repeats as one number for each of n positions, int64. */
static cr_value counts_for(const cr_op *op, cr_value repeats, int64_t n) {
  const cr_tensor *t = repeats.u.t;
  cr__text text;
  int64_t one = 1;
  if (t->dtype != CR_INT64 && t->dtype != CR_INT32) {
    cr__fail(CR_E_DTYPE, "%s: repeats must be int64 or int32, got %s", op->lua,
             cr_dtype_name((cr_dtype)t->dtype));
    return cr_none();
  }
  if (t->ndim > 1 || (t->numel != 1 && t->numel != n)) {
    cr__fail(CR_E_SHAPE,
             "%s: repeats must have one number, or the %lld of the positions, got shape %s",
             op->lua, (long long)n, cr__shape_text(t->ndim, cr__sizes(t), &text));
    return cr_none();
  }
  cr_value wide =
      cr__do(CR__OP_to, (cr_value[]){repeats, cr_dtype_value(CR_INT64), cr_none(), cr_bool(false)});
  if (t->numel == n && t->ndim == 1) return wide;
  cr_value line = cr__do(CR__OP_reshape, (cr_value[]){wide, cr_ints(&one, 1)});
  cr_value r = cr__do(CR__OP_expand, (cr_value[]){line, cr_ints(&n, 1)});
  cr__drop(wide), cr__drop(line);
  return r;
}

/* How many positions there will be, checked; -1 after an error. */
static int64_t total_of(const cr_op *op, cr_value counts, cr_value ends, const cr_value *told) {
  cr_value least = cr_none(), total = cr_int(0), last = cr_none(), low = cr_int(0);
  if (counts.kind != CR_TENSOR || ends.kind != CR_TENSOR) return -1;
  if (ends.u.t->numel > 0) {
    least = cr__do(CR__OP_min, (cr_value[]){counts});
    last = cr__do(CR__OP_select, (cr_value[]){ends, cr_int(1), cr_int(-1)});
    bool read = least.kind == CR_TENSOR && last.kind == CR_TENSOR && !cr_item(least.u.t, &low) &&
                !cr_item(last.u.t, &total);
    cr__drop(least), cr__drop(last);
    if (!read) return -1;
  }
  if (low.u.i < 0) {
    cr__fail(CR_E_ARGUMENT, "%s: repeats must not be negative, got %lld", op->lua,
             (long long)low.u.i);
    return -1;
  }
  if (told->kind == CR_NONE || told->u.i == total.u.i) return total.u.i;
  cr__fail(CR_E_ARGUMENT, "%s: output_size is %lld, but repeats add up to %lld", op->lua,
           (long long)told->u.i, (long long)total.u.i);
  return -1;
}

/* repeat_interleave(self, repeats, dim, output_size): result position j comes from the first position
 * whose repeats, summed up to it, reach j. */
int cr__run_repeat_interleave_each(const cr_op *op, const cr_value *args, cr_tensor **out,
                                   int *nout) {
  (void)nout;
  int64_t all = -1;
  int d = 0;
  cr_tensor *self = args[0].u.t, *r = NULL;
  cr_device device;
  bool flat = args[2].kind == CR_NONE || self->ndim == 0;
  int code = cr__same_device(op->lua, args, 2, &device);
  if (!code && args[2].kind != CR_NONE)
    code = cr__wrap_dim(op->lua, "dim", args[2].u.i, self->ndim, &d);
  if (code) return code;
  if (self->numel == 0 && flat) all = 0;
  int64_t n = flat ? self->numel : cr__sizes(self)[d];
  cr_value one = cr_int(1), counts = counts_for(op, args[1], n);
  cr_value ends = cr__do(CR__OP_cumsum, (cr_value[]){counts, one, cr_none()});
  int64_t total = total_of(op, counts, ends, &args[3]);
  if (total >= 0) {
    cr_value place = cr__do(CR__OP_arange, (cr_value[]){one, cr_int(total + 1), one, cr_none(),
                                                        cr_device_value(device)});
    cr_value at = cr__do(CR__OP_searchsorted, (cr_value[]){ends, place, cr_bool(false), cr_none(),
                                                           cr_none(), cr_bool(false)});
    cr_value line = flat ? cr__do(CR__OP_reshape, (cr_value[]){args[0], cr_ints(&all, 1)})
                         : cr__do(CR__OP_alias, args);
    r = CR__CALL(index_select, line, cr_int(d + 1), at);
    cr__drop(place), cr__drop(at), cr__drop(line);
  }
  cr__drop(counts), cr__drop(ends);
  return cr__give(r, out);
}
