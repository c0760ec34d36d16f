/* combine.c: tensors made of the elements, or the blocks, of several others.
 *
 * Holds true: composites of pads, joins and selections, which record themselves. */
#include "geometry.h"

static void release_all(cr_tensor **list, int n) {
  for (int i = 0; i < n; i++) cr_release(list[i]);
}

/* ---- block_diag ------------------------------------------------------------------------------- */

/* t, of at most 2 dims, as a matrix between `left` and `right` columns of zeros. */
static cr_tensor *as_block(cr_tensor *t, int64_t left, int64_t right) {
  int64_t around[] = {left, right};
  cr_tensor *block = cr__at_least(t, 2);
  cr_tensor *r = block ? cr__call_pad(block, around, 2, "constant", cr_int(0)) : NULL;
  cr_release(block);
  return r;
}

static int64_t columns_of(const cr_tensor *t) { return t->ndim ? cr__sizes(t)[t->ndim - 1] : 1; }

cr_tensor *cr__run_block_diag(const cr_op *op, cr__tensors tensors) {
  if (cr__check_list(op->name, tensors)) return NULL;
  cr__text text;
  int64_t all = 0, left = 0;
  for (int i = 0; i < tensors.n; i++) {
    const cr_tensor *t = tensors.at[i];
    if (t->ndim > 2)
      return cr__no_tensor(cr__fail(CR_E_SHAPE,
                                    "%s: a block has at most 2 dims, got shape %s (tensor %d)",
                                    op->name, cr__shape_text(t->ndim, cr__sizes(t), &text), i + 1));
    if (__builtin_add_overflow(all, columns_of(t), &all))
      return cr__no_tensor(cr__fail(CR_E_SHAPE, "%s: more columns than memory holds", op->name));
  }
  size_t room = (size_t)tensors.n * sizeof(cr_tensor *);
  cr_tensor **rows = cr__alloc(room);
  if (!rows) return NULL;
  int made = 0;
  for (bool good = true; good && made < tensors.n; made++) {
    int64_t mine = columns_of(tensors.at[made]);
    rows[made] = as_block(tensors.at[made], left, all - left - mine);
    left += mine;
    good = rows[made] != NULL;
  }
  cr_tensor *r = rows[made - 1] ? cr__call_cat(rows, tensors.n, 1) : NULL;
  release_all(rows, made);
  cr__free(rows, room);
  return r;
}

/* ---- cartesian_prod --------------------------------------------------------------------------- */

cr_tensor *cr__run_cartesian_prod(const cr_op *op, cr__tensors tensors) {
  if (cr__check_list(op->name, tensors)) return NULL;
  cr__text text;
  int n = tensors.n, made = 0;
  int64_t all = -1;
  for (int i = 0; i < n; i++) {
    const cr_tensor *t = tensors.at[i];
    if (t->numel == 0) all = 0;
    if (t->ndim != 1)
      return cr__no_tensor(cr__fail(CR_E_SHAPE, "%s: takes vectors, got shape %s (tensor %d)",
                                    op->name, cr__shape_text(t->ndim, cr__sizes(t), &text), i + 1));
  }
  if (n == 1) return cr_retain(tensors.at[0]);
  if (n > CR_MAX_DIMS)
    return cr__no_tensor(
        cr__fail(CR_E_ARGUMENT, "%s: got %d vectors; %d at most", op->name, n, CR_MAX_DIMS));
  cr_tensor *grid[CR_MAX_OUTPUTS], *lines[CR_MAX_DIMS];
  if (cr__call_meshgrid(tensors.at, n, "ij", grid, &made)) return NULL;
  for (int i = 0; i < n; i++) lines[i] = cr__call_reshape(grid[i], &all, 1);
  bool good = true;
  for (int i = 0; i < n; i++) good = good && lines[i];
  cr_tensor *r = good ? cr__call_stack(lines, n, -1) : NULL;
  release_all(grid, made), release_all(lines, n);
  return r;
}

/* ---- combinations ----------------------------------------------------------------------------- */

/* How many ways there are to take r of n; INT64_MAX for more than that. */
static int64_t ways(int64_t n, int64_t r, bool again) {
  __int128 count = 1;
  if (again) n += n ? r - 1 : 0;
  if (r > n) return 0;
  if (r > n - r) r = n - r;
  for (int64_t i = 1; i <= r; i++) {
    count = count * (n - r + i) / i;
    if (count > INT64_MAX) return INT64_MAX;
  }
  return (int64_t)count;
}

/* Writes the positions (from 1) of each way, a row each, in order. */
static void list_ways(int64_t *to, int64_t count, int64_t n, int64_t r, bool again) {
  for (int64_t k = 0; k < r && count > 0; k++) to[k] = again ? 1 : k + 1;
  for (int64_t row = 1; row < count; row++) {
    const int64_t *before = to;
    to += r;
    int64_t k = r - 1;
    while (before[k] == (again ? n : n - r + k + 1)) k--; /* as far as it gets */
    for (int64_t i = 0; i < r; i++) to[i] = i < k ? before[i] : before[k] + 1 + (again ? 0 : i - k);
  }
}

cr_tensor *cr__run_combinations(const cr_op *op, cr_tensor *self, int64_t r,
                                bool with_replacement) {
  cr__text text;
  if (self->ndim != 1)
    return cr__no_tensor(cr__fail(CR_E_SHAPE, "%s: takes a vector, got shape %s", op->name,
                                  cr__shape_text(self->ndim, cr__sizes(self), &text)));
  if (r < 0)
    return cr__no_tensor(
        cr__fail(CR_E_ARGUMENT, "%s: r must not be negative, got %lld", op->name, (long long)r));
  int64_t count = r ? ways(self->numel, r, with_replacement) : 0, numel;
  int64_t shape[] = {count, r};
  if (cr__count(op->name, 2, shape, &numel)) return NULL;
  if (r == 0) { /* as PyTorch has it: a row without elements is none */
    int64_t none = 0;
    return cr__call_new_full(self, &none, 1, cr_int(0), CR_DTYPE_NONE, cr_none());
  }
  cr_tensor *list = cr__new(op->name, CR_INT64, CR_CPU, 1, &numel);
  if (!list) return NULL;
  list_ways((int64_t *)(void *)cr__data(list), count, self->numel, r, with_replacement);
  cr_tensor *at = cr__call_to(list, CR_INT64, cr_device_value(cr_device_of(self)), false);
  cr_tensor *taken = cr__call_index_select(self, 1, at);
  cr_tensor *rows = cr__call_reshape(taken, shape, 2);
  cr_release(list), cr_release(at), cr_release(taken);
  return rows;
}
