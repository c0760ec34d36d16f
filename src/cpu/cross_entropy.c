/* cross_entropy.c: cross entropy of rows of scores, and its gradient.
 *
 * Holds true: a row's loss is the sum of q_j (log(sum exp(x)) - x_j), where q_j is what its target gives class j, times
 * the weight of that class; its gradient is (sum of q) softmax(x)_j - q_j. Sums over rows are gathered in float64, in
 * their order. Of a class of more than 3/4 the gradient is computed from what the others are, so that no digits are
 * lost. All views are contiguous; `lines` has four numbers for each row: its largest score, the sum of the exponentials
 * of the others measured from it, its loss, the sum of q. */
#include <math.h>
#include <string.h>

#include "convert.h"
#include "cpu.h"
#include "cpu/loops/loops.h"
#include "cpu/softmax.h"
#include "scalar/reduction.h"

enum { TOP, REST, LOSS, MASS, LINE, BLOCK = 256 };
#define FEW 0.33333333333333331 /* exp of the others, where one class has 3/4 */

/* The slots of either kernel; out and grad are NULL going forward, loss is going backward. */
typedef struct job {
  const char *op;
  const cr__view *loss, *out, *grad, *input, *target, *weight;
  double *lines, *total;
  int64_t count, classes, ignored, reduction;
  double smoothing, even; /* even: what each class gets of the smoothing */
  bool probabilities, native;
  int compute;
  const cr__softmax_loops *loops;
} job;

static const char *at(const cr__view *v, int64_t i) {
  return v->data + i * (int64_t)cr__size_of((cr_dtype)v->dtype);
}

static double load(const cr__view *v, int64_t i) {
  double x;
  if (v->dtype == CR_FLOAT32) return *(const float *)(const void *)at(v, i);
  cr__convert(&x, CR_FLOAT64, at(v, i), v->dtype, 1);
  return x;
}

static void store(const cr__view *v, int64_t i, double x) {
  cr__convert((void *)(uintptr_t)at(v, i), v->dtype, &x, CR_FLOAT64, 1);
}

/* The class that a row's target names, from 0; -1 if it is to be ignored. It has been checked. */
static int64_t class_of(const job *j, int64_t row) {
  int64_t target = ((const int64_t *)(const void *)j->target->data)[row];
  return target == j->ignored ? -1 : target - 1;
}

static double weight_of(const job *j, int64_t class) {
  return j->weight ? load(j->weight, class) : 1;
}

static int check_classes(const job *j) {
  const int64_t *targets = (const int64_t *)(const void *)j->target->data;
  for (int64_t i = 0; i < j->count && !j->probabilities; i++) {
    int code = cr__cpu_look(i);
    if (code) return code;
    if (targets[i] != j->ignored && (targets[i] < 1 || targets[i] > j->classes))
      return cr__fail(CR_E_INDEX,
                      "%s: target %lld is out of range for %lld classes, which count from 1", j->op,
                      (long long)targets[i], (long long)j->classes);
  }
  return 0;
}

/* What a row's target gives the m classes from `first` on, times their weights; `own`: the class that a
 * target names. */
static void shares(const job *j, int64_t row, int64_t own, int64_t first, int64_t m, double *q) {
  double w[BLOCK];
  if (j->probabilities)
    cr__convert(q, CR_FLOAT64, at(j->target, row * j->classes + first), j->target->dtype, m);
  for (int64_t i = 0; i < m; i++)
    q[i] = (j->probabilities ? q[i] * (1 - j->smoothing) : 0) + j->even;
  if (!j->probabilities && own >= first && own < first + m) q[own - first] += 1 - j->smoothing;
  if (!j->weight) return;
  cr__convert(w, CR_FLOAT64, at(j->weight, first), j->weight->dtype, m);
  for (int64_t i = 0; i < m; i++) q[i] *= w[i];
}

/* ---- Forward ---- */

/* The scores of a row in the computation's type: where they are, or converted in room. */
static const void *scores(const job *j, int64_t row, char *room) {
  const char *x = at(j->input, row * j->classes);
  if (j->native) return x;
  cr__convert(room, j->compute == CR__COMPUTE_F64 ? CR_FLOAT64 : CR_FLOAT32, x, j->input->dtype,
              j->classes);
  return room;
}

static void measure(const job *j, const char *x, double *line) {
  const cr__folder *logs = &j->loops->logs[j->compute];
  int64_t size = j->compute == CR__COMPUTE_F64 ? 8 : 4;
  double state[2] = {-INFINITY, 0};
  for (int64_t i = 0, m; i < j->classes && !cr__cpu_stopped(); i += m) {
    m = j->classes - i < CR__FOLD_BLOCK ? j->classes - i : CR__FOLD_BLOCK;
    logs->row(state, x + i * size, m, 0);
  }
  line[TOP] = state[0];
  line[REST] = isfinite(state[0]) ? state[1] : NAN; /* PyTorch's way: inf - inf */
}

/* The loss over all classes, where each may have a share. */
static void sum_shares(const job *j, int64_t row, int64_t own, double log, double *line) {
  double q[BLOCK], x[BLOCK], loss = 0, mass = 0;
  for (int64_t i = 0, m; i < j->classes && !cr__cpu_stopped(); i += m) {
    m = j->classes - i < BLOCK ? j->classes - i : BLOCK;
    shares(j, row, own, i, m, q);
    cr__convert(x, CR_FLOAT64, at(j->input, row * j->classes + i), j->input->dtype, m);
    for (int64_t k = 0; k < m; k++) {
      double far = line[TOP] - x[k] + log;
      loss += q[k] == 0 && isinf(far) ? 0 : q[k] * far;
      mass += q[k];
    }
  }
  line[LOSS] = loss, line[MASS] = mass;
}

/* Whether more than one class may have a share. */
static bool spreads(const job *j) { return j->probabilities || j->smoothing != 0; }

/* Where one class has all, its loss waits for the logarithms of all rows: so far it is the distance to the
 * largest score. */
static void forward(const void *job_, int64_t row, char *room) {
  const job *j = job_;
  double *line = j->lines + LINE * row;
  int64_t own = j->probabilities ? 0 : class_of(j, row);
  line[TOP] = line[REST] = line[LOSS] = line[MASS] = 0;
  if (own < 0) return;
  measure(j, scores(j, row, room), line);
  if (spreads(j)) {
    double log = line[REST];
    cr__apply_f64(CR__PW_log1p, &log, 1);
    sum_shares(j, row, own, log, line);
  } else {
    line[MASS] = weight_of(j, own);
    line[LOSS] = line[TOP] - load(j->input, row * j->classes + own);
  }
}

/* Completes the losses of m rows from `first` on. */
static void add_logs(const job *j, int64_t first, int64_t m) {
  double log[BLOCK], *line = j->lines + LINE * first;
  for (int64_t i = 0; i < m; i++) log[i] = line[LINE * i + REST];
  cr__apply_f64(CR__PW_log1p, log, m);
  for (int64_t i = 0; i < m; i++, line += LINE) line[LOSS] = line[MASS] * (line[LOSS] + log[i]);
}

static int add_up(const job *j) {
  double sum = 0, total = 0;
  for (int64_t i = 0; i < j->count; i++) {
    int64_t own = j->probabilities ? 0 : class_of(j, i), left = j->count - i;
    int code = cr__cpu_look(i + 1);
    if (code) return code;
    if (i % BLOCK == 0 && !spreads(j)) add_logs(j, i, left < BLOCK ? left : BLOCK);
    double loss = j->lines[LINE * i + LOSS];
    if (j->reduction == CR__LOSS_NONE) store(j->loss, i, loss);
    sum += loss;
    total += own < 0 ? 0 : j->probabilities ? 1 : weight_of(j, own);
  }
  *j->total = total;
  if (j->reduction == CR__LOSS_NONE) return 0;
  store(j->loss, 0, j->reduction == CR__LOSS_MEAN ? sum / total : sum);
  return 0;
}

static size_t room_of(const job *j) {
  size_t line = (size_t)j->classes * (j->compute == CR__COMPUTE_F64 ? 8 : 4);
  return j->native ? 0 : (line + 63) / 64 * 64;
}

/* What both kernels are told. */
#define COMMON(k, s)                                                                            \
  .op = (k)->op, .input = &(s)->input, .target = &(s)->target,                                  \
  .weight = (s)->weight.data ? &(s)->weight : NULL, .lines = (double *)(void *)(s)->lines.data, \
  .total = (double *)(void *)(s)->total.data, .count = (s)->count, .classes = (s)->classes,     \
  .ignored = (s)->ignored, .reduction = (s)->reduction, .smoothing = (s)->smoothing,            \
  .probabilities = (s)->probabilities

static void prepare(job *j) {
  j->even = j->smoothing / (double)j->classes;
  j->compute = j->input->dtype == CR_FLOAT64 ? CR__COMPUTE_F64 : CR__COMPUTE_F32;
  j->native = j->input->dtype == CR_FLOAT64 || j->input->dtype == CR_FLOAT32;
  j->loops = cr__softmax_loops_here();
}

/* `loss` has an element for each row for CR__LOSS_NONE and else one, `total` the sum of the weights of all
 * targets (their number, of probabilities); `input` is count x classes, `target` int64 of count, or of
 * input's shape, `weight` of classes. `smoothing`: the part of each target that is spread evenly. */
int cr__cpu_cross_entropy(cr__launch *k) {
  const cr__cross_entropy_slots *s = &k->cross_entropy;
  job j = {.loss = &s->loss, COMMON(k, s)};
  prepare(&j);
  int code = check_classes(&j);
  if (!code) code = cr__cpu_lines(k->op, j.count, j.count * j.classes, room_of(&j), forward, &j);
  return code ? code : add_up(&j);
}

/* ---- Backward ---- */

/* The first class of a row that has the score `top`; -1: none has. */
static int64_t place_of(const job *j, const void *x, double top) {
  for (int64_t i = 0; i < j->classes; i++) {
    double found =
        j->compute == CR__COMPUTE_F64 ? ((const double *)x)[i] : (double)((const float *)x)[i];
    if (found == top) return i;
  }
  return -1;
}

/* Subtracts `by` from number i of a row of the computation's type. */
static void subtract(const job *j, void *to, int64_t i, double by) {
  if (j->compute == CR__COMPUTE_F64) ((double *)to)[i] -= by;
  else ((float *)to)[i] -= (float)by;
}

static void put(const job *j, void *to, int64_t i, double x) {
  if (j->compute == CR__COMPUTE_F64) ((double *)to)[i] = x;
  else ((float *)to)[i] = (float)x;
}

/* Subtracts c times the shares of all classes; returns the sum of the shares of all but `great`. */
static double subtract_shares(const job *j, void *to, int64_t row, int64_t own, int64_t great,
                              double c) {
  double q[BLOCK], others = 0;
  for (int64_t i = 0, m; i < j->classes && !cr__cpu_stopped(); i += m) {
    m = j->classes - i < BLOCK ? j->classes - i : BLOCK;
    shares(j, row, own, i, m, q);
    if (great >= 0)
      for (int64_t k = 0; k < m; k++) others += i + k == great ? 0 : q[k];
    for (int64_t k = 0; k < m; k++) q[k] *= c;
    if (j->compute == CR__COMPUTE_F64)
      for (int64_t k = 0; k < m; k++) ((double *)to)[i + k] -= q[k];
    else
      for (int64_t k = 0; k < m; k++) ((float *)to)[i + k] -= (float)q[k];
  }
  return others;
}

static void backward(const void *job_, int64_t row, char *room) {
  const job *j = job_;
  const double *line = j->lines + LINE * row;
  int64_t size = (int64_t)cr__size_of((cr_dtype)j->out->dtype),
          own = j->probabilities ? 0 : class_of(j, row);
  char *out = (char *)(uintptr_t)at(j->out, row * j->classes);
  if (own < 0) {
    memset(out, 0, (size_t)(j->classes * size));
    return;
  }
  double c = load(j->grad, j->reduction == CR__LOSS_NONE ? row : 0);
  if (j->reduction == CR__LOSS_MEAN) c /= *j->total;
  const void *x = scores(j, row, room);
  char *to = j->native ? out : room + room_of(j);
  cr__lines l = {.out = to, .a = x, .n = j->classes, .w = 1, .step = 1};
  double mass = c * line[MASS], share = mass * line[REST] / (1 + line[REST]);
  j->loops->piece[j->compute](&l, line[TOP], mass / (1 + line[REST]));
  int64_t great = line[REST] < FEW ? place_of(j, x, line[TOP]) : -1;
  if (spreads(j)) {
    double others = subtract_shares(j, to, row, own, great, c);
    if (great >= 0) put(j, to, great, c * others - share);
  } else if (own == great) {
    put(j, to, own, -share);
  } else {
    subtract(j, to, own, mass);
  }
  if (!j->native)
    cr__convert(out, j->out->dtype, to, j->compute == CR__COMPUTE_F64 ? CR_FLOAT64 : CR_FLOAT32,
                j->classes);
}

/* `out` is the gradient by the input, `grad` the one by the loss; the others are as above, with `lines` and
 * `total` as the forward call gave them. */
int cr__cpu_cross_entropy_backward(cr__launch *k) {
  const cr__cross_entropy_backward_slots *s = &k->cross_entropy_backward;
  job j = {.out = &s->out, .grad = &s->grad, COMMON(k, s)};
  prepare(&j);
  return cr__cpu_lines(k->op, j.count, j.count * j.classes, 2 * room_of(&j), backward, &j);
}
