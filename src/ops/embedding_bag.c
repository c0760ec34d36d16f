/* embedding_bag.c: sums, means and maxima of rows of a table.
 *
 * Holds true: a composite of operations that record themselves. Offsets are read on the host and checked before
 * anything is computed. */
#include <math.h>

#include "autograd/graph.h"
#include "embedding.h"
#include "reduce.h"

typedef enum kind { SUM, MEAN, MAX } kind;

/* A call, once its bags are known. */
typedef struct bags {
  const cr_op *op;
  cr_tensor *index, *starts; /* of one dim, where there are offsets; starts: of int64, from 1 */
  cr_tensor *factors;        /* per_sample_weights, or NULL */
  int64_t count, longest;
  int64_t end; /* behind the last bag, from 1 */
  kind mode;
} bags;

static void drop_bags(bags *b) {
  cr_release(b->index), cr_release(b->starts), cr_release(b->factors);
}

static int check_bags(const cr_op *op, const cr_tensor *weight, const cr_tensor *index,
                      const cr_tensor *offsets, const cr_tensor *factors, int mode, bool by_freq) {
  cr__text a, b;
  if (weight->ndim != 2)
    return cr__fail(CR_E_SHAPE, "%s: expected a weight of shape rows x features, got %s", op->name,
                    cr__shape_text(weight->ndim, cr__sizes(weight), &a));
  int code = cr__need_float(op->name, (cr_dtype)weight->dtype, "convert weight first");
  if (!code) code = cr__check_index_dtype(op->name, index);
  if (code) return code;
  if (index->ndim != 1 && index->ndim != 2)
    return cr__fail(CR_E_SHAPE, "%s: expected an index of 1 or 2 dims, got shape %s", op->name,
                    cr__shape_text(index->ndim, cr__sizes(index), &a));
  if ((index->ndim == 1) != (offsets != NULL))
    return cr__fail(CR_E_ARGUMENT,
                    offsets ? "%s: an index of 2 dims takes no offsets; its rows are the bags"
                            : "%s: an index of 1 dim needs offsets, where its bags begin",
                    op->name);
  if (offsets && (offsets->ndim != 1 || (offsets->dtype != CR_INT64 && offsets->dtype != CR_INT32)))
    return cr__fail(CR_E_SHAPE,
                    "%s: expected offsets of 1 dim and of int64 or int32, got %s of shape %s",
                    op->name, cr_dtype_name((cr_dtype)offsets->dtype),
                    cr__shape_text(offsets->ndim, cr__sizes(offsets), &a));
  if (mode == MAX && by_freq)
    return cr__fail(CR_E_ARGUMENT, "%s: scale_grad_by_freq does not go with mode \"max\"",
                    op->name);
  if (!factors) return 0;
  if (mode != SUM)
    return cr__fail(CR_E_ARGUMENT, "%s: per_sample_weights go with mode \"sum\" alone", op->name);
  bool same = factors->ndim == index->ndim;
  for (int d = 0; d < index->ndim && same; d++) same = cr__sizes(factors)[d] == cr__sizes(index)[d];
  if (!same)
    return cr__fail(CR_E_SHAPE,
                    "%s: per_sample_weights of shape %s must have the shape of index, %s", op->name,
                    cr__shape_text(factors->ndim, cr__sizes(factors), &a),
                    cr__shape_text(index->ndim, cr__sizes(index), &b));
  if (factors->dtype == weight->dtype) return 0;
  return cr__fail(CR_E_DTYPE,
                  "%s: expected per_sample_weights of dtype %s like weight, got %s; convert them",
                  op->name, cr_dtype_name((cr_dtype)weight->dtype),
                  cr_dtype_name((cr_dtype)factors->dtype));
}

/* Checks n offsets, counts the bags and finds the longest one. */
static int read_offsets(bags *b, const int64_t *at, int64_t n, int64_t length, bool last_ends) {
  const char *name = b->op->name;
  b->count = last_ends ? n - 1 : n;
  b->end = last_ends && n > 0 ? at[n - 1] : length + 1;
  if (last_ends && n < 1)
    return cr__fail(CR_E_ARGUMENT, "%s: include_last_offset needs at least one offset", name);
  if (n > 0 && at[0] != 1)
    return cr__fail(CR_E_ARGUMENT, "%s: the first offset is %lld; it must be 1", name,
                    (long long)at[0]);
  for (int64_t i = 0; i < n; i++) {
    if (at[i] > length + 1 || (i && at[i] < at[i - 1]))
      return cr__fail(CR_E_INDEX, "%s: offset %lld is %lld; offsets rise, up to %lld", name,
                      (long long)i + 1, (long long)at[i], (long long)length + 1);
    int64_t next = i + 1 < n ? at[i + 1] : b->end;
    if (i < b->count && next - at[i] > b->longest) b->longest = next - at[i];
  }
  return 0;
}

/* The bags of offsets: what lies behind the last one's end is left away. */
static int split(bags *b, cr_tensor *index, cr_tensor *offsets, cr_tensor *factors,
                 bool last_ends) {
  cr_tensor *here = cr__call_to(offsets, CR_INT64, cr_device_value(CR_CPU), false),
            *dense = here ? cr__call_contiguous(here) : NULL;
  int code = dense ? read_offsets(b, (const int64_t *)(const void *)cr__data(dense), dense->numel,
                                  index->numel, last_ends)
                   : (int)cr_error_code();
  cr_release(here), cr_release(dense);
  if (code) return code;
  if (b->count == 0) b->end = 1;
  cr_tensor *whole = cr__call_to(offsets, CR_INT64, cr_none(), false);
  b->starts = whole ? cr__call_narrow(whole, 1, 1, b->count) : NULL;
  b->index = b->starts ? cr__call_narrow(index, 1, 1, b->end - 1) : NULL;
  if (b->index && factors) b->factors = cr__call_narrow(factors, 1, 1, b->end - 1);
  cr_release(whole);
  return b->index && (b->factors || !factors) ? 0 : (int)cr_error_code();
}

/* The bag of each position, from 1: the place of the position among where the later bags begin. */
static cr_tensor *bag_numbers(const bags *b) {
  cr_tensor *all = cr__call_arange(cr_int(1), cr_int(b->index->numel + 1), cr_int(1), CR_INT64,
                                   cr_device_value(cr_device_of(b->index)));
  cr_tensor *later =
      b->count > 0 ? cr__call_narrow(b->starts, 1, 2, b->count - 1) : cr_retain(b->starts);
  cr_tensor *r = all && later ? cr__call_searchsorted(later, all, true, NULL, NULL, false) : NULL;
  cr_release(all), cr_release(later);
  return r;
}

/* 1 for each position that takes part (left: those that do not), added up over the bags; at least 1. */
static cr_tensor *sizes_of(const bags *b, cr_tensor *rows, cr_tensor *left, cr_tensor *numbers) {
  int64_t last = -1;
  cr_tensor *one = cr__call_full(cr__sizes(b->index), b->index->ndim, cr_int(1),
                                 (cr_dtype)rows->dtype, cr_device_value(cr_device_of(rows)));
  cr_tensor *parts =
      one && left ? cr__call_masked_fill_scalar(one, left, cr_int(0)) : cr_retain(one);
  cr_tensor *sums = !parts    ? NULL
                    : numbers ? cr__call_index_backward(parts, &b->count, 1, &numbers, 1)
                              : cr__call_sum(parts, &last, 1, false, CR_DTYPE_NONE);
  cr_tensor *least = sums ? cr__call_clamp_min_scalar(sums, cr_int(1)) : NULL,
            *r = least ? cr__call_unsqueeze(least, -1) : NULL;
  cr_release(one), cr_release(parts), cr_release(sums), cr_release(least);
  return r;
}

/* The sums or means of rows, which lie along the last dim but one of them or have the numbers of their bags. */
static cr_tensor *added(const bags *b, cr_tensor *rows, cr_tensor *left) {
  int64_t shape[2] = {b->count, cr__sizes(rows)[rows->ndim - 1]}, along = 2;
  cr_tensor *numbers = b->starts ? bag_numbers(b) : NULL;
  cr_tensor *sums = !b->starts ? cr__call_sum(rows, &along, 1, false, CR_DTYPE_NONE)
                    : numbers  ? cr__call_index_backward(rows, shape, 2, &numbers, 1)
                               : NULL;
  if (b->mode == MEAN && sums) {
    cr_tensor *sizes = sizes_of(b, rows, left, numbers),
              *means = sizes ? cr__call_div(sums, sizes) : NULL;
    cr_release(sizes), cr_release(sums);
    sums = means;
  }
  cr_release(numbers);
  return sums;
}

/* ---- Sums without a derivative ---- */

cr_tensor *cr__run_bag_sums(const cr_op *op, cr_tensor *weight, cr_tensor *index, cr_tensor *starts,
                            cr_tensor *factors, int64_t padding) {
  int64_t shape[2] = {starts ? starts->numel : cr__sizes(index)[0], cr__sizes(weight)[1]};
  cr_tensor *from[4] = {weight, NULL, starts, factors}, *ready[4] = {NULL}, *t = NULL;
  int code = 0;
  from[1] = cr__call_to(index, CR_INT64, cr_none(), false);
  if (!from[1]) return NULL;
  for (int i = 0; i < 4 && !code; i++) {
    ready[i] = from[i] ? cr__call_contiguous(from[i]) : NULL;
    if (from[i] && !ready[i]) code = (int)cr_error_code();
  }
  if (!code) t = cr__new(op->lua, (cr_dtype)weight->dtype, cr_device_of(weight), 2, shape);
  if (!t) code = (int)cr_error_code();
  if (!code) {
    cr__launch k;
    cr__launch_begin(&k, op->lua, cr_device_of(weight));
    cr__launch_view(&k, &k.bag_sums.out, t);
    cr__launch_view(&k, &k.bag_sums.weight, ready[0]);
    cr__launch_view(&k, &k.bag_sums.index, ready[1]);
    if (ready[2]) cr__launch_view(&k, &k.bag_sums.starts, ready[2]);
    if (ready[3]) cr__launch_view(&k, &k.bag_sums.factors, ready[3]);
    k.bag_sums.count = shape[0], k.bag_sums.columns = shape[1];
    k.bag_sums.length = starts ? index->numel : cr__sizes(index)[1];
    k.bag_sums.entries = cr__sizes(weight)[0], k.bag_sums.padding = padding;
    code = cr__launch_run(&k, CR__K_bag_sums);
  }
  cr_release(from[1]);
  for (int i = 0; i < 4; i++) cr_release(ready[i]);
  return cr__filled(code, t);
}

static bool constant(const cr_tensor *t) { return !t || !cr_requires_grad(t) || !cr__recording(); }

/* Sums or means by the kernel. */
static cr_tensor *summed(const bags *b, cr_tensor *weight, cr_tensor *left, int64_t padding) {
  cr_tensor *sums = cr__call_bag_sums(weight, b->index, b->starts, b->factors, padding);
  if (b->mode != MEAN || !sums) return sums;
  cr_tensor *numbers = b->starts ? bag_numbers(b) : NULL;
  cr_tensor *sizes = numbers || !b->starts ? sizes_of(b, sums, left, numbers) : NULL;
  cr_tensor *means = sizes ? cr__call_div(sums, sizes) : NULL;
  cr_release(sums), cr_release(numbers), cr_release(sizes);
  return means;
}

/* ---- Maxima ---- */

/* Of bags with offsets: the positions of each bag in a row, those behind its end at some place, and (*out)
 * which are. */
static cr_tensor *positions_in_rows(const bags *b, cr_tensor **out) {
  cr_value device = cr_device_value(cr_device_of(b->index));
  cr_tensor *steps = cr__call_arange(cr_int(0), cr_int(b->longest), cr_int(1), CR_INT64, device);
  cr_tensor *column = steps ? cr__call_unsqueeze(b->starts, 2) : NULL,
            *all = column ? cr__call_add(column, steps) : NULL;
  int64_t one = 1;
  cr_tensor *end = cr__call_full(&one, 1, cr_int(b->end), CR_INT64, device);
  cr_tensor *later = end ? cr__call_narrow(b->starts, 1, 2, b->count - 1) : NULL,
            *pair[2] = {later, end};
  cr_tensor *ends = later ? cr__call_cat(pair, 2, 1) : NULL,
            *limits = ends ? cr__call_unsqueeze(ends, 2) : NULL;
  *out = limits && all ? cr__call_ge(all, limits) : NULL;
  cr_tensor *r = *out ? cr__call_clamp_max_scalar(all, cr_int(b->index->numel)) : NULL;
  cr_release(steps), cr_release(column), cr_release(all), cr_release(end), cr_release(later);
  cr_release(ends), cr_release(limits);
  return r;
}

/* rows (stolen) with a dim for the bags and one for their positions; in *out which take no part (NULL: all
 * do); left: which have none before. */
static cr_tensor *in_bags(const bags *b, cr_tensor *rows, cr_tensor *left, cr_tensor **out) {
  if (!b->starts) {
    *out = cr_retain(left);
    return rows;
  }
  cr_tensor *behind, *at = positions_in_rows(b, &behind);
  cr_tensor *r = at ? cr__call_index(rows, &at, 1) : NULL;
  cr_tensor *also = r && left ? cr__call_index(left, &at, 1) : NULL;
  *out = left ? (also ? cr__call_logical_or(behind, also) : NULL) : cr_retain(behind);
  cr_release(at), cr_release(behind), cr_release(also), cr_release(rows);
  if (*out) return r;
  cr_release(r);
  return NULL;
}

/* The largest of each bag; steals rows. */
static cr_tensor *largest(const bags *b, cr_tensor *rows, cr_tensor *left) {
  cr_tensor *out, *most[2] = {NULL, NULL};
  int64_t along = 2;
  cr_tensor *all = in_bags(b, rows, left, &out);
  if (all && out) {
    cr_tensor *wide = cr__call_unsqueeze(out, -1);
    cr_tensor *low = wide ? cr__call_masked_fill_scalar(all, wide, cr_float(-INFINITY)) : NULL;
    cr_release(wide), cr_release(all);
    all = low;
  }
  int code = all ? cr__call_max_dim(all, 2, false, most) : (int)cr_error_code();
  cr_release(all), cr_release(most[1]);
  if (code || !out) {
    cr_release(out);
    return code ? NULL : most[0];
  }
  cr_tensor *none = cr__call_all(out, &along, 1, true);
  cr_tensor *r = none ? cr__call_masked_fill_scalar(most[0], none, cr_int(0)) : NULL;
  cr_release(out), cr_release(none), cr_release(most[0]);
  return r;
}

/* ---- The operation ---- */

/* The rows at the positions of all bags, times what multiplies them, and 0 where they take no part in a sum. */
static cr_tensor *rows_of(const bags *b, cr_tensor *weight, cr_tensor *left, int64_t padding,
                          bool by_freq) {
  cr_tensor *rows = cr__call_embedding_rows(weight, b->index, padding, by_freq);
  if (b->factors && rows) {
    cr_tensor *wide = cr__call_unsqueeze(b->factors, -1),
              *product = wide ? cr__call_mul(rows, wide) : NULL;
    cr_release(wide), cr_release(rows);
    rows = product;
  }
  if (!left || !rows || b->mode == MAX) return rows;
  cr_tensor *wide = cr__call_unsqueeze(left, -1),
            *kept = wide ? cr__call_masked_fill_scalar(rows, wide, cr_int(0)) : NULL;
  cr_release(wide), cr_release(rows);
  return kept;
}

/* The result; left: which positions take no part, or NULL. */
static cr_tensor *folded(bags *b, cr_tensor *weight, cr_tensor *left, int64_t padding,
                         bool by_freq) {
  if (b->mode != MAX && constant(weight) && constant(b->factors))
    return summed(b, weight, left, padding);
  cr_tensor *rows = rows_of(b, weight, left, padding, by_freq);
  if (!rows) return NULL;
  if (b->mode == MAX && b->count > 0 && b->longest > 0) return largest(b, rows, left);
  if (b->mode == MAX) b->mode = SUM; /* there is nothing in any bag */
  cr_tensor *r = added(b, rows, left);
  cr_release(rows);
  return r;
}

cr_tensor *cr__run_embedding_bag(const cr_op *op, cr_tensor *weight, cr_tensor *index,
                                 cr_tensor *offsets, const double *max_norm, double norm_type,
                                 bool scale_grad_by_freq, int mode, cr_tensor *per_sample_weights,
                                 bool include_last_offset, const int64_t *padding_idx) {
  int64_t padding;
  if (check_bags(op, weight, index, offsets, per_sample_weights, mode, scale_grad_by_freq) ||
      cr__padding_row(op, weight, padding_idx, &padding))
    return NULL;
  bags b = {.op = op, .mode = (kind)mode};
  int code = 0;
  if (offsets) {
    code = split(&b, index, offsets, per_sample_weights, include_last_offset);
  } else {
    b.index = cr_retain(index), b.factors = cr_retain(per_sample_weights);
    b.count = cr__sizes(index)[0], b.longest = cr__sizes(index)[1];
  }
  if (!code && max_norm) code = cr__shorten_rows(op, weight, b.index, *max_norm, norm_type);
  cr_tensor *left = !code && padding ? cr__named_row(b.index, padding, cr__sizes(weight)[0]) : NULL;
  cr_tensor *r =
      code || (padding && !left) ? NULL : folded(&b, weight, left, padding, scale_grad_by_freq);
  cr_release(left);
  drop_bags(&b);
  return r;
}
