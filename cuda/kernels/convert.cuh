/* cuda/kernels/convert.cuh: elements of any dtype as values, and values of one type as those of another.
 *
 * Holds true: the rules are those of cpu/loops/loops_convert.c: floats become integers by truncation and
 * wrap into narrower ones; what int64 cannot hold (NaN too) becomes its smallest value first.
 * Anything but zero becomes true. float16 and bfloat16 go by way of float, rounded to nearest, ties
 * to even. */
#ifndef CR__CUDA_CONVERT_CUH
#define CR__CUDA_CONVERT_CUH

#include <type_traits>

#include "runtime/cuda.h"

/* Of dtype D: the type in memory, the type of a value, and the ways between them. */
template <int D> struct cr__element;
#define CR__ELEMENT(NAME, MEMORY, VALUE, of_memory, of_value)                      \
  template <> struct cr__element<CR_##NAME> {                                      \
    typedef MEMORY memory;                                                         \
    typedef VALUE value;                                                           \
    static __device__ __forceinline__ VALUE unpack(MEMORY m) { return of_memory; } \
    static __device__ __forceinline__ MEMORY pack(VALUE v) { return of_value; }    \
  };
CR__ELEMENT(FLOAT64, double, double, m, v)
CR__ELEMENT(FLOAT32, float, float, m, v)
CR__ELEMENT(FLOAT16, uint16_t, float, __half2float(__ushort_as_half(m)),
            __half_as_ushort(__float2half_rn(v)))
CR__ELEMENT(BFLOAT16, uint16_t, float, __uint_as_float((unsigned)m << 16),
            __bfloat16_as_ushort(__float2bfloat16_rn(v)))
CR__ELEMENT(INT64, int64_t, int64_t, m, v)
CR__ELEMENT(INT32, int32_t, int32_t, m, v)
CR__ELEMENT(INT16, int16_t, int16_t, m, v)
CR__ELEMENT(INT8, int8_t, int8_t, m, v)
CR__ELEMENT(UINT8, uint8_t, uint8_t, m, v)
CR__ELEMENT(BOOL, uint8_t, uint8_t, m, v)
CR__ELEMENT(UINT16, uint16_t, uint16_t, m, v)
CR__ELEMENT(UINT32, uint32_t, uint32_t, m, v)
CR__ELEMENT(UINT64, uint64_t, uint64_t, m, v)
#undef CR__ELEMENT

template <class V> __device__ __forceinline__ int64_t cr__whole(V x) {
  return x >= (V)-0x1p63 && x < (V)0x1p63 ? (int64_t)x : INT64_MIN;
}

/* v as a value of dtype D. */
template <int D, class V>
__device__ __forceinline__ typename cr__element<D>::value cr__value_as(V v) {
  typedef typename cr__element<D>::value T;
  if constexpr (D == CR_BOOL) return v != 0;
  else if constexpr (D == CR_UINT64 && std::is_floating_point<V>::value)
    return v >= (V)0x1p63 && v < (V)0x1p64 ? (T)v : (T)cr__whole(v);
  else if constexpr (std::is_integral<T>::value && std::is_floating_point<V>::value)
    return (T)cr__whole(v);
  else return (T)v;
}

template <int D>
__device__ __forceinline__ typename cr__element<D>::value cr__get(const void *data, int64_t i) {
  return cr__element<D>::unpack(((const typename cr__element<D>::memory *)data)[i]);
}
template <int D>
__device__ __forceinline__ void cr__put(void *data, int64_t i, typename cr__element<D>::value v) {
  ((typename cr__element<D>::memory *)data)[i] = cr__element<D>::pack(v);
}

/* Out of line, as there are many places that may, but seldom do, need them. */
template <int D>
__attribute__((noinline)) __device__ typename cr__element<D>::value
cr__load_other(const void *data, int dtype, int64_t i) {
  switch (dtype) {
#define X(NAME, name, bytes, category) \
  case CR_##NAME: return cr__value_as<D>(cr__get<CR_##NAME>(data, i));
    CR_DTYPES(X)
#undef X
  default: return 0;
  }
}
template <int D>
__attribute__((noinline)) __device__ void cr__store_other(void *data, int dtype, int64_t i,
                                                          typename cr__element<D>::value v) {
  switch (dtype) {
#define X(NAME, name, bytes, category) \
  case CR_##NAME: cr__put<CR_##NAME>(data, i, cr__value_as<CR_##NAME>(v)); break;
    CR_DTYPES(X)
#undef X
  default: break;
  }
}

/* Element i of memory of any dtype, as a value of dtype D, and back. */
template <int D>
__device__ __forceinline__ typename cr__element<D>::value cr__load_as(const void *data, int dtype,
                                                                      int64_t i) {
  if (dtype == D) return cr__get<D>(data, i);
  if constexpr (D == CR_FLOAT32) {
    if (dtype == CR_FLOAT16 || dtype == CR_BFLOAT16) {
      uint16_t m = ((const uint16_t *)data)[i];
      return dtype == CR_FLOAT16 ? cr__element<CR_FLOAT16>::unpack(m)
                                 : cr__element<CR_BFLOAT16>::unpack(m);
    }
  }
  return cr__load_other<D>(data, dtype, i);
}
template <int D>
__device__ __forceinline__ void cr__store_from(void *data, int dtype, int64_t i,
                                               typename cr__element<D>::value v) {
  if (dtype == D) {
    cr__put<D>(data, i, v);
    return;
  }
  if constexpr (D == CR_FLOAT32) {
    if (dtype == CR_FLOAT16 || dtype == CR_BFLOAT16) {
      ((uint16_t *)data)[i] = dtype == CR_FLOAT16 ? cr__element<CR_FLOAT16>::pack(v)
                                                  : cr__element<CR_BFLOAT16>::pack(v);
      return;
    }
  }
  cr__store_other<D>(data, dtype, i, v);
}

/* N bytes that move in one access. */
template <int N> struct cr__packet;
template <> struct cr__packet<1> { typedef uint8_t type; };
template <> struct cr__packet<2> { typedef uint16_t type; };
template <> struct cr__packet<4> { typedef uint32_t type; };
template <> struct cr__packet<8> { typedef uint2 type; };
template <> struct cr__packet<16> { typedef uint4 type; };
template <int N> __device__ __forceinline__ void cr__load_packet(void *to, const void *from) {
  typename cr__packet<N>::type v = *(const typename cr__packet<N>::type *)from;
  memcpy(to, &v, N);
}
template <int N> __device__ __forceinline__ void cr__store_packet(void *to, const void *from) {
  typename cr__packet<N>::type v;
  memcpy(&v, from, N);
  *(typename cr__packet<N>::type *)to = v;
}

#endif
