/* embed.c: tensors put into larger ones, and the positions of triangles.
 *
 * Holds true: the part of a new copy is found by the operation that shows that part, so that both agree on
 * what they take and on what they refuse. */
#include <string.h>

#include "geometry.h"

/* ---- Diagonals -------------------------------------------------------------------------------- */

cr_tensor *cr__run_diag_embed(const cr_op *op, cr_tensor *self, int64_t offset, int64_t dim1,
                              int64_t dim2) {
  int a, b, n = self->ndim + 1, from = 0;
  if (self->ndim == 0)
    return cr__no_tensor(cr__fail(CR_E_SHAPE, "%s: a 0-dim tensor has no last dim", op->name));
  if (n > CR_MAX_DIMS)
    return cr__no_tensor(
        cr__fail(CR_E_SHAPE, "%s: a tensor has at most %d dims, got %d", op->name, CR_MAX_DIMS, n));
  if (cr__wrap_dim(op->name, "dim1", dim1, n, &a) || cr__wrap_dim(op->name, "dim2", dim2, n, &b))
    return NULL;
  if (a == b)
    return cr__no_tensor(
        cr__fail(CR_E_ARGUMENT, "%s: needs two different dims, got dim %d twice", op->name, a + 1));
  int64_t shape[CR_MAX_DIMS], size = cr__sizes(self)[self->ndim - 1];
  if (offset == INT64_MIN || __builtin_add_overflow(size, offset < 0 ? -offset : offset, &size))
    return cr__no_tensor(
        cr__fail(CR_E_SHAPE, "%s: offset %lld is too far away", op->name, (long long)offset));
  for (int d = 0; d < n; d++) shape[d] = d == a || d == b ? size : cr__sizes(self)[from++];
  return cr__call_diagonal_backward(self, shape, n, offset, a + 1, b + 1);
}

/* ---- Parts of copies -------------------------------------------------------------------------- */

/* Writes src to `part` (stolen, a view of the copy) and gives the copy, stolen. */
static cr_tensor *with_part(const cr_op *op, cr_tensor *copy, cr_tensor *part, cr_tensor *src) {
  cr__text a, b;
  bool fits = part && part->ndim == src->ndim &&
              memcmp(cr__sizes(part), cr__sizes(src), part->ndim * sizeof(int64_t)) == 0;
  int code = part ? 0 : (int)cr_error_code();
  if (part && !fits)
    code = cr__fail(CR_E_SHAPE, "%s: src must have the shape %s of the part, got %s", op->name,
                    cr__shape_text(part->ndim, cr__sizes(part), &a),
                    cr__shape_text(src->ndim, cr__sizes(src), &b));
  if (!code) code = cr__copy(op->name, part, src);
  cr_release(part);
  return cr__filled(code, copy);
}

/* A copy of self to write a part to; fails unless src is on its device. */
static cr_tensor *copy_for(const cr_op *op, cr_tensor *self, cr_tensor *src) {
  cr_device device;
  if (cr__same_device(op->name, (cr_value[]){cr_of(self), cr_of(src)}, 2, &device)) return NULL;
  return cr__copy_of(op->name, self, (cr_dtype)self->dtype);
}

cr_tensor *cr__run_diagonal_scatter(const cr_op *op, cr_tensor *self, cr_tensor *src,
                                    int64_t offset, int64_t dim1, int64_t dim2) {
  cr_tensor *copy = copy_for(op, self, src);
  return copy ? with_part(op, copy, cr__call_diagonal(copy, offset, dim1, dim2), src) : NULL;
}

cr_tensor *cr__run_select_scatter(const cr_op *op, cr_tensor *self, cr_tensor *src, int64_t dim,
                                  int64_t index) {
  cr_tensor *copy = copy_for(op, self, src);
  return copy ? with_part(op, copy, cr__call_select(copy, dim, index), src) : NULL;
}

cr_tensor *cr__run_slice_scatter(const cr_op *op, cr_tensor *self, cr_tensor *src, int64_t dim,
                                 const int64_t *first, const int64_t *last, int64_t step) {
  cr_tensor *copy = copy_for(op, self, src);
  if (!copy) return NULL;
  cr_tensor *part = cr__call_slice(copy, dim, cr__int_if(first), cr__int_if(last), step);
  return with_part(op, copy, part, src);
}

/* ---- as_strided_scatter ----------------------------------------------------------------------- */

static int refuse_overlap(const cr_op *op, const char *what) {
  return cr__fail(CR_E_ARGUMENT, "%s: elements of %s share memory with one another", op->name,
                  what);
}

/* A copy of self at the same place of a memory of the same size. */
static cr_tensor *copy_in_place(const cr_op *op, cr_tensor *self) {
  int64_t room = (int64_t)(self->storage->nbytes / cr__size_of((cr_dtype)self->dtype)), one = 1;
  cr_tensor *whole = cr__alias(self, 1, &room, &one, 0);
  cr_tensor *memory = whole ? cr__copy_of(op->name, whole, (cr_dtype)self->dtype) : NULL;
  cr_tensor *copy =
      memory ? cr__alias(memory, self->ndim, cr__sizes(self), cr__steps(self), self->offset) : NULL;
  cr_release(whole), cr_release(memory);
  return copy;
}

cr_tensor *cr__run_as_strided_scatter(const cr_op *op, cr_tensor *self, cr_tensor *src,
                                      cr__ints size, cr__ints stride,
                                      const int64_t *storage_offset) {
  cr_device device;
  if (cr__same_device(op->name, (cr_value[]){cr_of(self), cr_of(src)}, 2, &device)) return NULL;
  if (!cr__strides_disjoint(self->ndim, cr__sizes(self), cr__steps(self)))
    return cr__no_tensor(refuse_overlap(op, "self"));
  cr_tensor *copy = copy_in_place(op, self);
  if (!copy) return NULL;
  cr_tensor *part =
      cr__call_as_strided(copy, size.at, size.n, stride.at, stride.n, cr__int_if(storage_offset));
  bool apart = !part || cr__strides_disjoint(part->ndim, cr__sizes(part), cr__steps(part));
  if (apart) return with_part(op, copy, part, src);
  cr_release(part);
  return cr__filled(refuse_overlap(op, "what as_strided shows"), copy);
}

/* ---- The positions of triangles --------------------------------------------------------------- */

static cr_tensor *none_of(const cr_op *op, cr_dtype dtype, cr_device device) {
  int64_t shape[] = {2, 0};
  return cr__new(op->name, dtype, device, 2, shape);
}

/* The positions of the ones that are left of a matrix of ones. */
cr_tensor *cr__run_triangle_indices(const cr_op *op, int64_t row, int64_t col, int64_t offset,
                                    cr_dtype dtype, cr_device device) {
  if (row < 0 || col < 0)
    return cr__no_tensor(cr__fail(CR_E_ARGUMENT,
                                  "%s: a matrix has no negative sizes, got %lld rows and %lld "
                                  "columns",
                                  op->name, (long long)row, (long long)col));
  dtype = cr__given_dtype_or(dtype, CR_INT64);
  device = cr__given_device_or(device, CR_CPU);
  int64_t shape[] = {row, col};
  bool upper = op->id == CR__OP_triu_indices;
  if (row == 0 || col == 0) return none_of(op, dtype, device);
  cr_tensor *ones = cr__call_full(shape, 2, cr_bool(true), CR_BOOL, cr_device_value(device));
  cr_tensor *side = upper ? cr__call_triu(ones, offset) : cr__call_tril(ones, offset);
  cr_tensor *places = cr__call_nonzero(side), *turned = cr__call_t(places);
  cr_tensor *line = cr__call_contiguous(turned), *r = cr__call_to(line, dtype, cr_none(), false);
  cr_release(ones), cr_release(side), cr_release(places), cr_release(turned), cr_release(line);
  return r;
}
