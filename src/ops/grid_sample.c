/* grid_sample.c: images and volumes seen at the places of a grid, and the grids of affine maps.
 *
 * Holds true: of what is seen, and of where it comes from, all derivatives are made of grid_see and grid_put with
 * other orders, which record themselves. */
#include "geometry.h"
#include "scalar/grid_taps.h"

#include <string.h>

/* ---- The two maps ------------------------------------------------------------------------------ */

/* t in what is computed with: float32 or float64, without gaps. */
static cr_tensor *plain(cr_tensor *t) {
  cr_dtype dtype = t->dtype == CR_FLOAT64 ? CR_FLOAT64 : CR_FLOAT32;
  cr_tensor *wide = cr__call_to(t, dtype, cr_none(), false), *r = cr__call_contiguous(wide);
  cr_release(wide);
  return r;
}

/* What both hidden operations are given, beside their tensors. */
typedef struct looking {
  int64_t mode, padding;
  bool align_corners;
  cr__ints order;
} looking;

static int launch(const cr_op *op, const cr_tensor *from, const cr_tensor *grid,
                  const cr_tensor *out, const cr_tensor *image, looking how, bool puts) {
  cr__launch k;
  cr__launch_begin(&k, op->lua, cr_device_of(out));
  cr__launch_view(&k, puts ? &k.grid_put.out : &k.grid_see.out, out);
  cr__launch_view(&k, puts ? &k.grid_put.from : &k.grid_see.from, from);
  cr__launch_view(&k, puts ? &k.grid_put.grid : &k.grid_see.grid, grid);
  cr__grid_see_slots *s = &k.grid_see;
  int dims = image->ndim - 2;
  s->batch = cr__sizes(image)[0], s->channels = cr__sizes(image)[1], s->points = 1;
  for (int d = 1; d <= dims; d++) s->points *= cr__sizes(grid)[d];
  for (int d = 0; d < 3; d++) {
    s->size[d] = d < 3 - dims ? 1 : cr__sizes(image)[d + image->ndim - 3];
    s->order[d] = d < dims ? how.order.at[d] : 0;
  }
  s->dims = dims, s->mode = how.mode, s->padding = how.padding;
  s->align_corners = how.align_corners;
  return cr__launch_run(&k, puts ? CR__K_grid_put : CR__K_grid_see);
}

/* Runs a map from self to a new tensor of a shape, of self's dtype. */
static cr_tensor *mapped(const cr_op *op, cr_tensor *self, cr_tensor *grid, int ndim,
                         const int64_t *shape, looking how, bool puts) {
  cr_tensor *from = plain(self), *at = plain(grid);
  cr_tensor *r =
      from && at ? cr__new(op->lua, (cr_dtype)from->dtype, cr_device_of(self), ndim, shape) : NULL;
  if (r) r = cr__filled(launch(op, from, at, r, puts ? r : from, how, puts), r);
  cr_tensor *back = cr__call_to(r, (cr_dtype)self->dtype, cr_none(), false);
  cr_release(from), cr_release(at), cr_release(r);
  return back;
}

cr_tensor *cr__run_grid_see(const cr_op *op, cr_tensor *self, cr_tensor *grid, int64_t mode,
                            int64_t padding, bool align_corners, cr__ints order) {
  int64_t shape[CR_MAX_DIMS] = {cr__sizes(self)[0], cr__sizes(self)[1]};
  for (int d = 2; d < self->ndim; d++) shape[d] = cr__sizes(grid)[d - 1];
  return mapped(op, self, grid, self->ndim, shape, (looking){mode, padding, align_corners, order},
                false);
}

cr_tensor *cr__run_grid_put(const cr_op *op, cr_tensor *self, cr_tensor *grid, cr__ints shape,
                            int64_t mode, int64_t padding, bool align_corners, cr__ints order) {
  return mapped(op, self, grid, shape.n, shape.at, (looking){mode, padding, align_corners, order},
                true);
}

cr_tensor *cr__run_grid_slope(const cr_op *op, cr_tensor *self, cr_tensor *input, cr_tensor *grid,
                              int64_t mode, int64_t padding, bool align_corners, cr__ints order) {
  (void)op;
  cr_tensor *slope[3] = {NULL, NULL, NULL};
  int64_t more[3], channels = 2;
  bool good = true;
  for (int d = 0; d < order.n && good; d++) {
    memcpy(more, order.at, (size_t)order.n * sizeof *more);
    more[d]++;
    cr_tensor *seen = cr__call_grid_see(input, grid, mode, padding, align_corners, more, order.n);
    cr_tensor *each = cr__call_mul(seen, self);
    slope[d] = cr__call_sum(each, &channels, 1, false, CR_DTYPE_NONE);
    good = slope[d] != NULL;
    cr_release(seen), cr_release(each);
  }
  cr_tensor *r = good ? cr__call_stack(slope, order.n, -1) : NULL;
  for (int d = 0; d < 3; d++) cr_release(slope[d]);
  return r;
}

/* ---- As it is asked for ------------------------------------------------------------------------ */

static int check_images(const cr_op *op, const cr_tensor *input, const cr_tensor *grid) {
  cr__text a, b;
  const char *shape = cr__shape_text(input->ndim, cr__sizes(input), &a);
  const char *places = cr__shape_text(grid->ndim, cr__sizes(grid), &b);
  if (input->ndim != 4 && input->ndim != 5)
    return cr__fail(CR_E_SHAPE, "%s: input must have shape (N, C, H, W) or (N, C, D, H, W), got %s",
                    op->lua, shape);
  if (grid->ndim != input->ndim || cr__sizes(grid)[grid->ndim - 1] != input->ndim - 2 ||
      cr__sizes(grid)[0] != cr__sizes(input)[0])
    return cr__fail(CR_E_SHAPE,
                    "%s: grid must have shape (N, %sh, w, %d) for input of shape %s, got %s",
                    op->lua, input->ndim == 5 ? "d, " : "", input->ndim - 2, shape, places);
  for (int d = 2; d < input->ndim; d++)
    if (cr__sizes(input)[d] == 0)
      return cr__fail(CR_E_SHAPE, "%s: input has no elements along dim %d: its shape is %s",
                      op->lua, d + 1, shape);
  if (!cr__is_float((cr_dtype)input->dtype))
    return cr__fail(CR_E_DTYPE,
                    "%s: input must be of a floating dtype, got %s; convert it with :to(dtype)",
                    op->lua, cr_dtype_name((cr_dtype)input->dtype));
  if (grid->dtype == input->dtype) return 0;
  return cr__fail(CR_E_DTYPE, "%s: grid must be of input's dtype, %s, got %s", op->lua,
                  cr_dtype_name((cr_dtype)input->dtype), cr_dtype_name((cr_dtype)grid->dtype));
}

cr_tensor *cr__run_grid_sample(const cr_op *op, cr_tensor *input, cr_tensor *grid, int mode,
                               int padding_mode, bool align_corners) {
  static const int modes[] = {[CR__grid_sample_mode_bilinear] = CR__GRID_LINEAR,
                              [CR__grid_sample_mode_nearest] = CR__GRID_NEAREST,
                              [CR__grid_sample_mode_bicubic] = CR__GRID_CUBIC};
  static const int paddings[] = {[CR__grid_sample_padding_mode_zeros] = CR__GRID_ZEROS,
                                 [CR__grid_sample_padding_mode_border] = CR__GRID_BORDER,
                                 [CR__grid_sample_padding_mode_reflection] = CR__GRID_REFLECTION};
  static const int64_t none[] = {0, 0, 0};
  if (check_images(op, input, grid)) return NULL;
  if (input->ndim == 5 && modes[mode] == CR__GRID_CUBIC)
    return cr__no_tensor(
        cr__fail(CR_E_ARGUMENT, "%s: mode \"bicubic\" is for input of 4 dims, got 5", op->lua));
  return cr__call_grid_see(input, grid, modes[mode], paddings[padding_mode], align_corners, none,
                           input->ndim - 2);
}

/* ---- Grids of affine maps ---------------------------------------------------------------------- */

static int check_affine(const cr_op *op, const cr_tensor *theta, cr__ints size) {
  cr__text text;
  int dims = size.n - 2;
  if (dims != 2 && dims != 3)
    return cr__fail(CR_E_ARGUMENT,
                    "%s: size must list 4 sizes (N, C, H, W) or 5 (N, C, D, H, W), got %d", op->lua,
                    size.n);
  for (int d = 0; d < size.n; d++)
    if (size.at[d] < 1)
      return cr__fail(CR_E_ARGUMENT, "%s: sizes must be at least 1, got %lld", op->lua,
                      (long long)size.at[d]);
  bool fits = theta->ndim == 3 && cr__sizes(theta)[0] == size.at[0] &&
              cr__sizes(theta)[1] == dims && cr__sizes(theta)[2] == dims + 1;
  if (!fits)
    return cr__fail(CR_E_SHAPE, "%s: theta must have shape %lldx%dx%d, got %s", op->lua,
                    (long long)size.at[0], dims, dims + 1,
                    cr__shape_text(theta->ndim, cr__sizes(theta), &text));
  if (cr__is_float((cr_dtype)theta->dtype)) return 0;
  return cr__fail(CR_E_DTYPE,
                  "%s: theta must be of a floating dtype, got %s; convert it with :to(dtype)",
                  op->lua, cr_dtype_name((cr_dtype)theta->dtype));
}

/* The i-th of n coordinates. */
static double coordinate(int64_t i, int64_t n, bool align_corners) {
  if (n == 1) return 0;
  if (align_corners) return 2 * (double)i / (double)(n - 1) - 1;
  return (2 * (double)i + 1) / (double)n - 1;
}

/* The coordinates of all places, and 1, a row for each; on the CPU in float64. */
static cr_tensor *places_of(const cr_op *op, cr__ints size, bool align_corners) {
  int dims = size.n - 2;
  int64_t rows, shape[2];
  if (cr__count(op->lua, dims, size.at + 2, &rows)) return NULL;
  shape[0] = rows, shape[1] = dims + 1;
  cr_tensor *t = cr__new(op->lua, CR_FLOAT64, CR_CPU, 2, shape);
  double *x = t ? (double *)(void *)cr__data(t) : NULL;
  for (int64_t row = 0; row < rows && t; row++, x += dims + 1) {
    int64_t rest = row;
    for (int d = dims - 1; d >= 0; d--) {
      x[dims - 1 - d] = coordinate(rest % size.at[d + 2], size.at[d + 2], align_corners);
      rest /= size.at[d + 2];
    }
    x[dims] = 1;
    if ((row & 65535) || !cr__interrupted()) continue;
    cr_release(t);
    t = NULL;
  }
  return t;
}

cr_tensor *cr__run_affine_grid(const cr_op *op, cr_tensor *theta, cr__ints size,
                               bool align_corners) {
  if (check_affine(op, theta, size)) return NULL;
  cr_tensor *places = places_of(op, size, align_corners);
  cr_tensor *there =
      cr__call_to(places, (cr_dtype)theta->dtype, cr_device_value(cr_device_of(theta)), false);
  cr_tensor *turned = cr__call_mT(theta), *rows = cr__call_matmul(there, turned);
  int64_t shape[5] = {size.at[0]};
  for (int d = 2; d < size.n; d++) shape[d - 1] = size.at[d];
  shape[size.n - 1] = size.n - 2;
  cr_tensor *r = cr__call_reshape(rows, shape, size.n);
  cr_release(places), cr_release(there), cr_release(turned), cr_release(rows);
  return r;
}
