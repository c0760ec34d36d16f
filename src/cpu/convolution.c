/* convolution.c: the kernels of convolutions: `convolution`, `convolution_input`, `convolution_weight`.
 *
 * Holds true: which way is taken depends on sizes and dtypes, never on threads. What is narrower than the dtype that
 * its sums are made in (float16, bfloat16 and small integers) is widened as a whole before, and narrowed after. */
#include "convolution.h"

#include "convert.h"
#include "dnnl.h"
#include "gemm.h"

#ifdef __x86_64__
extern const cr__conv_loops cr__conv_loops_v2, cr__conv_loops_v3, cr__conv_loops_v4;
const cr__conv_loops *cr__conv_loops_here(void) {
  static const cr__conv_loops *const by_level[] = {&cr__conv_loops_v2, &cr__conv_loops_v3,
                                                   &cr__conv_loops_v4};
  return by_level[cr__cpu_level()];
}
#else
extern const cr__conv_loops cr__conv_loops_base;
const cr__conv_loops *cr__conv_loops_here(void) { return &cr__conv_loops_base; }
#endif

void cr__conv_gather(int64_t size, const cr__conv_lines *l, void *to) {
  const cr__conv_loops *loops = cr__conv_loops_here();
  if (size == 4) loops->gather4(l, to);
  else loops->gather8(l, to);
}

/* ---- Calls ------------------------------------------------------------------------------------ */

/* The three tensors of a call by what they are, whichever of them is its result. */
typedef struct tensors {
  const cr__view *x, *w, *y;
  const cr__view *out, *bias;
} tensors;

static cr__conv call_of(const char *op, const tensors *t, const int64_t *stride,
                        const int64_t *padding, const int64_t *dilation, int64_t groups) {
  cr__conv c = {.op = op,
                .dtype = t->out->dtype,
                .n = t->x->shape[0],
                .groups = groups,
                .cx = t->x->shape[1] / groups,
                .cy = t->y->shape[1] / groups,
                .out = t->out->data,
                .x_data = t->x->data,
                .w_data = t->w->data,
                .y_data = t->y->data,
                .bias = t->bias ? t->bias->data : NULL};
  for (int d = 0; d < CR__CONV_DIMS; d++) {
    c.x[d] = t->x->shape[2 + d], c.w[d] = t->w->shape[2 + d], c.y[d] = t->y->shape[2 + d];
    c.stride[d] = stride[d], c.padding[d] = padding[d], c.dilation[d] = dilation[d];
  }
  return c;
}

static int64_t count(const cr__view *v) {
  int64_t n = 1;
  for (int d = 0; d < v->ndim; d++) n *= v->shape[d];
  return n;
}

/* ---- Kernels of one place ----------------------------------------------------------------------- */

bool cr__conv_is_plain(const cr__conv *c) {
  for (int d = 0; d < CR__CONV_DIMS; d++)
    if (c->w[d] != 1 || c->stride[d] != 1 || c->padding[d] != 0 || c->x[d] != c->y[d]) return false;
  return true;
}

static void as_matrices(cr__view *v, char *data, int dtype, int64_t n, int64_t rows,
                        int64_t columns, int64_t each, int64_t row, int64_t column) {
  *v = (cr__view){.data = data, .dtype = dtype, .ndim = 3};
  v->shape[0] = n, v->shape[1] = rows, v->shape[2] = columns;
  v->stride[0] = each, v->stride[1] = row, v->stride[2] = column;
}

/* A product for each image, of a group at a time: weight, or its transpose, times channels x places. */
static int by_products(const cr__conv *c, bool forward) {
  int64_t size = (int64_t)cr__size_of((cr_dtype)c->dtype), places = cr__conv_places(c->x);
  int64_t from = forward ? c->cx : c->cy, to = forward ? c->cy : c->cx;
  const char *source = forward ? c->x_data : c->y_data;
  int code = 0;
  for (int64_t g = 0; g < c->groups && !code; g++) {
    cr__launch k = {.op = c->op};
    char *w = (char *)(uintptr_t)c->w_data + g * c->cx * c->cy * size;
    as_matrices(&k.matmul.out, c->out + g * to * places * size, c->dtype, c->n, to, places,
                c->groups * to * places, places, 1);
    as_matrices(&k.matmul.a, w, c->dtype, c->n, to, from, 0, forward ? c->cx : 1,
                forward ? 1 : c->cx);
    as_matrices(&k.matmul.b, (char *)(uintptr_t)source + g * from * places * size, c->dtype, c->n,
                from, places, c->groups * from * places, places, 1);
    if (c->bias)
      as_matrices(&k.matmul.added, (char *)(uintptr_t)c->bias + g * to * size, c->dtype, c->n, to,
                  places, 0, 1, 0);
    code = cr__cpu_matmul(&k);
  }
  return code;
}

/* ---- Dtypes ------------------------------------------------------------------------------------- */

typedef struct conversion {
  const char *from;
  char *to;
  int from_dtype, to_dtype;
  int64_t n;
} conversion;

enum { STRETCH = 1 << 14 };

static void convert_some(void *conversion_, int64_t begin, int64_t end) {
  const conversion *v = conversion_;
  int64_t from = (int64_t)cr__size_of((cr_dtype)v->from_dtype);
  int64_t to = (int64_t)cr__size_of((cr_dtype)v->to_dtype);
  for (int64_t i = begin; i < end; i++) {
    int64_t at = i * STRETCH, n = v->n - at < STRETCH ? v->n - at : STRETCH;
    cr__convert(v->to + at * to, v->to_dtype, v->from + at * from, v->from_dtype, n);
  }
}

static int convert(const conversion *v) {
  return cr__cpu_share((v->n + STRETCH - 1) / STRETCH, v->n / 4, convert_some,
                       (void *)(uintptr_t)v);
}

static size_t wide_bytes(const cr__view *v, int dtype) {
  return v ? (size_t)count(v) * cr__size_of((cr_dtype)dtype) + 64 : 0;
}

/* Another dtype's copy of what v shows, or room for one. */
static char *widened(const char *op, const cr__view *v, int dtype, bool filled, int *code) {
  if (*code) return NULL;
  char *to = cr__host_alloc_for(op, wide_bytes(v, dtype));
  if (!to) *code = (int)cr_error_code();
  else if (filled) *code = convert(&(conversion){v->data, to, v->dtype, dtype, count(v)});
  return to;
}

/* Carries c out in the dtype `sum`. */
static int run_widened(cr__conv c, const tensors *t, int sum, int (*run)(const cr__conv *)) {
  const cr__view *views[] = {t->x, t->w, t->y, t->bias};
  char *copies[4] = {NULL};
  int code = 0;
  for (int i = 0; i < 4; i++)
    if (views[i]) copies[i] = widened(c.op, views[i], sum, views[i] != t->out, &code);
  c.dtype = sum;
  c.x_data = copies[0], c.w_data = copies[1], c.y_data = copies[2], c.bias = copies[3];
  for (int i = 0; i < 3; i++)
    if (views[i] == t->out) c.out = copies[i];
  if (!code) code = run(&c);
  if (!code) code = convert(&(conversion){c.out, t->out->data, sum, t->out->dtype, count(t->out)});
  for (int i = 0; i < 4; i++)
    if (copies[i]) cr__host_free(copies[i], wide_bytes(views[i], sum));
  return code;
}

static int run_as_sums(const cr__conv *c, const tensors *t, int (*run)(const cr__conv *)) {
  int sum = cr__gemm_loops_for(c->dtype)->dtype;
  return sum == c->dtype ? run(c) : run_widened(*c, t, sum, run);
}

/* ---- Ways --------------------------------------------------------------------------------------- */

static int forward(const cr__conv *c) {
  if (cr__conv_is_depthwise(c)) return cr__conv_depthwise_forward(c);
  int code = cr__conv_by_library(c, CR__DNNL_FORWARD);
  return code == CR__CONV_NOT_TAKEN ? cr__conv_forward(c) : code;
}

static int input(const cr__conv *c) {
  if (cr__conv_is_depthwise(c)) return cr__conv_depthwise_input(c);
  int code = cr__conv_by_library(c, CR__DNNL_INPUT);
  return code == CR__CONV_NOT_TAKEN ? cr__conv_input(c) : code;
}

static int weight(const cr__conv *c) {
  if (cr__conv_is_depthwise(c)) return cr__conv_depthwise_weight(c);
  if (cr__conv_is_plain(c)) return cr__conv_weight(c);
  int code = cr__conv_by_library(c, CR__DNNL_WEIGHT);
  return code == CR__CONV_NOT_TAKEN ? cr__conv_weight(c) : code;
}

/* ---- The kernels -------------------------------------------------------------------------------- */

/* out = the convolution of `in` with weight, + bias of a channel. All are contiguous and of one dtype, which is not
 * bool; out and in have 5 dims: images, channels, places, weight the result's channels and those of a group. Places
 * of `in` that it lacks count as zero. */
int cr__cpu_convolution(cr__launch *k) {
  const cr__convolution_slots *s = &k->convolution;
  tensors t = {&s->in, &s->weight, &s->out, &s->out, s->bias.data ? &s->bias : NULL};
  cr__conv c = call_of(k->op, &t, s->stride, s->padding, s->dilation, s->groups);
  if (cr__conv_is_plain(&c)) return by_products(&c, true);
  return run_as_sums(&c, &t, forward);
}

/* out = that whose convolution with weight has the gradient `grad` with respect to it, + bias of a channel: the
 * transpose of the above, whose shapes and conditions hold, out in the place of `in` and grad of `out`. */
int cr__cpu_convolution_input(cr__launch *k) {
  const cr__convolution_input_slots *s = &k->convolution_input;
  tensors t = {&s->out, &s->weight, &s->grad, &s->out, s->bias.data ? &s->bias : NULL};
  cr__conv c = call_of(k->op, &t, s->stride, s->padding, s->dilation, s->groups);
  if (cr__conv_is_plain(&c)) return by_products(&c, false);
  return run_as_sums(&c, &t, input);
}

/* out = the gradient of a convolution by its weight, of that by its result and of its input, whose shapes and
 * conditions are as above. */
int cr__cpu_convolution_weight(cr__launch *k) {
  const cr__convolution_weight_slots *s = &k->convolution_weight;
  tensors t = {&s->in, &s->out, &s->grad, &s->out, NULL};
  cr__conv c = call_of(k->op, &t, s->stride, s->padding, s->dilation, s->groups);
  if (count(&s->grad) == 0 || count(&s->in) == 0) {
    memset(c.out, 0, (size_t)count(&s->out) * cr__size_of((cr_dtype)s->out.dtype));
    return 0;
  }
  return run_as_sums(&c, &t, weight);
}
