/* resample_maps.c: the maps of lines that windows and interpolation are.
 *
 * Holds true: places lie within the line, in ascending order for windows and for their transposes. Where PyTorch
 * computes places and weights in float32, so does this file, step by step: a step in double that is rounded gives
 * what float32 gives. */
#include "resample.h"

#include <math.h>
#include <string.h>

static int64_t *numbers_of(cr_tensor *t) { return (int64_t *)(void *)cr__data(t); }
static double *weights_of(cr_tensor *t) { return (double *)(void *)cr__data(t); }

static int begin_map(const char *op, cr__line_map *m, int64_t size, int64_t result, int64_t total,
                     bool weighs) {
  int64_t count = result + 1 + total;
  *m = (cr__line_map){size, result, cr__new(op, CR_INT64, CR_CPU, 1, &count), NULL};
  if (m->places && weighs) m->weights = cr__new(op, CR_FLOAT64, CR_CPU, 1, &total);
  if (m->places && (m->weights || !weighs)) return 0;
  cr_release(m->places);
  m->places = NULL;
  return (int)cr_error_code();
}

void cr__map_end(cr__line_map *m) {
  for (int d = 0; d < CR__WINDOW_DIMS; d++) {
    cr_release(m[d].places), cr_release(m[d].weights);
    m[d].places = m[d].weights = NULL;
  }
}

/* ---- Windows ----------------------------------------------------------------------------------- */

static cr__window window_of(const cr__windows *w, cr__windows_kind kind, int64_t o) {
  return kind == CR__WINDOWS_EVEN ? cr__window_even(w, o) : cr__window_adaptive(w, o);
}

int cr__map_windows(const char *op, const cr__windows *w, cr__windows_kind kind, cr__line_map *m) {
  int64_t total = 0;
  for (int64_t o = 0; o < w->result; o++) total += window_of(w, kind, o).count;
  int code = begin_map(op, m, w->size, w->result, total, false);
  if (code) return code;
  int64_t *first = numbers_of(m->places), *place = first + w->result + 1, n = 0;
  for (int64_t o = 0; o < w->result; o++) {
    cr__window at = window_of(w, kind, o);
    first[o] = n;
    for (int64_t i = 0; i < at.count; i++) place[n++] = at.first + i * at.step;
  }
  first[w->result] = n;
  return 0;
}

/* ---- Interpolation ----------------------------------------------------------------------------- */

static double rounded(const cr__scaling *s, double x) { return s->narrow ? (double)(float)x : x; }

/* How far apart in the line the elements of the result lie. */
static double step_of(const cr__scaling *s) {
  if (s->align_corners)
    return s->result > 1 ? rounded(s, (double)(s->size - 1) / (double)(s->result - 1)) : 0;
  if (s->factor > 0) return rounded(s, 1 / s->factor);
  return rounded(s, (double)s->size / (double)s->result);
}

/* Where the i-th element of the result lies in the line. */
static double source_of(const cr__scaling *s, double step, int64_t i) {
  if (s->align_corners) return rounded(s, step * (double)i);
  double x = rounded(s, rounded(s, step * ((double)i + 0.5)) - 0.5);
  return x < 0 && s->how != CR__RESAMPLE_CUBIC ? 0 : x;
}

static int64_t at_most(int64_t i, int64_t most) { return i < most ? i : most; }
static int64_t within(int64_t i, int64_t size) { return i < 0 ? 0 : at_most(i, size - 1); }
static double unit(double x) { return x < 0 ? 0 : x > 1 ? 1 : x; }

static int64_t nearest(const cr__scaling *s, double step, int64_t i) {
  double x = s->how == CR__RESAMPLE_NEAREST ? rounded(s, step * (double)i)
                                            : rounded(s, source_of(s, step, i) + 0.5);
  return at_most((int64_t)floorf((float)x), s->size - 1);
}

static void linear(const cr__scaling *s, double step, int64_t i, int64_t *place, double *weight) {
  double x = source_of(s, step, i);
  int64_t at = s->size == s->result ? i : at_most((int64_t)x, s->size - 1);
  double part = s->size == s->result ? 0 : unit(rounded(s, x - (double)at));
  place[0] = at;
  place[1] = s->size == s->result ? i : at + (at < s->size - 1);
  weight[0] = rounded(s, 1 - part), weight[1] = part;
}

/* Keys' cubic kernel of the parameter a, at distances from 0 to 1, and from 1 to 2. */
static double cubic_near(double x, double a) { return ((a + 2) * x - (a + 3)) * x * x + 1; }
static double cubic_far(double x, double a) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; }

static void cubic(const cr__scaling *s, double step, int64_t i, int64_t *place, double *weight) {
  const double a = -0.75;
  double x = source_of(s, step, i);
  int64_t at = at_most((int64_t)floor(x), s->size - 1);
  double t = unit(rounded(s, x - (double)at));
  for (int j = 0; j < 4; j++) place[j] = within(at + j - 1, s->size);
  weight[0] = rounded(s, cubic_far(t + 1, a)), weight[1] = rounded(s, cubic_near(t, a));
  weight[2] = rounded(s, cubic_near(1 - t, a)), weight[3] = rounded(s, cubic_far(2 - t, a));
}

/* The kernels of interpolation with antialiasing, of which the cubic one has another parameter. */
static double filter(const cr__scaling *s, double x) {
  x = fabs(x);
  if (s->how == CR__RESAMPLE_LINEAR) return x < 1 ? 1 - x : 0;
  return x < 1 ? cubic_near(x, -0.5) : x < 2 ? cubic_far(x, -0.5) : 0;
}

/* The places that an element with antialiasing is made of: from *first on, before *last. */
static void smooth_range(const cr__scaling *s, double step, int64_t i, int64_t *first,
                         int64_t *last) {
  double reach = s->how == CR__RESAMPLE_LINEAR ? 1 : 2, half = step >= 1 ? reach * step : reach;
  double centre = rounded(s, step * ((double)i + 0.5));
  half = rounded(s, half);
  *first = within((int64_t)rounded(s, rounded(s, centre - half) + 0.5), s->size);
  *last = at_most((int64_t)rounded(s, rounded(s, centre + half) + 0.5), s->size);
  if (*last <= *first) *last = *first + 1;
}

static void smooth(const cr__scaling *s, double step, int64_t i, int64_t *place, double *weight) {
  int64_t first, last;
  smooth_range(s, step, i, &first, &last);
  double centre = rounded(s, step * ((double)i + 0.5)), sum = 0;
  double inverse = step >= 1 ? 1 / step : 1;
  for (int64_t k = first; k < last; k++) {
    double x = rounded(s, ((double)k - centre + 0.5) * inverse);
    place[k - first] = k;
    weight[k - first] = rounded(s, filter(s, x));
    sum = rounded(s, sum + weight[k - first]);
  }
  for (int64_t k = 0; k < last - first; k++)
    if (sum != 0) weight[k] = rounded(s, weight[k] / sum);
}

/* How many places the i-th element is made of. */
static int64_t count_places(const cr__scaling *s, double step, int64_t i) {
  int64_t first, last;
  if (s->antialias) {
    smooth_range(s, step, i, &first, &last);
    return last - first;
  }
  return s->how == CR__RESAMPLE_CUBIC ? 4 : s->how == CR__RESAMPLE_LINEAR ? 2 : 1;
}

int cr__map_scaling(const char *op, const cr__scaling *s, cr__line_map *m) {
  double step = step_of(s);
  int64_t total = 0;
  for (int64_t i = 0; i < s->result; i++) total += count_places(s, step, i);
  bool weighs = s->how == CR__RESAMPLE_LINEAR || s->how == CR__RESAMPLE_CUBIC;
  int code = begin_map(op, m, s->size, s->result, total, weighs);
  if (code) return code;
  int64_t *first = numbers_of(m->places), *place = first + s->result + 1, n = 0;
  double *weight = weighs ? weights_of(m->weights) : NULL;
  for (int64_t i = 0; i < s->result; i++) {
    first[i] = n;
    if (!weighs) place[n] = nearest(s, step, i);
    else if (s->antialias) smooth(s, step, i, place + n, weight + n);
    else if (s->how == CR__RESAMPLE_CUBIC) cubic(s, step, i, place + n, weight + n);
    else linear(s, step, i, place + n, weight + n);
    n += count_places(s, step, i);
  }
  first[s->result] = n;
  return 0;
}

/* ---- The transpose ----------------------------------------------------------------------------- */

int cr__map_transpose(const char *op, cr__line_map *m) {
  int64_t *first = numbers_of(m->places), *place = first + m->result + 1, total = first[m->result];
  cr__line_map t;
  int code = begin_map(op, &t, m->result, m->size, total, m->weights != NULL);
  if (code) return code;
  int64_t *to = numbers_of(t.places), *source = to + t.result + 1;
  memset(to, 0, (size_t)(t.result + 1) * sizeof *to);
  for (int64_t i = 0; i < total; i++) to[place[i] + 1]++;
  for (int64_t p = 0; p < t.result; p++) to[p + 1] += to[p];
  for (int64_t o = 0; o < m->result; o++) {
    for (int64_t i = first[o]; i < first[o + 1]; i++) {
      int64_t at = to[place[i]]++; /* the first free one of its place */
      source[at] = o;
      if (m->weights) weights_of(t.weights)[at] = weights_of(m->weights)[i];
    }
  }
  for (int64_t p = t.result; p > 0; p--) to[p] = to[p - 1];
  to[0] = 0;
  cr_release(m->places), cr_release(m->weights);
  *m = t;
  return 0;
}
