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

static int need_weight(const char *op, const cr_tensor *input, cr_value weight) {
  if (weight.kind == CR_NONE) return 0;
  const cr_tensor *w = weight.u.t;
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
static int make_ready(const cr_value *from, int n, cr_tensor **ready) {
  int code = 0;
  for (int i = 0; i < n; i++) {
    ready[i] = from[i].kind == CR_TENSOR && !code ? CR__CALL(contiguous, from[i]) : NULL;
    if (from[i].kind == CR_TENSOR && !ready[i] && !code) code = cr_error_code();
  }
  return code;
}

static void drop_ready(cr_tensor **ready, int n) {
  for (int i = 0; i < n; i++) cr_release(ready[i]);
}

/* args: self, target, weight, ignore_index, reduction, name. */
int cr__run_nll(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)op, (void)nout;
  const char *name = args[5].u.s;
  cr_tensor *self = args[0].u.t, *target = args[1].u.t, *ready[3];
  cr_dtype dtype = (cr_dtype)self->dtype;
  cr_device device = cr_device_of(self);
  bool each = args[4].u.i == CR__LOSS_NONE;
  int code = make_ready(args, 3, ready);
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
    k.nll.ignored = args[3].u.i, k.nll.reduction = args[4].u.i;
    code = cr__launch_run(&k, CR__K_nll);
  }
  drop_ready(ready, 3);
  for (int i = 0; i < 2 && code; i++) {
    cr_release(out[i]);
    out[i] = NULL;
  }
  return code;
}

/* args: gradient, target, weight, total, shape, ignore_index, reduction. */
int cr__run_nll_backward(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)op, (void)nout;
  cr_tensor *g = args[0].u.t, *ready[4], *t = NULL;
  int code = make_ready((cr_value[]){args[0], args[1], args[3], args[2]}, 4, ready);
  if (!code) {
    t = cr__new("nll_loss", (cr_dtype)g->dtype, cr_device_of(g), args[4].n, args[4].u.is);
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
    k.nll_backward.lines = lines_of(args[4].n, args[4].u.is);
    k.nll_backward.ignored = args[5].u.i, k.nll_backward.reduction = args[6].u.i;
    code = cr__launch_run(&k, CR__K_nll_backward);
  }
  drop_ready(ready, 4);
  return cr__give_if(code, t, out);
}

/* weight with its elements along the class dim, to be broadcast to input. */
static cr_value along_classes(cr_value weight, const cr_tensor *input) {
  int64_t shape[CR_MAX_DIMS];
  for (int d = 0; d < input->ndim; d++) {
    shape[d] = d == class_dim(input) ? cr__sizes(input)[d] : 1;
  }
  return cr__do(CR__OP_reshape, (cr_value[]){weight, cr_ints(shape, input->ndim)});
}

/* The weight of each target, 0 where it is ignored: what nll picks from minus the weights. */
static cr_value weight_of_each(const char *name, const cr_value *args) {
  cr_tensor *input = args[0].u.t, *both[CR_MAX_OUTPUTS] = {NULL};
  cr_value shape = cr_ints(cr__sizes(input), input->ndim);
  cr_value wide = along_classes(args[2], input);
  cr_value minus = cr__do(CR__OP_neg, (cr_value[]){wide});
  cr_value full = cr__do(CR__OP_expand, (cr_value[]){minus, shape});
  cr_value call[] = {full, args[1], cr_none(), args[3], cr_int(CR__LOSS_NONE), cr_string(name)};
  if (full.kind == CR_TENSOR && !cr_call(&cr__ops[CR__OP_nll], call, both, NULL)) {
    cr_release(both[1]);
  }
  cr__drop(wide), cr__drop(minus), cr__drop(full);
  return cr_of(both[0]);
}

/* nll put together from parts that have a derivative by the weights, too. */
static cr_value weighed_nll(const char *name, const cr_value *args, int64_t reduction,
                            cr_value *total) {
  cr_tensor *both[CR_MAX_OUTPUTS] = {NULL};
  cr_value none = cr_none(), no = cr_bool(false);
  cr_value call[] = {args[0], args[1], none, args[3], cr_int(CR__LOSS_NONE), cr_string(name)};
  if (cr_call(&cr__ops[CR__OP_nll], call, both, NULL)) return none;
  cr_value weights = weight_of_each(name, args), each = cr_of(both[0]);
  cr_value loss = cr__do(CR__OP_mul, (cr_value[]){each, weights});
  *total = cr__do(CR__OP_sum, (cr_value[]){weights, none, no, none});
  cr_release(both[1]);
  cr__drop(each), cr__drop(weights);
  if (reduction == CR__LOSS_NONE) return loss;
  cr_value sum = cr_of(cr__loss_reduce(loss, CR__LOSS_SUM));
  if (reduction == CR__LOSS_SUM) return sum;
  cr_value mean = cr__do(CR__OP_div, (cr_value[]){sum, *total});
  cr__drop(sum);
  return mean;
}

/* Both results of nll for args: self, target, weight, ignore_index. */
static cr_value nll(const char *name, const cr_value *args, int64_t reduction, cr_value *total) {
  cr_tensor *both[CR_MAX_OUTPUTS] = {NULL};
  *total = cr_none();
  if (args[0].kind == CR_NONE) return cr_none();
  if (args[2].kind == CR_TENSOR && cr_requires_grad(args[2].u.t) && cr__recording()) {
    return weighed_nll(name, args, reduction, total);
  }
  cr_value call[] = {args[0], args[1], args[2], args[3], cr_int(reduction), cr_string(name)};
  if (cr_call(&cr__ops[CR__OP_nll], call, both, NULL)) return cr_none();
  *total = cr_of(both[1]);
  return cr_of(both[0]);
}

static int give_nll(const char *name, const cr_value *args, int64_t reduction, cr_tensor **out) {
  cr_value total, loss = nll(name, args, reduction, &total);
  cr__drop(total);
  return cr__give(loss.u.t, out);
}

/* args: self, target, weight, ignore_index, reduction, as numbers. */
int cr__run_nll_first(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)op, (void)nout;
  return give_nll("nll_loss", args, args[4].u.i, out);
}

/* args: input, target, weight, ignore_index, reduction. */
int cr__run_nll_loss(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr__loss_reduction reduction = cr__loss_reduction_of(args[4]);
  int code = need_classes(op->name, args[0].u.t);
  if (!code) code = need_targets(op->name, args[0].u.t, args[1].u.t);
  if (!code) code = need_weight(op->name, args[0].u.t, args[2]);
  return code ? code : give_nll(op->name, args, reduction, out);
}

/* ---- Cross entropy ---- */

/* values times the weights of their classes; values itself (retained) without weights. */
static cr_value by_class(cr_value values, cr_value weight, const cr_tensor *input) {
  if (weight.kind == CR_NONE) return cr_of(cr_retain(values.u.t));
  cr_value wide = along_classes(weight, input);
  cr_value result = cr__do(CR__OP_mul, (cr_value[]){values, wide});
  cr__drop(wide);
  return result;
}

/* Minus the sum over the classes. */
static cr_value minus_sum(cr_value values, const cr_tensor *input) {
  int64_t dim = class_dim(input) + 1;
  cr_value sum =
      cr__do(CR__OP_sum, (cr_value[]){values, cr_ints(&dim, 1), cr_bool(false), cr_none()});
  cr_value result = cr__do(CR__OP_neg, (cr_value[]){sum});
  cr__drop(sum);
  return result;
}

/* The loss against every class alike: the part that label smoothing adds. Stands for 1 / classes. */
static cr_value smooth_loss(const cr_value *args, cr_value logp, cr_value total, int reduction) {
  cr_value weighed = by_class(logp, args[2], args[0].u.t);
  cr_value sum = minus_sum(weighed, args[0].u.t);
  cr_value ignored = cr__do(CR__OP_eq, (cr_value[]){args[1], args[3]});
  cr_value kept = cr__do(CR__OP_masked_fill, (cr_value[]){sum, ignored, cr_int(0)});
  cr__drop(weighed), cr__drop(sum), cr__drop(ignored);
  if (reduction == CR__LOSS_NONE) return kept;
  cr_value all = cr_of(cr__loss_reduce(kept, CR__LOSS_SUM));
  if (reduction == CR__LOSS_SUM) return all;
  cr_value mean = cr__do(CR__OP_div, (cr_value[]){all, total});
  cr__drop(all);
  return mean;
}

/* a * x + b * y, both stolen. */
static cr_value mix(double a, cr_value x, double b, cr_value y) {
  cr_value left = cr__do(CR__OP_mul, (cr_value[]){x, cr_float(a)});
  cr_value right = cr__do(CR__OP_mul, (cr_value[]){y, cr_float(b)});
  cr_value result = cr__do(CR__OP_add, (cr_value[]){left, right});
  cr__drop(x), cr__drop(y), cr__drop(left), cr__drop(right);
  return result;
}

static cr_value of_classes(const cr_op *op, const cr_value *args, cr_value logp, int reduction) {
  double smoothing = args[5].u.f;
  int64_t classes = cr__sizes(args[0].u.t)[class_dim(args[0].u.t)];
  cr_value call[] = {logp, args[1], args[2], args[3]}, total;
  cr_value loss = nll(op->name, call, reduction, &total);
  if (smoothing != 0) {
    loss = mix(1 - smoothing, loss, smoothing / (double)classes,
               smooth_loss(args, logp, total, reduction));
  }
  cr__drop(total);
  return loss;
}

/* The target holds the probability of each class. */
static cr_value of_probabilities(const cr_value *args, cr_value logp, int reduction) {
  cr_tensor *input = args[0].u.t;
  double smoothing = args[5].u.f;
  int64_t classes = cr__sizes(input)[class_dim(input)];
  cr_value target = cr_of(cr_retain(args[1].u.t));
  if (smoothing != 0) {
    cr_value part = cr__do(CR__OP_mul, (cr_value[]){args[1], cr_float(1 - smoothing)});
    cr__drop(target);
    target = cr__do(CR__OP_add, (cr_value[]){part, cr_float(smoothing / (double)classes)});
    cr__drop(part);
  }
  cr_value product = cr__do(CR__OP_weigh, (cr_value[]){logp, target});
  cr_value weighed = product.kind == CR_NONE ? cr_none() : by_class(product, args[2], input);
  cr_value each = minus_sum(weighed, input);
  cr__drop(target), cr__drop(product), cr__drop(weighed);
  return cr_of(cr__loss_reduce(each, (cr__loss_reduction)reduction));
}

static bool holds_probabilities(const cr_value *args) {
  cr_tensor *input = args[0].u.t, *target = args[1].u.t;
  bool same = input->ndim == target->ndim && cr__is_float((cr_dtype)target->dtype);
  for (int d = 0; d < input->ndim && same; d++) same = cr__sizes(input)[d] == cr__sizes(target)[d];
  return same;
}

/* args: input, target, weight, ignore_index, reduction, label_smoothing. */
int cr__run_cross_entropy(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *input = args[0].u.t;
  cr__loss_reduction reduction = cr__loss_reduction_of(args[4]);
  double smoothing = args[5].u.f;
  int code = need_classes(op->name, input);
  bool probabilities = !code && holds_probabilities(args);
  if (!code && !probabilities) code = need_targets(op->name, input, args[1].u.t);
  if (!code) code = need_weight(op->name, input, args[2]);
  if (!code && !(smoothing >= 0 && smoothing <= 1)) {
    code = cr__fail(CR_E_ARGUMENT, "%s: label_smoothing is %g; it must lie between 0 and 1",
                    op->name, smoothing);
  }
  if (!code && probabilities && args[3].u.i >= 0) {
    code = cr__fail(CR_E_ARGUMENT,
                    "%s: ignore_index is %lld, but a target of probabilities names no "
                    "class to ignore",
                    op->name, (long long)args[3].u.i);
  }
  if (code) return code;
  cr_value logp =
      cr__do(CR__OP_log_softmax, (cr_value[]){args[0], cr_int(class_dim(input) + 1), cr_none()});
  if (logp.kind == CR_NONE) return cr_error_code();
  cr_value loss = probabilities ? of_probabilities(args, logp, reduction)
                                : of_classes(op, args, logp, reduction);
  cr__drop(logp);
  return cr__give(loss.u.t, out);
}
