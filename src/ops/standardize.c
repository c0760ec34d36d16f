/* standardize.c: rows less their mean, over their spread: what all normalizations are made of.
 *
 * Holds true: what the kernels read is contiguous, and seen as rows. The second derivative is made of operations, so that
 * those of every order follow. */
#include <math.h>

#include "reduce.h"
#include "standardize.h"
#include "work.h"

static cr__rows rows_of(cr__ints layout) {
  const int64_t *n = layout.at;
  return (cr__rows){n[0], n[1], n[2], n[3], n[4]};
}

/* ---- The kernels ---- */

int cr__run_standardize(const cr_op *op, cr_tensor *self, cr_tensor *weight, cr_tensor *bias,
                        cr__ints layout, double eps, bool centred, cr_tensor **out) {
  cr__rows r = rows_of(layout);
  int64_t count = r.outer * r.groups;
  cr_device device = cr_device_of(self);
  cr_tensor *ready[3];
  int code = cr__make_ready((cr_tensor *[]){self, weight, bias}, 3, ready);
  if (!code) {
    out[0] = cr__new_like(op->name, ready[0], (cr_dtype)self->dtype);
    for (int i = 1; i < 3; i++)
      out[i] = out[i - 1] ? cr__new(op->name, CR_FLOAT64, device, 1, &count) : NULL;
    if (!out[2]) code = cr_error_code();
  }
  if (!code) {
    cr__launch k;
    cr__launch_begin(&k, op->name, device);
    cr__launch_view(&k, &k.standardize.out, out[0]);
    cr__launch_view(&k, &k.standardize.mean, out[1]);
    cr__launch_view(&k, &k.standardize.inverse, out[2]);
    cr__launch_view(&k, &k.standardize.from, ready[0]);
    cr__launch_view(&k, &k.standardize.weight, ready[1]);
    cr__launch_view(&k, &k.standardize.bias, ready[2]);
    k.standardize.outer = r.outer, k.standardize.batch = r.batch, k.standardize.groups = r.groups;
    k.standardize.channels = r.channels, k.standardize.inner = r.inner;
    k.standardize.eps = eps, k.standardize.centred = centred;
    code = cr__launch_run(&k, CR__K_standardize);
  }
  cr__drop_ready(ready, 3);
  return code ? (cr__undo(out, 3), code) : 0;
}

int cr__run_standardize_backward(const cr_op *op, cr_tensor *self, cr_tensor *input,
                                 cr_tensor *weight, cr_tensor *mean, cr_tensor *inverse,
                                 cr__ints layout, double eps, bool centred, bool for_weight,
                                 bool for_bias, cr_tensor **out) {
  (void)eps;
  cr__rows r = rows_of(layout);
  int64_t each = r.groups * r.channels, none = 0;
  cr_dtype dtype = (cr_dtype)input->dtype;
  cr_device device = cr_device_of(input);
  bool wanted[] = {for_weight, for_bias};
  cr_tensor *ready[5];
  int code = cr__make_ready((cr_tensor *[]){self, input, weight, mean, inverse}, 5, ready);
  if (!code) {
    out[0] = cr__new_like(op->name, ready[1], dtype);
    for (int i = 1; i < 3; i++)
      out[i] = out[i - 1] ? cr__new(op->name, weight ? (cr_dtype)weight->dtype : dtype, device, 1,
                                    wanted[i - 1] ? &each : &none)
                          : NULL;
    if (!out[2]) code = cr_error_code();
  }
  if (!code) {
    cr__launch k;
    cr__launch_begin(&k, op->name, device);
    cr__launch_view(&k, &k.standardize_backward.out, out[0]);
    cr__launch_view(&k, &k.standardize_backward.for_weight, for_weight ? out[1] : NULL);
    cr__launch_view(&k, &k.standardize_backward.for_bias, for_bias ? out[2] : NULL);
    cr__launch_view(&k, &k.standardize_backward.grad, ready[0]);
    cr__launch_view(&k, &k.standardize_backward.from, ready[1]);
    cr__launch_view(&k, &k.standardize_backward.weight, ready[2]);
    cr__launch_view(&k, &k.standardize_backward.mean, ready[3]);
    cr__launch_view(&k, &k.standardize_backward.inverse, ready[4]);
    k.standardize_backward.outer = r.outer, k.standardize_backward.batch = r.batch;
    k.standardize_backward.groups = r.groups, k.standardize_backward.channels = r.channels;
    k.standardize_backward.inner = r.inner, k.standardize_backward.centred = centred;
    code = cr__launch_run(&k, CR__K_standardize_backward);
  }
  cr__drop_ready(ready, 5);
  return code ? (cr__undo(out, 3), code) : 0;
}

/* ---- Their second derivative ---- */

static const int64_t of_row[] = {2, 4, 5}, of_channel[] = {1, 2, 5};

/* t, of self's elements, as five dims of the dtype that is computed in. */
static cr_tensor *in_rows(cr__work *w, cr_tensor *t, cr_dtype dtype, cr__ints layout) {
  cr_tensor *same = cr__keep(w, cr__call_to(t, dtype, cr_none(), false));
  return cr__keep(w, cr__call_reshape(same, layout.at, 5));
}

/* The same of weight, bias or a gradient of theirs, to be broadcast. */
static cr_tensor *in_channels(cr__work *w, cr_tensor *t, cr_dtype dtype, cr__rows r) {
  cr_tensor *same = cr__keep(w, cr__call_to(t, dtype, cr_none(), false));
  return cr__keep(w, cr__call_reshape(same, (int64_t[]){1, 1, r.groups, r.channels, 1}, 5));
}

static cr_tensor *mean_of(cr__work *w, cr_tensor *t) {
  return cr__keep(w, cr__call_mean(t, of_row, 3, true, CR_DTYPE_NONE));
}

/* Standardized rows and their inverse spreads, with derivatives. */
typedef struct standard {
  cr_tensor *h, *inverse;
  bool centred;
} standard;

/* inverse * (u - mean(u) - h * mean(u h)): what standardize's derivative makes of u. It is symmetric. */
static cr_tensor *projected(cr__work *w, const standard *s, cr_tensor *u) {
  cr_tensor *part = cr__times(w, s->h, mean_of(w, cr__times(w, u, s->h)));
  cr_tensor *away = s->centred ? cr__less(w, u, mean_of(w, u)) : u;
  return cr__times(w, s->inverse, cr__less(w, away, part));
}

/* The gradient for the input of the scalar sum(u projected(v)), where n covariances of a row are q = mean(u v) -
 * mean(u) mean(v) - mean(u h) mean(v h):
 * -inverse * (inverse * q * h + mean(v h) * projected(u) + mean(u h) * projected(v)). */
static cr_tensor *bend(cr__work *w, const standard *s, cr_tensor *u, cr_tensor *v,
                       cr_tensor *projected_u) {
  cr_tensor *uh = mean_of(w, cr__times(w, u, s->h)), *vh = mean_of(w, cr__times(w, v, s->h));
  cr_tensor *q = cr__less(w, mean_of(w, cr__times(w, u, v)), cr__times(w, uh, vh));
  if (s->centred) q = cr__less(w, q, cr__times(w, mean_of(w, u), mean_of(w, v)));
  cr_tensor *sum = cr__times(w, cr__times(w, s->inverse, q), s->h);
  sum = cr__plus(w, sum, cr__times(w, vh, projected_u));
  sum = cr__plus(w, sum, cr__times(w, uh, projected(w, s, v)));
  return cr__keep(w, cr__call_neg(cr__times(w, s->inverse, sum)));
}

/* A result, in the shape and dtype of what it is the gradient of. */
static cr_tensor *finished(cr__work *w, cr_tensor *t, cr_tensor *like) {
  cr_tensor *shaped = t ? cr__keep(w, cr__call_reshape(t, cr__sizes(like), like->ndim)) : NULL;
  return cr__call_to(shaped, (cr_dtype)like->dtype, cr_none(), false);
}

/* What the gradients of standardize_backward's results make of its gradient: u is that for the input. Whether a tensor is
 * there is no question of its pointer, which is NULL after a failure, too. */
typedef struct asked {
  cr_tensor *u, *for_weight, *for_bias;
  bool weighs, of_weight, of_bias;
} asked;

static cr_tensor *for_gradient(cr__work *w, const standard *s, const asked *a, cr_tensor *by,
                               cr_tensor *projected_u) {
  cr_tensor *sum = a->weighs ? cr__times(w, by, projected_u) : projected_u;
  if (a->of_weight) sum = cr__plus(w, sum, cr__times(w, s->h, a->for_weight));
  return a->of_bias ? cr__plus(w, sum, a->for_bias) : sum;
}

int cr__run_standardize_twice(const cr_op *op, cr_tensor *self, cr_tensor *of_weight,
                              cr_tensor *of_bias, cr_tensor *grad, cr_tensor *input,
                              cr_tensor *weight, cr__ints layout, double eps, bool centred,
                              bool for_weight, bool for_bias, cr_tensor **out) {
  (void)op;
  cr__rows r = rows_of(layout);
  cr_dtype dtype = cr__size_of((cr_dtype)input->dtype) < 4 ? CR_FLOAT32 : (cr_dtype)input->dtype;
  cr__work w = {.n = 0};
  cr_tensor *x = in_rows(&w, input, dtype, layout), *g = in_rows(&w, grad, dtype, layout);
  asked a = {in_rows(&w, self, dtype, layout),
             for_weight ? in_channels(&w, of_weight, dtype, r) : NULL,
             for_bias ? in_channels(&w, of_bias, dtype, r) : NULL,
             weight != NULL,
             for_weight,
             for_bias};
  cr_tensor *by = weight ? in_channels(&w, weight, dtype, r) : NULL, *h[3] = {NULL, NULL, NULL};
  if (x) (void)cr__call_standardize(x, NULL, NULL, layout.at, 5, eps, centred, h);
  for (int i = 0; i < 3; i++) cr__keep(&w, h[i]);
  standard s = {h[0], cr__keep(&w, cr__call_inverse_spread(x, of_row, 3, eps, centred)), centred};
  cr_tensor *projected_u = projected(&w, &s, a.u), *v = weight ? cr__times(&w, g, by) : g;
  cr_tensor *bent = bend(&w, &s, a.u, v, projected_u);
  if (for_weight) bent = cr__plus(&w, bent, projected(&w, &s, cr__times(&w, g, a.for_weight)));
  out[0] = finished(&w, for_gradient(&w, &s, &a, by, projected_u), grad);
  out[1] = finished(&w, bent, input);
  cr_tensor *each = cr__times(&w, g, projected_u);
  cr_tensor *sum = cr__keep(&w, cr__call_sum(each, of_channel, 3, false, CR_DTYPE_NONE));
  out[2] = weight ? finished(&w, sum, weight) : cr__call_alias(sum);
  cr__drop_work(&w);
  return out[0] && out[1] && out[2] ? 0 : cr__undo(out, 3);
}

/* ---- Inverse spreads ---- */

cr_tensor *cr__run_inverse_spread(const cr_op *op, cr_tensor *self, cr__ints dim, double eps,
                                  bool centred) {
  uint32_t mask;
  if (cr__fold_mask(op->name, dim, self->ndim, &mask)) return NULL;
  cr_tensor *size;
  if (centred) {
    size = cr__call_std(self, dim.at, dim.n, cr_int(0), true);
  } else {
    double n = (double)cr__fold_count(self, mask);
    cr_tensor *norm = cr__call_norm(self, cr_int(2), dim.at, dim.n, true, CR_DTYPE_NONE);
    size = cr__call_mul_scalar(norm, cr_float(1 / sqrt(n)));
    cr_release(norm);
  }
  cr_tensor *inverse = cr__call_inverse_hypot(size, sqrt(eps));
  cr_release(size);
  return inverse;
}

/* -self / n * (input - mean) * result^3, for the gradient self, in an order in which nothing leaves the range:
 * the result is about the inverse of the distances' size, or less. */
cr_tensor *cr__run_inverse_spread_backward(const cr_op *op, cr_tensor *self, cr_tensor *input,
                                           cr_tensor *result, cr__ints dim, bool centred) {
  uint32_t mask;
  if (cr__fold_mask(op->name, dim, input->ndim, &mask)) return NULL;
  cr_tensor *away = centred ? NULL : cr_retain(input);
  if (centred) {
    cr_tensor *mean = cr__call_mean(input, dim.at, dim.n, true, CR_DTYPE_NONE);
    away = cr__call_sub(input, mean);
    cr_release(mean);
  }
  cr_tensor *part = cr__call_mul(self, result);
  cr_tensor *each = cr__call_mul_scalar(part, cr_float(-1 / (double)cr__fold_count(input, mask)));
  cr_tensor *slope =
      cr__call_expand_reduced(each, cr__sizes(input), input->ndim, dim.at, dim.n, true);
  cr_tensor *near = cr__call_mul(away, result), *scaled = cr__call_mul(near, result);
  cr_tensor *gradient = cr__call_mul(scaled, slope);
  cr_release(away), cr_release(part), cr_release(each), cr_release(slope), cr_release(near),
      cr_release(scaled);
  return gradient;
}
