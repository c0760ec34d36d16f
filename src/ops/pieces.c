/* pieces.c: tensors taken apart into a number of pieces, or at positions.
 *
 * Holds true: pieces that follow one another are those of split, whose derivative joins them in one pass;
 * others are ranges, each with its own. */
#include "geometry.h"

/* Where pieces of a dim of `size` begin and end, counted from 0. */
typedef struct cuts {
  int n;
  int64_t size, begin[CR_MAX_OUTPUTS], end[CR_MAX_OUTPUTS];
  bool in_order; /* each begins where the one before it ends */
} cuts;

static int refuse_count(const cr_op *op, int64_t n) {
  if (n < 1)
    return cr__fail(CR_E_ARGUMENT, "%s: sections must be at least 1, got %lld", op->lua,
                    (long long)n);
  return cr__fail(CR_E_ARGUMENT, "%s: a call returns at most %d pieces, not %lld", op->lua,
                  CR_MAX_OUTPUTS, (long long)n);
}

/* n pieces, the first ones longer by one position where they cannot be equal. */
static int cut_evenly(const cr_op *op, cuts *c, int64_t n) {
  if (n < 1 || n > CR_MAX_OUTPUTS) return refuse_count(op, n);
  int64_t least = c->size / n, longer = c->size % n, at = 0;
  for (int64_t i = 0; i < n; i++) {
    c->begin[i] = at;
    c->end[i] = at += least + (i < longer);
  }
  c->n = (int)n;
  c->in_order = true;
  return 0;
}

static int cut_at(const cr_op *op, cuts *c, cr__ints positions) {
  int64_t before = 0;
  if (positions.n >= CR_MAX_OUTPUTS) return refuse_count(op, positions.n + 1);
  c->in_order = true;
  for (int i = 0; i <= positions.n; i++) {
    int64_t p = i < positions.n ? positions.at[i] : c->size + 1;
    if (p == 0)
      return cr__fail(CR_E_INDEX,
                      "%s: position 0 is none: positions count from 1 (or from -1, the last)",
                      op->lua);
    int64_t next = p > 0 ? p - 1 : p + c->size;
    next = next < 0 ? 0 : next > c->size ? c->size : next;
    c->in_order = c->in_order && next >= before;
    c->begin[i] = before;
    c->end[i] = next < before ? before : next;
    before = next;
  }
  c->n = positions.n + 1;
  return 0;
}

static int give_cuts(cr_tensor *self, int d, const cuts *c, cr_tensor **out, int *nout) {
  int64_t sizes[CR_MAX_OUTPUTS];
  for (int i = 0; i < c->n; i++) sizes[i] = c->end[i] - c->begin[i];
  if (c->in_order) return cr__call_split_with_sizes(self, sizes, c->n, d + 1, out, nout);
  for (int i = 0; i < c->n; i++) {
    out[i] = cr__call_narrow(self, d + 1, c->begin[i] + 1, sizes[i]);
    if (!out[i]) return cr__undo(out, i);
  }
  *nout = c->n;
  return 0;
}

/* The dim (from 0) that op takes apart. */
static int find_dim(const cr_op *op, const cr_tensor *t, const int64_t *dim, int *d) {
  bool h = op->id == CR__OP_hsplit || op->id == CR__OP_hsplit_at;
  bool deep = op->id == CR__OP_dsplit || op->id == CR__OP_dsplit_at;
  cr__text text;
  int least = dim || h ? 1 : deep ? 3 : 2;
  if (t->ndim < least)
    return cr__fail(CR_E_SHAPE, "%s: needs at least %d dim%s, got a tensor of shape %s", op->lua,
                    least, least > 1 ? "s" : "", cr__shape_text(t->ndim, cr__sizes(t), &text));
  if (dim) return cr__wrap_dim(op->lua, "dim", *dim, t->ndim, d);
  *d = deep ? 2 : h && t->ndim > 1 ? 1 : 0;
  return 0;
}

/* tensor_split, which alone has a dim, and hsplit, vsplit, dsplit, whose sections are of one size. */
int cr__run_tensor_split(const cr_op *op, cr_tensor *self, const int64_t *sections,
                         const int64_t *dim, cr__ints indices, cr_tensor **out, int *nout) {
  cuts c;
  int d;
  int code = find_dim(op, self, dim, &d);
  if (code) return code;
  c.n = 0, c.in_order = true, c.size = cr__sizes(self)[d];
  if (!dim && sections && *sections > 0 && c.size % *sections != 0)
    return cr__fail(CR_E_SHAPE, "%s: dim %d of size %lld does not fall into %lld equal pieces",
                    op->lua, d + 1, (long long)c.size, (long long)*sections);
  code = sections ? cut_evenly(op, &c, *sections) : cut_at(op, &c, indices);
  return code ? code : give_cuts(self, d, &c, out, nout);
}
