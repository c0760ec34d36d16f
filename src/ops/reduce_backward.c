/* reduce_backward.c: what serves the derivatives of reductions.
 *
 * Holds true: all but expand_mean are views or composites of differentiable operations, so that
 * their own derivatives exist to every order. Nothing divides by zero where a gradient is 0 by
 * convention. */
#include <math.h>

#include "reduce.h"

/* self, the result of folding dims of `shape`, seen in that shape. */
static cr_tensor *expand(const char *op, cr_tensor *self, cr_value shape, cr_value dims,
                         bool keepdim) {
  int64_t stride[CR_MAX_DIMS];
  uint32_t mask;
  int at = 0;
  if (!self || cr__fold_mask(op, dims, shape.n, &mask)) return NULL;
  for (int d = 0; d < shape.n; d++) {
    bool folds = mask >> d & 1, there = !folds || keepdim;
    bool fits = !there || (at < self->ndim && cr__sizes(self)[at] == (folds ? 1 : shape.u.is[d]));
    if (!fits) {
      cr__text from, to;
      cr__fail(CR_E_SHAPE, "%s: shape %s is no fold of %s", op,
               cr__shape_text(self->ndim, cr__sizes(self), &from),
               cr__shape_text(shape.n, shape.u.is, &to));
      return NULL;
    }
    stride[d] = folds ? 0 : cr__steps(self)[at];
    at += there;
  }
  return cr__alias(self, shape.n, shape.u.is, stride, self->offset);
}

int cr__run_expand_reduced(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  return cr__give(expand(op->name, args[0].u.t, args[1], args[2], args[3].u.i), out);
}

int cr__run_expand_mean(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  uint32_t mask;
  int64_t n = 1;
  if (cr__fold_mask(op->name, args[2], args[1].n, &mask)) return cr_error_code();
  for (int d = 0; d < args[1].n; d++)
    if (mask >> d & 1) n *= args[1].u.is[d];
  cr_tensor *part = CR__CALL(div, args[0], cr_float((double)n));
  cr_tensor *all = expand(op->name, part, args[1], args[2], args[3].u.i);
  cr_release(part);
  return cr__give(all, out);
}

/* The dims in `mask` last, in order, as 1-based dims. */
static void folded_last(int ndim, uint32_t mask, int64_t *order) {
  int n = 0;
  for (int folds = 0; folds < 2; folds++)
    for (int d = 0; d < ndim; d++)
      if ((int)(mask >> d & 1) == folds) order[n++] = d + 1;
}

/* What an operation along one dim gives for self along dims taken together. */
static cr_tensor *along(const cr_op *op, cr_value self, cr_value dims,
                        cr_tensor *(*one)(cr_value line, cr_value dim)) {
  int64_t order[CR_MAX_DIMS], ordered[CR_MAX_DIMS], flat[CR_MAX_DIMS + 1];
  cr_tensor *t = self.u.t;
  uint32_t mask;
  int n = 0;
  if (cr__fold_mask(op->name, dims, t->ndim, &mask)) return NULL;
  if (mask && !(mask & (mask - 1))) return one(self, cr_int(__builtin_ctz(mask) + 1));
  folded_last(t->ndim, mask, order);
  for (int d = 0; d < t->ndim; d++) {
    ordered[d] = cr__sizes(t)[order[d] - 1];
    if (!(mask >> (order[d] - 1) & 1)) flat[n++] = ordered[d];
  }
  flat[n++] = cr__fold_count(t, mask);
  cr_value turn = cr_ints(order, t->ndim);
  cr_value moved = cr__do(CR__OP_permute, (cr_value[]){self, turn});
  cr_value line = cr__do(CR__OP_reshape, (cr_value[]){moved, cr_ints(flat, n)});
  cr_value done = line.kind == CR_TENSOR ? cr_of(one(line, cr_int(-1))) : cr_none();
  cr_value shaped = cr__do(CR__OP_reshape, (cr_value[]){done, cr_ints(ordered, t->ndim)});
  cr_tensor *result = CR__CALL(permute_back, shaped, turn);
  cr__drop(moved), cr__drop(line), cr__drop(done), cr__drop(shaped);
  return result;
}

/* The products of all elements before and of all behind each one, multiplied: no division, so zeros
 * need no case of their own. */
static cr_tensor *others(cr_value line, cr_value dim) {
  cr_value before = cr__do(CR__OP_cumprod, (cr_value[]){line, dim, cr_none()});
  cr_value behind = cr__do(CR__OP_cumprod_reverse, (cr_value[]){line, dim});
  cr_value a = cr__do(CR__OP_shift, (cr_value[]){before, dim, cr_int(1), cr_int(1)});
  cr_value b = cr__do(CR__OP_shift, (cr_value[]){behind, dim, cr_int(-1), cr_int(1)});
  cr_tensor *product = CR__CALL(mul, a, b);
  cr__drop(before), cr__drop(behind), cr__drop(a), cr__drop(b);
  return product;
}

int cr__run_prod_others(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  return cr__give(along(op, args[0], args[1], others), out);
}

static cr_tensor *softmax(cr_value line, cr_value dim) {
  return CR__CALL(softmax, line, dim, cr_none());
}

int cr__run_softmax_over(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  return cr__give(along(op, args[0], args[1], softmax), out);
}

static double number(cr_value v) { return v.kind == CR_FLOAT ? v.u.f : (double)v.u.i; }

/* args: gradient, input, std, dim, correction, keepdim. The distances are divided by std before anything
 * else: what is left is of the size of 1. */
int cr__run_std_backward(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *input = args[1].u.t;
  uint32_t mask;
  if (cr__fold_mask(op->name, args[3], input->ndim, &mask)) return cr_error_code();
  double rest = (double)cr__fold_count(input, mask) - number(args[4]);
  cr_value shape = cr_ints(cr__sizes(input), input->ndim), yes = cr_bool(true);
  cr_value mean = cr__do(CR__OP_mean, (cr_value[]){args[1], args[3], yes, cr_none()});
  cr_value away = cr__do(CR__OP_sub, (cr_value[]){args[1], mean});
  cr_value flat = cr__do(CR__OP_eq, (cr_value[]){args[2], cr_int(0)});
  cr_value safe = cr__do(CR__OP_masked_fill, (cr_value[]){args[2], flat, cr_float(INFINITY)});
  cr_value wide = cr__do(CR__OP_expand_reduced, (cr_value[]){safe, shape, args[3], args[5]});
  cr_value ratio = cr__do(CR__OP_div, (cr_value[]){away, wide});
  cr_value part = cr__do(CR__OP_mul, (cr_value[]){args[0], cr_float(1 / (rest > 0 ? rest : 0))});
  cr_value g = cr__do(CR__OP_expand_reduced, (cr_value[]){part, shape, args[3], args[5]});
  cr_tensor *result = CR__CALL(mul, g, ratio);
  cr__drop(mean), cr__drop(away), cr__drop(flat), cr__drop(safe), cr__drop(wide);
  cr__drop(ratio), cr__drop(part), cr__drop(g);
  return cr__give(result, out);
}

/* args: gradient, input, dim, correction, keepdim. */
int cr__run_var_backward(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *input = args[1].u.t;
  uint32_t mask;
  if (cr__fold_mask(op->name, args[2], input->ndim, &mask)) return cr_error_code();
  double rest = (double)cr__fold_count(input, mask) - number(args[3]);
  cr_value shape = cr_ints(cr__sizes(input), input->ndim), yes = cr_bool(true);
  cr_value mean = cr__do(CR__OP_mean, (cr_value[]){args[1], args[2], yes, cr_none()});
  cr_value away = cr__do(CR__OP_sub, (cr_value[]){args[1], mean});
  cr_value part = cr__do(CR__OP_mul, (cr_value[]){args[0], cr_float(2 / (rest > 0 ? rest : 0))});
  cr_value g = cr__do(CR__OP_expand_reduced, (cr_value[]){part, shape, args[2], args[4]});
  cr_tensor *result = CR__CALL(mul, g, away);
  cr__drop(mean), cr__drop(away), cr__drop(part), cr__drop(g);
  return cr__give(result, out);
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

/* args: gradient, input, norm, p, dim, keepdim. */
int cr__run_norm_backward(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)op, (void)nout;
  cr_tensor *input = args[1].u.t;
  double p = number(args[3]);
  cr_value shape = cr_ints(cr__sizes(input), input->ndim);
  if (p == 0) return cr__give(cr__zeros_for(op->name, input, input->ndim, cr__sizes(input)), out);
  cr_value g = cr__do(CR__OP_expand_reduced, (cr_value[]){args[0], shape, args[4], args[5]});
  cr_value norm = cr_none(); /* the derivative of the 1-norm does without it */
  if (p != 1) norm = cr__do(CR__OP_expand_reduced, (cr_value[]){args[2], shape, args[4], args[5]});
  cr_tensor *result;
  if (isinf(p)) {
    result = extreme_backward(args[1], args[4], g, norm);
  } else {
    cr_value part = share(args[1], norm, p - 1);
    result = CR__CALL(mul, g, part);
    cr__drop(part);
  }
  cr__drop(g), cr__drop(norm);
  return cr__give(result, out);
}
