/* cuda/kernels/reduce_again.cuh: means, spreads and norms whose sums, squares or powers leave the range of double
 * although the result does not.
 *
 * Holds true: a second kernel looks at the results, and a block folds again those that tell of it, with
 * elements scaled by powers of two, so that the largest is near 1. Elements of float32 are squared and
 * added up in double, and need none of this but for powers. */
#ifndef CR__CUDA_REDUCE_AGAIN_CUH
#define CR__CUDA_REDUCE_AGAIN_CUH

#include "fold.cuh"
#include "scalar.cuh"

extern "C" {
#include "scalar/reduction.h"
}

enum { CR__AGAIN_THREADS = 256, CR__AGAIN_BLOCKS = 512 };

static inline cr__again cr__again_of(const cr__fold_call *c) {
  bool wide = c->in_dtype == CR_FLOAT64;
  if (c->fold == CR__FOLD_MOMENTS) return wide ? CR__AGAIN_SPREAD : CR__AGAIN_NEVER;
  if (c->fold != CR__FOLD_SUM) return CR__AGAIN_NEVER;
  if (c->map == CR__MAP_POWER || (c->map == CR__MAP_SQUARE && wide)) return CR__AGAIN_NORM;
  bool mean = c->map == CR__MAP_NONE && c->ending == CR__FINISH_DIVIDE;
  return mean && wide ? CR__AGAIN_MEAN : CR__AGAIN_NEVER;
}

/* Whether a result, whose state it tells, has left the range on its way. */
static __device__ __forceinline__ bool cr__again_needed(const cr__fold_call &c, cr__again what,
                                                        double y) {
  if (what == CR__AGAIN_MEAN) return !isfinite(y);
  double state = y;
  if (c.ending == CR__FINISH_DIVIDE_ROOT) state = y * y;
  if (c.ending == CR__FINISH_POWER) state = f64_pow(y, c.power);
  return !(state >= 0x1p-900 && state < 0x1p1000);
}

/* What a pass over a line adds up: a function of (x * scale - middle) * again. */
typedef struct cr__again_pass {
  double scale, middle, again, power;
} cr__again_pass;

typedef enum cr__again_sum {
  CR__AGAIN_LEAST,
  CR__AGAIN_MOST, /* NaN if there is one */
  CR__AGAIN_SUM,
  CR__AGAIN_SQUARES,
  CR__AGAIN_POWERS
} cr__again_sum;

static __device__ __forceinline__ double cr__again_join(cr__again_sum how, double s, double x) {
  if (how == CR__AGAIN_LEAST) return x < s || x != x ? x : s;
  if (how == CR__AGAIN_MOST) return x > s || x != x ? x : s;
  return s + x;
}

/* All threads of the block get the result. */
static __device__ double cr__again_walk(const cr__fold_call &c, int64_t from, cr__again_sum how,
                                        const cr__again_pass &p, double *room) {
  double s = how == CR__AGAIN_LEAST ? (double)INFINITY : 0;
  for (int64_t at = threadIdx.x; at < c.reduced.count; at += CR__AGAIN_THREADS) {
    int64_t offset = from + cr__fold_offset(c.reduced, at, c.narrow, NULL);
    double x = cr__load_as<CR_FLOAT64>(c.in, c.in_dtype, offset);
    x = (x * p.scale - p.middle) * p.again;
    if (how == CR__AGAIN_LEAST || how == CR__AGAIN_MOST) x = fabs(x);
    if (how == CR__AGAIN_SQUARES) x = x * x;
    if (how == CR__AGAIN_POWERS) x = f64_pow(fabs(x), p.power);
    s = cr__again_join(how, s, x);
  }
  room[threadIdx.x] = s;
  __syncthreads();
  for (int half = CR__AGAIN_THREADS / 2; half > 0; half /= 2) {
    if ((int)threadIdx.x < half)
      room[threadIdx.x] = cr__again_join(how, room[threadIdx.x], room[threadIdx.x + half]);
    __syncthreads();
  }
  s = room[0];
  __syncthreads();
  return s;
}

/* The power of two that brings a positive number near 1; none brings the smallest ones all the way. */
static __device__ __forceinline__ double cr__again_scale(double size) {
  int exponent;
  frexp(size, &exponent);
  return ldexp(1.0, exponent < -1000 ? 1000 : -exponent);
}

static __device__ double cr__again_norm(const cr__fold_call &c, int64_t from, double *room) {
  double p = c.map == CR__MAP_SQUARE ? 2 : c.power;
  cr__again_pass to = {1, 0, 1, p};
  double size = cr__again_walk(c, from, p < 0 ? CR__AGAIN_LEAST : CR__AGAIN_MOST, to, room);
  if (!(size > 0) || isinf(size)) return size;
  to.scale = cr__again_scale(size);
  double sum = cr__again_walk(c, from, p == 2 ? CR__AGAIN_SQUARES : CR__AGAIN_POWERS, to, room);
  return (p == 2 ? sqrt(sum) : f64_root(sum, p)) / to.scale;
}

/* A mean, or a spread, which needs it. */
static __device__ double cr__again_moment(const cr__fold_call &c, int64_t from, bool spread, double y,
                                          double *room) {
  double n = (double)c.reduced.count;
  cr__again_pass to = {1, 0, 1, 0};
  double most = cr__again_walk(c, from, CR__AGAIN_MOST, to, room);
  if (!isfinite(most)) return spread ? (double)NAN : y;
  if (most > 0) to.scale = cr__again_scale(most);
  double mean = cr__again_walk(c, from, CR__AGAIN_SUM, to, room);
  if (!spread) return mean / c.number / to.scale;
  to.middle = mean / n;
  most = cr__again_walk(c, from, CR__AGAIN_MOST, to, room);
  if (most > 0) to.again = cr__again_scale(most);
  double rest = cr__again_walk(c, from, CR__AGAIN_SUM, to, room);
  double squares = cr__again_walk(c, from, CR__AGAIN_SQUARES, to, room);
  squares = (squares - rest * rest / n) / c.number;
  if (c.ending == CR__FINISH_DIVIDE_ROOT) return sqrt(squares) / to.again / to.scale;
  return squares / to.again / to.scale / to.again / to.scale;
}

static __global__ void __launch_bounds__(CR__AGAIN_THREADS)
    cr__again_results(cr__fold_call c, cr__again what) {
  __shared__ double room[CR__AGAIN_THREADS];
  for (int64_t r = blockIdx.x; r < c.kept.count; r += gridDim.x) {
    int64_t out, from = cr__fold_offset(c.kept, r, c.narrow, &out);
    double y = cr__load_as<CR_FLOAT64>(c.out, c.out_dtype, out);
    if (!cr__again_needed(c, what, y)) continue;
    if (what == CR__AGAIN_NORM) y = cr__again_norm(c, from, room);
    else y = cr__again_moment(c, from, what == CR__AGAIN_SPREAD, y, room);
    if (threadIdx.x == 0) cr__store_from<CR_FLOAT64>(c.out, c.out_dtype, out, y);
  }
}

/* Looks at the results of a fold that has run. */
static int cr__fold_again(const cr__launch *k, cr__fold_call *c) {
  cr__again what = cr__again_of(c);
  if (what == CR__AGAIN_NEVER || c->reduced.count == 0) return 0;
  int64_t blocks = c->kept.count < CR__AGAIN_BLOCKS ? c->kept.count : (int64_t)CR__AGAIN_BLOCKS;
  return CR__LAUNCH(k->op, cr__again_results, (unsigned)blocks, CR__AGAIN_THREADS, 0, *c, what);
}

#endif
