/* basic_index.c: several positions, ranges and new dims at once, as one view.
 *
 * Holds true: x[{2, {1, 3}}] is select and slice in one header and one node. What an entry may say is
 * decided by the functions that slice.c uses for one dim. */
#include "geometry.h"

/* An entry is four ints: one of these and up to three numbers. */
enum {
  WHOLE,    /* how many dims stay as they are */
  POSITION, /* which; the dim goes */
  RANGE,    /* first, last, step */
  NEW_DIM,  /* of which size */
  NO_FIRST = 4,
  NO_LAST = 8, /* joined to RANGE: the dim's ends */
  ENTRY = 4
};

typedef struct geometry {
  int ndim;
  int64_t offset, shape[CR_MAX_DIMS], stride[CR_MAX_DIMS];
} geometry;

static void keep_dim(geometry *to, int64_t size, int64_t step) {
  if (to->ndim < CR_MAX_DIMS) {
    to->shape[to->ndim] = size;
    to->stride[to->ndim] = step;
  }
  to->ndim++;
}

/* Applies the entry e to t's dim d; moves d on. */
static int apply_entry(const char *op, const cr_tensor *t, const int64_t *e, int *d, geometry *to) {
  const int64_t *size = cr__sizes(t), *step = cr__steps(t);
  int64_t start, length;
  bool range = (e[0] & ~(int64_t)(NO_FIRST | NO_LAST)) == RANGE;
  if (e[0] != WHOLE && e[0] != POSITION && e[0] != NEW_DIM && !range)
    return cr__fail(CR_E_ARGUMENT, "%s: there is no entry of the kind %lld", op, (long long)e[0]);
  if (e[0] == NEW_DIM) { /* the stride that keeps a contiguous tensor so */
    if (e[1] != 0 && e[1] != 1)
      return cr__fail(CR_E_ARGUMENT, "%s: a new dim has the size 0 or 1, got %lld", op,
                      (long long)e[1]);
    keep_dim(to, e[1], *d < t->ndim ? size[*d] * step[*d] : 1);
    return 0;
  }
  int64_t dims = e[0] == WHOLE ? e[1] : 1;
  if (dims < 0 || dims > t->ndim - *d)
    return cr__fail(CR_E_INDEX, "%s: the entries are for more dims than the %d of the tensor", op,
                    t->ndim);
  if (e[0] == WHOLE) {
    for (; dims > 0; dims--, ++*d) keep_dim(to, size[*d], step[*d]);
    return 0;
  }
  if (e[0] == POSITION) {
    if (cr__find_position(op, e[1], *d, size[*d], &start)) return (int)cr_error_code();
    to->offset += start * step[*d];
  } else {
    cr__range ends = {e[0] & NO_FIRST ? NULL : &e[1], e[0] & NO_LAST ? NULL : &e[2], e[3]};
    if (cr__find_range(op, &ends, *d, size[*d], &start, &length)) return (int)cr_error_code();
    if (length > 0) to->offset += start * step[*d];
    keep_dim(to, length, step[*d] * e[3]);
  }
  ++*d;
  return 0;
}

static cr_tensor *part(cr_tensor *t, cr__ints entries) {
  static const char name[] = "index";
  if (!t) return NULL;
  geometry to = {.ndim = 0, .offset = t->offset};
  int d = 0;
  if (entries.n % ENTRY != 0) {
    cr__fail(CR_E_ARGUMENT, "%s: an entry has %d numbers, got %d in all", name, ENTRY, entries.n);
    return NULL;
  }
  for (int i = 0; i < entries.n; i += ENTRY)
    if (apply_entry(name, t, entries.at + i, &d, &to)) return NULL;
  for (; d < t->ndim; d++) keep_dim(&to, cr__sizes(t)[d], cr__steps(t)[d]);
  if (to.ndim <= CR_MAX_DIMS) return cr__alias(t, to.ndim, to.shape, to.stride, to.offset);
  cr__fail(CR_E_SHAPE, "%s: a tensor has at most %d dims, got %d", name, CR_MAX_DIMS, to.ndim);
  return NULL;
}

cr_tensor *cr__run_basic_index(const cr_op *op, cr_tensor *self, cr__ints entries) {
  (void)op;
  return part(self, entries);
}

cr_tensor *cr__run_basic_index_backward(const cr_op *op, cr_tensor *self, cr__ints shape,
                                        cr__ints entries) {
  cr_tensor *zeros = cr__zeros_for(op->name, self, shape.n, shape.at);
  return cr__fill_part(op->name, zeros, part(zeros, entries), self);
}
