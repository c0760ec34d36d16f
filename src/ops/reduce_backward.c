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

/* self is the gradient. The distances are divided by std before anything
 * else: what is left is of the size of 1. */
cr_tensor *cr__run_std_backward(const cr_op *op, cr_tensor *self, cr_tensor *input, cr_tensor *std,
                                cr__ints dim, cr_value correction, bool keepdim) {
  uint32_t mask;
  if (cr__fold_mask(op->name, dim, input->ndim, &mask)) return NULL;
  double rest = (double)cr__fold_count(input, mask) - cr__number(correction);
  cr_value shape = cr_ints(cr__sizes(input), input->ndim), yes = cr_bool(true);
  cr_value mean =
      cr__do(CR__OP_mean, (cr_value[]){cr_of(input), cr_ints(dim.at, dim.n), yes, cr_none()});
  cr_value away = cr__do(CR__OP_sub, (cr_value[]){cr_of(input), mean});
  cr_value flat = cr__do(CR__OP_eq, (cr_value[]){cr_of(std), cr_int(0)});
  cr_value safe = cr__do(CR__OP_masked_fill, (cr_value[]){cr_of(std), flat, cr_float(INFINITY)});
  cr_value wide = cr__do(CR__OP_expand_reduced,
                         (cr_value[]){safe, shape, cr_ints(dim.at, dim.n), cr_bool(keepdim)});
  cr_value ratio = cr__do(CR__OP_div, (cr_value[]){away, wide});
  cr_value part =
      cr__do(CR__OP_mul, (cr_value[]){cr_of(self), cr_float(1 / (rest > 0 ? rest : 0))});
  cr_value g = cr__do(CR__OP_expand_reduced,
                      (cr_value[]){part, shape, cr_ints(dim.at, dim.n), cr_bool(keepdim)});
  cr_tensor *result = CR__CALL(mul, g, ratio);
  cr__drop(mean), cr__drop(away), cr__drop(flat), cr__drop(safe), cr__drop(wide);
  cr__drop(ratio), cr__drop(part), cr__drop(g);
  return result;
}

cr_tensor *cr__run_var_backward(const cr_op *op, cr_tensor *self, cr_tensor *input, cr__ints dim,
                                cr_value correction, bool keepdim) {
  uint32_t mask;
  if (cr__fold_mask(op->name, dim, input->ndim, &mask)) return NULL;
  double rest = (double)cr__fold_count(input, mask) - cr__number(correction);
  cr_value shape = cr_ints(cr__sizes(input), input->ndim), yes = cr_bool(true);
  cr_value mean =
      cr__do(CR__OP_mean, (cr_value[]){cr_of(input), cr_ints(dim.at, dim.n), yes, cr_none()});
  cr_value away = cr__do(CR__OP_sub, (cr_value[]){cr_of(input), mean});
  cr_value part =
      cr__do(CR__OP_mul, (cr_value[]){cr_of(self), cr_float(2 / (rest > 0 ? rest : 0))});
  cr_value g = cr__do(CR__OP_expand_reduced,
                      (cr_value[]){part, shape, cr_ints(dim.at, dim.n), cr_bool(keepdim)});
  cr_tensor *result = CR__CALL(mul, g, away);
  cr__drop(mean), cr__drop(away), cr__drop(part), cr__drop(g);
  return result;
}

/* ---- Norms ---- */

/* x / norm to the power of q, sign aside, 0 where x is 0. */
static cr_value share(cr_value x, cr_value norm, double q) {
  if (q != 1)
    return q == 0 ? cr__do(CR__OP_sign, &x)
                  : cr__do(CR__OP_norm_share, (cr_value[]){x, norm, cr_float(q)});
  cr_value zero = cr__do(CR__OP_eq, (cr_value[]){norm, cr_int(0)});
  cr_value safe = cr__do(CR__OP_masked_fill, (cr_value[]){norm, zero, cr_int(1)});
  cr_value result = cr__do(CR__OP_div, (cr_value[]){x, safe});
  cr__drop(zero), cr__drop(safe);
  return result;
}

/* The elements whose size is the norm share the gradient evenly. g and norm are of input's shape. */
static cr_tensor *extreme_backward(cr_value input, cr_value dims, cr_value g, cr_value norm) {
  cr_value size = cr__do(CR__OP_abs, (cr_value[]){input});
  cr_value sign = cr__do(CR__OP_sign, (cr_value[]){input});
  cr_value ties = cr__do(CR__OP_eq, (cr_value[]){size, norm});
  cr_value count = cr__do(CR__OP_sum, (cr_value[]){ties, dims, cr_bool(true), cr_none()});
  cr_value signed_ties = cr__do(CR__OP_mul, (cr_value[]){sign, ties});
  cr_value part = cr__do(CR__OP_mul, (cr_value[]){g, signed_ties});
  cr_tensor *result = CR__CALL(div, part, count);
  cr__drop(size), cr__drop(sign), cr__drop(ties), cr__drop(count);
  cr__drop(signed_ties), cr__drop(part);
  return result;
}

cr_tensor *cr__run_norm_backward(const cr_op *op, cr_tensor *self, cr_tensor *input,
                                 cr_tensor *norm, cr_value p, cr__ints dim, bool keepdim) {
  (void)op;
  double power = cr__number(p);
  cr_value shape = cr_ints(cr__sizes(input), input->ndim);
  if (power == 0) return cr__zeros_for(op->name, input, input->ndim, cr__sizes(input));
  cr_value g = cr__do(CR__OP_expand_reduced,
                      (cr_value[]){cr_of(self), shape, cr_ints(dim.at, dim.n), cr_bool(keepdim)});
  cr_value wide = cr_none(); /* the derivative of the 1-norm does without it */
  if (power != 1)
    wide = cr__do(CR__OP_expand_reduced,
                  (cr_value[]){cr_of(norm), shape, cr_ints(dim.at, dim.n), cr_bool(keepdim)});
  cr_tensor *result;
  if (isinf(power)) {
    result = extreme_backward(cr_of(input), cr_ints(dim.at, dim.n), g, wide);
  } else {
    cr_value part = share(cr_of(input), wide, power - 1);
    result = CR__CALL(mul, g, part);
    cr__drop(part);
  }
  cr__drop(g), cr__drop(wide);
  return result;
}
