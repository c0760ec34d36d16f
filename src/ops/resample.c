/* resample.c: maps of lines carried out, and interpolation as it is asked for.
 *
 * Holds true: a map of each dim is made for each call; it is small beside what it is applied to. */
#include "resample.h"

#include <math.h>
#include <string.h>

/* ---- Maps carried out -------------------------------------------------------------------------- */

/* The three lists of places one after the other in one tensor, and where each begins. */
static cr_tensor *join_places(const char *op, const cr__line_map *m, int64_t *first) {
  int64_t n = 0;
  for (int d = 0; d < CR__WINDOW_DIMS; d++) first[d] = n, n += m[d].places->numel;
  cr_tensor *t = cr__new(op, CR_INT64, CR_CPU, 1, &n);
  for (int d = 0; d < CR__WINDOW_DIMS && t; d++)
    memcpy(cr__data(t) + first[d] * (int64_t)sizeof(int64_t), cr__data(m[d].places),
           (size_t)m[d].places->numel * sizeof(int64_t));
  return t;
}

/* The same of weights, 1 where a map has none. */
static cr_tensor *join_weights(const char *op, const cr__line_map *m, int64_t *first) {
  int64_t n = 0;
  for (int d = 0; d < CR__WINDOW_DIMS; d++) first[d] = n, n += m[d].places->numel - m[d].result - 1;
  cr_tensor *t = cr__new(op, CR_FLOAT64, CR_CPU, 1, &n);
  double *to = t ? (double *)(void *)cr__data(t) : NULL;
  for (int d = 0; d < CR__WINDOW_DIMS && t; d++) {
    int64_t end = d < 2 ? first[d + 1] : n;
    if (m[d].weights)
      memcpy(to + first[d], cr__data(m[d].weights), (size_t)(end - first[d]) * sizeof *to);
    else
      for (int64_t i = first[d]; i < end; i++) to[i] = 1;
  }
  return t;
}

/* t, which is given up, in a dtype on a device. */
static cr_tensor *moved(cr_tensor *t, cr_dtype dtype, cr_device device) {
  cr_tensor *r = cr__call_to(t, dtype, cr_device_value(device), false);
  cr_release(t);
  return r;
}

static void set_sizes(cr__launch *k, const cr__line_map *m, const int64_t *place,
                      const int64_t *weight) {
  for (int d = 0; d < CR__WINDOW_DIMS; d++) {
    k->resample.size[d] = m[d].size, k->resample.result[d] = m[d].result;
    k->resample.place[d] = place[d], k->resample.weight[d] = weight[d];
  }
}

/* Whether the sums along a dim are of so many elements, few of which are part of two, that these are best added up
 * before those of the last dim, many side by side. */
static bool adds_rows(const cr__line_map *m) {
  int64_t places = m->places->numel - m->result - 1;
  return places >= 4 * m->result && places <= 2 * m->size;
}

cr_tensor *cr__resample(const cr_op *op, cr_tensor *self, int n, const cr__line_map *m,
                        cr_tensor *shares, bool before) {
  int64_t place[3], weight[3] = {0, 0, 0}, shape[CR_MAX_DIMS], last[3];
  bool weighs = m[0].weights || m[1].weights || m[2].weights;
  cr_device device = cr_device_of(self);
  cr_dtype dtype = (cr_dtype)self->dtype, compute = CR_FLOAT32; /* what it is computed in */
  if (dtype == CR_FLOAT64) compute = CR_FLOAT64;
  else if (!weighs && !cr__is_float(dtype)) compute = CR_INT64;
  for (int d = 0; d < CR__WINDOW_DIMS; d++) last[d] = m[d].result;
  int ndim = cr__windowed_shape(self, n, last + CR__WINDOW_DIMS - n, shape);
  cr_tensor *from = cr__call_contiguous(self), *r = NULL, *weights = NULL, *divisors = NULL;
  cr_tensor *places = from ? moved(join_places(op->lua, m, place), CR_INT64, device) : NULL;
  if (places && weighs) weights = moved(join_weights(op->lua, m, weight), compute, device);
  if (places && shares) divisors = cr__call_to(shares, compute, cr_device_value(device), false);
  if (places && (weights || !weighs) && (divisors || !shares))
    r = cr__new(op->lua, dtype, device, ndim, shape);
  if (r) {
    cr__launch k;
    cr__launch_begin(&k, op->lua, device);
    cr__launch_view(&k, &k.resample.out, r);
    cr__launch_view(&k, &k.resample.from, from);
    cr__launch_view(&k, &k.resample.places, places);
    cr__launch_view(&k, &k.resample.weights, weights);
    cr__launch_view(&k, &k.resample.shares, divisors);
    set_sizes(&k, m, place, weight);
    k.resample.planes = cr__planes_of(self, n);
    k.resample.before = before;
    k.resample.rows_first = !weighs && !before && adds_rows(&m[1]) && m[0].size == m[0].result;
    r = cr__filled(cr__launch_run(&k, CR__K_resample), r);
  }
  cr_release(from), cr_release(places), cr_release(weights), cr_release(divisors);
  return r;
}

/* ---- Interpolation ----------------------------------------------------------------------------- */

/* What the hidden operations are given, beside self. */
typedef struct way {
  cr__ints size;
  int64_t mode;
  bool align_corners, antialias;
  cr__floats scales;
} way;

/* From a tensor whose last dims are `sizes`, which brings them to those of the way. */
static cr_tensor *interpolated(const cr_op *op, cr_tensor *self, const int64_t *sizes, way how,
                               bool transposed) {
  cr__line_map m[CR__WINDOW_DIMS] = {{0}};
  int n = how.size.n, code = 0;
  for (int d = 0; d < CR__WINDOW_DIMS && !code; d++) {
    int i = d - (CR__WINDOW_DIMS - n);
    cr__scaling s = {CR__RESAMPLE_NEAREST, 1, 1, 0, false, false, self->dtype != CR_FLOAT64};
    if (i >= 0)
      s = (cr__scaling){(cr__resampling)how.mode,
                        sizes[i],
                        how.size.at[i],
                        how.scales.n > 0 ? how.scales.at[i] : 0,
                        how.align_corners,
                        how.antialias,
                        s.narrow};
    code = cr__map_scaling(op->lua, &s, &m[d]);
    if (!code && transposed) code = cr__map_transpose(op->lua, &m[d]);
  }
  cr_tensor *r = code ? NULL : cr__resample(op, self, n, m, NULL, false);
  cr__map_end(m);
  return r;
}

cr_tensor *cr__run_resample(const cr_op *op, cr_tensor *self, cr__ints size, int64_t mode,
                            bool align_corners, bool antialias, cr__floats scales) {
  return interpolated(op, self, cr__sizes(self) + self->ndim - size.n,
                      (way){size, mode, align_corners, antialias, scales}, false);
}

cr_tensor *cr__run_resample_backward(const cr_op *op, cr_tensor *self, cr__ints shape,
                                     cr__ints size, int64_t mode, bool align_corners,
                                     bool antialias, cr__floats scales) {
  return interpolated(op, self, shape.at + shape.n - size.n,
                      (way){size, mode, align_corners, antialias, scales}, true);
}

typedef struct known_mode {
  const char *name;
  int dims; /* that it is for; 0: any number */
  int how;  /* a cr__resampling; -1: by means */
  bool linear, antialias;
} known_mode;

static const known_mode modes[] = {{"nearest", 0, CR__RESAMPLE_NEAREST, false, false},
                                   {"nearest-exact", 0, CR__RESAMPLE_NEAREST_EXACT, false, false},
                                   {"linear", 1, CR__RESAMPLE_LINEAR, true, false},
                                   {"bilinear", 2, CR__RESAMPLE_LINEAR, true, true},
                                   {"bicubic", 2, CR__RESAMPLE_CUBIC, true, true},
                                   {"trilinear", 3, CR__RESAMPLE_LINEAR, true, false},
                                   {"area", 0, -1, false, false}};

static const known_mode *find_mode(const cr_op *op, const char *name, int dims) {
  cr_quoted got;
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    if (strcmp(name, modes[i].name) != 0) continue;
    if (modes[i].dims == 0 || modes[i].dims == dims) return &modes[i];
    cr__fail(CR_E_ARGUMENT, "%s: mode \"%s\" is for input of %d dims, got %d", op->lua, name,
             modes[i].dims + 2, dims + 2);
    return NULL;
  }
  cr__fail(CR_E_ARGUMENT,
           "%s: mode must be \"nearest\", \"nearest-exact\", \"linear\", \"bilinear\", "
           "\"bicubic\", \"trilinear\" or \"area\", got %s",
           op->lua, cr__quote(name, &got));
  return NULL;
}

/* Reads size and scale_factor, of which there must be one, into `sizes` and, where places are to be computed from the
 * factors, those into `factors`, whose number it returns; -1 with the error set. */
static int read_sizes(const cr_op *op, const cr_tensor *input, cr__ints size, cr__floats factor,
                      int64_t *sizes, double *factors) {
  int n = input->ndim - 2, given = size.n >= 0 ? size.n : factor.n;
  const char *what = size.n >= 0 ? "size" : "scale_factor";
  if ((size.n < 0) == (factor.n < 0))
    return cr__fail(CR_E_ARGUMENT, "%s: needs size or scale_factor, and not both", op->lua), -1;
  if (given != 1 && given != n)
    return cr__fail(CR_E_ARGUMENT,
                    "%s: %s must be one number or %d, one for each dim but the "
                    "first two, got %d numbers",
                    op->lua, what, n, given),
           -1;
  for (int d = 0; d < n; d++) {
    int i = given == 1 ? 0 : d;
    if (size.n >= 0) {
      sizes[d] = size.at[i];
      if (sizes[d] < 1 || sizes[d] > INT32_MAX)
        return cr__fail(CR_E_ARGUMENT, "%s: size must be at least 1 and below 2^31, got %lld",
                        op->lua, (long long)sizes[d]),
               -1;
      continue;
    }
    factors[d] = factor.at[i];
    double x = floor((double)cr__sizes(input)[d + 2] * factors[d]);
    if (!(x >= 1 && x <= INT32_MAX))
      return cr__fail(CR_E_ARGUMENT, "%s: scale_factor %g makes no size of %lld", op->lua,
                      factors[d], (long long)cr__sizes(input)[d + 2]),
             -1;
    sizes[d] = (int64_t)x;
  }
  return size.n >= 0 ? 0 : n;
}

static int check_input(const cr_op *op, const cr_tensor *input) {
  cr__text text;
  const char *shape = cr__shape_text(input->ndim, cr__sizes(input), &text);
  if (input->ndim < 3 || input->ndim > 5)
    return cr__fail(CR_E_SHAPE,
                    "%s: input must have 3, 4 or 5 dims, of which the first two stay, got shape %s",
                    op->lua, shape);
  for (int d = 2; d < input->ndim; d++)
    if (cr__sizes(input)[d] == 0)
      return cr__fail(CR_E_SHAPE, "%s: input has no elements along dim %d: its shape is %s",
                      op->lua, d + 1, shape);
  if (cr__is_float((cr_dtype)input->dtype) || input->dtype == CR_UINT8) return 0;
  return cr__fail(CR_E_DTYPE, "%s: input must be of a floating dtype or uint8, got %s", op->lua,
                  cr_dtype_name((cr_dtype)input->dtype));
}

/* That the mode knows what it is asked for beside. */
static int check_options(const cr_op *op, const known_mode *m, const cr_tensor *input,
                         const way *how, bool recompute, bool sized) {
  if (how->align_corners && !m->linear)
    return cr__fail(CR_E_ARGUMENT,
                    "%s: align_corners is for \"linear\", \"bilinear\", \"bicubic\" and "
                    "\"trilinear\", not for \"%s\"",
                    op->lua, m->name);
  if (how->antialias && !m->antialias)
    return cr__fail(CR_E_ARGUMENT,
                    "%s: antialias is for \"bilinear\" and \"bicubic\", not for \"%s\"", op->lua,
                    m->name);
  if (recompute && sized)
    return cr__fail(CR_E_ARGUMENT, "%s: recompute_scale_factor is for scale_factor, not for size",
                    op->lua);
  if (m->how >= 0 || input->dtype != CR_UINT8) return 0;
  return cr__fail(CR_E_DTYPE, "%s: mode \"area\" takes a floating dtype, got uint8", op->lua);
}

static cr_tensor *by_means(cr_tensor *input, const int64_t *sizes) {
  switch (input->ndim) {
  case 3: return cr__call_adaptive_avg_pool1d(input, sizes, 1);
  case 4: return cr__call_adaptive_avg_pool2d(input, sizes, 2);
  default: return cr__call_adaptive_avg_pool3d(input, sizes, 3);
  }
}

cr_tensor *cr__run_interpolate(const cr_op *op, cr_tensor *input, cr__ints size,
                               cr__floats scale_factor, const char *mode, bool align_corners,
                               bool recompute_scale_factor, bool antialias) {
  int64_t sizes[3];
  double factors[3];
  const char *name = mode ? mode : "nearest";
  if (op->id == CR__OP_upsample_bilinear) name = "bilinear", align_corners = true;
  if (check_input(op, input)) return NULL;
  const known_mode *m = find_mode(op, name, input->ndim - 2);
  if (!m) return NULL;
  int known = read_sizes(op, input, size, scale_factor, sizes, factors);
  way how = {{sizes, input->ndim - 2}, m->how, align_corners, antialias, {factors, known}};
  if (recompute_scale_factor || known == 0) how.scales = (cr__floats){NULL, -1};
  if (known < 0 || check_options(op, m, input, &how, recompute_scale_factor, known == 0))
    return NULL;
  if (m->how < 0) return by_means(input, sizes);
  return cr__call_resample(input, sizes, how.size.n, how.mode, align_corners, antialias,
                           how.scales.at, how.scales.n);
}
