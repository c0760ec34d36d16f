/* ctc.c: connectionist temporal classification.
 *
 * Holds true: lengths are read on the host, where sizes depend on them, and checked before anything is computed;
 * class numbers are checked by the kernel, before it reads by them. */
#include <math.h>

#include "autograd/graph.h"
#include "loss.h"

/* What a call is about, with a dim of samples and contiguous tensors of int64. */
typedef struct ctc {
  const char *op;
  cr_tensor *log_probs, *targets, *input_lengths, *target_lengths;
  int64_t steps, batch, classes, longest;
} ctc;

static void drop(ctc *c) {
  cr_release(c->log_probs), cr_release(c->targets);
  cr_release(c->input_lengths), cr_release(c->target_lengths);
}

static int need_integers(const char *op, const char *what, const cr_tensor *t) {
  if (cr__category((cr_dtype)t->dtype) == CR_INTEGRAL) return 0;
  return cr__fail(CR_E_DTYPE, "%s: expected %s of an integer dtype, got %s", op, what,
                  cr_dtype_name((cr_dtype)t->dtype));
}

/* An error unless targets can hold those of all samples; their lengths are checked later. */
static int need_targets(const ctc *c, const cr_tensor *targets, bool batched) {
  int most = batched ? 2 : 1;
  bool fits = targets->ndim == 1 || targets->ndim == most;
  if (fits && targets->ndim == 2) fits = cr__sizes(targets)[0] == c->batch;
  if (fits) return 0;
  cr__text a;
  return cr__fail(CR_E_SHAPE,
                  "%s: targets of shape %s do not fit %lld samples; they have a row for each, or "
                  "one dim for all of them",
                  c->op, cr__shape_text(targets->ndim, cr__sizes(targets), &a),
                  (long long)c->batch);
}

static int need_lengths(const ctc *c, const char *what, const cr_tensor *lengths) {
  int code = need_integers(c->op, what, lengths);
  if (code || (lengths->ndim <= 1 && lengths->numel == c->batch)) return code;
  cr__text a;
  return cr__fail(CR_E_SHAPE, "%s: %s of shape %s must have an element for each of %lld samples",
                  c->op, what, cr__shape_text(lengths->ndim, cr__sizes(lengths), &a),
                  (long long)c->batch);
}

/* Contiguous, of int64, with a single dim where `flat`. */
static cr_tensor *as_int64(cr_tensor *t, bool flat) {
  cr_tensor *whole = cr__call_to(t, CR_INT64, cr_none(), false),
            *dense = cr__call_contiguous(whole);
  cr_tensor *r = flat && dense ? cr__call_reshape(dense, &dense->numel, 1) : cr_retain(dense);
  cr_release(whole), cr_release(dense);
  return r;
}

/* Checks the lengths one by one, from 0 to `most`; in *longest the largest and in *sum their sum. */
static int read_lengths(const ctc *c, const char *what, cr_tensor *lengths, int64_t most,
                        const char *of, int64_t *longest, int64_t *sum) {
  cr_tensor *here = cr__call_to(lengths, CR_INT64, cr_device_value(CR_CPU), false);
  if (!here) return (int)cr_error_code();
  const int64_t *n = (const int64_t *)(const void *)cr__data(here);
  int code = 0;
  *longest = *sum = 0;
  for (int64_t i = 0; i < c->batch && !code; i++) {
    if (n[i] < 0 || n[i] > most)
      code = cr__fail(CR_E_ARGUMENT,
                      "%s: %s hold %lld for sample %lld; they lie between 0 and %lld, %s", c->op,
                      what, (long long)n[i], (long long)i + 1, (long long)most, of);
    else if (*sum += n[i], n[i] > *longest) *longest = n[i];
  }
  cr_release(here);
  return code;
}

static int check_lengths(ctc *c) {
  int64_t unused, sum, room = cr__sizes(c->targets)[c->targets->ndim - 1];
  bool rows = c->targets->ndim == 2;
  int code = read_lengths(c, "input_lengths", c->input_lengths, c->steps, "the steps of log_probs",
                          &unused, &sum);
  if (!code)
    code = read_lengths(c, "target_lengths", c->target_lengths, room,
                        rows ? "the length of a row of targets" : "the length of targets",
                        &c->longest, &sum);
  if (code || rows || sum == room) return code;
  return cr__fail(CR_E_ARGUMENT,
                  "%s: target_lengths add up to %lld, but targets have %lld elements", c->op,
                  (long long)sum, (long long)room);
}

/* Checks the arguments and fills *c; what is in it is to be dropped in any case. */
static int begin(ctc *c, const cr_op *op, cr_tensor *log_probs, cr_tensor *targets,
                 cr_tensor *input_lengths, cr_tensor *target_lengths, int64_t blank) {
  int batched = log_probs->ndim == 3;
  cr__text text;
  *c = (ctc){.op = op->name};
  if (!batched && log_probs->ndim != 2)
    return cr__fail(CR_E_SHAPE,
                    "%s: expected log_probs of shape steps x batch x classes or steps x classes, "
                    "got %s",
                    op->name, cr__shape_text(log_probs->ndim, cr__sizes(log_probs), &text));
  int code = cr__need_float(op->name, (cr_dtype)log_probs->dtype, "convert log_probs first");
  c->steps = cr__sizes(log_probs)[0], c->classes = cr__sizes(log_probs)[log_probs->ndim - 1];
  c->batch = batched ? cr__sizes(log_probs)[1] : 1;
  if (!code && (blank < 1 || blank > c->classes))
    code = cr__fail(CR_E_INDEX,
                    "%s: blank is %lld; it must be one of %lld classes, which count from 1",
                    op->name, (long long)blank, (long long)c->classes);
  if (!code) code = need_integers(op->name, "targets", targets);
  if (!code) code = need_targets(c, targets, batched);
  if (!code) code = need_lengths(c, "input_lengths", input_lengths);
  if (!code) code = need_lengths(c, "target_lengths", target_lengths);
  if (code) return code;
  c->log_probs = batched ? cr_retain(log_probs) : cr__call_unsqueeze(log_probs, 2);
  c->targets = c->log_probs ? as_int64(targets, false) : NULL;
  c->input_lengths = c->targets ? as_int64(input_lengths, true) : NULL;
  c->target_lengths = c->input_lengths ? as_int64(target_lengths, true) : NULL;
  return c->target_lengths ? check_lengths(c) : (int)cr_error_code();
}

/* The losses of all samples (stolen, perhaps NULL), reduced. */
static cr_tensor *reduced(cr_tensor *losses, const ctc *c, int reduction, bool batched) {
  if (!losses) return NULL;
  if (reduction == CR__LOSS_MEAN) {
    cr_tensor *n = cr__call_clamp_min_scalar(c->target_lengths, cr_int(1));
    cr_tensor *each = n ? cr__call_div(losses, n) : NULL;
    cr_release(n), cr_release(losses);
    return cr__loss_reduce(each, CR__LOSS_MEAN);
  }
  if (reduction == CR__LOSS_SUM || batched)
    return cr__loss_reduce(losses, (cr__loss_reduction)reduction);
  int64_t first = 1;
  cr_tensor *only = cr__call_squeeze(losses, &first, 1);
  cr_release(losses);
  return only;
}

/* The losses (stolen), 0 where they are infinite. */
static cr_tensor *without_infinity(cr_tensor *losses) {
  cr_tensor *endless = cr__call_eq_scalar(losses, cr_float(INFINITY));
  cr_tensor *r = cr__call_masked_fill_scalar(losses, endless, cr_int(0));
  cr_release(endless), cr_release(losses);
  return r;
}

cr_tensor *cr__run_ctc_loss(const cr_op *op, cr_tensor *log_probs, cr_tensor *targets,
                            cr_tensor *input_lengths, cr_tensor *target_lengths, int64_t blank,
                            int reduction, bool zero_infinity) {
  ctc c;
  cr_tensor *both[2] = {NULL, NULL}, *loss = NULL;
  int code = begin(&c, op, log_probs, targets, input_lengths, target_lengths, blank);
  if (!code)
    code = cr__call_ctc(c.log_probs, c.targets, c.input_lengths, c.target_lengths, blank,
                        2 * c.longest + 1, zero_infinity, both);
  if (!code) {
    cr_release(both[1]);
    if (zero_infinity) both[0] = without_infinity(both[0]);
    loss = reduced(both[0], &c, reduction, log_probs->ndim == 3);
  }
  drop(&c);
  return loss;
}

/* ---- The kernels ---- */

/* From one row of targets to the next; 0: they follow one another. */
static int64_t row_of(const cr_tensor *targets) {
  return targets->ndim == 2 ? cr__sizes(targets)[1] : 0;
}

int cr__run_ctc(const cr_op *op, cr_tensor *self, cr_tensor *targets, cr_tensor *input_lengths,
                cr_tensor *target_lengths, int64_t blank, int64_t width, bool zero_infinity,
                cr_tensor **out) {
  (void)zero_infinity; /* the derivative's business */
  const int64_t *size = cr__sizes(self);
  cr_device device = cr_device_of(self);
  cr_tensor *ready = cr__call_contiguous(self);
  out[0] = ready ? cr__new(op->lua, (cr_dtype)self->dtype, device, 1, &size[1]) : NULL;
  out[1] =
      out[0] ? cr__new(op->lua, CR_FLOAT64, device, 3, (int64_t[]){size[1], size[0], width}) : NULL;
  int code = out[1] ? 0 : (int)cr_error_code();
  if (!code) {
    cr__launch k;
    cr__launch_begin(&k, op->lua, device);
    cr__launch_view(&k, &k.ctc.loss, out[0]);
    cr__launch_view(&k, &k.ctc.alpha, out[1]);
    cr__launch_view(&k, &k.ctc.log_probs, ready);
    cr__launch_view(&k, &k.ctc.targets, targets);
    cr__launch_view(&k, &k.ctc.input_lengths, input_lengths);
    cr__launch_view(&k, &k.ctc.target_lengths, target_lengths);
    k.ctc.steps = size[0], k.ctc.batch = size[1], k.ctc.classes = size[2];
    k.ctc.width = width, k.ctc.blank = blank, k.ctc.row = row_of(targets);
    code = cr__launch_run(&k, CR__K_ctc);
  }
  cr_release(ready);
  for (int i = 0; i < 2 && code; i++) {
    cr_release(out[i]);
    out[i] = NULL;
  }
  return code;
}

cr_tensor *cr__run_ctc_backward(const cr_op *op, cr_tensor *self, cr_tensor *log_probs,
                                cr_tensor *targets, cr_tensor *input_lengths,
                                cr_tensor *target_lengths, cr_tensor *alpha, int64_t blank,
                                bool zero_infinity) {
  const int64_t *size = cr__sizes(log_probs);
  cr_tensor *grad = cr__call_contiguous(self),
            *ready = grad ? cr__call_contiguous(log_probs) : NULL;
  cr_tensor *t =
      ready ? cr__new(op->lua, (cr_dtype)log_probs->dtype, cr_device_of(log_probs), 3, size) : NULL;
  int code = t ? 0 : (int)cr_error_code();
  if (!code) {
    cr__launch k;
    cr__launch_begin(&k, op->lua, cr_device_of(log_probs));
    cr__launch_view(&k, &k.ctc_backward.out, t);
    cr__launch_view(&k, &k.ctc_backward.grad, grad);
    cr__launch_view(&k, &k.ctc_backward.alpha, alpha);
    cr__launch_view(&k, &k.ctc_backward.log_probs, ready);
    cr__launch_view(&k, &k.ctc_backward.targets, targets);
    cr__launch_view(&k, &k.ctc_backward.input_lengths, input_lengths);
    cr__launch_view(&k, &k.ctc_backward.target_lengths, target_lengths);
    k.ctc_backward.steps = size[0], k.ctc_backward.batch = size[1];
    k.ctc_backward.classes = size[2], k.ctc_backward.width = cr__sizes(alpha)[2];
    k.ctc_backward.blank = blank, k.ctc_backward.row = row_of(targets);
    k.ctc_backward.zero_infinity = zero_infinity;
    code = cr__launch_run(&k, CR__K_ctc_backward);
  }
  cr_release(grad), cr_release(ready);
  return cr__filled(code, t);
}

/* As in PyTorch, the gradient is where it ends. */
int cr__grad_ctc_backward(cr_node *n, const cr_value *g, cr_tensor **gi) {
  (void)n, (void)g, (void)gi;
  return cr__fail(CR_E_ARGUMENT,
                  "ctc_loss: has no second derivative; its gradient cannot be differentiated");
}
