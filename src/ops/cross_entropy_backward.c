/* cross_entropy_backward.c: the gradient of cross entropy for rows of classes, as operations that have derivatives.
 *
 * Holds true: targets and weights are constants here: where they have gradients, other operations compute the loss. */
#include "autograd/graph.h"
#include "class_loss.h"

/* What the gradient knows of the loss. */
typedef struct slope {
  cr_tensor *grad, *input, *total;
  cr__choice c;
  int64_t reduction;
  double smoothing;
} slope;

/* The gradient by each row's loss before the reduction, with a dim of size 1 behind the rows'. */
static cr_tensor *by_rows(const slope *s) {
  cr_tensor *share = s->grad;
  int64_t shape[2] = {cr__sizes(s->input)[0], 1};
  bool mean = s->reduction == CR__LOSS_MEAN;
  cr_tensor *total = mean ? cr__call_to(s->total, (cr_dtype)share->dtype, cr_none(), false) : NULL;
  share = mean ? cr__call_div(share, total) : cr_retain(share);
  cr_tensor *column = s->input->ndim == 1 || !share ? cr_retain(share)
                      : share->ndim                 ? cr__call_unsqueeze(share, -1)
                                                    : cr__call_expand(share, shape, 2);
  cr_release(total), cr_release(share);
  return column;
}

/* values times the weights of the classes; steals values. */
static cr_tensor *weighed(cr_tensor *values, const slope *s) {
  if (!s->c.weight || !values) return values;
  cr_tensor *r = cr__call_mul(values, s->c.weight);
  cr_release(values);
  return r;
}

/* a * x, which is stolen. */
static cr_tensor *times(double a, cr_tensor *x) {
  cr_tensor *r = cr__call_mul_scalar(x, cr_float(a));
  cr_release(x);
  return r;
}

static cr_tensor *sum_of_both(cr_tensor *a, cr_tensor *b) {
  cr_tensor *r = cr__call_add(a, b);
  cr_release(a), cr_release(b);
  return r;
}

/* The gradient by log_softmax(input) of targets that are classes. */
static cr_tensor *by_logs_of_classes(const slope *s) {
  const int64_t *shape = cr__sizes(s->input);
  cr_tensor *total = cr__call_to(s->total, (cr_dtype)s->input->dtype, cr_none(), false);
  cr_tensor *own = total ? cr__call_nll_backward(s->grad, s->c.target, s->c.weight, total, shape,
                                                 s->input->ndim, s->c.ignored, s->reduction)
                         : NULL;
  cr_release(total);
  if (s->smoothing == 0 || !own) return own;
  double classes = (double)shape[s->input->ndim - 1];
  cr_tensor *rows = by_rows(s), *marks = cr__call_eq_scalar(s->c.target, cr_int(s->c.ignored));
  cr_tensor *column = s->input->ndim == 1 ? cr_retain(marks) : cr__call_unsqueeze(marks, -1);
  cr_tensor *kept = cr__call_masked_fill_scalar(rows, column, cr_int(0));
  cr_tensor *wide = cr__call_expand(kept, shape, s->input->ndim);
  cr_release(rows), cr_release(marks), cr_release(column), cr_release(kept);
  cr_tensor *even = times(-s->smoothing / classes, weighed(wide, s));
  return sum_of_both(times(1 - s->smoothing, own), even);
}

/* The same of targets that are probabilities. */
static cr_tensor *by_logs_of_probabilities(const slope *s) {
  double classes = (double)cr__sizes(s->input)[s->input->ndim - 1];
  cr_tensor *part = cr__call_to(s->c.target, (cr_dtype)s->input->dtype, cr_none(), false);
  if (s->smoothing != 0 && part) {
    part = times(1 - s->smoothing, part);
    cr_tensor *more = cr__call_add_scalar(part, cr_float(s->smoothing / classes));
    cr_release(part);
    part = more;
  }
  cr_tensor *rows = by_rows(s), *all = weighed(part, s), *product = cr__call_mul(all, rows);
  cr_tensor *r = cr__call_neg(product);
  cr_release(rows), cr_release(all), cr_release(product);
  return r;
}

/* By operations that record themselves. */
static cr_tensor *composed(const slope *s) {
  cr_tensor *by_logs =
      s->c.target->dtype == CR_INT64 ? by_logs_of_classes(s) : by_logs_of_probabilities(s);
  cr_tensor *logs = by_logs ? cr__call_log_softmax(s->input, s->input->ndim, CR_DTYPE_NONE) : NULL;
  cr_tensor *r = logs ? cr__call_log_softmax_backward(by_logs, logs, s->input->ndim) : NULL;
  cr_release(by_logs), cr_release(logs);
  return r;
}

cr_tensor *cr__run_cross_entropy_backward(const cr_op *op, cr_tensor *self, cr_tensor *input,
                                          cr_tensor *target, cr_tensor *weight, cr_tensor *total,
                                          cr_tensor *lines, int64_t ignore_index, int64_t reduction,
                                          double label_smoothing) {
  (void)op;
  if (cr__recording() && (cr_requires_grad(self) || cr_requires_grad(input)))
    return composed(
        &(slope){self, input, total, {target, weight, ignore_index}, reduction, label_smoothing});
  return cr__call_rows_cross_entropy_backward(self, input, target, weight, total, lines,
                                              ignore_index, reduction, label_smoothing);
}
