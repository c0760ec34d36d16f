/* cuda/kernels/mask.cu: the elements of a tensor that are true: how many, and where.
 *
 * Holds true: a launch means what it means in cpu/mask.c. The host waits for nothing but the number that
 * count_true is asked for. */
#include "grid.h"

/* Elements are counted in tiles, and listed from where the tiles before end. */
enum { ROUNDS = 16, TILE = ROUNDS * CR__THREADS };

/* Elements are tested by their bits, of which floats leave out the sign: -0.0 is zero. */
template <typename T> struct elements {
  cr__places<1> w; /* in row-major order */
  int64_t n;
  const T *data;
  T mask;
};

template <typename T>
static __device__ __forceinline__ bool is_true(const elements<T> &e, int64_t i) {
  int64_t at[1];
  if (i >= e.n) return false;
  cr__locate(e.w, i, at);
  return (e.data[at[0]] & e.mask) != 0;
}

/* How many of each tile are true. */
template <typename T> static __global__ void count_tiles(elements<T> e, int64_t *counts) {
  int64_t begin = (int64_t)blockIdx.x * TILE + threadIdx.x;
  int found = 0, total;
  for (int r = 0; r < ROUNDS; r++) found += is_true(e, begin + r * CR__THREADS);
  cr__block_scan(found, &total);
  if (threadIdx.x == 0) counts[blockIdx.x] = total;
}

/* Turns n counts into the sums of those before; the sum of all follows them. By one block. */
static __global__ void sum_counts(int64_t *counts, int64_t n) {
  int64_t sum = 0, total;
  for (int64_t begin = 0; begin < n; begin += CR__THREADS) {
    int64_t at = begin + threadIdx.x, count = at < n ? counts[at] : 0;
    int64_t before = cr__block_scan(count, &total);
    if (at < n) counts[at] = sum + before;
    sum += total;
  }
  if (threadIdx.x == 0) counts[n] = sum;
}

typedef struct listing {
  int64_t *out;
  int64_t rows;
  int ndim;
  bool as_offsets; /* one number per element; else one per dim */
  int64_t shape[CR_MAX_DIMS], step[CR_MAX_DIMS];
} listing;

static __device__ void list_element(const listing &l, int64_t row, int64_t at) {
  if (row >= l.rows) return;
  int64_t offset = 1;
  for (int d = l.ndim - 1; d >= 0; d--) {
    int64_t rest = at / l.shape[d], along = at - rest * l.shape[d];
    if (l.as_offsets) offset += along * l.step[d];
    else l.out[row * l.ndim + d] = along + 1;
    at = rest;
  }
  if (l.as_offsets) l.out[row] = offset;
}

template <typename T>
static __global__ void list_tiles(elements<T> e, const int64_t *counts, listing l) {
  int64_t begin = (int64_t)blockIdx.x * TILE + threadIdx.x, row = counts[blockIdx.x];
  for (int r = 0; r < ROUNDS; r++) {
    int64_t at = begin + r * CR__THREADS;
    bool found = is_true(e, at);
    int total, before = cr__block_scan((int)found, &total);
    if (found) list_element(l, row + before, at);
    row += total;
  }
}

/* Counts; then lists, if there is a listing, else gives the count to the host. */
template <typename T> static int run_tiles(cr__launch *k, const elements<T> &e, const listing *l) {
  int64_t tiles = (e.n + TILE - 1) / TILE;
  size_t nbytes = (size_t)(tiles + 1) * sizeof(int64_t);
  int ordinal = cr__ordinal_of(k->device);
  int64_t *counts = (int64_t *)cr__cuda_alloc(ordinal, nbytes);
  if (!counts) return CR_E_MEMORY;
  dim3 blocks((unsigned)tiles);
  int code = CR__LAUNCH(k->op, count_tiles<T>, blocks, CR__THREADS, 0, e, counts);
  if (!code) code = CR__LAUNCH(k->op, sum_counts, 1, CR__THREADS, 0, counts, tiles);
  if (!code && l) code = CR__LAUNCH(k->op, list_tiles<T>, blocks, CR__THREADS, 0, e, counts, *l);
  if (!code && !l) {
    code = cr__cuda_check(k->op, cudaMemcpyAsync(&k->count_true.count, counts + tiles, sizeof(int64_t),
                                                 cudaMemcpyDeviceToHost, cr__stream()));
    if (!code) code = cr__cuda_check(k->op, cudaStreamSynchronize(cr__stream()));
  }
  cr__cuda_free(ordinal, counts, nbytes);
  return code;
}

template <typename T>
static int run_elements(cr__launch *k, const cr__iter *it, const cr__view *v, T mask,
                        const listing *l) {
  elements<T> e = {cr__places_of<1>(it), it->numel, (const T *)v->data, mask};
  return run_tiles(k, e, l);
}

static int run_nonzero(cr__launch *k, const cr__view *v, const listing *l) {
  const int64_t *strides[] = {v->stride};
  cr__iter it = cr__row_major(v->ndim, v->shape, 1, strides, ~0u);
  if (!l) k->count_true.count = 0;
  if (it.numel == 0) return 0;
  bool floating = cr__category((cr_dtype)v->dtype) == CR_FLOATING;
  switch (cr__size_of((cr_dtype)v->dtype)) {
  case 1: return run_elements<uint8_t>(k, &it, v, UINT8_MAX, l);
  case 2: return run_elements<uint16_t>(k, &it, v, floating ? INT16_MAX : UINT16_MAX, l);
  case 4: return run_elements<uint32_t>(k, &it, v, floating ? INT32_MAX : UINT32_MAX, l);
  default: return run_elements<uint64_t>(k, &it, v, floating ? INT64_MAX : UINT64_MAX, l);
  }
}

extern "C" int cr__cuda_count_true(cr__launch *k) { return run_nonzero(k, &k->count_true.from, NULL); }

extern "C" int cr__cuda_nonzero(cr__launch *k) {
  const cr__view *v = &k->nonzero.from;
  listing l = {(int64_t *)k->nonzero.out.data, k->nonzero.out.shape[0], v->ndim, k->nonzero.as_offsets, {0}, {0}};
  for (int d = 0; d < v->ndim; d++) {
    l.shape[d] = v->shape[d];
    l.step[d] = l.as_offsets ? k->nonzero.step[d] : 0;
  }
  return l.rows > 0 ? run_nonzero(k, v, &l) : 0;
}
