/* reduce_plan.c: the order in which a reduction walks its input, and the loops it uses.
 *
 * Holds true: the plan depends on shapes and strides alone, never on the number of threads. */
#include "reduce.h"

typedef struct dim {
  int64_t size, in, out;
} dim;

static int64_t distance(int64_t step) { return step < 0 ? -step : step; }

/* Sorts by the step in the input, largest first, and merges dims that are one walk. At least one dim
 * comes out: a fold of nothing is one of a dim of size 1. */
static int arrange(dim *dims, int n) {
  for (int i = 1; i < n; i++) {
    dim moved = dims[i];
    int j = i;
    for (; j > 0 && distance(dims[j - 1].in) < distance(moved.in); j--) dims[j] = dims[j - 1];
    dims[j] = moved;
  }
  int last = 0;
  for (int i = 1; i < n; i++) {
    dim *outer = &dims[last], *inner = &dims[i];
    if (outer->in == inner->in * inner->size && outer->out == inner->out * inner->size) {
      *outer = (dim){outer->size * inner->size, inner->in, inner->out};
    } else {
      dims[++last] = *inner;
    }
  }
  if (n == 0) dims[0] = (dim){1, 0, 0};
  return last + 1;
}

void cr__plan_reduction(cr__fold_plan *p, const cr__view *out, const cr__view *in, uint32_t mask) {
  dim kept[CR_MAX_DIMS], reduced[CR_MAX_DIMS];
  int nkept = 0, nreduced = 0;
  p->kept_count = p->reduced_count = 1;
  for (int d = 0; d < in->ndim; d++) {
    bool folds = mask >> d & 1;
    *(folds ? &p->reduced_count : &p->kept_count) *= in->shape[d];
    if (in->shape[d] == 1) continue;
    if (folds) reduced[nreduced++] = (dim){in->shape[d], in->stride[d], 0};
    else kept[nkept++] = (dim){in->shape[d], in->stride[d], out->stride[d]};
  }
  bool folds_any = nreduced > 0, keeps_any = nkept > 0;
  p->nkept = arrange(kept, nkept);
  p->nreduced = arrange(reduced, nreduced);
  for (int d = 0; d < p->nkept; d++) {
    p->kept[d] = kept[d].size, p->kept_in[d] = kept[d].in, p->kept_out[d] = kept[d].out;
  }
  for (int d = 0; d < p->nreduced; d++) {
    p->reduced[d] = reduced[d].size, p->reduced_in[d] = reduced[d].in;
  }
  dim *inner_kept = &kept[p->nkept - 1], *inner_reduced = &reduced[p->nreduced - 1];
  /* Many short rows are quicker side by side, too, though their elements lie apart. */
  bool short_rows = p->reduced_count < 16 && inner_kept->size >= 32;
  p->columns = keeps_any &&
               (!folds_any || short_rows || distance(inner_kept->in) < distance(inner_reduced->in));
}

#ifdef __x86_64__
extern const cr__reduce_loops cr__reduce_loops_v2, cr__reduce_loops_v3, cr__reduce_loops_v4;
const cr__reduce_loops *cr__reduce_loops_here(void) {
  static const cr__reduce_loops *const by_level[] = {&cr__reduce_loops_v2, &cr__reduce_loops_v3,
                                                     &cr__reduce_loops_v4};
  return by_level[cr__cpu_level()];
}
#else
extern const cr__reduce_loops cr__reduce_loops_base;
const cr__reduce_loops *cr__reduce_loops_here(void) { return &cr__reduce_loops_base; }
#endif
