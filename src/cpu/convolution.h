/* convolution.h: the ways in which convolutions are carried out on the CPU: products of gathered tiles
 * (convolution_product.c, convolution_weight.c), channel by channel (convolution_depthwise.c), oneDNN
 * (convolution_dnnl.c), and the loops for them (loops_convolution.c, built per instruction
 * set).
 *
 * Holds true: y at o takes x at o * stride + t * dilation - padding times w at t, in each of three dims, wherever x has
 * that place. All tensors are contiguous: x is (n, groups, cx, x[3]), y (n, groups, cy, y[3]), w (groups, cy, cx, w[3]).
 * Work is cut at borders that depend on sizes alone, and each element is summed in an order that does. */
#ifndef CR__CPU_CONVOLUTION_H
#define CR__CPU_CONVOLUTION_H

#include "cpu.h"
#include "scalar/convolution.h"

typedef struct cr__conv {
  const char *op;
  int dtype; /* of all tensors: one that sums are made in (float64, float32, int64, int32) */
  int64_t n, groups, cx, cy; /* channels of a group */
  int64_t x[CR__CONV_DIMS], w[CR__CONV_DIMS], y[CR__CONV_DIMS];
  int64_t stride[CR__CONV_DIMS], padding[CR__CONV_DIMS], dilation[CR__CONV_DIMS];
  char *out;                            /* y, x or w */
  const char *x_data, *w_data, *y_data; /* the two that are given */
  const char *bias;                     /* an element per channel of the result; NULL: none */
} cr__conv;

static inline int64_t cr__conv_places(const int64_t size[CR__CONV_DIMS]) {
  return size[0] * size[1] * size[2];
}

static inline cr__conv_dim cr__conv_dim_of(const cr__conv *c, int d) {
  return (cr__conv_dim){c->x[d], c->w[d], c->y[d], c->stride[d], c->padding[d], c->dilation[d]};
}

/* Whether every place of y takes the same one of x alone (convolution.c). */
bool cr__conv_is_plain(const cr__conv *c);

/* Lines of a matrix, each of which holds, for one channel of the source and one tap, what some results take. */
typedef struct cr__conv_lines {
  const cr__conv_axis *axes;
  const char *from;    /* the first channel of the source */
  int64_t line, lines; /* the first line, counted in channels and then taps, and how many */
  int64_t first, n;    /* results, counted in places; n <= CR__CONV_WIDTH */
  int64_t pitch;       /* elements from line to line */
} cr__conv_lines;
enum { CR__CONV_WIDTH = 256 };

/* What results of one channel take of one channel, put together so that neighbours among the results take neighbours
 * with every tap: for each dim, the places that leave one rest by the step are apart from the others. */
typedef struct cr__conv_plane {
  cr__conv_axis axes[CR__CONV_DIMS];
  int64_t low[CR__CONV_DIMS];   /* the place that tap and result 0 of all take first */
  int64_t rests[CR__CONV_DIMS]; /* how many there are */
  int64_t size[CR__CONV_DIMS];  /* of the places of one rest */
} cr__conv_plane;

/* rows x columns of a channel: results, or gradients, lie `pitch` apart from row to row, what they take with tap t
 * `step` apart, from `from` + at[t] on. In elements. */
typedef struct cr__conv_rows {
  const void *from;
  int64_t rows, columns, pitch, step;
  int64_t taps;
  const int64_t *at;
} cr__conv_rows;

/* rows x columns of results side by side, of a channel of height x width that is read in place. Result (r, c) takes, with
 * tap (k, t) of tall x wide, what lies in row + r + k and column + c + t * apart, if it is there. tall is 3 or 5. */
typedef struct cr__conv_near {
  const void *from;
  int64_t rows, columns, height, width;
  int64_t tall, wide, apart, row, column;
} cr__conv_near;

typedef struct cr__conv_loops {
  void (*gather4)(const cr__conv_lines *l, void *to); /* elements of 4 bytes */
  void (*gather8)(const cr__conv_lines *l, void *to);
  void (*arrange4)(const cr__conv_plane *p, const void *from, void *to);
  void (*arrange8)(const cr__conv_plane *p, const void *from, void *to);
  /* out = start + the sum over taps of weight times what is taken. */
  void (*taps_f32)(const cr__conv_rows *r, const void *weight, double start, void *out);
  void (*taps_f64)(const cr__conv_rows *r, const void *weight, double start, void *out);
  /* sums[t] += the sum over all rows and columns of grad times what tap t takes. */
  void (*dots_f32)(const cr__conv_rows *r, const void *grad, double *sums);
  void (*dots_f64)(const cr__conv_rows *r, const void *grad, double *sums);
  /* The same in place; the second for 3 x 3 taps. */
  void (*near_taps_f32)(const cr__conv_near *p, const void *weight, double start, void *out);
  void (*near_taps_f64)(const cr__conv_near *p, const void *weight, double start, void *out);
  void (*near_dots_f32)(const cr__conv_near *p, const void *grad, double *sums);
  void (*near_dots_f64)(const cr__conv_near *p, const void *grad, double *sums);
} cr__conv_loops;
const cr__conv_loops *cr__conv_loops_here(void);
void cr__conv_gather(int64_t size, const cr__conv_lines *l, void *to);

/* The same by oneDNN (convolution_dnnl.c); `gives` is CR__DNNL_FORWARD, CR__DNNL_INPUT or CR__DNNL_WEIGHT. Or that it does
 * not take it. */
enum { CR__CONV_NOT_TAKEN = -1 };
int cr__conv_by_library(const cr__conv *c, int gives);

/* The same with one channel in each group on either side (convolution_depthwise.c), and few taps; y, x, w. */
bool cr__conv_is_depthwise(const cr__conv *c);
int cr__conv_depthwise_forward(const cr__conv *c);
int cr__conv_depthwise_input(const cr__conv *c);
int cr__conv_depthwise_weight(const cr__conv *c);

/* y, or x, or w, of the other two. 0 or a cr_error with the error set. */
int cr__conv_forward(const cr__conv *c);
int cr__conv_input(const cr__conv *c);
int cr__conv_weight(const cr__conv *c);

#endif
