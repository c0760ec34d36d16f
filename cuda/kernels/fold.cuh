/* cuda/kernels/fold.cuh: the walk of every reduction: which thread folds which elements, and how the
 * threads' states are joined.
 *
 * Holds true: which elements meet in which order depends on shapes, strides, dtypes and alignment
 * alone, so the same input gives the same bits every time, on every device. Rows that lie along
 * memory are folded by 1 to 32 lanes or by a block each; columns side by side, a thread to each, in
 * several layers. Where there are few results of many elements, several blocks leave partial states,
 * which a second kernel joins.
 *
 * A fold F has: a type `number` (of an element) and a type `state`; start(a), the state of nothing;
 * take<U>(a, s, x, mask, at), which adds those of U elements x that have a bit in mask, at[i] being
 * the position of x[i] along the row; join(s, other); finish(a, s, offset), which stores the
 * result. */
#ifndef CR__CUDA_FOLD_CUH
#define CR__CUDA_FOLD_CUH

#include "lanes.cuh"

enum { CR__FOLD_THREADS = 256, CR__FOLD_BLOCKS = 1024 };

/* Dims with their steps in elements, outermost first, merged where memory allows. */
typedef struct cr__fold_dims {
  int n;
  int64_t count;
  int64_t size[CR_MAX_DIMS], in[CR_MAX_DIMS], out[CR_MAX_DIMS];
} cr__fold_dims;

typedef struct cr__fold_call {
  cr__fold_dims kept, reduced;
  const char *in;
  char *out, *indices; /* indices: of folds that give positions */
  char *parts;         /* partial states, `splits` to a result; NULL where the fold ends at once */
  int64_t splits, chunk;
  int in_dtype, out_dtype, group;
  int map, fold, ending;
  double power, number;
  bool narrow, packed, columns; /* narrow: positions fit in 31 bits; packed: rows lie together */
} cr__fold_call;

/* ---- The plan ---- */

static inline int64_t cr__fold_step(const cr__fold_dims *d, int k) {
  return d->in[k] < 0 ? -d->in[k] : d->in[k];
}

/* Adds a dim in its place by the step in the input, the largest first. */
static inline void cr__fold_add(cr__fold_dims *d, int64_t size, int64_t in, int64_t out) {
  d->count *= size;
  if (size == 1) return;
  int k = d->n++;
  for (; k > 0 && cr__fold_step(d, k - 1) < (in < 0 ? -in : in); k--) {
    d->size[k] = d->size[k - 1], d->in[k] = d->in[k - 1], d->out[k] = d->out[k - 1];
  }
  d->size[k] = size, d->in[k] = in, d->out[k] = out;
}

static inline void cr__fold_merge(cr__fold_dims *d) {
  int last = 0;
  for (int k = 1; k < d->n; k++) {
    if (d->in[last] == d->in[k] * d->size[k] && d->out[last] == d->out[k] * d->size[k]) {
      d->size[last] *= d->size[k];
    } else {
      last++;
      d->size[last] = d->size[k];
    }
    d->in[last] = d->in[k], d->out[last] = d->out[k];
  }
  if (d->n == 0) d->size[0] = d->count, d->in[0] = d->out[0] = 0;
  d->n = last + 1;
}

/* `out` has the dims of `in`, of size 1 where mask has a bit. */
static inline void cr__fold_plan(cr__fold_call *c, const cr__view *out, const cr__view *in,
                                 uint32_t mask) {
  cr__fold_dims *kept = &c->kept, *reduced = &c->reduced;
  kept->n = reduced->n = 0;
  kept->count = reduced->count = 1;
  for (int d = 0; d < in->ndim; d++) {
    if (mask >> d & 1) cr__fold_add(reduced, in->shape[d], in->stride[d], 0);
    else cr__fold_add(kept, in->shape[d], in->stride[d], out->stride[d]);
  }
  bool keeps = kept->n > 0, folds = reduced->n > 0;
  cr__fold_merge(kept);
  cr__fold_merge(reduced);
  int64_t across = cr__fold_step(kept, kept->n - 1), along = cr__fold_step(reduced, reduced->n - 1);
  c->in = in->data;
  c->in_dtype = in->dtype;
  c->narrow = kept->count <= INT32_MAX && reduced->count <= INT32_MAX;
  c->packed = reduced->n == 1 && reduced->in[0] == 1;
  /* Many rows of a few elements are a thread's work each, too. */
  c->columns = !folds || reduced->count <= 4 || (keeps && across < along);
}

static inline int64_t cr__power_of_two(int64_t n, int64_t most) {
  int64_t p = 1;
  while (p < n && p < most) p *= 2;
  return p;
}

/* How many threads share a result, and how many blocks; `each`: what a thread loads at a time. */
static inline int64_t cr__fold_blocks(cr__fold_call *c, int run, int each) {
  int64_t n = c->reduced.count, results = c->kept.count, blocks, layers;
  if (c->columns) {
    int64_t wide = cr__power_of_two(results, n < 16 ? CR__FOLD_THREADS : 32);
    layers = CR__FOLD_THREADS / wide;
    c->group = (int)wide;
    blocks = (results + wide - 1) / wide;
  } else {
    c->group = n > 1024 ? CR__FOLD_THREADS : (int)cr__power_of_two((n + run - 1) / run, 32);
    layers = c->group;
    blocks = (results + CR__FOLD_THREADS / c->group - 1) / (CR__FOLD_THREADS / c->group);
  }
  int64_t tile = layers * each, most = n / (tile * 4);
  bool splits = (c->columns ? layers > 1 : c->group == CR__FOLD_THREADS) && most > 1 &&
                blocks <= CR__FOLD_BLOCKS / 2;
  c->splits = !splits ? 1 : most < CR__FOLD_BLOCKS / blocks ? most : CR__FOLD_BLOCKS / blocks;
  c->chunk = ((n + c->splits - 1) / c->splits + tile - 1) / tile * tile;
  if (splits) c->splits = (n + c->chunk - 1) / c->chunk;
  return blocks * c->splits;
}

/* ---- On the device ---- */

/* The offset of position `at` in the input and, if out is not NULL, in the output. */
static __device__ __forceinline__ int64_t cr__fold_offset(const cr__fold_dims &d, int64_t at,
                                                          bool narrow, int64_t *out) {
  int64_t in_offset = 0, out_offset = 0;
#pragma unroll 1
  for (int k = d.n - 1; k > 0; k--) {
    int64_t rest = narrow ? (int64_t)((uint32_t)at / (uint32_t)d.size[k]) : at / d.size[k];
    int64_t along = at - rest * d.size[k];
    in_offset += along * d.in[k];
    if (out) out_offset += along * d.out[k];
    at = rest;
  }
  if (out) *out = out_offset + at * d.out[0];
  return in_offset + at * d.in[0];
}

/* Folds element `at` .. of a row, U of them, `by` apart; those from `end` on do not count. */
template <class L, class F, int U>
static __device__ __forceinline__ void cr__fold_spread(const cr__fold_call &c,
                                                       typename F::state &s, const char *row,
                                                       int64_t from, int64_t at, int64_t by,
                                                       int64_t end) {
  typename L::number x[U];
  int64_t positions[U];
  unsigned mask = 0;
#pragma unroll
  for (int i = 0; i < U; i++) {
    int64_t p = at + i * by;
    positions[i] = p;
    if (p < end) {
      int64_t offset = c.reduced.n == 1 ? p * c.reduced.in[0]
                                        : cr__fold_offset(c.reduced, p, c.narrow, NULL);
      x[i] = L::load(row, c.in_dtype, from + offset);
      mask |= 1u << i;
    } else {
      x[i] = 0;
    }
  }
  F::template take<U>(c, s, x, mask, positions);
}

/* Rows: groups of c.group threads take tiles of a row in turn. */
template <class L, class F>
static __global__ void __launch_bounds__(CR__FOLD_THREADS) cr__fold_rows(cr__fold_call c) {
  enum { LOADS = L::size == 8 ? 4 : 16 / L::run, U = LOADS * L::run };
  __shared__ typename F::state room[CR__FOLD_THREADS / 32];
  int lane = (int)threadIdx.x % c.group, rows = CR__FOLD_THREADS / c.group;
  int64_t split = blockIdx.x % c.splits;
  int64_t row = blockIdx.x / c.splits * rows + threadIdx.x / (unsigned)c.group;
  bool there = row < c.kept.count;
  int64_t end = (split + 1) * c.chunk, out = 0;
  if (end > c.reduced.count) end = c.reduced.count;
  if (!there) end = 0;
  int64_t from = there ? cr__fold_offset(c.kept, row, c.narrow, &out) : 0;
  typename F::state s = F::start(c);
  int64_t at = split * c.chunk;
  if (c.packed && L::run > 1 && (uintptr_t)(c.in + from * L::size) % 16 == 0) {
    for (; at + (int64_t)c.group * U <= end; at += (int64_t)c.group * U) {
      typename L::number x[U];
      int64_t positions[U];
#pragma unroll
      for (int i = 0; i < LOADS; i++) {
        int64_t p = at + ((int64_t)i * c.group + lane) * L::run;
        L::load_run(x + i * L::run, c.in, from + p);
#pragma unroll
        for (int j = 0; j < L::run; j++) positions[i * L::run + j] = p + j;
      }
      F::template take<U>(c, s, x, (1u << U) - 1, positions);
    }
  }
  for (; at < end; at += (int64_t)c.group * 8) {
    cr__fold_spread<L, F, 8>(c, s, c.in, from, at + lane, c.group, end);
  }
  s = cr__join_group<F>(s, c.group, room);
  if (!there || lane) return;
  if (c.parts) ((typename F::state *)(void *)c.parts)[row * c.splits + split] = s;
  else F::finish(c, s, out);
}

/* Columns: c.group results side by side, a layer of threads to every so-manieth element. */
template <class L, class F>
static __global__ void __launch_bounds__(CR__FOLD_THREADS) cr__fold_columns(cr__fold_call c) {
  enum { U = 8 };
  __shared__ typename F::state room[CR__FOLD_THREADS];
  int layers = CR__FOLD_THREADS / c.group;
  int across = (int)threadIdx.x % c.group, layer = (int)threadIdx.x / c.group;
  int64_t split = blockIdx.x % c.splits, column = blockIdx.x / c.splits * c.group + across;
  bool there = column < c.kept.count;
  int64_t end = (split + 1) * c.chunk, out = 0;
  if (end > c.reduced.count) end = c.reduced.count;
  if (!there) end = 0;
  int64_t from = there ? cr__fold_offset(c.kept, column, c.narrow, &out) : 0;
  typename F::state s = F::start(c);
  for (int64_t at = split * c.chunk; at < end; at += (int64_t)layers * U) {
    cr__fold_spread<L, F, U>(c, s, c.in, from, at + layer, layers, end);
  }
  for (int half = layers / 2; half > 0; half /= 2) {
    room[threadIdx.x] = s;
    __syncthreads();
    if (layer < half) F::join(s, room[threadIdx.x + half * c.group]);
    __syncthreads();
  }
  if (!there || layer) return;
  if (c.parts) ((typename F::state *)(void *)c.parts)[column * c.splits + split] = s;
  else F::finish(c, s, out);
}

/* Joins the partial states: c.group threads to each result, so that none waits for many in turn. */
template <class F>
static __global__ void __launch_bounds__(CR__FOLD_THREADS) cr__fold_parts(cr__fold_call c) {
  enum { U = 4 };
  __shared__ typename F::state room[CR__FOLD_THREADS / 32];
  int lane = (int)threadIdx.x % c.group, results = CR__FOLD_THREADS / c.group;
  int64_t result = (int64_t)blockIdx.x * results + (int)threadIdx.x / c.group;
  bool there = result < c.kept.count;
  int64_t end = there ? c.splits : 0;
  const typename F::state *parts =
      (const typename F::state *)(const void *)c.parts + result * c.splits;
  typename F::state s = F::start(c);
  for (int64_t at = lane; at < end; at += (int64_t)U * c.group) {
    typename F::state other[U];
#pragma unroll
    for (int i = 0; i < U; i++)
      other[i] = at + i * c.group < end ? parts[at + i * c.group] : F::start(c);
#pragma unroll
    for (int i = 0; i < U; i++) F::join(s, other[i]);
  }
  s = cr__join_group<F>(s, c.group, room);
  if (!there || lane) return;
  int64_t out;
  cr__fold_offset(c.kept, result, c.narrow, &out);
  F::finish(c, s, out);
}

/* Runs a planned fold with elements read by L. */
template <class L, class F> static int cr__fold_run(const cr__launch *k, cr__fold_call *c) {
  int64_t blocks = cr__fold_blocks(c, L::run, L::run > 1 && !c->columns ? 16 : 8);
  int ordinal = cr__ordinal_of(k->device);
  size_t nbytes = 0;
  if (c->splits > 1) {
    nbytes = sizeof(typename F::state) * (size_t)(c->kept.count * c->splits);
    c->parts = (char *)cr__cuda_alloc(ordinal, nbytes);
    if (!c->parts) return CR_E_MEMORY;
  }
  auto kernel = c->columns ? cr__fold_columns<L, F> : cr__fold_rows<L, F>;
  int code = CR__LAUNCH(k->op, kernel, (unsigned)blocks, CR__FOLD_THREADS, 0, *c);
  if (!c->parts) return code;
  if (!code) {
    c->group = c->splits > 64 ? CR__FOLD_THREADS : 32;
    int64_t results = CR__FOLD_THREADS / c->group;
    unsigned grid = (unsigned)((c->kept.count + results - 1) / results);
    code = CR__LAUNCH(k->op, cr__fold_parts<F>, grid, CR__FOLD_THREADS, 0, *c);
  }
  cr__cuda_free(ordinal, c->parts, nbytes);
  return code;
}

#endif
