/* convolution_layer.c: conv1d, conv2d, conv3d and their transposes: what they ask of their arguments.
 *
 * Holds true: all is checked before anything is allocated. Every argument that does not fit has one sentence. */
#include "create.h"

enum { SIZES = 3 };

/* A call: what it was given for each of its dims, and the sizes that come of it. */
typedef struct layer {
  const cr_op *op;
  cr_tensor *input, *weight, *bias;
  int ndim;                       /* that a kernel moves over */
  bool transposed, batched, same; /* same: padding that keeps sizes */
  const int64_t *sizes, *taps;    /* of the input and of the kernel, in these dims */
  int64_t stride[SIZES], padding[SIZES], dilation[SIZES], output_padding[SIZES], groups;
  int64_t batch, channels; /* of the input */
  int64_t result_channels;
  int64_t shape[2 + SIZES]; /* of the result, with a batch */
} layer;

static int dims_of(const cr_op *op) {
  switch (op->id) {
  case CR__OP_conv1d:
  case CR__OP_conv_transpose1d: return 1;
  case CR__OP_conv2d:
  case CR__OP_conv_transpose2d: return 2;
  default: return 3;
  }
}

/* ---- Tensors ---------------------------------------------------------------------------------- */

static int check_ranks(const layer *l) {
  cr__text got;
  if (l->input->ndim != l->ndim + 1 && l->input->ndim != l->ndim + 2)
    return cr__fail(CR_E_SHAPE, "%s: input must have %d dims, or %d without a batch, got shape %s",
                    l->op->lua, l->ndim + 2, l->ndim + 1,
                    cr__shape_text(l->input->ndim, cr__sizes(l->input), &got));
  if (l->weight->ndim == l->ndim + 2) return 0;
  return cr__fail(CR_E_SHAPE, "%s: weight must have %d dims, got shape %s", l->op->lua, l->ndim + 2,
                  cr__shape_text(l->weight->ndim, cr__sizes(l->weight), &got));
}

static int check_kinds(const layer *l) {
  cr_tensor *others[] = {l->weight, l->bias};
  static const char *const names[] = {"weight", "bias"};
  cr_device device;
  for (int i = 0; i < 2; i++) {
    if (!others[i] || others[i]->dtype == l->input->dtype) continue;
    return cr__fail(CR_E_DTYPE, "%s: %s is %s but input is %s; convert one with :to(dtype)",
                    l->op->lua, names[i], cr_dtype_name((cr_dtype)others[i]->dtype),
                    cr_dtype_name((cr_dtype)l->input->dtype));
  }
  if (l->input->dtype == CR_BOOL)
    return cr__fail(CR_E_DTYPE, "%s: bool cannot be multiplied; convert with x:to(\"int64\")",
                    l->op->lua);
  return cr__same_device(l->op->lua,
                         (cr_value[]){cr_of(l->input), cr_of(l->weight), cr_of(l->bias)}, 3,
                         &device);
}

static int check_weight(const layer *l) {
  const int64_t *w = cr__sizes(l->weight);
  cr__text text;
  const char *shape = cr__shape_text(l->weight->ndim, w, &text);
  for (int d = 0; d < l->weight->ndim; d++) {
    if (w[d] > 0 || (d == 1 && !l->transposed)) continue; /* no channels are no terms */
    return cr__fail(CR_E_SHAPE, "%s: weight has no elements in dim %d: its shape is %s", l->op->lua,
                    d + 1, shape);
  }
  if (w[0] % l->groups)
    return cr__fail(CR_E_SHAPE,
                    "%s: weight has %lld channels in dim 1, which %lld groups do not divide",
                    l->op->lua, (long long)w[0], (long long)l->groups);
  int64_t wanted = l->transposed ? w[0] : w[1] * l->groups;
  if (wanted == l->channels) return 0;
  return cr__fail(CR_E_SHAPE,
                  "%s: input has %lld channels, but weight of shape %s in %lld group%s takes %lld",
                  l->op->lua, (long long)l->channels, shape, (long long)l->groups,
                  l->groups == 1 ? "" : "s", (long long)wanted);
}

static int check_bias(const layer *l) {
  cr__text got;
  if (!l->bias || (l->bias->ndim == 1 && l->bias->numel == l->result_channels)) return 0;
  return cr__fail(CR_E_SHAPE, "%s: bias must have %lld elements in one dim, got shape %s",
                  l->op->lua, (long long)l->result_channels,
                  cr__shape_text(l->bias->ndim, cr__sizes(l->bias), &got));
}

/* ---- Numbers ---------------------------------------------------------------------------------- */

/* One number for all dims or one for each, from `least` on. */
static int take(const layer *l, const char *name, cr__ints given, int64_t least, int64_t *to) {
  if (given.n != 1 && given.n != l->ndim)
    return cr__fail(CR_E_ARGUMENT, "%s: %s must be one number or %d, got %d", l->op->lua, name,
                    l->ndim, given.n);
  for (int d = 0; d < l->ndim; d++) {
    to[d] = given.at[given.n == 1 ? 0 : d];
    if (to[d] >= least && to[d] <= INT32_MAX) continue;
    return cr__fail(CR_E_ARGUMENT, "%s: %s must be from %d to %d, got %lld", l->op->lua, name,
                    (int)least, INT32_MAX, (long long)to[d]);
  }
  return 0;
}

static int check_groups(const layer *l) {
  if (l->groups >= 1) return 0;
  return cr__fail(CR_E_ARGUMENT, "%s: groups must be at least 1, got %lld", l->op->lua,
                  (long long)l->groups);
}

static int check_output_padding(const layer *l) {
  for (int d = 0; d < l->ndim; d++) {
    if (l->output_padding[d] < l->stride[d] || l->output_padding[d] < l->dilation[d]) continue;
    return cr__fail(CR_E_ARGUMENT,
                    "%s: output_padding must be below stride or dilation, got %lld beside %lld and "
                    "%lld",
                    l->op->lua, (long long)l->output_padding[d], (long long)l->stride[d],
                    (long long)l->dilation[d]);
  }
  return 0;
}

/* The places from the first tap of a kernel to its last, in dim d. */
static __int128 reach(const layer *l, int d) { return (__int128)(l->taps[d] - 1) * l->dilation[d]; }

static int check_same(const layer *l) {
  for (int d = 0; d < l->ndim; d++) {
    if (l->stride[d] == 1) continue;
    return cr__fail(CR_E_ARGUMENT, "%s: padding \"same\" goes with a stride of 1 only, got %lld",
                    l->op->lua, (long long)l->stride[d]);
  }
  return 0;
}

/* ---- Sizes ------------------------------------------------------------------------------------ */

static int fail_sizes(const layer *l, const char *what) {
  cr__text sizes, taps;
  return cr__fail(CR_E_SHAPE, "%s: an input of size %s and a kernel of size %s give %s", l->op->lua,
                  cr__shape_text(l->ndim, l->sizes, &sizes),
                  cr__shape_text(l->ndim, l->taps, &taps), what);
}

static __int128 size_of_result(const layer *l, int d) {
  __int128 size = l->sizes[d], padding = 2 * (__int128)l->padding[d];
  if (l->same) return size;
  if (l->transposed)
    return (size - 1) * l->stride[d] - padding + reach(l, d) + l->output_padding[d] + 1;
  __int128 free = size + padding - reach(l, d) - 1; /* how far the kernel can move */
  return free < 0 ? 0 : free / l->stride[d] + 1;
}

static int find_sizes(layer *l) {
  for (int d = 0; d < l->ndim; d++) {
    if (l->sizes[d] == 0)
      return cr__fail(CR_E_SHAPE,
                      "%s: input has no elements in dim %d; only batch and channels may be empty",
                      l->op->lua, l->input->ndim - l->ndim + d + 1);
    __int128 n = size_of_result(l, d);
    if (n < 1) return fail_sizes(l, "a result that has no places");
    if (n > INT64_MAX / 4 || reach(l, d) > INT64_MAX / 4)
      return fail_sizes(l, "more places than there can be");
    l->shape[2 + d] = (int64_t)n;
    if (l->same) l->padding[d] = (int64_t)(reach(l, d) / 2); /* an odd place comes behind */
  }
  return 0;
}

/* ---- Calls ------------------------------------------------------------------------------------ */

/* Reads what both directions have: the tensors, stride, dilation, groups. */
static int begin(layer *l, cr__ints stride, cr__ints dilation) {
  l->ndim = dims_of(l->op);
  int code = check_ranks(l);
  if (!code) code = check_kinds(l);
  if (!code) code = take(l, "stride", stride, 1, l->stride);
  if (!code) code = take(l, "dilation", dilation, 1, l->dilation);
  if (!code) code = check_groups(l);
  if (code) return code;
  const int64_t *in = cr__sizes(l->input), *w = cr__sizes(l->weight);
  l->batched = l->input->ndim == l->ndim + 2;
  l->batch = l->batched ? in[0] : 1;
  l->channels = in[l->batched];
  l->sizes = in + l->batched + 1, l->taps = w + 2;
  code = check_weight(l);
  if (code) return code;
  l->result_channels = l->transposed ? w[1] * l->groups : w[0];
  l->shape[0] = l->batch, l->shape[1] = l->result_channels;
  return check_bias(l);
}

static cr_tensor *without_batch(cr_tensor *r) {
  cr_tensor *one = cr__call_squeeze(r, (int64_t[]){1}, 1);
  cr_release(r);
  return one;
}

/* Carries the call out. */
static cr_tensor *run(const layer *l) {
  int n = l->ndim;
  cr_tensor *in = l->batched ? cr_retain(l->input) : cr__call_unsqueeze(l->input, 1);
  cr_tensor *(*call)(cr_tensor *, cr_tensor *, cr_tensor *, const int64_t *, int, const int64_t *,
                     int, const int64_t *, int, const int64_t *, int, int64_t) =
      l->transposed ? cr__call_convolve_input : cr__call_convolve;
  cr_tensor *r = call(in, l->weight, l->bias, l->shape, n + 2, l->stride, n, l->padding, n,
                      l->dilation, n, l->groups);
  cr_release(in);
  if (r &&
      l->channels == 0) { /* as PyTorch has it: without channels there is nothing to fill any */
    cr_tensor *none = cr__call_narrow(r, 2, 1, 0);
    cr_release(r);
    r = none;
  }
  return r && !l->batched ? without_batch(r) : r;
}

cr_tensor *cr__run_conv(const cr_op *op, cr_tensor *input, cr_tensor *weight, cr_tensor *bias,
                        cr__ints stride, cr_value padding, cr__ints dilation, int64_t groups) {
  layer l = {.op = op, .input = input, .weight = weight, .bias = bias, .groups = groups};
  l.same = padding.kind == CR_STRING && padding.n == CR__conv1d_padding_same;
  cr__ints given = padding.kind == CR_STRING ? (cr__ints){(int64_t[]){0}, 1}
                                             : (cr__ints){padding.u.is, padding.n};
  int code = begin(&l, stride, dilation);
  if (!code) code = take(&l, "padding", given, 0, l.padding);
  if (!code && l.same) code = check_same(&l);
  if (!code) code = find_sizes(&l);
  return code ? NULL : run(&l);
}

cr_tensor *cr__run_conv_transpose(const cr_op *op, cr_tensor *input, cr_tensor *weight,
                                  cr_tensor *bias, cr__ints stride, cr__ints padding,
                                  cr__ints output_padding, int64_t groups, cr__ints dilation) {
  layer l = {.op = op, .input = input, .weight = weight, .bias = bias, .groups = groups};
  l.transposed = true;
  int code = begin(&l, stride, dilation);
  if (!code) code = take(&l, "padding", padding, 0, l.padding);
  if (!code) code = take(&l, "output_padding", output_padding, 0, l.output_padding);
  if (!code) code = check_output_padding(&l);
  if (!code) code = find_sizes(&l);
  return code ? NULL : run(&l);
}
