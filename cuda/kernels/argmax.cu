/* cuda/kernels/argmax.cu: the largest or smallest element along a dim, with its position.
 *
 * Holds true: the first of equal elements is chosen, and the first NaN before all others; as that
 * is true of any two candidates, the order in which threads meet does not matter. */
#include "fold.cuh"

/* The smallest element is the one whose opposite is largest; no int64 lacks this opposite. */
static __device__ __forceinline__ float opposite(float x) { return -x; }
static __device__ __forceinline__ double opposite(double x) { return -x; }
static __device__ __forceinline__ int64_t opposite(int64_t x) { return ~x; }

template <class N> struct candidate {
  N value;
  int64_t position; /* -1: there is none yet */
};

/* c.fold: 1 for the smallest. */
template <class L> struct choose {
  typedef typename L::number number;
  typedef candidate<number> state;
  static __device__ __forceinline__ state start(const cr__fold_call &) { return {0, -1}; }
  static __device__ __forceinline__ void join(state &s, const state &other) {
    if (other.position < 0) return;
    bool here = s.value != s.value, there = other.value != other.value;
    bool better = there ? !here : !here && other.value > s.value;
    bool equal = here ? there : other.value == s.value;
    if (s.position < 0 || better || (equal && other.position < s.position)) s = other;
  }
  template <int U>
  static __device__ __forceinline__ void take(const cr__fold_call &c, state &s, number *x,
                                              unsigned mask, const int64_t *at) {
#pragma unroll
    for (int i = 0; i < U; i++) {
      state one = {c.fold ? opposite(x[i]) : x[i], mask >> i & 1 ? at[i] : -1};
      join(s, one);
    }
  }
  static __device__ __forceinline__ void finish(const cr__fold_call &c, const state &s,
                                                int64_t at) {
    if (c.out) L::store(c.out, c.out_dtype, at, c.fold ? opposite(s.value) : s.value);
    ((int64_t *)(void *)c.indices)[at] = s.position + 1;
  }
};

template <class L> static int run(const cr__launch *k, cr__fold_call *c) {
  return cr__fold_run<L, choose<L>>(k, c);
}

/* As cr__cpu_argmax. */
extern "C" int cr__cuda_argmax(cr__launch *k) {
  cr__fold_call c = {};
  const cr__view *in = &k->argmax.from, *positions = &k->argmax.indices;
  cr__fold_plan(&c, positions, in, (uint32_t)1 << k->argmax.dim);
  if (c.kept.count == 0) return 0;
  c.out = k->argmax.values.data ? k->argmax.values.data : NULL;
  c.out_dtype = in->dtype;
  c.indices = positions->data;
  c.fold = k->argmax.smallest;
  switch (in->dtype) {
  case CR_FLOAT64: return run<cr__known<CR_FLOAT64, CR_FLOAT64>>(k, &c);
  case CR_FLOAT32: return run<cr__known<CR_FLOAT32, CR_FLOAT32>>(k, &c);
  case CR_FLOAT16:
  case CR_BFLOAT16: return run<cr__any<CR_FLOAT32>>(k, &c);
  default: return run<cr__any<CR_INT64>>(k, &c);
  }
}
