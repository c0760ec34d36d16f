/* reduce_few.c: folds few elements to one, without the plan that reduce.c makes for more.
 *
 * Holds true: the elements go through the loop that reduce.c would give them to, all at once as there, so the
 * result is the same. */
#include <string.h>

#include "reduce.h"

bool cr__cpu_fold_few(const cr__fold_few *f) {
  union {
    double f[2];
    int64_t i[2];
  } state;
  int compute = cr__compute_of(f->dtype);
  if (compute == CR__COMPUTE_I64) state.i[0] = cr__empty_int_fold(f->fold);
  else state.f[0] = cr__empty_fold(f->fold);
  cr__reduce_loops_here()->fold[compute][f->fold].row(&state, f->in, f->n, 0);
  if (f->finish == CR__FINISH_DIVIDE) {
    if (!isfinite(state.f[0]))
      return false; /* the mean may be in range all the same: reduce_again.c */
    state.f[0] /= f->number;
  }
  float narrow = (float)state.f[0];
  if (compute == CR__COMPUTE_F32) memcpy(f->out, &narrow, sizeof narrow);
  else memcpy(f->out, &state, sizeof state.f[0]);
  return true;
}
