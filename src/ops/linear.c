/* linear.c: products that are composed of those in matmul.c: linear, addmm, tensordot and their like.
 *
 * Holds true: each checks its arguments first, so that a message names what was called. */
#include "matmul.h"
#include "reduce.h"

int cr__run_linear(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *x = args[0].u.t, *w = args[1].u.t;
  cr__text a, b;
  if (x->ndim == 0 || (w->ndim != 1 && w->ndim != 2)) {
    return cr__fail(CR_E_SHAPE,
                    "linear: needs an input of at least 1 dim and a weight of 1 or 2, got shapes "
                    "%s and %s",
                    cr__shape_text(x->ndim, cr__sizes(x), &a),
                    cr__shape_text(w->ndim, cr__sizes(w), &b));
  }
  int64_t k = cr__sizes(x)[x->ndim - 1], takes = cr__sizes(w)[w->ndim - 1];
  if (k != takes) {
    return cr__fail(CR_E_SHAPE,
                    "linear: the input's last dim has %lld elements (shape %s), but the weight "
                    "(shape %s) takes %lld",
                    (long long)k, cr__shape_text(x->ndim, cr__sizes(x), &a),
                    cr__shape_text(w->ndim, cr__sizes(w), &b), (long long)takes);
  }
  cr_device device;
  int code = cr__check_dtypes(op->name, x, w);
  if (!code && args[2].kind == CR_TENSOR) code = cr__check_dtypes(op->name, x, args[2].u.t);
  if (!code) code = cr__same_device(op->name, args, 3, &device);
  if (code) return code;
  if (w->ndim == 1) {
    cr_tensor *product = cr__op1(CR__OP_matmul, args);
    if (!product || args[2].kind != CR_TENSOR) return cr__give(product, out);
    code = cr__give(cr__op1(CR__OP_add, (cr_value[]){cr_of(product), args[2]}), out);
    cr_release(product);
    return code;
  }
  if (x->ndim == 2) return cr__give(cr__op1(CR__OP_affine, args), out);
  int64_t shape[CR_MAX_DIMS];
  for (int i = 0; i < x->ndim - 1; i++) shape[i] = cr__sizes(x)[i];
  shape[x->ndim - 1] = cr__sizes(w)[0];
  cr_tensor *rows = cr__reshaped(x, 2, (int64_t[]){cr__product_of(x->ndim - 1, shape), k});
  cr_tensor *t = cr__op1(CR__OP_affine, (cr_value[]){cr_of(rows), args[1], args[2]});
  cr_release(rows);
  return t ? cr__give_reshaped(t, x->ndim, shape, out) : (int)cr_error_code();
}

/* ---- Sums with products ----------------------------------------------------------------------- */

static bool is_number(cr_value v, double x) {
  return v.kind == CR_FLOAT ? v.u.f == x : (double)v.u.i == x;
}

/* Returns t times a number. */
static cr_tensor *scaled(cr_tensor *t, cr_value by) {
  if (is_number(by, 1)) return cr_retain(t);
  return cr__op1(CR__OP_mul, (cr_value[]){cr_of(t), by});
}

static int check_sum(const cr_op *op, const cr_value *args) {
  cr_tensor *self = args[0].u.t, *a = args[1].u.t, *b = args[2].u.t;
  int rank = op->id == CR__OP_baddbmm ? 3 : 2, right = op->id == CR__OP_addmv ? 1 : rank;
  int code = cr__check_rank(op, op->params[1].name, a, rank);
  if (!code) code = cr__check_rank(op, op->params[2].name, b, right);
  if (!code) code = cr__check_pair(op, a, b);
  if (!code) code = cr__check_dtypes(op->name, a, self);
  if (code) return code;
  bool floats = args[3].kind == CR_FLOAT || args[4].kind == CR_FLOAT;
  if (floats && !cr__is_inexact((cr_dtype)a->dtype)) {
    return cr__fail(CR_E_DTYPE, "%s: beta and alpha must be integers for %s tensors", op->name,
                    cr_dtype_name((cr_dtype)a->dtype));
  }
  return 0;
}

/* self must broadcast to the product, not the other way round. */
static int check_fits(const cr_op *op, const cr_tensor *self, const cr_tensor *a,
                      const cr_tensor *b) {
  int64_t want[3], shape[CR_MAX_DIMS];
  int n = 0, ndim;
  for (int i = 0; i < a->ndim - 1; i++) want[n++] = cr__sizes(a)[i];
  if (b->ndim > 1) want[n++] = cr__sizes(b)[b->ndim - 1];
  for (ndim = 0; ndim < n; ndim++) shape[ndim] = want[ndim];
  bool fits = self->ndim <= n &&
              cr__broadcast_into(op->name, &ndim, shape, self->ndim, cr__sizes(self)) == 0;
  for (int i = 0; fits && i < n; i++) fits = shape[i] == want[i];
  cr__text s, p;
  if (fits) return 0;
  return cr__fail(CR_E_SHAPE, "%s: self of shape %s does not broadcast to the product's shape %s",
                  op->name, cr__shape_text(self->ndim, cr__sizes(self), &s),
                  cr__shape_text(n, want, &p));
}

/* Returns zeros that are still a function of t, so that t gets a gradient (of zeros). */
static cr_tensor *forgotten(cr_tensor *t) {
  cr_value all = cr__do(CR__OP_scalar_tensor, (cr_value[]){cr_bool(true), cr_none(), cr_none()});
  cr_tensor *zeros = cr__op1(CR__OP_where, (cr_value[]){all, cr_int(0), cr_of(t)});
  cr__drop(all);
  return zeros;
}

/* addmm, addmv, baddbmm: beta self + alpha (a b), alpha taken to a. For beta 0, self counts as zeros
 * whatever it holds, NaN too, and is left out where no gradient could tell. */
int cr__run_addmm(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *self = args[0].u.t, *a = args[1].u.t, *b = args[2].u.t;
  int code = check_sum(op, args);
  if (!code) code = check_fits(op, self, a, b);
  if (code) return code;
  int id = op->id == CR__OP_addmm ? CR__OP_mm : op->id == CR__OP_addmv ? CR__OP_mv : CR__OP_bmm;
  bool empty = is_number(args[3], 0),
       alone = empty && !(cr_requires_grad(self) && cr_grad_enabled());
  cr_tensor *left = scaled(a, args[4]);
  if (alone) {
    out[0] = cr__op1(id, (cr_value[]){cr_of(left), cr_of(b)});
  } else {
    cr_tensor *start = empty ? forgotten(self) : scaled(self, args[3]), *product = NULL;
    if (id == CR__OP_mm) {
      out[0] = cr__op1(CR__OP_mm_add, (cr_value[]){cr_of(start), cr_of(left), cr_of(b)});
    } else {
      product = cr__op1(id, (cr_value[]){cr_of(left), cr_of(b)});
      out[0] = cr__op1(CR__OP_add, (cr_value[]){cr_of(start), cr_of(product)});
    }
    cr_release(product);
    cr_release(start);
  }
  cr_release(left);
  return cr__give(out[0], out);
}

int cr__run_outer(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *a = args[0].u.t, *b = args[1].u.t;
  int code = cr__check_rank(op, "self", a, 1);
  if (!code) code = cr__check_rank(op, "vec2", b, 1);
  if (code) return code;
  cr_tensor *column = cr__reshaped(a, 2, (int64_t[]){a->numel, 1});
  cr_tensor *t = cr__op1(CR__OP_mul, (cr_value[]){cr_of(column), args[1]});
  cr_release(column);
  return cr__give(t, out);
}

static bool is_truth(cr_value v) { return v.u.t->dtype == CR_BOOL; }

/* addr(self, vec1, vec2, beta, alpha): of truths alone, the numbers are truths too. For beta 0, self
 * counts as zeros whatever it holds. */
int cr__run_addr(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)op, (void)nout;
  bool truths = is_truth(args[0]) && is_truth(args[1]) && is_truth(args[2]);
  cr_value beta = args[3], alpha = args[4];
  if (truths) beta = cr_bool(!is_number(beta, 0)), alpha = cr_bool(!is_number(alpha, 0));
  bool empty = !truths && is_number(beta, 0);
  cr_value start = cr_of(empty ? forgotten(args[0].u.t) : scaled(args[0].u.t, beta));
  cr_value product = cr__do(CR__OP_outer, &args[1]);
  out[0] = cr__op1(CR__OP_add_scaled, (cr_value[]){start, product, alpha});
  cr__drop(start), cr__drop(product);
  return cr__give(out[0], out);
}

int cr__run_inner(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *a = args[0].u.t, *b = args[1].u.t;
  cr__text first, second;
  if (a->ndim == 0 || b->ndim == 0) return cr__give(cr__op1(CR__OP_mul, args), out);
  int64_t k = cr__sizes(a)[a->ndim - 1], shape[2 * CR_MAX_DIMS];
  int code = cr__check_dtypes(op->name, a, b), ndim = 0;
  if (code) return code;
  if (k != cr__sizes(b)[b->ndim - 1]) {
    return cr__fail(CR_E_SHAPE, "inner: the last dims must be equal, got shapes %s and %s",
                    cr__shape_text(a->ndim, cr__sizes(a), &first),
                    cr__shape_text(b->ndim, cr__sizes(b), &second));
  }
  for (int i = 0; i < a->ndim - 1; i++) shape[ndim++] = cr__sizes(a)[i];
  int64_t rows = cr__product_of(ndim, shape), columns = cr__product_of(b->ndim - 1, cr__sizes(b));
  for (int i = 0; i < b->ndim - 1; i++) shape[ndim++] = cr__sizes(b)[i];
  cr_tensor *left = cr__reshaped(a, 2, (int64_t[]){rows, k}),
            *right = cr__reshaped(b, 2, (int64_t[]){columns, k});
  cr_tensor *t = cr__op1(CR__OP_affine, (cr_value[]){cr_of(left), cr_of(right), cr_none()});
  cr_release(left);
  cr_release(right);
  return t ? cr__give_reshaped(t, ndim, shape, out) : (int)cr_error_code();
}

/* ---- Over other dims ---- */

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
    if (own < 0 || cr__size_along(t, own) != 3)
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
