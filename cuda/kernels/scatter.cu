/* cuda/kernels/scatter.cu: writing, adding, multiplying and choosing by positions, and adding to overlapping views.
 *
 * Holds true: elements that go to one place get there in row-major order, so that sums have one value,
 * the CPU's, and the last write stands. Either a thread walks all elements that may meet, or a stable
 * sort brings together those that do, and each such group has a thread. There are no atomics. */
#include "index.h"
#include "radix.h"

/* ---- Elements ---------------------------------------------------------------------------------- */

struct truth { /* an element of dtype bool */
  uint8_t x;
};
static __device__ __forceinline__ double sum(double a, double b) { return a + b; }
static __device__ __forceinline__ float sum(float a, float b) { return a + b; }
static __device__ __forceinline__ __half sum(__half a, __half b) {
  return __float2half_rn(__half2float(a) + __half2float(b));
}
static __device__ __forceinline__ __nv_bfloat16 sum(__nv_bfloat16 a, __nv_bfloat16 b) {
  return __float2bfloat16_rn(__bfloat162float(a) + __bfloat162float(b));
}
static __device__ __forceinline__ uint64_t sum(uint64_t a, uint64_t b) { return a + b; }
static __device__ __forceinline__ uint32_t sum(uint32_t a, uint32_t b) { return a + b; }
static __device__ __forceinline__ uint16_t sum(uint16_t a, uint16_t b) { return (uint16_t)(a + b); }
static __device__ __forceinline__ uint8_t sum(uint8_t a, uint8_t b) { return (uint8_t)(a + b); }
static __device__ __forceinline__ truth sum(truth a, truth b) { return {(uint8_t)(a.x | b.x)}; }

static __device__ __forceinline__ double product(double a, double b) { return a * b; }
static __device__ __forceinline__ float product(float a, float b) { return a * b; }
static __device__ __forceinline__ __half product(__half a, __half b) {
  return __float2half_rn(__half2float(a) * __half2float(b));
}
static __device__ __forceinline__ __nv_bfloat16 product(__nv_bfloat16 a, __nv_bfloat16 b) {
  return __float2bfloat16_rn(__bfloat162float(a) * __bfloat162float(b));
}
static __device__ __forceinline__ uint64_t product(uint64_t a, uint64_t b) { return a * b; }
static __device__ __forceinline__ uint32_t product(uint32_t a, uint32_t b) { return a * b; }
static __device__ __forceinline__ uint16_t product(uint16_t a, uint16_t b) {
  return (uint16_t)((uint32_t)a * b);
}
static __device__ __forceinline__ uint8_t product(uint8_t a, uint8_t b) { return (uint8_t)(a * b); }
static __device__ __forceinline__ truth product(truth a, truth b) { return {(uint8_t)(a.x & b.x)}; }

/* NaN wins. */
static __device__ __forceinline__ float number_of(__half x) { return __half2float(x); }
static __device__ __forceinline__ float number_of(__nv_bfloat16 x) { return __bfloat162float(x); }
template <typename T> static __device__ __forceinline__ T number_of(T x) { return x; }
template <typename T> static __device__ __forceinline__ T larger(T a, T b) {
  auto x = number_of(a), y = number_of(b);
  return x != x || x > y ? a : b;
}
template <typename T> static __device__ __forceinline__ T smaller(T a, T b) {
  auto x = number_of(a), y = number_of(b);
  return x != x || x < y ? a : b;
}

template <int HOW, typename T> static __device__ __forceinline__ T join(T a, T b) {
  if constexpr (HOW == CR__SCATTER_ADD) return sum(a, b);
  else if constexpr (HOW == CR__SCATTER_LARGEST) return larger(a, b);
  else if constexpr (HOW == CR__SCATTER_SMALLEST) return smaller(a, b);
  else return product(a, b);
}

/* ---- The work ------------------------------------------------------------------------------------ */

enum { TO, FROM, INDEX, LINE, OPERANDS };

/* Elements are numbered along `steps`, whose elements may meet, and `lines`, whose never do; which of
 * the two a dim belongs to is the host's choice. Without positions (data NULL) `to` itself leads
 * where elements go, `low` being the least offset. LINE numbers the lines among elements. */
typedef struct writing {
  cr__places<OPERANDS> steps, lines;
  int64_t nsteps, nlines;
  cr__positions p;
  int64_t low;
} writing;

/* Where element (step, line) goes to, or CR__NOWHERE; *from: where it comes from. */
static __device__ __forceinline__ int64_t target(const writing &w, int64_t step, int64_t line,
                                                 int64_t *from) {
  int64_t a[OPERANDS], b[OPERANDS];
  cr__locate(w.steps, step, a);
  cr__locate(w.lines, line, b);
  *from = a[FROM] + b[FROM];
  int64_t to = a[TO] + b[TO];
  if (!w.p.data) return to;
  int64_t place = cr__place_of(w.p, a[INDEX] + b[INDEX]);
  return place < 0 ? CR__NOWHERE : to + place * w.p.stride;
}

/* A thread per line walks its steps. */
template <typename T, int HOW> static __global__ void walk_lines(writing w, T *to, const T *from) {
  CR__EACH(line, w.nlines) {
    for (int64_t step = 0; step < w.nsteps; step++) {
      int64_t source, at = target(w, step, line, &source);
      if (at == CR__NOWHERE) continue;
      if constexpr (HOW != CR__SCATTER_SET) to[at] = join<HOW>(to[at], from[source]);
      else to[at] = from[source];
    }
  }
}

/* Keys of the steps: equal for those that meet, `nowhere` for those that go nowhere. */
static __global__ void make_keys(writing w, uint64_t *key, uint32_t *number, uint64_t nowhere) {
  CR__EACH(step, w.nsteps) {
    int64_t at[OPERANDS];
    cr__locate(w.steps, step, at);
    uint64_t k = (uint64_t)(at[TO] - w.low);
    if (w.p.data) {
      int64_t place = cr__place_of(w.p, at[INDEX]), span = w.p.size < 0 ? 1 : w.p.size;
      k = place < 0 ? nowhere : (uint64_t)(at[LINE] * span + place);
    }
    key[step] = k;
    number[step] = (uint32_t)step;
  }
}

/* A thread per sorted step and line: the first of a group joins it, or the last one is written. */
template <typename T, int HOW>
static __global__ void apply_groups(writing w, const uint64_t *key, const uint32_t *number,
                                    uint64_t nowhere, T *to, const T *from) {
  CR__EACH(i, w.nsteps * w.nlines) {
    int64_t r = i / w.nlines, line = i - r * w.nlines, source;
    uint64_t k = key[r];
    if (k == nowhere || (HOW != CR__SCATTER_SET && r > 0 && key[r - 1] == k)) continue;
    if (HOW == CR__SCATTER_SET && r + 1 < w.nsteps && key[r + 1] == k) continue;
    int64_t at = target(w, number[r], line, &source);
    if constexpr (HOW != CR__SCATTER_SET) {
      T x = join<HOW>(to[at], from[source]);
      for (r++; r < w.nsteps && key[r] == k; r++) {
        target(w, number[r], line, &source);
        x = join<HOW>(x, from[source]);
      }
      to[at] = x;
    } else {
      to[at] = from[source];
    }
  }
}

/* ---- Launching --------------------------------------------------------------------------------- */

/* Up to WALK steps, a thread walks them sooner than they are sorted. */
static bool worth_sorting(int64_t steps) {
  enum { WALK = 64 };
  return steps > WALK && steps <= UINT32_MAX;
}

typedef struct call {
  const cr__launch *k;
  writing w;
  char *to;
  const char *from;
  bool sort;        /* or walk */
  uint64_t nowhere; /* a key that no element has; all keys are up to it */
} call;

static int bits_of(uint64_t x) {
  int n = 0;
  for (; x; x >>= 1) n++;
  return n;
}

template <typename T, int HOW> static int sort_and_apply(const call *c) {
  const char *op = c->k->op;
  const writing *w = &c->w;
  cr__radix s;
  if (cr__radix_begin(&s, c->k->device, w->nsteps)) return CR_E_MEMORY;
  int code = CR__LAUNCH(op, make_keys, cr__blocks_for(w->nsteps), CR__THREADS, 0, *w, s.key,
                        s.number, c->nowhere);
  if (!code) code = cr__radix_run(&s, op, bits_of(c->nowhere));
  auto apply = apply_groups<T, HOW>;
  if (!code)
    code = CR__LAUNCH(op, apply, cr__blocks_for(w->nsteps * w->nlines), CR__THREADS, 0, *w, s.key,
                      s.number, c->nowhere, (T *)c->to, (const T *)c->from);
  cr__radix_end(&s);
  return code;
}

template <typename T, int HOW> static int run(const call *c) {
  const writing *w = &c->w;
  auto walk = walk_lines<T, HOW>;
  if (c->sort) return sort_and_apply<T, HOW>(c);
  return CR__LAUNCH(c->k->op, walk, cr__blocks_for(w->nlines), CR__THREADS, 0, *w, (T *)c->to,
                    (const T *)c->from);
}

template <int HOW> static int run_join(const call *c, int dtype) {
  switch (dtype) {
  case CR_FLOAT64: return run<double, HOW>(c);
  case CR_FLOAT32: return run<float, HOW>(c);
  case CR_FLOAT16: return run<__half, HOW>(c);
  case CR_BFLOAT16: return run<__nv_bfloat16, HOW>(c);
  case CR_INT64: return run<uint64_t, HOW>(c);
  case CR_INT32: return run<uint32_t, HOW>(c);
  case CR_INT16: return run<uint16_t, HOW>(c);
  case CR_BOOL: return run<truth, HOW>(c);
  default: return run<uint8_t, HOW>(c);
  }
}

template <int HOW> static int run_extreme(const call *c, int dtype) {
  switch (dtype) {
  case CR_FLOAT64: return run<double, HOW>(c);
  case CR_FLOAT32: return run<float, HOW>(c);
  case CR_FLOAT16: return run<__half, HOW>(c);
  case CR_BFLOAT16: return run<__nv_bfloat16, HOW>(c);
  case CR_INT64: return run<int64_t, HOW>(c);
  case CR_INT32: return run<int32_t, HOW>(c);
  case CR_INT16: return run<int16_t, HOW>(c);
  case CR_INT8: return run<int8_t, HOW>(c);
  default: return run<uint8_t, HOW>(c);
  }
}

static int run_set(const call *c, int64_t size) {
  switch (size) {
  case 1: return run<uint8_t, CR__SCATTER_SET>(c);
  case 2: return run<uint16_t, CR__SCATTER_SET>(c);
  case 4: return run<uint32_t, CR__SCATTER_SET>(c);
  case 8: return run<uint64_t, CR__SCATTER_SET>(c);
  default: return run<uint4, CR__SCATTER_SET>(c);
  }
}

static void set_places(writing *w, const cr__iter *steps, const cr__iter *lines) {
  w->steps = cr__places_of<OPERANDS>(steps);
  w->lines = cr__places_of<OPERANDS>(lines);
  w->nsteps = steps->numel;
  w->nlines = lines->numel;
}

/* ---- scatter -------------------------------------------------------------------------------------- */

/* The dims along which no position moves an element: lines. Those that hold offsets may do so along
 * any dim that they differ along. */
static uint32_t line_dims(const cr__view *to, const cr__view *index, bool as_offsets) {
  uint32_t mask = 0;
  for (int d = 0; d < to->ndim; d++)
    if (to->stride[d] != 0 && (!as_offsets || index->stride[d] == 0)) mask |= 1u << d;
  return mask;
}

/* Whether all elements of a step share one position, whatever their line. */
static bool share_positions(const cr__view *index, uint32_t lines) {
  for (int d = 0; d < index->ndim; d++)
    if (lines >> d & 1 && index->shape[d] > 1 && index->stride[d] != 0) return false;
  return true;
}

extern "C" int cr__cuda_scatter(cr__launch *k) {
  const cr__view *to = &k->scatter.to, *index = &k->scatter.index, *from = &k->scatter.from;
  bool as_offsets = k->scatter.size < 0;
  uint32_t lines = line_dims(to, index, as_offsets), all = ~0u;
  int64_t number[CR_MAX_DIMS] = {0}, count = 1; /* of lines */
  for (int d = to->ndim - 1; d >= 0; d--) {
    if (!(lines >> d & 1)) continue;
    number[d] = count;
    count *= to->shape[d];
  }
  const int64_t *strides[] = {to->stride, from->stride, index->stride, number};
  call c = {k, {}, to->data, from->data, false, 0};
  cr__iter steps = cr__row_major(to->ndim, to->shape, OPERANDS, strides, all & ~lines);
  cr__iter along = cr__row_major(to->ndim, to->shape, OPERANDS, strides, lines);
  if (steps.numel == 0 || along.numel == 0) return 0;
  if (cr__positions_of(k, index, k->scatter.size, k->scatter.step, k->scatter.dim, &c.w.p)) return CR_E_DEVICE;
  /* No device has room for 2^40 elements, which bounds offsets. */
  c.nowhere = as_offsets ? ((uint64_t)1 << 40) - 1 : (uint64_t)k->scatter.size;
  c.sort = worth_sorting(steps.numel);
  int64_t size = (int64_t)cr__size_of((cr_dtype)to->dtype);
  if (share_positions(index, lines)) {
    if (k->scatter.how == CR__SCATTER_SET)
      size = cr__widen(&along, &steps, size, to->data, from->data, &c.w.p.stride);
  } else if (c.sort && worth_sorting(steps.numel * along.numel)) { /* each element on its own */
    c.nowhere *= (uint64_t)count;
    steps = cr__row_major(to->ndim, to->shape, OPERANDS, strides, all);
    along = cr__row_major(to->ndim, to->shape, OPERANDS, strides, 0);
  } else {
    c.sort = false;
  }
  set_places(&c.w, &steps, &along);
  if (k->scatter.how == CR__SCATTER_MULTIPLY) return run_join<CR__SCATTER_MULTIPLY>(&c, to->dtype);
  if (k->scatter.how == CR__SCATTER_ADD) return run_join<CR__SCATTER_ADD>(&c, to->dtype);
  if (k->scatter.how == CR__SCATTER_LARGEST) return run_extreme<CR__SCATTER_LARGEST>(&c, to->dtype);
  if (k->scatter.how == CR__SCATTER_SMALLEST) return run_extreme<CR__SCATTER_SMALLEST>(&c, to->dtype);
  return run_set(&c, size);
}

/* ---- scatter_strided ----------------------------------------------------------------------------------- */

extern "C" int cr__cuda_scatter_strided(cr__launch *k) {
  const cr__view *to = &k->scatter_strided.to, *from = &k->scatter_strided.from;
  static const int64_t zeros[CR_MAX_DIMS] = {0};
  const int64_t *strides[] = {to->stride, from->stride, zeros, zeros};
  uint32_t lines = cr__strides_disjoint(to->ndim, to->shape, to->stride) ? ~0u : 0;
  cr__iter steps = cr__row_major(to->ndim, to->shape, OPERANDS, strides, ~lines);
  cr__iter along = cr__row_major(to->ndim, to->shape, OPERANDS, strides, lines);
  if (steps.numel == 0 || along.numel == 0) return 0;
  call c = {k, {}, to->data, from->data, worth_sorting(steps.numel), 0};
  int64_t greatest;
  cr__span(&steps, TO, &c.w.low, &greatest);
  c.nowhere = (uint64_t)(greatest - c.w.low) + 1;
  set_places(&c.w, &steps, &along);
  return run_join<CR__SCATTER_ADD>(&c, to->dtype);
}
