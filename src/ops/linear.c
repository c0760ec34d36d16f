/* linear.c: products that are composed of those in matmul.c: linear, addmm, tensordot and their like.
 *
 * Holds true: each checks its arguments first, so that a message names what was called. */
#include "matmul.h"
#include "reduce.h"

cr_tensor *cr__run_linear(const cr_op *op, cr_tensor *input, cr_tensor *weight, cr_tensor *bias) {
  cr_tensor *x = input, *w = weight;
  cr__text a, b;
  if (x->ndim == 0 || (w->ndim != 1 && w->ndim != 2)) {
    return cr__no_tensor(
        cr__fail(CR_E_SHAPE,
                 "linear: needs an input of at least 1 dim and a weight of 1 or 2, got shapes "
                 "%s and %s",
                 cr__shape_text(x->ndim, cr__sizes(x), &a),
                 cr__shape_text(w->ndim, cr__sizes(w), &b)));
  }
  int64_t k = cr__sizes(x)[x->ndim - 1], takes = cr__sizes(w)[w->ndim - 1];
  if (k != takes) {
    return cr__no_tensor(
        cr__fail(CR_E_SHAPE,
                 "linear: the input's last dim has %lld elements (shape %s), but the weight "
                 "(shape %s) takes %lld",
                 (long long)k, cr__shape_text(x->ndim, cr__sizes(x), &a),
                 cr__shape_text(w->ndim, cr__sizes(w), &b), (long long)takes));
  }
  cr_device device;
  int code = cr__check_dtypes(op->name, x, w);
  if (!code && bias) code = cr__check_dtypes(op->name, x, bias);
  if (!code)
    code = cr__same_device(op->name, (cr_value[]){cr_of(x), cr_of(w), cr_of(bias)}, 3, &device);
  if (code) return cr__no_tensor(code);
  if (w->ndim == 1) {
    cr_tensor *product = cr__call_matmul(x, w);
    if (!product || !bias) return product;
    cr_tensor *sum = cr__call_add(product, bias);
    cr_release(product);
    return sum;
  }
  if (x->ndim == 2) return cr__call_affine(x, w, bias);
  int64_t shape[CR_MAX_DIMS];
  for (int i = 0; i < x->ndim - 1; i++) shape[i] = cr__sizes(x)[i];
  shape[x->ndim - 1] = cr__sizes(w)[0];
  cr_tensor *rows = cr__reshaped(x, 2, (int64_t[]){cr__product_of(x->ndim - 1, shape), k});
  cr_tensor *t = cr__call_affine(rows, w, bias);
  cr_release(rows);
  return cr__reshaped_away(t, x->ndim, shape);
}

static int check_bilinear(const cr_op *op, const cr_tensor *x, const cr_tensor *y,
                          const cr_tensor *w, const cr_tensor *bias) {
  cr__text a, b, c;
  bool fits = x->ndim == y->ndim && x->ndim > 0;
  for (int d = 0; d < x->ndim - 1 && fits; d++) fits = cr__sizes(x)[d] == cr__sizes(y)[d];
  if (!fits)
    return cr__fail(CR_E_SHAPE,
                    "%s: input1 of shape %s and input2 of shape %s must be equal but for their "
                    "last sizes",
                    op->name, cr__shape_text(x->ndim, cr__sizes(x), &a),
                    cr__shape_text(y->ndim, cr__sizes(y), &b));
  fits = w->ndim == 3 && cr__sizes(w)[1] == cr__sizes(x)[x->ndim - 1] &&
         cr__sizes(w)[2] == cr__sizes(y)[y->ndim - 1];
  if (!fits)
    return cr__fail(CR_E_SHAPE,
                    "%s: weight of shape %s does not fit inputs of shapes %s and %s; its last "
                    "sizes are theirs",
                    op->name, cr__shape_text(w->ndim, cr__sizes(w), &a),
                    cr__shape_text(x->ndim, cr__sizes(x), &b),
                    cr__shape_text(y->ndim, cr__sizes(y), &c));
  if (bias && (bias->ndim != 1 || cr__sizes(bias)[0] != cr__sizes(w)[0]))
    return cr__fail(CR_E_SHAPE,
                    "%s: bias of shape %s must have one element for each of %lld matrices",
                    op->name, cr__shape_text(bias->ndim, cr__sizes(bias), &a),
                    (long long)cr__sizes(w)[0]);
  int code = cr__check_dtypes(op->name, x, y);
  if (!code) code = cr__check_dtypes(op->name, x, w);
  return code || !bias ? code : cr__check_dtypes(op->name, x, bias);
}

cr_tensor *cr__run_bilinear(const cr_op *op, cr_tensor *input1, cr_tensor *input2,
                            cr_tensor *weight, cr_tensor *bias) {
  if (check_bilinear(op, input1, input2, weight, bias)) return NULL;
  cr_tensor *list[3] = {input1, weight, input2};
  cr_tensor *product = cr__call_einsum("...i,oij,...j->...o", list, 3);
  if (!bias || !product) return product;
  cr_tensor *sum = cr__call_add(product, bias);
  cr_release(product);
  return sum;
}

/* ---- Sums with products ----------------------------------------------------------------------- */

static bool is_number(cr_value v, double x) {
  return v.kind == CR_FLOAT ? v.u.f == x : (double)v.u.i == x;
}

/* Returns t times a number. */
static cr_tensor *scaled(cr_tensor *t, cr_value by) {
  if (is_number(by, 1)) return cr_retain(t);
  return cr__call_mul_scalar(t, by);
}

static int check_sum(const cr_op *op, cr_tensor *self, cr_tensor *a, cr_tensor *b, cr_value beta,
                     cr_value alpha) {
  int rank = op->id == CR__OP_baddbmm ? 3 : 2, right = op->id == CR__OP_addmv ? 1 : rank;
  int code = cr__check_rank(op, op->params[1].name, a, rank);
  if (!code) code = cr__check_rank(op, op->params[2].name, b, right);
  if (!code) code = cr__check_pair(op, a, b);
  if (!code) code = cr__check_dtypes(op->name, a, self);
  if (code) return code;
  bool floats = beta.kind == CR_FLOAT || alpha.kind == CR_FLOAT;
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
  cr_value all =
      cr__do(CR__OP_scalar_tensor, (cr_value[]){cr_bool(true), cr_dtype_value(CR_BOOL), cr_none()});
  cr_tensor *zeros = cr__op1(CR__OP_where, (cr_value[]){all, cr_int(0), cr_of(t)});
  cr__drop(all);
  return zeros;
}

/* beta self + alpha (a b), alpha taken to a, where `multiply` is the product. For beta 0, self counts as zeros
 * whatever it holds, NaN too, and is left out where no gradient could tell. */
static cr_tensor *add_product(const cr_op *op, int multiply, cr_tensor *self, cr_tensor *a,
                              cr_tensor *b, cr_value beta, cr_value alpha) {
  int code = check_sum(op, self, a, b, beta, alpha);
  if (!code) code = check_fits(op, self, a, b);
  if (code) return cr__no_tensor(code);
  bool empty = is_number(beta, 0), alone = empty && !(cr_requires_grad(self) && cr_grad_enabled());
  cr_tensor *left = scaled(a, alpha), *start = NULL, *product = NULL, *result;
  if (!alone) start = empty ? forgotten(self) : scaled(self, beta);
  if (!alone && multiply == CR__OP_mm) {
    result = cr__call_mm_add(start, left, b);
  } else {
    product = cr__op1(multiply, (cr_value[]){cr_of(left), cr_of(b)});
    result = alone ? cr_retain(product) : cr__call_add(start, product);
  }
  cr_release(left), cr_release(start), cr_release(product);
  return result;
}

cr_tensor *cr__run_addmm(const cr_op *op, cr_tensor *self, cr_tensor *mat1, cr_tensor *mat2,
                         cr_value beta, cr_value alpha) {
  return add_product(op, CR__OP_mm, self, mat1, mat2, beta, alpha);
}

cr_tensor *cr__run_addmv(const cr_op *op, cr_tensor *self, cr_tensor *mat, cr_tensor *vec,
                         cr_value beta, cr_value alpha) {
  return add_product(op, CR__OP_mv, self, mat, vec, beta, alpha);
}

cr_tensor *cr__run_baddbmm(const cr_op *op, cr_tensor *self, cr_tensor *batch1, cr_tensor *batch2,
                           cr_value beta, cr_value alpha) {
  return add_product(op, CR__OP_bmm, self, batch1, batch2, beta, alpha);
}

cr_tensor *cr__run_outer(const cr_op *op, cr_tensor *self, cr_tensor *vec2) {
  cr_tensor *a = self, *b = vec2;
  int code = cr__check_rank(op, "self", a, 1);
  if (!code) code = cr__check_rank(op, "vec2", b, 1);
  if (code) return cr__no_tensor(code);
  cr_tensor *column = cr__reshaped(a, 2, (int64_t[]){a->numel, 1});
  cr_tensor *t = cr__call_mul(column, vec2);
  cr_release(column);
  return t;
}

static bool is_truth(const cr_tensor *t) { return t->dtype == CR_BOOL; }

/* Of truths alone, the numbers are truths too. For beta 0, self counts as zeros whatever it holds. */
cr_tensor *cr__run_addr(const cr_op *op, cr_tensor *self, cr_tensor *vec1, cr_tensor *vec2,
                        cr_value beta, cr_value alpha) {
  (void)op;
  bool truths = is_truth(self) && is_truth(vec1) && is_truth(vec2);
  if (truths) beta = cr_bool(!is_number(beta, 0)), alpha = cr_bool(!is_number(alpha, 0));
  bool empty = !truths && is_number(beta, 0);
  cr_tensor *start = empty ? forgotten(self) : scaled(self, beta);
  cr_tensor *product = cr__call_outer(vec1, vec2),
            *sum = cr__call_add_scaled(start, product, alpha);
  cr_release(start), cr_release(product);
  return sum;
}

cr_tensor *cr__run_inner(const cr_op *op, cr_tensor *self, cr_tensor *other) {
  cr_tensor *a = self, *b = other;
  cr__text first, second;
  if (a->ndim == 0 || b->ndim == 0) return cr__call_mul(a, b);
  int64_t k = cr__sizes(a)[a->ndim - 1], shape[2 * CR_MAX_DIMS];
  int code = cr__check_dtypes(op->name, a, b), ndim = 0;
  if (code) return cr__no_tensor(code);
  if (k != cr__sizes(b)[b->ndim - 1]) {
    return cr__no_tensor(cr__fail(CR_E_SHAPE,
                                  "inner: the last dims must be equal, got shapes %s and %s",
                                  cr__shape_text(a->ndim, cr__sizes(a), &first),
                                  cr__shape_text(b->ndim, cr__sizes(b), &second)));
  }
  for (int i = 0; i < a->ndim - 1; i++) shape[ndim++] = cr__sizes(a)[i];
  int64_t rows = cr__product_of(ndim, shape), columns = cr__product_of(b->ndim - 1, cr__sizes(b));
  for (int i = 0; i < b->ndim - 1; i++) shape[ndim++] = cr__sizes(b)[i];
  cr_tensor *left = cr__reshaped(a, 2, (int64_t[]){rows, k}),
            *right = cr__reshaped(b, 2, (int64_t[]){columns, k});
  cr_tensor *t = cr__call_affine(left, right, NULL);
  cr_release(left);
  cr_release(right);
  return cr__reshaped_away(t, ndim, shape);
}

/* ---- Over other dims ---- */

cr_tensor *cr__run_trace(const cr_op *op, cr_tensor *self) {
  if (self->ndim != 2)
    return cr__no_tensor(
        cr__fail(CR_E_SHAPE, "%s: is for matrices, got a tensor of %d dims", op->lua, self->ndim));
  cr_tensor *diagonal = cr__call_diagonal(self, 0, 1, 2);
  cr_tensor *r = cr__call_sum(diagonal, NULL, -1, false, CR_DTYPE_NONE);
  cr_release(diagonal);
  return r;
}

/* The elements i + 1 of a times i + 2 of b, counted round dim. */
static cr_tensor *turned(cr_tensor *a, cr_tensor *b, int64_t dim, int by_a, int by_b) {
  int64_t left = -by_a, right = -by_b;
  cr_tensor *x = cr__call_roll(a, &left, 1, &dim, 1), *y = cr__call_roll(b, &right, 1, &dim, 1);
  cr_tensor *r = cr__call_mul(x, y);
  cr_release(x), cr_release(y);
  return r;
}

cr_tensor *cr__run_cross(const cr_op *op, cr_tensor *self, cr_tensor *other, int64_t dim) {
  int ndim = self->ndim > other->ndim ? self->ndim : other->ndim, d;
  int code = cr__wrap_dim(op->lua, "dim", dim, ndim, &d);
  if (code) return cr__no_tensor(code);
  for (int i = 0; i < 2; i++) {
    const cr_tensor *t = i ? other : self;
    int own = d - ndim + t->ndim;
    if (own < 0 || cr__size_along(t, own) != 3)
      return cr__no_tensor(cr__fail(CR_E_SHAPE, "%s: %s must have size 3 in dim %d", op->lua,
                                    op->params[i].name, d + 1));
  }
  int64_t last = d - ndim; /* from the end, where the two agree */
  cr_tensor *plus = turned(self, other, last, 1, 2), *minus = turned(self, other, last, 2, 1);
  cr_tensor *r = cr__call_sub(plus, minus);
  cr_release(plus), cr_release(minus);
  return r;
}

/* Dims to sum over, from 0, of one side: those named, or without names the last or first n; a bit for each
 * in *mask. */
static int summed_dims(const cr_op *op, const char *name, const int64_t *named, const cr_tensor *t,
                       int n, bool last, int64_t *dims, uint32_t *mask) {
  *mask = 0;
  for (int i = 0; i < n; i++) {
    int d = last ? t->ndim - n + i : i;
    if (named) {
      int code = cr__wrap_dim(op->lua, name, named[i], t->ndim, &d);
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
static cr_tensor *as_matrix(cr_tensor *t, const int64_t *dims, int n, uint32_t mask,
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
  cr_tensor *moved = cr__call_permute(t, order, t->ndim),
            *matrix = cr__call_reshape(moved, sizes, 2);
  cr_release(moved);
  return matrix;
}

/* Sums over n dims of each side: those named, or the last of a and the first of b. */
static cr_tensor *sum_over(const cr_op *op, cr_tensor *a, cr_tensor *b, int64_t n,
                           const int64_t *of_a, const int64_t *of_b) {
  int64_t shape[2 * CR_MAX_DIMS];
  int64_t dims_a[CR_MAX_DIMS], dims_b[CR_MAX_DIMS];
  uint32_t mask_a, mask_b;
  int ndim = 0;
  if (n < 0 || n > a->ndim || n > b->ndim)
    return cr__no_tensor(cr__fail(CR_E_ARGUMENT,
                                  "%s: cannot sum over %lld dims of tensors of %d and %d dims, or "
                                  "over lists of dims that differ in length",
                                  op->lua, (long long)n, a->ndim, b->ndim));
  int code = summed_dims(op, "dims_self", of_a, a, (int)n, true, dims_a, &mask_a);
  if (!code) code = summed_dims(op, "dims_other", of_b, b, (int)n, false, dims_b, &mask_b);
  for (int i = 0; i < n && !code; i++)
    if (cr__sizes(a)[dims_a[i]] != cr__sizes(b)[dims_b[i]])
      code = cr__fail(CR_E_SHAPE, "%s: dim %d of self has size %lld, but dim %d of other %lld",
                      op->lua, (int)dims_a[i] + 1, (long long)cr__sizes(a)[dims_a[i]],
                      (int)dims_b[i] + 1, (long long)cr__sizes(b)[dims_b[i]]);
  if (!code && a->ndim + b->ndim - 2 * n > CR_MAX_DIMS)
    code = cr__fail(CR_E_SHAPE, "%s: a tensor has at most %d dims", op->lua, CR_MAX_DIMS);
  if (code) return cr__no_tensor(code);
  cr_tensor *x = as_matrix(a, dims_a, (int)n, mask_a, false, shape, &ndim);
  cr_tensor *y = as_matrix(b, dims_b, (int)n, mask_b, true, shape, &ndim);
  cr_tensor *product = cr__call_mm(x, y), *r = cr__call_reshape(product, shape, ndim);
  cr_release(x), cr_release(y), cr_release(product);
  return r;
}

cr_tensor *cr__run_tensordot(const cr_op *op, cr_tensor *self, cr_tensor *other, int64_t dims) {
  return sum_over(op, self, other, dims, NULL, NULL);
}

cr_tensor *cr__run_tensordot_dims(const cr_op *op, cr_tensor *self, cr_tensor *other,
                                  cr__ints dims_self, cr__ints dims_other) {
  bool alike = dims_self.n == dims_other.n;
  return sum_over(op, self, other, alike ? dims_self.n : -1, dims_self.at, dims_other.at);
}
