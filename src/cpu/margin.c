/* margin.c: losses over the classes that a row of targets lists, and the others.
 *
 * Holds true: a row's sums are gathered in float64, in the order of its list and of the classes. All views are
 * contiguous; the targets are int64, as many to a row as there are classes, and a list ends at the first 0 or -1. */
#include <string.h>

#include "convert.h"
#include "cpu.h"

static bool ends(int64_t target) { return target == 0 || target == -1; }

/* An error if a list names something that is no class. */
static int check_lists(const cr__launch *k, const cr__view *target, int64_t rows, int64_t classes) {
  const int64_t *list = (const int64_t *)(const void *)target->data;
  for (int64_t r = 0; r < rows; r++, list += classes) {
    for (int64_t i = 0; i < classes && !ends(list[i]); i++) {
      int code = cr__cpu_look(r * classes + i);
      if (code) return code;
      if (list[i] < 1 || list[i] > classes)
        return cr__fail(CR_E_INDEX,
                        "%s: target %lld is out of range for %lld classes, which count from 1",
                        k->op, (long long)list[i], (long long)classes);
    }
  }
  return 0;
}

typedef struct labels {
  const cr__view *input, *target, *direction, *grad, *out;
  int64_t rows, classes;
} labels;

/* What a row is while it is worked on: its scores, what goes with them, and which classes its list names. */
typedef struct row {
  double *x, *d;
  bool *listed;
  const int64_t *list;
  int64_t n; /* of the list */
} row;

static size_t row_bytes(int64_t classes) {
  return (size_t)classes * (2 * sizeof(double) + sizeof(bool));
}

static const char *at(const cr__view *v, int64_t i) {
  return v->data + i * (int64_t)cr__size_of((cr_dtype)v->dtype);
}

static row read_row(const labels *l, int64_t r, char *room) {
  row w = {.x = (double *)(void *)room};
  w.d = w.x + l->classes;
  w.listed = (bool *)(void *)(w.d + l->classes);
  w.list = (const int64_t *)(const void *)l->target->data + r * l->classes;
  cr__convert(w.x, CR_FLOAT64, at(l->input, r * l->classes), l->input->dtype, l->classes);
  memset(w.listed, 0, (size_t)l->classes * sizeof(bool));
  for (; w.n < l->classes && !ends(w.list[w.n]); w.n++) w.listed[w.list[w.n] - 1] = true;
  return w;
}

static void sum_row(const void *job, int64_t r, char *room) {
  const labels *l = job;
  row w = read_row(l, r, room);
  double sum = 0;
  const double *d = w.x, base = l->direction ? 0 : 1;
  if (l->direction) {
    cr__convert(w.d, CR_FLOAT64, at(l->direction, r * l->classes), l->direction->dtype, l->classes);
    d = w.d;
  }
  for (int64_t k = 0; k < w.n && !cr__cpu_stopped(); k++) {
    int64_t j = w.list[k] - 1;
    for (int64_t i = 0; i < l->classes; i++)
      if (!w.listed[i] && !(1 - w.x[j] + w.x[i] <= 0)) sum += base - d[j] + d[i];
  }
  sum /= (double)l->classes;
  cr__convert((void *)(uintptr_t)at(l->out, r), l->out->dtype, &sum, CR_FLOAT64, 1);
}

static void spread_row(const void *job, int64_t r, char *room) {
  const labels *l = job;
  row w = read_row(l, r, room);
  double g;
  cr__convert(&g, CR_FLOAT64, at(l->grad, r), l->grad->dtype, 1);
  g /= (double)l->classes;
  for (int64_t i = 0; i < l->classes; i++) w.d[i] = 0;
  for (int64_t k = 0; k < w.n && !cr__cpu_stopped(); k++) {
    int64_t j = w.list[k] - 1;
    for (int64_t i = 0; i < l->classes; i++)
      if (!w.listed[i] && !(1 - w.x[j] + w.x[i] <= 0)) w.d[i]++, w.d[j]--;
  }
  for (int64_t i = 0; i < l->classes; i++) w.d[i] = w.d[i] == 0 ? 0 : w.d[i] * g;
  cr__convert((void *)(uintptr_t)at(l->out, r * l->classes), l->out->dtype, w.d, CR_FLOAT64,
              l->classes);
}

static int each_row(const cr__launch *k, const labels *l,
                    void (*line)(const void *job, int64_t r, char *room)) {
  int code = check_lists(k, l->target, l->rows, l->classes);
  if (code) return code;
  return cr__cpu_lines(k->op, l->rows, l->rows * l->classes * 8, row_bytes(l->classes), line, l);
}

/* `out` has an element for each row of `input`: the loss, or where `direction` is there (of input's shape) its
 * derivative in that direction. */
int cr__cpu_multilabel_margin(cr__launch *k) {
  const cr__multilabel_margin_slots *s = &k->multilabel_margin;
  labels l = {.input = &s->input,
              .target = &s->target,
              .direction = s->direction.data ? &s->direction : NULL,
              .out = &s->out,
              .rows = s->count,
              .classes = s->classes};
  return each_row(k, &l, sum_row);
}

/* `out` is the gradient by the input, `grad` the one by the loss of each row. */
int cr__cpu_multilabel_margin_backward(cr__launch *k) {
  const cr__multilabel_margin_backward_slots *s = &k->multilabel_margin_backward;
  labels l = {.input = &s->input,
              .target = &s->target,
              .grad = &s->grad,
              .out = &s->out,
              .rows = s->count,
              .classes = s->classes};
  return each_row(k, &l, spread_row);
}
