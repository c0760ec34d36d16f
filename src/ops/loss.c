/* loss.c: losses between tensors of one shape: distances, binary cross entropy, divergence, likelihoods.
 *
 * Holds true: every loss is a composite: its elements, weighted, then reduced, are operations that
 * record themselves. All arguments are checked before anything is computed. */
#include <string.h>

#include "loss.h"

cr_tensor *cr__loss_reduce(cr_tensor *t, cr__loss_reduction reduction) {
  if (!t || reduction == CR__LOSS_NONE) return t;
  cr_tensor *result = reduction == CR__LOSS_MEAN ? cr__call_mean(t, NULL, -1, false, CR_DTYPE_NONE)
                                                 : cr__call_sum(t, NULL, -1, false, CR_DTYPE_NONE);
  cr_release(t);
  return result;
}

static bool same_shape(const cr_tensor *a, const cr_tensor *b) {
  return a->ndim == b->ndim &&
         !memcmp(cr__sizes(a), cr__sizes(b), (size_t)a->ndim * sizeof(int64_t));
}

int cr__need_same_shape(const char *op, const cr_tensor *input, const cr_tensor *target) {
  if (same_shape(input, target)) return 0;
  cr__text a, b;
  return cr__fail(CR_E_SHAPE, "%s: input of shape %s and target of shape %s must have one shape",
                  op, cr__shape_text(input->ndim, cr__sizes(input), &a),
                  cr__shape_text(target->ndim, cr__sizes(target), &b));
}

/* A float among the two is enough: the other one is converted. */
int cr__need_some_float(const char *op, const cr_tensor *input, const cr_tensor *target) {
  if (cr__is_float((cr_dtype)target->dtype)) return 0;
  return cr__need_float(op, (cr_dtype)input->dtype, "convert input first");
}

/* Weights must broadcast to the losses without making them more. */
int cr__need_fit(const char *op, const char *what, const cr_tensor *w, const cr_tensor *input) {
  if (!w) return 0;
  int skip = input->ndim - w->ndim;
  bool fits = skip >= 0;
  for (int d = 0; d < w->ndim && fits; d++) {
    fits = cr__sizes(w)[d] == 1 || cr__sizes(w)[d] == cr__sizes(input)[d + skip];
  }
  if (fits) return 0;
  cr__text a, b;
  return cr__fail(CR_E_SHAPE, "%s: %s of shape %s does not broadcast to input's shape %s", op, what,
                  cr__shape_text(w->ndim, cr__sizes(w), &a),
                  cr__shape_text(input->ndim, cr__sizes(input), &b));
}

/* ---- Distances ---- */

/* The loss of each element; `limit` is beta or delta. */
static cr_tensor *distances(const cr_op *op, cr_tensor *input, cr_tensor *target, double limit) {
  if (op->id == CR__OP_mse_loss) return cr__call_mse_elements(input, target);
  if (op->id == CR__OP_huber_loss) return cr__call_huber_elements(input, target, limit);
  if (op->id == CR__OP_l1_loss || limit == 0) return cr__call_l1_elements(input, target);
  return cr__call_smooth_l1_elements(input, target, limit);
}

/* The same of tensors of different shapes. They are broadcast before their dtypes meet, so that one
 * of 0 dims counts as much as the other. */
static cr_tensor *broadcast_distances(const cr_op *op, cr_tensor *input, cr_tensor *target,
                                      double limit) {
  cr_tensor *list[] = {input, target}, *seen[CR_MAX_OUTPUTS];
  int n = 2;
  if (cr__call_broadcast_tensors(list, 2, seen, &n)) return NULL;
  cr_tensor *result = distances(op, seen[0], seen[1], limit);
  cr_release(seen[0]), cr_release(seen[1]);
  return result;
}

cr_tensor *cr__run_distance(const cr_op *op, cr_tensor *input, cr_tensor *target, int reduction,
                            const double *beta, const double *delta) {
  int code = cr__need_some_float(op->name, input, target);
  if (code) return cr__no_tensor(code);
  double limit = beta ? *beta : delta ? *delta : 0;
  if (beta && !(limit >= 0))
    return cr__no_tensor(
        cr__fail(CR_E_ARGUMENT, "%s: beta is %g; it must not be negative", op->name, limit));
  if (delta && !(limit > 0))
    return cr__no_tensor(
        cr__fail(CR_E_ARGUMENT, "%s: delta is %g; it must be positive", op->name, limit));
  if (!same_shape(input, target)) {
    int ndim = input->ndim;
    int64_t shape[CR_MAX_DIMS];
    cr__text a, b;
    memcpy(shape, cr__sizes(input), (size_t)ndim * sizeof *shape);
    code = cr__broadcast_into(op->name, &ndim, shape, target->ndim, cr__sizes(target));
    if (code) return cr__no_tensor(code);
    cr__warn("%s: input of shape %s and target of shape %s differ and are broadcast, which is "
             "rarely "
             "meant",
             op->name, cr__shape_text(input->ndim, cr__sizes(input), &a),
             cr__shape_text(target->ndim, cr__sizes(target), &b));
    return cr__loss_reduce(broadcast_distances(op, input, target, limit),
                           (cr__loss_reduction)reduction);
  }
  return cr__loss_reduce(distances(op, input, target, limit), (cr__loss_reduction)reduction);
}

/* ---- Binary cross entropy ---- */

static int check_probabilities(const cr_op *op, cr_tensor *input, const cr_tensor *target) {
  int code = cr__need_float(op->name, (cr_dtype)input->dtype, "convert input first");
  if (code) return code;
  if (input->dtype != target->dtype) {
    return cr__fail(CR_E_DTYPE, "%s: expected a target of dtype %s like input, got %s; convert it",
                    op->name, cr_dtype_name((cr_dtype)input->dtype),
                    cr_dtype_name((cr_dtype)target->dtype));
  }
  cr__launch k;
  cr__launch_begin(&k, op->name, cr_device_of(input));
  cr__launch_view(&k, &k.check_probabilities.from, input);
  return cr__launch_run(&k, CR__K_check_probabilities);
}

/* p y log(1 + exp(-x)) + (1 - y) log(1 + exp(x)), for positive examples that weigh p: both terms have
 * one sign, so that nothing cancels. */
static cr_tensor *weighed_logits(cr_tensor *x, cr_tensor *y, cr_tensor *p) {
  cr_tensor *wrong = cr__call_bce_logits_elements_scalar(x, cr_int(1)),
            *weight = cr__call_mul(p, y);
  cr_tensor *positive = cr__call_weigh(wrong, weight);
  cr_tensor *other = cr__call_bce_logits_elements_scalar(x, cr_int(0)),
            *rest = cr__call_rsub_scalar(y, cr_int(1));
  cr_tensor *negative = cr__call_weigh(other, rest), *result = cr__call_add(positive, negative);
  cr_release(wrong), cr_release(weight), cr_release(positive);
  cr_release(other), cr_release(rest), cr_release(negative);
  return result;
}

cr_tensor *cr__run_binary_cross_entropy(const cr_op *op, cr_tensor *input, cr_tensor *target,
                                        cr_tensor *weight, int reduction, cr_tensor *pos_weight) {
  bool logits = op->id == CR__OP_binary_cross_entropy_with_logits;
  int code = cr__need_same_shape(op->name, input, target);
  if (!code) code = cr__need_fit(op->name, "weight", weight, input);
  if (!code) code = cr__need_fit(op->name, "pos_weight", pos_weight, input);
  if (!code && logits) code = cr__need_some_float(op->name, input, target);
  if (!code && !logits) code = check_probabilities(op, input, target);
  if (code) return cr__no_tensor(code);
  cr_tensor *elements = pos_weight ? weighed_logits(input, target, pos_weight)
                        : logits   ? cr__call_bce_logits_elements(input, target)
                                   : cr__call_bce_elements(input, target);
  if (weight) {
    cr_tensor *weighed = cr__call_mul(elements, weight);
    cr_release(elements);
    elements = weighed;
  }
  return cr__loss_reduce(elements, (cr__loss_reduction)reduction);
}

/* ---- Divergence ---- */

cr_tensor *cr__run_kl_div(const cr_op *op, cr_tensor *input, cr_tensor *target, int reduction,
                          bool log_target) {
  bool by_batch = reduction == CR__kl_div_reduction_batchmean;
  int code = cr__need_some_float(op->name, input, target);
  if (code) return cr__no_tensor(code);
  cr_tensor *elements =
      log_target ? cr__call_kl_log_elements(input, target) : cr__call_kl_elements(input, target);
  cr_tensor *loss =
      cr__loss_reduce(elements, by_batch ? CR__LOSS_SUM : (cr__loss_reduction)reduction);
  if (!by_batch || input->ndim == 0) return loss;
  cr_tensor *mean = cr__call_div_scalar(loss, cr_int(cr__sizes(input)[0]));
  cr_release(loss);
  return mean;
}

/* ---- Likelihoods ---- */

/* What var of its shape becomes so that it broadcasts to input: itself, or with a last dim of size 1. */
static cr_tensor *fitting_variance(const cr_op *op, cr_tensor *var, const cr_tensor *input) {
  int missing = 0, ones = 0;
  bool last = var->ndim == input->ndim - 1, same = var->ndim == input->ndim;
  for (int d = 0; d < var->ndim && (same || last); d++) {
    if (cr__sizes(var)[d] == cr__sizes(input)[d]) continue;
    missing++, ones += cr__sizes(var)[d] == 1;
  }
  if (last && !missing) return cr__call_unsqueeze(var, -1);
  if (same && missing <= 1 && missing == ones) return cr_retain(var);
  cr__text a, b;
  return cr__no_tensor(cr__fail(CR_E_SHAPE,
                                "%s: var of shape %s does not fit input of shape %s; it has "
                                "input's shape, without the last dim or with a "
                                "size of 1 in one",
                                op->name, cr__shape_text(var->ndim, cr__sizes(var), &a),
                                cr__shape_text(input->ndim, cr__sizes(input), &b)));
}

static int check_variances(const cr_op *op, const cr_tensor *var) {
  int code = cr__need_float(op->name, (cr_dtype)var->dtype, "convert var first");
  if (code) return code;
  cr__launch k;
  cr__launch_begin(&k, op->name, cr_device_of(var));
  cr__launch_view(&k, &k.check_variances.from, var);
  return cr__launch_run(&k, CR__K_check_variances);
}

static cr_tensor *gaussian_elements(const cr_op *op, cr_tensor *input, cr_tensor *target,
                                    const cr_value *var, double eps) {
  if (var->kind != CR_TENSOR) {
    double number = cr__number(*var);
    if (number < 0)
      return cr__no_tensor(
          cr__fail(CR_E_ARGUMENT, "%s: var is %g; it must not be negative", op->name, number));
    return cr__call_gaussian_elements_scalar(input, target, cr_float(number < eps ? eps : number));
  }
  if (check_variances(op, var->u.t)) return NULL;
  cr_tensor *fit = fitting_variance(op, var->u.t, input), *held = cr__call_hold_above(fit, eps);
  cr_tensor *elements = cr__call_gaussian_elements(input, target, held);
  cr_release(fit), cr_release(held);
  return elements;
}

cr_tensor *cr__run_gaussian_nll_loss(const cr_op *op, cr_tensor *input, cr_tensor *target,
                                     cr_value var, bool full, double eps, int reduction) {
  if (cr__need_some_float(op->name, input, target)) return NULL;
  cr_tensor *elements = gaussian_elements(op, input, target, &var, eps);
  if (full) {
    double half_log_circle = 0.91893853320467274178; /* log(2 pi) / 2 */
    cr_tensor *more = cr__call_add_scalar(elements, cr_float(half_log_circle));
    cr_release(elements);
    elements = more;
  }
  return cr__loss_reduce(elements, (cr__loss_reduction)reduction);
}

cr_tensor *cr__run_poisson_nll_loss(const cr_op *op, cr_tensor *input, cr_tensor *target,
                                    bool log_input, bool full, double eps, int reduction) {
  if (cr__need_some_float(op->name, input, target)) return NULL;
  cr_tensor *elements = log_input ? cr__call_poisson_log_elements(input, target)
                                  : cr__call_poisson_elements(input, target, eps);
  if (full) {
    bool whole = !cr__is_float((cr_dtype)target->dtype);
    cr_tensor *counts =
        whole ? cr__call_to(target, (cr_dtype)input->dtype, cr_none(), false) : cr_retain(target);
    cr_tensor *rest = cr__call_stirling(counts), *more = cr__call_add(elements, rest);
    cr_release(counts), cr_release(rest), cr_release(elements);
    elements = more;
  }
  return cr__loss_reduce(elements, (cr__loss_reduction)reduction);
}
