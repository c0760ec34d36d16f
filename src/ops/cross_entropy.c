/* cross_entropy.c: losses over several classes.
 *
 * Holds true: classes lie along dim 2 of the input (dim 1 if it has one dim); class targets count from
 * 1. nll and its transpose nll_backward see the input as N x C x D, contiguous. */
#include "autograd/graph.h"
#include "loss.h"

static int class_dim(const cr_tensor *input) { return input->ndim > 1 ? 1 : 0; }

/* Lines of classes: N, C and D, the product of all dims behind the classes. */
static cr__line_sizes lines_of(int ndim, const int64_t *shape) {
  cr__line_sizes l = {ndim > 1 ? shape[0] : 1, ndim > 1 ? shape[1] : shape[0], 1};
  for (int d = 2; d < ndim; d++) l.inner *= shape[d];
  return l;
}

static int need_classes(const char *op, const cr_tensor *input) {
  if (input->ndim == 0) {
    return cr__fail(CR_E_SHAPE, "%s: expected an input of shape C, NxC or NxCx..., got a 0-dim one",
                    op);
  }
  return cr__need_float(op, (cr_dtype)input->dtype, "convert input first");
}

/* The target must have input's shape without the classes. */
static int need_targets(const char *op, const cr_tensor *input, const cr_tensor *target) {
  if (target->dtype != CR_INT64) {
    cr__text a, b;
    return cr__fail(CR_E_DTYPE,
                    "%s: expected int64 class targets, got %s of shape %s for an input of shape "
                    "%s; "
                    "target:long() makes them int64",
                    op, cr_dtype_name((cr_dtype)target->dtype),
                    cr__shape_text(target->ndim, cr__sizes(target), &a),
                    cr__shape_text(input->ndim, cr__sizes(input), &b));
  }
  bool fits = target->ndim == input->ndim - 1;
  for (int d = 0, at = 0; d < input->ndim && fits; d++) {
    if (d != class_dim(input)) fits = cr__sizes(target)[at++] == cr__sizes(input)[d];
  }
  if (fits) return 0;
  cr__text a, b;
  return cr__fail(CR_E_SHAPE,
                  "%s: target of shape %s does not fit input of shape %s; it has input's "
                  "dims without the classes, dim %d",
                  op, cr__shape_text(target->ndim, cr__sizes(target), &a),
                  cr__shape_text(input->ndim, cr__sizes(input), &b), class_dim(input) + 1);
}

static int need_weight(const char *op, const cr_tensor *input, const cr_tensor *w) {
  if (!w) return 0;
  int64_t classes = cr__sizes(input)[class_dim(input)];
  if (w->ndim != 1 || cr__sizes(w)[0] != classes) {
    cr__text text;
    return cr__fail(CR_E_SHAPE,
                    "%s: weight of shape %s must have one element for each of %lld "
                    "classes",
                    op, cr__shape_text(w->ndim, cr__sizes(w), &text), (long long)classes);
  }
  if (w->dtype == input->dtype) return 0;
  return cr__fail(CR_E_DTYPE, "%s: expected a weight of dtype %s like input, got %s; convert it",
                  op, cr_dtype_name((cr_dtype)input->dtype), cr_dtype_name((cr_dtype)w->dtype));
}

/* ---- The fused pair ---- */

/* Contiguous versions of the tensors that a kernel reads; all released by drop_ready. */
static int make_ready(cr_tensor *const *from, int n, cr_tensor **ready) {
  int code = 0;
  for (int i = 0; i < n; i++) {
    ready[i] = from[i] && !code ? cr__call_contiguous(from[i]) : NULL;
    if (from[i] && !ready[i] && !code) code = cr_error_code();
  }
  return code;
}

static void drop_ready(cr_tensor **ready, int n) {
  for (int i = 0; i < n; i++) cr_release(ready[i]);
}

int cr__run_nll(const cr_op *op, cr_tensor *self, cr_tensor *target, cr_tensor *weight,
                int64_t ignore_index, int64_t reduction, const char *name, cr_tensor **out) {
  (void)op;
  cr_tensor *ready[3];
  cr_dtype dtype = (cr_dtype)self->dtype;
  cr_device device = cr_device_of(self);
  bool each = reduction == CR__LOSS_NONE;
  int code = make_ready((cr_tensor *[]){self, target, weight}, 3, ready);
  if (!code) {
    out[0] = cr__new(name, dtype, device, each ? target->ndim : 0, cr__sizes(target));
    out[1] = out[0] ? cr__new(name, dtype, device, 0, NULL) : NULL;
    if (!out[1]) code = cr_error_code();
  }
  if (!code) {
    cr__launch k;
    cr__launch_begin(&k, name, device);
    cr__launch_view(&k, &k.nll.loss, out[0]);
    cr__launch_view(&k, &k.nll.total, out[1]);
    cr__launch_view(&k, &k.nll.input, ready[0]);
    cr__launch_view(&k, &k.nll.target, ready[1]);
    if (ready[2]) cr__launch_view(&k, &k.nll.weight, ready[2]);
    k.nll.lines = lines_of(self->ndim, cr__sizes(self));
    k.nll.ignored = ignore_index, k.nll.reduction = reduction;
    code = cr__launch_run(&k, CR__K_nll);
  }
  drop_ready(ready, 3);
  for (int i = 0; i < 2 && code; i++) {
    cr_release(out[i]);
    out[i] = NULL;
  }
  return code;
}

cr_tensor *cr__run_nll_backward(const cr_op *op, cr_tensor *self, cr_tensor *target,
                                cr_tensor *weight, cr_tensor *total, cr__ints shape,
                                int64_t ignore_index, int64_t reduction) {
  (void)op;
  cr_tensor *g = self, *ready[4], *t = NULL;
  int code = make_ready((cr_tensor *[]){self, target, total, weight}, 4, ready);
  if (!code) {
    t = cr__new("nll_loss", (cr_dtype)g->dtype, cr_device_of(g), shape.n, shape.at);
    if (!t) code = cr_error_code();
  }
  if (!code) {
    cr__launch k;
    cr__launch_begin(&k, "nll_loss", cr_device_of(g));
    cr__launch_view(&k, &k.nll_backward.out, t);
    cr__launch_view(&k, &k.nll_backward.grad, ready[0]);
    cr__launch_view(&k, &k.nll_backward.target, ready[1]);
    cr__launch_view(&k, &k.nll_backward.total, ready[2]);
    if (ready[3]) cr__launch_view(&k, &k.nll_backward.weight, ready[3]);
    k.nll_backward.lines = lines_of(shape.n, shape.at);
    k.nll_backward.ignored = ignore_index, k.nll_backward.reduction = reduction;
    code = cr__launch_run(&k, CR__K_nll_backward);
  }
  drop_ready(ready, 4);
  return cr__filled(code, t);
}

/* Classes as targets, and what weighs them. */
typedef struct choice {
  cr_tensor *target, *weight; /* weight: NULL if all weigh 1 */
  int64_t ignored;            /* the target that counts nothing */
} choice;

/* weight with its elements along the class dim, to be broadcast to input. */
static cr_tensor *along_classes(cr_tensor *weight, const cr_tensor *input) {
  int64_t shape[CR_MAX_DIMS];
  for (int d = 0; d < input->ndim; d++) shape[d] = d == class_dim(input) ? cr__sizes(input)[d] : 1;
  return cr__call_reshape(weight, shape, input->ndim);
}

/* The weight of each target, 0 where it is ignored: what nll picks from minus the weights. */
static cr_tensor *weight_of_each(const char *name, const cr_tensor *input, const choice *c) {
  cr_tensor *both[2] = {NULL, NULL}, *wide = along_classes(c->weight, input),
            *minus = cr__call_neg(wide);
  cr_tensor *full = cr__call_expand(minus, cr__sizes(input), input->ndim);
  if (full && !cr__call_nll(full, c->target, NULL, c->ignored, CR__LOSS_NONE, name, both))
    cr_release(both[1]);
  cr_release(wide), cr_release(minus), cr_release(full);
  return both[0];
}

/* nll put together from parts that have a derivative by the weights, too. */
static cr_tensor *weighed_nll(const char *name, cr_tensor *input, const choice *c,
                              int64_t reduction, cr_tensor **total) {
  cr_tensor *both[2] = {NULL, NULL};
  if (cr__call_nll(input, c->target, NULL, c->ignored, CR__LOSS_NONE, name, both)) return NULL;
  cr_tensor *weights = weight_of_each(name, input, c), *loss = cr__call_mul(both[0], weights);
  *total = cr__call_sum(weights, NULL, -1, false, CR_DTYPE_NONE);
  cr_release(both[0]), cr_release(both[1]), cr_release(weights);
  if (reduction == CR__LOSS_NONE) return loss;
  cr_tensor *sum = cr__loss_reduce(loss, CR__LOSS_SUM);
  if (reduction == CR__LOSS_SUM) return sum;
  cr_tensor *mean = cr__call_div(sum, *total);
  cr_release(sum);
  return mean;
}

/* The loss of input, perhaps NULL, and in *total the sum of the weights of all targets. */
static cr_tensor *nll(const char *name, cr_tensor *input, const choice *c, int64_t reduction,
                      cr_tensor **total) {
  cr_tensor *both[2] = {NULL, NULL};
  *total = NULL;
  if (!input) return NULL;
  if (c->weight && cr_requires_grad(c->weight) && cr__recording())
    return weighed_nll(name, input, c, reduction, total);
  if (cr__call_nll(input, c->target, c->weight, c->ignored, reduction, name, both)) return NULL;
  *total = both[1];
  return both[0];
}

static cr_tensor *nll_alone(const char *name, cr_tensor *input, const choice *c,
                            int64_t reduction) {
  cr_tensor *total, *loss = nll(name, input, c, reduction, &total);
  cr_release(total);
  return loss;
}

cr_tensor *cr__run_nll_first(const cr_op *op, cr_tensor *self, cr_tensor *target, cr_tensor *weight,
                             int64_t ignore_index, int64_t reduction) {
  (void)op;
  return nll_alone("nll_loss", self, &(choice){target, weight, ignore_index}, reduction);
}

cr_tensor *cr__run_nll_loss(const cr_op *op, cr_tensor *input, cr_tensor *target, cr_tensor *weight,
                            int64_t ignore_index, int reduction) {
  if (need_classes(op->name, input) || need_targets(op->name, input, target) ||
      need_weight(op->name, input, weight))
    return NULL;
  return nll_alone(op->name, input, &(choice){target, weight, ignore_index}, reduction);
}

/* ---- Cross entropy ---- */

/* values times the weights of their classes; values itself (retained) without weights. */
static cr_tensor *by_class(cr_tensor *values, cr_tensor *weight, const cr_tensor *input) {
  if (!weight) return cr_retain(values);
  cr_tensor *wide = along_classes(weight, input), *result = cr__call_mul(values, wide);
  cr_release(wide);
  return result;
}

/* Minus the sum over the classes. */
static cr_tensor *minus_sum(cr_tensor *values, const cr_tensor *input) {
  int64_t dim = class_dim(input) + 1;
  cr_tensor *sum = cr__call_sum(values, &dim, 1, false, CR_DTYPE_NONE), *result = cr__call_neg(sum);
  cr_release(sum);
  return result;
}

/* The loss against every class alike: the part that label smoothing adds. Stands for 1 / classes. */
static cr_tensor *smooth_loss(const cr_tensor *input, const choice *c, cr_tensor *logp,
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

static cr_tensor *of_classes(const cr_op *op, const cr_tensor *input, const choice *c,
                             cr_tensor *logp, int reduction, double smoothing) {
  int64_t classes = cr__sizes(input)[class_dim(input)];
  cr_tensor *total, *loss = nll(op->name, logp, c, reduction, &total);
  if (smoothing != 0)
    loss = mix(1 - smoothing, loss, smoothing / (double)classes,
               smooth_loss(input, c, logp, total, reduction));
  cr_release(total);
  return loss;
}

/* The target holds the probability of each class. */
static cr_tensor *of_probabilities(const cr_tensor *input, const choice *c, cr_tensor *logp,
                                   int reduction, double smoothing) {
  int64_t classes = cr__sizes(input)[class_dim(input)];
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

cr_tensor *cr__run_cross_entropy(const cr_op *op, cr_tensor *input, cr_tensor *target,
                                 cr_tensor *weight, int64_t ignore_index, int reduction,
                                 double label_smoothing) {
  int code = need_classes(op->name, input);
  bool probabilities = !code && holds_probabilities(input, target);
  if (!code && !probabilities) code = need_targets(op->name, input, target);
  if (!code) code = need_weight(op->name, input, weight);
  if (!code && !(label_smoothing >= 0 && label_smoothing <= 1)) {
    code = cr__fail(CR_E_ARGUMENT, "%s: label_smoothing is %g; it must lie between 0 and 1",
                    op->name, label_smoothing);
  }
  if (!code && probabilities && ignore_index >= 0) {
    code = cr__fail(CR_E_ARGUMENT,
                    "%s: ignore_index is %lld, but a target of probabilities names no "
                    "class to ignore",
                    op->name, (long long)ignore_index);
  }
  if (code) return NULL;
  cr_tensor *logp = cr__call_log_softmax(input, class_dim(input) + 1, CR_DTYPE_NONE);
  if (!logp) return NULL;
  choice c = {target, weight, ignore_index};
  cr_tensor *loss = probabilities ? of_probabilities(input, &c, logp, reduction, label_smoothing)
                                  : of_classes(op, input, &c, logp, reduction, label_smoothing);
  cr_release(logp);
  return loss;
}
