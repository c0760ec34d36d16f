/* device.h: what kernels call: the place of a thread, barriers, shuffles, atomics, arithmetic.
 *
 * Holds true: one thread runs at a time, so an atomic is a plain statement; a barrier or a shuffle
 * hands over to another thread of the block (launch.cpp). */
#ifndef CR__EMULATE_DEVICE_H
#define CR__EMULATE_DEVICE_H

#define CR__HIDDEN __attribute__((visibility("hidden")))
extern CR__HIDDEN uint3 threadIdx, blockIdx;
extern CR__HIDDEN dim3 blockDim, gridDim;
extern CR__HIDDEN unsigned char *cr__emulate_shared;
static const int warpSize = 32;

/* ---- Barriers and warps ---- */

CR__HIDDEN void __syncthreads();
CR__HIDDEN int cr__emulate_vote(int predicate, int kind); /* with a barrier: 0 count, 1 and, 2 or */
static inline int __syncthreads_count(int p) { return cr__emulate_vote(p, 0); }
static inline int __syncthreads_and(int p) { return cr__emulate_vote(p, 1); }
static inline int __syncthreads_or(int p) { return cr__emulate_vote(p, 2); }

/* Waits for the lanes of mask; gives the value of lane `source`, own value if it takes no part. */
CR__HIDDEN uint64_t cr__emulate_exchange(unsigned mask, uint64_t value, int source);
CR__HIDDEN unsigned cr__emulate_ballot(unsigned mask, bool predicate);
CR__HIDDEN int cr__emulate_lane();

template <class T> static inline T cr__emulate_shuffle(unsigned mask, T v, int source) {
  static_assert(sizeof(T) <= 8, "a shuffle moves up to 8 bytes");
  uint64_t bits = 0;
  memcpy(&bits, &v, sizeof v);
  bits = cr__emulate_exchange(mask, bits, source);
  memcpy(&v, &bits, sizeof v);
  return v;
}
/* The lane stays within its segment of `width` lanes; beyond it, a thread gets its own value. */
template <class T> static inline T __shfl_sync(unsigned mask, T v, int source, int width = 32) {
  int lane = cr__emulate_lane(), first = lane & ~(width - 1);
  return cr__emulate_shuffle(mask, v, first + (source & (width - 1)));
}
template <class T> static inline T __shfl_up_sync(unsigned mask, T v, unsigned by, int width = 32) {
  int lane = cr__emulate_lane(), source = lane - (int)by;
  return cr__emulate_shuffle(mask, v, source < (lane & ~(width - 1)) ? lane : source);
}
template <class T>
static inline T __shfl_down_sync(unsigned mask, T v, unsigned by, int width = 32) {
  int lane = cr__emulate_lane(), source = lane + (int)by;
  return cr__emulate_shuffle(mask, v, source > (lane | (width - 1)) ? lane : source);
}
template <class T> static inline T __shfl_xor_sync(unsigned mask, T v, int with, int width = 32) {
  int lane = cr__emulate_lane(), source = lane ^ with;
  return cr__emulate_shuffle(mask, v, source > (lane | (width - 1)) ? lane : source);
}
static inline unsigned __ballot_sync(unsigned mask, int predicate) {
  return cr__emulate_ballot(mask, predicate != 0);
}
static inline int __any_sync(unsigned mask, int predicate) {
  return cr__emulate_ballot(mask, predicate != 0) != 0;
}
static inline int __all_sync(unsigned mask, int predicate) {
  return cr__emulate_ballot(mask, predicate == 0) == 0;
}
static inline void __syncwarp(unsigned mask = 0xffffffffu) { cr__emulate_ballot(mask, false); }
CR__HIDDEN unsigned __activemask();
static inline void __threadfence() {}
static inline void __threadfence_block() {}
static inline void __threadfence_system() {}

/* ---- Atomics ---- */

#define CR__ATOMIC(name, statement)                                                                \
  template <class T, class V> static inline T name(T *p, V value) {                                \
    T old = *p, v = (T)value;                                                                      \
    statement;                                                                                     \
    return old;                                                                                    \
  }
CR__ATOMIC(atomicAdd, *p = (T)(old + v))
CR__ATOMIC(atomicSub, *p = (T)(old - v))
CR__ATOMIC(atomicExch, *p = v)
CR__ATOMIC(atomicMax, if (v > old) *p = v)
CR__ATOMIC(atomicMin, if (v < old) *p = v)
CR__ATOMIC(atomicAnd, *p = old & v)
CR__ATOMIC(atomicOr, *p = old | v)
CR__ATOMIC(atomicXor, *p = old ^ v)
#undef CR__ATOMIC
template <class T, class C, class V> static inline T atomicCAS(T *p, C compare, V value) {
  T old = *p;
  if (old == (T)compare) *p = (T)value;
  return old;
}

/* ---- Arithmetic ---- */

#define CR__MIN_MAX(T)                                                                             \
  static inline T min(T a, T b) { return b < a ? b : a; }                                          \
  static inline T max(T a, T b) { return a < b ? b : a; }
CR__MIN_MAX(int)
CR__MIN_MAX(unsigned)
CR__MIN_MAX(long)
CR__MIN_MAX(unsigned long)
CR__MIN_MAX(long long)
CR__MIN_MAX(unsigned long long)
#undef CR__MIN_MAX
static inline float min(float a, float b) { return fminf(a, b); }
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline double min(double a, double b) { return fmin(a, b); }
static inline double max(double a, double b) { return fmax(a, b); }

static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
static inline float __fdividef(float a, float b) { return a / b; }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __fsqrt_rn(float a) { return sqrtf(a); }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline double __dsub_rn(double a, double b) { return a - b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline double __ddiv_rn(double a, double b) { return a / b; }
static inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
static inline float __int2float_rn(int x) { return (float)x; }
static inline float __uint2float_rn(unsigned x) { return (float)x; }
static inline double __uint2double_rn(unsigned x) { return (double)x; }

static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __ffsll(long long x) { return __builtin_ffsll(x); }
static inline unsigned __umulhi(unsigned a, unsigned b) {
  return (unsigned)(((unsigned long long)a * b) >> 32);
}
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}

template <class To, class From> static inline To cr__emulate_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "bits of one size");
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}
static inline unsigned __float_as_uint(float x) { return cr__emulate_bits<unsigned>(x); }
static inline int __float_as_int(float x) { return cr__emulate_bits<int>(x); }
static inline float __uint_as_float(unsigned x) { return cr__emulate_bits<float>(x); }
static inline float __int_as_float(int x) { return cr__emulate_bits<float>(x); }
static inline long long __double_as_longlong(double x) { return cr__emulate_bits<long long>(x); }
static inline double __longlong_as_double(long long x) { return cr__emulate_bits<double>(x); }

template <class T> static inline T __ldg(const T *p) { return *p; }
template <class T> static inline T __ldcs(const T *p) { return *p; }
template <class T> static inline void __stcs(T *p, T v) { *p = v; }

#endif
