/* cross_entropy.c: the losses of targets that are classes.
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
static int64_t chosen(const cr__launch *k, const int64_t *targets, int64_t at) {
  int64_t classes = k->i[1], d = k->i[2], target = targets[at];
  if (target == k->i[3]) return -1;
  if (target < 1 || target > classes) {
    cr__fail(CR_E_INDEX, "%s: target %lld is out of range for %lld classes, which count from 1",
             k->op, (long long)target, (long long)classes);
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

/* v[0] = loss, N x D for CR__LOSS_NONE and else one element, v[1] = the sum of weights, one element;
 * v[2] = input, N x C x D; v[3] = int64 targets, N x D; v[4] = weights, C, may be left out.
 * i[0], i[1], i[2]: N, C, D; i[3]: the target to ignore; i[4]: a cr__loss_reduction. */
int cr__cpu_nll(cr__launch *k) {
  const int64_t *targets = (const int64_t *)k->v[3].data;
  const cr__view *weight = k->nview > 4 ? &k->v[4] : NULL;
  double sum = 0, total = 0;
  for (int64_t at = 0; at < k->i[0] * k->i[2]; at++) {
    int code = cr__cpu_look(at);
    if (code) return code;
    int64_t from = chosen(k, targets, at);
    if (from == -2) return CR_E_INDEX;
    double w = from < 0 ? 0 : weight_at(weight, targets, at);
    double loss = from < 0 ? 0 : -w * load(&k->v[2], from);
    if (k->i[4] == CR__LOSS_NONE) store(&k->v[0], at, loss);
    sum += loss, total += w;
  }
  if (k->i[4] != CR__LOSS_NONE) store(&k->v[0], 0, k->i[4] == CR__LOSS_MEAN ? sum / total : sum);
  store(&k->v[1], 0, total);
  return 0;
}

/* v[0] = the gradient by the input, N x C x D; v[1] = the one by the loss; v[2] = targets; v[3] = the
 * sum of weights; v[4] = weights, may be left out; i as above. */
int cr__cpu_nll_backward(cr__launch *k) {
  const int64_t *targets = (const int64_t *)k->v[2].data;
  const cr__view *weight = k->nview > 4 ? &k->v[4] : NULL;
  double share = k->i[4] == CR__LOSS_MEAN ? load(&k->v[3], 0) : 1;
  int code = clear(&k->v[0], k->i[0] * k->i[1] * k->i[2]);
  if (code) return code;
  for (int64_t at = 0; at < k->i[0] * k->i[2] && !code; at++) {
    int64_t to = chosen(k, targets, at);
    if (to == -2) return CR_E_INDEX;
    if (!(at & 65535)) code = cr__interrupted();
    if (to < 0) continue;
    double g = load(&k->v[1], k->i[4] == CR__LOSS_NONE ? at : 0);
    store(&k->v[0], to, -weight_at(weight, targets, at) * g / share);
  }
  return code;
}
