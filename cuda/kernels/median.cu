/* cuda/kernels/median.cu: the median along a dim, with its position.
 *
 * Holds true: of an even number of elements the lower middle one is taken; the position is that of
 * the first element equal to it; a NaN makes the median NaN, at the first NaN's position, or is left out. The
 * median's key, an unsigned number of the same order, is found eight bits at a time, by a block; in
 * long lines, of which there are too few to keep a device busy, by many blocks in turns. */
#include "fold.cuh"

enum { KEYS = 256, FEW = 32, MANY = 256 };

typedef unsigned long long count; /* what atomicAdd takes */

/* Keys have the order of their numbers; equal numbers have one key, 0 and -0 as well. */
static __device__ __forceinline__ uint64_t key_of(int64_t x) {
  return (uint64_t)x ^ 0x8000000000000000u;
}
static __device__ __forceinline__ uint64_t key_of(double x) {
  uint64_t u = (uint64_t)__double_as_longlong(x + 0.0);
  return u >> 63 ? ~u : u | 0x8000000000000000u;
}

/* The least of what the threads of a block have; all of them get it. */
static __device__ int64_t least_of_block(int64_t x, int64_t *room) {
  room[threadIdx.x] = x;
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half && room[threadIdx.x + half] < room[threadIdx.x]) {
      room[threadIdx.x] = room[threadIdx.x + half];
    }
    __syncthreads();
  }
  x = room[0];
  __syncthreads();
  return x;
}

/* The place, from 0, of the lower middle one of the numbers that were counted by their highest digits. */
static __device__ count middle_of(const count *seen) {
  count all = 0;
  for (int i = 0; i < KEYS; i++) all += seen[i];
  return all ? (all - 1) / 2 : 0;
}

template <int D>
static __global__ void __launch_bounds__(MANY) median_of_line(cr__fold_call c, int64_t line, bool skip) {
  typedef typename cr__element<D>::value N;
  __shared__ int64_t room[MANY];
  __shared__ count seen[KEYS];
  __shared__ uint64_t chosen;
  __shared__ count left;
  int64_t n = c.reduced.count, step = c.reduced.in[0], out, first = n;
  int64_t from = cr__fold_offset(c.kept, line + blockIdx.x, c.narrow, &out);
  for (int64_t r = threadIdx.x; r < n && first == n; r += blockDim.x) {
    N x = cr__load_as<D>(c.in, c.in_dtype, from + r * step);
    if (x != x) first = r;
  }
  first = least_of_block(first, room);
  bool has_nan = first < n && !skip;
  int64_t hole = first;
  first = has_nan ? first : n;
  uint64_t prefix = 0;
  if (threadIdx.x == 0) chosen = 0;
  for (int shift = 56; shift >= 0 && !has_nan; shift -= 8) {
    for (int i = (int)threadIdx.x; i < KEYS; i += (int)blockDim.x) seen[i] = 0;
    __syncthreads();
    uint64_t above = shift == 56 ? 0 : ~(uint64_t)0 << (shift + 8);
    for (int64_t r = threadIdx.x; r < n; r += blockDim.x) {
      N x = cr__load_as<D>(c.in, c.in_dtype, from + r * step);
      uint64_t key = key_of(x);
      if (x == x && (key & above) == prefix) atomicAdd(&seen[key >> shift & 255], (count)1);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      int digit = 0;
      count rest = shift == 56 ? middle_of(seen) : left;
      for (; digit < KEYS - 1 && rest >= seen[digit]; digit++) rest -= seen[digit];
      left = rest;
      chosen |= (uint64_t)digit << shift;
    }
    __syncthreads();
    prefix = chosen;
  }
  for (int64_t r = threadIdx.x; r < n && first == n; r += blockDim.x) {
    N x = cr__load_as<D>(c.in, c.in_dtype, from + r * step);
    if (x == x && key_of(x) == prefix) first = r;
  }
  first = least_of_block(first, room);
  if (threadIdx.x != 0) return;
  if (first == n) first = hole; /* there are no numbers */
  N median = cr__load_as<D>(c.in, c.in_dtype, from + first * step);
  cr__store_from<D>(c.out, c.out_dtype, out, median);
  ((int64_t *)(void *)c.indices)[out] = first + 1;
}

/* ---- Long lines ---- */

enum { LONG = 1 << 16, FEW_LINES = 64, BLOCKS = 1024, SHARE = 16 * MANY };

/* What is known of a line between two kernels. */
typedef struct search {
  uint64_t prefix;  /* the bits of the median's key that have been found */
  count left;       /* its place among the elements that begin with them */
  count first, nan; /* the positions of the first element equal to it, and of the first NaN */
  count seen[KEYS];
} search;

static __global__ void __launch_bounds__(KEYS) begin_search(search *lines, int64_t n) {
  search *s = &lines[blockIdx.x];
  s->seen[threadIdx.x] = 0;
  if (threadIdx.x != 0) return;
  s->prefix = 0;
  s->left = 0; /* until the first digits are counted */
  s->first = s->nan = (count)n;
}

/* Grid: the parts of a line, line after line. The first round finds NaNs, too. */
template <int D>
static __global__ void __launch_bounds__(MANY)
    count_digits(cr__fold_call c, search *lines, int shift) {
  typedef typename cr__element<D>::value N;
  __shared__ count seen[KEYS];
  int64_t line = blockIdx.x / c.splits, out, from = cr__fold_offset(c.kept, line, c.narrow, &out);
  search *s = &lines[line];
  int64_t begin = blockIdx.x % c.splits * c.chunk, end = begin + c.chunk;
  if (end > c.reduced.count) end = c.reduced.count;
  uint64_t prefix = s->prefix, above = shift == 56 ? 0 : ~(uint64_t)0 << (shift + 8);
  for (int i = (int)threadIdx.x; i < KEYS; i += MANY) seen[i] = 0;
  __syncthreads();
  for (int64_t r = begin + threadIdx.x; r < end; r += MANY) {
    N x = cr__load_as<D>(c.in, c.in_dtype, from + r * c.reduced.in[0]);
    if (shift == 56 && x != x) atomicMin(&s->nan, (count)r);
    uint64_t key = key_of(x);
    if (x == x && (key & above) == prefix) atomicAdd(&seen[key >> shift & 255], (count)1);
  }
  __syncthreads();
  for (int i = (int)threadIdx.x; i < KEYS; i += MANY)
    if (seen[i]) atomicAdd(&s->seen[i], seen[i]);
}

static __global__ void __launch_bounds__(KEYS) choose_digit(search *lines, int shift) {
  __shared__ count seen[KEYS];
  search *s = &lines[blockIdx.x];
  seen[threadIdx.x] = s->seen[threadIdx.x];
  s->seen[threadIdx.x] = 0;
  __syncthreads();
  if (threadIdx.x != 0) return;
  int digit = 0;
  count rest = shift == 56 ? middle_of(seen) : s->left;
  for (; digit < KEYS - 1 && rest >= seen[digit]; digit++) rest -= seen[digit];
  s->left = rest;
  s->prefix |= (uint64_t)digit << shift;
}

template <int D>
static __global__ void __launch_bounds__(MANY) find_first(cr__fold_call c, search *lines) {
  int64_t line = blockIdx.x / c.splits, out, from = cr__fold_offset(c.kept, line, c.narrow, &out);
  search *s = &lines[line];
  int64_t begin = blockIdx.x % c.splits * c.chunk, end = begin + c.chunk;
  if (end > c.reduced.count) end = c.reduced.count;
  uint64_t key = s->prefix;
  for (int64_t r = begin + threadIdx.x; r < end; r += MANY) {
    typename cr__element<D>::value x = cr__load_as<D>(c.in, c.in_dtype, from + r * c.reduced.in[0]);
    if (x != x || key_of(x) != key) continue;
    atomicMin(&s->first, (count)r);
    break; /* what follows lies further on */
  }
}

template <int D>
static __global__ void __launch_bounds__(FEW_LINES)
    store_medians(cr__fold_call c, const search *lines, bool skip) {
  int64_t line = threadIdx.x, out;
  if (line >= c.kept.count) return;
  int64_t from = cr__fold_offset(c.kept, line, c.narrow, &out);
  count n = (count)c.reduced.count;
  bool has_nan = lines[line].nan < n && (!skip || lines[line].first == n);
  int64_t at = (int64_t)(has_nan ? lines[line].nan : lines[line].first);
  typename cr__element<D>::value x = cr__load_as<D>(c.in, c.in_dtype, from + at * c.reduced.in[0]);
  cr__store_from<D>(c.out, c.out_dtype, out, x);
  ((int64_t *)(void *)c.indices)[out] = at + 1;
}

template <int D> static int run_long(const cr__launch *k, cr__fold_call *c) {
  int64_t n = c->reduced.count, lines = c->kept.count, most = BLOCKS / lines;
  int64_t parts = (n + SHARE - 1) / SHARE;
  if (parts > most) parts = most;
  c->chunk = (n + parts - 1) / parts;
  c->splits = (n + c->chunk - 1) / c->chunk;
  int ordinal = cr__ordinal_of(k->device);
  size_t nbytes = (size_t)lines * sizeof(search);
  search *s = (search *)cr__cuda_alloc(ordinal, nbytes);
  if (!s) return CR_E_MEMORY;
  unsigned grid = (unsigned)(lines * c->splits);
  int code = CR__LAUNCH(k->op, begin_search, (unsigned)lines, KEYS, 0, s, n);
  for (int shift = 56; shift >= 0 && !code; shift -= 8) {
    code = CR__LAUNCH(k->op, count_digits<D>, grid, MANY, 0, *c, s, shift);
    if (!code) code = CR__LAUNCH(k->op, choose_digit, (unsigned)lines, KEYS, 0, s, shift);
  }
  if (!code) code = CR__LAUNCH(k->op, find_first<D>, grid, MANY, 0, *c, s);
  if (!code) code = CR__LAUNCH(k->op, store_medians<D>, 1, FEW_LINES, 0, *c, s, k->median.skip);
  cr__cuda_free(ordinal, s, nbytes);
  return code;
}

/* As cr__cpu_median. */
extern "C" int cr__cuda_median(cr__launch *k) {
  cr__fold_call c = {};
  const cr__view *in = &k->median.from;
  cr__fold_plan(&c, &k->median.indices, in, (uint32_t)1 << k->median.dim);
  if (c.kept.count == 0) return 0;
  c.out = k->median.values.data, c.out_dtype = k->median.values.dtype;
  c.indices = k->median.indices.data;
  bool whole = cr__category((cr_dtype)in->dtype) != CR_FLOATING;
  if (c.reduced.count >= LONG && c.kept.count <= FEW_LINES)
    return whole ? run_long<CR_INT64>(k, &c) : run_long<CR_FLOAT64>(k, &c);
  auto kernel = whole ? median_of_line<CR_INT64> : median_of_line<CR_FLOAT64>;
  unsigned block = c.reduced.count <= 4 * FEW ? FEW : MANY;
  const int64_t most = INT32_MAX; /* blocks of a grid */
  int code = 0;
  for (int64_t line = 0; line < c.kept.count && !code; line += most) {
    int64_t rest = c.kept.count - line;
    code = CR__LAUNCH(k->op, kernel, (unsigned)(rest < most ? rest : most), block, 0, c, line, k->median.skip);
  }
  return code;
}
