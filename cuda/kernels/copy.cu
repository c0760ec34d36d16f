/* cuda/kernels/copy.cu: copying between any two views of one shape, and filling.
 *
 * Holds true: source and target do not overlap (the engine has seen to it). Elements of one dtype
 * are moved as bytes, as many at a time as lie together on both sides. */
#include "convert.cuh"
#include "index.h"

/* Runs CALL with M, a type of `size` bytes. */
#define BY_SIZE(size, CALL)      \
  switch (size) {                \
  case 1: return CALL(uint8_t);  \
  case 2: return CALL(uint16_t); \
  case 4: return CALL(uint32_t); \
  case 8: return CALL(uint2);    \
  default: return CALL(uint4);   \
  }

static constexpr int EACH = 4; /* elements that a thread takes, a block apart */

static unsigned blocks_of(int64_t n, unsigned threads, int64_t each) {
  return (unsigned)((n + each * threads - 1) / (each * threads));
}

/* ---- The same dtype ---- */

template <class M>
static __global__ void move_strided(cr__places<2> places, M *to, const M *from, int64_t n) {
  int64_t first = (int64_t)blockIdx.x * blockDim.x * EACH + threadIdx.x, target[EACH];
  M x[EACH];
#pragma unroll
  for (int u = 0; u < EACH; u++) {
    int64_t i = first + u * (int64_t)blockDim.x, at[2];
    if (i >= n) break;
    cr__locate(places, i, at);
    target[u] = at[0];
    x[u] = from[at[1]];
  }
#pragma unroll
  for (int u = 0; u < EACH; u++) {
    if (first + u * (int64_t)blockDim.x >= n) break;
    to[target[u]] = x[u];
  }
}

template <class M>
static int run_strided(const char *op, const cr__iter *it, char *to, const char *from) {
  unsigned threads = cr__threads_for(it->numel, EACH);
  cr__places<2> places = cr__places_of<2>(it);
  return CR__LAUNCH(op, move_strided<M>, blocks_of(it->numel, threads, EACH), threads, 0, places,
                    (M *)to, (const M *)from, it->numel);
}

/* How many bytes can be moved as one element, of which the iteration then consists. */
static int64_t widened(cr__iter *it, int64_t size, const char *to, const char *from) {
  if (it->stride[0][0] != 1 || it->stride[1][0] != 1) return size;
  int64_t address = (int64_t)((uintptr_t)to | (uintptr_t)from), f = 16 / size;
  while (f > 1 && !(cr__divides(it->shape[0], f) && cr__divides(address, f * size) &&
                    cr__steps_divide(it, 1, f)))
    f /= 2;
  it->shape[0] /= f;
  it->numel /= f;
  cr__divide_steps(it, 1, f);
  return f * size;
}

static int move(const char *op, cr__iter *it, int64_t size, char *to, const char *from) {
  size = widened(it, size, to, from);
#define MOVE(M) run_strided<M>(op, it, to, from)
  BY_SIZE(size, MOVE)
#undef MOVE
}

/* ---- Transposes: the target's inner dim is not the source's ---- */

static constexpr int TILE = 32, TILE_ROWS = 8, TURNS = TILE / TILE_ROWS;

/* The target steps by 1 along columns, the source along rows. */
typedef struct tiling {
  int64_t rows, columns, to_step, from_step; /* to_step: along rows; from_step: along columns */
  int64_t row_tiles, column_tiles, tiles;
} tiling;

/* Few divisions are of numbers that need 64 bits, which take as long as the moves of a tile. */
static __device__ __forceinline__ int64_t quotient(int64_t x, int64_t y) {
  return (x | y) >> 32 == 0 ? (int64_t)((uint32_t)x / (uint32_t)y) : x / y;
}

/* A thread has all its elements of a tile on the way before it puts down the first. */
template <class M>
static __global__ void __launch_bounds__(TILE *TILE_ROWS)
    move_tiles(cr__places<2> planes, tiling t, M *to, const M *from) {
  __shared__ M tile[TILE][TILE + 1];
  const int x = (int)threadIdx.x, y = (int)threadIdx.y;
  for (int64_t i = blockIdx.x; i < t.tiles; i += gridDim.x) {
    int64_t band = quotient(i, t.column_tiles), plane = quotient(band, t.row_tiles), at[2];
    int64_t column = (i - band * t.column_tiles) * TILE, row = (band - plane * t.row_tiles) * TILE;
    cr__locate(planes, plane, at);
    const M *in = from + at[1] + (column + y) * t.from_step + row + x;
    M *out = to + at[0] + (row + y) * t.to_step + column + x, held[TURNS];
#pragma unroll
    for (int u = 0; u < TURNS; u++)
      if (row + x < t.rows && column + y + u * TILE_ROWS < t.columns)
        held[u] = in[u * TILE_ROWS * t.from_step];
#pragma unroll
    for (int u = 0; u < TURNS; u++) tile[y + u * TILE_ROWS][x] = held[u];
    __syncthreads();
#pragma unroll
    for (int u = 0; u < TURNS; u++)
      if (row + y + u * TILE_ROWS < t.rows && column + x < t.columns)
        out[u * TILE_ROWS * t.to_step] = tile[x][y + u * TILE_ROWS];
    __syncthreads();
  }
}

/* The dim along which the source is contiguous, if a transpose by tiles is worth it; else 0. */
static int transposed_dim(const cr__iter *it) {
  if (it->stride[0][0] != 1 || it->stride[1][0] == 1) return 0;
  for (int d = 1; d < it->ndim; d++)
    if (it->stride[1][d] == 1 && it->shape[d] >= TILE / 2 && it->shape[0] >= TILE / 2) return d;
  return 0;
}

template <class M>
static int run_tiles(const char *op, const cr__iter *planes, const tiling *t, char *to,
                     const char *from) {
  int64_t most = 32LL * cr__cuda_multiprocessors();
  unsigned blocks = (unsigned)(t->tiles < most ? t->tiles : most);
  cr__places<2> places = cr__places_of<2>(planes);
  return CR__LAUNCH(op, move_tiles<M>, blocks, dim3(TILE, TILE_ROWS), 0, places, *t, (M *)to,
                    (const M *)from);
}

static int transpose(const char *op, const cr__iter *it, int across, int64_t size, char *to,
                     const char *from) {
  tiling t = {it->shape[across], it->shape[0], it->stride[0][across], it->stride[1][0], 0, 0, 0};
  t.row_tiles = (t.rows + TILE - 1) / TILE;
  t.column_tiles = (t.columns + TILE - 1) / TILE;
  t.tiles = it->numel / (t.rows * t.columns) * t.row_tiles * t.column_tiles;
  cr__iter planes = *it; /* dims of size 1 do nothing */
  planes.numel = it->numel / (t.rows * t.columns);
  planes.shape[0] = planes.shape[across] = 1;
#define TRANSPOSE(M) run_tiles<M>(op, &planes, &t, to, from)
  BY_SIZE(size, TRANSPOSE)
#undef TRANSPOSE
}

/* ---- Another dtype ---- */

template <int TO>
static __global__ void convert_strided(cr__places<2> places, void *to, const void *from, int dtype,
                                       int64_t n) {
  int64_t first = (int64_t)blockIdx.x * blockDim.x * EACH + threadIdx.x, target[EACH];
  typename cr__element<TO>::value x[EACH];
#pragma unroll
  for (int u = 0; u < EACH; u++) {
    int64_t i = first + u * (int64_t)blockDim.x, at[2];
    if (i >= n) break;
    cr__locate(places, i, at);
    target[u] = at[0];
    x[u] = cr__load_as<TO>(from, dtype, at[1]);
  }
#pragma unroll
  for (int u = 0; u < EACH; u++) {
    if (first + u * (int64_t)blockDim.x >= n) break;
    cr__put<TO>(to, target[u], x[u]);
  }
}

/* Both sides contiguous and aligned: a thread takes GROUPS times WIDTH elements. */
template <int TO, int FROM> struct dense_conversion {
  typedef typename cr__element<TO>::memory to_memory;
  typedef typename cr__element<FROM>::memory from_memory;
  static constexpr int TO_SIZE = sizeof(to_memory), FROM_SIZE = sizeof(from_memory);
  static constexpr int WIDTH = 16 / (TO_SIZE > FROM_SIZE ? TO_SIZE : FROM_SIZE);
  static constexpr int GROUPS = 4, COUNT = WIDTH * GROUPS;

  static __device__ __forceinline__ to_memory one(from_memory m) {
    return cr__element<TO>::pack(cr__value_as<TO>(cr__element<FROM>::unpack(m)));
  }
};

template <class C>
static __global__ void __launch_bounds__(CR__THREADS)
    convert_dense(typename C::to_memory *to, const typename C::from_memory *from, int64_t n) {
  int64_t begin = (int64_t)blockIdx.x * blockDim.x * C::COUNT;
  if (begin + (int64_t)blockDim.x * C::COUNT > n) {
    for (int64_t i = begin + threadIdx.x; i < n; i += blockDim.x) to[i] = C::one(from[i]);
    return;
  }
  typename C::from_memory x[C::GROUPS][C::WIDTH];
  typename C::to_memory y[C::WIDTH];
  begin += (int64_t)threadIdx.x * C::WIDTH;
#pragma unroll
  for (int g = 0; g < C::GROUPS; g++)
    cr__load_packet<C::WIDTH * C::FROM_SIZE>(x[g], from + begin + g * blockDim.x * C::WIDTH);
#pragma unroll
  for (int g = 0; g < C::GROUPS; g++) {
#pragma unroll
    for (int e = 0; e < C::WIDTH; e++) y[e] = C::one(x[g][e]);
    cr__store_packet<C::WIDTH * C::TO_SIZE>(to + begin + g * blockDim.x * C::WIDTH, y);
  }
}

static constexpr bool is_stored(int dtype) { return dtype >= CR_UINT16 && dtype <= CR_UINT64; }

template <int TO, int FROM>
static int run_dense(const char *op, int64_t n, char *to, const char *from) {
  typedef dense_conversion<TO, FROM> conversion;
  unsigned threads = cr__threads_for(n, conversion::COUNT);
  return CR__LAUNCH(op, convert_dense<conversion>, blocks_of(n, threads, conversion::COUNT),
                    threads, 0, (typename conversion::to_memory *)to,
                    (const typename conversion::from_memory *)from, n);
}

template <int TO>
static int convert(const char *op, const cr__iter *it, char *to, const char *from, int dtype) {
  bool aligned = ((uintptr_t)to | (uintptr_t)from) % 16 == 0;
  if (aligned && cr__iter_dense(it, 0) && cr__iter_dense(it, 1)) {
    switch (dtype) {
#define X(NAME, name, bytes, category)                          \
  case CR_##NAME:                                               \
    if constexpr (!is_stored(TO) && !is_stored(CR_##NAME))      \
      return run_dense<TO, CR_##NAME>(op, it->numel, to, from); \
    break; /* what is for storage need not be fast */
      CR_DTYPES(X)
#undef X
    }
  }
  unsigned threads = cr__threads_for(it->numel, EACH);
  cr__places<2> places = cr__places_of<2>(it);
  return CR__LAUNCH(op, convert_strided<TO>, blocks_of(it->numel, threads, EACH), threads, 0,
                    places, (void *)to, (const void *)from, dtype, it->numel);
}

/* v as for cr__cpu_copy. */
extern "C" int cr__cuda_copy(cr__launch *k) {
  const cr__view *to = &k->copy.to, *from = &k->copy.from;
  const int64_t *const strides[] = {to->stride, from->stride};
  int64_t size = (int64_t)cr__size_of((cr_dtype)to->dtype);
  cr__iter it;
  cr__iter_begin(&it, to->ndim, to->shape, 2, strides);
  if (it.numel == 0) return 0;
  if (to->dtype == from->dtype) {
    if (cr__iter_dense(&it, 0) && cr__iter_dense(&it, 1))
      return cr__cuda_check(k->op, cudaMemcpyAsync(to->data, from->data, (size_t)(it.numel * size),
                                                   cudaMemcpyDeviceToDevice, cr__stream()));
    int across = transposed_dim(&it);
    if (across) return transpose(k->op, &it, across, size, to->data, from->data);
    return move(k->op, &it, size, to->data, from->data);
  }
  switch (to->dtype) {
#define X(NAME, name, bytes, category) \
  case CR_##NAME: return convert<CR_##NAME>(k->op, &it, to->data, from->data, from->dtype);
    CR_DTYPES(X)
#undef X
  }
  return 0;
}

/* ---- Filling ---- */

/* `pattern` repeats in memory that is aligned to 16 bytes. */
static __global__ void fill_dense(char *to, int64_t nbytes, uint4 pattern) {
  int64_t whole = nbytes / 16;
  CR__EACH(i, whole)((uint4 *)to)[i] = pattern;
  char bytes[16];
  memcpy(bytes, &pattern, 16);
  if (blockIdx.x == 0 && threadIdx.x == 0)
    for (int j = 0; j < nbytes % 16; j++) to[whole * 16 + j] = bytes[j];
}

template <class M>
static __global__ void fill_strided(cr__places<1> places, M *to, int64_t n, M value) {
  CR__EACH(i, n) {
    int64_t at[1];
    cr__locate(places, i, at);
    to[at[0]] = value;
  }
}

template <class M>
static int run_fill(const char *op, const cr__iter *it, char *to, uint4 pattern) {
  M value;
  memcpy(&value, &pattern, sizeof value);
  return CR__LAUNCH(op, fill_strided<M>, cr__blocks_for(it->numel), CR__THREADS, 0,
                    cr__places_of<1>(it), (M *)to, it->numel, value);
}

/* As cr__cpu_fill. */
extern "C" int cr__cuda_fill(cr__launch *k) {
  const cr__view *to = &k->fill.to;
  const int64_t *const strides[] = {to->stride};
  int64_t size = (int64_t)cr__size_of((cr_dtype)to->dtype);
  uint4 pattern;
  cr__store_scalar(&pattern, (cr_dtype)to->dtype, &k->fill.number);
  static_assert(sizeof pattern >= CR__MAX_ELEMENT, "a pattern holds any element");
  for (int64_t at = size; at < 16; at += size)
    memcpy((char *)&pattern + at, &pattern, (size_t)size);
  cr__iter it;
  cr__iter_begin(&it, to->ndim, to->shape, 1, strides);
  if (it.numel == 0) return 0;
  if (cr__iter_dense(&it, 0) && (uintptr_t)to->data % 16 == 0)
    return CR__LAUNCH(k->op, fill_dense, cr__blocks_for(it.numel * size / 16), CR__THREADS, 0,
                      to->data, it.numel * size, pattern);
#define FILL(M) run_fill<M>(k->op, &it, to->data, pattern)
  BY_SIZE(size, FILL)
#undef FILL
}
