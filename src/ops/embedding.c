/* embedding.c: rows of a table.
 *
 * Holds true: everything but embedding_rows is a composite of operations that record themselves. Arguments are checked
 * before anything is written: rows that are too long are shortened last, right before they are read. */
#include "embedding.h"

int cr__padding_row(const cr_op *op, const cr_tensor *weight, const int64_t *padding_idx,
                    int64_t *row) {
  int64_t rows = weight->ndim ? cr__sizes(weight)[0] : 0;
  *row = 0;
  if (!padding_idx) return 0;
  *row = *padding_idx < 0 ? *padding_idx + rows + 1 : *padding_idx;
  if (*padding_idx != 0 && *row >= 1 && *row <= rows) return 0;
  return cr__fail(CR_E_INDEX,
                  "%s: padding_idx %lld is out of range for %lld rows, which count from 1 "
                  "(negative ones from the end)",
                  op->name, (long long)*padding_idx, (long long)rows);
}

static int need_table(const cr_op *op, const cr_tensor *weight, const cr_tensor *index) {
  if (weight->ndim > 0) return cr__check_index_dtype(op->name, index);
  return cr__fail(CR_E_SHAPE, "%s: expected a weight with a dim of rows, got a 0-dim one",
                  op->name);
}

/* All negative positions as those that they mean. */
static cr_tensor *counted_from_1(cr_tensor *index, int64_t rows) {
  cr_tensor *back = cr__call_lt_scalar(index, cr_int(0)),
            *from_1 = cr__call_add_scalar(index, cr_int(rows + 1));
  cr_tensor *r = back && from_1 ? cr__call_where(back, from_1, index) : NULL;
  cr_release(back), cr_release(from_1);
  return r;
}

/* What rows of these norms are to be multiplied with. */
static cr_tensor *shortening(cr_tensor *norms, double most) {
  cr_tensor *wider = cr__call_add_scalar(norms, cr_float(1e-7)),
            *inverse = cr__call_reciprocal(wider);
  cr_tensor *factor = cr__call_mul_scalar(inverse, cr_float(most)),
            *fits = cr__call_le_scalar(norms, cr_float(most));
  cr_tensor *r = factor && fits ? cr__call_masked_fill_scalar(factor, fits, cr_int(1)) : NULL;
  cr_release(wider), cr_release(inverse), cr_release(factor), cr_release(fits);
  return r;
}

int cr__shorten_rows(const cr_op *op, cr_tensor *weight, cr_tensor *index, double most, double p) {
  cr_tensor *seen[CR_MAX_OUTPUTS] = {NULL}, *table = cr__call_detach(weight);
  cr_tensor *positions = counted_from_1(index, cr__sizes(weight)[0]);
  int n = 1, code = table && positions ? 0 : (int)cr_error_code();
  if (!code) code = cr__call_unique(positions, true, false, false, cr_none(), seen, &n);
  cr_tensor *rows = seen[0] ? cr__call_index_select(table, 1, seen[0]) : NULL;
  int64_t flat[2] = {seen[0] ? seen[0]->numel : 0, -1}, last = -1;
  bool any = rows && rows->numel > 0;
  cr_tensor *lines = any ? cr__call_reshape(rows, flat, 2) : NULL;
  cr_tensor *norms =
      lines ? cr__call_norm(lines, cr_float(p), &last, 1, true, CR_DTYPE_NONE) : NULL;
  cr_tensor *factors = norms ? shortening(norms, most) : NULL,
            *shorter = factors ? cr__call_mul(lines, factors) : NULL;
  cr_tensor *values = shorter ? cr__call_reshape(shorter, cr__sizes(rows), rows->ndim) : NULL;
  if (!code && (!rows || (any && !values))) code = (int)cr_error_code();
  if (!code && any)
    code = cr__run_index_put(op, table, (cr__tensors){seen, 1}, cr_of(values), false);
  if (!code && any) cr__bump(table);
  cr_release(table), cr_release(positions), cr_release(seen[0]), cr_release(rows),
      cr_release(lines);
  cr_release(norms), cr_release(factors), cr_release(shorter), cr_release(values);
  return code;
}

cr_tensor *cr__run_embedding(const cr_op *op, cr_tensor *weight, cr_tensor *index,
                             const int64_t *padding_idx, const double *max_norm, double norm_type,
                             bool scale_grad_by_freq) {
  int64_t padding;
  int code = need_table(op, weight, index);
  if (!code) code = cr__padding_row(op, weight, padding_idx, &padding);
  if (!code && max_norm) code = cr__shorten_rows(op, weight, index, *max_norm, norm_type);
  return code ? NULL : cr__call_embedding_rows(weight, index, padding, scale_grad_by_freq);
}

cr_tensor *cr__run_embedding_rows(const cr_op *op, cr_tensor *weight, cr_tensor *index,
                                  int64_t padding, bool by_freq) {
  (void)padding, (void)by_freq; /* the derivative's business */
  return cr__read_first_dim(op, weight, index);
}

cr_tensor *cr__named_row(cr_tensor *index, int64_t row, int64_t rows) {
  cr_tensor *a = cr__call_eq_scalar(index, cr_int(row)),
            *b = cr__call_eq_scalar(index, cr_int(row - rows - 1));
  cr_tensor *r = a && b ? cr__call_logical_or(a, b) : NULL;
  cr_release(a), cr_release(b);
  return r;
}

/* t with dims of size 1 behind its own, until it has ndim. */
static cr_tensor *widened(cr_tensor *t, int ndim) {
  int64_t shape[CR_MAX_DIMS];
  if (!t) return NULL;
  for (int d = 0; d < ndim; d++) shape[d] = d < t->ndim ? cr__sizes(t)[d] : 1;
  return cr__call_reshape(t, shape, ndim);
}

/* How often each position in index occurs there. */
static cr_tensor *counts_of(const cr_tensor *like, cr_tensor *index, int64_t rows) {
  cr_tensor *one = cr__call_full(cr__sizes(index), index->ndim, cr_int(1), (cr_dtype)like->dtype,
                                 cr_device_value(cr_device_of(index)));
  cr_tensor *per_row = one ? cr__call_index_backward(one, &rows, 1, &index, 1) : NULL;
  cr_tensor *r = per_row ? cr__call_index(per_row, &index, 1) : NULL;
  cr_release(one), cr_release(per_row);
  return r;
}

cr_tensor *cr__run_embedding_backward(const cr_op *op, cr_tensor *self, cr__ints shape,
                                      cr_tensor *index, int64_t padding, bool by_freq) {
  (void)op;
  cr_tensor *g = cr_retain(self);
  if (padding) {
    cr_tensor *mask = cr__named_row(index, padding, shape.at[0]), *wide = widened(mask, self->ndim);
    cr_tensor *kept = wide ? cr__call_masked_fill_scalar(g, wide, cr_int(0)) : NULL;
    cr_release(mask), cr_release(wide), cr_release(g);
    g = kept;
  }
  if (by_freq && g) {
    cr_tensor *counts = counts_of(self, index, shape.at[0]), *wide = widened(counts, self->ndim);
    cr_tensor *parts = wide ? cr__call_div(g, wide) : NULL;
    cr_release(counts), cr_release(wide), cr_release(g);
    g = parts;
  }
  cr_tensor *r = g ? cr__call_index_backward(g, shape.at, shape.n, &index, 1) : NULL;
  cr_release(g);
  return r;
}
