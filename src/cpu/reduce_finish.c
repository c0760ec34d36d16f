/* reduce_finish.c: results of what was folded: quotients, roots, logarithms.
 *
 * Holds true: what has left the range on its way is folded again (reduce_again.c), and elements that are all equal
 * have no spread: neither costs the results beside it anything. */
#include "reduce_job.h"

#include <math.h>
#include <string.h>

#include "convert.h"
#include "softmax.h"
#include "scalar/scalar_math.h"

typedef cr__reduce_job job;
typedef cr__reduce_unit unit;
typedef cr__reduce_state state;

/* The largest or smallest elements behind the results of a unit. */
static void find_extremes(const job *moments, int kind, const unit *u, state *s) {
  job j = *moments;
  state part;
  j.kind = kind;
  j.fold = j.few.fold = &j.loops->fold[j.compute][kind];
  j.few.rows = NULL;
  if (j.is_short) cr__short_loop(&j.few, kind);
  cr__fold_chunk(&j, u, 0, s);
  for (int64_t c = 1; c < j.chunks && !cr__cpu_stopped(); c++) {
    cr__fold_chunk(&j, u, c, &part);
    cr__join_chunk(&j, u, c, s, &part);
  }
}

/* Replaces those of a unit's results that have left the range on their way. Elements that are equal have no
 * spread: of those whose squares have (almost) vanished, this is asked first. */
static void again(const job *j, const unit *u, double *x, const double *before) {
  int64_t n = j->plan.reduced_count, across = j->plan.kept_in[j->plan.nkept - 1];
  int64_t size = (int64_t)cr__size_of((cr_dtype)j->k->reduce.from.dtype);
  const double low = cr__again_least(j->again, j->compute, n);
  int64_t needed[CR__TILE], any = 0;
  bool small = false;
  state most, least;
  for (int64_t c = 0; c < u->w; c++) {
    needed[c] = !((before[c] >= low) & (before[c] <= DBL_MAX));
    any |= needed[c];
  }
  if (!any || n == 0) return;
  for (int64_t c = 0; c < u->w; c++) small |= needed[c] && before[c] < 1;
  small &= j->again == CR__AGAIN_SPREAD;
  if (small) {
    find_extremes(j, CR__FOLD_MAX, u, &most);
    find_extremes(j, CR__FOLD_MIN, u, &least);
  }
  for (int64_t c = 0; c < u->w; c++) {
    if (!needed[c]) continue;
    if (small && most.f[c] == least.f[c] && isfinite(most.f[c])) x[c] = 0 / j->k->reduce.number;
    else x[c] = cr__again_fold(j->again, j->k, &j->plan, u->in + c * across * size, before[c]);
  }
}

void cr__finish_unit(const job *j, const unit *u, void *s) {
  double *x = s;
  double power = j->k->reduce.power, number = j->k->reduce.number;
  int dtype = j->k->reduce.out.dtype;
  double before[CR__TILE];
  int exponent;
  bool exact =
      frexp(number, &exponent) == 0.5; /* by a power of two: what it takes from is the same */
  if (j->k->reduce.fold == CR__FOLD_MOMENTS) x += u->w;
  if (j->again) memcpy(before, x, (size_t)u->w * sizeof *x);
  if (j->k->reduce.fold == CR__FOLD_LOGSUMEXP) cr__softmax_loops_here()->finish_logs(x, u->w);
  switch (j->k->reduce.finish) {
  case CR__FINISH_DIVIDE:
    if (exact) {
      for (int64_t c = 0; c < u->w; c++) x[c] *= 1 / number;
    } else {
      for (int64_t c = 0; c < u->w; c++) x[c] /= number;
    }
    break;
  case CR__FINISH_DIVIDE_ROOT:
    for (int64_t c = 0; c < u->w; c++) x[c] = sqrt(x[c] / number);
    break;
  case CR__FINISH_POWER:
    for (int64_t c = 0; c < u->w; c++) x[c] = f64_root(x[c], power);
    break;
  default: break;
  }
  if (j->again) again(j, u, x, before);
  int64_t step = u->w > 1 ? j->plan.kept_out[j->plan.nkept - 1] : 1;
  cr__write_run(u->out, dtype, step, x, cr__state_dtype(j->compute), u->w);
}
