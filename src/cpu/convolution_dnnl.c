/* convolution_dnnl.c: convolutions of float32 by oneDNN.
 *
 * Holds true: a batch is cut into slices of images whose sizes depend on the convolution's alone, and one thread
 * computes a slice; the gradients of a weight by the slices are added up in their order. So no result depends on how
 * many threads there are. One image is left to the other ways, which cut it. */
#include <stdatomic.h>

#include "convolution.h"
#include "dnnl.h"

/* Multiplications: that are worth it, of a slice, and that the host may have to wait for (the largest image; more are cut
 * into more slices). WEIGHT_PLACES: of the images of a slice, so that to add its weight is little beside. */
enum { LEAST_WORK = 1 << 22, SLICE_WORK = 1 << 24, LONG_WORK = 1 << 28, MOST_WORK = 1 << 30 };
enum { WEIGHT_SLICES = 8, WEIGHT_PLACES = 1536, WEIGHT_BYTES = 1 << 26 };

typedef struct job {
  const cr__conv *c;
  const cr__dnnl *library;
  cr__dnnl_convolution whole; /* of a slice; n is still to be set */
  int64_t slices;
  int64_t weights;      /* elements of the weight */
  int64_t weight_bytes; /* in the order that oneDNN likes; 0: as it lies */
  char *weight;         /* so, or the weights of all slices but the first, one after another */
  atomic_bool failed;
} job;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static cr__dnnl_convolution describe(const cr__conv *c, int gives) {
  cr__dnnl_convolution d = {.gives = gives, .groups = c->groups, .cx = c->cx, .cy = c->cy};
  d.bias = gives == CR__DNNL_FORWARD && c->bias;
  for (int i = 0; i < CR__CONV_DIMS; i++) {
    d.x[i] = c->x[i], d.w[i] = c->w[i], d.y[i] = c->y[i];
    d.stride[i] = c->stride[i], d.padding[i] = c->padding[i], d.dilation[i] = c->dilation[i];
  }
  return d;
}

/* Multiplications for an image, in double: they may be many. */
static double work_of(const cr__conv *c) {
  return (double)c->groups * (double)c->cx * (double)c->cy * (double)cr__conv_places(c->w) *
         (double)cr__conv_places(c->y);
}

/* Whether all is of a size that oneDNN's kernels were made for. */
static bool is_ordinary(const cr__conv *c) {
  enum { MOST = 1 << 28 };
  for (int d = 0; d < CR__CONV_DIMS; d++) {
    int64_t reach = (c->w[d] - 1) * c->dilation[d];
    if (c->padding[d] > reach || reach > c->x[d] + 2 * c->padding[d]) return false;
  }
  return c->groups * c->cx * cr__conv_places(c->x) < MOST &&
         c->groups * c->cy * cr__conv_places(c->y) < MOST;
}

/* oneDNN pays where there is enough to do, and more than one image to share. */
static bool is_worth_it(const cr__conv *c) {
  return c->dtype == CR_FLOAT32 && c->n > 1 && work_of(c) * (double)c->n >= LEAST_WORK &&
         work_of(c) <= 2.0 * MOST_WORK && is_ordinary(c);
}

/* Each slice has a weight of its own: few slices, but for long calls; `wanted` where that does not matter. */
static int64_t weight_slices(const cr__conv *c, int64_t wanted) {
  int64_t weight = c->groups * c->cx * c->cy * cr__conv_places(c->w) * (int64_t)sizeof(float);
  int64_t pays = c->n * cr__conv_places(c->y) / WEIGHT_PLACES, fits = WEIGHT_BYTES / weight;
  double work = work_of(c) * (double)c->n / LONG_WORK;
  int64_t lengths = work < (double)c->n ? (int64_t)work : c->n;
  wanted = least(wanted, WEIGHT_SLICES);
  if (wanted < lengths) wanted = lengths;
  wanted = least(least(wanted, pays), fits);
  for (int64_t equal = wanted; equal > wanted / 2 && equal > 1; equal--)
    if (c->n % equal == 0) return equal; /* one primitive serves all */
  return wanted < 2 ? 2 : wanted;
}

/* Slices of some work each; of equal size where they share a weight, whose order goes with the size. */
static int64_t slices_for(const cr__conv *c, int gives) {
  double each = work_of(c);
  int64_t images = each < SLICE_WORK ? (int64_t)(SLICE_WORK / each) : 1; /* of a slice */
  images = least(images, c->n / 2);
  if (gives == CR__DNNL_WEIGHT) return weight_slices(c, (c->n + images - 1) / images);
  while (c->n % images) images--;
  return c->n / images;
}

static int64_t first_image(const job *j, int64_t slice) { return slice * j->c->n / j->slices; }

/* ---- Slices ----------------------------------------------------------------------------------- */

/* Adds the bias of each channel to what a slice has computed. */
static void add_bias(const cr__conv *c, float *x, int64_t images) {
  int64_t places = cr__conv_places(c->x), channels = c->groups * c->cx;
  for (int64_t i = 0; i < images * channels; i++) {
    float b = ((const float *)(const void *)c->bias)[i % channels];
    for (int64_t p = 0; p < places; p++) x[i * places + p] += b;
  }
}

static void run_slice(const void *job_, int64_t slice, char *room) {
  job *j = (job *)(uintptr_t)job_;
  const cr__conv *c = j->c;
  cr__dnnl_convolution d = j->whole;
  int64_t first = first_image(j, slice);
  d.n = first_image(j, slice + 1) - first;
  char *x = (char *)(uintptr_t)c->x_data, *w = (char *)(uintptr_t)c->w_data;
  char *y = (char *)(uintptr_t)c->y_data;
  if (d.gives == CR__DNNL_FORWARD) y = c->out;
  if (d.gives == CR__DNNL_INPUT) x = c->out;
  if (d.gives != CR__DNNL_WEIGHT && j->weight) w = j->weight;
  if (d.gives == CR__DNNL_WEIGHT)
    w = slice ? j->weight + (slice - 1) * j->weights * (int64_t)sizeof(float) : c->out;
  x += first * c->groups * c->cx * cr__conv_places(c->x) * (int64_t)sizeof(float);
  y += first * c->groups * c->cy * cr__conv_places(c->y) * (int64_t)sizeof(float);
  if (j->library->convolution_run(&d, x, w, y, c->bias, room))
    atomic_store_explicit(&j->failed, true, memory_order_relaxed);
  else if (d.gives == CR__DNNL_INPUT && c->bias) add_bias(c, (float *)(void *)x, d.n);
}

/* Adds the weights of all slices to those of the first one. */
static void join(void *job_, int64_t begin, int64_t end) {
  const job *j = job_;
  float *out = (float *)(void *)j->c->out;
  for (int64_t s = 1; s < j->slices; s++) {
    const float *from = (const float *)(const void *)j->weight + (s - 1) * j->weights;
    for (int64_t i = begin; i < end; i++) out[i] += from[i];
  }
}

/* ---- Calls ------------------------------------------------------------------------------------ */

/* The scratch bytes of any slice; -1: there is no fast way. Slices are of two sizes at most. */
static int64_t prepare(job *j) {
  int64_t most = 0;
  for (int64_t n = j->c->n / j->slices; n <= (j->c->n + j->slices - 1) / j->slices; n++) {
    int64_t scratch, weight;
    j->whole.n = n;
    if (j->library->convolution_prepare(&j->whole, &scratch, &weight)) return -1;
    j->weight_bytes = weight;
    if (scratch > most) most = scratch;
  }
  return most;
}

static int run(job *j, size_t scratch) {
  double work = work_of(j->c) * (double)j->c->n / 32;
  int code = cr__cpu_lines(j->c->op, j->slices, work < 0x1p62 ? (int64_t)work : INT64_MAX,
                           scratch + 64, run_slice, j);
  if (!code && j->failed)
    code = cr__fail(CR_E_MEMORY, "out of memory: oneDNN stopped in %s", j->c->op);
  if (!code && j->whole.gives == CR__DNNL_WEIGHT && j->slices > 1)
    code = cr__cpu_share(j->weights, j->weights * j->slices / 4, join, j);
  return code;
}

int cr__conv_by_library(const cr__conv *c, int gives) {
  if (!is_worth_it(c)) return CR__CONV_NOT_TAKEN;
  job j = {.c = c, .library = cr__dnnl_here(), .whole = describe(c, gives)};
  if (!j.library) return CR__CONV_NOT_TAKEN;
  j.slices = slices_for(c, gives);
  j.weights = c->groups * c->cx * c->cy * cr__conv_places(c->w);
  int64_t scratch = prepare(&j);
  if (scratch < 0) return CR__CONV_NOT_TAKEN;
  bool sums = gives == CR__DNNL_WEIGHT;
  size_t bytes =
      sums ? (size_t)((j.slices - 1) * j.weights) * sizeof(float) : (size_t)j.weight_bytes;
  if (bytes && !(j.weight = cr__host_alloc_for(c->op, bytes))) return (int)cr_error_code();
  int code = 0;
  if (bytes && !sums && j.library->convolution_order(&j.whole, c->w_data, j.weight))
    code = cr__fail(CR_E_MEMORY, "out of memory: oneDNN stopped in %s", c->op);
  if (!code) code = run(&j, (size_t)scratch);
  if (bytes) cr__host_free(j.weight, bytes);
  return code;
}
