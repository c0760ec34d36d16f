/* resample.h: linear maps of lines, one for each dim of a plane, and what carries them out.
 *
 * Holds true: a map says, for each element of its result, which elements of a line it is a sum of, and by which
 * weights. Maps are made on the host; whoever makes one ends it. */
#ifndef CR__RUN_RESAMPLE_H
#define CR__RUN_RESAMPLE_H

#include "pooling.h"

typedef struct cr__line_map {
  int64_t size, result;
  /* int64: result + 1 numbers of which two neighbours are the first place of an element's sum and the one behind the
   * last; then the places, from 0 in the line. */
  cr_tensor *places;
  cr_tensor *weights; /* float64, one for each place; NULL: all are 1 */
} cr__line_map;

/* How a dim is brought to another size. */
typedef enum cr__resampling {
  CR__RESAMPLE_NEAREST,
  CR__RESAMPLE_NEAREST_EXACT,
  CR__RESAMPLE_LINEAR,
  CR__RESAMPLE_CUBIC
} cr__resampling;
typedef struct cr__scaling {
  cr__resampling how;
  int64_t size, result;
  double factor; /* of the sizes, where the caller has named it; else 0 */
  bool align_corners, antialias;
  bool
      narrow; /* places are computed in float32, as PyTorch computes those of other dtypes than float64 */
} cr__scaling;

/* These write a map, or fail: all tensors of it are NULL then. */
int cr__map_windows(const char *op, const cr__windows *w, cr__windows_kind kind, cr__line_map *m);
int cr__map_scaling(const char *op, const cr__scaling *s, cr__line_map *m);
/* The transpose of a map takes its place. */
int cr__map_transpose(const char *op, cr__line_map *m);
void cr__map_end(cr__line_map *m); /* of three dims */

/* Returns self with the three maps applied to the last n of three dims. `shares` (CPU, float64, or NULL) has a number
 * for each element along each dim, first those of the first one, whose products the results are divided by; or, where
 * `before` is set, the elements of self. */
cr_tensor *cr__resample(const cr_op *op, cr_tensor *self, int n, const cr__line_map *m,
                        cr_tensor *shares, bool before);

#endif
