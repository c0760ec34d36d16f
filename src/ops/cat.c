/* cat.c: tensors joined along a dim, one after the other or side by side.
 *
 * Holds true: each part is copied once, into its range of the result; the rest are composites of views
 * and of that. */
#include <string.h>

#include "autograd/graph.h"
#include "geometry.h"

#define MOST 32767 /* parts: a node counts its edges in 16 bits */

/* ---- cat -------------------------------------------------------------------------------------- */

int cr__check_list(const char *op, cr__tensors list) {
  if (list.n < 1) return cr__fail(CR_E_ARGUMENT, "%s: needs at least one tensor", op);
  if (list.n > MOST)
    return cr__fail(CR_E_ARGUMENT, "%s: got %d tensors; %d at most", op, list.n, MOST);
  for (int i = 0; i < list.n; i++)
    if (!list.at[i]) return cr__fail_absent(op, "tensors");
  cr_device device;
  return cr__same_device(op, (cr_value[]){cr_list(list.at, list.n)}, 1, &device);
}

static bool joins_anything(const cr_tensor *t) { return t->ndim == 1 && t->numel == 0; }

/* Finds the size of every part along d (-1: left out); fails unless they agree elsewhere. */
static int part_sizes(const char *op, cr__tensors list, const cr_tensor *first, int d,
                      int64_t *sizes) {
  cr__text a, b;
  for (int i = 0; i < list.n; i++) {
    const cr_tensor *t = list.at[i];
    sizes[i] = -1;
    if (joins_anything(t) && first->ndim != 1) continue;
    bool fits = t->ndim == first->ndim;
    for (int k = 0; fits && k < t->ndim; k++)
      fits = k == d || cr__sizes(t)[k] == cr__sizes(first)[k];
    if (!fits)
      return cr__fail(CR_E_SHAPE,
                      "%s: shapes %s and %s (tensor %d) differ in more than dim %d, along which "
                      "they "
                      "are joined",
                      op, cr__shape_text(first->ndim, cr__sizes(first), &a),
                      cr__shape_text(t->ndim, cr__sizes(t), &b), i + 1, d + 1);
    sizes[i] = cr__sizes(t)[d];
  }
  return 0;
}

cr_tensor *cr__run_cat(const cr_op *op, cr__tensors tensors, int64_t dim) {
  int d;
  if (cr__check_list(op->name, tensors)) return NULL;
  const cr_tensor *first = tensors.at[0];
  for (int i = 0; i < tensors.n; i++) {
    if (tensors.at[i]->ndim == 0)
      return cr__no_tensor(cr__fail(CR_E_SHAPE,
                                    "%s: tensor %d is 0-dim and cannot be joined; use stack",
                                    op->name, i + 1));
    if (joins_anything(first)) first = tensors.at[i];
  }
  if (cr__wrap_dim(op->name, "dim", dim, first->ndim, &d)) return NULL;
  size_t room = (size_t)tensors.n * sizeof(int64_t);
  int64_t *sizes = cr__alloc(room);
  if (!sizes) return NULL;
  cr_tensor *whole = NULL;
  if (!part_sizes(op->name, tensors, first, d, sizes))
    whole = cr__call_cat_parts(tensors.at, tensors.n, d + 1, sizes, tensors.n);
  cr__free(sizes, room);
  return whole;
}

static cr_dtype promoted(cr__tensors list) {
  cr__promotion p = CR__PROMOTION_INIT;
  for (int i = 0; i < list.n; i++)
    cr__promote_add(&p, list.at[i]->ndim == 0, (cr_dtype)list.at[i]->dtype);
  return cr__promote_result(&p);
}

/* Fails where a dtype that is for storage stands beside other integers. */
static int check_apart(cr__tensors list) {
  cr_dtype dtype = promoted(list);
  for (int i = 0; i < list.n; i++)
    if (cr__are_apart(dtype, (cr_dtype)list.at[i]->dtype))
      return cr__fail_apart("cat", dtype, (cr_dtype)list.at[i]->dtype);
  return 0;
}

/* Whether a part is pieces of `n` elements in a line, `step` apart, one for each position in the dims
 * before d. */
static bool is_pieces(const cr_tensor *t, int d, int64_t *n, int64_t *step) {
  int64_t expected = 1;
  *n = 1;
  for (int k = t->ndim - 1; k >= d; k--) {
    if (cr__sizes(t)[k] != 1 && cr__steps(t)[k] != expected) return false;
    expected *= cr__sizes(t)[k];
  }
  *n = expected;
  expected = *step = 0;
  for (int k = d - 1; k >= 0; k--) {
    if (cr__sizes(t)[k] == 1) continue;
    if (expected == 0) *step = cr__steps(t)[k];
    else if (cr__steps(t)[k] != expected) return false;
    expected = cr__steps(t)[k] * cr__sizes(t)[k];
  }
  return true;
}

/* Parts of whole's dtype that are pieces go there in one pass; false if there is another part. */
static bool cat_pieces(cr_tensor *whole, cr__tensors list, const int64_t *sizes, int d, int *code) {
  size_t room = (size_t)list.n * sizeof(cr__row);
  int64_t outer = 1;
  for (int k = 0; k < d; k++) outer *= cr__sizes(whole)[k];
  if (outer == 1 || whole->numel == 0) return false;
  cr__row *rows = cr__alloc(room);
  *code = rows ? 0 : (int)cr_error_code();
  if (!rows) return true;
  cr__launch k;
  cr__launch_begin(&k, "cat", whole->storage->device);
  cr__launch_view(&k, &k.cat.whole, whole);
  bool fits = true;
  for (int i = 0; i < list.n && fits; i++) {
    const cr_tensor *t = list.at[i];
    if (sizes[i] <= 0) continue;
    cr__row *row = &rows[k.nrow++];
    *row = (cr__row){.data = {cr__data(t)}, .dtype = t->dtype};
    fits = t->dtype == whole->dtype && is_pieces(t, d, &row->n, &row->step);
  }
  k.rows = rows;
  k.cat.outer = outer;
  if (fits) *code = cr__launch_run(&k, CR__K_cat);
  cr__free(rows, room);
  return fits;
}

/* Parts that lie in the host's memory as they will in the result, which is too small to be shared out; false if
 * they do not. */
static bool cat_few(cr_tensor *whole, cr__tensors list, const int64_t *sizes, int d) {
  enum { SMALL = 1 << 16 };
  int64_t all = whole->numel * (int64_t)cr__size_of((cr_dtype)whole->dtype);
  bool fits = whole->storage->device == CR_CPU && all <= SMALL;
  for (int k = 0; k < d; k++) fits = fits && cr__sizes(whole)[k] == 1;
  char *to = cr__data(whole);
  for (int i = 0; i < list.n && fits; i++) {
    const cr_tensor *t = list.at[i];
    size_t nbytes = sizes[i] > 0 ? (size_t)t->numel * cr__size_of((cr_dtype)t->dtype) : 0;
    fits = t->flags & CR__CONTIGUOUS && t->dtype == whole->dtype;
    if (fits) memcpy(to, cr__data(t), nbytes);
    to += nbytes;
  }
  return fits;
}

static int cat_copies(cr_tensor *whole, cr__tensors list, const int64_t *sizes, int d) {
  int64_t start = 0;
  int code = 0;
  for (int i = 0; i < list.n && !code; i++) {
    if (sizes[i] <= 0) continue;
    cr_tensor *part = cr__range_view(whole, d, start, sizes[i], 1);
    code = part ? cr__copy("cat", part, list.at[i]) : (int)cr_error_code();
    cr_release(part);
    start += sizes[i];
  }
  return code;
}

cr_tensor *cr__run_cat_parts(const cr_op *op, cr__tensors tensors, int64_t dim, cr__ints sizes) {
  (void)op;
  int d = (int)dim - 1;
  const cr_tensor *like = NULL;
  int64_t shape[CR_MAX_DIMS], total = 0;
  for (int i = 0; i < tensors.n; i++) {
    if (sizes.at[i] < 0) continue;
    if (!like) like = tensors.at[i];
    if (__builtin_add_overflow(total, sizes.at[i], &total))
      return cr__no_tensor(cr__fail(CR_E_SHAPE,
                                    "cat: the sizes along dim %d add up to more than memory holds",
                                    d + 1));
  }
  memcpy(shape, cr__sizes(like), like->ndim * sizeof *shape);
  shape[d] = total;
  if (check_apart(tensors)) return NULL;
  cr_tensor *whole = cr__new("cat", promoted(tensors), like->storage->device, like->ndim, shape);
  int code = whole ? 0 : (int)cr_error_code();
  if (!code && !cat_few(whole, tensors, sizes.at, d) &&
      !cat_pieces(whole, tensors, sizes.at, d, &code))
    code = cat_copies(whole, tensors, sizes.at, d);
  return cr__filled(code, whole);
}

int cr__grad_cat_parts(cr_node *n, const cr_value *g, cr_tensor **gi) {
  int64_t dim = cr__unpack(n, CR__SAVED_cat_parts_dim).u.i, start = 1;
  const int64_t *sizes = cr__unpack(n, CR__SAVED_cat_parts_sizes).u.is;
  for (int i = 0; i < n->nedge; i++) {
    if (sizes[i] < 0) continue;
    if (cr__needs(n, i)) {
      gi[i] = cr__call_slice(g[0].u.t, dim, cr_int(start), cr_int(start + sizes[i] - 1), 1);
      if (!gi[i]) return (int)cr_error_code();
    }
    start += sizes[i];
  }
  return 0;
}

/* ---- stack and its kin ---------------------------------------------------------------------------- */

/* cat along dim of what `change` makes of each tensor. */
static cr_tensor *cat_changed(cr__tensors list, int64_t dim,
                              cr_tensor *(*change)(cr_tensor *t, int64_t dim)) {
  size_t room = (size_t)list.n * sizeof(cr_tensor *);
  cr_tensor **parts = cr__alloc(room);
  int made = 0, code = parts ? 0 : (int)cr_error_code();
  for (; made < list.n && !code; made++) {
    parts[made] = change(list.at[made], dim);
    if (!parts[made]) code = (int)cr_error_code();
  }
  cr_tensor *whole = code ? NULL : cr__call_cat(parts, list.n, dim);
  for (int i = 0; i < made; i++) cr_release(parts[i]);
  cr__free(parts, room);
  return whole;
}

static cr_tensor *with_new_dim(cr_tensor *t, int64_t dim) { return cr__call_unsqueeze(t, dim); }

cr_tensor *cr__run_stack(const cr_op *op, cr__tensors tensors, int64_t dim) {
  if (cr__check_list(op->name, tensors)) return NULL;
  const cr_tensor *first = tensors.at[0];
  cr__text a, b;
  for (int i = 1; i < tensors.n; i++) {
    const cr_tensor *t = tensors.at[i];
    if (t->ndim != first->ndim ||
        memcmp(cr__sizes(t), cr__sizes(first), t->ndim * sizeof(int64_t)) != 0)
      return cr__no_tensor(cr__fail(CR_E_SHAPE,
                                    "%s: tensors must have one shape, got %s and %s (tensor %d)",
                                    op->name, cr__shape_text(first->ndim, cr__sizes(first), &a),
                                    cr__shape_text(t->ndim, cr__sizes(t), &b), i + 1));
  }
  int64_t places = first->ndim + 1;
  if (dim == 0 || dim > places || dim < -places)
    return cr__no_tensor(
        cr__fail(CR_E_INDEX,
                 "%s: dim %lld is no place for a new dim; 1 to %lld and -1 to -%lld are", op->name,
                 (long long)dim, (long long)places, (long long)places));
  return cat_changed(tensors, dim, with_new_dim);
}

/* At least one dim; at least two of them, a vector as a row; at least three; a vector as a column. */
static cr_tensor *as_vector(cr_tensor *t, int64_t dim) {
  (void)dim;
  return cr__at_least(t, 1);
}

static cr_tensor *as_row(cr_tensor *t, int64_t dim) {
  (void)dim;
  return cr__at_least(t, 2);
}

static cr_tensor *as_block(cr_tensor *t, int64_t dim) {
  (void)dim;
  return cr__at_least(t, 3);
}

static cr_tensor *as_column(cr_tensor *t, int64_t dim) {
  (void)dim;
  int64_t shape[] = {t->numel, 1};
  return t->ndim < 2 ? cr__call_reshape(t, shape, 2) : cr_retain(t);
}

cr_tensor *cr__run_hstack(const cr_op *op, cr__tensors tensors) {
  if (cr__check_list(op->name, tensors)) return NULL;
  return cat_changed(tensors, tensors.at[0]->ndim < 2 ? 1 : 2, as_vector);
}

cr_tensor *cr__run_vstack(const cr_op *op, cr__tensors tensors) {
  if (cr__check_list(op->name, tensors)) return NULL;
  return cat_changed(tensors, 1, as_row);
}

cr_tensor *cr__run_dstack(const cr_op *op, cr__tensors tensors) {
  if (cr__check_list(op->name, tensors)) return NULL;
  return cat_changed(tensors, 3, as_block);
}

cr_tensor *cr__run_column_stack(const cr_op *op, cr__tensors tensors) {
  if (cr__check_list(op->name, tensors)) return NULL;
  return cat_changed(tensors, 2, as_column);
}
