/* ctc.c: the forward and backward recursions of connectionist temporal classification.
 *
 * Holds true: a target of L classes has 2 L + 1 states: its classes, with blanks before, between and behind them. All
 * is computed in logarithms, in float64; where nothing can be, the logarithm is -infinity. All views are contiguous:
 * log_probs steps x batch x classes, alpha batch x steps x width; the targets and lengths are int64. */
#include <math.h>
#include <string.h>

#include "convert.h"
#include "cpu.h"
#include "cpu/loops/loops.h"
#include "scalar/scalar_math.h"

/* The slots of either kernel; out and grad are NULL going forward, loss is going backward. */
typedef struct job {
  const cr__view *loss, *out, *grad, *alpha, *log_probs;
  const int64_t *targets, *input_lengths, *target_lengths;
  int64_t steps, batch, classes, width, blank, row;
  bool zero_infinity;
} job;

/* A sample, and the room that its states have. */
typedef struct sample {
  const job *j;
  const int64_t *target;
  int64_t n, states, steps; /* n: its number */
  int64_t *label, *first;   /* the class of each state, from 0; the first state of that class */
  double *skip; /* 0 where a state may follow the one before the one before it, else -infinity */
  double *now, *next; /* logarithms of a step, with two that are -infinity in front */
  double *parts;      /* three numbers for each state */
} sample;

enum { FRONT = 2 };

static size_t sample_bytes(const job *j) {
  return (size_t)(7 * (j->width + FRONT)) * sizeof(double) +
         (size_t)(2 * j->width) * sizeof(int64_t);
}

static sample sample_of(const job *j, int64_t n, char *room) {
  sample s = {.j = j, .n = n, .steps = j->input_lengths[n], .states = 2 * j->target_lengths[n] + 1};
  int64_t each = j->width + FRONT, from = n * j->row;
  for (int64_t i = 0; i < n && !j->row; i++) from += j->target_lengths[i];
  s.target = j->targets + from;
  s.now = (double *)(void *)room + FRONT, s.next = s.now + each, s.skip = s.next + each;
  s.parts = s.skip + each;
  s.label = (int64_t *)(void *)(s.parts + 3 * each), s.first = s.label + j->width;
  for (int64_t i = 0; i < s.states; i++) s.label[i] = (i & 1 ? s.target[i / 2] : j->blank) - 1;
  return s;
}

/* Marks what may be skipped, with the states in order or (back) from the last one on. */
static void mark_skips(sample *s, bool back) {
  for (int64_t i = 0; i < s->states; i++) {
    int64_t at = back ? s->states - 1 - i : i, before = back ? at + 2 : at - 2;
    bool may = (at & 1) && i >= 2 && s->label[at] != s->label[before];
    s->skip[i] = may ? 0 : -INFINITY;
  }
  for (int i = 1; i <= FRONT; i++) s->now[-i] = s->next[-i] = -INFINITY;
}

static void find_firsts(sample *s) {
  for (int64_t i = 0; i < s->states; i++) {
    int64_t k = i & 1 ? 1 : 0;
    if (s->label[i] == s->label[0]) k = 0;
    while (s->label[k] != s->label[i]) k += 2;
    s->first[i] = k;
  }
}

static double load(const cr__view *v, int64_t at) {
  double x;
  const char *from = v->data + at * (int64_t)cr__size_of((cr_dtype)v->dtype);
  if (v->dtype == CR_FLOAT32) return *(const float *)(const void *)from;
  if (v->dtype == CR_FLOAT64) return *(const double *)(const void *)from;
  cr__convert(&x, CR_FLOAT64, from, v->dtype, 1);
  return x;
}

static void store(const cr__view *v, int64_t at, double x) {
  char *to = v->data + at * (int64_t)cr__size_of((cr_dtype)v->dtype);
  cr__convert(to, v->dtype, &x, CR_FLOAT64, 1);
}

/* The logarithms that step t gives the states. */
static void read_step(const sample *s, int64_t t, double *to) {
  const job *j = s->j;
  int64_t base = (t * j->batch + s->n) * j->classes;
  for (int64_t i = 0; i < s->states; i++) to[i] = load(j->log_probs, base + s->label[i]);
}

/* In s->next: the logarithm of the sum of what stays, moves on by one state and, where it may, by two.
 * Measured from the largest of the three, so that the others round nothing away. */
static void join(sample *s) {
  double *most = s->parts, *rest = most + s->states;
  const double *x = s->now, *skip = s->skip;
  for (int64_t i = 0; i < s->states; i++) {
    double a = x[i], b = x[i - 1], c = x[i - 2] + skip[i];
    double high = a > b ? a : b, low = a > b ? b : a, top = high > c ? high : c;
    double second = high > c ? (low > c ? low : c) : high, third = low > c ? c : low;
    double base = top == -INFINITY ? 0 : top;
    most[i] = top;
    rest[2 * i] = second - base, rest[2 * i + 1] = third - base;
    if (a != a || b != b || c != c) most[i] = NAN;
  }
  cr__apply_f64(CR__PW_exp, rest, 2 * s->states);
  for (int64_t i = 0; i < s->states; i++) s->next[i] = rest[2 * i] + rest[2 * i + 1];
  cr__apply_f64(CR__PW_log1p, s->next, s->states);
  for (int64_t i = 0; i < s->states; i++) s->next[i] += most[i];
}

static void swap_rows(sample *s) {
  double *now = s->now;
  s->now = s->next;
  s->next = now;
}

/* The logarithm of the probability that an alignment ends where it may, from the states after the last step. */
static double total_of(const double *last, int64_t states) {
  double a = last[states - 1], b = states > 1 ? last[states - 2] : -INFINITY;
  double top = a > b ? a : b, low = a > b ? b : a;
  if (a != a || b != b) return NAN;
  return top == -INFINITY ? top : top + f64_log1p(f64_exp(low - top));
}

static double *alpha_of(const sample *s, int64_t t) {
  return (double *)(void *)s->j->alpha->data + (s->n * s->j->steps + t) * s->j->width;
}

static void forward(const void *job_, int64_t n, char *room) {
  const job *j = job_;
  sample s = sample_of(j, n, room);
  mark_skips(&s, false);
  for (int64_t t = 0; t < s.steps && !cr__cpu_stopped(); t++) {
    double *at = alpha_of(&s, t);
    read_step(&s, t, at);
    if (t > 0) join(&s);
    else
      for (int64_t i = 0; i < s.states; i++) s.next[i] = i < 2 ? 0 : -INFINITY;
    for (int64_t i = 0; i < s.states; i++) s.next[i] += at[i];
    memcpy(at, s.next, (size_t)s.states * sizeof(double));
    swap_rows(&s);
  }
  double total = s.steps > 0 ? total_of(s.now, s.states) : s.states == 1 ? 0 : -INFINITY;
  store(j->loss, n, total == 0 ? 0 : -total);
}

/* Fills the gradients of steps from `from` up to `to` with one number. */
static void fill_steps(const sample *s, int64_t from, int64_t to, double x) {
  const job *j = s->j;
  int64_t size = (int64_t)cr__size_of((cr_dtype)j->out->dtype);
  for (int64_t t = from; t < to && !cr__cpu_stopped(); t++) {
    int64_t base = (t * j->batch + s->n) * j->classes;
    if (x == 0) memset(j->out->data + base * size, 0, (size_t)(j->classes * size));
    else
      for (int64_t c = 0; c < j->classes; c++) store(j->out, base + c, x);
  }
}

/* The gradients of step t from the probabilities that an alignment passes through each state then (in parts). What
 * belongs to one class is added up at its first state. */
static void spread_step(const sample *s, int64_t t, double g) {
  const job *j = s->j;
  int64_t base = (t * j->batch + s->n) * j->classes;
  double *sum = s->parts + s->states;
  fill_steps(s, t, t + 1, 0);
  for (int64_t i = 0; i < s->states; i++) sum[i] = 0;
  for (int64_t i = 0; i < s->states; i++) sum[s->first[i]] += s->parts[i];
  for (int64_t i = 0; i < s->states; i++)
    if (s->first[i] == i) store(j->out, base + s->label[i], -g * sum[i]);
}

static void backward(const void *job_, int64_t n, char *room) {
  const job *j = job_;
  sample s = sample_of(j, n, room);
  double g = load(j->grad, n);
  double total = s.steps > 0 ? total_of(alpha_of(&s, s.steps - 1), s.states) : -INFINITY;
  fill_steps(&s, s.steps, j->steps, 0);
  if (total == -INFINITY) {
    fill_steps(&s, 0, s.steps, j->zero_infinity ? 0 : NAN);
    return;
  }
  mark_skips(&s, true);
  find_firsts(&s);
  for (int64_t t = s.steps - 1; t >= 0 && !cr__cpu_stopped(); t--) {
    const double *at = alpha_of(&s, t);
    if (t < s.steps - 1) join(&s);
    else
      for (int64_t i = 0; i < s.states; i++) s.next[i] = i < 2 ? 0 : -INFINITY;
    for (int64_t i = 0; i < s.states; i++) s.parts[i] = at[i] + s.next[s.states - 1 - i] - total;
    cr__apply_f64(CR__PW_exp, s.parts, s.states);
    spread_step(&s, t, g);
    read_step(&s, t, s.parts);
    for (int64_t i = 0; i < s.states; i++) s.next[i] += s.parts[s.states - 1 - i];
    swap_rows(&s);
  }
}

/* An error if a target names something that is no class. */
static int check_targets(const cr__launch *k, const job *j) {
  for (int64_t n = 0, from = 0; n < j->batch; from += j->target_lengths[n++]) {
    const int64_t *target = j->targets + (j->row ? n * j->row : from);
    for (int64_t i = 0; i < j->target_lengths[n]; i++) {
      int code = cr__cpu_look(from + i);
      if (code) return code;
      if (target[i] < 1 || target[i] > j->classes)
        return cr__fail(CR_E_INDEX,
                        "%s: target %lld is out of range for %lld classes, which count from 1",
                        k->op, (long long)target[i], (long long)j->classes);
    }
  }
  return 0;
}

#define COMMON(s)                                                                                 \
  .alpha = &(s)->alpha, .log_probs = &(s)->log_probs,                                             \
  .targets = (const int64_t *)(const void *)(s)->targets.data,                                    \
  .input_lengths = (const int64_t *)(const void *)(s)->input_lengths.data,                        \
  .target_lengths = (const int64_t *)(const void *)(s)->target_lengths.data, .steps = (s)->steps, \
  .batch = (s)->batch, .classes = (s)->classes, .width = (s)->width, .blank = (s)->blank,         \
  .row = (s)->row

/* `loss` has an element for each sample, `alpha` becomes the logarithms of the probabilities of what ends in
 * each state at each step. `row`: from one sample's targets to the next one's; 0: they follow one another.
 * The lengths and `blank` have been checked; targets have not. */
int cr__cpu_ctc(cr__launch *k) {
  const cr__ctc_slots *s = &k->ctc;
  job j = {.loss = &s->loss, COMMON(s)};
  int code = check_targets(k, &j);
  if (code) return code;
  return cr__cpu_lines(k->op, j.batch, j.batch * j.steps * j.width * 20, sample_bytes(&j), forward,
                       &j);
}

/* `out` is the gradient by log_probs, `grad` the one by the losses, `alpha` what the forward call gave. */
int cr__cpu_ctc_backward(cr__launch *k) {
  const cr__ctc_backward_slots *s = &k->ctc_backward;
  job j = {.out = &s->out, .grad = &s->grad, .zero_infinity = s->zero_infinity, COMMON(s)};
  return cr__cpu_lines(k->op, j.batch, j.batch * j.steps * (j.width * 30 + j.classes),
                       sample_bytes(&j), backward, &j);
}
