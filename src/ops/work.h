/* work.h: for composites in C: the tensors that one makes on its way.
 *
 * Holds true: a step that failed gives NULL and has set the error; what is made of NULL is NULL, so that only the result
 * has to be looked at. */
#ifndef CR__WORK_H
#define CR__WORK_H

#include "calls.h"

/* All are released by drop_work; there is room for those of any composite. */
typedef struct work {
  cr_tensor *made[160];
  int n;
} work;

static inline cr_tensor *keep(work *w, cr_tensor *t) { return w->made[w->n++] = t; }

static inline void drop_work(work *w) {
  while (w->n > 0) cr_release(w->made[--w->n]);
}

static inline cr_tensor *times(work *w, cr_tensor *a, cr_tensor *b) {
  return keep(w, cr__call_mul(a, b));
}
static inline cr_tensor *less(work *w, cr_tensor *a, cr_tensor *b) {
  return keep(w, cr__call_sub(a, b));
}
static inline cr_tensor *plus(work *w, cr_tensor *a, cr_tensor *b) {
  return keep(w, cr__call_add(a, b));
}

#endif
