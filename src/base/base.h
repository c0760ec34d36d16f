/* base.h: layer 1 of the engine: errors, allocation, dtypes, shapes. No tensors here.
 *
 * Holds true: nothing in this layer knows a tensor, a graph or a device other than the host. */
#ifndef CR__BASE_H
#define CR__BASE_H

#include <string.h>

#include "cresset.h"

#define CR__LIKELY(x) __builtin_expect(!!(x), 1)
#define CR__UNLIKELY(x) __builtin_expect(!!(x), 0)
/* Thread-local in static TLS: one instruction to reach. There is little of it in a process that
 * loads us late, so keep only a few bytes there. */
#define CR__TLS _Thread_local __attribute__((tls_model("initial-exec")))

/* ---- error.c ---- */

/* Sets the thread's error (replacing an older one) and returns code. */
int cr__fail(cr_error code, const char *format, ...) __attribute__((format(printf, 2, 3), cold));
/* "out of memory: <what> needs N bytes ..."; returns CR_E_MEMORY. */
int cr__fail_memory(const char *what, size_t nbytes) __attribute__((cold));
/* For a required argument that is absent: keeps an error that is pending, else says which argument
 * of which op is missing. Returns the pending code. */
int cr__fail_absent(const char *op, const char *param) __attribute__((cold));
void cr__warn(const char *format, ...) __attribute__((format(printf, 1, 2), cold));
/* Nonzero (with the error set) when the host has interrupted or a deadline has passed. */
int cr__interrupted(void);
#ifndef __cplusplus
extern _Atomic int
    cr__interrupt_flags;  /* nonzero: a call has something to look at before it begins */
void cr__attend(bool on); /* one more of such things, or one less */
#endif
/* The same for threads that work for another one: what the caller has to meet (0: no deadline); whether
 * that stops it, without an error: 0, or why; and the error for that. */
double cr__deadline(void);
int cr__why_stop(double deadline);
int cr__fail_stopped(int why);
#ifndef __cplusplus
static inline int cr__due(double deadline) {
  if (CR__LIKELY(__atomic_load_n((const int *)&cr__interrupt_flags, __ATOMIC_RELAXED) == 0))
    return 0;
  return cr__why_stop(deadline);
}
#endif

/* ---- alloc.c ---- */

/* Small blocks of known size from per-thread free lists; NULL with the error set. Not cleared. */
void *cr__alloc(size_t n);
void cr__free(void *p, size_t n); /* n as it was allocated; p may be NULL */
/* Memory for tensor data on the host, 64-byte aligned, cached; NULL with the error set. */
void *cr__host_alloc(size_t nbytes);
void *cr__host_alloc_for(const char *what, size_t nbytes); /* whom the error names */
void cr__host_free(void *p, size_t nbytes);

/* ---- dtype.c ---- */

/* The dtype of an operation on these values by PyTorch's rules: tensors with dimensions, 0-dim
 * tensors and numbers are three pools; the highest category wins, and within one the first pool. */
typedef struct cr__promotion {
  int8_t pool[3]; /* promoted dtype of dimensioned tensors, 0-dim tensors, numbers; -1 if empty */
} cr__promotion;
#define CR__PROMOTION_INIT \
  {                        \
    { -1, -1, -1 }         \
  }
cr_dtype cr__promote_types(cr_dtype a, cr_dtype b);
void cr__promote_add(cr__promotion *p, int pool, cr_dtype dtype);
cr_dtype cr__promote_result(const cr__promotion *p);
cr_dtype cr__scalar_dtype(const cr_value *number); /* int64, bool, or the default dtype */
bool cr__can_cast(cr_dtype from, cr_dtype to);     /* by category: in-place results must */
/* The least and the greatest value of an integer dtype; of uint64 as an int64_t with its bits. */
extern const int64_t cr__int_low[], cr__int_high[];
double cr__largest(cr_dtype dtype); /* the greatest finite number of a floating dtype */
/* True if an element of dtype can be the number: a fraction is cut off beside integers, whose range
 * counts, and NaN and infinities are none of them; a finite number stays finite in a floating dtype.
 * bool takes every number for its truth. */
bool cr__fits_slow(cr_dtype dtype, const cr_value *number);
static inline bool cr__fits(cr_dtype dtype, const cr_value *number) {
  if (dtype == CR_FLOAT64) return true;
  if (dtype == CR_FLOAT32 && number->kind == CR_FLOAT && number->u.f > -0x1p127 &&
      number->u.f < 0x1p127)
    return true;
  return cr__fits_slow(dtype, number);
}
/* The nearest number that dtype holds. */
cr_value cr__saturated(cr_dtype dtype, const cr_value *number);
/* What every write of a number asks first: refuses one that does not fit. */
int cr__check_store(const char *op, cr_dtype dtype, const cr_value *number);
/* Writes the number to *out as an element of dtype (integers wrap, float16/bfloat16 round). */
void cr__store_scalar(void *out, cr_dtype dtype, const cr_value *number);
cr_value cr__load_scalar(const void *in, cr_dtype dtype);
/* The element as a number of its value, where a uint64 gave its bits. */
static inline cr_value cr__by_value(cr_dtype dtype, cr_value element) {
  bool large = dtype == CR_UINT64 && element.u.i < 0;
  return large ? cr_float((double)(uint64_t)element.u.i) : element;
}
uint16_t cr__float_to_half(float x);
float cr__half_to_float(uint16_t h);
uint16_t cr__float_to_bfloat(float x);
static inline float cr__bfloat_to_float(uint16_t h) {
  union {
    uint32_t u;
    float f;
  } v = {(uint32_t)h << 16};
  return v.f;
}
static inline size_t cr__size_of(cr_dtype d) {
  static const uint8_t size[] = {
#define X(NAME, name, bytes, category) bytes,
      CR_DTYPES(X)
#undef X
  };
  return size[d];
}
static inline cr_category cr__category(cr_dtype d) {
  static const uint8_t category[] = {
#define X(NAME, name, bytes, category) category,
      CR_DTYPES(X)
#undef X
  };
  return (cr_category)category[d];
}
/* Real numbers with a fraction; those and the complex ones: what has derivatives, and is neither bool nor integer. */
static inline bool cr__is_float(cr_dtype d) { return cr__category(d) == CR_FLOATING; }
static inline bool cr__is_inexact(cr_dtype d) { return cr__category(d) >= CR_FLOATING; }
/* The dtypes that are for storage, in which nothing computes. */
static inline bool cr__is_stored(int d) { return d >= CR_UINT16 && d <= CR_UINT64; }
/* Whether two of them have no dtype in common: those have none but with themselves and with floats. */
static inline bool cr__are_apart(cr_dtype a, cr_dtype b) {
  return a != b && (cr__is_stored(a) || cr__is_stored(b)) && !cr__is_inexact(a) &&
         !cr__is_inexact(b);
}
int cr__fail_apart(const char *op, cr_dtype a, cr_dtype b) __attribute__((cold));
/* The bytes of the largest element of all dtypes, complex128's. */
enum { CR__MAX_ELEMENT = 16 };

/* ---- shape.c ---- */

/* Renders "2x3" ("0-dim" for none; "0 x 3", which is no hexadecimal number) into a buffer that it returns. */
typedef struct cr__text {
  char s[160];
} cr__text;
const char *cr__shape_text(int ndim, const int64_t *shape, cr__text *buffer);
/* cr_quote of a whole string, in double quotes. */
static inline const char *cr__quote(const char *s, cr_quoted *buffer) {
  return cr_quote(s, strnlen(s, sizeof buffer->s), '"', buffer);
}
/* Product of the sizes; fails on a negative size, on too many dims and on overflow. */
int cr__count(const char *op, int ndim, const int64_t *shape, int64_t *numel);
void cr__fill_strides(int ndim, const int64_t *shape, int64_t *stride); /* contiguous */
bool cr__strides_contiguous(int ndim, const int64_t *shape, const int64_t *stride);
/* True if no two elements share memory for sure (dims sorted by stride do not overlap). */
bool cr__strides_disjoint(int ndim, const int64_t *shape, const int64_t *stride);
/* Turns a 1-based dim (negatives from the end) into 0-based *out; a 0-dim tensor has dim 1. */
int cr__wrap_other_dim(const char *op, const char *param, int64_t dim, int ndim, int *out);
static inline int cr__wrap_dim(const char *op, const char *param, int64_t dim, int ndim, int *out) {
  if (CR__UNLIKELY(dim < 1 || dim > ndim)) return cr__wrap_other_dim(op, param, dim, ndim, out);
  *out = (int)dim - 1;
  return CR_E_OK;
}
/* The same for a 1-based position along a dimension of `size`. */
int cr__wrap_index(const char *op, const char *param, int64_t index, int64_t size, int64_t *out);
/* dims (absent: all) as a bit mask of 0-based dims; fails on a dim named twice. */
int cr__dim_mask(const char *op, const cr_value *dims, int ndim, uint32_t *mask);
/* Widens (*ndim, shape) to its broadcast with another shape. */
int cr__broadcast_into(const char *op, int *ndim, int64_t *shape, int bndim, const int64_t *bshape);
/* Strides (in the same unit) that view a shape as the larger one; the caller knows that it fits. */
void cr__broadcast_strides(int ndim, const int64_t *shape, const int64_t *stride, int to_ndim,
                           const int64_t *to_shape, int64_t *out);
/* Strides that view (shape, stride) as new_shape without copying; false if there are none. */
bool cr__view_strides(int ndim, const int64_t *shape, const int64_t *stride, int new_ndim,
                      const int64_t *new_shape, int64_t *out);
/* Replaces one -1 in shape so that the product is numel. */
int cr__infer_size(const char *op, int64_t numel, int ndim, int64_t *shape);

#endif
