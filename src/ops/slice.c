/* slice.c: views of a part: positions, ranges, diagonals, pieces.
 *
 * Holds true: every derivative here is the same view of a zero tensor, with the gradient copied into
 * it; so one function per kind of view finds the part, for both directions. */
#include "autograd/graph.h"
#include "geometry.h"

#include <string.h>

cr_tensor *cr__fill_part(const char *op, cr_tensor *zeros, cr_tensor *part, cr_tensor *g) {
  cr_tensor *source = part ? cr__broadcast_view(op, g, "self", part->ndim, cr__sizes(part)) : NULL;
  int code = source ? cr__copy(op, part, source) : (int)cr_error_code();
  cr_release(source);
  cr_release(part);
  return cr__filled(code, zeros);
}

/* ---- One position ------------------------------------------------------------------------------- */

int cr__find_position(const char *op, int64_t index, int d, int64_t size, int64_t *at) {
  if (CR__UNLIKELY(index == 0 || index > size || index < -size))
    return cr__fail(CR_E_INDEX,
                    "%s: position %lld is out of range for dim %d of size %lld (positions count "
                    "from 1; negative ones from the end)",
                    op, (long long)index, d + 1, (long long)size);
  *at = index > 0 ? index - 1 : index + size;
  return 0;
}

static cr_tensor *position(const char *op, cr_tensor *t, int64_t dim, int64_t index) {
  int d;
  int64_t at;
  if (!t) return NULL;
  if (t->ndim == 0) {
    cr__fail(CR_E_SHAPE, "%s: a 0-dim tensor has no positions to select", op);
    return NULL;
  }
  if (cr__wrap_dim(op, "dim", dim, t->ndim, &d)) return NULL;
  if (CR__LIKELY(index > 0 && index <= cr__sizes(t)[d])) at = index - 1;
  else if (cr__find_position(op, index, d, cr__sizes(t)[d], &at)) return NULL;
  int64_t shape[CR_MAX_DIMS], stride[CR_MAX_DIMS];
  int n = 0;
  for (int k = 0; k < t->ndim; k++) {
    if (k == d) continue;
    shape[n] = cr__sizes(t)[k];
    stride[n++] = cr__steps(t)[k];
  }
  return cr__alias(t, n, shape, stride, t->offset + at * cr__steps(t)[d]);
}

cr_tensor *cr__run_select(const cr_op *op, cr_tensor *self, int64_t dim, int64_t index) {
  return position(op->name, self, dim, index);
}

cr_tensor *cr__run_select_backward(const cr_op *op, cr_tensor *self, cr__ints shape, int64_t dim,
                                   int64_t index) {
  cr_tensor *zeros = cr__zeros_for(op->name, self, shape.n, shape.at);
  return cr__fill_part(op->name, zeros, position(op->name, zeros, dim, index), self);
}

/* ---- Ranges ------------------------------------------------------------------------------------------ */

cr_tensor *cr__range_view(cr_tensor *t, int d, int64_t start, int64_t length, int64_t step) {
  if (!t) return NULL;
  int64_t shape[CR_MAX_DIMS], stride[CR_MAX_DIMS];
  memcpy(shape, cr__sizes(t), t->ndim * sizeof *shape);
  memcpy(stride, cr__steps(t), t->ndim * sizeof *stride);
  int64_t offset = t->offset + (length > 0 ? start * stride[d] : 0);
  shape[d] = length;
  stride[d] *= step;
  return cr__alias(t, t->ndim, shape, stride, offset);
}

int cr__find_range(const char *op, const cr__range *ends, int d, int64_t size, int64_t *start,
                   int64_t *length) {
  int64_t step = ends->step, first = ends->first ? *ends->first : 1,
          last = ends->last ? *ends->last : size;
  if (step < 1)
    return cr__fail(CR_E_ARGUMENT, "%s: step %lld is not positive; flip reverses a tensor", op,
                    (long long)step);
  int64_t a = first < 0 ? first + size + 1 : first, b = last < 0 ? last + size + 1 : last;
  bool empty = b == a - 1 && a >= 1 && b <= size && first != 0; /* {1, 0}, {4, 3}: allowed */
  if (!empty && (a < 1 || b > size || a > b))
    return cr__fail(CR_E_INDEX,
                    "%s: range %lld to %lld does not lie in dim %d of size %lld (positions count "
                    "from 1; negative ones from the end)",
                    op, (long long)first, (long long)last, d + 1, (long long)size);
  *start = a - 1;
  *length = empty ? 0 : (b - a) / step + 1;
  return 0;
}

static cr_tensor *range(const char *op, cr_tensor *t, int64_t dim, cr__range ends) {
  int d;
  int64_t start, length;
  if (!t) return NULL;
  if (t->ndim == 0) {
    cr__fail(CR_E_SHAPE, "%s: a 0-dim tensor has no range to take", op);
    return NULL;
  }
  if (cr__wrap_dim(op, "dim", dim, t->ndim, &d)) return NULL;
  if (cr__find_range(op, &ends, d, cr__sizes(t)[d], &start, &length)) return NULL;
  return cr__range_view(t, d, start, length, ends.step);
}

cr_tensor *cr__run_slice(const cr_op *op, cr_tensor *self, int64_t dim, const int64_t *first,
                         const int64_t *last, int64_t step) {
  return range(op->name, self, dim, (cr__range){first, last, step});
}

cr_tensor *cr__run_slice_backward(const cr_op *op, cr_tensor *self, cr__ints shape, int64_t dim,
                                  const int64_t *first, const int64_t *last, int64_t step) {
  cr_tensor *zeros = cr__zeros_for(op->name, self, shape.n, shape.at);
  cr_tensor *part = range(op->name, zeros, dim, (cr__range){first, last, step});
  return cr__fill_part(op->name, zeros, part, self);
}

cr_tensor *cr__run_narrow(const cr_op *op, cr_tensor *self, int64_t dim, int64_t start,
                          int64_t length) {
  int d;
  if (self->ndim == 0)
    return cr__no_tensor(cr__fail(CR_E_SHAPE, "%s: a 0-dim tensor has no range to take", op->name));
  if (cr__wrap_dim(op->name, "dim", dim, self->ndim, &d)) return NULL;
  int64_t size = cr__sizes(self)[d];
  int64_t first = start < 0 ? start + size + 1 : start;
  if (first < 1 || length < 0 || first > size + 1 || length > size + 1 - first)
    return cr__no_tensor(
        cr__fail(CR_E_INDEX,
                 "%s: %lld positions from %lld on do not lie in dim %d of size %lld (positions "
                 "count from 1; negative ones from the end)",
                 op->name, (long long)length, (long long)start, d + 1, (long long)size));
  return cr__call_slice(self, d + 1, cr_int(first), cr_int(first + length - 1), 1);
}

/* ---- Diagonals ----------------------------------------------------------------------------------------- */

static cr_tensor *diagonal(const char *op, cr_tensor *t, int64_t offset, int64_t dim1,
                           int64_t dim2) {
  int a, b;
  if (!t || cr__wrap_dim(op, "dim1", dim1, t->ndim, &a) ||
      cr__wrap_dim(op, "dim2", dim2, t->ndim, &b))
    return NULL;
  if (a == b) {
    cr__fail(CR_E_ARGUMENT, "%s: needs two different dims, got dim %d twice (shape of %d dims)", op,
             a + 1, t->ndim);
    return NULL;
  }
  int64_t shape[CR_MAX_DIMS], stride[CR_MAX_DIMS], k = offset;
  int64_t rows = cr__sizes(t)[a], columns = cr__sizes(t)[b];
  int n = 0;
  for (int d = 0; d < t->ndim; d++) {
    if (d == a || d == b) continue;
    shape[n] = cr__sizes(t)[d];
    stride[n++] = cr__steps(t)[d];
  }
  int64_t down = k < 0 ? (k > -rows ? -k : rows) : 0,
          right = k > 0 ? (k < columns ? k : columns) : 0;
  int64_t length = rows - down < columns - right ? rows - down : columns - right;
  shape[n] = length;
  stride[n] = cr__steps(t)[a] + cr__steps(t)[b];
  int64_t skip = length > 0 ? down * cr__steps(t)[a] + right * cr__steps(t)[b] : 0;
  return cr__alias(t, n + 1, shape, stride, t->offset + skip);
}

cr_tensor *cr__run_diagonal(const cr_op *op, cr_tensor *self, int64_t offset, int64_t dim1,
                            int64_t dim2) {
  return diagonal(op->name, self, offset, dim1, dim2);
}

cr_tensor *cr__run_diagonal_backward(const cr_op *op, cr_tensor *self, cr__ints shape,
                                     int64_t offset, int64_t dim1, int64_t dim2) {
  cr_tensor *zeros = cr__zeros_for(op->name, self, shape.n, shape.at);
  return cr__fill_part(op->name, zeros, diagonal(op->name, zeros, offset, dim1, dim2), self);
}

cr_tensor *cr__run_diag(const cr_op *op, cr_tensor *self, int64_t diagonal) {
  int64_t k = diagonal;
  if (self->ndim == 2) {
    cr_tensor *view = cr__call_diagonal(self, k, 1, 2), *copy = cr__call_clone(view);
    cr_release(view);
    return copy;
  }
  if (self->ndim != 1)
    return cr__no_tensor(cr__fail(CR_E_SHAPE,
                                  "%s: takes a vector or a matrix, got a tensor of %d dims; use "
                                  "diagonal",
                                  op->name, self->ndim));
  int64_t away = k < 0 ? -(k + 1) : k; /* cannot overflow, the sum below is checked */
  int64_t n;
  if (__builtin_add_overflow(self->numel, away, &n) || (k < 0 && __builtin_add_overflow(n, 1, &n)))
    return cr__no_tensor(
        cr__fail(CR_E_SHAPE, "%s: diagonal %lld is too far away", op->name, (long long)k));
  int64_t shape[] = {n, n};
  return cr__call_diagonal_backward(self, shape, 2, k, 1, 2);
}

/* ---- Pieces ---------------------------------------------------------------------------------------------- */

/* Gives views of the listed sizes along dim d; releases them all if one fails. */
static int give_pieces(cr_tensor *t, int d, int n, const int64_t *sizes, cr_tensor **out,
                       int *nout) {
  int64_t start = 0;
  for (int i = 0; i < n; start += sizes[i++]) {
    out[i] = cr__range_view(t, d, start, sizes[i], 1);
    if (!out[i]) return cr__undo(out, i);
  }
  *nout = n;
  return 0;
}

static int refuse_pieces(const cr_op *op, int d, int64_t n) {
  return cr__fail(CR_E_ARGUMENT,
                  "%s: dim %d would fall into %lld pieces; a call returns at most %d; use select "
                  "or "
                  "narrow",
                  op->lua, d + 1, (long long)n, CR_MAX_OUTPUTS);
}

static int find_dim(const cr_op *op, const cr_tensor *t, int64_t dim, int *d) {
  if (t->ndim == 0)
    return cr__fail(CR_E_SHAPE, "%s: a 0-dim tensor cannot be taken apart", op->lua);
  return cr__wrap_dim(op->lua, "dim", dim, t->ndim, d);
}

/* Pieces of one size along d; the last one may be smaller. An empty dim gives one empty piece. */
static int give_equal(const cr_op *op, cr_tensor *t, int d, int64_t size, cr_tensor **out,
                      int *nout) {
  int64_t total = cr__sizes(t)[d], sizes[CR_MAX_OUTPUTS];
  int64_t n = total == 0 ? 1 : total / size + (total % size != 0);
  if (n > CR_MAX_OUTPUTS) return refuse_pieces(op, d, n);
  for (int i = 0; i < n; i++) sizes[i] = i < n - 1 ? size : total - (n - 1) * size;
  return give_pieces(t, d, (int)n, sizes, out, nout);
}

int cr__run_split(const cr_op *op, cr_tensor *self, int64_t split_size, int64_t dim,
                  cr_tensor **out, int *nout) {
  int d;
  if (find_dim(op, self, dim, &d)) return (int)cr_error_code();
  if (split_size < 0 || (split_size == 0 && cr__sizes(self)[d] != 0))
    return cr__fail(CR_E_ARGUMENT,
                    "%s: pieces of size %lld are impossible; split_size must be at least 1",
                    op->lua, (long long)split_size);
  return give_equal(op, self, d, split_size, out, nout);
}

int cr__run_chunk(const cr_op *op, cr_tensor *self, int64_t chunks, int64_t dim, cr_tensor **out,
                  int *nout) {
  int d;
  if (find_dim(op, self, dim, &d)) return (int)cr_error_code();
  int64_t total = cr__sizes(self)[d];
  if (chunks < 1)
    return cr__fail(CR_E_ARGUMENT, "%s: %lld chunks are impossible; chunks must be at least 1",
                    op->lua, (long long)chunks);
  if (total == 0) { /* as many empty ones as asked for */
    int64_t sizes[CR_MAX_OUTPUTS] = {0};
    if (chunks > CR_MAX_OUTPUTS) return refuse_pieces(op, d, chunks);
    return give_pieces(self, d, (int)chunks, sizes, out, nout);
  }
  return give_equal(op, self, d, total / chunks + (total % chunks != 0), out, nout);
}

int cr__run_split_with_sizes(const cr_op *op, cr_tensor *self, cr__ints split_sizes, int64_t dim,
                             cr_tensor **out, int *nout) {
  int d, n = split_sizes.n;
  if (find_dim(op, self, dim, &d)) return (int)cr_error_code();
  if (n > CR_MAX_OUTPUTS) return refuse_pieces(op, d, n);
  int64_t left = cr__sizes(self)[d];
  bool fits = true;
  for (int i = 0; i < n && fits; i++) {
    fits = split_sizes.at[i] >= 0 && split_sizes.at[i] <= left;
    left -= split_sizes.at[i];
  }
  cr__text text;
  if (!fits || left != 0)
    return cr__fail(CR_E_SHAPE, "%s: split_sizes %s do not add up to the size %lld of dim %d",
                    op->lua,
                    cr__shape_text(n < CR_MAX_DIMS ? n : CR_MAX_DIMS, split_sizes.at, &text),
                    (long long)cr__sizes(self)[d], d + 1);
  return give_pieces(self, d, n, split_sizes.at, out, nout);
}

int cr__run_unbind(const cr_op *op, cr_tensor *self, int64_t dim, cr_tensor **out, int *nout) {
  int d;
  if (find_dim(op, self, dim, &d)) return (int)cr_error_code();
  int64_t n = cr__sizes(self)[d];
  if (n > CR_MAX_OUTPUTS) return refuse_pieces(op, d, n);
  for (int i = 0; i < n; i++) {
    out[i] = position(op->lua, self, d + 1, i + 1);
    if (!out[i]) return cr__undo(out, i);
  }
  *nout = (int)n;
  return 0;
}

/* The gradient of pieces: the pieces' gradients joined. g has one per result. */
static int join_gradients(cr_node *n, const cr_value *g, cr_tensor **gi, int join, int dim) {
  cr_tensor *parts[CR_MAX_OUTPUTS];
  for (int i = 0; i < n->nout; i++) parts[i] = g[i].kind == CR_TENSOR ? g[i].u.t : NULL;
  if (!cr__needs(n, 0)) return 0;
  cr_value along = cr__unpack(n, dim);
  gi[0] = cr__op1(join, (cr_value[]){cr_list(parts, n->nout), along});
  return gi[0] ? 0 : (int)cr_error_code();
}

int cr__grad_split(cr_node *n, const cr_value *g, cr_tensor **gi) {
  return join_gradients(n, g, gi, CR__OP_cat, CR__SAVED_split_dim);
}

int cr__grad_unbind(cr_node *n, const cr_value *g, cr_tensor **gi) {
  return join_gradients(n, g, gi, CR__OP_stack, CR__SAVED_unbind_dim);
}
