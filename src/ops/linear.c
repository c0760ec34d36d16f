/* linear.c: products that are composed of those in matmul.c: matmul, linear, addmm and their like.
 *
 * Holds true: each checks its arguments first, so that a message names what was called. */
#include "matmul.h"

/* ---- Batches ------------------------------------------------------------------------------ */

static cr_tensor *reshape(cr_tensor *t, int ndim, const int64_t *shape) {
  return cr__op1(CR__OP_reshape, (cr_value[]){cr_of(t), cr_ints(shape, ndim)});
}

/* out = reshape(t) where t is given up. */
static int give_reshaped(cr_tensor *t, int ndim, const int64_t *shape, cr_tensor **out) {
  cr_tensor *r = reshape(t, ndim, shape);
  cr_release(t);
  return cr__give(r, out);
}

static int64_t product_of(int n, const int64_t *shape) {
  int64_t p = 1;
  for (int i = 0; i < n; i++) p *= shape[i];
  return p;
}

/* Returns t (its last two dims are matrices) as a batch whose dims before these are `batch`. */
static cr_tensor *as_batch(cr_tensor *t, int nbatch, const int64_t *batch) {
  int64_t shape[CR_MAX_DIMS + 2];
  const int64_t *matrix = cr__sizes(t) + t->ndim - 2;
  for (int i = 0; i < nbatch; i++) shape[i] = batch[i];
  shape[nbatch] = matrix[0], shape[nbatch + 1] = matrix[1];
  bool same = t->ndim == nbatch + 2;
  for (int i = 0; same && i < nbatch; i++) same = cr__sizes(t)[i] == batch[i];
  cr_tensor *wide =
      same ? cr_retain(t)
           : cr__op1(CR__OP_expand, (cr_value[]){cr_of(t), cr_ints(shape, nbatch + 2)});
  if (!wide || nbatch == 1) return wide;
  cr_tensor *flat = reshape(wide, 3, (int64_t[]){product_of(nbatch, batch), matrix[0], matrix[1]});
  cr_release(wide);
  return flat;
}

/* Both have at least two dims: batches broadcast. row, column: dims to leave out of the result. */
static int batched(const cr_op *op, cr_tensor *a, cr_tensor *b, bool row, bool column,
                   cr_tensor **out) {
  int64_t shape[CR_MAX_DIMS + 2] = {0};
  int nbatch = a->ndim - 2;
  for (int i = 0; i < nbatch; i++) shape[i] = cr__sizes(a)[i];
  int code = cr__broadcast_into(op->name, &nbatch, shape, b->ndim - 2, cr__sizes(b));
  if (code) return code;
  cr_tensor *left = as_batch(a, nbatch, shape), *right = as_batch(b, nbatch, shape);
  cr_tensor *t = NULL;
  if (left && right) t = cr__op1(CR__OP_bmm, (cr_value[]){cr_of(left), cr_of(right)});
  cr_release(left);
  cr_release(right);
  if (!t) return cr_error_code();
  int ndim = nbatch;
  if (!row) shape[ndim++] = cr__sizes(a)[a->ndim - 2];
  if (!column) shape[ndim++] = cr__sizes(b)[b->ndim - 1];
  if (ndim == 3 && nbatch == 1) return cr__give(t, out);
  return give_reshaped(t, ndim, shape, out);
}

/* All dims of a but the last are rows of one matrix; b is a matrix or a vector. */
static int folded(cr_tensor *a, cr_tensor *b, cr_tensor **out) {
  int64_t shape[CR_MAX_DIMS];
  int ndim = a->ndim - 1;
  for (int i = 0; i < ndim; i++) shape[i] = cr__sizes(a)[i];
  cr_tensor *rows = reshape(a, 2, (int64_t[]){product_of(ndim, shape), cr__sizes(a)[ndim]});
  if (!rows) return cr_error_code();
  cr_tensor *t = cr__op1(b->ndim == 2 ? CR__OP_mm : CR__OP_mv, (cr_value[]){cr_of(rows), cr_of(b)});
  cr_release(rows);
  if (!t) return cr_error_code();
  if (b->ndim == 2) shape[ndim++] = cr__sizes(b)[1];
  return give_reshaped(t, ndim, shape, out);
}

/* A vector on the left: a row, whose dim the result lacks. */
static int row_times(const cr_op *op, cr_tensor *a, cr_tensor *b, cr_tensor **out) {
  cr_tensor *row = reshape(a, 2, (int64_t[]){1, a->numel});
  if (!row) return cr_error_code();
  int code;
  if (b->ndim > 2) {
    code = batched(op, row, b, true, false, out);
  } else {
    cr_tensor *t = cr__op1(CR__OP_mm, (cr_value[]){cr_of(row), cr_of(b)});
    code = t ? give_reshaped(t, 1, cr__sizes(b) + 1, out) : (int)cr_error_code();
  }
  cr_release(row);
  return code;
}

int cr__run_matmul(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *a = args[0].u.t, *b = args[1].u.t;
  if (a->ndim == 0 || b->ndim == 0) {
    return cr__fail(CR_E_SHAPE,
                    "matmul: both need at least 1 dim, got %d and %d; multiply numbers with *",
                    a->ndim, b->ndim);
  }
  int code = cr__check_pair(op, a, b);
  if (code) return code;
  if (b->ndim <= 2 && a->ndim > 2) return folded(a, b, out);
  if (a->ndim == 1 && b->ndim >= 2) return row_times(op, a, b, out);
  if (b->ndim > 2) return batched(op, a, b, false, false, out);
  int id = a->ndim == 1 ? CR__OP_dot : b->ndim == 1 ? CR__OP_mv : CR__OP_mm;
  return cr__give(cr__op1(id, args), out);
}

int cr__run_linear(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
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
    code = cr__run_matmul(op, args, out, nout);
    if (code || args[2].kind != CR_TENSOR) return code;
    cr_tensor *product = out[0];
    code = cr__give(cr__op1(CR__OP_add, (cr_value[]){cr_of(product), args[2]}), out);
    cr_release(product);
    return code;
  }
  if (x->ndim == 2) return cr__give(cr__op1(CR__OP_affine, args), out);
  int64_t shape[CR_MAX_DIMS];
  for (int i = 0; i < x->ndim - 1; i++) shape[i] = cr__sizes(x)[i];
  shape[x->ndim - 1] = cr__sizes(w)[0];
  cr_tensor *rows = reshape(x, 2, (int64_t[]){product_of(x->ndim - 1, shape), k});
  cr_tensor *t = cr__op1(CR__OP_affine, (cr_value[]){cr_of(rows), args[1], args[2]});
  cr_release(rows);
  return t ? give_reshaped(t, x->ndim, shape, out) : (int)cr_error_code();
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
  if (floats && cr__category((cr_dtype)a->dtype) != CR_FLOATING) {
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
  cr_tensor *column = reshape(a, 2, (int64_t[]){a->numel, 1});
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
  int64_t rows = product_of(ndim, shape), columns = product_of(b->ndim - 1, cr__sizes(b));
  for (int i = 0; i < b->ndim - 1; i++) shape[ndim++] = cr__sizes(b)[i];
  cr_tensor *left = reshape(a, 2, (int64_t[]){rows, k}),
            *right = reshape(b, 2, (int64_t[]){columns, k});
  cr_tensor *t = cr__op1(CR__OP_affine, (cr_value[]){cr_of(left), cr_of(right), cr_none()});
  cr_release(left);
  cr_release(right);
  return t ? give_reshaped(t, ndim, shape, out) : (int)cr_error_code();
}
