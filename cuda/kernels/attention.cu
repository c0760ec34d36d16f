/* cuda/kernels/attention.cu: attention and its gradients, in tiles.
 *
 * Holds true: what is computed, and from what, is said in src/cpu/attention.c and src/cpu/attention_backward.c. A block has
 * a tile of queries and goes through the keys, or a tile of keys and goes through the queries, so that each sum has one
 * order; scores are computed again by each. A width of more columns than a block adds up is cut, with a block for each
 * part. T is the type that is computed in. */
#include "convert.cuh"
#include "grid.h"
#include "scalar.cuh"

#include "scalar/philox.h"

/* SIDE x SIDE scores; each of THREADS threads has EACH of them, in one row, and EACH + EACH columns of sums. */
enum { SIDE = 32, THREADS = 256, LANES = THREADS / SIDE, EACH = SIDE / LANES, SUMS = 8, COLUMNS = SUMS * LANES };

typedef struct matrix {
  char *data; /* NULL: left out */
  int dtype;
  int64_t step[4];
} matrix;

typedef struct attention_call {
  matrix query, key, value, mask, out, lines, grad, for_query, for_key, for_value, for_mask;
  int64_t batch, heads, kv_heads, rows, keys, width, value_width;
  double scale;
  bool causal, drops;
  uint64_t seed, offset, kept; /* a word below `kept` is that of a share which stays */
  double by;                   /* what those are multiplied by */
  char *delta, *great;         /* two numbers for each row: see backward */
} attention_call;

static matrix matrix_of(const cr__view &v) {
  matrix m = {v.data, v.dtype, {0, 0, 0, 0}};
  for (int d = 0; d < 4 && v.data; d++) m.step[d] = v.stride[d];
  return m;
}

template <class T> struct dtype_of;
template <> struct dtype_of<float> { enum { value = CR_FLOAT32 }; };
template <> struct dtype_of<double> { enum { value = CR_FLOAT64 }; };

static __device__ __forceinline__ int64_t place(const matrix &m, int64_t b, int64_t h, int64_t r, int64_t c) {
  return b * m.step[0] + h * m.step[1] + r * m.step[2] + c * m.step[3];
}
template <class T>
static __device__ __forceinline__ T load(const matrix &m, int64_t b, int64_t h, int64_t r, int64_t c) {
  return cr__load_as<dtype_of<T>::value>(m.data, m.dtype, place(m, b, h, r, c));
}
template <class T>
static __device__ __forceinline__ void store(const matrix &m, int64_t b, int64_t h, int64_t r, int64_t c, T x) {
  cr__store_from<dtype_of<T>::value>(m.data, m.dtype, place(m, b, h, r, c), x);
}

static __device__ __forceinline__ float power(float x) { return f32_exp_below(x); }
static __device__ __forceinline__ double power(double x) { return f64_exp_below(x); }

/* Of the LANES threads of a row: the largest, and the sum, in one order. */
template <class T> static __device__ __forceinline__ T largest(T x) {
#pragma unroll
  for (int by = LANES / 2; by > 0; by /= 2) {
    T other = __shfl_xor_sync(0xffffffffu, x, by, LANES);
    x = other > x ? other : x;
  }
  return x;
}
template <class T> static __device__ __forceinline__ T added(T x) {
#pragma unroll
  for (int by = LANES / 2; by > 0; by /= 2) x += __shfl_xor_sync(0xffffffffu, x, by, LANES);
  return x;
}

/* ---- A tile ---- */

/* Which queries and keys a tile has. */
typedef struct tile {
  int64_t b, h, kv, q0, k0;
} tile;

/* Products of rows q0 .. of `left` (times `by`) and rows k0 .. of `right`; the thread's are those of row threadIdx.x /
 * LANES with every LANES-th column. a and b are room for a tile each. */
template <class T>
static __device__ void products(const attention_call &c, const tile &t, const matrix &left, const matrix &right, int64_t width,
                                T by, T (*a)[SIDE + 1], T (*b)[SIDE + 1], T (&sum)[EACH]) {
  int row = threadIdx.x / LANES, lane = threadIdx.x % LANES;
#pragma unroll
  for (int e = 0; e < EACH; e++) sum[e] = 0;
  for (int64_t w0 = 0; w0 < width; w0 += SIDE) {
    __syncthreads();
    for (int i = threadIdx.x; i < SIDE * SIDE; i += THREADS) {
      int r = i / SIDE, w = i % SIDE;
      bool in = w0 + w < width;
      a[r][w] = in && t.q0 + r < c.rows ? load<T>(left, t.b, t.h, t.q0 + r, w0 + w) * by : (T)0;
      b[r][w] = in && t.k0 + r < c.keys ? load<T>(right, t.b, t.kv, t.k0 + r, w0 + w) : (T)0;
    }
    __syncthreads();
    for (int w = 0; w < SIDE; w++) {
#pragma unroll
      for (int e = 0; e < EACH; e++) sum[e] += a[row][w] * b[lane + e * LANES][w];
    }
  }
}

/* Scores, of which those that are hidden, or beyond the keys, are -infinity. */
template <class T>
static __device__ void scores(const attention_call &c, const tile &t, T (*a)[SIDE + 1], T (*b)[SIDE + 1], T (&s)[EACH]) {
  int64_t q = t.q0 + threadIdx.x / LANES;
  products<T>(c, t, c.query, c.key, c.width, (T)c.scale, a, b, s);
#pragma unroll
  for (int e = 0; e < EACH; e++) {
    int64_t k = t.k0 + threadIdx.x % LANES + e * LANES;
    bool seen = q < c.rows && k < c.keys && !(c.causal && k > q);
    if (seen && c.mask.data && c.mask.dtype == CR_BOOL)
      seen = ((const uint8_t *)c.mask.data)[place(c.mask, t.b, t.h, q, k)] != 0;
    else if (seen && c.mask.data) s[e] += load<T>(c.mask, t.b, t.h, q, k);
    if (!seen) s[e] = (T)-INFINITY;
  }
}

/* What the share of key k of query q is multiplied by, after the sum. */
static __device__ double kept(const attention_call &c, const tile &t, int64_t q, int64_t k) {
  if (!c.drops) return 1;
  uint32_t words[4];
  uint64_t i = (uint64_t)(((t.b * c.heads + t.h) * c.rows + q) * c.keys + k);
  cr__philox(c.seed, c.offset + i / 4, words);
  return words[i % 4] < c.kept ? c.by : 0;
}

/* A tile of SIDE rows from `first` on, of columns c0 .. c0 + COLUMNS - 1, times `by`; beyond the edges 0. */
template <class T>
static __device__ void fetch(const matrix &m, int64_t b, int64_t h, int64_t first, int64_t rows, int64_t c0,
                             int64_t width, T by, T (*to)[COLUMNS]) {
  for (int i = threadIdx.x; i < SIDE * COLUMNS; i += THREADS) {
    int64_t r = first + i / COLUMNS, column = c0 + i % COLUMNS;
    to[i / COLUMNS][i % COLUMNS] = r < rows && column < width ? load<T>(m, b, h, r, column) * by : (T)0;
  }
}

static __device__ tile tile_of(const attention_call &c, int64_t index, int64_t heads, int64_t in_row) {
  tile t = {index / in_row / heads, index / in_row % heads, 0, 0, 0};
  t.kv = t.h / (c.heads / c.kv_heads);
  return t;
}

static __device__ __forceinline__ int64_t last_key(const attention_call &c, const tile &t) {
  int64_t seen = t.q0 + SIDE;
  return c.causal && seen < c.keys ? seen : c.keys;
}

static __device__ __forceinline__ int64_t row_index(const attention_call &c, const tile &t, int64_t q) {
  return (t.b * c.heads + t.h) * c.rows + q;
}

/* ---- Forward ---- */

template <class T> static __global__ void __launch_bounds__(THREADS) attend(attention_call c, int64_t in_row) {
  __shared__ T a[SIDE][SIDE + 1], b[SIDE][SIDE + 1], share[SIDE][SIDE + 1], value[SIDE][COLUMNS];
  tile t = tile_of(c, blockIdx.x, c.heads, in_row);
  t.q0 = blockIdx.x % in_row * SIDE;
  int row = threadIdx.x / LANES, lane = threadIdx.x % LANES;
  int64_t q = t.q0 + row, c0 = (int64_t)blockIdx.y * COLUMNS, end = last_key(c, t);
  T top = (T)-INFINITY, total = 0, s[EACH], sums[SUMS] = {0};
  for (t.k0 = 0; t.k0 < end; t.k0 += SIDE) {
    scores<T>(c, t, a, b, s);
    T most = top, part = 0;
#pragma unroll
    for (int e = 0; e < EACH; e++) most = s[e] > most ? s[e] : most;
    most = largest(most);
    T base = most == (T)-INFINITY ? (T)0 : most, factor = power(top - base);
    top = most;
#pragma unroll
    for (int e = 0; e < EACH; e++) {
      T x = power(s[e] - base);
      part += x;
      share[row][lane + e * LANES] = x * (T)kept(c, t, q, t.k0 + lane + e * LANES);
    }
    total = total * factor + added(part);
    fetch<T>(c.value, t.b, t.kv, t.k0, c.keys, c0, c.value_width, 1, value);
    __syncthreads();
#pragma unroll
    for (int i = 0; i < SUMS; i++) sums[i] *= factor;
    for (int k = 0; k < SIDE && t.k0 + k < c.keys; k++) {
#pragma unroll
      for (int i = 0; i < SUMS; i++) sums[i] += share[row][k] * value[k][lane + i * LANES];
    }
  }
  if (q >= c.rows) return;
  T by = total == 0 ? (T)0 : 1 / total;
  for (int i = 0; i < SUMS; i++) {
    int64_t column = c0 + lane + i * LANES;
    if (column < c.value_width) store<T>(c.out, t.b, t.h, q, column, total == 0 ? (T)0 : sums[i] * by);
  }
  if (lane || blockIdx.y) return;
  store<T>(c.lines, t.b, t.h, 0, q, top == (T)-INFINITY ? (T)0 : top);
  store<T>(c.lines, t.b, t.h, 1, q, by);
}

/* ---- Backward ---- */

template <class T> static __global__ void find_delta(attention_call c) {
  CR__EACH(i, c.batch * c.heads * c.rows) {
    int64_t q = i % c.rows, h = i / c.rows % c.heads, b = i / c.rows / c.heads;
    double sum = 0;
    for (int64_t w = 0; w < c.value_width; w++)
      sum += (double)load<T>(c.grad, b, h, q, w) * (double)load<T>(c.out, b, h, q, w);
    ((T *)(void *)c.delta)[i] = (T)sum;
  }
}

/* Of the thread's scores: shares, before anything is dropped, what multiplies them then, and the gradients of scores; of
 * one that is `great` that is left to the others. */
template <class T> struct slopes {
  T share[EACH], kept_by[EACH], slope[EACH];
  bool great[EACH];
};

template <class T>
static __device__ void find_slopes(const attention_call &c, const tile &t, T (*a)[SIDE + 1], T (*b)[SIDE + 1], bool gradients,
                                   slopes<T> &d) {
  int64_t q = t.q0 + threadIdx.x / LANES;
  T top = 0, inverse = 0, delta = 0, grad[EACH] = {0}, s[EACH];
  scores<T>(c, t, a, b, s);
  if (gradients) products<T>(c, t, c.grad, c.value, c.value_width, 1, a, b, grad);
  if (q < c.rows) {
    top = load<T>(c.lines, t.b, t.h, 0, q), inverse = load<T>(c.lines, t.b, t.h, 1, q);
    delta = ((const T *)(const void *)c.delta)[row_index(c, t, q)];
  }
#pragma unroll
  for (int e = 0; e < EACH; e++) {
    d.share[e] = power(s[e] - top) * inverse;
    d.kept_by[e] = (T)kept(c, t, q, t.k0 + threadIdx.x % LANES + e * LANES);
    d.great[e] = d.share[e] > (T)0.75;
    d.slope[e] = d.great[e] ? (T)0 : d.share[e] * (grad[e] * d.kept_by[e] - delta);
  }
}

/* Gradients of query and mask; and for each row, that of its great score. */
template <class T> static __global__ void __launch_bounds__(THREADS) of_queries(attention_call c, int64_t in_row) {
  __shared__ T a[SIDE][SIDE + 1], b[SIDE][SIDE + 1], slope[SIDE][SIDE + 1], key[SIDE][COLUMNS];
  tile t = tile_of(c, blockIdx.x, c.heads, in_row);
  t.q0 = blockIdx.x % in_row * SIDE;
  int row = threadIdx.x / LANES, lane = threadIdx.x % LANES;
  int64_t q = t.q0 + row, c0 = (int64_t)blockIdx.y * COLUMNS, end = last_key(c, t), great = -1;
  T sums[SUMS] = {0}, rest = 0;
  slopes<T> d;
  for (t.k0 = 0; t.k0 < end; t.k0 += SIDE) {
    find_slopes<T>(c, t, a, b, true, d);
#pragma unroll
    for (int e = 0; e < EACH; e++) {
      int64_t k = t.k0 + lane + e * LANES;
      slope[row][lane + e * LANES] = d.slope[e];
      rest += d.slope[e];
      if (d.great[e]) great = k;
      if (c.for_mask.data && blockIdx.y == 0 && q < c.rows && k < c.keys)
        store<T>(c.for_mask, t.b, t.h, q, k, d.slope[e]);
    }
    if (c.for_query.data) fetch<T>(c.key, t.b, t.kv, t.k0, c.keys, c0, c.width, 1, key);
    __syncthreads();
    for (int k = 0; k < SIDE && c.for_query.data && t.k0 + k < c.keys; k++) {
#pragma unroll
      for (int i = 0; i < SUMS; i++) sums[i] += slope[row][k] * key[k][lane + i * LANES];
    }
  }
  rest = -added(rest), great = largest(great);
  if (q >= c.rows) return;
  if (lane == 0 && blockIdx.y == 0) {
    ((T *)(void *)c.great)[row_index(c, t, q)] = rest;
    if (c.for_mask.data && great >= 0) store<T>(c.for_mask, t.b, t.h, q, great, rest);
  }
  for (int i = 0; i < SUMS && c.for_query.data; i++) {
    int64_t column = c0 + lane + i * LANES;
    if (column >= c.width) continue;
    if (great >= 0) sums[i] += rest * load<T>(c.key, t.b, t.kv, great, column);
    store<T>(c.for_query, t.b, t.h, q, column, sums[i] * (T)c.scale);
  }
}

/* Gradients of key or value: a row of the block's threads has a key. */
template <class T> static __global__ void __launch_bounds__(THREADS) of_keys(attention_call c, int64_t in_row, bool values) {
  __shared__ T a[SIDE][SIDE + 1], b[SIDE][SIDE + 1], part[SIDE][SIDE + 1], rows[SIDE][COLUMNS];
  tile t = tile_of(c, blockIdx.x, c.kv_heads, in_row);
  int64_t group = c.heads / c.kv_heads, own = t.h, c0 = (int64_t)blockIdx.y * COLUMNS;
  int row = threadIdx.x / LANES, lane = threadIdx.x % LANES;
  t.k0 = blockIdx.x % in_row * SIDE, t.kv = own;
  const matrix &from = values ? c.grad : c.query, &to = values ? c.for_value : c.for_key;
  int64_t width = values ? c.value_width : c.width;
  T by = values ? (T)1 : (T)c.scale, sums[SUMS] = {0};
  slopes<T> d;
  for (int64_t u = 0; u < group; u++) {
    t.h = own * group + u;
    for (t.q0 = c.causal ? t.k0 : 0; t.q0 < c.rows; t.q0 += SIDE) {
      find_slopes<T>(c, t, a, b, !values, d);
      int64_t q = t.q0 + row;
#pragma unroll
      for (int e = 0; e < EACH; e++) {
        T x = values ? d.share[e] * d.kept_by[e] : d.slope[e];
        if (!values && d.great[e]) x = ((const T *)(const void *)c.great)[row_index(c, t, q)];
        part[row][lane + e * LANES] = x;
      }
      fetch<T>(from, t.b, t.h, t.q0, c.rows, c0, width, by, rows);
      __syncthreads();
      for (int i = 0; i < SIDE && t.q0 + i < c.rows; i++) {
#pragma unroll
        for (int j = 0; j < SUMS; j++) sums[j] += part[i][row] * rows[i][lane + j * LANES];
      }
    }
  }
  if (t.k0 + row >= c.keys) return;
  for (int i = 0; i < SUMS; i++) {
    int64_t column = c0 + lane + i * LANES;
    if (column < width) store<T>(to, t.b, own, t.k0 + row, column, sums[i]);
  }
}

/* ---- The kernels of the catalogue ---- */

static int64_t pieces(int64_t n, int64_t of) { return (n + of - 1) / of; }

#define COMMON(c, s)                                                                                       \
  (c).query = matrix_of((s)->query), (c).key = matrix_of((s)->key), (c).value = matrix_of((s)->value),     \
  (c).mask = matrix_of((s)->mask), (c).out = matrix_of((s)->out), (c).lines = matrix_of((s)->lines),       \
  (c).batch = (s)->query.shape[0], (c).heads = (s)->query.shape[1], (c).kv_heads = (s)->key.shape[1],      \
  (c).rows = (s)->query.shape[2], (c).keys = (s)->key.shape[2], (c).width = (s)->query.shape[3],           \
  (c).value_width = (s)->value.shape[3], (c).scale = (s)->scale, (c).causal = (s)->causal,                 \
  (c).drops = (s)->dropout > 0, (c).seed = (s)->rng.seed, (c).offset = (s)->rng.offset,                    \
  (c).kept = (uint64_t)ceil((1 - (s)->dropout) * 0x1p32), (c).by = (s)->dropout < 1 ? 1 / (1 - (s)->dropout) : 0

template <class T> static int forward(const char *op, const attention_call &c) {
  int64_t in_row = pieces(c.rows, SIDE), chunks = pieces(c.value_width, COLUMNS);
  dim3 grid((unsigned)(in_row * c.batch * c.heads), (unsigned)(chunks ? chunks : 1));
  return CR__LAUNCH(op, attend<T>, grid, THREADS, 0, c, in_row);
}

/* As cr__cpu_attention. */
extern "C" int cr__cuda_attention(cr__launch *k) {
  const cr__attention_slots *s = &k->attention;
  attention_call c = {};
  COMMON(c, s);
  if (c.batch * c.heads * c.rows == 0) return 0;
  return c.lines.dtype == CR_FLOAT64 ? forward<double>(k->op, c) : forward<float>(k->op, c);
}

template <class T> static int backward(const char *op, const attention_call &c) {
  int64_t tiles = pieces(c.rows, SIDE), chunks = c.for_query.data ? pieces(c.width, COLUMNS) : 1;
  int code = 0;
  if (tiles > 0) {
    dim3 grid((unsigned)(tiles * c.batch * c.heads), (unsigned)(chunks ? chunks : 1));
    code = CR__LAUNCH(op, find_delta<T>, cr__blocks_for(c.batch * c.heads * c.rows), CR__THREADS, 0, c);
    if (!code) code = CR__LAUNCH(op, of_queries<T>, grid, THREADS, 0, c, tiles);
  }
  tiles = pieces(c.keys, SIDE);
  for (int values = 0; values < 2 && tiles > 0; values++) {
    const matrix &to = values ? c.for_value : c.for_key;
    chunks = pieces(values ? c.value_width : c.width, COLUMNS);
    if (code || !to.data || chunks == 0) continue;
    dim3 grid((unsigned)(tiles * c.batch * c.kv_heads), (unsigned)chunks);
    code = CR__LAUNCH(op, of_keys<T>, grid, THREADS, 0, c, tiles, values == 1);
  }
  return code;
}

/* As cr__cpu_attention_backward. */
extern "C" int cr__cuda_attention_backward(cr__launch *k) {
  const cr__attention_backward_slots *s = &k->attention_backward;
  attention_call c = {};
  COMMON(c, s);
  c.grad = matrix_of(s->grad), c.for_query = matrix_of(s->for_query), c.for_key = matrix_of(s->for_key);
  c.for_value = matrix_of(s->for_value), c.for_mask = matrix_of(s->for_mask);
  int64_t rows = c.batch * c.heads * c.rows;
  if (c.batch * c.heads == 0) return 0;
  bool wide = c.lines.dtype == CR_FLOAT64;
  int ordinal = cr__ordinal_of(k->device);
  size_t each = (size_t)rows * (wide ? 8 : 4), nbytes = 2 * each + 16;
  c.delta = (char *)cr__cuda_alloc(ordinal, nbytes);
  if (!c.delta) return CR_E_MEMORY;
  c.great = c.delta + each;
  int code = wide ? backward<double>(k->op, c) : backward<float>(k->op, c);
  cr__cuda_free(ordinal, c.delta, nbytes);
  return code;
}
