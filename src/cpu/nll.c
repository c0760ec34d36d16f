/* nll.c: the losses of targets that are classes.
 *
 * Holds true: sums are gathered in float64, in the order of the targets. All views are contiguous. */
#include <string.h>

#include "convert.h"
#include "cpu.h"
#include "scalar/reduction.h"

static double load(const cr__view *v, int64_t at) {
  double x;
  const char *from = v->data + at * (int64_t)cr__size_of((cr_dtype)v->dtype);
  if (v->dtype == CR_FLOAT32) return *(const float *)from;
  cr__convert(&x, CR_FLOAT64, from, v->dtype, 1);
  return x;
}

static void store(const cr__view *v, int64_t at, double x) {
  char *to = v->data + at * (int64_t)cr__size_of((cr_dtype)v->dtype);
  if (v->dtype == CR_FLOAT32) *(float *)to = (float)x;
  else cr__convert(to, v->dtype, &x, CR_FLOAT64, 1);
}

/* The position in an N x C x D tensor that target number `at` (of N x D) chooses, -1 if it is to be
 * ignored, -2 with the error set if there is no such class. */
static int64_t chosen(const char *op, cr__line_sizes lines, int64_t ignored, int64_t target,
                      int64_t at) {
  int64_t classes = lines.n, d = lines.inner;
  if (target == ignored) return -1;
  if (target < 1 || target > classes) {
    cr__fail(CR_E_INDEX, "%s: target %lld is out of range for %lld classes, which count from 1", op,
             (long long)target, (long long)classes);
    return -2;
  }
  return (at / d * classes + target - 1) * d + at % d;
}

enum { CLEARED = 1 << 14 }; /* elements at a time */

typedef struct clearing {
  char *data;
  int64_t n, size;
} clearing;

static void clear_pieces(void *job, int64_t begin, int64_t end) {
  const clearing *c = job;
  int64_t from = begin * CLEARED, to = end * CLEARED < c->n ? end * CLEARED : c->n;
  memset(c->data + from * c->size, 0, (size_t)((to - from) * c->size));
}

/* Sets n elements to zero, which has no bit set in any dtype. */
static int clear(const cr__view *v, int64_t n) {
  clearing c = {v->data, n, (int64_t)cr__size_of((cr_dtype)v->dtype)};
  return cr__cpu_share((n + CLEARED - 1) / CLEARED, n / 4, clear_pieces, &c);
}

static double weight_at(const cr__view *weight, const int64_t *targets, int64_t at) {
  return weight ? load(weight, targets[at] - 1) : 1;
}

/* `loss` is N x D for CR__LOSS_NONE and else one element, `total` the sum of weights, one element; `input` is
 * N x C x D, `target` int64 and N x D, `weight` C. */
int cr__cpu_nll(cr__launch *k) {
  const int64_t *targets = (const int64_t *)k->nll.target.data;
  const cr__view *weight = k->nll.weight.data ? &k->nll.weight : NULL;
  cr__line_sizes l = k->nll.lines;
  double sum = 0, total = 0;
  for (int64_t at = 0; at < l.outer * l.inner; at++) {
    int code = cr__cpu_look(at);
    if (code) return code;
    int64_t from = chosen(k->op, l, k->nll.ignored, targets[at], at);
    if (from == -2) return CR_E_INDEX;
    double w = from < 0 ? 0 : weight_at(weight, targets, at);
    double loss = from < 0 ? 0 : -w * load(&k->nll.input, from);
    if (k->nll.reduction == CR__LOSS_NONE) store(&k->nll.loss, at, loss);
    sum += loss, total += w;
  }
  if (k->nll.reduction != CR__LOSS_NONE)
    store(&k->nll.loss, 0, k->nll.reduction == CR__LOSS_MEAN ? sum / total : sum);
  store(&k->nll.total, 0, total);
  return 0;
}

/* `out` is the gradient by the input, N x C x D, `grad` the one by the loss; the others are as above. */
int cr__cpu_nll_backward(cr__launch *k) {
  const int64_t *targets = (const int64_t *)k->nll_backward.target.data;
  const cr__view *weight = k->nll_backward.weight.data ? &k->nll_backward.weight : NULL;
  cr__line_sizes l = k->nll_backward.lines;
  double share = k->nll_backward.reduction == CR__LOSS_MEAN ? load(&k->nll_backward.total, 0) : 1;
  int code = clear(&k->nll_backward.out, l.outer * l.n * l.inner);
  if (code) return code;
  for (int64_t at = 0; at < l.outer * l.inner && !code; at++) {
    int64_t to = chosen(k->op, l, k->nll_backward.ignored, targets[at], at);
    if (to == -2) return CR_E_INDEX;
    if (!(at & 65535)) code = cr__interrupted();
    if (to < 0) continue;
    double g = load(&k->nll_backward.grad, k->nll_backward.reduction == CR__LOSS_NONE ? at : 0);
    store(&k->nll_backward.out, to, -weight_at(weight, targets, at) * g / share);
  }
  return code;
}
