/* reduce_again.c: means, spreads and norms whose sums, squares or powers leave the range of float64
 * (or, of float32, that in which its lanes add up) although the result does not.
 *
 * Holds true: the elements are scaled by powers of two, which changes no digit, so that the largest one is
 * near 1. A result is folded again by one thread, in the order of memory; most results never are. A walk ends
 * where its answer is known: at a NaN, and at an infinity where that decides. */
#include <math.h>

#include "convert.h"
#include "cpu/loops/loops.h"
#include "reduce.h"
#include "scalar/scalar_math.h"

/* A walk begins with FEW elements and takes twice as many each time, for it may end soon. */
enum { FEW = 4, BLOCK = 512 };

cr__again cr__again_of(const cr__launch *k, int compute) {
  bool root = k->reduce.map == CR__MAP_SQUARE, power = k->reduce.map == CR__MAP_POWER;
  if (compute == CR__COMPUTE_I64) return CR__AGAIN_NEVER;
  if (k->reduce.fold == CR__FOLD_MOMENTS) return CR__AGAIN_SPREAD;
  if (k->reduce.fold != CR__FOLD_SUM) return CR__AGAIN_NEVER;
  if (power || (root && k->reduce.from.dtype == CR_FLOAT64)) return CR__AGAIN_NORM;
  bool mean = k->reduce.map == CR__MAP_NONE && k->reduce.finish == CR__FINISH_DIVIDE;
  return mean ? CR__AGAIN_MEAN : CR__AGAIN_NEVER;
}

/* One result's elements. */
typedef struct line {
  const cr__fold_plan *plan;
  const char *in;
  int dtype;
} line;

/* What a pass over a line gathers. */
typedef struct pass {
  double least, most; /* |x| */
  bool nan;
  bool ends_at_infinity, ended; /* whether one decides; whether the rest of the line has no say */
  double scale, middle, again,
      power; /* what is added up: functions of (x * scale - middle) * again */
  double sum, rest;
} pass;

static void walk(const line *l, pass *to, void (*take)(pass *to, const double *x, int64_t n)) {
  const cr__fold_plan *p = l->plan;
  double x[BLOCK];
  int last = p->nreduced - 1;
  int64_t inner = p->reduced[last], step = p->reduced_in[last];
  int64_t size = (int64_t)cr__size_of((cr_dtype)l->dtype);
  int64_t most = FEW;
  to->ended = false;
  for (int64_t r = 0, n; r < p->reduced_count && !to->ended && !cr__cpu_stopped(); r += n) {
    int64_t at = r % inner, offset = at * step;
    offset += cr__offset_at(last, p->reduced, p->reduced_in, r / inner);
    n = inner - at < most ? inner - at : most;
    if (most < BLOCK) most *= 2;
    cr__read_run(x, CR_FLOAT64, l->in + offset * size, l->dtype, step, n);
    take(to, x, n);
  }
}

static void measure(pass *to, const double *x, int64_t n) {
  double scale = to->scale, middle = to->middle, scale_again = to->again;
  double most = to->most, least = to->least;
  bool nan = false;
  for (int64_t i = 0; i < n; i++) {
    double size = fabs((x[i] * scale - middle) * scale_again);
    nan |= size != size;
    most = size > most ? size : most;
    least = size < least ? size : least;
  }
  to->most = most, to->least = least, to->nan = nan;
  to->ended = nan || (to->ends_at_infinity && isinf(most));
}

static void add(pass *to, const double *x, int64_t n) {
  for (int64_t i = 0; i < n; i++) to->sum += x[i] * to->scale;
}

static void add_squares(pass *to, const double *x, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    double d = (x[i] * to->scale - to->middle) * to->again;
    to->rest += d, to->sum += d * d;
  }
}

static void add_powers(pass *to, const double *x, int64_t n) {
  for (int64_t at = 0; at < n; at += CR__BLOCK) {
    double power[CR__BLOCK];
    int64_t m = n - at < CR__BLOCK ? n - at : CR__BLOCK;
    for (int64_t j = 0; j < m; j++) power[j] = fabs(x[at + j] * to->scale);
    cr__powers_f64(power, power, NULL, to->power, m);
    for (int64_t j = 0; j < m; j++) to->sum += power[j];
  }
}

/* The power of two that brings a positive number near 1; none brings the smallest ones all the way. */
static double scale_of(double size) {
  int exponent;
  frexp(size, &exponent);
  return ldexp(1, exponent < -1000 ? 1000 : -exponent);
}

/* The range of the elements as `to` scales them. */
static void range(const line *l, pass *to) {
  to->least = INFINITY, to->most = 0, to->nan = false;
  walk(l, to, measure);
}

/* The p-norm. */
static double norm(const line *l, double p) {
  pass to = {.scale = 1, .again = 1, .power = p};
  range(l, &to);
  double size = p < 0 ? to.least : to.most;
  if (to.nan) return NAN;
  if (size == 0 || isinf(size)) return size;
  to.scale = scale_of(size);
  walk(l, &to, p == 2 ? add_squares : add_powers);
  return (p == 2 ? sqrt(to.sum) : f64_root(to.sum, p)) / to.scale;
}

static double mean(const line *l, double state, double n) {
  pass to = {.scale = 1, .again = 1, .ends_at_infinity = true};
  range(l, &to);
  if (to.nan || isinf(to.most) || to.most == 0) return state / n;
  to.scale = scale_of(to.most);
  walk(l, &to, add);
  return to.sum / n / to.scale;
}

/* The variance by `rest`, the elements' number less the correction, or its root. */
static double spread(const line *l, double rest, bool root) {
  double n = (double)l->plan->reduced_count;
  pass to = {.scale = 1, .again = 1, .ends_at_infinity = true};
  range(l, &to);
  if (to.nan || isinf(to.most) || n == 0) return NAN;
  if (to.most > 0) to.scale = scale_of(to.most);
  walk(l, &to, add);
  to.middle = to.sum / n;
  range(l, &to);
  if (to.most > 0) to.again = scale_of(to.most);
  to.sum = to.rest = 0;
  walk(l, &to, add_squares);
  double squares = (to.sum - to.rest * to.rest / n) / rest;
  if (root) return sqrt(squares) / to.again / to.scale;
  return squares / to.again / to.scale / to.again / to.scale;
}

double cr__again_fold(cr__again what, const cr__launch *k, const cr__fold_plan *plan,
                      const char *in, double state) {
  line l = {plan, in, k->reduce.from.dtype};
  if (what == CR__AGAIN_NORM)
    return norm(&l, k->reduce.map == CR__MAP_SQUARE ? 2 : k->reduce.power);
  if (what == CR__AGAIN_MEAN) return mean(&l, state, k->reduce.number);
  return spread(&l, k->reduce.number, k->reduce.finish == CR__FINISH_DIVIDE_ROOT);
}
