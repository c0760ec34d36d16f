/* cuda/kernels/dense.cuh: how the dense pointwise kernels read and write: 16 bytes at a time.
 *
 * Holds true: operands are contiguous and aligned to 16 bytes, or one element for all. A thread asks
 * for all that it needs before it looks at any of it, so that its reads wait together. */
#ifndef CR__CUDA_DENSE_CUH
#define CR__CUDA_DENSE_CUH

#include "convert.cuh"
#include "pointwise.h"

/* ---- What a kernel is given ---- */

template <class T> struct cr__arguments {
  char *data[CR__POINTWISE_OPERANDS];
  int32_t dtype[CR__POINTWISE_OPERANDS];
  uint32_t fixed, numbers; /* bit i: operand i is one element for all; it is in number[] */
  bool apart;              /* some operand of the dense kernel is as wide as the compute type */
  bool plain;              /* all operands are memory of the compute type; a bool result may be, too */
  int64_t numel;
  T number[CR__POINTWISE_OPERANDS];
  T k[4];
};

/* ---- Elements in and out ---- */

/* What a thread takes: GROUPS times WIDTH elements, 16 bytes each in the compute type. Groups lie a
 * block apart, so that neighbours read neighbouring 16 bytes; where all operands are narrower than
 * the compute type they lie together, so that they still do. */
template <int SIZE> struct cr__share {
  static constexpr int WIDTH = 16 / SIZE, GROUPS = SIZE >= 4 ? 2 : 1, COUNT = WIDTH * GROUPS;
};

/* The raw bytes of a thread's elements, in their order; `first` is the first of group 0. */
template <int SIZE, int OF> struct cr__raw {
  typedef cr__share<OF> share;
  static __device__ __forceinline__ void load(void *raw, const char *data, int64_t first,
                                              int64_t apart) {
    if (apart == share::WIDTH && SIZE * share::COUNT <= 16) {
      cr__load_packet<SIZE * share::COUNT <= 16 ? SIZE * share::COUNT : 16>(raw,
                                                                            data + first * SIZE);
      return;
    }
#pragma unroll
    for (int g = 0; g < share::GROUPS; g++)
      cr__load_packet<SIZE * share::WIDTH>((char *)raw + g * SIZE * share::WIDTH,
                                           data + (first + g * apart) * SIZE);
  }
  static __device__ __forceinline__ void store(const void *raw, char *data, int64_t first,
                                               int64_t apart) {
    if (apart == share::WIDTH && SIZE * share::COUNT <= 16) {
      cr__store_packet<SIZE * share::COUNT <= 16 ? SIZE * share::COUNT : 16>(data + first * SIZE,
                                                                             raw);
      return;
    }
#pragma unroll
    for (int g = 0; g < share::GROUPS; g++)
      cr__store_packet<SIZE * share::WIDTH>(data + (first + g * apart) * SIZE,
                                            (const char *)raw + g * SIZE * share::WIDTH);
  }
};

template <int D> struct cr__dense {
  typedef typename cr__element<D>::value T;
  typedef cr__share<sizeof(T)> share;
  static constexpr int SIZE = sizeof(T), COUNT = share::COUNT;
  union __align__(16) raw {
    T own[COUNT];
    uint16_t half[COUNT];
    uint8_t byte[COUNT];
  };

  static __device__ __forceinline__ void load(raw &r, const char *data, int dtype, int64_t first,
                                              int64_t apart) {
    if (dtype == D) {
      cr__raw<SIZE, SIZE>::load(&r, data, first, apart);
      return;
    }
    if constexpr (D == CR_FLOAT32) {
      if (dtype != CR_BOOL) {
        cr__raw<2, SIZE>::load(&r, data, first, apart);
        return;
      }
    }
    cr__raw<1, SIZE>::load(&r, data, first, apart);
  }
  static __device__ __forceinline__ void unpack(T *x, const raw &r, int dtype) {
    if (dtype == D) {
#pragma unroll
      for (int e = 0; e < COUNT; e++) x[e] = r.own[e];
      return;
    }
    if constexpr (D == CR_FLOAT32) {
      if (dtype == CR_FLOAT16) {
#pragma unroll
        for (int e = 0; e < COUNT; e++) x[e] = cr__element<CR_FLOAT16>::unpack(r.half[e]);
        return;
      }
      if (dtype == CR_BFLOAT16) {
#pragma unroll
        for (int e = 0; e < COUNT; e++) x[e] = cr__element<CR_BFLOAT16>::unpack(r.half[e]);
        return;
      }
    }
#pragma unroll
    for (int e = 0; e < COUNT; e++) x[e] = (T)r.byte[e];
  }
  /* Stores results of type D. */
  static __device__ __forceinline__ void store(const T *y, char *data, int dtype, int64_t first,
                                               int64_t apart) {
    raw r;
    if constexpr (D == CR_FLOAT32) {
      if (dtype != D) {
#pragma unroll
        for (int e = 0; e < COUNT; e++)
          r.half[e] = dtype == CR_FLOAT16 ? cr__element<CR_FLOAT16>::pack(y[e])
                                          : cr__element<CR_BFLOAT16>::pack(y[e]);
        cr__raw<2, SIZE>::store(&r, data, first, apart);
        return;
      }
    }
    store_plain(y, data, first, apart);
  }
  static __device__ __forceinline__ void store_plain(const T *y, char *data, int64_t first,
                                                     int64_t apart) {
    raw r;
#pragma unroll
    for (int e = 0; e < COUNT; e++) r.own[e] = y[e];
#pragma unroll
    for (int g = 0; g < share::GROUPS; g++)
      cr__store_packet<16>(data + (first + g * apart) * SIZE, &r.own[g * share::WIDTH]);
  }
  static __device__ __forceinline__ void store_bool(const uint8_t *y, char *data, int64_t first,
                                                    int64_t apart) {
    raw r;
#pragma unroll
    for (int e = 0; e < COUNT; e++) r.byte[e] = y[e];
    cr__raw<1, SIZE>::store(&r, data, first, apart);
  }

  /* The inputs' elements: every load is under way before the first is looked at. */
  template <int N>
  static __device__ __forceinline__ void load_plain(const cr__arguments<T> &a, T (&x)[N][COUNT],
                                                    int64_t first, int64_t apart) {
    raw r[N];
#pragma unroll
    for (int j = 0; j < N; j++)
#pragma unroll
      for (int g = 0; g < share::GROUPS; g++)
        cr__load_packet<16>(&r[j].own[g * share::WIDTH], a.data[j + 1] + (first + g * apart) * SIZE);
#pragma unroll
    for (int j = 0; j < N; j++)
#pragma unroll
      for (int e = 0; e < COUNT; e++) x[j][e] = r[j].own[e];
  }
  template <int N>
  static __device__ __forceinline__ void load_mixed(const cr__arguments<T> &a, T (&x)[N][COUNT],
                                                    int64_t first, int64_t apart) {
    raw r[N];
#pragma unroll
    for (int j = 0; j < N; j++)
      if (!(a.fixed >> (j + 1) & 1)) load(r[j], a.data[j + 1], a.dtype[j + 1], first, apart);
#pragma unroll
    for (int j = 0; j < N; j++) {
      if (!(a.fixed >> (j + 1) & 1)) {
        unpack(x[j], r[j], a.dtype[j + 1]);
        continue;
      }
      T value = one(a, j + 1, 0);
#pragma unroll
      for (int e = 0; e < COUNT; e++) x[j][e] = value;
    }
  }

  /* Single elements of operand i: of the same few dtypes, so that no call is needed. */
  static __device__ __forceinline__ T one(const cr__arguments<T> &a, int i, int64_t at) {
    if (a.numbers >> i & 1) return a.number[i];
    if (a.fixed >> i & 1) at = 0;
    if (a.dtype[i] == D) return cr__get<D>(a.data[i], at);
    if constexpr (D == CR_FLOAT32) {
      if (a.dtype[i] == CR_FLOAT16) return cr__get<CR_FLOAT16>(a.data[i], at);
      if (a.dtype[i] == CR_BFLOAT16) return cr__get<CR_BFLOAT16>(a.data[i], at);
    }
    return (T)cr__get<CR_BOOL>(a.data[i], at);
  }
  template <int GIVES>
  static __device__ __forceinline__ void put(const cr__arguments<T> &a, int64_t at,
                                             typename cr__element<GIVES>::value y) {
    if constexpr (GIVES == CR_FLOAT32) {
      if (a.dtype[0] == CR_FLOAT16) return cr__put<CR_FLOAT16>(a.data[0], at, y);
      if (a.dtype[0] == CR_BFLOAT16) return cr__put<CR_BFLOAT16>(a.data[0], at, y);
    }
    cr__put<GIVES>(a.data[0], at, y);
  }
};

#endif
