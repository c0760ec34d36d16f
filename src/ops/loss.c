/* loss.c: losses between tensors of one shape: distances, binary cross entropy, divergence.
 *
 * Holds true: every loss is a composite: its elements, weighted, then reduced, are operations that
 * record themselves. All arguments are checked before anything is computed. */
#include <string.h>

#include "loss.h"

cr_tensor *cr__loss_reduce(cr_value elements, cr__loss_reduction reduction) {
  cr_tensor *t = elements.u.t;
  if (elements.kind == CR_NONE || reduction == CR__LOSS_NONE) return t;
  cr_tensor *result = reduction == CR__LOSS_MEAN
                          ? CR__CALL(mean, elements, cr_none(), cr_bool(false), cr_none())
                          : CR__CALL(sum, elements, cr_none(), cr_bool(false), cr_none());
  cr_release(t);
  return result;
}

static bool same_shape(const cr_tensor *a, const cr_tensor *b) {
  return a->ndim == b->ndim &&
         !memcmp(cr__sizes(a), cr__sizes(b), (size_t)a->ndim * sizeof(int64_t));
}

static int need_same_shape(const char *op, const cr_tensor *input, const cr_tensor *target) {
  if (same_shape(input, target)) return 0;
  cr__text a, b;
  return cr__fail(CR_E_SHAPE, "%s: input of shape %s and target of shape %s must have one shape",
                  op, cr__shape_text(input->ndim, cr__sizes(input), &a),
                  cr__shape_text(target->ndim, cr__sizes(target), &b));
}

/* A float among the two is enough: the other one is converted. */
static int need_some_float(const char *op, const cr_tensor *input, const cr_tensor *target) {
  if (cr__is_float((cr_dtype)target->dtype)) return 0;
  return cr__need_float(op, (cr_dtype)input->dtype, "convert input first");
}

/* Weights must broadcast to the losses without making them more. */
static int need_fit(const char *op, const char *what, cr_value weight, const cr_tensor *input) {
  if (weight.kind == CR_NONE) return 0;
  const cr_tensor *w = weight.u.t;
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
static cr_value distances(const cr_op *op, const cr_value *args, double limit) {
  cr_value *both = (cr_value[]){args[0], args[1], cr_float(limit)};
  if (op->id == CR__OP_mse_loss) return cr__do(CR__OP_mse_elements, both);
  if (op->id == CR__OP_huber_loss) return cr__do(CR__OP_huber_elements, both);
  if (op->id == CR__OP_l1_loss || limit == 0) return cr__do(CR__OP_l1_elements, both);
  return cr__do(CR__OP_smooth_l1_elements, both);
}

/* The same of tensors of different shapes. They are broadcast before their dtypes meet, so that one
 * of 0 dims counts as much as the other. */
static cr_value broadcast_distances(const cr_op *op, const cr_value *args, double limit) {
  cr_tensor *list[] = {args[0].u.t, args[1].u.t}, *seen[CR_MAX_OUTPUTS];
  cr_value all = cr_list(list, 2), result = cr_none();
  int n = 2;
  if (cr_call(&cr__ops[CR__OP_broadcast_tensors], &all, seen, &n)) return result;
  result = distances(op, (cr_value[]){cr_of(seen[0]), cr_of(seen[1])}, limit);
  cr_release(seen[0]), cr_release(seen[1]);
  return result;
}

/* args: input, target, reduction and, for two of them, beta or delta. */
int cr__run_distance(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *input = args[0].u.t, *target = args[1].u.t;
  cr__loss_reduction reduction = cr__loss_reduction_of(args[2]);
  int code = need_some_float(op->name, input, target);
  if (code) return code;
  double limit = op->nparam > 3 ? args[3].u.f : 0;
  if (op->id == CR__OP_smooth_l1_loss && !(limit >= 0)) {
    return cr__fail(CR_E_ARGUMENT, "%s: beta is %g; it must not be negative", op->name, limit);
  }
  if (op->id == CR__OP_huber_loss && !(limit > 0)) {
    return cr__fail(CR_E_ARGUMENT, "%s: delta is %g; it must be positive", op->name, limit);
  }
  if (!same_shape(input, target)) {
    int ndim = input->ndim;
    int64_t shape[CR_MAX_DIMS];
    cr__text a, b;
    memcpy(shape, cr__sizes(input), (size_t)ndim * sizeof *shape);
    code = cr__broadcast_into(op->name, &ndim, shape, target->ndim, cr__sizes(target));
    if (code) return code;
    cr__warn("%s: input of shape %s and target of shape %s differ and are broadcast, which is "
             "rarely "
             "meant",
             op->name, cr__shape_text(input->ndim, cr__sizes(input), &a),
             cr__shape_text(target->ndim, cr__sizes(target), &b));
    return cr__give(cr__loss_reduce(broadcast_distances(op, args, limit), reduction), out);
  }
  return cr__give(cr__loss_reduce(distances(op, args, limit), reduction), out);
}

/* ---- Binary cross entropy ---- */

static int check_probabilities(const cr_op *op, const cr_value *args) {
  cr_tensor *input = args[0].u.t;
  int code = cr__need_float(op->name, (cr_dtype)input->dtype, "convert input first");
  if (code) return code;
  if (input->dtype != args[1].u.t->dtype) {
    return cr__fail(CR_E_DTYPE, "%s: expected a target of dtype %s like input, got %s; convert it",
                    op->name, cr_dtype_name((cr_dtype)input->dtype),
                    cr_dtype_name((cr_dtype)args[1].u.t->dtype));
  }
  cr__launch k;
  cr__launch_begin(&k, op->name, cr_device_of(input));
  cr__launch_view(&k, &k.check_probabilities.from, input);
  return cr__launch_run(&k, CR__K_check_probabilities);
}

/* p y log(1 + exp(-x)) + (1 - y) log(1 + exp(x)), for positive examples that weigh p: both terms have
 * one sign, so that nothing cancels. */
static cr_value weighed_logits(cr_value x, cr_value y, cr_value p) {
  cr_value wrong = cr__do(CR__OP_bce_logits_elements, (cr_value[]){x, cr_int(1)});
  cr_value weight = cr__do(CR__OP_mul, (cr_value[]){p, y});
  cr_value positive = cr__do(CR__OP_weigh, (cr_value[]){wrong, weight});
  cr_value other = cr__do(CR__OP_bce_logits_elements, (cr_value[]){x, cr_int(0)});
  cr_value rest = cr__do(CR__OP_sub, (cr_value[]){cr_int(1), y});
  cr_value negative = cr__do(CR__OP_weigh, (cr_value[]){other, rest});
  cr_value result = cr__do(CR__OP_add, (cr_value[]){positive, negative});
  cr__drop(wrong), cr__drop(weight), cr__drop(positive);
  cr__drop(other), cr__drop(rest), cr__drop(negative);
  return result;
}

/* args: input, target, weight, reduction and, with logits, pos_weight. */
int cr__run_binary_cross_entropy(const cr_op *op, const cr_value *args, cr_tensor **out,
                                 int *nout) {
  (void)nout;
  cr_tensor *input = args[0].u.t;
  bool logits = op->id == CR__OP_binary_cross_entropy_with_logits;
  cr_value pos_weight = logits ? args[4] : cr_none(), elements;
  cr__loss_reduction reduction = cr__loss_reduction_of(args[3]);
  int code = need_same_shape(op->name, input, args[1].u.t);
  if (!code) code = need_fit(op->name, "weight", args[2], input);
  if (!code) code = need_fit(op->name, "pos_weight", pos_weight, input);
  if (!code && logits) code = need_some_float(op->name, input, args[1].u.t);
  if (!code && !logits) code = check_probabilities(op, args);
  if (code) return code;
  if (pos_weight.kind == CR_TENSOR) elements = weighed_logits(args[0], args[1], pos_weight);
  else if (logits) elements = cr__do(CR__OP_bce_logits_elements, args);
  else elements = cr__do(CR__OP_bce_elements, args);
  if (args[2].kind == CR_TENSOR) {
    cr_value weighed = cr__do(CR__OP_mul, (cr_value[]){elements, args[2]});
    cr__drop(elements);
    elements = weighed;
  }
  return cr__give(cr__loss_reduce(elements, reduction), out);
}

/* ---- Divergence ---- */

/* args: input, target, reduction, log_target. */
int cr__run_kl_div(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *input = args[0].u.t;
  bool by_batch = args[2].n == CR__kl_div_reduction_batchmean;
  cr__loss_reduction reduction = by_batch ? CR__LOSS_SUM : cr__loss_reduction_of(args[2]);
  int code = need_some_float(op->name, input, args[1].u.t);
  if (code) return code;
  int elements_of = args[3].u.i ? CR__OP_kl_log_elements : CR__OP_kl_elements;
  cr_value elements = cr__do(elements_of, (cr_value[]){args[0], args[1]});
  cr_value loss = cr_of(cr__loss_reduce(elements, reduction));
  if (!by_batch || input->ndim == 0) return cr__give(loss.u.t, out);
  cr_tensor *mean = CR__CALL(div, loss, cr_int(cr__sizes(input)[0]));
  cr__drop(loss);
  return cr__give(mean, out);
}
