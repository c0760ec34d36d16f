/* convolution.h: which places of a convolution take which others, along one dim, for the CPU and for CUDA.
 *
 * Holds true: y at o takes x at o * stride + t * dilation - padding times w at t, wherever x has that place. Seen from
 * y this is one axis; seen from x, places that leave the same rest by the stride take the same taps, and those of one
 * rest are an axis of their own. */
#ifndef CR__SCALAR_CONVOLUTION_H
#define CR__SCALAR_CONVOLUTION_H

#include <stdint.h>

enum { CR__CONV_DIMS = 3 };

/* Result q (of `count`) takes, with tap t (of `taps`), the source at q * step + offset + t * tap_offset, if that is one
 * of its `size`. It is the place to + q * to_step of the whole result; tap t is that of the weight at
 * tap + t * tap_step. */
typedef struct cr__conv_axis {
  int64_t count, step, size;
  int64_t taps, offset, tap_offset;
  int64_t to, to_step, tap, tap_step;
} cr__conv_axis;

/* What ties x, w and y along a dim. */
typedef struct cr__conv_dim {
  int64_t x, w, y, stride, padding, dilation;
} cr__conv_dim;

/* The axis of the result y. */
static inline cr__conv_axis cr__conv_forward_axis(cr__conv_dim c) {
  cr__conv_axis a;
  a.count = c.y, a.step = c.stride, a.size = c.x;
  a.taps = c.w, a.offset = -c.padding, a.tap_offset = c.dilation;
  a.to = 0, a.to_step = 1, a.tap = 0, a.tap_step = 1;
  return a;
}

/* How many rests by the stride there are among the places of x. */
static inline int64_t cr__conv_rests(cr__conv_dim c) { return c.stride < c.x ? c.stride : c.x; }

/* The axis of those places of x that leave `rest` by the stride. */
static inline cr__conv_axis cr__conv_input_axis(cr__conv_dim c, int64_t rest) {
  int64_t divisor = c.stride, other = c.dilation, reach = rest + c.padding, tap = 0;
  while (other) {
    int64_t left = divisor % other;
    divisor = other, other = left;
  }
  cr__conv_axis a;
  a.tap_step = c.stride / divisor; /* after so many taps the rest is the same again */
  int64_t most = a.tap_step < c.w ? a.tap_step : c.w;
  while (tap < most && (reach - tap * c.dilation) % c.stride != 0) tap++;
  a.tap = tap;
  a.taps = tap < most ? (c.w - 1 - tap) / a.tap_step + 1 : 0;
  a.count = (c.x - rest + c.stride - 1) / c.stride, a.step = 1, a.size = c.y;
  a.offset = (reach - tap * c.dilation) / c.stride;
  a.tap_offset = -(a.tap_step * c.dilation / c.stride);
  a.to = rest, a.to_step = c.stride;
  return a;
}

#endif
