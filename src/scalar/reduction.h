/* reduction.h: layer 2: what the engine tells a backend about reductions, scans and losses.
 *
 * Holds true: these numbers travel in cr__launch.i; each kernel says which it takes. */
#ifndef CR__REDUCTION_H
#define CR__REDUCTION_H

/* What becomes of an element before it is folded. */
typedef enum cr__map {
  CR__MAP_NONE,
  CR__MAP_NONZERO, /* 1 where it is not zero */
  CR__MAP_ABS,
  CR__MAP_SQUARE,
  CR__MAP_POWER, /* |x|^p */
  CR__MAP_NAN_TO_ZERO
} cr__map;

/* How elements are folded into one. MAX and MIN give NaN if there is one; MOMENTS gives the sum of
 * the squared distances from the mean; LOGSUMEXP, of float types only, the logarithm of the sum of
 * exponentials. */
typedef enum cr__fold {
  CR__FOLD_SUM,
  CR__FOLD_PROD,
  CR__FOLD_MAX,
  CR__FOLD_MIN,
  CR__FOLD_MOMENTS,
  CR__FOLD_LOGSUMEXP,
  CR__FOLD_COUNT
} cr__fold;

/* What becomes of the folded value. */
typedef enum cr__finish {
  CR__FINISH_NONE,
  CR__FINISH_DIVIDE,      /* by f[1] */
  CR__FINISH_DIVIDE_ROOT, /* by f[1], then the square root */
  CR__FINISH_POWER        /* the root that undoes the power of CR__MAP_POWER */
} cr__finish;

/* What is folded a second time, with scaled elements, where the plain way has left the range. */
typedef enum cr__again {
  CR__AGAIN_NEVER,
  CR__AGAIN_NORM,
  CR__AGAIN_MEAN,
  CR__AGAIN_SPREAD
} cr__again;

typedef enum cr__scan {
  CR__SCAN_SUM,
  CR__SCAN_PROD,
  CR__SCAN_LOGSUMEXP,
  CR__SCAN_RECURRENCE /* y_k = x_k + factor_k * y_{k-1}; reversed: x_k + factor_{k+1} * y_{k+1} */
} cr__scan;

typedef enum cr__loss_reduction { CR__LOSS_NONE, CR__LOSS_MEAN, CR__LOSS_SUM } cr__loss_reduction;

#endif
