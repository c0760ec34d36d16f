/* cuda/kernels/pointwise.cuh: the kernels of the catalogue's pointwise texts, for one compute type.
 *
 * Holds true: the including file has set CR__COMPUTE to the dtype, CR__SUFFIX to its suffix, and
 * CR__LOOP_<suffix>(...) to CR__EACH_TEXT(__VA_ARGS__); texts for other types vanish. Each text
 * becomes a struct with the function `of`, and two kernels: `dense` moves 16 bytes at a time and
 * takes operands from contiguous memory of the compute type, of bool, or (for float) of float16 and
 * bfloat16; `strided` takes any strides and dtypes. Numbers come by value. */
#ifndef CR__CUDA_POINTWISE_CUH
#define CR__CUDA_POINTWISE_CUH

#include "dense.cuh"
#include "scalar.cuh"
/* Texts compare unsigned types with 0 as well; a compiler knows one of these names or the other. */
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#pragma nv_diag_suppress 186
#pragma GCC diagnostic ignored "-Wtype-limits"
#include "scalar/scalar.h"

/* ---- Texts as functions ---- */

#define CR__TEXT_LOAD_1 T x = in[0];
#define CR__TEXT_LOAD_2 CR__TEXT_LOAD_1 T y = in[1];
#define CR__TEXT_LOAD_3 CR__TEXT_LOAD_2 T z = in[2];
#define CR__TEXT_LOAD_4 CR__TEXT_LOAD_3 T w = in[3];
#define CR__TEXT_NUMBERS_0 (void)k;
#define CR__TEXT_NUMBERS_1 T a = k[0];
#define CR__TEXT_NUMBERS_2 CR__TEXT_NUMBERS_1 T b = k[1];
#define CR__TEXT_NUMBERS_3 CR__TEXT_NUMBERS_2 T c = k[2];
#define CR__TEXT_NUMBERS_4 CR__TEXT_NUMBERS_3 T d = k[3];
#define CR__TEXT_RESULT_same compute
#define CR__TEXT_RESULT_bool CR_BOOL

/* The name has the type in it: functions of one name in two objects would be one function to the linker. */
#define CR__TEXT_JOIN(suffix, op) text_##suffix##_##op
#define CR__TEXT_IN(suffix, op) CR__TEXT_JOIN(suffix, op)
#define CR__TEXT_OF(op) CR__TEXT_IN(CR__SUFFIX, op)

#define CR__FUNCTOR(op, nin, nk, result, ...)                                                     \
  struct CR__TEXT_OF(op) {                                                                        \
    static constexpr int compute = CR__COMPUTE, inputs = nin;                                     \
    static constexpr int gives = CR__TEXT_RESULT_##result;                                        \
    typedef cr__element<CR__COMPUTE>::value T;                                                    \
    static __device__ __forceinline__ cr__element<gives>::value of(const T *in,                   \
                                                                   [[maybe_unused]] const T *k) { \
      CR__TEXT_LOAD_##nin CR__TEXT_NUMBERS_##nk return cr__text_result<gives>(__VA_ARGS__);       \
    }                                                                                             \
  };

/* Integers that were promoted wrap back; in bool, all but zero is true. */
template <int D, class V>
static __device__ __forceinline__ typename cr__element<D>::value cr__text_result(V v) {
  if constexpr (D == CR_BOOL) return v != 0;
  else return (typename cr__element<D>::value)v;
}

/* ---- The dense kernel ---- */

/* Elements of a block's share that is not full, one by one. */
template <class F>
static __device__ __forceinline__ void cr__dense_rest(const cr__arguments<typename F::T> &a,
                                                      int64_t begin) {
#pragma unroll 1
  for (int64_t i = begin + threadIdx.x; i < a.numel; i += blockDim.x) {
    typename F::T x[F::inputs];
#pragma unroll
    for (int j = 0; j < F::inputs; j++) x[j] = cr__dense<F::compute>::one(a, j + 1, i);
    cr__dense<F::compute>::template put<F::gives>(a, i, F::of(x, a.k));
  }
}

template <class F>
static __global__ void __launch_bounds__(CR__THREADS) dense(cr__arguments<typename F::T> a) {
  typedef typename F::T T;
  typedef cr__dense<F::compute> by;
  constexpr int COUNT = by::COUNT, WIDTH = by::share::WIDTH;
  int64_t begin = (int64_t)blockIdx.x * blockDim.x * COUNT;
  if (begin + (int64_t)blockDim.x * COUNT > a.numel) {
    cr__dense_rest<F>(a, begin);
    return;
  }
  int64_t apart = a.apart ? (int64_t)blockDim.x * WIDTH : WIDTH;
  int64_t first = begin + (int64_t)threadIdx.x * (a.apart ? WIDTH : COUNT);
  T x[F::inputs][COUNT];
  if (a.plain) by::template load_plain<F::inputs>(a, x, first, apart);
  else by::template load_mixed<F::inputs>(a, x, first, apart);
  typename cr__element<F::gives>::value y[COUNT];
#pragma unroll
  for (int e = 0; e < COUNT; e++) {
    T in[F::inputs];
#pragma unroll
    for (int j = 0; j < F::inputs; j++) in[j] = x[j][e];
    y[e] = F::of(in, a.k);
  }
  if constexpr (F::gives == CR_BOOL) by::store_bool(y, a.data[0], first, apart);
  else if (a.plain) by::store_plain(y, a.data[0], first, apart);
  else by::store(y, a.data[0], a.dtype[0], first, apart);
}

/* ---- The strided kernel ---- */

template <class T> struct cr__strided_arguments : cr__arguments<T> {
  cr__places<CR__POINTWISE_OPERANDS> places;
};

/* Elements that a thread takes, a block apart. */
static constexpr int CR__STRIDED_COUNT = 4;

template <class F>
static __global__ void __launch_bounds__(CR__THREADS)
    strided(cr__strided_arguments<typename F::T> a) {
  typename F::T x[CR__STRIDED_COUNT][F::inputs];
  int64_t to[CR__STRIDED_COUNT];
  int64_t first = (int64_t)blockIdx.x * blockDim.x * CR__STRIDED_COUNT + threadIdx.x;
#pragma unroll
  for (int u = 0; u < CR__STRIDED_COUNT; u++) {
    int64_t i = first + u * (int64_t)blockDim.x;
    if (i >= a.numel) break;
    int64_t at[F::inputs + 1];
    cr__locate(a.places, i, at);
    to[u] = at[0];
#pragma unroll
    for (int j = 0; j < F::inputs; j++)
      x[u][j] = a.numbers >> (j + 1) & 1
                    ? a.number[j + 1]
                    : cr__load_as<F::compute>(a.data[j + 1], a.dtype[j + 1], at[j + 1]);
  }
#pragma unroll
  for (int u = 0; u < CR__STRIDED_COUNT; u++) {
    if (first + u * (int64_t)blockDim.x >= a.numel) break;
    cr__store_from<F::gives>(a.data[0], a.dtype[0], to[u], F::of(x[u], a.k));
  }
}

/* ---- On the host ---- */

template <class T> struct cr__kernels {
  void (*dense)(cr__arguments<T>);
  void (*strided)(cr__strided_arguments<T>);
  bool gives_bool;
};

template <int D, class T>
static void cr__fill_arguments(const cr__pointwise_call *c, cr__arguments<T> *a) {
  const cr__elementwise *e = c->e;
  a->fixed = c->fixed;
  a->numbers = 0;
  a->numel = c->it.numel;
  a->apart = cr__share<sizeof(T)>::GROUPS == 1;
  a->plain = !c->fixed;
  for (int i = 0; i <= e->nin; i++) {
    const cr__operand *o = i ? &e->in[i - 1] : &e->out;
    a->data[i] = o->data;
    a->dtype[i] = o->dtype;
    a->plain = a->plain && (o->dtype == D || (i == 0 && o->dtype == CR_BOOL));
    if (!o->data) {
      cr__store_scalar(&a->number[i], (cr_dtype)D, &o->number);
      a->numbers |= 1u << i;
    } else if (!(c->fixed >> i & 1) && cr__size_of((cr_dtype)o->dtype) == sizeof(T)) {
      a->apart = true;
    }
  }
  for (int j = 0; j < e->nk; j++) cr__store_scalar(&a->k[j], (cr_dtype)D, &e->k[j]);
}

template <int D, class T>
static int cr__launch_pointwise(const cr__pointwise_call *c, const cr__kernels<T> &f) {
  cr__strided_arguments<T> a;
  cr__fill_arguments<D>(c, &a);
  int64_t each = c->dense ? cr__share<sizeof(T)>::COUNT : CR__STRIDED_COUNT;
  unsigned threads = cr__threads_for(a.numel, each);
  unsigned blocks = (unsigned)((a.numel + each * threads - 1) / (each * threads));
  if (c->dense) {
    const cr__arguments<T> &given = a;
    return CR__LAUNCH(c->e->op, f.dense, blocks, threads, 0, given);
  }
  a.places = cr__places_of<CR__POINTWISE_OPERANDS>(&c->it, c->e->nin + 1);
  return CR__LAUNCH(c->e->op, f.strided, blocks, threads, 0, a);
}

#define CR__PASTE2(a, b) a##b
#define CR__PASTE(a, b) CR__PASTE2(a, b)

/* ---- The texts of this type ---- */

#ifndef CR__LOOP_f64
#define CR__LOOP_f64(...)
#endif
#ifndef CR__LOOP_f32
#define CR__LOOP_f32(...)
#endif
#ifndef CR__LOOP_i64
#define CR__LOOP_i64(...)
#endif
#ifndef CR__LOOP_i32
#define CR__LOOP_i32(...)
#endif
#ifndef CR__LOOP_i16
#define CR__LOOP_i16(...)
#endif
#ifndef CR__LOOP_i8
#define CR__LOOP_i8(...)
#endif
#ifndef CR__LOOP_u8
#define CR__LOOP_u8(...)
#endif
#ifndef CR__LOOP_b8
#define CR__LOOP_b8(...)
#endif
#define CR__LOOP(op, suffix, ...) CR__LOOP_##suffix(op, __VA_ARGS__)

#define CR__EACH_TEXT CR__FUNCTOR
#include "pointwise.inc"
#undef CR__EACH_TEXT

#define CR__KERNELS_OF(op, nin, nk, result, ...) \
  case CR__PW_##op:                              \
    return {dense<CR__TEXT_OF(op)>, strided<CR__TEXT_OF(op)>, CR__TEXT_OF(op)::gives == CR_BOOL};
#define CR__EACH_TEXT CR__KERNELS_OF

typedef cr__kernels<cr__element<CR__COMPUTE>::value> kernels;
static kernels kernels_of(int pointwise) {
  switch (pointwise) {
#include "pointwise.inc"
  default: return {NULL, NULL, false};
  }
}

int CR__PASTE(cr__pointwise_, CR__SUFFIX)(const cr__pointwise_call *c) {
  return cr__launch_pointwise<CR__COMPUTE>(c, kernels_of(c->e->pointwise));
}
bool CR__PASTE(cr__pointwise_has_, CR__SUFFIX)(int pointwise) {
  return kernels_of(pointwise).dense != NULL;
}
bool CR__PASTE(cr__pointwise_gives_bool_, CR__SUFFIX)(int pointwise) {
  return kernels_of(pointwise).gives_bool;
}

#endif
