/* pooling.h: what the run functions of windows (pooling.c, pooling_mean.c, patches.c) share: pooling_windows.c.
 *
 * Holds true: windows move along the last one, two or three dims of a tensor. Kernels always see three: those that
 * are not there have size 1, and windows of size 1. */
#ifndef CR__RUN_POOLING_H
#define CR__RUN_POOLING_H

#include "geometry.h"
#include "scalar/windows.h"

enum { CR__WINDOW_DIMS = 3 };

typedef struct cr__window_set {
  int n; /* dims that windows move along: the last n of the three */
  int64_t size[3], result[3], window[3], stride[3], padding[3], dilation[3];
} cr__window_set;

/* How many dims the windows of an operation such as max_pool2d move along: its name says so. */
int cr__window_dims(const cr_op *op);
/* Whether input has n + 1 or n + 2 dims, elements along the last n, and a dtype that the operation takes. */
typedef enum cr__window_dtypes { CR__WINDOWS_OF_NUMBERS, CR__WINDOWS_OF_FLOATS } cr__window_dtypes;
int cr__check_windowed(const cr_op *op, const cr_tensor *input, int n, cr__window_dtypes dtypes);
/* Reads a list of one number or n, of at least `least`, into the last n of three, or takes `otherwise` where it is
 * not given. */
int cr__read_sizes(const cr_op *op, const char *param, cr__ints given, int n, int64_t least,
                   const int64_t *otherwise, int64_t *out);
/* Begins a set for the last n dims of a tensor of this shape. */
cr__window_set cr__windows_over(int ndim, const int64_t *shape, int n);
/* From lists of a hidden operation. */
void cr__put_sizes(int64_t *to, cr__ints list, int64_t neutral);
/* Reads the lists of even windows and finds how many there are; an error if there is none along a dim. Lists that an
 * operation lacks are not given. */
typedef struct cr__window_lists {
  cr__ints kernel, stride, padding, dilation;
  bool ceil;
} cr__window_lists;
int cr__even_windows(const cr_op *op, const cr_tensor *input, cr__window_lists lists,
                     cr__window_set *w);
/* Windows that are as many as asked for. */
int cr__adaptive_windows(const cr_op *op, const cr_tensor *input, cr__ints output_size,
                         cr__window_set *w, cr__windows_kind *kind);
/* The shape of a tensor of t's first dims and `last` for the last n. */
int cr__windowed_shape(const cr_tensor *t, int n, const int64_t *last, int64_t *shape);
/* The product of all sizes but the last n. */
int64_t cr__planes_of(const cr_tensor *t, int n);
/* The last n of three, as a hidden operation takes them: two arguments. */
#define CR__LAST(w, list) (w)->list + CR__WINDOW_DIMS - (w)->n, (w)->n
/* Writes the numbers of a set to the slots of a kernel. */
#define CR__SET_WINDOWS(slots, w)                                  \
  do {                                                             \
    memcpy((slots)->size, (w)->size, sizeof(w)->size);             \
    memcpy((slots)->result, (w)->result, sizeof(w)->result);       \
    memcpy((slots)->window, (w)->window, sizeof(w)->window);       \
    memcpy((slots)->stride, (w)->stride, sizeof(w)->stride);       \
    memcpy((slots)->padding, (w)->padding, sizeof(w)->padding);    \
    memcpy((slots)->dilation, (w)->dilation, sizeof(w)->dilation); \
  } while (0)
static inline cr__windows cr__windows_along(const cr__window_set *w, int d) {
  return (cr__windows){w->size[d],   w->result[d],  w->window[d],
                       w->stride[d], w->padding[d], w->dilation[d]};
}

#endif
