/* convolution.c: the three products of convolutions: of the result, of the input, of the weight.
 *
 * Holds true: the callers, which are conv1d and its kin and the derivatives of these three, give sizes that belong
 * together. Kernels see contiguous tensors of three dims behind batch and channels; those that are missing have one
 * place, and stand before the others. */
#include "create.h"

enum { SIZES = 3, BEFORE = 2 };

/* What ties input, weight and result, as calls hand it on. */
typedef struct geometry {
  cr__ints stride, padding, dilation;
  int64_t groups;
} geometry;

static void fill(int64_t to[SIZES], cr__ints given, int64_t otherwise) {
  for (int d = 0; d < SIZES; d++) {
    int from = d - (SIZES - given.n);
    to[d] = from < 0 ? otherwise : given.at[from];
  }
}

/* A view of t with three dims behind the first two. */
static void add_view(cr__launch *k, cr__view *slot, cr_tensor *t) {
  cr__view *v = cr__launch_view(k, slot, t);
  int missing = BEFORE + SIZES - t->ndim;
  v->ndim = BEFORE + SIZES;
  for (int d = 0; d < v->ndim; d++)
    v->shape[d] = d < BEFORE             ? cr__sizes(t)[d]
                  : d - BEFORE < missing ? 1
                                         : cr__sizes(t)[d - missing];
  cr__fill_strides(v->ndim, v->shape, v->stride);
}

#define FILL_GEOMETRY(slots, g)                                                \
  (fill((slots).stride, (g).stride, 1), fill((slots).padding, (g).padding, 0), \
   fill((slots).dilation, (g).dilation, 1), (slots).groups = (g).groups)

/* The result of a convolution, or the input of one. */
static cr_tensor *convolve(const cr_op *op, cr_tensor *given, cr_tensor *weight, cr_tensor *bias,
                           cr__ints shape, geometry g) {
  cr_tensor *from = cr__call_contiguous(given), *w = from ? cr__call_contiguous(weight) : NULL;
  cr_tensor *b = bias && w ? cr__call_contiguous(bias) : NULL, *r = NULL;
  if (w && (b || !bias))
    r = cr__new(op->name, (cr_dtype)given->dtype, cr_device_of(given), shape.n, shape.at);
  if (r) {
    cr__launch k;
    bool forward = op->id == CR__OP_convolve;
    cr__launch_begin(&k, op->name, cr_device_of(r));
    add_view(&k, forward ? &k.convolution.out : &k.convolution_input.out, r);
    add_view(&k, forward ? &k.convolution.in : &k.convolution_input.grad, from);
    add_view(&k, forward ? &k.convolution.weight : &k.convolution_input.weight, w);
    if (b) cr__launch_view(&k, forward ? &k.convolution.bias : &k.convolution_input.bias, b);
    if (forward) FILL_GEOMETRY(k.convolution, g);
    else FILL_GEOMETRY(k.convolution_input, g);
    r = cr__filled(cr__launch_run(&k, forward ? CR__K_convolution : CR__K_convolution_input), r);
  }
  cr_release(from), cr_release(w), cr_release(b);
  return r;
}

cr_tensor *cr__run_convolve(const cr_op *op, cr_tensor *input, cr_tensor *weight, cr_tensor *bias,
                            cr__ints shape, cr__ints stride, cr__ints padding, cr__ints dilation,
                            int64_t groups) {
  return convolve(op, input, weight, bias, shape, (geometry){stride, padding, dilation, groups});
}

cr_tensor *cr__run_convolve_input(const cr_op *op, cr_tensor *grad, cr_tensor *weight,
                                  cr_tensor *bias, cr__ints shape, cr__ints stride,
                                  cr__ints padding, cr__ints dilation, int64_t groups) {
  return convolve(op, grad, weight, bias, shape, (geometry){stride, padding, dilation, groups});
}

cr_tensor *cr__run_convolve_weight(const cr_op *op, cr_tensor *grad, cr_tensor *input,
                                   cr__ints shape, cr__ints stride, cr__ints padding,
                                   cr__ints dilation, int64_t groups) {
  cr_tensor *y = cr__call_contiguous(grad), *x = y ? cr__call_contiguous(input) : NULL, *r = NULL;
  if (x) r = cr__new(op->name, (cr_dtype)grad->dtype, cr_device_of(grad), shape.n, shape.at);
  if (r) {
    cr__launch k;
    cr__launch_begin(&k, op->name, cr_device_of(r));
    add_view(&k, &k.convolution_weight.out, r);
    add_view(&k, &k.convolution_weight.grad, y);
    add_view(&k, &k.convolution_weight.in, x);
    FILL_GEOMETRY(k.convolution_weight, ((geometry){stride, padding, dilation, groups}));
    r = cr__filled(cr__launch_run(&k, CR__K_convolution_weight), r);
  }
  cr_release(y), cr_release(x);
  return r;
}
