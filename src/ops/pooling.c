/* pooling.c: the largest element of each window, and what is put back to where it was.
 *
 * Holds true: what the hidden operations are given has been checked by the public ones, which record themselves by
 * them. */
#include "pooling.h"

#include <string.h>

#include "autograd/graph.h"

/* ---- The largest of each window ---------------------------------------------------------------- */

/* The set that the lists of a hidden operation speak of, over a tensor of a shape. */
static cr__window_set set_of(int ndim, const int64_t *shape, cr__ints window, cr__ints stride,
                             cr__ints padding, cr__ints dilation) {
  cr__window_set w = cr__windows_over(ndim, shape, window.n);
  cr__put_sizes(w.window, window, 1);
  cr__put_sizes(w.stride, stride, 1);
  cr__put_sizes(w.padding, padding, 0);
  cr__put_sizes(w.dilation, dilation, 1);
  return w;
}

int cr__run_pool_max(const cr_op *op, cr_tensor *self, cr__ints result, cr__ints window,
                     cr__ints stride, cr__ints padding, cr__ints dilation, int64_t kind,
                     cr_tensor *samples, cr_tensor **out) {
  int64_t shape[CR_MAX_DIMS];
  bool places = op->id == CR__OP_pool_max;
  cr__window_set w = set_of(self->ndim, cr__sizes(self), window, stride, padding, dilation);
  cr__put_sizes(w.result, result, 1);
  cr__windowed_shape(self, w.n, result.at, shape);
  cr_tensor *from = cr__call_contiguous(self), *at = NULL, *numbers = NULL;
  cr_tensor *best =
      from ? cr__new(op->lua, (cr_dtype)self->dtype, cr_device_of(self), self->ndim, shape) : NULL;
  if (best && places) at = cr__new(op->lua, CR_INT64, cr_device_of(self), self->ndim, shape);
  if (best && samples) numbers = cr__call_contiguous(samples);
  int code = best && (at || !places) && (numbers || !samples) ? 0 : (int)cr_error_code();
  if (!code) {
    cr__launch k;
    cr__launch_begin(&k, op->lua, cr_device_of(self));
    cr__launch_view(&k, &k.pool_max.out, best);
    cr__launch_view(&k, &k.pool_max.indices, at);
    cr__launch_view(&k, &k.pool_max.from, from);
    cr__launch_view(&k, &k.pool_max.samples, numbers);
    CR__SET_WINDOWS(&k.pool_max, &w);
    k.pool_max.planes = cr__planes_of(self, w.n);
    k.pool_max.kind = kind;
    code = cr__launch_run(&k, CR__K_pool_max);
  }
  cr_release(from), cr_release(numbers);
  out[0] = cr__filled(code, best);
  if (places) out[1] = cr__filled(code, at);
  return code;
}

cr_tensor *cr__run_pool_put(const cr_op *op, cr_tensor *self, cr_tensor *indices, cr__ints shape,
                            cr__ints window, cr__ints stride, cr__ints padding, cr__ints dilation,
                            int64_t kind) {
  cr__window_set w = set_of(shape.n, shape.at, window, stride, padding, dilation);
  cr__put_sizes(w.result, (cr__ints){cr__sizes(self) + self->ndim - w.n, w.n}, 1);
  cr_tensor *from = cr__call_contiguous(self), *at = cr__call_contiguous(indices);
  cr_tensor *r =
      from && at ? cr__new(op->lua, (cr_dtype)self->dtype, cr_device_of(self), shape.n, shape.at)
                 : NULL;
  if (r) {
    cr__launch k;
    cr__launch_begin(&k, op->lua, cr_device_of(self));
    cr__launch_view(&k, &k.pool_put.out, r);
    cr__launch_view(&k, &k.pool_put.indices, at);
    cr__launch_view(&k, &k.pool_put.from, from);
    CR__SET_WINDOWS(&k.pool_put, &w);
    k.pool_put.planes = cr__planes_of(self, w.n);
    k.pool_put.kind = kind;
    r = cr__filled(cr__launch_run(&k, CR__K_pool_put), r);
  }
  cr_release(from), cr_release(at);
  return r;
}

/* t, perhaps NULL, with its last n dims as one behind one for all others. */
static cr_tensor *as_lines(cr_tensor *t, int n) {
  if (!t) return NULL;
  int64_t lines[] = {cr__planes_of(t, n), 1};
  for (int d = t->ndim - n; d < t->ndim; d++) lines[1] *= cr__sizes(t)[d];
  return cr__call_reshape(t, lines, 2);
}

cr_tensor *cr__run_pool_take(const cr_op *op, cr_tensor *self, cr_tensor *indices, cr__ints window,
                             cr__ints stride, cr__ints padding, cr__ints dilation, int64_t kind) {
  (void)op, (void)stride, (void)padding, (void)dilation, (void)kind;
  cr_tensor *from = as_lines(self, window.n), *at = as_lines(indices, window.n);
  cr_tensor *taken = cr__call_gather(from, 2, at);
  cr_tensor *r = cr__call_reshape(taken, cr__sizes(indices), indices->ndim);
  cr_release(from), cr_release(at), cr_release(taken);
  return r;
}

/* What all public forms give: the largest elements; where they are, too, if that is asked for. */
static int give_largest(cr_tensor *self, const cr__window_set *w, cr__windows_kind kind,
                        cr_tensor *samples, bool return_indices, cr_tensor **out, int *nout) {
  *nout = 1 + return_indices;
  if (!return_indices && !(cr__recording() && cr_requires_grad(self))) {
    out[0] = cr__call_pool_max_values(self, CR__LAST(w, result), CR__LAST(w, window),
                                      CR__LAST(w, stride), CR__LAST(w, padding),
                                      CR__LAST(w, dilation), kind, samples);
    return out[0] ? 0 : (int)cr_error_code();
  }
  cr_tensor *both[2];
  int code = cr__call_pool_max(self, CR__LAST(w, result), CR__LAST(w, window), CR__LAST(w, stride),
                               CR__LAST(w, padding), CR__LAST(w, dilation), kind, samples, both);
  if (code) return code;
  out[0] = both[0];
  if (return_indices) out[1] = both[1];
  else cr_release(both[1]);
  return 0;
}

int cr__run_max_pool(const cr_op *op, cr_tensor *input, cr__ints kernel_size, cr__ints stride,
                     cr__ints padding, cr__ints dilation, bool ceil_mode, bool return_indices,
                     cr_tensor **out, int *nout) {
  cr__window_set w;
  int code = cr__check_windowed(op, input, cr__window_dims(op), CR__WINDOWS_OF_NUMBERS);
  if (!code)
    code =
        cr__even_windows(op, input,
                         (cr__window_lists){kernel_size, stride, padding, dilation, ceil_mode}, &w);
  if (code) return code;
  return give_largest(input, &w, CR__WINDOWS_EVEN, NULL, return_indices, out, nout);
}

int cr__run_adaptive_max_pool(const cr_op *op, cr_tensor *input, cr__ints output_size,
                              bool return_indices, cr_tensor **out, int *nout) {
  cr__window_set w;
  cr__windows_kind kind;
  int code = cr__check_windowed(op, input, cr__window_dims(op), CR__WINDOWS_OF_NUMBERS);
  if (!code) code = cr__adaptive_windows(op, input, output_size, &w, &kind);
  if (code) return code;
  return give_largest(input, &w, kind, NULL, return_indices, out, nout);
}

/* ---- Windows in random places ------------------------------------------------------------------ */

/* How many windows there are, by output_size or by output_ratio, of which there must be one. */
static int count_drawn(const cr_op *op, cr__ints size, cr__floats ratio, cr__window_set *w) {
  if ((size.n < 0) == (ratio.n < 0))
    return cr__fail(CR_E_ARGUMENT, "%s: needs output_size or output_ratio, and not both", op->lua);
  if (size.n >= 0) return cr__read_sizes(op, "output_size", size, w->n, 1, NULL, w->result);
  if (ratio.n != 1 && ratio.n != w->n)
    return cr__fail(CR_E_ARGUMENT, "%s: output_ratio must be one number or %d, got %d numbers",
                    op->lua, w->n, ratio.n);
  for (int i = 0; i < w->n; i++) {
    int d = CR__WINDOW_DIMS - w->n + i;
    double x = ratio.at[ratio.n == 1 ? 0 : i];
    if (!(x > 0 && x < 1))
      return cr__fail(CR_E_ARGUMENT, "%s: output_ratio must lie between 0 and 1, got %g", op->lua,
                      x);
    w->result[d] = (int64_t)((double)w->size[d] * x);
    if (w->result[d] < 1)
      return cr__fail(CR_E_SHAPE, "%s: output_ratio %g leaves nothing of a size of %lld", op->lua,
                      x, (long long)w->size[d]);
  }
  return 0;
}

/* That the windows fit, side by side one position apart. */
static int check_drawn(const cr_op *op, const cr_tensor *input, const cr__window_set *w) {
  cr__text text;
  for (int d = CR__WINDOW_DIMS - w->n; d < CR__WINDOW_DIMS; d++)
    if (w->window[d] + w->result[d] - 1 > w->size[d])
      return cr__fail(CR_E_SHAPE,
                      "%s: %lld windows of %lld do not fit into dim %d of input, of shape %s",
                      op->lua, (long long)w->result[d], (long long)w->window[d],
                      input->ndim - CR__WINDOW_DIMS + d + 1,
                      cr__shape_text(input->ndim, cr__sizes(input), &text));
  return 0;
}

/* The numbers that decide, which are drawn where none are given. */
static cr_tensor *numbers_for(const cr_op *op, cr_tensor *input, int n, cr_tensor *given) {
  cr__text a, b;
  int lead = input->ndim - n;
  int64_t shape[] = {lead == 2 ? cr__sizes(input)[0] : 1, cr__sizes(input)[lead - 1], n};
  if (!given) {
    return cr__call_rand(shape, 3, (cr_dtype)input->dtype, cr_device_value(cr_device_of(input)));
  }
  bool fits = given->ndim == 3;
  for (int d = 0; d < 3 && fits; d++) fits = cr__sizes(given)[d] == shape[d];
  if (!fits)
    return cr__no_tensor(cr__fail(CR_E_SHAPE, "%s: _random_samples must have shape %s, got %s",
                                  op->lua, cr__shape_text(3, shape, &a),
                                  cr__shape_text(given->ndim, cr__sizes(given), &b)));
  if (given->dtype == input->dtype) return cr_retain(given);
  return cr__no_tensor(cr__fail(CR_E_DTYPE, "%s: _random_samples are %s, but input is %s", op->lua,
                                cr_dtype_name((cr_dtype)given->dtype),
                                cr_dtype_name((cr_dtype)input->dtype)));
}

int cr__run_fractional_max_pool(const cr_op *op, cr_tensor *input, cr__ints kernel_size,
                                cr__ints output_size, cr__floats output_ratio, bool return_indices,
                                cr_tensor *_random_samples, cr_tensor **out, int *nout) {
  int n = cr__window_dims(op);
  int code = cr__check_windowed(op, input, n, CR__WINDOWS_OF_FLOATS);
  if (code) return code;
  cr__window_set w = cr__windows_over(input->ndim, cr__sizes(input), n);
  code = cr__read_sizes(op, "kernel_size", kernel_size, n, 1, NULL, w.window);
  if (!code) code = count_drawn(op, output_size, output_ratio, &w);
  if (!code) code = check_drawn(op, input, &w);
  if (code) return code;
  cr_tensor *numbers = numbers_for(op, input, n, _random_samples);
  cr_tensor *fixed = numbers ? cr__call_detach(numbers) : NULL;
  code = fixed ? give_largest(input, &w, CR__WINDOWS_DRAWN, fixed, return_indices, out, nout)
               : (int)cr_error_code();
  cr_release(numbers), cr_release(fixed);
  return code;
}

/* ---- Back to where the largest elements were --------------------------------------------------- */

/* The sizes of the result: those that give what `self` has, or others that would. */
static int unpooled_sizes(const cr_op *op, const cr_tensor *input, cr__ints asked,
                          cr__window_set *w) {
  int first = CR__WINDOW_DIMS - w->n;
  if (asked.n == w->n + 2) asked = (cr__ints){asked.at + 2, w->n};
  if (asked.n >= 0 && asked.n != w->n)
    return cr__fail(CR_E_ARGUMENT, "%s: output_size must list %d sizes or %d, got %d", op->lua,
                    w->n, w->n + 2, asked.n);
  for (int d = first; d < CR__WINDOW_DIMS; d++) {
    int64_t usual = (w->size[d] - 1) * w->stride[d] + w->window[d] - 2 * w->padding[d];
    w->result[d] = asked.n < 0 ? usual : asked.at[d - first];
    int64_t low = usual - w->stride[d] + 1, high = usual + w->stride[d] - 1;
    int dim = input->ndim - CR__WINDOW_DIMS + d + 1;
    low = low < 1 ? 1 : low;
    if (high < low || (asked.n < 0 && usual < low))
      return cr__fail(CR_E_SHAPE, "%s: the result would have size %lld along dim %d", op->lua,
                      (long long)usual, dim);
    if (w->result[d] < low || w->result[d] > high)
      return cr__fail(CR_E_SHAPE,
                      "%s: output_size along dim %d must lie from %lld to %lld, got %lld", op->lua,
                      dim, (long long)low, (long long)high, (long long)w->result[d]);
  }
  return 0;
}

static int check_unpooled(const cr_op *op, const cr_tensor *input, const cr_tensor *indices) {
  cr__text a, b;
  if (indices->dtype != CR_INT64)
    return cr__fail(CR_E_DTYPE, "%s: indices must be int64, got %s", op->lua,
                    cr_dtype_name((cr_dtype)indices->dtype));
  bool same = indices->ndim == input->ndim;
  for (int d = 0; d < input->ndim && same; d++) same = cr__sizes(input)[d] == cr__sizes(indices)[d];
  if (same) return 0;
  return cr__fail(CR_E_SHAPE, "%s: indices must have the shape of input, %s, got %s", op->lua,
                  cr__shape_text(input->ndim, cr__sizes(input), &a),
                  cr__shape_text(indices->ndim, cr__sizes(indices), &b));
}

cr_tensor *cr__run_max_unpool(const cr_op *op, cr_tensor *input, cr_tensor *indices,
                              cr__ints kernel_size, cr__ints stride, cr__ints padding,
                              cr__ints output_size) {
  static const int64_t zeros[] = {0, 0, 0};
  int n = cr__window_dims(op);
  if (cr__check_windowed(op, input, n, CR__WINDOWS_OF_NUMBERS) ||
      check_unpooled(op, input, indices))
    return NULL;
  cr__window_set w = cr__windows_over(input->ndim, cr__sizes(input), n);
  if (stride.n == 0) stride.n = -1;
  if (cr__read_sizes(op, "kernel_size", kernel_size, n, 1, NULL, w.window) ||
      cr__read_sizes(op, "stride", stride, n, 1, w.window, w.stride) ||
      cr__read_sizes(op, "padding", padding, n, 0, zeros, w.padding) ||
      unpooled_sizes(op, input, output_size, &w))
    return NULL;
  int64_t shape[CR_MAX_DIMS], lines[] = {cr__planes_of(input, n), 0};
  if (cr__count(op->lua, CR__WINDOW_DIMS, w.result, &lines[1])) return NULL;
  int ndim = cr__windowed_shape(input, n, w.result + CR__WINDOW_DIMS - n, shape);
  cr_tensor *from = as_lines(input, n), *at = as_lines(indices, n);
  cr_tensor *room = from ? cr__call_new_zeros(from, lines, 2, CR_DTYPE_NONE, cr_none()) : NULL;
  cr_tensor *put = cr__call_scatter(room, 2, at, from), *r = cr__call_reshape(put, shape, ndim);
  cr_release(from), cr_release(at), cr_release(room), cr_release(put);
  return r;
}
