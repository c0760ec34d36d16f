/* work.h: the tensors that a run function makes on its way: those of a composite, and contiguous ones for a kernel.
 *
 * Holds true: a step that failed gives NULL and has set the error; what is made of NULL is NULL, so that only the result
 * has to be looked at. */
#ifndef CR__WORK_H
#define CR__WORK_H

#include "calls.h"

/* All are released by cr__drop_work; there is room for those of any composite. */
typedef struct cr__work {
  cr_tensor *made[160];
  int n;
} cr__work;

static inline cr_tensor *cr__keep(cr__work *w, cr_tensor *t) { return w->made[w->n++] = t; }

static inline void cr__drop_work(cr__work *w) {
  while (w->n > 0) cr_release(w->made[--w->n]);
}

static inline cr_tensor *cr__times(cr__work *w, cr_tensor *a, cr_tensor *b) {
  return cr__keep(w, cr__call_mul(a, b));
}
static inline cr_tensor *cr__less(cr__work *w, cr_tensor *a, cr_tensor *b) {
  return cr__keep(w, cr__call_sub(a, b));
}
static inline cr_tensor *cr__plus(cr__work *w, cr_tensor *a, cr_tensor *b) {
  return cr__keep(w, cr__call_add(a, b));
}

/* Contiguous versions of n tensors, NULL for those that are absent; all released by cr__drop_ready. */
static inline int cr__make_ready(cr_tensor *const *from, int n, cr_tensor **ready) {
  int code = 0;
  for (int i = 0; i < n; i++) {
    ready[i] = from[i] && !code ? cr__call_contiguous(from[i]) : NULL;
    if (from[i] && !ready[i] && !code) code = (int)cr_error_code();
  }
  return code;
}

static inline void cr__drop_ready(cr_tensor **ready, int n) {
  for (int i = 0; i < n; i++) cr_release(ready[i]);
}

#endif
