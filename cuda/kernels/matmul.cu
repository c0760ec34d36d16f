/* cuda/kernels/matmul.cu: the kernel `matmul`: batches of matrix products of every dtype but bool.
 *
 * Holds true: which kernel multiplies, and in what order each element of the result is summed, depends
 * on sizes, strides and dtypes alone. float16 and bfloat16 are summed in float32; integers wrap, so
 * they are multiplied as unsigned, whatever their sign. */
#include "gemm.h"
#include "grid.h"

/* ---- Elements ---------------------------------------------------------------------------------- */

/* Elements T, summed as S. */
template <typename T> struct element { typedef uint32_t S; };
template <> struct element<uint64_t> { typedef uint64_t S; };
template <> struct element<double> { typedef double S; };
template <> struct element<float> { typedef float S; };
template <> struct element<__half> { typedef float S; };
template <> struct element<__nv_bfloat16> { typedef float S; };

template <typename T> static __device__ __forceinline__ T widen(T x) { return x; }
static __device__ __forceinline__ float widen(__half x) { return __half2float(x); }
static __device__ __forceinline__ float widen(__nv_bfloat16 x) { return __bfloat162float(x); }
template <typename T, typename S> static __device__ __forceinline__ void narrow(T *to, S x) {
  *to = (T)x;
}
static __device__ __forceinline__ void narrow(__half *to, float x) { *to = __float2half_rn(x); }
static __device__ __forceinline__ void narrow(__nv_bfloat16 *to, float x) {
  *to = __float2bfloat16_rn(x);
}

/* ---- Results ----------------------------------------------------------------------------------- */

/* The sum over K is cut into `splits` parts of `chunk`. One part is stored as the result at once; of
 * several, each leaves its sums in `parts`, and `join_parts` adds them in their order. */
typedef struct cut {
  int64_t splits, chunk;
  void *parts;
} cut;

template <typename T, typename S>
static __device__ __forceinline__ void store(const cr__product &p, int64_t batch, int64_t i,
                                             int64_t j, S sum) {
  if (p.added) sum += widen(((const T *)p.added)[batch * p.ds + i * p.dm + j * p.dn]);
  narrow((T *)p.c + batch * p.cs + i * p.cm + j * p.cn, sum);
}

template <typename T, typename S>
static __device__ __forceinline__ void store_part(const cr__product &p, const cut &c, int64_t split,
                                                  int64_t batch, int64_t i, int64_t j, S sum) {
  if (c.splits == 1) store<T>(p, batch, i, j, sum);
  else ((S *)c.parts)[((split * p.count + batch) * p.m + i) * p.n + j] = sum;
}

template <typename T> static __global__ void join_parts(cr__product p, cut c) {
  typedef typename element<T>::S S;
  int64_t all = p.count * p.m * p.n;
  CR__EACH(at, all) {
    S sum = 0;
    for (int64_t s = 0; s < c.splits; s++) sum += ((const S *)c.parts)[s * all + at];
    int64_t row = at / p.n, batch = row / p.m;
    store<T>(p, batch, row - batch * p.m, at - row * p.n, sum);
  }
}

/* ---- Tiles --------------------------------------------------------------------------------------- */

/* Four neighbours, which are read from shared memory together. */
template <typename S> struct __align__(16) quad { S x[4]; };

/* A block computes ROWS x COLUMNS elements, a thread LEFT x UP of them, in steps of DEPTH along K. */
template <int ROWS_, int COLUMNS_, int DEPTH_, int LEFT_, int UP_> struct tiling {
  enum {
    ROWS = ROWS_,
    COLUMNS = COLUMNS_,
    DEPTH = DEPTH_,
    LEFT = LEFT_,
    UP = UP_,
    ACROSS = COLUMNS / UP, /* threads side by side */
    THREADS = ROWS / LEFT * ACROSS
  };
};

/* A thread's part of loading a tile of SIDE (rows of a, columns of b) x DEPTH elements. Neighbouring
 * threads go along K if `along`, as memory there does, else along the side. */
template <typename T, int SIDE, int DEPTH, int THREADS> struct loader {
  typedef typename element<T>::S S;
  enum { EACH = SIDE * DEPTH / THREADS };
  const T *data;         /* the thread's first element of the tile that is read next */
  int64_t step, advance; /* between its elements, between tiles */
  int side, depth, more_side, more_depth;
  unsigned inside; /* bit e: element e does not lie beyond the edge of the matrix */
  S held[EACH];

  /* sides: how many there are from the tile's first on. */
  __device__ __forceinline__ void begin(const T *first, int64_t side_step, int64_t k_step,
                                        int64_t sides, bool along) {
    int t = threadIdx.x;
    side = along ? t / DEPTH : t % SIDE;
    depth = along ? t % DEPTH : t / SIDE;
    more_side = along ? THREADS / DEPTH : 0;
    more_depth = along ? 0 : THREADS / SIDE;
    step = more_side * side_step + more_depth * k_step;
    advance = DEPTH * k_step;
    data = first + side * side_step + depth * k_step;
    inside = 0;
#pragma unroll
    for (int e = 0; e < EACH; e++) inside |= (unsigned)(side + e * more_side < sides) << e;
  }
  /* Reads the next tile, of which `left` elements along K are there; the rest are zeros. */
  __device__ __forceinline__ void read(int64_t left) {
    int end = left < DEPTH ? (int)left : (int)DEPTH;
    const T *from = data;
#pragma unroll
    for (int e = 0; e < EACH; e++, from += step) {
      bool there = inside >> e & 1 && depth + e * more_depth < end;
      held[e] = there ? (S)widen(*from) : (S)0;
    }
    data += advance;
  }
  template <int PITCH> __device__ __forceinline__ void keep(S (*tile)[PITCH]) const {
#pragma unroll
    for (int e = 0; e < EACH; e++) tile[depth + e * more_depth][side + e * more_side] = held[e];
  }
};

/* Adds the products of one pair of tiles: what lies beside a thread's elements comes in groups of 4. */
template <typename S, class F, int PA, int PB>
static __device__ __forceinline__ void add_tiles(S (&sum)[F::LEFT][F::UP], const S (*a)[PA],
                                                 const S (*b)[PB], int row, int column) {
  enum { GA = F::LEFT / 4, GB = F::UP / 4 };
#pragma unroll
  for (int d = 0; d < F::DEPTH; d++) {
    quad<S> x[GA], y[GB];
#pragma unroll
    for (int g = 0; g < GA; g++)
      x[g] = *(const quad<S> *)(const void *)&a[d][row + g * (F::ROWS / GA)];
#pragma unroll
    for (int g = 0; g < GB; g++)
      y[g] = *(const quad<S> *)(const void *)&b[d][column + g * (F::COLUMNS / GB)];
#pragma unroll
    for (int i = 0; i < F::LEFT; i++)
#pragma unroll
      for (int j = 0; j < F::UP; j++) sum[i][j] += x[i / 4].x[i % 4] * y[j / 4].x[j % 4];
  }
}

/* Grid: x tiles, y parts of K, z batches. While one pair of tiles is multiplied, the next is read. */
template <typename T, class F>
static __global__ void __launch_bounds__(F::THREADS, F::THREADS == 64 ? 6 : 512 / F::THREADS)
    multiply_tiles(cr__product p, cut c) {
  typedef typename element<T>::S S;
  enum { PAD = 16 / sizeof(S), PA = F::ROWS + PAD, PB = F::COLUMNS + PAD };
  __shared__ __align__(16) S tile_a[2][F::DEPTH][PA];
  __shared__ __align__(16) S tile_b[2][F::DEPTH][PB];
  int64_t across = (p.n + F::COLUMNS - 1) / F::COLUMNS;
  int64_t i0 = blockIdx.x / across * F::ROWS, j0 = blockIdx.x % across * F::COLUMNS;
  int64_t begin = blockIdx.y * c.chunk, end = begin + c.chunk < p.k ? begin + c.chunk : p.k;
  int row = threadIdx.x / F::ACROSS * 4, column = threadIdx.x % F::ACROSS * 4;
  for (int64_t batch = blockIdx.z; batch < p.count; batch += gridDim.z) {
    loader<T, F::ROWS, F::DEPTH, F::THREADS> a;
    loader<T, F::COLUMNS, F::DEPTH, F::THREADS> b;
    a.begin((const T *)p.a + batch * p.as + i0 * p.am + begin * p.ak, p.am, p.ak, p.m - i0,
            p.ak == 1);
    b.begin((const T *)p.b + batch * p.bs + j0 * p.bn + begin * p.bk, p.bn, p.bk, p.n - j0,
            p.bn != 1);
    S sum[F::LEFT][F::UP] = {};
    int at = 0;
    a.read(end - begin);
    b.read(end - begin);
    for (int64_t k = begin; k < end; k += F::DEPTH, at ^= 1) {
      a.keep(tile_a[at]);
      b.keep(tile_b[at]);
      __syncthreads();
      a.read(end - k - F::DEPTH);
      b.read(end - k - F::DEPTH);
      add_tiles<S, F>(sum, tile_a[at], tile_b[at], row, column);
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < F::LEFT; i++) {
      int64_t to = i0 + row + i / 4 * (F::ROWS * 4 / F::LEFT) + i % 4;
#pragma unroll
      for (int j = 0; j < F::UP; j++) {
        int64_t across_to = j0 + column + j / 4 * (F::COLUMNS * 4 / F::UP) + j % 4;
        if (to < p.m && across_to < p.n)
          store_part<T>(p, c, (int64_t)blockIdx.y, batch, to, across_to, sum[i][j]);
      }
    }
  }
}

/* ---- Vectors ------------------------------------------------------------------------------------- */

/* The sum over a block, in one order; thread 0 gets it. */
template <typename S> static __device__ __forceinline__ S block_sum(S x) {
  __shared__ S warps[CR__THREADS / 32];
  for (int by = 16; by > 0; by /= 2) x += __shfl_down_sync(0xffffffffu, x, by);
  __syncthreads();
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = x;
  __syncthreads();
  S sum = 0;
  for (int w = 0; w < CR__THREADS / 32; w++) sum += warps[w];
  return sum;
}

/* x[k] y[k] over k in [begin, end) by `step`, in four sums. */
template <typename T, typename S>
static __device__ __forceinline__ S dot(const T *x, int64_t xs, const T *y, int64_t ys,
                                        int64_t begin, int64_t end, int64_t step) {
  S sum[4] = {0, 0, 0, 0};
  int64_t k = begin;
  for (; k + 3 * step < end; k += 4 * step) {
#pragma unroll
    for (int u = 0; u < 4; u++)
      sum[u] += (S)widen(x[(k + u * step) * xs]) * (S)widen(y[(k + u * step) * ys]);
  }
  for (; k < end; k += step) sum[0] += (S)widen(x[k * xs]) * (S)widen(y[k * ys]);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* A block per element of the result: for factors that lie along K. Grid: x elements, y parts of K. */
template <typename T> static __global__ void multiply_along(cr__product p, cut c) {
  typedef typename element<T>::S S;
  int64_t begin = blockIdx.y * c.chunk, end = begin + c.chunk < p.k ? begin + c.chunk : p.k;
  for (int64_t at = blockIdx.x; at < p.count * p.m * p.n; at += gridDim.x) {
    int64_t row = at / p.n, j = at - row * p.n, batch = row / p.m, i = row - batch * p.m;
    const T *a = (const T *)p.a + batch * p.as + i * p.am;
    const T *b = (const T *)p.b + batch * p.bs + j * p.bn;
    S sum = block_sum(dot<T, S>(a, p.ak, b, p.bk, begin + threadIdx.x, end, CR__THREADS));
    if (threadIdx.x == 0) store_part<T>(p, c, (int64_t)blockIdx.y, batch, i, j, sum);
  }
}

/* A thread per element: for factors whose neighbours lie across K. */
template <typename T> static __global__ void multiply_across(cr__product p, cut c) {
  typedef typename element<T>::S S;
  int64_t begin = blockIdx.y * c.chunk, end = begin + c.chunk < p.k ? begin + c.chunk : p.k;
  CR__EACH(at, p.count * p.m * p.n) {
    int64_t row = at / p.n, j = at - row * p.n, batch = row / p.m, i = row - batch * p.m;
    const T *a = (const T *)p.a + batch * p.as + i * p.am;
    const T *b = (const T *)p.b + batch * p.bs + j * p.bn;
    store_part<T>(p, c, (int64_t)blockIdx.y, batch, i, j,
                  dot<T, S>(a, p.ak, b, p.bk, begin, end, 1));
  }
}

/* ---- Launching ----------------------------------------------------------------------------------- */

static int64_t ceiling(int64_t n, int64_t by) { return (n + by - 1) / by; }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Cuts K so that there is work for a device of any size, in parts of at least `chunk`. */
static cut cut_for(int64_t blocks, int64_t k, int64_t chunk) {
  enum { ENOUGH = 512, MOST = 256 };
  int64_t splits = least(least(ceiling(ENOUGH, blocks), MOST), k / chunk);
  if (splits <= 1) return {1, k, NULL};
  int64_t each = ceiling(ceiling(k, splits), 64) * 64;
  return {ceiling(k, each), each, NULL};
}

template <typename T>
static int launch(const cr__product *p, void (*kernel)(cr__product, cut), dim3 grid, int threads,
                  cut c) {
  size_t nbytes = (size_t)(c.splits * p->count * p->m * p->n) * sizeof(typename element<T>::S);
  if (c.splits == 1) return CR__LAUNCH(p->op, kernel, grid, threads, 0, *p, c);
  c.parts = cr__cuda_alloc(p->ordinal, nbytes);
  if (!c.parts) return CR_E_MEMORY;
  int code = CR__LAUNCH(p->op, kernel, grid, threads, 0, *p, c);
  if (!code)
    code = CR__LAUNCH(p->op, join_parts<T>, cr__blocks_for(p->count * p->m * p->n), CR__THREADS, 0,
                      *p, c);
  cr__cuda_free(p->ordinal, c.parts, nbytes);
  return code;
}

template <typename T, class F> static int run_tiles(const cr__product *p) {
  int64_t tiles = ceiling(p->m, F::ROWS) * ceiling(p->n, F::COLUMNS);
  cut c = cut_for(tiles * p->count, p->k, 16 * F::DEPTH);
  dim3 grid((unsigned)tiles, (unsigned)c.splits, (unsigned)least(p->count, 65535));
  auto kernel = multiply_tiles<T, F>;
  return launch<T>(p, kernel, grid, F::THREADS, c);
}

template <typename T> static int run_vector(const cr__product *p) {
  int64_t results = p->count * p->m * p->n;
  bool along = p->n == 1 ? p->ak == 1 || p->m == 1 : p->bk == 1;
  if (along && p->k >= CR__THREADS / 2) {
    cut c = cut_for(results, p->k, 16 * CR__THREADS);
    dim3 grid((unsigned)least(results, 1 << 20), (unsigned)c.splits);
    return launch<T>(p, multiply_along<T>, grid, CR__THREADS, c);
  }
  cut c = cut_for(ceiling(results, CR__THREADS), p->k, 128);
  dim3 grid = cr__blocks_for(results);
  grid.y = (unsigned)c.splits;
  return launch<T>(p, multiply_across<T>, grid, CR__THREADS, c);
}

/* By the bytes of a sum. */
template <int SIZE> struct large_tiling { typedef tiling<128, 128, 8, 8, 8> type; };
template <> struct large_tiling<8> { typedef tiling<64, 64, 16, 4, 4> type; };

/* Large tiles where there are enough of them to keep a device busy. */
template <typename T> static int run(const cr__product *p) {
  typedef tiling<32, 32, 16, 4, 4> small;
  typedef typename large_tiling<sizeof(typename element<T>::S)>::type large;
  if (p->m == 1 || p->n == 1) return run_vector<T>(p);
  bool many = ceiling(p->m, large::ROWS) * ceiling(p->n, large::COLUMNS) * p->count >= 64;
  return many ? run_tiles<T, large>(p) : run_tiles<T, small>(p);
}

/* ---- The kernel ---------------------------------------------------------------------------------- */

static cr__product product_of(const cr__launch *k) {
  const cr__view *c = &k->matmul.out, *a = &k->matmul.a, *b = &k->matmul.b, *d = &k->matmul.added;
  bool add = d->data;
  return {k->op,
          cr__ordinal_of(k->device),
          c->dtype,
          c->shape[0],
          c->shape[1],
          c->shape[2],
          a->shape[2],
          c->data,
          a->data,
          b->data,
          add ? d->data : NULL,
          c->stride[0],
          c->stride[1],
          c->stride[2],
          a->stride[0],
          a->stride[1],
          a->stride[2],
          b->stride[0],
          b->stride[1],
          b->stride[2],
          add ? d->stride[0] : 0,
          add ? d->stride[1] : 0,
          add ? d->stride[2] : 0};
}

extern "C" int cr__cuda_matmul(cr__launch *k) {
  cr__product p = product_of(k);
  if (p.count == 0 || p.m == 0 || p.n == 0) return 0;
  int code = p.m > 1 && p.n > 1 ? cr__cublas_gemm(&p) : -1;
  if (code >= 0) return code;
  switch (p.dtype) {
  case CR_FLOAT64: return run<double>(&p);
  case CR_FLOAT32: return run<float>(&p);
  case CR_FLOAT16: return run<__half>(&p);
  case CR_BFLOAT16: return run<__nv_bfloat16>(&p);
  case CR_INT64: return run<uint64_t>(&p);
  case CR_INT32: return run<uint32_t>(&p);
  case CR_INT16: return run<uint16_t>(&p);
  default: return run<uint8_t>(&p);
  }
}
