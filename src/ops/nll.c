/* nll.c: the negative log likelihood of classes, and what losses over classes ask of their arguments.
 *
 * Holds true: classes lie along dim 2 of the input (dim 1 if it has one dim); class targets count from
 * 1. nll and its transpose nll_backward see the input as N x C x D, contiguous. */
#include "autograd/graph.h"
#include "class_loss.h"

/* Lines of classes: N, C and D, the product of all dims behind the classes. */
static cr__line_sizes lines_of(int ndim, const int64_t *shape) {
  cr__line_sizes l = {ndim > 1 ? shape[0] : 1, ndim > 1 ? shape[1] : shape[0], 1};
  for (int d = 2; d < ndim; d++) l.inner *= shape[d];
  return l;
}

int cr__need_classes(const char *op, const cr_tensor *input) {
  if (input->ndim == 0) {
    return cr__fail(CR_E_SHAPE, "%s: expected an input of shape C, NxC or NxCx..., got a 0-dim one",
                    op);
  }
  return cr__need_float(op, (cr_dtype)input->dtype, "convert input first");
}

/* The target must have input's shape without the classes. */
int cr__need_targets(const char *op, const cr_tensor *input, const cr_tensor *target) {
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
    if (d != cr__class_dim(input)) fits = cr__sizes(target)[at++] == cr__sizes(input)[d];
  }
  if (fits) return 0;
  cr__text a, b;
  return cr__fail(CR_E_SHAPE,
                  "%s: target of shape %s does not fit input of shape %s; it has input's "
                  "dims without the classes, dim %d",
                  op, cr__shape_text(target->ndim, cr__sizes(target), &a),
                  cr__shape_text(input->ndim, cr__sizes(input), &b), cr__class_dim(input) + 1);
}

int cr__need_class_weight(const char *op, const cr_tensor *input, const cr_tensor *w) {
  if (!w) return 0;
  int64_t classes = cr__sizes(input)[cr__class_dim(input)];
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

int cr__run_nll(const cr_op *op, cr_tensor *self, cr_tensor *target, cr_tensor *weight,
                int64_t ignore_index, int64_t reduction, const char *name, cr_tensor **out) {
  (void)op;
  cr_tensor *ready[3];
  cr_dtype dtype = (cr_dtype)self->dtype;
  cr_device device = cr_device_of(self);
  bool each = reduction == CR__LOSS_NONE;
  int code = cr__make_ready((cr_tensor *[]){self, target, weight}, 3, ready);
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
  cr__drop_ready(ready, 3);
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
  int code = cr__make_ready((cr_tensor *[]){self, target, total, weight}, 4, ready);
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
  cr__drop_ready(ready, 4);
  return cr__filled(code, t);
}

/* weight with its elements along the class dim, to be broadcast to input. */
cr_tensor *cr__along_classes(cr_tensor *weight, const cr_tensor *input) {
  int64_t shape[CR_MAX_DIMS];
  for (int d = 0; d < input->ndim; d++)
    shape[d] = d == cr__class_dim(input) ? cr__sizes(input)[d] : 1;
  return cr__call_reshape(weight, shape, input->ndim);
}

/* The weight of each target, 0 where it is ignored: what nll picks from minus the weights. */
static cr_tensor *weight_of_each(const char *name, const cr_tensor *input, const cr__choice *c) {
  cr_tensor *both[2] = {NULL, NULL}, *wide = cr__along_classes(c->weight, input),
            *minus = cr__call_neg(wide);
  cr_tensor *full = cr__call_expand(minus, cr__sizes(input), input->ndim);
  if (full && !cr__call_nll(full, c->target, NULL, c->ignored, CR__LOSS_NONE, name, both))
    cr_release(both[1]);
  cr_release(wide), cr_release(minus), cr_release(full);
  return both[0];
}

/* nll put together from parts that have a derivative by the weights, too. */
static cr_tensor *weighed_nll(const char *name, cr_tensor *input, const cr__choice *c,
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
cr_tensor *cr__nll_of(const char *name, cr_tensor *input, const cr__choice *c, int64_t reduction,
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

static cr_tensor *nll_alone(const char *name, cr_tensor *input, const cr__choice *c,
                            int64_t reduction) {
  cr_tensor *total, *loss = cr__nll_of(name, input, c, reduction, &total);
  cr_release(total);
  return loss;
}

cr_tensor *cr__run_nll_first(const cr_op *op, cr_tensor *self, cr_tensor *target, cr_tensor *weight,
                             int64_t ignore_index, int64_t reduction) {
  (void)op;
  return nll_alone("nll_loss", self, &(cr__choice){target, weight, ignore_index}, reduction);
}

cr_tensor *cr__run_nll_loss(const cr_op *op, cr_tensor *input, cr_tensor *target, cr_tensor *weight,
                            int64_t ignore_index, int reduction) {
  if (cr__need_classes(op->name, input) || cr__need_targets(op->name, input, target) ||
      cr__need_class_weight(op->name, input, weight))
    return NULL;
  return nll_alone(op->name, input, &(cr__choice){target, weight, ignore_index}, reduction);
}
