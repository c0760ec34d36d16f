/* reduce_backward.c: what serves the derivatives of reductions.
 *
 * Holds true: all but expand_mean are views or composites of differentiable operations, so that
 * their own derivatives exist to every order. Nothing divides by zero where a gradient is 0 by
 * convention. */
#include <math.h>

#include "reduce.h"

/* self, the result of folding dims of `shape`, seen in that shape. */
static cr_tensor *expand(const char *op, cr_tensor *self, cr__ints shape, cr__ints dims,
                         bool keepdim) {
  int64_t stride[CR_MAX_DIMS];
  uint32_t mask;
  int at = 0;
  if (!self || cr__fold_mask(op, dims, shape.n, &mask)) return NULL;
  for (int d = 0; d < shape.n; d++) {
    bool folds = mask >> d & 1, there = !folds || keepdim;
    bool fits = !there || (at < self->ndim && cr__sizes(self)[at] == (folds ? 1 : shape.at[d]));
    if (!fits) {
      cr__text from, to;
      cr__fail(CR_E_SHAPE, "%s: shape %s is no fold of %s", op,
               cr__shape_text(self->ndim, cr__sizes(self), &from),
               cr__shape_text(shape.n, shape.at, &to));
      return NULL;
    }
    stride[d] = folds ? 0 : cr__steps(self)[at];
    at += there;
  }
  return cr__alias(self, shape.n, shape.at, stride, self->offset);
}

cr_tensor *cr__run_expand_reduced(const cr_op *op, cr_tensor *self, cr__ints shape, cr__ints dim,
                                  bool keepdim) {
  return expand(op->name, self, shape, dim, keepdim);
}

cr_tensor *cr__run_expand_mean(const cr_op *op, cr_tensor *self, cr__ints shape, cr__ints dim,
                               bool keepdim) {
  uint32_t mask;
  int64_t n = 1;
  if (cr__fold_mask(op->name, dim, shape.n, &mask)) return NULL;
  for (int d = 0; d < shape.n; d++)
    if (mask >> d & 1) n *= shape.at[d];
  cr_tensor *part = cr__call_div_scalar(self, cr_float((double)n));
  cr_tensor *all = expand(op->name, part, shape, dim, keepdim);
  cr_release(part);
  return all;
}

/* The dims in `mask` last, in order, as 1-based dims. */
static void folded_last(int ndim, uint32_t mask, int64_t *order) {
  int n = 0;
  for (int folds = 0; folds < 2; folds++)
    for (int d = 0; d < ndim; d++)
      if ((int)(mask >> d & 1) == folds) order[n++] = d + 1;
}

/* What an operation along one dim gives for self along dims taken together. */
static cr_tensor *along(const cr_op *op, cr_tensor *t, cr__ints dims,
                        cr_tensor *(*one)(cr_tensor *line, int64_t dim)) {
  int64_t order[CR_MAX_DIMS], ordered[CR_MAX_DIMS], flat[CR_MAX_DIMS + 1];
  uint32_t mask;
  int n = 0;
  if (cr__fold_mask(op->name, dims, t->ndim, &mask)) return NULL;
  if (mask && !(mask & (mask - 1))) return one(t, __builtin_ctz(mask) + 1);
  folded_last(t->ndim, mask, order);
  for (int d = 0; d < t->ndim; d++) {
    ordered[d] = cr__sizes(t)[order[d] - 1];
    if (!(mask >> (order[d] - 1) & 1)) flat[n++] = ordered[d];
  }
  flat[n++] = cr__fold_count(t, mask);
  cr_tensor *moved = cr__call_permute(t, order, t->ndim), *line = cr__call_reshape(moved, flat, n);
  cr_tensor *done = line ? one(line, -1) : NULL, *shaped = cr__call_reshape(done, ordered, t->ndim);
  cr_tensor *result = cr__call_permute_back(shaped, order, t->ndim);
  cr_release(moved), cr_release(line), cr_release(done), cr_release(shaped);
  return result;
}

/* The products of all elements before and of all behind each one, multiplied: no division, so zeros
 * need no case of their own. */
static cr_tensor *others(cr_tensor *line, int64_t dim) {
  cr_tensor *before = cr__call_cumprod(line, dim, CR_DTYPE_NONE);
  cr_tensor *behind = cr__call_cumprod_reverse(line, dim);
  cr_tensor *a = cr__call_shift(before, dim, 1, cr_int(1)),
            *b = cr__call_shift(behind, dim, -1, cr_int(1));
  cr_tensor *product = cr__call_mul(a, b);
  cr_release(before), cr_release(behind), cr_release(a), cr_release(b);
  return product;
}

cr_tensor *cr__run_prod_others(const cr_op *op, cr_tensor *self, cr__ints dim) {
  return along(op, self, dim, others);
}

static cr_tensor *softmax(cr_tensor *line, int64_t dim) {
  return cr__call_softmax(line, dim, CR_DTYPE_NONE);
}

cr_tensor *cr__run_softmax_over(const cr_op *op, cr_tensor *self, cr__ints dim) {
  return along(op, self, dim, softmax);
}

/* self is the gradient. The distances are divided by std before anything else: what is left is of the
 * size of 1. */
cr_tensor *cr__run_std_backward(const cr_op *op, cr_tensor *self, cr_tensor *input, cr_tensor *std,
                                cr__ints dim, cr_value correction, bool keepdim) {
  uint32_t mask;
  if (cr__fold_mask(op->name, dim, input->ndim, &mask)) return NULL;
  double rest = (double)cr__fold_count(input, mask) - cr__number(correction);
  cr_tensor *mean = cr__call_mean(input, dim.at, dim.n, true, CR_DTYPE_NONE);
  cr_tensor *away = cr__call_sub(input, mean);
  cr_tensor *flat = cr__call_eq_scalar(std, cr_int(0));
  cr_tensor *safe = cr__call_masked_fill_scalar(std, flat, cr_float(INFINITY));
  cr_tensor *wide =
      cr__call_expand_reduced(safe, cr__sizes(input), input->ndim, dim.at, dim.n, keepdim);
  cr_tensor *ratio = cr__call_div(away, wide);
  cr_tensor *part = cr__call_mul_scalar(self, cr_float(1 / (rest > 0 ? rest : 0)));
  cr_tensor *g =
      cr__call_expand_reduced(part, cr__sizes(input), input->ndim, dim.at, dim.n, keepdim);
  cr_tensor *result = cr__call_mul(g, ratio);
  cr_release(mean), cr_release(away), cr_release(flat), cr_release(safe), cr_release(wide);
  cr_release(ratio), cr_release(part), cr_release(g);
  return result;
}

cr_tensor *cr__run_var_backward(const cr_op *op, cr_tensor *self, cr_tensor *input, cr__ints dim,
                                cr_value correction, bool keepdim) {
  uint32_t mask;
  if (cr__fold_mask(op->name, dim, input->ndim, &mask)) return NULL;
  double rest = (double)cr__fold_count(input, mask) - cr__number(correction);
  cr_tensor *mean = cr__call_mean(input, dim.at, dim.n, true, CR_DTYPE_NONE);
  cr_tensor *away = cr__call_sub(input, mean);
  cr_tensor *part = cr__call_mul_scalar(self, cr_float(2 / (rest > 0 ? rest : 0)));
  cr_tensor *g =
      cr__call_expand_reduced(part, cr__sizes(input), input->ndim, dim.at, dim.n, keepdim);
  cr_tensor *result = cr__call_mul(g, away);
  cr_release(mean), cr_release(away), cr_release(part), cr_release(g);
  return result;
}

/* ---- Norms ---- */

/* x / norm to the power of q, sign aside, 0 where x is 0. */
static cr_tensor *share(cr_tensor *x, cr_tensor *norm, double q) {
  if (q != 1) return q == 0 ? cr__call_sign(x) : cr__call_norm_share(x, norm, q);
  cr_tensor *zero = cr__call_eq_scalar(norm, cr_int(0));
  cr_tensor *safe = cr__call_masked_fill_scalar(norm, zero, cr_int(1));
  cr_tensor *result = cr__call_div(x, safe);
  cr_release(zero), cr_release(safe);
  return result;
}

/* The elements whose size is the norm share the gradient evenly. g and norm are of input's shape. */
static cr_tensor *extreme_backward(cr_tensor *input, cr__ints dims, cr_tensor *g, cr_tensor *norm) {
  cr_tensor *size = cr__call_abs(input);
  cr_tensor *sign = cr__call_sign(input);
  cr_tensor *ties = cr__call_eq(size, norm);
  cr_tensor *count = cr__call_sum(ties, dims.at, dims.n, true, CR_DTYPE_NONE);
  cr_tensor *signed_ties = cr__call_mul(sign, ties);
  cr_tensor *part = cr__call_mul(g, signed_ties);
  cr_tensor *result = cr__call_div(part, count);
  cr_release(size), cr_release(sign), cr_release(ties), cr_release(count);
  cr_release(signed_ties), cr_release(part);
  return result;
}

cr_tensor *cr__run_norm_backward(const cr_op *op, cr_tensor *self, cr_tensor *input,
                                 cr_tensor *norm, cr_value p, cr__ints dim, bool keepdim) {
  (void)op;
  double power = cr__number(p);
  if (power == 0) return cr__zeros_for(op->name, input, input->ndim, cr__sizes(input));
  cr_tensor *g =
      cr__call_expand_reduced(self, cr__sizes(input), input->ndim, dim.at, dim.n, keepdim);
  cr_tensor *wide = NULL; /* the derivative of the 1-norm does without it */
  if (power != 1)
    wide = cr__call_expand_reduced(norm, cr__sizes(input), input->ndim, dim.at, dim.n, keepdim);
  cr_tensor *result;
  if (isinf(power)) {
    result = extreme_backward(input, dim, g, wide);
  } else {
    cr_tensor *part = share(input, wide, power - 1);
    result = cr__call_mul(g, part);
    cr_release(part);
  }
  cr_release(g), cr_release(wide);
  return result;
}
