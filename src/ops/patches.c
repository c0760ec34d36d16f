/* patches.c: the patches of an image as columns, and back; channels as pixels, and back.
 *
 * Holds true: a column has the elements of one patch in row-major order, channel by channel; columns are in the
 * row-major order of their patches. */
#include "pooling.h"

#include <string.h>

/* ---- Patches ----------------------------------------------------------------------------------- */

typedef struct lists {
  cr__ints kernel, dilation, padding, stride;
} lists;

static int read_lists(const cr_op *op, lists l, cr__window_set *w) {
  int code = cr__read_sizes(op, "kernel_size", l.kernel, 2, 1, NULL, w->window);
  if (!code) code = cr__read_sizes(op, "dilation", l.dilation, 2, 1, NULL, w->dilation);
  if (!code) code = cr__read_sizes(op, "padding", l.padding, 2, 0, NULL, w->padding);
  if (!code) code = cr__read_sizes(op, "stride", l.stride, 2, 1, NULL, w->stride);
  return code;
}

/* How many patches there are along each dim; an error if there is none. */
static int count_patches(const cr_op *op, const char *what, cr__window_set *w) {
  cr__text text;
  for (int d = 1; d < CR__WINDOW_DIMS; d++) {
    int64_t reach = (w->window[d] - 1) * w->dilation[d] + 1;
    int64_t room = w->size[d] + 2 * w->padding[d] - reach;
    w->result[d] = room < 0 ? 0 : room / w->stride[d] + 1;
    if (w->result[d] < 1)
      return cr__fail(CR_E_SHAPE,
                      "%s: a patch of %lld does not fit into %s of %s with padding %lld", op->lua,
                      (long long)reach, what, cr__shape_text(2, w->size + 1, &text),
                      (long long)w->padding[d]);
  }
  return 0;
}

static int check_floating(const cr_op *op, const cr_tensor *input) {
  if (cr__is_float((cr_dtype)input->dtype) || input->dtype == CR_BOOL) return 0;
  return cr__fail(CR_E_DTYPE,
                  "%s: input must be of a floating dtype or bool, got %s; convert it with "
                  ":to(dtype)",
                  op->lua, cr_dtype_name((cr_dtype)input->dtype));
}

/* The planes are those of the image: all its dims but the last two. */
static cr_tensor *launched(const cr_op *op, cr_tensor *self, int ndim, const int64_t *shape,
                           int64_t planes, const cr__window_set *w, bool folds) {
  cr_tensor *from = cr__call_contiguous(self);
  cr_tensor *r =
      from ? cr__new(op->lua, (cr_dtype)self->dtype, cr_device_of(self), ndim, shape) : NULL;
  if (r) {
    cr__launch k;
    cr__launch_begin(&k, op->lua, cr_device_of(self));
    cr__launch_view(&k, folds ? &k.fold.out : &k.unfold.out, r);
    cr__launch_view(&k, folds ? &k.fold.from : &k.unfold.from, from);
    if (folds) CR__SET_WINDOWS(&k.fold, w);
    else CR__SET_WINDOWS(&k.unfold, w);
    if (folds) k.fold.planes = planes;
    else k.unfold.planes = planes;
    r = cr__filled(cr__launch_run(&k, folds ? CR__K_fold : CR__K_unfold), r);
  }
  cr_release(from);
  return r;
}

cr_tensor *cr__run_unfold_patches(const cr_op *op, cr_tensor *input, cr__ints kernel_size,
                                  cr__ints dilation, cr__ints padding, cr__ints stride) {
  cr__text text;
  if (input->ndim != 3 && input->ndim != 4)
    return cr__no_tensor(cr__fail(CR_E_SHAPE,
                                  "%s: input must have shape (C, H, W) or (N, C, H, W), got %s",
                                  op->lua, cr__shape_text(input->ndim, cr__sizes(input), &text)));
  cr__window_set w = cr__windows_over(input->ndim, cr__sizes(input), 2);
  if (check_floating(op, input) ||
      read_lists(op, (lists){kernel_size, dilation, padding, stride}, &w) ||
      count_patches(op, "an image", &w))
    return NULL;
  bool batch = input->ndim == 4;
  int64_t rows, area[] = {cr__sizes(input)[input->ndim - 3], w.window[1], w.window[2]};
  if (cr__count(op->lua, 3, area, &rows)) return NULL;
  int64_t shape[] = {cr__sizes(input)[0], rows, w.result[1] * w.result[2]};
  return launched(op, input, batch ? 3 : 2, batch ? shape : shape + 1, cr__planes_of(input, 2), &w,
                  false);
}

cr_tensor *cr__run_fold_patches(const cr_op *op, cr_tensor *self, cr__ints shape,
                                cr__ints kernel_size, cr__ints dilation, cr__ints padding,
                                cr__ints stride) {
  int64_t planes = 1;
  cr__window_set w = cr__windows_over(shape.n, shape.at, 2);
  if (read_lists(op, (lists){kernel_size, dilation, padding, stride}, &w) ||
      count_patches(op, "output_size", &w))
    return NULL;
  for (int d = 0; d < shape.n - 2; d++) planes *= shape.at[d];
  return launched(op, self, shape.n, shape.at, planes, &w, true);
}

/* That input has as many columns, and as long ones, as the patches of an image have. */
static int check_columns(const cr_op *op, const cr_tensor *input, const cr__window_set *w) {
  cr__text text;
  int64_t rows = cr__sizes(input)[input->ndim - 2], columns = cr__sizes(input)[input->ndim - 1];
  int64_t area = w->window[1] * w->window[2], patches = w->result[1] * w->result[2];
  const char *shape = cr__shape_text(input->ndim, cr__sizes(input), &text);
  if (rows % area)
    return cr__fail(CR_E_SHAPE,
                    "%s: columns of input must have a multiple of %lld elements, the product of "
                    "kernel_size; its shape is %s",
                    op->lua, (long long)area, shape);
  if (columns == patches) return 0;
  return cr__fail(CR_E_SHAPE,
                  "%s: input must have %lld columns, one for each patch; its shape is %s", op->lua,
                  (long long)patches, shape);
}

cr_tensor *cr__run_fold(const cr_op *op, cr_tensor *input, cr__ints output_size,
                        cr__ints kernel_size, cr__ints dilation, cr__ints padding,
                        cr__ints stride) {
  cr__text text;
  if (input->ndim != 2 && input->ndim != 3)
    return cr__no_tensor(cr__fail(CR_E_SHAPE,
                                  "%s: input must have shape (C h w, L) or (N, C h w, L), got %s",
                                  op->lua, cr__shape_text(input->ndim, cr__sizes(input), &text)));
  int64_t ones[] = {1, 1};
  cr__window_set w = cr__windows_over(2, ones, 2);
  if (check_floating(op, input) ||
      cr__read_sizes(op, "output_size", output_size, 2, 1, NULL, w.size) ||
      read_lists(op, (lists){kernel_size, dilation, padding, stride}, &w) ||
      count_patches(op, "output_size", &w) || check_columns(op, input, &w))
    return NULL;
  bool batch = input->ndim == 3;
  int64_t channels = cr__sizes(input)[input->ndim - 2] / (w.window[1] * w.window[2]);
  int64_t shape[] = {cr__sizes(input)[0], channels, w.size[1], w.size[2]};
  return cr__call_fold_patches(input, batch ? shape : shape + 1, batch ? 4 : 3, w.window + 1, 2,
                               w.dilation + 1, 2, w.padding + 1, 2, w.stride + 1, 2);
}

/* ---- Channels and pixels ----------------------------------------------------------------------- */

/* t seen as the first shape, its dims in another order, and then as the second shape. */
typedef struct dealing {
  int64_t first[CR_MAX_DIMS], order[CR_MAX_DIMS], last[CR_MAX_DIMS];
  int nfirst, nlast;
} dealing;

static cr_tensor *dealt(cr_tensor *t, const dealing *d) {
  cr_tensor *wide = cr__call_reshape(t, d->first, d->nfirst);
  cr_tensor *turned = cr__call_permute(wide, d->order, d->nfirst);
  cr_tensor *r = cr__call_reshape(turned, d->last, d->nlast);
  cr_release(wide), cr_release(turned);
  return r;
}

/* That there are channels, rows and columns, room for one dim more for each factor, and a factor. */
static int check_pixels(const cr_op *op, const cr_tensor *input, const char *name, int64_t factor) {
  cr__text text;
  if (input->ndim < 3 || input->ndim > CR_MAX_DIMS - 2)
    return cr__fail(CR_E_SHAPE, "%s: input must have shape (..., C, H, W), got %s", op->lua,
                    cr__shape_text(input->ndim, cr__sizes(input), &text));
  if (factor >= 1 && factor <= INT32_MAX) return 0;
  return cr__fail(CR_E_ARGUMENT, "%s: %s must be at least 1%s, got %lld", op->lua, name,
                  factor > 1 ? " and below 2^31" : "", (long long)factor);
}

/* The dims before the last three, as they are. */
static void begin_dealing(dealing *d, const cr_tensor *t) {
  for (int i = 0; i < t->ndim - 3; i++)
    d->first[i] = d->last[i] = cr__sizes(t)[i], d->order[i] = i + 1;
  d->nfirst = t->ndim + 2, d->nlast = t->ndim;
}

static void end_dealing(dealing *d, const int64_t *first, const int64_t *order,
                        const int64_t *last) {
  int lead = d->nlast - 3;
  memcpy(d->first + lead, first, 5 * sizeof *first);
  memcpy(d->last + lead, last, 3 * sizeof *last);
  for (int i = 0; i < 5; i++) d->order[lead + i] = lead + 1 + order[i];
}

cr_tensor *cr__run_pixel_shuffle(const cr_op *op, cr_tensor *input, int64_t upscale_factor) {
  int64_t r = upscale_factor;
  if (check_pixels(op, input, "upscale_factor", r)) return NULL;
  const int64_t *size = cr__sizes(input) + input->ndim - 3;
  if (size[0] % (r * r))
    return cr__no_tensor(cr__fail(CR_E_SHAPE,
                                  "%s: %lld channels are no multiple of upscale_factor^2, %lld",
                                  op->lua, (long long)size[0], (long long)(r * r)));
  dealing d;
  int64_t channels = size[0] / (r * r);
  begin_dealing(&d, input);
  end_dealing(&d, (int64_t[]){channels, r, r, size[1], size[2]}, (int64_t[]){0, 3, 1, 4, 2},
              (int64_t[]){channels, size[1] * r, size[2] * r});
  return dealt(input, &d);
}

cr_tensor *cr__run_pixel_unshuffle(const cr_op *op, cr_tensor *input, int64_t downscale_factor) {
  int64_t r = downscale_factor;
  if (check_pixels(op, input, "downscale_factor", r)) return NULL;
  const int64_t *size = cr__sizes(input) + input->ndim - 3;
  if (size[1] % r || size[2] % r)
    return cr__no_tensor(cr__fail(CR_E_SHAPE,
                                  "%s: %lld rows and %lld columns are no multiples of "
                                  "downscale_factor, %lld",
                                  op->lua, (long long)size[1], (long long)size[2], (long long)r));
  dealing d;
  begin_dealing(&d, input);
  end_dealing(&d, (int64_t[]){size[0], size[1] / r, r, size[2] / r, r}, (int64_t[]){0, 2, 4, 1, 3},
              (int64_t[]){size[0] * r * r, size[1] / r, size[2] / r});
  return dealt(input, &d);
}

cr_tensor *cr__run_channel_shuffle(const cr_op *op, cr_tensor *input, int64_t groups) {
  cr__text text;
  if (input->ndim < 3 || input->ndim > CR_MAX_DIMS - 1)
    return cr__no_tensor(cr__fail(CR_E_SHAPE, "%s: input must have shape (N, C, ...), got %s",
                                  op->lua, cr__shape_text(input->ndim, cr__sizes(input), &text)));
  int64_t channels = cr__sizes(input)[1];
  if (groups < 1 || channels % groups)
    return cr__no_tensor(cr__fail(CR_E_ARGUMENT,
                                  "%s: %lld channels (dim 2) do not make %lld equal groups",
                                  op->lua, (long long)channels, (long long)groups));
  dealing d = {.nfirst = input->ndim + 1, .nlast = input->ndim};
  for (int i = 0; i < input->ndim; i++) {
    d.last[i] = cr__sizes(input)[i];
    d.first[i + (i > 1)] = i == 1 ? groups : cr__sizes(input)[i];
  }
  d.first[2] = channels / groups;
  for (int i = 0; i < d.nfirst; i++) d.order[i] = i + 1;
  d.order[1] = 3, d.order[2] = 2;
  return dealt(input, &d);
}
