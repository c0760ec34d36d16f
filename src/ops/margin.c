/* margin.c: losses that ask for a distance between what is right and what is wrong.
 *
 * Holds true: every loss but multilabel_margin is a composite of operations that record themselves. All arguments
 * are checked before anything is computed; class numbers are checked where they are first read. */
#include "class_loss.h"

static int need_float(const char *op, const char *what, const cr_tensor *t) {
  if (cr__is_float((cr_dtype)t->dtype)) return 0;
  return cr__fail(CR_E_DTYPE, "%s: expected %s of a float dtype, got %s; convert it", op, what,
                  cr_dtype_name((cr_dtype)t->dtype));
}

cr_tensor *cr__run_soft_margin_loss(const cr_op *op, cr_tensor *input, cr_tensor *target,
                                    int reduction) {
  if (cr__need_some_float(op->name, input, target)) return NULL;
  cr_tensor *product = cr__call_mul(target, input), *log = cr__call_logsigmoid(product),
            *elements = cr__call_neg(log);
  cr_release(product), cr_release(log);
  return cr__loss_reduce(elements, (cr__loss_reduction)reduction);
}

cr_tensor *cr__run_hinge_embedding_loss(const cr_op *op, cr_tensor *input, cr_tensor *target,
                                        double margin, int reduction) {
  if (need_float(op->name, "input", input)) return NULL;
  return cr__loss_reduce(cr__call_hinge_elements(input, target, margin),
                         (cr__loss_reduction)reduction);
}

/* ---- Pairs and triplets ---- */

static int need_same_dims(const char *op, const char *a, const cr_tensor *x, const char *b,
                          const cr_tensor *y) {
  if (x->ndim == y->ndim) return 0;
  cr__text one, other;
  return cr__fail(CR_E_SHAPE, "%s: %s of shape %s and %s of shape %s must have as many dims", op, a,
                  cr__shape_text(x->ndim, cr__sizes(x), &one), b,
                  cr__shape_text(y->ndim, cr__sizes(y), &other));
}

cr_tensor *cr__run_margin_ranking_loss(const cr_op *op, cr_tensor *input1, cr_tensor *input2,
                                       cr_tensor *target, double margin, int reduction) {
  if (need_same_dims(op->name, "input1", input1, "input2", input2) ||
      need_same_dims(op->name, "input1", input1, "target", target) ||
      need_float(op->name, "input1", input1) || need_float(op->name, "input2", input2))
    return NULL;
  return cr__loss_reduce(cr__call_ranking_elements(input1, input2, target, margin),
                         (cr__loss_reduction)reduction);
}

cr_tensor *cr__run_cosine_embedding_loss(const cr_op *op, cr_tensor *input1, cr_tensor *input2,
                                         cr_tensor *target, double margin, int reduction) {
  int ndim = target->ndim + 1;
  if (ndim > 2 || input1->ndim != ndim || input2->ndim != ndim) {
    cr__text a, b, c;
    return cr__no_tensor(cr__fail(CR_E_SHAPE,
                                  "%s: expected inputs of shape NxD and a target of shape N, or D "
                                  "and a 0-dim one; got %s, %s and %s",
                                  op->name, cr__shape_text(input1->ndim, cr__sizes(input1), &a),
                                  cr__shape_text(input2->ndim, cr__sizes(input2), &b),
                                  cr__shape_text(target->ndim, cr__sizes(target), &c)));
  }
  if (need_float(op->name, "input1", input1) || need_float(op->name, "input2", input2)) return NULL;
  return cr__loss_reduce(cr__call_cosine_elements(input1, input2, target, margin),
                         (cr__loss_reduction)reduction);
}

/* margin + near - far, or 0 where that is less; both stolen. */
static cr_tensor *excess(cr_tensor *near, cr_tensor *far, double margin) {
  cr_tensor *wider = cr__call_add_scalar(near, cr_float(margin)), *gap = cr__call_sub(wider, far);
  cr_tensor *result = cr__call_clamp_min_scalar(gap, cr_int(0));
  cr_release(near), cr_release(far), cr_release(wider), cr_release(gap);
  return result;
}

cr_tensor *cr__run_triplet_margin_loss(const cr_op *op, cr_tensor *anchor, cr_tensor *positive,
                                       cr_tensor *negative, double margin, cr_value p, double eps,
                                       bool swap, int reduction) {
  if (need_same_dims(op->name, "anchor", anchor, "positive", positive) ||
      need_same_dims(op->name, "anchor", anchor, "negative", negative) ||
      need_float(op->name, "anchor", anchor) || need_float(op->name, "positive", positive) ||
      need_float(op->name, "negative", negative))
    return NULL;
  if (!(margin > 0))
    return cr__no_tensor(
        cr__fail(CR_E_ARGUMENT, "%s: margin is %g; it must be positive", op->name, margin));
  cr_tensor *near = cr__call_pairwise_distance(anchor, positive, p, eps, false);
  cr_tensor *far = near ? cr__call_pairwise_distance(anchor, negative, p, eps, false) : NULL;
  if (swap && far) {
    cr_tensor *across = cr__call_pairwise_distance(positive, negative, p, eps, false);
    cr_tensor *least = cr__call_minimum(far, across);
    cr_release(far), cr_release(across);
    far = least;
  }
  return cr__loss_reduce(excess(near, far, margin), (cr__loss_reduction)reduction);
}

/* ---- Several classes ---- */

static int need_rows(const char *op, const cr_tensor *input) {
  if (input->ndim == 1 || input->ndim == 2) return need_float(op, "input", input);
  cr__text text;
  return cr__fail(CR_E_SHAPE, "%s: expected an input of shape C or NxC, got %s", op,
                  cr__shape_text(input->ndim, cr__sizes(input), &text));
}

/* `less`: how many dims the target has less than input. */
static int need_target(const char *op, const cr_tensor *input, const cr_tensor *target, int less) {
  if (target->dtype != CR_INT64)
    return cr__fail(CR_E_DTYPE,
                    "%s: expected int64 class targets, got %s; target:long() makes them int64", op,
                    cr_dtype_name((cr_dtype)target->dtype));
  bool fits = target->ndim == input->ndim - less;
  for (int d = 0; d < target->ndim && fits; d++) fits = cr__sizes(target)[d] == cr__sizes(input)[d];
  if (fits) return 0;
  cr__text a, b;
  return cr__fail(CR_E_SHAPE, "%s: target of shape %s does not fit input of shape %s; it %s", op,
                  cr__shape_text(target->ndim, cr__sizes(target), &a),
                  cr__shape_text(input->ndim, cr__sizes(input), &b),
                  less ? "has an element for each row" : "has input's shape");
}

/* The element of each row that its target names. nll checks the targets; it is told to ignore one that is no class
 * number of any tensor. */
static cr_tensor *own_scores(const char *op, cr_tensor *input, cr_tensor *target) {
  cr_tensor *both[2] = {NULL, NULL};
  if (cr__call_nll(input, target, NULL, INT64_MIN, CR__LOSS_NONE, op, both)) return NULL;
  cr_tensor *own = cr__call_neg(both[0]), *column = cr__call_unsqueeze(own, -1);
  cr_release(both[0]), cr_release(both[1]), cr_release(own);
  return column;
}

/* relu(input - own + margin)^p, but 0 for the target's own class. */
static cr_tensor *violations(cr_tensor *input, cr_tensor *target, cr_tensor *own, double margin,
                             int64_t p) {
  cr_tensor *gap = cr__call_sub(input, own), *wider = cr__call_add_scalar(gap, cr_float(margin));
  cr_tensor *z = cr__call_relu(wider), *power = p == 2 ? cr__call_square(z) : cr_retain(z);
  cr_tensor *column = cr__call_unsqueeze(target, -1);
  cr_tensor *others = power ? cr__call_scatter_scalar(power, input->ndim, column, cr_int(0)) : NULL;
  cr_release(gap), cr_release(wider), cr_release(z), cr_release(power), cr_release(column);
  return others;
}

static cr_tensor *multi_margin(const cr_op *op, cr_tensor *input, cr_tensor *target, int64_t p,
                               double margin, cr_tensor *weight, int reduction) {
  if (p != 1 && p != 2)
    return cr__no_tensor(
        cr__fail(CR_E_ARGUMENT, "%s: p is %lld; it must be 1 or 2", op->name, (long long)p));
  if (need_rows(op->name, input) || need_target(op->name, input, target, 1) ||
      cr__need_class_weight(op->name, input, weight))
    return NULL;
  cr_tensor *own = own_scores(op->name, input, target);
  cr_tensor *each = own ? violations(input, target, own, margin, p) : NULL;
  int64_t last = -1;
  cr_tensor *rows = each ? cr__call_mean(each, &last, 1, false, CR_DTYPE_NONE) : NULL;
  cr_release(own), cr_release(each);
  if (weight && rows) {
    cr_tensor *of_rows = cr__call_index_select(weight, 1, target);
    cr_tensor *shaped = cr__call_reshape(of_rows, cr__sizes(target), target->ndim);
    cr_tensor *weighed = cr__call_mul(rows, shaped);
    cr_release(rows), cr_release(of_rows), cr_release(shaped);
    rows = weighed;
  }
  return cr__loss_reduce(rows, (cr__loss_reduction)reduction);
}

/* A single number is a row of one class; one target in a dim of its own makes a row a batch of one. */
cr_tensor *cr__run_multi_margin_loss(const cr_op *op, cr_tensor *input, cr_tensor *target,
                                     int64_t p, double margin, cr_tensor *weight, int reduction) {
  bool batch = input->ndim <= 1 && target->ndim == 1 && target->numel == 1;
  if (input->ndim > 0 && !batch)
    return multi_margin(op, input, target, p, margin, weight, reduction);
  int64_t shape[2] = {1, input->numel};
  cr_tensor *rows = cr__call_reshape(input, batch ? shape : shape + 1, batch ? 2 : 1);
  cr_tensor *r = rows ? multi_margin(op, rows, target, p, margin, weight, reduction) : NULL;
  cr_release(rows);
  return r;
}

cr_tensor *cr__run_multilabel_soft_margin_loss(const cr_op *op, cr_tensor *input, cr_tensor *target,
                                               cr_tensor *weight, int reduction) {
  if (cr__need_same_shape(op->name, input, target) ||
      cr__need_some_float(op->name, input, target) ||
      cr__need_fit(op->name, "weight", weight, input))
    return NULL;
  if (input->ndim == 0)
    return cr__no_tensor(cr__fail(CR_E_SHAPE,
                                  "%s: expected an input with a dim of classes, got a 0-dim one",
                                  op->name));
  cr_tensor *each = cr__call_bce_logits_elements(input, target);
  if (weight) {
    cr_tensor *weighed = cr__call_mul(each, weight);
    cr_release(each);
    each = weighed;
  }
  int64_t last = -1;
  cr_tensor *rows = each ? cr__call_mean(each, &last, 1, false, CR_DTYPE_NONE) : NULL;
  cr_release(each);
  return cr__loss_reduce(rows, (cr__loss_reduction)reduction);
}

/* ---- Several targets of a row ---- */

cr_tensor *cr__run_multilabel_margin_loss(const cr_op *op, cr_tensor *input, cr_tensor *target,
                                          int reduction) {
  int64_t one = 1;
  bool single = input->ndim == 0 && target->ndim == 0; /* a row of one class */
  if ((!single && need_rows(op->name, input)) || need_target(op->name, input, target, 0))
    return NULL;
  if (single && need_float(op->name, "input", input)) return NULL;
  cr_tensor *rows = single ? cr__call_reshape(input, &one, 1) : cr_retain(input);
  cr_tensor *classes = single ? cr__call_reshape(target, &one, 1) : cr_retain(target);
  cr_tensor *each = cr__call_multilabel_margin(rows, classes, op->name);
  cr_release(rows), cr_release(classes);
  return cr__loss_reduce(each, (cr__loss_reduction)reduction);
}

/* The rows and classes of an input, and the contiguous tensors that a kernel reads of. */
typedef struct labelled {
  cr_tensor *input, *target, *other;
  int64_t rows, classes;
} labelled;

static int make_ready(labelled *l, cr_tensor *input, cr_tensor *target, cr_tensor *other) {
  l->classes = cr__sizes(input)[input->ndim - 1];
  l->rows = input->ndim == 2 ? cr__sizes(input)[0] : 1;
  l->input = cr__call_contiguous(input);
  l->target = l->input ? cr__call_contiguous(target) : NULL;
  l->other = l->target && other ? cr__call_contiguous(other) : NULL;
  return l->target && (l->other || !other) ? 0 : (int)cr_error_code();
}

static void drop(labelled *l) { cr_release(l->input), cr_release(l->target), cr_release(l->other); }

/* Of an input the loss (its direction is NULL), else its derivative at input in the direction self. */
cr_tensor *cr__run_multilabel_margin(const cr_op *op, cr_tensor *self, cr_tensor *target,
                                     const char *name, cr_tensor *input) {
  (void)op;
  const char *speaker = name ? name : "multilabel_margin_loss";
  cr_tensor *at = input ? input : self;
  labelled l;
  int code = make_ready(&l, at, target, input ? self : NULL);
  cr_tensor *t =
      code ? NULL
           : cr__new(speaker, (cr_dtype)at->dtype, cr_device_of(at), at->ndim - 1, cr__sizes(at));
  if (!code && !t) code = (int)cr_error_code();
  if (!code) {
    cr__launch k;
    cr__launch_begin(&k, speaker, cr_device_of(at));
    cr__launch_view(&k, &k.multilabel_margin.out, t);
    cr__launch_view(&k, &k.multilabel_margin.input, l.input);
    cr__launch_view(&k, &k.multilabel_margin.target, l.target);
    if (l.other) cr__launch_view(&k, &k.multilabel_margin.direction, l.other);
    k.multilabel_margin.count = l.rows, k.multilabel_margin.classes = l.classes;
    code = cr__launch_run(&k, CR__K_multilabel_margin);
  }
  drop(&l);
  return cr__filled(code, t);
}

cr_tensor *cr__run_multilabel_margin_backward(const cr_op *op, cr_tensor *self, cr_tensor *input,
                                              cr_tensor *target) {
  (void)op;
  labelled l;
  int code = make_ready(&l, input, target, self);
  cr_tensor *t =
      code ? NULL : cr__new_like("multilabel_margin_loss", input, (cr_dtype)input->dtype);
  if (!code && !t) code = (int)cr_error_code();
  if (!code) {
    cr__launch k;
    cr__launch_begin(&k, "multilabel_margin_loss", cr_device_of(input));
    cr__launch_view(&k, &k.multilabel_margin_backward.out, t);
    cr__launch_view(&k, &k.multilabel_margin_backward.grad, l.other);
    cr__launch_view(&k, &k.multilabel_margin_backward.input, l.input);
    cr__launch_view(&k, &k.multilabel_margin_backward.target, l.target);
    k.multilabel_margin_backward.count = l.rows, k.multilabel_margin_backward.classes = l.classes;
    code = cr__launch_run(&k, CR__K_multilabel_margin_backward);
  }
  drop(&l);
  return cr__filled(code, t);
}
