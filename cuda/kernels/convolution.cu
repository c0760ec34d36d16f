/* cuda/kernels/convolution.cu: convolutions and their two gradients, as products of which one factor is never stored.
 *
 * Holds true: a block computes a tile of a product, and reads what it needs of the source by position, zero where the
 * source has no such place. Which tiles there are, and in what order the terms of an element are summed, depends on
 * sizes alone. 16-bit floats are summed in float32; integers wrap, so they are multiplied as unsigned. */
#include "convert.cuh"
#include "grid.h"
#include "scalar/convolution.h"

enum { SIDE = 64, DEPTH = 16, EACH = SIDE * DEPTH / CR__THREADS, FOUR = 4 };

/* What elements of dtype D are summed as. */
template <int D> struct sum_of { typedef uint32_t type; };
template <> struct sum_of<CR_FLOAT64> { typedef double type; };
template <> struct sum_of<CR_FLOAT32> { typedef float type; };
template <> struct sum_of<CR_FLOAT16> { typedef float type; };
template <> struct sum_of<CR_BFLOAT16> { typedef float type; };
template <> struct sum_of<CR_INT64> { typedef uint64_t type; };

typedef struct shape {
  const char *op;
  int64_t n, groups, cx, cy; /* images; groups; channels of a group of x and of y */
  cr__conv_dim dims[CR__CONV_DIMS];
} shape;

static __host__ __device__ __forceinline__ int64_t ceiling(int64_t n, int64_t by) {
  return (n + by - 1) / by;
}

/* ---- Products ----------------------------------------------------------------------------------- */

/* One of `lines` of taps and channels: where it reads the source, relative to a result, and the weight. */
typedef struct line {
  int64_t at[CR__CONV_DIMS], channel, weight;
} line;

/* Sums of the products of a pair of tiles, of FOUR x FOUR elements a thread. */
template <typename S>
static __device__ __forceinline__ void add_tiles(S (&sum)[FOUR][FOUR], S (*a)[SIDE + 1],
                                                 S (*b)[SIDE + 1]) {
  int row = threadIdx.x / DEPTH, column = threadIdx.x % DEPTH;
#pragma unroll
  for (int k = 0; k < DEPTH; k++)
#pragma unroll
    for (int i = 0; i < FOUR; i++)
#pragma unroll
      for (int j = 0; j < FOUR; j++) sum[i][j] += a[k][row + i * DEPTH] * b[k][column + j * DEPTH];
}

/* The place of a source that a result takes with a tap; -1 if it has none. */
static __device__ __forceinline__ int64_t place(const cr__conv_axis *a, const int64_t *at,
                                                const int64_t *by) {
  int64_t p0 = at[0] + by[0], p1 = at[1] + by[1], p2 = at[2] + by[2];
  bool there = p0 >= 0 && p0 < a[0].size && p1 >= 0 && p1 < a[1].size && p2 >= 0 && p2 < a[2].size;
  return there ? (p0 * a[1].size + p1) * a[2].size + p2 : -1;
}

/* Where the first tap of result q (counted over three dims) reads. */
static __device__ __forceinline__ void first_place(const cr__conv_axis *a, int64_t q, int64_t *at) {
  int64_t q2 = q % a[2].count, q1 = q / a[2].count % a[1].count, q0 = q / a[2].count / a[1].count;
  at[0] = q0 * a[0].step + a[0].offset;
  at[1] = q1 * a[1].step + a[1].offset;
  at[2] = q2 * a[2].step + a[2].offset;
}

/* rows x (images, places) of a group: weight times what the places take of the source. */
typedef struct product {
  cr__conv_axis axes[CR__CONV_DIMS];
  int64_t rows, channels, k, places, columns, groups;
  int64_t by_row, by_channel, by_group,
      taps[CR__CONV_DIMS];                      /* of the weight: strides, and its sizes */
  int64_t source, result, whole[CR__CONV_DIMS]; /* places of a channel; sizes of the whole result */
  const void *from, *weight, *bias;
  void *out;
} product;

static __device__ line line_of(const product &p, int64_t k) {
  const cr__conv_axis *a = p.axes;
  int64_t t2 = k % a[2].taps, t1 = k / a[2].taps % a[1].taps;
  int64_t rest = k / a[2].taps / a[1].taps, t0 = rest % a[0].taps;
  line l;
  l.channel = rest / a[0].taps;
  l.at[0] = t0 * a[0].tap_offset, l.at[1] = t1 * a[1].tap_offset, l.at[2] = t2 * a[2].tap_offset;
  int64_t w0 = a[0].tap + t0 * a[0].tap_step, w1 = a[1].tap + t1 * a[1].tap_step;
  l.weight =
      l.channel * p.by_channel + (w0 * p.taps[1] + w1) * p.taps[2] + a[2].tap + t2 * a[2].tap_step;
  return l;
}

/* Where result `q` of an image's channels lies in the whole. */
static __device__ __forceinline__ int64_t result_place(const product &p, int64_t q) {
  const cr__conv_axis *a = p.axes;
  int64_t q2 = q % a[2].count, q1 = q / a[2].count % a[1].count, q0 = q / a[2].count / a[1].count;
  return ((a[0].to + q0 * a[0].to_step) * p.whole[1] + a[1].to + q1 * a[1].to_step) * p.whole[2] +
         a[2].to + q2 * a[2].to_step;
}

/* Grid: x tiles of columns, y of rows, z groups. */
template <int D> static __global__ void __launch_bounds__(CR__THREADS) convolve(product p) {
  typedef typename sum_of<D>::type S;
  __shared__ S a[DEPTH][SIDE + 1], b[DEPTH][SIDE + 1];
  __shared__ line lines[DEPTH];
  int64_t group = blockIdx.z, row0 = (int64_t)blockIdx.y * SIDE,
          column0 = (int64_t)blockIdx.x * SIDE;
  int64_t column = column0 + threadIdx.x % SIDE, at[CR__CONV_DIMS] = {0, 0, 0};
  bool there = column < p.columns;
  if (there) first_place(p.axes, column % p.places, at);
  int64_t from = (column / p.places * p.groups + group) * p.channels * p.source;
  S sum[FOUR][FOUR] = {};
  for (int64_t k0 = 0; k0 < p.k; k0 += DEPTH) {
    if (threadIdx.x < DEPTH && k0 + threadIdx.x < p.k)
      lines[threadIdx.x] = line_of(p, k0 + threadIdx.x);
    __syncthreads();
    for (int e = 0; e < EACH; e++) {
      int i = threadIdx.x + e * CR__THREADS, k = i % DEPTH, row = i / DEPTH;
      bool has = k0 + k < p.k && row0 + row < p.rows;
      a[k][row] = has ? (S)cr__get<D>(p.weight, group * p.by_group + (row0 + row) * p.by_row +
                                                    lines[k].weight)
                      : (S)0;
    }
    for (int e = 0; e < EACH; e++) {
      int k = threadIdx.x / SIDE + e * (CR__THREADS / SIDE);
      int64_t where = there && k0 + k < p.k ? place(p.axes, at, lines[k].at) : -1;
      b[k][threadIdx.x % SIDE] =
          where >= 0 ? (S)cr__get<D>(p.from, from + lines[k].channel * p.source + where) : (S)0;
    }
    __syncthreads();
    add_tiles(sum, a, b);
    __syncthreads();
  }
  for (int j = 0; j < FOUR; j++) {
    int64_t to = column0 + threadIdx.x % DEPTH + j * DEPTH;
    if (to >= p.columns) continue;
    int64_t where = result_place(p, to % p.places), image = to / p.places;
    for (int i = 0; i < FOUR; i++) {
      int64_t row = row0 + threadIdx.x / DEPTH + i * DEPTH;
      if (row >= p.rows) continue;
      S x = sum[i][j];
      if (p.bias) x += (S)cr__get<D>(p.bias, group * p.rows + row);
      cr__put<D>(p.out, ((image * p.groups + group) * p.rows + row) * p.result + where,
                 (typename cr__element<D>::value)x);
    }
  }
}

/* A grid has so many blocks along y and z at most. */
enum { MOST_BLOCKS = 65535 };

static int check_grid(const char *op, int64_t rows, int64_t groups) {
  if (ceiling(rows, SIDE) <= MOST_BLOCKS && groups <= MOST_BLOCKS) return 0;
  return cr__fail(CR_E_ARGUMENT, "%s: too many channels or groups for CUDA: %lld in each of %lld",
                  op, (long long)rows, (long long)groups);
}

template <int D> static int run_product(const shape &s, const product &p) {
  if (p.columns == 0 || p.rows == 0) return 0;
  int code = check_grid(s.op, p.rows, s.groups);
  if (code) return code;
  dim3 grid((unsigned)ceiling(p.columns, SIDE), (unsigned)ceiling(p.rows, SIDE),
            (unsigned)s.groups);
  return CR__LAUNCH(s.op, convolve<D>, grid, CR__THREADS, 0, p);
}

static product begin(const shape &s, const cr__view *out, const cr__view *from,
                     const cr__view *weight, const cr__view *bias) {
  product p = {};
  p.groups = s.groups;
  p.source = from->shape[2] * from->shape[3] * from->shape[4];
  p.result = out->shape[2] * out->shape[3] * out->shape[4];
  for (int d = 0; d < CR__CONV_DIMS; d++) p.whole[d] = out->shape[2 + d], p.taps[d] = s.dims[d].w;
  p.by_group = s.cy * s.cx * p.taps[0] * p.taps[1] * p.taps[2];
  p.from = from->data, p.weight = weight->data, p.bias = bias->data, p.out = out->data;
  return p;
}

static void finish(const shape &s, product *p) {
  const cr__conv_axis *a = p->axes;
  p->k = p->channels * a[0].taps * a[1].taps * a[2].taps;
  p->places = a[0].count * a[1].count * a[2].count;
  p->columns = s.n * p->places;
}

/* ---- The gradient by the weight -------------------------------------------------------------------- */

/* The result's channels x lines of the input, summed over images and places, which are cut into `splits` parts. */
typedef struct gradient {
  cr__conv_axis axes[CR__CONV_DIMS];
  int64_t n, groups, cx, cy, lines, taps, places, k; /* k: images x places */
  int64_t source, splits, chunk;
  const void *x, *y;
  void *parts; /* splits x groups x cy x lines */
} gradient;

/* An image and a place of the result. */
typedef struct term {
  int64_t at[CR__CONV_DIMS], x, y;
} term;

static __device__ term term_of(const gradient &g, int64_t k, int64_t group) {
  term t;
  int64_t image = (k / g.places * g.groups + group);
  first_place(g.axes, k % g.places, t.at);
  t.x = image * g.cx * g.source;
  t.y = image * g.cy * g.places + k % g.places;
  return t;
}

/* Grid: x tiles of lines, y of channels, z parts of the sum and groups. */
template <int D> static __global__ void __launch_bounds__(CR__THREADS) correlate(gradient g) {
  typedef typename sum_of<D>::type S;
  __shared__ S a[DEPTH][SIDE + 1], b[DEPTH][SIDE + 1];
  __shared__ term terms[DEPTH];
  int64_t group = blockIdx.z % g.groups, split = blockIdx.z / g.groups;
  int64_t row0 = (int64_t)blockIdx.y * SIDE, line0 = (int64_t)blockIdx.x * SIDE;
  int64_t begin = split * g.chunk, end = begin + g.chunk < g.k ? begin + g.chunk : g.k;
  int64_t line = line0 + threadIdx.x % SIDE, tap = line % g.taps, by[CR__CONV_DIMS];
  by[0] = tap / g.axes[2].taps / g.axes[1].taps * g.axes[0].tap_offset;
  by[1] = tap / g.axes[2].taps % g.axes[1].taps * g.axes[1].tap_offset;
  by[2] = tap % g.axes[2].taps * g.axes[2].tap_offset;
  S sum[FOUR][FOUR] = {};
  for (int64_t k0 = begin; k0 < end; k0 += DEPTH) {
    if (threadIdx.x < DEPTH && k0 + threadIdx.x < end)
      terms[threadIdx.x] = term_of(g, k0 + threadIdx.x, group);
    __syncthreads();
    for (int e = 0; e < EACH; e++) {
      int i = threadIdx.x + e * CR__THREADS, k = i % DEPTH, row = i / DEPTH;
      bool has = k0 + k < end && row0 + row < g.cy;
      a[k][row] = has ? (S)cr__get<D>(g.y, terms[k].y + (row0 + row) * g.places) : (S)0;
    }
    for (int e = 0; e < EACH; e++) {
      int k = threadIdx.x / SIDE + e * (CR__THREADS / SIDE);
      int64_t where = line < g.lines && k0 + k < end ? place(g.axes, terms[k].at, by) : -1;
      b[k][threadIdx.x % SIDE] =
          where >= 0 ? (S)cr__get<D>(g.x, terms[k].x + line / g.taps * g.source + where) : (S)0;
    }
    __syncthreads();
    add_tiles(sum, a, b);
    __syncthreads();
  }
  for (int i = 0; i < FOUR; i++) {
    int64_t row = row0 + threadIdx.x / DEPTH + i * DEPTH;
    for (int j = 0; j < FOUR; j++) {
      int64_t to = line0 + threadIdx.x % DEPTH + j * DEPTH;
      if (row < g.cy && to < g.lines)
        ((S *)g.parts)[((split * g.groups + group) * g.cy + row) * g.lines + to] = sum[i][j];
    }
  }
}

template <int D> static __global__ void join(gradient g, void *out) {
  typedef typename sum_of<D>::type S;
  int64_t all = g.groups * g.cy * g.lines;
  CR__EACH(i, all) {
    S sum = 0;
    for (int64_t s = 0; s < g.splits; s++) sum += ((const S *)g.parts)[s * all + i];
    cr__put<D>(out, i, (typename cr__element<D>::value)sum);
  }
}

/* Enough parts to keep a device busy, of some length. */
static void cut(gradient *g) {
  enum { ENOUGH = 512, LEAST = 256 };
  int64_t blocks = ceiling(g->lines, SIDE) * ceiling(g->cy, SIDE) * g->groups;
  int64_t splits = ceiling(ENOUGH, blocks), most = ceiling(g->k, LEAST);
  if (splits > most) splits = most;
  if (splits * g->groups > MOST_BLOCKS) splits = 1;
  if (splits < 1) splits = 1;
  g->chunk = ceiling(ceiling(g->k, splits), DEPTH) * DEPTH;
  if (g->chunk < DEPTH) g->chunk = DEPTH;
  g->splits = g->k ? ceiling(g->k, g->chunk) : 1;
}

template <int D>
static int run_gradient(const cr__launch *l, const shape &s, gradient *g, void *out) {
  typedef typename sum_of<D>::type S;
  int64_t all = g->groups * g->cy * g->lines;
  if (all == 0) return 0;
  int code = check_grid(s.op, g->cy, s.groups), ordinal = cr__ordinal_of(l->device);
  if (code) return code;
  cut(g);
  size_t nbytes = (size_t)(g->splits * all) * sizeof(S);
  g->parts = cr__cuda_alloc(ordinal, nbytes);
  if (!g->parts) return CR_E_MEMORY;
  dim3 grid((unsigned)ceiling(g->lines, SIDE), (unsigned)ceiling(g->cy, SIDE),
            (unsigned)(g->splits * g->groups));
  code = CR__LAUNCH(s.op, correlate<D>, grid, CR__THREADS, 0, *g);
  if (!code) code = CR__LAUNCH(s.op, join<D>, cr__blocks_for(all), CR__THREADS, 0, *g, out);
  cr__cuda_free(ordinal, g->parts, nbytes);
  return code;
}

/* ---- The kernels ------------------------------------------------------------------------------------ */

#define BY_DTYPE(dtype, f, ...)                         \
  switch (dtype) {                                      \
  case CR_FLOAT64: return f<CR_FLOAT64>(__VA_ARGS__);   \
  case CR_FLOAT32: return f<CR_FLOAT32>(__VA_ARGS__);   \
  case CR_FLOAT16: return f<CR_FLOAT16>(__VA_ARGS__);   \
  case CR_BFLOAT16: return f<CR_BFLOAT16>(__VA_ARGS__); \
  case CR_INT64: return f<CR_INT64>(__VA_ARGS__);       \
  case CR_INT32: return f<CR_INT32>(__VA_ARGS__);       \
  case CR_INT16: return f<CR_INT16>(__VA_ARGS__);       \
  case CR_INT8: return f<CR_INT8>(__VA_ARGS__);         \
  default: return f<CR_UINT8>(__VA_ARGS__);             \
  }

template <class Slots>
static shape shape_of(const cr__launch *k, const Slots &s, const cr__view &x, const cr__view &w,
                      const cr__view &y) {
  shape r = {k->op, x.shape[0], s.groups, x.shape[1] / s.groups, y.shape[1] / s.groups, {}};
  for (int d = 0; d < CR__CONV_DIMS; d++)
    r.dims[d] = {x.shape[2 + d], w.shape[2 + d], y.shape[2 + d],
                 s.stride[d],    s.padding[d],   s.dilation[d]};
  return r;
}

static int by_dtype(int dtype, const shape &s, const product &p) {
  BY_DTYPE(dtype, run_product, s, p)
}

extern "C" int cr__cuda_convolution(cr__launch *k) {
  const auto &s = k->convolution;
  shape c = shape_of(k, s, s.in, s.weight, s.out);
  product p = begin(c, &s.out, &s.in, &s.weight, &s.bias);
  for (int d = 0; d < CR__CONV_DIMS; d++) p.axes[d] = cr__conv_forward_axis(c.dims[d]);
  p.rows = c.cy, p.channels = c.cx;
  p.by_channel = p.taps[0] * p.taps[1] * p.taps[2];
  p.by_row = c.cx * p.by_channel;
  finish(c, &p);
  return by_dtype(s.out.dtype, c, p);
}

extern "C" int cr__cuda_convolution_input(cr__launch *k) {
  const auto &s = k->convolution_input;
  shape c = shape_of(k, s, s.out, s.weight, s.grad);
  product p = begin(c, &s.out, &s.grad, &s.weight, &s.bias);
  p.rows = c.cx, p.channels = c.cy;
  p.by_row = p.taps[0] * p.taps[1] * p.taps[2];
  p.by_channel = c.cx * p.by_row;
  int64_t r0 = cr__conv_rests(c.dims[0]), r1 = cr__conv_rests(c.dims[1]),
          r2 = cr__conv_rests(c.dims[2]);
  int code = 0;
  for (int64_t i = 0; i < r0 * r1 * r2 && !code; i++) {
    p.axes[0] = cr__conv_input_axis(c.dims[0], i / r2 / r1);
    p.axes[1] = cr__conv_input_axis(c.dims[1], i / r2 % r1);
    p.axes[2] = cr__conv_input_axis(c.dims[2], i % r2);
    finish(c, &p);
    code = by_dtype(s.out.dtype, c, p);
  }
  return code;
}

extern "C" int cr__cuda_convolution_weight(cr__launch *k) {
  const auto &s = k->convolution_weight;
  shape c = shape_of(k, s, s.in, s.out, s.grad);
  gradient g = {};
  for (int d = 0; d < CR__CONV_DIMS; d++) g.axes[d] = cr__conv_forward_axis(c.dims[d]);
  g.n = c.n, g.groups = c.groups, g.cx = c.cx, g.cy = c.cy;
  g.taps = c.dims[0].w * c.dims[1].w * c.dims[2].w, g.lines = c.cx * g.taps;
  g.places = c.dims[0].y * c.dims[1].y * c.dims[2].y, g.k = c.n * g.places;
  g.source = c.dims[0].x * c.dims[1].x * c.dims[2].x;
  g.x = s.in.data, g.y = s.grad.data;
  BY_DTYPE(s.out.dtype, run_gradient, k, c, &g, s.out.data)
}
