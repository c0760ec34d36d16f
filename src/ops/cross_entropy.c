/* cross_entropy.c: cross entropy of scores, by kernels for rows of classes or put together from log_softmax and nll.
 *
 * Holds true: what is put together records itself; the kernels' own derivative is put together where it is
 * recorded (cross_entropy_backward.c). All arguments are checked before anything is computed. */
#include "autograd/graph.h"
#include "class_loss.h"

/* ---- Cross entropy ---- */

/* values times the weights of their classes; values itself (retained) without weights. */
static cr_tensor *by_class(cr_tensor *values, cr_tensor *weight, const cr_tensor *input) {
  if (!weight) return cr_retain(values);
  cr_tensor *wide = cr__along_classes(weight, input), *result = cr__call_mul(values, wide);
  cr_release(wide);
  return result;
}

/* Minus the sum over the classes. */
static cr_tensor *minus_sum(cr_tensor *values, const cr_tensor *input) {
  int64_t dim = cr__class_dim(input) + 1;
  cr_tensor *sum = cr__call_sum(values, &dim, 1, false, CR_DTYPE_NONE), *result = cr__call_neg(sum);
  cr_release(sum);
  return result;
}

/* The loss against every class alike: the part that label smoothing adds. Stands for 1 / classes. */
static cr_tensor *smooth_loss(const cr_tensor *input, const cr__choice *c, cr_tensor *logp,
                              cr_tensor *total, int reduction) {
  cr_tensor *weighed = by_class(logp, c->weight, input), *sum = minus_sum(weighed, input);
  cr_tensor *ignored = cr__call_eq_scalar(c->target, cr_int(c->ignored));
  cr_tensor *kept = cr__call_masked_fill_scalar(sum, ignored, cr_int(0));
  cr_release(weighed), cr_release(sum), cr_release(ignored);
  if (reduction == CR__LOSS_NONE) return kept;
  cr_tensor *all = cr__loss_reduce(kept, CR__LOSS_SUM);
  if (reduction == CR__LOSS_SUM) return all;
  cr_tensor *mean = cr__call_div(all, total);
  cr_release(all);
  return mean;
}

/* a * x + b * y, both stolen. */
static cr_tensor *mix(double a, cr_tensor *x, double b, cr_tensor *y) {
  cr_tensor *left = cr__call_mul_scalar(x, cr_float(a)),
            *right = cr__call_mul_scalar(y, cr_float(b));
  cr_tensor *result = cr__call_add(left, right);
  cr_release(x), cr_release(y), cr_release(left), cr_release(right);
  return result;
}

static cr_tensor *of_classes(const cr_op *op, const cr_tensor *input, const cr__choice *c,
                             cr_tensor *logp, int reduction, double smoothing) {
  int64_t classes = cr__sizes(input)[cr__class_dim(input)];
  cr_tensor *total, *loss = cr__nll_of(op->name, logp, c, reduction, &total);
  if (smoothing != 0)
    loss = mix(1 - smoothing, loss, smoothing / (double)classes,
               smooth_loss(input, c, logp, total, reduction));
  cr_release(total);
  return loss;
}

/* The target holds the probability of each class. */
static cr_tensor *of_probabilities(const cr_tensor *input, const cr__choice *c, cr_tensor *logp,
                                   int reduction, double smoothing) {
  int64_t classes = cr__sizes(input)[cr__class_dim(input)];
  cr_tensor *target = cr_retain(c->target);
  if (smoothing != 0) {
    cr_tensor *part = cr__call_mul_scalar(c->target, cr_float(1 - smoothing));
    cr_release(target);
    target = cr__call_add_scalar(part, cr_float(smoothing / (double)classes));
    cr_release(part);
  }
  cr_tensor *product = cr__call_weigh(logp, target);
  cr_tensor *weighed = product ? by_class(product, c->weight, input) : NULL,
            *each = minus_sum(weighed, input);
  cr_release(target), cr_release(product), cr_release(weighed);
  return cr__loss_reduce(each, (cr__loss_reduction)reduction);
}

static bool holds_probabilities(const cr_tensor *input, const cr_tensor *target) {
  bool same = input->ndim == target->ndim && cr__is_float((cr_dtype)target->dtype);
  for (int d = 0; d < input->ndim && same; d++) same = cr__sizes(input)[d] == cr__sizes(target)[d];
  return same;
}

int cr__check_cross_entropy(const char *op, const cr_tensor *input, const cr_tensor *target,
                            const cr_tensor *weight, int64_t ignore_index, double smoothing,
                            bool *probabilities) {
  int code = cr__need_classes(op, input);
  *probabilities = !code && holds_probabilities(input, target);
  if (!code && !*probabilities) code = cr__need_targets(op, input, target);
  if (!code) code = cr__need_class_weight(op, input, weight);
  if (code) return code;
  if (!(smoothing >= 0 && smoothing <= 1))
    return cr__fail(CR_E_ARGUMENT, "%s: label_smoothing is %g; it must lie between 0 and 1", op,
                    smoothing);
  if (!*probabilities || ignore_index < 0) return 0;
  return cr__fail(CR_E_ARGUMENT,
                  "%s: ignore_index is %lld, but a target of probabilities names no "
                  "class to ignore",
                  op, (long long)ignore_index);
}

/* Put together from operations that have derivatives by all of their tensors. */
static cr_tensor *composed(const cr_op *op, cr_tensor *input, const cr__choice *c, int reduction,
                           double smoothing, bool probabilities) {
  cr_tensor *logp = cr__call_log_softmax(input, cr__class_dim(input) + 1, CR_DTYPE_NONE);
  if (!logp) return NULL;
  cr_tensor *loss = probabilities ? of_probabilities(input, c, logp, reduction, smoothing)
                                  : of_classes(op, input, c, logp, reduction, smoothing);
  cr_release(logp);
  return loss;
}

static bool wants_gradient(const cr_tensor *t) { return t && cr_requires_grad(t); }

enum { WIDE = 64 }; /* classes of a row: fewer are quicker side by side, as softmax has them */

/* Whether the kernels for rows are to do it. */
static bool has_rows(const cr_tensor *input, const cr__choice *c) {
  bool constant = !wants_gradient(c->target) && !wants_gradient(c->weight);
  return input->ndim <= 2 && cr__sizes(input)[input->ndim - 1] >= WIDE &&
         (constant || !cr__recording());
}

cr_tensor *cr__run_cross_entropy(const cr_op *op, cr_tensor *input, cr_tensor *target,
                                 cr_tensor *weight, int64_t ignore_index, int reduction,
                                 double label_smoothing) {
  bool probabilities;
  if (cr__check_cross_entropy(op->name, input, target, weight, ignore_index, label_smoothing,
                              &probabilities))
    return NULL;
  cr__choice c = {target, weight, ignore_index};
  if (!has_rows(input, &c))
    return composed(op, input, &c, reduction, label_smoothing, probabilities);
  cr_tensor *out[3];
  if (cr__call_rows_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing,
                                  op->name, out))
    return NULL;
  cr_release(out[1]), cr_release(out[2]);
  return out[0];
}

/* ---- By one kernel ---- */

int cr__run_rows_cross_entropy(const cr_op *op, cr_tensor *self, cr_tensor *target,
                               cr_tensor *weight, int64_t ignore_index, int64_t reduction,
                               double label_smoothing, const char *name, cr_tensor **out) {
  (void)op;
  cr_tensor *ready[3];
  cr_dtype dtype = (cr_dtype)self->dtype;
  cr_device device = cr_device_of(self);
  int64_t count = self->ndim > 1 ? cr__sizes(self)[0] : 1;
  bool each = reduction == CR__LOSS_NONE;
  int code = cr__make_ready((cr_tensor *[]){self, target, weight}, 3, ready);
  for (int i = 0; i < 3; i++) out[i] = NULL;
  if (!code) out[0] = cr__new(name, dtype, device, each ? self->ndim - 1 : 0, &count);
  if (out[0]) out[1] = cr__new(name, CR_FLOAT64, device, 0, NULL);
  if (out[1]) out[2] = cr__new(name, CR_FLOAT64, device, 2, (int64_t[]){count, 4});
  if (!out[2]) code = (int)cr_error_code();
  if (!code) {
    cr__launch k;
    cr__launch_begin(&k, name, device);
    cr__launch_view(&k, &k.cross_entropy.loss, out[0]);
    cr__launch_view(&k, &k.cross_entropy.total, out[1]);
    cr__launch_view(&k, &k.cross_entropy.lines, out[2]);
    cr__launch_view(&k, &k.cross_entropy.input, ready[0]);
    cr__launch_view(&k, &k.cross_entropy.target, ready[1]);
    if (ready[2]) cr__launch_view(&k, &k.cross_entropy.weight, ready[2]);
    k.cross_entropy.count = count, k.cross_entropy.classes = cr__sizes(self)[self->ndim - 1];
    k.cross_entropy.ignored = ignore_index, k.cross_entropy.reduction = reduction;
    k.cross_entropy.smoothing = label_smoothing;
    k.cross_entropy.probabilities = target->dtype != CR_INT64;
    code = cr__launch_run(&k, CR__K_cross_entropy);
  }
  cr__drop_ready(ready, 3);
  return code ? (cr__undo(out, 3), code) : 0;
}

cr_tensor *cr__run_rows_cross_entropy_backward(const cr_op *op, cr_tensor *self, cr_tensor *input,
                                               cr_tensor *target, cr_tensor *weight,
                                               cr_tensor *total, cr_tensor *lines,
                                               int64_t ignore_index, int64_t reduction,
                                               double label_smoothing) {
  (void)op;
  cr_tensor *ready[4], *t = NULL;
  const char *name = "cross_entropy";
  int code = cr__make_ready((cr_tensor *[]){self, input, target, weight}, 4, ready);
  if (!code) t = cr__new_like(name, ready[1], (cr_dtype)input->dtype);
  if (!t) code = (int)cr_error_code();
  if (!code) {
    cr__launch k;
    cr__launch_begin(&k, name, cr_device_of(input));
    cr__launch_view(&k, &k.cross_entropy_backward.out, t);
    cr__launch_view(&k, &k.cross_entropy_backward.grad, ready[0]);
    cr__launch_view(&k, &k.cross_entropy_backward.lines, lines);
    cr__launch_view(&k, &k.cross_entropy_backward.total, total);
    cr__launch_view(&k, &k.cross_entropy_backward.input, ready[1]);
    cr__launch_view(&k, &k.cross_entropy_backward.target, ready[2]);
    if (ready[3]) cr__launch_view(&k, &k.cross_entropy_backward.weight, ready[3]);
    k.cross_entropy_backward.count = input->ndim > 1 ? cr__sizes(input)[0] : 1;
    k.cross_entropy_backward.classes = cr__sizes(input)[input->ndim - 1];
    k.cross_entropy_backward.ignored = ignore_index;
    k.cross_entropy_backward.reduction = reduction;
    k.cross_entropy_backward.smoothing = label_smoothing;
    k.cross_entropy_backward.probabilities = target->dtype != CR_INT64;
    code = cr__launch_run(&k, CR__K_cross_entropy_backward);
  }
  cr__drop_ready(ready, 4);
  return cr__filled(code, t);
}
