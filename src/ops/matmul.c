/* matmul.c: the products that reach the kernel, and matmul, which is composed of them.
 *
 * Holds true: each checks ranks, sizes, dtypes and devices itself; the kernel trusts it. */
#include "matmul.h"

/* ---- Checks --------------------------------------------------------------------------------- */

int cr__check_rank(const cr_op *op, const char *param, const cr_tensor *t, int ndim) {
  cr__text text;
  if (t->ndim == ndim) return 0;
  const char *what = ndim == 1 ? "a vector" : ndim == 2 ? "a matrix" : "a batch of matrices";
  return cr__fail(CR_E_SHAPE, "%s: %s must be %s (%d dim%s), got shape %s", op->name, param, what,
                  ndim, ndim == 1 ? "" : "s", cr__shape_text(t->ndim, cr__sizes(t), &text));
}

int cr__check_dtypes(const char *op, const cr_tensor *a, const cr_tensor *b) {
  if (a->dtype != b->dtype) {
    cr_dtype both = cr_promote_types((cr_dtype)a->dtype, (cr_dtype)b->dtype);
    return cr__fail(CR_E_DTYPE,
                    "%s: both must have one dtype, got %s and %s; convert with x:to(\"%s\")", op,
                    cr_dtype_name((cr_dtype)a->dtype), cr_dtype_name((cr_dtype)b->dtype),
                    cr_dtype_name(both));
  }
  if (a->dtype != CR_BOOL) return 0;
  return cr__fail(CR_E_DTYPE, "%s: bool cannot be multiplied; convert with x:to(\"int64\")", op);
}

static int check_inner(const char *op, const cr_tensor *a, const cr_tensor *b) {
  int64_t columns = cr__sizes(a)[a->ndim - 1], rows = cr__sizes(b)[b->ndim > 1 ? b->ndim - 2 : 0];
  cr__text first, second;
  if (columns == rows) return 0;
  return cr__fail(CR_E_SHAPE, "%s: cannot multiply %s by %s: %lld columns against %lld rows", op,
                  cr__shape_text(a->ndim, cr__sizes(a), &first),
                  cr__shape_text(b->ndim, cr__sizes(b), &second), (long long)columns,
                  (long long)rows);
}

/* All that two factors must fulfil; the ranks have been checked. */
int cr__check_pair(const cr_op *op, const cr_tensor *a, const cr_tensor *b) {
  cr_device device;
  int code = cr__check_dtypes(op->name, a, b);
  if (!code) code = check_inner(op->name, a, b);
  if (code) return code;
  return cr__same_device(op->name, (cr_value[]){cr_of((cr_tensor *)a), cr_of((cr_tensor *)b)}, 2,
                         &device);
}

/* ---- The kernel ----------------------------------------------------------------------------- */

/* A view of t as a batch of matrices, with the strides given (0 for a dim that t lacks). */
static void add_view(cr__launch *k, cr__view *slot, cr_tensor *t, const int64_t shape[3],
                     const int64_t stride[3]) {
  cr__view *v = cr__launch_view(k, slot, t);
  v->ndim = 3;
  for (int i = 0; i < 3; i++) v->shape[i] = shape[i], v->stride[i] = stride[i];
}

/* Views a vector (as a column), a matrix or a batch. */
static void add_factor(cr__launch *k, cr__view *slot, cr_tensor *t, bool column) {
  const int64_t *n = cr__sizes(t), *s = cr__steps(t);
  if (t->ndim == 3) {
    add_view(k, slot, t, n, s);
  } else if (t->ndim == 2) {
    add_view(k, slot, t, (int64_t[]){1, n[0], n[1]}, (int64_t[]){0, s[0], s[1]});
  } else if (column) {
    add_view(k, slot, t, (int64_t[]){1, n[0], 1}, (int64_t[]){0, s[0], 0});
  } else {
    add_view(k, slot, t, (int64_t[]){1, 1, n[0]}, (int64_t[]){0, 0, s[0]});
  }
}

/* a b as a new tensor of the shape given. */
static cr_tensor *multiply(const cr_op *op, cr_tensor *a, cr_tensor *b, int ndim,
                           const int64_t *shape) {
  int code = cr__check_pair(op, a, b);
  if (code) return cr__no_tensor(code);
  cr_tensor *t = cr__new(op->name, (cr_dtype)a->dtype, cr_device_of(a), ndim, shape);
  if (!t) return NULL;
  cr__launch k;
  cr__launch_begin(&k, op->name, cr_device_of(t));
  bool row = a->ndim == 1, column = b->ndim == 1;
  int64_t step = ndim ? cr__steps(t)[0] : 0;
  if (ndim >= 2) {
    add_factor(&k, &k.matmul.out, t, false);
  } else {
    add_view(&k, &k.matmul.out, t, (int64_t[]){1, row ? 1 : shape[0], 1}, (int64_t[]){0, step, 0});
  }
  add_factor(&k, &k.matmul.a, a, false);
  add_factor(&k, &k.matmul.b, b, column);
  return cr__filled(cr__launch_run(&k, CR__K_matmul), t);
}

cr_tensor *cr__run_mm(const cr_op *op, cr_tensor *self, cr_tensor *mat2) {
  cr_tensor *a = self, *b = mat2;
  int code = cr__check_rank(op, "self", a, 2);
  if (!code) code = cr__check_rank(op, "mat2", b, 2);
  if (code) return cr__no_tensor(code);
  return multiply(op, a, b, 2, (int64_t[]){cr__sizes(a)[0], cr__sizes(b)[1]});
}

cr_tensor *cr__run_mv(const cr_op *op, cr_tensor *self, cr_tensor *vec) {
  cr_tensor *a = self, *b = vec;
  int code = cr__check_rank(op, "self", a, 2);
  if (!code) code = cr__check_rank(op, "vec", b, 1);
  return code ? NULL : multiply(op, a, b, 1, cr__sizes(a));
}

cr_tensor *cr__run_dot(const cr_op *op, cr_tensor *self, cr_tensor *other) {
  cr_tensor *a = self, *b = other;
  int code = cr__check_rank(op, "self", a, 1);
  if (!code) code = cr__check_rank(op, "other", b, 1);
  if (!code && a->numel != b->numel) {
    code = cr__fail(CR_E_SHAPE, "dot: both need the same size, got %lld and %lld",
                    (long long)a->numel, (long long)b->numel);
  }
  return code ? NULL : multiply(op, a, b, 0, NULL);
}

cr_tensor *cr__run_bmm(const cr_op *op, cr_tensor *self, cr_tensor *mat2) {
  cr_tensor *a = self, *b = mat2;
  int code = cr__check_rank(op, "self", a, 3);
  if (!code) code = cr__check_rank(op, "mat2", b, 3);
  if (code) return cr__no_tensor(code);
  const int64_t *n = cr__sizes(a), *m = cr__sizes(b);
  if (n[0] != m[0]) {
    return cr__no_tensor(cr__fail(CR_E_SHAPE,
                                  "bmm: both need the same number of matrices, got %lld and %lld",
                                  (long long)n[0], (long long)m[0]));
  }
  return multiply(op, a, b, 3, (int64_t[]){n[0], n[1], m[2]});
}

/* Adds to k, as what the product is added to, t broadcast to n x m. */
static int add_added(const char *op, cr__launch *k, cr_tensor *t, const char *param,
                     cr_tensor *product) {
  int64_t shape[CR_MAX_DIMS] = {0}, stride[CR_MAX_DIMS];
  const int64_t *want = cr__sizes(product);
  int ndim = product->ndim;
  for (int i = 0; i < ndim; i++) shape[i] = want[i];
  cr__text a, b;
  int code = cr__check_dtypes(op, product, t);
  if (code) return code;
  code = cr__broadcast_into(op, &ndim, shape, t->ndim, cr__sizes(t));
  if (code || ndim != 2 || shape[0] != want[0] || shape[1] != want[1]) {
    return cr__fail(CR_E_SHAPE, "%s: %s of shape %s does not broadcast to the product's shape %s",
                    op, param, cr__shape_text(t->ndim, cr__sizes(t), &a),
                    cr__shape_text(product->ndim, want, &b));
  }
  cr__broadcast_strides(t->ndim, cr__sizes(t), cr__steps(t), 2, want, stride);
  add_view(k, &k->matmul.added, t, (int64_t[]){1, want[0], want[1]},
           (int64_t[]){0, stride[0], stride[1]});
  return 0;
}

/* a b + added, where b's strides are given so that it may be a transposed view. */
static cr_tensor *multiply_add(const cr_op *op, cr_tensor *a, cr_tensor *b, bool transpose_b,
                               cr_tensor *added, const char *param) {
  const int64_t *n = cr__sizes(b), *s = cr__steps(b);
  int64_t shape[3] = {1, n[transpose_b], n[!transpose_b]};
  int64_t stride[3] = {0, s[transpose_b], s[!transpose_b]};
  cr_tensor *t = cr__new(op->name, (cr_dtype)a->dtype, cr_device_of(a), 2,
                         (int64_t[]){cr__sizes(a)[0], shape[2]});
  if (!t) return NULL;
  cr__launch k;
  cr__launch_begin(&k, op->name, cr_device_of(t));
  add_factor(&k, &k.matmul.out, t, false);
  add_factor(&k, &k.matmul.a, a, false);
  add_view(&k, &k.matmul.b, b, shape, stride);
  const char *name = op->id == CR__OP_affine ? "linear" : op->name; /* affine serves linear alone */
  int code = added ? add_added(name, &k, added, param, t) : 0;
  return cr__filled(code ? code : cr__launch_run(&k, CR__K_matmul), t);
}

cr_tensor *cr__run_mm_add(const cr_op *op, cr_tensor *self, cr_tensor *mat1, cr_tensor *mat2) {
  cr_tensor *a = mat1, *b = mat2;
  cr_device device;
  int code = cr__check_rank(op, "mat1", a, 2);
  if (!code) code = cr__check_rank(op, "mat2", b, 2);
  if (!code) code = cr__check_pair(op, a, b);
  if (!code)
    code = cr__same_device(op->name, (cr_value[]){cr_of(self), cr_of(a), cr_of(b)}, 3, &device);
  return code ? NULL : multiply_add(op, a, b, false, self, "self");
}

cr_tensor *cr__run_affine(const cr_op *op, cr_tensor *input, cr_tensor *weight, cr_tensor *bias) {
  cr_tensor *a = input, *b = weight;
  int code = cr__check_rank(op, "input", a, 2);
  if (!code) code = cr__check_rank(op, "weight", b, 2);
  return code ? NULL : multiply_add(op, a, b, true, bias, "bias");
}

/* ---- Tensors of any rank ---- */

cr_tensor *cr__reshaped(cr_tensor *t, int ndim, const int64_t *shape) {
  return cr__call_reshape(t, shape, ndim);
}

/* The same where t is given up. */
cr_tensor *cr__reshaped_away(cr_tensor *t, int ndim, const int64_t *shape) {
  cr_tensor *r = cr__reshaped(t, ndim, shape);
  cr_release(t);
  return r;
}

int64_t cr__product_of(int n, const int64_t *shape) {
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
  cr_tensor *wide = same ? cr_retain(t) : cr__call_expand(t, shape, nbatch + 2);
  if (!wide || nbatch == 1) return wide;
  cr_tensor *flat =
      cr__reshaped(wide, 3, (int64_t[]){cr__product_of(nbatch, batch), matrix[0], matrix[1]});
  cr_release(wide);
  return flat;
}

/* Both have at least two dims: batches broadcast. row, column: dims to leave out of the result. */
static cr_tensor *batched(const cr_op *op, cr_tensor *a, cr_tensor *b, bool row, bool column) {
  int64_t shape[CR_MAX_DIMS + 2] = {0};
  int nbatch = a->ndim - 2;
  for (int i = 0; i < nbatch; i++) shape[i] = cr__sizes(a)[i];
  int code = cr__broadcast_into(op->name, &nbatch, shape, b->ndim - 2, cr__sizes(b));
  if (code) return cr__no_tensor(code);
  cr_tensor *left = as_batch(a, nbatch, shape), *right = as_batch(b, nbatch, shape);
  cr_tensor *t = NULL;
  if (left && right) t = cr__call_bmm(left, right);
  cr_release(left);
  cr_release(right);
  if (!t) return NULL;
  int ndim = nbatch;
  if (!row) shape[ndim++] = cr__sizes(a)[a->ndim - 2];
  if (!column) shape[ndim++] = cr__sizes(b)[b->ndim - 1];
  if (ndim == 3 && nbatch == 1) return t;
  return cr__reshaped_away(t, ndim, shape);
}

/* All dims of a but the last are rows of one matrix; b is a matrix or a vector. */
static cr_tensor *folded(cr_tensor *a, cr_tensor *b) {
  int64_t shape[CR_MAX_DIMS];
  int ndim = a->ndim - 1;
  for (int i = 0; i < ndim; i++) shape[i] = cr__sizes(a)[i];
  cr_tensor *rows =
      cr__reshaped(a, 2, (int64_t[]){cr__product_of(ndim, shape), cr__sizes(a)[ndim]});
  if (!rows) return NULL;
  cr_tensor *t = b->ndim == 2 ? cr__call_mm(rows, b) : cr__call_mv(rows, b);
  cr_release(rows);
  if (!t) return NULL;
  if (b->ndim == 2) shape[ndim++] = cr__sizes(b)[1];
  return cr__reshaped_away(t, ndim, shape);
}

/* A vector on the left: a row, whose dim the result lacks. */
static cr_tensor *row_times(const cr_op *op, cr_tensor *a, cr_tensor *b) {
  cr_tensor *row = cr__reshaped(a, 2, (int64_t[]){1, a->numel});
  if (!row) return NULL;
  cr_tensor *t = b->ndim > 2 ? batched(op, row, b, true, false)
                             : cr__reshaped_away(cr__call_mm(row, b), 1, cr__sizes(b) + 1);
  cr_release(row);
  return t;
}

cr_tensor *cr__run_matmul(const cr_op *op, cr_tensor *self, cr_tensor *other) {
  cr_tensor *a = self, *b = other;
  if (a->ndim == 0 || b->ndim == 0) {
    return cr__no_tensor(
        cr__fail(CR_E_SHAPE,
                 "matmul: both need at least 1 dim, got %d and %d; multiply numbers with *",
                 a->ndim, b->ndim));
  }
  int code = cr__check_pair(op, a, b);
  if (code) return cr__no_tensor(code);
  if (b->ndim <= 2 && a->ndim > 2) return folded(a, b);
  if (a->ndim == 1 && b->ndim >= 2) return row_times(op, a, b);
  if (b->ndim > 2) return batched(op, a, b, false, false);
  return a->ndim == 1 ? cr__call_dot(a, b) : b->ndim == 1 ? cr__call_mv(a, b) : cr__call_mm(a, b);
}
