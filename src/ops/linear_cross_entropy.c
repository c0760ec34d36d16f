/* linear_cross_entropy.c: cross entropy of a product, some rows at a time.
 *
 * Holds true: no more than SCORES scores, or those of one row, are stored at a time; the gradient computes them again.
 * Where it is recorded, its parts are operations that record themselves. */
#include "autograd/graph.h"
#include "class_loss.h"

enum { SCORES = 1 << 24 };

/* ---- Arguments ---- */

static int check_product(const cr_op *op, const cr_tensor *input, const cr_tensor *weight,
                         const cr_tensor *bias) {
  cr__text a, b;
  const char *shape = cr__shape_text(weight->ndim, cr__sizes(weight), &a);
  if (input->ndim < 1 || input->ndim > 2)
    return cr__fail(CR_E_SHAPE, "%s: expected an input of shape K or NxK, got %s", op->name,
                    cr__shape_text(input->ndim, cr__sizes(input), &b));
  if (weight->ndim < 2 || (weight->ndim > 2 && input->ndim == 1))
    return cr__fail(CR_E_SHAPE,
                    "%s: linear_weight of shape %s does not fit; expected CxK, or Cx...xK for an "
                    "input of shape NxK",
                    op->name, shape);
  if (cr__sizes(input)[input->ndim - 1] != cr__sizes(weight)[weight->ndim - 1])
    return cr__fail(CR_E_SHAPE,
                    "%s: input of shape %s and linear_weight of shape %s must have equal last "
                    "sizes",
                    op->name, cr__shape_text(input->ndim, cr__sizes(input), &b), shape);
  bool fits = !bias || bias->ndim == weight->ndim - 1;
  for (int d = 0; bias && d < bias->ndim && fits; d++)
    fits = cr__sizes(bias)[d] == cr__sizes(weight)[d];
  if (fits) return cr__need_float(op->name, (cr_dtype)input->dtype, "convert input first");
  return cr__fail(CR_E_SHAPE,
                  "%s: linear_bias of shape %s does not fit linear_weight of shape %s; it has its "
                  "shape without the last dim",
                  op->name, cr__shape_text(bias->ndim, cr__sizes(bias), &b), shape);
}

/* What the scores would be, to check the other arguments by: a tensor without memory for its elements. */
static cr_tensor *outline(const cr_op *op, const cr_tensor *input, const cr_tensor *weight) {
  int64_t shape[CR_MAX_DIMS], none[CR_MAX_DIMS] = {0}, one = 1;
  int ndim = 0;
  if (input->ndim == 2) shape[ndim++] = cr__sizes(input)[0];
  for (int d = 0; d < weight->ndim - 1; d++) shape[ndim++] = cr__sizes(weight)[d];
  cr_tensor *single = cr__new(op->name, (cr_dtype)input->dtype, cr_device_of(input), 1, &one);
  cr_tensor *r = single ? cr__alias(single, ndim, shape, none, 0) : NULL;
  cr_release(single);
  return r;
}

/* ---- Slices ---- */

/* What the losses are of. */
typedef struct product {
  cr_tensor *input, *linear_weight, *bias, *target, *weight;
  int64_t ignored, rows, step; /* step: rows at a time */
  double smoothing;
  const char *name;
} product;

static void plan(product *p) {
  int64_t classes = cr__sizes(p->linear_weight)[0];
  p->rows = cr__sizes(p->input)[0];
  p->step = classes > 0 && classes < SCORES ? SCORES / classes : 1;
}

/* Rows of t from `first` on. */
static cr_tensor *rows_of(cr_tensor *t, int64_t first, int64_t n) {
  return t ? cr__call_narrow(t, 1, first + 1, n) : NULL;
}

/* The scores of some rows; in out their losses, the weights of their targets and what the kernel keeps. */
static cr_tensor *slice_losses(const product *p, int64_t first, int64_t n, cr_tensor *out[3]) {
  cr_tensor *x = rows_of(p->input, first, n), *target = rows_of(p->target, first, n);
  cr_tensor *scores = x && target ? cr__call_linear(x, p->linear_weight, p->bias) : NULL;
  int code = scores ? cr__call_rows_cross_entropy(scores, target, p->weight, p->ignored,
                                                  CR__LOSS_NONE, p->smoothing, p->name, out)
                    : (int)cr_error_code();
  cr_release(x), cr_release(target);
  return cr__filled(code, scores);
}

/* a + b, both stolen; b alone where a is NULL because nothing came before. */
static cr_tensor *gathered(cr_tensor *a, cr_tensor *b, bool first) {
  if (first) return b;
  cr_tensor *r = cr__call_add(a, b);
  cr_release(a), cr_release(b);
  return r;
}

int cr__run_linear_losses(const cr_op *op, cr_tensor *input, cr_tensor *linear_weight,
                          cr_tensor *linear_bias, cr_tensor *target, cr_tensor *weight,
                          int64_t ignore_index, double label_smoothing, const char *name,
                          cr_tensor **out) {
  (void)op;
  product p = {.input = input,
               .linear_weight = linear_weight,
               .bias = linear_bias,
               .target = target,
               .weight = weight,
               .ignored = ignore_index,
               .smoothing = label_smoothing,
               .name = name};
  plan(&p);
  out[1] = NULL;
  out[0] = cr__new(name, (cr_dtype)input->dtype, cr_device_of(input), 1, &p.rows);
  int code = out[0] ? 0 : (int)cr_error_code();
  for (int64_t i = 0; (i < p.rows || i == 0) && !code; i += p.step) {
    int64_t n = p.rows - i < p.step ? p.rows - i : p.step;
    cr_tensor *part[3], *scores = slice_losses(&p, i, n, part), *place = NULL;
    if (!scores) code = (int)cr_error_code();
    if (!code) place = rows_of(out[0], i, n);
    if (!code) code = place ? cr__copy(name, place, part[0]) : (int)cr_error_code();
    if (scores) {
      out[1] = gathered(out[1], part[1], i == 0);
      if (!out[1] && !code) code = (int)cr_error_code();
      cr_release(part[0]), cr_release(part[2]);
    }
    cr_release(scores), cr_release(place);
  }
  return code ? (cr__undo(out, 2), code) : 0;
}

/* ---- The derivative ---- */

/* The gradients of all slices: joined for the input, added up for the others. */
typedef struct gradients {
  cr_tensor *input, *weight, *bias;
  bool wants[3];
} gradients;

/* The gradient by the scores of some rows. */
static cr_tensor *slice_gradient(const product *p, cr_tensor *g, int64_t first, int64_t n) {
  cr_tensor *part[3], *scores = slice_losses(p, first, n, part);
  if (!scores) return NULL;
  cr_tensor *target = rows_of(p->target, first, n), *share = rows_of(g, first, n);
  cr_tensor *r = target && share ? cr__call_cross_entropy_backward(share, scores, target, p->weight,
                                                                   part[1], part[2], p->ignored,
                                                                   CR__LOSS_NONE, p->smoothing)
                                 : NULL;
  cr_release(target), cr_release(share), cr_release(scores);
  for (int i = 0; i < 3; i++) cr_release(part[i]);
  return r;
}

static int add_slice(const product *p, gradients *r, cr_tensor *by_scores, int64_t i, int64_t n) {
  bool first = i == 0, good = true;
  int64_t rows = 1;
  if (r->wants[0]) {
    cr_tensor *part = cr__call_matmul(by_scores, p->linear_weight), *pair[2] = {r->input, part};
    cr_tensor *joined = first ? cr_retain(part) : part ? cr__call_cat(pair, 2, 1) : NULL;
    cr_release(part), cr_release(r->input);
    good &= (r->input = joined) != NULL;
  }
  if (r->wants[1] && good) {
    cr_tensor *x = rows_of(p->input, i, n), *turned = cr__call_transpose(by_scores, 1, 2);
    cr_tensor *part = turned && x ? cr__call_matmul(turned, x) : NULL;
    cr_release(x), cr_release(turned);
    good &= (r->weight = gathered(r->weight, part, first)) != NULL;
  }
  if (r->wants[2] && good)
    good &= (r->bias = gathered(r->bias, cr__call_sum(by_scores, &rows, 1, false, CR_DTYPE_NONE),
                                first)) != NULL;
  return good ? 0 : (int)cr_error_code();
}

/* Edges: input, linear_weight, linear_bias, and then targets and weights, which are constants here. */
int cr__grad_linear_losses(cr_node *n, const cr_value *g, cr_tensor **gi) {
  cr_value v[8];
  for (int i = 0; i < 8; i++) v[i] = cr__unpack(n, i);
  product p = {.input = cr__given_tensor(&v[CR__SAVED_linear_losses_input]),
               .linear_weight = cr__given_tensor(&v[CR__SAVED_linear_losses_linear_weight]),
               .bias = cr__given_tensor(&v[CR__SAVED_linear_losses_linear_bias]),
               .target = cr__given_tensor(&v[CR__SAVED_linear_losses_target]),
               .weight = cr__given_tensor(&v[CR__SAVED_linear_losses_weight]),
               .ignored = v[CR__SAVED_linear_losses_ignore_index].u.i,
               .smoothing = v[CR__SAVED_linear_losses_label_smoothing].u.f,
               .name = "linear_cross_entropy"};
  gradients r = {.wants = {cr__needs(n, 0), cr__needs(n, 1), cr__needs(n, 2)}};
  int code = p.input && p.linear_weight && p.target ? 0 : (int)cr_error_code();
  if (!code) plan(&p);
  for (int64_t i = 0; !code && (i < p.rows || i == 0); i += p.step) {
    int64_t m = p.rows - i < p.step ? p.rows - i : p.step;
    cr_tensor *by_scores = slice_gradient(&p, g[0].u.t, i, m);
    code = by_scores ? add_slice(&p, &r, by_scores, i, m) : (int)cr_error_code();
    cr_release(by_scores);
  }
  for (int i = 0; i < 8; i++) cr__drop(v[i]);
  gi[0] = r.input, gi[1] = r.weight, gi[2] = r.bias;
  return code;
}

/* ---- The loss ---- */

/* By the scores as a whole: where there are several to a row, or targets and weights have gradients. */
static cr_tensor *whole(cr_tensor *input, cr_tensor *linear_weight, cr_tensor *bias,
                        cr_tensor *shape_of, const cr__choice *c, const char *reduction,
                        double smoothing) {
  int64_t flat[2] = {-1, cr__sizes(input)[input->ndim - 1]}, line = -1;
  cr_tensor *w = cr__call_reshape(linear_weight, flat, 2),
            *b = bias ? cr__call_reshape(bias, &line, 1) : NULL;
  cr_tensor *product = w && (b || !bias) ? cr__call_linear(input, w, b) : NULL;
  cr_tensor *scores =
      product ? cr__call_reshape(product, cr__sizes(shape_of), shape_of->ndim) : NULL;
  cr_tensor *r = scores ? cr__call_cross_entropy(scores, c->target, c->weight, c->ignored,
                                                 reduction, smoothing)
                        : NULL;
  cr_release(w), cr_release(b), cr_release(product), cr_release(scores);
  return r;
}

static bool constant(const cr_tensor *t) { return !t || !cr_requires_grad(t) || !cr__recording(); }

/* Row by row, then reduced. */
static cr_tensor *in_slices(const cr_op *op, cr_tensor *input, cr_tensor *linear_weight,
                            cr_tensor *bias, const cr__choice *c, int reduction, double smoothing) {
  cr_tensor *out[2];
  if (cr__call_linear_losses(input, linear_weight, bias, c->target, c->weight, c->ignored,
                             smoothing, op->name, out))
    return NULL;
  if (reduction != CR__LOSS_MEAN) {
    cr_release(out[1]);
    return cr__loss_reduce(out[0], (cr__loss_reduction)reduction);
  }
  cr_tensor *sum = cr__loss_reduce(out[0], CR__LOSS_SUM);
  cr_tensor *total = sum ? cr__call_to(out[1], (cr_dtype)sum->dtype, cr_none(), false) : NULL;
  cr_tensor *mean = total ? cr__call_div(sum, total) : NULL;
  cr_release(sum), cr_release(out[1]), cr_release(total);
  return mean;
}

cr_tensor *cr__run_linear_cross_entropy(const cr_op *op, cr_tensor *input, cr_tensor *linear_weight,
                                        cr_tensor *target, cr_tensor *linear_bias,
                                        cr_tensor *weight, int reduction,
                                        const int64_t *ignore_index, double label_smoothing) {
  if (check_product(op, input, linear_weight, linear_bias)) return NULL;
  bool probabilities;
  cr_tensor *scores = outline(op, input, linear_weight);
  cr__choice c = {target, weight, ignore_index ? *ignore_index : -100};
  int code = !scores ? (int)cr_error_code()
                     : cr__check_cross_entropy(op->name, scores, target, weight, c.ignored,
                                               label_smoothing, &probabilities);
  bool slices = input->ndim == 2 && linear_weight->ndim == 2 && cr__sizes(linear_weight)[0] > 0 &&
                constant(target) && constant(weight);
  static const char *const words[] = {"none", "mean", "sum"};
  cr_tensor *r =
      code ? NULL
      : slices
          ? in_slices(op, input, linear_weight, linear_bias, &c, reduction, label_smoothing)
          : whole(input, linear_weight, linear_bias, scores, &c, words[reduction], label_smoothing);
  cr_release(scores);
  return r;
}
