/* join.c: tensors joined along a dim, repeated, reversed, moved around.
 *
 * Holds true: a join copies each part into its range of the result once; the rest are composites of
 * views and joins, or a copy from a view that runs backwards. */
#include "autograd/graph.h"
#include "geometry.h"

#include <string.h>

#define MOST 32767 /* parts: a node counts its edges in 16 bits */

/* ---- cat -------------------------------------------------------------------------------------- */

static int check_list(const char *op, const cr_value *list) {
  if (list->n < 1) return cr__fail(CR_E_ARGUMENT, "%s: needs at least one tensor", op);
  if (list->n > MOST)
    return cr__fail(CR_E_ARGUMENT, "%s: got %d tensors; %d at most", op, list->n, MOST);
  for (int i = 0; i < list->n; i++)
    if (!list->u.ts[i]) return cr__fail_absent(op, "tensors");
  cr_device device;
  return cr__same_device(op, list, 1, &device);
}

static bool joins_anything(const cr_tensor *t) { return t->ndim == 1 && t->numel == 0; }

/* Finds the size of every part along d (-1: left out); fails unless they agree elsewhere. */
static int part_sizes(const char *op, const cr_value *list, const cr_tensor *first, int d,
                      int64_t *sizes) {
  cr__text a, b;
  for (int i = 0; i < list->n; i++) {
    const cr_tensor *t = list->u.ts[i];
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

int cr__run_cat(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  const cr_value *list = &args[0];
  int d;
  if (check_list(op->name, list)) return (int)cr_error_code();
  const cr_tensor *first = list->u.ts[0];
  for (int i = 0; i < list->n; i++) {
    if (list->u.ts[i]->ndim == 0)
      return cr__fail(CR_E_SHAPE, "%s: tensor %d is 0-dim and cannot be joined; use stack",
                      op->name, i + 1);
    if (joins_anything(first)) first = list->u.ts[i];
  }
  if (cr__wrap_dim(op->name, "dim", args[1].u.i, first->ndim, &d)) return (int)cr_error_code();
  size_t room = (size_t)list->n * sizeof(int64_t);
  int64_t *sizes = cr__alloc(room);
  if (!sizes) return (int)cr_error_code();
  int code = part_sizes(op->name, list, first, d, sizes);
  if (!code) {
    cr_value join[] = {*list, cr_int(d + 1), cr_ints(sizes, list->n)};
    code = cr__give(cr__op1(CR__OP_join, join), out);
  }
  cr__free(sizes, room);
  return code;
}

static cr_dtype promoted(const cr_value *list) {
  cr__promotion p = CR__PROMOTION_INIT;
  for (int i = 0; i < list->n; i++)
    cr__promote_add(&p, list->u.ts[i]->ndim == 0, (cr_dtype)list->u.ts[i]->dtype);
  return cr__promote_result(&p);
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
static bool join_pieces(cr_tensor *whole, const cr_value *list, const int64_t *sizes, int d,
                        int *code) {
  size_t room = (size_t)list->n * sizeof(cr__row);
  int64_t outer = 1;
  for (int k = 0; k < d; k++) outer *= cr__sizes(whole)[k];
  if (outer == 1 || whole->numel == 0) return false;
  cr__row *rows = cr__alloc(room);
  *code = rows ? 0 : (int)cr_error_code();
  if (!rows) return true;
  cr__launch k;
  cr__launch_begin(&k, "cat", whole->storage->device, 1);
  cr__launch_add(&k, whole);
  bool fits = true;
  for (int i = 0; i < list->n && fits; i++) {
    const cr_tensor *t = list->u.ts[i];
    if (sizes[i] <= 0) continue;
    cr__row *row = &rows[k.nrow++];
    *row = (cr__row){.data = {cr__data(t)}, .dtype = t->dtype};
    fits = t->dtype == whole->dtype && is_pieces(t, d, &row->n, &row->step);
  }
  k.rows = rows;
  k.i[0] = outer;
  if (fits) *code = cr__launch_run(&k, CR__K_join);
  cr__free(rows, room);
  return fits;
}

/* A short row of parts that lie in the host's memory as they will in the result; false if they do not. */
static bool join_few(cr_tensor *whole, const cr_value *list, const int64_t *sizes, int d) {
  bool fits = whole->storage->device == CR_CPU && whole->numel <= CR__FEW;
  for (int k = 0; k < d; k++) fits = fits && cr__sizes(whole)[k] == 1;
  char *to = cr__data(whole);
  for (int i = 0; i < list->n && fits; i++) {
    const cr_tensor *t = list->u.ts[i];
    size_t nbytes = sizes[i] > 0 ? (size_t)t->numel * cr__size_of((cr_dtype)t->dtype) : 0;
    fits = t->flags & CR__CONTIGUOUS && t->dtype == whole->dtype;
    if (fits) memcpy(to, cr__data(t), nbytes);
    to += nbytes;
  }
  return fits;
}

static int join_copies(cr_tensor *whole, const cr_value *list, const int64_t *sizes, int d) {
  int64_t start = 0;
  int code = 0;
  for (int i = 0; i < list->n && !code; i++) {
    if (sizes[i] <= 0) continue;
    cr_tensor *part = cr__range_view(whole, d, start, sizes[i], 1);
    code = part ? cr__copy("cat", part, list->u.ts[i]) : (int)cr_error_code();
    cr_release(part);
    start += sizes[i];
  }
  return code;
}

int cr__run_join(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)op, (void)nout;
  const cr_value *list = &args[0];
  const int64_t *sizes = args[2].u.is;
  int d = (int)args[1].u.i - 1;
  const cr_tensor *like = NULL;
  int64_t shape[CR_MAX_DIMS], total = 0;
  for (int i = 0; i < list->n; i++) {
    if (sizes[i] < 0) continue;
    if (!like) like = list->u.ts[i];
    if (__builtin_add_overflow(total, sizes[i], &total))
      return cr__fail(CR_E_SHAPE, "cat: the sizes along dim %d add up to more than memory holds",
                      d + 1);
  }
  memcpy(shape, cr__sizes(like), like->ndim * sizeof *shape);
  shape[d] = total;
  cr_tensor *whole = cr__new("cat", promoted(list), like->storage->device, like->ndim, shape);
  int code = whole ? 0 : (int)cr_error_code();
  if (!code && !join_few(whole, list, sizes, d) && !join_pieces(whole, list, sizes, d, &code))
    code = join_copies(whole, list, sizes, d);
  return cr__give_if(code, whole, out);
}

int cr__grad_join(cr_node *n, const cr_value *g, cr_tensor **gi) {
  int64_t dim = cr__unpack(n, 0).u.i, start = 1; /* saved: dim, sizes */
  const int64_t *sizes = cr__unpack(n, 1).u.is;
  for (int i = 0; i < n->nedge; i++) {
    if (sizes[i] < 0) continue;
    if (cr__needs(n, i)) {
      cr_value slice[] = {g[0], cr_int(dim), cr_int(start), cr_int(start + sizes[i] - 1),
                          cr_int(1)};
      gi[i] = cr__op1(CR__OP_slice, slice);
      if (!gi[i]) return (int)cr_error_code();
    }
    start += sizes[i];
  }
  return 0;
}

/* ---- stack and its kin ---------------------------------------------------------------------------- */

/* cat along dim of what `change` makes of each tensor. */
static int cat_changed(const cr_value *list, int64_t dim,
                       cr_tensor *(*change)(cr_tensor *t, int64_t dim), cr_tensor **out) {
  size_t room = (size_t)list->n * sizeof(cr_tensor *);
  cr_tensor **parts = cr__alloc(room);
  int made = 0, code = parts ? 0 : (int)cr_error_code();
  for (; made < list->n && !code; made++) {
    parts[made] = change(list->u.ts[made], dim);
    if (!parts[made]) code = (int)cr_error_code();
  }
  if (!code)
    code = cr__give(cr__op1(CR__OP_cat, (cr_value[]){cr_list(parts, list->n), cr_int(dim)}), out);
  for (int i = 0; i < made; i++) cr_release(parts[i]);
  cr__free(parts, room);
  return code;
}

static cr_tensor *with_new_dim(cr_tensor *t, int64_t dim) {
  return cr__op1(CR__OP_unsqueeze, (cr_value[]){cr_of(t), cr_int(dim)});
}

int cr__run_stack(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  const cr_value *list = &args[0];
  if (check_list(op->name, list)) return (int)cr_error_code();
  const cr_tensor *first = list->u.ts[0];
  cr__text a, b;
  for (int i = 1; i < list->n; i++) {
    const cr_tensor *t = list->u.ts[i];
    if (t->ndim != first->ndim ||
        memcmp(cr__sizes(t), cr__sizes(first), t->ndim * sizeof(int64_t)) != 0)
      return cr__fail(CR_E_SHAPE, "%s: tensors must have one shape, got %s and %s (tensor %d)",
                      op->name, cr__shape_text(first->ndim, cr__sizes(first), &a),
                      cr__shape_text(t->ndim, cr__sizes(t), &b), i + 1);
  }
  int64_t dim = args[1].u.i, places = first->ndim + 1;
  if (dim == 0 || dim > places || dim < -places)
    return cr__fail(CR_E_INDEX,
                    "%s: dim %lld is no place for a new dim; 1 to %lld and -1 to -%lld are",
                    op->name, (long long)dim, (long long)places, (long long)places);
  return cat_changed(list, dim, with_new_dim, out);
}

/* At least one dim; at least two of them, a vector as a row. */
static cr_tensor *as_vector(cr_tensor *t, int64_t dim) {
  (void)dim;
  return t->ndim ? cr_retain(t) : with_new_dim(t, 1);
}

static cr_tensor *as_row(cr_tensor *t, int64_t dim) {
  (void)dim;
  if (t->ndim >= 2) return cr_retain(t);
  int64_t shape[] = {1, t->numel};
  return cr__op1(CR__OP_reshape, (cr_value[]){cr_of(t), cr_ints(shape, 2)});
}

int cr__run_hstack(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  if (check_list(op->name, &args[0])) return (int)cr_error_code();
  return cat_changed(&args[0], args[0].u.ts[0]->ndim < 2 ? 1 : 2, as_vector, out);
}

int cr__run_vstack(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  if (check_list(op->name, &args[0])) return (int)cr_error_code();
  return cat_changed(&args[0], 1, as_row, out);
}

/* ---- Repetition ------------------------------------------------------------------------------------- */

/* t, whose elements are outer blocks of inner ones, with each block repeated, in a shape. */
static cr_tensor *repeat_blocks(cr_tensor *t, int64_t outer, int64_t times, int64_t inner, int n,
                                const int64_t *shape) {
  int64_t from[] = {outer, 1, inner}, to[] = {outer, times, inner};
  cr_tensor *a = cr__op1(CR__OP_reshape, (cr_value[]){cr_of(t), cr_ints(from, 3)});
  cr_tensor *b = cr__op1(CR__OP_expand, (cr_value[]){cr_of(a), cr_ints(to, 3)});
  cr_tensor *c = cr__op1(CR__OP_reshape_copy, (cr_value[]){cr_of(b), cr_ints(shape, n)});
  cr_release(a);
  cr_release(b);
  return c;
}

static int64_t product(const int64_t *sizes, int n) {
  int64_t p = 1;
  for (int d = 0; d < n; d++) p *= sizes[d];
  return p;
}

/* Makes size the size after repetition; shape, of which it is part, must stay one. */
static int multiply(const char *op, int64_t *size, int64_t times, int n, const int64_t *shape) {
  int64_t numel;
  if (times < 0)
    return cr__fail(CR_E_ARGUMENT, "%s: %lld repeats are impossible", op, (long long)times);
  if (__builtin_mul_overflow(*size, times, size)) *size = INT64_MAX;
  return cr__count(op, n, shape, &numel);
}

/* t, seen as `shape`, repeated to the sizes of `whole`. Each dim that repeats is seen as two, so that
 * one copy does it all; where those would be too many dims, the last ones go first. */
static cr_tensor *tile_dims(cr_tensor *t, int n, int64_t *shape, const int64_t *whole) {
  int id = n > 0 ? CR__OP_reshape : CR__OP_reshape_copy;
  cr_tensor *r = cr__op1(id, (cr_value[]){cr_of(t), cr_ints(shape, n)});
  for (int last = n - 1; last >= 0 && r;) {
    int64_t from[CR_MAX_DIMS], to[CR_MAX_DIMS];
    int first = last + 1, used = 2, k = 1;
    while (first > 0 && used + 2 <= CR_MAX_DIMS) first--, used += 2;
    from[0] = to[0] = product(shape, first);
    for (int d = first; d <= last; d++, k += 2) {
      from[k] = 1;
      from[k + 1] = to[k + 1] = shape[d];
      to[k] = shape[d] ? whole[d] / shape[d] : 0;
    }
    from[k] = to[k] = product(shape + last + 1, n - last - 1);
    for (int d = first; d <= last; d++) shape[d] = whole[d];
    last = first - 1;
    cr_tensor *a = cr__op1(CR__OP_reshape, (cr_value[]){cr_of(r), cr_ints(from, k + 1)});
    cr_tensor *b = cr__op1(CR__OP_expand, (cr_value[]){cr_of(a), cr_ints(to, k + 1)});
    cr_tensor *next = cr__op1(CR__OP_reshape_copy, (cr_value[]){cr_of(b), cr_ints(shape, n)});
    cr_release(a);
    cr_release(b);
    cr_release(r);
    r = next;
  }
  return r;
}

int cr__run_tile(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *t = args[0].u.t;
  int count = args[1].n, n = count > t->ndim ? count : t->ndim;
  int64_t shape[CR_MAX_DIMS], whole[CR_MAX_DIMS];
  if (n > CR_MAX_DIMS)
    return cr__fail(CR_E_SHAPE, "%s: a tensor has at most %d dims, got %d", op->name, CR_MAX_DIMS,
                    n);
  for (int d = 0; d < n; d++) shape[d] = d < n - t->ndim ? 1 : cr__sizes(t)[d - (n - t->ndim)];
  memcpy(whole, shape, (size_t)n * sizeof *whole);
  for (int i = 0; i < count; i++) /* nothing is begun that cannot be finished */
    if (multiply(op->name, &whole[n - count + i], args[1].u.is[i], n, whole))
      return (int)cr_error_code();
  return cr__give(tile_dims(t, n, shape, whole), out);
}

int cr__run_repeat_interleave(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *t = args[0].u.t;
  bool flat = args[2].kind == CR_NONE || t->ndim == 0;
  int d = 0, n = flat ? 1 : t->ndim;
  int64_t shape[CR_MAX_DIMS];
  if (args[2].kind == CR_INT && cr__wrap_dim(op->name, "dim", args[2].u.i, t->ndim, &d))
    return (int)cr_error_code();
  if (flat) shape[0] = t->numel;
  else memcpy(shape, cr__sizes(t), t->ndim * sizeof *shape);
  int64_t outer = product(shape, d + 1), inner = product(shape + d + 1, n - d - 1);
  if (multiply(op->name, &shape[d], args[1].u.i, n, shape)) return (int)cr_error_code();
  return cr__give(repeat_blocks(t, outer, args[1].u.i, inner, n, shape), out);
}

/* ---- Order ----------------------------------------------------------------------------------------------- */

int cr__run_flip(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *t = args[0].u.t;
  int64_t stride[CR_MAX_DIMS], offset = t->offset;
  uint32_t mask = 0;
  if (args[1].n > 0 && cr__dim_mask(op->name, &args[1], t->ndim, &mask))
    return (int)cr_error_code();
  for (int d = 0; d < t->ndim; d++) {
    bool turned = mask >> d & 1;
    stride[d] = turned ? -cr__steps(t)[d] : cr__steps(t)[d];
    if (turned && t->numel > 0) offset += (cr__sizes(t)[d] - 1) * cr__steps(t)[d];
  }
  cr_tensor *backwards = cr__alias(t, t->ndim, cr__sizes(t), stride, offset);
  cr_tensor *r = backwards ? cr__copy_of(op->name, backwards, (cr_dtype)t->dtype) : NULL;
  cr_release(backwards);
  return cr__give(r, out);
}

/* t with what lies before `at` (from 1) along d moved to the end. */
static cr_tensor *turn(cr_tensor *t, int d, int64_t at) {
  int64_t size = cr__sizes(t)[d];
  cr_value tail[] = {cr_of(t), cr_int(d + 1), cr_int(at), cr_int(size), cr_int(1)};
  cr_value head[] = {cr_of(t), cr_int(d + 1), cr_int(1), cr_int(at - 1), cr_int(1)};
  cr_tensor *parts[] = {cr__op1(CR__OP_slice, tail), cr__op1(CR__OP_slice, head)};
  cr_tensor *r = NULL;
  if (parts[0] && parts[1]) r = cr__op1(CR__OP_cat, (cr_value[]){cr_list(parts, 2), cr_int(d + 1)});
  cr_release(parts[0]);
  cr_release(parts[1]);
  return r;
}

int cr__run_roll(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *t = args[0].u.t, *r;
  bool flat = args[2].kind != CR_INTS || t->ndim == 0;
  int ndims = args[2].kind == CR_INTS ? args[2].n : 1;
  if (args[1].n != ndims)
    return cr__fail(CR_E_ARGUMENT, "%s: got %d shifts for %d dims", op->name, args[1].n, ndims);
  int64_t all = -1;
  r = flat ? cr__op1(CR__OP_reshape, (cr_value[]){args[0], cr_ints(&all, 1)}) : cr_retain(t);
  for (int i = 0; i < ndims && r; i++) {
    int d = 0;
    bool lost = args[2].kind == CR_INTS &&
                cr__wrap_dim(op->name, "dims", args[2].u.is[i], t->ndim, &d) != 0;
    int64_t size = lost ? 0 : cr__sizes(r)[d], shift = size ? args[1].u.is[i] % size : 0;
    if (!lost && shift == 0) continue;
    cr_tensor *next = lost ? NULL : turn(r, d, (shift < 0 ? -shift : size - shift) + 1);
    cr_release(r);
    r = next;
  }
  if (!r) return (int)cr_error_code();
  if (!flat && r != t) return cr__give(r, out);
  cr_value shape = cr_ints(cr__sizes(t), t->ndim);
  out[0] = cr__op1(CR__OP_reshape_copy, (cr_value[]){cr_of(r), shape});
  cr_release(r);
  return cr__give(out[0], out);
}
