/* cuda/kernels/sort.cu: lines along a dim in order, with the positions that their elements came from.
 *
 * Holds true: as in cpu/sort.c. All lines are sorted at once, as numbered keys (radix.cu): first by the
 * elements, then by their lines, which keeps the order within each. */
#include "fold.cuh"
#include "grid.h"
#include "radix.h"

/* Keys have the order of their elements, equal elements one key. */
static __device__ __forceinline__ uint64_t key_of(float x) {
  uint32_t u = __float_as_uint(x + 0.0f);
  return x != x ? 0xffffffffu : u >> 31 ? ~u : u | 0x80000000u;
}
static __device__ __forceinline__ uint64_t key_of(double x) {
  uint64_t u = (uint64_t)__double_as_longlong(x + 0.0);
  return x != x ? ~(uint64_t)0 : u >> 63 ? ~u : u | 0x8000000000000000u;
}
static __device__ __forceinline__ uint64_t key_of(int64_t x) {
  return (uint64_t)x ^ 0x8000000000000000u;
}

template <int D>
static __global__ void key_by_element(cr__fold_call c, int64_t n, uint64_t flip, uint64_t *key,
                                      uint32_t *number) {
  int64_t length = c.reduced.count, step = c.reduced.in[0];
  CR__EACH(i, n) {
    int64_t line = i / length, from = cr__fold_offset(c.kept, line, c.narrow, NULL);
    key[i] = key_of(cr__load_as<D>(c.in, c.in_dtype, from + (i - line * length) * step)) ^ flip;
    number[i] = (uint32_t)i;
  }
}

static __global__ void key_by_line(int64_t length, int64_t n, uint64_t *key,
                                   const uint32_t *number) {
  CR__EACH(i, n) key[i] = number[i] / (uint64_t)length;
}

/* The first `kept` of each line, `step` apart in the results. */
template <class T>
static __global__ void store_lines(cr__fold_call c, int64_t kept, int64_t step,
                                   const uint32_t *number) {
  int64_t length = c.reduced.count;
  CR__EACH(i, c.kept.count * kept) {
    int64_t line = i / kept, out, from = cr__fold_offset(c.kept, line, c.narrow, &out);
    int64_t position = (int64_t)number[line * length + i % kept] - line * length;
    out += i % kept * step;
    if (c.out) ((T *)c.out)[out] = ((const T *)c.in)[from + position * c.reduced.in[0]];
    ((int64_t *)(void *)c.indices)[out] = position + 1;
  }
}

static int bits_for(int64_t count) {
  int bits = 0;
  while ((int64_t)1 << bits < count) bits++;
  return bits;
}

static int make_keys(const cr__launch *k, const cr__fold_call *c, cr__radix *s, int *bits) {
  bool descending = k->sort.descending, single = cr__category((cr_dtype)c->in_dtype) == CR_FLOATING;
  single = single && c->in_dtype != CR_FLOAT64;
  *bits = single ? 32 : 64;
  uint64_t flip = !descending ? 0 : single ? UINT32_MAX : UINT64_MAX;
  auto kernel = single                      ? key_by_element<CR_FLOAT32>
                : c->in_dtype == CR_FLOAT64 ? key_by_element<CR_FLOAT64>
                                            : key_by_element<CR_INT64>;
  return CR__LAUNCH(k->op, kernel, cr__blocks_for(s->n), CR__THREADS, 0, *c, s->n, flip, s->key,
                    s->number);
}

static int store(const cr__launch *k, const cr__fold_call *c, const cr__view *indices,
                 const uint32_t *number) {
  int64_t kept = indices->shape[k->sort.dim], step = indices->stride[k->sort.dim];
  size_t size = cr__size_of((cr_dtype)c->in_dtype);
  auto kernel = size == 1   ? store_lines<uint8_t>
                : size == 2 ? store_lines<uint16_t>
                : size == 4 ? store_lines<uint32_t>
                            : store_lines<uint64_t>;
  return CR__LAUNCH(k->op, kernel, cr__blocks_for(c->kept.count * kept), CR__THREADS, 0, *c, kept,
                    step, number);
}

/* The slots as for cr__cpu_sort. */
extern "C" int cr__cuda_sort(cr__launch *k) {
  const cr__view *in = &k->sort.in, *indices = &k->sort.indices;
  cr__fold_call c = {};
  cr__fold_plan(&c, indices, in, (uint32_t)1 << k->sort.dim);
  c.out = k->sort.values.data;
  c.indices = indices->data;
  int64_t n = c.kept.count * c.reduced.count;
  if (n == 0 || indices->shape[k->sort.dim] == 0) return 0;
  if (n > UINT32_MAX)
    return cr__fail(CR_E_ARGUMENT, "%s: cuda sorts up to %lld elements, not %lld", k->op,
                    (long long)UINT32_MAX, (long long)n);
  cr__radix s;
  int code = cr__radix_begin(&s, k->device, n), bits;
  if (code) return code;
  code = make_keys(k, &c, &s, &bits);
  if (!code) code = cr__radix_run(&s, k->op, bits);
  int line_bits = bits_for(c.kept.count);
  if (!code && line_bits) {
    code = CR__LAUNCH(k->op, key_by_line, cr__blocks_for(n), CR__THREADS, 0, c.reduced.count, n,
                      s.key, s.number);
    if (!code) code = cr__radix_run(&s, k->op, line_bits);
  }
  if (!code) code = store(k, &c, indices, s.number);
  cr__radix_end(&s);
  return code;
}
