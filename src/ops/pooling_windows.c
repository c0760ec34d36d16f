/* pooling_windows.c: windows as they are asked for.
 *
 * Holds true: no window is empty, and products of the numbers of two windows fit. */
#include "pooling.h"

#include <string.h>

int cr__window_dims(const cr_op *op) { return op->name[strlen(op->name) - 2] - '0'; }

int cr__check_windowed(const cr_op *op, const cr_tensor *input, int n, cr__window_dtypes dtypes) {
  static const char *const forms[] = {"(C, L) or (N, C, L)", "(C, H, W) or (N, C, H, W)",
                                      "(C, D, H, W) or (N, C, D, H, W)"};
  cr__text text;
  const char *shape = cr__shape_text(input->ndim, cr__sizes(input), &text);
  if (input->ndim != n + 1 && input->ndim != n + 2)
    return cr__fail(CR_E_SHAPE, "%s: input must have shape %s, got %s", op->lua, forms[n - 1],
                    shape);
  for (int d = input->ndim - n; d < input->ndim; d++)
    if (cr__sizes(input)[d] == 0)
      return cr__fail(CR_E_SHAPE, "%s: input has no elements along dim %d: its shape is %s",
                      op->lua, d + 1, shape);
  bool fits = dtypes == CR__WINDOWS_OF_FLOATS ? cr__is_float((cr_dtype)input->dtype)
                                              : input->dtype != CR_BOOL;
  if (fits) return 0;
  return cr__fail(CR_E_DTYPE, "%s: input must be of %s dtype, got %s; convert it with :to(dtype)",
                  op->lua, dtypes == CR__WINDOWS_OF_FLOATS ? "a floating" : "a floating or integer",
                  cr_dtype_name((cr_dtype)input->dtype));
}

enum { MOST = INT32_MAX }; /* so that products of two sizes fit */

int cr__read_sizes(const cr_op *op, const char *param, cr__ints given, int n, int64_t least,
                   const int64_t *otherwise, int64_t *out) {
  int first = CR__WINDOW_DIMS - n;
  if (given.n < 0) {
    for (int d = first; d < CR__WINDOW_DIMS; d++) out[d] = otherwise[d];
    return 0;
  }
  if (given.n != 1 && given.n != n)
    return cr__fail(CR_E_ARGUMENT, "%s: %s must be one number%s, got %d numbers", op->lua, param,
                    n == 1   ? ""
                    : n == 2 ? " or 2"
                             : " or 3",
                    given.n);
  for (int d = 0; d < n; d++) {
    int64_t x = given.at[given.n == 1 ? 0 : d];
    if (x < least || x > MOST)
      return cr__fail(CR_E_ARGUMENT, "%s: %s must be at least %lld%s, got %lld", op->lua, param,
                      (long long)least, x > MOST ? " and below 2^31" : "", (long long)x);
    out[first + d] = x;
  }
  return 0;
}

cr__window_set cr__windows_over(int ndim, const int64_t *shape, int n) {
  cr__window_set w = {n, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}};
  for (int d = CR__WINDOW_DIMS - n; d < CR__WINDOW_DIMS; d++)
    w.size[d] = shape[ndim - CR__WINDOW_DIMS + d];
  return w;
}

void cr__put_sizes(int64_t *to, cr__ints list, int64_t neutral) {
  for (int d = 0; d < CR__WINDOW_DIMS; d++) {
    int i = d - (CR__WINDOW_DIMS - list.n);
    to[d] = i < 0 ? neutral : list.at[i];
  }
}

/* How many even windows there are along dim d. */
static int64_t count_windows(const cr__window_set *w, int d, bool ceil) {
  int64_t reach = (w->window[d] - 1) * w->dilation[d] + 1, step = w->stride[d];
  int64_t room = w->size[d] + 2 * w->padding[d] - reach;
  if (room < 0 && !(ceil && room + step > 0)) return 0;
  int64_t n = (room + (ceil ? step - 1 : 0)) / step + 1;
  if (ceil && (n - 1) * step >= w->size[d] + w->padding[d]) n--; /* none begins behind the input */
  return n;
}

/* That the windows along dim d are some, that padding leaves none without elements. */
static int check_windows(const cr_op *op, const cr_tensor *input, const cr__window_set *w, int d) {
  cr__text text;
  int64_t reach = (w->window[d] - 1) * w->dilation[d] + 1;
  int dim = input->ndim - CR__WINDOW_DIMS + d;
  if (w->padding[d] > reach / 2)
    return cr__fail(CR_E_ARGUMENT, "%s: padding %lld is more than half of a window of %lld",
                    op->lua, (long long)w->padding[d], (long long)reach);
  if (w->result[d] < 1)
    return cr__fail(CR_E_SHAPE,
                    "%s: a window of %lld does not fit into dim %d of input, of shape %s, with "
                    "padding %lld",
                    op->lua, (long long)reach, dim + 1,
                    cr__shape_text(input->ndim, cr__sizes(input), &text), (long long)w->padding[d]);
  cr__windows along = cr__windows_along(w, d);
  for (int64_t o = 0; o < w->result[d] && cr__window_start(&along, o) < 0; o++)
    if (cr__window_even(&along, o).count == 0)
      return cr__fail(CR_E_SHAPE,
                      "%s: window %lld along dim %d, with padding %lld and dilation %lld, holds no "
                      "element of an input of shape %s",
                      op->lua, (long long)o + 1, dim + 1, (long long)w->padding[d],
                      (long long)w->dilation[d],
                      cr__shape_text(input->ndim, cr__sizes(input), &text));
  return 0;
}

int cr__even_windows(const cr_op *op, const cr_tensor *input, cr__window_lists lists,
                     cr__window_set *w) {
  static const int64_t zeros[] = {0, 0, 0}, ones[] = {1, 1, 1};
  int n = cr__window_dims(op);
  *w = cr__windows_over(input->ndim, cr__sizes(input), n);
  if (lists.stride.n == 0) lists.stride.n = -1;
  int code = cr__read_sizes(op, "kernel_size", lists.kernel, n, 1, ones, w->window);
  if (!code) code = cr__read_sizes(op, "stride", lists.stride, n, 1, w->window, w->stride);
  if (!code) code = cr__read_sizes(op, "padding", lists.padding, n, 0, zeros, w->padding);
  if (!code) code = cr__read_sizes(op, "dilation", lists.dilation, n, 1, ones, w->dilation);
  for (int d = CR__WINDOW_DIMS - n; d < CR__WINDOW_DIMS && !code; d++) {
    w->result[d] = count_windows(w, d, lists.ceil);
    code = check_windows(op, input, w, d);
  }
  return code;
}

int cr__adaptive_windows(const cr_op *op, const cr_tensor *input, cr__ints output_size,
                         cr__window_set *w, cr__windows_kind *kind) {
  int n = cr__window_dims(op);
  *w = cr__windows_over(input->ndim, cr__sizes(input), n);
  int code = cr__read_sizes(op, "output_size", output_size, n, -1, NULL, w->result);
  if (code) return code;
  bool even = true;
  for (int d = 0; d < CR__WINDOW_DIMS; d++) {
    if (w->result[d] == -1) w->result[d] = w->size[d];
    even = even && w->result[d] && w->size[d] % w->result[d] == 0;
  }
  *kind = even ? CR__WINDOWS_EVEN : CR__WINDOWS_ADAPTIVE;
  for (int d = 0; d < CR__WINDOW_DIMS && even; d++)
    w->window[d] = w->stride[d] = w->size[d] / w->result[d];
  return 0;
}

int cr__windowed_shape(const cr_tensor *t, int n, const int64_t *last, int64_t *shape) {
  int lead = t->ndim - n;
  for (int d = 0; d < lead; d++) shape[d] = cr__sizes(t)[d];
  for (int d = 0; d < n; d++) shape[lead + d] = last[d];
  return t->ndim;
}

int64_t cr__planes_of(const cr_tensor *t, int n) {
  int64_t planes = 1;
  for (int d = 0; d < t->ndim - n; d++) planes *= cr__sizes(t)[d];
  return planes;
}
