/* loss.c: what losses demand of their inputs.
 *
 * Holds true: the first element in row-major order that breaks the rule is the one that the error names. */
#include "convert.h"
#include "cpu.h"

/* In *wrong the first element of v that breaks the rule: which lies outside of [0, most], or (unless strict) is
 * less than 0 without being NaN. 1 if there is one, 0 if not; below 0: the error is set. */
static int first_wrong(const cr__view *v, double most, bool strict, double *wrong) {
  int last = v->ndim - 1;
  int64_t rows = 1, n = last < 0 ? 1 : v->shape[last], step = last < 0 ? 1 : v->stride[last];
  enum { RUN = 512 };
  double x[RUN];
  for (int d = 0; d < last; d++) rows *= v->shape[d];
  int64_t looks = 0;
  for (int64_t row = 0; row < rows; row++) {
    int64_t rest = row, offset = 0;
    for (int d = last - 1; d >= 0; d--) {
      offset += rest % v->shape[d] * v->stride[d];
      rest /= v->shape[d];
    }
    for (int64_t i = 0, m; i < n; i += m) {
      m = n - i < RUN ? n - i : RUN;
      if (cr__cpu_look(looks++ << 7)) return -1;
      const char *from = v->data + (offset + i * step) * (int64_t)cr__size_of((cr_dtype)v->dtype);
      cr__read_run(x, CR_FLOAT64, from, v->dtype, step, m);
      for (int64_t j = 0; j < m; j++) {
        if (strict ? x[j] >= 0 && x[j] <= most : !(x[j] < 0)) continue;
        *wrong = x[j];
        return 1;
      }
    }
  }
  return 0;
}

/* `from`: float probabilities of any layout; an error unless all lie between 0 and 1. */
int cr__cpu_check_probabilities(cr__launch *k) {
  double x;
  int found = first_wrong(&k->check_probabilities.from, 1, true, &x);
  if (found <= 0) return found ? (int)cr_error_code() : 0;
  return cr__fail(CR_E_ARGUMENT, "%s: input holds %g; probabilities lie between 0 and 1", k->op, x);
}

/* `from`: float variances of any layout; an error if one is negative. */
int cr__cpu_check_variances(cr__launch *k) {
  double x;
  int found = first_wrong(&k->check_variances.from, 0, false, &x);
  if (found <= 0) return found ? (int)cr_error_code() : 0;
  return cr__fail(CR_E_ARGUMENT, "%s: var holds %g; variances are not negative", k->op, x);
}
