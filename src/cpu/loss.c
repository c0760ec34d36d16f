/* loss.c: what losses demand of their inputs.
 *
 * Holds true: the first element in row-major order that breaks the rule is the one that the error names. */
#include "convert.h"
#include "cpu.h"

/* `from`: float probabilities of any layout; an error unless all lie between 0 and 1. */
int cr__cpu_check_probabilities(cr__launch *k) {
  const cr__view *v = &k->check_probabilities.from;
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
      int code = cr__cpu_look(looks++ << 7);
      if (code) return code;
      const char *from = v->data + (offset + i * step) * (int64_t)cr__size_of((cr_dtype)v->dtype);
      cr__read_run(x, CR_FLOAT64, from, v->dtype, step, m);
      for (int64_t j = 0; j < m; j++) {
        if (x[j] >= 0 && x[j] <= 1) continue;
        return cr__fail(CR_E_ARGUMENT, "%s: input holds %g; probabilities lie between 0 and 1",
                        k->op, x[j]);
      }
    }
  }
  return 0;
}
